/* --verify: what is not at the destination as it was left. */
#include <stdio.h>

#include "ship_local.h"

void drift_tell(struct ship *h, struct buf *dir, enum ship_drift kind,
		const struct place *at, enum fsys_type type, const char *what)
{
	struct err ignored;
	size_t before = dir->len;

	if (!h->o.verify)
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
	    (a->mtime.s != far->mtime.s || a->mtime.ns != far->mtime.ns))
		words[n++] = "time";
	if (a->type != FSYS_SYMLINK && a->mode != far->mode)
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
