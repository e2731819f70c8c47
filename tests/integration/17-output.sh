#!/bin/sh
# What is printed, and where.
. "$(dirname "$0")/lib.sh"
need script
S=$T/src D=$T/dst
mkdir -p "$S/d"; echo a >"$S/a"; echo b >"$S/d/b"; ln -s a "$S/s"; ln "$S/a" "$S/h"; echo old >"$S/gone"
run_sync -n -i "$S" "$D"; dry=$out
ok "-n touches nothing" test ! -e "$D"
run_sync -i "$S" "$D"; is "-n prints what the run does, first" "$dry" "$out"
like "a new file" "$out" '^<f\+{9} a$'
like "a new directory" "$out" '^cd\+{9} d/$'
like "a symbolic link" "$out" '^cL\+{9} s -> a$'
like "a hard link" "$out" '^hf\+{9} [ah] => [ah]$'
settle
echo more >>"$S/d/b"; mv "$S/s" "$S/s2"; rm "$S/gone"; chmod 600 "$S/a"; mkdir "$S/e"; mv "$S/d" "$S/e/d"
run_sync -n -i "$S" "$D"; dry=$out
run_sync -i "$S" "$D"; is "-n prints what the run does, later" "$dry" "$out"
like "modified: size and time" "$out" '^<f\.st\.{6} e/d/b$'
like "moved" "$out" '^\*moving     s -> s2$'
like "a moved directory" "$out" '^\*moving     d/ -> e/d/$'
like "deleted" "$out" '^\*deleting   gone$'
like "permissions" "$out" '^\.f\.\.\.p\.{5} [ah]$'
like "times of a directory" "$out" '^\.d\.\.t\.{6} \./$'
ok "equal" same "$S" "$D"
run_sync -i "$S" "$D"; is "nothing changed: nothing printed" "$out" ""
echo x >>"$S/a"; run_sync -q -v -i "$S" "$D"; is "-q is silent" "$out$errors" ""
echo x >>"$S/a"; run_sync -v "$S" "$D"; like "-v names it" "$out" '^[ah]$'; like "-v ends with a sum" "$out" '^sent [0-9]+ bytes, received [0-9]+ bytes'
head -c 123456 /dev/zero >"$S/z"; run_sync --stats "$S" "$D"
is "--stats: files" "$(stat_of 'Files sent')" 1
is "--stats: literal data" "$(stat_of 'Literal data')" 123456
head -c 123456 /dev/urandom >"$S/z2"; run_sync --stats -h "$S" "$D"; like "-h: units" "$out" '^Literal data: 123\.46K bytes'
rm "$S/z2"; mv "$S/z" "$S/z3"; run_sync --log-file "$T/log" "$S" "$D"
like "--log-file: time and event" "$(cat "$T/log")" '^20[0-9-]+ [0-9:]+ \*moving     z -> z3$'
run_sync --log-file "$T/none/log" "$S" "$D"; is "--log-file that cannot be opened: 11" $rc 11
run_sync --status "$S"; is "--status: exit" $rc 0
like "--status: source" "$out" "^source: $S\$"; like "--status: up to date" "$out" '^state: up to date$'
like "--status: last pass" "$out" '^last pass: 20'
like "--status: no lag" "$out" '^lag: 0 s$'; like "--status: nothing pending" "$out" '^pending: 0$'
run_sync --status "$S" "$T/other"; is "--status of an unknown destination: 11" $rc 11
run_sync --status "$T"; ok "--status of an unknown source fails" test $rc != 0
like "and says so" "$errors" 'never|no state|not'
run_sync --log "$S" "$D"; like "--log: the move" "$out" ' move    z -> z3$'
like "--log: the delete" "$out" ' remove  z2$'; like "--log: a file and its size" "$out" ' file    z \(123456 bytes\)$'
run_sync --log --below e "$S"; like "--log --below" "$out" 'e/d/b'; unlike "--log --below: nothing else" "$out" 'z2'
run_sync --log --since 2h "$S"; like "--log --since 2h" "$out" z2
run_sync --log --since 0s "$S"; ok "--log --since now: exit" test $rc = 0
unlike "--log of one destination does not name it" "$out" "$D"
run_sync "$S" "$T/dst2"; settle; mv "$S/z3" "$S/z4"; run_sync "$S" "$T/dst2"; run_sync --log "$S"
like "--log of several destinations: which" "$out" "^[^ ]+ [^ ]+ $T/dst2: move    z3 -> z4\$"; like "and the other" "$out" "^[^ ]+ [^ ]+ $D: remove  z2\$"
run_sync --log "$S" "$T/dst2"; like "of one of them" "$out" '^[^ ]+ [^ ]+ move    z3 -> z4$'; unlike "and only that" "$out" z2
mv "$S/z4" "$S/z3"; run_sync "$S" "$D"
run_sync --log --since nonsense "$S"; is "--since nonsense: usage" $rc 1
# A failing entry is named by its path below the root, nothing else.
if [ "$(id -u)" = 0 ]; then
	mkdir "$D/blocked"; mount -t tmpfs -o ro none "$D/blocked" && at_exit "umount '$D/blocked' 2>/dev/null"
	mkdir "$S/blocked"; echo 1 >"$S/blocked/f"; echo 2 >"$S/fine"
	run_sync -i --log-file "$T/blog" "$S" "$D"; is "an entry that cannot be written: 23" $rc 23
	like "-i: what was done" "$out" '^<f\+{9} fine$'; unlike "-i: nothing of what failed" "$out" 'blocked/f'; unlike "nor the log file" "$(cat "$T/blog")" '<f.* blocked/f'
	like "is named with its reason" "$errors" 'blocked.*(Read-only|read-only)'
	ok "the rest goes on" cmp "$S/fine" "$D/fine"
	run_sync --status "$S"; like "--status: behind" "$out" '^state: behind$'; like "--status: its lag" "$out" '^lag: [0-9]+ s$'; like "--status: the problem" "$out" '^problem: blocked'
	umount "$D/blocked"; run_sync "$S" "$D"; ok "then it is made up for" same "$S" "$D"
	run_sync --status "$S"; like "--status: no problem is left" "$out" '^problems: 0$'
fi
# What is done at the second try is told once; what was done before it, too.
chmod 644 "$S/e/d/b"; run_sync "$S" "$D"; rm "$D/e/d/b"; settle; chmod 640 "$S/e/d/b"; echo 1 >"$S/first"
run_sync -i "$S" "$D"; ok "changed by somebody, done again: equal" same "$S" "$D"; like "it was tried twice" "$errors" 'by somebody else'
is "and is told once" "$(echo "$out" | grep -c ' e/d/b$')" 1; is "and so is what was not" "$(echo "$out" | grep -c ' first$')" 1
# What is wrong is named.
run_sync "$T/nowhere" "$D"; is "a source that is not there: 3" $rc 3; like "says so" "$errors" "the source $T/nowhere: No such file"
run_sync "" "$D"; is "an empty source: 1" $rc 1; like "says so" "$errors" 'name of the source is empty'; run_sync "$S" ""; is "an empty destination: 1" $rc 1; like "says so" "$errors" 'name of the destination is empty'
run_sync -rlptgoD "$S" "$D"; is "rsync's -p: 1" $rc 1; like "says that it is the port" "$errors" '--port tgoD: .*-p is not rsync'
run_sync -e false "$S" "host:$D"; is "a program of -e that just ends: 12" $rc 12; like "is named, and how it ended" "$errors" 'the program false ended early: exit 1$'
run_sync -e "sh -c 'echo no way >&2; exit 2'" "$S" "host:$D"; like "or what it said" "$errors" 'the program sh ended early: no way$'
if [ "$(id -u)" = 0 ]; then
	chmod 755 "$T"; cp "$SNAPSYNC" "$T/program"; rc=0; errors=$(setpriv --reuid=4242 --clear-groups "$T/program" --state-dir "$T/no/state" "$S" "$D" 2>&1) || rc=$?
	is "a state directory that may not be made: 11" $rc 11; like "says why, and how to go on" "$errors" 'state directory .* cannot be made \(--state-dir .*: Permission denied$'
fi
# -P: percent that never goes back, a rate, the time left; 100 at the end.
mkdir "$T/psrc"; head -c 6000000 /dev/urandom >"$T/psrc/large"; for i in 1 2 3 4 5 6 7 8; do echo $i >"$T/psrc/$i"; done
script -qec "$SNAPSYNC -P --bwlimit=4M --state-dir $T/state $T/psrc $T/pdst" /dev/null </dev/null | tr '\r' '\n' | grep % >"$T/ticks"
ok "-P shows several steps" test "$(wc -l <"$T/ticks")" -ge 4
ok "-P never goes back" sh -c "sed 's/.* \([0-9]*\)%.*/\1/' '$T/ticks' | sort -nc"
like "-P names the file" "$(cat "$T/ticks")" '[0-9.]+M +[0-9]+% +[0-9.]+M/s +0:00:0[0-9]  large'
like "-P ends with 100" "$(tail -n 1 "$T/ticks")" ' 100% '
# --bwlimit holds the rate, in its units.
for limit in 2000KB 1954 2MB; do
	rm -rf "$T/bw" "$T/bwstate"; begin=$(date +%s%N); run_sync --bwlimit=$limit --state-dir "$T/bwstate" "$T/psrc" "$T/bw"
	ms=$((($(date +%s%N) - begin) / 1000000)); ok "--bwlimit=$limit: 6 MB in $ms ms" test "$rc" = 0 -a $ms -gt 2500 -a $ms -lt 6000
done
run_sync --bwlimit=fast "$S" "$D"; is "--bwlimit=fast: usage" $rc 1
finish
