/* snapsync-helper: the far end's program.  See snapsync-helper(1). */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "snapsync/apply.h"

static void to_stderr(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	fprintf(stderr, "%s\n", line);
}

static int usage(const char *what, const char *which)
{
	fprintf(stderr, "snapsync-helper: %s%s (see snapsync-helper(1))\n",
		what, which);
	return err_exit(ERR_USAGE);
}

static void help(void)
{
	puts("usage: snapsync-helper [--root DIR] [--read-only] [--no-delete]\n"
	     "Started by snapsync at the far end, over ssh; talks to it on\n"
	     "standard input and output.\n"
	     "  --root DIR    use nothing outside of DIR\n"
	     "  --read-only   change nothing\n"
	     "  --no-delete   delete nothing\n"
	     "  --version     print the version\n"
	     "  --help        print this");
}

int main(int argc, char **argv)
{
	struct apply_options o = {.version = CONFIG_VERSION};
	struct log log = {to_stderr, NULL, LOG_ERROR};
	struct link *link;
	struct err err;
	int i, r;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--root") == 0 && argv[i + 1])
			o.root = argv[++i];
		else if (strncmp(argv[i], "--root=", 7) == 0)
			o.root = argv[i] + 7;
		else if (strcmp(argv[i], "--read-only") == 0)
			o.read_only = true;
		else if (strcmp(argv[i], "--no-delete") == 0)
			o.no_delete = true;
		else if (strcmp(argv[i], "--version") == 0)
			return printf("snapsync-helper %s\n", CONFIG_VERSION) <
			       0;
		else if (strcmp(argv[i], "--help") == 0)
			return help(), 0;
		else
			return usage("unknown option ", argv[i]);
	}
	if (o.root && o.root[0] != '/')
		return usage("--root wants an absolute path, not ", o.root);
	if (isatty(STDIN_FILENO))
		return usage("this program is started by snapsync, not by hand",
			     "");
	signal(SIGPIPE, SIG_IGN);
	o.umask = (unsigned)umask(0);
	r = link_open_fds(STDIN_FILENO, STDOUT_FILENO, &link, &err);
	if (r == 0) {
		r = apply_serve(link, &o, &log, &err);
		link_close(link);
	}
	/* What the client was told in a REFUSE is not said twice. */
	return r < 0 ? err_exit(r) : 0;
}
