/* Each test confines a child and looks what it still can. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "snapsync/accounts.h"
#include "snapsync/sandbox.h"

static char top[64], in[96], out[96];
static int listening;
static struct sockaddr_in address;

static void put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static int set_up(void **state)
{
	socklen_t len = sizeof(address);
	char path[128];

	(void)state;
	strcpy(top, "/tmp/snapsync-unit.XXXXXX");
	assert_non_null(mkdtemp(top));
	snprintf(in, sizeof(in), "%s/in", top);
	snprintf(out, sizeof(out), "%s/out", top);
	assert_int_equal(mkdir(in, 0700), 0);
	assert_int_equal(mkdir(out, 0700), 0);
	snprintf(path, sizeof(path), "%s/f", in);
	put(path);
	snprintf(path, sizeof(path), "%s/d", in);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/f", out);
	put(path);
	listening = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listening, (void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listening, 5), 0);
	assert_int_equal(getsockname(listening, (void *)&address, &len), 0);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	close(listening);
	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command);
}

/* errno of what was tried, 0 if it worked. */
static int try_open(const char *dir, const char *name, int flags)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags, 0600);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int try_rename(const char *from, const char *to)
{
	return rename(from, to) < 0 ? errno : 0;
}

static int try_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int r = connect(fd, (void *)&address, sizeof(address)) < 0 ? errno : 0;

	close(fd);
	return r;
}

static int try_exec(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(errno);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void *in_thread(void *arg)
{
	*(int *)arg = try_open(out, "f", O_RDONLY);
	return NULL;
}

/* A failed expectation is its line number, modulo what a status holds. */
#define EXPECT(e)                                                         \
	do {                                                              \
		if (!(e)) {                                               \
			fprintf(stderr, "# line %d: %s\n", __LINE__, #e); \
			return 1;                                         \
		}                                                         \
	} while (0)

static bool has(const struct sandbox_held *held, const char *what)
{
	return strstr(held->how, what) != NULL;
}

/* What cannot be had on this system must be admitted. */
static int unconfined(const struct sandbox_held *held)
{
	EXPECT(!held->files);
	EXPECT(strlen(held->how) > 10);
	EXPECT(!has(held, "files"));
	EXPECT(try_open(out, "f", O_RDONLY) == 0);
	EXPECT(try_exec() == 0);
	return 0;
}

static int writer(void)
{
	struct sandbox_place p = {open(in, O_RDONLY | O_DIRECTORY), true};
	int before = open(out, O_RDONLY | O_DIRECTORY), other = 0;
	struct sandbox_held held;
	char a[128], b[128], c[128];
	pthread_t t;

	sandbox_enter(&p, 1, SANDBOX_ALONE, &held);
	if (!held.files)
		return unconfined(&held);
	snprintf(a, sizeof(a), "%s/f", in);
	snprintf(b, sizeof(b), "%s/d/g", in);
	snprintf(c, sizeof(c), "%s/g", out);
	EXPECT(has(&held, "files"));
	EXPECT(try_open(in, "f", O_RDWR) == 0);
	EXPECT(try_open(in, "new", O_WRONLY | O_CREAT | O_TRUNC) == 0);
	EXPECT(try_rename(a, b) == 0); /* to another directory */
	EXPECT(link(b, a) == 0);
	EXPECT(truncate(a, 0) == 0);
	EXPECT(unlink(a) == 0);
	put(a); /* for the next test */
	EXPECT(try_rename(b, c) == EACCES || try_rename(b, c) == EXDEV);
	EXPECT(try_open(out, "f", O_RDONLY) == EACCES);
	EXPECT(try_open(out, "new", O_WRONLY | O_CREAT) == EACCES);
	EXPECT(try_open(in, "../out/f", O_RDONLY) == EACCES);
	EXPECT(openat(before, "f", O_RDONLY) < 0 && errno == EACCES);
	EXPECT(try_open("/etc", "passwd", O_RDONLY) == EACCES);
	EXPECT(try_open("/dev", "urandom", O_RDONLY) == 0);
	EXPECT(try_open("/dev", "null", O_RDWR) == EACCES);
	EXPECT(try_exec() == EACCES);
	EXPECT(try_connect() == (has(&held, "TCP") ? EACCES : 0));
	errno = 0;
	EXPECT((kill(getppid(), 0) == 0) == !has(&held, "signals"));
	EXPECT(pthread_create(&t, NULL, in_thread, &other) == 0);
	pthread_join(t, NULL);
	EXPECT(other == EACCES);
	return 0;
}

static int reader(void)
{
	struct sandbox_place p = {open(in, O_RDONLY | O_DIRECTORY), false};
	struct sandbox_held held;
	char a[128], b[128];

	sandbox_enter(&p, 1, 0, &held);
	if (!held.files)
		return unconfined(&held);
	snprintf(a, sizeof(a), "%s/f", in);
	snprintf(b, sizeof(b), "%s/g", in);
	EXPECT(try_open(in, "f", O_RDONLY) == 0);
	EXPECT(try_open(in, "d", O_RDONLY | O_DIRECTORY) == 0);
	EXPECT(try_open(in, "f", O_RDWR) == EACCES);
	EXPECT(try_open(in, "new", O_WRONLY | O_CREAT) == EACCES);
	EXPECT(try_rename(a, b) == EACCES);
	EXPECT(unlink(a) < 0 && errno == EACCES);
	EXPECT(try_open(out, "f", O_RDONLY) == EACCES);
	EXPECT(kill(getppid(), 0) == 0); /* may end its children */
	return 0;
}

static int nothing_at_all(void)
{
	struct sandbox_held held;

	sandbox_enter(NULL, 0, SANDBOX_ALONE, &held);
	if (!held.files)
		return unconfined(&held);
	EXPECT(try_open(in, "f", O_RDONLY) == EACCES);
	return 0;
}

/* Who asks for names goes on where the process itself could not. */
static int asker(void)
{
	struct accounts *a;
	struct sandbox_held held;
	char name[ACCOUNTS_NAME + 1];
	struct err err;
	uint32_t id = 77;

	EXPECT(accounts_open(&a, &err) == 0);
	sandbox_enter(NULL, 0, 0, &held);
	EXPECT(accounts_id(a, false, "root", &id, &err) == 1 && id == 0);
	id = 77;
	EXPECT(accounts_id(a, true, "no-such-group", &id, &err) == 0);
	EXPECT(id == 77);
	EXPECT(accounts_name(a, false, 0, name, &err) == 1);
	EXPECT(strcmp(name, "root") == 0);
	EXPECT(accounts_name(a, true, 4000000000u, name, &err) == 0);
	accounts_close(a);
	EXPECT(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
	return 0;
}

static void in_child(int (*look)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(look());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_sandbox__writes_inside_only(void **state)
{
	(void)state;
	in_child(writer);
}

static void test_sandbox__reads_only(void **state)
{
	(void)state;
	in_child(reader);
}

static void test_sandbox__nothing(void **state)
{
	(void)state;
	in_child(nothing_at_all);
}

static void test_sandbox__is_of_the_child_only(void **state)
{
	(void)state;
	assert_int_equal(try_open(out, "f", O_RDONLY), 0);
	assert_int_equal(try_exec(), 0);
	assert_int_equal(try_connect(), 0);
}

static void test_accounts__answers_a_confined_process(void **state)
{
	(void)state;
	in_child(asker);
}

/* As it lies in accounts.c. */
struct opened {
	int fd;
	pid_t pid;
};

static void test_accounts__says_when_it_is_gone(void **state)
{
	struct accounts *a;
	struct err err;
	uint32_t id;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(accounts_open(&a, &err), 0);
	assert_int_equal(accounts_id(a, false, "root", &id, &err), 1);
	kill(((struct opened *)a)->pid, SIGKILL);
	assert_int_equal(accounts_id(a, false, "root", &id, &err), -ERR_START);
	accounts_close(a);
	/* Without one this process looks for itself. */
	assert_int_equal(accounts_id(NULL, false, "root", &id, &err), 1);
	accounts_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sandbox__writes_inside_only),
		cmocka_unit_test(test_sandbox__reads_only),
		cmocka_unit_test(test_sandbox__nothing),
		cmocka_unit_test(test_sandbox__is_of_the_child_only),
		cmocka_unit_test(test_accounts__answers_a_confined_process),
		cmocka_unit_test(test_accounts__says_when_it_is_gone),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
