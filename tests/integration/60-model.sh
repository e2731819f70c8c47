#!/bin/sh
# The model test, a short run of each kind.  SEED=n repeats one; the longer
# run is `make torture`.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-sshd.sh"
seed=${SEED:-$(date +%s)}
# model "what" steps way program arguments...
model() {
	what=$1 steps=$2 way=$3; shift 3
	seed=$((seed + 1)); D=$T/m$seed; mkdir "$D"
	echo "# $what: seed $seed"
	# shellcheck disable=SC2086
	"$BUILD/tests/model" --seed $seed --steps $steps $way "$D" "$@" >"$D/log" 2>&1; rc=$?
	grep '^# [0-9]' "$D/log"
	ok "$what: seed $seed" test $rc = 0 || { tail -30 "$D/log" | sed 's/^/# /'; cp -a "$D" "${TMPDIR:-/tmp}/snapsync-model-$seed"; echo "# kept: ${TMPDIR:-/tmp}/snapsync-model-$seed"; }
	chmod -R u+rwx "$D"; rm -rf "$D"
}
local_model() { what=$1 steps=$2 way=$3; shift 3; next=$T/m$((seed + 1))
	model "$what" "$steps" "$way" "$@" --max-delete=100% --state-dir "$next/state" "$next/src" "$next/dst"; }
local_model "local" 150 "" "$SNAPSYNC"
local_model "local, kill -9" 60 --kill "$SNAPSYNC"
local_model "continuous" 10 --continuous "$SNAPSYNC" --interval 0.2
local_model "local, others delete at the destination" 60 --others "$SNAPSYNC" --delete
posix=$BUILD-posix
local_model "POSIX build" 100 "" "$posix/snapsync"
local_model "POSIX build, kill -9" 30 --kill "$posix/snapsync"
sshd_start || { ok "an sshd of our own" false; finish; }
ssh_model() { what=$1 steps=$2 way=$3; shift 3; next=$T/m$((seed + 1))
	model "$what" "$steps" "$way" "$SNAPSYNC" "$@" --max-delete=100% --ssh-config "$T/ssh/config" --helper-path "$BUILD/snapsync-helper" \
		--state-dir "$next/state" "$next/src" "testhost:$next/dst"; }
ssh_model "over sshd with libssh2" 60 ""
ssh_model "over sshd with libssh2, kill -9" 30 --kill
ssh_model "over sshd with libssh2, continuous" 6 --continuous --interval 0.2
ssh_model "over sshd with -e" 30 "" -e "ssh -F $T/ssh/config"
finish
