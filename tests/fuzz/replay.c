/* Runs a fuzz target over files, and over all files of directories: what a
 * compiler without libFuzzer can do with a corpus. */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned long inputs;

static int one_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = NULL;
	size_t len = 0, cap = 0, n;

	if (!f)
		return perror(path), 1;
	do {
		cap += 65536;
		bytes = realloc(bytes, cap);
		HOLDS(bytes != NULL);
		n = fread(bytes + len, 1, cap - len, f);
		len += n;
	} while (n > 0);
	fclose(f);
	/* Exactly as long as it is, so that a sanitizer sees every byte beyond. */
	bytes = realloc(bytes, len ? len : 1);
	LLVMFuzzerTestOneInput(bytes, len);
	free(bytes);
	inputs++;
	return 0;
}

static int one_dir(const char *path)
{
	char name[4096];
	struct dirent *e;
	DIR *d = opendir(path);
	int r = 0;

	if (!d)
		return perror(path), 1;
	while (r == 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		r = one_file(name);
	}
	closedir(d);
	return r;
}

int main(int argc, char **argv)
{
	struct stat st;
	int i, r = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (i = 1; r == 0 && i < argc; i++)
		r = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)
			    ? one_dir(argv[i])
			    : one_file(argv[i]);
	printf("%lu inputs\n", inputs);
	return r;
}
