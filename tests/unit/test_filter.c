#include "unit.h"

#include "snapsync/filter.h"
#include "tree/filter_match.h"

/* Rules in order, then paths; rsync itself is asked in integration/20. */
static void check_at(const char *root, const char *const *rules, const char *path, bool is_dir, bool wanted)
{
	struct filter *f;
	struct err err;

	assert_int_equal(filter_new(&f, &err), 0);
	assert_int_equal(filter_set_root(f, root, &err), 0);
	for (; *rules; rules++)
		assert_int_equal(filter_add(f, *rules, &err), 0);
	if (filter_wants(f, view_of(path, strlen(path)), is_dir) != wanted)
		fail_msg("%s", path);
	filter_free(f);
}

static void check(const char *const *rules, const char *path, bool is_dir, bool wanted)
{
	check_at("/", rules, path, is_dir, wanted);
	check_at("/some/where", rules, path, is_dir, wanted);
}

static void test_filter__first_match_wins(void **state)
{
	const char *const rules[] = {"+ keep.o", "- *.o", "- /top", "- dir/", NULL};

	(void)state;
	check(rules, "keep.o", false, true);
	check(rules, "a/keep.o", false, true);
	check(rules, "a/x.o", false, false);
	check(rules, "top", false, false);
	check(rules, "a/top", false, true);
	check(rules, "a/dir", true, false);
	check(rules, "a/dir", false, true);
}

static void test_filter__leading_stars_match_at_the_top(void **state)
{
	const char *const rules[] = {"- **/.git", "- **/*.o", "+ **/keep/", "- **/a/b", "- **/out/***", "- **.tmp", "- /**/deep", NULL};
	const char *const all[] = {"- **/***", NULL};

	(void)state;
	check(rules, ".git", true, false);
	check(rules, "a/.git", true, false);
	check(rules, "x.git", true, true);
	check(rules, "1.o", false, false);
	check(rules, "a/c/1.o", false, false);
	check(rules, "keep", true, true);
	check(rules, "a/b", true, false);
	check(rules, "c/a/b", true, false);
	check(rules, "ca/b", true, true);
	check(rules, "out", true, false);
	check(rules, "out", false, true);
	check(rules, "out/x/y", false, false);
	check(rules, "c/out/x", false, false);
	check(rules, "x.tmp", false, false);
	check(rules, "deep", true, true);
	check(rules, "a/deep", true, false);
	check(all, "x", false, false);
	check(all, "x", true, false);
}

static void test_filter__a_slash_means_the_absolute_path(void **state)
{
	const char *const at_the_root[] = {"-/ /home/me/tmp", "- /home/me/x", NULL};
	const char *const any[] = {"-/ me/a/*.o", "-/ *.c", "-/ d/***", "-/ **/e", "- **/top", NULL};
	const char *const above[] = {"-/ home/***", NULL};
	const char *const stars[] = {"-/ **/home/me/x", NULL};
	const char *const negated[] = {"-/! /home/me/a/***", NULL};
	char deep[8192];

	(void)state;
	check_at("/home/me", at_the_root, "tmp", true, false);
	check_at("/home/me", at_the_root, "x", false, true);
	check_at("/home/me", at_the_root, "home/me/tmp", true, true);
	check_at("/home/me", at_the_root, "home/me/x", false, false);
	check_at("/home", at_the_root, "me/tmp", true, false);
	check_at("/", at_the_root, "home/me/tmp", true, false);
	check_at("/home/you", at_the_root, "tmp", true, true);
	check_at("/home/me", any, "a/1.o", false, false);
	check_at("/home/me", any, "b/1.o", false, true);
	check_at("/home/me", any, "b/1.c", false, false);
	check_at("/home/me", any, "b/d", true, false);
	check_at("/home/me", any, "b/d/x", false, false);
	check_at("/home/d/me", any, "x", false, false);
	check_at("/home/me", any, "e", false, false);
	check_at("/home/me", any, "top", false, false);
	check_at("/home/me", above, "x", false, false);
	/* As in rsync, there is no '/' in front of it then. */
	check_at("/home/me", stars, "x", false, true);
	check_at("/home/me", negated, "a/x", false, true);
	check_at("/home/me", negated, "b", false, false);
	memset(deep, 'x', sizeof(deep));
	memcpy(deep + sizeof(deep) - 3, ".c", 3);
	check_at("/home/me", any, deep, false, false);
	deep[4094] = 0;
	check_at("/home/me", any, deep, false, true);
}

static void test_filter__clear_forgets(void **state)
{
	const char *const rules[] = {"- *", "!", "- x", NULL};

	(void)state;
	check(rules, "y", false, true);
	check(rules, "x", false, false);
}

static void test_filter__bad_rules_are_refused(void **state)
{
	static const char *const bad[] = {"", "x", "? y", "-", "+", "frob x", "dir-merge .f", NULL};
	struct filter *f;
	struct err err;
	int i;

	(void)state;
	assert_int_equal(filter_new(&f, &err), 0);
	for (i = 0; bad[i]; i++)
		if (filter_add(f, bad[i], &err) != -ERR_USAGE)
			fail_msg("taken: '%s'", bad[i]);
	filter_free(f);
}

/* A pattern of many stars must not take for ever. */
static void test_filter__many_stars(void **state)
{
	const char *const rules[] = {"- a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "- **a**a**a**a**a**a**a**a**a**a**b", NULL};
	char name[256];

	(void)state;
	memset(name, 'a', 255);
	name[255] = 0;
	check(rules, name, false, true);
}

static void test_filter__digest_follows_the_rules(void **state)
{
	struct filter *a, *b;
	struct hash x, y;
	struct err err;

	(void)state;
	assert_int_equal(filter_new(&a, &err), 0);
	assert_int_equal(filter_new(&b, &err), 0);
	assert_int_equal(filter_add(a, "- x", &err), 0);
	assert_int_equal(filter_add(b, "+ x", &err), 0);
	x = filter_digest(a);
	y = filter_digest(b);
	assert_false(hash_equal(&x, &y));
	assert_int_equal(filter_add(a, "!", &err), 0);
	assert_int_equal(filter_add(b, "!", &err), 0);
	assert_int_equal(filter_add(a, "- /x", &err), 0);
	assert_int_equal(filter_add(b, "-/ /x", &err), 0);
	x = filter_digest(a);
	y = filter_digest(b);
	assert_false(hash_equal(&x, &y));
	assert_int_equal(filter_set_root(b, "/home", &err), 0);
	x = filter_digest(b);
	assert_false(hash_equal(&x, &y));
	filter_free(a);
	filter_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter__first_match_wins),
		cmocka_unit_test(test_filter__leading_stars_match_at_the_top),
		cmocka_unit_test(test_filter__a_slash_means_the_absolute_path),
		cmocka_unit_test(test_filter__clear_forgets),
		cmocka_unit_test(test_filter__bad_rules_are_refused),
		cmocka_unit_test(test_filter__many_stars),
		cmocka_unit_test(test_filter__digest_follows_the_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
