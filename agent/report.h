/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What became of a plan (R-END-5), and what it looks like, as text for people and for programs. */
#ifndef LOCKSTEP_AGENT_REPORT_H
#define LOCKSTEP_AGENT_REPORT_H

#include <stdio.h>

struct plan;

/* A table, a line per step, and the outcome. Times count from the start of the plan. */
void report_text(const struct plan *plan, FILE *out);
/* One JSON object and a newline. */
void report_json(const struct plan *plan, FILE *out);
/* Graphviz' DOT; steps are coloured by what became of them. */
void report_dot(const struct plan *plan, FILE *out);

#endif
