/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The grant test, granting, and settling a resource (section 6), with conversion deadlock
 * (section 9) and alternate modes (section 10). Everything that gives a lock a mode is here.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"

/*
 * R-GR-1 lines 2 and 3 in one: some other lock on G or C has a granted mode that does not go
 * with L's requested one. Counts per mode instead of a walk, so that a thousand readers cost as
 * much as one.
 */
static bool lock_conflicts(const struct lock *lock)
{
	const struct resource *r = lock->resource;

	if (!r->crowd) {
		const struct lock *holder = queue_first(r, ENGINE_QUEUE_GRANTED);

		return holder && holder != lock &&
		       !mode_compatible(holder->granted, lock->requested);
	}
	for (int mode = 0; mode < MODE_COUNT; mode++) {
		uint32_t others = r->crowd->mode_count[mode] - (lock->granted == mode ? 1 : 0);

		if (others > 0 && !mode_compatible(mode, lock->requested)) {
			return true;
		}
	}
	return false;
}

/* R-GR-1; the line numbers are those of its table. */
bool lock_grantable(const struct lock *lock, bool now)
{
	const struct resource *r = lock->resource;
	bool conversion = lock->granted != LOCKSTEP_LOCK_IV;

	if (lock->flags & LOCKSTEP_LKF_EXPEDITE) { /* 1 */
		return true;
	}
	if (lock_conflicts(lock)) { /* 2, 3 */
		return false;
	}
	if (now && conversion) { /* 4, 5 */
		return !(lock->flags & LOCKSTEP_LKF_QUECVT) ||
		       !queue_first(r, ENGINE_QUEUE_CONVERT);
	}
	if (lock->flags & LOCKSTEP_LKF_NOORDER) { /* 6 */
		return true;
	}
	if (conversion) { /* 7 */
		return queue_first(r, ENGINE_QUEUE_CONVERT) == lock;
	}
	if (queue_first(r, ENGINE_QUEUE_CONVERT)) { /* 8, 9 */
		return false;
	}
	return now ? !queue_first(r, ENGINE_QUEUE_WAIT) :
		     queue_first(r, ENGINE_QUEUE_WAIT) == lock;
}

/* R-CDL-1 */
static bool conversion_deadlock(const struct lock *lock)
{
	const struct crowd *crowd = lock->resource->crowd;
	bool behind = false;

	if (!crowd || !crowd_convert_blocked_by(crowd, lock->granted)) {
		return false;
	}
	list_for_each(at, resource_queue(lock->resource, ENGINE_QUEUE_CONVERT)) {
		const struct lock *other = lock_of_link(at);

		if (other == lock) {
			behind = true;
			continue;
		}
		if (mode_compatible(lock->granted, other->requested)) {
			continue;
		}
		if (!behind || !mode_compatible(other->granted, lock->requested)) {
			return true;
		}
	}
	return false;
}

static bool lock_is_deadlocked(const struct lock *lock)
{
	return lock->granted != LOCKSTEP_LOCK_IV && !(lock->flags & LOCKSTEP_LKF_NOQUEUE) &&
	       conversion_deadlock(lock);
}

/* R-ALT-1: the alternate mode to try, or IV. */
static int lock_alternate(const struct lock *lock)
{
	if (lock->flags & LOCKSTEP_LKF_ALTPR && lock->requested != LOCKSTEP_LOCK_PR) {
		return LOCKSTEP_LOCK_PR;
	}
	if (lock->flags & LOCKSTEP_LKF_ALTCW && lock->requested != LOCKSTEP_LOCK_CW) {
		return LOCKSTEP_LOCK_CW;
	}
	return LOCKSTEP_LOCK_IV;
}

static bool grantable_as(struct lock *lock, int mode, bool now)
{
	int8_t requested = lock->requested;

	lock->requested = (int8_t)mode;
	bool yes = lock_grantable(lock, now);

	lock->requested = requested;
	return yes;
}

/* Gives it @mode as of now: the token and the place in G follow the mode (R-TOK-1, R-Q-3). */
static void lock_mode_set(struct apply *a, struct lock *lock, int mode)
{
	lock_granted_set(a->engine, lock, mode);
	lock->token = a->engine->seq;
	lock->grant_index = a->grants_count++;
}

/* R-CDL-3. The lock stays on its queue. */
static void lock_demote(struct apply *a, struct lock *lock)
{
	bool on_granted = lock->queue == ENGINE_QUEUE_GRANTED;

	if (on_granted) {
		queue_remove(a->engine, lock);
	}
	lock_mode_set(a, lock, LOCKSTEP_LOCK_NL);
	lock->sb_flags |= LOCKSTEP_SBF_DEMOTED;
	a->engine->stats.convert.demoted++;
	if (on_granted) {
		queue_insert(a->engine, lock, ENGINE_QUEUE_GRANTED);
	}
}

/* R-GR-4 */
enum try_result lock_try(struct apply *a, struct lock *lock, bool now)
{
	if (lock_grantable(lock, now)) {
		return TRY_GRANTED;
	}
	if (lock_is_deadlocked(lock)) {
		if (!(lock->flags & LOCKSTEP_LKF_CONVDEADLK)) {
			return TRY_DEADLOCK;
		}
		lock_demote(a, lock);
		return TRY_DEMOTED;
	}
	int alternate = lock_alternate(lock);

	if (alternate != LOCKSTEP_LOCK_IV && grantable_as(lock, alternate, now)) {
		lock_requested_set(a->engine, lock, alternate);
		lock->sb_flags |= LOCKSTEP_SBF_ALTMODE;
		return TRY_GRANTED;
	}
	return TRY_BLOCKED;
}

/* R-STAB-2: a step down that writes nothing promises nothing. (It never reads, R-LVB-1.) */
static bool grant_needs_stable(int before, int mode, bool wrote)
{
	bool down = before != LOCKSTEP_LOCK_IV && mode < before && !mode_is_middle(before, mode);

	return !down || wrote;
}

/* Before anything of it is changed. */
static void grant_count(struct engine *e, const struct lock *lock)
{
	struct engine_outcomes *of = stats_outcomes(e, lock);

	if (lock->wait) {
		of->granted_later++;
	} else {
		of->granted_at_once++;
	}
	if (lock->sb_flags & LOCKSTEP_SBF_ALTMODE) {
		of->altmode++;
	}
}

/* R-GR-5 */
void lock_grant(struct apply *a, struct lock *lock)
{
	struct engine *e = a->engine;
	struct lvb_outcome lvb = lvb_on_grant(a, lock);
	int before = lock->granted;
	uint64_t request = lock->wait ? lock->wait->request : a->op->request;

	ls_assert(lock->requested != LOCKSTEP_LOCK_IV);
	grant_count(e, lock);
	if (lock->queue != ENGINE_QUEUE_GRANTED || lock->requested != before) {
		if (lock->queue != ENGINE_QUEUE_NONE) {
			queue_remove(e, lock);
		}
		lock_wait_end(e, lock);
		if (lock->requested != before) {
			lock_mode_set(a, lock, lock->requested);
		}
		queue_insert(e, lock, ENGINE_QUEUE_GRANTED);
	}
	lock->requested = LOCKSTEP_LOCK_IV;
	bast_forget(lock);
	record_dirty(e, &lock->record);

	struct engine_effect *effect = effect_new(a, ENGINE_EFFECT_CAST, lock);

	if (effect) {
		effect->request = request;
		effect->mode = lock->granted;
		effect->sb_flags = lock->sb_flags |
				   (lvb.valnotvalid ? LOCKSTEP_SBF_VALNOTVALID : 0);
		effect->token = lock->token;
		effect->lvb = lvb.bytes;
		effect->lvb_len = lvb.size;
		effect->needs_stable = grant_needs_stable(before, lock->granted, lvb.wrote);
	}
	lock->sb_flags = 0;
}

/* Only such a conversion may still write its LVB when it is granted: the alternate of EX. */
static bool lock_keeps_lvb(const struct lock *lock)
{
	uint32_t alternates = LOCKSTEP_LKF_ALTPR | LOCKSTEP_LKF_ALTCW;

	return lock->granted == LOCKSTEP_LOCK_PW && lock->requested == LOCKSTEP_LOCK_EX &&
	       lock->flags & LOCKSTEP_LKF_VALBLK && lock->flags & alternates;
}

/* The lock of the op under way joins C or W. */
void lock_enqueue(struct apply *a, struct lock *lock, enum engine_queue queue)
{
	struct engine *e = a->engine;

	if (lock->queue != ENGINE_QUEUE_NONE) {
		queue_remove(e, lock);
	}
	stats_outcomes(e, lock)->queued++;
	lock_wait_begin(e, lock);
	lock->wait->queued_seq = e->seq;
	lock->wait->request = a->op->request;
	if (lock->flags & LOCKSTEP_LKF_TIMEOUT) { /* R-TMO-5 */
		lock->wait->timeout_cs = a->op->timeout_cs;
	}
	if (lock_keeps_lvb(lock) && a->op->lvb_len > 0) {
		lock->wait->lvb = malloc(e->config.lvb_len);
		ls_assert(lock->wait->lvb);
		memcpy(lock->wait->lvb, a->op->lvb, e->config.lvb_len);
	}
	queue_insert(e, lock, queue);
}

/*
 * A walk of C or W may end early: once a lock stays, it is the head, and behind it only NOORDER can
 * be granted (R-GR-1). @seen is how many of those the walk has passed.
 */
static bool rest_stays(const struct crowd_queue *queue, uint32_t seen)
{
	return queue->noorder_count == seen;
}

/* One walk of C. Sets what it granted and demoted. */
static void convert_walk(struct apply *a, struct resource *r, struct blocked *b, bool *ret_granted,
			 bool *ret_demoted)
{
	struct crowd *crowd = r->crowd;
	uint32_t noorder_seen = 0;
	bool deadlocked = false;

	*ret_granted = false;
	*ret_demoted = false;
	b->high = LOCKSTEP_LOCK_IV;
	b->cw = false;
	list_for_each_safe(at, resource_queue(r, ENGINE_QUEUE_CONVERT)) {
		struct lock *lock = lock_of_link(at);
		bool noorder = lock->flags & LOCKSTEP_LKF_NOORDER;

		switch (lock_try(a, lock, false)) {
		case TRY_GRANTED:
			lock_grant(a, lock);
			*ret_granted = true;
			continue;
		case TRY_DEADLOCK:
			deadlocked = true;
			if (lock->flags & LOCKSTEP_LKF_NODLCKWT) {
				bast_self(a, lock);
			}
			break;
		case TRY_DEMOTED:
			*ret_demoted = true;
			break;
		case TRY_BLOCKED:
			blocked_note(b, lock);
			break;
		}
		noorder_seen += noorder;
		/* Nor does anybody behind get the result deadlock. */
		if (!deadlocked && !*ret_demoted && rest_stays(&crowd->convert, noorder_seen) &&
		    !crowd_may_deadlock(crowd)) {
			blocked_note_queue(b, &crowd->convert);
			return;
		}
	}
}

/* R-GR-6 1. Ends: each further walk follows a grant, but for one. */
void settle_convert_pass(struct apply *a, struct resource *r, struct blocked *b)
{
	bool demoted_before = false;

	for (;;) {
		bool granted;
		bool demoted;

		convert_walk(a, r, b, &granted, &demoted);
		if (granted) {
			continue;
		}
		if (!demoted || demoted_before) {
			return;
		}
		demoted_before = true;
	}
}

/* R-GR-6 2 */
static void settle_wait_pass(struct apply *a, struct resource *r, struct blocked *b)
{
	struct crowd *crowd = r->crowd;
	uint32_t noorder_seen = 0;

	list_for_each_safe(at, resource_queue(r, ENGINE_QUEUE_WAIT)) {
		struct lock *lock = lock_of_link(at);

		if (lock_try(a, lock, false) == TRY_GRANTED) {
			lock_grant(a, lock);
			continue;
		}
		noorder_seen += (lock->flags & LOCKSTEP_LKF_NOORDER) != 0;
		if (rest_stays(&crowd->wait, noorder_seen)) {
			break;
		}
	}
	blocked_note_queue(b, &crowd->wait);
}

/* R-GR-6 */
void settle(struct apply *a, struct resource *r)
{
	struct blocked b;

	/* One lock on G leaves nothing to be done. */
	if (r->record.state == RECORD_DEAD || !r->crowd) {
		return;
	}
	settle_convert_pass(a, r, &b);
	settle_wait_pass(a, r, &b);
	if (b.high != LOCKSTEP_LOCK_IV) {
		bast_settle(a, r, &b);
	}
	crowd_trim(a->engine, r);
}

struct blocked blocked_now(const struct resource *r)
{
	struct blocked b = { .high = LOCKSTEP_LOCK_IV };

	for (enum engine_queue queue = ENGINE_QUEUE_CONVERT; queue <= ENGINE_QUEUE_WAIT; queue++) {
		list_for_each(at, resource_queue(r, queue)) {
			struct lock *lock = lock_of_link(at);
			int alternate = lock_alternate(lock);

			if (!lock_grantable(lock, false) && !lock_is_deadlocked(lock) &&
			    !(alternate != LOCKSTEP_LOCK_IV &&
			      grantable_as(lock, alternate, false))) {
				blocked_note(&b, lock);
			}
		}
	}
	return b;
}

void resource_touch(struct engine *e, struct resource *r)
{
	if (r->touched) {
		return;
	}
	if (e->touched_count == e->touched_capacity) {
		size_t capacity = e->touched_capacity ? e->touched_capacity * 2 : 64;
		struct resource **touched = realloc(e->touched, capacity * sizeof(touched[0]));

		ls_assert(touched);
		e->touched = touched;
		e->touched_capacity = capacity;
	}
	r->touched = true;
	e->touched[e->touched_count++] = r;
}

void settle_touched(struct apply *a, bool by_name)
{
	struct engine *e = a->engine;

	if (by_name) {
		resources_sort(e->touched, e->touched_count);
	}
	for (size_t i = 0; i < e->touched_count; i++) {
		e->touched[i]->touched = false;
		settle(a, e->touched[i]);
	}
	e->touched_count = 0;
}
