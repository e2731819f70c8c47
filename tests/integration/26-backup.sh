#!/bin/sh
# --backup-dir and --suffix: what is replaced or deleted is kept, as rsync does.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-change.sh"
need rsync strace
same_backup() { (cd "$T/dst/bak" && find . \! -type d -exec sha256sum {} + 2>/dev/null; find . -type l -exec readlink {} +) | sort >"$T/.a"
	(cd "$T/rdst/bak" && find . \! -type d -exec sha256sum {} + 2>/dev/null; find . -type l -exec readlink {} +) | sort >"$T/.b"; diff "$T/.a" "$T/.b"; }
without() { rm -rf "$T/plain"; cp -a "$1" "$T/plain"; rm -rf "$T/plain/$2" "$T/plain/.snapsync"; }
equal_but() { rc=0; without "$D" "$1"; touch -r "$S" "$T/plain"; same "$S" "$T/plain"; }
# The same changes under rsync's eyes and ours; no moves, which rsync does not know.
mkdir -p "$S/d/e" "$S/isdir"; echo 1 >"$S/1"; echo 2 >"$S/d/2"; echo 3 >"$S/d/e/3"; ln -s old "$S/link"; echo f >"$S/isfile"; echo in >"$S/isdir/in"
ln "$S/1" "$S/hard"; echo stays >"$S/stays"; mkfifo "$S/fifo"
run_sync "$S" "$D"; ok "begin" same "$S" "$D"
rsync -aH "$S/" "$T/rdst/"; settle
# (What is new is made first: where the file system has no birth times, a new
# entry with the inode of one that was deleted looks like that one, moved.)
mkdir "$T/newdir"; echo x >"$T/newdir/x"; ln -s new "$T/newlink"; echo file >"$T/newfile"
echo one >"$S/1"; rm -r "$S/d/e"; echo two-2 >"$S/d/2"; rm "$S/link" "$S/isfile"; rm -r "$S/isdir"
mv "$T/newlink" "$S/link"; mv "$T/newdir" "$S/isfile"; mv "$T/newfile" "$S/isdir"; chmod 600 "$S/stays"; settle
run_sync --backup-dir=bak --suffix=.old "$S" "$D"
is "exit 0" "$rc" 0
ok "the mirror is right" equal_but bak
rsync -aH --delete --backup-dir=bak --backup --suffix=.old "$S/" "$T/rdst/"
ok "the same is kept as by rsync" same_backup
is "one is there" "$(cat "$D/bak/d/e/3.old" 2>&1)" 3
is "in directories of ours alone" "$(stat -c %a "$D/bak" "$D/bak/d" | sort -u)" 700
run_sync -i --backup-dir=bak --suffix=.old "$S" "$D"; is "and nothing more to do" "$rc$out" 0
# Again: nothing that is kept is lost.  A dated directory beside it.
echo 'one, again' >"$S/1"; settle; run_sync --backup-dir=bak --suffix=.old "$S" "$D"
is "both stay" "$(cat "$D/bak/1.old" "$D/bak/1.old.~1~" | tr '\n' ' ')" "1 one "
echo 'one, for the third time' >"$S/1"; rm "$S/stays"; settle; run_sync --backup-dir=./bak/2026-11-21/ "$S" "$D"
is "deeper" "$(cat "$D/bak/2026-11-21/1" "$D/bak/2026-11-21/stays")" "one, again
stays"
# A first contact with --delete keeps the extras, and does not take what was kept for one.
mkdir "$D/extra"; echo extra >"$D/extra/e"; rm -rf "$T/state"
run_sync --delete --backup-dir=bak/next "$S" "$D"
is "extras" "$rc $(cat "$D/bak/next/extra/e") $(ls "$D/bak" | tr '\n' ' ')" "0 extra $(ls "$D/bak" | tr '\n' ' ')"
ok "still there" test -f "$D/bak/2026-11-21/stays" -a \! -e "$D/extra"
run_sync --verify -n --backup-dir=bak "$S" "$D"; is "--verify does not look at it" "$rc" 0
# A directory where a file is to be kept, and a file where a directory is.
mkdir "$S/1d"; echo a >"$S/1d/a"; echo b >"$S/b"; settle; run_sync "$S" "$D"
mkdir -p "$D/bak/b"; echo file >"$D/bak/1d"; echo aa >"$S/1d/a"; echo bb >"$S/b"; settle
run_sync --backup-dir=bak "$S" "$D"
is "names in the way" "$rc $(cat "$D/bak/1d" "$D/bak/1d.~1~/a" "$D/bak/b.~1~" | tr '\n' ' ')" "0 file a b "
# What is moved is not kept; what it is moved over is.
echo m >"$S/m"; echo n >"$S/n"; settle; run_sync "$S" "$D"
mv "$S/m" "$S/n"; settle; run_sync --backup-dir=bak/moved "$S" "$D"
is "a move" "$rc $(find "$D/bak/moved" -type f -exec cat {} +) $(find "$D/bak/moved" -type f | wc -l)" "0 n 1"
# The source has that name too.
mkdir "$S/bak"; echo x >"$S/bak/x"; settle; run_sync --backup-dir=bak "$S" "$D"
is "a source with the name: exit 1" "$rc" 1
like "is told" "$errors" "'bak' is part of the mirror"
run_sync "$S" "$D"; echo y >"$S/bak/x"; settle; run_sync --backup-dir=bak/x "$S" "$D"
is "also if it was mirrored before: exit 1" "$rc $(cat "$D/bak/x")" "1 x"
rm -r "$S/bak"; settle; run_sync --backup-dir=bak "$S" "$D"; is "also if it has just left the source" "$rc" 1
run_sync "$S" "$D"; rm -r "$D/bak"; mkdir "$S/bak"
ok "and not written into" test \! -e "$D/bak/x"
rm -r "$S/bak"; settle; run_sync --backup-dir=bak "$S" "$D"; is "and right without it" "$rc" 0
for wrong in /abs ../up a/../b .snapsync .snapsync/x . a//b; do
	run_sync --backup-dir="$wrong" "$S" "$D"; is "--backup-dir=$wrong: exit 1" "$rc" 1
done
# An empty one (a variable that is not set) is not the same as none.
echo kept >"$S/empty"; settle; run_sync "$S" "$D"; rm "$S/empty"; settle
for wrong in '' ./ ././ .// ./.; do
	run_sync --backup-dir="$wrong" "$S" "$D"; is "--backup-dir=$wrong: exit 1" "$rc" 1; like "is named" "$errors" "--backup-dir.* inside of"
	run_sync --backup-dir "$wrong" --suffix=.old "$S" "$D"; is "with --suffix too" "$rc" 1
done
ok "and nothing was deleted" test -f "$D/empty"; run_sync "$S" "$D"
run_sync --suffix=.old "$S" "$D"; is "--suffix alone: exit 1" "$rc" 1
run_sync --backup-dir=b --suffix=a/b "$S" "$D"; is "a slash in it: exit 1" "$rc" 1
ln -s "$T/aside" "$D/out"; mkdir "$T/aside"; echo 4 >"$S/1"; settle
run_sync --backup-dir=out/x "$S" "$D"
is "never through a symbolic link" "$(ls "$T/aside")" ""
is "which stays: exit 23" "$rc $(readlink "$D/out") $(cat "$D/1")" "23 $T/aside one, for the third time"
like "and is told" "$errors" "1: it cannot be kept in --backup-dir: something is in the way there"
run_sync --backup-dir=kept "$S" "$D"; is "another directory" "$rc $(cat "$D/kept/1")" "0 one, for the third time"
# Kept under one path by a move in between; a suffix that makes a directory's name; a long name.
long=$(printf '%0250d' 1)
mkdir "$S/p" "$S/a.old"; echo x >"$S/x"; echo y >"$S/p/y"; echo z >"$S/a"; echo in >"$S/a.old/in"; echo l >"$S/$long"; settle; run_sync "$S" "$D"
rm "$S/x" "$S/p/y" "$S/$long"; mv "$S/p" "$S/x"; echo zz >"$S/a"; echo inin >"$S/a.old/in"; settle
run_sync --backup-dir=late --suffix=.old "$S" "$D"
is "nothing that was kept is lost" "$rc $(find "$D/late" -type f -exec cat {} + | sort | tr '\n' ' ')" "0 in l x y z "
rm -r "$S/x"; rm "$S/a"; mkdir "$S/p"; echo y2 >"$S/p/y"; settle; run_sync "$S" "$D"
printf '#!/bin/sh\nexec strace -f -o /dev/null -e trace=linkat -e inject=linkat:error=EPERM %s "$@"\n' "$BUILD/snapsync-helper" >"$T/nolink"; chmod +x "$T/nolink"
export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}"
echo 5 >"$S/n"; rm "$S/b"; settle; run_sync --helper-path "$T/nolink" --backup-dir=nolink "$S" "$D"
is "where there are no hard links" "$rc $(cat "$D/nolink/n" "$D/nolink/b" "$D/n" | tr '\n' ' ')$(ls "$D/b" 2>/dev/null)" "0 m bb 5 "
# It was there before, and a run without it could not delete all of it: then it is left alone.
rm -rf "$S" "$D" "$T/state"; mkdir -p "$S" "$D/old/m" "$D/extra"; echo a >"$S/a"; echo k >"$D/old/k"; echo k2 >"$D/old/m/k2"; echo e >"$D/extra/e"
printf '#!/bin/sh\nexec %s --no-delete "$@"\n' "$BUILD/snapsync-helper" >"$T/nodelete"; chmod +x "$T/nodelete"
run_sync --delete --helper-path "$T/nodelete" "$S" "$D"; is "deletes that fail: 23" $rc 23
echo aa >"$S/a"; settle; run_sync -i --delete --backup-dir=old "$S" "$D"; is "then with --backup-dir: 0" "$rc$errors" 0
is "what was there is kept, and what is new" "$(cat "$D/old/k" "$D/old/m/k2" "$D/old/a" "$D/old/extra/e" | tr '\n' ' ')" "k k2 a e "; ok "the mirror is right" equal_but old
run_sync --status "$S"; like "nothing is pending" "$out" '^pending: 0$'; like "no problem is left" "$out" '^problems: 0$'
run_sync --verify --delete --backup-dir=old "$S" "$D"; is "--verify finds nothing" "$rc$out$errors" 0
# Killed anywhere: nothing that was there before is lost.
rm -rf "$S" "$D" "$T/state"; change_begin; change
printf '#!/bin/sh\nexec strace -f -o /dev/null -e trace=$CALL -e inject=$CALL:signal=KILL:when=$WHEN %s "$@"\n' "$BUILD/snapsync-helper" >"$T/killer"; chmod +x "$T/killer"
kept() { (cd "$D/bak" && find . -type f -exec cat {} \; -exec echo \;; find . -type l -exec readlink {} \;) | sort -u; }
run_sync --backup-dir=bak "$S" "$D"; kept >"$T/kept"
ok "a whole change set" test "$(grep -c . "$T/kept")" -ge 6
export CALL WHEN; kills=0 wrong=0
for CALL in linkat renameat unlinkat mkdirat; do
	WHEN=1
	while [ $WHEN -lt 40 ]; do
		change_again
		run_sync --helper-path "$T/killer" --backup-dir=bak "$S" "$D"
		[ $rc != 0 ] || break
		run_sync --backup-dir=bak "$S" "$D"
		kills=$((kills + 1))
		kept >"$T/now"
		{ cmp "$T/kept" "$T/now" && equal_but bak; } >"$T/.cmp" 2>&1 || { wrong=$((wrong + 1)); echo "# after $CALL $WHEN: $rc $errors"; sed 's/^/# /' "$T/.cmp"; }
		WHEN=$((WHEN + 3))
	done
done
ok "killed at $kills places" test $kills -gt 12
is "all is kept every time" $wrong 0
finish
