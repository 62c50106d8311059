/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See ipc_link.h. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/ipc/ipc.h"
#include "plugin/daemon/ipc_link.h"
#include "plugin/daemon/ipc_stream.h"

int ipc_link_respond(const struct ipc_link *l, int32_t id, const void *body, size_t size)
{
	struct qb_ipc_response_header header = {
		.id = id,
		.size = (int32_t)(sizeof(header) + size),
	};
	struct iovec iov[2] = {
		{ &header, sizeof(header) },
		{ (void *)(uintptr_t)body, size },
	};

	if (l->stream) {
		ipc_stream_respond(l->stream, id, body, size);
		return 0;
	}
	ssize_t rc = l->qb ? qb_ipcs_response_sendv(l->qb, iov, 2) : -ENOTCONN;

	return rc < 0 ? (int)rc : 0;
}

int ipc_link_event(const struct ipc_link *l, void *message, size_t size)
{
	struct qb_ipc_response_header header = { .id = IPC_EVENT, .size = (int32_t)size };

	if (l->stream) {
		return ipc_stream_event(l->stream, (const uint8_t *)message + sizeof(header),
					size - sizeof(header));
	}
	memcpy(message, &header, sizeof(header));
	ssize_t rc = l->qb ? qb_ipcs_event_send(l->qb, message, size) : -ENOTCONN;

	return rc >= 0 ? 0 : rc == -ENOBUFS ? -EAGAIN : (int)rc;
}
