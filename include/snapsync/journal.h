/*
 * journal: the ordered operations sent, or about to be sent, to a destination.
 *
 * Rows of a batch are committed before its COMMIT goes out; when the helper
 * has it, journal_settle lays their effects onto the mirror.  Settled rows
 * stay as history for --log.
 */
#ifndef SNAPSYNC_JOURNAL_H
#define SNAPSYNC_JOURNAL_H

#include "snapsync/mirror.h"
#include "snapsync/problem.h"

enum journal_op {
	JOURNAL_MKDIR = 1,
	JOURNAL_FILE, /* content, new or changed */
	JOURNAL_SYMLINK,
	JOURNAL_NODE,
	JOURNAL_LINK,
	JOURNAL_MOVE,
	JOURNAL_REMOVE,
	JOURNAL_META
};

struct journal_row {
	enum journal_op op;
	int64_t inode;
	enum fsys_type type;
	int64_t parent;	     /* of path; 0 limbo, -1 for the root itself */
	struct view path;    /* relative, new one for LINK and MOVE */
	int64_t from_parent; /* LINK, MOVE */
	struct view from;
	uint64_t bytes;	  /* of content that went with it */
	struct attr attr; /* as sent: MKDIR FILE SYMLINK NODE META */
};

/* A failed operation of a batch. */
struct journal_fail {
	uint32_t index;
	int code; /* enum err_code */
	char text[256];
};

/* Append the rows of one batch; rows[i].index is i. */
int journal_write(struct store *s, struct dest *d, uint64_t batch,
		  const struct journal_row *rows, size_t count, struct err *err);

struct journal_settled {
	bool doubtful; /* in: something before the batch may have failed */
	uint64_t done, failed;
	uint64_t left;	/* directories that hold what is not ours */
	bool surprised; /* the destination was not as the mirror says */
	/* in, may be NULL: called for each row that was done, in order */
	void (*done_fn)(void *arg, uint64_t batch, uint32_t index);
	void *arg;
};

/* The batch is durable at the destination but for `fails` (ordered by index):
 * effects onto the mirror, problems noted and cleared, d->acked moved on. */
int journal_settle(struct store *s, struct dest *d, uint64_t batch,
		   const struct journal_fail *fails, size_t fail_count,
		   struct journal_settled *out, struct problem_teller *teller,
		   struct err *err);

/* Forget rows of batches after d->acked: they never happened. */
int journal_forget(struct store *s, struct dest *d, struct err *err);

/* Keep history for `days` and at most `rows` rows. */
int journal_prune(struct store *s, int64_t days, int64_t rows, struct err *err);

/* spec: the destination's. */
typedef int (*journal_fn)(void *arg, struct view spec, int64_t time_s,
			  const struct journal_row *row, int code, bool settled,
			  struct err *err);
/* History of a destination (0: of all), oldest first: since (seconds, 0: all), below a path ("" all). */
int journal_each(struct store *s, int64_t dest, int64_t since_s, struct view below,
		 journal_fn fn, void *arg, struct err *err);

#endif
