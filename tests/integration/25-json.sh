#!/bin/sh
# --json: every line is an object, and says what the plain output says.
. "$(dirname "$0")/lib.sh"
need perl
S=$T/src D=$T/dst; mkdir "$S"
# json EXPRESSION: of each decoded line as $_, the results that are not empty
json() {
	printf '%s\n' "$out" | perl -MJSON::PP -ne 'BEGIN { binmode STDOUT, ":utf8"; $j = JSON::PP->new->utf8 } chomp; next if $_ eq "";
		$_ = eval { $j->decode($_) } or do { print "NOT JSON: $@\n"; next }; my $r = eval($ENV{EXPR}); print "$r\n" if defined $r && $r ne ""'
}
field() { EXPR=$1; export EXPR; json; }
all_json() { EXPR='""'; export EXPR; [ -z "$(json)" ]; }
echo 1 >"$S/a"; mkdir "$S/d"; echo 22 >"$S/d/b"; ln -s 'tar"get' "$S/l"; ln "$S/a" "$S/h"; mkfifo "$S/p"; printf 1 >"$S/$(printf 'quote" back\\ nl\n tab\t umlaut\303\244 bad\377\355\240\200 end')"
run_sync --json "$S" "$D"; is "first run: 0" $rc 0; ok "all of it is JSON" all_json
is "files" "$(field '$_->{event} eq "change" && $_->{op} eq "file" && $_->{path} eq "d/b" ? "$_->{type} $_->{size} $_->{code}" : ""')" 'file 3 <f+++++++++'
is "a directory" "$(field '$_->{path} eq "d" ? "$_->{op} $_->{type}" : ""' | sort -u | head -n 1)" 'mkdir directory'
is "a link's target" "$(field '$_->{op} eq "symlink" ? $_->{target} : ""')" 'tar"get'
is "a hard link" "$(field '$_->{op} eq "link" ? join " ", sort $_->{path}, $_->{from} : ""')" 'a h'
is "any name" "$(field '($_->{path} // "") =~ /^quote/ ? join(",", map { sprintf "%x", ord } split //, substr($_->{path}, 5)) : ""')" \
	'22,20,62,61,63,6b,5c,20,6e,6c,a,20,74,61,62,9,20,75,6d,6c,61,75,74,e4,20,62,61,64,fffd,fffd,fffd,fffd,20,65,6e,64'
is "the bytes of one that is not UTF-8" "$(field '$_->{path_hex}')" "$(cd "$S" && printf %s quote* | od -An -tx1 | tr -d ' \n')"
is "the summary is the last line" "$(field '$_->{event}' | tail -n 1)" summary; is "its exit" "$(field '$_->{event} eq "summary" ? "$_->{exit} $_->{files} $_->{failed}" : ""')" '0 3 0'
settle; mv "$S/d/b" "$S/c"; rm "$S/p"; echo more >>"$S/a"; cp -a "$T/state" "$T/state0"
run_sync --json -n "$S" "$D"; is "-n" "$(field '$_->{event} eq "summary" ? $_->{dry_run} : ""')" 1; would=$(field '$_->{event} eq "change" ? "$_->{op} $_->{path}" : ""')
run_sync --json "$S" "$D"; is "-n is what happens" "$(field '$_->{event} eq "change" ? "$_->{op} $_->{path}" : ""')" "$would"
is "a move" "$(field '$_->{op} eq "move" ? "$_->{from} -> $_->{path}" : ""')" 'd/b -> c'; is "a delete" "$(field '$_->{op} eq "remove" ? $_->{path} : ""')" p
run_sync --json "$S" "$D"; is "nothing to do: one line" "$(printf '%s\n' "$out" | wc -l)" 1
run_sync --json -q "$S" "$D"; is "-q: none" "$out" ""
run_sync --json --status "$S"; ok "--status is JSON" all_json; is "--status" "$(field '$_->{event} eq "destination" ? "$_->{state} $_->{pending} $_->{problems}" : ""')" 'up to date 0 0'
is "the source" "$(field '$_->{event} eq "source" ? "$_->{source} $_->{entries}" : ""')" "$(cd "$S" && pwd -P) 6"
ok "when" test "$(field '$_->{last_pass} // ""')" -gt "$(($(date +%s) - 100))"
run_sync --json --log "$S"; ok "--log is JSON" all_json; is "--log" "$(field '$_->{op} eq "move" ? "$_->{from} $_->{path} $_->{state} $_->{destination}" : ""')" "d/b c done $D"
echo x >"$D/x"; rm "$D/c"; run_sync --json --verify "$S" "$D"; is "--verify" "$(field '$_->{event} eq "drift" ? "$_->{kind} $_->{type} $_->{path}" : ""')" "$(printf 'missing file c\nextra file x')"
is "its exit" "$(field '$_->{event} eq "summary" ? "$_->{exit} $_->{drifted}" : ""')" '23 2'; is "a message" "$(field '$_->{level} // "" eq "error" ? $_->{level} : ""' | sort -u)" "$(printf 'error\nwarning')"
like "on standard error as well" "$errors" 'left alone'
head -c 30000000 /dev/urandom >"$S/big"; run_sync --json -P --bwlimit 12M "$S" "$D"; ok "-P is JSON" all_json; ok "-P" test "$(field '$_->{event} eq "progress" && $_->{path} eq "big" ? $_->{percent} : ""' | head -n 1)" -le 100
run_sync --json "$T/nowhere" "$D"; is "an error: the summary says its exit" "$(field '$_->{event} eq "summary" ? $_->{exit} : ""')" 3
finish
