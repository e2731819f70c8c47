/*
 * What was done, told when the destination has it for good: an operation waits
 * here from the time it is planned until its batch is settled.  What failed, or
 * never happened because the connection was lost, is not told; what is done at
 * the second try is told once.  A dry run tells at once.
 */
#include <stdlib.h>
#include <string.h>

#include "ship_local.h"

#define WAITING_MAX (8u << 20) /* bytes */

struct waiting {
	struct waiting *next;
	uint64_t batch;
	uint32_t index;
	size_t bytes;
	struct ship_report report; /* its texts lie behind */
};

static struct view move_text(struct view v, char **at)
{
	char *p = *at;

	if (v.len)
		memcpy(p, v.p, v.len);
	*at += v.len;
	return view_of(p, v.len);
}

int tell_put(struct ship *h, const struct ship_report *r, struct err *err)
{
	size_t bytes = sizeof(struct waiting) + r->path.len + r->from.len +
		       r->target.len;
	struct waiting *w;
	char *text;

	if (h->o.dry) {
		h->o.report(h->o.report_arg, r);
		return 0;
	}
	w = malloc(bytes);
	if (!w)
		return err_set(err, ERR_MEMORY, "out of memory");
	w->next = NULL;
	w->batch = h->batch;
	w->index = (uint32_t)h->row_count - 1;
	w->bytes = bytes;
	w->report = *r;
	text = (char *)(w + 1);
	w->report.path = move_text(r->path, &text);
	w->report.from = move_text(r->from, &text);
	w->report.target = move_text(r->target, &text);
	if (h->told_last)
		h->told_last->next = w;
	else
		h->told_first = w;
	h->told_last = w;
	h->told_bytes += bytes;
	return 0;
}

static void drop_first(struct ship *h)
{
	struct waiting *w = h->told_first;

	h->told_first = w->next;
	if (!w->next)
		h->told_last = NULL;
	h->told_bytes -= w->bytes;
	free(w);
}

void tell_done(void *ship, uint64_t batch, uint32_t index)
{
	struct ship *h = ship;
	struct waiting *w;

	while ((w = h->told_first) &&
	       (w->batch < batch || (w->batch == batch && w->index < index)))
		drop_first(h);
	if (!w || w->batch != batch || w->index != index)
		return;
	h->o.report(h->o.report_arg, &w->report);
	drop_first(h);
}

void tell_settled(struct ship *h)
{
	while (h->told_first && h->told_first->batch <= h->d->acked)
		drop_first(h);
}

void tell_forget(struct ship *h, uint64_t batch)
{
	struct waiting **at = &h->told_first, *w;

	h->told_last = NULL;
	while ((w = *at)) {
		if (w->batch <= batch) {
			h->told_last = w;
			at = &w->next;
			continue;
		}
		*at = w->next;
		h->told_bytes -= w->bytes;
		free(w);
	}
}

int tell_bound(struct ship *h, struct err *err)
{
	int r = 0;

	while (r >= 0 && h->told_bytes > WAITING_MAX &&
	       h->d->acked < h->d->sent)
		r = batch_wait(h, -1, err);
	return r < 0 ? r : 0;
}
