#include <stdio.h>
#include <string.h>

#include "row.h"
#include "store_local.h"

static int take_dest(struct sql *q, struct dest *out, struct err *err)
{
	struct view pair;
	int r = db_step(q, err);

	if (r > 0) {
		memset(out, 0, sizeof(*out));
		out->id = db_col_int(q, 0);
		pair = db_col_blob(q, 1);
		if (pair.len == sizeof(out->pair))
			memcpy(out->pair, pair.p, pair.len);
		out->known = db_col_int(q, 2) != 0;
		out->acked = (uint64_t)db_col_int(q, 3);
		out->sent = (uint64_t)db_col_int(q, 4);
		out->acked_tag = (uint64_t)db_col_int(q, 5);
		out->tag = (uint64_t)db_col_int(q, 6);
	}
	db_reset(q);
	return r;
}

int mirror_dest_find(struct store *s, const char *spec, struct dest *out,
		     struct err *err)
{
	struct sql *q = db_sql(s->db,
			       "SELECT id, pair, known, acked, sent,"
			       " acked_tag, tag FROM dest WHERE spec=?1",
			       err);

	if (!q)
		return err->code;
	db_text(q, 1, spec);
	return take_dest(q, out, err);
}

int mirror_only_dest(struct store *s, char *spec, size_t size, struct err *err)
{
	struct sql *q = db_sql(s->db, "SELECT spec, count(*) FROM dest", err);
	struct view v;
	int64_t count;
	int r = q ? db_step(q, err) : err->code;

	if (r <= 0)
		return r;
	v = db_col_blob(q, 0);
	count = db_col_int(q, 1);
	r = count == 1 && v.len < size;
	if (r)
		snprintf(spec, size, "%.*s", (int)v.len, (const char *)v.p);
	db_reset(q);
	return r;
}

int mirror_dest(struct store *s, const char *spec, struct dest *out,
		struct err *err)
{
	struct sql *q;
	int r = mirror_dest_find(s, spec, out, err);

	if (r != 0)
		return r < 0 ? r : 0;
	memset(out, 0, sizeof(*out));
	r = hash_random(out->pair, sizeof(out->pair), err);
	if (r < 0)
		return r;
	q = db_sql(s->db,
		   "INSERT INTO dest(spec, pair, known, acked, sent)"
		   " VALUES(?1, ?2, 0, 0, 0)",
		   err);
	if (!q)
		return err->code;
	db_text(q, 1, spec);
	db_blob(q, 2, out->pair, sizeof(out->pair));
	r = db_run(q, err);
	if (r < 0)
		return r;
	out->id = db_last_id(s->db);
	r = store_load_dests(s, err);
	return r < 0 ? r : mirror_reset(s, out->id, err);
}

int mirror_dest_save(struct store *s, const struct dest *d, struct err *err)
{
	struct sql *q = db_sql(s->db,
			       "UPDATE dest SET pair=?2, known=?3, acked=?4,"
			       " sent=?5, acked_tag=?6, tag=?7 WHERE id=?1",
			       err);

	if (!q)
		return err->code;
	db_int(q, 1, d->id);
	db_blob(q, 2, d->pair, sizeof(d->pair));
	db_int(q, 3, d->known);
	db_int(q, 4, (int64_t)d->acked);
	db_int(q, 5, (int64_t)d->sent);
	db_int(q, 6, (int64_t)d->acked_tag);
	db_int(q, 7, (int64_t)d->tag);
	return db_run(q, err);
}

int mirror_reset(struct store *s, int64_t dest, struct err *err)
{
	static const char *const texts[] = {
		"DELETE FROM dest_name WHERE dest=?1",
		"DELETE FROM dest_inode WHERE dest=?1",
		"INSERT INTO dest_name SELECT ?1, parent, name, 0, 0 FROM name",
	};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sql *q = db_sql(s->db, texts[i], err);

		if (!q)
			return err->code;
		db_int(q, 1, dest);
		r = db_run(q, err);
	}
	/* The root is there, or will be made; nothing is known of it. */
	return r < 0 ? r : mirror_touch_inode(s, dest, STORE_ROOT, err);
}

int mirror_set_open(struct store *s, int64_t dest, bool open, struct err *err)
{
	struct sql *q = db_sql(
		store_db(s),
		open ? "INSERT OR REPLACE INTO config VALUES('open.' || ?1, 1)"
		     : "DELETE FROM config WHERE key='open.' || ?1",
		err);

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	return db_run(q, err);
}

int mirror_look_again(struct store *s, struct err *err)
{
	static const char *const texts[] = {
		"UPDATE dest SET known=0 WHERE 'open.' || id IN"
		" (SELECT key FROM config)",
		"DELETE FROM config WHERE key GLOB 'open.*'",
	};
	size_t i;
	int r = 0, any = 0;

	for (i = 0; r == 0 && i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sql *q = db_sql(store_db(s), texts[i], err);

		r = q ? db_run(q, err) : err->code;
		any = any || (r == 0 && db_changes(store_db(s)) > 0);
	}
	return r < 0 ? r : any;
}

int mirror_behind(struct store *s, int64_t now, struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "UPDATE dest SET behind=?1 WHERE behind=0", err);

	if (!q)
		return err->code;
	db_int(q, 1, now);
	return db_run(q, err);
}

int mirror_caught_up(struct store *s, int64_t dest, struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "SELECT behind FROM dest WHERE id=?1", err);
	int64_t behind = 0;
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	r = db_step(q, err);
	if (r > 0)
		behind = db_col_int(q, 0);
	db_reset(q);
	if (r < 0 || behind == 0)
		return r < 0 ? r : 0;
	r = db_begin_lazy(store_db(s), err);
	if (r < 0)
		return r;
	q = db_sql(store_db(s), "UPDATE dest SET behind=0 WHERE id=?1", err);
	if (q)
		db_int(q, 1, dest);
	r = q ? db_run(q, err) : err->code;
	if (r == 0)
		return db_commit(store_db(s), err);
	db_rollback(store_db(s));
	return r;
}
