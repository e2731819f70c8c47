#!/bin/sh
# One operation fails, and what comes after it in the batch, or the replay of it,
# meets something else: quiet passes then make the mirror right, and not only say so.
. "$(dirname "$0")/lib.sh"
need strace
S=$T/src D=$T/dst helper=$BUILD/snapsync-helper
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # below strace
# helper_with STRACE-OPTION...: a helper that runs so
helper_with() { printf '#!/bin/sh\nexec strace -f -qq -o /dev/null %s %s "$@"\n' "$*" "$helper" >"$T/troubled"; chmod +x "$T/troubled"; run_sync --helper-path "$T/troubled" "$S" "$D"; }
fresh() { rm -rf "$S" "$D" "$T/state"; mkdir "$S"; echo k >"$S/keep"; }
begin() { run_sync "$S" "$D"; settle; }
quiet() {
	run_sync "$S" "$D"; run_sync "$S" "$D"; is "$1: exit" $rc 0; ok "$1: equal" same "$S" "$D"
	run_sync --verify -c -n "$S" "$D"; is "$1: --verify has nothing to say" $rc 0
}
renames="-e trace=renameat,renameat2 -e inject=renameat,renameat2:error=EIO"
# Nothing can be renamed in the destination's root, all else is done.
root_fails="$renames -P '$D'"
three() { fresh; mkdir "$S/a" "$S/b" "$S/c"; echo A >"$S/a/x"; echo BB >"$S/b/x"; echo CCC >"$S/c/x"; begin; mv "$S/a" "$S/t"; mv "$S/c" "$S/a"; mv "$S/b" "$S/c"; mv "$S/t" "$S/b"; echo "A is changed" >"$S/b/x"; settle; }
three; helper_with "$root_fails"; is "three directories change places and cannot: 23" $rc 23; quiet "three directories"
for when in 1 1+2 2+2 1..2; do three; helper_with "$renames:when=$when"; quiet "three directories, renames fail, $when"; done
fresh; mkdir "$S/a" "$S/b"; echo A1 >"$S/a/x"; echo B1 >"$S/b/x"; touch -d @1700000000 "$S/a/x" "$S/b/x"; begin
mv "$S/a" "$S/t"; mv "$S/b" "$S/a"; mv "$S/t" "$S/b"; echo B2 >"$S/a/new"; touch -d @1700000000 "$S/a/new"; mv "$S/a/new" "$S/a/x"; settle
helper_with "$root_fails"; quiet "written over a file of the same size and time"
fresh; mkdir "$S/a" "$S/b"; echo 1 >"$S/a/f"; echo 2 >"$S/b/g"; begin
mv "$S/a" "$S/t"; mv "$S/b" "$S/a"; mv "$S/t" "$S/b"; echo new >"$S/a/new"; mkdir "$S/a/nd"; ln -s x "$S/a/ns"; settle
helper_with "$root_fails"; quiet "made in the wrong directory"
fresh; mkdir "$S/b"; echo 1 >"$S/b/f"; begin; mv "$S/b" "$S/c"; mkdir "$S/b"; settle
helper_with "$renames:when=1"; quiet "a new directory under the name of one that could not be moved"
for way in "chmod 600 '$S/f'" "touch -d @1 '$S/f'" "chmod 600 '$S/f'; touch '$S/g'"; do
	fresh; echo 1 >"$S/f"; echo 2 >"$S/g"; chmod 644 "$S/f"; touch -d @1700000000 "$S/f"; begin; eval "$way"; settle
	helper_with "-e trace=utimensat -e inject=utimensat:error=EIO"; is "metadata that is set by half ($way): 23" $rc 23
	chmod 644 "$S/f"; touch -d @1700000000 "$S/f"; quiet "metadata that is set by half, and taken back"
done
# A directory and the one in it change places: what could not leave the first goes
# back to where it was, and is ours there, whatever is done with it then.
inverted() {
	fresh; mkdir -p "$S/e/i/q" "$S/e/q/r"; for f in f i/f q/f q/r/f q/r/g i/q/h; do echo "$f" >"$S/e/$f"; done
	echo 1 >"$S/e/gone"; echo 2 >"$S/e/in"; begin; mkdir "$S/out"; rm "$S/e/gone"
	mv "$S/e/in" "$S/e/f" "$S/e/q" "$S/out"; mv "$S/e/i" "$S/t"; rmdir "$S/e"; mv "$S/t" "$S/e"; settle
}
# Nothing is missing, and what is said to be there is; an extra may be left, where
# the giving back failed by half.
whole() {
	run_sync "$S" "$D"; run_sync "$S" "$D"; run_sync "$S" "$D"; is "$1: exit" $rc 0
	is "$1: nothing is missing" "$(cd "$S" && find . -type f ! -exec cmp -s {} "$D/{}" \; -print)" ""
	run_sync --verify -c -n "$S" "$D"; unlike "$1: --verify knows of extras only" "$out" '^\*?(missing|changed|replaced)'
}
for when in 1 1..2 1..3 2+3 2+4 4 5 6; do inverted; helper_with "$renames:when=$when"; quiet "inverted, renames fail, $when"; done
for when in 1+4 1+5 1+3 3+3 5+2 7 8; do inverted; helper_with "$renames:when=$when"; whole "inverted, renames fail, $when"; done
for when in 3 3..4; do inverted; helper_with "-e trace=unlinkat -e inject=unlinkat:error=EIO:when=$when"; is "inverted, deletes fail, $when: 23" $rc 23; quiet "inverted, deletes fail, $when"; done
inverted; helper_with "-e trace=unlinkat -e inject=unlinkat:error=EIO:when=4"; is "inverted, its removal fails: 23" $rc 23; whole "inverted, its removal fails"
# Somebody else's file has a name that is ours elsewhere: it stays, whatever fails.
for when in 1 2 3 4 1..2 2..3 3..4; do
	fresh; mkdir -p "$S/e/i"; echo ours >"$S/e/in"; echo x >"$S/e/x"; begin; echo foreign >"$D/e/i/in"; mkdir "$S/out"; mv "$S/e/in" "$S/e/x" "$S/out"; mv "$S/e/i" "$S/t"; rmdir "$S/e"; mv "$S/t" "$S/e"; settle
	helper_with "$renames:when=$when"; whole "a foreign file has the name, $when"; is "it is untouched, $when" "$(cat "$D/e/in")" foreign
done
# What is wanted where it would be given back to.
for when in 1 2 3 4 5 2..3 3..4 4..5; do
	fresh; mkdir "$S/e" "$S/n"; echo f >"$S/e/f"; echo x >"$S/n/x"; begin; mv "$S/e/f" "$S/n/f"; rmdir "$S/e"; mv "$S/n" "$S/e"; settle
	helper_with "$renames:when=$when"; whole "wanted where it was, $when"
done
inverted; echo theirs >"$D/e/theirs"; helper_with "$renames:when=1..3"; run_sync "$S" "$D"; run_sync "$S" "$D"; is "inverted, with theirs: 0" $rc 0
is "theirs is where it was" "$(cat "$D/e/theirs")" theirs; rm "$D/e/theirs"; touch -r "$S/e" "$D/e"; quiet "inverted, with theirs"
for when in 2 3 4; do inverted; helper_with "$renames:when=1 -e trace=pwrite64 -e inject=pwrite64:signal=KILL:when=$when"; quiet "inverted, killed at $when"; done
# What got no name does not stay in tmp/, or a session without end fills the disk.
fresh; mkdir "$S/d"; begin; mkdir "$D/f"; echo theirs >"$D/f/theirs"; echo 1 >"$S/f"; ln -s x "$S/g"; echo 2 >"$S/h"; mkdir "$D/g"; echo theirs >"$D/g/theirs"
run_sync "$S" "$D"; is "two names are taken: 23" $rc 23; ok "what has none is done" cmp "$S/h" "$D/h"
is "nothing is left in tmp/" "$(find "$D"/.snapsync/tmp* -type f -o -type l)" ""
# The helper is killed when it writes its position, and finishes when it starts again.
killed="-e trace=renameat,renameat2,pwrite64 -e inject=renameat,renameat2:error=EIO:when=1 -e inject=pwrite64:signal=KILL:when"
for when in 2 3 4 5; do
	fresh; echo old >"$S/log"; begin; mv "$S/log" "$S/log.1"; echo "new log" >"$S/log"; settle; helper_with "$killed=$when"; quiet "a log that is rotated, killed at $when"
	fresh; mkdir "$S/g"; echo precious >"$S/f"; echo 1 >"$S/g/x"; begin; mv "$S/f" "$S/t"; mv "$S/g" "$S/f"; mv "$S/t" "$S/g"; settle; helper_with "$killed=$when"; quiet "a file and a directory, killed at $when"
	fresh; echo old >"$S/a"; echo other >"$S/b"; begin; ln "$S/a" "$S/l"; echo x >"$S/n"; mv "$S/n" "$S/a"; settle; helper_with "$killed=$when"; quiet "a link, killed at $when"
	fresh; mkdir "$S/a" "$S/b"; echo 1 >"$S/a/x"; echo 2 >"$S/b/x"; echo 3 >"$S/c"; begin; mv "$S/a" "$S/t"; mv "$S/b" "$S/a"; mv "$S/t" "$S/b"; mkdir "$S/d"; mv "$S/c" "$S/d/c"; mv "$S/b" "$S/d/b"; settle
	helper_with "-e trace=pwrite64 -e inject=pwrite64:signal=KILL:when=$when"; run_sync "$S" "$D"; is "moves, and moves of what was moved, killed at $when: nothing to say" "$errors" ""; quiet "moves, killed at $when"
	fresh; begin; mkdir "$S/d"; settle; helper_with "-e trace=pwrite64 -e inject=pwrite64:signal=KILL:when=$when"; rmdir "$S/d"; touch "$S/new"
	helper_with "-e trace=mkdirat -e inject=mkdirat:error=EROFS"; quiet "a directory that was made, and cannot be made again, killed at $when"
done
finish
