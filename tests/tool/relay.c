/*
 * A relay between a loopback port and another: a slow, a distant or a bad
 * network.
 *
 *     relay PORT [--rate BYTES] [--delay MS] [--cut BYTES] [--seed N]
 *
 * listens on a port of its own, prints its number, and connects everybody who
 * comes to PORT.  --rate: bytes a second, each way.  --delay: of every byte,
 * each way (so a round trip takes twice that).  --cut: a connection ends after
 * about that many bytes of both ways (half of it to all of it, by the seed).
 * SIGUSR1 freezes all that is open: nothing more passes, nothing ends.
 * Ends with its standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE 16384
#define CONNECTIONS 64
#define QUEUE_MAX (64u << 20)

struct piece {
	struct piece *next;
	int64_t due;		/* ns, monotonic */
	size_t len, at;
	char bytes[PIECE];
};

/* One direction. */
struct way {
	int from, to;
	struct piece *first, **last;
	size_t queued;
	int ended;		/* no more comes */
	int64_t free_at;	/* when the line is free again */
};

struct connection {
	struct way ways[2];
	int used, frozen;
	int64_t left;		/* bytes until the cut; < 0 never */
};

static struct connection connections[CONNECTIONS];
static int64_t rate, delay, cut = -1;
static uint64_t state = 1;
static volatile sig_atomic_t freeze;

static void on_freeze(int sig)
{
	(void)sig;
	freeze = 1;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t random_number(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void end(struct connection *c)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct way *w = &c->ways[i];

		while (w->first) {
			struct piece *p = w->first;

			w->first = p->next;
			free(p);
		}
		close(w->from);
	}
	memset(c, 0, sizeof(*c));
}

static void take(int listener, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int one = 1, i, in = accept(listener, NULL, NULL), out;
	struct connection *c = NULL;

	for (i = 0; i < CONNECTIONS && !c; i++)
		if (!connections[i].used)
			c = &connections[i];
	out = socket(AF_INET, SOCK_STREAM, 0);
	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (in < 0 || !c || out < 0 ||
	    connect(out, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(in);
		close(out);
		return;
	}
	setsockopt(in, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(out, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(in, F_SETFL, O_NONBLOCK);
	fcntl(out, F_SETFL, O_NONBLOCK);
	memset(c, 0, sizeof(*c));
	c->used = 1;
	c->left = cut < 0 ? -1
			  : cut / 2 + (int64_t)(random_number() %
						(uint64_t)(cut / 2 + 1));
	c->ways[0].from = c->ways[1].to = in;
	c->ways[0].to = c->ways[1].from = out;
	c->ways[0].last = &c->ways[0].first;
	c->ways[1].last = &c->ways[1].first;
}

static int wants(const struct way *w)
{
	/* A slow line holds a fifth of a second, and then blocks. */
	size_t most = rate ? (size_t)(rate / 5 + rate * (delay / 1000000) / 1000)
			   : QUEUE_MAX;

	return !w->ended && w->queued < (most < PIECE ? PIECE : most);
}

/* Bytes in.  0: the connection is over. */
static int fill(struct connection *c, struct way *w)
{
	struct piece *p = malloc(sizeof(*p));
	ssize_t n = p ? read(w->from, p->bytes, PIECE) : -1;
	int64_t t = now();

	if (n <= 0) {
		free(p);
		if (n < 0 && errno == EAGAIN)
			return 1;
		w->ended = 1;
		return n == 0;
	}
	p->next = NULL;
	p->len = (size_t)n;
	p->at = 0;
	if (w->free_at < t)
		w->free_at = t;
	if (rate)
		w->free_at += n * 1000000000 / rate;
	p->due = w->free_at + delay;
	*w->last = p;
	w->last = &p->next;
	w->queued += p->len;
	if (c->left >= 0) {
		c->left -= n;
		return c->left > 0;
	}
	return 1;
}

/* Bytes out that are due; *next: when there are more. */
static int drain(struct way *w, int64_t *next, int *blocked)
{
	while (w->first) {
		struct piece *p = w->first;
		ssize_t n;

		if (p->due > now()) {
			if (p->due < *next)
				*next = p->due;
			return 1;
		}
		n = write(w->to, p->bytes + p->at, p->len - p->at);
		if (n < 0 && errno == EAGAIN) {
			*blocked = 1;
			return 1;
		}
		if (n < 0)
			return 0;
		p->at += (size_t)n;
		w->queued -= (size_t)n;
		if (p->at < p->len)
			continue;
		w->first = p->next;
		if (!w->first)
			w->last = &w->first;
		free(p);
	}
	if (w->ended == 1) {
		shutdown(w->to, SHUT_WR);
		w->ended = 2;
	}
	return 1;
}

static void turn(int listener, int port)
{
	struct pollfd fds[2 + 4 * CONNECTIONS];
	struct way *ways[2 + 4 * CONNECTIONS];
	struct connection *owner[2 + 4 * CONNECTIONS];
	int64_t next = now() + 1000000000;
	nfds_t n = 2;
	int i, k, wait;

	fds[0] = (struct pollfd){listener, POLLIN, 0};
	fds[1] = (struct pollfd){0, POLLIN, 0};
	for (i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &connections[i];

		c->frozen |= c->used && freeze;
		for (k = 0; c->used && !c->frozen && k < 2; k++) {
			struct way *w = &c->ways[k];
			int blocked = 0;

			if (!drain(w, &next, &blocked)) {
				end(c);
				break;
			}
			if (wants(w)) {
				ways[n] = w;
				owner[n] = c;
				fds[n++] = (struct pollfd){w->from, POLLIN, 0};
			}
			if (blocked) {
				ways[n] = NULL;
				fds[n++] = (struct pollfd){w->to, POLLOUT, 0};
			}
		}
		if (c->used && c->ways[0].ended == 2 && c->ways[1].ended == 2)
			end(c);
	}
	freeze = 0;
	wait = (int)((next - now() + 999999) / 1000000);
	if (poll(fds, n, wait < 0 ? 0 : wait) <= 0)
		return;
	for (i = 2; i < (int)n; i++)
		if (fds[i].revents && ways[i] && owner[i]->used &&
		    !fill(owner[i], ways[i])) {
			end(owner[i]);
			break; /* the others may be its */
		}
	if (fds[0].revents)
		take(listener, port);
	if (fds[1].revents) {
		char c[64];

		if (read(0, c, sizeof(c)) <= 0)
			exit(0);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int i, port, listener = socket(AF_INET, SOCK_STREAM, 0);

	if (argc < 2 || (port = atoi(argv[1])) <= 0)
		return 1;
	for (i = 2; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--rate"))
			rate = atoll(argv[i + 1]);
		else if (!strcmp(argv[i], "--delay"))
			delay = atoll(argv[i + 1]) * 1000000;
		else if (!strcmp(argv[i], "--cut"))
			cut = atoll(argv[i + 1]);
		else if (!strcmp(argv[i], "--seed"))
			state = strtoull(argv[i + 1], NULL, 10) * 2 + 1;
		else
			return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, on_freeze);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(listener, 16) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &len) < 0)
		return 1;
	fcntl(listener, F_SETFL, O_NONBLOCK);
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	for (;;)
		turn(listener, port);
}
