/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent remembers over its own end: of each item whose recovery it began and that has not
 * succeeded here, how often (state_dir/item-N), and the last report of each (state_dir/report-N.json). An
 * agent that was killed thus knows that a plan was left in the middle. It does not go on in the middle:
 * the plan is run from its beginning, with the number of earlier starts as LOCKSTEP_ATTEMPT (R-PLAN-2).
 *
 * A disk that is full costs the memory, never the recovery: errors are told and nothing else.
 */
#ifndef LOCKSTEP_AGENT_RUN_STATE_H
#define LOCKSTEP_AGENT_RUN_STATE_H

#include <stdint.h>

struct plan;

/* Begins another attempt and returns how many there were before. *ret_error: NULL, or a sentence for
 * g_free(). */
unsigned int run_state_begin(const char *dir, const char *name, uint32_t generation,
			     char **ret_error);
/* @outcome NULL: it has succeeded, nothing is to be remembered. */
void run_state_end(const char *dir, const char *name, const char *outcome, char **ret_error);
void run_state_report(const char *dir, const char *name, const struct plan *plan,
		      char **ret_error);
/* Calls @found for each attempt that never ended. */
void run_state_visit(const char *dir,
		     void (*found)(const char *name, unsigned int attempts, void *arg), void *arg);

#endif
