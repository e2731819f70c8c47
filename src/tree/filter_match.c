#include "filter_match.h"

#include <ctype.h>
#include <string.h>

static bool named_class(const char *name, size_t len, unsigned char c)
{
	static const struct {
		const char *name;
		int (*is)(int);
	} classes[] = {
		{"alnum", isalnum}, {"alpha", isalpha},	  {"cntrl", iscntrl},
		{"digit", isdigit}, {"graph", isgraph},	  {"lower", islower},
		{"print", isprint}, {"punct", ispunct},	  {"space", isspace},
		{"upper", isupper}, {"xdigit", isxdigit}, {"blank", isblank},
	};
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strlen(classes[i].name) == len &&
		    memcmp(classes[i].name, name, len) == 0)
			return classes[i].is(c) != 0;
	return false;
}

/* *p is behind '['.  True if c is in the class; *p moves behind ']'.  A class
 * that does not end matches nothing, and *p is NULL. */
static bool in_class(const char **p, unsigned char c)
{
	const char *s = *p;
	bool negate = *s == '!' || *s == '^', found = false, first = true;

	if (negate)
		s++;
	for (; first || *s != ']'; first = false) {
		unsigned char low, high;
		const char *end;

		if (!*s)
			return *p = NULL, false;
		if (s[0] == '[' && s[1] == ':' &&
		    (end = strstr(s + 2, ":]")) != NULL) {
			found |= named_class(s + 2, (size_t)(end - s - 2), c);
			s = end + 2;
			continue;
		}
		if (*s == '\\' && s[1])
			s++;
		low = (unsigned char)*s++;
		high = low;
		if (s[0] == '-' && s[1] && s[1] != ']') {
			s++;
			if (*s == '\\' && s[1])
				s++;
			high = (unsigned char)*s++;
		}
		found |= low <= c && c <= high;
	}
	*p = s + 1;
	return found != negate;
}

enum outcome { NO, YES, NEVER };

/* Backtracking happens at the last star only of each kind, so the time is
 * bounded by the square of the text's length times the pattern's.  NEVER: what
 * is behind a "**" matches nowhere in the rest, and had the whole rest to choose
 * from, since what stands before it was matched as early as can be; an earlier
 * "**" would only leave it less. */
static enum outcome wild(const char *p, const char *t)
{
	const char *star_p = NULL, *star_t = NULL;
	enum outcome rest;

	for (;;) {
		if (*p == '*') {
			if (p[1] == '*') {
				while (*p == '*')
					p++;
				if (!*p)
					return YES;
				for (;; t++) {
					rest = wild(p, t);
					if (rest != NO)
						return rest;
					if (!*t)
						return NEVER;
				}
			}
			star_p = ++p;
			star_t = t;
			continue;
		}
		if (!*t && !*p)
			return YES;
		if (*t && *p) {
			const char *next = p + 1;
			bool same;

			if (*p == '?') {
				same = *t != '/';
			} else if (*p == '[') {
				same = in_class(&next, (unsigned char)*t) &&
				       *t != '/';
				if (!next)
					return NO;
			} else if (*p == '\\' && p[1]) {
				same = p[1] == *t;
				next = p + 2;
			} else {
				same = *p == *t;
			}
			if (same) {
				p = next;
				t++;
				continue;
			}
		}
		if (!star_p || !*star_t || *star_t == '/')
			return NO;
		p = star_p;
		t = ++star_t;
	}
}

bool filter_match_wild(const char *pattern, const char *text)
{
	return wild(pattern, text) == YES;
}
