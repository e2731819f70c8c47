#!/bin/sh
# Long files: going on after a cut, and letting small edits pass.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-sshd.sh"
. "$(dirname "$0")/lib-relay.sh"
sshd_start || { ok "an sshd of our own" false; finish; }
unset SSH_AUTH_SOCK
helper="--helper-path $BUILD/snapsync-helper"
S=$T/src D=$T/dst; mkdir "$S"
MB=1000000 SIZE=60000000
head -c $SIZE /dev/urandom >"$S/long"; echo small >"$S/small"
part_size() { stat -c %s "$1"/.snapsync/tmp/part-* 2>/dev/null | head -n 1; }
# reached DIR BYTES: wait until that much has come
has_part() { [ "$(part_size "$1")" -ge "$2" ]; }
reached() { await has_part "$@"; }
# begin DEST OPTION...: in the background, slow enough to be cut
begin() { dest=$1; shift; "$SNAPSYNC" --state-dir "$T/state" --bwlimit=30M "$@" "$S" "$dest" >"$T/.bg" 2>&1 & BG=$!; }

few() { ok "$1: $(stat_of 'Bytes sent') bytes" test "$(stat_of 'Bytes sent')" -lt $((SIZE * 12 / 100)); }

begin "$D"; reached "$D" $((SIZE * 9 / 10)); kill -9 $BG; wait $BG 2>/dev/null
run_sync --stats "$S" "$D"; ok "the client was killed at 90 %: equal" same "$S" "$D"; few "and most of it is not sent again"
ok "nothing is left over" test -z "$(ls "$D/.snapsync/tmp")"
rm -rf "$D" "$T/state"
begin "$D"; reached "$D" $((SIZE * 9 / 10)); kill -9 $BG; pkill -9 -P $BG 2>/dev/null; wait $BG 2>/dev/null
settle; run_sync --stats "$S" "$D"; ok "both were killed: equal" same "$S" "$D"; few "most is not sent again"
# The source changes in between: at its end, and in what came already.
rm -rf "$D" "$T/state"; begin "$D"; reached "$D" $((SIZE * 9 / 10)); kill -9 $BG; wait $BG 2>/dev/null
echo appended >>"$S/long"; run_sync --stats "$S" "$D"; ok "appended meanwhile: equal" same "$S" "$D"; few "most is not sent again"
rm -rf "$D" "$T/state"; begin "$D"; reached "$D" $((SIZE * 5 / 10)); kill -9 $BG; wait $BG 2>/dev/null
printf x | dd of="$S/long" bs=1 seek=1000 conv=notrunc 2>/dev/null; run_sync "$S" "$D"; ok "changed where it was sent: equal" same "$S" "$D"
rm -rf "$D" "$T/state"; begin "$D"; reached "$D" $((SIZE * 5 / 10)); kill -9 $BG; wait $BG 2>/dev/null
head -c 9000000 "$S/long" >"$T/cut"; cat "$T/cut" >"$S/long"; run_sync "$S" "$D"; ok "shorter meanwhile: equal" same "$S" "$D"
# Somebody damages what came.
head -c $SIZE /dev/urandom >"$S/long"; rm -rf "$D" "$T/state"; begin "$D"; reached "$D" $((SIZE * 5 / 10)); kill -9 $BG; wait $BG 2>/dev/null
printf damage | dd of="$(ls "$D"/.snapsync/tmp/part-*)" bs=1 seek=77777 conv=notrunc 2>/dev/null
run_sync "$S" "$D"; ok "damaged at the destination: equal" same "$S" "$D"
# Holes, and a file that goes away.
truncate -s 200000000 "$S/holes"; head -c 20000000 /dev/urandom >>"$S/holes"; truncate -s 500000000 "$S/holes"
rm "$S/long"; begin "$D"; reached "$D" 210000000; kill -9 $BG; wait $BG 2>/dev/null
run_sync --stats "$S" "$D"; ok "with holes: equal" same "$S" "$D"
ok "holes stay holes" test "$(du -k "$D/holes" | cut -f1)" -lt 30000
head -c $SIZE /dev/urandom >"$S/long"; begin "$D"; reached "$D" $MB; kill -9 $BG; wait $BG 2>/dev/null; rm "$S/long"
run_sync "$S" "$D"; ok "gone meanwhile: equal" same "$S" "$D"
touch -d "5 days ago" "$D"/.snapsync/tmp/part-* 2>/dev/null; echo again >"$S/small"; run_sync "$S" "$D"
ok "what nobody wants goes after some days" test -z "$(ls "$D/.snapsync/tmp")"
# Over ssh: the connection is cut.
head -c $SIZE /dev/urandom >"$S/long"; rm -rf "$T/state" "$S/holes"
relay_start --rate 40000000
"$SNAPSYNC" --state-dir "$T/state" --ssh-config "$T/ssh/relay_config" $helper "$S" "relayed:$T/far" >"$T/.bg" 2>&1 & BG=$!
reached "$T/far" $((SIZE * 9 / 10)); relay_stop; wait $BG; rc=$?
ok "cut off: $rc" test $rc = 12 -o $rc = 10
relay_start --rate 40000000
run_sync --ssh-config "$T/ssh/relay_config" $helper --stats "$S" "relayed:$T/far"; ok "then: equal" same "$S" "$T/far"; few "most is not sent again"
# Continuous: a small edit while a long file is on its way.
rm "$S/long"; run_sync --ssh-config "$T/ssh/relay_config" $helper "$S" "relayed:$T/far"
"$SNAPSYNC" --interval 0.3 --state-dir "$T/state" --ssh-config "$T/ssh/relay_config" $helper "$S" "relayed:$T/far" >"$T/.bg" 2>&1 & BG=$!
at_exit "kill $BG 2>/dev/null; wait $BG 2>/dev/null"
sleep 1; head -c 300000000 /dev/urandom >"$S/long"
reached "$T/far" 10000000
worst=0
for i in 1 2 3 4 5; do
	echo "edit $i" >"$S/small"; begin=$(date +%s%N)
	until [ "$(cat "$T/far/small")" = "edit $i" ]; do sleep 0.01; [ $((($(date +%s%N) - begin) / 1000000)) -lt 9000 ] || break; done
	ms=$((($(date +%s%N) - begin) / 1000000)); [ $ms -le $worst ] || worst=$ms
done
ok "the long file is still on its way" test -n "$(part_size "$T/far")" -a ! -e "$T/far/long"
ok "small edits passed it: $worst ms at worst" test $worst -lt 1600
mkdir "$S/newdir"; mv "$S/long" "$S/newdir/moved" # under way it gets another name
ok "the long file came, under its new name" await cmp "$S/newdir/moved" "$T/far/newdir/moved"
settle; kill $BG; wait $BG; is "ends with 20" $? 20
rc=0; ok "equal" same "$S" "$T/far"
relay_stop
# A hole is long to hash: signals are heard meanwhile.
rm -rf "$S" "$T/state"; mkdir "$S"; truncate -s 300G "$S/hole"
"$SNAPSYNC" --state-dir "$T/state" "$S" "$T/holes" & BG=$!
sleep 1; start=$(date +%s); kill $BG; wait $BG; is "stopped in a hole: 20" $? 20; ok "soon" test $(($(date +%s) - start)) -lt 10
finish
