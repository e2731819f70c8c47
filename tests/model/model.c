/*
 * The model test: random operations on a source, a pass, and the destination
 * must be equal.
 *
 *   model [--seed N] [--steps N] [--ops N] [--seconds N] [--kill] [--others]
 *         [--faults] [--relay FIFO] [--continuous] DIR PROGRAM ARGUMENTS...
 *
 * DIR is for the trees: DIR/src, DIR/dst.  PROGRAM ARGUMENTS is the whole
 * command of one pass (source and destination included).  A seed reruns the
 * same operations.
 *
 * With --faults a burst of them comes before a pass that must be right: kills
 * of either side, cuts and stalls, system calls that fail, others who change
 * the destination (faults.h; torture.sh makes what it needs).
 */
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "../tool/compare.h"

static uint64_t state, fault_state, *dice = &state;
static char src[4096], dst[4096];
static char history[64][256];
static unsigned seconds; /* at most; 0: all steps */
static unsigned long operations;

static uint64_t rnd(void)
{
	*dice ^= *dice << 13;
	*dice ^= *dice >> 7;
	*dice ^= *dice << 17;
	return *dice;
}

static unsigned below(unsigned n)
{
	return (unsigned)(rnd() >> 33) % n;
}

static void note(const char *what, const char *a, const char *b)
{
	snprintf(history[operations++ % 64], sizeof(history[0]),
		 "%s %.100s %.100s", what, a, b ? b : "");
}

/* ------------------------------------------------------------ picking */

#define PATHS_MAX 4000
static char *paths[PATHS_MAX];
static char kinds[PATHS_MAX];
static size_t path_count;

static void collect(const char *dir)
{
	struct dirent *e;
	struct stat st;
	char path[4096];
	DIR *d = opendir(dir);

	while (d && (e = readdir(d)) && path_count < PATHS_MAX) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (lstat(path, &st) < 0)
			continue;
		paths[path_count] = strdup(path);
		kinds[path_count++] = S_ISDIR(st.st_mode)   ? 'd'
				      : S_ISREG(st.st_mode) ? 'f'
							    : 'x';
		if (S_ISDIR(st.st_mode))
			collect(path);
	}
	if (d)
		closedir(d);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The order of readdir must not decide: a seed shall rerun. */
static void look_at(const char *top)
{
	struct stat st;
	size_t i;

	while (path_count > 0)
		free(paths[--path_count]);
	collect(top);
	qsort(paths, path_count, sizeof(paths[0]), by_path);
	for (i = 0; i < path_count; i++)
		kinds[i] = lstat(paths[i], &st) < 0 ? 'x'
			   : S_ISDIR(st.st_mode)    ? 'd'
			   : S_ISREG(st.st_mode)    ? 'f'
						    : 'x';
}

static void look(void)
{
	look_at(src);
}

/* Any path of this kind ('*': any), or NULL. */
static const char *pick(char kind)
{
	size_t tries;

	for (tries = 0; path_count && tries < 50; tries++) {
		size_t i = below((unsigned)path_count);

		if (kind == '*' || kinds[i] == kind)
			return paths[i];
	}
	return NULL;
}

static const char *pick_dir(void)
{
	const char *d = below(4) ? pick('d') : NULL;

	return d ? d : src;
}

static void new_name(char *out, size_t size)
{
	static const char *const odd[] = {"-rf", "a\nb", "\xff\xfe",
					  " lead", "tr ail ", "*?[x]",
					  "\\012", "ü", "#x#",
					  "\x1b[31m", "..x", "...",
					  "'q'\"", "$HOME", "~"};
	const char *dir = pick_dir();
	char name[260];

	if (below(12) == 0) {
		snprintf(name, sizeof(name), "%s", odd[below(15)]);
	} else if (below(40) == 0) {
		memset(name, 'a' + (int)below(3), 255);
		name[255] = 0;
	} else {
		snprintf(name, sizeof(name), "%c%u", 'a' + (int)below(6),
			 below(12));
	}
	if (strlen(dir) > 1500)
		dir = src;
	snprintf(out, size, "%s/%s", dir, name);
}

/* ------------------------------------------------------------ operations */

static void fill(int fd, size_t len)
{
	char bytes[4096];
	size_t i, n;

	while (len > 0) {
		n = len < sizeof(bytes) ? len : sizeof(bytes);
		for (i = 0; i < n; i++)
			bytes[i] = (char)rnd();
		if (write(fd, bytes, n) < 0)
			break;
		len -= n;
	}
}

static size_t some_size(void)
{
	return below(60) == 0 ? 300000 + below(2000000) : below(300);
}

static void op_create(void)
{
	char path[4096];
	int fd;

	new_name(path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK,
		  0600 | below(0200));
	note("create", path, NULL);
	if (fd >= 0) {
		fill(fd, some_size());
		close(fd);
	}
}

/* mode 0 any new content, 1 the same size, 2 the same size and mtime put
 * back, 3 append, 4 truncate */
static void op_write(int how)
{
	static const char *const names[] = {"write", "rewrite", "rewrite-old",
					    "append", "truncate"};
	const char *path = pick('f');
	struct timespec times[2];
	struct stat st;
	int fd;

	if (!path || lstat(path, &st) < 0)
		return;
	fd = open(path, O_WRONLY | O_NOFOLLOW | (how == 3 ? O_APPEND : 0) |
				(how == 0 ? O_TRUNC : 0));
	note(names[how], path, NULL);
	if (fd < 0)
		return;
	if (how == 4) {
		if (ftruncate(fd, st.st_size / 2) < 0)
			perror("ftruncate");
	} else {
		fill(fd, how == 0   ? some_size()
			 : how == 3 ? below(200)
				    : (size_t)st.st_size);
	}
	if (how == 2) {
		times[0] = st.st_atim;
		times[1] = st.st_mtim;
		futimens(fd, times);
	}
	close(fd);
}

static void op_rename(void)
{
	const char *from = pick('*');
	char to[4096];

	new_name(to, sizeof(to));
	if (from && strlen(from) < 1500) {
		note("rename", from, to);
		rename(from, to);
	}
}

static void op_rename_over(void)
{
	const char *from = pick('f'), *to = pick('f');

	if (from && to) {
		note("rename-over", from, to);
		rename(from, to);
	}
}

static void op_swap(void)
{
	const char *a = pick('*'), *b = pick('*');
	char tmp[4096];

	if (!a || !b || a == b || !strncmp(a, b, strlen(a)) ||
	    !strncmp(a, b, strlen(b)))
		return;
	note("swap", a, b);
	snprintf(tmp, sizeof(tmp), "%s/.swap-%u", src, below(1000000));
	if (rename(a, tmp) == 0) {
		if (rename(b, a) == 0)
			rename(tmp, b);
		else
			rename(tmp, a);
	}
}

static void op_chain(void)
{
	const char *a = pick('*'), *b = pick('*');
	char to[4096];

	new_name(to, sizeof(to));
	if (a && b && a != b) {
		note("chain", a, b);
		if (rename(b, to) == 0)
			rename(a, b);
	}
}

static void op_link(void)
{
	const char *from = pick('f');
	char to[4096];

	new_name(to, sizeof(to));
	if (from) {
		note("link", from, to);
		if (link(from, to) < 0)
			return;
	}
}

static void op_symlink(void)
{
	char target[64], path[4096];

	snprintf(target, sizeof(target), "t/%u", below(1000));
	new_name(path, sizeof(path));
	note("symlink", path, target);
	if (symlink(target, path) < 0)
		return;
}

static void op_mkdir(void)
{
	char path[4096];
	int depth = below(8) == 0 ? 12 : 1;

	while (depth-- > 0) {
		new_name(path, sizeof(path));
		note("mkdir", path, NULL);
		mkdir(path, 0755);
		look();
	}
}

static void remove_all(const char *path)
{
	struct dirent *e;
	char below_it[4096];
	DIR *d;

	if (unlink(path) == 0)
		return;
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(below_it, sizeof(below_it), "%s/%s", path, e->d_name);
		remove_all(below_it);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static void op_remove(void)
{
	const char *path = pick(below(4) ? 'f' : '*');

	if (path) {
		note("remove", path, NULL);
		remove_all(path);
	}
}

static void op_chmod(void)
{
	const char *path = pick(below(3) ? 'f' : 'd');

	if (path) {
		note("chmod", path, NULL);
		chmod(path, 0700 | below(0100));
	}
}

static void op_replace(void)
{
	const char *path = pick('*');
	char keep[4096];
	struct stat st;

	if (!path || lstat(path, &st) < 0)
		return;
	snprintf(keep, sizeof(keep), "%s", path);
	note("replace", keep, NULL);
	remove_all(keep);
	if (S_ISDIR(st.st_mode) && below(3)) {
		int fd = open(keep, O_WRONLY | O_CREAT | O_EXCL, 0644);

		if (fd >= 0) {
			fill(fd, 50);
			close(fd);
		}
	} else {
		char child[4200];
		int fd;

		mkdir(keep, 0755);
		snprintf(child, sizeof(child), "%s/in", keep);
		fd = open(child, O_WRONLY | O_CREAT, 0644);
		if (fd >= 0) {
			fill(fd, 20);
			close(fd);
		}
	}
}

static void op_fifo(void)
{
	char path[4096];

	new_name(path, sizeof(path));
	note("fifo", path, NULL);
	mkfifo(path, 0640);
}

static void op_save(void)
{
	const char *path = pick('f');
	char tmp[4096];
	int fd;

	if (!path)
		return;
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	note("save", path, NULL);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd >= 0) {
		fill(fd, below(200));
		close(fd);
		rename(tmp, path);
	}
}

static void op_touch(void)
{
	const char *path = pick('*');
	struct timespec t[2] = {{0, UTIME_OMIT}, {0, 0}};

	if (path) {
		t[1].tv_sec = (time_t)below(2000000000);
		t[1].tv_nsec = (long)below(1000000000);
		note("touch", path, NULL);
		utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW);
	}
}

/* Move everything out of a directory and delete it; or into a new one. */
static void op_empty_out(void)
{
	const char *dir = pick('d');
	struct dirent *e;
	char from[4096], to[4096], base[4096];
	DIR *d;

	if (!dir)
		return;
	snprintf(base, sizeof(base), "%s", dir);
	note("empty-out", base, NULL);
	new_name(to, sizeof(to));
	if (!strncmp(to, base, strlen(base)) || mkdir(to, 0755) < 0)
		return;
	d = opendir(base);
	while (d && (e = readdir(d))) {
		char there[8200];

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(from, sizeof(from), "%s/%s", base, e->d_name);
		snprintf(there, sizeof(there), "%s/%s", to, e->d_name);
		rename(from, there);
	}
	if (d)
		closedir(d);
	rmdir(base);
}

/* A directory and the one it lies in change places; sometimes another one
 * gets their old place and yet another goes into the depth of them. */
static void op_invert(void)
{
	const char *dir = pick('d');
	char inner[4096], outer[4096], tmp[4096], below_it[8200];
	char *slash;

	if (!dir)
		return;
	snprintf(inner, sizeof(inner), "%s", dir);
	snprintf(outer, sizeof(outer), "%s", dir);
	slash = strrchr(outer, '/');
	*slash = '\0';
	if (strlen(outer) <= strlen(src))
		return;
	note("invert", inner, NULL);
	snprintf(tmp, sizeof(tmp), "%s/.invert", src);
	if (rename(inner, tmp) < 0)
		return;
	dir = below(2) ? pick('d') : NULL;
	snprintf(below_it, sizeof(below_it), "%s/%s", outer, slash + 1);
	if (dir && rename(dir, below_it) == 0)
		note("invert-in", dir, NULL);
	snprintf(below_it, sizeof(below_it), "%s/%s", tmp, slash + 1);
	rename(outer, below_it);
	if (dir && below(2) && access(dir, F_OK) != 0)
		rename(tmp, dir);
	rename(tmp, access(outer, F_OK) ? outer : inner);
}

static void one_operation(void)
{
	look();
	if (path_count < 2) { /* an empty source is another test's matter */
		op_create();
		return;
	}
	if (path_count > 300) {
		op_remove();
		return;
	}
	switch (below(27)) {
	case 0:
	case 1:
	case 2:
	case 3:
		op_create();
		break;
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
		op_write((int)below(5));
		break;
	case 9:
	case 10:
	case 11:
		op_rename();
		break;
	case 12:
		op_rename_over();
		break;
	case 13:
		op_swap();
		break;
	case 14:
		op_chain();
		break;
	case 15:
	case 16:
		op_link();
		break;
	case 17:
		op_symlink();
		break;
	case 18:
		op_mkdir();
		break;
	case 19:
		op_remove();
		break;
	case 20:
		op_chmod();
		break;
	case 21:
		op_replace();
		break;
	case 22:
		op_fifo();
		break;
	case 23:
		op_save();
		break;
	case 24:
		op_touch();
		break;
	case 25:
		op_empty_out();
		break;
	case 26:
		op_invert();
		break;
	}
}

/* ------------------------------------------------------------ passes */

static pid_t start(char **command)
{
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGPIPE, SIG_DFL);
		execvp(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	return pid;
}

static int pass(char **command)
{
	int status = 0;

	waitpid(start(command), &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void pause_ms(unsigned ms)
{
	struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

#include "faults.h"

/* Kill the client and, being in its group, a local helper. */
static void pass_killed(char **command)
{
	pid_t pid = start(command);
	int status;

	pause_ms(below(60));
	if (below(2))
		kill(-pid, SIGKILL);
	else
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	pause_ms(below(3) * 5);
}

static int report(const char *what, unsigned step)
{
	size_t i;

	printf("not ok 1 - %s at step %u\n", what, step);
	for (i = operations > 64 ? operations - 64 : 0; i < operations; i++) {
		char *p = history[i % 64];

		for (; *p; p++)
			if ((unsigned char)*p < 32)
				*p = '?';
		printf("# %s\n", history[i % 64]);
	}
	printf("# trees are kept: %s %s\n1..1\n", src, dst);
	return 1;
}

/* No pass has to notice by itself what others did at the destination: the one
 * after this one lists it again (its position is gone). */
static int pass_relist(char **command)
{
	char path[4200];
	int rc = pass(command);

	if (rc != 0 && rc != 23)
		return rc;
	snprintf(path, sizeof(path), "%s/.snapsync/position", dst);
	unlink(path);
	snprintf(path, sizeof(path), "%s/.snapsync/redo", dst);
	unlink(path);
	/* Without a change there is no connection. */
	utimensat(AT_FDCWD, src, NULL, 0);
	return 0;
}

/* Somebody deletes things at the destination. */
static int pass_others(char **command, bool kills)
{
	char path[4200];
	unsigned n;

	for (n = below(3); n > 0; n--) {
		const char *victim;

		look_at(dst);
		victim = pick('*');
		if (!victim || strstr(victim, "/.snapsync"))
			continue;
		note("others", victim, NULL);
		snprintf(path, sizeof(path), "%s", victim);
		remove_all(path);
	}
	if (kills)
		pass_killed(command);
	return pass_relist(command);
}

/* A pass that must do it.  What was killed may hold its lock a moment longer:
 * 5 is tried again.  1: it did not end well. */
static int good_pass(char **command, bool relist, unsigned step)
{
	int rc = 0, tries;

	for (tries = 0; tries < 40; tries++) {
		rc = relist ? pass_relist(command) : pass(command);
		if (rc != 5)
			break;
		pause_ms(50);
	}
	if (rc == 0)
		return 0;
	printf("# exit %d\n", rc);
	return report(relist ? "a pass failed badly" : "a pass failed", step);
}

static int run_faults(unsigned steps, unsigned ops, char **command)
{
	unsigned step, i, n, k;
	time_t end = time(NULL) + seconds;

	for (step = 0; step < steps && (!seconds || time(NULL) < end); step++) {
		const char *wrong;
		bool meddled = false;

		n = 1 + below(ops);
		for (i = 0; i < n; i++)
			one_operation();
		dice = &fault_state;
		wrong = burst(command, 4, &meddled);
		dice = &state;
		if (wrong)
			return report(wrong, step);
		if (meddled && good_pass(command, true, step) != 0)
			return 1;
		if (good_pass(command, false, step) != 0)
			return 1;
		if (compare_trees(src, dst, false) != 0)
			return report("trees differ", step);
	}
	printf("# passes %u operations %lu", step, operations);
	for (k = 0; k < KINDS; k++)
		printf(" %s %lu", kind_names[k], fault_counts[k]);
	printf("\nok 1 - equal after every burst of faults\n1..1\n");
	return 0;
}

static int run(unsigned steps, unsigned ops, bool kills, bool others,
	       char **command)
{
	unsigned step, i, n;
	time_t end = time(NULL) + seconds;
	int rc = 0, tries;

	for (step = 0; step < steps && (!seconds || time(NULL) < end);
	     step++) {
		n = 1 + below(ops);
		for (i = 0; i < n; i++)
			one_operation();
		if (others && pass_others(command, kills) != 0)
			return report("a pass failed badly", step);
		if (kills)
			for (i = below(3); i > 0; i--)
				pass_killed(command);
		/* A killed helper may hold its lock a moment longer. */
		for (tries = 0; tries < 20; tries++) {
			rc = pass(command);
			if (rc == 0 || !kills)
				break;
			pause_ms(50);
		}
		if (rc != 0) {
			printf("# exit %d\n", rc);
			return report("a pass failed", step);
		}
		if (compare_trees(src, dst, false) != 0)
			return report("trees differ", step);
	}
	printf("# passes %u operations %lu\nok 1 - equal after every pass\n1..1\n",
	       step, operations);
	return 0;
}

/* Faults while it runs: the network, and kills; the client is started again. */
static void continuous_fault(pid_t *pid, char **command)
{
	int status;

	switch (below(4)) {
	case 0:
		note("kill -9", "client", NULL);
		kill(*pid, SIGKILL);
		waitpid(*pid, &status, 0);
		*pid = start(command);
		fault_counts[KILL]++;
		break;
	case 1:
		note("kill -9", "helper", NULL);
		kill_helpers();
		fault_counts[KILL]++;
		break;
	default:
		note("network", below(2) ? "bad from now on" : "bad", NULL);
		if (relay_in < 0)
			chaos_before();
		tell_relay("f");
		kill_helpers(); /* the next connection is a bad one */
		fault_counts[NETWORK]++;
		break;
	}
}

static int run_continuous(unsigned steps, unsigned ops, bool faulty,
			  char **command)
{
	pid_t pid = start(command);
	unsigned step, i, n, waited;
	time_t end = time(NULL) + seconds;
	int status, r = 0;

	for (step = 0; step < steps && r == 0; step++) {
		if (seconds && time(NULL) >= end)
			break;
		n = 1 + below(ops);
		for (i = 0; i < n; i++) {
			one_operation();
			if (below(10) == 0)
				pause_ms(below(100));
			dice = &fault_state;
			if (faulty && below(12) == 0)
				continuous_fault(&pid, command);
			dice = &state;
		}
		tell_relay("p");
		set_before(NULL);
		/* It may be waiting before it tries again, a minute at most. */
		for (waited = 0; waited < (faulty ? 1000 : 300); waited++) {
			pause_ms(100);
			if (compare_trees(src, dst, true) == 0)
				break;
		}
		if (compare_trees(src, dst, false) != 0)
			r = report("trees differ (continuous)", step);
	}
	kill(pid, SIGTERM);
	status = await_end(pid);
	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 20)) {
		printf("# exit status %x\n", (unsigned)status);
		r = report("SIGTERM did not end it with 20", step);
	}
	if (r == 0)
		printf("# bursts %u operations %lu kill %lu network %lu\nok 1 "
		       "- equal after every burst\n1..1\n",
		       step, operations, fault_counts[KILL],
		       fault_counts[NETWORK]);
	return r;
}

int main(int argc, char **argv)
{
	unsigned steps = 50, ops = 30;
	uint64_t seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
	bool kills = false, continuous = false, others = false, faulty = false;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--steps"))
			steps = (unsigned)atoi(argv[++i]);
		else if (!strcmp(argv[i], "--ops"))
			ops = (unsigned)atoi(argv[++i]);
		else if (!strcmp(argv[i], "--kill"))
			kills = true;
		else if (!strcmp(argv[i], "--others"))
			others = true;
		else if (!strcmp(argv[i], "--seconds"))
			seconds = (unsigned)atoi(argv[++i]);
		else if (!strcmp(argv[i], "--faults"))
			faulty = true;
		else if (!strcmp(argv[i], "--relay"))
			relay_in = open(argv[++i], O_WRONLY | O_CLOEXEC);
		else if (!strcmp(argv[i], "--continuous"))
			continuous = true;
		else
			return 2;
	}
	if (argc - i < 2)
		return 2;
	umask(022);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# seed %llu\n", (unsigned long long)seed);
	state = seed * 2654435761u + 88172645463325252ull;
	fault_state = state ^ 0x9e3779b97f4a7c15ull;
	snprintf(top, sizeof(top), "%s", argv[i]);
	relay_program = getenv("RELAY") ? getenv("RELAY") : "relay";
	snprintf(src, sizeof(src), "%s/src", argv[i]);
	snprintf(dst, sizeof(dst), "%s/dst", argv[i]);
	mkdir(src, 0755);
	mkdir(dst, 0755);
	signal(SIGPIPE, SIG_IGN);
	if (continuous)
		return run_continuous(steps, ops, faulty, argv + i + 1);
	if (faulty)
		return run_faults(steps, ops, argv + i + 1);
	return run(steps, ops, kills, others, argv + i + 1);
}
