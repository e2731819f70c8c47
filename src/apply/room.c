/*
 * The log of a batch on a full disk.  What is staged may have taken the last
 * block, and the session would end; so would the next one, which stages the same,
 * and what the batch deletes would never be deleted.  So content of this batch
 * makes room, the last half of it at a time: it fails for lack of space, and all
 * else is done.
 */
#include <stdio.h>

#include "apply_local.h"

/* Directories of the batch take blocks too, and go with all that is in them. */
static bool is_content(const struct noted *n)
{
	return !n->code && (n->op.type == MSG_PLACE ||
			    (n->op.type != MSG_MKDIR && fresh_is(n->tmp)));
}

static uint32_t contents(const struct apply *a, struct err *err)
{
	struct view v = view_of(a->ops.data, a->ops.len);
	struct noted n;
	uint32_t count = 0;

	while (v.len > 0 && redo_get(&v, &n, err) == 0)
		count += is_content(&n);
	return count;
}

static int give_up(struct apply *a, struct noted *n, uint32_t index,
		   struct err *err)
{
	struct reason *why = map_put_u64(&a->reasons, index, NULL, err);
	struct err ignored;
	struct berth b;

	if (!why)
		return err->code;
	snprintf(why->text, sizeof(why->text),
		 "No space left on device for it and the log of its batch");
	n->code = ERR_NO_SPACE;
	if (berth_of(a, n->tmp, n->op.path.path, &b, &ignored) == 0) {
		fsys_unlink(b.fd, b.name, &ignored);
		berth_leave(&b);
	}
	if (fresh_is(n->tmp))
		fresh_give_up(a, n->tmp);
	return 0;
}

static int give_up_half(struct apply *a, uint32_t count, struct err *err)
{
	struct view v = view_of(a->ops.data, a->ops.len);
	uint32_t index, seen = 0;
	struct noted n;
	struct buf left;
	int r = 0;

	buf_init(&left, APPLY_OPS_BYTES);
	for (index = 0; r == 0 && v.len > 0; index++) {
		r = redo_get(&v, &n, err);
		if (r == 0 && is_content(&n) && seen++ >= count / 2)
			r = give_up(a, &n, index, err);
		if (r == 0)
			r = redo_put(&left, &n, err);
	}
	if (r < 0) {
		buf_release(&left);
		return r;
	}
	buf_release(&a->ops);
	a->ops = left;
	/* What is linked to one of these is another thing now. */
	return identity_fill(a, err);
}

int room_write_log(struct apply *a, struct err *err)
{
	struct err why;
	uint32_t count;
	int r;

	for (;;) {
		r = position_room(a, err);
		if (r == 0)
			r = redo_write(a, err);
		if (r != -ERR_NO_SPACE)
			return r;
		count = contents(a, &why);
		if (count == 0)
			return r;
		r = give_up_half(a, count, err);
		if (r < 0)
			return r;
	}
}
