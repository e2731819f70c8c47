/*
 * The course of a batch (redo.c and position.c have the layouts):
 *
 *     1  staged content            -> stable storage
 *     2  redo log                  -> stable storage
 *     3  operations, in order
 *     4  names, modes, times       -> stable storage
 *     5  position with failures    -> stable storage
 *     6  FAILs and ACK to the client
 *
 * A failed sync is the end of the session: nothing is acknowledged, and the
 * next session executes the redo log again.
 */
#include <stdio.h>
#include <string.h>

#include "apply_local.h"

int commit_begin(struct apply *a, uint64_t batch, struct err *err)
{
	if (batch == 0 || batch > MSG_BATCH_MAX)
		return err_set(err, ERR_PROTOCOL, "not a number of a batch");
	if ((a->position.known && batch <= a->position.batch &&
	     memcmp(a->position.from.pair, a->hello.pair, 16) == 0) ||
	    (a->batch && batch <= a->batch))
		return err_set(err, ERR_PROTOCOL,
			       "a batch that is durable already");
	a->batch = batch;
	a->op_count = 0;
	buf_clear(&a->ops);
	map_clear(&a->reasons);
	changing_clear(a);
	fresh_next(a);
	a->state = MSG_S_BATCH;
	return 0;
}

int commit_note(struct apply *a, const struct msg_op *op, struct err *err)
{
	struct noted n = {.op = *op};
	struct msg_meta *meta = &n.op.meta;
	struct reason *why;
	int r = 0;

	meta->uid = owner_map(a, false, meta->uid);
	meta->gid = owner_map(a, true, meta->gid);
	if (a->op_count >= MSG_OPS_MAX)
		return err_set(err, ERR_PROTOCOL, "too many operations");
	if (op->type == MSG_PLACE) {
		r = stage_finish(a, &n.op, &n.tmp, err);
	} else if (op->type == MSG_SYMLINK || op->type == MSG_NODE) {
		r = stage_special(a, &n.op, &n.tmp, err);
	} else {
		n.tmp = fresh_note(a, op);
	}
	if (r < 0 &&
	    (err_class(r) == ERR_CLASS_DROP || err_class(r) == ERR_CLASS_FATAL))
		return r;
	if (r < 0) {
		n.code = -r;
		why = map_put_u64(&a->reasons, a->op_count, NULL, err);
		if (!why)
			return err->code;
		snprintf(why->text, sizeof(why->text), "%.150s", err->msg);
	}
	r = redo_put(&a->ops, &n, err);
	if (r < 0)
		return err_set(err, ERR_PROTOCOL, "a batch that is too large");
	a->op_count++;
	changing_note(a, op);
	return 0;
}

static int note_failure(struct apply *a, uint32_t index, int code, int sys,
			struct err *err)
{
	struct position *p = &a->position;
	int r = buf_put_u32(&p->failures, index, err);

	if (r == 0)
		r = buf_put_u32(&p->failures, (uint32_t)code, err);
	if (r == 0)
		r = buf_put_u32(&p->failures, (uint32_t)sys, err);
	p->failed++;
	return r;
}

/* Step 3.  Failures are noted for the position, and told to the client. */
static int execute_all(struct apply *a, bool replay, struct err *err)
{
	struct view v = view_of(a->ops.data, a->ops.len);
	const struct reason *why;
	struct noted n;
	uint32_t index;
	int r = 0;

	buf_clear(&a->position.failures);
	a->position.failed = 0;
	for (index = 0; r == 0 && v.len > 0; index++) {
		struct err one;

		r = redo_get(&v, &n, err);
		if (r < 0)
			break;
		err_clear(&one);
		a->later = replay ? &v : NULL;
		if (execute(a, &n, replay, &one) == 0)
			continue;
		if (err_class(one.code) == ERR_CLASS_FATAL) {
			*err = one;
			r = one.code;
			break;
		}
		why = map_get_u64(&a->reasons, index);
		r = note_failure(a, index, -one.code, one.sys, err);
		if (r == 0 && !replay)
			r = serve_fail(a, index, -one.code, one.sys,
				       why ? why->text : one.msg, err);
	}
	confine_restore(a);
	return r;
}

/* What an operation that failed should have given a name lies in tmp/ still,
 * and nobody will ask for it.  Not before the position is written: a replay
 * takes what is missing in tmp/ for what has its name already. */
static void drop_failed(struct apply *a)
{
	struct view failures = view_of(a->position.failures.data,
				       a->position.failures.len);
	struct view v = view_of(a->ops.data, a->ops.len);
	uint32_t index = 0, next = view_u32(&failures);
	struct err ignored;
	struct berth b;
	struct noted n;

	while (!failures.bad && redo_get(&v, &n, &ignored) == 0) {
		if (index++ != next)
			continue;
		if (n.tmp && !fresh_is(n.tmp) &&
		    berth_of(a, n.tmp, n.op.path.path, &b, &ignored) == 0)
			fsys_unlink(b.fd, b.name, &ignored);
		view_bytes(&failures, 8); /* its code and errno */
		next = view_u32(&failures);
	}
}

/* The same for directories that did not get their place as they were. */
static void drop_unsettled(struct apply *a)
{
	struct view v = view_of(a->ops.data, a->ops.len);
	struct err ignored;
	struct noted n;
	char name[32];

	while (a->fresh_made.count && v.len > 0 &&
	       redo_get(&v, &n, &ignored) == 0) {
		if (n.op.type != MSG_MKDIR || !fresh_was_made(a, n.tmp) ||
		    fresh_has_settled(a, n.tmp))
			continue;
		fresh_name(n.tmp, name);
		fresh_remove(a->tmp_fd, name);
	}
}

static int finish(struct apply *a, const struct origin *from, bool replay,
		  struct err *err)
{
	int r;

	touched_clear(a);
	r = execute_all(a, replay, err);
	if (r == 0) {
		/* A replay does not know what was changed before it. */
		a->touched_all = a->touched_all ||
				 (replay && fsys_has_sync_fs());
		r = touched_sync(a, err);
	}
	if (r == 0)
		r = position_write(a, from, a->batch, err);
	if (r == 0) {
		drop_failed(a);
		drop_unsettled(a);
	}
	touched_clear(a);
	return r;
}

static int told(struct err *err, const char *what)
{
	char was[512];
	int sys = err->sys;

	snprintf(was, sizeof(was), "%.500s", err->msg);
	err_set(err, ERR_FILE, "%s: %s", what, was);
	err->sys = sys;
	return err->code;
}

static int ack(struct apply *a, struct err *err)
{
	struct msg_ack m = {.batch = a->batch, .failed = a->position.failed};
	struct frame_mark mark = {0};
	int r = frame_begin(&a->out, MSG_ACK, 0, &mark, err);

	if (r == 0)
		r = msg_put_ack(&a->out, &m, err);
	return r < 0 ? r : frame_end(&a->out, &mark, err);
}

int commit_course(struct apply *a, struct err *err)
{
	struct origin from = {.tag = a->hello.tag};
	int r;

	/* What was opened before may have been moved since, by the batch
	 * before or by somebody else. */
	confine_forget(a);
	memcpy(from.pair, a->hello.pair, sizeof(from.pair));
	r = berth_sync(a, err);
	if (r == 0)
		r = identity_fill(a, err);
	if (r == 0)
		r = room_write_log(a, err);
	if (r == 0)
		r = finish(a, &from, false, err);
	return r < 0 ? told(err, "the batch cannot be made durable")
		     : ack(a, err);
}

int commit_run(struct apply *a, const struct msg_commit *m, struct err *err)
{
	int r;

	if (m->batch != a->batch || m->count != a->op_count)
		return err_set(err, ERR_PROTOCOL,
			       "COMMIT does not fit its batch");
	r = commit_start(a, err);
	a->state = MSG_S_READY;
	return r;
}

int commit_replay(struct apply *a, struct err *err)
{
	struct backup *mine = a->backup, *its = NULL;
	struct origin from;
	uint64_t batch;
	int r = redo_read(a, &from, &batch, &its, err);

	if (r <= 0)
		return r;
	a->batch = batch;
	log_line(a->log, LOG_WARN, "finishing a batch that was interrupted");
	a->backup = its;
	r = finish(a, &from, true, err);
	a->backup = mine;
	backup_free(its);
	buf_clear(&a->ops);
	a->op_count = 0;
	a->batch = 0;
	return r < 0 ? told(err, "an interrupted batch cannot be finished") : 0;
}
