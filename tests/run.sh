#!/bin/sh
# Runs the unit programs and the integration scripts of BUILD under prove: one more
# at once than there are processors, for half of it is waiting, the longest first.
# Then two that look at the clock but mostly wait, and at last, alone, those that
# measure.
set -u
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
PATH=$PATH:/usr/sbin:/sbin
LSAN_OPTIONS=print_suppressions=0:${LSAN_OPTIONS:-}
export BUILD PATH CMOCKA_MESSAGE_OUTPUT=TAP LSAN_OPTIONS
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null) || jobs=1
[ "$jobs" -le 2 ] || jobs=2
set --
waiting= measuring=
for t in tests/integration/60-* tests/integration/45-* tests/integration/52-* tests/integration/56-* \
		tests/integration/40-* tests/integration/54-* tests/integration/[0-9]*.sh; do
	case ${t##*/} in
	19-* | 43-*) waiting="$waiting $t" ;;
	14-* | 17-* | 31-* | 41-* | 42-* | 47-* | 62-* | 63-*) measuring="$measuring $t" ;;
	*) case " $* " in *" $t "*) ;; *) set -- "$@" "$t" ;; esac ;;
	esac
done
for t in "$BUILD"/tests/test_*; do
	case $t in *.d) ;; *) set -- "$@" "$t" ;; esac
done
rc=0
prove -j $((jobs + 1)) --timer --failures --comments -e '' "$@" || rc=1
prove -j "$jobs" --timer --failures --comments -e '' $waiting || rc=1
prove --timer --failures --comments -e '' $measuring || rc=1
exit $rc
