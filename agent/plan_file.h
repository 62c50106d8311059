/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plans as text, see lockstep-plan(5): a [plan] and one [step NAME] for each step. Every run reads
 * the file anew and gets a plan of its own, with the run's parameters in place of %{NAME}. Reads no
 * file itself and prints nothing.
 */
#ifndef LOCKSTEP_AGENT_PLAN_FILE_H
#define LOCKSTEP_AGENT_PLAN_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct plan;

#define PLAN_FILE_BYTES_MAX (1 << 20)

struct plan_parameter {
	const char *name;
	const char *value;
};

/*
 * @path is for messages. @parameters: those of the run; NULL for a plan that is only looked at, every
 * %{NAME} the plan declares then stands for itself. 0 and a plan that plan_check() accepts, or
 * -EINVAL and all that is wrong, a line each ("PATH:LINE: ..."), to be freed with g_free().
 */
int plan_file_parse(const char *path, const char *text, size_t size,
		    const struct plan_parameter *parameters, size_t parameters_count,
		    struct plan **ret, char **ret_errors);
/* The same for a file. -ENOENT, -EIO as well, with their sentence. */
int plan_file_load(const char *path, const struct plan_parameter *parameters,
		   size_t parameters_count, struct plan **ret, char **ret_errors);

/* Does the file say that its plan has a parameter of that name? */
bool plan_file_declares(const char *path, const char *name);

#endif
