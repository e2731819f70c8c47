/*
 * Directories that lie in each other.  No tree has that, but a walk takes time:
 * if A is moved into B after A's place was read, and B into A before theirs is,
 * then the snapshot has both below each other and neither below the root.
 */
#include "pass_local.h"
#include "snapsync/path.h"

/* Directories that are known to have lost a name, and have one that is not the
 * last pass's.  Each circle has one of them: the last pass has none. */
#define MOVED                                                                  \
	"SELECT n.parent, n.name, g.inode, g.type FROM temp.gone g"            \
	" JOIN name n ON n.inode=g.inode WHERE g.type=?1 AND NOT EXISTS"       \
	" (SELECT 1 FROM temp.gone h WHERE h.parent=n.parent AND"              \
	"  h.name=n.name AND h.inode=g.inode)"                                 \
	" UNION SELECT n.parent, n.name, b.inode, b.type FROM temp.brief b"    \
	" JOIN name n ON n.inode=b.inode WHERE b.type=?1 AND ?2"

static int moved_ones(struct pass *p, bool known, struct name_list *out,
		      struct err *err)
{
	struct sql *q = db_sql(store_db(p->s), MOVED, err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, FSYS_DIR);
	db_int(q, 2, !known);
	while ((r = db_step(q, err)) > 0) {
		struct view v = db_col_blob(q, 1);
		struct place at = {db_col_int(q, 0), (const char *)v.p, v.len};

		r = name_list_add(out, at, db_col_int(q, 2), FSYS_DIR, err);
		if (r < 0)
			break;
	}
	db_reset(q);
	return r;
}

/* Does the way up from the directory come back to it? */
static int in_itself(struct pass *p, int64_t dir, bool *out, struct err *err)
{
	struct name_list up;
	int64_t at = dir;
	size_t depth;
	int r = 0;

	*out = false;
	name_list_init(&up);
	for (depth = 0; depth <= PATH_DEPTH_MAX && at != STORE_ROOT; depth++) {
		name_list_clear(&up);
		r = store_names_of(p->s, at, &up, err);
		if (r < 0 || up.count == 0)
			break;
		at = up.rows[0].at.parent;
		*out = at == dir;
		if (*out)
			break;
	}
	name_list_release(&up);
	return r < 0 ? r : 0;
}

int circle_cut(struct pass *p, bool known, bool *any, struct err *err)
{
	struct name_list l;
	bool circle;
	size_t i;
	int r;

	if (!p->gone_table)
		return 0;
	name_list_init(&l);
	r = moved_ones(p, known, &l, err);
	for (i = 0; r >= 0 && i < l.count; i++) {
		const struct name_row *n = &l.rows[i];

		r = in_itself(p, n->inode, &circle, err);
		if (r < 0 || !circle)
			continue;
		*any = true;
		r = store_name_set(p->s, n->at, n->inode, n->type, 0, err);
		if (r == 0)
			r = store_print_drop(p->s, n->at.parent, err);
	}
	name_list_release(&l);
	return r < 0 ? r : 0;
}
