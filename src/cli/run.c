#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client.h"
#include "snapsync/clock.h"
#include "snapsync/fsys.h"
#include "snapsync/journal.h"
#include "snapsync/problem.h"

#define HISTORY_DAYS 30
#define HISTORY_ROWS 200000
#define TURN (CLOCK_SECOND / 5) /* of a long file, between looks at the clock */
#define PASSES_ONCE 3		/* of a one-pass run over a restless source */

/* During a pass: a helper does not wait for ever for a client that walks. */
static void show_life(void *client)
{
	struct client *k = client;
	struct err why;
	int64_t now = clock_mono(), step = k->c->timeout * CLOCK_SECOND / 2;

	if (!k->remote || k->lost.code || k->c->timeout == 0 ||
	    now - k->shown < (step < CLOCK_SECOND ? CLOCK_SECOND : step))
		return;
	k->shown = now;
	if (remote_alive(k->remote, &why) < 0)
		k->lost = why;
}

static int one_pass(struct client *k, struct err *err)
{
	const struct config *c = k->c;
	struct pass_options o = {
		.filter = c->filter,
		.one_file_system = c->one_file_system,
		.max_delete = c->max_delete,
		.max_percent = c->max_percent,
		.max_default = c->max_default,
		.force_delete = c->force_delete,
		.alter = c->alter,
		.memory = k->memory,
		.stop = k->stop,
		.log = &k->out.log,
		.told = k->passes > 0,
		.alive = show_life,
		.alive_arg = k,
	};
	struct dest now;
	int64_t start;
	int r = state_there(k, err), fd;

	if (r == 0)
		r = source_follow(k, err);
	if (r < 0)
		return r;
	fd = fsys_open_root(k->named, err);
	if (fd < 0)
		return err_sys(err, ERR_SOURCE, err->sys,
			       "the source %s cannot be read", c->src);
	err_clear(&k->lost);
	start = k->shown = clock_mono();
	r = pass_run(k->store, fd, &o, &k->pass, err);
	k->took = clock_mono() - start;
	k->passes++;
	if (r == 0)
		state_stamp(k);
	if (r == 0 && k->pass.unknown) {
		r = mirror_dest_find(k->store, k->c->to.key, &now, err);
		if (r > 0)
			k->dest.known = now.known;
		r = r < 0 ? r : 0;
	}
	/* Shipping reads from the directory that was scanned. */
	if (r == 0 && k->ship) {
		ship_set_root(k->ship, fd);
		fsys_close(k->root_fd);
		k->root_fd = fd;
	} else {
		fsys_close(fd);
	}
	return r;
}

/* The first name of --backup-dir. */
static struct view backup_top(const struct config *c)
{
	size_t len = strcspn(c->backup_dir, "/");

	return view_of(c->backup_dir, len);
}

/* Is anybody told what is done? */
static bool tells(const struct config *c)
{
	return c->log_file ||
	       (!c->quiet && (c->itemize || c->verbose || c->json));
}

static int make_ship(struct client *k, struct err *err)
{
	const struct config *c = k->c;
	struct ship_options o = {
		.filter = c->filter,
		.delete_extras = c->delete_extras,
		.checksum = c->checksum,
		.owners = !c->numeric_ids,
		.dry = c->dry,
		.size_only = c->size_only,
		.alter = c->alter,
		.verify = c->action == ACTION_VERIFY,
		.same_owners = c->numeric_ids || c->to.kind == DEST_LOCAL,
		.drift = output_drift,
		.sparse = c->sparse,
		.patient = c->interval > 0,
		.backup_top = backup_top(c),
		.max_delete = c->max_delete,
		.max_percent = c->max_percent,
		.max_default = c->max_default,
		.force_delete = c->force_delete,
		.stop = k->stop,
		.log = &k->out.log,
		.report = tells(c) ? output_report : NULL,
		.report_arg = &k->out,
		.progress = c->progress && !c->quiet && !c->dry ? output_tick
								: NULL,
		.progress_arg = &k->out,
	};
	int r = db_begin(store_db(k->store), err);

	if (r == 0)
		r = mirror_dest(k->store, c->to.key, &k->dest, err);
	if (r == 0)
		r = db_commit(store_db(k->store), err);
	else
		db_rollback(store_db(k->store));
	return r < 0 ? r : ship_new(k->store, -1, &k->dest, &o, &k->ship, err);
}

static int pending(struct client *k, int64_t *out, struct err *err)
{
	int64_t names, inodes;
	int r = mirror_pending(k->store, k->dest.id, &names, &inodes, err);

	*out = names + inodes;
	return r;
}

static int needs_work(struct client *k, bool *out, struct err *err)
{
	int64_t n;
	int r = pending(k, &n, err);

	/* No connection for files that only might have changed. */
	if (r == 0 && n > 0 && k->dest.known && !k->remote && !k->c->dry) {
		r = ship_recheck(k->ship, err);
		if (r == 0)
			r = pending(k, &n, err);
	}
	/* A batch on its way may have been carried out: M is not sure then. */
	*out = r == 0 &&
	       (n > 0 || !k->dest.known || k->dest.sent != k->dest.acked);
	if (r == 0 && !*out && !k->c->dry)
		r = mirror_caught_up(k->store, k->dest.id, err);
	return r;
}

static void explain(struct client *k)
{
	char text[512];

	if (k->pass.withheld != PASS_ALL_WELL &&
	    k->pass.withheld != PASS_RESTLESS) {
		pass_explain(&k->pass, text, sizeof(text));
		log_line(&k->out.log, LOG_ERROR, "%s", text);
	}
}

/* The tail of a run that did what it could. */
static int verdict(struct client *k, struct err *err)
{
	const struct ship_counts *n = ship_counts(k->ship);
	int64_t left = 0, problems = 0;
	bool restless;
	int r = k->c->dry ? 0 : pending(k, &left, err);

	if (r == 0)
		r = problem_count(k->store, k->dest.id, &problems, err);
	if (r == 0 && left == 0 && k->dest.known && !k->c->dry)
		r = mirror_caught_up(k->store, k->dest.id, err);
	if (r < 0)
		return r;
	explain(k);
	if (left == 0 && problems > (int64_t)k->pass.problems && !k->c->dry) {
		/* All is well again: old complaints are over. */
		r = db_begin(store_db(k->store), err);
		if (r == 0)
			r = problem_expire(k->store, k->dest.id, INT64_MAX,
					   err);
		if (r == 0)
			r = db_commit(store_db(k->store), err);
		if (r < 0)
			return r;
	}
	restless = ship_restless(k->ship) || k->pass.withheld == PASS_RESTLESS;
	if ((k->pass.withheld != PASS_ALL_WELL &&
	     k->pass.withheld != PASS_RESTLESS) ||
	    ship_withheld(k->ship))
		return err_set(err, ERR_LIMIT, "deletes were withheld");
	if (k->c->action == ACTION_VERIFY && k->c->dry) {
		r = pending(k, &left, err);
		if (r < 0)
			return r;
		if (n->drifted || left > 0)
			return err_set(err, ERR_PARTIAL,
				       "drift at the destination: %" PRIu64
				       ", differences from the source: "
				       "%" PRId64 " (nothing was changed)",
				       n->drifted, left);
	}
	if (n->unseen)
		return err_set(err, ERR_PARTIAL,
			       "%" PRIu64 " entries of the destination could "
			       "not be looked at: the next %s",
			       n->unseen,
			       k->c->action == ACTION_VERIFY
				       ? "--verify may find more"
				       : "run looks again");
	if (n->drifted > n->extras)
		log_line(&k->out.log, LOG_WARN,
			 "drift at the destination: %" PRIu64 ", %s",
			 n->drifted - n->extras,
			 left ? "not all of it repaired" : "repaired");
	/* With --delete it is what a filter protects, or came meanwhile. */
	if (n->extras)
		return err_set(
			err, ERR_PARTIAL,
			"left alone at the destination: %" PRIu64
			" that the source does not have%s",
			n->extras,
			k->c->delete_extras ? "" : " (--delete removes them)");
	if (left > 0 || k->pass.problems > 0 ||
	    k->pass.withheld == PASS_RESTLESS)
		return err_set(
			err, ERR_PARTIAL, "%" PRId64 " differences are left%s",
			left + (int64_t)(k->pass.problems + k->pass.kept),
			restless ? " (the source was changing)" : "");
	return 0;
}

/* --verify SRC: the destination, if there is one only. */
static int only_dest(struct client *k, struct err *err)
{
	char key[PATH_MAX + 1024];
	int r = mirror_only_dest(k->store, key, sizeof(key), err);

	if (r < 0)
		return r;
	if (r == 0)
		return err_set(err, ERR_USAGE,
			       "%s has no destination, or several: give one",
			       k->c->src);
	r = spec_of_key(key, &k->c->to, err);
	k->c->dest = k->c->to.key;
	k->c->to.shown = k->c->to.key;
	return r;
}

static int begin(struct client *k, struct err *err)
{
	struct stat st;
	int r = state_find(k, err);

	k->started = clock_mono();
	if (r == 0 && (stat(k->src, &st) < 0 || !S_ISDIR(st.st_mode)))
		r = err_set(err, ERR_SOURCE, "%s is not a directory",
			    k->c->src);
	if (r == 0 && k->c->dest)
		r = source_check(k, err);
	if (r == 0)
		r = filter_set_root(k->c->filter, k->src, err);
	if (r == 0 && !k->c->dest) { /* it must be there */
		r = state_open_read(k, err);
		state_close(k);
	}
	if (r == 0)
		r = state_open(k, err);
	if (r == 0)
		r = state_exclude(k, err);
	if (r == 0 && !k->c->dest) {
		r = only_dest(k, err);
		if (r == 0)
			r = source_check(k, err);
	}
	if (r == 0)
		r = make_ship(k, err);
	return r;
}

static void finish(struct client *k)
{
	connect_close(k);
	ship_free(k->ship);
	k->ship = NULL;
	accounts_close(k->accounts);
	k->accounts = NULL;
	scan_memory_free(k->memory);
	k->memory = NULL;
	fsys_close(k->root_fd);
	state_close(k);
}

/* Old history goes, once a day. */
static int prune(struct client *k, struct err *err)
{
	int64_t last = 0, now = clock_real() / CLOCK_SECOND;
	int r = store_config_int(k->store, "pruned", &last, err);

	if (r < 0 || k->c->dry || now - last < 86400)
		return r < 0 ? r : 0;
	r = db_begin(store_db(k->store), err);
	if (r == 0)
		r = journal_prune(k->store, HISTORY_DAYS, HISTORY_ROWS, err);
	if (r == 0)
		r = store_config_set_int(k->store, "pruned", now, err);
	if (r == 0)
		return db_commit(store_db(k->store), err);
	db_rollback(store_db(k->store));
	return r;
}

static int ship_all(struct client *k, struct err *err)
{
	int tries, r = 0;
	bool work = false;

	for (tries = 0; r == 0 && tries < PASSES_ONCE; tries++) {
		if (tries > 0)
			r = one_pass(k, err);
		if (r == 0 && k->lost.code) {
			*err = k->lost;
			r = err->code;
		}
		if (r == 0)
			r = needs_work(k, &work, err);
		if (r < 0 || !work)
			return r;
		if (!k->remote)
			r = connect_open(k, err);
		if (r == 0)
			r = ship_run(k->ship, err);
		if (r < 0 || k->c->dry ||
		    (ship_restless(k->ship) == 0 &&
		     k->pass.withheld != PASS_RESTLESS))
			return r;
		clock_sleep(50 * CLOCK_MS);
	}
	return r;
}

static int status_of(struct client *k, int r, struct err *err)
{
	if (r == -ERR_SIGNAL)
		log_line(&k->out.log, LOG_INFO, "%s", err->msg);
	else if (r < 0 && r != -ERR_LIMIT)
		output_error(&k->out, err);
	return r < 0 ? err_exit(r) : 0;
}

int run_once(struct client *k)
{
	struct err err;
	int r = begin(k, &err);

	if (r == 0)
		r = one_pass(k, &err);
	/* Whatever is known of it, it is looked at. */
	if (r == 0 && k->c->action == ACTION_VERIFY)
		r = connect_open(k, &err);
	if (r == 0)
		r = ship_all(k, &err);
	if (r == 0)
		r = verdict(k, &err);
	if (r == 0)
		r = prune(k, &err);
	if (k->store && k->ship)
		output_stats(k);
	r = status_of(k, r, &err);
	output_summary(k, r);
	finish(k);
	return r;
}

/* ------------------------------------------------------------ continuous */

struct course {
	int64_t interval;   /* ns */
	int64_t retry_at;   /* mono ns: not before then */
	int64_t delay;	    /* ns, grows with every failure in a row */
	bool was_connected; /* ever */
	bool lost;	    /* told that the connection is gone, and why */
	char why[sizeof(((struct err *)0)->msg)];
	enum pass_withheld told;
	bool source_lost;
};

static void later(struct course *t, int64_t least)
{
	int64_t jitter;

	t->delay = t->delay ? t->delay * 2 : least;
	if (t->delay > 60 * CLOCK_SECOND)
		t->delay = 60 * CLOCK_SECOND;
	jitter = (int64_t)(clock_real() / 1000 % 1000) * (t->delay / 4000);
	t->retry_at = clock_mono() + t->delay + jitter;
}

/* The connection failed: a reason to stop, or to try again? */
static int lost(struct client *k, struct course *t, struct err *err)
{
	bool first = !t->was_connected;

	if (err_class(err->code) != ERR_CLASS_DROP ||
	    (first && (err->code == -ERR_START || err->code == -ERR_PROTOCOL)))
		return err->code;
	if (!t->lost || strcmp(t->why, err->msg) != 0)
		log_line(&k->out.log, LOG_ERROR,
			 "%s; trying again until it works", err->msg);
	strcpy(t->why, err->msg);
	t->lost = true;
	connect_close(k);
	later(t, CLOCK_SECOND);
	return 0;
}

static int ship_some(struct client *k, struct course *t, struct err *err)
{
	bool work, fresh = k->pass.changes > 0;
	int r = needs_work(k, &work, err);

	if (r < 0 || !work)
		return r;
	if (clock_mono() < t->retry_at && (!fresh || !k->remote))
		return 0;
	if (!k->remote) {
		r = connect_open(k, err);
		if (r < 0)
			return lost(k, t, err);
		if (t->lost)
			log_line(&k->out.log, LOG_WARN, "connected again");
		t->lost = false;
		t->was_connected = true;
		t->delay = 0;
	}
	r = ship_run(k->ship, err);
	if (r < 0)
		return lost(k, t, err);
	r = needs_work(k, &work, err);
	if (r == 0 && work && !ship_restless(k->ship) && !ship_busy(k->ship))
		later(t, 5 * CLOCK_SECOND);
	else
		t->delay = t->retry_at = 0;
	return r;
}

/* If it has gone during a long pass (in which a large directory may have kept us
 * silent), another one is asked when there is work. */
static void leave_gone(struct client *k)
{
	struct err why = k->lost;

	if (!k->remote)
		return;
	if (!why.code && (k->took < k->c->timeout * CLOCK_SECOND ||
			  remote_idle(k->remote, &why) == 0))
		return;
	log_line(&k->out.log, LOG_INFO, "during the pass: %s", why.msg);
	connect_close(k);
}

static int tick(struct client *k, struct course *t, struct err *err)
{
	int r = one_pass(k, err);

	if (r == -ERR_SOURCE) {
		if (!t->source_lost)
			log_line(&k->out.log, LOG_ERROR, "%s; waiting for it",
				 err->msg);
		t->source_lost = true;
		return 0;
	}
	if (r < 0)
		return r;
	t->source_lost = false;
	leave_gone(k);
	if (k->pass.withheld != t->told && k->pass.withheld != PASS_RESTLESS)
		explain(k);
	t->told = k->pass.withheld;
	r = ship_some(k, t, err);
	return r < 0 ? r : prune(k, err);
}

/* SIGUSR1 came. */
static void show_progress(struct client *k)
{
	if (!*k->progress)
		return;
	*(volatile int *)(uintptr_t)k->progress = 0;
	output_progress(k);
}

/* Until the next pass is due; the connection is looked after meanwhile. */
static int rest(struct client *k, struct course *t, int64_t until,
		struct err *err)
{
	int64_t left;

	show_progress(k); /* a pass may take longer than the interval */
	while (!*k->stop && (left = until - clock_mono()) > 0) {
		show_progress(k);
		if (k->remote && ship_busy(k->ship)) {
			int64_t soon = clock_mono() + TURN;
			int r = ship_more(k->ship, soon < until ? soon : until,
					  err);

			if (r < 0)
				r = lost(k, t, err);
			if (r <= 0) /* complete: at once into its place */
				return r;
			continue;
		}
		if (k->remote && remote_idle(k->remote, err) < 0) {
			int r = lost(k, t, err);

			if (r < 0)
				return r;
		}
		clock_sleep(left > CLOCK_SECOND / 2 ? CLOCK_SECOND / 2 : left);
	}
	return 0;
}

int run_forever(struct client *k)
{
	struct course t;
	struct err err;
	int r = begin(k, &err);

	memset(&t, 0, sizeof(t));
	t.interval = (int64_t)(k->c->interval * 1e9);
	k->memory = scan_memory_new(); /* without one, it is slower */
	while (r == 0 && !*k->stop) {
		int64_t start = clock_mono();

		r = tick(k, &t, &err);
		fflush(stdout);
		if (r == 0)
			r = rest(k, &t, start + t.interval, &err);
	}
	if (r == 0 || r == -ERR_SIGNAL)
		r = err_set(&err, ERR_SIGNAL, "stopped by a signal");
	if (k->store && k->ship)
		output_stats(k);
	r = status_of(k, r, &err);
	output_summary(k, r);
	finish(k);
	return r;
}
