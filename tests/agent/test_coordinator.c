/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recovery coordinator in stories: T1 to T12 of recovery.md section 8, on the real lock engine with a
 * membership in virtual time (coordinator_rig.h), which also watches G1 to G4 all the time.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lockstep/lockstep_types.h>

#include "tests/agent/coordinator_rig.h"

#define LVB 32
#define LONG 20000 /* ms in which everything settles */

static struct rig *story(void)
{
	struct rig *rig = rig_new(0, LVB);

	rig->verbose = getenv("LOCKSTEP_VERBOSE") != NULL;
	return rig;
}

static void end(struct rig *rig)
{
	assert_string_equal(rig->violation, "");
	rig_free(rig);
}

static void calm(struct rig *rig)
{
	bool is_calm = rig_until(rig, rig_is_calm, NULL, LONG);

	assert_string_equal(rig->violation, "");
	assert_true(is_calm);
}

/* Conditions about one member. */
static bool is_first(struct rig *rig, void *m)
{
	(void)rig;
	return ((struct rig_member *)m)->use == RIG_FIRST;
}

static bool is_started(struct rig *rig, void *m)
{
	(void)rig;
	return ((struct rig_member *)m)->use == RIG_STARTED;
}

static bool is_unblocked(struct rig *rig, void *m)
{
	(void)rig;
	return ((struct rig_member *)m)->may_use;
}

static bool is_blocked(struct rig *rig, void *m)
{
	(void)rig;
	return !((struct rig_member *)m)->may_use;
}

static bool has_failed(struct rig *rig, void *m)
{
	(void)rig;
	return ((struct rig_member *)m)->use == RIG_FAILED;
}

static bool holds_control(struct rig *rig, void *m)
{
	return rig_mode(rig, m, COORDINATOR_CONTROL) == LOCKSTEP_LOCK_EX;
}

static bool reads_mounted(struct rig *rig, void *m)
{
	return rig_mode(rig, m, COORDINATOR_MOUNTED) == LOCKSTEP_LOCK_PR;
}

static bool has_slots_told(struct rig *rig, void *count)
{
	unsigned int told = 0;

	for (uint32_t i = 0; i < RIG_ITEMS; i++) {
		told += rig->listed[i];
	}
	return told >= *(unsigned int *)count;
}

static bool bits_are(struct rig *rig, void *count)
{
	return rig_bits(rig) == *(unsigned int *)count;
}

static bool has_stopped(struct rig *rig, void *m)
{
	(void)rig;
	return ((struct rig_member *)m)->use == RIG_STOPPED;
}

/* Three members that have started, in order 1, 2, 3. */
static struct rig *trio(struct rig_member *m[3])
{
	struct rig *rig = story();

	for (uint32_t i = 0; i < 3; i++) {
		m[i] = rig_join(rig, i + 1, false);
		calm(rig);
	}
	rig_for(rig, 10); /* and work */
	return rig;
}

/* T1, R-RC-9, R-RC-13 to R-RC-15. */
static void first_mounter_alone(void **state)
{
	(void)state;
	struct rig *rig = story();
	struct rig_member *a = rig_join(rig, 1, false);

	assert_int_equal(coordinator_first_done(a->c), -EINVAL);
	assert_true(rig_until(rig, is_first, a, LONG));
	assert_int_equal(rig_mode(rig, a, COORDINATOR_CONTROL), LOCKSTEP_LOCK_EX);
	assert_int_equal(rig_mode(rig, a, COORDINATOR_MOUNTED), LOCKSTEP_LOCK_EX);
	assert_false(coordinator_is_blocked(a->c));
	calm(rig);
	assert_int_equal(rig_mode(rig, a, COORDINATOR_CONTROL), LOCKSTEP_LOCK_NL);
	assert_int_equal(rig_mode(rig, a, COORDINATOR_MOUNTED), LOCKSTEP_LOCK_PR);
	assert_int_equal(rig_mode(rig, a, COORDINATOR_OWN), LOCKSTEP_LOCK_EX);
	assert_int_equal(coordinator_lvb_generation(rig_lvb(rig, NULL)), rig->generation);
	assert_int_equal(coordinator_first_done(a->c), -EINVAL);
	end(rig);
}

/* T2, R-RC-6: the door. */
static void second_waits_at_the_door_while_first_recovers(void **state)
{
	(void)state;
	struct rig *rig = story();
	struct rig_member *a = rig_join(rig, 1, false);

	a->by_hand = true;
	assert_true(rig_until(rig, is_first, a, LONG));
	struct rig_member *b = rig_join(rig, 2, false);

	rig_for(rig, 5 * COORDINATOR_ROUND_MS);
	assert_int_equal(b->use, RIG_STARTING);
	assert_int_equal(rig_mode(rig, b, COORDINATOR_CONTROL), LOCKSTEP_LOCK_NL);
	assert_int_equal(rig_mode(rig, b, COORDINATOR_MOUNTED), LOCKSTEP_LOCK_NL);
	assert_true(b->timer_round[COORDINATOR_TIMER_ROUND] >= 3);
	assert_int_equal(a->blocks, 0); /* R-RC-1: FIRST is not blocked */
	assert_int_equal(coordinator_first_done(a->c), 0);
	rig_drain(a);
	calm(rig);
	assert_int_equal(b->use, RIG_STARTED);
	assert_int_equal(a->recoveries[1], 0);
	end(rig);
}

/* R-RC-14: first_done during a recovery of locks waits for done, and R-RC-15 writes that generation. */
static void first_done_waits_for_a_recovery_under_way(void **state)
{
	(void)state;
	struct rig *rig = story();
	struct rig_member *a = rig_join(rig, 1, false);

	a->by_hand = true;
	assert_true(rig_until(rig, is_first, a, LONG));
	uint32_t before = rig->generation;

	coordinator_prep(a->c);
	assert_int_equal(coordinator_first_done(a->c), 0);
	struct coordinator_action action;

	assert_true(coordinator_action_next(a->c, &action));
	assert_int_equal(action.type, COORDINATOR_DO_PREPARED);
	assert_false(coordinator_action_next(a->c, &action));
	coordinator_done(a->c, before + 3, 1, 1);
	assert_true(coordinator_action_next(a->c, &action));
	assert_int_equal(action.type, COORDINATOR_DO_LOCK);
	assert_int_equal(action.lock, COORDINATOR_MOUNTED);
	assert_int_equal(action.mode, LOCKSTEP_LOCK_PR);
	coordinator_completed(a->c, COORDINATOR_MOUNTED, 0, false, NULL);
	assert_true(coordinator_action_next(a->c, &action));
	assert_int_equal(action.mode, LOCKSTEP_LOCK_NL);
	assert_int_equal(action.flags, LOCKSTEP_LKF_CONVERT | LOCKSTEP_LKF_VALBLK);
	assert_int_equal(coordinator_lvb_generation(coordinator_lvb(a->c)), before + 3);
	end(rig);
}

/* T3 */
static void second_becomes_first_when_first_dies_before_it_is_done(void **state)
{
	(void)state;
	struct rig *rig = story();
	struct rig_member *a = rig_join(rig, 1, false);

	assert_true(rig_until(rig, is_first, a, LONG));
	struct rig_member *b = rig_join(rig, 2, false);

	rig_for(rig, 30);
	assert_int_equal(a->use, RIG_FIRST);
	rig_kill(rig, a);
	assert_true(rig_until(rig, is_first, b, LONG));
	calm(rig);
	assert_int_equal(b->use, RIG_STARTED);
	end(rig);
}

/* T4: exactly one bit, blocked from prep until it is clear. */
static void one_death_sets_one_bit_and_blocks_until_it_is_clear(void **state)
{
	(void)state;
	unsigned int one = 1;
	struct rig_member *m[3];
	struct rig *rig = trio(m);
	unsigned int blocks = m[0]->blocks;

	assert_true(rig->items[2].dirty);
	rig_kill(rig, m[2]);
	assert_true(rig_until(rig, is_blocked, m[0], LONG));
	assert_true(rig_until(rig, is_blocked, m[1], LONG));
	assert_false(has_slots_told(rig, &one)); /* before anything is told (R-CB-3) */
	assert_true(rig_until(rig, bits_are, &one, LONG));
	assert_true(coordinator_lvb_bit(rig_lvb(rig, NULL), 2));
	assert_int_equal(rig_lvb(rig, NULL)[8], 4);
	assert_int_equal(coordinator_lvb_generation(rig_lvb(rig, NULL)), rig->generation);
	assert_false(m[0]->may_use);
	assert_false(m[1]->may_use);
	assert_true(coordinator_item_failed(m[0]->c, 2) || coordinator_item_failed(m[1]->c, 2));
	calm(rig);
	assert_int_equal(rig->bits_ever, 1);
	assert_int_equal(rig->items[2].recovered >= 1, 1);
	assert_int_equal(m[0]->blocks, blocks + 1);
	assert_int_equal(m[0]->recoveries[0] + m[0]->recoveries[1], 0);
	end(rig);
}

/* T5, R-RC-17 */
static void second_death_between_done_and_worker_sets_both_bits(void **state)
{
	(void)state;
	struct rig *rig = story();
	struct rig_member *m[4];
	unsigned int one = 1;

	for (uint32_t i = 0; i < 4; i++) {
		m[i] = rig_join(rig, i + 1, false);
		calm(rig);
	}
	rig_kill(rig, m[3]);
	assert_true(rig_until(rig, has_slots_told, &one, LONG));
	/* done is on its way; the next prep will be there before the worker has the lock. */
	rig_kill(rig, m[2]);
	calm(rig);
	assert_int_equal(rig->bits_ever, 2);
	assert_true(rig->items[2].recovered >= 1 && rig->items[3].recovered >= 1);
	end(rig);
}

/* T6, and R-RC-28: the mark of the dead holder is taken off. */
static void holder_of_control_dies_and_others_set_the_bit(void **state)
{
	(void)state;
	struct rig_member *m[3];
	struct rig *rig = trio(m);
	bool invalid;

	rig_kill(rig, m[2]);
	assert_true(rig_until(rig, holds_control, m[1], LONG));
	rig_kill(rig, m[1]);
	calm(rig);
	assert_int_equal(rig->bits_ever, 2);
	assert_true(m[0]->recoveries[1] >= 1 && m[0]->recoveries[2] >= 1);
	assert_true(m[0]->notes >= 1);
	(void)rig_lvb(rig, &invalid);
	assert_false(invalid);
	end(rig);
}

/* T7, R-RC-10, one condition each. The worker of the old member is kept away, so that only the LVB decides. */
static void newcomer_waits_until_all_is_recovered_and_told(void **state)
{
	static const struct {
		int32_t generation; /* of the LVB, from that of the newcomer's done */
		bool bit;
		bool prep;
		bool starts;
	} cases[] = {
		{ 0, true, false, false },  /* something is listed */
		{ -1, false, false, false }, /* older than our first done: failures may be missing */
		{ 1, false, false, false }, /* newer: our done is still to come */
		{ 0, false, true, false },  /* between prep and done */
		{ 0, false, false, true },
	};
	struct coordinator_action action = { .type = 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct coordinator *c = coordinator_new(LVB, false);
		uint8_t lvb[LVB] = { (uint8_t)(7 + cases[i].generation) };

		lvb[8 + 1] = cases[i].bit ? 2 : 0;
		coordinator_done(c, 7, 2, 2);
		coordinator_start(c);
		coordinator_completed(c, COORDINATOR_CONTROL, 0, false, NULL);
		coordinator_completed(c, COORDINATOR_MOUNTED, 0, false, NULL);
		coordinator_completed(c, COORDINATOR_CONTROL, 0, false, lvb);
		coordinator_completed(c, COORDINATOR_MOUNTED, EAGAIN, false, NULL);
		coordinator_completed(c, COORDINATOR_MOUNTED, 0, false, NULL);
		if (cases[i].prep) {
			coordinator_prep(c);
		}
		coordinator_completed(c, COORDINATOR_CONTROL, 0, false, NULL);
		assert_int_equal(coordinator_is_started(c), cases[i].starts);
		assert_int_equal(coordinator_is_blocked(c), !cases[i].starts);
		while (coordinator_action_next(c, &action)) {
		}
		/* The last one: mounted goes back to NL for the pause, or the own item is taken. */
		assert_int_equal(action.type, COORDINATOR_DO_LOCK);
		assert_int_equal(action.lock, cases[i].starts ? COORDINATOR_OWN : COORDINATOR_MOUNTED);
		assert_int_equal(action.mode, cases[i].starts ? LOCKSTEP_LOCK_EX : LOCKSTEP_LOCK_NL);
		if (!cases[i].starts) {
			coordinator_completed(c, COORDINATOR_MOUNTED, 0, false, NULL);
			assert_true(coordinator_action_next(c, &action));
			assert_int_equal(action.type, COORDINATOR_DO_TIMER);
			assert_int_equal(action.ms, 500); /* R-RC-5 */
		}
		(void)coordinator_free(c);
	}
}

static void newcomer_during_a_recovery_starts_after_it(void **state)
{
	(void)state;
	struct rig_member *m[3];
	struct rig *rig = trio(m);
	unsigned int one = 1;

	m[0]->outcome[2] = m[1]->outcome[2] = COORDINATOR_GAVEUP;
	rig_kill(rig, m[2]);
	assert_true(rig_until(rig, bits_are, &one, LONG));
	struct rig_member *d = rig_join(rig, 4, false);

	assert_true(rig_until(rig, is_started, d, LONG));
	assert_int_equal(rig_bits(rig), 0);
	assert_false(rig->items[2].dirty && rig->members[rig->items[2].owner] == m[2]);
	assert_int_equal(d->slot, 3); /* R-SLOT-2: that of the dead */
	calm(rig);
	end(rig);
}

/* T8, R-RC-26: the newcomer gets the slot of the dead, and dies before its start has ended. */
static void slot_is_used_again_by_one_that_dies_while_starting(void **state)
{
	(void)state;
	struct rig_member *m[3];
	struct rig *rig = trio(m);
	unsigned int one = 1;

	rig_kill(rig, m[2]);
	assert_true(rig_until(rig, bits_are, &one, LONG));
	struct rig_member *d = rig_join(rig, 4, false);

	assert_true(rig_until(rig, reads_mounted, d, LONG));
	assert_int_equal(d->use, RIG_STARTING);
	assert_int_equal(d->slot, 3);
	rig_kill(rig, d);
	calm(rig);
	end(rig);
}

/* A member with slot 1 that has started as another one, generation 5; what it asked for is answered. */
static struct coordinator *started_at_5(uint8_t lvb[LVB])
{
	struct coordinator *c = coordinator_new(LVB, false);
	struct coordinator_action action;

	memset(lvb, 0, LVB);
	lvb[0] = 5;
	coordinator_done(c, 5, 1, 2);
	coordinator_start(c);
	coordinator_completed(c, COORDINATOR_CONTROL, 0, false, NULL);
	coordinator_completed(c, COORDINATOR_MOUNTED, 0, false, NULL);
	coordinator_completed(c, COORDINATOR_CONTROL, 0, false, lvb);
	coordinator_completed(c, COORDINATOR_MOUNTED, EAGAIN, false, NULL);
	coordinator_completed(c, COORDINATOR_MOUNTED, 0, false, NULL);
	coordinator_completed(c, COORDINATOR_CONTROL, 0, false, NULL);
	coordinator_completed(c, COORDINATOR_OWN, 0, false, NULL);
	assert_true(coordinator_is_started(c));
	while (coordinator_action_next(c, &action)) {
	}
	return c;
}

/* The last thing it asks for. */
static struct coordinator_action last_action(struct coordinator *c)
{
	struct coordinator_action action = { .type = 0 };

	while (coordinator_action_next(c, &action)) {
	}
	return action;
}

/* The hole beside R-RC-26: the one in between has started, and a result is older than its failure. */
static void result_from_before_a_failure_does_not_clear_its_bit(void **state)
{
	uint8_t lvb[LVB];
	struct coordinator *c = started_at_5(lvb);

	(void)state;
	/* Item 1 fails, and its recovery begins here. */
	coordinator_prep(c);
	coordinator_slot(c, 2);
	coordinator_done(c, 6, 1, 2);
	coordinator_completed(c, COORDINATOR_CONTROL, 0, false, lvb);
	assert_true(coordinator_lvb_bit(coordinator_lvb(c), 1));
	coordinator_completed(c, COORDINATOR_CONTROL, 0, false, NULL);
	assert_int_equal(last_action(c).type, COORDINATOR_DO_RECOVER);
	/* Somebody else is faster, a newcomer starts with the slot and fails as well. */
	coordinator_blocked(c);
	coordinator_prep(c);
	coordinator_slot(c, 2);
	coordinator_result(c, 1, COORDINATOR_SUCCESS);
	coordinator_done(c, 7, 1, 2);
	memset(lvb, 0, LVB);
	lvb[0] = 7;
	lvb[8] = 2; /* listed by the somebody else */
	coordinator_completed(c, COORDINATOR_CONTROL, 0, false, lvb);
	assert_true(coordinator_lvb_bit(coordinator_lvb(c), 1));
	(void)coordinator_free(c);
}

/* R-RC-17: nothing is written, and no bit is looked at; R-RC-28: but for the mark. */
static void worker_does_nothing_when_the_world_has_changed(void **state)
{
	(void)state;
	for (int invalid = 0; invalid < 2; invalid++) {
		uint8_t lvb[LVB];
		struct coordinator *c = started_at_5(lvb);
		struct coordinator_action action;

		coordinator_prep(c);
		coordinator_slot(c, 2);
		coordinator_done(c, 6, 1, 2);
		coordinator_prep(c);
		coordinator_completed(c, COORDINATOR_CONTROL, 0, invalid, lvb);
		action = last_action(c);
		assert_int_equal(action.type, COORDINATOR_DO_LOCK);
		assert_int_equal(action.mode, LOCKSTEP_LOCK_NL);
		assert_int_equal(action.flags & LOCKSTEP_LKF_VALBLK,
				 invalid ? LOCKSTEP_LKF_VALBLK : 0);
		assert_memory_equal(coordinator_lvb(c), lvb, LVB);
		coordinator_completed(c, COORDINATOR_CONTROL, 0, false, NULL);
		assert_false(coordinator_action_next(c, &action));
		assert_true(coordinator_is_blocked(c));
		(void)coordinator_free(c);
	}
}

/* R-RC-28: what was read is written once more, and with it the mark goes. */
static void worker_takes_the_mark_off_when_it_has_nothing_to_say(void **state)
{
	uint8_t lvb[LVB];
	struct coordinator *c = started_at_5(lvb);
	struct coordinator_action action;

	(void)state;
	lvb[0] = 6; /* somebody was faster */
	coordinator_prep(c);
	coordinator_done(c, 6, 1, 2);
	coordinator_completed(c, COORDINATOR_CONTROL, 0, true, lvb);
	action = last_action(c);
	assert_int_equal(action.mode, LOCKSTEP_LOCK_NL);
	assert_int_equal(action.flags, LOCKSTEP_LKF_VALBLK | LOCKSTEP_LKF_CONVERT);
	assert_memory_equal(coordinator_lvb(c), lvb, LVB);
	(void)coordinator_free(c);
}

/* T9 */
static void disabled_generation_refuses_every_start(void **state)
{
	(void)state;
	struct rig_member *m[3];
	struct rig *rig = trio(m);
	uint8_t lvb[LVB] = { 0xff, 0xff, 0xff, 0xff };

	rig_lvb_write(rig, lvb);
	struct rig_member *d = rig_join(rig, 4, false);

	assert_true(rig_until(rig, has_failed, d, LONG));
	assert_int_equal(d->start_error, -EINVAL);
	assert_int_equal(rig_mode(rig, d, COORDINATOR_CONTROL), -1); /* R-RC-11 */
	assert_int_equal(rig_mode(rig, d, COORDINATOR_MOUNTED), -1);
	/* Those who run are not let go on after the change: failures could not be listed. */
	rig_for(rig, 3000);
	assert_false(m[0]->may_use);
	end(rig);
}

/* T10, R-RC-24, R-RC-25 */
static void one_that_gave_up_tries_again_after_a_second(void **state)
{
	(void)state;
	struct rig *rig = story();
	struct rig_member *a = rig_join(rig, 1, false);
	unsigned int one = 1;

	calm(rig);
	struct rig_member *b = rig_join(rig, 2, false);

	calm(rig);
	a->outcome[1] = COORDINATOR_GAVEUP;
	rig_kill(rig, b);
	assert_true(rig_until(rig, bits_are, &one, LONG));
	rig_for(rig, 900);
	assert_int_equal(a->recoveries[1], 1);
	assert_false(a->may_use);
	rig_for(rig, 300);
	assert_int_equal(a->recoveries[1], 2);
	calm(rig);
	assert_int_equal(rig->items[1].recovered, 1);
	end(rig);
}

/* R-RC-31 */
static void panic_is_not_tried_again_here_and_another_member_helps(void **state)
{
	(void)state;
	struct rig *rig = story();
	struct rig_member *a = rig_join(rig, 1, false);

	calm(rig);
	struct rig_member *b = rig_join(rig, 2, false);

	calm(rig);
	a->outcome[1] = COORDINATOR_PANIC;
	rig_kill(rig, b);
	rig_for(rig, 10000);
	assert_int_equal(a->recoveries[1], 1);
	assert_int_equal(rig_bits(rig), 1);
	assert_false(a->may_use);
	/* Who clears it by hand, as a hand-written client may (R-RC-30), sets it going again. */
	uint8_t lvb[LVB];

	memcpy(lvb, rig_lvb(rig, NULL), LVB);
	lvb[8] = 0;
	rig->items[1].dirty = false;
	rig_lvb_write(rig, lvb);
	calm(rig);
	end(rig);
}

/* T11 */
static void all_started_die_and_the_one_that_starts_becomes_first(void **state)
{
	(void)state;
	struct rig_member *m[3];
	struct rig *rig = trio(m);
	struct rig_member *d = rig_join(rig, 4, false);

	assert_true(rig_until(rig, reads_mounted, d, LONG));
	for (int i = 0; i < 3; i++) {
		rig_kill(rig, m[i]);
	}
	assert_true(rig_until(rig, is_first, d, LONG));
	calm(rig);
	end(rig);
}

/* T12 */
static void forty_members_and_the_last_ones_die(void **state)
{
	(void)state;
	struct rig *rig = story();
	struct rig_member *m[40];

	for (uint32_t i = 0; i < 40; i++) {
		m[i] = rig_join(rig, i + 1, false);
	}
	calm(rig);
	for (int i = 20; i < 40; i++) {
		rig_kill(rig, m[i]);
	}
	calm(rig);
	assert_int_equal(rig->bits_ever, 20);
	end(rig);
}

static void slot_beyond_the_bitmap_is_refused(void **state)
{
	(void)state;
	struct rig *rig = story();
	struct rig_member *m[194];

	for (uint32_t i = 0; i < 194; i++) {
		m[i] = rig_join(rig, i + 1, false);
	}
	assert_int_equal(coordinator_items_max(m[0]->c), 192);
	rig_for(rig, 120000);
	assert_string_equal(rig->violation, "");
	for (int i = 0; i < 192; i++) {
		assert_int_equal(m[i]->use, RIG_STARTED);
	}
	for (int i = 192; i < 194; i++) {
		assert_int_equal(m[i]->use, RIG_FAILED);
		assert_int_equal(m[i]->start_error, -ENOSPC);
		/* Its failure concerns nobody. */
		rig_kill(rig, m[i]);
	}
	rig_kill(rig, m[191]);
	calm(rig);
	assert_int_equal(rig->bits_ever, 1);
	assert_null(coordinator_new(8, false));
	end(rig);
}

/* R-RC-12 */
static void spectator_waits_for_a_member_that_recovers(void **state)
{
	(void)state;
	struct rig *rig = story();
	struct rig_member *s = rig_join(rig, 1, true);

	rig_for(rig, 4000);
	assert_int_equal(s->use, RIG_STARTING);
	struct rig_member *a = rig_join(rig, 2, false);
	struct rig_member *b = rig_join(rig, 3, false);

	calm(rig);
	rig_kill(rig, b);
	calm(rig);
	assert_int_equal(s->recoveries[2], 0);
	assert_int_equal(a->recoveries[2], 1);
	end(rig);
}

/* R-RC-1: prep is acknowledged when the application has stopped using what it is granted. */
static void prep_waits_for_the_application(void **state)
{
	(void)state;
	struct rig_member *m[3];
	struct rig *rig = trio(m);
	unsigned int one = 1;

	m[0]->frozen = true;
	rig_kill(rig, m[2]);
	assert_false(rig_until(rig, has_slots_told, &one, 5000));
	coordinator_blocked(m[0]->c);
	rig_drain(m[0]);
	calm(rig);
	end(rig);
}

/* R-RC-27 */
static void stop_leaves_no_bit_and_a_start_can_be_stopped(void **state)
{
	(void)state;
	struct rig_member *m[3];
	struct rig *rig = trio(m);

	rig_stop(rig, m[2]);
	assert_true(rig_until(rig, has_stopped, m[2], LONG));
	(void)rig_join(rig, 4, false);
	calm(rig);
	assert_int_equal(rig->bits_ever, 0);
	assert_int_equal(m[2]->stops_told, 1);
	struct rig_member *d = rig_join(rig, 5, false);

	assert_true(rig_until(rig, reads_mounted, d, LONG));
	rig_stop(rig, d);
	assert_true(rig_until(rig, has_stopped, d, LONG));
	assert_int_equal(d->start_error, -EINTR);
	end(rig);
}

static void lost_session_ends_what_is_waited_for(void **state)
{
	struct coordinator *c = coordinator_new(LVB, false);
	struct coordinator_action action;

	(void)state;
	coordinator_start(c);
	coordinator_lose(c);
	assert_true(coordinator_action_next(c, &action));
	assert_int_equal(action.type, COORDINATOR_DO_STARTED);
	assert_int_equal(action.error, -ENOTCONN);
	coordinator_completed(c, COORDINATOR_CONTROL, 0, false, NULL);
	coordinator_prep(c);
	coordinator_done(c, 3, 1, 1);
	coordinator_timer_expired(c, COORDINATOR_TIMER_RETRY);
	assert_int_equal(coordinator_first_done(c), -EINVAL);
	assert_false(coordinator_action_next(c, &action));
	coordinator_stop(c);
	assert_true(coordinator_action_next(c, &action));
	assert_int_equal(action.type, COORDINATOR_DO_STOPPED);
	assert_null(coordinator_free(c));
}

/* The late recoverer: a member that still means to recover the item of the one before finds it in use. */
static void item_in_use_is_not_recovered(void **state)
{
	(void)state;
	struct rig_member *m[3];
	struct rig *rig = trio(m);

	assert_int_equal(rig_mode(rig, m[1], COORDINATOR_OWN), LOCKSTEP_LOCK_EX);
	rig_kill(rig, m[2]);
	struct rig_member *d = rig_join(rig, 4, false);

	assert_true(rig_until(rig, is_unblocked, d, LONG));
	calm(rig);
	assert_int_equal(rig_mode(rig, d, COORDINATOR_OWN), LOCKSTEP_LOCK_EX);
	end(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_mounter_alone),
		cmocka_unit_test(second_waits_at_the_door_while_first_recovers),
		cmocka_unit_test(first_done_waits_for_a_recovery_under_way),
		cmocka_unit_test(second_becomes_first_when_first_dies_before_it_is_done),
		cmocka_unit_test(one_death_sets_one_bit_and_blocks_until_it_is_clear),
		cmocka_unit_test(second_death_between_done_and_worker_sets_both_bits),
		cmocka_unit_test(holder_of_control_dies_and_others_set_the_bit),
		cmocka_unit_test(newcomer_waits_until_all_is_recovered_and_told),
		cmocka_unit_test(newcomer_during_a_recovery_starts_after_it),
		cmocka_unit_test(slot_is_used_again_by_one_that_dies_while_starting),
		cmocka_unit_test(result_from_before_a_failure_does_not_clear_its_bit),
		cmocka_unit_test(worker_does_nothing_when_the_world_has_changed),
		cmocka_unit_test(worker_takes_the_mark_off_when_it_has_nothing_to_say),
		cmocka_unit_test(disabled_generation_refuses_every_start),
		cmocka_unit_test(one_that_gave_up_tries_again_after_a_second),
		cmocka_unit_test(panic_is_not_tried_again_here_and_another_member_helps),
		cmocka_unit_test(all_started_die_and_the_one_that_starts_becomes_first),
		cmocka_unit_test(forty_members_and_the_last_ones_die),
		cmocka_unit_test(slot_beyond_the_bitmap_is_refused),
		cmocka_unit_test(spectator_waits_for_a_member_that_recovers),
		cmocka_unit_test(prep_waits_for_the_application),
		cmocka_unit_test(stop_leaves_no_bit_and_a_start_can_be_stopped),
		cmocka_unit_test(lost_session_ends_what_is_waited_for),
		cmocka_unit_test(item_in_use_is_not_recovered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
