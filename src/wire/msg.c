#include "snapsync/msg.h"

#include <string.h>

#include "msg_local.h"

static const struct msg_row rows[] = {
#define X(number, name, sender, longest, states, changes)                      \
	{MSG_##name, #name, sender, longest, states, changes},
	MSG_TABLE(X)
#undef X
};

const struct msg_row *msg_row(unsigned type)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((unsigned)rows[i].type == type)
			return &rows[i];
	return NULL;
}

int msg_finish(struct view v, const char *name, void *m, size_t size,
	       struct err *err)
{
	if (view_done(&v))
		return 0;
	memset(m, 0, size);
	return err_set(err, ERR_PROTOCOL, "%s is malformed", name);
}

struct view msg_text(struct view *v, size_t most)
{
	struct view t = view_blob(v);

	if (t.len > most)
		v->bad = true;
	return t;
}

int msg_put_bytes(struct buf *b, struct view v, struct err *err)
{
	return buf_put_blob(b, v.p, v.len, err);
}

int msg_put_path(struct buf *b, const struct msg_path *p, struct err *err)
{
	int r = buf_put_u8(b, p->area, err);

	return r < 0 ? r : buf_put_blob(b, p->path.p, p->path.len, err);
}

static bool is_private(struct view path)
{
	struct view name;

	return path_next(&path, &name) && name.len == strlen(PATH_PRIVATE) &&
	       memcmp(name.p, PATH_PRIVATE, name.len) == 0;
}

void msg_get_path(struct view *v, struct msg_path *p, bool root_ok)
{
	unsigned area = view_u8(v);

	p->path = view_blob(v);
	p->area = area == MSG_LIMBO ? MSG_LIMBO : MSG_TREE;
	if (area > MSG_LIMBO ||
	    !path_ok(p->path.p, p->path.len, root_ok && area == MSG_TREE) ||
	    (area == MSG_TREE && is_private(p->path)))
		v->bad = true;
}

/* ------------------------------------------------------------ greeting */

int msg_put_hello(struct buf *b, const struct msg_hello *m, struct err *err)
{
	int r = buf_put_u16(b, m->version_min, err);

	if (r == 0)
		r = buf_put_u16(b, m->version_max, err);
	if (r == 0)
		r = buf_put_u32(b, m->features, err);
	if (r == 0)
		r = buf_put_u32(b, m->flags, err);
	if (r == 0)
		r = buf_put_u8(b, m->hash_kind, err);
	if (r == 0)
		r = buf_put(b, m->pair, sizeof(m->pair), err);
	if (r == 0)
		r = buf_put_u64(b, m->tag, err);
	if (r == 0)
		r = buf_put_u64(b, m->seed, err);
	if (r == 0)
		r = buf_put_u64(b, m->position, err);
	if (r == 0)
		r = buf_put_u32(b, m->timeout, err);
	if (r == 0)
		r = msg_put_bytes(b, m->path, err);
	if (r == 0)
		r = msg_put_bytes(b, m->version, err);
	if (r == 0)
		r = msg_put_bytes(b, m->backup_dir, err);
	return r < 0 ? r : msg_put_bytes(b, m->suffix, err);
}

bool msg_backup_ok(struct view dir, struct view suffix)
{
	return suffix.len <= PATH_NAME_MAX / 2 &&
	       (!suffix.len || (!memchr(suffix.p, '/', suffix.len) &&
				!memchr(suffix.p, 0, suffix.len))) &&
	       (!dir.len ||
		(dir.len <= PATH_BYTES_MAX / 2 &&
		 path_ok(dir.p, dir.len, false) && !is_private(dir)));
}

/* Newer clients may say more behind what we know: only HELLO may be longer,
 * since it is read before a version is agreed on. */
int msg_get_hello(struct view v, struct msg_hello *m, struct err *err)
{
	const unsigned char *pair;

	memset(m, 0, sizeof(*m));
	m->version_min = view_u16(&v);
	m->version_max = view_u16(&v);
	m->features = view_u32(&v);
	m->flags = view_u32(&v);
	m->hash_kind = view_u8(&v);
	pair = view_bytes(&v, sizeof(m->pair));
	if (pair)
		memcpy(m->pair, pair, sizeof(m->pair));
	m->tag = view_u64(&v);
	m->seed = view_u64(&v);
	m->position = view_u64(&v);
	m->timeout = view_u32(&v);
	m->path = msg_text(&v, 65535);
	m->version = msg_text(&v, 255);
	m->backup_dir = msg_text(&v, PATH_BYTES_MAX);
	m->suffix = msg_text(&v, PATH_NAME_MAX);
	if (!v.bad && !msg_backup_ok(m->backup_dir, m->suffix))
		v.bad = true;
	if (m->path.len == 0 || memchr(m->path.p, 0, m->path.len))
		v.bad = true;
	if (!v.bad && m->version_min > MSG_VERSION_MAX)
		v.len = 0;
	return msg_finish(v, "HELLO", m, sizeof(*m), err);
}

int msg_put_welcome(struct buf *b, const struct msg_welcome *m, struct err *err)
{
	int r = buf_put_u16(b, m->version, err);

	if (r == 0)
		r = buf_put_u32(b, m->features, err);
	if (r == 0)
		r = buf_put_u32(b, m->flags, err);
	if (r == 0)
		r = buf_put_u8(b, m->hash_kind, err);
	if (r == 0)
		r = buf_put(b, m->pair, sizeof(m->pair), err);
	if (r == 0)
		r = buf_put_u64(b, m->position, err);
	if (r == 0)
		r = buf_put_u64(b, m->tag, err);
	if (r == 0)
		r = buf_put_u64(b, m->credit, err);
	if (r == 0)
		r = buf_put_u32(b, m->granularity, err);
	if (r == 0)
		r = msg_put_bytes(b, m->version_text, err);
	if (r == 0)
		r = buf_put_u32(b, m->failed, err);
	return r < 0 ? r : buf_put(b, m->failures.p, m->failures.len, err);
}

int msg_get_welcome(struct view v, struct msg_welcome *m, struct err *err)
{
	const unsigned char *pair;

	memset(m, 0, sizeof(*m));
	m->version = view_u16(&v);
	m->features = view_u32(&v);
	m->flags = view_u32(&v);
	m->hash_kind = view_u8(&v);
	pair = view_bytes(&v, sizeof(m->pair));
	if (pair)
		memcpy(m->pair, pair, sizeof(m->pair));
	m->position = view_u64(&v);
	m->tag = view_u64(&v);
	m->credit = view_u64(&v);
	m->granularity = view_u32(&v);
	m->version_text = msg_text(&v, 255);
	m->failed = view_u32(&v);
	if (m->failed > MSG_OPS_MAX || m->position > MSG_BATCH_MAX)
		v.bad = true;
	m->failures.p = view_bytes(&v, v.bad ? 1 : 12u * (size_t)m->failed);
	m->failures.len = v.bad ? 0 : 12u * (size_t)m->failed;
	return msg_finish(v, "WELCOME", m, sizeof(*m), err);
}

int msg_put_refuse(struct buf *b, const struct msg_refuse *m, struct err *err)
{
	int r = buf_put_u32(b, m->code, err);

	return r < 0 ? r : msg_put_bytes(b, m->text, err);
}

int msg_get_refuse(struct view v, struct msg_refuse *m, struct err *err)
{
	memset(m, 0, sizeof(*m));
	m->code = view_u32(&v);
	m->text = msg_text(&v, MSG_TEXT_MAX);
	return msg_finish(v, "REFUSE", m, sizeof(*m), err);
}

int msg_put_note(struct buf *b, struct view text, struct err *err)
{
	return msg_put_bytes(b, text, err);
}

int msg_get_note(struct view v, struct view *text, struct err *err)
{
	*text = msg_text(&v, MSG_TEXT_MAX);
	return msg_finish(v, "NOTE", text, sizeof(*text), err);
}

int msg_put_owner(struct buf *b, const struct msg_owner *m, struct err *err)
{
	int r = buf_put_u8(b, m->group, err);

	if (r == 0)
		r = buf_put_u32(b, m->id, err);
	return r < 0 ? r : msg_put_bytes(b, m->name, err);
}

int msg_get_owner(struct view v, struct msg_owner *m, struct err *err)
{
	unsigned group;

	memset(m, 0, sizeof(*m));
	group = view_u8(&v);
	m->group = group == 1;
	m->id = view_u32(&v);
	m->name = msg_text(&v, 255);
	if (group > 1 || m->name.len == 0 || memchr(m->name.p, 0, m->name.len))
		v.bad = true;
	return msg_finish(v, "OWNER", m, sizeof(*m), err);
}

/* ------------------------------------------------------------ content */

int msg_put_stage(struct buf *b, const struct msg_stage *m, struct err *err)
{
	int r = buf_put_u64(b, m->id, err);

	if (r == 0)
		r = buf_put_u64(b, m->size, err);
	return r < 0 ? r
		     : buf_put_blob(b, m->key.b, m->keyed ? HASH_SIZE : 0, err);
}

int msg_get_stage(struct view v, struct msg_stage *m, struct err *err)
{
	struct view key;

	memset(m, 0, sizeof(*m));
	m->id = view_u64(&v);
	m->size = view_u64(&v);
	key = view_blob(&v);
	m->keyed = key.len == HASH_SIZE;
	if (m->keyed)
		memcpy(m->key.b, key.p, HASH_SIZE);
	v.bad = v.bad || (key.len && !m->keyed);
	return msg_finish(v, "STAGE", m, sizeof(*m), err);
}

int msg_put_data(struct buf *b, const struct msg_data *m, struct err *err)
{
	int r = buf_put_u64(b, m->id, err);

	return r < 0 ? r : buf_put(b, m->bytes.p, m->bytes.len, err);
}

int msg_get_data(struct view v, struct msg_data *m, struct err *err)
{
	memset(m, 0, sizeof(*m));
	m->id = view_u64(&v);
	m->bytes = view_of(v.p, v.len);
	if (!v.bad)
		v.len = 0;
	return msg_finish(v, "DATA", m, sizeof(*m), err);
}

int msg_put_hole(struct buf *b, const struct msg_hole *m, struct err *err)
{
	int r = buf_put_u64(b, m->id, err);

	return r < 0 ? r : buf_put_u64(b, m->length, err);
}

int msg_get_hole(struct view v, struct msg_hole *m, struct err *err)
{
	memset(m, 0, sizeof(*m));
	m->id = view_u64(&v);
	m->length = view_u64(&v);
	v.bad = v.bad || m->length > MSG_HOLE_MAX;
	return msg_finish(v, "HOLE", m, sizeof(*m), err);
}

int msg_put_copy(struct buf *b, const struct msg_copy *m, struct err *err)
{
	int r = buf_put_u64(b, m->id, err);

	if (r == 0)
		r = buf_put_u64(b, m->offset, err);
	if (r == 0)
		r = buf_put_u64(b, m->length, err);
	if (r == 0)
		r = buf_put(b, m->hash.b, HASH_SIZE, err);
	return r < 0 ? r : msg_put_path(b, &m->path, err);
}

int msg_get_copy(struct view v, struct msg_copy *m, struct err *err)
{
	const unsigned char *hash;

	memset(m, 0, sizeof(*m));
	m->id = view_u64(&v);
	m->offset = view_u64(&v);
	m->length = view_u64(&v);
	hash = view_bytes(&v, HASH_SIZE);
	if (hash)
		memcpy(m->hash.b, hash, HASH_SIZE);
	msg_get_path(&v, &m->path, false);
	if (m->length == 0 || m->offset > UINT64_MAX - m->length)
		v.bad = true;
	return msg_finish(v, "COPY", m, sizeof(*m), err);
}

int msg_put_stage_end(struct buf *b, const struct msg_stage_end *m,
		      struct err *err)
{
	int r = buf_put_u64(b, m->id, err);

	return r < 0 ? r : buf_put(b, m->hash.b, HASH_SIZE, err);
}

int msg_get_stage_end(struct view v, struct msg_stage_end *m, struct err *err)
{
	const unsigned char *hash;

	memset(m, 0, sizeof(*m));
	m->id = view_u64(&v);
	hash = view_bytes(&v, HASH_SIZE);
	if (hash)
		memcpy(m->hash.b, hash, HASH_SIZE);
	return msg_finish(v, "STAGE_END", m, sizeof(*m), err);
}

int msg_put_need(struct buf *b, const struct msg_need *m, struct err *err)
{
	int r = buf_put_u64(b, m->id, err);

	if (r == 0)
		r = buf_put_u64(b, m->offset, err);
	return r < 0 ? r : buf_put_u64(b, m->length, err);
}

int msg_get_need(struct view v, struct msg_need *m, struct err *err)
{
	memset(m, 0, sizeof(*m));
	m->id = view_u64(&v);
	m->offset = view_u64(&v);
	m->length = view_u64(&v);
	return msg_finish(v, "NEED", m, sizeof(*m), err);
}

int msg_put_sign(struct buf *b, const struct msg_sign *m, struct err *err)
{
	int r = buf_put_u64(b, m->id, err);

	return r < 0 ? r : msg_put_path(b, &m->path, err);
}

int msg_get_sign(struct view v, struct msg_sign *m, struct err *err)
{
	memset(m, 0, sizeof(*m));
	m->id = view_u64(&v);
	msg_get_path(&v, &m->path, false);
	return msg_finish(v, "SIGN", m, sizeof(*m), err);
}

int msg_put_signed(struct buf *b, const struct msg_signed *m, struct err *err)
{
	int r = buf_put_u64(b, m->id, err);

	if (r == 0)
		r = buf_put_u8(b, m->flags, err);
	if (r == 0)
		r = buf_put_u8(b, m->bits, err);
	if (r == 0)
		r = buf_put_u64(b, m->size, err);
	if (r == 0)
		r = buf_put(b, m->hash.b, HASH_SIZE, err);
	if (r == 0)
		r = buf_put_u32(b, m->count, err);
	return r < 0 ? r : buf_put(b, m->chunks.p, m->chunks.len, err);
}

int msg_get_signed(struct view v, struct msg_signed *m, struct err *err)
{
	const unsigned char *hash;

	memset(m, 0, sizeof(*m));
	m->id = view_u64(&v);
	m->flags = view_u8(&v);
	m->bits = view_u8(&v);
	m->size = view_u64(&v);
	hash = view_bytes(&v, HASH_SIZE);
	if (hash)
		memcpy(m->hash.b, hash, HASH_SIZE);
	m->count = view_u32(&v);
	m->chunks = v;
	if (m->count > MSG_PAYLOAD_MAX / MSG_SIGNED_CHUNK ||
	    v.len != m->count * (size_t)MSG_SIGNED_CHUNK ||
	    m->flags > (MSG_SIGNED_LAST | MSG_SIGNED_FAILED))
		v.bad = true;
	view_bytes(&v, v.len);
	return msg_finish(v, "SIGNED", m, sizeof(*m), err);
}

int msg_put_have(struct buf *b, const struct msg_have *m, struct err *err)
{
	int r = buf_put_u64(b, m->id, err);

	if (r == 0)
		r = buf_put_u64(b, m->length, err);
	return r < 0 ? r : buf_put(b, m->hash.b, HASH_SIZE, err);
}

int msg_get_have(struct view v, struct msg_have *m, struct err *err)
{
	const unsigned char *hash;

	memset(m, 0, sizeof(*m));
	m->id = view_u64(&v);
	m->length = view_u64(&v);
	hash = view_bytes(&v, HASH_SIZE);
	if (hash)
		memcpy(m->hash.b, hash, HASH_SIZE);
	return msg_finish(v, "HAVE", m, sizeof(*m), err);
}

int msg_put_keep(struct buf *b, const struct msg_keep *m, struct err *err)
{
	int r = buf_put_u64(b, m->id, err);

	return r < 0 ? r : buf_put_u64(b, m->length, err);
}

int msg_get_keep(struct view v, struct msg_keep *m, struct err *err)
{
	memset(m, 0, sizeof(*m));
	m->id = view_u64(&v);
	m->length = view_u64(&v);
	return msg_finish(v, "KEEP", m, sizeof(*m), err);
}

/* ------------------------------------------------------------ batches */

int msg_put_commit(struct buf *b, const struct msg_commit *m, struct err *err)
{
	int r = buf_put_u64(b, m->batch, err);

	return r < 0 ? r : buf_put_u32(b, m->count, err);
}

int msg_get_commit(struct view v, struct msg_commit *m, struct err *err)
{
	memset(m, 0, sizeof(*m));
	m->batch = view_u64(&v);
	m->count = view_u32(&v);
	return msg_finish(v, "COMMIT", m, sizeof(*m), err);
}

int msg_put_ack(struct buf *b, const struct msg_ack *m, struct err *err)
{
	int r = buf_put_u64(b, m->batch, err);

	return r < 0 ? r : buf_put_u32(b, m->failed, err);
}

int msg_get_ack(struct view v, struct msg_ack *m, struct err *err)
{
	memset(m, 0, sizeof(*m));
	m->batch = view_u64(&v);
	m->failed = view_u32(&v);
	return msg_finish(v, "ACK", m, sizeof(*m), err);
}

int msg_put_fail(struct buf *b, const struct msg_fail *m, struct err *err)
{
	int r = buf_put_u64(b, m->batch, err);

	if (r == 0)
		r = buf_put_u32(b, m->index, err);
	if (r == 0)
		r = buf_put_u32(b, m->code, err);
	if (r == 0)
		r = buf_put_u32(b, m->sys, err);
	return r < 0 ? r : msg_put_bytes(b, m->text, err);
}

int msg_get_fail(struct view v, struct msg_fail *m, struct err *err)
{
	memset(m, 0, sizeof(*m));
	m->batch = view_u64(&v);
	m->index = view_u32(&v);
	m->code = view_u32(&v);
	m->sys = view_u32(&v);
	m->text = msg_text(&v, MSG_TEXT_MAX);
	return msg_finish(v, "FAIL", m, sizeof(*m), err);
}

int msg_put_number(struct buf *b, uint64_t n, struct err *err)
{
	return buf_put_u64(b, n, err);
}

int msg_get_number(struct view v, uint64_t *n, struct err *err)
{
	*n = view_u64(&v);
	return msg_finish(v, "a number", n, sizeof(*n), err);
}
