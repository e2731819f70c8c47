#include "snapsync/clock.h"

#include <time.h>
#include <unistd.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * CLOCK_SECOND + t.tv_nsec;
}

int64_t clock_mono(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_thread(void)
{
#if defined(_POSIX_THREAD_CPUTIME) && _POSIX_THREAD_CPUTIME >= 0
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0)
		return (int64_t)t.tv_sec * CLOCK_SECOND + t.tv_nsec;
#endif
	return clock_mono();
}

int64_t clock_real(void)
{
	return read_clock(CLOCK_REALTIME);
}

void clock_sleep(int64_t ns)
{
	struct timespec t;

	if (ns <= 0)
		return;
	t.tv_sec = (time_t)(ns / CLOCK_SECOND);
	t.tv_nsec = (long)(ns % CLOCK_SECOND);
	nanosleep(&t, NULL);
}

void clock_format(int64_t real_s, char *out, size_t size)
{
	time_t t = (time_t)real_s;
	struct tm tm;

	if (!localtime_r(&t, &tm) ||
	    !strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm))
		out[0] = 0;
}
