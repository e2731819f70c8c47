/* Any POSIX.1-2008 system: what fsys_linux.c does better, done plainly. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsys_local.h"

#ifndef O_SEARCH
#define O_SEARCH O_RDONLY
#endif

int fsys_open_dir(int dirfd, const char *name, bool list, struct err *err)
{
	int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	flags |= list ? O_RDONLY : O_SEARCH;
	do
		fd = openat(fsys_at(dirfd), name, flags);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? fsys_fail(err, "open", name) : fd;
}

int fsys_quiet_flag(void)
{
	return 0;
}

int fsys_stat(int dirfd, const char *name, struct fsys_stat *st,
	      struct err *err)
{
	return fsys_stat_plain(dirfd, name, st, err);
}

int fsys_sync_fs(int fd, struct err *err)
{
	(void)fd;
	(void)err;
	return 0;
}

bool fsys_has_sync_fs(void)
{
	return false;
}

void fsys_flush_hint(int fd)
{
	(void)fd;
}

bool fsys_direct(int fd, bool on)
{
	(void)fd;
	(void)on;
	return false;
}

int fsys_next_data(int fd, uint64_t from, uint64_t size, uint64_t *start,
		   uint64_t *end, struct err *err)
{
	(void)fd;
	(void)err;
	*start = from;
	*end = size;
	return 0;
}

ssize_t fsys_copy_range(int from, uint64_t from_at, int to, uint64_t to_at,
			size_t len, struct err *err)
{
	return fsys_copy_plain(from, from_at, to, to_at, len, err);
}

bool fsys_shares(int fd)
{
	(void)fd;
	return false;
}

bool fsys_has_server(int fd)
{
	(void)fd;
	return false;
}

int fsys_heritage(int dirfd, uint64_t *print, struct err *err)
{
	(void)dirfd;
	*print = 0;
	return err_set(err, ERR_UNSUPPORTED,
		       "POSIX.1 does not know what a directory hands down");
}

/* What can be opened is opened without following and changed by its descriptor.
 * What cannot is changed by name, and never through a symbolic link: a system
 * that does not know how leaves the mode as it is, and says so. */
int fsys_chmod(int dirfd, const char *name, unsigned mode, struct err *err)
{
	struct stat st;
	int r, fd = -1, opened = ENOTSUP;

	if (fstatat(fsys_at(dirfd), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fsys_fail(err, "stat", name);
	if (S_ISLNK(st.st_mode))
		return err_sys(err, ERR_UNSUPPORTED, ELOOP, "chmod %s", name);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ||
	    S_ISFIFO(st.st_mode)) {
		do
			fd = openat(fsys_at(dirfd), name,
				    O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
					    O_CLOEXEC);
		while (fd < 0 && errno == EINTR);
		opened = errno;
	}
	if (fd >= 0) {
		r = fchmod(fd, (mode_t)mode);
		if (r < 0)
			r = fsys_fail(err, "chmod", name);
		close(fd);
		return r;
	}
	r = fchmodat(fsys_at(dirfd), name, (mode_t)mode, AT_SYMLINK_NOFOLLOW);
	if (r < 0 && (errno == EOPNOTSUPP || errno == ENOTSUP))
		errno = opened;
	return r < 0 ? fsys_fail(err, "chmod", name) : 0;
}

/* The split of a device number is not in POSIX: both halves travel as one
 * opaque number, which is right between machines of one kind. */
void fsys_rdev_split(dev_t rdev, uint32_t *major_out, uint32_t *minor_out)
{
	*major_out = (uint32_t)((uint64_t)rdev >> 32);
	*minor_out = (uint32_t)rdev;
}

dev_t fsys_rdev_join(uint32_t major_in, uint32_t minor_in)
{
	return (dev_t)((uint64_t)major_in << 32 | minor_in);
}

enum fsys_type fsys_dirent_type(const struct dirent *e)
{
	(void)e;
	return FSYS_NONE;
}
