# Sourced after lib.sh: a change set with every kind of operation, and where it
# begins.
#
#     change_begin           makes src, mirrors it, keeps src0 dst0 state0
#     change                 all of it at once
#     change_again           dst and state as they were before the change
#     change_known           every file at the destination is a whole one,
#                            as it was before or as it is now
S=$T/src D=$T/dst
change_begin() {
	mkdir -p "$S/a/b" "$S/x" "$S/y" "$S/gone/deep"
	echo 1 >"$S/a/b/1"; echo 2 >"$S/a/2"; echo x >"$S/x/f"; echo y >"$S/y/f"; ln "$S/a/2" "$S/hl"
	echo gone >"$S/gone/f"; echo gone >"$S/gone/deep/f"; echo r >"$S/r"; echo m >"$S/m"; ln -s old "$S/ln"
	echo file >"$S/becomes-dir"; mkdir "$S/becomes-file"; echo in >"$S/becomes-file/in"
	head -c 300000 /dev/urandom >"$S/large"; head -c 60000 /dev/urandom >"$S/middle"
	good_sync "begin" "$S" "$D"; settle
	cp -a "$S" "$T/src0"; cp -a "$D" "$T/dst0"; cp -a "$T/state" "$T/state0"
}
change() {
	mv "$S/x" "$S/t"; mv "$S/y" "$S/x"; mv "$S/t" "$S/y"	# swap
	mv "$S/a/b" "$S/b"; rm -r "$S/gone"; echo new >"$S/new"; echo rr >>"$S/r"; chmod 600 "$S/m"
	ln "$S/new" "$S/new2"; mkdir "$S/nd"; mv "$S/a/2" "$S/nd/2"; ln -s q "$S/sl"; echo w >>"$S/nd/2"
	rm "$S/ln"; ln -s another "$S/ln"; mkfifo "$S/fifo"; touch -d 2001-01-01 "$S/b" "$S/m"
	rm "$S/becomes-dir"; mkdir "$S/becomes-dir"; echo in >"$S/becomes-dir/in"
	rm -r "$S/becomes-file"; echo now >"$S/becomes-file"
	{ head -c 100000 "$S/large"; echo inserted; tail -c +100001 "$S/large"; } >"$T/l"; mv "$T/l" "$S/large"
	cp "$S/middle" "$S/nd/copied"
	settle
	(cd "$S" && find . -type f -exec sha256sum {} +; cd "$T/src0" && find . -type f -exec sha256sum {} +) | sort -u >"$T/known"
}
change_again() {
	rm -rf "$D" "$T/state"; cp -a "$T/dst0" "$D"; cp -a "$T/state0" "$T/state"
}
change_known() {
	(cd "$D" && find . -path ./.snapsync -prune -o -type f -exec sha256sum {} + 2>/dev/null) | cut -d' ' -f1 | sort -u >"$T/.there"
	cut -d' ' -f1 "$T/known" | sort -u | comm -13 - "$T/.there" | grep . && return 1
	return 0
}
