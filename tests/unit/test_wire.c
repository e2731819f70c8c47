#include "unit.h"

#include "snapsync/frame.h"

static const enum msg_type op_types[] = {MSG_MKDIR, MSG_PLACE, MSG_SYMLINK,
					 MSG_NODE, MSG_LINK, MSG_MOVE, MSG_REMOVE, MSG_META};

static void sample(enum msg_type type, struct msg_op *m)
{
	memset(m, 0, sizeof(*m));
	m->type = type;
	m->path.path = view_of("some/path", 9);
	if (type == MSG_LINK || type == MSG_MOVE) {
		m->from.area = MSG_LIMBO;
		m->from.path = view_of("1f/x", 4);
	}
	m->meta.type = type == MSG_MKDIR ? FSYS_DIR : type == MSG_SYMLINK ? FSYS_SYMLINK
					      : type == MSG_NODE	  ? FSYS_CHAR
									  : FSYS_FILE;
	m->meta.mode = 04751;
	m->meta.uid = 70000;
	m->meta.mtime.s = -5;
	m->meta.mtime.ns = 999999999;
	m->stage = 77;
	m->target = view_of("../to", 5);
	m->rdev_major = 300;
	m->rdev_minor = 70000;
	m->is_dir = true;
}

static void test_msg__every_operation_comes_back(void **state)
{
	struct msg_op in, out;
	struct buf b;
	struct err err;
	size_t i, n;

	(void)state;
	buf_init(&b, 10000);
	for (i = 0; i < sizeof(op_types) / sizeof(op_types[0]); i++) {
		sample(op_types[i], &in);
		buf_clear(&b);
		assert_int_equal(msg_put_op(&b, &in, &err), 0);
		assert_int_equal(msg_get_op(in.type, view_of(b.data, b.len), &out, &err), 0);
		assert_int_equal(out.path.path.len, 9);
		if (in.type == MSG_MKDIR || in.type == MSG_PLACE || in.type == MSG_META) {
			assert_int_equal(out.meta.mode, 04751);
			assert_int_equal(out.meta.uid, 70000);
			assert_true(out.meta.mtime.s == -5);
		}
		if (in.type == MSG_NODE)
			assert_int_equal(out.rdev_minor, 70000);
		if (in.type == MSG_MOVE)
			assert_int_equal(out.from.area, MSG_LIMBO);
		/* Cut short anywhere, or a byte too long: refused and zeroed. */
		for (n = 0; n < b.len; n++) {
			static const struct msg_op zero;

			assert_int_equal(msg_get_op(in.type, view_of(b.data, n), &out, &err), -ERR_PROTOCOL);
			assert_memory_equal(&out, &zero, sizeof(out));
		}
		assert_int_equal(buf_put_u8(&b, 0, &err), 0);
		assert_int_equal(msg_get_op(in.type, view_of(b.data, b.len), &out, &err), -ERR_PROTOCOL);
	}
	buf_release(&b);
}

static void test_msg__bad_paths_are_refused(void **state)
{
	static const char *const bad[] = {"../x", "/x", "a/../b", "a//b", "", ".", ".snapsync", ".snapsync/redo", "a/"};
	struct msg_op m, out;
	struct buf b;
	struct err err;
	size_t i, k;

	(void)state;
	buf_init(&b, 10000);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (k = 0; k < sizeof(op_types) / sizeof(op_types[0]); k++) {
			if (op_types[k] == MSG_META && bad[i][0] == 0)
				continue; /* the root may be meant */
			sample(op_types[k], &m);
			m.path.path = view_of(bad[i], strlen(bad[i]));
			buf_clear(&b);
			if (msg_put_op(&b, &m, &err) < 0)
				continue;
			assert_int_equal(msg_get_op(m.type, view_of(b.data, b.len), &out, &err), -ERR_PROTOCOL);
		}
	buf_release(&b);
}

static void test_frame__only_whole_ones(void **state)
{
	struct frame_mark mark;
	struct frame f;
	struct buf b, part;
	struct err err;
	size_t n;

	(void)state;
	buf_init(&b, 1000);
	buf_init(&part, 1000);
	assert_int_equal(frame_begin(&b, MSG_PING, 0, &mark, &err), 0);
	assert_int_equal(msg_put_number(&b, 7, &err), 0);
	assert_int_equal(frame_end(&b, &mark, &err), 0);
	for (n = 0; n < b.len; n++) {
		buf_clear(&part);
		assert_int_equal(buf_put(&part, b.data, n, &err), 0);
		assert_int_equal(frame_next(&part, 0, 'C', &f, &err), 0);
	}
	assert_int_equal(frame_next(&b, 0, 'C', &f, &err), 1);
	assert_int_equal(f.size, b.len);
	/* Too long, of no type, or from the wrong side: refused from the header. */
	b.data[3] = 1;
	assert_int_equal(frame_next(&b, 0, 'C', &f, &err), -ERR_PROTOCOL);
	b.data[3] = 0;
	b.data[0] = 9;
	assert_int_equal(frame_next(&b, 0, 'C', &f, &err), -ERR_PROTOCOL);
	b.data[0] = 8;
	b.data[4] = 200;
	assert_int_equal(frame_next(&b, 0, 'C', &f, &err), -ERR_PROTOCOL);
	b.data[4] = MSG_ACK;
	assert_int_equal(frame_next(&b, 0, 'C', &f, &err), -ERR_PROTOCOL);
	buf_release(&b);
	buf_release(&part);
}

/* Random bytes into every decoder: never a crash, never an output left. */
static void test_msg__noise(void **state)
{
	unsigned char noise[200];
	uint64_t seed = 7;
	struct err err;
	int i;

	(void)state;
	for (i = 0; i < 200000; i++) {
		size_t n = unit_random(&seed) % sizeof(noise), k;
		struct view v;
		union {
			struct msg_hello hello;
			struct msg_welcome welcome;
			struct msg_refuse refuse;
			struct msg_owner owner;
			struct msg_list list;
			struct msg_listing listing;
			struct msg_stage stage;
			struct msg_data data;
			struct msg_op op;
			struct msg_ack ack;
			struct msg_fail fail;
			struct msg_need need;
		} m;

		for (k = 0; k < n; k++)
			noise[k] = (unsigned char)(unit_random(&seed) >> 20 & (i & 1 ? 255 : 3));
		v = view_of(noise, n);
		msg_get_hello(v, &m.hello, &err);
		msg_get_welcome(v, &m.welcome, &err);
		msg_get_refuse(v, &m.refuse, &err);
		msg_get_owner(v, &m.owner, &err);
		msg_get_list(v, &m.list, &err);
		if (msg_get_listing(v, &m.listing, &err) == 0) {
			struct msg_item item;
			struct view items = m.listing.items;
			uint32_t c = m.listing.count;

			while (c-- && msg_get_item(&items, &item, &err) == 0)
				continue;
		}
		msg_get_data(v, &m.data, &err);
		msg_get_ack(v, &m.ack, &err);
		msg_get_fail(v, &m.fail, &err);
		msg_get_need(v, &m.need, &err);
		msg_get_op(op_types[i % 8], v, &m.op, &err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_msg__every_operation_comes_back),
		cmocka_unit_test(test_msg__bad_paths_are_refused),
		cmocka_unit_test(test_frame__only_whole_ones),
		cmocka_unit_test(test_msg__noise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
