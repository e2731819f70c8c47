#include "snapsync/map.h"

#include <stdlib.h>
#include <string.h>

#include "snapsync/hash.h"

struct slot {
	uint64_t hash; /* 0: free */
	uint64_t len;  /* bytes in the key */
	union {
		unsigned char small[8];
		unsigned char *big;
	} key;
	/* the value follows */
};

static struct slot *slot_at(const struct map *m, size_t i)
{
	return (struct slot *)(void *)(m->slots + i * m->slot_size);
}

static unsigned char *key_of(struct slot *s)
{
	return s->len <= sizeof(s->key.small) ? s->key.small : s->key.big;
}

void map_init(struct map *m, size_t value_size)
{
	memset(m, 0, sizeof(*m));
	m->value_size = (value_size + 7) & ~(size_t)7;
	m->slot_size = sizeof(struct slot) + m->value_size;
}

void map_clear(struct map *m)
{
	size_t i;

	for (i = 0; i < m->cap; i++) {
		struct slot *s = slot_at(m, i);

		if (s->hash && s->len > sizeof(s->key.small))
			free(s->key.big);
	}
	if (m->cap)
		memset(m->slots, 0, m->cap * m->slot_size);
	m->count = 0;
}

void map_release(struct map *m)
{
	map_clear(m);
	free(m->slots);
	m->slots = NULL;
	m->cap = 0;
}

static uint64_t hash_key(const void *key, size_t len)
{
	return hash_u64(key, len, 0) | 1;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct slot *find(const struct map *m, uint64_t hash, const void *key,
			 size_t len)
{
	size_t i = (size_t)(hash >> 1) & (m->cap - 1);

	for (;; i = (i + 1) & (m->cap - 1)) {
		struct slot *s = slot_at(m, i);

		if (!s->hash ||
		    (s->hash == hash && s->len == len &&
		     (len == 0 || memcmp(key_of(s), key, len) == 0)))
			return s;
	}
}

static bool grow(struct map *m)
{
	struct map big = *m;
	size_t i;

	big.cap = m->cap ? m->cap * 2 : 64;
	big.slots = calloc(big.cap, big.slot_size);
	if (!big.slots)
		return false;
	for (i = 0; i < m->cap; i++) {
		struct slot *s = slot_at(m, i);

		if (s->hash)
			memcpy(find(&big, s->hash, key_of(s), (size_t)s->len),
			       s, m->slot_size);
	}
	free(m->slots);
	*m = big;
	return true;
}

void *map_get(const struct map *m, const void *key, size_t len)
{
	struct slot *s;

	if (!m->count)
		return NULL;
	s = find(m, hash_key(key, len), key, len);
	return s->hash ? s + 1 : NULL;
}

void *map_put(struct map *m, const void *key, size_t len, bool *is_new,
	      struct err *err)
{
	uint64_t hash = hash_key(key, len);
	struct slot *s;

	if (m->count * 4 >= m->cap * 3 && !grow(m)) {
		err_set(err, ERR_MEMORY, "out of memory");
		return NULL;
	}
	s = find(m, hash, key, len);
	if (is_new)
		*is_new = !s->hash;
	if (s->hash)
		return s + 1;
	if (len > sizeof(s->key.small)) {
		s->key.big = malloc(len);
		if (!s->key.big) {
			err_set(err, ERR_MEMORY, "out of memory");
			return NULL;
		}
		memcpy(s->key.big, key, len);
	} else if (len) {
		memcpy(s->key.small, key, len);
	}
	s->hash = hash;
	s->len = len;
	m->count++;
	return s + 1;
}

void *map_get_u64(const struct map *m, uint64_t key)
{
	return map_get(m, &key, sizeof(key));
}

void *map_put_u64(struct map *m, uint64_t key, bool *is_new, struct err *err)
{
	return map_put(m, &key, sizeof(key), is_new, err);
}

void *map_next(const struct map *m, size_t *at, struct view *key)
{
	while (*at < m->cap) {
		struct slot *s = slot_at(m, (*at)++);

		if (!s->hash)
			continue;
		if (key)
			*key = view_of(key_of(s), (size_t)s->len);
		return s + 1;
	}
	return NULL;
}
