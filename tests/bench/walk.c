/*
 * What a walk costs at least, and what a program takes.
 *
 *     walk list DIR       openat, readdir, fstatat of everything: the bare walk
 *     walk run CMD...     run it; "wall_ms cpu_ms max_rss_kib status"
 *     walk latency SRC DST N MS
 *                         every MS ms close a small file in SRC; ms until DST
 *                         has it: "median p90 p99 worst"
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void pause_ms(double ms)
{
	struct timespec t = {(time_t)(ms / 1e3),
			     (long)((ms - 1e3 * (double)(time_t)(ms / 1e3)) * 1e6)};

	nanosleep(&t, NULL);
}

static unsigned long entries;

static void list(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		entries++;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode))
			list(fd, e->d_name);
	}
	if (d)
		closedir(d);
}

static int run(char **argv)
{
	double start = now_ms();
	struct rusage u;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	wait4(pid, &status, 0, &u);
	printf("%.1f %.1f %ld %d\n", now_ms() - start,
	       (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
		       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3,
	       u.ru_maxrss,
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int latency(const char *src, const char *dst, long n, double each)
{
	double *ms = calloc((size_t)n, sizeof(*ms));
	char from[4096], to[4096];
	struct stat st;
	long i;

	for (i = 0; i < n; i++) {
		double start;
		int fd;

		snprintf(from, sizeof(from), "%s/latency%ld", src, i);
		snprintf(to, sizeof(to), "%s/latency%ld", dst, i);
		fd = open(from, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (fd < 0 || write(fd, from, strlen(from)) < 0)
			return 1;
		close(fd);
		start = now_ms();
		while (stat(to, &st) < 0 && now_ms() - start < 30000)
			pause_ms(1);
		ms[i] = now_ms() - start;
		/* Not in step with the passes. */
		pause_ms(each * (0.5 + (double)(i * 7919 % 1000) / 1000));
	}
	qsort(ms, (size_t)n, sizeof(*ms), by_size);
	printf("%.0f %.0f %.0f %.0f\n", ms[n / 2], ms[n * 9 / 10],
	       ms[n * 99 / 100], ms[n - 1]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "list")) {
		double start = now_ms();

		list(AT_FDCWD, argv[2]);
		printf("%.1f %lu\n", now_ms() - start, entries);
		return 0;
	}
	if (argc >= 3 && !strcmp(argv[1], "run"))
		return run(argv + 2);
	if (argc >= 6 && !strcmp(argv[1], "latency"))
		return latency(argv[2], argv[3], atol(argv[4]), atof(argv[5]));
	return 2;
}
