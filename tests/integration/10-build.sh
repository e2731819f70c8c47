#!/bin/sh
# What is built, what it links, and how it is installed.
. "$(dirname "$0")/lib.sh"
need readelf make
libs() { readelf -d "$1" | grep NEEDED; }
ok "helper links no SQLite" test -z "$(libs "$BUILD/snapsync-helper" | grep sqlite)"
ok "helper links no libssh2" test -z "$(libs "$BUILD/snapsync-helper" | grep ssh2)"
like "snapsync --version" "$("$SNAPSYNC" --version)" '^snapsync [0-9]'
like "helper --version" "$("$BUILD/snapsync-helper" --version)" '^snapsync-helper [0-9]'
cd "$TOP" || exit 1
ok "make install" make -s BUILD="$BUILD" PREFIX=/usr DESTDIR="$T/inst" install
ok "program installed" test -x "$T/inst/usr/bin/snapsync"
ok "page installed" test -f "$T/inst/usr/share/man/man5/snapsync-protocol.5"
ok "make uninstall" make -s BUILD="$BUILD" PREFIX=/usr DESTDIR="$T/inst" uninstall
is "nothing left" "$(find "$T/inst" -type f | wc -l)" 0
"$BUILD/snapsync-helper" --nonsense 2>/dev/null; is "helper: wrong option" $? 1
run_sync; is "no arguments: usage" $rc 1
run_sync --nonsense a b; is "unknown option: usage" $rc 1
like "unknown option is named" "$errors" 'nonsense'
for o in -X --acls; do run_sync $o a b; is "$o: usage" $rc 1; like "what is lacking is said" "$errors" "$o: extended attributes and ACLs cannot"; done
run_sync "$T/none" "$T/dst"; is "no source: 3" $rc 3
mkdir "$T/src"; run_sync "$T/src" "$T/src/sub"; is "destination in the source: 1" $rc 1
run_sync "$T/src" "host::mod"; is "an rsync daemon: 1" $rc 1
finish
