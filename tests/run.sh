#!/bin/sh
# Runs the unit programs and the integration scripts of BUILD under prove: two at
# once where there are two processors, then, alone, those that look at the clock.
set -u
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
PATH=$PATH:/usr/sbin:/sbin
LSAN_OPTIONS=print_suppressions=0:${LSAN_OPTIONS:-}
export BUILD PATH CMOCKA_MESSAGE_OUTPUT=TAP LSAN_OPTIONS
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null) || jobs=1
[ "$jobs" -le 2 ] || jobs=2
set --
alone=
for t in tests/integration/[0-9]*.sh; do
	case ${t##*/} in
	14-* | 17-* | 19-* | 31-* | 41-* | 42-* | 43-* | 47-* | 62-* | 63-*) alone="$alone $t" ;;
	*) set -- "$@" "$t" ;;
	esac
done
for t in "$BUILD"/tests/test_*; do
	case $t in *.d) ;; *) set -- "$@" "$t" ;; esac
done
rc=0
prove -j "$jobs" --timer -e '' "$@" || rc=1
prove --timer -e '' $alone || rc=1
exit $rc
