#!/bin/sh
# kill -9 of either side at any moment, then again: equal.  And the order of
# what is made durable.
. "$(dirname "$0")/lib.sh"
need strace
S=$T/src D=$T/dst
mkdir -p "$S/a/b" "$S/x" "$S/y"; echo 1 >"$S/a/b/1"; echo 2 >"$S/a/2"; echo x >"$S/x/f"; echo y >"$S/y/f"; ln "$S/a/2" "$S/hl"; echo gone >"$S/gone"; echo r >"$S/r"
good_sync "begin" "$S" "$D"; settle
cp -a "$T/src" "$T/src0"; cp -a "$T/dst" "$T/dst0"; cp -a "$T/state" "$T/state0"
change() {
	mv "$S/x" "$S/t"; mv "$S/y" "$S/x"; mv "$S/t" "$S/y"	# swap
	mv "$S/a/b" "$S/b"; rm "$S/gone"; echo new >"$S/new"; echo rr >>"$S/r"
	ln "$S/new" "$S/new2"; mkdir "$S/nd"; mv "$S/a/2" "$S/nd/2"; ln -s q "$S/sl"; echo w >>"$S/nd/2"
}
change; cp -a "$T/src" "$T/src1"
helper=$BUILD/snapsync-helper
cat >"$T/killer" <<END
#!/bin/sh
exec strace -f -o /dev/null -e trace=\$CALL -e inject=\$CALL:signal=KILL:when=\$WHEN $helper "\$@"
END
chmod +x "$T/killer"
kills=0 wrong=0
for CALL in renameat unlinkat linkat mkdirat fsync fdatasync pwrite64 syncfs write utimensat; do
	WHEN=1
	while [ $WHEN -le 14 ]; do
		rm -rf "$D" "$T/state"; cp -a "$T/dst0" "$D"; cp -a "$T/state0" "$T/state"
		export CALL WHEN
		run_sync --helper-path "$T/killer" "$S" "$D"
		[ $rc != 0 ] || break	# no such call any more
		kills=$((kills + 1))
		run_sync "$S" "$D"
		same "$S" "$D" >"$T/.cmp" 2>&1 || { wrong=$((wrong + 1)); echo "# wrong after $CALL $WHEN: exit $rc $errors"; cat "$T/.cmp"; }
		WHEN=$((WHEN + 1))
	done
done
ok "helper killed at $kills places" test $kills -gt 20
is "and right every time" $wrong 0
kills=0 wrong=0
for CALL in pwrite64 fdatasync fsync sendto recvfrom openat; do
	WHEN=1
	[ $CALL != openat ] || WHEN=40
	while [ $WHEN -le 64 ]; do
		rm -rf "$D" "$T/state"; cp -a "$T/dst0" "$D"; cp -a "$T/state0" "$T/state"
		strace -o /dev/null -e trace=$CALL -e inject=$CALL:signal=KILL:when=$WHEN \
			"$SNAPSYNC" --state-dir "$T/state" "$S" "$D" >/dev/null 2>&1 && break
		kills=$((kills + 1))
		n=0; while [ $n -lt 40 ]; do run_sync "$S" "$D"; [ $rc = 5 ] || break; sleep 0.05; n=$((n + 1)); done
		same "$S" "$D" >"$T/.cmp" 2>&1 || { wrong=$((wrong + 1)); echo "# wrong after $CALL $WHEN: exit $rc $errors"; cat "$T/.cmp"; }
		WHEN=$((WHEN + 4))
	done
done
ok "client killed at $kills places" test $kills -gt 10
is "and right every time" $wrong 0
# The order of the helper's commit, from its system calls.
rm -rf "$D" "$T/state"; cp -a "$T/dst0" "$D"; cp -a "$T/state0" "$T/state"
printf '#!/bin/sh\nexec strace -y -o %s/trace -e trace=fsync,fdatasync,syncfs,renameat,pwrite64,write %s "$@"\n' "$T" "$helper" >"$T/tracer"; chmod +x "$T/tracer"
run_sync --helper-path "$T/tracer" "$S" "$D"; ok "a traced pass" same "$S" "$D"
line() { grep -n "$1" "$T/trace" | tail -1 | cut -d: -f1; }
first() { grep -n "$1" "$T/trace" | head -1 | cut -d: -f1; }
stage=$(line 'fsync([0-9]*<.*/tmp/f') redo=$(first 'fdatasync([0-9]*<.*/redo>') rename=$(first '^renameat')
renamed=$(line '^renameat') synced=$(line '^\(fsync\|syncfs\)([0-9]*<.*dst') position=$(line 'fdatasync([0-9]*<.*/position>')
ack=$(line '^write(1<')
ok "content is synced before the redo log ($stage < $redo)" test "$stage" -lt "$redo"
ok "the redo log before the first name ($redo < $rename)" test "$redo" -lt "$rename"
ok "names before they are synced ($renamed < $synced)" test "$renamed" -lt "$synced"
ok "names are synced before the position ($synced < $position)" test "$synced" -lt "$position"
ok "the position before the acknowledgement ($position < $ack)" test "$position" -lt "$ack"
finish
