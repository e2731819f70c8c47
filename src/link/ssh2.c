/* Setting up a connection: socket, handshake, host key, login, command. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "snapsync/clock.h"
#include "ssh2_local.h"

#define CIPHERS                                                                \
	"chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr,"                 \
	"aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes192-ctr"
#define MACS "hmac-sha2-256,hmac-sha2-256-etm@openssh.com,hmac-sha2-512"

long ssh2_left(const struct ssh2 *s)
{
	int64_t ms = (s->deadline - clock_mono()) / CLOCK_MS;

	return ms < 1 ? 1 : (long)ms;
}

bool ssh2_late(const struct ssh2 *s)
{
	return libssh2_session_last_errno(s->session) ==
		       LIBSSH2_ERROR_TIMEOUT ||
	       clock_mono() > s->deadline;
}

int ssh2_timed_out(struct ssh2 *s, struct err *err)
{
	return err_set(err, ERR_CONNECT,
		       "no connection to %s within %d seconds (--contimeout)",
		       s->host, s->target->connect_timeout);
}

static int try_address(struct ssh2 *s, const struct addrinfo *a, int *sys)
{
	struct pollfd p;
	socklen_t len = sizeof(*sys);
	int fd = socket(a->ai_family, SOCK_STREAM, 0);

	if (fd < 0) {
		*sys = errno;
		return -1;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return fd;
	*sys = errno;
	if (errno == EINPROGRESS) {
		p.fd = fd;
		p.events = POLLOUT;
		*sys = ETIMEDOUT;
		if (poll(&p, 1, (int)ssh2_left(s)) > 0 &&
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, sys, &len) == 0 &&
		    *sys == 0)
			return fd;
	}
	close(fd);
	return -1;
}

static int connect_tcp(struct ssh2 *s, struct err *err)
{
	struct addrinfo hints, *all = NULL, *a;
	char port[16];
	int one = 1, sys = 0, r;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	snprintf(port, sizeof(port), "%u", s->set.port);
	r = getaddrinfo(s->set.hostname, port, &hints, &all);
	if (r != 0)
		return err_set(err, ERR_SOCKET, "%s: %s", s->set.hostname,
			       gai_strerror(r));
	for (a = all; a && s->fd < 0; a = a->ai_next)
		s->fd = try_address(s, a, &sys);
	freeaddrinfo(all);
	if (s->fd < 0 && sys == ETIMEDOUT)
		return ssh2_timed_out(s, err);
	if (s->fd < 0)
		return err_sys(err, ERR_SOCKET, sys,
			       "no connection to %s port %u", s->set.hostname,
			       s->set.port);
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(s->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	return 0;
}

/* ProxyCommand as it is; ProxyJump through the ssh program. */
static int connect_proxy(struct ssh2 *s, struct err *err)
{
	char to[300], hop[600], before[512];
	const char *argv[12], *last;
	int n = 0;

	if (s->set.proxy[0]) {
		argv[n++] = "/bin/sh";
		argv[n++] = "-c";
		argv[n++] = s->set.proxy;
	} else {
		snprintf(to, sizeof(to), "[%s]:%u", s->set.hostname,
			 s->set.port);
		snprintf(before, sizeof(before), "%s", s->set.jump);
		last = strrchr(s->set.jump, ',');
		argv[n++] = "ssh";
		if (s->target->ssh_config) {
			argv[n++] = "-F";
			argv[n++] = s->target->ssh_config;
		}
		if (last) {
			before[last - s->set.jump] = 0;
			argv[n++] = "-J";
			argv[n++] = before;
		}
		last = last ? last + 1 : s->set.jump;
		snprintf(hop, sizeof(hop), "%s%s",
			 strchr(last, ':') && strncmp(last, "ssh://", 6) != 0
				 ? "ssh://"
				 : "",
			 last);
		argv[n++] = "-W";
		argv[n++] = to;
		argv[n++] = hop;
	}
	argv[n] = NULL;
	s->fd = child_socket(argv, &s->proxy);
	if (s->fd < 0)
		return err_set(err, ERR_START, "the proxy cannot be started");
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	return 0;
}

static int session_failed(struct ssh2 *s, const char *what, struct err *err)
{
	char *text = NULL;

	if (ssh2_late(s))
		return ssh2_timed_out(s, err);
	libssh2_session_last_error(s->session, &text, NULL, 0);
	return err_set(err, ERR_SOCKET, "%s with %s failed: %s", what, s->host,
		       text ? text : "unknown reason");
}

/* Our preference, without what this libssh2 does not know: 1.10 takes such
 * names out of the list by a copy between overlapping bytes. */
static void set_methods(struct ssh2 *s, int method, const char *wanted)
{
	const char **known = NULL, *p = wanted;
	int i, n = libssh2_session_supported_algs(s->session, method, &known);
	char list[512];
	size_t len = 0;

	while (n > 0 && *p) {
		size_t one = strcspn(p, ",");

		for (i = 0; i < n; i++)
			if (strlen(known[i]) == one &&
			    memcmp(known[i], p, one) == 0)
				break;
		if (i < n && len + one + 2 < sizeof(list)) {
			if (len)
				list[len++] = ',';
			memcpy(list + len, p, one);
			len += one;
		}
		p += one + (p[one] == ',');
	}
	list[len] = 0;
	if (n > 0)
		libssh2_free(s->session, known);
	if (len)
		libssh2_session_method_pref(s->session, method, list);
}

/* libssh2 gives back what a key exchange holds at the end of the exchange only
 * (its issue 299): one that is given up is brought to its end. */
static void end_exchange(struct ssh2 *s)
{
	shutdown(s->fd, SHUT_RDWR);
	libssh2_session_set_blocking(s->session, 0);
	libssh2_session_handshake(s->session, s->fd);
}

static int handshake(struct ssh2 *s, struct err *err)
{
	char prefer[512];
	const char *key;
	struct known_hosts known;
	size_t len;
	int kind, r = known_hosts_read(&s->set, &known, err);

	if (r < 0)
		return r;
	known_hosts_prefer(&known, prefer, sizeof(prefer));
	set_methods(s, LIBSSH2_METHOD_HOSTKEY, prefer);
	set_methods(s, LIBSSH2_METHOD_CRYPT_CS, CIPHERS);
	set_methods(s, LIBSSH2_METHOD_CRYPT_SC, CIPHERS);
	set_methods(s, LIBSSH2_METHOD_MAC_CS, MACS);
	set_methods(s, LIBSSH2_METHOD_MAC_SC, MACS);
	libssh2_session_set_blocking(s->session, 1);
	libssh2_session_set_timeout(s->session, ssh2_left(s));
	r = libssh2_session_handshake(s->session, s->fd);
	if (r != 0) {
		known_hosts_release(&known);
		r = session_failed(s, "the ssh handshake", err);
		end_exchange(s);
		return r;
	}
	key = libssh2_session_hostkey(s->session, &len, &kind);
	r = key ? known_hosts_judge(&known, &s->set, s->host,
				    (const unsigned char *)key, len,
				    (const unsigned char *)libssh2_hostkey_hash(
					    s->session,
					    LIBSSH2_HOSTKEY_HASH_SHA256),
				    s->target->accept_new_host_key, s->log, err)
		: err_set(err, ERR_START, "%s has no host key", s->host);
	known_hosts_release(&known);
	return r;
}

static int run_helper(struct ssh2 *s, struct err *err)
{
	char command[2048];
	int r = exec_command(s->target, command, sizeof(command), err);

	if (r < 0)
		return r;
	libssh2_session_set_timeout(s->session, ssh2_left(s));
	s->channel = libssh2_channel_open_ex(s->session, "session", 7,
					     SSH2_WINDOW, 32768, NULL, 0);
	if (!s->channel)
		return session_failed(s, "opening a channel", err);
	r = libssh2_channel_exec(s->channel, command);
	if (r != 0)
		return session_failed(s, "starting the helper", err);
	libssh2_session_set_blocking(s->session, 0);
	return 0;
}

int link_open_ssh2(const struct link_target *target, const struct log *log,
		   struct link **out, struct err *err)
{
	struct ssh2 *s = calloc(1, sizeof(*s));
	const char *cipher;
	int r;

	*out = NULL;
	if (!s)
		return err_set(err, ERR_MEMORY, "out of memory");
	s->link.ops = &ssh2_io_ops;
	s->fd = -1;
	s->target = target;
	s->log = s->far.log = log;
	s->deadline = clock_mono() + (target->connect_timeout > 0
					      ? target->connect_timeout
					      : 86400) *
					     CLOCK_SECOND;
	snprintf(s->host, sizeof(s->host), "%s", target->host);
	snprintf(s->helper, sizeof(s->helper), "%s", target->helper);
	r = libssh2_init(0) == 0 ? 0 : err_set(err, ERR_START, "libssh2 fails");
	if (r == 0)
		r = ssh_config_read(target, &s->set, err);
	if (r == 0)
		r = ssh2_io_init(s, err);
	if (r == 0)
		r = s->set.proxy[0] || s->set.jump[0] ? connect_proxy(s, err)
						      : connect_tcp(s, err);
	if (r == 0)
		r = handshake(s, err);
	if (r == 0)
		r = ssh2_auth_login(s, err);
	if (r == 0)
		r = run_helper(s, err);
	if (r < 0) {
		ssh2_io_release(s);
		return r;
	}
	s->settled = true;
	s->target = NULL;
	cipher = libssh2_session_methods(s->session, LIBSSH2_METHOD_CRYPT_CS);
	snprintf(s->link.what, sizeof(s->link.what), "ssh2 %s",
		 cipher ? cipher : "");
	*out = &s->link;
	return 0;
}
