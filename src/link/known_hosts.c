/*
 * Is it the host we know?  ssh-keygen reads the known_hosts files for us: it
 * knows hashed names, ports, patterns, markers, and steps over garbage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapsync/vec.h"
#include "ssh_local.h"

#define OUTPUT_BYTES 262144

void known_hosts_base64(const unsigned char *p, size_t len, bool pad, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789+/";
	size_t i;

	for (i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		unsigned long v = (unsigned long)p[i] << 16 |
				  (n > 1 ? (unsigned long)p[i + 1] << 8 : 0) |
				  (n > 2 ? (unsigned long)p[i + 2] : 0);

		*out++ = digits[v >> 18 & 63];
		*out++ = digits[v >> 12 & 63];
		if (n > 1)
			*out++ = digits[v >> 6 & 63];
		else if (pad)
			*out++ = '=';
		if (n > 2)
			*out++ = digits[v & 63];
		else if (pad)
			*out++ = '=';
	}
	*out = 0;
}

void known_hosts_release(struct known_hosts *k)
{
	while (k->count > 0)
		free(k->v[--k->count].base64);
	free(k->v);
	k->v = NULL;
}

/* "[@marker] hosts type base64 [comment]" */
static int take_line(struct known_hosts *k, char *line, struct err *err)
{
	char *rest = NULL, *word = strtok_r(line, " \t", &rest);
	struct known_key *key;
	bool revoked = false;
	char *type, *base64;
	int r;

	if (!word || word[0] == '#')
		return 0;
	if (word[0] == '@') {
		if (strcmp(word, "@revoked") != 0)
			return 0;
		revoked = true;
		word = strtok_r(NULL, " \t", &rest);
	}
	type = word ? strtok_r(NULL, " \t", &rest) : NULL;
	base64 = type ? strtok_r(NULL, " \t", &rest) : NULL;
	if (!base64)
		return 0;
	r = vec_grow((void **)&k->v, &k->cap, k->count + 1, sizeof(*k->v), err);
	if (r < 0)
		return r;
	key = &k->v[k->count];
	key->revoked = revoked;
	snprintf(key->type, sizeof(key->type), "%s", type);
	key->base64 = strdup(base64);
	if (!key->base64)
		return err_set(err, ERR_MEMORY, "out of memory");
	k->count++;
	return 0;
}

int known_hosts_parse(struct known_hosts *k, char *text, struct err *err)
{
	char *line, *rest = NULL;
	int r = 0;

	for (line = strtok_r(text, "\n", &rest); r == 0 && line;
	     line = strtok_r(NULL, "\n", &rest))
		r = take_line(k, line, err);
	return r;
}

int known_hosts_read(const struct ssh_settings *s, struct known_hosts *k,
		     struct err *err)
{
	char *out = malloc(OUTPUT_BYTES);
	const char *host = s->alias[0] ? s->alias : s->hostname;
	size_t i;
	int r = 0;

	memset(k, 0, sizeof(*k));
	if (!out)
		return err_set(err, ERR_MEMORY, "out of memory");
	if (s->port == 22 || s->alias[0])
		snprintf(k->name, sizeof(k->name), "%s", host);
	else
		snprintf(k->name, sizeof(k->name), "[%s]:%u", host, s->port);
	for (i = 0; r == 0 && i < s->knowns; i++) {
		const char *argv[] = {"ssh-keygen", "-F",	 k->name,
				      "-f",	    s->known[i], NULL};

		if (access(s->known[i], R_OK) < 0)
			continue;
		if (child_capture(argv, out, OUTPUT_BYTES, 10000) != 0)
			continue;
		r = known_hosts_parse(k, out, err);
	}
	free(out);
	return r;
}

void known_hosts_prefer(const struct known_hosts *k, char *out, size_t size)
{
	static const char *const all[] = {"ssh-ed25519", "ecdsa-sha2-nistp256",
					  "ecdsa-sha2-nistp384",
					  "ecdsa-sha2-nistp521", "ssh-rsa"};
	static const char *const methods[] = {
		"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
		"ecdsa-sha2-nistp521", "rsa-sha2-512,rsa-sha2-256,ssh-rsa"};
	size_t used = 0, i, n;
	int round;

	/* Kinds that are known come first; the others stay, so that a changed
	 * key of another kind is seen as such. */
	out[0] = 0;
	for (round = 0; round < 2; round++) {
		for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
			bool known = false;

			for (n = 0; n < k->count; n++)
				known |= !k->v[n].revoked &&
					 strcmp(k->v[n].type, all[i]) == 0;
			if (known != (round == 0))
				continue;
			used += (size_t)snprintf(out + used, size - used,
						 "%s%s", used ? "," : "",
						 methods[i]);
		}
	}
}

static int remember(const struct known_hosts *k, const struct ssh_settings *s,
		    const char *type, const char *base64, struct err *err)
{
	char dir[SSH_PATH], line[16384], *slash;
	int fd, n;
	ssize_t done;

	if (s->knowns == 0)
		return err_set(err, ERR_START, "there is no known_hosts file");
	snprintf(dir, sizeof(dir), "%s", s->known[0]);
	slash = strrchr(dir, '/');
	if (slash) {
		*slash = 0;
		mkdir(dir, 0700);
	}
	fd = open(s->known[0], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	n = snprintf(line, sizeof(line), "%s %s %s\n", k->name, type, base64);
	done = fd < 0 ? -1 : write(fd, line, (size_t)n);
	if (fd >= 0)
		close(fd);
	if (done != n)
		return err_sys(err, ERR_START, errno,
			       "the host key cannot be added to %s",
			       s->known[0]);
	return 0;
}

int known_hosts_judge(const struct known_hosts *k, const struct ssh_settings *s,
		      const char *host, const unsigned char *key, size_t len,
		      const unsigned char *sha256, bool accept_new,
		      const struct log *log, struct err *err)
{
	char *base64 = malloc(len * 2 + 8), print[64] = "", type[64] = "";
	const char *file = s->knowns ? s->known[0] : "known_hosts";
	size_t i, n = len >= 4 ? key[3] : 0;
	bool match = false, revoked = false, other = false, kind = false;
	int r = 0;

	if (!base64)
		return err_set(err, ERR_MEMORY, "out of memory");
	known_hosts_base64(key, len, true, base64);
	if (sha256)
		known_hosts_base64(sha256, 32, false, print);
	if (n < sizeof(type) && n + 4 <= len)
		snprintf(type, sizeof(type), "%.*s", (int)n,
			 (const char *)key + 4);
	for (i = 0; i < k->count; i++) {
		bool same = strcmp(k->v[i].base64, base64) == 0;

		revoked |= same && k->v[i].revoked;
		match |= same && !k->v[i].revoked;
		other |= !same && !k->v[i].revoked;
		kind |= !k->v[i].revoked && strcmp(k->v[i].type, type) == 0;
	}
	if (revoked)
		r = err_set(err, ERR_START,
			    "the host key of %s is marked as revoked in %s: "
			    "not connecting",
			    host, file);
	else if (!match && other && !kind)
		r = err_set(err, ERR_START,
			    "%s is known by keys of another kind only, and "
			    "this libssh2 and the server could not agree on "
			    "one of them (it showed %s SHA256:%s): add that "
			    "key to %s with ssh-keyscan after checking it, or "
			    "connect with -e ssh",
			    host, type, print, file);
	else if (!match && other)
		r = err_set(err, ERR_START,
			    "the host key of %s has changed (now %s "
			    "SHA256:%s): this may be an attack; if the change "
			    "is known to be right, remove the old key with: "
			    "ssh-keygen -R '%s' -f %s",
			    host, type, print, k->name, file);
	else if (!match && accept_new) {
		r = remember(k, s, type, base64, err);
		if (r == 0)
			log_line(log, LOG_WARN,
				 "added the host key of %s (%s SHA256:%s) to "
				 "%s",
				 host, type, print, file);
	} else if (!match)
		r = err_set(err, ERR_START,
			    "the host key of %s is not known (%s SHA256:%s): "
			    "connect once with ssh, or use "
			    "--accept-new-host-key to add it to %s",
			    host, type, print, file);
	free(base64);
	return r;
}
