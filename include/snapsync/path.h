/*
 * path: relative paths as bytes, and their rules.
 *
 * A relative path inside a mirror is one or more components joined by '/';
 * a component is 1..255 bytes, not "." or "..", without '/' and NUL.  The
 * empty path is the root itself.
 */
#ifndef SNAPSYNC_PATH_H
#define SNAPSYNC_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "snapsync/buf.h"

#define PATH_NAME_MAX 255    /* bytes in a component */
#define PATH_BYTES_MAX 65535 /* bytes in a relative path */
#define PATH_DEPTH_MAX 32768 /* components */

/* The directory of ours in every destination, never mirrored. */
#define PATH_PRIVATE ".snapsync"

bool path_name_ok(const void *name, size_t len);
/* Every rule above; `empty_ok` says whether the root itself may be meant. */
bool path_ok(const void *path, size_t len, bool empty_ok);

/* Take the first component off: false at the end.  The path must be path_ok. */
bool path_next(struct view *rest, struct view *name);
/* The last component, and what comes before it (without the '/'). */
void path_split(struct view path, struct view *parent, struct view *name);
/* '/' (unless b is empty) and name behind b. */
int path_push(struct buf *b, const void *name, size_t len, struct err *err);
/* The directory at the end of the path below dirfd, component by component,
 * through no symbolic link: a descriptor of its own; "" is a copy of dirfd. */
int path_open_dir(int dirfd, struct view path, struct err *err);
/* name and '/' (unless b is empty) before b. */
int path_prepend(struct buf *b, const void *name, size_t len, struct err *err);
/* Names in the order of their bytes, as memcmp. */
int path_compare(const void *a, size_t a_len, const void *b, size_t b_len);
/* Cut the last component off. */
void path_pop(struct buf *b);

#endif
