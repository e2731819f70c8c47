/*
 * Which content lies where, and what is forgotten of it.
 *
 *     version(id, inode, hash, bits, list)   list: u64 key, u32 length each
 *     chunk(key, inode)                      each key in any list of the inode
 *
 * The keys of an inode's versions are mostly the same, so a new version costs
 * a row for each chunk that is new, however long the file is.
 */
#include <stdlib.h>
#include <string.h>

#include "schema.h"
#include "snapsync/index.h"

#define PRUNE_ROWS 512u
#define LIST_MAX ((size_t)INDEX_REF_BYTES * INDEX_LIST_MAX)

/* Distinct keys in order, for comparing. */
struct keys {
	uint64_t *v;
	size_t count, cap;
};

static int keys_add(struct keys *k, const struct chunk_list *l, struct err *err)
{
	size_t i;
	int r = vec_grow((void **)&k->v, &k->cap, k->count + l->count,
			 sizeof(*k->v), err);

	for (i = 0; r == 0 && i < l->count; i++)
		if (l->v[i].key != INDEX_HOLE)
			k->v[k->count++] = l->v[i].key;
	return r;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void keys_sort(struct keys *k)
{
	size_t i, n = 0;

	if (k->count)
		qsort(k->v, k->count, sizeof(*k->v), compare);
	for (i = 0; i < k->count; i++)
		if (n == 0 || k->v[n - 1] != k->v[i])
			k->v[n++] = k->v[i];
	k->count = n;
}

/* Runs the statement for each of `these` that is not among the others. */
static int for_each(struct store *s, const char *text, int64_t inode,
		    const struct keys *these, const struct keys *others,
		    struct err *err)
{
	struct sql *q = db_sql(store_db(s), text, err);
	size_t i, k = 0;
	int r = q ? 0 : err->code;

	for (i = 0; r == 0 && i < these->count; i++) {
		while (k < others->count && others->v[k] < these->v[i])
			k++;
		if (k < others->count && others->v[k] == these->v[i])
			continue;
		db_int(q, 1, (int64_t)these->v[i]);
		db_int(q, 2, inode);
		r = db_run(q, err);
	}
	return r;
}

/* The chunk rows of an inode whose lists held `before` and hold `after`. */
static int change_chunks(struct store *s, int64_t inode, struct keys *before,
			 struct keys *after, struct err *err)
{
	int r;

	keys_sort(before);
	keys_sort(after);
	r = for_each(s, "DELETE FROM chunk WHERE key=?1 AND inode=?2", inode,
		     before, after, err);
	return r < 0 ? r
		     : for_each(s, "INSERT OR IGNORE INTO chunk VALUES(?1, ?2)",
				inode, after, before, err);
}

static int delete_version(struct store *s, int64_t id, struct err *err)
{
	struct sql *q = db_sql(store_db(s), "DELETE FROM version WHERE id=?1",
			       err);

	if (!q)
		return err->code;
	db_int(q, 1, id);
	return db_run(q, err);
}

/* The keys of all versions of an inode are added to `before`.  Those versions
 * that somebody may still have stay if `keep` says so, and their keys are added
 * to `after` too; the others go. */
static int sift(struct store *s, int64_t inode, bool keep, struct keys *before,
		struct keys *after, struct err *err)
{
	struct sql *q = db_sql(
		store_db(s),
		"SELECT id, list, hash IS (SELECT hash FROM inode WHERE id=?1)"
		" OR hash IN (SELECT hash FROM dest_inode d WHERE d.inode=?1"
		" AND d.hash IS NOT NULL) FROM version WHERE inode=?1",
		err);
	struct chunk_list l = {.v = NULL};
	int64_t lost[PRUNE_ROWS];
	size_t i, count = 0;
	int r = q ? 0 : err->code;

	if (r == 0)
		db_int(q, 1, inode);
	while (r >= 0 && (r = db_step(q, err)) > 0) {
		bool stays = keep && db_col_int(q, 2) != 0;

		if (!stays && count < PRUNE_ROWS)
			lost[count++] = db_col_int(q, 0);
		else
			stays = true;
		r = chunk_list_decode(&l, db_col_blob(q, 1), err);
		if (r == 0)
			r = keys_add(before, &l, err);
		if (r == 0 && stays)
			r = keys_add(after, &l, err);
	}
	db_reset(q);
	chunk_list_release(&l);
	for (i = 0; r >= 0 && i < count; i++)
		r = delete_version(s, lost[i], err);
	return r;
}

static int is_there(struct store *s, int64_t inode, const struct hash *hash,
		    struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "SELECT 1 FROM version"
			       " WHERE inode=?1 AND hash=?2",
			       err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, inode);
	db_blob(q, 2, hash->b, HASH_SIZE);
	r = db_step(q, err);
	db_reset(q);
	return r;
}

static int insert_version(struct store *s, int64_t inode,
			  const struct hash *hash, const struct chunk_list *l,
			  struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "INSERT INTO version(inode, hash, bits, list)"
			       " VALUES(?1, ?2, ?3, ?4)",
			       err);
	struct buf b;
	size_t i;
	int r = q ? 0 : err->code;

	buf_init(&b, LIST_MAX);
	for (i = 0; r == 0 && i < l->count; i++) {
		r = buf_put_u64(&b, l->v[i].key, err);
		if (r == 0)
			r = buf_put_u32(&b, l->v[i].len, err);
	}
	if (r == 0) {
		db_int(q, 1, inode);
		db_blob(q, 2, hash->b, HASH_SIZE);
		db_int(q, 3, l->bits);
		db_blob(q, 4, b.data, b.len);
		r = db_run(q, err);
	}
	buf_release(&b);
	return r;
}

int index_put(struct store *s, int64_t inode, const struct hash *hash,
	      const struct chunk_list *l, struct err *err)
{
	struct keys before = {.v = NULL}, after = {.v = NULL};
	int r = l->cut_short ? 1 : is_there(s, inode, hash, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = sift(s, inode, true, &before, &after, err);
	if (r == 0)
		r = keys_add(&after, l, err);
	if (r == 0)
		r = change_chunks(s, inode, &before, &after, err);
	if (r == 0)
		r = insert_version(s, inode, hash, l, err);
	free(before.v);
	free(after.v);
	return r;
}

/* ------------------------------------------------------------ pruning */

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

/* Inodes behind `last` with versions, that are nowhere any more. */
static int lost_inodes(struct store *s, int64_t last, int64_t *ids,
		       size_t *count, struct err *err)
{
	struct sql *q = db_sql(
		store_db(s),
		"SELECT DISTINCT inode FROM version WHERE inode>?1 AND"
		" inode NOT IN (SELECT id FROM inode) AND inode NOT IN"
		" (SELECT inode FROM relic) ORDER BY inode LIMIT 512",
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

/* A file whose content is this one: it may have taken the place of what is lost (an
 * atomic save, an unpacked archive).  One is enough, and however many are the
 * same it is found at once.  1 and *id. */
static int find_heir(struct store *s, const struct hash *hash, int64_t *id,
		     struct err *err)
{
	struct sql *q = db_sql(
		store_db(s),
		"SELECT id FROM inode WHERE hash=?1 AND " SCHEMA_WHOLE
		" AND type=1 LIMIT 1",
		err);
	int r;

	if (!q)
		return err->code;
	db_blob(q, 1, hash->b, HASH_SIZE);
	r = db_step(q, err);
	if (r > 0)
		*id = db_col_int(q, 0);
	db_reset(q);
	return r;
}

/* The newest version of what is lost, for its heir. */
static int bequeath(struct store *s, int64_t lost, struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "SELECT hash FROM version WHERE inode=?1"
			       " ORDER BY id DESC LIMIT 1",
			       err);
	struct chunk_list l = {.v = NULL};
	struct hash hash = {.b = {0}};
	struct view v;
	int64_t heir = 0;
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, lost);
	r = db_step(q, err);
	v = r > 0 ? db_col_blob(q, 0) : view_of("", 0);
	if (v.len == HASH_SIZE)
		memcpy(hash.b, v.p, HASH_SIZE);
	else
		r = r < 0 ? r : 0;
	db_reset(q);
	if (r > 0)
		r = find_heir(s, &hash, &heir, err);
	if (r > 0 && (r = is_there(s, heir, &hash, err)) >= 0)
		r = !r; /* many may have gone, and been the same */
	if (r > 0)
		r = index_get(s, lost, &hash, &l, err);
	if (r > 0)
		r = index_put(s, heir, &hash, &l, err);
	chunk_list_release(&l);
	return r;
}

static int drop_lost(struct store *s, struct err *err)
{
	struct keys before = {.v = NULL}, after = {.v = NULL};
	int64_t ids[PRUNE_ROWS], last = 0;
	size_t count, i;
	int r;

	do {
		r = lost_inodes(s, last, ids, &count, err);
		for (i = 0; r >= 0 && i < count; i++) {
			before.count = after.count = 0;
			r = bequeath(s, ids[i], err);
			if (r >= 0)
				r = sift(s, ids[i], false, &before, &after,
					 err);
			if (r == 0)
				r = change_chunks(s, ids[i], &before, &after,
						  err);
			last = ids[i];
		}
	} while (r >= 0 && count > 0);
	free(before.v);
	free(after.v);
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
