#include "snapsync/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct err_row {
	const char *name;
	enum err_class class;
	int exit_status;
};

static const struct err_row rows[ERR_CODES] = {
	[ERR_NONE] = {"none", ERR_CLASS_NONE, 0},
	[ERR_USAGE] = {"usage", ERR_CLASS_FATAL, 1},
	[ERR_PROTOCOL] = {"protocol", ERR_CLASS_DROP, 2},
	[ERR_SOURCE] = {"source", ERR_CLASS_FATAL, 3},
	[ERR_START] = {"start", ERR_CLASS_DROP, 5},
	[ERR_SOCKET] = {"socket", ERR_CLASS_DROP, 10},
	[ERR_FILE] = {"file", ERR_CLASS_FATAL, 11},
	[ERR_STREAM] = {"stream", ERR_CLASS_DROP, 12},
	[ERR_SIGNAL] = {"signal", ERR_CLASS_FATAL, 20},
	[ERR_MEMORY] = {"memory", ERR_CLASS_FATAL, 22},
	[ERR_PARTIAL] = {"partial", ERR_CLASS_SKIP, 23},
	[ERR_LIMIT] = {"limit", ERR_CLASS_SKIP, 25},
	[ERR_TIMEOUT] = {"timeout", ERR_CLASS_DROP, 30},
	[ERR_CONNECT] = {"connect-timeout", ERR_CLASS_DROP, 35},
	[ERR_DENIED] = {"denied", ERR_CLASS_SKIP, 23},
	[ERR_VANISHED] = {"vanished", ERR_CLASS_RESCAN, 23},
	[ERR_EXISTS] = {"exists", ERR_CLASS_RESCAN, 23},
	[ERR_NOT_EMPTY] = {"not-empty", ERR_CLASS_RESCAN, 23},
	[ERR_NO_SPACE] = {"no-space", ERR_CLASS_SKIP, 23},
	[ERR_UNSUPPORTED] = {"unsupported", ERR_CLASS_SKIP, 23},
	[ERR_NAME] = {"name", ERR_CLASS_SKIP, 23},
	[ERR_IO] = {"io", ERR_CLASS_SKIP, 23},
	[ERR_MISMATCH] = {"mismatch", ERR_CLASS_RETRY, 23},
	[ERR_BUSY] = {"busy", ERR_CLASS_RETRY, 23},
};

static const struct err_row *row_of(int code)
{
	if (code < 0)
		code = -code;
	return code < ERR_CODES ? &rows[code] : &rows[ERR_PROTOCOL];
}

static int record(struct err *err, enum err_code code, int sys, const char *fmt,
		  va_list ap)
{
	size_t used;
	int n;

	err->code = -(int)code;
	err->sys = sys;
	n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	used = n < 0 ? 0 : (size_t)n;
	if (used >= sizeof(err->msg))
		used = sizeof(err->msg) - 1;
	if (sys)
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %s",
			 strerror(sys));
	return err->code;
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = record(err, code, 0, fmt, ap);
	va_end(ap);
	return r;
}

int err_sys(struct err *err, enum err_code code, int sys, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = record(err, code, sys, fmt, ap);
	va_end(ap);
	return r;
}

enum err_code err_from_errno(int sys)
{
	switch (sys) {
	case EACCES:
	case EPERM:
	case EROFS: return ERR_DENIED;
	case ENOENT:
	case ESTALE:
	case ENOTDIR:
	case ELOOP: return ERR_VANISHED;
	case EEXIST:
	case EISDIR: return ERR_EXISTS;
#if ENOTEMPTY != EEXIST
	case ENOTEMPTY: return ERR_NOT_EMPTY;
#endif
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return ERR_NO_SPACE;
	case ENAMETOOLONG:
	case EILSEQ:
	case EINVAL: return ERR_NAME;
	case EMLINK:
	case ENOSYS:
	case EOPNOTSUPP:
	case EXDEV: return ERR_UNSUPPORTED;
	case ENOMEM: return ERR_MEMORY;
	case EBUSY:
	case ETXTBSY:
	case EMFILE:
	case ENFILE: return ERR_BUSY;
	default: return ERR_IO;
	}
}

const char *err_name(int code)
{
	return row_of(code)->name;
}

enum err_class err_class(int code)
{
	return row_of(code)->class;
}

int err_exit(int code)
{
	return row_of(code)->exit_status;
}

void err_clear(struct err *err)
{
	memset(err, 0, sizeof(*err));
}
