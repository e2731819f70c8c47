#!/bin/sh
# The fuzz targets over the inputs that are kept (make fuzz looks for new ones).
. "$(dirname "$0")/lib.sh"
export TMPDIR="$T"
for source in tests/fuzz/fuzz_*.c; do
	target=$(basename "$source" .c); target=${target#fuzz_}
	kept=$(find "tests/fuzz/corpus/$target" -type f | wc -l)
	ok "$target: inputs are kept" test "$kept" -gt 4
	for b in "$BUILD" "$BUILD-posix"; do
		replayed=$(timeout 120 "$b/tests/fuzz_$target" "tests/fuzz/corpus/$target" 2>"$T/err"); code=$?
		ok "$target, $(basename "$b"): exit $code $(tail -3 "$T/err")" test $code = 0
		is "all of them" "$replayed" "$kept inputs"
	done
done
finish
