/*
 * apply: the helper's role: take operations from a link and carry them out
 * below one directory, durably and nowhere else.
 *
 *     struct apply_options o = {.root = NULL};
 *     r = apply_serve(link, &o, log, err);      0 after BYE
 *
 * The session, its messages and the meaning of every operation are in
 * snapsync-protocol(5).  Returns when the client says BYE (0), when the stream
 * ends (-ERR_STREAM), or after a REFUSE was sent for what the error says.
 *
 * Threads: one.
 */
#ifndef SNAPSYNC_APPLY_H
#define SNAPSYNC_APPLY_H

#include <stdbool.h>

#include "snapsync/link.h"
#include "snapsync/log.h"

struct apply_options {
	const char *root;    /* --root: everything lies below; NULL: none */
	bool read_only;	     /* --read-only */
	bool no_delete;	     /* --no-delete */
	bool unconfined;     /* for tests that serve more than once */
	unsigned umask;	     /* of the user, for a destination that is made */
	const char *version; /* of this program */
};

int apply_serve(struct link *link, const struct apply_options *o,
		const struct log *log, struct err *err);

#endif
