#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply_local.h"
#include "snapsync/clock.h"

#define IN_BYTES (2u * (MSG_PAYLOAD_MAX + FRAME_HEADER))
#define OUT_BYTES (4u * (MSG_PAYLOAD_MAX + FRAME_HEADER))
#define READ_BYTES (256u << 10)
#define CREDIT_STEP (256u << 10)
#define ALIVE_BYTES (64u << 20) /* read in silence at most */
#define ANSWER_ROOM 64u		/* bytes, for an answer to a PING */
#define COMMIT_LOOK_MS 2	/* how often a commit under way is looked at */

/* Until the link is ready, or the client has been silent for too long. */
static int await(struct apply *a, int want, struct err *err)
{
	int64_t since = clock_mono(), limit = a->hello.timeout;
	int r, step = limit < 10 ? (int)limit * 1000 : 10000;

	if (limit == 0)
		return link_wait(a->link, want, -1, err);
	do
		r = link_wait(a->link, want, step, err);
	while (r == 0 && clock_mono() - since < limit * CLOCK_SECOND);
	return r == 0 ? err_set(err, ERR_STREAM, "the client is silent") : r;
}

int serve_flush(struct apply *a, size_t keep_bytes, struct err *err)
{
	ssize_t n;
	int r;

	if (!a->link) /* a thread's: its answers are sent when it is over */
		return 0;
	while (a->out.len - a->out_at > keep_bytes) {
		n = link_write(a->link, a->out.data + a->out_at,
			       a->out.len - a->out_at, err);
		if (n < 0)
			return (int)n;
		a->out_at += (size_t)n;
		if (n == 0) {
			r = await(a, LINK_WRITE, err);
			if (r < 0)
				return r;
		}
	}
	buf_consume(&a->out, a->out_at);
	a->out_at = 0;
	a->spoke = clock_mono();
	return 0;
}

int serve_number(struct apply *a, enum msg_type type, uint64_t n,
		 struct err *err)
{
	struct frame_mark mark = {0};
	int r = frame_begin(&a->out, type, 0, &mark, err);

	if (r == 0)
		r = msg_put_number(&a->out, n, err);
	return r < 0 ? r : frame_end(&a->out, &mark, err);
}

int serve_alive(struct apply *a, uint64_t bytes, uint64_t *silent,
		struct err *err)
{
	int r;

	*silent += bytes;
	if (*silent < ALIVE_BYTES)
		return 0;
	r = serve_number(a, MSG_PING, *silent, err);
	*silent = 0;
	return r < 0 ? r : serve_flush(a, 0, err);
}

int serve_ask(struct apply *a, struct err *err)
{
	struct frame f;
	size_t at = a->greeted;
	ssize_t n = 0;
	int r = serve_number(a, MSG_PING, 0, err);

	if (r == 0)
		r = serve_flush(a, 0, err);
	while (r == 0) {
		r = frame_next(&a->in, at, 'C', &f, err);
		if (r > 0 && f.type == MSG_PONG)
			return 0; /* it stays there, to be taken in its turn */
		if (r > 0) {
			at += f.size;
			r = 0;
			continue;
		}
		/* Not moved in memory: HELLO is lent from it. */
		if (r == 0 && a->in.cap - a->in.len < ANSWER_ROOM)
			return err_set(err, ERR_PROTOCOL,
				       "more than HELLO before WELCOME");
		if (r == 0)
			n = link_read(a->link, a->in.data + a->in.len,
				      ANSWER_ROOM, err);
		if (r < 0 || n < 0)
			return err->code;
		a->in.len += (size_t)n;
		if (n == 0)
			r = await(a, LINK_READ, err);
		r = r > 0 ? 0 : r;
	}
	return r;
}

int serve_fail(struct apply *a, uint32_t index, int code, int sys,
	       const char *text, struct err *err)
{
	struct msg_fail m = {.batch = a->batch,
			     .index = index,
			     .code = (unsigned)code,
			     .sys = (uint32_t)sys};
	struct frame_mark mark = {0};
	int r = serve_flush(a, MSG_PAYLOAD_MAX, err);

	m.text = view_of(text, strlen(text));
	if (r == 0)
		r = frame_begin(&a->out, MSG_FAIL, 0, &mark, err);
	if (r == 0)
		r = msg_put_fail(&a->out, &m, err);
	return r < 0 ? r : frame_end(&a->out, &mark, err);
}

/* The last word of a session that goes wrong. */
static void refuse(struct apply *a, const struct err *why)
{
	struct msg_refuse m = {.code = (unsigned)-why->code};
	struct frame_mark mark = {0};
	struct err ignored;
	size_t len = strlen(why->msg);

	m.text = view_of(why->msg, len > MSG_TEXT_MAX ? MSG_TEXT_MAX : len);
	if (frame_begin(&a->out, MSG_REFUSE, 0, &mark, &ignored) == 0 &&
	    msg_put_refuse(&a->out, &m, &ignored) == 0 &&
	    frame_end(&a->out, &mark, &ignored) == 0)
		serve_flush(a, 0, &ignored);
}

static int welcome(struct apply *a, struct err *err)
{
	struct msg_welcome m;
	struct frame_mark mark = {0};
	int r;

	memset(&m, 0, sizeof(m));
	m.version = MSG_VERSION_MAX;
	m.features = a->features = a->hello.features & MSG_FEATURES;
	m.hash_kind = MSG_HASH_XXH3_128;
	m.credit = APPLY_CREDIT;
	m.granularity = a->granularity ? a->granularity : 1;
	m.flags = geteuid() == 0 && !a->no_owners ? MSG_WELCOME_CHOWN : 0;
	m.flags |= (a->no_modes ? MSG_WELCOME_NO_MODES : 0) |
		   (a->no_owners ? MSG_WELCOME_NO_OWNERS : 0);
	if (a->dest_fd < 0)
		m.flags |= MSG_WELCOME_MISSING;
	if (a->position.known) {
		m.flags |= MSG_WELCOME_KNOWN;
		memcpy(m.pair, a->position.from.pair, sizeof(m.pair));
		m.position = a->position.batch;
		m.tag = a->position.from.tag;
		m.failed = a->position.failed;
		m.failures = view_of(a->position.failures.data,
				     a->position.failures.len);
	}
	m.version_text = view_of(a->o->version, strlen(a->o->version));
	r = frame_begin(&a->out, MSG_WELCOME, 0, &mark, err);
	if (r == 0)
		r = msg_put_welcome(&a->out, &m, err);
	return r < 0 ? r : frame_end(&a->out, &mark, err);
}

/* What holds us. */
static int note(struct apply *a, struct err *err)
{
	char text[200];
	struct frame_mark mark = {0};
	int r;

	if (!(a->features & MSG_FEATURE_NOTE))
		return 0;
	if (a->held.files)
		snprintf(text, sizeof(text), "confined to %s by %s",
			 a->dry ? "reading DEST" : "DEST", a->held.how);
	else
		snprintf(text, sizeof(text),
			 "confined by its own checks only (%s)", a->held.how);
	r = frame_begin(&a->out, MSG_NOTE, 0, &mark, err);
	if (r == 0)
		r = msg_put_note(&a->out, view_of(text, strlen(text)), err);
	return r < 0 ? r : frame_end(&a->out, &mark, err);
}

static int greet(struct apply *a, const struct frame *f, struct err *err)
{
	struct msg_hello *h = &a->hello;
	int r = msg_get_hello(f->payload, h, err);

	if (r < 0)
		return r;
	if (h->version_min > MSG_VERSION_MAX ||
	    h->version_max < MSG_VERSION_MIN)
		return err_set(err, ERR_PROTOCOL,
			       "the helper there speaks protocol %u (version "
			       "%s), this client %u to %u: install the same "
			       "version of snapsync on both sides",
			       MSG_VERSION_MAX, a->o->version, h->version_min,
			       h->version_max);
	if (h->hash_kind != MSG_HASH_XXH3_128)
		return err_set(err, ERR_PROTOCOL,
			       "the helper there does not know this kind of "
			       "hash");
	a->dry = h->flags & MSG_HELLO_DRY;
	a->no_sync = h->flags & MSG_HELLO_NO_SYNC;
	a->numeric = h->flags & MSG_HELLO_NUMERIC;
	a->greeted = (size_t)(f->payload.p - a->in.data) + f->payload.len;
	r = backup_new(&a->backup, h->backup_dir, h->suffix, err);
	if (r == 0)
		r = open_dest(a, err);
	if (r < 0)
		return r;
	/* The frame goes. */
	h->path = h->version = h->backup_dir = h->suffix = view_of("", 0);
	a->state = MSG_S_READY;
	r = welcome(a, err);
	return r < 0 ? r : note(a, err);
}

static int take_content(struct apply *a, const struct frame *f, struct err *err)
{
	union {
		struct msg_stage stage;
		struct msg_data data;
		struct msg_hole hole;
		struct msg_copy copy;
		struct msg_stage_end end;
		struct msg_keep keep;
		struct msg_sign sign;
		uint64_t id;
	} m;
	int r;

	switch (f->type) {
	case MSG_STAGE:
		r = msg_get_stage(f->payload, &m.stage, err);
		return r < 0 ? r : stage_begin(a, &m.stage, err);
	case MSG_DATA:
		r = msg_get_data(f->payload, &m.data, err);
		return r < 0 ? r : stage_data(a, &m.data, err);
	case MSG_HOLE:
		if (!(a->features & MSG_FEATURE_HOLE))
			break;
		r = msg_get_hole(f->payload, &m.hole, err);
		return r < 0 ? r : stage_hole(a, &m.hole, err);
	case MSG_COPY:
		if (!(a->features & MSG_FEATURE_COPY))
			break;
		r = msg_get_copy(f->payload, &m.copy, err);
		return r < 0 ? r : stage_copy(a, &m.copy, err);
	case MSG_STAGE_END:
		r = msg_get_stage_end(f->payload, &m.end, err);
		return r < 0 ? r : stage_end(a, &m.end, err);
	case MSG_KEEP:
		if (!(a->features & MSG_FEATURE_KEEP))
			break;
		r = msg_get_keep(f->payload, &m.keep, err);
		return r < 0 ? r : stage_keep(a, &m.keep, err);
	case MSG_SIGN:
		if (!(a->features & MSG_FEATURE_SIGN))
			break;
		r = msg_get_sign(f->payload, &m.sign, err);
		return r < 0 ? r : sign_send(a, &m.sign, err);
	case MSG_STAGE_DROP:
		r = msg_get_number(f->payload, &m.id, err);
		return r < 0 ? r : stage_drop(a, m.id, err);
	default: break;
	}
	return err_set(err, ERR_PROTOCOL, "a message that was not negotiated");
}

static int take_batch(struct apply *a, const struct frame *f, struct err *err)
{
	struct msg_commit commit;
	struct msg_op op;
	uint64_t batch;
	int r;

	if (f->type == MSG_BEGIN) {
		r = msg_get_number(f->payload, &batch, err);
		return r < 0 ? r : commit_begin(a, batch, err);
	}
	if (f->type == MSG_COMMIT) {
		r = msg_get_commit(f->payload, &commit, err);
		return r < 0 ? r : commit_run(a, &commit, err);
	}
	r = msg_get_op(f->type, f->payload, &op, err);
	return r < 0 ? r : commit_note(a, &op, err);
}

static int take_frame(struct apply *a, const struct frame *f, struct err *err)
{
	const struct msg_row *row = msg_row(f->type);
	struct msg_owner owner;
	struct msg_list list;
	uint64_t n;
	int r;

	if (!(row->states & a->state))
		return err_set(err, ERR_PROTOCOL, "%s out of order", row->name);
	if (row->changes && (a->dry || a->o->read_only))
		return err_set(err, ERR_DENIED,
			       "this session may not change anything");
	if (f->type >= MSG_BEGIN)
		return take_batch(a, f, err);
	if (f->type >= MSG_STAGE)
		return take_content(a, f, err);
	switch (f->type) {
	case MSG_HELLO: return greet(a, f, err);
	case MSG_PING:
		r = msg_get_number(f->payload, &n, err);
		return r < 0 ? r : serve_number(a, MSG_PONG, n, err);
	case MSG_PONG: return msg_get_number(f->payload, &n, err);
	case MSG_BYE: a->bye = true; return commit_wait(a, err);
	case MSG_OWNER:
		r = msg_get_owner(f->payload, &owner, err);
		return r < 0 ? r : owner_learn(a, &owner, err);
	case MSG_LIST:
		r = msg_get_list(f->payload, &list, err);
		if (r == 0)
			r = commit_wait(a, err);
		return r < 0 ? r : list_send(a, &list, err);
	default:
		return err_set(err, ERR_PROTOCOL, "%s out of order", row->name);
	}
}

static int take_pack(struct apply *a, const struct frame *f, struct err *err);

static int give_credit(struct apply *a, uint64_t at_least, struct err *err)
{
	uint64_t n = a->consumed;

	if (n == 0 || n < at_least)
		return 0;
	a->consumed = 0;
	return serve_number(a, MSG_CREDIT, n, err);
}

/* A few short frames may be work for minutes: COPYs, HOLEs. */
static int show_life(struct apply *a, struct err *err)
{
	int r;

	if (clock_mono() - a->spoke < pulse_step(a))
		return 0;
	r = serve_number(a, MSG_PING, 0, err);
	return r < 0 ? r : serve_flush(a, 0, err);
}

/* Every whole frame of b; what was used of it in *used. */
static int take_frames(struct apply *a, const struct buf *b, bool packed,
		       size_t *used, struct err *err)
{
	struct frame f;
	size_t at = 0;
	int r = 0;

	while (!a->bye && (r = frame_next(b, at, 'C', &f, err)) > 0) {
		if (f.type == MSG_PACK)
			r = packed ? err_set(err, ERR_PROTOCOL,
					     "a PACK in a PACK")
				   : take_pack(a, &f, err);
		else
			r = take_frame(a, &f, err);
		if (r < 0)
			return r;
		at += f.size;
		if (f.type >= MSG_STAGE && f.type <= MSG_COMMIT)
			a->consumed += f.size;
		r = give_credit(a, CREDIT_STEP, err);
		if (r == 0 && a->out.len - a->out_at > MSG_PAYLOAD_MAX)
			r = serve_flush(a, MSG_PAYLOAD_MAX / 2, err);
		if (r == 0)
			r = show_life(a, err);
		if (r < 0)
			return r;
	}
	*used = at;
	return r;
}

/* Frames that were packed together: whole ones, and no others. */
static int take_pack(struct apply *a, const struct frame *f, struct err *err)
{
	size_t used = 0;
	int r = 0;

	if (!(a->features & MSG_FEATURE_PACK) || !(a->state & MSG_S_LIVE))
		return err_set(err, ERR_PROTOCOL,
			       "a message that was not negotiated");
	if (!a->unpack)
		r = codec_new(CODEC_UNPACK, 0, &a->unpack, err);
	buf_clear(&a->unpacked);
	if (r == 0)
		r = codec_unpack(a->unpack, f->payload.p, f->payload.len,
				 MSG_PACK_MAX, &a->unpacked, err);
	if (r == 0)
		r = take_frames(a, &a->unpacked, true, &used, err);
	if (r >= 0 && used != a->unpacked.len && !a->bye)
		return err_set(err, ERR_PROTOCOL,
			       "a PACK that does not end with a frame");
	return r;
}

static int take_input(struct apply *a, struct err *err)
{
	size_t used = 0;
	int r = take_frames(a, &a->in, false, &used, err);

	if (r >= 0)
		buf_consume(&a->in, used);
	return r;
}

static int turn(struct apply *a, struct err *err)
{
	ssize_t n;
	int r = buf_reserve(&a->in, READ_BYTES, err);

	if (r < 0)
		return r;
	n = link_read(a->link, a->in.data + a->in.len, READ_BYTES, err);
	if (n < 0)
		return (int)n;
	a->in.len += (size_t)n;
	if (n > 0) {
		r = take_input(a, err);
		return r < 0 ? r : commit_poll(a, err);
	}
	/* Nothing to do: answer all, then wait. */
	r = give_credit(a, 0, err);
	if (r == 0)
		r = commit_poll(a, err);
	if (r >= 0)
		r = serve_flush(a, 0, err);
	if (r == 0 && commit_busy(a))
		r = link_wait(a->link, LINK_READ, COMMIT_LOOK_MS, err);
	else if (r == 0)
		r = await(a, LINK_READ, err);
	a->spoke = clock_mono();
	return r;
}

static void release(struct apply *a)
{
	size_t i;

	commit_release(a);
	confine_forget(a);
	for (i = 0; i < APPLY_CACHE; i++)
		buf_release(&a->cache[i].path);
	a->link = NULL; /* nobody is told anything any more */
	stage_release(a);
	backup_free(a->backup);
	map_release(&a->owners);
	accounts_close(a->accounts);
	map_release(&a->reasons);
	map_release(&a->changing);
	touched_clear(a);
	open_release(a);
	hash_free(a->hash);
	buf_release(&a->in);
	buf_release(&a->unpacked);
	codec_free(a->unpack);
	buf_release(&a->out);
	buf_release(&a->ops);
	buf_release(&a->position.failures);
	free(a->widened);
	free(a);
}

int apply_serve(struct link *link, const struct apply_options *o,
		const struct log *log, struct err *err)
{
	struct apply *a = calloc(1, sizeof(*a));
	unsigned i;
	int r = 0;

	if (!a)
		return err_set(err, ERR_MEMORY, "out of memory");
	a->o = o;
	a->log = log;
	a->link = link;
	a->state = MSG_S_NEW;
	a->spoke = clock_mono();
	a->tmp_mode = 0600;
	a->dest_fd = a->own_fd = a->tmp_fd = a->limbo_fd = -1;
	a->redo_fd = a->position_fd = a->lock_fd = -1;
	for (i = 0; i < TMP_DIRS; i++)
		a->tmp_fds[i] = -1;
	buf_init(&a->in, IN_BYTES);
	buf_init(&a->unpacked, MSG_PACK_MAX + 65536u);
	buf_init(&a->out, OUT_BYTES);
	buf_init(&a->ops, APPLY_OPS_BYTES);
	buf_init(&a->position.failures, 12u * MSG_OPS_MAX);
	map_init(&a->stages, sizeof(struct stage));
	map_init(&a->owners, sizeof(uint32_t));
	map_init(&a->reasons, sizeof(struct reason));
	map_init(&a->changing, 1);
	fresh_init(a);
	buf_init(&a->pending_bytes, PENDING_BYTES);
	confine_init(a);
	a->hash = hash_new();
	if (!a->hash)
		r = err_set(err, ERR_MEMORY, "out of memory");
	while (r >= 0 && !a->bye)
		r = turn(a, err);
	if (r < 0 && r != -ERR_STREAM && r != -ERR_SOCKET)
		refuse(a, err);
	release(a);
	return r < 0 ? r : 0;
}
