#include "snapsync/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 8192

/* Length of a well-formed UTF-8 sequence at p (RFC 3629), or 0. */
static size_t utf8_length(const unsigned char *p, size_t len)
{
	size_t need, i;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len < need)
		return 0;
	for (i = 1; i < need; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return need;
}

static bool is_octal(const unsigned char *p, size_t len)
{
	size_t i;

	if (len < 3)
		return false;
	for (i = 0; i < 3; i++)
		if (p[i] < '0' || p[i] > '7')
			return false;
	return true;
}

/* C1 control characters are U+0080..U+009F: c2 80..9f. */
static bool is_plain(const unsigned char *p, size_t len, size_t n)
{
	if (n == 0 || p[0] < 0x20 || p[0] == 0x7f)
		return false;
	if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0)
		return false;
	return p[0] != '\\' || !is_octal(p + 1, len - 1);
}

size_t log_escape(const void *name, size_t len, char *out, size_t size)
{
	const unsigned char *p = name;
	size_t used = 0, i = 0, n;
	char octal[5];

	while (i < len) {
		n = utf8_length(p + i, len - i);
		if (is_plain(p + i, len - i, n)) {
			if (used + n < size)
				memcpy(out + used, p + i, n);
			used += n;
			i += n;
			continue;
		}
		snprintf(octal, sizeof(octal), "\\%03o", p[i]);
		if (used + 4 < size)
			memcpy(out + used, octal, 4);
		used += 4;
		i++;
	}
	if (size)
		out[used < size ? used : size - 1] = 0;
	return used;
}

void log_line(const struct log *log, enum log_level level, const char *fmt, ...)
{
	char raw[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	va_list ap;

	if (!log || !log->write || level > log->level)
		return;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	memset(line, 0, sizeof(line));
	log_escape(raw, strlen(raw), line, sizeof(line));
	log->write(log->arg, level, line);
}
