/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trace records: the ordered input of one lockspace's lock machine as bytes, so that a run can be
 * repeated elsewhere (lockstep-replay). Pure; the driver of the node writes them to files.
 *
 *   record   offset size
 *              0     4   size of what follows the check
 *              4     4   check: low half of base_digest64(what follows, size, TRACE_SEED)
 *              8     1   type
 *              9     8   seq of the lock machine after this record
 *             17     8   wall clock of the node that writes, ms since the epoch (informative)
 *             25     .   body, by type
 *
 *   BEGIN    u16 version, u32 nodeid, u64 incarnation, blob16 lockspace, u32 size, snapshot (engine.h)
 *   OP       u32 nodeid, u64 incarnation, u16 size, op (op.h)
 *   SYSTEM   u8 op type (VIEW_POINT, NODES_REMOVE), u32 flags, members
 *   RAISE    u64 seq that was asked for
 *   MARK     u64 digest of the lock machine
 *   VIEW     u8 what (trace_view), u64 view, u32 generation, members
 *   HOLD     u32 nodeid, u64 incarnation, u8 message type, u32 size
 *   DROP     as HOLD
 *   END      blob16 why the trace stops here; nothing follows
 *
 *   members  u16 count, each u32 nodeid, u64 incarnation
 *
 * A file begins with BEGIN and holds no other, so it needs no other file. BEGIN, OP, SYSTEM and RAISE
 * are all that is needed to repeat the run; MARK tells whether it came out the same; the rest is there
 * to be read. Sizes are little-endian. A dump (dump.c) is BEGIN, MARK, VIEW, END.
 */
#ifndef LOCKSTEP_NODE_TRACE_H
#define LOCKSTEP_NODE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "plugin/engine/op.h"

struct buf;
struct cursor;

#define TRACE_VERSION 1
#define TRACE_SEED 7
#define TRACE_HEAD_SIZE 8u
#define TRACE_RECORD_MAX (64u << 20) /* a snapshot may be large, but not without bound */

enum trace_type {
	TRACE_BEGIN = 1,
	TRACE_OP = 2,
	TRACE_SYSTEM = 3,
	TRACE_RAISE = 4,
	TRACE_MARK = 5,
	TRACE_VIEW = 6,
	TRACE_HOLD = 7,
	TRACE_DROP = 8,
	TRACE_END = 9,
};

enum trace_view {
	TRACE_VIEW_CHANGE = 1,    /* R-REC-2: stopped */
	TRACE_VIEW_POINT = 2,     /* R-REC-4 */
	TRACE_RECOVERY_POINT = 3, /* R-REC-6 */
	TRACE_DIFFERS = 4,        /* R-DIG-2: of a dump */
};

struct trace_record {
	enum trace_type type;
	uint64_t seq;
	uint64_t time_ms;
	uint32_t nodeid;      /* BEGIN, OP, HOLD, DROP */
	uint64_t incarnation; /* the same */
	uint64_t value;       /* RAISE: seq; MARK: digest; VIEW: view */
	uint32_t generation;  /* VIEW */
	uint8_t what;         /* VIEW: trace_view; HOLD, DROP: message type */
	uint32_t count;       /* HOLD, DROP: bytes of ops */
	/* OP: all of it, submitter included; SYSTEM: type and flags. */
	struct engine_op op;
	/* SYSTEM, VIEW */
	const struct engine_member_id *members;
	size_t members_count;
	/* BEGIN: the snapshot; END: the reason. Points into the input. */
	const uint8_t *data;
	size_t size;
	const uint8_t *space; /* BEGIN */
	size_t space_size;
};

void trace_encode(const struct trace_record *r, struct buf *out);
/*
 * The next record. @members has room for @members_max, which SYSTEM and VIEW point to. 0; -ENODATA when
 * the input ends within a record or at its end (cursor_left() tells which); -EBADMSG when the bytes
 * are no record, or not in the one form that trace_encode() gives them. The cursor moves only on 0.
 */
int trace_decode(struct cursor *in, struct engine_member_id *members, size_t members_max,
		 struct trace_record *ret);

#endif
