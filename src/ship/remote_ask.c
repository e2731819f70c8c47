/* Questions whose answer is waited for: a listing, how a file is cut. */
#include "remote_local.h"

static int await_answer(struct remote *r, struct err *err)
{
	int e = 0;

	r->answered = false;
	while (e == 0 && !r->answered)
		e = remote_turn(r, -1, err);
	return e;
}

int remote_take_listing(struct remote *r, const struct frame *f,
			struct err *err)
{
	struct msg_listing listing;
	struct msg_listed listed;
	int e;

	if (!r->on_listing)
		return err_set(err, ERR_PROTOCOL,
			       "the helper sent a listing nobody asked for");
	if (f->type == MSG_LISTED) {
		e = msg_get_listed(f->payload, &listed, err);
		r->answered = true;
		r->listed_code = listed.code;
		return e;
	}
	e = msg_get_listing(f->payload, &listing, err);
	return e < 0 ? e : r->on_listing(r->listing_arg, &listing, err);
}

int remote_list(struct remote *r, uint32_t flags, remote_listing_fn fn,
		void *arg, struct err *err)
{
	struct msg_list m = {.flags = flags};
	struct frame_mark mark = {0};
	int e = remote_begin(r, MSG_LIST, 0, &mark, 64, err);

	m.root.path = view_of("", 0);
	if (e == 0)
		e = msg_put_list(&r->out, &m, err);
	if (e == 0)
		e = remote_end(r, &mark, err);
	r->on_listing = fn;
	r->listing_arg = arg;
	e = e == 0 ? await_answer(r, err) : e;
	r->on_listing = NULL;
	if (e == 0 && r->listed_code)
		e = err_set(err, ERR_FILE,
			    "the destination cannot be listed (%s)",
			    err_name((int)r->listed_code));
	return e;
}

int remote_take_signed(struct remote *r, const struct frame *f, struct err *err)
{
	struct msg_signed m;
	int e = msg_get_signed(f->payload, &m, err);

	if (e < 0)
		return e;
	if (!r->on_signed || m.id != r->sign_id)
		return err_set(err, ERR_PROTOCOL,
			       "the helper signed what nobody asked for");
	r->answered = m.flags & MSG_SIGNED_LAST;
	return r->on_signed(r->sign_arg, &m, err);
}

int remote_sign(struct remote *r, struct view path, remote_signed_fn fn,
		void *arg, struct err *err)
{
	struct msg_sign m = {.id = ++r->sign_id};
	struct frame_mark mark = {0};
	int e = remote_begin(r, MSG_SIGN, 0, &mark, 16 + path.len, err);

	m.path.path = path;
	if (e == 0)
		e = msg_put_sign(&r->out, &m, err);
	if (e == 0)
		e = remote_end(r, &mark, err);
	r->on_signed = fn;
	r->sign_arg = arg;
	e = e == 0 ? await_answer(r, err) : e;
	r->on_signed = NULL;
	return e;
}
