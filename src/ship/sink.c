#include "snapsync/sink.h"

#include <string.h>

static int null_stage(struct sink *k, uint64_t id, uint64_t size,
		      const struct hash *key, struct err *err)
{
	(void)k, (void)id, (void)size, (void)key, (void)err;
	return 0;
}

static int null_keep(struct sink *k, uint64_t id, uint64_t length,
		     struct err *err)
{
	(void)k, (void)id, (void)length, (void)err;
	return 0;
}

static int null_data(struct sink *k, uint64_t id, const void *bytes, size_t len,
		     struct err *err)
{
	(void)k, (void)id, (void)bytes, (void)len, (void)err;
	return 0;
}

static int null_hole(struct sink *k, uint64_t id, uint64_t length,
		     struct err *err)
{
	(void)k;
	(void)id;
	(void)length;
	(void)err;
	return 0;
}

static int null_copy(struct sink *k, const struct msg_copy *m, struct err *err)
{
	(void)k;
	(void)m;
	(void)err;
	return 0;
}

static int null_stage_end(struct sink *k, uint64_t id, const struct hash *hash,
			  struct err *err)
{
	(void)k, (void)id, (void)hash, (void)err;
	return 0;
}

static int null_number(struct sink *k, uint64_t n, struct err *err)
{
	(void)k, (void)n, (void)err;
	return 0;
}

static int null_op(struct sink *k, const struct msg_op *op, struct err *err)
{
	(void)k, (void)op, (void)err;
	return 0;
}

static int null_commit(struct sink *k, uint64_t batch, uint32_t count,
		       struct err *err)
{
	struct sink_null *n = (struct sink_null *)(void *)k;

	(void)count, (void)err;
	n->committed = batch;
	return 0;
}

static int null_poll(struct sink *k, int wait_ms, struct sink_event *event,
		     struct err *err)
{
	struct sink_null *n = (struct sink_null *)(void *)k;

	(void)wait_ms, (void)err;
	if (!n->committed)
		return 0;
	memset(event, 0, sizeof(*event));
	event->type = SINK_ACK;
	event->batch = n->committed;
	n->committed = 0;
	return 1;
}

static const struct sink_ops null_ops = {
	null_stage, null_keep,	    null_data,	 null_hole,
	null_copy,  null_stage_end, null_number, null_number,
	null_op,    null_commit,    null_poll,
};

void sink_null_init(struct sink_null *k)
{
	k->sink.ops = &null_ops;
	k->committed = 0;
}
