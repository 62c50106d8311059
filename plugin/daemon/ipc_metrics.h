/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What monitoring asks the daemon for. Nothing here looks at all locks, whatever there is. */
#ifndef LOCKSTEP_DAEMON_IPC_METRICS_H
#define LOCKSTEP_DAEMON_IPC_METRICS_H

#include <stdint.h>

struct daemon;
struct lockstep_space_metrics;
struct node_space_info;

/* Of the lockspace that @info is about. */
void ipc_metrics_row(struct daemon *d, const struct node_space_info *info,
		     struct lockstep_space_metrics *ret);
/* Memory of the daemon; 0 when it cannot be known. */
uint64_t ipc_metrics_resident_bytes(void);

#endif
