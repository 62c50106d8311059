/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way back to a program: one connection of libqb or of the socket file. The two services do not mind
 * which; messages, admission and limits are the same.
 */
#ifndef LOCKSTEP_DAEMON_IPC_LINK_H
#define LOCKSTEP_DAEMON_IPC_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <qb/qbipcs.h>

struct ipc_stream;

/* At most one is not NULL; none: the connection is closed. */
struct ipc_link {
	qb_ipcs_connection_t *qb;
	struct ipc_stream *stream;
};

static inline bool ipc_link_up(const struct ipc_link *l)
{
	return l->qb || l->stream;
}

/* The answer of message @id. 0, or a negative errno: it is thrown away. */
int ipc_link_respond(const struct ipc_link *l, int32_t id, const void *body, size_t size);
/* An event: room for libqb's header, which is filled in here, then the body; @size of both. 0;
 * -EAGAIN: it does not fit now, nothing was sent; another errno: the connection is about to close. */
int ipc_link_event(const struct ipc_link *l, void *message, size_t size);

#endif
