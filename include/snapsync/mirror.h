/*
 * mirror: what one destination has, M(d): the snapshot with d's difference
 * laid over it (see store.h).
 *
 * Reading:    mirror_get, mirror_names_of, mirror_names_in, mirror_inode
 * Assigning:  mirror_set ("d now has this inode under this name") and
 *             mirror_set_inode ("d's inode looks like this"): the row vanishes
 *             where that is what the snapshot says.
 *
 * Everything that assigns must run inside a transaction.
 */
#ifndef SNAPSYNC_MIRROR_H
#define SNAPSYNC_MIRROR_H

#include "snapsync/store.h"

struct dest {
	int64_t id;
	bool known; /* M is what the helper's position says */
	unsigned char pair[16];
	uint64_t acked;	    /* last batch known durable */
	uint64_t sent;	    /* last batch whose journal is committed */
	uint64_t acked_tag; /* of the session that sent batch `acked` ... */
	uint64_t tag;	    /* ... and those after it */
	uint64_t next_tag;  /* of the session that begins */
};

/* Find or make the destination's row.  A new one has all of S missing. */
int mirror_dest(struct store *s, const char *spec, struct dest *out, struct err *err);
/* The only one there is: 1; 0 there is none, or there are several. */
int mirror_only_dest(struct store *s, char *spec, size_t size, struct err *err);
/* Only look: 1 found, 0 not. */
int mirror_dest_find(struct store *s, const char *spec, struct dest *out, struct err *err);
int mirror_dest_save(struct store *s, const struct dest *d, struct err *err);
/* The destination is empty as far as we know: every name of S missing. */
int mirror_reset(struct store *s, int64_t dest, struct err *err);

/* What is under a name: 1 and inode, type; 0 nothing. */
int mirror_get(struct store *s, int64_t dest, struct place at, int64_t *inode, enum fsys_type *type, struct err *err);
/* The path of what M has of an inode, by one of its names, up to *top: the root,
 * the limbo or a stranger.  1; 0 it hangs nowhere, or too deep. */
int mirror_path(struct store *s, int64_t dest, int64_t inode, struct buf *out, int64_t *top, struct err *err);
int mirror_names_of(struct store *s, int64_t dest, int64_t inode, struct name_list *out, struct err *err);
/* ... but for one. */
int mirror_names_besides(struct store *s, int64_t dest, int64_t inode, struct place at, struct name_list *out, struct err *err);
int mirror_names_in(struct store *s, int64_t dest, int64_t parent, struct name_list *out, struct err *err);
/* Attributes of an inode the destination has; falls back to S. */
int mirror_inode(struct store *s, int64_t dest, int64_t inode, struct attr *out, struct err *err);

int mirror_set(struct store *s, int64_t dest, struct place at, int64_t inode, enum fsys_type type, struct err *err);
int mirror_set_inode(struct store *s, int64_t dest, int64_t inode, const struct attr *a, struct err *err);
/* What a file that S does not know any more holds there is not known. */
int mirror_forget_relic(struct store *s, int64_t dest, int64_t inode, struct err *err);
/* Equal as far as can be seen (adopted): no row, whatever is known of content. */
int mirror_adopt_inode(struct store *s, int64_t dest, int64_t inode, struct err *err);
/* Its owner, mode and time there are no longer what they were. */
int mirror_touch_inode(struct store *s, int64_t dest, int64_t inode, struct err *err);
/* What hangs below a directory that is neither in S nor anywhere in M is gone. */
int mirror_drop_below(struct store *s, int64_t dest, int64_t parent, struct err *err);
/* M has under the old directory's id what is now the new one: a directory that
 * was replaced by another in its place. */
int mirror_rekey(struct store *s, int64_t dest, int64_t from, int64_t to, struct err *err);

/* The lowest (negative) number in use; -1 if none is. */
int mirror_lowest(struct store *s, int64_t dest, int64_t *out, struct err *err);
/* A directory is not ours any more: what was to be deleted in it stays, at all
 * destinations. */
int mirror_forget_dead(struct store *s, int64_t parent, struct err *err);
/* Nor does M have a directory that they are in: such names are nowhere (one that
 * was moved out of a directory which is not ours any more, and deleted later). */
int mirror_drop_lost(struct store *s, int64_t dest, struct err *err);
/* Extras are left alone after all: forget those no name of S is waiting for. */
int mirror_drop_strangers(struct store *s, int64_t dest, struct err *err);
/* The same of one such directory, and of what is below it. */
int mirror_drop_stranger(struct store *s, int64_t dest, struct place at, struct err *err);

/* Rows of difference: names, inodes. */
int mirror_pending(struct store *s, int64_t dest, int64_t *names, int64_t *inodes, struct err *err);

/* Was there anything, at its last listing, in directories of which the source could
 * not see all? */
int mirror_set_open(struct store *s, int64_t dest, bool open, struct err *err);
/* One of them can be seen, or is gone: such destinations are to be listed.  1: there
 * are some. */
int mirror_look_again(struct store *s, struct err *err);
/* S changed at `now` (seconds): destinations that were up to date are behind. */
int mirror_behind(struct store *s, int64_t now, struct err *err);
/* Nothing is pending any more.  Writes only if the destination was behind. */
int mirror_caught_up(struct store *s, int64_t dest, struct err *err);

/* Equal in all that a destination can show, content hash included. */
bool attr_same(const struct attr *a, const struct attr *b);
/* Equal but for content: mode, owner, and so on, with or without mtime. */
bool attr_same_meta(const struct attr *a, const struct attr *b);

#endif
