/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock model once more, as plainly as its rules are written: arrays instead of indexes, walks
 * instead of counts, nothing kept that can be looked up. Small and slow; property tests compare
 * the engine with it. It knows nothing of the engine's code but its ops.
 *
 * It has MODEL_RESOURCES resources whose names are one letter from 'a' on, and LVBs of 8 bytes
 * that are all alike, so that an LVB is one number here.
 */
#ifndef LOCKSTEP_TESTS_ENGINE_MODEL_H
#define LOCKSTEP_TESTS_ENGINE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "plugin/engine/op.h"

#define MODEL_RESOURCES 4
#define MODEL_LVB_LEN 8
#define MODEL_TEXT_SIZE 65536

struct model;

struct model *model_new(uint64_t seq);
void model_free(struct model *m);
/* Applies one op; what comes of it is in model_effects() as one line per effect. */
void model_apply(struct model *m, const struct engine_op *op);
const char *model_effects(const struct model *m);
/* The same line for an effect of the engine; appended to @text of MODEL_TEXT_SIZE. */
void model_effect_text(const struct engine_effect *effect, char *text);
/* Queues and LVBs, a line per resource. */
void model_state_text(const struct model *m, char *text);

#endif
