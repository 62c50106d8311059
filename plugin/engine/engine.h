/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The deterministic lock machine of one lockspace. Ordered ops in, effects out. Pure: no clock,
 * no I/O, no randomness, no global; two engines in one process do not know of each other.
 *
 * Called by plugin/node (which owns order, membership and delivery), by the simulator, by
 * fuzzers and by replay. Rules: spec lock-model.md; every function names the ones it implements.
 *
 * Applying cannot fail. Whatever is wrong with an op is a deterministic outcome (usually a silent
 * no-op), the same on every replica. Errors that a caller hears synchronously are found before
 * ordering with the engine_check_* questions (R-BUSY-2).
 */
#ifndef LOCKSTEP_ENGINE_H
#define LOCKSTEP_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin/engine/op.h"

struct buf;
struct cursor;
struct engine;
struct engine_reader;

struct engine_config {
	uint16_t lvb_len;          /* R-LS-8: multiple of 8 in 8..LOCKSTEP_LVB_MAX */
	uint32_t deadlock_wait_ms; /* R-DLK-1 */
	uint8_t xid_scope;         /* 0 node, 1 cluster */
	uint8_t personality;       /* of the lockspace: 0 dlm, 1 o2dlm (later) */
	uint64_t seq_base;         /* first op gets seq_base + 1 (R-TOK-2) */
};

/* --- lifecycle -------------------------------------------------------------------------- */

struct engine *engine_new(const struct engine_config *config);
struct engine *engine_free(struct engine *e); /* NULL is fine; returns NULL */
/* The same bit by bit, about so many records at a time: NULL when nothing is left, else @e, with which
 * nothing else may be done any more. A million locks take too long for a loop iteration. */
struct engine *engine_free_some(struct engine *e, size_t records);

/* --- effects list: owned by the caller, reused between applies -------------------------- */

struct engine_effects {
	struct engine_effect *items;
	size_t count;
	size_t capacity;
	/* LVB bytes the items point into: grows in chunks that never move. Private. */
	struct engine_effects_chunk *chunks;
};

void engine_effects_clear(struct engine_effects *list);
void engine_effects_done(struct engine_effects *list);

/* --- the one verb ----------------------------------------------------------------------- */

/*
 * Applies one op at the next seq: seq grows by exactly one per call, whatever the outcome.
 * Appends effects in R-ORD-4 order to *effects (does not clear it).
 */
void engine_apply(struct engine *e, const struct engine_op *op, struct engine_effects *effects);

/* Raises seq to at least @seq, and the tokens of what is granted by as much (a slow view point,
 * R-VIEW-2). Never lowers it. */
void engine_seq_raise(struct engine *e, uint64_t seq);

/* --- state as bytes --------------------------------------------------------------------- */

/*
 * Canonical snapshot: a fixed header, then records (sessions, resources, locks) each preceded by
 * its type, in a fixed order that depends on nothing but content (sessions and members by id,
 * resources by name, locks of a resource by queue and order key). Same state, same bytes.
 */
void engine_snapshot_encode(const struct engine *e, struct buf *out);
/* The same bytes in pieces of some 64 KiB. */
typedef void engine_sink(void *arg, const void *data, size_t size);
void engine_snapshot_write(const struct engine *e, engine_sink *sink, void *arg);
/*
 * Builds an engine from exactly one snapshot at the cursor. Returns 0, or -EBADMSG with *ret
 * untouched when the bytes are not a canonical, invariant-keeping snapshot.
 */
int engine_snapshot_decode(struct cursor *in, struct engine **ret);

/*
 * The same from bytes that come in pieces of any size: each feed does the work of its own bytes and
 * no more, and keeps less than one record of them. After -EBADMSG only engine_reader_free() is left.
 */
struct engine_reader *engine_reader_new(void);
struct engine_reader *engine_reader_free(struct engine_reader *r); /* NULL is fine; returns NULL */
/* Also frees the reader, but returns what it has read so far, which is good for engine_free_some(). */
struct engine *engine_reader_abandon(struct engine_reader *r);
int engine_reader_feed(struct engine_reader *r, const void *data, size_t size);
/* Everything has been fed: 0 and the engine, or -EBADMSG. */
int engine_reader_end(struct engine_reader *r, struct engine **ret);
/* Records read, and how many there are; 0 of 0 before the header is there. */
void engine_reader_progress(const struct engine_reader *r, uint64_t *ret_done, uint64_t *ret_total);

/* Sum mod 2^64 of a hash of each record and of the header (R-DIG-1); kept up to date by apply. */
uint64_t engine_digest(const struct engine *e);
/* The same computed from scratch, for tests and the invariant checker. */
uint64_t engine_digest_slow(const struct engine *e);
/*
 * Checks every invariant (queue membership, no two incompatible granted modes, keys, indexes,
 * digest). Returns NULL, or a static sentence about the first one broken.
 */
const char *engine_check(const struct engine *e);

uint64_t engine_seq(const struct engine *e);
const struct engine_config *engine_config_get(const struct engine *e);

/* --- questions of the home node before ordering (R-ERR-1/2; state only, the node adds what it
 *     has in flight) --------------------------------------------------------------------- */

enum engine_queue {
	ENGINE_QUEUE_NONE = 0, /* no such lock */
	ENGINE_QUEUE_GRANTED = 1,
	ENGINE_QUEUE_CONVERT = 2,
	ENGINE_QUEUE_WAIT = 3,
};

struct engine_lock_info {
	uint32_t nodeid;
	uint64_t incarnation;
	uint32_t session; /* 0 for an orphan */
	uint32_t lkid;
	enum engine_queue queue;
	int8_t granted;   /* mode or -1 */
	int8_t requested; /* mode or -1 */
	uint32_t flags;   /* of the last op */
	uint64_t token;
	uint64_t queued_seq;
	uint64_t time_ms; /* owner's clock at its last request or conversion */
	uint64_t xid;     /* 0: none */
	uint32_t pid;
	uint32_t uid;
	char comm[LOCKSTEP_COMM_MAX + 1];
	uint8_t name_len;
	uint8_t name[LOCKSTEP_NAME_MAX];
	bool lost;        /* owner is a lost member (R-REC-4) */
	bool has_bast;    /* it has a routine for blocking notifications (R-BAST-7) */
};

/* Fills *ret and returns true when that lock exists. */
bool engine_lock_find(const struct engine *e, uint32_t nodeid, uint64_t incarnation, uint32_t lkid,
		      struct engine_lock_info *ret);
/* R-CONV-9: legal QUECVT pair? */
bool engine_quecvt_legal(int8_t granted, uint8_t requested);
/*
 * Argument errors of R-ERR-1 / R-ERR-2 that need no state (modes, flags, lengths; op->lvb_len 0
 * with VALBLK is EINVAL). Returns 0 or a positive errno.
 */
int engine_op_check(const struct engine_config *config, const struct engine_op *op);
bool engine_session_exists(const struct engine *e, uint32_t nodeid, uint64_t incarnation,
			   uint32_t session);
/* Number of locks of that session / node, and of those with a granted mode. */
size_t engine_session_locks(const struct engine *e, uint32_t nodeid, uint64_t incarnation,
			    uint32_t session, size_t *ret_granted);
size_t engine_node_locks(const struct engine *e, uint32_t nodeid, uint64_t incarnation);

/* --- queries (read only, for listings) -------------------------------------------------- */

struct engine_resource_info {
	uint8_t name_len;
	uint8_t name[LOCKSTEP_NAME_MAX];
	size_t granted_count;
	size_t convert_count;
	size_t wait_count;
	bool lvb_exists;
	bool lvb_invalid;
	uint32_t lvb_seq;
	uint16_t lvb_len;
	const uint8_t *lvb; /* valid until the next apply */
};

struct engine_totals {
	size_t resources;
	size_t locks;
	size_t granted;
	size_t converting;
	size_t waiting;
	size_t sessions;
	size_t orphans;
	size_t held[6];	  /* by granted mode: those that are being converted, too */
	size_t wanted[6]; /* by requested mode: converting and waiting */
};

struct engine_totals engine_totals_get(const struct engine *e);

/* Visits resources in name order (unsigned bytes, a prefix first). @visit returns false to stop. */
void engine_resources_visit(const struct engine *e,
			    bool (*visit)(const struct engine_resource_info *info, void *arg),
			    void *arg);
/*
 * The next @max resource names behind @after (NULL: from the first one), in that order; returns how many. For listings that
 * are made piece by piece: it looks at each resource once and sorts only what it returns. @contended: only those that
 * somebody waits for.
 */
struct engine_name {
	uint8_t size;
	uint8_t bytes[LOCKSTEP_NAME_MAX];
};
size_t engine_names_after(const struct engine *e, const struct engine_name *after, bool contended,
			  struct engine_name *ret, size_t max);
bool engine_resource_find(const struct engine *e, const void *name, size_t name_len,
			  struct engine_resource_info *ret);
/* Visits the locks of one resource: granted, convert, wait, each in queue order. */
void engine_locks_visit(const struct engine *e, const void *name, size_t name_len,
			bool (*visit)(const struct engine_lock_info *info, void *arg), void *arg);

/*
 * What this engine has done since it was made. Not replicated: a node that got its state from
 * another one counts from its join on. Counters never go back.
 */
struct engine_outcomes {
	uint64_t granted_at_once;
	uint64_t queued;
	uint64_t granted_later;
	uint64_t eagain;    /* NOQUEUE */
	uint64_t edeadlk;   /* conversion deadlock, victim of a search, deadlock cancel */
	uint64_t etimedout;
	uint64_t ecancel;
	uint64_t altmode; /* granted in the alternate mode */
	uint64_t demoted; /* times that CONVDEADLK took the mode away */
};

struct engine_stats {
	uint64_t ops[ENGINE_OP_NODES_REMOVE + 1]; /* applied, by enum engine_op_type; no-ops too */
	struct engine_outcomes lock;		  /* new requests */
	struct engine_outcomes convert;
	uint64_t basts_sent;
	uint64_t basts_unheard; /* due, but without a routine or an owner (R-BAST-7, R-PROC-4) */
	uint64_t deadlock_searches; /* that were not void */
	uint64_t deadlock_victims;
};

/* Valid as long as the engine, and always up to date. */
const struct engine_stats *engine_stats_get(const struct engine *e);

/*
 * Who watches is told of every lock that an apply has changed, before engine_apply() returns. For this node only:
 * nothing replicated may depend on it. @gone: the lock as it was, it is no more. @info NULL: a member has changed, and
 * with it all its locks (R-REC-4). A lock may be told that has not changed in the end. @fn NULL ends it.
 */
typedef void (*engine_watch_fn)(const struct engine_lock_info *info, bool gone, void *arg);
void engine_watch_set(struct engine *e, engine_watch_fn fn, void *arg);
/* Of whoever watches now, or NULL. */
void *engine_watch_arg(const struct engine *e);

/*
 * Whom a queued lock waits for, edges of R-DLK-4: visits every lock that stands in its way.
 * @by_order is false for a conflict with a granted mode, true for "queued ahead". Locks with
 * NODLCKWT or NODLCKBLK are shown too: they stand in the way, although a search leaves them out.
 */
void engine_blockers_visit(const struct engine *e, const struct engine_lock_info *waiter,
			   bool (*visit)(const struct engine_lock_info *blocker, bool by_order,
					 void *arg),
			   void *arg);

/*
 * Is the queued lock @of in a deadlock (R-DLK-6, whatever its session and deadlock_wait_ms)? Returns
 * whether it is, and visits a shortest cycle through it: @waiter waits for @blocker, whose
 * transaction (R-DLK-3) waits with the next @waiter, and so on until a @blocker is of the
 * transaction of the first @waiter, which is the lock asked about. No more visits than there are
 * transactions. Costs one look at each lock of the resources that the lock's transaction waits
 * for directly or in the end; most locks of a lockspace are on none of them.
 */
bool engine_deadlock_visit(const struct engine *e, const struct engine_lock_info *of,
			   bool (*visit)(const struct engine_lock_info *waiter,
					 const struct engine_lock_info *blocker, bool by_order,
					 void *arg),
			   void *arg);

#endif
