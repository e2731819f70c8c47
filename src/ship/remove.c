/*
 * Deletes: names that the destination has for inodes the snapshot does not
 * know any more, children before parents, one operation each.  What a new
 * entry of the same name will replace in one step is left to that.
 */
#include <stdlib.h>
#include <string.h>

#include "ship_local.h"

/* A directory on the way down. */
struct level {
	struct name_row row;
	struct name_list below;
	size_t next;
};

struct stack {
	struct level *v;
	size_t count, cap;
};

static int push(struct ship *h, struct stack *s, const struct name_row *row,
		struct err *err)
{
	struct level *l;
	int r = vec_grow((void **)&s->v, &s->cap, s->count + 1, sizeof(*s->v),
			 err);

	if (r < 0)
		return r;
	l = &s->v[s->count++];
	l->row = *row;
	l->next = 0;
	name_list_init(&l->below);
	if (row->type == FSYS_DIR)
		r = mirror_names_in(h->s, h->d->id, row->inode, &l->below, err);
	return r < 0 ? r : 0;
}

/* M does not have it any more; what was below it is nowhere then.  1. */
static int forget(struct ship *h, const struct name_row *row, struct err *err)
{
	int r = db_begin(store_db(h->s), err);

	if (r < 0)
		return r;
	r = mirror_set(h->s, h->d->id, row->at, 0, FSYS_NONE, err);
	if (r >= 0)
		r = db_commit(store_db(h->s), err);
	else
		db_rollback(store_db(h->s));
	return r < 0 ? r : 1;
}

int remove_excluded(struct ship *h, const struct name_row *row, struct err *err)
{
	enum msg_area area;
	struct buf path;
	int r;

	if (filter_empty(h->o.filter) || row->at.parent == STORE_LIMBO)
		return 0;
	buf_init(&path, PATH_BYTES_MAX + 512);
	r = plan_path(h, row->at, &path, &area, err);
	r = r < 0 ? (err_class(r) == ERR_CLASS_FATAL ? r : 0)
		  : area == MSG_TREE &&
			    !filter_wants(h->o.filter,
					  view_of(path.data, path.len),
					  row->type == FSYS_DIR);
	buf_release(&path);
	return r > 0 && !h->o.dry ? forget(h, row, err) : r;
}

/* below: in a directory that goes too, in which S has no names. */
static int remove_name(struct ship *h, const struct name_row *row, bool below,
		       struct err *err)
{
	struct op op = {.op = JOURNAL_REMOVE,
			.inode = row->inode,
			.type = row->type,
			.at = row->at};
	const struct t_dir *was;
	enum fsys_type type;
	int64_t there, want;
	int r = plan_get(h, row->at, &there, &type, err);

	if (r <= 0 || there != row->inode)
		return r;
	r = remove_excluded(h, row, err);
	if (r != 0)
		return r < 0 ? r : 0;
	op.silent = row->at.parent == STORE_LIMBO;
	was = map_get_u64(&h->plan.parked, (uint64_t)row->inode);
	if (was && op.silent)
		op.from = was->at;
	r = batch_put(h, &op, err);
	if (r >= 0 && row->type == FSYS_FILE)
		r = copy_removed(h, row->inode, err);
	if (r >= 0 && !below)
		r = store_name_get(h->s, row->at, &want, err);
	/* Who comes after us wants to know that the name is free. */
	if (r > 0 || row->at.parent == STORE_LIMBO)
		r = plan_set(h, row->at, 0, FSYS_NONE, err);
	return r;
}

/* Everything below row's directory, then row. */
static int remove_tree(struct ship *h, const struct name_row *row,
		       struct err *err)
{
	struct stack s = {NULL, 0, 0};
	struct inode_row alive;
	int r = remove_excluded(h, row, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = push(h, &s, row, err);
	while (r >= 0 && s.count > 0) {
		struct level *l = &s.v[s.count - 1];
		enum fsys_type type;
		int64_t there;

		if (l->next < l->below.count) {
			struct name_row *child = &l->below.rows[l->next++];

			r = store_inode_get(h->s, child->inode, &alive, err);
			if (r != 0)
				continue;
			if (child->type != FSYS_DIR) {
				r = remove_name(h, child, true, err);
				continue;
			}
			r = plan_get(h, child->at, &there, &type, err);
			if (r <= 0 || there != child->inode)
				continue;
			r = remove_excluded(h, child, err);
			if (r == 0)
				r = push(h, &s, child, err);
			continue;
		}
		r = remove_name(h, &l->row, s.count > 1, err);
		name_list_release(&l->below);
		s.count--;
	}
	while (s.count > 0)
		name_list_release(&s.v[--s.count].below);
	free(s.v);
	return r < 0 ? r : 0;
}

/* Still there. */
static int must_go(struct ship *h, const struct name_row *row, struct err *err)
{
	enum fsys_type type;
	int64_t there;
	int r = plan_get(h, row->at, &there, &type, err);

	return r > 0 ? there == row->inode : r;
}

/* Tops of what is gone: their parent lives on, or is the limbo.  Not what is
 * replaced in one step, that is by a non-directory of the same name. */
static int next_page(struct ship *h, struct place last, struct name_list *page,
		     struct err *err)
{
	struct sql *q = db_sql(
		store_db(h->s),
		"SELECT d.parent, d.name, d.inode, d.type FROM dest_name d"
		" WHERE d.dest=?1 AND d.inode<>0 AND"
		" (d.parent, d.name) > (?2, ?3)"
		" AND NOT EXISTS (SELECT 1 FROM inode i WHERE i.id=d.inode)"
		" AND (d.parent=0 OR EXISTS"
		"  (SELECT 1 FROM inode i WHERE i.id=d.parent))"
		" AND (d.parent=0 OR d.type=?4 OR NOT EXISTS (SELECT 1 FROM"
		"  name n WHERE n.parent=d.parent AND n.name=d.name))"
		" ORDER BY d.parent, d.name LIMIT 512",
		err);
	int r;

	name_list_clear(page);
	if (!q)
		return err->code;
	db_int(q, 1, h->d->id);
	db_int(q, 2, last.parent);
	db_blob(q, 3, last.name, last.len);
	db_int(q, 4, FSYS_DIR);
	while ((r = db_step(q, err)) > 0) {
		struct view v = db_col_blob(q, 1);
		struct place at = {db_col_int(q, 0), (const char *)v.p, v.len};

		r = name_list_add(page, at, db_col_int(q, 2),
				  (enum fsys_type)db_col_int(q, 3), err);
		if (r < 0)
			break;
	}
	db_reset(q);
	return r;
}

/* A link that waited in the limbo while all its names were made from another
 * one. */
static int remove_spare(struct ship *h, const struct name_row *row,
			struct err *err)
{
	int r = place_complete(h, row->inode, err);

	return r > 0 ? remove_name(h, row, false, err) : r;
}

/* What was parked in this run and has no place: not in dest_name yet. */
int remove_parked(struct ship *h, struct err *err)
{
	struct name_list parked;
	struct t_name *t;
	struct view key;
	size_t at = 0, i;
	int r = 0;

	name_list_init(&parked);
	while (r >= 0 && (t = map_next(&h->plan.names, &at, &key))) {
		struct place p;

		if (key.len <= sizeof(p.parent) || !t->inode)
			continue;
		memcpy(&p.parent, key.p, sizeof(p.parent));
		p.name = (const char *)key.p + sizeof(p.parent);
		p.len = key.len - sizeof(p.parent);
		if (p.parent == STORE_LIMBO)
			r = name_list_add(&parked, p, t->inode, t->type, err);
	}
	for (i = 0; r >= 0 && i < parked.count; i++) {
		struct inode_row alive;

		r = store_inode_get(h->s, parked.rows[i].inode, &alive, err);
		if (r == 0)
			r = remove_tree(h, &parked.rows[i], err);
		else if (r > 0 && parked.rows[i].type != FSYS_DIR)
			r = remove_spare(h, &parked.rows[i], err);
	}
	name_list_release(&parked);
	return r < 0 ? r : 0;
}

int remove_all(struct ship *h, struct err *err)
{
	char name[PATH_NAME_MAX + 1];
	struct place last = {INT64_MIN, "", 0};
	struct name_list page;
	size_t i;
	int r = remove_parked(h, err);

	name_list_init(&page);
	while (r >= 0) {
		r = next_page(h, last, &page, err);
		if (r < 0 || page.count == 0)
			break;
		for (i = 0; r >= 0 && i < page.count; i++) {
			r = must_go(h, &page.rows[i], err);
			if (r > 0)
				r = remove_tree(h, &page.rows[i], err);
		}
		last = page.rows[page.count - 1].at;
		memcpy(name, last.name, last.len);
		last.name = name;
	}
	name_list_release(&page);
	return r < 0 ? r : 0;
}
