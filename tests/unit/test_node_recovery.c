/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recovery callbacks, slots and generations on a few nodes on a perfect bus: who is told what, in which
 * order, and what the recovery point waits for (recovery.md sections 2 and 3, R-REC-5, R-REC-6). What a
 * session was told is compared as a text such as "prep slot 3:3 done 4 1:1 2:2": the failed node and its
 * slot, the generation and everybody's slots.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugin/node/node_private.h"
#include "tests/unit/node_rig.h"

#define SPACE "default"
#define A 101 /* the session of node 1, and so on */

static char told_text[1024];

/* Since rig_clear(). */
static const char *told(const struct rig *r, uint32_t id, node_conn conn)
{
	const struct rig_host *h = &r->hosts[id];

	told_text[0] = '\0';
	for (size_t i = 0; i < h->count; i++) {
		const struct rig_event *e = &h->events[i];
		size_t used = strlen(told_text);
		char *at = told_text + used;
		size_t left = sizeof(told_text) - used;
		const char *gap = used ? " " : "";

		if (e->conn != conn) {
			continue;
		}
		if (e->type == NODE_ACTION_PREP) {
			(void)snprintf(at, left, "%sprep", gap);
		} else if (e->type == NODE_ACTION_SLOT) {
			(void)snprintf(at, left, "%sslot %u:%u", gap, e->lkid, e->value);
		} else if (e->type == NODE_ACTION_DONE) {
			(void)snprintf(at, left, "%sdone %u %s", gap, e->value, e->text);
		} else if (e->type == NODE_ACTION_CAST) {
			(void)snprintf(at, left, "%scast", gap);
		} else if (e->type == NODE_ACTION_LOST) {
			(void)snprintf(at, left, "%slost", gap);
		} else if (e->type == NODE_ACTION_KILL) {
			(void)snprintf(at, left, "%skill", gap);
		}
	}
	return told_text;
}

static node_conn conn_of(uint32_t id)
{
	return A - 1 + id;
}

static void subscribe(struct rig *r, uint32_t id, node_conn conn)
{
	uint32_t number = 0;

	assert_int_equal(node_recovery_subscribe(r->hosts[id].node, conn, &number), 0);
	assert_int_not_equal(number, 0);
	rig_settle(r);
}

static void member(struct rig *r, uint32_t id)
{
	rig_open(r, id, conn_of(id), SPACE, 4000 + id);
	subscribe(r, id, conn_of(id));
}

/* The latest prep of that session. */
static int acknowledge(struct rig *r, uint32_t id, node_conn conn)
{
	const struct rig_event *e = rig_last(r, id, NODE_ACTION_PREP, conn);
	int error = node_recovery_prep_done(r->hosts[id].node, conn, e->value);

	rig_settle(r);
	return error;
}

/* Sessions of members acknowledge as they are told, until nothing more comes. */
static void acknowledge_all(struct rig *r)
{
	for (uint32_t id = 1; id <= r->nodes; id++) {
		if (r->hosts[id].node && rig_count(r, id, NODE_ACTION_PREP, conn_of(id)) > 0) {
			(void)acknowledge(r, id, conn_of(id));
		}
	}
}

static void fenced(struct rig *r, uint32_t by, uint32_t id)
{
	assert_int_equal(node_fence_ack(r->hosts[by].node, id), 0);
	rig_settle(r);
}

static void expect_running(const struct rig *r, uint32_t id)
{
	assert_string_equal(rig_space(r, id, SPACE).state, "running");
}

static void leave(struct rig *r, uint32_t id)
{
	unsigned int count;

	node_session_close(r->hosts[id].node, conn_of(id));
	rig_settle(r);
	assert_int_equal(node_space_release(r->hosts[id].node, SPACE, 0, &count), 0);
	rig_settle(r);
}

/* Members 1..@count, one after the other, each with a subscribed session; everything is quiet. */
static struct rig *members(size_t nodes, size_t count)
{
	const struct node_config bounds = { .prep_ack_ms = 3000, .prep_kill_ms = 1000 };
	struct rig *r = rig_new(nodes, &bounds);

	for (uint32_t id = 1; id <= count; id++) {
		member(r, id);
		acknowledge_all(r);
		rig_clear(r);
	}
	for (uint32_t id = 1; id <= count; id++) {
		expect_running(r, id);
	}
	return r;
}

/* --- order ------------------------------------------------------------------------------- */

static void a_failure_is_told_as_prep_slot_done(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_crash(r, 3);
	assert_string_equal(told(r, 1, conn_of(1)), "prep");
	assert_string_equal(told(r, 2, conn_of(2)), "prep");
	fenced(r, 1, 3);
	acknowledge_all(r);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 3:3 done 4 1:1 2:2"); /* R-CB-1 */
	assert_string_equal(told(r, 2, conn_of(2)), "prep slot 3:3 done 4 1:1 2:2");
	assert_int_equal(rig_last(r, 2, NODE_ACTION_DONE, conn_of(2))->lkid, 2);
	expect_running(r, 1);
	r = rig_free(r);
}

/* R-CB-3, R-CB-10: no slot anywhere before prep was acknowledged everywhere, also when fencing is over. */
static void no_slot_before_every_prep_was_acknowledged(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_open(r, 2, 201, SPACE, 5001);
	subscribe(r, 2, 201);
	assert_string_equal(told(r, 2, 201), "done 3 1:1 2:2 3:3");
	rig_clear(r);
	rig_crash(r, 3);
	fenced(r, 1, 3);
	assert_int_equal(acknowledge(r, 1, conn_of(1)), 0);
	assert_int_equal(acknowledge(r, 2, conn_of(2)), 0);
	rig_pass(r, 1000);
	assert_string_equal(told(r, 1, conn_of(1)), "prep");
	assert_string_equal(told(r, 2, conn_of(2)), "prep");
	assert_string_equal(rig_space(r, 2, SPACE).reason,
			    "waits for prep of session 2 (pid 5001, test) for 1 s: it is killed in 2 s");
	assert_string_equal(rig_space(r, 1, SPACE).reason,
			    "waiting for node 2 for 1 s, where a program has not answered its recovery callback: "
			    "lockstep status there says which");
	assert_int_equal(acknowledge(r, 2, 201), 0);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 3:3 done 4 1:1 2:2");
	assert_string_equal(told(r, 2, conn_of(2)), "prep slot 3:3 done 4 1:1 2:2");
	assert_string_equal(told(r, 2, 201), "prep slot 3:3 done 4 1:1 2:2");
	r = rig_free(r);
}

/* R-REC-7: and none before fencing. */
static void no_slot_before_the_lost_are_fenced(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_crash(r, 2);
	acknowledge_all(r);
	assert_string_equal(told(r, 1, conn_of(1)), "prep");
	assert_string_equal(told(r, 3, conn_of(3)), "prep");
	fenced(r, 3, 2);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 2:2 done 4 1:1 3:3");
	r = rig_free(r);
}

/* R-CB-2, R-CB-4, R-REC-8: attempts have one prep, each failure is told once, by nodeid. */
static void an_interrupted_recovery_is_continued(void **state)
{
	struct rig *r = members(4, 4);

	(void)state;
	rig_crash(r, 4);
	assert_int_equal(acknowledge(r, 1, conn_of(1)), 0);
	rig_crash(r, 3);
	assert_string_equal(told(r, 1, conn_of(1)), "prep");
	assert_int_equal(acknowledge(r, 2, conn_of(2)), 0);
	fenced(r, 1, 4);
	fenced(r, 2, 3);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 3:3 slot 4:4 done 5 1:1 2:2");
	assert_string_equal(told(r, 2, conn_of(2)), "prep slot 3:3 slot 4:4 done 5 1:1 2:2");
	rig_crash(r, 2);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 3:3 slot 4:4 done 5 1:1 2:2 prep");
	r = rig_free(r);
}

/* R-CB-5: what the dead node held is granted before done. */
static void done_comes_after_the_grants_of_the_recovery(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_lock(r, 3, conn_of(3), "res", LOCKSTEP_LOCK_EX, 0);
	rig_lock(r, 1, conn_of(1), "res", LOCKSTEP_LOCK_EX, 0);
	rig_crash(r, 3);
	acknowledge_all(r);
	fenced(r, 1, 3);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 3:3 cast done 4 1:1 2:2");
	r = rig_free(r);
}

/* R-STAB-2: a recovery point that only this node may have seen is told to nobody. */
static void slot_and_done_wait_until_all_know(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_crash(r, 3);
	fenced(r, 1, 3);
	rig_hold(r, true);
	acknowledge_all(r);
	rig_deliver_held(r); /* both prepared: the recovery point; their confirms are held */
	assert_string_equal(rig_space(r, 1, SPACE).state, "running");
	assert_string_equal(told(r, 1, conn_of(1)), "prep");
	assert_string_equal(told(r, 2, conn_of(2)), "prep");
	rig_deliver_held(r);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 3:3 done 4 1:1 2:2");
	assert_string_equal(told(r, 2, conn_of(2)), "prep slot 3:3 done 4 1:1 2:2");
	rig_hold(r, false);
	r = rig_free(r);
}

/* R-REC-9, R-STAB-3: whoever fails right after the recovery point is a failure of the next recovery, and
 * what the first one told is not lost by that. */
static void a_failure_before_done_was_told_is_the_next_recovery(void **state)
{
	struct rig *r = members(4, 4);

	(void)state;
	rig_crash(r, 4);
	fenced(r, 1, 4);
	rig_hold(r, true);
	acknowledge_all(r);
	rig_deliver_held(r);
	assert_string_equal(rig_space(r, 2, SPACE).state, "running");
	rig_crash(r, 3); /* its confirm with it */
	rig_hold(r, false);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 4:4 done 5 1:1 2:2 3:3 prep");
	fenced(r, 1, 3);
	acknowledge_all(r);
	assert_string_equal(told(r, 2, conn_of(2)),
			    "prep slot 4:4 done 5 1:1 2:2 3:3 prep slot 3:3 done 6 1:1 2:2");
	r = rig_free(r);
}

/* --- who comes and goes ------------------------------------------------------------------ */

/* R-CB-2, R-CB-6, R-SLOT-1: prep and slots are for those who were there. */
static void a_joiner_is_told_done_only(void **state)
{
	struct rig *r = members(3, 2);

	(void)state;
	rig_open(r, 3, conn_of(3), SPACE, 4003); /* R-CB-6: open before the recovery is over */
	subscribe(r, 3, conn_of(3));
	assert_string_equal(told(r, 3, conn_of(3)), "");
	acknowledge_all(r);
	assert_string_equal(told(r, 3, conn_of(3)), "done 3 1:1 2:2 3:3");
	assert_int_equal(rig_last(r, 3, NODE_ACTION_DONE, conn_of(3))->lkid, 3);
	assert_string_equal(told(r, 1, conn_of(1)), "prep done 3 1:1 2:2 3:3");
	r = rig_free(r);
}

/* R-GEN-1, R-GEN-2: the one who forms it is told of the first generation. */
static void the_first_member_is_told_generation_one(void **state)
{
	struct rig *r = rig_new(2, NULL);

	(void)state;
	member(r, 2);
	assert_string_equal(told(r, 2, conn_of(2)), "done 1 2:1");
	leave(r, 2);
	rig_clear(r);
	member(r, 1);
	assert_string_equal(told(r, 1, conn_of(1)), "done 1 1:1");
	r = rig_free(r);
}

/* R-CB-4, R-SLOT-2: and its slot is free for the next. */
static void a_leaver_gives_no_slot(void **state)
{
	struct rig *r = members(4, 3);

	(void)state;
	leave(r, 2);
	acknowledge_all(r);
	assert_string_equal(told(r, 1, conn_of(1)), "prep done 4 1:1 3:3");
	rig_clear(r);
	member(r, 4);
	acknowledge_all(r);
	assert_string_equal(told(r, 1, conn_of(1)), "prep done 5 1:1 3:3 4:2");
	r = rig_free(r);
}

/* R-SLOT-2: the slot of a failed member is free in the same recovery, and new members take theirs by nodeid,
 * not as they come. */
static void joiners_inherit_slots_of_the_failed_by_nodeid(void **state)
{
	struct rig *r = members(4, 2);

	(void)state;
	rig_crash(r, 2);
	rig_open(r, 4, conn_of(4), SPACE, 4004);
	rig_open(r, 3, conn_of(3), SPACE, 4003);
	subscribe(r, 3, conn_of(3));
	fenced(r, 1, 2);
	acknowledge_all(r);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 2:2 done 3 1:1 3:2 4:3");
	assert_string_equal(told(r, 3, conn_of(3)), "done 3 1:1 3:2 4:3");
	r = rig_free(r);
}

/* R-MEM-3: who is back before the recovery is over is a new member, and the old one has failed. */
static void a_node_that_is_back_has_failed_all_the_same(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_crash(r, 2);
	rig_boot(r, 2);
	rig_open(r, 2, conn_of(2), SPACE, 4002);
	acknowledge_all(r);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 2:2 done 4 1:1 2:2 3:3");
	assert_string_equal(told(r, 3, conn_of(3)), "prep slot 2:2 done 4 1:1 2:2 3:3");
	r = rig_free(r);
}

/* Nobody was ever told a slot of it. */
static void a_joiner_that_fails_before_it_has_a_slot_gives_none(void **state)
{
	struct rig *r = members(3, 2);

	(void)state;
	rig_open(r, 3, conn_of(3), SPACE, 4003);
	rig_crash(r, 3);
	fenced(r, 1, 3);
	acknowledge_all(r);
	assert_string_equal(told(r, 1, conn_of(1)), "prep done 3 1:1 2:2");
	r = rig_free(r);
}

/* R-CPG-5: whose failure is still to be told, the slots and the generation come with the state. */
static void a_joiner_knows_who_is_still_to_be_reported(void **state)
{
	struct rig *r = members(4, 3);

	(void)state;
	rig_crash(r, 3);
	rig_open(r, 4, conn_of(4), SPACE, 4004);
	assert_int_equal(rig_space(r, 4, SPACE).digest, rig_space(r, 1, SPACE).digest);
	struct node_member_info info[RIG_NODES + 1];
	bool found = false;

	for (size_t i = 0, n = node_space_members(r->hosts[4].node, SPACE, info, RIG_NODES + 1); i < n; i++) {
		found |= info[i].nodeid == 3 && info[i].slot == 3 && strcmp(info[i].state, "lost") == 0;
	}
	assert_true(found);
	assert_int_equal(rig_space(r, 4, SPACE).generation, 3);
	fenced(r, 1, 3);
	acknowledge_all(r);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 3:3 done 4 1:1 2:2 4:3");
	assert_int_equal(rig_space(r, 4, SPACE).digest, rig_space(r, 1, SPACE).digest);
	r = rig_free(r);
}

/* --- subscribing ------------------------------------------------------------------------- */

/* R-CB-8 */
static void subscribing_in_a_recovery_delivers_prep_at_once(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_open(r, 1, 201, SPACE, 5001);
	rig_stop(r, true);
	rig_crash(r, 3); /* and quorum is back */
	acknowledge_all(r);
	rig_open(r, 2, 202, SPACE, 5002);
	subscribe(r, 1, 201);
	subscribe(r, 2, 202);
	assert_string_equal(told(r, 1, 201), "prep");
	assert_string_equal(told(r, 2, 202), "prep");
	assert_string_equal(told(r, 1, conn_of(1)), "prep");
	r = rig_free(r);
}

/* The same while nothing goes on at all: the view point does not tell it again. */
static void subscribing_while_stopped_delivers_one_prep(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_open(r, 1, 201, SPACE, 5001);
	rig_hold(r, true);
	rig_crash(r, 3);
	assert_string_equal(rig_space(r, 1, SPACE).state, "stopped");
	subscribe(r, 1, 201);
	assert_string_equal(told(r, 1, 201), "prep");
	assert_string_equal(told(r, 1, conn_of(1)), ""); /* R-REC-5: at the view point */
	assert_int_equal(acknowledge(r, 1, 201), 0);
	rig_hold(r, false);
	assert_string_equal(told(r, 1, 201), "prep");
	assert_string_equal(told(r, 1, conn_of(1)), "prep");
	fenced(r, 1, 3);
	acknowledge_all(r);
	assert_string_equal(told(r, 1, 201), "prep slot 3:3 done 4 1:1 2:2");
	r = rig_free(r);
}

static void a_late_subscriber_is_told_more_after_its_own_acknowledgement(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_open(r, 1, 201, SPACE, 5001);
	rig_crash(r, 3);
	acknowledge_all(r); /* prepared is said */
	subscribe(r, 1, 201);
	fenced(r, 1, 3);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 3:3 done 4 1:1 2:2");
	assert_string_equal(told(r, 1, 201), "prep");
	assert_int_equal(acknowledge(r, 1, 201), 0);
	assert_string_equal(told(r, 1, 201), "prep slot 3:3 done 4 1:1 2:2");
	r = rig_free(r);
}

/* A new attempt waits for it, and it for nobody else. */
static void a_late_subscriber_counts_in_the_next_attempt(void **state)
{
	struct rig *r = members(4, 4);

	(void)state;
	rig_open(r, 1, 201, SPACE, 5001);
	rig_crash(r, 4);
	acknowledge_all(r);
	subscribe(r, 1, 201);
	rig_crash(r, 3);
	fenced(r, 1, 3);
	fenced(r, 1, 4);
	assert_string_equal(told(r, 2, conn_of(2)), "prep");
	assert_int_equal(acknowledge(r, 1, 201), 0);
	assert_string_equal(told(r, 2, conn_of(2)), "prep slot 3:3 slot 4:4 done 5 1:1 2:2");
	assert_string_equal(told(r, 1, 201), "prep slot 3:3 slot 4:4 done 5 1:1 2:2");
	r = rig_free(r);
}

/* R-CB-10: who has ended, or wants to hear no more, is not waited for. */
static void the_dead_and_the_unsubscribed_are_not_waited_for(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_open(r, 1, 201, SPACE, 5001);
	subscribe(r, 1, 201);
	rig_clear(r);
	rig_crash(r, 3);
	fenced(r, 1, 3);
	assert_int_equal(acknowledge(r, 2, conn_of(2)), 0);
	node_session_close(r->hosts[1].node, conn_of(1));
	rig_settle(r);
	assert_string_equal(told(r, 2, conn_of(2)), "prep");
	assert_int_equal(node_recovery_unsubscribe(r->hosts[1].node, 201), 0);
	rig_settle(r);
	assert_string_equal(told(r, 2, conn_of(2)), "prep slot 3:3 done 4 1:1 2:2");
	assert_string_equal(told(r, 1, 201), "prep");
	assert_int_equal(node_recovery_unsubscribe(r->hosts[1].node, 201), ENOENT);
	assert_int_equal(acknowledge(r, 1, 201), EINVAL);
	subscribe(r, 1, 201);
	assert_string_equal(told(r, 1, 201), "prep done 4 1:1 2:2");
	r = rig_free(r);
}

static void refusals(void **state)
{
	const struct node_config bounds = { .no_recovery_callbacks = true };
	struct rig *r = members(2, 2);
	uint32_t number = 0;

	(void)state;
	assert_int_equal(node_recovery_subscribe(r->hosts[1].node, conn_of(1), &number), EALREADY);
	assert_int_equal(node_recovery_subscribe(r->hosts[1].node, 999, &number), ENOTCONN);
	assert_int_equal(node_recovery_unsubscribe(r->hosts[1].node, 999), ENOTCONN);
	assert_int_equal(node_recovery_prep_done(r->hosts[1].node, 999, 1), ENOTCONN);
	assert_int_equal(node_recovery_prep_done(r->hosts[1].node, conn_of(1), 0), EINVAL);
	rig_crash(r, 2);
	const struct rig_event *e = rig_last(r, 1, NODE_ACTION_PREP, conn_of(1));

	assert_int_equal(node_recovery_prep_done(r->hosts[1].node, conn_of(1), e->value + 1), EINVAL);
	assert_int_equal(acknowledge(r, 1, conn_of(1)), 0);
	assert_int_equal(acknowledge(r, 1, conn_of(1)), EINVAL);
	r = rig_free(r);
	r = rig_new(1, &bounds);
	rig_open(r, 1, A, SPACE, 4001);
	assert_int_equal(node_recovery_subscribe(r->hosts[1].node, A, &number), EOPNOTSUPP); /* R-CB-9 */
	r = rig_free(r);
}

/* R-PURGE-1 is about locks. */
static void a_purge_of_its_own_locks_takes_no_recovery_callback(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_crash(r, 3);
	fenced(r, 1, 3);
	rig_hold(r, true);
	acknowledge_all(r);
	rig_deliver_held(r); /* slot and done wait for confirms */
	assert_int_equal(rig_submit(r, 1, conn_of(1),
				    (struct rig_op){ .type = ENGINE_OP_PURGE, .purge_nodeid = 1,
						     .purge_pid = 4001 },
				    NULL, NULL),
			 0);
	rig_hold(r, false);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 3:3 done 4 1:1 2:2");
	r = rig_free(r);
}

/* --- the stuck (R-CB-10) ----------------------------------------------------------------- */

static void a_session_that_does_not_answer_is_killed(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_crash(r, 3);
	fenced(r, 1, 3);
	assert_int_equal(acknowledge(r, 2, conn_of(2)), 0);
	rig_pass(r, 2900);
	assert_string_equal(told(r, 1, conn_of(1)), "prep");
	rig_pass(r, 200);
	assert_string_equal(told(r, 1, conn_of(1)), "prep kill");
	assert_string_equal(told(r, 2, conn_of(2)), "prep"); /* not before it is dead */
	assert_string_equal(rig_space(r, 1, SPACE).reason,
			    "waits for prep of session 1 (pid 4001, test) for 3 s: it is being killed; if that fails this node "
			    "gives up in 1 s");
	node_session_killed(r->hosts[1].node, conn_of(1));
	rig_settle(r);
	assert_string_equal(told(r, 2, conn_of(2)), "prep slot 3:3 done 4 1:1 2:2");
	expect_running(r, 1);
	node_session_close(r->hosts[1].node, conn_of(1)); /* the driver hears of it a little later */
	rig_settle(r);
	r = rig_free(r);
}

/* Its node is taken out, and stays out until the process is gone, whatever locks it has. */
static void a_node_where_killing_fails_counts_as_failed(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_crash(r, 3);
	fenced(r, 1, 3);
	assert_int_equal(acknowledge(r, 1, conn_of(1)), 0);
	rig_pass(r, 4200);
	assert_string_equal(told(r, 2, conn_of(2)), "prep kill lost");
	assert_string_equal(rig_space(r, 2, SPACE).state, "lost");
	assert_string_equal(told(r, 1, conn_of(1)), "prep");
	rig_pass(r, 1000);
	assert_string_equal(rig_space(r, 2, SPACE).state, "lost");
	node_session_killed(r->hosts[2].node, conn_of(2));
	rig_pass(r, 1000); /* it is back clean */
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 2:2 slot 3:3 done 4 1:1 2:2");
	expect_running(r, 2);
	r = rig_free(r);
}

/* Time in which the daemon did not run is held against no client. */
static void a_pause_of_the_daemon_kills_nobody(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	rig_crash(r, 3);
	r->now_ms += 60000;
	rig_pass(r, 100);
	assert_string_equal(told(r, 1, conn_of(1)), "prep");
	assert_int_equal(acknowledge(r, 1, conn_of(1)), 0);
	r = rig_free(r);
}

/* --- generations and slots that must not be ---------------------------------------------- */

static struct space *space_of(const struct rig *r, uint32_t id)
{
	return node_space_find(r->hosts[id].node, SPACE);
}

/* R-GEN-3, R-GEN-2: the last number is never used; all stop, tell their clients, and begin again from 1. */
static void the_last_generation_is_never_reached(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	for (uint32_t id = 1; id <= 3; id++) {
		space_of(r, id)->generation = UINT32_MAX - 2;
	}
	rig_crash(r, 3);
	fenced(r, 1, 3);
	acknowledge_all(r);
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 3:3 done 4294967294 1:1 2:2");
	rig_clear(r);
	rig_boot(r, 3);
	rig_open(r, 3, conn_of(3), SPACE, 4003);
	acknowledge_all(r);
	assert_string_equal(told(r, 1, conn_of(1)), "prep lost");
	assert_string_equal(told(r, 2, conn_of(2)), "prep lost");
	assert_int_equal(rig_space(r, 1, SPACE).generation, 1);
	expect_running(r, 1);
	r = rig_free(r);
}

/* R-SLOT-3 */
static void a_member_that_remembers_another_slot_leaves(void **state)
{
	struct rig *r = members(3, 3);

	(void)state;
	space_of(r, 2)->done_own = 5;
	rig_crash(r, 3);
	fenced(r, 1, 3);
	acknowledge_all(r);
	assert_string_equal(told(r, 2, conn_of(2)), "prep lost");
	assert_string_equal(told(r, 1, conn_of(1)), "prep slot 3:3 done 4 1:1 2:2 prep");
	r = rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_is_told_as_prep_slot_done),
		cmocka_unit_test(no_slot_before_every_prep_was_acknowledged),
		cmocka_unit_test(no_slot_before_the_lost_are_fenced),
		cmocka_unit_test(an_interrupted_recovery_is_continued),
		cmocka_unit_test(done_comes_after_the_grants_of_the_recovery),
		cmocka_unit_test(slot_and_done_wait_until_all_know),
		cmocka_unit_test(a_failure_before_done_was_told_is_the_next_recovery),
		cmocka_unit_test(a_joiner_is_told_done_only),
		cmocka_unit_test(the_first_member_is_told_generation_one),
		cmocka_unit_test(a_leaver_gives_no_slot),
		cmocka_unit_test(joiners_inherit_slots_of_the_failed_by_nodeid),
		cmocka_unit_test(a_node_that_is_back_has_failed_all_the_same),
		cmocka_unit_test(a_joiner_that_fails_before_it_has_a_slot_gives_none),
		cmocka_unit_test(a_joiner_knows_who_is_still_to_be_reported),
		cmocka_unit_test(subscribing_in_a_recovery_delivers_prep_at_once),
		cmocka_unit_test(subscribing_while_stopped_delivers_one_prep),
		cmocka_unit_test(a_late_subscriber_is_told_more_after_its_own_acknowledgement),
		cmocka_unit_test(a_late_subscriber_counts_in_the_next_attempt),
		cmocka_unit_test(the_dead_and_the_unsubscribed_are_not_waited_for),
		cmocka_unit_test(refusals),
		cmocka_unit_test(a_purge_of_its_own_locks_takes_no_recovery_callback),
		cmocka_unit_test(a_session_that_does_not_answer_is_killed),
		cmocka_unit_test(a_node_where_killing_fails_counts_as_failed),
		cmocka_unit_test(a_pause_of_the_daemon_kills_nobody),
		cmocka_unit_test(the_last_generation_is_never_reached),
		cmocka_unit_test(a_member_that_remembers_another_slot_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
