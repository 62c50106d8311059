/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real-time scheduling and locked memory, as corosync has them: a lock daemon that is not
 * scheduled for seconds stalls every grant of the cluster. What is refused is logged; the daemon
 * goes on.
 */
#ifndef LOCKSTEP_DAEMON_RT_H
#define LOCKSTEP_DAEMON_RT_H

struct settings;

void rt_apply(const struct settings *settings);

#endif
