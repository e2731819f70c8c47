/*
 * Where what is staged lies until it has its place, by the number that its operation
 * has in the redo log: under that number in one of the directories tmp/, or
 * under its own name in a directory of the batch (fresh.c); and the sync of it
 * all, before the log is written.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "apply_local.h"

void stage_name(uint64_t tmp, char out[32])
{
	snprintf(out, 32, "%s%" PRIx64, tmp & STAGE_NODE ? "n" : "f",
		 tmp & ~STAGE_NODE);
}

int tmp_of(const struct apply *a, uint64_t tmp)
{
	return tmp & STAGE_NODE ? a->tmp_fd
				: a->tmp_fds[tmp / TMP_RUN % TMP_DIRS];
}

struct berth berth_named(uint64_t tmp, struct view path, int fd, bool mine)
{
	struct berth b = {.tmp = tmp, .fd = fd, .mine = mine};
	struct view up, name;

	path_split(path, &up, &name);
	snprintf(b.name, sizeof(b.name), "%.*s", (int)name.len,
		 (const char *)name.p);
	return b;
}

int berth_of(const struct apply *a, uint64_t tmp, struct view path,
	     struct berth *b, struct err *err)
{
	char dir[32];
	int fd;

	if (fresh_is(tmp)) {
		fresh_name(tmp, dir);
		fd = fsys_open_dir(a->tmp_fd, dir, true, err);
		*b = berth_named(tmp, path, fd, true);
		return fd < 0 ? fd : 0;
	}
	stage_name(tmp, b->name);
	b->tmp = tmp;
	b->fd = tmp_of(a, tmp);
	b->mine = false;
	return 0;
}

void berth_leave(struct berth *b)
{
	if (b->mine)
		fsys_close(b->fd);
}

static int sync_one(struct apply *a, const struct berth *b, struct err *err)
{
	int fd, r;

	fd = fsys_open(b->fd, b->name, FSYS_READ, 0, err);
	/* Without read permission for ourselves: all of it, then. */
	if (fd < 0 && err->sys == EACCES && fsys_has_sync_fs()) {
		r = fsys_sync_fs(a->tmp_fd, err);
		return r < 0 ? r : 0;
	}
	if (fd < 0)
		return err->sys == EACCES ? 0 : fd;
	r = fsys_sync(fd, err);
	fsys_close(fd);
	return r;
}

/* The directory of a berth, and with one of the batch the name of that. */
static int sync_dir(struct apply *a, struct berth *b, struct err *err)
{
	int r = b->fd < 0 ? 0 : fsys_sync(b->fd, err);

	if (r == 0 && b->mine && b->fd >= 0)
		r = fsys_sync(a->tmp_fd, err);
	berth_leave(b);
	return r;
}

/* The staged files of the batch, whose operations lie in a->ops. */
int berth_sync(struct apply *a, struct err *err)
{
	struct view v = view_of(a->ops.data, a->ops.len);
	struct berth last = {.fd = -1}, b;
	struct err ignored;
	struct noted n;
	int r = 0;

	if (a->no_sync || a->unsynced == 0)
		return 0;
	if (a->unsynced > APPLY_FEW && fsys_has_sync_fs()) {
		r = fsys_sync_fs(a->tmp_fd, err);
		return r < 0 ? r : 0;
	}
	/* The names in tmp/ too: a replay takes one that is missing there for
	 * one that has its place already. */
	while (r == 0 && v.len > 0) {
		r = redo_get(&v, &n, err);
		if (r < 0 || !n.tmp || n.code || n.op.type == MSG_MKDIR)
			continue;
		r = berth_of(a, n.tmp, n.op.path.path, &b, err);
		if (r < 0)
			break;
		if (n.op.type == MSG_PLACE)
			r = sync_one(a, &b, err);
		if (b.mine ? last.tmp == b.tmp : last.fd == b.fd) {
			berth_leave(&b);
			continue;
		}
		if (r == 0)
			r = sync_dir(a, &last, err);
		else
			berth_leave(&last);
		last = b;
	}
	return sync_dir(a, &last, r < 0 ? &ignored : err) < 0 && r == 0
		       ? err->code
		       : r;
}
