/*
 * What goes out, packed or as it is.  Frames wait in remote.out; whenever the
 * link has taken what it was given, the next block of whole frames is either
 * handed over as it is or becomes one PACK frame: a long one in a thread
 * (press.c), which has the next one before the link gets this one.
 *
 * auto: small frames (operations, paths, little files) are always packed: they
 * cost far more in being handled than in being packed.  A block of content is
 * packed if  p + q * l < l,  where p is what packing a byte takes, q the share
 * that is left of it, and l what a byte costs on the link: the time spent in
 * writing, encryption included, and in waiting for room; twice the writing,
 * since what is encrypted here is decrypted there.  Where that does not pay
 * (the link is fast, or the content packed already), 1, 2, 4 ... 64 blocks go
 * as they are before the next one is tried.  The first of the content is packed
 * in any case, if it packs at all: buffers on the way make every link look fast
 * at first.
 *
 * Its level follows the link, and the time that the thread has: where blocks
 * come so slowly that packing takes less than a fifth of it (what is sent lies
 * thin among many entries), a better level costs little.  When they come faster,
 * so that it takes most of it, the level is given up again, for a while.  Both
 * are by the clock: where others want the processors, both grow alike.
 */
#include <stdlib.h>

#include "remote_local.h"
#include "snapsync/clock.h"
#include "snapsync/codec.h"
#include "snapsync/thread.h"

#define SMALL_FRAME 4096u      /* bytes, the mean of a block */
#define SKIP_MAX 64u	       /* blocks */
#define METER_BYTES (4u << 20) /* older measurements count half */
#define SAMPLE_BYTES 32768u    /* less says more of calls than of bytes */
#define EARLY_BYTES                                                            \
	(4u << 20)	/* of content: until then a slow link may look fast */
#define LEVEL_DEFAULT 3 /* -z */
#define PRESS_BYTES (32u << 10) /* from here on a thread is worth it */
#define LEVEL_SPARE 6		/* where the thread has time */
#define SPARE_SHARE 0.2		/* of the time is packing: it has */
#define SPARE_END 0.8		/* at LEVEL_SPARE: it has no longer */
#define SPARE_BYTES (1u << 20)	/* measured before; a quarter of it content */
#define SPARE_TRIED (3u << 20)	/* measured before it may end */
#define SPARE_AGAIN (4u << 20)	/* bytes until it is tried again */
#define SPARE_PRESS 4096u	/* then a thread is worth it from here on */
#define PAUSE_MAX (200 * CLOCK_MS) /* a longer one between blocks counts so */

/* auto's level, by the ns that each byte waits for room on the link: a slower
 * one leaves more time. */
static const struct {
	double wait;
	int level;
} levels[] = {{400, 7}, {50, 3}, {0, 1}};

struct meter {
	uint64_t ns, bytes;
};

struct pack {
	int mode; /* REMOTE_PACK_..., or a level */
	struct codec *codec;
	int level;
	struct meter writing, waiting; /* on the link */
	struct meter packing;
	struct meter left;	 /* not ns: bytes of that many bytes */
	uint64_t content;	 /* bytes of it packed so far */
	struct meter pace, busy; /* from block to block, and packing in it */
	int64_t last;		 /* CLOCK_MONOTONIC of the last one, 0: none */
	uint64_t large;		 /* bytes of large frames so far */
	bool spare;		 /* the thread has time for LEVEL_SPARE */
	uint64_t again;		 /* not before so many bytes were packed */
	unsigned skip, back_off; /* blocks */
	uint64_t in, out;	 /* bytes packed so far, and into what */
	struct press *press;	 /* NULL: no thread */
	bool pressed;		 /* there is one, or can be none */
	bool small;		 /* the block that the thread has */
};

int pack_new(struct pack **out, struct err *err)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return err_set(err, ERR_MEMORY, "out of memory");
	(*out)->mode = REMOTE_PACK_NONE;
	return 0;
}

void pack_set_mode(struct pack *p, int mode)
{
	p->mode = mode;
}

void pack_free(struct pack *p)
{
	if (p) {
		press_free(p->press);
		codec_free(p->codec);
	}
	free(p);
}

void pack_counts(const struct pack *p, uint64_t *in, uint64_t *out)
{
	*in = p->in;
	*out = p->out;
}

static void meter_add(struct meter *m, int64_t ns, size_t bytes)
{
	m->ns += ns > 0 ? (uint64_t)ns : 0;
	m->bytes += bytes;
	if (m->bytes > METER_BYTES) {
		m->ns /= 2;
		m->bytes /= 2;
	}
}

static double mean(const struct meter *m)
{
	return m->bytes ? (double)m->ns / (double)m->bytes : 0;
}

void pack_wrote(struct pack *p, int64_t ns, size_t bytes)
{
	if (bytes >= SAMPLE_BYTES)
		meter_add(&p->writing, ns, bytes);
	meter_add(&p->waiting, 0, bytes);
}

void pack_waited(struct pack *p, int64_t ns)
{
	meter_add(&p->waiting, ns, 0);
}

/* After a block of content was packed: was it worth it? */
static void judge(struct pack *p)
{
	double link = 2 * mean(&p->writing) + mean(&p->waiting);
	bool early = (p->content < EARLY_BYTES || p->spare) &&
		     mean(&p->left) < 0.9;

	if (early || mean(&p->packing) + mean(&p->left) * link < link) {
		p->back_off = 0;
	} else {
		p->back_off = p->back_off ? p->back_off * 2 : 1;
		if (p->back_off > SKIP_MAX)
			p->back_off = SKIP_MAX;
	}
	p->skip = p->back_off;
}

static void paced(struct pack *p, size_t bytes)
{
	int64_t now = clock_mono(), pause = now - p->last;

	if (p->last)
		meter_add(&p->pace, pause < PAUSE_MAX ? pause : PAUSE_MAX,
			  bytes);
	p->last = now;
}

/* Does the thread have the time for LEVEL_SPARE?  Each answer takes SPARE_BYTES
 * of measuring. */
static void look_for_time(struct pack *p)
{
	double busy = mean(&p->busy), all = mean(&p->pace);
	bool was = p->spare;

	if (p->pace.bytes < SPARE_BYTES || (p->pressed && !p->press))
		return;
	if (was && p->pace.bytes >= SPARE_TRIED && busy > SPARE_END * all) {
		p->spare = false;
		p->again = p->in + SPARE_AGAIN;
	} else if (!was) {
		p->spare = p->in >= p->again && p->large >= SPARE_BYTES / 4 &&
			   busy < SPARE_SHARE * all && thread_aside();
	}
	if (p->spare != was)
		p->pace = p->busy = (struct meter){0};
}

/* auto's level.  A change costs what the codec remembers: it only rises, but for
 * the end of LEVEL_SPARE. */
static int suits(struct pack *p)
{
	double wait = p->waiting.bytes > SAMPLE_BYTES ? mean(&p->waiting) : 0;
	bool was = p->spare;
	size_t i = 0;
	int level;

	while (wait < levels[i].wait)
		i++;
	level = levels[i].level;
	look_for_time(p);
	if (p->spare && level < LEVEL_SPARE)
		level = LEVEL_SPARE;
	return level < p->level && p->spare == was ? p->level : level;
}

static int ready(struct pack *p, struct err *err)
{
	int level = p->mode == REMOTE_PACK_DEFAULT ? LEVEL_DEFAULT : p->mode;

	if (p->mode == REMOTE_PACK_AUTO)
		level = suits(p);
	if (p->codec && level != p->level)
		codec_set_level(p->codec, level);
	p->level = level;
	return p->codec ? 0 : codec_new(CODEC_PACK, level, &p->codec, err);
}

/* Whole frames from `at` on, of `most` bytes together at most, or one. */
static size_t block(const struct buf *b, size_t at, size_t most, size_t *frames,
		    size_t *large)
{
	size_t len = 0, size;

	*frames = *large = 0;
	while (at + len < b->len) {
		struct view v = view_of(b->data + at + len, b->len - at - len);

		size = FRAME_HEADER + (size_t)view_u32(&v);
		if (*frames && len + size > most)
			break;
		len += size;
		*large += size >= SMALL_FRAME ? size : 0;
		++*frames;
	}
	return len;
}

/* A block of `in` bytes has become `out`. */
static void count(struct pack *p, size_t in, size_t out,
		  const struct press_time *time, bool small)
{
	p->in += in;
	p->out += out;
	meter_add(&p->busy, time->took, in);
	if (small)
		return;
	meter_add(&p->packing, time->worked, in);
	meter_add(&p->left, (int64_t)out, in);
	p->content += in;
	judge(p);
}

static int pack_here(struct pack *p, const unsigned char *bytes, size_t len,
		     bool small, struct buf *wire, struct err *err)
{
	struct frame_mark mark = {0};
	int64_t begin = clock_mono(), start = clock_thread();
	struct press_time time;
	size_t before;
	int r = frame_begin(wire, MSG_PACK, 0, &mark, err);

	before = wire->len;
	if (r == 0)
		r = codec_pack(p->codec, bytes, len, wire, err);
	if (r < 0)
		return r;
	time.worked = clock_thread() - start;
	time.took = clock_mono() - begin;
	count(p, len, wire->len - before, &time, small);
	return frame_end(wire, &mark, err);
}

int pack_next(struct pack *p, const struct buf *from, size_t at, size_t *len,
	      struct buf *wire, struct err *err)
{
	size_t frames, large, least;
	bool small;
	int r;

	*len = from->len - at;
	if (p->mode == REMOTE_PACK_NONE)
		return 0;
	*len = block(from, at, MSG_PACK_MAX, &frames, &large);
	small = *len / frames < SMALL_FRAME;
	if (*len > MSG_PACK_MAX)
		return 0;
	if (p->mode == REMOTE_PACK_AUTO && !small && p->skip) {
		p->skip--;
		*len = block(from, at, MSG_DATA_MAX, &frames, &large);
		paced(p, *len);
		return 0;
	}
	paced(p, *len);
	p->large += large;
	r = ready(p, err);
	if (r < 0)
		return r;
	least = p->spare ? SPARE_PRESS : PRESS_BYTES;
	if (*len >= least && !p->pressed) {
		p->press = press_new();
		p->pressed = true;
	}
	if (*len < least || !p->press) {
		r = pack_here(p, from->data + at, *len, small, wire, err);
	} else {
		p->small = small;
		r = press_begin(p->press, p->codec, from->data + at, *len, err);
	}
	return r < 0 ? r : 1;
}

size_t pack_holds(const struct pack *p)
{
	return press_holds(p->press);
}

void pack_wait(struct pack *p)
{
	press_wait(p->press);
}

int pack_take(struct pack *p, struct buf *wire, struct err *err)
{
	size_t in = press_holds(p->press);
	struct frame_mark mark = {0};
	const struct buf *out;
	struct press_time time;
	int r = press_take(p->press, &out, &time, err);

	if (r <= 0)
		return r;
	r = frame_begin(wire, MSG_PACK, 0, &mark, err);
	if (r == 0)
		r = buf_put(wire, out->data, out->len, err);
	if (r < 0)
		return r;
	count(p, in, out->len, &time, p->small);
	r = frame_end(wire, &mark, err);
	return r < 0 ? r : 1;
}
