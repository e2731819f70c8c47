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

#endif
