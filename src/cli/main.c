/* snapsync: a one-way mirror of a directory over ssh.  See snapsync(1). */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "client.h"

/* All that a signal handler may touch. */
static volatile int stop_asked, progress_asked;

static void on_stop(int sig)
{
	(void)sig;
	stop_asked = 1;
}

static void on_progress(int sig)
{
	(void)sig;
	progress_asked = 1;
}

static void handle(int sig, void (*handler)(int))
{
	struct sigaction s;

	memset(&s, 0, sizeof(s));
	s.sa_handler = handler;
	sigemptyset(&s.sa_mask);
	sigaction(sig, &s, NULL);
}

static void set_signals(void)
{
	handle(SIGINT, on_stop);
	handle(SIGTERM, on_stop);
	handle(SIGHUP, on_stop);
	handle(SIGUSR1, on_progress);
#ifdef SIGINFO
	handle(SIGINFO, on_progress);
#endif
	handle(SIGPIPE, SIG_IGN);
}

/* A deep tree wants descriptors. */
static void raise_limits(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max < 4096 ? l.rlim_max : 4096;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static void print_line(const char *text)
{
	puts(text);
}

static int act(struct client *k)
{
	switch (k->c->action) {
	case ACTION_HELP: options_help(print_line); return 0;
	case ACTION_VERSION: printf("snapsync %s\n", CONFIG_VERSION); return 0;
	case ACTION_STATUS: return status_show(k);
	case ACTION_LOG: return status_log(k);
	case ACTION_VERIFY:
	case ACTION_SYNC: break;
	}
	return k->c->interval > 0 ? run_forever(k) : run_once(k);
}

int main(int argc, char **argv)
{
	struct client k = {.lock_fd = -1, .root_fd = -1};
	struct config c;
	struct err err;
	int r;

	k.c = &c;
	k.stop = &stop_asked;
	k.progress = &progress_asked;
	setlocale(LC_TIME, "");
	r = options_parse(argc, argv, &c, &err);
	if (r == 0)
		r = output_open(&k.out, &c, &err);
	if (r < 0) {
		fprintf(stderr, "snapsync: %s\n", err.msg);
		options_release(&c);
		return err_exit(r);
	}
	set_signals();
	raise_limits();
	r = act(&k);
	output_close(&k.out);
	options_release(&c);
	if (fflush(stdout) != 0 && r == 0)
		r = err_exit(ERR_FILE);
	return r;
}
