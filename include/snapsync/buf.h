/*
 * buf: the one bounded buffer, and view: a cursor over bytes of others.
 *
 *     struct buf b;
 *     buf_init(&b, 1 << 20);           never holds more than 1 MiB
 *     buf_put_u32(&b, 7, err) ...      0, or -ERR_MEMORY and b unchanged
 *     buf_release(&b);
 *
 * All integers are little-endian.  A view never owns; each get checks the
 * length, and once one fails the view stays failed (`bad`), so that a decoder
 * may read a whole record and ask once at its end.
 *
 * Names: init/release for the struct, clear keeps the memory for reuse.
 * Threads: none is shared.
 */
#ifndef SNAPSYNC_BUF_H
#define SNAPSYNC_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapsync/err.h"

struct buf {
	unsigned char *data;
	size_t len; /* bytes in use */
	size_t cap; /* bytes allocated */
	size_t max; /* bytes allowed */
};

struct view {
	const unsigned char *p;
	size_t len; /* bytes left */
	bool bad;   /* a get ran past the end */
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);
void buf_clear(struct buf *b);

/* Room for `more` bytes behind the content; 0, or -ERR_MEMORY if that is over
 * the maximum or there is none. */
int buf_reserve(struct buf *b, size_t more, struct err *err);

int buf_put(struct buf *b, const void *bytes, size_t len, struct err *err);
int buf_put_u8(struct buf *b, unsigned v, struct err *err);
int buf_put_u16(struct buf *b, unsigned v, struct err *err);
int buf_put_u32(struct buf *b, uint32_t v, struct err *err);
int buf_put_u64(struct buf *b, uint64_t v, struct err *err);
/* A u32 length and the bytes. */
int buf_put_blob(struct buf *b, const void *bytes, size_t len, struct err *err);
/* A NUL behind the content that does not count in len: data is a C string. */
int buf_terminate(struct buf *b, struct err *err);
/* Drop the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);

struct view view_of(const void *bytes, size_t len);
unsigned view_u8(struct view *v);
unsigned view_u16(struct view *v);
uint32_t view_u32(struct view *v);
uint64_t view_u64(struct view *v);
/* len bytes, lent from what lies under the view; NULL if there are fewer. */
const unsigned char *view_bytes(struct view *v, size_t len);
/* A u32 length and as many bytes; an empty view, and bad, if they are not there. */
struct view view_blob(struct view *v);
/* True if nothing failed and nothing is left: a record was read exactly. */
bool view_done(const struct view *v);

#endif
