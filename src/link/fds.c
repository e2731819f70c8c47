/* A link over two descriptors that are open already: the helper's own side. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link_local.h"

struct fds {
	struct link link;
	int in, out;
};

static ssize_t fds_read(struct link *l, void *bytes, size_t size,
			struct err *err)
{
	struct fds *f = (struct fds *)(void *)l;
	ssize_t n = read(f->in, bytes, size);

	if (n > 0)
		return n;
	if (n == 0)
		return err_set(err, ERR_STREAM, "the client has gone");
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return 0;
	return err_sys(err, ERR_STREAM, errno, "the client has gone");
}

static ssize_t fds_write(struct link *l, const void *bytes, size_t size,
			 struct err *err)
{
	struct fds *f = (struct fds *)(void *)l;
	ssize_t n = write(f->out, bytes, size);

	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return 0;
	return err_sys(err, ERR_STREAM, errno, "the client has gone");
}

static int fds_wait(struct link *l, int want, int timeout_ms, struct err *err)
{
	struct fds *f = (struct fds *)(void *)l;
	struct pollfd p[2];
	int r;

	p[0].fd = want & LINK_READ ? f->in : -1;
	p[0].events = POLLIN;
	p[1].fd = want & LINK_WRITE ? f->out : -1;
	p[1].events = POLLOUT;
	p[0].revents = p[1].revents = 0;
	r = poll(p, 2, timeout_ms);
	if (r < 0)
		return errno == EINTR ? 0
				      : err_sys(err, ERR_STREAM, errno, "poll");
	return (p[0].revents ? LINK_READ : 0) | (p[1].revents ? LINK_WRITE : 0);
}

static void fds_close(struct link *l)
{
	free(l);
}

static const struct link_ops fds_ops = {fds_read, fds_write, fds_wait,
					fds_close};

int link_open_fds(int in, int out_fd, struct link **out, struct err *err)
{
	struct fds *f = calloc(1, sizeof(*f));

	*out = NULL;
	if (!f)
		return err_set(err, ERR_MEMORY, "out of memory");
	f->link.ops = &fds_ops;
	strcpy(f->link.what, "standard input and output");
	f->in = in;
	f->out = out_fd;
	if (fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK) < 0 ||
	    fcntl(out_fd, F_SETFL, fcntl(out_fd, F_GETFL) | O_NONBLOCK) < 0) {
		free(f);
		return err_sys(err, ERR_START, errno,
			       "standard input and output");
	}
	*out = &f->link;
	return 0;
}
