/*
 * A batch on its way:
 *
 *     stage, data, ...            content may go out before its batch's rows
 *     BEGIN, operations           go out as they are planned
 *     journal_write               rows of the batch are durable here ...
 *     COMMIT                      ... before the helper may act
 *     FAIL..., ACK                journal_settle: effects onto the mirror
 */
#include "ship_local.h"

#include <stdio.h>
#include <string.h>

#define ANSWERS_EVERY 64 /* operations: what is small goes out together */

static const enum msg_type wire_type[] = {
	[JOURNAL_MKDIR] = MSG_MKDIR,	 [JOURNAL_FILE] = MSG_PLACE,
	[JOURNAL_SYMLINK] = MSG_SYMLINK, [JOURNAL_NODE] = MSG_NODE,
	[JOURNAL_LINK] = MSG_LINK,	 [JOURNAL_MOVE] = MSG_MOVE,
	[JOURNAL_REMOVE] = MSG_REMOVE,	 [JOURNAL_META] = MSG_META,
};

/* Keep bytes until the batch is written. */
static int keep(struct ship *h, const struct buf *b, struct view *out,
		struct err *err)
{
	char *copy = arena_copy(&h->row_arena, b->data, b->len, err);

	*out = view_of(copy, b->len);
	return copy ? 0 : err->code;
}

static int paths(struct ship *h, struct op *op, struct msg_op *m,
		 struct err *err)
{
	struct buf path;
	int r = 0;

	buf_init(&path, PATH_BYTES_MAX + 512);
	m->path.path = m->from.path = view_of("", 0);
	if (!op->at_root) {
		r = plan_path(h, op->at, &path, &m->path.area, err);
		if (r == 0 && path.len > PATH_BYTES_MAX)
			r = err_set(err, ERR_NAME, "path too long");
		if (r == 0)
			r = keep(h, &path, &m->path.path, err);
	}
	if (r == 0 && (op->op == JOURNAL_LINK || op->op == JOURNAL_MOVE)) {
		r = plan_path(h, op->from, &path, &m->from.area, err);
		if (r == 0)
			r = keep(h, &path, &m->from.path, err);
	}
	/* Where the rest of it belongs; not to be found: it stays there. */
	if (r == 0 && op->op == JOURNAL_REMOVE && op->from.len &&
	    plan_path(h, op->from, &path, &m->from.area, err) == 0 &&
	    m->from.area == MSG_TREE)
		r = keep(h, &path, &m->from.path, err);
	buf_release(&path);
	return r;
}

static void fill(const struct op *op, struct msg_op *m)
{
	m->type = wire_type[op->op];
	m->meta.type = op->type;
	m->meta.mode = op->attr.mode;
	m->meta.uid = op->attr.uid;
	m->meta.gid = op->attr.gid;
	m->meta.mtime = op->attr.mtime;
	m->stage = op->stage;
	m->target = op->target;
	m->rdev_major = op->attr.rdev_major;
	m->rdev_minor = op->attr.rdev_minor;
	m->is_dir = op->type == FSYS_DIR;
}

static int note_row(struct ship *h, const struct op *op, const struct msg_op *m,
		    struct err *err)
{
	struct journal_row *row;
	int r = vec_grow((void **)&h->rows, &h->row_cap, h->row_count + 1,
			 sizeof(*h->rows), err);

	if (r < 0)
		return r;
	row = &h->rows[h->row_count++];
	memset(row, 0, sizeof(*row));
	row->op = op->op;
	row->inode = op->inode;
	row->type = op->type;
	row->parent = op->at_root ? -1 : op->at.parent;
	row->path = m->path.path;
	row->from_parent = op->from.parent;
	row->from = m->from.path;
	row->bytes = op->bytes;
	if (op->op != JOURNAL_LINK && op->op != JOURNAL_MOVE &&
	    op->op != JOURNAL_REMOVE)
		row->attr = op->attr;
	return 0;
}

/* T after the operation. */
static int apply_to_plan(struct ship *h, const struct op *op, struct err *err)
{
	bool known = op->op == JOURNAL_MKDIR || op->op == JOURNAL_MOVE ||
		     op->op == JOURNAL_LINK;
	int r = 0;

	if (op->op == JOURNAL_META)
		return 0;
	if (op->op == JOURNAL_MOVE) {
		r = plan_set(h, op->from, 0, FSYS_NONE, err);
		if (r == 0)
			r = plan_touch(h, op->from.parent, err);
	}
	if (r == 0 && known)
		r = plan_set(h, op->at, op->inode, op->type, err);
	if (r == 0 && op->op == JOURNAL_MKDIR)
		r = plan_touch(h, op->inode, err);
	if (r == 0)
		r = plan_touch(h, op->at.parent, err);
	return r;
}

static void count(struct ship *h, const struct op *op)
{
	h->counts.operations++;
	h->counts.files += op->op == JOURNAL_FILE;
	h->counts.moves += op->op == JOURNAL_MOVE &&
			   op->at.parent != STORE_LIMBO;
	h->counts.deletes += op->op == JOURNAL_REMOVE;
}

int batch_put(struct ship *h, struct op *op, struct err *err)
{
	struct msg_op m;
	int r = 0;

	memset(&m, 0, sizeof(m));
	r = paths(h, op, &m, err);
	if (r < 0 && err_class(r) != ERR_CLASS_FATAL)
		return op->at_root
			       ? r
			       : notes_problem(h, op->at, -r, err->msg, err);
	if (r == 0 && h->row_count >= BATCH_OPS)
		r = batch_commit(h, err);
	if (r == 0 && !h->open) {
		h->batch = h->d->sent + 1;
		h->open = true;
		if (h->removed.count && h->d->acked == h->d->sent)
			map_clear(&h->removed);
		r = h->sink->ops->begin(h->sink, h->batch, err);
		if (r == 0 && m.path.path.len)
			r = paths(h, op, &m, err);
	}
	if (r < 0)
		return r;
	fill(op, &m);
	h->batch_moves = h->batch_moves || op->op == JOURNAL_MOVE ||
			 op->op == JOURNAL_LINK;
	if ((op->op == JOURNAL_FILE || op->op == JOURNAL_SYMLINK ||
	     op->op == JOURNAL_NODE) &&
	    !map_put_u64(&h->replaced, (uint64_t)op->inode, NULL, err))
		return err->code;
	if (op->attr.type)
		r = send_owner(h, &op->attr, err);
	if (r == 0)
		r = note_row(h, op, &m, err);
	if (r == 0)
		r = h->sink->ops->op(h->sink, &m, err);
	if (r == 0)
		r = apply_to_plan(h, op, err);
	if (r < 0)
		return r;
	count(h, op);
	progress_operation(h, m.path.path);
	h->batch_bytes += op->bytes;
	h->batch_names += m.path.path.len + m.from.path.len + m.target.len;
	if (h->o.report && !op->silent) {
		op->report.op = op->op;
		op->report.type = op->type;
		op->report.path = m.path.path;
		op->report.from = m.from.path;
		op->report.target = op->target;
		op->report.now = op->attr;
		r = tell_put(h, &op->report, err);
		if (r < 0)
			return r;
	}
	if (h->batch_bytes >= BATCH_BYTES || h->batch_names >= BATCH_NAMES)
		return batch_commit(h, err);
	return h->row_count % ANSWERS_EVERY ? 0 : batch_answers(h, false, err);
}

int batch_commit(struct ship *h, struct err *err)
{
	int r;

	if (!h->open)
		return 0;
	r = db_begin(store_db(h->s), err);
	if (r == 0)
		r = notes_write(h, err);
	if (r < 0) {
		db_rollback(store_db(h->s));
		return r;
	}
	r = journal_write(h->s, h->d, h->batch, h->rows, h->row_count, err);
	if (r == 0)
		r = db_commit(store_db(h->s), err);
	if (r == 0)
		r = h->sink->ops->commit(h->sink, h->batch,
					 (uint32_t)h->row_count, err);
	h->open = false;
	h->row_count = 0;
	h->batch_bytes = h->batch_names = 0;
	h->batch_moves = false;
	copy_forget(h);
	arena_clear(&h->row_arena);
	return r < 0 ? r : tell_bound(h, err);
}

static int take_fail(struct ship *h, const struct sink_event *event,
		     struct err *err)
{
	struct journal_fail *f;
	uint32_t last = h->fail_count ? h->fails[h->fail_count - 1].index : 0;
	int r;

	if (event->batch > h->d->sent || event->batch <= h->d->acked ||
	    event->index >= MSG_OPS_MAX ||
	    (h->fail_count &&
	     (event->batch != h->fail_batch || event->index <= last)))
		return err_set(err, ERR_PROTOCOL,
			       "the helper's answers are out of order");
	h->fail_batch = event->batch;
	r = vec_grow((void **)&h->fails, &h->fail_cap, h->fail_count + 1,
		     sizeof(*h->fails), err);

	if (r < 0)
		return r;
	f = &h->fails[h->fail_count++];
	f->index = event->index;
	f->code = event->code;
	snprintf(f->text, sizeof(f->text), "%s", event->text);
	return 0;
}

static int take_ack(struct ship *h, uint64_t batch, struct err *err)
{
	struct journal_settled settled = {
		.doubtful = h->counts.failed != h->failed_before,
		.done_fn = tell_done,
		.arg = h,
	};
	int r = 0;

	if (batch > h->d->sent || batch <= h->d->acked ||
	    (h->fail_count && batch != h->fail_batch))
		return err_set(err, ERR_PROTOCOL,
			       "the helper acknowledged a batch that was not "
			       "sent");
	/* Cumulative: those before it had no failures, or they came before. */
	while (r == 0 && h->d->acked < batch) {
		uint64_t next = h->d->acked + 1;
		bool last = next == batch;

		r = journal_settle(h->s, h->d, next, h->fails,
				   last ? h->fail_count : 0, &settled,
				   &h->teller, err);
	}
	h->fail_count = 0;
	tell_settled(h);
	h->counts.failed += settled.failed;
	if (h->o.verify)
		h->counts.extras += settled.left;
	h->surprised = h->surprised || settled.surprised;
	return r;
}

static int take_event(struct ship *h, const struct sink_event *event,
		      struct err *err)
{
	switch (event->type) {
	case SINK_FAIL: return take_fail(h, event, err);
	case SINK_ACK: return take_ack(h, event->batch, err);
	case SINK_HAVE:
		long_have(h, event->stage, event->offset, &event->hash);
		return 0;
	case SINK_NEED: /* its PLACE will fail */
		return copy_refused(h, event->stage, event->offset, err);
	}
	return 0;
}

int batch_wait(struct ship *h, int wait_ms, struct err *err)
{
	struct sink_event event;
	int r = h->sink->ops->poll(h->sink, wait_ms, &event, err);

	return r > 0 ? take_event(h, &event, err) : r;
}

int batch_answers(struct ship *h, bool all, struct err *err)
{
	struct sink_event event;
	int r;

	if (h->o.dry) {
		/* Nothing is settled: T alone knows what would be. */
		while (h->sink->ops->poll(h->sink, 0, &event, err) > 0)
			continue;
		return 0;
	}
	for (;;) {
		bool waiting = h->d->acked < h->d->sent;

		r = h->sink->ops->poll(h->sink, all && waiting ? -1 : 0, &event,
				       err);
		if (r < 0)
			return r;
		if (r == 0 && (!all || !waiting))
			return 0;
		if (r > 0)
			r = take_event(h, &event, err);
		if (r < 0)
			return r;
	}
}
