#include "snapsync/thread.h"

#include <signal.h>
#include <unistd.h>

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

bool thread_aside(void)
{
#ifdef _SC_NPROCESSORS_ONLN /* POSIX.1-2024; most had it before */
	return sysconf(_SC_NPROCESSORS_ONLN) != 1;
#else
	return true;
#endif
}
