/* How the content of a file at the destination is cut: what a client that has
 * only adopted it does not know. */
#include <stdlib.h>
#include <string.h>

#include "apply_local.h"
#include "snapsync/chunker.h"

#define SIGN_BYTES (2u * CHUNK_MAX)
#define SIGN_CHUNKS 8192u /* in one frame */

struct signing {
	struct apply *a;
	struct msg_signed m;
	struct chunker chunker;
	struct chunk_size size;
	struct hash_state *hash;
	unsigned char *bytes; /* SIGN_BYTES */
	size_t filled;
	uint64_t silent;
	struct buf chunks;
};

static int tell(struct signing *s, unsigned flags, struct err *err)
{
	struct frame_mark mark = {0};
	int r = frame_begin(&s->a->out, MSG_SIGNED, 0, &mark, err);

	s->m.flags = flags;
	s->m.chunks = view_of(s->chunks.data, s->chunks.len);
	if (r == 0)
		r = msg_put_signed(&s->a->out, &s->m, err);
	if (r == 0)
		r = frame_end(&s->a->out, &mark, err);
	s->m.count = 0;
	buf_clear(&s->chunks);
	return r < 0 ? r : serve_flush(s->a, MSG_PAYLOAD_MAX / 2, err);
}

/* Chunks of what is at hand; all of it if nothing more comes. */
static int cut(struct signing *s, bool last, struct err *err)
{
	uint64_t seed = s->a->hello.seed;
	size_t at = 0, n;
	struct hash hash;
	int r = 0;

	while (r == 0 &&
	       (s->filled - at >= s->size.max || (last && at < s->filled))) {
		n = chunker_cut(&s->chunker, &s->size, s->bytes + at,
				s->filled - at);
		hash = hash_of(s->bytes + at, n, seed);
		r = buf_put_u64(&s->chunks, hash_half(&hash), err);
		if (r == 0)
			r = buf_put_u32(&s->chunks, (uint32_t)n, err);
		at += n;
		if (r == 0 && ++s->m.count == SIGN_CHUNKS)
			r = tell(s, 0, err);
	}
	memmove(s->bytes, s->bytes + at, s->filled - at);
	s->filled -= at;
	return r;
}

static int read_all(struct signing *s, int fd, struct err *err)
{
	uint64_t at = 0;
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && at < s->m.size) {
		uint64_t left = s->m.size - at;
		size_t room = SIGN_BYTES - s->filled;

		n = fsys_pread_full(fd, s->bytes + s->filled,
				    left < room ? (size_t)left : room, at, err);
		if (n <= 0)
			return n < 0 ? (int)n
				     : err_set(err, ERR_VANISHED, "shorter");
		hash_update(s->hash, s->bytes + s->filled, (size_t)n);
		s->filled += (size_t)n;
		at += (uint64_t)n;
		r = cut(s, at == s->m.size, err);
		if (r == 0)
			r = serve_alive(s->a, (uint64_t)n, &s->silent, err);
	}
	return r;
}

static int open_file(struct apply *a, const struct msg_path *path,
		     uint64_t *size, struct err *err)
{
	char name[PATH_NAME_MAX + 1];
	struct fsys_stat st;
	int dirfd, fd, r = confine_parent(a, path, &dirfd, name, NULL, err);

	fd = r < 0 ? r : fsys_open(dirfd, name, FSYS_READ | FSYS_QUIET, 0, err);
	if (fd < 0)
		return fd;
	r = fsys_fstat(fd, &st, err);
	if (r == 0 && st.type == FSYS_FILE) {
		*size = st.size;
		return fd;
	}
	fsys_close(fd);
	return r < 0 ? r : err_set(err, ERR_VANISHED, "not a file");
}

int sign_send(struct apply *a, const struct msg_sign *m, struct err *err)
{
	struct signing s = {.a = a, .m = {.id = m->id}};
	struct err why;
	int fd, r = commit_wait(a, err);

	if (r < 0)
		return r;
	buf_init(&s.chunks, MSG_PAYLOAD_MAX);
	s.bytes = malloc(SIGN_BYTES);
	s.hash = hash_new();
	fd = open_file(a, &m->path, &s.m.size, &why);
	if (!s.bytes || !s.hash) {
		r = err_set(err, ERR_MEMORY, "out of memory");
	} else if (fd >= 0) {
		s.size = chunk_size_for(s.m.size, 0);
		s.m.bits = s.size.bits;
		chunker_init(&s.chunker, a->hello.seed);
		hash_reset(s.hash, a->hello.seed);
		r = read_all(&s, fd, &why);
		if (r == 0)
			s.m.hash = hash_digest(s.hash);
	}
	/* What cannot be read is sent whole: no harm. */
	if (fd < 0 || (r < 0 && err_class(r) != ERR_CLASS_DROP &&
		       err_class(r) != ERR_CLASS_FATAL)) {
		buf_clear(&s.chunks);
		s.m.count = 0;
		r = tell(&s, MSG_SIGNED_LAST | MSG_SIGNED_FAILED, err);
	} else if (r == 0) {
		r = tell(&s, MSG_SIGNED_LAST, err);
	} else if (s.bytes && s.hash) {
		*err = why;
	}
	fsys_close(fd);
	hash_free(s.hash);
	free(s.bytes);
	buf_release(&s.chunks);
	return r;
}
