/* The helper's durable files: torn, cut and damaged ones are never believed. */
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "apply/apply_local.h"

static struct apply a;
static struct err err;
static struct backup *its;
static const struct origin origin = {"this is a pair.", 0x1234567890};

static int begin(void **state)
{
	char name[] = "/tmp/snapsync-unit.XXXXXX";

	(void)state;
	memset(&a, 0, sizeof(a));
	a.redo_fd = mkstemp(name);
	unlink(name);
	strcpy(name, "/tmp/snapsync-unit.XXXXXX");
	a.position_fd = mkstemp(name);
	unlink(name);
	buf_init(&a.ops, APPLY_OPS_BYTES);
	buf_init(&a.position.failures, 12u * MSG_OPS_MAX);
	memcpy(a.hello.pair, origin.pair, sizeof(origin.pair));
	a.hello.tag = origin.tag;
	return a.redo_fd < 0 || a.position_fd < 0;
}

static int end(void **state)
{
	(void)state;
	close(a.redo_fd);
	close(a.position_fd);
	buf_release(&a.ops);
	buf_release(&a.position.failures);
	return 0;
}

static void write_one(uint64_t batch)
{
	struct noted n;

	memset(&n, 0, sizeof(n));
	n.op.type = MSG_MOVE;
	n.op.path.path = view_of("to", 2);
	n.op.from.path = view_of("from", 4);
	n.ino = 5;
	buf_clear(&a.ops);
	assert_int_equal(redo_put(&a.ops, &n, &err), 0);
	a.op_count = 1;
	a.batch = batch;
	assert_int_equal(redo_write(&a, &err), 0);
}

static void test_redo__comes_back(void **state)
{
	struct origin p;
	struct noted n;
	struct view v;
	uint64_t batch;

	(void)state;
	write_one(3);
	buf_clear(&a.ops);
	assert_int_equal(redo_read(&a, &p, &batch, &its, &err), 1);
	assert_int_equal(batch, 3);
	assert_memory_equal(p.pair, origin.pair, 16);
	assert_int_equal(p.tag, origin.tag);
	v = view_of(a.ops.data, a.ops.len);
	assert_int_equal(redo_get(&v, &n, &err), 0);
	assert_int_equal(n.op.type, MSG_MOVE);
	assert_int_equal(n.ino, 5);
	assert_int_equal(v.len, 0);
}

/* Every byte of it, changed, or missing with all behind it. */
static void test_redo__damaged_is_not_believed(void **state)
{
	unsigned char bytes[4096];
	struct origin p;
	ssize_t size, i;
	uint64_t batch;

	(void)state;
	write_one(3);
	size = pread(a.redo_fd, bytes, sizeof(bytes), 0);
	assert_true(size > 40 && size < 4096);
	for (i = 0; i < size; i++) {
		unsigned char was = bytes[i], other = (unsigned char)(was ^ 0x10);

		assert_int_equal(pwrite(a.redo_fd, &other, 1, i), 1);
		assert_true(redo_read(&a, &p, &batch, &its, &err) <= 0);
		assert_int_equal(pwrite(a.redo_fd, &was, 1, i), 1);
	}
	assert_int_equal(redo_read(&a, &p, &batch, &its, &err), 1);
	for (i = size - 1; i >= 0; i--) {
		assert_int_equal(ftruncate(a.redo_fd, i), 0);
		assert_true(redo_read(&a, &p, &batch, &its, &err) <= 0);
	}
}

static void test_redo__a_shorter_one_over_a_longer(void **state)
{
	struct origin p;
	uint64_t batch;

	(void)state;
	assert_int_equal(ftruncate(a.redo_fd, 100000), 0);
	write_one(9);
	assert_int_equal(redo_read(&a, &p, &batch, &its, &err), 1);
	assert_int_equal(batch, 9);
}

static void test_position__the_newer_slot_counts(void **state)
{
	uint64_t batch;

	(void)state;
	assert_int_equal(position_read(&a, &err), 0);
	assert_false(a.position.known);
	for (batch = 1; batch < 6; batch++) {
		assert_int_equal(position_write(&a, &origin, batch, &err), 0);
		a.position.known = false;
		assert_int_equal(position_read(&a, &err), 0);
		assert_true(a.position.known);
		assert_int_equal(a.position.batch, batch);
		assert_int_equal(a.position.from.tag, origin.tag);
	}
}

/* A write that was torn leaves the position before it. */
static void test_position__torn_write(void **state)
{
	unsigned char junk[64];
	off_t last, other;

	(void)state;
	memset(junk, 0xaa, sizeof(junk));
	assert_int_equal(position_write(&a, &origin, 1, &err), 0);
	last = lseek(a.position_fd, 0, SEEK_END);
	assert_int_equal(position_write(&a, &origin, 2, &err), 0);
	other = lseek(a.position_fd, 0, SEEK_END);
	/* the second one went to the other slot: damage that one */
	assert_int_equal(pwrite(a.position_fd, junk, sizeof(junk), other > last ? 1 << 20 : 0), (int)sizeof(junk));
	a.position.known = false; /* as at a start */
	assert_int_equal(position_read(&a, &err), 0);
	assert_true(a.position.known);
	assert_int_equal(a.position.batch, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_redo__comes_back, begin, end),
		cmocka_unit_test_setup_teardown(test_redo__damaged_is_not_believed, begin, end),
		cmocka_unit_test_setup_teardown(test_redo__a_shorter_one_over_a_longer, begin, end),
		cmocka_unit_test_setup_teardown(test_position__the_newer_slot_counts, begin, end),
		cmocka_unit_test_setup_teardown(test_position__torn_write, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
