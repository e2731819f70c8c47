/*
 * Content that is too long to be read at once: read, hashed, cut and sent
 * piece by piece.
 *
 *     COMPARE   the destination has as many bytes: are they the same?
 *     STAGE     announce it
 *     ASKED     (a key was given) what is there of it from an earlier session?
 *     PREFIX    read that much: is it right?
 *     SEND      read and send what is missing
 *     DONE      complete, and as it was when it was opened
 *
 * Any step may end at a deadline and go on later.  The longest files have a
 * key, so that what was sent of them survives the connection.
 */
#include <stdlib.h>
#include <string.h>

#include "ship_local.h"
#include "snapsync/clock.h"

#define SPARSE_BYTES 65536u /* -S: zeros of this length become a hole */
#define HOLE_BYTES                                                             \
	UINT32_MAX /* of a hole at a time: it takes a second to hash */
#define WAIT_MS 50 /* for the helper's answer, at a time */

enum { MORE = 3 }; /* the deadline has come */

int long_new(struct ship *h, const struct reading *begun, struct err *err)
{
	struct reading *rd = malloc(sizeof(*rd));

	if (rd) {
		*rd = *begun;
		rd->emit = &h->large;
		rd->keyed = remote_welcome(h->remote)->features &
			    MSG_FEATURE_KEEP;
		rd->hash = hash_new();
	}
	if (!rd || !rd->hash) {
		free(rd);
		fsys_close(begun->fd);
		return err_set(err, ERR_MEMORY, "out of memory");
	}
	h->reading = rd;
	return 0;
}

void long_free(struct ship *h)
{
	if (!h->reading)
		return;
	fsys_close(h->reading->fd);
	hash_free(h->reading->hash);
	free(h->reading);
	h->reading = NULL;
}

/* What was sent of it stays there, if it has a key; one that is complete has
 * lost its key. */
int long_leave(struct ship *h, struct err *err)
{
	struct reading *rd = h->reading;
	int r = 0;

	if (rd && h->remote && rd->staged &&
	    (!rd->keyed || rd->state == READ_DONE))
		r = h->sink->ops->stage_drop(h->sink, rd->stage, err);
	long_free(h);
	return r;
}

/* The file is gone, or is what the destination has after all. */
int long_drop(struct ship *h, struct err *err)
{
	struct reading *rd = h->reading;
	int r = 0;

	if (rd && h->remote && rd->staged)
		r = h->sink->ops->stage_drop(h->sink, rd->stage, err);
	long_free(h);
	return r;
}

void long_have(struct ship *h, uint64_t stage, uint64_t length,
	       const struct hash *hash)
{
	struct reading *rd = h->reading;

	if (!rd || rd->state != READ_ASKED || rd->stage != stage)
		return;
	rd->there_known = true;
	rd->there = length <= rd->size ? length : 0;
	rd->there_hash = *hash;
}

/* ------------------------------------------------------------ reading */

/* Between two pieces: nobody shall take a long reading for a frozen client. */
static int breathe(struct reading *rd, struct err *err)
{
	struct ship *h = rd->h;
	int r = 0;

	if (h->remote && rd->state != READ_SEND)
		r = remote_idle(h->remote, err);
	if (r == 0 && h->o.stop && *h->o.stop)
		r = err_set(err, ERR_SIGNAL, "stopped by a signal");
	return r;
}

static bool is_late(const struct reading *rd)
{
	return rd->until && clock_mono() >= rd->until;
}

static bool is_sent(const struct reading *rd)
{
	return rd->state == READ_PREFIX || rd->state == READ_SEND;
}

static int read_hole(struct reading *rd, uint64_t length, struct err *err)
{
	static const unsigned char zero[65536];
	uint64_t left;
	int r;

	for (left = length; left > 0;) {
		size_t n = left < sizeof(zero) ? (size_t)left : sizeof(zero);

		hash_update(rd->hash, zero, n);
		left -= n;
	}
	rd->at += length;
	if (!is_sent(rd))
		return breathe(rd, err);
	progress_content(rd->h, length);
	r = emit_hole(rd->h, length, err);
	return r < 0 ? r : breathe(rd, err);
}

/* A zero byte first and last, and all the same between. */
static bool is_zero(const unsigned char *p, size_t n)
{
	return n > 0 && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* A piece of what is no hole.  1; 0 the file is not what it was. */
static int read_piece(struct reading *rd, uint64_t end, struct err *err)
{
	struct ship *h = rd->h;
	size_t most = h->o.sparse ? SPARSE_BYTES : MSG_DATA_MAX, room = most;
	size_t want;
	unsigned char *p = h->io;
	ssize_t n;
	int r = is_sent(rd) ? emit_room(h, &p, &room, err) : 0;

	if (r < 0)
		return r;
	want = room < most ? room : most;
	if (end - rd->at < want)
		want = (size_t)(end - rd->at);
	n = fsys_pread_full(rd->fd, p, want, rd->at, err);
	if (n < 0)
		return (int)n;
	if ((size_t)n < want)
		return 0;
	if (h->o.sparse && want == SPARSE_BYTES && is_zero(p, want)) {
		r = read_hole(rd, want, err);
		return r < 0 ? r : 1;
	}
	rd->at += want;
	hash_update(rd->hash, p, want);
	if (is_sent(rd)) {
		progress_content(h, want);
		r = emit_filled(h, want, err);
	}
	if (r == 0)
		r = breathe(rd, err);
	return r < 0 ? r : 1;
}

/* Up to `end`, holes without reading them.  1 it is reached, MORE the deadline
 * came, 0 the file is not what it was. */
static int read_to(struct reading *rd, uint64_t end, struct err *err)
{
	uint64_t start;
	int r = 1;

	while (r == 1 && rd->at < end) {
		if (is_late(rd))
			return MORE;
		if (rd->at >= rd->data_end) {
			r = fsys_next_data(rd->fd, rd->at, rd->size, &start,
					   &rd->data_end, err);
			if (r == 0 && start > end)
				start = rd->data_end = end;
			if (r == 0 && start - rd->at > HOLE_BYTES)
				start = rd->data_end = rd->at + HOLE_BYTES;
			if (r == 0 && start > rd->at)
				r = read_hole(rd, start - rd->at, err);
			r = r < 0 ? r : 1;
			continue;
		}
		r = read_piece(rd, rd->data_end < end ? rd->data_end : end,
			       err);
	}
	return r;
}

static void rewind_to_start(struct reading *rd)
{
	hash_reset(rd->hash, store_seed(rd->h->s));
	rd->at = rd->data_end = 0;
}

/* ------------------------------------------------------------ states */

static int start(struct reading *rd)
{
	rewind_to_start(rd);
	chunk_list_clear(&rd->emit->list);
	rd->state = rd->have.hashed && rd->have.size == rd->size ? READ_COMPARE
								 : READ_STAGE;
	return 1;
}

static int compare(struct reading *rd, struct err *err)
{
	int r;

	r = read_to(rd, rd->size, err);
	if (r != 1)
		return r;
	rd->result = hash_digest(rd->hash);
	if (hash_equal(&rd->have.hash, &rd->result)) {
		rd->verdict = 2;
		rd->state = READ_DONE;
	} else {
		rd->state = READ_STAGE;
	}
	return 1;
}

static int announce(struct reading *rd, struct err *err)
{
	struct ship *h = rd->h;
	int64_t about[2] = {rd->inode, h->d->id};
	struct hash key = hash_of(about, sizeof(about), store_seed(h->s));
	int r;

	rd->stage = ++h->stage;
	rd->staged = true;
	rewind_to_start(rd);
	r = emit_begin(h, rd->stage, rd->size, rd->bits,
		       rd->keyed ? &key : NULL, err);
	rd->state = rd->keyed ? READ_ASKED : READ_SEND;
	return r < 0 ? r : 1;
}

static int await(struct reading *rd, struct err *err)
{
	struct ship *h = rd->h;
	int r = 0;

	while (r == 0 && !rd->there_known) {
		if (is_late(rd))
			return MORE;
		r = batch_wait(h, WAIT_MS, err);
	}
	if (r < 0)
		return r;
	if (rd->there > 0) {
		emit_again(h, rd->there);
		rd->state = READ_PREFIX;
		return 1;
	}
	rd->state = READ_SEND;
	r = h->sink->ops->keep(h->sink, rd->stage, 0, err);
	return r < 0 ? r : 1;
}

static int check_prefix(struct reading *rd, struct err *err)
{
	struct ship *h = rd->h;
	struct hash hash;
	int r = read_to(rd, rd->there, err);

	if (r != 1)
		return r;
	hash = hash_digest(rd->hash);
	if (!hash_equal(&hash, &rd->there_hash)) {
		rewind_to_start(rd);
		emit_again(h, 0);
		rd->there = 0;
	}
	rd->state = READ_SEND;
	r = h->sink->ops->keep(h->sink, rd->stage, rd->there, err);
	return r < 0 ? r : 1;
}

static int send_rest(struct reading *rd, struct err *err)
{
	struct ship *h = rd->h;
	struct fsys_stat after;
	int r = read_to(rd, rd->size, err);

	if (r != 1)
		return r;
	r = emit_flush(h, err);
	if (r == 0)
		r = fsys_fstat(rd->fd, &after, err);
	if (r < 0 || !send_same_stat(&rd->before, &after))
		return r < 0 ? r : 0;
	rd->result = hash_digest(rd->hash);
	rd->verdict = 1;
	rd->state = READ_DONE;
	r = h->sink->ops->stage_end(h->sink, rd->stage, &rd->result, err);
	return r < 0 ? r : 1;
}

static int step(struct reading *rd, struct err *err)
{
	switch (rd->state) {
	case READ_NOT_BEGUN: return start(rd);
	case READ_COMPARE: return compare(rd, err);
	case READ_STAGE: return announce(rd, err);
	case READ_ASKED: return await(rd, err);
	case READ_PREFIX: return check_prefix(rd, err);
	default: return send_rest(rd, err);
	}
}

int long_run(struct reading *rd, int64_t until, struct err *err)
{
	struct ship *h = rd->h;
	struct err ignored;
	int r = 1, e;

	rd->until = until;
	h->emit = rd->emit;
	while (r == 1 && rd->state != READ_DONE)
		r = step(rd, err);
	h->emit = &h->small;
	if (r == 1)
		return rd->verdict;
	if (r == MORE)
		return LONG_MORE;
	if (r < 0 &&
	    (err_class(r) == ERR_CLASS_DROP || err_class(r) == ERR_CLASS_FATAL))
		return r;
	/* What was sent of it may be of use next time, if it has a key. */
	if (rd->staged && !rd->keyed) {
		e = h->sink->ops->stage_drop(h->sink, rd->stage, &ignored);
		if (e < 0 && r == 0) {
			*err = ignored;
			return e;
		}
	}
	return r;
}

/* ------------------------------------------------------------ between runs */

bool ship_busy(const struct ship *h)
{
	return h->reading && h->reading->state < READ_DONE;
}

int ship_more(struct ship *h, int64_t until, struct err *err)
{
	struct reading *rd = h->reading;
	int r;

	if (!ship_busy(h) || !h->remote)
		return 0;
	/* Nothing is on its way: paths are those of M. */
	plan_clear(&h->plan);
	copy_forget(h);
	r = long_run(rd, until, err);
	if (r == LONG_MORE)
		return 1;
	if (r < 0 &&
	    (err_class(r) == ERR_CLASS_DROP || err_class(r) == ERR_CLASS_FATAL))
		return r;
	if (r <= 0) {
		rd->state = READ_FAILED;
		rd->verdict = r;
		rd->err = *err;
	}
	return 0;
}
