/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How an application asks whether it may use a lock it has just been granted (R-RC-4): the gate is a file,
 * and open while the agent has a write lock of fcntl(2) on its first byte. The kernel takes that away when the
 * agent ends, however it does; so a gate whose keeper is gone is closed.
 */
#ifndef LOCKSTEP_AGENT_GATE_H
#define LOCKSTEP_AGENT_GATE_H

#include <stdbool.h>

/* The descriptor of the gate, which is closed; or a negative errno: -EBUSY another process keeps it. */
int gate_make(const char *path);
/* 0 or a negative errno; closing cannot fail. */
int gate_open(int fd);
void gate_close(int fd);
/* For applications: is it open? Negative errno when that cannot be known, which means no. */
int gate_is_open(const char *path);

#endif
