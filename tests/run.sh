#!/bin/sh
# Runs the unit programs and the integration scripts of BUILD under prove.
set -u
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
PATH=$PATH:/usr/sbin:/sbin
LSAN_OPTIONS=print_suppressions=0:${LSAN_OPTIONS:-}
export BUILD PATH CMOCKA_MESSAGE_OUTPUT=TAP LSAN_OPTIONS
set -- tests/integration/[0-9]*.sh
for t in "$BUILD"/tests/test_*; do
	case $t in *.d) ;; *) set -- "$@" "$t" ;; esac
done
exec prove --timer -e '' "$@"
