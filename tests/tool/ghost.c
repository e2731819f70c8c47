/*
 * ghost FILE SECONDS: the holder of a lock that is ended and does not go, as one
 * whose disk is stuck.  It shares its descriptors with another process, so that its
 * lock stays for so long after the kill; and stays a zombie, so that it has a number.
 * Prints a line when the lock is held.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void hold(const char *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDWR);

	if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0) {
		perror(path);
		_exit(1);
	}
}

int main(int argc, char **argv)
{
	int ready[2];
	siginfo_t end;
	pid_t holder, other;
	char c;

	if (argc != 3 || pipe(ready) < 0)
		return 1;
	holder = fork();
	if (holder == 0) {
		hold(argv[1]);
		/* A process of its own, the descriptors are the same. */
		other = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
		alarm(60);
		while (other == 0)
			pause();
		if (other < 0 || write(ready[1], &other, sizeof(other)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &other, sizeof(other)) != sizeof(other))
		return 1;
	printf("held by %d\n", (int)holder);
	fflush(stdout);
	c = waitid(P_PID, (id_t)holder, &end, WEXITED | WNOWAIT) < 0;
	poll(NULL, 0, atoi(argv[2]) * 1000);
	kill(other, SIGKILL);
	return c;
}
