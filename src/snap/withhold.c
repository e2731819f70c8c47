/* Deletes are withheld: what has gone gets its place in the snapshot again. */
#include <stdlib.h>

#include "gone_local.h"

/* More rounds than any tree needs to have all put back. */
#define WITHHOLD_TRIES 10000

/* Children of a directory that was replaced by another one: those without a
 * successor live on in the new one. */
static int keep_children(struct pass *p, struct pairs *work, struct err *err)
{
	struct pair at = work->v[--work->count];
	struct name_list names;
	enum fsys_type type;
	int64_t now;
	size_t i;
	int r;

	name_list_init(&names);
	r = store_names_in(p->s, at.was, &names, err);
	for (i = 0; r >= 0 && i < names.count; i++) {
		struct name_row *n = &names.rows[i];
		struct place there = {at.now, n->at.name, n->at.len};

		r = gone_occupant(p, there, &now, &type, err);
		if (r < 0)
			break;
		if (now && n->type == FSYS_DIR && type == FSYS_DIR) {
			r = gone_push(work, n->inode, now, err);
		} else if (!now) {
			r = store_name_set(p->s, n->at, n->inode, n->type, 0,
					   err);
			if (r == 0)
				r = store_name_set(p->s, there, 0, FSYS_NONE,
						   n->inode, err);
		}
	}
	name_list_release(&names);
	if (r >= 0)
		r = store_print_drop(p->s, at.now, err);
	return r < 0 ? r : 0;
}

/* Put one name back (a file gets all its names), or (merge) the children of a
 * directory into the one that stands in its place.  *again: something else may
 * have lost its place. */
static int keep_one(struct pass *p, const struct name_row *n, bool merge,
		    bool *again, struct err *err)
{
	struct pairs work = {NULL, 0, 0};
	enum fsys_type type;
	int64_t now;
	bool orphan;
	int r = gone_nameless(p, n->inode, &orphan, err);

	if (r < 0 || (!orphan && n->type == FSYS_DIR))
		return r;
	r = gone_occupant(p, n->at, &now, &type, err);
	if (r < 0)
		return r;
	if (now && n->type != FSYS_DIR)
		return 0; /* replaced, which is no delete */
	if (merge != (now && type == FSYS_DIR))
		return 0;
	if (merge) {
		r = gone_push(&work, n->inode, now, err);
		while (r >= 0 && work.count > 0)
			r = keep_children(p, &work, err);
		free(work.v);
		return r;
	}
	r = store_name_set(p->s, n->at, now, type, n->inode, err);
	if (r >= 0)
		r = store_print_drop(p->s, n->at.parent, err);
	if (r >= 0 && now) {
		*again = true;
		r = gone_nameless(p, now, &orphan, err);
		if (r >= 0 && orphan && !gone_known(p, now))
			r = store_inode_remove(p->s, now, type, err);
	}
	return r < 0 ? r : 0;
}

int gone_unseen(struct pass *p, struct err *err)
{
	struct pairs work = {NULL, 0, 0};
	struct name_list l;
	enum fsys_type type;
	int64_t now;
	size_t i;
	int r;

	name_list_init(&l);
	r = gone_orphans(p, &l, err);
	for (i = 0; r >= 0 && i < l.count; i++) {
		if (l.rows[i].type != FSYS_DIR)
			continue;
		r = gone_occupant(p, l.rows[i].at, &now, &type, err);
		if (r < 0 || !now || type != FSYS_DIR)
			continue;
		r = store_unseen(p->s, now, err);
		if (r > 0)
			r = gone_push(&work, l.rows[i].inode, now, err);
		while (r >= 0 && work.count > 0)
			r = keep_children(p, &work, err);
	}
	free(work.v);
	name_list_release(&l);
	return r < 0 ? r : 0;
}

int gone_withhold(struct pass *p, struct err *err)
{
	struct name_list l;
	bool again = true;
	size_t i, tries = 0;
	int merge, r = 0;

	name_list_init(&l);
	while (r >= 0 && again) {
		again = false;
		name_list_clear(&l);
		r = gone_lost(p, &l, err);
		/* What has a place of its own comes before what makes do with
		 * the place that another one left. */
		for (merge = 0; merge < 2; merge++)
			for (i = 0; r >= 0 && i < l.count; i++)
				r = keep_one(p, &l.rows[i], merge, &again, err);
		if (r >= 0)
			r = circle_cut(p, true, &again, err);
		if (r >= 0 && ++tries > WITHHOLD_TRIES)
			r = err_set(err, ERR_SOURCE,
				    "the source changes too fast to be sure of "
				    "what is gone: the next pass looks again");
	}
	name_list_release(&l);
	return r < 0 ? r : gone_accept(p, err);
}
