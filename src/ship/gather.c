/*
 * The names of one directory at the destination, as its LISTINGs bring them,
 * until it is complete and can be compared.
 */
#include <stdlib.h>
#include <string.h>

#include "gather.h"

#define DIR_NAMES (1u << 24) /* names of a directory that are needed, at most */

int gather_by_name(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return path_compare(x->at.name, x->at.len, y->at.name, y->at.len);
}

/* A helper could list names for ever.  What need not be held is dropped when
 * much has come: names of a directory that is not compared, names that came
 * twice, and names of which neither M nor S knows anything, if extras do not
 * matter. */
static int is_needed(struct listing *l, int64_t dir, struct place at,
		     struct err *err)
{
	enum fsys_type type;
	int64_t inode;
	int r;

	if (l->h->o.delete_extras || l->h->o.verify)
		return 1;
	at.parent = dir;
	r = mirror_get(l->h->s, l->h->d->id, at, &inode, &type, err);
	if (r == 0)
		r = store_name_get(l->h->s, at, &inode, err);
	if (r != 0)
		return r;
	r = store_hidden(l->h->s, dir, err);
	l->open = l->open || r > 0;
	return r < 0 ? r : 0;
}

static int thin_out(struct listing *l, struct err *err)
{
	struct found_dir *d = map_get(&l->dirs, l->dir.data, l->dir.len);
	struct arena fresh;
	size_t i, kept = 0;
	int r = 0;

	arena_init(&fresh);
	qsort(l->items, l->count, sizeof(*l->items), gather_by_name);
	for (i = 0; d && r >= 0 && i < l->count; i++) {
		struct item *it = &l->items[i];

		if (kept && gather_by_name(it, &l->items[kept - 1]) == 0)
			continue;
		r = is_needed(l, d->inode, it->at, err);
		if (r <= 0)
			continue;
		it->at.name = arena_copy(&fresh, it->at.name, it->at.len, err);
		if (!it->at.name)
			r = err->code;
		l->items[kept++] = *it;
	}
	arena_release(&l->arena);
	l->arena = fresh;
	l->count = kept;
	l->enough = 2 * kept > GATHER_MANY ? 2 * kept : GATHER_MANY;
	if (r >= 0 && kept > DIR_NAMES)
		return err_set(err, ERR_PROTOCOL,
			       "the helper lists more than %u names in one "
			       "directory",
			       DIR_NAMES);
	return r < 0 ? r : 0;
}

static int take_item(struct listing *l, const struct msg_item *m,
		     struct err *err)
{
	struct item *it;
	int r = l->count >= l->enough ? thin_out(l, err) : 0;

	if (r == 0)
		r = vec_grow((void **)&l->items, &l->cap, l->count + 1,
			     sizeof(*l->items), err);
	if (r < 0)
		return r;
	it = &l->items[l->count];
	memset(it, 0, sizeof(*it));
	it->at.name = arena_copy(&l->arena, m->name.p, m->name.len, err);
	it->at.len = m->name.len;
	if (!it->at.name)
		return err->code;
	it->dev = m->st.dev;
	it->ino = m->st.ino;
	it->nlink = m->st.nlink;
	it->a.type = m->st.type;
	it->a.mode = m->st.mode;
	it->a.uid = m->st.uid;
	it->a.gid = m->st.gid;
	it->a.rdev_major = m->st.rdev_major;
	it->a.rdev_minor = m->st.rdev_minor;
	it->a.size = m->st.size;
	it->a.mtime = m->st.mtime;
	it->a.hashed = m->hashed;
	it->a.hash = m->hash;
	if (m->st.type == FSYS_SYMLINK) {
		it->a.hashed = true;
		it->a.size = m->target.len;
		it->a.hash = hash_of(m->target.p, m->target.len,
				     store_seed(l->h->s));
	}
	l->count++;
	l->listed++;
	return 0;
}

int gather_listing(void *arg, const struct msg_listing *m, struct err *err)
{
	struct listing *l = arg;
	struct view items = m->items;
	struct msg_item item;
	uint32_t i;
	int r = 0;

	if (!l->gathering) {
		buf_clear(&l->dir);
		r = buf_put(&l->dir, m->dir.p, m->dir.len, err);
		l->count = 0;
		arena_clear(&l->arena);
		l->gathering = true;
		l->unreadable = false;
	} else if (l->dir.len != m->dir.len ||
		   (m->dir.len &&
		    memcmp(l->dir.data, m->dir.p, m->dir.len) != 0)) {
		return err_set(err, ERR_PROTOCOL,
			       "a listing jumps between directories");
	}
	if (m->flags & MSG_LISTING_UNREADABLE)
		l->unreadable = true;
	for (i = 0; r == 0 && i < m->count; i++) {
		r = msg_get_item(&items, &item, err);
		if (r == 0)
			r = take_item(l, &item, err);
	}
	if (r == 0 && m->flags & MSG_LISTING_LAST)
		r = reconcile_dir(l, err);
	return r;
}

int gather_elsewhere(struct listing *l, int64_t inode, struct err *err)
{
	struct name_list names;
	int r;

	name_list_init(&names);
	r = mirror_names_of(l->h->s, l->h->d->id, inode, &names, err);
	if (r >= 0)
		r = names.count > 0;
	name_list_release(&names);
	return r;
}

int gather_twin(struct listing *l, struct place at, int64_t inode,
		struct err *err)
{
	int r = name_list_add(&l->twins, at, inode, FSYS_NONE, err);

	return r < 0 ? r : 0;
}
