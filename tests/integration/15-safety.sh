#!/bin/sh
# Deletes are deliberate.
. "$(dirname "$0")/lib.sh"
S=$T/src D=$T/dst
fill() { mkdir -p "$S/d"; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do mkdir -p "$S/d/$i"; for k in 1 2 3 4 5 6 7 8 9 10; do echo "$i $k" >"$S/d/$i/$k"; done; done; }
fill; good_sync "begin" "$S" "$D"
mkdir "$T/keep"; mv "$S/d" "$T/keep/d"
run_sync "$S" "$D"; is "empty root: 25" $rc 25
like "says why" "$errors" 'withheld: the source is empty'
like "and how to go on" "$errors" '--force-delete'
ok "nothing deleted" test -f "$D/d/7/7"
run_sync --status "$S"; like "--status says it too" "$out" '^deletes withheld: the source is empty .* 133 entries'; like "and is not content" "$out" '^state: deletes withheld$'
run_sync --status --json "$S"; like "as JSON" "$out" '"withheld":133,"withheld_why":"deletes withheld: the source is empty'
run_sync -n "$S" "$D"; is "-n says the same" $rc 25
mv "$T/keep/d" "$S/d"; good_sync "back again" --stats "$S" "$D"; is "nothing sent" "$(stat_of 'Files sent')" 0
run_sync --status "$S"; unlike "--status: nothing is withheld" "$out" withheld; like "and up to date" "$out" '^state: up to date$'
rm -r "$S/d/1" "$S/d/2" "$S/d/3" "$S/d/4" "$S/d/5" "$S/d/6" "$S/d/7"; echo new >"$S/new"
run_sync "$S" "$D"; is "more than half gone: 25" $rc 25
ok "nothing deleted" test -f "$D/d/1/1"
ok "everything else is shipped" test -f "$D/new"
echo newer >>"$S/new"; run_sync "$S" "$D"; is "still 25" $rc 25
ok "and still shipping" cmp "$S/new" "$D/new"
run_sync --force-delete "$S" "$D"; ok "--force-delete lets it through" same "$S" "$D"
fill; good_sync "filled again" "$S" "$D"
rm "$S/d/1/1" "$S/d/1/2" "$S/d/1/3"; run_sync --max-delete=2 "$S" "$D"; is "--max-delete=2: 25" $rc 25
run_sync --max-delete=3 "$S" "$D"; ok "--max-delete=3: done" same "$S" "$D"
rm "$S/d/2/1" "$S/d/2/2"; run_sync --max-delete=1% "$S" "$D"; is "--max-delete=1%: 25" $rc 25
run_sync "$S" "$D"; is "default: done" $rc 0
mv "$S/d" "$S/e"; run_sync --max-delete=0 --stats "$S" "$D"; is "a renamed directory is no delete" $rc 0
is "it is a move" "$(stat_of Moves)" 1
rm -r "$S/e"; mkdir "$S/e"; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do mkdir "$S/e/$i"; for k in 1 2 3 4 5 6 7 8 9 10; do echo "again $i $k" >"$S/e/$i/$k"; done; done
run_sync --max-delete=0 "$S" "$D"; ok "a directory made anew is no delete" same "$S" "$D"
# The root is another directory.
mv "$S" "$T/real"; mkdir "$S"; echo stranger >"$S/stranger"
run_sync "$S" "$D"; is "root replaced: 25" $rc 25
like "says so" "$errors" 'withheld: the source is'
ok "nothing deleted" test -f "$D/e/5/5"
ok "what is there is shipped" test -f "$D/stranger"
rm -r "$S"; mv "$T/real" "$S"; run_sync "$S" "$D"; ok "the real one is back" same "$S" "$D"
if [ "$(id -u)" = 0 ]; then
	mount -t tmpfs none "$S" && at_exit "umount '$S' 2>/dev/null"
	run_sync "$S" "$D"; is "root on another device, empty: 25" $rc 25
	echo x >"$S/x"; run_sync "$S" "$D"; is "root on another device: 25" $rc 25
	ok "nothing deleted" test -f "$D/e/5/5"
	umount "$S"; run_sync "$S" "$D"; ok "unmounted: equal again" same "$S" "$D"
	# st_dev changes, the file system is the same: no alarm, nothing sent
	mkdir "$T/m"; truncate -s 16M "$T/img"; mkfs.ext4 -q -F "$T/img"
	mount -o loop "$T/img" "$T/m" && at_exit "umount '$T/m' 2>/dev/null"
	mkdir "$T/m/t"; echo 1 >"$T/m/t/f"; rm -rf "$T/dm"; run_sync "$T/m/t" "$T/dm"; is "on a mounted image" $rc 0
	umount "$T/m"; cp "$T/img" "$T/img2"; truncate -s 16M "$T/img3"
	l=$(losetup -f --show "$T/img3"); at_exit "losetup -d $l 2>/dev/null"
	mount -o loop "$T/img" "$T/m"; mv "$T/m/t/f" "$T/m/t/g"
	run_sync --stats "$T/m/t" "$T/dm"; is "mounted again on another st_dev: exit" $rc 0
	is "and a move is still a move" "$(stat_of Moves)" 1
	umount "$T/m"
fi
# SRC is a symbolic link: where it is pointed elsewhere, the source is another directory than before, not another source.
mkdir "$T/r1" "$T/r2"; echo one >"$T/r1/f"; echo old >"$T/r1/old"; settle; echo two >"$T/r2/f"; echo new >"$T/r2/new"; ln -s r1 "$T/current"
run_sync "$T/current" "$T/cd"; ok "a link as SRC: equal" same "$T/r1" "$T/cd"
ln -sfn r2 "$T/current"; run_sync "$T/current/" "$T/cd"; is "pointed elsewhere: 25" $rc 25; like "says so" "$errors" 'withheld: the source is not the directory it was'
ok "what is new is there" cmp "$T/r2/f" "$T/cd/f"; ok "nothing is deleted" test -f "$T/cd/old"
run_sync --status "$T/current"; like "--status knows the link" "$out" "^source: $T/current\$"; like "and what is withheld" "$out" '^deletes withheld: .* 1 entries'
ln -sfn r1 "$T/current"; run_sync "$T/current" "$T/cd"; ok "and back: equal" same "$T/r1" "$T/cd"
ln -sfn "$T/r2" "$T/current"; (cd "$T" && run_sync --force-delete current cd; exit $rc); rc=$?; ok "--force-delete: equal" same "$T/r2" "$T/cd"
ln -sfn . "$T/r2/here"; ln -sfn "$T" "$T/current"; run_sync "$T/current" "$T/cd"; is "pointed where DEST lies: 1" $rc 1; like "says so" "$errors" 'inside the source'
run_sync --verify "$T/current"; is "--verify without DEST says it too: 1" $rc 1; like "so" "$errors" 'inside the source'
# A state directory in the source is left out from the first run on.
mkdir "$T/own"; echo a >"$T/own/a"; for n in first second; do run_sync --state-dir "$T/own/x/state" "$T/own" "$T/ownd"; is "our own state in SRC, $n run: 0" "$rc$errors" 0; is "is not mirrored" "$(ls "$T/ownd/x")" ""; done
# A directory takes the place of one that is deleted, with a file of old in it, and another one takes its place before the walk that is to confirm the delete.
brief() {
	S=$T/bs D=$T/bd; rm -rf "$S" "$D" "$T/bstate" "$T/b1" "$T/b2" "$T/away"
	mkdir -p "$S/old" "$S/c"; echo was >"$S/c/was"; echo x >"$S/x"; echo 6 >"$S/e6"; echo o >"$S/old/o"; run_sync --state-dir "$T/bstate" "$S" "$D"; settle
	mkdir "$T/b1" "$T/b2"; echo y >"$T/b2/y"; rm -r "$S/x" "$S/c"; mv "$T/b1" "$S/c"; mv "$S/e6" "$S/c/c6"; echo n >"$S/c/in"
	( sleep 1; mv "$S/c" "$T/away"; mv "$T/b2" "$S/c" ) & mover=$!
	rc=0; ASAN_OPTIONS=detect_leaks=0 strace -f -o /dev/null -e trace=getdents64 -e inject=getdents64:delay_enter=2500000:when=6 "$SNAPSYNC" --state-dir "$T/bstate" "$@" "$S" "$D" >/dev/null 2>"$T/.err" || rc=$?
	errors=$(cat "$T/.err"); wait $mover
}
# A directory that was mounted when an automounter could, and can only be seen now: what is below it is not gone.
case $(uname -sm) in
"Linux x86_64"|"Linux aarch64")
	S=$T/as D=$T/ad; mkdir -p "$S/unmounted/sub" "$S/in"; for i in 1 2 3; do echo $i >"$S/unmounted/$i"; echo $i >"$S/unmounted/sub/$i"; echo $i >"$S/in/$i"; done
	run_sync --state-dir "$T/astate" "$S" "$D"; settle; mv "$S/unmounted" "$T/mounted"; mkdir "$S/unmounted"; rm "$S/in/1"
	seen() { ( export ASAN_OPTIONS="verify_asan_link_order=0:${ASAN_OPTIONS:-}"; LD_PRELOAD=$BUILD/tests/odd.so ODD=unmounted ODD_WHO=snapsync "$SNAPSYNC" --state-dir "$T/astate" "$S" "$D" >"$T/.out" 2>"$T/.err" ); rc=$?; errors=$(cat "$T/.err"); }
	seen; is "a directory that is seen, and cannot be opened: 23" $rc 23; like "is named" "$errors" 'unmounted: directory cannot be read'
	ok "what is below it stays" diff -r "$T/mounted" "$D/unmounted"; ok "what is gone elsewhere goes" test ! -e "$D/in/1"
	seen; is "and the next time: 23" $rc 23; ok "it still stays" diff -r "$T/mounted" "$D/unmounted"
	rmdir "$S/unmounted"; mv "$T/mounted" "$S/unmounted"; run_sync --state-dir "$T/astate" -i "$S" "$D"; is "mounted again: 0" $rc 0; ok "equal" same "$S" "$D"
	rm -r "$S/unmounted"; seen; is "really gone: 0" $rc 0; ok "equal" same "$S" "$D"
	# deeper than descriptors are kept for: a parent is opened again, and cannot be
	S=$T/deep D=$T/deepd; deep=$(printf '%0300d' 0 | sed 's,0,/d,g'); for i in 1 2 3 4 5 6 7 8; do mkdir -p "$S/again/c$i$deep"; done; (cd "$S/again" && awk 'BEGIN { for (i = 0; i < 1500; i++) print "z" i }' | xargs mkdir)
	run_sync --state-dir "$T/astate" "$S" "$D"; is "deep and wide: 0" $rc 0
	oddly() { ( export ASAN_OPTIONS="verify_asan_link_order=0:${ASAN_OPTIONS:-}"; LD_PRELOAD=$BUILD/tests/odd.so ODD=$1 ODD_WHO=snapsync "$SNAPSYNC" --state-dir "$T/astate" "$S" "$D" >"$T/.out" 2>"$T/.err" ) && rc=0 || rc=$?; errors=$(cat "$T/.err"); }
	for how in again once; do
		oddly $how; is "a parent that cannot be opened again ($how): 23" $rc 23; like "what was not looked at is named" "$errors" 'again/[cz][0-9/d]*: directory cannot be read'
		run_sync --state-dir "$T/astate" "$S" "$D"; is "and when it can: 0" $rc 0; ok "equal" same "$S" "$D"
	done
	# and what is mounted by being opened is not what was seen before
	mkdir "$S/again/z7/new"; rmdir "$S/again/z1" "$S/again/z1498"; settle; oddly mounts; is "a directory that is mounted when it is opened: 0" $rc 0; ok "equal" same "$S" "$D"
	;;
esac
need strace sqlite3
brief; is "a directory that was there for one walk only" $rc 0
run_sync --state-dir "$T/bstate" "$S" "$D"; is "and the next pass" $rc 0; ok "equal" same "$S" "$D"
is "it left nothing behind" "$(sqlite3 "$T"/bstate/*/state.db 'SELECT count(*) FROM inode WHERE id<>1 AND NOT EXISTS (SELECT 1 FROM name WHERE inode=id)')" 0
brief --max-delete 0; is "the same, deletes withheld: 25" $rc 25
ok "what was to be deleted is there, and what is new" test -f "$D/x" -a -f "$D/e6" -a -f "$D/c/was" -a -f "$D/c/y"; ok "nothing of what was there for one walk" test ! -e "$D/c/in"
run_sync --state-dir "$T/bstate" --force-delete "$S" "$D"; is "then not" $rc 0; ok "equal" same "$S" "$D"
# at_places STATE "list=1 open=2" "first" "second" ... -- OPTION...: a pass that meets us at places of its walk, where the commands are done
mkfifo "$T/here" "$T/on"
at_places() {
	state=$1 places=$2; shift 2; at=0
	while [ "$1" != -- ]; do at=$((at + 1)); eval "do_$at=\$1"; shift; done
	shift; exec 8<>"$T/on" 9<>"$T/here"
	( export ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD="$BUILD/tests/meet.so" MEET="$places" ${young-MEET_YOUNG=1}; rc=0; timeout -k 5 60 "$SNAPSYNC" --state-dir "$state" "$@" "$S" "$D" >/dev/null 2>"$T/.err" 8<"$T/on" 9>"$T/here" || rc=$?; echo $rc >"$T/.rc"; for i in $places; do echo over >&9; done ) & run=$!
	i=0 met=
	while [ $i -lt $at ]; do i=$((i + 1)); read -r one <&9; [ "$one" = here ] && met=$met. ; eval "eval \"\$do_$i\""; echo >&8; done
	wait $run; exec 8>&- 9>&-
	rc=$(cat "$T/.rc") errors=$(cat "$T/.err"); is "it was met at each place" ${#met} $at
}
# Two directories that lie in each other change places while they are walked, and back, and are gone before the walk comes to the inner one again.
# circle WHAT-THEN OPTION...
invert() { mv "$S/c/e" "$S/x" && mv "$S/c" "$S/x/e" && mv "$S/x" "$S/c"; }
circle() {
	S=$T/cs D=$T/cd then=$1; shift; rm -rf "$S" "$D" "$T/cstate"
	mkdir -p "$S/c/e"; echo f >"$S/c/f"; echo g >"$S/c/e/g"; echo h >"$S/h"; run_sync --state-dir "$T/cstate" "$S" "$D"; settle; invert
	at_places "$T/cstate" "list=3 open=1" invert "$then" -- "$@"
}
circles() { sqlite3 "$T/${1:-cstate}"/*/state.db 'WITH RECURSIVE t(i) AS (VALUES(1) UNION SELECT inode FROM name JOIN t ON parent=i) SELECT count(*) FROM inode WHERE id NOT IN (SELECT i FROM t)'; }
circle 'rm -r "$S/c"; echo now >"$S/c"'; is "directories that are in each other for one walk, and then gone" $rc 0; ok "equal" same "$S" "$D"
is "nothing in the snapshot but what is below the root" "$(circles)" 0
circle 'rm -r "$S/c"' --max-delete 0; is "deletes withheld: 25" $rc 25; ok "all of it is there" test -f "$D/c/f" -a -f "$D/c/e/g"; is "and below the root" "$(circles)" 0
run_sync --state-dir "$T/cstate" --force-delete "$S" "$D"; is "then not" $rc 0; ok "equal" same "$S" "$D"
circle 'mv "$S/c" "$T/cs.away"; mkdir "$S/c"; mv "$T/cs.away" "$S/c/in"; mv "$S/c/in/e" "$S/e"' ; is "in each other, and then moved" $rc 0; ok "equal" same "$S" "$D"; is "below the root" "$(circles)" 0
# A file of old lay in a directory that was there for the first walk only: that the second does not find it is not enough.
S=$T/ts D=$T/td; mkdir -p "$S" "$T/t1"; echo 6 >"$S/e6"; echo x >"$S/x"; run_sync --state-dir "$T/tstate" "$S" "$D"; settle
before=$(stat -c %i "$D/e6"); mv "$S/x" "$T/x"; mv "$T/t1" "$S/n"; mv "$S/e6" "$S/n/c6"
at_places "$T/tstate" "list=3 list=2" 'mv "$S/n" "$T/t2"; mv "$T/x" "$S/x"' 'mv "$T/t2/c6" "$S/e6"' --; is "a third walk finds it" $rc 0
ok "equal" same "$S" "$D"; is "and it was never deleted" "$(stat -c %i "$D/e6")" "$before"
# Where nothing has come into any directory since, once is enough; a file that was moved to where the walk had been is found by another one,
# also where directories say nothing of when they were changed.
S=$T/qs D=$T/qd; mkdir -p "$S/p/q"; echo 1 >"$S/p/q/x"; echo 2 >"$S/p/q/y"; echo 3 >"$S/z"; settle; run_sync --state-dir "$T/qstate" "$S" "$D"; rm "$S/z"; settle
rc=0; ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 strace -f -qq -o "$T/lists" -e trace=openat "$SNAPSYNC" --state-dir "$T/qstate" "$S" "$D" 2>"$T/.err" || rc=$?
errors=$(cat "$T/.err"); is "a delete at rest: exit" $rc 0; is "each directory is listed once" "$(grep -c '"q", O_RDONLY' "$T/lists")" 1; ok "equal" same "$S" "$D"
for young in "" "ASAN_OPTIONS=verify_asan_link_order=0 ODD=timeless LD_PRELOAD=$BUILD/tests/meet.so:$BUILD/tests/odd.so"; do
	rm -rf "$S" "$D" "$T/qstate"; mkdir -p "$S/p/q"; echo 1 >"$S/p/q/x"; echo 2 >"$S/p/q/y"; ( [ -z "$young" ] || export $young; run_sync --state-dir "$T/qstate" "$S" "$D" ); settle; before=$(stat -c %i "$D/p/q/x")
	at_places "$T/qstate" "list=3" 'mv "$S/p/q/x" "$S/x"' --; is "moved to where the walk has been${young:+, directories without times}: exit" $rc 0
	ok "equal" diff -r -x .snapsync "$S" "$D"; is "and it was never deleted" "$(stat -c %i "$D/x")" "$before"
done
unset young
# What is put back when deletes are withheld, and what stands in its way.
# begin_w: S and D with what is below $S, equal; then the case may begin
begin_w() { run_sync --state-dir "$T/wstate" "$S" "$D"; settle; }
fresh_w() { rm -rf "$T/ws" "$T/wd" "$T/wstate" "$T/w1" "$T/w2"; S=$T/ws D=$T/wd; mkdir -p "$S"; echo o >"$S/o"; }
# Whatever it was: then a quiet pass with and one without the limit, and nothing is left over.
end_w() {
	is "below the root: all of it" "$(circles wstate)" 0
	is "no name in what is not there" "$(sqlite3 "$T"/wstate/*/state.db 'SELECT count(*) FROM name WHERE parent NOT IN (SELECT id FROM inode)')" 0
	echo new >"$S/new"; run_sync --state-dir "$T/wstate" --force-delete "$@" "$S" "$D"; is "then they are not: exit" $rc 0
	is "nothing is pending" "$(sqlite3 "$T"/wstate/*/state.db 'SELECT (SELECT count(*) FROM dest_name) + (SELECT count(*) FROM dest_inode)')" 0
}
# A directory that has the name of another one now, and lost a directory where that one lost a file.
fresh_w; mkdir -p "$S/X" "$S/Y/f"; echo F >"$S/X/f"; echo g >"$S/Y/f/g"; begin_w
rm -r "$S/X" "$S/Y/f"; mv "$S/Y" "$S/X"; run_sync --state-dir "$T/wstate" --max-delete=0 "$S" "$D"; is "a file and a directory with one place: 25" $rc 25
ok "the directory is there" test -f "$D/X/f/g"; end_w; ok "equal" same "$S" "$D"
# A file has gone, and before the second walk its directory is another one.
fresh_w; mkdir "$S/D" "$T/w1"; echo k >"$S/D/k"; echo F >"$S/D/F"; echo n >"$T/w1/n"; echo k2 >"$T/w1/k"; begin_w; rm "$S/D/F"
at_places "$T/wstate" "list=3" 'mv "$S/D" "$T/w2"; mv "$T/w1" "$S/D"' -- --max-delete=0; is "gone from a directory that is replaced then: 25" $rc 25
ok "it stays" test -f "$D/D/F"; run_sync --state-dir "$T/wstate" --max-delete=0 "$S" "$D"; is "and 25 again" $rc 25; ok "stays" test -f "$D/D/F" -a -f "$D/D/n"; end_w; ok "equal" same "$S" "$D"
# A file was in a new directory for one walk.
fresh_w; mkdir "$S/P"; echo F >"$S/P/F"; echo k >"$S/P/k"; echo y >"$S/y"; begin_w; rm "$S/y"; mkdir "$S/B"; mv "$S/P/F" "$S/B/g"; echo n >"$S/B/n"
at_places "$T/wstate" "list=4 list=3" 'rm "$S/B/g"' 'rm -r "$S/B"' -- --max-delete=0; is "in a new directory for one walk: 25" $rc 25
ok "it is where it was, and only there" test -f "$D/P/F" -a ! -e "$D/B"; end_w; ok "equal" same "$S" "$D"
# What is put back lies in a directory that lies in it by now, with one of this pass between.
fresh_w; mkdir -p "$S/A/K"; echo k >"$S/A/K/k"; echo a >"$S/A/f"; echo y >"$S/y"; begin_w; rm "$S/y"; mkdir "$S/B"; echo b >"$S/B/new"
at_places "$T/wstate" "list=5 list=5 list=5" 'mv "$S/A" "$S/B/a"' 'mv "$S/B/a/K" "$S/K3"; mv "$S/B" "$S/K3/b"' 'mv "$S/K3" "$T/w1"' -- --max-delete=0; is "a circle by what is put back: 25" $rc 25
ok "all is there" test -f "$D/o" -a -f "$D/y" ; is "with its files" "$(find "$D" -name k -o -name f | wc -l)" 2; end_w; ok "equal" same "$S" "$D"
# A directory becomes an excluded one between the walks.
for limit in --max-delete=0 --force-delete; do
	fresh_w; mkdir -p "$S/q/x/d"; echo k >"$S/q/x/k"; echo F >"$S/q/x/F"; run_sync --state-dir "$T/wstate" --exclude=/p/x "$S" "$D"; settle; rm "$S/q/x/F"
	at_places "$T/wstate" "list=5" 'mv "$S/q" "$S/p"' -- --exclude=/p/x $limit
	ok "excluded since it was missed, $limit: it stays" test -f "$D/p/x/F" -o -f "$D/q/x/F"; end_w --exclude=/p/x
done
# A delete that is to be done yet, in what is excluded then.
fresh_w; mkdir -p "$S/x/d"; echo F >"$S/x/d/F"; echo k >"$S/x/k"; begin_w; rm -r "$S/x/d"; run_sync --state-dir "$T/wstate" --helper-path /bin/false "$S" "$D"; is "the destination is away" $rc 12
end_w --exclude=/x; ok "what is excluded stays" test -f "$D/x/d/F"
if [ "$(id -u)" = 0 ] && mkdir "$T/bmount" && mount --bind "$T/bmount" "$T/bmount" 2>/dev/null; then
	umount "$T/bmount"; fresh_w; mkdir "$S/orig" "$S/other"; echo x >"$S/orig/f"; mount --bind "$S/orig" "$S/other"; at_exit "umount '$S/other' 2>/dev/null"
	for i in 1 2 3; do run_sync --state-dir "$T/wstate" "$S" "$D"; is "a directory that is in the tree twice, pass $i: 23" $rc 23; like "says so" "$errors" 'other: the same directory is in the tree twice'; done
	rm "$S/o"; run_sync --state-dir "$T/wstate" "$S" "$D"; is "in a pass of two walks, too" $rc 23; is "with one line" "$(printf '%s\n' "$errors" | grep -c twice)" 1
	timeout 3 "$SNAPSYNC" --interval 0.2 --state-dir "$T/wstate" "$S" "$D" >/dev/null 2>"$T/.err"; is "and with one in many passes" "$(grep -c twice "$T/.err")" 1; umount "$S/other"
fi
# --delete at first contact has its limit too.
mkdir "$T/few" "$T/full"; echo 1 >"$T/few/1"; n=0; while [ $n -lt 150 ]; do echo $n >"$T/full/$n.x"; n=$((n + 1)); done
run_sync --delete "$T/few" "$T/full"; is "--delete over the limit: 25" $rc 25
ok "extras are kept" test -f "$T/full/100.x"
# Hard links: withheld means all the names.
S=$T/hs D=$T/hd
for limit in '' --max-delete=0; do
	rm -rf "$S" "$D" "$T/hstate"; mkdir -p "$S/d" "$S/e"; echo one >"$S/a"; ln "$S/a" "$S/b"; ln "$S/a" "$S/c"; echo two >"$S/d/x"; ln "$S/d/x" "$S/y"; echo k >"$S/e/k"; ln "$S/e/k" "$S/m"
	h() { run_sync --state-dir "$T/hstate" $limit "$@" "$S" "$D"; }
	h; names=$(cd "$D" && find . -path ./.snapsync -prune -o -print | sort)
	if [ "$limit" ]; then rm -r "$S/a" "$S/b" "$S/c" "$S/d" "$S/y"; mv "$S/m" "$S/n"; names=$(echo "$names" | sed 's,^./m$,./n,'); count=6; else find "$S" -mindepth 1 -delete; count=9; fi
	h; is "hard links, $limit: withheld" $rc 25; like "all are counted" "$errors" " $count entries stay"
	is "all stay" "$(cd "$D" && find . -path ./.snapsync -prune -o -print | sort)" "$names"
	h; is "and again" $rc 25; is "all stay" "$(cd "$D" && find . -path ./.snapsync -prune -o -print | sort)" "$names"
	h --force-delete; ok "forced: they go" same "$S" "$D"
done
finish
