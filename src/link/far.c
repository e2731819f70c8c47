#include <string.h>

#include "link_local.h"

void far_show(struct far *f)
{
	if (f->held && f->lines++ < FAR_LINES_MAX)
		log_line(f->log, LOG_WARN, "remote: %s", f->last);
	f->held = false;
}

void far_end(struct far *f)
{
	if (f->len == 0)
		return;
	far_show(f);
	f->line[f->len] = 0;
	memcpy(f->last, f->line, f->len + 1);
	f->len = 0;
	f->held = true;
}

void far_take(struct far *f, const char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (bytes[i] == '\n' || f->len == sizeof(f->line) - 1)
			far_end(f);
		else if (bytes[i] != '\r')
			f->line[f->len++] = bytes[i];
	}
}
