/*
 * The redo log: DEST/.snapsync/redo
 *
 *     offset  size  field
 *     0       8     "SNPSREDO"
 *     8       4     version, 3; 2 has no number with bit 62, and 1 no tag
 *                   either (it counts as 0)
 *     12      16    pair
 *     28      8     tag of the session
 *     36      8     batch
 *     44      4     number of operations
 *     48      4     length of the operations, n
 *     52      n     operations: u8 type, u32 length, payload as on the wire,
 *                   u64 number in tmp/ (with bit 62: of a directory there,
 *                   which MKDIR puts in its place, or which holds what has
 *                   the last name of the path), u32 code (known to fail, or 0),
 *                   u64 device, u64 inode, u8 type of the subject (0 0 0:
 *                   it was not there; 0 0 255: a directory the batch makes)
 *     52+n          u32 length and bytes of --backup-dir, and of --suffix
 *                   (not in version 1)
 *     ...     16    XXH3-128 (seed 0) of all before
 *
 * Valid if and only if magic, version and hash are right; whatever lies behind
 * is of an older, longer batch.  To be executed if and only if it is valid and
 * `position` does not say that this pair has reached this batch.
 *
 * Order: staged content is on stable storage; the log is written and synced;
 * names change; they are synced; the position is written and synced.  Every
 * operation may be executed again at any point of that: what is created is in
 * tmp/ or was renamed from there, and what is moved, linked or removed is
 * known by device and inode number.
 *
 * A log that is found may be in memory only, since the helper was killed before
 * its sync or that failed: before it is carried out the same bytes are written
 * again and synced.  Else names could change for good, and a power cut take the
 * log.
 */
#include <string.h>

#include "apply_local.h"

#define REDO_HEADER_1 44u /* of version 1 */
#define REDO_HEADER 52u
#define REDO_MAX                                                               \
	(REDO_HEADER + APPLY_OPS_BYTES + 8u + PATH_BYTES_MAX + PATH_NAME_MAX + \
	 HASH_SIZE)

static const char magic[8] = {'S', 'N', 'P', 'S', 'R', 'E', 'D', 'O'};

int redo_put(struct buf *b, const struct noted *n, struct err *err)
{
	size_t before = b->len, at;
	uint32_t len;
	int r = buf_put_u8(b, n->op.type, err);
	size_t i;

	at = b->len;
	if (r == 0)
		r = buf_put_u32(b, 0, err);
	if (r == 0)
		r = msg_put_op(b, &n->op, err);
	if (r == 0) {
		len = (uint32_t)(b->len - at - 4);
		for (i = 0; i < 4; i++)
			b->data[at + i] = (unsigned char)(len >> (8 * i));
		r = buf_put_u64(b, n->tmp, err);
	}
	if (r == 0)
		r = buf_put_u32(b, (uint32_t)n->code, err);
	if (r == 0)
		r = buf_put_u64(b, n->dev, err);
	if (r == 0)
		r = buf_put_u64(b, n->ino, err);
	if (r == 0)
		r = buf_put_u8(b, n->subject_type, err);
	if (r < 0)
		b->len = before;
	return r;
}

int redo_get(struct view *v, struct noted *n, struct err *err)
{
	unsigned type = view_u8(v);
	struct view op = view_blob(v);
	const struct msg_row *row = msg_row(type);

	memset(n, 0, sizeof(*n));
	n->tmp = view_u64(v);
	n->code = (int)view_u32(v);
	n->dev = view_u64(v);
	n->ino = view_u64(v);
	n->subject_type = view_u8(v);
	if (v->bad || !row || type < MSG_MKDIR || type > MSG_META)
		return err_set(err, ERR_FILE, "the redo log is damaged");
	return msg_get_op(row->type, op, &n->op, err);
}

static int store(struct apply *a, const struct buf *b, struct err *err)
{
	int r = fsys_pwrite_full(a->redo_fd, b->data, b->len, 0, err);

	return r < 0 || a->no_sync ? r : fsys_sync_data(a->redo_fd, err);
}

int redo_write(struct apply *a, struct err *err)
{
	struct hash hash;
	struct buf b;
	int r;

	buf_init(&b, REDO_MAX);
	r = buf_put(&b, magic, sizeof(magic), err);
	if (r == 0)
		r = buf_put_u32(&b, 3, err);
	if (r == 0)
		r = buf_put(&b, a->hello.pair, sizeof(a->hello.pair), err);
	if (r == 0)
		r = buf_put_u64(&b, a->hello.tag, err);
	if (r == 0)
		r = buf_put_u64(&b, a->batch, err);
	if (r == 0)
		r = buf_put_u32(&b, a->op_count, err);
	if (r == 0)
		r = buf_put_blob(&b, a->ops.data, a->ops.len, err);
	if (r == 0)
		r = buf_put_blob(&b, a->backup ? a->backup->dir.data : NULL,
				 a->backup ? a->backup->dir.len : 0, err);
	if (r == 0)
		r = buf_put_blob(&b, a->backup ? a->backup->suffix.data : NULL,
				 a->backup ? a->backup->suffix.len : 0, err);
	if (r == 0) {
		hash = hash_of(b.data, b.len, 0);
		r = buf_put(&b, hash.b, HASH_SIZE, err);
	}
	if (r == 0)
		r = store(a, &b, err);
	buf_release(&b);
	return r;
}

static int check(struct apply *a, struct buf *b, struct origin *from,
		 uint64_t *batch, struct backup **backup, struct err *err)
{
	struct view dir = view_of("", 0), suffix = dir;
	struct view v = view_of(b->data, b->len);
	const unsigned char *m = view_bytes(&v, sizeof(magic)), *p, *h;
	uint32_t version = view_u32(&v);
	struct view ops;
	struct hash hash;
	size_t covered;

	p = view_bytes(&v, 16);
	from->tag = version == 1 ? 0 : view_u64(&v);
	*batch = view_u64(&v);
	a->op_count = view_u32(&v);
	ops = view_blob(&v);
	if (version > 1) {
		dir = view_blob(&v);
		suffix = view_blob(&v);
	}
	covered = b->len - v.len;
	h = view_bytes(&v, HASH_SIZE);
	if (v.bad || memcmp(m, magic, sizeof(magic)) != 0 || version < 1 ||
	    version > 3)
		return 0;
	hash = hash_of(b->data, covered, 0);
	if (memcmp(hash.b, h, HASH_SIZE) != 0)
		return 0;
	memcpy(from->pair, p, 16);
	if (a->position.known && a->position.batch >= *batch &&
	    memcmp(a->position.from.pair, p, 16) == 0)
		return 0;
	if (!msg_backup_ok(dir, suffix))
		return err_set(err, ERR_FILE, "the redo log is damaged");
	buf_clear(&a->ops);
	if (buf_put(&a->ops, ops.p, ops.len, err) < 0 ||
	    backup_new(backup, dir, suffix, err) < 0)
		return err->code;
	return 1;
}

int redo_read(struct apply *a, struct origin *from, uint64_t *batch,
	      struct backup **backup, struct err *err)
{
	struct fsys_stat st;
	struct buf b;
	ssize_t n;
	int r = fsys_fstat(a->redo_fd, &st, err);

	if (r < 0)
		return r;
	if (st.size < REDO_HEADER_1 + HASH_SIZE || st.size > REDO_MAX)
		return 0;
	buf_init(&b, REDO_MAX);
	r = buf_reserve(&b, (size_t)st.size, err);
	if (r == 0) {
		n = fsys_pread_full(a->redo_fd, b.data, (size_t)st.size, 0,
				    err);
		r = n < 0 ? (int)n : 0;
		b.len = n < 0 ? 0 : (size_t)n;
	}
	if (r == 0)
		r = check(a, &b, from, batch, backup, err);
	if (r > 0 && store(a, &b, err) < 0) {
		backup_free(*backup);
		r = err->code;
	}
	buf_release(&b);
	return r;
}
