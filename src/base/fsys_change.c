#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsys_local.h"

int fsys_mkdir(int dirfd, const char *name, unsigned mode, struct err *err)
{
	if (mkdirat(fsys_at(dirfd), name, (mode_t)mode) < 0)
		return fsys_fail(err, "mkdir", name);
	return 0;
}

int fsys_symlink(const char *target, int dirfd, const char *name,
		 struct err *err)
{
	if (symlinkat(target, fsys_at(dirfd), name) < 0)
		return fsys_fail(err, "symlink", name);
	return 0;
}

int fsys_mknod(int dirfd, const char *name, enum fsys_type type, unsigned mode,
	       uint32_t rdev_major, uint32_t rdev_minor, struct err *err)
{
	static const mode_t kind[FSYS_TYPES] = {
		[FSYS_FIFO] = S_IFIFO,
		[FSYS_SOCKET] = S_IFSOCK,
		[FSYS_CHAR] = S_IFCHR,
		[FSYS_BLOCK] = S_IFBLK,
	};
	int r;

	if ((unsigned)type >= FSYS_TYPES || !kind[type])
		return err_set(err, ERR_UNSUPPORTED,
			       "%s: not a kind of node that can be made", name);
	if (type == FSYS_FIFO)
		r = mkfifoat(fsys_at(dirfd), name, (mode_t)mode);
	else
		r = mknodat(fsys_at(dirfd), name, kind[type] | (mode_t)mode,
			    fsys_rdev_join(rdev_major, rdev_minor));
	return r < 0 ? fsys_fail(err, "mknod", name) : 0;
}

int fsys_link(int from_dir, const char *from, int to_dir, const char *to,
	      struct err *err)
{
	if (linkat(fsys_at(from_dir), from, fsys_at(to_dir), to, 0) < 0)
		return fsys_fail(err, "link", to);
	return 0;
}

int fsys_rename(int from_dir, const char *from, int to_dir, const char *to,
		struct err *err)
{
	if (renameat(fsys_at(from_dir), from, fsys_at(to_dir), to) < 0)
		return fsys_fail(err, "rename", to);
	return 0;
}

int fsys_unlink(int dirfd, const char *name, struct err *err)
{
	if (unlinkat(fsys_at(dirfd), name, 0) < 0)
		return fsys_fail(err, "unlink", name);
	return 0;
}

/* POSIX lets rmdir say EEXIST for a directory that is not empty. */
int fsys_rmdir(int dirfd, const char *name, struct err *err)
{
	if (unlinkat(fsys_at(dirfd), name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno == EEXIST)
		errno = ENOTEMPTY;
	return fsys_fail(err, "rmdir", name);
}

ssize_t fsys_copy_plain(int from, uint64_t from_at, int to, uint64_t to_at,
			size_t len, struct err *err)
{
	unsigned char bytes[65536];
	size_t want = len < sizeof(bytes) ? len : sizeof(bytes);
	ssize_t n = fsys_pread_full(from, bytes, want, from_at, err);
	int r;

	if (n <= 0)
		return n;
	r = fsys_pwrite_full(to, bytes, (size_t)n, to_at, err);
	return r < 0 ? r : n;
}

int fsys_fchmod(int fd, unsigned mode, struct err *err)
{
	return fchmod(fd, (mode_t)mode) < 0 ? fsys_fail(err, "fchmod", NULL)
					    : 0;
}

int fsys_chown(int dirfd, const char *name, uint32_t uid, uint32_t gid,
	       struct err *err)
{
	uid_t u = uid == UINT32_MAX ? (uid_t)-1 : (uid_t)uid;
	gid_t g = gid == UINT32_MAX ? (gid_t)-1 : (gid_t)gid;

	if (fchownat(fsys_at(dirfd), name, u, g, AT_SYMLINK_NOFOLLOW) < 0)
		return fsys_fail(err, "chown", name);
	return 0;
}

static void mtime_only(struct fsys_time mtime, struct timespec out[2])
{
	out[0].tv_sec = 0;
	out[0].tv_nsec = UTIME_OMIT;
	out[1].tv_sec = (time_t)mtime.s;
	out[1].tv_nsec = (long)mtime.ns;
}

int fsys_set_mtime(int dirfd, const char *name, struct fsys_time mtime,
		   struct err *err)
{
	struct timespec t[2];

	mtime_only(mtime, t);
	if (utimensat(fsys_at(dirfd), name, t, AT_SYMLINK_NOFOLLOW) < 0)
		return fsys_fail(err, "set times of", name);
	return 0;
}

int fsys_fset_mtime(int fd, struct fsys_time mtime, struct err *err)
{
	struct timespec t[2];

	mtime_only(mtime, t);
	return futimens(fd, t) < 0 ? fsys_fail(err, "set times", NULL) : 0;
}

/* denied: why one further up could not be made.  It may be there all the same;
 * if not, that is the reason. */
static int make_one(const char *path, unsigned mode, int *denied)
{
	if (mkdir(path, (mode_t)mode) == 0 || errno == EEXIST)
		return 0;
	if (errno == ENOENT && *denied)
		errno = *denied;
	else if (errno == EROFS || errno == EACCES)
		*denied = errno;
	return -1;
}

int fsys_mkdir_p(const char *path, unsigned mode, struct err *err)
{
	char *copy = strdup(path), *slash;
	int r = 0, denied = 0;

	if (!copy)
		return err_set(err, ERR_MEMORY, "out of memory");
	for (slash = copy + 1; r == 0 && *slash; slash++) {
		if (*slash != '/')
			continue;
		*slash = 0;
		if (make_one(copy, mode, &denied) < 0 && errno != denied)
			r = fsys_fail(err, "mkdir", copy);
		*slash = '/';
	}
	if (r == 0 && make_one(copy, mode, &denied) < 0)
		r = fsys_fail(err, "mkdir", path);
	free(copy);
	return r;
}

int fsys_lock(int fd, pid_t *pid, struct err *err)
{
	struct flock want = {.l_type = F_WRLCK, .l_whence = SEEK_SET}, holder;
	int tries;

	*pid = 0;
	for (tries = 0; tries < 10; tries++) {
		if (fcntl(fd, F_SETLK, &want) == 0)
			return 1;
		if (errno != EACCES && errno != EAGAIN)
			return fsys_fail(err, "lock", NULL);
		holder = want;
		if (fcntl(fd, F_GETLK, &holder) < 0)
			return 0;
		if (holder.l_type != F_UNLCK) {
			*pid = holder.l_pid;
			return 0;
		}
	} /* it was given back in between */
	return 0;
}
