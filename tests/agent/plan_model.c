/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "lib/base/assert.h"
#include "tests/agent/plan_model.h"

void model_of(const struct plan *plan, struct model *ret)
{
	memset(ret, 0, sizeof(*ret));
	ls_assert(plan->steps_count <= MODEL_STEPS_MAX);
	ret->count = plan->steps_count;
	ret->halt = plan->panic_policy == PLAN_PANIC_HALT;
	for (size_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *from = &plan->steps[i];

		ret->steps[i] = (struct model_step){
			.nil = from->run == PLAN_DEED_NIL,
			.nil_undo = from->undo == PLAN_DEED_NIL,
			.terminator = from->kind == PLAN_TERMINATOR,
			.commit = from->commit,
			.undo_on_fail = from->undo_on_fail,
			.skip_on_forward = from->skip_on_forward,
			.state = PLAN_WAIT,
		};
		ret->commit_total += from->commit ? 1 : 0;
		for (size_t k = 0; k < from->antecedents_count; k++) {
			ret->edge[from->antecedents[k].step][i] = true;
			ret->data[from->antecedents[k].step][i] =
				from->antecedents[k].type == PLAN_EDGE_TRUE_DATA;
		}
	}
}

static bool is(const struct model *m, size_t step, enum plan_state state)
{
	return m->steps[step].state == state;
}

/* R-EXEC-1 */
static bool forward_ready(const struct model *m, size_t step)
{
	for (size_t from = 0; from < m->count; from++) {
		if (m->edge[from][step] && !is(m, from, PLAN_GOOD) && !is(m, from, PLAN_BAD) &&
		    !is(m, from, PLAN_SKIPPED)) {
			return false;
		}
	}
	return is(m, step, PLAN_WAIT) && m->header != PLAN_BACKWARD;
}

static bool forward_rule(struct model *m, size_t step)
{
	struct model_step *s = &m->steps[step];

	if (s->terminator || !forward_ready(m, step)) {
		return false;
	}
	m->commits += s->commit ? 1 : 0;
	if (s->nil) {
		s->state = PLAN_GOOD;
		return true;
	}
	for (size_t from = 0; from < m->count; from++) {
		if (m->data[from][step] && (is(m, from, PLAN_BAD) || is(m, from, PLAN_SKIPPED))) {
			s->state = PLAN_SKIPPED;
			return true;
		}
	}
	s->state = m->header == PLAN_FORWARD && s->skip_on_forward ? PLAN_GOOD : PLAN_FIRED;
	return true;
}

/* R-UNDO-1 */
static bool undo_rule(struct model *m, size_t step)
{
	struct model_step *s = &m->steps[step];

	if (m->header != PLAN_BACKWARD ||
	    !(s->state == PLAN_GOOD || (s->state == PLAN_BAD && s->undo_on_fail))) {
		return false;
	}
	for (size_t to = 0; to < m->count; to++) {
		const struct model_step *t = &m->steps[to];

		if (m->edge[step][to] &&
		    (t->state == PLAN_FIRED || t->state == PLAN_GOOD || t->state == PLAN_RECOVER ||
		     (t->state == PLAN_BAD && t->undo_on_fail))) {
			return false;
		}
		if (m->edge[step][to] && t->state == PLAN_PANIC && m->halt) {
			return false;
		}
	}
	s->state = s->nil_undo ? PLAN_UNDONE : PLAN_RECOVER;
	return true;
}

static bool any(const struct model *m, enum plan_state state)
{
	for (size_t i = 0; i < m->count; i++) {
		if (is(m, i, state)) {
			return true;
		}
	}
	return false;
}

static bool any_running(const struct model *m)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->steps[i].started) {
			return true;
		}
	}
	return false;
}

/* What is fired and was not started is not started any more. */
static void unstarted_go_back(struct model *m)
{
	for (size_t i = 0; i < m->count; i++) {
		struct model_step *s = &m->steps[i];

		if (s->started) {
			continue;
		}
		if (s->state == PLAN_FIRED) {
			s->state = PLAN_DROPPED;
		} else if (s->state == PLAN_RECOVER) {
			s->state = s->failed ? PLAN_BAD : PLAN_GOOD;
		}
	}
}

static void end(struct model *m, enum plan_outcome outcome)
{
	m->outcome = any(m, PLAN_PANIC) ? PLAN_PANICKED : outcome;
	for (size_t i = 0; i < m->count; i++) {
		if (is(m, i, PLAN_WAIT)) {
			m->steps[i].state = PLAN_DROPPED;
		}
	}
}

static void settle(struct model *m)
{
	if (m->stopping || (m->halt && any(m, PLAN_PANIC))) {
		unstarted_go_back(m);
		if (!any_running(m)) {
			end(m, PLAN_STOPPED);
		}
		return;
	}
	for (size_t at = m->count; at-- > 0;) {
		if (forward_rule(m, at) || undo_rule(m, at)) {
			at = m->count; /* from the beginning */
		}
	}
	for (size_t i = 0; i < m->count; i++) {
		if (m->steps[i].terminator && forward_ready(m, i)) {
			m->steps[i].state = PLAN_GOOD;
			end(m, m->header == PLAN_ENABLE ? PLAN_DONE : PLAN_DONE_WITH_ERRORS);
			return;
		}
	}
	if (m->header == PLAN_BACKWARD && !any(m, PLAN_FIRED) && !any(m, PLAN_RECOVER)) {
		end(m, PLAN_ROLLED_BACK);
	}
}

/* R-COMMIT-2 */
static void turn(struct model *m)
{
	if (m->header == PLAN_ENABLE) {
		m->header = m->commit_total == 0 || m->commits > 0 ? PLAN_FORWARD : PLAN_BACKWARD;
		if (m->header == PLAN_BACKWARD) {
			unstarted_go_back(m);
		}
	}
}

void model_start(struct model *m)
{
	settle(m);
}

void model_started(struct model *m, size_t step)
{
	m->steps[step].started = true;
}

void model_finish(struct model *m, size_t step, bool good)
{
	struct model_step *s = &m->steps[step];

	s->started = false;
	if (s->state == PLAN_FIRED) {
		s->state = good ? PLAN_GOOD : PLAN_BAD;
		s->failed = !good;
		if (!good) {
			turn(m);
		}
	} else if (good) {
		s->state = PLAN_UNDONE;
	} else if (m->stopping) {
		s->state = s->failed ? PLAN_BAD : PLAN_GOOD;
	} else {
		s->state = PLAN_PANIC;
	}
	settle(m);
}

void model_cancel(struct model *m)
{
	turn(m);
	settle(m);
}

void model_stop(struct model *m)
{
	m->stopping = true;
	settle(m);
}
