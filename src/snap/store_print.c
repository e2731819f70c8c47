/*
 * Fingerprints of directories, and what stands in their place where there is
 * none: NULL, it is to be looked at again; one byte, not all of it could be seen.
 */
#include <string.h>

#include "snapsync/path.h"
#include "store_local.h"

enum { CLOSED, PARTLY }; /* CLOSED: nothing could, and so nothing below it */

/* 1: there is such a row. */
static int ask(struct store *s, const char *text, int64_t dir, struct err *err)
{
	struct sql *q = db_sql(s->db, text, err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dir);
	r = db_step(q, err);
	db_reset(q);
	return r;
}

static int put(struct store *s, int64_t dir, const void *print, size_t len,
	       struct err *err)
{
	struct sql *q = db_sql(
		s->db, "INSERT OR REPLACE INTO dir VALUES(?1, ?2)", err);

	if (!q)
		return err->code;
	db_int(q, 1, dir);
	if (print)
		db_blob(q, 2, print, len);
	else
		db_null(q, 2);
	return db_run(q, err);
}

int store_print_get(struct store *s, int64_t dir, struct hash *out,
		    struct err *err)
{
	struct sql *q = db_sql(s->db, "SELECT print FROM dir WHERE inode=?1",
			       err);
	struct view v;
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dir);
	r = db_step(q, err);
	if (r > 0) {
		v = db_col_blob(q, 0);
		if (v.len == HASH_SIZE)
			memcpy(out->b, v.p, HASH_SIZE);
		else
			r = 0;
	}
	db_reset(q);
	return r;
}

int store_print_set(struct store *s, int64_t dir, const struct hash *print,
		    struct err *err)
{
	return put(s, dir, print ? print->b : NULL, HASH_SIZE, err);
}

int store_print_drop(struct store *s, int64_t dir, struct err *err)
{
	return store_run_with_id(
		s,
		"INSERT INTO dir VALUES(?1, NULL) ON CONFLICT(inode) DO"
		" UPDATE SET print=NULL WHERE length(print)>1",
		dir, err);
}

int store_print_spoil(struct store *s, int64_t inode, struct err *err)
{
	return store_run_with_id(
		s,
		"UPDATE dir SET print=NULL WHERE length(print)>1 AND"
		" inode IN (SELECT parent FROM name WHERE inode=?1)",
		inode, err);
}

int store_unseen_set(struct store *s, int64_t dir, bool closed, struct err *err)
{
	unsigned char mark = (unsigned char)(closed ? CLOSED : PARTLY);
	int r = ask(s,
		    closed ? "SELECT 1 FROM dir WHERE inode=?1 AND print=x'00'"
			   : "SELECT 1 FROM dir WHERE inode=?1 AND print=x'01'",
		    dir, err);

	return r ? (r < 0 ? r : 0) : put(s, dir, &mark, 1, err);
}

int store_unseen(struct store *s, int64_t dir, struct err *err)
{
	return ask(s, "SELECT 1 FROM dir WHERE inode=?1 AND length(print)=1",
		   dir, err);
}

int store_hidden(struct store *s, int64_t dir, struct err *err)
{
	struct name_list up;
	size_t depth;
	int r = store_unseen(s, dir, err);

	name_list_init(&up);
	for (depth = 0; r == 0 && dir != STORE_ROOT; depth++) {
		name_list_clear(&up);
		r = store_names_of(s, dir, &up, err);
		if (r < 0 || up.count == 0 || depth > PATH_DEPTH_MAX)
			break;
		dir = up.rows[0].at.parent;
		r = ask(s, "SELECT 1 FROM dir WHERE inode=?1 AND print=x'00'",
			dir, err);
	}
	name_list_release(&up);
	return r;
}
