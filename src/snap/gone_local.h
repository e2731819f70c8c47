/* What gone.c and withhold.c share. */
#ifndef SNAPSYNC_GONE_LOCAL_H
#define SNAPSYNC_GONE_LOCAL_H

#include "pass_local.h"

/* A directory of the past, and what stands in its place now (0: nothing). */
struct pair {
	int64_t was, now;
};

struct pairs {
	struct pair *v;
	size_t count, cap;
};

int gone_push(struct pairs *w, int64_t was, int64_t now, struct err *err);
/* Does the last pass know the inode, so that its going is to be judged?  Else
 * one walk of this pass found it. */
bool gone_known(const struct pass *p, int64_t inode);
/* Rows of gone whose inode has no name at all. */
int gone_orphans(struct pass *p, struct name_list *out, struct err *err);
/* The same, and of files that have names only in directories that have gone. */
int gone_lost(struct pass *p, struct name_list *out, struct err *err);
/* What S has under a name now. */
int gone_occupant(struct pass *p, struct place at, int64_t *inode,
		  enum fsys_type *type, struct err *err);
int gone_nameless(struct pass *p, int64_t inode, bool *out, struct err *err);

#endif
