#!/bin/sh
# The pages say what the program does.
. "$(dirname "$0")/lib.sh"
need mandoc sqlite3
cd "$TOP" || exit 1
for page in man/*.[15]; do
	ok "mandoc finds nothing in $page" test -z "$(mandoc -T lint -W warning "$page")"
done
for page in snapsync.1 snapsync-helper.1 snapsync-protocol.5 snapsync-state.5; do ok "$page is there" test -f "man/$page"; done
# Options: what --help knows is what the page has, with the same argument.
"$SNAPSYNC" --help >"$T/help"
sed -n 's/^ *\(-[A-Za-z]\)\{0,1\}[, ]*\(--[a-z-]*\)\{0,1\}.*/\1 \2/p' "$T/help" | tr ' ' '\n' | sed -n 's/^--*\(.\)/\1/p' | sort -u >"$T/program"
sed -n '/^\.Sh OPTIONS/,/^\.Sh THE CONN/p' man/snapsync.1 | sed -n 's/^\.It Fl //p' | sed 's/ Ns.*//; s/ , Fl /\n/g' | sed 's/^-//' | sort -u >"$T/page"
ok "options of the program and of the page" diff "$T/program" "$T/page"
ok "there are many: $(wc -l <"$T/program")" test "$(wc -l <"$T/program")" -gt 40
"$BUILD/snapsync-helper" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p' | sort >"$T/hp"
sed -n 's/^\.It Fl -\([a-z-]*\).*/\1/p' man/snapsync-helper.1 | sort >"$T/hpage"
ok "options of the helper and of its page" diff "$T/hp" "$T/hpage"
# Exit codes.
sed -n 's/^.*ERR_CLASS_[A-Z]*, \([0-9]*\)},$/\1/p' src/base/err.c | sort -nu >"$T/codes"
sed -n '/^\.Sh EXIT STATUS/,/^\.El/s/^\.It \([0-9]*\)$/\1/p' man/snapsync.1 | sort -nu >"$T/pagecodes"
ok "exit codes of the program and of the page" diff "$T/codes" "$T/pagecodes"
# Messages.
sed -n 's/^	X(\([0-9]*\), \([A-Z_]*\),.*/\1 \2/p' include/snapsync/msg.h | sort -n >"$T/messages"
sed -n '/^\.Sh MESSAGES/,/^\.Sh CODES/s/^\.It //p' man/snapsync-protocol.5 | sed 's/ , /\n/g' | sed 's/ Pq.*//' | sort -n >"$T/pagemessages"
ok "messages of the program and of the page" diff "$T/messages" "$T/pagemessages"
sed -n 's/^	\[ERR_[A-Z_]*\] = {"\([a-z-]*\)".*/\1/p' src/base/err.c | grep -v '^none$' >"$T/names"
sed -n '/^\.Sh CODES/,/^\.El/s/^\.It [0-9]* Ta \([a-z-]*\) .*/\1/p' man/snapsync-protocol.5 >"$T/pagenames"
ok "codes of the program and of the page" diff "$T/names" "$T/pagenames"
# The schema.
mkdir "$T/src"; run_sync "$T/src" "$T/dst"; db=$(ls "$T"/state/*/state.db)
for table in $(sqlite3 -readonly "$db" "SELECT name FROM sqlite_master WHERE type='table'"); do
	sqlite3 -readonly "$db" "SELECT name FROM pragma_table_info('$table')" | sort >"$T/columns"
	sed -n "/^\.Ss $table\$/,/^\.S[sh]/p" man/snapsync-state.5 | sed -n 's/^\.It Va //p' | sed 's/ , /\n/g' | sort >"$T/pagecolumns"
	ok "columns of $table" diff "$T/columns" "$T/pagecolumns"
done
ok "an example of the page runs" sqlite3 -readonly "$db" 'SELECT d.spec, (SELECT count(*) FROM dest_name WHERE dest = d.id) FROM dest d'
# DESIGN.md's map has every source file, and no other.
ls src/*/*.[ch] include/snapsync/*.h | sort >"$T/files"
sed -n '/^## Map/,/^## /s/^| `\([^`]*\)`.*/\1/p' DESIGN.md | sort >"$T/map"
ok "the map in DESIGN.md" diff "$T/files" "$T/map"
finish
