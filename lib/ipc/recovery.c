/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recovery callbacks: the request about a subscription, and the list of slots in an event; see ipc.h. */
#include "config.h"

#include <assert.h>
#include <errno.h>

#include <lockstep/lockstep_recovery.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/ipc/ipc.h"
#include "lib/ipc/wire.h"

static_assert(LOCKSTEP_NODES_MAX * IPC_SLOT_SIZE <= LOCKSTEP_LVB_MAX, "slots fit into an event");

void ipc_recovery_encode(const struct ipc_recovery *m, struct buf *out)
{
	wire_prefix_put(out, m->tag);
	buf_put_u8(out, m->op);
	buf_put_zero(out, 3);
	buf_put_u32(out, m->prep);
}

int ipc_recovery_decode(const void *body, size_t size, struct ipc_recovery *ret)
{
	struct cursor in = cursor_make(body, size);
	struct ipc_recovery m = { .tag = wire_prefix_get(&in) };

	m.op = cursor_get_u8(&in);
	wire_zero_get(&in, 3);
	m.prep = cursor_get_u32(&in);
	if (!cursor_end(&in) || m.op < IPC_RECOVERY_SUBSCRIBE || m.op > IPC_RECOVERY_PREP_DONE ||
	    (m.op != IPC_RECOVERY_PREP_DONE && m.prep != 0)) {
		return -EBADMSG;
	}
	*ret = m;
	return 0;
}

void ipc_slots_encode(const struct lockstep_slot *slots, size_t count, struct buf *out)
{
	ls_assert(count <= LOCKSTEP_NODES_MAX);
	for (size_t i = 0; i < count; i++) {
		buf_put_u32(out, slots[i].nodeid);
		buf_put_u32(out, slots[i].slot);
	}
}

int ipc_slots_decode(const void *bytes, size_t size, struct lockstep_slot *ret, size_t *ret_count)
{
	struct cursor in = cursor_make(bytes, size);
	size_t count = size / IPC_SLOT_SIZE;

	if (size % IPC_SLOT_SIZE != 0 || count == 0 || count > LOCKSTEP_NODES_MAX) {
		return -EBADMSG;
	}
	for (size_t i = 0; i < count; i++) {
		ret[i].nodeid = cursor_get_u32(&in);
		ret[i].slot = cursor_get_u32(&in);
		if (ret[i].nodeid == 0 || ret[i].slot == 0 ||
		    (i > 0 && ret[i].nodeid <= ret[i - 1].nodeid)) {
			return -EBADMSG;
		}
	}
	ls_assert(cursor_end(&in));
	*ret_count = count;
	return 0;
}
