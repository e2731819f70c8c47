/* One pattern against one path; the language is rsync's (rsync(1), PATTERN
 * MATCHING RULES). */
#ifndef SNAPSYNC_FILTER_MATCH_H
#define SNAPSYNC_FILTER_MATCH_H

#include <stdbool.h>
#include <stddef.h>

/* '*' and '?' and classes do not match '/', "**" does.  Both in full. */
bool filter_match_wild(const char *pattern, const char *text);

#endif
