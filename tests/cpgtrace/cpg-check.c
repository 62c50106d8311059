/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a recorded trace of Corosync, or of the simulator's model of it, obey the axioms
 * that the model is built on? See axioms.h for them, trace.h for the files.
 *
 *   cpg-check [--ghosts] FILE...      the files together are one trace: all processes of
 * one group
 *
 * --ghosts: members whose node is not in the ring are expected. Prints what the trace
 * shows; exit status 1 when an axiom does not hold, 2 when a file cannot be read.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/cpgtrace/axioms.h"

enum { VIOLATIONS_PRINTED_MAX = 12 };

void violation(struct check *c, const struct life *l, const struct event *ev,
	       const char *axiom, const char *format, ...)
{
	va_list args;

	if (c->violations++ >= VIOLATIONS_PRINTED_MAX) {
		return;
	}
	printf("%s:%u: node %u pid %u life %u: %s: ", l->file, ev ? ev->line : l->line,
	       l->nodeid, l->pid, l->life, axiom);
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	printf("\n");
}

int main(int argc, char **argv)
{
	static const char *const texts[] = {
#define X(id, text) text,
		SEEN(X)
#undef X
	};
	struct trace t = { 0 };
	struct check c = { .trace = &t };
	int files = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--ghosts") == 0) {
			c.ghosts_allowed = true;
		} else if (!trace_read(&t, argv[i])) {
			trace_done(&t);
			return 2;
		} else {
			files++;
		}
	}
	if (files == 0) {
		fputs("usage: cpg-check [--ghosts] FILE...\n", stderr);
		return 2;
	}
	check_lives(&c);
	check_pairs(&c);
	for (size_t i = 0; i < SEEN_COUNT; i++) {
		printf("%10" PRIu64 "  %s\n", c.seen[i], texts[i]);
	}
	printf("%u violations\n", c.violations);
	trace_done(&t);
	return c.violations > 0 ? 1 : 0;
}
