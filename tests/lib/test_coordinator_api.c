/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The coordinator for programs, through a real lockstepd that stands alone (coordinator.sh): what each call
 * of lockstep_coordinator.h promises, as far as one node can show it. What the protocol does is shown in
 * tests/agent/test_coordinator*.c, more nodes in tests/cluster/t-coordinator.sh.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lockstep/lockstep_coordinator.h>

#define ITEMS 3

struct member {
	struct lockstep_coordinator *c;
	int starts, error;
	bool first;
	uint32_t item;
	uint64_t token;
	int unblocks, blocks, stops, ends;
	int recoveries[ITEMS];
	uint64_t tokens[ITEMS];
	int give_up; /* so many times, of item 1 */
	bool later;  /* the results come later, by the test */
};

static void on_started(void *arg, int error, bool first, uint32_t item, uint64_t token)
{
	struct member *m = arg;

	m->starts++;
	m->error = error;
	m->first = first;
	m->item = item;
	m->token = token;
}

static int on_block(void *arg)
{
	((struct member *)arg)->blocks++;
	return LOCKSTEP_BLOCK_DONE;
}

static void on_unblock(void *arg)
{
	((struct member *)arg)->unblocks++;
}

static void on_recover(void *arg, uint32_t item, uint64_t token)
{
	struct member *m = arg;
	bool gives_up = item == 1 && m->give_up > 0;

	assert_true(item < ITEMS);
	m->recoveries[item]++;
	m->tokens[item] = token;
	m->give_up -= gives_up ? 1 : 0;
	/* dispatch in a callback is refused. */
	assert_int_equal(lockstep_coordinator_dispatch(m->c), -EINVAL);
	if (!m->later) {
		assert_int_equal(lockstep_coordinator_result(m->c, item,
							     gives_up ? LOCKSTEP_RECOVERY_GAVEUP
								      : LOCKSTEP_RECOVERY_SUCCESS),
				 0);
	}
}

static void on_first_ended(void *arg, int error)
{
	struct member *m = arg;

	m->ends++;
	m->error = error;
}

static void on_stopped(void *arg)
{
	((struct member *)arg)->stops++;
}

static const struct lockstep_coordinator_ops ops = {
	.version = LOCKSTEP_COORDINATOR_OPS_VERSION,
	.started = on_started,
	.block = on_block,
	.unblock = on_unblock,
	.recover = on_recover,
	.first_ended = on_first_ended,
	.stopped = on_stopped,
};

static void turn(struct member *m)
{
	struct pollfd p = { .fd = lockstep_coordinator_fd(m->c), .events = POLLIN };
	int ms = lockstep_coordinator_timeout(m->c);

	(void)poll(&p, 1, ms < 0 || ms > 100 ? 100 : ms);
	(void)lockstep_coordinator_dispatch(m->c);
}

static void until(struct member *m, const int *count, int wanted)
{
	for (int i = 0; *count < wanted; i++) {
		assert_true(i < 600); /* a minute, to end a broken test */
		turn(m);
	}
}

static void open_member(struct member *m, const char *space, uint32_t items)
{
	const struct lockstep_coordinator_options options = { .items = items };

	memset(m, 0, sizeof(*m));
	assert_int_equal(lockstep_coordinator_open(space, LOCKSTEP_OPEN_CREATE, NULL, &options, &ops,
						   m, &m->c),
			 0);
	assert_int_equal(lockstep_coordinator_start(m->c), 0);
}

static void wrong_arguments_are_refused(void **state)
{
	struct lockstep_coordinator_options options = { .items = 193 };
	struct lockstep_coordinator_ops other = ops;
	const struct lockstep_options small = { .lvb_len = 8 };
	struct lockstep_coordinator *c;

	(void)state;
	assert_int_equal(lockstep_coordinator_open("x", LOCKSTEP_OPEN_CREATE, NULL, &options, &ops,
						   NULL, &c), -EINVAL);
	options.items = 0;
	options.control = "same";
	options.mounted = "same";
	assert_int_equal(lockstep_coordinator_open("x", LOCKSTEP_OPEN_CREATE, NULL, &options, &ops,
						   NULL, &c), -EINVAL);
	options.mounted = "";
	assert_int_equal(lockstep_coordinator_open("x", LOCKSTEP_OPEN_CREATE, NULL, &options, &ops,
						   NULL, &c), -EINVAL);
	/* No room for the number. */
	options.mounted = NULL;
	options.item_prefix = "1234567890123456789012345678901234567890123456789012345";
	assert_int_equal(lockstep_coordinator_open("x", LOCKSTEP_OPEN_CREATE, NULL, &options, &ops,
						   NULL, &c), -EINVAL);
	other.recover = NULL;
	assert_int_equal(lockstep_coordinator_open("x", LOCKSTEP_OPEN_CREATE, NULL, NULL, &other,
						   NULL, &c), -EINVAL);
	other = ops;
	other.version++;
	assert_int_equal(lockstep_coordinator_open("x", LOCKSTEP_OPEN_CREATE, NULL, NULL, &other,
						   NULL, &c), -EINVAL);
	assert_int_equal(lockstep_coordinator_open("nowhere", 0, NULL, NULL, &ops, NULL, &c), -ENOENT);
	assert_int_equal(lockstep_coordinator_open("small", LOCKSTEP_OPEN_CREATE, &small, NULL, &ops,
						   NULL, &c), -EINVAL);
	lockstep_coordinator_close(NULL);
}

/* The first member: each item, its own included, with the token of its lock; GAVEUP is tried again. */
static void first_member_is_asked_for_every_item(void **state)
{
	struct lockstep_coordinator_status status;
	struct member m;

	(void)state;
	open_member(&m, "every", ITEMS);
	m.give_up = 1;
	assert_int_equal(lockstep_coordinator_start(m.c), -EALREADY);
	until(&m, &m.ends, 1);
	assert_int_equal(m.error, 0);
	assert_true(m.first);
	assert_int_equal(m.starts, 1);
	assert_int_equal(m.recoveries[0], 1);
	assert_int_equal(m.recoveries[1], 2);
	assert_int_equal(m.recoveries[2], 1);
	assert_true(m.tokens[m.item] == m.token && m.token != 0);
	assert_true(m.tokens[1] != m.token);
	assert_int_equal(m.unblocks, 1);
	assert_int_equal(lockstep_coordinator_first_done(m.c), -EINVAL);
	assert_int_equal(lockstep_coordinator_result(m.c, 0, LOCKSTEP_RECOVERY_SUCCESS), -ENOENT);
	assert_int_equal(lockstep_coordinator_result(m.c, 0, 7), -EINVAL);
	lockstep_coordinator_status(m.c, &status);
	assert_true(status.started && !status.first && !status.blocked);
	assert_int_equal(status.items_max, 192);
	assert_int_equal(status.item, m.item);
	assert_int_equal(status.failed, 0);
	assert_true(status.generation > 0);
	assert_int_equal(lockstep_coordinator_stop(m.c), 0);
	until(&m, &m.stops, 1);
	lockstep_coordinator_close(m.c);
}

/* The application recovers in its own way, and uses the coordinator's session for its locks meanwhile. */
static void first_done_is_said_by_the_application(void **state)
{
	struct lockstep_lksb lksb = { .lkid = 0 };
	struct member m, other;

	(void)state;
	open_member(&m, "own", 0);
	assert_int_equal(lockstep_coordinator_first_done(m.c), -EINVAL);
	until(&m, &m.starts, 1);
	assert_true(m.first);
	assert_int_equal(lockstep_lock_wait(lockstep_coordinator_session(m.c), LOCKSTEP_LOCK_EX, &lksb, 0,
					    "mine", 4, NULL, NULL, 10000), 0);
	/* Another program of this node waits at the door. */
	open_member(&other, "own", 0);
	for (int i = 0; i < 10; i++) {
		turn(&other);
		turn(&m);
	}
	assert_int_equal(other.starts, 0);
	assert_int_equal(lockstep_coordinator_blocked(m.c), 0); /* nobody waits for it: nothing */
	assert_int_equal(lockstep_coordinator_first_done(m.c), 0);
	until(&m, &m.ends, 1);
	/* It has the same item, whose lock it gets when the first has gone. */
	assert_int_equal(lockstep_coordinator_stop(m.c), 0);
	until(&m, &m.stops, 1);
	assert_int_equal(other.starts, 0);
	lockstep_coordinator_close(m.c);
	until(&other, &other.starts, 1);
	assert_int_equal(other.item, m.item);
	assert_int_equal(other.error, 0);
	lockstep_coordinator_close(other.c);
}

static void start_that_is_stopped_says_so(void **state)
{
	struct member m, other;

	(void)state;
	open_member(&m, "stop", 0);
	until(&m, &m.starts, 1);
	open_member(&other, "stop", 0);
	for (int i = 0; i < 5; i++) {
		turn(&other);
	}
	assert_int_equal(lockstep_coordinator_stop(other.c), 0);
	until(&other, &other.stops, 1);
	assert_int_equal(other.error, -EINTR);
	lockstep_coordinator_close(other.c);
	lockstep_coordinator_close(m.c);
}

/* Last, for the daemon does not survive it. */
static void lost_session_is_told_by_dispatch(void **state)
{
	struct member m;

	(void)state;
	open_member(&m, "lost", ITEMS);
	m.later = true;
	until(&m, &m.recoveries[0], 1);
	assert_int_equal(kill((pid_t)atoi(getenv("DAEMON_PID")), SIGKILL), 0);
	for (int i = 0; lockstep_coordinator_dispatch(m.c) == 0; i++) {
		assert_true(i < 600);
		turn(&m);
	}
	assert_int_equal(lockstep_coordinator_dispatch(m.c), -ENOTCONN);
	assert_int_equal(lockstep_coordinator_result(m.c, 0, LOCKSTEP_RECOVERY_SUCCESS), -ENOTCONN);
	assert_int_equal(lockstep_coordinator_first_done(m.c), -ENOTCONN);
	assert_int_equal(lockstep_coordinator_blocked(m.c), -ENOTCONN);
	assert_int_equal(lockstep_coordinator_start(m.c), -ENOTCONN);
	assert_int_equal(lockstep_coordinator_timeout(m.c), -1);
	lockstep_coordinator_close(m.c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_arguments_are_refused),
		cmocka_unit_test(first_member_is_asked_for_every_item),
		cmocka_unit_test(first_done_is_said_by_the_application),
		cmocka_unit_test(start_that_is_stopped_says_so),
		cmocka_unit_test(lost_session_is_told_by_dispatch),
	};

	if (!getenv("DAEMON_PID")) {
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
