/*
 * A thread that packs one block at a time, while the next one is read, hashed and
 * recorded.  The codec is its own from press_begin until press_take has said 1.
 */
#include <stdlib.h>

#include "remote_local.h"
#include "snapsync/clock.h"
#include "snapsync/codec.h"
#include "snapsync/thread.h"

struct press {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool work, stop; /* under lock: a block is there to be packed; end */
	/* Of the thread while there is work, else of the session. */
	struct codec *codec;
	struct buf in, out;
	struct press_time time;
	int64_t since; /* CLOCK_MONOTONIC, press_begin */
	int code;
	struct err err;
	bool begun; /* of the session: a block was not taken back yet */
};

static void *run(void *arg)
{
	struct press *p = arg;
	int64_t start;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->work && !p->stop)
			pthread_cond_wait(&p->change, &p->lock);
		if (p->stop)
			break;
		pthread_mutex_unlock(&p->lock);
		start = clock_thread();
		buf_clear(&p->out);
		p->code = codec_pack(p->codec, p->in.data, p->in.len, &p->out,
				     &p->err);
		p->time.worked = clock_thread() - start;
		p->time.took = clock_mono() - p->since;
		pthread_mutex_lock(&p->lock);
		p->work = false;
		pthread_cond_broadcast(&p->change);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct press *press_new(void)
{
	struct press *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	if (pthread_mutex_init(&p->lock, NULL) != 0)
		goto no_lock;
	if (pthread_cond_init(&p->change, NULL) != 0)
		goto no_change;
	buf_init(&p->in, MSG_PACK_MAX);
	buf_init(&p->out, 2 * MSG_PACK_MAX);
	if (thread_start(&p->thread, run, p))
		return p;
	pthread_cond_destroy(&p->change);
no_change:
	pthread_mutex_destroy(&p->lock);
no_lock:
	free(p);
	return NULL;
}

void press_free(struct press *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->change);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->change);
	pthread_mutex_destroy(&p->lock);
	buf_release(&p->in);
	buf_release(&p->out);
	free(p);
}

int press_begin(struct press *p, struct codec *codec, const void *bytes,
		size_t len, struct err *err)
{
	int r;

	buf_clear(&p->in);
	r = buf_put(&p->in, bytes, len, err);
	if (r < 0)
		return r;
	p->codec = codec;
	p->since = clock_mono();
	p->begun = true;
	pthread_mutex_lock(&p->lock);
	p->work = true;
	pthread_cond_broadcast(&p->change);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

size_t press_holds(const struct press *p)
{
	return p && p->begun ? p->in.len : 0;
}

void press_wait(struct press *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->work)
		pthread_cond_wait(&p->change, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

int press_take(struct press *p, const struct buf **out, struct press_time *time,
	       struct err *err)
{
	bool over;

	pthread_mutex_lock(&p->lock);
	over = !p->work;
	pthread_mutex_unlock(&p->lock);
	if (!over)
		return 0;
	/* It waits for ever then, so that nobody takes the stream for whole. */
	if (p->code < 0)
		return *err = p->err, p->code;
	p->begun = false;
	*out = &p->out;
	*time = p->time;
	return 1;
}
