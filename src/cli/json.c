/* --json: one event a line on standard output, an object each. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

/* Bytes of the UTF-8 character at p (RFC 3629), or 0: it is none. */
static size_t character(const unsigned char *p, size_t n)
{
	size_t len = *p < 0x80		       ? 1
		     : *p >= 0xc2 && *p < 0xe0 ? 2
		     : *p >= 0xe0 && *p < 0xf0 ? 3
		     : *p >= 0xf0 && *p < 0xf5 ? 4
					       : 0;
	size_t i;

	if (len > n)
		return 0;
	for (i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than needed, surrogates, beyond Unicode. */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* Bytes that belong to no character are U+FFFD, as many as there are. */
static bool string(struct view v)
{
	const unsigned char *p = v.p, *end = v.p + v.len;
	bool whole = true;
	size_t n;

	putchar('"');
	for (; p < end; p += n) {
		n = character(p, (size_t)(end - p));
		if (n == 0) {
			printf("\\ufffd");
			whole = false;
		} else if (*p < 0x20 || *p == 0x7f) {
			printf("\\u%04x", *p);
		} else if (*p == '"' || *p == '\\') {
			printf("\\%c", *p);
		} else {
			fwrite(p, 1, n, stdout);
		}
		n = n ? n : 1;
	}
	putchar('"');
	return whole;
}

void json_begin(const char *event)
{
	printf("{\"event\":\"%s\"", event);
}

void json_name(const char *key, struct view v)
{
	size_t i;

	printf(",\"%s\":", key);
	if (string(v))
		return;
	printf(",\"%s_hex\":\"", key);
	for (i = 0; i < v.len; i++)
		printf("%02x", v.p[i]);
	putchar('"');
}

void json_path(struct view v)
{
	json_name("path", v.len ? v : view_of(".", 1));
}

void json_text(const char *key, const char *text)
{
	json_name(key, view_of(text, strlen(text)));
}

void json_number(const char *key, int64_t n)
{
	printf(",\"%s\":%" PRId64, key, n);
}

void json_seconds(const char *key, double s)
{
	printf(",\"%s\":%.3f", key, s);
}

void json_bool(const char *key, bool yes)
{
	printf(",\"%s\":%s", key, yes ? "true" : "false");
}

void json_end(void)
{
	printf("}\n");
	fflush(stdout);
}
