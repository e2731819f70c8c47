/* PACK: blocks of bytes that are none of ours; and ours, which come back.
 * First byte: its lowest bit chooses. */
#include "fuzz.h"

#include "snapsync/codec.h"

#define MOST 65536u /* bytes out of one block */

/* Blocks as they may come from anybody: length (u16) and bytes. */
static void foreign(struct view v)
{
	struct codec *c;
	struct err err;
	struct buf out;
	int r = 0;

	HOLDS(codec_new(CODEC_UNPACK, 0, &c, &err) == 0);
	buf_init(&out, MOST);
	while (r == 0 && v.len > 2) {
		struct view block = fuzz_take(&v, view_u16(&v));

		buf_clear(&out);
		r = codec_unpack(c, block.p, block.len, MOST, &out, &err);
		HOLDS(out.len <= MOST && (r == 0 || r == -ERR_PROTOCOL || r == -ERR_MEMORY));
	}
	buf_release(&out);
	codec_free(c);
}

static void ours(struct view v)
{
	struct codec *pack, *unpack;
	struct buf packed, out;
	struct err err;

	HOLDS(codec_new(CODEC_PACK, 1, &pack, &err) == 0);
	HOLDS(codec_new(CODEC_UNPACK, 0, &unpack, &err) == 0);
	buf_init(&packed, 4 * MOST);
	buf_init(&out, MOST);
	while (v.len > 1) {
		unsigned how = view_u8(&v);
		struct view block = fuzz_take(&v, 1 + how * 4u); /* never an empty one */

		if (how % 16 == 7)
			codec_set_level(pack, (int)(how / 16 % 5) + 1);
		buf_clear(&packed);
		buf_clear(&out);
		HOLDS(codec_pack(pack, block.p, block.len, &packed, &err) == 0);
		HOLDS(codec_unpack(unpack, packed.data, packed.len, block.len, &out, &err) == 0);
		HOLDS(fuzz_same(view_of(out.data, out.len), block));
	}
	buf_release(&packed);
	buf_release(&out);
	codec_free(pack);
	codec_free(unpack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_of(data, size);

	if (fuzz_byte(&v) & 1)
		ours(v);
	else
		foreign(v);
	return 0;
}
