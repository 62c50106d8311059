/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What makes a plan unfit to be dispatched (R-DAG-6). Each defect has a sentence of its own that names
 * the step; nothing runs then. The order goes from what later checks rely on to what relies on it: an
 * edge that leads nowhere is found before anybody follows it.
 *
 * That every step can be reached from the source and reaches the terminator (R-DAG-5) needs no walk:
 * without a cycle a way back from any step ends at a step without antecedents, of which there is one.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "lib/base/assert.h"
#include "lib/base/text.h"

struct complaint {
	char *text;
	size_t size;
};

__attribute__((format(printf, 3, 4))) static int complain(const struct complaint *c,
							  const struct plan_step *step,
							  const char *format, ...)
{
	char what[PLAN_ERROR_MAX];
	va_list args;

	va_start(args, format);
	(void)base_vformat(what, sizeof(what), format, args);
	va_end(args);
	if (!step) {
		(void)base_format(c->text, c->size, "%s", what);
	} else if (step->line) {
		(void)base_format(c->text, c->size, "step '%s' (line %u): %s", step->name, step->line, what);
	} else {
		(void)base_format(c->text, c->size, "step '%s': %s", step->name, what);
	}
	return -EINVAL;
}

/* Only a fresh plan is dispatched (R-LIST-3). */
static int check_fresh(const struct plan *plan, const struct complaint *c)
{
	if (plan->dispatched) {
		return complain(c, NULL, "plan '%s' was dispatched already", plan->name);
	}
	if (plan->header != PLAN_ENABLE) {
		return complain(c, NULL, "plan '%s' is %s, not ENABLE", plan->name,
				plan_header_name(plan->header));
	}
	if (plan->commits != 0) {
		return complain(c, NULL, "plan '%s' has counted commits before it began", plan->name);
	}
	for (size_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		if (step->state != PLAN_WAIT) {
			return complain(c, step, "is %s before the plan began",
					plan_state_name(step->state));
		}
		if (step->failed || step->under_way || step->undos || step->signals) {
			return complain(c, step, "has made progress before the plan began");
		}
	}
	return 0;
}

static size_t listed(const struct plan *plan, uint32_t from, uint32_t to, bool as_antecedent)
{
	const struct plan_step *step = &plan->steps[as_antecedent ? to : from];
	size_t count = 0;

	if (as_antecedent) {
		for (size_t i = 0; i < step->antecedents_count; i++) {
			count += step->antecedents[i].step == from ? 1 : 0;
		}
	} else {
		for (size_t i = 0; i < step->succedents_count; i++) {
			count += step->succedents[i] == to ? 1 : 0;
		}
	}
	return count;
}

/* Every edge has two ends, is on the lists of both, once (R-DAG-2, R-DAG-5). */
static int check_edges(const struct plan *plan, const struct complaint *c)
{
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		for (size_t k = 0; k < step->antecedents_count; k++) {
			if (step->antecedents[k].step >= plan->steps_count) {
				return complain(c, step, "needs a step that does not exist");
			}
		}
		for (size_t k = 0; k < step->succedents_count; k++) {
			if (step->succedents[k] >= plan->steps_count) {
				return complain(c, step, "is needed by a step that does not exist");
			}
		}
		if (step->antecedents_count > plan->antecedents_max) {
			return complain(c, step, "needs %zu steps, at most %zu are allowed",
					step->antecedents_count, plan->antecedents_max);
		}
	}
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		for (size_t k = 0; k < step->antecedents_count; k++) {
			uint32_t from = step->antecedents[k].step;
			size_t there = listed(plan, from, i, false);
			size_t here = listed(plan, from, i, true);

			if (here != there) {
				return complain(c, step,
						"needs step '%s' %zu times, which leads to it %zu times",
						plan->steps[from].name, here, there);
			}
			if (here > 1) {
				return complain(c, step, "needs step '%s' twice",
						plan->steps[from].name);
			}
		}
		for (size_t k = 0; k < step->succedents_count; k++) {
			if (listed(plan, i, step->succedents[k], true) == 0) {
				return complain(c, step,
						"leads to step '%s', which does not need it",
						plan->steps[step->succedents[k]].name);
			}
		}
	}
	return 0;
}

static int check_ends(const struct plan *plan, const struct complaint *c)
{
	const struct plan_step *source = NULL;
	const struct plan_step *terminator = NULL;

	if (plan->steps_count > PLAN_STEPS_MAX) {
		return complain(c, NULL, "plan '%s' has %zu steps, at most %d are allowed", plan->name,
				plan->steps_count, PLAN_STEPS_MAX);
	}
	for (size_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		if (step->antecedents_count == 0) {
			if (source) {
				return complain(c, step, "is a second source beside step '%s'",
						source->name);
			}
			source = step;
		}
		if (step->kind == PLAN_TERMINATOR) {
			if (terminator) {
				return complain(c, step, "is a second terminator beside step '%s'",
						terminator->name);
			}
			if (step->succedents_count > 0) {
				return complain(c, step, "is the terminator and leads to other steps");
			}
			terminator = step;
		} else if (step->succedents_count == 0) {
			return complain(c, step, "leads nowhere and is not the terminator");
		}
	}
	if (!terminator) {
		return complain(c, NULL, "plan '%s' has no terminator", plan->name);
	}
	if (!source) {
		return complain(c, NULL, "plan '%s' has no source", plan->name);
	}
	return 0;
}

static int check_steps(const struct plan *plan, const struct complaint *c)
{
	uint32_t commits = 0;

	for (size_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		for (size_t k = 0; k < i; k++) {
			if (strcmp(plan->steps[k].name, step->name) == 0) {
				return complain(c, step, "there is another step of that name");
			}
		}
		if (step->run == PLAN_DEED_MISSING) {
			return complain(c, step, "has no do");
		}
		if (step->undo == PLAN_DEED_MISSING) {
			return complain(c, step, "has no undo; say nil when there is nothing to undo");
		}
		commits += step->commit ? 1 : 0;
	}
	if (commits != plan->commit_total) {
		return complain(c, NULL, "plan '%s' declares %u commit steps and has %u", plan->name,
				plan->commit_total, commits);
	}
	return 0;
}

/* Names a cycle that @step is on or leads back to: "'a' needs 'b' needs 'a'". */
static int complain_cycle(const struct plan *plan, const struct complaint *c, const size_t *missing,
			  uint32_t step)
{
	char text[PLAN_ERROR_MAX];
	size_t size = 0;

	/* As many steps back as there are, and one surely is on a cycle. */
	for (size_t turn = 0; turn < plan->steps_count; turn++) {
		const struct plan_step *at = &plan->steps[step];

		for (size_t k = 0; k < at->antecedents_count; k++) {
			if (missing[at->antecedents[k].step] > 0) {
				step = at->antecedents[k].step;
				break;
			}
		}
	}
	uint32_t at = step;

	text[0] = 0;
	do {
		const struct plan_step *s = &plan->steps[at];

		for (size_t k = 0; k < s->antecedents_count; k++) {
			if (missing[s->antecedents[k].step] > 0) {
				at = s->antecedents[k].step;
				break;
			}
		}
		size += base_format(text + size, sizeof(text) - size, " needs '%s'",
				    plan->steps[at].name);
	} while (at != step && size + 1 < sizeof(text));
	return complain(c, &plan->steps[step], "is on a cycle: it%s", text);
}

/* Takes steps away whose antecedents are all away; what remains is on a cycle or behind one. */
static int check_acyclic(const struct plan *plan, const struct complaint *c)
{
	size_t *missing = calloc(plan->steps_count, sizeof(*missing));
	uint32_t *ready = calloc(plan->steps_count, sizeof(*ready));
	size_t ready_count = 0;
	int error = 0;

	ls_assert(missing);
	ls_assert(ready);
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		missing[i] = plan->steps[i].antecedents_count;
		if (missing[i] == 0) {
			ready[ready_count++] = i;
		}
	}
	for (size_t at = 0; at < ready_count; at++) {
		const struct plan_step *step = &plan->steps[ready[at]];

		for (size_t k = 0; k < step->succedents_count; k++) {
			if (--missing[step->succedents[k]] == 0) {
				ready[ready_count++] = step->succedents[k];
			}
		}
	}
	for (uint32_t i = 0; i < plan->steps_count && !error; i++) {
		if (missing[i] > 0) {
			error = complain_cycle(plan, c, missing, i);
		}
	}
	free(missing);
	free(ready);
	return error;
}

int plan_check(const struct plan *plan, char *ret_error, size_t error_size)
{
	const struct complaint c = { .text = ret_error, .size = error_size };
	int error = check_fresh(plan, &c);

	error = error ? error : check_edges(plan, &c);
	error = error ? error : check_steps(plan, &c);
	/* A cycle without a way in would also be a missing source: the better message first. */
	error = error || plan->steps_count == 0 ? error : check_acyclic(plan, &c);
	return error ? error : check_ends(plan, &c);
}
