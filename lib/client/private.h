/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two halves of the library share. */
#ifndef LOCKSTEP_CLIENT_PRIVATE_H
#define LOCKSTEP_CLIENT_PRIVATE_H

#include <stdbool.h>

struct lockstep_options;

#define OPEN_TIMEOUT_MS 30000 /* said in lockstep.h */

/* Milliseconds, negative for ever. */
int options_timeout_ms(const struct lockstep_options *options);
/* 1..LOCKSTEP_SPACE_MAX bytes without '/' or control bytes. */
bool space_name_valid(const char *space);

#endif
