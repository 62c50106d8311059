/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocking notifications: who is told that he stands in somebody's way, and the memory that
 * keeps him from being told twice (section 13). Queue and delivery suppression (R-BAST-5, 6) are
 * the node's: they depend on what was delivered.
 */
#include "config.h"

#include "plugin/engine/engine_private.h"

/* R-BAST-7: the memory is raised in any case, the effect needs a routine. */
static void bast_send(struct apply *a, struct lock *lock, int mode, int highbast)
{
	if (lock->highbast != highbast) {
		lock->highbast = (uint8_t)highbast;
		record_dirty(a->engine, &lock->record);
	}
	if (lock->attr & ENGINE_ATTR_HAS_BAST) {
		struct engine_effect *effect = effect_new(a, ENGINE_EFFECT_BAST, lock);

		if (effect) {
			effect->mode = (int8_t)mode;
		}
	}
}

void blocked_note(struct blocked *b, const struct lock *lock)
{
	if (lock->requested > b->high) {
		b->high = lock->requested;
	}
	if (lock->requested == LOCKSTEP_LOCK_CW) {
		b->cw = true;
	}
}

static bool bast_immediate_needed(const struct lock *holder, int requested)
{
	if (mode_is_middle(holder->granted, requested)) {
		return holder->highbast < LOCKSTEP_LOCK_EX;
	}
	return holder->highbast < requested && !mode_compatible(holder->granted, requested);
}

void bast_immediate(struct apply *a, const struct lock *blocked, enum engine_queue queue)
{
	struct list *head = resource_queue(blocked->resource, queue);

	list_for_each(at, head) {
		struct lock *holder = lock_of_link(at);

		if (holder != blocked && bast_immediate_needed(holder, blocked->requested)) {
			bast_send(a, holder, blocked->requested, blocked->requested);
		}
	}
}

static bool bast_settle_needed(const struct lock *holder, const struct blocked *b)
{
	if (holder->granted == LOCKSTEP_LOCK_PR && b->cw) {
		return holder->highbast < LOCKSTEP_LOCK_EX;
	}
	return holder->highbast < b->high && !mode_compatible(holder->granted, b->high);
}

void bast_settle_one(struct apply *a, struct lock *holder, const struct blocked *b)
{
	if (!bast_settle_needed(holder, b)) {
		return;
	}
	/* PR blocks PR not at all, but it blocks the CW that is there too. */
	bool tell_cw = b->cw && b->high == LOCKSTEP_LOCK_PR && holder->granted == LOCKSTEP_LOCK_PR;

	bast_send(a, holder, tell_cw ? LOCKSTEP_LOCK_CW : b->high, b->high);
}

void bast_self(struct apply *a, struct lock *lock)
{
	if (lock->highbast < lock->requested) {
		bast_send(a, lock, lock->requested, lock->requested);
	}
}
