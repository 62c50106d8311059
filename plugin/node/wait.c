/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What time does to the queued locks of this node's sessions: their time-outs (section
 * 18), the search for a deadlock on their behalf (section 19) and the warning of
 * DLM_LSFL_TIMEWARN. Time is measured here, by the owner's node, and becomes an op; what
 * it does is decided when that op is applied (R-DET-1).
 *
 * The clock is the lockspace's own: it stands still while the lockspace is stopped
 * (R-TMO-3, R-DLK-2). A wait begins when the apply of its request has left the lock on C
 * or W and ends with the lock's next completion; the op carries the seq of the queueing,
 * so one that comes too late does nothing (R-TMO-2).
 */
#include "config.h"

#include "lib/base/assert.h"
#include "plugin/node/node_private.h"

#define WARN_MS 5000 /* fs/dlm's default for time warnings */

struct local_wait {
	struct local_lock *lock;
	uint64_t queued_seq;
	uint64_t began;
	uint64_t since_ms; /* by the node's clock, which never stands still */
	struct list item;  /* space.waits */
	/* In space.timeouts, .searches, .warnings, each in order of the time beside it;
	 * in none of them once there is nothing to be done. */
	struct list timeout_item;
	struct list search_item;
	struct list warn_item;
	uint64_t timeout_at;
	uint64_t search_at;
};

void wait_pool_init(struct space *s)
{
	pool_init(&s->wait_pool, sizeof(struct local_wait), 64);
}

void wait_tick(struct space *s, uint64_t elapsed_ms)
{
	if (space_serving(s) && s->state != SPACE_STOPPED && space_quorum_ok(s)) {
		s->clock_ms += elapsed_ms;
	}
}

/* Most time-outs of a program are alike: the place is nearly always the end. */
static void timeout_insert(struct space *s, struct local_wait *w)
{
	struct list *at = &s->timeouts;

	while (at->prev != &s->timeouts &&
	       list_entry(at->prev, struct local_wait, timeout_item)->timeout_at >
		       w->timeout_at) {
		at = at->prev;
	}
	list_insert_before(at, &w->timeout_item);
}

void wait_begin(struct local_lock *l, const struct engine_op *op)
{
	struct space *s = l->session->space;
	uint32_t period = engine_config_get(s->engine)->deadlock_wait_ms;
	struct engine_lock_info info;

	ls_assert(!l->wait);
	if (!engine_lock_find(s->engine, s->node->config.nodeid, s->incarnation, l->lkid,
			      &info) ||
	    info.queued_seq == 0) {
		return;
	}
	struct local_wait *w = pool_get(&s->wait_pool);

	w->lock = l;
	w->queued_seq = info.queued_seq;
	w->began = s->clock_ms;
	w->since_ms = s->node->now_ms;
	list_push_tail(&s->waits, &w->item);
	list_init(&w->timeout_item);
	list_init(&w->search_item);
	list_init(&w->warn_item);
	l->wait = w;
	if (op->flags & LOCKSTEP_LKF_TIMEOUT) {
		/* The clock moves in ticks: one more, so that nothing expires early. */
		w->timeout_at = s->clock_ms + (uint64_t)op->timeout_cs * 10 +
				(op->timeout_cs > 0 ? NODE_TICK_MS : 0);
		timeout_insert(s, w);
	}
	if (op->flags & LOCKSTEP_LKF_NODLCKWT) {
		return; /* neither searched for nor warned of */
	}
	/* R-DLK-1: locks of libdlm sessions start no search. */
	if (period > 0 && l->session->personality == ENGINE_PERSONALITY_NATIVE) {
		w->search_at = s->clock_ms + period;
		list_push_tail(&s->searches, &w->search_item);
	}
	if (s->want.flags & LOCKSTEP_LSFL_TIMEWARN) {
		list_push_tail(&s->warnings, &w->warn_item);
	}
}

static void ended_count(struct space *s, uint64_t ms)
{
	static const uint64_t bounds[NODE_WAIT_BUCKETS - 1] = NODE_WAIT_BOUNDS_MS;
	size_t bucket = 0;

	while (bucket < NODE_WAIT_BUCKETS - 1 && ms > bounds[bucket]) {
		bucket++;
	}
	s->waits_ended[bucket]++;
	s->waits_ended_ms += ms;
}

void wait_end(struct local_lock *l)
{
	struct local_wait *w = l->wait;

	if (w) {
		ended_count(l->session->space, l->session->space->node->now_ms - w->since_ms);
		list_remove(&w->item);
		list_remove(&w->timeout_item);
		list_remove(&w->search_item);
		list_remove(&w->warn_item);
		pool_put(&l->session->space->wait_pool, w);
		l->wait = NULL;
	}
}

/* These are no ops of the session: they carry its number for nothing (op.h). */
static void order(struct space *s, const struct local_wait *w, enum engine_op_type type)
{
	const struct engine_op op = { .type = type,
				      .lkid = w->lock->lkid,
				      .queued_seq = w->queued_seq };

	outbox_push(s, &op);
}

/* R-TMO-2. Once per queueing: it is out of the list then, and a message that the epoch
 * rule drops is sent again like any other. */
static void timeouts_progress(struct space *s)
{
	while (!list_empty(&s->timeouts)) {
		struct local_wait *w =
			list_entry(s->timeouts.next, struct local_wait, timeout_item);

		if (w->timeout_at > s->clock_ms) {
			return;
		}
		list_remove(&w->timeout_item);
		order(s, w, ENGINE_OP_TIMEOUT);
	}
}

/* R-DLK-2: one at a time, each once per period. */
static void searches_progress(struct space *s)
{
	if (s->search_in_flight || list_empty(&s->searches)) {
		return;
	}
	struct local_wait *w =
		list_entry(s->searches.next, struct local_wait, search_item);

	if (w->search_at > s->clock_ms) {
		return;
	}
	list_remove(&w->search_item);
	w->search_at = s->clock_ms + engine_config_get(s->engine)->deadlock_wait_ms;
	list_push_tail(&s->searches, &w->search_item);
	s->search_in_flight = true;
	order(s, w, ENGINE_OP_DEADLOCK_SEARCH);
}

static void warnings_progress(struct space *s)
{
	while (!list_empty(&s->warnings)) {
		struct local_wait *w =
			list_entry(s->warnings.next, struct local_wait, warn_item);
		const struct session *session = w->lock->session;

		if (w->began + WARN_MS > s->clock_ms) {
			return;
		}
		list_remove(&w->warn_item);
		s->node->counters[COUNTER_TIME_WARNINGS]++;
		node_log(
			s->node, 4,
			"lockspace %s: lock %x of pid %u (%.16s) has been queued for %u s",
			s->name, w->lock->lkid, session->pid, session->comm,
			WARN_MS / 1000);
	}
}

void wait_progress(struct space *s)
{
	timeouts_progress(s);
	searches_progress(s);
	warnings_progress(s);
}

bool node_space_waits(const struct node *n, const char *space, struct node_space_waits *ret)
{
	const struct space *s = node_space_find(n, space);

	if (!s) {
		return false;
	}
	*ret = (struct node_space_waits){ .ended_ms = s->waits_ended_ms,
					  .incarnation = s->incarnation };
	for (size_t i = 0; i < NODE_WAIT_BUCKETS; i++) {
		ret->ended[i] = s->waits_ended[i];
	}
	if (!list_empty(&s->waits)) {
		const struct local_wait *w = list_entry(s->waits.next, struct local_wait, item);

		ret->oldest_ms = n->now_ms - w->since_ms;
		ret->oldest_lkid = w->lock->lkid;
	}
	list_for_each(item, &s->lost_members) {
		const struct lost *l = list_entry(item, struct lost, item);
		uint64_t ms = l->since_ms ? n->now_ms - l->since_ms : 0;

		if (!l->fenced && (ret->lost_nodeid == 0 || ms > ret->lost_ms)) {
			ret->lost_nodeid = l->nodeid;
			ret->lost_ms = ms;
		}
	}
	return true;
}
