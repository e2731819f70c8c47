#!/bin/sh
# A batch is on its way when the helper is killed, and nobody knows whether it was carried out;
# then the source or the filter goes on, and quiet passes make the mirror right all the same.
. "$(dirname "$0")/lib.sh"
need strace
S=$T/src D=$T/dst helper=$BUILD/snapsync-helper
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # below strace
cat >"$T/killed" <<END
#!/bin/sh
exec strace -f -qq -o /dev/null -e trace=\$CALL -e inject=\$CALL:signal=KILL:when=\$WHEN $helper "\$@"
END
chmod +x "$T/killed"
fresh() { rm -rf "$S" "$D" "$T/state"; mkdir "$S"; echo k >"$S/keep"; }
begin() { run_sync "$S" "$D"; settle; }
killed() { run_sync --helper-path "$T/killed" "$S" "$D"; cut=$((cut + (rc != 0))); }
# What went wrong, of all places at which it was killed.
wrong() { bad=$((bad + 1)); echo "# $CALL $WHEN: $*"; }
quiet() {
	run_sync "$@" "$S" "$D"; [ -z "$errors" ] || case $errors in *"interrupted"*) ;; *) wrong "said: $errors" ;; esac
	run_sync "$@" "$S" "$D"; [ $rc = 0 ] || wrong "exit $rc: $errors"
}
equal() { quiet "$@"; same "$S" "$D" >"$T/.cmp" 2>&1 || wrong "differs: $(cat "$T/.cmp")"; }
export CALL WHEN
# sweep WHAT FUNCTION
sweep() {
	cut=0 bad=0
	for CALL in pwrite64 renameat fchmodat,fchmod mkdirat utimensat fdatasync; do
		for WHEN in 1 2 3 4; do $2; done
	done
	ok "$1: killed at $cut places" test $cut -ge 5
	is "$1: right each time" $bad 0
}
taken_back() { fresh; mkdir "$S/d"; echo 1 >"$S/d/y"; begin; chmod 666 "$S/d/y"; killed; chmod 600 "$S/d/y"; chmod 644 "$S/d/y"; equal; }
sweep "a mode that is taken back" taken_back
renamed_back() { fresh; echo 1 >"$S/y"; touch -d 2020-01-01 "$S"; begin; mv "$S/y" "$S/z"; touch -d 2020-01-01 "$S"; killed; mv "$S/z" "$S/y"; touch -d 2020-01-01 "$S"; equal; }
sweep "a name that is taken back" renamed_back
child() { fresh; mkdir "$S/b"; echo 1 >"$S/b/x"; begin; mkdir "$S/b/a"; echo 2 >"$S/b/a/y"; killed; mv "$S/b/a" "$S/tmp"; rm -r "$S/b"; mv "$S/tmp" "$S/b"; equal --force-delete; }
sweep "a new directory that takes its parent's place" child
inner() { fresh; mkdir -p "$S/x/sub"; echo 1 >"$S/x/f1"; echo 2 >"$S/x/sub/f2"; begin; mv "$S/x" "$S/q"; mkdir "$S/x"; mv "$S/q" "$S/x/inner"; killed; equal; }
sweep "a directory that moves into a new one of its name" inner
circle() { fresh; mkdir "$S/a" "$S/b" "$S/c"; echo 1 >"$S/a/f1"; echo 2 >"$S/b/f2"; echo 3 >"$S/c/f3"; begin; mv "$S/a" "$S/q"; mv "$S/b" "$S/a"; mv "$S/c" "$S/b"; mv "$S/q" "$S/c"; killed; equal; }
sweep "three directories that change places" circle
excluded() {
	fresh; mkdir "$S/d"; echo 1 >"$S/y"; echo 1 >"$S/d/big.iso"; begin
	echo more >>"$S/y"; echo more >>"$S/d/big.iso"; mkdir "$S/new"; echo n >"$S/new/n"; killed
	echo more >>"$S/keep"; quiet --exclude=/y --exclude='*.iso' --exclude=/new
	[ -f "$D/y" ] && [ -f "$D/d/big.iso" ] || wrong "what is excluded was deleted"
	rm "$S/keep"; quiet --exclude=/y --exclude='*.iso' --exclude=/new; [ ! -e "$D/keep" ] || wrong "what is not excluded stayed"
}
sweep "what is excluded then" excluded
fresh; echo 1 >"$S/y"; begin; chmod 666 "$S/y"; CALL=pwrite64 WHEN=2; killed; chmod 600 "$S/y"; chmod 644 "$S/y"
run_sync --status "$S"; like "on its way: --status does not call it up to date" "$out" '^state: behind'
# A delete that is still to be done, of what is excluded then.
fresh; mkdir "$S/d" "$S/e"; for i in 1 2 d/k.keep d/o e/1 e/2; do echo $i >"$S/$i"; done; begin
rm -r "$S/1" "$S/2" "$S/d" "$S/e"; run_sync --helper-path /bin/false --force-delete "$S" "$D"; is "the destination is away" $rc 12
run_sync --exclude=/1 --exclude='*.keep' --exclude=/e/ "$S" "$D"
ok "excluded before the delete was done: it stays" test -f "$D/1" -a -f "$D/d/k.keep" -a -f "$D/e/1" -a -f "$D/e/2"
ok "the others go" test ! -e "$D/2" -a ! -e "$D/d/o"
run_sync --exclude=/1 --exclude='*.keep' --exclude=/e/ "$S" "$D"; is "and that is all: exit" $rc 0
# The same of one name of a file that has others, in a directory that has got another name.
fresh; mkdir "$S/d"; echo 1 >"$S/1"; ln "$S/1" "$S/2"; ln "$S/1" "$S/d/3"; ln "$S/1" "$S/d/4"; ln "$S/1" "$S/5"; begin
rm "$S/1" "$S/d/3" "$S/d/4" "$S/5"; mv "$S/d" "$S/e"; run_sync --helper-path /bin/false --force-delete "$S" "$D"; is "the destination is away" $rc 12
run_sync --exclude=/1 --exclude=/e/3 --exclude=/d/4 "$S" "$D"; is "links, excluded before the delete was done: exit" $rc 0
is "they stay, the others go" "$(cd "$D" && echo * e/*)" "1 2 e keep e/3"
run_sync --exclude=/1 --exclude=/e/3 --exclude=/d/4 "$S" "$D"; is "and that is all: exit" $rc 0
finish
