/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a fuzz target on every file of a corpus and on the beginnings of each, with any compiler.
 * The corpus is what the arguments name (files, folders), or else
 * $top_srcdir/tests/fuzz/corpus/NAME, NAME being the program's own. An empty one is a failure.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define FILE_SIZE_MAX (1u << 20)
#define PREFIXES_MAX 512u

static size_t files_count;

/* A copy of its own, so that a sanitizer sees the first byte too many. */
static void run_copy(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	fuzz_expect(copy);
	memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static bool run_file(const char *path)
{
	static uint8_t data[FILE_SIZE_MAX];
	FILE *file = fopen(path, "rb");

	if (!file) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	size_t size = fread(data, 1, sizeof(data), file);
	size_t prefixes = size < PREFIXES_MAX ? size : PREFIXES_MAX;

	(void)fclose(file);
	run_copy(data, size);
	for (size_t i = 0; i < prefixes; i++) {
		run_copy(data, i);
	}
	files_count++;
	return true;
}

static bool run_path(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	if (!S_ISDIR(st.st_mode)) {
		return run_file(path);
	}
	DIR *dir = opendir(path);
	bool good = dir != NULL;

	for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
		char name[4096];

		if (entry->d_name[0] == '.') {
			continue;
		}
		int length = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);

		fuzz_expect(length > 0 && (size_t)length < sizeof(name));
		good = run_file(name) && good;
	}
	if (dir) {
		(void)closedir(dir);
	}
	return good;
}

int main(int argc, char **argv)
{
	const char *top = getenv("top_srcdir");
	const char *name = strrchr(argv[0], '/');
	char path[4096];
	bool good = true;

	name = name ? name + 1 : argv[0];
	/* libtool's wrapper runs lt-NAME. */
	if (strncmp(name, "lt-", 3) == 0) {
		name += 3;
	}
	for (int i = 1; i < argc; i++) {
		good = run_path(argv[i]) && good;
	}
	if (argc < 2) {
		(void)snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", top ? top : ".", name);
		good = run_path(path);
	}
	(void)printf("%s: %zu files\n", name, files_count);
	return good && files_count > 0 ? 0 : 1;
}
