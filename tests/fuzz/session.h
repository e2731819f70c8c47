/*
 * A session made of few bytes: what a fuzzer can hit.  Paths come from four
 * names, so that operations meet; and any payload may come as raw bytes.
 */
#ifndef TEST_SESSION_H
#define TEST_SESSION_H

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "snapsync/frame.h"

/* Everything in a directory, and nothing through a symbolic link. */
static inline void session_empty(int dirfd)
{
	DIR *d = fdopendir(dirfd);
	struct dirent *e;

	HOLDS(d != NULL);
	while ((e = readdir(d))) {
		int fd;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    unlinkat(dirfd, e->d_name, 0) == 0)
			continue;
		fchmodat(dirfd, e->d_name, 0700, 0);
		fd = openat(dirfd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (fd >= 0)
			session_empty(fd);
		unlinkat(dirfd, e->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

static inline void session_remove(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (fd >= 0)
		session_empty(fd);
	rmdir(path);
}

static char session_dir[4096];

static inline void session_leave(void)
{
	session_remove(session_dir);
}

/* A directory of our own, in memory where that can be; it goes at the end. */
static inline const char *session_scratch(void)
{
	const char *top = getenv("TMPDIR");

	if (!session_dir[0]) {
		snprintf(session_dir, sizeof(session_dir), "%s/snapsync-fuzz.XXXXXX",
			 top ? top : access("/dev/shm", W_OK) == 0 ? "/dev/shm"
								   : "/tmp");
		HOLDS(mkdtemp(session_dir) != NULL);
		atexit(session_leave);
	}
	return session_dir;
}

static inline unsigned session_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* A path of 1 to 3 of the names; the text is lent until the next but one. */
static inline struct msg_path session_path(struct view *v)
{
	static const char *const names[] = {"a", "b", "c", "deep"};
	static char text[2][64];
	static unsigned which;
	unsigned b = fuzz_byte(v), depth = b >> 6, i;
	struct msg_path p = {MSG_TREE, {NULL, 0, false}};
	char *t = text[which++ % 2];

	t[0] = 0;
	for (i = 0; i < (depth ? depth : 1); i++, b >>= 2) {
		strcat(t, i ? "/" : "");
		strcat(t, names[b & 3]);
	}
	if (depth == 0 && b & 8) {
		p.area = MSG_LIMBO;
		t[0] = (char)('1' + (b & 3));
	}
	p.path = view_of(t, strlen(t));
	return p;
}

#endif
