/*
 * A directory that had to make room waits in the limbo until all that the
 * client knows in it is gone.  What is left belongs to somebody else, or a
 * filter protects it: it goes back to where a user looks for it, beside what
 * has come there.  Whatever has a name there already is left in the limbo.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply_local.h"

#define MERGE_DEPTH 64u

/* The names in a directory, one behind the other, each with its NUL. */
static int names_in(int dirfd, struct buf *out, struct err *err)
{
	struct fsys_list *l;
	enum fsys_type type;
	const char *name;
	uint64_t ino;
	int r, fd = fsys_open_dir(dirfd, ".", true, err);

	r = fd < 0 ? fd : fsys_list_open(fd, &l, err);
	if (r < 0)
		return r;
	while ((r = fsys_list_next(l, &name, &ino, &type, err)) > 0) {
		r = buf_put(out, name, strlen(name) + 1, err);
		if (r < 0)
			break;
	}
	fsys_list_close(l);
	return r;
}

static int merge_into(struct apply *a, int from, int to, unsigned depth,
		      struct err *err);

static int taken(struct err *err)
{
	return err_set(err, ERR_NOT_EMPTY,
		       "it holds files that are not part of the mirror, "
		       "and others have their names by now");
}

static int merge_one(struct apply *a, int from, int to, const char *name,
		     unsigned depth, struct err *err)
{
	struct fsys_stat here, there;
	int down_from, down_to, r = fsys_stat(to, name, &there, err);

	if (r < 0)
		return err->sys == ENOENT
			       ? fsys_rename(from, name, to, name, err)
			       : r;
	r = fsys_stat(from, name, &here, err);
	if (r < 0)
		return r;
	if (here.type != FSYS_DIR || there.type != FSYS_DIR ||
	    depth == MERGE_DEPTH)
		return taken(err);
	down_from = fsys_open_dir(from, name, true, err);
	if (down_from < 0)
		return down_from;
	down_to = fsys_open_dir(to, name, true, err);
	r = down_to < 0 ? down_to
			: merge_into(a, down_from, down_to, depth + 1, err);
	fsys_close(down_from);
	fsys_close(down_to);
	return r < 0 ? r : fsys_rmdir(from, name, err);
}

/* All of it that can be; the first reason why something could not. */
static int merge_into(struct apply *a, int from, int to, unsigned depth,
		      struct err *err)
{
	struct err one;
	struct buf names;
	size_t at;
	int r = 0;

	err_clear(err);
	buf_init(&names, 1 << 28);
	r = names_in(from, &names, err);
	for (at = 0; r == 0 && at < names.len;) {
		const char *name = (const char *)names.data + at;

		at += strlen(name) + 1;
		if (merge_one(a, from, to, name, depth, &one) < 0 &&
		    err->code == 0)
			*err = one;
	}
	buf_release(&names);
	touched_dir(a, NULL, to);
	return r < 0 ? r : err->code;
}

int merge_back(struct apply *a, const struct msg_op *op, struct err *err)
{
	char name[PATH_NAME_MAX + 1], last[PATH_NAME_MAX + 1];
	int r, parent, up, from = -1, to = -1;

	err_clear(err);
	r = confine_parent(a, &op->path, &parent, name, NULL, err);
	parent = r < 0 ? r : fsys_dup(parent, err);
	if (parent < 0)
		return parent;
	r = confine_parent(a, &op->from, &up, last, NULL, err);
	if (r == 0) {
		to = fsys_open_dir(up, last, true, err);
		if (to < 0 && err->sys == ENOENT) { /* it becomes that */
			err_clear(err);
			r = fsys_rename(parent, name, up, last, err);
			touched_dir(a, NULL, up);
			fsys_close(parent);
			return r;
		}
		if (to < 0) /* a file has its name */
			r = err->sys == ENOTDIR || err->sys == ELOOP
				    ? taken(err)
				    : to;
	}
	if (r == 0)
		from = fsys_open_dir(parent, name, true, err);
	if (r == 0)
		r = from < 0 ? from : merge_into(a, from, to, 0, err);
	if (r == 0)
		r = fsys_rmdir(parent, name, err);
	touched_dir(a, NULL, parent);
	fsys_close(from);
	fsys_close(to);
	fsys_close(parent);
	return r;
}
