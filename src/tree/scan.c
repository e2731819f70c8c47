#include "snapsync/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "snapsync/path.h"
#include "snapsync/vec.h"

#define LIST_TRIES 3

/* A directory that waits for its turn: the children of one directory lie one
 * behind the other on the stack, the one to visit next on top. */
struct todo {
	uint64_t cookie;
	uint64_t dev, ino;
	size_t depth;
	char *name;
};

/* A directory on the way from the root to the present one. */
struct level {
	char *name;		/* owned; NULL for the root */
	int fd;			/* -1: given up, or unreadable */
	uint64_t dev, ino;
};

struct walk {
	const struct scan_options *options;
	scan_dir_fn on_dir;
	void *arg;
	int root_fd;
	uint64_t root_dev;
	struct level *levels;
	size_t depth, levels_cap;
	size_t open_fds, lowest_open;
	struct todo *todo;
	size_t todos, todo_cap;
	struct scan_entry *entries;
	size_t count, entries_cap;
	struct arena names;
	struct buf path;
};

static void level_close(struct walk *w, struct level *l)
{
	if (l->fd >= 0) {
		fsys_close(l->fd);
		w->open_fds--;
	}
	l->fd = -1;
}

/* Leave every level at or below depth. */
static void leave(struct walk *w, size_t depth)
{
	while (w->depth > depth) {
		struct level *l = &w->levels[--w->depth];

		level_close(w, l);
		free(l->name);
		path_pop(&w->path);
	}
	if (w->lowest_open > w->depth)
		w->lowest_open = w->depth;
}

/* Keep the number of open descriptors bounded: the shallowest ones go. */
static void spare_fds(struct walk *w)
{
	while (w->open_fds >= SCAN_FDS_MAX && w->lowest_open + 1 < w->depth)
		level_close(w, &w->levels[w->lowest_open++]);
}

/* Open the parent level again whose descriptor was given up. */
static int reopen(struct walk *w, size_t at, struct err *err)
{
	int fd = fsys_dup(w->root_fd, err), next;
	struct fsys_stat st;
	size_t i;

	for (i = 1; fd >= 0 && i <= at; i++) {
		next = fsys_open_dir(fd, w->levels[i].name, i == at, err);
		fsys_close(fd);
		fd = next;
	}
	if (fd < 0)
		return fd;
	if (fsys_fstat(fd, &st, err) < 0 || st.dev != w->levels[at].dev ||
	    st.ino != w->levels[at].ino) {
		fsys_close(fd);
		return err_sys(err, ERR_VANISHED, ENOENT,
			       "a directory moved while it was scanned");
	}
	w->levels[at].fd = fd;
	w->open_fds++;
	if (w->lowest_open > at)
		w->lowest_open = at;
	return fd;
}

/* Step into the directory on top of the todo stack. */
static int enter(struct walk *w, const struct todo *t, struct scan_dir *dir,
		 struct err *err)
{
	struct level *l, *up;
	int r, fd;

	leave(w, t->depth);
	r = vec_grow((void **)&w->levels, &w->levels_cap, t->depth + 1,
		     sizeof(*w->levels), err);
	if (r < 0)
		return r;
	l = &w->levels[t->depth];
	memset(l, 0, sizeof(*l));
	l->fd = -1;
	l->dev = t->dev;
	l->ino = t->ino;
	if (t->depth == 0) {
		fd = fsys_open_dir(w->root_fd, ".", true, err);
	} else {
		r = path_push(&w->path, t->name, strlen(t->name), err);
		if (r < 0)
			return r;
		l->name = strdup(t->name);
		up = &w->levels[t->depth - 1];
		fd = up->fd >= 0 ? up->fd : reopen(w, t->depth - 1, err);
		if (fd >= 0)
			fd = fsys_open_dir(fd, t->name, true, err);
	}
	w->depth = t->depth + 1;
	if (t->depth > 0 && !l->name) {
		fsys_close(fd);
		return err_set(err, ERR_MEMORY, "out of memory");
	}
	if (fd < 0) {
		if (err->sys == ENOENT || err->sys == ENOTDIR ||
		    err->sys == ELOOP)
			dir->flags |= SCAN_VANISHED;
		dir->flags |= SCAN_UNREADABLE;
		dir->sys = err->sys;
		return 0;
	}
	l->fd = fd;
	w->open_fds++;
	spare_fds(w);
	return 0;
}

static int add_entry(struct walk *w, struct scan_dir *dir, int fd,
		     const char *name, enum fsys_type type, struct err *err)
{
	size_t len = strlen(name), before = w->path.len;
	struct scan_entry *e;
	bool wanted;
	int r;

	if (w->path.len == 0 && strcmp(name, PATH_PRIVATE) == 0)
		return 0;
	r = vec_grow((void **)&w->entries, &w->entries_cap, w->count + 1,
		     sizeof(*w->entries), err);
	if (r < 0)
		return r;
	e = &w->entries[w->count];
	memset(e, 0, sizeof(*e));
	if (fsys_stat(fd, name, &e->st, err) < 0) {
		if (err->sys == ENOENT)
			return 0;
		e->st.type = FSYS_NONE;
		e->sys = err->sys;
	} else {
		type = e->st.type;
	}
	if (!filter_empty(w->options->filter) &&
	    before + 1 + len <= PATH_BYTES_MAX) {
		r = path_push(&w->path, name, len, err);
		if (r < 0)
			return r;
		wanted = filter_wants(w->options->filter,
				      view_of(w->path.data, w->path.len),
				      type == FSYS_DIR);
		w->path.len = before;
		if (!wanted) {
			dir->hidden++;
			return 0;
		}
	}
	if (before + 1 + len > PATH_BYTES_MAX) {
		e->st.type = FSYS_NONE;
		e->sys = ENAMETOOLONG;
	}
	e->name = arena_copy(&w->names, name, len, err);
	if (!e->name)
		return err->code;
	e->len = len;
	w->count++;
	return 0;
}

/* One listing.  1: the directory did not change meanwhile; 0: it did. */
static int list_once(struct walk *w, struct scan_dir *dir, struct err *err)
{
	struct fsys_stat before;
	struct fsys_list *list;
	enum fsys_type type;
	const char *name;
	uint64_t ino;
	int r, fd;

	w->count = 0;
	dir->hidden = 0;
	arena_clear(&w->names);
	r = fsys_fstat(dir->fd, &before, err);
	if (r < 0)
		return r;
	fd = fsys_dup(dir->fd, err);
	if (fd < 0)
		return fd;
	r = fsys_list_open(fd, &list, err);
	if (r < 0)
		return r;
	while ((r = fsys_list_next(list, &name, &ino, &type, err)) > 0) {
		r = add_entry(w, dir, dir->fd, name, type, err);
		if (r < 0)
			break;
	}
	fsys_list_close(list);
	if (r < 0)
		return r;
	r = fsys_fstat(dir->fd, &dir->st, err);
	if (r < 0)
		return r;
	return before.ctime.s == dir->st.ctime.s &&
	       before.ctime.ns == dir->st.ctime.ns &&
	       before.mtime.s == dir->st.mtime.s &&
	       before.mtime.ns == dir->st.mtime.ns;
}

static int list_dir(struct walk *w, struct scan_dir *dir, struct err *err)
{
	int tries, r = 0;

	for (tries = 0; r == 0 && tries < LIST_TRIES; tries++)
		r = list_once(w, dir, err);
	if (r < 0 && err_class(r) == ERR_CLASS_FATAL)
		return r;
	if (r < 0) {
		dir->flags |= SCAN_UNREADABLE;
		dir->sys = err->sys;
		w->count = 0;
	} else if (r == 0) {
		dir->flags |= SCAN_UNSTABLE;
	}
	return 0;
}

static int push_todo(struct walk *w, const char *name, uint64_t cookie,
		     const struct fsys_stat *st, size_t depth, struct err *err)
{
	struct todo *t;
	int r = vec_grow((void **)&w->todo, &w->todo_cap, w->todos + 1,
			 sizeof(*w->todo), err);

	if (r < 0)
		return r;
	t = &w->todo[w->todos];
	t->cookie = cookie;
	t->dev = st->dev;
	t->ino = st->ino;
	t->depth = depth;
	t->name = strdup(name);
	if (!t->name)
		return err_set(err, ERR_MEMORY, "out of memory");
	w->todos++;
	return 0;
}

static int visit(struct walk *w, struct todo *t, struct err *err)
{
	struct scan_dir dir = {.cookie = t->cookie, .fd = -1};
	size_t i;
	int r = enter(w, t, &dir, err);

	if (r < 0)
		return r;
	w->count = 0;
	dir.fd = w->levels[t->depth].fd;
	if (dir.fd >= 0 && w->options->one_file_system &&
	    t->dev != w->root_dev)
		dir.flags |= SCAN_BOUNDARY;
	else if (dir.fd >= 0)
		r = list_dir(w, &dir, err);
	if (r == 0)
		r = buf_terminate(&w->path, err);
	if (r < 0)
		return r;
	dir.path = (const char *)w->path.data;
	dir.path_len = w->path.len;
	dir.entries = w->entries;
	dir.count = w->count;
	r = w->on_dir(w->arg, &dir, err);
	/* Backwards, so that the first entry ends on top. */
	for (i = w->count; r >= 0 && i > 0; i--) {
		struct scan_entry *e = &w->entries[i - 1];

		if (e->descend && e->st.type == FSYS_DIR)
			r = push_todo(w, e->name, e->cookie, &e->st,
				      t->depth + 1, err);
	}
	return r < 0 ? r : 0;
}

int scan_walk(int root_fd, const struct scan_options *options,
	      uint64_t root_cookie, scan_dir_fn on_dir, void *arg,
	      struct err *err)
{
	struct walk w = {.options = options, .on_dir = on_dir, .arg = arg,
			 .root_fd = root_fd};
	struct fsys_stat st;
	struct todo t;
	int r;

	buf_init(&w.path, PATH_BYTES_MAX + 1);
	arena_init(&w.names);
	r = fsys_fstat(root_fd, &st, err);
	w.root_dev = st.dev;
	if (r == 0)
		r = push_todo(&w, "", root_cookie, &st, 0, err);
	while (r == 0 && w.todos > 0) {
		t = w.todo[--w.todos];
		r = options->stop && *options->stop
			    ? err_set(err, ERR_SIGNAL, "stopped by a signal")
			    : visit(&w, &t, err);
		free(t.name);
	}
	while (w.todos > 0)
		free(w.todo[--w.todos].name);
	leave(&w, 0);
	free(w.levels);
	free(w.todo);
	free(w.entries);
	buf_release(&w.path);
	arena_release(&w.names);
	return r;
}
