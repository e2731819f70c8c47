/*
 * What the files of the helper share:
 *   serve.c     the session: frames, states, credit
 *   open.c      the destination: path, lock, files of ours
 *   confine.c   paths, component by component
 *   stage.c     content and special files in tmp/
 *   berth.c     where that lies, and its sync
 *   fresh.c     directories of the batch, staged with what comes into them
 *   keyed.c     long files there, which outlive a session
 *   commit.c    operations noted, and the course of a commit
 *   commit_thread.c  the same in a thread    pulse.c  life is shown meanwhile
 *   changing.c  what the batch under way changes
 *   identity.c  who the subject of each operation is
 *   redo.c      the redo log            position.c  the durable position
 *   room.c      room for both on a full disk
 *   execute.c   one operation           touched.c   what is to be synced
 *   sign.c      how a file is cut
 *   merge.c     what a directory held that had to make room
 *   owner.c     owners and modes        list.c      listings
 */
#ifndef SNAPSYNC_APPLY_LOCAL_H
#define SNAPSYNC_APPLY_LOCAL_H

#include "snapsync/apply.h"
#include "snapsync/codec.h"
#include "snapsync/frame.h"
#include "snapsync/map.h"
#include "snapsync/accounts.h"
#include "snapsync/path.h"
#include "snapsync/sandbox.h"
#include "snapsync/vec.h"

#define APPLY_CREDIT (8u << 20)	   /* bytes in flight */
#define APPLY_OPS_BYTES (6u << 20) /* of the operations of a batch */
#define STAGE_KEPT "part-"	   /* names in tmp/: what came of a long file */
#define STAGE_KEPT_DAYS 3	   /* for so long after the last byte */
#define APPLY_STAGES_MAX 16384u	   /* staged and not placed */
#define APPLY_CACHE 16		   /* directory descriptors kept */
#define APPLY_FEW 8		   /* synced one by one */
#define COPY_BYTES (256u << 10)	   /* read back at a time */
#define PENDING_BYTES                                                          \
	(256u << 10)	      /* content that waits in memory for its name */
#define DIRECT_MIN (8u << 20) /* content that goes past the page cache */
#define TMP_DIRS 8u	      /* tmp, tmp1 ... for staged content */
#define TMP_RUN 1024u	      /* stages in a row in one of them */
#define STAGE_NODE (UINT64_C(1) << 63) /* number of what is no content */
#define STAGE_NAME 48u		       /* room for a name in tmp/ */
#define APPLY_WIDENED 256u /* directories given access to at a time */

/* A directory kept open, by area and path. */
struct cached_dir {
	int fd; /* -1: free */
	enum msg_area area;
	struct buf path;
	uint64_t used; /* last use, by a counter */
	bool touched;  /* is in the list of what to sync */
};

struct stage {
	uint64_t size, received;
	uint64_t flushed; /* bytes of it given to the disk so far */
	unsigned mode;	  /* its file's; UINT32_MAX: not known */
	int fd;		  /* open while it is filled, else -1 */
	bool keyed;	  /* in tmp/ under its key until it is done */
	bool asked;	  /* HAVE was sent, KEEP has not come */
	struct hash key;
	uint64_t placed; /* batch in which an operation has it; 0: none */
	int code;	 /* enum err_code if it went wrong */
	char text[128];
};

struct reason {
	char text[160];
};

/* Whose a batch is. */
struct origin {
	unsigned char pair[16];
	uint64_t tag; /* of the session */
};

struct position {
	bool known;
	struct origin from;
	uint64_t batch;
	uint64_t serial;
	struct buf failures; /* u32 index, u32 code, u32 errno each */
	uint32_t failed;
	size_t room[2]; /* bytes of each slot that are known to be there */
};

struct backup {
	struct buf dir; /* path in the tree */
	struct buf suffix;
	struct map parked; /* name in the limbo -> where that was */
	size_t parked_bytes;
};

struct widened {
	int fd; /* directory */
	uint64_t dev, ino;
	unsigned mode; /* as it was */
};

struct apply {
	const struct apply_options *o;
	const struct log *log;
	struct link *link;
	struct buf in, out;
	struct codec *unpack; /* PACK */
	struct buf unpacked;
	size_t out_at;
	size_t greeted;		/* of `in`: the end of HELLO */
	unsigned state;		/* MSG_S_* */
	struct msg_hello hello; /* its views are gone after greeting */
	uint32_t features;	/* negotiated */
	bool dry, no_sync, numeric, bye;
	uint64_t consumed; /* bytes not yet given back as credit */
	int64_t spoke; /* mono ns: something was sent, or nothing to be done */
	/* the destination */
	int dest_fd, own_fd, limbo_fd, redo_fd, position_fd, lock_fd;
	int tmp_fd;	       /* nodes, links, long files on their way ... */
	int tmp_fds[TMP_DIRS]; /* ... and content, see tmp_of; [0] is tmp_fd */
	struct sandbox_held held; /* how this process is confined to it */
	bool folds, no_modes, no_owners; /* see ability.c */
	uint32_t granularity;		 /* of times, ns */
	char shown[256]; /* its path as the client gave it, escaped */
	struct position position;
	struct backup *backup; /* NULL: nothing is kept */
	struct cached_dir cache[APPLY_CACHE];
	uint64_t clock;
	/* staging */
	struct map stages; /* id -> struct stage */
	uint64_t last_stage;
	uint64_t node; /* number of the last node or link in tmp */
	struct hash_state *hash, *copy_hash;
	unsigned char *copy_bytes;
	uint64_t current; /* stage being filled, or 0 */
	uint64_t keyed;	  /* ... with a key, which may be another one */
	struct hash_state *keyed_hash;
	uint64_t pending; /* stage whose content is in memory only, or 0 */
	struct buf pending_bytes;
	bool shares; /* a copy can share its blocks with what it is made of */
	bool copies; /* that, or a server may make it */
	bool past_cache;       /* long content goes to the disk itself */
	struct direct *direct; /* see direct.c; NULL: not needed yet */
	/* what a new file in tmp/ is like */
	uint32_t tmp_uid, tmp_gid;
	bool tmp_known;
	unsigned tmp_mode;	   /* made with this one */
	unsigned char tried[512];  /* modes that were seen to come out right */
	struct accounts *accounts; /* NULL: owners are of no interest */
	struct map owners;	   /* group << 32 | id -> uint32_t local id */
	/* the open batch */
	uint64_t batch;		  /* number of it, or of the last one */
	const struct view *later; /* in a replay: operations still to come */
	struct buf ops;		  /* see redo.c */
	uint32_t op_count;
	struct map reasons; /* operation -> struct reason: failed in staging */
	uint32_t unsynced;  /* staged files of the batch */
	uint64_t staged_bytes; /* of their content */
	struct map changing;   /* names that it changes: see changing.c */
	bool changing_all;     /* ... which are not all known */
	struct map fresh;     /* path -> number of a directory it makes, or 0 */
	uint64_t fresh_last;  /* number of the last one, of the session */
	uint64_t fresh_floor; /* up to this one they are closed */
	int fresh_fd;	      /* of fresh_at, open; or -1 */
	uint64_t fresh_at;
	uint64_t fresh_print; /* what tmp/ hands down */
	bool fresh_tried, fresh_usable;
	struct map fresh_made;	  /* numbers of those that are in tmp/, */
	struct map fresh_settled; /* and from there in their place */
	/* execution */
	int touched[APPLY_FEW];
	size_t touched_count;
	int kept[APPLY_FEW]; /* to be synced before those: see touched_kept */
	size_t kept_count;
	bool touched_all, sync_failed;
	struct widened *widened;
	size_t widened_count, widened_cap;
	struct closing *closing; /* see commit_thread.c; NULL in its own */
};

/* Of a subject that is a directory made by the batch itself: no number yet. */
#define NOTED_MADE 255u

/* One noted operation, as it lies in `ops` and in the redo log. */
struct noted {
	struct msg_op op;
	uint64_t tmp;	   /* number in tmp/, of what is created; see berth */
	int code;	   /* known to fail (staging), or 0 */
	uint64_t dev, ino; /* identity of the subject, 0: unknown */
	unsigned subject_type; /* enum fsys_type of it, or NOTED_MADE */
};

/* Where something is staged: under its number in tmp/, or under its own name in the
 * directory there that stands for its parent (fresh.c), whose number it has then. */
struct berth {
	int fd;
	bool mine; /* to be closed */
	char name[PATH_NAME_MAX + 1];
	uint64_t tmp;
};

/* open.c */
int open_dest(struct apply *a, struct err *err);
void open_release(struct apply *a);

/* ability.c */
void ability_probe(struct apply *a);
/* 1 the name is in the directory in exactly this spelling (always, where case
 * matters), 0 it is not. */
int ability_spelled(const struct apply *a, int dirfd, const char *name,
		    struct err *err);
/* Whatever the name leads to has it in this spelling; or it is free. */
int ability_free(const struct apply *a, int dirfd, const char *name,
		 struct err *err);

/* confine.c: the directory that holds the last component of the path, lent
 * until the next call, and that component. */
int confine_parent(struct apply *a, const struct msg_path *p, int *dirfd,
		   char name[PATH_NAME_MAX + 1], struct cached_dir **dir,
		   struct err *err);
/* A directory itself (the empty path is the area's root). */
int confine_dir(struct apply *a, enum msg_area area, struct view path,
		struct cached_dir **out, struct err *err);
/* Some directory moved or went: trust no descriptor. */
void confine_forget(struct apply *a);
void confine_init(struct apply *a);
/* Before the paths of one operation are widened: room for them, if need be by
 * restoring what was widened for others. */
void confine_room(struct apply *a);
/* Give ourselves access (the owner's bits of `mode`) to our own directories along
 * the path, and to what is at its end if `itself`; true if anything was changed. */
bool confine_widen(struct apply *a, const struct msg_path *p, bool itself,
		   unsigned mode);
void confine_restore(struct apply *a);
/* Its mode was set on purpose: do not restore. */
void confine_keep(struct apply *a, uint64_t dev, uint64_t ino);

/* stage.c */
int stage_begin(struct apply *a, const struct msg_stage *m, struct err *err);
int stage_data(struct apply *a, const struct msg_data *m, struct err *err);
int stage_hole(struct apply *a, const struct msg_hole *m, struct err *err);
int stage_copy(struct apply *a, const struct msg_copy *m, struct err *err);
int stage_end(struct apply *a, const struct msg_stage_end *m, struct err *err);
int stage_drop(struct apply *a, uint64_t id, struct err *err);
/* PLACE: the staged file gets its metadata; *tmp is where it lies. */
int stage_finish(struct apply *a, const struct msg_op *op, uint64_t *tmp,
		 struct err *err);
/* Make a symbolic link or node in tmp. */
int stage_special(struct apply *a, const struct msg_op *op, uint64_t *tmp,
		  struct err *err);
/* Forget what belonged to a batch that is over. */
int stage_sweep(struct apply *a, uint64_t batch, struct err *err);
void stage_release(struct apply *a);
/* It went wrong: `code` (of either sign) and `text` are what the operation that
 * wants it fails with. */
void stage_spoil(struct apply *a, struct stage *s, uint64_t id, int code,
		 const char *text);
/* The stage that is being filled takes `length` bytes more. */
int stage_advance(struct apply *a, uint64_t id, uint64_t length,
		  const char *what, struct stage **out, struct err *err);
/* What its content is hashed with so far. */
struct hash_state *stage_hash(struct apply *a, const struct stage *s);
/* What waits in memory goes into a file now. */
void stage_let_go(struct apply *a);
/* The disk begins before all of it is there, so that its sync is short. */
void stage_flush_early(struct apply *a, struct stage *s);
/* The client is asked to send part of a stage (anew). */
int stage_need(struct apply *a, uint64_t id, uint64_t offset, uint64_t length,
	       struct err *err);

/* copy.c (and stage_copy) */
/* a->copy_bytes has COPY_BYTES. */
int copy_room(struct apply *a, struct err *err);

/* direct.c */
/* The next n bytes of a stage, which are its bytes from `at` on.  Those of a long
 * one may still be on their way; what goes wrong then is said by one of the next
 * calls. */
int direct_write(struct apply *a, struct stage *s, uint64_t id,
		 const unsigned char *p, size_t n, uint64_t at,
		 struct err *err);
/* Nothing of it is on its way any more: before anything else is done with its
 * descriptor. */
int direct_settle(struct apply *a, uint64_t id, struct err *err);
void direct_release(struct apply *a);

/* berth.c */
void stage_name(uint64_t tmp, char out[32]);
/* The directory it lies in.  Not the same one for all, or the thread that names
 * the files of a batch and the one that stages the next wait for each other. */
int tmp_of(const struct apply *a, uint64_t tmp);
/* Where what the operation creates was staged; berth_leave ends it. */
int berth_of(const struct apply *a, uint64_t tmp, struct view path,
	     struct berth *b, struct err *err);
void berth_leave(struct berth *b);
/* Under the last name of the path in the directory `fd`, which has the number. */
struct berth berth_named(uint64_t tmp, struct view path, int fd, bool mine);
/* All that the batch has staged, and the names there. */
int berth_sync(struct apply *a, struct err *err);

/* keyed.c */
/* Its name in tmp/: under its key until it is complete, then its number. */
void keyed_name(const struct stage *s, uint64_t id, char out[STAGE_NAME]);
int keyed_begin(struct apply *a, struct stage *s, const struct msg_stage *m,
		struct err *err);
/* HAVE: what came of this file in an earlier session. */
int keyed_offer(struct apply *a, struct stage *s, uint64_t id, struct err *err);
int stage_keep(struct apply *a, const struct msg_keep *m, struct err *err);
void keyed_complete(struct apply *a, struct stage *s, uint64_t id,
		    struct err *err);

/* owner.c */
int owner_learn(struct apply *a, const struct msg_owner *m, struct err *err);
/* Owner, mode and mtime of an object, in that order; uid and gid are those of
 * this machine (owner_map, when the operation was noted: after a crash the
 * names are gone). */
int owner_meta(const struct apply *a, int dirfd, const char *name,
	       enum fsys_type type, const struct msg_meta *m,
	       const struct fsys_stat *now, struct err *err);
uint32_t owner_map(struct apply *a, bool group, uint32_t id);

/* commit.c */
int commit_begin(struct apply *a, uint64_t batch, struct err *err);
int commit_note(struct apply *a, const struct msg_op *op, struct err *err);
int commit_run(struct apply *a, const struct msg_commit *m, struct err *err);
/* Steps 1 to 6 of the batch in a; FAILs and ACK go to a->out. */
int commit_course(struct apply *a, struct err *err);

/* pulse.c: PINGs to the client until pulse_end.  Meanwhile the session does not
 * touch the link nor a->out.  NULL where there can be no thread: none, then. */
struct pulse *pulse_begin(struct apply *a);
void pulse_end(struct pulse *p);
/* ns of silence that the client is not to be left in. */
int64_t pulse_step(const struct apply *a);

/* commit_thread.c */
/* Carry out the noted batch: a large one in a thread, so that the next one can
 * be staged meanwhile. */
int commit_start(struct apply *a, struct err *err);
/* Is it over?  Then its answers are in a->out.  1 it is (or there was none). */
int commit_poll(struct apply *a, struct err *err);
/* Wait until it is. */
int commit_wait(struct apply *a, struct err *err);
bool commit_busy(const struct apply *a);
/* Wait if what this path leads to may be another thing before and after. */
int commit_wait_for(struct apply *a, const struct msg_path *p, struct err *err);
void commit_release(struct apply *a);
/* Execute what the redo log still has to do. */
int commit_replay(struct apply *a, struct err *err);

/* fresh.c */
/* Is this the number of such a directory (or of what lies in it)? */
bool fresh_is(uint64_t tmp);
void fresh_name(uint64_t tmp, char out[32]);
/* Of each operation that stages nothing, when it is noted: the number of a MKDIR's
 * directory, or 0. */
uint64_t fresh_note(struct apply *a, const struct msg_op *op);
/* May what gets this path be staged in a directory of the batch?  Where. */
bool fresh_berth(struct apply *a, const struct msg_path *p, struct berth *b);
/* Something else comes to this path: what comes there later is not staged so. */
void fresh_taken(struct apply *a, const struct msg_path *p);
/* The batch is handed over: the next one has none yet. */
void fresh_next(struct apply *a);
void fresh_init(struct apply *a);
void fresh_release(struct apply *a);
/* MKDIR: 1 it has its place, with all that is in it; 0 make it. */
int fresh_settle(struct apply *a, const struct noted *n, int parent,
		 const char *name, bool replay);
bool fresh_has_settled(const struct apply *a, uint64_t tmp);
/* Is it in tmp/ for this batch? */
bool fresh_was_made(const struct apply *a, uint64_t tmp);
/* On a full disk: what was in it has failed; it goes with the last of that. */
void fresh_give_up(struct apply *a, uint64_t tmp);
/* Such a directory is nobody's any more. */
void fresh_remove(int dirfd, const char *name);

/* changing.c */
void changing_note(struct apply *a, const struct msg_op *op);
void changing_clear(struct apply *a);
/* May the noted operations change what this path leads to? */
bool changing_path(const struct apply *a, const struct msg_path *p);

/* identity.c */
int identity_fill(struct apply *a, struct err *err);
/* In a replay: is what an operation named where it and those behind it put it, one
 * after the other (they may have been stopped anywhere)?  1: seen() has found it at
 * one of these places, or one of them replaces or removes it; 0 it is nowhere. */
typedef int identity_seen(struct apply *a, const struct noted *n,
			  const struct msg_path *at, struct err *err);
int identity_later(struct apply *a, const struct noted *n, identity_seen *seen,
		   struct err *err);

/* redo.c */
int redo_put(struct buf *b, const struct noted *n, struct err *err);
int redo_get(struct view *v, struct noted *n, struct err *err);
int redo_write(struct apply *a, struct err *err);
/* 1: a valid log that is not done yet was read into a->ops, and is on stable
 * storage. */
int redo_read(struct apply *a, struct origin *from, uint64_t *batch,
	      struct backup **backup, struct err *err);

/* position.c */
int position_read(struct apply *a, struct err *err);
int position_write(struct apply *a, const struct origin *from, uint64_t batch,
		   struct err *err);

/* The next one will find room, whatever fails in the batch. */
int position_room(struct apply *a, struct err *err);

/* room.c: redo_write, and if the disk is full, some of the content fails. */
int room_write_log(struct apply *a, struct err *err);

/* backup.c */
/* NULL in *out for an empty path. */
int backup_new(struct backup **out, struct view dir, struct view suffix,
	       struct err *err);
void backup_free(struct backup *b);
/* Is this path in the directory of DEST in which backups lie?  That is neither
 * listed nor written to. */
bool backup_holds(const struct apply *a, struct view path);
/* What the operation has moved into the limbo came from there. */
int backup_parked(struct apply *a, const struct msg_op *op, struct err *err);
/* Before what is at `name`, of path p, is replaced: it is kept, unless it is a
 * directory or nothing is to be kept.  Without hard links the name is free then. */
int backup_keep(struct apply *a, const struct msg_path *p, int dirfd,
		const char *name, const struct fsys_stat *st, struct err *err);
/* The same, and the name is free. */
int backup_unlink(struct apply *a, const struct msg_path *p, int dirfd,
		  const char *name, const struct fsys_stat *st,
		  struct err *err);

/* execute.c */
int execute(struct apply *a, const struct noted *n, bool replay,
	    struct err *err);

/* sign.c */
int sign_send(struct apply *a, const struct msg_sign *m, struct err *err);

/* merge.c */
/* REMOVE of a directory that is not empty: what is left in it goes into the
 * directory it belongs into, or becomes that where there is none. */
int merge_back(struct apply *a, const struct msg_op *op, struct err *err);

/* touched.c */
void touched_dir(struct apply *a, struct cached_dir *dir, int dirfd);
void touched_name(struct apply *a, int dirfd, const char *name,
		  enum fsys_type type);
/* A directory of backups: durable before any name that was taken away. */
void touched_kept(struct apply *a, int dirfd);
int touched_sync(struct apply *a, struct err *err);
void touched_clear(struct apply *a);

/* list.c */
int list_send(struct apply *a, const struct msg_list *m, struct err *err);

/* serve.c: frames out; flushes when much is waiting. */
int serve_flush(struct apply *a, size_t keep, struct err *err);
int serve_fail(struct apply *a, uint32_t index, int code, int sys,
	       const char *text, struct err *err);
int serve_number(struct apply *a, enum msg_type type, uint64_t n,
		 struct err *err);
/* `bytes` more were read without a word to the client: a PING now and then. */
int serve_alive(struct apply *a, uint64_t bytes, uint64_t *silent,
		struct err *err);

/* Is the client still there?  Asked while HELLO is being taken: 0 it has answered;
 * it is silent, or gone: the session ends. */
int serve_ask(struct apply *a, struct err *err);

#endif
