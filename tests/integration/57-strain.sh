#!/bin/sh
# Both programs under strain: reads and writes of a part of what was asked,
# interrupted calls, and memory that is refused once.  More places for
# memory: make faults
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-change.sh"
case $(uname -sm) in
"Linux x86_64"|"Linux aarch64") ;;
*) echo "1..1"; echo "ok 1 - # SKIP strain: the library that makes it is for 64-bit Linux"; exit 0 ;;
esac
export ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0
odd=$BUILD/tests/odd.so
strained() { # client|helper|both ODD args...
	who= ; [ "$1" = both ] || who=$1
	[ "$who" != client ] || who=snapsync
	list=$2; shift 2
	rc=0; env LD_PRELOAD="$odd" ODD="$list" ${who:+ODD_WHO=$who} timeout 60 "$SNAPSYNC" --state-dir "$T/state" "$@" >"$T/.out" 2>"$T/.err" </dev/null || rc=$?
	out=$(cat "$T/.out"); errors=$(cat "$T/.err")
}
change_begin; change
seed=${SEED:-$(date +%s)}; echo "# seed $seed"
wrong=0
for n in 1 2 3 4 5 6; do
	ODD_SEED=$((seed + n)); export ODD_SEED; change_again
	strained both short,eintr "$S" "$D"
	same "$S" "$D" >"$T/.cmp" 2>&1 || { wrong=$((wrong + 1)); echo "# seed $ODD_SEED: exit $rc $errors"; cat "$T/.cmp"; }
done
is "short reads and writes, and interruptions: right" $wrong 0
rm -rf "$D" "$T/state"; head -c 20000000 /dev/urandom >"$S/big"; strained both short,eintr "$S" "$D"; ok "a first copy, with a long file: right" same "$S" "$D"
settle; tail -c 15000000 "$S/big" >"$S/tail"; printf x | dd of="$S/big" bs=1 seek=9000000 conv=notrunc 2>/dev/null; strained both short,eintr "$S" "$D"; ok "parts of it copied there: right" same "$S" "$D"
rm "$S/big" "$S/tail"
# Memory: the Nth allocation fails, in one of the two.
case $BUILD in *-asan*) finish ;; esac	# its allocations are not to be had
wrong=0 cases=0 refused=0
for side in helper client; do
	[ $side = helper ] && last=600 || last=6000
	step=$((last / 40)); [ -z "${FULL:-}" ] || step=$((last / 600))
	at=1
	while [ $at -le $last ]; do
		change_again; strained $side malloc=$at "$S" "$D"; cases=$((cases + 1)); bad=
		[ $rc -lt 100 ] || bad="crashed or hung"
		case $errors in
		*nss_*ssertion*) ;;	# the C library asserts its own memory, in getpwnam
		*dumped*|*egmentation*|*ssertion*) bad="crashed" ;;
		esac
		[ $rc = 0 ] || refused=$((refused + 1))
		[ $rc != 0 ] || "$TREECMP" "$S" "$D" >"$T/.cmp" 2>&1 || bad="called right, and is not"
		[ $rc = 0 ] || [ -n "$errors" ] || bad="nothing said"
		[ -n "$bad" ] || { run_sync "$S" "$D"; same "$S" "$D" >"$T/.cmp" 2>&1 || bad="not right after the next run"; }
		[ -z "$bad" ] || { wrong=$((wrong + 1)); echo "# $side, allocation $at: $bad: exit $rc $errors"; head -3 "$T/.cmp"; }
		at=$((at + step))
	done
done
echo "# $cases cases, $refused failed runs"
is "an allocation that fails, at $cases places: right, or said" $wrong 0
finish
