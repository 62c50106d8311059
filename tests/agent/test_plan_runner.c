/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that the plan runner does what recovery-plan-engine.md says: its test vectors (section 10)
 * one by one, then what they leave out. Plans are written as text (plan_rig.h).
 */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/agent/plan_rig.h"

static void ends_as(struct plan *plan, enum plan_header header, enum plan_outcome outcome,
		    const char *states)
{
	assert_string_equal(rig_states(plan), states);
	assert_string_equal(plan_header_name(plan->header), plan_header_name(header));
	assert_string_equal(plan_outcome_name(plan->outcome), plan_outcome_name(outcome));
}

/* Runs a plan and compares everything. */
static void expect(const char *text, const char *results, enum plan_header header,
		   enum plan_outcome outcome, const char *states)
{
	struct plan *plan = rig_plan(text);

	rig_run(plan, results);
	ends_as(plan, header, outcome, states);
	plan_free(plan);
}

static void start(struct plan *plan, const char *actions)
{
	char error[PLAN_ERROR_MAX];

	assert_int_equal(runner_start(plan, 0, error, sizeof(error)), 0);
	assert_string_equal(rig_actions(plan), actions);
}

/* --- the vectors ------------------------------------------------------------------------ */

/* Vector 1; R-EXEC-1, R-EXEC-4, R-END-2 */
static void vector_1_all_good_is_done(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>b");

	rig_run(plan, "");
	ends_as(plan, PLAN_ENABLE, PLAN_DONE, "a:GOOD b:GOOD");
	assert_int_equal(rig_step(plan, "source")->state, PLAN_GOOD);
	assert_int_equal(rig_step(plan, "terminator")->state, PLAN_GOOD);
	plan_free(plan);
}

/* Vector 2; R-COMMIT-2 */
static void vector_2_a_failure_after_the_commit_goes_forward(void **state)
{
	(void)state;
	expect("a>b! b!>c", "c-", PLAN_FORWARD, PLAN_DONE_WITH_ERRORS, "a:GOOD b:GOOD c:BAD");
}

/* Vector 3; R-COMMIT-2, R-UNDO-4 */
static void vector_3_a_failure_before_the_commit_rolls_back(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>b b>c!");

	start(plan, "do(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "do(b)");
	rig_finish(plan, "b", false);
	assert_string_equal(rig_actions(plan), "undo(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "end");
	ends_as(plan, PLAN_BACKWARD, PLAN_ROLLED_BACK, "a:UNDONE b:BAD c:DROPPED");
	assert_int_equal(rig_step(plan, "terminator")->state, PLAN_DROPPED);
	assert_int_equal(rig_step(plan, "source")->state, PLAN_UNDONE);
	plan_free(plan);
}

/* Vector 4; R-COMMIT-1: fired counts, so a commit step that fails rolls forward. */
static void vector_4_a_failed_commit_step_goes_forward(void **state)
{
	(void)state;
	expect("a>b b>c! c>d", "c-", PLAN_FORWARD, PLAN_DONE_WITH_ERRORS,
	       "a:GOOD b:GOOD c:BAD d:GOOD");
}

/* Vector 4; R-FWD-1 */
static void vector_4_on_forward_skip_passes_without_running(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>b b>c! c>d");

	rig_step(plan, "d")->skip_on_forward = true;
	start(plan, "do(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "do(b)");
	rig_finish(plan, "b", true);
	assert_string_equal(rig_actions(plan), "do(c)");
	rig_finish(plan, "c", false);
	assert_string_equal(rig_actions(plan), "end");
	ends_as(plan, PLAN_FORWARD, PLAN_DONE_WITH_ERRORS, "a:GOOD b:GOOD c:BAD d:GOOD");
	plan_free(plan);
}

/* Vector 5; R-COMMIT-2: nothing to go back to. */
static void vector_5_without_a_commit_step_nothing_is_undone(void **state)
{
	(void)state;
	expect("a>b", "a-", PLAN_FORWARD, PLAN_DONE_WITH_ERRORS, "a:BAD b:GOOD");
}

/* Vector 6; R-UNDO-3 */
static void vector_6_what_ends_good_after_the_turn_is_undone(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>c! b>c!");

	start(plan, "do(a) do(b)");
	rig_finish(plan, "a", false);
	assert_int_equal(plan->header, PLAN_BACKWARD);
	assert_string_equal(rig_actions(plan), "");
	rig_finish(plan, "b", true);
	assert_string_equal(rig_actions(plan), "undo(b)");
	rig_finish(plan, "b", true);
	assert_string_equal(rig_actions(plan), "end");
	ends_as(plan, PLAN_BACKWARD, PLAN_ROLLED_BACK, "a:BAD c:DROPPED b:UNDONE");
	plan_free(plan);
}

/* Vector 7; R-SKIP-1: also through a skipped step (P-9). */
static void vector_7_missing_data_is_skipped_over(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a!>b b=>c c=>d");

	rig_run(plan, "b-");
	ends_as(plan, PLAN_FORWARD, PLAN_DONE_WITH_ERRORS, "a:GOOD b:BAD c:SKIPPED d:SKIPPED");
	assert_int_equal(rig_step(plan, "c")->skipped_by, plan_step_find(plan, "b"));
	assert_int_equal(rig_step(plan, "d")->skipped_by, plan_step_find(plan, "c"));
	plan_free(plan);
}

/* Vector 8; R-SKIP-2, R-EXEC-3 */
static void vector_8_a_nil_step_ends_the_skipping(void **state)
{
	(void)state;
	expect("a!>b b=>n:nil n=>c c=>d", "b-", PLAN_FORWARD, PLAN_DONE_WITH_ERRORS,
	       "a:GOOD b:BAD n:GOOD c:GOOD d:GOOD");
}

/* Vector 9; R-UNDO-7 */
static void vector_9_a_failed_undo_halts(void **state)
{
	(void)state;
	expect("a>b b>c c>d!", "c- ~b-", PLAN_BACKWARD, PLAN_PANICKED,
	       "a:GOOD b:PANIC c:BAD d:DROPPED");
}

/* Vector 9; R-UNDO-7 */
static void vector_9_under_continue_the_rest_is_undone(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>b b>c c>d!");

	plan->panic_policy = PLAN_PANIC_CONTINUE;
	rig_run(plan, "c- ~b-");
	ends_as(plan, PLAN_BACKWARD, PLAN_PANICKED, "a:UNDONE b:PANIC c:BAD d:DROPPED");
	plan_free(plan);
}

/* Vector 10; R-UNDO-1, R-UNDO-2 */
static void vector_10_undo_follows_the_dependencies(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>b a>c b>d! c>d!");

	start(plan, "do(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "do(b) do(c)");
	rig_finish(plan, "b", true);
	rig_finish(plan, "c", false);
	assert_string_equal(rig_actions(plan), "undo(b)");
	rig_finish(plan, "b", true);
	assert_string_equal(rig_actions(plan), "undo(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "end");
	ends_as(plan, PLAN_BACKWARD, PLAN_ROLLED_BACK, "a:UNDONE b:UNDONE c:BAD d:DROPPED");
	plan_free(plan);
}

/* Vector 11; R-EXEC-6, R-END-3: rig_run() reports from where a do function would, and the plan of two
 * steps that end at once has its outcome before anything else happens. */
static void vector_11_a_step_may_end_while_it_is_started(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a b");
	char error[PLAN_ERROR_MAX];
	struct runner_action action;

	assert_int_equal(runner_start(plan, 0, error, sizeof(error)), 0);
	assert_true(runner_action_next(plan, &action));
	runner_finish(plan, action.step, true, 0, NULL, 0); /* b is still in the row */
	assert_true(runner_action_next(plan, &action));
	assert_string_equal(plan->steps[action.step].name, "b");
	runner_finish(plan, action.step, true, 0, NULL, 0);
	assert_string_equal(rig_actions(plan), "end");
	plan_free(plan);
}

static bool aborts(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)freopen("/dev/null", "w", stderr);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void finish_twice(void)
{
	struct plan *plan = rig_plan("a b");
	char error[PLAN_ERROR_MAX];
	uint32_t a = plan_step_find(plan, "a");

	(void)runner_start(plan, 0, error, sizeof(error));
	runner_finish(plan, a, true, 0, NULL, 0);
	runner_finish(plan, a, true, 0, NULL, 0);
}

/* Vector 11; R-EXEC-5 */
static void vector_11_a_second_completion_aborts(void **state)
{
	(void)state;
	assert_true(aborts(finish_twice));
}

static struct plan *command_plan(uint64_t timeout_ms)
{
	struct plan *plan = rig_plan("a>b!");

	rig_step(plan, "a")->run = PLAN_DEED_COMMAND;
	rig_step(plan, "a")->run_command.timeout_ms = timeout_ms;
	plan->kill_delay_ms = 50;
	return plan;
}

/* Vector 13; R-EXEC-7 */
static void vector_13_a_slow_command_is_told_then_killed_and_counts_as_failed(void **state)
{
	(void)state;
	struct plan *plan = command_plan(100);

	start(plan, "do(a)");
	assert_int_equal(runner_deadline(plan), 100);
	runner_tick(plan, 99);
	assert_string_equal(rig_actions(plan), "");
	runner_tick(plan, 100);
	assert_string_equal(rig_actions(plan), "term(a)");
	assert_int_equal(runner_deadline(plan), 150);
	runner_tick(plan, 149);
	assert_string_equal(rig_actions(plan), "");
	runner_tick(plan, 150);
	assert_string_equal(rig_actions(plan), "kill(a)");
	assert_int_equal(runner_deadline(plan), 0);
	runner_tick(plan, 1000);
	assert_string_equal(rig_actions(plan), "");
	rig_finish(plan, "a", true); /* it may say what it likes */
	assert_string_equal(rig_actions(plan), "end");
	ends_as(plan, PLAN_BACKWARD, PLAN_ROLLED_BACK, "a:BAD b:DROPPED");
	assert_string_equal(rig_step(plan, "a")->error, "took too long");
	plan_free(plan);
}

/* R-EXEC-7: in time is in time. */
static void a_command_that_ends_in_time_is_left_alone(void **state)
{
	(void)state;
	struct plan *plan = command_plan(100);

	start(plan, "do(a)");
	runner_tick(plan, 99);
	rig_finish(plan, "a", true);
	runner_tick(plan, 100);
	assert_string_equal(rig_actions(plan), "do(b)");
	plan_free(plan);
}

/* --- beyond the vectors ----------------------------------------------------------------- */

/* R-COMMIT-4, R-EXEC-2: the batch is one; the commit step in it counts though its neighbour failed
 * before it was even started. */
static void a_commit_step_in_the_batch_of_the_failed_one_counts(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>b a>c!");

	plan->max_parallel = 1;
	start(plan, "do(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "do(b)");
	rig_finish(plan, "b", false);
	assert_int_equal(plan->header, PLAN_FORWARD);
	assert_string_equal(rig_actions(plan), "do(c)");
	rig_finish(plan, "c", true);
	assert_string_equal(rig_actions(plan), "end");
	ends_as(plan, PLAN_FORWARD, PLAN_DONE_WITH_ERRORS, "a:GOOD b:BAD c:GOOD");
	plan_free(plan);
}

/* R-EXEC-2: at most max_parallel at a time, by their numbers. */
static void no_more_than_max_parallel_are_under_way(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a b c d");

	plan->max_parallel = 2;
	start(plan, "do(a) do(b)");
	rig_finish(plan, "b", true);
	assert_string_equal(rig_actions(plan), "do(c)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "do(d)");
	plan_free(plan);
}

/* R-UNDO-1: the batch fires a, b and c, but only a was started when the plan turned back. */
static void nothing_is_started_after_the_turn_back(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>d! b>d! c>d!");

	plan->max_parallel = 1;
	start(plan, "do(a)");
	rig_finish(plan, "a", false);
	assert_string_equal(rig_actions(plan), "end");
	ends_as(plan, PLAN_BACKWARD, PLAN_ROLLED_BACK, "a:BAD d:DROPPED b:DROPPED c:DROPPED");
	plan_free(plan);
}

/* R-EXEC-1 */
static void a_failed_antecedent_does_not_hold_back(void **state)
{
	(void)state;
	expect("a!>b b>c", "b-", PLAN_FORWARD, PLAN_DONE_WITH_ERRORS, "a:GOOD b:BAD c:GOOD");
}

/* R-SKIP-3 */
static void other_edges_cause_no_skip(void **state)
{
	(void)state;
	for (enum plan_edge_type type = PLAN_EDGE_CONTROL; type <= PLAN_EDGE_OUTPUT_DATA; type++) {
		struct plan *plan = rig_plan("a!>b b>c");
		struct plan_step *c = rig_step(plan, "c");

		c->antecedents[0].type = type;
		rig_run(plan, "b-");
		assert_string_equal(plan_state_name(c->state),
				    type == PLAN_EDGE_TRUE_DATA ? "SKIPPED" : "GOOD");
		plan_free(plan);
	}
}

/* R-COMMIT-1: a commit step that is skipped, or nil, counts as well. */
static void a_passed_commit_step_counts(void **state)
{
	(void)state;
	expect("a!>b b=>c! c>d", "b-", PLAN_FORWARD, PLAN_DONE_WITH_ERRORS,
	       "a:GOOD b:BAD c:SKIPPED d:GOOD");
	expect("a>n!:nil n>b", "b-", PLAN_FORWARD, PLAN_DONE_WITH_ERRORS, "a:GOOD n:GOOD b:BAD");
}

/* R-UNDO-4 */
static void a_failed_step_with_undo_on_fail_is_undone(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>b b>c!");

	rig_step(plan, "b")->undo_on_fail = true;
	start(plan, "do(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "do(b)");
	rig_finish(plan, "b", false);
	assert_string_equal(rig_actions(plan), "undo(b)");
	rig_finish(plan, "b", true);
	assert_string_equal(rig_actions(plan), "undo(a)");
	rig_finish(plan, "a", true);
	ends_as(plan, PLAN_BACKWARD, PLAN_ROLLED_BACK, "a:UNDONE b:UNDONE c:DROPPED");
	plan_free(plan);
}

/* R-UNDO-5, P-5 */
static void a_nil_undo_is_done_at_once(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>n:nil n>b b>c!");

	rig_step(plan, "a")->undo = PLAN_DEED_NIL;
	start(plan, "do(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "do(b)");
	rig_finish(plan, "b", false);
	assert_string_equal(rig_actions(plan), "end");
	ends_as(plan, PLAN_BACKWARD, PLAN_ROLLED_BACK, "a:UNDONE n:UNDONE b:BAD c:DROPPED");
	plan_free(plan);
}

/* P-3: succedents that were never fired do not hold an undo back. */
static void never_fired_succedents_are_ignored(void **state)
{
	(void)state;
	expect("a>b a>c b>d! c>d! d>e", "b-", PLAN_BACKWARD, PLAN_ROLLED_BACK,
	       "a:UNDONE b:BAD c:UNDONE d:DROPPED e:DROPPED");
}

/* R-END-6: before the commit point a cancelled plan goes back. */
static void a_cancelled_plan_rolls_back(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>b b>c!");

	rig_step(plan, "b")->run = PLAN_DEED_COMMAND;
	start(plan, "do(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "do(b)");
	runner_cancel(plan, 10);
	assert_string_equal(rig_actions(plan), "term(b)");
	rig_finish(plan, "b", false);
	assert_string_equal(rig_actions(plan), "undo(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "end");
	ends_as(plan, PLAN_BACKWARD, PLAN_ROLLED_BACK, "a:UNDONE b:BAD c:DROPPED");
	plan_free(plan);
}

/* R-END-6: a command that was told to end and ended well is taken back like any other. */
static void a_step_that_ends_good_after_the_cancel_is_undone(void **state)
{
	(void)state;
	struct plan *plan = command_plan(0);

	start(plan, "do(a)");
	runner_cancel(plan, 10);
	assert_string_equal(rig_actions(plan), "term(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "undo(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "end");
	assert_int_equal(plan->outcome, PLAN_ROLLED_BACK);
	plan_free(plan);
}

/* R-END-6: after the commit point it goes on to its end. */
static void a_cancelled_plan_past_its_commit_goes_forward(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a!>b b>c");

	start(plan, "do(a)");
	runner_cancel(plan, 10);
	rig_finish(plan, "a", true);
	rig_go_on(plan, "");
	/* R-END-2 has no row for "FORWARD, none BAD": nothing is wrong but the way it came about. */
	ends_as(plan, PLAN_FORWARD, PLAN_DONE_WITH_ERRORS, "a:GOOD b:GOOD c:GOOD");
	plan_free(plan);
}

/* R-PLAN-4 */
static void a_stopped_plan_starts_nothing_more(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>b b>c!");

	start(plan, "do(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "do(b)");
	runner_stop(plan, 10);
	assert_string_equal(rig_actions(plan), "");
	rig_finish(plan, "b", true);
	assert_string_equal(rig_actions(plan), "end");
	ends_as(plan, PLAN_ENABLE, PLAN_STOPPED, "a:GOOD b:GOOD c:DROPPED");
	plan_free(plan);
}

/* R-PLAN-4: an undo that was told to end is no panic. */
static void stopping_while_it_undoes_is_no_panic(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>b b>c!");

	rig_step(plan, "a")->undo = PLAN_DEED_COMMAND;
	start(plan, "do(a)");
	rig_finish(plan, "a", true);
	assert_string_equal(rig_actions(plan), "do(b)");
	rig_finish(plan, "b", false);
	assert_string_equal(rig_actions(plan), "undo(a)");
	runner_stop(plan, 10);
	assert_string_equal(rig_actions(plan), "term(a)");
	rig_finish(plan, "a", false);
	assert_string_equal(rig_actions(plan), "end");
	ends_as(plan, PLAN_BACKWARD, PLAN_STOPPED, "a:GOOD b:BAD c:DROPPED");
	plan_free(plan);
}

/* R-END-5 */
static void the_report_has_times_and_reasons(void **state)
{
	(void)state;
	struct plan *plan = rig_plan("a>b!");
	char error[PLAN_ERROR_MAX];
	uint32_t a = plan_step_find(plan, "a");
	uint32_t b = plan_step_find(plan, "b");

	assert_int_equal(runner_start(plan, 5, error, sizeof(error)), 0);
	runner_finish(plan, a, true, 0, NULL, 7);
	runner_finish(plan, b, false, 3, "exit code 3", 11);
	assert_int_equal(plan->steps[a].start_ms, 5);
	assert_int_equal(plan->steps[a].end_ms, 7);
	assert_int_equal(plan->steps[b].start_ms, 7);
	assert_int_equal(plan->steps[b].end_ms, 11);
	assert_int_equal(plan->steps[b].status, 3);
	assert_string_equal(plan->steps[b].error, "exit code 3");
	plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vector_1_all_good_is_done),
		cmocka_unit_test(vector_2_a_failure_after_the_commit_goes_forward),
		cmocka_unit_test(vector_3_a_failure_before_the_commit_rolls_back),
		cmocka_unit_test(vector_4_a_failed_commit_step_goes_forward),
		cmocka_unit_test(vector_4_on_forward_skip_passes_without_running),
		cmocka_unit_test(vector_5_without_a_commit_step_nothing_is_undone),
		cmocka_unit_test(vector_6_what_ends_good_after_the_turn_is_undone),
		cmocka_unit_test(vector_7_missing_data_is_skipped_over),
		cmocka_unit_test(vector_8_a_nil_step_ends_the_skipping),
		cmocka_unit_test(vector_9_a_failed_undo_halts),
		cmocka_unit_test(vector_9_under_continue_the_rest_is_undone),
		cmocka_unit_test(vector_10_undo_follows_the_dependencies),
		cmocka_unit_test(vector_11_a_step_may_end_while_it_is_started),
		cmocka_unit_test(vector_11_a_second_completion_aborts),
		cmocka_unit_test(vector_13_a_slow_command_is_told_then_killed_and_counts_as_failed),
		cmocka_unit_test(a_command_that_ends_in_time_is_left_alone),
		cmocka_unit_test(a_commit_step_in_the_batch_of_the_failed_one_counts),
		cmocka_unit_test(no_more_than_max_parallel_are_under_way),
		cmocka_unit_test(nothing_is_started_after_the_turn_back),
		cmocka_unit_test(a_failed_antecedent_does_not_hold_back),
		cmocka_unit_test(other_edges_cause_no_skip),
		cmocka_unit_test(a_passed_commit_step_counts),
		cmocka_unit_test(a_failed_step_with_undo_on_fail_is_undone),
		cmocka_unit_test(a_nil_undo_is_done_at_once),
		cmocka_unit_test(never_fired_succedents_are_ignored),
		cmocka_unit_test(a_cancelled_plan_rolls_back),
		cmocka_unit_test(a_step_that_ends_good_after_the_cancel_is_undone),
		cmocka_unit_test(a_cancelled_plan_past_its_commit_goes_forward),
		cmocka_unit_test(a_stopped_plan_starts_nothing_more),
		cmocka_unit_test(stopping_while_it_undoes_is_no_panic),
		cmocka_unit_test(the_report_has_times_and_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
