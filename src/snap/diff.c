#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pass_local.h"
#include "snapsync/clock.h"
#include "snapsync/path.h"
#include "snapsync/problem.h"

#define TARGET_MAX 65536

/* ------------------------------------------------------------ rows */

/* Names and inode rows of the directory, ordered by name. */
static int load_rows(struct pass *p, int64_t dir, struct err *err)
{
	struct sql *q = db_sql(
		store_db(p->s),
		"SELECT n.name, " STORE_ROW(
			"i") " FROM name n"
			     " JOIN inode i ON i.id = n.inode WHERE n.parent=?1"
			     " ORDER BY n.name",
		err);
	struct inode_row *row;
	struct view name;
	struct place at;
	int r;

	name_list_clear(&p->names);
	if (!q)
		return err->code;
	db_int(q, 1, dir);
	while ((r = db_step(q, err)) > 0) {
		name = db_col_blob(q, 0);
		at.parent = dir;
		at.name = (const char *)name.p;
		at.len = name.len;
		r = vec_grow((void **)&p->rows, &p->rows_cap,
			     p->names.count + 1, sizeof(*p->rows), err);
		if (r < 0)
			break;
		row = &p->rows[p->names.count];
		store_row(q, 1, row);
		r = name_list_add(&p->names, at, row->id, row->a.type, err);
		if (r < 0)
			break;
	}
	db_reset(q);
	return r;
}

static void row_of(const struct scan_entry *e, int64_t dev,
		   struct inode_row *row)
{
	memset(row, 0, sizeof(*row));
	row->dev = dev;
	row->ino = e->st.ino;
	row->birth = e->st.birth;
	row->ctime = pass_time(e->st.ctime);
	row->nlink = e->st.nlink;
	row->a.type = e->st.type;
	row->a.mode = e->st.mode;
	row->a.uid = e->st.uid;
	row->a.gid = e->st.gid;
	row->a.rdev_major = e->st.rdev_major;
	row->a.rdev_minor = e->st.rdev_minor;
	row->a.size = e->st.size;
	row->a.mtime = e->st.mtime;
}

/* A symbolic link's content is its target, and is read at once. */
static int read_target(struct pass *p, const struct scan_dir *dir,
		       const struct scan_entry *e, struct inode_row *row,
		       struct err *err)
{
	char *target = malloc(TARGET_MAX);
	int64_t read_at = clock_real();
	ssize_t n;

	if (!target)
		return err_set(err, ERR_MEMORY, "out of memory");
	if (fsys_young(&e->st, read_at)) {
		row->flags |= STORE_YOUNG;
		p->young = true;
	}
	n = fsys_readlink(dir->fd, e->name, target, TARGET_MAX, err);
	if (n >= 0) {
		row->a.hash = hash_of(target, (size_t)n, store_seed(p->s));
		row->a.hashed = true;
		row->a.size = (uint64_t)n;
	} else {
		row->flags |= STORE_YOUNG; /* to be read the next time */
	}
	free(target);
	return 0;
}

/* The inode is the one of the row, looked at again. `explained`: a changed
 * ctime is no wonder, since its names changed. */
static int compare_inode(struct pass *p, const struct scan_dir *dir,
			 const struct scan_entry *e, struct inode_row *old,
			 struct inode_row *new, bool explained, struct err *err)
{
	struct inode_row was = *old;
	bool same_stat = old->ctime == new->ctime && old->nlink == new->nlink &&
			 old->dev == new->dev && old->ino == new->ino &&
			 old->a.size == new->a.size &&
			 old->a.mode == new->a.mode &&
			 old->a.uid == new->a.uid && old->a.gid == new->a.gid &&
			 old->a.mtime.s == new->a.mtime.s &&
			 old->a.mtime.ns == new->a.mtime.ns;
	bool young = old->flags & STORE_YOUNG;
	int r;

	new->id = old->id;
	if (same_stat && !young) {
		*new = *old;
		return 0;
	}
	/* A number given anew to the same name: its other names are to be
	 * known by the birth it has now. */
	if (!new->birth && same_stat)
		new->birth = old->birth;
	if (new->a.type == FSYS_SYMLINK) {
		r = read_target(p, dir, e, new, err);
		if (r < 0 || (same_stat && !new->a.hashed))
			return r; /* what is known of it stays as it was */
		/* Only known to be old enough now. */
		if (same_stat && attr_same(&old->a, &new->a))
			return store_inode_known(p->s, old->id, &new->a.hash,
						 new->flags, err);
	}
	/* A new ctime with the same size and mtime can be an edit whose mtime
	 * was put back: the content is read again before it counts as known.
	 * Where it never was known (adopted by size and mtime), a change of
	 * owner, mode or names explains the new ctime; nothing else does. */
	if (new->a.type == FSYS_FILE && !old->a.hashed && !explained &&
	    old->nlink == new->nlink &&attr_same_meta(&old->a, &new->a) &&
	    old->a.mtime.s == new->a.mtime.s &&
	    old->a.mtime.ns == new->a.mtime.ns) {
		was.a.hashed = true;
		memset(&was.a.hash, 0, sizeof(was.a.hash));
	}
	if (new->a.type == FSYS_DIR && old->ctime != new->ctime &&
	    !map_put_u64(&p->touched, (uint64_t)old->id, NULL, err))
		return err->code;
	p->walk_changes++;
	return store_inode_set(p->s, &was, new, err);
}

/* ------------------------------------------------------------ names */

static int by_name(const void *a, const void *b)
{
	const struct scan_entry *x = *(const struct scan_entry *const *)a;
	const struct scan_entry *y = *(const struct scan_entry *const *)b;

	return path_compare(x->name, x->len, y->name, y->len);
}

/* A known directory turned up under another name: was it moved, or is it in
 * the tree twice (a bind mount)?  1 if the old name still leads to it. */
static int still_there(struct pass *p, const struct name_row *old,
		       const struct inode_row *row, uint64_t st_dev,
		       struct err *err)
{
	char one[PATH_NAME_MAX + 1] = "";
	struct view parent, name;
	struct fsys_stat st;
	struct buf path;
	int r, fd = -1;

	buf_init(&path, 1 << 20);
	r = store_path(p->s, old->at, &path, err);
	if (r > 0) {
		path_split(view_of(path.data, path.len), &parent, &name);
		snprintf(one, sizeof(one), "%.*s", (int)name.len,
			 (const char *)name.p);
		fd = path_open_dir(p->root_fd, parent, err);
	}
	r = fd >= 0 && fsys_stat(fd, one, &st, err) == 0 &&
	    st.ino == row->ino && st.dev == st_dev;
	fsys_close(fd);
	buf_release(&path);
	return r;
}

/* A directory has one name: its old ones go.  0: it is a second appearance
 * of a directory that is still in its old place. */
static int leave_old_names(struct pass *p, const struct scan_entry *e,
			   const struct inode_row *row, struct err *err)
{
	struct name_list old;
	size_t i;
	int r;

	name_list_init(&old);
	r = store_names_of(p->s, row->id, &old, err);
	for (i = 0; r >= 0 && i < old.count; i++) {
		r = still_there(p, &old.rows[i], row, e->st.dev, err);
		if (r > 0) {
			name_list_release(&old);
			return 0;
		}
		r = store_name_set(p->s, old.rows[i].at, row->id, FSYS_DIR, 0,
				   err);
		if (r == 0)
			r = gone_note(p, old.rows[i].at, row->id, FSYS_DIR,
				      err);
		if (r == 0)
			r = store_print_drop(p->s, old.rows[i].at.parent, err);
	}
	name_list_release(&old);
	return r < 0 ? r : 1;
}

/* What could not be looked at: a row, and a line in the log. */
static int note_problem(struct pass *p, const struct scan_dir *dir,
			const char *name, int sys, const char *what,
			struct err *err)
{
	char text[256];
	int64_t last = 0;
	struct buf path;
	int r;

	buf_init(&path, 1 << 20);
	r = buf_put(&path, dir->path, dir->path_len, err);
	if (r == 0 && name)
		r = path_push(&path, name, strlen(name), err);
	snprintf(text, sizeof(text), "%s%s%s", what, sys ? ": " : "",
		 sys ? strerror(sys) : "");
	if (r == 0)
		r = problem_last(p->s, 0, view_of(path.data, path.len), text,
				 &last, err);
	if (r == 0)
		r = problem_note(p->s, 0, view_of(path.data, path.len),
				 sys ? (int)err_from_errno(sys)
				     : (int)ERR_UNSUPPORTED,
				 text, err);
	/* Once: not by each walk, and not by each pass of --interval. */
	if (r == 0 && (p->o->told ? !last : last < p->started))
		log_line(p->o->log, LOG_ERROR, "%.*s: %s",
			 path.len ? (int)path.len : 1,
			 path.len ? (const char *)path.data : ".", text);
	buf_release(&path);
	p->result->problems++;
	return r;
}

/* An inode lost its number to another one.  The directories of its names will
 * be found changed when the walk comes to them; one that it has passed already
 * is compared in the next pass. */
static int look_again(struct pass *p, int64_t inode, struct err *err)
{
	struct name_list names;
	size_t i;
	int r;

	name_list_init(&names);
	r = store_names_of(p->s, inode, &names, err);
	for (i = 0; r >= 0 && i < names.count; i++)
		r = store_print_drop(p->s, names.rows[i].at.parent, err);
	name_list_release(&names);
	return r < 0 ? r : 0;
}

/* The inode behind an entry whose name is new or pointed elsewhere: moved,
 * linked, or new.  0: the entry does not count (see leave_old_names). */
static int find_inode(struct pass *p, const struct scan_dir *dir,
		      const struct scan_entry *e, struct inode_row *new,
		      struct err *err)
{
	struct inode_row known;
	size_t i;
	int r = store_inode_find(p->s, new->dev, new->ino, &known, err);

	if (r < 0)
		return r;
	if (r > 0 && known.a.type == new->a.type &&
	    (!known.birth || !new->birth || known.birth == new->birth)) {
		if (known.a.type == FSYS_DIR) {
			r = leave_old_names(p, e, &known, err);
			if (r <= 0)
				return r;
		}
		r = compare_inode(p, dir, e, &known, new, true, err);
		return r < 0 ? r : 1;
	}
	if (r > 0) {
		r = look_again(p, known.id, err);
		if (r >= 0)
			r = store_inode_detach(p->s, known.id, err);
		if (r < 0)
			return r;
		/* What was read of this directory's rows must know it too. */
		for (i = 0; i < p->names.count; i++)
			if (p->rows[i].id == known.id)
				p->rows[i].dev = 0;
	}
	if (new->a.type == FSYS_SYMLINK) {
		r = read_target(p, dir, e, new, err);
		if (r < 0)
			return r;
	}
	p->walk_changes++;
	r = store_inode_add(p->s, new, err);
	return r < 0 ? r : 1;
}

static int take_entry(struct pass *p, struct scan_dir *dir,
		      struct scan_entry *e, struct inode_row *old, bool *clean,
		      struct err *err)
{
	struct place at = {(int64_t)dir->cookie, e->name, e->len};
	struct inode_row new;
	int64_t dev;
	int r = device_number(p, &e->st, old, dir->fd, &dev, err);

	if (r < 0)
		return r;
	row_of(e, dev, &new);
	if (old && old->ino == new.ino && old->dev == new.dev &&
	    old->a.type == new.a.type) {
		r = compare_inode(p, dir, e, old, &new, false, err);
	} else {
		r = find_inode(p, dir, e, &new, err);
		if (r == 0) {
			*clean = false; /* to be said at each pass */
			return note_problem(p, dir, e->name, 0,
					    "the same directory is in the "
					    "tree twice (a bind mount?)",
					    err);
		}
		p->walk_changes++;
		if (r > 0)
			r = store_name_set(p->s, at, old ? old->id : 0,
					   old ? old->a.type : FSYS_NONE,
					   new.id, err);
		if (r == 0 && old)
			r = gone_note(p, at, old->id, old->a.type, err);
	}
	e->cookie = (uint64_t) new.id;
	e->descend = e->st.type == FSYS_DIR;
	return r;
}

static bool wanted(const struct pass *p, const struct scan_dir *dir,
		   const char *name, enum fsys_type type)
{
	struct err ignored;
	struct buf path;
	bool yes = true;

	buf_init(&path, 1 << 20);
	if (buf_put(&path, dir->path, dir->path_len, &ignored) == 0 &&
	    path_push(&path, name, strlen(name), &ignored) == 0)
		yes = filter_wants(p->o->filter, view_of(path.data, path.len),
				   type == FSYS_DIR);
	buf_release(&path);
	return yes;
}

/* A directory that lost a name has another ctime than at the last pass; or its
 * file system does not keep one, and it says nothing. */
static void lost_name(struct pass *p, const struct scan_dir *dir)
{
	if (!map_get_u64(&p->touched, dir->cookie))
		p->timeless = true;
}

/* A name of the snapshot that the listing does not have. */
static int take_missing(struct pass *p, struct scan_dir *dir,
			const struct name_row *n, bool *clean, struct err *err)
{
	struct fsys_stat st;
	int r = fsys_stat(dir->fd, n->at.name, &st, err);
	bool gone = r < 0 && (err->sys == ENOENT || err->sys == ENOTDIR);

	if ((r < 0 || dir->hidden) && !filter_empty(p->o->filter) &&
	    !wanted(p, dir, n->at.name, r < 0 ? n->type : st.type)) {
		p->walk_changes++;
		return gone_forget(p, n->at, n->inode, n->type, err);
	}
	if (gone) {
		p->walk_changes++;
		lost_name(p, dir);
		r = store_name_set(p->s, n->at, n->inode, n->type, 0, err);
		return r < 0 ? r : gone_note(p, n->at, n->inode, n->type, err);
	}
	/* It came back, or cannot be told: the next pass looks. */
	*clean = false;
	return r == 0 ? 0
		      : note_problem(p, dir, n->at.name, err->sys,
				     "cannot be looked at", err);
}

static int diff_rows(struct pass *p, struct scan_dir *dir, bool *clean,
		     struct err *err)
{
	struct scan_entry **sorted;
	size_t i, k = 0;
	uint64_t problems;
	int c, r = load_rows(p, (int64_t)dir->cookie, err);

	if (r < 0)
		return r;
	sorted = malloc((dir->count + 1) * sizeof(struct scan_entry *));
	if (!sorted)
		return err_set(err, ERR_MEMORY, "out of memory");
	for (i = 0; i < dir->count; i++)
		sorted[i] = &dir->entries[i];
	qsort(sorted, dir->count, sizeof(struct scan_entry *), by_name);
	for (i = 0; r >= 0 && (i < dir->count || k < p->names.count);) {
		struct name_row *n = k < p->names.count ? &p->names.rows[k]
							: NULL;
		struct scan_entry one;

		if (n && i < dir->count) {
			struct scan_entry *two = &one;
			struct scan_entry *x = sorted[i];

			one.name = n->at.name;
			one.len = n->at.len;
			c = by_name(&x, &two);
		} else {
			c = n ? 1 : -1;
		}
		problems = p->result->problems;
		if (c > 0) {
			r = take_missing(p, dir, n, clean, err);
		} else if (sorted[i]->st.type == FSYS_NONE) {
			*clean = false;
			r = note_problem(p, dir, sorted[i]->name,
					 sorted[i]->sys, "cannot be looked at",
					 err);
		} else {
			r = take_entry(p, dir, sorted[i],
				       c == 0 ? &p->rows[k] : NULL, clean, err);
		}
		/* The walk does not go into it. */
		if (r >= 0 && c >= 0 && n->type == FSYS_DIR &&
		    p->result->problems > problems)
			r = store_unseen_set(p->s, n->inode, true, err);
		i += c <= 0;
		k += c >= 0;
	}
	free(sorted);
	return r;
}

/* Nothing changed here: only the directories' ids are needed.  0 if one is
 * not what it should be. */
static int know_subdirs(struct pass *p, struct scan_dir *dir, struct err *err)
{
	struct inode_row row;
	int64_t dev;
	size_t i;
	int r;

	for (i = 0; i < dir->count; i++) {
		struct scan_entry *e = &dir->entries[i];

		if (e->st.type != FSYS_DIR)
			continue;
		r = device_number(p, &e->st, NULL, -1, &dev, err);
		if (r == 0)
			r = store_inode_find(p->s, dev, e->st.ino, &row, err);
		if (r <= 0)
			return r;
		e->cookie = (uint64_t)row.id;
		e->descend = true;
	}
	return 1;
}

/* All of the directory was seen. */
static int see(struct pass *p, int64_t dir, const struct hash *print,
	       struct err *err)
{
	int r = store_unseen(p->s, dir, err);

	p->seen_again = p->seen_again || r > 0;
	return r < 0 ? r : store_print_set(p->s, dir, print, err);
}

int diff_dir(void *arg, struct scan_dir *dir, struct err *err)
{
	struct pass *p = arg;
	struct hash print, stored;
	struct inode_row row;
	bool clean = !(dir->flags & SCAN_UNSTABLE);
	uint64_t problems;
	int r, printed;
	size_t i;

	p->result->entries += dir->count;
	if (dir->flags & SCAN_BOUNDARY)
		return store_unseen_set(p->s, (int64_t)dir->cookie, true, err);
	if (dir->flags & SCAN_UNREADABLE) {
		if (dir->cookie == STORE_ROOT)
			return err_sys(err, ERR_SOURCE, dir->sys,
				       "the source cannot be read");
		if (dir->flags & SCAN_VANISHED)
			return 0;
		r = store_unseen_set(p->s, (int64_t)dir->cookie, true, err);
		return r < 0 ? r
			     : note_problem(p, dir, NULL, dir->sys,
					    "directory cannot be read (deletes "
					    "below it are withheld)",
					    err);
	}
	for (i = 0; p->o->alter && i < dir->count; i++)
		alter_stat(p->o->alter, &dir->entries[i].st);
	if (dir->cookie == STORE_ROOT)
		p->root_empty = dir->count == 0 && dir->hidden == 0;
	printed = print_of(p, dir, &print);
	if (printed) {
		r = store_print_get(p->s, (int64_t)dir->cookie, &stored, err);
		if (r > 0 && hash_equal(&stored, &print))
			r = know_subdirs(p, dir, err);
		else if (r > 0)
			r = 0;
		if (r != 0)
			return r < 0 ? r : 0;
	}
	/* It may have been found under an excluded name meanwhile. */
	r = store_inode_get(p->s, (int64_t)dir->cookie, &row, err);
	if (r <= 0)
		return r;
	problems = p->result->problems;
	p->young = false;
	r = diff_rows(p, dir, &clean, err);
	if (r >= 0)
		printed = print_of(p, dir, &print);
	if (r >= 0 && p->result->problems > problems)
		r = store_unseen_set(p->s, (int64_t)dir->cookie, false, err);
	else if (r >= 0)
		r = see(p, (int64_t)dir->cookie,
			clean && printed && !p->young ? &print : NULL, err);
	return r < 0 ? r : 0;
}
