/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where everything stands in a plan file, and the complaints that need no meaning: groups and keys
 * that are unknown or come twice. For plan_file.c only.
 */
#ifndef LOCKSTEP_AGENT_PLAN_LINES_H
#define LOCKSTEP_AGENT_PLAN_LINES_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct plan_lines;

struct plan_lines *plan_lines_scan(const char *path, const char *text, size_t size,
				   GString *errors);
void plan_lines_free(struct plan_lines *lines);
/* 0 when it is not there. */
unsigned int plan_lines_group(const struct plan_lines *lines, const char *group);
unsigned int plan_lines_key(const struct plan_lines *lines, const char *group, const char *key);
/* The name in "step NAME", or NULL. */
const char *plan_lines_step(const char *group);
bool plan_name_valid(const char *name);

#endif
