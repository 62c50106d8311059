/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recovery service of one application on one node: a member of its lockspace's coordination
 * (lockstep_coordinator.h) that runs a plan for each item it is asked to recover, and says to the
 * application when it may use what it is granted: by a gate (gate.h), by commands, or both.
 */
#ifndef LOCKSTEP_AGENT_SERVE_H
#define LOCKSTEP_AGENT_SERVE_H

struct serve_options {
	const char *config;
	const char *ipc_name; /* NULL: the default */
	int ready_fd;         /* negative: none */
};

/* Runs until it is told to end by SIGTERM or SIGINT, or cannot go on. The exit code, see
 * lockstep-agent(8). */
int serve(const struct serve_options *options);

#endif
