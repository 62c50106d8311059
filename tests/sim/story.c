/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/assert.h"
#include "tests/sim/world.h"

void story_tell_(struct world *w, const char *format, ...)
{
	struct story *s = &w->story;
	char line[STORY_LINE];
	int at = snprintf(line, sizeof(line), "%10.3f ms  ", (double)world_now(w) / 1000.0);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(line + at, sizeof(line) - (size_t)at, format, ap);
	va_end(ap);
	if (s->print) {
		(void)puts(line);
		return;
	}
	if (!s->lines) {
		s->lines = calloc(STORY_LINES, STORY_LINE);
		ls_assert(s->lines);
	}
	(void)snprintf(s->lines[s->count++ % STORY_LINES], STORY_LINE, "%s", line);
}

void story_print(const struct story *s, size_t lines)
{
	size_t n = s->count < STORY_LINES ? s->count : STORY_LINES;

	if (lines < n) {
		n = lines;
	}
	for (size_t i = s->count - n; i < s->count; i++) {
		(void)puts(s->lines[i % STORY_LINES]);
	}
}

void story_done(struct story *s)
{
	free(s->lines);
	*s = (struct story){ 0 };
}
