#!/bin/sh
# Devices, owners by name, -x, other file systems, and the like.
. "$(dirname "$0")/lib.sh"
S=$T/src D=$T/dst
mkdir "$S"; echo 1 >"$S/f"
good_sync "begin" "$S" "$D"
if [ "$(id -u)" != 0 ]; then
	echo "# not root: devices, owners and mounts are not permitted here"
	perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $ARGV[0], Listen => 1) or die' "$S/sock"
	good_sync "a socket" "$S" "$D"; finish
fi
mknod "$S/char" c 1 3 && mknod "$S/block" b 7 99 && mknod "$S/big" c 300 70000
good_sync "devices" -i "$S" "$D"; like "itemized as devices" "$out" '^cD\+{9} block$'
rm "$S/char"; mknod "$S/char" c 1 5; good_sync "a device's number changed" "$S" "$D"
perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $ARGV[0], Listen => 1) or die' "$S/sock"
good_sync "a socket" "$S" "$D"
chown daemon:mail "$S/f"; good_sync "owner by name" "$S" "$D"
chown -h 1:2 "$S/sock"; ln -s f "$S/l"; chown -h 3:4 "$S/l"; good_sync "owner of a symbolic link" "$S" "$D"
chown 0:0 "$S/f"; chmod 6755 "$S/f"; good_sync "set-id bits" "$S" "$D"
chown 1:1 "$S/f"; chmod 6755 "$S/f"; good_sync "set-id bits after a chown" "$S" "$D"
# -x: another file system is an empty directory
mkdir "$S/mnt"; mount -t tmpfs none "$S/mnt" && at_exit "umount '$S/mnt' 2>/dev/null"
echo in >"$S/mnt/in"; run_sync -x "$S" "$D"; is "-x: exit" $rc 0
ok "-x: the mount point is there" test -d "$D/mnt"; ok "-x: its content is not" test ! -e "$D/mnt/in"
run_sync "$S" "$D"; ok "without -x it is" same "$S" "$D"
run_sync -x "$S" "$D"; is "-x again: exit" $rc 0
umount "$S/mnt"; run_sync "$S" "$D"; ok "unmounted: no crash, exit $rc" test $rc = 0 -o $rc = 25
run_sync --force-delete "$S" "$D"; ok "and equal in the end" same "$S" "$D"
# The same inode number on two file systems is not a hard link.
mkdir "$S/m1" "$S/m2"
mount -t tmpfs none "$S/m1" && at_exit "umount '$S/m1' 2>/dev/null"
mount -t tmpfs none "$S/m2" && at_exit "umount '$S/m2' 2>/dev/null"
echo one >"$S/m1/f"; echo two >"$S/m2/f"; ln "$S/m1/f" "$S/m1/g"; ln "$S/m2/f" "$S/m2/g"
good_sync "equal inode numbers on two devices" "$S" "$D"
mv "$S/m1/f" "$S/m2/h"; good_sync "moved to another file system" "$S" "$D"
# A destination is one file system: what cannot get onto a mount below it is
# named, and stays where it was.
mkdir "$S/away"; echo q >"$S/q"; good_sync "a directory" "$S" "$D"
mount -t tmpfs none "$D/away" && at_exit "umount '$D/away' 2>/dev/null"
mv "$S/q" "$S/away/h"; run_sync "$S" "$D"; is "onto a mount below the destination: 23" $rc 23
like "is named" "$errors" 'away/h: .*cross-device'
ok "nothing is lost meanwhile" cmp "$S/away/h" "$D/q"
umount "$D/away"; run_sync "$S" "$D"; ok "unmounted there: equal" same "$S" "$D"
# What could not be looked at in the source is no extra at the destination: below a mount with -x, and the second place of a directory.
if [ "$(id -u)" = 0 ]; then
	S=$T/xs D=$T/xd; mkdir -p "$S/m" "$S/real"; echo r >"$S/real/r"; mount -t tmpfs none "$S/m" && at_exit "umount '$S/m' 2>/dev/null"
	echo a >"$S/m/a"; cp -pr "$S" "$D"; touch "$D/extra"; run_sync --state-dir "$T/xstate" -x --delete "$S" "$D"; is "-x --delete: exit" $rc 0
	ok "what is below the mount stays, what is extra goes" test -f "$D/m/a" -a ! -e "$D/extra"
	umount "$S/m"; mount --bind "$S/real" "$S/m"; rm -rf "$D"; cp -pr "$S" "$D"; run_sync --state-dir "$T/xstate2" --delete "$S" "$D"; is "a directory that is there twice: 23" $rc 23
	ok "both its places stay" test -f "$D/m/r" -a -f "$D/real/r"; umount "$S/m"
fi
finish
