/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that a plan with a defect is refused before anything runs, each defect with a sentence of its
 * own that names the step (R-DAG-6; test vector 12 of recovery-plan-engine.md).
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/agent/plan_rig.h"

/* Breaks a good plan. */
typedef void (*breaker)(struct plan *plan);

static void refused(const char *text, breaker break_it, const char *sentence)
{
	struct plan *plan = rig_plan(text);
	struct runner_action action;
	char error[PLAN_ERROR_MAX] = "";

	assert_int_equal(plan_check(plan, error, sizeof(error)), 0);
	break_it(plan);
	assert_int_equal(runner_start(plan, 0, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, sentence);
	assert_false(runner_action_next(plan, &action));
	plan_free(plan);
}

static void dispatched(struct plan *plan)
{
	plan->dispatched = true;
}

static void forward(struct plan *plan)
{
	plan->header = PLAN_FORWARD;
}

static void committed(struct plan *plan)
{
	plan->commits = 1;
}

static void not_waiting(struct plan *plan)
{
	rig_step(plan, "b")->state = PLAN_GOOD;
}

static void progressed(struct plan *plan)
{
	rig_step(plan, "b")->undos = 1;
}

static void second_source(struct plan *plan)
{
	uint32_t extra = plan_step_add(plan, "extra", PLAN_NIL);

	plan_edge_add(plan, extra, plan->terminator, PLAN_EDGE_CONTROL);
}

static void terminator_leads_on(struct plan *plan)
{
	uint32_t extra = plan_step_add(plan, "extra", PLAN_NIL);

	plan_edge_add(plan, plan->terminator, extra, PLAN_EDGE_CONTROL);
	plan->steps[extra].line = 7;
}

static void second_terminator(struct plan *plan)
{
	uint32_t extra = plan_step_add(plan, "extra", PLAN_TERMINATOR);

	plan_edge_add(plan, plan_step_find(plan, "b"), extra, PLAN_EDGE_CONTROL);
}

static void dead_end(struct plan *plan)
{
	uint32_t extra = plan_step_add(plan, "extra", PLAN_NIL);

	plan_edge_add(plan, plan_step_find(plan, "a"), extra, PLAN_EDGE_CONTROL);
}

static void antecedent_nowhere(struct plan *plan)
{
	rig_step(plan, "b")->antecedents[0].step = 99;
}

static void succedent_nowhere(struct plan *plan)
{
	rig_step(plan, "b")->succedents[0] = 99;
}

static void one_sided_antecedent(struct plan *plan)
{
	/* b still says that it needs a. */
	rig_step(plan, "a")->succedents_count--;
}

static void one_sided_succedent(struct plan *plan)
{
	/* c keeps leading to d, which forgets it. */
	rig_step(plan, "d")->antecedents_count--;
}

static void edge_twice(struct plan *plan)
{
	plan_edge_add(plan, plan_step_find(plan, "a"), plan_step_find(plan, "b"),
		      PLAN_EDGE_TRUE_DATA);
}

static void no_do(struct plan *plan)
{
	rig_step(plan, "b")->run = PLAN_DEED_MISSING;
}

static void no_undo(struct plan *plan)
{
	rig_step(plan, "b")->undo = PLAN_DEED_MISSING;
	rig_step(plan, "b")->line = 12;
}

static void name_twice(struct plan *plan)
{
	strcpy(rig_step(plan, "b")->name, "a");
}

static void commits_differ(struct plan *plan)
{
	plan->commit_total = 2;
}

static void cycle(struct plan *plan)
{
	plan_edge_add(plan, plan_step_find(plan, "c"), plan_step_find(plan, "b"),
		      PLAN_EDGE_CONTROL);
}

static void needs_itself(struct plan *plan)
{
	plan_edge_add(plan, plan_step_find(plan, "b"), plan_step_find(plan, "b"),
		      PLAN_EDGE_CONTROL);
}

static void crowd(struct plan *plan)
{
	plan->antecedents_max = 1;
}

/* Vector 12; R-DAG-6, R-LIST-3 */
static void only_a_fresh_plan_is_dispatched(void **state)
{
	(void)state;
	refused("a>b!", dispatched, "plan 'test' was dispatched already");
	refused("a>b!", forward, "plan 'test' is FORWARD, not ENABLE");
	refused("a>b!", committed, "plan 'test' has counted commits before it began");
	refused("a>b!", not_waiting, "step 'b': is GOOD before the plan began");
	refused("a>b!", progressed, "step 'b': has made progress before the plan began");
}

/* Vector 12; R-DAG-1, R-DAG-6 */
static void a_plan_has_one_source_and_one_terminator(void **state)
{
	(void)state;
	refused("a>b", second_source, "step 'extra': is a second source beside step 'source'");
	refused("a>b", terminator_leads_on,
		"step 'terminator': is the terminator and leads to other steps");
	refused("a>b", second_terminator,
		"step 'extra': is a second terminator beside step 'terminator'");
	refused("a>b", dead_end, "step 'extra': leads nowhere and is not the terminator");
}

/* Vector 12; R-DAG-2, R-DAG-5, R-DAG-6 */
static void an_edge_is_listed_once_at_both_ends(void **state)
{
	(void)state;
	refused("a>b", antecedent_nowhere, "step 'b': needs a step that does not exist");
	refused("a>b", succedent_nowhere, "step 'b': is needed by a step that does not exist");
	refused("a>b", one_sided_antecedent,
		"step 'b': needs step 'a' 1 times, which leads to it 0 times");
	refused("a>b b>d c>d", one_sided_succedent,
		"step 'c': leads to step 'd', which does not need it");
	refused("a>b", edge_twice, "step 'b': needs step 'a' twice");
}

/* Vector 12; R-DAG-6, R-DAG-4, R-PLAN-6 */
static void a_step_has_a_name_a_do_and_an_undo(void **state)
{
	(void)state;
	refused("a>b", no_do, "step 'b': has no do");
	refused("a>b", no_undo,
		"step 'b' (line 12): has no undo; say nil when there is nothing to undo");
	refused("a>b", name_twice, "step 'a': there is another step of that name");
	refused("a>b!", commits_differ, "plan 'test' declares 2 commit steps and has 1");
}

/* Vector 12; R-DAG-5, R-DAG-6 */
static void a_cycle_is_named(void **state)
{
	(void)state;
	refused("a>b b>c c>d", cycle, "step 'b': is on a cycle: it needs 'c' needs 'b'");
	refused("a>b b>c", needs_itself, "step 'b': is on a cycle: it needs 'b'");
}

/* R-DAG-5 */
static void antecedents_are_limited(void **state)
{
	(void)state;
	refused("a>c b>c", crowd, "step 'c': needs 2 steps, at most 1 are allowed");
}

/* R-DAG-5: the default, and that it can be raised. */
static void twenty_antecedents_are_fine_and_more_on_request(void **state)
{
	(void)state;
	for (unsigned int count = 20; count <= 21; count++) {
		char text[512] = "";
		char error[PLAN_ERROR_MAX];
		size_t size = 0;

		for (unsigned int i = 0; i < count; i++) {
			size += (size_t)snprintf(text + size, sizeof(text) - size, "s%u>z ", i);
		}
		struct plan *plan = rig_plan(text);

		assert_int_equal(plan_check(plan, error, sizeof(error)), count > 20 ? -EINVAL : 0);
		plan->antecedents_max = 21;
		assert_int_equal(plan_check(plan, error, sizeof(error)), 0);
		plan_free(plan);
	}
}

/* A plan without steps of its own is the nil plan: it is done at once. */
static void an_empty_plan_is_done(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("");

	rig_run(plan, "");
	assert_int_equal(plan->outcome, PLAN_DONE);
	plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_fresh_plan_is_dispatched),
		cmocka_unit_test(a_plan_has_one_source_and_one_terminator),
		cmocka_unit_test(an_edge_is_listed_once_at_both_ends),
		cmocka_unit_test(a_step_has_a_name_a_do_and_an_undo),
		cmocka_unit_test(a_cycle_is_named),
		cmocka_unit_test(antecedents_are_limited),
		cmocka_unit_test(twenty_antecedents_are_fine_and_more_on_request),
		cmocka_unit_test(an_empty_plan_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
