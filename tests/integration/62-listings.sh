#!/bin/sh
# A listing of the destination laid onto the mirror: what was linked, moved, held
# back or protected there.
. "$(dirname "$0")/lib.sh"
S=$T/src D=$T/dst
fresh() { rm -rf "$S" "$D" "$T/state" "$T/state0"; mkdir "$S"; for f in 1 2 3 4; do echo "$f" >"$S/$f"; done; }
mirrored() { run_sync "$S" "$D"; settle; }
sent() { printf '%s\n' "$out" | grep -c '^[<>]f'; }
# Two names of one file: one of them becomes another file there, the other one
# goes in the source.
for way in a:d d:a; do
	bad=${way%:*} gone=${way#*:}
	fresh; echo good >"$S/a"; ln "$S/a" "$S/d"; mirrored
	rm "$D/$bad" "$S/$gone"; echo 'bad bad' >"$D/$bad"
	run_sync --verify -c "$S" "$D"; ok "links, $bad replaced, $gone gone: equal" same "$S" "$D"
	unlike "the name that goes is nobody else's" "$out" "(extra|replaced) +$gone\$"
	fresh; echo good >"$S/a"; ln "$S/a" "$S/d"; mirrored
	rm "$D/$bad" "$S/$gone"; echo 'bad bad' >"$D/$bad"; rm -rf "$D/.snapsync"
	run_sync -c "$S" "$D"; ok "the same where the position is lost" same "$S" "$D"
	fresh; echo good >"$S/a"; ln "$S/a" "$S/d"; mirrored
	rm "$D/$gone" "$S/$gone"; echo 'bad bad' >"$D/$gone"
	run_sync --verify -c "$S" "$D"; ok "$gone both replaced and gone: equal" same "$S" "$D"
	unlike "which is nobody else's either" "$out" 'extra'
done
# What was still to be deleted when the run was stopped, and is excluded now.
cut() { # the listing is done; nothing is deleted
	strace -f -o /dev/null -e trace=unlinkat -P "$D" -P "$D/mine" -e inject=unlinkat:signal=KILL:when=1 "$SNAPSYNC" --state-dir "$T/state" "$@" >/dev/null 2>&1
	rm -rf "$D/.snapsync"
}
need strace
fresh; mirrored; mkdir "$D/mine"; echo k >"$D/mine/k"; echo k >"$D/k"; cut --verify --delete "$S" "$D"
ok "they are still there" test -f "$D/mine/k" -a -f "$D/k"
run_sync --delete --exclude=/mine --exclude=/k "$S" "$D"; is "protected by now: 0" $rc 0; ok "stays" test -f "$D/mine/k" -a -f "$D/k"
run_sync --delete "$S" "$D"; is "without the filter: 0" $rc 0
finish
