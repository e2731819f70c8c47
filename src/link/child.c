/*
 * A link to a child process: the helper itself (local destination), or a
 * program that brings us to it (-e).  Its stdin and stdout are one end of a
 * socket pair, so that a dead child is an error and not a SIGPIPE.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "link_local.h"
#include "snapsync/clock.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* the program ignores SIGPIPE there */
#endif

struct child {
	struct link link;
	pid_t pid;
	int fd;	    /* -1 when closed */
	int err_fd; /* -1 at its end */
	struct far far;
	bool is_helper;
	char helper[256], host[256];
};

static void keep_open_only(int in_out, int err_fd)
{
	dup2(in_out, STDIN_FILENO);
	dup2(in_out, STDOUT_FILENO);
	if (err_fd >= 0)
		dup2(err_fd, STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
}

static void set_flags(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static pid_t start(const char *const argv[], int in_out, int err_fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		keep_open_only(in_out, err_fd);
		/* A terminal's SIGINT is for us to handle, in order. */
		signal(SIGINT, SIG_IGN);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return pid;
}

/* What is there of the child's standard error. */
static void drain(struct child *c)
{
	char bytes[4096];
	ssize_t n;

	while (c->err_fd >= 0) {
		n = read(c->err_fd, bytes, sizeof(bytes));
		if (n > 0) {
			far_take(&c->far, bytes, (size_t)n);
			continue;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			far_end(&c->far);
			close(c->err_fd);
			c->err_fd = -1;
		}
		return;
	}
}

/* The stream ended: say why, from the child's status and last words. */
static int ended(struct child *c, struct err *err)
{
	int status = 0, tries;

	for (tries = 0; tries < 100; tries++) {
		drain(c);
		if (c->pid <= 0 || waitpid(c->pid, &status, WNOHANG) != 0)
			break;
		clock_sleep(10 * CLOCK_MS);
	}
	drain(c);
	c->far.held = false;
	c->pid = tries < 100 ? -1 : c->pid;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		if (c->is_helper || strstr(c->far.last, c->helper))
			return exec_helper_missing(
				c->helper, c->host[0] ? c->host : NULL, err);
		return err_set(err, ERR_START, "the %s of -e was not found",
			       c->link.what);
	}
	if (!c->is_helper && WIFEXITED(status) && WEXITSTATUS(status) == 255) {
		bool refused = strstr(c->far.last, "denied") ||
			       strstr(c->far.last, "verification failed");

		return err_set(err, refused ? ERR_START : ERR_SOCKET,
			       "no connection to %s: %s", c->host,
			       c->far.last[0] ? c->far.last : "exit 255");
	}
	if (!c->far.last[0])
		snprintf(c->far.last, sizeof(c->far.last), "%s %d",
			 WIFSIGNALED(status) ? "signal" : "exit",
			 WIFSIGNALED(status) ? WTERMSIG(status)
					     : WEXITSTATUS(status));
	return err_set(err, ERR_STREAM, "the %s ended early: %s", c->link.what,
		       c->far.last);
}

static ssize_t child_read(struct link *l, void *bytes, size_t size,
			  struct err *err)
{
	struct child *c = (struct child *)(void *)l;
	ssize_t n = recv(c->fd, bytes, size, 0);

	if (n > 0) {
		far_show(&c->far);
		return n;
	}
	if (n < 0 &&
	    (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
		drain(c);
		return 0;
	}
	return ended(c, err);
}

static ssize_t child_write(struct link *l, const void *bytes, size_t size,
			   struct err *err)
{
	struct child *c = (struct child *)(void *)l;
	ssize_t n = send(c->fd, bytes, size, MSG_NOSIGNAL);

	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return 0;
	/* It may have said why before it went: let read find that.  These
	 * bytes are lost, so nothing must come behind them. */
	if (errno == EPIPE || errno == ECONNRESET) {
		shutdown(c->fd, SHUT_WR);
		return (ssize_t)size;
	}
	return ended(c, err);
}

static int child_wait(struct link *l, int want, int timeout_ms, struct err *err)
{
	struct child *c = (struct child *)(void *)l;
	struct pollfd p[2];

	p[0].fd = c->fd;
	p[0].events = (short)((want & LINK_READ ? POLLIN : 0) |
			      (want & LINK_WRITE ? POLLOUT : 0));
	p[1].fd = c->err_fd;
	p[1].events = POLLIN;
	p[0].revents = p[1].revents = 0;
	if (poll(p, 2, timeout_ms) < 0)
		return errno == EINTR ? 0
				      : err_sys(err, ERR_SOCKET, errno, "poll");
	if (p[1].revents)
		drain(c);
	return (p[0].revents & (POLLIN | POLLHUP | POLLERR) ? LINK_READ : 0) |
	       (p[0].revents & POLLOUT ? LINK_WRITE : 0);
}

void child_reap(pid_t pid)
{
	int tries, status;

	for (tries = 0; pid > 0 && tries < 100; tries++) {
		if (waitpid(pid, &status, WNOHANG) != 0)
			return;
		clock_sleep(10 * CLOCK_MS);
	}
	if (pid > 0) {
		kill(pid, SIGTERM);
		for (tries = 0; tries < 20; tries++) {
			if (waitpid(pid, &status, WNOHANG) != 0)
				return;
			clock_sleep(10 * CLOCK_MS);
		}
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
}

static void child_close(struct link *l)
{
	struct child *c = (struct child *)(void *)l;

	close(c->fd);
	child_reap(c->pid);
	drain(c);
	far_show(&c->far);
	if (c->err_fd >= 0)
		close(c->err_fd);
	free(c);
}

static const struct link_ops child_ops = {child_read, child_write, child_wait,
					  child_close};

static int make_pipes(int pair[2], int errs[2], struct err *err)
{
	int i;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return err_sys(err, ERR_START, errno, "socketpair");
	if (pipe(errs) < 0) {
		close(pair[0]);
		close(pair[1]);
		return err_sys(err, ERR_START, errno, "pipe");
	}
	set_flags(pair[0]);
	set_flags(pair[1]);
	set_flags(errs[0]);
	set_flags(errs[1]);
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0 &&
	    fcntl(errs[0], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	err_sys(err, ERR_START, errno, "fcntl");
	for (i = 0; i < 2; i++) {
		close(pair[i]);
		close(errs[i]);
	}
	return err->code;
}

int child_open(const struct child_start *s, struct link **out, struct err *err)
{
	struct child *c = calloc(1, sizeof(*c));
	int pair[2], errs[2], r, room = 1 << 20;

	*out = NULL;
	if (!c)
		return err_set(err, ERR_MEMORY, "out of memory");
	r = make_pipes(pair, errs, err);
	if (r < 0) {
		free(c);
		return r;
	}
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	c->link.ops = &child_ops;
	snprintf(c->link.what, sizeof(c->link.what), "%s", s->what);
	snprintf(c->helper, sizeof(c->helper), "%s",
		 s->helper ? s->helper : "");
	snprintf(c->host, sizeof(c->host), "%s", s->host ? s->host : "");
	c->is_helper = s->is_helper;
	c->far.log = s->log;
	c->fd = pair[0];
	c->err_fd = errs[0];
	c->pid = start(s->argv, pair[1], errs[1]);
	close(pair[1]);
	close(errs[1]);
	if (c->pid < 0) {
		r = err_sys(err, ERR_START, errno, "fork");
		child_close(&c->link);
		return r;
	}
	*out = &c->link;
	return 0;
}

int link_open_child(const char *const argv[], const struct log *log,
		    struct link **out, struct err *err)
{
	struct child_start s = {argv, log, "local helper", true, argv[0], NULL};

	return child_open(&s, out, err);
}

int child_socket(const char *const argv[], pid_t *pid)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -1;
	set_flags(pair[0]);
	set_flags(pair[1]);
	*pid = start(argv, pair[1], -1);
	close(pair[1]);
	if (*pid < 0) {
		close(pair[0]);
		return -1;
	}
	return pair[0];
}

int child_capture(const char *const argv[], char *out, size_t size,
		  int timeout_ms)
{
	int64_t end = clock_mono() + timeout_ms * CLOCK_MS;
	size_t len = 0;
	int p[2], status = 0;
	pid_t pid;

	out[0] = 0;
	if (pipe(p) < 0)
		return -1;
	set_flags(p[0]);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, STDIN_FILENO);
		dup2(null, STDERR_FILENO);
		dup2(p[1], STDOUT_FILENO);
		close(p[1]);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(p[1]);
	while (pid > 0 && len < size - 1 && clock_mono() < end) {
		struct pollfd poll_fd = {.fd = p[0], .events = POLLIN};
		ssize_t n;

		if (poll(&poll_fd, 1, 100) <= 0)
			continue;
		n = read(p[0], out + len, size - 1 - len);
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	out[len] = 0;
	close(p[0]);
	if (pid <= 0)
		return -1;
	if (clock_mono() >= end)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
