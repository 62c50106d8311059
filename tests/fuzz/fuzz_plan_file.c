/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Foreign text as a plan file: refused with a sentence, or a plan that plan_check() accepts and that the
 * runner brings to an end, whatever its steps say.
 */
#include "config.h"

#include <glib.h>
#include <string.h>

#include "agent/plan.h"
#include "agent/plan_file.h"
#include "agent/runner.h"
#include "tests/fuzz/fuzz.h"

static void run(struct plan *plan, uint8_t results)
{
	char error[PLAN_ERROR_MAX];
	struct runner_action action;
	bool ended = false;

	fuzz_expect(runner_start(plan, 0, error, sizeof(error)) == 0);
	while (runner_action_next(plan, &action)) {
		fuzz_expect(!ended);
		fuzz_expect(runner_check(plan) == NULL);
		if (action.type == RUNNER_END) {
			ended = true;
		} else {
			runner_finish(plan, action.step, (results >> action.step % 8 & 1) == 0, 0,
				      NULL, 0);
		}
	}
	fuzz_expect(ended);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct plan_parameter parameters[] = { { "item", "7" }, { "node", "n 1" } };
	struct plan *plan;
	char *errors;

	if (size == 0) {
		return 0;
	}
	bool given = data[0] & 1;

	if (plan_file_parse("f", (const char *)data + 1, size - 1, given ? parameters : NULL,
			    given ? 2 : 0, &plan, &errors)) {
		fuzz_expect(!plan);
		fuzz_expect(errors && strncmp(errors, "f:", 2) == 0);
		fuzz_expect(errors[strlen(errors) - 1] == '\n');
		g_free(errors);
		return 0;
	}
	run(plan, data[0]);
	plan_free(plan);
	return 0;
}
