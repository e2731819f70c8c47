/*
 * What is no longer there.  While the walk goes on, every name that loses its
 * inode is noted in the temporary table `gone`.  When it is over, an inode
 * that still has a name was moved or unlinked; one that has none (an orphan)
 * was deleted, with all below it.  Then the deletes are accepted or withheld.
 */
#include <stdlib.h>
#include <string.h>

#include "gone_local.h"
#include "snapsync/path.h"

int gone_push(struct pairs *w, int64_t was, int64_t now, struct err *err)
{
	int r = vec_grow((void **)&w->v, &w->cap, w->count + 1, sizeof(*w->v),
			 err);

	if (r < 0)
		return r;
	w->v[w->count].was = was;
	w->v[w->count++].now = now;
	return 0;
}

/* Does the last pass know the inode, so that its going is to be judged?  Else
 * one walk of this pass found it. */
bool gone_known(const struct pass *p, int64_t inode)
{
	return inode <= p->newest;
}

int gone_note(struct pass *p, struct place at, int64_t inode,
	      enum fsys_type type, struct err *err)
{
	struct sql *q;
	int r;

	if (!p->gone_table) {
		r = db_exec(store_db(p->s),
			    "CREATE TEMP TABLE IF NOT EXISTS gone(parent"
			    " INTEGER, name BLOB, inode INTEGER, type INTEGER,"
			    " PRIMARY KEY(parent, name)) WITHOUT ROWID;"
			    "CREATE TEMP TABLE IF NOT EXISTS brief(inode"
			    " INTEGER PRIMARY KEY, type INTEGER);"
			    "CREATE INDEX IF NOT EXISTS temp.gone_dir ON"
			    " gone(inode) WHERE type=2;"
			    "DELETE FROM temp.gone; DELETE FROM temp.brief;",
			    err);
		if (r < 0)
			return r;
		p->gone_table = true;
	}
	if (!gone_known(p, inode)) {
		q = db_sql(store_db(p->s),
			   "INSERT OR IGNORE INTO temp.brief VALUES(?1, ?2)",
			   err);
		if (!q)
			return err->code;
		db_int(q, 1, inode);
		db_int(q, 2, type);
		return db_run(q, err);
	}
	/* In a directory that the last pass does not know, it was for a walk
	 * only; where it was before is noted. */
	if (!gone_known(p, at.parent))
		return 0;
	/* The first owner of a name is the one of the last pass; and a
	 * directory's first name, since it has one, is the last pass's. */
	q = db_sql(store_db(p->s),
		   type == FSYS_DIR
			   ? "INSERT OR IGNORE INTO temp.gone SELECT ?1, ?2,"
			     " ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM"
			     " temp.gone WHERE type=2 AND inode=?3)"
			   : "INSERT OR IGNORE INTO temp.gone"
			     " VALUES(?1, ?2, ?3, ?4)",
		   err);
	if (!q)
		return err->code;
	db_int(q, 1, at.parent);
	db_blob(q, 2, at.name, at.len);
	db_int(q, 3, inode);
	db_int(q, 4, type);
	return db_run(q, err);
}

/* Does one of the names of an inode hang on the root? */
static int hangs(struct pass *p, const struct name_list *names, bool *out,
		 struct err *err)
{
	struct buf path;
	size_t i;
	int r = 0;

	*out = false;
	buf_init(&path, 1 << 24);
	for (i = 0; r >= 0 && !*out && i < names->count; i++) {
		r = store_path(p->s, names->rows[i].at, &path, err);
		*out = r > 0;
	}
	buf_release(&path);
	return r < 0 ? r : 0;
}

/* Rows of gone into out: of inodes without a name, or, `with`, of files that
 * have one. */
static int rows_of_gone(struct pass *p, bool with, struct name_list *out,
			struct err *err)
{
	struct sql *q = db_sql(
		store_db(p->s),
		with ? "SELECT g.parent, g.name, g.inode, g.type FROM"
		       " temp.gone g WHERE g.type<>?1 AND EXISTS"
		       " (SELECT 1 FROM name n WHERE n.inode = g.inode)"
		     : "SELECT g.parent, g.name, g.inode, g.type FROM"
		       " temp.gone g JOIN inode i ON i.id = g.inode WHERE NOT"
		       " EXISTS (SELECT 1 FROM name n WHERE n.inode = g.inode)",
		err);
	struct place at;
	struct view v;
	int r;

	if (!q)
		return err->code;
	if (with)
		db_int(q, 1, FSYS_DIR);
	while ((r = db_step(q, err)) > 0) {
		v = db_col_blob(q, 1);
		at.parent = db_col_int(q, 0);
		at.name = (const char *)v.p;
		at.len = v.len;
		r = name_list_add(out, at, db_col_int(q, 2),
				  (enum fsys_type)db_col_int(q, 3), err);
		if (r < 0)
			break;
	}
	db_reset(q);
	return r;
}

int gone_orphans(struct pass *p, struct name_list *out, struct err *err)
{
	return p->gone_table ? rows_of_gone(p, false, out, err) : 0;
}

int gone_lost(struct pass *p, struct name_list *out, struct err *err)
{
	struct name_list some, names;
	bool any_dir = false, lives;
	size_t i;
	int r = gone_orphans(p, out, err);

	for (i = 0; i < out->count; i++)
		any_dir = any_dir || out->rows[i].type == FSYS_DIR;
	if (r < 0 || !any_dir)
		return r;
	/* Linked names: all that are left may lie in what has gone. */
	name_list_init(&some);
	name_list_init(&names);
	r = rows_of_gone(p, true, &some, err);
	for (i = 0; r >= 0 && i < some.count; i++) {
		const struct name_row *n = &some.rows[i];

		name_list_clear(&names);
		r = store_names_of(p->s, n->inode, &names, err);
		if (r >= 0)
			r = hangs(p, &names, &lives, err);
		if (r >= 0 && !lives)
			r = name_list_add(out, n->at, n->inode, n->type, err);
	}
	name_list_release(&names);
	name_list_release(&some);
	return r < 0 ? r : 0;
}

int gone_any(struct pass *p, bool *out, struct err *err)
{
	struct sql *q;
	int r;

	*out = false;
	if (!p->gone_table)
		return 0;
	q = db_sql(
		store_db(p->s),
		"SELECT 1 FROM temp.gone g JOIN inode i ON i.id = g.inode"
		" WHERE NOT EXISTS"
		" (SELECT 1 FROM name n WHERE n.inode = g.inode)"
		" AND (g.type=?1 OR NOT EXISTS (SELECT 1 FROM name n"
		"  JOIN inode o ON o.id=n.inode WHERE n.parent=g.parent"
		"  AND n.name=g.name AND o.type<>?1))"
		/* What lies in one of these may have gone with it. */
		" UNION ALL SELECT 1 FROM temp.brief b WHERE b.type=?1"
		" AND NOT EXISTS (SELECT 1 FROM name n WHERE n.inode=b.inode)"
		" AND EXISTS (SELECT 1 FROM name n WHERE n.parent=b.inode)"
		" LIMIT 1",
		err);
	if (!q)
		return err->code;
	db_int(q, 1, FSYS_DIR);
	r = db_step(q, err);
	db_reset(q);
	*out = r > 0;
	return r < 0 ? r : 0;
}

/* What S has under a name now. */
int gone_occupant(struct pass *p, struct place at, int64_t *inode,
		  enum fsys_type *type, struct err *err)
{
	struct inode_row row;
	int r = store_name_get(p->s, at, inode, err);

	*type = FSYS_NONE;
	if (r <= 0)
		return r;
	r = store_inode_get(p->s, *inode, &row, err);
	if (r > 0)
		*type = row.a.type;
	return r;
}

/* Does the inode, of which one name is known to have gone with its directory,
 * still have another one, that hangs on the root? */
static int alive(struct pass *p, int64_t inode, bool *out, struct err *err)
{
	struct name_list names;
	int r;

	*out = false;
	name_list_init(&names);
	r = store_names_of(p->s, inode, &names, err);
	if (r >= 0 && names.count > 1)
		r = hangs(p, &names, out, err);
	name_list_release(&names);
	return r < 0 ? r : 0;
}

/* Entries below a directory that is gone which have no successor under the
 * same name in what stands there now, and no other name. */
static int count_below(struct pass *p, struct pairs *work, uint64_t *count,
		       struct err *err)
{
	struct pair at = work->v[--work->count];
	struct name_list names;
	bool lives;
	size_t i;
	int r;

	name_list_init(&names);
	r = store_names_in(p->s, at.was, &names, err);
	for (i = 0; r >= 0 && i < names.count; i++) {
		struct name_row *n = &names.rows[i];
		struct place there = {at.now, n->at.name, n->at.len};
		enum fsys_type type = FSYS_NONE;
		int64_t now = 0;

		r = alive(p, n->inode, &lives, err);
		if (r >= 0 && !lives && at.now)
			r = gone_occupant(p, there, &now, &type, err);
		if (r < 0 || lives)
			continue;
		if (!now)
			++*count;
		if (n->type == FSYS_DIR)
			r = gone_push(work, n->inode,
				      type == FSYS_DIR ? now : 0, err);
	}
	name_list_release(&names);
	return r < 0 ? r : 0;
}

int gone_count(struct pass *p, uint64_t *out, struct err *err)
{
	struct pairs work = {NULL, 0, 0};
	struct name_list l;
	enum fsys_type type;
	int64_t now;
	size_t i;
	int r;

	*out = 0;
	name_list_init(&l);
	r = gone_lost(p, &l, err);
	for (i = 0; r >= 0 && i < l.count; i++) {
		bool dir = l.rows[i].type == FSYS_DIR;

		r = dir ? gone_occupant(p, l.rows[i].at, &now, &type, err)
			: store_name_get(p->s, l.rows[i].at, &now, err);
		if (r < 0)
			break;
		*out += now == 0;
		if (dir)
			r = gone_push(&work, l.rows[i].inode,
				      type == FSYS_DIR ? now : 0, err);
	}
	while (r >= 0 && work.count > 0)
		r = count_below(p, &work, out, err);
	free(work.v);
	name_list_release(&l);
	return r < 0 ? r : 0;
}

int gone_nameless(struct pass *p, int64_t inode, bool *out, struct err *err)
{
	struct sql *q = db_sql(store_db(p->s),
			       "SELECT 1 FROM name WHERE inode=?1 LIMIT 1",
			       err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, inode);
	r = db_step(q, err);
	*out = r == 0;
	db_reset(q);
	return r < 0 ? r : 0;
}

/* An orphan on its way out of the snapshot. */
struct leaving {
	int64_t inode;
	enum fsys_type type;
	char *path; /* where it was; NULL: no filter asks */
	size_t path_len;
	bool forget; /* destinations forget it too */
};

struct leavings {
	struct leaving *v;
	size_t count, cap;
};

static int leave(struct leavings *w, int64_t inode, enum fsys_type type,
		 struct view path, bool forget, struct err *err)
{
	struct leaving *l;
	char *copy = NULL;
	int r = vec_grow((void **)&w->v, &w->cap, w->count + 1, sizeof(*w->v),
			 err);

	if (r < 0)
		return r;
	if (path.p) {
		copy = malloc(path.len + 1);
		if (!copy)
			return err_set(err, ERR_MEMORY, "out of memory");
		memcpy(copy, path.p, path.len);
	}
	l = &w->v[w->count++];
	l->inode = inode;
	l->type = type;
	l->path = copy;
	l->path_len = path.len;
	l->forget = forget;
	return 0;
}

/* One child of what leaves.  What the filter does not want (any more) stays
 * at the destinations. */
static int child_leaves(struct pass *p, struct leavings *work,
			const struct leaving *l, const struct name_row *n,
			struct err *err)
{
	struct view path = {NULL, 0, false};
	bool forget = l->forget, orphan;
	struct buf b;
	int r = 0;

	buf_init(&b, 1 << 24);
	if (l->path) {
		r = buf_put(&b, l->path, l->path_len, err);
		if (r == 0)
			r = path_push(&b, n->at.name, n->at.len, err);
		path = view_of(b.data, b.len);
		forget = forget ||
			 !filter_wants(p->o->filter, path, n->type == FSYS_DIR);
	}
	if (r == 0)
		r = forget ? store_name_forget(p->s, n->at, err)
			   : store_name_set(p->s, n->at, n->inode, n->type, 0,
					    err);
	if (r >= 0)
		r = gone_nameless(p, n->inode, &orphan, err);
	if (r >= 0 && orphan)
		r = leave(work, n->inode, n->type, path, forget, err);
	buf_release(&b);
	return r;
}

/* Take an orphan out of the snapshot; its children that have no other name
 * join the work. */
static int remove_one(struct pass *p, struct leavings *work, struct err *err)
{
	struct leaving l = work->v[--work->count];
	struct name_list names;
	size_t i;
	int r = 0;

	name_list_init(&names);
	if (l.type == FSYS_DIR)
		r = store_names_in(p->s, l.inode, &names, err);
	for (i = 0; r >= 0 && i < names.count; i++)
		r = child_leaves(p, work, &l, &names.rows[i], err);
	name_list_release(&names);
	free(l.path);
	if (r >= 0 && l.type == FSYS_DIR)
		r = store_unseen(p->s, l.inode, err);
	p->seen_again = p->seen_again || r > 0;
	if (r >= 0 && l.forget && l.type == FSYS_DIR)
		r = mirror_forget_dead(p->s, l.inode, err);
	return r < 0 ? r : store_inode_remove(p->s, l.inode, l.type, err);
}

/* at: the name it had, or NULL if no filter is to be asked. */
static int remove_tree(struct pass *p, int64_t inode, enum fsys_type type,
		       const struct place *at, bool forget, struct err *err)
{
	struct leavings work = {NULL, 0, 0};
	struct buf path;
	int r = 0;

	buf_init(&path, 1 << 24);
	if (at && !filter_empty(p->o->filter))
		r = store_path(p->s, *at, &path, err);
	if (r >= 0)
		r = leave(&work, inode, type,
			  r > 0 ? view_of(path.data, path.len)
				: (struct view){NULL, 0, false},
			  forget, err);
	while (r >= 0 && work.count > 0)
		r = remove_one(p, &work, err);
	while (work.count > 0)
		free(work.v[--work.count].path);
	free(work.v);
	buf_release(&path);
	return r < 0 ? r : 0;
}

/* Inodes that a walk of this pass found and a later one did not, nameless now. */
static int brief_ones(struct pass *p, struct leavings *out, struct err *err)
{
	struct sql *q = db_sql(store_db(p->s),
			       "SELECT b.inode, i.type FROM temp.brief b"
			       " JOIN inode i ON i.id=b.inode WHERE NOT EXISTS"
			       " (SELECT 1 FROM name n WHERE n.inode=b.inode)",
			       err);
	int r;

	if (!q)
		return err->code;
	while ((r = db_step(q, err)) > 0) {
		r = leave(out, db_col_int(q, 0),
			  (enum fsys_type)db_col_int(q, 1),
			  (struct view){NULL, 0, false}, false, err);
		if (r < 0)
			break;
	}
	db_reset(q);
	return r;
}

/* What lay in one of them: another brief one goes with it; what the last pass
 * knows stays, without a name, to be judged. */
static int drop_brief(struct pass *p, struct leavings *work, struct err *err)
{
	struct leaving l = work->v[--work->count];
	struct name_list names;
	bool orphan;
	size_t i;
	int r = 0;

	name_list_init(&names);
	if (l.type == FSYS_DIR)
		r = store_names_in(p->s, l.inode, &names, err);
	for (i = 0; r >= 0 && i < names.count; i++) {
		struct name_row *n = &names.rows[i];

		r = store_name_set(p->s, n->at, n->inode, n->type, 0, err);
		if (r >= 0)
			r = gone_nameless(p, n->inode, &orphan, err);
		if (r >= 0 && orphan && !gone_known(p, n->inode))
			r = leave(work, n->inode, n->type,
				  (struct view){NULL, 0, false}, false, err);
	}
	name_list_release(&names);
	return r < 0 ? r : store_inode_remove(p->s, l.inode, l.type, err);
}

int gone_brief(struct pass *p, struct err *err)
{
	struct leavings work = {NULL, 0, 0};
	int r = p->gone_table ? brief_ones(p, &work, err) : 0;

	while (r >= 0 && work.count > 0)
		r = drop_brief(p, &work, err);
	free(work.v);
	return r < 0 ? r : 0;
}

int gone_leave_excluded(struct pass *p, struct err *err)
{
	struct inode_row parent;
	struct name_list l;
	size_t i;
	int r;

	name_list_init(&l);
	r = gone_orphans(p, &l, err);
	for (i = 0; r >= 0 && i < l.count; i++) {
		const struct name_row *n = &l.rows[i];

		r = store_inode_get(p->s, n->at.parent, &parent, err);
		if (r != 0)
			continue;
		r = store_name_forget(p->s, n->at, err);
		if (r == 0)
			r = remove_tree(p, n->inode, n->type, NULL, true, err);
	}
	name_list_release(&l);
	return r < 0 ? r : 0;
}

int gone_accept(struct pass *p, struct err *err)
{
	struct name_list l;
	size_t i;
	int r;

	name_list_init(&l);
	r = gone_orphans(p, &l, err);
	for (i = 0; r >= 0 && i < l.count; i++)
		r = remove_tree(p, l.rows[i].inode, l.rows[i].type,
				&l.rows[i].at, false, err);
	name_list_release(&l);
	return r < 0 ? r : 0;
}

int gone_forget(struct pass *p, struct place at, int64_t inode,
		enum fsys_type type, struct err *err)
{
	bool orphan;
	int r = store_name_forget(p->s, at, err);

	if (r == 0)
		r = gone_nameless(p, inode, &orphan, err);
	if (r == 0 && orphan)
		r = remove_tree(p, inode, type, NULL, true, err);
	return r;
}
