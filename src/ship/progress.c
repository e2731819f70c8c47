/* How far a run is: what is to be done is summed up from the difference of the
 * destination when the run begins. */
#include "ship_local.h"

static int sum(struct ship *h, const char *text, struct err *err)
{
	struct sql *q = db_sql(store_db(h->s), text, err);
	int r;

	if (!q)
		return err->code;
	db_int(q, 1, h->d->id);
	r = db_step(q, err);
	if (r > 0)
		h->progress.total += (uint64_t)db_col_int(q, 0) *
					     SHIP_OPERATION +
				     (uint64_t)db_col_int(q, 1);
	db_reset(q);
	return r < 0 ? r : 0;
}

int progress_begin(struct ship *h, struct err *err)
{
	static const struct ship_progress none;
	int r;

	if (!h->o.progress)
		return 0;
	h->progress = none;
	/* Names; the content of those that the destination does not have. */
	r = sum(h,
		"SELECT count(*), coalesce(sum(CASE WHEN i.type=1 AND NOT"
		" EXISTS (SELECT 1 FROM dest_name x INDEXED BY dest_name_inode"
		"  WHERE x.dest=?1 AND x.inode=i.id AND x.inode<>0)"
		" THEN i.size ELSE 0 END), 0)"
		" FROM dest_name d LEFT JOIN name n ON n.parent=d.parent AND"
		" n.name=d.name LEFT JOIN inode i ON i.id=n.inode"
		" WHERE d.dest=?1",
		err);
	/* Inodes; their content if it is not known to be the same. */
	if (r == 0)
		r = sum(h,
			"SELECT count(*), coalesce(sum(CASE WHEN i.type=1 AND"
			" (i.hash IS NULL OR d.hash IS NULL OR i.hash<>d.hash)"
			" THEN i.size ELSE 0 END), 0)"
			" FROM dest_inode d JOIN inode i ON i.id=d.inode"
			" WHERE d.dest=?1",
			err);
	return r;
}

static void tell(struct ship *h)
{
	h->o.progress(h->o.progress_arg, &h->progress);
}

int progress_file(struct ship *h, struct place at, struct err *err)
{
	int r;

	if (!h->o.progress)
		return 0;
	r = store_path(h->s, at, &h->at_hand, err);
	h->progress.path = view_of(h->at_hand.data, h->at_hand.len);
	return r < 0 ? r : 0;
}

void progress_content(struct ship *h, uint64_t bytes)
{
	if (!h->o.progress)
		return;
	h->progress.done += bytes;
	h->progress.content += bytes;
	tell(h);
}

void progress_operation(struct ship *h, struct view path)
{
	if (!h->o.progress)
		return;
	h->progress.done += SHIP_OPERATION;
	h->progress.path = path;
	tell(h);
	h->progress.path = view_of("", 0); /* it was lent */
}

void progress_end(struct ship *h, bool complete)
{
	if (!h->o.progress)
		return;
	h->progress.over = true;
	h->progress.complete = complete;
	tell(h);
}
