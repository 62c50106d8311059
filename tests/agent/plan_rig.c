/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/agent/plan_rig.h"

static void nothing(struct plan *plan, uint32_t step, void *arg)
{
	(void)plan;
	(void)step;
	(void)arg;
}

static uint32_t step_of(struct plan *plan, const char *word, size_t length)
{
	char name[PLAN_NAME_MAX + 1];
	bool nil = false;
	bool commit = false;

	if (length > 4 && memcmp(word + length - 4, ":nil", 4) == 0) {
		nil = true;
		length -= 4;
	}
	if (word[length - 1] == '!') {
		commit = true;
		length--;
	}
	(void)snprintf(name, sizeof(name), "%.*s", (int)length, word);
	uint32_t i = plan_step_find(plan, name);

	if (i == PLAN_NONE) {
		i = plan_step_add(plan, name, nil ? PLAN_NIL : PLAN_FUNCTION);
		if (!nil) {
			plan->steps[i].run = PLAN_DEED_FUNCTION;
			plan->steps[i].undo = PLAN_DEED_FUNCTION;
			plan->steps[i].run_fn = nothing;
			plan->steps[i].undo_fn = nothing;
		}
	}
	plan->steps[i].commit |= commit;
	return i;
}

struct plan *rig_plan(const char *text)
{
	struct plan *plan = plan_new("test");

	while (*text) {
		size_t length = strcspn(text, " ");
		const char *mark = memchr(text, '>', length);

		if (mark) {
			bool data = mark > text && mark[-1] == '=';
			uint32_t from = step_of(plan, text, (size_t)(mark - text) - (data ? 1 : 0));
			uint32_t to =
				step_of(plan, mark + 1, length - (size_t)(mark + 1 - text));

			plan_edge_add(plan, from, to,
				      data ? PLAN_EDGE_TRUE_DATA : PLAN_EDGE_CONTROL);
		} else {
			(void)step_of(plan, text, length);
		}
		text += length;
		text += strspn(text, " ");
	}
	assert_int_equal(plan_close(plan), 0);
	return plan;
}

struct plan_step *rig_step(struct plan *plan, const char *name)
{
	uint32_t i = plan_step_find(plan, name);

	assert_true(i != PLAN_NONE);
	return &plan->steps[i];
}

/* What @results says about the do, or undo, of @name. */
static bool result_of(const char *results, const char *name, bool undo)
{
	char word[PLAN_NAME_MAX + 3];

	(void)snprintf(word, sizeof(word), "%s%s-", undo ? "~" : "", name);
	for (const char *at = results; (at = strstr(at, word)); at++) {
		if (at == results || at[-1] == ' ') {
			return false;
		}
	}
	return true;
}

static void check(const struct plan *plan)
{
	const char *broken = runner_check(plan);

	if (broken) {
		fail_msg("%s: %s", broken, rig_states(plan));
	}
}

void rig_go_on(struct plan *plan, const char *results)
{
	struct runner_action action;
	bool ended = false;

	while (runner_action_next(plan, &action)) {
		check(plan);
		assert_false(ended); /* R-END-1, R-END-4 */
		if (action.type == RUNNER_DO || action.type == RUNNER_UNDO) {
			const char *name = plan->steps[action.step].name;

			runner_finish(plan, action.step,
				      result_of(results, name, action.type == RUNNER_UNDO), 0, NULL,
				      0);
		} else if (action.type == RUNNER_END) {
			ended = true;
		}
	}
	check(plan);
	assert_true(ended);
}

void rig_run(struct plan *plan, const char *results)
{
	char error[PLAN_ERROR_MAX];

	if (runner_start(plan, 0, error, sizeof(error))) {
		fail_msg("%s", error);
	}
	rig_go_on(plan, results);
}

void rig_finish(struct plan *plan, const char *name, bool good)
{
	runner_finish(plan, plan_step_find(plan, name), good, 0, NULL, 0);
	check(plan);
}

const char *rig_actions(struct plan *plan)
{
	static const char *const names[] = { "do", "undo", "term", "kill", "end" };
	static char text[4096];
	struct runner_action action;
	size_t size = 0;

	text[0] = 0;
	while (runner_action_next(plan, &action)) {
		size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%s%s%s%s",
					 size ? " " : "", names[action.type],
					 action.type == RUNNER_END ? "" : "(",
					 action.type == RUNNER_END ? "" :
								     plan->steps[action.step].name,
					 action.type == RUNNER_END ? "" : ")");
		assert_true(size < sizeof(text));
	}
	check(plan);
	return text;
}

const char *rig_states(const struct plan *plan)
{
	static char text[8192];
	size_t size = 0;

	text[0] = 0;
	for (size_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		if (strcmp(step->name, "source") == 0 || step->kind == PLAN_TERMINATOR) {
			continue;
		}
		size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%s:%s",
					 size ? " " : "", step->name,
					 plan_state_name(step->state));
		assert_true(size < sizeof(text));
	}
	return text;
}
