#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fsys_local.h"
#include "snapsync/clock.h"

#define TICK (20 * CLOCK_MS)
#define COARSE (2100 * CLOCK_MS)

int fsys_fail(struct err *err, const char *call, const char *name)
{
	int sys = errno;

	return err_sys(err, err_from_errno(sys), sys, "%s%s%s", call,
		       name ? " " : "", name ? name : "");
}

int fsys_at(int dirfd)
{
	return dirfd == FSYS_CWD ? AT_FDCWD : dirfd;
}

int fsys_open(int dirfd, const char *name, unsigned how, unsigned mode,
	      struct err *err)
{
	int flags = O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd;

	flags |= how & FSYS_WRITE ? O_RDWR : O_RDONLY;
	flags |= how & FSYS_CREATE ? O_CREAT : 0;
	flags |= how & FSYS_EXCL ? O_EXCL : 0;
	flags |= how & FSYS_TRUNC ? O_TRUNC : 0;
	flags |= how & FSYS_QUIET ? fsys_quiet_flag() : 0;
	do
		fd = openat(fsys_at(dirfd), name, flags, (mode_t)mode);
	while (fd < 0 && errno == EINTR);
	if (fd < 0 && (errno == EPERM || errno == EINVAL) && how & FSYS_QUIET)
		return fsys_open(dirfd, name, how & ~(unsigned)FSYS_QUIET, mode,
				 err);
	return fd < 0 ? fsys_fail(err, "open", name) : fd;
}

int fsys_open_root(const char *path, struct err *err)
{
	int fd;

	do
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? fsys_fail(err, "open", path) : fd;
}

int fsys_open_file(const char *path, struct err *err)
{
	int fd;

	do
		fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? fsys_fail(err, "open", path) : fd;
}

int fsys_dup(int fd, struct err *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? fsys_fail(err, "dup", NULL) : copy;
}

void fsys_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

enum fsys_type fsys_type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return FSYS_FILE;
	case S_IFDIR: return FSYS_DIR;
	case S_IFLNK: return FSYS_SYMLINK;
	case S_IFIFO: return FSYS_FIFO;
	case S_IFSOCK: return FSYS_SOCKET;
	case S_IFCHR: return FSYS_CHAR;
	case S_IFBLK: return FSYS_BLOCK;
	default: return FSYS_NONE;
	}
}

void fsys_take_stat(const struct stat *in, struct fsys_stat *out)
{
	out->type = fsys_type_of(in->st_mode);
	out->mode = in->st_mode & 07777;
	out->uid = in->st_uid;
	out->gid = in->st_gid;
	out->dev = (uint64_t)in->st_dev;
	out->ino = (uint64_t)in->st_ino;
	out->nlink = (uint64_t)in->st_nlink;
	out->size = out->type == FSYS_FILE || out->type == FSYS_SYMLINK
			    ? (uint64_t)in->st_size
			    : 0;
	out->rdev_major = out->rdev_minor = 0;
	if (out->type == FSYS_CHAR || out->type == FSYS_BLOCK)
		fsys_rdev_split(in->st_rdev, &out->rdev_major,
				&out->rdev_minor);
	out->mtime.s = in->st_mtim.tv_sec;
	out->mtime.ns = (uint32_t)in->st_mtim.tv_nsec;
	out->ctime.s = in->st_ctim.tv_sec;
	out->ctime.ns = (uint32_t)in->st_ctim.tv_nsec;
	out->birth = 0;
}

int fsys_stat_plain(int dirfd, const char *name, struct fsys_stat *st,
		    struct err *err)
{
	struct stat raw;

	if (!*name)
		return fsys_fstat(dirfd, st, err);
	if (fstatat(fsys_at(dirfd), name, &raw, AT_SYMLINK_NOFOLLOW) < 0)
		return fsys_fail(err, "stat", name);
	fsys_take_stat(&raw, st);
	return 0;
}

int fsys_fstat(int fd, struct fsys_stat *st, struct err *err)
{
	struct stat raw;

	if (fstat(fd, &raw) < 0)
		return fsys_fail(err, "fstat", NULL);
	fsys_take_stat(&raw, st);
	return 0;
}

uint64_t fsys_fsid(int fd)
{
	struct statvfs v;

	return fstatvfs(fd, &v) < 0 ? 0 : (uint64_t)v.f_fsid;
}

ssize_t fsys_readlink(int dirfd, const char *name, char *out, size_t size,
		      struct err *err)
{
	ssize_t n = readlinkat(fsys_at(dirfd), name, out, size);

	if (n < 0)
		return fsys_fail(err, "readlink", name);
	if ((size_t)n == size)
		return err_set(err, ERR_NAME, "%s: link target too long", name);
	return n;
}

struct fsys_list {
	DIR *dir;
};

int fsys_list_open(int fd, struct fsys_list **out, struct err *err)
{
	struct fsys_list *l = malloc(sizeof(*l));

	*out = NULL;
	if (!l) {
		close(fd);
		return err_set(err, ERR_MEMORY, "out of memory");
	}
	l->dir = fdopendir(fd);
	if (!l->dir) {
		int r = fsys_fail(err, "opendir", NULL);

		close(fd);
		free(l);
		return r;
	}
	/* The descriptor may be a copy of one that was listed before. */
	rewinddir(l->dir);
	*out = l;
	return 0;
}

int fsys_list_next(struct fsys_list *l, const char **name, uint64_t *ino,
		   enum fsys_type *type, struct err *err)
{
	struct dirent *e;

	for (;;) {
		errno = 0;
		e = readdir(l->dir);
		if (!e)
			return errno ? fsys_fail(err, "readdir", NULL) : 0;
		if (e->d_name[0] == '.' &&
		    (e->d_name[1] == 0 ||
		     (e->d_name[1] == '.' && e->d_name[2] == 0)))
			continue;
		*name = e->d_name;
		*ino = (uint64_t)e->d_ino;
		*type = fsys_dirent_type(e);
		return 1;
	}
}

int fsys_list_fd(const struct fsys_list *l)
{
	return dirfd(l->dir);
}

void fsys_list_close(struct fsys_list *l)
{
	if (!l)
		return;
	closedir(l->dir);
	free(l);
}

ssize_t fsys_read(int fd, void *bytes, size_t len, struct err *err)
{
	ssize_t n;

	do
		n = read(fd, bytes, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? fsys_fail(err, "read", NULL) : n;
}

ssize_t fsys_read_full(int fd, void *bytes, size_t len, struct err *err)
{
	size_t have = 0;
	ssize_t n;

	while (have < len) {
		n = fsys_read(fd, (char *)bytes + have, len - have, err);
		if (n < 0)
			return n;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

bool fsys_young(const struct fsys_stat *st, int64_t at)
{
	int64_t stamp = st->ctime.s * CLOCK_SECOND + st->ctime.ns;
	int64_t margin = st->ctime.ns % 1000000 == 0 ? COARSE : TICK;

	return stamp > at - margin;
}

ssize_t fsys_pread_full(int fd, void *bytes, size_t len, uint64_t at,
			struct err *err)
{
	size_t have = 0;
	ssize_t n;

	while (have < len) {
		n = pread(fd, (char *)bytes + have, len - have,
			  (off_t)(at + have));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fsys_fail(err, "read", NULL);
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

int fsys_write_full(int fd, const void *bytes, size_t len, struct err *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, (const char *)bytes + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0) /* no end otherwise */
			errno = EIO;
		if (n <= 0)
			return fsys_fail(err, "write", NULL);
		done += (size_t)n;
	}
	return 0;
}

int fsys_pwrite_full(int fd, const void *bytes, size_t len, uint64_t at,
		     struct err *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pwrite(fd, (const char *)bytes + done, len - done,
			   (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0) /* no end otherwise */
			errno = EIO;
		if (n <= 0)
			return fsys_fail(err, "write", NULL);
		done += (size_t)n;
	}
	return 0;
}

int fsys_truncate(int fd, uint64_t size, struct err *err)
{
	int r;

	do
		r = ftruncate(fd, (off_t)size);
	while (r < 0 && errno == EINTR);
	return r < 0 ? fsys_fail(err, "ftruncate", NULL) : 0;
}

int fsys_rewind(int fd, struct err *err)
{
	return lseek(fd, 0, SEEK_SET) < 0 ? fsys_fail(err, "lseek", NULL) : 0;
}

void fsys_sequential(int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}

void fsys_will_need(int fd, uint64_t length)
{
	posix_fadvise(fd, 0, (off_t)length, POSIX_FADV_WILLNEED);
}

void fsys_uncache(int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Not retried after EINTR: a second call could report success for data that
 * the first one lost. */
int fsys_sync(int fd, struct err *err)
{
	return fsync(fd) < 0 ? fsys_fail(err, "fsync", NULL) : 0;
}

int fsys_sync_data(int fd, struct err *err)
{
	return fdatasync(fd) < 0 ? fsys_fail(err, "fdatasync", NULL) : 0;
}
