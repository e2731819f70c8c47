/* A small client of ssh-agent: list keys, sign.  The protocol is the one of
 * draft-miller-ssh-agent: u32 length, u8 type, big-endian fields. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <fcntl.h>

#include "ssh_local.h"

#define ANSWER_MAX 262144u
#define REQUEST_IDENTITIES 11
#define IDENTITIES_ANSWER 12
#define SIGN_REQUEST 13
#define SIGN_RESPONSE 14

static void put32(unsigned char *p, size_t v)
{
	p[0] = (unsigned char)(v >> 24);
	p[1] = (unsigned char)(v >> 16);
	p[2] = (unsigned char)(v >> 8);
	p[3] = (unsigned char)v;
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

int agent_connect(const char *path)
{
	struct sockaddr_un a;
	int fd;

	if (!path || !*path || strlen(path) >= sizeof(a.sun_path))
		return -1;
	memset(&a, 0, sizeof(a));
	a.sun_family = AF_UNIX;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return -1;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int transfer(int fd, unsigned char *p, size_t len, bool out)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = out ? send(fd, p + done, len - done, 0)
			: recv(fd, p + done, len - done, 0);
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

/* One question, one answer (malloc'ed, without its length). */
static int ask(int fd, unsigned char *request, size_t len, unsigned type,
	       unsigned char **answer, size_t *answer_len)
{
	unsigned char head[4];

	*answer = NULL;
	put32(request, len - 4);
	if (transfer(fd, request, len, true) < 0 ||
	    transfer(fd, head, 4, false) < 0)
		return -1;
	*answer_len = get32(head);
	if (*answer_len < 1 || *answer_len > ANSWER_MAX)
		return -1;
	*answer = malloc(*answer_len);
	if (!*answer || transfer(fd, *answer, *answer_len, false) < 0 ||
	    (*answer)[0] != type) {
		free(*answer);
		*answer = NULL;
		return -1;
	}
	return 0;
}

int agent_keys(int fd, struct agent_key *keys, int most)
{
	unsigned char request[5] = {0, 0, 0, 0, REQUEST_IDENTITIES}, *answer;
	size_t len, at = 5, n, i;
	uint32_t count;
	int got = 0;

	if (ask(fd, request, 5, IDENTITIES_ANSWER, &answer, &len) < 0)
		return -1;
	count = len >= 5 ? get32(answer + 1) : 0;
	for (i = 0; i < count && got < most && at + 4 <= len; i++) {
		struct agent_key *k = &keys[got];

		n = get32(answer + at);
		at += 4;
		if (n > len - at)
			break;
		if (n >= 4 && n <= sizeof(k->blob)) {
			uint32_t t = get32(answer + at);

			memcpy(k->blob, answer + at, n);
			k->len = n;
			if (t <= n - 4 && t < sizeof(k->type)) {
				memcpy(k->type, answer + at + 4, t);
				k->type[t] = 0;
				got++;
			}
		}
		at += n;
		if (at + 4 > len)
			break;
		n = get32(answer + at); /* the comment */
		at += 4;
		if (n > len - at)
			break;
		at += n;
	}
	free(answer);
	return got;
}

int agent_sign(int fd, const struct agent_key *key, const unsigned char *data,
	       size_t len, uint32_t flags, unsigned char **sig, size_t *sig_len)
{
	size_t total = 5 + 4 + key->len + 4 + len + 4, alen, n, m;
	unsigned char *request = malloc(total), *answer, *p = request;
	int r;

	if (!request)
		return -1;
	p[4] = SIGN_REQUEST;
	p += 5;
	put32(p, key->len);
	memcpy(p + 4, key->blob, key->len);
	p += 4 + key->len;
	put32(p, len);
	memcpy(p + 4, data, len);
	p += 4 + len;
	put32(p, flags);
	r = ask(fd, request, total, SIGN_RESPONSE, &answer, &alen);
	free(request);
	if (r < 0)
		return -1;
	/* string { string algorithm, string signature } */
	r = -1;
	n = alen >= 9 ? get32(answer + 5) : SIZE_MAX;
	if (n != SIZE_MAX && 9 + n + 4 <= alen) {
		m = get32(answer + 9 + n);
		if (13 + n + m <= alen && (*sig = malloc(m)) != NULL) {
			memcpy(*sig, answer + 13 + n, m);
			*sig_len = m;
			r = 0;
		}
	}
	free(answer);
	return r;
}
