/* What the files of a pass share: pass.c (the course of it), diff.c (one
 * directory), print.c (its fingerprint), device.c (file systems), gone.c (what
 * is no longer there), confirm.c (whether that is sure), circle.c (what cannot
 * be there). */
#ifndef SNAPSYNC_PASS_LOCAL_H
#define SNAPSYNC_PASS_LOCAL_H

#include "snapsync/map.h"
#include "snapsync/mirror.h"
#include "snapsync/pass.h"
#include "snapsync/scan.h"

struct device {
	uint64_t st_dev;
	int64_t id;
};

struct pass {
	struct store *s;
	int root_fd;
	const struct pass_options *o;
	struct pass_result *result;
	struct device *devices; /* known to be right in this pass */
	size_t device_count, device_cap;
	struct name_list names; /* of the directory at hand */
	struct arena rows_arena;
	struct inode_row *rows; /* of those names */
	size_t rows_cap;
	bool root_empty;
	/* Directories with another ctime than at the last pass; a name is gone
	 * from one that has the same. */
	struct map touched;
	bool timeless;
	bool young;	 /* a link's target was read too soon after a change */
	bool seen_again; /* a directory of which not all could be seen, or gone */
	bool gone_table; /* TEMP tables `gone` and `brief` exist */
	int64_t newest;	 /* inode that the last pass knows */
	uint64_t walk_changes;
	int64_t started; /* real ns */
};

/* pass.c: time goes by; somebody may have to be told. */
void pass_alive(const struct pass *p);

/* confirm.c: 1: nothing came into any directory since the walk began, so that
 * what it missed is not there.  0: only another walk can tell. */
int confirm_walk(struct pass *p, struct err *err);

/* print.c */
/* ns since 1970, wrapped: as rows have it. */
uint64_t pass_time(struct fsys_time t);
/* False where there can be none: an entry could not be stat-ed, or lies on a
 * file system not met before in this pass. */
bool print_of(const struct pass *p, const struct scan_dir *dir,
	      struct hash *out);

/* diff.c */
int diff_dir(void *pass, struct scan_dir *dir, struct err *err);

/* device.c: our number for st_dev; `hint` is what the snapshot has under the
 * name where it was met (NULL: nothing), fd is on that file system or -1. */
int device_number(struct pass *p, const struct fsys_stat *st,
		  const struct inode_row *hint, int fd, int64_t *out,
		  struct err *err);
int device_is(struct pass *p, uint64_t st_dev, int64_t id, struct err *err);

/* gone.c */
int gone_note(struct pass *p, struct place at, int64_t inode,
	      enum fsys_type type, struct err *err);
/* After the walks: what one of them found and a later one did not is as if it
 * had never been there. */
int gone_brief(struct pass *p, struct err *err);
/* How many entries would be deleted (counted by path). */
int gone_count(struct pass *p, uint64_t *out, struct err *err);
/* Is there anything that has no name any more, and is not a file that was
 * replaced by another one? */
int gone_any(struct pass *p, bool *out, struct err *err);
/* Before either of the next two: what was deleted in a directory that was found
 * under an excluded name after that stays where it is. */
int gone_leave_excluded(struct pass *p, struct err *err);
int gone_accept(struct pass *p, struct err *err);
/* A directory that cannot be read has taken the place of one that has gone: what
 * that had is taken to be in it. */
int gone_unseen(struct pass *p, struct err *err);
int gone_withhold(struct pass *p, struct err *err);
/* circle.c: directories that were found below each other, at different moments,
 * lose a name there, and are missing from then on.  known: only those that the last
 * pass knows (each circle that something put back makes has one).  *any: there
 * were some. */
int circle_cut(struct pass *p, bool known, bool *any, struct err *err);
/* merge.c: directories replaced in place by new ones. */
int merge_replaced(struct pass *p, struct err *err);
/* Take `inode` and all below it out of S and M (excluded now). */
int gone_forget(struct pass *p, struct place at, int64_t inode,
		enum fsys_type type, struct err *err);

#endif
