#!/bin/sh
# --interval over a real sshd that is killed, restarted, and frozen.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-sshd.sh"
sshd_start || { ok "an sshd of our own" false; finish; }
S=$T/src D=$T/dst; mkdir "$S"; echo 1 >"$S/f"
told() { test "$(grep -c "$1" "$T/errors")" -ge "$2"; }
for way in libssh2 program; do
	rm -rf "$D"; : >"$T/errors"
	[ $way = libssh2 ] || set -- -e "ssh -F $T/ssh/config"
	"$SNAPSYNC" --state-dir "$T/state-$way" --interval 0.2 --timeout 4 -v --ssh-config "$T/ssh/config" --helper-path "$BUILD/snapsync-helper" \
		"$@" "$S" "testhost:$D" >"$T/out" 2>"$T/errors" </dev/null & pid=$!
	at_exit "kill $pid 2>/dev/null"
	ok "$way: first pass" await cmp "$S/f" "$D/f"
	echo 2 >"$S/$way"; ok "$way: a change" await cmp "$S/$way" "$D/$way"
	ok "$way: over the same connection" test "$(grep -c 'connected to' "$T/errors")" = 1
	sshd_stop; echo 3 >"$S/$way-down"; mv "$S/$way" "$S/$way-moved"
	ok "$way: sshd killed: told" await told 'trying again' 1
	sleep 2; ok "$way: told once per reason" test "$(grep -c 'trying again' "$T/errors")" -le 2
	sshd_run; ok "$way: sshd is back" test -n "$SSHD_PID"
	ok "$way: goes on by itself" await cmp "$S/$way-down" "$D/$way-down"
	ok "$way: with the move" await test -e "$D/$way-moved" -a ! -e "$D/$way"
	ok "$way: told" await told 'connected again' 1
	# Frozen: the far end's processes are stopped, nothing answers.
	frozen=$(sshd_children "$SSHD_PID"); for p in $frozen; do kill -STOP "$p"; done
	echo 4 >"$S/$way-frozen"
	ok "$way: a freeze is noticed" await told 'silent for 4 seconds' 1
	ok "$way: and got over by a new connection" await cmp "$S/$way-frozen" "$D/$way-frozen" || tail -5 "$T/errors" | sed 's/^/# /'
	for p in $frozen; do kill -CONT "$p" 2>/dev/null; kill "$p" 2>/dev/null; done
	"$SNAPSYNC" --state-dir "$T/state-$way" --status "$S" >"$T/status"; ok "$way: --status" grep -q 'state: ' "$T/status"
	kill -TERM $pid; wait $pid; is "$way: SIGTERM: exit 20" $? 20
	rc=0; ok "$way: equal" same "$S" "$D"
done
finish
