/*
 * The destination: found or made, locked, with what is ours in it:
 *
 *     DEST/.snapsync/lock       held while a helper writes here
 *     DEST/.snapsync/tmp/       content on its way
 *     DEST/.snapsync/limbo/     entries that wait for their name
 *     DEST/.snapsync/redo       see redo.c
 *     DEST/.snapsync/position   see position.c
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "apply_local.h"
#include "snapsync/clock.h"

/* One clear line, with the path as the client gave it and nothing else. */
static int cannot(struct apply *a, const char *what, struct err *err)
{
	int sys = err->sys;

	return err_sys(err, ERR_FILE, sys, "%s: %s", a->shown, what);
}

/* The directories that lead to one that was made: POSIX promises a name only
 * where its directory was synced.  One that cannot be read is not ours. */
static int sync_way(char *path, struct err *err)
{
	bool rooted = *path == '/';
	char *slash;
	int fd, r = 0;

	while (r == 0 && *path) {
		slash = strrchr(path, '/');
		*(slash ? slash : path) = 0;
		fd = fsys_open_root(*path ? path : rooted ? "/" : ".", err);
		if (fd < 0)
			break;
		r = fsys_sync(fd, err);
		fsys_close(fd);
		/* Nothing was made there: it is read-only. */
		if (r < 0 && (err->sys == EINVAL || err->sys == EROFS))
			r = 0;
	}
	return r;
}

/* --root: every component from there, none a symbolic link. */
static int open_below(struct apply *a, struct view path, struct err *err)
{
	const char *root = a->o->root;
	size_t len = strlen(root);
	struct view name;
	int fd, next;

	while (len > 1 && root[len - 1] == '/')
		len--;
	/* A path that names the root in full means the same place. */
	if (path.len >= len && memcmp(path.p, root, len) == 0 &&
	    (path.len == len || path.p[len] == '/'))
		view_bytes(&path, len);
	while (path.len && path.p[0] == '/')
		view_bytes(&path, 1);
	while (path.len && path.p[path.len - 1] == '/')
		path.len--;
	if (path.len == 1 && path.p[0] == '.')
		path.len = 0;
	if (!path_ok(path.p, path.len, true))
		return err_set(err, ERR_START,
			       "%s: outside of what this key may use",
			       a->shown);
	fd = fsys_open_root(root, err);
	if (fd < 0)
		return err_sys(err, ERR_FILE, err->sys,
			       "the helper's --root cannot be opened");
	while (fd >= 0 && path_next(&path, &name)) {
		char one[PATH_NAME_MAX + 1];

		snprintf(one, sizeof(one), "%.*s", (int)name.len,
			 (const char *)name.p);
		next = fsys_open_dir(fd, one, true, err);
		if (next < 0 && err->sys == ENOENT && !a->dry &&
		    fsys_mkdir(fd, one, 0777, err) == 0 &&
		    (a->no_sync || fsys_sync(fd, err) == 0))
			next = fsys_open_dir(fd, one, true, err);
		fsys_close(fd);
		fd = next;
	}
	return fd;
}

static int open_path(struct apply *a, struct view path, struct err *err)
{
	char *text;
	int fd;

	if (a->o->root)
		return open_below(a, path, err);
	text = malloc(path.len + 1);
	if (!text)
		return err_set(err, ERR_MEMORY, "out of memory");
	memcpy(text, path.p, path.len);
	text[path.len] = 0;
	fd = fsys_open_root(text, err);
	if (fd < 0 && err->sys == ENOENT && !a->dry) {
		fd = fsys_mkdir_p(text, 0777, err);
		if (fd == 0)
			fd = fsys_open_root(text, err);
		if (fd >= 0 && !a->no_sync && sync_way(text, err) < 0) {
			fsys_close(fd);
			fd = err->code;
		}
	}
	free(text);
	return fd;
}

static void tmp_dir_name(unsigned i, char out[16])
{
	if (i == 0)
		snprintf(out, 16, "tmp");
	else
		snprintf(out, 16, "tmp%u", i);
}

static int sub_dir(struct apply *a, const char *name, bool *fresh,
		   struct err *err)
{
	int fd = fsys_open_dir(a->own_fd, name, true, err);

	if (fd < 0 && err->sys == ENOENT) {
		fd = fsys_mkdir(a->own_fd, name, 0700, err);
		if (fd == 0)
			fd = fsys_open_dir(a->own_fd, name, true, err);
		*fresh = true;
	}
	return fd;
}

static int tmp_dirs(struct apply *a, bool *fresh, struct err *err)
{
	char name[16];
	unsigned i;

	for (i = 0; i < TMP_DIRS; i++) {
		tmp_dir_name(i, name);
		a->tmp_fds[i] = sub_dir(a, name, fresh, err);
		if (a->tmp_fds[i] < 0)
			return a->tmp_fds[i];
	}
	a->tmp_fd = a->tmp_fds[0];
	return 0;
}

static int own_file(struct apply *a, const char *name, struct err *err)
{
	return fsys_open(a->own_fd, name, FSYS_WRITE | FSYS_CREATE, 0600, err);
}

/* Is the holder a session of the same client?  Then the client has lost it,
 * since it has one at a time: what is left of it can go, at any moment.  Unless
 * it is our own client that is gone already, and the holder's that came anew. */
static bool is_ghost(struct apply *a, pid_t pid)
{
	unsigned char pair[sizeof(a->hello.pair)];
	struct err ignored;

	return pid > 1 &&
	       fsys_pread_full(a->lock_fd, pair, sizeof(pair), 0, &ignored) ==
		       (ssize_t)sizeof(pair) &&
	       memcmp(pair, a->hello.pair, sizeof(pair)) == 0;
}

/* A process whose disk is stuck dies when its call comes back: half of the client's
 * timeout is waited for that (in HELLO it has four times it).  One that is not ours
 * to end gets a second.  1: the lock is ours. */
static int end_ghost(struct apply *a, pid_t *pid, struct err *err)
{
	int64_t since = clock_mono(), most = 60 * CLOCK_SECOND;
	int r = 0;

	if (a->hello.timeout)
		most = CLOCK_SECOND / 8 * (int64_t)a->hello.timeout;
	while (r == 0 && is_ghost(a, *pid)) {
		if (most < CLOCK_SECOND || kill(*pid, SIGKILL) < 0)
			most = CLOCK_SECOND;
		if (clock_mono() - since > most)
			return 0;
		clock_sleep(10 * CLOCK_MS);
		r = fsys_lock(a->lock_fd, pid, err);
	}
	return r;
}

static int take_lock(struct apply *a, struct err *err)
{
	pid_t pid;
	int r;

	a->lock_fd = own_file(a, "lock", err);
	if (a->lock_fd < 0)
		return cannot(a, "cannot be written to", err);
	r = fsys_lock(a->lock_fd, &pid, err);
	if (r == 0 && is_ghost(a, pid)) {
		r = serve_ask(a, err);
		if (r < 0)
			return r;
		r = fsys_lock(a->lock_fd, &pid, err);
	}
	if (r == 0)
		r = end_ghost(a, &pid, err);
	if (r < 0)
		return cannot(a, "cannot be locked", err);
	if (r == 0 && is_ghost(a, pid))
		return err_set(err, ERR_START,
			       "%s: an earlier session of this client has not "
			       "ended yet (pid %ld there)",
			       a->shown, (long)pid);
	if (r == 0)
		return err_set(err, ERR_START,
			       "%s: another snapsync is writing to this "
			       "destination (pid %ld there)",
			       a->shown, (long)pid);
	return fsys_pwrite_full(a->lock_fd, a->hello.pair,
				sizeof(a->hello.pair), 0, err);
}

/* Part of a long file, not too old, to go on with. */
static bool worth_keeping(int dir, const char *name)
{
	struct fsys_stat st;
	struct err ignored;

	return strncmp(name, STAGE_KEPT, strlen(STAGE_KEPT)) == 0 &&
	       fsys_stat(dir, name, &st, &ignored) == 0 &&
	       st.mtime.s >
		       clock_real() / CLOCK_SECOND - STAGE_KEPT_DAYS * 86400;
}

/* Else what lies in tmp/ is nobody's any more. */
static int clean_tmp(struct apply *a, unsigned i, struct err *err)
{
	struct fsys_list *l;
	enum fsys_type type;
	char dir[16];
	const char *name;
	uint64_t ino;
	int r, fd;

	tmp_dir_name(i, dir);
	fd = fsys_open_dir(a->own_fd, dir, true, err);
	if (fd < 0)
		return fd;
	r = fsys_list_open(fd, &l, err);
	if (r < 0)
		return r;
	while ((r = fsys_list_next(l, &name, &ino, &type, err)) > 0)
		if (!worth_keeping(a->tmp_fds[i], name) &&
		    fsys_unlink(a->tmp_fds[i], name, err) < 0)
			fresh_remove(a->tmp_fds[i], name);
	fsys_list_close(l);
	return r;
}

/* Before the first thing that a peer, or a log on the disk, wants of us. */
static void lock_in(struct apply *a)
{
	struct sandbox_place dest = {a->dest_fd, !a->dry};

	if (!a->o->unconfined)
		sandbox_enter(&dest, a->dest_fd >= 0, SANDBOX_ALONE, &a->held);
}

/* What is behind the lock: it may take its time. */
static int open_locked(struct apply *a, bool fresh, struct err *err)
{
	unsigned i;
	int r = tmp_dirs(a, &fresh, err);

	a->limbo_fd = r < 0 ? -1 : sub_dir(a, "limbo", &fresh, err);
	a->redo_fd = a->limbo_fd < 0 ? -1 : own_file(a, "redo", err);
	a->position_fd = a->redo_fd < 0 ? -1 : own_file(a, "position", err);
	if (a->position_fd < 0)
		return cannot(a, PATH_PRIVATE " there cannot be used", err);
	r = position_read(a, err);
	/* What is found may be in memory only, if we were killed. */
	if (r == 0 && a->position.known && !a->no_sync)
		r = fsys_sync_data(a->position_fd, err);
	if (r == 0 && (fresh || !a->position.known) && !a->no_sync) {
		r = fsys_sync(a->own_fd, err);
		if (r == 0)
			r = fsys_sync(a->dest_fd, err);
		if (r < 0)
			return cannot(a, "cannot be synced", err);
	}
	if (r == 0)
		ability_probe(a);
	if (r == 0)
		r = commit_replay(a, err);
	for (i = 0; r >= 0 && i < TMP_DIRS; i++)
		r = clean_tmp(a, i, err);
	return r;
}

static int open_own(struct apply *a, struct err *err)
{
	bool fresh = false;
	struct pulse *p;
	int r;

	a->own_fd = fsys_open_dir(a->dest_fd, PATH_PRIVATE, true, err);
	if (a->own_fd < 0 && err->sys == ENOENT) {
		r = fsys_mkdir(a->dest_fd, PATH_PRIVATE, 0700, err);
		if (r < 0)
			return cannot(a, "cannot be written to", err);
		fresh = true;
		a->own_fd = fsys_open_dir(a->dest_fd, PATH_PRIVATE, true, err);
	}
	if (a->own_fd < 0)
		return cannot(a, PATH_PRIVATE " there cannot be used", err);
	r = take_lock(a, err);
	if (r < 0)
		return r;
	lock_in(a);
	p = pulse_begin(a);
	r = open_locked(a, fresh, err);
	pulse_end(p);
	return r;
}

/* Without changing anything: the position, if there is one to be read. */
static int peek(struct apply *a, struct err *err)
{
	lock_in(a);
	if (a->dest_fd < 0)
		return 0;
	a->own_fd = fsys_open_dir(a->dest_fd, PATH_PRIVATE, false, err);
	if (a->own_fd < 0)
		return 0;
	a->position_fd = fsys_open(a->own_fd, "position", FSYS_READ, 0, err);
	return a->position_fd < 0 ? 0 : position_read(a, err);
}

int open_dest(struct apply *a, struct err *err)
{
	struct pulse *p;
	int r;

	if (a->o->read_only && !a->dry)
		return err_set(err, ERR_START,
			       "the helper there is read-only: only -n and "
			       "--verify -n are allowed");
	log_escape(a->hello.path.p, a->hello.path.len, a->shown,
		   sizeof(a->shown));
	/* Nothing of the destination is open yet. */
	if (!a->dry && !a->numeric) {
		r = accounts_open(&a->accounts, err);
		if (r < 0)
			return r;
	}
	umask((mode_t)a->o->umask);
	p = a->dry ? NULL : pulse_begin(a); /* what is made is synced */
	a->dest_fd = open_path(a, a->hello.path, err);
	pulse_end(p);
	umask(0);
	if (a->dest_fd < 0 && a->dry && err->sys == ENOENT)
		return peek(a, err);
	if (a->dest_fd < 0 && err->code == -ERR_START)
		return err->code;
	if (a->dest_fd < 0)
		return cannot(a, "the destination cannot be used", err);
	return a->dry ? peek(a, err) : open_own(a, err);
}

void open_release(struct apply *a)
{
	unsigned i;

	fsys_close(a->position_fd);
	fsys_close(a->redo_fd);
	fsys_close(a->limbo_fd);
	for (i = 0; i < TMP_DIRS; i++)
		fsys_close(a->tmp_fds[i]);
	fsys_close(a->lock_fd);
	fsys_close(a->own_fd);
	fsys_close(a->dest_fd);
}
