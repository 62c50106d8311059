/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows on random plans with random ends of their steps, in random order, that the runner and a slow
 * statement of the rules (plan_model.h) agree after every event, and over the whole run: a step is done
 * at most once, undone at most once and only after its do, taken back only after all that was built
 * on it, nothing begins after the turn back, the commit point decides the direction (R-COMMIT-2), the end
 * comes exactly once and always comes.
 *
 * LOCKSTEP_SEED=N runs that plan only; a failure prints its seed.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/runner.h"
#include "tests/agent/plan_model.h"

#define PLANS 20000
#define OWN_STEPS_MAX 24 /* beside source and terminator */

struct run {
	uint64_t seed;
	uint64_t random;
	struct plan *plan;
	struct model model;
	uint32_t under_way[MODEL_STEPS_MAX];
	size_t under_way_count;
	unsigned int dos[MODEL_STEPS_MAX];
	unsigned int undos[MODEL_STEPS_MAX];
	bool undone[MODEL_STEPS_MAX];
	bool commit_begun;
	bool ended;
};

static unsigned int outcomes[PLAN_STOPPED + 1];
static unsigned int turned_late; /* ended good after the turn back, and were undone (R-UNDO-3) */

static uint32_t draw(struct run *r, uint32_t below)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return (uint32_t)((r->random >> 11) % below);
}

static bool chance(struct run *r, uint32_t percent)
{
	return draw(r, 100) < percent;
}

static void nothing(struct plan *plan, uint32_t step, void *arg)
{
	(void)plan;
	(void)step;
	(void)arg;
}

static struct plan *plan_draw(struct run *r)
{
	struct plan *plan = plan_new("random");
	uint32_t count = 1 + draw(r, OWN_STEPS_MAX);
	uint32_t density = 5 + draw(r, 40);
	uint32_t commits = draw(r, 3);

	for (uint32_t i = 0; i < count; i++) {
		char name[16];
		bool nil = chance(r, 15);

		(void)snprintf(name, sizeof(name), "s%u", i);
		struct plan_step *step = &plan->steps[plan_step_add(
			plan, name, nil ? PLAN_NIL : PLAN_FUNCTION)];

		step = &plan->steps[i];
		step->undo_on_fail = chance(r, 20);
		step->skip_on_forward = chance(r, 20);
		if (!nil) {
			step->run = PLAN_DEED_FUNCTION;
			step->undo = chance(r, 20) ? PLAN_DEED_NIL : PLAN_DEED_FUNCTION;
			step->run_fn = nothing;
			step->undo_fn = nothing;
		}
		for (uint32_t from = 0; from < i; from++) {
			if (chance(r, density)) {
				plan_edge_add(plan, from, i, (enum plan_edge_type)draw(r, 4));
			}
		}
	}
	for (; commits > 0; commits--) {
		plan->steps[draw(r, count)].commit = true;
	}
	plan->panic_policy = chance(r, 50) ? PLAN_PANIC_HALT : PLAN_PANIC_CONTINUE;
	plan->max_parallel = draw(r, 4);
	plan->antecedents_max = MODEL_STEPS_MAX;
	assert_int_equal(plan_close(plan), 0);
	return plan;
}

#define require(r, condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fail_msg("seed %llu: %s", (unsigned long long)(r)->seed, #condition);      \
		}                                                                                  \
	} while (0)

static void compare(struct run *r)
{
	const char *broken = runner_check(r->plan);

	if (broken) {
		fail_msg("seed %llu: %s", (unsigned long long)r->seed, broken);
	}
	for (size_t i = 0; i < r->plan->steps_count; i++) {
		if (r->plan->steps[i].state != r->model.steps[i].state) {
			fail_msg("seed %llu: step %s is %s, the model says %s",
				 (unsigned long long)r->seed, r->plan->steps[i].name,
				 plan_state_name(r->plan->steps[i].state),
				 plan_state_name(r->model.steps[i].state));
		}
	}
	require(r, r->plan->header == r->model.header);
	require(r, r->plan->outcome == r->model.outcome);
	require(r, r->plan->commits == r->model.commits);
}

/* Takes what is to be done, checking that it may be done now. */
static void take_actions(struct run *r)
{
	struct runner_action action;

	while (runner_action_next(r->plan, &action)) {
		require(r, !r->ended); /* R-END-4 */
		if (action.type == RUNNER_END) {
			r->ended = true;
			continue;
		}
		uint32_t i = action.step;
		const struct plan_step *step = &r->plan->steps[i];

		if (action.type == RUNNER_DO) {
			require(r, r->plan->header != PLAN_BACKWARD);
			require(r, r->dos[i]++ == 0);
			r->commit_begun |= step->commit;
		} else {
			require(r, action.type == RUNNER_UNDO);
			require(r, r->dos[i] == 1);
			require(r, r->undos[i]++ == 0);
			/* R-UNDO-2: whoever was built on it and succeeded has been taken back. */
			for (size_t k = 0; k < step->succedents_count; k++) {
				uint32_t to = step->succedents[k];
				const struct plan_step *built = &r->plan->steps[to];

				require(r, built->state != PLAN_GOOD && built->state != PLAN_FIRED);
			}
		}
		model_started(&r->model, i);
		r->under_way[r->under_way_count++] = i;
	}
	require(r, r->plan->max_parallel == 0 || r->under_way_count <= r->plan->max_parallel);
}

static void end_one(struct run *r, uint32_t bad_percent)
{
	size_t at = draw(r, (uint32_t)r->under_way_count);
	uint32_t i = r->under_way[at];
	bool good = !chance(r, bad_percent);
	bool doing = r->plan->steps[i].state == PLAN_FIRED;

	r->under_way[at] = r->under_way[--r->under_way_count];
	turned_late += doing && good && r->plan->header == PLAN_BACKWARD ? 1 : 0;
	runner_finish(r->plan, i, good, 0, NULL, 0);
	model_finish(&r->model, i, good);
	compare(r);
}

static void run_one(uint64_t seed)
{
	struct run r = { .seed = seed, .random = seed * 0x9e3779b97f4a7c15u + 1 };
	char error[PLAN_ERROR_MAX];
	uint32_t bad_percent;
	uint32_t interrupt_percent;

	r.plan = plan_draw(&r);
	model_of(r.plan, &r.model);
	bad_percent = draw(&r, 30);
	interrupt_percent = chance(&r, 20) ? 10 : 0;
	if (runner_start(r.plan, 0, error, sizeof(error))) {
		fail_msg("seed %llu: %s", (unsigned long long)seed, error);
	}
	model_start(&r.model);
	compare(&r);
	take_actions(&r);
	while (!r.ended) {
		require(&r, r.under_way_count > 0); /* else it hangs */
		if (chance(&r, interrupt_percent)) {
			if (chance(&r, 50)) {
				runner_cancel(r.plan, 0);
				model_cancel(&r.model);
			} else {
				runner_stop(r.plan, 0);
				model_stop(&r.model);
			}
			compare(&r);
		} else {
			end_one(&r, bad_percent);
		}
		take_actions(&r);
	}
	require(&r, r.under_way_count == 0);
	require(&r, !(r.commit_begun && r.plan->header == PLAN_BACKWARD));
	outcomes[r.plan->outcome]++;
	plan_free(r.plan);
}

static void the_runner_does_what_the_model_says(void **state)
{
	const char *only = getenv("LOCKSTEP_SEED");

	(void)state;
	if (only) {
		run_one(strtoull(only, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= PLANS; seed++) {
		run_one(seed);
	}
	print_message("%u plans:", PLANS);
	for (enum plan_outcome i = PLAN_DONE; i <= PLAN_STOPPED; i++) {
		print_message(" %s %u", plan_outcome_name(i), outcomes[i]);
		assert_true(outcomes[i] > 100);
	}
	print_message(", good after the turn back %u\n", turned_late);
	assert_true(turned_late > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_runner_does_what_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
