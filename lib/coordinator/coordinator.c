/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The coordinator's events and actions, and the variables of section 8. The start is in start.c, the
 * worker in worker.c.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lockstep/lockstep_types.h>

#include "lib/base/assert.h"
#include "lib/coordinator/private.h"

#define LVB_BITMAP 8 /* offset of the bitmap */

struct coordinator *coordinator_new(uint16_t lvb_len, bool spectator)
{
	struct coordinator *c = lvb_len >= COORDINATOR_LVB_MIN ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		return NULL;
	}
	c->lvb_len = lvb_len;
	c->items_max = (uint32_t)(lvb_len - LVB_BITMAP) * 8;
	c->spectator = spectator;
	c->own = COORDINATOR_NO_ITEM;
	c->blocked = true;
	c->told_blocked = true;
	c->lvb = calloc(1, lvb_len);
	/* All at once, in place of growing by 16 (R-RC-3): 192 items are 3 KiB. */
	c->items = calloc(c->items_max, sizeof(c->items[0]));
	return c->lvb && c->items ? c : coordinator_free(c);
}

struct coordinator *coordinator_free(struct coordinator *c)
{
	if (c) {
		free(c->lvb);
		free(c->items);
		free(c);
	}
	return NULL;
}

/* --- the control LVB --------------------------------------------------------------------- */

uint32_t coordinator_lvb_generation(const uint8_t *lvb)
{
	return (uint32_t)lvb[0] | (uint32_t)lvb[1] << 8 | (uint32_t)lvb[2] << 16 |
	       (uint32_t)lvb[3] << 24;
}

bool coordinator_lvb_bit(const uint8_t *lvb, uint32_t item)
{
	return (lvb[LVB_BITMAP + item / 8] >> (item % 8) & 1) != 0;
}

void lvb_generation_set(struct coordinator *c, uint32_t generation)
{
	for (int i = 0; i < 4; i++) {
		c->lvb[i] = (uint8_t)(generation >> 8 * i);
	}
	memset(c->lvb + 4, 0, LVB_BITMAP - 4);
}

void lvb_bit_set(struct coordinator *c, uint32_t item, bool value)
{
	uint8_t bit = (uint8_t)(1u << item % 8);
	uint8_t *byte = &c->lvb[LVB_BITMAP + item / 8];

	*byte = (uint8_t)(value ? *byte | bit : *byte & ~bit);
}

const uint8_t *coordinator_lvb(const struct coordinator *c)
{
	return c->lvb;
}

/* --- actions ----------------------------------------------------------------------------- */

struct coordinator_action *action_add(struct coordinator *c, enum coordinator_action_type type)
{
	ls_assert(c->actions_count < ACTIONS_MAX);
	struct coordinator_action *a =
		&c->actions[(c->actions_head + c->actions_count++) % ACTIONS_MAX];

	*a = (struct coordinator_action){ .type = type };
	return a;
}

void lock_ask(struct coordinator *c, enum coordinator_lock lock, int mode, uint32_t flags)
{
	struct coordinator_action *a = action_add(c, COORDINATOR_DO_LOCK);

	ls_assert(!c->outstanding[lock]);
	c->outstanding[lock] = true;
	a->lock = lock;
	a->mode = mode;
	a->flags = flags | (c->held[lock] ? LOCKSTEP_LKF_CONVERT : 0);
}

void unlock_ask(struct coordinator *c, enum coordinator_lock lock)
{
	ls_assert(!c->outstanding[lock]);
	c->outstanding[lock] = true;
	c->held[lock] = false;
	action_add(c, COORDINATOR_DO_UNLOCK)->lock = lock;
}

void timer_set(struct coordinator *c, enum coordinator_timer timer, uint32_t ms)
{
	struct coordinator_action *a = action_add(c, COORDINATOR_DO_TIMER);

	a->timer = timer;
	a->ms = ms;
}

void block_tell(struct coordinator *c)
{
	if (!c->told_started || c->told_blocked == c->blocked) {
		return;
	}
	c->told_blocked = c->blocked;
	c->block_pending |= c->blocked;
	(void)action_add(c, c->blocked ? COORDINATOR_DO_BLOCK : COORDINATOR_DO_UNBLOCK);
}

void items_clear(struct coordinator *c)
{
	for (uint32_t i = 0; i < c->items_max; i++) {
		struct item *item = &c->items[i];

		item->submit = 0;
		item->reported = false;
		item->result = 0;
		item->panicked = false;
	}
}

static bool recover_next(struct coordinator *c, struct coordinator_action *ret)
{
	for (size_t n = 0; c->recover_count > 0 && n < c->items_max; n++) {
		struct item *item = &c->items[c->items_cursor];
		uint32_t i = (uint32_t)c->items_cursor;

		c->items_cursor = (c->items_cursor + 1) % c->items_max;
		if (item->to_recover) {
			c->recover_count--;
			item->to_recover = false;
			item->running = true;
			item->stale = false;
			*ret = (struct coordinator_action){ .type = COORDINATOR_DO_RECOVER,
							    .item = i };
			return true;
		}
	}
	return false;
}

bool coordinator_action_next(struct coordinator *c, struct coordinator_action *ret)
{
	if (c->actions_count > 0) {
		*ret = c->actions[c->actions_head];
		c->actions_head = (c->actions_head + 1) % ACTIONS_MAX;
		c->actions_count--;
		return true;
	}
	return !c->lost && !c->unmount && recover_next(c, ret);
}

/* --- recovery callbacks ------------------------------------------------------------------ */

void coordinator_prep(struct coordinator *c)
{
	if (c->lost || c->stopped) {
		return;
	}
	c->block_generation = c->start_generation;
	c->in_recovery = true;
	if (c->mount_done && !c->first) {
		c->blocked = true;
		block_tell(c);
	}
	c->prep_pending = c->block_pending;
	if (!c->prep_pending) {
		(void)action_add(c, COORDINATOR_DO_PREPARED);
	}
}

void coordinator_blocked(struct coordinator *c)
{
	if (!c->block_pending) {
		return;
	}
	c->block_pending = false;
	bool due = c->prep_pending && !c->lost && !c->stopped;

	c->prep_pending = false;
	if (due) {
		(void)action_add(c, COORDINATOR_DO_PREPARED);
	}
}

void coordinator_slot(struct coordinator *c, uint32_t slot)
{
	/* A member with a slot beyond the bitmap was refused its start (coordinator_done()). */
	if (c->lost || slot == 0 || slot > c->items_max) {
		return;
	}
	struct item *item = &c->items[slot - 1];

	item->submit = c->block_generation;
	item->reported = true;
	/*
	 * What was recovered so far was the item of somebody before. Without this a result that has
	 * not reached the LVB yet would clear the bit that the others have set for this failure: the
	 * case that R-RC-26 does not cover, when the one in between had started.
	 */
	item->result = 0;
	item->stale = item->running;
	item->panicked = false;
}

void coordinator_done(struct coordinator *c, uint32_t generation, uint32_t slot_own,
		      uint32_t slot_max)
{
	(void)slot_max;
	if (c->lost || c->stopped) {
		return;
	}
	c->start_generation = generation;
	if (c->mount_generation == 0) {
		c->mount_generation = generation;
		c->own = slot_own - 1;
		if (slot_own == 0 || slot_own > c->items_max) {
			c->start_error = -ENOSPC; /* its failure could not be listed */
		}
	}
	c->in_recovery = false;
	if (!c->unmount) {
		start_done_came(c);
		worker_run(c);
	}
}

/* --- the application --------------------------------------------------------------------- */

void coordinator_stop(struct coordinator *c)
{
	if (c->unmount) {
		return;
	}
	c->unmount = true;
	stop_try(c);
}

void stop_try(struct coordinator *c)
{
	bool busy = c->worker != WORKER_IDLE;

	for (int i = 0; i < COORDINATOR_LOCKS; i++) {
		busy |= c->outstanding[i];
	}
	if (!c->unmount || c->stopped || (busy && !c->lost)) {
		return;
	}
	if (!c->told_started && c->phase != START_NONE && c->phase != START_FAILED) {
		c->told_started = true;
		action_add(c, COORDINATOR_DO_STARTED)->error = c->lost ? -ENOTCONN : -EINTR;
	}
	if (c->first_done_wanted) {
		c->first_done_wanted = false;
		action_add(c, COORDINATOR_DO_FIRST_ENDED)->error = c->lost ? -ENOTCONN : -EINTR;
	}
	c->stopped = true;
	(void)action_add(c, COORDINATOR_DO_STOPPED);
}

void coordinator_lose(struct coordinator *c)
{
	if (c->lost || c->stopped) {
		return;
	}
	c->lost = true;
	c->actions_count = 0; /* of no use any more, or said anew below */
	c->worker = WORKER_IDLE;
	memset(c->outstanding, 0, sizeof(c->outstanding));
	if (!c->told_started && c->phase != START_NONE) {
		c->told_started = true;
		action_add(c, COORDINATOR_DO_STARTED)->error = -ENOTCONN;
	}
	if (c->first_done_wanted || c->phase == START_FIRST_MOUNTED ||
	    c->phase == START_FIRST_CONTROL) {
		c->first_done_wanted = false;
		action_add(c, COORDINATOR_DO_FIRST_ENDED)->error = -ENOTCONN;
	}
	stop_try(c);
}

/* --- completions ------------------------------------------------------------------------- */

void coordinator_completed(struct coordinator *c, enum coordinator_lock lock, int status,
			   bool lvb_invalid, const void *lvb)
{
	if (c->lost) {
		return;
	}
	ls_assert(c->outstanding[lock]);
	c->outstanding[lock] = false;
	if (status == 0) {
		c->held[lock] = true;
		if (lock == COORDINATOR_CONTROL && lvb) {
			memcpy(c->lvb, lvb, c->lvb_len);
		}
	}
	if (c->unmount) {
		c->worker = WORKER_IDLE;
		stop_try(c);
		return;
	}
	if (lock == COORDINATOR_CONTROL && c->worker != WORKER_IDLE) {
		worker_completed(c, status, lvb_invalid);
	} else {
		start_completed(c, lock, status, lvb_invalid);
	}
}

void coordinator_result(struct coordinator *c, uint32_t i, enum coordinator_outcome outcome)
{
	if (i >= c->items_max || c->lost) {
		return;
	}
	struct item *item = &c->items[i];
	bool stale = item->stale;

	item->running = false;
	item->stale = false;
	if (i == c->own || c->first || c->unmount) {
		return; /* R-RC-24 */
	}
	if (stale) {
		outcome = COORDINATOR_GAVEUP;
	}
	item->panicked = outcome == COORDINATOR_PANIC;
	item->result = outcome == COORDINATOR_SUCCESS ? COORDINATOR_SUCCESS : COORDINATOR_GAVEUP;
	if (outcome == COORDINATOR_SUCCESS) {
		worker_run(c);
	} else {
		timer_set(c, COORDINATOR_TIMER_RETRY, COORDINATOR_RETRY_MS);
	}
}

void coordinator_timer_expired(struct coordinator *c, enum coordinator_timer timer)
{
	if (c->lost || c->unmount) {
		return;
	}
	if (timer == COORDINATOR_TIMER_RETRY) {
		worker_run(c);
	} else if (c->phase == START_PAUSE) {
		start_round(c);
	}
}

/* --- questions --------------------------------------------------------------------------- */

uint32_t coordinator_items_max(const struct coordinator *c)
{
	return c->items_max;
}

uint32_t coordinator_generation(const struct coordinator *c)
{
	return c->start_generation;
}

uint32_t coordinator_own_item(const struct coordinator *c)
{
	return c->own;
}

bool coordinator_is_blocked(const struct coordinator *c)
{
	return c->blocked;
}

bool coordinator_is_started(const struct coordinator *c)
{
	return c->mount_done;
}

bool coordinator_is_first(const struct coordinator *c)
{
	return c->first;
}

bool coordinator_item_failed(const struct coordinator *c, uint32_t item)
{
	return item < c->items_max &&
	       (c->items[item].reported || coordinator_lvb_bit(c->lvb, item));
}

const char *coordinator_check(const struct coordinator *c)
{
	size_t due = 0;

	for (uint32_t i = 0; i < c->items_max; i++) {
		due += c->items[i].to_recover ? 1 : 0;
		if (c->items[i].stale && !c->items[i].running) {
			return "a recovery is out of date that does not run";
		}
		if (c->items[i].to_recover && c->items[i].running) {
			return "an item is to be recovered twice at a time";
		}
	}
	if (due != c->recover_count) {
		return "recoveries that are due are miscounted";
	}
	if (c->worker != WORKER_IDLE && !c->outstanding[COORDINATOR_CONTROL]) {
		return "the worker waits for nothing";
	}
	if (c->worker != WORKER_IDLE && start_has_control(c)) {
		return "start and worker use the control lock together";
	}
	if (c->prep_pending && !c->block_pending) {
		return "prep waits for nothing";
	}
	if (c->mount_done && !c->first && c->in_recovery && !c->blocked) {
		return "a started member is not blocked between prep and done";
	}
	return NULL;
}
