/*
 * fsys: every raw file system call of snapsync, behind one door.
 *
 * All calls are relative to a directory descriptor and never follow a
 * symbolic link in their last component.  Who wants confinement opens a path
 * component by component with fsys_open_dir (see apply/confine) and calls
 * with single names.  Signals: EINTR is retried here.
 *
 * Errors: functions with a `struct err *` record the call, the name and errno,
 * with the code of err_from_errno(); err->sys holds errno.  Where an errno is
 * part of the ordinary course (does it exist?) the caller reads err->sys.
 *
 * Platforms: fsys_posix.c holds what POSIX.1-2008 has; fsys_linux.c or
 * fsys_plain.c (POSIX=1) the parts for which systems have better calls.
 */
#ifndef SNAPSYNC_FSYS_H
#define SNAPSYNC_FSYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "snapsync/err.h"

/* Stand-in for AT_FDCWD: names relative to the working directory. */
#define FSYS_CWD (-100)

struct fsys_time {
	int64_t s;   /* seconds since 1970, may be negative */
	uint32_t ns; /* 0..999999999 */
};

enum fsys_type {
	FSYS_NONE = 0, /* no such thing; a free slot in a table */
	FSYS_FILE,
	FSYS_DIR,
	FSYS_SYMLINK,
	FSYS_FIFO,
	FSYS_SOCKET,
	FSYS_CHAR,
	FSYS_BLOCK,
	FSYS_TYPES
};

/* What stat says, in our own widths. */
struct fsys_stat {
	enum fsys_type type;
	uint32_t mode; /* permission, set-id and sticky bits: 07777 */
	uint32_t uid, gid;
	uint64_t dev, ino;
	uint64_t nlink;
	uint64_t size; /* bytes */
	uint32_t rdev_major, rdev_minor;
	struct fsys_time mtime, ctime;
	/* Nanoseconds since 1970, wrapped into 64 bits: an identity, not a time
	 * to compute with.  0 where the file system or the system has none, and
	 * from fsys_fstat. */
	uint64_t birth;
};

/* Opening. */
enum fsys_open {
	FSYS_READ = 0,
	FSYS_WRITE = 1,	 /* read and write */
	FSYS_CREATE = 2, /* create if missing */
	FSYS_EXCL = 4,	 /* it must not exist */
	FSYS_TRUNC = 8,
	FSYS_QUIET = 16 /* reading leaves no access time, where that is ours to say */
};
/* A file; O_NOFOLLOW, O_CLOEXEC, and O_NONBLOCK so that a FIFO cannot hold us. */
int fsys_open(int dirfd, const char *name, unsigned how, unsigned mode, struct err *err);
/* A directory; never a symbolic link.  For resolving and for *at calls:
 * `list` says that it is to be listed or synced too, which needs read permission. */
int fsys_open_dir(int dirfd, const char *name, bool list, struct err *err);
/* The same for a path of a user, which may hold symbolic links. */
int fsys_open_root(const char *path, struct err *err);
/* The same for a file, for reading. */
int fsys_open_file(const char *path, struct err *err);
int fsys_dup(int fd, struct err *err);
void fsys_close(int fd);

/* Looking. */
/* `name` empty: dirfd itself. */
int fsys_stat(int dirfd, const char *name, struct fsys_stat *st, struct err *err);
int fsys_fstat(int fd, struct fsys_stat *st, struct err *err);
/* Could a change after `at` (real ns) have left these time stamps?  True while
 * the last change is less than a kernel tick before it, or less than two
 * seconds where the file system seems to count in seconds. */
bool fsys_young(const struct fsys_stat *st, int64_t at);
/* An identity of the mounted file system that outlives a remount where the
 * system has one (statvfs f_fsid); 0 if unknown. */
uint64_t fsys_fsid(int fd);
/* The target into out[0..size); returns its length or an error (ERR_NAME if
 * it is longer than size). */
ssize_t fsys_readlink(int dirfd, const char *name, char *out, size_t size, struct err *err);

/* Listing.  fsys_list_open takes the descriptor over, also when it fails. */
struct fsys_list;
int fsys_list_open(int fd, struct fsys_list **out, struct err *err);
/* 1 and the next name (never "." or ".."; lent until the next call), 0 at the
 * end, or an error.  *type may be FSYS_NONE where the system does not tell. */
int fsys_list_next(struct fsys_list *l, const char **name, uint64_t *ino,
		   enum fsys_type *type, struct err *err);
int fsys_list_fd(const struct fsys_list *l);
void fsys_list_close(struct fsys_list *l);

/* Content. */
/* Up to len bytes; 0 at the end of the file. */
ssize_t fsys_read(int fd, void *bytes, size_t len, struct err *err);
/* As many of len bytes as there are before the end. */
ssize_t fsys_read_full(int fd, void *bytes, size_t len, struct err *err);
ssize_t fsys_pread_full(int fd, void *bytes, size_t len, uint64_t at, struct err *err);
/* All of len bytes, or an error. */
int fsys_write_full(int fd, const void *bytes, size_t len, struct err *err);
int fsys_pwrite_full(int fd, const void *bytes, size_t len, uint64_t at, struct err *err);
int fsys_truncate(int fd, uint64_t size, struct err *err);
/* Up to len bytes from one file to another, at these offsets; shares them
 * where the file system can.  How many, 0 at the end of `from`. */
ssize_t fsys_copy_range(int from, uint64_t from_at, int to, uint64_t to_at, size_t len, struct err *err);
/* Can it share the blocks of this file's file system? */
bool fsys_shares(int fd);
/* Is it a network file system's, whose server may do the copying? */
bool fsys_has_server(int fd);
/* The next stretch of data at or behind `from`, up to size; what is before it is
 * a hole.  *start == size: there is none. */
int fsys_next_data(int fd, uint64_t from, uint64_t size, uint64_t *start, uint64_t *end, struct err *err);
/* Back to the first byte. */
int fsys_rewind(int fd, struct err *err);
/* Will be read from front to back: a hint. */
void fsys_sequential(int fd);
/* Its first `length` bytes will be read soon: a hint. */
void fsys_will_need(int fd, uint64_t length);
/* What is read next should come from the disk (if the pages are not dirty). */
void fsys_uncache(int fd);

/* Durability.  A failed sync is final: the data must be taken for lost. */
int fsys_sync(int fd, struct err *err);	     /* fsync */
int fsys_sync_data(int fd, struct err *err); /* fdatasync */
/* Everything on the file system of fd: 1 done, 0 this system has no such call
 * (the caller syncs one by one), or an error. */
int fsys_sync_fs(int fd, struct err *err);
bool fsys_has_sync_fs(void);
/* Begin to write a file's dirty pages back, without waiting: a hint. */
void fsys_flush_hint(int fd);
/* What is written to fd from now on goes to the disk past the page cache (`on`),
 * in multiples of 4096 bytes of memory, place and length; or as ever.  false: it
 * cannot, or there would be no gain. */
bool fsys_direct(int fd, bool on);

/* Changing names and metadata. */
int fsys_mkdir(int dirfd, const char *name, unsigned mode, struct err *err);
int fsys_symlink(const char *target, int dirfd, const char *name, struct err *err);
int fsys_mknod(int dirfd, const char *name, enum fsys_type type, unsigned mode,
	       uint32_t rdev_major, uint32_t rdev_minor, struct err *err);
int fsys_link(int from_dir, const char *from, int to_dir, const char *to, struct err *err);
int fsys_rename(int from_dir, const char *from, int to_dir, const char *to, struct err *err);
int fsys_unlink(int dirfd, const char *name, struct err *err);
int fsys_rmdir(int dirfd, const char *name, struct err *err);
/* Mode of a name that is no symbolic link: opened without following where the
 * system can, else checked before (see the file of the platform). */
int fsys_chmod(int dirfd, const char *name, unsigned mode, struct err *err);
int fsys_fchmod(int fd, unsigned mode, struct err *err);
/* UINT32_MAX leaves an id as it is. */
int fsys_chown(int dirfd, const char *name, uint32_t uid, uint32_t gid, struct err *err);
int fsys_set_mtime(int dirfd, const char *name, struct fsys_time mtime, struct err *err);
int fsys_fset_mtime(int fd, struct fsys_time mtime, struct err *err);
/* A print of what a directory hands down to those made in it and POSIX.1 does not
 * know: access lists, flags, labels.  Equal ones: the same. */
int fsys_heritage(int dirfd, uint64_t *print, struct err *err);
int fsys_mkdir_p(const char *path, unsigned mode, struct err *err);

/* An exclusive advisory lock on an open file: 1 held, 0 somebody else holds
 * it (*pid is who, or 0), or an error.  Ends with the descriptor. */
int fsys_lock(int fd, pid_t *pid, struct err *err);

#endif
