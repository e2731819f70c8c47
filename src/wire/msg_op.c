/* Operations of a batch: path [from] [stage] [meta] [rest], by type. */
#include <string.h>

#include "msg_local.h"

static bool has_meta(enum msg_type t)
{
	return t == MSG_MKDIR || t == MSG_PLACE || t == MSG_SYMLINK ||
	       t == MSG_NODE || t == MSG_META;
}

static int put_meta(struct buf *b, const struct msg_meta *m, struct err *err)
{
	int r = buf_put_u16(b, m->mode, err);

	if (r == 0)
		r = buf_put_u16(b, m->type, err);
	if (r == 0)
		r = buf_put_u32(b, m->uid, err);
	if (r == 0)
		r = buf_put_u32(b, m->gid, err);
	if (r == 0)
		r = buf_put_u64(b, (uint64_t)m->mtime.s, err);
	return r < 0 ? r : buf_put_u32(b, m->mtime.ns, err);
}

static void get_meta(struct view *v, struct msg_meta *m)
{
	unsigned type;

	m->mode = view_u16(v);
	type = view_u16(v);
	m->uid = view_u32(v);
	m->gid = view_u32(v);
	m->mtime.s = (int64_t)view_u64(v);
	m->mtime.ns = view_u32(v);
	m->type = type < FSYS_TYPES ? (enum fsys_type)type : FSYS_NONE;
	if (type == FSYS_NONE || type >= FSYS_TYPES || m->mode > 07777 ||
	    m->mtime.ns > 999999999)
		v->bad = true;
}

int msg_put_op(struct buf *b, const struct msg_op *m, struct err *err)
{
	int r = msg_put_path(b, &m->path, err);

	if (r == 0 && (m->type == MSG_LINK || m->type == MSG_MOVE))
		r = msg_put_path(b, &m->from, err);
	if (r == 0 && m->type == MSG_PLACE)
		r = buf_put_u64(b, m->stage, err);
	if (r == 0 && has_meta(m->type))
		r = put_meta(b, &m->meta, err);
	if (r == 0 && m->type == MSG_SYMLINK)
		r = msg_put_bytes(b, m->target, err);
	if (r == 0 && m->type == MSG_NODE)
		r = buf_put_u32(b, m->rdev_major, err);
	if (r == 0 && m->type == MSG_NODE)
		r = buf_put_u32(b, m->rdev_minor, err);
	if (r == 0 && m->type == MSG_REMOVE)
		r = buf_put_u8(b, m->is_dir + (m->from.path.len ? 1u : 0u),
			       err);
	if (r == 0 && m->type == MSG_REMOVE && m->from.path.len)
		r = msg_put_path(b, &m->from, err);
	return r;
}

int msg_get_op(enum msg_type type, struct view v, struct msg_op *m,
	       struct err *err)
{
	const struct msg_row *row = msg_row(type);
	unsigned is_dir;

	memset(m, 0, sizeof(*m));
	m->type = type;
	msg_get_path(&v, &m->path, type == MSG_META);
	if (type == MSG_LINK || type == MSG_MOVE)
		msg_get_path(&v, &m->from, false);
	if (type == MSG_PLACE)
		m->stage = view_u64(&v);
	if (has_meta(type))
		get_meta(&v, &m->meta);
	if (type == MSG_SYMLINK) {
		m->target = msg_text(&v, MSG_LINK_MAX);
		if (m->target.len == 0 || memchr(m->target.p, 0, m->target.len))
			v.bad = true;
	}
	if (type == MSG_NODE) {
		m->rdev_major = view_u32(&v);
		m->rdev_minor = view_u32(&v);
	}
	if (type == MSG_REMOVE) {
		is_dir = view_u8(&v);
		m->is_dir = is_dir > 0;
		v.bad = v.bad || is_dir > 2;
		if (is_dir == 2)
			msg_get_path(&v, &m->from, false);
	}
	return msg_finish(v, row ? row->name : "operation", m, sizeof(*m), err);
}
