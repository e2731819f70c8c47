/*
 * Logging in: --identity, the agent's keys, key files.  RSA needs signatures
 * with SHA-2, which libssh2 before 1.11 makes from no key of ours: there an
 * agent signs, and for a key in a file one of our own is started.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "snapsync/clock.h"
#include "ssh2_local.h"

#define AGENT_KEYS 32
#define AGENT_TRIES 5
#define FLAG_SHA2_256 2u
#define FLAG_SHA2_512 4u

struct signer {
	int fd;
	const struct agent_key *key;
	uint32_t flags;
};

/* libssh2 asks for a signature; it will free it. */
static int sign(LIBSSH2_SESSION *session, unsigned char **sig, size_t *sig_len,
		const unsigned char *data, size_t len, void **abstract)
{
	const struct signer *g = *abstract;

	(void)session;
	return agent_sign(g->fd, g->key, data, len, g->flags, sig, sig_len);
}

/* The blob with the algorithm that shall sign in place of "ssh-rsa". */
static size_t rename_blob(const struct agent_key *k, const char *name,
			  unsigned char *out)
{
	size_t was = 4 + strlen(k->type), n = strlen(name);

	out[0] = out[1] = out[2] = 0;
	out[3] = (unsigned char)n;
	memcpy(out + 4, name, n);
	memcpy(out + 4 + n, k->blob + was, k->len - was);
	return 4 + n + k->len - was;
}

static int try_agent_key(struct ssh2 *s, int fd, const struct agent_key *key)
{
	static const struct {
		const char *name;
		uint32_t flags;
	} rsa[] = {{"rsa-sha2-512", FLAG_SHA2_512},
		   {"rsa-sha2-256", FLAG_SHA2_256}};
	struct signer g = {fd, key, 0};
	unsigned char blob[4200];
	void *abstract = &g;
	size_t i, len;
	int r;

	if (strcmp(key->type, "ssh-rsa") != 0)
		return libssh2_userauth_publickey(s->session, s->set.user,
						  key->blob, key->len, sign,
						  &abstract);
	for (i = 0; i < 2; i++) {
		g.flags = rsa[i].flags;
		len = rename_blob(key, rsa[i].name, blob);
		abstract = &g;
		r = libssh2_userauth_publickey(s->session, s->set.user, blob,
					       len, sign, &abstract);
		if (r == 0)
			return 0;
	}
	return -1;
}

/* Is this key one of the identity files' (by their .pub)? */
static bool is_identity(const struct ssh2 *s, const struct agent_key *key)
{
	char path[SSH_PATH + 8], line[8192], *base64 = malloc(key->len * 2 + 8);
	bool found = false;
	size_t i;
	FILE *f;

	if (!base64)
		return false;
	known_hosts_base64(key->blob, key->len, true, base64);
	for (i = 0; i < s->set.identities && !found; i++) {
		snprintf(path, sizeof(path), "%s.pub", s->set.identity[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f))
			found = strstr(line, base64) != NULL;
		fclose(f);
	}
	free(base64);
	return found;
}

/* Is it of no use to try another key?  The server said goodbye (too many
 * tries), the connection is gone, or the time. */
static bool over(struct ssh2 *s)
{
	return s->broken || ssh2_late(s) ||
	       libssh2_session_last_errno(s->session) ==
		       LIBSSH2_ERROR_SOCKET_DISCONNECT;
}

static bool login_by_agent(struct ssh2 *s, const char *path, bool only_ours)
{
	struct agent_key *keys;
	int fd = agent_connect(path), n, i, tries = 0, round;
	bool in = false;

	if (fd < 0)
		return false;
	keys = calloc(AGENT_KEYS, sizeof(*keys));
	n = keys ? agent_keys(fd, keys, AGENT_KEYS) : 0;
	/* The ones that the configuration names come first. */
	for (round = 0; round < 2 && !in; round++)
		for (i = 0; i < n && !in && tries < AGENT_TRIES && !over(s);
		     i++) {
			bool ours = is_identity(s, &keys[i]);

			if (ours != (round == 0) || (round == 1 && only_ours))
				continue;
			in = try_agent_key(s, fd, &keys[i]) == 0;
			tries++;
		}
	free(keys);
	close(fd);
	return in;
}

struct key_file {
	bool exists, rsa, locked;
};

/* What kind of private key is in the file?  (PROTOCOL.key of OpenSSH: the
 * names of cipher and key type lie in the clear.) */
static struct key_file look_at(const char *path)
{
	struct key_file k = {false, false, false};
	char text[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return k;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return k;
	text[n] = 0;
	k.exists = true;
	if (strstr(text, "BEGIN OPENSSH PRIVATE KEY")) {
		/* base64 of "openssh-key-v1\0" u32 "none" at a fixed place */
		k.locked = !strstr(text, "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU");
		/* "ssh-rsa" in base64, in its three alignments */
		k.rsa = strstr(text, "c3NoLXJzY") ||
			strstr(text, "zc2gtcnNh") ||
			strstr(text, "Nzc2gtcnNh") || strstr(text, "zaC1yc2");
	} else {
		k.rsa = strstr(text, "BEGIN RSA PRIVATE KEY") != NULL;
		k.locked = strstr(text, "ENCRYPTED") != NULL;
	}
	return k;
}

static bool ask_passphrase(struct ssh2 *s, const char *path, char *out,
			   size_t size)
{
	char prompt[SSH_PATH + 64];

	if (!s->target->ask)
		return false;
	snprintf(prompt, sizeof(prompt), "Passphrase for key %s: ", path);
	return s->target->ask(s->target->ask_arg, prompt, out, size) >= 0;
}

/* The script that hands ssh-add the passphrase, from the environment. */
static bool write_script(const char *path)
{
	static const char text[] =
		"#!/bin/sh\nprintf '%s\\n' \"$SNAPSYNC_PASS\"\n";
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	bool done = fd >= 0 && write(fd, text, sizeof(text) - 1) ==
				       (ssize_t)sizeof(text) - 1;

	if (fd >= 0)
		close(fd);
	return done;
}

/* The key into the agent at sock. */
static bool add_key(const char *sock, const char *script, const char *path,
		    const char *pass)
{
	char at[128], ask[128], out[256];
	const char *add[] = {"env",	   at,
			     ask,	   "SSH_ASKPASS_REQUIRE=force",
			     "DISPLAY=:0", "ssh-add",
			     path,	   NULL};
	bool done;

	snprintf(at, sizeof(at), "SSH_AUTH_SOCK=%s", sock);
	snprintf(ask, sizeof(ask), "SSH_ASKPASS=%s", script);
	setenv("SNAPSYNC_PASS", pass ? pass : "", 1);
	done = child_capture(add, out, sizeof(out), 20000) == 0;
	unsetenv("SNAPSYNC_PASS");
	return done;
}

/* An agent of our own in a private directory, for one key. */
static bool own_agent(struct ssh2 *s, const char *path, const char *pass)
{
	char dir[] = "/tmp/snapsync-XXXXXX", sock[64], script[64];
	const char *start[] = {"ssh-agent", "-D", "-a", sock, NULL};
	bool in = false;
	pid_t pid = 0;
	int fd, i;

	if (!mkdtemp(dir))
		return false;
	snprintf(sock, sizeof(sock), "%s/agent", dir);
	snprintf(script, sizeof(script), "%s/ask", dir);
	fd = write_script(script) ? child_socket(start, &pid) : -1;
	for (i = 0; fd >= 0 && i < 200 && access(sock, F_OK) < 0; i++)
		clock_sleep(10 * CLOCK_MS);
	if (fd >= 0 && add_key(sock, script, path, pass))
		in = login_by_agent(s, sock, false);
	if (fd >= 0)
		close(fd);
	if (pid > 0) {
		kill(pid, SIGTERM);
		child_reap(pid);
	}
	unlink(script);
	unlink(sock);
	rmdir(dir);
	return in;
}

static bool login_by_file(struct ssh2 *s, const char *path)
{
	struct key_file k = look_at(path);
	char pub[SSH_PATH + 8], pass[512] = "";
	bool in;

	if (!k.exists)
		return false;
	if (k.locked && !ask_passphrase(s, path, pass, sizeof(pass))) {
		log_line(s->log, LOG_WARN,
			 "the key %s has a passphrase, and there is no "
			 "terminal to ask for it: put it into ssh-agent",
			 path);
		return false;
	}
	if (k.rsa && LIBSSH2_VERSION_NUM < 0x010b00) {
		in = own_agent(s, path, k.locked ? pass : NULL);
	} else {
		snprintf(pub, sizeof(pub), "%s.pub", path);
		in = libssh2_userauth_publickey_fromfile(
			     s->session, s->set.user,
			     access(pub, R_OK) == 0 ? pub : NULL, path,
			     k.locked ? pass : NULL) == 0;
	}
	memset(pass, 0, sizeof(pass));
	return in;
}

static bool login_by_password(struct ssh2 *s, const char *methods)
{
	char prompt[640], pass[512];
	bool in = false;
	int tries;

	if (!strstr(methods, "password") || !s->target->ask)
		return false;
	snprintf(prompt, sizeof(prompt), "%s@%s's password: ", s->set.user,
		 s->host);
	for (tries = 0; tries < 3 && !in; tries++) {
		if (s->target->ask(s->target->ask_arg, prompt, pass,
				   sizeof(pass)) < 0)
			break;
		/* A person took his time: that does not count. */
		s->deadline = clock_mono() +
			      s->target->connect_timeout * CLOCK_SECOND;
		in = libssh2_userauth_password(s->session, s->set.user, pass) ==
		     0;
	}
	memset(pass, 0, sizeof(pass));
	return in;
}

/* Why nobody was let in. */
static int refused(struct ssh2 *s, const char *methods, struct err *err)
{
	if (s->broken)
		return err_set(err, ERR_SOCKET,
			       "the connection to %s was lost during the login",
			       s->host);
	if (ssh2_late(s))
		return ssh2_timed_out(s, err);
	return err_set(err, ERR_START,
		       "the login as %s at %s was refused (tried the agent's "
		       "keys and %zu key files; the server allows %s): check "
		       "with ssh %s@%s",
		       s->set.user, s->host, s->set.identities, methods,
		       s->set.user, s->host);
}

int ssh2_auth_login(struct ssh2 *s, struct err *err)
{
	const char *agent = s->set.agent[0] ? s->set.agent
					    : getenv("SSH_AUTH_SOCK");
	const char *listed = libssh2_userauth_list(
		s->session, s->set.user, (unsigned)strlen(s->set.user));
	char methods[512];
	bool in = false;
	size_t i;

	if (!listed && libssh2_userauth_authenticated(s->session))
		return 0;
	snprintf(methods, sizeof(methods), "%s", listed ? listed : "");
	if (!s->broken && ssh2_late(s))
		return ssh2_timed_out(s, err);
	if (s->broken || !listed)
		return err_set(err, ERR_SOCKET,
			       "%s closed the connection before the login",
			       s->host);
	if (strstr(methods, "publickey")) {
		if (s->target->identity)
			in = login_by_file(s, s->set.identity[0]);
		if (!in && !over(s) && !s->set.no_agent && agent)
			in = login_by_agent(s, agent, s->set.identities_only);
		for (i = s->target->identity ? 1 : 0;
		     !in && !over(s) && i < s->set.identities; i++)
			in = login_by_file(s, s->set.identity[i]);
	}
	if (!in && !over(s))
		in = login_by_password(s, methods);
	return in ? 0 : refused(s, methods, err);
}
