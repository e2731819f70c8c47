#include "snapsync/filter.h"

#include <stdlib.h>
#include <string.h>

#include "filter_match.h"
#include "snapsync/fsys.h"
#include "snapsync/path.h"
#include "snapsync/vec.h"

#define FILE_MAX_BYTES (16u << 20)
#define DEPTH_MAX 16 /* merge files in merge files */

struct rule {
	char *pattern; /* without the anchors */
	bool include, anchored, dirs_only, wild, whole_path, negate;
	bool with_below; /* ended in three stars: the directory and below */
	bool any_depth;	 /* begins with "**": matched from the first '/' on */
	bool absolute;	 /* the modifier '/': against root and path */
};

struct filter {
	struct rule *rules;
	size_t count, cap;
	size_t absolute; /* how many of the rules are */
	char *root;	 /* "home/me/", NULL for "/" */
	size_t root_len;
};

struct pattern { /* as it is written */
	const char *text;
	bool include, negate, absolute;
};

int filter_new(struct filter **out, struct err *err)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : err_set(err, ERR_MEMORY, "out of memory");
}

static void clear(struct filter *f)
{
	while (f->count > 0)
		free(f->rules[--f->count].pattern);
	f->absolute = 0;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	clear(f);
	free(f->rules);
	free(f->root);
	free(f);
}

int filter_set_root(struct filter *f, const char *path, struct err *err)
{
	size_t len;

	free(f->root);
	f->root = NULL;
	f->root_len = 0;
	path += *path == '/';
	len = strlen(path);
	if (len == 0)
		return 0;
	f->root = malloc(len + 2);
	if (!f->root)
		return err_set(err, ERR_MEMORY, "out of memory");
	memcpy(f->root, path, len);
	memcpy(f->root + len, "/", 2);
	f->root_len = len + 1;
	return 0;
}

/* The pattern's anchors become flags. */
static int parse(struct rule *r, const struct pattern *p, struct err *err)
{
	const char *text = p->text;
	size_t len = strlen(text);

	memset(r, 0, sizeof(*r));
	r->include = p->include;
	r->negate = p->negate;
	r->absolute = p->absolute;
	if (len == 0)
		return err_set(err, ERR_USAGE, "a filter pattern is empty");
	r->anchored = text[0] == '/';
	if (text[0] == '/') {
		text++;
		len--;
	}
	if (len >= 4 && strcmp(text + len - 4, "/***") == 0) {
		r->with_below = true;
		len -= 4;
	} else if (len > 0 && text[len - 1] == '/') {
		r->dirs_only = true;
		len--;
	}
	r->pattern = strndup(text, len);
	if (!r->pattern)
		return err_set(err, ERR_MEMORY, "out of memory");
	r->wild = strpbrk(r->pattern, "*?[") != NULL;
	r->whole_path = r->anchored || strchr(r->pattern, '/') ||
			strstr(r->pattern, "**");
	r->any_depth = !r->anchored && strncmp(r->pattern, "**", 2) == 0;
	return 0;
}

static int add_at(struct filter *f, size_t at, const struct pattern *p,
		  struct err *err)
{
	struct rule rule;
	int r;

	/* rsync takes --exclude= for nothing said. */
	if (*p->text == 0)
		return 0;
	r = vec_grow((void **)&f->rules, &f->cap, f->count + 1,
		     sizeof(*f->rules), err);

	if (r == 0)
		r = parse(&rule, p, err);
	if (r < 0)
		return r;
	memmove(&f->rules[at + 1], &f->rules[at],
		(f->count - at) * sizeof(*f->rules));
	f->rules[at] = rule;
	f->count++;
	f->absolute += rule.absolute;
	return 0;
}

int filter_exclude_first(struct filter *f, const char *pattern, struct err *err)
{
	struct pattern p = {.text = pattern};

	return add_at(f, 0, &p, err);
}

void filter_drop_first(struct filter *f)
{
	f->absolute -= f->rules[0].absolute;
	free(f->rules[0].pattern);
	memmove(f->rules, f->rules + 1, --f->count * sizeof(*f->rules));
}

static int merge(struct filter *f, const char *file, int plain, int depth,
		 struct err *err);

/* "+ p", "include p", "-/ p", ". file", "!" ... */
static int add_rule(struct filter *f, const char *rule, int depth,
		    struct err *err)
{
	static const struct {
		const char *name;
		char kind;
	} names[] = {
		{"exclude", '-'}, {"include", '+'}, {"merge", '.'},
		{"clear", '!'},	  {"hide", 'H'},    {"show", 'S'},
	};
	struct pattern pattern = {.text = NULL};
	const char *p = rule;
	char kind = *p;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len = strlen(names[i].name);

		if (strncmp(p, names[i].name, len) == 0 &&
		    strchr(" _,", p[len])) {
			kind = names[i].kind;
			p += len - 1;
			break;
		}
	}
	if (kind == '!' || (*p && strcmp(p + 1, "") == 0 && *rule == '!')) {
		clear(f);
		return 0;
	}
	if (*p)
		p++;
	if (*p == ',')
		p++;
	for (; *p && *p != ' ' && *p != '_'; p++) {
		if (*p == '/')
			pattern.absolute = true;
		else if (*p == '!')
			pattern.negate = true;
		else
			break;
	}
	if ((*p != ' ' && *p != '_') || !p[1] || !strchr("-+.HS", kind))
		return err_set(err, ERR_USAGE,
			       "filter rule \"%s\" is not supported (known "
			       "are + - . ! and their long names)",
			       rule);
	p++;
	if (kind == '.')
		return merge(f, p, 0, depth, err);
	pattern.text = p;
	pattern.include = kind == '+' || kind == 'S';
	return add_at(f, f->count, &pattern, err);
}

/* What --exclude and --include and their files take: a pattern, or one with
 * "- " or "+ " before it, or "!". */
static int add_plain(struct filter *f, const char *text, bool include,
		     struct err *err)
{
	struct pattern p = {.text = text, .include = include};

	if (strcmp(text, "!") == 0) {
		clear(f);
		return 0;
	}
	if ((text[0] == '-' || text[0] == '+') && text[1] == ' ') {
		p.include = text[0] == '+';
		p.text += 2;
	}
	return add_at(f, f->count, &p, err);
}

int filter_add(struct filter *f, const char *rule, struct err *err)
{
	return add_rule(f, rule, 0, err);
}

int filter_exclude(struct filter *f, const char *pattern, struct err *err)
{
	return add_plain(f, pattern, false, err);
}

int filter_include(struct filter *f, const char *pattern, struct err *err)
{
	return add_plain(f, pattern, true, err);
}

static int read_file(const char *file, struct buf *b, struct err *err)
{
	int fd = strcmp(file, "-") == 0 ? fsys_dup(0, err)
					: fsys_open_file(file, err);
	ssize_t n = 1;
	int r = fd < 0 ? fd : 0;

	while (r == 0 && n > 0) {
		r = buf_reserve(b, 65536, err);
		if (r < 0)
			break;
		n = fsys_read(fd, b->data + b->len, 65536, err);
		if (n < 0)
			r = (int)n;
		else
			b->len += (size_t)n;
	}
	fsys_close(fd);
	if (r < 0 && err->sys)
		r = err_sys(err, ERR_FILE, err->sys, "filter file %s", file);
	return r < 0 ? r : buf_terminate(b, err);
}

/* plain 0: rules; 1: patterns to exclude; 2: patterns to include. */
static int merge(struct filter *f, const char *file, int plain, int depth,
		 struct err *err)
{
	char *line, *end;
	struct buf b;
	int r;

	if (depth > DEPTH_MAX)
		return err_set(err, ERR_USAGE,
			       "filter file %s: merged too deeply", file);
	buf_init(&b, FILE_MAX_BYTES);
	r = read_file(file, &b, err);
	for (line = (char *)b.data; r == 0 && line && *line; line = end) {
		end = line + strcspn(line, "\n\r");
		if (*end)
			*end++ = 0;
		if (!*line || *line == ';' || *line == '#')
			continue;
		r = plain ? add_plain(f, line, plain == 2, err)
			  : add_rule(f, line, depth + 1, err);
	}
	buf_release(&b);
	return r;
}

int filter_file(struct filter *f, const char *file, bool include,
		struct err *err)
{
	return merge(f, file, include ? 2 : 1, 0, err);
}

static bool match_text(const struct rule *r, const char *text)
{
	return r->wild ? filter_match_wild(r->pattern, text)
		       : strcmp(r->pattern, text) == 0;
}

/* The rule against a path and all that its place allows: from the root if it
 * is anchored or its stars reach anywhere, else from any component on. */
static bool match_path(const struct rule *r, const char *path)
{
	const char *p = path;
	const char *last = strrchr(path, '/');

	if (!r->whole_path)
		return match_text(r, last ? last + 1 : path);
	if (r->anchored || r->any_depth)
		return match_text(r, path);
	for (;;) {
		if (match_text(r, p))
			return true;
		p = strchr(p, '/');
		if (!p)
			return false;
		p++;
	}
}

/* A pattern with three stars at its end: also the directories above. */
static bool match_below(const struct rule *r, char *path, bool is_dir)
{
	char *slash;
	bool found = is_dir && match_path(r, path);

	for (slash = strchr(path, '/'); slash && !found;
	     slash = strchr(slash + 1, '/')) {
		*slash = 0;
		found = match_path(r, path);
		*slash = '/';
	}
	return found;
}

static bool match(const struct rule *r, char *path, bool is_dir)
{
	if (r->dirs_only && !is_dir)
		return false;
	return r->with_below ? match_below(r, path, is_dir)
			     : match_path(r, path);
}

/* Where in text (root, or a '/', then the path at `at`) a rule begins to look:
 * as rsync, at the root without its first '/' if it is absolute, and at the
 * '/' before the path if it begins with "**". */
static size_t start_of(const struct filter *f, const struct rule *r, size_t at)
{
	return r->absolute && f->root ? 0 : at - r->any_depth;
}

bool filter_wants(const struct filter *f, struct view path, bool is_dir)
{
	char small[4096], *text = small;
	bool rooted, wanted = true;
	size_t i, at, size;

	if (filter_empty(f))
		return true;
	rooted = f->absolute && f->root;
	at = rooted ? f->root_len : 1;
	size = at + path.len + 1;
	if (size > sizeof(small) && !(text = malloc(size)))
		return true;
	memcpy(text, rooted ? f->root : "/", at);
	memcpy(text + at, path.p, path.len);
	text[size - 1] = 0;
	for (i = 0; i < f->count; i++) {
		const struct rule *r = &f->rules[i];

		if (match(r, text + start_of(f, r, at), is_dir) != r->negate) {
			wanted = r->include;
			break;
		}
	}
	if (text != small)
		free(text);
	return wanted;
}

bool filter_empty(const struct filter *f)
{
	return !f || f->count == 0;
}

struct hash filter_digest(const struct filter *f)
{
	struct hash sum, one;
	uint64_t i;

	memset(&sum, 0, sizeof(sum));
	for (i = 0; f && i < f->count; i++) {
		const struct rule *r = &f->rules[i];
		uint64_t seed = i << 8 | (uint64_t)r->include |
				(uint64_t)r->anchored << 1 |
				(uint64_t)r->dirs_only << 2 |
				(uint64_t)r->with_below << 3 |
				(uint64_t)r->negate << 4 |
				(uint64_t)r->absolute << 5;

		one = hash_of(r->pattern, strlen(r->pattern), seed);
		hash_add(&sum, &one);
	}
	if (f && f->absolute && f->root) {
		one = hash_of(f->root, f->root_len, UINT64_MAX);
		hash_add(&sum, &one);
	}
	return sum;
}
