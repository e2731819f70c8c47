/*
 * log: one line per event, to whoever the program chose.
 *
 * Below src/cli nothing prints; it calls log_line with the struct log it was
 * given.  The line reaches `write` complete, without a newline, with every
 * control character and every byte that is not UTF-8 escaped as \ooo, so that
 * no file name can forge or break a line.
 *
 * Threads: the caller's `write` says whether it may be called from several.
 */
#ifndef SNAPSYNC_LOG_H
#define SNAPSYNC_LOG_H

#include <stddef.h>

#include "snapsync/err.h"

enum log_level {
	LOG_ERROR, /* something was not synchronised */
	LOG_WARN,  /* a person should know */
	LOG_INFO,  /* -v */
	LOG_DEBUG  /* -vv */
};

typedef void (*log_write_fn)(void *arg, enum log_level level, const char *line);

struct log {
	log_write_fn write;
	void *arg;
	enum log_level level; /* lines above this are dropped */
};

/* A NULL log swallows everything. */
void log_line(const struct log *log, enum log_level level, const char *fmt, ...)
	ERR_PRINTF(3, 4);

/* len bytes of a name as printable text into out (NUL-terminated, cut at
 * size): control characters, backslash before an octal-looking run, and
 * invalid UTF-8 become \ooo.  Returns the length the whole text has. */
size_t log_escape(const void *name, size_t len, char *out, size_t size);

#endif
