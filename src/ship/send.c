/*
 * One file's content from the source.  It is opened component by component
 * from the root, never through a symbolic link, must be the inode the snapshot
 * speaks of, and must look the same before and after it was read; else it is
 * left for the next pass.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ship_local.h"
#include "snapsync/clock.h"

#define SPARSE_BYTES 65536u /* -S: zeros of this length become a hole */

/* Descriptor of a source directory, by S's path; kept for the next file. */
static int source_dir(struct ship *h, int64_t parent, struct err *err)
{
	struct place at = {parent, "", 0};
	struct buf path;
	int r, fd;

	if (h->src_parent == parent)
		return h->src_fd;
	fsys_close(h->src_fd);
	h->src_fd = -1;
	h->src_parent = -1;
	buf_init(&path, 1 << 20);
	r = store_path(h->s, at, &path, err);
	if (r == 0)
		r = err_sys(err, ERR_VANISHED, ENOENT, "directory");
	fd = r < 0 ? r
		   : path_open_dir(h->root_fd, view_of(path.data, path.len),
				   err);
	buf_release(&path);
	if (fd >= 0) {
		h->src_fd = fd;
		h->src_parent = parent;
	}
	return fd;
}

bool send_same_stat(const struct fsys_stat *a, const struct fsys_stat *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.s == b->mtime.s && a->mtime.ns == b->mtime.ns &&
	       a->ctime.s == b->ctime.s && a->ctime.ns == b->ctime.ns;
}

bool send_is_row(const struct fsys_stat *st, const struct inode_row *row)
{
	return row->ino == st->ino && row->a.size == st->size &&
	       row->a.mtime.s == st->mtime.s &&
	       row->a.mtime.ns == st->mtime.ns &&
	       row->ctime ==
		       (uint64_t)st->ctime.s * CLOCK_SECOND + st->ctime.ns;
}

/* A small file is read whole before anything is sent. */
static int read_small(struct reading *rd, struct err *err)
{
	struct ship *h = rd->h;
	ssize_t n = fsys_pread_full(rd->fd, h->io, (size_t)rd->size, 0, err);

	if (n < 0)
		return (int)n;
	if ((uint64_t)n != rd->size)
		return 0;
	progress_content(h, rd->size);
	rd->result = hash_of(h->io, (size_t)n, store_seed(h->s));
	if (rd->have.hashed && rd->have.size == rd->size &&
	    hash_equal(&rd->have.hash, &rd->result))
		return 2;
	return 1;
}

static int send_small(struct reading *rd, struct err *err)
{
	struct ship *h = rd->h;
	int r = emit_copy_whole(h, rd->stage, &rd->result, rd->size, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = emit_begin(h, rd->stage, rd->size, rd->bits, NULL, err);
	if (r == 0 && rd->size)
		r = emit_whole(h, h->io, (size_t)rd->size, err);
	return r < 0 ? r
		     : h->sink->ops->stage_end(h->sink, rd->stage, &rd->result,
					       err);
}

static void attr_of(const struct fsys_stat *st, const struct hash *hash,
		    struct attr *a)
{
	memset(a, 0, sizeof(*a));
	a->type = st->type;
	a->mode = st->mode;
	a->uid = st->uid;
	a->gid = st->gid;
	a->size = st->size;
	a->mtime = st->mtime;
	a->hashed = true;
	a->hash = *hash;
}

/* What was read is what the snapshot speaks of: its content is known now. */
static int learn(struct ship *h, const struct inode_row *row,
		 const struct fsys_stat *st, const struct hash *hash,
		 int64_t read_at, struct chunk_list *list, struct err *err)
{
	bool young = fsys_young(st, read_at);
	int r = 0;

	if (!send_is_row(st, row))
		return 0;
	if (list->count > 1)
		r = notes_chunks(h, row->id, hash, list, err);
	if (r < 0)
		return r;
	if (row->a.hashed && hash_equal(&row->a.hash, hash) &&
	    !!(row->flags & STORE_YOUNG) == young)
		return 0;
	return notes_known(h, row->id, hash, young ? STORE_YOUNG : 0, err);
}

static int not_now(struct ship *h, struct place at, int code, const char *text,
		   struct err *err)
{
	int r;

	if (code == ERR_VANISHED) {
		h->restless++; /* the next pass will see what became of it */
		return SEND_NOT;
	}
	r = notes_problem(h, at, code, text, err);
	return r < 0 ? r : SEND_NOT;
}

/* The content was read (and sent, unless it is the same): r is 1, or 2 for
 * the same; 0 it is not what it was. */
static int finish(struct ship *h, struct place at, const struct inode_row *row,
		  struct reading *rd, int r, struct attr *attr, struct err *err)
{
	int e;

	if (r < 0 &&
	    (err_class(r) == ERR_CLASS_DROP || err_class(r) == ERR_CLASS_FATAL))
		return r;
	if (r < 0)
		return not_now(h, at, -r, err->msg, err);
	if (r == 0)
		return not_now(h, at, ERR_VANISHED, "", err);
	attr_of(&rd->before, &rd->result, attr);
	e = learn(h, row, &rd->before, &rd->result, rd->read_at,
		  &rd->emit->list, err);
	return e < 0 ? e : r == 2 ? SEND_SAME : SEND_STAGED;
}

static int small_file(struct ship *h, struct place at,
		      const struct inode_row *row, struct reading *rd,
		      struct attr *attr, struct err *err)
{
	struct fsys_stat after;
	int e, r;

	chunk_list_clear(&rd->emit->list);
	r = read_small(rd, err);
	if (r > 0) {
		e = fsys_fstat(rd->fd, &after, err);
		r = e < 0 ? e : send_same_stat(&rd->before, &after) ? r : 0;
	}
	if (r == 1) {
		e = send_small(rd, err);
		if (e < 0)
			return e;
	}
	return finish(h, at, row, rd, r, attr, err);
}

/* What the version that the destination has holds, and how it was cut. */
static int previous(struct reading *rd, struct err *err)
{
	struct ship *h = rd->h;
	int r = sign_learn(h, rd->inode, &rd->have, err);

	if (r < 0)
		return r;
	if (rd->have.hashed && rd->have.size > MSG_DATA_MAX &&
	    index_bits(h->s, &rd->have.hash, &rd->bits, err) <= 0)
		rd->bits = 0;
	return 0;
}

/* The source's file, opened and looked at.  1; else enum send_result or an
 * error is in *r. */
static int open_file(struct ship *h, struct place at,
		     const struct inode_row *row, const struct attr *have,
		     struct reading *rd, int *r, struct err *err)
{
	/* Access times are left as they are, where we may. */
	bool own = h->euid == 0 || h->o.alter || h->euid == row->a.uid;
	unsigned how = own ? FSYS_READ | FSYS_QUIET : FSYS_READ;
	char name[PATH_NAME_MAX + 1];
	int dir = source_dir(h, at.parent, err);

	memset(rd, 0, sizeof(*rd));
	rd->h = h;
	rd->fd = -1;
	rd->emit = &h->small;
	rd->hash = h->hash;
	rd->inode = row->id;
	rd->read_at = clock_real();
	if (dir < 0) {
		*r = not_now(h, at, -dir, err->msg, err);
		return 0;
	}
	snprintf(name, sizeof(name), "%.*s", (int)at.len, at.name);
	rd->fd = fsys_open(dir, name, how, 0, err);
	if (rd->fd < 0) {
		*r = not_now(h, at, -rd->fd, err->msg, err);
		return 0;
	}
	if (fsys_fstat(rd->fd, &rd->before, err) < 0 ||
	    rd->before.type != FSYS_FILE || rd->before.ino != row->ino) {
		fsys_close(rd->fd);
		*r = not_now(h, at, ERR_VANISHED, "", err);
		return 0;
	}
	alter_stat(h->o.alter, &rd->before);
	rd->size = rd->before.size;
	if (have)
		rd->have = *have;
	return 1;
}

/* A long file takes its time: where the caller is patient, it is begun here,
 * goes on between the runs, and is taken up when it is complete. */
static int long_file(struct ship *h, struct place at,
		     const struct inode_row *row, struct reading *rd,
		     struct attr *attr, uint64_t *stage, struct err *err)
{
	int r = rd->state == READ_DONE ? rd->verdict : 0;

	rd->wanted = true;
	if (rd->state == READ_FAILED) {
		r = rd->verdict;
		*err = rd->err;
	} else if (rd->state != READ_DONE) {
		if (h->o.patient && h->remote)
			return SEND_NOT;
		r = long_run(rd, 0, err);
	}
	*stage = rd->stage;
	r = finish(h, at, row, rd, r, attr, err);
	long_free(h);
	return r;
}

int send_file(struct ship *h, struct place at, const struct inode_row *row,
	      const struct attr *have, struct attr *attr, uint64_t *stage,
	      struct err *err)
{
	struct reading rd;
	bool is_long;
	int r = 0;

	if (h->reading && h->reading->inode == row->id) {
		if (send_is_row(&h->reading->before, row))
			return long_file(h, at, row, h->reading, attr, stage,
					 err);
		r = long_leave(h, err);
		if (r < 0)
			return r;
	}
	if (!open_file(h, at, row, have, &rd, &r, err))
		return r;
	if (rd.size <= MSG_DATA_MAX) {
		rd.stage = *stage = ++h->stage;
		r = small_file(h, at, row, &rd, attr, err);
		fsys_close(rd.fd);
		return r;
	}
	is_long = rd.size >= LONG_BYTES && !h->o.dry && h->remote;
	if (is_long && h->reading) { /* one at a time */
		fsys_close(rd.fd);
		return SEND_NOT;
	}
	fsys_sequential(rd.fd);
	r = progress_file(h, at, err);
	if (r == 0 && have)
		r = previous(&rd, err);
	if (r == 0 && is_long) {
		r = long_new(h, &rd, err);
		return r < 0 ? r
			     : long_file(h, at, row, h->reading, attr, stage,
					 err);
	}
	if (r == 0)
		r = long_run(&rd, 0, err);
	*stage = rd.stage;
	r = finish(h, at, row, &rd, r, attr, err);
	fsys_close(rd.fd);
	return r;
}

int send_target(struct ship *h, struct place at, const struct inode_row *row,
		struct err *err)
{
	char name[PATH_NAME_MAX + 1];
	int dir = source_dir(h, at.parent, err);
	struct hash hash;
	ssize_t n;
	int r;

	if (dir < 0)
		return not_now(h, at, -dir, err->msg, err);
	snprintf(name, sizeof(name), "%.*s", (int)at.len, at.name);
	buf_clear(&h->scratch);
	r = buf_reserve(&h->scratch, MSG_LINK_MAX + 1, err);
	if (r < 0)
		return r;
	n = fsys_readlink(dir, name, (char *)h->scratch.data, MSG_LINK_MAX + 1,
			  err);
	if (n < 0) /* EINVAL: it is no link any more */
		return not_now(h, at,
			       err->sys == EINVAL ? ERR_VANISHED : -(int)n,
			       err->msg, err);
	h->scratch.len = (size_t)n;
	hash = hash_of(h->scratch.data, (size_t)n, store_seed(h->s));
	if (!row->a.hashed || hash_equal(&hash, &row->a.hash))
		return SEND_STAGED;
	/* The next pass shall read it, whatever its times are. */
	r = notes_known(h, row->id, &row->a.hash, STORE_YOUNG, err);
	return r < 0 ? r : not_now(h, at, ERR_VANISHED, "", err);
}

/* Names for the numbers of owners, once each, before they are used. */
static int tell_owner(struct ship *h, bool group, uint32_t id, struct err *err)
{
	uint64_t key = (uint64_t)group << 32 | id;
	char name[ACCOUNTS_NAME + 1];
	bool is_new;
	int r;

	if (!map_put_u64(&h->owners, key, &is_new, err))
		return err->code;
	if (!is_new)
		return 0;
	r = accounts_name(h->accounts, group, id, name, err);
	return r <= 0 ? r : remote_owner(h->remote, group, id, name, err);
}

int send_owner(struct ship *h, const struct attr *a, struct err *err)
{
	int r;

	if (!h->remote || !h->o.owners)
		return 0;
	r = tell_owner(h, false, a->uid, err);
	return r < 0 ? r : tell_owner(h, true, a->gid, err);
}
