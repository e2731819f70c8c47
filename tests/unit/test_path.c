#include "unit.h"

#include "snapsync/log.h"
#include "snapsync/path.h"

static void test_path__what_is_one(void **state)
{
	static const struct {
		const char *path;
		bool ok;
	} table[] = {
		{"a", true},
		{"a/b/c", true},
		{"...", true},
		{"-rf", true},
		{"a\nb", true},
		{"\377", true},
		{".snapsync2", true},
		{"/a", false},
		{"a/", false},
		{"a//b", false},
		{".", false},
		{"..", false},
		{"a/../b", false},
		{"a/.", false},
		{"/", false},
	};
	char long_name[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (path_ok(table[i].path, strlen(table[i].path), false) != table[i].ok)
			fail_msg("%s", table[i].path);
	assert_false(path_ok("", 0, false));
	assert_true(path_ok("", 0, true));
	assert_false(path_ok("a\0b", 3, false));
	memset(long_name, 'n', sizeof(long_name));
	assert_true(path_ok(long_name, 255, false));
	assert_false(path_ok(long_name, 256, false));
}

static void test_path__taken_apart_and_put_together(void **state)
{
	struct view rest = view_of("one/two/three", 13), name, up;
	struct buf b;
	struct err err;
	int n = 0;

	(void)state;
	buf_init(&b, 100);
	while (path_next(&rest, &name)) {
		assert_int_equal(path_push(&b, name.p, name.len, &err), 0);
		n++;
	}
	assert_int_equal(n, 3);
	assert_int_equal(b.len, 13);
	path_split(view_of(b.data, b.len), &up, &name);
	assert_memory_equal(up.p, "one/two", 7);
	assert_memory_equal(name.p, "three", 5);
	path_pop(&b);
	path_pop(&b);
	assert_int_equal(b.len, 3);
	path_pop(&b);
	assert_int_equal(b.len, 0);
	buf_release(&b);
}

static void test_log__escapes(void **state)
{
	static const struct {
		const char *raw, *shown;
	} table[] = {
		{"plain", "plain"}, {"with space", "with space"}, {"new\nline", "new\\012line"}, {"\033[31m", "\\033[31m"}, {"\xc3\xbc", "\xc3\xbc"}, {"\xc3", "\\303"}, {"\xc0\xaf", "\\300\\257"}, {"\xed\xa0\x80", "\\355\\240\\200"}, {"\x7f", "\\177"}, {"a\\b", "a\\b"}, {"\xc2\x9b"
																																		"31m",
																																		"\\302\\23331m"}, /* C1 control */
	};
	char out[100];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		log_escape(table[i].raw, strlen(table[i].raw), out, sizeof(out));
		assert_string_equal(out, table[i].shown);
	}
	/* What was there already as text cannot be taken for an escape. */
	log_escape("\\012", 4, out, sizeof(out));
	assert_string_not_equal(out, "\\012");
	/* Cut, never over. */
	memset(out, 'X', sizeof(out));
	assert_true(log_escape("\n\n\n\n\n\n", 6, out, 10) == 24);
	assert_true(strlen(out) < 10 && out[10] == 'X');
}

static void test_path__in_front_and_in_order(void **state)
{
	struct err err;
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	assert_int_equal(path_prepend(&b, "c", 1, &err), 0);
	assert_int_equal(path_prepend(&b, "ab", 2, &err), 0);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "ab/c", 4);
	assert_true(path_prepend(&b, "wxyz", 4, &err) < 0); /* too long: as it was */
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "ab/c", 4);
	buf_release(&b);
	assert_true(path_compare("a", 1, "b", 1) < 0);
	assert_true(path_compare("a", 1, "ab", 2) < 0);
	assert_true(path_compare("b", 1, "ab", 2) > 0);
	assert_true(path_compare("\xff", 1, "a", 1) > 0);
	assert_int_equal(path_compare("ab", 2, "ab", 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path__what_is_one),
		cmocka_unit_test(test_path__taken_apart_and_put_together),
		cmocka_unit_test(test_path__in_front_and_in_order),
		cmocka_unit_test(test_log__escapes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
