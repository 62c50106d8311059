/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What time does to queued locks: time-outs (section 18), the search for deadlocks that their home
 * node asks for (section 19), warnings of DLM_LSFL_TIMEWARN. Virtual time in ticks.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/node_rig.h"

#define NL LOCKSTEP_LOCK_NL
#define PR LOCKSTEP_LOCK_PR
#define EX LOCKSTEP_LOCK_EX
#define F(name) LOCKSTEP_LKF_##name

#define A 10 /* sessions */
#define B 11
#define PERIOD LOCKSTEP_DEADLOCK_WAIT_DEFAULT
#define SLACK (2 * NODE_TICK_MS)

static int setup(void **state)
{
	struct rig *r = rig_new(1, NULL);

	rig_open(r, 1, A, "s", 100);
	rig_open(r, 1, B, "s", 101);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	*state = rig_free(*state);
	return 0;
}

static uint32_t request(struct rig *r, node_conn conn, struct rig_op op)
{
	uint32_t lkid;

	assert_int_equal(rig_submit(r, 1, conn, op, &lkid, NULL), 0);
	return lkid;
}

static uint32_t lock_timed(struct rig *r, node_conn conn, const char *name, uint32_t timeout_cs)
{
	return request(r, conn, (struct rig_op){ .type = ENGINE_OP_LOCK, .mode = EX, .name = name,
						 .flags = F(TIMEOUT), .timeout_cs = timeout_cs });
}

static void convert(struct rig *r, node_conn conn, uint32_t lkid, int mode, uint32_t flags,
		    uint32_t timeout_cs, uint64_t xid)
{
	(void)request(r, conn, (struct rig_op){ .type = ENGINE_OP_CONVERT, .lkid = lkid, .mode = mode,
						.flags = flags | F(CONVERT), .xid = xid,
						.timeout_cs = timeout_cs });
}

static uint64_t seq(const struct rig *r)
{
	return rig_space(r, 1, "s").seq;
}

static void expect_no_cast(const struct rig *r, node_conn conn)
{
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, conn), 0);
}

/* --- time-outs -------------------------------------------------------------------------- */

/* R-TMO-1, R-TMO-3, R-TMO-4: not early, and not a second late. */
static void a_queued_request_times_out(void **state)
{
	struct rig *r = *state;

	(void)rig_lock(r, 1, A, "r", EX, 0);
	uint32_t lkid = lock_timed(r, B, "r", 250);

	rig_pass(r, 2500);
	expect_no_cast(r, B);
	rig_pass(r, 1000);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, B)->status, ETIMEDOUT);
	assert_int_equal(rig_submit(r, 1, B, (struct rig_op){ .type = ENGINE_OP_UNLOCK,
							     .lkid = lkid }, NULL, NULL), ENOENT);
}

/* R-TMO-1 as R-CAN-2: a conversion goes back to its granted mode. */
static void a_queued_conversion_times_out(void **state)
{
	struct rig *r = *state;
	uint32_t mine = rig_lock(r, 1, A, "r", PR, 0);

	(void)rig_lock(r, 1, B, "r", PR, 0);
	rig_clear(r);
	convert(r, A, mine, EX, F(TIMEOUT), 100, 0);
	rig_pass(r, 1000 + SLACK);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, A)->status, ETIMEDOUT);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, A)->mode, PR);
	convert(r, A, mine, NL, 0, 0, 0);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, A)->status, 0);
}

/* R-TMO-1: t = 0 expires at the next check. */
static void a_time_out_of_zero_expires_at_once(void **state)
{
	struct rig *r = *state;

	(void)rig_lock(r, 1, A, "r", EX, 0);
	(void)lock_timed(r, B, "r", 0);
	rig_pass(r, NODE_TICK_MS);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, B)->status, ETIMEDOUT);
}

/* Each by its own time, whatever the order of their queueing. */
static void time_outs_expire_in_the_order_of_their_times(void **state)
{
	struct rig *r = *state;

	(void)rig_lock(r, 1, A, "r", EX, 0);
	uint32_t slow = lock_timed(r, B, "r", 300);
	uint32_t fast = lock_timed(r, B, "r", 100);
	uint32_t middle = lock_timed(r, B, "r", 200);

	rig_pass(r, 1000 + SLACK);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, B)->lkid, fast);
	rig_pass(r, 1000);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, B)->lkid, middle);
	rig_pass(r, 1000);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, B)->lkid, slow);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, B), 3);
}

/* R-TMO-5: a time without TIMEOUT, and TIMEOUT on what is granted or refused at once, do nothing; R-TMO-2:
 * nor does that of an earlier queueing. */
static void only_the_queueing_that_asked_for_it_times_out(void **state)
{
	struct rig *r = *state;
	uint32_t held = rig_lock(r, 1, A, "r", EX, 0);
	uint32_t lkid = lock_timed(r, B, "r", 500);

	(void)request(r, B, (struct rig_op){ .type = ENGINE_OP_LOCK, .mode = EX, .name = "r",
					     .timeout_cs = 100 });
	(void)lock_timed(r, B, "free", 100);
	convert(r, A, held, NL, 0, 0, 0); /* lkid is granted */
	convert(r, A, held, PR, 0, 0, 0); /* waits behind it */
	convert(r, B, lkid, NL, 0, 0, 0);
	convert(r, B, lkid, PR, 0, 0, 0);
	rig_clear(r);
	uint64_t before = seq(r);

	rig_pass(r, 9000); /* below the period of searches */
	expect_no_cast(r, A);
	expect_no_cast(r, B);
	assert_int_equal(seq(r), before);
}

/* R-TMO-3: time without quorum does not count, before and after adds up. */
static void stopped_time_does_not_count(void **state)
{
	struct rig *r = *state;

	(void)rig_lock(r, 1, A, "r", EX, 0);
	(void)lock_timed(r, B, "r", 200);
	rig_pass(r, 1000);
	rig_stop(r, true);
	rig_pass(r, 60000);
	rig_stop(r, false);
	expect_no_cast(r, B);
	rig_pass(r, 900);
	expect_no_cast(r, B);
	rig_pass(r, 500);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, B)->status, ETIMEDOUT);
}

/* R-TMO-3: nor does the time from a membership change to the view point. */
static void time_between_views_does_not_count(void **state)
{
	struct rig *r = rig_new(2, NULL);
	unsigned int count;

	(void)state;
	rig_open(r, 1, A, "s", 100);
	rig_open(r, 1, B, "s", 101);
	assert_int_equal(node_space_create(r->hosts[2].node, "s", NULL), 0);
	rig_settle(r);
	(void)rig_lock(r, 1, A, "r", EX, 0);
	(void)lock_timed(r, B, "r", 200);
	rig_hold(r, true);
	/* As if it died: its departure is seen, what agrees on the view is on its way. */
	assert_int_equal(node_space_release(r->hosts[2].node, "s", 3, &count), 0);
	rig_settle(r);
	assert_string_equal(rig_space(r, 1, "s").state, "stopped");
	rig_pass(r, 3000);
	rig_hold(r, false);
	assert_string_equal(rig_space(r, 1, "s").state, "recovering");
	expect_no_cast(r, B);
	rig_pass(r, 1900);
	expect_no_cast(r, B);
	rig_pass(r, 500);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, B)->status, ETIMEDOUT);
	(void)rig_free(r);
}

/* R-TMO-2: while one is on its way no other follows. */
static void a_time_out_is_submitted_once(void **state)
{
	struct rig *r = *state;

	(void)rig_lock(r, 1, A, "r", EX, 0);
	(void)lock_timed(r, B, "r", 100);
	uint64_t before = seq(r);

	rig_hold(r, true);
	rig_pass(r, 5000);
	assert_int_equal(rig_held_ops(r), 1);
	rig_hold(r, false);
	rig_pass(r, 1000);
	assert_int_equal(seq(r), before + 1);
}

/* R-TMO-2: a grant that is ordered first makes the op void. */
static void a_grant_that_is_faster_stands(void **state)
{
	struct rig *r = *state;
	uint32_t held = rig_lock(r, 1, A, "r", EX, 0);

	(void)lock_timed(r, B, "r", 100);
	rig_hold(r, true);
	convert(r, A, held, NL, 0, 0, 0);
	rig_pass(r, 2000);
	assert_int_equal(rig_held_ops(r), 2);
	rig_hold(r, false);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, B), 1);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, B)->status, 0);
}

/* --- deadlock searches ------------------------------------------------------------------ */

/* A and B each hold one of r1 and r2; A waits for B's. */
static uint32_t half_a_deadlock(struct rig *r)
{
	(void)rig_lock(r, 1, A, "r1", EX, 0);
	(void)rig_lock(r, 1, B, "r2", EX, 0);
	rig_clear(r);
	return rig_lock(r, 1, A, "r2", EX, 0);
}

/* R-DLK-1, R-DLK-2, R-DLK-7: after the default of a native lockspace the one queued longest ends. */
static void a_deadlock_is_found_after_the_default_wait(void **state)
{
	struct rig *r = *state;
	uint32_t victim = half_a_deadlock(r);

	(void)rig_lock(r, 1, B, "r1", EX, 0);
	rig_pass(r, PERIOD - SLACK);
	expect_no_cast(r, A);
	rig_pass(r, 2 * SLACK);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, A)->status, EDEADLK);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, A)->lkid, victim);
	expect_no_cast(r, B);
}

/* R-DLK-2: a deadlock that arises later is found by a later search of the same lock. */
static void the_search_is_repeated_each_period(void **state)
{
	struct rig *r = *state;
	uint64_t before;

	(void)half_a_deadlock(r);
	before = seq(r);
	rig_pass(r, PERIOD + SLACK);
	assert_int_equal(seq(r), before + 1);
	(void)request(r, B, (struct rig_op){ .type = ENGINE_OP_LOCK, .mode = EX, .name = "r1" });
	expect_no_cast(r, A);
	rig_pass(r, PERIOD);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, A)->status, EDEADLK);
}

/* R-DLK-2: one in flight per lockspace and node, whoever waits; the next follows when it is back. */
static void one_search_is_in_flight_at_a_time(void **state)
{
	struct rig *r = *state;
	uint64_t before;

	(void)rig_lock(r, 1, A, "r", EX, 0);
	for (int i = 0; i < 3; i++) {
		(void)rig_lock(r, 1, B, "r", EX, 0);
	}
	before = seq(r);
	rig_hold(r, true);
	rig_pass(r, PERIOD + 5000);
	assert_int_equal(rig_held_ops(r), 1);
	rig_hold(r, false);
	assert_int_equal(seq(r), before + 3);
}

/* R-DLK-2: neither NODLCKWT nor what waits no more, nor time without quorum. */
static void nothing_is_searched_for_in_vain(void **state)
{
	struct rig *r = *state;
	uint32_t held = rig_lock(r, 1, A, "r", EX, 0);
	uint64_t before;

	(void)rig_lock(r, 1, B, "r", EX, 0);
	convert(r, A, held, NL, 0, 0, 0);
	(void)rig_lock(r, 1, A, "r", EX, F(NODLCKWT));
	before = seq(r);
	rig_pass(r, 3 * PERIOD);
	assert_int_equal(seq(r), before);
	(void)rig_lock(r, 1, A, "r", EX, 0);
	before = seq(r);
	rig_stop(r, true);
	rig_pass(r, 3 * PERIOD);
	rig_stop(r, false);
	rig_pass(r, PERIOD - SLACK);
	assert_int_equal(seq(r), before);
	rig_pass(r, 2 * SLACK);
	assert_int_equal(seq(r), before + 1);
}

static void open_as(struct rig *r, node_conn conn, const char *space, struct node_attributes want)
{
	const struct node_open open = { .space = space, .create = true, .want = want, .pid = 1,
					.comm = "dlm" };

	assert_int_equal(node_session_open(r->hosts[1].node, conn, &open), 0);
	rig_settle(r);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_READY, conn)->status, 0);
}

/* R-DLK-1: a lockspace that libdlm creates has no search; elsewhere its sessions start none. */
static void libdlm_sessions_start_no_search(void **state)
{
	struct rig *r = *state;
	const struct node_attributes libdlm = { .personality = ENGINE_PERSONALITY_LIBDLM };
	const struct node_attributes native = { .lvb_len = 0 };
	uint64_t before;

	open_as(r, 20, "created", libdlm);
	open_as(r, 21, "created", native);
	open_as(r, 22, "s", libdlm);
	assert_int_equal(engine_config_get(rig_space(r, 1, "created").engine)->deadlock_wait_ms, 0);
	(void)rig_lock(r, 1, 20, "r", EX, 0);
	(void)rig_lock(r, 1, 21, "r", EX, 0);
	before = rig_space(r, 1, "created").seq;
	rig_pass(r, 3 * PERIOD);
	assert_int_equal(rig_space(r, 1, "created").seq, before);
	(void)rig_lock(r, 1, A, "r", EX, 0);
	(void)rig_lock(r, 1, 22, "r", EX, 0);
	before = seq(r);
	rig_pass(r, 3 * PERIOD);
	assert_int_equal(seq(r), before);
}

/* R-DLK-8: a conversion moves its lock into another transaction. A session that waits for its own lock in
 * the same transaction is deadlocked (R-DLK-5), in another it is not. */
static void the_latest_op_decides_the_transaction(void **state)
{
	struct rig *r = *state;
	uint32_t held = request(r, A, (struct rig_op){ .type = ENGINE_OP_LOCK, .mode = EX,
						       .name = "r", .xid = 2 });

	convert(r, A, held, EX, 0, 0, 1);
	(void)request(r, A, (struct rig_op){ .type = ENGINE_OP_LOCK, .mode = EX, .name = "r",
					     .xid = 2 });
	rig_clear(r);
	rig_pass(r, PERIOD + SLACK);
	expect_no_cast(r, A);
	convert(r, A, held, EX, 0, 0, 2);
	rig_clear(r);
	rig_pass(r, PERIOD);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_CAST, A)->status, EDEADLK);
}

/* --- warnings --------------------------------------------------------------------------- */

static size_t warnings(const struct rig *r, uint32_t lkid)
{
	const struct rig_host *h = &r->hosts[1];
	char text[32];
	size_t count = 0;

	snprintf(text, sizeof(text), "lock %x of", lkid);
	for (size_t i = 0; i < h->count; i++) {
		count += h->events[i].type == NODE_ACTION_LOG && strstr(h->events[i].text, text) &&
			 strstr(h->events[i].text, "has been queued");
	}
	return count;
}

/* Section 1, DLM_LSFL_TIMEWARN: once per queueing, not for NODLCKWT, and the lock is left alone. R-LS-11: a
 * flag of this node alone. */
static void who_waits_long_is_warned_of(void **state)
{
	struct rig *r = *state;
	const struct node_attributes timewarn = { .flags = LOCKSTEP_LSFL_TIMEWARN };

	open_as(r, 20, "warned", timewarn);
	uint32_t held = rig_lock(r, 1, 20, "r", EX, 0);
	uint32_t waits = rig_lock(r, 1, 20, "r", EX, 0);
	uint32_t exempt = rig_lock(r, 1, 20, "r", EX, F(NODLCKWT));

	rig_pass(r, 5000 - SLACK);
	assert_int_equal(warnings(r, waits), 0);
	rig_pass(r, 4000);
	assert_int_equal(warnings(r, waits), 1);
	assert_int_equal(warnings(r, exempt), 0);
	convert(r, 20, held, NL, 0, 0, 0); /* waits is granted */
	convert(r, 20, waits, PR, 0, 0, 0);
	(void)rig_lock(r, 1, 20, "q", PR, 0);
	rig_clear(r);
	convert(r, 20, held, EX, 0, 0, 0);
	rig_pass(r, 5000 + SLACK);
	assert_int_equal(warnings(r, held), 1);
	/* Without the flag nobody is. */
	(void)rig_lock(r, 1, A, "r", EX, 0);
	waits = rig_lock(r, 1, B, "r", EX, 0);
	rig_clear(r);
	rig_pass(r, 6000);
	assert_int_equal(warnings(r, waits), 0);
}

/* --- metrics ---------------------------------------------------------------------------- */

static struct node_space_waits waits_of(const struct rig *r)
{
	struct node_space_waits waits;

	assert_true(node_space_waits(r->hosts[1].node, "s", &waits));
	return waits;
}

static void expect_about(uint64_t ms, uint64_t expected)
{
	assert_in_range(ms, expected - SLACK, expected + SLACK);
}

/* Each wait is in one bucket when it has ended; the oldest is the one that was queued first of those that are still queued. */
static void waits_are_counted_by_how_long_they_took(void **state)
{
	struct rig *r = *state;
	uint32_t mine = rig_lock(r, 1, A, "r", EX, 0);
	uint32_t other = rig_lock(r, 1, A, "o", EX, 0);
	struct node_space_waits waits = waits_of(r);

	assert_int_equal(waits.oldest_lkid, 0);
	uint32_t first = rig_lock(r, 1, B, "r", EX, 0);

	rig_pass(r, 2000);
	uint32_t second = rig_lock(r, 1, B, "o", EX, 0);

	rig_pass(r, 1000);
	waits = waits_of(r);
	assert_int_equal(waits.oldest_lkid, first);
	expect_about(waits.oldest_ms, 3000);
	assert_int_equal(waits.ended_ms, 0);
	(void)request(r, A, (struct rig_op){ .type = ENGINE_OP_UNLOCK, .lkid = mine });
	waits = waits_of(r);
	assert_int_equal(waits.ended[2], 1); /* 1 s < 3 s <= 5 s */
	expect_about(waits.ended_ms, 3000);
	assert_int_equal(waits.oldest_lkid, second);
	expect_about(waits.oldest_ms, 1000);
	rig_pass(r, 400000);
	(void)request(r, A, (struct rig_op){ .type = ENGINE_OP_UNLOCK, .lkid = other });
	waits = waits_of(r);
	assert_int_equal(waits.ended[2], 1);
	assert_int_equal(waits.ended[NODE_WAIT_BUCKETS - 1], 1);
	assert_int_equal(waits.oldest_lkid, 0);
	assert_int_equal(waits.oldest_ms, 0);
	assert_false(node_space_waits(r->hosts[1].node, "none", &waits));
}

/* Who looks at an alert has waited all that time, unlike time-outs (R-TMO-3). */
static void waits_go_on_while_the_lockspace_is_stopped(void **state)
{
	struct rig *r = *state;

	(void)rig_lock(r, 1, A, "r", EX, 0);
	(void)rig_lock(r, 1, B, "r", EX, 0);
	rig_stop(r, true);
	rig_pass(r, 60000);
	expect_about(waits_of(r).oldest_ms, 60000);
	rig_stop(r, false);
	expect_about(waits_of(r).oldest_ms, 60000);
}

/* How long a lost member has been lost, until it is known to be fenced. */
static void a_lost_member_is_named_until_it_is_fenced(void **state)
{
	struct rig *r = rig_new(3, NULL);

	(void)state;
	rig_open(r, 1, A, "s", 100);
	assert_int_equal(node_space_create(r->hosts[3].node, "s", NULL), 0);
	rig_settle(r);
	assert_int_equal(waits_of(r).lost_nodeid, 0);
	rig_crash(r, 3);
	rig_pass(r, 7000);
	assert_int_equal(waits_of(r).lost_nodeid, 3);
	expect_about(waits_of(r).lost_ms, 7000);
	assert_int_equal(node_fence_ack(r->hosts[1].node, 3), 0);
	rig_pass(r, NODE_TICK_MS);
	assert_int_equal(waits_of(r).lost_nodeid, 0);
	(void)rig_free(r);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_queued_request_times_out),
		TEST(a_queued_conversion_times_out),
		TEST(a_time_out_of_zero_expires_at_once),
		TEST(time_outs_expire_in_the_order_of_their_times),
		TEST(only_the_queueing_that_asked_for_it_times_out),
		TEST(stopped_time_does_not_count),
		cmocka_unit_test(time_between_views_does_not_count),
		TEST(a_time_out_is_submitted_once),
		TEST(a_grant_that_is_faster_stands),
		TEST(a_deadlock_is_found_after_the_default_wait),
		TEST(the_search_is_repeated_each_period),
		TEST(one_search_is_in_flight_at_a_time),
		TEST(nothing_is_searched_for_in_vain),
		TEST(libdlm_sessions_start_no_search),
		TEST(the_latest_op_decides_the_transaction),
		TEST(who_waits_long_is_warned_of),
		TEST(waits_are_counted_by_how_long_they_took),
		TEST(waits_go_on_while_the_lockspace_is_stopped),
		cmocka_unit_test(a_lost_member_is_named_until_it_is_fenced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
