/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See trace.h. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/base/digest.h"
#include "plugin/node/trace.h"

enum { FIXED_SIZE = 17 };

static void members_encode(const struct trace_record *r, struct buf *out)
{
	ls_assert(r->members_count <= UINT16_MAX);
	buf_put_u16(out, (uint16_t)r->members_count);
	for (size_t i = 0; i < r->members_count; i++) {
		buf_put_u32(out, r->members[i].nodeid);
		buf_put_u64(out, r->members[i].incarnation);
	}
}

static void op_body_encode(const struct trace_record *r, struct buf *out)
{
	struct buf op = { 0 };

	engine_op_encode(&r->op, &op);
	buf_put_u32(out, r->nodeid);
	buf_put_u64(out, r->incarnation);
	buf_put_blob16(out, op.data, op.size);
	buf_done(&op);
}

static void body_encode(const struct trace_record *r, struct buf *out)
{
	switch (r->type) {
	case TRACE_BEGIN:
		buf_put_u16(out, TRACE_VERSION);
		buf_put_u32(out, r->nodeid);
		buf_put_u64(out, r->incarnation);
		buf_put_blob16(out, r->space, r->space_size);
		ls_assert(r->size <= TRACE_RECORD_MAX);
		buf_put_u32(out, (uint32_t)r->size);
		buf_put_bytes(out, r->data, r->size);
		break;
	case TRACE_OP:
		op_body_encode(r, out);
		break;
	case TRACE_SYSTEM:
		buf_put_u8(out, (uint8_t)r->op.type);
		buf_put_u32(out, r->op.flags);
		members_encode(r, out);
		break;
	case TRACE_RAISE:
	case TRACE_MARK:
		buf_put_u64(out, r->value);
		break;
	case TRACE_VIEW:
		buf_put_u8(out, r->what);
		buf_put_u64(out, r->value);
		buf_put_u32(out, r->generation);
		members_encode(r, out);
		break;
	case TRACE_HOLD:
	case TRACE_DROP:
		buf_put_u32(out, r->nodeid);
		buf_put_u64(out, r->incarnation);
		buf_put_u8(out, r->what);
		buf_put_u32(out, r->count);
		break;
	case TRACE_END:
		buf_put_blob16(out, r->data, r->size);
		break;
	}
}

void trace_encode(const struct trace_record *r, struct buf *out)
{
	size_t start = out->size;

	buf_put_u32(out, 0);
	buf_put_u32(out, 0);
	buf_put_u8(out, (uint8_t)r->type);
	buf_put_u64(out, r->seq);
	buf_put_u64(out, r->time_ms);
	body_encode(r, out);
	size_t size = out->size - start - TRACE_HEAD_SIZE;

	buf_set_u32(out, start, (uint32_t)size);
	buf_set_u32(out, start + 4,
		    (uint32_t)base_digest64(out->data + start + TRACE_HEAD_SIZE, size, TRACE_SEED));
}

/* --- decoding ---------------------------------------------------------------------------- */

static void members_decode(struct cursor *in, struct engine_member_id *members, size_t members_max,
			   struct trace_record *r)
{
	size_t count = cursor_get_u16(in);

	if (count > members_max) {
		cursor_fail(in);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		members[i].nodeid = cursor_get_u32(in);
		members[i].incarnation = cursor_get_u64(in);
	}
	r->members = members;
	r->members_count = count;
}

static void op_body_decode(struct cursor *in, struct trace_record *r)
{
	size_t size;
	const uint8_t *bytes;

	r->nodeid = cursor_get_u32(in);
	r->incarnation = cursor_get_u64(in);
	bytes = cursor_get_blob16(in, UINT16_MAX, &size);
	if (!bytes) {
		return;
	}
	struct cursor op = cursor_make(bytes, size);

	if (engine_op_decode(&op, &r->op) != 0 || !cursor_end(&op)) {
		cursor_fail(in);
		return;
	}
	r->op.nodeid = r->nodeid;
	r->op.incarnation = r->incarnation;
}

static void body_decode(struct cursor *in, struct engine_member_id *members, size_t members_max,
			struct trace_record *r)
{
	switch (r->type) {
	case TRACE_BEGIN:
		if (cursor_get_u16(in) != TRACE_VERSION) {
			cursor_fail(in);
		}
		r->nodeid = cursor_get_u32(in);
		r->incarnation = cursor_get_u64(in);
		r->space = cursor_get_blob16(in, LOCKSTEP_SPACE_MAX, &r->space_size);
		r->size = cursor_get_u32(in);
		r->data = cursor_get_bytes(in, r->size);
		break;
	case TRACE_OP:
		op_body_decode(in, r);
		break;
	case TRACE_SYSTEM:
		r->op.type = (enum engine_op_type)cursor_get_u8(in);
		r->op.flags = cursor_get_u32(in);
		members_decode(in, members, members_max, r);
		if ((r->op.type != ENGINE_OP_VIEW_POINT && r->op.type != ENGINE_OP_NODES_REMOVE) ||
		    (r->op.flags & ~LOCKSTEP_LKF_IVVALBLK) != 0) {
			cursor_fail(in);
		}
		r->op.members = r->members;
		r->op.members_count = r->members_count;
		break;
	case TRACE_RAISE:
	case TRACE_MARK:
		r->value = cursor_get_u64(in);
		break;
	case TRACE_VIEW:
		r->what = cursor_get_u8(in);
		r->value = cursor_get_u64(in);
		r->generation = cursor_get_u32(in);
		members_decode(in, members, members_max, r);
		if (r->what < TRACE_VIEW_CHANGE || r->what > TRACE_DIFFERS) {
			cursor_fail(in);
		}
		break;
	case TRACE_HOLD:
	case TRACE_DROP:
		r->nodeid = cursor_get_u32(in);
		r->incarnation = cursor_get_u64(in);
		r->what = cursor_get_u8(in);
		r->count = cursor_get_u32(in);
		break;
	case TRACE_END:
		r->data = cursor_get_blob16(in, UINT16_MAX, &r->size);
		break;
	default:
		cursor_fail(in);
		break;
	}
}

int trace_decode(struct cursor *in, struct engine_member_id *members, size_t members_max,
		 struct trace_record *ret)
{
	struct cursor at = *in;
	struct trace_record r = { 0 };

	if (cursor_left(&at) < TRACE_HEAD_SIZE) {
		return -ENODATA;
	}
	uint32_t size = cursor_get_u32(&at);
	uint32_t check = cursor_get_u32(&at);

	if (size < FIXED_SIZE || size > TRACE_RECORD_MAX) {
		return -EBADMSG;
	}
	if (cursor_left(&at) < size) {
		return -ENODATA;
	}
	const uint8_t *bytes = cursor_get_bytes(&at, size);

	if ((uint32_t)base_digest64(bytes, size, TRACE_SEED) != check) {
		return -EBADMSG;
	}
	struct cursor body = cursor_make(bytes, size);

	r.type = (enum trace_type)cursor_get_u8(&body);
	r.seq = cursor_get_u64(&body);
	r.time_ms = cursor_get_u64(&body);
	body_decode(&body, members, members_max, &r);
	if (!cursor_end(&body)) {
		return -EBADMSG;
	}
	*in = at;
	*ret = r;
	return 0;
}
