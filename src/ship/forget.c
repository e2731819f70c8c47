/* What a listing of the destination did not find: M has it no more. */
#include <stdlib.h>

#include "ship_local.h"
#include "snapsync/vec.h"

int forget_below(struct ship *h, int64_t dir, struct err *err)
{
	int64_t *work = NULL;
	size_t count = 0, cap = 0, i;
	struct name_list names;
	int r = vec_grow((void **)&work, &cap, 1, sizeof(*work), err);

	if (r < 0)
		return r;
	work[count++] = dir;
	name_list_init(&names);
	while (r >= 0 && count > 0) {
		name_list_clear(&names);
		r = mirror_names_in(h->s, h->d->id, work[--count], &names, err);
		for (i = 0; r >= 0 && i < names.count; i++) {
			r = mirror_set(h->s, h->d->id, names.rows[i].at, 0,
				       FSYS_NONE, err);
			if (r < 0 || names.rows[i].type != FSYS_DIR)
				continue;
			r = vec_grow((void **)&work, &cap, count + 1,
				     sizeof(*work), err);
			if (r == 0)
				work[count++] = names.rows[i].inode;
		}
	}
	name_list_release(&names);
	free(work);
	return r < 0 ? r : 0;
}

/* Does M have this directory below one that could not be listed? */
static int is_hidden(struct ship *h, const struct map *listed, int64_t dir,
		     struct err *err)
{
	struct name_list names;
	const unsigned char *seen;
	size_t depth;
	int r = 1;

	name_list_init(&names);
	for (depth = 0; depth <= PATH_DEPTH_MAX; depth++) {
		name_list_clear(&names);
		r = mirror_names_of(h->s, h->d->id, dir, &names, err);
		if (r < 0 || names.count == 0)
			break;
		dir = names.rows[0].at.parent;
		seen = map_get_u64(listed, (uint64_t)dir);
		if (seen) {
			name_list_release(&names);
			return !*seen;
		}
	}
	name_list_release(&names);
	return r < 0 ? r : 0;
}

/* Every directory that M has something in, or counts on from S. */
static int all_dirs(struct ship *h, int64_t **out, size_t *count,
		    struct err *err)
{
	struct sql *q = db_sql(store_db(h->s),
			       "SELECT id FROM inode WHERE type=?2 UNION"
			       " SELECT parent FROM dest_name WHERE dest=?1",
			       err);
	size_t cap = 0;
	int r;

	*out = NULL;
	*count = 0;
	if (!q)
		return err->code;
	db_int(q, 1, h->d->id);
	db_int(q, 2, FSYS_DIR);
	while ((r = db_step(q, err)) > 0) {
		r = vec_grow((void **)out, &cap, *count + 1, sizeof(**out),
			     err);
		if (r < 0)
			break;
		(*out)[(*count)++] = db_col_int(q, 0);
	}
	db_reset(q);
	return r;
}

int forget_unseen(struct ship *h, const struct map *listed,
		  bool some_unreadable, struct err *err)
{
	struct name_list names;
	int64_t *dirs;
	size_t count, i, k;
	int r = all_dirs(h, &dirs, &count, err);

	name_list_init(&names);
	for (i = 0; r >= 0 && i < count; i++) {
		if (map_get_u64(listed, (uint64_t)dirs[i]))
			continue;
		r = some_unreadable ? is_hidden(h, listed, dirs[i], err) : 0;
		if (r != 0)
			continue;
		name_list_clear(&names);
		r = mirror_names_in(h->s, h->d->id, dirs[i], &names, err);
		for (k = 0; r >= 0 && k < names.count; k++)
			r = mirror_set(h->s, h->d->id, names.rows[k].at, 0,
				       FSYS_NONE, err);
	}
	name_list_release(&names);
	free(dirs);
	return r < 0 ? r : 0;
}
