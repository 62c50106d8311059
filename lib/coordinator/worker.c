/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control worker (R-RC-16 to R-RC-22): brings what this member knows about failures and recoveries
 * into the control LVB, starts the recovery of what is listed there, and lifts the block when nothing is.
 * One run at a time; what asks for another one meanwhile gets it afterwards.
 */
#include "config.h"

#include <stdlib.h>

#include <lockstep/lockstep_types.h>

#include "lib/base/assert.h"
#include "lib/coordinator/private.h"

void worker_run(struct coordinator *c)
{
	if (!c->mount_done || c->first || c->unmount || c->lost) {
		return; /* R-RC-16 */
	}
	if (c->worker != WORKER_IDLE || start_has_control(c)) {
		c->worker_again = true;
		return;
	}
	c->worker_again = false;
	if (c->block_generation == c->start_generation) {
		return; /* done will run it again */
	}
	c->worker_block = c->block_generation;
	c->worker_start = c->start_generation;
	c->worker = WORKER_EX;
	lock_ask(c, COORDINATOR_CONTROL, LOCKSTEP_LOCK_EX, LOCKSTEP_LKF_VALBLK);
}

static bool world_changed(const struct coordinator *c)
{
	return c->block_generation != c->worker_block || c->start_generation != c->worker_start;
}

/* R-RC-18. True when a bit was cleared. */
static bool results_take(struct coordinator *c)
{
	bool changed = false;

	for (uint32_t i = 0; i < c->items_max; i++) {
		if (c->items[i].result != COORDINATOR_SUCCESS) {
			continue;
		}
		c->items[i].result = 0;
		if (coordinator_lvb_bit(c->lvb, i)) {
			lvb_bit_set(c, i, false);
			changed = true;
		}
	}
	return changed;
}

/* R-RC-19. True when the LVB is to be written. */
static bool failures_take(struct coordinator *c, uint32_t generation)
{
	for (uint32_t i = 0; i < c->items_max; i++) {
		struct item *item = &c->items[i];

		if (item->reported && item->submit < c->worker_start) {
			item->reported = false;
			item->submit = 0;
			if (generation < c->worker_start) {
				lvb_bit_set(c, i, true);
			}
		}
	}
	return generation < c->worker_start;
}

static void control_came(struct coordinator *c, bool invalid)
{
	uint32_t generation = coordinator_lvb_generation(c->lvb);
	bool changed = false;

	if (invalid) {
		(void)action_add(c, COORDINATOR_DO_NOTE_INVALID);
	}
	if (world_changed(c)) {
		/* R-RC-17; what was read goes back when it was marked invalid (R-RC-28). */
		c->worker = WORKER_NL_VOID;
	} else {
		c->worker = WORKER_NL;
		if (generation <= c->worker_start) {
			changed = results_take(c);
			changed |= failures_take(c, generation);
		}
		if (changed) {
			lvb_generation_set(c, c->worker_start);
		}
	}
	lock_ask(c, COORDINATOR_CONTROL, LOCKSTEP_LOCK_NL,
		 changed || invalid ? LOCKSTEP_LKF_VALBLK : 0);
}

static void recover_want(struct coordinator *c, struct item *item)
{
	if (!item->to_recover && !item->running) {
		item->to_recover = true;
		c->recover_count++;
	}
}

/* R-RC-21. True when a bit is set. */
static bool recoveries_start(struct coordinator *c)
{
	bool any = false, expected = false;

	for (uint32_t i = 0; i < c->items_max; i++) {
		struct item *item = &c->items[i];

		if (!coordinator_lvb_bit(c->lvb, i)) {
			item->panicked = false; /* somebody else has done it */
			continue;
		}
		any = true;
		if (!c->spectator && !item->panicked && i != c->own) {
			recover_want(c, item);
			expected = true;
		}
	}
	if (any && !expected) {
		/* Others have to; nobody tells us when they have. */
		timer_set(c, COORDINATOR_TIMER_RETRY, COORDINATOR_RETRY_MS);
	}
	return any;
}

static void look(struct coordinator *c)
{
	if (recoveries_start(c)) {
		return;
	}
	if (coordinator_lvb_generation(c->lvb) > c->worker_start) {
		/* Only an administrator's value can be larger here: prep of a later generation would have
		 * changed the world. Nothing can be listed now, so nothing is proved by an empty bitmap. */
		timer_set(c, COORDINATOR_TIMER_RETRY, COORDINATOR_RETRY_MS);
		return;
	}
	if (!world_changed(c)) {
		c->blocked = false; /* R-RC-22 */
		block_tell(c);
	}
}

void worker_completed(struct coordinator *c, int status, bool invalid)
{
	enum worker_phase phase = c->worker;

	c->worker = WORKER_IDLE;
	if (status) {
		/* Cancelled by somebody, or chosen as the victim of a deadlock. */
		timer_set(c, COORDINATOR_TIMER_RETRY, COORDINATOR_RETRY_MS);
	} else if (phase == WORKER_EX) {
		control_came(c, invalid);
		return;
	} else if (phase == WORKER_NL) {
		look(c);
	}
	if (c->worker_again) {
		worker_run(c);
	}
}
