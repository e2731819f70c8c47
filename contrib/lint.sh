#!/bin/sh
# The house style as far as it can be counted.  Prints what is wrong.
set -u
cd "$(dirname "$0")/.."
bad=0
say() { echo "$*"; bad=1; }
layers='base tree data snap wire link ship apply cli'
layer_of() { # a header of include/snapsync
	case $1 in
	err.h|buf.h|vec.h|thread.h|path.h|hash.h|clock.h|log.h|fsys.h|map.h|sandbox.h|accounts.h) echo base ;;
	filter.h|scan.h|alter.h) echo tree ;;
	chunker.h|codec.h) echo data ;;
	db.h|store.h|index.h|mirror.h|journal.h|pass.h|problem.h) echo snap ;;
	msg.h|frame.h) echo wire ;;
	link.h) echo link ;;
	sink.h|remote.h|ship.h) echo ship ;;
	apply.h) echo apply ;;
	*) echo unknown ;;
	esac
}
rank() { n=0; for l in $layers; do n=$((n + 1)); [ "$l" = "$1" ] && echo $n; done; }
for f in src/*/*.c src/*/*.h; do
	own=$(basename "$(dirname "$f")")
	for h in $(sed -n 's/^#include "snapsync\/\(.*\)"/\1/p' "$f"); do
		l=$(layer_of "$h")
		[ "$l" != unknown ] || say "$f: $h belongs to no layer (contrib/lint.sh)"
		[ "$l" = unknown ] && continue
		[ "$(rank "$l")" -le "$(rank "$own")" ] || say "$f: includes $h of the higher layer $l"
		case $own:$l in apply:snap|apply:ship|link:snap|link:wire|wire:snap|tree:snap)
			say "$f: may not know $l" ;; esac
	done
done
for h in include/snapsync/*.h; do
	n=$(basename "$h"); own=$(layer_of "$n")
	for i in $(sed -n 's/^#include "snapsync\/\(.*\)"/\1/p' "$h"); do
		[ "$(rank "$(layer_of "$i")")" -le "$(rank "$own")" ] || say "$h: includes $i of a higher layer"
	done
	${CC:-gcc} -std=c11 -Iinclude -D_XOPEN_SOURCE=700 -Wall -Wextra -Werror -fsyntax-only -x c "$h" ||
		say "$h: does not compile alone"
	head -c 3 "$h" | grep -q '/\*' || say "$h: has no opening comment"
done
grep -ln '<sqlite3.h>' src/*/*.[ch] include/snapsync/*.h | grep -v '^src/snap/db.c$' | while read -r f; do echo "$f: sqlite3.h is for src/snap/db.c"; done | grep . && bad=1
grep -ln '<libssh2.h>' src/*/*.[ch] include/snapsync/*.h | grep -v '^src/link/ssh2_local.h$' | while read -r f; do echo "$f: libssh2.h is for src/link/ssh2*"; done | grep . && bad=1
calls='openat|fstatat|renameat|rename|unlinkat|unlink|linkat|symlinkat|mkdirat|mknodat|mkfifoat|fchmodat|fchmod|chmod|fchownat|chown|utimensat|futimens|fsync|fdatasync|syncfs|opendir|fdopendir|readdir|ftruncate|pwrite|pread'
grep -nE "(^|[^a-z_>.])($calls)\(" src/tree/*.c src/data/*.c src/snap/*.c src/wire/*.c src/ship/*.c src/apply/*.c src/cli/*.c 2>/dev/null |
	grep -v ' \* ' | while read -r l; do echo "$l: raw file system call outside of src/base/fsys*"; done | grep . && bad=1
grep -nE '(^|[^a-z_])(printf|puts|putchar|exit|abort)\(' src/base/*.c src/tree/*.c src/snap/*.c src/wire/*.c src/link/*.c src/ship/*.c src/apply/*.c |
	while read -r l; do echo "$l: prints or exits below src/cli"; done | grep . && bad=1
for f in src/*/*.[ch] include/snapsync/*.h; do
	n=$(wc -l <"$f")
	[ "$n" -le 600 ] || say "$f: $n lines, over 600"
	awk -v f="$f" '/^{/{s=FNR} /^}/{if(s && FNR-s>100) print f ":" s ": a function of " FNR-s " lines"; s=0}' "$f" | grep . && bad=1
done
# Names: what src/x/foo.c exports begins with a word of its folder's headers.
dup=$(nm "${BUILD:-build}/libsnapsync.a" 2>/dev/null | awk '$2=="T"{print $3}' | sort | uniq -d)
[ -z "$dup" ] || say "exported twice: $dup"
for m in man/*.[15]; do mandoc -T lint -W warning "$m" || bad=1; done
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null) || jobs=1
make -s -j"$jobs" BUILD=build-lint-gcc CC=gcc all || say "gcc: warnings"
make -s -j"$jobs" BUILD=build-lint-clang CC=clang all || say "clang: warnings"
# What clang-format does differs from version to version; Debian 12's is the judge.
case $(clang-format --version) in
*' version 14.'*) find src include tests -name '*.[ch]' -exec clang-format --dry-run -Werror {} + || say "layout: make format" ;;
*) echo "lint: the layout is that of clang-format 14, which is not this machine's: not compared" ;;
esac
if command -v cppcheck >/dev/null; then
	cppcheck -q --error-exitcode=1 --std=c11 -Iinclude --enable=portability \
		--suppress=normalCheckLevelMaxBranches --inline-suppr src || say "cppcheck: findings"
fi
[ $bad = 0 ] && echo "lint: clean"
exit $bad
