#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client.h"
#include "snapsync/clock.h"
#include "snapsync/journal.h"
#include "snapsync/problem.h"

static void show_time(const char *label, int64_t s)
{
	char when[32] = "never";

	if (s)
		clock_format(s, when, sizeof(when));
	printf("%s: %s\n", label, when);
}

static void show_last_pass(struct client *k)
{
	char path[PATH_MAX + 16];
	struct stat st;

	snprintf(path, sizeof(path), "%s/lock", k->state);
	show_time("last pass", stat(path, &st) == 0 ? (int64_t)st.st_mtime : 0);
}

static int show_problem(void *arg, struct view path, const char *code,
			const char *text, int64_t first_s, int64_t count)
{
	char name[8192], when[32];

	(void)arg;
	log_escape(path.p, path.len, name, sizeof(name));
	clock_format(first_s, when, sizeof(when));
	printf("problem: %s: %s (%s, since %s, %" PRId64 " times)\n",
	       path.len ? name : ".", text, code, when, count);
	return 0;
}

static int show_dest(struct client *k, const char *spec, int64_t id,
		     bool known, uint64_t acked, uint64_t sent,
		     int64_t behind, struct err *err)
{
	int64_t names, inodes, problems;
	int r = mirror_pending(k->store, id, &names, &inodes, err);

	if (r == 0)
		r = problem_count(k->store, id, &problems, err);
	if (r < 0)
		return r;
	printf("destination: %s\n", strchr(spec, ':') + 1);
	printf("state: %s\n", !known		     ? "not yet compared"
			      : names + inodes > 0 ? "behind"
						     : "up to date");
	printf("pending: %" PRId64 "\n", names + inodes);
	printf("lag: %" PRId64 " s\n",
	       names + inodes > 0 && behind
		       ? clock_real() / CLOCK_SECOND - behind
		       : 0);
	printf("batches: %" PRIu64 " durable, %" PRIu64 " on their way\n",
	       acked, sent - acked);
	printf("problems: %" PRId64 "\n", problems);
	return problem_each(k->store, id, show_problem, NULL, err);
}

static int show_all(struct client *k, struct err *err)
{
	struct sql *q = db_sql(store_db(k->store),
			       "SELECT spec, id, known, acked, sent, behind"
			       " FROM dest"
			       " WHERE ?1 = '' OR spec = ?1 ORDER BY id",
			       err);
	char spec[8192];
	int shown = 0, r = q ? 0 : err->code;

	if (!q)
		return r;
	db_text(q, 1, k->c->dest ? k->c->to.key : "");
	while (r >= 0 && (r = db_step(q, err)) > 0) {
		struct view v = db_col_blob(q, 0);

		snprintf(spec, sizeof(spec), "%.*s", (int)v.len,
			 (const char *)v.p);
		r = show_dest(k, spec, db_col_int(q, 1), db_col_int(q, 2) != 0,
			      (uint64_t)db_col_int(q, 3),
			      (uint64_t)db_col_int(q, 4), db_col_int(q, 5),
			      err);
		shown++;
	}
	db_reset(q);
	if (r == 0 && !shown)
		r = err_set(err, ERR_FILE, "%s is not a destination of %s",
			    k->c->dest ? k->c->dest : "nothing", k->c->src);
	return r;
}

int status_show(struct client *k)
{
	int64_t names = 0;
	struct err err;
	int r = state_find(k, &err);

	if (r == 0)
		r = state_open_read(k, &err);
	if (r == 0)
		r = store_count_names(k->store, &names, &err);
	if (r == 0) {
		printf("source: %s\nentries: %" PRId64 "\n", k->src, names);
		show_last_pass(k);
		r = show_all(k, &err);
	}
	if (r < 0)
		output_error(&k->out, &err);
	state_close(k);
	return r < 0 ? err_exit(r) : 0;
}

static int show_row(void *arg, int64_t time_s, const struct journal_row *row,
		    int code, bool settled, struct err *err)
{
	static const char *const verbs[] = {
		[JOURNAL_MKDIR] = "mkdir",   [JOURNAL_FILE] = "file",
		[JOURNAL_SYMLINK] = "symlink", [JOURNAL_NODE] = "node",
		[JOURNAL_LINK] = "link",     [JOURNAL_MOVE] = "move",
		[JOURNAL_REMOVE] = "remove", [JOURNAL_META] = "meta",
	};
	char when[32], path[8192], from[8192];

	(void)arg;
	(void)err;
	if (row->op < JOURNAL_MKDIR || row->op > JOURNAL_META)
		return 0;
	clock_format(time_s, when, sizeof(when));
	log_escape(row->path.p, row->path.len, path, sizeof(path));
	log_escape(row->from.p, row->from.len, from, sizeof(from));
	printf("%s %-7s ", when, verbs[row->op]);
	if (row->op == JOURNAL_MOVE || row->op == JOURNAL_LINK)
		printf("%s -> ", from);
	printf("%s", row->path.len ? path : ".");
	if (row->op == JOURNAL_FILE)
		printf(" (%" PRIu64 " bytes)", row->bytes);
	printf("%s%s\n", code ? " failed: " : !settled ? " on its way" : "",
	       code ? err_name(code) : "");
	return 0;
}

int status_log(struct client *k)
{
	const char *below = k->c->below ? k->c->below : "";
	size_t len = strlen(below);
	struct dest d = {.id = 0};
	struct err err;
	int r = state_find(k, &err);

	while (len && below[len - 1] == '/')
		len--;
	if (r == 0)
		r = state_open_read(k, &err);
	if (r == 0 && k->c->dest) {
		r = mirror_dest_find(k->store, k->c->to.key, &d, &err);
		if (r == 0)
			r = err_set(&err, ERR_FILE,
				    "%s is not a destination of %s",
				    k->c->dest, k->c->src);
	}
	if (r >= 0)
		r = journal_each(k->store, d.id, k->c->since,
				 view_of(below, len), show_row, NULL, &err);
	if (r < 0)
		output_error(&k->out, &err);
	state_close(k);
	return r < 0 ? err_exit(r) : 0;
}
