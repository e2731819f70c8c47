#!/bin/sh
# --interval: the connection stays, changes arrive, signals are obeyed.
. "$(dirname "$0")/lib.sh"
need strace
S=$T/src D=$T/dst
mkdir "$S"; echo 1 >"$S/f"
start() {
	"$SNAPSYNC" --state-dir "$T/state" --interval 0.2 "$@" "$S" "$D" >"$T/out" 2>"$T/errors" </dev/null &
	pid=$!; at_exit "kill $pid 2>/dev/null"
}
start -v
ok "the first pass" await cmp "$S/f" "$D/f"
echo 2 >"$S/g"; ok "an added file arrives" await cmp "$S/g" "$D/g"
mv "$S/g" "$S/h"; ok "a move arrives" await test -e "$D/h"; ok "and its old name is gone" await test ! -e "$D/g"
rm "$S/h"; ok "a delete arrives" await test ! -e "$D/h"
kill -USR1 $pid; ok "SIGUSR1 prints progress" await grep -q 'pass [0-9]*, [0-9]* entries' "$T/errors"
run_sync --status "$S"; is "--status while it runs: exit" $rc 0; like "--status while it runs" "$out" 'state: up to date'
run_sync "$S" "$D"; is "a second process is refused: 5" $rc 5; like "and says why" "$errors" 'running|another|lock'
ok "one connection for all" test "$(grep -c 'connected to' "$T/errors")" = 1
for p in $(ps -o pid= --ppid $pid); do kill -9 "$p"; done
echo 3 >"$S/k"; ok "the helper killed: goes on by itself" await cmp "$S/k" "$D/k"
ok "says that it went" grep -q 'trying again' "$T/errors"; ok "says that it is back" grep -q 'connected again' "$T/errors"
ok "in two lines" test "$(grep -c -e 'trying again' -e 'connected again' "$T/errors")" = 2
# The source goes away and comes back.
mv "$S" "$T/elsewhere"; ok "a missing source is told" await grep -q 'waiting for it' "$T/errors"
ok "and nothing is deleted" test -f "$D/k"
mv "$T/elsewhere" "$S"; echo 4 >"$S/m"; ok "it goes on when it is back" await cmp "$S/m" "$D/m"
# Deletes over the limit wait and say so.
mkdir "$S/many"; n=0; while [ $n -lt 150 ]; do echo $n >"$S/many/$n"; n=$((n + 1)); done
ok "many files" await test -e "$D/many/149"
mv "$S/many" "$T/many"; ok "deletes withheld are told" await grep -q 'deletes withheld\|withheld:' "$T/errors"
echo 5 >"$S/n"; ok "everything else goes on" await cmp "$S/n" "$D/n"; ok "nothing deleted" test -e "$D/many/7"
sleep 1; ok "told once, not each pass" test "$(grep -c withheld "$T/errors")" = 1
mv "$T/many" "$S/many"
kill -TERM $pid; wait $pid; is "SIGTERM: exit 20" $? 20
run_sync "$S" "$D"; ok "equal" same "$S" "$D"
start; ok "again" await test -e "$T/state"; sleep 0.5; kill -INT $pid; kill -TERM $pid; wait $pid; is "two signals: exit 20" $? 20
# SIGTERM during a large transfer: abandoned cleanly, gone on with later.
head -c 300000000 /dev/zero >"$S/large"; start; sleep 0.15; kill -TERM $pid; wait $pid; is "SIGTERM while it transfers: 20" $? 20
ok "no half file" test ! -e "$D/large" -o "$(stat -c %s "$D/large" 2>/dev/null)" = 300000000
run_sync "$S" "$D"; ok "the next run completes it" same "$S" "$D"
# A large file that is still being written waits; a small one does not.
rm "$S/large"; run_sync "$S" "$D"
# Directories at rest are not listed again: what changes in them is seen all the same.
mkdir -p "$S/rest/d/e" "$S/rest/x"; for i in 1 2 3 4 5; do echo $i >"$S/rest/d/$i"; echo $i >"$S/rest/x/$i"; done; run_sync "$S" "$D"
start; equal() { await "$TREECMP" "$S" "$D"; }; settled() { sleep 3; }
settled; echo new >"$S/rest/d/6"; ok "at rest, then added" equal
settled; echo edited >>"$S/rest/d/1"; ok "edited in place" equal
settled; rm "$S/rest/d/2"; mv "$S/rest/d/3" "$S/rest/d/33"; ok "deleted, renamed" equal
settled; touch -r "$S/rest/d" "$T/ref"; echo hidden >"$S/rest/d/7"; touch -r "$T/ref" "$S/rest/d"; ok "its time put back" equal
settled; rm -r "$S/rest/x"; mkdir "$S/rest/x"; for i in 1 2 6; do echo again $i >"$S/rest/x/$i"; done; ok "another directory in its place" equal
settled; mv "$S/rest/d" "$S/rest/x/d"; echo 8 >"$S/rest/x/d/8"; ok "moved, and added to" equal
settled; rm "$S/rest/x/d/8"; mkdir "$S/rest/x/d/8"; echo 1 >"$S/rest/x/d/8/1"; ok "a file became a directory" equal
settled; chmod 700 "$S/rest/x/d"; ok "only its mode" equal
kill $pid; wait $pid
sleep 3; strace -f -qq -e trace=getdents64,getdents -o "$T/lists" "$SNAPSYNC" --state-dir "$T/state" --interval 0.2 "$S" "$D" & pid=$!; sleep 3; kill $(ps -o pid= --ppid $pid); wait $pid
passes=$(grep -c . "$T/lists"); ok "listed once: $passes calls" test "$passes" -lt 60 -a "$passes" -gt 5
# Passes that take longer than --timeout, and than the helper waits: it is not called silent, and nothing waits for a pass more.
for dirs in 10 26; do
	rm -rf "$S" "$D" "$T/state"; i=0; while [ $i -lt $dirs ]; do mkdir -p "$S/d$i"; echo $i >"$S/d$i/f"; i=$((i + 1)); done; run_sync "$S" "$D"
	ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}" strace -f -b execve -qq -o /dev/null -e trace=newfstatat,statx -e inject=newfstatat,statx:delay_enter=100000 "$SNAPSYNC" --state-dir "$T/state" --interval 0.2 --timeout 1 "$S" "$D" 2>"$T/errors" & pid=$!
	for i in 1 2 3 4 5 6; do sleep 1.5; echo more >>"$S/d$i/f"; done; ok "passes longer than --timeout, $dirs directories: equal" equal
	is "and nobody is blamed" "$(cat "$T/errors")" ""; kill $(ps -o pid= --ppid $pid); wait $pid
done
# A one-pass run walks again, for longer than the helper waits, where the source was restless.  (Directories in
# each other: no thread helps.)
rm -rf "$S" "$D" "$T/state"; mkdir "$S"; d=$S; for i in $(seq 15); do d=$d/d; mkdir "$d"; done; echo 1 >"$S/f"; echo 1 >"$d/f"
while [ ! -e "$D/f" ]; do echo more >>"$S/busy"; done & writer=$!
ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}" strace -f -b execve -qq -o "$T/walks" -e trace=newfstatat,statx,getdents64 -e inject=newfstatat,statx:delay_enter=100000 "$SNAPSYNC" --state-dir "$T/state" --timeout 1 "$S" "$D" >"$T/out" 2>"$T/errors"; rc=$?; kill $writer 2>/dev/null; wait $writer
is "a long second walk of one run: exit" "$rc $(cat "$T/errors")" "0 "; ok "equal" same "$S" "$D"; ok "there was one" test "$(grep -c getdents64 "$T/walks")" -ge 64
# SRC is a symbolic link that is pointed elsewhere meanwhile.
mkdir "$T/r1" "$T/r2"; echo one >"$T/r1/f"; echo old >"$T/r1/old"; settle; echo two >"$T/r2/f"; ln -s r1 "$T/current"
S=$T/current D=$T/cd; start; ok "a link as SRC" await cmp "$T/r1/f" "$D/f"
ln -sfn r2 "$S"; ok "pointed elsewhere: is followed" await cmp "$T/r2/f" "$D/f"; ok "says so" grep -q "current is $T/r2 now, it was $T/r1" "$T/errors"; ok "and what is withheld" await grep -q 'withheld: the source is not' "$T/errors"
ok "nothing is deleted" test -f "$D/old"; ln -sfn r1 "$S"; ok "and back" await cmp "$T/r1/f" "$D/f"
ln -sfn "$T" "$S"; wait $pid; is "pointed where DEST lies: 1" $? 1; ok "says so" grep -q 'inside the source' "$T/errors"
# It is pointed where our own state lies: that is left out.
ln -sfn r1 "$S"; D=$T/cs; start --state-dir "$T/r2/state"; ok "a link as SRC, again" await cmp "$T/r1/f" "$D/f"
ln -sfn r2 "$S"; ok "pointed where our state lies" await cmp "$T/r2/f" "$D/f"; echo three >"$T/r2/g"; ok "goes on" await cmp "$T/r2/g" "$D/g"; ok "the state is left out" test ! -e "$D/state"
mkdir "$T/r1/state"; echo ours >"$T/r1/state/s"; ln -sfn r1 "$S"; ok "what has the same name elsewhere is not" await cmp "$T/r1/state/s" "$D/state/s"; kill $pid; wait $pid
run_sync --interval 0.01 "$S" "$D"; is "--interval 0.01: usage" $rc 1
run_sync --interval x "$S" "$D"; is "--interval x: usage" $rc 1
finish
