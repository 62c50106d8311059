/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The frames of the socket transport; see ipc.h for the layout. */
#include "config.h"

#include <errno.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/ipc/ipc.h"
#include "lib/ipc/wire.h"

void ipc_frame_encode(int32_t id, const void *body, size_t size, struct buf *out)
{
	ls_assert(size <= IPC_FRAME_MAX - IPC_FRAME_HEAD);
	buf_put_u32(out, (uint32_t)(IPC_FRAME_HEAD + size));
	buf_put_u32(out, (uint32_t)id);
	buf_put_bytes(out, body, size);
}

int ipc_frame_decode(const void *data, size_t have, struct ipc_frame *ret)
{
	struct cursor in = cursor_make(data, have);

	if (have < IPC_FRAME_HEAD) {
		return -EAGAIN;
	}
	uint32_t size = cursor_get_u32(&in);
	int32_t id = (int32_t)cursor_get_u32(&in);

	if (size < IPC_FRAME_HEAD || size > IPC_FRAME_MAX) {
		return -EBADMSG;
	}
	*ret = (struct ipc_frame){
		.size = size,
		.id = id,
		.body = (const uint8_t *)data + IPC_FRAME_HEAD,
		.body_size = size - IPC_FRAME_HEAD,
	};
	return have < size ? -EAGAIN : 0;
}

void ipc_hello_encode(const struct ipc_hello *m, struct buf *out)
{
	wire_prefix_put(out, m->tag);
	buf_put_u8(out, m->service);
	buf_put_zero(out, 3);
}

int ipc_hello_decode(const void *body, size_t size, struct ipc_hello *ret)
{
	struct cursor in = cursor_make(body, size);
	struct ipc_hello m = { .tag = wire_prefix_get(&in) };

	m.service = cursor_get_u8(&in);
	wire_zero_get(&in, 3);
	if (!cursor_end(&in) || m.service > IPC_SERVICE_ADMIN) {
		return -EBADMSG;
	}
	*ret = m;
	return 0;
}
