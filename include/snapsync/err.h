/*
 * err: how a function of snapsync fails.
 *
 * A function that can fail returns 0 or a negative error code and takes a
 * caller-owned `struct err *` as its last argument.  Recording and failing
 * are one expression:
 *
 *     if (fd < 0)
 *             return err_sys(err, ERR_FILE, errno, "cannot open %s", name);
 *
 * One table gives each code its name, its class (what a caller should do
 * about it) and the exit status.  Policy reads the class, never errno.
 *
 * Threads: a struct err belongs to one thread.  The table is constant.
 */
#ifndef SNAPSYNC_ERR_H
#define SNAPSYNC_ERR_H

#include <stddef.h>

#if defined(__GNUC__)
#define ERR_PRINTF(a, b) __attribute__((format(printf, a, b)))
#else
#define ERR_PRINTF(a, b)
#endif

enum err_code {
	ERR_NONE = 0,
	ERR_USAGE,    /* the command line is wrong */
	ERR_PROTOCOL, /* the peer broke the protocol, or speaks another one */
	ERR_SOURCE,   /* the source cannot be used at all */
	ERR_START,    /* helper, login, host key or lock: could not begin */
	ERR_SOCKET,   /* the connection could not be made or was lost */
	ERR_FILE,     /* the destination or the state database cannot be used */
	ERR_STREAM,   /* the stream ended in the middle */
	ERR_SIGNAL,   /* stopped by a signal */
	ERR_MEMORY,   /* out of memory */
	ERR_PARTIAL,  /* something could not be synchronised */
	ERR_LIMIT,    /* deletes were withheld */
	ERR_TIMEOUT,  /* the peer was silent for too long */
	ERR_CONNECT,  /* time ran out while connecting */
	/* one entry, not the run: exit status 23 */
	ERR_DENIED,	 /* permission refused */
	ERR_VANISHED,	 /* gone, or changed, between look and use */
	ERR_EXISTS,	 /* something else is in the way */
	ERR_NOT_EMPTY,	 /* a directory holds what is not ours to delete */
	ERR_NO_SPACE,	 /* disk or quota full */
	ERR_UNSUPPORTED, /* the file system there cannot store this */
	ERR_NAME,	 /* a name or path that cannot be used */
	ERR_IO,		 /* the device failed */
	ERR_MISMATCH,	 /* the content's hash is not the announced one */
	ERR_BUSY,	 /* locked by somebody else, or in use */
	ERR_CODES	 /* how many there are */
};

/* What to do about an error. */
enum err_class {
	ERR_CLASS_NONE,
	ERR_CLASS_RETRY,  /* the same thing may work a little later */
	ERR_CLASS_SKIP,	  /* this entry only; go on with the others */
	ERR_CLASS_RESCAN, /* our picture is stale: look again */
	ERR_CLASS_DROP,	  /* the connection is of no use any more */
	ERR_CLASS_FATAL	  /* the run cannot go on */
};

struct err {
	int code;	/* negative enum err_code, or 0 */
	int sys;	/* errno behind it, or 0 */
	char msg[1024]; /* complete sentence without a full stop */
};

/* Record code (positive enum err_code) with a message; returns -code. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
	ERR_PRINTF(3, 4);

/* The same with ": strerror(sys)" behind the message. */
int err_sys(struct err *err, enum err_code code, int sys, const char *fmt, ...)
	ERR_PRINTF(4, 5);

/* The entry-level code that fits an errno (ERR_IO where nothing better does). */
enum err_code err_from_errno(int sys);

/* Name ("no-space"), class and exit status of a code, negative or positive. */
const char *err_name(int code);
enum err_class err_class(int code);
int err_exit(int code);

/* Forget what was recorded. */
void err_clear(struct err *err);

#endif
