/*
 * Linux: Landlock.  The kernel is asked which version of it there is, and all
 * that this one has is used.  Structures and numbers are those of the kernel's
 * interface, written down here since the headers of many systems are older
 * than their kernels.
 */
#define _GNU_SOURCE
#include "snapsync/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#define ASK_VERSION 1u
#define RULE_BENEATH 1

/* What can be done with files, by bits of one mask. */
#define BIT(n) (UINT64_C(1) << (n))
#define READ_FILE BIT(2)
#define READ_DIR BIT(3)
#define TO_READ (READ_FILE | READ_DIR)
#define TO_EXECUTE BIT(0)
#define FIRST_ALL (BIT(13) - 1) /* of ABI 1: these, and write, make, remove */
#define REFER BIT(13)		/* rename and link between directories: ABI 2 */
#define TRUNCATE BIT(14)	/* ABI 3 */
#define IOCTL_DEV BIT(15)	/* ABI 5 */
#define TCP_ALL 3u		/* bind, connect: ABI 4 */
#define SCOPE_ABSTRACT 1u	/* unix sockets without a path: ABI 6 */
#define SCOPE_SIGNAL 2u

struct ruleset {
	uint64_t files, net, scoped;
};

struct beneath {
	uint64_t allowed;
	int32_t dir;
} __attribute__((packed));

/* The sanitizers' own needs, see the Makefile. */
#ifndef SANDBOX_ALSO_READ
#define SANDBOX_ALSO_READ NULL
#endif

static int allow(int rules, int dir, uint64_t what)
{
	struct beneath b = {what, dir};

	return (int)syscall(SYS_landlock_add_rule, rules, RULE_BENEATH, &b, 0);
}

static int allow_path(int rules, const char *path, uint64_t what)
{
	int r, dir = path ? open(path, O_PATH | O_CLOEXEC) : -1;

	if (dir < 0)
		return 0;
	r = allow(rules, dir, what);
	close(dir);
	return r;
}

static void forbidden(long abi, unsigned flags, struct ruleset *out)
{
	memset(out, 0, sizeof(*out));
	out->files = FIRST_ALL | REFER | (abi >= 3 ? TRUNCATE : 0) |
		     (abi >= 5 ? IOCTL_DEV : 0);
	out->net = abi >= 4 ? TCP_ALL : 0;
	if (abi >= 6)
		out->scoped = SCOPE_ABSTRACT |
			      (flags & SANDBOX_ALONE ? SCOPE_SIGNAL : 0);
}

static int enter(const struct ruleset *set, const struct sandbox_place *places,
		 size_t count)
{
	int r = 0, sys,
	    rules = (int)syscall(SYS_landlock_create_ruleset, set, sizeof(*set),
				 0);
	size_t i;

	if (rules < 0)
		return -1;
	for (i = 0; r == 0 && i < count; i++)
		r = allow(rules, places[i].dir,
			  places[i].write
				  ? set->files & ~(TO_EXECUTE | IOCTL_DEV)
				  : TO_READ);
	if (r == 0)
		r = allow_path(rules, SANDBOX_RANDOM, READ_FILE);
	if (r == 0)
		r = allow_path(rules, SANDBOX_ALSO_READ, TO_READ);
	if (r == 0)
		r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (r == 0)
		r = (int)syscall(SYS_landlock_restrict_self, rules, 0);
	sys = errno;
	close(rules);
	errno = sys;
	return r;
}

void sandbox_enter(const struct sandbox_place *places, size_t count,
		   unsigned flags, struct sandbox_held *held)
{
	struct ruleset set;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);

	held->files = false;
	if (abi < 0) {
		snprintf(held->how, sizeof(held->how), "%s",
			 errno == EOPNOTSUPP
				 ? "Landlock is switched off in this kernel"
				 : "this kernel has no Landlock");
		return;
	}
	if (abi < 2) {
		/* It would forbid every rename to another directory. */
		snprintf(held->how, sizeof(held->how),
			 "the Landlock of this kernel is too old");
		return;
	}
	forbidden(abi, flags, &set);
	if (enter(&set, places, count) < 0) {
		snprintf(held->how, sizeof(held->how), "Landlock failed: %s",
			 strerror(errno));
		return;
	}
	held->files = true;
	snprintf(held->how, sizeof(held->how), "Landlock (ABI %ld): files%s%s",
		 abi, set.net ? ", TCP" : "",
		 set.scoped & SCOPE_SIGNAL ? ", signals" : "");
}
