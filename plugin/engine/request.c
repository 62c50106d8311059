/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New requests (section 7) and conversions (section 8).
 */
#include "config.h"

#include <errno.h>

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"

/* R-CONV-2: the last op's flags and arguments replace all earlier ones. */
static void lock_take_args(struct apply *a, struct lock *lock)
{
	lock->flags = a->op->flags;
	lock->attr = a->op->attr;
	lock->time_ms = a->op->time_ms;
	lock->xid = a->op->xid;
	lock->sb_flags = 0;
	lock->requested = (int8_t)a->op->mode;
	record_dirty(a->engine, &lock->record);
}

/* NOQUEUE and not granted: R-REQ-3, R-CONV-7. The completion comes before the BASTs (R-ORD-4). */
static void refuse(struct apply *a, struct lock *lock)
{
	effect_cast_refused(a, lock, a->op->request, EAGAIN, lock->granted);
	if (lock->flags & LOCKSTEP_LKF_NOQUEUEBAST) {
		bast_immediate(a, lock, ENGINE_QUEUE_GRANTED);
		bast_immediate(a, lock, ENGINE_QUEUE_CONVERT);
	}
	lock->requested = LOCKSTEP_LOCK_IV;
}

void apply_lock(struct apply *a, struct session *s)
{
	struct engine *e = a->engine;
	const struct engine_op *op = a->op;

	/* An lkid that is in use, or can be none, comes from a broken node (R-LOCK-2). */
	if (op->lkid == 0 || op->lkid > LKID_MAX ||
	    lock_find(e, op->nodeid, op->incarnation, op->lkid)) {
		return;
	}
	struct resource *r = resource_find(e, op->name, op->name_len);

	if (!r) {
		r = resource_new(e, op->name, op->name_len);
	}
	struct lock *lock = lock_new(e, r, s, op->lkid);

	lock->created_seq = e->seq;
	lock_take_args(a, lock);
	if (lock_try(a, lock, true) == TRY_GRANTED) { /* R-REQ-1 */
		lock_grant(a, lock);
	} else if (lock->flags & LOCKSTEP_LKF_NOQUEUE) {
		refuse(a, lock);
		lock_remove(e, lock);
	} else { /* R-REQ-2 */
		lock_enqueue(a, lock, ENGINE_QUEUE_WAIT);
		bast_immediate(a, lock, ENGINE_QUEUE_GRANTED);
	}
}

void apply_convert(struct apply *a, struct lock *lock)
{
	const struct engine_op *op = a->op;
	struct blocked unused;

	/* R-CONV-1, R-CONV-9: refused at submission, so only a broken node sends it. */
	if (lock->queue != ENGINE_QUEUE_GRANTED ||
	    (op->flags & LOCKSTEP_LKF_QUECVT && !engine_quecvt_legal(lock->granted, op->mode))) {
		return;
	}
	lock_take_args(a, lock);
	switch (lock_try(a, lock, true)) {
	case TRY_GRANTED: /* R-CONV-3 */
		lock_grant(a, lock);
		settle(a, lock->resource);
		return;
	case TRY_DEADLOCK:
		if (!(lock->flags & LOCKSTEP_LKF_NODLCKWT)) { /* R-CONV-4 */
			lock->requested = LOCKSTEP_LOCK_IV;
			effect_cast_refused(a, lock, op->request, EDEADLK, lock->granted);
			return;
		}
		break;
	case TRY_DEMOTED: /* R-CONV-5 */
		settle_convert_pass(a, lock->resource, &unused);
		if (lock_grantable(lock, true)) {
			lock_grant(a, lock);
			settle(a, lock->resource);
			return;
		}
		break;
	case TRY_BLOCKED:
		if (lock->flags & LOCKSTEP_LKF_NOQUEUE) { /* R-CONV-7 */
			refuse(a, lock);
			return;
		}
		break;
	}
	/* R-CONV-6 */
	lock_enqueue(a, lock, ENGINE_QUEUE_CONVERT);
	bast_immediate(a, lock, ENGINE_QUEUE_GRANTED);
}
