/*
 * map: a hash table from a key of bytes (or a number) to a value of fixed size.
 *
 *     struct map m;
 *     map_init(&m, sizeof(struct thing));
 *     struct thing *t = map_put_u64(&m, id, &is_new, err);    NULL: no memory
 *     t = map_get_u64(&m, id);                                NULL: not there
 *     for (i = 0; (t = map_next(&m, &i, &key)); ) ...
 *     map_release(&m);
 *
 * A new value is zeroed.  A pointer to a value is good until the next put.
 * Open addressing with linear probing; keys longer than 8 bytes are copied.
 * Removal is by map_clear only, which is all we need.
 */
#ifndef SNAPSYNC_MAP_H
#define SNAPSYNC_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapsync/buf.h"

struct map {
	unsigned char *slots;
	size_t value_size; /* bytes, rounded up to 8 */
	size_t slot_size;
	size_t count;
	size_t cap; /* slots, a power of two, or 0 */
};

void map_init(struct map *m, size_t value_size);
void map_release(struct map *m);
void map_clear(struct map *m);
void *map_get(const struct map *m, const void *key, size_t len);
void *map_put(struct map *m, const void *key, size_t len, bool *is_new, struct err *err);
void *map_get_u64(const struct map *m, uint64_t key);
void *map_put_u64(struct map *m, uint64_t key, bool *is_new, struct err *err);
/* Any order.  *at starts at 0; key (may be NULL) is lent. */
void *map_next(const struct map *m, size_t *at, struct view *key);

#endif
