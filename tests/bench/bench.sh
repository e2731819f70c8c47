#!/bin/sh
# What needs no second tool: the walk against a bare walk, passes at rest,
# latency, throughput of the parts, memory.  Prints a table in Markdown.
#     make bench [ENTRIES=1000000]
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build} ENTRIES=${1:-200000}
T=$(mktemp -d "${TMPDIR:-/tmp}/snapsync-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT
W=$BUILD/tests/bench-walk
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
row() { printf '| %s | %s | %s |\n' "$1" "$2" "$3"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

"$BUILD/tests/manyfiles" "$T/src" "$ENTRIES"
"$BUILD/snapsync" --state-dir "$T/state" "$T/src" "$T/dst"
sync; sleep 3 # past the time in which time stamps are too young
"$BUILD/snapsync" --state-dir "$T/state" "$T/src" "$T/dst"
for _ in 1 2 3 4 5; do
	"$W" list "$T/src" | cut -d' ' -f1 >>"$T/bare"
	"$W" run "$BUILD/snapsync" --state-dir "$T/state" "$T/src" "$T/dst" >>"$T/noop"
done
bare=$(median <"$T/bare") noop=$(cut -d' ' -f1 "$T/noop" | median) rss=$(cut -d' ' -f3 "$T/noop" | median)
entries=$("$W" list "$T/src" | cut -d' ' -f2)

# Passes at rest: how long they take, by what SIGUSR1 prints.
"$BUILD/snapsync" --interval 0.1 --state-dir "$T/state" "$T/src" "$T/dst" 2>"$T/rest.err" & pid=$!
sleep 8
for _ in 1 2 3 4 5 6 7; do kill -USR1 $pid; sleep 0.7; done
restrss=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status")
kill $pid; wait $pid || true
per=$(sed -n 's/.* entries in \([0-9.]*\) s.*/\1/p' "$T/rest.err" | awk '{ print $1 * 1000 }' | median)

# Latency, on a tree of a usual size.
"$BUILD/tests/manyfiles" "$T/small" 10000
"$BUILD/snapsync" --interval 0.2 --state-dir "$T/state2" "$T/small" "$T/smalldst" & run=$!
until [ -e "$T/smalldst/99/9999" ]; do sleep 0.1; done; sleep 1
set -- $("$W" latency "$T/small" "$T/smalldst" 300 200)
kill $run; wait $run || true

cat "$BUILD/snapsync" "$BUILD/libsnapsync.a" src/*/*.c man/* >"$T/bytes"
"$BUILD/tests/bench-rates" "$T/bytes" >"$T/rates"
rate() { awk -v n="$1" '$1 == n { print $2 }' "$T/rates"; }

echo "$(date +%Y-%m-%d), $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r), $(stat -f -c %T "$T"):"
echo
echo "| what | figure | beside it |"
echo "|---|---|---|"
row "nothing changed, one pass, $entries entries" "$noop ms, $((rss / 1024)) MiB" "bare walk in C $bare ms: $(ratio "$noop" "$bare") of it"
row "\`--interval\` at rest, a pass" "$per ms, $((restrss / 1024)) MiB" "$(ratio "$per" "$bare") of the bare walk"
row "close() of a small file to its name at the destination, \`--interval 0.2\`" "median $1 ms" "90 %: $2 ms, 99 %: $3 ms, worst of 300: $4 ms"
row "hash (XXH3-128)" "$(rate hash) MB/s" ""
row "chunker" "$(rate chunker) MB/s" ""
row "zstd, level 1 / 3, program text" "$(rate zstd-1) / $(rate zstd-3) MB/s" ""
