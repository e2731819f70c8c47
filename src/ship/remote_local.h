/* What the files of the helper as a sink share: remote.c (session, frames in,
 * waiting), remote_sink.c (frames out), remote_ask.c (questions), pack.c (how
 * frames go) and press.c (a thread for that). */
#ifndef SNAPSYNC_REMOTE_LOCAL_H
#define SNAPSYNC_REMOTE_LOCAL_H

#include "snapsync/codec.h"
#include "snapsync/frame.h"
#include "snapsync/remote.h"

struct remote {
	struct sink sink;
	struct link *link;
	struct remote_options o;
	struct buf in, out;
	size_t out_at; /* of out, handed on already */
	uint64_t
		held_back; /* bytes that COPYs and HOLEs since the last push are for */
	size_t plain_to; /* ... and up to here it shall go as it is */
	struct buf wire; /* a PACK on its way */
	size_t wire_at;
	struct pack *pack;
	double allowed; /* --bwlimit: bytes that may go now ... */
	int64_t paced;	/* ... as of then (mono ns) */
	bool held;	/* the limit holds bytes back, not the link */
	uint64_t credit;
	struct msg_welcome welcome;
	struct buf welcome_bytes; /* owns the welcome's views */
	struct sink_event *events;
	size_t event_at, event_count, event_cap;
	int64_t heard, asked; /* mono ns: last byte in, last PING out */
	int64_t listened;     /* ... the end of the last wait for bytes */
	remote_listing_fn on_listing;
	void *listing_arg;
	remote_signed_fn on_signed;
	void *sign_arg;
	uint64_t sign_id;
	bool noted;		/* NOTE has come */
	bool greeted, answered; /* to the question that is waited for */
	unsigned listed_code;
};

/* remote.c */
/* One turn: write, read, and wait up to wait_ms (< 0: a second) for either. */
int remote_turn(struct remote *r, int wait_ms, struct err *err);
/* Hand the link as much of what is waiting as it takes. */
int remote_push(struct remote *r, struct err *err);
/* ... until at most `keep` bytes wait. */
int remote_flush_to(struct remote *r, size_t keep, struct err *err);

/* Bytes that wait here. */
size_t remote_waiting(const struct remote *r);

/* remote_ask.c */
int remote_take_listing(struct remote *r, const struct frame *f,
			struct err *err);
int remote_take_signed(struct remote *r, const struct frame *f,
		       struct err *err);

/* pack.c */
/* Packs nothing until it is told how: REMOTE_PACK_... or a level. */
int pack_new(struct pack **out, struct err *err);
void pack_set_mode(struct pack *p, int mode);
void pack_free(struct pack *p);
/* The next block of the frames that lie in `from` at `at`: *len bytes of them.
 * 1 packed, as a frame appended to wire, or being packed (pack_holds); 0 they shall
 * go as they are. */
int pack_next(struct pack *p, const struct buf *from, size_t at, size_t *len,
	      struct buf *wire, struct err *err);
/* Bytes that are being packed, or wait to be taken; then there is no next block. */
size_t pack_holds(const struct pack *p);
/* 1 they are a frame, appended to wire; 0 not yet. */
int pack_take(struct pack *p, struct buf *wire, struct err *err);
/* Until they can be taken. */
void pack_wait(struct pack *p);
/* What the link took, in which time; how long it had no room. */
void pack_wrote(struct pack *p, int64_t ns, size_t bytes);
void pack_waited(struct pack *p, int64_t ns);
void pack_counts(const struct pack *p, uint64_t *in, uint64_t *out);

/* press.c */
struct press_time {
	int64_t worked; /* ns of the processor */
	int64_t took;	/* ns from press_begin on: with waiting for one, too */
};
/* NULL where there can be no thread. */
struct press *press_new(void);
void press_free(struct press *p);
/* The next block, of MSG_PACK_MAX bytes at most, while press_holds is 0. */
int press_begin(struct press *p, struct codec *codec, const void *bytes,
		size_t len, struct err *err);
/* Bytes of the block that was not taken back yet. */
size_t press_holds(const struct press *p);
void press_wait(struct press *p);
/* 1 it is packed: *out, lent until the next one begins, in *time; 0 not yet. */
int press_take(struct press *p, const struct buf **out, struct press_time *time,
	       struct err *err);

/* remote_sink.c */
extern const struct sink_ops remote_sink_ops;
/* A frame of at most `size` payload bytes begins; credit is there for it. */
int remote_begin(struct remote *r, enum msg_type type, unsigned stream,
		 struct frame_mark *mark, size_t size, struct err *err);
int remote_end(struct remote *r, struct frame_mark *mark, struct err *err);

#endif
