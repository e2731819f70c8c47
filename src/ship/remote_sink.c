/* Operations and content as frames, within the helper's credit. */
#include <string.h>

#include "remote_local.h"

#define OUT_FLUSH                                                              \
	(256u * 1024u) /* bytes that wait before they are handed over */
#define OUT_FULL                                                               \
	(1024u * 1024u) /* ... and before somebody waits for the link */
#define WORK_FLUSH                                                             \
	(8u << 20) /* bytes of work that a few short frames may hold back */

/* A frame of at most `size` payload bytes begins; credit is there for it. */
int remote_begin(struct remote *r, enum msg_type type, unsigned stream,
		 struct frame_mark *mark, size_t size, struct err *err)
{
	int e = 0;

	size += FRAME_HEADER;
	if (r->out.len - r->out_at + size > OUT_FULL)
		e = remote_flush_to(r, OUT_FULL / 2, err);
	else if (r->out.len - r->out_at + size > OUT_FLUSH)
		e = remote_push(r, err);
	while (e == 0 && type >= MSG_STAGE && type <= MSG_COMMIT &&
	       r->credit < size)
		e = remote_turn(r, -1, err);
	if (e == 0 && r->out_at > OUT_FULL) {
		buf_consume(&r->out, r->out_at);
		r->plain_to -= r->out_at;
		r->out_at = 0;
	}
	return e < 0 ? e : frame_begin(&r->out, type, stream, mark, err);
}

int remote_end(struct remote *r, struct frame_mark *mark, struct err *err)
{
	const unsigned char *head = r->out.data + mark->at;
	unsigned type = head[4];
	int e = frame_end(&r->out, mark, err);

	if (e == 0 && type >= MSG_STAGE && type <= MSG_COMMIT)
		r->credit -= r->out.len - mark->at;
	return e;
}

/* ------------------------------------------------------------ sink */

static struct remote *of(struct sink *k)
{
	return (struct remote *)(void *)k;
}

static int sink_stage(struct sink *k, uint64_t id, uint64_t size,
		      const struct hash *key, struct err *err)
{
	struct msg_stage m = {.id = id, .size = size};
	struct frame_mark mark = {0};
	int e = remote_begin(of(k), MSG_STAGE, 0, &mark, 20 + HASH_SIZE, err);

	m.keyed = key != NULL;
	if (key)
		m.key = *key;
	if (e == 0)
		e = msg_put_stage(&of(k)->out, &m, err);
	return e < 0 ? e : remote_end(of(k), &mark, err);
}

static int sink_keep(struct sink *k, uint64_t id, uint64_t length,
		     struct err *err)
{
	struct msg_keep m = {.id = id, .length = length};
	struct frame_mark mark = {0};
	int e = remote_begin(of(k), MSG_KEEP, 0, &mark, 16, err);

	if (e == 0)
		e = msg_put_keep(&of(k)->out, &m, err);
	return e < 0 ? e : remote_end(of(k), &mark, err);
}

static int sink_data(struct sink *k, uint64_t id, const void *bytes, size_t len,
		     struct err *err)
{
	struct msg_data m = {.id = id, .bytes = view_of(bytes, len)};
	struct frame_mark mark = {0};
	int e = remote_begin(of(k), MSG_DATA, 0, &mark, 12 + len, err);

	if (e == 0)
		e = msg_put_data(&of(k)->out, &m, err);
	return e < 0 ? e : remote_end(of(k), &mark, err);
}

/* The helper has that much to do with a frame that is short. */
static int work_ahead(struct remote *r, uint64_t length, struct err *err)
{
	r->held_back += length;
	if (r->held_back < WORK_FLUSH)
		return 0;
	r->held_back = 0;
	return remote_push(r, err);
}

static int sink_hole(struct sink *k, uint64_t id, uint64_t length,
		     struct err *err)
{
	struct msg_hole m = {.id = id, .length = length};
	struct frame_mark mark = {0};
	int e = remote_begin(of(k), MSG_HOLE, 0, &mark, 16, err);

	if (e == 0)
		e = msg_put_hole(&of(k)->out, &m, err);
	if (e == 0)
		e = remote_end(of(k), &mark, err);
	return e < 0 ? e : work_ahead(of(k), length, err);
}

static int sink_copy(struct sink *k, const struct msg_copy *m, struct err *err)
{
	struct frame_mark mark = {0};
	int e = remote_begin(of(k), MSG_COPY, 0, &mark, 64 + m->path.path.len,
			     err);

	if (e == 0)
		e = msg_put_copy(&of(k)->out, m, err);
	if (e == 0)
		e = remote_end(of(k), &mark, err);
	return e < 0 ? e : work_ahead(of(k), m->length, err);
}

static int sink_stage_end(struct sink *k, uint64_t id, const struct hash *hash,
			  struct err *err)
{
	struct msg_stage_end m = {.id = id, .hash = *hash};
	struct frame_mark mark = {0};
	int e = remote_begin(of(k), MSG_STAGE_END, 0, &mark, 24, err);

	if (e == 0)
		e = msg_put_stage_end(&of(k)->out, &m, err);
	return e < 0 ? e : remote_end(of(k), &mark, err);
}

static int counted_number(struct sink *k, enum msg_type type, uint64_t n,
			  struct err *err)
{
	struct frame_mark mark = {0};
	int e = remote_begin(of(k), type, 0, &mark, 8, err);

	if (e == 0)
		e = msg_put_number(&of(k)->out, n, err);
	return e < 0 ? e : remote_end(of(k), &mark, err);
}

static int sink_stage_drop(struct sink *k, uint64_t id, struct err *err)
{
	return counted_number(k, MSG_STAGE_DROP, id, err);
}

static int sink_begin(struct sink *k, uint64_t batch, struct err *err)
{
	return counted_number(k, MSG_BEGIN, batch, err);
}

static int sink_op(struct sink *k, const struct msg_op *op, struct err *err)
{
	struct frame_mark mark = {0};
	size_t size = op->path.path.len + op->from.path.len + op->target.len;
	int e = remote_begin(of(k), op->type, 0, &mark, size + 64, err);

	if (e == 0)
		e = msg_put_op(&of(k)->out, op, err);
	return e < 0 ? e : remote_end(of(k), &mark, err);
}

static int sink_commit(struct sink *k, uint64_t batch, uint32_t count,
		       struct err *err)
{
	struct msg_commit m = {.batch = batch, .count = count};
	struct frame_mark mark = {0};
	int e = remote_begin(of(k), MSG_COMMIT, 0, &mark, 12, err);

	if (e == 0)
		e = msg_put_commit(&of(k)->out, &m, err);
	if (e == 0)
		e = remote_end(of(k), &mark, err);
	return e < 0 ? e : remote_push(of(k), err);
}

static int sink_poll(struct sink *k, int wait_ms, struct sink_event *event,
		     struct err *err)
{
	struct remote *r = of(k);
	int e = 0;

	if (r->event_at == r->event_count)
		e = remote_turn(r, 0, err);
	while (e == 0 && r->event_at == r->event_count && wait_ms < 0)
		e = remote_turn(r, -1, err);
	if (e == 0 && r->event_at == r->event_count && wait_ms > 0)
		e = remote_turn(r, wait_ms, err);
	if (e < 0)
		return e;
	if (r->event_at == r->event_count) {
		r->event_at = r->event_count = 0;
		return 0;
	}
	*event = r->events[r->event_at++];
	return 1;
}

const struct sink_ops remote_sink_ops = {
	sink_stage, sink_keep,	    sink_data,	     sink_hole,
	sink_copy,  sink_stage_end, sink_stage_drop, sink_begin,
	sink_op,    sink_commit,    sink_poll,
};
