/*
 * What a batch has changed and must be on stable storage before its position
 * is: a few directories are synced one by one, many by one call for the whole
 * file system where there is one, else in groups.
 */
#include <errno.h>

#include "apply_local.h"

static void forget_listed(struct apply *a)
{
	size_t i;

	for (i = 0; i < APPLY_CACHE; i++)
		a->cache[i].touched = false;
}

void touched_clear(struct apply *a)
{
	forget_listed(a);
	while (a->kept_count > 0)
		fsys_close(a->kept[--a->kept_count]);
	while (a->touched_count > 0)
		fsys_close(a->touched[--a->touched_count]);
	a->touched_all = false;
}

/* None is left open; after an error the rest is not synced. */
static int sync_list(const int *fds, size_t *count, int r, struct err *err)
{
	while (*count > 0) {
		int fd = fds[--*count];

		if (r == 0)
			r = fsys_sync(fd, err);
		fsys_close(fd);
	}
	return r;
}

static int sync_kept(struct apply *a, struct err *err)
{
	return sync_list(a->kept, &a->kept_count, 0, err);
}

static int sync_each(struct apply *a, struct err *err)
{
	return sync_list(a->touched, &a->touched_count, sync_kept(a, err), err);
}

static void add(struct apply *a, int fd, const struct err *why)
{
	if (fd < 0) { /* not ours to open: only the whole can be synced */
		a->touched_all = fsys_has_sync_fs();
		a->sync_failed = a->sync_failed ||
				 (!a->touched_all && why->sys != EACCES);
		return;
	}
	if (a->touched_count == APPLY_FEW && fsys_has_sync_fs()) {
		a->touched_all = true;
		fsys_close(fd);
		return;
	}
	if (a->touched_count == APPLY_FEW) {
		struct err err;

		if (sync_each(a, &err) < 0)
			a->sync_failed = true;
		forget_listed(a); /* what comes now is not synced */
	}
	a->touched[a->touched_count++] = fd;
}

void touched_dir(struct apply *a, struct cached_dir *dir, int dirfd)
{
	struct err err;

	if (a->touched_all || a->no_sync || (dir && dir->touched))
		return;
	add(a, fsys_open_dir(dirfd, ".", true, &err), &err);
	if (dir)
		dir->touched = true;
}

void touched_kept(struct apply *a, int dirfd)
{
	struct err err;
	int fd;

	if (a->touched_all || a->no_sync)
		return;
	if (a->kept_count == APPLY_FEW && fsys_has_sync_fs()) {
		a->touched_all = true;
		return;
	}
	if (a->kept_count == APPLY_FEW && sync_kept(a, &err) < 0)
		a->sync_failed = true;
	fd = fsys_open_dir(dirfd, ".", true, &err);
	if (fd < 0)
		a->sync_failed = true;
	else
		a->kept[a->kept_count++] = fd;
}

void touched_name(struct apply *a, int dirfd, const char *name,
		  enum fsys_type type)
{
	struct err err;

	if (a->touched_all || a->no_sync)
		return;
	if (type == FSYS_DIR)
		add(a, fsys_open_dir(dirfd, name, true, &err), &err);
	else if (type == FSYS_FILE)
		add(a, fsys_open(dirfd, name, FSYS_READ, 0, &err), &err);
	else
		a->touched_all = fsys_has_sync_fs();
}

int touched_sync(struct apply *a, struct err *err)
{
	int r;

	if (a->no_sync) {
		touched_clear(a);
		return 0;
	}
	if (a->sync_failed)
		return err_set(err, ERR_FILE, "a directory cannot be synced");
	if (!a->touched_all)
		return sync_each(a, err);
	touched_clear(a);
	r = fsys_sync_fs(a->dest_fd, err);
	return r < 0 ? r : 0;
}
