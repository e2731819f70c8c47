#!/bin/sh
# The state database locked, damaged, lost, old, copied; several clients; a
# destination that was restored or wiped.  Each ends right or with a word that
# says what to do, and nothing at the destination goes because of it.
. "$(dirname "$0")/lib.sh"
need sqlite3 strace
S=$T/src D=$T/dst
db() { echo "$T"/state/src-*/state.db; }
# A mirror with something beside it that is not in the source.
fresh() {
	rm -rf "$S" "$D" "$T/state" "$T/state2" "$T/old"; mkdir -p "$S/d/e"
	for i in 1 2 3 4 5 6 7 8 9; do echo "$i" >"$S/d/f$i"; echo "e$i" >"$S/d/e/$i"; done; ln "$S/d/f1" "$S/hard"; ln -s d "$S/sl"
	run_sync "$S" "$D"; echo theirs >"$D/theirs"; echo theirs >"$D/d/theirs"; settle
}
kept() { test "$(cat "$D/theirs" "$D/d/theirs" 2>&1)" = "theirs
theirs"; }
# Equal but for what is theirs.
right() {
	kept || { echo "theirs is gone"; return 1; }
	test "$rc" = 0 && mkdir "$T/aside" && mv "$D/theirs" "$T/aside/1" && mv "$D/d/theirs" "$T/aside/2" || return 1
	touch -r "$S" "$D"; touch -r "$S/d" "$D/d" 2>/dev/null; "$TREECMP" "$S" "$D"; cmp=$?
	mv "$T/aside/1" "$D/theirs"; mv "$T/aside/2" "$D/d/theirs"; rmdir "$T/aside"; return $cmp
}
with() { W=$1; shift; rc=0; "$SNAPSYNC" --state-dir "$W" "$@" >"$T/.out" 2>"$T/.err" </dev/null || rc=$?; out=$(cat "$T/.out"); errors=$(cat "$T/.err"); }
change() { echo "$1" >>"$S/d/f2"; rm -f "$S/d/f$2"; mv "$S/d/e/$2" "$S/moved$2"; echo "$1" >"$S/new$1"; }

# Locked: for longer than anybody waits (20 s, beside all the rest) ...
mkdir "$T/lsrc"; echo 1 >"$T/lsrc/f"; with "$T/lstate" "$T/lsrc" "$T/ldst"; echo 2 >>"$T/lsrc/f"
hold() { { echo 'PRAGMA locking_mode=NORMAL; BEGIN IMMEDIATE;'; echo '.print held'; sleep "$2"; echo 'ROLLBACK;'; } | sqlite3 "$1" >"$3"; }
hold "$T"/lstate/*/state.db 26 "$T/held1" & holder1=$!; at_exit "kill $holder1 2>/dev/null"
await grep -q held "$T/held1"
( "$SNAPSYNC" --state-dir "$T/lstate" "$T/lsrc" "$T/ldst" >/dev/null 2>"$T/locked.err"; echo $? >"$T/locked.rc" ) & waiter=$!; at_exit "kill $waiter 2>/dev/null"
# ... and for a moment.
fresh; change 1 3; hold "$(db)" 1 "$T/held2" & holder2=$!
await grep -q held "$T/held2"; run_sync "$S" "$D"; ok "locked for a moment: waits, then right" right; wait $holder2

# Read-only.
if [ "$(id -u)" = 0 ]; then
	need setpriv; fresh; change 1 3; chmod 755 "$T"; chown -R 4242 "$T/state" "$S" "$D"
	as() { setpriv --reuid=4242 --clear-groups "$SNAPSYNC" --state-dir "$T/state" "$@" >"$T/.out" 2>"$T/.err"; rc=$?; out=$(cat "$T/.out"); errors=$(cat "$T/.err"); }
	chmod 400 "$(db)"; as "$S" "$D"; is "the database is read-only: 11" $rc 11
	like "says what to do" "$errors" 'cannot be opened for writing .*check its permissions or use --state-dir'; ok "nothing was done" test ! -e "$D/new1"
	chmod 600 "$(db)"; chmod 500 "$T"/state/src-*; rm -f "$(db)-wal" "$(db)-shm"; as "$S" "$D"; is "its directory is read-only: 11" $rc 11; like "says so" "$errors" 'cannot be (opened|used)'
	chmod 700 "$T"/state/src-*; as "$S" "$D"; is "permitted again: 0" $rc 0; ok "and done" test -e "$D/new1"; ok "theirs is kept" kept
else
	ok "another user is needed to test a read-only database (run as root)" false
fi

# Damaged.
refused() { test "$rc" = 11 && matches "$errors" "state(.db| database) $1" && kept && test ! -e "$D/new1"; }
moved_away() { mv "$(db)" "$T/away"; rm -f "$(db)"-*; run_sync "$S" "$D"; }
fresh; change 1 3; head -c 50000 /dev/urandom >"$(db)"; rm -f "$(db)"-*
run_sync "$S" "$D"; ok "garbage: 11, says what to do, nothing is done" refused 'is damaged .*move it away; the next run makes a new one'
run_sync --status "$S"; ok "--status says the same" refused 'is damaged'
mv "$(db)" "$T/away"; run_sync --stats "$S" "$D"; ok "moved away: no file of the source is missing" cmp "$S/new1" "$D/new1"
is "what was there is adopted, not sent" "$rc $(stat_of 'Files sent')" "0 3"; ok "theirs is kept" kept
ok "what went meanwhile is kept too: nobody knows that it was ours" test -f "$D/d/f3"
for part in 2 3 10; do
	fresh; change 1 3; size=$(stat -c %s "$(db)"); truncate -s $((size / part)) "$(db)"; rm -f "$(db)"-*
	run_sync "$S" "$D"; ok "cut to 1/$part: 11, says what to do" refused 'is damaged'
done
fresh; rm "$S/d/f3"; : >"$(db)"; run_sync --stats "$S" "$D"; is "cut to nothing: as if it were new" "$rc $(stat_of 'Files sent')" "0 0"; ok "and nothing goes" test -f "$D/d/f3"
wrong=0; hole=1
while [ $hole -le 12 ]; do
	fresh; change 1 3; size=$(stat -c %s "$(db)"); rm -f "$(db)"-*
	dd if=/dev/urandom of="$(db)" bs=1 seek=$((size * hole / 13)) count=600 conv=notrunc 2>/dev/null
	run_sync "$S" "$D"
	[ "$rc" = 0 ] || [ "$rc" = 11 ] || [ "$rc" = 23 ] || [ "$rc" = 25 ] || wrong=$((wrong + 1))
	kept || { wrong=$((wrong + 1)); echo "# hole $hole: theirs is gone"; }
	[ "$rc" != 0 ] || "$TREECMP" "$S/d/e" "$D/d/e" >/dev/null || { wrong=$((wrong + 1)); echo "# hole $hole: called right, and is not"; }
	[ "$rc" = 0 ] || [ -n "$errors" ] || wrong=$((wrong + 1))
	rm -f "$(db)"*; run_sync "$S" "$D"; [ "$rc" = 0 ] || { wrong=$((wrong + 1)); echo "# hole $hole, moved away: $rc $errors"; }
	hole=$((hole + 1))
done
is "holes at twelve places: right or refused" $wrong 0

# From a newer version.
fresh; change 1 3; sqlite3 "$(db)" 'PRAGMA user_version=99'; run_sync "$S" "$D"; ok "a newer version's: 11, nothing is done" refused 'was written by another version of snapsync .*use that version or another --state-dir'
run_sync --status "$S"; ok "--status: the same" refused 'was written by another version of snapsync .*use that version or another --state-dir'
# Something else's.
fresh; change 1 3; f=$(db); rm -f "$f"*; sqlite3 "$f" 'CREATE TABLE other(x); PRAGMA application_id=7;'; run_sync "$S" "$D"; ok "some other program's database: 11" refused 'is the database of another program: use another --state-dir'

# Deleted.
fresh; rm -rf "$T/state"; run_sync --stats "$S" "$D"; ok "deleted: right" right; is "nothing is sent" "$(stat_of 'Files sent')" 0
like "how much is not known is told" "$errors" 'the destination has 2 that the source does not have, left alone \(--verify names'
run_sync "$S" "$D"; is "once" "$rc$errors" 0
fresh; change 1 3; rm -rf "$T/state"; run_sync "$S" "$D"; is "deleted, and changed meanwhile: 0" $rc 0; like "what went meanwhile is counted" "$errors" 'has 4 that the source does not have, left alone'; ok "what went meanwhile stays, theirs too" test -f "$D/d/f3" -a -f "$D/theirs"
run_sync --verify --delete "$S" "$D"; ok "--verify --delete cleans up" same "$S" "$D"
fresh; rm -rf "$T/state" "$S"; mkdir "$S"; run_sync "$S" "$D"; ok "deleted, and the source is empty: nothing goes" test -f "$D/d/f3" -a -f "$D/theirs"
rm -rf "$T/state"; run_sync --delete "$S" "$D"; is "... with --delete: 25" $rc 25; ok "nothing goes" test -f "$D/d/f3" -a -f "$D/theirs"
like "says how it may" "$errors" 'the source is empty .*run once with --verify --delete --force-delete'; run_sync --verify --delete --force-delete "$S" "$D"; ok "and so it does" same "$S" "$D"
# Nothing was ever mirrored there: what is there already is nothing to warn of.
fresh; rm -rf "$T/state" "$D/.snapsync"; run_sync "$S" "$D"; is "a first contact: no word" "$rc$errors" 0
rm -rf "$T/state" "$D/.snapsync"; run_sync -v "$S" "$D"; like "but with -v" "$errors$out" 'has 2 that the source does not have, left alone'
# Its log (-wal) alone is lost.
fresh; change 1 3; strace -f -b execve -o /dev/null -e trace=sendto -e inject=sendto:signal=KILL:when=6+ "$SNAPSYNC" --state-dir "$T/state" "$S" "$D" >/dev/null 2>&1
rm -f "$(db)-wal" "$(db)-shm"; n=0; while [ $n -lt 40 ]; do run_sync "$S" "$D"; [ $rc = 5 ] || break; sleep 0.05; n=$((n + 1)); done; ok "killed, and its log is lost: right" right

# An old one (restored from a backup).
fresh; cp -a "$T/state" "$T/old"; change 1 3; run_sync "$S" "$D"; change 2 4; run_sync "$S" "$D"; rm "$S/new1"; rm -rf "$T/state"; mv "$T/old" "$T/state"
run_sync "$S" "$D"; is "an old one: 0" $rc 0; like "says that it compares" "$errors" 'comparing it by a listing'
ok "what it never knew stays" test -f "$D/new1"; rm "$D/new1"; run_sync "$S" "$D"; ok "all else is right" right
# Copied, and used in turn (at rest in between).
fresh; cp -a "$T/state" "$T/state2"; wrong=0
for turn in 1 2 3 4 5 6; do
	change $turn $((turn + 2)); with "$T/state$([ $((turn % 2)) = 0 ] && echo 2)" "$S" "$D"
	right >"$T/.ok" || { wrong=$((wrong + 1)); echo "# turn $turn: $rc $errors"; cat "$T/.ok"; }
done
is "a copy of it and itself, in turn: right each time" $wrong 0

# Two clients on one source.
fresh; cat >"$T/slow" <<END
#!/bin/sh
echo \$\$ >"$T/slow.pid"
sleep 2
exec $BUILD/snapsync-helper "\$@"
END
chmod +x "$T/slow"; change 1 3; rm -f "$T/slow.pid"
( run_sync --helper-path "$T/slow" "$S" "$D"; echo $rc >"$T/first.rc" ) & first=$!
await test -e "$T/slow.pid"; with "$T/state" "$S" "$T/dst2"; is "a second client on the source: 5" $rc 5; like "says who, and what to do" "$errors" 'another snapsync \(pid [0-9]+\) is at work on this source.*--state-dir'
wait $first; is "the first one ends well" "$(cat "$T/first.rc")" 0; rc=0; ok "and is right" right
# Two clients on one destination: at once ...
fresh; mkdir "$T/other" ; echo o >"$T/other/o"; change 1 3; cat >"$T/holding" <<END
#!/bin/sh
exec strace -f -qq -o /dev/null -e trace=symlinkat,renameat -e inject=renameat:delay_enter=2000000:when=1 $BUILD/snapsync-helper "\$@"
END
chmod +x "$T/holding"; ( run_sync --helper-path "$T/holding" "$S" "$D"; echo $rc >"$T/first.rc" ) & first=$!
sleep 0.7; with "$T/state2" "$T/other" "$D"; is "a second client on the destination: 5" $rc 5; like "says so" "$errors" 'another snapsync is writing to this destination \(pid [0-9]+ there\)'
wait $first; rc=$(cat "$T/first.rc"); ok "the first one is right" right
# ... and in turn: neither takes the other's for its own.
wrong=0; for turn in 1 2 3 4; do
	echo $turn >"$T/other/o$turn"; echo $turn >"$S/s$turn"; rm -f "$S/s$((turn - 1))" "$T/other/o$((turn - 1))"
	with "$T/state2" "$T/other" "$D"; [ $rc = 0 ] && cmp -s "$T/other/o$turn" "$D/o$turn" && test ! -e "$D/o$((turn - 1))" || { wrong=$((wrong + 1)); echo "# turn $turn, other: $rc $errors"; }
	with "$T/state" "$S" "$D"; [ $rc = 0 ] && cmp -s "$S/s$turn" "$D/s$turn" && test ! -e "$D/s$((turn - 1))" && test -f "$D/o" && cmp -s "$T/other/o$turn" "$D/o$turn" && kept || { wrong=$((wrong + 1)); echo "# turn $turn: $rc $errors"; }
done
is "two sources in one destination, in turn: each has its own" $wrong 0

# The destination is restored from an older backup.
fresh; cp -a "$D" "$T/backup"; change 1 3; run_sync "$S" "$D"; change 2 4; run_sync "$S" "$D"
rm -rf "$D"; cp -a "$T/backup" "$D"; run_sync "$S" "$D"; is "restored: 0" $rc 0; ok "is not changed before something changes here" test -f "$D/d/f3"
change 3 5; run_sync "$S" "$D"; like "then: compared by a listing" "$errors" 'comparing it by a listing'
is "what the backup had and the source has not stays: 0" $rc 0; like "and a word tells so" "$errors" 'has 6 that the source does not have, left alone \(--verify names'
rm "$D/d/f3" "$D/d/f4" "$D/d/e/3" "$D/d/e/4"; run_sync --verify "$S" "$D"; rc=0; ok "all else is right" right
rm -rf "$D"; cp -a "$T/backup" "$D"; rm -rf "$D/.snapsync"; change 4 6; run_sync "$S" "$D"; like "restored without .snapsync: compared" "$errors" 'comparing it by a listing'; ok "and right, but for what it had before" test "$rc" = 0 -a -f "$D/new4" -a -f "$D/theirs"
rm -rf "$D" "$T/backup"; mkdir "$D"; change 5 7; run_sync "$S" "$D"; ok "wiped: all is sent again" same "$S" "$D"
rm -rf "$D"; change 6 8; run_sync "$S" "$D"; ok "gone: made again" same "$S" "$D"
find "$D" -mindepth 1 -maxdepth 1 ! -name .snapsync -exec rm -r {} +; run_sync --verify "$S" "$D"; ok "wiped but for .snapsync: --verify repairs it" same "$S" "$D"
# What is ours there is damaged.
for what in position redo lock; do
	fresh; change 1 3; head -c 3000 /dev/urandom >"$D/.snapsync/$what"; run_sync "$S" "$D"; ok "garbage in .snapsync/$what: right" right
done
fresh; change 1 3; rm -r "$D/.snapsync/tmp" "$D/.snapsync/limbo"; run_sync "$S" "$D"; ok "parts of .snapsync are gone: right" right
# A name at the destination that is known to be dead (an operation that failed half way) when the client starts: what is new then has ids like all others.
fresh; sqlite3 "$(db)" "INSERT INTO dest_name SELECT 1, parent, name, 9223372036854775807, 1 FROM name JOIN inode ON id=inode WHERE type=1 LIMIT 1"
is "a dead name" "$(sqlite3 "$(db)" 'SELECT count(*) FROM dest_name')" 1
mkdir -p "$S/after/dead"; echo 1 >"$S/after/dead/1"; run_sync "$S" "$D"; ok "a dead name, and something new: right" right
chmod 750 "$S/after/dead"; echo 2 >"$S/after/2"; rm "$S/after/dead/1"; run_sync "$S" "$D"; ok "and after that" right
is "no id is a stranger's" "$(sqlite3 "$(db)" 'SELECT count(*) FROM inode WHERE id<1')" 0
sqlite3 "$(db)" 'UPDATE inode SET id=-7 WHERE id=(SELECT max(id) FROM inode)'; run_sync "$S" "$D"; ok "if there is one: 11" refused 'is damaged .*move state.db away'
# Removed or replaced under a client that goes on: it ends, and what it no longer knows is not deleted.
watch() {
	fresh; "$SNAPSYNC" --state-dir "$T/state" --interval 0.1 "$S" "$D" >/dev/null 2>"$T/.err" </dev/null & pid=$!; at_exit "kill $pid 2>/dev/null"
	echo "$1" >"$S/began"; await cmp "$S/began" "$D/began"
}
gone() { # what, the command
	watch "$1"; eval "$2"; rm "$S/d/f2"; ends=0; (sleep 20; kill -9 $pid) 2>/dev/null & guard=$!; wait $pid || ends=$?; kill $guard 2>/dev/null; errors=$(cat "$T/.err")
	is "$1 while it runs: 11" $ends 11; like "$1: says so" "$errors" 'state in .* was removed or replaced'
	echo more >"$S/more"; run_sync "$S" "$D"; is "$1: a new start" $rc 0; ok "$1: has what is new" cmp "$S/more" "$D/more"; ok "$1: theirs is kept" kept
}
gone "all of the state removed" 'rm -rf "$T/state"'; gone "its database removed" 'rm -f "$(db)"'; gone "its database replaced" 'cp "$(db)" "$T/copy"; mv "$T/copy" "$(db)"'; gone "its lock removed" 'rm "$T"/state/src-*/lock'
gone "all of it moved" 'rm -rf "$T/old"; mv "$T/state" "$T/old"'

wait $waiter; rc=$(cat "$T/locked.rc"); errors=$(cat "$T/locked.err"); is "locked for long: 11" "$rc" 11; like "says so" "$errors" 'state.db is locked by another program'
wait $holder1; with "$T/lstate" "$T/lsrc" "$T/ldst"; ok "unlocked: right" same "$T/lsrc" "$T/ldst"
finish
