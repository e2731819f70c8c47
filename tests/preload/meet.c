/*
 * meet.so: preloaded, the program snapsync waits at given places of its walk
 * until the test lets it go on.
 *
 *     MEET  a list, in order: list=N, before the Nth listing of a directory
 *           is begun; open=N, before the Nth directory is opened by its name
 *           in another one.  Counted from the place before.
 *
 *     MEET_YOUNG  the program's clock is an hour late: no time stamp is old
 *           enough to be sure of anything, so that all is walked twice
 *
 * At each it writes a line to descriptor 9 and reads one from descriptor 8;
 * the test sees that nobody else has them.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#pragma GCC visibility push(default)

static const char *next;
static int lists, opens;
static bool young;

__attribute__((constructor)) static void begin(void)
{
	if (strcmp(program_invocation_short_name, "snapsync") == 0)
		next = getenv("MEET");
	young = next && getenv("MEET_YOUNG");
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, clock, t);

	if (r == 0 && young && clock == CLOCK_REALTIME)
		t->tv_sec -= 3600;
	return r;
}

static void meet(const char *what, int count)
{
	char place[32], line[8];
	size_t len = (size_t)snprintf(place, sizeof(place), "%s=%d", what,
				      count);

	if (!next || strncmp(next, place, len) != 0 ||
	    (next[len] && next[len] != ' '))
		return;
	next += len + (next[len] == ' ');
	lists = opens = 0;
	if (write(9, "here\n", 5) != 5 || read(8, line, sizeof(line)) <= 0)
		abort();
}

DIR *fdopendir(int fd)
{
	DIR *(*real)(int) = (DIR * (*)(int)) dlsym(RTLD_NEXT, "fdopendir");

	meet("list", ++lists);
	return real(fd);
}

static int open_at(int dir, const char *name, int flags, mode_t mode)
{
	int (*real)(int, const char *, int, ...) =
		(int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT,
							    "openat64");

	if (dir >= 0 && (flags & O_DIRECTORY) && !(flags & O_PATH))
		meet("open", ++opens);
	return real(dir, name, flags, mode);
}

int openat64(int dir, const char *name, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return open_at(dir, name, flags, mode);
}

/* What _FORTIFY_SOURCE makes of it. */
int __openat64_2(int dir, const char *name, int flags)
{
	return open_at(dir, name, flags, 0);
}

/* Of 64 bits they are the same. */
int openat(int dir, const char *name, int flags, ...)
	__attribute__((alias("openat64")));
int __openat_2(int dir, const char *name, int flags)
	__attribute__((alias("__openat64_2")));
