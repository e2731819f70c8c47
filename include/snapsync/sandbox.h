/*
 * sandbox: this process gives up, for good, what it does not need any more.
 *
 *     struct sandbox_place places[] = {{source_fd, false}, {state_fd, true}};
 *     sandbox_enter(places, 2, 0, &held);
 *     log_line(log, LOG_INFO, "... %s", held.how);
 *
 * From then on files can be opened, made, renamed and removed only below these
 * directories (and only read where `write` is false), no program can be
 * executed and no new TCP connection made, as far as the system can hold us to
 * it: held.how says how far that is.  What is open already stays as it is.  A
 * system that cannot do it is no error.  It is a second line of defence: modes,
 * owners and times of what can be reached by name are not covered by it, nor
 * what a process can learn by stat.
 *
 * Platforms: sandbox_linux.c (Landlock), sandbox_openbsd.c (unveil, pledge),
 * sandbox_plain.c (nothing).
 *
 * Threads: only the calling one, and those it starts later, are held.  Call it
 * before there are others.
 */
#ifndef SNAPSYNC_SANDBOX_H
#define SNAPSYNC_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

struct sandbox_place {
	int dir;    /* an open directory, lent */
	bool write; /* not only read */
};

/* It has no children, and will send signals to nobody. */
#define SANDBOX_ALONE 1u
/* Can always be read: libraries want it at any time. */
#define SANDBOX_RANDOM "/dev/urandom"

struct sandbox_held {
	bool files;    /* nothing but the places */
	char how[120]; /* "Landlock (ABI 7): files, TCP", or why not */
};

void sandbox_enter(const struct sandbox_place *places, size_t count,
		   unsigned flags, struct sandbox_held *held);

#endif
