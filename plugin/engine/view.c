/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a change of membership does to locks: at the view point the lost stop waiting, at the
 * recovery point (or a clean leave) their locks go (spec recovery.md).
 */
#include "config.h"

#include <stdlib.h>

#include "plugin/engine/engine_private.h"

/* A lock that goes takes two chains of the tables along, which is memory that no cache has when there are
 * many: asked for so many locks ahead it is there in time. */
#define PREFETCH_LOCKS 8

/*
 * R-REC-4 (1) and (2) for one member. Until this is over nobody gets a lock, so it looks only at what waits,
 * however much the member holds. The order in which they go is not to be seen: resources are settled later,
 * by name, and a cancelled conversion goes back to where its granted mode belongs.
 */
static void member_lose(struct engine *e, struct member *m)
{
	m->lost = true;
	record_dirty(e, &m->record);
	list_for_each_safe(at, &m->waits) {
		struct lock *lock = list_entry(at, struct lock_wait, member_link)->lock;

		resource_touch(e, lock->resource);
		(void)lock_dequeue(e, lock);
	}
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

static void lost_lock_remove(struct engine *e, struct lock *lock)
{
	struct resource *r = lock->resource;
	bool wrote = lock->granted >= LOCKSTEP_LOCK_PW && lock->flags & LOCKSTEP_LKF_VALBLK;

	lock_remove(e, lock);
	if (r->record.state == RECORD_DEAD) {
		return; /* Nobody else had it, as it is with most. */
	}
	resource_touch(e, r);
	if (wrote) { /* R-LVB-9; the bytes stay (R-REC-12). */
		lvb_invalidate(e, r);
	}
}

static void session_locks_remove(struct engine *e, struct session *s)
{
	struct list *ahead = &s->locks;

	for (int i = 0; i < PREFETCH_LOCKS; i++) {
		ahead = ahead->next;
	}
	list_for_each_safe(at, &s->locks) {
		if (ahead != &s->locks) {
			lock_prefetch(e, list_entry(ahead, struct lock, session_link));
			ahead = ahead->next;
		}
		lost_lock_remove(e, list_entry(at, struct lock, session_link));
	}
}

/* R-REC-6 (2), R-PROC-5. In whatever order: that of the settles is by name, and nothing else shows. */
static void member_remove(struct engine *e, struct member *m)
{
	list_for_each_safe(at, &m->sessions) {
		struct session *s = list_entry(at, struct session, member_link);
		bool ended = s->ended; /* goes with its last orphan */

		session_locks_remove(e, s);
		if (!ended) {
			session_remove(e, s);
		}
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
