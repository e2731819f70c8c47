/*
 * codec: zstd as a stream of blocks.  Each block can be undone as soon as it
 * has come; all of them share one history, so that many small similar things
 * (operations, little files) are packed well.
 *
 *     codec_new(CODEC_PACK, level, &c, err);
 *     codec_pack(c, bytes, len, &out, err);        appends one block
 *     codec_new(CODEC_UNPACK, 0, &c, err);
 *     codec_unpack(c, bytes, len, max, &out, err); the same blocks, in order
 *     codec_free(c);
 *
 * Errors: -ERR_PROTOCOL for blocks that are none, or grow beyond max;
 * -ERR_MEMORY.  Threads: one per codec.
 */
#ifndef SNAPSYNC_CODEC_H
#define SNAPSYNC_CODEC_H

#include "snapsync/buf.h"

#define CODEC_LEVEL_MIN 1
#define CODEC_LEVEL_MAX 19
#define CODEC_WINDOW_LOG 21 /* 2 MiB: what unpacking needs at most */

enum codec_way { CODEC_PACK,
		 CODEC_UNPACK };

struct codec;

int codec_new(enum codec_way way, int level, struct codec **out, struct err *err);
void codec_free(struct codec *c);
/* For the blocks that follow. */
void codec_set_level(struct codec *c, int level);
int codec_pack(struct codec *c, const void *bytes, size_t len, struct buf *out, struct err *err);
/* Appends at most max bytes to out; the whole block must be used up. */
int codec_unpack(struct codec *c, const void *bytes, size_t len, size_t max,
		 struct buf *out, struct err *err);

#endif
