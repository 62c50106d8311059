/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep metrics: the text, and the HTTP around it. */
#ifndef LOCKSTEP_TOOLS_LOCKSTEP_METRICS_H
#define LOCKSTEP_TOOLS_LOCKSTEP_METRICS_H

#include <stdio.h>

struct cli;

/* All of it, or that the daemon does not answer; the exit code, said. Whether @out took it the caller has to look at. */
int metrics_write(struct cli *cli, FILE *out);
/* Answers one request that comes on standard input, on standard output; the exit code. */
int metrics_http(struct cli *cli);

#endif
