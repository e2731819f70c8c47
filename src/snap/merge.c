/*
 * A directory that was deleted and made again under the same name is another
 * inode, but for a destination the old one will do: what it has as the old
 * directory becomes the new one, and only the children differ.  Without this
 * the whole directory would be deleted there and built anew.
 *
 * The snapshot has forgotten the old directory by now; what the destination
 * has of it is in dest_name.
 */
#include <stdlib.h>

#include "pass_local.h"
#include "snapsync/journal.h"

struct work {
	struct place *v; /* names in the arena */
	size_t count, cap;
	struct arena names;
};

static int push(struct work *w, struct place at, struct err *err)
{
	int r = vec_grow((void **)&w->v, &w->cap, w->count + 1, sizeof(*w->v),
			 err);

	if (r < 0)
		return r;
	at.name = arena_copy(&w->names, at.name, at.len, err);
	if (!at.name)
		return err->code;
	w->v[w->count++] = at;
	return 0;
}

/* Names under which a destination has a directory that S does not know any
 * more, and S has another directory. */
static int find_all(struct pass *p, int64_t dest, struct work *w,
		    struct err *err)
{
	struct sql *q = db_sql(
		store_db(p->s),
		"SELECT g.parent, g.name FROM temp.gone g"
		" JOIN dest_name d ON d.dest=?1 AND d.parent=g.parent AND"
		"  d.name=g.name AND d.type=?2"
		" JOIN name n ON n.parent=g.parent AND n.name=g.name"
		" JOIN inode i ON i.id=n.inode AND i.type=?2"
		" WHERE g.type=?2"
		" AND NOT EXISTS (SELECT 1 FROM inode x WHERE x.id=d.inode)",
		err);
	struct place at;
	struct view v;
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, FSYS_DIR);
	while ((r = db_step(q, err)) > 0) {
		v = db_col_blob(q, 1);
		at.parent = db_col_int(q, 0);
		at.name = (const char *)v.p;
		at.len = v.len;
		r = push(w, at, err);
		if (r < 0)
			break;
	}
	db_reset(q);
	return r;
}

/* 1 if the destination has nothing of this inode yet. */
static int unknown_there(struct pass *p, int64_t dest, int64_t inode,
			 struct err *err)
{
	struct name_list l;
	int r;

	name_list_init(&l);
	r = mirror_names_of(p->s, dest, inode, &l, err);
	if (r >= 0)
		r = l.count == 0;
	name_list_release(&l);
	return r;
}

static int merge_one(struct pass *p, int64_t dest, struct work *w,
		     struct err *err)
{
	struct place at = w->v[--w->count];
	struct inode_row now;
	struct name_list below;
	enum fsys_type type;
	int64_t was, want;
	struct attr a;
	size_t i;
	int r = mirror_get(p->s, dest, at, &was, &type, err);

	if (r <= 0 || type != FSYS_DIR)
		return r;
	r = store_name_get(p->s, at, &want, err);
	if (r <= 0 || want == was)
		return r;
	r = store_inode_get(p->s, was, &now, err);
	if (r != 0) /* it lives on elsewhere */
		return r;
	r = store_inode_get(p->s, want, &now, err);
	if (r <= 0 || now.a.type != FSYS_DIR)
		return r;
	r = unknown_there(p, dest, want, err);
	if (r <= 0)
		return r;
	a = now.a;
	a.mtime.ns = UINT32_MAX;
	r = mirror_rekey(p->s, dest, was, want, err);
	if (r >= 0)
		r = mirror_set(p->s, dest, at, want, FSYS_DIR, err);
	if (r >= 0)
		r = mirror_set_inode(p->s, dest, want, &a, err);
	name_list_init(&below);
	if (r >= 0)
		r = store_names_in(p->s, want, &below, err);
	for (i = 0; r >= 0 && i < below.count; i++)
		if (below.rows[i].type == FSYS_DIR)
			r = push(w, below.rows[i].at, err);
	name_list_release(&below);
	return r;
}

int merge_replaced(struct pass *p, struct err *err)
{
	struct sql *q;
	int64_t dests[64];
	size_t count = 0, i;
	struct work w = {NULL, 0, 0, {0}};
	int r;

	if (!p->gone_table)
		return 0;
	/* What is on its way knows the old one: that is settled first. */
	q = db_sql(store_db(p->s), "SELECT id FROM dest WHERE sent=acked", err);
	if (!q)
		return err->code;
	while ((r = db_step(q, err)) > 0 && count < 64)
		dests[count++] = db_col_int(q, 0);
	db_reset(q);
	arena_init(&w.names);
	for (i = 0; r >= 0 && i < count; i++) {
		r = find_all(p, dests[i], &w, err);
		while (r >= 0 && w.count > 0)
			r = merge_one(p, dests[i], &w, err);
	}
	free(w.v);
	arena_release(&w.names);
	return r < 0 ? r : 0;
}
