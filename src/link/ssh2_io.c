/*
 * The byte stream under and over libssh2.  Below it everything it wants to
 * send is taken at once into a ring of ours (so it never holds a half-sent
 * packet), and what came in is served from a large buffer.  Above it the
 * channel is read and written without blocking.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "snapsync/clock.h"
#include "ssh2_local.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

int ssh2_io_flush(struct ssh2 *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	ssize_t n;

	while (s->ring_at < s->ring.len) {
		n = send(s->fd, s->ring.data + s->ring_at,
			 s->ring.len - s->ring_at, MSG_NOSIGNAL);
		if (n > 0) {
			s->ring_at += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK) {
			s->broken = true;
			return -errno;
		}
		if (s->settled)
			break;
		if (poll(&p, 1, (int)ssh2_left(s)) == 0)
			return -ETIMEDOUT;
	}
	if (s->ring_at == s->ring.len) {
		buf_clear(&s->ring);
		s->ring_at = 0;
	}
	return 0;
}

static ssize_t send_callback(libssh2_socket_t fd, const void *bytes, size_t len,
			     int flags, void **abstract)
{
	struct ssh2 *s = *abstract;
	struct err ignored;
	int r;

	(void)fd;
	(void)flags;
	if (s->broken)
		return -EPIPE;
	if (s->ring_at > SSH2_RING_FULL) {
		buf_consume(&s->ring, s->ring_at);
		s->ring_at = 0;
	}
	if (buf_put(&s->ring, bytes, len, &ignored) < 0)
		return -ENOMEM;
	if (!s->settled) {
		r = ssh2_io_flush(s);
		if (r < 0)
			return r;
	}
	return (ssize_t)len;
}

static ssize_t recv_callback(libssh2_socket_t fd, void *bytes, size_t len,
			     int flags, void **abstract)
{
	struct ssh2 *s = *abstract;
	ssize_t n;

	(void)fd;
	(void)flags;
	if (s->released)
		return -ECONNRESET;
	if (s->cache_at == s->cache_len) {
		do
			n = recv(s->fd, s->cache, SSH2_CACHE, 0);
		while (n < 0 && errno == EINTR);
		if (n < 0) {
			s->broken = errno != EAGAIN && errno != EWOULDBLOCK;
			return -errno;
		}
		if (n == 0) {
			s->broken = true;
			return 0;
		}
		s->cache_at = 0;
		s->cache_len = (size_t)n;
	}
	if (len > s->cache_len - s->cache_at)
		len = s->cache_len - s->cache_at;
	memcpy(bytes, s->cache + s->cache_at, len);
	s->cache_at += len;
	return (ssize_t)len;
}

/* A function pointer as libssh2 wants to have it. */
static void *as_pointer(void (*f)(void))
{
	void *p;

	memcpy(&p, &f, sizeof(p));
	return p;
}

int ssh2_io_init(struct ssh2 *s, struct err *err)
{
	buf_init(&s->ring, SSH2_RING_MAX);
	s->cache = malloc(SSH2_CACHE);
	s->session = libssh2_session_init_ex(NULL, NULL, NULL, s);
	if (!s->cache || !s->session)
		return err_set(err, ERR_MEMORY, "out of memory");
	libssh2_session_callback_set(s->session, LIBSSH2_CALLBACK_SEND,
				     as_pointer((void (*)(void))send_callback));
	libssh2_session_callback_set(s->session, LIBSSH2_CALLBACK_RECV,
				     as_pointer((void (*)(void))recv_callback));
	return 0;
}

static struct ssh2 *of(struct link *l)
{
	return (struct ssh2 *)(void *)l;
}

static void take_stderr(struct ssh2 *s)
{
	char bytes[4096];
	ssize_t n;

	while ((n = libssh2_channel_read_stderr(s->channel, bytes,
						sizeof(bytes))) > 0)
		far_take(&s->far, bytes, (size_t)n);
}

static int gone(struct ssh2 *s, struct err *err)
{
	return err_set(err, ERR_SOCKET, "the connection to %s was lost",
		       s->host);
}

/* The helper's end of the stream. */
static int ended(struct ssh2 *s, struct err *err)
{
	int64_t end = clock_mono() + CLOCK_SECOND;
	int status;

	take_stderr(s);
	far_end(&s->far);
	s->far.held = false;
	/* The status comes right behind the end. */
	while (!s->broken && clock_mono() < end &&
	       libssh2_channel_wait_closed(s->channel) ==
		       LIBSSH2_ERROR_EAGAIN) {
		struct pollfd p = {.fd = s->fd, .events = POLLIN};

		ssh2_io_flush(s);
		poll(&p, 1, 50);
	}
	status = libssh2_channel_get_exit_status(s->channel);
	if (status == 127 || (strstr(s->far.last, "not found") &&
			      strstr(s->far.last, s->helper)))
		return exec_helper_missing(s->helper, s->host, err);
	return err_set(err, ERR_STREAM, "the helper on %s ended early%s%s",
		       s->host, s->far.last[0] ? ": " : "", s->far.last);
}

static ssize_t ssh2_read(struct link *l, void *bytes, size_t size,
			 struct err *err)
{
	struct ssh2 *s = of(l);
	ssize_t n;

	n = libssh2_channel_read(s->channel, bytes,
				 size > 65536 ? 65536 : size);
	if (n > 0) {
		far_show(&s->far);
		return n;
	}
	take_stderr(s);
	if (s->ring.len)
		ssh2_io_flush(s);
	if (libssh2_channel_eof(s->channel))
		return ended(s, err);
	if (s->broken)
		return gone(s, err);
	if (n == 0 || n == LIBSSH2_ERROR_EAGAIN)
		return 0;
	return gone(s, err);
}

static ssize_t ssh2_write(struct link *l, const void *bytes, size_t size,
			  struct err *err)
{
	struct ssh2 *s = of(l);
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		if (s->ring.len - s->ring_at > SSH2_RING_FULL) {
			if (ssh2_io_flush(s) < 0)
				return gone(s, err);
			if (s->ring.len - s->ring_at > SSH2_RING_FULL)
				break;
		}
		n = libssh2_channel_write(
			s->channel, (const char *)bytes + done, size - done);
		if (n == LIBSSH2_ERROR_EAGAIN || n == 0)
			break;
		if (n < 0) {
			if (libssh2_channel_eof(s->channel))
				return ended(s, err);
			return gone(s, err);
		}
		done += (size_t)n;
	}
	if (ssh2_io_flush(s) < 0)
		return gone(s, err);
	return (ssize_t)done;
}

static bool has_input(struct ssh2 *s)
{
	unsigned long waiting = 0;

	if (s->cache_at < s->cache_len)
		return true;
	libssh2_channel_window_read_ex(s->channel, &waiting, NULL);
	return waiting > 0 || libssh2_channel_eof(s->channel);
}

static int ssh2_wait(struct link *l, int want, int timeout_ms, struct err *err)
{
	struct ssh2 *s = of(l);
	struct pollfd p = {.fd = s->fd, .events = POLLIN};

	if (ssh2_io_flush(s) < 0)
		return gone(s, err);
	if (has_input(s))
		return LINK_READ;
	if (s->ring_at < s->ring.len)
		p.events |= POLLOUT;
	if (poll(&p, 1, timeout_ms) < 0)
		return errno == EINTR ? 0
				      : err_sys(err, ERR_SOCKET, errno, "poll");
	if (p.revents & POLLOUT && ssh2_io_flush(s) < 0)
		return gone(s, err);
	/* A window that opens comes in as input. */
	if (p.revents & (POLLIN | POLLHUP | POLLERR))
		return LINK_READ | (want & LINK_WRITE);
	return p.revents & POLLOUT ? want & LINK_WRITE : 0;
}

void ssh2_io_release(struct ssh2 *s)
{
	int tries;

	/* Politely, but not for long. */
	if (s->session)
		libssh2_session_set_timeout(s->session, 500);
	if (s->session && !s->broken) {
		if (s->channel) {
			libssh2_channel_close(s->channel);
			libssh2_channel_free(s->channel);
		}
		libssh2_session_disconnect(s->session, "done");
		ssh2_io_flush(s);
	}
	/* What it still wants to wait for will not come: else it would put off
	 * freeing for ever. */
	s->released = s->broken = true;
	for (tries = 0; s->session && tries < 100; tries++)
		if (libssh2_session_free(s->session) != LIBSSH2_ERROR_EAGAIN)
			break;
	if (s->fd >= 0)
		close(s->fd);
	if (s->proxy > 0)
		child_reap(s->proxy);
	buf_release(&s->ring);
	free(s->cache);
	free(s);
}

static void ssh2_close(struct link *l)
{
	far_show(&of(l)->far);
	ssh2_io_release(of(l));
}

const struct link_ops ssh2_io_ops = {ssh2_read, ssh2_write, ssh2_wait,
				     ssh2_close};
