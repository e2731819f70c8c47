/* A listing of the destination while it comes in: what listing.c, reconcile.c
 * and gather.c share. */
#ifndef SNAPSYNC_GATHER_H
#define SNAPSYNC_GATHER_H

#include "ship_local.h"

#define GATHER_MANY 65536u /* names of a directory, before we look closer */

struct found_dir {
	int64_t inode; /* as which M knows it; < 0 a stranger */
	bool fresh;    /* nothing was told of it yet */
};

struct item {
	struct place at; /* parent 0; name in the arena */
	struct attr a;
	uint64_t dev, ino, nlink;
};

struct link_key {
	uint64_t dev, ino;
};

struct listing {
	struct ship *h;
	struct map dirs;   /* path -> struct found_dir, still to come */
	struct map inodes; /* far (dev, ino) with links -> our inode */
	struct map ours;   /* our inode with links -> far number */
	struct buf dir;	   /* path of the directory being gathered */
	bool gathering, unreadable;
	struct map seen; /* directories that were listed -> 1; 0 could not be */
	bool some_unreadable;
	bool told, again; /* before it; it is listed for the second time */
	bool fresh;	  /* the directory at hand, or one to be found in it */
	bool all;	  /* all of it could be looked at */
	bool open;	  /* there is something where S may have it, unseen */
	struct name_list twins; /* taken for strangers; inode: S's there, which
				 * M had elsewhere */
	struct item *items;
	size_t count, cap, enough; /* enough: time to thin them out */
	struct arena arena;
	int64_t stranger; /* last negative number used */
	uint64_t listed, extras;
	uint64_t alone; /* extras that are left alone */
};

/* gather.c: one LISTING; arg is a struct listing. */
int gather_listing(void *arg, const struct msg_listing *m, struct err *err);
/* For qsort: struct item by name. */
int gather_by_name(const void *a, const void *b);

/* Does M have an inode of S under some (other) name already? */
int gather_elsewhere(struct listing *l, int64_t inode, struct err *err);
/* It does, and this may be the inode all the same: remember that, so that it
 * can be looked at when the listing is complete. */
int gather_twin(struct listing *l, struct place at, int64_t inode,
		struct err *err);

/* reconcile.c: the directory at hand is complete. */
int reconcile_dir(struct listing *l, struct err *err);

#endif
