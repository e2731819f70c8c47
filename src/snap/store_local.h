/* What store.c, store_name.c, store_print.c and mirror.c share. */
#ifndef SNAPSYNC_STORE_LOCAL_H
#define SNAPSYNC_STORE_LOCAL_H

#include "snapsync/mirror.h"
#include "snapsync/store.h"

struct store {
	struct db *db;
	uint64_t seed;
	int64_t last_id;
	int64_t *dests; /* ids of all destinations */
	size_t dest_count, dest_cap;
	unsigned char value[512]; /* of the last store_config_get */
};

int store_load_dests(struct store *s, struct err *err);

/* A statement whose only parameter is an id. */
int store_run_with_id(struct store *s, const char *text, int64_t id,
		      struct err *err);

#endif
