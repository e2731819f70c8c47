#!/bin/sh
# Names are bytes.
. "$(dirname "$0")/lib.sh"
S=$T/src D=$T/dst
mkdir "$S"; long=$(printf '%0255d' 0)
nl=$(printf 'new\nline'); bad=$(printf 'bad\377\376'); esc=$(printf '\033[31mred')
for n in "$nl" "$bad" "$esc" "$long" "-rf" "--delete" " lead" "trail " '*?[x]' '\012' '$HOME' '~' 'ü' '...' "'" '"'; do
	echo "$n" >"$S/$n" || echo "# cannot make $n"
	mkdir "$S/dir-$n" 2>/dev/null && echo x >"$S/dir-$n/$n"
done
good_sync "odd names" -i "$S" "$D"
like "a newline is escaped" "$out" 'new\\012line'
like "an escape sequence is escaped" "$out" '\\033\[31mred'
like "bytes that are not UTF-8 are escaped" "$out" 'bad\\377\\376'
mv "$S/$nl" "$S/moved-$nl"; rm "$S/-rf"; good_sync "move and delete odd names" "$S" "$D"
# Goes down N directories of a name, making them as needed, then writes FILE.
down() { perl -e 'my ($top, $name, $n, $file, $text) = @ARGV; chdir $top or die;
	for (1 .. $n) { mkdir $name; chdir $name or die "$_: $!"; }
	open(F, ">>", $file) or die; print F $text; close(F) or die' "$@"; }
piece=$(printf '%0250d' 1)
down "$S" "$piece" 20 file deep && deep=yes || deep=no
is "a path longer than PATH_MAX was made" $deep yes
good_sync "path longer than PATH_MAX" "$S" "$D"
mv "$S/$piece/$piece" "$S/$piece/short"; good_sync "its middle renamed" --stats "$S" "$D"
is "which costs no data" "$(stat_of 'Literal data')" 0
down "$S/$piece/short" "$piece" 18 file more; is "a file down there is written" $? 0
good_sync "a change down there" "$S" "$D"
mkdir "$S/deep"; down "$S/deep" d 600 x x
good_sync "600 levels" "$S" "$D"
rm -rf "$S/deep" "$S/$piece"; good_sync "and gone" --max-delete=100% "$S" "$D"
# So long that a batch is closed before it has all its operations.
component=$(printf '%0240d' 0); rm -rf "$T/src" "$T/dst" "$T/state"; mkdir "$T/src"
(cd "$T/src" && for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do mkdir "$component" && cd "$component" || exit 1; done; seq 1 2500 | xargs touch)
good_sync "2500 paths of 3600 bytes" "$T/src" "$T/dst"
finish
