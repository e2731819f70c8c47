#!/bin/sh
# Long content goes to the disk past the page cache, in pieces, by a thread: all
# that does not fit into that, and all that can go wrong with it.
. "$(dirname "$0")/lib.sh"
need strace
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # below strace
S=$T/src D=$T/dst helper=$BUILD/snapsync-helper M=1048576 L=8388608 # what is long
# helper_with STRACE-OPTION...: a run with a helper that runs so
helper_with() { printf '#!/bin/sh\nexec strace -f -qq -o %s %s %s "$@"\n' "$T/trace" "$*" "$helper" >"$T/troubled"; chmod +x "$T/troubled"; run_sync --helper-path "$T/troubled" $more "$S" "$D"; }
more=
fresh() { rm -rf "$S" "$D" "$T/state"; mkdir "$S"; }
some() { head -c "$1" /dev/urandom; }
past() { grep -c 'F_SETFL.*O_DIRECT' "$T/trace"; }
right() { ok "$1: equal" same "$S" "$D"; run_sync --verify -c -n "$S" "$D"; is "$1: --verify -c has nothing to say" $rc 0; }
# Where the file system does it at all (and the build: POSIX has no such call).
fresh; some $L >"$S/f"; helper_with -e trace=fcntl; can=$(past)
case $(stat -f -c %T "$T") in
ext2/ext3|xfs) case $BUILD in *posix*) ;; *) ok "it goes past the cache here" test "$can" -gt 0 ;; esac ;;
esac
right "one file"
more=--fsync=never; fresh; some $L >"$S/f"; helper_with -e trace=fcntl; is "not with --fsync=never" "$(past)" 0; more=
fresh; some $((L - 1)) >"$S/f"; helper_with -e trace=fcntl; is "once it was tried, not for what is short" "$(past)" $((can > 0))
# Sizes and places, for the first time and changed.
fresh; for n in $L $((L + 1)) $((L + 4095)) $((L + 4096)) $((9 * M - 1)) $((10 * M)) $((9 * M + 77)) $((17 * M + 4097)); do some $n >"$S/n$n"; done
{ some 700001; cat "$S/n$L"; } >"$S/shifted"; truncate -s $((3 * M + 5)) "$S/hole"; some $((6 * M + 9)) >>"$S/hole"; truncate -s $((12 * M + 1)) "$S/hole"; some 10 >>"$S/hole"
run_sync -S "$S" "$D"; is "sizes" $rc 0; right "sizes"; settle
for f in "$S"/n*; do some 5001 >>"$f"; done; { some 3333; cat "$S/n$((9 * M + 77))"; } >"$T/x"; cat "$T/x" >"$S/n$((9 * M + 77))"
some 100 | dd of="$S/n$((17 * M + 4097))" bs=1 seek=7654321 conv=notrunc 2>/dev/null; some 4096 | dd of="$S/hole" bs=1 seek=$((4 * M)) conv=notrunc 2>/dev/null
cat "$S/n$((10 * M))" "$S/n$((9 * M - 1))" >"$S/both"; run_sync -S --stats "$S" "$D"; is "changed" $rc 0; ok "and copied" test "$(stat_of 'Matched data')" -gt $((60 * M)); right "changed"
ok "a hole stays one" test "$(du -k "$D/hole" | cut -f1)" -lt 11000
# Two at a time: a long one, slowly, and others that come meanwhile.
fresh; echo k >"$S/k"; run_sync "$S" "$D"
"$SNAPSYNC" --interval 0.2 --bwlimit=20M --state-dir "$T/state" "$S" "$D" >"$T/.bg" 2>&1 & BG=$!
at_exit "kill $BG 2>/dev/null; wait $BG 2>/dev/null"
some $((60 * M + 3)) >"$S/long"; part() { ls "$D"/.snapsync/tmp/part-* >/dev/null 2>&1; }; await part
for i in 1 2 3; do some $((L + i * 1001)) >"$S/m$i"; sleep 0.3; done
ok "what came meanwhile overtakes it" await test -f "$D/m2"
await "$TREECMP" "$S" "$D"; kill $BG; wait $BG 2>/dev/null; right "two at a time"
# A write that fails, at any place; one that the file system does not want so; a switch that is not there.
for error in EIO ENOSPC; do
	for when in 2 3 4 5..6 8 9+2; do
		fresh; some $((9 * M + 99)) >"$S/a"; some $((12 * M + 99)) >"$S/b"; echo c >"$S/c"
		helper_with "-e trace=pwrite64 -e inject=pwrite64:error=$error:when=$when"; is "$error at $when: not 0, or all is there" "$rc $(cmp "$S/a" "$D/a" 2>&1; cmp "$S/b" "$D/b" 2>&1)" "$([ $rc != 0 ] && echo "$rc $(cmp "$S/a" "$D/a" 2>&1; cmp "$S/b" "$D/b" 2>&1)" || echo "0 ")"
		named=$((${named:-0} + (rc == 23))); [ $rc != 23 ] || like "$error at $when: is named" "$errors" '(a|b|c): '
		run_sync "$S" "$D"; is "$error at $when, and then: 0" $rc 0; right "$error at $when"
	done
done
ok "some of them failed in the thread" test "$named" -gt 2
# What was to be written before a copy fails when the copy is made: not the copy's fault.
named=0
for when in 2 3 4; do
	fresh; some $((12 * M + 99)) >"$S/a"; run_sync "$S" "$D"; settle
	cat "$S/a" >"$T/x"; { some $((2 * M + M / 2)); cat "$T/x"; } >"$S/a"
	helper_with "-e trace=pwrite64 -e inject=pwrite64:error=EIO:delay_enter=300ms:when=$when"
	case $errors in "snapsync: a: "*"nput/output error"*) named=$((named + 1)) ;; esac
	unlike "EIO at $when before a copy: nobody changed anything" "$out$errors" 'somebody else'
	run_sync "$S" "$D"; is "EIO at $when before a copy, and then: 0" $rc 0; right "EIO at $when before a copy"
done
ok "and it is named" test "$named" -gt 0
# A disk that stands still for longer than the client waits for an answer.
if [ $can -gt 0 ]; then # a write of the session's own cannot be told from its end
	fresh; echo k >"$S/k"; run_sync "$S" "$D"; some $((20 * M)) >"$S/a"
	more="--timeout 2"; helper_with "-e trace=pwrite64 -e inject=pwrite64:delay_enter=5s:when=3"; more=
	is "a disk that stands still" "$rc $errors" "0 "; right "a disk that stands still"
fi
# Many short runs between holes are not waited for one by one.
fresh; truncate -s $((16 * M)) "$S/runs"
for i in 1 2 3 4 5 6 7; do some 65536 | dd of="$S/runs" bs=65536 seek=$((i * 32)) conv=notrunc 2>/dev/null; done
helper_with -e trace=fcntl; is "short runs between holes go through the cache" "$(past)" $((can > 0)); right "short runs"
# What an earlier session left may be in memory only.
fresh; some $((40 * M)) >"$S/long"
"$SNAPSYNC" --bwlimit=20M --state-dir "$T/state" "$S" "$D" >"$T/.bg" 2>&1 & BG=$!
come() { test "$(stat -c %s "$D"/.snapsync/tmp/part-* 2>/dev/null)" -ge $((20 * M)); }; await come; kill -9 $BG; wait $BG 2>/dev/null
part=$(ls "$D"/.snapsync/tmp/part-*); more=--stats; settle
# (It is said once: the helper dies before it hears from the client, and the next sync is right.)
cp "$part" "$T/part"; helper_with "-P $part -e trace=fsync,ftruncate -e inject=fsync:error=EIO -e inject=ftruncate:signal=KILL:when=2"
ok "cut off before an answer: $rc" test $rc != 0; is "and what cannot be made durable is gone" "$(stat -c %s "$part")" 0
cp "$T/part" "$part"
helper_with "-P $part -e trace=fsync -e inject=fsync:error=EIO"; more=
is "what cannot be made durable" $rc 0; ok "is sent again" test "$(stat_of 'Bytes sent')" -ge $((40 * M)); right "what cannot be made durable"
case $(uname -sm) in
"Linux x86_64"|"Linux aarch64")
	for odd in picky cached alone short,eintr; do
		fresh; for i in 1 2 3; do some $((9 * M + i)) >"$S/$i"; done
		printf '#!/bin/sh\nexport ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS\nexec env LD_PRELOAD=%s ODD=%s %s "$@"\n' "$BUILD/tests/odd.so" "$odd" "$helper" >"$T/odd"; chmod +x "$T/odd"
		run_sync --helper-path "$T/odd" "$S" "$D"; is "$odd: 0" $rc 0; right "$odd"
	done ;;
esac
finish
