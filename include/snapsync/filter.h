/*
 * filter: which names belong to the mirror; rsync's rules.
 *
 *     filter_new(&f, err);
 *     filter_add(f, "- *.o", err);          --filter
 *     filter_exclude(f, "*.o", err);        --exclude
 *     filter_include(f, "*.c", err);        --include
 *     filter_file(f, "list", false, err);   --exclude-from (true: --include-from)
 *     filter_set_root(f, "/home/me", err);  for the modifier '/'
 *     if (!filter_wants(f, path, is_dir)) ...
 *     filter_free(f);
 *
 * The first rule that matches decides; no match means wanted.  A leading '/'
 * anchors at the root of the mirror, a trailing '/' matches directories only,
 * '*' stops at '/', '**' does not, '?' is any byte but '/', [..] a class; a
 * pattern without '/' (but a trailing one) and without '**' is matched against
 * the last component, else against the end of the path at a component
 * boundary; if it begins with '**', against all of the path with a '/' before
 * it, so that '**' and '/' in front match at the top too.  A pattern "dir/" and
 * three stars is the directory and all below it.  A directory that is not
 * wanted is not looked into.  A rule with the modifier '/' is matched against
 * the absolute path instead, that of the root and the name's in it.  See
 * rsync(1), FILTER RULES.
 *
 * A rule that is not supported (per-directory merge files) is -ERR_USAGE with
 * a message that names it.
 *
 * Threads: after the last add and the root a filter is constant.
 */
#ifndef SNAPSYNC_FILTER_H
#define SNAPSYNC_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "snapsync/buf.h"
#include "snapsync/err.h"
#include "snapsync/hash.h"

struct filter;

int filter_new(struct filter **out, struct err *err);
void filter_free(struct filter *f);
int filter_add(struct filter *f, const char *rule, struct err *err);
int filter_exclude(struct filter *f, const char *pattern, struct err *err);
/* Before all rules there are. */
int filter_exclude_first(struct filter *f, const char *pattern, struct err *err);
/* Takes the first one away. */
void filter_drop_first(struct filter *f);
int filter_include(struct filter *f, const char *pattern, struct err *err);
/* One pattern a line; empty lines and lines that begin with ';' or '#' do not
 * count.  "-" is standard input. */
int filter_file(struct filter *f, const char *file, bool include, struct err *err);
/* The absolute path of what is mirrored; "/" before it is set. */
int filter_set_root(struct filter *f, const char *path, struct err *err);
/* path: relative, at least one component.  Its parents are taken as wanted. */
bool filter_wants(const struct filter *f, struct view path, bool is_dir);
/* No rule at all (a NULL filter is empty too). */
bool filter_empty(const struct filter *f);
/* Of all the rules in their order, and of the root if one looks at it: changes
 * when they change. */
struct hash filter_digest(const struct filter *f);

#endif
