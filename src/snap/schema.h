/* The schema of the state database, version SCHEMA_VERSION; its text for
 * people is snapsync-state(5). */
#ifndef SNAPSYNC_SCHEMA_H
#define SNAPSYNC_SCHEMA_H

#define SCHEMA_VERSION 2
#define SCHEMA_APPLICATION 1397641299 /* "SNPS" */

/* What the index over hashes holds: shorter content is not worth the words that
 * name it.  A query that is to use the index says the same. */
#define SCHEMA_WHOLE_MIN 256 /* bytes */
#define SCHEMA_NUMBER(n) SCHEMA_NUMBER_(n)
#define SCHEMA_NUMBER_(n) #n
#define SCHEMA_WHOLE                                                           \
	"hash IS NOT NULL AND size>=" SCHEMA_NUMBER(SCHEMA_WHOLE_MIN)

extern const char schema_text[];
/* From version 1.  What content lies where is learnt again. */
extern const char schema_upgrade[];

#endif
