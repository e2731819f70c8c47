/*
 * coarse.so: preloaded, a new second begins just before the COARSE'th time that
 * somebody asks for the time in seconds.
 */
#include <stdlib.h>
#include <time.h>

__attribute__((visibility("default"))) time_t time(time_t *out)
{
	static int calls;
	const char *when = getenv("COARSE");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += ++calls >= (when ? atoi(when) : 1);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}
