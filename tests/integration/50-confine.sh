#!/bin/sh
# What the system holds both programs to, that they say so, and owners, set-id
# bits and devices for a helper that is not root.
. "$(dirname "$0")/lib.sh"
need strace perl
S=$T/src D=$T/dst H=$BUILD/snapsync-helper
ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-}; leaky=$ASAN_OPTIONS # not below strace
export ASAN_OPTIONS
mkdir -p "$S/d/e"; for i in 1 2 3; do echo $i >"$S/d/f$i"; echo $i >"$S/d/e/g$i"; done; ln -s f1 "$S/d/l"; ln "$S/d/f2" "$S/d/e/hard"
abi=$(perl -e 'print syscall(444, 0, 0, 1)') plain=$BUILD-posix
case $BUILD in *-posix) abi=0 plain=$BUILD ;; esac # it does not ask the kernel
own='confined by its own checks only \('
if [ "$abi" -ge 2 ]; then
	echo "# Landlock ABI $abi"
	files=files; [ "$abi" -lt 4 ] || files="files, TCP"; alone=$files; [ "$abi" -lt 6 ] || alone="$files, signals"
	helper="^snapsync: helper: confined to DEST by Landlock \\(ABI $abi\\): $alone\$"
	reading="^snapsync: helper: confined to reading DEST by Landlock \\(ABI $abi\\)"
	client="^snapsync: client: confined to reading SRC and writing its state by Landlock \\(ABI $abi\\): $files\$"
else
	echo "# no Landlock here ($abi)"
	helper="^snapsync: helper: $own" reading=$helper client="^snapsync: client: $own"
fi
# It says what holds, with -v only.
run_sync -v "$S" "$D"; ok "equal" same "$S" "$D"; like "-v: the helper says what holds" "$errors" "$helper"; like "-v: the client too" "$errors" "$client"
echo x >"$S/d/x"; run_sync "$S" "$D"; is "without -v not a word" "$errors" ""
rm "$S/d/x"; run_sync -nv "$S" "$D"; like "-n: reading only" "$errors" "$reading"; ok "-n: nothing is changed" test -e "$D/d/x"
run_sync -nv "$S" "$T/none"; is "-n: a destination that is not there: 0" $rc 0; run_sync "$S" "$D"
run_sync -v "$S" "$T/made/on/the/way"; ok "a parent that has to be made" same "$S" "$T/made/on/the/way"; like "confined all the same" "$errors" "$helper"
"$plain/snapsync" -v --state-dir "$T/state-posix" "$S" "$T/posix" >/dev/null 2>"$T/.err"; rc=$?; errors=$(cat "$T/.err")
ok "POSIX=1: equal" same "$S" "$T/posix"; like "POSIX=1: its own checks only" "$errors" "^snapsync: helper: $own"; like "the client too" "$errors" "^snapsync: client: $own"
# With --interval: the helper is confined, the client is not and says so.
"$SNAPSYNC" -v --interval 0.2 --state-dir "$T/state-c" "$S" "$T/c" >/dev/null 2>"$T/cerr" & pid=$!; at_exit "kill $pid 2>/dev/null"
await test -e "$T/c/d/f1"; await grep -q 'helper: ' "$T/cerr"
like "--interval: not confined, and said" "$(cat "$T/cerr")" 'client: not confined \(with --interval'; like "--interval: the helper is" "$(cat "$T/cerr")" "$helper"
privs() { sed -n 's/^NoNewPrivs:[^0-9]*//p' "/proc/$1/status"; }
child=$(ps -o pid= --ppid $pid | tr -d ' ')
is "the helper can gain no privileges" "$(privs "$child")" $([ "$abi" -ge 2 ] && echo 1 || echo 0)
mv "$S/d/f1" "$S/d/e/f1"; ok "a move to another directory" await test -e "$T/c/d/e/f1"; kill $pid; wait $pid
# The helper under strace: confined before it does a thing for its peer, and it needs nothing outside.
cat >"$T/traced" <<END
#!/bin/sh
exec strace -f -qq -y -o $T/trace \$INJECT $H "\$@"
END
chmod +x "$T/traced"; export INJECT
main() { p=$(sed -n 's/^\([0-9]*\) *execve.*/\1/p' "$T/trace" | head -n 1); grep "^$p " "$T/trace"; }
line() { main | grep -n "$1" | head -n 1 | cut -d: -f1; }
INJECT=; echo new >"$S/d/new"; mv "$S/d/e/f1" "$S/d/f1"; rm "$S/d/l"; run_sync --helper-path "$T/traced" "$S" "$D"; ok "traced: equal" same "$S" "$D"
if [ "$abi" -ge 2 ]; then
	in=$(line landlock_restrict_self); ok "it is confined: line $in" test -n "$in"
	for call in renameat unlinkat 'redo>\?", O_RDWR' '"tmp"'; do at=$(line "$call"); ok "before $call: line $at" test "${at:-0}" -gt "$in"; done
	is "what it opens then is below DEST" "$(main | tail -n +$in | grep -E '^[0-9]+ +(open|openat)\(' | grep -v "openat([0-9]*<$D[/>]" | grep -v '/proc/self' | head -n 3)" ""
	is "nothing is refused" "$(tail -n +1 "$T/trace" | grep -c 'EACCES')" 0
fi
# A batch that was interrupted is finished by one that is confined already.
echo again >"$S/d/again"; INJECT='-e inject=pwrite64:signal=KILL:when=4' run_sync --helper-path "$T/traced" "$S" "$D"; INJECT=; run_sync --helper-path "$T/traced" "$S" "$D"
ok "killed and finished: equal" same "$S" "$D"; [ "$abi" -lt 2 ] || ok "confined before the log is read" test "$(line landlock_restrict_self)" -lt "$(line 'pread64(.*redo>')"
# Other kernels: older ones, and those that refuse.
older() { # what, inject, text
	echo "$1" >"$S/d/older"; mkdir -p "$S/d/$1"; mv "$S"/d/*/moved "$S/d/$1/" 2>/dev/null || echo m >"$S/d/$1/moved"
	INJECT="-e inject=$2" run_sync -v --helper-path "$T/traced" "$S" "$D"; ok "$1: equal" same "$S" "$D"; like "$1: says so" "$errors" "helper: $3"
}
if [ "$plain" = "$BUILD" ]; then echo "# POSIX=1: it asks no kernel"; else
older "no-Landlock" landlock_create_ruleset:error=ENOSYS "$own.*this kernel has no Landlock\\)"
older "switched-off" landlock_create_ruleset:error=EOPNOTSUPP "$own.*Landlock is switched off"
older "ABI-1" landlock_create_ruleset:retval=1:when=1 "$own.*too old\\)"
older "refused" landlock_create_ruleset:error=EPERM "$own"
fi
if [ "$abi" -ge 6 ]; then
	older "full" landlock_restrict_self:error=E2BIG "$own.*Landlock failed: "
	for v in 2 3; do older "ABI-$v" landlock_create_ruleset:retval=$v:when=1 "confined to DEST by Landlock \\(ABI $v\\): files\$"; done
	for v in 4 5; do older "ABI-$v" landlock_create_ruleset:retval=$v:when=1 "confined to DEST by Landlock \\(ABI $v\\): files, TCP\$"; done
	older "ABI-6" landlock_create_ruleset:retval=6:when=1 "confined to DEST by Landlock \\(ABI 6\\): files, TCP, signals\$"
else
	echo "# Landlock ABI $abi: what older ones and a full one make of it is not tried here"
fi
# The client under strace: confined before it hears a word of the helper; nothing that it needs is refused.
echo c >"$S/d/c"; rm -f "$T/trace"; strace -f -qq -y -o "$T/trace" "$SNAPSYNC" --state-dir "$T/state" --checksum "$S" "$D" >/dev/null 2>&1; rc=$?; ok "client traced: equal" same "$S" "$D"
if [ "$abi" -ge 2 ]; then
	in=$(line landlock_restrict_self); at=$(line 'recvfrom('); ok "client: confined ($in) before it listens ($at)" test "${at:-0}" -gt "${in:-99999}"
	is "client: what it opens then is source or state" "$(main | tail -n +"${in:-1}" | grep -E '^[0-9]+ +(open|openat)\(' | grep -v "\"$T/state/" | grep -v "([0-9]*<$S[/>]" | grep -v "\"$S\"" | grep -v '/proc/self\|"/dev/urandom"' | head -n 3)" ""
	is "client: nothing is refused" "$(grep -c 'EACCES' "$T/trace")" 0
fi
# A state directory that is a link, a database that is a link, and TMPDIR of SQLite's own.
mkdir "$T/real" "$T/tmp"; ln -s "$T/real" "$T/link"; run_sync --state-dir "$T/link" "$S" "$T/l1"; ok "a linked state directory" same "$S" "$T/l1"
db=$(ls "$T"/real/*/state.db); mv "$db" "$T/elsewhere.db"; ln -s "$T/elsewhere.db" "$db"; echo y >"$S/d/y"
run_sync --state-dir "$T/link" "$S" "$T/l1"; ok "a linked database" same "$S" "$T/l1"
echo z >"$S/d/z"; SQLITE_TMPDIR=$T/tmp run_sync "$S" "$D"; ok "SQLITE_TMPDIR" same "$S" "$D"; echo zz >"$S/d/z"; SQLITE_TMPDIR=$T/nope run_sync "$S" "$D"; ok "... that is not there" same "$S" "$D"
ASAN_OPTIONS=$leaky
if [ "$(id -u)" != 0 ]; then
	echo "# not root: a helper with fewer rights than the source's owner cannot be tried"
	finish
fi
# A helper of another user: nothing set-id that is not its owner's, no devices, and the rest arrives.
need setpriv
chmod 711 "$T"; cp "$H" "$T/helper"; mkdir "$T/nobody"; chown 65534:65534 "$T/nobody"
printf '#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --groups=65534,7 --no-new-privs %s "$@"\n' "$T/helper" >"$T/as-nobody"; chmod +x "$T/as-nobody"
N=$T/owned; mkdir "$N"; for f in root-setuid root-setgid nobody-setuid group7-setgid group9-setgid plain; do echo $f >"$N/$f"; done
chown 65534:65534 "$N/nobody-setuid"; chown 65534:7 "$N/group7-setgid"; chown 65534:9 "$N/group9-setgid"; chown 0:0 "$N"/root-*
chmod 4755 "$N/root-setuid" "$N/nobody-setuid"; chmod 2755 "$N/root-setgid" "$N"/group*
as_nobody() { run_sync --numeric-ids --helper-path "$T/as-nobody" "$@" "$N" "$T/nobody/m"; }
modes() { (cd "$T/nobody/m" && stat -c '%n %u:%g %a' -- * | tr '\n' ';'); }
wanted='group7-setgid 65534:7 2755;group9-setgid 65534:65534 755;nobody-setuid 65534:65534 4755;plain 65534:65534 644;root-setgid 65534:65534 755;root-setuid 65534:65534 755;'
as_nobody; is "a helper that is not root: 0" $rc 0; is "no set-id for another owner or group" "$(modes)" "$wanted"
settle; chmod 600 "$N"/*; as_nobody; settle; chmod 4755 "$N/root-setuid" "$N/nobody-setuid"; chmod 2755 "$N/root-setgid" "$N"/group*; chmod 644 "$N/plain"
as_nobody; is "nor by a change of mode alone" "$(modes)" "$wanted"
mknod "$N/device" c 1 3; echo more >"$N/more"; as_nobody; is "a device that it may not make: 23" $rc 23; like "is named" "$errors" 'device: '
ok "it is not there" test ! -e "$T/nobody/m/device"; ok "the rest arrives" cmp "$N/more" "$T/nobody/m/more"; rm "$N/device"
as_nobody; is "without it: 0" $rc 0
# Root's helper: the owner first, then the bits, and nobody else ever runs them: all of it before the file has its name.
echo s >"$N/s"; chown 65534:7 "$N/s"; chmod 6755 "$N/s"; ASAN_OPTIONS=detect_leaks=0:$leaky
INJECT='' run_sync --helper-path "$T/traced" "$N" "$T/rooted"; is "root's helper: owner and bits" "$(stat -c '%u:%g %a' "$T/rooted/s")" '65534:7 6755'
tmp=$(main | sed -n 's/.*renameat[2]*([0-9]*<[^>]*>, "\([a-z0-9]*\)", [0-9]*<[^>]*>, "s".*/\1/p')
chown=$(line "fchownat([^,]*, \"$tmp\", 65534, 7"); bits=$(line 'chmod(.*06755'); name=$(line "renameat.*\"$tmp\".*\"s\"")
ok "chown ($chown), chmod ($bits), name ($name)" test "${chown:-99999}" -lt "${bits:-0}" -a "${bits:-99999}" -lt "${name:-0}"
finish
