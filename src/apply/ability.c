/*
 * What the file system of the destination cannot store, found out by trying it
 * in tmp/ at the beginning of a session: permission bits, owners, times to the
 * nanosecond, blocks that files share, and names that differ only in case.
 * Where those are one, every name counts only as it is spelled in its directory:
 * else the second one would take the place of the first, and a delete of one
 * remove the other.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "apply_local.h"

#define PROBE "probe"
#define OTHER_CASE ".SNAPSYNC" /* of PATH_PRIVATE */

static const struct fsys_time odd_time = {1000000001, 999999999};

/* Not a disk that is broken or full: what is wrong then will be said where it
 * matters, and is no reason not to mirror a mode. */
static bool cannot_be(const struct err *why)
{
	return why->sys == EPERM || why->sys == EACCES || why->sys == EINVAL ||
	       why->sys == ENOTSUP || why->sys == EOPNOTSUPP ||
	       why->sys == ENOSYS;
}

static bool keeps_mode(int fd, unsigned mode)
{
	struct fsys_stat st;
	struct err why;

	if (fsys_fchmod(fd, mode, &why) < 0)
		return !cannot_be(&why);
	return fsys_fstat(fd, &st, &why) < 0 || st.mode == mode;
}

static bool keeps_owner(int dirfd, const char *name, int fd)
{
	struct fsys_stat st;
	struct err why;

	if (fsys_chown(dirfd, name, 1, 1, &why) < 0)
		return !cannot_be(&why);
	return fsys_fstat(fd, &st, &why) < 0 || (st.uid == 1 && st.gid == 1);
}

/* Nanoseconds that are lost of a time, as the unit they make: 1 is none. */
static uint32_t unit_of(const struct fsys_stat *st)
{
	uint32_t lost = odd_time.ns - st->mtime.ns, unit = 1;

	if (st->mtime.s < odd_time.s)
		return 2000000000;
	while (unit <= lost)
		unit *= 10;
	return unit;
}

static void try_it(struct apply *a, int fd, struct err *ignored)
{
	struct fsys_stat st;

	a->shares = fsys_shares(fd);
	a->copies = a->shares || fsys_has_server(fd);
	a->past_cache = !a->no_sync && fsys_direct(fd, true);
	a->no_modes = !keeps_mode(fd, 0640) || !keeps_mode(fd, 0751);
	a->no_owners = geteuid() == 0 && !keeps_owner(a->tmp_fd, PROBE, fd);
	if (fsys_fset_mtime(fd, odd_time, ignored) == 0 &&
	    fsys_fstat(fd, &st, ignored) == 0)
		a->granularity = unit_of(&st);
}

void ability_probe(struct apply *a)
{
	struct fsys_stat ours, other;
	struct err ignored;
	int fd;

	a->granularity = 1;
	a->folds = fsys_stat(a->dest_fd, PATH_PRIVATE, &ours, &ignored) == 0 &&
		   fsys_stat(a->dest_fd, OTHER_CASE, &other, &ignored) == 0 &&
		   ours.dev == other.dev && ours.ino == other.ino;
	fsys_unlink(a->tmp_fd, PROBE, &ignored);
	fd = fsys_open(a->tmp_fd, PROBE, FSYS_WRITE | FSYS_CREATE | FSYS_EXCL,
		       0600, &ignored);
	if (fd < 0) /* what is wrong will be said where it matters */
		return;
	try_it(a, fd, &ignored);
	fsys_close(fd);
	fsys_unlink(a->tmp_fd, PROBE, &ignored);
}

int ability_spelled(const struct apply *a, int dirfd, const char *name,
		    struct err *err)
{
	struct fsys_list *l;
	enum fsys_type type;
	const char *there;
	uint64_t ino;
	int r, fd;

	if (!a->folds || strcmp(name, ".") == 0)
		return 1;
	fd = fsys_open_dir(dirfd, ".", true, err);
	r = fd < 0 ? fd : fsys_list_open(fd, &l, err);
	if (r < 0)
		return r;
	while ((r = fsys_list_next(l, &there, &ino, &type, err)) > 0)
		if (strcmp(there, name) == 0)
			break;
	fsys_list_close(l);
	return r;
}

int ability_free(const struct apply *a, int dirfd, const char *name,
		 struct err *err)
{
	struct fsys_stat st;
	int r;

	if (!a->folds)
		return 0;
	r = fsys_stat(dirfd, name, &st, err);
	if (r < 0)
		return 0; /* nothing there, or what is wrong is said later */
	r = ability_spelled(a, dirfd, name, err);
	if (r > 0)
		return 0;
	return r < 0 ? r
		     : err_set(err, ERR_UNSUPPORTED,
			       "the file system there takes it for another "
			       "name, which differs only in case");
}
