# Sourced, after lib-sshd.sh: a relay in front of the sshd (tests/tool/relay.c).
#
#   relay_start OPTION...   Host alias "relayed" goes through it; RELAY_PID
#   relay_say p, relay_say f   no more faults; faults again
#   relay_stop
RELAY=$BUILD/tests/relay RELAY_PID=
relay_start() {
	mkfifo "$T/ssh/relay.in" 2>/dev/null
	"$RELAY" "$@" "$SSH_PORT" <"$T/ssh/relay.in" >"$T/ssh/relay.out" &
	RELAY_PID=$!
	exec 7>"$T/ssh/relay.in"
	while [ ! -s "$T/ssh/relay.out" ]; do kill -0 $RELAY_PID || return 1; sleep 0.02; done
	RELAY_PORT=$(cat "$T/ssh/relay.out")
	echo "[127.0.0.1]:$RELAY_PORT $(cut -d' ' -f1,2 "$T/ssh/host_ed25519.pub")" >>"$T/ssh/known_hosts"
	{ echo "Host relayed"; echo " HostName 127.0.0.1"; echo " Port $RELAY_PORT"; echo " User $(id -un)"; cat "$T/ssh/config"; } >"$T/ssh/relay_config"
}
relay_say() { printf %s "$1" >&7; }
# It ends with its standard input, too.
relay_stop() { [ -n "$RELAY_PID" ] || return 0; exec 7>&-; kill "$RELAY_PID" 2>/dev/null; wait "$RELAY_PID" 2>/dev/null; RELAY_PID=; : >"$T/ssh/relay.out"; }
