/*
 * msg: the messages of the protocol, and their encoding.
 *
 * The one table of messages is MSG_TABLE: number, name, who sends it (C the
 * client, H the helper, B both), longest payload, the helper's states in which
 * the client may send it, and whether it changes the destination.  The frame
 * around a message is frame.h's business; snapsync-protocol(5) is the text.
 *
 * Every message has a plain struct.  msg_put_* appends a payload to a buf;
 * msg_get_* decodes one: it wants the exact length, checks every length
 * before use, and zeroes its output when it fails with -ERR_PROTOCOL.  The
 * views in a decoded struct are lent from the payload.
 *
 * A path is an area byte and the bytes of a path_ok() relative path: area 0
 * is the mirror (first component never ".snapsync"), area 1 the limbo, the
 * helper's parking place for entries whose name must make room in a chain or
 * swap of moves (DEST/.snapsync/limbo; the first component is the client's
 * hex number for the entry).  The empty path is the mirror's root and is
 * allowed in META, LIST and LISTING only.
 */
#ifndef SNAPSYNC_MSG_H
#define SNAPSYNC_MSG_H

#include "snapsync/buf.h"
#include "snapsync/fsys.h"
#include "snapsync/hash.h"

#define MSG_VERSION_MIN 2u
#define MSG_VERSION_MAX 2u
#define MSG_PAYLOAD_MAX 1048576u /* bytes in a frame's payload */
#define MSG_TEXT_MAX 1024u	 /* bytes in a message for people */
#define MSG_LINK_MAX 65535u	 /* bytes in a symbolic link's target */
#define MSG_DATA_MAX 262144u	 /* content bytes in one DATA */
#define MSG_HOLE_MAX (1u << 30)	 /* zero bytes in one HOLE: it is hashed at once */
#define MSG_PATH_FIELD (1u + 4u + 65535u)
#define MSG_OPS_MAX 16384u /* operations in a batch */

#define MSG_BATCH_MAX ((UINT64_C(1) << 43) - 1) /* number of a batch */

/* Feature bits (HELLO offers, WELCOME takes). */
#define MSG_FEATURE_COPY 1u  /* COPY ranges, NEED for a range */
#define MSG_FEATURE_HOLE 2u  /* HOLE */
#define MSG_FEATURE_PACK 4u  /* PACK: frames packed with zstd */
#define MSG_FEATURE_KEEP 8u  /* STAGE with a key, HAVE, KEEP */
#define MSG_FEATURE_SIGN 16u /* SIGN, SIGNED */
#define MSG_FEATURE_NOTE 32u /* NOTE behind WELCOME: how the helper is confined */
#define MSG_FEATURES 63u     /* what this build speaks */

#define MSG_PACK_MAX 524288u /* bytes of the frames in one PACK, unpacked */

#define MSG_HASH_XXH3_128 1u

/* The helper's states, as bits. */
#define MSG_S_NEW 1u   /* nothing said yet */
#define MSG_S_READY 2u /* greeted, no batch open */
#define MSG_S_BATCH 4u /* between BEGIN and COMMIT */
#define MSG_S_ANY (MSG_S_NEW | MSG_S_READY | MSG_S_BATCH)
#define MSG_S_LIVE (MSG_S_READY | MSG_S_BATCH)

#define MSG_META_BYTES 24u

/*        number, name, sender, longest payload, states, changes */
#define MSG_TABLE(X)                                                                             \
	X(1, HELLO, 'C', 70000u, MSG_S_NEW, 0)                                                   \
	X(2, WELCOME, 'H', MSG_PAYLOAD_MAX, 0, 0)                                                \
	X(3, REFUSE, 'H', 8u + MSG_TEXT_MAX, 0, 0)                                               \
	X(4, PING, 'B', 8u, MSG_S_ANY, 0)                                                        \
	X(5, PONG, 'B', 8u, MSG_S_ANY, 0)                                                        \
	X(6, BYE, 'C', 0u, MSG_S_READY, 0)                                                       \
	X(7, OWNER, 'C', 300u, MSG_S_LIVE, 0)                                                    \
	X(8, PACK, 'C', MSG_PAYLOAD_MAX, MSG_S_LIVE, 0)                                          \
	X(9, NOTE, 'H', 8u + MSG_TEXT_MAX, 0, 0)                                                 \
	X(16, LIST, 'C', 8u + MSG_PATH_FIELD, MSG_S_READY, 0)                                    \
	X(17, LISTING, 'H', MSG_PAYLOAD_MAX, 0, 0)                                               \
	X(18, LISTED, 'H', 16u, 0, 0)                                                            \
	X(32, STAGE, 'C', 20u + HASH_SIZE, MSG_S_LIVE, 1)                                        \
	X(33, DATA, 'C', 8u + MSG_DATA_MAX, MSG_S_LIVE, 1)                                       \
	X(34, HOLE, 'C', 16u, MSG_S_LIVE, 1)                                                     \
	X(35, COPY, 'C', 48u + MSG_PATH_FIELD, MSG_S_LIVE, 1)                                    \
	X(36, STAGE_END, 'C', 8u + HASH_SIZE, MSG_S_LIVE, 1)                                     \
	X(37, STAGE_DROP, 'C', 8u, MSG_S_LIVE, 1)                                                \
	X(38, NEED, 'H', 24u, 0, 0)                                                              \
	X(39, HAVE, 'H', 16u + HASH_SIZE, 0, 0)                                                  \
	X(40, KEEP, 'C', 16u, MSG_S_LIVE, 1)                                                     \
	X(41, SIGN, 'C', 8u + MSG_PATH_FIELD, MSG_S_LIVE, 0)                                     \
	X(42, SIGNED, 'H', MSG_PAYLOAD_MAX, 0, 0)                                                \
	X(48, BEGIN, 'C', 8u, MSG_S_READY, 1)                                                    \
	X(49, MKDIR, 'C', MSG_PATH_FIELD + MSG_META_BYTES, MSG_S_BATCH, 1)                       \
	X(50, PLACE, 'C', 8u + MSG_PATH_FIELD + MSG_META_BYTES, MSG_S_BATCH, 1)                  \
	X(51, SYMLINK, 'C', MSG_PATH_FIELD + MSG_META_BYTES + 4u + MSG_LINK_MAX, MSG_S_BATCH, 1) \
	X(52, NODE, 'C', MSG_PATH_FIELD + MSG_META_BYTES + 12u, MSG_S_BATCH, 1)                  \
	X(53, LINK, 'C', 2u * MSG_PATH_FIELD, MSG_S_BATCH, 1)                                    \
	X(54, MOVE, 'C', 2u * MSG_PATH_FIELD, MSG_S_BATCH, 1)                                    \
	X(55, REMOVE, 'C', 2u * MSG_PATH_FIELD + 1u, MSG_S_BATCH, 1)                             \
	X(56, META, 'C', MSG_PATH_FIELD + MSG_META_BYTES, MSG_S_BATCH, 1)                        \
	X(57, COMMIT, 'C', 12u, MSG_S_BATCH, 1)                                                  \
	X(64, ACK, 'H', 12u, 0, 0)                                                               \
	X(65, FAIL, 'H', 24u + MSG_TEXT_MAX, 0, 0)                                               \
	X(66, CREDIT, 'H', 8u, 0, 0)

enum msg_type {
#define X(number, name, sender, longest, states, changes) MSG_##name = number,
	MSG_TABLE(X)
#undef X
};

struct msg_row {
	enum msg_type type;
	const char *name;
	char sender;
	uint32_t longest;
	unsigned states;
	bool changes;
};

/* The row of a number, or NULL. */
const struct msg_row *msg_row(unsigned type);

enum msg_area { MSG_TREE = 0,
		MSG_LIMBO = 1 };

struct msg_path {
	enum msg_area area;
	struct view path;
};

struct msg_meta {
	enum fsys_type type; /* what the entry is, for a check */
	uint32_t mode;	     /* 07777 */
	uint32_t uid, gid;   /* of the client; see OWNER */
	struct fsys_time mtime;
};

/* HELLO flags */
#define MSG_HELLO_DRY 1u     /* change nothing, make nothing, take no lock */
#define MSG_HELLO_NO_SYNC 2u /* --fsync=never */
#define MSG_HELLO_NUMERIC 4u /* --numeric-ids: OWNER names do not count */

struct msg_hello {
	unsigned version_min, version_max;
	uint32_t features;
	uint32_t flags;
	unsigned hash_kind;
	unsigned char pair[16]; /* identity of (source state, destination) */
	uint64_t tag;		/* of this session's batches, at random */
	uint64_t seed;		/* of content hashes */
	uint64_t position;	/* last batch the client knows acknowledged */
	uint32_t timeout;	/* seconds of silence to go away after; 0: none */
	struct view path;	/* DEST; relative: from the login directory */
	struct view version;	/* of the client program, for logs */
	struct view backup_dir; /* path in DEST of what is kept; empty: nothing is */
	struct view suffix;	/* of names there */
};

/* WELCOME flags */
#define MSG_WELCOME_CHOWN 1u	  /* may give files away (uid 0) */
#define MSG_WELCOME_KNOWN 2u	  /* pair and position were found on disk */
#define MSG_WELCOME_NO_MODES 8u	  /* the file system there has no permission bits */
#define MSG_WELCOME_NO_OWNERS 16u /* ... nor owners, though uid 0 could set them */
#define MSG_WELCOME_MISSING 4u	  /* DRY: DEST does not exist (it counts as empty) */

struct msg_fail {
	uint64_t batch;
	uint32_t index;	  /* operation in the batch, from 0 */
	unsigned code;	  /* enum err_code */
	uint32_t sys;	  /* errno at the helper, for the log */
	struct view text; /* for people; never a path above DEST */
};

struct msg_welcome {
	unsigned version;
	uint32_t features;
	uint32_t flags;
	unsigned hash_kind;
	unsigned char pair[16]; /* what the destination was last fed by; zero: none */
	uint64_t position;	/* last batch of that pair that is durable */
	uint64_t tag;		/* of the session that sent it */
	uint64_t credit;	/* content and operation bytes that may be in flight */
	uint32_t granularity;	/* of mtimes there, ns (1 where it stores all) */
	uint32_t failed;	/* operations of batch `position` that failed, ... */
	struct view failures;	/* ... each u32 index, u32 code, u32 errno */
	struct view version_text;
};

struct msg_refuse {
	unsigned code; /* enum err_code */
	struct view text;
};

struct msg_owner {
	bool group;
	uint32_t id; /* the client's number */
	struct view name;
};

/* LIST flags */
#define MSG_LIST_HASH 1u /* hash every file (seed of HELLO) */

struct msg_list {
	uint32_t flags;
	struct msg_path root; /* list this directory and all below it */
};

/* LISTING: entries of one directory.  A directory's frames come one behind
 * the other; a parent's before its children's. */
#define MSG_LISTING_LAST 1u	  /* no more frames for this directory */
#define MSG_LISTING_UNREADABLE 2u /* could not be listed (to the end) */

struct msg_listing {
	uint32_t flags;
	struct view dir; /* relative path, empty for the root of the mirror */
	uint32_t count;
	struct view items; /* read with msg_get_item */
};

struct msg_item {
	struct view name;
	struct fsys_stat st; /* without ctime */
	struct view target;  /* of a symbolic link */
	bool hashed;
	struct hash hash;
};

struct msg_listed {
	unsigned code; /* 0, or an enum err_code: nothing could be listed */
	uint64_t entries;
};

struct msg_stage {
	uint64_t id;	 /* chosen by the client, rising within a session */
	uint64_t size;	 /* bytes that will come; a hint for room */
	bool keyed;	 /* may take long: what came stays if the session ends, */
	struct hash key; /* and is found again by this */
};

struct msg_sign { /* how is the content of this file cut? */
	uint64_t id;
	struct msg_path path;
};

#define MSG_SIGNED_LAST 1u   /* size and hash are those of the whole file */
#define MSG_SIGNED_FAILED 2u /* ... and there are none: it cannot be read */
#define MSG_SIGNED_CHUNK 12u /* bytes: u64 key, u32 length */

struct msg_signed { /* its chunks, in order, in one or more frames */
	uint64_t id;
	unsigned flags;
	unsigned bits; /* chunk_size_for */
	uint64_t size;
	struct hash hash;
	uint32_t count;
	struct view chunks; /* view_u64 key, view_u32 length, each */
};

struct msg_have { /* bytes of a keyed STAGE from an earlier session */
	uint64_t id, length;
	struct hash hash; /* of them */
};

struct msg_keep { /* all of them (or 0: none) are right */
	uint64_t id, length;
};

struct msg_data {
	uint64_t id;
	struct view bytes;
};

struct msg_hole {
	uint64_t id, length;
};

struct msg_copy {
	uint64_t id;
	uint64_t offset, length; /* in the file at path */
	struct hash hash;	 /* of that range, as the client knows it */
	struct msg_path path;	 /* in the mirror as the last COMMIT leaves it */
};

struct msg_stage_end {
	uint64_t id;
	struct hash hash; /* of the whole content */
};

/* This range of a stage (its offset there) was not what the client thought: the
 * stage is gone, and will have to be sent again without that copy. */
struct msg_need {
	uint64_t id, offset, length;
};

struct msg_op { /* MKDIR PLACE SYMLINK NODE LINK MOVE REMOVE META */
	enum msg_type type;
	struct msg_path path;		 /* the new path, for LINK and MOVE */
	struct msg_path from;		 /* LINK, MOVE */
	struct msg_meta meta;		 /* MKDIR PLACE SYMLINK NODE META */
	uint64_t stage;			 /* PLACE */
	struct view target;		 /* SYMLINK */
	uint32_t rdev_major, rdev_minor; /* NODE */
	bool is_dir;			 /* REMOVE */
};

struct msg_commit {
	uint64_t batch;
	uint32_t count; /* operations since BEGIN */
};

struct msg_ack {
	uint64_t batch;	 /* this one and all before it are durable */
	uint32_t failed; /* how many FAILs came for it */
};

/* May these come in a HELLO? */
bool msg_backup_ok(struct view dir, struct view suffix);
int msg_put_hello(struct buf *b, const struct msg_hello *m, struct err *err);
int msg_get_hello(struct view v, struct msg_hello *m, struct err *err);
int msg_put_welcome(struct buf *b, const struct msg_welcome *m, struct err *err);
int msg_get_welcome(struct view v, struct msg_welcome *m, struct err *err);
int msg_put_refuse(struct buf *b, const struct msg_refuse *m, struct err *err);
int msg_get_refuse(struct view v, struct msg_refuse *m, struct err *err);
/* NOTE: a text for people. */
int msg_put_note(struct buf *b, struct view text, struct err *err);
int msg_get_note(struct view v, struct view *text, struct err *err);
int msg_put_owner(struct buf *b, const struct msg_owner *m, struct err *err);
int msg_get_owner(struct view v, struct msg_owner *m, struct err *err);
int msg_put_list(struct buf *b, const struct msg_list *m, struct err *err);
int msg_get_list(struct view v, struct msg_list *m, struct err *err);
int msg_put_listing(struct buf *b, const struct msg_listing *m, struct err *err);
int msg_get_listing(struct view v, struct msg_listing *m, struct err *err);
int msg_put_item(struct buf *b, const struct msg_item *m, struct err *err);
/* Next item off a listing's view. */
int msg_get_item(struct view *v, struct msg_item *m, struct err *err);
int msg_put_listed(struct buf *b, const struct msg_listed *m, struct err *err);
int msg_get_listed(struct view v, struct msg_listed *m, struct err *err);
int msg_put_stage(struct buf *b, const struct msg_stage *m, struct err *err);
int msg_get_stage(struct view v, struct msg_stage *m, struct err *err);
int msg_put_data(struct buf *b, const struct msg_data *m, struct err *err);
int msg_get_data(struct view v, struct msg_data *m, struct err *err);
int msg_put_hole(struct buf *b, const struct msg_hole *m, struct err *err);
int msg_get_hole(struct view v, struct msg_hole *m, struct err *err);
int msg_put_copy(struct buf *b, const struct msg_copy *m, struct err *err);
int msg_get_copy(struct view v, struct msg_copy *m, struct err *err);
int msg_put_stage_end(struct buf *b, const struct msg_stage_end *m, struct err *err);
int msg_get_stage_end(struct view v, struct msg_stage_end *m, struct err *err);
int msg_put_need(struct buf *b, const struct msg_need *m, struct err *err);
int msg_get_need(struct view v, struct msg_need *m, struct err *err);
int msg_put_sign(struct buf *b, const struct msg_sign *m, struct err *err);
int msg_get_sign(struct view v, struct msg_sign *m, struct err *err);
int msg_put_signed(struct buf *b, const struct msg_signed *m, struct err *err);
int msg_get_signed(struct view v, struct msg_signed *m, struct err *err);
int msg_put_have(struct buf *b, const struct msg_have *m, struct err *err);
int msg_get_have(struct view v, struct msg_have *m, struct err *err);
int msg_put_keep(struct buf *b, const struct msg_keep *m, struct err *err);
int msg_get_keep(struct view v, struct msg_keep *m, struct err *err);
/* m->type chooses the layout. */
int msg_put_op(struct buf *b, const struct msg_op *m, struct err *err);
int msg_get_op(enum msg_type type, struct view v, struct msg_op *m, struct err *err);
int msg_put_commit(struct buf *b, const struct msg_commit *m, struct err *err);
int msg_get_commit(struct view v, struct msg_commit *m, struct err *err);
int msg_put_ack(struct buf *b, const struct msg_ack *m, struct err *err);
int msg_get_ack(struct view v, struct msg_ack *m, struct err *err);
int msg_put_fail(struct buf *b, const struct msg_fail *m, struct err *err);
int msg_get_fail(struct view v, struct msg_fail *m, struct err *err);
/* PING, PONG, CREDIT, BEGIN, STAGE_DROP: one u64. */
int msg_put_number(struct buf *b, uint64_t n, struct err *err);
int msg_get_number(struct view v, uint64_t *n, struct err *err);

#endif
