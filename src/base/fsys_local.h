/* What the files of fsys share among themselves. */
#ifndef SNAPSYNC_FSYS_LOCAL_H
#define SNAPSYNC_FSYS_LOCAL_H

#include <dirent.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "snapsync/fsys.h"

/* Record errno for `call` on `name` (may be NULL). */
int fsys_fail(struct err *err, const char *call, const char *name);
/* FSYS_CWD to AT_FDCWD. */
int fsys_at(int dirfd);
enum fsys_type fsys_type_of(mode_t mode);
/* All but the time of birth. */
void fsys_take_stat(const struct stat *in, struct fsys_stat *out);
/* fsys_stat as POSIX.1 has it: without the time of birth. */
int fsys_stat_plain(int dirfd, const char *name, struct fsys_stat *st,
		    struct err *err);
/* Of the platform's file: */
/* The open(2) flag for FSYS_QUIET; 0: there is none.  EPERM: not one's own; EINVAL: a
 * file system that does not know it. */
int fsys_quiet_flag(void);
void fsys_rdev_split(dev_t rdev, uint32_t *major_out, uint32_t *minor_out);
dev_t fsys_rdev_join(uint32_t major_in, uint32_t minor_in);
enum fsys_type fsys_dirent_type(const struct dirent *e);

/* By reading and writing. */
ssize_t fsys_copy_plain(int from, uint64_t from_at, int to, uint64_t to_at,
			size_t len, struct err *err);

#endif
