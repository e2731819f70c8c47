#include "snapsync/pass.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pass_local.h"
#include "snapsync/clock.h"
#include "snapsync/problem.h"

#define WALKS_MAX 4

/* Who the root is; kept as one value so that it changes as one. */
struct root_identity {
	uint64_t dev, ino, birth, fsid;
};

static int read_root(int fd, struct root_identity *id, struct fsys_stat *st,
		     struct err *err)
{
	int r = fsys_stat(fd, "", st, err);

	if (r < 0)
		return r;
	id->dev = st->dev;
	id->ino = st->ino;
	id->birth = st->birth;
	id->fsid = fsys_fsid(fd);
	return 0;
}

/* The same directory?  st_dev alone says little: it changes at a reboot. */
static enum pass_withheld judge_root(const struct root_identity *was,
				     const struct root_identity *is)
{
	bool births = was->birth && is->birth;

	if (was->ino == is->ino && births && was->birth == is->birth)
		return PASS_ALL_WELL;
	if (was->dev == is->dev && was->ino == is->ino && !births)
		return PASS_ALL_WELL;
	if (was->ino == is->ino && !births && was->fsid &&
	    was->fsid == is->fsid)
		return PASS_ALL_WELL;
	if (was->dev != is->dev && was->fsid != is->fsid)
		return PASS_ROOT_DEVICE;
	return PASS_ROOT_REPLACED;
}

static int save_root(struct pass *p, const struct root_identity *id,
		     struct err *err)
{
	return store_config_set(p->s, "root", id, sizeof(*id), err);
}

static void root_row(const struct fsys_stat *st, int64_t dev, uint64_t birth,
		     struct inode_row *row)
{
	memset(row, 0, sizeof(*row));
	row->id = STORE_ROOT;
	row->dev = dev;
	row->ino = st->ino;
	row->birth = birth;
	row->ctime = pass_time(st->ctime);
	row->a.type = FSYS_DIR;
	row->a.mode = st->mode;
	row->a.uid = st->uid;
	row->a.gid = st->gid;
	row->a.mtime = st->mtime;
}

/* Make or refresh the root's own row, and tie its device number. */
static int take_root(struct pass *p, const struct root_identity *id,
		     const struct fsys_stat *st, struct err *err)
{
	struct inode_row old, new;
	int64_t dev = 0;
	int r = store_inode_get(p->s, STORE_ROOT, &old, err);
	bool known = r > 0;

	if (r < 0)
		return r;
	if (known && p->result->withheld == PASS_ALL_WELL &&
	    old.ino == id->ino) {
		dev = old.dev;
		r = device_is(p, id->dev, dev, err);
	} else {
		r = device_number(p, st, NULL, p->root_fd, &dev, err);
	}
	if (r < 0)
		return r;
	root_row(st, dev, id->birth, &new);
	if (!known)
		return store_inode_add(p->s, &new, err);
	if (attr_same(&old.a, &new.a) && old.ctime == new.ctime &&
	    old.dev == new.dev &&old.ino == new.ino)
		return 0;
	if (old.dev != new.dev || old.ino != new.ino) {
		/* The number may belong to an inode row that moved up. */
		struct inode_row other;

		r = store_inode_find(p->s, new.dev, new.ino, &other, err);
		if (r > 0 && other.id != STORE_ROOT)
			r = store_inode_detach(p->s, other.id, err);
		if (r < 0)
			return r;
	}
	if (old.ctime != new.ctime &&
	    !map_put_u64(&p->touched, STORE_ROOT, NULL, err))
		return err->code;
	p->walk_changes++;
	return store_inode_set(p->s, &old, &new, err);
}

/* Another directory may be at the place of one that was empty: it has nothing
 * to lose. */
static int trust_root(struct pass *p, struct err *err)
{
	int64_t names = 1;
	int r = 0;

	if (!p->o->force_delete && p->result->withheld != PASS_ALL_WELL)
		r = store_count_names(p->s, &names, err);
	if (p->o->force_delete || names == 0)
		p->result->withheld = PASS_ALL_WELL;
	return r;
}

static int begin_root(struct pass *p, struct err *err)
{
	struct root_identity was, is;
	struct fsys_stat st;
	struct view v;
	int r = read_root(p->root_fd, &is, &st, err);

	if (r < 0)
		return err_set(err, ERR_SOURCE, "the source cannot be read");
	r = store_config_get(p->s, "root", &v, err);
	if (r < 0)
		return r;
	p->result->first = r == 0;
	alter_stat(p->o->alter, &st);
	if (r > 0 && v.len == sizeof(was)) {
		memcpy(&was, v.p, sizeof(was));
		p->result->withheld = judge_root(&was, &is);
		r = trust_root(p, err);
		if (r < 0)
			return r;
	}
	if (p->result->first || (p->result->withheld == PASS_ALL_WELL &&
				 memcmp(&was, &is, sizeof(is)) != 0)) {
		r = save_root(p, &is, err);
		if (r < 0)
			return r;
	}
	return take_root(p, &is, &st, err);
}

/* Its time and mode as they are before it is listed again. */
static int look_at_root(struct pass *p, struct err *err)
{
	struct root_identity is;
	struct fsys_stat st;
	int r = read_root(p->root_fd, &is, &st, err);

	if (r < 0)
		return err_set(err, ERR_SOURCE, "the source cannot be read");
	alter_stat(p->o->alter, &st);
	return take_root(p, &is, &st, err);
}

/* What the first walk missed: is that sure without another one? */
static int is_sure(struct pass *p, bool circles, struct err *err)
{
	if (circles || p->timeless || p->result->problems)
		return 0;
	return confirm_walk(p, err);
}

void pass_alive(const struct pass *p)
{
	if (p->o->alive)
		p->o->alive(p->o->alive_arg);
}

static int on_dir(void *arg, struct scan_dir *dir, struct err *err)
{
	pass_alive(arg);
	return diff_dir(arg, dir, err);
}

/* Walk until nothing is missing, or what is missing was missed twice. */
static int walk(struct pass *p, struct err *err)
{
	struct scan_options so = {.filter = p->o->filter,
				  .one_file_system = p->o->one_file_system,
				  .stop = p->o->stop,
				  .memory = p->o->memory};
	int walks, r = 0;
	bool any = true, circles = false;

	for (walks = 0; any && walks < WALKS_MAX; walks++) {
		uint64_t problems = p->result->problems;

		p->result->entries = 0;
		p->walk_changes = 0;
		r = walks > 0 ? look_at_root(p, err) : 0;
		if (r == 0)
			r = scan_walk(p->root_fd, &so, STORE_ROOT, on_dir, p,
				      err);
		p->result->changes += p->walk_changes;
		if (r == 0)
			r = circle_cut(p, false, &circles, err);
		if (r == 0)
			r = gone_any(p, &any, err);
		if (r == 0 && any && walks == 0) {
			r = is_sure(p, circles, err);
			if (r > 0)
				return 0;
		}
		if (r < 0)
			return r;
		if (walks > 0) {
			p->result->problems -= problems;
			if (p->walk_changes == 0)
				return 0;
		}
	}
	if (any && p->result->withheld == PASS_ALL_WELL)
		p->result->withheld = PASS_RESTLESS;
	return 0;
}

static int too_many(struct pass *p, uint64_t gone, bool *out, struct err *err)
{
	const struct pass_options *o = p->o;
	int64_t names = 0;
	int r = 0;

	*out = false;
	if (o->force_delete || o->max_delete < 0 || gone == 0)
		return 0;
	if (!o->max_percent) {
		*out = gone > (uint64_t)o->max_delete;
		return 0;
	}
	/* The tree as it was: what is there, and what is gone from it. */
	r = store_config_int(p->s, "names", &names, err);
	if (r < 0)
		return r;
	if (o->max_default && names < 100)
		return 0;
	*out = gone * 100 > (uint64_t)names * (uint64_t)o->max_delete;
	return 0;
}

static int settle(struct pass *p, struct err *err)
{
	struct pass_result *res = p->result;
	uint64_t gone = 0;
	bool many = false;
	int r = gone_brief(p, err);

	if (r == 0)
		r = gone_unseen(p, err);
	if (r == 0)
		r = gone_count(p, &gone, err);
	if (r == 0)
		r = too_many(p, gone, &many, err);
	if (r < 0)
		return r;
	if (res->withheld == PASS_ALL_WELL && many)
		res->withheld = PASS_TOO_MANY;
	if (p->root_empty && gone > 0 && !p->o->force_delete)
		res->withheld = PASS_ROOT_EMPTY;
	r = gone_leave_excluded(p, err);
	if (r < 0)
		return r;
	if (res->withheld == PASS_ALL_WELL) {
		res->gone = gone;
		r = gone_accept(p, err);
	} else {
		res->kept = gone;
		r = gone_withhold(p, err);
	}
	if (r == 0)
		r = merge_replaced(p, err);
	return r;
}

/* For --status; written when it changes. */
static int note_withheld(struct pass *p, struct err *err)
{
	const struct pass_result *res = p->result;
	bool told = res->withheld != PASS_RESTLESS;
	int64_t why = told ? (int64_t)res->withheld : 0, was = 0, kept = 0;
	int r = store_config_int(p->s, "withheld", &was, err);

	if (r >= 0 && (was || why))
		r = store_config_int(p->s, "kept", &kept, err);
	if (r < 0 || (was == why && (!why || kept == (int64_t)res->kept)))
		return r < 0 ? r : 0;
	r = store_config_set_int(p->s, "withheld", why, err);
	return r < 0 ? r
		     : store_config_set_int(p->s, "kept",
					    why ? (int64_t)res->kept : 0, err);
}

int pass_last(struct store *s, struct pass_result *out, struct err *err)
{
	int64_t why = 0, kept = 0;
	int r = store_config_int(s, "withheld", &why, err);

	if (r > 0 && why > PASS_ALL_WELL && why < PASS_RESTLESS)
		r = store_config_int(s, "kept", &kept, err);
	else
		why = PASS_ALL_WELL;
	memset(out, 0, sizeof(*out));
	out->withheld = (enum pass_withheld)why;
	out->kept = (uint64_t)kept;
	return r < 0 ? r : 0;
}

static int finish(struct pass *p, struct err *err)
{
	struct sql *q;
	uint64_t names = p->result->entries + p->result->kept;
	int64_t problems = 0;
	int r = note_withheld(p, err);

	if (r == 0 && p->result->changes) {
		r = store_config_set_int(p->s, "names", (int64_t)names, err);
		if (r == 0)
			r = store_config_set_int(p->s, "last_id",
						 store_new_id(p->s), err);
		if (r == 0)
			r = mirror_behind(p->s, p->started / CLOCK_SECOND, err);
	}
	if (r == 0)
		r = problem_count(p->s, 0, &problems, err);
	if (r == 0 && problems)
		r = problem_expire(p->s, 0, p->started, err);
	if (r == 0 && p->seen_again)
		r = mirror_look_again(p->s, err);
	p->result->unknown = p->result->unknown || r > 0;
	r = r < 0 ? r : 0;
	if (r < 0 || !p->gone_table)
		return r;
	q = db_sql(store_db(p->s), "DELETE FROM temp.gone", err);
	return q ? db_run(q, err) : err->code;
}

/* Other rules than at the last pass: what was excluded was not looked at, here or
 * at a destination, so what is included now may differ there in any way. */
static int compare_rules(struct pass *p, struct err *err)
{
	struct hash sum = filter_digest(p->o->filter);
	int64_t now = (int64_t)hash_half(&sum), was;
	struct sql *q;
	bool changed;
	int r = store_config_int(p->s, "filter", &was, err);

	if (r < 0 || (r > 0 && was == now))
		return r < 0 ? r : 0;
	changed = r > 0;
	r = store_config_set_int(p->s, "filter", now, err);
	if (r < 0 || !changed)
		return r;
	p->result->unknown = true;
	q = db_sql(store_db(p->s), "UPDATE dest SET known=0", err);
	return q ? db_run(q, err) : err->code;
}

int pass_run(struct store *s, int root_fd, const struct pass_options *o,
	     struct pass_result *result, struct err *err)
{
	struct pass p = {.s = s,
			 .root_fd = root_fd,
			 .o = o,
			 .result = result,
			 .started = clock_real(),
			 .newest = store_newest_id(s)};
	int r;

	memset(result, 0, sizeof(*result));
	name_list_init(&p.names);
	map_init(&p.touched, 1);
	/* If it is lost, the next pass sees the same again; what is sent of it
	 * is synced before (journal_write). */
	r = db_begin_lazy(store_db(s), err);
	if (r == 0)
		r = begin_root(&p, err);
	if (r == 0)
		r = compare_rules(&p, err);
	if (r == 0)
		r = walk(&p, err);
	if (r == 0)
		r = settle(&p, err);
	if (r == 0)
		r = finish(&p, err);
	if (r == 0)
		r = db_commit(store_db(s), err);
	else
		db_rollback(store_db(s));
	name_list_release(&p.names);
	map_release(&p.touched);
	free(p.rows);
	free(p.devices);
	return r;
}

void pass_explain(const struct pass_result *r, char *out, size_t size)
{
	static const char *const why[] = {
		[PASS_ROOT_EMPTY] = "the source is empty (is it mounted?)",
		[PASS_ROOT_REPLACED] =
			"the source is not the directory it was at the last "
			"pass",
		[PASS_ROOT_DEVICE] =
			"the source is on another file system than at the last "
			"pass (is it mounted?)",
		[PASS_TOO_MANY] =
			"more entries are gone than --max-delete allows",
		[PASS_RESTLESS] =
			"the source changes too fast to be sure; the next pass "
			"decides",
	};

	if (r->withheld == PASS_ALL_WELL) {
		out[0] = 0;
		return;
	}
	snprintf(out, size,
		 "deletes withheld: %s; %" PRIu64
		 " entries stay at the destination%s",
		 why[r->withheld], r->kept,
		 r->withheld == PASS_RESTLESS
			 ? ""
			 : "; if this is meant, run once with --force-delete");
}
