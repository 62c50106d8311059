/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The three queues of a resource (section 5): who stands where in G, C and W. A lock's place
 * follows from its own fields, so a queue needs no record of its own in snapshot and digest.
 */
#include "config.h"

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"

/* C and W of a resource without a crowd. Never written: nothing joins it. */
static const struct list nobody = {
	.next = (struct list *)&nobody,
	.prev = (struct list *)&nobody,
};

struct list *resource_queue(const struct resource *r, enum engine_queue queue)
{
	ls_assert(queue >= ENGINE_QUEUE_GRANTED && queue <= ENGINE_QUEUE_WAIT);
	/* The list heads of a resource are writable whoever asks for them. */
	if (queue == ENGINE_QUEUE_GRANTED) {
		return (struct list *)(uintptr_t)&r->granted;
	}
	return r->crowd ? &crowd_queue(r->crowd, queue)->locks : (struct list *)(uintptr_t)&nobody;
}

uint32_t queue_count(const struct resource *r, enum engine_queue queue)
{
	if (!r->crowd) {
		return queue == ENGINE_QUEUE_GRANTED && !list_empty(&r->granted);
	}
	return queue == ENGINE_QUEUE_GRANTED ? r->crowd->granted_count :
					       crowd_queue(r->crowd, queue)->count;
}

uint32_t resource_mode_count(const struct resource *r, int mode)
{
	if (!r->crowd) {
		const struct lock *lock = queue_first(r, ENGINE_QUEUE_GRANTED);

		return lock && lock->granted == mode;
	}
	return r->crowd->mode_count[mode];
}

struct lock *lock_of_link(struct list *link)
{
	return list_entry(link, struct lock, queue_link);
}

struct lock *queue_first(const struct resource *r, enum engine_queue queue)
{
	struct list *head = resource_queue(r, queue);

	return list_empty(head) ? NULL : lock_of_link(head->next);
}

struct lock *queue_ahead(const struct lock *lock)
{
	struct list *convert = resource_queue(lock->resource, ENGINE_QUEUE_CONVERT);
	struct list *before = lock->queue_link.prev;

	ls_assert(lock->wait);
	if (before == resource_queue(lock->resource, ENGINE_QUEUE_WAIT)) {
		before = convert->prev;
	}
	return before == convert ? NULL : lock_of_link(before);
}

/*
 * The order keys. G: (token, grant_index), the order in which the present modes were granted.
 * C and W: the seq of the queueing, at most one lock per seq; a HEADQUE lock goes before all
 * that are there, so its key is the seq negated.
 */
bool lock_order_before(const struct lock *a, const struct lock *b)
{
	ls_assert(a->queue == b->queue);
	if (a->queue == ENGINE_QUEUE_GRANTED) {
		return a->token != b->token ? a->token < b->token : a->grant_index < b->grant_index;
	}
	bool a_head = a->flags & LOCKSTEP_LKF_HEADQUE;
	bool b_head = b->flags & LOCKSTEP_LKF_HEADQUE;

	if (a_head != b_head) {
		return a_head;
	}
	return a_head ? a->wait->queued_seq > b->wait->queued_seq :
			a->wait->queued_seq < b->wait->queued_seq;
}

/* Before anybody looks for the lock's place: queues of the crowd have to be there. */
static void queue_prepare(struct engine *e, struct resource *r, enum engine_queue queue)
{
	if (!r->crowd && (queue != ENGINE_QUEUE_GRANTED || !list_empty(&r->granted))) {
		crowd_begin(e, r);
	}
}

/* A lock has joined (+1) its queue, or is about to leave it (-1). */
static void modes_count(struct engine *e, const struct lock *lock, int by)
{
	if (lock->queue != ENGINE_QUEUE_WAIT) {
		e->held_count[lock->granted] += (size_t)by;
	}
	if (lock->queue != ENGINE_QUEUE_GRANTED) {
		e->wanted_count[lock->requested] += (size_t)by;
	}
}

static void queue_link_before(struct engine *e, struct lock *lock, enum engine_queue queue,
			      struct list *at)
{
	ls_assert(list_empty(&lock->queue_link));
	list_insert_before(at, &lock->queue_link);
	lock->queue = (uint8_t)queue;
	if (lock->resource->crowd) {
		crowd_count(lock->resource->crowd, lock, queue, 1);
	}
	e->queue_count[queue - 1]++;
	modes_count(e, lock, 1);
	record_dirty(e, &lock->record);
}

void queue_append(struct engine *e, struct lock *lock, enum engine_queue queue)
{
	ls_assert(lock->queue == ENGINE_QUEUE_NONE);
	queue_prepare(e, lock->resource, queue);
	queue_link_before(e, lock, queue, resource_queue(lock->resource, queue));
}

void queue_insert(struct engine *e, struct lock *lock, enum engine_queue queue)
{
	queue_prepare(e, lock->resource, queue);
	struct list *head = resource_queue(lock->resource, queue);
	struct list *at = head;

	ls_assert(lock->queue == ENGINE_QUEUE_NONE);
	lock->queue = (uint8_t)queue; /* lock_order_before() compares within one queue */
	if (queue == ENGINE_QUEUE_GRANTED) {
		/* New grants belong at the end; only a cancelled conversion looks further. */
		while (at->prev != head && lock_order_before(lock, lock_of_link(at->prev))) {
			at = at->prev;
		}
	} else if (lock->flags & LOCKSTEP_LKF_HEADQUE) {
		at = head->next;
	}
	queue_link_before(e, lock, queue, at);
}

void queue_remove(struct engine *e, struct lock *lock)
{
	ls_assert(lock->queue != ENGINE_QUEUE_NONE);
	list_remove(&lock->queue_link);
	if (lock->resource->crowd) {
		crowd_count(lock->resource->crowd, lock, (enum engine_queue)lock->queue, -1);
	}
	e->queue_count[lock->queue - 1]--;
	modes_count(e, lock, -1);
	lock->queue = ENGINE_QUEUE_NONE;
	record_dirty(e, &lock->record);
}

void lock_requested_set(struct engine *e, struct lock *lock, int mode)
{
	ls_assert(mode >= 0 && mode < MODE_COUNT);
	if (lock->queue == ENGINE_QUEUE_CONVERT || lock->queue == ENGINE_QUEUE_WAIT) {
		struct crowd_queue *queue =
			crowd_queue(lock->resource->crowd, (enum engine_queue)lock->queue);

		queue->requested_count[lock->requested]--;
		queue->requested_count[mode]++;
		e->wanted_count[lock->requested]--;
		e->wanted_count[mode]++;
	}
	lock->requested = (int8_t)mode;
}
