/*
 * The command line, as one table.  An option that is not in it does not exist;
 * one that is does what snapsync(1) says.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "snapsync/clock.h"
#include "snapsync/codec.h"
#include "snapsync/msg.h"
#include "snapsync/remote.h"

enum kind {
	FLAG,	/* int = 1 */
	COUNT,	/* int + 1 */
	TEXT,	/* const char * */
	NUMBER, /* int, 0 or more */
	CALL,	/* a function reads the value */
	MAYBE,	/* ... which may be missing (NULL) */
	SET,	/* the action */
	ALWAYS	/* always on: accepted for rsync's users */
};

struct option {
	const char *name;     /* long, without "--"; NULL: short only */
	char letter;	      /* 0: none */
	const char *argument; /* what --help calls its value; NULL: none */
	enum kind kind;
	size_t at; /* offset in struct config */
	int (*call)(struct config *c, const char *value, struct err *err);
	int value; /* of SET */
	const char *help;
};

static int set_interval(struct config *c, const char *value, struct err *err)
{
	char *end;

	errno = 0;
	c->interval = strtod(value, &end);
	if (errno || *end || end == value || !(c->interval >= 0.1) ||
	    c->interval > 86400 * 365.0)
		return err_set(err, ERR_USAGE,
			       "--interval %s: seconds, 0.1 or more", value);
	return 0;
}

static int set_max_delete(struct config *c, const char *value, struct err *err)
{
	char *end;

	errno = 0;
	c->max_delete = strtoll(value, &end, 10);
	c->max_percent = *end == '%';
	c->max_default = 0;
	if (errno || end == value || c->max_delete < 0 ||
	    (c->max_percent ? end[1] != 0 || c->max_delete > 100 : *end != 0))
		return err_set(err, ERR_USAGE,
			       "--max-delete %s: a number of entries, or a "
			       "percentage such as 30%%",
			       value);
	return 0;
}

static int set_fsync(struct config *c, const char *value, struct err *err)
{
	if (strcmp(value, "never") != 0 && strcmp(value, "batch") != 0)
		return err_set(err, ERR_USAGE, "--fsync %s: batch or never",
			       value);
	c->no_sync = strcmp(value, "never") == 0;
	return 0;
}

static int set_compress(struct config *c, const char *value, struct err *err)
{
	char *end;
	long n;

	c->pack = REMOTE_PACK_DEFAULT;
	if (!value)
		return 0;
	c->pack = REMOTE_PACK_AUTO;
	if (strcmp(value, "auto") == 0)
		return 0;
	c->pack = REMOTE_PACK_NONE;
	if (strcmp(value, "none") == 0)
		return 0;
	n = strtol(value, &end, 10);
	if (*end || end == value || n < CODEC_LEVEL_MIN || n > CODEC_LEVEL_MAX)
		return err_set(err, ERR_USAGE,
			       "--compress %s: auto, none, or a level from %d "
			       "to %d",
			       value, CODEC_LEVEL_MIN, CODEC_LEVEL_MAX);
	c->pack = (int)n;
	return 0;
}

/* rsync's: a number of KiB, or with a unit; K, KiB: 1024, KB: 1000 bytes. */
static int set_rate(struct config *c, const char *value, struct err *err)
{
	static const char units[] = "bkmgt";
	const char *unit;
	double x, base = 1024;
	int power = 1;
	char *end;

	errno = 0;
	x = strtod(value, &end);
	unit = *end ? strchr(units, *end | 0x20) : NULL;
	if (unit) {
		power = (int)(unit - units);
		end++;
		if (power && (strcmp(end, "B") == 0 || strcmp(end, "b") == 0))
			base = 1000;
		if (power && *end && (base < 1024 || strcmp(end, "iB") == 0))
			end += strlen(end);
	}
	while (power-- > 0)
		x *= base;
	if (errno || end == value || *end || !(x >= 0) || x > 1e15 ||
	    (x > 0 && x < 512))
		return err_set(
			err, ERR_USAGE,
			"--bwlimit %s: KiB a second, or with a unit such "
			"as 1.5M; 0 is no limit",
			value);
	c->rate = (uint64_t)x;
	return 0;
}

static int set_chmod(struct config *c, const char *value, struct err *err)
{
	c->alter = &c->altered;
	return alter_chmod(&c->altered, value, err);
}

static int set_chown(struct config *c, const char *value, struct err *err)
{
	c->alter = &c->altered;
	return alter_chown(&c->altered, value, err);
}

static int add_exclude(struct config *c, const char *value, struct err *err)
{
	return filter_exclude(c->filter, value, err);
}

static int add_include(struct config *c, const char *value, struct err *err)
{
	return filter_include(c->filter, value, err);
}

static int add_exclude_file(struct config *c, const char *value,
			    struct err *err)
{
	return filter_file(c->filter, value, false, err);
}

static int add_include_file(struct config *c, const char *value,
			    struct err *err)
{
	return filter_file(c->filter, value, true, err);
}

static int add_filter(struct config *c, const char *value, struct err *err)
{
	return filter_add(c->filter, value, err);
}

/* "2h" ago, or "2026-11-21 14:00[:00]" or "2026-11-21", local time. */
static int set_since(struct config *c, const char *value, struct err *err)
{
	static const char units[] = "smhdw";
	static const int64_t seconds[] = {1, 60, 3600, 86400, 604800};
	struct tm tm;
	const char *unit;
	char *end;
	long long n;
	int fields;

	errno = 0;
	n = strtoll(value, &end, 10);
	unit = *end && !end[1] ? strchr(units, *end) : NULL;
	if (!errno && end != value && unit && n >= 0 && n < 1000000) {
		c->since = clock_real() / CLOCK_SECOND -
			   n * seconds[unit - units];
		return 0;
	}
	memset(&tm, 0, sizeof(tm));
	tm.tm_isdst = -1;
	fields = sscanf(value, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon,
			&tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec);
	if (fields < 3)
		return err_set(err, ERR_USAGE,
			       "--since %s: such as 2h, 3d or "
			       "\"2026-11-21 14:00\"",
			       value);
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	c->since = (int64_t)mktime(&tm);
	return 0;
}

#define AT(field) offsetof(struct config, field)

static const struct option table[] = {
	{"interval", 0, "SECS", CALL, 0, set_interval, 0,
	 "run until stopped, one pass each SECS (0.1 or more)"},
	{"dry-run", 'n', NULL, FLAG, AT(dry), NULL, 0,
	 "show what would be done, change nothing"},
	{"itemize-changes", 'i', NULL, FLAG, AT(itemize), NULL, 0,
	 "print a line with a code for every change"},
	{"verbose", 'v', NULL, COUNT, AT(verbose), NULL, 0,
	 "print the names of changed entries (twice: more)"},
	{"quiet", 'q', NULL, FLAG, AT(quiet), NULL, 0,
	 "print nothing but errors"},
	{"progress", 'P', NULL, FLAG, AT(progress), NULL, 0,
	 "show how far the run is, its rate, and how long it will take"},
	{"stats", 0, NULL, FLAG, AT(stats), NULL, 0,
	 "print counters at the end"},
	{"human-readable", 'h', NULL, FLAG, AT(human), NULL, 0,
	 "print sizes with units"},
	{"exclude", 0, "PATTERN", CALL, 0, add_exclude, 0,
	 "leave out what matches"},
	{"include", 0, "PATTERN", CALL, 0, add_include, 0,
	 "do not leave out what matches"},
	{"exclude-from", 0, "FILE", CALL, 0, add_exclude_file, 0,
	 "patterns to leave out, one a line"},
	{"include-from", 0, "FILE", CALL, 0, add_include_file, 0,
	 "patterns not to leave out, one a line"},
	{"filter", 'f', "RULE", CALL, 0, add_filter, 0,
	 "a filter rule as of rsync"},
	{"delete", 0, NULL, FLAG, AT(delete_extras), NULL, 0,
	 "at a first contact, also remove what SRC does not have"},
	{"max-delete", 0, "N[%]", CALL, 0, set_max_delete, 0,
	 "withhold all deletes if there are more (default 50%)"},
	{"force-delete", 0, NULL, FLAG, AT(force_delete), NULL, 0,
	 "let one pass delete as much as it finds"},
	{"backup-dir", 0, "DIR", TEXT, AT(backup_dir), NULL, 0,
	 "keep there, below DEST, what is replaced or deleted"},
	{"suffix", 0, "SUFFIX", TEXT, AT(suffix), NULL, 0,
	 "append this to names in --backup-dir"},
	{"sparse", 'S', NULL, FLAG, AT(sparse), NULL, 0,
	 "turn runs of zeros into holes"},
	{"one-file-system", 'x', NULL, FLAG, AT(one_file_system), NULL, 0,
	 "do not go into other file systems"},
	{"compress", 'z', "HOW", MAYBE, 0, set_compress, 0,
	 "auto (default), none, or a level of zstd; -z: 3"},
	{"checksum", 'c', NULL, FLAG, AT(checksum), NULL, 0,
	 "at a first contact, compare content, not size and time"},
	{"size-only", 0, NULL, FLAG, AT(size_only), NULL, 0,
	 "files of equal size have equal content"},
	{"chmod", 0, "MODES", CALL, 0, set_chmod, 0,
	 "as if the source had these modes (D755,F644 or go-w)"},
	{"chown", 0, "OWNER", CALL, 0, set_chown, 0,
	 "as if the source belonged to USER, USER:GROUP or :GROUP"},
	{"numeric-ids", 0, NULL, FLAG, AT(numeric_ids), NULL, 0,
	 "keep owners by number, not by name"},
	{"bwlimit", 0, "RATE", CALL, 0, set_rate, 0,
	 "send at most RATE KiB a second, or with a unit (1.5M)"},
	{"timeout", 0, "SECS", NUMBER, AT(timeout), NULL, 0,
	 "give up after SECS of silence (default 120, 0: never)"},
	{"contimeout", 0, "SECS", NUMBER, AT(contimeout), NULL, 0,
	 "give up connecting after SECS (default 60)"},
	{"rsh", 'e', "CMD", TEXT, AT(rsh), NULL, 0,
	 "connect through this program, such as 'ssh -p 2222'"},
	{"port", 'p', "PORT", NUMBER, AT(port), NULL, 0,
	 "port of the ssh server"},
	{"identity", 0, "FILE", TEXT, AT(identity), NULL, 0,
	 "private key for the login"},
	{"ssh-config", 0, "FILE", TEXT, AT(ssh_config), NULL, 0,
	 "configuration file of ssh"},
	{"accept-new-host-key", 0, NULL, FLAG, AT(accept_new), NULL, 0,
	 "add the key of an unknown host to known_hosts"},
	{"helper-path", 0, "PROG", TEXT, AT(helper), NULL, 0,
	 "the helper's name at the far end"},
	{"state-dir", 0, "DIR", TEXT, AT(state_dir), NULL, 0,
	 "where the snapshots are kept"},
	{"fsync", 0, "WHEN", CALL, 0, set_fsync, 0,
	 "batch (default): acknowledged means durable; never"},
	{"log-file", 0, "FILE", TEXT, AT(log_file), NULL, 0,
	 "append what happens to FILE"},
	{"json", 0, NULL, FLAG, AT(json), NULL, 0,
	 "print what happens as JSON, one event a line"},
	{"status", 0, NULL, SET, 0, NULL, ACTION_STATUS,
	 "show what is pending, the last pass, problems"},
	{"log", 0, NULL, SET, 0, NULL, ACTION_LOG, "show what was done"},
	{"verify", 0, NULL, SET, 0, NULL, ACTION_VERIFY,
	 "look for drift at the destination and repair it; -n: only look"},
	{"since", 0, "TIME", CALL, 0, set_since, 0,
	 "with --log: from then on (2h, 3d, 2026-11-21)"},
	{"below", 0, "PATH", TEXT, AT(below), NULL, 0,
	 "with --log: only this path and what is below it"},
	{"archive", 'a', NULL, ALWAYS, 0, NULL, 0, "always on"},
	{"recursive", 'r', NULL, ALWAYS, 0, NULL, 0, "always on"},
	{"links", 'l', NULL, ALWAYS, 0, NULL, 0, "always on"},
	{"perms", 0, NULL, ALWAYS, 0, NULL, 0, "always on"},
	{"times", 't', NULL, ALWAYS, 0, NULL, 0, "always on"},
	{"owner", 'o', NULL, ALWAYS, 0, NULL, 0, "always on, where permitted"},
	{"group", 'g', NULL, ALWAYS, 0, NULL, 0, "always on, where permitted"},
	{"devices", 0, NULL, ALWAYS, 0, NULL, 0, "always on, where permitted"},
	{"specials", 0, NULL, ALWAYS, 0, NULL, 0, "always on"},
	{NULL, 'D', NULL, ALWAYS, 0, NULL, 0,
	 "always on: --devices --specials"},
	{"hard-links", 'H', NULL, ALWAYS, 0, NULL, 0, "always on"},
	{"version", 'V', NULL, SET, 0, NULL, ACTION_VERSION,
	 "print the version"},
	{"help", 0, NULL, SET, 0, NULL, ACTION_HELP, "print this"},
};

#define OPTIONS (sizeof(table) / sizeof(table[0]))

static int apply(struct config *c, const struct option *o, const char *value,
		 struct err *err)
{
	void *field = (char *)c + o->at;
	long long n;
	char *end;

	switch (o->kind) {
	case FLAG: *(int *)field = 1; return 0;
	case COUNT: ++*(int *)field; return 0;
	case TEXT: *(const char **)field = value; return 0;
	case NUMBER:
		errno = 0;
		n = strtoll(value, &end, 10);
		if (errno || *end || end == value || n < 0 || n > INT_MAX)
			return err_set(err, ERR_USAGE,
				       "--%s %s: a number is wanted%s", o->name,
				       value,
				       o->letter == 'p'
					       ? " (-p is not rsync's: "
						 "permissions are mirrored "
						 "without it)"
					       : "");
		*(int *)field = (int)n;
		return 0;
	case CALL:
	case MAYBE: return o->call(c, value, err);
	case SET: c->action = (enum config_action)o->value; return 0;
	case ALWAYS: return 0;
	}
	return 0;
}

/* Those of rsync whose lack means that something will be missing are named. */
static int unknown(const char *dashes, const char *name, size_t len,
		   struct err *err)
{
	static const char *const lacking[] = {"X", "xattrs", "A", "acls"};
	size_t i;

	for (i = 0; i < sizeof(lacking) / sizeof(*lacking); i++)
		if (strlen(lacking[i]) == len &&
		    memcmp(lacking[i], name, len) == 0)
			return err_set(err, ERR_USAGE,
				       "%s%s: extended attributes and ACLs "
				       "cannot be mirrored yet",
				       dashes, lacking[i]);
	return err_set(err, ERR_USAGE, "unknown option %s%.*s (see --help)",
		       dashes, (int)len, name);
}

static int take_long(struct config *c, char **argv, int *i, struct err *err)
{
	const char *text = argv[*i] + 2, *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text), k;

	for (k = 0; k < OPTIONS; k++) {
		const struct option *o = &table[k];

		if (!o->name || strlen(o->name) != len ||
		    memcmp(o->name, text, len) != 0)
			continue;
		if (!o->argument && equals)
			return err_set(err, ERR_USAGE, "--%s takes no value",
				       o->name);
		if (o->kind == MAYBE && !equals)
			return apply(c, o, NULL, err);
		if (o->argument && !equals && !argv[*i + 1])
			return err_set(err, ERR_USAGE, "--%s needs a value",
				       o->name);
		if (!o->argument)
			return apply(c, o, NULL, err);
		return apply(c, o, equals ? equals + 1 : argv[++*i], err);
	}
	return unknown("--", text, len, err);
}

static int take_short(struct config *c, char **argv, int *i, struct err *err)
{
	const char *p;
	size_t k;
	int r;

	for (p = argv[*i] + 1; *p; p++) {
		for (k = 0; k < OPTIONS && table[k].letter != *p; k++)
			continue;
		if (k == OPTIONS)
			return unknown("-", p, 1, err);
		if (table[k].argument && table[k].kind != MAYBE) {
			const char *value = p[1] ? p + 1 : argv[++*i];

			if (!value)
				return err_set(err, ERR_USAGE,
					       "-%c needs a value", *p);
			return apply(c, &table[k], value, err);
		}
		r = apply(c, &table[k], NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_backup(struct config *c, struct err *err)
{
	const char *given = c->backup_dir;

	if (!given)
		c->backup_dir = "";
	while (strncmp(c->backup_dir, "./", 2) == 0)
		c->backup_dir += 2;
	if (given && !*c->backup_dir)
		return err_set(err, ERR_USAGE,
			       "--backup-dir '%s': it must be a directory "
			       "inside of DEST, not DEST itself",
			       given);
	c->backup_len = strlen(c->backup_dir);
	while (c->backup_len > 1 && c->backup_dir[c->backup_len - 1] == '/')
		c->backup_len--;
	if (!msg_backup_ok(view_of(c->backup_dir, c->backup_len),
			   view_of(c->suffix, strlen(c->suffix))))
		return err_set(err, ERR_USAGE,
			       "--backup-dir %s --suffix '%s': a path relative "
			       "to DEST and inside of it, and part of a name",
			       c->backup_dir, c->suffix);
	if (*c->suffix && !*c->backup_dir)
		return err_set(err, ERR_USAGE,
			       "--suffix goes with --backup-dir");
	return 0;
}

static int check(struct config *c, int names, struct err *err)
{
	bool looks = c->action == ACTION_STATUS || c->action == ACTION_LOG ||
		     c->action == ACTION_VERIFY;
	int r;

	if (c->action == ACTION_HELP || c->action == ACTION_VERSION)
		return 0;
	if (names < (looks ? 1 : 2))
		return err_set(err, ERR_USAGE,
			       looks ? "the source is missing (see --help)"
				     : "a source and a destination are wanted "
				       "(see --help)");
	if (names > 2)
		return err_set(err, ERR_USAGE,
			       "too many names: one source and one destination "
			       "are wanted");
	if (!*c->src)
		return err_set(err, ERR_USAGE,
			       "the name of the source is empty");
	if ((c->since || c->below) && c->action != ACTION_LOG)
		return err_set(err, ERR_USAGE,
			       "--since and --below go with --log");
	if (c->interval > 0 && c->dry)
		return err_set(err, ERR_USAGE,
			       "--interval and --dry-run exclude each other");
	if (c->interval > 0 && c->action != ACTION_SYNC)
		return err_set(err, ERR_USAGE,
			       "--interval does not go with --status, --log or "
			       "--verify");
	if (c->interval > 0 && c->force_delete)
		return err_set(err, ERR_USAGE,
			       "--force-delete is for one pass: not with "
			       "--interval");
	if (c->rsh && (c->port || c->identity || c->accept_new))
		return err_set(err, ERR_USAGE,
			       "--port, --identity and --accept-new-host-key "
			       "are for the built-in connection: give them to "
			       "the program of -e");
	if (c->port > 65535)
		return err_set(err, ERR_USAGE, "--port %d: not a port",
			       c->port);
	r = check_backup(c, err);
	return r == 0 && c->dest ? spec_parse(c->dest, &c->to, err) : r;
}

int options_parse(int argc, char **argv, struct config *c, struct err *err)
{
	int i, r, names = 0;
	bool only_names = false;

	memset(c, 0, sizeof(*c));
	c->program = argv[0];
	c->suffix = "";
	c->max_delete = 50;
	c->max_percent = c->max_default = 1;
	c->timeout = 120;
	c->pack = REMOTE_PACK_AUTO;
	c->contimeout = 60;
	r = filter_new(&c->filter, err);
	for (i = 1; r == 0 && i < argc; i++) {
		if (!only_names && strcmp(argv[i], "--") == 0) {
			only_names = true;
		} else if (!only_names && strncmp(argv[i], "--", 2) == 0) {
			r = take_long(c, argv, &i, err);
		} else if (!only_names && argv[i][0] == '-' && argv[i][1]) {
			r = take_short(c, argv, &i, err);
		} else {
			if (names == 0)
				c->src = argv[i];
			else if (names == 1)
				c->dest = argv[i];
			names++;
		}
	}
	return r < 0 ? r : check(c, names, err);
}

void options_release(struct config *c)
{
	filter_free(c->filter);
	spec_release(&c->to);
}

void options_help(void (*line)(const char *text))
{
	char left[64], text[160];
	size_t k;

	line("usage: snapsync [OPTION...] SRC DEST");
	line("       snapsync --status|--log|--verify [OPTION...] SRC [DEST]");
	line("DEST: [USER@]HOST:PATH, ssh://[USER@]HOST[:PORT]/PATH, or a local PATH");
	line("");
	for (k = 0; k < OPTIONS; k++) {
		const struct option *o = &table[k];

		snprintf(left, sizeof(left), "%c%c%s%s%s%s%s%s%s",
			 o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
			 o->name ? (o->letter ? ", " : "  ") : "",
			 o->name ? "--" : "", o->name ? o->name : "",
			 o->kind == MAYBE ? "[" : "", o->argument ? "=" : "",
			 o->argument ? o->argument : "",
			 o->kind == MAYBE ? "]" : "");
		snprintf(text, sizeof(text), "  %-28s %s", left, o->help);
		line(text);
	}
}
