/* The schema of the state database, version SCHEMA_VERSION; its text for
 * people is snapsync-state(5). */
#ifndef SNAPSYNC_SCHEMA_H
#define SNAPSYNC_SCHEMA_H

#define SCHEMA_VERSION 2
#define SCHEMA_APPLICATION 1397641299 /* "SNPS" */

extern const char schema_text[];
/* From version 1.  What content lies where is learnt again. */
extern const char schema_upgrade[];

#endif
