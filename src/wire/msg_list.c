/* Listings: LIST, LISTING and its items, LISTED. */
#include <string.h>

#include "msg_local.h"

int msg_put_list(struct buf *b, const struct msg_list *m, struct err *err)
{
	int r = buf_put_u32(b, m->flags, err);

	return r < 0 ? r : msg_put_path(b, &m->root, err);
}

int msg_get_list(struct view v, struct msg_list *m, struct err *err)
{
	memset(m, 0, sizeof(*m));
	m->flags = view_u32(&v);
	msg_get_path(&v, &m->root, true);
	if (m->root.area != MSG_TREE || m->flags & ~MSG_LIST_HASH)
		v.bad = true;
	return msg_finish(v, "LIST", m, sizeof(*m), err);
}

int msg_put_listing(struct buf *b, const struct msg_listing *m, struct err *err)
{
	int r = buf_put_u32(b, m->flags, err);

	if (r == 0)
		r = msg_put_bytes(b, m->dir, err);
	if (r == 0)
		r = buf_put_u32(b, m->count, err);
	return r < 0 ? r : buf_put(b, m->items.p, m->items.len, err);
}

int msg_get_listing(struct view v, struct msg_listing *m, struct err *err)
{
	memset(m, 0, sizeof(*m));
	m->flags = view_u32(&v);
	m->dir = msg_text(&v, PATH_BYTES_MAX);
	m->count = view_u32(&v);
	m->items = view_of(v.p, v.len);
	if (!v.bad && !path_ok(m->dir.p, m->dir.len, true))
		v.bad = true;
	if (!v.bad)
		v.len = 0;
	return msg_finish(v, "LISTING", m, sizeof(*m), err);
}

int msg_put_item(struct buf *b, const struct msg_item *m, struct err *err)
{
	size_t before = b->len;
	int r = buf_put_u8(b, m->st.type, err);

	if (r == 0)
		r = msg_put_bytes(b, m->name, err);
	if (r == 0)
		r = buf_put_u16(b, m->st.mode, err);
	if (r == 0)
		r = buf_put_u32(b, m->st.uid, err);
	if (r == 0)
		r = buf_put_u32(b, m->st.gid, err);
	if (r == 0)
		r = buf_put_u64(b, m->st.dev, err);
	if (r == 0)
		r = buf_put_u64(b, m->st.ino, err);
	if (r == 0)
		r = buf_put_u64(b, m->st.nlink, err);
	if (r == 0)
		r = buf_put_u64(b, m->st.size, err);
	if (r == 0)
		r = buf_put_u64(b, (uint64_t)m->st.mtime.s, err);
	if (r == 0)
		r = buf_put_u32(b, m->st.mtime.ns, err);
	if (r == 0)
		r = buf_put_u32(b, m->st.rdev_major, err);
	if (r == 0)
		r = buf_put_u32(b, m->st.rdev_minor, err);
	if (r == 0)
		r = msg_put_bytes(b, m->target, err);
	if (r == 0)
		r = buf_put_u8(b, m->hashed, err);
	if (r == 0 && m->hashed)
		r = buf_put(b, m->hash.b, HASH_SIZE, err);
	if (r < 0)
		b->len = before;
	return r;
}

int msg_get_item(struct view *v, struct msg_item *m, struct err *err)
{
	const unsigned char *hash;
	unsigned type, hashed;

	memset(m, 0, sizeof(*m));
	type = view_u8(v);
	m->name = view_blob(v);
	m->st.mode = view_u16(v);
	m->st.uid = view_u32(v);
	m->st.gid = view_u32(v);
	m->st.dev = view_u64(v);
	m->st.ino = view_u64(v);
	m->st.nlink = view_u64(v);
	m->st.size = view_u64(v);
	m->st.mtime.s = (int64_t)view_u64(v);
	m->st.mtime.ns = view_u32(v);
	m->st.rdev_major = view_u32(v);
	m->st.rdev_minor = view_u32(v);
	m->target = msg_text(v, MSG_LINK_MAX);
	hashed = view_u8(v);
	m->hashed = hashed == 1;
	if (m->hashed) {
		hash = view_bytes(v, HASH_SIZE);
		if (hash)
			memcpy(m->hash.b, hash, HASH_SIZE);
	}
	if (v->bad || type == FSYS_NONE || type >= FSYS_TYPES ||
	    !path_name_ok(m->name.p, m->name.len) || m->st.mode > 07777 ||
	    hashed > 1 || m->st.mtime.ns > 999999999) {
		memset(m, 0, sizeof(*m));
		return err_set(err, ERR_PROTOCOL, "LISTING is malformed");
	}
	m->st.type = (enum fsys_type)type;
	return 0;
}

int msg_put_listed(struct buf *b, const struct msg_listed *m, struct err *err)
{
	int r = buf_put_u32(b, m->code, err);

	return r < 0 ? r : buf_put_u64(b, m->entries, err);
}

int msg_get_listed(struct view v, struct msg_listed *m, struct err *err)
{
	memset(m, 0, sizeof(*m));
	m->code = view_u32(&v);
	m->entries = view_u64(&v);
	return msg_finish(v, "LISTED", m, sizeof(*m), err);
}
