/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ops and effects: the ordered input and the output of the lock machine, and the canonical
 * encoding of ops (on the wire, in a trace file, in the held queue). Pure.
 *
 * An op's submitter (nodeid, incarnation) is not part of its encoding: it comes from the message
 * that carried it, and the node logic fills it in.
 */
#ifndef LOCKSTEP_ENGINE_OP_H
#define LOCKSTEP_ENGINE_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lockstep/lockstep_types.h>

struct buf;
struct cursor;

/* Numbers are on the wire: assigned once, retired, never reused. */
enum engine_op_type {
	ENGINE_OP_SESSION_BEGIN = 1, /* R-PROC-6 */
	ENGINE_OP_SESSION_END = 2,   /* R-PROC-1 */
	ENGINE_OP_LOCK = 3,          /* new request, section 7; ORPHAN is ignored: see ADOPT */
	ENGINE_OP_CONVERT = 4,       /* section 8 */
	ENGINE_OP_UNLOCK = 5,        /* R-UNL; with FORCEUNLOCK in flags R-UNL-3 */
	ENGINE_OP_CANCEL = 6,        /* R-CAN */
	ENGINE_OP_DEADLOCK_CANCEL = 7, /* R-CAN-8 */
	ENGINE_OP_ADOPT = 8,         /* R-ORPH-1 */
	ENGINE_OP_PURGE = 9,         /* R-PURGE */
	ENGINE_OP_TIMEOUT = 10,      /* R-TMO-2 */
	ENGINE_OP_DEADLOCK_SEARCH = 11, /* R-DLK-2 */
	/* Made by the view machine of the node logic at its points of the stream, never decoded
	 * from a message: */
	ENGINE_OP_VIEW_POINT = 64,   /* R-REC-4 (2): the members listed are lost; with IVVALBLK
				      * every lock value block is marked invalid (slow way) */
	ENGINE_OP_NODES_REMOVE = 65, /* R-REC-6 (2), R-PROC-5: all locks of the members listed go */
};

/* Lockstep's own bits beside DLM_LKF in op.attr. */
#define ENGINE_ATTR_HAS_BAST 0x01u /* the owner registered a BAST routine (R-BAST-7) */

enum engine_personality {
	ENGINE_PERSONALITY_NATIVE = 0,
	ENGINE_PERSONALITY_LIBDLM = 1,
};

struct engine_member_id {
	uint32_t nodeid;
	uint64_t incarnation;
};

struct engine_op {
	enum engine_op_type type;
	/* Who submitted it; from the message, not from the encoding. */
	uint32_t nodeid;
	uint64_t incarnation;
	/* Session number on that node, and the session's request number: strictly ascending per
	 * session, its begin and end included; an op at or below the last one applied is a silent
	 * no-op (R-CPG-11). TIMEOUT and DEADLOCK_SEARCH are no ops of the session: they may carry
	 * 0, what they name makes them idempotent. */
	uint32_t session;
	uint64_t request;

	uint32_t lkid;
	uint8_t mode;
	uint8_t attr;       /* ENGINE_ATTR_* */
	uint32_t flags;     /* LOCKSTEP_LKF_* */
	uint64_t time_ms;   /* owner node's wall clock; stored only */
	uint64_t xid;
	uint32_t timeout_cs; /* hundredths of a second, with TIMEOUT */
	uint64_t queued_seq; /* TIMEOUT, DEADLOCK_SEARCH: which queueing is meant */
	uint8_t name_len;
	uint8_t name[LOCKSTEP_NAME_MAX];
	/* LOCK, CONVERT, UNLOCK with VALBLK: the caller's buffer as of the call. Points into
	 * the caller's memory; must have the lockspace's LVB length, or lvb_len 0. */
	uint16_t lvb_len;
	const uint8_t *lvb;

	/* SESSION_BEGIN */
	uint32_t pid;
	uint32_t uid;
	uint8_t personality;
	char comm[LOCKSTEP_COMM_MAX]; /* zero padded */

	/* PURGE */
	uint32_t purge_nodeid;
	uint32_t purge_pid;

	/* VIEW_POINT, NODES_REMOVE: ascending nodeid, then incarnation */
	const struct engine_member_id *members;
	size_t members_count;
};

/* Appends the canonical encoding of a client op (types below 64). */
void engine_op_encode(const struct engine_op *op, struct buf *out);
/*
 * Reads one op. Pointers in *ret_op (lvb) go into the cursor's input. Returns 0, or -EBADMSG for
 * anything non-canonical (unknown type or bit, length over its maximum, short input); the cursor
 * is failed then. nodeid and incarnation are left 0.
 */
int engine_op_decode(struct cursor *in, struct engine_op *ret_op);
/* Short name for logs and traces: "lock", "convert", ... */
const char *engine_op_type_name(enum engine_op_type type);

enum engine_effect_type {
	ENGINE_EFFECT_CAST = 1,    /* completion */
	ENGINE_EFFECT_BAST = 2,    /* blocking notification */
	ENGINE_EFFECT_REPLY = 3,   /* result of ADOPT or SESSION_BEGIN, for the waiting call */
};

struct engine_effect {
	enum engine_effect_type type;
	/* The session it is for. */
	uint32_t nodeid;
	uint64_t incarnation;
	uint32_t session;

	uint32_t lkid;
	/* CAST, REPLY: request number of the op that ends here (R-CAST-1). For ECANCEL, ETIMEDOUT
	 * and EDEADLK of a waiting lock that is the request or conversion that waited; a cancel
	 * has no completion of its own. For EUNLOCK it is the unlock. */
	uint64_t request;
	int32_t status;    /* CAST: 0, EAGAIN, EDEADLK, ETIMEDOUT, LOCKSTEP_ECANCEL,
			    * LOCKSTEP_EUNLOCK; REPLY: 0 or errno. Positive. */
	int8_t mode;       /* CAST: granted mode now (IV when the lock has ended);
			    * BAST: the blocked mode (R-BAST-9) */
	uint8_t sb_flags;
	bool has_bast;     /* BAST: the lock has a routine (else only highbast was raised: such an
			    * effect is not emitted) */
	/* R-STAB-2: must not be delivered before `seq` is stable. */
	bool needs_stable;
	uint64_t seq;      /* of the op that caused it */
	uint64_t token;    /* CAST with status 0: R-TOK-1 */
	uint16_t lvb_len;  /* CAST: > 0 when R happened: bytes to copy to the caller */
	const uint8_t *lvb; /* owned by the effects list; valid until it is cleared */
};

#endif
