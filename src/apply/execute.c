/*
 * One operation of a batch.  In a replay an operation may have been done
 * before; then its traces say so (see redo.c), and it is no failure.
 */
#include <errno.h>
#include <string.h>

#include "apply_local.h"

/* Where an operation happens. */
struct spot {
	int fd; /* of the parent, lent */
	struct cached_dir *dir;
	char name[PATH_NAME_MAX + 1];
};

static int spot_of(struct apply *a, const struct msg_path *p, struct spot *s,
		   struct err *err)
{
	return confine_parent(a, p, &s->fd, s->name, &s->dir, err);
}

/* Nothing comes here over what has another spelling. */
static int new_spot_of(struct apply *a, const struct msg_path *p,
		       struct spot *s, struct err *err)
{
	int r = spot_of(a, p, s, err);

	return r < 0 ? r : ability_free(a, s->fd, s->name, err);
}

static int look(const struct spot *s, struct fsys_stat *st, struct err *err)
{
	int r = fsys_stat(s->fd, s->name, st, err);

	return r == 0 ? 1 : err->sys == ENOENT ? 0 : r;
}

static bool is_subject(const struct noted *n, const struct fsys_stat *st)
{
	if (n->subject_type == NOTED_MADE)
		return st->type == FSYS_DIR;
	return n->subject_type && n->dev == st->dev && n->ino == st->ino &&
	       n->subject_type == (unsigned)st->type;
}

/* There is nothing at the end of the path: a directory on it has gone, or
 * something else has taken its name. */
static bool leads_nowhere(const struct err *err)
{
	return err->sys == ENOENT || err->sys == ENOTDIR || err->sys == ELOOP;
}

/* What is no directory shall come here: an empty directory makes room. */
static int make_room(struct apply *a, const struct spot *s, struct err *err)
{
	struct fsys_stat st;
	int r = look(s, &st, err);

	if (r <= 0 || st.type != FSYS_DIR)
		return r < 0 ? r : 0;
	r = fsys_rmdir(s->fd, s->name, err);
	if (r == 0)
		confine_forget(a);
	else if (err->sys == ENOTEMPTY)
		r = err_set(err, ERR_EXISTS,
			    "a directory is in the way that holds files which "
			    "are not part of the mirror");
	return r;
}

/* Where what is placed was staged: 1 it is there, 0 it has its name already. */
static int find_staged(struct apply *a, const struct noted *n, bool replay,
		       struct berth *b, struct err *err)
{
	struct fsys_stat st;
	int r;

	if (fresh_is(n->tmp) && fresh_has_settled(a, n->tmp))
		return 0;
	r = berth_of(a, n->tmp, n->op.path.path, b, err);
	if (r == 0 && replay)
		r = fsys_stat(b->fd, b->name, &st, err);
	if (r < 0 && replay && err->sys == ENOENT && !fresh_is(n->tmp)) {
		/* A helper of an earlier version had all of it there. */
		b->fd = a->tmp_fd;
		r = fsys_stat(b->fd, b->name, &st, err);
	}
	if (r == 0)
		return 1;
	if (b->fd >= 0)
		berth_leave(b);
	return replay && err->sys == ENOENT ? 0 : r;
}

static int place(struct apply *a, const struct noted *n, bool replay,
		 struct err *err)
{
	struct fsys_stat st;
	struct berth b;
	struct spot s;
	int r = find_staged(a, n, replay, &b, err);

	if (r <= 0)
		return r;
	r = new_spot_of(a, &n->op.path, &s, err);
	if (r == 0 && a->backup) {
		r = look(&s, &st, err);
		if (r > 0)
			r = backup_keep(a, &n->op.path, s.fd, s.name, &st, err);
	}
	if (r == 0) {
		r = fsys_rename(b.fd, b.name, s.fd, s.name, err);
		if (r < 0 && (err->sys == EISDIR || err->sys == EEXIST ||
			      err->sys == ENOTEMPTY)) {
			r = make_room(a, &s, err);
			if (r == 0)
				r = spot_of(a, &n->op.path, &s, err);
			if (r == 0)
				r = fsys_rename(b.fd, b.name, s.fd, s.name,
						err);
		}
	}
	if (r == 0)
		touched_dir(a, s.dir, s.fd);
	berth_leave(&b);
	return r;
}

static int make_dir(struct apply *a, const struct noted *n, bool replay,
		    struct err *err)
{
	struct fsys_stat st;
	struct spot s;
	int r = new_spot_of(a, &n->op.path, &s, err);

	if (r < 0)
		return r;
	if (replay) { /* it may be impossible by now, and done before */
		r = look(&s, &st, err);
		if (r < 0 || (r > 0 && st.type == FSYS_DIR))
			return r < 0 ? r : 0;
	}
	if (!fresh_settle(a, n, s.fd, s.name, replay))
		r = fsys_mkdir(s.fd, s.name, 0700, err);
	if (r < 0 && err->sys == EEXIST) {
		r = look(&s, &st, err);
		if (r > 0 && st.type == FSYS_DIR)
			return 0;
		if (r > 0)
			r = backup_unlink(a, &n->op.path, s.fd, s.name, &st,
					  err);
		if (r == 0)
			r = fsys_mkdir(s.fd, s.name, 0700, err);
	}
	if (r == 0) {
		touched_dir(a, s.dir, s.fd);
		touched_name(a, s.fd, s.name, FSYS_DIR);
	}
	return r;
}

static int move_here(struct apply *a, const struct noted *n, struct spot *from,
		     struct spot *to, const struct fsys_stat *st,
		     struct err *err)
{
	struct fsys_stat there;
	int r = look(to, &there, err);

	if (r < 0)
		return r;
	if (r > 0 && there.dev == st->dev && there.ino == st->ino &&
	    (st->type == FSYS_DIR || st->nlink == 1))
		r = 0; /* just another spelling of its name */
	else if (r > 0 && ability_free(a, to->fd, to->name, err) < 0)
		return err->code;
	/* Renaming one link of an inode over another does nothing at all. */
	if (r > 0 && there.dev == st->dev && there.ino == st->ino) {
		touched_dir(a, from->dir, from->fd);
		return fsys_unlink(from->fd, from->name, err);
	}
	if (r > 0 && st->type == FSYS_DIR && there.type != FSYS_DIR)
		r = backup_unlink(a, &n->op.path, to->fd, to->name, &there,
				  err);
	else if (r > 0 && there.type != FSYS_DIR)
		r = backup_keep(a, &n->op.path, to->fd, to->name, &there, err);
	else if (r > 0 && st->type != FSYS_DIR && there.type == FSYS_DIR)
		r = make_room(a, to, err);
	else
		r = 0;
	if (r == 0) /* make_room may have closed what we held */
		r = spot_of(a, &n->op.from, from, err);
	if (r < 0)
		return r;
	touched_dir(a, from->dir, from->fd);
	from->fd = fsys_dup(from->fd, err);
	if (from->fd < 0)
		return from->fd;
	r = spot_of(a, &n->op.path, to, err);
	if (r == 0)
		r = fsys_rename(from->fd, from->name, to->fd, to->name, err);
	if (r == 0)
		touched_dir(a, to->dir, to->fd);
	if (r == 0)
		r = backup_parked(a, &n->op, err);
	fsys_close(from->fd);
	if (r == 0 && st->type == FSYS_DIR)
		confine_forget(a);
	return r;
}

/* What a MOVE or LINK takes.  1 it is at *from; 0 in a replay: it was taken
 * before.  What was not there the first time fails again, whatever has the name
 * by now. */
static int find_subject(struct apply *a, const struct noted *n, bool replay,
			struct spot *from, struct fsys_stat *st,
			struct err *err)
{
	int r = 0;

	if (!replay || n->subject_type) {
		r = spot_of(a, &n->op.from, from, err);
		if (r == 0)
			r = look(from, st, err);
		if (replay && (r == 0 || (r > 0 && !is_subject(n, st)) ||
			       (r < 0 && leads_nowhere(err))))
			return 0;
	}
	return r != 0 ? r
		      : err_sys(err, ERR_VANISHED, ENOENT,
				"what should be %s is not there",
				n->op.type == MSG_MOVE ? "moved" : "linked");
}

static int seen_at(struct apply *a, const struct noted *n,
		   const struct msg_path *at, struct err *err)
{
	struct fsys_stat st;
	struct spot spot;
	int r = spot_of(a, at, &spot, err);

	if (r == 0)
		r = look(&spot, &st, err);
	if (r < 0)
		return leads_nowhere(err) ? 0 : r;
	return r > 0 && is_subject(n, &st);
}

/* A replay does not find what a MOVE or LINK takes: was it done before?  0 if
 * it is where that or what comes behind it put it, or if they leave
 * nothing of it.  Else it failed the first time, and something took its place. */
static int done_before(struct apply *a, const struct noted *n, struct err *err)
{
	int r = identity_later(a, n, seen_at, err);

	if (r == 0)
		r = err_sys(err, ERR_VANISHED, ENOENT,
			    "it was not %s before the helper was stopped",
			    n->op.type == MSG_MOVE ? "moved" : "linked");
	return r < 0 ? r : 0;
}

static int move(struct apply *a, const struct noted *n, bool replay,
		struct err *err)
{
	struct spot from, to;
	struct fsys_stat st;
	int r = find_subject(a, n, replay, &from, &st, err);

	if (r == 0) {
		r = done_before(a, n, err);
		return r < 0 ? r : backup_parked(a, &n->op, err);
	}
	if (r > 0)
		r = spot_of(a, &n->op.path, &to, err);
	if (r == 0) /* the first may have left the cache */
		r = spot_of(a, &n->op.from, &from, err);
	if (r == 0)
		r = spot_of(a, &n->op.path, &to, err);
	return r < 0 ? r : move_here(a, n, &from, &to, &st, err);
}

static int link_name(struct apply *a, const struct noted *n, bool replay,
		     struct err *err)
{
	struct spot from, to;
	struct fsys_stat st, there;
	struct err ignored;
	int r = find_subject(a, n, replay, &from, &st, err);

	if (r <= 0)
		return r < 0 ? r : done_before(a, n, err);
	if (st.type == FSYS_DIR)
		return err_sys(err, ERR_VANISHED, ENOENT,
			       "a directory is in the way under the name that "
			       "should be linked");
	if (replay && done_before(a, n, err) == 0)
		return 0;
	if (replay)
		r = spot_of(a, &n->op.from, &from, err);
	if (r < 0)
		return r;
	/* By way of tmp: a new link there, renamed over whatever is here. */
	fsys_unlink(a->tmp_fd, "link", err);
	r = fsys_link(from.fd, from.name, a->tmp_fd, "link", err);
	if (r < 0)
		return err_sys(err, (enum err_code) - r, err->sys,
			       "a hard link cannot be made there");
	if (r == 0)
		r = new_spot_of(a, &n->op.path, &to, err);
	if (r == 0)
		r = look(&to, &there, err);
	if (r > 0 && there.dev == st.dev && there.ino == st.ino) {
		fsys_unlink(a->tmp_fd, "link", err);
		return 0;
	}
	if (r > 0 && there.type == FSYS_DIR) {
		r = make_room(a, &to, err);
		if (r == 0)
			r = spot_of(a, &n->op.path, &to, err);
	} else if (r > 0) {
		r = backup_keep(a, &n->op.path, to.fd, to.name, &there, err);
	}
	if (r >= 0)
		r = fsys_rename(a->tmp_fd, "link", to.fd, to.name, err);
	if (r == 0)
		touched_dir(a, to.dir, to.fd);
	else
		fsys_unlink(a->tmp_fd, "link", &ignored);
	return r;
}

static int remove_name(struct apply *a, const struct noted *n, bool replay,
		       struct err *err)
{
	struct spot s;
	struct fsys_stat st;
	int r = spot_of(a, &n->op.path, &s, err);

	if (r < 0)
		return leads_nowhere(err) ? 0 : r;
	r = look(&s, &st, err);
	if (r <= 0)
		return r;
	if (replay && !is_subject(n, &st))
		return 0;
	r = ability_spelled(a, s.fd, s.name, err);
	if (r <= 0) /* another one's */
		return r;
	if (a->o->no_delete)
		return err_set(err, ERR_DENIED,
			       "deletes are forbidden at the destination");
	if ((st.type == FSYS_DIR) != n->op.is_dir)
		return err_set(err, ERR_EXISTS,
			       "something else is under this name");
	touched_dir(a, s.dir, s.fd);
	if (st.type != FSYS_DIR)
		return backup_unlink(a, &n->op.path, s.fd, s.name, &st, err);
	r = fsys_rmdir(s.fd, s.name, err);
	if (r < 0 && n->op.from.path.len &&
	    (err->sys == ENOTEMPTY || err->sys == EEXIST))
		r = merge_back(a, &n->op, err);
	if (r == 0)
		confine_forget(a);
	return r;
}

static int set_meta(struct apply *a, const struct noted *n, struct err *err)
{
	struct fsys_stat st;
	struct spot s;
	int r = 0;

	if (n->op.path.path.len == 0) {
		s.fd = a->dest_fd;
		s.dir = NULL;
		strcpy(s.name, ".");
	} else {
		r = new_spot_of(a, &n->op.path, &s, err);
	}
	if (r == 0)
		r = fsys_stat(s.fd, s.name, &st, err);
	if (r == 0 && st.type != n->op.meta.type)
		r = err_set(err, ERR_EXISTS,
			    "something else is under this name");
	if (r == 0)
		r = owner_meta(a, s.fd, s.name, st.type, &n->op.meta, &st, err);
	if (r == 0) {
		if (st.type == FSYS_DIR)
			confine_keep(a, st.dev, st.ino);
		touched_name(a, s.fd, s.name, st.type);
	}
	return r;
}

static int once(struct apply *a, const struct noted *n, bool replay,
		struct err *err)
{
	switch (n->op.type) {
	case MSG_PLACE:
	case MSG_SYMLINK:
	case MSG_NODE: return place(a, n, replay, err);
	case MSG_MKDIR: return make_dir(a, n, replay, err);
	case MSG_MOVE: return move(a, n, replay, err);
	case MSG_LINK: return link_name(a, n, replay, err);
	case MSG_REMOVE: return remove_name(a, n, replay, err);
	case MSG_META: return set_meta(a, n, err);
	default: return err_set(err, ERR_PROTOCOL, "not an operation");
	}
}

/* What was done before the replay may not be on stable storage. */
static void touch_places(struct apply *a, const struct noted *n)
{
	struct err ignored;
	struct spot s;

	if (spot_of(a, &n->op.path, &s, &ignored) == 0)
		touched_dir(a, s.dir, s.fd);
	/* A REMOVE has one where the rest was given back. */
	if ((n->op.type == MSG_MOVE || n->op.type == MSG_REMOVE) &&
	    n->op.from.path.len && spot_of(a, &n->op.from, &s, &ignored) == 0)
		touched_dir(a, s.dir, s.fd);
}

int execute(struct apply *a, const struct noted *n, bool replay,
	    struct err *err)
{
	bool widened;
	int r;

	if (n->code)
		return err_set(err, (enum err_code)n->code,
			       "it could not be staged");
	if ((n->op.path.area == MSG_TREE && backup_holds(a, n->op.path.path)) ||
	    (n->op.from.area == MSG_TREE && backup_holds(a, n->op.from.path)))
		return err_set(err, ERR_DENIED,
			       "under this name lies what --backup-dir keeps");
	r = once(a, n, replay, err);
	if (r == 0 && replay && n->op.path.path.len)
		touch_places(a, n);
	if (r == 0 || err->sys != EACCES)
		return r;
	/* Our own directory without write permission for us?  One that gets
	 * another parent is written to itself (its ".."), and one that made
	 * room gives back what it holds. */
	confine_room(a);
	widened = confine_widen(a, &n->op.path, n->op.type == MSG_REMOVE, 0700);
	if (n->op.from.path.len)
		widened = confine_widen(a, &n->op.from, n->op.type != MSG_LINK,
					0700) ||
			  widened;
	return widened ? once(a, n, replay, err) : r;
}
