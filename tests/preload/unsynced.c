/*
 * unsynced.so: preloaded into the helper, it ends it at its Nth change of the
 * file system as a power cut might: what was not synced is taken back.
 *
 *     UNSYNCED_KEEP   an empty directory on the same file system, below the
 *                     destination: the helper can reach no other
 *     UNSYNCED_AT     crash before this change or sync (1, 2 ...); 0: never
 *     UNSYNCED_LOSE   all      everything that was not synced
 *                     content  what was written into files, but no names
 *                     names    names, modes and times, but no content
 *                     random   some last names, some contents, some torn
 *     UNSYNCED_SEED   of random
 *     UNSYNCED_DEAF   1: syncs do nothing (to see that a test can fail)
 *     UNSYNCED_COUNT  a file that gets the number of changes at exit
 *
 * The model is a file system with a journal of its names (ext4, xfs, btrfs,
 * zfs, apfs) or soft updates: a rename is atomic and durable once the directory
 * of the new name is synced; other names once their directory is; a mode or a
 * time once the inode is; content after fsync or fdatasync of its file; all
 * after syncfs.  `all` takes back each change that is not durable by this,
 * whatever came after it, which is more than a journal would; `random` takes
 * back a suffix, as a journal does.  Each change is recorded with its inverse,
 * and a crash runs the inverses from the last to the first: so inodes stay
 * what they are, as on a disk.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 4096
#define EXPORT __attribute__((visibility("default")))

enum kind { CREATED,
	    RENAMED,
	    REMOVED,
	    ATTRIBUTES };

struct object {
	dev_t dev;
	ino_t ino;
};

struct change {
	enum kind kind;
	int dir, from_dir; /* ours; ATTRIBUTES: dir is the object itself */
	char name[256], from[256];
	struct object subject;
	struct object decides; /* whose sync makes it durable */
	int kept;	       /* number in keep of what was there before; or -1 */
	struct stat was;       /* ATTRIBUTES */
	int durable;
};

struct content { /* of a file that was written to */
	int fd;
	struct object of;
	char *was;
	size_t len;
};

static struct change changes[MOST];
static struct content contents[MOST];
static int change_count, content_count, kept_count, keep = -1;
static long count, crash_at;
static const char *lose;
static int deaf;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *what)
{
	dprintf(2, "unsynced: %s: %s\n", what, strerror(errno));
	_exit(99);
}

__attribute__((constructor)) static void begin(void)
{
	const char *at = getenv("UNSYNCED_AT"), *k = getenv("UNSYNCED_KEEP");

	lose = getenv("UNSYNCED_LOSE");
	lose = lose ? lose : "all";
	deaf = getenv("UNSYNCED_DEAF") != NULL;
	crash_at = at ? atol(at) : 0;
	keep = k ? open(k, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (keep < 0)
		die("UNSYNCED_KEEP");
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("UNSYNCED_COUNT");
	char text[32];
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path,
				     O_WRONLY | O_CREAT | O_TRUNC, 0600)
		      : -1;

	if (fd >= 0)
		syscall(SYS_write, fd, text,
			snprintf(text, sizeof(text), "%ld\n", count));
}

static int dup_of(int fd)
{
	int d = fcntl(fd, F_DUPFD_CLOEXEC, 100);

	if (d < 0)
		die("dup");
	return d;
}

static int same(struct object a, const struct stat *st)
{
	return a.dev == st->st_dev && a.ino == st->st_ino;
}

static struct object object_of(const struct stat *st)
{
	struct object o = {st->st_dev, st->st_ino};

	return o;
}

/* ------------------------------------------------------------ taking back */

static void put_back(const struct change *c)
{
	char from[16];

	if (c->kept < 0)
		return;
	snprintf(from, sizeof(from), "%d", c->kept);
	syscall(SYS_renameat2, keep, from, c->dir, c->name, 1 /* NOREPLACE */);
}

static void take_back(const struct change *c)
{
	struct timespec t[2];
	struct stat st;
	char proc[40];

	switch (c->kind) {
	case CREATED:
		if (fstatat(c->dir, c->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    same(c->subject, &st))
			syscall(SYS_unlinkat, c->dir, c->name,
				S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
		break;
	case RENAMED:
		if (fstatat(c->dir, c->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    same(c->subject, &st))
			syscall(SYS_renameat2, c->dir, c->name, c->from_dir,
				c->from, 1);
		put_back(c);
		break;
	case REMOVED:
		put_back(c);
		break;
	case ATTRIBUTES:
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", c->dir);
		t[0] = c->was.st_atim;
		t[1] = c->was.st_mtim;
		syscall(SYS_fchownat, AT_FDCWD, proc, c->was.st_uid,
			c->was.st_gid, 0);
		syscall(SYS_fchmodat, AT_FDCWD, proc, c->was.st_mode & 07777);
		syscall(SYS_utimensat, AT_FDCWD, proc, t, 0);
		break;
	}
}

/* `part`: so many bytes of what was written stay.  A new file keeps its length
 * and time, as where blocks are allocated late: nothing but its bytes tells. */
static void lose_content(const struct content *c, off_t part)
{
	struct timespec t[2];
	struct stat st;

	if (fstat(c->fd, &st) < 0)
		return;
	t[0] = st.st_atim;
	t[1] = st.st_mtim;
	if (part > st.st_size)
		part = st.st_size;
	syscall(SYS_ftruncate, c->fd, part);
	if ((off_t)c->len > part)
		syscall(SYS_pwrite64, c->fd, c->was + part,
			c->len - (size_t)part, part);
	if (c->len == 0)
		syscall(SYS_ftruncate, c->fd, st.st_size);
	syscall(SYS_utimensat, c->fd, NULL, t, 0);
}

static void crash(void)
{
	const char *seed = getenv("UNSYNCED_SEED");
	int random = !strcmp(lose, "random"), first = 0, i;

	srand48((seed ? atol(seed) : 1) * 1000003 + crash_at);
	for (i = 0; i < content_count; i++) {
		long what = random ? lrand48() % 3 : 0;
		off_t part = what == 1 && contents[i].fd >= 0
				     ? (off_t)(lrand48() % 5000)
				     : 0;

		if (contents[i].fd >= 0 && what < 2 && strcmp(lose, "names"))
			lose_content(&contents[i], part);
	}
	if (random) {
		for (i = 0; i < change_count; i++)
			if (changes[i].durable)
				first = i + 1;
		first += (int)(lrand48() % (change_count - first + 1));
	}
	for (i = change_count; i-- > first && strcmp(lose, "content");)
		if (!changes[i].durable)
			take_back(&changes[i]);
	kill(getpid(), SIGKILL);
	pause();
}

/* ------------------------------------------------------------ recording */

static void enter(void)
{
	pthread_mutex_lock(&lock);
	if (++count == crash_at)
		crash();
}

static long leave(long result)
{
	int was = errno;

	pthread_mutex_unlock(&lock);
	errno = was;
	return result;
}

static struct change *add(enum kind kind)
{
	struct change *c = &changes[change_count];

	if (change_count == MOST)
		die("too many changes");
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->kept = -1;
	change_count++;
	return c;
}

/* A change of dir/name; its subject is what is there now. */
static struct change *add_name(enum kind kind, int dir, const char *name)
{
	struct change *c = add(kind);
	struct stat st;

	if (dir == AT_FDCWD)
		c->dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else
		c->dir = dup_of(dir);
	snprintf(c->name, sizeof(c->name), "%s", name);
	if (fstat(c->dir, &st) == 0)
		c->decides = object_of(&st);
	if (fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		c->subject = object_of(&st);
	return c;
}

static void write_into(int fd)
{
	struct content *c = &contents[content_count];
	struct stat st;
	char proc[40];
	int i;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	for (i = 0; i < content_count; i++)
		if (contents[i].fd >= 0 && same(contents[i].of, &st))
			return;
	if (content_count == MOST)
		die("too many files");
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	c->fd = (int)syscall(SYS_openat, AT_FDCWD, proc, O_RDWR | O_CLOEXEC);
	if (c->fd < 0)
		die("open again");
	c->of = object_of(&st);
	c->len = (size_t)st.st_size;
	c->was = malloc(c->len + 1);
	if (!c->was || syscall(SYS_pread64, c->fd, c->was, c->len, 0) !=
			       (long)c->len)
		die("read");
	content_count++;
}

static void attributes_of(int fd)
{
	struct change *c;
	struct stat st;

	/* Others cannot be synced by themselves: a journal brings what was done
	 * to them with the name that they get afterwards. */
	if (fstat(fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return;
	c = add(ATTRIBUTES);
	c->dir = dup_of(fd);
	c->was = st;
	c->subject = c->decides = object_of(&st);
}

static void attributes_at(int dir, const char *name)
{
	int fd = (int)syscall(SYS_openat, dir, name,
			      O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	attributes_of(fd);
	close(fd);
}

/* What dir/name is goes on under a number: 0, or -1 if that cannot be. */
static int keep_it(int dir, const char *name, int is_dir)
{
	char to[16];
	long r;

	snprintf(to, sizeof(to), "%d", kept_count);
	if (is_dir)
		r = syscall(SYS_renameat, dir, name, keep, to);
	else
		r = syscall(SYS_linkat, dir, name, keep, to, 0);
	if (r < 0)
		return -1;
	return kept_count++;
}

static int is_empty(int dir, const char *name)
{
	int fd = (int)syscall(SYS_openat, dir, name, O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return d && n <= 2;
}

static void synced(const struct stat *st, int all)
{
	int i;

	if (deaf)
		return;
	for (i = 0; i < content_count; i++)
		if (contents[i].fd >= 0 && (all || same(contents[i].of, st))) {
			close(contents[i].fd);
			free(contents[i].was);
			contents[i].fd = -1;
		}
	for (i = 0; i < change_count; i++)
		if (all || same(changes[i].decides, st))
			changes[i].durable = 1;
}

/* ------------------------------------------------------------ the calls */

static int open_call(int dir, const char *name, int flags, mode_t mode)
{
	struct stat st;
	int fresh, fd;

	if (!(flags & (O_CREAT | O_TRUNC)))
		return (int)syscall(SYS_openat, dir, name, flags, mode);
	enter();
	fresh = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0;
	if (!fresh && flags & O_TRUNC)
		die("O_TRUNC is not known here");
	fd = (int)syscall(SYS_openat, dir, name, flags, mode);
	if (fd >= 0 && fresh)
		add_name(CREATED, dir, name);
	return (int)leave(fd);
}

#define OPEN(name)                                                 \
	EXPORT int name(int dir, const char *path, int flags, ...) \
	{                                                          \
		va_list ap;                                        \
		mode_t mode;                                       \
		va_start(ap, flags);                               \
		mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;   \
		va_end(ap);                                        \
		return open_call(dir, path, flags, mode);          \
	}
OPEN(openat)
OPEN(openat64)
OPEN(__openat_2)
OPEN(__openat64_2)

EXPORT ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	enter();
	write_into(fd);
	return leave(syscall(SYS_pwrite64, fd, p, n, at));
}

EXPORT ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return pwrite64(fd, p, n, at);
}

EXPORT ssize_t write(int fd, const void *p, size_t n)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return syscall(SYS_write, fd, p, n);
	enter();
	write_into(fd);
	return leave(syscall(SYS_write, fd, p, n));
}

EXPORT int ftruncate64(int fd, off64_t size)
{
	enter();
	write_into(fd);
	return (int)leave(syscall(SYS_ftruncate, fd, size));
}

EXPORT int ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

EXPORT ssize_t copy_file_range(int from, off64_t *from_at, int to,
			       off64_t *to_at, size_t n, unsigned flags)
{
	enter();
	write_into(to);
	return leave(syscall(SYS_copy_file_range, from, from_at, to, to_at, n,
			     flags));
}

EXPORT int mkdirat(int dir, const char *name, mode_t mode)
{
	long r;

	enter();
	r = syscall(SYS_mkdirat, dir, name, mode);
	if (r == 0)
		add_name(CREATED, dir, name);
	return (int)leave(r);
}

EXPORT int symlinkat(const char *target, int dir, const char *name)
{
	long r;

	enter();
	r = syscall(SYS_symlinkat, target, dir, name);
	if (r == 0)
		add_name(CREATED, dir, name);
	return (int)leave(r);
}

EXPORT int mknodat(int dir, const char *name, mode_t mode, dev_t dev)
{
	long r;

	enter();
	r = syscall(SYS_mknodat, dir, name, mode, dev);
	if (r == 0)
		add_name(CREATED, dir, name);
	return (int)leave(r);
}

EXPORT int mkfifoat(int dir, const char *name, mode_t mode)
{
	return mknodat(dir, name, S_IFIFO | mode, 0);
}

EXPORT int linkat(int from_dir, const char *from, int dir, const char *name,
		  int flags)
{
	long r;

	enter();
	r = syscall(SYS_linkat, from_dir, from, dir, name, flags);
	if (r == 0)
		add_name(CREATED, dir, name);
	return (int)leave(r);
}

EXPORT int renameat(int from_dir, const char *from, int dir, const char *name)
{
	struct stat st, there;
	struct change *c;
	int kept = -1;
	long r;

	enter();
	if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return (int)leave(-1);
	if (fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0) {
		if (same(object_of(&st), &there))
			return (int)leave(0);
		if (!S_ISDIR(there.st_mode) || is_empty(dir, name))
			kept = keep_it(dir, name, S_ISDIR(there.st_mode));
	}
	r = syscall(SYS_renameat, from_dir, from, dir, name);
	if (r == 0) {
		c = add_name(RENAMED, dir, name);
		c->from_dir = dup_of(from_dir);
		snprintf(c->from, sizeof(c->from), "%s", from);
		c->kept = kept;
	}
	return (int)leave(r);
}

EXPORT int unlinkat(int dir, const char *name, int flags)
{
	struct change *c;
	struct stat st;
	int kept;
	long r;

	enter();
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    S_ISDIR(st.st_mode) != !!(flags & AT_REMOVEDIR) ||
	    (S_ISDIR(st.st_mode) && !is_empty(dir, name)))
		return (int)leave(syscall(SYS_unlinkat, dir, name, flags));
	kept = keep_it(dir, name, S_ISDIR(st.st_mode));
	if (kept < 0)
		return (int)leave(-1);
	r = S_ISDIR(st.st_mode) ? 0 : syscall(SYS_unlinkat, dir, name, flags);
	if (r == 0) {
		c = add_name(REMOVED, dir, name);
		c->kept = kept;
	}
	return (int)leave(r);
}

EXPORT int fchmod(int fd, mode_t mode)
{
	enter();
	attributes_of(fd);
	return (int)leave(syscall(SYS_fchmod, fd, mode));
}

EXPORT int chmod(const char *path, mode_t mode)
{
	int fd;

	enter();
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		attributes_of(fd);
	close(fd);
	return (int)leave(syscall(SYS_fchmodat, AT_FDCWD, path, mode));
}

EXPORT int fchmodat(int dir, const char *name, mode_t mode, int flags)
{
	if (flags) {
		errno = EOPNOTSUPP;
		return -1;
	}
	enter();
	attributes_at(dir, name);
	return (int)leave(syscall(SYS_fchmodat, dir, name, mode));
}

EXPORT int fchownat(int dir, const char *name, uid_t uid, gid_t gid, int flags)
{
	enter();
	attributes_at(dir, name);
	return (int)leave(syscall(SYS_fchownat, dir, name, uid, gid, flags));
}

EXPORT int utimensat(int dir, const char *name, const struct timespec t[2],
		     int flags)
{
	enter();
	attributes_at(dir, name);
	return (int)leave(syscall(SYS_utimensat, dir, name, t, flags));
}

EXPORT int futimens(int fd, const struct timespec t[2])
{
	enter();
	attributes_of(fd);
	return (int)leave(syscall(SYS_utimensat, fd, NULL, t, 0));
}

static int sync_call(int fd, int all, long call)
{
	struct stat st;
	long r;

	enter();
	r = syscall(call, fd);
	if (r == 0 && fstat(fd, &st) == 0)
		synced(&st, all);
	return (int)leave(r);
}

EXPORT int fsync(int fd)
{
	return sync_call(fd, 0, SYS_fsync);
}
EXPORT int fdatasync(int fd)
{
	return sync_call(fd, 0, SYS_fdatasync);
}
EXPORT int syncfs(int fd)
{
	return sync_call(fd, 1, SYS_syncfs);
}
