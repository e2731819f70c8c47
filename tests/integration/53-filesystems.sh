#!/bin/sh
# Real file systems at the destination (and for the state): full, out of
# inodes, and unable to store what the source has.
. "$(dirname "$0")/lib.sh"
S=$T/src M=$T/m D=$T/m/dst
export ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0
skip() { tests=$((tests + 1)); echo "ok $tests - # SKIP $1: $2"; }
root() { test "$(id -u)" = 0; }
mkdir "$M"
off() { umount "$M" 2>/dev/null || umount -l "$M" 2>/dev/null; }
at_exit off
# kernel TYPE: can it be mounted at all?
kernel() { grep -qw "$1" /proc/filesystems || { modprobe "$1" && grep -qw "$1" /proc/filesystems; } 2>/dev/null; }
on() { # TYPE SIZE MKFS...: an empty one at $M
	on=$1 size=$2; shift 2
	off; rm -f "$T/img"
	if [ "$on" = tmpfs ]; then mount -t tmpfs -o "size=$size$*" none "$M"; return; fi
	truncate -s "$size" "$T/img" && "$@" "$T/img" >"$T/.mkfs" 2>&1 && mount -t "$on" -o loop "$T/img" "$M"
}
# All that is free but so many KiB.
room() { df -k --output=avail "$M" | tail -1 | tr -d ' '; }
fill() {
	left=$(($(room) - $1)); n=$((n + 1))
	[ $left -le 0 ] || fallocate -l "${left}K" "$M/filler$n" 2>/dev/null || head -c "${left}K" /dev/zero >"$M/filler$n" 2>/dev/null
	[ "$1" != 0 ] || { head -c 20M /dev/zero >"$M/filler0"; } 2>/dev/null # to the last byte
	sync -f "$M"
}
make_room() { rm -f "$M"/filler*; sync -f "$M"; }
# Every file there is whole: as it was, or as it is.
whole() {
	find "$D" -name .snapsync -prune -o -type f -print | while read -r f; do
		p=${f#"$D"/}
		cmp -s "$f" "$S/$p" || cmp -s "$f" "$T/was/$p" || echo "half: $p"
	done | grep . && return 1
	return 0
}
# Never a wrong mirror called right, and a word that tells what is wrong.
honest() {
	if [ "$rc" = 0 ]; then same "$S" "$D"; return; fi
	test "$rc" = 23 -o "$rc" = 11 && matches "$errors" 'space|room|quota'
}
right() { what=$1; shift; run_sync "$@"; ok "$what: exit 0 and equal" same "$S" "$D"; }
once() { test "$(printf '%s\n' "$errors" | grep -c "$1")" = 1; }
source_tree() { # FILES of 100 KB
	rm -rf "$S" "$T/was" "$T/state"; mkdir -p "$S/d/e" "$S/keep"; i=0
	while [ $i -lt "$1" ]; do head -c 100000 /dev/urandom >"$S/d/f$i"; i=$((i + 1)); done
	ln -s d/f0 "$S/link"; echo small >"$S/keep/small"; ln "$S/d/f0" "$S/keep/hard"
}
full() { # WHAT
	n=0; source_tree 40; mkdir -p "$T/was"
	fill 2000; run_sync "$S" "$D"; ok "$1: full at the first copy: exit $rc, says so" honest
	ok "$1: no half file" whole
	make_room; right "$1: room again" "$S" "$D"
	rm -rf "$T/was"; cp -a "$S" "$T/was"; fill 0
	for f in "$S"/d/f?; do echo more >>"$f"; done; echo new >"$S/keep/new"; mkdir "$S/nd"; echo x >"$S/nd/x"; rm "$S/link"; mkdir "$S/link"
	run_sync "$S" "$D"; ok "$1: full at an update: exit $rc, says so" honest; ok "$1: whole files" whole
	run_sync "$S" "$D"; ok "$1: still full: exit $rc, says so" honest
	make_room; right "$1: room again, updated" "$S" "$D"
	rm -rf "$T/was"; cp -a "$S" "$T/was"; fill 0
	mkdir "$S/a-long-name-that-needs-room"; mv "$S/d" "$S/a-long-name-that-needs-room/d"; mv "$S/keep" "$S/kept"; mv "$S/nd/x" "$S/y"
	run_sync "$S" "$D"; ok "$1: renamed with no space: exit $rc" honest
	make_room; right "$1: room again, renamed" "$S" "$D"
	fill 0; rm -r "$S/a-long-name-that-needs-room"
	run_sync --force-delete "$S" "$D"; ok "$1: deleted with no space: exit $rc" honest
	make_room; right "$1: room again, deleted" --force-delete "$S" "$D"
}
if root; then
	on tmpfs 8m && full tmpfs
	for fs in ext4 xfs btrfs; do
		need mkfs.$fs
		if ! kernel $fs; then skip $fs "the kernel has no $fs"; continue; fi
		case $fs in
		ext4) on ext4 12M mkfs.ext4 -q -F -m 0 ;;
		xfs) on xfs 32M mkfs.xfs -q -f --unsupported || on xfs 300M mkfs.xfs -q -f ;;
		btrfs) on btrfs 120M mkfs.btrfs -q -f -M ;;
		esac || { ok "$fs: made and mounted" false; sed 's/^/# /' "$T/.mkfs"; continue; }
		full $fs
	done
	# No more inodes.
	source_tree 1; i=0; while [ $i -lt 300 ]; do echo $i >"$S/d/n$i"; i=$((i + 1)); done
	on tmpfs 8m ,nr_inodes=150; run_sync "$S" "$D"; ok "tmpfs, out of inodes: exit $rc, says so" honest
	mount -o remount,nr_inodes=2000 "$M"; right "tmpfs, more inodes" "$S" "$D"
	rm -rf "$T/state"; on ext4 8M mkfs.ext4 -q -F -N 128; run_sync "$S" "$D"; ok "ext4, out of inodes: exit $rc, says so" honest
	rm "$S"/d/n1* "$S"/d/n2*; run_sync --force-delete "$S" "$D"; right "ext4, inodes enough for the next run" "$S" "$D"
	# A full disk is not listed, and not blamed on somebody else.
	source_tree 2; on tmpfs 2m; n=0; fill 100; run_sync "$S" "$D"; unlike "a full disk is nobody's change" "$errors" 'somebody else'
	# Many that do not fit: the first ones are named, the others counted, and all are kept.
	source_tree 1; i=0; while [ $i -lt 60 ]; do head -c 60000 /dev/zero | tr '\0' x >"$S/d/g$i"; i=$((i + 1)); done; on tmpfs 1m; n=0; fill 200; run_sync "$S" "$D"
	ok "a log that can be read" test "$(printf '%s\n' "$errors" | wc -l)" -lt 30; like "the others are counted" "$errors" 'and [0-9]+ more, for the same reasons'
	run_sync --status "$S"; ok "--status names all" test "$(printf '%s\n' "$out" | grep -c 'No space')" -gt 40
	# What is staged leaves nothing for the log of its batch: what is deleted makes room all the same.
	rm -rf "$S"; mkdir "$S"; for i in 1 2 3 4 5 6 7 8 9; do head -c 100000 /dev/urandom >"$S/old$i"; done; on tmpfs 4m; run_sync "$S" "$D"
	rm "$S"/old*; i=0; while [ $i -lt 1500 ]; do echo $i >"$S/a-long-name-for-little-content-$i"; i=$((i + 1)); done
	run_sync --force-delete "$S" "$D"; ok "no room for the log: exit $rc, says so" honest; is "no room for the log: what is deleted is gone" "$(find "$D" -name 'old*')" ""
	ok "no room for the log: what has room is there" test "$(find "$D" -name 'a-long*' | wc -l)" -gt 100
	mount -o remount,size=20m "$M"; right "no room for the log: room again" "$S" "$D"
	# The state's own disk.
	on tmpfs 1m; source_tree 1; i=0; while [ $i -lt 4000 ]; do echo $i >"$S/d/a-name-that-takes-room-in-the-state-$i"; i=$((i + 1)); done
	run_sync --state-dir "$M/state" "$S" "$T/dst2"; is "no room for the state: 11" $rc 11
	like "says which file" "$errors" 'no room to write .*/state.db'
	mount -o remount,size=60m "$M"; run_sync --state-dir "$M/state" "$S" "$T/dst2"; ok "room for the state" same "$S" "$T/dst2"
	head -c 100M /dev/zero >"$M/filler" 2>/dev/null; for i in 1 2 3 4 5 6 7 8 9; do echo changed >"$S/d/a-name-that-takes-room-in-the-state-$i"; done; mv "$S/d" "$S/moved"
	run_sync --state-dir "$M/state" "$S" "$T/dst2"; is "the state's disk is full at an update: 11" $rc 11
	rm "$M/filler"; run_sync --state-dir "$M/state" "$S" "$T/dst2"; ok "room again: right" same "$S" "$T/dst2"
	# The source on a small file system of its own.
	on tmpfs 8m; mkdir "$M/src"; cp -a "$S/keep" "$M/src/"; run_sync "$M/src" "$T/dst3"; ok "the source on tmpfs" same "$M/src" "$T/dst3"
	# Times in seconds: what is known of the destination is lost, and it is adopted all the same.
	source_tree 3; on ext4 12M mkfs.ext4 -q -F -I 128; run_sync "$S" "$D"; is "times in seconds: 0" $rc 0
	run_sync -i "$S" "$D"; is "nothing to do" "$rc $out$errors" "0 "
	rm -rf "$T/state"; run_sync --stats "$S" "$D"; is "the state is lost: adopted" "$rc $(stat_of 'Files sent')" "0 0"
	run_sync --verify "$S" "$D"; is "--verify finds no drift" "$rc$out" 0
	# vfat, where there is one.
	if kernel vfat; then
		need mkfs.vfat; source_tree 3; touch -d '2020-01-01 00:00:01.5' "$S/d/f0"; echo 1 >"$S/Name"; echo 2 >"$S/name"
		on vfat 12M mkfs.vfat; run_sync "$S" "$D"; is "vfat: 23" $rc 23
		like "vfat: a symbolic link is named" "$errors" 'link: '; ok "vfat: the rest" cmp "$S/d/f0" "$D/d/f0"
	else
		skip "vfat itself" "the kernel has no vfat (its oddities are tested below, made by a preloaded library)"
	fi
	off
else
	skip "full file systems" "mounting needs root"
fi
# Odd file systems, made by a preloaded library.
case $(uname -sm) in
"Linux x86_64"|"Linux aarch64") ;;
*) skip "odd file systems" "the library that makes them is for 64-bit Linux"; finish ;;
esac
D=$T/dst
odd() { # LIST args...
	printf '#!/bin/sh\nexec env LD_PRELOAD=%s ODD=%s %s/snapsync-helper "$@"\n' "$BUILD/tests/odd.so" "$1" "$BUILD" >"$T/odd"; chmod +x "$T/odd"
	shift; run_sync --helper-path "$T/odd" "$@"
}
content() { find "$D" -name .snapsync -prune -o -type f -exec grep -H . {} + | sed "s|$D/||" | sort | tr '\n' ' '; }
rm -rf "$S" "$T/state"; mkdir -p "$S/Dir" "$S/dir" "$S/sub"; echo A >"$S/README"; echo a >"$S/readme"; echo x >"$S/Dir/f"; echo y >"$S/dir/f"; echo 1 >"$S/sub/One"; echo p >"$S/.SNAPSYNC"
odd fold "$S" "$D"; is "names that differ in case only: 23" $rc 23
like "the second one is named, and why" "$errors" '^snapsync: readme: .*differs only in case'
like "a directory too" "$errors" '^snapsync: dir: .*differs only in case'
is "the first ones are right" "$(content)" "Dir/f:x README:A sub/One:1 "
odd fold "$S" "$D"; is "again: 23" $rc 23; is "and nobody fights" "$(content)" "Dir/f:x README:A sub/One:1 "
unlike "nobody is blamed" "$errors" 'somebody else'
rm -rf "$T/state"; odd fold "$S" "$D"; is "compared by a listing: 23" "$rc $(content)" "23 Dir/f:x README:A sub/One:1 "
rm "$S/readme"; odd fold "$S" "$D"; is "the second goes: the first stays" "$(content)" "Dir/f:x README:A sub/One:1 "
echo a >"$S/readme"; rm "$S/README"; odd fold "$S" "$D"; odd fold "$S" "$D"; is "the first goes: the second comes" "$(content)" "Dir/f:x readme:a sub/One:1 "
mv "$S/sub/One" "$S/sub/one"; rm -r "$S/dir" "$S/.SNAPSYNC"; mv "$S/Dir" "$S/DIR"; settle; odd fold "$S" "$D"; ok "another spelling of a name: moved, and all of it right" same "$S" "$D"
rm -rf "$S" "$D" "$T/state"; mkdir "$S"; ln -s x "$S/l"; echo 1 >"$S/h"; ln "$S/h" "$S/h2"; echo 3 >"$S/f"; chmod 600 "$S/f"; mkdir "$S/d"; chmod 700 "$S/d"; touch -d '2020-01-01 00:00:01.5' "$S/f"
root && chown 55:66 "$S/h"
odds=nolinks,noowners,nomodes,coarse
odd $odds "$S" "$D"; is "no links: 23" $rc 23
like "a hard link is named" "$errors" '^snapsync: h2: a hard link'; like "a symbolic one too" "$errors" '^snapsync: l: a symbolic link'
ok "no permission bits: told once" once 'permission bits'
! root || ok "no owners: told once" once 'keeps no owners'
is "the rest is there" "$(content)" "f:3 h:1 "; is "times in steps of 2 s" "$(stat -c %Y "$D/f")" 1577836800
odd $odds --stats "$S" "$D"; is "again: only what could not be stored" "$rc $(stat_of 'Files sent')" "23 0"
rm "$S/l" "$S/h2"; odd $odds "$S" "$D"; is "all of it can be stored: 0" $rc 0
settle; odd $odds -i "$S" "$D"; is "nothing changed: quiet" "$rc$out$errors" 0
rm -rf "$T/state"; odd $odds --stats "$S" "$D"; is "the state is lost: nothing is sent" "$rc $(stat_of 'Files sent')" "0 0"
odd $odds --verify "$S" "$D"; is "--verify finds no drift" "$rc$out" 0
finish
