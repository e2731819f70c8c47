/*
 * What the fuzz targets share.  Each target is one LLVMFuzzerTestOneInput:
 *
 *     make fuzz SECONDS=60 TARGET=msg    clang's libFuzzer, with sanitizers
 *     build/tests/fuzz_msg FILE...       any compiler: replay.c, over files
 *
 * A target aborts where a property does not hold.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "snapsync/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(what) fuzz_holds((what), #what, __FILE__, __LINE__)

static inline void fuzz_holds(bool what, const char *text, const char *file, int line)
{
	if (what)
		return;
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
	abort();
}

static inline bool fuzz_same(struct view a, struct view b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* The next bytes, as many as there are of `len`. */
static inline struct view fuzz_take(struct view *v, size_t len)
{
	size_t n = len < v->len ? len : v->len;

	return view_of(view_bytes(v, n), n);
}

/* A byte, 0 at the end. */
static inline unsigned fuzz_byte(struct view *v)
{
	return v->len ? view_u8(v) : 0;
}

/* A C string of a view; free it. */
static inline char *fuzz_text(struct view v)
{
	char *s = malloc(v.len + 1);

	HOLDS(s != NULL);
	if (v.len)
		memcpy(s, v.p, v.len);
	s[v.len] = 0;
	return s;
}

#endif
