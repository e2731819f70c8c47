#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "snapsync/clock.h"

static void to_log_file(struct output *o, const char *line)
{
	char when[32];

	if (!o->log_file)
		return;
	clock_format(clock_real() / CLOCK_SECOND, when, sizeof(when));
	fprintf(o->log_file, "%s %s\n", when, line);
	fflush(o->log_file);
}

/* Messages go to standard error, and to the log file. */
static void write_line(void *arg, enum log_level level, const char *line)
{
	struct output *o = arg;

	static const char *const levels[] = {
		[LOG_ERROR] = "error",
		[LOG_WARN] = "warning",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};

	to_log_file(o, line);
	if (o->c->quiet && level > LOG_ERROR)
		return;
	if (o->c->json) {
		json_begin("message");
		json_text("level", levels[level]);
		json_text("text", line);
		json_end();
	}
	output_clear(o);
	fprintf(stderr, "snapsync: %s\n", line);
}

int output_open(struct output *o, const struct config *c, struct err *err)
{
	memset(o, 0, sizeof(*o));
	o->c = c;
	o->log.write = write_line;
	o->log.arg = o;
	o->log.level = c->verbose > 1 ? LOG_DEBUG
		       : c->verbose   ? LOG_INFO
				      : LOG_WARN;
	if (!c->log_file)
		return 0;
	o->log_file = fopen(c->log_file, "a");
	if (!o->log_file)
		return err_sys(err, ERR_FILE, errno,
			       "the log file %s cannot be opened", c->log_file);
	return 0;
}

void output_close(struct output *o)
{
	if (o->log_file)
		fclose(o->log_file);
	o->log_file = NULL;
}

void output_error(struct output *o, const struct err *err)
{
	log_line(&o->log, LOG_ERROR, "%s", err->msg);
}

static char kind(enum fsys_type type)
{
	switch (type) {
	case FSYS_DIR: return 'd';
	case FSYS_SYMLINK: return 'L';
	case FSYS_CHAR:
	case FSYS_BLOCK: return 'D';
	case FSYS_FIFO:
	case FSYS_SOCKET: return 'S';
	default: return 'f';
	}
}

/* rsync's eleven characters: YXcstpoguax. */
static void item_code(const struct ship_report *r, char code[12])
{
	const struct attr *was = &r->was, *now = &r->now;
	bool link = r->op == JOURNAL_LINK;

	memcpy(code, "...........", 12);
	code[0] = link			  ? 'h'
		  : r->op == JOURNAL_META ? '.'
		  : r->op == JOURNAL_FILE ? '<'
					  : 'c';
	code[1] = kind(r->type);
	if (r->is_new || was->type == FSYS_NONE || was->type != now->type) {
		if (!link || r->is_new)
			memset(code + 2, '+', 9);
		return;
	}
	if (r->op == JOURNAL_SYMLINK || r->op == JOURNAL_NODE)
		code[2] = 'c';
	if (now->type == FSYS_FILE && r->op == JOURNAL_FILE) {
		code[3] = was->size != now->size ? 's' : '.';
		if (was->size == now->size && was->mtime.s == now->mtime.s &&
		    was->mtime.ns == now->mtime.ns)
			code[2] = 'c';
	}
	if (was->mtime.s != now->mtime.s || was->mtime.ns != now->mtime.ns)
		code[4] = 't';
	if (was->mode != now->mode && now->type != FSYS_SYMLINK)
		code[5] = 'p';
	if (was->uid != now->uid)
		code[6] = 'o';
	if (was->gid != now->gid)
		code[7] = 'g';
}

static void escape(struct view v, char *out, size_t size)
{
	if (v.len)
		log_escape(v.p, v.len, out, size);
	else
		snprintf(out, size, ".");
}

/* "path" with the '/' of a directory, and where it points. */
static void name_of(const struct ship_report *r, char *out, size_t size)
{
	char path[8192], other[8192];

	escape(r->path, path, sizeof(path));
	if (r->op == JOURNAL_SYMLINK) {
		escape(r->target, other, sizeof(other));
		snprintf(out, size, "%s -> %s", path, other);
	} else if (r->op == JOURNAL_LINK) {
		escape(r->from, other, sizeof(other));
		snprintf(out, size, "%s => %s", path, other);
	} else {
		snprintf(out, size, "%s%s", path,
			 r->type == FSYS_DIR ? "/" : "");
	}
}

const char *output_verb(enum journal_op op)
{
	static const char *const verbs[] = {
		[JOURNAL_MKDIR] = "mkdir",     [JOURNAL_FILE] = "file",
		[JOURNAL_SYMLINK] = "symlink", [JOURNAL_NODE] = "node",
		[JOURNAL_LINK] = "link",       [JOURNAL_MOVE] = "move",
		[JOURNAL_REMOVE] = "remove",   [JOURNAL_META] = "meta",
	};

	return op >= JOURNAL_MKDIR && op <= JOURNAL_META ? verbs[op] : NULL;
}

static const char *type_name(enum fsys_type type)
{
	static const char *const names[] = {
		[FSYS_NONE] = "none",	  [FSYS_FILE] = "file",
		[FSYS_DIR] = "directory", [FSYS_SYMLINK] = "symlink",
		[FSYS_CHAR] = "char",	  [FSYS_BLOCK] = "block",
		[FSYS_FIFO] = "fifo",	  [FSYS_SOCKET] = "socket",
	};

	return names[type];
}

static void report_json(const struct ship_report *r, const char *code)
{
	json_begin("change");
	json_text("op", output_verb(r->op));
	json_text("type", type_name(r->type));
	json_path(r->path);
	if (r->op == JOURNAL_MOVE || r->op == JOURNAL_LINK)
		json_name("from", r->from);
	if (r->op == JOURNAL_SYMLINK)
		json_name("target", r->target);
	if (r->op == JOURNAL_FILE)
		json_number("size", (int64_t)r->now.size);
	if (*code)
		json_text("code", code);
	json_end();
}

void output_report(void *arg, const struct ship_report *r)
{
	struct output *o = arg;
	char line[25600], name[16500], from[8192];
	const char *slash = r->type == FSYS_DIR ? "/" : "";
	char code[12] = "";

	name_of(r, name, sizeof(name));
	if (r->op == JOURNAL_REMOVE) {
		snprintf(line, sizeof(line), "*deleting   %s", name);
	} else if (r->op == JOURNAL_MOVE) {
		escape(r->from, from, sizeof(from));
		snprintf(line, sizeof(line), "*moving     %s%s -> %s", from,
			 slash, name);
	} else {
		item_code(r, code);
		snprintf(line, sizeof(line), "%s %s", code, name);
	}
	to_log_file(o, line);
	if (o->c->quiet)
		return;
	if (o->c->json) {
		report_json(r, code);
		return;
	}
	if (o->c->itemize || o->c->verbose)
		output_clear(o);
	if (o->c->itemize)
		printf("%s\n", line);
	else if (o->c->verbose && r->op == JOURNAL_REMOVE)
		printf("deleting %s\n", name);
	else if (o->c->verbose && r->op == JOURNAL_MOVE)
		printf("moving %s\n", line + 12);
	else if (o->c->verbose && (r->op != JOURNAL_META || o->c->verbose > 1))
		printf("%s\n", name);
}

void output_drift(void *arg, enum ship_drift kind, enum fsys_type type,
		  struct view path, const char *what)
{
	static const char *const kinds[] = {
		[SHIP_MISSING] = "missing",
		[SHIP_CHANGED] = "changed",
		[SHIP_REPLACED] = "replaced",
		[SHIP_EXTRA] = "extra",
	};
	struct output *o = arg;
	char line[8400], name[8192];

	escape(path, name, sizeof(name));
	snprintf(line, sizeof(line), "*%-10s %s%s%s%s%s", kinds[kind], name,
		 type == FSYS_DIR ? "/" : "", *what ? " (" : "", what,
		 *what ? ")" : "");
	to_log_file(o, line);
	if (o->c->quiet)
		return;
	if (o->c->json) {
		json_begin("drift");
		json_text("kind", kinds[kind]);
		json_text("type", type_name(type));
		json_path(path);
		json_text("what", what);
		json_end();
		return;
	}
	output_clear(o);
	printf("%s\n", line);
}

void output_number(const struct config *c, uint64_t n, char *out, size_t size)
{
	static const char units[] = "KMGTPE";
	double x = (double)n;
	int unit = -1;

	while (c->human && x >= 1000 && unit < 5) {
		x /= 1000;
		unit++;
	}
	if (unit < 0)
		snprintf(out, size, "%" PRIu64, n);
	else
		snprintf(out, size, "%.2f%c", x, units[unit]);
}

/* Counters of all connections of this run. */
static struct traffic traffic_of(const struct client *k)
{
	struct traffic t = k->traffic;

	if (k->remote)
		traffic_add(&t, k->remote);
	return t;
}

void traffic_add(struct traffic *t, const struct remote *remote)
{
	uint64_t a, b;

	remote_counts(remote, &a, &b);
	t->in += a;
	t->out += b;
	remote_packed(remote, &a, &b);
	t->packed_from += a;
	t->packed_to += b;
}

void output_stats(struct client *k)
{
	static const struct ship_counts none;
	const struct ship_counts *n = k->ship ? ship_counts(k->ship) : &none;
	char literal[32], matched[32], sent[32], got[32], from[32], to[32];
	struct traffic t = traffic_of(k);
	double elapsed = (double)(clock_mono() - k->started) / 1e9;

	if (k->c->quiet || k->c->json)
		return;
	output_number(k->c, n->literal, literal, sizeof(literal));
	output_number(k->c, n->matched, matched, sizeof(matched));
	output_number(k->c, t.packed_from, from, sizeof(from));
	output_number(k->c, t.packed_to, to, sizeof(to));
	output_number(k->c, t.out, sent, sizeof(sent));
	output_number(k->c, t.in, got, sizeof(got));
	if (k->c->stats)
		printf("Entries scanned: %" PRIu64 "\nChanges found: %" PRIu64
		       "\nOperations sent: %" PRIu64
		       "\nOperations failed: %" PRIu64 "\nFiles sent: %" PRIu64
		       "\nMoves: %" PRIu64 "\nDeletes: %" PRIu64
		       "\nLiteral data: %s bytes\nMatched data: %s bytes"
		       "\nCompressed data: %s bytes to %s bytes"
		       "\nBytes sent: %s\n"
		       "Bytes received: %s\nElapsed: %.3f s\n",
		       k->pass.entries, k->pass.changes, n->operations,
		       n->failed, n->files, n->moves, n->deletes, literal,
		       matched, from, to, sent, got, elapsed);
	else if (k->c->verbose)
		printf("sent %s bytes, received %s bytes, %.2f seconds%s\n",
		       sent, got, elapsed, k->c->dry ? " (dry run)" : "");
}

void output_summary(struct client *k, int status)
{
	static const struct ship_counts none;
	const struct ship_counts *n = k->ship ? ship_counts(k->ship) : &none;
	struct traffic t = traffic_of(k);

	if (!k->c->json || k->c->quiet)
		return;
	json_begin("summary");
	json_number("exit", status);
	json_bool("dry_run", k->c->dry);
	json_number("passes", (int64_t)k->passes);
	json_number("entries", (int64_t)k->pass.entries);
	json_number("changes", (int64_t)k->pass.changes);
	json_number("operations", (int64_t)n->operations);
	json_number("failed", (int64_t)n->failed);
	json_number("files", (int64_t)n->files);
	json_number("moves", (int64_t)n->moves);
	json_number("deletes", (int64_t)n->deletes);
	json_number("drifted", (int64_t)n->drifted);
	json_number("literal", (int64_t)n->literal);
	json_number("matched", (int64_t)n->matched);
	json_number("sent", (int64_t)t.out);
	json_number("received", (int64_t)t.in);
	json_seconds("seconds", (double)(clock_mono() - k->started) / 1e9);
	json_end();
}

void output_progress(struct client *k)
{
	static const struct ship_counts none;
	const struct ship_counts *n = k->ship ? ship_counts(k->ship) : &none;
	int64_t names = 0, inodes = 0;
	struct err err;

	if (k->store && k->dest.id)
		mirror_pending(k->store, k->dest.id, &names, &inodes, &err);
	fprintf(stderr,
		"snapsync: pass %lu, %" PRIu64 " entries in %.3f s, %" PRIu64
		" operations sent (%" PRIu64 " files, %" PRIu64
		" bytes), %" PRId64 " pending, %s\n",
		k->passes, k->pass.entries, (double)k->took / 1e9,
		n->operations, n->files, n->literal, names + inodes,
		k->remote ? "connected" : "not connected");
}
