/*
 * store: the state database: snapshot, and per destination the difference.
 *
 * Snapshot S: inode and name rows (snapsync-state(5)).  The mirror M(d) of a
 * destination d is S with the rows of dest_name and dest_inode laid over it; a
 * row exists only where d differs.  store_name_set and store_inode_set change
 * S and keep every M as it was; store_mirror_* change one M.
 *
 * Ids: 1 is the root, 0 in an inode column means "nothing", 0 as a parent
 * is the limbo.  Ids are never used again.  Negative ids are things at a
 * destination that the snapshot never knew (extras, listed at a reconcile).
 *
 *     store_open(path, DB_WRITE, &s, err);
 *     db_begin(store_db(s), err); ... db_commit(store_db(s), err);
 *     store_close(s);
 *
 * Everything that changes must run inside a transaction.  Getters return 1
 * found, 0 not, < 0 error.  Threads: one.
 */
#ifndef SNAPSYNC_STORE_H
#define SNAPSYNC_STORE_H

#include "snapsync/db.h"
#include "snapsync/fsys.h"
#include "snapsync/hash.h"
#include "snapsync/vec.h"

#define STORE_ROOT 1
#define STORE_LIMBO 0
#define STORE_DEAD INT64_MAX /* at a destination: ours once, to be replaced or removed */
#define STORE_YOUNG 1u	     /* inode flag: content was read too soon after a change */

struct store;

/* What can be equal or different between source and destination. */
struct attr {
	enum fsys_type type;
	uint32_t mode, uid, gid;
	uint32_t rdev_major, rdev_minor;
	uint64_t size;
	struct fsys_time mtime;
	bool hashed;	  /* hash is known */
	struct hash hash; /* of a file's content, a link's target */
};

struct inode_row {
	int64_t id;
	int64_t dev; /* our own number of the file system */
	uint64_t ino;
	uint64_t birth; /* 0: unknown */
	uint64_t ctime; /* ns, wrapped: an identity */
	uint64_t nlink;
	unsigned flags; /* STORE_YOUNG */
	struct attr a;
};

/* A place for a name. */
struct place {
	int64_t parent;
	const char *name; /* not terminated where `len` says so */
	size_t len;
};

struct name_row {
	struct place at;
	int64_t inode;
	enum fsys_type type;
};

struct name_list {
	struct name_row *rows;
	size_t count, cap;
	struct arena arena; /* owns the names */
};

void name_list_init(struct name_list *l);
void name_list_release(struct name_list *l);
void name_list_clear(struct name_list *l);
int name_list_add(struct name_list *l, struct place at, int64_t inode,
		  enum fsys_type type, struct err *err);

int store_open(const char *path, enum db_mode mode, struct store **out, struct err *err);
void store_close(struct store *s);
struct db *store_db(struct store *s);
uint64_t store_seed(const struct store *s);
int64_t store_new_id(struct store *s);
/* The last one that was given. */
int64_t store_newest_id(const struct store *s);

/* Values of the config table; blob out is lent until the next call. */
int store_config_get(struct store *s, const char *key, struct view *out, struct err *err);
int store_config_int(struct store *s, const char *key, int64_t *out, struct err *err);
int store_config_set(struct store *s, const char *key, const void *bytes, size_t len, struct err *err);
int store_config_set_int(struct store *s, const char *key, int64_t v, struct err *err);

/* Snapshot: inodes. */
int store_inode_get(struct store *s, int64_t id, struct inode_row *row, struct err *err);
/* For a query of one's own: the columns of table inode as t, and the row that
 * they make from column `at` on. */
#define STORE_ROW(t) t ".id, " t ".dev, " t ".ino, " t ".birth, " t ".ctime, " t ".nlink, " t ".flags, " t ".type, " t ".mode, " t ".uid, " t ".gid, " t ".rdev, " t ".size, " t ".mtime, " t ".mtime_ns, " t ".hash"
void store_row(struct sql *q, int at, struct inode_row *row);
int store_inode_find(struct store *s, int64_t dev, uint64_t ino, struct inode_row *row, struct err *err);
/* row->id is chosen here (unless it is STORE_ROOT already). */
int store_inode_add(struct store *s, struct inode_row *row, struct err *err);
/* Replace old by row (same id).  Destinations keep old's attributes. */
int store_inode_set(struct store *s, const struct inode_row *old, const struct inode_row *row, struct err *err);
/* Content of an inode became known: no change, only knowledge. */
int store_inode_known(struct store *s, int64_t id, const struct hash *hash, unsigned flags, struct err *err);
/* The number was given to another inode: nobody will find this one by it. */
int store_inode_detach(struct store *s, int64_t id, struct err *err);
int store_inode_remove(struct store *s, int64_t id, enum fsys_type type, struct err *err);

/* Snapshot: names. */
int store_name_get(struct store *s, struct place at, int64_t *inode, struct err *err);
/* Make the name point to inode (0: nothing); old is what it points to now. */
int store_name_set(struct store *s, struct place at, int64_t old, enum fsys_type old_type, int64_t inode, struct err *err);
/* Take the name out of S and of every M: neither has it, as far as we care. */
int store_name_forget(struct store *s, struct place at, struct err *err);
/* All names of an inode / in a directory (ordered by name), appended. */
int store_names_of(struct store *s, int64_t inode, struct name_list *out, struct err *err);
int store_names_in(struct store *s, int64_t parent, struct name_list *out, struct err *err);
/* Relative path of a directory or of a name, from S.  0 if it hangs nowhere. */
int store_path(struct store *s, struct place at, struct buf *out, struct err *err);

/* Directory fingerprints. */
int store_print_get(struct store *s, int64_t dir, struct hash *out, struct err *err);
/* NULL: not clean. */
int store_print_set(struct store *s, int64_t dir, const struct hash *print, struct err *err);
/* Not all of the directory could be seen, so what it does not have is not known
 * (until its fingerprint is set): noted; `closed`: nothing of it, and so nothing
 * below it.  1 it is so. */
int store_unseen_set(struct store *s, int64_t dir, bool closed, struct err *err);
int store_unseen(struct store *s, int64_t dir, struct err *err);
/* The same, or one above it is closed. */
int store_hidden(struct store *s, int64_t dir, struct err *err);
/* It is to be looked at again; if not all of it could be seen, that stays so. */
int store_print_drop(struct store *s, int64_t dir, struct err *err);
/* The same of every directory that has a name of this inode. */
int store_print_spoil(struct store *s, int64_t inode, struct err *err);

/* Counts for people. */
int store_count_names(struct store *s, int64_t *out, struct err *err);

#endif
