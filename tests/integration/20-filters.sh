#!/bin/sh
# Filters: rsync is the oracle.
. "$(dirname "$0")/lib.sh"
need rsync
S=$T/src
mkdir -p "$S/a/b/c" "$S/a/keep" "$S/build/x" "$S/sub/build/y" "$S/foo/bar/baz" "$S/.git/objects"
for f in a/1.o a/1.c a/b/2.o a/b/2.c a/b/c/3.o a/b/c/core a/keep/4.o build/x/5.c sub/build/y/6.c foo/bar/baz/7 \
	foo/bar/8.tmp foo/9.tmp .git/config .git/objects/10 core notes.txt '[x]' 'q?' 'star*' x1 x2 xa file~ .hidden; do echo "$f" >"$S/$f"; done
mkdir "$S/core.d" "$S/tmp"; echo t >"$S/tmp/t"; ln -s a "$S/link.o"
find "$S" -exec touch -h -d '2020-02-02 02:02:02.020202020' {} +
printf '# comment\n*.o\n\n; another\n/build\n' >"$T/excludes"
printf '%s\n' "-/ $S/a/b" '- *.tmp' >"$T/absolute"
printf '+ /a/\n+ *.c\n- *.o\n' >"$T/rules"; printf 'core\n*~\n' >"$T/more"
n=0
check() { # the same options for both
	n=$((n + 1))
	rm -rf "$T/r$n" "$T/s$n"
	rsync -aH "$@" "$S/" "$T/r$n/" || echo "# rsync: $?"
	"$SNAPSYNC" --state-dir "$T/state$n" "$@" "$S" "$T/s$n" >"$T/.out" 2>&1 || { echo "# snapsync: $?"; cat "$T/.out"; }
	ok "as rsync: $*" "$TREECMP" "$T/r$n" "$T/s$n"
}
check --exclude='*.o'
check --exclude=/build
check --exclude=build/
check --exclude=core
check --exclude=core/
check --exclude=/a/b
check --exclude=a/b
check --exclude='a/**/3.o'
check --exclude='**/b/**'
check --exclude='**/.git'
check --exclude='**/foo'
check --exclude='**/build/'
check --exclude='**/*.o'
check --exclude='**/a/b'
check --exclude='**/foo/***'
check --exclude='**/***'
check --exclude='**core'
check --exclude='**o/b*'
check --exclude='**?ore'
check --exclude='/**/.git'
check --exclude='/**/build/***'
check --include='**/keep/' --include='**/keep/*' --exclude='**/*.o'
check --include='**/a/' --include='**/keep/***' --exclude='**/*'
check --filter='-! **/a/***'
check --exclude='/foo/**'
check --exclude='foo/*'
check --exclude='*'
check --include='*/' --include='*.c' --exclude='*'
check --include='/a/' --include='/a/***' --exclude='*'
check --include='a/keep/*.o' --exclude='*.o'
check --exclude='*.o' --include='a/keep/*.o'
check --exclude='[x]'
check --exclude='\[x\]'
check --exclude='q\?'
check --exclude='x?'
check --exclude='x[0-9]'
check --exclude='x[!0-9]'
check --exclude='x[^0-9]'
check --exclude='x[[:digit:]]'
check --exclude='star\*'
check --exclude='star*'
check --exclude='.*'
check --exclude='/*/b'
check --exclude='/**/b'
check --exclude='**.tmp'
check --exclude='foo/**.tmp'
check --exclude='bar/***'
check --exclude-from="$T/excludes"
check --include-from="$T/more" --exclude='*e*'
check --filter='- *.o'
check --filter='+ *.c' --filter='- a/b/*'
check --filter='exclude *.tmp'
check --filter='include *.c' -f '- /a/**'
check --filter="merge $T/rules"
check --filter=". $T/rules" --exclude='*'
check --filter="merge $T/absolute"
check --filter='-! *.c' --include='*/'
check --filter='- *.o' --filter='!' --filter='- *.c'
check --filter='-/ /nothing'
check --filter='-/ /a'
check --filter="-/ $S/a"
check --filter="-/ $S/a/" --filter="-/ $S/core/"
check --filter="-/ $S/a/*.o"
check --filter="-/ $S/**.o"
check --filter="-/ $S/foo/***"
check --filter="-/ ${S#/}/a"
check --filter='-/ src/a'
check --filter='-/ src/**/c'
check --filter='-/ src/***'
check --filter='-/ **/src/foo'
check --filter="-/ **$S/foo"
check --filter="-/ **${S#/}/foo"
check --filter='-/ *.o'
check --filter='-/ build/'
check --filter='-/ a/b'
check --filter="+/ $S/a/***" --exclude='*.o' --filter='- *.c'
check --filter='+/ keep/*' --filter='-/ *.o'
check --filter="-/! $S/a/***"
check --filter="exclude,/ $S/a"
check --filter="-/ $S/build" --filter='- /a' --filter='- **/core'
check -f '- .git' -f '- *~'
check --exclude='a/b/c/'
check --exclude='/a/*/c'
check --exclude=''
check --exclude='//build'
# What is filtered out is neither deleted nor seen at the destination.
D=$T/dst
run_sync --exclude='*.o' "$S" "$D"; echo mine >"$D/a/mine.o"; echo extra >"$D/a/extra"
rm "$S/a/1.c"; run_sync --exclude='*.o' "$S" "$D"; ok "delete beside an excluded file: exit $rc" test $rc = 0 -a ! -e "$D/a/1.c" -a -e "$D/a/mine.o"
# A directory whose content there is partly protected cannot be removed: say so.
rm -r "$S/a"; run_sync --exclude='*.o' "$S" "$D"
ok "a protected file keeps its directory" test -f "$D/a/mine.o" -a -f "$D/a/extra" -a ! -e "$D/a/b"
is "as with rsync, that is no failure" $rc 0; like "but it is told" "$errors" '^snapsync: a: not deleted, it holds files that are not part'
rm -r "$D/a"; run_sync --exclude='*.o' "$S" "$D"; is "the next pass: 0" $rc 0
# Newly excluded: it stays at the destination, as with rsync; newly included: it comes.
run_sync "$S" "$D"; ok "included again" test -L "$D/link.o"
run_sync --exclude='foo' "$S" "$D"; is "newly excluded: exit" $rc 0; ok "newly excluded: it stays" test -f "$D/foo/9.tmp"
echo changed >"$S/foo/9.tmp"; run_sync --exclude='foo' "$S" "$D"; ok "and is not updated" test "$(cat "$D/foo/9.tmp")" != changed
run_sync "$S" "$D"; ok "included again: updated, equal" same "$S" "$D"
# Moved across the border of the filter.
mv "$S/notes.txt" "$S/notes.tmp"; run_sync --exclude='*.tmp' "$S" "$D"; ok "moved out of sight: exit $rc" test $rc = 0 -a ! -e "$D/notes.tmp"
mv "$S/notes.tmp" "$S/notes.txt"; run_sync --exclude='*.tmp' "$S" "$D"; ok "moved back into sight" test -f "$D/notes.txt"
# Moved out of a directory that is excluded then, and deleted (at once, or by a pass of its own) before the destination is back.
for when in at-once later; do
	mkdir -p "$S/leave/sub"; echo f >"$S/leave/f"; echo h >"$S/leave/sub/h"; run_sync "$S" "$D"
	mv "$S/leave/f" "$S/moved"; mv "$S/leave/sub" "$S/subdir"; run_sync --helper-path /bin/false "$S" "$D"; is "the destination is away" $rc 12
	[ $when = at-once ] || run_sync --helper-path /bin/false --exclude=/leave "$S" "$D"
	rm -r "$S/moved" "$S/subdir"; run_sync --exclude=/leave "$S" "$D"; is "moved out of what is excluded, deleted $when: exit" $rc 0
	ok "what is excluded stays" test -f "$D/leave/f" -a -f "$D/leave/sub/h" -a ! -e "$D/moved"
	run_sync "$S" "$D"; is "included again: exit" $rc 0; rm -r "$S/leave"; run_sync "$S" "$D"; rm -rf "$D/leave"
done
# Gone while it was excluded, and included again: nobody deletes it, but it is said; --verify --delete does.
mkdir "$S/while"; echo 1 >"$S/while/1"; echo 2 >"$S/while/2"; run_sync "$S" "$D"; run_sync --exclude=/while "$S" "$D"; is "excluded: exit" $rc 0; is "nothing to say" "$errors" ""
rm "$S/while/1"; run_sync "$S" "$D"; is "included again: exit" $rc 0; like "what is left there is said" "$errors" 'the destination has 1 that the source does not have'
run_sync "$S" "$D"; is "once" "$errors" ""; run_sync --verify --delete "$S" "$D"; ok "--verify --delete" same "$S" "$D"
echo 3 >"$S/while/3"; run_sync --exclude=/while "$S" "$D"; rm -r "$S/while"; run_sync --delete "$S" "$D"; ok "--delete when it is included again" same "$S" "$D"
# --delete and excludes at a first contact: excluded extras stay.
mkdir -p "$T/few" "$T/full/sub"; echo 1 >"$T/few/1"; echo k >"$T/full/k.o"; echo e >"$T/full/e"; echo k >"$T/full/sub/k.o"
run_sync --delete --exclude='*.o' "$T/few" "$T/full"
ok "--delete: an extra goes" test ! -e "$T/full/e"; ok "--delete: an excluded one stays" test -e "$T/full/k.o" -a -e "$T/full/sub/k.o"
run_sync --filter='frobnicate x' "$S" "$D"; is "a bad rule: usage" $rc 1; like "is quoted" "$errors" 'frobnicate'
run_sync --exclude-from="$T/nowhere" "$S" "$D"; is "a missing file of rules: 11" $rc 11
finish
