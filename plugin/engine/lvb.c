/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock value block: what a grant or an unlock reads and writes, and the invalid mark
 * (section 12).
 */
#include "config.h"

#include "plugin/engine/engine_private.h"

void lvb_invalidate(struct engine *e, struct resource *r)
{
	if (!r->lvb_invalid) {
		r->lvb_invalid = true;
		record_dirty(e, &r->record);
	}
}

static bool lvb_write(struct engine *e, struct resource *r, uint32_t flags, const uint8_t *bytes)
{
	/* R-LVB-4: IVVALBLK wins over VALBLK. */
	if (flags & LOCKSTEP_LKF_IVVALBLK) {
		lvb_invalidate(e, r);
		return true;
	}
	/* R-LVB-3 */
	if (flags & LOCKSTEP_LKF_VALBLK && bytes) {
		resource_lvb_set(e, r, bytes);
		r->lvb_seq++;
		r->lvb_invalid = false;
		return true;
	}
	return false;
}

/* The caller's bytes as of the call that is granted now. */
static const uint8_t *lvb_of_call(const struct apply *a, const struct lock *lock)
{
	if (lock->wait) {
		return lock->wait->lvb;
	}
	return a->op->lvb_len > 0 ? a->op->lvb : NULL;
}

/* R-LVB-1 for the grant of lock->requested. */
struct lvb_outcome lvb_on_grant(struct apply *a, struct lock *lock)
{
	struct engine *e = a->engine;
	struct resource *r = lock->resource;
	struct lvb_outcome outcome = { .valnotvalid = false };
	bool valblk = lock->flags & LOCKSTEP_LKF_VALBLK;

	switch (mode_lvb_action(lock->granted, lock->requested)) {
	case LVB_READ: /* R-LVB-2 */
		if (!valblk) {
			break;
		}
		if (r->lvb) {
			outcome.bytes = effects_bytes(a->effects, r->lvb, e->config.lvb_len);
			outcome.size = e->config.lvb_len;
			outcome.valnotvalid = r->lvb_invalid;
			lock->lvb_seq = r->lvb_seq;
		} else if (lock->granted == LOCKSTEP_LOCK_IV) {
			outcome.bytes = effects_bytes(a->effects, NULL, e->config.lvb_len);
			outcome.size = e->config.lvb_len;
		}
		break;
	case LVB_WRITE:
		outcome.wrote = lvb_write(e, r, lock->flags, lvb_of_call(a, lock));
		break;
	case LVB_NOTHING: /* R-LVB-6, row "." */
		outcome.valnotvalid = r->lvb_invalid;
		break;
	}
	return outcome;
}

bool lvb_on_unlock(struct apply *a, struct lock *lock, uint32_t flags, const uint8_t *bytes)
{
	if (lock->granted == LOCKSTEP_LOCK_IV ||
	    mode_lvb_action(lock->granted, LOCKSTEP_LOCK_IV) != LVB_WRITE) {
		return false;
	}
	return lvb_write(a->engine, lock->resource, flags, bytes);
}
