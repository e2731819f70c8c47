#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client.h"
#include "snapsync/clock.h"
#include "snapsync/journal.h"
#include "snapsync/problem.h"

static void show_source(struct client *k, int64_t names)
{
	char why[512];
	char path[PATH_MAX + 16], when[32] = "never";
	struct stat st;
	int64_t last;

	snprintf(path, sizeof(path), "%s/lock", k->state);
	pass_explain(&k->pass, why, sizeof(why));
	last = stat(path, &st) == 0 ? (int64_t)st.st_mtime : 0;
	if (k->c->json) {
		json_begin("source");
		json_text("source", k->named);
		json_number("entries", names);
		json_number("last_pass", last);
		json_number("withheld", (int64_t)k->pass.kept);
		json_text("withheld_why", why);
		json_end();
		return;
	}
	if (last)
		clock_format(last, when, sizeof(when));
	printf("source: %s\nentries: %" PRId64 "\nlast pass: %s\n", k->named,
	       names, when);
	if (*why)
		printf("%s\n", why);
}

static int show_problem(void *arg, struct view path, const char *code,
			const char *text, int64_t first_s, int64_t count)
{
	const struct client *k = arg;
	char name[8192], when[32];

	if (k->c->json) {
		json_begin("problem");
		json_path(path);
		json_text("code", code);
		json_text("text", text);
		json_number("since", first_s);
		json_number("times", count);
		json_end();
		return 0;
	}
	log_escape(path.p, path.len, name, sizeof(name));
	clock_format(first_s, when, sizeof(when));
	printf("problem: %s: %s (%s, since %s, %" PRId64 " times)\n",
	       path.len ? name : ".", text, code, when, count);
	return 0;
}

static int show_dest(struct client *k, const char *spec, int64_t id, bool known,
		     uint64_t acked, uint64_t sent, int64_t behind,
		     struct err *err)
{
	int64_t names, inodes, problems, lag = 0;
	const char *state;
	int r = mirror_pending(k->store, id, &names, &inodes, err);

	if (r == 0)
		r = problem_count(k->store, id, &problems, err);
	if (r < 0)
		return r;
	/* What is on its way may be there, or not. */
	state = !known				      ? "not yet compared"
		: names + inodes > 0 || sent != acked ? "behind"
		: k->pass.withheld != PASS_ALL_WELL   ? "deletes withheld"
						      : "up to date";
	if (names + inodes > 0 && behind)
		lag = clock_real() / CLOCK_SECOND - behind;
	if (k->c->json) {
		json_begin("destination");
		json_text("destination", strchr(spec, ':') + 1);
		json_text("state", state);
		json_number("pending", names + inodes);
		json_number("lag", lag);
		json_number("durable", (int64_t)acked);
		json_number("on_their_way", (int64_t)(sent - acked));
		json_number("problems", problems);
		json_end();
	} else {
		printf("destination: %s\nstate: %s\npending: %" PRId64
		       "\nlag: %" PRId64 " s\nbatches: %" PRIu64
		       " durable, %" PRIu64 " on their way\nproblems: %" PRId64
		       "\n",
		       strchr(spec, ':') + 1, state, names + inodes, lag, acked,
		       sent - acked, problems);
	}
	return problem_each(k->store, id, show_problem, k, err);
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
	if (r == 0)
		r = pass_last(k->store, &k->pass, &err);
	if (r == 0) {
		show_source(k, names);
		r = show_all(k, &err);
	}
	if (r < 0)
		output_error(&k->out, &err);
	state_close(k);
	return r < 0 ? err_exit(r) : 0;
}

struct history {
	struct client *k;
	bool several; /* destinations: each line says which one */
};

static int show_row(void *arg, struct view spec, int64_t time_s,
		    const struct journal_row *row, int code, bool settled,
		    struct err *err)
{
	const struct history *h = arg;
	const struct client *k = h->k;
	const char *verb = output_verb(row->op), *colon;
	char when[32], path[8192], from[8192], dest[8192];

	(void)err;
	if (!verb)
		return 0;
	/* Without the way there, as --status says it. */
	snprintf(dest, sizeof(dest), "%.*s", (int)spec.len,
		 (const char *)spec.p);
	colon = strchr(dest, ':');
	if (k->c->json) {
		json_begin("journal");
		json_text("destination", colon ? colon + 1 : dest);
		json_number("time", time_s);
		json_text("op", verb);
		json_path(row->path);
		if (row->op == JOURNAL_MOVE || row->op == JOURNAL_LINK)
			json_name("from", row->from);
		if (row->op == JOURNAL_FILE)
			json_number("size", (int64_t)row->bytes);
		json_text("state", code ? "failed" : settled ? "done" : "sent");
		if (code)
			json_text("code", err_name(code));
		json_end();
		return 0;
	}
	clock_format(time_s, when, sizeof(when));
	log_escape(row->path.p, row->path.len, path, sizeof(path));
	log_escape(row->from.p, row->from.len, from, sizeof(from));
	printf("%s ", when);
	if (h->several)
		printf("%s: ", colon ? colon + 1 : dest);
	printf("%-7s ", verb);
	if (row->op == JOURNAL_MOVE || row->op == JOURNAL_LINK)
		printf("%s -> ", from);
	printf("%s", row->path.len ? path : ".");
	if (row->op == JOURNAL_FILE)
		printf(" (%" PRIu64 " bytes)", row->bytes);
	printf("%s%s\n",
	       code	  ? " failed: "
	       : !settled ? " on its way"
			  : "",
	       code ? err_name(code) : "");
	return 0;
}

int status_log(struct client *k)
{
	const char *below = k->c->below ? k->c->below : "";
	size_t len = strlen(below);
	struct history h = {.k = k};
	struct dest d = {.id = 0};
	char only[8192];
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
				    "%s is not a destination of %s", k->c->dest,
				    k->c->src);
	}
	if (r >= 0 && !k->c->dest) {
		r = mirror_only_dest(k->store, only, sizeof(only), &err);
		h.several = r == 0;
	}
	if (r >= 0)
		r = journal_each(k->store, d.id, k->c->since,
				 view_of(below, len), show_row, &h, &err);
	if (r < 0)
		output_error(&k->out, &err);
	state_close(k);
	return r < 0 ? err_exit(r) : 0;
}
