/*
 * The whole client: a first contact with a helper that says what it likes, an
 * answer each time the client waits.  First byte: the client's options.  Then an
 * opcode each (see next) and its bytes.
 *
 * Holds: the run ends; no descriptor stays open; and nothing is taken for done
 * if neither an ACK, a position nor a listing said anything of the kind.
 */
#include "session.h"

#include "link/link_local.h"
#include "snapsync/pass.h"
#include "snapsync/ship.h"

#define ANSWERS 64u /* after so many the far end is gone */

struct far_end {
	struct link link;
	struct view v;	/* what the fuzzer says */
	struct buf out; /* said, not yet read */
	const unsigned char *pair;
	unsigned answers;
	bool told; /* something about what is there */
};

static struct err err;
static char template[4200];

static void put_number(struct far_end *f, enum msg_type type, uint64_t n)
{
	struct frame_mark m;

	if (frame_begin(&f->out, type, 0, &m, &err) == 0 && msg_put_number(&f->out, n, &err) == 0)
		frame_end(&f->out, &m, &err);
}

static void put_welcome(struct far_end *f)
{
	unsigned b = fuzz_byte(&f->v), c = fuzz_byte(&f->v), n = c & 3;
	struct msg_welcome m = {.version = MSG_VERSION_MAX, .features = MSG_FEATURES & ~(b >> 3), .hash_kind = 1, .flags = b & 7, .credit = c & 16 ? 100 : 8u << 20, .position = c & 8 ? UINT64_MAX >> (c >> 5) : c >> 5, .granularity = 1, .failed = n};

	memcpy(m.pair, f->pair, c & 4 ? 16 : 15);
	m.failures = fuzz_take(&f->v, 12 * n);
	m.failed = (uint32_t)(m.failures.len / 12);
	m.failures.len = 12 * m.failed;
	m.version_text = view_of("fuzz", 4);
	f->told = f->told || m.flags & MSG_WELCOME_KNOWN;
	msg_put_welcome(&f->out, &m, &err);
}

static void put_item(struct buf *b, struct view *v)
{
	struct msg_path p = session_path(v);
	unsigned how = fuzz_byte(v);
	struct msg_item m = {.name = p.path};
	const unsigned char *slash = memchr(p.path.p, '/', p.path.len);

	if (slash && !(how & 32))
		m.name.len = (size_t)(slash - p.path.p);
	m.st.type = (enum fsys_type)(1 + how % 7);
	m.st.mode = 0644;
	m.st.ino = 1 + (how & 3);
	m.st.nlink = how & 8 ? 2 : 1;
	m.st.size = how & 16 ? 300000 : how;
	m.st.mtime.s = how & 64 ? 1000000000 : 1;
	m.hashed = how & 128;
	m.target = view_of("a/b", 3);
	msg_put_item(b, &m, &err);
}

static void put_listing(struct far_end *f)
{
	unsigned b = fuzz_byte(&f->v), i;
	struct msg_listing m = {.flags = b & 3, .count = b >> 3 & 7};
	struct buf items;

	if (b & 4)
		m.dir = session_path(&f->v).path;
	buf_init(&items, 65536);
	for (i = 0; i < m.count; i++)
		put_item(&items, &f->v);
	if (b & 128)
		m.count = fuzz_byte(&f->v) << 24;
	m.items = view_of(items.data, items.len);
	f->told = true;
	msg_put_listing(&f->out, &m, &err);
	buf_release(&items);
}

static void put_signed(struct far_end *f)
{
	unsigned b = fuzz_byte(&f->v), i;
	struct msg_signed m = {.id = 1 + (b >> 6), .flags = b & 3, .bits = b >> 2 & 15, .size = 300000};
	struct buf chunks;

	buf_init(&chunks, 65536);
	for (i = 0; i < (b >> 2 & 7); i++) {
		buf_put_u64(&chunks, fuzz_byte(&f->v), &err);
		buf_put_u32(&chunks, fuzz_byte(&f->v) << (fuzz_byte(&f->v) & 15), &err);
		m.count++;
	}
	m.chunks = view_of(chunks.data, chunks.len);
	msg_put_signed(&f->out, &m, &err);
	buf_release(&chunks);
}

static void put_fail(struct far_end *f)
{
	unsigned b = fuzz_byte(&f->v);
	struct msg_fail m = {.batch = 1 + (b & 3), .index = b >> 2 & 31, .code = fuzz_byte(&f->v)};

	if (b & 128)
		m.index = 0x10000u << (b & 15);
	m.text = fuzz_take(&f->v, b >> 5);
	msg_put_fail(&f->out, &m, &err);
}

static void put_stage(struct far_end *f, enum msg_type type)
{
	unsigned b = fuzz_byte(&f->v);
	struct msg_have have = {.id = b & 7, .length = b & 64 ? 100 : b >> 4 ? UINT64_MAX
									     : 0};
	struct msg_need need = {.id = b & 7, .offset = (b >> 3) * 16384u, .length = 1};

	if (type == MSG_HAVE)
		msg_put_have(&f->out, &have, &err);
	else
		msg_put_need(&f->out, &need, &err);
}

static void next(struct far_end *f)
{
	static const enum msg_type kinds[] = {
		MSG_WELCOME, MSG_CREDIT, MSG_ACK, MSG_FAIL, MSG_NEED, MSG_HAVE,
		MSG_LISTING, MSG_LISTED, MSG_SIGNED, MSG_REFUSE, MSG_PING};
	unsigned op = fuzz_byte(&f->v);
	enum msg_type type = kinds[op % 11];
	struct msg_ack ack = {.batch = 1 + (op >> 6)};
	struct msg_listed listed = {.code = op & 128 ? op : 0};
	struct msg_refuse refuse = {.code = op, .text = view_of("\33[2Jno", 6)};
	struct frame_mark m;
	struct view raw;

	f->answers++;
	if (type == MSG_CREDIT || type == MSG_PING) {
		put_number(f, type, op & 128 ? UINT64_MAX >> (op & 1) : 1u << (op >> 3));
		return;
	}
	if (op == 255)
		type = (enum msg_type)fuzz_byte(&f->v);
	HOLDS(frame_begin(&f->out, type, 0, &m, &err) == 0);
	if (op == 255) { /* anything at all */
		raw = fuzz_take(&f->v, fuzz_byte(&f->v));
		buf_put(&f->out, raw.p, raw.len, &err);
		f->told = true;
	} else if (type == MSG_WELCOME) {
		put_welcome(f);
	} else if (type == MSG_ACK) {
		msg_put_ack(&f->out, &ack, &err);
		f->told = true;
	} else if (type == MSG_FAIL) {
		put_fail(f);
	} else if (type == MSG_NEED || type == MSG_HAVE) {
		put_stage(f, type);
	} else if (type == MSG_LISTING) {
		put_listing(f);
	} else if (type == MSG_LISTED) {
		msg_put_listed(&f->out, &listed, &err);
	} else if (type == MSG_SIGNED) {
		put_signed(f);
	} else {
		msg_put_refuse(&f->out, &refuse, &err);
	}
	frame_end(&f->out, &m, &err);
}

/* ------------------------------------------------ a link to it */

static ssize_t far_read(struct link *l, void *bytes, size_t size, struct err *e)
{
	struct far_end *f = (struct far_end *)(void *)l;
	size_t n = f->out.len < size ? f->out.len : size;

	if (f->answers >= ANSWERS && n == 0)
		return err_set(e, ERR_STREAM, "the far end is gone");
	if (n)
		memcpy(bytes, f->out.data, n);
	buf_consume(&f->out, n);
	return (ssize_t)n;
}

static ssize_t far_write(struct link *l, const void *bytes, size_t size, struct err *e)
{
	(void)l;
	(void)bytes;
	(void)e;
	return (ssize_t)size;
}

static int far_wait(struct link *l, int want, int timeout_ms, struct err *e)
{
	struct far_end *f = (struct far_end *)(void *)l;

	(void)timeout_ms;
	(void)e;
	if (f->v.len == 0)
		f->answers = ANSWERS;
	else if (f->answers < ANSWERS)
		next(f);
	return want;
}

static void far_close(struct link *l)
{
	(void)l;
}

static const struct link_ops far_ops = {far_read, far_write, far_wait, far_close};

/* ------------------------------------------------ a source and its snapshot */

static void make_file(int dir, const char *name, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	uint64_t x = 88172645463325252u;
	size_t i;

	HOLDS(fd >= 0);
	for (i = 0; i < size; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		HOLDS(write(fd, &x, sizeof(x)) == sizeof(x));
	}
	close(fd);
}

static void copy_file(const char *from, const char *to)
{
	char bytes[65536];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	HOLDS(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		HOLDS(write(out, bytes, (size_t)n) == n);
	close(in);
	close(out);
}

static int make_source(void)
{
	struct pass_options o = {.max_delete = -1};
	struct pass_result result;
	struct store *s;
	struct dest d;
	char name[4200];
	int root;

	snprintf(name, sizeof(name), "%s/source", session_scratch());
	HOLDS(mkdir(name, 0755) == 0);
	root = open(name, O_RDONLY | O_DIRECTORY);
	HOLDS(root >= 0 && mkdirat(root, "a", 0755) == 0 && mkdirat(root, "a/c", 0755) == 0);
	make_file(root, "a/b", 8);
	make_file(root, "a/c/b", 40);
	make_file(root, "b", 300000);
	HOLDS(linkat(root, "a/b", root, "a/deep", 0) == 0 && symlinkat("a/b", root, "c") == 0);
	snprintf(template, sizeof(template), "%s/template.db", session_scratch());
	HOLDS(store_open(template, DB_WRITE, &s, &err) == 0);
	HOLDS(pass_run(s, root, &o, &result, &err) == 0);
	HOLDS(db_begin(store_db(s), &err) == 0 && mirror_dest(s, "local:/there", &d, &err) >= 0 &&
	      db_commit(store_db(s), &err) == 0);
	store_close(s);
	return root;
}

static int64_t pending(struct store *s, int64_t dest)
{
	int64_t names, inodes;

	HOLDS(mirror_pending(s, dest, &names, &inodes, &err) == 0);
	return names;
}

static void run(struct store *s, int root, unsigned how, struct view v)
{
	struct ship_options so = {.delete_extras = how & 1, .checksum = how & 2, .verify = how & 4, .dry = how & 8, .sparse = how & 16, .max_delete = -1};
	struct remote_options ro = {.timeout = 0, .pack = how & 32 ? REMOTE_PACK_DEFAULT : 0};
	struct msg_hello hello = {.version_min = MSG_VERSION_MIN, .version_max = MSG_VERSION_MAX, .features = MSG_FEATURES, .hash_kind = 1};
	struct far_end far = {.link = {.ops = &far_ops}, .v = v};
	struct remote *remote;
	struct ship *ship;
	struct dest d;
	int64_t before;
	int r;

	HOLDS(mirror_dest(s, "local:/there", &d, &err) >= 0);
	before = pending(s, d.id);
	buf_init(&far.out, 4u << 20);
	far.pair = d.pair;
	hello.path = view_of("/there", 6);
	hello.version = view_of("fuzz", 4);
	HOLDS(ship_new(s, root, &d, &so, &ship, &err) == 0);
	r = remote_open(&far.link, &hello, &ro, &remote, &err);
	if (r == 0) {
		r = ship_attach(ship, remote, &err);
		if (r == 0)
			r = ship_run(ship, &err);
		HOLDS(r <= 0);
		ship_detach(ship);
		remote_close(remote);
	}
	HOLDS(far.told || pending(s, d.id) == before);
	ship_free(ship);
	buf_release(&far.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int root = -1;
	struct view v = view_of(data, size);
	unsigned how = fuzz_byte(&v), open_before;
	char state[4200];
	struct store *s;

	if (root < 0)
		root = make_source();
	snprintf(state, sizeof(state), "%s/state.db", session_scratch());
	copy_file(template, state);
	open_before = session_descriptors();
	HOLDS(store_open(state, DB_WRITE, &s, &err) == 0);
	run(s, root, how, v);
	store_close(s);
	HOLDS(session_descriptors() == open_before);
	return 0;
}
