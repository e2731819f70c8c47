/*
 *     version(id, inode, hash, bits, list)   list: u64 key, u32 length each
 *     chunk(key, version, at, length)        one row for each of the list
 */
#include "snapsync/index.h"

#include <stdlib.h>
#include <string.h>

#define REF_BYTES 12u
#define PRUNE_ROWS 512u
#define LIST_MAX (REF_BYTES << 20)

int chunk_list_add(struct chunk_list *l, uint64_t key, uint32_t len,
		   struct err *err)
{
	int r = vec_grow((void **)&l->v, &l->cap, l->count + 1, sizeof(*l->v),
			 err);

	if (r < 0)
		return r;
	l->v[l->count].key = key;
	l->v[l->count++].len = len;
	return 0;
}

void chunk_list_release(struct chunk_list *l)
{
	free(l->v);
	memset(l, 0, sizeof(*l));
}

static int decode(struct view v, struct chunk_list *l, struct err *err)
{
	int r = 0;

	l->count = 0;
	while (r == 0 && v.len >= REF_BYTES) {
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
		r = decode(db_col_blob(q, 1), l, err);
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

static int drop_version(struct store *s, int64_t id, struct view list,
			struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "DELETE FROM chunk WHERE key=?1 AND version=?2",
			       err);
	int r = q ? 0 : err->code;

	while (r == 0 && list.len >= REF_BYTES) {
		db_int(q, 1, (int64_t)view_u64(&list));
		db_int(q, 2, id);
		view_u32(&list);
		r = db_run(q, err);
	}
	if (r < 0)
		return r;
	q = db_sql(store_db(s), "DELETE FROM version WHERE id=?1", err);
	if (!q)
		return err->code;
	db_int(q, 1, id);
	return db_run(q, err);
}

/* One version that a query names; 1 if there was one. */
static int drop_first(struct store *s, struct sql *q, struct err *err)
{
	struct buf list;
	int64_t id;
	int r;

	buf_init(&list, LIST_MAX);
	r = db_step(q, err);
	if (r > 0) {
		struct view v = db_col_blob(q, 1);

		id = db_col_int(q, 0);
		r = buf_put(&list, v.p, v.len, err);
		db_reset(q);
		if (r == 0)
			r = drop_version(s, id, view_of(list.data, list.len),
					 err);
		r = r < 0 ? r : 1;
	} else {
		db_reset(q);
	}
	buf_release(&list);
	return r;
}

static int drop_old(struct store *s, int64_t inode, const struct hash *keep,
		    struct err *err)
{
	int r = 1;

	while (r > 0) {
		struct sql *q = db_sql(
			store_db(s),
			"SELECT id, list FROM version v WHERE inode=?1 AND"
			" hash<>?2 AND hash IS NOT (SELECT hash FROM inode"
			"  WHERE id=?1) AND hash NOT IN (SELECT hash FROM"
			"  dest_inode d WHERE d.inode=?1 AND d.hash IS NOT"
			"  NULL) LIMIT 1",
			err);

		if (!q)
			return err->code;
		db_int(q, 1, inode);
		db_blob(q, 2, keep->b, HASH_SIZE);
		r = drop_first(s, q, err);
	}
	return r;
}

static int add_chunks(struct store *s, int64_t id, const struct chunk_list *l,
		      struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "INSERT INTO chunk VALUES(?1, ?2, ?3, ?4)", err);
	uint64_t at = 0;
	size_t i;
	int r = q ? 0 : err->code;

	for (i = 0; r == 0 && i < l->count; at += l->v[i++].len) {
		if (l->v[i].key == INDEX_HOLE)
			continue;
		db_int(q, 1, (int64_t)l->v[i].key);
		db_int(q, 2, id);
		db_int(q, 3, (int64_t)at);
		db_int(q, 4, l->v[i].len);
		r = db_run(q, err);
	}
	return r;
}

int index_put(struct store *s, int64_t inode, const struct hash *hash,
	      const struct chunk_list *l, struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "SELECT 1 FROM version"
			       " WHERE inode=?1 AND hash=?2",
			       err);
	struct buf b;
	size_t i;
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, inode);
	db_blob(q, 2, hash->b, HASH_SIZE);
	r = db_step(q, err);
	db_reset(q);
	if (r != 0)
		return r < 0 ? r : 0;
	r = drop_old(s, inode, hash, err);
	buf_init(&b, LIST_MAX);
	for (i = 0; r == 0 && i < l->count; i++) {
		r = buf_put_u64(&b, l->v[i].key, err);
		if (r == 0)
			r = buf_put_u32(&b, l->v[i].len, err);
	}
	q = r < 0 ? NULL
		  : db_sql(store_db(s),
			   "INSERT INTO version(inode, hash, bits, list)"
			   " VALUES(?1, ?2, ?3, ?4)",
			   err);
	if (q) {
		db_int(q, 1, inode);
		db_blob(q, 2, hash->b, HASH_SIZE);
		db_int(q, 3, l->bits);
		db_blob(q, 4, b.data, b.len);
		r = db_run(q, err);
	} else if (r == 0) {
		r = err->code;
	}
	buf_release(&b);
	return r < 0 ? r : add_chunks(s, db_last_id(store_db(s)), l, err);
}

int index_find(struct store *s, int64_t dest, uint64_t key,
	       struct index_hit hits[INDEX_HITS], size_t *count,
	       struct err *err)
{
	struct sql *q = db_sql(
		store_db(s),
		"SELECT c.version, v.inode, v.hash, c.at, c.length FROM chunk c"
		" JOIN version v ON v.id=c.version"
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
		struct view v = db_col_blob(q, 2);

		if (v.len != HASH_SIZE)
			continue;
		hit->version = db_col_int(q, 0);
		hit->inode = db_col_int(q, 1);
		memcpy(hit->hash.b, v.p, HASH_SIZE);
		hit->at = (uint64_t)db_col_int(q, 3);
		hit->len = (uint32_t)db_col_int(q, 4);
		++*count;
	}
	db_reset(q);
	return *count == INDEX_HITS ? 0 : r;
}

int index_whole(struct store *s, int64_t dest, const struct hash *hash,
		uint64_t size, int64_t inodes[INDEX_HITS], size_t *count,
		struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "SELECT id FROM inode WHERE hash=?1 AND size=?2"
			       " AND type=1 UNION SELECT inode FROM dest_inode"
			       " WHERE dest=?3 AND hash=?1 AND size=?2 AND"
			       " type=1 UNION SELECT inode FROM relic"
			       " WHERE dest=?3 AND hash=?1 AND size=?2"
			       " LIMIT 8",
			       err);
	int r = 0;

	*count = 0;
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
			       " WHERE hash IS NOT NULL AND type=1)"
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

int index_relic(struct store *s, int64_t dest, int64_t inode,
		struct hash *hash, uint64_t *size, struct err *err)
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

/* 1 if a relic has gone. */
static int drop_relics(struct store *s, struct err *err)
{
	struct sql *q = db_sql(
		store_db(s),
		"DELETE FROM relic WHERE NOT EXISTS (SELECT 1 FROM dest_name d"
		" INDEXED BY dest_name_inode WHERE d.dest=relic.dest AND"
		" d.inode=relic.inode AND d.inode<>0)",
		err);
	int r = q ? db_run(q, err) : err->code;

	return r < 0 ? r : db_changes(store_db(s)) > 0;
}

/* Versions of inodes that are nowhere any more: the next ones behind `last`. */
static int lost_versions(struct store *s, int64_t last, int64_t *ids,
			 size_t *count, struct err *err)
{
	struct sql *q = db_sql(
		store_db(s),
		"SELECT id FROM version WHERE id>?1 AND inode NOT IN"
		" (SELECT id FROM inode) AND inode NOT IN"
		" (SELECT inode FROM relic) ORDER BY id LIMIT 512",
		err);
	int r;

	*count = 0;
	if (!q)
		return err->code;
	db_int(q, 1, last);
	while (*count < PRUNE_ROWS && (r = db_step(q, err)) > 0)
		ids[(*count)++] = db_col_int(q, 0);
	db_reset(q);
	return *count == PRUNE_ROWS ? 0 : r;
}

static int drop_lost(struct store *s, struct err *err)
{
	int64_t ids[PRUNE_ROWS], last = 0;
	size_t count, i;
	int r;

	do {
		r = lost_versions(s, last, ids, &count, err);
		for (i = 0; r >= 0 && i < count; i++) {
			struct sql *q = db_sql(store_db(s),
					       "SELECT id, list FROM version"
					       " WHERE id=?1",
					       err);

			if (!q)
				return err->code;
			db_int(q, 1, ids[i]);
			r = drop_first(s, q, err);
			last = ids[i];
		}
	} while (r >= 0 && count > 0);
	return r < 0 ? r : 0;
}

int index_prune(struct store *s, struct err *err)
{
	int r = db_begin(store_db(s), err);

	if (r < 0)
		return r;
	r = drop_relics(s, err);
	if (r > 0)
		r = drop_lost(s, err);
	if (r == 0)
		return db_commit(store_db(s), err);
	db_rollback(store_db(s));
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
