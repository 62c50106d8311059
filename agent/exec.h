/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver of runner.h: starts a plan's commands, each in a process group of its own, and runs until
 * the plan has its outcome, in GLib's default main context. A command's standard input is
 * /dev/null; its output comes back line by line. A command dies with the agent (PR_SET_PDEATHSIG).
 *
 * A command sees the agent's environment, the step's `environment`, and
 *   LOCKSTEP_PLAN, LOCKSTEP_STEP   names
 *   LOCKSTEP_PHASE                 do or undo
 *   LOCKSTEP_DIRECTION             ENABLE, FORWARD or BACKWARD (R-FWD-1)
 *   LOCKSTEP_ATTEMPT               earlier starts of the same recovery, as far as known (R-PLAN-2)
 */
#ifndef LOCKSTEP_AGENT_EXEC_H
#define LOCKSTEP_AGENT_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan;
struct exec;

struct exec_options {
	unsigned int attempt;
	const char *const *environment; /* "NAME=value" for every command, NULL terminated; or NULL */
	bool dry_run; /* start nothing: every step is good at once */
	/* A line of a command's output, without its newline, or what the executor itself has to say about a
	 * step. @step is an index. */
	void (*line)(const struct plan *plan, uint32_t step, const char *line, void *arg);
	/* The plan has its outcome. The exec is freed after this; the plan may be freed here. */
	void (*ended)(struct plan *plan, void *arg);
	void *arg;
};

/* Dispatches. NULL with a sentence when the plan is refused; nothing runs then. Steps start, and ended()
 * comes, in the main loop only. The plan must live until then. */
struct exec *exec_start(struct plan *plan, const struct exec_options *options, char *ret_error,
			size_t error_size);
/* R-END-6 and R-PLAN-4. */
void exec_cancel(struct exec *e);
void exec_stop(struct exec *e);

#endif
