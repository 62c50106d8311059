/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "agent/command.h"
#include "agent/exec.h"
#include "agent/plan.h"

struct command {
	struct command_options options;
	char **environment;
};

static void on_line(const struct plan *plan, uint32_t step, const char *line, void *arg)
{
	struct command *c = arg;
	char *text = g_strdup_printf("%s: %s", plan->steps[step].name, line);

	c->options.log(text, c->options.log_arg);
	g_free(text);
}

static void on_end(struct plan *plan, void *arg)
{
	struct command *c = arg;
	const struct plan_step *step = &plan->steps[plan_step_find(plan, c->options.name)];
	bool good = step->state == PLAN_GOOD;

	if (!good) {
		char *text = g_strdup_printf("command %s has failed: %s", step->name,
					     step->timed_out ? "it took too long" : step->error);

		c->options.log(text, c->options.log_arg);
		g_free(text);
	}
	plan_free(plan);
	if (c->options.ended) {
		c->options.ended(good, c->options.arg);
	}
	g_strfreev(c->environment);
	g_free(c);
}

static char **words_copy(char **words)
{
	size_t count = g_strv_length(words);
	char **copy = calloc(count + 1, sizeof(*copy)); /* the plan's: plain malloc() */

	g_assert(copy);
	for (size_t i = 0; i < count; i++) {
		copy[i] = strdup(words[i]);
		g_assert(copy[i]);
	}
	return copy;
}

struct command *command_start(const struct command_options *options)
{
	struct command *c = g_new0(struct command, 1);
	struct plan *plan = plan_new("command");
	uint32_t i = plan_step_add(plan, options->name, PLAN_COMMAND);
	struct plan_step *step = &plan->steps[i];
	char error[PLAN_ERROR_MAX];

	c->options = *options;
	c->environment = g_strdupv((char **)options->environment);
	step->run = PLAN_DEED_COMMAND;
	step->run_command.argv = words_copy(options->words);
	step->run_command.timeout_ms = options->timeout_ms;
	plan_success_set(&step->run_command, 0);
	step->undo = PLAN_DEED_NIL;
	(void)plan_close(plan);
	const struct exec_options exec = {
		.environment = (const char *const *)c->environment,
		.line = on_line,
		.ended = on_end,
		.arg = c,
	};
	bool accepted = exec_start(plan, &exec, error, sizeof(error)) != NULL;

	g_assert(accepted); /* a single step with a command is a plan */
	return c;
}
