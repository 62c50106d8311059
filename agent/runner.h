/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Executes one plan (recovery-plan-engine.md sections 2 to 6). Pure: events in by function call,
 * actions out by runner_action_next(); the clock comes with the events.
 *
 *                     first BAD, commits > 0 or no commit step
 *            ENABLE ------------------------------------------> FORWARD   finish
 *               `---------------------------------------------> BACKWARD  undo
 *                     first BAD before the commit point
 *
 *   step:   WAIT -> FIRED -> GOOD -> RECOVER -> UNDONE
 *             |        `---> BAD         `----> PANIC
 *             |---> GOOD (nil)   |---> SKIPPED   `---> DROPPED (rolled back before it began)
 *
 * The driver's duty: after each event drain runner_action_next() and perform the actions in order;
 * every DO and UNDO is answered by exactly one runner_finish(). From inside a step's function that is
 * fine, since actions are taken one by one; from another thread the driver has to pass it on.
 * After RUNNER_END nothing of the plan is touched: the owner may free it (R-END-4).
 */
#ifndef LOCKSTEP_AGENT_RUNNER_H
#define LOCKSTEP_AGENT_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan;

enum runner_action_type {
	RUNNER_DO,   /* start the step's do */
	RUNNER_UNDO, /* start its undo, with the same data (R-UNDO-6) */
	RUNNER_TERM, /* what is under way for the step has run for too long or is cancelled: SIGTERM */
	RUNNER_KILL, /* the same, SIGKILL */
	RUNNER_END,  /* the plan has its outcome; the last action */
};

struct runner_action {
	enum runner_action_type type;
	uint32_t step;
};

/* Dispatches the plan. -EINVAL with a sentence when plan_check() refuses it: then nothing runs. */
int runner_start(struct plan *plan, uint64_t now_ms, char *ret_error, size_t error_size);

/*
 * What was started for @step has ended. @good: it did what it should; @status and @error (may be
 * NULL) go to the report. One call per DO and UNDO; a second one is a defect of the driver and aborts
 * (R-EXEC-5). A step that ran into its time limit counts as failed whatever it says (R-EXEC-7).
 */
void runner_finish(struct plan *plan, uint32_t step, bool good, int status, const char *error,
		   uint64_t now_ms);

/* Time limits (R-EXEC-7). Call it at runner_deadline() or later. */
void runner_tick(struct plan *plan, uint64_t now_ms);
/* When runner_tick() has something to do next; 0: never. */
uint64_t runner_deadline(const struct plan *plan);

/* R-END-6: the direction is decided as if a step had failed; commands that are under way are told to
 * end. Undo goes on. Without effect on a plan that has ended, or has a direction already, except
 * that running commands are told. */
void runner_cancel(struct plan *plan, uint64_t now_ms);
/* R-PLAN-4: the right to act is gone. Nothing more is started, neither do nor undo; when what is under
 * way has ended (it is told to), the plan ends as PLAN_STOPPED. */
void runner_stop(struct plan *plan, uint64_t now_ms);

bool runner_action_next(struct plan *plan, struct runner_action *ret);

/* Invariants, for tests: NULL, or a static sentence about the first one broken. */
const char *runner_check(const struct plan *plan);

#endif
