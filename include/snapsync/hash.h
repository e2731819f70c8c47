/*
 * hash: XXH3, 64 and 128 bits, with a seed.
 *
 * Content and directory fingerprints are XXH3-128 with a seed that is random
 * per state database, so that who can write into the tree cannot prepare a
 * collision.  A digest is kept and sent as 16 bytes in XXH128's canonical
 * (big-endian) form.
 */
#ifndef SNAPSYNC_HASH_H
#define SNAPSYNC_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapsync/err.h"

#define HASH_SIZE 16

struct hash {
	unsigned char b[HASH_SIZE];
};

/* A digest in the making; opaque. */
struct hash_state;

struct hash hash_of(const void *bytes, size_t len, uint64_t seed);
uint64_t hash_u64(const void *bytes, size_t len, uint64_t seed);
/* The first half of it, little-endian: a key to look for it by. */
uint64_t hash_half(const struct hash *h);
bool hash_equal(const struct hash *a, const struct hash *b);
/* a += b, as 128-bit numbers: a sum that does not depend on the order. */
void hash_add(struct hash *a, const struct hash *b);

/* NULL if there is no memory. */
struct hash_state *hash_new(void);
void hash_free(struct hash_state *s);
void hash_reset(struct hash_state *s, uint64_t seed);
void hash_update(struct hash_state *s, const void *bytes, size_t len);
struct hash hash_digest(const struct hash_state *s);

/* len bytes from the system's random number generator (/dev/urandom). */
int hash_random(void *bytes, size_t len, struct err *err);

#endif
