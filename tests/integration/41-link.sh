#!/bin/sh
# Slow and distant links: compression where it helps, and no round trips.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-sshd.sh"
. "$(dirname "$0")/lib-relay.sh"
need awk date split strace
sshd_start || { ok "an sshd of our own" false; finish; }
unset SSH_AUTH_SOCK
helper="--helper-path $BUILD/snapsync-helper"
n=0 keep=
# timed HOST options...: a first copy of $S; sets ms
timed() {
	host=$1; shift; n=$((n + 1)); begin=$(date +%s%N)
	run_sync --state-dir "$T/st$n" --ssh-config "$T/ssh/relay_config" $helper --stats "$@" "$S" "$host:$T/d$n"
	ms=$((($(date +%s%N) - begin) / 1000000))
	same "$S" "$T/d$n" || { rc=99; echo "# not equal: $errors"; }
	[ -n "$keep" ] || rm -rf "$T/d$n" "$T/st$n"
}
less() { ok "$1: $2 < $3" test "$2" -lt "$3"; }
# What packs well, and what does not.
S=$T/text; mkdir -p "$S/many"; cp -R src man include tests "$S/many"
cat "$BUILD/snapsync" "$BUILD/libsnapsync.a" "$BUILD/snapsync-helper" | head -c 4000000 >"$S/big"; seq 1 300000 >>"$S/big"
seq 1 800000 >"$S/many/seq" # much more than fits into buffers on the way
relay_start --rate 1500000
timed relayed --compress=none; none=$ms; is "a slow link, none" $rc 0
is "none packs nothing" "$(stat_of 'Compressed data')" 0
for i in 1 2 3; do # a third of the time; a busy machine may have a bad second
	timed relayed; auto=$ms; [ $rc = 0 ] && [ $((auto * 2)) -ge "$none" ] || break
done
is "a slow link, auto" $rc 0; less "auto is faster" $((auto * 2)) "$none"
timed relayed -z; less "-z is faster" $((ms * 2)) "$none"; z=$(stat_of 'Bytes sent')
timed relayed --compress=12; less "a higher level sends less" "$(stat_of 'Bytes sent')" "$z"
relay_stop; relay_start --rate 2000000
S=$T/random; mkdir "$S"; head -c 6000000 /dev/urandom >"$S/big"
timed relayed; less "what does not pack: bytes" "$(stat_of 'Bytes sent')" 6060000; slow=$ms
less "and is soon left alone: bytes tried" "$(stat_of 'Compressed data')" 3000000
timed relayed --compress=none; less "auto takes no longer" "$slow" $((ms * 120 / 100 + 200))
relay_stop
# A fast link: auto is not slower than none, by the median of pairs (a machine that
# is slower for a while is so for both of a pair).
S=$T/text; rm "$S/many/seq"; for i in 1 2 3 4 5 6; do cp "$S/big" "$S/big$i"; echo $i >>"$S/big$i"; done
relay_start
for i in 1 2 3 4 5 6 7 8 9; do
	timed testhost --compress=none; none=$ms
	timed testhost; echo $((ms * 100 / (none + 30))) >>"$T/ratios"
	median=$(sort -n "$T/ratios" | sed -n "$(((i + 1) / 2))p")
	[ $i -lt 3 ] || [ "$median" -gt 110 ] || break
done
less "a fast link: auto, of none in %" "$median" 115
relay_stop
# Where blocks come slowly there is time to pack them better.
S=$T/thin; mkdir "$S"; head -c 4000000 "$T/text/big" | split -a 3 -b 8192 - "$S/"
timed testhost --compress=1; one=$(stat_of 'Bytes sent')
printf '#!/bin/sh\nASAN_OPTIONS=detect_leaks=0 exec strace -f -qq -o /dev/null -e trace=openat -e inject=openat:delay_enter=3000 "%s" "$@"\n' "$SNAPSYNC" >"$T/slowly"; chmod +x "$T/slowly"
fast=$SNAPSYNC SNAPSYNC=$T/slowly
for i in 1 2 3; do # a busy machine may be too slow for it
	timed testhost; [ $rc = 0 ] && [ "$(stat_of 'Bytes sent')" -ge $((one * 9 / 10)) ] || break
done
SNAPSYNC=$fast
is "content that comes slowly" $rc 0; less "is packed better" "$(stat_of 'Bytes sent')" $((one * 9 / 10))
# Only at first: what comes fast then is packed as fast as ever.  (Six texts,
# each the one before with every byte one more: no chunk is twice there.)
S=$T/first; mkdir "$S" "$S/2"; mv "$T/thin" "$S/1"
for i in 1 2 3 4 5 6; do head -c 4000000 "$T/text/big" | LC_ALL=C tr '\000-\377' "\\00$i-\\377\\000-\\00$((i - 1))"; done >"$S/2/big"
timed testhost --compress=6; six=$(stat_of 'Bytes sent')
sed -i 's/delay_enter=3000/&:when=1..500/' "$T/slowly"; SNAPSYNC=$T/slowly
for i in 1 2 3; do
	timed testhost; [ $rc = 0 ] && [ "$(stat_of 'Bytes sent')" -le $((six * 105 / 100)) ] || break
done
SNAPSYNC=$fast
is "then fast" $rc 0; less "and no longer" $((six * 105 / 100)) "$(stat_of 'Bytes sent')"
# A distant one, a round trip takes 100 ms: 10,000 small files.  (ext4 is slow
# to give the numbers of deleted files again: nothing is deleted here.)
keep=1
S=$T/small; mkdir "$S"
awk -v d="$S" 'BEGIN { for (i = 0; i < 100; i++) { system("mkdir " d "/" i); for (k = 0; k < 100; k++) { f = d "/" i "/" k; print i, k, i * k > f; close(f) } } }'
relay_start --delay 50
timed testhost; is "10,000 small files, direct" $rc 0; direct=$ms
for i in 1 2 3 4; do # the disk of a busy machine may have a bad second
	timed relayed; [ $rc = 0 ] || break; far=$ms
	[ "$far" -ge $((direct * 3 / 2 + 2000)) ] || break
	timed testhost; [ $ms -lt "$direct" ] || direct=$ms
done
is "and far away" $rc 0; less "no round trips: ms" "$far" $((direct * 3 / 2 + 2000))
relay_stop
finish
