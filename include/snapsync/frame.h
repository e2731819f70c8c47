/*
 * frame: messages on a byte stream.
 *
 *     offset  size  field
 *     0       4     payload length, at most MSG_PAYLOAD_MAX
 *     4       1     type (msg.h)
 *     5       1     flags (0)
 *     6       2     stream (0: control and small things; 1: bulk content)
 *     8       n     payload
 *
 * all little-endian.  Valid if and only if the type is in the table, is one
 * that this peer may send, and the length is not over the table's longest.
 *
 *     writing:  struct frame_mark m;
 *               frame_begin(&out, MSG_PLACE, 0, &m, err);
 *               msg_put_op(&out, &op, err);
 *               frame_end(&out, &m, err);
 *     reading:  frame_next(&in, at, 'C', &f, err): 1 a frame, lent from in;
 *               go on at at + f.size; 0 more bytes are needed; < 0 error.
 */
#ifndef SNAPSYNC_FRAME_H
#define SNAPSYNC_FRAME_H

#include "snapsync/buf.h"
#include "snapsync/msg.h"

#define FRAME_HEADER 8u

struct frame {
	enum msg_type type;
	unsigned flags;
	unsigned stream;
	struct view payload; /* lent from the buffer it was read from */
	size_t size;	     /* header and payload, bytes */
};

struct frame_mark {
	size_t at;
};

int frame_begin(struct buf *out, enum msg_type type, unsigned stream,
		struct frame_mark *m, struct err *err);
/* Sets the length; on a payload over the table's longest the frame is taken
 * back and -ERR_PROTOCOL returned. */
int frame_end(struct buf *out, struct frame_mark *m, struct err *err);
/* Take a begun frame back. */
void frame_cancel(struct buf *out, struct frame_mark *m);

/* Look at offset `at` of in: 1 a whole frame in *f, 0 not all there yet, or
 * -ERR_PROTOCOL.  `sender` is 'C' or 'H': who may have sent it. */
int frame_next(const struct buf *in, size_t at, char sender, struct frame *f,
	       struct err *err);

#endif
