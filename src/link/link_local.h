/* The kinds of link behind one interface. */
#ifndef SNAPSYNC_LINK_LOCAL_H
#define SNAPSYNC_LINK_LOCAL_H

#include <poll.h>

#include "snapsync/link.h"

struct link_ops {
	/* As the public functions; the counters are kept by link.c. */
	ssize_t (*read)(struct link *l, void *bytes, size_t size,
			struct err *err);
	ssize_t (*write)(struct link *l, const void *bytes, size_t size,
			 struct err *err);
	int (*wait)(struct link *l, int want, int timeout_ms, struct err *err);
	void (*close)(struct link *l);
};

struct link {
	const struct link_ops *ops;
	char what[128];	  /* for link_describe */
	uint64_t in, out; /* bytes */
};

/* ------------------------------------------------ far.c: far end's stderr */

#define FAR_LINES_MAX 100

struct far {
	const struct log *log;
	char line[512];
	size_t len;
	unsigned lines;
	char last[512]; /* last whole line */
	bool held;	/* it was not shown yet */
};

/* The last line is held back, since it may become part of an error. */
void far_take(struct far *f, const char *bytes, size_t len);
void far_end(struct far *f);
/* It did not: show it. */
void far_show(struct far *f);

/* ------------------------------------------------ child.c: processes */

struct child_start {
	const char *const *argv;
	const struct log *log;
	const char *what;   /* for link_describe */
	bool is_helper;	    /* argv[0] is the helper, not a transport */
	const char *helper; /* its name, for messages */
	const char *host;   /* where it should be, or NULL: here */
};
int child_open(const struct child_start *s, struct link **out, struct err *err);
/* Run a program to its end, its output (at most size-1 bytes) into out.
 * Returns its exit status (127: not found), or -1. */
int child_capture(const char *const argv[], char *out, size_t size,
		  int timeout_ms);
/* Start argv with one end of a socket pair as stdin and stdout. */
int child_socket(const char *const argv[], pid_t *pid);
void child_reap(pid_t pid);

/* ------------------------------------------------ exec.c */
/* The helper's name and arguments as one string that a shell reads as they
 * are, or -ERR_USAGE. */
int exec_command(const struct link_target *t, char *out, size_t size,
		 struct err *err);
int exec_helper_missing(const char *helper, const char *host, struct err *err);

#endif
