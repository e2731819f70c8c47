/*
 * A large batch is carried out in a thread, while the next one is staged.
 *
 * The thread has a struct apply of its own: the batch's operations are handed
 * over to it, and it alone has the position, the redo log, the names and the
 * descriptors for them, while the session has the staging area and the stream.
 * What they share does not change (the directories of ours, HELLO).  Whatever
 * depends on the names as they are (LIST, SIGN, the next COMMIT, BYE) waits
 * until the thread is over; COPY only for names that the batch changes.
 */
#include <stdlib.h>
#include <string.h>

#include "apply_local.h"
#include "snapsync/thread.h"

#define LARGE_OPS 128u /* from here on a thread is worth it */
#define LARGE_BYTES (4u << 20)
#define ANSWER_BYTES (96u << 20)

struct closing {
	struct apply own;
	pthread_t thread;
	pthread_mutex_t lock;
	bool done;		/* under lock */
	bool running, threaded; /* of the session */
	int code;
	struct err err;
};

static struct closing *closing_of(struct apply *a, struct err *err)
{
	struct closing *c = a->closing;
	struct apply *own;

	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c || pthread_mutex_init(&c->lock, NULL) != 0) {
		free(c);
		err_set(err, ERR_MEMORY, "out of memory");
		return NULL;
	}
	own = &c->own;
	own->o = a->o;
	own->log = NULL;
	own->hello = a->hello;
	own->no_sync = a->no_sync;
	own->backup = a->backup;
	own->folds = a->folds;
	own->no_modes = a->no_modes;
	own->no_owners = a->no_owners;
	own->dest_fd = a->dest_fd;
	own->own_fd = a->own_fd;
	own->tmp_fd = a->tmp_fd;
	memcpy(own->tmp_fds, a->tmp_fds, sizeof(own->tmp_fds));
	own->limbo_fd = a->limbo_fd;
	own->redo_fd = a->redo_fd;
	own->position_fd = a->position_fd;
	own->lock_fd = -1;
	/* The position moves over; what is known of it stays here too. */
	own->position = a->position;
	buf_init(&a->position.failures, 0);
	buf_init(&own->out, ANSWER_BYTES);
	buf_init(&own->ops, APPLY_OPS_BYTES);
	map_init(&own->owners, sizeof(uint32_t));
	map_init(&own->stages, sizeof(struct stage));
	map_init(&own->reasons, sizeof(struct reason));
	map_init(&own->changing, 1);
	fresh_init(own);
	confine_init(own);
	a->closing = c;
	return c;
}

static void *work(void *arg)
{
	struct closing *c = arg;

	c->code = commit_course(&c->own, &c->err);
	pthread_mutex_lock(&c->lock);
	c->done = true;
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* The batch, from the session to the thread. */
static void hand_over(struct apply *a, struct apply *own)
{
	struct buf ops = own->ops;
	struct map reasons = own->reasons, changing = own->changing;
	struct map made = own->fresh_made;

	own->ops = a->ops;
	own->reasons = a->reasons;
	own->changing = a->changing;
	own->changing_all = a->changing_all;
	own->op_count = a->op_count;
	own->unsynced = a->unsynced;
	own->batch = a->batch;
	fresh_next(own);
	own->fresh_made = a->fresh_made;
	a->fresh_made = made;
	fresh_next(a);
	a->ops = ops;
	a->reasons = reasons;
	a->changing = changing;
	buf_clear(&a->ops);
	map_clear(&a->reasons);
	changing_clear(a);
	a->op_count = a->unsynced = 0;
	a->staged_bytes = 0;
}

/* Its answers, to the client; its stages are over. */
static int take_back(struct apply *a, struct closing *c, struct err *err)
{
	struct buf *out = &c->own.out;
	size_t at, n;
	int r = c->code;

	c->running = false;
	if (r < 0)
		*err = c->err;
	for (at = 0; r == 0 && at < out->len; at += n) {
		n = out->len - at < MSG_PAYLOAD_MAX ? out->len - at
						    : MSG_PAYLOAD_MAX;
		r = serve_flush(a, MSG_PAYLOAD_MAX, err);
		if (r == 0)
			r = buf_put(&a->out, out->data + at, n, err);
	}
	buf_clear(out);
	a->position.known = true;
	a->position.from = c->own.position.from;
	a->position.batch = c->own.batch;
	confine_forget(a);
	return r < 0 ? r : stage_sweep(a, c->own.batch, err);
}

bool commit_busy(const struct apply *a)
{
	return a->closing && a->closing->running;
}

int commit_wait(struct apply *a, struct err *err)
{
	struct pulse *p;

	if (!commit_busy(a))
		return 0;
	if (a->closing->threaded) {
		p = pulse_begin(a);
		pthread_join(a->closing->thread, NULL);
		pulse_end(p);
	}
	return take_back(a, a->closing, err);
}

int commit_wait_for(struct apply *a, const struct msg_path *p, struct err *err)
{
	/* The thread does not touch these of its own. */
	if (commit_busy(a) && !changing_path(&a->closing->own, p))
		return 0;
	return commit_wait(a, err);
}

int commit_poll(struct apply *a, struct err *err)
{
	bool done;

	if (!commit_busy(a))
		return 1;
	pthread_mutex_lock(&a->closing->lock);
	done = a->closing->done;
	pthread_mutex_unlock(&a->closing->lock);
	return done ? commit_wait(a, err) : 0;
}

int commit_start(struct apply *a, struct err *err)
{
	bool large = a->op_count >= LARGE_OPS || a->staged_bytes >= LARGE_BYTES;
	struct closing *c;
	struct pulse *p;
	int r = commit_wait(a, err);

	if (r < 0)
		return r;
	c = closing_of(a, err);
	if (!c)
		return err->code;
	hand_over(a, &c->own);
	c->done = false;
	c->running = true;
	c->threaded = large && thread_start(&c->thread, work, c);
	if (c->threaded)
		return 0;
	p = pulse_begin(a);
	work(c);
	pulse_end(p);
	return commit_wait(a, err);
}

void commit_release(struct apply *a)
{
	struct closing *c = a->closing;
	size_t i;

	if (!c)
		return;
	if (c->running && c->threaded)
		pthread_join(c->thread, NULL);
	confine_forget(&c->own);
	for (i = 0; i < APPLY_CACHE; i++)
		buf_release(&c->own.cache[i].path);
	touched_clear(&c->own);
	map_release(&c->own.owners);
	map_release(&c->own.stages);
	map_release(&c->own.reasons);
	map_release(&c->own.changing);
	fresh_release(&c->own);
	buf_release(&c->own.out);
	buf_release(&c->own.ops);
	buf_release(&c->own.position.failures);
	free(c->own.widened);
	pthread_mutex_destroy(&c->lock);
	free(c);
	a->closing = NULL;
}
