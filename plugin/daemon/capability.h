/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the kernel's capabilities this process has; see capabilities(7). Without libcap: one question
 * is no reason for a library.
 */
#ifndef LOCKSTEP_DAEMON_CAPABILITY_H
#define LOCKSTEP_DAEMON_CAPABILITY_H

#include <stdbool.h>

/* @capability: CAP_SYS_BOOT and its like. In effect now; root has all but those that were taken away. */
bool capability_has(unsigned int capability);

#endif
