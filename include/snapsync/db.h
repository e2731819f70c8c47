/*
 * db: SQLite behind one door: open, transactions, cached statements.
 *
 *     db_open(path, DB_WRITE, &db, err);
 *     db_begin(db, err);
 *
 * Statements are prepared once and kept, found again by the address of their
 * text (a string constant):
 *
 *     struct sql *q = db_sql(db, "SELECT a, b FROM t WHERE c = ?1", err);
 *     db_int(q, 1, c);
 *     while ((r = db_step(q, err)) > 0)  x = db_col_int(q, 0);
 *     db_reset(q);
 *
 * Binding cannot fail in a way that db_step does not report.  Blobs bound are
 * lent until db_reset; blobs read until the next step.
 *
 * A dry database (DB_DRY) does everything inside one transaction that db_close
 * rolls back, whatever db_commit says.
 *
 * Errors: -ERR_FILE for the database itself (busy, full, corrupt, newer
 * schema), with what to do about it.  Threads: one.
 */
#ifndef SNAPSYNC_DB_H
#define SNAPSYNC_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapsync/buf.h"
#include "snapsync/err.h"

enum db_mode {
	DB_WRITE, /* create if missing */
	DB_DRY,	  /* the same, and nothing stays */
	DB_READ	  /* must exist; other processes go on */
};

struct db;
struct sql;

int db_open(const char *path, enum db_mode mode, struct db **out, struct err *err);
void db_close(struct db *db);
/* Is it not at its path any more?  One system call. */
bool db_moved(struct db *db);

/* Keep one read transaction open between the writes, so that a run of many
 * queries does not lock and unlock the file for each. */
int db_hold(struct db *db, bool on, struct err *err);

/* Nested begins count; only the outermost commit is one. */
int db_begin(struct db *db, struct err *err);
/* The same, for what the machine may forget if it loses power: it is durable
 * with the next transaction that is, never without those before it. */
int db_begin_lazy(struct db *db, struct err *err);
int db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db);
bool db_in_transaction(const struct db *db);

/* text without results, several statements. */
int db_exec(struct db *db, const char *text, struct err *err);

/* A prepared statement, reset and unbound.  On failure NULL. */
struct sql *db_sql(struct db *db, const char *text, struct err *err);
void db_int(struct sql *q, int at, int64_t v);
void db_blob(struct sql *q, int at, const void *bytes, size_t len);
void db_text(struct sql *q, int at, const char *text);
void db_null(struct sql *q, int at);
/* 1 a row, 0 done, < 0 error. */
int db_step(struct sql *q, struct err *err);
/* For statements without rows: step and reset. */
int db_run(struct sql *q, struct err *err);
int64_t db_col_int(struct sql *q, int at);
bool db_col_null(struct sql *q, int at);
struct view db_col_blob(struct sql *q, int at);
void db_reset(struct sql *q);

int64_t db_last_id(struct db *db);
/* Rows changed by the last statement. */
int db_changes(struct db *db);

#endif
