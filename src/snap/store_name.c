#include <string.h>

#include "row.h"
#include "snapsync/path.h"
#include "store_local.h"

int store_name_get(struct store *s, struct place at, int64_t *inode,
		   struct err *err)
{
	struct sql *q = db_sql(
		s->db, "SELECT inode FROM name WHERE parent=?1 AND name=?2",
		err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, at.parent);
	db_blob(q, 2, at.name, at.len);
	r = db_step(q, err);
	*inode = r > 0 ? db_col_int(q, 0) : 0;
	db_reset(q);
	return r;
}

/* Keep what destination `dest` has under a name that changes from old to new:
 * remember old unless something is remembered already; and if that is what
 * the name becomes, there is no difference any more. */
static int keep_mirror(struct store *s, int64_t dest, struct place at,
		       int64_t old, enum fsys_type old_type, int64_t new,
		       struct err *err)
{
	struct sql *q = db_sql(s->db,
			       "INSERT OR IGNORE INTO dest_name"
			       " VALUES(?1, ?2, ?3, ?4, ?5)",
			       err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, at.parent);
	db_blob(q, 3, at.name, at.len);
	db_int(q, 4, old);
	db_int(q, 5, old ? old_type : FSYS_NONE);
	r = db_run(q, err);
	if (r < 0 || db_changes(s->db) > 0)
		return r;
	q = db_sql(s->db,
		   "DELETE FROM dest_name WHERE dest=?1 AND parent=?2 AND"
		   " name=?3 AND inode=?4",
		   err);
	if (!q)
		return err->code;
	db_int(q, 1, dest);
	db_int(q, 2, at.parent);
	db_blob(q, 3, at.name, at.len);
	db_int(q, 4, new);
	return db_run(q, err);
}

static int write_name(struct store *s, struct place at, int64_t inode,
		      struct err *err)
{
	struct sql *q =
		inode ? db_sql(s->db,
			       "INSERT OR REPLACE INTO name VALUES(?1, ?2, ?3)",
			       err)
		      : db_sql(s->db,
			       "DELETE FROM name WHERE parent=?1 AND name=?2",
			       err);

	if (!q)
		return err->code;
	db_int(q, 1, at.parent);
	db_blob(q, 2, at.name, at.len);
	if (inode)
		db_int(q, 3, inode);
	return db_run(q, err);
}

int store_name_set(struct store *s, struct place at, int64_t old,
		   enum fsys_type old_type, int64_t inode, struct err *err)
{
	size_t i;
	int r = 0;

	/* What the caller read may be older than his own last change. */
	if (old) {
		r = store_name_get(s, at, &old, err);
		if (r < 0)
			return r;
		r = 0;
	}
	if (old == inode)
		return 0;
	for (i = 0; r == 0 && i < s->dest_count; i++)
		r = keep_mirror(s, s->dests[i], at, old, old_type, inode, err);
	return r < 0 ? r : write_name(s, at, inode, err);
}

int store_name_forget(struct store *s, struct place at, struct err *err)
{
	struct sql *q = db_sql(
		s->db, "DELETE FROM dest_name WHERE parent=?1 AND name=?2",
		err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, at.parent);
	db_blob(q, 2, at.name, at.len);
	r = db_run(q, err);
	return r < 0 ? r : write_name(s, at, 0, err);
}

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

int store_names_of(struct store *s, int64_t inode, struct name_list *out,
		   struct err *err)
{
	struct sql *q = db_sql(s->db,
			       "SELECT n.parent, n.name, n.inode, i.type"
			       " FROM name n JOIN inode i ON i.id = n.inode"
			       " WHERE n.inode=?1",
			       err);

	if (!q)
		return err->code;
	db_int(q, 1, inode);
	return collect(q, out, err);
}

int store_names_in(struct store *s, int64_t parent, struct name_list *out,
		   struct err *err)
{
	struct sql *q = db_sql(s->db,
			       "SELECT n.parent, n.name, n.inode, i.type"
			       " FROM name n JOIN inode i ON i.id = n.inode"
			       " WHERE n.parent=?1 ORDER BY n.name",
			       err);

	if (!q)
		return err->code;
	db_int(q, 1, parent);
	return collect(q, out, err);
}

int store_path(struct store *s, struct place at, struct buf *out,
	       struct err *err)
{
	int64_t up = at.parent;
	size_t depth = 0;
	int r;

	buf_clear(out);
	if (at.len) {
		r = buf_put(out, at.name, at.len, err);
		if (r < 0)
			return r;
	}
	while (up != STORE_ROOT) {
		struct sql *q = db_sql(
			s->db, "SELECT parent, name FROM name WHERE inode=?1",
			err);

		if (!q)
			return err->code;
		db_int(q, 1, up);
		r = db_step(q, err);
		if (r > 0 && depth++ < PATH_DEPTH_MAX) {
			struct view name = db_col_blob(q, 1);

			up = db_col_int(q, 0);
			r = path_prepend(out, name.p, name.len, err);
			db_reset(q);
			if (r < 0)
				return r;
			continue;
		}
		db_reset(q);
		return r < 0 ? r : 0;
	}
	return 1;
}

int store_count_names(struct store *s, int64_t *out, struct err *err)
{
	struct sql *q = db_sql(s->db, "SELECT count(*) FROM name", err);
	int r = q ? db_step(q, err) : err->code;

	*out = r > 0 ? db_col_int(q, 0) : 0;
	db_reset(q);
	return r < 0 ? r : 0;
}
