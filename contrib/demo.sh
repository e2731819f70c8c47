#!/bin/sh
# make demo [SRC=dir] [DEST=where]: mirrors a tree, renames a directory in a
# sample one, mirrors again, and shows what happened.
set -eu
BUILD=${BUILD:-build}
T=${TMPDIR:-/tmp}/snapsync-demo
run() {
	echo "\$ snapsync $*"
	"$BUILD/snapsync" --state-dir "$T/state" "$@" || exit $?
	echo
}
mkdir -p "$T"
if [ -n "${SRC:-}" ]; then
	DEST=${DEST:-$T/mirror}
	run -v --stats "$SRC" "$DEST"
	run --status "$SRC"
	exit 0
fi
SRC=$T/source DEST=${DEST:-$T/mirror}
chmod -R u+rwx "$SRC" 2>/dev/null || :
rm -rf "$SRC" "$T/mirror" "$T/state"
mkdir -p "$SRC/photos/2026" "$SRC/notes"
for n in 1 2 3; do head -c 200000 /dev/urandom >"$SRC/photos/2026/img$n.jpg"; done
echo "buy milk" >"$SRC/notes/today.txt"
ln -s notes/today.txt "$SRC/todo"
ln "$SRC/photos/2026/img1.jpg" "$SRC/photos/best.jpg"
echo "# The first pass copies everything:"
run -i --stats "$SRC" "$DEST"
mv "$SRC/photos" "$SRC/pictures"
echo "buy bread" >>"$SRC/notes/today.txt"
rm "$SRC/pictures/2026/img3.jpg"
echo "# A directory renamed, a line added, a file deleted; first only shown:"
run -n -i "$SRC" "$DEST"
echo "# ... then done.  The renamed directory costs no data:"
run -i --stats "$SRC" "$DEST"
echo "# Nothing changed: no connection is made."
run --stats "$SRC" "$DEST"
run --status "$SRC"
echo "The mirror: $DEST"
ls -lR "$DEST"
