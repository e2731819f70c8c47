#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <fcntl.h>

#include "client.h"

/* The helper waits longer for us than we for it: we also walk and read. */
#define SILENCE_FACTOR 4

/* The helper of a local destination: the one beside this program, else the
 * one in PATH. */
static const char *local_helper(const struct config *c, char *out, size_t size)
{
	const char *slash = strrchr(c->program, '/');

	if (c->helper)
		return c->helper;
	if (slash) {
		snprintf(out, size, "%.*s/snapsync-helper",
			 (int)(slash - c->program), c->program);
		if (access(out, X_OK) == 0)
			return out;
	}
	return "snapsync-helper";
}

/* A passphrase from the terminal, not echoed. */
static ssize_t ask(void *arg, const char *prompt, char *out, size_t size)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios was, quiet;
	size_t len = 0;
	ssize_t n;
	char ch;

	(void)arg;
	if (fd < 0)
		return -1;
	if (tcgetattr(fd, &was) < 0) {
		close(fd);
		return -1;
	}
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(fd, TCSAFLUSH, &quiet);
	n = write(fd, prompt, strlen(prompt));
	while (n >= 0 && (n = read(fd, &ch, 1)) == 1 && ch != '\n' &&
	       ch != '\r')
		if (len + 1 < size)
			out[len++] = ch;
	out[len] = 0;
	tcsetattr(fd, TCSAFLUSH, &was);
	if (write(fd, "\n", 1) < 0)
		n = -1;
	close(fd);
	return n < 0 ? -1 : (ssize_t)len;
}

static int open_link(struct client *k, struct link **link, struct err *err)
{
	struct config *c = k->c;
	struct link_target t;
	char path[PATH_MAX];
	const char *argv[2];

	if (c->to.kind == DEST_LOCAL) {
		argv[0] = local_helper(c, path, sizeof(path));
		argv[1] = NULL;
		return link_open_child(argv, &k->out.log, link, err);
	}
	memset(&t, 0, sizeof(t));
	t.user = c->to.user;
	t.host = c->to.host;
	t.port = c->to.port ? c->to.port : (unsigned)c->port;
	t.identity = c->identity;
	t.ssh_config = c->ssh_config;
	t.accept_new_host_key = c->accept_new;
	t.helper = c->helper ? c->helper : "snapsync-helper";
	t.connect_timeout = c->contimeout;
	t.ask = ask;
	if (c->rsh)
		return link_open_program(c->rsh, &t, &k->out.log, link, err);
	return link_open_ssh2(&t, &k->out.log, link, err);
}

/* What the file system there cannot store, once a connection. */
static void tell_lacks(struct client *k)
{
	const struct msg_welcome *w = remote_welcome(k->remote);

	if (w->flags & MSG_WELCOME_NO_MODES)
		log_line(&k->out.log, LOG_WARN,
			 "the destination's file system keeps no permission "
			 "bits: they are not mirrored");
	if (w->flags & MSG_WELCOME_NO_OWNERS)
		log_line(&k->out.log, LOG_WARN,
			 "the destination's file system keeps no owners: they "
			 "are not mirrored");
	if (w->granularity >= 1000000000)
		log_line(&k->out.log, LOG_INFO,
			 "the destination's file system keeps times in steps "
			 "of %u s",
			 w->granularity / 1000000000);
}

int connect_open(struct client *k, struct err *err)
{
	struct remote_options o = {k->c->timeout, k->c->pack, k->c->rate,
				   k->stop, &k->out.log};
	struct msg_hello hello;
	struct link *link;
	int r = 0;

	/* Before there is a link that it would hold open as well. */
	if (k->c->interval <= 0 && !k->c->numeric_ids && !k->accounts) {
		r = accounts_open(&k->accounts, err);
		ship_set_accounts(k->ship, k->accounts);
	}
	if (r == 0)
		r = open_link(k, &link, err);
	if (r < 0 && *k->stop) /* whatever it has cut short */
		return err_set(err, ERR_SIGNAL, "stopped by a signal");
	if (r < 0)
		return r;
	/* A pipe to a child costs less than any packing. */
	if (k->c->to.kind == DEST_LOCAL && o.pack == REMOTE_PACK_AUTO)
		o.pack = REMOTE_PACK_NONE;
	log_line(&k->out.log, LOG_INFO, "connected to %s (%s)", k->c->to.shown,
		 link_describe(link));
	drop_rights(k);
	memset(&hello, 0, sizeof(hello));
	r = hash_random(&k->dest.next_tag, sizeof(k->dest.next_tag), err);
	if (r < 0) {
		link_close(link);
		return r;
	}
	hello.tag = k->dest.next_tag;
	hello.version_min = MSG_VERSION_MIN;
	hello.version_max = MSG_VERSION_MAX;
	hello.features = MSG_FEATURES;
	hello.flags = (k->c->dry ? MSG_HELLO_DRY : 0) |
		      (k->c->no_sync ? MSG_HELLO_NO_SYNC : 0) |
		      (k->c->numeric_ids ? MSG_HELLO_NUMERIC : 0);
	hello.hash_kind = MSG_HASH_XXH3_128;
	memcpy(hello.pair, k->dest.pair, sizeof(hello.pair));
	hello.seed = store_seed(k->store);
	hello.position = k->dest.acked;
	hello.timeout = (uint32_t)k->c->timeout * SILENCE_FACTOR;
	hello.path = view_of(k->c->to.path, strlen(k->c->to.path));
	hello.backup_dir = view_of(k->c->backup_dir, k->c->backup_len);
	hello.suffix = view_of(k->c->suffix, strlen(k->c->suffix));
	hello.version = view_of(CONFIG_VERSION, strlen(CONFIG_VERSION));
	r = remote_open(link, &hello, &o, &k->remote, err);
	if (r < 0)
		return r;
	tell_lacks(k);
	r = ship_attach(k->ship, k->remote, err);
	if (r < 0) {
		struct err why = *err;

		connect_close(k);
		*err = why;
	}
	return r;
}

void connect_close(struct client *k)
{
	ship_detach(k->ship);
	if (!k->remote)
		return;
	traffic_add(&k->traffic, k->remote);
	remote_close(k->remote);
	k->remote = NULL;
}
