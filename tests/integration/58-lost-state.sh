#!/bin/sh
# Power cuts at the client: the state is as of any sync of it, later changes of
# it are lost (tests/preload/synced.c).  The destination is as before the run,
# unless the state knows an acknowledgement, or as after it, which is only
# possible once the state has the batch.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-change.sh"
need sqlite3
export ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0:${ASAN_OPTIONS:-}"
change_begin; change
state=$(dirname "$(ls "$T"/state/*/state.db)")
cp -a "$D" "$T/before"
LD_PRELOAD=$BUILD/tests/synced.so SYNCED_DIR=$state run_sync "$S" "$D"; is "a run" $rc 0; ok "equal" same "$S" "$D"
n=0; while [ -e "$state/kept.$((n + 1))" ]; do n=$((n + 1)); done
ok "$n syncs of the state" test $n -ge 4
mkdir "$T/kept"; mv "$state"/kept.* "$T/kept"; cp -a "$D" "$T/after"
dest() { sqlite3 "$state/state.db" "SELECT $1 FROM dest"; }
sent=$(dest sent)
restore() { rm -f "$state"/state.db*; cp "$T/kept/kept.$1" "$state/state.db"; [ ! -e "$T/kept/kept.$1-wal" ] || cp "$T/kept/kept.$1-wal" "$state/state.db-wal"; }
for there in before after; do
	wrong=0 cases=0
	i=1; while [ $i -le $n ]; do
		restore $i; acked=$(dest acked) was=$(dest sent); restore $i
		case $there in before) [ "$acked" -lt "$sent" ] ;; after) [ "$was" = "$sent" ] ;; esac || { i=$((i + 1)); continue; }
		cases=$((cases + 1)); rm -rf "$D"; cp -a "$T/$there" "$D"
		run_sync "$S" "$D"
		[ $rc = 0 ] && same "$S" "$D" >"$T/.cmp" 2>&1 || { wrong=$((wrong + 1)); echo "# $there, state as of sync $i: exit $rc $errors"; sed 's/^/# /' "$T/.cmp" | head -5; }
		case $errors in *listing*) wrong=$((wrong + 1)); echo "# $there, state as of sync $i: $errors" ;; esac
		i=$((i + 1))
	done
	ok "the destination as $there the run: $cases states" test $cases -ge 2
	is "the destination as $there the run: right after each, and known without a listing" $wrong 0
done
# In the run of a new state, nothing before the first sync is needed.
rm -rf "$D" "$T/state"; run_sync "$S" "$D"; ok "a new state" same "$S" "$D"
finish
