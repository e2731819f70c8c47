/* Paths: the check against a plain reading of its rules; parts and their sum. */
#include "fuzz.h"

#include "snapsync/log.h"
#include "snapsync/path.h"

/* The rules of path.h once more, letter by letter. */
static bool allowed(struct view v)
{
	size_t i, start = 0, depth = 0;

	if (v.len == 0 || v.len > PATH_BYTES_MAX)
		return false;
	for (i = 0; i <= v.len; i++) {
		size_t n = i - start;

		if (i < v.len && v.p[i] == 0)
			return false;
		if (i < v.len && v.p[i] != '/')
			continue;
		if (n < 1 || n > PATH_NAME_MAX || ++depth > PATH_DEPTH_MAX ||
		    (n == 1 && v.p[start] == '.') ||
		    (n == 2 && v.p[start] == '.' && v.p[start + 1] == '.'))
			return false;
		start = i + 1;
	}
	return true;
}

static void escaping(struct view v)
{
	char small[16], *all;
	size_t need = log_escape(v.p, v.len, small, sizeof(small)), i;

	HOLDS(need >= v.len || v.len == 0);
	all = malloc(need + 1);
	HOLDS(all != NULL);
	memset(small, 0, sizeof(small));
	memset(all, 0, need + 1);
	HOLDS(log_escape(v.p, v.len, all, need + 1) == need && strlen(all) == need);
	for (i = 0; i < need; i++)
		HOLDS((unsigned char)all[i] >= 0x20 && all[i] != 0x7f);
	free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_of(data, size), rest = v, name, up, last;
	bool good = path_ok(v.p, v.len, false);
	struct err err;
	struct buf b;

	HOLDS(good == allowed(v));
	HOLDS(path_ok(v.p, v.len, true) == (good || v.len == 0));
	escaping(v);
	if (!good)
		return 0;
	buf_init(&b, PATH_BYTES_MAX);
	while (path_next(&rest, &name)) {
		HOLDS(path_name_ok(name.p, name.len));
		HOLDS(path_push(&b, name.p, name.len, &err) == 0);
	}
	HOLDS(fuzz_same(view_of(b.data, b.len), v));
	path_split(v, &up, &last);
	HOLDS(path_name_ok(last.p, last.len) && path_ok(up.p, up.len, true));
	path_pop(&b);
	HOLDS(fuzz_same(view_of(b.data, b.len), up));
	buf_release(&b);
	return 0;
}
