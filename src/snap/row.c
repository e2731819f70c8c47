#include "row.h"

#include <string.h>

void row_get_attr(struct sql *q, int at, struct attr *a)
{
	uint64_t rdev = (uint64_t)db_col_int(q, at + 4);
	struct view hash;

	memset(a, 0, sizeof(*a));
	a->type = (enum fsys_type)db_col_int(q, at);
	a->mode = (uint32_t)db_col_int(q, at + 1);
	a->uid = (uint32_t)db_col_int(q, at + 2);
	a->gid = (uint32_t)db_col_int(q, at + 3);
	a->rdev_major = (uint32_t)(rdev >> 32);
	a->rdev_minor = (uint32_t)rdev;
	a->size = (uint64_t)db_col_int(q, at + 5);
	a->mtime.s = db_col_int(q, at + 6);
	a->mtime.ns = (uint32_t)db_col_int(q, at + 7);
	hash = db_col_blob(q, at + 8);
	a->hashed = hash.len == HASH_SIZE;
	if (a->hashed)
		memcpy(a->hash.b, hash.p, HASH_SIZE);
}

void row_put_attr(struct sql *q, int at, const struct attr *a)
{
	db_int(q, at, a->type);
	db_int(q, at + 1, a->mode);
	db_int(q, at + 2, a->uid);
	db_int(q, at + 3, a->gid);
	db_int(q, at + 4,
	       (int64_t)((uint64_t)a->rdev_major << 32 | a->rdev_minor));
	db_int(q, at + 5, (int64_t)a->size);
	db_int(q, at + 6, a->mtime.s);
	db_int(q, at + 7, a->mtime.ns);
	if (a->hashed)
		db_blob(q, at + 8, a->hash.b, HASH_SIZE);
	else
		db_null(q, at + 8);
}
