/* What the encoders and decoders share. */
#ifndef SNAPSYNC_MSG_LOCAL_H
#define SNAPSYNC_MSG_LOCAL_H

#include "snapsync/msg.h"
#include "snapsync/path.h"

/* The end of every decoder: all read, nothing left; else zero the output. */
int msg_finish(struct view v, const char *name, void *m, size_t size,
	       struct err *err);
struct view msg_text(struct view *v, size_t most);
int msg_put_path(struct buf *b, const struct msg_path *p, struct err *err);
/* Marks v bad where the path breaks a rule. */
void msg_get_path(struct view *v, struct msg_path *p, bool root_ok);
int msg_put_bytes(struct buf *b, struct view v, struct err *err);

#endif
