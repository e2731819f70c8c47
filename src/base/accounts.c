#include "snapsync/accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct accounts {
	int fd;
	pid_t pid;
};

/* Between two copies of one program, so it goes as it lies in memory. */
struct lookup {
	bool group, by_name, known;
	uint32_t id;
	char name[ACCOUNTS_NAME + 1];
};

static void look_for_user(struct lookup *l)
{
	struct passwd *p = l->by_name ? getpwnam(l->name)
				      : getpwuid((uid_t)l->id);

	l->known = p && strlen(p->pw_name) <= ACCOUNTS_NAME;
	if (!l->known)
		return;
	l->id = (uint32_t)p->pw_uid;
	snprintf(l->name, sizeof(l->name), "%s", p->pw_name);
}

static void look_for_group(struct lookup *l)
{
	struct group *g = l->by_name ? getgrnam(l->name)
				     : getgrgid((gid_t)l->id);

	l->known = g && strlen(g->gr_name) <= ACCOUNTS_NAME;
	if (!l->known)
		return;
	l->id = (uint32_t)g->gr_gid;
	snprintf(l->name, sizeof(l->name), "%s", g->gr_name);
}

static void look(struct lookup *l)
{
	if (l->group)
		look_for_group(l);
	else
		look_for_user(l);
}

/* All of it, or false. */
static bool give(int fd, const struct lookup *l)
{
	const char *p = (const char *)l;
	size_t done = 0;
	ssize_t n;

	while (done < sizeof(*l)) {
		n = write(fd, p + done, sizeof(*l) - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static bool take(int fd, struct lookup *l)
{
	char *p = (char *)l;
	size_t done = 0;
	ssize_t n;

	while (done < sizeof(*l)) {
		n = read(fd, p + done, sizeof(*l) - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	l->name[ACCOUNTS_NAME] = 0;
	return true;
}

/* The other process.  Signals are its parent's business; so are the standard
 * streams, whose other ends wait for their last holder to go. */
static void serve(int fd)
{
	int null = open("/dev/null", O_RDWR);
	struct lookup l;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	while (take(fd, &l)) {
		look(&l);
		if (!give(fd, &l))
			break;
	}
}

int accounts_open(struct accounts **out, struct err *err)
{
	struct accounts *n = calloc(1, sizeof(*n));
	int pair[2];

	*out = NULL;
	if (!n)
		return err_set(err, ERR_MEMORY, "out of memory");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) {
		free(n);
		return err_sys(err, ERR_START, errno, "socketpair");
	}
	fcntl(pair[0], F_SETFD, FD_CLOEXEC);
	fcntl(pair[1], F_SETFD, FD_CLOEXEC);
	n->fd = pair[0];
	n->pid = fork();
	if (n->pid == 0) {
		close(pair[0]);
		serve(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	if (n->pid < 0) {
		int sys = errno;

		close(pair[0]);
		free(n);
		return err_sys(err, ERR_START, sys, "fork");
	}
	*out = n;
	return 0;
}

static int ask(struct accounts *n, struct lookup *l, struct err *err)
{
	if (!n)
		look(l);
	else if (!give(n->fd, l) || !take(n->fd, l))
		return err_set(err, ERR_START,
			       "the process that looks up owners has gone");
	return l->known;
}

int accounts_id(struct accounts *n, bool group, const char *name, uint32_t *id,
		struct err *err)
{
	struct lookup l;
	int r;

	memset(&l, 0, sizeof(l));
	l.group = group;
	l.by_name = true;
	if (strlen(name) > ACCOUNTS_NAME)
		return 0;
	snprintf(l.name, sizeof(l.name), "%s", name);
	r = ask(n, &l, err);
	if (r > 0)
		*id = l.id;
	return r;
}

int accounts_name(struct accounts *n, bool group, uint32_t id,
		  char out[ACCOUNTS_NAME + 1], struct err *err)
{
	struct lookup l;
	int r;

	memset(&l, 0, sizeof(l));
	l.group = group;
	l.id = id;
	r = ask(n, &l, err);
	if (r > 0)
		memcpy(out, l.name, sizeof(l.name));
	return r;
}

void accounts_close(struct accounts *n)
{
	if (!n)
		return;
	close(n->fd);
	while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(n);
}
