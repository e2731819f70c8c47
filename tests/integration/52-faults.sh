#!/bin/sh
# System calls that fail, on either side, one at a time: the run says so or has
# done its work all the same, and the next one ends equal.  All of them
# (3000 cases, some ten minutes): make faults
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-change.sh"
need strace timeout
FULL=${FULL:-}
export ASAN_OPTIONS=detect_leaks=0
sanitized() { case $BUILD in *-asan*) return 0 ;; esac; return 1; }
helper=$BUILD/snapsync-helper
# The helper under strace (side helper), or the client without its children.
cat >"$T/faulty" <<END
#!/bin/sh
exec strace -f -qq -o "$T/trace" -e trace=\$CALL -e inject=\$CALL:error=\$ERROR:when=\$WHEN $helper "\$@"
END
cat >"$T/counting" <<END
#!/bin/sh
exec strace -f -qq -o "$T/trace" -e trace=\$CALL $helper "\$@"
END
chmod +x "$T/faulty" "$T/counting"
faulty_run() { # helper|client INJECT-ARGUMENT...
	fr=$1; shift
	change_again
	[ -z "$LOST" ] || rm -rf "$T/state"
	if [ "$fr" = helper ]; then
		timeout 30 "$SNAPSYNC" --state-dir "$T/state" --helper-path "$T/$1" $RUN "$S" "$D" >"$T/.out" 2>"$T/.err" </dev/null
	else
		timeout 30 strace -f -b execve -qq -o "$T/trace" -e trace=$CALL "$@" \
			"$SNAPSYNC" --state-dir "$T/state" $RUN "$S" "$D" >"$T/.out" 2>"$T/.err" </dev/null
	fi
	rc=$?; errors=$(cat "$T/.err")
}
# How often is it called, and how often of that before main?
calls() {
	if [ "$1" = helper ]; then faulty_run helper counting; else faulty_run client; fi
	grep -c "^[0-9]* *$CALL(" "$T/trace"
}
before_main() {
	[ "$1" = helper ] && set -- "$helper" || set -- "$SNAPSYNC"
	strace -f -qq -o "$T/trace" -e trace=$CALL "$1" --version >/dev/null; grep -c "^[0-9]* *$CALL(" "$T/trace"
}
complain() { wrong=$((wrong + 1)); echo "# $side $CALL $ERROR $WHEN $RUN: $1: exit $rc"; printf '%s\n' "$errors" | head -5 | sed 's/^/# /'; }
cases=0 wrong=0 side= failed_runs=0
one() {
	cases=$((cases + 1))
	if [ $side = helper ]; then faulty_run helper faulty
	else faulty_run client -e "inject=$CALL:error=$ERROR:when=$WHEN"; fi
	[ $rc -lt 100 ] || { complain "crashed or hung"; return; }
	case $errors in *Sanitizer*|*"runtime error"*|*"stack smashing"*) complain "sanitizer"; return ;; esac
	! grep -q 'killed by SIG\(SEGV\|ABRT\|BUS\|FPE\|ILL\)' "$T/trace" || { complain "a crash"; return; }
	[ $rc = 0 ] || failed_runs=$((failed_runs + 1))
	[ $rc != 0 ] || "$TREECMP" "$S" "$D" >"$T/.cmp" 2>&1 || { complain "called right, and is not"; head -5 "$T/.cmp"; return; }
	[ $rc = 0 ] || [ -n "$errors" ] || complain "nothing said"
	# The client's last one is that of a checkpoint, of what is in the log already.
	case $side:$CALL:$rc in helper:fsync:0|helper:fdatasync:0|helper:syncfs:0) complain "a failed sync was acknowledged" ;; esac
	run_sync $RUN "$S" "$D"
	same "$S" "$D" >"$T/.cmp" 2>&1 || { complain "not right after the next run"; head -5 "$T/.cmp"; }
}
# sweep SIDE CALL SAMPLES ERROR...: FULL takes every call, else so many places,
# one error each.
sweep() {
	side=$1 CALL=$2 samples=$3; shift 3
	export CALL ERROR WHEN
	total=$(calls $side)
	WHEN=$(before_main $side) step=1
	WHEN=$((WHEN + 1))
	[ "$FULL" ] || step=$(((total - WHEN + samples) / samples))
	[ "$step" -gt 0 ] || step=1
	while [ $WHEN -le "$total" ]; do
		for ERROR; do one; [ "$FULL" ] || break; done
		[ "$FULL" ] || { first=$1; shift; set -- "$@" "$first"; }	# the next error next time
		WHEN=$((WHEN + step))
	done
}
change_begin; change
few=3 many=6 RUN= LOST=
sanitized && few=2 many=3
sweep helper openat $many EMFILE EIO ENOSPC EACCES ENAMETOOLONG EROFS EINTR
sweep helper read $few EIO EINTR
sweep helper pread64 $few EIO EINTR
sweep helper write $few EIO EINTR
sweep helper pwrite64 $many ENOSPC EIO EDQUOT EINTR
sweep helper renameat $many EIO ENOSPC EACCES EROFS EDQUOT
sweep helper linkat $few EMLINK ENOSPC EACCES EIO
sweep helper mkdirat $few ENOSPC EDQUOT EACCES EMLINK EIO
sweep helper unlinkat $many EIO EACCES EROFS
sweep helper symlinkat $few ENOSPC EIO
sweep helper mknodat $few ENOSPC EIO
sweep helper fsync $many EIO ENOSPC EINTR EDQUOT
sweep helper fdatasync $few EIO ENOSPC EINTR
sweep helper syncfs $few EIO ENOSPC
sweep helper utimensat $many EIO EROFS EACCES
sweep helper fchmod $few EIO EROFS
sweep helper chmod $few EIO EROFS
sweep helper fchownat $few EIO EROFS
sweep helper ftruncate $few ENOSPC EFBIG EINTR
sweep helper copy_file_range $few EIO ENOSPC EINTR EXDEV
sweep helper newfstatat $many EIO EACCES
sweep helper statx $many EIO EACCES
sweep helper fcntl $few ENOLCK EMFILE EINTR
sweep helper poll $few EINTR ENOMEM
sweep client openat $many EMFILE EIO EACCES EINTR ENOMEM
sweep client read $few EIO EINTR
sweep client pread64 $many EIO EINTR
sweep client pwrite64 $many ENOSPC EIO EDQUOT EINTR
sweep client write $few EIO EINTR
sweep client fdatasync $few EIO ENOSPC
sweep client ftruncate $few EIO
sweep client getdents64 $many EIO EACCES
sweep client newfstatat $many EIO EACCES ENOENT
sweep client statx $many EIO EACCES ENOENT ENOSYS
sweep client readlinkat $few EIO EACCES
sweep client unlink $few EIO EACCES
sweep client fcntl $few ENOLCK EIO
sweep client sendto $few EINTR EPIPE
sweep client recvfrom $few EINTR EIO
sweep client poll $few EINTR
# Memory: the sanitizers have their own, and a brk that fails as strace makes it
# fail is none that the C library knows; 57-strain.sh has more of it.
sanitized || { sweep helper mmap $few ENOMEM; sweep client mmap $few ENOMEM; }
# What lists the destination.
RUN=--verify
sweep helper getdents64 $many EIO EACCES
sweep helper newfstatat $many EIO EACCES
sweep helper statx $many EIO EACCES
sweep helper openat $few EIO EMFILE
sweep helper readlinkat $few EIO EACCES
# The same at a first contact; -c since the swapped files have the same times.
RUN="--delete -c" LOST=1
sweep helper getdents64 $few EIO EACCES
sweep helper newfstatat $few EIO EACCES
sweep helper statx $few EIO EACCES
sweep helper openat $few EIO EMFILE
echo "# $cases cases, $failed_runs of them failed runs"
ok "there were many ($cases)" test $cases -gt 80
is "right after each of them" $wrong 0

# Places that were wrong once.
fresh() { rm -rf "$S" "$D" "$T/state"; mkdir -p "$S/d"; }
# with CALL ERROR WHEN args...: with the helper's call failing
with() {
	CALL=$1 ERROR=$2 WHEN=$3; export CALL ERROR WHEN; shift 3
	run_sync --helper-path "$T/faulty" "$@"
}
wrong=0
for n in 1 2 3 4 5; do
	fresh; echo 1 >"$S/d/f"; ln "$S/d/f" "$S/hard"; run_sync "$S" "$D"; settle
	mkdir "$S/nd"; mv "$S/d/f" "$S/nd/f"; echo more >>"$S/nd/f"; with renameat EIO $n "$S" "$D"
	run_sync "$S" "$D"; same "$S" "$D" >"$T/.cmp" || { wrong=$((wrong + 1)); cat "$T/.cmp"; }
done
is "a link that could not be moved, with new content: its old name goes" $wrong 0
wrong=0 n=20
while [ $n -lt 70 ]; do
	fresh; echo 1 >"$S/d/f"; run_sync "$S" "$D"; rm -rf "$T/state"; echo 2 >"$D/d/f"; touch -r "$S/d/f" "$D/d/f"
	with openat EIO $n -c "$S" "$D"; [ $rc != 0 ] || same "$S" "$D" >"$T/.cmp" || { wrong=$((wrong + 1)); echo "# openat $n"; }
	n=$((n + 1))
done
is "with -c, what could not be read there is not taken for equal" $wrong 0
wrong=0
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
	fresh; echo 1 >"$S/f"; ln "$S/f" "$S/g"; run_sync "$S" "$D"; settle
	rm "$S/f"; mkdir "$S/f"; with mkdirat ENOSPC $n "$S" "$D"
	rmdir "$S/f"; ln "$S/g" "$S/f"; run_sync "$S" "$D"; same "$S" "$D" >"$T/.cmp" || { wrong=$((wrong + 1)); cat "$T/.cmp"; }
done
is "a directory that found no room in place of a file, which comes back" $wrong 0
fresh; echo 1 >"$S/d/f"; mkdir -p "$D/d"; echo other >"$D/d/f"
printf '#!/bin/sh\nexec strace -f -qq -o /dev/null -e trace=getdents64 -P "%s" -e inject=getdents64:error=EIO %s "$@"\n' "$D/d" "$helper" >"$T/blind"; chmod +x "$T/blind"
run_sync --helper-path "$T/blind" "$S" "$D"; is "a first contact that cannot list a directory: 23" $rc 23; like "it is named" "$errors" '^snapsync: d: cannot be looked at at the destination'
run_sync --helper-path "$T/blind" "$S" "$D"; is "and again" $rc 23
good_sync "until it can" "$S" "$D"
# Somebody else's doing is still a surprise.
fresh; echo 1 >"$S/f"; run_sync "$S" "$D"; settle; rm "$D/f"; cp "$S/f" "$S/t"; mv "$S/t" "$S/f"; good_sync "a file that was deleted there and saved anew here" "$S" "$D"
fresh; echo 1 >"$S/d/f"; run_sync "$S" "$D"; settle; rm -r "$D/d"; echo 2 >"$S/d/g"; good_sync "a directory that was deleted there" "$S" "$D"
# A directory that could not be moved: what was to be deleted below its new name is not taken for deleted, whatever lies there.
for n in 1 2 3; do
	fresh; mkdir "$S/A" "$S/B"; for f in x y z; do echo "A$f" >"$S/A/$f"; echo "B$f" >"$S/B/$f"; done; run_sync "$S" "$D"; settle
	mv "$S/B" "$S/C"; mv "$S/A" "$S/B"; rm "$S/B/x" "$S/C/y"; chmod 600 "$S/B/z"; with renameat EMFILE $n "$S" "$D"
	good_sync "a swap with deletes, move $n fails" "$S" "$D"
	fresh; mkdir "$S/A"; echo x >"$S/A/x"; echo y >"$S/A/y"; run_sync "$S" "$D"; settle
	mkdir -p "$S/new/deep"; mv "$S/A" "$S/new/deep/B"; rm "$S/new/deep/B/x"; with renameat EMFILE $n "$S" "$D"
	good_sync "a move with a delete, move $n fails" "$S" "$D"
done
# The same, while a copy is refused since its source was changed there: both have to be looked into.
for n in 1 2 3; do
	fresh; mkdir "$S/A" "$S/B"; for f in x y z; do echo "A$f" >"$S/A/$f"; echo "B$f" >"$S/B/$f"; done; head -c 100000 /dev/urandom >"$S/orig"; run_sync "$S" "$D"; settle
	cp "$S/orig" "$S/copy"; cp "$D/orig" "$T/orig"; head -c 100000 /dev/urandom >"$D/orig"
	mv "$S/B" "$S/C"; mv "$S/A" "$S/B"; rm "$S/B/x" "$S/C/y"; chmod 600 "$S/B/z"; with renameat ENOSPC $n "$S" "$D"
	cp -p "$S/orig" "$D/orig"; good_sync "a swap with deletes, a refused copy, move $n fails" "$S" "$D"
done
# A young link that cannot be read for a pass: it is read by the next one, and what was not read is not taken for its target.
for when in 1 2 1+; do
	fresh; mkdir "$S/a" "$S/b"; ln -s t/175 "$S/a/l"; ln -s x "$S/b/over"; run_sync "$S" "$D"; settle; mv -T "$S/a/l" "$S/b/over"; ln -s new "$S/new"; rc=0
	strace -f -qq -o /dev/null -e trace=readlinkat -e inject=readlinkat:error=EMFILE:when=$when "$SNAPSYNC" --state-dir "$T/state" "$S" "$D" >"$T/.out" 2>"$T/.err" || rc=$?
	errors=$(cat "$T/.err"); ok "a link that cannot be read, call $when (exit $rc)" test "$rc" = 0 -o -n "$errors"
	unlike "it is named" "$errors" 'the source was changing'
	good_sync "and the next time" "$S" "$D"; run_sync --stats "$S" "$D"; is "then nothing is to be done" "$(stat_of 'Operations sent')" 0
done
# A file (a link) that could not be moved onto another one: the other one's new mode or time is not taken for its own.
fresh; echo aaa >"$S/a"; echo xxx >"$S/x"; run_sync "$S" "$D"; settle; mv "$S/a" "$S/x"; chmod 600 "$S/x"; with renameat EIO 1 "$S" "$D"
good_sync "a file onto another one, with another mode" "$S" "$D"
fresh; ln -s aaaaa "$S/a"; ln -s xxx "$S/x"; run_sync "$S" "$D"; settle; mv "$S/a" "$S/x"; touch -h -d '2020-01-01' "$S/x"; with renameat EMFILE 1 "$S" "$D"
good_sync "a link onto another one, with another time" "$S" "$D"
# A file was changed, the answer was lost, and a new file with the first content takes its place: what lies there is not taken for that.
for n in 3 4; do
	fresh; echo version1 >"$S/x"; run_sync "$S" "$D"; settle; echo version2 >"$S/x"
	printf '#!/bin/sh\nexec strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:signal=KILL:when=%s %s "$@"\n' $n "$helper" >"$T/killed"; chmod +x "$T/killed"
	run_sync --helper-path "$T/killed" "$S" "$D"; settle; echo version1 >"$S/t"; touch -d '2020-01-03' "$S/t"; mv "$S/t" "$S/x"
	good_sync "changed, answer $n lost, changed back by a new file" "$S" "$D"
done
fresh; echo version1 >"$S/x"; run_sync "$S" "$D"; settle; echo version2 >"$D/x"; echo version1 >"$S/t"; touch -d '2020-01-03' "$S/t"; mv "$S/t" "$S/x"
run_sync --verify "$S" "$D"; ok "changed there, replaced by a new file of the same content here: --verify" same "$S" "$D"
# A new file in place of an old one, seen twice (it got another mode) before anything could be sent, and then it cannot be read: the old one is not taken for it.
fresh; head -c 127 /dev/zero >"$S/d/only"; run_sync "$S" "$D"; settle; head -c 80 /dev/zero | tr '\0' n >"$S/t"; mv "$S/t" "$S/d/only"
run_sync --helper-path /nonexistent "$S" "$D"; settle; chmod 715 "$S/d/only"; run_sync --helper-path /nonexistent "$S" "$D"
rc=0; strace -f -qq -o "$T/trace" -e trace=openat -P only -e inject=openat:error=EACCES "$SNAPSYNC" --state-dir "$T/state" "$S" "$D" >"$T/.out" 2>"$T/.err" || rc=$?; errors=$(cat "$T/.err")
is "it cannot be read: 23" $rc 23; like "it is named" "$errors" '^snapsync: d/only: '; is "nothing is done to the old one" "$(stat -c '%s %a' "$D/d/only")" "127 644"
good_sync "and when it can" "$S" "$D"
# Content whose sync failed once is sent anew, though the next sync succeeds.
fresh; run_sync "$S" "$D"; echo data >"$S/d/f"; sends() { grep -c 'pwrite64(.*"data' "$T/trace"; }
cat >"$T/writes" <<END
#!/bin/sh
exec strace -f -qq -o "$T/trace" -e trace=pwrite64,fsync $helper "\$@"
END
chmod +x "$T/writes"
cat >"$T/unsynced" <<END
#!/bin/sh
exec strace -f -qq -o "$T/trace" -e trace=fsync -e inject=fsync:error=EIO:when=1 $helper "\$@"
END
chmod +x "$T/unsynced"; run_sync --helper-path "$T/unsynced" "$S" "$D"; is "its sync fails: 11" $rc 11; like "says so" "$errors" 'cannot be made durable: fsync'
run_sync --helper-path "$T/writes" "$S" "$D"; ok "and is right then" same "$S" "$D"
ok "the content was sent again ($(sends))" test "$(sends)" = 1
finish
