#!/bin/sh
# What the batch makes and fills is staged as a whole and gets its place by one
# rename; and that is nothing that could be seen.
. "$(dirname "$0")/lib.sh"
need strace setpriv
mkdir -p "$T/one" "$T/src/deep"
S=$T/src D=$T/dst
# $BUILD may be one with sanitizers, which see no leaks below a tracer.
export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}"
traced() { # CALLS ARGS...
	calls=$1; shift; rc=0
	strace -f -qq -e trace="$calls" -o "$T/trace" "$SNAPSYNC" --state-dir "$T/state" "$@" >"$T/.out" 2>"$T/.err" || rc=$?
	out=$(cat "$T/.out"); errors=$(cat "$T/.err")
}
fill() { # DIRS FILES ROOT
	for d in $(seq "$1"); do
		mkdir -p "$3/d$d/sub"
		for f in $(seq "$2"); do echo "$d $f" >"$3/d$d/f$f"; done
		ln -s f1 "$3/d$d/link"; ln -s ../f1 "$3/d$d/sub/link"
		mkfifo "$3/d$d/sub/fifo"; echo x >"$3/d$d/sub/$(printf 'new\nline')"
	done
}
left() { find "$D"/.snapsync/tmp* -mindepth 1; }
fill 12 20 "$S"; mkdir "$S/empty"; ln "$S/d1/f1" "$S/d3/linked"; ln "$S/d4/f2" "$S/d4/f2.linked"
traced /rename "$S" "$D"
ok "a first copy: exit 0 and equal" same "$S" "$D"
n=$(grep -c rename "$T/trace")
ok "of 350 entries in 25 directories, $n renames" test "$n" -lt 40
is "nothing is left in tmp/" "$(left)" ""
# The same beside what is there already; a second time nothing is to be done.
fill 3 20 "$S/deep"; cp -r "$S/d2" "$S/copy"; dd if=/dev/urandom of="$S/copy/long" bs=1k count=700 2>/dev/null
mv "$S/d5" "$S/copy/d5"; echo more >"$S/copy/d5/more"; mkdir "$S/copy/d5/n"; echo n >"$S/copy/d5/n/n"
good_sync "more of them, moved and copied" --stats "$S" "$D"
run_sync --stats "$S" "$D"; is "then nothing" "$(stat_of 'Operations sent')" 0
# Somebody has made the directory meanwhile: what is his stays.
run_sync "$S" "$D"; fill 1 20 "$S/taken"; mkdir -p "$D/taken/d1/sub"; echo his >"$D/taken/d1/his"; chmod 750 "$D/taken/d1"
run_sync "$S" "$D"; is "a directory that is there: exit" $rc 0
is "his is there still" "$(cat "$D/taken/d1/his")" his; rm "$D/taken/d1/his"; touch -r "$S/taken/d1" "$D/taken/d1"
ok "equal" same "$S" "$D"
is "nothing is left in tmp/" "$(left)" ""
# A file of his in its place goes, as any other would.
echo his >"$D/blocked"; fill 1 5 "$S/blocked"; run_sync "$S" "$D"; run_sync "$S" "$D"
ok "a file in its place: equal" same "$S" "$D"
# What lies in tmp/ under a number that comes again is nobody's.
mkdir -p "$D/.snapsync/tmp/d1/junk" "$D/.snapsync/tmp/d2"; echo junk >"$D/.snapsync/tmp/d1/junk/junk"; echo junk >"$D/.snapsync/tmp/d2/junk"
mkdir "$S/nobody"; fill 2 3 "$S/nobody"; mkdir "$S/nobody/none"; good_sync "leftovers in tmp/" "$S" "$D"; rm -r "$D/.snapsync/tmp/d1"
is "the other one is gone" "$(left)" ""
# What a directory hands down to those made in it.
"$BUILD/tests/acl" set "$D/deep"; acl=$?
if [ $acl = 0 ]; then
	fill 2 3 "$S/deep/acl"; good_sync "below an access list" "$S" "$D"
	ok "new directories have it too" "$BUILD/tests/acl" has "$D/deep/acl/d1/sub"
	"$BUILD/tests/acl" has "$D/d1"; is "others do not" $? 1
	fill 2 3 "$S/deep/posix"; rc=0; "$BUILD-posix/snapsync" --state-dir "$T/state" "$S" "$D" >"$T/.out" 2>&1 || rc=$?
	ok "POSIX build: new directories have it too" "$BUILD/tests/acl" has "$D/deep/posix/d1/sub"
	"$BUILD/tests/acl" set "$D/.snapsync/tmp"; fill 1 3 "$S/plain"; good_sync "tmp/ has one" "$S" "$D"
	"$BUILD/tests/acl" has "$D/plain/d1"; is "and keeps it for itself" $? 1
	"$BUILD/tests/acl" set "$D/plain"; fill 1 3 "$S/plain/below"; good_sync "both have one" "$S" "$D"
	ok "those below have it" "$BUILD/tests/acl" has "$D/plain/below/d1"
else
	is "only for want of support: no access lists" $acl 3
fi
# A flag, where the file system has any.
if chattr +A "$D/d2" 2>/dev/null; then
	fill 1 3 "$S/d2/flag"; good_sync "below a flag" "$S" "$D"
	like "new directories have it too" "$(lsattr -d "$D/d2/flag/d1")" '^[^ ]*A'
	unlike "others do not" "$(lsattr -d "$D/d3")" '^[^ ]*A'
fi
if [ "$(id -u)" = 0 ]; then
	# What fails while it is staged does not come with its directory.
	mkdir "$S/owned"; ln -s target "$S/owned/link"; mkfifo "$S/owned/fifo"; echo o >"$S/owned/file"; echo r >"$S/owned/root"
	chown -h 4242 "$S/owned/link" "$S/owned/fifo" "$S/owned/file"; rc=0
	strace -f -qq -o /dev/null -e trace=fchownat -e inject=fchownat:error=EDQUOT:when=2+ "$SNAPSYNC" --state-dir "$T/state" "$S" "$D" >"$T/.out" 2>"$T/.err" || rc=$?
	is "what fails in staging: exit" $rc 23; is "it is not there" "$(ls "$D/owned")" root
	good_sync "and the next time" "$S" "$D"
	rm -rf "$T/state" "$D" "$S"; mkdir -p "$S/g" "$D/g" "$T/state"; fill 2 4 "$S/g/new"; chown -R 4242:7777 "$S"
	chown -R 4242:4242 "$D" "$T/state"; chown 4242:4343 "$D/g"; chmod 2775 "$D/g"; chmod 755 "$T"; cp "$SNAPSYNC" "$SNAPSYNC-helper" "$T/" 2>/dev/null
	rc=0; setpriv --reuid=4242 --regid=4242 --groups=4343 "$T/snapsync" --state-dir "$T/state" "$S" "$D" >"$T/.out" 2>"$T/.err" || rc=$?
	is "not root, below a set-group-id directory: exit" $rc 0
	is "the group is its directory's" "$(stat -c %g "$D/g/new" "$D/g/new/d1" | tr '\n' ' ')" "4343 4343 "
fi
if [ "$(id -u)" = 0 ]; then
	# A directory of our own that we may not write to.
	rm -rf "$T/state" "$D" "$S"; mkdir -p "$S/ro" "$D" "$T/state"; echo 1 >"$S/ro/one"; chmod 555 "$S/ro"; chown -R 4242:4242 "$S" "$D" "$T/state"
	user() { rc=0; setpriv --reuid=4242 --regid=4242 --clear-groups "$T/snapsync" --state-dir "$T/state" "$S" "$D" >"$T/.out" 2>"$T/.err" || rc=$?; errors=$(cat "$T/.err"); }
	user; fill 2 3 "$S/ro/new"; chown -R 4242:4242 "$S"; user; is "below a read-only directory: exit" $rc 0
	is "nothing is said" "$errors" ""; ok "equal" same "$S" "$D"
	# On a full disk what is staged leaves room for the log, directories too.
	rm -rf "$T/state" "$S"; mkdir -p "$S" "$T/m"
	truncate -s 16M "$T/img"; PATH=$PATH:/usr/sbin:/sbin mkfs.ext4 -q -F -O ^has_journal -N 8000 -m 0 "$T/img"
	mount -o loop "$T/img" "$T/m" && at_exit "umount '$T/m' 2>/dev/null"; D=$T/m/dst; mkdir "$D"
	head -c 2000000 /dev/urandom >"$S/gone"; head -c 8000000 /dev/urandom >"$S/filler"; run_sync "$S" "$D"; rm "$S/gone"
	room=$(df -k --output=avail "$T/m" | tail -n 1); head -c $(((room - 1200) * 1024)) /dev/zero >"$T/m/other"
	i=0; while [ $i -lt 1500 ]; do mkdir "$S/d$i"; ln -s target "$S/d$i/link"; : >"$S/d$i/empty"; i=$((i + 1)); done
	run_sync --force-delete "$S" "$D"; ok "full: what is deleted goes (exit $rc)" test ! -e "$D/gone"
	rm "$T/m/other"; run_sync "$S" "$D"; run_sync "$S" "$D"; ok "room again: equal" same "$S" "$D"
	is "nothing is left in tmp/" "$(left)" ""; umount "$T/m"
fi
# The order of operations counts, whatever they are: a batch does what they do one by one.
for b in "$BUILD" "$BUILD-posix"; do
	for seed in 6 21; do
		rm -rf "$T/one" "$T/each"
		ok "$b: operations by chance, seed $seed" timeout 120 "$BUILD/tests/order" $seed "${ROUNDS:-150}" "$T/one" "$T/each" "$b/snapsync-helper"
	done
done
finish
