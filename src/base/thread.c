#include "snapsync/thread.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "snapsync/clock.h"

bool thread_start(pthread_t *t, void *(*work)(void *), void *arg)
{
	sigset_t all, before;
	bool ok;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	ok = pthread_create(t, NULL, work, arg) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok;
}

bool thread_cond(pthread_cond_t *c)
{
	pthread_condattr_t steady;
	bool ok = pthread_condattr_init(&steady) == 0;

	if (!ok)
		return false;
	ok = pthread_condattr_setclock(&steady, CLOCK_MONOTONIC) == 0 &&
	     pthread_cond_init(c, &steady) == 0;
	pthread_condattr_destroy(&steady);
	return ok;
}

bool thread_wait(pthread_cond_t *c, pthread_mutex_t *lock, int64_t until)
{
	struct timespec t = {.tv_sec = (time_t)(until / CLOCK_SECOND),
			     .tv_nsec = (long)(until % CLOCK_SECOND)};

	return pthread_cond_timedwait(c, lock, &t) == 0;
}

bool thread_aside(void)
{
#ifdef _SC_NPROCESSORS_ONLN /* POSIX.1-2024; most had it before */
	return sysconf(_SC_NPROCESSORS_ONLN) != 1;
#else
	return true;
#endif
}
