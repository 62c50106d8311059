/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state machine of a plan under way; runner.h has the drawings. Every public event ends in
 * turn(), which does all that has become possible: passes steps, decides about the end, and hands
 * what may run to the driver.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/plan.h"
#include "agent/runner.h"
#include "lib/base/assert.h"
#include "lib/base/text.h"

/* --- queues ----------------------------------------------------------------------------- */

/* Into the row of what is to be started; once. */
static void start_push(struct plan *plan, uint32_t i)
{
	struct plan_queue *q = &plan->to_start;
	struct plan_step *step = &plan->steps[i];

	if (step->queued || step->under_way) {
		return;
	}
	step->queued = true;
	if (q->count == q->capacity) {
		q->capacity = q->capacity ? q->capacity * 2 : 16;
		q->items = realloc(q->items, q->capacity * sizeof(q->items[0]));
		ls_assert(q->items);
	}
	q->items[q->count++] = i;
}

static void act(struct plan *plan, enum runner_action_type type, uint32_t step)
{
	struct plan_action_queue *q = &plan->actions;

	if (q->count == q->capacity) {
		q->capacity = q->capacity ? q->capacity * 2 : 16;
		q->items = realloc(q->items, q->capacity * sizeof(q->items[0]));
		ls_assert(q->items);
	}
	q->items[q->count++] = (struct runner_action){ .type = type, .step = step };
}

bool runner_action_next(struct plan *plan, struct runner_action *ret)
{
	struct plan_action_queue *q = &plan->actions;

	if (q->head == q->count) {
		q->head = 0;
		q->count = 0;
		return false;
	}
	*ret = q->items[q->head++];
	return true;
}

/* --- forward (section 3) ---------------------------------------------------------------- */

/* R-EXEC-1 */
static bool finished(const struct plan_step *step)
{
	return step->state == PLAN_GOOD || step->state == PLAN_BAD || step->state == PLAN_SKIPPED;
}

static bool ready(const struct plan *plan, const struct plan_step *step)
{
	if (step->state != PLAN_WAIT || plan->header == PLAN_BACKWARD) {
		return false;
	}
	for (size_t i = 0; i < step->antecedents_count; i++) {
		if (!finished(&plan->steps[step->antecedents[i].step])) {
			return false;
		}
	}
	return true;
}

/* R-SKIP-1: the antecedent whose data is missing, or PLAN_NONE. */
static uint32_t data_missing(const struct plan *plan, const struct plan_step *step)
{
	for (size_t i = 0; i < step->antecedents_count; i++) {
		const struct plan_antecedent *a = &step->antecedents[i];
		enum plan_state state = plan->steps[a->step].state;

		if (a->type == PLAN_EDGE_TRUE_DATA &&
		    (state == PLAN_BAD || state == PLAN_SKIPPED)) {
			return a->step;
		}
	}
	return PLAN_NONE;
}

/* A ready step goes on. False: it has to be run, else it has finished just now. */
static bool step_passes(struct plan *plan, struct plan_step *step, uint64_t now_ms)
{
	plan->commits += step->commit ? 1 : 0; /* R-COMMIT-1 */
	step->start_ms = now_ms;
	if (step->run != PLAN_DEED_NIL) {
		step->skipped_by = data_missing(plan, step);
		if (step->skipped_by == PLAN_NONE &&
		    !(plan->header == PLAN_FORWARD && step->skip_on_forward)) {
			step->state = PLAN_FIRED;
			return false;
		}
	}
	step->state = step->skipped_by != PLAN_NONE ? PLAN_SKIPPED : PLAN_GOOD; /* R-EXEC-3 */
	step->end_ms = now_ms;
	return true;
}

static void outcome_set(struct plan *plan, enum plan_outcome outcome)
{
	ls_assert(plan->outcome == PLAN_UNDECIDED);
	plan->outcome = plan->panicked ? PLAN_PANICKED : outcome;
	act(plan, RUNNER_END, PLAN_NONE);
}

/*
 * One batch: everything that can go on, to the end, before anything of it is started (R-EXEC-2,
 * R-COMMIT-4). A step that passes makes others ready, possibly with a smaller number, so steps are
 * looked at again until nothing moves; those that are to run are started in order of their numbers.
 */
static void go_forward(struct plan *plan, uint64_t now_ms)
{
	bool moved = true;

	while (moved) {
		moved = false;
		for (uint32_t i = 0; i < plan->steps_count; i++) {
			struct plan_step *step = &plan->steps[i];

			if (step->kind != PLAN_TERMINATOR && ready(plan, step)) {
				moved |= step_passes(plan, step, now_ms);
			}
		}
	}
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		if (plan->steps[i].state == PLAN_FIRED) {
			start_push(plan, i);
		}
	}
}

/* --- backward (section 5) --------------------------------------------------------------- */

/* R-UNDO-4: a failed do that left something behind is taken back like one that succeeded. */
static bool undoable(const struct plan_step *step)
{
	return step->state == PLAN_GOOD || (step->state == PLAN_BAD && step->undo_on_fail);
}

/* R-UNDO-1: nothing of @step is left that could rest on its antecedents. */
static bool settled(const struct plan_step *step)
{
	switch (step->state) {
	case PLAN_WAIT: /* never built on anything */
	case PLAN_DROPPED:
	case PLAN_SKIPPED:
	case PLAN_UNDONE:
	case PLAN_PANIC: /* under policy halt nobody asks any more */
		return true;
	case PLAN_BAD:
		return !step->undo_on_fail;
	default:
		return false;
	}
}

static bool undo_ready(const struct plan *plan, const struct plan_step *step)
{
	if (!undoable(step)) {
		return false;
	}
	for (size_t i = 0; i < step->succedents_count; i++) {
		if (!settled(&plan->steps[step->succedents[i]])) {
			return false;
		}
	}
	return true;
}

static void go_backward(struct plan *plan, uint64_t now_ms)
{
	bool moved = true;

	while (moved) {
		moved = false;
		for (uint32_t i = 0; i < plan->steps_count; i++) {
			struct plan_step *step = &plan->steps[i];

			if (!undo_ready(plan, step)) {
				continue;
			}
			ls_assert(!step->commit || step->failed); /* R-COMMIT-5 */
			step->undos++;
			step->undo_start_ms = now_ms;
			if (step->undo == PLAN_DEED_NIL) { /* R-UNDO-5 */
				step->state = PLAN_UNDONE;
				step->undo_end_ms = now_ms;
				moved = true;
			} else {
				step->state = PLAN_RECOVER;
			}
		}
	}
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		if (plan->steps[i].state == PLAN_RECOVER) {
			start_push(plan, i);
		}
	}
}

/* --- the turn --------------------------------------------------------------------------- */

/* Takes back what was to be started and was not. */
static void start_nothing_more(struct plan *plan)
{
	struct plan_queue *q = &plan->to_start;

	for (; q->head < q->count; q->head++) {
		struct plan_step *step = &plan->steps[q->items[q->head]];

		step->queued = false;
		if (step->state == PLAN_FIRED) {
			step->state = PLAN_DROPPED;
		} else {
			step->undos--;
			step->state = step->failed ? PLAN_BAD : PLAN_GOOD;
		}
	}
}

/* Hands to the driver what there is room for. */
static void start_some(struct plan *plan, uint64_t now_ms)
{
	struct plan_queue *q = &plan->to_start;

	while (q->head < q->count &&
	       (plan->max_parallel == 0 || plan->running < plan->max_parallel)) {
		uint32_t i = q->items[q->head++];
		struct plan_step *step = &plan->steps[i];
		bool undo = step->state == PLAN_RECOVER;
		const struct plan_command *command = undo ? &step->undo_command : &step->run_command;

		step->queued = false;
		step->under_way = true;
		step->timed_out = false;
		step->signals = 0;
		step->deadline_ms = command->timeout_ms ? now_ms + command->timeout_ms : 0;
		*(undo ? &step->undo_start_ms : &step->start_ms) = now_ms;
		plan->running++;
		act(plan, undo ? RUNNER_UNDO : RUNNER_DO, i);
	}
	if (q->head == q->count) {
		q->head = 0;
		q->count = 0;
	}
}

static void end_unfinished(struct plan *plan, enum plan_outcome outcome)
{
	for (size_t i = 0; i < plan->steps_count; i++) {
		if (plan->steps[i].state == PLAN_WAIT) {
			plan->steps[i].state = PLAN_DROPPED;
		}
	}
	outcome_set(plan, outcome);
}

static bool idle(const struct plan *plan)
{
	return plan->running == 0 && plan->to_start.head == plan->to_start.count;
}

/* Everything that has become possible (R-END-1). */
static void turn(struct plan *plan, uint64_t now_ms)
{
	if (plan->outcome != PLAN_UNDECIDED) {
		return;
	}
	if (plan->stopping || (plan->panicked && plan->panic_policy == PLAN_PANIC_HALT)) {
		start_nothing_more(plan);
		if (plan->running == 0) {
			end_unfinished(plan, plan->stopping ? PLAN_STOPPED : PLAN_PANICKED);
		}
		return;
	}
	if (plan->header == PLAN_BACKWARD) {
		go_backward(plan, now_ms);
		if (idle(plan)) {
			end_unfinished(plan, PLAN_ROLLED_BACK);
			return;
		}
	} else {
		struct plan_step *terminator = &plan->steps[plan->terminator];

		go_forward(plan, now_ms);
		if (ready(plan, terminator)) { /* R-EXEC-4 */
			ls_assert(plan->commits == plan->commit_total); /* R-COMMIT-3 */
			terminator->state = PLAN_GOOD;
			terminator->start_ms = now_ms;
			terminator->end_ms = now_ms;
			outcome_set(plan, plan->header == PLAN_ENABLE ? PLAN_DONE :
									PLAN_DONE_WITH_ERRORS);
			return;
		}
	}
	start_some(plan, now_ms);
}

/* R-COMMIT-2. What was fired in a batch that max_parallel has held back and the plan now rolls back,
 * is not started any more (R-UNDO-1 lets only what runs run to its end). */
static void direction_set(struct plan *plan)
{
	if (plan->header != PLAN_ENABLE) {
		return; /* R-COMMIT-4 */
	}
	if (plan->commits > 0 || plan->commit_total == 0) {
		plan->header = PLAN_FORWARD;
	} else {
		plan->header = PLAN_BACKWARD;
		start_nothing_more(plan);
	}
}

/* --- events ----------------------------------------------------------------------------- */

int runner_start(struct plan *plan, uint64_t now_ms, char *ret_error, size_t error_size)
{
	int error = plan_check(plan, ret_error, error_size);

	if (error) {
		return error;
	}
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		if (plan->steps[i].kind == PLAN_TERMINATOR) {
			plan->terminator = i;
		}
	}
	plan->dispatched = true;
	turn(plan, now_ms);
	return 0;
}

static void do_finished(struct plan *plan, struct plan_step *step, bool good, uint64_t now_ms)
{
	step->end_ms = now_ms;
	step->state = good ? PLAN_GOOD : PLAN_BAD;
	if (!good) {
		step->failed = true;
		direction_set(plan);
	}
}

static void undo_finished(struct plan *plan, struct plan_step *step, bool good, uint64_t now_ms)
{
	step->undo_end_ms = now_ms;
	if (good) {
		step->state = PLAN_UNDONE;
	} else if (plan->stopping) {
		/* Told to end, it did: neither undone nor in a panic. Whoever comes next begins anew. */
		step->state = step->failed ? PLAN_BAD : PLAN_GOOD;
	} else {
		step->state = PLAN_PANIC; /* R-UNDO-7 */
		plan->panicked = true;
	}
}

void runner_finish(struct plan *plan, uint32_t i, bool good, int status, const char *error,
		   uint64_t now_ms)
{
	ls_assert(i < plan->steps_count);
	struct plan_step *step = &plan->steps[i];

	ls_assert(step->under_way); /* R-EXEC-5: a second completion, or one that nobody waits for */
	good = good && !step->timed_out;
	step->under_way = false;
	step->deadline_ms = 0;
	plan->running--;
	if (step->state == PLAN_FIRED || !good) {
		step->status = status;
		(void)base_format(step->error, sizeof(step->error), "%s",
				  error ? error : (step->timed_out ? "took too long" : ""));
	}
	if (step->state == PLAN_FIRED) {
		do_finished(plan, step, good, now_ms);
	} else {
		ls_assert(step->state == PLAN_RECOVER);
		undo_finished(plan, step, good, now_ms);
	}
	turn(plan, now_ms);
}

/* What runs for @step, if anything that can be told to end does. */
static bool command_runs(const struct plan_step *step)
{
	enum plan_deed deed = step->state == PLAN_RECOVER ? step->undo : step->run;

	return step->under_way && deed == PLAN_DEED_COMMAND;
}

static void tell_to_end(struct plan *plan, uint32_t i, uint64_t now_ms)
{
	struct plan_step *step = &plan->steps[i];

	if (command_runs(step) && step->signals == 0) {
		step->signals = 1;
		step->deadline_ms = now_ms + plan->kill_delay_ms;
		act(plan, RUNNER_TERM, i);
	}
}

void runner_tick(struct plan *plan, uint64_t now_ms)
{
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		struct plan_step *step = &plan->steps[i];

		if (step->deadline_ms == 0 || now_ms < step->deadline_ms || !command_runs(step)) {
			continue;
		}
		if (step->signals == 0) {
			step->timed_out = true;
			tell_to_end(plan, i, now_ms);
		} else {
			step->signals = 2;
			step->deadline_ms = 0;
			act(plan, RUNNER_KILL, i);
		}
	}
}

uint64_t runner_deadline(const struct plan *plan)
{
	uint64_t soonest = 0;

	for (size_t i = 0; i < plan->steps_count; i++) {
		uint64_t deadline = plan->steps[i].deadline_ms;

		if (deadline != 0 && (soonest == 0 || deadline < soonest)) {
			soonest = deadline;
		}
	}
	return soonest;
}

void runner_cancel(struct plan *plan, uint64_t now_ms)
{
	if (!plan->dispatched || plan->outcome != PLAN_UNDECIDED) {
		return;
	}
	direction_set(plan);
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		if (plan->steps[i].state == PLAN_FIRED) {
			tell_to_end(plan, i, now_ms);
		}
	}
	turn(plan, now_ms);
}

void runner_stop(struct plan *plan, uint64_t now_ms)
{
	if (!plan->dispatched || plan->outcome != PLAN_UNDECIDED) {
		return;
	}
	plan->stopping = true;
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		tell_to_end(plan, i, now_ms);
	}
	turn(plan, now_ms);
}

/* --- invariants ------------------------------------------------------------------------- */

/* Something of @step may be there. */
static bool stands(const struct plan_step *step)
{
	return step->state == PLAN_FIRED || step->state == PLAN_GOOD ||
	       step->state == PLAN_RECOVER || (step->state == PLAN_BAD && step->undo_on_fail);
}

static const char *check_edge(const struct plan *plan, const struct plan_step *from,
			      const struct plan_step *to)
{
	bool begun = to->state != PLAN_WAIT && to->state != PLAN_DROPPED;

	if (begun && (from->state == PLAN_WAIT || from->state == PLAN_FIRED)) {
		return "a step began before one that it needs had finished";
	}
	if ((from->state == PLAN_RECOVER || from->state == PLAN_UNDONE) && stands(to)) {
		return "a step was taken back before what was built on it";
	}
	return plan->header == PLAN_BACKWARD && from->state == PLAN_UNDONE && to->commit && begun ?
		       "something before a commit step that was begun was taken back" :
		       NULL;
}

const char *runner_check(const struct plan *plan)
{
	size_t running = 0;
	size_t queued = 0;

	for (size_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		running += step->under_way ? 1 : 0;
		queued += step->queued ? 1 : 0;
		if ((step->state == PLAN_FIRED || step->state == PLAN_RECOVER) !=
		    (step->under_way || step->queued)) {
			return "a step is fired without being under way, or the reverse";
		}
		if (step->undos > 1) {
			return "a step was undone twice";
		}
		for (size_t k = 0; k < step->succedents_count; k++) {
			const char *broken =
				check_edge(plan, step, &plan->steps[step->succedents[k]]);

			if (broken) {
				return broken;
			}
		}
	}
	if (running != plan->running || queued != plan->to_start.count - plan->to_start.head) {
		return "the counts of steps under way are wrong";
	}
	if (plan->commits > plan->commit_total) {
		return "more commits than commit steps";
	}
	if (plan->outcome != PLAN_UNDECIDED && (running > 0 || queued > 0)) {
		return "the plan has ended with steps under way";
	}
	return NULL;
}
