/*
 * accounts: which number a user or group has here, and the other way round.
 *
 *     accounts_open(&n, err);            before the process confines itself
 *     accounts_id(n, group, "daemon", &id, err);
 *     accounts_close(n);
 *
 * The system may need its files, sockets, modules or the network to answer
 * that, none of which a confined process has any more.  So a process of its own
 * asks, started before: it takes nothing but names and numbers, holds no
 * descriptor of files, and goes when its parent does.  With `n` NULL this
 * process asks for itself.
 *
 * Errors: -ERR_START if that process cannot be started or has gone.
 *
 * Threads: one at a time.
 */
#ifndef SNAPSYNC_ACCOUNTS_H
#define SNAPSYNC_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "snapsync/err.h"

#define ACCOUNTS_NAME 255u /* bytes of a name; longer ones are not known */

struct accounts;

int accounts_open(struct accounts **out, struct err *err);
/* 1 it is known, 0 it is not, or an error. */
int accounts_id(struct accounts *n, bool group, const char *name, uint32_t *id,
		struct err *err);
int accounts_name(struct accounts *n, bool group, uint32_t id,
		  char out[ACCOUNTS_NAME + 1], struct err *err);
void accounts_close(struct accounts *n);

#endif
