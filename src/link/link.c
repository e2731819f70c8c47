#include "link_local.h"

ssize_t link_read(struct link *l, void *bytes, size_t size, struct err *err)
{
	ssize_t n = l->ops->read(l, bytes, size, err);

	if (n > 0)
		l->in += (uint64_t)n;
	return n;
}

ssize_t link_write(struct link *l, const void *bytes, size_t size,
		   struct err *err)
{
	ssize_t n = l->ops->write(l, bytes, size, err);

	if (n > 0)
		l->out += (uint64_t)n;
	return n;
}

int link_wait(struct link *l, int want, int timeout_ms, struct err *err)
{
	return l->ops->wait(l, want, timeout_ms, err);
}

void link_counts(const struct link *l, uint64_t *in, uint64_t *out)
{
	*in = l->in;
	*out = l->out;
}

const char *link_describe(const struct link *l)
{
	return l->what;
}

void link_close(struct link *l)
{
	if (l)
		l->ops->close(l);
}
