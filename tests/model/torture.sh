#!/bin/sh
# torture.sh SECONDS [SEED [WAY]]: the model test over and over, in all its
# ways, until the time is up; with random faults of every kind together: either
# side killed, the network cut, frozen and in crumbs, system calls that fail,
# others who change the destination.  Every round has its seed and its way
# printed; the first that fails ends it, and these two repeat it (the
# operations and the faults are the same; where they meet is up to the clock).
. "$(dirname "$0")/../integration/lib.sh"
need strace
SSHD_EXTRA="LoginGraceTime 20"
. "$TOP/tests/integration/lib-sshd.sh"
. "$TOP/tests/integration/lib-relay.sh"
cd "$TOP" || exit 1
unset SSH_AUTH_SOCK
end=$(($(date +%s) + ${1:-60}))
first=${2:-}; [ -n "$first" ] || first=$(date +%s)
ways=${3:-"local-faults ssh-faults local-continuous program-faults ssh-continuous local local-faults ssh-faults"}
export RELAY
sshd_start || { echo "not ok: no sshd of our own"; exit 1; }
at_exit relay_stop
longest=40 # of a round, in seconds
[ "${1:-60}" -gt 300 ] || longest=$((${1:-60} / 7 + 1))
# round WAY SEED: one run of the model
round() {
	D=$T/$2; mkdir "$D"; ln -s "$BUILD/snapsync-helper" "$D/snapsync-helper"
	printf '#!/bin/sh\n[ ! -s %s ] || exec $(cat %s) %s "$@"\nexec %s "$@"\n' "$D/before" "$D/before" "$D/snapsync-helper" "$D/snapsync-helper" >"$D/helper"
	chmod +x "$D/helper"
	left=$((end - $(date +%s))); [ $left -lt $longest ] || left=$longest; [ $left -gt 3 ] || left=3
	model="--seed $2 --steps 10000 --seconds $left"
	args="--helper-path $D/helper --delete --max-delete=100% --timeout 4 --contimeout 8 --state-dir $D/state"
	dest=$D/dst
	case $1 in ssh-*|program-*)
		relay_start --chaos $((30000 << $2 % 5)) --seed "$2" --log "$D/relay.log"; relay_say p
		model="$model --relay $T/ssh/relay.in"; dest=relayed:$dest
		args="$args --ssh-config $T/ssh/relay_config" ;;
	esac
	case $1 in *-faults) model="$model --faults" ;; *-continuous) model="$model --ops 60 --continuous --faults"; args="$args --interval 0.1" ;; esac
	case $1 in
	# shellcheck disable=SC2086
	program-*) "$BUILD/tests/model" $model "$D" "$SNAPSYNC" $args -e "ssh -F $T/ssh/relay_config" "$D/src" "$dest" >"$D/log" 2>&1 ;;
	# shellcheck disable=SC2086
	*) "$BUILD/tests/model" $model "$D" "$SNAPSYNC" $args "$D/src" "$dest" >"$D/log" 2>&1 ;;
	esac
	rc=$?
	case $1 in ssh-*|program-*) relay_stop ;; esac
	return $rc
}
: >"$T/sums"
n=0 seed=$first
while [ "$(date +%s)" -lt $end ]; do
	for way in $ways; do
		[ "$(date +%s)" -lt $end ] || break
		if ! round "$way" $seed; then
			kept=${TMPDIR:-/tmp}/snapsync-torture-$seed
			cp -a "$T/$seed" "$kept"; cp -a "$T/ssh/log" "$kept/sshd.log"
			tail -100 "$T/$seed/log"
			echo "not ok: way $way, seed $seed; all of it is kept in $kept"
			echo "again: make torture SECONDS=$longest SEED=$seed WAY=$way"
			exit 1
		fi
		n=$((n + 1))
		sed -n 's/^# \([pb][a-z]* [0-9].*\)/\1/p' "$D/log" | tee -a "$T/sums" | sed "s/^/seed $seed $way: /"
		chmod -R u+rwx "$D" 2>/dev/null; rm -rf "$D"
		seed=$((seed + 1))
	done
done
awk -v n=$n -v first="$first" '{ for (i = 1; i < NF; i += 2) sum[$i] += $(i + 1) }
END {
	printf "%d rounds from seed %s, 0 failed: %d good passes and %d bursts of continuous mode, %d operations; faults:", n, first, sum["passes"], sum["bursts"], sum["operations"]
	printf " %d kill -9, %d network, %d system calls, %d changes by others\n", sum["kill"], sum["network"], sum["calls"], sum["others"]
}' "$T/sums"
