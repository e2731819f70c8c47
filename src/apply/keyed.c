/*
 * A long file on its way: what came of it lies in tmp/ under the client's key
 * for this content until it is complete, so that a later session need not send
 * it again.  STAGE with a key is answered by HAVE, and that by KEEP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply_local.h"

void keyed_name(const struct stage *s, uint64_t id, char out[STAGE_NAME])
{
	size_t i, n = strlen(STAGE_KEPT);

	if (!s->keyed) {
		stage_name(id, out);
		return;
	}
	memcpy(out, STAGE_KEPT, n);
	for (i = 0; i < HASH_SIZE; i++, n += 2)
		snprintf(out + n, 3, "%02x", s->key.b[i]);
}

/* One that is begun while another one is open takes its place: what came of
 * that one stays where it is. */
int keyed_begin(struct apply *a, struct stage *s, const struct msg_stage *m,
		struct err *err)
{
	struct stage *old = map_get_u64(&a->stages, a->keyed);
	struct err ignored;

	if (a->keyed && old) {
		direct_settle(a, a->keyed, &ignored);
		fsys_close(old->fd);
		old->fd = -1;
		old->code = ERR_VANISHED;
		snprintf(old->text, sizeof(old->text), "begun again");
	}
	if (!a->keyed_hash && !(a->keyed_hash = hash_new()))
		return err_set(err, ERR_MEMORY, "out of memory");
	hash_reset(a->keyed_hash, a->hello.seed);
	a->keyed = m->id;
	s->keyed = true;
	s->key = m->key;
	return 0;
}

/* What came of it before and cannot be written (an earlier session's sync failed)
 * may still be in memory, and read well; a sync of the whole file system would
 * not say it again, that of the file does, once: what it says is acted on here.
 * Where that is not so either, it is to be read from the disk, not from there. */
static bool is_durable(struct apply *a, struct stage *s, uint64_t id,
		       struct err *err)
{
	struct pulse *p;
	int r;

	if (a->no_sync)
		return true;
	p = pulse_begin(a);
	r = fsys_sync(s->fd, err);
	pulse_end(p);
	if (r == 0) {
		fsys_uncache(s->fd);
		return true;
	}
	r = fsys_truncate(s->fd, 0, err);
	if (r < 0)
		stage_spoil(a, s, id, r, err->msg);
	return false;
}

/* Hash what came of it before; *length is how much of it is good. */
static int hash_kept(struct apply *a, struct stage *s, uint64_t id,
		     uint64_t *length, struct err *err)
{
	struct fsys_stat st;
	uint64_t at = 0, silent = 0, size = 0;
	ssize_t n = 1;
	int r = copy_room(a, err);

	if (r < 0)
		return r;
	if (fsys_fstat(s->fd, &st, err) == 0 && st.type == FSYS_FILE &&
	    st.size > 0 && st.size <= s->size && is_durable(a, s, id, err))
		size = st.size;
	while (r == 0 && at < size) {
		uint64_t left = size - at;

		n = fsys_pread_full(
			s->fd, a->copy_bytes,
			left < COPY_BYTES ? (size_t)left : COPY_BYTES, at, err);
		if (n <= 0)
			break;
		hash_update(a->keyed_hash, a->copy_bytes, (size_t)n);
		at += (uint64_t)n;
		r = serve_alive(a, (uint64_t)n, &silent, err);
	}
	*length = size;
	if (r == 0 && at < size) { /* it cannot be read: not worth more */
		hash_reset(a->keyed_hash, a->hello.seed);
		*length = 0;
	}
	return r;
}

int keyed_offer(struct apply *a, struct stage *s, uint64_t id, struct err *err)
{
	struct msg_have m = {.id = id};
	struct frame_mark mark = {0};
	int r = 0;

	if (!s->code) { /* else its PLACE will say what is wrong */
		r = hash_kept(a, s, id, &m.length, err);
		m.hash = hash_digest(a->keyed_hash);
		s->received = m.length;
	}
	s->asked = true;
	if (r == 0)
		r = frame_begin(&a->out, MSG_HAVE, 0, &mark, err);
	if (r == 0)
		r = msg_put_have(&a->out, &m, err);
	return r < 0 ? r : frame_end(&a->out, &mark, err);
}

int stage_keep(struct apply *a, const struct msg_keep *m, struct err *err)
{
	struct stage *s = map_get_u64(&a->stages, m->id);
	int r;

	if (!s || m->id != a->keyed || !s->asked ||
	    (m->length && m->length != s->received))
		return err_set(err, ERR_PROTOCOL, "KEEP without HAVE");
	s->asked = false;
	if (m->length || s->code)
		return 0;
	s->received = 0;
	hash_reset(a->keyed_hash, a->hello.seed);
	r = fsys_truncate(s->fd, 0, err);
	if (r < 0)
		stage_spoil(a, s, m->id, r, err->msg);
	return 0;
}

void keyed_complete(struct apply *a, struct stage *s, uint64_t id,
		    struct err *err)
{
	char from[STAGE_NAME], to[STAGE_NAME];
	int r;

	keyed_name(s, id, from);
	stage_name(id, to);
	r = fsys_rename(a->tmp_fd, from, tmp_of(a, id), to, err);
	if (r < 0)
		stage_spoil(a, s, id, r, err->msg);
	s->keyed = false;
}
