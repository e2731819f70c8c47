#include <stdlib.h>
#include <string.h>

#include "row.h"
#include "schema.h"
#include "store_local.h"

#define INODE_COLUMNS "id, dev, ino, birth, ctime, nlink, flags, " ROW_ATTR

static int has_tables(struct store *s, struct err *err)
{
	struct sql *q = db_sql(s->db, "SELECT 1 FROM sqlite_master LIMIT 1",
			       err);
	int r = q ? db_step(q, err) : err->code;

	db_reset(q);
	return r;
}

static int check_version(struct store *s, enum db_mode mode, struct err *err)
{
	struct sql *q = db_sql(s->db, "PRAGMA user_version", err);
	int64_t version = 0;
	int r = q ? db_step(q, err) : err->code;

	if (r < 0)
		return r;
	if (r > 0)
		version = db_col_int(q, 0);
	db_reset(q);
	if (version == SCHEMA_VERSION)
		return 0;
	if (version != 0 && version != 1)
		return err_set(err, ERR_FILE,
			       "the state database was written by another "
			       "version of snapsync (schema %lld, this one "
			       "knows %d): use that version or another "
			       "--state-dir",
			       (long long)version, SCHEMA_VERSION);
	r = version == 0 ? has_tables(s, err) : 0;
	if (r != 0)
		return r < 0 ? r
			     : err_set(err, ERR_FILE,
				       "state.db is the database of another "
				       "program: use another --state-dir");
	if (version == 1 && mode == DB_READ)
		return err_set(err, ERR_FILE,
			       "the state database is of an earlier version of "
			       "snapsync: a run brings it up to date");
	if (mode == DB_READ)
		return err_set(err, ERR_FILE,
			       "the state database is empty: nothing was "
			       "synchronised yet");
	r = db_begin(s->db, err);
	if (r == 0)
		r = db_exec(s->db, version ? schema_upgrade : schema_text, err);
	if (r == 0)
		r = db_commit(s->db, err);
	return r;
}

/* The seed is secret and never changes; ids go on where they stopped. */
static int load_seed(struct store *s, enum db_mode mode, struct err *err)
{
	struct view v;
	int r = store_config_get(s, "seed", &v, err);

	if (r > 0 && v.len == sizeof(s->seed)) {
		memcpy(&s->seed, v.p, sizeof(s->seed));
	} else if (r >= 0 && mode != DB_READ) {
		r = hash_random(&s->seed, sizeof(s->seed), err);
		if (r == 0)
			r = db_begin(s->db, err);
		if (r == 0)
			r = store_config_set(s, "seed", &s->seed,
					     sizeof(s->seed), err);
		if (r == 0)
			r = db_commit(s->db, err);
	}
	return r < 0 ? r : 0;
}

static int load_ids(struct store *s, struct err *err)
{
	struct sql *q = db_sql(
		s->db,
		"SELECT max((SELECT coalesce(max(id), 1) FROM inode),"
		" (SELECT coalesce(max(inode), 1) FROM dest_name"
		"  WHERE inode<>9223372036854775807)," /* STORE_DEAD */
		" (SELECT coalesce(max(CAST(value AS INTEGER)), 1) FROM config"
		"  WHERE key = 'last_id'))",
		err);
	int r = q ? db_step(q, err) : err->code;

	if (r > 0)
		s->last_id = db_col_int(q, 0);
	db_reset(q);
	if (r < 0)
		return r;
	/* What is negative is a stranger's. */
	q = db_sql(s->db, "SELECT 1 FROM inode WHERE id<1 LIMIT 1", err);
	r = q ? db_step(q, err) : err->code;
	db_reset(q);
	return r <= 0 ? r
		      : err_set(err, ERR_FILE,
				"the state database is damaged (an inode's id "
				"is not positive): move state.db away; the next "
				"run makes a new one and adopts the "
				"destination");
}

int store_load_dests(struct store *s, struct err *err)
{
	struct sql *q = db_sql(s->db, "SELECT id FROM dest", err);
	int r = q ? 0 : err->code;

	s->dest_count = 0;
	while (r >= 0 && (r = db_step(q, err)) > 0) {
		r = vec_grow((void **)&s->dests, &s->dest_cap,
			     s->dest_count + 1, sizeof(*s->dests), err);
		if (r == 0)
			s->dests[s->dest_count++] = db_col_int(q, 0);
	}
	db_reset(q);
	return r;
}

int store_open(const char *path, enum db_mode mode, struct store **out,
	       struct err *err)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	*out = NULL;
	if (!s)
		return err_set(err, ERR_MEMORY, "out of memory");
	r = db_open(path, mode, &s->db, err);
	if (r == 0)
		r = check_version(s, mode, err);
	if (r == 0)
		r = load_seed(s, mode, err);
	if (r == 0)
		r = load_ids(s, err);
	if (r == 0)
		r = store_load_dests(s, err);
	if (r < 0) {
		store_close(s);
		return r;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	db_close(s->db);
	free(s->dests);
	free(s);
}

struct db *store_db(struct store *s)
{
	return s->db;
}

uint64_t store_seed(const struct store *s)
{
	return s->seed;
}

int64_t store_new_id(struct store *s)
{
	return ++s->last_id;
}

int64_t store_newest_id(const struct store *s)
{
	return s->last_id;
}

int store_config_get(struct store *s, const char *key, struct view *out,
		     struct err *err)
{
	struct sql *q = db_sql(s->db, "SELECT value FROM config WHERE key = ?1",
			       err);
	int r;

	if (!q)
		return err->code;
	db_text(q, 1, key);
	r = db_step(q, err);
	*out = view_of("", 0);
	if (r > 0)
		*out = db_col_blob(q, 0);
	if (out->len > sizeof(s->value))
		*out = view_of("", 0);
	if (out->len)
		memcpy(s->value, out->p, out->len);
	out->p = s->value;
	db_reset(q);
	return r;
}

int store_config_int(struct store *s, const char *key, int64_t *out,
		     struct err *err)
{
	struct sql *q = db_sql(
		s->db,
		"SELECT CAST(value AS INTEGER) FROM config WHERE key = ?1",
		err);
	int r;

	if (!q)
		return err->code;
	db_text(q, 1, key);
	r = db_step(q, err);
	*out = r > 0 ? db_col_int(q, 0) : 0;
	db_reset(q);
	return r;
}

int store_config_set(struct store *s, const char *key, const void *bytes,
		     size_t len, struct err *err)
{
	struct sql *q = db_sql(
		s->db, "INSERT OR REPLACE INTO config VALUES(?1, ?2)", err);

	if (!q)
		return err->code;
	db_text(q, 1, key);
	db_blob(q, 2, bytes, len);
	return db_run(q, err);
}

int store_config_set_int(struct store *s, const char *key, int64_t v,
			 struct err *err)
{
	struct sql *q = db_sql(
		s->db, "INSERT OR REPLACE INTO config VALUES(?1, ?2)", err);

	if (!q)
		return err->code;
	db_text(q, 1, key);
	db_int(q, 2, v);
	return db_run(q, err);
}

void store_row(struct sql *q, int at, struct inode_row *row)
{
	row->id = db_col_int(q, at);
	row->dev = db_col_int(q, at + 1);
	row->ino = (uint64_t)db_col_int(q, at + 2);
	row->birth = (uint64_t)db_col_int(q, at + 3);
	row->ctime = (uint64_t)db_col_int(q, at + 4);
	row->nlink = (uint64_t)db_col_int(q, at + 5);
	row->flags = (unsigned)db_col_int(q, at + 6);
	row_get_attr(q, at + 7, &row->a);
}

static int take_inode(struct sql *q, struct inode_row *row, struct err *err)
{
	int r = db_step(q, err);

	if (r > 0)
		store_row(q, 0, row);
	db_reset(q);
	return r;
}

int store_inode_get(struct store *s, int64_t id, struct inode_row *row,
		    struct err *err)
{
	struct sql *q = db_sql(s->db,
			       "SELECT " INODE_COLUMNS
			       " FROM inode WHERE id = ?1",
			       err);

	if (!q)
		return err->code;
	db_int(q, 1, id);
	return take_inode(q, row, err);
}

int store_inode_find(struct store *s, int64_t dev, uint64_t ino,
		     struct inode_row *row, struct err *err)
{
	struct sql *q = db_sql(s->db,
			       "SELECT " INODE_COLUMNS
			       " FROM inode WHERE dev = ?1 AND ino = ?2",
			       err);

	if (!q)
		return err->code;
	db_int(q, 1, dev);
	db_int(q, 2, (int64_t)ino);
	return take_inode(q, row, err);
}

static int write_inode(struct store *s, const char *text,
		       const struct inode_row *row, struct err *err)
{
	struct sql *q = db_sql(s->db, text, err);

	if (!q)
		return err->code;
	db_int(q, 1, row->id);
	db_int(q, 2, row->dev);
	db_int(q, 3, (int64_t)row->ino);
	db_int(q, 4, (int64_t)row->birth);
	db_int(q, 5, (int64_t)row->ctime);
	db_int(q, 6, (int64_t)row->nlink);
	db_int(q, 7, row->flags);
	row_put_attr(q, 8, &row->a);
	return db_run(q, err);
}

int store_inode_add(struct store *s, struct inode_row *row, struct err *err)
{
	if (row->id != STORE_ROOT)
		row->id = store_new_id(s);
	return write_inode(s,
			   "INSERT INTO inode(" INODE_COLUMNS ") VALUES(?1, ?2,"
			   " ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
			   " ?14, ?15, ?16)",
			   row, err);
}

/* A destination that has what S says now has no row. */
static int drop_equal(struct store *s, int64_t dest,
		      const struct inode_row *row, struct err *err)
{
	struct sql *q = db_sql(s->db,
			       "SELECT " ROW_ATTR " FROM dest_inode"
			       " WHERE dest=?1 AND inode=?2",
			       err);
	struct attr have;
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, row->id);
	r = db_step(q, err);
	if (r > 0)
		row_get_attr(q, 0, &have);
	db_reset(q);
	if (r <= 0 || !attr_same(&have, &row->a))
		return r < 0 ? r : 0;
	q = db_sql(s->db, "DELETE FROM dest_inode WHERE dest=?1 AND inode=?2",
		   err);
	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, row->id);
	return db_run(q, err);
}

int store_inode_set(struct store *s, const struct inode_row *old,
		    const struct inode_row *row, struct err *err)
{
	bool same = attr_same(&old->a, &row->a);
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && !same && i < s->dest_count; i++) {
		struct sql *q = db_sql(s->db,
				       "INSERT OR IGNORE INTO dest_inode"
				       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
				       " ?9, ?10, ?11)",
				       err);

		if (!q)
			return err->code;
		db_int(q, 1, s->dests[i]);
		db_int(q, 2, old->id);
		row_put_attr(q, 3, &old->a);
		r = db_run(q, err);
		if (r == 0)
			r = drop_equal(s, s->dests[i], row, err);
	}
	if (r < 0)
		return r;
	return write_inode(s,
			   "UPDATE inode SET dev=?2, ino=?3, birth=?4,"
			   " ctime=?5, nlink=?6, flags=?7, type=?8, mode=?9,"
			   " uid=?10, gid=?11, rdev=?12, size=?13, mtime=?14,"
			   " mtime_ns=?15, hash=?16 WHERE id = ?1",
			   row, err);
}

int store_inode_known(struct store *s, int64_t id, const struct hash *hash,
		      unsigned flags, struct err *err)
{
	struct sql *q = db_sql(
		s->db, "UPDATE inode SET hash=?2, flags=?3 WHERE id=?1", err);

	if (!q)
		return err->code;
	db_int(q, 1, id);
	db_blob(q, 2, hash->b, HASH_SIZE);
	db_int(q, 3, flags);
	return db_run(q, err);
}

int store_inode_detach(struct store *s, int64_t id, struct err *err)
{
	struct sql *q = db_sql(
		s->db, "UPDATE inode SET dev=0, ino=-id, birth=0 WHERE id=?1",
		err);

	if (!q)
		return err->code;
	db_int(q, 1, id);
	return db_run(q, err);
}

int store_run_with_id(struct store *s, const char *text, int64_t id,
		      struct err *err)
{
	struct sql *q = db_sql(s->db, text, err);

	if (!q)
		return err->code;
	db_int(q, 1, id);
	return db_run(q, err);
}

int store_inode_remove(struct store *s, int64_t id, enum fsys_type type,
		       struct err *err)
{
	/* Its content is still there, to be copied from until it goes. */
	int r = type != FSYS_FILE
			? 0
			: store_run_with_id(
				  s,
				  "INSERT OR REPLACE INTO relic SELECT d.id, i.id,"
				  " CASE WHEN x.dest IS NULL THEN i.hash ELSE x.hash END,"
				  " CASE WHEN x.dest IS NULL THEN i.size ELSE x.size END"
				  " FROM inode i JOIN dest d LEFT JOIN dest_inode x"
				  " ON x.dest=d.id AND x.inode=i.id WHERE i.id=?1 AND i.type=1"
				  " AND CASE WHEN x.dest IS NULL THEN i.hash ELSE x.hash END"
				  " IS NOT NULL",
				  id, err);

	if (r == 0)
		r = store_run_with_id(s, "DELETE FROM inode WHERE id=?1", id,
				      err);
	if (r == 0 && type == FSYS_DIR)
		r = store_run_with_id(s, "DELETE FROM dir WHERE inode=?1", id,
				      err);
	if (r == 0)
		r = store_run_with_id(
			s,
			"DELETE FROM dest_inode WHERE inode=?1 AND"
			" dest IN (SELECT id FROM dest)",
			id, err);
	return r;
}
