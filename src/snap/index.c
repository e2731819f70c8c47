/* Looking for content; the tables are explained in index_put.c. */
#include "snapsync/index.h"

#include <stdlib.h>
#include <string.h>

#include "schema.h"

int chunk_list_add(struct chunk_list *l, uint64_t key, uint32_t len,
		   struct err *err)
{
	int r;

	if (l->count == INDEX_LIST_MAX)
		l->cut_short = true;
	if (l->cut_short)
		return 0;
	r = vec_grow((void **)&l->v, &l->cap, l->count + 1, sizeof(*l->v), err);
	if (r < 0)
		return r;
	l->v[l->count].key = key;
	l->v[l->count++].len = len;
	return 0;
}

void chunk_list_clear(struct chunk_list *l)
{
	l->count = 0;
	l->cut_short = false;
}

void chunk_list_release(struct chunk_list *l)
{
	free(l->v);
	memset(l, 0, sizeof(*l));
}

int chunk_list_decode(struct chunk_list *l, struct view v, struct err *err)
{
	int r = 0;

	chunk_list_clear(l);
	while (r == 0 && v.len >= INDEX_REF_BYTES) {
		uint64_t key = view_u64(&v);

		r = chunk_list_add(l, key, view_u32(&v), err);
	}
	return r;
}

int index_get(struct store *s, int64_t inode, const struct hash *hash,
	      struct chunk_list *l, struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "SELECT bits, list FROM version"
			       " WHERE inode=?1 AND hash=?2",
			       err);
	int r;

	l->count = 0;
	if (!q)
		return err->code;
	db_int(q, 1, inode);
	db_blob(q, 2, hash->b, HASH_SIZE);
	r = db_step(q, err);
	if (r > 0) {
		l->bits = (unsigned)db_col_int(q, 0);
		r = chunk_list_decode(l, db_col_blob(q, 1), err);
		r = r < 0 ? r : 1;
	}
	db_reset(q);
	return r;
}

int index_bits(struct store *s, const struct hash *hash, unsigned *bits,
	       struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "SELECT bits FROM version WHERE hash=?1 LIMIT 1",
			       err);
	int r;

	if (!q)
		return err->code;
	db_blob(q, 1, hash->b, HASH_SIZE);
	r = db_step(q, err);
	if (r > 0)
		*bits = (unsigned)db_col_int(q, 0);
	db_reset(q);
	return r;
}

int index_find(struct store *s, int64_t dest, uint64_t key,
	       struct index_hit hits[INDEX_HITS], size_t *count,
	       struct err *err)
{
	struct sql *q = db_sql(
		store_db(s),
		"SELECT v.inode, v.hash FROM chunk c"
		" JOIN version v ON v.inode=c.inode"
		" LEFT JOIN dest_inode d ON d.dest=?2 AND d.inode=v.inode"
		" LEFT JOIN inode i ON i.id=v.inode"
		" LEFT JOIN relic r ON r.dest=?2 AND r.inode=v.inode"
		" WHERE c.key=?1 AND v.hash = CASE"
		"  WHEN d.inode IS NOT NULL THEN d.hash"
		"  WHEN i.id IS NOT NULL THEN i.hash ELSE r.hash END LIMIT 8",
		err);
	int r = 0;

	*count = 0;
	if (!q)
		return err->code;
	db_int(q, 1, (int64_t)key);
	db_int(q, 2, dest);
	while (*count < INDEX_HITS && (r = db_step(q, err)) > 0) {
		struct index_hit *hit = &hits[*count];
		struct view v = db_col_blob(q, 1);

		if (v.len != HASH_SIZE)
			continue;
		hit->inode = db_col_int(q, 0);
		memcpy(hit->hash.b, v.p, HASH_SIZE);
		++*count;
	}
	db_reset(q);
	return *count == INDEX_HITS ? 0 : r;
}

int index_whole(struct store *s, int64_t dest, const struct hash *hash,
		uint64_t size, int64_t inodes[INDEX_HITS], size_t *count,
		struct err *err)
{
	struct sql *q;
	int r = 0;

	*count = 0;
	if (size < SCHEMA_WHOLE_MIN)
		return 0;
	q = db_sql(store_db(s),
		   "SELECT id FROM inode WHERE hash=?1 AND size=?2"
		   " AND " SCHEMA_WHOLE " AND type=1 UNION SELECT inode"
		   " FROM dest_inode WHERE dest=?3 AND hash=?1 AND size=?2"
		   " AND type=1 UNION SELECT inode FROM relic"
		   " WHERE dest=?3 AND hash=?1 AND size=?2"
		   " LIMIT 8",
		   err);
	if (!q)
		return err->code;
	db_blob(q, 1, hash->b, HASH_SIZE);
	db_int(q, 2, (int64_t)size);
	db_int(q, 3, dest);
	while (*count < INDEX_HITS && (r = db_step(q, err)) > 0)
		inodes[(*count)++] = db_col_int(q, 0);
	db_reset(q);
	return r < 0 ? r : 0;
}

int index_empty(struct store *s, struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "SELECT EXISTS(SELECT 1 FROM inode"
			       " WHERE " SCHEMA_WHOLE " AND type=1)"
			       " OR EXISTS(SELECT 1 FROM relic)"
			       " OR EXISTS(SELECT 1 FROM dest_inode"
			       " WHERE hash IS NOT NULL AND type=1)",
			       err);
	int r = q ? db_step(q, err) : err->code;

	if (r > 0)
		r = db_col_int(q, 0) == 0;
	db_reset(q);
	return r;
}

int index_relic(struct store *s, int64_t dest, int64_t inode, struct hash *hash,
		uint64_t *size, struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "SELECT hash, size FROM relic"
			       " WHERE dest=?1 AND inode=?2",
			       err);
	struct view v;
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, inode);
	r = db_step(q, err);
	if (r > 0) {
		v = db_col_blob(q, 0);
		r = v.len == HASH_SIZE;
		if (r)
			memcpy(hash->b, v.p, HASH_SIZE);
		*size = (uint64_t)db_col_int(q, 1);
	}
	db_reset(q);
	return r;
}

int index_has_relics(struct store *s, struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "SELECT EXISTS(SELECT 1 FROM relic)", err);
	int r = q ? db_step(q, err) : err->code;

	if (r > 0)
		r = db_col_int(q, 0) != 0;
	db_reset(q);
	return r;
}
