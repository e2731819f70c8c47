/* thread: one more thread, to which no signal comes. */
#ifndef SNAPSYNC_THREAD_H
#define SNAPSYNC_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Signals are the first thread's.  false: there is no room for another one. */
bool thread_start(pthread_t *t, void *(*work)(void *), void *arg);

/* A condition by the clock that is never set. */
bool thread_cond(pthread_cond_t *c);
/* For such a one; until: ns of clock_mono.  false: that time has come (or it
 * cannot be waited for: look again). */
bool thread_wait(pthread_cond_t *c, pthread_mutex_t *lock, int64_t until);

/* Is there a processor for it beside this one's? */
bool thread_aside(void);

#endif
