#include "snapsync/mirror.h"

#include <string.h>

#include "row.h"
#include "snapsync/path.h"
#include "store_local.h"

bool attr_same_meta(const struct attr *a, const struct attr *b)
{
	if (a->type != b->type || a->uid != b->uid || a->gid != b->gid)
		return false;
	return a->type == FSYS_SYMLINK || a->mode == b->mode;
}

bool attr_same(const struct attr *a, const struct attr *b)
{
	if (!attr_same_meta(a, b) || a->mtime.s != b->mtime.s ||
	    a->mtime.ns != b->mtime.ns)
		return false;
	if (a->type == FSYS_CHAR || a->type == FSYS_BLOCK)
		return a->rdev_major == b->rdev_major &&
		       a->rdev_minor == b->rdev_minor;
	if (a->type != FSYS_FILE && a->type != FSYS_SYMLINK)
		return true;
	return a->size == b->size && a->hashed == b->hashed &&
	       (!a->hashed || hash_equal(&a->hash, &b->hash));
}

/* Bind dest, parent, name as ?1 ?2 ?3. */
static struct sql *at_place(struct store *s, const char *text, int64_t dest,
			    struct place at, struct err *err)
{
	struct sql *q = db_sql(s->db, text, err);

	if (q) {
		db_int(q, 1, dest);
		db_int(q, 2, at.parent);
		db_blob(q, 3, at.name, at.len);
	}
	return q;
}

static int inode_type(struct store *s, int64_t id, enum fsys_type *type,
		      struct err *err)
{
	struct sql *q = db_sql(s->db, "SELECT type FROM inode WHERE id=?1",
			       err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, id);
	r = db_step(q, err);
	*type = r > 0 ? (enum fsys_type)db_col_int(q, 0) : FSYS_NONE;
	db_reset(q);
	return r;
}

int mirror_get(struct store *s, int64_t dest, struct place at, int64_t *inode,
	       enum fsys_type *type, struct err *err)
{
	struct sql *q = at_place(s,
				 "SELECT inode, type FROM dest_name"
				 " WHERE dest=?1 AND parent=?2 AND name=?3",
				 dest, at, err);
	int r = q ? db_step(q, err) : err->code;

	if (r > 0) {
		*inode = db_col_int(q, 0);
		*type = (enum fsys_type)db_col_int(q, 1);
		db_reset(q);
		return *inode != 0;
	}
	db_reset(q);
	if (r < 0)
		return r;
	*type = FSYS_NONE;
	r = store_name_get(s, at, inode, err);
	return r > 0 ? inode_type(s, *inode, type, err) : r;
}

/* Rows of (parent, name, inode, type) into the list. */
static int collect(struct sql *q, struct name_list *out, struct err *err)
{
	struct place at;
	struct view v;
	int r;

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

int mirror_names_besides(struct store *s, int64_t dest, int64_t inode,
			 struct place at, struct name_list *out,
			 struct err *err)
{
	struct sql *q = db_sql(
		s->db,
		/* The planner would rather walk all that differs.  The usual
		 * file has one name: the index alone says so. */
		"SELECT parent, name, inode, type FROM dest_name"
		" INDEXED BY dest_name_inode"
		" WHERE dest=?1 AND inode=?2 AND inode<>0"
		" AND (parent<>?3 OR name<>?4) UNION ALL"
		" SELECT n.parent, n.name, n.inode, i.type FROM name n"
		" CROSS JOIN inode i ON i.id=n.inode"
		" WHERE n.inode=?2 AND (n.parent<>?3 OR n.name<>?4)"
		" AND NOT EXISTS (SELECT 1 FROM dest_name d WHERE d.dest=?1"
		"  AND d.parent=n.parent AND d.name=n.name)",
		err);

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, inode);
	db_int(q, 3, at.parent);
	db_blob(q, 4, at.name, at.len);
	return collect(q, out, err);
}

int mirror_names_of(struct store *s, int64_t dest, int64_t inode,
		    struct name_list *out, struct err *err)
{
	struct place none = {INT64_MIN, "", 0};

	return mirror_names_besides(s, dest, inode, none, out, err);
}

int mirror_path(struct store *s, int64_t dest, int64_t inode, struct buf *out,
		int64_t *top, struct err *err)
{
	struct name_list names;
	size_t depth;
	int r = 1;

	name_list_init(&names);
	for (depth = 0; r > 0 && inode > STORE_ROOT; depth++) {
		const struct place *at;

		name_list_clear(&names);
		r = mirror_names_of(s, dest, inode, &names, err);
		if (r < 0 || names.count == 0 || depth > PATH_DEPTH_MAX) {
			r = r < 0 ? r : 0;
			break;
		}
		at = &names.rows[0].at;
		inode = at->parent;
		r = path_prepend(out, at->name, at->len, err);
		r = r < 0 ? (r == -ERR_MEMORY ? r : 0) : 1;
	}
	*top = inode;
	name_list_release(&names);
	return r;
}

int mirror_names_in(struct store *s, int64_t dest, int64_t parent,
		    struct name_list *out, struct err *err)
{
	struct sql *q = db_sql(
		s->db,
		"SELECT parent, name, inode, type FROM dest_name"
		" WHERE dest=?1 AND parent=?2 AND inode<>0 UNION ALL"
		" SELECT n.parent, n.name, n.inode, i.type FROM name n"
		" CROSS JOIN inode i ON i.id=n.inode"
		" WHERE n.parent=?2"
		" AND NOT EXISTS (SELECT 1 FROM dest_name d WHERE d.dest=?1"
		"  AND d.parent=n.parent AND d.name=n.name)"
		" ORDER BY name",
		err);

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, parent);
	return collect(q, out, err);
}

int mirror_inode(struct store *s, int64_t dest, int64_t inode, struct attr *out,
		 struct err *err)
{
	struct sql *q = db_sql(s->db,
			       "SELECT " ROW_ATTR " FROM dest_inode"
			       " WHERE dest=?1 AND inode=?2",
			       err);
	struct inode_row row;
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, inode);
	r = db_step(q, err);
	if (r > 0)
		row_get_attr(q, 0, out);
	db_reset(q);
	if (r != 0)
		return r;
	r = store_inode_get(s, inode, &row, err);
	if (r > 0)
		*out = row.a;
	return r;
}

/* Mostly M becomes what S says, and there was a difference.  1: so it was. */
static int drop_difference(struct store *s, int64_t dest, struct place at,
			   int64_t inode, struct err *err)
{
	struct sql *q = at_place(s,
				 "DELETE FROM dest_name WHERE dest=?1 AND"
				 " parent=?2 AND name=?3 AND ?4=(SELECT inode"
				 "  FROM name WHERE parent=?2 AND name=?3)",
				 dest, at, err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 4, inode);
	r = db_run(q, err);
	return r < 0 ? r : db_changes(s->db) > 0;
}

int mirror_set(struct store *s, int64_t dest, struct place at, int64_t inode,
	       enum fsys_type type, struct err *err)
{
	struct sql *q;
	int64_t want;
	int r = inode ? drop_difference(s, dest, at, inode, err) : 0;

	if (r != 0)
		return r < 0 ? r : 0;
	r = store_name_get(s, at, &want, err);
	if (r < 0)
		return r;
	if (want == inode) {
		/* Neither has it: what is there is not to be. */
		q = at_place(s,
			     "DELETE FROM dest_name WHERE dest=?1 AND"
			     " parent=?2 AND name=?3",
			     dest, at, err);
	} else {
		q = at_place(s,
			     "INSERT OR REPLACE INTO dest_name"
			     " VALUES(?1, ?2, ?3, ?4, ?5)",
			     dest, at, err);
	}
	if (!q)
		return err->code;
	if (want != inode) {
		db_int(q, 4, inode);
		db_int(q, 5, inode ? type : FSYS_NONE);
	}
	return db_run(q, err);
}

/* text is of one row, by destination and inode. */
static int delete_row(struct store *s, const char *text, int64_t dest,
		      int64_t inode, struct err *err)
{
	struct sql *q = db_sql(s->db, text, err);

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, inode);
	return db_run(q, err);
}

int mirror_adopt_inode(struct store *s, int64_t dest, int64_t inode,
		       struct err *err)
{
	return delete_row(s,
			  "DELETE FROM dest_inode WHERE dest=?1 AND inode=?2",
			  dest, inode, err);
}

int mirror_forget_relic(struct store *s, int64_t dest, int64_t inode,
			struct err *err)
{
	return delete_row(s, "DELETE FROM relic WHERE dest=?1 AND inode=?2",
			  dest, inode, err);
}

/* A file that S does not know any more has got this content there: a batch that
 * was on its way when the file went. */
static int set_relic(struct store *s, int64_t dest, int64_t inode,
		     const struct attr *a, struct err *err)
{
	struct sql *q;

	if (a->type != FSYS_FILE)
		return 0;
	if (!a->hashed)
		return mirror_forget_relic(s, dest, inode, err);
	q = db_sql(s->db, "INSERT OR REPLACE INTO relic VALUES(?1, ?2, ?3, ?4)",
		   err);
	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, inode);
	db_blob(q, 3, a->hash.b, HASH_SIZE);
	db_int(q, 4, (int64_t)a->size);
	return db_run(q, err);
}

int mirror_set_inode(struct store *s, int64_t dest, int64_t inode,
		     const struct attr *a, struct err *err)
{
	struct inode_row row;
	struct sql *q;
	int r = store_inode_get(s, inode, &row, err);

	if (r < 0)
		return r;
	if (r == 0) {
		r = set_relic(s, dest, inode, a, err);
		return r < 0 ? r : mirror_adopt_inode(s, dest, inode, err);
	}
	if (attr_same(&row.a, a))
		return mirror_adopt_inode(s, dest, inode, err);
	q = db_sql(s->db,
		   "INSERT OR REPLACE INTO dest_inode VALUES(?1, ?2, ?3, ?4,"
		   " ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
		   err);
	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, inode);
	row_put_attr(q, 3, a);
	return db_run(q, err);
}

int mirror_touch_inode(struct store *s, int64_t dest, int64_t inode,
		       struct err *err)
{
	struct attr a;
	int r;

	if (inode <= 0)
		return 0;
	r = mirror_inode(s, dest, inode, &a, err);
	if (r <= 0)
		return r;
	a.mtime.ns = UINT32_MAX; /* no real time: never equal */
	return mirror_set_inode(s, dest, inode, &a, err);
}

int mirror_drop_below(struct store *s, int64_t dest, int64_t parent,
		      struct err *err)
{
	struct sql *q = db_sql(s->db,
			       "DELETE FROM dest_name WHERE dest=?1 AND"
			       " parent=?2 AND NOT EXISTS"
			       " (SELECT 1 FROM inode WHERE id=?2)",
			       err);

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, parent);
	return db_run(q, err);
}

int mirror_pending(struct store *s, int64_t dest, int64_t *names,
		   int64_t *inodes, struct err *err)
{
	struct sql *q = db_sql(
		s->db,
		"SELECT (SELECT count(*) FROM dest_name WHERE dest=?1),"
		" (SELECT count(*) FROM dest_inode WHERE dest=?1)",
		err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	r = db_step(q, err);
	*names = r > 0 ? db_col_int(q, 0) : 0;
	*inodes = r > 0 ? db_col_int(q, 1) : 0;
	db_reset(q);
	return r < 0 ? r : 0;
}

/* The children that M has below `from` are now below `to`: what S says of
 * them there stays, what M had there is replaced. */
int mirror_rekey(struct store *s, int64_t dest, int64_t from, int64_t to,
		 struct err *err)
{
	struct name_list names;
	size_t i;
	int r;

	name_list_init(&names);
	r = mirror_names_in(s, dest, from, &names, err);
	for (i = 0; r >= 0 && i < names.count; i++) {
		struct place at = names.rows[i].at;

		r = mirror_set(s, dest, at, 0, FSYS_NONE, err);
		at.parent = to;
		if (r >= 0)
			r = mirror_set(s, dest, at, names.rows[i].inode,
				       names.rows[i].type, err);
	}
	name_list_release(&names);
	return r < 0 ? r : 0;
}

int mirror_lowest(struct store *s, int64_t dest, int64_t *out, struct err *err)
{
	struct sql *q = db_sql(
		s->db,
		"SELECT min(min(inode), -1) FROM dest_name WHERE dest=?1", err);
	int r;

	*out = -1;
	if (!q)
		return err->code;
	db_int(q, 1, dest);
	r = db_step(q, err);
	if (r > 0 && !db_col_null(q, 0))
		*out = db_col_int(q, 0);
	db_reset(q);
	return r < 0 ? r : 0;
}

int mirror_drop_strangers(struct store *s, int64_t dest, struct err *err)
{
	struct sql *q = db_sql(s->db,
			       "DELETE FROM dest_name WHERE dest=?1 AND"
			       " inode<0 AND NOT EXISTS (SELECT 1 FROM name n"
			       "  WHERE n.parent=dest_name.parent AND"
			       "  n.name=dest_name.name)",
			       err);

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	return db_run(q, err);
}

int mirror_drop_stranger(struct store *s, int64_t dest, struct place at,
			 struct err *err)
{
	struct sql *q = at_place(
		s,
		"WITH RECURSIVE below(i) AS (SELECT inode FROM dest_name"
		"  WHERE dest=?1 AND parent=?2 AND name=?3 AND inode<0"
		" UNION SELECT d.inode FROM below JOIN dest_name d"
		"  ON d.dest=?1 AND d.parent=below.i WHERE d.inode<0)"
		" DELETE FROM dest_name WHERE dest=?1"
		" AND inode IN (SELECT i FROM below)",
		dest, at, err);

	return q ? db_run(q, err) : err->code;
}

int mirror_drop_lost(struct store *s, int64_t dest, struct err *err)
{
	struct sql *q = db_sql(
		s->db,
		"WITH RECURSIVE lost(i) AS (SELECT d.parent FROM dest_name d"
		" WHERE d.dest=?1 AND d.parent<>0 AND d.inode<>0"
		" AND NOT EXISTS (SELECT 1 FROM inode o WHERE o.id=d.parent)"
		" AND NOT EXISTS (SELECT 1 FROM dest_name p INDEXED BY"
		"  dest_name_inode WHERE p.dest=?1 AND p.inode=d.parent AND"
		"  p.inode<>0) UNION SELECT d.inode FROM lost JOIN dest_name d"
		"  ON d.dest=?1 AND d.parent=lost.i WHERE d.inode<>0 AND NOT"
		"  EXISTS (SELECT 1 FROM inode o WHERE o.id=d.inode))"
		" DELETE FROM dest_name WHERE dest=?1 AND inode<>0"
		" AND parent IN (SELECT i FROM lost) AND NOT"
		" EXISTS (SELECT 1 FROM inode o WHERE o.id=dest_name.inode)",
		err);

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	return db_run(q, err);
}

int mirror_forget_dead(struct store *s, int64_t parent, struct err *err)
{
	struct sql *q = db_sql(
		s->db,
		"WITH RECURSIVE dead(i) AS (VALUES(?1) UNION SELECT d.inode"
		" FROM dead JOIN dest_name d ON d.dest IN (SELECT id FROM dest)"
		" AND d.parent=dead.i WHERE d.inode<>0 AND NOT EXISTS"
		" (SELECT 1 FROM inode o WHERE o.id=d.inode))"
		" DELETE FROM dest_name WHERE dest IN (SELECT id FROM dest)"
		" AND parent IN (SELECT i FROM dead) AND inode<>0 AND NOT"
		" EXISTS (SELECT 1 FROM inode o WHERE o.id=dest_name.inode)",
		err);

	if (!q)
		return err->code;
	db_int(q, 1, parent);
	return db_run(q, err);
}
