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

/* Whom a part names, and for what kind of entries. */
struct who {
	bool named;
	unsigned rwx; /* their bits of these */
	unsigned ids; /* set-id: of the user, of the group */
};

/* "[DFugoa]*" at *p. */
static bool take_who(const char **p, struct who *who, struct alter_rule *rule)
{
	for (;; ++*p) {
		switch (**p) {
		case 'D': rule->others = false; break;
		case 'F': rule->dirs = false; break;
		case 'u':
			who->rwx |= 0700;
			who->ids |= 04000;
			break;
		case 'g':
			who->rwx |= 0070;
			who->ids |= 02000;
			break;
		case 'o': who->rwx |= 0007; break;
		case 'a':
			who->rwx |= 0777;
			who->ids |= 06000;
			break;
		default:
			who->named = who->rwx != 0;
			return rule->dirs || rule->others;
		}
	}
}

static unsigned current_umask(void)
{
	mode_t m = umask(0);

	umask(m);
	return (unsigned)m & 0777;
}

/* "[rwxXst]*" up to `end`: the bits of everybody, and those above them. */
static bool take_bits(const char *p, const char *end, const struct who *who,
		      struct alter_rule *rule, unsigned *rwx, unsigned *top)
{
	for (*rwx = *top = 0; p < end; p++) {
		switch (*p) {
		case 'r': *rwx |= 0444; break;
		case 'w': *rwx |= 0222; break;
		case 'X': rule->if_executable = true; /* fall through */
		case 'x': *rwx |= 0111; break;
		/* Of nobody, or of others, it is the user's, and what stood
		 * before it is forgotten: as in rsync. */
		case 's': *top = who->ids ? *top | who->ids : 04000; break;
		case 't': *top |= 01000; break;
		default: return false;
		}
	}
	return true;
}

static void symbolic(struct alter_rule *rule, const struct who *who, char how,
		     unsigned rwx, unsigned top)
{
	unsigned mask = who->named ? who->rwx : 0777 & ~current_umask();
	unsigned bits = (rwx & mask) | top;

	rule->keep = BITS;
	if (how == '-') {
		rule->keep &= ~bits;
		return;
	}
	if (how == '=')
		rule->keep &= ~((who->named ? who->rwx : 0777) |
				(top ? who->ids | top : 0));
	rule->set = bits;
}

/* "g=u": what the user has at that time, for the group. */
static void copy(struct alter_rule *rule, const struct who *who, char how,
		 char from)
{
	unsigned all = who->named ? who->rwx : 0777;

	rule->keep = BITS;
	rule->copy = from;
	rule->remove = how == '-';
	rule->to = who->named ? all : all & ~current_umask();
	if (how == '=')
		rule->keep &= ~(all | (all & 0700 ? 04000 : 0) |
				(all & 0070 ? 02000 : 0) |
				(all & 0007 ? 01000 : 0));
}

/* One part, up to `end`. */
static int part(struct alter *a, const char *p, const char *end,
		const char *text, struct err *err)
{
	struct alter_rule rule = {.dirs = true, .others = true};
	struct who who = {0};
	unsigned rwx, top;
	char how, *stop;

	if (!take_who(&p, &who, &rule))
		return bad(text, err);
	if (*p >= '0' && *p <= '7' && !who.named) {
		unsigned long mode = strtoul(p, &stop, 8);

		rule.set = (unsigned)mode;
		return stop == end && mode <= BITS ? add(a, &rule, text, err)
						   : bad(text, err);
	}
	how = *p++;
	if (how != '+' && how != '-' && how != '=')
		return bad(text, err);
	if (end - p == 1 && strchr("ugo", *p))
		copy(&rule, &who, how, *p);
	else if (take_bits(p, end, &who, &rule, &rwx, &top))
		symbolic(&rule, &who, how, rwx, top);
	else
		return bad(text, err);
	return add(a, &rule, text, err);
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

static unsigned altered(const struct alter_rule *rule, unsigned mode,
			bool executable)
{
	unsigned shift = rule->copy == 'u' ? 6 : rule->copy == 'g' ? 3 : 0;
	unsigned set = rule->set;

	if (rule->copy)
		set = (mode >> shift & 7) * 0111 & rule->to;
	if (rule->remove)
		return mode & ~set;
	if (rule->if_executable && !executable)
		set &= ~0111u;
	return (mode & rule->keep) | set;
}

void alter_stat(const struct alter *a, struct fsys_stat *st)
{
	bool dir = st->type == FSYS_DIR;
	bool executable = dir || st->mode & 0111; /* as it was, for all of X */
	size_t i;

	if (!a)
		return;
	if (a->has_uid)
		st->uid = a->uid;
	if (a->has_gid)
		st->gid = a->gid;
	for (i = 0; st->type != FSYS_SYMLINK && i < a->count; i++)
		if (dir ? a->rules[i].dirs : a->rules[i].others)
			st->mode = altered(&a->rules[i], st->mode, executable);
}
