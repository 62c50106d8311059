/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocking notifications: who is told that he stands in somebody's way, and the memory that
 * keeps him from being told twice (section 13). Queue and delivery suppression (R-BAST-5, 6) are
 * the node's: they depend on what was delivered.
 */
#include "config.h"

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"

/*
 * A resource with a hundred thousand readers tells them once that a writer waits, and not at
 * every release look at all of them again. The bits of crowd.told_*:
 */
static uint8_t immediate_bit(int requested)
{
	return (uint8_t)(1u << requested);
}

static uint16_t settle_bit(const struct blocked *b)
{
	return (uint16_t)(1u << b->high << (b->cw ? MODE_COUNT : 0));
}

/* R-BAST-7: the memory is raised in any case, the effect needs a routine. */
static void bast_send(struct apply *a, struct lock *lock, int mode, int highbast)
{
	if (lock->highbast != highbast) {
		/* R-BAST-3 lowers it where a CW request comes after one for PW. */
		if (highbast < lock->highbast) {
			bast_forget(lock);
		}
		lock->highbast = (uint8_t)highbast;
		record_dirty(a->engine, &lock->record);
	}
	struct engine_effect *effect = lock->attr & ENGINE_ATTR_HAS_BAST ?
					       effect_new(a, ENGINE_EFFECT_BAST, lock) :
					       NULL;

	if (effect) {
		effect->mode = (int8_t)mode;
		a->engine->stats.basts_sent++;
	} else {
		a->engine->stats.basts_unheard++;
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

void blocked_note_queue(struct blocked *b, const struct crowd_queue *queue)
{
	for (int mode = 0; mode < MODE_COUNT; mode++) {
		if (queue->requested_count[mode] > 0 && mode > b->high) {
			b->high = mode;
		}
	}
	if (queue->requested_count[LOCKSTEP_LOCK_CW] > 0) {
		b->cw = true;
	}
}

void bast_forget(struct lock *lock)
{
	struct crowd *crowd = lock->resource->crowd;

	lock->highbast = LOCKSTEP_LOCK_NL;
	if (crowd) {
		crowd->told_settle = 0;
		crowd->told_immediate = 0;
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
	struct crowd *crowd = blocked->resource->crowd;
	bool on_granted = queue == ENGINE_QUEUE_GRANTED;
	int requested = blocked->requested;
	bool told = true;

	if (on_granted && crowd && crowd->told_immediate & immediate_bit(requested)) {
		return;
	}
	list_for_each(at, head) {
		struct lock *holder = lock_of_link(at);

		if (holder != blocked && bast_immediate_needed(holder, requested)) {
			bast_send(a, holder, requested, requested);
		}
		told = told && !bast_immediate_needed(holder, requested);
	}
	/* In the middle of the modes, PR and CW, a lock may have to be told again. */
	if (on_granted && crowd && told) {
		crowd->told_immediate |= immediate_bit(requested);
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

void bast_settle(struct apply *a, struct resource *r, const struct blocked *b)
{
	struct crowd *crowd = r->crowd;
	bool told = true;

	ls_assert(crowd);
	if (crowd->told_settle & settle_bit(b)) {
		return;
	}
	list_for_each(at, resource_queue(r, ENGINE_QUEUE_GRANTED)) {
		struct lock *holder = lock_of_link(at);

		bast_settle_one(a, holder, b);
		told = told && !bast_settle_needed(holder, b);
	}
	if (told) {
		crowd->told_settle |= settle_bit(b);
	}
}

bool bast_told(const struct crowd *crowd, const struct lock *holder)
{
	for (int mode = 0; mode < MODE_COUNT; mode++) {
		struct blocked b = { .high = mode };
		struct blocked b_cw = { .high = mode, .cw = true };

		if ((crowd->told_immediate & immediate_bit(mode) &&
		     bast_immediate_needed(holder, mode)) ||
		    (crowd->told_settle & settle_bit(&b) && bast_settle_needed(holder, &b)) ||
		    (crowd->told_settle & settle_bit(&b_cw) && bast_settle_needed(holder, &b_cw))) {
			return false;
		}
	}
	return true;
}

void bast_self(struct apply *a, struct lock *lock)
{
	if (lock->highbast < lock->requested) {
		bast_send(a, lock, lock->requested, lock->requested);
	}
}
