/*
 * alter: --chmod and --chown.  The source counts as if it had these modes and
 * owners; everything behind it, the snapshot included, sees no other.
 *
 *     struct alter a = {0};
 *     alter_chmod(&a, "D755,F644", err);
 *     alter_chown(&a, "www-data:", err);
 *     alter_stat(&a, &st);
 */
#ifndef SNAPSYNC_ALTER_H
#define SNAPSYNC_ALTER_H

#include "snapsync/fsys.h"

#define ALTER_RULES_MAX 64u

struct alter_rule {
	bool dirs, others;  /* for which kinds of entries */
	unsigned keep, set; /* mode = (mode & keep) | set */
	bool if_executable; /* X: an x of set only where one was, and for directories */
	char copy;	    /* u, g or o: set is what they have; or 0 */
	bool remove;	    /* of copy: takes that away instead */
	unsigned to;	    /* of copy: only these bits */
};

struct alter {
	struct alter_rule rules[ALTER_RULES_MAX];
	size_t count;
	bool has_uid, has_gid;
	uint32_t uid, gid;
};

/* As rsync's: parts between commas, each behind D or F for only directories or
 * only what is none: an octal mode, [ugoa][+-=][rwxXst] or [ugoa][+-=][ugo].
 * Where nobody is named, the umask counts.  Several calls add up.
 * -ERR_USAGE. */
int alter_chmod(struct alter *a, const char *text, struct err *err);
/* USER, USER:GROUP or :GROUP, by name or number of this machine. */
int alter_chown(struct alter *a, const char *text, struct err *err);
/* a NULL: nothing. */
void alter_stat(const struct alter *a, struct fsys_stat *st);

#endif
