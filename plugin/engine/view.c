/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a change of membership does to locks: at the view point the lost stop waiting, at the
 * recovery point (or a clean leave) their locks go (spec recovery.md).
 */
#include "config.h"

#include <stdlib.h>

#include "plugin/engine/engine_private.h"

static void member_locks(const struct member *m, struct lock_array *locks)
{
	list_for_each(at, &m->sessions) {
		lock_array_add_session(locks, list_entry(at, struct session, member_link));
	}
	lock_array_sort_lkid(locks);
}

/* R-REC-4 (1) and (2) for one member. */
static void member_lose(struct engine *e, struct member *m)
{
	struct lock_array locks = { .count = 0 };

	m->lost = true;
	record_dirty(e, &m->record);
	member_locks(m, &locks);
	for (size_t i = 0; i < locks.count; i++) {
		if (locks.items[i]->queue != ENGINE_QUEUE_GRANTED) {
			resource_touch(e, locks.items[i]->resource);
			(void)lock_dequeue(e, locks.items[i]);
		}
	}
	lock_array_done(&locks);
}

/* A lineage that goes on the slow way (R-VIEW-2) may have missed writes of another that is gone now:
 * no value may pass for the last one written until somebody writes it again. That there is none yet may
 * be old, too, and only a value can be read as invalid (R-LVB-6): there is one of zeroes then. */
static void lvbs_invalidate(struct engine *e)
{
	static const uint8_t zeroes[LOCKSTEP_LVB_MAX];
	struct resource **items = resources_sorted(e);

	for (size_t i = 0; i < e->resources.count; i++) {
		if (!items[i]->lvb) {
			resource_lvb_set(e, items[i], zeroes);
		}
		lvb_invalidate(e, items[i]);
	}
	free(items);
}

void apply_view_point(struct apply *a)
{
	const struct engine_op *op = a->op;

	if (op->flags & LOCKSTEP_LKF_IVVALBLK) {
		lvbs_invalidate(a->engine);
	}

	for (size_t i = 0; i < op->members_count; i++) {
		struct member *m = member_find(a->engine, op->members[i].nodeid,
					       op->members[i].incarnation);

		if (m && !m->lost) {
			member_lose(a->engine, m);
		}
	}
	settle_touched(a, true);
}

/* R-REC-6 (2), R-PROC-5. Ended sessions go with their last orphan, the others here. */
static void member_remove(struct engine *e, struct member *m)
{
	struct lock_array locks = { .count = 0 };

	member_locks(m, &locks);
	for (size_t i = 0; i < locks.count; i++) {
		struct lock *lock = locks.items[i];

		resource_touch(e, lock->resource);
		/* R-LVB-9; the bytes stay (R-REC-12). */
		if (lock->granted >= LOCKSTEP_LOCK_PW && lock->flags & LOCKSTEP_LKF_VALBLK) {
			lvb_invalidate(e, lock->resource);
		}
		lock_remove(e, lock);
	}
	lock_array_done(&locks);
	list_for_each_safe(at, &m->sessions) {
		session_remove(e, list_entry(at, struct session, member_link));
	}
}

void apply_nodes_remove(struct apply *a)
{
	const struct engine_op *op = a->op;

	for (size_t i = 0; i < op->members_count; i++) {
		struct member *m = member_find(a->engine, op->members[i].nodeid,
					       op->members[i].incarnation);

		if (m) {
			member_remove(a->engine, m);
		}
	}
	settle_touched(a, true);
}
