/*
 * A relay: a slow, a distant or a bad network.
 *
 *     relay [OPTION...] PORT
 *     relay [OPTION...] PROGRAM ARGUMENT...
 *
 * With a PORT it listens on a loopback port of its own, prints its number, and
 * connects everybody who comes to PORT.  With a PROGRAM it stands between its
 * own standard input and output and the program's.  Nothing is ever duplicated
 * or reordered.
 *
 *     --rate BYTES    a second, each way
 *     --delay MS      of every byte, each way (a round trip takes twice that)
 *     --jitter MS     up to so much more, by the seed
 *     --pieces N      1 to N bytes are delivered at a time (1: byte by byte)
 *     --up N          the fault comes when N bytes went up, to PORT or PROGRAM,
 *     --down N        or down, whichever is first
 *     --end HOW       the fault: close (the default), reset, half (that way is
 *                     at its end, the other goes on), stall (for ever, both)
 *     --chaos BYTES   each connection draws all that for itself: a fault after
 *                     up to so many bytes up, or an eighth of it down; pieces,
 *                     jitter
 *     --seed N        what is drawn
 *     --log FILE      a line for each connection, each fault and each quiet
 *                     end, with the time and the bytes that passed each way
 *
 * SIGUSR1 stalls all connections that are open.  With a PORT, a byte on standard
 * input is a command: p peace, no more faults; f faults again (--chaos also for
 * what is open).  It ends with its standard input.
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIECE 16384
#define CONNECTIONS 256
#define QUEUE_MAX (64u << 20)

struct piece {
	struct piece *next;
	int64_t due; /* ns, monotonic */
	size_t len, at;
	char bytes[PIECE];
};

/* One direction. */
struct way {
	int from, to;
	struct piece *first, **last;
	size_t queued;
	int ended;	 /* 1 no more comes, 2 told, 3 thrown away */
	int64_t free_at; /* when the line is free again */
	int64_t due;	 /* of the last piece: the order stays */
	int64_t left;	 /* bytes until the fault; < 0 never */
	int64_t passed;
};

enum fault { CLOSE,
	     RESET,
	     HALF,
	     STALL };
static const char *const faults[] = {"close", "reset", "half", "stall"};

struct connection {
	struct way ways[2]; /* up, down */
	int used, frozen;
	int64_t opened;
	enum fault fault;
	int64_t jitter; /* ns */
	unsigned pieces;
};

static struct connection connections[CONNECTIONS];
static int64_t rate, delay, jitter, chaos, at_byte[2] = {-1, -1};
static enum fault fault = CLOSE;
static unsigned pieces;
static uint64_t state = 1;
static volatile sig_atomic_t freeze;
static int peace, is_program;
static pid_t program;
static FILE *notes;

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

static void note(const char *what, const struct connection *c)
{
	if (!notes)
		return;
	fprintf(notes, "%.3f %s up %lld down %lld\n", (double)now() / 1e9,
		what, (long long)c->ways[0].passed,
		(long long)c->ways[1].passed);
	fflush(notes);
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

static struct connection *free_place(void)
{
	struct connection *c, *oldest = NULL;

	for (c = connections; c < connections + CONNECTIONS; c++) {
		if (!c->used)
			return c;
		if (c->frozen && (!oldest || c->opened < oldest->opened))
			oldest = c;
	}
	if (oldest)
		end(oldest);
	return oldest;
}

static void draw(struct connection *c)
{
	struct way *w = &c->ways[random_number() / 16 % 2];

	w->left = (int64_t)(random_number() % (uint64_t)chaos) >>
		  (random_number() / 16 % 4);
	if (w == &c->ways[1]) /* less comes down than goes up */
		w->left /= 8;
	/* Stalls take time: fewer of them. */
	c->fault = random_number() / 16 % 8 ? random_number() / 16 % 3 : STALL;
	switch (random_number() / 16 % 4) {
	case 0:
		c->pieces = 1 + random_number() / 16 % 3;
		break;
	case 1:
		c->pieces = 1400;
		break;
	case 2:
		c->jitter = 5000000;
		break;
	default:
		break;
	}
}

static void begin(struct connection *c, int in, int in_back, int out)
{
	int i;

	memset(c, 0, sizeof(*c));
	c->used = 1;
	c->opened = now();
	c->ways[0].from = in;
	c->ways[1].to = in_back;
	c->ways[0].to = c->ways[1].from = out;
	fcntl(in, F_SETFL, O_NONBLOCK);
	fcntl(in_back, F_SETFL, O_NONBLOCK);
	fcntl(out, F_SETFL, O_NONBLOCK);
	c->pieces = pieces;
	c->jitter = jitter;
	c->fault = fault;
	for (i = 0; i < 2; i++) {
		c->ways[i].last = &c->ways[i].first;
		c->ways[i].left = peace ? -1 : at_byte[i];
	}
	if (chaos && !peace)
		draw(c);
	note("open", c);
}

static void take(int listener, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int one = 1, in = accept(listener, NULL, NULL), out;
	struct connection *c;

	if (in < 0)
		return;
	c = free_place();
	out = socket(AF_INET, SOCK_STREAM, 0);
	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!c || out < 0 ||
	    connect(out, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(in);
		close(out);
		return;
	}
	setsockopt(in, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(out, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	begin(c, in, in, out);
}

/* The fault of a connection, come to by way w.  1: it goes on. */
static int strike(struct connection *c, struct way *w)
{
	struct linger now_or_never = {1, 0};

	note(faults[c->fault], c);
	c->ways[0].left = c->ways[1].left = -1;
	switch (c->fault) {
	case STALL:
		c->frozen = 1;
		return 1;
	case HALF:
		while (w->first) {
			struct piece *p = w->first;

			w->first = p->next;
			free(p);
		}
		w->last = &w->first;
		w->queued = 0;
		if (shutdown(w->to, SHUT_WR) < 0)
			close(w->to);
		w->ended = w->ended ? 2 : 3;
		return 1;
	case RESET:
		setsockopt(c->ways[0].from, SOL_SOCKET, SO_LINGER,
			   &now_or_never, sizeof(now_or_never));
		setsockopt(c->ways[0].to, SOL_SOCKET, SO_LINGER, &now_or_never,
			   sizeof(now_or_never));
		return 0;
	default:
		return 0;
	}
}

static int wants(const struct way *w)
{
	/* A slow line holds a fifth of a second, and then blocks. */
	size_t most = rate ? (size_t)(rate / 5 + rate * (delay / 1000000) / 1000)
			   : QUEUE_MAX;

	return w->ended == 3 || (!w->ended && w->queued < (most < PIECE ? PIECE : most));
}

/* Bytes in.  0: the connection is over. */
static int fill(struct connection *c, struct way *w)
{
	struct piece *p = malloc(sizeof(*p));
	ssize_t n = p ? read(w->from, p->bytes, PIECE) : -1;
	int64_t t = now();

	if (n <= 0 || w->ended == 3) {
		free(p);
		if (n > 0 || (n < 0 && errno == EAGAIN))
			return 1;
		w->ended = w->ended == 3 ? 2 : 1;
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
	if (c->jitter)
		p->due += (int64_t)(random_number() % (uint64_t)c->jitter);
	if (p->due < w->due)
		p->due = w->due;
	w->due = p->due;
	*w->last = p;
	w->last = &p->next;
	w->queued += p->len;
	return 1;
}

/* How much of a piece goes at once. */
static size_t portion(const struct connection *c, const struct way *w,
		      size_t most)
{
	if (c->pieces && most > c->pieces)
		most = c->pieces;
	if (c->pieces && !peace)
		most = 1 + random_number() / 16 % most;
	return w->left >= 0 && most > (size_t)w->left ? (size_t)w->left : most;
}

/* Bytes out that are due; *next: when there are more.  0: the connection is
 * over. */
static int drain(struct connection *c, struct way *w, int64_t *next,
		 int *blocked)
{
	if (w->left == 0)
		return strike(c, w);
	while (w->first) {
		struct piece *p = w->first;
		ssize_t n;

		if (p->due > now()) {
			if (p->due < *next)
				*next = p->due;
			return 1;
		}
		n = write(w->to, p->bytes + p->at,
			  portion(c, w, p->len - p->at));
		if (n < 0 && errno == EAGAIN) {
			*blocked = 1;
			return 1;
		}
		if (n < 0)
			return 0;
		p->at += (size_t)n;
		w->queued -= (size_t)n;
		w->passed += n;
		if (w->left > 0 && (w->left -= n) == 0)
			return strike(c, w);
		if (p->at == p->len) {
			w->first = p->next;
			if (!w->first)
				w->last = &w->first;
			free(p);
		}
		if (c->pieces) { /* the next one by itself */
			*next = w->first ? 0 : *next;
			return 1;
		}
	}
	if (w->ended == 1) {
		if (shutdown(w->to, SHUT_WR) < 0)
			close(w->to);
		w->ended = 2;
	}
	return 1;
}

/* Is there anybody left to whom it is stalled?  Only of a program's. */
static void look_after(const struct connection *c)
{
	struct pollfd p = {c->ways[0].from, POLLRDHUP, 0};

	if (is_program && poll(&p, 1, 0) > 0)
		exit(255);
}

static void obey(void)
{
	char text[64];
	ssize_t i, n = read(0, text, sizeof(text));
	struct connection *c;

	if (n <= 0)
		exit(0);
	for (i = 0; i < n; i++)
		if (text[i] == 'p' || text[i] == 'f')
			peace = text[i] == 'p';
	for (c = connections; c < connections + CONNECTIONS; c++)
		if (peace)
			c->ways[0].left = c->ways[1].left = -1;
		else if (c->used && !c->frozen && chaos)
			draw(c); /* counted from now */
}

static void leave(void)
{
	int status = 0, tries;

	for (tries = 0; tries < 20; tries++) {
		if (waitpid(program, &status, WNOHANG) > 0)
			exit(WIFEXITED(status) ? WEXITSTATUS(status) : 255);
		usleep(1000);
	}
	exit(255);
}

static void turn(int listener, int port)
{
	static struct pollfd fds[2 + 4 * CONNECTIONS];
	static struct way *ways[2 + 4 * CONNECTIONS];
	static struct connection *owner[2 + 4 * CONNECTIONS];
	int64_t next = now() + 1000000000;
	nfds_t n = 2;
	int i, k, wait;

	fds[0] = (struct pollfd){listener, POLLIN, 0};
	fds[1] = (struct pollfd){is_program ? -1 : 0, POLLIN, 0};
	for (i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &connections[i];

		c->frozen |= c->used && freeze;
		if (c->frozen)
			look_after(c);
		for (k = 0; c->used && !c->frozen && k < 2; k++) {
			struct way *w = &c->ways[k];
			int blocked = 0;

			if (!drain(c, w, &next, &blocked)) {
				end(c);
				break;
			}
			if (c->frozen)
				break;
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
		/* A program that said its last word is over. */
		if (c->used && c->ways[1].ended == 2 &&
		    (is_program || c->ways[0].ended == 2)) {
			note("end", c);
			end(c);
		}
	}
	freeze = 0;
	if (is_program && !connections[0].used)
		leave();
	wait = (int)((next - now() + 999999) / 1000000);
	if (poll(fds, n, wait < 0 ? 0 : wait) <= 0)
		return;
	for (i = 2; i < (int)n; i++)
		if (fds[i].revents && ways[i] && owner[i]->used &&
		    !fill(owner[i], ways[i])) {
			end(owner[i]);
			break; /* the others may be its */
		}
	if (fds[1].revents)
		obey();
	if (fds[0].revents)
		take(listener, port);
}

/* Start the program with one end of a socket pair. */
static int run(char **command)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -1;
	fcntl(pair[0], F_SETFD, FD_CLOEXEC);
	program = fork();
	if (program == 0) {
		dup2(pair[1], 0);
		dup2(pair[1], 1);
		close(pair[1]);
		execvp(command[0], command);
		_exit(127);
	}
	close(pair[1]);
	begin(&connections[0], 0, 1, pair[0]);
	return program < 0 ? -1 : 0;
}

static int listen_on(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(listener, 16) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &len) < 0)
		return -1;
	fcntl(listener, F_SETFL, O_NONBLOCK);
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	return listener;
}

static int option(const char *name, const char *value)
{
	int64_t n = atoll(value);
	unsigned i;

	if (!strcmp(name, "--rate"))
		rate = n;
	else if (!strcmp(name, "--delay"))
		delay = n * 1000000;
	else if (!strcmp(name, "--jitter"))
		jitter = n * 1000000;
	else if (!strcmp(name, "--pieces"))
		pieces = (unsigned)n;
	else if (!strcmp(name, "--up"))
		at_byte[0] = n;
	else if (!strcmp(name, "--down"))
		at_byte[1] = n;
	else if (!strcmp(name, "--chaos"))
		chaos = n;
	else if (!strcmp(name, "--seed"))
		state = (uint64_t)n * 2654435761u + 88172645463325252ull;
	else if (!strcmp(name, "--log"))
		return (notes = fopen(value, "ae")) != NULL;
	else if (!strcmp(name, "--end")) {
		for (i = 0; i < 4 && strcmp(value, faults[i]) != 0; i++)
			;
		fault = (enum fault)i;
		return i < 4;
	} else
		return 0;
	return 1;
}

int main(int argc, char **argv)
{
	int i, port, listener = -1;

	for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2)
		if (!option(argv[i], argv[i + 1]))
			return 1;
	if (i >= argc)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, on_freeze);
	port = atoi(argv[i]);
	is_program = port <= 0;
	if (is_program ? run(argv + i) < 0 : (listener = listen_on()) < 0)
		return 1;
	for (;;)
		turn(listener, port);
}
