/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock model once more, as plainly as its rules are written: arrays instead of indexes, walks
 * instead of counts, nothing kept that can be looked up. Small and slow; property tests compare
 * the engine with it. It knows nothing of the engine's code but its ops and effects.
 *
 *   engine_model.c         modes, queues, grants, notifications (sections 4 to 6, 9, 10, 12, 13)
 *   engine_model_requests.c requests, conversions, and what ends them
 *   engine_model_owners.c  sessions, orphans, nodes
 *   engine_model_search.c  the deadlock search (section 19)
 *   engine_model_ops.c     whose op it is, and whether it is legal
 *   engine_model_text.c    effects and state, to be compared
 *   engine_model_marks.h   what it counts, so that a test knows where its runs have been
 *
 * It has MODEL_RESOURCES resources whose names are one letter from 'a' on, and LVBs of 8 bytes
 * that are all alike, so that an LVB is one number here.
 */
#ifndef LOCKSTEP_TESTS_ENGINE_MODEL_H
#define LOCKSTEP_TESTS_ENGINE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin/engine/engine.h"
#include "tests/unit/engine_model_marks.h"

#define MODEL_RESOURCES 4
#define MODEL_LVB_LEN 8
#define MODEL_TEXT_SIZE 65536
#define MODEL_STATE_WORDS 4096

struct model;

/* @config: seq_base, deadlock_wait_ms and xid_scope count. @marks may be NULL. */
struct model *model_new(const struct engine_config *config, struct model_marks *marks);
void model_free(struct model *m);
/* Applies one op; what comes of it is in model_effects(), valid until the next one. */
void model_apply(struct model *m, const struct engine_op *op);
const struct engine_effect *model_effects(const struct model *m, size_t *ret_count);
/* Of the lock that the op names; 0 when there is none. */
uint64_t model_queued_seq(const struct model *m, const struct engine_op *op);
/* R-TOK-1: as engine_seq_raise(). */
void model_seq_raise(struct model *m, uint64_t seq);

/* A line per effect; for both sides. @text has MODEL_TEXT_SIZE. */
void model_effects_text(const struct engine_effect *effects, size_t count, char *text);
/* The fields of two effects that both sides know. */
bool model_effect_equal(const struct engine_effect *a, const struct engine_effect *b);

/* Queues and LVBs of the model and of an engine, in the same numbers, and those as text. */
struct model_state {
	size_t count;
	uint64_t words[MODEL_STATE_WORDS];
};
void model_state(const struct model *m, struct model_state *ret);
void model_state_of_engine(const struct engine *e, struct model_state *ret);
bool model_state_equal(const struct model_state *a, const struct model_state *b);
void model_state_text(const struct model_state *s, char *text);

#endif
