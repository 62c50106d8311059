/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of the listings: each field in the order of its struct in lockstep.h. A row decoder leaves
 * the cursor behind its row, so that the next row can follow, and fails the cursor when it refuses.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/ipc/ipc.h"
#include "lib/ipc/wire.h"

void ipc_status_encode(const struct lockstep_status *row, struct buf *out)
{
	wire_text_put(out, row->version, sizeof(row->version));
	wire_text_put(out, row->cluster_name, sizeof(row->cluster_name));
	wire_text_put(out, row->node_name, sizeof(row->node_name));
	buf_put_u32(out, row->nodeid);
	wire_bool_put(out, row->standalone);
	wire_bool_put(out, row->corosync);
	wire_bool_put(out, row->quorate);
	buf_put_u64(out, row->ring_seq);
	buf_put_u32(out, row->ring_nodeid);
	buf_put_u32(out, row->spaces);
	buf_put_u32(out, row->sessions);
	buf_put_u64(out, row->uptime_ms);
	wire_text_put(out, row->state, sizeof(row->state));
	wire_text_put(out, row->reason, sizeof(row->reason));
	wire_bool_put(out, row->unfenced);
	wire_text_put(out, row->fencing, sizeof(row->fencing));
}

int ipc_status_decode(struct cursor *in, struct lockstep_status *ret)
{
	struct lockstep_status row = { 0 };

	wire_text_get(in, row.version, sizeof(row.version));
	wire_text_get(in, row.cluster_name, sizeof(row.cluster_name));
	wire_text_get(in, row.node_name, sizeof(row.node_name));
	row.nodeid = cursor_get_u32(in);
	row.standalone = wire_bool_get(in);
	row.corosync = wire_bool_get(in);
	row.quorate = wire_bool_get(in);
	row.ring_seq = cursor_get_u64(in);
	row.ring_nodeid = cursor_get_u32(in);
	row.spaces = cursor_get_u32(in);
	row.sessions = cursor_get_u32(in);
	row.uptime_ms = cursor_get_u64(in);
	wire_text_get(in, row.state, sizeof(row.state));
	wire_text_get(in, row.reason, sizeof(row.reason));
	row.unfenced = wire_bool_get(in);
	wire_text_get(in, row.fencing, sizeof(row.fencing));
	if (!cursor_ok(in)) {
		return -EBADMSG;
	}
	*ret = row;
	return 0;
}

void ipc_space_encode(const struct lockstep_space_info *row, struct buf *out)
{
	wire_text_put(out, row->name, sizeof(row->name));
	wire_text_put(out, row->state, sizeof(row->state));
	wire_text_put(out, row->reason, sizeof(row->reason));
	buf_put_u64(out, row->seq);
	buf_put_u64(out, row->stable);
	buf_put_u64(out, row->digest);
	buf_put_u64(out, row->epoch);
	buf_put_u64(out, row->history);
	buf_put_u32(out, row->generation);
	buf_put_u16(out, row->lvb_len);
	buf_put_u32(out, row->members);
	buf_put_u32(out, row->lost_members);
	buf_put_u32(out, row->resources);
	buf_put_u32(out, row->locks);
	buf_put_u32(out, row->waiting);
	buf_put_u32(out, row->sessions);
	buf_put_u32(out, row->local_sessions);
}

int ipc_space_decode(struct cursor *in, struct lockstep_space_info *ret)
{
	struct lockstep_space_info row = { 0 };

	wire_text_get(in, row.name, sizeof(row.name));
	wire_text_get(in, row.state, sizeof(row.state));
	wire_text_get(in, row.reason, sizeof(row.reason));
	row.seq = cursor_get_u64(in);
	row.stable = cursor_get_u64(in);
	row.digest = cursor_get_u64(in);
	row.epoch = cursor_get_u64(in);
	row.history = cursor_get_u64(in);
	row.generation = cursor_get_u32(in);
	row.lvb_len = cursor_get_u16(in);
	row.members = cursor_get_u32(in);
	row.lost_members = cursor_get_u32(in);
	row.resources = cursor_get_u32(in);
	row.locks = cursor_get_u32(in);
	row.waiting = cursor_get_u32(in);
	row.sessions = cursor_get_u32(in);
	row.local_sessions = cursor_get_u32(in);
	if (!cursor_ok(in)) {
		return -EBADMSG;
	}
	*ret = row;
	return 0;
}

void ipc_member_encode(const struct lockstep_member_info *row, struct buf *out)
{
	buf_put_u32(out, row->nodeid);
	wire_text_put(out, row->name, sizeof(row->name));
	buf_put_u64(out, row->incarnation);
	wire_text_put(out, row->state, sizeof(row->state));
	buf_put_u32(out, row->slot);
	wire_bool_put(out, row->local);
	buf_put_u32(out, row->locks);
	buf_put_u64(out, row->lost_ms);
	wire_text_put(out, row->reason, sizeof(row->reason));
}

int ipc_member_decode(struct cursor *in, struct lockstep_member_info *ret)
{
	struct lockstep_member_info row = { .nodeid = cursor_get_u32(in) };

	wire_text_get(in, row.name, sizeof(row.name));
	row.incarnation = cursor_get_u64(in);
	wire_text_get(in, row.state, sizeof(row.state));
	row.slot = cursor_get_u32(in);
	row.local = wire_bool_get(in);
	row.locks = cursor_get_u32(in);
	row.lost_ms = cursor_get_u64(in);
	wire_text_get(in, row.reason, sizeof(row.reason));
	if (!cursor_ok(in)) {
		return -EBADMSG;
	}
	*ret = row;
	return 0;
}

void ipc_lock_encode(const struct lockstep_lock_info *row, struct buf *out)
{
	wire_name_put(out, row->name, row->name_len);
	buf_put_u32(out, row->nodeid);
	wire_text_put(out, row->node_name, sizeof(row->node_name));
	buf_put_u32(out, row->session);
	buf_put_u32(out, row->lkid);
	buf_put_u8(out, (uint8_t)row->queue);
	buf_put_u8(out, (uint8_t)row->granted);
	buf_put_u8(out, (uint8_t)row->requested);
	buf_put_u64(out, row->token);
	buf_put_u64(out, row->time_ms);
	buf_put_u32(out, row->pid);
	buf_put_u32(out, row->uid);
	wire_text_put(out, row->comm, sizeof(row->comm));
	wire_bool_put(out, row->lost);
	wire_bool_put(out, row->lvb_invalid);
}

static bool mode_valid(int mode)
{
	return mode >= LOCKSTEP_LOCK_IV && mode <= LOCKSTEP_LOCK_EX;
}

int ipc_lock_decode(struct cursor *in, struct lockstep_lock_info *ret)
{
	struct lockstep_lock_info row = { 0 };

	wire_name_get(in, row.name, &row.name_len);
	row.nodeid = cursor_get_u32(in);
	wire_text_get(in, row.node_name, sizeof(row.node_name));
	row.session = cursor_get_u32(in);
	row.lkid = cursor_get_u32(in);
	row.queue = (char)cursor_get_u8(in);
	row.granted = (int8_t)cursor_get_u8(in);
	row.requested = (int8_t)cursor_get_u8(in);
	row.token = cursor_get_u64(in);
	row.time_ms = cursor_get_u64(in);
	row.pid = cursor_get_u32(in);
	row.uid = cursor_get_u32(in);
	wire_text_get(in, row.comm, sizeof(row.comm));
	row.lost = wire_bool_get(in);
	row.lvb_invalid = wire_bool_get(in);
	if (!cursor_ok(in)) {
		return -EBADMSG;
	}
	if (row.queue == '\0' || !strchr("GCW", row.queue) || !mode_valid(row.granted) ||
	    !mode_valid(row.requested)) {
		cursor_fail(in);
		return -EBADMSG;
	}
	*ret = row;
	return 0;
}

void ipc_blocker_encode(const struct lockstep_blocker *row, struct buf *out)
{
	ipc_lock_encode(&row->lock, out);
	wire_bool_put(out, row->by_order);
}

int ipc_blocker_decode(struct cursor *in, struct lockstep_blocker *ret)
{
	struct lockstep_blocker row = { 0 };
	int error = ipc_lock_decode(in, &row.lock);

	row.by_order = wire_bool_get(in);
	if (error || !cursor_ok(in)) {
		return -EBADMSG;
	}
	*ret = row;
	return 0;
}

void ipc_change_encode(const struct lockstep_change *row, struct buf *out)
{
	buf_put_u8(out, (uint8_t)row->kind);
	buf_put_zero(out, 3);
	buf_put_u64(out, row->time_ms);
	buf_put_u64(out, row->missed);
	wire_text_put(out, row->state, sizeof(row->state));
	ipc_lock_encode(&row->lock, out);
}

int ipc_change_decode(struct cursor *in, struct lockstep_change *ret)
{
	struct lockstep_change row = { .kind = cursor_get_u8(in) };

	wire_zero_get(in, 3);
	row.time_ms = cursor_get_u64(in);
	row.missed = cursor_get_u64(in);
	wire_text_get(in, row.state, sizeof(row.state));
	if (ipc_lock_decode(in, &row.lock) != 0 || row.kind < LOCKSTEP_CHANGE_LOCK ||
	    row.kind > LOCKSTEP_CHANGE_CURRENT) {
		cursor_fail(in);
		return -EBADMSG;
	}
	*ret = row;
	return 0;
}

void ipc_line_encode(const char *line, struct buf *out)
{
	buf_put_blob16(out, line, strnlen(line, IPC_LINE_MAX));
}

int ipc_line_decode(struct cursor *in, char *ret, size_t ret_size)
{
	char line[IPC_LINE_MAX + 1];

	wire_text_get(in, line, sizeof(line));
	if (!cursor_ok(in) || strlen(line) >= ret_size) {
		cursor_fail(in);
		return -EBADMSG;
	}
	memcpy(ret, line, strlen(line) + 1);
	return 0;
}

void ipc_counter_encode(const char *name, uint64_t value, struct buf *out)
{
	ipc_line_encode(name, out);
	buf_put_u64(out, value);
}

int ipc_counter_decode(struct cursor *in, char *ret_name, size_t name_size, uint64_t *ret_value)
{
	char name[IPC_LINE_MAX + 1];
	int error = ipc_line_decode(in, name, sizeof(name));
	uint64_t value = cursor_get_u64(in);

	if (error || !cursor_ok(in) || strlen(name) >= name_size) {
		cursor_fail(in);
		return -EBADMSG;
	}
	memcpy(ret_name, name, strlen(name) + 1);
	*ret_value = value;
	return 0;
}

static void counts_put(struct buf *out, const uint32_t *counts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_put_u32(out, counts[i]);
	}
}

static void counts_get(struct cursor *in, uint32_t *ret, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		ret[i] = cursor_get_u32(in);
	}
}

#define MODES (LOCKSTEP_LOCK_EX + 1)

void ipc_metrics_encode(const struct lockstep_space_metrics *row, struct buf *out)
{
	wire_text_put(out, row->name, sizeof(row->name));
	counts_put(out, row->held, MODES);
	counts_put(out, row->waiting, MODES);
	buf_put_u32(out, row->orphans);
	buf_put_u64(out, row->granted_at_once);
	buf_put_u64(out, row->granted_later);
	buf_put_u64(out, row->queued);
	buf_put_u64(out, row->refused_busy);
	buf_put_u64(out, row->refused_deadlock);
	buf_put_u64(out, row->timed_out);
	buf_put_u64(out, row->cancelled);
	buf_put_u64(out, row->blocking_callbacks);
	buf_put_u64(out, row->deadlock_searches);
	buf_put_u64(out, row->deadlock_victims);
	for (size_t i = 0; i < LOCKSTEP_WAIT_BUCKETS; i++) {
		buf_put_u64(out, row->waits[i]);
	}
	buf_put_u64(out, row->waits_ms);
	buf_put_u32(out, row->lost_nodeid);
	wire_text_put(out, row->lost_name, sizeof(row->lost_name));
	buf_put_u64(out, row->lost_ms);
	wire_bool_put(out, row->has_oldest);
	buf_put_u64(out, row->oldest_ms);
	if (row->has_oldest) {
		ipc_lock_encode(&row->oldest, out);
	}
	wire_bool_put(out, row->has_blocker);
	if (row->has_blocker) {
		ipc_blocker_encode(&row->blocker, out);
	}
}

int ipc_metrics_decode(struct cursor *in, struct lockstep_space_metrics *ret)
{
	struct lockstep_space_metrics row = { 0 };

	wire_text_get(in, row.name, sizeof(row.name));
	counts_get(in, row.held, MODES);
	counts_get(in, row.waiting, MODES);
	row.orphans = cursor_get_u32(in);
	row.granted_at_once = cursor_get_u64(in);
	row.granted_later = cursor_get_u64(in);
	row.queued = cursor_get_u64(in);
	row.refused_busy = cursor_get_u64(in);
	row.refused_deadlock = cursor_get_u64(in);
	row.timed_out = cursor_get_u64(in);
	row.cancelled = cursor_get_u64(in);
	row.blocking_callbacks = cursor_get_u64(in);
	row.deadlock_searches = cursor_get_u64(in);
	row.deadlock_victims = cursor_get_u64(in);
	for (size_t i = 0; i < LOCKSTEP_WAIT_BUCKETS; i++) {
		row.waits[i] = cursor_get_u64(in);
	}
	row.waits_ms = cursor_get_u64(in);
	row.lost_nodeid = cursor_get_u32(in);
	wire_text_get(in, row.lost_name, sizeof(row.lost_name));
	row.lost_ms = cursor_get_u64(in);
	row.has_oldest = wire_bool_get(in);
	row.oldest_ms = cursor_get_u64(in);
	if (row.has_oldest) {
		(void)ipc_lock_decode(in, &row.oldest); /* the cursor knows when it failed */
	}
	row.has_blocker = wire_bool_get(in);
	if (row.has_blocker) {
		(void)ipc_blocker_decode(in, &row.blocker);
	}
	if (!cursor_ok(in)) {
		return -EBADMSG;
	}
	*ret = row;
	return 0;
}
