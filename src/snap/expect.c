/*
 * An operation failed since something was not there.  That is a surprise, and
 * a reason to list the destination, if the mirror says that it is; it is none
 * if something before it failed: below a directory that could not be made or
 * moved, a link to a file that found no room.
 */
#include <string.h>

#include "journal_local.h"
#include "snapsync/path.h"

int journal_follow(struct store *s, int64_t dest, struct view path,
		   struct place *at, int64_t *inode, enum fsys_type *type,
		   struct err *err)
{
	struct view name;
	int r = 1;

	at->parent = *inode = STORE_ROOT;
	*type = FSYS_DIR;
	while (r > 0 && path_next(&path, &name)) {
		if (*type != FSYS_DIR)
			return 0;
		at->parent = *inode;
		at->name = (const char *)name.p;
		at->len = name.len;
		r = mirror_get(s, dest, *at, inode, type, err);
		if (r == 0)
			*type = FSYS_NONE;
		if (r == 0 && path.len)
			return 0;
	}
	return r < 0 ? r : 1;
}

/* Is the parent, in the mirror, where this path says?  1 it is. */
static int leads_there(struct store *s, int64_t dest, int64_t parent,
		       struct view path, struct err *err)
{
	struct view up, name;
	struct buf way;
	int64_t top;
	int r;

	path_split(path, &up, &name);
	buf_init(&way, PATH_BYTES_MAX);
	r = mirror_path(s, dest, parent, &way, &top, err);
	if (r > 0)
		r = way.len == up.len &&
		    (up.len == 0 || memcmp(way.data, up.p, up.len) == 0);
	buf_release(&way);
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

/* What a link or a move takes is, in the mirror, where the row says. */
static int comes_from_there(struct store *s, int64_t dest,
			    const struct journal_row *row, struct err *err)
{
	int r;

	if (row->op != JOURNAL_LINK && row->op != JOURNAL_MOVE)
		return 1;
	r = leads_there(s, dest, row->from_parent, row->from, err);
	return r <= 0 ? r
		      : has(s, dest, journal_place(row->from_parent, row->from),
			    row->inode, err);
}

int journal_expected(struct store *s, int64_t dest,
		     const struct journal_row *row, struct err *err)
{
	int r = 1;

	if (row->parent < 0)
		return 0;
	r = leads_there(s, dest, row->parent, row->path, err);
	/* An heir's metadata goes to what M still has as another inode. */
	if (r > 0 && row->op == JOURNAL_META)
		r = has(s, dest, journal_place(row->parent, row->path), 0, err);
	if (r > 0)
		r = comes_from_there(s, dest, row, err);
	return r < 0 ? r : r == 0;
}

/* Metadata: of what is under the name, or an heir's, which is nowhere else. */
static int met(struct store *s, int64_t dest, const struct journal_row *row,
	       struct err *err)
{
	struct place at = journal_place(row->parent, row->path);
	struct name_list names;
	int r = has(s, dest, at, row->inode, err);

	if (r != 0 || row->type != FSYS_FILE)
		return r;
	r = has(s, dest, at, 0, err);
	if (r <= 0)
		return r;
	name_list_init(&names);
	r = mirror_names_of(s, dest, row->inode, &names, err);
	if (r >= 0)
		r = names.count == 0;
	name_list_release(&names);
	return r;
}

int journal_misled(struct store *s, int64_t dest, const struct journal_row *row,
		   struct err *err)
{
	int r;

	if (row->parent < 0)
		return 0;
	r = leads_there(s, dest, row->parent, row->path, err);
	if (r > 0 && row->op == JOURNAL_META)
		r = met(s, dest, row, err);
	if (r > 0 && row->op == JOURNAL_REMOVE)
		r = has(s, dest, journal_place(row->parent, row->path),
			row->inode, err);
	if (r > 0)
		r = comes_from_there(s, dest, row, err);
	return r < 0 ? r : r == 0;
}
