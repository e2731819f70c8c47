#!/bin/sh
# Power cuts: the helper ends at any of its changes, and what it has not synced
# is lost (tests/preload/unsynced.c says how).  STEP=1 tries every change.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-change.sh"
STEP=${STEP:-7} cuts_before=0
change_begin; change
export ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0:${ASAN_OPTIONS:-}"
cat >"$T/helper" <<END
#!/bin/sh
LD_PRELOAD=$BUILD/tests/unsynced.so exec "\$HELPER" "\$@"
END
chmod +x "$T/helper"
export UNSYNCED_KEEP="$D/.snapsync/keep" UNSYNCED_AT UNSYNCED_LOSE UNSYNCED_SEED HELPER
# cut AT LOSE SEED: what comes of it: right, wrong, half, or over (there is no such change)
cut_at() {
	change_again; rm -rf "$D/.snapsync/keep"; mkdir "$D/.snapsync/keep"
	UNSYNCED_AT=$1 UNSYNCED_LOSE=$2 UNSYNCED_SEED=$3; shift 3
	run_sync "$@" --helper-path "$T/helper" "$S" "$D"
	[ $rc != 0 ] || [ -n "${UNSYNCED_DEAF:-}" ] || { came=over; return; }
	first="$rc $errors"
	change_known || { came=half; return; }
	run_sync "$@" --helper-path "$HELPER" "$S" "$D"
	if same "$S" "$D" >"$T/.cmp" 2>&1; then came=right; else came=wrong; fi
}
for HELPER in "$BUILD/snapsync-helper" "$BUILD-posix/snapsync-helper"; do
	[ -x "$HELPER" ] || { ok "$HELPER is there" false; continue; }
	kind=$(basename "$(dirname "$HELPER")")
	change_again; rm -rf "$D/.snapsync/keep"; mkdir "$D/.snapsync/keep"; UNSYNCED_AT=0
	UNSYNCED_COUNT=$D/.snapsync/count run_sync --helper-path "$T/helper" "$S" "$D"
	ok "$kind: nothing is lost without a cut" same "$S" "$D"
	total=$(cat "$D/.snapsync/count")
	ok "$kind: $total changes and syncs" test "$total" -gt 60
	for way in "all 0" "content 0" "names 0" "random 1" "random 2" "random 3"; do
		cuts=0 wrong=0
		at=$((1 + cuts_before % STEP)); cuts_before=$((cuts_before + 1))
		while [ $at -le "$total" ]; do
			# shellcheck disable=SC2086
			cut_at $at $way
			[ $came != over ] || break
			cuts=$((cuts + 1))
			[ $came = right ] || { wrong=$((wrong + 1)); echo "# $came: $kind $way at $at: $first, then $rc $errors"; sed 's/^/# /' "$T/.cmp" | head -5; }
			at=$((at + STEP))
		done
		ok "$kind: $way: $cuts cuts" test $cuts -gt $((total / STEP / 2))
		is "$kind: $way: right after each" $wrong 0
	done
	# What --backup-dir is to keep is not lost either.
	cuts=0 wrong=0
	for way in "all 0" "names 0"; do
		at=$((1 + cuts_before % STEP)); cuts_before=$((cuts_before + 1))
		while [ $at -le $((total + 20)) ]; do
			# shellcheck disable=SC2086
			cut_at $at $way --backup-dir=bak
			[ $came != over ] || break
			cuts=$((cuts + 1))
			(cd "$T/src0" && find . -type f -exec sha256sum {} +) | cut -d' ' -f1 | sort -u >"$T/.old"
			(cd "$D" && find . -path ./.snapsync -prune -o -type f -exec sha256sum {} +) | cut -d' ' -f1 | sort -u >"$T/.there"
			[ -z "$(comm -23 "$T/.old" "$T/.there")" ] || { wrong=$((wrong + 1)); echo "# an old version is lost: $kind $way at $at"; }
			at=$((at + STEP))
		done
	done
	ok "$kind: --backup-dir: $cuts cuts" test $cuts -gt $((total / STEP))
	is "$kind: --backup-dir: no old version is lost" $wrong 0
	# A disk that does not sync loses names of a batch whose position it has:
	# this test can tell.
	export UNSYNCED_DEAF=1
	cut_at "$total" names 0
	is "$kind: with a disk that never syncs it is not" $came wrong
	unset UNSYNCED_DEAF
done
# Without syncfs: directories that are changed, synced to make room in the list, and changed again.
need strace; HELPER=$BUILD-posix/snapsync-helper
printf '#!/bin/sh\nexec strace -f -y -qq -o %s/trace -e trace=fsync,renameat,fdatasync %s "$@"\n' "$T" "$HELPER" >"$T/tracer"; chmod +x "$T/tracer"
S=$T/many D=$T/many-dst; mkdir "$S"; for d in 1 2 3 4 5 6 7 8 9 10 11 12; do mkdir "$S/d$d"; echo $d >"$S/d$d/f"; done; run_sync --helper-path "$HELPER" "$S" "$D"
for d in 1 2 3 4 5 6 7 8 9 10 11 12; do mv "$S/d$d/f" "$S/d$d/f2"; i=0; while [ $i -lt 380 ]; do echo $d $i >"$S/d$d/g$i"; i=$((i + 1)); done; done
export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"
run_sync --helper-path "$T/tracer" "$S" "$D"; ok "changed again after it was synced" same "$S" "$D"
late=$(sed '/fdatasync([0-9]*<.*\/position>/q' "$T/trace" | awk '
	/ renameat\(.*dst\/d[0-9]+>, "g/ { sub(/.*dst\/d/, ""); sub(/>.*/, ""); unsynced[$0] = 1 }
	/ fsync\([0-9]+<.*dst\/d[0-9]+>/ { sub(/.*dst\/d/, ""); sub(/>.*/, ""); delete unsynced[$0] }
	END { for (d in unsynced) print "d" d }')
is "and synced again before the position" "$late" ""
finish
