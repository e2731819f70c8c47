/* One end of the protocol for tests that break it: frames in and out over two
 * descriptors, with a deadline for everything. */
#ifndef TEST_PEER_H
#define TEST_PEER_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "snapsync/clock.h"
#include "snapsync/frame.h"

#define PEER_PATIENCE (20 * CLOCK_SECOND)

struct peer {
	pid_t pid; /* the helper that was started, or 0 */
	int to, from;
	struct buf out, in;
	size_t at;   /* of in: taken so far */
	char sender; /* whose frames come in: 'H' or 'C' */
	bool over;   /* the stream ended */
};

static struct err peer_err;

static inline void peer_die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, peer_err.msg);
	exit(99);
}

static inline void peer_must(int r, const char *what)
{
	if (r < 0)
		peer_die(what);
}

static inline void peer_init(struct peer *p, int to, int from, char sender)
{
	memset(p, 0, sizeof(*p));
	p->to = to;
	p->from = from;
	p->sender = sender;
	buf_init(&p->out, 8u << 20);
	buf_init(&p->in, 8u << 20);
	signal(SIGPIPE, SIG_IGN);
}

/* Start a helper; argv is its own. */
static inline void peer_start(struct peer *p, char *const argv[])
{
	int there[2], back[2];

	if (pipe(there) < 0 || pipe(back) < 0)
		peer_die("pipe");
	fflush(stdout);
	peer_init(p, there[1], back[0], 'H');
	p->pid = fork();
	if (p->pid < 0)
		peer_die("fork");
	if (p->pid == 0) {
		dup2(there[0], 0);
		dup2(back[1], 1);
		close(there[0]);
		close(there[1]);
		close(back[0]);
		close(back[1]);
		execv(argv[0], argv);
		_exit(127);
	}
	close(there[0]);
	close(back[1]);
}

/* What is there within ms; false if the stream is over or nothing came. */
static inline bool peer_read(struct peer *p, int ms)
{
	struct pollfd f = {p->from, POLLIN, 0};
	ssize_t n;

	if (p->over || poll(&f, 1, ms) <= 0)
		return false;
	buf_consume(&p->in, p->at);
	p->at = 0;
	peer_must(buf_reserve(&p->in, 65536, &peer_err), "too much came");
	n = read(p->from, p->in.data + p->in.len, 65536);
	if (n <= 0)
		p->over = true;
	else
		p->in.len += (size_t)n;
	return n > 0;
}

/* Send what was put; false if nobody takes it. */
static inline bool peer_flush(struct peer *p)
{
	int64_t until = clock_mono() + PEER_PATIENCE;
	size_t done = 0;
	ssize_t n;

	while (done < p->out.len && clock_mono() < until) {
		struct pollfd f = {p->to, POLLOUT, 0};
		/* A pipe with room for less than this would block us. */
		size_t left = p->out.len - done, most = left < 4096 ? left : 4096;

		if (poll(&f, 1, 10) > 0) {
			n = write(p->to, p->out.data + done, most);
			if (n < 0)
				break;
			done += (size_t)n;
		} else if (!peer_read(p, 0) && p->over) {
			break;
		}
	}
	n = done == p->out.len;
	buf_clear(&p->out);
	return n;
}

/* The next frame's type; 0 at the end of the stream or after all patience. */
static inline unsigned peer_next(struct peer *p, struct frame *f)
{
	int64_t until = clock_mono() + PEER_PATIENCE;
	int r;

	for (;;) {
		if (p->at < p->in.len) {
			r = frame_next(&p->in, p->at, p->sender, f, &peer_err);
			peer_must(r, "not a frame");
			if (r > 0) {
				p->at += f->size;
				return f->type;
			}
		}
		if (p->over || clock_mono() > until)
			return 0;
		peer_read(p, 100);
	}
}

/* ------------------------------------------------ putting frames */

static inline void peer_raw(struct peer *p, unsigned type, const void *payload, size_t len)
{
	peer_must(buf_put_u32(&p->out, (uint32_t)len, &peer_err), "put");
	peer_must(buf_put_u32(&p->out, type, &peer_err), "put");
	peer_must(buf_put(&p->out, payload, len, &peer_err), "put");
}

static inline void peer_numbers(struct peer *p, enum msg_type type, size_t n, const uint64_t *v)
{
	unsigned char bytes[64];
	size_t i;

	for (i = 0; i < 8 * n; i++)
		bytes[i] = (unsigned char)(v[i / 8] >> (8 * (i % 8)));
	peer_raw(p, type, bytes, 8 * n);
}

static inline void peer_number(struct peer *p, enum msg_type type, uint64_t n)
{
	peer_numbers(p, type, 1, &n);
}

/* What is put by `put` becomes the payload of a frame, whatever its length. */
#define PEER_FRAME(p, type, put)                                                          \
	do {                                                                              \
		struct frame_mark mark_;                                                  \
		size_t i_, len_;                                                          \
		peer_must(frame_begin(&(p)->out, (type), 0, &mark_, &peer_err), "put");   \
		peer_must((put), "put");                                                  \
		len_ = (p)->out.len - mark_.at - FRAME_HEADER;                            \
		for (i_ = 0; i_ < 4; i_++)                                                \
			(p)->out.data[mark_.at + i_] = (unsigned char)(len_ >> (8 * i_)); \
	} while (0)

#endif
