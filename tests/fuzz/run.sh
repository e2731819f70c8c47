#!/bin/sh
# make fuzz: each target (or the one of $2) for $1 seconds.  New inputs go to
# $BUILD/fuzz/<target>, what was found to $BUILD/fuzz/<target>-*.
set -u
seconds=$1 only=${2:-}
BUILD=${BUILD:-build-fuzz}
LSAN_OPTIONS=suppressions=$PWD/tests/leaks.txt:print_suppressions=0
export LSAN_OPTIONS
TMPDIR=$(mktemp -d "$(test -w /dev/shm && echo /dev/shm || echo /tmp)/snapsync-fuzz.XXXXXX") || exit 1
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 130' INT TERM
bad=0 any=
for source in tests/fuzz/fuzz_*.c; do
	target=$(basename "$source" .c); target=${target#fuzz_}
	[ -z "$only" ] || [ "$only" = "$target" ] || continue
	any=1
	found=$BUILD/fuzz/$target
	mkdir -p "$found"
	echo "$target: $seconds s"
	if "$BUILD/tests/fuzz_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 \
		-max_len=4096 -print_final_stats=1 -verbosity=1 -artifact_prefix="$found-" \
		"$found" "tests/fuzz/corpus/$target" >"$found.log" 2>&1; then
		sed -n 's/^stat::number_of_executed_units: */  inputs tried: /p' "$found.log"
		echo "  corpus: $(find "$found" -type f | wc -l) new; no finding"
	else
		echo "  FINDING, see $found.log"; grep -E 'ERROR|does not hold|runtime error|SUMMARY|Test unit' "$found.log" | head -5
		bad=1
	fi
done
[ -n "$any" ] || { echo "no target is named $only" >&2; exit 1; }
exit $bad
