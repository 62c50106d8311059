/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happened, as lines to read. Off in ordinary runs (a run that fails is run again with it on:
 * same seed, same run); then either printed at once or the last lines kept for the end.
 */
#ifndef LOCKSTEP_TESTS_SIM_STORY_H
#define LOCKSTEP_TESTS_SIM_STORY_H

#include <stdbool.h>
#include <stddef.h>

struct world;

enum { STORY_LINES = 400, STORY_LINE = 200 };

struct story {
	bool on;
	bool print;
	size_t count;
	char (*lines)[STORY_LINE]; /* STORY_LINES of them */
};

void story_tell_(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The kept lines, oldest first, to stdout. */
void story_print(const struct story *s, size_t lines);
void story_done(struct story *s);

/* Evaluates its arguments only when somebody listens. */
#define story_tell(w, ...)                                                                         \
	do {                                                                                       \
		if ((w)->story.on) {                                                               \
			story_tell_((w), __VA_ARGS__);                                             \
		}                                                                                  \
	} while (0)

#endif
