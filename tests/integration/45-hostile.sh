#!/bin/sh
# A client that breaks the rules, and somebody who replaces directories by
# symbolic links under the helper's feet.  SECONDS_RACE=60 for a full minute.
. "$(dirname "$0")/lib.sh"
[ "$(ulimit -n)" -lt 4096 ] 2>/dev/null && ulimit -n 4096 2>/dev/null
# Memory is the sanitizer's own business where there is one.
most=65536; case $BUILD in *asan*) most=999999999 ;; esac
R=$T/root O=$T/outside
mkdir -p "$R/dest" "$R/dir" "$O/d/d" "$O/.snapsync/tmp"
for i in f g new; do echo outside >"$O/$i"; echo outside >"$O/d/$i"; done
ln -s "$O" "$R/link"; ln -s ../../outside "$R/dir/link2"
# The kernel's confinement would hide what our own checks let through.
printf '#!/bin/sh\nhelper=$1; shift\nLD_PRELOAD=%s/tests/nolandlock.so exec "$helper" "$@"\n' "$BUILD" >"$T/bare"; chmod +x "$T/bare"
export ASAN_OPTIONS="verify_asan_link_order=0:quarantine_size_mb=1:${ASAN_OPTIONS:-}"
all_of() { find "$O" -exec stat -c '%n %i %a %h %s %Y %y %z %U' {} + | sort; }
untouched=$(all_of)
outside_is_as_it_was() { test "$untouched" = "$(all_of)"; }
# group WHAT DEST HELPER-ARGS...
group() {
	g=$1 d=$2; shift 2
	ok "$b $g" timeout 120 "$BUILD/tests/hostile" "$g" "$d" "$T/bare" "$b/snapsync-helper" "$@"
	kib=$(sed -n 's/.* \([0-9]*\) KiB$/\1/p' "$T/.ok")
	ok "$b $g: ${kib:-?} KiB at most" test "${kib:-$most}" -lt "$most"
	ok "$b $g: nothing outside was touched" outside_is_as_it_was
}
for b in "$BUILD" "$BUILD-posix"; do
	rm -rf "$T/d"
	for g in paths dry frames states content failures slow moves ghosts; do group $g "$T/d"; done
	group roots "$R/dest" --root "$R"
	group read-only "$T/d" --read-only
	group no-delete "$T/d2" --no-delete; rm -rf "$T/d2"
done
b=$BUILD; group much "$T/d"; group batches "$T/d"
# A destination that a hostile client has been at is one like any other.
mkdir "$T/src"; echo 1 >"$T/src/1"; run_sync --delete --force-delete "$T/src" "$T/d"
is "and then the true client: exit" $rc 0
ok "equal" "$TREECMP" "$T/src" "$T/d"
for b in "$BUILD" "$BUILD-posix"; do
	rm -rf "$R"; mkdir -p "$R/dest/a/d" "$R/dest/b"
	for i in f g new; do echo inside >"$R/dest/a/$i"; echo inside >"$R/dest/a/d/$i"; done
	ok "$b: a race of ${SECONDS_RACE:-4} s" timeout $((${SECONDS_RACE:-4} + 60)) \
		"$BUILD/tests/race" "${SECONDS_RACE:-4}" "$R" "$O" "$T/bare" "$b/snapsync-helper" --root "$R"
	sed 's/^/# /' "$T/.ok"
	ok "$b: nothing outside was touched" outside_is_as_it_was || all_of | sed 's/^/# /'
done
finish
