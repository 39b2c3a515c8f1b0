/* Feeds each file of the directories named in argv to the fuzz target: one TAP line a directory. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys.h"
#include "common/buf.h"
#include "tests/fuzz/fuzz.h"

#define FILE_MAX (1u << 20)

static bool
replay_file(const char *dir, const char *name)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(FILE_MAX);
	char path[4096];
	int len = snprintf(path, sizeof(path), "%s/%s", dir, name);

	if (len < 0 || (size_t)len >= sizeof(path) || sys_read_file(path, &b) != ERR_OK)
		return false;
	(void)LLVMFuzzerTestOneInput(b.data, b.len);
	return true;
}

static bool
replay_dir(const char *dir, size_t *ret_count)
{
	DIR *d = opendir(dir);
	bool good = d != NULL;

	*ret_count = 0;
	for (struct dirent *e = good ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
		if (e->d_name[0] == '.')
			continue;
		if (getenv("VERBOSE") != NULL)
			fprintf(
			    stderr, "# %s\n", e->d_name); /* the last one is the one that crashed */
		good = replay_file(dir, e->d_name) && good;
		++*ret_count;
	}
	if (d != NULL)
		(void)closedir(d);
	return good && *ret_count > 0; /* an empty corpus proves nothing */
}

int
main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		size_t count;
		bool good = replay_dir(argv[i], &count);

		printf("%sok %d - %s: %zu inputs\n", good ? "" : "not ", i, argv[i], count);
		failed += !good;
	}
	printf("1..%d\n", argc - 1);
	return failed == 0 ? 0 : 1;
}
