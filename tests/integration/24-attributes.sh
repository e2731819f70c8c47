#!/bin/sh
# --chmod, --chown, --size-only, with rsync as the oracle where it has the same.
. "$(dirname "$0")/lib.sh"
need rsync
S=$T/src D=$T/dst
modes() { (cd "$1" && find . -path ./.snapsync -prune -o -printf '%P %y %m %U:%G\n' | sort); }
fresh() {
	rm -rf "$S" "$D" "$T/oracle" "$T/state"; mkdir -p "$S/d/e"; for m in 600 644 755 711 4755 640 777 7421 1124; do echo $m >"$S/d/f$m"; chmod $m "$S/d/f$m"; done
	echo x >"$S/d/e/x"; ln -s x "$S/d/e/l"; ln "$S/d/f640" "$S/d/e/hard"; chmod 2750 "$S/d/e"; chmod 700 "$S/d"; chmod 755 "$S"
}
as_rsync() { # what the options make of it, or that they are refused
	fresh; rsync -aH "$@" "$S/" "$T/oracle" 2>"$T/refused"; oracle=$?; run_sync "$@" "$S" "$D"
	if [ $oracle = 1 ]; then is "refused as rsync does: $*" $rc 1; return; fi
	modes "$T/oracle" >"$T/wanted"; modes "$D" >"$T/got"
	ok "as rsync: $*" diff "$T/wanted" "$T/got"
}
for m in D755,F644 go-rwx u+w,go= +X a+X Dg+s,ug+w,Fo-w,+X F600 u=rwX,g=rX,o= -x Fa-x,+X a+t ug-s u+s D-w Do+x; do as_rsync --chmod="$m"; done
# Set-id and sticky of nobody or others, X behind another part, what others have, D and F further on.
for m in o=s o+s o-s +s -s =s a=s u=s ug=s uo+s a-s ug=t g=t o=t a=t =t o=st +ts F-ts F-x,+X a=,+X u=xX u=rX,F-x,go+X g=u o=g,o-w go=u,F-x a=u =u +u g-u go-u,u=o uD+x DF+x \
	F0000644 7778 ug=rt,a-s g=ur u644 a=; do as_rsync --chmod="$m"; done
as_rsync --chmod=D700 --chmod=F600
if [ "$(id -u)" = 0 ]; then
	as_rsync --chown=daemon:daemon; as_rsync --chown=:bin; as_rsync --chown=7; as_rsync --chown=daemon --chmod=F640; as_rsync --numeric-ids --chown=12345:23456
fi
# A later run with the same ones has nothing to do; without them all is as in the source again.
fresh; run_sync --chmod=D755,F644 "$S" "$D"; settle
run_sync --stats --chmod=D755,F644 "$S" "$D"; is "again: nothing to do" "$(stat_of 'Operations sent')" 0; unlike "no connection" "$out" 'Bytes sent: [1-9]'
echo more >>"$S/d/f600"; run_sync --chmod=D755,F644 "$S" "$D"; is "an edited file keeps it" "$(stat -c %a "$D/d/f600")" 644; ok "and its content" cmp "$S/d/f600" "$D/d/f600"
chmod 400 "$S/d/f755"; run_sync --stats --chmod=D755,F644 "$S" "$D"; is "chmod of the source makes no difference" "$(stat -c %a "$D/d/f755")" 644
run_sync --stats "$S" "$D"; ok "without it: equal" same "$S" "$D"; is "by metadata only" "$(stat_of 'Files sent')" 0
run_sync -n -i --chmod=F600 "$S" "$D"; like "-n -i" "$out" '^\.f\.\.\.p\.\.\.\.\. d/f644$'; ok "-n changes nothing" same "$S" "$D"
for bad in '' 9 F D99999 u+q u 'u+r,' +r+ D; do run_sync --chmod="$bad" "$S" "$D"; is "--chmod='$bad': 1" $rc 1; done
for bad in '' : nobody-of-this-name :no-group-of-this-name; do run_sync --chown="$bad" "$S" "$D"; is "--chown='$bad': 1" $rc 1; done
# --size-only: at a first contact, and afterwards.
fresh; rsync -a "$S/" "$D"; touch -d 2001-01-01 "$D/d/f600"; echo 601 >"$D/d/f644"; echo longer >"$D/d/f755"
run_sync --stats --size-only "$S" "$D"; is "--size-only: 0" $rc 0; is "only what has another size is sent" "$(stat_of 'Files sent')" 1
is "other content of the same size stays" "$(cat "$D/d/f644")" 601; is "times are set" "$(stat -c %y "$D/d/f600")" "$(stat -c %y "$S/d/f600")"
settle; echo 999 >"$S/d/f600"; run_sync --stats --size-only "$S" "$D"; is "edited, same size: not sent" "$(stat_of 'Files sent')" 0
settle; echo 12345 >"$S/d/f600"; run_sync --stats --size-only "$S" "$D"; is "edited, another size: sent" "$(stat_of 'Files sent')" 1; ok "right" cmp "$S/d/f600" "$D/d/f600"
run_sync --size-only --verify -c "$S" "$D"; ok "-c has the last word" same "$S" "$D"
finish
