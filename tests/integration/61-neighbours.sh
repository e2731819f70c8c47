#!/bin/sh
# What one entry is, or what becomes of it, must not keep its neighbours from
# getting right: directories and files that their owner may not write or read,
# sources of copies that go in the same pass, hard links whose first name has no room.
. "$(dirname "$0")/lib.sh"
need setpriv
S=$T/src D=$T/dst
if [ "$(id -u)" != 0 ]; then
	echo "# not root: a helper of another user cannot be tried"
	ok "root is needed" false; finish
fi
# The helper is somebody else, who has but his own rights.
user=4242
chmod 711 "$T"; cp "$BUILD/snapsync-helper" "$T/helper"
printf '#!/bin/sh\nexec setpriv --reuid=%s --regid=%s --clear-groups %s "$@"\n' $user $user "$T/helper" >"$T/as-user"; chmod +x "$T/as-user"
fresh() { rm -rf "$S" "$D" "$T/state"; mkdir "$S" "$D"; chown $user:$user "$S" "$D"; }
as_user() { chown -R $user:$user "$S"; run_sync --helper-path "$T/as-user" "$@" "$S" "$D"; }
begin() { as_user; is "$1: the first run: 0" $rc 0; settle; }
equal() { is "$1: 0" $rc 0; is "$1: nothing to say" "$errors" ""; ok "$1: equal" same "$S" "$D"; }
# A directory gets another parent by a change of itself.
fresh; mkdir "$S/a" "$S/b"; echo 1 >"$S/a/1"; echo 2 >"$S/b/2"; chmod 555 "$S/a" "$S/b"; begin "two that change places"
mv "$S/a" "$S/x"; mv "$S/b" "$S/a"; mv "$S/x" "$S/b"; as_user; equal "two that change places"
fresh; mkdir -p "$S/p/ro" "$S/q/ro2/sub"; echo 1 >"$S/p/ro/f"; echo 2 >"$S/q/ro2/sub/g"; echo 3 >"$S/q/h"; chmod 555 "$S/p/ro" "$S/q/ro2" "$S/q/ro2/sub" "$S/q"; begin "other parents"
mv "$S/p/ro" "$S/q/ro"; mv "$S/q/ro2/sub" "$S/p/sub"; mv "$S/q/h" "$S/p/sub/h"; as_user; equal "other parents"
mv "$S/q" "$S/x"; mv "$S/p" "$S/q"; mv "$S/x" "$S/p"; as_user; equal "with all that is in them"
mv "$S/p" "$S/x"; mkdir "$S/p"; mv "$S/x" "$S/p/inner"; chmod 555 "$S/p"; as_user; equal "into a new one of its own name"
fresh; mkdir "$S/a" "$S/b"; echo 1 >"$S/a/1"; echo 2 >"$S/b/2"; chmod 555 "$S/a"; begin "replaced by another"
rm -r "$S/a"; mv "$S/b" "$S/a"; as_user; equal "replaced by another"
fresh; for i in $(seq 300); do mkdir -p "$S/from/$i"; echo $i >"$S/from/$i/f"; done; mkdir "$S/to"; chmod 555 "$S"/from/*; begin "many"
mv "$S"/from/* "$S/to/"; as_user; equal "many"; is "many: their modes" "$(stat -c %a "$D"/to/* | sort | uniq -c | tr -d ' ')" 300555
fresh; mkdir "$S/a" "$S/b"; echo 1 >"$S/a/1"; echo 2 >"$S/b/2"; chmod 555 "$S/a"; begin "with another's files"
chmod 755 "$D/a"; echo theirs >"$D/a/theirs"; chown $user:$user "$D/a/theirs"; chmod 555 "$D/a"; rm -r "$S/a"; mv "$S/b" "$S/a"; as_user
is "with another's files: 0" $rc 0; is "they are kept, beside what came" "$(cat "$D/a/theirs" "$D/a/2")" "theirs
2"
# What its owner may not read is no source of copies: it is sent, and nobody has changed anything.
for size in 1500 500000; do
	fresh; head -c $size /dev/urandom >"$S/shadow"; chmod 000 "$S/shadow"; begin "$size bytes that cannot be read"
	cp -p "$S/shadow" "$S/shadow-"; as_user --stats; is "the same content: 0" $rc 0; is "the same content: nothing to say" "$errors" ""; is "it is sent, once" "$(stat_of 'Literal data')" $size
	ok "the same content" cmp "$S/shadow" "$D/shadow-"; as_user --stats; is "$size bytes: the next run has nothing to do" "$rc $errors $(stat_of 'Operations sent')" "0  0"
	echo more >>"$S/shadow-"; settle; as_user; is "appended to: 0" $rc 0; is "appended to: nothing to say" "$errors" ""; ok "appended to" cmp "$S/shadow-" "$D/shadow-"
	rm "$S/shadow"; cp "$S/shadow-" "$S/third"; chmod 000 "$S/third"; mv "$S/shadow-" "$S/moved"; rm "$S/moved"; as_user; is "of one that goes: 0" $rc 0; ok "of one that goes" cmp "$S/third" "$D/third"
done
# Copied and deleted in one pass, and more than one batch: what an earlier batch removes is no source.
fresh; mkdir "$S/d"; for i in $(seq 5000); do echo "the content of file $i" >"$S/d/f$i"; done; run_sync "$S" "$D"; settle
cp -r "$S/d" "$S/e"; rm -r "$S/d"; run_sync --force-delete --stats "$S" "$D"; equal "5000 copied, and deleted"; is "none fails" "$(stat_of 'Operations failed')" 0; is "each is sent once" "$(stat_of 'Files sent')" 5000
# A directory of somebody else has one name of three: the others are made, whichever comes first.
for there in a b c; do
	fresh; mkdir "$D/$there"; echo theirs >"$D/$there/theirs"; echo one >"$S/a"; ln "$S/a" "$S/b"; ln "$S/a" "$S/c"; echo k >"$S/k"
	run_sync "$S" "$D"; is "another's directory has $there: 23" $rc 23; unlike "$there: it is told why" "$errors" 'not permitted'; like "$there: it is told why" "$errors" "$there: a directory is in the way"
	run_sync "$S" "$D"; is "$there: still 23" $rc 23; ok "$there: what is theirs is kept" test -e "$D/$there/theirs"
	is "$there: the other names are there, and one file" "$(cd "$D" && find . -path ./.snapsync -prune -o -type f -name '[abc]' -links 2 -printf . -exec cat {} \;)" ".one
.one"
	rm -r "${D:?}/$there"; run_sync "$S" "$D"; equal "$there: and it goes"; is "$there: three names" "$(stat -c %h "$D/a")" 3
done
fresh; echo one >"$S/d"; run_sync "$S" "$D"; mkdir "$D/a"; echo theirs >"$D/a/theirs"; ln "$S/d" "$S/a"; ln "$S/d" "$S/e"; settle
run_sync "$S" "$D"; is "new names of one that is there: 23" $rc 23; ok "the one that has room" test "$D/e" -ef "$D/d"; unlike "why not the other" "$errors" '^snapsync: e: |not permitted'
# One name of a file is another file now, which cannot be read: the file itself is read under its own name.
fresh; echo one >"$S/a"; ln "$S/a" "$S/b"; run_sync "$S" "$D"; settle; chmod 755 "$S"
chown -R $user:$user "$S" "$D" "$T/state"; echo secret >"$S/n"; chmod 600 "$S/n"; mv "$S/n" "$S/a"; echo edited >>"$S/b"; settle; cp "$BUILD/snapsync" "$T/snapsync"
setpriv --reuid=$user --regid=$user --clear-groups "$T/snapsync" --state-dir "$T/state" --helper-path "$T/helper" "$S" "$D" >"$T/.out" 2>"$T/.err"; rc=$?; out=$(cat "$T/.out"); errors=$(cat "$T/.err")
is "a name that is another file now: 23" $rc 23; like "it is named" "$errors" '^snapsync: a: '; ok "the file is sent" cmp "$S/b" "$D/b"
# Of a directory that may be listed but not searched, nobody can tell that all in it has gone.
weak() {
	setpriv --reuid=$user --regid=$user --clear-groups "$T/snapsync" --state-dir "$T/state" --helper-path "$T/helper" "$@" >"$T/.out" 2>"$T/.err"
	rc=$?; out=$(cat "$T/.out"); errors=$(cat "$T/.err")
}
fresh; mkdir "$S/d"; echo 1 >"$S/d/f"; echo 2 >"$S/d/x"; chown -R $user:$user "$S" "$D"; mkdir "$T/state"; chown $user:$user "$T/state"; weak "$S" "$D"; is "to be searched: 0" $rc 0; settle
rm "$S"/d/*; chmod 444 "$S/d"
for n in 1 2; do weak --chmod=Du+x --exclude=x "$S" "$D"; is "not to be searched, run $n: 23" $rc 23; is "which is told, but not of what is excluded" "$(printf '%s\n' "$errors" | grep -c 'd/[fx]: cannot be looked at')" 1; done
ok "nothing is deleted" test -f "$D/d/f" -a -f "$D/d/x"; chmod 755 "$S/d"; weak --exclude=x "$S" "$D"; is "searched again: 0" $rc 0; is "it goes" "$(ls "$D/d")" x
# A directory that the helper made and may not look into: for a listing it gives itself access, and takes it back.
closed() { # MODE
	fresh; mkdir -p "$S/y/z" "$T/state"; echo k >"$S/k"; echo f >"$S/y/f"; echo g >"$S/y/z/g"; chmod "$1" "$S/y/z" "$S/y"
	as_user; is "mode $1 is mirrored" "$rc $(modes)" "0 $1 $1 "; settle
}
others() { chown -R $user:$user "$S" "$T/state"; weak "$@" "$S" "$D"; }
modes() { stat -c %a "$D/y" "$D/y/z" | tr '\n' ' '; }
for mode in 0 100 444; do
	closed $mode; rm -rf "$S/y" "$T/state"; mkdir "$T/state"; others --delete; equal "mode $mode, gone, and the state lost"
	closed $mode; rm -r "$S/y"; echo file >"$S/y"; others --verify --delete --force-delete; equal "mode $mode, a file takes its place"
	closed $mode; was=$(stat -c %z "$D/y"); rm "$S/y/f"; echo new >"$S/y/new"; as_user --verify -n
	is "mode $mode, --verify -n: 23" $rc 23; like "it is named" "$errors" 'y: cannot be looked at'; is "and not touched" "$(stat -c %z "$D/y")" "$was"
	rm -rf "$T/state"; as_user -i; is "mode $mode, the state lost: 0" $rc 0; is "its mode again" "$(modes)" "$mode $mode "
	is "what is new is sent, and nothing else" "$(printf '%s\n' "$out" | tr -s '+' | tr '\n' ' ')" "<f+ y/new .d..t...... y/ "
	rm "$D/y/f" "$D/y/new"; as_user --verify; ok "mode $mode, --verify: equal" same "$S" "$D"; is "what is missing is told" "$(printf '%s\n' "$out" | grep '^\*')" "*missing    y/new"
	is "mode $mode, --verify: its mode again" "$(modes)" "$mode $mode "
done
# Also where the listing ends in the midst of it.
need strace
printf '#!/bin/sh\nexec strace -f -qq -o /dev/null -P %s -e trace=getdents64 -e inject=getdents64:error=EIO %s "$@"\n' "$D/y" "$T/as-user" >"$T/breaks"; chmod +x "$T/breaks"
closed 0; run_sync --helper-path "$T/breaks" --verify "$S" "$D"; is "a listing that breaks off: 23" $rc 23; like "it is named" "$errors" 'y: cannot be looked at'; is "its mode again" "$(modes)" "0 0 "
sed -i 's/error=EIO/signal=KILL/' "$T/breaks"; run_sync --helper-path "$T/breaks" --verify "$S" "$D"; is "killed in the midst of it: 12" $rc 12; is "read and search permission are left" "$(modes)" "500 0 "
as_user --verify; is "which --verify finds" "$rc $out" "0 *changed    y/ (mode)"; is "and puts right" "$(modes)" "0 0 "
finish
