/*
 * One directory's entries.  Knows nothing of the walk around it: it is called
 * by the walk itself and by its other threads.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scan_local.h"
#include "snapsync/clock.h"
#include "snapsync/path.h"

#define LIST_TRIES 3

void scan_list_init(struct scan_list *l)
{
	memset(l, 0, sizeof(*l));
	l->fd = -1;
	buf_init(&l->path, PATH_BYTES_MAX + 1);
	arena_init(&l->names);
}

void scan_list_release(struct scan_list *l)
{
	fsys_close(l->fd);
	free(l->entries);
	buf_release(&l->path);
	arena_release(&l->names);
}

static int wanted(struct scan_list *l, const struct scan_options *o,
		  const char *name, size_t len, enum fsys_type type,
		  struct err *err)
{
	size_t before = l->path.len;
	int r = path_push(&l->path, name, len, err);

	if (r == 0)
		r = filter_wants(o->filter, view_of(l->path.data, l->path.len),
				 type == FSYS_DIR);
	l->path.len = before;
	return r;
}

static int add_entry(struct scan_list *l, const struct scan_options *o,
		     const char *name, enum fsys_type type, struct err *err)
{
	bool too_long = l->path.len + 1 + strlen(name) > PATH_BYTES_MAX;
	size_t len = strlen(name);
	struct scan_entry *e;
	int r;

	if (l->path.len == 0 && strcmp(name, PATH_PRIVATE) == 0)
		return 0;
	r = vec_grow((void **)&l->entries, &l->cap, l->count + 1,
		     sizeof(*l->entries), err);
	if (r < 0)
		return r;
	e = &l->entries[l->count];
	memset(e, 0, sizeof(*e));
	if (fsys_stat(l->fd, name, &e->st, err) < 0) {
		if (err->sys == ENOENT) {
			l->vanished = true;
			return 0;
		}
		e->st.type = FSYS_NONE;
		e->sys = err->sys;
	} else {
		type = e->st.type;
	}
	if (!filter_empty(o->filter) && !too_long) {
		r = wanted(l, o, name, len, type, err);
		if (r < 0)
			return r;
		if (r == 0) {
			l->hidden++;
			return 0;
		}
	}
	if (too_long) {
		e->st.type = FSYS_NONE;
		e->sys = ENAMETOOLONG;
	}
	e->name = arena_copy(&l->names, name, len, err);
	if (!e->name)
		return err->code;
	e->len = len;
	l->count++;
	return 0;
}

static int dir_unchanged(const struct fsys_stat *a, const struct fsys_stat *b)
{
	return a->ctime.s == b->ctime.s && a->ctime.ns == b->ctime.ns &&
	       a->mtime.s == b->mtime.s && a->mtime.ns == b->mtime.ns;
}

/* The entries by the names that are remembered.  1; 0: it is to be listed. */
static int recall(struct scan_list *l, const struct scan_known *known,
		  struct err *err)
{
	const char *name = known->names;
	struct scan_entry *e;
	size_t i;
	int r = fsys_fstat(l->fd, &l->st, err);

	if (r < 0 || !scan_known_fits(known, &l->st))
		return 0;
	r = vec_grow((void **)&l->entries, &l->cap, known->count,
		     sizeof(*l->entries), err);
	for (i = 0; r == 0 && i < known->count; i++) {
		e = &l->entries[i];
		memset(e, 0, sizeof(*e));
		if (fsys_stat(l->fd, name, &e->st, err) < 0)
			return 0;
		e->name = name;
		e->len = strlen(name);
		name += e->len + 1;
	}
	l->count = known->count;
	l->hidden = known->hidden;
	return r < 0 ? r : 1;
}

/* One listing.  1: the directory did not change meanwhile; 0: it did, or a name
 * that it has could not be found. */
static int list_once(struct scan_list *l, const struct scan_options *o,
		     struct err *err)
{
	struct fsys_stat before;
	struct fsys_list *list;
	enum fsys_type type;
	const char *name;
	uint64_t ino;
	int r, fd;

	l->count = 0;
	l->hidden = 0;
	l->vanished = false;
	arena_clear(&l->names);
	r = fsys_fstat(l->fd, &before, err);
	if (r < 0)
		return r;
	fd = fsys_dup(l->fd, err);
	if (fd < 0)
		return fd;
	r = fsys_list_open(fd, &list, err);
	if (r < 0)
		return r;
	while ((r = fsys_list_next(list, &name, &ino, &type, err)) > 0) {
		r = add_entry(l, o, name, type, err);
		if (r < 0)
			break;
	}
	fsys_list_close(list);
	if (r < 0)
		return r;
	r = fsys_fstat(l->fd, &l->st, err);
	if (r < 0)
		return r;
	return !l->vanished && dir_unchanged(&before, &l->st);
}

static int fill(struct scan_list *l, const struct scan_options *o,
		struct err *err)
{
	int tries, r = 0;

	l->began = clock_real();
	l->listed = true;
	for (tries = 0; r == 0 && tries < LIST_TRIES; tries++)
		r = list_once(l, o, err);
	if (r < 0 && err_class(r) == ERR_CLASS_FATAL)
		return r;
	if (r < 0) {
		l->flags |= SCAN_UNREADABLE;
		l->sys = err->sys;
		l->count = 0;
	} else if (r == 0) {
		l->flags |= SCAN_UNSTABLE;
	}
	return 0;
}

void scan_list_begin(struct scan_list *l)
{
	fsys_close(l->fd);
	l->fd = -1;
	l->flags = 0;
	l->sys = 0;
	l->count = l->hidden = 0;
	l->listed = false;
	buf_clear(&l->path);
}

static bool is_dir(int dirfd, const char *name)
{
	struct fsys_stat st;
	struct err ignored;

	return fsys_stat(dirfd, name, &st, &ignored) == 0 &&
	       st.type == FSYS_DIR;
}

int scan_open_dir(int dirfd, const char *name, bool list, bool *gone,
		  struct err *err)
{
	int fd = fsys_open_dir(dirfd, name, list, err);

	*gone = false;
	if (fd >= 0)
		return fd;
	/* Replaced just now, or one that can be seen and not opened: of what
	 * it cannot mount an automounter says ENOENT. */
	if (err->sys == ENOENT && is_dir(dirfd, name))
		fd = fsys_open_dir(dirfd, name, list, err);
	if (fd < 0)
		*gone = (err->sys == ENOENT && !is_dir(dirfd, name)) ||
			err->sys == ENOTDIR || err->sys == ELOOP;
	return fd;
}

int scan_list_open(struct scan_list *l, int dirfd, const char *name,
		   const struct scan_options *o, bool look,
		   const struct scan_known *known, struct err *err)
{
	bool gone;
	int r, fd = scan_open_dir(dirfd, name, true, &gone, err);

	if (fd < 0) {
		l->flags |= SCAN_UNREADABLE | (gone ? SCAN_VANISHED : 0);
		l->sys = err->sys;
		return 0;
	}
	l->fd = fd;
	if (look) {
		r = known ? recall(l, known, err) : 0;
		return r == 0 ? fill(l, o, err) : r < 0 ? r : 0;
	}
	l->flags |= SCAN_BOUNDARY;
	return 0;
}
