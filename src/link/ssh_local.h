/*
 * The ssh side of link:
 *   ssh_config.c   what ssh -G says        known_hosts.c  is it that host?
 *   agent.c        signatures of an agent  ssh2.c         setting up
 *   ssh2_auth.c    logging in              ssh2_io.c      the stream
 */
#ifndef SNAPSYNC_SSH_LOCAL_H
#define SNAPSYNC_SSH_LOCAL_H

#include "link_local.h"

#define SSH_FILES 16
#define SSH_PATH 1024

struct ssh_settings {
	char user[256], hostname[256], alias[256], agent[SSH_PATH];
	char jump[512], proxy[SSH_PATH];
	unsigned port;
	char identity[SSH_FILES][SSH_PATH];
	size_t identities;
	char known[SSH_FILES][SSH_PATH]; /* the user's first */
	size_t knowns;
	bool identities_only, no_agent;
};

/* ssh -G, or the defaults where there is no ssh program. */
int ssh_config_read(const struct link_target *t, struct ssh_settings *s,
		    struct err *err);
/* ... from what ssh -G printed. */
int ssh_config_parse(const struct link_target *t, const char *out,
		     struct ssh_settings *s, struct err *err);

/* A host's keys in the known_hosts files. */
struct known_key {
	bool revoked;
	char type[64];
	char *base64;
};
struct known_hosts {
	struct known_key *v;
	size_t count, cap;
	char name[300]; /* as it stands in the files: [host]:port */
};
int known_hosts_read(const struct ssh_settings *s, struct known_hosts *k,
		     struct err *err);
/* Adds what ssh-keygen -F printed; the text is cut up. */
int known_hosts_parse(struct known_hosts *k, char *text, struct err *err);
void known_hosts_release(struct known_hosts *k);
/* Preference list of host key methods. */
void known_hosts_prefer(const struct known_hosts *k, char *out, size_t size);
/* The server's key: 0 known; else -ERR_START with what to do. */
int known_hosts_judge(const struct known_hosts *k, const struct ssh_settings *s,
		      const char *host, const unsigned char *key, size_t len,
		      const unsigned char *sha256, bool accept_new,
		      const struct log *log, struct err *err);
/* Base64 of len bytes into out (which has room), padded or not. */
void known_hosts_base64(const unsigned char *p, size_t len, bool pad,
			char *out);

/* An ssh-agent: identities and signatures (draft-miller-ssh-agent). */
struct agent_key {
	unsigned char blob[4096];
	size_t len;
	char type[64];
};
int agent_connect(const char *path); /* a descriptor, or -1 */
/* Up to `most` keys; how many, or -1. */
int agent_keys(int fd, struct agent_key *keys, int most);
/* The raw signature (without the algorithm's name), malloc'ed; 0 or -1. */
int agent_sign(int fd, const struct agent_key *key, const unsigned char *data,
	       size_t len, uint32_t flags, unsigned char **sig,
	       size_t *sig_len);

#endif
