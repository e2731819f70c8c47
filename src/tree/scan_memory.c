/*
 * The names of directories, from one pass to the next: one whose own times have
 * not changed has the same names, so that only its entries are looked at.
 *
 * A listing is remembered if the directory was at rest when it was made: any
 * later change gives it another ctime.  Since not every file system keeps a
 * directory's times, each is listed anew once in a while, not all at once.
 */
#include <stdlib.h>
#include <string.h>

#include "scan_local.h"
#include "snapsync/clock.h"

#define AT_REST (2100 * CLOCK_MS)  /* times may be as coarse as 2 s */
#define RELIST (60 * CLOCK_SECOND) /* to twice that */
#define BYTES_MAX (40u << 20)	   /* of names; what is more is listed */
#define STALE_MAX 4096u		   /* directories that are gone */

struct scan_memory *scan_memory_new(void)
{
	struct scan_memory *m = calloc(1, sizeof(*m));

	if (m)
		map_init(&m->dirs, sizeof(struct scan_known *));
	return m;
}

void scan_memory_free(struct scan_memory *m)
{
	struct scan_known **k;
	size_t at = 0;

	if (!m)
		return;
	while ((k = map_next(&m->dirs, &at, NULL)))
		free(*k);
	map_release(&m->dirs);
	free(m);
}

struct scan_known *scan_memory_get(struct scan_memory *m, uint64_t cookie)
{
	struct scan_known **k = m ? map_get_u64(&m->dirs, cookie) : NULL;

	if (!k || !*k)
		return NULL;
	if ((*k)->pass != m->pass) {
		(*k)->pass = m->pass;
		m->seen++;
	}
	return *k;
}

static bool same_time(struct fsys_time a, struct fsys_time b)
{
	return a.s == b.s && a.ns == b.ns;
}

bool scan_known_fits(const struct scan_known *k, const struct fsys_stat *st)
{
	return k->dev == st->dev && k->ino == st->ino &&
	       same_time(k->mtime, st->mtime) &&
	       same_time(k->ctime, st->ctime) && clock_mono() < k->until;
}

static void forget(struct scan_memory *m, struct scan_known **k)
{
	if (!*k)
		return;
	m->bytes -= sizeof(**k) + (*k)->size;
	m->seen -= (*k)->pass == m->pass;
	free(*k);
	*k = NULL;
}

/* What goes with each name: the NUL behind it. */
static size_t size_of(const struct scan_list *l)
{
	size_t i, size = 0;

	for (i = 0; i < l->count; i++)
		size += l->entries[i].len + 1;
	return size;
}

static bool at_rest(const struct scan_list *l)
{
	int64_t c = l->st.ctime.s * CLOCK_SECOND + l->st.ctime.ns;
	int64_t m = l->st.mtime.s * CLOCK_SECOND + l->st.mtime.ns;
	size_t i;

	if (l->flags || c > l->began - AT_REST || m > l->began - AT_REST)
		return false;
	for (i = 0; i < l->count; i++)
		if (l->entries[i].st.type == FSYS_NONE)
			return false;
	return true;
}

void scan_memory_put(struct scan_memory *m, uint64_t cookie,
		     const struct scan_list *l)
{
	size_t size = size_of(l), i, at = 0;
	struct scan_known **k, *fresh;
	struct err ignored;

	if (!l->listed)
		return;
	k = map_get_u64(&m->dirs, cookie);
	if (k)
		forget(m, k);
	if (!at_rest(l) || m->bytes + sizeof(*fresh) + size > BYTES_MAX)
		return;
	if (!k)
		k = map_put_u64(&m->dirs, cookie, NULL, &ignored);
	fresh = k ? malloc(sizeof(*fresh) + size) : NULL;
	if (!fresh)
		return; /* it will be listed */
	fresh->dev = l->st.dev;
	fresh->ino = l->st.ino;
	fresh->mtime = l->st.mtime;
	fresh->ctime = l->st.ctime;
	fresh->until = clock_mono() + RELIST +
		       (int64_t)(cookie % 1024) * (RELIST / 1024);
	fresh->pass = m->pass;
	fresh->count = l->count;
	fresh->hidden = l->hidden;
	fresh->size = size;
	for (i = 0; i < l->count; i++) {
		memcpy(fresh->names + at, l->entries[i].name,
		       l->entries[i].len + 1);
		at += l->entries[i].len + 1;
	}
	*k = fresh;
	m->bytes += sizeof(*fresh) + size;
	m->seen++;
}

void scan_memory_begin(struct scan_memory *m)
{
	m->pass++;
	m->seen = 0;
}

/* Directories that are gone leave nothing behind for long. */
void scan_memory_end(struct scan_memory *m)
{
	struct scan_known **k, **kept;
	struct err ignored;
	struct map fresh;
	struct view key;
	size_t at = 0;

	if (m->dirs.count <= m->seen + m->seen / 4 + STALE_MAX)
		return;
	map_init(&fresh, sizeof(struct scan_known *));
	while ((k = map_next(&m->dirs, &at, &key))) {
		if (*k && (*k)->pass != m->pass)
			forget(m, k);
		kept = *k ? map_put(&fresh, key.p, key.len, NULL, &ignored)
			  : NULL;
		if (kept)
			*kept = *k;
		else
			forget(m, k);
	}
	map_release(&m->dirs);
	m->dirs = fresh;
}
