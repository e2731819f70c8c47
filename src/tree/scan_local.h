/* What the files of the walk share: scan.c (the walk), scan_node.c (directories
 * on the way), scan_list.c (one listing), scan_ahead.c (its other threads). */
#ifndef SNAPSYNC_SCAN_LOCAL_H
#define SNAPSYNC_SCAN_LOCAL_H

#include <pthread.h>

#include "snapsync/map.h"
#include "snapsync/scan.h"
#include "snapsync/vec.h"

/* One directory's entries, and its descriptor. */
struct scan_list {
	int fd;		/* owned; -1: could not be opened */
	unsigned flags; /* SCAN_* */
	int sys;
	struct fsys_stat st; /* after the listing */
	struct buf path;     /* of the directory, relative to the root */
	struct scan_entry *entries;
	size_t count, cap, hidden;
	struct arena names;
	int64_t began; /* real ns: when it was begun to be listed */
	bool listed;   /* it was, and is not from memory */
	bool vanished; /* a name of it was not there any more */
};

/* What is remembered of a directory. */
struct scan_known {
	uint64_t dev, ino;
	struct fsys_time mtime, ctime;
	int64_t until; /* mono ns: then it is listed anew */
	uint64_t pass; /* last one that came here */
	size_t count, hidden, size;
	char names[]; /* count of them, each with its NUL */
};

struct scan_memory {
	struct map dirs; /* cookie -> struct scan_known *, may be NULL */
	size_t bytes;
	uint64_t pass;
	size_t seen; /* known directories that this pass came to */
};

/* A directory that was visited, and of which something below still waits. */
struct scan_node {
	struct scan_node *up; /* NULL: this is the root */
	char *name;
	size_t refs;	   /* nodes and waiting directories right below */
	int fd;		   /* -1: given up, or unreadable */
	unsigned users;	   /* threads that have fd in their hands */
	uint64_t dev, ino; /* as opened */
	struct scan_node *older, *newer; /* those with an open fd */
};

/* A directory that waits for its turn, on a stack. */
struct scan_todo {
	struct scan_node *up; /* NULL: the root */
	char *name;
	uint64_t cookie, dev, ino;
};

/* A waiting directory in somebody's hands, with its listing. */
struct scan_job {
	struct scan_todo todo;
	struct scan_list list;
	int code; /* of the listing */
	struct err err;
	struct scan_job *next; /* among the finished, or the spare ones */
};

struct scan_walk {
	const struct scan_options *options;
	scan_dir_fn on_dir;
	void *arg;
	int root_fd;
	uint64_t root_dev;
	/* All below under `lock`, once there are threads. */
	struct scan_todo *todo;
	size_t todos, todo_cap;
	struct scan_node *oldest, *newest; /* open descriptors */
	size_t open_fds;
	struct scan_job *finished, *spare;
	size_t ahead;	      /* jobs in other threads' hands or finished */
	size_t ahead_entries; /* in finished ones */
	size_t idle;	      /* threads that wait for work */
	bool waits, quit;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	pthread_t threads[SCAN_THREADS_MAX];
	size_t thread_count;
};

/* scan_list.c */
void scan_list_init(struct scan_list *l);
void scan_list_release(struct scan_list *l);
/* Empty it for another directory, whose path the caller then puts. */
void scan_list_begin(struct scan_list *l);
/* Open a directory, for listing or for what is below it only; gone: there is none
 * under the name any more. */
int scan_open_dir(int dirfd, const char *name, bool list, bool *gone,
		  struct err *err);
/* Open name in dirfd and list it, unless `look` is false (a boundary); `known`
 * (or NULL) is what is remembered of it.  What cannot be read is in flags; fails
 * only without memory. */
int scan_list_open(struct scan_list *l, int dirfd, const char *name,
		   const struct scan_options *o, bool look,
		   const struct scan_known *known, struct err *err);

/* scan_memory.c; all under the lock, but for scan_known_fits */
struct scan_known *scan_memory_get(struct scan_memory *m, uint64_t cookie);
void scan_memory_put(struct scan_memory *m, uint64_t cookie,
		     const struct scan_list *l);
void scan_memory_begin(struct scan_memory *m);
void scan_memory_end(struct scan_memory *m);
/* Is it the directory that is remembered, unchanged? */
bool scan_known_fits(const struct scan_known *k, const struct fsys_stat *st);

/* scan_node.c; all under the lock */
/* The todo becomes a node with one reference; fd (or -1) is the node's. */
struct scan_node *scan_node_new(struct scan_walk *w, struct scan_todo *t,
				int fd, struct err *err);
void scan_node_unref(struct scan_walk *w, struct scan_node *n);
/* Its descriptor, opened again if it was given up; gone: it is not there. */
int scan_node_fd(struct scan_walk *w, struct scan_node *n, bool *gone,
		 struct err *err);
/* The path of name in a node, behind what b has. */
int scan_node_path(const struct scan_node *n, const char *name, struct buf *b,
		   struct err *err);

/* scan.c */
/* Take the waiting directory at `at` of the stack; NULL without memory. */
struct scan_job *scan_claim(struct scan_walk *w, size_t at, struct err *err);
/* List it.  The lock is held, and given up meanwhile. */
void scan_do(struct scan_walk *w, struct scan_job *job);
void scan_job_free(struct scan_walk *w, struct scan_job *job);

/* scan_ahead.c */
void scan_ahead_start(struct scan_walk *w);
void scan_ahead_stop(struct scan_walk *w);
void scan_ahead_lock(struct scan_walk *w);
void scan_ahead_unlock(struct scan_walk *w);
/* Directories were put on the stack. */
void scan_ahead_wake(struct scan_walk *w);
/* A job that another thread finished; waits for one if `wait`; NULL: none. */
struct scan_job *scan_ahead_next(struct scan_walk *w, bool wait);

#endif
