/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is counted about a resource with more than one lock, so that a thousand locks cost as much
 * as one: who holds which mode, and of those who wait, what they ask for. Counts say nothing that
 * the queues do not say, so they are neither in the snapshot nor in the digest.
 */
#include "config.h"

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"

void crowd_begin(struct engine *e, struct resource *r)
{
	struct lock *lock = queue_first(r, ENGINE_QUEUE_GRANTED);

	ls_assert(!r->crowd);
	r->crowd = pool_get(&e->crowd_pool);
	list_init(&r->crowd->convert.locks);
	list_init(&r->crowd->wait.locks);
	if (lock) {
		ls_assert(r->granted.prev == r->granted.next);
		crowd_count(r->crowd, lock, ENGINE_QUEUE_GRANTED, 1);
	}
}

void crowd_trim(struct engine *e, struct resource *r)
{
	const struct crowd *crowd = r->crowd;

	if (crowd && crowd->convert.count == 0 && crowd->wait.count == 0 &&
	    crowd->granted_count <= 1) {
		pool_put(&e->crowd_pool, r->crowd);
		r->crowd = NULL;
	}
}

struct crowd_queue *crowd_queue(struct crowd *crowd, enum engine_queue queue)
{
	ls_assert(queue == ENGINE_QUEUE_CONVERT || queue == ENGINE_QUEUE_WAIT);
	return queue == ENGINE_QUEUE_CONVERT ? &crowd->convert : &crowd->wait;
}

static void count(uint32_t *of, int by)
{
	ls_assert(by > 0 || *of > 0);
	*of += (uint32_t)by;
}

void crowd_count(struct crowd *crowd, const struct lock *lock, enum engine_queue queue, int by)
{
	if (queue == ENGINE_QUEUE_GRANTED) {
		count(&crowd->granted_count, by);
		if (by > 0) {
			crowd->told_settle = 0;
			crowd->told_immediate = 0;
		}
	} else {
		struct crowd_queue *of = crowd_queue(crowd, queue);

		count(&of->count, by);
		count(&of->requested_count[lock->requested], by);
		if (lock->flags & LOCKSTEP_LKF_NOORDER) {
			count(&of->noorder_count, by);
		}
	}
	if (queue != ENGINE_QUEUE_WAIT) {
		count(&crowd->mode_count[lock->granted], by);
	}
	if (queue == ENGINE_QUEUE_CONVERT) {
		count(&crowd->convert_granted_count[lock->granted], by);
	}
}

bool crowd_convert_blocked_by(const struct crowd *crowd, int granted)
{
	for (int mode = 0; mode < MODE_COUNT; mode++) {
		if (crowd->convert.requested_count[mode] > 0 && !mode_compatible(granted, mode)) {
			return true;
		}
	}
	return false;
}

bool crowd_may_deadlock(const struct crowd *crowd)
{
	for (int mode = 0; mode < MODE_COUNT; mode++) {
		if (crowd->convert_granted_count[mode] > 0 && crowd_convert_blocked_by(crowd, mode)) {
			return true;
		}
	}
	return false;
}

/* --- check --- */

static void check_count(struct crowd *crowd, const struct resource *r, enum engine_queue queue)
{
	list_for_each(at, resource_queue(r, queue)) {
		crowd_count(crowd, lock_of_link(at), queue, 1);
	}
}

static bool queue_same(const struct crowd_queue *a, const struct crowd_queue *b)
{
	for (int mode = 0; mode < MODE_COUNT; mode++) {
		if (a->requested_count[mode] != b->requested_count[mode]) {
			return false;
		}
	}
	return a->count == b->count && a->noorder_count == b->noorder_count;
}

const char *crowd_check(const struct resource *r)
{
	const struct crowd *crowd = r->crowd;
	struct crowd fresh = { .vertex = 0 };

	if (!crowd) {
		return r->granted.next != r->granted.prev ?
			       "only a resource of one lock has no crowd" :
			       NULL;
	}
	check_count(&fresh, r, ENGINE_QUEUE_GRANTED);
	check_count(&fresh, r, ENGINE_QUEUE_CONVERT);
	check_count(&fresh, r, ENGINE_QUEUE_WAIT);
	if (!queue_same(&fresh.convert, &crowd->convert) || !queue_same(&fresh.wait, &crowd->wait) ||
	    fresh.granted_count != crowd->granted_count) {
		return "the counts of the queues are right";
	}
	for (int mode = 0; mode < MODE_COUNT; mode++) {
		if (fresh.mode_count[mode] != crowd->mode_count[mode] ||
		    fresh.convert_granted_count[mode] != crowd->convert_granted_count[mode]) {
			return "the counts of granted modes are right";
		}
	}
	list_for_each(at, resource_queue(r, ENGINE_QUEUE_GRANTED)) {
		if (!bast_told(crowd, lock_of_link(at))) {
			return "G has been told what it is known to have been told";
		}
	}
	return crowd->vertex != 0 ? "nothing is left of a search" : NULL;
}
