/*
 * Where the destination has content already.  A path of a COPY is one in the
 * state that the last COMMIT leaves: what the helper has when the COPY comes.
 * With no batch on its way that is M, whatever the open batch has planned;
 * with batches on their way it is T, as long as the open batch has moved
 * nothing.  Where neither can be told, content is sent: a wrong guess costs
 * bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "ship_local.h"

#define SEEK_PLAIN 4u /* searches in a list that do not pay for its order */
/* A chunk's row says that some version of the inode has it.  Where that is
 * seldom the one that the destination has, it is not believed any more. */
#define LOADS_LOST 64u

static void forget(struct source *s)
{
	chunk_list_release(&s->list);
	buf_release(&s->path);
	free(s->ends);
	free(s->spots);
	memset(s, 0, sizeof(*s));
}

void copy_forget(struct ship *h)
{
	size_t i;

	for (i = 0; i < SOURCES; i++)
		forget(&h->sources[i]);
}

static int settled_path(struct ship *h, int64_t inode, struct buf *out,
			struct err *err)
{
	int64_t top;
	int r = mirror_path(h->s, h->d->id, inode, out, &top, err);

	return r > 0 ? top == STORE_ROOT && out->len > 0 : r;
}

/* Did it lose a name in a batch that has been closed?  T does not know. */
static bool is_removed(const struct ship *h, int64_t inode)
{
	const uint64_t *batch = map_get_u64(&h->removed, (uint64_t)inode);

	return batch && !(h->open && *batch == h->batch);
}

int copy_removed(struct ship *h, int64_t inode, struct err *err)
{
	bool is_new;
	uint64_t *batch = map_put_u64(&h->removed, (uint64_t)inode, &is_new,
				      err);

	if (!batch)
		return err->code;
	if (is_new)
		*batch = h->batch;
	return 0;
}

static int planned_path(struct ship *h, int64_t inode, struct buf *out,
			struct err *err)
{
	enum msg_area area;
	struct place at;
	int r;

	if (h->batch_moves || map_get_u64(&h->replaced, (uint64_t)inode) ||
	    is_removed(h, inode))
		return 0;
	r = plan_where(h, inode, FSYS_FILE, &at, err);
	if (r <= 0)
		return r;
	r = plan_path(h, at, out, &area, err);
	return r < 0 ? (r == -ERR_MEMORY ? r : 0) : area == MSG_TREE;
}

int copy_path(struct ship *h, int64_t inode, struct buf *path, struct err *err)
{
	return h->d->acked < h->d->sent ? planned_path(h, inode, path, err)
					: settled_path(h, inode, path, err);
}

/* A helper that is not root cannot read what its owner may not. */
static bool is_readable(const struct ship *h, const struct attr *a)
{
	return !h->remote || (a->mode & 0400) ||
	       remote_welcome(h->remote)->flags &
		       (MSG_WELCOME_CHOWN | MSG_WELCOME_NO_MODES);
}

/* 1 and the path, if the helper has this content under it. */
static int locate(struct ship *h, int64_t inode, const struct hash *hash,
		  struct buf *path, struct err *err)
{
	struct attr a;
	int r = mirror_inode(h->s, h->d->id, inode, &a, err);

	if (r == 0) {
		r = index_relic(h->s, h->d->id, inode, &a.hash, &a.size, err);
		a.type = FSYS_FILE;
		a.hashed = true;
		a.mode = 0400; /* not known */
	}
	if (r <= 0 || a.type != FSYS_FILE || !a.hashed || !is_readable(h, &a) ||
	    !hash_equal(&a.hash, hash))
		return r < 0 ? r : 0;
	return copy_path(h, inode, path, err);
}

/* Offsets behind each chunk. */
static int add_ends(struct source *s, struct err *err)
{
	uint64_t at = 0;
	size_t i;

	if (s->list.count == 0)
		return 0;
	s->ends = malloc(s->list.count * sizeof(*s->ends));
	if (!s->ends)
		return err_set(err, ERR_MEMORY, "out of memory");
	for (i = 0; i < s->list.count; i++)
		s->ends[i] = at += s->list.v[i].len;
	return 0;
}

static struct source *at_hand(struct ship *h, const struct index_hit *hit)
{
	size_t i;

	for (i = 0; i < SOURCES; i++)
		if (h->sources[i].used && h->sources[i].inode == hit->inode &&
		    hash_equal(&h->sources[i].hash, &hit->hash))
			return &h->sources[i];
	return NULL;
}

/* The source for a version, instead of the oldest of those at hand. */
static int load(struct ship *h, int64_t inode, const struct hash *hash,
		struct source **out, struct err *err)
{
	struct source *s = NULL;
	size_t i;
	int r;

	for (i = 0; i < SOURCES; i++)
		if (!s || h->sources[i].used < s->used)
			s = &h->sources[i];
	forget(s);
	s->inode = inode;
	s->hash = *hash;
	s->used = ++h->source_clock;
	buf_init(&s->path, PATH_BYTES_MAX);
	r = locate(h, inode, hash, &s->path, err);
	s->usable = r > 0;
	if (r > 0)
		r = index_get(h->s, inode, hash, &s->list, err);
	if (r > 0)
		r = add_ends(s, err);
	*out = s;
	return r < 0 ? r : 0;
}

static int compare(const void *a, const void *b)
{
	const struct spot *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Where the list has such a chunk first: 1, and it is the next one.  It is put
 * in order for those that are asked often. */
static int seek(struct source *s, uint64_t key, struct err *err)
{
	size_t i, low = 0, high = s->list.count;

	if (s->sought++ < SEEK_PLAIN) {
		for (i = 0; i < high; i++)
			if (s->list.v[i].key == key) {
				s->next = i;
				return 1;
			}
		return 0;
	}
	if (!s->spots) {
		s->spots = malloc((high ? high : 1) * sizeof(*s->spots));
		if (!s->spots)
			return err_set(err, ERR_MEMORY, "out of memory");
		for (i = 0; i < high; i++) {
			s->spots[i].key = s->list.v[i].key;
			s->spots[i].at = i;
		}
		qsort(s->spots, high, sizeof(*s->spots), compare);
	}
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->spots[mid].key < key)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == s->list.count || s->spots[low].key != key)
		return 0;
	s->next = s->spots[low].at;
	return 1;
}

static bool is_next(const struct source *s, uint64_t key, uint32_t len)
{
	return s->usable && s->next < s->list.count &&
	       s->list.v[s->next].key == key && s->list.v[s->next].len == len;
}

/* The next chunk's place; false: it is known not to be there. */
static bool take(struct ship *h, struct source *s, uint64_t *at)
{
	size_t i = s->next++, k;
	uint64_t end = s->ends[i];

	*at = i ? s->ends[i - 1] : 0;
	for (k = 0; k < h->bad_count; k++) {
		const struct copied *c = &h->bad[k];

		if (c->inode == s->inode && c->from < end &&
		    *at < c->from + c->length)
			return false;
	}
	return true;
}

/* 1: this version has the chunk, *at there. */
static int try_source(struct ship *h, struct source *s, uint64_t key,
		      uint32_t len, uint64_t *at, struct err *err)
{
	int r = s->usable ? seek(s, key, err) : 0;

	if (r <= 0)
		return r;
	if (!is_next(s, key, len) || !take(h, s, at))
		return 0;
	s->used = ++h->source_clock;
	return 1;
}

size_t copy_expect(const struct ship *h, unsigned bits, uint64_t *key)
{
	const struct source *s = NULL;
	size_t i;

	for (i = 0; i < SOURCES; i++)
		if (h->sources[i].used && h->sources[i].used == h->source_clock)
			s = &h->sources[i];
	/* The last one was cut by the end of its file. */
	if (!s || !s->usable || s->list.bits != bits ||
	    s->next + 1 >= s->list.count ||
	    s->list.v[s->next].key == INDEX_HOLE)
		return 0;
	*key = s->list.v[s->next].key;
	return s->list.v[s->next].len;
}

int copy_find(struct ship *h, uint64_t key, uint32_t len,
	      struct source **source, uint64_t *at, struct err *err)
{
	struct index_hit hits[INDEX_HITS];
	size_t i, n;
	int r;

	for (i = 0; i < SOURCES; i++)
		if (is_next(&h->sources[i], key, len)) {
			*source = &h->sources[i];
			(*source)->used = ++h->source_clock;
			if (take(h, *source, at))
				return 1;
		}
	r = index_find(h->s, h->d->id, key, hits, &n, err);
	for (i = 0; r == 0 && i < n; i++) {
		struct source *s = at_hand(h, &hits[i]);

		r = s ? try_source(h, s, key, len, at, err) : 0;
		*source = s;
	}
	for (i = 0; r == 0 && i < n; i++) {
		if (at_hand(h, &hits[i]))
			continue;
		if (h->loads_lost > LOADS_LOST + 2 * h->loads_won)
			break;
		r = load(h, hits[i].inode, &hits[i].hash, source, err);
		if (r == 0)
			r = try_source(h, *source, key, len, at, err);
		h->loads_won += r > 0;
		h->loads_lost += r == 0;
		break; /* the others may be tried for the next chunk */
	}
	return r;
}

int copy_find_whole(struct ship *h, const struct hash *hash, uint64_t size,
		    int64_t *inode, struct buf *path, struct err *err)
{
	int64_t inodes[INDEX_HITS];
	size_t i, k, n;
	int r = index_whole(h->s, h->d->id, hash, size, inodes, &n, err);

	for (i = 0; r == 0 && i < n; i++) {
		for (k = 0; k < h->bad_count; k++)
			if (h->bad[k].inode == inodes[i])
				break;
		if (k < h->bad_count)
			continue;
		buf_clear(path);
		r = locate(h, inodes[i], hash, path, err);
		*inode = inodes[i];
	}
	return r;
}

int copy_note(struct ship *h, const struct copied *c, struct err *err)
{
	int r = vec_grow((void **)&h->copied, &h->copied_cap,
			 h->copied_count + 1, sizeof(*h->copied), err);

	if (r == 0)
		h->copied[h->copied_count++] = *c;
	return r;
}

int copy_refused(struct ship *h, uint64_t stage, uint64_t offset,
		 struct err *err)
{
	size_t i, k;
	int r = 0;

	h->needs = true;
	for (i = 0; r == 0 && i < h->copied_count; i++) {
		if (h->copied[i].stage != stage || h->copied[i].at != offset)
			continue;
		/* The second time: nothing in it can be trusted. */
		for (k = 0; k < h->bad_count; k++)
			if (h->bad[k].inode == h->copied[i].inode) {
				h->bad[k].from = 0;
				h->bad[k].length = UINT64_MAX;
				return 0;
			}
		r = vec_grow((void **)&h->bad, &h->bad_cap, h->bad_count + 1,
			     sizeof(*h->bad), err);
		if (r == 0)
			h->bad[h->bad_count++] = h->copied[i];
	}
	return r;
}

int copy_repair(struct ship *h, struct err *err)
{
	struct attr a;
	size_t i;
	int r = db_begin(store_db(h->s), err);

	for (i = 0; r == 0 && i < h->bad_count; i++) {
		const struct copied *c = &h->bad[i];

		r = mirror_inode(h->s, h->d->id, c->inode, &a, err);
		if (r > 0 && a.hashed && hash_equal(&a.hash, &c->hash)) {
			memset(&a.hash, 0, sizeof(a.hash));
			r = mirror_set_inode(h->s, h->d->id, c->inode, &a, err);
		}
		r = r < 0 ? r : 0;
	}
	h->bad_count = 0;
	if (r == 0)
		return db_commit(store_db(h->s), err);
	db_rollback(store_db(h->s));
	return r;
}
