/* Filters: rules (a line each), an empty line, paths (a line each). */
#include "fuzz.h"

#include "snapsync/filter.h"
#include "snapsync/path.h"

static struct view line_of(struct view *v)
{
	const unsigned char *end = v->len ? memchr(v->p, '\n', v->len) : NULL;
	struct view line = fuzz_take(v, end ? (size_t)(end - v->p) : v->len);

	fuzz_take(v, 1);
	return line;
}

/* Files of rules are not read here. */
static bool merges(const char *rule)
{
	return rule[0] == '.' || rule[0] == 'm';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_of(data, size), line;
	struct filter *f;
	struct hash before, after;
	struct err err;
	char *text;

	if (size > 2048)
		return 0;
	HOLDS(filter_new(&f, &err) == 0);
	while ((line = line_of(&v)).len > 0) {
		text = fuzz_text(line);
		if (!merges(text) && filter_add(f, text, &err) < 0 && filter_exclude(f, text, &err) < 0)
			HOLDS(err.code == -ERR_USAGE);
		free(text);
	}
	before = filter_digest(f);
	while (v.len > 0) {
		bool file, dir;

		line = line_of(&v);
		if (!path_ok(line.p, line.len, false))
			continue;
		file = filter_wants(f, line, false);
		dir = filter_wants(f, line, true);
		HOLDS(filter_wants(f, line, false) == file && filter_wants(f, line, true) == dir);
		HOLDS(!filter_empty(f) || (file && dir));
	}
	after = filter_digest(f);
	HOLDS(hash_equal(&before, &after));
	filter_free(f);
	return 0;
}
