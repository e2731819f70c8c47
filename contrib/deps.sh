#!/bin/sh
# Installs what is missing to build (and with --tests, --lint, --fuzz to test,
# check and fuzz) on Debian; elsewhere says what is needed.  Silent if all is there.
set -eu
build='gcc:gcc pkg-config:pkg-config'
libs='sqlite3:libsqlite3-dev libxxhash:libxxhash-dev libssh2:libssh2-1-dev libzstd:libzstd-dev'
fuzz=
for want; do
	case $want in
	--tests) build="$build prove:perl ssh:openssh-client sshd:openssh-server rsync:rsync
			strace:strace mandoc:mandoc sqlite3:sqlite3 ps:procps
			mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs mkfs.vfat:dosfstools"
		libs="$libs cmocka:libcmocka-dev" ;;
	--lint) build="$build clang:clang clang-format:clang-format cppcheck:cppcheck" ;;
	--fuzz) build="$build clang:clang"; fuzz=1 ;;
	*) echo "usage: contrib/deps.sh [--tests] [--lint] [--fuzz]" >&2; exit 1 ;;
	esac
done
PATH=$PATH:/usr/sbin:/sbin
missing=
for pair in $build; do
	command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
for pair in $libs; do
	pkg-config --exists "${pair%%:*}" 2>/dev/null || missing="$missing ${pair#*:}"
done
case $missing in *gcc*) missing="$missing libc6-dev" ;; esac
# libFuzzer comes in a package of its own, named after clang's version; the one
# that apt would install with clang is asked for where there is no clang yet.
if [ -n "$fuzz" ]; then
	if command -v clang >/dev/null 2>&1; then
		version=$(clang -dumpversion | cut -d. -f1)
		runtime=$(clang -print-runtime-dir 2>/dev/null)
		set -- "$runtime"/libclang_rt.fuzzer*
		[ -e "$1" ] || missing="$missing libclang-rt-$version-dev"
	else
		version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p')
		missing="$missing libclang-rt-${version:-14}-dev"
	fi
fi
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
	echo "Please install (names of Debian's packages):$missing" >&2
	exit 1
fi
echo "Installing:$missing"
run=
[ "$(id -u)" = 0 ] || run=sudo
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -qq
# A server that is installed for the tests need not run.
if [ "$(id -u)" = 0 ] && [ ! -e /usr/sbin/policy-rc.d ]; then
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod +x /usr/sbin/policy-rc.d
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
# shellcheck disable=SC2086
$run apt-get install -y -qq --no-install-recommends $missing >/dev/null
