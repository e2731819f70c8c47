/*
 * The content of a long file goes to the disk past the page cache where the
 * file system can: it is to be synced before it counts, nobody reads it again
 * soon, and to make pages for it and write those back takes more of the
 * processors than all else that is done with it.  A thread writes, in order,
 * while the session takes in what comes next.
 *
 * Memory, place and length are multiples of ALIGN (open(2) of Linux, O_DIRECT;
 * statx(2), dio_offset_align); what is not, at the first byte or the last,
 * goes through the cache before or after, with nothing on its way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply_local.h"
#include "snapsync/clock.h"
#include "snapsync/thread.h"

#define ALIGN 4096u
#define PIECE (1u << 20)
#define PIECES 4u

struct piece {
	size_t len;
	uint64_t at;
};

struct direct {
	unsigned char *bytes; /* PIECES of PIECE, aligned */
	uint64_t id;	      /* of the stage that is being written, or 0 */
	int fd;		      /* its */
	bool begun;	      /* some of its bytes are or were in pieces */
	bool on; /* and go past the cache: since the first whole one */
	bool threaded;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	/* A ring: `count` from `first` on are the thread's, under the lock;
	 * the next one is being filled. */
	struct piece pieces[PIECES];
	unsigned first, count;
	bool quit, refused;
	bool mute; /* the client cannot be told anything */
	int code;  /* the first failure */
	struct err err;
};

static unsigned char *bytes_of(struct direct *d, unsigned n)
{
	return d->bytes + (size_t)n * PIECE;
}

/* A file system that wants more of it than ALIGN gets it as ever. */
static int write_piece(struct direct *d, unsigned n, bool *refused,
		       struct err *err)
{
	struct piece *p = &d->pieces[n];
	int r = fsys_pwrite_full(d->fd, bytes_of(d, n), p->len, p->at, err);

	if (r == 0 || err->sys != EINVAL)
		return r;
	*refused = true;
	fsys_direct(d->fd, false);
	return fsys_pwrite_full(d->fd, bytes_of(d, n), p->len, p->at, err);
}

/* The oldest one.  The lock is held, and given up meanwhile. */
static void write_first(struct direct *d)
{
	unsigned n = d->first;
	bool refused = false;
	struct err err;
	int r = d->code;

	if (r == 0) {
		pthread_mutex_unlock(&d->lock);
		r = write_piece(d, n, &refused, &err);
		pthread_mutex_lock(&d->lock);
		d->refused = d->refused || refused;
		if (r < 0) {
			d->code = r;
			d->err = err;
		}
	}
	d->pieces[n].len = 0;
	d->first = (n + 1) % PIECES;
	d->count--;
	pthread_cond_signal(&d->done);
}

static void *work(void *arg)
{
	struct direct *d = arg;

	pthread_mutex_lock(&d->lock);
	while (!d->quit || d->count) {
		if (d->count)
			write_first(d);
		else
			pthread_cond_wait(&d->work, &d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* The client is told that there is life: a disk may stand still for long.  The
 * session finds out by itself if that cannot be said. */
static void sign_of_life(struct apply *a, struct direct *d)
{
	struct err lost;

	pthread_mutex_unlock(&d->lock);
	d->mute = d->mute || serve_number(a, MSG_PING, 0, &lost) < 0 ||
		  serve_flush(a, 0, &lost) < 0;
	pthread_mutex_lock(&d->lock);
}

/* Until at most `most` are on their way. */
static void wait_for(struct apply *a, struct direct *d, unsigned most)
{
	int64_t until = a->spoke + pulse_step(a);

	while (d->count > most) {
		if (!d->threaded) {
			write_first(d);
		} else if (d->mute) {
			pthread_cond_wait(&d->done, &d->lock);
		} else if (!thread_wait(&d->done, &d->lock, until) &&
			   clock_mono() >= until) {
			sign_of_life(a, d);
			until = clock_mono() + pulse_step(a);
		}
	}
}

static bool init_locks(struct direct *d)
{
	if (pthread_mutex_init(&d->lock, NULL) != 0)
		return false;
	if (pthread_cond_init(&d->work, NULL) == 0) {
		if (thread_cond(&d->done))
			return true;
		pthread_cond_destroy(&d->work);
	}
	pthread_mutex_destroy(&d->lock);
	return false;
}

/* NULL: there is no room for it, and it can do without. */
static struct direct *direct_of(struct apply *a)
{
	struct direct *d = a->direct;
	void *bytes = NULL;

	if (d)
		return d;
	d = calloc(1, sizeof(*d));
	if (!d || posix_memalign(&bytes, ALIGN, (size_t)PIECES * PIECE) != 0 ||
	    !init_locks(d)) {
		free(bytes);
		free(d);
		return NULL;
	}
	d->bytes = bytes;
	d->threaded = thread_start(&d->thread, work, d);
	a->direct = d;
	return d;
}

/* The piece that was filled goes; there is an empty one then. */
static void hand_over(struct apply *a, struct direct *d)
{
	pthread_mutex_lock(&d->lock);
	d->count++;
	pthread_cond_signal(&d->work);
	wait_for(a, d, PIECES - 1);
	pthread_mutex_unlock(&d->lock);
}

/* Only the session changes it: `first` and `count` move together. */
static unsigned filling(struct direct *d)
{
	unsigned n;

	pthread_mutex_lock(&d->lock);
	n = (d->first + d->count) % PIECES;
	pthread_mutex_unlock(&d->lock);
	return n;
}

int direct_settle(struct apply *a, uint64_t id, struct err *err)
{
	struct direct *d = a->direct;
	size_t rest, len;
	unsigned n;
	uint64_t at;
	int r;

	if (!d || id == 0 || d->id != id)
		return 0;
	d->id = 0;
	if (!d->begun)
		return 0;
	d->begun = false;
	n = filling(d);
	len = d->pieces[n].len;
	at = d->pieces[n].at;
	/* Less than a whole piece is not worth waiting for the disk. */
	rest = d->on ? len % ALIGN : len;
	d->pieces[n].len = len - rest;
	if (len > rest)
		hand_over(a, d);
	pthread_mutex_lock(&d->lock);
	wait_for(a, d, 0);
	r = d->code;
	if (r < 0)
		*err = d->err;
	if (d->refused)
		a->past_cache = false;
	d->code = 0;
	pthread_mutex_unlock(&d->lock);
	d->pieces[n].len = 0;
	if (d->on)
		fsys_direct(d->fd, false);
	d->on = false;
	return r < 0 || rest == 0
		       ? r
		       : fsys_pwrite_full(d->fd, bytes_of(d, n) + len - rest,
					  rest, at + len - rest, err);
}

/* Another stage's turn: what is wrong with the one before is its own. */
static void leave(struct apply *a, struct direct *d)
{
	uint64_t id = d->id;
	struct stage *s = id ? map_get_u64(&a->stages, id) : NULL;
	struct err why;
	int r = direct_settle(a, id, &why);

	if (r < 0 && s)
		stage_spoil(a, s, id, r, why.msg);
}

/* A whole piece.  Where the file system does not want it so after all, the
 * thread writes as the session would. */
static void piece_full(struct apply *a, struct direct *d)
{
	if (!d->on && a->past_cache)
		d->on = a->past_cache = fsys_direct(d->fd, true);
	hand_over(a, d);
}

/* Into the pieces, which begin at `at` if they are empty. */
static int fill(struct apply *a, struct direct *d, const unsigned char *p,
		size_t n, uint64_t at, struct err *err)
{
	int r;

	while (n > 0) {
		unsigned k = filling(d);
		struct piece *to = &d->pieces[k];
		size_t part = PIECE - to->len < n ? PIECE - to->len : n;

		if (to->len == 0)
			to->at = at;
		memcpy(bytes_of(d, k) + to->len, p, part);
		to->len += part;
		p += part;
		n -= part;
		at += part;
		if (to->len == PIECE)
			piece_full(a, d);
	}
	pthread_mutex_lock(&d->lock);
	r = d->code;
	if (r < 0)
		*err = d->err;
	pthread_mutex_unlock(&d->lock);
	return r;
}

int direct_write(struct apply *a, struct stage *s, uint64_t id,
		 const unsigned char *p, size_t n, uint64_t at, struct err *err)
{
	struct direct *d = a->direct;
	size_t head = (size_t)(ALIGN - at % ALIGN) % ALIGN;
	int r;

	/* What is in pieces goes on so, or what follows would overtake it. */
	if ((!d || d->id != id) &&
	    (!a->past_cache || s->size < DIRECT_MIN || !(d = direct_of(a))))
		return fsys_pwrite_full(s->fd, p, n, at, err);
	if (d->id != id) {
		leave(a, d);
		d->id = id;
		d->fd = s->fd;
	}
	if (!d->begun) {
		head = head < n ? head : n;
		r = fsys_pwrite_full(s->fd, p, head, at, err);
		if (r < 0 || head == n)
			return r;
		p += head;
		n -= head;
		at += head;
		d->begun = true;
	}
	return fill(a, d, p, n, at, err);
}

void direct_release(struct apply *a)
{
	struct direct *d = a->direct;

	if (!d)
		return;
	leave(a, d);
	if (d->threaded) {
		pthread_mutex_lock(&d->lock);
		d->quit = true;
		pthread_cond_signal(&d->work);
		pthread_mutex_unlock(&d->lock);
		pthread_join(d->thread, NULL);
	}
	pthread_cond_destroy(&d->done);
	pthread_cond_destroy(&d->work);
	pthread_mutex_destroy(&d->lock);
	free(d->bytes);
	free(d);
	a->direct = NULL;
}
