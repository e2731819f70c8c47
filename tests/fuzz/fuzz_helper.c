/*
 * The whole helper: a session of a client that may do what it likes, then one
 * of a good client at the same destination.  First byte: flags of HELLO and of
 * the command line.  Then an opcode each (see put_next) and its bytes.
 *
 * Holds: nothing beside the destination is touched, no descriptor stays open,
 * and whatever the first session left, the second one is welcomed.
 */
#include "session.h"

#include "snapsync/apply.h"
#include "snapsync/codec.h"

struct client {
	struct buf out;
	struct view v; /* what the fuzzer says */
	uint64_t stage, batch;
	uint32_t ops;
	uint64_t seed;
	struct codec *pack;
};

static struct err err;

static void begin(struct client *c, enum msg_type type, struct frame_mark *m)
{
	HOLDS(frame_begin(&c->out, type, 0, m, &err) == 0);
}

static void end(struct client *c, struct frame_mark *m)
{
	frame_end(&c->out, m, &err); /* or it is taken back: too long */
}

static void put_number(struct client *c, enum msg_type type, uint64_t n)
{
	struct frame_mark m;

	begin(c, type, &m);
	msg_put_number(&c->out, n, &err);
	end(c, &m);
}

static void put_hello(struct client *c, unsigned flags, const char *dest)
{
	struct msg_hello h = {.version_min = MSG_VERSION_MIN, .version_max = MSG_VERSION_MAX, .features = flags & 1 ? MSG_FEATURES : MSG_FEATURES & ~MSG_FEATURE_KEEP, .flags = MSG_HELLO_NO_SYNC | MSG_HELLO_NUMERIC | (flags & 2 ? MSG_HELLO_DRY : 0), .hash_kind = MSG_HASH_XXH3_128, .pair = "a pair to fuzz.", .seed = c->seed};
	struct frame_mark m;

	h.path = view_of(dest, strlen(dest));
	h.version = view_of("fuzz", 4);
	if (flags & 32)
		h.backup_dir = view_of(flags & 128 ? "a" : "kept/c", flags & 128 ? 1 : 6);
	h.suffix = view_of("~", flags & 64 ? 1 : 0);
	begin(c, MSG_HELLO, &m);
	HOLDS(msg_put_hello(&c->out, &h, &err) == 0);
	end(c, &m);
}

static void put_hash(struct client *c, struct hash h)
{
	buf_put(&c->out, h.b, HASH_SIZE, &err);
}

/* A whole file of up to 255 bytes. */
static void put_file(struct client *c, bool keyed)
{
	struct view bytes = fuzz_take(&c->v, fuzz_byte(&c->v));
	struct msg_stage stage = {.id = ++c->stage, .size = bytes.len, .keyed = keyed};
	struct msg_data data = {.id = c->stage, .bytes = bytes};
	struct frame_mark m;

	begin(c, MSG_STAGE, &m);
	msg_put_stage(&c->out, &stage, &err);
	end(c, &m);
	if (keyed) {
		begin(c, MSG_KEEP, &m);
		buf_put_u64(&c->out, c->stage, &err);
		buf_put_u64(&c->out, 0, &err);
		end(c, &m);
	}
	begin(c, MSG_DATA, &m);
	msg_put_data(&c->out, &data, &err);
	end(c, &m);
	begin(c, MSG_STAGE_END, &m);
	buf_put_u64(&c->out, c->stage, &err);
	put_hash(c, hash_of(bytes.p, bytes.len, c->seed));
	end(c, &m);
}

static void put_stage(struct client *c)
{
	struct msg_stage m = {.id = ++c->stage, .size = fuzz_byte(&c->v) * 257u};
	struct frame_mark mark;

	m.keyed = fuzz_byte(&c->v) & 1;
	memset(m.key.b, (int)(m.size & 3), HASH_SIZE);
	begin(c, MSG_STAGE, &mark);
	msg_put_stage(&c->out, &m, &err);
	end(c, &mark);
}

static void put_hole_or_keep(struct client *c, enum msg_type type)
{
	struct frame_mark m;

	begin(c, type, &m);
	buf_put_u64(&c->out, c->stage, &err);
	buf_put_u64(&c->out, fuzz_byte(&c->v) * 16u, &err);
	end(c, &m);
}

static void put_copy(struct client *c)
{
	struct msg_copy m = {.id = c->stage, .path = session_path(&c->v)};
	struct frame_mark mark;

	m.offset = fuzz_byte(&c->v);
	m.length = fuzz_byte(&c->v);
	begin(c, MSG_COPY, &mark);
	msg_put_copy(&c->out, &m, &err);
	end(c, &mark);
}

static void put_list_or_sign(struct client *c, enum msg_type type)
{
	struct msg_list list = {.flags = fuzz_byte(&c->v) & 1};
	struct msg_sign sign = {.id = 1};
	struct frame_mark m;

	list.root = sign.path = session_path(&c->v);
	begin(c, type, &m);
	if (type == MSG_LIST)
		msg_put_list(&c->out, &list, &err);
	else
		msg_put_sign(&c->out, &sign, &err);
	end(c, &m);
}

static void put_op(struct client *c, enum msg_type type)
{
	struct msg_op op = {.type = type, .path = session_path(&c->v)};
	struct frame_mark m;
	unsigned b;

	if (type == MSG_LINK || type == MSG_MOVE)
		op.from = session_path(&c->v);
	b = fuzz_byte(&c->v);
	if (type == MSG_REMOVE && b & 2)
		op.from = session_path(&c->v);
	op.is_dir = b & 1 || op.from.path.len;
	op.meta.type = type == MSG_MKDIR     ? FSYS_DIR
		       : type == MSG_SYMLINK ? FSYS_SYMLINK
		       : type == MSG_PLACE   ? FSYS_FILE
		       : type == MSG_NODE    ? FSYS_FIFO
					     : (enum fsys_type)(b % (FSYS_TYPES - 1) + 1);
	op.meta.mode = b & 4 ? 0755 : b * 16u % 0777u;
	op.meta.uid = (uint32_t)geteuid();
	op.meta.gid = (uint32_t)getegid();
	op.meta.mtime.s = (int64_t)b * 1000 - 500;
	op.stage = b & 8 ? b >> 4 : c->stage;
	op.target = view_of(b & 8 ? "../../outside" : "a/b", b & 8 ? 13 : 3);
	begin(c, type, &m);
	msg_put_op(&c->out, &op, &err);
	end(c, &m);
	c->ops++;
}

static void put_commit(struct client *c)
{
	struct frame_mark m;

	begin(c, MSG_COMMIT, &m);
	buf_put_u64(&c->out, c->batch, &err);
	buf_put_u32(&c->out, c->ops, &err);
	end(c, &m);
}

/* Any type, any payload. */
static void put_raw(struct client *c)
{
	unsigned type = fuzz_byte(&c->v) % 67;
	struct view bytes = fuzz_take(&c->v, fuzz_byte(&c->v));
	struct frame_mark m;

	/* Its zeros are hashed: 1 GiB takes too long here. */
	if (type == MSG_HOLE)
		return;
	begin(c, (enum msg_type)type, &m);
	buf_put(&c->out, bytes.p, bytes.len, &err);
	end(c, &m);
}

/* The frames since the last time as a PACK. */
static void put_pack(struct client *c, size_t from)
{
	struct buf block;
	struct frame_mark m;

	if (!c->pack)
		HOLDS(codec_new(CODEC_PACK, 1, &c->pack, &err) == 0);
	buf_init(&block, MSG_PAYLOAD_MAX);
	if (codec_pack(c->pack, c->out.data + from, c->out.len - from, &block, &err) == 0) {
		c->out.len = from;
		begin(c, MSG_PACK, &m);
		buf_put(&c->out, block.data, block.len, &err);
		end(c, &m);
	}
	buf_release(&block);
}

static void put_next(struct client *c)
{
	unsigned op = fuzz_byte(&c->v), n;
	size_t from = c->out.len;

	switch (op & 31) {
	case 0: put_file(c, false); break;
	case 1: put_file(c, true); break;
	case 2: put_stage(c); break;
	case 3: put_hole_or_keep(c, MSG_HOLE); break;
	case 4: put_hole_or_keep(c, MSG_KEEP); break;
	case 5: put_copy(c); break;
	case 6: put_number(c, MSG_STAGE_DROP, fuzz_byte(&c->v)); break;
	case 7: put_list_or_sign(c, MSG_LIST); break;
	case 8: put_list_or_sign(c, MSG_SIGN); break;
	case 9: put_raw(c); break;
	case 10: put_number(c, MSG_PING, 1); break;
	case 11:
		put_number(c, MSG_BEGIN, c->batch += 1 + fuzz_byte(&c->v) / 128);
		c->ops = 0;
		break;
	case 12: put_commit(c); break;
	case 13:
		put_commit(c);
		put_number(c, MSG_BEGIN, ++c->batch);
		c->ops = 0;
		break;
	case 14: /* so many that a thread does it */
		for (n = 0; n < 128; n++)
			put_op(c, MSG_META);
		break;
	default:
		put_op(c, (enum msg_type)(MSG_MKDIR + (op & 7)));
	}
	if (op & 64)
		put_pack(c, from);
}

static int serve(struct client *c, unsigned flags, const char *root)
{
	struct apply_options o = {.root = flags & 16 ? root : NULL, .read_only = flags & 4, .no_delete = flags & 8, .unconfined = true, .umask = 022, .version = "fuzz"};
	char name[4200];
	struct link *link;
	int in, out, r;

	snprintf(name, sizeof(name), "%s/stream", session_scratch());
	in = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	HOLDS(in >= 0 && out >= 0);
	HOLDS(write(in, c->out.data, c->out.len) == (ssize_t)c->out.len && lseek(in, 0, SEEK_SET) == 0);
	HOLDS(link_open_fds(in, out, &link, &err) == 0);
	r = apply_serve(link, &o, NULL, &err);
	link_close(link);
	close(in);
	close(out);
	return r;
}

static void session(struct view v, unsigned flags, const char *root, bool good)
{
	struct client c = {.v = v, .seed = 42};
	char dest[4200];
	int r;

	snprintf(dest, sizeof(dest), "%s/dest", root);
	buf_init(&c.out, 4u << 20);
	put_hello(&c, flags, flags & 16 ? "dest" : dest);
	while (c.v.len > 0 && c.out.len < 1u << 20)
		put_next(&c);
	if (good) {
		struct frame_mark m;

		begin(&c, MSG_BYE, &m);
		end(&c, &m);
	}
	r = serve(&c, flags, root);
	HOLDS(r <= 0 && (!good || r == 0));
	codec_free(c.pack);
	buf_release(&c.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char root[4100], outside[4200];
	static struct stat before;
	struct view v = view_of(data, size);
	unsigned flags = fuzz_byte(&v), open_before;
	struct stat now;

	if (!root[0]) {
		snprintf(root, sizeof(root), "%s/root", session_scratch());
		snprintf(outside, sizeof(outside), "%s/outside", session_scratch());
		HOLDS(mkdir(outside, 0755) == 0 && stat(outside, &before) == 0);
	}
	HOLDS(mkdir(root, 0700) == 0);
	open_before = session_descriptors();
	session(v, flags, root, false);
	session(view_of("", 0), 1, root, true);
	HOLDS(session_descriptors() == open_before);
	HOLDS(stat(outside, &now) == 0 && now.st_mode == before.st_mode &&
	      now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
	      now.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
	session_remove(root);
	return 0;
}
