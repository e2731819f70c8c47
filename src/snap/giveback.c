/*
 * What a directory in the limbo still held when it was removed goes back to
 * where the directory was, whoever it belongs to (see the helper's merge.c).
 * Ordinarily nothing of that is the mirror's.  But what should have left the
 * directory before, and could not, goes with it: M has to say so, or it is
 * nobody's there, and no run takes it away.  Only if all of it went back: of a
 * part nobody knows which, and somebody else's file may have the name.  What
 * went back is an extra then, and M does not count on what it has below the
 * directory: it is sent anew.
 */
#include "journal_local.h"

#define MERGE_DEPTH 64u /* as deep as the helper goes */

struct giveback {
	struct store *s;
	int64_t dest;
	bool *surprised;
};

static int merge(struct giveback *g, int64_t from, int64_t to, unsigned depth,
		 struct err *err);

/* Not somebody else's, and not what is no longer what it was. */
static bool is_known(int64_t inode)
{
	return inode > 0 && inode != STORE_DEAD;
}

static int leaves(struct giveback *g, const struct name_row *row,
		  struct err *err)
{
	return mirror_set(g->s, g->dest, row->at, 0, FSYS_NONE, err);
}

static int merge_one(struct giveback *g, const struct name_row *row, int64_t to,
		     unsigned depth, struct err *err)
{
	struct place at = {to, row->at.name, row->at.len};
	enum fsys_type type;
	int64_t there;
	int r = mirror_get(g->s, g->dest, at, &there, &type, err);

	if (r < 0)
		return r;
	if (r > 0 && type == FSYS_DIR && row->type == FSYS_DIR &&
	    is_known(there) && depth < MERGE_DEPTH) {
		r = merge(g, row->inode, there, depth + 1, err);
		return r < 0 ? r : leaves(g, row, err);
	}
	if (r > 0) {
		*g->surprised = true;
		return 0;
	}
	r = leaves(g, row, err);
	return r < 0 ? r
		     : mirror_set(g->s, g->dest, at, row->inode, row->type,
				  err);
}

static int merge(struct giveback *g, int64_t from, int64_t to, unsigned depth,
		 struct err *err)
{
	struct name_list names;
	size_t i;
	int r;

	name_list_init(&names);
	r = mirror_names_in(g->s, g->dest, from, &names, err);
	for (i = 0; r >= 0 && i < names.count; i++)
		r = merge_one(g, &names.rows[i], to, depth, err);
	if (r >= 0 && names.count)
		r = mirror_touch_inode(g->s, g->dest, to, err);
	name_list_release(&names);
	return r < 0 ? r : 0;
}

/* It may be there, or not. */
static int doubt(struct giveback *g, int64_t dir, unsigned depth,
		 struct err *err)
{
	struct name_list names;
	size_t i;
	int r;

	name_list_init(&names);
	r = mirror_names_in(g->s, g->dest, dir, &names, err);
	for (i = 0; r >= 0 && i < names.count; i++) {
		struct name_row *row = &names.rows[i];

		if (row->type != FSYS_DIR)
			r = mirror_set(g->s, g->dest, row->at, STORE_DEAD,
				       row->type, err);
		else if (is_known(row->inode) && depth < MERGE_DEPTH)
			r = doubt(g, row->inode, depth + 1, err);
	}
	name_list_release(&names);
	return r < 0 ? r : 0;
}

static int has_names(struct giveback *g, int64_t dir, struct err *err)
{
	struct name_list names;
	int r;

	name_list_init(&names);
	r = mirror_names_in(g->s, g->dest, dir, &names, err);
	if (r >= 0)
		r = names.count > 0;
	name_list_release(&names);
	return r;
}

int journal_gave_back(struct store *s, int64_t dest,
		      const struct journal_row *row, bool done, bool *surprised,
		      struct err *err)
{
	struct giveback g = {s, dest, surprised};
	struct place at;
	enum fsys_type type;
	int64_t there;
	int r;

	if (row->op != JOURNAL_REMOVE || row->type != FSYS_DIR ||
	    row->from.len == 0)
		return 0;
	if (!done)
		return doubt(&g, row->inode, 0, err);
	r = has_names(&g, row->inode, err);
	if (r <= 0)
		return r;
	r = journal_follow(s, dest, row->from, &at, &there, &type, err);
	if (r > 0 && type == FSYS_DIR && is_known(there))
		return merge(&g, row->inode, there, 0, err);
	/* Where nothing has its name, it has that again itself. */
	if (r > 0 && type == FSYS_NONE) {
		r = mirror_set(s, dest, journal_place(row->parent, row->path),
			       0, FSYS_NONE, err);
		if (r >= 0)
			r = mirror_set(s, dest, at, row->inode, row->type, err);
		return r < 0 ? r : 1;
	}
	*surprised = true;
	return r < 0 ? r : 0;
}
