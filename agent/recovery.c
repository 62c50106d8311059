/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <glib.h>
#include <inttypes.h>

#include "agent/exec.h"
#include "agent/plan.h"
#include "agent/plan_file.h"
#include "agent/recovery.h"
#include "agent/run_state.h"
#include "agent/serve_config.h"

#define LINES_MAX 1000 /* of output that are logged; more is a flood */

struct recovery {
	struct recovery_options options;
	char name[32];
	struct exec *exec; /* NULL: nothing was started */
	char **environment;
	unsigned long lines;
};

G_GNUC_PRINTF(2, 3)
static void say(struct recovery *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = g_strdup_vprintf(format, args);

	va_end(args);
	r->options.log(text, r->options.arg);
	g_free(text);
}

static void complain(struct recovery *r, char *error)
{
	if (error) {
		say(r, "%s: cannot be remembered: %s", r->name, error);
		g_free(error);
	}
}

/*
 * A plan without undo and commit point ends as DONE_WITH_ERRORS when its step that matters has failed, and so
 * does one whose commit step was good and a clean-up was not. The former is not to be taken for the
 * latter: only when every commit step is good was the item recovered.
 */
static enum recovery_outcome outcome_of(const struct plan *plan)
{
	bool committed = plan->commit_total > 0;

	switch (plan->outcome) {
	case PLAN_DONE:
		return RECOVERY_SUCCESS;
	case PLAN_ROLLED_BACK:
	case PLAN_STOPPED:
		return RECOVERY_GAVEUP;
	case PLAN_DONE_WITH_ERRORS:
		for (size_t i = 0; i < plan->steps_count; i++) {
			committed &= !plan->steps[i].commit || plan->steps[i].state == PLAN_GOOD;
		}
		return committed ? RECOVERY_SUCCESS : RECOVERY_PANIC;
	default:
		return RECOVERY_PANIC;
	}
}

static void end(struct recovery *r, enum recovery_outcome outcome)
{
	static const char *const names[] = { NULL, "gave up", "panic" };
	char *error;

	run_state_end(r->options.config->state_dir, r->name, names[outcome], &error);
	complain(r, error);
	r->options.ended(r, outcome, r->options.arg);
	g_strfreev(r->environment);
	g_free(r);
}

static void on_line(const struct plan *plan, uint32_t step, const char *line, void *arg)
{
	struct recovery *r = arg;

	if (++r->lines <= LINES_MAX) {
		say(r, "%s/%s: %s", r->name, plan->steps[step].name, line);
	}
}

static void on_end(struct plan *plan, void *arg)
{
	struct recovery *r = arg;
	enum recovery_outcome outcome = outcome_of(plan);
	char *error;

	r->exec = NULL;
	if (r->lines > LINES_MAX) {
		say(r, "%s: %lu more lines were left out", r->name, r->lines - LINES_MAX);
	}
	for (size_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		if (step->error[0]) {
			say(r, "%s/%s: %s: %s", r->name, step->name, plan_state_name(step->state),
			    step->error);
		}
	}
	say(r, "%s: plan %s: %s", r->name, plan->name, plan_outcome_name(plan->outcome));
	run_state_report(r->options.config->state_dir, r->name, plan, &error);
	complain(r, error);
	plan_free(plan);
	end(r, outcome);
}

static gboolean on_refused(gpointer arg)
{
	end(arg, RECOVERY_PANIC); /* R-LIST-4 */
	return G_SOURCE_REMOVE;
}

/* What the plan wants to know of what there is. NULL with its errors when it cannot be read. */
static struct plan *load(struct recovery *r, char **ret_errors)
{
	const struct serve_config *config = r->options.config;
	char item[16], items[16];
	struct plan_parameter *parameters =
		g_new0(struct plan_parameter, config->parameters_count + 2);
	const struct plan_parameter own[] = { { "item", item }, { "items", items } };
	size_t count = 0;
	struct plan *plan = NULL;

	(void)g_snprintf(item, sizeof(item), "%u", r->options.item);
	(void)g_snprintf(items, sizeof(items), "%u", config->items);
	for (size_t i = 0; i < G_N_ELEMENTS(own); i++) {
		if (plan_file_declares(r->options.plan, own[i].name) &&
		    (i > 0 || r->options.item != RECOVERY_EVERYTHING)) {
			parameters[count++] = own[i];
		}
	}
	for (size_t i = 0; i < config->parameters_count; i++) {
		if (plan_file_declares(r->options.plan, config->parameters[i].name)) {
			parameters[count++] = config->parameters[i];
		}
	}
	if (plan_file_load(r->options.plan, parameters, count, &plan, ret_errors)) {
		plan = NULL;
	}
	g_free(parameters);
	return plan;
}

static void environment_make(struct recovery *r)
{
	GPtrArray *pairs = g_ptr_array_new();

	g_ptr_array_add(pairs, g_strdup_printf("LOCKSTEP_LOCKSPACE=%s", r->options.config->lockspace));
	g_ptr_array_add(pairs, g_strdup_printf("LOCKSTEP_GENERATION=%u", r->options.generation));
	g_ptr_array_add(pairs, g_strdup_printf("LOCKSTEP_TOKEN=%" PRIu64, r->options.token));
	if (r->options.item != RECOVERY_EVERYTHING) {
		g_ptr_array_add(pairs, g_strdup_printf("LOCKSTEP_ITEM=%u", r->options.item));
	}
	g_ptr_array_add(pairs, NULL);
	r->environment = (char **)g_ptr_array_free(pairs, FALSE);
}

struct recovery *recovery_start(const struct recovery_options *options)
{
	struct recovery *r = g_new0(struct recovery, 1);
	char refusal[PLAN_ERROR_MAX];
	char *error = NULL;

	r->options = *options;
	if (options->item == RECOVERY_EVERYTHING) {
		(void)g_strlcpy(r->name, "everything", sizeof(r->name));
	} else {
		(void)g_snprintf(r->name, sizeof(r->name), "item-%u", options->item);
	}
	environment_make(r);
	struct plan *plan = load(r, &error);

	if (!plan) {
		say(r, "%s: there is no plan: %s", r->name, g_strchomp(error));
		g_free(error);
		(void)g_idle_add(on_refused, r);
		return r;
	}
	const struct exec_options exec = {
		.attempt = run_state_begin(options->config->state_dir, r->name, options->generation,
					   &error),
		.environment = (const char *const *)r->environment,
		.line = on_line,
		.ended = on_end,
		.arg = r,
	};

	complain(r, error);
	say(r, "%s: plan %s, attempt %u, token %" PRIu64, r->name, plan->name, exec.attempt,
	    options->token);
	r->exec = exec_start(plan, &exec, refusal, sizeof(refusal));
	if (!r->exec) {
		say(r, "%s: %s", r->name, refusal);
		plan_free(plan);
		(void)g_idle_add(on_refused, r);
	}
	return r;
}

uint32_t recovery_item(const struct recovery *r)
{
	return r->options.item;
}

void recovery_cancel(struct recovery *r)
{
	if (r->exec) {
		exec_cancel(r->exec);
	}
}

void recovery_stop(struct recovery *r)
{
	if (r->exec) {
		exec_stop(r->exec);
	}
}
