/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Begin and end of a session (section 17). A session that leaves orphans behind stays as an
 * ended one until the last of them is gone: it is what remembers their pid (R-PROC-4).
 */
#include "config.h"

#include <string.h>

#include "plugin/engine/engine_private.h"

/* R-PROC-6 */
void apply_session_begin(struct apply *a)
{
	struct engine *e = a->engine;
	const struct engine_op *op = a->op;
	struct member *m = member_find(e, op->nodeid, op->incarnation);

	if (op->session == 0 || (m && m->lost) ||
	    session_find(e, op->nodeid, op->incarnation, op->session)) {
		return;
	}
	if (!m) {
		m = member_new(e, op->nodeid, op->incarnation);
	}
	struct session *s = session_new(e, m, op->session);

	s->request_last = op->request;
	s->pid = op->pid;
	s->uid = op->uid;
	s->personality = op->personality;
	memcpy(s->comm, op->comm, sizeof(s->comm));
}

/* R-PROC-1, one lock. */
static void session_end_lock(struct engine *e, struct lock *lock)
{
	resource_touch(e, lock->resource);
	if (!(lock->flags & LOCKSTEP_LKF_PERSISTENT)) {
		lock_drop(e, lock);
	} else if (lock->queue != ENGINE_QUEUE_GRANTED) {
		/* A waiting request ends; a conversion's lock becomes an orphan at gr. */
		(void)lock_dequeue(e, lock);
	}
}

/* R-PROC-1 */
void apply_session_end(struct apply *a, struct session *s)
{
	struct engine *e = a->engine;
	struct lock_array locks = { .count = 0 };

	lock_array_add_session(&locks, s);
	lock_array_sort_created(&locks);
	for (size_t i = 0; i < locks.count; i++) {
		session_end_lock(e, locks.items[i]);
	}
	lock_array_done(&locks);
	if (s->locks_count > 0) {
		s->ended = true;
		e->sessions_ended_count++;
		e->orphans_count += s->locks_count;
		record_dirty(e, &s->record);
	} else {
		session_remove(e, s);
	}
	/* In order of the session's first lock on each, which is the order of first touch. */
	settle_touched(a, false);
}
