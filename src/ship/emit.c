/*
 * Content on its way: cut into chunks, each either a range of what the
 * destination has or literal bytes; neighbours travel together.
 */
#include <stdlib.h>
#include <string.h>

#include "ship_local.h"

#define COPY_MAX                                                               \
	(2u << 20) /* bytes in one COPY: what is sent again if it is wrong */
#define CUT_FROM 16384u /* bytes: what is smaller is one chunk */

int emit_init(struct ship *h, struct err *err)
{
	struct emit *both[] = {&h->small, &h->large};
	size_t i;

	for (i = 0; i < 2; i++) {
		chunker_init(&both[i]->chunker, store_seed(h->s));
		both[i]->hash = hash_new();
		buf_init(&both[i]->path, PATH_BYTES_MAX);
	}
	h->emit = &h->small;
	return h->small.hash && h->large.hash
		       ? 0
		       : err_set(err, ERR_MEMORY, "out of memory");
}

void emit_release(struct ship *h)
{
	struct emit *both[] = {&h->small, &h->large};
	size_t i;

	for (i = 0; i < 2; i++) {
		hash_free(both[i]->hash);
		chunk_list_release(&both[i]->list);
		buf_release(&both[i]->path);
		free(both[i]->buffer);
	}
}

static int flush_copy(struct ship *h, struct err *err)
{
	struct emit *e = h->emit;
	struct copied note;
	struct msg_copy m;
	int r;

	if (e->copy_length == 0)
		return 0;
	memset(&m, 0, sizeof(m));
	m.id = e->stage;
	m.offset = e->copy_at;
	m.length = e->copy_length;
	m.hash = hash_digest(e->hash);
	m.path.path = view_of(e->path.data, e->path.len);
	h->counts.matched += e->copy_length;
	e->copy_length = 0;
	note.stage = e->stage;
	note.at = e->sent;
	note.length = m.length;
	note.inode = e->copy_inode;
	note.from = m.offset;
	note.hash = e->copy_hash;
	e->sent += m.length;
	r = copy_note(h, &note, err);
	return r < 0 ? r : h->sink->ops->copy(h->sink, &m, err);
}

static int send_literal(struct ship *h, const unsigned char *p, size_t len,
			struct err *err)
{
	struct emit *e = h->emit;
	int r = flush_copy(h, err);

	if (e->sent < e->skip_to) {
		uint64_t there = e->skip_to - e->sent;
		size_t n = there < len ? (size_t)there : len;

		h->counts.matched += n;
		e->sent += n;
		p += n;
		len -= n;
	}
	h->counts.literal += len;
	e->sent += len;
	while (r == 0 && len > 0) {
		size_t n = len < MSG_DATA_MAX ? len : MSG_DATA_MAX;

		r = h->sink->ops->data(h->sink, e->stage, p, n, err);
		p += n;
		len -= n;
	}
	return r;
}

/* The bytes are at `at` of what source has. */
static int add_copy(struct ship *h, struct source *s, uint64_t at,
		    const unsigned char *p, size_t len, struct err *err)
{
	struct emit *e = h->emit;
	int r = 0;

	if (e->copy_length &&
	    (e->copy_inode != s->inode || e->copy_length + len > COPY_MAX ||
	     e->copy_at + e->copy_length != at))
		r = flush_copy(h, err);
	if (r == 0 && e->copy_length == 0) {
		e->copy_at = at;
		e->copy_inode = s->inode;
		e->copy_hash = s->hash;
		buf_clear(&e->path);
		r = buf_put(&e->path, s->path.data, s->path.len, err);
		hash_reset(e->hash, store_seed(h->s));
	}
	hash_update(e->hash, p, len);
	e->copy_length += len;
	return r;
}

/* Length and key of the next chunk.  Where the file goes on as the version that
 * was copied from last, its cut is known: only the hash is to be made. */
static size_t next_chunk(struct ship *h, const unsigned char *p, size_t len,
			 uint64_t *key)
{
	struct emit *e = h->emit;
	uint64_t expected = 0;
	size_t n = e->looking ? copy_expect(h, e->size.bits, &expected) : 0;
	struct hash hash;

	if (n > 0 && n <= len) {
		hash = hash_of(p, n, store_seed(h->s));
		*key = hash_half(&hash);
		if (*key == expected)
			return n;
	}
	n = chunker_cut(&e->chunker, &e->size, p, len);
	hash = hash_of(p, n, store_seed(h->s));
	*key = hash_half(&hash);
	return n;
}

/* Chunks of p; all of it if it is the last.  *used: how far. */
static int cut(struct ship *h, const unsigned char *p, size_t len, bool last,
	       size_t *used, struct err *err)
{
	struct emit *e = h->emit;
	size_t at = 0, literal = 0, n;
	struct source *source;
	uint64_t from, key;
	int r = 0;

	while (r == 0 && (len - at >= e->size.max || (last && at < len))) {
		n = next_chunk(h, p + at, len - at, &key);
		r = chunk_list_add(&e->list, key, (uint32_t)n, err);
		if (r == 0 && e->looking && e->cut_at >= e->skip_to)
			r = copy_find(h, key, (uint32_t)n, &source, &from, err);
		if (r > 0) {
			r = at > literal ? send_literal(h, p + literal,
							at - literal, err)
					 : 0;
			if (r == 0)
				r = add_copy(h, source, from, p + at, n, err);
			literal = at + n;
		}
		at += n;
		e->cut_at += n;
	}
	if (r == 0 && at > literal)
		r = send_literal(h, p + literal, at - literal, err);
	*used = at;
	return r;
}

void emit_again(struct ship *h, uint64_t skip)
{
	struct emit *e = h->emit;

	chunk_list_clear(&e->list);
	e->copy_length = 0;
	e->filled = 0;
	e->sent = e->cut_at = 0;
	e->skip_to = skip;
}

int emit_begin(struct ship *h, uint64_t stage, uint64_t size, unsigned bits,
	       const struct hash *key, struct err *err)
{
	struct emit *e = h->emit;

	emit_again(h, 0);
	e->stage = stage;
	e->cutting = size > CUT_FROM;
	e->looking = h->can_copy;
	e->size = chunk_size_for(size, bits);
	e->list.bits = e->size.bits;
	return h->sink->ops->stage(h->sink, stage, size, key, err);
}

int emit_whole(struct ship *h, const unsigned char *p, size_t len,
	       struct err *err)
{
	size_t used;
	int r = h->emit->cutting ? cut(h, p, len, true, &used, err)
				 : send_literal(h, p, len, err);

	return r < 0 ? r : flush_copy(h, err);
}

int emit_room(struct ship *h, unsigned char **p, size_t *room, struct err *err)
{
	struct emit *e = h->emit;

	if (!e->buffer && !(e->buffer = malloc(EMIT_BYTES)))
		return err_set(err, ERR_MEMORY, "out of memory");
	*p = e->buffer + e->filled;
	*room = EMIT_BYTES - e->filled;
	return 0;
}

int emit_filled(struct ship *h, size_t len, struct err *err)
{
	struct emit *e = h->emit;
	size_t used = 0;
	int r;

	e->filled += len;
	r = cut(h, e->buffer, e->filled, false, &used, err);
	memmove(e->buffer, e->buffer + used, e->filled - used);
	e->filled -= used;
	return r;
}

int emit_flush(struct ship *h, struct err *err)
{
	struct emit *e = h->emit;
	size_t used;
	int r = cut(h, e->buffer, e->filled, true, &used, err);

	e->filled = 0;
	return r < 0 ? r : flush_copy(h, err);
}

int emit_hole(struct ship *h, uint64_t length, struct err *err)
{
	struct emit *e = h->emit;
	uint64_t left = length;
	int r = emit_flush(h, err);

	while (r == 0 && left > 0) {
		uint32_t n = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;

		r = chunk_list_add(&e->list, INDEX_HOLE, n, err);
		left -= n;
	}
	e->cut_at += length;
	left = e->sent < e->skip_to ? e->skip_to - e->sent : 0;
	left = left < length ? length - left : 0; /* what it has not */
	e->sent += length;
	while (r == 0 && left > 0) {
		uint64_t n = left < MSG_HOLE_MAX ? left : MSG_HOLE_MAX;

		r = h->sink->ops->hole(h->sink, e->stage, n, err);
		left -= n;
	}
	return r;
}

int emit_copy_whole(struct ship *h, uint64_t stage, const struct hash *hash,
		    uint64_t size, struct err *err)
{
	struct emit *e = h->emit;
	struct copied note = {.stage = stage, .length = size, .hash = *hash};
	struct msg_copy m;
	int r = h->can_copy ? copy_find_whole(h, hash, size, &note.inode,
					      &e->path, err)
			    : 0;

	if (r <= 0)
		return r;
	chunk_list_clear(&e->list);
	memset(&m, 0, sizeof(m));
	m.id = stage;
	m.length = size;
	m.hash = *hash;
	m.path.path = view_of(e->path.data, e->path.len);
	h->counts.matched += size;
	r = copy_note(h, &note, err);
	if (r == 0)
		r = h->sink->ops->stage(h->sink, stage, size, NULL, err);
	if (r == 0)
		r = h->sink->ops->copy(h->sink, &m, err);
	if (r == 0)
		r = h->sink->ops->stage_end(h->sink, stage, hash, err);
	return r < 0 ? r : 1;
}
