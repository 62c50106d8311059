/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lockspaces from the side of who creates, opens and releases them (section 1): names, create
 * count, attributes, release with and without force.
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
#define EX LOCKSTEP_LOCK_EX

#define A 10 /* sessions */
#define B 11

static int setup(void **state)
{
	*state = rig_new(2, NULL);
	return 0;
}

static int teardown(void **state)
{
	*state = rig_free(*state);
	return 0;
}

static int create_as(struct rig *r, uint32_t id, const char *space, struct node_attributes want)
{
	int error = node_space_create(r->hosts[id].node, space, &want);

	rig_settle(r);
	return error;
}

static int create(struct rig *r, uint32_t id, const char *space)
{
	return create_as(r, id, space, (struct node_attributes){ .lvb_len = 0 });
}

static int release(struct rig *r, uint32_t id, const char *space, unsigned int force,
		   unsigned int *ret_count)
{
	int error = node_space_release(r->hosts[id].node, space, force, ret_count);

	rig_settle(r);
	return error;
}

static bool joined(const struct rig *r, uint32_t id, const char *space)
{
	struct node_space_info info;

	return node_space_info_find(r->hosts[id].node, space, &info) && info.ready;
}

static int open_at(struct rig *r, uint32_t id, node_conn conn, const char *space, bool new,
		   struct node_attributes want)
{
	const struct node_open open = { .space = space, .create = new, .want = want, .pid = 100,
					.comm = "test" };
	int error = node_session_open(r->hosts[id].node, conn, &open);

	rig_settle(r);
	return error;
}

static const struct node_attributes anything;

/* --- creating --------------------------------------------------------------------------- */

#define NAME_64 "0123456789012345678901234567890123456789012345678901234567890123"

/* R-LS-1, R-ERR-3 */
static void a_lockspace_has_a_name_that_can_be_a_file(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/", "tab\t", "\x7f", NAME_64 "x" };
	static const char *const good[] = { NAME_64, "a", "A", "...", "a b", "\xc3\xa4" };
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(create(r, 1, bad[i]), EINVAL);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(create(r, 1, good[i]), 0);
		assert_true(joined(r, 1, good[i]));
	}
	/* "a" and "A" are two. */
	assert_int_equal(node_spaces_count(r->hosts[1].node), sizeof(good) / sizeof(good[0]));
}

/* R-LS-8, R-ERR-3 */
static void an_lvb_length_is_a_multiple_of_eight(void **state)
{
	static const uint16_t bad[] = { 1, 4, 7, 12, 33, 1023, 1032, 65528 };
	static const uint16_t good[] = { 8, 32, 64, 1024 };
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(create_as(r, 1, "s", (struct node_attributes){ .lvb_len = bad[i] }),
				 EINVAL);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char name[2] = { (char)('a' + i), '\0' };

		assert_int_equal(create_as(r, 1, name, (struct node_attributes){ .lvb_len = good[i] }),
				 0);
		assert_int_equal(rig_space(r, 1, name).lvb_len, good[i]);
	}
}

/* R-LS-2: the state and the view point first; an open that creates waits for them too. */
static void a_session_is_ready_when_the_state_is_here(void **state)
{
	struct rig *r = *state;

	assert_int_equal(create(r, 1, "s"), 0);
	rig_hold(r, true);
	assert_int_equal(open_at(r, 2, B, "s", true, anything), 0);
	assert_false(joined(r, 2, "s"));
	assert_int_equal(rig_count(r, 2, NODE_ACTION_READY, B), 0);
	rig_hold(r, false);
	assert_true(joined(r, 2, "s"));
	assert_int_equal(rig_last(r, 2, NODE_ACTION_READY, B)->status, 0);
}

/* R-LS-3, R-LS-6, R-ERR-3 */
static void creations_are_counted(void **state)
{
	struct rig *r = *state;
	const struct node_attributes excl = { .flags = LOCKSTEP_LSFL_NEWEXCL };
	unsigned int count = 99;

	assert_int_equal(create_as(r, 1, "s", excl), 0);
	assert_int_equal(create_as(r, 1, "s", excl), EEXIST);
	assert_int_equal(create(r, 1, "s"), 0);
	assert_int_equal(create_as(r, 2, "s", excl), 0); /* on that node it is new */
	assert_int_equal(release(r, 1, "s", 0, &count), 0);
	assert_int_equal(count, 1);
	assert_true(joined(r, 1, "s"));
	assert_int_equal(release(r, 1, "s", 0, &count), 0);
	assert_int_equal(count, 0);
	assert_false(joined(r, 1, "s"));
	assert_int_equal(release(r, 1, "s", 0, &count), ENOENT);
	assert_true(joined(r, 2, "s"));
}

/* R-LS-4, R-LS-5: opening needs it to be there and does not count; the last session's end is not its end. */
static void a_lockspace_outlives_its_sessions(void **state)
{
	struct rig *r = *state;
	unsigned int count;

	assert_int_equal(open_at(r, 1, A, "s", false, anything), ENOENT);
	assert_int_equal(open_at(r, 1, A, "s", true, (struct node_attributes){ .personality = 9 }),
			 EINVAL);
	assert_int_equal(create(r, 2, "s"), 0);
	assert_int_equal(open_at(r, 1, A, "s", false, anything), ENOENT); /* not on this node */
	assert_int_equal(create(r, 1, "s"), 0);
	assert_int_equal(open_at(r, 1, A, "s", false, anything), 0);
	node_session_close(r->hosts[1].node, A);
	rig_settle(r);
	assert_true(joined(r, 1, "s"));
	assert_int_equal(open_at(r, 1, B, "s", false, anything), 0);
	node_session_close(r->hosts[1].node, B);
	rig_settle(r);
	assert_int_equal(release(r, 1, "s", 0, &count), 0);
	assert_int_equal(count, 0);
}

/* --- attributes ------------------------------------------------------------------------- */

struct difference {
	struct node_attributes has, wants;
	bool fits;
};

/* R-LS-8, R-LS-11, R-DLK-1, R-DLK-3, R-ERR-3: a joiner that names other attributes fails and is out again;
 * one that names none takes what there is; flags are not compared. The same for a session. */
static void a_joiner_must_want_what_the_lockspace_is(void **state)
{
	static const struct difference differences[] = {
		{ { .lvb_len = 64 }, { .lvb_len = 64 }, true },
		{ { .lvb_len = 64 }, { .lvb_len = 0 }, true },
		{ { .lvb_len = 64 }, { .lvb_len = 32 }, false },
		{ { .deadlock_wait_named = true, .deadlock_wait_ms = 500 },
		  { .deadlock_wait_named = true, .deadlock_wait_ms = 500 }, true },
		{ { .deadlock_wait_named = true, .deadlock_wait_ms = 500 },
		  { .personality = ENGINE_PERSONALITY_LIBDLM }, true },
		{ { .deadlock_wait_named = true, .deadlock_wait_ms = 500 },
		  { .deadlock_wait_named = true, .deadlock_wait_ms = 0 }, false },
		{ { .personality = ENGINE_PERSONALITY_LIBDLM },
		  { .deadlock_wait_named = true, .deadlock_wait_ms = 10000 }, false },
		{ { .deadlock_wait_named = false },
		  { .deadlock_wait_named = true, .deadlock_wait_ms = 10000 }, true },
		{ { .xid_scope_named = true, .xid_scope = 1 },
		  { .xid_scope_named = true, .xid_scope = 1 }, true },
		{ { .xid_scope_named = true, .xid_scope = 1 }, { .xid_scope_named = false }, true },
		{ { .xid_scope_named = true, .xid_scope = 1 },
		  { .xid_scope_named = true, .xid_scope = 0 }, false },
		{ { .xid_scope_named = false }, { .xid_scope_named = true, .xid_scope = 1 }, false },
		{ { .flags = LOCKSTEP_LSFL_TIMEWARN }, { .flags = LOCKSTEP_LSFL_NODIR }, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
		const struct difference *d = &differences[i];
		struct rig *r = rig_new(2, NULL);

		assert_int_equal(create_as(r, 1, "s", d->has), 0);
		assert_int_equal(create_as(r, 1, "s", d->wants), d->fits ? 0 : EPROTO);
		assert_int_equal(open_at(r, 1, A, "s", false, d->wants), d->fits ? 0 : EPROTO);
		assert_int_equal(open_at(r, 2, B, "s", true, d->wants), 0);
		assert_int_equal(rig_last(r, 2, NODE_ACTION_READY, B)->status, d->fits ? 0 : EPROTO);
		assert_int_equal(joined(r, 2, "s"), d->fits);
		assert_int_equal(rig_count(r, 2, NODE_ACTION_SPACE_FAILED, 0), d->fits ? 0 : 1);
		assert_int_equal(rig_space(r, 1, "s").members_count, d->fits ? 2 : 1);
		assert_int_equal(rig_space(r, 1, "s").lost_count, 0);
		if (d->fits) {
			const struct engine_config *one =
				engine_config_get(rig_space(r, 1, "s").engine);
			const struct engine_config *two =
				engine_config_get(rig_space(r, 2, "s").engine);

			assert_int_equal(one->lvb_len, two->lvb_len);
			assert_int_equal(one->deadlock_wait_ms, two->deadlock_wait_ms);
			assert_int_equal(one->xid_scope, two->xid_scope);
		} else {
			/* It can be joined by who asks for what it is. */
			assert_int_equal(create(r, 2, "s"), 0);
			assert_true(joined(r, 2, "s"));
		}
		(void)rig_free(r);
	}
}

/* Nobody knows yet whether the wish can be had. */
static void attributes_of_a_lockspace_that_is_being_joined_are_not_known(void **state)
{
	struct rig *r = *state;
	const struct node_attributes lvb_64 = { .lvb_len = 64 };

	rig_hold(r, true);
	assert_int_equal(create_as(r, 1, "s", lvb_64), 0);
	assert_int_equal(create_as(r, 1, "s", lvb_64), 0);
	assert_int_equal(create(r, 1, "s"), 0);
	assert_int_equal(create_as(r, 1, "s", (struct node_attributes){ .lvb_len = 32 }), EAGAIN);
	rig_hold(r, false);
	assert_int_equal(create_as(r, 1, "s", (struct node_attributes){ .lvb_len = 32 }), EPROTO);
}

/* --- releasing -------------------------------------------------------------------------- */

/* What is in the way of a release. */
enum way {
	NOTHING,
	GRANTED,
	GRANTED_NL,
	QUEUED,      /* on W, behind another node's lock */
	ORPHAN,
	UNDELIVERED, /* a callback in the driver */
	IN_FLIGHT,
	OF_ANOTHER_NODE,
};

static void put_in_the_way(struct rig *r, enum way way)
{
	uint32_t lkid;

	rig_open(r, 1, A, "s", 100);
	rig_open(r, 2, B, "s", 200);
	switch (way) {
	case NOTHING:
		break;
	case GRANTED:
		(void)rig_lock(r, 1, A, "r", EX, 0);
		break;
	case GRANTED_NL:
		(void)rig_lock(r, 1, A, "r", NL, 0);
		break;
	case QUEUED:
		(void)rig_lock(r, 2, B, "r", EX, 0);
		(void)rig_lock(r, 1, A, "r", EX, 0);
		break;
	case ORPHAN:
		(void)rig_lock(r, 1, A, "r", PR, LOCKSTEP_LKF_PERSISTENT);
		node_session_close(r->hosts[1].node, A);
		rig_settle(r);
		break;
	case UNDELIVERED:
		lkid = rig_lock(r, 1, A, "r", EX, 0);
		assert_int_equal(rig_submit(r, 1, A, (struct rig_op){ .type = ENGINE_OP_UNLOCK,
								     .lkid = lkid }, NULL, NULL), 0);
		node_session_backlog(r->hosts[1].node, A, 1);
		break;
	case IN_FLIGHT:
		rig_hold(r, true);
		(void)rig_lock(r, 1, A, "r", EX, 0);
		break;
	case OF_ANOTHER_NODE:
		(void)rig_lock(r, 2, B, "r", EX, 0);
		break;
	}
}

/* R-LS-6, D-20: the table, create count 1. */
static void a_release_is_refused_as_its_force_says(void **state)
{
	static const struct {
		enum way way;
		int error[4]; /* by force */
	} table[] = {
		{ NOTHING, { 0, 0, 0, 0 } },
		{ GRANTED, { EBUSY, EBUSY, 0, 0 } },
		{ GRANTED_NL, { EBUSY, EBUSY, 0, 0 } },
		{ QUEUED, { EBUSY, 0, 0, 0 } },
		{ ORPHAN, { EBUSY, EBUSY, 0, 0 } },
		{ UNDELIVERED, { EBUSY, 0, 0, 0 } },
		{ IN_FLIGHT, { EBUSY, 0, 0, 0 } },
		{ OF_ANOTHER_NODE, { 0, 0, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (unsigned int force = 0; force < 4; force++) {
			struct rig *r = rig_new(2, NULL);
			unsigned int count = 99;

			put_in_the_way(r, table[i].way);
			int error = node_space_release(r->hosts[1].node, "s", force, &count);

			if (error != table[i].error[force]) {
				fail_msg("row %zu, force %u: %d", i, force, error);
			}
			rig_settle(r);
			rig_hold(r, false);
			assert_int_equal(joined(r, 1, "s"), error != 0);
			(void)rig_free(r);
		}
	}
}

/* R-LS-6: whatever is in the way, a count above 1 is only counted down, with any force. */
static void a_release_of_several_creations_only_counts(void **state)
{
	struct rig *r = *state;
	unsigned int count = 99;

	put_in_the_way(r, GRANTED);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(create(r, 1, "s"), 0);
	}
	for (unsigned int force = 0; force < 3; force++) {
		assert_int_equal(release(r, 1, "s", force, &count), 0);
		assert_int_equal(count, 3 - force);
	}
	assert_int_equal(release(r, 1, "s", 0, &count), EBUSY);
	assert_int_equal(release(r, 1, "s", 4, &count), EINVAL);
	assert_true(joined(r, 1, "s"));
}

/* R-LS-7, R-PROC-5: what the leaver owns goes, orphans too, and nobody is lost. */
static void a_leaver_takes_its_locks_along(void **state)
{
	struct rig *r = *state;
	unsigned int count;

	rig_open(r, 1, A, "s", 100);
	rig_open(r, 2, B, "s", 200);
	(void)rig_lock(r, 1, A, "orphaned", EX, LOCKSTEP_LKF_PERSISTENT);
	node_session_close(r->hosts[1].node, A);
	rig_settle(r);
	rig_open(r, 1, 12, "s", 100);
	(void)rig_lock(r, 1, 12, "held", EX, 0);
	(void)rig_lock(r, 2, B, "held", EX, 0);
	(void)rig_lock(r, 2, B, "orphaned", EX, 0);
	assert_int_equal(rig_count(r, 2, NODE_ACTION_CAST, B), 0);
	assert_int_equal(release(r, 1, "s", 2, &count), 0);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_LOST, 12)->status, ENOTCONN);
	assert_int_equal(rig_count(r, 2, NODE_ACTION_CAST, B), 2);
	assert_string_equal(rig_space(r, 2, "s").state, "running");
	assert_int_equal(rig_space(r, 2, "s").lost_count, 0);
	assert_int_equal(engine_totals_get(rig_space(r, 2, "s").engine).locks, 2);
}

/* Between release and departure it can be joined again a little later, not at once. */
static void a_lockspace_that_is_being_left_asks_for_patience(void **state)
{
	struct rig *r = *state;
	unsigned int count;

	assert_int_equal(create(r, 1, "s"), 0);
	rig_hold(r, true);
	assert_int_equal(node_space_release(r->hosts[1].node, "s", 0, &count), 0);
	rig_settle(r);
	assert_int_equal(create(r, 1, "s"), EAGAIN);
	assert_int_equal(open_at(r, 1, A, "s", true, anything), EAGAIN);
	assert_int_equal(open_at(r, 1, A, "s", false, anything), ENOENT);
	rig_hold(r, false);
	assert_int_equal(open_at(r, 1, A, "s", true, anything), 0);
	assert_int_equal(rig_last(r, 1, NODE_ACTION_READY, A)->status, 0);
}

/* R-LS-6: force 3 goes as a crash would: the others keep what it held until it is fenced. */
static void a_forced_shutdown_tells_nobody(void **state)
{
	struct rig *r = *state;
	unsigned int count;

	put_in_the_way(r, GRANTED);
	(void)rig_lock(r, 2, B, "r", EX, 0);
	assert_int_equal(release(r, 1, "s", 3, &count), 0);
	assert_int_equal(rig_count(r, 2, NODE_ACTION_CAST, B), 0);
	assert_int_equal(rig_space(r, 2, "s").lost_count, 1);
}

/* A program that closes its session and releases at once is not busy, it is early. */
static void a_session_that_is_just_ending_is_waited_for(void **state)
{
	struct rig *r = *state;
	unsigned int count;

	put_in_the_way(r, GRANTED);
	rig_hold(r, true);
	node_session_close(r->hosts[1].node, A);
	assert_int_equal(release(r, 1, "s", 0, &count), EAGAIN);
	assert_int_equal(release(r, 1, "s", 1, &count), EAGAIN);
	rig_hold(r, false);
	assert_int_equal(release(r, 1, "s", 0, &count), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_lockspace_has_a_name_that_can_be_a_file),
		TEST(an_lvb_length_is_a_multiple_of_eight),
		TEST(a_session_is_ready_when_the_state_is_here),
		TEST(creations_are_counted),
		TEST(a_lockspace_outlives_its_sessions),
		cmocka_unit_test(a_joiner_must_want_what_the_lockspace_is),
		TEST(attributes_of_a_lockspace_that_is_being_joined_are_not_known),
		cmocka_unit_test(a_release_is_refused_as_its_force_says),
		TEST(a_release_of_several_creations_only_counts),
		TEST(a_leaver_takes_its_locks_along),
		TEST(a_lockspace_that_is_being_left_asks_for_patience),
		TEST(a_forced_shutdown_tells_nobody),
		TEST(a_session_that_is_just_ending_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
