/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Codec of the messages between daemons; see wire.h for the layout. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "plugin/node/wire.h"

#define WIRE_MAGIC 0x31534b4cu /* "LKS1" read as little-endian */

const char *wire_type_name(enum wire_type type)
{
	switch (type) {
	case WIRE_OPS:
		return "ops";
	case WIRE_CONFIRM:
		return "confirm";
	case WIRE_HELLO:
		return "hello";
	case WIRE_READY:
		return "ready";
	case WIRE_PREPARED:
		return "prepared";
	case WIRE_FENCED:
		return "fenced";
	case WIRE_SYNC_BEGIN:
		return "sync-begin";
	case WIRE_SYNC_CHUNK:
		return "sync-chunk";
	case WIRE_SYNCED:
		return "synced";
	case WIRE_LEAVE:
		return "leave";
	case WIRE_FORM:
		return "form";
	case WIRE_EVICT:
		return "evict";
	case WIRE_DIGEST:
		return "digest";
	case WIRE_ANNOUNCE:
		return "announce";
	case WIRE_ACK:
		return "ack";
	case WIRE_RESERVE:
		return "reserve";
	case WIRE_FENCE_WANT:
		return "fence-want";
	case WIRE_FENCE_ASK:
		return "fence-ask";
	case WIRE_FENCE_FAILED:
		return "fence-failed";
	case WIRE_FENCE_DONE:
		return "fence-done";
	}
	return NULL;
}

void wire_header_encode(const struct wire_header *h, struct buf *out)
{
	buf_put_u32(out, WIRE_MAGIC);
	buf_put_u8(out, WIRE_VERSION);
	buf_put_u8(out, (uint8_t)h->type);
	buf_put_u16(out, 0);
	buf_put_u64(out, h->incarnation);
	buf_put_u64(out, h->epoch);
	buf_put_u64(out, h->number);
	buf_put_u64(out, h->confirm);
}

int wire_header_decode(struct cursor *in, struct wire_header *ret)
{
	struct wire_header h = { 0 };
	uint32_t magic = cursor_get_u32(in);
	uint8_t version = cursor_get_u8(in);

	h.type = (enum wire_type)cursor_get_u8(in);
	uint16_t reserved = cursor_get_u16(in);

	h.incarnation = cursor_get_u64(in);
	h.epoch = cursor_get_u64(in);
	h.number = cursor_get_u64(in);
	h.confirm = cursor_get_u64(in);
	if (!cursor_ok(in) || magic != WIRE_MAGIC || version != WIRE_VERSION || reserved != 0 ||
	    h.incarnation == 0 || h.number == 0 || !wire_type_name(h.type)) {
		cursor_fail(in);
		return -EBADMSG;
	}
	*ret = h;
	return 0;
}

void wire_body_encode(enum wire_type type, const struct wire_body *b, struct buf *out)
{
	switch (type) {
	case WIRE_OPS:
		buf_put_bytes(out, b->bytes, b->bytes_size);
		break;
	case WIRE_CONFIRM:
	case WIRE_SYNCED:
	case WIRE_LEAVE:
		break;
	case WIRE_HELLO:
		buf_put_u32(out, b->flags);
		buf_put_u16(out, b->level);
		buf_put_u16(out, b->level_used);
		buf_put_u64(out, b->history);
		buf_put_u64(out, b->views);
		buf_put_u32(out, b->lowest);
		buf_put_u64(out, b->key);
		break;
	case WIRE_READY:
		buf_put_u64(out, b->view);
		buf_put_u64(out, b->seq);
		buf_put_u64(out, b->digest);
		buf_put_u64(out, b->history);
		buf_put_u64(out, b->base);
		buf_put_u64(out, b->key);
		break;
	case WIRE_PREPARED:
		buf_put_u64(out, b->view);
		break;
	case WIRE_DIGEST:
		buf_put_u64(out, b->seq);
		buf_put_u64(out, b->digest);
		break;
	case WIRE_FENCED:
	case WIRE_EVICT:
		buf_put_u32(out, b->nodeid);
		buf_put_u64(out, b->incarnation);
		buf_put_u64(out, b->view);
		break;
	case WIRE_SYNC_BEGIN:
		buf_put_u32(out, b->nodeid);
		buf_put_u64(out, b->incarnation);
		break;
	case WIRE_SYNC_CHUNK:
		buf_put_u32(out, b->nodeid);
		buf_put_u64(out, b->incarnation);
		buf_put_u64(out, b->begin);
		buf_put_u32(out, b->index);
		buf_put_u32(out, b->flags);
		buf_put_blob16(out, b->bytes, b->bytes_size);
		break;
	case WIRE_FORM:
		buf_put_u64(out, b->key);
		buf_put_u64(out, b->base);
		buf_put_u16(out, b->lvb_len);
		buf_put_u32(out, b->deadlock_wait_ms);
		buf_put_u8(out, b->xid_scope);
		break;
	case WIRE_ANNOUNCE:
		buf_put_u16(out, b->level);
		buf_put_u16(out, 0);
		buf_put_u64(out, b->reserved);
		break;
	case WIRE_ACK:
		buf_put_u32(out, b->nodeid);
		break;
	case WIRE_RESERVE:
		buf_put_u64(out, b->reserved);
		break;
	case WIRE_FENCE_WANT:
	case WIRE_FENCE_ASK:
	case WIRE_FENCE_FAILED:
		buf_put_u32(out, b->nodeid);
		buf_put_u64(out, b->incarnation);
		break;
	case WIRE_FENCE_DONE:
		buf_put_u32(out, b->nodeid);
		buf_put_u64(out, b->incarnation);
		buf_put_u32(out, b->flags);
		buf_put_u64(out, b->key);
		break;
	}
}

int wire_body_decode(enum wire_type type, struct cursor *in, struct wire_body *ret)
{
	struct wire_body b = { 0 };

	switch (type) {
	case WIRE_OPS:
		b.bytes_size = cursor_left(in);
		b.bytes = cursor_get_bytes(in, b.bytes_size);
		break;
	case WIRE_CONFIRM:
	case WIRE_SYNCED:
	case WIRE_LEAVE:
		break;
	case WIRE_HELLO:
		b.flags = cursor_get_u32(in);
		b.level = cursor_get_u16(in);
		b.level_used = cursor_get_u16(in);
		b.history = cursor_get_u64(in);
		b.views = cursor_get_u64(in);
		b.lowest = cursor_get_u32(in);
		b.key = cursor_get_u64(in);
		if (b.flags & ~(WIRE_HELLO_STATE | WIRE_HELLO_CONTINUING | WIRE_HELLO_WANTING) ||
		    b.level == 0 || b.level_used > b.level ||
		    (b.level_used != 0) != ((b.flags & WIRE_HELLO_STATE) != 0)) {
			cursor_fail(in);
		}
		break;
	case WIRE_READY:
		b.view = cursor_get_u64(in);
		b.seq = cursor_get_u64(in);
		b.digest = cursor_get_u64(in);
		b.history = cursor_get_u64(in);
		b.base = cursor_get_u64(in);
		b.key = cursor_get_u64(in);
		break;
	case WIRE_PREPARED:
		b.view = cursor_get_u64(in);
		break;
	case WIRE_DIGEST:
		b.seq = cursor_get_u64(in);
		b.digest = cursor_get_u64(in);
		break;
	case WIRE_FENCED:
	case WIRE_EVICT:
		b.nodeid = cursor_get_u32(in);
		b.incarnation = cursor_get_u64(in);
		b.view = cursor_get_u64(in);
		break;
	case WIRE_SYNC_BEGIN:
		b.nodeid = cursor_get_u32(in);
		b.incarnation = cursor_get_u64(in);
		break;
	case WIRE_SYNC_CHUNK:
		b.nodeid = cursor_get_u32(in);
		b.incarnation = cursor_get_u64(in);
		b.begin = cursor_get_u64(in);
		b.index = cursor_get_u32(in);
		b.flags = cursor_get_u32(in);
		b.bytes = cursor_get_blob16(in, WIRE_CHUNK_BYTES, &b.bytes_size);
		if ((b.flags & ~WIRE_CHUNK_LAST) != 0 ||
		    (b.bytes_size == 0 && (b.flags & WIRE_CHUNK_LAST) == 0)) {
			cursor_fail(in);
		}
		break;
	case WIRE_FORM:
		b.key = cursor_get_u64(in);
		b.base = cursor_get_u64(in);
		b.lvb_len = cursor_get_u16(in);
		b.deadlock_wait_ms = cursor_get_u32(in);
		b.xid_scope = cursor_get_u8(in);
		if (b.lvb_len < 8 || b.lvb_len > LOCKSTEP_LVB_MAX || b.lvb_len % 8 != 0 ||
		    b.xid_scope > 1) {
			cursor_fail(in);
		}
		break;
	case WIRE_ANNOUNCE:
		b.level = cursor_get_u16(in);
		if (cursor_get_u16(in) != 0 || b.level == 0) {
			cursor_fail(in);
		}
		b.reserved = cursor_get_u64(in);
		break;
	case WIRE_ACK:
		b.nodeid = cursor_get_u32(in);
		break;
	case WIRE_RESERVE:
		b.reserved = cursor_get_u64(in);
		break;
	case WIRE_FENCE_WANT:
	case WIRE_FENCE_ASK:
	case WIRE_FENCE_FAILED:
		b.nodeid = cursor_get_u32(in);
		b.incarnation = cursor_get_u64(in);
		break;
	case WIRE_FENCE_DONE:
		b.nodeid = cursor_get_u32(in);
		b.incarnation = cursor_get_u64(in);
		b.flags = cursor_get_u32(in);
		b.key = cursor_get_u64(in);
		if (b.flags & ~(WIRE_FENCE_NODE | WIRE_FENCE_MANUAL)) {
			cursor_fail(in);
		}
		break;
	}
	if (!cursor_ok(in) || (type != WIRE_ANNOUNCE && !cursor_end(in))) {
		cursor_fail(in);
		return -EBADMSG;
	}
	*ret = b;
	return 0;
}

void wire_space_encode(const char *name, bool carries, struct buf *out)
{
	size_t size = strlen(name);

	ls_assert(size >= 1 && size <= LOCKSTEP_SPACE_MAX);
	buf_put_blob16(out, name, size);
	buf_put_u8(out, carries ? 1 : 0);
}

int wire_space_decode(struct cursor *in, char ret_name[LOCKSTEP_SPACE_MAX + 1], bool *ret_carries)
{
	size_t size;
	const uint8_t *name = cursor_get_blob16(in, LOCKSTEP_SPACE_MAX, &size);
	uint8_t carries = cursor_get_u8(in);

	if (!cursor_ok(in) || size == 0 || memchr(name, 0, size) || carries > 1) {
		cursor_fail(in);
		return -EBADMSG;
	}
	memcpy(ret_name, name, size);
	ret_name[size] = 0;
	*ret_carries = carries;
	return 0;
}
