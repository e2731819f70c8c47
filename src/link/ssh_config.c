/* The user's ssh configuration, as ssh itself understands it. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ssh_local.h"

#define OUTPUT_BYTES 65536

static const char *home_dir(void)
{
	const char *home = getenv("HOME");
	struct passwd *p;

	if (home && *home)
		return home;
	p = getpwuid(getuid());
	return p ? p->pw_dir : "/";
}

static const char *local_user(void)
{
	struct passwd *p = getpwuid(getuid());

	return p ? p->pw_name : "root";
}

/* "~" and the "%" tokens that make sense in file names and commands. */
static void expand(const struct ssh_settings *s, const char *host,
		   const char *in, char *out, size_t size)
{
	size_t used = 0;
	char port[16];

	if (in[0] == '~' && (in[1] == '/' || !in[1])) {
		used = (size_t)snprintf(out, size, "%s", home_dir());
		in++;
	}
	snprintf(port, sizeof(port), "%u", s->port);
	for (; *in && used + 1 < size; in++) {
		const char *value = NULL;

		if (*in == '%' && in[1]) {
			switch (in[1]) {
			case 'h': value = s->hostname; break;
			case 'p': value = port; break;
			case 'r': value = s->user; break;
			case 'd': value = home_dir(); break;
			case 'u': value = local_user(); break;
			case 'n': value = host; break;
			case '%': value = "%"; break;
			}
		}
		if (value) {
			used += (size_t)snprintf(out + used, size - used, "%s",
						 value);
			in++;
		} else {
			out[used++] = *in;
		}
	}
	out[used < size ? used : size - 1] = 0;
}

static void add_known(struct ssh_settings *s, const char *host, char *files)
{
	char *word, *rest = NULL;

	for (word = strtok_r(files, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest))
		if (s->knowns < SSH_FILES && strcmp(word, "none") != 0)
			expand(s, host, word, s->known[s->knowns++], SSH_PATH);
}

static void copy(char *out, size_t size, const char *value)
{
	snprintf(out, size, "%s", value);
}

static void take_line(struct ssh_settings *s, const char *host, char *key,
		      char *value, bool explicit_identity)
{
	if (strcmp(key, "user") == 0)
		copy(s->user, sizeof(s->user), value);
	else if (strcmp(key, "hostname") == 0)
		copy(s->hostname, sizeof(s->hostname), value);
	else if (strcmp(key, "port") == 0)
		s->port = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(key, "hostkeyalias") == 0)
		copy(s->alias, sizeof(s->alias), value);
	else if (strcmp(key, "proxyjump") == 0 && strcmp(value, "none") != 0)
		copy(s->jump, sizeof(s->jump), value);
	else if (strcmp(key, "proxycommand") == 0 && strcmp(value, "none") != 0)
		copy(s->proxy, sizeof(s->proxy), value);
	else if (strcmp(key, "identitiesonly") == 0)
		s->identities_only = strcmp(value, "yes") == 0;
	else if (strcmp(key, "identityagent") == 0 &&
		 strcmp(value, "none") == 0)
		s->no_agent = true;
	else if (strcmp(key, "identityagent") == 0 &&
		 strcmp(value, "SSH_AUTH_SOCK") != 0)
		expand(s, host, value, s->agent, sizeof(s->agent));
	else if (strcmp(key, "identityfile") == 0 && !explicit_identity &&
		 s->identities < SSH_FILES)
		expand(s, host, value, s->identity[s->identities++], SSH_PATH);
	else if (strcmp(key, "userknownhostsfile") == 0 ||
		 strcmp(key, "globalknownhostsfile") == 0)
		add_known(s, host, value);
}

static void defaults(const struct link_target *t, struct ssh_settings *s)
{
	static const char *const keys[] = {"~/.ssh/id_ed25519",
					   "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"};
	char known[] = "~/.ssh/known_hosts /etc/ssh/ssh_known_hosts";
	size_t i;

	copy(s->user, sizeof(s->user), t->user ? t->user : local_user());
	copy(s->hostname, sizeof(s->hostname), t->host);
	s->port = t->port ? t->port : 22;
	if (!t->identity)
		for (i = 0; i < 3; i++)
			expand(s, t->host, keys[i],
			       s->identity[s->identities++], SSH_PATH);
	add_known(s, t->host, known);
}

static int ask_ssh(const struct link_target *t, char *out, size_t size)
{
	const char *argv[16];
	char port[16];
	int n = 0;

	argv[n++] = "ssh";
	argv[n++] = "-G";
	if (t->ssh_config) {
		argv[n++] = "-F";
		argv[n++] = t->ssh_config;
	}
	if (t->port) {
		snprintf(port, sizeof(port), "%u", t->port);
		argv[n++] = "-p";
		argv[n++] = port;
	}
	if (t->user) {
		argv[n++] = "-l";
		argv[n++] = t->user;
	}
	argv[n++] = "--";
	argv[n++] = t->host;
	argv[n] = NULL;
	return child_capture(argv, out, size, 10000);
}

int ssh_config_parse(const struct link_target *t, const char *out,
		     struct ssh_settings *s, struct err *err)
{
	char *line, *rest = NULL, *text, *blank;
	int round;

	/* Twice: what is expanded needs user, host name and port. */
	for (round = 0; round < 2; round++) {
		text = strdup(out);
		if (!text)
			return err_set(err, ERR_MEMORY, "out of memory");
		s->knowns = 0;
		s->identities = t->identity ? 1 : 0;
		for (line = strtok_r(text, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest)) {
			blank = strchr(line, ' ');
			if (!blank)
				continue;
			*blank = 0;
			take_line(s, t->host, line, blank + 1,
				  t->identity != NULL);
		}
		free(text);
	}
	if (s->proxy[0]) {
		char command[SSH_PATH];

		expand(s, t->host, s->proxy, command, sizeof(command));
		copy(s->proxy, sizeof(s->proxy), command);
	}
	return 0;
}

int ssh_config_read(const struct link_target *t, struct ssh_settings *s,
		    struct err *err)
{
	char *out = malloc(OUTPUT_BYTES);
	int status, r;

	memset(s, 0, sizeof(*s));
	if (!out)
		return err_set(err, ERR_MEMORY, "out of memory");
	if (t->identity) {
		expand(s, t->host, t->identity, s->identity[s->identities++],
		       SSH_PATH);
		if (access(s->identity[0], R_OK) < 0) {
			free(out);
			return err_set(err, ERR_START,
				       "the key file %s cannot be read",
				       t->identity);
		}
	}
	status = ask_ssh(t, out, OUTPUT_BYTES);
	if (status == 127) {
		defaults(t, s);
		free(out);
		return 0;
	}
	if (status != 0) {
		free(out);
		return err_set(err, ERR_START,
			       "ssh does not understand its configuration%s%s "
			       "for %s: try ssh -G %s",
			       t->ssh_config ? " " : "",
			       t->ssh_config ? t->ssh_config : "", t->host,
			       t->host);
	}
	r = ssh_config_parse(t, out, s, err);
	free(out);
	return r;
}
