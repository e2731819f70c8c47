#!/bin/sh
# The snapshot is right, whatever the file system does with numbers and times.
. "$(dirname "$0")/lib.sh"
S=$T/src D=$T/dst
mkdir -p "$S/d"; echo one >"$S/f"; echo two >"$S/d/g"
good_sync "begin" "$S" "$D"
echo ONE >"$S/f"; good_sync "same size at once" "$S" "$D"
echo Two >"$S/d/g"; run_sync "$S" "$D"; echo tWo >"$S/d/g"; good_sync "same size, twice in a row" "$S" "$D"
settle; touch -r "$S/f" "$T/ref"; echo oNe >"$S/f"; touch -r "$T/ref" "$S/f"
good_sync "mtime set back by touch -r" "$S" "$D"
n=0; while [ $n -lt 30 ]; do rm "$S/f"; echo "reuse $n" >"$S/f$n"; mv "$S/f$n" "$S/f"; n=$((n + 1)); done
good_sync "inode numbers used again" "$S" "$D"
rm "$S/f"; mkdir "$S/newdir"; echo x >"$S/newdir/x"; good_sync "number of a file given to a directory" "$S" "$D"
n=0; while [ $n -lt 20 ]; do cp "$S/d/g" "$S/d/t"; mv "$S/d/t" "$S/d/g"; n=$((n + 1)); [ $((n % 5)) = 0 ] && run_sync "$S" "$D"; done
good_sync "atomic saves swap two numbers" "$S" "$D"
# Entries that move while the walk passes: never deleted, equal in the end.
mkdir "$S/many"; for i in 1 2 3 4 5 6 7 8 9; do mkdir "$S/many/$i"; for k in 1 2 3 4 5 6 7 8 9; do echo $i$k >"$S/many/$i/$k"; done; done
run_sync "$S" "$D"
( n=0; while [ $n -lt 400 ]; do mv "$S/many/1" "$S/many/z" && mv "$S/many/z" "$S/many/1"; mv "$S/many/9" "$S/many/0"; mv "$S/many/0" "$S/many/9"; n=$((n + 1)); done ) & mover=$!
deleted=0; while kill -0 $mover 2>/dev/null; do run_sync -i "$S" "$D"; case $out in *deleting*) deleted=1 ;; esac; done
wait $mover; is "renames during walks never delete" $deleted 0
good_sync "and then: equal" "$S" "$D"
# A file that grows while it is read, and one that goes away.
( n=0; while [ $n -lt 300 ]; do head -c 100000 /dev/zero >>"$S/grow"; n=$((n + 1)); done ) & grower=$!
( n=0; while [ $n -lt 200 ]; do echo $n >"$S/brief$n"; rm "$S/brief$n"; n=$((n + 1)); done ) & briefer=$!
codes=; while kill -0 $grower 2>/dev/null; do run_sync "$S" "$D"; codes="$codes $rc"; done; wait $grower $briefer
ok "every pass ended with 0 or 23:$codes" test -z "$(echo "$codes" | tr ' ' '\n' | grep -v -e '^$' -e '^0$' -e '^23$')"
settle; good_sync "at rest: equal" "$S" "$D"
# An unreadable directory withholds deletes below it, and only there.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$T"; mkdir "$T/u"; chown -R 4242 "$S" "$T/u"; as="setpriv --reuid=4242 --clear-groups"
else
	as=; mkdir "$T/u"
fi
usync() { $as "$SNAPSYNC" --state-dir "$T/u/state" "$@" >"$T/.out" 2>"$T/.err"; rc=$?; out=$(cat "$T/.out"); errors=$(cat "$T/.err"); }
if [ -n "$as" ] || [ "$(id -u)" != 0 ]; then
	usync "$S" "$T/u/dst"; is "as an ordinary user: exit" $rc 0
	echo keep >"$S/later"; rm "$S/newdir/x"; chmod 000 "$S/many"
	usync "$S" "$T/u/dst"; is "an unreadable directory: 23" $rc 23
	like "it is named" "$errors" 'many: '
	ok "what is below stays" test -f "$T/u/dst/many/5/5"
	ok "the rest goes on: added" test -f "$T/u/dst/later"
	ok "the rest goes on: deleted" test ! -e "$T/u/dst/newdir/x"
	chmod 755 "$S/many"; rm "$S/many/5/5"; usync "$S" "$T/u/dst"; is "readable again: 0" $rc 0
	ok "and the delete is made up for" test ! -e "$T/u/dst/many/5/5"
	# Made anew and never readable; readable, but not what is in it; and a destination that has more: what cannot be seen is not gone.
	cp -pr "$S/many" "$S/anew"; rm -r "$S/many"; mv "$S/anew" "$S/many"; chmod 000 "$S/many"
	usync "$S" "$T/u/dst"; is "an unreadable directory made anew: 23" $rc 23; ok "what the old one had stays" test -f "$T/u/dst/many/5/1"
	usync "$S" "$T/u/dst"; is "and again" $rc 23; ok "stays" test -f "$T/u/dst/many/5/1"
	for mode in 000 444; do
		chmod 755 "$S/many"; rm -rf "$T/u/other" "$T/u/ostate"; $as cp -pr "$S" "$T/u/other"; $as touch "$T/u/other/extra"; chmod $mode "$S/many"
		usync --state-dir "$T/u/ostate" --delete "$S" "$T/u/other"; is "--delete and a directory of mode $mode: 23" $rc 23
		ok "what is below stays, what is extra goes" test -f "$T/u/other/many/5/1" -a ! -e "$T/u/other/extra"
	done
	# What could not be compared then is compared when it can be.
	for mode in 000 444; do
		chmod 755 "$S/many"; rm -rf "$T/u/other" "$T/u/ostate"; $as cp -pr "$S" "$T/u/other"; $as touch "$T/u/other/many/extra" "$T/u/other/many/5/extra"; chmod $mode "$S/many"
		for n in 1 2; do usync --state-dir "$T/u/ostate" --chmod=Du+rwx --delete "$S" "$T/u/other"; is "mode $mode, what it has is left alone: 23" $rc 23; ok "it is" test -f "$T/u/other/many/extra"; done
		chmod 755 "$S/many"; usync --state-dir "$T/u/ostate" --chmod=Du+rwx --delete --stats "$S" "$T/u/other"
		ok "it can be seen now: what is extra goes" test "$rc" = 0 -a ! -e "$T/u/other/many/extra" -a ! -e "$T/u/other/many/5/extra"; is "and nothing is sent again" "$(stat_of 'Files sent')" 0
	done
	# Nor is anything extra that lies deeper in what cannot be seen.
	usync --state-dir "$T/u/ostate" "$S" "$T/u/other"; chmod 000 "$S/many"; $as touch "$T/u/other/many/5/new"
	usync --state-dir "$T/u/ostate" --chmod=Du+rwx --verify --delete "$S" "$T/u/other"; is "--verify --delete: 23" $rc 23; ok "what lies deeper stays" test -f "$T/u/other/many/5/new"
	chmod 755 "$S/many"; usync --state-dir "$T/u/ostate" --chmod=Du+rwx --delete "$S" "$T/u/other"; ok "until it can be seen" test "$rc" = 0 -a ! -e "$T/u/other/many/5/new"
	chmod 755 "$S/many"; usync "$S" "$T/u/dst"; is "readable again: 0" $rc 0; ok "as it is" test -f "$T/u/dst/many/5/1"
	# Nor where something has moved out of it, to where the walk comes before it, or after.
	for closed in p q; do
		rm -rf "$T/u/m" "$T/u/md" "$T/u/mstate"; $as mkdir -p "$T/u/m/p/sub.p" "$T/u/m/q/sub.q"; usync --state-dir "$T/u/mstate" "$T/u/m" "$T/u/md"
		mv "$T/u/m/$closed/sub.$closed" "$T/u/m/sub"; case $closed in p) mv "$T/u/m/sub" "$T/u/m/q/" ;; q) mv "$T/u/m/sub" "$T/u/m/p/" ;; esac
		$as touch "$T/u/m/$closed/new" "$T/u/md/$closed/new"; chmod 000 "$T/u/m/$closed"; rm -rf "$T/u/md/.snapsync"
		usync --state-dir "$T/u/mstate" --delete "$T/u/m" "$T/u/md"; is "moved out of $closed, which cannot be read: 23" $rc 23
		chmod 755 "$T/u/m/$closed" "$T/u/md/$closed"; ok "what it has stays" test -f "$T/u/md/$closed/new"
	done
	echo secret >"$S/locked"; chmod 000 "$S/locked"; usync "$S" "$T/u/dst"; is "an unreadable file: 23" $rc 23
	like "named with its reason" "$errors" 'locked: .*denied'
	chmod 644 "$S/locked"; mkdir "$S/ro"; echo 1 >"$S/ro/f"; chmod 555 "$S/ro"; usync "$S" "$T/u/dst"; is "a read-only directory: 0" $rc 0
	chmod 755 "$S/ro"; echo 2 >"$S/ro/g"; rm "$S/ro/f"; chmod 555 "$S/ro"; usync "$S" "$T/u/dst"
	ok "changes in a read-only directory" test "$rc" = 0 -a -f "$T/u/dst/ro/g" -a ! -e "$T/u/dst/ro/f"
	is "its mode is kept" "$(stat -c %a "$T/u/dst/ro")" 555
else
	ok "setpriv is needed to test as an ordinary user" false
fi
# Saved, and then another mode, while nothing could be sent: one operation.
S=$T/later D=$T/laterd; mkdir "$S"; echo one >"$S/f"; ln -s old "$S/l"; run_sync "$S" "$D"; settle
echo three >"$T/t"; mv "$T/t" "$S/f"; ln -s new "$T/t"; mv "$T/t" "$S/l"; run_sync --helper-path /nonexistent "$S" "$D"; settle
chmod 600 "$S/f"; touch -h -d '2001-02-03 04:05:06' "$S/l"; touch -d '2001-02-03 04:05:07' "$S/f"; run_sync --helper-path /nonexistent "$S" "$D"
run_sync -i "$S" "$D"; is "saved and changed again, offline: exit" $rc 0; ok "equal" same "$S" "$D"; is "each is sent once" "$(echo "$out" | grep -c ' [fl]\( -> new\)\{0,1\}$')" 2
# A file system that counts in seconds, and gives a number anew at once: what was
# read in the same second as it was made is read again.
case $(uname -sm) in
"Linux x86_64"|"Linux aarch64")
	S=$T/young D=$T/youngd; mkdir "$S"; export ASAN_OPTIONS="verify_asan_link_order=0:${ASAN_OPTIONS:-}"
	counts() { LD_PRELOAD=$BUILD/tests/odd.so ODD=ticks ODD_WHO=snapsync run_sync --state-dir "$T/ystate" --stats "$S" "$D"; }
	now=$(date +%s); while [ $(($(date +%s) / 2)) = $((now / 2)) ]; do sleep 0.02; done
	ln -s aaa "$S/l"; echo aaa >"$S/f"; was=$(stat -c %i "$S/l"); counts; is "made in this second: exit" $rc 0
	rm "$S/l"; ln -s bbb "$S/l"; echo bbb >"$S/f"; counts; is "another in the same second: exit" $rc 0
	is "a link of the same number ($was, $(stat -c %i "$S/l")) and a file" "$(readlink "$D/l") $(cat "$D/f")" "bbb bbb"
	sleep 2.2; counts; is "looked at again: nothing" "$rc $(stat_of 'Operations sent')" "0 0"
	counts; is "and not any more" "$(sqlite3 "$T"/ystate/*/state.db "SELECT count(*) FROM inode WHERE flags<>0 UNION ALL SELECT count(*) FROM dir WHERE print IS NULL" | tr '\n' ' ')" "0 0 "
	# One entry cannot be looked at: what lies in directories that can be seen is compared all the same.
	S=$T/part D=$T/partd; mkdir -p "$S/d/e" "$S/unseen" "$D/d/e" "$D/unseen"; echo 1 >"$S/d/e/f"; touch "$S/unseen/g" "$D/d/e/extra" "$D/unseen/h"
	unseen() { LD_PRELOAD=$BUILD/tests/odd.so ODD=unseen ODD_WHO=snapsync run_sync --state-dir "$T/pstate" "$@" "$S" "$D"; }
	unseen --delete; is "an entry that cannot be looked at: 23" $rc 23; ok "what is extra elsewhere goes" test ! -e "$D/d/e/extra"; ok "what it may be stays" test -f "$D/unseen/h"
	run_sync --state-dir "$T/pstate" --delete "$S" "$D"; ok "it can be now" same "$S" "$D"
	echo 2 >"$D/unseen/h"; echo 3 >"$D/d/e/extra"; unseen --verify --delete; is "--verify: 23" $rc 23; ok "the same" test -f "$D/unseen/h" -a ! -e "$D/d/e/extra"
	run_sync --state-dir "$T/pstate" --delete "$S" "$D"; ok "and again" same "$S" "$D"
	;;
*) skip "numbers that are given anew" "the library that makes such times is for 64-bit Linux" ;;
esac
finish
