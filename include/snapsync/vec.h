/*
 * vec: room for one more element in an array of the caller's.
 *
 *     struct thing *v = NULL;
 *     size_t n = 0, cap = 0;
 *     if (vec_grow((void **)&v, &cap, n + 1, sizeof(*v), err) < 0) ...
 *     v[n++] = thing;
 *     free(v);
 */
#ifndef SNAPSYNC_VEC_H
#define SNAPSYNC_VEC_H

#include <stddef.h>

#include "snapsync/err.h"

/* Make the array hold `need` elements of `size` bytes, growing by halves or
 * more.  0, or -ERR_MEMORY and nothing changed. */
int vec_grow(void **array, size_t *cap, size_t need, size_t size, struct err *err);

/* arena: memory that is given back all at once.  Its pieces keep their place. */
struct arena {
	struct arena_block *head;
	size_t bytes; /* handed out */
};

void arena_init(struct arena *a);
void arena_release(struct arena *a);
/* Keep one block for reuse. */
void arena_clear(struct arena *a);
/* Aligned for any type; NULL without memory. */
void *arena_get(struct arena *a, size_t size, struct err *err);
/* A copy of len bytes and a NUL. */
char *arena_copy(struct arena *a, const void *bytes, size_t len, struct err *err);

#endif
