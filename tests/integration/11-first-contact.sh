#!/bin/sh
# First contact: empty, partly filled, extras with and without --delete.
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/src/d/e" "$T/src/empty"
for n in 1 2 3 4 5; do echo "file $n" >"$T/src/d/f$n"; done
ln "$T/src/d/f1" "$T/src/d/e/link"; ln -s d "$T/src/sym"
good_sync "empty destination" --stats "$T/src" "$T/dst"
is "five files sent" "$(stat_of 'Files sent')" 5
run_sync --stats "$T/src/" "$T/dst/"
is "a slash changes nothing: exit" $rc 0
is "a slash changes nothing: bytes" "$(stat_of 'Bytes sent')" 0
cp -a "$T/src" "$T/dst2"; rm -rf "$T/dst2/d/f5"; echo other >"$T/dst2/d/f4"
echo extra >"$T/dst2/extra"; mkdir "$T/dst2/xdir"; echo x >"$T/dst2/xdir/x"
run_sync --stats "$T/src" "$T/dst2"
is "partly filled: exit" $rc 0
is "only the missing and the different are sent" "$(stat_of 'Files sent')" 2
ok "extras are left" test -f "$T/dst2/extra" -a -f "$T/dst2/xdir/x"
rm -r "$T/dst2/extra" "$T/dst2/xdir"; touch -r "$T/src" "$T/dst2"
ok "and the rest is equal" "$TREECMP" "$T/src" "$T/dst2"
cp -a "$T/src" "$T/dst3"; echo extra >"$T/dst3/extra"; mkdir "$T/dst3/xdir"; echo x >"$T/dst3/xdir/x"
run_sync -n -i --delete "$T/src" "$T/dst3"; plan=$out
ok "-n changes nothing" test -f "$T/dst3/extra" -a ! -e "$T/dst3/.snapsync"
good_rename() { mv "$T/dst3" "$T/dst"; }
rm -rf "$T/dst"; good_rename
run_sync -i --delete "$T/src" "$T/dst" ; is "a known destination that was replaced: exit" $rc 0
run_sync --state-dir "$T/s3" -n -i --delete "$T/src" "$T/dst"
rm -rf "$T/dst4"; cp -a "$T/src" "$T/dst4"; echo extra >"$T/dst4/extra"; mkdir "$T/dst4/xdir"; echo x >"$T/dst4/xdir/x"
run_sync -i --delete "$T/src" "$T/dst4"
is "--delete: exit" $rc 0
ok "--delete: equal" "$TREECMP" "$T/src" "$T/dst4"
is "-n said the same as the run" "$plan" "$out"
# The type is another: a file in the way, a directory in the way.
mkdir "$T/dst5" "$T/dst5/sym"; echo f >"$T/dst5/d"
run_sync "$T/src" "$T/dst5"; ok "an empty directory and a file in the way" same "$T/src" "$T/dst5"
mkdir -p "$T/dst6/sym/full"
run_sync "$T/src" "$T/dst6"; is "a full directory in the way: 23" $rc 23
like "it is named" "$errors" '^snapsync: sym: '
ok "and is still there" test -d "$T/dst6/sym/full"
run_sync --status "$T/src" "$T/dst6"; like "--status names it" "$out" '^problem: sym:'
rm -r "$T/dst6/sym"; run_sync "$T/src" "$T/dst6"; ok "out of the way: equal" same "$T/src" "$T/dst6"
run_sync --status "$T/src" "$T/dst6"; like "no problem any more" "$out" '^problems: 0'
# -c: same size and time, other content
cp -a "$T/src" "$T/dst7"; echo "FILE 2" >"$T/dst7/d/f2"; touch -r "$T/src/d/f2" "$T/dst7/d/f2"
run_sync -c --stats "$T/src" "$T/dst7"; is "-c sends the different one" "$(stat_of 'Files sent')" 1
ok "-c: equal" same "$T/src" "$T/dst7"
# the state is lost: nothing is deleted
rm "$T/src/d/f3"; rm -rf "$T/state"
run_sync "$T/src" "$T/dst7"; ok "state lost: no delete" test -f "$T/dst7/d/f3"
rm "$T/dst7/d/f3"; rm -rf "$T/state"; echo more >"$T/src/d/f4"; run_sync --delete "$T/src" "$T/dst7"; ok "state lost, and a change" same "$T/src" "$T/dst7"
# two state databases take turns at one destination
for n in 1 2 3; do for s in A B; do
	echo $n$s >"$T/src/d/f$n$s"; run_sync --state-dir "$T/turn$s" "$T/src" "$T/dst7"
	ok "two states in turn: $n $s" same "$T/src" "$T/dst7"
done; done
finish
