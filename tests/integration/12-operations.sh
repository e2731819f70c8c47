#!/bin/sh
# Every operation by itself, with the counters that prove how it was done.
. "$(dirname "$0")/lib.sh"
S=$T/src D=$T/dst
mkdir -p "$S/dir/sub" "$S/other"
for n in 1 2 3; do head -c 50000 /dev/urandom >"$S/dir/big$n"; done
echo a >"$S/a"; echo b >"$S/b"; echo c >"$S/dir/sub/c"
good_sync "begin" "$S" "$D"; settle
echo new >"$S/dir/new"; good_sync "add" "$S" "$D"
echo more >>"$S/a"; good_sync "modify" "$S" "$D"
rm "$S/b"; good_sync "delete" --stats "$S" "$D"; is "one delete" "$(stat_of Deletes)" 1
mv "$S/a" "$S/a2"; good_sync "move a file" --stats "$S" "$D"
is "a moved file sends no content" "$(stat_of 'Literal data')" 0
mv "$S/dir" "$S/renamed"; good_sync "move a directory" --stats "$S" "$D"
is "it is one move" "$(stat_of Moves)" 1
is "without content" "$(stat_of 'Literal data')" 0
ok "and few bytes: $(stat_of 'Bytes sent')" test "$(stat_of 'Bytes sent')" -lt 1000
is "no delete" "$(stat_of Deletes)" 0
mv "$S/renamed" "$S/other/deep"; good_sync "move a directory elsewhere" --stats "$S" "$D"
is "without content either" "$(stat_of 'Literal data')" 0
mv "$S/other/deep/big2" "$S/other/deep/big3x"; mv "$S/other/deep/big1" "$S/other/deep/big2"
good_sync "chain" --stats "$S" "$D"; is "chain: no content" "$(stat_of 'Literal data')" 0
mv "$S/other/deep/big2" "$S/t"; mv "$S/other/deep/big3" "$S/other/deep/big2"; mv "$S/t" "$S/other/deep/big3"
good_sync "swap" --stats "$S" "$D"; is "swap: no content" "$(stat_of 'Literal data')" 0
mkdir "$S/x" "$S/y"; echo x >"$S/x/f"; echo y >"$S/y/f"; good_sync "two directories" "$S" "$D"
mv "$S/x" "$S/t"; mv "$S/y" "$S/x"; mv "$S/t" "$S/y"
good_sync "swap directories" --stats "$S" "$D"; is "no content" "$(stat_of 'Literal data')" 0
# a directory and one below it change places, while a third one goes below both
mkdir -p "$S/c/u" "$S/f/d2"; for i in c c/u f f/d2; do echo $i >"$S/$i/mark"; done; run_sync "$S" "$D"
mv "$S/c/u" "$S/t"; mv "$S/f/d2" "$S/c/z"; mv "$S/t" "$S/f/d2"; mv "$S/c" "$S/f/d2/c"
good_sync "inside out" --stats "$S" "$D"; is "inside out: no content" "$(stat_of 'Literal data')" 0
mv "$S/x" "$S/y/in"; good_sync "directory into another" "$S" "$D"
mv "$S/y/in" "$S/y2"; rm -r "$S/y"; good_sync "out of a deleted one" --stats "$S" "$D"
is "out of a deleted one: no content" "$(stat_of 'Literal data')" 0
mkdir "$S/fresh"; mv "$S/y2" "$S/fresh/y"; good_sync "into a new one" --stats "$S" "$D"
is "into a new one: no content" "$(stat_of 'Literal data')" 0
mv "$S/other/deep/big2" "$S/other/deep/big3"; good_sync "over an existing name" --stats "$S" "$D"
is "over: no content" "$(stat_of 'Literal data')" 0
mkdir "$S/p"; echo 1 >"$S/p/q"; good_sync "parent" "$S" "$D"
mv "$S/p/q" "$S/q"; rmdir "$S/p"; mv "$S/q" "$S/p"; good_sync "directory becomes its file" "$S" "$D"
rm "$S/p"; mkdir "$S/p"; echo 2 >"$S/p/r"; good_sync "file becomes a directory" "$S" "$D"
mkdir "$S/A"; mkdir "$S/A/B"; echo z >"$S/A/B/z"; good_sync "nest" "$S" "$D"
mv "$S/A/B" "$S/B"; mv "$S/A" "$S/B/A"; good_sync "inside out" --stats "$S" "$D"
is "inside out: no content" "$(stat_of 'Literal data')" 0
rm -r "$S/B"; mkdir "$S/B"; echo new >"$S/B/n"; good_sync "directory made anew" "$S" "$D"
ln "$S/a2" "$S/l1"; good_sync "hard link made" --stats "$S" "$D"; is "link: no content" "$(stat_of 'Literal data')" 0
ln "$S/a2" "$S/B/l2"; mv "$S/l1" "$S/l3"; good_sync "hard link moved" "$S" "$D"
echo via >>"$S/l3"; good_sync "written through a link" "$S" "$D"
cp "$S/l3" "$S/t"; mv "$S/t" "$S/l3"; good_sync "hard link broken" "$S" "$D"
rm "$S/a2"; good_sync "one name of two deleted" "$S" "$D"
ln -s nowhere "$S/sl"; good_sync "symlink" "$S" "$D"
ln -sfn elsewhere "$S/sl"; good_sync "symlink changed" "$S" "$D"
touch -h -d '2001-02-03 04:05:06.123456789' "$S/sl"; good_sync "symlink time" "$S" "$D"
chmod 4751 "$S/l3"; good_sync "mode with set-uid" "$S" "$D"
chmod 1777 "$S/B"; good_sync "sticky directory" "$S" "$D"
touch -d '2011-11-11 11:11:11.987654321' "$S/l3" "$S/B"; good_sync "times to the nanosecond" --stats "$S" "$D"
is "only times: no content" "$(stat_of 'Literal data')" 0
touch -d '1901-12-14' "$S/l3"; good_sync "before 1970" "$S" "$D"
mkfifo "$S/pipe"; good_sync "FIFO" "$S" "$D"
mkdir "$S/e1" "$S/e1/e2"; good_sync "empty directories" "$S" "$D"
rm -r "$S/e1" "$S/other"; good_sync "deleted trees" "$S" "$D"
: >"$S/zero"; good_sync "empty file" "$S" "$D"
if [ "$(id -u)" = 0 ]; then
	chown 1234:5678 "$S/l3" "$S/B"; good_sync "owners" --numeric-ids "$S" "$D"
	chown -h 7:8 "$S/sl"; good_sync "symlink owner" "$S" "$D"
	mknod "$S/null" c 1 3 && good_sync "device" "$S" "$D"
fi
run_sync --stats "$S" "$D"; is "at rest: nothing sent" "$(stat_of 'Bytes sent')" 0
is "the limbo is empty" "$(ls -A "$D/.snapsync/limbo")" ""
is "tmp is empty" "$(ls -A "$D/.snapsync/tmp")" ""
finish
