#!/bin/sh
# Content that the destination has is not sent again, and is verified.
. "$(dirname "$0")/lib.sh"
S=$T/src D=$T/dst; mkdir "$S"
random() { head -c "$1" /dev/urandom; }
literal() { stat_of 'Literal data'; }
# most "what" LIMIT: equal, and at most LIMIT literal bytes
most() { run_sync --stats "$S" "$D"; ok "$1: equal" same "$S" "$D"; ok "$1: $(literal) literal bytes, at most $2" test "$(literal)" -le "$2"; }
# usual "what" LIMIT FUNCTION: the same after each of three calls of it with $n, at most twice LIMIT literal bytes after
# each and LIMIT after the middle one: where cuts fall together again is chance, since content and seed are.
usual() {
	: >"$T/.three"
	for n in 1 2 3; do
		$3; run_sync --stats "$S" "$D"; ok "$1, $n: equal" same "$S" "$D"; literal >>"$T/.three"
		ok "$1, $n: $(literal) literal bytes, at most $(($2 * 2))" test "$(literal)" -le $(($2 * 2))
	done
	n=$(sort -n "$T/.three" | sed -n 2p); ok "$1: $n literal bytes, at most $2" test "$n" -le "$2"
}
random 20000000 >"$S/a"; random 5000 >"$S/small"; good_sync "begin" "$S" "$D"; settle
cp "$S/a" "$S/b"; cp "$S/small" "$S/small2"; most "copied files" 0
(head -c 7000000 "$S/a"; echo inserted; tail -c +7000001 "$S/a") >"$T/x"; cat "$T/x" >"$S/a"; most "insertion" 70000
random 1000 >>"$S/a"; most "append" 70000
random 4096 | dd of="$S/a" bs=4096 seek=2000 conv=notrunc 2>/dev/null; most "patch in place" 140000
head -c 9000000 "$S/a" >"$T/x"; cat "$T/x" >"$S/a"; most "truncation" 70000
mv "$S/a" "$S/moved"; random 10 >>"$S/moved"; most "moved and edited" 70000
parts() { (tail -c $((3300000 - n * 100000)) "$S/b"; random 100; head -c 4000000 "$S/moved") >"$S/parts"; }
usual "parts of different files" 140000 parts
cp "$S/b" "$S/b.new"; random 5 >>"$S/b.new"; mv "$S/b.new" "$S/b"; most "saved by rename" 70000
cp "$S/parts" "$S/parts2"; rm "$S/parts"; most "copied and the original deleted" 0
mv "$S/parts2" "$S/p3"; cp "$S/p3" "$S/p4"; most "moved and copied" 0
# Another file of the same content takes its place (an unpacked archive): what is known of the content stays known.
random 3000000 >"$S/long"; random 200000 >"$S/short"; run_sync "$S" "$D"; for n in long short; do cp "$S/$n" "$T/x"; mv "$T/x" "$S/$n"; done; most "replaced by the same" 0
cp "$S/long" "$S/long2"; most "and copied" 0
(head -c 100000 "$S/short"; echo inserted; tail -c +100001 "$S/short") >"$T/x"; cat "$T/x" >"$S/short"; most "and edited" 140000
for n in long short; do cp "$S/$n" "$T/x"; mv "$T/x" "$S/$n"; done; most "replaced again" 0; rm "$S/long"; cp "$S/long2" "$S/long3"; most "and the first gone" 0
mkdir "$S/dir"; n=0; while [ $n -lt 200 ]; do random 3000 >"$S/dir/$n"; n=$((n + 1)); done; good_sync "many small ones" "$S" "$D"; settle
cp -r "$S/dir" "$S/dir2"; run_sync --stats "$S" "$D"; ok "a copied directory: equal" same "$S" "$D"; is "a copied directory: literal" "$(literal)" 0
# The destination was changed by somebody else: only what is wrong travels.
random 9000000 >"$S/lone"; good_sync "a file of its own" "$S" "$D"; settle; printf 'changed by somebody' | dd of="$D/lone" bs=1 seek=5000000 conv=notrunc 2>/dev/null
echo more >>"$S/lone"; run_sync --stats "$S" "$D"; ok "changed there: equal" same "$S" "$D"
ok "changed there: $(literal) literal bytes, some, not all" test "$(literal)" -gt 1000000 -a "$(literal)" -lt 4000000
like "and is told" "$errors" 'changed by somebody else'; unlike "but is no failure of an entry" "$errors" 'lone:'
printf 'again' | dd of="$D/p3" bs=1 seek=100 conv=notrunc 2>/dev/null; cp "$S/p3" "$S/p5"; run_sync "$S" "$D"
ok "a changed source of a copy: both are right in the end" same "$S" "$D"
rm "$D/p4"; cp "$S/p4" "$S/p6"; run_sync "$S" "$D"; ok "a source that is gone: exit $rc, the copy is right" cmp "$S/p6" "$D/p6"
truncate -s 10 "$D/b"; cp "$S/b" "$S/b2"; run_sync "$S" "$D"; ok "a source that was cut: the copy is right" cmp "$S/b2" "$D/b2"
# Holes.
truncate -s 3G "$S/holes"; echo end >>"$S/holes"; start=$(date +%s); run_sync --stats "$S" "$D"; ok "a sparse file: $(literal) literal bytes" test "$(literal)" -lt 100000
ok "its size" test "$(stat -c %s "$D/holes")" = "$(stat -c %s "$S/holes")"; ok "its end" test "$(tail -c 4 "$D/holes")" = end
ok "it is sparse there: $(du -k "$D/holes" | cut -f1) KiB" test "$(du -k "$D/holes" | cut -f1)" -lt 1000
ok "in seconds" test $(($(date +%s) - start)) -lt 20
head -c 2000000 /dev/zero >"$S/zeros"; random 100 >>"$S/zeros"; run_sync -S --stats "$S" "$D"; ok "-S: zeros become holes" cmp "$S/zeros" "$D/zeros"
ok "-S: $(du -k "$D/zeros" | cut -f1) KiB" test "$(du -k "$D/zeros" | cut -f1)" -lt 200
# A dry run says the same.
random 5 >>"$S/b"; cp "$S/dir/7" "$S/dir/copy7"; run_sync -n --stats "$S" "$D"; dry="$(literal) $(stat_of 'Matched data')"
run_sync --stats "$S" "$D"; is "-n counts the same" "$dry" "$(literal) $(stat_of 'Matched data')"
# A destination that was adopted: the first change is a delta already.
rm -rf "$S" "$D" "$T/state"; mkdir "$S"; random 9000000 >"$S/f"; random 9000000 >"$S/g"; for n in 1 2 3; do random 300000 >"$S/h$n"; done; cp -a "$S" "$D"
good_sync "adopted" "$S" "$D"; settle
echo more >>"$S/f"; most "append to an adopted file" 70000
insertion() { (echo first; cat "$S/h$n") >"$T/x"; cat "$T/x" >"$S/h$n"; }
usual "insertion into a shorter one" 70000 insertion
touch "$S/g"; most "an adopted file touched" 0
# One that has an older version of it.
rm -rf "$D" "$T/state"; cp -a "$S" "$D"; (head -c 4000000 "$D/g"; echo x; tail -c +4000001 "$D/g") >"$T/x"; cat "$T/x" >"$D/g"
most "an older version is there" 70000
rm -rf "$D" "$T/state"; cp -a "$S" "$D"; run_sync -c "$S" "$D"; settle; echo more >>"$S/f"; most "adopted with -c" 70000
# Somebody changed it since it was adopted.
rm -rf "$D" "$T/state"; cp -a "$S" "$D"; run_sync "$S" "$D"; settle; random 9000000 >"$D/f"; echo yet >>"$S/f"; good_sync "changed there since" "$S" "$D"
rm -rf "$D" "$T/state"; cp -a "$S" "$D"; run_sync "$S" "$D"; settle; rm "$D/f"; echo again >>"$S/f"; good_sync "gone there since" "$S" "$D"
# Every file is replaced by a new one (as rsync and editors do): nothing known is left in the source.
rm -rf "$S" "$D" "$T/state"; mkdir "$S"; for i in 1 2 3 4 5 6; do random 100000 >"$S/f$i"; random 3000 >"$S/s$i"; done; run_sync "$S" "$D"; settle
for f in "$S"/*; do cat "$f" >"$T/x"; mv "$T/x" "$f"; done; echo end >>"$S/f1"; most "every file replaced" 40000
for f in "$S"/*; do cat "$f" >"$T/x"; mv "$T/x" "$f"; done; most "replaced by the same" 0; is "only metadata travels" "$(stat_of 'Files sent') $(stat_of 'Matched data')" "0 0"
echo linked >"$S/one"; ln "$S/one" "$S/two"; run_sync "$S" "$D"; settle
for f in one two; do cat "$S/$f" >"$T/x"; mv "$T/x" "$S/$f"; done; good_sync "two links, each replaced by the same" "$S" "$D"
cat "$S/one" >"$T/x"; mv "$S/two" "$S/three"; mv "$T/x" "$S/one"; ln "$S/one" "$S/two"; good_sync "replaced, moved and linked" "$S" "$D"
for f in f1 f2; do cat "$S/$f" >"$T/x"; mv "$T/x" "$S/$f"; done; mv "$S/f2" "$S/t"; mv "$S/f1" "$S/f2"; mv "$S/t" "$S/f1"; chmod 600 "$S/f1"; good_sync "replaced and swapped" "$S" "$D"
# A replaced file whose new size calls for longer chunks is cut like the old one.
random 66000000 >"$S/grown"; truncate -s 1072693248 "$S/grown"; random 1048576 >>"$S/grown"; run_sync "$S" "$D"; settle
(random 1000000; cat "$S/grown") | cp --sparse=always /dev/stdin "$T/x"; mv "$T/x" "$S/grown"; most "grown and replaced" 1300000
# More copies than go into one batch: each is made while the one before is carried out.
rm -rf "$S" "$D" "$T/state"; mkdir "$S"; "$BUILD/tests/manyfiles" "$S/d" 9000 300; run_sync "$S" "$D"; settle
cp -a "$S/d" "$S/e"; most "many copied files" 0
# What is shorter than the words that name it is not looked for.
random 255 >"$S/tiny"; random 256 >"$S/short"; run_sync "$S" "$D"; settle; cp "$S/tiny" "$S/tiny2"; cp "$S/short" "$S/short2"
run_sync --stats "$S" "$D"; ok "tiny copies" same "$S" "$D"; is "255 bytes travel, 256 do not" "$(literal) $(stat_of 'Matched data')" "255 256"
# Reading leaves access times as they are: of the source, and of what is copied at the destination.
if [ "$(uname -s)" = Linux ]; then
	random 5000 >"$S/read"; random 9000 >"$S/seen"; run_sync "$S" "$D"; settle; cp "$S/seen" "$S/seen2"
	for f in "$S/read" "$D/seen" "$T/x"; do touch -a -d 2001-01-01 "$f"; done; cat "$T/x" >/dev/null; run_sync --stats "$S" "$D"
	is "of the source" "$(stat -c %X "$S/read")" 978307200; is "of the destination" "$(stat -c %X "$D/seen")" 978307200
	is "both were read: exit $rc, copied" "$(stat_of 'Matched data')" 9000; ok "equal" same "$S" "$D"
	echo "# (a plain reader leaves $(stat -c %X "$T/x"))"
fi
# Where they are not ours to leave alone, it is read nevertheless.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$T"; mkdir "$T/us" "$T/ud" "$T/ustate"; random 5000 >"$T/us/f"; chown 4242 "$T/ud" "$T/ustate"; cp "$SNAPSYNC" "$SNAPSYNC-helper" "$T/ustate"
	as_user() { setpriv --reuid=4242 --clear-groups "$T/ustate/snapsync" --state-dir "$T/ustate" --stats "$T/us" "$T/ud" >"$T/.out" 2>"$T/.err"; rc=$?; out=$(cat "$T/.out") errors=$(cat "$T/.err"); }
	as_user; is "a source of somebody else: exit" $rc 0; ok "is read" cmp "$T/us/f" "$T/ud/f"; settle
	chown 0 "$T/ud/f"; cp "$T/us/f" "$T/us/g"; as_user; is "a copy of somebody else's: exit" $rc 0; ok "is right" cmp "$T/us/g" "$T/ud/g"; is "and was made there" "$(literal)" 0
else
	ok "setpriv is needed to test as an ordinary user" false
fi
# A source that is not in memory is fetched ahead.
rm -rf "$S" "$D" "$T/state"; mkdir "$S"; "$BUILD/tests/manyfiles" "$S/d" 3000; echo top >"$S/top"; sync -f "$S"
find "$S" -type f -exec dd if={} iflag=nocache count=0 status=none \;
ASAN_OPTIONS=detect_leaks=0 strace -f -qq -e trace=fadvise64 -o "$T/ahead" "$SNAPSYNC" --state-dir "$T/state" "$S" "$D"; rc=$?
ok "a cold source" same "$S" "$D"
case $(stat -f -c %T "$S") in tmpfs) ;; *) ok "is fetched ahead: $(grep -c WILLNEED "$T/ahead")" test "$(grep -c WILLNEED "$T/ahead")" -gt 20 ;; esac
finish
