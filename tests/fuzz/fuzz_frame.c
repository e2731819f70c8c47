/* Frames: however the stream is cut, the same frames come out of it. */
#include "fuzz.h"

#include "snapsync/frame.h"
#include "snapsync/hash.h"

struct seen {
	size_t frames, bytes;
	int end; /* of frame_next */
	struct hash sum;
};

static void note(struct seen *s, const struct frame *f)
{
	struct hash one;

	HOLDS(f->size == FRAME_HEADER + f->payload.len);
	HOLDS(msg_row(f->type) && f->payload.len <= msg_row(f->type)->longest);
	one = hash_of(f->payload.p, f->payload.len,
		      s->frames << 24 | (uint64_t)f->type << 16 | f->stream);
	hash_add(&s->sum, &one);
	s->frames++;
	s->bytes += f->size;
}

static void drain(struct buf *in, char sender, struct seen *s)
{
	struct frame f;
	struct err err;
	size_t at = 0;

	while ((s->end = frame_next(in, at, sender, &f, &err)) > 0) {
		HOLDS(f.size <= in->len - at);
		note(s, &f);
		at += f.size;
	}
	buf_consume(in, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_of(data, size), rest, piece;
	struct seen whole = {0}, cut = {0};
	unsigned sizes = fuzz_byte(&v);
	char sender = sizes & 1 ? 'C' : 'H';
	struct err err;
	struct buf in;

	buf_init(&in, 2 * (MSG_PAYLOAD_MAX + FRAME_HEADER));
	rest = v;
	if (buf_put(&in, rest.p, rest.len, &err) == 0)
		drain(&in, sender, &whole);
	buf_clear(&in);
	while (cut.end == 0 && rest.len > 0) {
		piece = fuzz_take(&rest, 1 + (sizes >> 1));
		HOLDS(buf_put(&in, piece.p, piece.len, &err) == 0);
		drain(&in, sender, &cut);
	}
	HOLDS(whole.frames == cut.frames && whole.bytes == cut.bytes);
	HOLDS((whole.end < 0) == (cut.end < 0) && hash_equal(&whole.sum, &cut.sum));
	buf_release(&in);
	return 0;
}
