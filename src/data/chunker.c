#include "snapsync/chunker.h"

/* Of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void chunker_init(struct chunker *c, uint64_t seed)
{
	size_t i;

	for (i = 0; i < 256; i++)
		c->gear[i] = next_random(&seed);
}

struct chunk_size chunk_size_for(uint64_t file_size, unsigned bits)
{
	unsigned want = CHUNK_BITS_MIN;
	struct chunk_size s;

	while (want < CHUNK_BITS_MAX &&
	       file_size >> (want + 1) > CHUNK_COUNT_AIM)
		want++;
	if (bits < CHUNK_BITS_MIN || bits > CHUNK_BITS_MAX || want > bits + 2 ||
	    want + 4 < bits)
		bits = want;
	s.bits = bits;
	s.min = (size_t)1 << bits;
	s.max = (size_t)1 << (bits + 2);
	return s;
}

size_t chunker_cut(const struct chunker *c, const struct chunk_size *size,
		   const unsigned char *p, size_t len)
{
	unsigned shift = 64 - size->bits;
	size_t i, end = len < size->max ? len : size->max;
	uint64_t h = 0;

	if (len <= size->min)
		return len;
	/* A byte is out of h after 64 more: nothing before counts. */
	for (i = size->min - 64; i < size->min; i++)
		h = (h << 1) + c->gear[p[i]];
	for (; i + 4 <= end; i += 4) {
		h = (h << 1) + c->gear[p[i]];
		if (h >> shift == 0)
			return i + 1;
		h = (h << 1) + c->gear[p[i + 1]];
		if (h >> shift == 0)
			return i + 2;
		h = (h << 1) + c->gear[p[i + 2]];
		if (h >> shift == 0)
			return i + 3;
		h = (h << 1) + c->gear[p[i + 3]];
		if (h >> shift == 0)
			return i + 4;
	}
	for (; i < end; i++) {
		h = (h << 1) + c->gear[p[i]];
		if (h >> shift == 0)
			return i + 1;
	}
	return end;
}
