#!/bin/sh
# kill -9 of either side, of both, and again while it recovers, at any system
# call that changes something or carries a frame; then again: equal, and nothing
# half in between.  And the order of what is made durable.  STEP=1 tries every
# call.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-change.sh"
need strace
STEP=${STEP:-5}
change_begin; change; cp -a "$T/src" "$T/src1"
helper=$BUILD/snapsync-helper
export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}"
cat >"$T/killer" <<END
#!/bin/sh
exec strace -f -o /dev/null -e trace=\$CALL -e inject=\$CALL:signal=KILL:when=\$WHEN $helper "\$@"
END
cat >"$T/killer-both" <<END
#!/bin/sh
strace -f -o /dev/null -e trace=\$CALL -e inject=\$CALL:signal=KILL:when=\$WHEN $helper "\$@" && exit 0
kill -9 \$PPID
END
chmod +x "$T/killer" "$T/killer-both"
begin_sweep() { kills=0 wrong=0; }
# The state's lock of a client that was killed may be held for a moment.
judge() {
	kills=$((kills + 1))
	change_known >"$T/.half" || { wrong=$((wrong + 1)); echo "# half after $*: $(cat "$T/.half")"; }
	n=0; while [ $n -lt 100 ]; do run_sync "$S" "$D"; [ $rc = 5 ] || break; sleep 0.05; n=$((n + 1)); done
	same "$S" "$D" >"$T/.cmp" 2>&1 || { wrong=$((wrong + 1)); echo "# wrong after $*: exit $rc $errors"; sed 's/^/# /' "$T/.cmp"; }
}
end_sweep() {
	ok "$1: $kills places" test $kills -ge "$2"
	is "$1: right every time" $wrong 0
}
changes="renameat unlinkat linkat mkdirat symlinkat fsync fdatasync pwrite64 syncfs write utimensat fchmod copy_file_range"
offset=0
first() { offset=$((offset + 1)); WHEN=$((1 + offset % STEP)); }
export CALL WHEN

begin_sweep
for CALL in $changes; do
	first
	while :; do
		change_again
		run_sync --helper-path "$T/killer" "$S" "$D"
		[ $rc != 0 ] || break	# no such call any more
		judge "$CALL $WHEN"
		WHEN=$((WHEN + STEP))
	done
done
end_sweep "helper killed" 10

begin_sweep
for CALL in pwrite64 fdatasync fsync sendto recvfrom renameat openat; do
	first
	[ $CALL != openat ] || WHEN=$((WHEN + 35))
	while :; do
		change_again
		strace -o /dev/null -e trace=$CALL -e inject=$CALL:signal=KILL:when=$WHEN \
			"$SNAPSYNC" --state-dir "$T/state" "$S" "$D" >/dev/null 2>&1 && break
		judge "$CALL $WHEN"
		WHEN=$((WHEN + 2 * STEP))
	done
done
end_sweep "client killed" 10

begin_sweep
for CALL in renameat unlinkat fsync fdatasync pwrite64 write; do
	first
	while :; do
		change_again
		"$SNAPSYNC" --state-dir "$T/state" --helper-path "$T/killer-both" "$S" "$D" >/dev/null 2>&1 && break
		judge "$CALL $WHEN"
		WHEN=$((WHEN + STEP))
	done
done
end_sweep "both killed" 5

# Killed in the middle of the names; killed again while the redo log is
# finished; at the same place a third time.
begin_sweep
for CALL in $changes; do
	case $CALL in symlinkat|copy_file_range|syncfs) continue ;; esac
	first
	while :; do
		change_again
		again=$CALL when=$WHEN
		CALL=renameat WHEN=$((5 + when % 7)); run_sync --helper-path "$T/killer" "$S" "$D"; middle=$rc
		CALL=$again WHEN=$when; run_sync --helper-path "$T/killer" "$S" "$D"
		[ $rc != 0 ] || break
		run_sync --helper-path "$T/killer" "$S" "$D"
		judge "renameat (exit $middle), then twice $CALL $WHEN"
		WHEN=$((WHEN + STEP))
	done
done
end_sweep "killed, and again while it recovers" 4

# The order of the helper's commit, from its system calls.
change_again
printf '#!/bin/sh\nexec strace -y -o %s/trace -e trace=fsync,fdatasync,syncfs,renameat,pwrite64,write %s "$@"\n' "$T" "$helper" >"$T/tracer"; chmod +x "$T/tracer"
run_sync --helper-path "$T/tracer" "$S" "$D"; ok "a traced pass" same "$S" "$D"
line() { grep -n "$1" "$T/trace" | tail -1 | cut -d: -f1; }
first() { grep -n "$1" "$T/trace" | head -1 | cut -d: -f1; }
stage=$(first '^\(fsync([0-9]*<.*/tmp[0-9]*/f\|syncfs(\)') written=$(grep -n 'pwrite64([0-9]*<.*/tmp[0-9]*/f' "$T/trace" | tail -1 | cut -d: -f1) redo=$(first 'fdatasync([0-9]*<.*/redo>') rename=$(first '^renameat')
renamed=$(line '^renameat') synced=$(line '^\(fsync\|syncfs\)([0-9]*<.*dst') position=$(line 'fdatasync([0-9]*<.*/position>')
ack=$(line '^write(1<')
ok "content is written before it is synced ($written < $stage)" test "$written" -lt "$stage"
ok "content is synced before the redo log ($stage < $redo)" test "$stage" -lt "$redo"
ok "the redo log before the first name ($redo < $rename)" test "$redo" -lt "$rename"
ok "names before they are synced ($renamed < $synced)" test "$renamed" -lt "$synced"
ok "names are synced before the position ($synced < $position)" test "$synced" -lt "$position"
ok "the position before the acknowledgement ($position < $ack)" test "$position" -lt "$ack"
# A redo log that was never synced is before its names change.  (The first sync is that of the position that was found.)
change_again
printf '#!/bin/sh\nexec strace -f -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:signal=KILL:when=2 %s "$@"\n' "$helper" >"$T/killer"; chmod +x "$T/killer"
run_sync --helper-path "$T/killer" "$S" "$D"; is "killed before the redo log is synced: 12" $rc 12
run_sync --helper-path "$T/tracer" "$S" "$D"; ok "a traced replay" same "$S" "$D"
redo=$(first 'fdatasync([0-9]*<.*/redo>') rename=$(first '^renameat')
ok "a replay: the redo log before the first name ($redo < $rename)" test "$redo" -lt "$rename"
# What is left of an earlier session of the same client is ended, and may need its time to go: a disk that is stuck.
ghost() { # SECONDS OPTION...: run_sync while it is there
	change_again; "$BUILD/tests/ghost" "$D/.snapsync/lock" "$1" >"$T/ghost" 2>&1 & pid=$!; shift
	await grep -q 'held by' "$T/ghost"; run_sync "$@" "$S" "$D"
}
ghost 3; is "a ghost that takes 3 seconds to die: waited for" "$rc $errors" "0 "; ok "equal" same "$S" "$D"; wait $pid; is "it was killed" $? 0
ghost 5 --timeout 2; is "half of --timeout and no longer: 5" $rc 5; like "which is told" "$errors" "an earlier session of this client has not ended yet \\(pid $(sed 's/[^0-9]*//' "$T/ghost") there\\)"
wait $pid; run_sync "$S" "$D"; ok "it is gone: equal" same "$S" "$D"
finish
