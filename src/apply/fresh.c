/*
 * Directories that the batch makes.  What comes into one of them is staged under
 * its own name, in a directory in tmp/ that stands for it; MKDIR then gives all of
 * it its place by one rename, and the PLACE of each has nothing left to do.  On
 * ext4 that is little more than half of what a rename for each costs.
 *
 * The operations of a batch still count one after the other.  So a name is
 * staged like that only if no operation before it can have had anything to do
 * with it: it is taken by whatever else comes or goes there, and a MOVE closes
 * all directories that were made before it.  What comes behind that has its
 * rename.  And where a rename would not do what mkdir does (somebody has made the
 * directory; its parent hands down another group or access list), MKDIR makes the
 * directory, and each PLACE moves its own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply_local.h"

#define FRESH_BIT (UINT64_C(1) << 62)
#define SET_GID 02000u
#define NOT_MOVED 1u /* in fresh_settled: it was about to be */
#define GONE 1u	     /* in fresh_made: it is not there any more */
#define REMOVE_TRIES 8u

bool fresh_is(uint64_t tmp)
{
	return (tmp >> 62) == 1;
}

void fresh_name(uint64_t tmp, char out[32])
{
	snprintf(out, 32, "d%" PRIx64, tmp & ~FRESH_BIT);
}

/* The number of a directory that the batch makes, 0 of a name that is taken. */
static uint64_t *find(const struct apply *a, const struct msg_path *p)
{
	return p->area == MSG_TREE && p->path.len
		       ? map_get(&a->fresh, p->path.p, p->path.len)
		       : NULL;
}

static uint64_t *parent_of(const struct apply *a, const struct msg_path *p)
{
	struct msg_path up = {.area = p->area};
	struct view name;

	path_split(p->path, &up.path, &name);
	return find(a, &up);
}

void fresh_taken(struct apply *a, const struct msg_path *p)
{
	uint64_t *up = parent_of(a, p), *f = find(a, p);
	struct err ignored;

	if (!f && !(up && *up))
		return;
	if (!f)
		f = map_put(&a->fresh, p->path.p, p->path.len, NULL, &ignored);
	if (f)
		*f = 0;
	else
		a->fresh_floor = a->fresh_last;
}

/* Where DEST itself hands down something else than tmp/, or nobody can tell, all of
 * this would be for nothing. */
static bool usable(struct apply *a)
{
	struct err ignored;
	uint64_t dest;

	if (!a->fresh_tried)
		a->fresh_usable = !a->folds &&
				  fsys_heritage(a->tmp_fd, &a->fresh_print,
						&ignored) == 0 &&
				  fsys_heritage(a->dest_fd, &dest, &ignored) ==
					  0 &&
				  dest == a->fresh_print;
	a->fresh_tried = true;
	return a->fresh_usable;
}

static uint64_t begin(struct apply *a, const struct msg_op *op)
{
	struct err ignored;
	uint64_t *f;
	bool is_new;

	if (op->path.area != MSG_TREE || !usable(a))
		return 0;
	f = map_put(&a->fresh, op->path.path.p, op->path.path.len, &is_new,
		    &ignored);
	if (f)
		*f = is_new ? FRESH_BIT | ++a->fresh_last : 0;
	else
		a->fresh_floor = a->fresh_last;
	return f ? *f : 0;
}

uint64_t fresh_note(struct apply *a, const struct msg_op *op)
{
	if (op->type == MSG_MKDIR)
		return begin(a, op);
	fresh_taken(a, &op->path);
	if (op->type == MSG_LINK)
		fresh_taken(a, &op->from);
	/* Whatever lies below goes with it; so does what REMOVE finds left. */
	if (op->type == MSG_MOVE ||
	    (op->type == MSG_REMOVE && op->from.path.len))
		a->fresh_floor = a->fresh_last;
	return 0;
}

/* It is made for what is first in it.  What is there under its number already is
 * nobody's: not a place for anything. */
static bool enter(struct apply *a, uint64_t tmp)
{
	struct err ignored;
	char name[32];

	if (a->fresh_fd >= 0 && a->fresh_at == tmp)
		return true;
	fsys_close(a->fresh_fd);
	fresh_name(tmp, name);
	a->fresh_fd = -1;
	if (!fresh_was_made(a, tmp) &&
	    (fsys_mkdir(a->tmp_fd, name, 0700, &ignored) < 0 ||
	     !map_put_u64(&a->fresh_made, tmp, NULL, &ignored)))
		return false;
	a->fresh_fd = fsys_open_dir(a->tmp_fd, name, false, &ignored);
	a->fresh_at = tmp;
	return a->fresh_fd >= 0;
}

bool fresh_berth(struct apply *a, const struct msg_path *p, struct berth *b)
{
	uint64_t *f = parent_of(a, p);

	if (!f || (*f & ~FRESH_BIT) <= a->fresh_floor || find(a, p))
		return false;
	if (!enter(a, *f)) {
		*f = 0;
		return false;
	}
	*b = berth_named(*f, p->path, a->fresh_fd, false);
	return true;
}

void fresh_next(struct apply *a)
{
	fsys_close(a->fresh_fd);
	a->fresh_fd = -1;
	a->fresh_floor = 0;
	map_clear(&a->fresh);
	map_clear(&a->fresh_made);
	map_clear(&a->fresh_settled);
}

void fresh_init(struct apply *a)
{
	map_init(&a->fresh, sizeof(uint64_t));
	map_init(&a->fresh_made, 1);
	map_init(&a->fresh_settled, 1);
	a->fresh_fd = -1;
}

void fresh_release(struct apply *a)
{
	fresh_next(a);
	map_release(&a->fresh);
	map_release(&a->fresh_made);
	map_release(&a->fresh_settled);
}

/* Would mkdir make there what was made in tmp/? */
static bool fits(struct apply *a, int parent)
{
	struct fsys_stat there, here;
	struct err ignored;
	uint64_t print;

	if (fsys_fstat(parent, &there, &ignored) < 0 ||
	    fsys_fstat(a->tmp_fd, &here, &ignored) < 0 ||
	    (there.mode & SET_GID) != (here.mode & SET_GID))
		return false;
	/* Without the bit root's get theirs by META, whatever they inherit. */
	if (there.gid != here.gid && (geteuid() != 0 || there.mode & SET_GID))
		return false;
	return usable(a) && fsys_heritage(parent, &print, &ignored) == 0 &&
	       print == a->fresh_print;
}

int fresh_settle(struct apply *a, const struct noted *n, int parent,
		 const char *name, bool replay)
{
	struct err ignored;
	struct fsys_stat st;
	unsigned char *how;
	char from[32];

	if (!fresh_is(n->tmp) || (!replay && !fresh_was_made(a, n->tmp)))
		return 0;
	fresh_name(n->tmp, from);
	/* The log says that it was made, not that it is still in tmp/. */
	if (replay && (fsys_stat(a->tmp_fd, from, &st, &ignored) < 0 ||
		       st.type != FSYS_DIR))
		return 0;
	if (fsys_stat(parent, name, &st, &ignored) == 0 || !fits(a, parent))
		return 0;
	how = map_put_u64(&a->fresh_settled, n->tmp, NULL, &ignored);
	if (!how)
		return 0;
	*how = fsys_rename(a->tmp_fd, from, parent, name, &ignored) < 0
		       ? NOT_MOVED
		       : 0;
	return *how != NOT_MOVED;
}

bool fresh_was_made(const struct apply *a, uint64_t tmp)
{
	const unsigned char *how = map_get_u64(&a->fresh_made, tmp);

	return how && *how != GONE;
}

void fresh_give_up(struct apply *a, uint64_t tmp)
{
	unsigned char *how = map_get_u64(&a->fresh_made, tmp);
	struct err ignored;
	char name[32];

	fresh_name(tmp, name);
	if (how && fsys_rmdir(a->tmp_fd, name, &ignored) == 0)
		*how = GONE;
}

bool fresh_has_settled(const struct apply *a, uint64_t tmp)
{
	const unsigned char *how = map_get_u64(&a->fresh_settled, tmp);

	return how && *how != NOT_MOVED;
}

/* A listing may pass over some while others go. */
void fresh_remove(int dirfd, const char *name)
{
	struct fsys_list *l;
	enum fsys_type type;
	struct err ignored;
	const char *one;
	uint64_t ino;
	unsigned tries;
	int fd;

	for (tries = 0; tries < REMOVE_TRIES; tries++) {
		fd = fsys_open_dir(dirfd, name, true, &ignored);
		if (fd < 0 || fsys_list_open(fd, &l, &ignored) < 0)
			return;
		while (fsys_list_next(l, &one, &ino, &type, &ignored) > 0)
			fsys_unlink(fsys_list_fd(l), one, &ignored);
		fsys_list_close(l);
		if (fsys_rmdir(dirfd, name, &ignored) == 0)
			return;
	}
}
