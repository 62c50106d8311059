/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a member starts (R-RC-5 to R-RC-12), and how the first one opens the door for the others (R-RC-13 to
 * R-RC-15). One request at a time; each completion decides on the next one.
 */
#include "config.h"

#include <errno.h>

#include <lockstep/lockstep_types.h>

#include "lib/base/assert.h"
#include "lib/coordinator/private.h"

void coordinator_start(struct coordinator *c)
{
	ls_assert(c->phase == START_NONE);
	if (c->lost || c->unmount) {
		return;
	}
	c->phase = START_CONTROL_NL;
	lock_ask(c, COORDINATOR_CONTROL, LOCKSTEP_LOCK_NL, LOCKSTEP_LKF_VALBLK);
}

static void ask(struct coordinator *c, enum start_phase phase, enum coordinator_lock lock, int mode,
		uint32_t flags)
{
	c->phase = phase;
	lock_ask(c, lock, mode, flags);
}

/* R-RC-11, the own item's lock first. */
static void fail_on(struct coordinator *c)
{
	static const enum start_phase phases[] = {
		[COORDINATOR_OWN] = START_FAIL_OWN,
		[COORDINATOR_MOUNTED] = START_FAIL_MOUNTED,
		[COORDINATOR_CONTROL] = START_FAIL_CONTROL,
	};

	for (int i = COORDINATOR_OWN; i >= COORDINATOR_CONTROL; i--) {
		if (c->held[i]) {
			c->phase = phases[i];
			unlock_ask(c, (enum coordinator_lock)i);
			return;
		}
	}
	c->phase = START_FAILED;
	c->told_started = true;
	action_add(c, COORDINATOR_DO_STARTED)->error = c->start_error;
}

static void fail(struct coordinator *c, int error)
{
	if (c->start_error == 0) {
		c->start_error = error;
	}
	c->blocked = true;
	c->mount_done = false;
	c->first = false;
	fail_on(c);
}

void start_round(struct coordinator *c)
{
	if (c->start_error) {
		fail(c, c->start_error);
		return;
	}
	if (c->mount_generation == 0) {
		/* Its slot and generation are not known yet (R-CB-6), and without them a round cannot
		 * succeed but as the first, who would not know its item. */
		c->phase = START_WAIT_DONE;
		return;
	}
	ask(c, START_CONTROL_EX, COORDINATOR_CONTROL, LOCKSTEP_LOCK_EX,
	    LOCKSTEP_LKF_NOQUEUE | LOCKSTEP_LKF_VALBLK);
}

static void pause_round(struct coordinator *c)
{
	c->phase = START_PAUSE;
	timer_set(c, COORDINATOR_TIMER_ROUND,
		  c->spectator ? COORDINATOR_SPECTATOR_ROUND_MS : COORDINATOR_ROUND_MS);
}

/* R-RC-7: another attempt is impossible while we hold control EX, so a refusal means others. */
static void mounted_came(struct coordinator *c, int status)
{
	if (status == EAGAIN && c->phase == START_MOUNTED_EX) {
		ask(c, START_MOUNTED_PR, COORDINATOR_MOUNTED, LOCKSTEP_LOCK_PR,
		    LOCKSTEP_LKF_NOQUEUE);
	} else if (status) {
		fail(c, -status);
	} else if (coordinator_lvb_generation(c->lvb) == COORDINATOR_DISABLED) {
		fail(c, -EINVAL); /* R-RC-8 */
	} else if (c->phase == START_MOUNTED_PR) {
		ask(c, START_CONTROL_BACK, COORDINATOR_CONTROL, LOCKSTEP_LOCK_NL,
		    c->start_invalid ? LOCKSTEP_LKF_VALBLK : 0);
	} else if (c->spectator) {
		ask(c, START_SPECTATOR_BACK, COORDINATOR_MOUNTED, LOCKSTEP_LOCK_NL, 0);
	} else {
		c->blocked = false;
		c->mount_done = true;
		c->first = true; /* R-RC-9: both stay EX */
		items_clear(c);
		ask(c, START_OWN, COORDINATOR_OWN, LOCKSTEP_LOCK_EX, 0);
	}
}

static bool bitmap_empty(const struct coordinator *c)
{
	for (uint32_t i = 0; i < c->items_max; i++) {
		if (coordinator_lvb_bit(c->lvb, i)) {
			return false;
		}
	}
	return true;
}

/* R-RC-10 */
static void others_judge(struct coordinator *c)
{
	uint32_t generation = coordinator_lvb_generation(c->lvb);

	if (!bitmap_empty(c) || generation < c->mount_generation ||
	    generation != c->start_generation || c->block_generation == c->start_generation) {
		ask(c, START_MOUNTED_BACK, COORDINATOR_MOUNTED, LOCKSTEP_LOCK_NL, 0);
		return;
	}
	c->blocked = false;
	c->mount_done = true;
	items_clear(c);
	ask(c, START_OWN, COORDINATOR_OWN, LOCKSTEP_LOCK_EX, 0);
}

static void started(struct coordinator *c)
{
	c->phase = START_STARTED;
	struct coordinator_action *a = action_add(c, COORDINATOR_DO_STARTED);

	a->first = c->first;
	a->item = c->own;
	c->told_started = true;
	block_tell(c);
}

/* --- the end of the first recovery -------------------------------------------------------- */

static void first_done_try(struct coordinator *c)
{
	/* R-RC-14: a recovery of locks is under way, its done calls us again. */
	if (!c->first_done_wanted || c->phase != START_STARTED ||
	    c->start_generation == c->block_generation) {
		return;
	}
	c->first_done_wanted = false;
	c->first = false;
	c->first_done = true;
	items_clear(c);
	for (uint32_t i = 0; i < c->items_max; i++) {
		lvb_bit_set(c, i, false);
	}
	lvb_generation_set(c, c->start_generation);
	ask(c, START_FIRST_MOUNTED, COORDINATOR_MOUNTED, LOCKSTEP_LOCK_PR, 0);
}

int coordinator_first_done(struct coordinator *c)
{
	if (c->blocked || !c->mount_done || !c->first || c->phase != START_STARTED ||
	    c->first_done_wanted || c->lost || c->unmount) {
		return -EINVAL; /* R-RC-13 */
	}
	c->first_done_wanted = true;
	first_done_try(c);
	return 0;
}

static void first_ended(struct coordinator *c)
{
	c->phase = START_STARTED;
	action_add(c, COORDINATOR_DO_FIRST_ENDED)->error = 0;
	worker_run(c); /* what came meanwhile */
}

/* --- completions ------------------------------------------------------------------------- */

static void control_came(struct coordinator *c, int status, bool invalid)
{
	if (status == EAGAIN) {
		pause_round(c);
	} else if (status) {
		fail(c, -status);
	} else {
		c->start_invalid = invalid;
		if (invalid) {
			(void)action_add(c, COORDINATOR_DO_NOTE_INVALID);
		}
		ask(c, START_MOUNTED_EX, COORDINATOR_MOUNTED, LOCKSTEP_LOCK_EX,
		    LOCKSTEP_LKF_NOQUEUE);
	}
}

void start_completed(struct coordinator *c, enum coordinator_lock lock, int status, bool invalid)
{
	(void)lock;
	switch (c->phase) {
	case START_CONTROL_EX:
		control_came(c, status, invalid);
		return;
	case START_MOUNTED_EX:
	case START_MOUNTED_PR:
		mounted_came(c, status);
		return;
	case START_FAIL_OWN:
	case START_FAIL_MOUNTED:
	case START_FAIL_CONTROL:
		fail_on(c);
		return;
	default:
		break;
	}
	if (status) {
		fail(c, -status);
		return;
	}
	switch (c->phase) {
	case START_CONTROL_NL:
		ask(c, START_MOUNTED_NL, COORDINATOR_MOUNTED, LOCKSTEP_LOCK_NL, 0);
		return;
	case START_MOUNTED_NL:
		start_round(c);
		return;
	case START_SPECTATOR_BACK:
		ask(c, START_MOUNTED_BACK, COORDINATOR_CONTROL, LOCKSTEP_LOCK_NL, 0);
		return;
	case START_CONTROL_BACK:
		others_judge(c);
		return;
	case START_MOUNTED_BACK:
		pause_round(c);
		return;
	case START_OWN:
		started(c);
		return;
	case START_FIRST_MOUNTED:
		ask(c, START_FIRST_CONTROL, COORDINATOR_CONTROL, LOCKSTEP_LOCK_NL,
		    LOCKSTEP_LKF_VALBLK);
		return;
	case START_FIRST_CONTROL:
		first_ended(c);
		return;
	default:
		ls_assert(false); /* a completion that nobody waits for */
	}
}

void start_done_came(struct coordinator *c)
{
	if (c->phase == START_WAIT_DONE) {
		start_round(c);
	} else {
		first_done_try(c);
	}
}

bool start_has_control(const struct coordinator *c)
{
	return c->first || c->phase == START_FIRST_MOUNTED || c->phase == START_FIRST_CONTROL ||
	       (c->phase < START_OWN && c->phase != START_NONE);
}
