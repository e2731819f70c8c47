/*
 * One transaction per batch on either side of the wire:
 *
 *     journal_write   rows + dest.sent     before COMMIT is sent
 *     journal_settle  mirror + dest.acked  after ACK (or WELCOME's position)
 *
 * A row's effects are assignments to the mirror ("this name now has this
 * inode"), so it does not matter what the snapshot has become meanwhile.
 */
#include "journal_local.h"

#include <stdlib.h>
#include <string.h>

#include "snapsync/clock.h"
#include "snapsync/path.h"

#define BATCH_BITS 20 /* seq = batch << BATCH_BITS | index */
#define ATTR_BYTES 57

static void encode_attr(const struct attr *a, struct buf *out,
			struct err *ignored)
{
	buf_clear(out);
	buf_put_u8(out, a->type, ignored);
	buf_put_u32(out, a->mode, ignored);
	buf_put_u32(out, a->uid, ignored);
	buf_put_u32(out, a->gid, ignored);
	buf_put_u32(out, a->rdev_major, ignored);
	buf_put_u32(out, a->rdev_minor, ignored);
	buf_put_u64(out, a->size, ignored);
	buf_put_u64(out, (uint64_t)a->mtime.s, ignored);
	buf_put_u32(out, a->mtime.ns, ignored);
	if (a->hashed)
		buf_put(out, a->hash.b, HASH_SIZE, ignored);
}

static void decode_attr(struct view v, struct attr *a)
{
	const unsigned char *hash;

	memset(a, 0, sizeof(*a));
	a->type = (enum fsys_type)view_u8(&v);
	a->mode = view_u32(&v);
	a->uid = view_u32(&v);
	a->gid = view_u32(&v);
	a->rdev_major = view_u32(&v);
	a->rdev_minor = view_u32(&v);
	a->size = view_u64(&v);
	a->mtime.s = (int64_t)view_u64(&v);
	a->mtime.ns = view_u32(&v);
	hash = view_bytes(&v, HASH_SIZE);
	a->hashed = hash != NULL;
	if (hash)
		memcpy(a->hash.b, hash, HASH_SIZE);
}

int journal_write(struct store *s, struct dest *d, uint64_t batch,
		  const struct journal_row *rows, size_t count, struct err *err)
{
	int64_t now = clock_real() / CLOCK_SECOND;
	struct sql *q = NULL;
	struct buf attr;
	size_t i;
	int r = db_begin(store_db(s), err);

	buf_init(&attr, 256);
	for (i = 0; r == 0 && i < count; i++) {
		const struct journal_row *row = &rows[i];

		q = db_sql(store_db(s),
			   "INSERT INTO journal VALUES(?1, ?2, ?3, ?4, ?5, ?6,"
			   " ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0)",
			   err);
		if (!q) {
			r = err->code;
			break;
		}
		encode_attr(&row->attr, &attr, err);
		db_int(q, 1, d->id);
		db_int(q, 2, (int64_t)(batch << BATCH_BITS | i));
		db_int(q, 3, (int64_t)batch);
		db_int(q, 4, now);
		db_int(q, 5, row->op);
		db_int(q, 6, row->inode);
		db_int(q, 7, row->type);
		db_int(q, 8, row->parent);
		db_blob(q, 9, row->path.p, row->path.len);
		db_int(q, 10, row->from_parent);
		db_blob(q, 11, row->from.p, row->from.len);
		db_int(q, 12, (int64_t)row->bytes);
		if (row->attr.type)
			db_blob(q, 13, attr.data, attr.len);
		else
			db_null(q, 13);
		r = db_run(q, err);
	}
	buf_release(&attr);
	if (r == 0) {
		d->sent = batch;
		r = mirror_dest_save(s, d, err);
	}
	if (r == 0)
		r = db_commit(store_db(s), err);
	else
		db_rollback(store_db(s));
	return r;
}

static void take_row(struct sql *q, int at, struct journal_row *row)
{
	memset(row, 0, sizeof(*row));
	row->op = (enum journal_op)db_col_int(q, at);
	row->inode = db_col_int(q, at + 1);
	row->type = (enum fsys_type)db_col_int(q, at + 2);
	row->parent = db_col_int(q, at + 3);
	row->path = db_col_blob(q, at + 4);
	row->from_parent = db_col_int(q, at + 5);
	row->from = db_col_blob(q, at + 6);
	row->bytes = (uint64_t)db_col_int(q, at + 7);
	if (!db_col_null(q, at + 8))
		decode_attr(db_col_blob(q, at + 8), &row->attr);
}

#define ROW_COLUMNS                                                            \
	"op, inode, type, parent, path, from_parent, from_path, bytes, attr"

struct place journal_place(int64_t parent, struct view path)
{
	struct view up, name;
	struct place at;

	path_split(path, &up, &name);
	at.parent = parent;
	at.name = (const char *)name.p;
	at.len = name.len;
	return at;
}

/* ------------------------------------------------------------ effects */

struct settle {
	struct store *s;
	struct dest *d;
	struct problem_teller *teller;
	struct journal_settled *out;
	bool problems;	 /* there are some that may be over */
	int64_t touched; /* directory marked last: no need to again */
};

static int touch(struct settle *t, int64_t dir, struct err *err)
{
	if (dir <= 0 || dir == t->touched)
		return 0;
	t->touched = dir;
	return mirror_touch_inode(t->s, t->d->id, dir, err);
}

/* Content of an inode was replaced under one name by renaming a new file
 * there: its other names at the destination still have the old one. */
static int break_links(struct settle *t, const struct journal_row *row,
		       struct place at, struct err *err)
{
	struct name_list names;
	size_t i;
	int r;

	name_list_init(&names);
	r = mirror_names_besides(t->s, t->d->id, row->inode, at, &names, err);
	for (i = 0; r >= 0 && i < names.count; i++)
		r = mirror_set(t->s, t->d->id, names.rows[i].at, STORE_DEAD,
			       row->type, err);
	name_list_release(&names);
	return r;
}

static int effect(struct settle *t, const struct journal_row *row,
		  struct err *err)
{
	struct place at = journal_place(row->parent, row->path);
	struct place from = journal_place(row->from_parent, row->from);
	int64_t dest = t->d->id, there;
	enum fsys_type type;
	struct attr a = row->attr;
	int r = 0;

	/* What should have left that name may not have: only a listing tells
	 * where a directory and all in it are then. */
	if (t->out->failed && row->op != JOURNAL_META &&
	    row->op != JOURNAL_REMOVE) {
		r = mirror_get(t->s, dest, at, &there, &type, err);
		if (r > 0 && there != row->inode && type == FSYS_DIR)
			t->out->surprised = true;
		if (r < 0)
			return r;
		/* It was there already: the old one, with all that is in it. */
		if (r > 0 && there != row->inode && type == FSYS_DIR &&
		    row->op == JOURNAL_MKDIR)
			return 0;
		r = 0;
	}
	switch (row->op) {
	case JOURNAL_META:
		if (row->inode == t->touched)
			t->touched = 0;
		r = mirror_set_inode(t->s, dest, row->inode, &a, err);
		/* The inode may have inherited what another one left there. */
		if (r >= 0 && row->type == FSYS_FILE)
			r = mirror_set(t->s, dest, at, row->inode, row->type,
				       err);
		return r;
	case JOURNAL_MKDIR:
		a.mtime.ns = UINT32_MAX;
		r = mirror_set_inode(t->s, dest, row->inode, &a, err);
		break;
	case JOURNAL_FILE:
	case JOURNAL_SYMLINK:
	case JOURNAL_NODE:
		r = break_links(t, row, at, err);
		if (r >= 0)
			r = mirror_set_inode(t->s, dest, row->inode, &a, err);
		break;
	case JOURNAL_MOVE:
		r = mirror_set(t->s, dest, from, 0, FSYS_NONE, err);
		if (r >= 0)
			r = touch(t, row->from_parent, err);
		break;
	case JOURNAL_REMOVE:
		if (row->type == FSYS_DIR)
			r = mirror_drop_below(t->s, dest, row->inode, err);
		break;
	case JOURNAL_LINK: break;
	}
	if (r >= 0)
		r = mirror_set(t->s, dest, at,
			       row->op == JOURNAL_REMOVE ? 0 : row->inode,
			       row->type, err);
	return r < 0 ? r : touch(t, row->parent, err);
}

/* A directory that is not empty although all of ours in it is gone holds what
 * belongs to somebody else, or what a filter protects: it stays, as theirs. */
static int left_alone(struct settle *t, const struct journal_row *row,
		      bool *out, struct err *err)
{
	struct name_list names;
	int r;

	name_list_init(&names);
	r = mirror_names_in(t->s, t->d->id, row->inode, &names, err);
	*out = r >= 0 && names.count == 0;
	name_list_release(&names);
	return r < 0 ? r : 0;
}

/* What a directory shall replace is removed first, and then the directory
 * cannot be made: the mirror must not count on it. */
static int half_done(struct settle *t, const struct journal_row *row,
		     struct err *err)
{
	struct place at = journal_place(row->parent, row->path);
	enum fsys_type type;
	int64_t there;
	int r;

	if (row->type != FSYS_DIR ||
	    (row->op != JOURNAL_MKDIR && row->op != JOURNAL_MOVE))
		return 0;
	r = mirror_get(t->s, t->d->id, at, &there, &type, err);
	if (r <= 0 || type == FSYS_DIR)
		return r < 0 ? r : 0;
	return mirror_set(t->s, t->d->id, at, STORE_DEAD, type, err);
}

/* Something was done where a path led, which was not where it should: what M has
 * there is not that any more. */
static int mislaid(struct settle *t, const struct journal_row *row,
		   struct err *err)
{
	struct place at;
	enum fsys_type type;
	int64_t there;
	int r;

	if (row->parent <= 0 || row->op == JOURNAL_REMOVE)
		return 0;
	r = journal_follow(t->s, t->d->id, row->path, &at, &there, &type, err);
	if (r <= 0)
		return r;
	if (row->op == JOURNAL_META)
		return mirror_touch_inode(t->s, t->d->id, there, err);
	if (row->op == JOURNAL_MKDIR && type == FSYS_DIR)
		return 0; /* nothing was done */
	return mirror_set(t->s, t->d->id, at, STORE_DEAD, row->type, err);
}

static int failed(struct settle *t, const struct journal_row *row,
		  const struct journal_fail *f, struct err *err)
{
	const char *text = f->text;
	bool theirs = false;
	int r = 0;

	if (row->op == JOURNAL_REMOVE && f->code == ERR_NOT_EMPTY) {
		r = left_alone(t, row, &theirs, err);
		if (r == 0 && theirs) {
			struct view path = row->from.len ? row->from
							 : row->path;

			log_line(t->teller->log, LOG_WARN,
				 "%.*s: not deleted, it holds files that are "
				 "not part of the mirror%s",
				 (int)path.len, (const char *)path.p,
				 row->from.len ? " (see .snapsync/limbo there)"
					       : "");
			t->out->left++;
			return effect(t, row, err);
		}
	}
	t->out->failed++;
	if (r == 0 && f->code == ERR_VANISHED)
		r = journal_expected(t->s, t->d->id, row, err);
	if (r == 0 && err_class(f->code) == ERR_CLASS_RESCAN)
		t->out->surprised = true;
	if (r > 0)
		text = "not done, since something before it failed";
	if (r >= 0)
		r = half_done(t, row, err);
	/* Owner or mode may be set, and not the time. */
	if (r >= 0 && row->op == JOURNAL_META) {
		r = mirror_touch_inode(t->s, t->d->id, row->inode, err);
		if (r >= 0)
			r = mislaid(t, row, err);
	}
	problem_tell(t->teller, row->path, f->code, text);
	t->problems = true;
	if (r >= 0)
		r = problem_note(t->s, t->d->id, row->path, f->code, text, err);
	return r;
}

static int settle_rows(struct settle *t, uint64_t batch,
		       const struct journal_fail *fails, size_t fail_count,
		       struct err *err)
{
	struct sql *q = db_sql(store_db(t->s),
			       "SELECT seq, " ROW_COLUMNS " FROM journal"
			       " WHERE dest=?1 AND seq>=?2 AND seq<?3"
			       " ORDER BY seq",
			       err);
	struct journal_row row;
	size_t k = 0, matched = 0;
	int r = q ? 0 : err->code;

	if (!q)
		return r;
	db_int(q, 1, t->d->id);
	db_int(q, 2, (int64_t)(batch << BATCH_BITS));
	db_int(q, 3, (int64_t)((batch + 1) << BATCH_BITS));
	while (r >= 0 && (r = db_step(q, err)) > 0) {
		uint32_t index = (uint32_t)db_col_int(q, 0) &
				 ((1u << BATCH_BITS) - 1);

		take_row(q, 1, &row);
		while (k < fail_count && fails[k].index < index)
			k++;
		if (k < fail_count && fails[k].index == index) {
			matched++;
			r = journal_gave_back(t->s, t->d->id, &row, false,
					      &t->out->surprised, err);
			if (r < 0)
				break;
			r = failed(t, &row, &fails[k], err);
			continue;
		}
		/* After a failure a path may have led elsewhere. */
		if (t->out->doubtful || t->out->failed) {
			r = journal_misled(t->s, t->d->id, &row, err);
			if (r > 0)
				r = mislaid(t, &row, err) < 0 ? err->code : 1;
			if (r != 0) {
				t->out->surprised = true;
				continue;
			}
		}
		t->out->done++;
		if (t->out->done_fn)
			t->out->done_fn(t->out->arg, batch, index);
		r = journal_gave_back(t->s, t->d->id, &row, true,
				      &t->out->surprised, err);
		if (r == 0)
			r = effect(t, &row, err);
		if (r >= 0 && t->problems)
			r = problem_clear(t->s, t->d->id, row.path, err);
	}
	db_reset(q);
	/* What we never sent has failed: it was not this batch that was done. */
	if (matched < fail_count)
		t->out->surprised = true;
	return r;
}

static int mark_failed(struct settle *t, uint64_t batch,
		       const struct journal_fail *fails, size_t count,
		       struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < count; i++) {
		struct sql *q = db_sql(store_db(t->s),
				       "UPDATE journal SET code=?3 WHERE"
				       " dest=?1 AND seq=?2",
				       err);

		if (!q)
			return err->code;
		db_int(q, 1, t->d->id);
		db_int(q, 2, (int64_t)(batch << BATCH_BITS | fails[i].index));
		db_int(q, 3, fails[i].code);
		r = db_run(q, err);
		if (r == 0 && db_changes(store_db(t->s)) == 0)
			r = err_set(err, ERR_PROTOCOL,
				    "the helper failed an operation that was "
				    "not sent");
	}
	return r;
}

int journal_settle(struct store *s, struct dest *d, uint64_t batch,
		   const struct journal_fail *fails, size_t fail_count,
		   struct journal_settled *out, struct problem_teller *teller,
		   struct err *err)
{
	struct settle t = {s, d, teller, out, false, 0};
	int64_t problems = 0;
	/* If it is lost, the helper's position says the same again. */
	int r = db_begin_lazy(store_db(s), err);

	if (r < 0)
		return r;
	r = problem_count(s, d->id, &problems, err);
	t.problems = problems > 0;
	if (r == 0)
		r = settle_rows(&t, batch, fails, fail_count, err);
	if (r == 0)
		r = mark_failed(&t, batch, fails, fail_count, err);
	if (r == 0) {
		d->acked = batch;
		d->acked_tag = d->tag;
		r = mirror_dest_save(s, d, err);
	}
	if (r == 0)
		return db_commit(store_db(s), err);
	db_rollback(store_db(s));
	return r;
}

int journal_forget(struct store *s, struct dest *d, struct err *err)
{
	struct sql *q;
	int r = db_begin(store_db(s), err);

	if (r < 0)
		return r;
	q = db_sql(store_db(s),
		   "DELETE FROM journal WHERE dest=?1 AND batch>?2", err);
	if (!q) {
		db_rollback(store_db(s));
		return err->code;
	}
	db_int(q, 1, d->id);
	db_int(q, 2, (int64_t)d->acked);
	r = db_run(q, err);
	d->sent = d->acked;
	if (r == 0)
		r = mirror_dest_save(s, d, err);
	if (r == 0)
		return db_commit(store_db(s), err);
	db_rollback(store_db(s));
	return r;
}

/* ------------------------------------------------------------ history */

int journal_prune(struct store *s, int64_t days, int64_t rows, struct err *err)
{
	static const char old[] =
		"DELETE FROM journal WHERE time<?1 AND batch<="
		"(SELECT acked FROM dest d WHERE d.id=journal.dest)";
	static const char many[] =
		"DELETE FROM journal WHERE (dest, seq) IN (SELECT dest, seq"
		" FROM journal j WHERE batch<=(SELECT acked FROM dest d"
		" WHERE d.id=j.dest) ORDER BY time DESC, seq DESC"
		" LIMIT -1 OFFSET ?1)";
	struct sql *q = db_sql(store_db(s), old, err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, clock_real() / CLOCK_SECOND - days * 86400);
	r = db_run(q, err);
	q = r == 0 ? db_sql(store_db(s), many, err) : NULL;
	if (!q)
		return r < 0 ? r : err->code;
	db_int(q, 1, rows);
	return db_run(q, err);
}

int journal_each(struct store *s, int64_t dest, int64_t since_s,
		 struct view below, journal_fn fn, void *arg, struct err *err)
{
	struct sql *q = db_sql(
		store_db(s),
		"SELECT time, code, batch<=(SELECT acked FROM dest d"
		" WHERE d.id=j.dest), (SELECT spec FROM dest d WHERE"
		" d.id=j.dest), " ROW_COLUMNS " FROM journal j"
		" WHERE (?1=0 OR dest=?1) AND time>=?2 AND (length(?3)=0"
		"  OR path=?3 OR from_path=?3"
		"  OR substr(path, 1, length(?3)+1)=CAST(?3||'/' AS BLOB)"
		"  OR substr(from_path, 1, length(?3)+1)="
		"     CAST(?3||'/' AS BLOB))"
		" ORDER BY time, dest, seq",
		err);
	struct journal_row row;
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, since_s);
	db_blob(q, 3, below.p, below.len);
	while ((r = db_step(q, err)) > 0) {
		take_row(q, 4, &row);
		r = fn(arg, db_col_blob(q, 3), db_col_int(q, 0), &row,
		       (int)db_col_int(q, 1), db_col_int(q, 2) != 0, err);
		if (r < 0)
			break;
	}
	db_reset(q);
	return r;
}
