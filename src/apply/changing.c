/*
 * Which names the batch under way changes: content may be copied from all
 * others while it is carried out.  Names are known by a hash of area and path;
 * two with the same hash cost a wait.
 *
 * This is about time, not about truth: what was copied counts by its hash only
 * (stage.c), and META, which may take a right away but leads nowhere else, is
 * no change here.
 */
#include "apply_local.h"

static uint64_t key_of(enum msg_area area, struct view path)
{
	return hash_u64(path.p, path.len, (uint64_t)area);
}

static void add(struct apply *a, const struct msg_path *p)
{
	struct err ignored;

	if (!map_put_u64(&a->changing, key_of(p->area, p->path), NULL,
			 &ignored))
		a->changing_all = true;
}

void changing_note(struct apply *a, const struct msg_op *op)
{
	if (op->type == MSG_META)
		return;
	add(a, &op->path);
	if (op->type == MSG_MOVE)
		add(a, &op->from);
	/* What it holds goes there, under names that are not known (merge.c). */
	if (op->type == MSG_REMOVE && op->from.path.len)
		a->changing_all = true;
}

void changing_clear(struct apply *a)
{
	map_clear(&a->changing);
	a->changing_all = false;
}

bool changing_path(const struct apply *a, const struct msg_path *p)
{
	struct view path = p->path, name;

	if (a->changing_all || a->folds)
		return true;
	for (;;) {
		if (map_get_u64(&a->changing, key_of(p->area, path)))
			return true;
		if (path.len == 0)
			return false;
		path_split(path, &path, &name);
	}
}
