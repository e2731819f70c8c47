/*
 * The fingerprint of a directory: a hash over what stat says of its entries.  If
 * it is that of the last pass, nothing in it is to be compared.
 */
#include <string.h>

#include "pass_local.h"

uint64_t pass_time(struct fsys_time t)
{
	return (uint64_t)t.s * 1000000000u + t.ns;
}

/* What of an entry goes into its directory's fingerprint. */
static struct hash print_entry(const struct pass *p, const struct scan_entry *e,
			       int64_t dev)
{
	struct {
		uint64_t dev, ino, size, mtime, ctime, nlink, owner, rdev;
		uint64_t kind, name;
	} f;
	uint64_t seed = store_seed(p->s);

	f.dev = (uint64_t)dev;
	f.ino = e->st.ino;
	f.size = e->st.size;
	f.mtime = pass_time(e->st.mtime);
	f.ctime = pass_time(e->st.ctime);
	f.nlink = e->st.nlink;
	f.owner = (uint64_t)e->st.uid << 32 | e->st.gid;
	f.rdev = (uint64_t)e->st.rdev_major << 32 | e->st.rdev_minor;
	f.kind = (uint64_t)e->st.type << 32 | e->st.mode;
	f.name = hash_u64(e->name, e->len, seed);
	return hash_of(&f, sizeof(f), seed);
}

bool print_of(const struct pass *p, const struct scan_dir *dir,
	      struct hash *out)
{
	uint64_t last = UINT64_MAX;
	struct hash one;
	int64_t dev = 0;
	size_t i, k;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < dir->count; i++) {
		const struct scan_entry *e = &dir->entries[i];

		if (e->st.type == FSYS_NONE)
			return false;
		if (e->st.dev != last) {
			for (k = 0; k < p->device_count; k++)
				if (p->devices[k].st_dev == e->st.dev)
					break;
			if (k == p->device_count)
				return false;
			dev = p->devices[k].id;
			last = e->st.dev;
		}
		one = print_entry(p, e, dev);
		hash_add(out, &one);
	}
	return true;
}
