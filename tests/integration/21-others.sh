#!/bin/sh
# Somebody else changes the destination, at bad moments too.
. "$(dirname "$0")/lib.sh"
need strace
S=$T/src D=$T/dst
fresh() { rm -rf "$S" "$D" "$T/state" "$T/else"; mkdir "$S"; }
# A directory that is gone there, moved here, and another one in its place.
fresh; mkdir "$S/d"; echo f >"$S/d/f"; run_sync "$S" "$D"; rm -rf "$D/d"
mv "$S/d" "$S/x"; mkdir "$S/d"; echo n >"$S/d/n"; good_sync "gone there, moved here, replaced" "$S" "$D"
fresh; mkdir -p "$S/d/b/e"; echo f >"$S/d/b/e/f"; run_sync "$S" "$D"; rm -rf "$D/d"
mv "$S/d/b" "$S/t"; mv "$S/d" "$S/t/e/x"; mkdir "$S/d"; echo n >"$S/d/n"; good_sync "the same, inside out" "$S" "$D"
# A directory that somebody moved out of the destination while we are connected.
fresh; mkdir "$S/photos"; echo a >"$S/photos/a"; run_sync "$S" "$D"
"$SNAPSYNC" --interval 0.2 --state-dir "$T/state" "$S" "$D" >"$T/.bg" 2>&1 & BG=$!; at_exit "kill $BG 2>/dev/null"
echo b >"$S/photos/b"; await test -e "$D/photos/b"
mv "$D/photos" "$T/else"; echo c >"$S/photos/c"
await test -e "$D/photos/c"
ok "nothing is written where it went" test ! -e "$T/else/c"
settle; kill $BG; wait $BG; run_sync "$S" "$D"; ok "all of it is there again" same "$S" "$D"
cat >"$T/dying" <<END
#!/bin/sh
exec strace -f -qq -o $T/trace -e trace=\$DIES_AT -e inject=\$DIES_AT:signal=KILL:when=\$DIES_WHEN $BUILD/snapsync-helper
END
chmod +x "$T/dying"
# The last writes of a batch: room for the position, redo, then position.
DIES_AT=pwrite64; export DIES_AT DIES_WHEN
dying() { DIES_WHEN=$1; shift; run_sync --helper-path "$T/dying" "$@"; }
# What was gone there and moved here, with another in its place: never exchanged by the replay.
for when in 1 2 3 4 5 6; do
	fresh; echo A >"$S/a"; echo other >"$S/o"; run_sync "$S" "$D"; rm "$D/a"; mv "$S/a" "$S/b"; echo NEWA >"$S/a"
	dying $when "$S" "$D"; good_sync "moved what was gone, killed at write $when" "$S" "$D"
	[ $when -ge 4 ] || continue # the log is written
	fresh; echo A >"$S/a"; echo other >"$S/o"; run_sync "$S" "$D"; rm "$D/a" "$S/a"
	dying $when "$S" "$D"; echo theirs >"$D/a"; run_sync "$S" "$D"
	ok "removed what was gone, killed at write $when: what came since stays" test -f "$D/a"
	fresh; echo o >"$S/o"; run_sync "$S" "$D"; ln -s target "$S/link"; mkfifo "$S/fifo"
	dying $when "$S" "$D"; good_sync "links and pipes alone, killed at write $when" "$S" "$D"
done
# What is made is on the disk before the log that counts on it.
fresh; echo o >"$S/o"; run_sync "$S" "$D"; ln -s target "$S/link"
cat >"$T/traced" <<END
#!/bin/sh
exec strace -f -qq -y -o $T/order -e trace=symlinkat,fsync,syncfs,fdatasync,pwrite64,renameat,renameat2 $BUILD/snapsync-helper
END
chmod +x "$T/traced"; run_sync --helper-path "$T/traced" "$S" "$D"; ok "a symbolic link: equal" same "$S" "$D"
first() { grep -n "$1" "$T/order" | head -n 1 | cut -d: -f1; }
if ! grep -q syncfs "$T/order"; then synced=$(first 'fsync(.*snapsync/tmp>'); else synced=$(first syncfs); fi
ok "its name in tmp/ is synced before the log" test "${synced:-999}" -gt "$(first symlinkat)" -a "${synced:-999}" -lt "$(first 'pwrite64(.*redo')"
# Each of several batches syncs the directory it wrote into.
fresh; mkdir "$S/d"; run_sync "$S" "$D"; for i in 1 2 3; do head -c 70000000 /dev/zero | tr '\0' "$i" >"$S/d/f$i"; done
run_sync --helper-path "$T/traced" "$S" "$D"; ok "three large files: equal" same "$S" "$D"
unsynced=$(awk '/renameat.*\/dst\/d>/ { dirty = 1 } /fsync\(.*\/dst\/d>|syncfs\(/ { dirty = 0 } /pwrite64\(.*position>/ { bad += dirty; dirty = 0 } END { print bad + 0 }' "$T/order")
is "no position before the directory is synced" "$unsynced" 0
# Files of somebody else in a directory that goes while another one takes its name.
fresh; mkdir -p "$S/d/sub" "$S/e/sub"; echo 1 >"$S/d/f"; echo 2 >"$S/e/g"; echo 3 >"$S/d/sub/h"; run_sync "$S" "$D"
mkdir "$D/d/cache"; echo theirs >"$D/d/cache/x"; echo theirs >"$D/d/sub/y"
rm -r "$S/d"; mv "$S/e" "$S/d"; run_sync "$S" "$D"; is "a directory takes the name of one with strangers in it: exit" $rc 0
is "what is not ours stays under its name" "$(cat "$D/d/cache/x" "$D/d/sub/y" 2>/dev/null | tr '\n' ' ')" "theirs theirs "
ok "and ours is there" cmp "$S/d/g" "$D/d/g"; ok "the limbo is empty" test -z "$(ls "$D/.snapsync/limbo")"
# What becomes excluded and goes at the same time is not deleted.
fresh; mkdir "$S/d"; echo 1 >"$S/d/f"; echo 1 >"$S/d/keep.log"; echo 1 >"$S/top.log"; echo 1 >"$S/other"; run_sync "$S" "$D"
rm -r "$S/d" "$S/top.log"; run_sync --exclude='*.log' "$S" "$D"
ok "excluded and gone at once: stays" test -f "$D/top.log"; ok "below a directory that went, too" test -f "$D/d/keep.log"; ok "the rest goes" test ! -e "$D/d/f"
finish
