/*
 * Which of the names of an inode to use: where its content goes, where the
 * source is read, what its other names are linked to.
 */
#include "ship_local.h"

#define NAMES_TRIED 64 /* of an inode, when its first one is blocked */

static int keep(struct ship *h, const struct place *at, struct place *out,
		struct err *err)
{
	*out = *at;
	out->name = arena_copy(&h->plan.arena, at->name, at->len, err);
	return out->name ? 1 : err->code;
}

/* *firm: it was there before this run. */
static int find(struct ship *h, int64_t inode, struct place *out, bool *firm,
		struct err *err)
{
	struct name_list names;
	enum fsys_type type;
	int64_t there;
	const struct place *best = NULL;
	size_t i;
	int r;

	*firm = false;
	name_list_init(&names);
	r = store_names_of(h->s, inode, &names, err);
	for (i = 0; r >= 0 && !*firm && i < names.count; i++) {
		const struct place *at = &names.rows[i].at;

		r = plan_get(h, *at, &there, &type, err);
		if (r <= 0 || there != inode)
			continue;
		*firm = !plan_changed(h, *at, &there, &type);
		if (!best || *firm)
			best = at;
	}
	if (r >= 0)
		r = best ? keep(h, best, out, err) : 0;
	name_list_release(&names);
	return r;
}

int home_place(struct ship *h, int64_t inode, struct place *out,
	       struct err *err)
{
	bool firm;

	return find(h, inode, out, &firm, err);
}

static int remember(struct ship *h, int64_t inode, const struct place *at,
		    struct err *err)
{
	struct t_dir *home = map_put_u64(&h->plan.firm, (uint64_t)inode, NULL,
					 err);

	if (!home)
		return err->code;
	home->at = *at;
	return 1;
}

int home_link(struct ship *h, const struct inode_row *row, struct place *out,
	      struct err *err)
{
	static const struct place none = {0, "", 0};
	struct t_dir *known = map_get_u64(&h->plan.firm, (uint64_t)row->id);
	bool looked = known && known->at.len == 0, firm = false;
	enum fsys_type type;
	int64_t there;
	int r;

	if (known && !looked) {
		*out = known->at;
		r = plan_get(h, *out, &there, &type, err);
		if (r < 0 || (r > 0 && there == row->id))
			return r;
	}
	r = looked ? 0 : find(h, row->id, out, &firm, err);
	if (r >= 0 && !firm)
		r = plan_where(h, row->id, row->a.type, out, err);
	if (r < 0)
		return r;
	/* Not asked for each of its names: it may have very many. */
	return r > 0	? remember(h, row->id, out, err)
	       : looked ? 0
	       : remember(h, row->id, &none, err) < 0 ? err->code
						      : 0;
}

/* Could nothing be put there the last time? */
static int is_blocked(struct ship *h, struct place at, struct err *err)
{
	struct buf path;
	int r;

	buf_init(&path, PATH_BYTES_MAX);
	r = store_path(h->s, at, &path, err);
	if (r < 0 && err_class(r) != ERR_CLASS_FATAL) /* too long */
		r = 1;
	else if (r > 0)
		r = problem_blocks(h->s, h->d->id, view_of(path.data, path.len),
				   err);
	buf_release(&path);
	return r;
}

int home_other(struct ship *h, struct place at, int64_t inode,
	       struct place *out, struct err *err)
{
	struct name_list names;
	size_t i;
	int r = h->problems ? is_blocked(h, at, err) : 0;

	if (r <= 0)
		return r;
	name_list_init(&names);
	r = store_names_of(h->s, inode, &names, err);
	for (i = 0; r >= 0 && i < names.count && i < NAMES_TRIED; i++) {
		r = is_blocked(h, names.rows[i].at, err);
		if (r == 0) {
			r = keep(h, &names.rows[i].at, out, err);
			if (r > 0)
				r = remember(h, inode, out, err);
			name_list_release(&names);
			return r;
		}
	}
	name_list_release(&names);
	return r < 0 ? r : 0;
}
