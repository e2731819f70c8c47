/*
 * Our own numbers for mounted file systems.  st_dev changes at a reboot or a
 * remount, so a number is tied to a st_dev for one pass at a time: the root's
 * by its identity (pass.c), any other by the entry where it is met: if the
 * snapshot has there the same inode number, it is the same file system.
 */
#include <string.h>

#include "pass_local.h"

int device_is(struct pass *p, uint64_t st_dev, int64_t id, struct err *err)
{
	struct sql *q;
	int r = vec_grow((void **)&p->devices, &p->device_cap,
			 p->device_count + 1, sizeof(*p->devices), err);

	if (r < 0)
		return r;
	p->devices[p->device_count].st_dev = st_dev;
	p->devices[p->device_count++].id = id;
	q = db_sql(store_db(p->s),
		   "UPDATE device SET st_dev=?2 WHERE id=?1 AND st_dev<>?2",
		   err);
	if (!q)
		return err->code;
	db_int(q, 1, id);
	db_int(q, 2, (int64_t)st_dev);
	return db_run(q, err);
}

static bool taken(const struct pass *p, int64_t id)
{
	size_t i;

	for (i = 0; i < p->device_count; i++)
		if (p->devices[i].id == id)
			return true;
	return false;
}

static int recall(struct pass *p, uint64_t st_dev, uint64_t fsid, int64_t *id,
		  struct err *err)
{
	struct sql *q = db_sql(store_db(p->s),
			       "SELECT id FROM device WHERE st_dev=?1 AND"
			       " fsid=?2 ORDER BY id DESC",
			       err);
	int r;

	*id = 0;
	if (!q)
		return err->code;
	db_int(q, 1, (int64_t)st_dev);
	db_int(q, 2, (int64_t)fsid);
	r = db_step(q, err);
	if (r > 0)
		*id = db_col_int(q, 0);
	db_reset(q);
	return r < 0 ? r : 0;
}

static int make(struct pass *p, uint64_t st_dev, uint64_t fsid, int64_t *id,
		struct err *err)
{
	struct sql *q = db_sql(
		store_db(p->s),
		"INSERT INTO device(st_dev, fsid) VALUES(?1, ?2)", err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, (int64_t)st_dev);
	db_int(q, 2, (int64_t)fsid);
	r = db_run(q, err);
	*id = db_last_id(store_db(p->s));
	return r;
}

int device_number(struct pass *p, const struct fsys_stat *st,
		  const struct inode_row *hint, int fd, int64_t *out,
		  struct err *err)
{
	uint64_t fsid;
	int64_t id = 0;
	size_t i;
	int r;

	for (i = 0; i < p->device_count; i++)
		if (p->devices[i].st_dev == st->dev) {
			*out = p->devices[i].id;
			return 0;
		}
	fsid = fd >= 0 ? fsys_fsid(fd) : 0;
	if (hint && hint->ino == st->ino && hint->a.type == st->type &&
	    !taken(p, hint->dev))
		id = hint->dev;
	if (!id) {
		r = recall(p, st->dev, fsid, &id, err);
		if (r < 0)
			return r;
		if (id && taken(p, id))
			id = 0;
	}
	if (!id) {
		r = make(p, st->dev, fsid, &id, err);
		if (r < 0)
			return r;
	}
	*out = id;
	return device_is(p, st->dev, id, err);
}
