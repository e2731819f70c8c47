/*
 * clock: time, in nanoseconds.
 */
#ifndef SNAPSYNC_CLOCK_H
#define SNAPSYNC_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_SECOND INT64_C(1000000000)
#define CLOCK_MS INT64_C(1000000)

/* Since an arbitrary start; never runs backwards. */
int64_t clock_mono(void);
/* What this thread has worked, without the time that others had its processor;
 * clock_mono where that is not told. */
int64_t clock_thread(void);
/* Since 1970, as file systems stamp it. */
int64_t clock_real(void);
/* Sleep; a signal ends it early. */
void clock_sleep(int64_t ns);
/* "2026-11-21 14:03:07" in local time into out. */
void clock_format(int64_t real_s, char *out, size_t size);

#endif
