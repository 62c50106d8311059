/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One command with a time limit: a plan of one step, so that it is run, told to end and killed as those of
 * plans are. */
#ifndef LOCKSTEP_AGENT_COMMAND_H
#define LOCKSTEP_AGENT_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

struct command;

struct command_options {
	const char *name; /* for messages */
	char **words;
	const char *const *environment; /* copied */
	uint64_t timeout_ms;
	void (*log)(const char *text, void *arg);
	/* Later, from the main loop; the command is freed behind it. May be NULL. */
	void (*ended)(bool good, void *arg);
	void *arg;
	void *log_arg;
};

struct command *command_start(const struct command_options *options);

#endif
