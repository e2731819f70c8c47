#!/bin/sh
# Installs what is missing to build (and with --tests, --lint to test and
# check) on Debian; elsewhere says what is needed.  Silent if all is there.
set -eu
build='gcc:gcc pkg-config:pkg-config'
libs='sqlite3:libsqlite3-dev libxxhash:libxxhash-dev libssh2:libssh2-1-dev libzstd:libzstd-dev'
for want; do
	case $want in
	--tests) build="$build prove:perl ssh:openssh-client sshd:openssh-server rsync:rsync
			strace:strace mandoc:mandoc sqlite3:sqlite3 ps:procps
			mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs mkfs.vfat:dosfstools"
		libs="$libs cmocka:libcmocka-dev" ;;
	--lint) build="$build clang:clang cppcheck:cppcheck" ;;
	*) echo "usage: contrib/deps.sh [--tests] [--lint]" >&2; exit 1 ;;
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
case " $* " in *" --lint "*)
	# the sanitizers of clang are not needed, those of gcc come with it
	;; esac
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
