/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes a figure's line of the raw times of several processes.
 *
 *   collate merge FIGURE VARIANT KIND FILE...   all lines "KIND ns" together; the rates are added up
 *   collate differences FIGURE VARIANT A B      the k-th "to ns" of B minus the k-th "from ns" of A
 */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/samples.h"

static void read_file(const char *path, const char *kind, struct samples *ret, double *ret_rate)
{
	FILE *f = fopen(path, "r");
	char line[128];
	char word[16];
	uint64_t ns;

	if (!f) {
		perror(path);
		exit(1);
	}
	while (fgets(line, sizeof(line), f)) {
		double rate;

		if (sscanf(line, "rate %lf", &rate) == 1) {
			*ret_rate += rate;
		} else if (sscanf(line, "%15s %" SCNu64, word, &ns) == 2 &&
			   strcmp(word, kind) == 0) {
			samples_add(ret, ns);
		}
	}
	(void)fclose(f);
}

static bool differences(const char *path_a, const char *path_b, struct samples *ret)
{
	struct samples a = { .count = 0 };
	struct samples b = { .count = 0 };
	double rate = 0;

	read_file(path_a, "from", &a, &rate);
	read_file(path_b, "to", &b, &rate);
	bool fits = a.count == b.count;

	for (size_t i = 0; fits && i < a.count; i++) {
		/* Never negative, or the lock was in two hands. */
		fits = b.items[i] >= a.items[i];
		samples_add(ret, b.items[i] - a.items[i]);
	}
	samples_done(&a);
	samples_done(&b);
	return fits;
}

int main(int argc, char **argv)
{
	struct samples s = { .count = 0 };
	double rate = 0;

	if (argc >= 6 && strcmp(argv[1], "merge") == 0) {
		for (int i = 5; i < argc; i++) {
			read_file(argv[i], argv[4], &s, &rate);
		}
		if (strcmp(argv[4], "cycle") != 0 && strcmp(argv[4], "op") != 0) {
			rate = 0;
		}
	} else if (argc == 6 && strcmp(argv[1], "differences") == 0) {
		if (!differences(argv[4], argv[5], &s)) {
			fprintf(stderr, "collate: %s and %s do not fit together\n", argv[4], argv[5]);
			return 1;
		}
	} else {
		fprintf(stderr, "usage: collate merge FIGURE VARIANT KIND FILE...\n"
				"       collate differences FIGURE VARIANT A B\n");
		return 2;
	}
	if (s.count == 0) {
		fprintf(stderr, "collate: no times for %s\n", argv[2]);
		return 1;
	}
	samples_print(&s, argv[2], argv[3], rate);
	samples_done(&s);
	return 0;
}
