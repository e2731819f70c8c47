/*
 * What SRC names.  A symbolic link that is given as SRC is a source of its own,
 * with its own state: where it is pointed elsewhere one day, that is the same
 * source, which is another directory than before.  So deletes are withheld, and
 * what the destination has is known; by the path of what it leads to it would be
 * another source each time, and one to which it is turned back would have
 * nothing to do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client.h"

int source_find(struct client *k, struct err *err)
{
	char path[PATH_MAX], up[PATH_MAX], *name;
	size_t len = strlen(k->c->src);
	struct stat st;

	if (!realpath(k->c->src, k->src))
		return err_sys(err, ERR_SOURCE, errno, "the source %s",
			       k->c->src);
	strcpy(k->named, k->src);
	while (len > 1 && k->c->src[len - 1] == '/')
		len--;
	snprintf(path, sizeof(path), "%.*s", (int)len, k->c->src);
	if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	name = strrchr(path, '/');
	if (name)
		*name++ = 0;
	if (!realpath(!name ? "." : *path ? path : "/", up))
		return err_sys(err, ERR_SOURCE, errno, "the source %s",
			       k->c->src);
	len = strlen(up);
	if (snprintf(k->named, sizeof(k->named), "%s/%s", len > 1 ? up : "",
		     name ? name : path) >= (int)sizeof(k->named))
		return err_set(err, ERR_SOURCE,
			       "the source's path is too long");
	return 0;
}

/* Is one inside the other?  A mirror of itself would never end. */
int source_check(struct client *k, struct err *err)
{
	char real[PATH_MAX], path[PATH_MAX];
	size_t a = strlen(k->src), b;
	char *slash;

	if (k->c->to.kind != DEST_LOCAL)
		return 0;
	snprintf(path, sizeof(path), "%s", k->c->to.path);
	/* What does not exist yet lies where its nearest parent lies. */
	while (!realpath(path, real)) {
		slash = strrchr(path, '/');
		if (!slash || slash == path)
			return 0;
		*slash = 0;
	}
	b = strlen(real);
	if (strcmp(real, k->src) == 0 && strcmp(path, k->c->to.path) == 0)
		return err_set(err, ERR_USAGE,
			       "the source and the destination are the same");
	if (strncmp(real, k->src, a) == 0 &&
	    (real[a] == '/' || real[a] == 0 || a == 1))
		return err_set(err, ERR_USAGE,
			       "the destination lies inside the source");
	if (strcmp(path, k->c->to.path) == 0 && strncmp(k->src, real, b) == 0 &&
	    k->src[b] == '/')
		return err_set(err, ERR_USAGE,
			       "the source lies inside the destination");
	return 0;
}

/* --interval: SRC is a symbolic link that leads elsewhere by now. */
int source_follow(struct client *k, struct err *err)
{
	char real[PATH_MAX];
	int r;

	if (k->passes == 0 || !realpath(k->named, real) ||
	    strcmp(real, k->src) == 0)
		return 0;
	log_line(&k->out.log, LOG_WARN, "the source %s is %s now, it was %s",
		 k->c->src, real, k->src);
	strcpy(k->src, real);
	r = source_check(k, err);
	if (r == 0)
		r = filter_set_root(k->c->filter, k->src, err);
	return r < 0 ? r : state_exclude(k, err);
}
