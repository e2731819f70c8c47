#include "snapsync/path.h"

#include <stdio.h>
#include <string.h>

#include "snapsync/fsys.h"

bool path_name_ok(const void *name, size_t len)
{
	const char *p = name;

	if (len == 0 || len > PATH_NAME_MAX)
		return false;
	if (p[0] == '.' && (len == 1 || (len == 2 && p[1] == '.')))
		return false;
	return !memchr(p, '/', len) && !memchr(p, 0, len);
}

bool path_next(struct view *rest, struct view *name)
{
	const unsigned char *slash;

	if (rest->len == 0)
		return false;
	slash = memchr(rest->p, '/', rest->len);
	*name = view_of(rest->p, slash ? (size_t)(slash - rest->p) : rest->len);
	view_bytes(rest, name->len + (slash ? 1 : 0));
	return true;
}

bool path_ok(const void *path, size_t len, bool empty_ok)
{
	struct view rest = view_of(path, len), name;
	size_t depth = 0;

	if (len == 0)
		return empty_ok;
	if (len > PATH_BYTES_MAX || ((const char *)path)[len - 1] == '/')
		return false;
	while (path_next(&rest, &name))
		if (!path_name_ok(name.p, name.len) || ++depth > PATH_DEPTH_MAX)
			return false;
	return true;
}

void path_split(struct view path, struct view *parent, struct view *name)
{
	size_t i = path.len;

	if (i == 0) {
		*parent = *name = path;
		return;
	}
	while (i > 0 && path.p[i - 1] != '/')
		i--;
	*name = view_of(path.p + i, path.len - i);
	*parent = view_of(path.p, i ? i - 1 : 0);
}

int path_push(struct buf *b, const void *name, size_t len, struct err *err)
{
	size_t before = b->len;
	int r = before ? buf_put_u8(b, '/', err) : 0;

	if (r == 0)
		r = buf_put(b, name, len, err);
	if (r < 0)
		b->len = before;
	return r;
}

int path_prepend(struct buf *b, const void *name, size_t len, struct err *err)
{
	size_t extra = len + (b->len ? 1 : 0);
	int r = buf_reserve(b, extra, err);

	if (r < 0)
		return r;
	memmove(b->data + extra, b->data, b->len);
	memcpy(b->data, name, len);
	if (b->len)
		b->data[len] = '/';
	b->len += extra;
	return 0;
}

int path_compare(const void *a, size_t a_len, const void *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : a_len < b_len ? -1 : a_len > b_len;
}

void path_pop(struct buf *b)
{
	while (b->len > 0 && b->data[b->len - 1] != '/')
		b->len--;
	if (b->len > 0)
		b->len--;
}

int path_open_dir(int dirfd, struct view path, struct err *err)
{
	char one[PATH_NAME_MAX + 1];
	struct view name;
	int next, fd = fsys_dup(dirfd, err);

	while (fd >= 0 && path_next(&path, &name)) {
		snprintf(one, sizeof(one), "%.*s", (int)name.len,
			 (const char *)name.p);
		next = fsys_open_dir(fd, one, false, err);
		fsys_close(fd);
		fd = next;
	}
	return fd;
}
