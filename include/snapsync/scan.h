/*
 * scan: the walk over the source.
 *
 * scan_walk lists every directory below a root once, parents before children,
 * stats every entry relative to the directory's descriptor, and hands each
 * directory over as a whole:
 *
 *     struct scan_options o = {.filter = f};
 *     scan_walk(root_fd, &o, 1, on_dir, arg, err);
 *
 * The callback sees all entries that belong to the mirror and says for each
 * directory among them whether to go into it, and with which cookie (a number
 * of its own) it will be announced.  Entries are lent until it returns.
 *
 * A directory that changed while it was listed is listed again, at most three
 * times; then it is handed over with SCAN_UNSTABLE.  One that cannot be read
 * is handed over without entries and with SCAN_UNREADABLE; what could not be
 * stat-ed is an entry of type FSYS_NONE with its errno.  The walk itself fails
 * only without memory, when the callback fails, or when the root is gone.
 *
 * Up to SCAN_THREADS_MAX threads of its own help with the listing; the callback
 * is called in the caller's thread only, for parents before their children, and
 * in no other order than that.
 *
 * With a scan_memory, a directory whose own times have not changed since an
 * earlier walk is not listed: its entries are looked at by their known names.
 *
 * Depth is bounded by memory, not by file descriptors: at most
 * SCAN_FDS_MAX are open at a time, and a directory whose descriptor was given
 * up is opened again by names from the root, and checked to be the same.
 */
#ifndef SNAPSYNC_SCAN_H
#define SNAPSYNC_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapsync/err.h"
#include "snapsync/filter.h"
#include "snapsync/fsys.h"

#define SCAN_FDS_MAX 200
#define SCAN_THREADS_MAX 3

#define SCAN_UNREADABLE 1u /* could not be opened or listed to its end */
#define SCAN_UNSTABLE 2u   /* kept changing while it was listed */
#define SCAN_BOUNDARY 4u   /* on another device, and -x: not looked into */
#define SCAN_VANISHED 8u   /* was gone when its turn came */

struct scan_entry {
	const char *name;    /* NUL-terminated */
	size_t len;	     /* bytes */
	struct fsys_stat st; /* type FSYS_NONE: see sys */
	int sys;	     /* errno of a failed stat, or 0 */
	bool descend;	     /* set by the callback, for directories */
	uint64_t cookie;     /* set by the callback, with descend */
};

struct scan_dir {
	uint64_t cookie;     /* as the parent's callback said */
	int fd;		     /* of the directory; -1 if unreadable */
	struct fsys_stat st; /* of the directory, after the listing */
	const char *path;    /* relative; "" is the root */
	size_t path_len;
	unsigned flags;
	int sys; /* errno behind SCAN_UNREADABLE */
	struct scan_entry *entries;
	size_t count;
	size_t hidden; /* names the filter did not want */
};

struct scan_options {
	const struct filter *filter; /* may be NULL */
	bool one_file_system;	     /* -x */
	const volatile int *stop;    /* set by a signal: give up; may be NULL */
	struct scan_memory *memory;  /* names from the walk before; may be NULL */
};

/* Names of directories, for walks of the same root with the same filter, again
 * and again.  NULL if there is no memory. */
struct scan_memory *scan_memory_new(void);
void scan_memory_free(struct scan_memory *m);

typedef int (*scan_dir_fn)(void *arg, struct scan_dir *dir, struct err *err);

/* -ERR_SIGNAL when *stop became true. */
int scan_walk(int root_fd, const struct scan_options *options,
	      uint64_t root_cookie, scan_dir_fn on_dir, void *arg,
	      struct err *err);

#endif
