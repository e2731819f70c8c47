/* Linux: O_PATH, statx's birth time, syncfs, sync_file_range, O_DIRECT. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fsys_local.h"
#include "snapsync/clock.h"
#include "snapsync/hash.h"

/* Not in the headers of every Linux that is still in use. */
#ifndef CEPH_SUPER_MAGIC
#define CEPH_SUPER_MAGIC 0x00c36400
#endif
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xff534d42
#endif
#ifndef SMB2_SUPER_MAGIC
#define SMB2_SUPER_MAGIC 0xfe534d42
#endif

int fsys_open_dir(int dirfd, const char *name, bool list, struct err *err)
{
	int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	flags |= list ? O_RDONLY : O_PATH;
	do
		fd = openat(fsys_at(dirfd), name, flags);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? fsys_fail(err, "open", name) : fd;
}

int fsys_quiet_flag(void)
{
	return O_NOATIME;
}

/* In one call with the time of birth.  Where the kernel, or what it is confined
 * by, has no statx, or does not say all: without.  Looking mounts nothing, which
 * fstatat does not either. */
int fsys_stat(int dirfd, const char *name, struct fsys_stat *st,
	      struct err *err)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
		    AT_STATX_SYNC_AS_STAT | (*name ? 0 : AT_EMPTY_PATH);
	struct statx x;
	struct stat raw;

	if (statx(fsys_at(dirfd), name, flags, STATX_BASIC_STATS | STATX_BTIME,
		  &x) < 0)
		return errno == ENOSYS || errno == EPERM
			       ? fsys_stat_plain(dirfd, name, st, err)
			       : fsys_fail(err, "stat", name);
	if ((x.stx_mask & STATX_BASIC_STATS) != STATX_BASIC_STATS)
		return fsys_stat_plain(dirfd, name, st, err);
	memset(&raw, 0, sizeof(raw));
	raw.st_mode = x.stx_mode;
	raw.st_uid = x.stx_uid;
	raw.st_gid = x.stx_gid;
	raw.st_dev = makedev(x.stx_dev_major, x.stx_dev_minor);
	raw.st_ino = x.stx_ino;
	raw.st_nlink = x.stx_nlink;
	raw.st_size = (off_t)x.stx_size;
	raw.st_rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor);
	raw.st_mtim.tv_sec = x.stx_mtime.tv_sec;
	raw.st_mtim.tv_nsec = x.stx_mtime.tv_nsec;
	raw.st_ctim.tv_sec = x.stx_ctime.tv_sec;
	raw.st_ctim.tv_nsec = x.stx_ctime.tv_nsec;
	fsys_take_stat(&raw, st);
	if (x.stx_mask & STATX_BTIME)
		st->birth = (uint64_t)x.stx_btime.tv_sec * CLOCK_SECOND +
			    x.stx_btime.tv_nsec;
	return 0;
}

int fsys_sync_fs(int fd, struct err *err)
{
	return syncfs(fd) < 0 ? fsys_fail(err, "syncfs", NULL) : 1;
}

bool fsys_has_sync_fs(void)
{
	return true;
}

void fsys_flush_hint(int fd)
{
	sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* Where what is written past the cache is neither left uncompressed nor copied
 * behind our back. */
static bool writes_past_cache(int fd)
{
	struct statfs f;

	return fstatfs(fd, &f) == 0 &&
	       ((uint32_t)f.f_type == EXT4_SUPER_MAGIC ||
		(uint32_t)f.f_type == XFS_SUPER_MAGIC);
}

bool fsys_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (on && !writes_past_cache(fd)))
		return false;
	flags = on ? flags | O_DIRECT : flags & ~O_DIRECT;
	return fcntl(fd, F_SETFL, flags) == 0;
}

int fsys_next_data(int fd, uint64_t from, uint64_t size, uint64_t *start,
		   uint64_t *end, struct err *err)
{
	off_t at = lseek(fd, (off_t)from, SEEK_DATA);

	*start = from;
	*end = size;
	if (at < 0 && errno == ENXIO) {
		*start = size;
		return 0;
	}
	if (at < 0) /* it cannot tell: all of it is data */
		return errno == EINVAL ? 0 : fsys_fail(err, "seek", NULL);
	*start = (uint64_t)at < size ? (uint64_t)at : size;
	at = lseek(fd, at, SEEK_HOLE);
	if (at >= 0 && (uint64_t)at < size)
		*end = (uint64_t)at;
	return 0;
}

ssize_t fsys_copy_range(int from, uint64_t from_at, int to, uint64_t to_at,
			size_t len, struct err *err)
{
	off_t in = (off_t)from_at, out = (off_t)to_at;
	ssize_t n;

	do
		n = copy_file_range(from, &in, to, &out, len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
		      errno == EOPNOTSUPP || errno == EPERM))
		return fsys_copy_plain(from, from_at, to, to_at, len, err);
	return n < 0 ? fsys_fail(err, "copy", NULL) : n;
}

/* A file is not cloned to itself; one that could be is told so in another way. */
bool fsys_shares(int fd)
{
	return ioctl(fd, FICLONE, fd) == 0 || errno == EINVAL;
}

bool fsys_has_server(int fd)
{
	struct statfs f;

	if (fstatfs(fd, &f) < 0)
		return false;
	switch ((uint32_t)f.f_type) {
	case NFS_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case CEPH_SUPER_MAGIC: return true;
	default: return false;
	}
}

/* Flags of an inode that what is made in it gets too. */
#define HANDED_DOWN                                                            \
	(FS_SECRM_FL | FS_UNRM_FL | FS_COMPR_FL | FS_SYNC_FL | FS_NODUMP_FL |  \
	 FS_NOATIME_FL | FS_NOCOMP_FL | FS_DIRSYNC_FL | FS_NOCOW_FL |          \
	 FS_DAX_FL | FS_PROJINHERIT_FL | FS_CASEFOLD_FL)

/* ioctl_iflags(2), acl(5), nfs4_acl(5), selinux(8), btrfs(5).  An O_PATH
 * descriptor has none of these to be read. */
int fsys_heritage(int dirfd, uint64_t *print, struct err *err)
{
	static const char *const names[] = {"system.posix_acl_default",
					    "system.nfs4_acl",
					    "security.selinux",
					    "btrfs.compression"};
	int flags = 0, fd = fsys_open_dir(dirfd, ".", true, err);
	char value[4096];
	size_t i;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		flags = 0;
	*print = (uint64_t)(flags & HANDED_DOWN);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		n = fgetxattr(fd, names[i], value, sizeof(value));
		if (n < 0 && errno == ERANGE)
			break;
		*print = hash_u64(value, n > 0 ? (size_t)n : 0, *print);
	}
	fsys_close(fd);
	return i < sizeof(names) / sizeof(names[0])
		       ? err_set(err, ERR_UNSUPPORTED, "a long attribute")
		       : 0;
}

/* fchmodat with AT_SYMLINK_NOFOLLOW is not to be had before Linux 6.6, and
 * O_PATH descriptors refuse fchmod; the name of such a descriptor in /proc
 * does it without a race.  Where /proc is not mounted: a real descriptor. */
int fsys_chmod(int dirfd, const char *name, unsigned mode, struct err *err)
{
	char proc[64];
	struct stat st;
	int fd, r;

	do
		fd = openat(fsys_at(dirfd), name,
			    O_PATH | O_NOFOLLOW | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return fsys_fail(err, "open", name);
	if (fstat(fd, &st) < 0 || S_ISLNK(st.st_mode)) {
		close(fd);
		return err_sys(err, ERR_UNSUPPORTED, ELOOP, "chmod %s", name);
	}
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	r = chmod(proc, (mode_t)mode);
	if (r < 0 && errno == ENOENT) {
		int real = openat(fsys_at(dirfd), name,
				  O_RDONLY | O_NONBLOCK | O_NOFOLLOW |
					  O_CLOEXEC);

		r = real < 0 ? -1 : fchmod(real, (mode_t)mode);
		fsys_close(real);
	}
	if (r < 0)
		r = fsys_fail(err, "chmod", name);
	close(fd);
	return r;
}

void fsys_rdev_split(dev_t rdev, uint32_t *major_out, uint32_t *minor_out)
{
	*major_out = major(rdev);
	*minor_out = minor(rdev);
}

dev_t fsys_rdev_join(uint32_t major_in, uint32_t minor_in)
{
	return makedev(major_in, minor_in);
}

enum fsys_type fsys_dirent_type(const struct dirent *e)
{
	return e->d_type == DT_UNKNOWN
		       ? FSYS_NONE
		       : fsys_type_of((mode_t)DTTOIF(e->d_type));
}
