/*
 * The durable position: DEST/.snapsync/position, two slots of POSITION_SLOT
 * bytes, written in turn:
 *
 *     offset  size  field
 *     0       8     "SNPSPOSI"
 *     8       4     version, 2; 1 has no tag (it counts as 0)
 *     12      8     serial, one more than the other slot's
 *     20      16    pair
 *     36      8     tag of the session that sent the batch
 *     44      8     batch: this one and all before it are durable
 *     52      4     number of its operations that failed, n
 *     56      12n   u32 index, u32 code, u32 errno of each
 *     56+12n  16    XXH3-128 (seed 0) of all before
 *
 * A slot is valid if and only if magic, version and hash are right; the valid
 * one with the higher serial counts.  A slot is written only after the names
 * of its batch are on stable storage, and is synced before the batch is
 * acknowledged; a torn write leaves the other slot.  Before the redo log is
 * written the slot gets zeros, once a session, as many as the batch may need: a
 * disk that is full then does not keep a batch from being finished.
 */
#include <string.h>

#include "apply_local.h"

#define POSITION_SLOT (1u << 20)
#define POSITION_FIXED 72u /* without the failures */

static const char magic[8] = {'S', 'N', 'P', 'S', 'P', 'O', 'S', 'I'};

struct slot {
	uint64_t serial, tag, batch;
	const unsigned char *pair;
	uint32_t failed;
	struct view failures;
};

static bool parse(const struct buf *b, struct slot *s)
{
	struct view v = view_of(b->data, b->len);
	const unsigned char *m = view_bytes(&v, sizeof(magic)), *h;
	uint32_t version = view_u32(&v);
	struct hash hash;
	size_t covered;

	s->serial = view_u64(&v);
	s->pair = view_bytes(&v, 16);
	s->tag = version == 1 ? 0 : view_u64(&v);
	s->batch = view_u64(&v);
	s->failed = view_u32(&v);
	if (v.bad || memcmp(m, magic, sizeof(magic)) != 0 || version < 1 ||
	    version > 2 || s->failed > MSG_OPS_MAX)
		return false;
	s->failures.len = (size_t)s->failed * 12;
	s->failures.p = view_bytes(&v, s->failures.len);
	covered = b->len - v.len;
	h = view_bytes(&v, HASH_SIZE);
	if (v.bad)
		return false;
	hash = hash_of(b->data, covered, 0);
	return memcmp(hash.b, h, HASH_SIZE) == 0;
}

static int read_slot(struct apply *a, unsigned which, struct buf *b,
		     struct err *err)
{
	ssize_t n;
	int r;

	buf_clear(b);
	r = buf_reserve(b, POSITION_SLOT, err);
	if (r < 0)
		return r;
	n = fsys_pread_full(a->position_fd, b->data, POSITION_SLOT,
			    (uint64_t)which * POSITION_SLOT, err);
	if (n < 0)
		return (int)n;
	b->len = (size_t)n;
	return 0;
}

int position_read(struct apply *a, struct err *err)
{
	struct position *p = &a->position;
	struct slot s;
	struct buf b;
	unsigned which;
	int r = 0;

	buf_init(&b, POSITION_SLOT);
	for (which = 0; r == 0 && which < 2; which++) {
		r = read_slot(a, which, &b, err);
		if (r < 0 || !parse(&b, &s) ||
		    (p->known && s.serial <= p->serial))
			continue;
		p->known = true;
		p->serial = s.serial;
		p->batch = s.batch;
		p->failed = s.failed;
		memcpy(p->from.pair, s.pair, 16);
		p->from.tag = s.tag;
		buf_clear(&p->failures);
		r = buf_put(&p->failures, s.failures.p, s.failures.len, err);
	}
	buf_release(&b);
	return r;
}

int position_room(struct apply *a, struct err *err)
{
	size_t need = POSITION_FIXED + 12u * (size_t)a->op_count;
	struct position *p = &a->position;
	unsigned which = (p->serial + 1) & 1;
	struct buf b;
	int r;

	if (need <= p->room[which])
		return 0;
	buf_init(&b, POSITION_SLOT);
	r = buf_reserve(&b, need, err);
	if (r == 0) {
		memset(b.data, 0, need);
		r = fsys_pwrite_full(a->position_fd, b.data, need,
				     (uint64_t)which * POSITION_SLOT, err);
	}
	buf_release(&b);
	if (r == 0)
		p->room[which] = need;
	return r;
}

/* The failures are in a->position.failures already. */
int position_write(struct apply *a, const struct origin *from, uint64_t batch,
		   struct err *err)
{
	struct position *p = &a->position;
	uint64_t serial = p->serial + 1;
	struct hash hash;
	struct buf b;
	int r;

	buf_init(&b, POSITION_SLOT);
	r = buf_put(&b, magic, sizeof(magic), err);
	if (r == 0)
		r = buf_put_u32(&b, 2, err);
	if (r == 0)
		r = buf_put_u64(&b, serial, err);
	if (r == 0)
		r = buf_put(&b, from->pair, 16, err);
	if (r == 0)
		r = buf_put_u64(&b, from->tag, err);
	if (r == 0)
		r = buf_put_u64(&b, batch, err);
	if (r == 0)
		r = buf_put_u32(&b, p->failed, err);
	if (r == 0)
		r = buf_put(&b, p->failures.data, p->failures.len, err);
	if (r == 0) {
		hash = hash_of(b.data, b.len, 0);
		r = buf_put(&b, hash.b, HASH_SIZE, err);
	}
	if (r == 0)
		r = fsys_pwrite_full(a->position_fd, b.data, b.len,
				     (serial & 1) * POSITION_SLOT, err);
	if (r == 0 && !a->no_sync)
		r = fsys_sync_data(a->position_fd, err);
	buf_release(&b);
	if (r < 0)
		return r;
	p->known = true;
	p->serial = serial;
	p->batch = batch;
	p->from = *from;
	return 0;
}
