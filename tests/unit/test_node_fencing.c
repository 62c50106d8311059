/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a fencing means and which node asks for one (recovery.md section 5): results that count and
 * those that do not, one asker for all lockspaces, the next lowest after it, fencing = none.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plugin/node/wire.h"
#include "tests/unit/node_rig.h"

#define EX LOCKSTEP_LOCK_EX
#define HOLDER 10
#define WAITER 20

static const struct node_config pacemaker = {
	.fencing = NODE_FENCING_PACEMAKER,
	.fence_request = true,
	.fence_confirmed = true,
	.fence_request_delay_ms = 5000,
};

/* Three nodes in "s" with a fencing device each; node 3 holds "r" and node 1 waits for it. */
static struct rig *rig_fencing(const struct node_config *config)
{
	struct rig *r = rig_new(3, config);

	for (uint32_t id = 1; id <= 3; id++) {
		node_fence_link(r->hosts[id].node, true, "test");
		rig_open(r, id, id, "s", 100 + id);
	}
	rig_open(r, 3, HOLDER, "s", 203);
	rig_open(r, 1, WAITER, "s", 201);
	(void)rig_lock(r, 3, HOLDER, "r", EX, 0);
	(void)rig_lock(r, 1, WAITER, "r", EX, 0);
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, WAITER), 0);
	return r;
}

static int setup(void **state)
{
	*state = rig_fencing(&pacemaker);
	return 0;
}

static int teardown(void **state)
{
	*state = rig_free(*state);
	return 0;
}

static bool granted(const struct rig *r)
{
	return rig_count(r, 1, NODE_ACTION_CAST, WAITER) > 0;
}

/* The last mark that node gave out. */
static uint64_t mark_of(const struct rig *r, uint32_t id)
{
	return rig_last(r, id, NODE_ACTION_FENCE_MARK, 0)->token;
}

static void tell(struct rig *r, uint32_t id, struct node_fence_result result)
{
	node_fence_result(r->hosts[id].node, &result);
	rig_settle(r);
}

static size_t asked(const struct rig *r, uint32_t id)
{
	return rig_count(r, id, NODE_ACTION_FENCE, 0);
}

static uint64_t request_of(const struct rig *r, uint32_t id)
{
	assert_int_equal(rig_last(r, id, NODE_ACTION_FENCE, 0)->value, 3);
	return rig_last(r, id, NODE_ACTION_FENCE, 0)->token;
}

/* R-REC-7, R-COND-0: told on one node, known to all; the waiter gets the lock. */
static void a_fencing_lets_the_waiter_go_on(void **state)
{
	struct rig *r = *state;
	uint64_t mark = mark_of(r, 2);

	rig_crash(r, 3);
	assert_string_equal(rig_space(r, 1, "s").state, "recovering");
	assert_non_null(strstr(rig_space(r, 1, "s").reason, "node 3 is lost"));
	assert_false(granted(r));
	tell(r, 2, (struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_REBOOT,
					       .success = true, .mark = mark });
	assert_true(granted(r));
	assert_string_equal(rig_space(r, 1, "s").state, "running");
	assert_string_equal(rig_space(r, 2, "s").state, "running");
}

/* A fencing is what the loss comes from: it may be known before the loss. */
static void a_fencing_may_be_known_before_the_loss(void **state)
{
	struct rig *r = *state;

	tell(r, 1, (struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_OFF,
					       .success = true, .mark = mark_of(r, 1) });
	assert_false(granted(r));
	rig_crash(r, 3);
	assert_true(granted(r));
}

/* R-COND-5, pacemaker-notes 6.2: what proves nothing. */
static void only_a_real_fencing_by_somebody_else_counts(void **state)
{
	struct rig *r = *state;
	uint64_t mark = mark_of(r, 1);
	const struct node_fence_result useless[] = {
		{ .nodeid = 3, .action = NODE_FENCE_OTHER, .success = true, .mark = mark },
		{ .nodeid = 3, .action = NODE_FENCE_REBOOT, .success = false, .mark = mark, .text = "cable" },
		{ .nodeid = 3, .action = NODE_FENCE_OFF, .success = true, .mark = mark, .by_itself = true },
		{ .nodeid = 2, .action = NODE_FENCE_OFF, .success = true, .mark = mark },
		{ .nodeid = 3, .action = NODE_FENCE_OFF, .success = true, .mark = 0 },
	};

	rig_crash(r, 3);
	for (size_t i = 0; i < sizeof(useless) / sizeof(useless[0]); i++) {
		tell(r, 1, useless[i]);
		assert_false(granted(r));
	}
	assert_non_null(strstr(rig_space(r, 1, "s").reason, "cable"));
}

/* The node's own word, said in the group of all daemons by a daemon that is wrong about itself. */
static void the_word_of_the_node_itself_does_not_count(void **state)
{
	struct rig *r = *state;

	rig_hold(r, true);
	node_fence_result(r->hosts[3].node,
			  &(struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_OFF,
						       .success = true, .mark = mark_of(r, 3) });
	rig_hold(r, false);
	rig_crash(r, 3);
	assert_false(granted(r));
}

/* FENCE_DONE of node 3, as the daemon of node @by says it to nodes 1 and 2. */
static void say_done(struct rig *r, uint32_t by, uint64_t process)
{
	struct wire_header header = { .type = WIRE_FENCE_DONE, .incarnation = process + 1, .number = 1000 };
	struct wire_body body = { .nodeid = 3, .incarnation = process };
	struct buf out = { 0 };

	wire_header_encode(&header, &out);
	wire_body_encode(WIRE_FENCE_DONE, &body, &out);
	for (uint32_t id = 1; id <= 2; id++) {
		node_message(r->hosts[id].node, NODE_DAEMONS_GROUP, by, 1000 + by, out.data, out.size);
	}
	buf_done(&out);
	rig_settle(r);
}

/* R-COND-5: the same message counts from anybody but the node that it is about, whose daemon may be wrong about itself
 * in a way that this version is not. */
static void a_message_about_the_senders_own_fencing_is_refused(void **state)
{
	struct rig *r = *state;
	struct node_member_info members[8];
	size_t count = node_space_members(r->hosts[1].node, "s", members, 8);
	uint64_t process = 0;

	for (size_t i = 0; i < count; i++) {
		process = members[i].nodeid == 3 ? members[i].incarnation & ~UINT64_C(0xffff) : process;
	}
	assert_true(process != 0);
	say_done(r, 3, process);
	rig_crash(r, 3);
	assert_string_equal(rig_space(r, 1, "s").state, "recovering");
	assert_false(granted(r));
	say_done(r, 2, process);
	assert_true(granted(r));
}

/* R-COND-5: asked for before the node came back is too old, whenever it ended. */
static void a_fencing_asked_for_before_the_node_came_back_is_too_old(void **state)
{
	struct rig *r = *state;
	uint64_t before = mark_of(r, 2);

	rig_crash(r, 3);
	rig_boot(r, 3);
	node_fence_link(r->hosts[3].node, true, "test");
	rig_open(r, 3, HOLDER + 1, "s", 303);
	assert_true(granted(r)); /* R-COND-3 */
	(void)rig_lock(r, 3, HOLDER + 1, "q", EX, 0);
	(void)rig_lock(r, 1, 1, "q", EX, 0);
	rig_crash(r, 3);
	tell(r, 2, (struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_REBOOT,
					       .success = true, .mark = before });
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, 1), 0);
	tell(r, 2, (struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_REBOOT,
					       .success = true, .mark = mark_of(r, 2) });
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, 1), 1);
}

/* A second line: the driver heard late of what ended long before the node came. */
static void a_fencing_that_ended_before_the_node_came_is_too_old(void **state)
{
	struct rig *r = *state;

	rig_pass(r, 100000);
	rig_crash(r, 3);
	rig_boot(r, 3);
	rig_open(r, 3, HOLDER + 1, "s", 303);
	(void)rig_lock(r, 3, HOLDER + 1, "q", EX, 0);
	(void)rig_lock(r, 1, 1, "q", EX, 0);
	rig_crash(r, 3);
	tell(r, 2, (struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_REBOOT,
					       .success = true, .mark = mark_of(r, 2),
					       .wall_ms = 1000000 + r->now_ms - 90000 });
	assert_int_equal(rig_count(r, 1, NODE_ACTION_CAST, 1), 0);
}

/* R-COND-3: a new daemon of that node vouches for the old one, in lockspaces it does not join, too. */
static void a_clean_daemon_settles_lockspaces_it_does_not_join(void **state)
{
	struct rig *r = *state;

	rig_daemon_killed(r, 3);
	assert_false(granted(r));
	rig_boot(r, 3);
	assert_true(granted(r));
	assert_string_equal(rig_space(r, 1, "s").state, "running");
}

/* Policy: the word of an administrator to Pacemaker. */
static void a_confirmed_fencing_counts_if_policy_says_so(void **state)
{
	struct node_config config = pacemaker;

	(void)state;
	for (int counts = 0; counts <= 1; counts++) {
		config.fence_confirmed = counts;
		struct rig *r = rig_fencing(&config);
		uint64_t mark = mark_of(r, 1);

		rig_crash(r, 3);
		tell(r, 1, (struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_OFF,
						       .success = true, .manual = true, .mark = mark });
		assert_int_equal(granted(r), counts);
		(void)rig_free(r);
	}
}

/* R-COND-4: one node asks, after a while, and only when the fencing was not there before. */
static void the_lowest_that_waits_asks_for_the_fencing(void **state)
{
	struct rig *r = *state;

	rig_crash(r, 3);
	rig_pass(r, 4500);
	assert_int_equal(asked(r, 1) + asked(r, 2), 0);
	rig_pass(r, 1000);
	assert_int_equal(asked(r, 1), 1);
	assert_int_equal(asked(r, 2), 0);
	assert_non_null(strstr(rig_space(r, 2, "s").reason, "node 1 has asked"));
	rig_pass(r, 60000);
	assert_int_equal(asked(r, 1) + asked(r, 2), 1); /* as long as it has no answer */
	tell(r, 1, (struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_REBOOT,
					       .success = true, .mark = mark_of(r, 1) });
	node_fence_answer(r->hosts[1].node, request_of(r, 1), NULL);
	rig_pass(r, 60000);
	assert_int_equal(asked(r, 1) + asked(r, 2), 1);
	assert_true(granted(r));
}

/* R-COND-4: the next lowest after a failure; when all have failed, all over again. */
static void after_a_failure_the_next_lowest_asks(void **state)
{
	struct rig *r = *state;

	rig_crash(r, 3);
	rig_pass(r, 6000);
	node_fence_answer(r->hosts[1].node, request_of(r, 1), "no route");
	rig_pass(r, 200);
	assert_int_equal(asked(r, 1), 1);
	assert_int_equal(asked(r, 2), 1);
	node_fence_answer(r->hosts[2].node, request_of(r, 2), "no power");
	rig_pass(r, 200);
	assert_int_equal(asked(r, 1) + asked(r, 2), 2);
	assert_non_null(strstr(rig_space(r, 2, "s").reason, "no power"));
	rig_pass(r, 6000);
	assert_int_equal(asked(r, 1), 2);
}

/* A request that Pacemaker merged with an older one has an answer and no result: it is no fencing. */
static void an_answer_without_a_result_is_no_fencing(void **state)
{
	struct rig *r = *state;

	rig_crash(r, 3);
	rig_pass(r, 6000);
	node_fence_answer(r->hosts[1].node, request_of(r, 1), NULL);
	rig_pass(r, 1000);
	assert_false(granted(r));
	assert_int_equal(asked(r, 2), 1);
}

/* Nobody asks while Pacemaker is at it, or without a device, or for a node that has come back. */
static void nobody_asks_for_what_is_going_on(void **state)
{
	struct rig *r = *state;

	rig_crash(r, 3);
	node_fence_busy(r->hosts[1].node, 3, true);
	rig_pass(r, 60000);
	assert_int_equal(asked(r, 1) + asked(r, 2), 0);
	node_fence_busy(r->hosts[1].node, 3, false);
	node_fence_link(r->hosts[1].node, false, "gone");
	rig_pass(r, 6000);
	assert_int_equal(asked(r, 1) + asked(r, 2), 0);
	rig_boot(r, 3);
	node_fence_link(r->hosts[1].node, true, "here");
	rig_pass(r, 60000);
	assert_int_equal(asked(r, 1) + asked(r, 2), 0);
}

static bool says(const struct rig *r, uint32_t id, const char *words)
{
	const struct node_space_info info = rig_space(r, id, "s");

	if (!strstr(info.reason, words)) {
		print_error("\"%s\" does not say \"%s\"\n", info.reason, words);
		return false;
	}
	return true;
}

/* Who is called at night reads who asked, which attempt it is, with what device, how the last one went, for how
 * long, and the command. */
static void what_is_known_of_a_fencing_is_told(void **state)
{
	struct rig *r = *state;
	struct node *n = r->hosts[1].node;
	struct node_fence_result failed = { .nodeid = 3, .action = NODE_FENCE_REBOOT, .text = "",
					    .wall_ms = 1000000000 };
	struct node_member_info members[4];

	rig_crash(r, 3);
	rig_pass(r, 2000);
	assert_true(says(r, 1, "node 3 is lost for 2 s: its locks stay until it is fenced or back clean; "));
	assert_true(says(r, 1, "not fenced yet, node 1 asks for it in 3 s if nobody else does"));
	assert_true(says(r, 1, "; if it is surely down run: lockstep fence-ack 3"));
	node_fence_busy(n, 3, true);
	node_fence_note(n, 3, "stonith_admin on node n2", NULL);
	rig_pass(r, 1000);
	assert_true(says(r, 1, "Pacemaker is fencing it for 1 s, attempt 1, for stonith_admin on node n2"));
	tell(r, 1, failed);
	failed.wall_ms += 50; /* merged with another request by Pacemaker */
	tell(r, 1, failed);
	node_fence_note(n, 3, NULL, "power");
	rig_pass(r, 1000);
	assert_true(says(r, 1, "its fencing failed 1 time, the last 1 s ago (device power): no reason given"));
	failed.wall_ms += 2000;
	failed.text = "cable";
	tell(r, 1, failed);
	node_fence_busy(n, 3, true);
	rig_pass(r, 4000);
	assert_true(says(r, 1, "Pacemaker is fencing it for 4 s, attempt 3, its fencing failed 2 times, the last 4 s ago (device power): cable"));
	assert_int_equal(node_space_members(n, "s", members, 4), 3);
	assert_string_equal(members[2].state, "lost");
	assert_int_equal(members[2].lost_wall_ms, 1000000 + r->now_ms - 8000);
	assert_non_null(strstr(members[2].reason, "attempt 3"));
	node_fence_link(n, false, "gone");
	assert_true(says(r, 1, "Pacemaker cannot be asked: gone, its fencing failed 2 times"));
}

/* R-MEM-8, R-LOST-1: without Corosync, and when it is back, it is said who must end first, and what helps. */
static void who_must_end_after_corosync_has_gone_is_named(void **state)
{
	struct rig *r = *state;
	struct node *n = r->hosts[3].node;
	struct node_info info;

	rig_pass(r, 1000);
	node_order_down(n);
	node_tick(n, r->now_ms + 2000, 1000000 + r->now_ms + 2000);
	node_info_get(n, &info);
	assert_string_equal(info.state, "waiting");
	assert_string_equal(info.reason, "lockspace s: connection to Corosync lost; 1 session with locks must end first, "
					 "for 2 s: test (pid 203); they are being killed");
	node_session_close(n, HOLDER);
	node_info_get(n, &info);
	assert_string_equal(info.reason, "waiting for Corosync");
}

/* A node that came back has a new count. */
static void attempts_are_counted_for_each_loss(void **state)
{
	struct rig *r = *state;
	const struct node_fence_result failed = { .nodeid = 3, .action = NODE_FENCE_REBOOT, .text = "cable" };

	rig_crash(r, 3);
	tell(r, 1, failed);
	assert_true(says(r, 1, "failed 1 time"));
	rig_boot(r, 3);
	rig_open(r, 3, HOLDER + 1, "s", 303);
	rig_crash(r, 3);
	assert_null(strstr(rig_space(r, 1, "s").reason, "failed"));
}

/* Two are lost: both are named, and whose fencing is spoken of. */
static void of_two_lost_nodes_each_is_told_of(void **state)
{
	struct rig *r = rig_new(4, &pacemaker);
	struct node_member_info members[8];

	(void)state;
	for (uint32_t id = 1; id <= 4; id++) {
		node_fence_link(r->hosts[id].node, true, "test");
		rig_open(r, id, id, "s", 100 + id);
	}
	rig_crash(r, 3);
	rig_pass(r, 1000);
	rig_crash(r, 4);
	tell(r, 1, (struct node_fence_result){ .nodeid = 4, .action = NODE_FENCE_OFF, .text = "cable" });
	assert_true(says(r, 1, "nodes 3, 4 are lost for 1 s: their locks stay until they are fenced or back clean; "
			       "3: not fenced yet"));
	assert_true(says(r, 1, "if they are surely down run for each: lockstep fence-ack NODE"));
	assert_int_equal(node_space_members(r->hosts[1].node, "s", members, 8), 4);
	assert_non_null(strstr(members[3].reason, "cable"));
	assert_null(strstr(members[2].reason, "cable"));
	r = rig_free(r);
}

/* R-MEM-6: a dead daemon is a lost node. */
static void a_dead_daemon_is_fenced(void **state)
{
	struct rig *r = *state;

	rig_daemon_killed(r, 3);
	rig_pass(r, 6000);
	assert_int_equal(asked(r, 1), 1);
}

/* R-COND-4: with several lockspaces and several lost nodes, one request for each node. */
static void one_request_for_all_lockspaces(void **state)
{
	struct rig *r = *state;

	for (uint32_t id = 1; id <= 3; id++) {
		rig_open(r, id, 30 + id, "t", 400 + id);
	}
	rig_crash(r, 3);
	rig_pass(r, 6000);
	assert_int_equal(asked(r, 1), 1);
	tell(r, 2, (struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_REBOOT,
					       .success = true, .mark = mark_of(r, 2) });
	assert_string_equal(rig_space(r, 1, "s").state, "running");
	assert_string_equal(rig_space(r, 1, "t").state, "running");
}

static void without_policy_nobody_asks(void **state)
{
	struct node_config config = pacemaker;
	struct rig *r;

	(void)state;
	config.fence_request = false;
	r = rig_fencing(&config);
	rig_crash(r, 3);
	rig_pass(r, 100000);
	assert_int_equal(asked(r, 1) + asked(r, 2), 0);
	(void)rig_free(r);
}

/* R-COND-7: who was never seen is asked for only with startup fencing, and then it forms. */
static void startup_fencing_accounts_for_who_never_came(void **state)
{
	struct node_config config = pacemaker;

	(void)state;
	for (int startup = 0; startup <= 1; startup++) {
		config.fence_startup = startup;
		struct rig *r = rig_new(3, &config);

		node_fence_link(r->hosts[1].node, true, "test");
		rig_crash(r, 3);
		assert_int_equal(node_space_create(r->hosts[1].node, "u", NULL), 0);
		rig_settle(r);
		assert_string_equal(rig_space(r, 1, "u").state, "joining");
		rig_pass(r, 6000);
		assert_int_equal(asked(r, 1), startup);
		tell(r, 1, (struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_REBOOT,
						       .success = true, .mark = mark_of(r, 1) });
		assert_string_equal(rig_space(r, 1, "u").state, "running");
		(void)rig_free(r);
	}
}

/* R-VIEW-2: what was asked for before this ring vouches for nobody. */
static void an_older_fencing_does_not_vouch_for_a_node(void **state)
{
	struct rig *r = rig_new(3, &pacemaker);
	uint64_t before = mark_of(r, 1);

	(void)state;
	rig_crash(r, 3);
	assert_int_equal(node_space_create(r->hosts[1].node, "u", NULL), 0);
	tell(r, 1, (struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_REBOOT,
					       .success = true, .mark = before });
	assert_string_equal(rig_space(r, 1, "u").state, "joining");
	(void)rig_free(r);
}

/* R-COND-9: said loudly, waited for, and then the locks go. */
/* R-COND-9: a pause of this process is no time in which a lost node has stopped. */
static void a_pause_of_the_daemon_shortens_no_lost_timeout(void **state)
{
	const struct node_config config = { .fencing = NODE_FENCING_NONE, .lost_timeout_ms = 20000 };
	struct rig *r = rig_fencing(&config);

	(void)state;
	rig_crash(r, 3);
	rig_pass(r, 10000);
	for (uint32_t id = 1; id <= 2; id++) {
		node_tick(r->hosts[id].node, r->now_ms + 3600000, 0);
	}
	rig_settle(r);
	assert_false(granted(r));
	(void)rig_free(r);
}

static void without_fencing_a_time_decides(void **state)
{
	const struct node_config config = { .fencing = NODE_FENCING_NONE, .lost_timeout_ms = 20000 };
	struct rig *r = rig_fencing(&config);
	char text[200];
	bool said = false;

	(void)state;
	rig_clear(r);
	rig_crash(r, 3);
	assert_non_null(strstr(rig_space(r, 1, "s").reason, "no fencing"));
	rig_pass(r, 19000);
	assert_false(granted(r));
	rig_pass(r, 2000);
	assert_true(granted(r));
	for (size_t i = 0; i < r->hosts[1].count; i++) {
		said |= strstr(r->hosts[1].events[i].text, "whether its programs have stopped or not") != NULL;
	}
	assert_true(said);
	node_fence_text(r->hosts[1].node, text, sizeof(text));
	assert_non_null(strstr(text, "none"));
	(void)rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_fencing_lets_the_waiter_go_on),
		T(a_fencing_may_be_known_before_the_loss),
		T(only_a_real_fencing_by_somebody_else_counts),
		T(the_word_of_the_node_itself_does_not_count),
		T(a_message_about_the_senders_own_fencing_is_refused),
		T(a_fencing_asked_for_before_the_node_came_back_is_too_old),
		T(a_fencing_that_ended_before_the_node_came_is_too_old),
		T(a_clean_daemon_settles_lockspaces_it_does_not_join),
		T(the_lowest_that_waits_asks_for_the_fencing),
		T(after_a_failure_the_next_lowest_asks),
		T(an_answer_without_a_result_is_no_fencing),
		T(nobody_asks_for_what_is_going_on),
		T(what_is_known_of_a_fencing_is_told),
		T(who_must_end_after_corosync_has_gone_is_named),
		T(attempts_are_counted_for_each_loss),
		T(of_two_lost_nodes_each_is_told_of),
		T(a_dead_daemon_is_fenced),
		T(one_request_for_all_lockspaces),
#undef T
		cmocka_unit_test(a_confirmed_fencing_counts_if_policy_says_so),
		cmocka_unit_test(without_policy_nobody_asks),
		cmocka_unit_test(startup_fencing_accounts_for_who_never_came),
		cmocka_unit_test(an_older_fencing_does_not_vouch_for_a_node),
		cmocka_unit_test(without_fencing_a_time_decides),
		cmocka_unit_test(a_pause_of_the_daemon_shortens_no_lost_timeout),
	};

	return cmocka_run_group_tests_name("node_fencing", tests, NULL, NULL);
}
