/* What the command line says, for the files of the client program. */
#ifndef SNAPSYNC_CONFIG_H
#define SNAPSYNC_CONFIG_H

#include "snapsync/err.h"
#include "snapsync/alter.h"
#include "snapsync/filter.h"

#define CONFIG_VERSION "0.1.0"

enum config_action {
	ACTION_SYNC,
	ACTION_STATUS,
	ACTION_LOG,
	ACTION_VERIFY,
	ACTION_HELP,
	ACTION_VERSION
};

enum dest_kind { DEST_LOCAL, DEST_SSH };

struct dest_spec {
	enum dest_kind kind;
	char *user; /* NULL: not given */
	char *host;
	unsigned port;	   /* 0: not given */
	char *path;	   /* as given; local ones made absolute */
	char *key;	   /* the name of the destination in the database */
	const char *shown; /* as the user typed it */
};

struct config {
	enum config_action action;
	const char *program; /* argv[0] */
	const char *src, *dest;
	struct dest_spec to;
	double interval; /* seconds; 0: one pass */
	uint64_t rate;	 /* --bwlimit: bytes a second; 0: no limit */
	int progress;
	int dry, itemize, verbose, quiet, stats, human;
	const char *backup_dir, *suffix; /* "": none */
	size_t backup_len;		 /* of the former */
	int delete_extras, force_delete, one_file_system, checksum, sparse;
	int size_only, json;
	struct alter altered;	   /* --chmod, --chown ... */
	const struct alter *alter; /* ... or NULL without */
	int numeric_ids, no_sync, accept_new;
	int pack; /* REMOTE_PACK_... or a level */
	int64_t max_delete;
	int max_percent, max_default;
	int timeout, contimeout, port;
	const char *rsh, *identity, *ssh_config, *helper, *state_dir;
	const char *log_file, *below;
	int64_t since; /* seconds since 1970; 0 all */
	struct filter *filter;
};

/* Reads the command line; -ERR_USAGE with a sentence. */
int options_parse(int argc, char **argv, struct config *c, struct err *err);
void options_help(void (*line)(const char *text));
void options_release(struct config *c);

/* "[USER@]HOST:PATH", ssh://, or local. */
int spec_parse(const char *text, struct dest_spec *out, struct err *err);
/* Back from `key`. */
int spec_of_key(const char *key, struct dest_spec *out, struct err *err);
void spec_release(struct dest_spec *s);

#endif
