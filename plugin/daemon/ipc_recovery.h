/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovery callbacks between the node and the messages of a session. */
#ifndef LOCKSTEP_DAEMON_IPC_RECOVERY_H
#define LOCKSTEP_DAEMON_IPC_RECOVERY_H

#include <stddef.h>

#include "plugin/node/node.h"

struct ipc_event;
struct ipc_result;

/* A RECOVERY request of session @conn; @node may be NULL. Fills in the answer. */
void ipc_recovery_process(struct node *node, node_conn conn, const void *body, size_t size,
			  struct ipc_result *ret);
/* PREP, SLOT or DONE as a row of events; points into @a. */
struct ipc_event ipc_recovery_event(const struct node_action *a);

#endif
