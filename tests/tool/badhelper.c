/*
 * A helper that breaks the rules, for --helper-path.  What it does is in
 * $BADHELPER; see `tricks` below.  Until its moment it is a helper that takes
 * everything and carries out nothing.
 */
#include "peer.h"

struct helper {
	struct peer p;
	struct msg_hello hello;
	unsigned char pair[16];
	uint64_t batch, stages;
};

static void send_all(struct helper *h)
{
	if (!peer_flush(&h->p))
		exit(0); /* the client has had enough */
}

static void welcome(struct helper *h, struct msg_welcome m)
{
	m.version = m.version ? m.version : MSG_VERSION_MAX;
	m.hash_kind = 1;
	m.credit = m.credit ? m.credit : 8u << 20;
	m.version_text = view_of("bad", 3);
	memcpy(m.pair, h->pair, 16);
	PEER_FRAME(&h->p, MSG_WELCOME, msg_put_welcome(&h->p.out, &m, &peer_err));
}

static void usual_welcome(struct helper *h)
{
	welcome(h, (struct msg_welcome){.features = h->hello.features});
}

static void ack(struct helper *h, uint64_t batch)
{
	struct msg_ack m = {batch, 0};

	PEER_FRAME(&h->p, MSG_ACK, msg_put_ack(&h->p.out, &m, &peer_err));
}

static void fail(struct helper *h, uint64_t batch, uint32_t index)
{
	struct msg_fail m = {.batch = batch, .index = index, .code = ERR_DENIED, .sys = 13};

	m.text = view_of("\33[2J\33]0;mine\7denied", 19);
	PEER_FRAME(&h->p, MSG_FAIL, msg_put_fail(&h->p.out, &m, &peer_err));
}

static void listed(struct helper *h)
{
	struct msg_listed m = {0, 0};

	PEER_FRAME(&h->p, MSG_LISTED, msg_put_listed(&h->p.out, &m, &peer_err));
}

static void item(struct buf *b, const char *name, size_t len, enum fsys_type type)
{
	struct msg_item m = {.name = view_of(name, len), .target = view_of("", 0)};

	m.st.type = type;
	m.st.mode = 0644;
	m.st.nlink = 1;
	m.st.ino = 7;
	peer_must(msg_put_item(b, &m, &peer_err), "item");
}

static void listing(struct helper *h, const char *dir, uint32_t flags, uint32_t count, const struct buf *items)
{
	struct msg_listing m = {flags, view_of(dir, strlen(dir)), count, {NULL, 0, false}};

	if (items)
		m.items = view_of(items->data, items->len);
	PEER_FRAME(&h->p, MSG_LISTING, msg_put_listing(&h->p.out, &m, &peer_err));
}

static void one_name(struct helper *h, const char *name, size_t len)
{
	struct buf b;

	buf_init(&b, 1u << 20);
	item(&b, name, len, FSYS_FILE);
	listing(h, "", MSG_LISTING_LAST, 1, &b);
	listed(h);
	buf_release(&b);
}

static const char *trick = "";
static bool is(const char *name)
{
	return strcmp(trick, name) == 0;
}

/* ------------------------------------------------ in place of WELCOME */

static bool greets(struct helper *h)
{
	static const unsigned char huge[8] = {255, 255, 255, 255, MSG_WELCOME, 0, 0, 0};
	struct msg_welcome m = {.features = h->hello.features};
	int i;

	if (is("garbage"))
		for (i = 0; i < 4000; i++)
			peer_must(buf_put(&h->p.out, "Welcome to this host! \33[31m\n", 28, &peer_err), "put");
	else if (is("huge"))
		peer_must(buf_put(&h->p.out, huge, 8, &peer_err), "put");
	else if (is("silent"))
		return true;
	else if (is("ack-first"))
		ack(h, 1);
	else if (is("version"))
		m.version = 9, welcome(h, m);
	else if (is("features"))
		m.features = UINT32_MAX, welcome(h, m);
	else if (is("welcome-twice"))
		welcome(h, m), welcome(h, m);
	else if (is("failures"))
		peer_raw(&h->p, MSG_WELCOME, "\1\0\0\0\0\0\0\0\0\0\1", 11);
	else if (is("failures-order")) {
		static const unsigned char fails[24] = {5, 0, 0, 0, 14, 0, 0, 0, 13, 0, 0, 0, 2, 0, 0, 0, 14};

		m.flags = MSG_WELCOME_KNOWN;
		m.failed = 2;
		m.failures = view_of(fails, 24);
		welcome(h, m);
		return false;
	} else if (is("position") || is("position-max"))
		m.flags = MSG_WELCOME_KNOWN, m.position = is("position") ? 1000 : UINT64_MAX, welcome(h, m);
	else if (is("refuse")) {
		struct msg_refuse r = {ERR_START, view_of("\33[2Jno entry\nfor you", 18)};

		PEER_FRAME(&h->p, MSG_REFUSE, msg_put_refuse(&h->p.out, &r, &peer_err));
	} else
		return usual_welcome(h), false;
	return is("position") || is("position-max") ? false : true;
}

/* ------------------------------------------------ listings */

/* Frames of listing without end, one directory or many, until nobody reads. */
static void endless(struct helper *h, bool many)
{
	char name[32], dir[32] = "";
	unsigned long n = 0, i;
	struct buf b;

	buf_init(&b, 1u << 20);
	for (;;) {
		buf_clear(&b);
		for (i = 0; i < 1000; i++) {
			snprintf(name, sizeof(name), "%s-%lu", many ? "dir" : "name", n++);
			item(&b, name, strlen(name), many ? FSYS_DIR : FSYS_FILE);
		}
		listing(h, dir, many ? MSG_LISTING_LAST : 0, 1000, &b);
		if (many)
			snprintf(dir, sizeof(dir), "dir-%lu", n - 1000 + (n / 1000) % 1000);
		send_all(h);
	}
}

static bool lists(struct helper *h)
{
	struct buf b;
	unsigned i;

	buf_init(&b, 1u << 20);
	if (is("list-dots"))
		one_name(h, "..", 2);
	else if (is("list-slash"))
		one_name(h, "a/b", 3);
	else if (is("list-absolute"))
		one_name(h, "/etc", 4);
	else if (is("list-nul"))
		one_name(h, "a\0b", 3);
	else if (is("list-empty"))
		one_name(h, "", 0);
	else if (is("list-dir"))
		listing(h, "../x", MSG_LISTING_LAST, 0, NULL), listed(h);
	else if (is("list-jump"))
		listing(h, "", 0, 0, NULL), listing(h, "other", MSG_LISTING_LAST, 0, NULL), listed(h);
	else if (is("list-count"))
		listing(h, "", MSG_LISTING_LAST, UINT32_MAX, NULL), listed(h);
	else if (is("list-twice")) {
		for (i = 0; i < 100; i++)
			item(&b, i % 3 ? "one" : "sub", 3, i % 2 ? FSYS_FILE : FSYS_DIR);
		listing(h, "", MSG_LISTING_LAST, 100, &b);
		listing(h, "", MSG_LISTING_LAST, 100, &b);
		listing(h, "sub", MSG_LISTING_LAST, 100, &b);
		listed(h);
	} else if (is("list-endless"))
		endless(h, false);
	else if (is("list-many"))
		endless(h, true);
	else if (is("list-never"))
		return true;
	else if (is("sign-endless") || is("sign-zero") || is("sign-huge") || is("sign-size") || is("sign-other")) {
		struct msg_item m = {.name = view_of("large", 5), .target = view_of("", 0)};

		m.st.type = FSYS_FILE;
		m.st.mode = 0644;
		m.st.nlink = 1;
		m.st.size = 1000000;
		peer_must(msg_put_item(&b, &m, &peer_err), "item");
		listing(h, "", MSG_LISTING_LAST, 1, &b);
		listed(h);
	} else
		listed(h);
	buf_release(&b);
	return false;
}

static bool signs(struct helper *h, struct view payload)
{
	struct msg_signed m = {.bits = 14, .size = 1000000};
	struct msg_sign ask;
	struct buf b;
	unsigned i;

	peer_must(msg_get_sign(payload, &ask, &peer_err), "SIGN");
	m.id = ask.id;
	buf_init(&b, 1u << 20);
	for (i = 0; i < 8000; i++) {
		peer_must(buf_put_u64(&b, i, &peer_err), "put");
		peer_must(buf_put_u32(&b, is("sign-zero") ? 0 : is("sign-huge") ? UINT32_MAX
										: 1,
				      &peer_err),
			  "put");
	}
	m.count = 8000;
	m.chunks = view_of(b.data, b.len);
	m.id += is("sign-other");
	do {
		m.flags = is("sign-endless") ? 0 : MSG_SIGNED_LAST;
		PEER_FRAME(&h->p, MSG_SIGNED, msg_put_signed(&h->p.out, &m, &peer_err));
		send_all(h);
	} while (is("sign-endless"));
	buf_release(&b);
	return false;
}

/* ------------------------------------------------ in place of an ACK */

static bool commits(struct helper *h, uint64_t batch)
{
	struct msg_need need = {UINT64_MAX, 7, 9};
	struct msg_have have = {.id = 12345, .length = UINT64_MAX};
	unsigned i;

	if (is("ack-later"))
		ack(h, batch + 1);
	else if (is("ack-zero"))
		ack(h, 0);
	else if (is("ack-twice"))
		ack(h, batch), ack(h, batch);
	else if (is("fail-unknown"))
		fail(h, batch, 9999), ack(h, batch);
	else if (is("fail-huge"))
		fail(h, batch, UINT32_MAX), ack(h, batch);
	else if (is("fail-order"))
		fail(h, batch, 2), fail(h, batch, 1), ack(h, batch);
	else if (is("fail-batch"))
		fail(h, batch + 7, 0), ack(h, batch);
	else if (is("fail-all")) {
		for (i = 0; i < 100; i++)
			fail(h, batch, i);
		return true;
	} else if (is("need-unknown")) {
		PEER_FRAME(&h->p, MSG_NEED, msg_put_need(&h->p.out, &need, &peer_err));
		PEER_FRAME(&h->p, MSG_HAVE, msg_put_have(&h->p.out, &have, &peer_err));
		ack(h, batch);
	} else if (is("listing-unasked"))
		listing(h, "", MSG_LISTING_LAST, 0, NULL);
	else if (is("signed-unasked"))
		peer_raw(&h->p, MSG_SIGNED, "", 0);
	else if (is("client-message"))
		peer_raw(&h->p, MSG_HELLO, "", 0);
	else if (is("credit"))
		for (i = 0; i < 10; i++)
			peer_number(&h->p, MSG_CREDIT, UINT64_MAX / 2);
	else if (is("pings"))
		for (;;) {
			peer_number(&h->p, MSG_PING, 1);
			if (h->p.out.len > 65536)
				send_all(h);
		}
	else if (is("events"))
		for (i = 0; i < 100000; i++) {
			PEER_FRAME(&h->p, MSG_NEED, msg_put_need(&h->p.out, &need, &peer_err));
			if (h->p.out.len > 65536)
				send_all(h);
		}
	else if (is("die"))
		exit(0);
	else if (is("never"))
		return true;
	else
		ack(h, batch);
	return false;
}

/* ------------------------------------------------ a session */

static bool take(struct helper *h, const struct frame *f)
{
	struct msg_commit commit;
	uint64_t n;

	switch (f->type) {
	case MSG_HELLO:
		peer_must(msg_get_hello(f->payload, &h->hello, &peer_err), "HELLO");
		memcpy(h->pair, h->hello.pair, 16);
		return greets(h);
	case MSG_LIST:
		return lists(h);
	case MSG_SIGN:
		return signs(h, f->payload);
	case MSG_PING:
		peer_must(msg_get_number(f->payload, &n, &peer_err), "PING");
		peer_number(&h->p, MSG_PONG, n);
		return false;
	case MSG_COMMIT:
		peer_must(msg_get_commit(f->payload, &commit, &peer_err), "COMMIT");
		return commits(h, commit.batch);
	case MSG_BYE:
		exit(0);
	default:
		return false;
	}
}

int main(void)
{
	struct helper h;
	struct frame f;
	bool silent = false;

	memset(&h, 0, sizeof(h));
	if (getenv("BADHELPER"))
		trick = getenv("BADHELPER");
	peer_init(&h.p, 1, 0, 'C');
	while (!h.p.over) {
		while (!silent && h.p.at < h.p.in.len &&
		       frame_next(&h.p.in, h.p.at, 'C', &f, &peer_err) > 0) {
			h.p.at += f.size;
			silent = take(&h, &f);
			send_all(&h);
		}
		if (silent) {
			h.p.at = h.p.in.len;
			if (!is("silent") && !is("never") && !is("list-never") && !is("fail-all"))
				break; /* said it all */
		}
		peer_read(&h.p, 1000);
	}
	/* The client shall judge what was said, not that we are gone. */
	while (!h.p.over) {
		h.p.at = h.p.in.len;
		peer_read(&h.p, 1000);
	}
	return 0;
}
