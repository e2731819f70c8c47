/*
 * --backup-dir: what is replaced or deleted goes there under its path, with
 * the suffix.  A file gets its second name there before it loses its first one,
 * so there is no moment at which it has none, and doing it again changes
 * nothing.  What is kept is never removed: where its name is taken, the next one
 * gets a number.  The directories are made with mode 0700: what they hold may
 * come from such a directory.  They are synced before the names that were taken
 * away.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply_local.h"

#define TRIES 10000u		/* names for what is kept under one path */
#define PARKED_BYTES (4u << 20) /* of paths that are remembered */

/* Where an entry of the limbo was before. */
struct parked {
	char *path;
};

int backup_new(struct backup **out, struct view dir, struct view suffix,
	       struct err *err)
{
	struct backup *b;
	int r;

	*out = NULL;
	if (dir.len == 0)
		return 0;
	b = calloc(1, sizeof(*b));
	if (!b)
		return err_set(err, ERR_MEMORY, "out of memory");
	buf_init(&b->dir, PATH_BYTES_MAX);
	buf_init(&b->suffix, PATH_NAME_MAX);
	map_init(&b->parked, sizeof(struct parked));
	r = buf_put(&b->dir, dir.p, dir.len, err);
	if (r == 0)
		r = buf_put(&b->suffix, suffix.p, suffix.len, err);
	if (r < 0) {
		backup_free(b);
		return r;
	}
	*out = b;
	return 0;
}

static void forget_parked(struct backup *b)
{
	struct parked *p;
	size_t at = 0;

	while ((p = map_next(&b->parked, &at, NULL)))
		free(p->path);
	map_release(&b->parked);
	map_init(&b->parked, sizeof(struct parked));
	b->parked_bytes = 0;
}

void backup_free(struct backup *b)
{
	if (!b)
		return;
	forget_parked(b);
	map_release(&b->parked);
	buf_release(&b->dir);
	buf_release(&b->suffix);
	free(b);
}

/* The first component. */
static struct view first_of(struct view path)
{
	struct view name = view_of("", 0);

	path_next(&path, &name);
	return name;
}

bool backup_holds(const struct apply *a, struct view path)
{
	struct view top, first = first_of(path);

	if (!a->backup)
		return false;
	top = first_of(view_of(a->backup->dir.data, a->backup->dir.len));
	return top.len == first.len && memcmp(top.p, first.p, top.len) == 0;
}

int backup_parked(struct apply *a, const struct msg_op *op, struct err *err)
{
	struct parked *p;
	char *path;

	if (!a->backup || op->path.area != MSG_LIMBO ||
	    op->from.area != MSG_TREE)
		return 0;
	/* Long sessions park much, for a short time: the old ones are gone. */
	if (a->backup->parked_bytes > PARKED_BYTES)
		forget_parked(a->backup);
	path = malloc(op->from.path.len + 1);
	p = path ? map_put(&a->backup->parked, op->path.path.p,
			   op->path.path.len, NULL, err)
		 : NULL;
	if (!p) {
		free(path);
		return err_set(err, ERR_MEMORY, "out of memory");
	}
	memcpy(path, op->from.path.p, op->from.path.len);
	path[op->from.path.len] = 0;
	a->backup->parked_bytes += op->from.path.len + op->path.path.len + 64;
	free(p->path);
	p->path = path;
	return 0;
}

/* The path in the tree that the entry has, or had before it was parked. */
static int tree_path(const struct backup *b, const struct msg_path *p,
		     struct buf *out, struct err *err)
{
	struct view rest = p->path, first;
	const struct parked *was;
	int r;

	if (p->area == MSG_TREE)
		return buf_put(out, rest.p, rest.len, err);
	first = first_of(rest);
	view_bytes(&rest, first.len);
	was = map_get(&b->parked, first.p, first.len);
	if (was)
		r = buf_put(out, was->path, strlen(was->path), err);
	else /* by an earlier session */
		r = buf_put(out, "limbo-", 6, err);
	if (r == 0 && !was)
		r = buf_put(out, first.p, first.len, err);
	return r < 0 ? r : buf_put(out, rest.p, rest.len, err);
}

/* The nth name to try: as it is, with .~1~, .~2~ ... */
static int nth_name(struct view name, struct view suffix, unsigned n,
		    char out[PATH_NAME_MAX + 1])
{
	char number[16] = "";
	size_t tail, room = name.len;

	if (n > 0)
		snprintf(number, sizeof(number), ".~%u~", n);
	tail = suffix.len + strlen(number);
	if (room + tail > PATH_NAME_MAX)
		room = PATH_NAME_MAX - tail;
	return snprintf(out, PATH_NAME_MAX + 1, "%.*s%.*s%s", (int)room,
			(const char *)name.p, (int)suffix.len,
			(const char *)suffix.p, number);
}

/* A directory on the way: what is kept under its name already stays there. */
static int step(struct apply *a, int dir, struct view name, unsigned tries,
		struct err *err)
{
	char to[PATH_NAME_MAX + 1];
	unsigned n;
	int fd = -1;

	for (n = 0; n < tries; n++) {
		nth_name(name, view_of("", 0), n, to);
		fd = fsys_open_dir(dir, to, true, err);
		if (fd >= 0 || (err->sys != ENOTDIR && err->sys != ELOOP))
			break;
	}
	if (fd < 0 && (err->sys == ENOTDIR || err->sys == ELOOP))
		return err_set(err, ERR_DENIED,
			       "something is in the way there");
	if (fd >= 0 || err->sys != ENOENT)
		return fd;
	if (fsys_mkdir(dir, to, 0700, err) < 0)
		return err->code;
	touched_kept(a, dir);
	return fsys_open_dir(dir, to, true, err);
}

static int go_to(struct apply *a, int from, struct view path, unsigned tries,
		 struct err *err)
{
	struct view name;
	int next, fd = fsys_dup(from, err);

	while (fd >= 0 && path_next(&path, &name)) {
		next = step(a, fd, name, tries, err);
		fsys_close(fd);
		fd = next;
	}
	return fd;
}

/* 1: something else has this name. */
static int try_link(const struct fsys_stat *st, int from, const char *name,
		    int dir, const char *to, struct err *err)
{
	struct fsys_stat there;
	int r = fsys_link(from, name, dir, to, err);

	if (r == 0 || err->sys != EEXIST)
		return r;
	r = fsys_stat(dir, to, &there, err);
	if (r < 0)
		return r;
	return there.dev != st->dev || there.ino != st->ino ||
	       there.type == FSYS_DIR;
}

/* Where there are no hard links (or none to this): it moves. */
static bool has_no_links(const struct err *err)
{
	return err->sys == EPERM || err->sys == EOPNOTSUPP ||
	       err->sys == ENOSYS || err->sys == EMLINK;
}

static int put(struct apply *a, int from, const char *name,
	       const struct fsys_stat *st, int dir, struct view last,
	       struct err *err)
{
	struct view suffix = view_of(a->backup->suffix.data,
				     a->backup->suffix.len);
	char to[PATH_NAME_MAX + 1];
	unsigned n;
	int r = 1;

	for (n = 0; r > 0 && n < TRIES; n++) {
		nth_name(last, suffix, n, to);
		r = try_link(st, from, name, dir, to, err);
	}
	if (r > 0)
		return err_set(err, ERR_DENIED,
			       "all names for it are taken there");
	if (r < 0 && has_no_links(err)) {
		err_clear(err);
		r = fsys_rename(from, name, dir, to, err);
	}
	if (r == 0)
		touched_kept(a, dir);
	return r;
}

int backup_unlink(struct apply *a, const struct msg_path *p, int dirfd,
		  const char *name, const struct fsys_stat *st, struct err *err)
{
	int r = backup_keep(a, p, dirfd, name, st, err);

	if (r == 0)
		r = fsys_unlink(dirfd, name, err);
	if (r < 0 && a->backup && err->sys == ENOENT)
		return 0; /* it has moved there */
	return r;
}

int backup_keep(struct apply *a, const struct msg_path *p, int from,
		const char *name, const struct fsys_stat *st, struct err *err)
{
	struct view up, last;
	struct buf path;
	int r, root = -1, dir = -1;

	if (!a->backup || st->type == FSYS_DIR)
		return 0;
	buf_init(&path, 2 * PATH_BYTES_MAX);
	r = tree_path(a->backup, p, &path, err);
	if (r == 0) {
		path_split(view_of(path.data, path.len), &up, &last);
		root = go_to(a, a->dest_fd,
			     view_of(a->backup->dir.data, a->backup->dir.len),
			     1, err);
		dir = root < 0 ? root : go_to(a, root, up, TRIES, err);
		r = dir < 0 ? dir : put(a, from, name, st, dir, last, err);
	}
	fsys_close(root);
	fsys_close(dir);
	buf_release(&path);
	if (r < 0) {
		struct err why = *err;

		err_set(err, (enum err_code) - why.code,
			"it cannot be kept in --backup-dir: %.800s", why.msg);
		err->sys = why.sys;
		return err->code;
	}
	return 0;
}
