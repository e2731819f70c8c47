/* What the files of the journal share. */
#ifndef SNAPSYNC_JOURNAL_LOCAL_H
#define SNAPSYNC_JOURNAL_LOCAL_H

#include "snapsync/journal.h"

struct place journal_place(int64_t parent, struct view path);

/* 1: the row, whose turn it is, may fail because something is not there: the
 * mirror does not have it either. */
int journal_expected(struct store *s, int64_t dest,
		     const struct journal_row *row, struct err *err);
/* 1: the row was done, but its path does not lead where it should, since what
 * was to bring that there has failed: it was done to something else, or (a
 * delete) to nothing. */
int journal_misled(struct store *s, int64_t dest, const struct journal_row *row,
		   struct err *err);
/* What M has where a path leads: the place, and what is there or nothing
 * (FSYS_NONE).  0: it leads nowhere. */
int journal_follow(struct store *s, int64_t dest, struct view path,
		   struct place *at, int64_t *inode, enum fsys_type *type,
		   struct err *err);
/* A REMOVE of a directory in the limbo.  Done: what M had in it is, in M, where
 * that was given back.  Failed: it is not counted on.  1: that is its own old name, so that the row
 * has no other effect.  For other rows nothing, 0. */
int journal_gave_back(struct store *s, int64_t dest,
		      const struct journal_row *row, bool done, bool *surprised,
		      struct err *err);

#endif
