/*
 * While the session's thread is busy with what may take minutes (a disk that
 * syncs, a batch that is finished after a crash), another one tells the client
 * now and then that there is life.
 */
#include <stdlib.h>

#include "apply_local.h"
#include "snapsync/clock.h"
#include "snapsync/thread.h"

#define STEP_MAX (5 * CLOCK_SECOND) /* of silence */

struct pulse {
	struct apply *a;
	int64_t step;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool stop; /* under lock */
};

/* false: it is over; true: it is not after so long a time. */
static bool goes_on(struct pulse *p)
{
	int64_t until = clock_mono() + p->step;
	bool stop, early = true;

	pthread_mutex_lock(&p->lock);
	while (!p->stop && early)
		early = thread_wait(&p->over, &p->lock, until);
	stop = p->stop;
	pthread_mutex_unlock(&p->lock);
	return !stop;
}

static void *beat(void *arg)
{
	struct pulse *p = arg;
	struct err lost; /* the session will find out */
	int r = 0;

	while (r == 0 && goes_on(p)) {
		r = serve_number(p->a, MSG_PING, 0, &lost);
		if (r == 0)
			r = serve_flush(p->a, 0, &lost);
	}
	return NULL;
}

int64_t pulse_step(const struct apply *a)
{
	int64_t step = CLOCK_SECOND / 16 * (int64_t)a->hello.timeout;

	return step <= 0 || step > STEP_MAX ? STEP_MAX : step;
}

struct pulse *pulse_begin(struct apply *a)
{
	struct pulse *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->a = a;
	p->step = pulse_step(a);
	if (!thread_cond(&p->over)) {
		free(p);
		return NULL;
	}
	if (pthread_mutex_init(&p->lock, NULL) == 0) {
		if (thread_start(&p->thread, beat, p))
			return p;
		pthread_mutex_destroy(&p->lock);
	}
	pthread_cond_destroy(&p->over);
	free(p);
	return NULL;
}

void pulse_end(struct pulse *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->over);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->over);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
