#include "snapsync/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void buf_release(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
}

int buf_reserve(struct buf *b, size_t more, struct err *err)
{
	size_t cap = b->cap ? b->cap : 64;
	unsigned char *p;

	if (more > b->max || b->len > b->max - more)
		return err_set(
			err, ERR_MEMORY,
			"a buffer would grow over its limit of %zu bytes",
			b->max);
	if (b->cap - b->len >= more)
		return 0;
	while (cap - b->len < more)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	p = realloc(b->data, cap);
	if (!p)
		return err_set(err, ERR_MEMORY, "out of memory");
	b->data = p;
	b->cap = cap;
	return 0;
}

int buf_put(struct buf *b, const void *bytes, size_t len, struct err *err)
{
	int r = buf_reserve(b, len, err);

	if (r < 0)
		return r;
	if (len)
		memcpy(b->data + b->len, bytes, len);
	b->len += len;
	return 0;
}

static int put_le(struct buf *b, uint64_t v, size_t bytes, struct err *err)
{
	unsigned char le[8];
	size_t i;

	for (i = 0; i < bytes; i++)
		le[i] = (unsigned char)(v >> (8 * i));
	return buf_put(b, le, bytes, err);
}

int buf_put_u8(struct buf *b, unsigned v, struct err *err)
{
	return put_le(b, v, 1, err);
}

int buf_put_u16(struct buf *b, unsigned v, struct err *err)
{
	return put_le(b, v, 2, err);
}

int buf_put_u32(struct buf *b, uint32_t v, struct err *err)
{
	return put_le(b, v, 4, err);
}

int buf_put_u64(struct buf *b, uint64_t v, struct err *err)
{
	return put_le(b, v, 8, err);
}

int buf_put_blob(struct buf *b, const void *bytes, size_t len, struct err *err)
{
	size_t before = b->len;
	int r;

	if (len > UINT32_MAX)
		return err_set(err, ERR_MEMORY, "a field of %zu bytes", len);
	r = buf_put_u32(b, (uint32_t)len, err);
	if (r == 0)
		r = buf_put(b, bytes, len, err);
	if (r < 0)
		b->len = before;
	return r;
}

int buf_terminate(struct buf *b, struct err *err)
{
	int r = buf_put_u8(b, 0, err);

	if (r == 0)
		b->len--;
	return r;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n < b->len)
		memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

struct view view_of(const void *bytes, size_t len)
{
	struct view v = {.p = bytes, .len = len, .bad = false};

	return v;
}

const unsigned char *view_bytes(struct view *v, size_t len)
{
	const unsigned char *p = v->p;

	if (v->bad || v->len < len) {
		v->bad = true;
		return NULL;
	}
	if (len) /* NULL and nothing is a view too */
		v->p += len;
	v->len -= len;
	return p;
}

static uint64_t get_le(struct view *v, size_t bytes)
{
	const unsigned char *p = view_bytes(v, bytes);
	uint64_t n = 0;
	size_t i;

	for (i = 0; p && i < bytes; i++)
		n |= (uint64_t)p[i] << (8 * i);
	return n;
}

unsigned view_u8(struct view *v)
{
	return (unsigned)get_le(v, 1);
}

unsigned view_u16(struct view *v)
{
	return (unsigned)get_le(v, 2);
}

uint32_t view_u32(struct view *v)
{
	return (uint32_t)get_le(v, 4);
}

uint64_t view_u64(struct view *v)
{
	return get_le(v, 8);
}

struct view view_blob(struct view *v)
{
	uint32_t len = view_u32(v);
	const unsigned char *p = view_bytes(v, len);

	return view_of(p, p ? len : 0);
}

bool view_done(const struct view *v)
{
	return !v->bad && v->len == 0;
}
