/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A slow and obvious statement of recovery-plan-engine.md sections 2 to 6, written from the text and
 * not from the runner: edges are a matrix, and after each event every rule is tried on every step
 * until none applies. It knows nothing of queues, only what was started.
 */
#ifndef LOCKSTEP_TESTS_PLAN_MODEL_H
#define LOCKSTEP_TESTS_PLAN_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/plan.h"

#define MODEL_STEPS_MAX 40

struct model_step {
	bool nil, nil_undo, terminator, commit, undo_on_fail, skip_on_forward;
	enum plan_state state;
	bool failed;
	bool started; /* its do, or undo, runs */
};

struct model {
	size_t count;
	struct model_step steps[MODEL_STEPS_MAX];
	bool edge[MODEL_STEPS_MAX][MODEL_STEPS_MAX]; /* [from][to] */
	bool data[MODEL_STEPS_MAX][MODEL_STEPS_MAX];
	size_t commit_total;
	bool halt; /* the panic policy */
	size_t commits;
	enum plan_header header;
	enum plan_outcome outcome;
	bool stopping;
};

void model_of(const struct plan *plan, struct model *ret);
void model_start(struct model *m);
void model_started(struct model *m, size_t step);
void model_finish(struct model *m, size_t step, bool good);
void model_cancel(struct model *m);
void model_stop(struct model *m);

#endif
