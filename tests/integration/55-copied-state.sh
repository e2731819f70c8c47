#!/bin/sh
# A state database that was copied while a batch was on its way, and goes on in
# two places: neither takes the other's batch of that number for its own.
. "$(dirname "$0")/lib.sh"
need strace sqlite3
S=$T/src D=$T/dst
mkdir -p "$S/d" "$T/aside"; echo 1 >"$S/d/1"; echo 2 >"$S/2"
good_sync "begin" "$S" "$D"; settle
tag() { sqlite3 "$(echo "$T"/state/*/state.db)" "SELECT $1 FROM dest"; }
is "a batch has the tag of its session" "$(tag 'acked_tag = tag AND tag <> 0')" 1
first=$(tag tag)
# The helper is killed before it has written the batch down.
printf '#!/bin/sh\nexec strace -f -o /dev/null -e trace=fsync -e inject=fsync:signal=KILL:when=1 %s "$@"\n' "$BUILD/snapsync-helper" >"$T/killer"; chmod +x "$T/killer"
echo content >"$S/f"; settle
run_sync --helper-path "$T/killer" "$S" "$D"
ok "cut off" test "$rc" != 0
is "with a batch on its way" "$(tag 'sent - acked')" 1
ok "that has another tag" test "$(tag tag)" != "$first"
cp -a "$T/state" "$T/copy"
# Here the batch of that number becomes another one.
mv "$S/f" "$T/aside/f"; echo g >"$S/g"; settle
good_sync "the first goes on" "$S" "$D"
is "with the same number" "$(tag acked)" "$(sqlite3 "$(echo "$T"/copy/*/state.db)" 'SELECT sent FROM dest')"
# There it would seem done.
mv "$T/aside/f" "$S/f"; settle
mv "$T/state" "$T/first"; mv "$T/copy" "$T/state"
good_sync "the copy goes on" "$S" "$D"
like "and says that it compares" "$errors" 'not at the position it was left at'
ok "nothing is missing" test -f "$D/f"
mv "$T/state" "$T/copy"; mv "$T/first" "$T/state"
rm "$S/g"; settle
good_sync "the first again" "$S" "$D"
# An older state database is brought up to date.
db=$(echo "$T"/state/*/state.db)
sqlite3 "$db" "DROP TABLE chunk; CREATE TABLE chunk(key INTEGER NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL,
 length INTEGER NOT NULL, PRIMARY KEY(key, version, at)) WITHOUT ROWID; ALTER TABLE dest DROP COLUMN tag; ALTER TABLE dest DROP COLUMN acked_tag; PRAGMA user_version=1"
run_sync --status "$S"
like "--status says what it needs" "$errors" 'a run brings it up to date'
echo h >"$S/h"; settle
good_sync "schema 1" "$S" "$D"
is "is 2 now" "$(sqlite3 "$db" 'PRAGMA user_version')" 2
finish
