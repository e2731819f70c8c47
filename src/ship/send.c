/*
 * One file's content from the source.  It is opened component by component
 * from the root, never through a symbolic link, must be the inode the snapshot
 * speaks of, and must look the same before and after it was read; else it is
 * left for the next pass.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ship_local.h"
#include "snapsync/clock.h"

/* How close to the reading a change may be that leaves the same time stamp:
 * a kernel tick, or two seconds where the file system counts in seconds. */
#define TICK (20 * CLOCK_MS)
#define COARSE (2100 * CLOCK_MS)

#define SPARSE_BYTES 65536u	/* -S: zeros of this length become a hole */

/* Descriptor of a source directory, by S's path; kept for the next file. */
static int source_dir(struct ship *h, int64_t parent, struct err *err)
{
	struct place at = {parent, "", 0};
	struct buf path;
	struct view rest, name;
	int r, fd, next;

	if (h->src_parent == parent)
		return h->src_fd;
	fsys_close(h->src_fd);
	h->src_fd = -1;
	h->src_parent = -1;
	buf_init(&path, 1 << 20);
	r = store_path(h->s, at, &path, err);
	if (r == 0)
		r = err_sys(err, ERR_VANISHED, ENOENT, "directory");
	fd = r < 0 ? r : fsys_dup(h->root_fd, err);
	rest = view_of(path.data, path.len);
	while (fd >= 0 && path_next(&rest, &name)) {
		char one[PATH_NAME_MAX + 1];

		snprintf(one, sizeof(one), "%.*s", (int)name.len,
			 (const char *)name.p);
		next = fsys_open_dir(fd, one, false, err);
		fsys_close(fd);
		fd = next;
	}
	buf_release(&path);
	if (fd >= 0) {
		h->src_fd = fd;
		h->src_parent = parent;
	}
	return fd;
}

static bool same_stat(const struct fsys_stat *a, const struct fsys_stat *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.s == b->mtime.s && a->mtime.ns == b->mtime.ns &&
	       a->ctime.s == b->ctime.s && a->ctime.ns == b->ctime.ns;
}

/* Could a change after the reading leave the same time stamps? */
static bool is_young(const struct fsys_stat *st, int64_t read_at)
{
	int64_t stamp = st->ctime.s * CLOCK_SECOND + st->ctime.ns;
	int64_t margin = st->ctime.ns % 1000000 == 0 ? COARSE : TICK;

	return stamp > read_at - margin;
}

struct reading {
	struct ship *h;
	int fd;
	uint64_t size;		/* as announced */
	uint64_t stage;
	unsigned bits;		/* its chunks were cut with, or 0 */
	bool emit;		/* send it, not only hash it */
	struct hash hash;
};

/* Between two pieces: nobody shall take a long reading for a frozen client. */
static int breathe(struct reading *rd, struct err *err)
{
	struct ship *h = rd->h;
	int r = 0;

	if (!rd->emit && h->remote)
		r = remote_idle(h->remote, err);
	if (r == 0 && h->o.stop && *h->o.stop)
		r = err_set(err, ERR_SIGNAL, "stopped by a signal");
	return r;
}

static int read_hole(struct reading *rd, uint64_t length, struct err *err)
{
	static const unsigned char zero[65536];
	uint64_t left;

	for (left = length; left > 0;) {
		size_t n = left < sizeof(zero) ? (size_t)left : sizeof(zero);

		hash_update(rd->h->hash, zero, n);
		left -= n;
	}
	if (rd->emit)
		progress_content(rd->h, length);
	return rd->emit ? emit_hole(rd->h, length, err) : breathe(rd, err);
}

/* A zero byte first and last, and all the same between. */
static bool is_zero(const unsigned char *p, size_t n)
{
	return n > 0 && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* One stretch of data.  1 all of it, 0 the file is not what it was. */
static int read_data(struct reading *rd, uint64_t at, uint64_t end,
		     struct err *err)
{
	struct ship *h = rd->h;
	size_t most = h->o.sparse ? SPARSE_BYTES : MSG_DATA_MAX, room, want;
	unsigned char *p = h->io;
	ssize_t n;
	int r = 0;

	while (r == 0 && at < end) {
		room = most;
		if (rd->emit)
			r = emit_room(h, &p, &room, err);
		if (r < 0)
			return r;
		want = end - at < room ? (size_t)(end - at) : room;
		if (want > most)
			want = most;
		n = fsys_pread_full(rd->fd, p, want, at, err);
		if (n < 0)
			return (int)n;
		if ((size_t)n < want)
			return 0;
		at += want;
		if (h->o.sparse && want == SPARSE_BYTES && is_zero(p, want)) {
			r = read_hole(rd, want, err);
			continue;
		}
		hash_update(h->hash, p, want);
		if (rd->emit) {
			progress_content(h, want);
			r = emit_filled(h, want, err);
		}
		if (r == 0)
			r = breathe(rd, err);
	}
	return r < 0 ? r : 1;
}

/* Read to the announced size, holes without reading them; hash, and send if
 * that is wanted.  1 all of it; 0 the file is not what it was. */
static int read_content(struct reading *rd, struct err *err)
{
	uint64_t at = 0, start, end;
	int r = 1;

	hash_reset(rd->h->hash, store_seed(rd->h->s));
	while (r > 0 && at < rd->size) {
		r = fsys_next_data(rd->fd, at, rd->size, &start, &end, err);
		if (r == 0 && start > at)
			r = read_hole(rd, start - at, err);
		if (r == 0)
			r = read_data(rd, start, end, err);
		at = end;
		if (r > 0 && start == rd->size)
			break;
	}
	if (r > 0 && rd->emit) {
		int e = emit_flush(rd->h, err);

		r = e < 0 ? e : r;
	}
	rd->hash = hash_digest(rd->h->hash);
	return r;
}

/* A small file is read whole before anything is sent. */
static int read_small(struct reading *rd, const struct attr *have,
		      struct err *err)
{
	struct ship *h = rd->h;
	ssize_t n = fsys_pread_full(rd->fd, h->io, (size_t)rd->size, 0, err);

	if (n < 0)
		return (int)n;
	if ((uint64_t)n != rd->size)
		return 0;
	progress_content(h, rd->size);
	rd->hash = hash_of(h->io, (size_t)n, store_seed(h->s));
	if (have && have->hashed && have->size == rd->size &&
	    hash_equal(&have->hash, &rd->hash))
		return 2;
	return 1;
}

static int send_small(struct reading *rd, struct err *err)
{
	struct ship *h = rd->h;
	int r = emit_copy_whole(h, rd->stage, &rd->hash, rd->size, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = emit_begin(h, rd->stage, rd->size, rd->bits, err);
	if (r == 0 && rd->size)
		r = emit_whole(h, h->io, (size_t)rd->size, err);
	return r < 0 ? r
		     : h->sink->ops->stage_end(h->sink, rd->stage, &rd->hash,
					       err);
}

/* 1 sent, 2 the destination has it already, 0 not what it was. */
static int send_large(struct reading *rd, const struct attr *have,
		      struct err *err)
{
	struct sink *k = rd->h->sink;
	int r;

	if (have && have->hashed && have->size == rd->size) {
		/* Perhaps nothing has to travel: look first. */
		r = read_content(rd, err);
		if (r <= 0)
			return r;
		if (hash_equal(&have->hash, &rd->hash))
			return 2;
	}
	rd->emit = true;
	r = emit_begin(rd->h, rd->stage, rd->size, rd->bits, err);
	if (r < 0)
		return r;
	r = read_content(rd, err);
	if (r > 0) {
		int e = k->ops->stage_end(k, rd->stage, &rd->hash, err);

		return e < 0 ? e : 1;
	}
	if (r == 0 || err_class(r) != ERR_CLASS_DROP) {
		struct err ignored;
		int e = k->ops->stage_drop(k, rd->stage, &ignored);

		if (e < 0 && r == 0) {
			*err = ignored;
			return e;
		}
	}
	return r;
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
		 int64_t read_at, struct err *err)
{
	bool young = is_young(st, read_at);
	struct chunk_list *l = &h->emit.list;
	uint64_t ctime = (uint64_t)st->ctime.s * 1000000000u + st->ctime.ns;

	if (row->ctime != ctime || row->a.size != st->size ||
	    row->a.mtime.s != st->mtime.s || row->a.mtime.ns != st->mtime.ns)
		return 0;
	if (l->count > 1) {
		int r = notes_chunks(h, row->id, hash, l, err);

		if (r < 0)
			return r;
	}
	if (row->a.hashed && hash_equal(&row->a.hash, hash) &&
	    !!(row->flags & STORE_YOUNG) == young)
		return 0;
	return notes_known(h, row->id, hash, young ? STORE_YOUNG : 0, err);
}

static int not_now(struct ship *h, struct place at, int code,
		   const char *text, struct err *err)
{
	int r;

	if (code == ERR_VANISHED) {
		h->restless++; /* the next pass will see what became of it */
		return SEND_NOT;
	}
	r = notes_problem(h, at, code, text, err);
	return r < 0 ? r : SEND_NOT;
}

static int finish(struct ship *h, struct place at,
		  const struct inode_row *row, struct reading *rd,
		  const struct fsys_stat *before, const struct attr *have,
		  int64_t read_at, struct attr *attr, struct err *err)
{
	bool small = rd->size <= MSG_DATA_MAX;
	struct fsys_stat after;
	int r;

	h->emit.list.count = 0;
	r = small ? read_small(rd, have, err) : send_large(rd, have, err);

	if (r < 0 && (err_class(r) == ERR_CLASS_DROP ||
		      err_class(r) == ERR_CLASS_FATAL))
		return r;
	if (r < 0)
		return not_now(h, at, -r, err->msg, err);
	if (r > 0 && fsys_fstat(rd->fd, &after, err) < 0)
		return not_now(h, at, ERR_IO, err->msg, err);
	if (r == 0 || !same_stat(before, &after)) {
		if (r == 1 && !small) {
			int e = h->sink->ops->stage_drop(h->sink, rd->stage,
							 err);
			if (e < 0)
				return e;
		}
		return not_now(h, at, ERR_VANISHED, "", err);
	}
	if (r == 1 && small) {
		int e = send_small(rd, err);

		if (e < 0)
			return e;
	}
	attr_of(before, &rd->hash, attr);
	{
		int e = learn(h, row, before, &rd->hash, read_at, err);

		if (e < 0)
			return e;
	}
	return r == 2 ? SEND_SAME : SEND_STAGED;
}

/* How the version that the destination has was cut. */
static unsigned previous_bits(struct ship *h, int64_t inode,
			      const struct attr *have, struct err *err)
{
	struct chunk_list l = {.bits = 0};
	unsigned bits = 0;

	if (have && have->hashed && have->size > MSG_DATA_MAX &&
	    index_get(h->s, inode, &have->hash, &l, err) > 0)
		bits = l.bits;
	chunk_list_release(&l);
	return bits;
}

int send_file(struct ship *h, struct place at, const struct inode_row *row,
	      const struct attr *have, struct attr *attr, uint64_t *stage,
	      struct err *err)
{
	struct reading rd = {.h = h};
	struct fsys_stat st;
	int64_t read_at = clock_real();
	char name[PATH_NAME_MAX + 1];
	int r, dir = source_dir(h, at.parent, err);

	if (dir < 0)
		return not_now(h, at, -dir, err->msg, err);
	snprintf(name, sizeof(name), "%.*s", (int)at.len, at.name);
	rd.fd = fsys_open(dir, name, FSYS_READ, 0, err);
	if (rd.fd < 0)
		return not_now(h, at, -rd.fd, err->msg, err);
	r = fsys_fstat(rd.fd, &st, err);
	if (r < 0 || st.type != FSYS_FILE || st.ino != row->ino) {
		fsys_close(rd.fd);
		return not_now(h, at, ERR_VANISHED, "", err);
	}
	rd.size = st.size;
	rd.bits = previous_bits(h, row->id, have, err);
	rd.stage = *stage = ++h->stage;
	r = 0;
	if (rd.size > MSG_DATA_MAX) {
		fsys_sequential(rd.fd);
		r = progress_file(h, at, err);
	}
	if (r == 0)
		r = finish(h, at, row, &rd, &st, have, read_at, attr, err);
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

	(void)row;
	if (dir < 0)
		return not_now(h, at, -dir, err->msg, err);
	snprintf(name, sizeof(name), "%.*s", (int)at.len, at.name);
	buf_clear(&h->scratch);
	r = buf_reserve(&h->scratch, MSG_LINK_MAX + 1, err);
	if (r < 0)
		return r;
	n = fsys_readlink(dir, name, (char *)h->scratch.data,
			  MSG_LINK_MAX + 1, err);
	if (n < 0)
		return not_now(h, at, ERR_VANISHED, "", err);
	h->scratch.len = (size_t)n;
	hash = hash_of(h->scratch.data, (size_t)n, store_seed(h->s));
	if (row->a.hashed && !hash_equal(&hash, &row->a.hash))
		return not_now(h, at, ERR_VANISHED, "", err);
	return SEND_STAGED;
}

/* Names for the numbers of owners, once each, before they are used. */
static int tell_owner(struct ship *h, bool group, uint32_t id,
		      struct err *err)
{
	uint64_t key = (uint64_t)group << 32 | id;
	const char *name = NULL;
	bool is_new;

	if (!map_put_u64(&h->owners, key, &is_new, err))
		return err->code;
	if (!is_new)
		return 0;
	if (group) {
		struct group *g = getgrgid((gid_t)id);

		name = g ? g->gr_name : NULL;
	} else {
		struct passwd *p = getpwuid((uid_t)id);

		name = p ? p->pw_name : NULL;
	}
	if (!name || strlen(name) > 255)
		return 0;
	return remote_owner(h->remote, group, id, name, err);
}

int send_owner(struct ship *h, const struct attr *a, struct err *err)
{
	int r;

	if (!h->remote || !h->o.owners)
		return 0;
	r = tell_owner(h, false, a->uid, err);
	return r < 0 ? r : tell_owner(h, true, a->gid, err);
}
