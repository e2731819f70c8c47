/*
 * A default access list of a directory, without a program for it:
 *
 *     acl set DIR     user 4242 has all rights in what is made there
 *     acl has DIR     0 there is one, 1 there is none
 *
 * 3: the file system has no such lists.
 */
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define NAME "system.posix_acl_default"

struct entry {
	uint16_t tag, perm; /* little-endian, as linux/posix_acl_xattr.h says */
	uint32_t id;
};

struct list {
	uint32_t version;
	struct entry entries[5];
};

int main(int argc, char **argv)
{
	static const struct entry all[5] = {{0x01, 7, UINT32_MAX}, {0x02, 7, 4242}, {0x04, 5, UINT32_MAX}, {0x10, 7, UINT32_MAX}, {0x20, 5, UINT32_MAX}};
	struct list l = {.version = htole32(2)};
	ssize_t n;
	size_t i;

	if (argc != 3)
		return 2;
	for (i = 0; i < 5; i++) {
		l.entries[i].tag = htole16(all[i].tag);
		l.entries[i].perm = htole16(all[i].perm);
		l.entries[i].id = htole32(all[i].id);
	}
	if (strcmp(argv[1], "set") == 0)
		n = setxattr(argv[2], NAME, &l, sizeof(l), 0) < 0 ? -1 : 1;
	else
		n = getxattr(argv[2], NAME, NULL, 0);
	if (n < 0 && errno != ENODATA)
		perror(argv[2]);
	return n > 0 ? 0 : errno == EOPNOTSUPP ? 3
					       : 1;
}
