#!/bin/sh
# Over a real sshd: addresses, keys, known hosts, and every way to fail.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-sshd.sh"
need script
sshd_start || { ok "an sshd of our own" false; sed 's/^/# /' "$T/ssh/log"; finish; }
S=$T/src; mkdir -p "$S/d"; echo 1 >"$S/d/f"; head -c 3000000 /dev/urandom >"$S/big"; ln "$S/big" "$S/hard"
helper="--helper-path $BUILD/snapsync-helper"
conf="--ssh-config $T/ssh/config"
unset SSH_AUTH_SOCK
n=0
# ssh_sync "what" options... : to a new destination, which must become equal
ssh_sync() {
	what=$1; shift; n=$((n + 1))
	run_sync $conf $helper "$@" "$S" "${HOST:-testhost}:$T/d$n"
	ok "$what" same "$S" "$T/d$n"
}
# refused "what" status "text" options...
refused() {
	what=$1 wanted=$2 text=$3; shift 3; n=$((n + 1))
	run_sync $conf "$@" "$S" "${HOST:-testhost}:$T/d$n"
	is "$what: exit" $rc "$wanted"; like "$what: says so" "$errors" "$text"
	is "$what: one line" "$(printf '%s\n' "$errors" | wc -l)" 1
}
ssh_sync "a Host alias" --stats
sent=$(stat_of 'Bytes sent'); ok "the bytes are counted: $sent" test "$sent" -gt 3000000 -a "$sent" -lt 3200000
run_sync $conf $helper --stats "$S" "testhost:$T/d$n"; is "nothing changed: no connection" "$(stat_of 'Bytes sent')" 0
mv "$S/big" "$S/d/big"; run_sync $conf $helper --stats "$S" "testhost:$T/d$n"
ok "a move" same "$S" "$T/d$n"; ok "sends few bytes: $(stat_of 'Bytes sent')" test "$(stat_of 'Bytes sent')" -lt 5000
HOST="$SSH_USER@testhost" ssh_sync "user@host"
run_sync $conf $helper "$S" "ssh://$SSH_USER@127.0.0.1:$SSH_PORT$T/url"; ok "ssh://user@host:port/path" same "$S" "$T/url"
HOST=127.0.0.1 ssh_sync "-p" -p "$SSH_PORT"
mkdir -p "$T/home"; run_sync $conf $helper "$S" "testhost:$(printf 'odd name\n;$(touch x)')"
(cd ~ && "$TREECMP" "$S" "$(printf 'odd name\n;$(touch x)')") >/dev/null; is "a relative path with odd bytes" "$rc $?" "0 0"
rm -rf ~/"$(printf 'odd name\n;$(touch x)')"
ssh_sync "-e" -e "ssh -F $T/ssh/config"
ssh_sync "-e with quotes" -e "ssh '-F' \"$T/ssh/config\" -o 'BatchMode yes'"
for key in id_ecdsa id_rsa; do ssh_config $key; ssh_sync "$key from its file"; done
ssh_config id_stranger; ssh_sync "--identity" --identity "$T/ssh/id_ed25519"
eval "$(ssh-agent -s)" >/dev/null; at_exit "kill $SSH_AGENT_PID"
for key in ed25519 ecdsa rsa; do
	mkdir -p "$T/hidden"; ssh-add -q "$T/ssh/id_$key"; mv "$T/ssh/id_$key" "$T/hidden/"; ssh_config id_$key
	ssh_sync "$key key in an agent"
	mv "$T/hidden/id_$key" "$T/ssh/"; ssh-add -q -D 2>/dev/null
done
unset SSH_AUTH_SOCK
# A passphrase, asked for on the terminal.
ssh_config id_locked
for where in ed25519 rsa; do
	[ $where = ed25519 ] || { ssh-keygen -q -p -P '' -N secret -f "$T/ssh/id_rsa" >/dev/null; ssh_config id_rsa; }
	n=$((n + 1))
	printf 'sleep 1; echo secret\n' | sh | script -qec "$SNAPSYNC --state-dir $T/state $conf $helper $S testhost:$T/d$n" /dev/null >"$T/tty" 2>&1
	ok "a passphrase from the terminal, $where" "$TREECMP" "$S" "$T/d$n"
	like "it was asked for" "$(cat "$T/tty")" '[Pp]assphrase'; unlike "and not echoed" "$(tail -n +2 "$T/tty")" 'secret'
done
ssh_config id_locked; command -v setsid >/dev/null && { n=$((n + 1)); setsid -w "$SNAPSYNC" --state-dir "$T/state" $conf $helper "$S" "testhost:$T/d$n" </dev/null >"$T/.out" 2>"$T/.err"; rc=$?; errors=$(cat "$T/.err")
is "a passphrase without a terminal: exit" $rc 5; like "says so" "$errors" '[Pp]assphrase|login'; }
ssh_config id_ed25519
# Known hosts.
sshd_known ed25519; ssh_sync "known only by its ed25519 key"
ssh-keygen -q -H -f "$T/ssh/known_hosts" >/dev/null 2>&1; rm -f "$T/ssh/known_hosts.old"; ok "the file is hashed" grep -q '^|1|' "$T/ssh/known_hosts"
ssh_sync "a hashed entry with a port"
printf 'garbage line without sense\n\n# comment\n' | cat - "$T/ssh/known_hosts" >"$T/kh"; mv "$T/kh" "$T/ssh/known_hosts"; ssh_sync "garbage before the entry"
sshd_known ecdsa; ssh_sync "known only by its ecdsa key"
sshd_known ed25519; sed -i 's/^/@revoked /' "$T/ssh/known_hosts"; refused "a revoked key" 5 'revoked' $helper
sshd_known; refused "an unknown host" 5 'accept-new-host-key' $helper
is "nothing was added" "$(wc -c <"$T/ssh/known_hosts")" 0
ssh_sync "--accept-new-host-key" --accept-new-host-key; ok "its key was added" test -s "$T/ssh/known_hosts"
ssh_sync "and is known from then on"
echo "[127.0.0.1]:$SSH_PORT $(cut -d' ' -f1,2 "$T/ssh/id_ed25519.pub")" >"$T/ssh/known_hosts"
refused "a changed key" 5 'ssh-keygen -R' $helper
refused "a changed key with --accept-new-host-key" 5 'ssh-keygen -R' $helper --accept-new-host-key
sshd_known ed25519 ecdsa rsa
# Ways round.
printf 'Host far\n HostName 127.0.0.1\n Port %s\n ProxyJump testhost\n' "$SSH_PORT" | cat - "$T/ssh/config" >"$T/c"; mv "$T/c" "$T/ssh/config"
HOST=far ssh_sync "ProxyJump"
ssh_config id_ed25519
printf 'Host via\n HostName 127.0.0.1\n Port %s\n ProxyCommand ssh -F %s -W %%h:%%p testhost\n' "$SSH_PORT" "$T/ssh/config" | cat - "$T/ssh/config" >"$T/c2"; cp "$T/c2" "$T/ssh/config2"
run_sync --ssh-config "$T/ssh/config2" $helper "$S" "via:$T/viad"; ok "ProxyCommand" same "$S" "$T/viad"
# Failures.
refused "no helper there" 5 'no-helper was not found on testhost: install.*--helper-path' --helper-path "$T/no-helper"
refused "no helper there, -e" 5 'snapsync-helper|no-helper' --helper-path "$T/no-helper" -e "ssh -F $T/ssh/config"
printf '#!/bin/sh\necho Welcome to this machine\nexec %s "$@"\n' "$BUILD/snapsync-helper" >"$T/noisy"; chmod +x "$T/noisy"
refused "a shell that talks" 2 'Welcome to this machine.*shell print' --helper-path "$T/noisy"
printf '#!/bin/sh\nexit 3\n' >"$T/dying"; chmod +x "$T/dying"; run_sync $conf --helper-path "$T/dying" "$S" "testhost:$T/dd"; ok "a helper that dies: exit $rc" test $rc = 5 -o $rc = 12
ssh_config id_stranger; refused "login refused" 5 'login|refused|authenti' $helper; ssh_config id_ed25519
refused "nobody listens" 10 'refused' $helper -p 1
HOST=no-such-host.invalid refused "unknown host" 10 'no-such-host.invalid' $helper
run_sync $conf $helper "$S" testhost:/proc/nope; is "not writable: 11" $rc 11; like "not writable: says so" "$errors" '/proc/nope'
run_sync $conf $helper "$S" testhost; is "no colon is a local path" $rc 0; rm -rf testhost
run_sync $conf $helper -e "$T/no-program" "$S" "testhost:$T/x"; is "-e with a missing program: 5" $rc 5; like "is named" "$errors" "$T/no-program of -e was not found"
# A server that accepts and says nothing.
perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => 0) or die; $| = 1; print $s->sockport, "\n"; alarm 60; while (1) { push @c, $s->accept }' >"$T/port" & mute=$!
at_exit "kill $mute 2>/dev/null"; while [ ! -s "$T/port" ]; do sleep 0.1; done
start=$(date +%s); HOST=127.0.0.1 refused "a mute server" 35 'seconds|time' $helper --contimeout 2 -p "$(cat "$T/port")"
ok "after --contimeout" test $(($(date +%s) - start)) -lt 6
"$SNAPSYNC" --state-dir "$T/state" --ssh-config "$T/ssh/config" -p "$(cat "$T/port")" "$S" 127.0.0.1:"$T/x" 2>"$T/.err" & pid=$!
sleep 1; kill -TERM $pid; wait $pid; rc=$? errors=$(cat "$T/.err"); is "stopped while it connects: 20, and nothing else is wrong" "$rc $errors" "20 "
finish
