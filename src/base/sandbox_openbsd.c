/*
 * OpenBSD: unveil for the places, pledge for what may be done.
 * Written from the manual pages; not tried on that system yet.
 */
#define _BSD_SOURCE
#include "snapsync/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* unveil wants a path, we have descriptors: by way of the working directory. */
static int show(const struct sandbox_place *place)
{
	return fchdir(place->dir) < 0 ? -1
				      : unveil(".", place->write ? "rwc" : "r");
}

static int show_all(const struct sandbox_place *places, size_t count)
{
	int r, back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t i;

	/* The first call hides everything else. */
	r = unveil(SANDBOX_RANDOM, "r");
	for (i = 0; r == 0 && i < count; i++)
		r = show(&places[i]);
	if (r == 0)
		r = unveil(NULL, NULL);
	if (back >= 0) {
		if (fchdir(back) < 0)
			r = -1;
		close(back);
	}
	return r;
}

void sandbox_enter(const struct sandbox_place *places, size_t count,
		   unsigned flags, struct sandbox_held *held)
{
	const char *may =
		flags & SANDBOX_ALONE
			? "stdio rpath wpath cpath dpath fattr chown flock"
			: "stdio rpath wpath cpath fattr flock proc";
	bool shown = show_all(places, count) == 0;
	bool held_to = pledge(may, NULL) == 0;

	held->files = shown;
	if (shown && held_to)
		snprintf(held->how, sizeof(held->how),
			 "unveil and pledge: files, network, signals");
	else
		snprintf(held->how, sizeof(held->how), "%s%s",
			 shown ? "unveil: files" : "unveil failed",
			 held_to ? ", pledge: network, signals"
				 : ", pledge failed");
}
