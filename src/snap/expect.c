/*
 * An operation failed since something was not there.  That is a surprise, and
 * a reason to list the destination, if the mirror says that it is; it is none
 * if something before it failed: below a directory that could not be made or
 * moved, a link to a file that found no room.
 */
#include <string.h>

#include "journal_local.h"
#include "snapsync/path.h"

static int put_first(struct buf *path, struct place at, struct err *err)
{
	struct buf longer;
	int r;

	buf_init(&longer, PATH_BYTES_MAX + PATH_NAME_MAX + 1);
	r = buf_put(&longer, at.name, at.len, err);
	if (r == 0 && path->len)
		r = buf_put_u8(&longer, '/', err);
	if (r == 0)
		r = buf_put(&longer, path->data, path->len, err);
	buf_release(path);
	*path = longer;
	return r;
}

/* Is the parent, in the mirror, where this path says?  1 it is. */
static int leads_there(struct store *s, int64_t dest, int64_t parent,
		       struct view path, struct err *err)
{
	struct view up, name;
	struct name_list names;
	struct buf way;
	size_t depth = 0;
	int r = 1;

	path_split(path, &up, &name);
	name_list_init(&names);
	buf_init(&way, PATH_BYTES_MAX + PATH_NAME_MAX + 1);
	while (r > 0 && parent > STORE_ROOT) {
		name_list_clear(&names);
		r = mirror_names_of(s, dest, parent, &names, err);
		if (r < 0)
			break;
		r = names.count > 0 && ++depth <= PATH_DEPTH_MAX &&
		    way.len + names.rows[0].at.len < PATH_BYTES_MAX;
		if (r > 0 && put_first(&way, names.rows[0].at, err) < 0)
			r = err->code;
		if (r > 0)
			parent = names.rows[0].at.parent;
	}
	if (r > 0)
		r = way.len == up.len &&
		    (up.len == 0 || memcmp(way.data, up.p, up.len) == 0);
	buf_release(&way);
	name_list_release(&names);
	return r;
}

/* inode 0: anything. */
static int has(struct store *s, int64_t dest, struct place at, int64_t inode,
	       struct err *err)
{
	enum fsys_type type;
	int64_t there = 0;
	int r = mirror_get(s, dest, at, &there, &type, err);

	return r < 0 ? r : r > 0 && (inode == 0 || there == inode);
}

int journal_expected(struct store *s, int64_t dest,
		     const struct journal_row *row, struct err *err)
{
	bool from = row->op == JOURNAL_LINK || row->op == JOURNAL_MOVE;
	int r = 1;

	if (row->parent < 0)
		return 0;
	r = leads_there(s, dest, row->parent, row->path, err);
	/* An heir's metadata goes to what M still has as another inode. */
	if (r > 0 && row->op == JOURNAL_META)
		r = has(s, dest, journal_place(row->parent, row->path), 0,
			err);
	if (r > 0 && from)
		r = leads_there(s, dest, row->from_parent, row->from, err);
	if (r > 0 && from)
		r = has(s, dest, journal_place(row->from_parent, row->from),
			row->inode, err);
	return r < 0 ? r : r == 0;
}
