/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <string.h>

#include "agent/plan.h"
#include "agent/report.h"

static uint64_t plan_start_ms(const struct plan *plan)
{
	return plan->source == PLAN_NONE ? 0 : plan->steps[plan->source].start_ms;
}

/* The executor of a dry run, and one whose clock starts at zero, have times of 0 too. */
static bool was_begun(const struct plan_step *step)
{
	return step->state != PLAN_WAIT && step->state != PLAN_DROPPED;
}

static bool is_own(const struct plan *plan, uint32_t i)
{
	return i != plan->terminator && !(i == plan->source && plan->steps[i].line == 0);
}

void report_text(const struct plan *plan, FILE *out)
{
	uint64_t start = plan_start_ms(plan);
	int width = 4;

	for (uint32_t i = 0; i < plan->steps_count; i++) {
		int length = (int)strlen(plan->steps[i].name);

		width = is_own(plan, i) && length > width ? length : width;
	}
	(void)fprintf(out, "%-*s  %-8s  %9s  %9s  %s\n", width, "STEP", "STATE", "START s", "TOOK s",
		      "WHY");
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		if (!is_own(plan, i)) {
			continue;
		}
		(void)fprintf(out, "%-*s  %-8s  ", width, step->name, plan_state_name(step->state));
		if (was_begun(step)) {
			(void)fprintf(out, "%9.3f  %9.3f", (double)(step->start_ms - start) / 1000,
				      (double)(step->end_ms - step->start_ms) / 1000);
		} else {
			(void)fprintf(out, "%9s  %9s", "-", "-");
		}
		if (step->skipped_by != PLAN_NONE) {
			(void)fprintf(out, "  nothing came from %s",
				      plan->steps[step->skipped_by].name);
		} else if (step->error[0]) {
			(void)fprintf(out, "  %s", step->error);
		}
		(void)fprintf(out, "\n");
	}
	(void)fprintf(out, "plan %s: %s\n", plan->name, plan_outcome_name(plan->outcome));
}

static void add_text(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

static void add_number(struct json_object *to, const char *key, uint64_t number)
{
	json_object_object_add(to, key, json_object_new_uint64(number));
}

static struct json_object *step_json(const struct plan *plan, const struct plan_step *step)
{
	struct json_object *o = json_object_new_object();
	uint64_t start = plan_start_ms(plan);

	add_text(o, "name", step->name);
	add_text(o, "state", plan_state_name(step->state));
	json_object_object_add(o, "commit", json_object_new_boolean(step->commit));
	if (was_begun(step)) {
		add_number(o, "start_ms", step->start_ms - start);
		add_number(o, "end_ms", step->end_ms - start);
		json_object_object_add(o, "status", json_object_new_int(step->status));
	}
	if (step->undos > 0) {
		add_number(o, "undos", step->undos);
		add_number(o, "undo_start_ms", step->undo_start_ms - start);
		add_number(o, "undo_end_ms", step->undo_end_ms - start);
	}
	if (step->failed) {
		json_object_object_add(o, "failed", json_object_new_boolean(true));
	}
	if (step->error[0]) {
		add_text(o, "error", step->error);
	}
	if (step->skipped_by != PLAN_NONE) {
		add_text(o, "skipped_by", plan->steps[step->skipped_by].name);
	}
	return o;
}

void report_json(const struct plan *plan, FILE *out)
{
	struct json_object *o = json_object_new_object();
	struct json_object *steps = json_object_new_array();

	add_text(o, "plan", plan->name);
	add_text(o, "outcome", plan_outcome_name(plan->outcome));
	add_text(o, "direction", plan_header_name(plan->header));
	add_number(o, "commits", plan->commits);
	add_number(o, "commit_total", plan->commit_total);
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		if (is_own(plan, i)) {
			json_object_array_add(steps, step_json(plan, &plan->steps[i]));
		}
	}
	json_object_object_add(o, "steps", steps);
	(void)fprintf(out, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
	json_object_put(o);
}

static const char *colour_of(enum plan_state state)
{
	switch (state) {
	case PLAN_GOOD:
		return "palegreen";
	case PLAN_BAD:
		return "salmon";
	case PLAN_PANIC:
		return "red";
	case PLAN_SKIPPED:
		return "khaki";
	case PLAN_UNDONE:
		return "lightblue";
	case PLAN_DROPPED:
		return "lightgrey";
	default:
		return "white";
	}
}

void report_dot(const struct plan *plan, FILE *out)
{
	static const char *const styles[] = { "dashed", "bold", "dotted", "dotted" };

	/* Names are of A-Z a-z 0-9 . _ - and need no escapes. */
	(void)fprintf(out, "digraph \"%s\" {\n\trankdir=LR;\n\tnode [shape=box, style=filled];\n",
		      plan->name);
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *step = &plan->steps[i];
		bool end = i == plan->source || i == plan->terminator;

		(void)fprintf(out, "\t\"%s\" [fillcolor=%s%s%s", step->name, colour_of(step->state),
			      step->commit ? ", peripheries=2" : "", end ? ", shape=circle" : "");
		if (plan->dispatched) {
			(void)fprintf(out, ", tooltip=\"%s\"", plan_state_name(step->state));
		}
		(void)fprintf(out, "];\n");
	}
	for (uint32_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		for (size_t k = 0; k < step->antecedents_count; k++) {
			const struct plan_antecedent *a = &step->antecedents[k];

			(void)fprintf(out, "\t\"%s\" -> \"%s\" [style=%s];\n",
				      plan->steps[a->step].name, step->name, styles[a->type]);
		}
	}
	(void)fprintf(out, "}\n");
}
