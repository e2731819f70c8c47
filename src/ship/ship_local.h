/*
 * What the files of ship share:
 *   ship.c       course of a run           plan.c      T, the model of the far end
 *   place.c      moves and directories     remove.c    deletes
 *   content.c    files, links, metadata    send.c      one file's content
 *   home.c       which name of an inode to use
 *   long.c       content that is sent piece by piece
 *   sign.c       what an adopted file holds
 *   notes.c      what is learnt on the way
 *   emit.c       content cut into copies and literals
 *   copy.c       what the destination has to copy from
 *   batch.c      operations to journal and sink, and their answers
 *   tell.c       what was done, told when it is
 *   progress.c   how far a run is
 *   listing.c    a listing onto the mirror
 *   gather.c     its names, reconcile.c  one directory of it
 *   forget.c     what it did not find
 *   drift.c      what --verify tells of it
 */
#ifndef SNAPSYNC_SHIP_LOCAL_H
#define SNAPSYNC_SHIP_LOCAL_H

#include "snapsync/chunker.h"
#include "snapsync/index.h"
#include "snapsync/map.h"
#include "snapsync/path.h"
#include "snapsync/ship.h"
#include "snapsync/vec.h"

#define BATCH_OPS 4096u
#define BATCH_BYTES (64u << 20)
#define BATCH_NAMES                                                            \
	(4u << 20) /* bytes of paths and targets; a helper takes
				   half as much again */
#define PAGE_ROWS 512

/* T: mirror(D) with all operations planned in this run laid over it. */
struct plan {
	struct map names;   /* (parent, name) -> struct t_name */
	struct map dirs;    /* directory -> struct t_dir: where it is in T */
	struct map homes;   /* other inode -> struct t_dir: one of its names */
	struct map firm;    /* such an inode -> struct t_dir: the name that new
				   ones are linked to; len 0: none yet */
	struct map placed;  /* directories found in their final place */
	struct map touched; /* directories whose content was changed */
	struct map parked;  /* dead directory in the limbo -> struct t_dir:
				   the name it made room under */
	struct map busy;    /* inodes whose move is under way (recursion) */
	struct arena arena; /* names in the maps */
	size_t depth;	    /* of that recursion */
	int64_t path_of;    /* directory whose path is in `path`, or -1 */
	struct buf path;
	enum msg_area area;
};

struct t_name {
	int64_t inode;
	enum fsys_type type;
};

struct t_dir {
	struct place at;
};

/* copy.c */
#define SOURCES 4u

struct spot {
	uint64_t key;
	size_t at; /* in the list */
};

/* Something the destination has, to copy from. */
struct source {
	int64_t inode;
	struct hash hash;
	bool usable;
	struct buf path;
	struct chunk_list list;
	uint64_t *ends;	    /* offset behind each of them */
	struct spot *spots; /* each of them, by key; made when needed */
	unsigned sought;    /* how often */
	size_t next;	    /* chunk that comes behind the last one taken */
	uint64_t used;	    /* last time, by a counter; 0 free */
};

/* A COPY that was sent. */
struct copied {
	uint64_t stage, at, length; /* offset in the stage */
	int64_t inode;		    /* it took from ... */
	struct hash hash;	    /* ... this version ... */
	uint64_t from;		    /* ... at this offset */
};

/* emit.c */
#define EMIT_BYTES (2u * CHUNK_MAX)

struct emit {
	struct chunker chunker;
	struct chunk_size size;
	struct chunk_list list; /* of the content so far */
	uint64_t stage;
	bool cutting, looking;
	uint64_t cut_at;       /* of the content, cut so far */
	uint64_t skip_to;      /* of it the helper has that much already */
	unsigned char *buffer; /* EMIT_BYTES, for what does not fit at once */
	size_t filled;
	/* the copy that is growing */
	struct hash_state *hash;
	struct buf path;
	uint64_t sent; /* of the stage, before that copy */
	int64_t copy_inode;
	struct hash copy_hash; /* of that version */
	uint64_t copy_at, copy_length;
};

/* long.c: a file that is read piece by piece. */
#define LONG_BYTES (8u << 20) /* from here on with a key, and patiently */
#define LONG_MORE 3	      /* the deadline came first */

enum reading_state {
	READ_NOT_BEGUN,
	READ_COMPARE,
	READ_STAGE,
	READ_ASKED,
	READ_PREFIX,
	READ_SEND,
	READ_DONE,
	READ_FAILED
};

struct reading {
	enum reading_state state;
	struct ship *h;
	struct emit *emit;
	struct hash_state *hash;
	int fd;
	int64_t inode;
	struct fsys_stat before; /* when it was opened ... */
	int64_t read_at;	 /* ... real time, ns */
	uint64_t size, stage;
	unsigned bits;	  /* chunks of the last version were cut with, or 0 */
	struct attr have; /* what the destination has of this inode */
	bool keyed, staged, wanted;
	uint64_t at, data_end; /* read so far; end of this stretch of data */
	int64_t until;	       /* mono ns, or 0 */
	bool there_known;      /* the helper has told ... */
	uint64_t there;	       /* ... how much it has of an earlier session */
	struct hash there_hash, result;
	int verdict; /* DONE: 1 sent, 2 the same; FAILED: 0 or the error */
	struct err err;
};

struct ship {
	struct ship_progress progress;
	struct buf at_hand; /* owns progress.path */
	struct store *s;
	struct dest *d;
	int root_fd;
	uint32_t euid; /* ours */
	struct ship_options o;
	struct ship_counts counts;
	struct problem_teller teller;
	struct remote *remote;
	struct accounts *accounts; /* lent; NULL: we look ourselves */
	struct sink *sink;
	struct sink_null null;
	struct plan plan;
	/* the batch being filled */
	bool open;
	uint64_t batch;
	struct journal_row *rows;
	size_t row_count, row_cap;
	struct arena row_arena;
	uint64_t batch_bytes, batch_names;
	/* what is told when it is settled, in order */
	struct waiting *told_first, *told_last;
	size_t told_bytes;
	/* answers */
	struct journal_fail *fails;
	size_t fail_count, fail_cap;
	uint64_t fail_batch; /* they are all of this one */
	bool surprised;
	bool problems; /* there were some, before this campaign */
	/* sending */
	uint64_t stage;	   /* last number used */
	unsigned char *io; /* MSG_DATA_MAX bytes */
	struct hash_state *hash;
	int64_t src_parent; /* directory that src_fd is, or -1 */
	int src_fd;
	struct map owners; /* uid or gid already told */
	uint64_t restless;
	uint64_t extras_kept;
	enum {
		SHIP_UNSEEN, /* some of it could not be looked at */
		SHIP_DECIDED,
		SHIP_WITHHELD,
		SHIP_SOURCE_EMPTY
	} outcome;   /* of the last listing */
	bool told;   /* verify: its lines, once in a run */
	bool listed; /* since the last run */
	struct buf scratch;
	struct note *notes;
	size_t note_count, note_cap;
	struct arena note_arena;
	/* content */
	struct emit *emit; /* one of the two */
	struct emit small, large;
	struct reading *reading; /* a long file on its way, see send.c */
	struct source sources[SOURCES];
	uint64_t source_clock;
	uint64_t loads_won, loads_lost; /* of lists, for a chunk */
	bool can_copy;			/* negotiated, and there is something */
	bool batch_moves;		/* the open batch has a MOVE or LINK */
	unsigned long long parks; /* so many have got a name in the limbo */
	uint64_t failed_before;	  /* this campaign */
	struct map
		replaced; /* inodes with a FILE (SYMLINK, NODE) in this campaign */
	/* File -> batch that takes the first of its names, until all that was
	 * sent is settled: M knows it then. */
	struct map removed;
	struct copied *copied;
	size_t copied_count, copied_cap;
	bool needs;	    /* some copy was refused */
	bool repairs;	    /* what was to be copied from is sent: no copies */
	struct copied *bad; /* those */
	size_t bad_count, bad_cap;
};

/* progress.c: all of it only where somebody wants to know. */
int progress_begin(struct ship *h, struct err *err);
/* A file whose content is sent piece by piece. */
int progress_file(struct ship *h, struct place at, struct err *err);
void progress_content(struct ship *h, uint64_t bytes);
void progress_operation(struct ship *h, struct view path);
void progress_end(struct ship *h, bool complete);

/* plan.c */
void plan_init(struct plan *p);
void plan_clear(struct plan *p);
void plan_release(struct plan *p);
/* Does T have another thing under a name than M (0: nothing), or the same one
 * that was put there in this campaign? */
bool plan_changed(struct ship *h, struct place at, int64_t *inode,
		  enum fsys_type *type);
/* What T has under a name: 1 and inode, type, or 0. */
int plan_get(struct ship *h, struct place at, int64_t *inode,
	     enum fsys_type *type, struct err *err);
int plan_set(struct ship *h, struct place at, int64_t inode,
	     enum fsys_type type, struct err *err);
/* Where a directory, or any one name of another inode, is in T; 0 nowhere. */
int plan_where(struct ship *h, int64_t inode, enum fsys_type type,
	       struct place *out, struct err *err);
/* The path of a name in T into out. */
int plan_path(struct ship *h, struct place at, struct buf *out,
	      enum msg_area *area, struct err *err);
int plan_touch(struct ship *h, int64_t dir, struct err *err);

/* batch.c */
struct op {
	enum journal_op op;
	int64_t inode;
	enum fsys_type type;
	struct place at, from;
	bool at_root; /* META of the root itself */
	struct attr attr;
	uint64_t stage;
	uint64_t bytes;
	struct view target;
	struct ship_report report; /* op, type, paths are filled in */
	bool silent;		   /* nothing to tell a person */
};
int batch_put(struct ship *h, struct op *op, struct err *err);
/* Close the open batch, if any. */
int batch_commit(struct ship *h, struct err *err);
/* Take answers; wait for all of them if `all`. */
int batch_answers(struct ship *h, bool all, struct err *err);
/* Take an answer, if one comes within that time. */
int batch_wait(struct ship *h, int wait_ms, struct err *err);

/* tell.c */
/* The last row of the open batch, to be told when it is done; it is copied. */
int tell_put(struct ship *h, const struct ship_report *r, struct err *err);
/* This operation was done: see journal_settled. */
void tell_done(void *ship, uint64_t batch, uint32_t index);
/* What d->acked covers and is not told by now failed. */
void tell_settled(struct ship *h);
/* Operations of batches after this one never happened. */
void tell_forget(struct ship *h, uint64_t batch);
/* Too much to tell: wait for answers. */
int tell_bound(struct ship *h, struct err *err);

/* place.c */
/* Make the directory exist in T, in its final place. */
int place_dir(struct ship *h, int64_t dir, struct err *err);
/* Move a directory or other inode that T has to where S wants it. */
int place_moved(struct ship *h, struct place at, int64_t inode,
		enum fsys_type type, struct err *err);
/* 1 if T has the inode under every name S wants. */
int place_complete(struct ship *h, int64_t inode, struct err *err);
/* All moves of the run. */
int place_all(struct ship *h, struct err *err);

/* remove.c */
int remove_all(struct ship *h, struct err *err);
/* What was parked in the limbo in this run and has no place any more. */
int remove_parked(struct ship *h, struct err *err);
/* What has become excluded since it was to go stays, and is nobody's: 1. */
int remove_excluded(struct ship *h, const struct name_row *row,
		    struct err *err);

/* content.c */
int content_names(struct ship *h, struct err *err);
int content_inodes(struct ship *h, struct err *err);
int content_dirs(struct ship *h, struct err *err);
/* Settle files that only might have changed, without the far end. */
int content_recheck(struct ship *h, struct err *err);

/* home.c */
/* A name that both S and T give to an inode which is no directory, rather one
 * that was there before than one that was planned in this run and may fail: 1. */
int home_place(struct ship *h, int64_t inode, struct place *out,
	       struct err *err);
/* What a new name of it is linked to: such a name, or any that T has; else 0. */
int home_link(struct ship *h, const struct inode_row *row, struct place *out,
	      struct err *err);
/* Nothing could be put under this name the last time: 1 and another one that S
 * gives to the inode. */
int home_other(struct ship *h, struct place at, int64_t inode,
	       struct place *out, struct err *err);

/* send.c */
enum send_result {
	SEND_NOT,    /* could not be read now: noted */
	SEND_STAGED, /* in *stage; *attr is what was sent */
	SEND_SAME    /* the destination has this content already */
};
bool send_same_stat(const struct fsys_stat *a, const struct fsys_stat *b);
/* Is it what the snapshot speaks of? */
bool send_is_row(const struct fsys_stat *st, const struct inode_row *row);
/* Read the source's file under a name of S.  have: what the destination has
 * of this inode, or NULL.  Returns enum send_result or an error. */
int send_file(struct ship *h, struct place at, const struct inode_row *row,
	      const struct attr *have, struct attr *attr, uint64_t *stage,
	      struct err *err);
/* The symbolic link's target into h->scratch. */
int send_target(struct ship *h, struct place at, const struct inode_row *row,
		struct err *err);
int send_owner(struct ship *h, const struct attr *a, struct err *err);

/* copy.c */
/* The base of all copies changed (a batch was closed). */
void copy_forget(struct ship *h);
/* Where the helper has this inode, after the last COMMIT: 1. */
int copy_path(struct ship *h, int64_t inode, struct buf *path, struct err *err);
/* What most likely comes next, if content was cut like this: its length, or 0. */
size_t copy_expect(const struct ship *h, unsigned bits, uint64_t *key);
/* A chunk that the destination has: 1, where. */
int copy_find(struct ship *h, uint64_t key, uint32_t len,
	      struct source **source, uint64_t *at, struct err *err);
/* A file with exactly this content: 1, its path. */
int copy_find_whole(struct ship *h, const struct hash *hash, uint64_t size,
		    int64_t *inode, struct buf *path, struct err *err);
/* A REMOVE of the file was put into the batch. */
int copy_removed(struct ship *h, int64_t inode, struct err *err);
int copy_note(struct ship *h, const struct copied *c, struct err *err);
/* The helper found something else where this range of a stage was to come from:
 * that is not copied from again. */
int copy_refused(struct ship *h, uint64_t stage, uint64_t offset,
		 struct err *err);
/* What was found not to be right there, and was not replaced since, counts as
 * changed: it is sent again. */
int copy_repair(struct ship *h, struct err *err);

/* ahead.c */
/* Reading ahead below root_fd.  NULL: no memory, which is no error: every
 * function takes NULL. */
struct ahead *ahead_new(int root_fd);
/* Asked once for each page of names: did reading wait for the disk since? */
bool ahead_pays(struct ahead *a);
/* What comes next, from front to back; the rest of the list before is dropped.
 * It is strings: a directory's path behind a '/', then names in it. */
void ahead_hand(struct ahead *a, struct buf *list);
void ahead_free(struct ahead *a);

/* sign.c */
/* If nothing is known of the content that the destination has under this inode,
 * ask; *have and the index know it then. */
int sign_learn(struct ship *h, int64_t inode, struct attr *have,
	       struct err *err);

/* long.c */
/* Take over what was opened: h->reading. */
int long_new(struct ship *h, const struct reading *begun, struct err *err);
void long_free(struct ship *h);
/* Give it up, for now or for good. */
int long_leave(struct ship *h, struct err *err);
int long_drop(struct ship *h, struct err *err);
/* The helper has this much of it. */
void long_have(struct ship *h, uint64_t stage, uint64_t length,
	       const struct hash *hash);
/* 1 sent, 2 the destination has it already, 0 not what it was, LONG_MORE. */
int long_run(struct reading *rd, int64_t until, struct err *err);

/* emit.c */
int emit_init(struct ship *h, struct err *err);
void emit_release(struct ship *h);
/* If the destination has the very content: STAGE to STAGE_END; 1. */
int emit_copy_whole(struct ship *h, uint64_t stage, const struct hash *hash,
		    uint64_t size, struct err *err);
/* STAGE, and then either all of the content at once ... */
int emit_begin(struct ship *h, uint64_t stage, uint64_t size, unsigned bits,
	       const struct hash *key, struct err *err);
/* Once more from the start; the helper has the first `skip` bytes. */
void emit_again(struct ship *h, uint64_t skip);
int emit_whole(struct ship *h, const unsigned char *p, size_t len,
	       struct err *err);
/* ... or piece by piece: put bytes into the room, and say how many. */
int emit_room(struct ship *h, unsigned char **p, size_t *room, struct err *err);
int emit_filled(struct ship *h, size_t len, struct err *err);
int emit_hole(struct ship *h, uint64_t length, struct err *err);
int emit_flush(struct ship *h, struct err *err);

/* notes.c: knowledge gained on the way, written with the next batch. */
/* The content of an inode of the snapshot. */
int notes_known(struct ship *h, int64_t inode, const struct hash *hash,
		unsigned flags, struct err *err);
/* The chunks of that content; the list is taken over. */
int notes_chunks(struct ship *h, int64_t inode, const struct hash *hash,
		 struct chunk_list *l, struct err *err);
/* The destination has the inode like this, without an operation. */
int notes_settled(struct ship *h, int64_t inode, const struct attr *a,
		  struct err *err);
/* Something about this entry could not be done: say so and go on. */
int notes_problem(struct ship *h, struct place at, int code, const char *text,
		  struct err *err);
/* Inside a transaction: all of them into the database. */
int notes_write(struct ship *h, struct err *err);
int notes_flush(struct ship *h, struct err *err);
/* Without writing them. */
void notes_drop(struct ship *h);

/* forget.c */
/* Nothing of what M has below this directory is there any more. */
int forget_below(struct ship *h, int64_t dir, struct err *err);
/* What M has in directories that the listing did not come to (the limbo is
 * one) is not there.  listed: directory -> 1, or 0 if it could not be read. */
int forget_unseen(struct ship *h, const struct map *listed,
		  bool some_unreadable, struct err *err);

/* drift.c */
/* --verify: this name, in the directory whose path is lent, is not as it was
 * left; what: what differs. */
void drift_tell(struct ship *h, struct buf *dir, enum ship_drift kind,
		const struct place *at, enum fsys_type type, const char *what);
/* It cannot be looked at there. */
void drift_unseen(struct ship *h, const struct buf *dir, struct view name);
/* Is the far time what is left of ours on a file system that stores no better? */
bool drift_same_time(const struct ship *h, struct fsys_time ours,
		     struct fsys_time far);
/* Modes that differ by more than what a helper without privileges may not set. */
bool drift_same_mode(const struct ship *h, const struct attr *a,
		     const struct attr *far);
/* In what do they differ?  "" or such as "size, mode". */
void drift_what(const struct ship *h, const struct attr *a,
		const struct attr *far, char *out, size_t size);

/* listing.c */
/* explained: the position is the journal's, so the limbo holds what it says. */
int reconcile(struct ship *h, bool explained, struct err *err);
/* Is it to be listed now, in a session that has listed it before?  1, 0. */
int reconcile_wanted(struct ship *h, struct err *err);

#endif
