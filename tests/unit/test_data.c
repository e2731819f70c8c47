#include "unit.h"

#include "snapsync/chunker.h"
#include "snapsync/codec.h"

#define SIZE (4u << 20)

static void fill(unsigned char *p, size_t n, uint64_t seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (unsigned char)(unit_random(&seed) >> 32);
}

static size_t cuts(const struct chunker *c, const struct chunk_size *s, const unsigned char *p, size_t n, size_t *ends)
{
	size_t at = 0, count = 0;

	while (at < n) {
		size_t len = chunker_cut(c, s, p + at, n - at);

		assert_true(len > 0 && len <= s->max && (len >= s->min || at + len == n));
		at += len;
		ends[count++] = at;
	}
	return count;
}

static void test_chunker__sizes(void **state)
{
	unsigned char *p = malloc(SIZE);
	size_t *ends = malloc(SIZE / 1024 * sizeof(*ends)), n;
	struct chunk_size s = chunk_size_for(SIZE, 0);
	struct chunker c;

	(void)state;
	chunker_init(&c, 1);
	fill(p, SIZE, 99);
	n = cuts(&c, &s, p, SIZE, ends);
	assert_true(SIZE / n > 11000 && SIZE / n < 22000);
	memset(p, 0, SIZE); /* no cut in it: all at the maximum, or all at the minimum */
	n = cuts(&c, &s, p, SIZE, ends);
	assert_true(n >= SIZE / s.max && n <= SIZE / s.min);
	free(p);
	free(ends);
}

/* One byte inserted: only a few chunks are others. */
static void test_chunker__insertion_is_local(void **state)
{
	unsigned char *p = malloc(SIZE), *q = malloc(SIZE + 1);
	size_t *a = malloc(SIZE / 1024 * sizeof(*a)), *b = malloc(SIZE / 1024 * sizeof(*b));
	struct chunk_size s = chunk_size_for(SIZE, 0);
	size_t n, m, i, k, same = 0, at = SIZE / 3;
	struct chunker c;

	(void)state;
	chunker_init(&c, 1);
	fill(p, SIZE, 5);
	memcpy(q, p, at);
	q[at] = 'x';
	memcpy(q + at + 1, p + at, SIZE - at);
	n = cuts(&c, &s, p, SIZE, a);
	m = cuts(&c, &s, q, SIZE + 1, b);
	for (i = k = 0; i < n && k < m;) {
		size_t want = a[i] > at ? a[i] + 1 : a[i];

		if (b[k] == want) {
			same++;
			i++;
			k++;
		} else if (b[k] < want) {
			k++;
		} else {
			i++;
		}
	}
	assert_true(same + 4 >= n);
	free(p);
	free(q);
	free(a);
	free(b);
}

static void test_chunk_size__bounded_and_steady(void **state)
{
	uint64_t size;

	(void)state;
	for (size = 1; size < (uint64_t)1 << 45; size *= 3) {
		struct chunk_size s = chunk_size_for(size, 0), t = chunk_size_for(size + size / 2, s.bits);

		assert_true(s.max <= CHUNK_MAX && s.min >= 64);
		assert_int_equal(s.bits, t.bits); /* growing a little changes nothing */
	}
	assert_true(chunk_size_for((uint64_t)1 << 40, 13).bits == CHUNK_BITS_MAX);
}

static void test_codec__round_trip_with_history(void **state)
{
	unsigned char *p = malloc(300000);
	struct codec *pack, *unpack;
	struct buf b, back;
	struct err err;
	size_t first, i;

	(void)state;
	buf_init(&b, 1 << 22);
	buf_init(&back, 1 << 22);
	fill(p, 300000, 3);
	assert_int_equal(codec_new(CODEC_PACK, 1, &pack, &err), 0);
	assert_int_equal(codec_new(CODEC_UNPACK, 0, &unpack, &err), 0);
	for (i = 0; i < 3; i++) {
		buf_clear(&b);
		buf_clear(&back);
		assert_int_equal(codec_pack(pack, p, 300000, &b, &err), 0);
		if (i == 0)
			first = b.len;
		else /* the same again costs next to nothing */
			assert_true(b.len < first / 20);
		assert_int_equal(codec_unpack(unpack, b.data, b.len, 300000, &back, &err), 0);
		assert_int_equal(back.len, 300000);
		assert_memory_equal(back.data, p, 300000);
	}
	/* A block of nothing, and little ones. */
	for (i = 0; i < 100; i++) {
		buf_clear(&b);
		buf_clear(&back);
		assert_int_equal(codec_pack(pack, p, i, &b, &err), 0);
		assert_int_equal(codec_unpack(unpack, b.data, b.len, 100, &back, &err), 0);
		assert_int_equal(back.len, i);
	}
	/* another level from the next block on */
	for (i = 1; i < 8; i++) {
		buf_clear(&b);
		buf_clear(&back);
		codec_set_level(pack, i % 2 ? 7 : 2);
		assert_int_equal(codec_pack(pack, p, 100000, &b, &err), 0);
		assert_int_equal(codec_unpack(unpack, b.data, b.len, 100000, &back, &err), 0);
		assert_int_equal(back.len, 100000);
		assert_memory_equal(back.data, p, 100000);
	}
	codec_free(pack);
	codec_free(unpack);
	buf_release(&b);
	buf_release(&back);
	free(p);
}

static void test_codec__bombs_and_garbage(void **state)
{
	static unsigned char zero[1 << 20];
	struct codec *pack, *unpack;
	struct buf b, back;
	struct err err;
	uint64_t seed = 1;
	int i;

	(void)state;
	buf_init(&b, 1 << 22);
	buf_init(&back, 1 << 22);
	assert_int_equal(codec_new(CODEC_PACK, 3, &pack, &err), 0);
	assert_int_equal(codec_new(CODEC_UNPACK, 0, &unpack, &err), 0);
	assert_int_equal(codec_pack(pack, zero, sizeof(zero), &b, &err), 0);
	assert_true(b.len < 1000);
	assert_int_equal(codec_unpack(unpack, b.data, b.len, 100000, &back, &err), -ERR_PROTOCOL);
	assert_true(back.len <= 100000);
	codec_free(unpack);
	for (i = 0; i < 2000; i++) {
		size_t at = unit_random(&seed) % b.len;
		unsigned char was = b.data[at];

		b.data[at] = (unsigned char)unit_random(&seed);
		buf_clear(&back);
		assert_int_equal(codec_new(CODEC_UNPACK, 0, &unpack, &err), 0);
		codec_unpack(unpack, b.data, b.len - unit_random(&seed) % 3, 1 << 20, &back, &err);
		assert_true(back.len <= 1 << 20);
		codec_free(unpack);
		b.data[at] = was;
	}
	codec_free(pack);
	buf_release(&b);
	buf_release(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunker__sizes),
		cmocka_unit_test(test_chunker__insertion_is_local),
		cmocka_unit_test(test_chunk_size__bounded_and_steady),
		cmocka_unit_test(test_codec__round_trip_with_history),
		cmocka_unit_test(test_codec__bombs_and_garbage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
