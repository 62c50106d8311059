/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orphans: adoption and purge (section 17).
 */
#include "config.h"

#include <errno.h>

#include "plugin/engine/engine_private.h"

/* R-ORPH-1: the oldest orphan of that node in that mode. *ret_any: one in another mode exists. */
static struct lock *orphan_find(const struct resource *r, const struct member *m, int mode,
				bool *ret_any)
{
	struct lock *oldest = NULL;

	*ret_any = false;
	/* An orphan has nothing pending, so it is on G. */
	list_for_each(at, resource_queue(r, ENGINE_QUEUE_GRANTED)) {
		struct lock *lock = lock_of_link(at);

		if (!lock_is_orphan(lock) || lock->session->member != m) {
			continue;
		}
		*ret_any = true;
		if (lock->granted == mode &&
		    (!oldest || lock->created_seq < oldest->created_seq)) {
			oldest = lock;
		}
	}
	return oldest;
}

/* The answer goes to the waiting call, also when there is no lock that could carry it. */
static void adopt_reply(struct apply *a, struct session *s, int status, const struct lock *lock)
{
	const struct lock nobody = { .session = s, .granted = LOCKSTEP_LOCK_IV };
	const struct lock *of = lock ? lock : &nobody;
	struct engine_effect *effect = effect_new(a, ENGINE_EFFECT_REPLY, of);

	if (effect) {
		effect->request = a->op->request;
		effect->status = status;
		effect->mode = of->granted;
		effect->token = of->token;
		effect->needs_stable = status == 0;
	}
}

void apply_adopt(struct apply *a, struct session *s)
{
	struct engine *e = a->engine;
	const struct engine_op *op = a->op;
	struct resource *r = resource_find(e, op->name, op->name_len);
	bool any = false;
	struct lock *lock = r ? orphan_find(r, s->member, op->mode, &any) : NULL;

	if (!lock) {
		adopt_reply(a, s, any ? EAGAIN : ENOENT, NULL);
		return;
	}
	lock_owner_set(e, lock, s);
	lock->flags = op->flags;
	lock->attr = op->attr;
	lock->time_ms = op->time_ms;
	lock->xid = op->xid;
	bast_forget(lock);
	adopt_reply(a, s, 0, lock);

	/* R-ORPH-2: the new owner hears of those who wait already. */
	struct blocked b = blocked_now(r);

	if (b.high != LOCKSTEP_LOCK_IV) {
		bast_settle_one(a, lock, &b);
	}
}

static void purge(struct apply *a, struct lock_array *locks)
{
	lock_array_sort_created(locks);
	for (size_t i = 0; i < locks->count; i++) {
		resource_touch(a->engine, locks->items[i]->resource);
		lock_drop(a->engine, locks->items[i]);
	}
	lock_array_done(locks);
	settle_touched(a, false);
}

/* R-PURGE-1. A lost member's orphans are not touched: they go at the recovery point (R-REC-7). */
void apply_purge(struct apply *a, struct session *s)
{
	const struct engine_op *op = a->op;
	uint32_t nodeid = op->purge_nodeid ? op->purge_nodeid : op->nodeid;
	struct lock_array locks = { .count = 0 };

	if (nodeid == op->nodeid && op->purge_pid != 0 && op->purge_pid == s->pid) {
		lock_array_add_session(&locks, s);
		purge(a, &locks);
		return;
	}
	list_for_each(m_at, &a->engine->members) {
		struct member *m = list_entry(m_at, struct member, link);

		if (m->nodeid != nodeid || m->lost) {
			continue;
		}
		list_for_each(s_at, &m->sessions) {
			struct session *of = list_entry(s_at, struct session, member_link);

			if (of->ended && (op->purge_pid == 0 || op->purge_pid == of->pid)) {
				lock_array_add_session(&locks, of);
			}
		}
	}
	purge(a, &locks);
}
