/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes down what the model of Corosync tells its clients, in the format of tests/cpgtrace/trace.h, so that
 * the model is held to the axioms that recordings of a real Corosync are held to. One trace per CPG group.
 * Events are written when they are queued: a daemon that reads late, or dies first, changes nothing.
 */
#ifndef LOCKSTEP_TESTS_SIM_CPGTRACE_H
#define LOCKSTEP_TESTS_SIM_CPGTRACE_H

#include <stdbool.h>

struct cpg_event;
struct cpg_handle;
struct cpgmodel;

/* cpgmodel.c and cpgrings.c; nothing happens unless the world wants a trace. */
void cpgtrace_begin(struct cpgmodel *m, struct cpg_handle *h);
void cpgtrace_event(struct cpgmodel *m, struct cpg_handle *h, const struct cpg_event *ev);
void cpgtrace_sent(struct cpgmodel *m, struct cpg_handle *h);
void cpgtrace_quorum(struct cpgmodel *m, unsigned int host);
void cpgtrace_leave(struct cpgmodel *m, struct cpg_handle *h);
/* @how: "left" or "gone"; a process that dies says nothing. */
void cpgtrace_end(struct cpgmodel *m, struct cpg_handle *h, const char *how);

/* Writes @prefix-GROUP.trace for every group. False when that cannot be done. */
bool cpgtrace_write(const struct cpgmodel *m, const char *prefix);

#endif
