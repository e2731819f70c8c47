/* --verify: what is not at the destination as it was left. */
#include <stdio.h>

#include "ship_local.h"

void drift_tell(struct ship *h, struct buf *dir, enum ship_drift kind,
		const struct place *at, enum fsys_type type, const char *what)
{
	struct err ignored;
	size_t before = dir->len;

	if (!h->o.verify || h->told)
		return;
	h->counts.drifted++;
	if (kind == SHIP_EXTRA && !h->o.delete_extras)
		h->counts.extras++;
	if (!h->o.drift || path_push(dir, at->name, at->len, &ignored) < 0)
		return;
	h->o.drift(h->o.report_arg, kind, type, view_of(dir->data, dir->len),
		   what);
	dir->len = before;
}

void drift_unseen(struct ship *h, const struct buf *dir, struct view name)
{
	char path[4096], last[1024];

	if (h->o.verify && h->told)
		return;
	h->counts.unseen++;
	log_escape(dir->data, dir->len, path, sizeof(path));
	log_escape(name.p, name.len, last, sizeof(last));
	log_line(h->o.log, LOG_ERROR,
		 "%s%s%s: cannot be looked at at the destination", path,
		 dir->len && name.len	? "/"
		 : dir->len || name.len ? ""
					: ".",
		 last);
}

bool drift_same_time(const struct ship *h, struct fsys_time ours,
		     struct fsys_time far)
{
	static const uint32_t units[] = {100, 1000, 1000000, 1000000000};
	size_t i;

	/* Steps of two seconds. */
	if (far.s == ours.s - 1 && far.s % 2 == 0 && far.ns == 0)
		return remote_welcome(h->remote)->granularity > 1000000000;
	if (ours.s != far.s || ours.ns == far.ns)
		return ours.s == far.s;
	for (i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (far.ns == ours.ns - ours.ns % units[i])
			return true;
	return false;
}

bool drift_same_mode(const struct ship *h, const struct attr *a,
		     const struct attr *far)
{
	unsigned mask = remote_welcome(h->remote)->flags & MSG_WELCOME_CHOWN
				? 07777
				: 01777;

	return remote_welcome(h->remote)->flags & MSG_WELCOME_NO_MODES ||
	       (a->mode & mask) == (far->mode & mask);
}

/* In what do they differ?  Times of directories change with what is in them,
 * and that is told. */
void drift_what(const struct ship *h, const struct attr *a,
		const struct attr *far, char *out, size_t size)
{
	const char *words[8];
	size_t n = 0, i, used = 0;
	bool timed = a->type == FSYS_FILE || a->type == FSYS_SYMLINK;

	if (a->type == FSYS_FILE && a->size != far->size)
		words[n++] = "size";
	else if (a->type == FSYS_FILE && a->hashed && far->hashed &&
		 !hash_equal(&a->hash, &far->hash))
		words[n++] = "content";
	if (timed && a->mtime.ns != UINT32_MAX &&
	    !drift_same_time(h, a->mtime, far->mtime))
		words[n++] = "time";
	if (a->type != FSYS_SYMLINK && !drift_same_mode(h, a, far))
		words[n++] = "mode";
	if (h->o.same_owners &&
	    remote_welcome(h->remote)->flags & MSG_WELCOME_CHOWN) {
		if (a->uid != far->uid)
			words[n++] = "owner";
		if (a->gid != far->gid)
			words[n++] = "group";
	}
	*out = 0;
	for (i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s",
					 i ? ", " : "", words[i]);
}
