/* What the files of the journal share. */
#ifndef SNAPSYNC_JOURNAL_LOCAL_H
#define SNAPSYNC_JOURNAL_LOCAL_H

#include "snapsync/journal.h"

struct place journal_place(int64_t parent, struct view path);

/* 1: the row, whose turn it is, may fail because something is not there: the
 * mirror does not have it either. */
int journal_expected(struct store *s, int64_t dest, const struct journal_row *row, struct err *err);

#endif
