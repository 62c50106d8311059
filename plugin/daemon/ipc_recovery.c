/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovery callbacks between the node and the messages of a session (lib/ipc/ipc.h). */
#include "config.h"

#include <errno.h>

#include "lib/ipc/ipc.h"
#include "plugin/daemon/ipc_recovery.h"
#include "plugin/node/node.h"

void ipc_recovery_process(struct node *node, node_conn conn, const void *body, size_t size,
			  struct ipc_result *ret)
{
	struct ipc_recovery request;
	int error = ENOTCONN;

	if (ipc_recovery_decode(body, size, &request) != 0) {
		ret->error = EBADMSG;
		return;
	}
	ret->tag = request.tag;
	if (node && request.op == IPC_RECOVERY_SUBSCRIBE) {
		error = node_recovery_subscribe(node, conn, &ret->value);
	} else if (node && request.op == IPC_RECOVERY_UNSUBSCRIBE) {
		error = node_recovery_unsubscribe(node, conn);
	} else if (node) {
		error = node_recovery_prep_done(node, conn, request.prep);
	}
	ret->error = (uint32_t)error;
}

struct ipc_event ipc_recovery_event(const struct node_action *a)
{
	struct ipc_event event = {
		.kind = a->type == NODE_ACTION_PREP   ? IPC_EVENT_PREP
			: a->type == NODE_ACTION_SLOT ? IPC_EVENT_SLOT
						      : IPC_EVENT_DONE,
		.mode = LOCKSTEP_LOCK_IV,
		.lkid = a->lkid,
		.value = a->value,
		.token = a->group,
		/* The slots of DONE are the same bytes on both sides. */
		.lvb_len = (uint16_t)a->size,
		.lvb = a->data,
	};

	return event;
}
