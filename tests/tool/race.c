/*
 * Somebody at the destination replaces directories by symbolic links to outside
 * and back, all the time, while a client works there:
 *
 *     race SECONDS ROOT OUTSIDE HELPER [ARGS...]
 *
 * The destination is ROOT/dest.  OUTSIDE has the same names as the destination.
 * Prints how much was done; whether OUTSIDE is as it was, the caller looks.
 */
#include "peer.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

static const char *outside;
static int root_fd;
static atomic_int over;
static atomic_ulong swaps;

/* What is replaced: directories, and files of the helper's own. */
static const char *const victims[] = {"dest/a", "dest/a/d", "dest/b", "dest/a/f", "dest/b/kept", "dest/b/kept/a",
				      "dest/.snapsync/tmp",
				      "dest/.snapsync/limbo", "dest/.snapsync", "dest/.snapsync/redo", "dest/.snapsync/position", "dest"};
#define VICTIMS (sizeof(victims) / sizeof(victims[0]))

/* The directory that holds the victim, through no link: we have made some. */
static int parent_of(const char *path, const char **name)
{
	int fd = dup(root_fd), next;
	const char *slash;
	char one[64];

	while (fd >= 0 && (slash = strchr(path, '/'))) {
		snprintf(one, sizeof(one), "%.*s", (int)(slash - path), path);
		next = openat(fd, one, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(fd);
		fd = next;
		path = slash + 1;
	}
	*name = path;
	return fd;
}

static void swap(unsigned i, unsigned spins, const char *away, unsigned number)
{
	char target[4096], old[32];
	const char *name;
	int dir = parent_of(victims[i], &name);

	/* A file becomes a link to a file. */
	snprintf(target, sizeof(target), "%s%s", outside,
		 i == 3 || i == 9 || i == 10 ? "/f" : i == 1 ? "/d"
							     : "");
	if (dir < 0)
		return;
	if (renameat(dir, name, root_fd, away) == 0) {
		if (symlinkat(target, dir, name) == 0) {
			for (; spins > 0; spins--)
				atomic_load(&over);
			/* Something of the client's may be there by now. */
			if (unlinkat(dir, name, 0) < 0)
				unlinkat(dir, name, AT_REMOVEDIR);
			atomic_fetch_add(&swaps, 1);
		}
		/* It has made a new one: that one goes on. */
		snprintf(old, sizeof(old), "old%u", number);
		if (renameat(root_fd, away, dir, name) < 0)
			renameat(root_fd, away, root_fd, old);
	}
	close(dir);
}

static void *swapper(void *arg)
{
	unsigned seed = (unsigned)(size_t)arg, i, number;
	char away[16];

	snprintf(away, sizeof(away), "away%u", seed);
	while (!over) {
		/* Mostly the mirror itself: the rest ends sessions. */
		i = (unsigned)rand_r(&seed) % 64;
		number = (unsigned)rand_r(&seed);
		swap(i < VICTIMS ? i : i % 6, number % 20000, away, number);
	}
	return NULL;
}

/* ------------------------------------------------ the client */

struct counts {
	unsigned long sessions, batches, fails, ops;
};

static unsigned seed = 1;
static uint64_t batch, stage;

static struct msg_path pick(void)
{
	static const char *const paths[] = {"a/f", "a/d/f", "a/g", "a/d/new", "a/new", "a/d", "b/f", "b/new", "a", "b"};
	const char *p = paths[(unsigned)rand_r(&seed) % 10];
	struct msg_path path = {MSG_TREE, view_of(p, strlen(p))};

	return path;
}

static void one_op(struct peer *p)
{
	static const enum msg_type types[] = {MSG_MKDIR, MSG_PLACE, MSG_SYMLINK, MSG_NODE, MSG_LINK, MSG_MOVE,
					      MSG_REMOVE, MSG_META, MSG_META, MSG_PLACE};
	struct msg_op op = {.type = types[(unsigned)rand_r(&seed) % 10], .path = pick(), .from = pick()};
	char text[16] = "from the client";
	struct msg_stage s = {.id = stage + 1, .size = sizeof(text)};
	struct msg_data d = {stage + 1, {(const unsigned char *)text, sizeof(text), false}};
	struct msg_stage_end e = {stage + 1, hash_of(text, sizeof(text), 1)};
	struct msg_copy c = {.id = stage + 1, .length = 4, .path = pick()};
	bool is_dir = rand_r(&seed) % 2;

	if (op.type == MSG_REMOVE && rand_r(&seed) % 2)
		op.from.path.len = 0;
	op.is_dir = is_dir || op.from.path.len;
	op.meta.type = op.type == MSG_MKDIR || (op.type == MSG_META && is_dir) ? FSYS_DIR
		       : op.type == MSG_SYMLINK				       ? FSYS_SYMLINK
		       : op.type == MSG_NODE				       ? FSYS_FIFO
									       : FSYS_FILE;
	op.meta.mode = 0700;
	op.meta.uid = (uint32_t)geteuid();
	op.meta.gid = (uint32_t)getegid();
	op.target = view_of(outside, strlen(outside));
	if (op.type == MSG_PLACE) {
		op.stage = ++stage;
		PEER_FRAME(p, MSG_STAGE, msg_put_stage(&p->out, &s, &peer_err));
		if (is_dir)
			PEER_FRAME(p, MSG_COPY, msg_put_copy(&p->out, &c, &peer_err));
		else
			PEER_FRAME(p, MSG_DATA, msg_put_data(&p->out, &d, &peer_err));
		PEER_FRAME(p, MSG_STAGE_END, msg_put_stage_end(&p->out, &e, &peer_err));
	}
	PEER_FRAME(p, op.type, msg_put_op(&p->out, &op, &peer_err));
}

static void ask(struct peer *p)
{
	struct msg_list l = {.flags = MSG_LIST_HASH};
	struct msg_sign s = {1, pick()};

	l.root.path = view_of("", 0);
	PEER_FRAME(p, MSG_LIST, msg_put_list(&p->out, &l, &peer_err));
	PEER_FRAME(p, MSG_SIGN, msg_put_sign(&p->out, &s, &peer_err));
}

static bool hello(struct peer *p)
{
	struct msg_hello h = {.version_min = MSG_VERSION_MIN, .version_max = MSG_VERSION_MAX, .features = MSG_FEATURES, .seed = 1, .flags = MSG_HELLO_NO_SYNC, .hash_kind = 1, .pair = "a racing pair!!", .timeout = 10};
	struct msg_welcome w;
	struct frame f;

	h.path = view_of("dest", 4);
	h.version = view_of("race", 4);
	h.backup_dir = view_of("b/kept", rand_r(&seed) % 2 ? 6 : 0);
	PEER_FRAME(p, MSG_HELLO, msg_put_hello(&p->out, &h, &peer_err));
	peer_flush(p);
	if (peer_next(p, &f) != MSG_WELCOME || msg_get_welcome(f.payload, &w, &peer_err) < 0)
		return false;
	if (w.position > batch)
		batch = w.position;
	return true;
}

/* Some batches; the helper may give up when its own files are replaced. */
static void session(char *const helper[], struct counts *n)
{
	struct frame f;
	struct peer p;
	unsigned i, k, ops, type = MSG_ACK;

	peer_start(&p, helper);
	stage = 0;
	n->sessions++;
	for (i = 0; hello(&p) && i < 1; i++)
		for (k = 0; k < 100 && type == MSG_ACK && !over; k++) {
			struct msg_commit c = {++batch, 0};

			peer_number(&p, MSG_BEGIN, batch);
			/* Now and then so many that a thread does them. */
			ops = k % 8 ? 10 : 200;
			for (c.count = 0; c.count < ops; c.count++)
				one_op(&p);
			PEER_FRAME(&p, MSG_COMMIT, msg_put_commit(&p.out, &c, &peer_err));
			if (k % 4 == 0)
				ask(&p);
			peer_flush(&p);
			while ((type = peer_next(&p, &f)) != MSG_ACK && type != MSG_REFUSE && type != 0)
				n->fails += type == MSG_FAIL;
			n->batches += type == MSG_ACK;
			n->ops += ops;
		}
	close(p.to);
	while (!p.over && peer_read(&p, 2000))
		p.at = p.in.len;
	close(p.from);
	if (p.over)
		waitpid(p.pid, (int *)&k, 0);
	else
		kill(p.pid, SIGKILL), waitpid(p.pid, (int *)&k, 0);
	if (WIFSIGNALED((int)k)) {
		printf("# a helper ended by signal %d\n", WTERMSIG((int)k));
		exit(1);
	}
	buf_release(&p.in);
	buf_release(&p.out);
}

int main(int argc, char **argv)
{
	struct counts n = {0, 0, 0, 0};
	pthread_t threads[2];
	int64_t until;
	size_t i;

	if (argc < 5)
		return fprintf(stderr, "usage: race SECONDS ROOT OUTSIDE HELPER [ARGS...]\n"), 2;
	outside = argv[3];
	root_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return perror(argv[2]), 2;
	until = clock_mono() + atoi(argv[1]) * CLOCK_SECOND;
	for (i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, swapper, (void *)(i + 1));
	while (clock_mono() < until)
		session(argv + 4, &n);
	over = 1;
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("%lu swaps, %lu sessions, %lu batches, %lu operations, %lu failed\n", (unsigned long)swaps,
	       n.sessions, n.batches, n.ops, n.fails);
	return n.batches == 0 || n.fails == 0 || swaps == 0;
}
