/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must always hold, looked up in the state itself. Called by tests after every op, by the
 * simulator, and piece by piece by whoever restores a snapshot. Every index and count is compared with
 * what it stands for.
 */
#include "config.h"

#include <stdlib.h>

#include "plugin/engine/engine_private.h"

static bool mode_valid(int mode)
{
	return mode >= 0 && mode < MODE_COUNT;
}

/* R-Q-1 */
static const char *check_lock_queue(const struct lock *lock)
{
	switch (lock->queue) {
	case ENGINE_QUEUE_GRANTED:
		if (!mode_valid(lock->granted) || lock->requested != LOCKSTEP_LOCK_IV) {
			return "a lock on G has a granted mode and no requested one";
		}
		return lock->wait ? "a lock on G waits for nothing" : NULL;
	case ENGINE_QUEUE_CONVERT:
		if (!mode_valid(lock->granted) || !mode_valid(lock->requested)) {
			return "a lock on C has a granted and a requested mode";
		}
		return lock->wait ? NULL : "a lock on C waits";
	case ENGINE_QUEUE_WAIT:
		if (lock->granted != LOCKSTEP_LOCK_IV || !mode_valid(lock->requested)) {
			return "a lock on W has a requested mode and no granted one";
		}
		return lock->wait ? NULL : "a lock on W waits";
	default:
		return "a lock is on one of the three queues";
	}
}

static const char *check_lock_wait(const struct engine *e, const struct lock *lock)
{
	if (lock->wait->queued_seq == 0 || lock->wait->queued_seq > e->seq) {
		return "a queueing seq lies in the past";
	}
	if (lock->flags & LOCKSTEP_LKF_EXPEDITE) {
		return "an EXPEDITE request never waits";
	}
	if (lock->flags & LOCKSTEP_LKF_NOQUEUE) {
		return "a NOQUEUE request never waits";
	}
	if (lock->wait->timeout_cs != 0 && !(lock->flags & LOCKSTEP_LKF_TIMEOUT)) {
		return "a timeout is kept only with TIMEOUT";
	}
	if (lock->wait->lvb && (lock->requested != LOCKSTEP_LOCK_EX || !(lock->flags & LOCKSTEP_LKF_VALBLK))) {
		return "LVB bytes are kept only for a conversion to EX that may write them";
	}
	if (lock->wait->lock != lock || lock->wait->vertex != 0 ||
	    lock->wait->transaction != lock_transaction(e, lock)) {
		return "what waits is known to its transaction";
	}
	return lock_is_orphan(lock) ? "an orphan does not wait" : NULL;
}

static const char *check_lock(const struct engine *e, const struct lock *lock)
{
	const struct member *m = lock->session->member;
	const char *broken = check_lock_queue(lock);

	if (broken) {
		return broken;
	}
	if (lock->wait && (broken = check_lock_wait(e, lock))) {
		return broken;
	}
	if (lock->lkid == 0 || lock->lkid > LKID_MAX) {
		return "an lkid is in 1..2^31-1";
	}
	if (lock_find(e, m->nodeid, m->incarnation, lock->lkid) != lock) {
		return "the lock table finds each lock by its key";
	}
	if (lock->created_seq == 0 || lock->created_seq > e->seq || lock->token > e->seq) {
		return "seqs of a lock lie in the past";
	}
	if (lock->queue == ENGINE_QUEUE_WAIT ? lock->token != 0 || lock->grant_index != 0 :
					       lock->token < lock->created_seq) {
		return "a lock has a token from its first grant on";
	}
	if (lock->queue == ENGINE_QUEUE_WAIT && lock->highbast != LOCKSTEP_LOCK_NL) {
		return "a lock on W was never told of a blocked one";
	}
	if (lock->highbast >= MODE_COUNT || (lock->attr & ~ENGINE_ATTR_HAS_BAST) != 0) {
		return "small fields of a lock are in range";
	}
	if (lock->sb_flags != 0 &&
	    (lock->queue != ENGINE_QUEUE_CONVERT || lock->sb_flags != LOCKSTEP_SBF_DEMOTED ||
	     lock->granted != LOCKSTEP_LOCK_NL)) {
		return "only a demoted conversion keeps a flag";
	}
	if (m->lost && lock->wait) {
		return "the lost do not wait";
	}
	return NULL;
}

static const char *check_queue(const struct engine *e, const struct resource *r,
			       enum engine_queue queue, uint32_t *mode_count, size_t *total)
{
	const struct lock *before = NULL;
	uint32_t count = 0;

	list_for_each(at, resource_queue(r, queue)) {
		const struct lock *lock = lock_of_link(at);
		const char *broken;

		if (lock->queue != queue || lock->resource != r) {
			return "a lock knows its queue and its resource";
		}
		if ((broken = check_lock(e, lock))) {
			return broken;
		}
		if (before && !lock_order_before(before, lock)) {
			return "a queue is in strict order of its keys";
		}
		if (lock->granted != LOCKSTEP_LOCK_IV) {
			mode_count[lock->granted]++;
		}
		before = lock;
		count++;
	}
	*total += count;
	return count == queue_count(r, queue) ? NULL : "a queue's count is right";
}

static int compare_grants(const void *a, const void *b)
{
	const struct lock *x = *(struct lock *const *)a;
	const struct lock *y = *(struct lock *const *)b;

	if (x->token != y->token) {
		return x->token < y->token ? -1 : 1;
	}
	return x->grant_index < y->grant_index ? -1 : x->grant_index > y->grant_index;
}

/* Also a lock on C has its place in the order of G: it may come back (R-CAN-2). */
static const char *check_grants(const struct resource *r)
{
	struct lock_array locks = { .count = 0 };
	const char *broken = NULL;

	for (enum engine_queue queue = ENGINE_QUEUE_GRANTED; queue <= ENGINE_QUEUE_CONVERT; queue++) {
		list_for_each(at, resource_queue(r, queue)) {
			lock_array_add(&locks, lock_of_link(at));
		}
	}
	if (locks.count > 1) {
		qsort(locks.items, locks.count, sizeof(locks.items[0]), compare_grants);
	}
	for (size_t i = 1; i < locks.count && !broken; i++) {
		if (compare_grants(&locks.items[i - 1], &locks.items[i]) == 0) {
			broken = "no two modes of a resource were granted at the same place";
		}
	}
	lock_array_done(&locks);
	return broken;
}

const char *check_resource(const struct engine *e, const struct resource *r,
			   size_t totals[QUEUE_COUNT])
{
	uint32_t mode_count[MODE_COUNT] = { 0 };
	size_t locks = 0;

	for (enum engine_queue queue = ENGINE_QUEUE_GRANTED; queue <= ENGINE_QUEUE_WAIT; queue++) {
		const char *broken = check_queue(e, r, queue, mode_count, &totals[queue - 1]);

		if (broken) {
			return broken;
		}
		locks += queue_count(r, queue);
	}
	const char *broken = check_grants(r);

	if (broken) {
		return broken;
	}
	if (locks == 0) {
		return "a resource exists only with locks"; /* R-RES-2 */
	}
	for (int mode = 0; mode < MODE_COUNT; mode++) {
		if (mode_count[mode] != resource_mode_count(r, mode)) {
			return "the counts of granted modes are right";
		}
		for (int other = mode; other < MODE_COUNT; other++) {
			uint32_t enough = other == mode ? 2 : 1;

			if (mode_count[mode] > 0 && mode_count[other] >= enough &&
			    !mode_compatible(mode, other)) {
				return "granted modes are compatible with each other";
			}
		}
	}
	if (resource_find(e, r->name, r->name_len) != r) {
		return "the resource table finds each resource by its name";
	}
	return r->touched ? "no resource is left to be settled" : crowd_check(r);
}

/* All that can be said without looking at its locks. */
static const char *check_session_kept(const struct engine *e, const struct session *s)
{
	if (s->ended && s->locks_count == 0) {
		return "an ended session is kept for its orphans only";
	}
	if (s->number == 0 || s->personality > ENGINE_PERSONALITY_LIBDLM) {
		return "small fields of a session are in range";
	}
	if (session_find(e, s->member->nodeid, s->member->incarnation, s->number) != s) {
		return "the session table finds each session by its key";
	}
	return NULL;
}

static const char *check_member_kept(const struct engine *e, const struct member *m)
{
	if (list_empty(&m->sessions)) {
		return "a member is kept for its sessions only";
	}
	if (member_find(e, m->nodeid, m->incarnation) != m) {
		return "a member is known once";
	}
	return NULL;
}

const char *check_owners_kept(const struct engine *e)
{
	list_for_each(m_at, &e->members) {
		const struct member *m = list_entry(m_at, struct member, link);
		const char *broken = check_member_kept(e, m);

		list_for_each(s_at, &m->sessions) {
			if (!broken) {
				broken = check_session_kept(
					e, list_entry(s_at, struct session, member_link));
			}
		}
		if (broken) {
			return broken;
		}
	}
	return NULL;
}

static const char *check_session(const struct engine *e, const struct session *s)
{
	uint32_t granted = 0;
	uint32_t locks = 0;

	list_for_each(at, &s->locks) {
		const struct lock *lock = list_entry(at, struct lock, session_link);

		if (lock->session != s) {
			return "a lock knows its session";
		}
		locks++;
		granted += lock->granted != LOCKSTEP_LOCK_IV;
	}
	if (locks != s->locks_count || granted != s->granted_count) {
		return "a session's counts are right";
	}
	return check_session_kept(e, s);
}

static const char *check_owners(const struct engine *e)
{
	size_t sessions = 0;
	size_t ended = 0;
	size_t locks = 0;
	size_t orphans = 0;
	size_t waits = 0;

	list_for_each(m_at, &e->members) {
		const struct member *m = list_entry(m_at, struct member, link);
		size_t member_locks = 0;
		const char *broken = check_member_kept(e, m);

		if (broken) {
			return broken;
		}
		list_for_each(s_at, &m->sessions) {
			const struct session *s = list_entry(s_at, struct session, member_link);

			broken = check_session(e, s);
			if (broken) {
				return broken;
			}
			if (s->member != m) {
				return "a session knows its member";
			}
			sessions++;
			ended += s->ended;
			member_locks += s->locks_count;
			orphans += s->ended ? s->locks_count : 0;
		}
		if (member_locks != m->locks_count) {
			return "a member's count of locks is right";
		}
		list_for_each(at, &m->waits) {
			const struct lock *lock = list_entry(at, struct lock_wait, member_link)->lock;

			if (lock->session->member != m) {
				return "a lock waits with its member";
			}
			waits++;
		}
		locks += member_locks;
	}
	if (sessions != e->sessions.count || ended != e->sessions_ended_count) {
		return "the counts of sessions are right";
	}
	if (locks != e->locks.count || orphans != e->orphans_count) {
		return "the counts of locks and orphans are right";
	}
	if (waits != transactions_waits_count(e)) {
		return "a member has those of its locks that wait";
	}
	return NULL;
}

/* After check_resource() has found right what each of them counts. */
static const char *check_modes(const struct engine *e, struct resource *const *resources)
{
	for (int mode = 0; mode < MODE_COUNT; mode++) {
		size_t held = 0, wanted = 0;

		for (size_t i = 0; i < e->resources.count; i++) {
			const struct crowd *crowd = resources[i]->crowd;

			held += resource_mode_count(resources[i], mode);
			wanted += crowd ? crowd->convert.requested_count[mode] +
						  crowd->wait.requested_count[mode] :
					  0;
		}
		if (held != e->held_count[mode] || wanted != e->wanted_count[mode]) {
			return "the totals of the modes are right";
		}
	}
	return NULL;
}

static const char *check_resources(const struct engine *e)
{
	size_t totals[QUEUE_COUNT] = { 0 };
	struct resource **sorted = resources_sorted(e);
	const char *broken = NULL;

	for (size_t i = 0; i < e->resources.count && !broken; i++) {
		broken = check_resource(e, sorted[i], totals);
	}
	if (!broken) {
		broken = check_modes(e, sorted);
	}
	free(sorted);
	if (broken) {
		return broken;
	}
	for (size_t i = 0; i < QUEUE_COUNT; i++) {
		if (totals[i] != e->queue_count[i]) {
			return "the totals of the queues are right";
		}
	}
	if (totals[0] + totals[1] + totals[2] != e->locks.count) {
		return "every lock is on one queue"; /* R-Q-4 */
	}
	if (totals[1] + totals[2] != transactions_waits_count(e)) {
		return "a transaction has those locks that wait";
	}
	return NULL;
}

const char *engine_check(const struct engine *e)
{
	const char *broken;

	if (e->dirty_count != 0 || e->touched_count != 0) {
		return "nothing is left over from an apply";
	}
	if (e->seq < e->config.seq_base) {
		return "seq does not go below its base";
	}
	if ((broken = check_owners(e)) || (broken = check_resources(e))) {
		return broken;
	}
	if (engine_digest(e) != engine_digest_slow(e)) {
		return "the digest follows the state";
	}
	return NULL;
}
