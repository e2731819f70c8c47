/* manyfiles DIR N: N small files with content of their own, 100 to a directory. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	char path[4096];
	long i, n;

	if (argc != 3)
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
		fclose(f);
	}
	return 0;
}
