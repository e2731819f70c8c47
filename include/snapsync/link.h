/*
 * link: a byte stream to the helper, whatever carries it.
 *
 *     struct link *l;
 *     r = link_open_child(argv, log, &l, err);        helper as a child
 *     r = link_open_program(command, target, ..., &l, err);  -e 'ssh ...'
 *     r = link_open_ssh2(target, ..., &l, err);       libssh2
 *     ...
 *     n = link_read(l, p, size, err);    > 0 bytes, 0 nothing now, < 0 error
 *     n = link_write(l, p, size, err);   bytes taken (0: full), < 0 error
 *     link_wait(l, LINK_READ | LINK_WRITE, timeout_ms, err);
 *     link_close(l);
 *
 * After it is open a link never blocks outside link_wait.  The end of the
 * stream is an error (-ERR_STREAM): the protocol says when it is over.  What
 * the far end writes to its standard error becomes log lines, at most 100 a
 * session, prefixed "remote: ".  The exit status of the far program is told in
 * the error message of an early end, and is never taken as success.
 *
 * Threads: a link belongs to one thread.
 */
#ifndef SNAPSYNC_LINK_H
#define SNAPSYNC_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "snapsync/err.h"
#include "snapsync/log.h"

#define LINK_READ 1
#define LINK_WRITE 2

struct link;

/* Where an ssh connection goes, as the user gave it. */
struct link_target {
	const char *user;	/* NULL: of ssh_config, else the local one */
	const char *host;	/* name, address or alias of ssh_config */
	unsigned port;		/* 0: of ssh_config, else 22 */
	const char *identity;	/* --identity FILE, or NULL */
	const char *ssh_config; /* --ssh-config FILE, or NULL: the user's */
	bool accept_new_host_key;
	const char *helper;		/* program at the far end; its characters are
				   checked, since a shell sees them */
	const char *const *helper_args; /* NULL-ended, may be NULL */
	int connect_timeout;		/* --contimeout, seconds; 0: 60 */
	/* Ask a person for a passphrase or password: fills out (NUL-ended),
	 * returns its length, or -1 where nobody can be asked.  May be NULL. */
	ssize_t (*ask)(void *arg, const char *prompt, char *out, size_t size);
	void *ask_arg;
};

int link_open_child(const char *const argv[], const struct log *log,
		    struct link **out, struct err *err);
/* command is split into words as rsync splits -e: blanks, with '...' and "..."
 * quoting.  Called as CMD [-l USER] HOST HELPER ARGS... */
int link_open_program(const char *command, const struct link_target *target,
		      const struct log *log, struct link **out, struct err *err);
int link_open_ssh2(const struct link_target *target, const struct log *log,
		   struct link **out, struct err *err);
/* The helper's own side: two descriptors that are already open. */
int link_open_fds(int in, int out_fd, struct link **out, struct err *err);

ssize_t link_read(struct link *l, void *bytes, size_t size, struct err *err);
ssize_t link_write(struct link *l, const void *bytes, size_t size, struct err *err);
/* Wait until it can be read or written (bits of what is ready, 0 on timeout or
 * signal, < 0 error).  timeout_ms < 0 waits for ever.  A link that holds bytes
 * back (a ring under libssh2) sends them in here and in link_read. */
int link_wait(struct link *l, int want, int timeout_ms, struct err *err);
/* Payload bytes in and out so far. */
void link_counts(const struct link *l, uint64_t *in, uint64_t *out);
/* How it is carried, for -v: "local helper", "ssh2 chacha20-poly1305@openssh.com". */
const char *link_describe(const struct link *l);
/* Ends the stream, and a child after a second of grace. NULL is allowed. */
void link_close(struct link *l);

#endif
