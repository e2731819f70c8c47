/*
 * Threads that help with the walk.  Each takes a directory that waits from near
 * the top of the stack, so that the walk stays depth first and the stack small,
 * lists it, and puts it to the finished ones; the walk's own thread does all
 * the rest, and lists directories itself when nothing is finished.  What is
 * listed and not yet visited is bounded by directories and by entries.
 *
 * Everything that both sides touch is under walk->lock; a listing belongs to
 * the thread that has its job in hands.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan_local.h"
#include "snapsync/thread.h"

#define AHEAD_MAX 64u	     /* directories */
#define AHEAD_ENTRIES 16384u /* listed and not visited */

void scan_ahead_lock(struct scan_walk *w)
{
	if (w->thread_count)
		pthread_mutex_lock(&w->lock);
}

void scan_ahead_unlock(struct scan_walk *w)
{
	if (w->thread_count)
		pthread_mutex_unlock(&w->lock);
}

static bool has_work(const struct scan_walk *w)
{
	/* The one on top is the walk's own. */
	return w->todos > 1 && w->ahead < AHEAD_MAX &&
	       w->ahead_entries < AHEAD_ENTRIES;
}

void scan_ahead_wake(struct scan_walk *w)
{
	if (w->idle && has_work(w))
		pthread_cond_signal(&w->work);
}

static void *work(void *arg)
{
	struct scan_walk *w = arg;
	struct scan_job *job;
	struct err err;

	pthread_mutex_lock(&w->lock);
	while (!w->quit) {
		job = has_work(w) ? scan_claim(w, w->todos - 2, &err) : NULL;
		if (!job) {
			w->idle++;
			pthread_cond_wait(&w->work, &w->lock);
			w->idle--;
			continue;
		}
		w->ahead++;
		scan_do(w, job);
		w->ahead_entries += job->list.count;
		job->next = w->finished;
		w->finished = job;
		if (w->waits)
			pthread_cond_signal(&w->done);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct scan_job *scan_ahead_next(struct scan_walk *w, bool wait)
{
	struct scan_job *job;

	while (wait && !w->finished && w->ahead > 0) {
		w->waits = true;
		pthread_cond_wait(&w->done, &w->lock);
		w->waits = false;
	}
	job = w->finished;
	if (job) {
		w->finished = job->next;
		w->ahead--;
		w->ahead_entries -= job->list.count;
	}
	return job;
}

/* Two at work at least: on a network file system most of it is waiting. */
static size_t how_many(void)
{
	long cpus = 2;

#ifdef _SC_NPROCESSORS_ONLN
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
#endif
	if (cpus < 2)
		return 1;
	return cpus - 1 > SCAN_THREADS_MAX ? SCAN_THREADS_MAX
					   : (size_t)cpus - 1;
}

void scan_ahead_start(struct scan_walk *w)
{
	size_t wanted = how_many(), made = 0;

	if (pthread_mutex_init(&w->lock, NULL) != 0)
		return;
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->done, NULL);
	pthread_mutex_lock(&w->lock);
	while (made < wanted && thread_start(&w->threads[made], work, w))
		made++;
	w->thread_count = made;
	pthread_mutex_unlock(&w->lock);
	if (made == 0) {
		pthread_mutex_destroy(&w->lock);
		pthread_cond_destroy(&w->work);
		pthread_cond_destroy(&w->done);
	}
}

void scan_ahead_stop(struct scan_walk *w)
{
	size_t i;

	if (w->thread_count == 0)
		return;
	pthread_mutex_lock(&w->lock);
	w->quit = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	for (i = 0; i < w->thread_count; i++)
		pthread_join(w->threads[i], NULL);
	w->thread_count = 0;
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->work);
	pthread_cond_destroy(&w->done);
}
