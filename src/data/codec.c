#include "snapsync/codec.h"

#include <stdlib.h>
#include <zstd.h>

struct codec {
	ZSTD_CCtx *pack;
	int level, next_level;
	ZSTD_DCtx *unpack;
};

void codec_free(struct codec *c)
{
	if (!c)
		return;
	ZSTD_freeCCtx(c->pack);
	ZSTD_freeDCtx(c->unpack);
	free(c);
}

int codec_new(enum codec_way way, int level, struct codec **out,
	      struct err *err)
{
	struct codec *c = calloc(1, sizeof(*c));
	size_t bad = 0;

	*out = NULL;
	if (c)
		c->level = c->next_level = level;
	if (c && way == CODEC_PACK) {
		c->pack = ZSTD_createCCtx();
		if (c->pack) {
			bad = ZSTD_CCtx_setParameter(
				c->pack, ZSTD_c_compressionLevel, level);
			if (!ZSTD_isError(bad))
				bad = ZSTD_CCtx_setParameter(c->pack,
							     ZSTD_c_windowLog,
							     CODEC_WINDOW_LOG);
		}
	} else if (c) {
		c->unpack = ZSTD_createDCtx();
		if (c->unpack)
			bad = ZSTD_DCtx_setParameter(c->unpack,
						     ZSTD_d_windowLogMax,
						     CODEC_WINDOW_LOG);
	}
	if (!c || (!c->pack && !c->unpack) || ZSTD_isError(bad)) {
		codec_free(c);
		return err_set(err, ERR_MEMORY, "out of memory");
	}
	*out = c;
	return 0;
}

void codec_set_level(struct codec *c, int level)
{
	c->next_level = level;
}

static int pack_how(struct codec *c, const void *bytes, size_t len,
		    ZSTD_EndDirective how, struct buf *out, struct err *err)
{
	ZSTD_inBuffer in = {bytes, len, 0};
	ZSTD_outBuffer o;
	size_t left;
	int r;

	do {
		r = buf_reserve(out, ZSTD_compressBound(len - in.pos) + 64,
				err);
		if (r < 0)
			return r;
		o.dst = out->data + out->len;
		o.size = out->cap - out->len;
		o.pos = 0;
		left = ZSTD_compressStream2(c->pack, &o, &in, how);
		if (ZSTD_isError(left))
			return err_set(err, ERR_MEMORY, "zstd: %s",
				       ZSTD_getErrorName(left));
		out->len += o.pos;
	} while (left > 0 || in.pos < in.size);
	return 0;
}

int codec_pack(struct codec *c, const void *bytes, size_t len, struct buf *out,
	       struct err *err)
{
	int r = 0;

	if (c->next_level != c->level) {
		/* Another level wants a new frame of zstd's. */
		r = pack_how(c, "", 0, ZSTD_e_end, out, err);
		if (r == 0 &&
		    ZSTD_isError(ZSTD_CCtx_setParameter(
			    c->pack, ZSTD_c_compressionLevel, c->next_level)))
			r = err_set(err, ERR_MEMORY, "zstd: level %d",
				    c->next_level);
		c->level = c->next_level;
	}
	return r < 0 ? r : pack_how(c, bytes, len, ZSTD_e_flush, out, err);
}

int codec_unpack(struct codec *c, const void *bytes, size_t len, size_t max,
		 struct buf *out, struct err *err)
{
	ZSTD_inBuffer in = {bytes, len, 0};
	size_t limit = out->len + max, left;
	ZSTD_outBuffer o;
	int r = buf_reserve(out, max < 65536 ? max : 65536, err);

	while (r == 0) {
		o.dst = out->data + out->len;
		o.size = out->cap - out->len;
		if (o.size > limit - out->len)
			o.size = limit - out->len;
		o.pos = 0;
		left = ZSTD_decompressStream(c->unpack, &o, &in);
		if (ZSTD_isError(left))
			return err_set(err, ERR_PROTOCOL, "zstd: %s",
				       ZSTD_getErrorName(left));
		out->len += o.pos;
		/* Room was left: zstd has nothing more to give, unless this
		 * was the end of one of its frames. */
		if (o.pos < o.size && left == 0 && in.pos < in.size)
			continue;
		if (o.pos < o.size)
			break;
		if (out->len == limit && in.pos == in.size)
			break;
		if (out->len == limit)
			return err_set(err, ERR_PROTOCOL,
				       "a packed block is too long");
		r = buf_reserve(out,
				limit - out->len < (256u << 10)
					? limit - out->len
					: 256u << 10,
				err);
	}
	if (r == 0 && in.pos < in.size)
		return err_set(err, ERR_PROTOCOL, "a packed block is broken");
	return r;
}
