#!/bin/sh
# torture.sh SECONDS [SEED]: the model test over and over, in all its ways,
# until the time is up.  Every seed is printed; the first failure ends it.
set -u
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
T=$(mktemp -d "${TMPDIR:-/tmp}/snapsync-torture.XXXXXX") || exit 1
end=$(($(date +%s) + ${1:-60}))
seed=${2:-$(date +%s)}
n=0
while [ "$(date +%s)" -lt $end ]; do
	for how in "" --kill --others --continuous; do
		[ "$(date +%s)" -lt $end ] || break
		n=$((n + 1)); seed=$((seed + 1))
		D=$T/$n; mkdir "$D"
		steps=60 interval= delete=
		[ "$how" != --continuous ] || { steps=10; interval='--interval 0.2'; }
		[ "$how" != --others ] || delete=--delete
		# shellcheck disable=SC2086
		if "$BUILD/tests/model" --seed $seed --steps $steps $how "$D" \
			"$BUILD/snapsync" $interval $delete --max-delete=100% --state-dir "$D/state" \
			"$D/src" "$D/dst" >"$D/log" 2>&1; then
			grep '^# [0-9]' "$D/log" | sed "s/^/seed $seed $how /"
			chmod -R u+rwx "$D"; rm -rf "$D"
		else
			echo "not ok: seed $seed $how, log $D/log"
			tail -30 "$D/log"
			exit 1
		fi
	done
done
rmdir "$T"
echo "$n passed, 0 failed"
