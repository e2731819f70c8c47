/*
 * Paths, component by component, from a held descriptor of the destination
 * (or of the limbo): no component is a symbolic link, ".." never occurs (the
 * decoder refuses it), and every call that follows is relative to what is
 * opened here.  A handful of descriptors is kept, by path; whatever moves or
 * removes a directory forgets them all.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply_local.h"

void confine_init(struct apply *a)
{
	size_t i;

	for (i = 0; i < APPLY_CACHE; i++) {
		a->cache[i].fd = -1;
		buf_init(&a->cache[i].path, PATH_BYTES_MAX);
	}
}

void confine_forget(struct apply *a)
{
	size_t i;

	for (i = 0; i < APPLY_CACHE; i++) {
		fsys_close(a->cache[i].fd);
		a->cache[i].fd = -1;
		a->cache[i].touched = false;
		buf_clear(&a->cache[i].path);
	}
}

static bool is_above(const struct cached_dir *c, enum msg_area area,
		     struct view path)
{
	if (c->fd < 0 || c->area != area || c->path.len > path.len ||
	    (c->path.len && memcmp(c->path.data, path.p, c->path.len) != 0))
		return false;
	return c->path.len == path.len || c->path.len == 0 ||
	       path.p[c->path.len] == '/';
}

/* The kept directory that is furthest down the path. */
static struct cached_dir *nearest(struct apply *a, enum msg_area area,
				  struct view path)
{
	struct cached_dir *best = NULL;
	size_t i;

	for (i = 0; i < APPLY_CACHE; i++) {
		struct cached_dir *c = &a->cache[i];

		if (is_above(c, area, path) &&
		    (!best || c->path.len > best->path.len))
			best = c;
	}
	return best;
}

static struct cached_dir *keep(struct apply *a, enum msg_area area,
			       struct view path, int fd, struct err *err)
{
	struct cached_dir *c = &a->cache[0];
	size_t i;

	for (i = 1; i < APPLY_CACHE; i++)
		if (a->cache[i].fd < 0 ||
		    (c->fd >= 0 && a->cache[i].used < c->used))
			c = &a->cache[i];
	fsys_close(c->fd);
	c->fd = -1;
	c->touched = false;
	buf_clear(&c->path);
	if (buf_put(&c->path, path.p, path.len, err) < 0)
		return NULL;
	c->fd = fd;
	c->area = area;
	return c;
}

/* Every directory on the way in its own spelling. */
static int check_spelling(struct apply *a, int from, struct view path,
			  struct err *err)
{
	struct view done = view_of(path.p, 0), name;
	char one[PATH_NAME_MAX + 1];
	int r = 0, fd;

	while (r == 0 && a->folds && path_next(&path, &name)) {
		fd = path_open_dir(from, done, err);
		if (fd < 0)
			return fd;
		snprintf(one, sizeof(one), "%.*s", (int)name.len,
			 (const char *)name.p);
		r = ability_free(a, fd, one, err);
		fsys_close(fd);
		done.len = (size_t)(name.p + name.len - done.p);
	}
	return r;
}

int confine_dir(struct apply *a, enum msg_area area, struct view path,
		struct cached_dir **out, struct err *err)
{
	struct cached_dir *c = nearest(a, area, path);
	struct view rest = path;
	int fd;

	if (!c || c->path.len < path.len) {
		int from = c		       ? c->fd
			   : area == MSG_LIMBO ? a->limbo_fd
					       : a->dest_fd;

		if (c)
			view_bytes(&rest, c->path.len + (c->path.len != 0));
		fd = check_spelling(a, from, rest, err);
		if (fd == 0)
			fd = path_open_dir(from, rest, err);
		if (fd < 0)
			return fd;
		c = keep(a, area, path, fd, err);
		if (!c) {
			fsys_close(fd);
			return err->code;
		}
	}
	c->used = ++a->clock;
	*out = c;
	return 0;
}

int confine_parent(struct apply *a, const struct msg_path *p, int *dirfd,
		   char name[PATH_NAME_MAX + 1], struct cached_dir **dir,
		   struct err *err)
{
	struct view up, last;
	struct cached_dir *c;
	int r;

	path_split(p->path, &up, &last);
	r = confine_dir(a, p->area, up, &c, err);
	if (r < 0)
		return r;
	snprintf(name, PATH_NAME_MAX + 1, "%.*s", (int)last.len,
		 (const char *)last.p);
	*dirfd = c->fd;
	if (dir)
		*dir = c;
	return 0;
}

/* Give ourselves access to one directory, if it is ours, and note its mode
 * for confine_restore.  By name: what we may not search cannot be changed
 * through its own descriptor. */
static bool widen_one(struct apply *a, int dirfd, const char *name,
		      unsigned mode, bool *changed, struct err *err)
{
	struct fsys_stat st;
	struct widened *w;

	if (fsys_stat(dirfd, name, &st, err) < 0 || st.type != FSYS_DIR)
		return false;
	if (st.uid != (uint32_t)geteuid() || (st.mode & mode) == mode)
		return true;
	if (a->widened_count >= APPLY_WIDENED ||
	    vec_grow((void **)&a->widened, &a->widened_cap,
		     a->widened_count + 1, sizeof(*w), err) < 0 ||
	    fsys_chmod(dirfd, name, st.mode | mode, err) < 0)
		return false;
	w = &a->widened[a->widened_count++];
	w->fd = fsys_open_dir(dirfd, name, false, err);
	w->dev = st.dev;
	w->ino = st.ino;
	w->mode = st.mode;
	*changed = true;
	return w->fd >= 0;
}

void confine_room(struct apply *a)
{
	if (a->widened_count >= APPLY_WIDENED / 2)
		confine_restore(a);
}

bool confine_widen(struct apply *a, const struct msg_path *p, bool itself,
		   unsigned mode)
{
	struct view up, rest, name;
	bool changed = false;
	struct err err;
	int fd, next;

	path_split(p->path, &up, &name);
	rest = itself ? p->path : up;
	fd = fsys_dup(p->area == MSG_LIMBO ? a->limbo_fd : a->dest_fd, &err);
	if (fd >= 0)
		widen_one(a, fd, ".", mode, &changed, &err);
	while (fd >= 0 && path_next(&rest, &name)) {
		char one[PATH_NAME_MAX + 1];

		snprintf(one, sizeof(one), "%.*s", (int)name.len,
			 (const char *)name.p);
		next = widen_one(a, fd, one, mode, &changed, &err)
			       ? fsys_open_dir(fd, one, false, &err)
			       : -1;
		fsys_close(fd);
		fd = next;
	}
	fsys_close(fd);
	if (changed)
		confine_forget(a);
	return changed;
}

void confine_keep(struct apply *a, uint64_t dev, uint64_t ino)
{
	size_t i;

	for (i = 0; i < a->widened_count; i++)
		if (a->widened[i].dev == dev && a->widened[i].ino == ino) {
			fsys_close(a->widened[i].fd);
			a->widened[i].fd = -1;
		}
}

void confine_restore(struct apply *a)
{
	struct err ignored;

	while (a->widened_count > 0) {
		struct widened *w = &a->widened[--a->widened_count];

		if (w->fd < 0)
			continue;
		if (fsys_chmod(w->fd, ".", w->mode, &ignored) < 0)
			fsys_fchmod(w->fd, w->mode, &ignored);
		fsys_close(w->fd);
	}
}
