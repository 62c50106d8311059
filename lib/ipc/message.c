/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests, results, events and the head of a page; see ipc.h for the layouts. A decoder fills a
 * local first: nothing is written to the caller's struct unless the whole message is good.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/ipc/ipc.h"
#include "lib/ipc/wire.h"

#define OPEN_FLAGS LOCKSTEP_OPEN_CREATE
#define SPACE_FLAGS                                                                                \
	(LOCKSTEP_LSFL_NODIR | LOCKSTEP_LSFL_TIMEWARN | LOCKSTEP_LSFL_FS | LOCKSTEP_LSFL_NEWEXCL)

void ipc_tag_encode(struct buf *out, uint32_t tag)
{
	wire_prefix_put(out, tag);
}

int ipc_tag_decode(struct cursor *in, uint32_t *ret_tag)
{
	uint32_t tag = wire_prefix_get(in);

	if (!cursor_ok(in)) {
		return -EBADMSG;
	}
	*ret_tag = tag;
	return 0;
}

void ipc_open_encode(const struct ipc_open *m, struct buf *out)
{
	wire_prefix_put(out, m->tag);
	buf_put_u32(out, m->flags);
	buf_put_u16(out, m->lvb_len);
	buf_put_u16(out, m->mode);
	buf_put_u8(out, m->personality);
	buf_put_u8(out, m->xid_scope);
	buf_put_u32(out, (uint32_t)m->deadlock_wait_ms);
	buf_put_u32(out, m->space_flags);
	wire_text_put(out, m->space, sizeof(m->space));
	wire_text_put(out, m->comm, sizeof(m->comm));
	wire_text_put(out, m->cluster, sizeof(m->cluster));
}

int ipc_open_decode(const void *body, size_t size, struct ipc_open *ret)
{
	struct cursor in = cursor_make(body, size);
	struct ipc_open m = { .tag = wire_prefix_get(&in) };

	m.flags = cursor_get_u32(&in);
	m.lvb_len = cursor_get_u16(&in);
	m.mode = cursor_get_u16(&in);
	m.personality = cursor_get_u8(&in);
	m.xid_scope = cursor_get_u8(&in);
	m.deadlock_wait_ms = (int32_t)cursor_get_u32(&in);
	m.space_flags = cursor_get_u32(&in);
	wire_text_get(&in, m.space, sizeof(m.space));
	wire_text_get(&in, m.comm, sizeof(m.comm));
	wire_text_get(&in, m.cluster, sizeof(m.cluster));
	if (!cursor_end(&in) || (m.flags & ~OPEN_FLAGS) != 0 || m.lvb_len > LOCKSTEP_LVB_MAX ||
	    m.xid_scope > LOCKSTEP_XID_SCOPE_CLUSTER || m.deadlock_wait_ms < -1 ||
	    (m.space_flags & ~SPACE_FLAGS) != 0) {
		return -EBADMSG;
	}
	*ret = m;
	return 0;
}

void ipc_submit_encode(const struct ipc_submit *m, struct buf *out)
{
	bool purge = m->op == IPC_OP_PURGE;

	ls_assert(m->lvb_len <= LOCKSTEP_LVB_MAX);
	buf_put_u8(out, m->op);
	buf_put_u8(out, m->mode);
	wire_bool_put(out, m->has_bast);
	buf_put_u8(out, 0);
	buf_put_u32(out, m->flags);
	buf_put_u32(out, purge ? m->nodeid : m->lkid);
	buf_put_u32(out, purge ? m->pid : m->timeout_cs);
	buf_put_u64(out, m->xid);
	wire_name_put(out, m->name, m->name_len);
	buf_put_blob16(out, m->lvb, m->lvb_len);
}

int ipc_submit_decode(struct cursor *in, struct ipc_submit *ret)
{
	struct ipc_submit m = { .op = cursor_get_u8(in) };
	bool purge = m.op == IPC_OP_PURGE;
	size_t lvb_len;

	m.mode = cursor_get_u8(in);
	m.has_bast = wire_bool_get(in);
	wire_zero_get(in, 1);
	m.flags = cursor_get_u32(in);
	*(purge ? &m.nodeid : &m.lkid) = cursor_get_u32(in);
	*(purge ? &m.pid : &m.timeout_cs) = cursor_get_u32(in);
	m.xid = cursor_get_u64(in);
	wire_name_get(in, m.name, &m.name_len);
	m.lvb = cursor_get_blob16(in, LOCKSTEP_LVB_MAX, &lvb_len);
	m.lvb_len = (uint16_t)lvb_len;
	if (!cursor_ok(in) || m.op < IPC_OP_LOCK || m.op > IPC_OP_PURGE) {
		cursor_fail(in);
		return -EBADMSG;
	}
	*ret = m;
	return 0;
}

void ipc_result_row_encode(const struct ipc_result *m, struct buf *out)
{
	buf_put_u32(out, m->error);
	buf_put_u32(out, m->lkid);
	buf_put_u32(out, m->value);
	wire_bool_put(out, m->completes);
	buf_put_zero(out, 3);
	buf_put_u64(out, m->token);
}

int ipc_result_row_decode(struct cursor *in, struct ipc_result *ret)
{
	struct ipc_result m = { .error = cursor_get_u32(in) };

	m.lkid = cursor_get_u32(in);
	m.value = cursor_get_u32(in);
	m.completes = wire_bool_get(in);
	wire_zero_get(in, 3);
	m.token = cursor_get_u64(in);
	/* The error becomes a negative int in the library: nothing that changes its sign. */
	if (!cursor_ok(in) || m.error > INT32_MAX) {
		cursor_fail(in);
		return -EBADMSG;
	}
	*ret = m;
	return 0;
}

void ipc_result_encode(const struct ipc_result *m, struct buf *out)
{
	wire_prefix_put(out, m->tag);
	ipc_result_row_encode(m, out);
}

int ipc_result_decode(const void *body, size_t size, struct ipc_result *ret)
{
	struct cursor in = cursor_make(body, size);
	uint32_t tag = wire_prefix_get(&in);
	struct ipc_result m;

	if (ipc_result_row_decode(&in, &m) || !cursor_end(&in)) {
		return -EBADMSG;
	}
	m.tag = tag;
	*ret = m;
	return 0;
}

void ipc_event_encode(const struct ipc_event *m, struct buf *out)
{
	ls_assert(m->lvb_len <= LOCKSTEP_LVB_MAX);
	buf_put_u8(out, m->kind);
	buf_put_u8(out, (uint8_t)m->mode);
	buf_put_u8(out, m->sb_flags);
	buf_put_u8(out, 0);
	buf_put_u32(out, m->lkid);
	buf_put_u32(out, (uint32_t)m->status);
	buf_put_u32(out, m->value);
	buf_put_u64(out, m->token);
	buf_put_blob16(out, m->lvb, m->lvb_len);
}

int ipc_event_decode(struct cursor *in, struct ipc_event *ret)
{
	struct ipc_event m = { .kind = cursor_get_u8(in) };
	size_t lvb_len;

	m.mode = (int8_t)cursor_get_u8(in);
	m.sb_flags = cursor_get_u8(in);
	wire_zero_get(in, 1);
	m.lkid = cursor_get_u32(in);
	m.status = (int32_t)cursor_get_u32(in);
	m.value = cursor_get_u32(in);
	m.token = cursor_get_u64(in);
	m.lvb = cursor_get_blob16(in, LOCKSTEP_LVB_MAX, &lvb_len);
	m.lvb_len = (uint16_t)lvb_len;
	if (!cursor_ok(in) || m.kind < IPC_EVENT_READY || m.kind > IPC_EVENT_DONE) {
		cursor_fail(in);
		return -EBADMSG;
	}
	*ret = m;
	return 0;
}

void ipc_query_encode(const struct ipc_query *m, struct buf *out)
{
	ls_assert(m->has_name || m->name_len == 0);
	wire_prefix_put(out, m->tag);
	buf_put_u32(out, m->nodeid);
	buf_put_u32(out, m->lkid);
	buf_put_u32(out, m->flags);
	buf_put_u16(out, m->lvb_len);
	wire_bool_put(out, m->has_name);
	buf_put_u8(out, 0);
	buf_put_u64(out, m->page);
	wire_text_put(out, m->space, sizeof(m->space));
	wire_name_put(out, m->name, m->name_len);
	wire_text_put(out, m->text, sizeof(m->text));
}

int ipc_query_decode(const void *body, size_t size, struct ipc_query *ret)
{
	struct cursor in = cursor_make(body, size);
	struct ipc_query m = { .tag = wire_prefix_get(&in) };

	m.nodeid = cursor_get_u32(&in);
	m.lkid = cursor_get_u32(&in);
	m.flags = cursor_get_u32(&in);
	m.lvb_len = cursor_get_u16(&in);
	m.has_name = wire_bool_get(&in);
	wire_zero_get(&in, 1);
	m.page = cursor_get_u64(&in);
	wire_text_get(&in, m.space, sizeof(m.space));
	wire_name_get(&in, m.name, &m.name_len);
	wire_text_get(&in, m.text, sizeof(m.text));
	if (!cursor_end(&in) || m.lvb_len > LOCKSTEP_LVB_MAX || (!m.has_name && m.name_len > 0)) {
		return -EBADMSG;
	}
	*ret = m;
	return 0;
}

/* Offsets of the counts from the begin of a page's body, which ipc_page_end() fills in. */
#define PAGE_ROWS_AT (8 + 4)
#define PAGE_NEXT_AT (8 + 8)

size_t ipc_page_begin(struct buf *out, uint32_t tag, uint32_t error)
{
	size_t at = out->size;

	wire_prefix_put(out, tag);
	buf_put_u32(out, error);
	buf_put_u32(out, 0);
	buf_put_u64(out, 0);
	return at;
}

void ipc_page_end(struct buf *out, size_t at, uint32_t rows, uint64_t next_page)
{
	ls_assert(rows <= IPC_PAGE_ROWS_MAX);
	buf_set_u32(out, at + PAGE_ROWS_AT, rows);
	buf_set_u32(out, at + PAGE_NEXT_AT, (uint32_t)next_page);
	buf_set_u32(out, at + PAGE_NEXT_AT + 4, (uint32_t)(next_page >> 32));
}

int ipc_page_decode(struct cursor *in, struct ipc_page *ret)
{
	struct ipc_page m = { .tag = wire_prefix_get(in) };

	m.error = cursor_get_u32(in);
	m.rows = cursor_get_u32(in);
	m.next_page = cursor_get_u64(in);
	if (!cursor_ok(in) || m.error > INT32_MAX || m.rows > IPC_PAGE_ROWS_MAX) {
		cursor_fail(in);
		return -EBADMSG;
	}
	*ret = m;
	return 0;
}
