/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep-replay(8): runs the recorded input of a lockspace through the lock machine again, compares the
 * digests on the way, and tells what happened to a resource or a lock. Uses the engine and the trace
 * decoder, never the daemon.
 *
 *   main: arguments, files -> replay_file.c: one file -> replay_tell.c: what is printed
 *                          -> replay_compare.c: the states of two files
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "plugin/engine/engine.h"
#include "tools/lockstep_replay.h"

static void usage(FILE *f)
{
	(void)fputs("usage: lockstep-replay [--resource NAME | --lock NODE:LKID] [--json] FILE...\n"
		    "       lockstep-replay --compare FILE FILE\n"
		    "  --resource NAME    the history of a resource; bytes may be written as \\xHH\n"
		    "  --lock NODE:LKID   the history of a lock\n"
		    "  --json             one JSON object per line\n"
		    "  --compare          the first resource or lock that differs at the end of two files\n"
		    "  --version, --help\n"
		    "Exit status: 0 all digests agree, or the states are equal; 1 not so; 2 usage; 3 a file\n"
		    "cannot be read.\n",
		    f);
}

/* "a\x00b" -> bytes. */
static bool name_parse(const char *text, struct replay_options *o)
{
	size_t n = 0;

	while (*text) {
		unsigned int byte = (unsigned char)*text;
		int used = 1;

		if (text[0] == '\\' && text[1] == '\\') {
			used = 2;
		} else if (text[0] == '\\' && (sscanf(text, "\\x%2x%n", &byte, &used) != 1 || used != 4)) {
			return false;
		}
		if (n == LOCKSTEP_NAME_MAX) {
			return false;
		}
		o->name[n++] = (uint8_t)byte;
		text += used;
	}
	o->name_len = (uint8_t)n;
	o->by_name = true;
	return true;
}

static bool lock_parse(const char *text, struct replay_options *o)
{
	char *end;
	unsigned long node = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != ':' || end[1] < '0' || end[1] > '9') {
		return false;
	}
	unsigned long lkid = strtoul(end + 1, &end, 0);

	if (*end != 0 || node > UINT32_MAX || lkid > UINT32_MAX) {
		return false;
	}
	o->nodeid = (uint32_t)node;
	o->lkid = (uint32_t)lkid;
	o->by_lock = true;
	return true;
}

/* The whole file, or NULL with a message. */
static uint8_t *file_read(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	uint8_t *data = NULL;

	if (!f || fstat(fileno(f), &st) != 0) {
		goto out_errno;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > REPLAY_FILE_MAX) {
		(void)fprintf(stderr, "%s: not a regular file of at most %d MiB\n", path,
			      REPLAY_FILE_MAX >> 20);
		(void)fclose(f);
		return NULL;
	}
	data = malloc((size_t)st.st_size + 1);
	if (!data) {
		goto out_errno;
	}
	/* It may be being written: what is there now counts. */
	*ret_size = fread(data, 1, (size_t)st.st_size, f);
	if (ferror(f)) {
		goto out_errno;
	}
	(void)fclose(f);
	return data;

out_errno:
	(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
	free(data);
	if (f) {
		(void)fclose(f);
	}
	return NULL;
}

static int file_replay(const char *path, const struct replay_options *o, struct replay_marks *marks,
		       struct engine **ret_state)
{
	size_t size = 0;
	uint8_t *data = file_read(path, &size);
	int status = data ? replay_file(path, data, size, o, marks, ret_state) : 3;

	free(data);
	return status;
}

static int files_compare(char *const paths[2], const struct replay_options *o)
{
	struct engine *states[2] = { NULL, NULL };
	int status = 0;

	for (int i = 0; i < 2; i++) {
		/* That their digests differ is no news. */
		struct replay_marks marks = { 0 };
		int one = file_replay(paths[i], o, &marks, &states[i]);

		status = one > status ? one : status;
		replay_marks_done(&marks);
	}
	if (status == 0 && !replay_compare(states[0], states[1])) {
		status = 1;
	}
	(void)engine_free(states[0]);
	(void)engine_free(states[1]);
	return status;
}

int main(int argc, char **argv)
{
	enum { OPT_RESOURCE = 256, OPT_LOCK, OPT_JSON, OPT_COMPARE, OPT_VERSION, OPT_HELP };
	static const struct option options[] = {
		{ "resource", required_argument, NULL, OPT_RESOURCE },
		{ "lock", required_argument, NULL, OPT_LOCK },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "compare", no_argument, NULL, OPT_COMPARE },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, OPT_HELP },
		{ NULL, 0, NULL, 0 },
	};
	struct replay_options o = { 0 };
	struct replay_marks marks = { 0 };
	int status = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case OPT_RESOURCE:
			if (!name_parse(optarg, &o)) {
				(void)fprintf(stderr, "lockstep-replay: \"%s\" is no resource name\n", optarg);
				return 2;
			}
			break;
		case OPT_LOCK:
			if (!lock_parse(optarg, &o)) {
				(void)fprintf(stderr, "lockstep-replay: \"%s\" is not NODE:LKID\n", optarg);
				return 2;
			}
			break;
		case OPT_JSON:
			o.json = true;
			break;
		case OPT_COMPARE:
			o.compare = true;
			break;
		case OPT_VERSION:
			(void)puts("lockstep-replay " PACKAGE_VERSION);
			return 0;
		case OPT_HELP:
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind == argc || (o.compare && (argc - optind != 2 || o.json || o.by_name || o.by_lock))) {
		usage(stderr);
		return 2;
	}
	if (o.compare) {
		return files_compare(argv + optind, &o);
	}
	for (int i = optind; i < argc; i++) {
		int one = file_replay(argv[i], &o, &marks, NULL);

		status = one > status ? one : status;
	}
	replay_marks_done(&marks);
	return status;
}
