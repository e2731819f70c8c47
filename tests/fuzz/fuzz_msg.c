/* Messages: what a decoder takes, its encoder writes again, byte for byte; what
 * it does not take it leaves zeroed. */
#include "fuzz.h"

#include "snapsync/msg.h"

static bool is_zero(const void *m, size_t size)
{
	const unsigned char *p = m;

	while (size > 0 && p[size - 1] == 0)
		size--;
	return size == 0;
}

static void items(const struct msg_listing *m)
{
	struct view v = m->items;
	struct msg_item item;
	struct err err;
	struct buf b;

	buf_init(&b, MSG_PAYLOAD_MAX);
	while (v.len > 0) {
		const unsigned char *from = v.p;

		if (msg_get_item(&v, &item, &err) < 0) {
			HOLDS(is_zero(&item, sizeof(item)));
			break;
		}
		buf_clear(&b);
		HOLDS(msg_put_item(&b, &item, &err) == 0);
		HOLDS(fuzz_same(view_of(b.data, b.len), view_of(from, (size_t)(v.p - from))));
	}
	buf_release(&b);
}

/* A message of one kind there and back. */
#define ROUND(kind, get, put)                          \
	do {                                           \
		struct msg_##kind m;                   \
		r = get;                               \
		if (r == 0)                            \
			HOLDS(put == 0);               \
		else                                   \
			HOLDS(is_zero(&m, sizeof(m))); \
	} while (0)
#define PLAIN(kind) ROUND(kind, msg_get_##kind(v, &m, &err), msg_put_##kind(&b, &m, &err))

static int there_and_back(enum msg_type type, struct view v, struct buf *out)
{
	struct err err;
	struct buf b = *out;
	uint64_t n;
	int r = -1;

	switch (type) {
	case MSG_HELLO: PLAIN(hello); break;
	case MSG_WELCOME: PLAIN(welcome); break;
	case MSG_REFUSE: PLAIN(refuse); break;
	case MSG_OWNER: PLAIN(owner); break;
	case MSG_LIST: PLAIN(list); break;
	case MSG_LISTING: {
		struct msg_listing m;

		r = msg_get_listing(v, &m, &err);
		if (r == 0) {
			items(&m);
			HOLDS(msg_put_listing(&b, &m, &err) == 0);
		}
		break;
	}
	case MSG_LISTED: PLAIN(listed); break;
	case MSG_STAGE: PLAIN(stage); break;
	case MSG_DATA: PLAIN(data); break;
	case MSG_HOLE: PLAIN(hole); break;
	case MSG_COPY: PLAIN(copy); break;
	case MSG_STAGE_END: PLAIN(stage_end); break;
	case MSG_NEED: PLAIN(need); break;
	case MSG_HAVE: PLAIN(have); break;
	case MSG_KEEP: PLAIN(keep); break;
	case MSG_SIGN: PLAIN(sign); break;
	case MSG_SIGNED: PLAIN(signed); break;
	case MSG_COMMIT: PLAIN(commit); break;
	case MSG_ACK: PLAIN(ack); break;
	case MSG_FAIL: PLAIN(fail); break;
	case MSG_MKDIR:
	case MSG_PLACE:
	case MSG_SYMLINK:
	case MSG_NODE:
	case MSG_LINK:
	case MSG_MOVE:
	case MSG_REMOVE:
	case MSG_META:
		ROUND(op, msg_get_op(type, v, &m, &err), msg_put_op(&b, &m, &err));
		break;
	default: /* numbers, or no payload of its own */
		r = msg_get_number(v, &n, &err);
		if (r == 0)
			HOLDS(msg_put_number(&b, n, &err) == 0);
	}
	*out = b;
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_of(data, size);
	unsigned type = fuzz_byte(&v) % 67;
	const struct msg_row *row = msg_row(type);
	struct msg_hello hello;
	struct err err;
	struct buf b;

	if (!row || v.len > row->longest)
		return 0;
	buf_init(&b, 2 * MSG_PAYLOAD_MAX);
	if (there_and_back(row->type, v, &b) == 0) {
		struct view again = view_of(b.data, b.len);

		if (row->type != MSG_HELLO)
			HOLDS(fuzz_same(again, v));
		else /* of a newer client, longer than we know */
			HOLDS(again.len <= v.len && memcmp(again.p, v.p, again.len) == 0 &&
			      msg_get_hello(again, &hello, &err) == 0);
	}
	buf_release(&b);
	return 0;
}
