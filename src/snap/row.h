/* How attributes lie in result columns and parameters. */
#ifndef SNAPSYNC_ROW_H
#define SNAPSYNC_ROW_H

#include "snapsync/store.h"

/* type, mode, uid, gid, rdev, size, mtime, mtime_ns, hash from column `at`. */
#define ROW_ATTR "type, mode, uid, gid, rdev, size, mtime, mtime_ns, hash"
#define ROW_ATTR_COLUMNS 9

void row_get_attr(struct sql *q, int at, struct attr *a);
/* a must outlive the step: its hash is lent. */
void row_put_attr(struct sql *q, int at, const struct attr *a);

#endif
