/*
 * pass: look at the source once, and bring the snapshot up to date.
 *
 *     struct pass_options o = {...};
 *     pass_run(store, root_fd, &o, &result, err);
 *
 * One transaction: walk, compare with the snapshot, confirm what seems to be
 * gone by walking again, decide about deletes, commit.  Destinations keep what
 * they have (see store.h), so that the difference is committed with it.
 *
 * Deletes are withheld (the names stay in the snapshot, and will be looked for
 * again) when the root is empty, is another directory or device than before,
 * when too much is gone, or when the tree would not hold still.
 *
 * Errors: -ERR_SOURCE if the root cannot be read; database errors; nothing is
 * changed then.  What could not be looked at is a row of `problem`.
 */
#ifndef SNAPSYNC_PASS_H
#define SNAPSYNC_PASS_H

#include "snapsync/alter.h"
#include "snapsync/filter.h"
#include "snapsync/log.h"
#include "snapsync/scan.h"
#include "snapsync/store.h"

enum pass_withheld {
	PASS_ALL_WELL = 0,
	PASS_ROOT_EMPTY,
	PASS_ROOT_REPLACED, /* another directory under the same path */
	PASS_ROOT_DEVICE,   /* another file system there */
	PASS_TOO_MANY,	    /* more than --max-delete */
	PASS_RESTLESS	    /* kept changing: the next pass decides */
};

struct pass_options {
	const struct filter *filter;
	bool one_file_system;
	int64_t max_delete; /* entries, or with max_percent percent; -1: none */
	bool max_percent;
	bool max_default;	    /* percent, and only for 100 entries or more */
	bool force_delete;	    /* let one pass through */
	const struct alter *alter;  /* --chmod, --chown */
	struct scan_memory *memory; /* of the passes before; may be NULL */
	const volatile int *stop;
	const struct log *log;
	bool told;		  /* a pass before told the log what it could not look at */
	void (*alive)(void *arg); /* called for every directory; may be NULL */
	void *alive_arg;
};

struct pass_result {
	uint64_t entries;  /* looked at */
	uint64_t changes;  /* names and inodes that were not as before */
	uint64_t gone;	   /* entries whose delete is mirrored */
	uint64_t kept;	   /* entries whose delete was withheld */
	uint64_t problems; /* entries that could not be looked at */
	enum pass_withheld withheld;
	bool first;   /* the snapshot was empty before */
	bool unknown; /* other rules of the filter, or other directories than
			   * before can be seen: destinations are to be listed */
};

int pass_run(struct store *s, int root_fd, const struct pass_options *o,
	     struct pass_result *result, struct err *err);

/* What the last one withheld, and why; no more of it is known. */
int pass_last(struct store *s, struct pass_result *out, struct err *err);

/* The sentence for a person: what is withheld, why, and how to go on. */
void pass_explain(const struct pass_result *r, char *out, size_t size);

#endif
