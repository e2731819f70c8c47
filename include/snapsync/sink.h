/*
 * sink: where operations go.  The client's logic (ship) sees only this; the
 * helper behind a link is one sink (remote.h), nothing at all is another
 * (--dry-run), and a server without the helper can become a third.
 *
 * Calls do not wait for answers.  Answers come as events from poll: of a
 * batch first its FAILs, then its ACK; a NEED when staged content did not
 * arrive as it was sent.  Any error of a call or of poll is the end of the
 * sink's connection, unless its class is fatal.
 */
#ifndef SNAPSYNC_SINK_H
#define SNAPSYNC_SINK_H

#include "snapsync/msg.h"

enum sink_event_type { SINK_ACK,
		       SINK_FAIL,
		       SINK_NEED,
		       SINK_HAVE };

struct sink_event {
	enum sink_event_type type;
	uint64_t batch;		/* ACK, FAIL */
	uint32_t index;		/* FAIL */
	int code;		/* FAIL: enum err_code */
	char text[256];		/* FAIL */
	uint64_t stage, offset; /* NEED; HAVE: offset is the length */
	struct hash hash;	/* HAVE */
};

struct sink;

struct sink_ops {
	/* key: what comes of it stays if the connection is lost; HAVE answers,
	 * and keep says how much of that is right (all of it, or 0).  Or NULL. */
	int (*stage)(struct sink *k, uint64_t id, uint64_t size, const struct hash *key, struct err *err);
	int (*keep)(struct sink *k, uint64_t id, uint64_t length, struct err *err);
	int (*data)(struct sink *k, uint64_t id, const void *bytes, size_t len, struct err *err);
	int (*hole)(struct sink *k, uint64_t id, uint64_t length, struct err *err);
	int (*copy)(struct sink *k, const struct msg_copy *m, struct err *err);
	int (*stage_end)(struct sink *k, uint64_t id, const struct hash *hash, struct err *err);
	int (*stage_drop)(struct sink *k, uint64_t id, struct err *err);
	int (*begin)(struct sink *k, uint64_t batch, struct err *err);
	int (*op)(struct sink *k, const struct msg_op *op, struct err *err);
	int (*commit)(struct sink *k, uint64_t batch, uint32_t count, struct err *err);
	/* 1 an event; 0 none (after waiting up to wait_ms; -1 for ever). */
	int (*poll)(struct sink *k, int wait_ms, struct sink_event *event, struct err *err);
};

struct sink {
	const struct sink_ops *ops;
};

/* Takes everything, answers ACK at once. */
struct sink_null {
	struct sink sink;
	uint64_t committed; /* batch to be acknowledged, or 0 */
};
void sink_null_init(struct sink_null *k);

#endif
