/*
 * index: where content lies that a destination has.
 *
 * A *version* is what an inode's content was at some time, known by its hash;
 * its chunks are kept as a list, and each chunk can be found by its key.  A
 * version says nothing about destinations: one has it if the mirror says that
 * its inode has that hash now (mirror_inode).
 *
 *     index_put(s, inode, &hash, &list, err);       inside a transaction
 *     index_find(s, dest, key, hits, &n, err);      versions with that chunk
 *     index_get(s, inode, &hash, &list, err);       1: the list of a version
 *     index_whole(s, dest, &hash, size, inodes, &n, err);
 *
 * A key is the first half of the chunk's hash (hash_half): what is found is a good guess,
 * and is verified by the helper with the whole hash.
 */
#ifndef SNAPSYNC_INDEX_H
#define SNAPSYNC_INDEX_H

#include "snapsync/store.h"

#define INDEX_HITS 8u
#define INDEX_LIST_MAX (1u << 20) /* chunks of one version; longer ones are not indexed */
#define INDEX_HOLE 0u		  /* key of what is no chunk, but a hole */

struct chunk_ref {
	uint64_t key;
	uint32_t len; /* bytes */
};

struct chunk_list {
	unsigned bits; /* chunk_size they were cut with */
	struct chunk_ref *v;
	size_t count, cap;
	bool cut_short; /* there are more: it is no use */
};

#define INDEX_REF_BYTES 12u /* of each chunk in the database */

struct index_hit {
	int64_t inode;
	struct hash hash; /* of its version */
};

int chunk_list_add(struct chunk_list *l, uint64_t key, uint32_t len, struct err *err);
int chunk_list_decode(struct chunk_list *l, struct view v, struct err *err);
void chunk_list_clear(struct chunk_list *l);
void chunk_list_release(struct chunk_list *l);

/* Older versions of the inode go that no destination has. */
int index_put(struct store *s, int64_t inode, const struct hash *hash, const struct chunk_list *l, struct err *err);
int index_get(struct store *s, int64_t inode, const struct hash *hash, struct chunk_list *l, struct err *err);
/* How this content was cut, whosever it was: 1. */
int index_bits(struct store *s, const struct hash *hash, unsigned *bits, struct err *err);
/* Versions that the destination may have, of inodes that have or had such a
 * chunk: whether this version has it, and where, its list says. */
int index_find(struct store *s, int64_t dest, uint64_t key, struct index_hit hits[INDEX_HITS], size_t *count, struct err *err);
/* Inodes that the destination may have with this content; none if it is too short
 * to be worth it. */
int index_whole(struct store *s, int64_t dest, const struct hash *hash, uint64_t size,
		int64_t inodes[INDEX_HITS], size_t *count, struct err *err);
/* 1 if there is nothing in it. */
int index_empty(struct store *s, struct err *err);
/* The content of an inode that is not in the source any more, and that the
 * destination still has under some name: 1. */
int index_relic(struct store *s, int64_t dest, int64_t inode, struct hash *hash, uint64_t *size, struct err *err);
/* 1 if there are any. */
int index_has_relics(struct store *s, struct err *err);
/* Forget those that no destination has any more, and their versions. */
int index_prune(struct store *s, struct err *err);

#endif
