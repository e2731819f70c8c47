/*
 * Was all of it seen?  What a walk missed may have been moved, while it lasted,
 * to where it had been already: so it is looked for by a second walk.  There is
 * no need to where every directory still has the ctime from before it was
 * listed, and that ctime is old enough: then nothing came into any of them.
 */
#include <string.h>

#include "pass_local.h"
#include "snapsync/path.h"

#define PATH_BYTES 4096	   /* that can be opened at once */
#define CONFIRM_MAX 65536u /* directories; of more, the memory would count */

struct known_dir {
	int64_t parent, dev;
	uint64_t ino, ctime;
	bool sure; /* its listing was right */
	uint16_t len;
	const char *name;
};

/* Directories that were listed and have a name: 1, or 0 if they are too many. */
static int load(struct pass *p, struct map *dirs, struct arena *names,
		struct err *err)
{
	struct sql *q = db_sql(store_db(p->s),
			       "SELECT d.inode, n.parent, n.name, i.dev, i.ino,"
			       " i.ctime, length(d.print)=?1 FROM dir d"
			       " JOIN name n ON n.inode=d.inode"
			       " JOIN inode i ON i.id=d.inode",
			       err);
	struct known_dir *d;
	struct view v;
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, HASH_SIZE);
	while ((r = db_step(q, err)) > 0 && dirs->count < CONFIRM_MAX) {
		v = db_col_blob(q, 2);
		d = map_put_u64(dirs, (uint64_t)db_col_int(q, 0), NULL, err);
		if (!d) {
			r = err->code;
			break;
		}
		d->parent = db_col_int(q, 1);
		d->dev = db_col_int(q, 3);
		d->ino = (uint64_t)db_col_int(q, 4);
		d->ctime = (uint64_t)db_col_int(q, 5);
		d->sure = db_col_int(q, 6);
		d->len = (uint16_t)v.len;
		d->name = arena_copy(names, v.p, v.len, err);
		if (!d->name) {
			r = err->code;
			break;
		}
	}
	db_reset(q);
	return r < 0 ? r : r == 0;
}

/* The path from the root, in the end of out[0..size).  NULL: it does not hang on
 * the root, and *gone; or it is too long to be opened at once. */
static const char *path_of(const struct map *dirs, const struct known_dir *d,
			   char *out, size_t size, bool *gone)
{
	size_t at = size - 1;

	*gone = false;
	out[at] = 0;
	for (;;) {
		if (at < (size_t)d->len + 1)
			return NULL;
		at -= d->len;
		memcpy(out + at, d->name, d->len);
		if (d->parent == STORE_ROOT)
			return out + at;
		out[--at] = '/';
		d = map_get_u64(dirs, (uint64_t)d->parent);
		if (!d) {
			*gone = true;
			return NULL;
		}
	}
}

/* Opened, since only that asks a server again. */
static bool as_it_was(struct pass *p, const char *path,
		      const struct known_dir *d)
{
	struct fsys_stat st;
	struct err ignored;
	int fd = fsys_open_dir(p->root_fd, path, true, &ignored);
	bool same = fd >= 0 && fsys_fstat(fd, &st, &ignored) == 0 &&
		    st.ino == d->ino && pass_time(st.ctime) == d->ctime &&
		    !fsys_young(&st, p->started);
	size_t i;

	fsys_close(fd);
	for (i = 0; same && i < p->device_count; i++)
		if (p->devices[i].st_dev == st.dev)
			return p->devices[i].id == d->dev;
	return false;
}

static int root_as_it_was(struct pass *p, struct err *err)
{
	struct known_dir root;
	struct inode_row row;
	struct hash print;
	int r = store_print_get(p->s, STORE_ROOT, &print, err);

	if (r > 0)
		r = store_inode_get(p->s, STORE_ROOT, &row, err);
	if (r <= 0)
		return r;
	memset(&root, 0, sizeof(root));
	root.dev = row.dev;
	root.ino = row.ino;
	root.ctime = row.ctime;
	return as_it_was(p, ".", &root);
}

int confirm_walk(struct pass *p, struct err *err)
{
	char space[PATH_BYTES];
	struct arena names;
	struct known_dir *d;
	struct map dirs;
	size_t at = 0;
	int r;

	arena_init(&names);
	map_init(&dirs, sizeof(struct known_dir));
	r = root_as_it_was(p, err);
	if (r > 0)
		r = load(p, &dirs, &names, err);
	while (r > 0 && (d = map_next(&dirs, &at, NULL))) {
		bool gone;
		const char *path = path_of(&dirs, d, space, sizeof(space),
					   &gone);

		pass_alive(p);
		if (!gone)
			r = path && d->sure && as_it_was(p, path, d);
	}
	map_release(&dirs);
	arena_release(&names);
	return r;
}
