/*
 * Directories on the way: their names (a path is climbed), and descriptors for
 * opening what is below.  At most SCAN_FDS_MAX are kept; the oldest is given up
 * first, and opened again by names from the root if it is needed, and checked
 * to be the same directory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scan_local.h"
#include "snapsync/path.h"

static void close_fd(struct scan_walk *w, struct scan_node *n)
{
	if (n->fd < 0)
		return;
	fsys_close(n->fd);
	n->fd = -1;
	w->open_fds--;
	*(n->older ? &n->older->newer : &w->oldest) = n->newer;
	*(n->newer ? &n->newer->older : &w->newest) = n->older;
	n->older = n->newer = NULL;
}

static void keep_fd(struct scan_walk *w, struct scan_node *n, int fd)
{
	struct scan_node *old = w->oldest;

	while (old && w->open_fds >= SCAN_FDS_MAX) {
		struct scan_node *next = old->newer;

		if (old->users == 0)
			close_fd(w, old);
		old = next;
	}
	n->fd = fd;
	n->older = w->newest;
	n->newer = NULL;
	*(w->newest ? &w->newest->newer : &w->oldest) = n;
	w->newest = n;
	w->open_fds++;
}

struct scan_node *scan_node_new(struct scan_walk *w, struct scan_todo *t,
				int fd, struct err *err)
{
	struct scan_node *n = calloc(1, sizeof(*n));

	if (!n) {
		fsys_close(fd);
		err_set(err, ERR_MEMORY, "out of memory");
		return NULL;
	}
	n->up = t->up;
	n->name = t->name;
	t->up = NULL;
	t->name = NULL;
	n->refs = 1;
	n->dev = t->dev;
	n->ino = t->ino;
	n->fd = -1;
	if (fd >= 0)
		keep_fd(w, n, fd);
	return n;
}

void scan_node_unref(struct scan_walk *w, struct scan_node *n)
{
	while (n && --n->refs == 0) {
		struct scan_node *up = n->up;

		close_fd(w, n);
		free(n->name);
		free(n);
		n = up;
	}
}

/* Climbed twice, for the length and for the bytes: a path may be deeper than a
 * thread's stack likes. */
int scan_node_path(const struct scan_node *n, const char *name, struct buf *b,
		   struct err *err)
{
	size_t len = strlen(name), total = len, at;
	const struct scan_node *up;
	int r;

	for (up = n; up && up->up; up = up->up)
		total += strlen(up->name) + 1;
	r = buf_reserve(b, total, err);
	if (r < 0)
		return r;
	at = b->len + total - len;
	memcpy(b->data + at, name, len);
	for (up = n; up && up->up; up = up->up) {
		len = strlen(up->name);
		b->data[--at] = '/';
		at -= len;
		memcpy(b->data + at, up->name, len);
	}
	b->len += total;
	return 0;
}

int scan_node_fd(struct scan_walk *w, struct scan_node *n, bool *gone,
		 struct err *err)
{
	struct view rest, name;
	struct fsys_stat st;
	struct buf path;
	int fd, next, r = 0;

	*gone = false;
	if (n->fd >= 0)
		return n->fd;
	buf_init(&path, PATH_BYTES_MAX + 1);
	if (n->up)
		r = scan_node_path(n->up, n->name, &path, err);
	fd = r < 0 ? r : fsys_dup(w->root_fd, err);
	rest = view_of(path.data, path.len);
	while (fd >= 0 && path_next(&rest, &name)) {
		char one[PATH_NAME_MAX + 1];

		memcpy(one, name.p, name.len);
		one[name.len] = 0;
		next = scan_open_dir(fd, one, rest.len == 0, gone, err);
		fsys_close(fd);
		fd = next;
	}
	buf_release(&path);
	if (fd < 0)
		return fd;
	r = fsys_fstat(fd, &st, err);
	*gone = r == 0 && (st.dev != n->dev || st.ino != n->ino);
	if (*gone)
		r = err_sys(err, ERR_VANISHED, ENOENT,
			    "a directory moved while it was scanned");
	if (r < 0) {
		fsys_close(fd);
		return r;
	}
	keep_fd(w, n, fd);
	return fd;
}
