#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply_local.h"

int owner_learn(struct apply *a, const struct msg_owner *m, struct err *err)
{
	uint64_t key = (uint64_t)m->group << 32 | m->id;
	char name[ACCOUNTS_NAME + 1];
	uint32_t *local;
	int r;

	if (!a->accounts || a->owners.count > 100000)
		return 0;
	local = map_put_u64(&a->owners, key, NULL, err);
	if (!local)
		return err->code;
	*local = m->id;
	snprintf(name, sizeof(name), "%.*s", (int)m->name.len,
		 (const char *)m->name.p);
	r = accounts_id(a->accounts, m->group, name, local, err);
	return r < 0 ? r : 0;
}

uint32_t owner_map(struct apply *a, bool group, uint32_t id)
{
	uint32_t *local = map_get_u64(&a->owners, (uint64_t)group << 32 | id);

	return local ? *local : id;
}

/* Only root gives files away; others may at best choose a group of theirs.
 * 1: the owner is now as wanted, 0: it is not, which is no error. */
static int give(int dirfd, const char *name, const struct msg_meta *m,
		const struct fsys_stat *now, struct err *err)
{
	uint32_t uid = m->uid, gid = m->gid;

	if (now->uid == uid && now->gid == gid)
		return 1;
	if (geteuid() == 0)
		return fsys_chown(dirfd, name, uid, gid, err) < 0 ? err->code
								  : 1;
	if (now->gid != gid &&
	    fsys_chown(dirfd, name, UINT32_MAX, gid, err) == 0)
		return now->uid == uid;
	return 0;
}

int owner_meta(const struct apply *a, int dirfd, const char *name,
	       enum fsys_type type, const struct msg_meta *m,
	       const struct fsys_stat *now, struct err *err)
{
	/* A new owner costs a file its set-id bits. */
	bool kept = now->uid == m->uid && now->gid == m->gid;
	unsigned mode = m->mode;
	int r = give(dirfd, name, m, now, err);

	/* A file system without owners refuses; that is not an entry's fault. */
	if (r < 0 && a->no_owners)
		r = 0;
	if (r < 0)
		return r;
	if (r == 0 && type != FSYS_DIR)
		mode &= 01777u; /* not ours: no set-id for another owner */
	if (type != FSYS_SYMLINK && !(kept && now->mode == mode)) {
		r = fsys_chmod(dirfd, name, mode, err);
		if (r < 0 && !a->no_modes)
			return r;
	}
	r = fsys_set_mtime(dirfd, name, m->mtime, err);
	if (r < 0 && type == FSYS_SYMLINK &&
	    (err->sys == EOPNOTSUPP || err->sys == ENOSYS))
		r = 0;
	return r;
}
