#!/bin/sh
# A helper that breaks the rules: the client ends with a clear word and in
# bounded memory, and the next run, with the true one, ends equal.
. "$(dirname "$0")/lib.sh"
S=$T/src D=$T/dst
mkdir -p "$S/sub"; for i in 1 2 3 4 5; do echo $i >"$S/$i"; echo $i >"$S/sub/$i"; done
echo one >"$S/one"; head -c 1000000 /dev/urandom >"$S/large"
limit='ulimit -v 400000'; case $BUILD in *asan*) limit=: ;; esac
# bad TRICK CODES PATTERN [options...]: what it ends with, and what it says
bad() {
	trick=$1 codes=$2 says=$3; shift 3
	rm -rf "$D" "$T/state"
	(
		$limit
		BADHELPER=$trick exec timeout --preserve-status -s INT 4 "$SNAPSYNC" --state-dir "$T/state" --timeout 2 \
			--helper-path "$BUILD/tests/badhelper" "$@" "$S" "$D"
	) >"$T/.out" 2>"$T/.err" </dev/null
	rc=$? errors=$(cat "$T/.err")
	ok "$trick $*: exit $rc of $codes" eval "case $rc in $codes) ;; *) false ;; esac"
	like "$trick: says so" "$errors" "$says"
	ok "$trick: no control characters" test -z "$(tr -d '[:print:]\n\t' <"$T/.err")"
	ok "$trick: nothing at the destination" test ! -e "$D"
	run_sync "$S" "$D"
	ok "$trick: and then the true one" same "$S" "$D"
}
# told TRICK: it says that all is done, which it is not; --verify finds out.
told() {
	rm -rf "$D" "$T/state"
	BADHELPER=$1 timeout 20 "$SNAPSYNC" --state-dir "$T/state" --helper-path "$BUILD/tests/badhelper" "$S" "$D" >"$T/.out" 2>&1
	is "$1: exit" $? "$2"
	run_sync --verify "$S" "$D"
	ok "$1: and then --verify" same "$S" "$D"
}
bad garbage 2 'does not speak our protocol'
bad huge 2 'does not speak our protocol'
bad silent 30 'silent for 2 seconds'
bad ack-first 2 'did not begin with WELCOME'
bad version 2 'not offered'
bad features 2 'not offered'
bad welcome-twice 2 'unexpected message'
bad failures 2 'WELCOME is malformed'
bad failures-order 2 'bad failures in WELCOME'
bad position-max 2 'WELCOME is malformed'
bad refuse 5 'no entry'
for t in list-dots list-slash list-absolute list-nul list-empty list-dir list-count; do
	bad $t 2 'LISTING is malformed'
done
bad list-jump 2 'jumps between directories'
bad list-endless 20 ''
bad list-endless '20|22' '' --delete
bad list-many 20 ''
bad list-never 30 'silent'
bad sign-endless 2 'more than the file has'
bad sign-zero 2 'a chunk of 0 bytes'
bad sign-huge 2 'a chunk of 4294967295 bytes'
bad sign-other 2 'nobody asked for'
bad ack-later 2 'not sent'
bad ack-zero 2 'not sent'
bad fail-unknown 2 'not sent'
bad fail-huge 2 'out of order'
bad fail-order 2 'out of order'
bad fail-batch 2 'out of order'
bad fail-all 30 'silent'
bad listing-unasked 2 'nobody asked for'
bad signed-unasked 2 'SIGNED is malformed'
bad client-message 2 'not known or not allowed'
bad credit 2 'credit runs over'
bad pings 2 'does not read'
bad events 2 'too many answers'
bad die 12 'ended early'
bad never 30 'silent'
for t in position list-twice sign-size need-unknown ''; do told "$t" 0; done
told ack-twice 2
finish
