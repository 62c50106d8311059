/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The canonical bytes of an op: little-endian, no padding. Every op starts with
 *
 *   u8 type, u32 session, u64 request
 *
 * and goes on with
 *
 *   session begin          u32 pid, u32 uid, u8 personality, 16 bytes comm (zero padded)
 *   session end            -
 *   lock                   u32 lkid, args, name, lvb
 *   convert                u32 lkid, args, lvb
 *   unlock                 u32 lkid, u32 flags (VALBLK, IVVALBLK, FORCEUNLOCK), lvb
 *   cancel, deadlock cancel  u32 lkid
 *   adopt                  args, name
 *   purge                  u32 nodeid, u32 pid
 *   timeout, deadlock search u32 lkid, u64 queued_seq
 *
 *   args  u8 mode (0..5), u8 attr, u32 flags (known bits but CANCEL), u64 time_ms, u64 xid,
 *         u32 timeout_cs only when flags has TIMEOUT
 *   name  u8 length (0..64), bytes
 *   lvb   only when flags has VALBLK: u16 length (0 or a multiple of 8 up to 1024), bytes
 *
 * The encoder drops what has no place in this, such as unknown flag bits (ignored by
 * definition, lock model section 11), so that what it writes is always readable.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "plugin/engine/op.h"

#define REQUEST_FLAGS 0x0007fffdu /* every LOCKSTEP_LKF_ bit but CANCEL */
#define UNLOCK_FLAGS (LOCKSTEP_LKF_VALBLK | LOCKSTEP_LKF_IVVALBLK | LOCKSTEP_LKF_FORCEUNLOCK)
#define MODE_MAX LOCKSTEP_LOCK_EX

static void put_args(const struct engine_op *op, struct buf *out)
{
	uint32_t flags = op->flags & REQUEST_FLAGS;

	ls_assert(op->mode <= MODE_MAX);
	buf_put_u8(out, op->mode);
	buf_put_u8(out, op->attr & ENGINE_ATTR_HAS_BAST);
	buf_put_u32(out, flags);
	buf_put_u64(out, op->time_ms);
	buf_put_u64(out, op->xid);
	if (flags & LOCKSTEP_LKF_TIMEOUT) {
		buf_put_u32(out, op->timeout_cs);
	}
}

static void put_name(const struct engine_op *op, struct buf *out)
{
	ls_assert(op->name_len <= LOCKSTEP_NAME_MAX);
	buf_put_u8(out, op->name_len);
	buf_put_bytes(out, op->name, op->name_len);
}

static void put_lvb(const struct engine_op *op, struct buf *out)
{
	if (op->flags & LOCKSTEP_LKF_VALBLK) {
		ls_assert(op->lvb_len <= LOCKSTEP_LVB_MAX);
		ls_assert(op->lvb_len % 8 == 0);
		buf_put_blob16(out, op->lvb, op->lvb_len);
	}
}

static void put_session_begin(const struct engine_op *op, struct buf *out)
{
	char comm[LOCKSTEP_COMM_MAX] = { 0 };

	memcpy(comm, op->comm, strnlen(op->comm, sizeof(op->comm)));
	ls_assert(op->personality <= ENGINE_PERSONALITY_LIBDLM);
	buf_put_u32(out, op->pid);
	buf_put_u32(out, op->uid);
	buf_put_u8(out, op->personality);
	buf_put_bytes(out, comm, sizeof(comm));
}

void engine_op_encode(const struct engine_op *op, struct buf *out)
{
	buf_put_u8(out, (uint8_t)op->type);
	buf_put_u32(out, op->session);
	buf_put_u64(out, op->request);
	switch (op->type) {
	case ENGINE_OP_SESSION_BEGIN:
		put_session_begin(op, out);
		return;
	case ENGINE_OP_SESSION_END:
		return;
	case ENGINE_OP_LOCK:
		buf_put_u32(out, op->lkid);
		put_args(op, out);
		put_name(op, out);
		put_lvb(op, out);
		return;
	case ENGINE_OP_CONVERT:
		buf_put_u32(out, op->lkid);
		put_args(op, out);
		put_lvb(op, out);
		return;
	case ENGINE_OP_UNLOCK:
		buf_put_u32(out, op->lkid);
		buf_put_u32(out, op->flags & UNLOCK_FLAGS);
		put_lvb(op, out);
		return;
	case ENGINE_OP_CANCEL:
	case ENGINE_OP_DEADLOCK_CANCEL:
		buf_put_u32(out, op->lkid);
		return;
	case ENGINE_OP_ADOPT:
		put_args(op, out);
		put_name(op, out);
		return;
	case ENGINE_OP_PURGE:
		buf_put_u32(out, op->purge_nodeid);
		buf_put_u32(out, op->purge_pid);
		return;
	case ENGINE_OP_TIMEOUT:
	case ENGINE_OP_DEADLOCK_SEARCH:
		buf_put_u32(out, op->lkid);
		buf_put_u64(out, op->queued_seq);
		return;
	case ENGINE_OP_VIEW_POINT:
	case ENGINE_OP_NODES_REMOVE:
		break;
	}
	/* Ops of the view machine never travel, and there are no other types. */
	bool is_client_op = false;

	ls_assert(is_client_op);
}

static void fail_unless(struct cursor *in, bool condition)
{
	if (!condition) {
		cursor_fail(in);
	}
}

static void get_args(struct cursor *in, struct engine_op *op)
{
	op->mode = cursor_get_u8(in);
	op->attr = cursor_get_u8(in);
	op->flags = cursor_get_u32(in);
	op->time_ms = cursor_get_u64(in);
	op->xid = cursor_get_u64(in);
	fail_unless(in, op->mode <= MODE_MAX);
	fail_unless(in, (op->attr & ~ENGINE_ATTR_HAS_BAST) == 0);
	fail_unless(in, (op->flags & ~REQUEST_FLAGS) == 0);
	if (op->flags & LOCKSTEP_LKF_TIMEOUT) {
		op->timeout_cs = cursor_get_u32(in);
	}
}

static void get_name(struct cursor *in, struct engine_op *op)
{
	uint8_t len = cursor_get_u8(in);

	if (len > LOCKSTEP_NAME_MAX) {
		cursor_fail(in);
		return;
	}
	const uint8_t *name = cursor_get_bytes(in, len);

	if (name) {
		op->name_len = len;
		memcpy(op->name, name, len);
	}
}

static void get_lvb(struct cursor *in, struct engine_op *op)
{
	size_t size;

	if (!(op->flags & LOCKSTEP_LKF_VALBLK)) {
		return;
	}
	const uint8_t *lvb = cursor_get_blob16(in, LOCKSTEP_LVB_MAX, &size);

	if (size % 8 != 0) {
		cursor_fail(in);
		return;
	}
	op->lvb_len = (uint16_t)size;
	op->lvb = size > 0 ? lvb : NULL;
}

static void get_session_begin(struct cursor *in, struct engine_op *op)
{
	op->pid = cursor_get_u32(in);
	op->uid = cursor_get_u32(in);
	op->personality = cursor_get_u8(in);
	fail_unless(in, op->personality <= ENGINE_PERSONALITY_LIBDLM);

	const uint8_t *comm = cursor_get_bytes(in, sizeof(op->comm));

	if (!comm) {
		return;
	}
	memcpy(op->comm, comm, sizeof(op->comm));
	for (size_t i = strnlen(op->comm, sizeof(op->comm)); i < sizeof(op->comm); i++) {
		fail_unless(in, op->comm[i] == 0);
	}
}

static void get_body(struct cursor *in, struct engine_op *op)
{
	switch (op->type) {
	case ENGINE_OP_SESSION_BEGIN:
		get_session_begin(in, op);
		break;
	case ENGINE_OP_SESSION_END:
		break;
	case ENGINE_OP_LOCK:
		op->lkid = cursor_get_u32(in);
		get_args(in, op);
		get_name(in, op);
		get_lvb(in, op);
		break;
	case ENGINE_OP_CONVERT:
		op->lkid = cursor_get_u32(in);
		get_args(in, op);
		get_lvb(in, op);
		break;
	case ENGINE_OP_UNLOCK:
		op->lkid = cursor_get_u32(in);
		op->flags = cursor_get_u32(in);
		fail_unless(in, (op->flags & ~UNLOCK_FLAGS) == 0);
		get_lvb(in, op);
		break;
	case ENGINE_OP_CANCEL:
	case ENGINE_OP_DEADLOCK_CANCEL:
		op->lkid = cursor_get_u32(in);
		break;
	case ENGINE_OP_ADOPT:
		get_args(in, op);
		get_name(in, op);
		break;
	case ENGINE_OP_PURGE:
		op->purge_nodeid = cursor_get_u32(in);
		op->purge_pid = cursor_get_u32(in);
		break;
	case ENGINE_OP_TIMEOUT:
	case ENGINE_OP_DEADLOCK_SEARCH:
		op->lkid = cursor_get_u32(in);
		op->queued_seq = cursor_get_u64(in);
		break;
	case ENGINE_OP_VIEW_POINT:
	case ENGINE_OP_NODES_REMOVE:
	default:
		cursor_fail(in);
		break;
	}
}

int engine_op_decode(struct cursor *in, struct engine_op *ret_op)
{
	struct engine_op op;

	/* Not an initialiser: the unused tail of arrays must be zero too. */
	memset(&op, 0, sizeof(op));
	op.type = (enum engine_op_type)cursor_get_u8(in);
	op.session = cursor_get_u32(in);
	op.request = cursor_get_u64(in);
	get_body(in, &op);
	if (!cursor_ok(in)) {
		return -EBADMSG;
	}
	*ret_op = op;
	return 0;
}

const char *engine_op_type_name(enum engine_op_type type)
{
	switch (type) {
	case ENGINE_OP_SESSION_BEGIN:
		return "session-begin";
	case ENGINE_OP_SESSION_END:
		return "session-end";
	case ENGINE_OP_LOCK:
		return "lock";
	case ENGINE_OP_CONVERT:
		return "convert";
	case ENGINE_OP_UNLOCK:
		return "unlock";
	case ENGINE_OP_CANCEL:
		return "cancel";
	case ENGINE_OP_DEADLOCK_CANCEL:
		return "deadlock-cancel";
	case ENGINE_OP_ADOPT:
		return "adopt";
	case ENGINE_OP_PURGE:
		return "purge";
	case ENGINE_OP_TIMEOUT:
		return "timeout";
	case ENGINE_OP_DEADLOCK_SEARCH:
		return "deadlock-search";
	case ENGINE_OP_VIEW_POINT:
		return "view-point";
	case ENGINE_OP_NODES_REMOVE:
		return "nodes-remove";
	}
	return "unknown";
}
