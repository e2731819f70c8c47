/* thread: one more thread, to which no signal comes. */
#ifndef SNAPSYNC_THREAD_H
#define SNAPSYNC_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Signals are the first thread's.  false: there is no room for another one. */
bool thread_start(pthread_t *t, void *(*work)(void *), void *arg);

/* Is there a processor for it beside this one's? */
bool thread_aside(void);

#endif
