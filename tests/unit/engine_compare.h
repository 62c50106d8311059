/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One stream of ops for three: an engine, a twin of it that is now and then restored from a
 * snapshot, and the model. After every op all must have done the same and be in the same state,
 * the engines' digests equal and their invariants whole.
 */
#ifndef LOCKSTEP_TESTS_ENGINE_COMPARE_H
#define LOCKSTEP_TESTS_ENGINE_COMPARE_H

#include "tests/unit/engine_stream.h"

#define COMPARE_OP_TYPES 16 /* those of clients by their number, then the two of the view machine */

struct compare_marks {
	struct model_marks model;
	/* By type of op: ops that did nothing but take a seq, ops that did something. */
	size_t ops[COMPARE_OP_TYPES][2];
};

struct compare;

struct compare *compare_new(const struct engine_config *config, struct compare_marks *marks);
void compare_free(struct compare *c);
const struct engine *compare_engine(const struct compare *c);
/* Returns NULL, or what went wrong; the details are in compare_report() then. */
const char *compare_step(struct compare *c, const struct stream_op *op, bool restore);
/* The twin has the same snapshot and can be restored from it: at the end of a run. */
const char *compare_snapshots(struct compare *c);
const char *compare_report(const struct compare *c);

/* Does a whole stream, restoring at every step. Returns as compare_step(). */
const char *compare_stream(const struct stream *s);

#endif
