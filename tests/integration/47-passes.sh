#!/bin/sh
# Passes without end: memory and descriptors of both sides do not grow.
# PASSES=10000 is the full run (17 minutes and more).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-sshd.sh"
PASSES=${PASSES:-150}
sshd_start || { ok "an sshd of our own" false; finish; }
# What is freed is to be given back at once there, too.
export ASAN_OPTIONS="quarantine_size_mb=1:${ASAN_OPTIONS:-}"
S=$T/src D=$T/dst; mkdir -p "$S/d"; for i in 1 2 3 4 5; do echo $i >"$S/d/$i"; done
"$SNAPSYNC" --state-dir "$T/state" --interval 0.1 --ssh-config "$T/ssh/config" --helper-path "$BUILD/snapsync-helper" \
	"$S" "testhost:$D" >"$T/out" 2>"$T/errors" </dev/null & pid=$!
at_exit "kill $pid 2>/dev/null"
await cmp "$S/d/5" "$D/d/5"
helper=
for p in $(sshd_children "$SSHD_PID"); do [ "$(readlink "/proc/$p/exe")" != "$BUILD/snapsync-helper" ] || helper=$p; done
ok "both sides are there" test -n "$helper"
passes() { kill -USR1 $pid; sleep 0.3; sed -n 's/.*pass \([0-9]*\), .*/\1/p' "$T/errors" | tail -n 1; }
# Resident KiB of its own (not of what it has mapped), and descriptors.
memory() { awk '/^RssAnon/{print $2}' "/proc/$1/status"; }
descriptors() { set -- "/proc/$1/fd/"*; echo $#; }
sample() { echo "$(memory $pid) $(descriptors $pid) $(memory "$helper") $(descriptors "$helper")"; }
# One change of each kind, which together leave the tree as large as it was.
turn=0
change() {
	turn=$((turn + 1))
	case $((turn % 6)) in
	1) echo $turn >"$S/d/new" ;;
	2) mv "$S/d/new" "$S/moved" ;;
	3) head -c 50000 /dev/urandom >"$S/moved" ;;
	4) ln "$S/moved" "$S/link" ;;
	5) chmod 600 "$S/d/$((turn % 5 + 1))" ;;
	0) rm "$S/moved" "$S/link"; chmod 644 "$S"/d/? ;;
	esac
}
warm=$((PASSES / 3)); [ $warm -lt 500 ] || warm=500
begin= n=0
while [ $n -lt "$PASSES" ] && kill -0 $pid 2>/dev/null; do
	change; sleep 0.5; change; sleep 0.4; n=$(passes)
	[ -n "$begin" ] || [ "$n" -lt $warm ] || { begin=$(sample); echo "# pass $n: $begin (client KiB, descriptors; helper KiB, descriptors)"; next=$((n + 1000)); }
	[ -z "$begin" ] || [ "$n" -lt "$next" ] || { echo "# pass $n: $(sample)"; next=$((n + 1000)); }
done
end=$(sample); echo "# pass $n: $end"
# shellcheck disable=SC2086
set -- $begin $end
# (SQLite keeps pages of the growing history, 8 MB of them at most.)
ok "the client's memory does not grow: $1 to $5 KiB" test "$5" -le $(($1 + 1024))
ok "nor its descriptors: $2 to $6" test "$6" -le $(($2 + 2))
ok "the helper's memory does not grow: $3 to $7 KiB" test "$7" -le $(($3 + 1024))
ok "nor its descriptors: $4 to $8" test "$8" -le $(($4 + 2)) # one directory may be held
equal() { "$TREECMP" "$S" "$D"; }
ok "equal" await equal
kill -TERM $pid; wait $pid; is "SIGTERM: exit 20" $? 20
is "nothing was said but on demand" "$(grep -vc 'pass [0-9]*, ' "$T/errors")" 0
finish
