#include "snapsync/problem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "snapsync/clock.h"

int problem_note(struct store *s, int64_t dest, struct view path, int code,
		 const char *text, struct err *err)
{
	int64_t now = clock_real();
	struct sql *q = db_sql(
		store_db(s),
		"INSERT INTO problem VALUES(?1, ?2, ?3, ?4, ?5, ?5, 1)"
		" ON CONFLICT(dest, path) DO UPDATE SET code=?3, text=?4,"
		" last=?5, count=count+1",
		err);

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_blob(q, 2, path.p, path.len);
	db_text(q, 3, err_name(code));
	db_text(q, 4, text);
	db_int(q, 5, now);
	return db_run(q, err);
}

int problem_last(struct store *s, int64_t dest, struct view path,
		 const char *text, int64_t *out, struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "SELECT last FROM problem WHERE dest=?1 AND"
			       " path=?2 AND text=?3",
			       err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_blob(q, 2, path.p, path.len);
	db_text(q, 3, text);
	r = db_step(q, err);
	*out = r > 0 ? db_col_int(q, 0) : 0;
	db_reset(q);
	return r < 0 ? r : 0;
}

int problem_blocks(struct store *s, int64_t dest, struct view path,
		   struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "SELECT 1 FROM problem WHERE dest=?1 AND"
			       " path=?2 AND code<>?3",
			       err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_blob(q, 2, path.p, path.len);
	db_text(q, 3, err_name(ERR_VANISHED));
	r = db_step(q, err);
	db_reset(q);
	return r;
}

void problem_tell(struct problem_teller *t, struct view path, int code,
		  const char *text)
{
	unsigned kind = code > 0 && code < ERR_CODES ? (unsigned)code : 0;

	/* A copy that did not fit is sent again at once. */
	if (code == ERR_MISMATCH) {
		log_line(t->log, LOG_INFO, "%.*s: %s", (int)path.len,
			 path.len ? (const char *)path.p : "", text);
		return;
	}
	if (t->log && t->log->level < LOG_INFO &&
	    t->lines[kind]++ >= PROBLEM_LINES) {
		t->more++;
		return;
	}
	log_line(t->log, LOG_ERROR, "%.*s: %s", path.len ? (int)path.len : 1,
		 path.len ? (const char *)path.p : ".", text);
}

void problem_told(struct problem_teller *t)
{
	if (t->more)
		log_line(t->log, LOG_ERROR,
			 "and %" PRIu64 " more, for the same reasons as those "
			 "above (--status names all)",
			 t->more);
	memset(t->lines, 0, sizeof(t->lines));
	t->more = 0;
}

int problem_clear(struct store *s, int64_t dest, struct view path,
		  struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "DELETE FROM problem WHERE dest=?1 AND path=?2",
			       err);

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_blob(q, 2, path.p, path.len);
	return db_run(q, err);
}

int problem_expire(struct store *s, int64_t dest, int64_t since,
		   struct err *err)
{
	struct sql *q = db_sql(store_db(s),
			       "DELETE FROM problem WHERE dest=?1 AND last<?2",
			       err);

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, since);
	return db_run(q, err);
}

int problem_count(struct store *s, int64_t dest, int64_t *out, struct err *err)
{
	struct sql *q = db_sql(
		store_db(s),
		"SELECT count(*) FROM problem WHERE dest=?1 OR dest=0", err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	r = db_step(q, err);
	*out = r > 0 ? db_col_int(q, 0) : 0;
	db_reset(q);
	return r < 0 ? r : 0;
}

int problem_each(struct store *s, int64_t dest, problem_fn fn, void *arg,
		 struct err *err)
{
	struct sql *q = db_sql(
		store_db(s),
		"SELECT path, code, text, first, count FROM problem"
		" WHERE dest=?1 OR dest=0 ORDER BY path",
		err);
	char code[64], text[1024];
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	while ((r = db_step(q, err)) > 0) {
		struct view c = db_col_blob(q, 1), t = db_col_blob(q, 2);

		snprintf(code, sizeof(code), "%.*s", (int)c.len,
			 (const char *)c.p);
		snprintf(text, sizeof(text), "%.*s", (int)t.len,
			 (const char *)t.p);
		r = fn(arg, db_col_blob(q, 0), code, text,
		       db_col_int(q, 3) / CLOCK_SECOND, db_col_int(q, 4));
		if (r < 0)
			break;
	}
	db_reset(q);
	return r;
}
