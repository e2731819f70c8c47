#include "snapsync/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENTS_MAX 256 /* a power of two */
#define BUSY_MS 20000

struct sql {
	const char *text; /* the key: its address */
	sqlite3_stmt *stmt;
	struct db *db;
};

struct db {
	sqlite3 *handle;
	char *path;
	int depth; /* of begins */
	bool dry;
	bool hold, held; /* wanted; open now */
	bool lazy;	 /* the transaction need not be synced */
	struct sql statements[STATEMENTS_MAX];
};

static int fail(struct db *db, int code, struct err *err)
{
	const char *what = sqlite3_errmsg(db->handle);

	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return err_set(err, ERR_MEMORY, "out of memory (database)");
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(err, ERR_FILE, "%s is locked by another program",
			       db->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(err, ERR_FILE,
			       "%s is damaged (%s): move it away; the next run "
			       "makes a new one and adopts the destination",
			       db->path, what);
	case SQLITE_FULL:
		return err_set(err, ERR_FILE, "no room to write %s", db->path);
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		return err_set(err, ERR_FILE,
			       "%s cannot be opened for writing (%s): check "
			       "its permissions or use --state-dir",
			       db->path, what);
	default: return err_set(err, ERR_FILE, "%s: %s", db->path, what);
	}
}

static int configure(struct db *db, enum db_mode mode, struct err *err)
{
	sqlite3_busy_timeout(db->handle, BUSY_MS);
	sqlite3_extended_result_codes(db->handle, 1);
	if (mode == DB_READ)
		return db_exec(db, "PRAGMA query_only=1;", err);
	/* FULL: a batch must not reach the helper before the journal says
	 * durably what was in it. */
	return db_exec(db,
		       "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		       "PRAGMA cache_size=-8192; PRAGMA temp_store=FILE;"
		       "PRAGMA wal_autocheckpoint=2000;"
		       "PRAGMA journal_size_limit=33554432;",
		       err);
}

int db_open(const char *path, enum db_mode mode, struct db **out,
	    struct err *err)
{
	struct db *db = calloc(1, sizeof(*db));
	int flags = SQLITE_OPEN_NOMUTEX;
	int r;

	/* One thread has to do with it.  Too late for the second database. */
	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	*out = NULL;
	if (!db || !(db->path = strdup(path))) {
		free(db);
		return err_set(err, ERR_MEMORY, "out of memory");
	}
	db->dry = mode == DB_DRY;
	flags |= mode == DB_READ ? SQLITE_OPEN_READWRITE
				 : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	r = sqlite3_open_v2(path, &db->handle, flags, NULL);
	if (r != SQLITE_OK && mode == DB_READ) {
		/* A reader without write permission on the directory. */
		sqlite3_close(db->handle);
		r = sqlite3_open_v2(path, &db->handle,
				    SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
				    NULL);
	}
	r = r != SQLITE_OK ? fail(db, r, err) : configure(db, mode, err);
	if (r == 0 && db->dry)
		r = db_exec(db, "BEGIN IMMEDIATE;", err);
	if (r < 0) {
		db_close(db);
		return r;
	}
	*out = db;
	return 0;
}

void db_close(struct db *db)
{
	int i;

	if (!db)
		return;
	for (i = 0; i < STATEMENTS_MAX; i++)
		sqlite3_finalize(db->statements[i].stmt);
	if (db->handle && !sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK;", NULL, NULL, NULL);
	sqlite3_close(db->handle);
	free(db->path);
	free(db);
}

bool db_moved(struct db *db)
{
	int moved = 0;

	return sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED,
				    &moved) == SQLITE_OK &&
	       moved;
}

int db_exec(struct db *db, const char *text, struct err *err)
{
	int r = sqlite3_exec(db->handle, text, NULL, NULL, NULL);

	return r == SQLITE_OK ? 0 : fail(db, r, err);
}

static int unhold(struct db *db, struct err *err)
{
	if (!db->held)
		return 0;
	db->held = false;
	return db_exec(db, "COMMIT;", err);
}

int db_hold(struct db *db, bool on, struct err *err)
{
	db->hold = on && !db->dry;
	return on ? 0 : unhold(db, err);
}

static int begin(struct db *db, struct err *err)
{
	int r = db_exec(db, db->dry ? "SAVEPOINT pass;" : "BEGIN IMMEDIATE;",
			err);

	if (r == 0)
		db->depth++;
	return r;
}

int db_begin(struct db *db, struct err *err)
{
	int r = 0;

	if (db->depth == 0) {
		r = unhold(db, err);
		return r < 0 ? r : begin(db, err);
	}
	db->depth++;
	return 0;
}

/* What comes next is synced again. */
static int not_lazy(struct db *db, struct err *err)
{
	if (!db->lazy)
		return 0;
	db->lazy = false;
	return db_exec(db, "PRAGMA synchronous=FULL;", err);
}

int db_begin_lazy(struct db *db, struct err *err)
{
	struct err ignored;
	int r;

	if (db->depth > 0 || db->dry)
		return db_begin(db, err);
	r = unhold(db, err);
	if (r == 0)
		r = db_exec(db, "PRAGMA synchronous=NORMAL;", err);
	if (r < 0)
		return r;
	db->lazy = true;
	r = begin(db, err);
	if (r < 0)
		not_lazy(db, &ignored);
	return r;
}

int db_commit(struct db *db, struct err *err)
{
	int r = 0;

	if (db->depth == 1)
		r = db_exec(db, db->dry ? "RELEASE pass;" : "COMMIT;", err);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	return --db->depth == 0 ? not_lazy(db, err) : 0;
}

void db_rollback(struct db *db)
{
	struct err ignored;
	int i;

	if (db->depth == 0)
		return;
	for (i = 0; i < STATEMENTS_MAX; i++)
		if (db->statements[i].stmt)
			sqlite3_reset(db->statements[i].stmt);
	db_exec(db, db->dry ? "ROLLBACK TO pass; RELEASE pass;" : "ROLLBACK;",
		&ignored);
	db->depth = 0;
	not_lazy(db, &ignored);
}

bool db_in_transaction(const struct db *db)
{
	return db->depth > 0;
}

struct sql *db_sql(struct db *db, const char *text, struct err *err)
{
	size_t i = ((uintptr_t)text >> 3) & (STATEMENTS_MAX - 1), tried;
	struct sql *q;
	int r;

	for (tried = 0; tried < STATEMENTS_MAX; tried++) {
		q = &db->statements[i];
		if (q->text == text) {
			sqlite3_reset(q->stmt);
			return q;
		}
		if (!q->text)
			break;
		i = (i + 1) & (STATEMENTS_MAX - 1);
	}
	if (tried == STATEMENTS_MAX) {
		err_set(err, ERR_MEMORY, "too many statements");
		return NULL;
	}
	r = sqlite3_prepare_v3(db->handle, text, -1, SQLITE_PREPARE_PERSISTENT,
			       &q->stmt, NULL);
	if (r != SQLITE_OK) {
		fail(db, r, err);
		return NULL;
	}
	q->text = text;
	q->db = db;
	return q;
}

void db_int(struct sql *q, int at, int64_t v)
{
	sqlite3_bind_int64(q->stmt, at, v);
}

void db_blob(struct sql *q, int at, const void *bytes, size_t len)
{
	sqlite3_bind_blob64(q->stmt, at, len ? bytes : "", len, SQLITE_STATIC);
}

void db_text(struct sql *q, int at, const char *text)
{
	sqlite3_bind_text(q->stmt, at, text, -1, SQLITE_STATIC);
}

void db_null(struct sql *q, int at)
{
	sqlite3_bind_null(q->stmt, at);
}

int db_step(struct sql *q, struct err *err)
{
	struct db *db = q->db;
	int r;

	if (db->hold && !db->held && db->depth == 0) {
		r = db_exec(db, "BEGIN;", err);
		if (r < 0)
			return r;
		db->held = true;
	}
	r = sqlite3_step(q->stmt);
	if (r == SQLITE_ROW)
		return 1;
	if (r == SQLITE_DONE)
		return 0;
	r = fail(q->db, r, err);
	sqlite3_reset(q->stmt);
	return r;
}

int db_run(struct sql *q, struct err *err)
{
	int r = db_step(q, err);

	sqlite3_reset(q->stmt);
	return r < 0 ? r : 0;
}

int64_t db_col_int(struct sql *q, int at)
{
	return sqlite3_column_int64(q->stmt, at);
}

bool db_col_null(struct sql *q, int at)
{
	return sqlite3_column_type(q->stmt, at) == SQLITE_NULL;
}

struct view db_col_blob(struct sql *q, int at)
{
	const void *p = sqlite3_column_blob(q->stmt, at);
	int n = sqlite3_column_bytes(q->stmt, at);

	return view_of(p, p ? (size_t)n : 0);
}

void db_reset(struct sql *q)
{
	if (q)
		sqlite3_reset(q->stmt);
}

int64_t db_last_id(struct db *db)
{
	return sqlite3_last_insert_rowid(db->handle);
}

int db_changes(struct db *db)
{
	return sqlite3_changes(db->handle);
}
