/*
 * problem: what could not be synchronised, with its reason, until it can.
 *
 * Rows are kept per destination (0: the source itself) and path.  The source's
 * are found again by every pass: begin, note..., end drops those not found
 * again.
 */
#ifndef SNAPSYNC_PROBLEM_H
#define SNAPSYNC_PROBLEM_H

#include "snapsync/log.h"
#include "snapsync/store.h"

int problem_note(struct store *s, int64_t dest, struct view path, int code,
		 const char *text, struct err *err);
/* When it was last noted with this text (nanoseconds, real time); 0 never. */
int problem_last(struct store *s, int64_t dest, struct view path, const char *text,
		 int64_t *out, struct err *err);
/* 1: there is one that is this path's own, and not of what it was to be made from. */
int problem_blocks(struct store *s, int64_t dest, struct view path, struct err *err);
/* Lines about them: of a kind (a code) the first PROBLEM_LINES of a run get one
 * each, unless the log is verbose, and the others are counted. */
#define PROBLEM_LINES 20u
struct problem_teller {
	const struct log *log;
	uint32_t lines[ERR_CODES];
	uint64_t more;
};
void problem_tell(struct problem_teller *t, struct view path, int code, const char *text);
/* The run is over: how many got no line. */
void problem_told(struct problem_teller *t);
/* It works now. */
int problem_clear(struct store *s, int64_t dest, struct view path, struct err *err);
/* Drop rows of dest not noted since `since` (nanoseconds, real time). */
int problem_expire(struct store *s, int64_t dest, int64_t since, struct err *err);
/* How many, for this destination and the source. */
int problem_count(struct store *s, int64_t dest, int64_t *out, struct err *err);

typedef int (*problem_fn)(void *arg, struct view path, const char *code,
			  const char *text, int64_t first_s, int64_t count);
int problem_each(struct store *s, int64_t dest, problem_fn fn, void *arg, struct err *err);

#endif
