/*
 * What the files of the client program share:
 *   main.c     the program            options.c, spec.c  the command line
 *   source.c   what SRC names         run.c              one pass, or many
 *   state.c    where the state lies
 *   connect.c  to the helper          output.c           lines for people
 *   drop.c     what is given up then
 *   status.c   --status and --log            json.c  lines for programs
 */
#ifndef SNAPSYNC_CLIENT_H
#define SNAPSYNC_CLIENT_H

#include <limits.h>
#include <stdio.h>

#include "config.h"
#include "snapsync/pass.h"
#include "snapsync/scan.h"
#include "snapsync/ship.h"

/* The line of -P. */
struct ticker {
	int64_t started, shown; /* mono ns */
	uint64_t work, content; /* when it was shown last */
	double percent;		/* never less than before */
	double rate, pace;	/* content, work: a second, smoothed */
	bool terminal, on_screen;
};

struct output {
	struct ticker ticker;
	const struct config *c;
	FILE *log_file;
	struct log log;
};

/* Bytes of connections: over the link, and of frames that were packed. */
struct traffic {
	uint64_t in, out, packed_from, packed_to;
};

struct client {
	struct config *c;
	struct output out;
	char src[PATH_MAX];   /* real path of the source */
	char named[PATH_MAX]; /* the same, or of a symbolic link to it, if that
				 is what SRC names */
	char state[PATH_MAX]; /* directory of its state */
	bool excluded;	      /* by the first rule of the filter */
	int lock_fd, root_fd;
	struct store *store;
	struct dest dest;
	struct ship *ship;
	struct remote *remote;
	struct accounts *accounts;  /* of a process that will be confined */
	struct scan_memory *memory; /* --interval: from pass to pass */
	struct pass_result pass;
	struct traffic traffic; /* of connections that are over */
	int64_t started;
	unsigned long passes;
	int64_t took;	 /* the last pass, ns */
	int64_t shown;	 /* mono ns: the helper heard from us during a pass */
	struct err lost; /* the connection, during a pass; code 0: it is not */
	const volatile int *stop;
	const volatile int *progress;
};

/* output.c */
void traffic_add(struct traffic *t, const struct remote *remote);
int output_open(struct output *o, const struct config *c, struct err *err);
void output_close(struct output *o);
void output_report(void *output, const struct ship_report *r);
/* --verify: a name at the destination that is not as it was left. */
void output_drift(void *output, enum ship_drift kind, enum fsys_type type,
		  struct view path, const char *what);
/* -P: one line that is written over, or on no terminal a line now and then. */
void output_tick(void *output, const struct ship_progress *p);
/* Off with that line, before another one is printed. */
void output_clear(struct output *o);
/* "file", "move": a word for it; NULL for none of them. */
const char *output_verb(enum journal_op op);
void output_error(struct output *o, const struct err *err);
void output_stats(struct client *k);
void output_progress(struct client *k);
/* "1234" or, with -h, "1.21K". */
void output_number(const struct config *c, uint64_t n, char *out, size_t size);

/* --json: the last line. */
void output_summary(struct client *k, int status);

/* json.c: begin, then what belongs to the event, end. */
void json_begin(const char *event);
/* Names are bytes: what is not UTF-8 has all of them in "KEY_hex" as well. */
void json_name(const char *key, struct view v);
/* "path"; the root is ".". */
void json_path(struct view v);
void json_text(const char *key, const char *text);
void json_number(const char *key, int64_t n);
void json_seconds(const char *key, double s);
void json_bool(const char *key, bool yes);
void json_end(void);

/* source.c: k->src and k->named. */
int source_find(struct client *k, struct err *err);
/* Is it apart from a local destination? */
int source_check(struct client *k, struct err *err);
/* Between passes: does the link lead elsewhere? */
int source_follow(struct client *k, struct err *err);

/* state.c */
int state_find(struct client *k, struct err *err);
int state_open(struct client *k, struct err *err);
int state_open_read(struct client *k, struct err *err);
void state_close(struct client *k);
/* Is it still there, and ours?  -ERR_FILE. */
int state_there(struct client *k, struct err *err);
/* A pass is over: what --status shows as the last one, without a write. */
void state_stamp(struct client *k);
/* Our own state, which is there, must not be mirrored; said again when the source
 * is another directory. */
int state_exclude(struct client *k, struct err *err);

/* connect.c */
int connect_open(struct client *k, struct err *err);
void connect_close(struct client *k);

/* drop.c */
void drop_rights(struct client *k);

/* run.c: the exit status. */
int run_once(struct client *k);
int run_forever(struct client *k);

/* status.c */
int status_show(struct client *k);
int status_log(struct client *k);

#endif
