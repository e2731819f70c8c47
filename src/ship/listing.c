/*
 * The listing of a destination onto its mirror.  Runs at a first contact, when
 * the helper's position is not one the journal can explain, and when the
 * destination turned out not to be what the mirror says.  What one directory
 * has is reconcile.c's; here is what only the whole of it can tell.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "gather.h"

static int source_empty(struct ship *h, struct err *err)
{
	struct sql *q = db_sql(store_db(h->s), "SELECT 1 FROM name LIMIT 1",
			       err);
	int r = q ? db_step(q, err) : err->code;

	db_reset(q);
	return r < 0 ? r : r == 0;
}

/* --delete may not remove more than --max-delete allows, and nothing if the
 * source is empty. */
static int limit_extras(struct listing *l, struct err *err)
{
	const struct ship_options *o = &l->h->o;
	uint64_t limit = (uint64_t)(o->max_delete < 0 ? 0 : o->max_delete);
	bool over;
	int empty;

	if (!l->extras || o->force_delete || o->max_delete < 0)
		return 0;
	empty = source_empty(l->h, err);
	if (empty < 0)
		return empty;
	over = o->max_percent ? l->extras * 100 > l->listed * limit
			      : l->extras > limit;
	if (!empty && (!over || (o->max_default && l->listed < 100)))
		return 0;
	l->h->extras_kept = l->extras;
	log_line(o->log, LOG_ERROR,
		 "deletes withheld: %s; %" PRIu64 " entries of the destination "
		 "that are not in the source stay; if this is meant, run once "
		 "with --verify --delete --force-delete",
		 empty ? "the source is empty (is it mounted?)"
		       : "more than --max-delete allows",
		 l->extras);
	return mirror_drop_strangers(l->h->s, l->h->d->id, err);
}

/* The position is the journal's, so the limbo holds what it says: as if it
 * could not be listed. */
static int keep_limbo(struct listing *l, struct err *err)
{
	if (!map_put_u64(&l->seen, (uint64_t)STORE_LIMBO, NULL, err))
		return err->code;
	l->some_unreadable = true;
	return 0;
}

/* A listing that does not come to its end is wanted again. */
static int doubt(struct ship *h, struct err *err)
{
	int r;

	if (!h->d->known)
		return 0;
	h->d->known = false;
	r = db_begin(store_db(h->s), err);
	if (r == 0)
		r = mirror_dest_save(h->s, h->d, err);
	if (r == 0)
		return db_commit(store_db(h->s), err);
	db_rollback(store_db(h->s));
	return r;
}

/* A first contact is not over while extras are withheld: the same again says
 * the same again.  Nor while the source is empty and the destination is not: a
 * disk that is not mounted will want to know what is there. */
static int judge(struct listing *l, struct err *err)
{
	struct ship *h = l->h;
	int empty = l->listed ? source_empty(h, err) : 0;

	if (empty < 0)
		return empty;
	h->outcome = !l->all	      ? SHIP_UNSEEN
		     : empty > 0      ? SHIP_SOURCE_EMPTY
		     : h->extras_kept ? SHIP_WITHHELD
				      : SHIP_DECIDED;
	h->d->known = h->d->known || h->outcome == SHIP_DECIDED;
	return 0;
}

int reconcile_wanted(struct ship *h, struct err *err)
{
	int empty;

	if (!h->remote || h->o.dry || h->d->known || h->listed)
		return 0;
	if (h->outcome != SHIP_SOURCE_EMPTY)
		return h->outcome != SHIP_WITHHELD;
	empty = source_empty(h, err);
	return empty < 0 ? empty : empty == 0;
}

static void start(struct listing *l)
{
	map_init(&l->dirs, sizeof(struct found_dir));
	map_init(&l->inodes, sizeof(int64_t));
	map_init(&l->seen, 1);
	map_init(&l->ours, sizeof(struct link_key));
	l->some_unreadable = l->open = false;
	l->listed = l->extras = l->alone = 0;
	if (!l->h->o.verify)
		l->h->counts.unseen = 0;
}

static void stop(struct listing *l)
{
	map_release(&l->dirs);
	map_release(&l->inodes);
	map_release(&l->seen);
	map_release(&l->ours);
}

static int list(struct listing *l, bool explained, struct err *err)
{
	struct ship *h = l->h;
	struct found_dir *root = map_put(&l->dirs, "", 0, NULL, err);
	int r;

	if (!root)
		return err->code;
	root->inode = STORE_ROOT;
	root->fresh = false;
	l->all = false;
	r = remote_list(h->remote, h->o.checksum ? MSG_LIST_HASH : 0,
			gather_listing, l, err);
	l->all = !l->some_unreadable;
	if (r == 0 && explained)
		r = keep_limbo(l, err);
	return r < 0 ? r : forget_unseen(h, &l->seen, l->some_unreadable, err);
}

/* What was taken for a stranger, since the mirror had the inode under another
 * name, which was not there: it has moved.  1: there is such a one, and it can
 * be told now. */
static int moved_ones(struct listing *l, struct err *err)
{
	const struct name_list *t = &l->twins;
	enum fsys_type type;
	int64_t there;
	int found = 0, r = 0;
	size_t i;

	for (i = 0; r >= 0 && i < t->count; i++) {
		r = gather_elsewhere(l, t->rows[i].inode, err);
		if (r == 0)
			r = mirror_get(l->h->s, l->h->d->id, t->rows[i].at,
				       &there, &type, err) > 0
				    ? there >= 0
				    : 1;
		if (r != 0)
			continue;
		found = 1;
		r = mirror_set(l->h->s, l->h->d->id, t->rows[i].at, 0,
			       FSYS_NONE, err);
		if (r >= 0 && type == FSYS_DIR)
			r = forget_below(l->h, there, err);
	}
	return r < 0 ? r : found;
}

/* Its end: what was found may have to be looked at again. */
static int list_all(struct listing *l, bool explained, struct err *err)
{
	int r = list(l, explained, err);

	if (r == 0 && l->twins.count)
		r = moved_ones(l, err);
	if (r <= 0)
		return r;
	l->again = true;
	stop(l);
	start(l);
	/* They are counted by the second one. */
	r = mirror_drop_strangers(l->h->s, l->h->d->id, err);
	return r < 0 ? r : list(l, explained, err);
}

/* Not at a first contact: there that is what one expects. */
static void tell_alone(const struct listing *l, bool known)
{
	bool warn = known ||
		    remote_welcome(l->h->remote)->flags & MSG_WELCOME_KNOWN;

	if (l->alone)
		log_line(l->h->o.log, warn ? LOG_WARN : LOG_INFO,
			 "the destination has %" PRIu64 " that the source does "
			 "not have, left alone (--verify names them, and with "
			 "--delete removes them)",
			 l->alone);
}

int reconcile(struct ship *h, bool explained, struct err *err)
{
	struct listing l = {
		.h = h, .stranger = -1, .enough = GATHER_MANY, .told = h->told};
	bool known = h->d->known;
	int r;

	start(&l);
	buf_init(&l.dir, 1 << 20);
	arena_init(&l.arena);
	name_list_init(&l.twins);
	h->extras_kept = 0;
	r = explained ? 0 : doubt(h, err);
	if (r == 0)
		r = db_begin(store_db(h->s), err);
	if (r == 0)
		r = mirror_lowest(h->s, h->d->id, &l.stranger, err);
	if (r == 0)
		r = list_all(&l, explained, err);
	if (r == 0)
		tell_alone(&l, known);
	if (r == 0)
		r = limit_extras(&l, err);
	/* The root itself is not listed: it gets what it should have. */
	if (r == 0 && !(h->o.verify && h->o.dry))
		r = mirror_touch_inode(h->s, h->d->id, STORE_ROOT, err);
	if (r == 0) /* it is listed again until all of it was seen */
		r = judge(&l, err);
	if (r == 0)
		r = mirror_set_open(h->s, h->d->id, l.open, err);
	if (r == 0)
		r = mirror_dest_save(h->s, h->d, err);
	if (r == 0)
		r = db_commit(store_db(h->s), err);
	else
		db_rollback(store_db(h->s));
	h->told = h->listed = true;
	stop(&l);
	name_list_release(&l.twins);
	buf_release(&l.dir);
	arena_release(&l.arena);
	free(l.items);
	return r;
}
