/*
 * Before the redo log is written, the subject of every MOVE, LINK and REMOVE
 * gets its identity: device, inode number and type of what will be under the
 * `from` name when the operation's turn comes.  That is what is now under the
 * name that leads there through the operations before it: each MOVE or LINK
 * (and what lies below a moved directory) is traced backwards, to the name
 * from before the batch or to what the batch places from tmp/.
 */
#include <stdlib.h>
#include <string.h>

#include "apply_local.h"

#define PLACES_MAX 64u /* looked at on the way of one thing */

struct relocation {
	enum msg_area to_area, from_area;
	struct view to, from; /* lent from the old operations */
	bool made;	      /* MKDIR: nothing was there before */
	uint64_t tmp;	      /* PLACE, SYMLINK, NODE: what comes there; or 0 */
};

struct trace {
	struct relocation *v;
	size_t count, cap;
};

static bool below(struct view path, struct view top)
{
	return path.len >= top.len && memcmp(path.p, top.p, top.len) == 0 &&
	       (path.len == top.len || path.p[top.len] == '/');
}

/* Where `p` was before the batch, or *tmp; false if it was nowhere. */
static bool trace_back(const struct trace *t, enum msg_area *area,
		       struct buf *p, uint64_t *tmp, bool *made,
		       struct err *err)
{
	size_t i;

	for (i = t->count; i > 0; i--) {
		const struct relocation *l = &t->v[i - 1];
		struct buf moved;

		if (l->to_area != *area ||
		    !below(view_of(p->data, p->len), l->to))
			continue;
		if ((l->made || l->tmp) && p->len != l->to.len)
			continue;
		*tmp = l->tmp;
		*made = l->made;
		if (l->made || l->tmp)
			return !l->made;
		buf_init(&moved, 2 * PATH_BYTES_MAX);
		if (buf_put(&moved, l->from.p, l->from.len, err) < 0 ||
		    buf_put(&moved, p->data + l->to.len, p->len - l->to.len,
			    err) < 0) {
			buf_release(&moved);
			return false;
		}
		buf_release(p);
		*p = moved;
		*area = l->from_area;
	}
	return true;
}

/* What lies at `at` now, or was staged for it. */
static void note_identity(struct apply *a, struct noted *n,
			  const struct msg_path *at, uint64_t tmp)
{
	struct berth b = {.mine = false};
	struct fsys_stat st;
	struct err err;
	int r = tmp ? berth_of(a, tmp, at->path, &b, &err)
		    : confine_parent(a, at, &b.fd, b.name, NULL, &err);

	if (r < 0)
		return;
	if (fsys_stat(b.fd, b.name, &st, &err) == 0) {
		n->dev = st.dev;
		n->ino = st.ino;
		n->subject_type = st.type;
	}
	berth_leave(&b);
}

static void look(struct apply *a, const struct trace *t, struct noted *n)
{
	const struct msg_path *from = n->op.type == MSG_REMOVE ? &n->op.path
							       : &n->op.from;
	struct msg_path was = *from;
	uint64_t tmp = 0;
	bool made = false;
	struct err err;
	struct buf p;

	buf_init(&p, 2 * PATH_BYTES_MAX);
	if (buf_put(&p, from->path.p, from->path.len, &err) == 0 &&
	    trace_back(t, &was.area, &p, &tmp, &made, &err)) {
		was.path = view_of(p.data, p.len);
		note_identity(a, n, &was, tmp);
	}
	if (made)
		n->subject_type = NOTED_MADE;
	buf_release(&p);
}

static int remember(struct trace *t, const struct noted *n, struct err *err)
{
	struct relocation *l;
	int r = vec_grow((void **)&t->v, &t->cap, t->count + 1, sizeof(*t->v),
			 err);

	if (r < 0)
		return r;
	l = &t->v[t->count++];
	l->to_area = n->op.path.area;
	l->to = n->op.path.path;
	l->from_area = n->op.from.area;
	l->from = n->op.from.path;
	l->made = n->op.type == MSG_MKDIR;
	l->tmp = l->made ? 0 : n->tmp;
	return 0;
}

int identity_fill(struct apply *a, struct err *err)
{
	struct view v = view_of(a->ops.data, a->ops.len);
	struct trace t = {NULL, 0, 0};
	struct noted n;
	struct buf filled;
	int r = 0;

	buf_init(&filled, APPLY_OPS_BYTES);
	while (r == 0 && v.len > 0) {
		r = redo_get(&v, &n, err);
		if (r < 0)
			break;
		/* Nothing came into it: there is none in tmp/. */
		if (n.op.type == MSG_MKDIR && !fresh_was_made(a, n.tmp))
			n.tmp = 0;
		if (n.op.type == MSG_MOVE || n.op.type == MSG_LINK ||
		    n.op.type == MSG_REMOVE)
			look(a, &t, &n);
		if (n.op.type != MSG_REMOVE && n.op.type != MSG_META && !n.code)
			r = remember(&t, &n, err);
		if (r == 0)
			r = redo_put(&filled, &n, err);
	}
	free(t.v);
	if (r < 0) {
		buf_release(&filled);
		return r;
	}
	buf_release(&a->ops);
	a->ops = filled;
	return 0;
}

/* The name of a view's path is one that the operation gives to something else, or
 * takes away. */
static bool ends_at(const struct noted *n, enum msg_area area, struct view p)
{
	struct view to = n->op.path.path;

	if (n->op.path.area != area || n->op.type == MSG_META || !below(p, to))
		return false;
	return n->op.type == MSG_REMOVE || p.len == to.len;
}

int identity_later(struct apply *a, const struct noted *n, identity_seen *seen,
		   struct err *err)
{
	struct msg_path at = n->op.path;
	struct view v = *a->later;
	unsigned places = 0;
	struct noted k;
	struct buf p;
	int r;

	buf_init(&p, 2 * PATH_BYTES_MAX);
	r = buf_put(&p, at.path.p, at.path.len, err);
	at.path = view_of(p.data, p.len);
	r = r < 0 ? r : seen(a, n, &at, err);
	while (r == 0 && v.len > 0) {
		struct buf moved;

		r = redo_get(&v, &k, err);
		if (r < 0 || k.code)
			continue;
		if (k.op.type != MSG_MOVE || k.op.from.area != at.area ||
		    !below(at.path, k.op.from.path)) {
			r = ends_at(&k, at.area, at.path);
			continue;
		}
		buf_init(&moved, 2 * PATH_BYTES_MAX);
		r = buf_put(&moved, k.op.path.path.p, k.op.path.path.len, err);
		if (r == 0)
			r = buf_put(&moved, at.path.p + k.op.from.path.len,
				    at.path.len - k.op.from.path.len, err);
		buf_release(&p);
		p = moved;
		at.path = view_of(p.data, p.len);
		at.area = k.op.path.area;
		if (r == 0 && ++places < PLACES_MAX)
			r = seen(a, n, &at, err);
	}
	if (r == 0 && places >= PLACES_MAX)
		r = seen(a, n, &at, err);
	buf_release(&p);
	return r;
}
