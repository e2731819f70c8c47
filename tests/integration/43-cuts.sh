#!/bin/sh
# A network that cuts, freezes and crumbles: noticed, told once, got over.
# CUTS=300 is the full run.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-sshd.sh"
. "$(dirname "$0")/lib-relay.sh"
need awk
CUTS=${CUTS:-16} SEED=${SEED:-$(date +%s)}
echo "# seed $SEED"
SSHD_EXTRA="LoginGraceTime 20"
sshd_start || { ok "an sshd of our own" false; finish; }
unset SSH_AUTH_SOCK
export ASAN_OPTIONS="quarantine_size_mb=1:${ASAN_OPTIONS:-}"
helper=$BUILD/snapsync-helper
# helper_behind NAME OPTION...: a helper with a relay in front of it
helper_behind() {
	name=$1; shift
	printf '#!/bin/sh\nexec %s %s %s "$@"\n' "$RELAY" "$*" "$helper" >"$T/$name"; chmod +x "$T/$name"
}
now_ms() { echo $(($(date +%s%N) / 1000000)); }
# A corner of its own, for what runs in the background.
corner() { mkdir "$T/$1" && cp -as "$T/ssh" "$T/$1/ssh" && T=$T/$1 && S=$T/src && mkdir "$S"; }
# To be run in the background.
keeper() { exec "$SNAPSYNC" --interval 0.2 --ssh-config "$T/ssh/relay_config" --helper-path "$helper" "$@" </dev/null; }

# ---- cuts all the time, under load: one client with libssh2, one with -e
faults() { grep -c 'close\|reset\|half\|stall' "$T/relay.log"; }
load() {
	n=$((n + 1))
	head -c 20000 /dev/urandom >"$S/new$n"; mkdir -p "$S/d$((n % 4))"; echo $n >>"$S/grows"
	mv "$S/new$((n - 1))" "$S/d$((n % 4))/moved$n" 2>/dev/null
	rm -f "$S"/d*/moved$((n - 20)); [ $((n % 15)) != 0 ] || mv "$S/d$(((n + 1) % 4))" "$S/dir$n" 2>/dev/null
	[ $((n % 30)) != 0 ] || rm -rf "$S"/dir*
}
both_equal() { "$TREECMP" "$S" "$T/one" && "$TREECMP" "$S" "$T/two"; }
size() { awk '/^RssAnon/{print $2}' "/proc/$one/status"; }
# At rest: a pass has some more while it lasts.
descriptors() {
	least=9999
	for i in 1 2 3 4 5 6 7 8; do set -- /proc/$one/fd/*; [ $# -ge $least ] || least=$#; sleep 0.05; done
	echo $least
}
many_cuts() (
	corner many; n=0; echo 1 >"$S/grows"
	relay_start --chaos 150000 --seed "$SEED" --log "$T/relay.log"; relay_say p
	set -- --timeout 2 --contimeout 3
	keeper "$@" --state-dir "$T/state1" "$S" "relayed:$T/one" 2>"$T/errors1" & one=$!
	keeper "$@" --state-dir "$T/state2" -e "ssh -F $T/ssh/relay_config" "$S" "relayed:$T/two" 2>"$T/errors2" & two=$!
	trap 'kill $one $two' TERM
	await both_equal; fds=$(descriptors) early=
	relay_say f; start=$(now_ms)
	while [ "$(faults)" -lt "$CUTS" ] && [ $(($(now_ms) - start)) -lt $((30000 + CUTS * 5000)) ]; do
		load; sleep 0.1
		[ -n "$early" ] || [ "$(faults)" -lt $((CUTS / 3)) ] || early=$(size)
	done
	relay_say p; took=$((($(now_ms) - start) / 1000))
	for i in 1 2 3 4 5; do ! await both_equal || break; done
	both_equal; equal=$?
	late=$(size); fds="$fds $(descriptors)"
	kill $one; wait $one; exits=$?; kill $two; wait $two; exits="$exits $?"
	[ "$exits" = "20 20" ] || tail -n 40 "$T/errors1" "$T/errors2" | sed 's/^/# /' # a sanitizer's word, perhaps
	echo "m_equal=$equal m_faults=$(faults) m_opens=$(grep -c open "$T/relay.log") m_took=$took m_early=$early m_late=$late m_fds='$fds' m_exits='$exits' m_lines=$(cat "$T/errors1" "$T/errors2" | wc -l)" >"$T/result"
	relay_stop
)

# ---- nobody gets through: not too many tries, and one line
no_storm() (
	corner storm; relay_start --down 0 --log "$T/relay.log"; echo 1 >"$S/f"
	keeper --state-dir "$T/state" "$S" "relayed:$T/dst" 2>"$T/errors" & one=$!
	trap 'kill $one' TERM
	sleep 8; kill $one; wait $one
	echo "s_exit=$? s_opens=$(grep -c open "$T/relay.log") s_lines=$(wc -l <"$T/errors")" >"$T/result"
	relay_stop
)
many_cuts & many=$!; at_exit "kill $many 2>/dev/null"
no_storm & storm=$!; at_exit "kill $storm 2>/dev/null"

# ---- a cut at each place of a conversation: all of it is done once, and right
S=$T/src D=$T/dst
mkdir -p "$S/a/b" "$S/x" "$S/y"; echo 1 >"$S/a/b/1"; echo 2 >"$S/a/2"; echo x >"$S/x/f"; echo y >"$S/y/f"; ln "$S/a/2" "$S/hl"; echo gone >"$S/gone"; echo r >"$S/r"
good_sync "begin" "$S" "$D"; settle
cp -a "$T/dst" "$T/dst0"; cp -a "$T/state" "$T/state0"
mv "$S/x" "$S/t"; mv "$S/y" "$S/x"; mv "$S/t" "$S/y" # twice is once too often
mv "$S/a/b" "$S/b"; rm "$S/gone"; echo new >"$S/new"; echo rr >>"$S/r"; ln "$S/new" "$S/new2"; mkdir "$S/nd"; mv "$S/a/2" "$S/nd/2"; settle
again() { rm -rf "$D" "$T/state"; cp -a "$T/dst0" "$D"; cp -a "$T/state0" "$T/state"; }
# walk "what" UP DOWN command: cut at bytes up to UP and DOWN
walk() {
	what=$1 up=$2 down=$3 step=$4 cuts=0 wrong=0 whole=0; shift 4
	for way in "up $up" "down $down"; do
		at=0
		while [ $at -le "${way#* }" ]; do
			for end in close reset close half; do
				again; "$@" "${way% *}" $at $end
				case $rc in
				0) whole=$((whole + 1)) ;;
				10|12|30|35) cuts=$((cuts + 1)) ;;
				*) wrong=$((wrong + 1)); echo "# $way at $at, $end: exit $rc $errors" ;;
				esac
				run_clean; same "$S" "$D" >"$T/.cmp" 2>&1 || { wrong=$((wrong + 1)); echo "# $way at $at, $end: then exit $rc $errors"; cat "$T/.cmp"; }
				at=$((at + step))
			done
		done
	done
	ok "$what: cut $cuts times ($whole times too late)" test $cuts -gt $(((up + down) / step * 7 / 10))
	is "$what: right every time" $wrong 0
}
helper_behind measure --log "$T/relay.log"
again; run_sync --helper-path "$T/measure" "$S" "$D"
# shellcheck disable=SC2046
set -- $(sed -n 's/.* end up \([0-9]*\) down \([0-9]*\)/\1 \2/p' "$T/relay.log")
ok "a conversation of ${1:-no} and ${2:-no} bytes" test "${1:-0}" -gt 300 -a "${2:-0}" -gt 60
cut_local() { helper_behind cutter "--$1" "$2" --end "$3"; run_sync --helper-path "$T/cutter" "$S" "$D"; }
run_clean() { run_sync "$S" "$D"; }
walk "local" "$1" "$2" $((($1 + $2) / 44)) cut_local
# A destination that was put back to an earlier state is listed; a listing that
# is cut is wanted again, and by the next run too.
run_clean; cp -a "$D" "$T/dst1"; echo newer >"$S/r"; echo newer >"$S/nd/new"; run_clean
rm -rf "$D"; cp -a "$T/dst1" "$D"; echo again >"$S/again"
helper_behind cutter --down 150 --end close; run_sync --helper-path "$T/cutter" "$S" "$D"
is "the listing of a restored destination is cut: exit 12" "$rc" 12
run_clean; ok "it is made by the next run" same "$S" "$D" || echo "# $errors"
# The acknowledgement is lost, and then the directory in question is made anew.
rm -rf "$S" "$D" "$T/state"; mkdir -p "$S/d"; echo 1 >"$S/d/1"; echo 2 >"$S/d/2"; echo 3 >"$S/3"; run_clean; settle
rm -rf "$T/dst0" "$T/state0"; cp -a "$D" "$T/dst0"; cp -a "$T/state" "$T/state0"
mv "$S/3" "$S/d/3"; rm "$S/d/1"; settle; : >"$T/relay.log"; run_sync --helper-path "$T/measure" "$S" "$D"
at=$(sed -n 's/.* end .*down //p' "$T/relay.log") rc=0
while [ $rc = 0 ] && [ "$at" -gt 0 ]; do # from the end, until it hurts
	at=$((at - 4)); again; helper_behind cutter --down $at --end close; run_sync --helper-path "$T/cutter" "$S" "$D"
done
ok "the acknowledgement is lost: exit $rc" test $rc = 12 -a ! -e "$D/d/1"
rc=0 # A busy helper sends some more before it: the same again.
while [ $rc = 0 ] && [ "$at" -gt 0 ]; do
	again; helper_behind staller --down $at --end stall; run_sync --timeout 2 --helper-path "$T/staller" "$S" "$D"
	at=$((at - 4))
done
is "the acknowledgement stalls: exit 30" $rc 30; ok "what it was to acknowledge is done" test ! -e "$D/d/1"
rm -r "$S/d"; mkdir "$S/d"; echo 4 >"$S/d/4"; run_clean
ok "its directory is another one by then: equal" same "$S" "$D" || echo "# $errors"
# The same through a server, where a cut also hits what encrypts.
rm -rf "$T/dst0" "$T/state0" "$T/src1"; cp -a "$S" "$T/src1"
far() { run_sync --ssh-config "$T/ssh/relay_config" --helper-path "$helper" --timeout 4 --contimeout 8 "$@" "$S" "relayed:$D"; }
relay_start --log "$T/relay.log"
rm -rf "$D" "$T/state" "$S"; mkdir "$S"; echo 1 >"$S/1"; mkdir "$S/d"; echo 2 >"$S/d/2"
far; ok "over ssh: begin" same "$S" "$D"; settle; cp -a "$D" "$T/dst0"; cp -a "$T/state" "$T/state0"
mv "$S/d" "$S/e"; mv "$S/1" "$S/e/1"; head -c 9000 /dev/urandom >"$S/3"; settle; far
relay_stop
# shellcheck disable=SC2046
set -- $(sed -n 's/.* end up \([0-9]*\) down \([0-9]*\)/\1 \2/p' "$T/relay.log" | tail -n 1)
ok "over ssh a conversation of ${1:-no} and ${2:-no} bytes" test "${1:-0}" -gt 9000 -a "${2:-0}" -gt 2000
cut_far() { relay_start "--$1" "$2" --end "$3"; far; relay_say p; }
run_clean() { far; relay_stop; }
walk "libssh2" "$1" "$2" $((($1 + $2) / 12)) cut_far

# ---- stalls in each phase, all of them at the same time
rm -rf "$S" "$T/state" "$T/src1"; mkdir "$S"; head -c 3000000 /dev/urandom >"$S/big"; echo 1 >"$S/f"
# stall NAME OPTION...: one pass, limits of 2 seconds; its exit code and the time it took, ms, in NAME.rc
stall() {
	name=$1; shift; begin=$(now_ms)
	"$SNAPSYNC" --state-dir "$T/state-$name" --timeout 2 --contimeout 2 "$@" "$S" "stalled-$name:$T/stall-$name" >/dev/null 2>"$T/$name.err" </dev/null
	echo "$? $(($(now_ms) - begin))" >"$T/$name.rc"
}
# In front of the server: before the banner, and at two places of the key exchange.
for phase in "banner --down 0" "exchange --down 1250" "keys --down 1500"; do
	# shellcheck disable=SC2086
	set -- $phase; name=$1; shift
	relay_start "$@" --end stall
	sed "s/^Host relayed/Host stalled-*/" "$T/ssh/relay_config" >"$T/ssh/config-$name"
	stall $name --ssh-config "$T/ssh/config-$name" --helper-path "$helper" & first=$!
	stall $name-e -e "ssh -F $T/ssh/config-$name" --helper-path "$helper" & wait $! $first
	relay_stop
	is "$name: exit 35" "$(cut -d' ' -f1 "$T/$name.rc")" 35
	ok "$name: after $(cut -d' ' -f2 "$T/$name.rc") ms" test "$(cut -d' ' -f2 "$T/$name.rc")" -lt 5000
	like "$name: the message" "$(cat "$T/$name.err")" 'within 2 seconds \(--contimeout\)'
	is "$name, -e: exit 30" "$(cut -d' ' -f1 "$T/$name-e.rc")" 30
	ok "$name, -e: after $(cut -d' ' -f2 "$T/$name-e.rc") ms" test "$(cut -d' ' -f2 "$T/$name-e.rc")" -lt 8000
	like "$name, -e: the message" "$(cat "$T/$name-e.err")" 'silent for 2 seconds'
done
# All the way to the helper's first words: it is the time, by whichever clock.
# libssh2 has one of whole seconds; a second begins at each of its questions.
relays= seconds=
for at in 1500 1780 2700; do
	relay_start --down $at --end stall
	sed "s/^Host relayed/Host stalled-*/" "$T/ssh/relay_config" >"$T/ssh/config-$at"
	rm "$T/ssh/relay.in"; relays="$relays $RELAY_PID"; : >"$T/ssh/relay.out"
	at_exit "kill $RELAY_PID 2>/dev/null"
	for second in 1 22 24 26 28 30 32 34 36 38 42 46; do
		(export ASAN_OPTIONS="verify_asan_link_order=0:$ASAN_OPTIONS" LD_PRELOAD="$BUILD/tests/coarse.so" COARSE=$second
		 stall $at-$second --ssh-config "$T/ssh/config-$at" --helper-path "$helper") &
		seconds="$seconds $at-$second"
	done
done
for at in $seconds; do await test -s "$T/$at.rc"; done
# shellcheck disable=SC2086
kill $relays; RELAY_PID=; exec 7>&-
for at in $seconds; do echo "$(cut -d' ' -f1 "$T/$at.rc") $(cat "$T/$at.err")"; done >"$T/late"
wrong=$(grep -v '^35 .*within 2 seconds (--contimeout)$\|^30 .*silent for 2 seconds$' "$T/late" | sed 's/^/# /')
is "a login that stalls somewhere: never another reason" "$wrong" ""

# In front of the helper: the greeting, content, the acknowledgement.
sed "s/^Host testhost/Host testhost stalled-*/" "$T/ssh/config" >"$T/ssh/config-far"
helper_behind hello --up 40 --end stall
helper_behind welcome --down 0 --end stall
helper_behind content --up 1000000 --end stall
helper_behind listing --down 100 --end stall
for name in hello welcome content listing; do
	# shellcheck disable=SC2086
	stall $name --ssh-config "$T/ssh/config-far" --helper-path "$T/$name" &
	stall $name-e -e "ssh -F $T/ssh/config-far" --helper-path "$T/$name" &
done
for name in hello welcome content listing; do for way in "" -e; do
	await test -s "$T/$name$way.rc"
	is "$name$way: exit 30" "$(cut -d' ' -f1 "$T/$name$way.rc")" 30
	ok "$name$way: after $(cut -d' ' -f2 "$T/$name$way.rc") ms" test "$(cut -d' ' -f2 "$T/$name$way.rc")" -lt 8000
	like "$name$way: the message" "$(cat "$T/$name$way.err")" 'silent for 2 seconds'
done; done

# ---- byte by byte
helper_behind crumbs --pieces 1
rm -rf "$S" "$T/state"; mkdir "$S"; head -c 20000 /dev/urandom >"$S/f"; mkdir "$S/d"; ln "$S/f" "$S/d/l"
run_sync --helper-path "$T/crumbs" "$S" "$T/c1"; ok "local, byte by byte: equal" same "$S" "$T/c1"
relay_start --pieces 1
run_sync --ssh-config "$T/ssh/relay_config" --helper-path "$helper" "$S" "relayed:$T/c2"; ok "libssh2, byte by byte: equal" same "$S" "$T/c2"
run_sync -e "ssh -F $T/ssh/relay_config" --helper-path "$helper" "$S" "relayed:$T/c3"; ok "-e, byte by byte: equal" same "$S" "$T/c3"
relay_stop

# ---- a disk that takes longer than --timeout: that is no silence
printf '#!/bin/sh\nexec strace -f -qq -o /dev/null -e trace=fsync,fdatasync,syncfs -e inject=fsync,fdatasync,syncfs:delay_enter=3500000 %s "$@"\n' "$helper" >"$T/slowdisk"; chmod +x "$T/slowdisk"
rm -rf "$S" "$T/state"; mkdir "$S"; echo a >"$S/a"
lsan=${ASAN_OPTIONS:-}; export ASAN_OPTIONS="$lsan${lsan:+:}detect_leaks=0"
run_sync --timeout 2 --helper-path "$T/slowdisk" "$S" "$T/slow"; is "a slow disk, one file" $rc 0; ok "equal" same "$S" "$T/slow"
i=0; while [ $i -lt 300 ]; do echo $i >"$S/f$i"; i=$((i + 1)); done; echo b >"$S/b"
run_sync --timeout 2 --helper-path "$T/slowdisk" "$S" "$T/slow"; is "a slow disk, a large batch" $rc 0; ok "equal" same "$S" "$T/slow"
# Nor is a helper silent that has much to copy.
printf '#!/bin/sh\nexec strace -f -qq -o /dev/null -e trace=copy_file_range -e inject=copy_file_range:delay_enter=250000 %s "$@"\n' "$helper" >"$T/slowdisk"
head -c 40000000 /dev/urandom >"$S/long"; run_sync "$S" "$T/slow"; cp "$S/long" "$S/copied"
run_sync --timeout 2 --helper-path "$T/slowdisk" "$S" "$T/slow"; is "a slow disk, much to copy" "$rc $errors" "0 "; ok "equal" same "$S" "$T/slow"
ASAN_OPTIONS=$lsan

# ---- what happened in the background
wait $storm
eval "$(cat "$T/storm/result")"
ok "nobody gets through: $s_opens tries in 8 seconds" test "$s_opens" -ge 2 -a "$s_opens" -le 5
is "and one line" "$s_lines" 1
is "ends with 20" "$s_exit" 20
wait $many
eval "$(cat "$T/many/result")"
ok "$m_faults cuts and stalls under load, in $m_took seconds" test "$m_faults" -ge "$CUTS"
ok "then equal, with libssh2 and with -e" test "$m_equal" = 0 || { sed 's/^/# /' "$T/many/errors1" "$T/many/errors2"; }
# (A machine that is too busy lets some run into --contimeout, 3 s each.)
ok "no storm: $m_opens connections" test "$m_opens" -le $((m_faults + 4 + m_took / 20))
ok "the log stays readable: $m_lines lines" test "$m_lines" -le $((m_faults * 2 + 4))
# SQLite fills its cache first, 8 MiB; what 200 cuts leave is to be less.
room=8500; [ "$CUTS" -lt 300 ] || room=2500
ok "memory does not grow: $m_early to $m_late KiB" test "$m_late" -le $((m_early + room))
ok "nor do descriptors: $m_fds" test "${m_fds#* }" -le "${m_fds% *}"
is "both end with 20" "$m_exits" "20 20"
finish
