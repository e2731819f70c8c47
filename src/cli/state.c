/*
 * Where the state of a source lies: <state-dir>/<name>-<id>/ with state.db and
 * lock, where name is the last part of the source's real path, for people, and
 * id a hash of all of it (for a symbolic link: of the link's path, see source.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "snapsync/clock.h"
#include "snapsync/fsys.h"
#include "snapsync/hash.h"

static int base_dir(const struct config *c, char *out, size_t size,
		    struct err *err)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (c->state_dir)
		n = snprintf(out, size, "%s", c->state_dir);
	else if (xdg && xdg[0] == '/')
		n = snprintf(out, size, "%s/snapsync", xdg);
	else if (home && home[0] == '/')
		n = snprintf(out, size, "%s/.local/state/snapsync", home);
	else
		return err_set(err, ERR_FILE,
			       "no HOME to keep the state in: use --state-dir");
	return n > 0 && (size_t)n < size
		       ? 0
		       : err_set(err, ERR_FILE, "the state's path is too long");
}

int state_find(struct client *k, struct err *err)
{
	char base[PATH_MAX];
	const char *name;
	int r = source_find(k, err);

	if (r == 0)
		r = base_dir(k->c, base, sizeof(base), err);
	if (r < 0)
		return r;
	name = strrchr(k->named, '/') + 1;
	r = snprintf(k->state, sizeof(k->state), "%s/%.40s-%016llx", base,
		     *name ? name : "root",
		     (unsigned long long)hash_u64(k->named, strlen(k->named),
						  0));
	if (r <= 0 || (size_t)r >= sizeof(k->state))
		return err_set(err, ERR_FILE, "the state's path is too long");
	/* What SQLite puts aside goes there too, where we may always write. */
	setenv("SQLITE_TMPDIR", k->state, 0);
	return 0;
}

static int lock(struct client *k, struct err *err)
{
	char path[PATH_MAX + 16];
	pid_t pid;
	int r;

	snprintf(path, sizeof(path), "%s/lock", k->state);
	k->lock_fd = fsys_open(FSYS_CWD, path, FSYS_WRITE | FSYS_CREATE, 0600,
			       err);
	if (k->lock_fd < 0)
		return err_sys(err, ERR_FILE, err->sys,
			       "the state directory %s cannot be used "
			       "(--state-dir names another place)",
			       k->state);
	r = fsys_lock(k->lock_fd, &pid, err);
	if (r == 0)
		return err_set(err, ERR_START,
			       "another snapsync (pid %ld) is at work on this "
			       "source: for another destination at the same "
			       "time use another --state-dir",
			       (long)pid);
	return r < 0 ? r : 0;
}

int state_open(struct client *k, struct err *err)
{
	char path[PATH_MAX + 16];
	int r = fsys_mkdir_p(k->state, 0700, err);

	if (r < 0)
		return err_sys(err, ERR_FILE, err->sys,
			       "the state directory %s cannot be made "
			       "(--state-dir names another place)",
			       k->state);
	r = lock(k, err);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/state.db", k->state);
	return store_open(path, k->c->dry ? DB_DRY : DB_WRITE, &k->store, err);
}

int state_open_read(struct client *k, struct err *err)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/state.db", k->state);
	if (access(path, F_OK) < 0)
		return err_set(err, ERR_FILE,
			       "nothing is known of %s: it was never "
			       "synchronised (or with another --state-dir)",
			       k->c->src);
	return store_open(path, DB_READ, &k->store, err);
}

void state_close(struct client *k)
{
	store_close(k->store);
	k->store = NULL;
	fsys_close(k->lock_fd);
	k->lock_fd = -1;
}

int state_there(struct client *k, struct err *err)
{
	char path[PATH_MAX + 16];
	struct stat ours, there;

	snprintf(path, sizeof(path), "%s/lock", k->state);
	if (fstat(k->lock_fd, &ours) == 0 && stat(path, &there) == 0 &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino &&
	    !db_moved(store_db(k->store)))
		return 0;
	return err_set(err, ERR_FILE,
		       "the state in %s was removed or replaced while it was "
		       "in use: giving up (the next start compares the "
		       "destination by a listing, if it is lost)",
		       k->state);
}

void state_stamp(struct client *k)
{
	struct fsys_time now;
	struct err ignored;
	int64_t ns = clock_real();

	now.s = ns / CLOCK_SECOND;
	now.ns = (uint32_t)(ns % CLOCK_SECOND);
	if (!k->c->dry)
		fsys_fset_mtime(k->lock_fd, now, &ignored);
}

/* A state directory inside the source (a home that is mirrored) would change
 * with every pass. */
int state_exclude(struct client *k, struct err *err)
{
	char base[PATH_MAX], real[PATH_MAX], pattern[2 * PATH_MAX + 4];
	size_t len = strlen(k->src), used = 0;
	const char *p;
	int r = base_dir(k->c, base, sizeof(base), err);

	if (k->excluded)
		filter_drop_first(k->c->filter);
	k->excluded = false;
	if (r < 0)
		return r;
	if (!realpath(base, real))
		return err_sys(err, ERR_FILE, errno, "the state directory %s",
			       base);
	if (strcmp(k->src, "/") == 0)
		len = 0;
	if (strncmp(real, k->src, len) != 0 || real[len] != '/')
		return 0;
	for (p = real + len; *p; p++) {
		if (strchr("*?[\\", *p))
			pattern[used++] = '\\';
		pattern[used++] = *p;
	}
	memcpy(pattern + used, "/", 2);
	log_line(&k->out.log, LOG_INFO,
		 "the state directory lies in the source and is left out");
	r = filter_exclude_first(k->c->filter, pattern, err);
	k->excluded = r == 0;
	return r;
}
