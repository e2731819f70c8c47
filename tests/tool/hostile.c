/*
 * A client that breaks the rules, against the true helper:
 *
 *     hostile GROUP DEST HELPER [ARGS...]
 *
 * Prints a line for each case that does not go as it should and at the end how
 * many there were and the most memory that a helper took (KiB).
 */
#include "peer.h"

#include <zstd.h>

#include "snapsync/codec.h"

static char *const *helper;
static const char *dest;
static unsigned cases, bad;
static long peak;
static uint64_t batch; /* the last one begun; rises over the sessions */

static void report(bool good, const char *what, const char *which, const char *got)
{
	cases++;
	if (good)
		return;
	bad++;
	printf("# not so: %s%s%s: %s\n", what, *which ? ", " : "", which, got);
}

/* ------------------------------------------------ sessions */

static void hello_with(struct peer *p, const char *path, size_t len, uint32_t flags, uint32_t timeout)
{
	struct msg_hello h = {.version_min = MSG_VERSION_MIN, .version_max = MSG_VERSION_MAX, .features = MSG_FEATURES, .flags = flags | MSG_HELLO_NO_SYNC, .hash_kind = 1, .pair = "a hostile pair!", .seed = 1, .timeout = timeout};

	h.path = view_of(path, len);
	h.version = view_of("hostile", 7);
	PEER_FRAME(p, MSG_HELLO, msg_put_hello(&p->out, &h, &peer_err));
}

/* Greeted, ready for more. */
static void start(struct peer *p, uint32_t flags)
{
	struct msg_welcome w;
	struct frame f;
	unsigned type;

	peer_start(p, helper);
	hello_with(p, dest, strlen(dest), flags, 30);
	peer_flush(p);
	type = peer_next(p, &f);
	if (type != MSG_WELCOME || msg_get_welcome(f.payload, &w, &peer_err) < 0) {
		printf("# not so: no WELCOME but %u: %.*s\n", type, (int)f.payload.len, f.payload.p);
		exit(1);
	}
	if (w.position > batch && w.flags & MSG_WELCOME_KNOWN)
		batch = w.position;
}

/* The helper's end: its exit status, or -1 if it is still there. */
static int stop(struct peer *p)
{
	struct rusage used;
	int64_t until = clock_mono() + PEER_PATIENCE;
	int status = 0;
	pid_t r;

	close(p->to);
	while ((r = wait4(p->pid, &status, WNOHANG, &used)) == 0 && clock_mono() < until)
		if (!peer_read(p, 5))
			clock_sleep(CLOCK_MS);
	if (r == 0) {
		kill(p->pid, SIGKILL);
		wait4(p->pid, &status, 0, &used);
		status = -1;
	}
	close(p->from);
	buf_release(&p->in);
	buf_release(&p->out);
	if (used.ru_maxrss > peak)
		peak = used.ru_maxrss;
	return status == -1 ? -1 : WIFEXITED(status) ? WEXITSTATUS(status)
						     : 1000 + WTERMSIG(status);
}

/* The next answer but CREDIT, PONG and PING. */
static unsigned answer(struct peer *p, struct frame *f)
{
	unsigned type;

	do
		type = peer_next(p, f);
	while (type == MSG_CREDIT || type == MSG_PONG || type == MSG_PING || type == MSG_NOTE);
	return type;
}

/* What was put must end the session with a REFUSE of this code. */
static void refused(struct peer *p, unsigned code, const char *what, const char *which)
{
	struct msg_refuse m = {.code = 0};
	struct frame f;
	char got[300];
	unsigned type;
	int status;

	peer_flush(p);
	while ((type = answer(p, &f)) == MSG_NEED || type == MSG_LISTED || type == MSG_LISTING ||
	       type == MSG_HAVE || type == MSG_FAIL || type == MSG_ACK)
		continue;
	if (type == MSG_REFUSE)
		msg_get_refuse(f.payload, &m, &peer_err);
	snprintf(got, sizeof(got), "answer %u, code %u (%.*s)", type, m.code,
		 type == MSG_REFUSE ? (int)m.text.len : 0, (const char *)m.text.p);
	status = stop(p);
	if (type == MSG_REFUSE && m.code == code && status != err_exit((int)code))
		snprintf(got, sizeof(got), "refused, then exit %d", status);
	report(type == MSG_REFUSE && m.code == code && status == err_exit((int)code), what, which, got);
}

static void begin(struct peer *p)
{
	peer_number(p, MSG_BEGIN, ++batch);
}

static void commit(struct peer *p, uint32_t count)
{
	struct msg_commit m = {batch, count};

	PEER_FRAME(p, MSG_COMMIT, msg_put_commit(&p->out, &m, &peer_err));
}

static void stage(struct peer *p, uint64_t id, uint64_t size)
{
	struct msg_stage m = {.id = id, .size = size};

	PEER_FRAME(p, MSG_STAGE, msg_put_stage(&p->out, &m, &peer_err));
}

static void data(struct peer *p, uint64_t id, const void *bytes, size_t len)
{
	struct msg_data m = {id, {bytes, len, false}};

	PEER_FRAME(p, MSG_DATA, msg_put_data(&p->out, &m, &peer_err));
}

static void stage_end(struct peer *p, uint64_t id, struct hash h)
{
	struct msg_stage_end m = {id, h};

	PEER_FRAME(p, MSG_STAGE_END, msg_put_stage_end(&p->out, &m, &peer_err));
}

static void file(struct peer *p, uint64_t id, const char *text)
{
	stage(p, id, strlen(text));
	data(p, id, text, strlen(text));
	stage_end(p, id, hash_of(text, strlen(text), 1));
}

static struct msg_path path_of(const char *text)
{
	struct msg_path p = {MSG_TREE, view_of(text, strlen(text))};

	return p;
}

static struct msg_op op_of(enum msg_type type, const char *path, const char *from)
{
	struct msg_op op = {.type = type, .path = path_of(path), .from = path_of(from)};

	op.meta.type = type == MSG_MKDIR ? FSYS_DIR : type == MSG_SYMLINK ? FSYS_SYMLINK
					      : type == MSG_NODE	  ? FSYS_FIFO
									  : FSYS_FILE;
	op.meta.mode = 0755;
	op.meta.uid = (uint32_t)geteuid();
	op.meta.gid = (uint32_t)getegid();
	op.target = view_of("target", 6);
	op.stage = 1;
	return op;
}

static void put_op(struct peer *p, const struct msg_op *op)
{
	PEER_FRAME(p, op->type, msg_put_op(&p->out, op, &peer_err));
}

static void simple(struct peer *p, enum msg_type type, const char *path, const char *from)
{
	struct msg_op op = op_of(type, path, from);

	put_op(p, &op);
}

static void copy(struct peer *p, uint64_t id, const char *path, uint64_t offset, uint64_t length)
{
	struct msg_copy m = {.id = id, .offset = offset, .length = length, .path = path_of(path)};

	PEER_FRAME(p, MSG_COPY, msg_put_copy(&p->out, &m, &peer_err));
}

static void list(struct peer *p, const char *path)
{
	struct msg_list m = {.root = path_of(path)};

	PEER_FRAME(p, MSG_LIST, msg_put_list(&p->out, &m, &peer_err));
}

/* ------------------------------------------------ paths */

static const char long_name[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
				"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
				"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
				"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static void bad_path(struct msg_path path, const char *which)
{
	static const enum msg_type ops[] = {MSG_MKDIR, MSG_PLACE, MSG_SYMLINK, MSG_NODE, MSG_LINK,
					    MSG_MOVE, MSG_REMOVE, MSG_META};
	struct msg_copy c = {.id = 1, .length = 1, .path = path};
	struct msg_list l = {.root = path};
	struct msg_sign s = {1, path};
	struct peer p;
	size_t i;
	bool root = path.path.len == 0 && path.area == MSG_TREE;

	for (i = 0; i < 8 + 3; i++) {
		struct msg_op op = op_of(ops[i < 8 ? i : i - 8 + 4], "good", "good");

		if (ops[i < 8 ? i : 0] == MSG_META && root)
			continue; /* the mirror itself */
		if (i < 8)
			op.path = path;
		else
			op.from = path;
		start(&p, 0);
		begin(&p);
		PEER_FRAME(&p, op.type, msg_put_op(&p.out, &op, &peer_err));
		if (op.type == MSG_REMOVE && i >= 8 && path.path.len == 0) /* no second path, then */
			peer_raw(&p, MSG_REMOVE, "\0\4\0\0\0good\2\0\0\0\0\0", 15);
		commit(&p, 1);
		refused(&p, ERR_PROTOCOL, msg_row(op.type)->name, which);
	}
	start(&p, 0);
	stage(&p, 1, 1);
	PEER_FRAME(&p, MSG_COPY, msg_put_copy(&p.out, &c, &peer_err));
	refused(&p, ERR_PROTOCOL, "COPY", which);
	start(&p, 0);
	PEER_FRAME(&p, MSG_SIGN, msg_put_sign(&p.out, &s, &peer_err));
	refused(&p, ERR_PROTOCOL, "SIGN", which);
	if (root)
		return;
	start(&p, 0);
	PEER_FRAME(&p, MSG_LIST, msg_put_list(&p.out, &l, &peer_err));
	refused(&p, ERR_PROTOCOL, "LIST", which);
}

static void paths(void)
{
	static const char *const list_of[] = {"..", "../x", "a/../b", "a/..", "/abs", "/", "", ".", "a/./b",
					      "a//b", "a/", long_name, ".snapsync", ".snapsync/position", ".snapsync/tmp/f1"};
	struct msg_path p = {MSG_TREE, {(const unsigned char *)"a\0b", 3, false}};
	char *deep = malloc(70001);
	size_t i;

	for (i = 0; i < sizeof(list_of) / sizeof(list_of[0]); i++)
		bad_path(path_of(list_of[i]), list_of[i]);
	bad_path(p, "NUL");
	for (i = 0; i < 70000; i++)
		deep[i] = i % 2 ? '/' : 'x';
	p.path = view_of(deep, 65535 + 2);
	bad_path(p, "65537 bytes");
	p = path_of("..");
	p.area = MSG_LIMBO;
	bad_path(p, ".. of the limbo");
	p.path.len = 0;
	bad_path(p, "the limbo itself");
	p = path_of("good");
	p.area = (enum msg_area)2;
	bad_path(p, "area 2");
	free(deep);
}

/* Where the session itself shall work; the helper has --root. */
static void roots(void)
{
	static const char *const outside[] = {"..", "../outside", "a/../../outside", ".//..", "link/x/../..",
					      "a//b", "./a"};
	static const char *const links[] = {"link", "link/below", "dir/link2"};
	/* Of --backup-dir; the last ones of --suffix. */
	static const char *const backups[] = {"..", "../outside", "/abs", "a/../b", ".snapsync/tmp", "a//b", "a/b"};
	enum { SUFFIXES = 6 };
	struct peer p;
	size_t i;

	for (i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		peer_start(&p, helper);
		hello_with(&p, outside[i], strlen(outside[i]), 0, 30);
		refused(&p, ERR_START, "HELLO", outside[i]);
	}
	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		peer_start(&p, helper);
		hello_with(&p, links[i], strlen(links[i]), 0, 30);
		refused(&p, ERR_FILE, "HELLO through a link", links[i]);
	}
	peer_start(&p, helper);
	hello_with(&p, "a\0b", 3, 0, 30);
	refused(&p, ERR_PROTOCOL, "HELLO", "NUL");
	peer_start(&p, helper);
	hello_with(&p, "", 0, 0, 30);
	refused(&p, ERR_PROTOCOL, "HELLO", "no path");
	for (i = 0; i < sizeof(backups) / sizeof(backups[0]); i++) {
		struct msg_hello h = {.version_min = MSG_VERSION_MIN, .version_max = MSG_VERSION_MAX, .hash_kind = 1, .path = view_of("dest", 4)};

		h.backup_dir = view_of(backups[i], strlen(backups[i]));
		if (i >= SUFFIXES)
			h.suffix = h.backup_dir, h.backup_dir = view_of("kept", 4);
		peer_start(&p, helper);
		PEER_FRAME(&p, MSG_HELLO, msg_put_hello(&p.out, &h, &peer_err));
		refused(&p, ERR_PROTOCOL, "HELLO with a backup", backups[i]);
	}
	start(&p, 0); /* and an absolute one is one below it */
	peer_raw(&p, MSG_BYE, "", 0);
	peer_flush(&p);
	report(stop(&p) == 0, "HELLO below the root", "", "not served");
}

/* ------------------------------------------------ what this session may not */

/* Everything that changes something, in a session that may change nothing. */
static void forbidden(void)
{
	unsigned type;
	struct peer p;

	for (type = 1; type < 67; type++) {
		const struct msg_row *row = msg_row(type);

		if (!row || !row->changes || !(row->states & MSG_S_READY))
			continue;
		start(&p, MSG_HELLO_DRY);
		if (type == MSG_STAGE)
			stage(&p, 1, 1);
		else
			peer_numbers(&p, row->type, 1, &batch);
		refused(&p, ERR_DENIED, "may not change", row->name);
	}
}

static void read_only(void)
{
	struct peer p;

	peer_start(&p, helper);
	hello_with(&p, dest, strlen(dest), 0, 30);
	refused(&p, ERR_START, "--read-only", "HELLO that may write");
	forbidden();
}

static void no_delete(void)
{
	struct msg_fail m = {.code = 0};
	struct frame f;
	struct peer p;
	unsigned type;

	start(&p, 0);
	begin(&p);
	file(&p, 1, "keep me");
	simple(&p, MSG_PLACE, "kept", "");
	commit(&p, 1);
	begin(&p);
	simple(&p, MSG_REMOVE, "kept", "");
	commit(&p, 1);
	peer_flush(&p);
	type = answer(&p, &f);
	report(type == MSG_ACK, "--no-delete", "a file comes", "no ACK");
	type = answer(&p, &f);
	if (type == MSG_FAIL)
		msg_get_fail(f.payload, &m, &peer_err);
	report(type == MSG_FAIL && m.code == ERR_DENIED, "--no-delete", "REMOVE", "no FAIL");
	peer_raw(&p, MSG_BYE, "", 0);
	peer_flush(&p);
	report(stop(&p) == 0, "--no-delete", "", "exit");
}

/* ------------------------------------------------ frames */

static void raw_header(const char *what, uint32_t len, unsigned type, unsigned flags)
{
	unsigned char h[8] = {(unsigned char)len, (unsigned char)(len >> 8), (unsigned char)(len >> 16),
			      (unsigned char)(len >> 24), (unsigned char)type, (unsigned char)flags, 0, 0};
	struct peer p;

	start(&p, 0);
	peer_must(buf_put(&p.out, h, 8, &peer_err), "put");
	refused(&p, ERR_PROTOCOL, what, "");
}

static void packed(const void *bytes, size_t len, const char *what)
{
	struct peer p;

	start(&p, 0);
	peer_raw(&p, MSG_PACK, bytes, len);
	refused(&p, ERR_PROTOCOL, "PACK", what);
}

static void packs(void)
{
	size_t bomb = 64u << 20, room = ZSTD_compressBound(bomb), n;
	char *zeros = calloc(1, bomb), *out = malloc(room);
	ZSTD_CCtx *z = ZSTD_createCCtx();
	struct codec *c;
	struct peer inner;
	struct buf b;

	if (!zeros || !out || !z)
		peer_die("memory");
	n = ZSTD_compress(out, room, zeros, bomb, 19);
	packed(out, n, "64 MiB of zeros");
	ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, 27);
	n = ZSTD_compress2(z, out, room, zeros, bomb);
	packed(out, n, "a window of 128 MiB");
	packed("garbage, and more garbage", 25, "garbage");
	packed("\x28\xb5\x2f\xfd\x84\xff\xff\xff\xff\xff\xff\xff\xff", 13, "a size of 2^64");
	free(zeros);
	free(out);
	ZSTD_freeCCtx(z);
	/* A PACK in a PACK; half a frame. */
	buf_init(&b, 1u << 20);
	peer_init(&inner, -1, -1, 'H');
	peer_raw(&inner, MSG_PACK, "x", 1);
	peer_must(codec_new(CODEC_PACK, 1, &c, &peer_err), "codec");
	peer_must(codec_pack(c, inner.out.data, inner.out.len, &b, &peer_err), "pack");
	packed(b.data, b.len, "in a PACK");
	codec_free(c);
	buf_clear(&b);
	peer_must(codec_new(CODEC_PACK, 1, &c, &peer_err), "codec");
	peer_must(codec_pack(c, inner.out.data, 5, &b, &peer_err), "pack");
	packed(b.data, b.len, "of half a frame");
	codec_free(c);
	buf_release(&b);
	buf_release(&inner.out);
}

static void frames(void)
{
	char what[64];
	unsigned type;

	raw_header("a length of 2^32", UINT32_MAX, MSG_DATA, 0);
	raw_header("a length of 2^31", 1u << 31, MSG_DATA, 0);
	raw_header("a DATA that is one byte too long", 8 + MSG_DATA_MAX + 1, MSG_DATA, 0);
	raw_header("a PACK that is one byte too long", MSG_PAYLOAD_MAX + 1, MSG_PACK, 0);
	raw_header("flags", 8, MSG_PING, 1);
	for (type = 0; type < 256; type++) {
		const struct msg_row *row = msg_row(type);

		if (row && row->sender != 'H')
			continue;
		snprintf(what, sizeof(what), "type %u", type);
		raw_header(what, 0, type, 0);
	}
	packs();
}

/* ------------------------------------------------ states and numbers */

/* Messages by letters, for short tables. */
static void say(struct peer *p, char what)
{
	static const unsigned char zeros[32];
	uint64_t v[2] = {1, 1};

	switch (what) {
	case 'H': hello_with(p, dest, strlen(dest), 0, 30); break;
	case 'B': begin(p); break;
	case 'b': peer_number(p, MSG_BEGIN, 1); break;
	case '0': peer_number(p, MSG_BEGIN, 0); break;
	case 'C': commit(p, 0); break;
	case 'c': commit(p, 1); break;
	case 'n':
		batch++;
		commit(p, 0);
		batch--;
		break;
	case 'O': simple(p, MSG_MKDIR, "dir", ""); break;
	case 'P': simple(p, MSG_PLACE, "file", ""); break;
	case 'S': stage(p, 1, 10); break;
	case 's': stage(p, 2, UINT64_MAX / 2 + 2); break;
	case 'z': stage(p, 0, 10); break;
	case 'D': data(p, 1, "0123456789", 10); break;
	case 'd': data(p, 1, "01234567890", 11); break;
	case 'E': stage_end(p, 1, hash_of("", 0, 1)); break;
	case 'X': peer_number(p, MSG_STAGE_DROP, 1); break;
	case 'K': peer_numbers(p, MSG_KEEP, 2, v); break;
	case 'h':
		v[1] = UINT64_MAX / 2 + 1;
		peer_numbers(p, MSG_HOLE, 2, v);
		break;
	case 'g':
		v[1] = 11;
		peer_numbers(p, MSG_HOLE, 2, v);
		break;
	case 'o': copy(p, 1, "a", UINT64_MAX - 4, 8); break;
	case 'v': copy(p, 1, "a", 0, UINT64_MAX); break;
	case 'w': copy(p, 1, "a", 0, 0); break;
	case 'L': list(p, ""); break;
	case 'l': peer_raw(p, MSG_LIST, "\377\377\377\377\0\0\0\0\0", 9); break;
	case 'Y': peer_raw(p, MSG_BYE, "", 0); break;
	case 'y': peer_raw(p, MSG_PONG, zeros, 7); break;
	case 'u': peer_raw(p, MSG_OWNER, "\2\0\0\0\0\1\0\0\0x", 10); break;
	}
}

static void states(void)
{
	static const char *const wrong[] = {"H", "O", "C", "BB", "b", "B0", "0", "Bn", "Bc", "BH", "BY", "BL",
					    "P", "BP", "BSP", "D", "E", "X", "K", "SK", "SS", "SXS", "z", "Ss", "s", "Sd", "SDd", "Sh", "Sg", "h",
					    "So", "Sv", "Sw", "l", "y", "u", "SEE", "SED"};
	static const char early[] = "BCOPSDEXKhoLYu";
	struct peer p;
	char which[2] = "";
	size_t i;
	const char *s;

	start(&p, 0); /* so that a batch is durable */
	say(&p, 'B');
	say(&p, 'C');
	say(&p, 'Y');
	peer_flush(&p);
	report(stop(&p) == 0, "an empty batch", "", "exit");
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		start(&p, 0);
		for (s = wrong[i]; *s; s++)
			say(&p, *s);
		refused(&p, ERR_PROTOCOL, "out of order", wrong[i]);
	}
	for (s = early; *s; s++) {
		peer_start(&p, helper);
		say(&p, which[0] = *s);
		refused(&p, ERR_PROTOCOL, "before HELLO", which);
	}
}

/* What cannot be done is told, and the session goes on. */
static void content(void)
{
	static const char *const sources[] = {"dir", "link", "fifo", "none", "file", "none/none"};
	struct frame f;
	struct peer p;
	size_t i;

	start(&p, 0);
	begin(&p);
	simple(&p, MSG_MKDIR, "dir", "");
	simple(&p, MSG_SYMLINK, "link", "");
	simple(&p, MSG_NODE, "fifo", "");
	file(&p, 1, "short");
	simple(&p, MSG_PLACE, "file", "");
	commit(&p, 4);
	peer_flush(&p);
	report(answer(&p, &f) == MSG_ACK, "sources", "", "no ACK");
	for (i = 0; i < 6; i++) {
		stage(&p, 2 + i, 100);
		copy(&p, 2 + i, sources[i], i == 4 ? UINT64_MAX / 2 : 0, 100);
		stage_end(&p, 2 + i, hash_of("", 0, 1));
		peer_flush(&p);
		report(answer(&p, &f) == MSG_NEED, "COPY of what has no such range", sources[i], "no NEED");
	}
	stage(&p, 10, 5);
	data(&p, 10, "wrong", 5);
	stage_end(&p, 10, hash_of("right", 5, 1));
	begin(&p);
	{
		struct msg_op op = op_of(MSG_PLACE, "wrong", "");

		op.stage = 10;
		put_op(&p, &op);
	}
	commit(&p, 1);
	peer_flush(&p);
	report(answer(&p, &f) == MSG_NEED, "content of another hash", "", "no NEED");
	report(answer(&p, &f) == MSG_FAIL, "and its PLACE", "", "no FAIL");
	report(answer(&p, &f) == MSG_ACK, "and its batch", "", "no ACK");
	say(&p, 'Y');
	peer_flush(&p);
	report(stop(&p) == 0, "content", "", "exit");
}

/* ------------------------------------------------ much, and slowly */

static void much_at_once(void);

/* As much of everything as will be taken. */
static void much(void)
{
	static unsigned char bytes[MSG_DATA_MAX];
	struct msg_op op = op_of(MSG_MOVE, "", "");
	struct msg_owner owner = {.name = {(const unsigned char *)"nobody", 6, false}};
	char *deep = malloc(65536);
	struct peer p;
	unsigned i;

	for (i = 0; i < 65535; i++)
		deep[i] = i % 2 ? '/' : 'x';
	op.path.path = op.from.path = view_of(deep, 65535);
	start(&p, 0); /* operations of 128 KiB each */
	begin(&p);
	for (i = 0; i < 2000 && !p.over; i++) {
		put_op(&p, &op);
		peer_flush(&p);
	}
	refused(&p, ERR_PROTOCOL, "operations", "of 128 KiB");
	start(&p, 0); /* many small ones */
	begin(&p);
	for (i = 0; i <= MSG_OPS_MAX; i++) {
		simple(&p, MSG_MOVE, "a", "b");
		if (i % 1000 == 0)
			peer_flush(&p);
	}
	refused(&p, ERR_PROTOCOL, "operations", "16385");
	start(&p, 0); /* content without end */
	stage(&p, 1, UINT64_MAX / 4);
	for (i = 0; i < 256; i++) {
		data(&p, 1, bytes, sizeof(bytes));
		peer_flush(&p);
	}
	report(stop(&p) == err_exit(ERR_STREAM), "content without end", "", "exit");
	start(&p, 0); /* names of owners */
	for (i = 0; i < 101000; i++) {
		owner.id = i;
		PEER_FRAME(&p, MSG_OWNER, msg_put_owner(&p.out, &owner, &peer_err));
		if (i % 1000 == 0)
			peer_flush(&p);
	}
	say(&p, 'Y');
	peer_flush(&p);
	report(stop(&p) == 0, "owners", "", "exit");
	free(deep);
	much_at_once();
}

/* All of that in one session, with a batch under way and one more behind it. */
static void much_at_once(void)
{
	struct msg_op op = op_of(MSG_MOVE, "", "from");
	struct msg_owner owner = {.name = {(const unsigned char *)"nobody", 6, false}};
	char *deep = malloc(65536);
	struct peer p;
	unsigned i, k;

	memset(deep, 'x', 65535);
	for (i = 1; i < 65535; i += 128)
		deep[i] = '/';
	op.path.path = view_of(deep, 65534);
	start(&p, 0);
	for (i = 0; i < 100000; i++) {
		owner.id = i;
		PEER_FRAME(&p, MSG_OWNER, msg_put_owner(&p.out, &owner, &peer_err));
		if (i % 1000 == 0)
			peer_flush(&p);
	}
	for (i = 1; i <= 16384; i++) {
		stage(&p, i, 0);
		stage_end(&p, i, hash_of("", 0, 1));
		if (i % 1000 == 0)
			peer_flush(&p);
	}
	for (k = 0; k < 3; k++) {
		begin(&p);
		for (i = 0; i < 90; i++) {
			put_op(&p, &op);
			peer_flush(&p);
		}
		for (; i < 1000; i++)
			simple(&p, MSG_SYMLINK, "no/such/place", "");
		if (k < 2)
			commit(&p, 1000);
		peer_flush(&p);
	}
	stage(&p, 16385, 0);
	refused(&p, ERR_PROTOCOL, "stages", "16385");
	free(deep);
}

/* Its own memory, KiB; 0 where that cannot be seen. */
static long own_memory(const struct peer *p)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)p->pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "RssAnon: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

#define BATCHES 6000u
#ifdef __SANITIZE_ADDRESS__
#define SLACK 4096 /* KiB: what is freed is kept for a while there */
#else
#define SLACK 64
#endif

/* A session without end: its memory does not grow. */
static void batches(void)
{
	long early = 0, late;
	char got[64];
	struct frame f;
	struct peer p;
	unsigned i;

	start(&p, 0);
	for (i = 0; i < BATCHES; i++) {
		struct msg_op place = op_of(MSG_PLACE, i % 2 ? "one" : "dir/two", "");

		if (i == BATCHES / 10)
			early = own_memory(&p);
		begin(&p);
		file(&p, i + 1, "some content");
		place.stage = i + 1;
		simple(&p, i % 2 ? MSG_REMOVE : MSG_MKDIR, "dir", "");
		put_op(&p, &place);
		simple(&p, MSG_MOVE, "moved", "one");
		simple(&p, MSG_REMOVE, "dir/two", "");
		commit(&p, 4);
		peer_flush(&p);
		while (answer(&p, &f) == MSG_FAIL)
			continue;
		if (f.type != MSG_ACK)
			break;
	}
	late = own_memory(&p);
	snprintf(got, sizeof(got), "%ld to %ld KiB of its own", early, late);
	report(i == BATCHES, "batches without end", "", "no ACK");
	report(late <= early + SLACK, "batches without end", "", got);
	printf("# %u batches: %s\n", i, got);
	say(&p, 'Y');
	peer_flush(&p);
	report(stop(&p) == 0, "batches without end", "", "exit");
}

#define MOVES 8192u /* 1.6 s; all that a batch can have take 6.4 s */

/* Not the hash of that content: NEED says when it was looked at. */
static void refused_copy(struct peer *p, uint64_t id, const char *path)
{
	static const struct hash none;

	stage(p, id, 3);
	copy(p, id, path, 0, 3);
	stage_end(p, id, none);
}

/* The stage that the next answer is a NEED of. */
static uint64_t needed(struct peer *p, struct frame *f)
{
	struct msg_need m;

	return answer(p, f) == MSG_NEED && msg_get_need(f->payload, &m, &peer_err) == 0 ? m.id : 0;
}

/* Each operation's subject comes by way of all those before it. */
static void to_and_fro(void)
{
	int64_t begun = clock_mono();
	struct frame f;
	struct peer p;
	unsigned i;
	char got[64];

	start(&p, 0);
	begin(&p);
	file(&p, 1, "to and fro");
	simple(&p, MSG_PLACE, "a", "");
	simple(&p, MSG_MKDIR, "dir", "");
	simple(&p, MSG_LINK, "dir/c", "a");
	commit(&p, 3);
	begin(&p);
	for (i = 0; i < MOVES; i++) {
		simple(&p, MSG_MOVE, i % 2 ? "a" : "b", i % 2 ? "b" : "a");
		if (i % 1000 == 0)
			peer_flush(&p);
	}
	commit(&p, MOVES);
	/* The first is of none of its names, the second of one of them. */
	refused_copy(&p, 2, "dir/c");
	refused_copy(&p, 3, "b");
	peer_flush(&p);
	report(answer(&p, &f) == MSG_ACK, "before moves to and fro", "", "no ACK");
	report(needed(&p, &f) == 2, "COPY beside a commit", "", "it waited");
	report(answer(&p, &f) == MSG_ACK, "moves to and fro", "", "no ACK");
	report(needed(&p, &f) == 3, "COPY of what a commit changes", "", "it did not wait");
	snprintf(got, sizeof(got), "%.1f s", (double)(clock_mono() - begun) / CLOCK_SECOND);
	report(clock_mono() - begun < 30 * CLOCK_SECOND, "moves to and fro", "", got);
	printf("# moves to and fro: %s\n", got);
	say(&p, 'Y');
	peer_flush(&p);
	report(stop(&p) == 0, "to and fro", "", "exit");
}

/* A batch as large as can be that fails in all its operations. */
static void failures(void)
{
	struct frame f;
	struct peer p;
	unsigned i, fails = 0, type;

	start(&p, 0);
	begin(&p);
	for (i = 0; i < MSG_OPS_MAX; i++) {
		simple(&p, i % 2 ? MSG_MOVE : MSG_REMOVE, "no/such/place", i % 2 ? "to/be/found" : "");
		if (i % 1000 == 0)
			peer_flush(&p);
	}
	commit(&p, MSG_OPS_MAX);
	peer_flush(&p);
	while ((type = answer(&p, &f)) == MSG_FAIL)
		fails++;
	report(type == MSG_ACK && fails >= MSG_OPS_MAX / 2, "16384 operations that fail", "", "answers");
	say(&p, 'Y');
	peer_flush(&p);
	report(stop(&p) == 0, "failures", "", "exit");
}

/* Two sessions of one client: the one whose client is still there wins. */
static void ghosts(void)
{
	struct peer p, late, anew;
	struct frame f;
	unsigned type;

	start(&p, 0);
	/* Its client went right after HELLO, but it comes last. */
	peer_start(&late, helper);
	hello_with(&late, dest, strlen(dest), 0, 30);
	peer_flush(&late);
	report(stop(&late) == err_exit(ERR_STREAM), "a session whose client is gone", "", "exit");
	begin(&p);
	simple(&p, MSG_MKDIR, "held", "");
	commit(&p, 1);
	peer_flush(&p);
	report(answer(&p, &f) == MSG_ACK, "a session whose client is gone", "", "it took another one's place");
	peer_start(&anew, helper);
	hello_with(&anew, dest, strlen(dest), 0, 30);
	peer_flush(&anew);
	type = peer_next(&anew, &f);
	report(type == MSG_PING, "is the client there?", "", "not asked");
	peer_number(&anew, MSG_PONG, 0);
	peer_flush(&anew);
	report(answer(&anew, &f) == MSG_WELCOME, "a client that came anew", "", "no WELCOME");
	report(stop(&p) == 1000 + SIGKILL, "what it left", "", "is still there");
	batch = 1u << 20;
	begin(&anew);
	simple(&anew, MSG_MKDIR, "anew", "");
	commit(&anew, 1);
	peer_flush(&anew);
	report(answer(&anew, &f) == MSG_ACK, "a client that came anew", "", "no ACK");
	say(&anew, 'Y');
	peer_flush(&anew);
	report(stop(&anew) == 0, "a client that came anew", "", "exit");
	/* It says much instead of an answer. */
	start(&p, 0);
	peer_start(&anew, helper);
	hello_with(&anew, dest, strlen(dest), 0, 30);
	for (batch = 0; batch < 600000 && anew.out.len < 7u << 20; batch++)
		peer_number(&anew, MSG_PING, batch);
	batch = 2u << 20;
	refused(&anew, ERR_PROTOCOL, "much before WELCOME", "");
	begin(&p);
	commit(&p, 0);
	peer_flush(&p);
	report(answer(&p, &f) == MSG_ACK, "much before WELCOME", "", "the other one is gone");
	say(&p, 'Y');
	peer_flush(&p);
	report(stop(&p) == 0, "much before WELCOME", "", "exit");
}

static void drip(struct peer *p)
{
	size_t i;

	for (i = 0; i < p->out.len; i++) {
		if (write(p->to, p->out.data + i, 1) != 1)
			break;
		clock_sleep(CLOCK_MS / 10);
		peer_read(p, 0);
	}
	buf_clear(&p->out);
}

/* The helper goes by itself, after the second that HELLO gives it. */
static void goes(struct peer *p, const char *what)
{
	struct rusage used;
	int64_t until = clock_mono() + 8 * CLOCK_SECOND;
	int status = 0;
	pid_t r = 0;

	while (clock_mono() < until && (r = wait4(p->pid, &status, WNOHANG, &used)) == 0)
		clock_sleep(20 * CLOCK_MS);
	report(r > 0 && WIFEXITED(status) && WEXITSTATUS(status) == err_exit(ERR_STREAM), what, "", "still there");
	if (r == 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	} else if (used.ru_maxrss > peak) {
		peak = used.ru_maxrss;
	}
	close(p->to);
	close(p->from);
	buf_release(&p->in);
	buf_release(&p->out);
}

static void impatient(struct peer *p)
{
	struct frame f;

	peer_start(p, helper);
	hello_with(p, dest, strlen(dest), 0, 1);
	peer_flush(p);
	report(answer(p, &f) == MSG_WELCOME, "HELLO", "", "no WELCOME");
}

static void slow(void)
{
	struct frame f;
	struct peer p;
	unsigned i;

	peer_start(&p, helper);
	hello_with(&p, dest, strlen(dest), 0, 30);
	drip(&p);
	report(answer(&p, &f) == MSG_WELCOME, "byte by byte", "HELLO", "no WELCOME");
	batch += 1000; /* what it is at was in that WELCOME */
	begin(&p);
	file(&p, 1, "came byte by byte");
	simple(&p, MSG_PLACE, "slow", "");
	commit(&p, 1);
	drip(&p);
	report(answer(&p, &f) == MSG_ACK, "byte by byte", "a batch", "no ACK");
	say(&p, 'Y');
	drip(&p);
	report(stop(&p) == 0, "byte by byte", "BYE", "exit");
	/* Gone without a word, before HELLO and in a frame. */
	peer_start(&p, helper);
	report(stop(&p) == err_exit(ERR_STREAM), "gone before HELLO", "", "exit");
	start(&p, 0);
	stage(&p, 1, 100);
	data(&p, 1, "0123456789", 10);
	p.out.len -= 5;
	peer_flush(&p);
	report(stop(&p) == err_exit(ERR_STREAM), "gone in a frame", "", "exit");
	/* Silent: after HELLO, in a frame, in a batch. */
	impatient(&p);
	goes(&p, "silent after HELLO");
	impatient(&p);
	begin(&p);
	simple(&p, MSG_MKDIR, "half", "");
	p.out.len -= 3;
	peer_flush(&p);
	goes(&p, "silent in a frame");
	/* Asks, and never listens. */
	impatient(&p);
	for (i = 0; i < 400000; i++)
		if (p.out.len < 6u << 20)
			peer_number(&p, MSG_PING, i);
	{
		size_t done = 0;
		int64_t until = clock_mono() + 3 * CLOCK_SECOND;

		while (done < p.out.len && clock_mono() < until) {
			struct pollfd to = {p.to, POLLOUT, 0};
			ssize_t n;

			if (poll(&to, 1, 100) <= 0)
				continue;
			n = write(p.to, p.out.data + done, p.out.len - done < 4096 ? p.out.len - done : 4096);
			if (n < 0)
				break;
			done += (size_t)n;
		}
		report(done < p.out.len, "asks and never listens", "", "all of it was taken");
	}
	goes(&p, "asks and never listens");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} groups[] = {
		{"paths", paths},
		{"roots", roots},
		{"dry", forbidden},
		{"read-only", read_only},
		{"no-delete", no_delete},
		{"frames", frames},
		{"states", states},
		{"content", content},
		{"much", much},
		{"failures", failures},
		{"moves", to_and_fro},
		{"slow", slow},
		{"batches", batches},
		{"ghosts", ghosts},
	};
	size_t i;

	if (argc < 4)
		return fprintf(stderr, "usage: hostile GROUP DEST HELPER [ARGS...]\n"), 2;
	dest = argv[2];
	helper = argv + 3;
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (strcmp(argv[1], groups[i].name) == 0)
			groups[i].run();
	printf("%u cases, %u wrong, %ld KiB\n", cases, bad, peak);
	return cases == 0 || bad != 0;
}
