/* What goes wrong on purpose between two passes of the model test, and during
 * them.  Included by model.c, whose dice and history it uses.
 *
 * DIR/helper is the helper of the command: it runs DIR/snapsync-helper, behind
 * the words of DIR/before if there are any (see torture.sh). */
#ifndef TEST_FAULTS_H
#define TEST_FAULTS_H

enum kind { KILL,
	    NETWORK,
	    CALLS,
	    OTHERS,
	    KINDS };
static const char *const kind_names[KINDS] = {"kill", "network", "calls",
					      "others"};
static unsigned long fault_counts[KINDS];
static char top[4096];
static int relay_in = -1; /* commands for the relay on the way */
static const char *relay_program;

#define PASS_LONGEST 120 /* seconds; more is hanging */

/* What the helper runs behind; NULL: nothing. */
static void set_before(const char *words)
{
	char path[4200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/before", top);
	if (!words) {
		unlink(path);
		return;
	}
	f = fopen(path, "w");
	if (f) {
		fputs(words, f);
		fclose(f);
	}
}

/* A relay of its own in front of the helper. */
static void chaos_before(void)
{
	char words[4400];

	snprintf(words, sizeof(words), "%s --chaos %u --seed %u",
		 relay_program, 500u << below(12), below(1000000));
	set_before(words);
}

static void tell_relay(const char *command)
{
	if (relay_in >= 0 && write(relay_in, command, 1) < 0)
		perror("relay");
}

/* -9 to every helper of ours, wherever it was started from. */
static void kill_helpers(void)
{
	char ours[4200], path[300], argv0[4200];
	DIR *d = opendir("/proc");
	struct dirent *e;
	ssize_t n;
	int fd;

	snprintf(ours, sizeof(ours), "%s/snapsync-helper", top);
	while (d && (e = readdir(d))) {
		if (atoi(e->d_name) <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		fd = open(path, O_RDONLY);
		n = fd < 0 ? -1 : read(fd, argv0, sizeof(argv0) - 1);
		if (fd >= 0)
			close(fd);
		argv0[n < 0 ? 0 : n] = 0;
		if (!strcmp(argv0, ours))
			kill(atoi(e->d_name), SIGKILL);
	}
	if (d)
		closedir(d);
}

/* The status, or -1 if it does not end. */
static int await_end(pid_t pid)
{
	int status = 0, ms;

	for (ms = 0; ms < PASS_LONGEST * 1000; ms += 5) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		pause_ms(5);
	}
	kill(-pid, SIGABRT);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

/* A status that a pass with faults may have: it ended by itself, and with an
 * exit code that the manual knows. */
static const char *judge(int status, bool loader)
{
	static const int known[] = {0, 3, 5, 10, 11, 12, 22, 23, 25, 30, 35};
	static char text[64];
	size_t i;

	if (status == -1)
		return "a pass hangs";
	for (i = 0; WIFEXITED(status) && i < sizeof(known) / sizeof(*known); i++)
		if (WEXITSTATUS(status) == known[i])
			return NULL;
	/* A program without its libraries does not start. */
	if (loader && WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return NULL;
	snprintf(text, sizeof(text), "a pass with faults ended with %s %d",
		 WIFEXITED(status) ? "exit" : "signal",
		 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return text;
}

static const char *fault_kill(char **command)
{
	unsigned who = below(4);
	pid_t pid = start(command);
	int status;

	note("kill -9", who == 0 ? "both" : who < 3 ? "client"
						    : "helper",
	     NULL);
	pause_ms(below(below(2) ? 40 : 250));
	if (who == 0)
		kill(-pid, SIGKILL);
	else if (who < 3)
		kill(pid, SIGKILL);
	if (who == 0 || who == 3)
		kill_helpers();
	if (who < 3) {
		waitpid(pid, &status, 0);
		return NULL;
	}
	return judge(await_end(pid), false);
}

static const char *fault_network(char **command)
{
	const char *wrong;

	if (relay_in >= 0 && below(2)) {
		note("network", "in front of the server", NULL);
		tell_relay("f");
	} else {
		note("network", "in front of the helper", NULL);
		chaos_before();
	}
	wrong = judge(await_end(start(command)), false);
	tell_relay("p");
	set_before(NULL);
	return wrong;
}

/* A system call of either side fails: once, every so often, or from then on.
 * ENOENT is not among the errors: it would be a lie about what is there. */
static const char *fault_calls(char **command)
{
	static const char *const far[] = {
		"openat", "newfstatat", "renameat", "linkat",
		"unlinkat", "mkdirat", "symlinkat", "mknodat",
		"utimensat", "fchmodat", "fchmod", "fchownat",
		"write", "pwrite64", "read", "fsync",
		"fdatasync", "syncfs", "getdents64", "ftruncate",
		"statx", "copy_file_range", "lseek", "pread64",
		"renameat2", "sync_file_range", "fchown", "fcntl"};
	static const char *const near[] = {
		"openat", "newfstatat", "statx", "getdents64", "read",
		"pread64", "pwrite64", "write", "fdatasync", "fsync",
		"sendto", "recvfrom", "poll", "readlinkat", "lseek",
		"fcntl", "ftruncate", "unlink", "clone3"};
	static const char *const errors[] = {"EIO", "ENOSPC", "EACCES",
					     "EINTR", "ENOMEM", "EMFILE",
					     "EROFS", "EDQUOT", "EBUSY",
					     "EIO"};
	bool at_helper = below(2);
	const char *call = at_helper ? far[below(28)] : near[below(19)];
	const char *error = errors[below(10)], *wrong;
	unsigned first = 1 + below(1u << below(10)), how = below(3);
	char inject[200], words[400], *argv[64], when[40];
	size_t n = 0, i;

	/* An interruption that never ends is nothing that a system does. */
	if (how == 1 && strcmp(error, "EINTR") == 0)
		how = 2;
	if (how == 0)
		snprintf(when, sizeof(when), "%u", first);
	else if (how == 1)
		snprintf(when, sizeof(when), "%u+", first);
	else
		snprintf(when, sizeof(when), "%u+%u", first, 2 + below(20));
	snprintf(inject, sizeof(inject), "inject=%s:error=%s:when=%s", call,
		 error, when);
	note("calls", at_helper ? "helper" : "client", inject);
	if (at_helper) {
		snprintf(words, sizeof(words),
			 "strace -f --seccomp-bpf -qq -o /dev/null -e "
			 "trace=%s -e %s",
			 call, inject);
		set_before(words);
	} else {
		static char *const front[] = {"strace", "-f", "--seccomp-bpf",
					      "-qq", "-o", "/dev/null", "-e"};

		snprintf(words, sizeof(words), "trace=%s", call);
		for (i = 0; i < sizeof(front) / sizeof(*front); i++)
			argv[n++] = front[i];
		argv[n++] = words;
		argv[n++] = front[i - 1];
		argv[n++] = inject;
	}
	for (i = 0; command[i] && n < 63; i++)
		argv[n++] = command[i];
	argv[n] = NULL;
	wrong = judge(await_end(start(argv)), true);
	set_before(NULL);
	return wrong;
}

/* Somebody changes the destination, in ways that a listing can see. */
static const char *fault_others(void)
{
	static unsigned fresh;
	char path[4200], to[4200];
	const char *victim;
	int fd, how = (int)below(8);

	look_at(dst);
	victim = pick(how == 4 ? 'f' : '*');
	if (!victim || strstr(victim, "/.snapsync"))
		return NULL;
	snprintf(path, sizeof(path), "%s", victim);
	note("others", how < 4 ? "delete" : how == 4 ? "append"
				    : how == 5	     ? "chmod"
				    : how == 6	     ? "rename"
						     : "create",
	     path);
	if (how < 4) {
		remove_all(path);
	} else if (how == 5) {
		struct stat st;

		if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode))
			chmod(path, 0700 | below(0100));
	} else if (how == 6) {
		snprintf(to, sizeof(to), "%s/other%u", dst, ++fresh);
		rename(path, to);
	} else {
		if (how == 7) {
			*strrchr(path, '/') = 0;
			snprintf(path + strlen(path), 64, "/%c%u",
				 'a' + (int)below(6), below(12));
		}
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
		if (fd >= 0) {
			fill(fd, 1 + below(50));
			close(fd);
		}
	}
	return NULL;
}

/* A burst of faults.  NULL, or what was wrong; *meddled if the destination has
 * to be listed again. */
static const char *burst(char **command, unsigned most, bool *meddled)
{
	const char *wrong = NULL;
	unsigned n = below(most + 1);

	for (; n > 0 && !wrong; n--) {
		enum kind kind = below(KINDS);

		fault_counts[kind]++;
		switch (kind) {
		case KILL:
			wrong = fault_kill(command);
			break;
		case NETWORK:
			wrong = fault_network(command);
			break;
		case CALLS:
			wrong = fault_calls(command);
			break;
		default:
			*meddled = true;
			wrong = fault_others();
			break;
		}
	}
	return wrong;
}

#endif
