/*
 * A file system that is odd, or a system under strain, for tests: preloaded
 * (LD_PRELOAD) into a program, with ODD a list of
 *
 *     short      reads, writes and copies of a random part of what was asked
 *     eintr      one call in eight that may be interrupted is
 *     malloc=N   the Nth allocation from main on fails, and only that
 *     fold       names that differ only in case are the same; the first
 *                spelling stays, as on vfat
 *     coarse     times of files in steps of 2 s
 *     ticks      what is said of a file's times is in steps of 2 s
 *     timeless   all directories are of the year 2001
 *     unseen     what has the name `unseen` cannot be looked at
 *     unmounted  what has the name `unmounted` is not there when it is opened,
 *                and exit 99 if a look at anything could mount it
 *     again      what has the name `again` can be opened once
 *     once       the same, and it is not there (ENOENT) from then on
 *     mounts     what has the name `again` is another inode when it is opened
 *     picky      what is written past the page cache is refused (EINVAL)
 *     cached     nothing can be told to go past the page cache
 *     alone      there can be no other thread
 *     nolinks    neither symbolic nor hard links
 *     noowners   chown is refused
 *     nomodes    chmod is refused; everything has the mode it was made with
 *
 * ODD_WHO: only in programs whose name ends so.  ODD_SEED: of what is random.
 * Linux, 64 bits.
 */
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma GCC visibility push(default)

static struct {
	bool in_short, eintr, fold, coarse, ticks, timeless, unseen, unmounted, again, once, mounts, picky, cached, alone, nolinks, noowners, nomodes;
	long nth; /* allocations until the one that fails; 0: never */
	_Atomic long count, opened;
	_Atomic uint64_t random;
	bool armed;
} odd;

__attribute__((constructor)) static void begin(void)
{
	const char *what = getenv("ODD"), *who = getenv("ODD_WHO"), *p;
	const char *seed = getenv("ODD_SEED");
	const char *me = program_invocation_short_name;

	if (!what || (who && (strlen(me) < strlen(who) ||
			      strcmp(me + strlen(me) - strlen(who), who) != 0)))
		return;
	odd.in_short = strstr(what, "short");
	odd.eintr = strstr(what, "eintr");
	odd.fold = strstr(what, "fold");
	odd.coarse = strstr(what, "coarse");
	odd.ticks = strstr(what, "ticks");
	odd.timeless = strstr(what, "timeless");
	odd.unseen = strstr(what, "unseen");
	odd.unmounted = strstr(what, "unmounted");
	odd.again = strstr(what, "again");
	odd.once = strstr(what, "once");
	odd.mounts = strstr(what, "mounts");
	odd.picky = strstr(what, "picky");
	odd.cached = strstr(what, "cached");
	odd.alone = strstr(what, "alone");
	odd.nolinks = strstr(what, "nolinks");
	odd.noowners = strstr(what, "noowners");
	odd.nomodes = strstr(what, "nomodes");
	p = strstr(what, "malloc=");
	odd.nth = p ? atol(p + 7) : 0;
	odd.random = seed ? (uint64_t)atoll(seed) * 2654435761u : 1;
	odd.armed = true;
}

static uint64_t dice(void)
{
	uint64_t x = odd.random += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static size_t part(size_t n)
{
	return odd.in_short && n > 1 && dice() % 2 ? 1 + dice() % n : n;
}

static bool interrupted(void)
{
	if (!odd.eintr || dice() % 8)
		return false;
	errno = EINTR;
	return true;
}

/* ------------------------------------------------------------ strain */

ssize_t read(int fd, void *p, size_t n)
{
	return interrupted() ? -1 : syscall(SYS_read, fd, p, part(n));
}

ssize_t write(int fd, const void *p, size_t n)
{
	return interrupted() ? -1 : syscall(SYS_write, fd, p, part(n));
}

ssize_t pread64(int fd, void *p, size_t n, off64_t at)
{
	return interrupted() ? -1 : syscall(SYS_pread64, fd, p, part(n), at);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	return pread64(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	if (odd.picky && (syscall(SYS_fcntl, fd, F_GETFL) & O_DIRECT)) {
		errno = EINVAL;
		return -1;
	}
	return interrupted() ? -1 : syscall(SYS_pwrite64, fd, p, part(n), at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return pwrite64(fd, p, n, at);
}

int fcntl64(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	if (odd.cached && cmd == F_SETFL && (arg & O_DIRECT)) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_fcntl, fd, cmd, arg);
}

int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	return fcntl64(fd, cmd, arg);
}

int pthread_create(pthread_t *t, const pthread_attr_t *attr,
		   void *(*work)(void *), void *arg)
{
	static int (*next)(pthread_t *, const pthread_attr_t *,
			   void *(*)(void *), void *);

	if (odd.alone)
		return EAGAIN;
	if (!next)
		next = (__typeof__(next))dlsym(RTLD_NEXT, "pthread_create");
	return next(t, attr, work, arg);
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
	return interrupted() ? -1 : syscall(SYS_recvfrom, fd, p, part(n), flags, NULL, NULL);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	return interrupted() ? -1 : syscall(SYS_sendto, fd, p, part(n), flags, NULL, 0);
}

ssize_t copy_file_range(int in, off64_t *at, int out, off64_t *to, size_t n,
			unsigned flags)
{
	return interrupted() ? -1 : syscall(SYS_copy_file_range, in, at, out, to, part(n), flags);
}

int ftruncate64(int fd, off64_t size)
{
	return interrupted() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int poll(struct pollfd *p, nfds_t n, int timeout)
{
	return interrupted() ? -1 : (int)syscall(SYS_poll, p, n, timeout);
}

#ifndef SANITIZED
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static bool refused(void)
{
	if (!odd.armed || !odd.nth || ++odd.count != odd.nth)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t n)
{
	return refused() ? NULL : __libc_malloc(n);
}
void *calloc(size_t n, size_t m)
{
	return refused() ? NULL : __libc_calloc(n, m);
}
void *realloc(void *p, size_t n)
{
	return refused() ? NULL : __libc_realloc(p, n);
}
#endif

/* ------------------------------------------------------------ odd names */

/* How the name is spelled in the directory, if it is there. */
static const char *spelled(int dirfd, const char *name, char *out)
{
	int fd;
	struct dirent64 *e;
	DIR *d;

	if (!odd.fold || strchr(name, '/') || !strcmp(name, "."))
		return name;
	fd = (int)syscall(SYS_openat, dirfd, ".", O_RDONLY | O_DIRECTORY);
	d = fd < 0 ? NULL : fdopendir(fd);
	while (d && (e = readdir64(d)))
		if (strcasecmp(e->d_name, name) == 0) {
			name = strcpy(out, e->d_name);
			break;
		}
	if (d)
		closedir(d);
	return name;
}

int openat64(int dirfd, const char *name, int flags, ...)
{
	char s[256];
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (interrupted())
		return -1;
	if (odd.unmounted && strcmp(name, "unmounted") == 0) {
		errno = ENOENT;
		return -1;
	}
	if ((odd.again || odd.once) && strcmp(name, "again") == 0 && odd.opened++) {
		errno = odd.once ? ENOENT : EIO;
		return -1;
	}
	return (int)syscall(SYS_openat, dirfd, spelled(dirfd, name, s), flags, mode);
}

int openat(int dirfd, const char *name, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return openat64(dirfd, name, flags, mode);
}

int __openat64_2(int dirfd, const char *name, int flags);
int __openat64_2(int dirfd, const char *name, int flags)
{
	return openat64(dirfd, name, flags);
}

static uint64_t mounted_on(const char *name)
{
	return odd.mounts && strcmp(name, "again") == 0 ? (uint64_t)1 << 40 : 0;
}

static int timed(int r, struct stat64 *st)
{
	if (r == 0 && odd.ticks) {
		st->st_mtim.tv_sec -= st->st_mtim.tv_sec & 1;
		st->st_ctim.tv_sec -= st->st_ctim.tv_sec & 1;
		st->st_mtim.tv_nsec = st->st_ctim.tv_nsec = 0;
	}
	if (r == 0 && odd.timeless && S_ISDIR(st->st_mode))
		st->st_mtim = st->st_ctim = (struct timespec){1000000000, 1};
	return r;
}

int fstatat64(int dirfd, const char *name, struct stat64 *st, int flags)
{
	char s[256];
	int r;

	if (odd.unseen && strcmp(name, "unseen") == 0) {
		errno = EACCES;
		return -1;
	}
	r = timed((int)syscall(SYS_newfstatat, dirfd, spelled(dirfd, name, s), st, flags), st);
	st->st_ino ^= r == 0 ? mounted_on(name) : 0;
	return r;
}

int statx(int dirfd, const char *name, int flags, unsigned mask, struct statx *x)
{
	char s[256];
	int r;

	if (odd.unseen && strcmp(name, "unseen") == 0) {
		errno = EACCES;
		return -1;
	}
	if (odd.unmounted && !(flags & AT_NO_AUTOMOUNT))
		_exit(99);
	r = (int)syscall(SYS_statx, dirfd, spelled(dirfd, name, s), flags, mask, x);
	x->stx_ino ^= r == 0 ? mounted_on(name) : 0;
	if (r == 0 && odd.ticks) {
		x->stx_mtime.tv_sec -= x->stx_mtime.tv_sec & 1;
		x->stx_ctime.tv_sec -= x->stx_ctime.tv_sec & 1;
		x->stx_mtime.tv_nsec = x->stx_ctime.tv_nsec = 0;
	}
	if (r == 0 && odd.timeless && S_ISDIR(x->stx_mode)) {
		x->stx_mtime.tv_sec = x->stx_ctime.tv_sec = 1000000000;
		x->stx_mtime.tv_nsec = x->stx_ctime.tv_nsec = 1;
	}
	return r;
}

int fstat64(int fd, struct stat64 *st)
{
	return timed((int)syscall(SYS_fstat, fd, st), st);
}

int fstat(int fd, struct stat *st)
{
	return fstat64(fd, (struct stat64 *)st);
}

int fstatat(int dirfd, const char *name, struct stat *st, int flags)
{
	return fstatat64(dirfd, name, (struct stat64 *)st, flags);
}

int mkdirat(int dirfd, const char *name, mode_t mode)
{
	char s[256];

	return (int)syscall(SYS_mkdirat, dirfd, spelled(dirfd, name, s), odd.nomodes ? 0755 : mode);
}

int unlinkat(int dirfd, const char *name, int flags)
{
	char s[256];

	return (int)syscall(SYS_unlinkat, dirfd, spelled(dirfd, name, s), flags);
}

/* A rename of a name to another spelling of it is done; one over another file
 * keeps the spelling that is there. */
int renameat(int from, const char *old, int to, const char *new)
{
	char a[256], b[256];
	const char *was = spelled(from, old, a), *is = spelled(to, new, b);
	struct stat x, y;

	if (odd.fold && strcmp(was, is) == 0 && strcmp(is, new) != 0 &&
	    fstat(from, &x) == 0 && fstat(to, &y) == 0 && x.st_ino == y.st_ino)
		is = new;
	return (int)syscall(SYS_renameat2, from, was, to, is, 0);
}

int linkat(int from, const char *old, int to, const char *new, int flags)
{
	char a[256], b[256];

	if (odd.nolinks) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_linkat, from, spelled(from, old, a), to, spelled(to, new, b), flags);
}

int symlinkat(const char *target, int dirfd, const char *name)
{
	char s[256];

	if (odd.nolinks) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_symlinkat, target, dirfd, spelled(dirfd, name, s));
}

/* ------------------------------------------------------------ odd inodes */

static const struct timespec *rounded(const struct timespec t[2], struct timespec out[2])
{
	if (!odd.coarse || !t)
		return t;
	out[0] = t[0];
	out[1] = t[1];
	if (t[1].tv_nsec != UTIME_OMIT && t[1].tv_nsec != UTIME_NOW) {
		out[1].tv_sec -= out[1].tv_sec & 1;
		out[1].tv_nsec = 0;
	}
	return out;
}

int utimensat(int dirfd, const char *name, const struct timespec t[2], int flags)
{
	struct timespec r[2];
	char s[256];

	return (int)syscall(SYS_utimensat, dirfd, spelled(dirfd, name, s), rounded(t, r), flags);
}

int futimens(int fd, const struct timespec t[2])
{
	struct timespec r[2];

	return (int)syscall(SYS_utimensat, fd, NULL, rounded(t, r), 0);
}

static int refuse(bool odd_so, int r)
{
	if (odd_so) {
		errno = EPERM;
		return -1;
	}
	return r;
}

int fchownat(int dirfd, const char *name, uid_t u, gid_t g, int flags)
{
	char s[256];

	return refuse(odd.noowners, odd.noowners ? 0 : (int)syscall(SYS_fchownat, dirfd, spelled(dirfd, name, s), u, g, flags));
}

int fchmod(int fd, mode_t mode)
{
	return refuse(odd.nomodes, odd.nomodes ? 0 : (int)syscall(SYS_fchmod, fd, mode));
}

int chmod(const char *path, mode_t mode)
{
	return refuse(odd.nomodes, odd.nomodes ? 0 : (int)syscall(SYS_fchmodat, AT_FDCWD, path, mode));
}
