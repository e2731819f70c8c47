#include "remote_local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "snapsync/clock.h"
#include "snapsync/frame.h"
#include "snapsync/vec.h"

#define IN_BYTES (2u * (MSG_PAYLOAD_MAX + FRAME_HEADER))
#define OUT_BYTES (4u * 1024u * 1024u)
#define READ_BYTES (128u * 1024u)
#define EVENTS_MAX 70000u
#define PACE_MS 20 /* --bwlimit: how often something may go */

static int take_refuse(struct view payload, struct err *err)
{
	struct msg_refuse m;
	int r = msg_get_refuse(payload, &m, err);

	if (r < 0)
		return r;
	if (m.code == 0 || m.code >= ERR_CODES)
		m.code = ERR_PROTOCOL;
	return err_set(err, (enum err_code)m.code, "%.*s", (int)m.text.len,
		       (const char *)m.text.p);
}

static int take_welcome(struct remote *r, struct view payload, struct err *err)
{
	int e = buf_put(&r->welcome_bytes, payload.p, payload.len, err);

	if (e == 0)
		e = msg_get_welcome(view_of(r->welcome_bytes.data,
					    r->welcome_bytes.len),
				    &r->welcome, err);
	if (e < 0)
		return e;
	r->credit = r->welcome.credit;
	r->greeted = true;
	return 0;
}

/* How the helper says it is confined. */
static int take_note(struct remote *r, struct view payload, struct err *err)
{
	struct view text;
	int e = msg_get_note(payload, &text, err);

	if (e == 0 && (r->noted || !(r->welcome.features & MSG_FEATURE_NOTE)))
		e = err_set(err, ERR_PROTOCOL, "unexpected NOTE");
	if (e < 0)
		return e;
	r->noted = true;
	log_line(r->o.log, LOG_INFO, "helper: %.*s", (int)text.len,
		 (const char *)text.p);
	return 0;
}

static int push_event(struct remote *r, const struct sink_event *event,
		      struct err *err)
{
	int e;

	if (r->event_count >= EVENTS_MAX)
		return err_set(err, ERR_PROTOCOL,
			       "the helper sends too many answers");
	e = vec_grow((void **)&r->events, &r->event_cap, r->event_count + 1,
		     sizeof(*r->events), err);
	if (e == 0)
		r->events[r->event_count++] = *event;
	return e;
}

static int take_fail(struct remote *r, struct view payload, struct err *err)
{
	struct sink_event event;
	struct msg_fail m;
	int e = msg_get_fail(payload, &m, err);

	if (e < 0)
		return e;
	memset(&event, 0, sizeof(event));
	event.type = SINK_FAIL;
	event.batch = m.batch;
	event.index = m.index;
	event.code = m.code && m.code < ERR_CODES ? (int)m.code : (int)ERR_IO;
	snprintf(event.text, sizeof(event.text), "%.*s", (int)m.text.len,
		 (const char *)m.text.p);
	return push_event(r, &event, err);
}

static int take_number(struct remote *r, const struct frame *f, struct err *err)
{
	struct frame_mark mark = {0};
	uint64_t n;
	int e = msg_get_number(f->payload, &n, err);

	if (e < 0 || f->type == MSG_PONG)
		return e;
	if (f->type == MSG_CREDIT) {
		if (n > UINT64_MAX / 2 || r->credit > UINT64_MAX / 2)
			return err_set(err, ERR_PROTOCOL,
				       "the helper's credit runs over");
		r->credit += n;
		return 0;
	}
	if (r->out.max - r->out.len < 2 * FRAME_HEADER)
		return err_set(err, ERR_PROTOCOL,
			       "the helper asks and asks and does not read");
	e = frame_begin(&r->out, MSG_PONG, 0, &mark, err);
	if (e == 0)
		e = msg_put_number(&r->out, n, err);
	return e < 0 ? e : frame_end(&r->out, &mark, err);
}

static int take_answer(struct remote *r, const struct frame *f, struct err *err)
{
	struct sink_event event;
	struct msg_ack ack;
	struct msg_need need;
	struct msg_have have;
	int e;

	memset(&event, 0, sizeof(event));
	if (f->type == MSG_ACK) {
		e = msg_get_ack(f->payload, &ack, err);
		event.type = SINK_ACK;
		event.batch = ack.batch;
	} else if (f->type == MSG_HAVE) {
		e = msg_get_have(f->payload, &have, err);
		event.type = SINK_HAVE;
		event.stage = have.id;
		event.offset = have.length;
		event.hash = have.hash;
	} else {
		e = msg_get_need(f->payload, &need, err);
		event.type = SINK_NEED;
		event.stage = need.id;
		event.offset = need.offset;
	}
	return e < 0 ? e : push_event(r, &event, err);
}

static int take_frame(struct remote *r, const struct frame *f, struct err *err)
{
	if (f->type == MSG_REFUSE)
		return take_refuse(f->payload, err);
	if (!r->greeted && f->type != MSG_WELCOME && f->type != MSG_PING &&
	    f->type != MSG_PONG)
		return err_set(err, ERR_PROTOCOL,
			       "the helper did not begin with WELCOME");
	switch (f->type) {
	case MSG_WELCOME:
		if (r->greeted)
			break;
		return take_welcome(r, f->payload, err);
	case MSG_NOTE: return take_note(r, f->payload, err);
	case MSG_PING:
	case MSG_PONG:
	case MSG_CREDIT: return take_number(r, f, err);
	case MSG_ACK:
	case MSG_NEED:
	case MSG_HAVE: return take_answer(r, f, err);
	case MSG_FAIL: return take_fail(r, f->payload, err);
	case MSG_LISTING:
	case MSG_LISTED: return remote_take_listing(r, f, err);
	case MSG_SIGNED: return remote_take_signed(r, f, err);
	default: break;
	}
	return err_set(err, ERR_PROTOCOL, "unexpected message %u", f->type);
}

/* Before WELCOME it is most likely not the helper that speaks. */
static int stray(struct remote *r, size_t at, struct err *err)
{
	char text[64];

	log_escape(r->in.data + at, r->in.len - at < 40 ? r->in.len - at : 40,
		   text, sizeof(text));
	return err_set(err, ERR_PROTOCOL,
		       "the far end does not speak our protocol, it says "
		       "\"%s\": does its login shell print something, or is "
		       "--helper-path not the helper?",
		       text);
}

/* Read what is there and handle every whole frame.  1 if any byte came. */
static int receive(struct remote *r, struct err *err)
{
	struct frame f;
	size_t at = 0;
	ssize_t n;
	int e = buf_reserve(&r->in, READ_BYTES, err);

	if (e < 0)
		return e;
	n = link_read(r->link, r->in.data + r->in.len, READ_BYTES, err);
	if (n < 0)
		return (int)n;
	if (n == 0)
		return 0;
	r->in.len += (size_t)n;
	r->heard = clock_mono();
	while ((e = frame_next(&r->in, at, 'H', &f, err)) > 0) {
		e = take_frame(r, &f, err);
		if (e < 0)
			return e;
		at += f.size;
	}
	if (e < 0 && !r->greeted)
		return stray(r, at, err);
	buf_consume(&r->in, at);
	return e < 0 ? e : 1;
}

/* Bytes that --bwlimit lets go now: what has gathered since the last time, a
 * tenth of a second's worth at most, so that the line is used evenly. */
static size_t allowed(struct remote *r, size_t wanted)
{
	double most = (double)r->o.rate / 10 + 1, least = most * PACE_MS / 100;
	int64_t now;

	if (!r->o.rate)
		return wanted;
	now = clock_mono();
	r->allowed += (double)(now - r->paced) * (double)r->o.rate / 1e9;
	if (r->allowed > most)
		r->allowed = most;
	r->paced = now;
	/* Not in dribs and drabs. */
	if (least > (double)wanted)
		least = (double)wanted;
	r->held = r->allowed < least;
	if (r->held)
		return 0;
	return r->allowed < (double)wanted ? (size_t)r->allowed : wanted;
}

/* 1 all of it was taken, 0 the link is full. */
static int write_some(struct remote *r, const struct buf *b, size_t *at,
		      size_t end, struct err *err)
{
	int64_t start = clock_mono();
	size_t first = *at, most;
	ssize_t n = 1;

	r->held = false;
	while (n > 0 && *at < end) {
		most = allowed(r, end - *at);
		n = most ? link_write(r->link, b->data + *at, most, err) : 0;
		if (n > 0)
			*at += (size_t)n;
		if (n > 0 && r->o.rate)
			r->allowed -= (double)n;
	}
	pack_wrote(r->pack, clock_mono() - start, *at - first);
	return n < 0 ? (int)n : n > 0;
}

size_t remote_waiting(const struct remote *r)
{
	return r->wire.len - r->wire_at + pack_holds(r->pack) + r->out.len -
	       r->out_at;
}

/* The next block, behind what is on its way. */
static int next_block(struct remote *r, struct err *err)
{
	size_t len;
	int e = pack_next(r->pack, &r->out, r->out_at, &len, &r->wire, err);

	if (e > 0)
		r->out_at += len;
	r->plain_to = r->out_at + (e == 0 ? len : 0);
	return e < 0 ? e : 1;
}

/* What was packed meanwhile: 1 it is in wire, and the next block is at hand. */
static int take_packed(struct remote *r, struct err *err)
{
	int e = pack_take(r->pack, &r->wire, err);

	return e > 0 && r->out_at < r->out.len ? next_block(r, err) : e;
}

/* Hand the link as much of what is waiting as it takes.  Between frames only:
 * whole ones are packed. */
int remote_push(struct remote *r, struct err *err)
{
	int e = 1;

	while (e > 0 && remote_waiting(r) > 0) {
		if (r->wire_at < r->wire.len) {
			e = write_some(r, &r->wire, &r->wire_at, r->wire.len,
				       err);
		} else if (r->out_at < r->plain_to) {
			e = write_some(r, &r->out, &r->out_at, r->plain_to,
				       err);
		} else {
			buf_clear(&r->wire);
			r->wire_at = 0;
			e = pack_holds(r->pack) ? take_packed(r, err)
						: next_block(r, err);
		}
	}
	if (r->out_at == r->out.len) {
		buf_clear(&r->out);
		r->out_at = r->plain_to = 0;
	}
	return e < 0 ? e : 0;
}

static int send_number(struct remote *r, enum msg_type type, uint64_t n,
		       struct err *err)
{
	struct frame_mark mark = {0};
	int e = frame_begin(&r->out, type, 0, &mark, err);

	if (e == 0)
		e = msg_put_number(&r->out, n, err);
	return e < 0 ? e : frame_end(&r->out, &mark, err);
}

/* A question after half the timeout in silence, the end after all of it. */
static int watch_silence(struct remote *r, struct err *err)
{
	int64_t now = clock_mono(), limit = r->o.timeout * CLOCK_SECOND;

	if (r->o.timeout <= 0)
		return 0;
	if (now - r->heard > limit)
		return err_set(err, ERR_TIMEOUT,
			       "the helper was silent for %d seconds",
			       r->o.timeout);
	if (now - r->heard > limit / 2 && now - r->asked > limit / 2 &&
	    remote_waiting(r) < OUT_BYTES / 2) {
		r->asked = now;
		return send_number(r, MSG_PING, (uint64_t)now, err);
	}
	return 0;
}

/* We did not listen (a pass, a long calculation), so nobody knows whether it was
 * silent: it has half the time for an answer, once. */
static void came_back(struct remote *r)
{
	int64_t now = clock_mono(), half = r->o.timeout * CLOCK_SECOND / 2;

	if (now - r->listened > half && now - r->heard > half &&
	    r->asked <= r->heard)
		r->heard = now - half;
}

static int stopped(const struct remote *r, struct err *err)
{
	if (r->o.stop && *r->o.stop)
		return err_set(err, ERR_SIGNAL, "stopped by a signal");
	return 0;
}

/* One turn: write, read, and wait up to wait_ms for either. */
int remote_turn(struct remote *r, int wait_ms, struct err *err)
{
	int want = LINK_READ, e = remote_push(r, err);
	int64_t start;

	came_back(r);
	if (e == 0) /* also while bytes come without end */
		e = stopped(r, err);
	if (e == 0)
		e = receive(r, err);
	if (e != 0)
		return e < 0 ? e : 0;
	if (wait_ms < 0 || wait_ms > 1000)
		wait_ms = 1000;
	if (remote_waiting(r) && !r->held)
		want |= LINK_WRITE;
	else if (remote_waiting(r) && wait_ms > PACE_MS)
		wait_ms = PACE_MS;
	/* It is not the link that is waited for. */
	if (wait_ms && pack_holds(r->pack) && r->wire_at == r->wire.len) {
		pack_wait(r->pack);
		r->listened = clock_mono();
		e = remote_push(r, err);
		return e < 0 ? e : watch_silence(r, err);
	}
	start = clock_mono();
	e = link_wait(r->link, want, wait_ms, err);
	r->listened = clock_mono();
	if (remote_waiting(r))
		pack_waited(r->pack, clock_mono() - start);
	return e < 0 ? e : watch_silence(r, err);
}

int remote_flush_to(struct remote *r, size_t keep, struct err *err)
{
	int e = remote_push(r, err);

	while (e == 0 && remote_waiting(r) > keep)
		e = remote_turn(r, -1, err);
	return e;
}

static int greet(struct remote *r, const struct msg_hello *hello,
		 struct err *err)
{
	struct frame_mark mark = {0};
	int e = frame_begin(&r->out, MSG_HELLO, 0, &mark, err);

	if (e == 0)
		e = msg_put_hello(&r->out, hello, err);
	if (e == 0)
		e = frame_end(&r->out, &mark, err);
	while (e == 0 && !r->greeted)
		e = remote_turn(r, -1, err);
	return e;
}

int remote_open(struct link *link, const struct msg_hello *hello,
		const struct remote_options *o, struct remote **out,
		struct err *err)
{
	struct remote *r = calloc(1, sizeof(*r));
	int e;

	*out = NULL;
	if (!r) {
		link_close(link);
		return err_set(err, ERR_MEMORY, "out of memory");
	}
	r->sink.ops = &remote_sink_ops;
	r->link = link;
	r->o = *o;
	r->heard = r->asked = r->listened = r->paced = clock_mono();
	buf_init(&r->in, IN_BYTES);
	buf_init(&r->out, OUT_BYTES);
	buf_init(&r->wire, 2 * (MSG_PAYLOAD_MAX + FRAME_HEADER));
	buf_init(&r->welcome_bytes, MSG_PAYLOAD_MAX);
	e = pack_new(&r->pack, err);
	if (e == 0)
		e = greet(r, hello, err);
	if (e == 0 && (r->welcome.version < hello->version_min ||
		       r->welcome.version > hello->version_max ||
		       (r->welcome.features & ~hello->features)))
		e = err_set(err, ERR_PROTOCOL,
			    "the helper chose what was not offered");
	if (e == 0 && r->welcome.features & MSG_FEATURE_PACK)
		pack_set_mode(r->pack, o->pack);
	if (e < 0) {
		remote_close(r);
		return e;
	}
	*out = r;
	return 0;
}

const struct msg_welcome *remote_welcome(const struct remote *r)
{
	return &r->welcome;
}

struct sink *remote_sink(struct remote *r)
{
	return &r->sink;
}

int remote_owner(struct remote *r, bool group, uint32_t id, const char *name,
		 struct err *err)
{
	struct msg_owner m = {
		.group = group, .id = id, .name = view_of(name, strlen(name))};
	struct frame_mark mark = {0};
	int e = remote_begin(r, MSG_OWNER, 0, &mark, 300, err);

	if (e == 0)
		e = msg_put_owner(&r->out, &m, err);
	return e < 0 ? e : remote_end(r, &mark, err);
}

int remote_idle(struct remote *r, struct err *err)
{
	return remote_turn(r, 0, err);
}

int remote_alive(struct remote *r, struct err *err)
{
	int e = remote_push(r, err);

	if (e == 0)
		e = receive(r, err);
	/* What still waits says as much, when it goes. */
	if (e >= 0 && remote_waiting(r) == 0) {
		e = send_number(r, MSG_PING, 0, err);
		if (e == 0)
			e = remote_push(r, err);
	}
	return e < 0 ? e : 0;
}

void remote_counts(const struct remote *r, uint64_t *in, uint64_t *out)
{
	link_counts(r->link, in, out);
}

void remote_packed(const struct remote *r, uint64_t *in, uint64_t *out)
{
	pack_counts(r->pack, in, out);
}

void remote_close(struct remote *r)
{
	struct err ignored;
	struct frame_mark mark = {0};

	if (!r)
		return;
	if (r->greeted && remote_waiting(r) == 0 &&
	    frame_begin(&r->out, MSG_BYE, 0, &mark, &ignored) == 0 &&
	    frame_end(&r->out, &mark, &ignored) == 0) {
		remote_push(r, &ignored);
		if (link_wait(r->link, LINK_READ, 100, &ignored) > 0)
			receive(r, &ignored);
	}
	link_close(r->link);
	buf_release(&r->in);
	buf_release(&r->out);
	buf_release(&r->wire);
	pack_free(r->pack);
	buf_release(&r->welcome_bytes);
	free(r->events);
	free(r);
}
