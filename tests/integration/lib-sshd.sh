# Sourced: an sshd of our own on a free loopback port, below $T/ssh.
#
#   sshd_start          sets SSH_PORT; files in $T/ssh: config (Host alias
#                       testhost), known_hosts, id_ed25519, id_ecdsa, id_rsa,
#                       id_locked (passphrase "secret"), authorized_keys
#   sshd_stop, sshd_restart
need ssh ssh-keygen ssh-agent ssh-add
SSHD=$(command -v sshd || echo /usr/sbin/sshd)
need "$SSHD"
sshd_run() {
	[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
	"$SSHD" -D -e -f "$T/ssh/sshd_config" 2>>"$T/ssh/log" &
	SSHD_PID=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		ssh -F "$T/ssh/config" -o BatchMode=yes testhost true 2>/dev/null && return 0
		kill -0 "$SSHD_PID" 2>/dev/null || return 1
		sleep 0.1
	done
	return 1
}
sshd_start() {
	mkdir -p "$T/ssh"
	for kind in ed25519 ecdsa rsa; do
		ssh-keygen -q -t $kind -N '' -f "$T/ssh/host_$kind" &&
		ssh-keygen -q -t $kind -N '' -f "$T/ssh/id_$kind" || return 1
	done
	ssh-keygen -q -t ed25519 -N secret -f "$T/ssh/id_locked"
	ssh-keygen -q -t ed25519 -N '' -f "$T/ssh/id_stranger"
	cat "$T"/ssh/id_ed25519.pub "$T"/ssh/id_ecdsa.pub "$T"/ssh/id_rsa.pub \
		"$T"/ssh/id_locked.pub >"$T/ssh/authorized_keys"
	try=0
	while [ $try -lt 20 ]; do
		try=$((try + 1))
		SSH_PORT=$((20000 + ($$ * 7 + try * 131) % 20000))
		cat >"$T/ssh/sshd_config" <<-END
			Port $SSH_PORT
			ListenAddress 127.0.0.1
			HostKey $T/ssh/host_ed25519
			HostKey $T/ssh/host_ecdsa
			HostKey $T/ssh/host_rsa
			AuthorizedKeysFile $T/ssh/authorized_keys
			PidFile $T/ssh/pid
			StrictModes no
			UsePAM no
			PermitRootLogin yes
			PasswordAuthentication no
			KbdInteractiveAuthentication no
			AllowTcpForwarding yes
			MaxStartups 100
			${SSHD_EXTRA:-}
		END
		sshd_known ed25519 ecdsa rsa
		ssh_config id_ed25519
		sshd_run && break
	done
	at_exit sshd_stop
	SSH_USER=$(id -un)
}
# known_hosts with these kinds of key
sshd_known() {
	: >"$T/ssh/known_hosts"
	for kind; do
		echo "[127.0.0.1]:$SSH_PORT $(cut -d' ' -f1,2 "$T/ssh/host_$kind.pub")" >>"$T/ssh/known_hosts"
	done
}
# the configuration with one identity and further lines
ssh_config() {
	{
		echo "Host testhost"
		echo " HostName 127.0.0.1"
		echo " Port $SSH_PORT"
		echo " User $(id -un)"
		echo "Host *"
		echo " IdentityFile $T/ssh/$1"
		echo " IdentitiesOnly yes"
		echo " UserKnownHostsFile $T/ssh/known_hosts"
		echo " GlobalKnownHostsFile none"
		echo " StrictHostKeyChecking yes"
		shift
		for line; do echo " $line"; done
	} >"$T/ssh/config"
}
# The listener and the sessions below it.
sshd_stop() {
	[ -n "${SSHD_PID:-}" ] || return 0
	for p in $(sshd_children "$SSHD_PID") "$SSHD_PID"; do kill "$p" 2>/dev/null; done
	wait "$SSHD_PID" 2>/dev/null
	SSHD_PID=
}
# All of them; a subshell for each level, so that it keeps its own variables.
sshd_children() (
	for c in $(ps -o pid= --ppid "$1" 2>/dev/null); do
		sshd_children "$c"; echo "$c"
	done
)
