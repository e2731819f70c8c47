/* -e: the user's own program carries the stream. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link_local.h"

#define WORDS_MAX 64

int exec_helper_missing(const char *helper, const char *host, struct err *err)
{
	if (!host)
		return err_set(err, ERR_START,
			       "the helper %s was not found: install snapsync "
			       "or name it with --helper-path",
			       helper);
	return err_set(err, ERR_START,
		       "the helper %s was not found on %s: install snapsync "
		       "there or name it with --helper-path",
		       helper, host);
}

/* Characters that mean nothing to any shell. */
static bool is_plain(const char *s)
{
	return *s && s[strspn(s, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "/._-+=,:@%")] == 0;
}

int exec_command(const struct link_target *t, char *out, size_t size,
		 struct err *err)
{
	const char *const *arg = t->helper_args;
	size_t used;

	if (!is_plain(t->helper))
		return err_set(err, ERR_USAGE,
			       "--helper-path %s: only letters, digits and "
			       "/._-+=,:@%% are allowed, since a shell at the "
			       "far end reads it",
			       t->helper);
	used = (size_t)snprintf(out, size, "%s", t->helper);
	for (; arg && *arg && used < size; arg++) {
		if (!is_plain(*arg))
			return err_set(err, ERR_USAGE, "%s: not a plain word",
				       *arg);
		used += (size_t)snprintf(out + used, size - used, " %s", *arg);
	}
	return used < size ? 0
			   : err_set(err, ERR_USAGE, "--helper-path too long");
}

/* Words of the command, as rsync splits -e: blanks part them, '...' and "..."
 * hold them together, a doubled quote inside stands for itself. */
static int split(char *text, const char *words[], int *count, struct err *err)
{
	char *in = text, *out = text;

	*count = 0;
	while (*in) {
		char quote = 0;

		while (*in == ' ' || *in == '\t')
			in++;
		if (!*in)
			break;
		if (*count == WORDS_MAX)
			return err_set(err, ERR_USAGE, "-e: too many words");
		words[(*count)++] = out;
		for (; *in && (quote || (*in != ' ' && *in != '\t')); in++) {
			if (quote && *in == quote && in[1] == quote)
				*out++ = *++in;
			else if (quote && *in == quote)
				quote = 0;
			else if (!quote && (*in == '\'' || *in == '"'))
				quote = *in;
			else
				*out++ = *in;
		}
		if (quote)
			return err_set(err, ERR_USAGE,
				       "-e: a quote is not closed");
		if (*in)
			in++;
		*out++ = 0;
	}
	return *count ? 0 : err_set(err, ERR_USAGE, "-e: no program");
}

int link_open_program(const char *command, const struct link_target *target,
		      const struct log *log, struct link **out, struct err *err)
{
	const char *argv[WORDS_MAX + 16];
	const char *const *arg = target->helper_args;
	char *text = malloc(strlen(command) + 2), helper[1024];
	struct child_start s = {argv,		log,	     "", false,
				target->helper, target->host};
	char what[128];
	int n, r;

	*out = NULL;
	if (!text)
		return err_set(err, ERR_MEMORY, "out of memory");
	strcpy(text, command);
	r = exec_command(target, helper, sizeof(helper), err);
	if (r == 0)
		r = split(text, argv, &n, err);
	if (r == 0) {
		snprintf(what, sizeof(what), "program %s", argv[0]);
		s.what = what;
		if (target->user) {
			argv[n++] = "-l";
			argv[n++] = target->user;
		}
		argv[n++] = target->host;
		argv[n++] = target->helper;
		while (arg && *arg && n < WORDS_MAX + 14)
			argv[n++] = *arg++;
		argv[n] = NULL;
		r = child_open(&s, out, err);
	}
	free(text);
	return r;
}
