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
# Moved on both sides, or by a run of which the state knows nothing: in whatever
# order the names come, nothing is sent again.
tree() { mkdir -p "$S/m" "$S/a" "$S/z" "$S/$1/s"; echo x >"$S/$1/x"; echo y >"$S/$1/s/y"; echo f >"$S/${1%/*}/f"; mirrored; }
for way in m/B:m/A m/A:m/B m/d:a/d m/d:z/d m/d:d z/d:d; do
	old=${way%:*} new=${way#*:}
	fresh; tree "$old"; cp -a "$T/state" "$T/state0"; mv "$S/$old" "$S/$new"; mv "$S/${old%/*}/f" "$S/f.$$"; run_sync "$S" "$D"; settle
	rm -rf "$T/state"; mv "$T/state0" "$T/state"; run_sync -i "$S" "$D"; ok "$way, by a run that is forgotten: equal" same "$S" "$D"; is "nothing is sent" "$(sent)" 0
	unlike "nor deleted" "$out" deleting
	fresh; tree "$old"; mv "$S/$old" "$S/$new"; mv "$D/$old" "$D/$new"; echo more >>"$D/$new/x"; echo e >"$D/$new/s/e"
	run_sync --verify -i --delete "$S" "$D"; ok "$way, by both: equal" same "$S" "$D"
	is "what is missing and extra is told, once" "$(printf '%s\n' "$out" | grep '^\*[cmre]' | grep -v '^\*moving' | sort | tr -s ' ' | tr '\n' ';')" "*extra $new/s/e;*missing $old/;"
	is "only that is sent" "$(sent)" 1
done
# Extras are counted once, though the listing is made twice.
fresh; tree m/d; mv "$S/m/d" "$S/a/d"; mv "$D/m/d" "$D/a/d"; for f in 1 2 3 4 5 6; do echo e >"$D/m/e$f"; echo e >"$D/a/d/e$f"; done
run_sync --verify --delete --max-delete=12 "$S" "$D"; ok "12 extras, 12 allowed: equal" same "$S" "$D"
fresh; tree m/d; mv "$S/m/d" "$S/a/d"; mv "$D/m/d" "$D/a/d"; for f in 1 2 3 4 5 6; do echo e >"$D/m/e$f"; echo e >"$D/a/d/e$f"; done
run_sync --verify --delete --max-delete=11 "$S" "$D"; is "11 allowed: 25" $rc 25; like "12 stay" "$errors" ' 12 entries'
# A file moves to where somebody else has a directory.
in_limbo() { find "$D/.snapsync/limbo" -mindepth 1 | wc -l; }
fresh; mirrored; mkdir "$D/c"; echo mine >"$D/c/a"; mv "$S/1" "$S/c"
for n in 1 2; do
	run_sync "$S" "$D"; is "a directory is in the way of a move, run $n: 23" $rc 23; like "which is told" "$errors" 'c: a directory is in the way'
	unlike "what is in it is not counted" "$errors" 'left alone'; ok "it stays" test -f "$D/c/a"; is "and nothing is in the limbo" "$(in_limbo)" 0
done
rm "$D/c/a"; run_sync "$S" "$D"; ok "it is empty: equal" same "$S" "$D"
fresh; mirrored; mkdir "$D/c"; echo mine >"$D/c/a"; mv "$S/1" "$S/c"; run_sync --delete "$S" "$D"; run_sync --verify --delete "$S" "$D"; ok "--delete: equal" same "$S" "$D"
# What --max-delete withholds is not driven there either.
fresh; mirrored; mkdir -p "$D/c/sub"; for f in a b sub/c; do echo mine >"$D/c/$f"; done; mv "$S/1" "$S/c"
for n in 1 2 3; do
	run_sync --delete $(test $n = 2 || echo --verify) --max-delete=2 "$S" "$D"; is "--delete, and it holds more than --max-delete, run $n: 25" $rc 25
	is "what is withheld stays in its place" "$(find "$D/c" -type f | wc -l)" 3; is "and nothing is in the limbo" "$(in_limbo)" 0
done
run_sync --delete --force-delete "$S" "$D"; ok "--force-delete: equal" same "$S" "$D"
# The filter protects that directory: --delete is no reason to empty it.
fresh; run_sync --exclude=c/ "$S" "$D"; settle; mkdir -p "$D/c/sub"; echo mine >"$D/c/sub/a"; mv "$S/1" "$S/c"; echo new >"$S/2"
for more in '' --delete '--verify --delete'; do
	run_sync --exclude=c/ $more "$S" "$D"; is "an excluded directory is in the way of a move${more:+, $more}: 23" $rc 23
	like "which is told" "$errors" 'c: a directory is in the way'; is "it stays, and all in it" "$(cat "$D/c/sub/a")" mine; is "and nothing is in the limbo" "$(in_limbo)" 0
done
rm -r "$D/c"; run_sync --exclude=c/ "$S" "$D"; ok "it goes: equal" same "$S" "$D"
# The directory was ours, but not all in it: it cannot be put back over a file.
fresh; mkdir "$S/c"; echo b >"$S/c/b"; mirrored; echo mine >"$D/c/a"; rm -r "$S/c"; mv "$S/1" "$S/c"
run_sync "$S" "$D"; like "says where it is" "$errors" 'c: not deleted, it holds files that are not part of the mirror \(see .snapsync/limbo there\)'
is "that is no failure" $rc 0; ok "the file is there" cmp "$S/c" "$D/c"; is "the other one too" "$(cat "$D"/.snapsync/limbo/*/a)" mine
# A directory moves to where somebody else has one: both in one, and the time is ours.
fresh; mkdir "$S/d"; echo d >"$S/d/d"; touch -d 2020-01-01 "$S/d"; mirrored; mkdir "$D/y"; echo mine >"$D/y/t"; mv "$S/d" "$S/y"
run_sync "$S" "$D"; is "two directories in one: 0" $rc 0; is "what both had" "$(cd "$D/y" && echo *)" "d t"; is "its time" "$(stat -c %Y "$D/y")" "$(stat -c %Y "$S/y")"
# Extras that are too many are told until that is decided; nothing is sent twice.
many() { for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $n >"$D/x$n"; done; }
fresh; mkdir "$D"; many; run_sync --delete --max-delete=10 "$S" "$D"; is "12 extras, 10 allowed: 25" $rc 25
for n in 2 3; do run_sync -i --delete --max-delete=10 "$S" "$D"; is "run $n: 25" $rc 25; like "the same is said" "$errors" '12 entries'; is "and nothing is sent" "$(sent)" 0; done
run_sync "$S" "$D"; is "without --delete: 0" $rc 0; ok "they are there" test -f "$D/x12"
is "that decides it" "$("$SNAPSYNC" --state-dir "$T/state" --status "$S" "$D" | grep '^state')" 'state: up to date'
fresh; mkdir "$D"; many; run_sync --delete --max-delete=10 "$S" "$D"; run_sync --delete --max-delete=12 "$S" "$D"; ok "12 allowed: equal" same "$S" "$D"
fresh; mkdir "$D"; many; "$SNAPSYNC" --state-dir "$T/state" --interval 0.1 --delete --max-delete=10 "$S" "$D" >"$T/o" 2>&1 & pid=$!
await test -f "$D/4"; echo 5 >"$S/5"; await test -f "$D/5"; kill $pid; wait $pid; is "continuously: said once" "$(grep -c 'deletes withheld' "$T/o")" 1
# The source is empty at the first contact: a disk that is not mounted.
for opt in --delete --no-delta; do
	fresh; rm -rf "$D"; cp -a "$S" "$D"; mv "$S" "$T/real"; mkdir "$S"
	run_sync $opt "$S" "$D"; run_sync $opt "$S" "$D"; ok "$opt, an empty source: all is there" test -f "$D/1" -a -f "$D/4"
	rmdir "$S"; mv "$T/real" "$S"; run_sync -i "$S" "$D"; ok "$opt, mounted: equal" same "$S" "$D"; is "nothing is sent" "$(sent)" 0; is "nothing is said" "$errors" ""
done
fresh; rm -rf "$D"; cp -a "$S" "$D"; mkdir "$T/empty"; mv "$S" "$T/real"; mv "$T/empty" "$S"; "$SNAPSYNC" --state-dir "$T/state" -i --interval 0.1 "$S" "$D" >"$T/o" 2>&1 & pid=$!
await test -e "$D/.snapsync/position"; sleep 0.5; echo 5 >"$T/real/5"; mv "$T/real"/* "$S"; await grep -q '^<f.* 5$' "$T/o"; kill $pid; wait $pid; is "continuously: only what is new is sent" "$(grep -c '^<f' "$T/o")" 1
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
