/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the home node says to a client at once, and what it keeps of its locks: the errors of
 * section 16 in their order, busy rules, quotas, lock ids, adoption and purge. On one node, or two.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/node_rig.h"

#define NL LOCKSTEP_LOCK_NL
#define PR LOCKSTEP_LOCK_PR
#define PW LOCKSTEP_LOCK_PW
#define EX LOCKSTEP_LOCK_EX
#define F(name) LOCKSTEP_LKF_##name

#define A 10 /* sessions */
#define B 11

static struct rig *rig_with(size_t nodes, struct node_config bounds)
{
	struct rig *r = rig_new(nodes, &bounds);

	rig_open(r, 1, A, "s", 100);
	rig_open(r, 1, B, "s", 101);
	return r;
}

static int setup(void **state)
{
	*state = rig_with(1, (struct node_config){ .nodeid = 0 });
	return 0;
}

static int teardown(void **state)
{
	*state = rig_free(*state);
	return 0;
}

static int submit(struct rig *r, node_conn conn, struct rig_op op)
{
	return rig_submit(r, 1, conn, op, NULL, NULL);
}

static int unlock(struct rig *r, node_conn conn, uint32_t lkid, uint32_t flags)
{
	return submit(r, conn, (struct rig_op){ .type = flags & F(CANCEL) ? ENGINE_OP_CANCEL
									  : ENGINE_OP_UNLOCK,
						.lkid = lkid,
						.flags = flags });
}

static int convert(struct rig *r, node_conn conn, uint32_t lkid, int mode, uint32_t flags)
{
	return submit(r, conn, (struct rig_op){ .type = ENGINE_OP_CONVERT,
						.lkid = lkid,
						.mode = mode,
						.flags = flags | F(CONVERT) });
}

/* --- the order of errors ---------------------------------------------------------------- */

/* The lock that an op names. */
enum lock_state {
	UNKNOWN,
	OTHERS,   /* of session B */
	GRANTED,  /* PR */
	WAITING,  /* on W */
	CONVERTING, /* PR to EX, on C */
	CONVERSION_SENT,
	UNLOCK_SENT,
	CANCEL_SENT, /* of a lock on W */
};

/* The session's lock in that state, on a resource of its own. */
static uint32_t lock_in(struct rig *r, enum lock_state lock_state)
{
	uint32_t lkid = lock_state == UNKNOWN || lock_state == WAITING || lock_state == CANCEL_SENT ?
				4711 :
				rig_lock(r, 1, lock_state == OTHERS ? B : A, "r", PR, 0);

	switch (lock_state) {
	case WAITING:
	case CANCEL_SENT:
		(void)rig_lock(r, 1, B, "r", EX, 0);
		lkid = rig_lock(r, 1, A, "r", EX, 0);
		break;
	case CONVERTING:
		(void)rig_lock(r, 1, B, "r", PR, 0);
		assert_int_equal(convert(r, A, lkid, EX, 0), 0);
		break;
	default:
		break;
	}
	if (lock_state == CONVERSION_SENT || lock_state == UNLOCK_SENT || lock_state == CANCEL_SENT) {
		rig_hold(r, true);
	}
	if (lock_state == CONVERSION_SENT) {
		assert_int_equal(convert(r, A, lkid, PR, 0), 0);
	} else if (lock_state == UNLOCK_SENT) {
		assert_int_equal(unlock(r, A, lkid, 0), 0);
	} else if (lock_state == CANCEL_SENT) {
		assert_int_equal(unlock(r, A, lkid, F(CANCEL)), 0);
	}
	return lkid;
}

struct row {
	const char *what;
	enum lock_state lock;
	struct rig_op op;
	bool full; /* the session's quota is reached */
	int error;
};

#define CONVERT_OP(m, f) .op = { .type = ENGINE_OP_CONVERT, .mode = (m), .flags = (f) | F(CONVERT) }
#define LOCK_OP(m, f) .op = { .type = ENGINE_OP_LOCK, .mode = (m), .flags = (f), .name = "x" }
#define ADOPT_OP(m, f) \
	.op = { .type = ENGINE_OP_ADOPT, .mode = (m), .flags = (f) | F(ORPHAN), .name = "x" }
#define UNLOCK_OP(f) .op = { .type = ENGINE_OP_UNLOCK, .flags = (f) }
#define CANCEL_OP(f) .op = { .type = ENGINE_OP_CANCEL, .flags = (f) | F(CANCEL) }
#define LONG_NAME "0123456789012345678901234567890123456789012345678901234567890123x"

/* Every input violates the row that must win and a later one that says something else. */
static const struct row rows[] = {
	/* R-ERR-1 */
	{ "unknown lkid before the mode", UNKNOWN, CONVERT_OP(9, 0), false, ENOENT },
	{ "somebody else's lkid before the mode", OTHERS, CONVERT_OP(9, 0), false, ENOENT },
	{ "unknown lkid before flags", UNKNOWN, CONVERT_OP(EX, F(CANCEL)), false, ENOENT },
	{ "unknown lkid before VALBLK", UNKNOWN, CONVERT_OP(EX, F(VALBLK)), false, ENOENT },
	{ "unknown lkid before the quota", UNKNOWN, CONVERT_OP(EX, 0), true, ENOENT },
	{ "an unlocked lkid before the quota", UNLOCK_SENT, CONVERT_OP(EX, 0), true, EBUSY },
	{ "mode before queued", WAITING, CONVERT_OP(9, 0), false, EINVAL },
	{ "mode before in flight", CONVERSION_SENT, CONVERT_OP(9, 0), false, EINVAL },
	{ "mode before the quota", UNKNOWN, LOCK_OP(9, 0), true, EINVAL },
	{ "name length before the quota", UNKNOWN,
	  .op = { .type = ENGINE_OP_LOCK, .mode = NL, .name = LONG_NAME }, true, EINVAL },
	{ "CANCEL before queued", CONVERTING, CONVERT_OP(EX, F(CANCEL)), false, EINVAL },
	{ "CANCEL before the quota", UNKNOWN, LOCK_OP(EX, F(CANCEL)), true, EINVAL },
	{ "QUECVT before the quota", UNKNOWN, LOCK_OP(EX, F(QUECVT)), true, EINVAL },
	{ "CONVDEADLK before the quota", UNKNOWN, LOCK_OP(EX, F(CONVDEADLK)), true, EINVAL },
	{ "CONVDEADLK with NOQUEUE before queued", WAITING,
	  CONVERT_OP(EX, F(CONVDEADLK) | F(NOQUEUE)), false, EINVAL },
	{ "EXPEDITE with CONVERT before queued", WAITING, CONVERT_OP(NL, F(EXPEDITE)), false,
	  EINVAL },
	{ "EXPEDITE and mode before the quota", UNKNOWN, LOCK_OP(EX, F(EXPEDITE)), true, EINVAL },
	{ "EXPEDITE with NOQUEUE before the quota", UNKNOWN,
	  LOCK_OP(NL, F(EXPEDITE) | F(NOQUEUE)), true, EINVAL },
	{ "VALBLK without a buffer before queued", WAITING, CONVERT_OP(EX, F(VALBLK)), false,
	  EINVAL },
	{ "VALBLK without a buffer before in flight", CONVERSION_SENT, CONVERT_OP(EX, F(VALBLK)),
	  false, EINVAL },
	{ "VALBLK without a buffer before the quota", UNKNOWN, LOCK_OP(EX, F(VALBLK)), true,
	  EINVAL },
	{ "VALBLK without a buffer before the orphan", UNKNOWN, ADOPT_OP(EX, F(VALBLK)), false,
	  EINVAL },
	{ "queued before QUECVT", CONVERTING, CONVERT_OP(NL, F(QUECVT)), false, EBUSY },
	{ "queued on W before QUECVT", WAITING, CONVERT_OP(NL, F(QUECVT)), false, EBUSY },
	{ "queued before the quota", WAITING, CONVERT_OP(EX, 0), true, EBUSY },
	{ "in flight before QUECVT", CONVERSION_SENT, CONVERT_OP(NL, F(QUECVT)), false, EBUSY },
	{ "in flight before the quota", CONVERSION_SENT, CONVERT_OP(EX, 0), true, EBUSY },
	{ "QUECVT before the quota", GRANTED, CONVERT_OP(NL, F(QUECVT)), true, EINVAL },
	{ "the quota of requests", UNKNOWN, LOCK_OP(EX, 0), true, ENOMEM },
	{ "the quota of conversions", GRANTED, CONVERT_OP(EX, 0), true, ENOMEM },
	{ "the quota before the orphan", UNKNOWN, ADOPT_OP(EX, 0), true, ENOMEM },
	/* R-ERR-2 */
	{ "unknown lkid before flags", UNKNOWN, UNLOCK_OP(F(PERSISTENT)), false, ENOENT },
	{ "somebody else's lkid before flags", OTHERS, CANCEL_OP(F(QUECVT)), false, ENOENT },
	{ "flags before in flight", CONVERSION_SENT, UNLOCK_OP(F(NOQUEUE)), false, EINVAL },
	{ "CANCEL with FORCEUNLOCK before nothing to do", GRANTED, CANCEL_OP(F(FORCEUNLOCK)),
	  false, EINVAL },
	{ "CANCEL with FORCEUNLOCK before ordered behind", CONVERSION_SENT,
	  CANCEL_OP(F(FORCEUNLOCK)), false, EINVAL },
	{ "in flight before VALBLK without a buffer", CONVERSION_SENT, UNLOCK_OP(F(VALBLK)), false,
	  EBUSY },
	{ "an unlock in flight before VALBLK", UNLOCK_SENT, UNLOCK_OP(F(VALBLK)), false, EBUSY },
	{ "a cancel in flight before an unlock", CANCEL_SENT, UNLOCK_OP(0), false, EBUSY },
	{ "a cancel behind a cancel", CANCEL_SENT, CANCEL_OP(0), false, EINVAL },
	{ "a cancel behind an unlock", UNLOCK_SENT, CANCEL_OP(0), false, EINVAL },
	{ "FORCEUNLOCK behind an unlock", UNLOCK_SENT, UNLOCK_OP(F(FORCEUNLOCK)), false, EINVAL },
	{ "nothing to do before VALBLK without a buffer", GRANTED, CANCEL_OP(F(VALBLK)), false, 0 },
	{ "a cancel needs no buffer", WAITING, CANCEL_OP(F(VALBLK)), false, 0 },
	{ "a cancel behind a conversion", CONVERSION_SENT, CANCEL_OP(0), false, 0 },
	{ "FORCEUNLOCK behind a conversion", CONVERSION_SENT, UNLOCK_OP(F(FORCEUNLOCK)), false, 0 },
	{ "VALBLK without a buffer", GRANTED, UNLOCK_OP(F(VALBLK)), false, EINVAL },
	{ "unlock while queued", CONVERTING, UNLOCK_OP(0), false, 0 },
	{ "unlock over the quota", GRANTED, UNLOCK_OP(0), true, 0 },
	{ "cancel over the quota", WAITING, CANCEL_OP(0), true, 0 },
};

/* R-ERR-1, R-ERR-2, R-BUSY-1, R-BUSY-2, R-CAN-5, R-CAST-5: the earlier row wins, and an error means that
 * nothing was ordered (R-BUSY-3). */
static void of_two_errors_the_earlier_row_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig *r = rig_with(1, (struct node_config){ .session_events_max = 8 });
		struct rig_op op = rows[i].op;

		op.lkid = lock_in(r, rows[i].lock);
		if (rows[i].full) {
			node_session_backlog(r->hosts[1].node, A, 8);
		}
		uint64_t seq = rig_space(r, 1, "s").seq;
		int error = submit(r, A, op);

		if (error != rows[i].error) {
			fail_msg("%s: %s", rows[i].what, strerror(error));
		}
		if (error && !r->hold) {
			assert_int_equal(rig_space(r, 1, "s").seq, seq);
		}
		rig_hold(r, false);
		(void)rig_free(r);
	}
}

/* R-ERR-4: a request or conversion that finds the node's queue full is told EAGAIN and leaves no trace;
 * what gives something up is taken. */
static void a_full_outbox_pushes_requests_back(void **state)
{
	struct rig *r = rig_with(1, (struct node_config){ .outbox_ops_max = 2,
							  .window_messages = 1 });
	uint32_t lkid = rig_lock(r, 1, A, "r", PR, 0);
	struct rig_op request = { .type = ENGINE_OP_LOCK, .mode = EX, .name = "x" };

	(void)state;
	rig_hold(r, true);
	for (int i = 0; i < 3; i++) { /* one on its way, two behind it */
		assert_int_equal(submit(r, A, request), 0);
	}
	assert_int_equal(submit(r, A, request), EAGAIN);
	assert_int_equal(convert(r, A, lkid, NL, 0), EAGAIN);
	assert_int_equal(submit(r, A, (struct rig_op){ .type = ENGINE_OP_ADOPT, .name = "x" }),
			 EAGAIN);
	/* A purge would be one more each time, for ever. */
	assert_int_equal(submit(r, A, (struct rig_op){ .type = ENGINE_OP_PURGE }), EAGAIN);
	assert_int_equal(unlock(r, A, lkid, 0), 0);
	rig_hold(r, false);
	assert_int_equal(submit(r, A, (struct rig_op){ .type = ENGINE_OP_PURGE }), 0);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, A), 3); /* r; one x; r's unlock */
	assert_int_equal(submit(r, A, request), 0);
	(void)rig_free(r);
}

/* R-BUSY-1: what waits on a queue is applied, hence not in flight; what is merely undelivered neither. */
static void in_flight_ends_with_the_apply(void **state)
{
	struct rig *r = *state;
	uint32_t held = rig_lock(r, 1, B, "r", EX, 0);
	uint32_t waits = rig_lock(r, 1, A, "r", EX, 0);
	uint32_t other;

	assert_int_equal(unlock(r, A, waits, 0), 0); /* R-UNL-2: not EBUSY */
	rig_hold(r, true);
	assert_int_equal(convert(r, B, held, PR, 0), 0);
	assert_int_equal(convert(r, B, held, PW, 0), EBUSY);
	assert_int_equal(rig_submit(r, 1, A, (struct rig_op){ .type = ENGINE_OP_LOCK, .mode = EX,
							     .name = "q" }, &other, NULL), 0);
	assert_int_equal(convert(r, A, other, PR, 0), EBUSY);
	assert_int_equal(unlock(r, A, other, 0), EBUSY);
	rig_hold(r, false);
	assert_int_equal(convert(r, B, held, PW, 0), 0);
	assert_int_equal(convert(r, A, other, PR, 0), 0);
}

/* R-UNL-3: behind the request it is ordered, and both completions come. */
static void a_forced_unlock_is_ordered_behind_what_is_in_flight(void **state)
{
	struct rig *r = *state;
	uint32_t lkid;

	rig_clear(r);
	rig_hold(r, true);
	assert_int_equal(rig_submit(r, 1, A, (struct rig_op){ .type = ENGINE_OP_LOCK, .mode = EX,
							     .name = "r" }, &lkid, NULL), 0);
	assert_int_equal(unlock(r, A, lkid, F(FORCEUNLOCK)), 0);
	rig_hold(r, false);
	assert_int_equal(r->hosts[1].count, 2);
	assert_int_equal(r->hosts[1].events[0].status, 0);
	assert_int_equal(r->hosts[1].events[1].status, LOCKSTEP_EUNLOCK);
	assert_int_equal(unlock(r, A, lkid, 0), ENOENT);
}

/* R-CAN-8 */
static void a_deadlock_cancel_ends_the_wait_with_edeadlk(void **state)
{
	struct rig *r = *state;
	uint32_t held = rig_lock(r, 1, B, "r", EX, 0);
	uint32_t waits = rig_lock(r, 1, A, "r", EX, 0);
	bool completes;

	assert_int_equal(rig_submit(r, 1, A, (struct rig_op){ .type = ENGINE_OP_DEADLOCK_CANCEL,
							     .lkid = waits }, NULL, &completes), 0);
	assert_true(completes);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, A)->status, EDEADLK);
	assert_int_equal(rig_submit(r, 1, B, (struct rig_op){ .type = ENGINE_OP_DEADLOCK_CANCEL,
							     .lkid = held }, NULL, &completes), 0);
	assert_false(completes);
}

/* --- quotas ----------------------------------------------------------------------------- */

/* R-CAST-5: in flight, undelivered here and undelivered in the driver count together; the quota is the
 * session's own, and delivery frees it. */
static void undelivered_completions_count_for_the_quota(void **state)
{
	struct rig *r = rig_with(1, (struct node_config){ .session_events_max = 3 });
	struct rig_op request = { .type = ENGINE_OP_LOCK, .mode = NL, .name = "r" };

	(void)state;
	node_session_backlog(r->hosts[1].node, A, 1);
	rig_hold(r, true);
	assert_int_equal(submit(r, A, request), 0);
	assert_int_equal(submit(r, A, request), 0);
	assert_int_equal(submit(r, A, request), ENOMEM);
	assert_int_equal(submit(r, B, request), 0);
	rig_hold(r, false);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, A), 2);
	node_session_backlog(r->hosts[1].node, A, 3);
	assert_int_equal(submit(r, A, request), ENOMEM);
	node_session_backlog(r->hosts[1].node, A, 2);
	assert_int_equal(submit(r, A, request), 0);
	(void)rig_free(r);
}

/* R-CAST-5: also what was applied and may not be told yet. */
static void untold_grants_count_for_the_quota(void **state)
{
	const struct node_config bounds = { .session_events_max = 2 };
	struct rig *r = rig_new(2, &bounds);
	struct rig_op request = { .type = ENGINE_OP_LOCK, .mode = NL, .name = "r" };

	(void)state;
	rig_open(r, 1, A, "s", 100);
	rig_open(r, 2, B, "s", 200);
	rig_hold(r, true);
	assert_int_equal(submit(r, A, request), 0);
	assert_int_equal(submit(r, A, request), 0);
	rig_deliver_held(r);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, A), 0);
	assert_int_equal(submit(r, A, request), ENOMEM);
	rig_hold(r, false);
	assert_int_equal(submit(r, A, request), 0);
	(void)rig_free(r);
}

/* R-ERR-1: the quota of locks, in which an adoption on its way counts; an unlock frees its place. */
static void locks_count_for_the_quota(void **state)
{
	struct rig *r = rig_with(1, (struct node_config){ .session_locks_max = 2 });
	struct rig_op request = { .type = ENGINE_OP_LOCK, .mode = NL, .name = "r" };
	uint32_t first = rig_lock(r, 1, A, "r", NL, 0);

	(void)state;
	rig_hold(r, true);
	assert_int_equal(submit(r, A, (struct rig_op){ .type = ENGINE_OP_ADOPT, .name = "x" }), 0);
	assert_int_equal(submit(r, A, request), ENOMEM);
	rig_hold(r, false);
	assert_int_equal(submit(r, A, request), 0);
	assert_int_equal(submit(r, A, request), ENOMEM);
	assert_int_equal(convert(r, A, first, PR, 0), 0);
	assert_int_equal(unlock(r, A, first, 0), 0);
	assert_int_equal(submit(r, A, request), 0);
	(void)rig_free(r);
}

/* --- owners and lock ids ---------------------------------------------------------------- */

/* R-LOCK-1, R-LOCK-5: two handles of one process are two owners. */
static void two_sessions_of_one_process_are_two_owners(void **state)
{
	struct rig *r = *state;

	rig_open(r, 1, 20, "s", 100); /* as A */
	uint32_t lkid = rig_lock(r, 1, A, "r", EX, 0);

	assert_int_equal(unlock(r, 20, lkid, 0), ENOENT);
	assert_int_equal(unlock(r, 20, lkid, F(CANCEL)), ENOENT);
	assert_int_equal(convert(r, 20, lkid, PR, 0), ENOENT);
	(void)rig_lock(r, 1, 20, "r", EX, 0);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, 20), 0); /* they conflict */
	assert_int_equal(rig_last(r, 1, NODE_ACTION_BAST, A)->mode, EX);
}

/* R-LOCK-2, R-LOCK-3: known before anything is ordered, never 0, never one that lives. */
static void lock_ids_are_fresh_and_known_at_once(void **state)
{
	struct rig *r = *state;
	struct rig_op request = { .type = ENGINE_OP_LOCK, .mode = NL, .name = "r" };
	uint32_t first, second, third;

	rig_hold(r, true);
	assert_int_equal(rig_submit(r, 1, A, request, &first, NULL), 0);
	assert_int_equal(rig_submit(r, 1, B, request, &second, NULL), 0);
	assert_true(first > 0 && second > 0 && first != second);
	rig_hold(r, false);
	assert_int_equal(unlock(r, A, first, 0), 0);
	assert_int_equal(rig_submit(r, 1, A, request, &third, NULL), 0);
	assert_true(third != first && third != second);
}

/* R-LOCK-4: two nodes may give out the same lkid; they are two locks. */
static void equal_lock_ids_of_two_nodes_are_two_locks(void **state)
{
	struct rig *r = rig_new(2, NULL);

	(void)state;
	rig_open(r, 1, A, "s", 100);
	rig_open(r, 2, B, "s", 100);
	uint32_t first = rig_lock(r, 1, A, "r", PR, 0);
	uint32_t second = rig_lock(r, 2, B, "r", PR, 0);

	assert_int_equal(first, second);
	assert_int_equal(unlock(r, A, first, 0), 0);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, A)->status, LOCKSTEP_EUNLOCK);
	assert_int_equal(rig_submit(r, 2, B, (struct rig_op){ .type = ENGINE_OP_CONVERT,
							     .lkid = second, .mode = EX,
							     .flags = F(CONVERT) }, NULL, NULL), 0);
	assert_int_equal(rig_last(r, 2, NODE_ACTION_CAST, B)->status, 0);
	(void)rig_free(r);
}

/* --- session end ------------------------------------------------------------------------ */

/* R-PROC-3: what was sent before the end is applied before it; what was not is dropped. R-ORD-5: none of
 * it is told. */
static void ops_that_were_not_sent_die_with_their_session(void **state)
{
	struct rig *r = *state;
	struct rig_op request = { .type = ENGINE_OP_LOCK, .mode = EX, .name = "r" };
	const struct node_submit unsent = { .type = ENGINE_OP_LOCK, .mode = EX,
					    .name = (const uint8_t *)"q", .name_len = 1 };
	uint32_t lkid;
	bool completes;

	rig_clear(r);
	rig_hold(r, true);
	assert_int_equal(submit(r, A, request), 0); /* sent by the flush of rig_submit() */
	uint64_t seq = rig_space(r, 1, "s").seq;

	assert_int_equal(node_submit(r->hosts[1].node, A, &unsent, &lkid, &completes), 0);
	node_session_close(r->hosts[1].node, A);
	rig_hold(r, false);
	assert_int_equal(rig_space(r, 1, "s").seq, seq + 2); /* the request and the end */
	assert_int_equal(r->hosts[1].count, 0);
	(void)rig_lock(r, 1, B, "r", EX, F(NOQUEUE));
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, B)->status, 0);
}

/* --- orphans ---------------------------------------------------------------------------- */

static int adopt(struct rig *r, node_conn conn, const char *name, int mode, uint32_t tag)
{
	return submit(r, conn, (struct rig_op){ .type = ENGINE_OP_ADOPT, .mode = mode, .tag = tag,
						.name = name, .flags = F(ORPHAN) });
}

/* An orphan of a session with @pid; its lkid. */
static uint32_t orphan(struct rig *r, const char *name, int mode, uint32_t pid)
{
	rig_open(r, 1, 30, "s", pid);
	uint32_t lkid = rig_lock(r, 1, 30, name, mode, F(PERSISTENT));

	node_session_close(r->hosts[1].node, 30);
	rig_settle(r);
	return lkid;
}

static size_t orphans(const struct rig *r)
{
	return engine_totals_get(rig_space(r, 1, "s").engine).orphans;
}

/* R-ORPH-1, R-ORPH-3, R-TOK-1: the answer comes with the apply and brings lkid and token; the lock is
 * the session's like any other, and there is no completion. Vector 16. */
static void an_adopted_lock_belongs_to_the_adopter(void **state)
{
	struct rig *r = *state;
	uint32_t lkid = orphan(r, "r", EX, 300);
	uint64_t token = 0;

	assert_int_equal(unlock(r, A, lkid, 0), ENOENT); /* R-ERR-2: an orphan */
	rig_clear(r);
	rig_hold(r, true);
	assert_int_equal(adopt(r, A, "r", EX, 7), 0);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_REPLY, A), 0);
	rig_hold(r, false);
	assert_int_equal(r->hosts[1].count, 1);
	const struct rig_event *reply = rig_last(r, 1, NODE_ACTION_REPLY, A);

	token = reply->token;
	assert_int_equal(reply->status, 0);
	assert_int_equal(reply->value, 7);
	assert_int_equal(reply->lkid, lkid);
	assert_true(token > 0 && token < rig_space(r, 1, "s").seq);
	(void)rig_lock(r, 1, B, "r", PR, 0);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_BAST, A)->lkid, lkid);
	assert_int_equal(convert(r, A, lkid, PR, 0), 0);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, B), 1);
	assert_int_equal(unlock(r, A, lkid, 0), 0);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, A)->status, LOCKSTEP_EUNLOCK);
}

/* R-ERR-1: the last two rows of adoption. */
static void there_is_nothing_to_adopt(void **state)
{
	struct rig *r = *state;

	(void)orphan(r, "r", EX, 300);
	assert_int_equal(adopt(r, A, "other", EX, 1), 0);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_REPLY, A)->status, ENOENT);
	assert_int_equal(adopt(r, A, "r", PR, 2), 0);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_REPLY, A)->status, EAGAIN);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_REPLY, A)->value, 2);
	assert_int_equal(orphans(r), 1);
}

/* R-ORPH-3: two that ask at the same time. */
static void of_two_adopters_one_succeeds(void **state)
{
	struct rig *r = *state;

	(void)orphan(r, "r", EX, 300);
	rig_hold(r, true);
	assert_int_equal(adopt(r, B, "r", EX, 1), 0);
	assert_int_equal(adopt(r, A, "r", EX, 2), 0);
	rig_hold(r, false);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_REPLY, B)->status, 0);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_REPLY, A)->status, ENOENT);
}

/* R-ORPH-3, R-STAB-2: the adopter is told when everybody knows, not before. */
static void an_adoption_is_told_when_it_is_stable(void **state)
{
	struct rig *r = rig_new(2, NULL);

	(void)state;
	rig_open(r, 1, A, "s", 100);
	rig_open(r, 2, B, "s", 200);
	(void)orphan(r, "r", EX, 300);
	rig_clear(r);
	rig_hold(r, true);
	assert_int_equal(adopt(r, A, "r", EX, 1), 0);
	assert_int_equal(r->held_count, 1);
	rig_deliver_held(r); /* what answers it is held again: the confirm of node 2 */
	assert_int_equal(rig_space(r, 1, "s").seq, rig_space(r, 2, "s").seq);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_REPLY, A), 0);
	rig_hold(r, false);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_REPLY, A)->status, 0);
	(void)rig_free(r);
}

/* A call that waits is answered also when its session is lost. */
static void an_adoption_of_a_lost_session_is_answered(void **state)
{
	struct rig *r = *state;
	unsigned int count;

	rig_clear(r);
	rig_hold(r, true);
	assert_int_equal(adopt(r, A, "r", EX, 5), 0);
	assert_int_equal(node_space_release(r->hosts[1].node, "s", 2, &count), 0);
	rig_settle(r);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_REPLY, A)->status, ENOTCONN);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_REPLY, A)->value, 5);
	rig_hold(r, false);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_REPLY, A), 1);
}

/* --- purge ------------------------------------------------------------------------------ */

static int purge(struct rig *r, node_conn conn, uint32_t nodeid, uint32_t pid)
{
	return submit(r, conn, (struct rig_op){ .type = ENGINE_OP_PURGE, .purge_nodeid = nodeid,
						.purge_pid = pid });
}

/* R-PURGE-1, R-PURGE-2: pid 0 takes all orphans of the node, a pid those of that process. */
static void a_purge_takes_the_orphans_of_a_process_or_of_all(void **state)
{
	struct rig *r = *state;

	(void)orphan(r, "r1", EX, 300);
	(void)orphan(r, "r2", EX, 301);
	(void)orphan(r, "r3", EX, 301);
	assert_int_equal(orphans(r), 3);
	assert_int_equal(purge(r, A, 0, 301), 0);
	assert_int_equal(orphans(r), 1);
	assert_int_equal(purge(r, A, 1, 0), 0);
	assert_int_equal(orphans(r), 0);
}

/* R-PURGE-1: another node's, and ENOBUFS when that is no member. */
static void a_purge_reaches_another_node(void **state)
{
	struct rig *r = rig_new(2, NULL);

	(void)state;
	rig_open(r, 1, A, "s", 100);
	rig_open(r, 2, B, "s", 200);
	(void)orphan(r, "r", EX, 300);
	assert_int_equal(rig_submit(r, 2, B, (struct rig_op){ .type = ENGINE_OP_PURGE,
							     .purge_nodeid = 3 }, NULL, NULL),
			 ENOBUFS);
	assert_int_equal(orphans(r), 1);
	assert_int_equal(rig_submit(r, 2, B, (struct rig_op){ .type = ENGINE_OP_PURGE,
							     .purge_nodeid = 1 }, NULL, NULL), 0);
	assert_int_equal(orphans(r), 0);
	(void)rig_free(r);
}

/* R-PURGE-1: one's own pid purges one's own locks and callbacks, those on their way too; the session
 * goes on. Another session of the process and its orphans are not meant. */
static void a_purge_of_oneself_leaves_a_usable_session(void **state)
{
	struct rig *r = *state;
	uint32_t held = rig_lock(r, 1, A, "r", EX, 0);
	uint32_t waits;

	(void)orphan(r, "mine", EX, 100);
	(void)rig_lock(r, 1, B, "q", EX, 0);
	rig_clear(r);
	rig_hold(r, true);
	assert_int_equal(rig_submit(r, 1, A, (struct rig_op){ .type = ENGINE_OP_LOCK, .mode = PR,
							     .name = "q" }, &waits, NULL), 0);
	assert_int_equal(convert(r, A, held, PR, 0), 0);
	assert_true(node_purge_is_own(r->hosts[1].node, A, 0, 100));
	assert_false(node_purge_is_own(r->hosts[1].node, A, 0, 0));
	assert_false(node_purge_is_own(r->hosts[1].node, A, 2, 100));
	assert_int_equal(purge(r, A, 0, 100), 0);
	assert_int_equal(unlock(r, A, held, 0), ENOENT);
	assert_int_equal(convert(r, A, waits, NL, 0), ENOENT);
	uint32_t after;

	assert_int_equal(rig_submit(r, 1, A, (struct rig_op){ .type = ENGINE_OP_LOCK, .mode = EX,
							     .name = "r" }, &after, NULL), 0);
	rig_hold(r, false);
	/* Of all that only the request after the purge is heard of. */
	assert_int_equal(rig_count(r, 1, NODE_ACTION_BAST, A), 0);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, A), 1);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, A)->lkid, after);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, A)->status, 0);
	assert_int_equal(engine_totals_get(rig_space(r, 1, "s").engine).locks, 3);
	assert_int_equal(orphans(r), 1);
	assert_int_equal(unlock(r, A, after, 0), 0);
}

/* R-PURGE-1, R-CAST-5: what is discarded counts for no quota. */
static void a_purge_of_oneself_frees_the_quota(void **state)
{
	struct rig *r = rig_with(1, (struct node_config){ .session_events_max = 2,
							  .session_locks_max = 2 });
	struct rig_op request = { .type = ENGINE_OP_LOCK, .mode = NL, .name = "r" };

	(void)state;
	rig_hold(r, true);
	assert_int_equal(submit(r, A, request), 0);
	assert_int_equal(submit(r, A, request), 0);
	assert_int_equal(submit(r, A, request), ENOMEM);
	assert_int_equal(purge(r, A, 0, 100), 0);
	assert_int_equal(submit(r, A, request), 0);
	rig_hold(r, false);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, A), 1);
	assert_int_equal(submit(r, A, request), 0);
	assert_int_equal(submit(r, A, request), ENOMEM);
	(void)rig_free(r);
}

/* An adoption ahead of the purge is answered, and purged. */
static void a_purge_takes_what_is_being_adopted(void **state)
{
	struct rig *r = *state;
	uint32_t lkid = orphan(r, "r", EX, 300);

	rig_hold(r, true);
	assert_int_equal(adopt(r, A, "r", EX, 1), 0);
	assert_int_equal(purge(r, A, 0, 100), 0);
	rig_hold(r, false);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_REPLY, A)->status, 0);
	assert_int_equal(unlock(r, A, lkid, 0), ENOENT);
	assert_int_equal(engine_totals_get(rig_space(r, 1, "s").engine).locks, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_two_errors_the_earlier_row_is_told),
		cmocka_unit_test(a_full_outbox_pushes_requests_back),
		TEST(in_flight_ends_with_the_apply),
		TEST(a_forced_unlock_is_ordered_behind_what_is_in_flight),
		TEST(a_deadlock_cancel_ends_the_wait_with_edeadlk),
		cmocka_unit_test(undelivered_completions_count_for_the_quota),
		cmocka_unit_test(untold_grants_count_for_the_quota),
		cmocka_unit_test(locks_count_for_the_quota),
		TEST(two_sessions_of_one_process_are_two_owners),
		TEST(lock_ids_are_fresh_and_known_at_once),
		cmocka_unit_test(equal_lock_ids_of_two_nodes_are_two_locks),
		TEST(ops_that_were_not_sent_die_with_their_session),
		TEST(an_adopted_lock_belongs_to_the_adopter),
		TEST(there_is_nothing_to_adopt),
		TEST(of_two_adopters_one_succeeds),
		cmocka_unit_test(an_adoption_is_told_when_it_is_stable),
		TEST(an_adoption_of_a_lost_session_is_answered),
		TEST(a_purge_takes_the_orphans_of_a_process_or_of_all),
		cmocka_unit_test(a_purge_reaches_another_node),
		TEST(a_purge_of_oneself_leaves_a_usable_session),
		cmocka_unit_test(a_purge_of_oneself_frees_the_quota),
		TEST(a_purge_takes_what_is_being_adopted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
