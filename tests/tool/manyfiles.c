/* manyfiles DIR N [BYTES]: N small files with content of their own, at least so
 * long, 100 to a directory. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char path[4096];
	long i, n;

	if (argc != 3 && argc != 4)
		return 2;
	n = atol(argv[2]);
	mkdir(argv[1], 0755);
	for (i = 0; i < n; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/%ld", argv[1], i / 100);
		if (i % 100 == 0)
			mkdir(path, 0755);
		snprintf(path, sizeof(path), "%s/%ld/%ld", argv[1], i / 100, i);
		f = fopen(path, "w");
		if (!f)
			return 1;
		fprintf(f, "this is file %ld of its own content %ld\n", i, i * 7919);
		if (argc == 4 && ftell(f) < atol(argv[3]))
			ftruncate(fileno(f), atol(argv[3]));
		fclose(f);
	}
	return 0;
}
