#include "snapsync/hash.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "snapsync/fsys.h"

static struct hash canonical(XXH128_hash_t h)
{
	XXH128_canonical_t c;
	struct hash out;

	XXH128_canonicalFromHash(&c, h);
	memcpy(out.b, c.digest, HASH_SIZE);
	return out;
}

struct hash hash_of(const void *bytes, size_t len, uint64_t seed)
{
	return canonical(XXH3_128bits_withSeed(bytes, len, seed));
}

uint64_t hash_u64(const void *bytes, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes, len, seed);
}

uint64_t hash_half(const struct hash *h)
{
	uint64_t key = 0;
	size_t i;

	for (i = 0; i < 8; i++)
		key |= (uint64_t)h->b[i] << (8 * i);
	return key;
}

bool hash_equal(const struct hash *a, const struct hash *b)
{
	return memcmp(a->b, b->b, HASH_SIZE) == 0;
}

void hash_add(struct hash *a, const struct hash *b)
{
	unsigned carry = 0;
	int i;

	for (i = HASH_SIZE - 1; i >= 0; i--) {
		carry += (unsigned)a->b[i] + b->b[i];
		a->b[i] = (unsigned char)carry;
		carry >>= 8;
	}
}

struct hash_state *hash_new(void)
{
	XXH3_state_t *s = XXH3_createState();

	if (s)
		XXH3_128bits_reset(s);
	return (struct hash_state *)s;
}

void hash_free(struct hash_state *s)
{
	XXH3_freeState((XXH3_state_t *)s);
}

void hash_reset(struct hash_state *s, uint64_t seed)
{
	XXH3_128bits_reset_withSeed((XXH3_state_t *)s, seed);
}

void hash_update(struct hash_state *s, const void *bytes, size_t len)
{
	XXH3_128bits_update((XXH3_state_t *)s, bytes, len);
}

struct hash hash_digest(const struct hash_state *s)
{
	return canonical(XXH3_128bits_digest((const XXH3_state_t *)s));
}

int hash_random(void *bytes, size_t len, struct err *err)
{
	int fd = fsys_open(FSYS_CWD, "/dev/urandom", FSYS_READ, 0, err);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = fsys_read_full(fd, bytes, len, err);
	fsys_close(fd);
	if (n < 0)
		return err->code;
	if ((size_t)n != len)
		return err_set(err, ERR_START, "/dev/urandom ended");
	return 0;
}
