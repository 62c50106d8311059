/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions about the state: those of the home node before it orders an op, and listings.
 * Nothing here changes anything.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"

void lock_info_fill(const struct lock *lock, struct engine_lock_info *ret)
{
	const struct session *s = lock->session;

	memset(ret, 0, sizeof(*ret));
	ret->nodeid = s->member->nodeid;
	ret->incarnation = s->member->incarnation;
	ret->session = s->ended ? 0 : s->number;
	ret->lkid = lock->lkid;
	ret->queue = (enum engine_queue)lock->queue;
	ret->granted = lock->granted;
	ret->requested = lock->requested;
	ret->flags = lock->flags;
	ret->token = lock->token;
	ret->queued_seq = lock->wait ? lock->wait->queued_seq : 0;
	ret->time_ms = lock->time_ms;
	ret->xid = lock->xid;
	ret->pid = s->pid;
	ret->uid = s->uid;
	memcpy(ret->comm, s->comm, sizeof(s->comm));
	ret->name_len = lock->resource->name_len;
	memcpy(ret->name, lock->resource->name, lock->resource->name_len);
	ret->lost = s->member->lost;
	ret->has_bast = lock->attr & ENGINE_ATTR_HAS_BAST;
}

bool engine_lock_find(const struct engine *e, uint32_t nodeid, uint64_t incarnation, uint32_t lkid,
		      struct engine_lock_info *ret)
{
	const struct lock *lock = lock_find(e, nodeid, incarnation, lkid);

	if (!lock) {
		return false;
	}
	lock_info_fill(lock, ret);
	return true;
}

bool engine_session_exists(const struct engine *e, uint32_t nodeid, uint64_t incarnation,
			   uint32_t session)
{
	const struct session *s = session_find(e, nodeid, incarnation, session);

	return s && !s->ended;
}

size_t engine_session_locks(const struct engine *e, uint32_t nodeid, uint64_t incarnation,
			    uint32_t session, size_t *ret_granted)
{
	const struct session *s = session_find(e, nodeid, incarnation, session);
	bool alive = s && !s->ended;

	if (ret_granted) {
		*ret_granted = alive ? s->granted_count : 0;
	}
	return alive ? s->locks_count : 0;
}

size_t engine_node_locks(const struct engine *e, uint32_t nodeid, uint64_t incarnation)
{
	const struct member *m = member_find(e, nodeid, incarnation);

	return m ? m->locks_count : 0;
}

struct engine_totals engine_totals_get(const struct engine *e)
{
	struct engine_totals totals = {
		.resources = e->resources.count,
		.locks = e->locks.count,
		.granted = e->queue_count[ENGINE_QUEUE_GRANTED - 1],
		.converting = e->queue_count[ENGINE_QUEUE_CONVERT - 1],
		.waiting = e->queue_count[ENGINE_QUEUE_WAIT - 1],
		.sessions = e->sessions.count - e->sessions_ended_count,
		.orphans = e->orphans_count,
	};

	static_assert(sizeof(totals.held) == sizeof(e->held_count), "one for each mode");
	memcpy(totals.held, e->held_count, sizeof(totals.held));
	memcpy(totals.wanted, e->wanted_count, sizeof(totals.wanted));
	return totals;
}

static void resource_info_fill(const struct engine *e, const struct resource *r,
			       struct engine_resource_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->name_len = r->name_len;
	memcpy(ret->name, r->name, r->name_len);
	ret->granted_count = queue_count(r, ENGINE_QUEUE_GRANTED);
	ret->convert_count = queue_count(r, ENGINE_QUEUE_CONVERT);
	ret->wait_count = queue_count(r, ENGINE_QUEUE_WAIT);
	ret->lvb_exists = r->lvb != NULL;
	ret->lvb_invalid = r->lvb_invalid;
	ret->lvb_seq = r->lvb_seq;
	ret->lvb_len = r->lvb ? e->config.lvb_len : 0;
	ret->lvb = r->lvb;
}

void engine_resources_visit(const struct engine *e,
			    bool (*visit)(const struct engine_resource_info *info, void *arg),
			    void *arg)
{
	struct resource **sorted = resources_sorted(e);
	struct engine_resource_info info;

	for (size_t i = 0; i < e->resources.count; i++) {
		resource_info_fill(e, sorted[i], &info);
		if (!visit(&info, arg)) {
			break;
		}
	}
	free(sorted);
}

/* --- names, a piece at a time ------------------------------------------------------------ */

static bool name_before(const struct engine_name *a, const struct engine_name *b)
{
	return name_compare(a->bytes, a->size, b->bytes, b->size) < 0;
}

/* @heap has its greatest name on top; the one at @at may be too small for its place. */
static void heap_sink(struct engine_name *heap, size_t count, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < count && name_before(&heap[child], &heap[child + 1])) {
			child++;
		}
		if (child >= count || !name_before(&heap[at], &heap[child])) {
			return;
		}
		struct engine_name name = heap[at];

		heap[at] = heap[child];
		heap[child] = name;
		at = child;
	}
}

static void heap_rise(struct engine_name *heap, size_t at)
{
	while (at > 0 && name_before(&heap[(at - 1) / 2], &heap[at])) {
		struct engine_name name = heap[at];

		heap[at] = heap[(at - 1) / 2];
		heap[(at - 1) / 2] = name;
		at = (at - 1) / 2;
	}
}

size_t engine_names_after(const struct engine *e, const struct engine_name *after, bool contended,
			  struct engine_name *ret, size_t max)
{
	size_t count = 0;

	ls_assert(max > 0);
	for (size_t i = 0; i < e->resources.size; i++) {
		for (struct record *at = e->resources.buckets[i]; at; at = at->next) {
			const struct resource *r = record_entry(at, struct resource);
			bool wanted = !contended || queue_count(r, ENGINE_QUEUE_CONVERT) +
							    queue_count(r, ENGINE_QUEUE_WAIT) > 0;

			if (!wanted ||
			    (after && name_compare(r->name, r->name_len, after->bytes, after->size) <= 0) ||
			    (count == max &&
			     name_compare(r->name, r->name_len, ret[0].bytes, ret[0].size) >= 0)) {
				continue;
			}
			struct engine_name *place = &ret[count < max ? count : 0];

			place->size = r->name_len;
			memcpy(place->bytes, r->name, r->name_len);
			if (count < max) {
				heap_rise(ret, count++);
			} else {
				heap_sink(ret, count, 0);
			}
		}
	}
	/* The greatest goes to the end, again and again. */
	for (size_t left = count; left > 1; left--) {
		struct engine_name name = ret[left - 1];

		ret[left - 1] = ret[0];
		ret[0] = name;
		heap_sink(ret, left - 1, 0);
	}
	return count;
}

bool engine_resource_find(const struct engine *e, const void *name, size_t name_len,
			  struct engine_resource_info *ret)
{
	const struct resource *r = resource_find(e, name, name_len);

	if (!r) {
		return false;
	}
	resource_info_fill(e, r, ret);
	return true;
}

void engine_locks_visit(const struct engine *e, const void *name, size_t name_len,
			bool (*visit)(const struct engine_lock_info *info, void *arg), void *arg)
{
	const struct resource *r = resource_find(e, name, name_len);
	struct engine_lock_info info;

	if (!r) {
		return;
	}
	for (enum engine_queue queue = ENGINE_QUEUE_GRANTED; queue <= ENGINE_QUEUE_WAIT; queue++) {
		list_for_each(at, resource_queue(r, queue)) {
			lock_info_fill(lock_of_link(at), &info);
			if (!visit(&info, arg)) {
				return;
			}
		}
	}
}

bool lock_is_ahead(const struct lock *other, const struct lock *lock)
{
	if (lock->flags & LOCKSTEP_LKF_NOORDER || other->queue == ENGINE_QUEUE_GRANTED) {
		return false;
	}
	if (other->queue != lock->queue) {
		return other->queue == ENGINE_QUEUE_CONVERT;
	}
	return lock_order_before(other, lock);
}

void engine_blockers_visit(const struct engine *e, const struct engine_lock_info *waiter,
			   bool (*visit)(const struct engine_lock_info *blocker, bool by_order,
					 void *arg),
			   void *arg)
{
	const struct lock *lock =
		lock_find(e, waiter->nodeid, waiter->incarnation, waiter->lkid);
	struct engine_lock_info info;

	if (!lock || !lock->wait) {
		return;
	}
	for (enum engine_queue queue = ENGINE_QUEUE_GRANTED; queue <= ENGINE_QUEUE_WAIT; queue++) {
		list_for_each(at, resource_queue(lock->resource, queue)) {
			const struct lock *other = lock_of_link(at);
			bool conflict = !mode_compatible(other->granted, lock->requested);

			if (other == lock || (!conflict && !lock_is_ahead(other, lock))) {
				continue;
			}
			lock_info_fill(other, &info);
			if (!visit(&info, !conflict, arg)) {
				return;
			}
		}
	}
}
