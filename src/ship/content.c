/*
 * New names and changed inodes, after the moves and the deletes: files with
 * their content, links, special files, metadata; directories' metadata last.
 */
#include <stdlib.h>
#include <string.h>

#include "ship_local.h"

/* A name that differs: what the mirror and what the snapshot have there. */
struct want {
	struct place at;
	int64_t have; /* 0: nothing */
	enum fsys_type have_type;
	struct inode_row row; /* what S has there */
	/* What was left of the file `left_by` that is nowhere else; 0: none. */
	int64_t left_by;
	struct hash left;
	uint64_t left_size;
};

/* ------------------------------------------------------------ one inode */

static int put_symlink(struct ship *h, struct op *op,
		       const struct inode_row *row, struct err *err)
{
	int r = send_target(h, op->at, row, err);

	if (r != SEND_STAGED)
		return r < 0 ? r : 0;
	op->op = JOURNAL_SYMLINK;
	op->attr = row->a;
	op->target = view_of(h->scratch.data, h->scratch.len);
	return batch_put(h, op, err);
}

static bool needs_meta(const struct attr *have, const struct attr *now)
{
	return !attr_same_meta(have, now) || have->mtime.s != now->mtime.s ||
	       have->mtime.ns != now->mtime.ns;
}

static int put_meta(struct ship *h, struct op *op, const struct attr *have,
		    const struct attr *now, struct err *err)
{
	if (!needs_meta(have, now))
		return notes_settled(h, op->inode, now, err);
	op->op = JOURNAL_META;
	op->attr = *now;
	op->report.was = *have;
	return batch_put(h, op, err);
}

/* have NULL: the destination does not have this inode under any name. */
static int put_file(struct ship *h, struct op *op, const struct inode_row *row,
		    const struct attr *have, struct err *err)
{
	struct attr now;
	int r = send_file(h, op->at, row, have, &now, &op->stage, err);

	if (r == SEND_SAME)
		return put_meta(h, op, have, &now, err);
	if (r != SEND_STAGED)
		return r < 0 ? r : 0;
	op->op = JOURNAL_FILE;
	op->attr = now;
	op->bytes = now.size;
	return batch_put(h, op, err);
}

/* The other names of an inode whose content was just put under one name. */
static int relink(struct ship *h, const struct op *first,
		  const struct inode_row *row, struct err *err)
{
	struct name_list names;
	size_t i;
	int r;

	name_list_init(&names);
	r = store_names_of(h->s, row->id, &names, err);
	for (i = 0; r >= 0 && i < names.count; i++) {
		struct op op = {.op = JOURNAL_LINK,
				.inode = row->id,
				.type = row->a.type,
				.at = names.rows[i].at,
				.from = first->at};
		enum fsys_type type;
		int64_t there;

		if (op.at.parent == first->at.parent &&
		    op.at.len == first->at.len &&
		    memcmp(op.at.name, first->at.name, op.at.len) == 0)
			continue;
		/* New names come when their turn comes. */
		r = plan_get(h, op.at, &there, &type, err);
		if (r <= 0 || there != row->id)
			continue;
		op.silent = true;
		r = batch_put(h, &op, err);
	}
	name_list_release(&names);
	return r < 0 ? r : 0;
}

/* Put an inode's content under a name, as a new object there. */
static int put_inode(struct ship *h, struct place at,
		     const struct inode_row *row, const struct attr *have,
		     struct err *err)
{
	struct op op = {.inode = row->id, .type = row->a.type, .at = at};
	uint64_t before = h->counts.operations;
	int r;

	op.report.is_new = !have;
	if (have)
		op.report.was = *have;
	switch (row->a.type) {
	case FSYS_FILE: r = put_file(h, &op, row, have, err); break;
	case FSYS_SYMLINK: r = put_symlink(h, &op, row, err); break;
	default:
		op.op = JOURNAL_NODE;
		op.attr = row->a;
		r = batch_put(h, &op, err);
		break;
	}
	if (r < 0 || h->counts.operations == before || row->nlink < 2)
		return r;
	/* T: this name has the inode, so that others can link to it. */
	r = plan_set(h, at, row->id, row->a.type, err);
	if (r == 0 && have && op.op != JOURNAL_META)
		r = relink(h, &op, row, err);
	return r;
}

/* ------------------------------------------------------------ names */

static int link_name(struct ship *h, const struct want *w, struct place home,
		     struct err *err)
{
	struct op op = {.op = JOURNAL_LINK,
			.inode = w->row.id,
			.type = w->row.a.type,
			.at = w->at,
			.from = home};

	op.report.is_new = w->have == 0;
	return batch_put(h, &op, err);
}

/* A file was replaced by another one (saved, or unpacked over it), and the old
 * one is nowhere else: the new one inherits what is there.  If its content is
 * the same, only its metadata travels.  true: *old is what is known of it. */
static bool heir(const struct want *w, struct attr *old)
{
	if (w->have <= 0 || w->have != w->left_by ||
	    w->row.a.type != FSYS_FILE || w->row.nlink > 1)
		return false;
	*old = w->row.a;
	old->mtime.ns = UINT32_MAX; /* not known: to be set in any case */
	old->hashed = true;
	old->hash = w->left;
	old->size = w->left_size;
	return true;
}

/* Nothing can be put under this name of an inode that has others: its content
 * goes to one of those.  1: *home. */
static int put_first(struct ship *h, const struct want *w, struct place *home,
		     struct err *err)
{
	uint64_t before = h->counts.operations;
	int r = home_other(h, w->at, w->row.id, home, err);

	if (r > 0)
		r = place_dir(h, home->parent, err);
	else
		return r;
	if (r == 0)
		r = put_inode(h, *home, &w->row, NULL, err);
	return r < 0 ? r : h->counts.operations != before;
}

/* 1: a new directory whose first name comes later, and has it made then: what is
 * made and filled in one batch gets its place at once (apply/fresh.c). */
static int can_wait(struct ship *h, const struct want *w, struct err *err)
{
	struct place at;
	struct sql *q;
	int r;

	if (w->have || w->row.id <= w->at.parent)
		return 0;
	r = plan_where(h, w->row.id, FSYS_DIR, &at, err);
	if (r != 0)
		return r < 0 ? r : 0;
	q = db_sql(store_db(h->s),
		   "SELECT 1 FROM dest_name d"
		   " CROSS JOIN name n ON n.parent=d.parent AND n.name=d.name"
		   " WHERE d.dest=?1 AND d.parent=?2 LIMIT 1",
		   err);
	if (!q)
		return err->code;
	db_int(q, 1, h->d->id);
	db_int(q, 2, w->row.id);
	r = db_step(q, err);
	db_reset(q);
	return r;
}

static int handle_name(struct ship *h, struct want *w, struct err *err)
{
	enum fsys_type type;
	uint64_t before;
	struct place home;
	struct attr old;
	int64_t there;
	int r;

	if (plan_changed(h, w->at, &there, &type)) {
		w->have = there;
		w->have_type = type;
	}
	if (w->have == w->row.id)
		return 0;
	if (w->row.a.type == FSYS_DIR) {
		r = can_wait(h, w, err);
		return r != 0 ? (r < 0 ? r : 0) : place_dir(h, w->row.id, err);
	}
	r = place_dir(h, w->at.parent, err);
	if (r < 0)
		return r;
	if (w->row.nlink > 1) {
		r = home_link(h, &w->row, &home, err);
		if (r == 0)
			r = put_first(h, w, &home, err);
		if (r != 0)
			return r < 0 ? r : link_name(h, w, home, err);
	}
	before = h->counts.operations;
	r = put_inode(h, w->at, &w->row, heir(w, &old) ? &old : NULL, err);
	/* What was there is no source of copies any more.  If nothing was put
	 * there (the file cannot be read now), it is not in its place. */
	if (r == 0 && w->have && h->counts.operations != before)
		r = plan_set(h, w->at, w->row.id, w->row.a.type, err);
	return r;
}

static int take_want(struct sql *q, struct want *w, struct arena *arena,
		     struct err *err)
{
	struct view v = db_col_blob(q, 1);

	memset(w, 0, sizeof(*w));
	w->at.parent = db_col_int(q, 0);
	w->at.len = v.len;
	w->at.name = arena_copy(arena, v.p, v.len, err);
	if (!w->at.name)
		return err->code;
	w->have = db_col_int(q, 2);
	w->have_type = (enum fsys_type)db_col_int(q, 3);
	v = db_col_blob(q, 4);
	if (v.len == HASH_SIZE && db_col_int(q, 6) == 1) {
		w->left_by = w->have;
		memcpy(w->left.b, v.p, HASH_SIZE);
		w->left_size = (uint64_t)db_col_int(q, 5);
	}
	store_row(q, 7, &w->row);
	return 0;
}

static int name_page(struct ship *h, struct place last, struct want *page,
		     size_t *count, struct arena *arena, struct err *err)
{
	struct sql *q = db_sql(
		store_db(h->s),
		"SELECT d.parent, d.name, d.inode, d.type, r.hash, r.size,"
		" CASE WHEN r.inode IS NULL THEN 0 ELSE"
		"  (SELECT count(*) FROM dest_name o INDEXED BY dest_name_inode"
		"   WHERE o.dest=?1 AND o.inode=r.inode AND o.inode<>0) END,"
		" " STORE_ROW(
			"i") " FROM dest_name d"
			     " CROSS JOIN name n ON n.parent=d.parent AND n.name=d.name"
			     " CROSS JOIN inode i ON i.id=n.inode"
			     " LEFT JOIN relic r ON r.dest=d.dest AND r.inode=d.inode"
			     " WHERE d.dest=?1 AND (d.parent, d.name) > (?2, ?3)"
			     " ORDER BY d.parent, d.name LIMIT 512",
		err);
	int r = 0;

	*count = 0;
	arena_clear(arena);
	if (!q)
		return err->code;
	db_int(q, 1, h->d->id);
	db_int(q, 2, last.parent);
	db_blob(q, 3, last.name, last.len);
	while (*count < PAGE_ROWS && (r = db_step(q, err)) > 0) {
		r = take_want(q, &page[(*count)++], arena, err);
		if (r < 0)
			break;
	}
	db_reset(q);
	return r;
}

/* Have the files of the page fetched while the first of them is handled. */
static int look_ahead(struct ship *h, struct ahead *a, const struct want *page,
		      size_t count, struct err *err)
{
	struct buf list, path;
	int64_t parent = -1;
	size_t i;
	int r = 0;

	if (!ahead_pays(a))
		return 0;
	buf_init(&list, PAGE_ROWS * (PATH_BYTES_MAX + PATH_NAME_MAX + 4u));
	buf_init(&path, PATH_BYTES_MAX);
	for (i = 0; r >= 0 && i < count; i++) {
		const struct place *at = &page[i].at;

		if (page[i].row.a.type != FSYS_FILE)
			continue;
		if (at->parent != parent) {
			parent = at->parent;
			buf_clear(&path);
			r = store_path(h->s, (struct place){parent, "", 0},
				       &path, err);
			if (r <= 0) /* it hangs nowhere by now */
				break;
			r = buf_put_u8(&list, '/', err);
			if (r == 0)
				r = buf_put(&list, path.data, path.len, err);
			if (r == 0)
				r = buf_put_u8(&list, 0, err);
		}
		if (r == 0)
			r = buf_put(&list, at->name, at->len, err);
		if (r == 0)
			r = buf_put_u8(&list, 0, err);
	}
	ahead_hand(a, &list);
	buf_release(&list);
	buf_release(&path);
	return r < 0 ? r : 0;
}

int content_names(struct ship *h, struct err *err)
{
	struct want *page = malloc(PAGE_ROWS * sizeof(*page));
	char name[PATH_NAME_MAX + 1];
	struct place last = {INT64_MIN, "", 0};
	struct ahead *ahead = ahead_new(h->root_fd);
	struct arena arena;
	size_t count = 0, i;
	int r = page ? 0 : err_set(err, ERR_MEMORY, "out of memory");

	arena_init(&arena);
	while (r >= 0) {
		r = name_page(h, last, page, &count, &arena, err);
		if (r < 0 || count == 0)
			break;
		r = look_ahead(h, ahead, page, count, err);
		for (i = 0; r >= 0 && i < count; i++)
			r = handle_name(h, &page[i], err);
		last = page[count - 1].at;
		memcpy(name, last.name, last.len);
		last.name = name;
	}
	ahead_free(ahead);
	arena_release(&arena);
	free(page);
	return r < 0 ? r : 0;
}

/* ------------------------------------------------------------ inodes */

static int handle_inode(struct ship *h, int64_t inode, struct err *err)
{
	struct inode_row row;
	struct attr have;
	struct place at;
	struct op op = {.inode = inode};
	int r;

	/* What M knows of it is older than what was just put there. */
	if (map_get_u64(&h->replaced, (uint64_t)inode))
		return 0;
	r = store_inode_get(h->s, inode, &row, err);
	if (r > 0)
		r = home_place(h, inode, &at, err);
	if (r <= 0) /* gone, or not there at all: names care for it */
		return r;
	r = mirror_inode(h->s, h->d->id, inode, &have, err);
	if (r <= 0)
		return r;
	if (attr_same(&row.a, &have)) /* S has learnt what D knew */
		return notes_settled(h, inode, &have, err);
	op.type = row.a.type;
	op.at = at;
	if (row.a.type != have.type)
		return put_inode(h, at, &row, &have, err);
	if (row.a.type == FSYS_FILE) {
		if (h->o.size_only && !h->o.checksum && have.size == row.a.size)
			return put_meta(h, &op, &have, &row.a, err);
		if (have.hashed && row.a.hashed && have.size == row.a.size &&
		    hash_equal(&have.hash, &row.a.hash))
			return put_meta(h, &op, &have, &row.a, err);
		if (!have.hashed && !row.a.hashed && have.size == row.a.size &&
		    have.mtime.s == row.a.mtime.s &&
		    have.mtime.ns == row.a.mtime.ns)
			return put_meta(h, &op, &have, &row.a, err);
	} else if (row.a.type == FSYS_SYMLINK
			   ? have.hashed && row.a.hashed &&
				     hash_equal(&have.hash, &row.a.hash)
			   : have.rdev_major == row.a.rdev_major &&
				     have.rdev_minor == row.a.rdev_minor) {
		return put_meta(h, &op, &have, &row.a, err);
	}
	return put_inode(h, at, &row, &have, err);
}

static int inode_page(struct ship *h, int64_t last, bool dirs, int64_t *page,
		      size_t *count, struct err *err)
{
	struct sql *q = db_sql(store_db(h->s),
			       "SELECT d.inode FROM dest_inode d"
			       " JOIN inode i ON i.id=d.inode"
			       " WHERE d.dest=?1 AND d.inode>?2 AND"
			       " (i.type=?3)=?4 ORDER BY d.inode LIMIT 512",
			       err);
	int r = 0;

	*count = 0;
	if (!q)
		return err->code;
	db_int(q, 1, h->d->id);
	db_int(q, 2, last);
	db_int(q, 3, FSYS_DIR);
	db_int(q, 4, dirs);
	while (*count < PAGE_ROWS && (r = db_step(q, err)) > 0)
		page[(*count)++] = db_col_int(q, 0);
	db_reset(q);
	return r;
}

int content_inodes(struct ship *h, struct err *err)
{
	int64_t page[PAGE_ROWS], last = INT64_MIN;
	size_t count, i;
	int r;

	do {
		r = inode_page(h, last, false, page, &count, err);
		for (i = 0; r >= 0 && i < count; i++)
			r = handle_inode(h, page[i], err);
		if (count)
			last = page[count - 1];
	} while (r >= 0 && count > 0);
	return r < 0 ? r : 0;
}

/* A file with the same size and times, whose content could have changed
 * unseen (it was too young when it was read): read it again. */
static int recheck_inode(struct ship *h, int64_t inode, struct err *err)
{
	struct attr have = {.type = FSYS_NONE}, now;
	struct inode_row row;
	struct place at;
	uint64_t stage;
	int r = store_inode_get(h->s, inode, &row, err);

	if (r > 0)
		r = mirror_inode(h->s, h->d->id, inode, &have, err);
	if (r > 0 && attr_same(&row.a, &have))
		return notes_settled(h, inode, &have, err);
	if (r <= 0 || row.a.type != FSYS_FILE || row.a.hashed || !have.hashed ||
	    have.size != row.a.size || needs_meta(&have, &row.a))
		return r < 0 ? r : 0;
	r = home_place(h, inode, &at, err);
	if (r > 0)
		r = send_file(h, at, &row, &have, &now, &stage, err);
	if (r == SEND_SAME && !needs_meta(&have, &now))
		return notes_settled(h, inode, &now, err);
	return r < 0 ? r : 0;
}

int content_recheck(struct ship *h, struct err *err)
{
	int64_t page[PAGE_ROWS], last = INT64_MIN;
	size_t count, i;
	int r;

	do {
		r = inode_page(h, last, false, page, &count, err);
		for (i = 0; r >= 0 && i < count; i++)
			r = recheck_inode(h, page[i], err);
		if (count)
			last = page[count - 1];
	} while (r >= 0 && count > 0);
	return r < 0 ? r : 0;
}

/* ------------------------------------------------------------ directories */

struct deep_dir {
	int64_t inode;
	size_t depth;
};

static int deepest_first(const void *a, const void *b)
{
	const struct deep_dir *x = a, *y = b;

	if (x->depth != y->depth)
		return x->depth < y->depth ? 1 : -1;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

/* Levels above a directory in T; 0 nowhere, 1 the root. */
static int depth_of(struct ship *h, int64_t dir, size_t *out, struct err *err)
{
	struct place at;
	int r;

	for (*out = 1; dir != STORE_ROOT; ++*out) {
		r = dir == STORE_LIMBO || *out > PATH_DEPTH_MAX
			    ? 0
			    : plan_where(h, dir, FSYS_DIR, &at, err);
		if (r <= 0) {
			*out = 0;
			return r;
		}
		dir = at.parent;
	}
	return 0;
}

static int put_dir(struct ship *h, int64_t inode, struct err *err)
{
	struct op op = {.op = JOURNAL_META,
			.inode = inode,
			.type = FSYS_DIR,
			.at_root = inode == STORE_ROOT};
	struct inode_row row;
	struct attr have;
	int r = store_inode_get(h->s, inode, &row, err);

	if (r > 0 && inode != STORE_ROOT)
		r = plan_where(h, inode, FSYS_DIR, &op.at, err);
	if (r > 0)
		r = mirror_inode(h->s, h->d->id, inode, &have, err);
	if (r <= 0)
		return r;
	op.attr = row.a;
	op.report.was = have;
	/* Only our own work in it, or a new one that was told already. */
	op.silent = attr_same_meta(&have, &row.a) &&
		    (have.mtime.ns == UINT32_MAX ||
		     (have.mtime.s == row.a.mtime.s &&
		      have.mtime.ns == row.a.mtime.ns));
	return batch_put(h, &op, err);
}

int content_dirs(struct ship *h, struct err *err)
{
	int64_t page[PAGE_ROWS], last = INT64_MIN;
	struct deep_dir *v = NULL;
	size_t count, n = 0, cap = 0, at = 0, i;
	struct view key;
	int r;

	do {
		r = inode_page(h, last, true, page, &count, err);
		for (i = 0; r >= 0 && i < count; i++)
			r = plan_touch(h, page[i], err);
		if (count)
			last = page[count - 1];
	} while (r >= 0 && count > 0);
	while (r >= 0 && map_next(&h->plan.touched, &at, &key)) {
		r = vec_grow((void **)&v, &cap, n + 1, sizeof(*v), err);
		if (r < 0)
			break;
		memcpy(&v[n].inode, key.p, sizeof(v[n].inode));
		r = depth_of(h, v[n].inode, &v[n].depth, err);
		n += v[n].depth > 0;
	}
	if (n)
		qsort(v, n, sizeof(*v), deepest_first);
	for (i = 0; r >= 0 && i < n; i++)
		r = put_dir(h, v[i].inode, err);
	free(v);
	return r < 0 ? r : 0;
}
