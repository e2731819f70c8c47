#include "snapsync/alter.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BITS 07777u

static int bad(const char *text, struct err *err)
{
	return err_set(err, ERR_USAGE,
		       "--chmod %s: modes such as D755,F644 or u+w,go-rwx",
		       text);
}

static int add(struct alter *a, const struct alter_rule *rule, const char *text,
	       struct err *err)
{
	if (a->count == ALTER_RULES_MAX)
		return bad(text, err);
	a->rules[a->count++] = *rule;
	return 0;
}

/* "[ugoa]*" at *p: the rwx bits of those, and their bits of set-id. */
static bool take_who(const char **p, unsigned *who, unsigned *ids)
{
	bool named = false;

	*who = *ids = 0;
	for (;; ++*p, named = true) {
		switch (**p) {
		case 'u':
			*who |= 0700;
			*ids |= 04000;
			break;
		case 'g':
			*who |= 0070;
			*ids |= 02000;
			break;
		case 'o': *who |= 0007; break;
		case 'a':
			*who |= 0777;
			*ids |= 06000;
			break;
		default: return named;
		}
	}
}

static unsigned current_umask(void)
{
	mode_t m = umask(0);

	umask(m);
	return (unsigned)m & 0777;
}

/* One "[ugoa][+-=][rwxXst]" up to `end`. */
static int symbolic(struct alter *a, struct alter_rule rule, const char *p,
		    const char *end, const char *text, struct err *err)
{
	unsigned who, ids, bits = 0, execute = 0;
	bool named = take_who(&p, &who, &ids);
	char how = *p++;

	if (how != '+' && how != '-' && how != '=')
		return bad(text, err);
	if (!named) {
		who = 0777 & ~current_umask();
		ids = 06000;
	}
	for (; p < end; p++) {
		if (*p == 'r')
			bits |= who & 0444;
		else if (*p == 'w')
			bits |= who & 0222;
		else if (*p == 'x')
			bits |= who & 0111;
		else if (*p == 'X')
			execute |= who & 0111;
		else if (*p == 's')
			bits |= ids;
		else if (*p == 't')
			bits |= 01000;
		else
			return bad(text, err);
	}
	rule.keep = BITS;
	if (how == '-') {
		rule.keep &= ~(bits | execute);
	} else {
		if (how == '=')
			rule.keep &= ~((named ? who : 0777u) | (bits & 07000));
		rule.set = bits;
		rule.execute = execute;
	}
	return add(a, &rule, text, err);
}

static int part(struct alter *a, const char *p, const char *end,
		const char *text, struct err *err)
{
	struct alter_rule rule = {.dirs = true, .others = true};
	char *stop;

	if (*p == 'D' || *p == 'F') {
		rule.dirs = *p == 'D';
		rule.others = *p == 'F';
		p++;
	}
	if (p == end)
		return bad(text, err);
	if (*p < '0' || *p > '9')
		return symbolic(a, rule, p, end, text, err);
	rule.set = (unsigned)strtoul(p, &stop, 8);
	return stop == end && end - p < 6 && rule.set <= BITS
		       ? add(a, &rule, text, err)
		       : bad(text, err);
}

int alter_chmod(struct alter *a, const char *text, struct err *err)
{
	const char *p = text, *end;
	int r;

	do {
		end = p + strcspn(p, ",");
		r = part(a, p, end, text, err);
		p = end + 1;
	} while (r == 0 && *end);
	return r;
}

static int number(const char *text, uint32_t *out)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || n >= UINT32_MAX)
		return 0;
	*out = (uint32_t)n;
	return 1;
}

static int unknown(const char *kind, const char *name, struct err *err)
{
	return err_set(err, ERR_USAGE,
		       "--chown: there is no %s %s on this machine (a number "
		       "with --numeric-ids needs none)",
		       kind, name);
}

int alter_chown(struct alter *a, const char *text, struct err *err)
{
	const char *colon = strchr(text, ':');
	const char *group = colon && colon[1] ? colon + 1 : NULL;
	char user[256];
	struct passwd *u;
	struct group *g;

	snprintf(user, sizeof(user), "%.*s",
		 (int)(colon ? colon - text : (ptrdiff_t)strlen(text)), text);
	if (!*user && !group)
		return err_set(err, ERR_USAGE,
			       "--chown %s: USER, USER:GROUP or :GROUP", text);
	a->has_uid = *user;
	if (*user && !number(user, &a->uid)) {
		u = getpwnam(user);
		if (!u)
			return unknown("user", user, err);
		a->uid = u->pw_uid;
	}
	a->has_gid = group;
	if (group && !number(group, &a->gid)) {
		g = getgrnam(group);
		if (!g)
			return unknown("group", group, err);
		a->gid = g->gr_gid;
	}
	return 0;
}

void alter_stat(const struct alter *a, struct fsys_stat *st)
{
	bool dir = st->type == FSYS_DIR;
	bool execute = dir || st->mode & 0111; /* as it was, for all of X */
	size_t i;

	if (!a)
		return;
	if (a->has_uid)
		st->uid = a->uid;
	if (a->has_gid)
		st->gid = a->gid;
	for (i = 0; st->type != FSYS_SYMLINK && i < a->count; i++) {
		const struct alter_rule *r = &a->rules[i];

		if (!(dir ? r->dirs : r->others))
			continue;
		st->mode = (st->mode & r->keep) | r->set;
		if (execute)
			st->mode |= r->execute;
	}
}
