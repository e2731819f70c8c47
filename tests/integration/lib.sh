# Sourced by the integration scripts: TAP, a scratch directory, and the program.
#
#   ok "what" command...          passes if the command does
#   is "what" got wanted          compares texts
#   like "what" text pattern      extended regular expression
#   run_sync args...              runs snapsync: $rc, $out, $errors
#   await command...             until it succeeds, 20 s at most
#   finish                        prints the plan
#
# Needs BUILD (default build), run from the top of the project.
set -u
TOP=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
SNAPSYNC=$BUILD/snapsync
TREECMP=$BUILD/tests/treecmp
export LC_ALL=C.UTF-8
umask 022
tests=0 failed=0 rc=0 out= errors=
T=$(mktemp -d "${TMPDIR:-/tmp}/snapsync-test.XXXXXX") || exit 1
cleanups=
at_exit() { cleanups="$1; $cleanups"; }
leave() { eval "$cleanups"; chmod -R u+rwx "$T" 2>/dev/null; rm -rf "$T"; }
trap leave EXIT
trap 'exit 130' INT TERM
need() {
	for program; do
		command -v "$program" >/dev/null 2>&1 && continue
		echo "not ok 1 - the program $program is needed and missing"
		echo "1..1"
		exit 1
	done
}
ok() {
	tests=$((tests + 1)); what=$1; shift
	if "$@" >"$T/.ok" 2>&1; then echo "ok $tests - $what"; return 0; fi
	failed=$((failed + 1))
	echo "not ok $tests - $what"; sed 's/^/# /' "$T/.ok"
	echo "# rc=$rc out=$out errors=$errors" | head -20 | sed '2,$s/^/# /'
	return 1
}
is() { ok "$1" test "$2" = "$3" || { echo "# got:    $2"; echo "# wanted: $3"; } | sed '2,$s/^/# /'; }
matches() { printf '%s\n' "$1" | grep -Eq -- "$2"; }
like() { ok "$1" matches "$2" "$3"; }
unlike() { if matches "$2" "$3"; then ok "$1" false; else ok "$1" true; fi; }
finish() { echo "1..$tests"; test $failed = 0; exit $?; }
run_sync() {
	"$SNAPSYNC" --state-dir "$T/state" "$@" >"$T/.out" 2>"$T/.err" </dev/null
	rc=$?
	out=$(cat "$T/.out"); errors=$(cat "$T/.err")
}
# A pass must succeed and leave the trees equal.
good_sync() {
	gs=$1; shift
	run_sync "$@"
	ok "$gs: exit 0 and equal" same "$T/src" "$T/dst"
}
same() { test "$rc" = 0 && "$TREECMP" "$1" "$2"; }
stat_of() { printf '%s\n' "$out" | sed -n "s/^$1: \([0-9]*\).*/\1/p"; }
# Waits up to 20 s for a command to succeed.
await() { aw=0; while [ $aw -lt 400 ]; do "$@" >/dev/null 2>&1 && return 0; sleep 0.05; aw=$((aw + 1)); done; "$@"; }
# Past the time in which a change could hide behind the same time stamp.
settle() { sleep 0.06; }
