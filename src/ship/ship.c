#include "snapsync/ship.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ship_local.h"

#define ROUNDS_MAX 5

int ship_new(struct store *s, int root_fd, struct dest *d,
	     const struct ship_options *o, struct ship **out, struct err *err)
{
	struct ship *h = calloc(1, sizeof(*h));

	*out = NULL;
	if (!h)
		return err_set(err, ERR_MEMORY, "out of memory");
	h->s = s;
	h->d = d;
	h->root_fd = root_fd;
	h->euid = (uint32_t)geteuid();
	h->o = *o;
	h->teller.log = o->log;
	h->src_fd = -1;
	h->src_parent = -1;
	sink_null_init(&h->null);
	h->sink = &h->null.sink;
	plan_init(&h->plan);
	arena_init(&h->row_arena);
	arena_init(&h->note_arena);
	map_init(&h->owners, 1);
	buf_init(&h->scratch, 1 << 20);
	buf_init(&h->at_hand, 1 << 24);
	h->io = malloc(MSG_DATA_MAX);
	h->hash = hash_new();
	map_init(&h->replaced, 1);
	map_init(&h->removed, sizeof(uint64_t));
	if (!h->io || !h->hash || emit_init(h, err) < 0) {
		ship_free(h);
		return err_set(err, ERR_MEMORY, "out of memory");
	}
	*out = h;
	return 0;
}

void ship_free(struct ship *h)
{
	if (!h)
		return;
	notes_drop(h);
	tell_forget(h, 0);
	copy_forget(h);
	long_free(h);
	emit_release(h);
	map_release(&h->replaced);
	map_release(&h->removed);
	free(h->copied);
	free(h->bad);
	plan_release(&h->plan);
	arena_release(&h->row_arena);
	arena_release(&h->note_arena);
	map_release(&h->owners);
	buf_release(&h->scratch);
	buf_release(&h->at_hand);
	hash_free(h->hash);
	fsys_close(h->src_fd);
	free(h->rows);
	free(h->fails);
	free(h->notes);
	free(h->io);
	free(h);
}

void ship_set_accounts(struct ship *h, struct accounts *accounts)
{
	h->accounts = accounts;
}

void ship_set_root(struct ship *h, int root_fd)
{
	h->root_fd = root_fd;
	fsys_close(h->src_fd);
	h->src_fd = -1;
	h->src_parent = -1;
}

/* Whatever was planned and not sent is gone. */
static void abandon(struct ship *h)
{
	h->open = false;
	h->row_count = 0;
	h->batch_bytes = h->batch_names = 0;
	tell_forget(h, h->d->sent);
	h->fail_count = 0;
	long_free(h);
	notes_drop(h);
	h->batch_moves = false;
	h->copied_count = h->bad_count = 0;
	h->needs = false;
	map_clear(&h->replaced);
	map_clear(&h->removed);
	copy_forget(h);
	arena_clear(&h->row_arena);
	plan_clear(&h->plan);
}

void ship_detach(struct ship *h)
{
	if (!h)
		return;
	abandon(h);
	h->remote = NULL;
	h->sink = &h->null.sink;
	map_clear(&h->owners);
}

/* Failures that WELCOME tells of the batch at its position. */
static int told_failures(struct ship *h, const struct msg_welcome *w,
			 struct err *err)
{
	struct view v = w->failures;
	uint32_t i;
	int r = 0;

	h->fail_count = 0;
	for (i = 0; r == 0 && i < w->failed; i++) {
		struct journal_fail *f;
		int sys;

		r = vec_grow((void **)&h->fails, &h->fail_cap, i + 1,
			     sizeof(*h->fails), err);
		if (r < 0)
			return r;
		f = &h->fails[h->fail_count++];
		memset(f, 0, sizeof(*f));
		f->index = view_u32(&v);
		if (f->index >= MSG_OPS_MAX || (i && f->index <= f[-1].index))
			v.bad = true;
		f->code = (int)view_u32(&v);
		if (f->code <= 0 || f->code >= ERR_CODES)
			f->code = ERR_IO;
		sys = (int)view_u32(&v);
		snprintf(f->text, sizeof(f->text),
			 "failed in an earlier run (%s, error %d there)",
			 err_name(f->code), sys);
	}
	return v.bad ? err_set(err, ERR_PROTOCOL, "bad failures in WELCOME")
		     : r;
}

/* Lay the batches that are durable there onto the mirror; *explained says
 * whether the helper's position is one that the journal knows. */
static int settle_position(struct ship *h, const struct msg_welcome *w,
			   bool *explained, struct err *err)
{
	struct journal_settled settled = {
		.doubtful = true,
		.done_fn = tell_done,
		.arg = h,
	};
	struct dest *d = h->d;
	bool gap = w->position > d->acked + 1;
	int r = 0;

	*explained = false;
	if (!(w->flags & MSG_WELCOME_KNOWN) ||
	    memcmp(w->pair, d->pair, sizeof(d->pair)) != 0 ||
	    w->position < d->acked || w->position > d->sent ||
	    w->tag != (w->position == d->acked ? d->acked_tag : d->tag))
		return 0;
	r = told_failures(h, w, err);
	while (r == 0 && d->acked < w->position) {
		uint64_t next = d->acked + 1;

		r = journal_settle(h->s, d, next, h->fails,
				   next == w->position ? h->fail_count : 0,
				   &settled, &h->teller, err);
	}
	h->fail_count = 0;
	/* What failed in a batch before the last one is not known any more. */
	*explained = !gap && !settled.surprised;
	return r;
}

/* Ours, but not where we thought (a restored backup on either side, a copied
 * state database): count on from there.  Somebody else's, or nobody's: our own
 * count goes on. */
static void adopt_position(struct ship *h, const struct msg_welcome *w)
{
	if (!(w->flags & MSG_WELCOME_KNOWN) ||
	    memcmp(w->pair, h->d->pair, sizeof(h->d->pair)) != 0)
		return;
	h->d->acked = h->d->sent = w->position;
	h->d->acked_tag = w->tag;
}

/* What an earlier run with --delete had still to remove: not without it, and
 * not what is kept there now. */
static int drop_strangers(struct ship *h, struct err *err)
{
	struct view top = h->o.backup_top;
	struct place at = {STORE_ROOT, (const char *)top.p, top.len};
	int r = db_begin(store_db(h->s), err);

	if (r == 0 && !h->o.delete_extras)
		r = mirror_drop_strangers(h->s, h->d->id, err);
	else if (r == 0 && top.len)
		r = mirror_drop_stranger(h->s, h->d->id, at, err);
	if (r == 0)
		return db_commit(store_db(h->s), err);
	db_rollback(store_db(h->s));
	return r;
}

/* What is kept must not come to lie over what is mirrored. */
static int check_backup(struct ship *h, struct err *err)
{
	struct view top = h->o.backup_top;
	struct place at = {STORE_ROOT, (const char *)top.p, top.len};
	enum fsys_type type;
	int64_t inode;
	int r = top.len ? store_name_get(h->s, at, &inode, err) : 0;

	if (r == 0 && top.len && h->d->known) {
		r = mirror_get(h->s, h->d->id, at, &inode, &type, err);
		r = r > 0 ? inode > 0 : r;
	}
	return r <= 0 ? r
		      : err_set(err, ERR_USAGE,
				"--backup-dir: '%.*s' is part of the mirror: "
				"give a directory of another name",
				(int)top.len, (const char *)top.p);
}

int ship_attach(struct ship *h, struct remote *remote, struct err *err)
{
	const struct msg_welcome *w;
	bool explained, known = h->d->known;
	int r = check_backup(h, err);

	if (r < 0)
		return r;
	h->remote = remote;
	if (!remote)
		return 0;
	w = remote_welcome(remote);
	map_clear(&h->owners);
	r = settle_position(h, w, &explained, err);
	tell_forget(h, 0);
	if (r == 0 && !explained) {
		adopt_position(h, w);
		/* Until it has been listed, whoever does that. */
		h->d->known = false;
	}
	h->d->tag = h->d->next_tag;
	/* The tag is saved with the first batch that has it. */
	if (r == 0 && (!explained || h->d->sent != h->d->acked))
		r = journal_forget(h->s, h->d, err);
	h->d->known = known; /* in words; the listing decides */
	if (r == 0)
		r = drop_strangers(h, err);
	if (r == 0 && (h->o.verify || !(explained && h->d->known))) {
		if (known && !explained)
			log_line(h->o.log, LOG_WARN,
				 "the destination is not at the position it "
				 "was left at: comparing it by a listing");
		/* A position taken over from a listing that was cut says
		 * nothing of the limbo. */
		r = reconcile(h, explained && h->d->known, err);
	}
	if (r == 0 && !h->o.dry)
		h->sink = remote_sink(remote);
	return r;
}

static bool can_copy(const struct ship *h)
{
	return h->remote &&
	       (remote_welcome(h->remote)->features & MSG_FEATURE_COPY);
}

/* One campaign: what differs now, in order. */
static int campaign(struct ship *h, struct err *err)
{
	int64_t problems = 0;
	int r;

	plan_clear(&h->plan);
	map_clear(&h->replaced);
	map_clear(&h->removed);
	copy_forget(h);
	h->restless = 0;
	h->surprised = false;
	h->failed_before = h->counts.failed;
	if (h->reading)
		h->reading->wanted = false;
	r = problem_count(h->s, h->d->id, &problems, err);
	h->problems = problems > 0;
	if (r == 0)
		r = index_empty(h->s, err);
	if (r >= 0) {
		h->can_copy = r == 0 && !h->repairs &&
			      (h->o.dry || can_copy(h));
		r = place_all(h, err);
	}
	if (r == 0)
		r = remove_all(h, err);
	if (r == 0)
		r = content_names(h, err);
	if (r == 0)
		r = remove_parked(h, err);
	if (r == 0)
		r = content_inodes(h, err);
	if (r == 0)
		r = content_dirs(h, err);
	if (r < 0 && err_class(r) == ERR_CLASS_RESCAN) {
		log_line(h->o.log, LOG_WARN, "%s: the next pass goes on",
			 err->msg);
		h->restless++;
		r = 0;
	}
	if (r == 0)
		r = batch_commit(h, err);
	if (r == 0)
		r = notes_flush(h, err);
	if (r == 0)
		r = batch_answers(h, true, err);
	if (r == 0 && h->reading && !h->reading->wanted)
		r = long_drop(h, err);
	return r;
}

/* What copies were taken of matters until their stage has its place. */
static void forget_copied(struct ship *h)
{
	size_t i, n = 0;

	for (i = 0; h->reading && i < h->copied_count; i++)
		if (h->copied[i].stage == h->reading->stage)
			h->copied[n++] = h->copied[i];
	h->copied_count = n;
}

/* What is left when all is done may have no place it could go from. */
static int drop_lost(struct ship *h, struct err *err)
{
	int64_t names, inodes;
	int r = mirror_pending(h->s, h->d->id, &names, &inodes, err);

	if (r < 0 || names == 0)
		return r;
	r = db_begin(store_db(h->s), err);
	if (r == 0)
		r = mirror_drop_lost(h->s, h->d->id, err);
	if (r == 0)
		return db_commit(store_db(h->s), err);
	db_rollback(store_db(h->s));
	return r;
}

int ship_run(struct ship *h, struct err *err)
{
	struct err ignored;
	uint64_t failures = 0;
	bool looked = false;
	int rounds, r = db_hold(store_db(h->s), true, err);

	/* What could not be looked at before? */
	if (r == 0)
		r = reconcile_wanted(h, err);
	if (r > 0)
		r = reconcile(h, true, err);
	h->listed = false;
	h->repairs = false;
	if (r == 0 && !h->reading)
		r = progress_begin(h, err);
	for (rounds = 0; r == 0 && rounds < ROUNDS_MAX; rounds++) {
		uint64_t before = h->counts.failed;
		bool again = false;

		r = campaign(h, err);
		if (r < 0 || h->o.dry || !h->remote)
			break;
		forget_copied(h);
		/* A listing, where one is due, comes before all is tried again. */
		if (h->needs) {
			log_line(h->o.log, LOG_WARN,
				 "the destination was changed by somebody "
				 "else: sending again what was to be copied");
			h->needs = false;
			again = true;
		} else if (h->bad_count) {
			r = copy_repair(h, err);
			h->repairs = true;
			again = true;
		}
		if (r < 0 || (again && !h->surprised))
			continue;
		if (!h->surprised)
			break;
		/* The same again after a look: it will not get better now.  But
		 * what was done on the way may have gone where it should not. */
		if (looked && h->counts.failed - before >= failures) {
			r = reconcile(h, false, err);
			break;
		}
		looked = true;
		failures = h->counts.failed - before;
		/* The destination is not what we thought: look, once more. */
		log_line(h->o.log, LOG_WARN,
			 "the destination was changed by somebody else: "
			 "comparing it by a listing");
		r = reconcile(h, false, err);
	}
	if (r == 0 && !h->o.dry) {
		r = index_has_relics(h->s, err);
		if (r > 0)
			r = index_prune(h->s, err);
	}
	if (r == 0 && !h->o.dry)
		r = drop_lost(h, err);
	problem_told(&h->teller);
	if (!h->reading)
		progress_end(h, r == 0);
	db_hold(store_db(h->s), false, r < 0 ? &ignored : err);
	if (r < 0)
		abandon(h);
	assert(r <= 0);
	return r;
}

int ship_recheck(struct ship *h, struct err *err)
{
	int r;

	plan_clear(&h->plan);
	r = content_recheck(h, err);
	if (r == 0)
		r = notes_flush(h, err);
	plan_clear(&h->plan);
	return r;
}

const struct ship_counts *ship_counts(const struct ship *h)
{
	return &h->counts;
}

uint64_t ship_withheld(const struct ship *h)
{
	return h->extras_kept;
}

uint64_t ship_restless(const struct ship *h)
{
	return h->restless;
}
