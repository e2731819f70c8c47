/* What the two files of the helper as a sink share: remote.c (session, frames
 * in, waiting) and remote_sink.c (frames out). */
#ifndef SNAPSYNC_REMOTE_LOCAL_H
#define SNAPSYNC_REMOTE_LOCAL_H

#include "snapsync/frame.h"
#include "snapsync/remote.h"

struct remote {
	struct sink sink;
	struct link *link;
	struct remote_options o;
	struct buf in, out;
	size_t out_at;		/* of out, handed to the link already */
	uint64_t credit;
	struct msg_welcome welcome;
	struct buf welcome_bytes;	/* owns the welcome's views */
	struct sink_event *events;
	size_t event_at, event_count, event_cap;
	int64_t heard, asked;	/* mono ns: last byte in, last PING out */
	remote_listing_fn on_listing;
	void *listing_arg;
	bool greeted, listed;
	unsigned listed_code;
};

/* remote.c */
/* One turn: write, read, and wait up to wait_ms (< 0: a second) for either. */
int remote_turn(struct remote *r, int wait_ms, struct err *err);
/* Hand the link as much of what is waiting as it takes. */
int remote_push(struct remote *r, struct err *err);
/* ... until at most `keep` bytes wait. */
int remote_flush_to(struct remote *r, size_t keep, struct err *err);

/* remote_sink.c */
extern const struct sink_ops remote_sink_ops;
/* A frame of at most `size` payload bytes begins; credit is there for it. */
int remote_begin(struct remote *r, enum msg_type type, unsigned stream,
		 struct frame_mark *mark, size_t size, struct err *err);
int remote_end(struct remote *r, struct frame_mark *mark, struct err *err);

#endif
