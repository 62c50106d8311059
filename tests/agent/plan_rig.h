/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plans written as text, and a driver that answers for their steps, for the tests of the plan runner.
 *
 *   struct plan *plan = rig_plan("a>b b=>c! c>d n:nil>d");
 *
 * Edges are separated by spaces: `a>b` control, `a=>b` trueData. `!` after a name makes it a commit
 * step, `:nil` a nil step; other steps have a function to do and one to undo. Source and terminator
 * are added.
 */
#ifndef LOCKSTEP_TESTS_PLAN_RIG_H
#define LOCKSTEP_TESTS_PLAN_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/plan.h"
#include "agent/runner.h"

struct plan *rig_plan(const char *text);
struct plan_step *rig_step(struct plan *plan, const char *name);

/*
 * Starts the plan and drives it to its end. @results says how steps end: "a+ b- ~c-" is a good, b
 * bad, the undo of c bad; who is not named is good. Ends arrive in the order of the starts.
 */
void rig_run(struct plan *plan, const char *results);
void rig_go_on(struct plan *plan, const char *results); /* the same for a started one */
/* One step's end, then what follows is left to the caller. */
void rig_finish(struct plan *plan, const char *name, bool good);
/* What came out since the last call, as "do(a) do(b) undo(a) term(a) kill(a) end", in a static buffer. */
const char *rig_actions(struct plan *plan);
/* "a:GOOD b:UNDONE ..." of the steps that were written, in order, in a static buffer. */
const char *rig_states(const struct plan *plan);

#endif
