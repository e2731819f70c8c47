/*
 * remote: the helper at the other end of a link, as a sink.
 *
 *     remote_open(link, &hello, timeout_s, log, &r, err);   HELLO, WELCOME
 *     remote_welcome(r)->position ...
 *     remote_list(r, flags, on_listing, arg, err);
 *     remote_sink(r)                                        see sink.h
 *     remote_idle(r, err);      now and then when there is nothing to send
 *     remote_alive(r, err);     now and then while we do something else
 *     remote_close(r);          BYE where possible; closes the link too
 *
 * Everything is pipelined; a call waits only for credit, for room in the link,
 * and in open and list for the answer.  Silence of the helper for longer than
 * the timeout, although it was asked (PING), is -ERR_TIMEOUT.  A REFUSE
 * becomes an error with the helper's code and sentence.
 */
#ifndef SNAPSYNC_REMOTE_H
#define SNAPSYNC_REMOTE_H

#include "snapsync/link.h"
#include "snapsync/sink.h"

struct remote;

/* How frames go out; 1 to CODEC_LEVEL_MAX: always packed, at that level. */
#define REMOTE_PACK_NONE 0
#define REMOTE_PACK_AUTO (-1)	 /* where it makes it faster */
#define REMOTE_PACK_DEFAULT (-2) /* always, at a usual level */

struct remote_options {
	int timeout; /* seconds of silence; 0: for ever */
	int pack;
	uint64_t rate; /* bytes a second out at most; 0: no limit */
	const volatile int *stop;
	const struct log *log;
};

/* Takes the link over, also when it fails. */
int remote_open(struct link *link, const struct msg_hello *hello,
		const struct remote_options *o, struct remote **out, struct err *err);
const struct msg_welcome *remote_welcome(const struct remote *r);
struct sink *remote_sink(struct remote *r);

typedef int (*remote_listing_fn)(void *arg, const struct msg_listing *listing, struct err *err);
int remote_list(struct remote *r, uint32_t flags, remote_listing_fn fn, void *arg, struct err *err);
/* How the helper's file is cut; fn gets every frame of the answer.  The path is
 * one in the state that the last COMMIT leaves. */
typedef int (*remote_signed_fn)(void *arg, const struct msg_signed *m, struct err *err);
int remote_sign(struct remote *r, struct view path, remote_signed_fn fn, void *arg, struct err *err);
/* Tell the helper a user's or group's name, once. */
int remote_owner(struct remote *r, bool group, uint32_t id, const char *name, struct err *err);
/* Read what has come, keep the connection alive: 0, or it is lost. */
int remote_idle(struct remote *r, struct err *err);
/* The same, but a PING goes out, whatever the helper has said: it is left in silence
 * for longer than it waits otherwise.  Its own silence is not judged. */
int remote_alive(struct remote *r, struct err *err);
void remote_counts(const struct remote *r, uint64_t *in, uint64_t *out);
/* Bytes of frames that were packed, and what became of them. */
void remote_packed(const struct remote *r, uint64_t *in, uint64_t *out);
void remote_close(struct remote *r);

#endif
