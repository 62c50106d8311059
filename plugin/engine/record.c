/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The canonical bytes of each record, and their hash. The snapshot is made of these bytes and the
 * digest is the sum of their hashes, so the one is always a digest of the other (R-DIG-1).
 * The layout is drawn in snapshot_format.h.
 */
#include "config.h"

#include "lib/base/assert.h"
#include "lib/base/digest.h"
#include "plugin/engine/engine_private.h"
#include "plugin/engine/snapshot_format.h"

#define record_entry_const(ptr, type)                                                              \
	((const type *)(const void *)((const char *)(ptr)-offsetof(type, record)))

void record_put_header(const struct engine *e, struct buf *out)
{
	size_t members_count = 0;

	list_for_each(at, &e->members) {
		members_count++;
	}
	buf_put_u8(out, RECORD_HEADER);
	buf_put_u32(out, SNAPSHOT_MAGIC);
	buf_put_u16(out, SNAPSHOT_VERSION);
	buf_put_u16(out, e->config.lvb_len);
	buf_put_u32(out, e->config.deadlock_wait_ms);
	buf_put_u8(out, e->config.xid_scope);
	buf_put_u8(out, e->config.personality);
	buf_put_u64(out, e->config.seq_base);
	buf_put_u64(out, e->seq);
	buf_put_u64(out, members_count);
	buf_put_u64(out, e->sessions.count);
	buf_put_u64(out, e->resources.count);
	buf_put_u64(out, e->locks.count);
}

static void put_member(const struct member *m, struct buf *out)
{
	buf_put_u32(out, m->nodeid);
	buf_put_u64(out, m->incarnation);
	buf_put_u8(out, m->lost ? MEMBER_LOST : 0);
}

static void put_session(const struct session *s, struct buf *out)
{
	buf_put_u32(out, s->member->nodeid);
	buf_put_u64(out, s->member->incarnation);
	buf_put_u32(out, s->number);
	buf_put_u8(out, s->ended ? SESSION_ENDED : 0);
	buf_put_u8(out, s->personality);
	buf_put_u64(out, s->request_last);
	buf_put_u32(out, s->pid);
	buf_put_u32(out, s->uid);
	buf_put_bytes(out, s->comm, sizeof(s->comm));
}

static void put_resource(const struct engine *e, const struct resource *r, struct buf *out)
{
	unsigned int bits = (r->lvb ? RESOURCE_HAS_LVB : 0) |
			    (r->lvb_invalid ? RESOURCE_LVB_INVALID : 0);

	buf_put_u8(out, r->name_len);
	buf_put_bytes(out, r->name, r->name_len);
	buf_put_u8(out, (uint8_t)bits);
	buf_put_u32(out, r->lvb_seq);
	if (r->lvb) {
		buf_put_bytes(out, r->lvb, e->config.lvb_len);
	}
}

static void put_lock(const struct engine *e, const struct lock *lock, struct buf *out)
{
	const struct session *s = lock->session;

	buf_put_u32(out, s->member->nodeid);
	buf_put_u64(out, s->member->incarnation);
	buf_put_u32(out, s->number);
	buf_put_u32(out, lock->lkid);
	buf_put_u8(out, lock->queue);
	buf_put_u8(out, (uint8_t)lock->granted);
	buf_put_u8(out, (uint8_t)lock->requested);
	buf_put_u8(out, lock->highbast);
	buf_put_u8(out, lock->sb_flags);
	buf_put_u8(out, lock->attr);
	buf_put_u32(out, lock->flags);
	buf_put_u64(out, lock->token);
	buf_put_u32(out, lock->grant_index);
	buf_put_u64(out, lock->created_seq);
	buf_put_u64(out, lock->time_ms);
	buf_put_u64(out, lock->xid);
	buf_put_u32(out, lock->lvb_seq);
	if (lock->wait) {
		buf_put_u64(out, lock->wait->queued_seq);
		buf_put_u64(out, lock->wait->request);
		buf_put_u32(out, lock->wait->timeout_cs);
		buf_put_u8(out, lock->wait->lvb ? 1 : 0);
		if (lock->wait->lvb) {
			buf_put_bytes(out, lock->wait->lvb, e->config.lvb_len);
		}
	}
}

void record_put(const struct engine *e, const struct record *record, struct buf *out)
{
	buf_put_u8(out, record->kind);
	if (record->kind == RECORD_LOCK) {
		put_lock(e, record_entry_const(record, struct lock), out);
	} else if (record->kind == RECORD_RESOURCE) {
		put_resource(e, record_entry_const(record, struct resource), out);
	} else if (record->kind == RECORD_SESSION) {
		put_session(record_entry_const(record, struct session), out);
	} else {
		ls_assert(record->kind == RECORD_MEMBER);
		put_member(record_entry_const(record, struct member), out);
	}
}

uint64_t record_digest(const struct engine *e, const struct record *record, struct buf *bytes)
{
	uint64_t seed = 0;

	/* A lock's bytes do not name its resource (in a snapshot it follows it), so its hash is
	 * bound to the resource by the seed. */
	if (record->kind == RECORD_LOCK) {
		seed = resource_name_hash(record_entry_const(record, struct lock)->resource);
	}
	buf_clear(bytes);
	record_put(e, record, bytes);
	return base_digest64(bytes->data, bytes->size, seed);
}

uint64_t header_digest(const struct engine *e, struct buf *bytes)
{
	buf_clear(bytes);
	record_put_header(e, bytes);
	return base_digest64(bytes->data, bytes->size, 0);
}
