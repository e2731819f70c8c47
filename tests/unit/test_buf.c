#include "unit.h"

#include "snapsync/buf.h"

static void test_buf__round_trip(void **state)
{
	struct buf b;
	struct err err;
	struct view v, blob;

	(void)state;
	buf_init(&b, 1000);
	assert_int_equal(buf_put_u8(&b, 0xfe, &err), 0);
	assert_int_equal(buf_put_u16(&b, 0xfedc, &err), 0);
	assert_int_equal(buf_put_u32(&b, 0xfedcba98, &err), 0);
	assert_int_equal(buf_put_u64(&b, 0xfedcba9876543210, &err), 0);
	assert_int_equal(buf_put_blob(&b, "abc", 3, &err), 0);
	assert_int_equal(b.data[1], 0xdc); /* little-endian */
	v = view_of(b.data, b.len);
	assert_int_equal(view_u8(&v), 0xfe);
	assert_int_equal(view_u16(&v), 0xfedc);
	assert_int_equal(view_u32(&v), 0xfedcba98);
	assert_true(view_u64(&v) == 0xfedcba9876543210);
	blob = view_blob(&v);
	assert_memory_equal(blob.p, "abc", 3);
	assert_true(view_done(&v));
	buf_release(&b);
}

static void test_buf__maximum_holds(void **state)
{
	struct buf b;
	struct err err;

	(void)state;
	buf_init(&b, 10);
	assert_int_equal(buf_put(&b, "0123456789", 10, &err), 0);
	assert_int_equal(buf_put_u8(&b, 1, &err), -ERR_MEMORY);
	assert_int_equal(buf_reserve(&b, SIZE_MAX, &err), -ERR_MEMORY);
	assert_int_equal(b.len, 10);
	buf_consume(&b, 4);
	assert_memory_equal(b.data, "456789", 6);
	assert_int_equal(buf_put(&b, "abcd", 4, &err), 0);
	buf_release(&b);
}

static void test_view__never_past_the_end(void **state)
{
	unsigned char bytes[8] = {255, 255, 255, 255, 1, 2, 3, 4};
	struct view v, blob;
	size_t n;

	(void)state;
	for (n = 0; n < 8; n++) {
		v = view_of(bytes, n);
		assert_true(view_u64(&v) == 0);
		assert_true(v.bad);
		assert_false(view_done(&v));
	}
	v = view_of(bytes, 8); /* a length of 4 GiB - 1 */
	blob = view_blob(&v);
	assert_true(v.bad);
	assert_int_equal(blob.len, 0);
	v = view_of(bytes, 4);
	assert_null(view_bytes(&v, 5));
	/* Once bad, always bad. */
	assert_null(view_bytes(&v, 1));
	assert_false(view_done(&v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf__round_trip),
		cmocka_unit_test(test_buf__maximum_holds),
		cmocka_unit_test(test_view__never_past_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
