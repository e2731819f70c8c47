#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

void spec_release(struct dest_spec *s)
{
	free(s->user);
	free(s->host);
	free(s->path);
	free(s->key);
	memset(s, 0, sizeof(*s));
}

static char *join(const char *a, const char *b, const char *c)
{
	size_t len = strlen(a) + strlen(b) + strlen(c) + 1;
	char *s = malloc(len);

	if (s)
		snprintf(s, len, "%s%s%s", a, b, c);
	return s;
}

static int local(const char *text, struct dest_spec *out, struct err *err)
{
	char cwd[PATH_MAX];
	size_t len;

	out->kind = DEST_LOCAL;
	if (text[0] == '/') {
		out->path = strdup(text);
	} else {
		if (!getcwd(cwd, sizeof(cwd)))
			return err_set(err, ERR_FILE,
				       "the working directory has no name");
		out->path = join(cwd, "/", text);
	}
	if (!out->path)
		return err_set(err, ERR_MEMORY, "out of memory");
	len = strlen(out->path);
	while (len > 1 && out->path[len - 1] == '/')
		out->path[--len] = 0;
	out->key = join("local:", out->path, "");
	return out->key ? 0 : err_set(err, ERR_MEMORY, "out of memory");
}

/* "user@host" into its parts; host may be [v6]. */
static int split_host(char *text, struct dest_spec *out, struct err *err)
{
	char *at = strrchr(text, '@');
	char *host = at ? at + 1 : text;
	size_t len = strlen(host);

	if (at) {
		*at = 0;
		if (!*text)
			return err_set(err, ERR_USAGE, "%s: no user before @",
				       out->shown);
		out->user = strdup(text);
	}
	if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = 0;
		host++;
	}
	if (!*host || *host == '-')
		return err_set(err, ERR_USAGE, "%s: no host name", out->shown);
	if (out->user && out->user[0] == '-')
		return err_set(err, ERR_USAGE, "%s: not a user name",
			       out->shown);
	out->host = strdup(host);
	return 0;
}

static int finish_ssh(struct dest_spec *out, const char *path, struct err *err)
{
	char port[16] = "";
	size_t len;

	out->kind = DEST_SSH;
	/* "~/" and "" are the login directory, where relative paths start. */
	if (strncmp(path, "~/", 2) == 0)
		path += 2;
	out->path = strdup(*path && strcmp(path, "~") != 0 ? path : ".");
	if (!out->path || !out->host)
		return err_set(err, ERR_MEMORY, "out of memory");
	len = strlen(out->path);
	while (len > 1 && out->path[len - 1] == '/')
		out->path[--len] = 0;
	if (out->port)
		snprintf(port, sizeof(port), ":%u", out->port);
	len = strlen(out->host) + strlen(out->path) + 32 +
	      (out->user ? strlen(out->user) : 0);
	out->key = malloc(len);
	if (!out->key)
		return err_set(err, ERR_MEMORY, "out of memory");
	snprintf(out->key, len, "ssh:%s%s%s%s:%s", out->user ? out->user : "",
		 out->user ? "@" : "", out->host, port, out->path);
	return 0;
}

/* ssh://[USER@]HOST[:PORT]/PATH; /~/ is the login directory. */
static int url(const char *text, struct dest_spec *out, struct err *err)
{
	const char *rest = text + strlen("ssh://");
	const char *slash = strchr(rest, '/');
	char *host = strndup(rest,
			     slash ? (size_t)(slash - rest) : strlen(rest));
	char *colon, *end;
	unsigned long port;
	int r;

	if (!host)
		return err_set(err, ERR_MEMORY, "out of memory");
	colon = strrchr(host, ':');
	if (colon && !strchr(colon, ']')) {
		*colon = 0;
		port = strtoul(colon + 1, &end, 10);
		if (*end || end == colon + 1 || port == 0 || port > 65535) {
			free(host);
			return err_set(err, ERR_USAGE, "%s: not a port number",
				       text);
		}
		out->port = (unsigned)port;
	}
	r = split_host(host, out, err);
	free(host);
	if (r < 0)
		return r;
	if (!slash || !slash[1])
		return err_set(err, ERR_USAGE,
			       "%s: no path (the login directory is "
			       "ssh://HOST/~/)",
			       text);
	return finish_ssh(
		out, strncmp(slash, "/~/", 3) == 0 ? slash + 3 : slash, err);
}

int spec_parse(const char *text, struct dest_spec *out, struct err *err)
{
	const char *colon, *slash = strchr(text, '/');
	char *host;
	int r;

	memset(out, 0, sizeof(*out));
	out->shown = text;
	if (!*text)
		return err_set(err, ERR_USAGE,
			       "the name of the destination is empty");
	if (strncmp(text, "ssh://", 6) == 0)
		return url(text, out, err);
	if (strncmp(text, "rsync://", 8) == 0 || strstr(text, "::"))
		return err_set(err, ERR_USAGE,
			       "%s: an rsync daemon cannot be a destination; "
			       "use HOST:PATH over ssh",
			       text);
	/* A colon after the brackets of an address, before any slash. */
	colon = strchr(text, '[') && strchr(text, ']')
			? strchr(strchr(text, ']'), ':')
			: strchr(text, ':');
	if (!colon || (slash && slash < colon))
		return local(text, out, err);
	host = strndup(text, (size_t)(colon - text));
	if (!host)
		return err_set(err, ERR_MEMORY, "out of memory");
	r = split_host(host, out, err);
	free(host);
	return r < 0 ? r : finish_ssh(out, colon + 1, err);
}

int spec_of_key(const char *key, struct dest_spec *out, struct err *err)
{
	const char *text = strchr(key, ':') + 1;
	int r = spec_parse(text, out, err);

	/* Not every name can be read back: HOST:PORT:PATH, for one. */
	if (r == 0 && strcmp(out->key, key) == 0 &&
	    !(out->kind == DEST_SSH && *out->path >= '0' && *out->path <= '9'))
		return 0;
	spec_release(out);
	return err_set(err, ERR_USAGE, "give the destination as well (%s)",
		       text);
}
