/*
 * What an adopted file holds: it was found at the destination with the right
 * size and time, or with the wrong ones, and is now to be replaced.  Before it
 * is sent whole, the helper is asked how it is cut.
 */
#include <string.h>

#include "ship_local.h"

#define PATIENT_MAX                                                            \
	((uint64_t)1 << 30) /* bytes: more would hold up the passes */

struct answer {
	struct chunk_list list;
	struct hash hash;
	uint64_t size;
	uint64_t most, sum; /* bytes that its chunks may have, and have */
	bool failed;
};

static int on_signed(void *arg, const struct msg_signed *m, struct err *err)
{
	struct answer *a = arg;
	struct view v = m->chunks;
	uint32_t i, len;
	uint64_t key;
	int r = 0;

	for (i = 0; r == 0 && i < m->count; i++) {
		key = view_u64(&v);
		len = view_u32(&v);
		if (len == 0 || len > CHUNK_MAX)
			return err_set(err, ERR_PROTOCOL,
				       "SIGNED with a chunk of %lu bytes",
				       (unsigned long)len);
		a->sum += len;
		if (a->sum > a->most)
			return err_set(err, ERR_PROTOCOL,
				       "SIGNED with more than the file has");
		r = chunk_list_add(&a->list, key, len, err);
	}
	a->list.bits = m->bits;
	a->hash = m->hash;
	a->size = m->size;
	a->failed = m->flags & MSG_SIGNED_FAILED;
	return r;
}

static bool worth_asking(struct ship *h, const struct attr *have)
{
	return h->remote && !h->o.dry && have->type == FSYS_FILE &&
	       have->size > MSG_DATA_MAX &&
	       !(h->o.patient && have->size > PATIENT_MAX) &&
	       (remote_welcome(h->remote)->features & MSG_FEATURE_SIGN) &&
	       (remote_welcome(h->remote)->features & MSG_FEATURE_COPY);
}

/* What a listing says of a file that is not what it should be. */
static bool is_guess(const struct hash *hash)
{
	static const struct hash none;

	return hash_equal(hash, &none);
}

static int is_known(struct ship *h, int64_t inode, const struct attr *have,
		    struct err *err)
{
	struct chunk_list l = {.bits = 0};
	int r = have->hashed ? index_get(h->s, inode, &have->hash, &l, err) : 0;

	chunk_list_release(&l);
	return r;
}

int sign_learn(struct ship *h, int64_t inode, struct attr *have,
	       struct err *err)
{
	struct answer a = {.most = have->size};
	struct buf path;
	int r = worth_asking(h, have) ? is_known(h, inode, have, err) : 1;

	if (r != 0)
		return r < 0 ? r : 0;
	buf_init(&path, PATH_BYTES_MAX);
	r = copy_path(h, inode, &path, err);
	if (r > 0) {
		r = remote_sign(h->remote, view_of(path.data, path.len),
				on_signed, &a, err);
		/* What is not as M has it tells nothing. */
		if (r == 0 && !a.failed && a.size == have->size &&
		    (!have->hashed || hash_equal(&have->hash, &a.hash) ||
		     is_guess(&have->hash))) {
			have->hashed = true;
			have->hash = a.hash;
			h->can_copy = true;
			r = notes_settled(h, inode, have, err);
			if (r == 0)
				r = notes_chunks(h, inode, &a.hash, &a.list,
						 err);
			if (r == 0)
				r = notes_flush(h, err);
		}
	}
	chunk_list_release(&a.list);
	buf_release(&path);
	return r < 0 ? r : 0;
}
