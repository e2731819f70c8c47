/*
 * A listing of the destination, parents before children, without ever holding
 * more than one frame and the paths of the directories still to come.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply_local.h"

#define FRAME_ITEMS (128u << 10) /* bytes of items that close a frame */
#define OUT_WAITING (1u << 20)	 /* bytes that may wait to be sent */

struct listing {
	struct apply *a;
	uint32_t flags;
	char **todo; /* relative paths */
	size_t todos, cap;
	struct buf items;
	uint32_t count;
	uint64_t total;
	uint64_t silent; /* bytes read without a word to the client */
	char *target;	 /* MSG_LINK_MAX + 1 bytes */
};

static int send_items(struct listing *l, const char *dir, uint32_t flags,
		      struct err *err)
{
	struct msg_listing m = {.flags = flags, .count = l->count};
	struct frame_mark mark = {0};
	int r = frame_begin(&l->a->out, MSG_LISTING, 0, &mark, err);

	m.dir = view_of(dir, strlen(dir));
	m.items = view_of(l->items.data, l->items.len);
	if (r == 0)
		r = msg_put_listing(&l->a->out, &m, err);
	if (r == 0)
		r = frame_end(&l->a->out, &mark, err);
	buf_clear(&l->items);
	l->count = 0;
	return r < 0 ? r : serve_flush(l->a, OUT_WAITING, err);
}

static int push(struct listing *l, const char *dir, const char *name,
		struct err *err)
{
	size_t len = strlen(dir) + strlen(name) + 2;
	char *path;
	int r;

	r = vec_grow((void **)&l->todo, &l->cap, l->todos + 1, sizeof(*l->todo),
		     err);
	if (r < 0)
		return r;
	path = malloc(len);
	if (!path)
		return err_set(err, ERR_MEMORY, "out of memory");
	snprintf(path, len, "%s%s%s", dir, *dir ? "/" : "", name);
	if (!path_ok(path, strlen(path), true)) {
		free(path);
		return err_set(err, ERR_NAME, "a path that is too long");
	}
	l->todo[l->todos++] = path;
	return 0;
}

/* A file that cannot be read has no hash; an error is one of the session. */
static int hash_file(struct listing *l, int dirfd, const char *name,
		     struct msg_item *item, struct err *err)
{
	int fd, r = copy_room(l->a, err);
	struct err why;
	ssize_t n = 1;

	if (r < 0)
		return r;
	fd = fsys_open(dirfd, name, FSYS_READ | FSYS_QUIET, 0, &why);
	if (fd < 0)
		return 0;
	hash_reset(l->a->hash, l->a->hello.seed);
	while (r == 0 && n > 0) {
		n = fsys_read(fd, l->a->copy_bytes, COPY_BYTES, &why);
		if (n > 0) {
			hash_update(l->a->hash, l->a->copy_bytes, (size_t)n);
			r = serve_alive(l->a, (uint64_t)n, &l->silent, err);
		}
	}
	if (n == 0) {
		item->hashed = true;
		item->hash = hash_digest(l->a->hash);
	}
	fsys_close(fd);
	return r;
}

/* Only that is a reason to leave an entry out: of one that cannot be looked
 * at, and so of its directory, nothing is known. */
static bool went_away(const struct err *err)
{
	return err->sys == ENOENT || err->sys == ESTALE;
}

static int add_item(struct listing *l, int dirfd, const char *dir,
		    const char *name, struct err *err)
{
	struct msg_item item;
	ssize_t n;
	int r = 0;

	if (!*dir && (strcmp(name, PATH_PRIVATE) == 0 ||
		      backup_holds(l->a, view_of(name, strlen(name)))))
		return 0;
	memset(&item, 0, sizeof(item));
	r = fsys_stat(dirfd, name, &item.st, err);
	if (r < 0)
		return went_away(err) ? 0 : r;
	if (item.st.type == FSYS_NONE)
		return 0;
	item.name = view_of(name, strlen(name));
	item.target = view_of("", 0);
	if (item.st.type == FSYS_SYMLINK) {
		n = fsys_readlink(dirfd, name, l->target, MSG_LINK_MAX + 1,
				  err);
		if (n < 0)
			return went_away(err) ? 0 : (int)n;
		item.target = view_of(l->target, (size_t)n);
	}
	if (item.st.type == FSYS_FILE && l->flags & MSG_LIST_HASH)
		r = hash_file(l, dirfd, name, &item, err);
	if (r == 0)
		r = msg_put_item(&l->items, &item, err);
	l->count++;
	l->total++;
	if (r == 0 && item.st.type == FSYS_DIR)
		r = push(l, dir, name, err);
	if (r == 0 && l->items.len >= FRAME_ITEMS)
		r = send_items(l, dir, 0, err);
	return r;
}

static int open_list(struct listing *l, const char *dir, struct fsys_list **out,
		     struct err *err)
{
	struct cached_dir *c;
	int r, fd;

	*out = NULL;
	r = confine_dir(l->a, MSG_TREE, view_of(dir, strlen(dir)), &c, err);
	fd = r < 0 ? r : fsys_open_dir(c->fd, ".", true, err);
	return fd < 0 ? fd : fsys_list_open(fd, out, err);
}

/* Our own directory without permissions for us?  It has its mode back before
 * another one is listed: so each is told with the mode that it has. */
static int widen_list(struct listing *l, const char *dir,
		      struct fsys_list **out, struct err *err)
{
	struct msg_path p = {MSG_TREE, view_of(dir, strlen(dir))};
	int r = open_list(l, dir, out, err);

	if (r == 0 || err->sys != EACCES || l->a->dry || l->a->o->read_only ||
	    !confine_widen(l->a, &p, true, 0500))
		return r;
	return open_list(l, dir, out, err);
}

static int list_all(struct listing *l, const char *dir, struct err *err)
{
	struct fsys_list *list;
	enum fsys_type type;
	const char *name;
	uint64_t ino;
	int r = widen_list(l, dir, &list, err);

	if (r < 0)
		return send_items(
			l, dir, MSG_LISTING_LAST | MSG_LISTING_UNREADABLE, err);
	while ((r = fsys_list_next(list, &name, &ino, &type, err)) > 0) {
		r = add_item(l, fsys_list_fd(list), dir, name, err);
		if (r < 0)
			break;
	}
	fsys_list_close(list);
	if (r < 0 &&
	    (err_class(r) == ERR_CLASS_FATAL || err_class(r) == ERR_CLASS_DROP))
		return r;
	return send_items(
		l, dir, MSG_LISTING_LAST | (r < 0 ? MSG_LISTING_UNREADABLE : 0),
		err);
}

static int list_one(struct listing *l, const char *dir, struct err *err)
{
	int r = list_all(l, dir, err);

	confine_restore(l->a);
	return r;
}

int list_send(struct apply *a, const struct msg_list *m, struct err *err)
{
	struct listing l = {.a = a, .flags = m->flags};
	struct msg_listed done = {0, 0};
	struct frame_mark mark = {0};
	char *dir;
	int r = 0;

	confine_forget(a); /* what is there now counts */

	buf_init(&l.items, MSG_PAYLOAD_MAX - PATH_BYTES_MAX - 64);
	l.target = malloc(MSG_LINK_MAX + 1);
	dir = malloc(m->root.path.len + 1);
	if (!l.target || !dir)
		r = err_set(err, ERR_MEMORY, "out of memory");
	if (r == 0) {
		if (m->root.path.len)
			memcpy(dir, m->root.path.p, m->root.path.len);
		dir[m->root.path.len] = 0;
		if (a->dest_fd >= 0)
			r = push(&l, "", dir, err);
	}
	free(dir);
	while (r == 0 && l.todos > 0) {
		dir = l.todo[--l.todos];
		r = list_one(&l, dir, err);
		free(dir);
	}
	while (l.todos > 0)
		free(l.todo[--l.todos]);
	free(l.todo);
	free(l.target);
	buf_release(&l.items);
	done.entries = l.total;
	if (r == 0)
		r = frame_begin(&a->out, MSG_LISTED, 0, &mark, err);
	if (r == 0)
		r = msg_put_listed(&a->out, &done, err);
	return r < 0 ? r : frame_end(&a->out, &mark, err);
}
