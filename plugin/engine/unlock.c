/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unlock and the ways in which a waiting request or conversion ends without a grant: cancel,
 * deadlock cancel, timeout (sections 15, 18).
 */
#include "config.h"

#include <errno.h>

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"

void apply_unlock(struct apply *a, struct lock *lock)
{
	const struct engine_op *op = a->op;
	struct resource *r = lock->resource;
	/* R-UNL-1, R-UNL-2: a pending request vanishes without a completion of its own. */
	bool wrote = lvb_on_unlock(a, lock, op->flags, op->lvb_len > 0 ? op->lvb : NULL);
	struct engine_effect *effect = effect_new(a, ENGINE_EFFECT_CAST, lock);

	if (effect) {
		effect->request = op->request;
		effect->status = LOCKSTEP_EUNLOCK;
		effect->mode = LOCKSTEP_LOCK_IV;
		effect->needs_stable = wrote; /* R-STAB-2 */
	}
	lock_remove(a->engine, lock);
	settle(a, r);
}

bool lock_dequeue(struct engine *e, struct lock *lock)
{
	if (lock->queue == ENGINE_QUEUE_WAIT) {
		lock_remove(e, lock);
		return false;
	}
	ls_assert(lock->queue == ENGINE_QUEUE_CONVERT);
	/* R-CAN-2: back to where its granted mode belongs; highbast stays. */
	queue_remove(e, lock);
	lock_wait_end(e, lock);
	lock->requested = LOCKSTEP_LOCK_IV;
	lock->sb_flags = 0;
	queue_insert(e, lock, ENGINE_QUEUE_GRANTED);
	return true;
}

void apply_cancel(struct apply *a, struct lock *lock, int status)
{
	struct resource *r = lock->resource;

	if (lock->queue == ENGINE_QUEUE_GRANTED) { /* R-CAN-3 */
		return;
	}
	/* R-CAN-1, R-CAN-2. It is the request that ends here; the cancel has no completion of
	 * its own. */
	effect_cast_refused(a, lock, lock->wait->request, status, lock->granted);
	(void)lock_dequeue(a->engine, lock);
	settle(a, r);
}

void apply_timeout(struct apply *a)
{
	const struct engine_op *op = a->op;
	struct lock *lock = lock_find(a->engine, op->nodeid, op->incarnation, op->lkid);

	/* R-TMO-2 */
	if (lock && lock->wait && lock->wait->queued_seq == op->queued_seq &&
	    lock->flags & LOCKSTEP_LKF_TIMEOUT) {
		apply_cancel(a, lock, ETIMEDOUT);
	}
}

void lock_drop(struct engine *e, struct lock *lock)
{
	if (lock->granted >= LOCKSTEP_LOCK_PW) { /* R-LVB-8 */
		lvb_invalidate(e, lock->resource);
	}
	lock_remove(e, lock);
}
