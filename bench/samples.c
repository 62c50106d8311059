/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/samples.h"
#include "lib/base/assert.h"

uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void samples_add(struct samples *s, uint64_t ns)
{
	if (s->count == s->capacity) {
		s->capacity = s->capacity ? s->capacity * 2 : 1024;
		s->items = realloc(s->items, s->capacity * sizeof(*s->items));
		ls_assert(s->items);
	}
	s->items[s->count++] = ns;
}

void samples_done(struct samples *s)
{
	free(s->items);
	*s = (struct samples){ .count = 0 };
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Nearest rank: the smallest sample that @percent of them do not exceed. */
static double percentile_us(const struct samples *s, size_t percent)
{
	size_t rank = (s->count * percent + 99) / 100;

	return (double)s->items[rank ? rank - 1 : 0] / 1000.0;
}

void samples_print(struct samples *s, const char *figure, const char *variant, double per_s)
{
	if (s->count == 0) {
		fprintf(stderr, "nothing was measured for %s %s\n", figure, variant);
		exit(1);
	}
	qsort(s->items, s->count, sizeof(*s->items), compare);
	printf("%s\t%s\t%zu\t%.3f\t%.3f\t%.3f\t", figure, variant, s->count,
	       percentile_us(s, 50), percentile_us(s, 99), percentile_us(s, 100));
	if (per_s > 0) {
		printf("%.0f\n", per_s);
	} else {
		printf("-\n");
	}
	fflush(stdout);
}

void value_print(const char *name, size_t n, double value)
{
	printf("value\t%s\t%zu\t%.3f\t%.3f\t%.3f\t-\n", name, n, value, value, value);
	fflush(stdout);
}

uint64_t number_argument(const char *text, uint64_t max)
{
	char *end;

	errno = 0;
	uintmax_t value = strtoumax(text, &end, 10);

	if (errno || end == text || *end || value > max) {
		fprintf(stderr, "'%s' is not a number from 0 to %" PRIu64 "\n", text, max);
		exit(2);
	}
	return value;
}
