#include "snapsync/vec.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 65536

struct arena_block {
	struct arena_block *next;
	size_t used, cap;
	/* the memory follows */
};

int vec_grow(void **array, size_t *cap, size_t need, size_t size,
	     struct err *err)
{
	size_t n = *cap + *cap / 2;
	void *p;

	if (need <= *cap)
		return 0;
	if (n < need)
		n = need;
	if (n < 16)
		n = 16;
	p = n > SIZE_MAX / size ? NULL : realloc(*array, n * size);
	if (!p)
		return err_set(err, ERR_MEMORY, "out of memory");
	*array = p;
	*cap = n;
	return 0;
}

void arena_init(struct arena *a)
{
	memset(a, 0, sizeof(*a));
}

void arena_release(struct arena *a)
{
	struct arena_block *b, *next;

	for (b = a->head; b; b = next) {
		next = b->next;
		free(b);
	}
	arena_init(a);
}

void arena_clear(struct arena *a)
{
	struct arena_block *keep = a->head;

	if (!keep)
		return;
	a->head = keep->next;
	arena_release(a);
	keep->next = NULL;
	keep->used = 0;
	a->head = keep;
}

void *arena_get(struct arena *a, size_t size, struct err *err)
{
	struct arena_block *b = a->head;
	size_t cap;
	void *p;

	if (size > SIZE_MAX / 2) {
		err_set(err, ERR_MEMORY, "out of memory");
		return NULL;
	}
	size = (size + 15) & ~(size_t)15;
	if (!b || b->cap - b->used < size) {
		cap = size > BLOCK_BYTES ? size : BLOCK_BYTES;
		b = malloc(sizeof(*b) + 16 + cap);
		if (!b) {
			err_set(err, ERR_MEMORY, "out of memory");
			return NULL;
		}
		b->next = a->head;
		b->used = 0;
		b->cap = cap;
		a->head = b;
	}
	p = (char *)b + ((sizeof(*b) + 15) & ~(size_t)15) + b->used;
	b->used += size;
	a->bytes += size;
	return p;
}

char *arena_copy(struct arena *a, const void *bytes, size_t len,
		 struct err *err)
{
	char *p = arena_get(a, len + 1, err);

	if (!p)
		return NULL;
	if (len)
		memcpy(p, bytes, len);
	p[len] = 0;
	return p;
}
