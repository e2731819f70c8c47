/*
 * chunker: where content is cut, so that an insertion moves the cuts with it.
 *
 * Content-defined chunking with a gear hash: h = 2h + gear[byte]; a cut is made
 * behind the first byte, at least `min` bytes on, at which the top bits of h
 * are zero; at `max` bytes at the latest.  (Xia et al., "Ddelta", 2014, without
 * its normalisation.)  The table comes from the pair's seed, so that nobody can
 * prepare content with bad cuts.
 *
 *     chunker_init(&c, seed);
 *     size = chunk_size_for(file_size, bits_before);
 *     while (left) {
 *             n = chunker_cut(&c, &size, p, len);   len: all, or >= size.max
 *             ...
 *     }
 *
 * Threads: a chunker is not changed after chunker_init.
 */
#ifndef SNAPSYNC_CHUNKER_H
#define SNAPSYNC_CHUNKER_H

#include <stddef.h>
#include <stdint.h>

#define CHUNK_BITS_MIN 13u     /* of (average - min): 8 KiB + 8 KiB */
#define CHUNK_BITS_MAX 18u     /* 256 KiB + 256 KiB */
#define CHUNK_MAX (1u << 20)   /* bytes: the longest chunk of the longest kind */
#define CHUNK_COUNT_AIM 65536u /* chunks of one file, about */

struct chunker {
	uint64_t gear[256];
};

struct chunk_size {
	unsigned bits;	 /* top bits that are zero at a cut */
	size_t min, max; /* bytes; the average is min + 2^bits */
};

void chunker_init(struct chunker *c, uint64_t seed);

/* The kind of chunk for a file.  bits: what its chunks were cut with before, or
 * 0; kept unless the file's size calls for something quite different, since
 * chunks of two kinds have nothing in common. */
struct chunk_size chunk_size_for(uint64_t file_size, unsigned bits);

/* Length of the first chunk of p; len if there is no cut in it.  Unless p ends
 * with the content, len must be at least size->max. */
size_t chunker_cut(const struct chunker *c, const struct chunk_size *size,
		   const unsigned char *p, size_t len);

#endif
