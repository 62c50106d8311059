/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes the node's trace records (plugin/node/trace.h) to trace_dir/NAME.trace, the older half to
 * NAME.trace.1. A thread does the writing; the loop only queues, and when the thread cannot follow,
 * or cannot write (a full disk), records are dropped and the trace begins anew with a snapshot: a second later
 * first, then less and less often, once a minute at last. What was written before a loss stays.
 */
#ifndef LOCKSTEP_DAEMON_TRACE_FILE_H
#define LOCKSTEP_DAEMON_TRACE_FILE_H

#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct node_action;
struct trace_files;

/* 0 and NULL when no trace is wanted; a negative errno. All others take NULL. */
int trace_files_open(struct daemon *d, struct trace_files **ret);
/* Writes what is queued first. */
struct trace_files *trace_files_free(struct trace_files *t);
void trace_files_write(struct trace_files *t, const struct node_action *a);
/* @now in ms, by any clock that goes forward. */
void trace_files_tick(struct trace_files *t, uint64_t now);
/* All that was queued is written, or could not be. Not with NULL. */
bool trace_files_idle(struct trace_files *t);

#endif
