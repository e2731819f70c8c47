/*
 * Moves and directories: put every directory, and every inode that has a name
 * at the destination already, where the snapshot wants it.  See DESIGN.md,
 * Planning: parents first; a name in the way moves on to its own place, or is
 * parked in the limbo where it must wait for somebody who waits for it.
 */
#include <stdio.h>
#include <string.h>

#include "ship_local.h"

#define DEPTH_MAX 500 /* of the recursion; then park instead */

static int move_to(struct ship *h, struct place from, struct place at,
		   int64_t inode, enum fsys_type type, bool silent,
		   struct err *err)
{
	struct op op = {.op = JOURNAL_MOVE,
			.inode = inode,
			.type = type,
			.at = at,
			.from = from,
			.silent = silent};

	return batch_put(h, &op, err);
}

/* Into the limbo, under its number; with pair and batch no other has that
 * name, whatever an earlier client has left there. */
static int park(struct ship *h, struct place from, int64_t inode,
		enum fsys_type type, struct err *err)
{
	char name[64];
	const unsigned char *pair = h->d->pair;
	struct place limbo = {STORE_LIMBO, name, 0};

	/* Two links of one inode may wait at a time. */
	limbo.len = (size_t)snprintf(
		name, sizeof(name), "%llx%s.%llx.%llx.%02x%02x%02x%02x",
		inode < 0 ? -(unsigned long long)inode
			  : (unsigned long long)inode,
		inode < 0 ? "x" : "", (unsigned long long)h->d->sent + 1,
		++h->parks, pair[0], pair[1], pair[2], pair[3]);
	return move_to(h, from, limbo, inode, type, true, err);
}

static bool is_busy(const struct ship *h, int64_t inode)
{
	const int64_t *b = map_get_u64(&h->plan.busy, (uint64_t)inode);

	return b && *b;
}

static int set_busy(struct ship *h, int64_t inode, int64_t on, struct err *err)
{
	int64_t *b = map_put_u64(&h->plan.busy, (uint64_t)inode, NULL, err);

	if (!b)
		return err->code;
	*b = on;
	return 0;
}

/* A place S wants for an inode of which T does not have all names: the first
 * one that T has not given it yet.  0: all are there. */
static int wanted_place(struct ship *h, int64_t inode, struct name_list *names,
			struct place *out, struct err *err)
{
	enum fsys_type type;
	int64_t there;
	size_t i;
	int r = store_names_of(h->s, inode, names, err);

	for (i = 0; r >= 0 && i < names->count; i++) {
		r = plan_get(h, names->rows[i].at, &there, &type, err);
		if (r < 0 || (r > 0 && there == inode))
			continue;
		*out = names->rows[i].at;
		return 1;
	}
	return r < 0 ? r : 0;
}

int place_complete(struct ship *h, int64_t inode, struct err *err)
{
	struct name_list names;
	struct place at;
	int r;

	name_list_init(&names);
	r = wanted_place(h, inode, &names, &at, err);
	name_list_release(&names);
	return r < 0 ? r : r == 0;
}

/* Does T have the inode under a name that S wants? */
static int has_good_name(struct ship *h, int64_t inode, struct err *err)
{
	struct name_list names;
	enum fsys_type type;
	int64_t there;
	bool good = false;
	size_t i;
	int r;

	name_list_init(&names);
	r = store_names_of(h->s, inode, &names, err);
	for (i = 0; r >= 0 && !good && i < names.count; i++) {
		r = plan_get(h, names.rows[i].at, &there, &type, err);
		good = r > 0 && there == inode;
	}
	name_list_release(&names);
	return r < 0 ? r : good;
}

/* Does S know the inode (is it alive)? */
static int known(struct ship *h, int64_t inode, struct err *err)
{
	struct inode_row row;

	return inode > 0 ? store_inode_get(h->s, inode, &row, err) : 0;
}

/* A directory that is to go is in the way. */
static int make_way(struct ship *h, struct place at, int64_t inode,
		    struct err *err)
{
	struct t_dir *was = map_put_u64(&h->plan.parked, (uint64_t)inode, NULL,
					err);

	if (!was)
		return err->code;
	was->at = at;
	was->at.name = arena_copy(&h->plan.arena, at.name, at.len, err);
	return was->at.name ? park(h, at, inode, FSYS_DIR, err) : err->code;
}

/* Make room under a name for `inode`. */
static int free_name(struct ship *h, struct place at, int64_t inode,
		     enum fsys_type type, struct err *err)
{
	enum fsys_type there_type;
	struct name_list names;
	struct place next;
	int64_t there, again;
	int r = plan_get(h, at, &there, &there_type, err);

	if (r <= 0 || there == inode)
		return r < 0 ? r : 0;
	r = known(h, there, err);
	if (r < 0)
		return r;
	/* Somebody else's directory stays, unless it is empty: the helper
	 * looks. */
	if (r == 0 && there < 0 && type != FSYS_DIR &&
	    (!h->o.delete_extras || h->extras_kept))
		return 0;
	/* It has no place any more.  Whoever comes replaces it in one step,
	 * unless it is a directory; an excluded one stays. */
	if (r == 0 && there_type != FSYS_DIR)
		return 0;
	if (r == 0) {
		struct name_row dir = {at, there, there_type};

		r = remove_excluded(h, &dir, err);
		if (r == 0)
			r = make_way(h, at, there, err);
		/* What of it is not ours goes into the one that comes. */
		if (r == 0 && type == FSYS_DIR)
			r = plan_touch(h, inode, err);
		return r < 0 ? r : 0;
	}
	/* A link that T has under another name which S wants may be replaced
	 * in one step: its other names are linked later. */
	if (there_type != FSYS_DIR) {
		r = has_good_name(h, there, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	name_list_init(&names);
	r = wanted_place(h, there, &names, &next, err);
	if (r > 0 && !is_busy(h, there) && h->plan.depth < DEPTH_MAX) {
		r = plan_set(h, at, there, there_type, err); /* this name */
		if (r == 0)
			r = place_moved(h, next, there, there_type, err);
	}
	name_list_release(&names);
	if (r < 0)
		return r;
	r = plan_get(h, at, &again, &there_type, err);
	if (r <= 0 || again != there)
		return r < 0 ? r : 0;
	return park(h, at, there, there_type, err);
}

/* A directory that shall move to a place below itself, as T has it now: one
 * on the way there waits, further up in the recursion, for this very move.
 * It goes to the limbo, with all below it, and moves on from there. */
static int leave(struct ship *h, int64_t dir, struct place at, struct err *err)
{
	int64_t up = at.parent, want, out = 0;
	struct place here, from = {0, "", 0};
	size_t depth = 0;
	int r = 1;

	while (r > 0 && up != dir && up != STORE_ROOT && up != STORE_LIMBO) {
		r = plan_where(h, up, FSYS_DIR, &here, err);
		if (r > 0 && out == 0) {
			r = store_name_get(h->s, here, &want, err);
			if (r >= 0 && want != up) {
				out = up;
				from = here;
			}
			r = r < 0 ? r : 1;
		}
		if (r > 0 && ++depth > PATH_DEPTH_MAX)
			r = err_set(err, ERR_VANISHED,
				    "a directory has no "
				    "place at the destination");
		up = here.parent;
	}
	if (r <= 0 || up != dir)
		return r < 0 ? r : 0;
	if (out == 0)
		return err_set(err, ERR_VANISHED,
			       "the snapshot has a directory in itself");
	return park(h, from, out, FSYS_DIR, err);
}

int place_moved(struct ship *h, struct place at, int64_t inode,
		enum fsys_type type, struct err *err)
{
	struct place from = {0, "", 0};
	int64_t wants = 0;
	int r = set_busy(h, inode, 1, err);

	h->plan.depth++;
	if (r == 0)
		r = place_dir(h, at.parent, err);
	if (r == 0)
		r = free_name(h, at, inode, type, err);
	if (r == 0)
		r = plan_where(h, inode, type, &from, err);
	if (r > 0 && type == FSYS_DIR) {
		r = leave(h, inode, at, err);
		r = r < 0 ? r : 1;
	}
	/* The name that should move may have been replaced on the way; one
	 * that S wants stays, and the new one will be a link. */
	if (r > 0) {
		r = store_name_get(h->s, from, &wants, err);
		r = r < 0 ? r : wants != inode;
	}
	if (r > 0)
		r = move_to(h, from, at, inode, type, false, err);
	h->plan.depth--;
	if (r >= 0)
		r = set_busy(h, inode, 0, err);
	return r;
}

static int make_dir(struct ship *h, struct place at,
		    const struct inode_row *row, struct err *err)
{
	struct op op = {.op = JOURNAL_MKDIR,
			.inode = row->id,
			.type = FSYS_DIR,
			.at = at,
			.attr = row->a};
	int r = free_name(h, at, row->id, FSYS_DIR, err);

	op.report.is_new = true;
	return r < 0 ? r : batch_put(h, &op, err);
}

/* One step of place_dir: all ancestors are in place. */
static int place_one(struct ship *h, int64_t dir, struct place at,
		     struct err *err)
{
	struct inode_row row;
	struct place from;
	int64_t there;
	enum fsys_type type;
	int r = plan_get(h, at, &there, &type, err);

	if (r < 0)
		return r;
	if (r == 0 || there != dir) {
		r = plan_where(h, dir, FSYS_DIR, &from, err);
		if (r > 0 && !is_busy(h, dir)) {
			r = place_moved(h, at, dir, FSYS_DIR, err);
		} else if (r == 0) {
			r = store_inode_get(h->s, dir, &row, err);
			if (r > 0)
				r = make_dir(h, at, &row, err);
			else if (r == 0)
				r = err_set(err, ERR_VANISHED,
					    "a directory has gone");
		}
		if (r < 0)
			return r;
	}
	return map_put_u64(&h->plan.placed, (uint64_t)dir, NULL, err)
		       ? 0
		       : err->code;
}

/* Up to the first ancestor that is in place, then down again. */
int place_dir(struct ship *h, int64_t dir, struct err *err)
{
	struct name_list chain;
	size_t n;
	int r = 0;

	name_list_init(&chain);
	while (r >= 0 && dir != STORE_ROOT && dir != STORE_LIMBO &&
	       !map_get_u64(&h->plan.placed, (uint64_t)dir)) {
		size_t before = chain.count;

		r = store_names_of(h->s, dir, &chain, err);
		if (r >= 0 && chain.count == before)
			r = err_set(err, ERR_VANISHED, "a directory has gone");
		else if (r >= 0 && before > PATH_DEPTH_MAX)
			r = err_set(err, ERR_VANISHED,
				    "the snapshot has a "
				    "directory in itself");
		if (r >= 0) {
			chain.count = before + 1;
			dir = chain.rows[before].at.parent;
		}
	}
	for (n = chain.count; r >= 0 && n > 0; n--)
		r = place_one(h, chain.rows[n - 1].inode, chain.rows[n - 1].at,
			      err);
	name_list_release(&chain);
	return r < 0 ? r : 0;
}

/* S wants the name no more.  What a filter says of it depends on where its
 * directory shall be. */
static int remove_lost(struct ship *h, const struct name_row *lost,
		       struct err *err)
{
	struct op op = {.op = JOURNAL_REMOVE,
			.inode = lost->inode,
			.type = lost->type,
			.at = lost->at};
	int r = known(h, lost->at.parent, err);

	if (r > 0)
		r = place_dir(h, lost->at.parent, err);
	if (r >= 0)
		r = remove_excluded(h, lost, err);
	if (r == 0)
		r = batch_put(h, &op, err);
	return r < 0 ? r : plan_set(h, lost->at, 0, FSYS_NONE, err);
}

/* One step: the name moves to where the inode is wanted, or goes.  1 if it
 * may still be there: another name of the inode has moved instead. */
static int settle_once(struct ship *h, const struct name_row *lost,
		       struct err *err)
{
	enum fsys_type type;
	struct name_list names;
	struct place at;
	int64_t there, want;
	int r = plan_get(h, lost->at, &there, &type, err);

	if (r <= 0 || there != lost->inode)
		return r < 0 ? r : 0;
	r = store_name_get(h->s, lost->at, &want, err);
	if (r < 0 || want == lost->inode)
		return r < 0 ? r : 0;
	name_list_init(&names);
	r = wanted_place(h, lost->inode, &names, &at, err);
	if (r > 0) {
		/* T may have it under several names: this one shall move. */
		r = plan_set(h, lost->at, lost->inode, lost->type, err);
		if (r == 0)
			r = place_moved(h, at, lost->inode, lost->type, err);
		r = r < 0 ? r : 1;
	} else if (r == 0 && want == 0) {
		r = remove_lost(h, lost, err);
	}
	name_list_release(&names);
	return r;
}

/* An inode that lives on has lost one of its names at the destination. */
static int settle_lost(struct ship *h, const struct name_row *lost,
		       struct err *err)
{
	struct name_list names;
	size_t tries;
	int r;

	name_list_init(&names);
	r = store_names_of(h->s, lost->inode, &names, err);
	tries = names.count + 1;
	name_list_release(&names);
	while (r >= 0 && tries-- > 0) {
		r = settle_once(h, lost, err);
		if (r == 0)
			break;
	}
	return r < 0 ? r : 0;
}

int place_all(struct ship *h, struct err *err)
{
	struct name_list page;
	struct place last = {-1, "", 0};
	char name[PATH_NAME_MAX + 1];
	size_t i;
	int r = 0;

	name_list_init(&page);
	do {
		struct sql *q = db_sql(
			store_db(h->s),
			"SELECT d.parent, d.name, d.inode, d.type"
			" FROM dest_name d JOIN inode i ON i.id = d.inode"
			" WHERE d.dest=?1 AND d.inode<>0 AND"
			" (d.parent, d.name) > (?2, ?3)"
			" ORDER BY d.parent, d.name LIMIT 512",
			err);

		if (!q) {
			r = err->code;
			break;
		}
		name_list_clear(&page);
		db_int(q, 1, h->d->id);
		db_int(q, 2, last.parent);
		db_blob(q, 3, last.name, last.len);
		while ((r = db_step(q, err)) > 0) {
			struct view v = db_col_blob(q, 1);
			struct place at = {db_col_int(q, 0), (const char *)v.p,
					   v.len};

			r = name_list_add(&page, at, db_col_int(q, 2),
					  (enum fsys_type)db_col_int(q, 3),
					  err);
			if (r < 0)
				break;
		}
		db_reset(q);
		for (i = 0; r >= 0 && i < page.count; i++)
			r = settle_lost(h, &page.rows[i], err);
		if (page.count) {
			last = page.rows[page.count - 1].at;
			memcpy(name, last.name, last.len);
			last.name = name;
		}
	} while (r >= 0 && page.count > 0);
	name_list_release(&page);
	return r < 0 ? r : 0;
}
