/*
 * Content and special files on their way: everything is made in
 * DEST/.snapsync/tmp under a number, complete with owner, mode and time,
 * before an operation gives it a name.  A stage that goes wrong remembers why,
 * so that the operation which wants it fails with that reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply_local.h"

#define FLUSH_EARLY (128u << 10) /* bytes: worth a write of its own */
#define FLUSH_STEP (16u << 20)	 /* bytes of a long file, the same */

/* Where a stage lies until it is complete. */
static int dir_of_stage(const struct apply *a, const struct stage *s,
			uint64_t id)
{
	return s->keyed ? a->tmp_fd : tmp_of(a, id);
}

struct hash_state *stage_hash(struct apply *a, const struct stage *s)
{
	return s->keyed ? a->keyed_hash : a->hash;
}

void stage_spoil(struct apply *a, struct stage *s, uint64_t id, int code,
		 const char *text)
{
	char name[STAGE_NAME];
	struct err ignored;

	s->code = code < 0 ? -code : code;
	if (s->code == ERR_VANISHED) /* that would be a drop */
		s->code = ERR_IO;
	snprintf(s->text, sizeof(s->text), "%.120s", text);
	if (a->pending == id) { /* there is no file yet */
		a->pending = 0;
		return;
	}
	direct_settle(a, id, &ignored);
	fsys_close(s->fd);
	s->fd = -1;
	keyed_name(s, id, name);
	fsys_unlink(dir_of_stage(a, s, id), name, &ignored);
}

/* The file that is to be filled.  Mostly it gets the mode it is made with:
 * tried, once for each mode (the directory may have rules of its own). */
static int make_file(struct apply *a, struct stage *s, int dirfd,
		     const char *name, unsigned mode, struct err *err)
{
	struct fsys_stat st;

	s->mode = mode;
	s->fd = fsys_open(dirfd, name,
			  s->keyed ? FSYS_READ | FSYS_WRITE | FSYS_CREATE
				   : FSYS_WRITE | FSYS_CREATE | FSYS_EXCL,
			  mode, err);
	if (s->fd < 0)
		return s->fd;
	if (!s->keyed && a->tmp_known && a->tried[mode])
		return 0;
	s->mode = UINT32_MAX; /* not known */
	if (fsys_fstat(s->fd, &st, err) < 0)
		return 0;
	a->tmp_uid = st.uid;
	a->tmp_gid = st.gid;
	a->tmp_known = true;
	s->mode = st.mode;
	a->tried[mode] = st.mode == mode && !s->keyed;
	return 0;
}

/* Before its name is known: content is made with the mode the last one got. */
static int make_numbered(struct apply *a, struct stage *s, uint64_t id,
			 struct err *err)
{
	char name[STAGE_NAME];

	keyed_name(s, id, name);
	return make_file(a, s, dir_of_stage(a, s, id), name,
			 s->keyed ? 0600 : a->tmp_mode, err);
}

void stage_let_go(struct apply *a)
{
	uint64_t id = a->pending;
	struct stage *s = map_get_u64(&a->stages, id);
	struct err why;

	a->pending = 0;
	if (!s || s->code)
		return;
	if (make_numbered(a, s, id, &why) < 0 ||
	    fsys_pwrite_full(s->fd, a->pending_bytes.data, a->pending_bytes.len,
			     0, &why) < 0)
		stage_spoil(a, s, id, why.code, why.msg);
}

int stage_begin(struct apply *a, const struct msg_stage *m, struct err *err)
{
	struct stage *s;
	int r = 0;

	if (m->id <= a->last_stage || m->id >> 62 || m->size > INT64_MAX ||
	    (a->current && !m->keyed) ||
	    (m->keyed && !(a->features & MSG_FEATURE_KEEP)))
		return err_set(err, ERR_PROTOCOL, "STAGE out of order");
	if (a->stages.count >= APPLY_STAGES_MAX)
		return err_set(err, ERR_PROTOCOL, "too many stages");
	s = map_put_u64(&a->stages, m->id, NULL, err);
	if (!s)
		return err->code;
	a->last_stage = m->id;
	s->fd = -1;
	s->size = m->size;
	if (m->keyed) {
		r = keyed_begin(a, s, m, err);
		if (r < 0)
			return r;
	} else {
		a->current = m->id;
		hash_reset(a->hash, a->hello.seed);
	}
	if (!m->keyed && m->size <= PENDING_BYTES) {
		if (a->pending)
			stage_let_go(a);
		a->pending = m->id;
		buf_clear(&a->pending_bytes);
		return 0;
	}
	r = make_numbered(a, s, m->id, err);
	if (r < 0)
		stage_spoil(a, s, m->id, r, err->msg);
	return m->keyed ? keyed_offer(a, s, m->id, err) : 0;
}

int stage_advance(struct apply *a, uint64_t id, uint64_t length,
		  const char *what, struct stage **out, struct err *err)
{
	struct stage *s = map_get_u64(&a->stages, id);

	if (!s || (id != a->current && id != a->keyed) || s->asked)
		return err_set(err, ERR_PROTOCOL, "%s without STAGE", what);
	if (length > s->size - s->received)
		return err_set(err, ERR_PROTOCOL, "%s over the size", what);
	s->received += length;
	*out = s;
	return 0;
}

void stage_flush_early(struct apply *a, struct stage *s)
{
	if (a->no_sync || s->received - s->flushed < FLUSH_STEP)
		return;
	fsys_flush_hint(s->fd);
	s->flushed = s->received;
}

int stage_data(struct apply *a, const struct msg_data *m, struct err *err)
{
	struct stage *s;
	uint64_t at;
	int r = stage_advance(a, m->id, m->bytes.len, "DATA", &s, err);

	if (r < 0)
		return r;
	at = s->received - m->bytes.len;
	a->staged_bytes += m->bytes.len;
	if (s->code)
		return 0;
	hash_update(stage_hash(a, s), m->bytes.p, m->bytes.len);
	if (a->pending == m->id)
		return buf_put(&a->pending_bytes, m->bytes.p, m->bytes.len,
			       err);
	r = direct_write(a, s, m->id, m->bytes.p, m->bytes.len, at, err);
	if (r < 0)
		stage_spoil(a, s, m->id, r, err->msg);
	else
		stage_flush_early(a, s);
	return 0;
}

int stage_need(struct apply *a, uint64_t id, uint64_t offset, uint64_t length,
	       struct err *err)
{
	struct msg_need need = {.id = id, .offset = offset, .length = length};
	struct frame_mark mark = {0};
	int r = frame_begin(&a->out, MSG_NEED, 0, &mark, err);

	if (r == 0)
		r = msg_put_need(&a->out, &need, err);
	return r < 0 ? r : frame_end(&a->out, &mark, err);
}

int stage_hole(struct apply *a, const struct msg_hole *m, struct err *err)
{
	static const unsigned char zero[65536];
	struct stage *s;
	uint64_t left;
	int r = stage_advance(a, m->id, m->length, "HOLE", &s, err);

	if (r < 0 || s->code)
		return r;
	if (a->pending == m->id)
		stage_let_go(a);
	if (s->code)
		return 0;
	/* What is never written is a hole; its end must be there, though. */
	r = direct_settle(a, m->id, err);
	if (r == 0)
		r = fsys_truncate(s->fd, s->received, err);
	if (r < 0) {
		stage_spoil(a, s, m->id, r, err->msg);
		return 0;
	}
	for (left = m->length; left > 0;) {
		size_t n = left < sizeof(zero) ? (size_t)left : sizeof(zero);

		hash_update(stage_hash(a, s), zero, n);
		left -= n;
	}
	return 0;
}

int stage_end(struct apply *a, const struct msg_stage_end *m, struct err *err)
{
	struct stage *s = map_get_u64(&a->stages, m->id);
	struct hash hash;
	int r;

	if (!s || (m->id != a->current && m->id != a->keyed) || s->asked)
		return err_set(err, ERR_PROTOCOL, "STAGE_END without STAGE");
	if (m->id == a->current)
		a->current = 0;
	else
		a->keyed = 0;
	if (s->code)
		return 0;
	r = direct_settle(a, m->id, err);
	if (r < 0) {
		stage_spoil(a, s, m->id, r, err->msg);
		return 0;
	}
	hash = hash_digest(stage_hash(a, s));
	if (s->received != s->size || !hash_equal(&hash, &m->hash)) {
		stage_spoil(a, s, m->id, ERR_MISMATCH,
			    "the content did not arrive as it was sent");
		return stage_need(a, m->id, 0, s->size, err);
	}
	if (s->keyed)
		keyed_complete(a, s, m->id, err);
	return 0;
}

int stage_drop(struct apply *a, uint64_t id, struct err *err)
{
	struct stage *s = map_get_u64(&a->stages, id);

	if (!s)
		return err_set(err, ERR_PROTOCOL, "STAGE_DROP without STAGE");
	if (a->current == id)
		a->current = 0;
	if (a->keyed == id)
		a->keyed = 0;
	if (!s->code) {
		stage_spoil(a, s, id, ERR_IO, "dropped");
		s->code = ERR_VANISHED;
	}
	return 0;
}

/* The content that waits in memory, under its own name where that can be. */
static int give_file(struct apply *a, struct stage *s, const struct msg_op *op,
		     struct berth *b, struct err *err)
{
	const struct buf *bytes = &a->pending_bytes;
	unsigned mode = op->meta.mode & 0777u;
	struct berth own;
	int r = -1;

	if (fresh_berth(a, &op->path, &own)) {
		r = make_file(a, s, own.fd, own.name, mode, err);
		if (r == 0)
			*b = own;
	}
	if (r < 0) {
		fresh_taken(a, &op->path);
		r = make_file(a, s, b->fd, b->name, mode, err);
	}
	a->pending = 0;
	return r < 0 || bytes->len == 0 ? r
					: fsys_pwrite_full(s->fd, bytes->data,
							   bytes->len, 0, err);
}

static int finish_file(struct apply *a, struct stage *s,
		       const struct msg_meta *m, const struct berth *b,
		       struct err *err)
{
	struct fsys_stat now = {
		.uid = a->tmp_uid, .gid = a->tmp_gid, .mode = UINT32_MAX};
	int r;

	if (s->fd < 0 || m->uid != now.uid || m->gid != now.gid)
		return owner_meta(a, b->fd, b->name, FSYS_FILE, m, &now, err);
	r = s->mode == m->mode ? 0 : fsys_fchmod(s->fd, m->mode, err);
	a->tmp_mode = (m->mode & 0777u) | 0600u;
	return r == 0 || a->no_modes ? fsys_fset_mtime(s->fd, m->mtime, err)
				     : r;
}

int stage_finish(struct apply *a, const struct msg_op *op, uint64_t *tmp,
		 struct err *err)
{
	uint64_t id = op->stage;
	struct stage *s = map_get_u64(&a->stages, id);
	struct berth b = {.fd = tmp_of(a, id), .tmp = id};
	struct err ignored;
	int r = 0;

	*tmp = id;
	if (!s || a->current == id || a->keyed == id)
		return err_set(err, ERR_PROTOCOL, "PLACE without content");
	if (s->code) {
		r = err_set(err, (enum err_code)s->code, "%s", s->text);
		s->code = ERR_VANISHED;
		return r;
	}
	stage_name(id, b.name);
	if (a->pending == id)
		r = give_file(a, s, op, &b, err);
	else
		fresh_taken(a, &op->path);
	if (r == 0)
		r = finish_file(a, s, &op->meta, &b, err);
	if (r == 0 && s->fd >= 0 && s->size >= FLUSH_EARLY && !a->no_sync)
		fsys_flush_hint(s->fd);
	fsys_close(s->fd);
	s->fd = -1;
	if (r < 0 && b.tmp != id)
		fsys_unlink(b.fd, b.name, &ignored);
	if (r < 0)
		stage_spoil(a, s, id, r, err->msg);
	else
		a->unsynced++;
	s->placed = a->batch;
	*tmp = b.tmp;
	return r;
}

static int make_special(const struct msg_op *op, const struct berth *b,
			struct err *err)
{
	char target[MSG_LINK_MAX + 1];

	if (op->type != MSG_SYMLINK)
		return fsys_mknod(b->fd, b->name, op->meta.type, 0600,
				  op->rdev_major, op->rdev_minor, err);
	snprintf(target, sizeof(target), "%.*s", (int)op->target.len,
		 (const char *)op->target.p);
	return fsys_symlink(target, b->fd, b->name, err);
}

int stage_special(struct apply *a, const struct msg_op *op, uint64_t *tmp,
		  struct err *err)
{
	struct berth b;
	struct err ignored;
	struct fsys_stat now;
	bool fresh = fresh_berth(a, &op->path, &b);
	int r = fresh ? make_special(op, &b, err) : 0;

	if (!fresh || r < 0) {
		fresh_taken(a, &op->path);
		b.tmp = ++a->node | STAGE_NODE;
		b.fd = a->tmp_fd;
		stage_name(b.tmp, b.name);
		r = make_special(op, &b, err);
	}
	*tmp = b.tmp;
	if (r < 0 && op->type == MSG_SYMLINK)
		return err_sys(err, (enum err_code) - r, err->sys,
			       "a symbolic link cannot be made there");
	if (r < 0)
		return r;
	r = fsys_stat(b.fd, b.name, &now, err);
	if (r == 0)
		r = owner_meta(a, b.fd, b.name,
			       op->type == MSG_SYMLINK ? FSYS_SYMLINK
						       : op->meta.type,
			       &op->meta, &now, err);
	/* Its directory would take it along. */
	if (r < 0)
		fsys_unlink(b.fd, b.name, &ignored);
	a->unsynced++;
	return r;
}

/* After a batch: forget what was placed, dropped or failed. */
int stage_sweep(struct apply *a, uint64_t batch, struct err *err)
{
	struct map fresh;
	struct stage *s, *copy;
	struct view key;
	size_t at = 0;
	int r = 0;

	map_init(&fresh, sizeof(*s));
	while (r == 0 && (s = map_next(&a->stages, &at, &key))) {
		if (s->placed == batch ||
		    (!s->placed && s->code == ERR_VANISHED))
			continue;
		copy = map_put(&fresh, key.p, key.len, NULL, err);
		if (copy)
			*copy = *s;
		else
			r = err->code;
	}
	if (r < 0) {
		map_release(&fresh);
		return r;
	}
	map_release(&a->stages);
	a->stages = fresh;
	return 0;
}

void stage_release(struct apply *a)
{
	struct stage *s;
	size_t at = 0;

	direct_release(a);
	while ((s = map_next(&a->stages, &at, NULL)))
		fsys_close(s->fd);
	map_release(&a->stages);
	fresh_release(a);
	buf_release(&a->pending_bytes);
	free(a->copy_bytes);
	hash_free(a->copy_hash);
	hash_free(a->keyed_hash);
}
