/*
 * Content and special files on their way: everything is made in
 * DEST/.snapsync/tmp under a number, complete with owner, mode and time,
 * before an operation gives it a name.  A stage that goes wrong remembers why,
 * so that the operation which wants it fails with that reason.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply_local.h"

#define COPY_STEP (64u << 20)	 /* copied by one call */
#define FLUSH_EARLY (128u << 10) /* bytes: worth a write of its own */
#define FLUSH_STEP (16u << 20)	 /* bytes of a long file, the same */
#define NODE_BIT (UINT64_C(1) << 63)

void stage_name(uint64_t tmp, char out[32])
{
	snprintf(out, 32, "%s%" PRIx64, tmp & NODE_BIT ? "n" : "f",
		 tmp & ~NODE_BIT);
}

int tmp_of(const struct apply *a, uint64_t tmp)
{
	return tmp & NODE_BIT ? a->tmp_fd
			      : a->tmp_fds[tmp / TMP_RUN % TMP_DIRS];
}

/* Where a stage lies until it is complete. */
static int dir_of_stage(const struct apply *a, const struct stage *s,
			uint64_t id)
{
	return s->keyed ? a->tmp_fd : tmp_of(a, id);
}

static struct hash_state *hash_of_stage(struct apply *a, const struct stage *s)
{
	return s->keyed ? a->keyed_hash : a->hash;
}

void stage_spoil(struct apply *a, struct stage *s, uint64_t id, int code,
		 const char *text)
{
	char name[STAGE_NAME];
	struct err ignored;

	s->code = code < 0 ? -code : code;
	snprintf(s->text, sizeof(s->text), "%.120s", text);
	fsys_close(s->fd);
	s->fd = -1;
	keyed_name(s, id, name);
	fsys_unlink(dir_of_stage(a, s, id), name, &ignored);
}

/* The file that is to be filled.  Content is made with the mode that the last
 * one got: mostly that is right, and tried here where it is another one (the
 * directory may have rules of its own). */
static int make_file(struct apply *a, struct stage *s, uint64_t id,
		     struct err *err)
{
	unsigned mode = s->keyed ? 0600 : a->tmp_mode;
	struct fsys_stat st;
	char name[STAGE_NAME];

	keyed_name(s, id, name);
	s->mode = mode;
	s->fd = fsys_open(dir_of_stage(a, s, id), name,
			  s->keyed ? FSYS_READ | FSYS_WRITE | FSYS_CREATE
				   : FSYS_WRITE | FSYS_CREATE | FSYS_EXCL,
			  mode, err);
	if (s->fd < 0)
		return s->fd;
	if (!s->keyed && a->tmp_known && a->tmp_mode_tried == mode)
		return 0;
	s->mode = UINT32_MAX; /* not known */
	if (fsys_fstat(s->fd, &st, err) < 0)
		return 0;
	a->tmp_uid = st.uid;
	a->tmp_gid = st.gid;
	a->tmp_known = true;
	s->mode = st.mode;
	if (st.mode == mode && !s->keyed)
		a->tmp_mode_tried = mode;
	return 0;
}

int stage_begin(struct apply *a, const struct msg_stage *m, struct err *err)
{
	struct stage *s;
	int r = 0;

	if (m->id <= a->last_stage || m->id & NODE_BIT || m->size > INT64_MAX ||
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
	r = make_file(a, s, m->id, err);
	if (r < 0)
		stage_spoil(a, s, m->id, r, err->msg);
	return m->keyed ? keyed_offer(a, s, m->id, err) : 0;
}

/* The stage that is being filled takes `length` bytes more. */
static int advance(struct apply *a, uint64_t id, uint64_t length,
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

/* The disk begins before all of it is there, so that its sync is short. */
static void flush_early(struct apply *a, struct stage *s)
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
	int r = advance(a, m->id, m->bytes.len, "DATA", &s, err);

	if (r < 0)
		return r;
	at = s->received - m->bytes.len;
	a->staged_bytes += m->bytes.len;
	if (s->code)
		return 0;
	hash_update(hash_of_stage(a, s), m->bytes.p, m->bytes.len);
	r = fsys_pwrite_full(s->fd, m->bytes.p, m->bytes.len, at, err);
	if (r < 0)
		stage_spoil(a, s, m->id, r, err->msg);
	else
		flush_early(a, s);
	return 0;
}

static int tell_need(struct apply *a, uint64_t id, uint64_t offset,
		     uint64_t length, struct err *err)
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
	int r = advance(a, m->id, m->length, "HOLE", &s, err);

	if (r < 0 || s->code)
		return r;
	/* What is never written is a hole; its end must be there, though. */
	r = fsys_truncate(s->fd, s->received, err);
	if (r < 0) {
		stage_spoil(a, s, m->id, r, err->msg);
		return 0;
	}
	for (left = m->length; left > 0;) {
		size_t n = left < sizeof(zero) ? (size_t)left : sizeof(zero);

		hash_update(hash_of_stage(a, s), zero, n);
		left -= n;
	}
	return 0;
}

int copy_room(struct apply *a, struct err *err)
{
	if (!a->copy_bytes && !(a->copy_bytes = malloc(COPY_BYTES)))
		return err_set(err, ERR_MEMORY, "out of memory");
	return 0;
}

/* Read back what was copied: only that counts. */
static int copied(struct apply *a, struct stage *s, uint64_t at,
		  const struct msg_copy *m, struct err *err)
{
	uint64_t left = m->length;
	struct hash hash;
	int r = copy_room(a, err);

	if (r < 0)
		return r;
	if (!a->copy_hash && !(a->copy_hash = hash_new()))
		return err_set(err, ERR_MEMORY, "out of memory");
	hash_reset(a->copy_hash, a->hello.seed);
	while (left > 0) {
		size_t want = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
		ssize_t n = fsys_pread_full(s->fd, a->copy_bytes, want, at,
					    err);

		if (n < 0)
			return (int)n;
		if ((size_t)n != want)
			return err_set(err, ERR_MISMATCH, "short copy");
		hash_update(a->copy_hash, a->copy_bytes, want);
		hash_update(hash_of_stage(a, s), a->copy_bytes, want);
		at += want;
		left -= want;
	}
	hash = hash_digest(a->copy_hash);
	return hash_equal(&hash, &m->hash)
		       ? 0
		       : err_set(err, ERR_MISMATCH,
				 "the destination is not what it was");
}

static int copy_range(struct apply *a, struct stage *s, uint64_t at,
		      const struct msg_copy *m, struct err *err)
{
	uint64_t done = 0;
	char name[PATH_NAME_MAX + 1];
	struct fsys_stat st;
	ssize_t n = 1;
	int dirfd, fd, r = confine_parent(a, &m->path, &dirfd, name, NULL, err);

	if (r < 0)
		return r;
	fd = fsys_open(dirfd, name, FSYS_READ, 0, err);
	if (fd < 0)
		return fd;
	r = fsys_fstat(fd, &st, err);
	if (r == 0 && (st.type != FSYS_FILE || st.size < m->offset + m->length))
		r = err_set(err, ERR_MISMATCH,
			    "the destination is not what it was");
	while (r == 0 && n > 0 && done < m->length) {
		uint64_t left = m->length - done;

		n = fsys_copy_range(fd, m->offset + done, s->fd, at + done,
				    left < COPY_STEP ? (size_t)left : COPY_STEP,
				    err);
		r = n < 0 ? (int)n : 0;
		done += n > 0 ? (uint64_t)n : 0;
	}
	fsys_close(fd);
	return r < 0 ? r : copied(a, s, at, m, err);
}

int stage_copy(struct apply *a, const struct msg_copy *m, struct err *err)
{
	struct stage *s;
	uint64_t at;
	int r = advance(a, m->id, m->length, "COPY", &s, err);

	if (r < 0 || s->code)
		return r;
	at = s->received - m->length;
	/* The names are as the last COMMIT leaves them. */
	r = commit_wait_for(a, &m->path, err);
	if (r < 0)
		return r;
	s = map_get_u64(&a->stages, m->id); /* it was swept meanwhile */
	if (!s)
		return err_set(err, ERR_PROTOCOL, "COPY without STAGE");
	a->staged_bytes += m->length;
	r = copy_range(a, s, at, m, err);
	if (r == 0)
		flush_early(a, s);
	if (r == 0)
		return 0;
	if (r == -ERR_MEMORY)
		return r;
	stage_spoil(a, s, m->id, r == -ERR_NO_SPACE ? r : -ERR_MISMATCH,
		    err->msg);
	return s->code == ERR_NO_SPACE
		       ? 0
		       : tell_need(a, m->id, at, m->length, err);
}

int stage_end(struct apply *a, const struct msg_stage_end *m, struct err *err)
{
	struct stage *s = map_get_u64(&a->stages, m->id);
	struct hash hash;

	if (!s || (m->id != a->current && m->id != a->keyed) || s->asked)
		return err_set(err, ERR_PROTOCOL, "STAGE_END without STAGE");
	if (m->id == a->current)
		a->current = 0;
	else
		a->keyed = 0;
	if (s->code)
		return 0;
	hash = hash_digest(hash_of_stage(a, s));
	if (s->received != s->size || !hash_equal(&hash, &m->hash)) {
		stage_spoil(a, s, m->id, ERR_MISMATCH,
			    "the content did not arrive as it was sent");
		return tell_need(a, m->id, 0, s->size, err);
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
	if (!s->code)
		stage_spoil(a, s, id, ERR_VANISHED, "dropped");
	return 0;
}

int stage_finish(struct apply *a, uint64_t id, const struct msg_meta *m,
		 struct err *err)
{
	struct stage *s = map_get_u64(&a->stages, id);
	struct fsys_stat now = {
		.uid = a->tmp_uid, .gid = a->tmp_gid, .mode = UINT32_MAX};
	bool plain;
	char name[32];
	int r;

	if (!s || a->current == id || a->keyed == id)
		return err_set(err, ERR_PROTOCOL, "PLACE without content");
	if (s->code) {
		r = err_set(err, (enum err_code)s->code, "%s", s->text);
		s->code = ERR_VANISHED;
		return r;
	}
	stage_name(id, name);
	plain = s->fd >= 0 && m->uid == now.uid && m->gid == now.gid;
	if (plain) {
		r = s->mode == m->mode ? 0 : fsys_fchmod(s->fd, m->mode, err);
		a->tmp_mode = (m->mode & 0777u) | 0600u;
		if (r == 0 || a->no_modes)
			r = fsys_fset_mtime(s->fd, m->mtime, err);
	} else {
		r = owner_meta(a, tmp_of(a, id), name, FSYS_FILE, m, &now, err);
	}
	if (r == 0 && s->fd >= 0 && s->size >= FLUSH_EARLY && !a->no_sync)
		fsys_flush_hint(s->fd);
	fsys_close(s->fd);
	s->fd = -1;
	if (r < 0)
		stage_spoil(a, s, id, r, err->msg);
	else
		a->unsynced++;
	s->placed = a->batch;
	return r;
}

int stage_special(struct apply *a, const struct msg_op *op, uint64_t *tmp,
		  struct err *err)
{
	char name[32], target[MSG_LINK_MAX + 1];
	struct fsys_stat now;
	int r;

	*tmp = ++a->node | NODE_BIT;
	stage_name(*tmp, name);
	if (op->type == MSG_SYMLINK) {
		snprintf(target, sizeof(target), "%.*s", (int)op->target.len,
			 (const char *)op->target.p);
		r = fsys_symlink(target, a->tmp_fd, name, err);
		if (r < 0)
			return err_sys(err, (enum err_code) - r, err->sys,
				       "a symbolic link cannot be made there");
	} else {
		r = fsys_mknod(a->tmp_fd, name, op->meta.type, 0600,
			       op->rdev_major, op->rdev_minor, err);
	}
	if (r == 0)
		r = fsys_stat(a->tmp_fd, name, &now, err);
	if (r == 0)
		r = owner_meta(a, a->tmp_fd, name,
			       op->type == MSG_SYMLINK ? FSYS_SYMLINK
						       : op->meta.type,
			       &op->meta, &now, err);
	a->unsynced++;
	return r;
}

static int sync_one(struct apply *a, uint64_t tmp, struct err *err)
{
	char name[32];
	int fd, r;

	stage_name(tmp, name);
	fd = fsys_open(tmp_of(a, tmp), name, FSYS_READ, 0, err);
	/* Without read permission for ourselves: all of it, then. */
	if (fd < 0 && err->sys == EACCES && fsys_has_sync_fs()) {
		r = fsys_sync_fs(a->tmp_fd, err);
		return r < 0 ? r : 0;
	}
	if (fd < 0)
		return err->sys == EACCES ? 0 : fd;
	r = fsys_sync(fd, err);
	fsys_close(fd);
	return r;
}

/* The staged files of the batch, whose operations lie in a->ops. */
int stage_sync(struct apply *a, struct err *err)
{
	struct view v = view_of(a->ops.data, a->ops.len);
	struct noted n;
	int dir = -1, r = 0;

	if (a->no_sync || a->unsynced == 0)
		return 0;
	if (a->unsynced > APPLY_FEW && fsys_has_sync_fs()) {
		r = fsys_sync_fs(a->tmp_fd, err);
		return r < 0 ? r : 0;
	}
	/* The names in tmp/ too: a replay takes one that is missing there for
	 * one that has its place already. */
	while (r == 0 && v.len > 0) {
		r = redo_get(&v, &n, err);
		if (r < 0 || !n.tmp || n.code)
			continue;
		if (n.op.type == MSG_PLACE)
			r = sync_one(a, n.tmp, err);
		if (r == 0 && dir >= 0 && dir != tmp_of(a, n.tmp))
			r = fsys_sync(dir, err);
		dir = tmp_of(a, n.tmp);
	}
	return r < 0 || dir < 0 ? r : fsys_sync(dir, err);
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

	while ((s = map_next(&a->stages, &at, NULL)))
		fsys_close(s->fd);
	map_release(&a->stages);
	free(a->copy_bytes);
	hash_free(a->copy_hash);
	hash_free(a->keyed_hash);
}
