/*
 * ship: bring a destination from what it has to what the snapshot says.
 *
 *     struct ship_options o = {...};
 *     ship_new(store, root_fd, &dest, &o, &ship, err);
 *     ship_attach(ship, remote, err);      after connecting: settle, reconcile
 *     ship_run(ship, err);                 plan, send, wait until all is durable
 *     ship_detach(ship);                   the connection is gone; NULL is fine
 *     ship_free(ship);
 *
 * Without a remote (dry run) ship_run plans and sends nothing; what would be
 * done is told to `report`, in order.  Else it hears what was done, once it is
 * durable there, and nothing of what failed.
 *
 * ship_run returns 0 when everything planned was sent and settled; what failed
 * is in the counters and in `problem`.  Its errors are those of the sink, the
 * database, and -ERR_SIGNAL.
 *
 * Threads: one.
 */
#ifndef SNAPSYNC_SHIP_H
#define SNAPSYNC_SHIP_H

#include "snapsync/alter.h"
#include "snapsync/filter.h"
#include "snapsync/journal.h"
#include "snapsync/accounts.h"
#include "snapsync/remote.h"

/* What happened to one entry, for -i, -v, -P and the log. */
struct ship_report {
	enum journal_op op;
	enum fsys_type type;
	bool is_new;	 /* not there before under any name */
	struct attr was; /* what the destination had (type NONE: nothing) */
	struct attr now;
	struct view path;
	struct view from;   /* MOVE, LINK */
	struct view target; /* SYMLINK */
};

/* What --verify finds: the destination is not as it was left. */
enum ship_drift {
	SHIP_MISSING, /* was there */
	SHIP_CHANGED,
	SHIP_REPLACED, /* something else has the name */
	SHIP_EXTRA     /* neither in the source nor put there by us */
};

struct ship_counts {
	uint64_t operations, failed, files, moves, deletes;
	uint64_t literal; /* content bytes sent */
	uint64_t matched; /* content bytes that the destination had */
	uint64_t drifted; /* verify: names that are not as they were left */
	uint64_t extras;  /* ... of them, what stays where it is */
	uint64_t unseen;  /* by the last listing: could not be looked at there */
};

/* How far a run is.  The work is bytes of content, and for each operation as
 * much as for SHIP_OPERATION bytes; what is to be done is an estimate. */
#define SHIP_OPERATION 4096u

struct ship_progress {
	uint64_t done, total; /* work */
	uint64_t content;     /* bytes: of it, content so far */
	struct view path;     /* what is at hand */
	bool over, complete;  /* the run is over; it came to its end */
};

struct ship_options {
	const struct filter *filter;
	bool delete_extras; /* --delete */
	bool checksum;	    /* -c at a first contact */
	bool owners;	    /* send names of owners (not --numeric-ids) */
	bool dry;
	bool verify;		   /* list the destination whatever is known of it */
	bool size_only;		   /* files of equal size have equal content */
	const struct alter *alter; /* as in pass_options */
	bool same_owners;	   /* numbers of owners mean the same there */
	bool sparse;		   /* -S */
	bool patient;		   /* long files are sent by ship_more */
	struct view backup_top;	   /* name in DEST that neither side may have */
	int64_t max_delete;	   /* of extras: as in pass_options */
	bool max_percent, max_default, force_delete;
	const volatile int *stop;
	const struct log *log;
	/* May be NULL. */
	void (*report)(void *arg, const struct ship_report *report);
	/* verify: `what` differs ("size, mode"), or "". */
	void (*drift)(void *arg, enum ship_drift kind, enum fsys_type type,
		      struct view path, const char *what);
	void *report_arg; /* of both */
	/* May be NULL; called often. */
	void (*progress)(void *arg, const struct ship_progress *p);
	void *progress_arg;
};

struct ship;

int ship_new(struct store *s, int root_fd, struct dest *d, const struct ship_options *o,
	     struct ship **out, struct err *err);
void ship_free(struct ship *ship);
/* remote NULL: dry run against an empty or already known destination. */
int ship_attach(struct ship *ship, struct remote *remote, struct err *err);
void ship_detach(struct ship *ship);
int ship_run(struct ship *ship, struct err *err);
/* Not attached: read again the files that might have changed unseen, so that
 * those which did not need no connection. */
int ship_recheck(struct ship *ship, struct err *err);
/* With `patient` ship_run only begins a long file.  While ship_busy, ship_more
 * sends of it until then (mono ns): 1 there is more; 0 it is over, and the next
 * ship_run puts it into its place. */
bool ship_busy(const struct ship *ship);
int ship_more(struct ship *ship, int64_t until, struct err *err);
const struct ship_counts *ship_counts(const struct ship *ship);
/* Extras whose removal was withheld (--delete and the limit). */
uint64_t ship_withheld(const struct ship *ship);
/* Entries that changed while they were read, in the last run. */
uint64_t ship_restless(const struct ship *ship);
/* Who is asked for the names of owners; NULL: this process asks itself. */
void ship_set_accounts(struct ship *ship, struct accounts *accounts);
/* The root's source file descriptor, for a source that was opened again. */
void ship_set_root(struct ship *ship, int root_fd);

#endif
