/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One recovery by a plan: loads it, runs it, remembers the attempt and writes the report (run_state.h), and
 * says what has become of it in the coordinator's words (R-RC-31).
 *
 * A command of the plan sees, beside what exec.h says, LOCKSTEP_LOCKSPACE, LOCKSTEP_GENERATION, LOCKSTEP_ITEM
 * and LOCKSTEP_TOKEN, the fencing token of the item's lock. The plan gets the parameters `item`, `items`
 * and those of the configuration, as far as it declares them.
 */
#ifndef LOCKSTEP_AGENT_RECOVERY_H
#define LOCKSTEP_AGENT_RECOVERY_H

#include <stdint.h>

struct recovery;
struct serve_config;

enum recovery_outcome {
	RECOVERY_SUCCESS,
	RECOVERY_GAVEUP,
	RECOVERY_PANIC, /* a human is needed; not to be tried again here */
};

#define RECOVERY_EVERYTHING UINT32_MAX /* in place of an item: the first member's plan */

struct recovery_options {
	const struct serve_config *config;
	const char *plan;
	uint32_t item;
	uint64_t token;
	uint32_t generation;
	void (*log)(const char *text, void *arg);
	/* Once, later, from the main loop; the recovery is freed behind it. */
	void (*ended)(struct recovery *r, enum recovery_outcome outcome, void *arg);
	void *arg;
};

struct recovery *recovery_start(const struct recovery_options *options);
uint32_t recovery_item(const struct recovery *r);
/* R-END-6, R-PLAN-4. ended() comes when what runs has ended. */
void recovery_cancel(struct recovery *r);
void recovery_stop(struct recovery *r);

#endif
