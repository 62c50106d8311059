/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream of random ops, drawn one by one for an engine and kept, so that it can be applied once
 * more, cut down (engine_shrink.h) and told as a script (engine_stream_script.c). Ops are mostly
 * sensible, sometimes nonsense.
 */
#ifndef LOCKSTEP_TESTS_ENGINE_STREAM_H
#define LOCKSTEP_TESTS_ENGINE_STREAM_H

#include "plugin/engine/engine.h"
#include "tests/unit/engine_model.h"

/* An op and what its pointers mean. */
struct stream_op {
	struct engine_op op;
	uint8_t lvb;		   /* all bytes of it; counts with op.lvb_len */
	bool queued_right;	   /* TIMEOUT, DEADLOCK_SEARCH: the queueing at that time is meant */
	uint64_t raise;		   /* not 0: seq is raised by that much before the op (R-VIEW-2) */
	struct engine_member_id members[2];
};

struct stream {
	struct engine_config config;
	size_t count;
	struct stream_op *ops;
};

/* What a run likes: not everything at once, so that it gets deep into what it has. */
struct gambler;

struct gambler *gambler_new(uint64_t seed);
void gambler_free(struct gambler *g);
struct engine_config gambler_config(struct gambler *g);
/* The next op for an engine in that state. */
void gambler_draw(struct gambler *g, const struct engine *e, struct stream_op *ret);

/* The op with its pointers, which live as long as @lvb and @from do. @queued_seq: of the lock it
 * names. */
struct engine_op stream_op_get(const struct stream_op *from, uint64_t queued_seq,
			       uint8_t lvb[MODEL_LVB_LEN]);

/* --- engine_stream_script.c --- */

/* In the language of engine_script.h. */
struct stream_line {
	char command[160]; /* empty: the op cannot be said in it */
	char effects[800]; /* what must come of it, by the model */
};

/* One line per op; @lines has room for all. */
void stream_tell(const struct stream *s, struct stream_line *lines);
/* The lines as C, to be pasted into a test. */
void stream_print(const struct stream *s, const struct stream_line *lines);

#endif
