/*
 * The helper's durable files.  Damaged ones are not believed; and since somebody
 * who may write there can make the checksum right, what is believed is read
 * with care.  First byte: 1 a redo log (else positions), 2 with the checksum
 * made right, 4 with the header made right too,
 * and 8 and 16 with a directory and a suffix.
 */
#include "fuzz.h"

#include <unistd.h>

#include "apply/apply_local.h"

static int scratch_file(void)
{
	char name[] = "/tmp/snapsync-fuzz.XXXXXX";
	int fd = mkstemp(name);

	HOLDS(fd >= 0);
	unlink(name);
	return fd;
}

static void fill(int fd, const struct buf *b, off_t at)
{
	HOLDS(ftruncate(fd, at) == 0);
	HOLDS(pwrite(fd, b->data, b->len, at) == (ssize_t)b->len);
}

static void put(struct buf *b, const void *p, size_t len)
{
	struct err err;

	HOLDS(buf_put(b, p, len, &err) == 0);
}

static void put_sum(struct buf *b)
{
	struct hash h = hash_of(b->data, b->len, 0);

	put(b, h.b, HASH_SIZE);
}

/* Operations that were read are written the same again. */
static void operations(struct apply *a)
{
	struct view v = view_of(a->ops.data, a->ops.len);
	struct noted n;
	struct err err;
	struct buf b;

	buf_init(&b, APPLY_OPS_BYTES);
	while (v.len > 0) {
		const unsigned char *from = v.p;

		if (redo_get(&v, &n, &err) < 0)
			break;
		buf_clear(&b);
		HOLDS(redo_put(&b, &n, &err) == 0);
		HOLDS(fuzz_same(view_of(b.data, b.len), view_of(from, (size_t)(v.p - from))));
		tmp_of(a, n.tmp);
	}
	buf_release(&b);
}

static void redo(struct apply *a, struct buf *b, unsigned how, struct view v)
{
	struct backup *backup = NULL;
	struct origin from;
	uint64_t batch;
	struct err err;
	int r;

	if (how & 4) {
		HOLDS(buf_put(b, "SNPSREDO\2\0\0\0", 12, &err) == 0);
		put(b, "a pair of a log.", 16);
		HOLDS(buf_put_u64(b, 9, &err) == 0 && buf_put_u64(b, 7, &err) == 0 && buf_put_u32(b, 1, &err) == 0 &&
		      buf_put_blob(b, v.p, v.len, &err) == 0);
		/* And where what is replaced is kept. */
		HOLDS(buf_put_blob(b, "kept", how & 8 ? 4 : 0, &err) == 0 &&
		      buf_put_blob(b, "~", how & 16 ? 1 : 0, &err) == 0);
	} else {
		put(b, v.p, v.len);
	}
	if (how & 2)
		put_sum(b);
	fill(a->redo_fd, b, 0);
	r = redo_read(a, &from, &batch, &backup, &err);
	HOLDS(r <= 1 && !((how & 6) == 6 && r != 1));
	if (r == 1)
		operations(a);
	backup_free(backup);
}

static void positions(struct apply *a, struct buf *b, unsigned how, struct view v)
{
	const struct origin next = {"one more pair..", 3};
	struct err err;

	if (how & 4)
		HOLDS(buf_put(b, how & 16 ? "SNPSPOSI\1\0\0\0" : "SNPSPOSI\2\0\0\0", 12, &err) == 0);
	put(b, v.p, v.len);
	if (how & 2)
		put_sum(b);
	fill(a->position_fd, b, how & 8 ? 1 << 20 : 0);
	HOLDS(position_read(a, &err) == 0);
	if (!a->position.known)
		return;
	HOLDS(a->position.failures.len == 12u * (size_t)a->position.failed);
	/* What is written next counts, whatever was there. */
	HOLDS(position_write(a, &next, 12, &err) == 0);
	a->position.known = false;
	HOLDS(position_read(a, &err) == 0 && a->position.known);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_of(data, size);
	unsigned how = fuzz_byte(&v);
	static struct apply a;
	struct buf b;

	if (!a.redo_fd) {
		a.redo_fd = scratch_file();
		a.position_fd = scratch_file();
		a.no_sync = true;
	}
	memset(&a.position, 0, sizeof(a.position));
	buf_init(&a.ops, APPLY_OPS_BYTES);
	buf_init(&a.position.failures, 12u * MSG_OPS_MAX);
	buf_init(&b, APPLY_OPS_BYTES + 1000);
	if (how & 1)
		redo(&a, &b, how, v);
	else
		positions(&a, &b, how, v);
	buf_release(&b);
	buf_release(&a.ops);
	buf_release(&a.position.failures);
	return 0;
}
