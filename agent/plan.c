/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Building and freeing a plan's graph. What is wrong with it is found in plan_check.c.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "agent/runner.h"
#include "lib/base/assert.h"
#include "lib/base/text.h"

struct plan *plan_new(const char *name)
{
	struct plan *plan = calloc(1, sizeof(*plan));

	ls_assert(plan);
	(void)base_format(plan->name, sizeof(plan->name), "%s", name);
	plan->antecedents_max = PLAN_ANTECEDENTS_MAX;
	plan->kill_delay_ms = 5000;
	plan->source = PLAN_NONE;
	plan->terminator = PLAN_NONE;
	return plan;
}

static void strings_free(char **strings)
{
	for (size_t i = 0; strings && strings[i]; i++) {
		free(strings[i]);
	}
	free(strings);
}

static void command_done(struct plan_command *command)
{
	strings_free(command->argv);
	strings_free(command->env);
	free(command->directory);
}

struct plan *plan_free(struct plan *plan)
{
	if (!plan) {
		return NULL;
	}
	for (size_t i = 0; i < plan->steps_count; i++) {
		struct plan_step *step = &plan->steps[i];

		command_done(&step->run_command);
		command_done(&step->undo_command);
		free(step->antecedents);
		free(step->succedents);
	}
	free(plan->steps);
	free(plan->to_start.items);
	free(plan->actions.items);
	free(plan);
	return NULL;
}

uint32_t plan_step_add(struct plan *plan, const char *name, enum plan_kind kind)
{
	if (plan->steps_count >= PLAN_STEPS_MAX) {
		return PLAN_NONE;
	}
	if (plan->steps_count == plan->steps_capacity) {
		plan->steps_capacity = plan->steps_capacity ? plan->steps_capacity * 2 : 16;
		plan->steps = realloc(plan->steps, plan->steps_capacity * sizeof(plan->steps[0]));
		ls_assert(plan->steps);
	}
	bool nil = kind == PLAN_NIL || kind == PLAN_TERMINATOR;
	struct plan_step *step = &plan->steps[plan->steps_count];

	*step = (struct plan_step){
		.kind = kind,
		.run = nil ? PLAN_DEED_NIL : PLAN_DEED_MISSING,
		.undo = nil ? PLAN_DEED_NIL : PLAN_DEED_MISSING,
		.skipped_by = PLAN_NONE,
	};
	(void)base_format(step->name, sizeof(step->name), "%s", name);
	return (uint32_t)plan->steps_count++;
}

uint32_t plan_step_find(const struct plan *plan, const char *name)
{
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		if (strcmp(plan->steps[i].name, name) == 0) {
			return i;
		}
	}
	return PLAN_NONE;
}

void plan_edge_add(struct plan *plan, uint32_t from, uint32_t to, enum plan_edge_type type)
{
	ls_assert(from < plan->steps_count);
	ls_assert(to < plan->steps_count);
	struct plan_step *a = &plan->steps[from];
	struct plan_step *b = &plan->steps[to];

	a->succedents =
		realloc(a->succedents, (a->succedents_count + 1) * sizeof(a->succedents[0]));
	b->antecedents =
		realloc(b->antecedents, (b->antecedents_count + 1) * sizeof(b->antecedents[0]));
	ls_assert(a->succedents);
	ls_assert(b->antecedents);
	a->succedents[a->succedents_count++] = to;
	b->antecedents[b->antecedents_count++] =
		(struct plan_antecedent){ .step = from, .type = type };
}

int plan_close(struct plan *plan)
{
	size_t sources = 0;
	uint32_t first = PLAN_NONE;
	size_t steps_count = plan->steps_count;

	for (uint32_t i = 0; i < steps_count; i++) {
		if (plan->steps[i].antecedents_count == 0) {
			first = sources++ == 0 ? i : first;
		}
		plan->commit_total += plan->steps[i].commit ? 1 : 0;
	}
	if (sources == 1 && plan->steps[first].kind == PLAN_NIL) {
		plan->source = first;
	} else {
		plan->source = plan_step_add(plan, "source", PLAN_NIL);
		/* As the first in order, wherever it stands: nothing competes with it. */
		for (uint32_t i = 0; plan->source != PLAN_NONE && i < steps_count; i++) {
			if (plan->steps[i].antecedents_count == 0) {
				plan_edge_add(plan, plan->source, i, PLAN_EDGE_CONTROL);
			}
		}
	}
	plan->terminator = plan_step_add(plan, "terminator", PLAN_TERMINATOR);
	if (plan->source == PLAN_NONE || plan->terminator == PLAN_NONE) {
		return -E2BIG;
	}
	for (uint32_t i = 0; i < plan->terminator; i++) {
		if (plan->steps[i].succedents_count == 0) {
			plan_edge_add(plan, i, plan->terminator, PLAN_EDGE_CONTROL);
		}
	}
	return 0;
}

void plan_success_set(struct plan_command *command, unsigned int code)
{
	ls_assert(code < 256);
	command->success[code / 8] |= (uint8_t)(1u << code % 8);
}

bool plan_success(const struct plan_command *command, unsigned int code)
{
	return code < 256 && command->success[code / 8] & 1u << code % 8;
}

#define NAME_OF(names, value)                                                                      \
	((size_t)(value) < sizeof(names) / sizeof((names)[0]) ? (names)[value] : "?")

const char *plan_state_name(enum plan_state state)
{
	static const char *const names[] = { "WAIT",	"FIRED",  "GOOD",  "BAD",    "SKIPPED",
					     "RECOVER", "UNDONE", "PANIC", "DROPPED" };

	return NAME_OF(names, state);
}

const char *plan_header_name(enum plan_header header)
{
	static const char *const names[] = { "ENABLE", "FORWARD", "BACKWARD" };

	return NAME_OF(names, header);
}

const char *plan_outcome_name(enum plan_outcome outcome)
{
	static const char *const names[] = { "UNDECIDED",   "DONE",  "DONE_WITH_ERRORS",
					     "ROLLED_BACK", "PANIC", "STOPPED" };

	return NAME_OF(names, outcome);
}

const char *plan_edge_name(enum plan_edge_type type)
{
	static const char *const names[] = { "control", "trueData", "antiData", "outputData" };

	return NAME_OF(names, type);
}
