#include "unit.h"

#include "snapsync/mirror.h"

static struct store *s;
static struct dest d;
static struct err err;

static int begin(void **state)
{
	(void)state;
	if (store_open(":memory:", DB_WRITE, &s, &err) < 0 ||
	    db_begin(store_db(s), &err) < 0)
		return -1;
	return mirror_dest(s, "local:/d", &d, &err);
}

static int end(void **state)
{
	(void)state;
	db_commit(store_db(s), &err);
	store_close(s);
	return 0;
}

static struct place at(int64_t parent, const char *name)
{
	struct place p = {parent, name, strlen(name)};

	return p;
}

static int64_t add(enum fsys_type type, uint64_t ino, int64_t parent, const char *name)
{
	struct inode_row row = {.dev = 1, .ino = ino, .nlink = 1, .a = {.type = type, .mode = 0644, .size = 5, .hashed = true, .hash.b = {1}}};

	assert_int_equal(store_inode_add(s, &row, &err), 0);
	assert_true(store_name_set(s, at(parent, name), 0, FSYS_NONE, row.id, &err) >= 0);
	return row.id;
}

static int64_t pending(void)
{
	int64_t names, inodes;

	assert_int_equal(mirror_pending(s, d.id, &names, &inodes, &err), 0);
	return names + inodes;
}

static int64_t there(int64_t parent, const char *name)
{
	enum fsys_type type;
	int64_t inode = 0;

	return mirror_get(s, d.id, at(parent, name), &inode, &type, &err) > 0 ? inode : 0;
}

static void test_mirror__new_names_are_missing_there(void **state)
{
	int64_t f = add(FSYS_FILE, 10, STORE_ROOT, "f");
	struct inode_row row;

	(void)state;
	assert_int_equal(there(STORE_ROOT, "f"), 0);
	assert_int_equal(pending(), 1);
	assert_int_equal(store_inode_get(s, f, &row, &err), 1);
	assert_true(mirror_set(s, d.id, at(STORE_ROOT, "f"), f, FSYS_FILE, &err) >= 0);
	assert_true(mirror_set_inode(s, d.id, f, &row.a, &err) >= 0);
	assert_int_equal(there(STORE_ROOT, "f"), f);
	assert_int_equal(pending(), 0);
}

static void test_mirror__added_and_deleted_leaves_nothing(void **state)
{
	int64_t f = add(FSYS_FILE, 10, STORE_ROOT, "brief");

	(void)state;
	assert_true(store_name_set(s, at(STORE_ROOT, "brief"), f, FSYS_FILE, 0, &err) >= 0);
	assert_int_equal(pending(), 0);
}

static void test_mirror__changed_and_changed_back(void **state)
{
	int64_t f = add(FSYS_FILE, 10, STORE_ROOT, "f");
	struct inode_row old, now;
	struct attr a;

	(void)state;
	assert_int_equal(store_inode_get(s, f, &old, &err), 1);
	mirror_set(s, d.id, at(STORE_ROOT, "f"), f, FSYS_FILE, &err);
	mirror_set_inode(s, d.id, f, &old.a, &err);
	now = old;
	now.a.mode = 0600;
	assert_int_equal(store_inode_set(s, &old, &now, &err), 0);
	assert_int_equal(pending(), 1);
	assert_int_equal(mirror_inode(s, d.id, f, &a, &err), 1);
	assert_int_equal(a.mode, 0644); /* what the destination still has */
	assert_int_equal(store_inode_set(s, &now, &old, &err), 0);
	assert_int_equal(pending(), 0);
}

static void test_mirror__moved_directory_is_two_names(void **state)
{
	int64_t dir = add(FSYS_DIR, 10, STORE_ROOT, "dir"), f = add(FSYS_FILE, 11, dir, "f");
	struct inode_row row;
	int64_t names, inodes;

	(void)state;
	mirror_set(s, d.id, at(STORE_ROOT, "dir"), dir, FSYS_DIR, &err);
	mirror_set(s, d.id, at(dir, "f"), f, FSYS_FILE, &err);
	store_inode_get(s, f, &row, &err);
	mirror_set_inode(s, d.id, f, &row.a, &err);
	store_inode_get(s, dir, &row, &err);
	mirror_set_inode(s, d.id, dir, &row.a, &err);
	assert_int_equal(pending(), 0);
	store_name_set(s, at(STORE_ROOT, "dir"), dir, FSYS_DIR, 0, &err);
	store_name_set(s, at(STORE_ROOT, "new"), 0, FSYS_NONE, dir, &err);
	assert_int_equal(mirror_pending(s, d.id, &names, &inodes, &err), 0);
	assert_int_equal(names, 2);
	assert_int_equal(there(STORE_ROOT, "dir"), dir);
	assert_int_equal(there(STORE_ROOT, "new"), 0);
	assert_int_equal(there(dir, "f"), f);
}

static void test_mirror__destinations_are_apart(void **state)
{
	struct dest e;
	int64_t f, names, inodes;

	(void)state;
	assert_int_equal(mirror_dest(s, "local:/e", &e, &err), 0);
	f = add(FSYS_FILE, 10, STORE_ROOT, "f");
	mirror_set(s, d.id, at(STORE_ROOT, "f"), f, FSYS_FILE, &err);
	assert_int_equal(mirror_pending(s, e.id, &names, &inodes, &err), 0);
	assert_int_equal(names, 1);
	assert_true(memcmp(d.pair, e.pair, sizeof(d.pair)) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mirror__new_names_are_missing_there, begin, end),
		cmocka_unit_test_setup_teardown(test_mirror__added_and_deleted_leaves_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_mirror__changed_and_changed_back, begin, end),
		cmocka_unit_test_setup_teardown(test_mirror__moved_directory_is_two_names, begin, end),
		cmocka_unit_test_setup_teardown(test_mirror__destinations_are_apart, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
