/* Bytes a second through the hash, the chunker and the codec: "name MB/s". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "snapsync/chunker.h"
#include "snapsync/clock.h"
#include "snapsync/codec.h"
#include "snapsync/hash.h"

#define BYTES (64u << 20)
#define ROUNDS 5

static unsigned char *p;

static void hash_all(void)
{
	volatile unsigned char keep = hash_of(p, BYTES, 1).b[0];

	(void)keep;
}

static void cut_all(void)
{
	struct chunk_size size = chunk_size_for(BYTES, 0);
	struct chunker c;
	size_t at;

	chunker_init(&c, 1);
	for (at = 0; at < BYTES;)
		at += chunker_cut(&c, &size, p + at, BYTES - at);
}

static void pack_all(int level)
{
	struct codec *c;
	struct buf out;
	struct err err;
	size_t at;

	buf_init(&out, BYTES * 2u);
	if (codec_new(CODEC_PACK, level, &c, &err) < 0)
		exit(1);
	for (at = 0; at < BYTES; at += 256u << 10) {
		buf_clear(&out);
		if (codec_pack(c, p + at, 256u << 10, &out, &err) < 0)
			exit(1);
	}
	codec_free(c);
	buf_release(&out);
}

static void pack_1(void)
{
	pack_all(1);
}

static void pack_3(void)
{
	pack_all(3);
}

static void measure(const char *name, void (*work)(void))
{
	double best = 0;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		int64_t start = clock_mono();
		double rate;

		work();
		rate = BYTES / 1e6 / ((double)(clock_mono() - start) / 1e9);
		if (rate > best)
			best = rate;
	}
	printf("%s %.0f\n", name, best);
}

/* rates FILE: its bytes, again and again. */
int main(int argc, char **argv)
{
	FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
	size_t n, at;

	p = malloc(BYTES);
	if (!f || !p)
		return 1;
	n = fread(p, 1, BYTES, f);
	fclose(f);
	for (at = n; n && at < BYTES; at++) /* a little different each time */
		p[at] = (unsigned char)(p[at - n] + (at % 4099 == 0));
	measure("hash", hash_all);
	measure("chunker", cut_all);
	measure("zstd-1", pack_1);
	measure("zstd-3", pack_3);
	return 0;
}
