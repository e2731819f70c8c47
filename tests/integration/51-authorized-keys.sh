#!/bin/sh
# Keys that may do one thing only: forced commands with --root, --read-only and
# --no-delete, through a real sshd.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-sshd.sh"
need perl
sshd_start || { ok "an sshd of our own" false; sed 's/^/# /' "$T/ssh/log"; finish; }
S=$T/src A=$T/root-a B=$T/root-b H=$BUILD/snapsync-helper
unset SSH_AUTH_SOCK
mkdir -p "$S/d" "$A" "$B/secret"; for i in 1 2 3 4 5 6; do echo $i >"$S/d/f$i"; done; echo "of b" >"$B/secret/b"
for key in a b ro nodel; do
	ssh-keygen -q -t ed25519 -N '' -f "$T/ssh/id_$key"; ssh_config id_$key; mv "$T/ssh/config" "$T/ssh/config-$key"
done
forced() { echo "restrict,command=\"$1\" $(cat "$T/ssh/id_$2.pub")"; }
{
	forced "$H --root $A" a
	forced "$H --root $B" b
	forced "$H --root $A --read-only" ro
	forced "$H --root $A --no-delete" nodel
} >"$T/ssh/authorized_keys"
with() { key=$1; shift; run_sync --ssh-config "$T/ssh/config-$key" --state-dir "$T/state-$key" "$@"; }
untouched() { is "$1: b is as it was" "$(cd "$B" && find . | sort | tr '\n' ' ')$(cat "$B/secret/b")" '. ./secret ./secret/b of b'; }
# What is asked for as the helper does not count; relative paths begin at the root.
with a -v --helper-path "$T/no-such-helper" "$S" testhost:mirror; ok "a forced command, whatever --helper-path" same "$S" "$A/mirror"
like "the helper is ours" "$errors" 'helper: confined'
with a -e "ssh -F $T/ssh/config-a" "$S" testhost:program/mirror; ok "the same with -e" same "$S" "$A/program/mirror"
with a "$S" "testhost:$A/absolute"; ok "an absolute path that begins with the root" same "$S" "$A/absolute"
with a "$S" "testhost:$A"; is "the root itself: 0" $rc 0; ok "is written to" cmp "$S/d/f1" "$A/d/f1"; rm -rf "$A/d" "$A/.snapsync"
# Nothing leads out of it.
with a "$S" "testhost:$B/x"; ok "any other absolute path is one below the root" same "$S" "$A$B/x"; untouched "an absolute path"
for path in mirror/../../root-b/x "$A/../root-b/x" ..; do
	with a "$S" "testhost:$path"; is "$path: 5" $rc 5; like "$path: says why" "$errors" 'outside of what this key may use'; untouched "$path"
done
with a "$S" "testhost:${A}x/y"; ok "a name that only begins like the root" test ! -e "${A}x"
ln -s "$B" "$A/out"; ln -s ../root-b "$A/relative"
for path in out out/new relative/secret/new; do
	with a "$S" "testhost:$path"; is "through a link, $path: 11" $rc 11; untouched "through a link, $path"
done
with a -n -i --delete "$S" testhost:out/secret; is "nor can it be looked at: 11" $rc 11; unlike "nothing of b is told" "$out$errors" '\bb\b.*secret|/b$'
# A link that somebody puts into the mirror is not followed either.
rm -rf "$A/mirror/d"; ln -s "$B/secret" "$A/mirror/d"; echo 7 >"$S/d/f7"; echo more >>"$S/d/f1"
with a "$S" testhost:mirror; untouched "a link in the mirror"; ok "no file came through it" test ! -e "$B/secret/f7"
rm -rf "$A/mirror/d"; with a --verify "$S" testhost:mirror; ok "gone again: equal" same "$S" "$A/mirror"
# The other key has the other tree.
with b "$S" testhost:mirror; ok "key b" same "$S" "$B/mirror"; ok "into its own root" test ! -e "$A/mirror/mirror"; rm -rf "$B/mirror"
# No other command, no shell.
is "no other command" "$(ssh -F "$T/ssh/config-a" testhost cat "$B/secret/b" </dev/null 2>/dev/null | grep -c 'of b')" 0
# --read-only
echo new >"$S/d/new"; rm "$S/d/f2"; before=$(cd "$A" && find . -printf '%p %T@ %C@\n' | sort)
with ro -n -i "$S" testhost:mirror; is "--read-only: -n: 0" $rc 0; like "-n tells the differences" "$out" 'd/new$'; unlike "... only those" "$out" 'd/f3$'
with ro --verify -n "$S" testhost:mirror; is "--read-only: --verify -n finds differences: 23" $rc 23
for how in '' --delete --verify; do
	with ro $how "$S" testhost:mirror; is "--read-only: refused ${how:-(a sync)}: 5" $rc 5; like "says why" "$errors" 'the helper there is read-only'
	is "one line" "$(printf '%s\n' "$errors" | wc -l)" 1
done
with ro "$S" testhost:fresh; is "--read-only: a new destination: 5" $rc 5
is "--read-only: nothing has changed" "$(cd "$A" && find . -printf '%p %T@ %C@\n' | sort)" "$before"
# ... and it is the helper that says no: a client that promises a dry run and stages.
printf '#!/bin/sh\ntee %s/said | exec ssh -F %s/ssh/config-ro "$@"\n' "$T" "$T" >"$T/tee"; chmod +x "$T/tee"
with ro -n -e "$T/tee" "$S" testhost:mirror; ok "the HELLO of a dry run" test -s "$T/said"
perl -e 'open F, "<", $ARGV[0] or die; local $/; $said = <F>; $| = 1; print substr($said, 0, 8 + unpack "V", $said); # HELLO
	$stage = pack "QQV", 1, 0, 0; print pack("VCCv", length $stage, 32, 0, 0), $stage; sleep 1' "$T/said" | ssh -F "$T/ssh/config-ro" testhost any >"$T/answer" 2>/dev/null
ok "--read-only: staging in a dry run is refused" grep -aq 'may not change anything' "$T/answer"
is "and nothing has changed" "$(cd "$A" && find . -printf '%p %T@ %C@\n' | sort)" "$before"
# --no-delete
with nodel "$S" testhost:nodel; ok "--no-delete: a first copy" same "$S" "$A/nodel"
echo 8 >"$S/d/f8"; echo changed >"$S/d/f3"; mv "$S/d/f4" "$S/d/moved"; rm "$S/d/f5" "$S/d/f6"
with nodel "$S" testhost:nodel; is "--no-delete: 23" $rc 23
for f in f5 f6; do like "$f is named" "$errors" "d/$f: deletes are forbidden at the destination"; ok "$f is there" test -e "$A/nodel/d/$f"; done
for f in f8 f3 moved; do ok "$f has come" cmp "$S/d/$f" "$A/nodel/d/$f"; done
rm -r "$S/d"; mkdir "$S/d"; echo 1 >"$S/d/one"; with nodel "$S" testhost:nodel; is "a whole directory: 23" $rc 23
ok "is still there" test -e "$A/nodel/d/f3"; ok "what is new has come" cmp "$S/d/one" "$A/nodel/d/one"
like "--status shows what is left" "$("$SNAPSYNC" --state-dir "$T/state-nodel" --status "$S")" 'deletes are forbidden'
sed -i 's/ --no-delete//' "$T/ssh/authorized_keys"; with nodel "$S" testhost:nodel; ok "allowed again: equal" same "$S" "$A/nodel"
finish
