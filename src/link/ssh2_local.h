/* The state of one libssh2 connection; for ssh2*.c only. */
#ifndef SNAPSYNC_SSH2_LOCAL_H
#define SNAPSYNC_SSH2_LOCAL_H

#include <libssh2.h>

#include "snapsync/buf.h"
#include "ssh_local.h"

#define SSH2_RING_FULL (512u << 10) /* stop writing above this */
#define SSH2_RING_MAX (4u << 20)
#define SSH2_CACHE (256u << 10)
#define SSH2_WINDOW (4u << 20)

struct ssh2 {
	struct link link;
	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *channel;
	int fd;
	pid_t proxy;	  /* of a ProxyCommand, or 0 */
	pid_t own_agent;  /* started for an RSA key file, or 0 */
	bool settled;	  /* set up: never block any more */
	bool released;	  /* nothing is read any more */
	bool broken;	  /* the socket failed */
	int64_t deadline; /* mono ns, of setting up */
	struct buf ring;  /* encrypted bytes on their way out */
	size_t ring_at;
	unsigned char *cache; /* encrypted bytes that came in */
	size_t cache_at, cache_len;
	struct far far;
	struct ssh_settings set;
	const struct link_target *target; /* while setting up */
	const struct log *log;
	char host[256], helper[256];
};

/* ssh2_io.c */
int ssh2_io_init(struct ssh2 *s, struct err *err);
extern const struct link_ops ssh2_io_ops;
/* Push the ring out; in set-up until it is empty. */
int ssh2_io_flush(struct ssh2 *s);
void ssh2_io_release(struct ssh2 *s);

/* ssh2_auth.c */
int ssh2_auth_login(struct ssh2 *s, struct err *err);

/* Milliseconds left for setting up, at least 1. */
long ssh2_left(const struct ssh2 *s);
/* Was the time too short for what has just failed?  libssh2 measures it for
 * itself, and not as finely: by its clock it can be over a little before it is
 * by ours. */
bool ssh2_late(const struct ssh2 *s);
/* The error for that there are none left. */
int ssh2_timed_out(struct ssh2 *s, struct err *err);

#endif
