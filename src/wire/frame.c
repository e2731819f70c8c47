#include "snapsync/frame.h"

#include <stdint.h>
#include <string.h>

int frame_begin(struct buf *out, enum msg_type type, unsigned stream,
		struct frame_mark *m, struct err *err)
{
	int r;

	m->at = out->len;
	r = buf_put_u32(out, 0, err);
	if (r == 0)
		r = buf_put_u8(out, type, err);
	if (r == 0)
		r = buf_put_u8(out, 0, err);
	if (r == 0)
		r = buf_put_u16(out, stream, err);
	if (r < 0)
		out->len = m->at;
	return r;
}

void frame_cancel(struct buf *out, struct frame_mark *m)
{
	out->len = m->at;
}

int frame_end(struct buf *out, struct frame_mark *m, struct err *err)
{
	size_t len = out->len - m->at - FRAME_HEADER;
	const struct msg_row *row = msg_row(out->data[m->at + 4]);
	size_t i;

	if (!row || len > row->longest) {
		frame_cancel(out, m);
		return err_set(err, ERR_PROTOCOL,
			       "a message of %zu bytes is too long", len);
	}
	for (i = 0; i < 4; i++)
		out->data[m->at + i] = (unsigned char)(len >> (8 * i));
	return 0;
}

int frame_next(const struct buf *in, size_t at, char sender, struct frame *f,
	       struct err *err)
{
	const struct msg_row *row;
	struct view v;
	uint32_t len;
	unsigned type;

	memset(f, 0, sizeof(*f));
	if (in->len - at < FRAME_HEADER)
		return 0;
	v = view_of(in->data + at, in->len - at);
	len = view_u32(&v);
	type = view_u8(&v);
	f->flags = view_u8(&v);
	f->stream = view_u16(&v);
	row = msg_row(type);
	if (!row || (row->sender != sender && row->sender != 'B'))
		return err_set(err, ERR_PROTOCOL,
			       "message type %u is not known or not allowed",
			       type);
	if (len > row->longest)
		return err_set(err, ERR_PROTOCOL, "%s of %lu bytes is too long",
			       row->name, (unsigned long)len);
	if (f->flags)
		return err_set(err, ERR_PROTOCOL,
			       "%s with flags that were not negotiated",
			       row->name);
	if (v.len < len)
		return 0;
	f->type = row->type;
	f->payload = view_of(v.p, len);
	f->size = FRAME_HEADER + (size_t)len;
	return 1;
}
