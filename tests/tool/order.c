/*
 * Operations count one after the other, however many are in a batch:
 *
 *     order SEED ROUNDS ONE EACH HELPER [ARGS...]
 *
 * Chance makes operations on a few names; the destination ONE gets those of a
 * round in one batch, EACH gets a batch for each.  After every round the same
 * operations must have failed, the trees must be equal, and in tmp/ nothing may be
 * left.
 */
#include "peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { OPS_MAX = 24 };

struct side {
	struct peer p;
	const char *dest;
	uint64_t batch, stage;
	bool failed[OPS_MAX];
};

static const char *const names[] = {"a", "a/x", "a/y", "a/d", "a/d/x", "a/d/y", "b", "b/x", "b/d", "b/d/x", "c"};
static const enum msg_type kinds[] = {MSG_MKDIR, MSG_MKDIR, MSG_MKDIR, MSG_MKDIR, MSG_PLACE, MSG_PLACE, MSG_PLACE,
				      MSG_PLACE, MSG_PLACE, MSG_PLACE, MSG_SYMLINK, MSG_NODE, MSG_LINK, MSG_MOVE, MSG_REMOVE, MSG_REMOVE, MSG_META};
static char paths[OPS_MAX][2][64];

static struct msg_path path_of(const char *text)
{
	struct msg_path p = {MSG_TREE, view_of(text, strlen(text))};

	return p;
}

static void start(struct side *s, char *const helper[])
{
	struct msg_hello h = {.version_min = MSG_VERSION_MIN, .version_max = MSG_VERSION_MAX, .features = MSG_FEATURES, .flags = MSG_HELLO_NO_SYNC, .hash_kind = 1, .pair = "one by one", .seed = 1, .timeout = 30};
	struct frame f;

	h.path = view_of(s->dest, strlen(s->dest));
	h.version = view_of("order", 5);
	peer_start(&s->p, helper);
	PEER_FRAME(&s->p, MSG_HELLO, msg_put_hello(&s->p.out, &h, &peer_err));
	peer_flush(&s->p);
	if (peer_next(&s->p, &f) != MSG_WELCOME)
		peer_die("no WELCOME");
}

/* Two in three go by way of memory, the others are too long or have a hole. */
static void content(struct side *s, const char *text, size_t size)
{
	struct msg_stage stage = {.id = ++s->stage, .size = size};
	struct msg_data data = {s->stage, {(const unsigned char *)text, strlen(text), false}};
	struct msg_hole hole = {s->stage, size - strlen(text)};
	struct msg_stage_end end = {.id = s->stage};
	unsigned char *all = calloc(1, size);

	if (!all)
		peer_die("memory");
	memcpy(all, text, strlen(text));
	end.hash = hash_of(all, size, 1);
	free(all);
	PEER_FRAME(&s->p, MSG_STAGE, msg_put_stage(&s->p.out, &stage, &peer_err));
	PEER_FRAME(&s->p, MSG_DATA, msg_put_data(&s->p.out, &data, &peer_err));
	if (hole.length)
		PEER_FRAME(&s->p, MSG_HOLE, msg_put_hole(&s->p.out, &hole, &peer_err));
	PEER_FRAME(&s->p, MSG_STAGE_END, msg_put_stage_end(&s->p.out, &end, &peer_err));
}

static void put(struct side *s, struct msg_op op, unsigned number)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %u", paths[number][0], (unsigned)op.meta.mtime.s);
	if (op.type == MSG_PLACE) {
		content(s, text, op.meta.mtime.s % 3 ? strlen(text) : strlen(text) + (op.meta.mtime.s % 2 ? 300000 : 3000));
		op.stage = s->stage;
	}
	PEER_FRAME(&s->p, op.type, msg_put_op(&s->p.out, &op, &peer_err));
}

static void begin(struct side *s)
{
	peer_number(&s->p, MSG_BEGIN, ++s->batch);
}

/* Operations of the batch are numbered from `first` on. */
static void commit(struct side *s, unsigned first, uint32_t count)
{
	struct msg_commit m = {s->batch, count};
	struct msg_fail fail;
	struct frame f;
	unsigned type;

	PEER_FRAME(&s->p, MSG_COMMIT, msg_put_commit(&s->p.out, &m, &peer_err));
	peer_flush(&s->p);
	while ((type = peer_next(&s->p, &f)) != MSG_ACK) {
		if (type == 0 || type == MSG_REFUSE) {
			printf("# refused: %.*s\n", (int)f.payload.len, f.payload.p);
			exit(1);
		}
		if (type == MSG_FAIL && msg_get_fail(f.payload, &fail, &peer_err) == 0 && first + fail.index < OPS_MAX)
			s->failed[first + fail.index] = true;
	}
}

static struct msg_op chance(unsigned number, unsigned serial, unsigned world)
{
	struct msg_op op = {.type = kinds[(size_t)rand() % (sizeof(kinds) / sizeof(kinds[0]))]};
	unsigned i;

	for (i = 0; i < 2; i++)
		snprintf(paths[number][i], sizeof(paths[number][i]), "w%u%s", world, names[(size_t)rand() % (sizeof(names) / sizeof(names[0]))]);
	op.path = path_of(paths[number][0]);
	op.meta.mode = rand() % 2 ? 0755 : 0700;
	op.meta.uid = (uint32_t)geteuid();
	op.meta.gid = (uint32_t)getegid();
	op.meta.mtime.s = serial;
	op.meta.type = op.type == MSG_SYMLINK ? FSYS_SYMLINK : op.type == MSG_NODE ? FSYS_FIFO
						       : op.type == MSG_PLACE	   ? FSYS_FILE
										   : FSYS_DIR;
	if (op.type == MSG_SYMLINK)
		op.target = view_of("target", 6);
	if (op.type == MSG_MOVE || op.type == MSG_LINK)
		op.from = path_of(paths[number][1]);
	if (op.type == MSG_REMOVE)
		op.is_dir = rand() % 2;
	return op;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void look(const char *dir, struct buf *out)
{
	struct dirent **list;
	int i, n = scandir(dir, &list, NULL, by_name);

	for (i = 0; i < n; i++) {
		char path[512], line[700], bytes[64] = "";
		struct stat st;
		int fd;

		snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		if (list[i]->d_name[0] == '.' || lstat(path, &st) < 0) {
			free(list[i]);
			continue;
		}
		fd = S_ISREG(st.st_mode) ? open(path, O_RDONLY) : -1;
		if (fd >= 0 && read(fd, bytes, sizeof(bytes) - 1) < 0)
			bytes[0] = '?';
		close(fd);
		snprintf(line, sizeof(line), "%s %o %lu %lld %s\n", list[i]->d_name, (unsigned)st.st_mode,
			 S_ISDIR(st.st_mode) ? 0ul : (unsigned long)st.st_nlink, S_ISREG(st.st_mode) ? (long long)st.st_size : 0, bytes);
		peer_must(buf_put(out, line, strlen(line), &peer_err), "memory");
		if (S_ISDIR(st.st_mode))
			look(path, out);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

static bool is_empty(const char *dest)
{
	struct buf left;
	char path[512];
	bool empty = true;
	unsigned i;

	for (i = 0; i < 8; i++) {
		buf_init(&left, 1 << 20);
		snprintf(path, sizeof(path), i ? "%s/.snapsync/tmp%u" : "%s/.snapsync/tmp", dest, i);
		look(path, &left);
		empty = empty && left.len == 0;
		buf_release(&left);
	}
	return empty;
}

static bool agree(struct side *one, struct side *each, unsigned count)
{
	struct buf a, b;
	bool good = memcmp(one->failed, each->failed, count) == 0;

	buf_init(&a, 16 << 20);
	buf_init(&b, 16 << 20);
	look(one->dest, &a);
	look(each->dest, &b);
	if (good && (a.len != b.len || (a.len && memcmp(a.data, b.data, a.len) != 0)))
		good = false;
	if (!good)
		printf("# in one batch:\n%.*s# one by one:\n%.*s", (int)a.len, (const char *)a.data, (int)b.len, (const char *)b.data);
	buf_release(&a);
	buf_release(&b);
	return good;
}

int main(int argc, char **argv)
{
	struct msg_op ops[OPS_MAX];
	struct side one = {.dest = argc > 5 ? argv[3] : ""}, each = {.dest = argc > 5 ? argv[4] : ""};
	unsigned seed, rounds, i, k, count, serial = 0, done = 0;

	if (argc < 6)
		return 2;
	seed = (unsigned)atoi(argv[1]);
	rounds = (unsigned)atoi(argv[2]);
	srand(seed);
	start(&one, argv + 5);
	start(&each, argv + 5);
	for (i = 0; i < rounds; i++) {
		count = 2 + (unsigned)rand() % (OPS_MAX - 1);
		memset(one.failed, 0, sizeof(one.failed));
		memset(each.failed, 0, sizeof(each.failed));
		begin(&one);
		for (k = 0; k < count; k++) {
			ops[k] = chance(k, ++serial, i / 3);
			put(&one, ops[k], k);
		}
		commit(&one, 0, count);
		for (k = 0; k < count; k++) {
			begin(&each);
			put(&each, ops[k], k);
			commit(&each, k, 1);
			done += !each.failed[k];
		}
		if (agree(&one, &each, count) && is_empty(one.dest))
			continue;
		for (k = 0; k < count; k++)
			printf("# %s %s%s%s%s%s\n", msg_row(ops[k].type)->name, ops[k].from.path.len ? paths[k][1] : "", ops[k].from.path.len ? " to " : "", paths[k][0],
			       one.failed[k] ? ", failed in the batch" : "", each.failed[k] ? ", failed alone" : "");
		printf("# seed %u, round %u: not the same%s\n", seed, i, is_empty(one.dest) ? "" : ", or something is left in tmp/");
		return 1;
	}
	printf("%u rounds, %u operations, %u done\n", rounds, serial, done);
	return 0;
}
