/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's own types and the calls between its files. Nobody outside plugin/engine and its
 * tests includes this.
 *
 *   engine -- members -- sessions -- locks      who owns what
 *      \                              |
 *       `----- resources -- queues ---'         who waits where
 *
 * Each member, session, resource and lock starts with a `struct record`: its chain in a hash
 * table and its share of the digest. A record that changes is noted (record_dirty) and hashed
 * once at the end of the apply. A record that goes is unlinked at once but its memory stays
 * until the end of the apply, so that no walk meets freed memory.
 */
#ifndef LOCKSTEP_ENGINE_PRIVATE_H
#define LOCKSTEP_ENGINE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/base/pool.h"
#include "plugin/engine/engine.h"

#define MODE_COUNT 6
#define QUEUE_COUNT 3
#define LKID_MAX 0x7fffffffu
#define RESOURCE_POOLS (LOCKSTEP_NAME_MAX / 8 + 1)
#define XID_SCOPE_CLUSTER 1 /* engine_config.xid_scope */

/* --- mode.c: the tables ------------------------------------------------------------------- */

enum lvb_action {
	LVB_NOTHING,
	LVB_READ,  /* resource to caller */
	LVB_WRITE, /* caller to resource */
};

/* R-MODE-1. IV is compatible with everything. */
bool mode_compatible(int granted, int requested);
/* R-MODE-2 */
bool mode_is_middle(int granted, int requested);
/* R-LVB-1; @granted IV for a new request, @requested IV for an unlock. */
enum lvb_action mode_lvb_action(int granted, int requested);

/* --- records ------------------------------------------------------------------------------ */

/* The numbers are in the snapshot. */
enum record_kind {
	RECORD_HEADER = 1,
	RECORD_MEMBER = 2,
	RECORD_SESSION = 3,
	RECORD_RESOURCE = 4,
	RECORD_LOCK = 5,
};

enum record_state {
	RECORD_CLEAN = 0,
	RECORD_DIRTY = 1, /* noted: to be hashed at the end of this apply */
	RECORD_DEAD = 2,  /* noted: to be taken out of the digest and freed */
};

struct record {
	struct record *next; /* in its bucket */
	uint64_t digest;     /* what it adds to the engine's sum as of the last flush */
	uint32_t hash;       /* of its key, for the table */
	uint8_t kind;
	uint8_t state;
};

#define record_entry(ptr, type) ((type *)(void *)((char *)(ptr)-offsetof(type, record)))

struct record_table {
	struct record **buckets;
	size_t size; /* power of two, or 0 */
	size_t count;
};

/* A member that has sessions (ended ones with orphans included). */
struct member {
	struct record record;
	struct list link; /* engine.members, in no order */
	struct list sessions;
	struct list waits; /* lock_wait.member_link, in no order: what a lost one is waited for no longer */
	uint64_t incarnation;
	uint32_t nodeid;
	uint32_t locks_count;
	bool lost; /* R-REC-4 */
};

/*
 * Who waits for whom is a question between transactions (R-DLK-3). What one waits with is kept
 * here, so that a deadlock search goes from edge to edge.
 */
struct transaction {
	struct list waits; /* lock_wait.transaction_link, in no order */
	uint32_t vertex;   /* of the search under way: its number and one, or 0 */
};

struct session {
	struct record record;
	struct member *member;
	struct list member_link;
	struct list locks; /* in no order: sort by created_seq where order matters */
	struct transaction transaction; /* of its locks without an xid */
	uint64_t request_last; /* R-CPG-11 */
	uint32_t number;
	uint32_t pid;
	uint32_t uid;
	uint32_t locks_count;
	uint32_t granted_count; /* of them with a granted mode */
	uint8_t personality;
	/* The client is gone; kept for pid and uid as long as it has locks. Those are orphans. */
	bool ended;
	char comm[LOCKSTEP_COMM_MAX];
};

/* C or W, in order of queueing, HEADQUE before everything there (lock_order_before), with what
 * settle has to know of those locks that it need not look at. */
struct crowd_queue {
	struct list locks;
	uint32_t count;
	uint32_t noorder_count;
	uint32_t requested_count[MODE_COUNT];
};

/*
 * What a resource has beside once it has more than one lock, or one that waits. Most resources of
 * a large lockspace have one granted lock and no crowd. It comes with the second lock and goes at
 * the end of a settle (crowd.c).
 */
struct crowd {
	struct crowd_queue convert;
	struct crowd_queue wait;
	uint32_t granted_count;			    /* on G */
	uint32_t mode_count[MODE_COUNT];	    /* granted modes, on G and C together */
	uint32_t convert_granted_count[MODE_COUNT]; /* granted modes on C */
	uint32_t vertex; /* of the search under way: number in graph.resources and one, or 0 */
	/* What all of G is known to have been told: nobody there needs a BAST of that kind, until
	 * somebody joins G or forgets (bast.c). Bits are 1 << mode, and above those the settle
	 * rule's with cw. */
	uint16_t told_settle;
	uint8_t told_immediate;
};

struct resource {
	struct record record;
	struct list granted; /* G, in order of (token, grant_index) */
	struct crowd *crowd;
	uint8_t *lvb; /* NULL: no LVB, which is not the same as a zero one (R-RES-3) */
	uint32_t lvb_seq;
	bool lvb_invalid;
	bool touched; /* is in engine.touched */
	uint8_t name_len;
	uint8_t name[];
};

/* What a lock has beside while it is on C or W. */
struct lock_wait {
	struct lock *lock;
	struct transaction *transaction;
	struct list transaction_link;
	struct list member_link;
	uint64_t queued_seq;
	uint64_t request;
	uint32_t timeout_cs;
	uint32_t vertex; /* of the search under way: its number and one, or 0 */
	/* The caller's LVB as of the call, kept only where the grant may still write it: a
	 * queued PW to EX conversion with an alternate mode (R-LVB-3, R-ALT-1). Else NULL. */
	uint8_t *lvb;
};

struct lock {
	struct record record;
	struct resource *resource;
	struct session *session;
	struct list queue_link;
	struct list session_link;
	struct lock_wait *wait; /* NULL unless on C or W */
	uint64_t token;         /* R-TOK-1; 0 while nothing was granted */
	uint64_t created_seq;
	uint64_t time_ms;
	uint64_t xid;
	uint32_t grant_index; /* the how manieth grant of that apply (R-Q-3) */
	uint32_t lkid;
	uint32_t flags; /* of the last accepted request or conversion */
	uint32_t lvb_seq; /* of the resource's LVB when it was read last (R-LVB-2) */
	int8_t granted;
	int8_t requested;
	uint8_t highbast; /* R-BAST-1 */
	uint8_t queue;    /* enum engine_queue */
	uint8_t sb_flags; /* of the conversion under way: DEMOTED, ALTMODE */
	uint8_t attr;
};

struct engine {
	struct engine_config config;
	uint64_t seq;
	uint64_t digest_sum; /* of all records but the header */
	struct list members;
	struct record_table sessions;
	struct record_table resources;
	struct record_table locks;
	struct record_table xids; /* transaction.c */
	size_t queue_count[QUEUE_COUNT];
	size_t held_count[MODE_COUNT];	 /* locks on G and C, by granted mode */
	size_t wanted_count[MODE_COUNT]; /* locks on C and W, by requested mode */
	size_t sessions_ended_count;
	size_t orphans_count;
	struct engine_stats stats;
	struct pool lock_pool;
	struct pool resource_pools[RESOURCE_POOLS]; /* by length of name */
	struct pool crowd_pool;
	struct pool wait_pool;
	struct pool xid_pool;
	/* Scratch of one apply. */
	struct record **dirty;
	size_t dirty_count;
	size_t dirty_capacity;
	struct resource **touched;
	size_t touched_count;
	size_t touched_capacity;
	struct buf scratch;
	engine_watch_fn watch_fn; /* NULL: nobody watches */
	void *watch_arg;
};

/* One apply under way. */
struct apply {
	struct engine *engine;
	const struct engine_op *op;
	struct engine_effects *effects;
	uint32_t grants_count; /* so far in this apply */
};

/* --- store.c: records and tables --------------------------------------------------------- */

void store_init(struct engine *e);
void store_done(struct engine *e);
/* A part of what store_done() does, which is what is left to do; true when it is quick. */
bool store_free_some(struct engine *e, size_t records);
/* So many are about to come: no table grows in between. A hint, from foreign bytes maybe. */
void store_expect(struct engine *e, uint64_t sessions, uint64_t resources, uint64_t locks);

void table_insert(struct record_table *t, struct record *record, uint32_t hash);
void table_remove(struct record_table *t, struct record *record);
/* The chain in which a record with that hash would be, not all of which have it. */
struct record *table_first(const struct record_table *t, uint32_t hash);
/* Frees the table, not what is in it. */
void table_done(struct record_table *t);

void record_dirty(struct engine *e, struct record *record);
/* Brings the digest up to date and frees what died. */
void records_flush(struct engine *e);
/* Tells whoever watches what records_flush() is about to take care of. */
void records_watch(const struct engine *e);

struct member *member_find(const struct engine *e, uint32_t nodeid, uint64_t incarnation);
struct member *member_new(struct engine *e, uint32_t nodeid, uint64_t incarnation);
struct session *session_find(const struct engine *e, uint32_t nodeid, uint64_t incarnation,
			     uint32_t number);
struct session *session_new(struct engine *e, struct member *m, uint32_t number);
/* Removes a session that has no locks, and its member with the last one. */
void session_remove(struct engine *e, struct session *s);
struct resource *resource_find(const struct engine *e, const void *name, size_t name_len);
struct resource *resource_new(struct engine *e, const void *name, size_t name_len);
struct lock *lock_find(const struct engine *e, uint32_t nodeid, uint64_t incarnation, uint32_t lkid);
/* On no queue yet. */
struct lock *lock_new(struct engine *e, struct resource *r, struct session *s, uint32_t lkid);
/* Takes it from its queue, owner and table; the resource goes with its last lock (R-RES-2). */
void lock_remove(struct engine *e, struct lock *lock);
/* It is about to be removed. A hint. */
void lock_prefetch(const struct engine *e, const struct lock *lock);
/* Another session becomes the owner (adoption). */
void lock_owner_set(struct engine *e, struct lock *lock, struct session *s);
void lock_granted_set(struct engine *e, struct lock *lock, int mode);
/* Gives it a struct lock_wait, with its place in its transaction: the xid is known by now. */
void lock_wait_begin(struct engine *e, struct lock *lock);
void lock_wait_end(struct engine *e, struct lock *lock);

/* Of the name alone; binds the digests of its locks to it. */
uint64_t resource_name_hash(const struct resource *r);
void resource_lvb_set(struct engine *e, struct resource *r, const uint8_t *bytes);
bool lock_is_orphan(const struct lock *lock);

/* --- transaction.c ------------------------------------------------------------------------ */

void xids_init(struct engine *e);
void xids_done(struct engine *e);
void transaction_init(struct transaction *t);
/* NULL when nothing of that transaction waits. */
struct transaction *transaction_find(const struct engine *e, struct session *s, uint64_t xid);
struct transaction *lock_transaction(const struct engine *e, const struct lock *lock);
/* A lock with its struct lock_wait begins and ends to wait. */
void transaction_join(struct engine *e, struct lock *lock);
void transaction_leave(struct engine *e, struct lock *lock);
/* Of all of them together, for engine_check(). */
size_t transactions_waits_count(const struct engine *e);

/* --- queue.c ------------------------------------------------------------------------------ */

struct list *resource_queue(const struct resource *r, enum engine_queue queue);
struct lock *queue_first(const struct resource *r, enum engine_queue queue);
struct lock *lock_of_link(struct list *link);
/* The lock right before it on C or W; C comes before W. NULL when there is none. */
struct lock *queue_ahead(const struct lock *lock);
/* Strict order of two locks of one queue of one resource. */
bool lock_order_before(const struct lock *a, const struct lock *b);
uint32_t queue_count(const struct resource *r, enum engine_queue queue);
/* Locks on G and C with that granted mode. */
uint32_t resource_mode_count(const struct resource *r, int mode);
/* At its place. */
void queue_insert(struct engine *e, struct lock *lock, enum engine_queue queue);
/* At the end; for a snapshot, which has them in order. */
void queue_append(struct engine *e, struct lock *lock, enum engine_queue queue);
void queue_remove(struct engine *e, struct lock *lock);
/* Wherever it stands. */
void lock_requested_set(struct engine *e, struct lock *lock, int mode);

/* --- crowd.c ------------------------------------------------------------------------------ */

/* Gives @r a crowd that knows of the lock which is there. */
void crowd_begin(struct engine *e, struct resource *r);
/* Takes it away when it is not needed any more. Not while somebody walks its queues. */
void crowd_trim(struct engine *e, struct resource *r);
struct crowd_queue *crowd_queue(struct crowd *crowd, enum engine_queue queue);
/* @lock joins (+1) or leaves (-1) @queue. */
void crowd_count(struct crowd *crowd, const struct lock *lock, enum engine_queue queue, int by);
/* R-CDL-1 may be true for some lock on C. */
bool crowd_may_deadlock(const struct crowd *crowd);
/* Some lock on C asks for a mode that @granted stands in the way of. */
bool crowd_convert_blocked_by(const struct crowd *crowd, int granted);
/* NULL, or what is wrong. */
const char *crowd_check(const struct resource *r);

/* --- sort.c ------------------------------------------------------------------------------- */

int name_compare(const void *a, size_t a_len, const void *b, size_t b_len);

/* An array of pointers that grows; for sorting. */
struct lock_array {
	struct lock **items;
	size_t count;
	size_t capacity;
};
void lock_array_add(struct lock_array *array, struct lock *lock);
void lock_array_add_session(struct lock_array *array, const struct session *s);
void lock_array_sort_created(struct lock_array *array);
void lock_array_done(struct lock_array *array);
/* All resources, sorted by name; free() the result. NULL when there is none. */
struct resource **resources_sorted(const struct engine *e);
void resources_sort(struct resource **items, size_t count);

/* Members and sessions in the order of their ids. */
struct owners_sorted {
	struct member **members;
	size_t members_count;
	struct session **sessions;
	size_t sessions_count;
};
struct owners_sorted owners_sort(const struct engine *e);
void owners_sorted_done(struct owners_sorted *owners);
bool session_before(const struct session *a, const struct session *b);

/* --- record.c: the bytes of each record --------------------------------------------------- */

void record_put_header(const struct engine *e, struct buf *out);
void record_put(const struct engine *e, const struct record *record, struct buf *out);
/* R-DIG-1. @bytes is scratch. */
uint64_t record_digest(const struct engine *e, const struct record *record, struct buf *bytes);
uint64_t header_digest(const struct engine *e, struct buf *bytes);

/* --- effects.c ---------------------------------------------------------------------------- */

/* Copies @size bytes to a place that stays until the list is cleared. */
const uint8_t *effects_bytes(struct engine_effects *list, const void *data, size_t size);
/* A zeroed effect for that session at the end of the list, or NULL when nobody could get it: an
 * orphan, or a lost member. Valid until the next one. */
struct engine_effect *effect_new(struct apply *a, enum engine_effect_type type,
				 const struct lock *lock);
/* The completion of a refused or ended op: no token, no LVB. */
void effect_cast_refused(struct apply *a, const struct lock *lock, uint64_t request, int status,
			 int mode);

/* --- stats.c ------------------------------------------------------------------------------ */

/* Counters of the request or conversion that @lock is about. */
struct engine_outcomes *stats_outcomes(struct engine *e, const struct lock *lock);
/* It ends with that status and without a grant. */
void stats_refused(struct engine *e, const struct lock *lock, int status);

/* --- lvb.c -------------------------------------------------------------------------------- */

struct lvb_outcome {
	bool valnotvalid; /* R-LVB-6 */
	bool wrote;       /* the LVB or its mark */
	const uint8_t *bytes; /* to the caller, in the effects list */
	uint16_t size;
};

struct lvb_outcome lvb_on_grant(struct apply *a, struct lock *lock);
/* Returns true when the LVB or its mark was written. */
bool lvb_on_unlock(struct apply *a, struct lock *lock, uint32_t flags, const uint8_t *bytes);
void lvb_invalidate(struct engine *e, struct resource *r);

/* --- bast.c ------------------------------------------------------------------------------- */

/* Locks that some walk found blocked. */
struct blocked {
	int high; /* largest requested mode, IV when nothing is blocked */
	bool cw;  /* one of them asks for CW */
};

void blocked_note(struct blocked *b, const struct lock *lock);
/* All that is on that queue. */
void blocked_note_queue(struct blocked *b, const struct crowd_queue *queue);
/* R-BAST-2 to every lock of @queue but @blocked itself. */
void bast_immediate(struct apply *a, const struct lock *blocked, enum engine_queue queue);
/* R-BAST-3 to one lock, and to all of G. */
void bast_settle_one(struct apply *a, struct lock *holder, const struct blocked *b);
void bast_settle(struct apply *a, struct resource *r, const struct blocked *b);
/* highbast back to NL. */
void bast_forget(struct lock *lock);
/* What crowd.told_* promises of a lock on G holds. */
bool bast_told(const struct crowd *crowd, const struct lock *holder);
/* R-GR-6 1: a NODLCKWT conversion hears that it is in a conversion deadlock. */
void bast_self(struct apply *a, struct lock *lock);

/* --- grant.c ------------------------------------------------------------------------------ */

enum try_result {
	TRY_GRANTED,
	TRY_BLOCKED,
	TRY_DEADLOCK,
	TRY_DEMOTED,
};

bool lock_grantable(const struct lock *lock, bool now);
enum try_result lock_try(struct apply *a, struct lock *lock, bool now);
void lock_grant(struct apply *a, struct lock *lock);
void lock_enqueue(struct apply *a, struct lock *lock, enum engine_queue queue);
/* The first part of settle: only grants, from C. */
void settle_convert_pass(struct apply *a, struct resource *r, struct blocked *b);
void settle(struct apply *a, struct resource *r);
/* What a settle that grants nothing would count as blocked. */
struct blocked blocked_now(const struct resource *r);
/* Remembers a resource for settle_touched(). */
void resource_touch(struct engine *e, struct resource *r);
/* Settles each once: in order of first touch, or of name. */
void settle_touched(struct apply *a, bool by_name);

/* --- check.c: parts of engine_check() for whoever builds an engine piece by piece --------- */

/* Adds the lengths of its queues to @totals. */
const char *check_resource(const struct engine *e, const struct resource *r,
			   size_t totals[QUEUE_COUNT]);
/* Members and sessions, without a look at their locks. */
const char *check_owners_kept(const struct engine *e);

/* --- query.c ------------------------------------------------------------------------------ */

void lock_info_fill(const struct lock *lock, struct engine_lock_info *ret);
/* R-DLK-4 (b): @other is queued ahead of @lock, and @lock respects the order. */
bool lock_is_ahead(const struct lock *other, const struct lock *lock);

/* --- op families -------------------------------------------------------------------------- */

void apply_lock(struct apply *a, struct session *s);
void apply_convert(struct apply *a, struct lock *lock);
void apply_unlock(struct apply *a, struct lock *lock);
void apply_cancel(struct apply *a, struct lock *lock, int status);
void apply_timeout(struct apply *a);
void apply_deadlock_search(struct apply *a);
void apply_session_begin(struct apply *a);
void apply_session_end(struct apply *a, struct session *s);
void apply_adopt(struct apply *a, struct session *s);
void apply_purge(struct apply *a, struct session *s);
void apply_view_point(struct apply *a);
void apply_nodes_remove(struct apply *a);

/* Takes a queued lock off C (back to G) or W (it ends) without a completion. Returns false when
 * the lock has ended. */
bool lock_dequeue(struct engine *e, struct lock *lock);
/* R-PROC-1 second bullet: as unlock with FORCEUNLOCK|IVVALBLK, without completion. */
void lock_drop(struct engine *e, struct lock *lock);

/* As engine_op_check, but lets VALBLK without bytes pass. */
int op_check_apply(const struct engine_config *config, const struct engine_op *op);

#endif
