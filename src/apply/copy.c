/*
 * COPY: content that is at the destination already, under another name or in an
 * older version of the file.  What is not what the client took it for is asked
 * for (NEED).
 */
#include <stdlib.h>

#include "apply_local.h"

#define COPY_STEP (64u << 20) /* copied by one call */

int copy_room(struct apply *a, struct err *err)
{
	if (!a->copy_bytes && !(a->copy_bytes = malloc(COPY_BYTES)))
		return err_set(err, ERR_MEMORY, "out of memory");
	return 0;
}

/* What cannot be written (maybe what came before), or not read again, is no fault of what is copied:
 * to be sent it would help nobody. */
static int spoiled(struct apply *a, struct stage *s, uint64_t id,
		   const struct err *err, int r)
{
	if (r < 0)
		stage_spoil(a, s, id, r, err->msg);
	return r;
}

/* The bytes that count, from `fd` on: of the copy if it is made (fd is its own),
 * else of what is copied, which makes it. */
static int copied(struct apply *a, struct stage *s, int fd, uint64_t from,
		  uint64_t at, const struct msg_copy *m, struct err *err)
{
	uint64_t done = 0;
	struct hash hash;
	int r = copy_room(a, err);

	if (r == 0 && !a->copy_hash && !(a->copy_hash = hash_new()))
		r = err_set(err, ERR_MEMORY, "out of memory");
	if (r < 0)
		return r;
	hash_reset(a->copy_hash, a->hello.seed);
	while (r == 0 && done < m->length) {
		uint64_t left = m->length - done;
		size_t want = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
		ssize_t n = fsys_pread_full(fd, a->copy_bytes, want,
					    from + done, err);

		if (n < 0)
			return fd == s->fd ? spoiled(a, s, m->id, err, (int)n)
					   : (int)n;
		if ((size_t)n != want)
			return err_set(err, ERR_MISMATCH, "short copy");
		if (fd != s->fd)
			r = spoiled(a, s, m->id, err,
				    direct_write(a, s, m->id, a->copy_bytes,
						 want, at + done, err));
		hash_update(a->copy_hash, a->copy_bytes, want);
		hash_update(stage_hash(a, s), a->copy_bytes, want);
		done += want;
	}
	if (r < 0)
		return r;
	hash = hash_digest(a->copy_hash);
	return hash_equal(&hash, &m->hash)
		       ? 0
		       : err_set(err, ERR_MISMATCH,
				 "the destination is not what it was");
}

/* What is to be copied, open. */
static int open_copied(struct apply *a, const struct msg_copy *m,
		       struct err *err)
{
	char name[PATH_NAME_MAX + 1];
	struct fsys_stat st;
	int dirfd, fd, r = confine_parent(a, &m->path, &dirfd, name, NULL, err);

	if (r < 0)
		return r;
	fd = fsys_open(dirfd, name, FSYS_READ | FSYS_QUIET, 0, err);
	if (fd < 0)
		return fd;
	r = fsys_fstat(fd, &st, err);
	if (r == 0 && (st.type != FSYS_FILE || st.size < m->offset + m->length))
		r = err_set(err, ERR_MISMATCH,
			    "the destination is not what it was");
	if (r < 0)
		fsys_close(fd);
	return r < 0 ? r : fd;
}

/* Into memory, where what it belongs to waits. */
static int copy_pending(struct apply *a, const struct msg_copy *m,
			struct err *err)
{
	struct buf *b = &a->pending_bytes;
	struct hash hash;
	ssize_t n = 0;
	int fd = open_copied(a, m, err);

	if (fd < 0)
		return fd;
	if (buf_reserve(b, (size_t)m->length, err) < 0)
		n = err->code;
	else
		n = fsys_pread_full(fd, b->data + b->len, (size_t)m->length,
				    m->offset, err);
	fsys_close(fd);
	if (n < 0)
		return (int)n;
	hash = hash_of(b->data + b->len, (size_t)n, a->hello.seed);
	if ((uint64_t)n != m->length || !hash_equal(&hash, &m->hash))
		return err_set(err, ERR_MISMATCH,
			       "the destination is not what it was");
	hash_update(a->hash, b->data + b->len, (size_t)n);
	b->len += (size_t)n;
	return 0;
}

/* What the kernel copies is read back; other bytes pass through our hands. */
static int copy_range(struct apply *a, struct stage *s, uint64_t at,
		      const struct msg_copy *m, struct err *err)
{
	uint64_t done = a->copies ? 0 : m->length;
	ssize_t n = 1;
	int r = 0, fd = open_copied(a, m, err);

	if (fd < 0)
		return fd;
	if (a->copies)
		r = spoiled(a, s, m->id, err, direct_settle(a, m->id, err));
	while (r == 0 && n > 0 && done < m->length) {
		uint64_t left = m->length - done;

		n = fsys_copy_range(fd, m->offset + done, s->fd, at + done,
				    left < COPY_STEP ? (size_t)left : COPY_STEP,
				    err);
		r = n < 0 ? (int)n : 0;
		done += n > 0 ? (uint64_t)n : 0;
	}
	if (r == 0)
		r = a->copies ? copied(a, s, s->fd, at, at, m, err)
			      : copied(a, s, fd, m->offset, at, m, err);
	fsys_close(fd);
	return r;
}

int stage_copy(struct apply *a, const struct msg_copy *m, struct err *err)
{
	struct stage *s;
	uint64_t at;
	int r = stage_advance(a, m->id, m->length, "COPY", &s, err);

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
	if (a->pending == m->id && a->shares)
		stage_let_go(a);
	if (s->code)
		return 0;
	r = a->pending == m->id ? copy_pending(a, m, err)
				: copy_range(a, s, at, m, err);
	if (r == 0 && s->fd >= 0)
		stage_flush_early(a, s);
	if (r == 0)
		return 0;
	if (r == -ERR_MEMORY)
		return r;
	if (s->code)
		return 0;
	stage_spoil(a, s, m->id, r == -ERR_NO_SPACE ? r : -ERR_MISMATCH,
		    err->msg);
	return s->code == ERR_NO_SPACE
		       ? 0
		       : stage_need(a, m->id, at, m->length, err);
}
