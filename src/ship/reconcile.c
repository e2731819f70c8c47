/*
 * The names that one directory of a listing has, onto the mirror.
 *
 * What the mirror says and the listing confirms (type, size, mtime, link
 * target) stays, with its identity, so that moves still are moves.  What is
 * not there is missing.  What is there and unknown is adopted where the
 * snapshot has an equal entry of that name; is an old version where it has one
 * of the same type; stands in the way (a stranger, with a negative number)
 * where it has one of another type; and is an extra where it has none: left
 * alone, or with --delete a stranger too.
 */
#include <stdlib.h>
#include <string.h>

#include "gather.h"

static int add_dir(struct listing *l, struct place at, int64_t inode,
		   struct err *err)
{
	size_t before = l->dir.len;
	struct found_dir *d;
	int r = path_push(&l->dir, at.name, at.len, err);

	if (r < 0)
		return r;
	d = map_put(&l->dirs, l->dir.data, l->dir.len, NULL, err);
	l->dir.len = before;
	if (!d)
		return err->code;
	d->inode = inode;
	d->fresh = l->fresh;
	return 0;
}

/* Do hard links allow the far entry to be this inode of ours?  The first
 * pair decides; 1 yes, 0 no. */
static int links_agree(struct listing *l, const struct item *it, int64_t inode,
		       uint64_t nlink, struct err *err)
{
	struct link_key far = {it->dev, it->ino}, *mine;
	int64_t *theirs;
	bool new_a, new_b;

	if (it->nlink < 2 && nlink < 2)
		return 1;
	theirs = map_put(&l->inodes, &far, sizeof(far), &new_a, err);
	if (!theirs)
		return err->code;
	mine = map_put_u64(&l->ours, (uint64_t)inode, &new_b, err);
	if (!mine)
		return err->code;
	if (new_a && new_b) {
		*theirs = inode;
		*mine = far;
		return 1;
	}
	if (new_b)
		*mine = far;
	if (new_a)
		*theirs = inode;
	return *theirs == inode && mine->dev == far.dev && mine->ino == far.ino;
}

/* The same for a name that M has: what other names it has there count, also
 * those that S wants no more. */
static int links_hold(struct listing *l, const struct item *it, int64_t inode,
		      const struct inode_row *row, struct err *err)
{
	struct name_list names;
	uint64_t nlink = row->nlink;
	int r = 0;

	if (nlink < 2 && it->nlink < 2) {
		name_list_init(&names);
		r = mirror_names_of(l->h->s, l->h->d->id, inode, &names, err);
		nlink = names.count;
		name_list_release(&names);
	}
	return r < 0 ? r : links_agree(l, it, inode, nlink, err);
}

static bool same_content(const struct ship *h, const struct attr *a,
			 const struct attr *far)
{
	if (a->type != far->type)
		return false;
	switch (a->type) {
	case FSYS_FILE:
		if (far->hashed && a->hashed &&
		    !hash_equal(&far->hash, &a->hash))
			return false;
		return a->size == far->size &&
		       drift_same_time(h, a->mtime, far->mtime);
	case FSYS_SYMLINK:
		return a->hashed && far->hashed &&
		       hash_equal(&a->hash, &far->hash);
	case FSYS_CHAR:
	case FSYS_BLOCK:
		return a->rdev_major == far->rdev_major &&
		       a->rdev_minor == far->rdev_minor;
	default: return true;
	}
}

/* The far entry is inode `id` of ours; `a` is what we think it looks like. */
static int is_ours(struct listing *l, struct place at, int64_t id,
		   const struct attr *a, struct item *it, struct err *err)
{
	struct ship *h = l->h;
	struct attr there = it->a;
	int r = mirror_set(h->s, h->d->id, at, id, it->a.type, err);

	if (r < 0)
		return r;
	/* It cannot be given away there anyhow; or its number there says
	 * nothing, and it was right when it was sent. */
	if (!(remote_welcome(h->remote)->flags & MSG_WELCOME_CHOWN) ||
	    (h->o.verify && !h->o.same_owners)) {
		there.uid = a->uid;
		there.gid = a->gid;
	}
	if (drift_same_time(h, a->mtime, there.mtime))
		there.mtime = a->mtime;
	if ((h->o.verify ||
	     remote_welcome(h->remote)->flags & MSG_WELCOME_NO_MODES) &&
	    drift_same_mode(h, a, &there))
		there.mode = a->mode;
	if (a->type == FSYS_FILE && !it->a.hashed &&
	    same_content(h, a, &it->a)) {
		there.hashed = a->hashed;
		there.hash = a->hash;
	} else if (a->type == FSYS_FILE) {
		/* Known to be other content, whatever its size and time. */
		there.hashed = it->a.hashed;
		there.hash = it->a.hash;
		if (!there.hashed) {
			there.hashed = true;
			memset(&there.hash, 0, sizeof(there.hash));
		}
	}
	r = mirror_set_inode(h->s, h->d->id, id, &there, err);
	if (r >= 0 && it->a.type == FSYS_DIR)
		r = add_dir(l, at, id, err);
	return r;
}

/* It is, and M did not know. */
static int adopt(struct listing *l, struct place at,
		 const struct inode_row *row, struct item *it, struct err *err)
{
	bool fresh = l->fresh;
	int r;

	/* With -c, what could not be read there is other content. */
	if (l->h->o.checksum && it->a.type == FSYS_FILE && !it->a.hashed) {
		it->a.hashed = true;
		memset(&it->a.hash, 0, sizeof(it->a.hash));
	}
	l->fresh = true;
	r = is_ours(l, at, row->id, &row->a, it, err);
	l->fresh = fresh;
	return r;
}

static bool protected(struct listing *l, struct place at, bool is_dir)
{
	struct err ignored;
	size_t before = l->dir.len;
	bool wanted;

	if (filter_empty(l->h->o.filter) ||
	    path_push(&l->dir, at.name, at.len, &ignored) < 0)
		return false;
	wanted = filter_wants(l->h->o.filter, view_of(l->dir.data, l->dir.len),
			      is_dir);
	l->dir.len = before;
	return !wanted;
}

/* Something that M will have to get rid of; of a directory that a filter protects
 * that is not wanted, whatever S has of that name. */
static int is_stranger(struct listing *l, struct place at, struct item *it,
		       struct err *err)
{
	int64_t id = --l->stranger;
	int r = mirror_set(l->h->s, l->h->d->id, at, id, it->a.type, err);

	if (r >= 0 && it->a.type == FSYS_DIR && l->h->o.delete_extras &&
	    !protected(l, at, true))
		r = add_dir(l, at, id, err);
	return r;
}

/* replaces: something that M has there, which was told. */
static int unknown_item(struct listing *l, struct place at, struct item *it,
			bool replaces, struct err *err)
{
	struct ship *h = l->h;
	struct inode_row row;
	int64_t want;
	int r = at.parent > 0 ? store_name_get(h->s, at, &want, err) : 0;

	if (r > 0)
		r = store_inode_get(h->s, want, &row, err);
	if (r < 0)
		return r;
	if (r == 0) {
		if (protected(l, at, it->a.type == FSYS_DIR))
			return 0;
		/* The source may have it, where it could not be looked at. */
		r = at.parent > 0 ? store_hidden(h->s, at.parent, err) : 0;
		l->open = l->open || r > 0;
		if (r != 0)
			return r < 0 ? r : 0;
		if (!h->o.delete_extras && !h->o.verify) {
			l->alone++;
			return 0;
		}
		/* Below a directory that is extra, that was told. */
		if (!replaces && at.parent > 0)
			drift_tell(l->h, &l->dir, SHIP_EXTRA, &at, it->a.type,
				   "");
		if (!h->o.delete_extras) {
			h->counts.extras += replaces && !h->told;
			return 0;
		}
		l->extras++;
		return is_stranger(l, at, it, err);
	}
	if (row.a.type == it->a.type &&
	    (row.a.type == FSYS_DIR || row.a.type == FSYS_FILE ||
	     same_content(h, &row.a, &it->a))) {
		r = row.nlink < 2 || row.a.type == FSYS_DIR
			    ? gather_elsewhere(l, want, err)
			    : 0;
		if (r > 0)
			r = gather_twin(l, at, want, err);
		else if (r == 0) {
			r = row.a.type == FSYS_DIR
				    ? 1
				    : links_agree(l, it, want, row.nlink, err);
			if (r > 0)
				return adopt(l, at, &row, it, err);
		}
		if (r < 0)
			return r;
	}
	return is_stranger(l, at, it, err);
}

/* Still there, still to go; as what, nobody has compared.  Unless a filter
 * protects it by now. */
static int still_to_go(struct listing *l, struct place at, int64_t inode,
		       enum fsys_type type, struct err *err)
{
	struct ship *h = l->h;
	int r;

	if (!protected(l, at, type == FSYS_DIR)) {
		if (type != FSYS_DIR)
			return mirror_forget_relic(h->s, h->d->id, inode, err);
		return inode > 0 || h->o.delete_extras
			       ? add_dir(l, at, inode, err)
			       : 0; /* what is in it is not ours */
	}
	r = mirror_set(h->s, h->d->id, at, 0, FSYS_NONE, err);
	if (r >= 0 && type == FSYS_DIR)
		r = forget_below(h, inode, err);
	return r;
}

/* Somebody made another file of one name of an inode of ours.  If S does not
 * want that name any more, it is still to go; it is not the inode's.  1: so. */
static int strayed(struct listing *l, const struct name_row *m, struct err *err)
{
	int64_t want;
	int r = store_name_get(l->h->s, m->at, &want, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = mirror_set(l->h->s, l->h->d->id, m->at, STORE_DEAD, m->type, err);
	if (r >= 0)
		r = still_to_go(l, m->at, STORE_DEAD, m->type, err);
	return r < 0 ? r : 1;
}

static int known_item(struct listing *l, const struct name_row *m,
		      struct item *it, struct err *err)
{
	struct ship *h = l->h;
	struct inode_row row;
	struct attr a;
	char what[64];
	int r = mirror_inode(h->s, h->d->id, m->inode, &a, err);

	if (r < 0)
		return r;
	if (r == 0) { /* dead or a stranger: only its type is known */
		a = it->a;
		if (m->type != it->a.type)
			a.type = FSYS_NONE;
	}
	r = store_inode_get(h->s, m->inode, &row, err);
	if (r == 0 && a.type == it->a.type)
		return still_to_go(l, m->at, m->inode, a.type, err);
	if (r > 0 && a.type == it->a.type) {
		r = a.type == FSYS_DIR ? 1
				       : links_hold(l, it, m->inode, &row, err);
		if (r == 0) {
			r = strayed(l, m, err);
			if (r != 0)
				return r < 0 ? r : 0;
		}
		if (r > 0 && (a.type == FSYS_DIR || a.type == FSYS_FILE ||
			      same_content(h, &a, &it->a))) {
			if (h->o.checksum && a.type == FSYS_FILE &&
			    !it->a.hashed)
				drift_unseen(h, &l->dir,
					     view_of(it->at.name, it->at.len));
			drift_what(l->h, &a, &it->a, what, sizeof(what));
			if (*what)
				drift_tell(l->h, &l->dir, SHIP_CHANGED, &m->at,
					   it->a.type, what);
			return is_ours(l, m->at, m->inode, &a, it, err);
		}
	}
	if (r < 0)
		return r;
	drift_tell(l->h, &l->dir, SHIP_REPLACED, &m->at, it->a.type, "");
	r = mirror_set(h->s, h->d->id, m->at, 0, FSYS_NONE, err);
	if (r >= 0 && m->type == FSYS_DIR)
		r = forget_below(l->h, m->inode, err);
	return r < 0 ? r : unknown_item(l, m->at, it, true, err);
}

static int missing_item(struct listing *l, const struct name_row *m,
			struct err *err)
{
	int r;

	drift_tell(l->h, &l->dir, SHIP_MISSING, &m->at, m->type, "");
	r = mirror_set(l->h->s, l->h->d->id, m->at, 0, FSYS_NONE, err);
	if (r >= 0 && m->type == FSYS_DIR)
		r = forget_below(l->h, m->inode, err);
	return r;
}

/* Both are sorted by name.  missing: only what is not there any more. */
static int compare(struct listing *l, const struct name_list *names,
		   int64_t parent, bool missing, struct err *err)
{
	size_t i = 0, k = 0;
	int r = 0;

	while (r >= 0 && (i < l->count || k < names->count)) {
		struct item probe = {.at = {0, "", 0}};
		struct item *it = i < l->count ? &l->items[i] : NULL;
		int c;

		/* What came and went while it was listed may be there twice. */
		if (i && it && gather_by_name(it, it - 1) == 0) {
			i++;
			continue;
		}
		if (k < names->count)
			probe.at = names->rows[k].at;
		c = !it			? 1
		    : k == names->count ? -1
					: gather_by_name(it, &probe);
		if (c > 0 && missing)
			r = missing_item(l, &names->rows[k], err);
		if (c <= 0 && !missing) {
			it->at.parent = parent;
			r = c == 0 ? known_item(l, &names->rows[k], it, err)
				   : unknown_item(l, it->at, it, false, err);
		}
		k += c >= 0;
		i += c <= 0;
	}
	return r < 0 ? r : 0;
}

/* The directory at hand is complete: compare with M. */
int reconcile_dir(struct listing *l, struct err *err)
{
	struct found_dir *d = map_get(&l->dirs, l->dir.data, l->dir.len);
	struct name_list names;
	int64_t parent;
	unsigned char *seen;
	int r;

	l->gathering = false;
	if (!d)
		return 0;
	parent = d->inode; /* the map may move */
	l->fresh = d->fresh;
	l->h->told = l->told || (l->again && !l->fresh);
	seen = map_put_u64(&l->seen, (uint64_t)parent, NULL, err);
	if (!seen)
		return err->code;
	*seen = !l->unreadable;
	l->some_unreadable = l->some_unreadable || l->unreadable;
	if (l->unreadable) {
		drift_unseen(l->h, &l->dir, view_of("", 0));
		return 0;
	}
	if (l->count)
		qsort(l->items, l->count, sizeof(*l->items), gather_by_name);
	name_list_init(&names);
	r = mirror_names_in(l->h->s, l->h->d->id, parent, &names, err);
	/* What has got another name here is not taken for a second one. */
	if (r >= 0)
		r = compare(l, &names, parent, true, err);
	if (r >= 0)
		r = compare(l, &names, parent, false, err);
	name_list_release(&names);
	return r;
}
