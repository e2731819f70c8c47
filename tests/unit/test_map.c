#include "unit.h"

#include "snapsync/map.h"
#include "snapsync/vec.h"

/* Against the plainest map there is: an array. */
static void test_map__like_an_array(void **state)
{
	static uint32_t model[5000];
	static unsigned char there[5000];
	struct map m;
	struct err err;
	uint64_t seed = 42;
	size_t i, count = 0, at = 0, seen = 0;
	struct view key;
	uint32_t *v;
	bool is_new;

	(void)state;
	map_init(&m, sizeof(uint32_t));
	for (i = 0; i < 20000; i++) {
		char name[16];
		size_t k = unit_random(&seed) % 5000;

		snprintf(name, sizeof(name), "key%zu", k);
		v = map_put(&m, name, strlen(name), &is_new, &err);
		assert_non_null(v);
		assert_int_equal(is_new, !there[k]);
		count += !there[k];
		if (!is_new)
			assert_int_equal(*v, model[k]);
		*v = model[k] = (uint32_t)unit_random(&seed);
		there[k] = 1;
	}
	assert_int_equal(m.count, count);
	while ((v = map_next(&m, &at, &key))) {
		size_t k = strtoul((const char *)key.p + 3, NULL, 10);

		assert_int_equal(*v, model[k]);
		seen++;
	}
	assert_int_equal(seen, count);
	assert_null(map_get(&m, "key5000", 7));
	map_clear(&m);
	assert_null(map_get(&m, "key1", 4));
	map_release(&m);
}

static void test_map__keys_of_all_lengths(void **state)
{
	char key[600];
	struct map m;
	struct err err;
	bool is_new;
	size_t n;

	(void)state;
	memset(key, 'x', sizeof(key));
	map_init(&m, sizeof(uint64_t));
	for (n = 0; n < sizeof(key); n++)
		*(uint64_t *)map_put(&m, key, n, &is_new, &err) = n;
	for (n = 0; n < sizeof(key); n++)
		assert_int_equal(*(uint64_t *)map_get(&m, key, n), n);
	map_release(&m);
}

static void test_vec__grows_and_refuses(void **state)
{
	uint64_t *v = NULL;
	size_t cap = 0, i;
	struct err err;

	(void)state;
	for (i = 0; i < 1000; i++) {
		assert_int_equal(vec_grow((void **)&v, &cap, i + 1, sizeof(*v), &err), 0);
		v[i] = i;
	}
	assert_true(v[999] == 999 && v[0] == 0);
	assert_int_equal(vec_grow((void **)&v, &cap, SIZE_MAX / 4, sizeof(*v), &err), -ERR_MEMORY);
	assert_true(v[500] == 500);
	free(v);
}

static void test_arena__pieces_stay(void **state)
{
	struct arena a;
	struct err err;
	char *first, *big;
	int i;

	(void)state;
	arena_init(&a);
	first = arena_copy(&a, "first", 5, &err);
	for (i = 0; i < 10000; i++)
		assert_non_null(arena_copy(&a, "abcdefghij", 10, &err));
	big = arena_get(&a, 1 << 20, &err);
	memset(big, 1, 1 << 20);
	assert_string_equal(first, "first");
	assert_int_equal((uintptr_t)arena_get(&a, 1, &err) % _Alignof(max_align_t), 0);
	arena_clear(&a);
	assert_non_null(arena_get(&a, 10, &err));
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map__like_an_array),
		cmocka_unit_test(test_map__keys_of_all_lengths),
		cmocka_unit_test(test_vec__grows_and_refuses),
		cmocka_unit_test(test_arena__pieces_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
