/*
 * synced.so: preloaded into the client, it keeps what a power cut would leave
 * of the state database: after each sync of the database or its log, both are
 * copied as they are then, beside them.
 *
 *     SYNCED_DIR  the directory of state.db; the copies are kept.N and
 *                 kept.N-wal there, N from 1
 *
 * Between two syncs a power cut leaves the first's copy, and any part of what
 * was written since; SQLite takes of its log what is whole and in order, so a
 * part is the copy with some more transactions, as the next copies have.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int copies, dir = -1;

static void copy(const char *from, const char *to)
{
	char bytes[65536];
	int in = openat(dir, from, O_RDONLY), out;
	ssize_t n;

	if (in < 0)
		return;
	out = openat(dir, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	while (out >= 0 && (n = read(in, bytes, sizeof(bytes))) > 0)
		if (write(out, bytes, (size_t)n) != n)
			abort();
	close(in);
	close(out);
}

static void keep(void)
{
	const char *path = getenv("SYNCED_DIR");
	char name[64];

	if (dir < 0)
		dir = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir < 0)
		return;
	copies++;
	snprintf(name, sizeof(name), "kept.%d", copies);
	copy("state.db", name);
	snprintf(name, sizeof(name), "kept.%d-wal", copies);
	copy("state.db-wal", name);
}

static int sync_with(const char *name, int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
	int r = real(fd);

	keep();
	return r;
}

__attribute__((visibility("default"))) int fsync(int fd)
{
	return sync_with("fsync", fd);
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
	return sync_with("fdatasync", fd);
}
