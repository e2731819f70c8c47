#!/bin/sh
# --verify: what somebody did to the destination is found, told and repaired.
. "$(dirname "$0")/lib.sh"
S=$T/src D=$T/dst; mkdir -p "$S/sub/deep" "$S/keep"
fresh() {
	rm -rf "$S" "$D" "$T/state"; mkdir -p "$S/sub/deep" "$S/keep"
	for f in a b c sub/d sub/deep/e keep/f; do echo "$f" >"$S/$f"; done
	ln -s a "$S/link"; ln "$S/c" "$S/hard"; mkfifo "$S/fifo"; run_sync "$S" "$D"; settle
}
found() { printf '%s\n' "$out" | grep -Fqx -- "$1"; }
lines() { printf '%s' "$out" | grep -c '^\*'; }
verify() { run_sync --verify "$@"; }
fresh
verify "$S" "$D"; is "nothing drifted: 0" $rc 0; is "and nothing is said" "$out$errors" ""
verify --stats "$S" "$D"; is "nor sent, but for the root itself" "$(stat_of 'Operations sent')" 1
echo x >>"$D/a"; chmod 600 "$D/b"; rm "$D/sub/d"; touch -d 2001-01-01 "$D/keep/f"; rm "$D/link"; ln -s b "$D/link"
echo extra >"$D/extra"; mkdir "$D/extradir"; echo 1 >"$D/extradir/1"; rm "$D/hard"; cp -p "$D/c" "$D/hard"; rm "$D/fifo"; echo >"$D/fifo"
cp -a "$D" "$T/before"
verify -n "$S" "$D"; is "-n: 23" $rc 23
for l in '*changed    a (size, time)' '*changed    b (mode)' '*missing    sub/d' '*changed    keep/f (time)' '*replaced   link' '*extra      extra' \
	'*extra      extradir/' '*replaced   hard' '*replaced   fifo'; do ok "-n: $l" found "$l"; done
is "-n: no more than that" "$(lines)" 9
ok "-n: nothing was changed" "$TREECMP" "$T/before" "$D"
like "-n: the sum" "$errors" 'drift at the destination: 9'
verify "$S" "$D"; is "repair: 23, for the extras" $rc 23; is "repair: the same lines" "$(lines)" 9
like "repair: says so" "$errors" 'drift at the destination: 7, repaired'; like "what stays" "$errors" '2 that the source does not have \(--delete removes them\)'
ok "the extras are left alone" test -f "$D/extra" -a -f "$D/extradir/1"
verify --delete "$S"; is "--delete, and the only destination: 0" $rc 0; ok "equal" same "$S" "$D"
verify "$S" "$D"; is "and then nothing" "$rc$out" 0
# Whole directories, and a directory for a file.
rm -r "$D/sub"; rm "$D/b"; mkdir "$D/b"; echo 1 >"$D/b/1"; verify --delete "$S" "$D"; is "directories: 0" $rc 0; ok "directories: equal" same "$S" "$D"
ok "one line for a directory" found '*missing    sub/'; is "no line below it" "$(lines)" 2
# Content: same size and time.
flip() { printf X | dd of="$1" conv=notrunc 2>/dev/null; touch -r "$S/${1#"$D"/}" "$1"; }
flip "$D/sub/deep/e"; verify "$S" "$D"; is "a flipped byte is not seen without -c" "$rc$out" 0
verify -c -n "$S" "$D"; is "-c -n: 23" $rc 23; is "-c -n: the line" "$out" "*changed    sub/deep/e (content)"
verify -c "$S" "$D"; is "-c: 0" $rc 0; rc=0; ok "-c: repaired" same "$S" "$D"
# What was adopted at the first contact has been read by nobody.
rm -rf "$T/state" "$D"; cp -a "$S" "$D"; run_sync "$S" "$D"; flip "$D/sub/d"
verify -c "$S" "$D"; is "adopted, -c: 0" $rc 0; ok "adopted: repaired" same "$S" "$D"
# Not drift: what changed in the source and was not sent yet.
fresh; echo more >>"$S/a"; rm "$S/b"; mv "$S/keep" "$S/kept"; echo new >"$S/new"; verify "$S" "$D"; is "changes of the source: 0" $rc 0; is "are not drift" "$out" ""; ok "they are made" same "$S" "$D"
# Both at once on the same names.
fresh; echo more >>"$S/a"; echo other >>"$D/a"; rm "$S/b" "$D/b"; mv "$S/sub" "$S/moved"; rm "$D/sub/d"; verify "$S" "$D"; is "both: 0" $rc 0; ok "both: equal" same "$S" "$D"
# What a filter leaves out is nobody's business, and stays.
fresh; mkdir "$D/cache"; echo 1 >"$D/cache/1"; echo 2 >"$D/x.tmp"; verify --delete --exclude '*.tmp' --exclude /cache "$S" "$D"
is "excluded: 0" $rc 0; is "excluded: no drift" "$out" ""; ok "excluded: stays" test -f "$D/cache/1" -a -f "$D/x.tmp"
# What it protects keeps its directory, with --delete too: no word of what is done already.
fresh; mkdir "$D/extradir"; echo 1 >"$D/extradir/1.tmp"; echo 2 >"$D/keep/2.tmp"; rm -r "$S/keep"; verify --delete --exclude '*.tmp' "$S" "$D"
is "protected below what goes: 23" $rc 23; like "is told" "$errors" 'left alone at the destination: 2 that the source does not have$'; ok "it stays" test -f "$D/extradir/1.tmp" -a -f "$D/keep/2.tmp"
unlike "and not to be removed by --delete" "$errors" '--delete removes'
# Too many extras.
fresh; n=0; while [ $n -lt 300 ]; do echo $n >"$D/n$n"; n=$((n + 1)); done
verify --delete "$S" "$D"; is "more than --max-delete: 25" $rc 25; ok "nothing is deleted" test -f "$D/n299"
verify --delete --force-delete "$S" "$D"; is "--force-delete: 0" $rc 0; ok "now it is" same "$S" "$D"
# The destination was emptied.
rm -r "$D"; verify "$S" "$D"; is "an empty destination: 0" $rc 0; ok "is filled again" same "$S" "$D"
# Typed wrongly.
run_sync "$S" "$T/other"; verify "$S"; is "two destinations, none given: 1" $rc 1; like "says what is wanted" "$errors" 'give one'
verify --interval 1 "$S" "$D"; is "with --interval: 1" $rc 1
verify; is "nothing: 1" $rc 1
verify "$T/nowhere" "$D"; is "no source: 3" $rc 3
# What could not be looked at is no success.
if [ "$(id -u)" = 0 ]; then
	fresh; chown -R nobody "$T"; chmod 755 "$T"; rm "$D/sub/deep/e"; chown root "$D/sub"; chmod 700 "$D/sub"
	as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$SNAPSYNC" --state-dir "$T/state" "$@" >"$T/.out" 2>"$T/.err"; rc=$?; out=$(cat "$T/.out"); errors=$(cat "$T/.err"); }
	as_nobody --verify "$S" "$D"; is "an unreadable directory there: 23" $rc 23; like "is named" "$errors" 'sub: cannot be looked at'
	chown nobody "$D/sub"; as_nobody --verify "$S" "$D"; is "then it can be: 0" $rc 0; ok "what was hidden is right" cmp "$S/sub/deep/e" "$D/sub/deep/e"
	rm "$D/sub/deep/e"; chmod 000 "$D/sub"; as_nobody --verify "$S" "$D"; is "its own, and unreadable: 0" $rc 0; ok "what was hidden is right" cmp "$S/sub/deep/e" "$D/sub/deep/e"
	chmod 000 "$D/a"; as_nobody --verify -c "$S" "$D"; is "-c and an unreadable file: 23" $rc 23; as_nobody --verify -c "$S" "$D"; is "then 0" $rc 0
	chown -R root "$T"
fi
# -n says 23 whatever the reason.
fresh; mv "$D" "$T/away"; verify -n "$S" "$D"; is "-n, no destination: 23" $rc 23; mv "$T/away" "$D"; echo new >"$S/new"; verify -n "$S" "$D"; is "-n, not sent yet: 23" $rc 23
rm -rf "$T/state" "$D"; cp -a "$S" "$D"; run_sync "$S" "$D"; verify -c -n "$S" "$D"; is "-n -c, adopted and right: 0" $rc 0; flip "$D/a"; verify -c -n "$S" "$D"; is "-n -c, adopted and flipped: 23" $rc 23
# What --delete had still to do is not done without it.
fresh; echo 1 >"$D/mine"; need strace
strace -f -o /dev/null -e trace=unlinkat -P "$D/mine" -P "$D" -e inject=unlinkat:signal=KILL:when=1 "$SNAPSYNC" --state-dir "$T/state" --verify --delete "$S" "$D" >/dev/null 2>&1
: >"$D/.snapsync/redo"; echo 2 >"$D/mine"; run_sync "$S" "$D"; ok "a plain run leaves extras alone" test -f "$D/mine"
# A directory that stays, since it holds what is filtered.
fresh; mkdir "$D/e"; touch "$D/e/a.o" "$D/e/b"; verify --delete --exclude '*.o' "$S" "$D"; is "a directory that stays: 23" $rc 23; ok "it does" test -f "$D/e/a.o"
# One line each, also where it has to be listed twice.
fresh; touch "$D/extra"; rm "$D/a"; mkdir "$D/a"; touch "$D/a/mine"; verify "$S" "$D"; is "extra: once" "$(printf '%s\n' "$out" | grep -c '\*extra ')" 1
# A long silence is broken.
fresh; truncate -s 3G "$S/big"; mkdir -p "$D"; cp -p --sparse=always "$S/big" "$D/big"; run_sync "$S" "$D"
printf '#!/bin/sh\nexec strace -o %s/said -e trace=write,sendto "%s/snapsync-helper" "$@"\n' "$T" "$BUILD" >"$T/traced"; chmod +x "$T/traced"
run_sync --verify -c --helper-path "$T/traced" "$S" "$D"; ok "hashing 3 GB it says that it is there: $(grep -c . "$T/said")" test "$(grep -c . "$T/said")" -gt 40
finish
