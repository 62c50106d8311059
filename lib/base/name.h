/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be the name of a lockspace: program, daemon, node and configuration ask the
 * same question here. */
#ifndef LOCKSTEP_BASE_NAME_H
#define LOCKSTEP_BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* R-LS-1: 1 to @size_max bytes; not "." or ".."; without '/', since it becomes the name
 * of a file; UTF-8 without control characters, since it is shown on terminals and in JSON
 * as it is. NULL is none. */
bool base_name_valid(const char *name, size_t size_max);

#endif
