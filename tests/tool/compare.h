/* Compare two trees in all that a mirror promises.  Relative to descriptors,
 * so that no path is too long.  Included by treecmp.c and model.c. */
#ifndef TEST_COMPARE_H
#define TEST_COMPARE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct compare {
	int differences;
	bool quiet;
	/* hard link groups: pairs of (dev, ino) seen on either side */
	struct {
		uint64_t a_ino, b_ino, a_dev, b_dev;
	} * links;
	size_t link_count, link_cap;
	char path[8192];
};

static void differ(struct compare *c, const char *what)
{
	if (++c->differences <= 20 && !c->quiet) {
		const unsigned char *p = (const unsigned char *)c->path;

		printf("# differs: ");
		for (; *p; p++)
			if (*p < 32 || *p > 126)
				printf("\\%03o", *p);
			else
				putchar(*p);
		printf(": %s\n", what);
	}
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **names_in(int fd, bool top, size_t *count)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	char **v = NULL;
	struct dirent *e;

	*count = 0;
	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    (top && !strcmp(e->d_name, ".snapsync")))
			continue;
		v = realloc(v, (*count + 1) * sizeof(*v));
		v[(*count)++] = strdup(e->d_name);
	}
	if (d)
		closedir(d);
	if (*count)
		qsort(v, *count, sizeof(*v), by_bytes);
	return v;
}

static void same_links(struct compare *c, const struct stat *a,
		       const struct stat *b)
{
	size_t i;

	if (a->st_nlink < 2 && b->st_nlink < 2)
		return;
	for (i = 0; i < c->link_count; i++) {
		bool x = c->links[i].a_ino == (uint64_t)a->st_ino &&
			 c->links[i].a_dev == (uint64_t)a->st_dev;
		bool y = c->links[i].b_ino == (uint64_t)b->st_ino &&
			 c->links[i].b_dev == (uint64_t)b->st_dev;

		if (x && y)
			return;
		if (x || y) {
			differ(c, "hard links");
			return;
		}
	}
	c->links = realloc(c->links, (c->link_count + 1) * sizeof(*c->links));
	c->links[c->link_count].a_ino = (uint64_t)a->st_ino;
	c->links[c->link_count].a_dev = (uint64_t)a->st_dev;
	c->links[c->link_count].b_dev = (uint64_t)b->st_dev;
	c->links[c->link_count++].b_ino = (uint64_t)b->st_ino;
}

static void same_content(struct compare *c, int a, int b, const char *name)
{
	static char x[65536], y[65536];
	int fa = openat(a, name, O_RDONLY), fb = openat(b, name, O_RDONLY);
	ssize_t n, m;

	do {
		n = read(fa, x, sizeof(x));
		m = read(fb, y, sizeof(y));
		if (n != m || (n > 0 && memcmp(x, y, (size_t)n) != 0)) {
			differ(c, "content");
			break;
		}
	} while (n > 0);
	close(fa);
	close(fb);
}

static void compare_dirs(struct compare *c, int a, int b, bool top);

static void compare_entry(struct compare *c, int a, int b, const char *name)
{
	struct stat sa, sb;
	static char ta[65536], tb[65536];
	ssize_t n, m;

	if (fstatat(a, name, &sa, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(b, name, &sb, AT_SYMLINK_NOFOLLOW) < 0) {
		differ(c, "went away");
		return;
	}
	if ((sa.st_mode & S_IFMT) != (sb.st_mode & S_IFMT)) {
		differ(c, "type");
		return;
	}
	if (!S_ISLNK(sa.st_mode) && sa.st_mode != sb.st_mode)
		differ(c, "mode");
	if (sa.st_mtim.tv_sec != sb.st_mtim.tv_sec ||
	    sa.st_mtim.tv_nsec != sb.st_mtim.tv_nsec)
		differ(c, "mtime");
	if (geteuid() == 0 &&
	    (sa.st_uid != sb.st_uid || sa.st_gid != sb.st_gid))
		differ(c, "owner");
	if ((S_ISCHR(sa.st_mode) || S_ISBLK(sa.st_mode)) &&
	    sa.st_rdev != sb.st_rdev)
		differ(c, "device number");
	if (S_ISLNK(sa.st_mode)) {
		n = readlinkat(a, name, ta, sizeof(ta));
		m = readlinkat(b, name, tb, sizeof(tb));
		if (n != m || memcmp(ta, tb, (size_t)n) != 0)
			differ(c, "link target");
	}
	if (S_ISREG(sa.st_mode)) {
		if (sa.st_size != sb.st_size)
			differ(c, "size");
		else
			same_content(c, a, b, name);
	}
	if (!S_ISDIR(sa.st_mode)) {
		same_links(c, &sa, &sb);
	} else {
		int fa = openat(a, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		int fb = openat(b, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

		if (fa >= 0 && fb >= 0)
			compare_dirs(c, fa, fb, false);
		else
			differ(c, "cannot be opened");
		close(fa);
		close(fb);
	}
}

static void compare_dirs(struct compare *c, int a, int b, bool top)
{
	size_t na, nb, i = 0, k = 0, len = strlen(c->path);
	char **va = names_in(a, top, &na), **vb = names_in(b, top, &nb);

	while (i < na || k < nb) {
		int d = i == na ? 1 : k == nb ? -1
					      : strcmp(va[i], vb[k]);

		snprintf(c->path + len, sizeof(c->path) - len, "%s%s",
			 len ? "/" : "", d <= 0 ? va[i] : vb[k]);
		if (d < 0)
			differ(c, "only in the first");
		else if (d > 0)
			differ(c, "only in the second");
		else
			compare_entry(c, a, b, va[i]);
		i += d <= 0;
		k += d >= 0;
		c->path[len] = 0;
	}
	for (i = 0; i < na; i++)
		free(va[i]);
	for (i = 0; i < nb; i++)
		free(vb[i]);
	free(va);
	free(vb);
}

/* How many differences; -1 if a root cannot be opened. */
static int compare_trees(const char *first, const char *second, bool quiet)
{
	struct compare c = {.quiet = quiet};
	struct stat sa, sb;
	int a = open(first, O_RDONLY | O_DIRECTORY);
	int b = open(second, O_RDONLY | O_DIRECTORY);

	if (a < 0 || b < 0)
		return -1;
	compare_dirs(&c, a, b, true);
	fstat(a, &sa);
	fstat(b, &sb);
	strcpy(c.path, ".");
	if (sa.st_mode != sb.st_mode)
		differ(&c, "mode");
	if (sa.st_mtim.tv_sec != sb.st_mtim.tv_sec ||
	    sa.st_mtim.tv_nsec != sb.st_mtim.tv_nsec)
		differ(&c, "mtime");
	close(a);
	close(b);
	free(c.links);
	return c.differences;
}

#endif
