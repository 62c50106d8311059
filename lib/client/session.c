/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/list.h"
#include "lib/client/session.h"
#include "lib/client/timing.h"
#include "lib/ipc/ipc.h"

#define BUCKETS_MIN 16 /* power of two */
#define MODE_INVALID 0xff /* stands for all modes that are none */

/* One lock of ours, from the accepted request to its final completion. */
struct lock {
	struct lock *hash_next;
	uint32_t lkid;
	struct lockstep_lksb *lksb; /* of the latest accepted op (R-SB-3) */
	void *arg;
	lockstep_ast_fn ast; /* NULL: taken by a _wait call */
	lockstep_bast_fn bast;
	struct session_wait *waits;
	uint32_t requests; /* accepted; each has one completion, unless an unlock ends it */
	uint32_t casts;    /* of requests, delivered */
	uint32_t casts_pending; /* all, arrived and not delivered */
	int8_t granted;    /* as of the last delivered completion (R-BAST-6), -1 before */
	bool ever_granted; /* a failed conversion does not end the lock (R-LOCK-6) */
	struct pending *last; /* its newest undelivered callback (R-BAST-5) */
};

/* One callback that has arrived and was not delivered. */
struct pending {
	struct list link;
	uint8_t kind; /* IPC_EVENT_CAST, IPC_EVENT_BAST or a recovery event */
	int8_t mode;
	uint8_t sb_flags;
	uint32_t lkid;
	int32_t status;
	uint32_t value;
	uint64_t token;
	uint16_t lvb_len;
	uint8_t lvb[];
};

struct session {
	struct list queue;
	struct lock **buckets;
	size_t buckets_count;
	size_t locks_count;
	uint16_t lvb_len;
	bool lost;
	bool lost_told;
	unsigned int delivering; /* routines that run, one inside the other */
	int lost_error;
	void *lost_arg;
	lockstep_lost_fn lost_fn;
	struct timing *timing; /* NULL: off */
	int64_t now_ns;
	uint64_t recovery_number;
	void *recovery_arg;
	void (*recovery_fn)(void *arg, const struct ipc_event *event); /* NULL: not subscribed */
	bool recovering; /* it runs */
	struct pending *recovery_last; /* the recovery event that was taken last */
	struct ipc_event recovery_event; /* ... as it came */
};

/* --- the table of locks ------------------------------------------------------------------ */

static struct lock **lock_slot(const struct session *s, uint32_t lkid)
{
	/* lkids are given out upwards, so their low bits are an even spread. */
	struct lock **slot = &s->buckets[lkid & (s->buckets_count - 1)];

	while (*slot && (*slot)->lkid != lkid) {
		slot = &(*slot)->hash_next;
	}
	return slot;
}

static struct lock *lock_find(const struct session *s, uint32_t lkid)
{
	return lkid ? *lock_slot(s, lkid) : NULL;
}

/* Doubles the table when it is full; without memory the chains just get longer. */
static void table_grow(struct session *s)
{
	size_t count = s->buckets_count * 2;

	if (s->locks_count < s->buckets_count) {
		return;
	}
	struct lock **buckets = calloc(count, sizeof(struct lock *));

	if (!buckets) {
		return;
	}
	for (size_t i = 0; i < s->buckets_count; i++) {
		for (struct lock *lock = s->buckets[i], *next; lock; lock = next) {
			struct lock **slot = &buckets[lock->lkid & (count - 1)];

			next = lock->hash_next;
			lock->hash_next = *slot;
			*slot = lock;
		}
	}
	free(s->buckets);
	s->buckets = buckets;
	s->buckets_count = count;
}

static void lock_insert(struct session *s, struct lock *lock)
{
	table_grow(s);
	struct lock **slot = lock_slot(s, lock->lkid);

	ls_assert(!*slot);
	lock->hash_next = NULL;
	*slot = lock;
	s->locks_count++;
}

static void lock_remove(struct session *s, uint32_t lkid)
{
	struct lock **slot = lock_slot(s, lkid);
	struct lock *lock = *slot;

	ls_assert(lock);
	*slot = lock->hash_next;
	s->locks_count--;
	if (s->timing) {
		timing_lock_remove(s->timing, lkid);
	}
	free(lock);
}

/* --- life -------------------------------------------------------------------------------- */

struct session *session_new(void)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		return NULL;
	}
	list_init(&s->queue);
	s->buckets_count = BUCKETS_MIN;
	s->buckets = calloc(s->buckets_count, sizeof(struct lock *));
	if (!s->buckets) {
		free(s);
		return NULL;
	}
	return s;
}

static bool is_recovery(uint8_t kind)
{
	return kind >= IPC_EVENT_PREP && kind <= IPC_EVENT_DONE;
}

static void queue_drop(struct session *s, bool locks, bool recovery)
{
	list_for_each_safe(pos, &s->queue) {
		struct pending *p = list_entry(pos, struct pending, link);

		if (is_recovery(p->kind) ? recovery : locks) {
			list_remove(pos);
			free(p);
		}
	}
}

/* Ends all waits for this lock, whatever they wait for. */
static void waits_end(struct lock *lock, int32_t status)
{
	while (lock->waits) {
		struct session_wait *wait = lock->waits;

		lock->waits = wait->next;
		wait->status = status;
		wait->done = true;
	}
}

/* All locks go; whoever waits for one learns @status. */
static void locks_drop(struct session *s, int32_t status)
{
	for (size_t i = 0; i < s->buckets_count; i++) {
		while (s->buckets[i]) {
			struct lock *lock = s->buckets[i];

			waits_end(lock, status);
			s->buckets[i] = lock->hash_next;
			free(lock);
		}
	}
	s->locks_count = 0;
}

struct session *session_free(struct session *s)
{
	if (s) {
		queue_drop(s, true, true);
		locks_drop(s, ENOTCONN);
		free(s->recovery_last);
		free(s->buckets);
		free(s);
	}
	return NULL;
}

void session_ready(struct session *s, uint16_t lvb_len)
{
	s->lvb_len = lvb_len;
}

uint16_t session_lvb_len(const struct session *s)
{
	return s->lvb_len;
}

void session_lost_set(struct session *s, void *arg, lockstep_lost_fn lost)
{
	s->lost_arg = arg;
	s->lost_fn = lost;
}

void session_lose(struct session *s, int error)
{
	if (s->lost) {
		return;
	}
	s->lost = true;
	s->lost_error = error;
	queue_drop(s, true, true);
	locks_drop(s, ENOTCONN);
}

bool session_is_lost(const struct session *s)
{
	return s->lost;
}

bool session_delivering(const struct session *s)
{
	return s->delivering > 0;
}

bool session_recovering(const struct session *s)
{
	return s->recovering;
}

size_t session_locks_count(const struct session *s)
{
	return s->locks_count;
}

static bool mode_valid(int mode)
{
	return mode >= LOCKSTEP_LOCK_NL && mode <= LOCKSTEP_LOCK_EX;
}

/* --- calls ------------------------------------------------------------------------------- */

/* The bytes of the caller's LVB that go along with VALBLK. That they are missing is one of many errors,
 * whose order the node knows. */
static void lvb_attach(const struct session *s, const struct lockstep_lksb *lksb,
		       struct ipc_submit *submit)
{
	if (submit->flags & LOCKSTEP_LKF_VALBLK && lksb->lvb) {
		submit->lvb = lksb->lvb;
		submit->lvb_len = s->lvb_len;
	}
}

int session_lock_prepare(struct session *s, const struct session_request *request,
			 struct ipc_submit *ret_submit, struct lock **ret_lock)
{
	bool convert = (request->flags & LOCKSTEP_LKF_CONVERT) != 0;
	struct lock *lock = NULL;

	if (s->lost) {
		return -ENOTCONN;
	}
	if (!request->lksb || (!request->ast && !request->wait)) {
		return -EINVAL;
	}
	if (convert) {
		lock = lock_find(s, request->lksb->lkid);
		if (!lock) {
			return -ENOENT;
		}
	}
	/* The rest of R-ERR-1 is the node's. What the message cannot carry says EINVAL, as would the
	 * rows before and after it. */
	if (!convert && (request->name_len > LOCKSTEP_NAME_MAX ||
			 (request->name_len > 0 && !request->name))) {
		return -EINVAL;
	}
	struct ipc_submit submit = {
		.op = IPC_OP_LOCK,
		.mode = mode_valid(request->mode) ? (uint8_t)request->mode : MODE_INVALID,
		.has_bast = request->bast != NULL,
		.flags = request->flags,
		.lkid = convert ? lock->lkid : 0,
		.xid = request->xid,
		.timeout_cs = request->timeout_cs,
	};

	if (!convert && request->name_len > 0) {
		submit.name_len = (uint8_t)request->name_len;
		memcpy(submit.name, request->name, request->name_len);
	}
	lvb_attach(s, request->lksb, &submit);
	if (!convert) {
		/* Before anything is sent: an accepted request must find its place. */
		lock = calloc(1, sizeof(*lock));
		if (!lock) {
			return -ENOMEM;
		}
		lock->granted = LOCKSTEP_LOCK_IV;
	}
	*ret_submit = submit;
	*ret_lock = lock;
	return 0;
}

static void lock_timed(struct session *s, const struct lock *lock,
		       const struct session_request *request)
{
	if (s->timing) {
		timing_submitted(s->timing, lock->lkid,
				 timing_waits(lock->granted, request->mode, request->flags),
				 s->now_ns);
	}
}

void session_timing_set(struct session *s, struct timing *timing)
{
	s->timing = timing;
}

void session_time_set(struct session *s, int64_t now_ns)
{
	s->now_ns = now_ns;
}

void session_unlock_timed(struct session *s, uint32_t lkid)
{
	if (s->timing) {
		timing_submitted(s->timing, lkid, false, s->now_ns);
	}
}

void session_lock_commit(struct session *s, struct lock *lock,
			 const struct session_request *request, const struct ipc_result *result)
{
	bool convert = (request->flags & LOCKSTEP_LKF_CONVERT) != 0;

	lock->lksb = request->lksb;
	lock->arg = request->arg;
	lock->ast = request->ast;
	lock->bast = request->bast;
	request->lksb->flags = 0;
	request->lksb->status = LOCKSTEP_EINPROG;
	lock->requests += result->completes ? 1 : 0;
	if (convert) {
		lock_timed(s, lock, request);
		return;
	}
	/* A daemon that gives out an lkid twice is broken; believe the newer one. */
	if (lock_find(s, result->lkid)) {
		lock_remove(s, result->lkid);
	}
	lock->lkid = result->lkid;
	request->lksb->lkid = result->lkid;
	if (!result->completes) {
		/* An orphan adopted (R-ORPH-1): it is ours, granted, and no completion comes. */
		lock->granted = (int8_t)request->mode;
		lock->ever_granted = true;
		request->lksb->token = result->token;
		request->lksb->status = 0;
	}
	lock_insert(s, lock);
	if (s->timing && result->completes) {
		timing_lock_add(s->timing, lock->lkid, request->name, request->name_len);
		lock_timed(s, lock, request);
	}
}

void session_lock_abort(struct session *s, struct lock *lock)
{
	/* After a loss the table is empty: a lock that was being converted is freed already, and
	 * one that was being requested never got an lkid. Nobody can tell them apart by looking, so
	 * the caller aborts before it declares the loss. */
	ls_assert(!s->lost);
	if (lock->lkid == 0) {
		free(lock);
	}
}

int session_unlock_prepare(struct session *s, uint32_t lkid, uint32_t flags,
			   struct lockstep_lksb *lksb, struct ipc_submit *ret_submit)
{
	if (s->lost) {
		return -ENOTCONN;
	}
	struct lock *lock = lock_find(s, lkid);

	if (!lock) {
		return -ENOENT;
	}
	struct ipc_submit submit = { .op = IPC_OP_UNLOCK, .flags = flags, .lkid = lkid };

	lvb_attach(s, lksb ? lksb : lock->lksb, &submit);
	*ret_submit = submit;
	return 0;
}

void session_unlock_commit(struct session *s, uint32_t lkid, struct lockstep_lksb *lksb,
			   const struct ipc_result *result)
{
	struct lock *lock = lock_find(s, lkid);

	/* A cancel that had nothing to do was no op: the lksb stays whose it was. */
	if (!lock || !result->completes) {
		return;
	}
	if (lksb) {
		lock->lksb = lksb;
		lksb->lkid = lkid;
	}
	lock->lksb->flags = 0;
	lock->lksb->status = LOCKSTEP_EINPROG;
}

void session_arg_set(struct session *s, uint32_t lkid, void *arg)
{
	struct lock *lock = lock_find(s, lkid);

	if (lock) {
		lock->arg = arg;
	}
}

void session_idle_set(struct session *s, uint32_t lkid, struct lockstep_lksb *lksb)
{
	struct lock *lock = lock_find(s, lkid);

	if (lksb || lock) {
		(lksb ? lksb : lock->lksb)->status = 0;
	}
}

void session_purged(struct session *s)
{
	queue_drop(s, true, false);
	locks_drop(s, LOCKSTEP_EUNLOCK);
}

void session_recovery_set(struct session *s, uint64_t number,
			  void (*fn)(void *arg, const struct ipc_event *event), void *arg)
{
	queue_drop(s, false, true);
	s->recovery_number = number;
	s->recovery_fn = fn;
	s->recovery_arg = arg;
}

void session_wait_add(struct session *s, uint32_t lkid, struct session_wait *wait)
{
	struct lock *lock = lock_find(s, lkid);

	if (!lock) {
		wait->status = s->lost ? ENOTCONN : ENOENT;
		wait->done = true;
		return;
	}
	/* An earlier request may have been applied already and its completion still be on its way:
	 * that one is not waited for. */
	wait->request = lock->requests;
	wait->next = lock->waits;
	lock->waits = wait;
}

uint32_t session_lock_pending(const struct session *s, uint32_t lkid)
{
	const struct lock *lock = lock_find(s, lkid);

	return lock ? lock->casts_pending : 0;
}

void *session_lock_arg(const struct session *s, uint32_t lkid)
{
	const struct lock *lock = lock_find(s, lkid);

	return lock ? lock->arg : NULL;
}

/* --- events ------------------------------------------------------------------------------ */

/* Bit b of row a: modes a and b can be granted together (spec: lock model section 4). */
static const uint8_t compatible[6] = {
	[LOCKSTEP_LOCK_NL] = 0x3f, [LOCKSTEP_LOCK_CR] = 0x1f, [LOCKSTEP_LOCK_CW] = 0x07,
	[LOCKSTEP_LOCK_PR] = 0x0b, [LOCKSTEP_LOCK_PW] = 0x03, [LOCKSTEP_LOCK_EX] = 0x01,
};

static bool modes_compatible(int a, int b)
{
	return (compatible[a] >> b & 1) != 0;
}

/* R-BAST-5 */
static bool bast_suppressed(const struct lock *lock, int mode)
{
	const struct pending *last = lock->last;

	return last && last->kind == IPC_EVENT_BAST &&
	       (last->mode == mode || (last->mode > mode && last->mode > LOCKSTEP_LOCK_PR));
}

void session_event(struct session *s, const struct ipc_event *event)
{
	if (s->lost) {
		return;
	}
	if (event->kind == IPC_EVENT_LOST) {
		session_lose(s, event->status ? event->status : ENOTCONN);
		return;
	}
	bool recovery = is_recovery(event->kind);
	bool cast = event->kind == IPC_EVENT_CAST;

	if (recovery && (!s->recovery_fn || event->token != s->recovery_number)) {
		return; /* of a subscription that has ended */
	}
	struct lock *lock = recovery ? NULL : lock_find(s, event->lkid);

	/* Events of a lock that ended meanwhile (its final completion is out) go nowhere. */
	if (!recovery && (!lock || (!cast && event->kind != IPC_EVENT_BAST) ||
			  (!cast && (!mode_valid(event->mode) || bast_suppressed(lock, event->mode))))) {
		return;
	}
	uint16_t lvb_len = cast || recovery ? event->lvb_len : 0;
	struct pending *p = calloc(1, sizeof(*p) + lvb_len);

	if (!p) {
		/* A completion must not get lost (R-CAST-5); a session that cannot remember it has
		 * no idea what it holds. */
		session_lose(s, ENOMEM);
		return;
	}
	p->kind = event->kind;
	p->mode = event->mode;
	p->sb_flags = event->sb_flags;
	p->lkid = event->lkid;
	p->status = event->status;
	p->value = event->value;
	p->token = event->token;
	p->lvb_len = lvb_len;
	if (lvb_len > 0) {
		memcpy(p->lvb, event->lvb, lvb_len);
	}
	list_push_tail(&s->queue, &p->link);
	if (lock) {
		lock->last = p;
		lock->casts_pending += cast ? 1 : 0;
	}
}

static void waits_check(struct lock *lock, int32_t status)
{
	struct session_wait **at = &lock->waits;

	while (*at) {
		struct session_wait *wait = *at;

		if (wait->until_unlocked || lock->casts < wait->request) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		wait->status = status;
		wait->done = true;
	}
}

/* Writes the lksb, then looks up the routine: both as they are now, not as they were when the
 * request was made (R-CAST-3, R-CAST-4). */
static void cast_take(struct session *s, struct lock *lock, const struct pending *p,
		      struct session_delivery *ret)
{
	struct lockstep_lksb *lksb = lock->lksb;

	*ret = (struct session_delivery){
		.kind = IPC_EVENT_CAST, .lksb = lksb, .arg = lock->arg, .ast = lock->ast,
	};
	lock->granted = mode_valid(p->mode) ? p->mode : LOCKSTEP_LOCK_IV;
	lock->casts_pending--;
	if (s->timing) {
		timing_completed(s->timing, p->lkid, s->now_ns);
	}
	if (p->status == 0) {
		lock->ever_granted = true;
		lksb->token = p->token;
	}
	if (p->lvb_len > 0 && lksb->lvb) {
		memcpy(lksb->lvb, p->lvb, p->lvb_len < s->lvb_len ? p->lvb_len : s->lvb_len);
		ret->lvb_written = true;
	}
	lksb->flags = p->sb_flags;
	lksb->status = p->status;
	if (p->status == LOCKSTEP_EUNLOCK || (p->status != 0 && !lock->ever_granted)) {
		/* The lock has ended, maybe in another way than the one waited for. */
		waits_end(lock, p->status);
		lock_remove(s, p->lkid);
		ret->ended = true;
		return;
	}
	lock->casts++;
	waits_check(lock, p->status);
}

static void bast_take(const struct lock *lock, const struct pending *p,
		      struct session_delivery *ret)
{
	/* R-BAST-6: it came down already. */
	bool moot = lock->granted != LOCKSTEP_LOCK_IV && modes_compatible(lock->granted, p->mode);

	*ret = (struct session_delivery){
		.kind = IPC_EVENT_BAST, .lksb = lock->lksb, .arg = lock->arg, .mode = p->mode,
		.bast = moot ? NULL : lock->bast,
	};
}

static void recovery_take(struct session *s, struct pending *p, struct session_delivery *ret)
{
	list_remove(&p->link);
	free(s->recovery_last);
	s->recovery_last = p;
	s->recovery_event = (struct ipc_event){
		.kind = p->kind, .lkid = p->lkid, .status = p->status, .value = p->value,
		.token = p->token, .lvb_len = p->lvb_len, .lvb = p->lvb,
	};
	*ret = (struct session_delivery){
		.kind = p->kind, .arg = s->recovery_arg, .recovery = s->recovery_fn,
		.event = &s->recovery_event,
	};
}

static void pending_take(struct session *s, struct pending *p, struct session_delivery *ret)
{
	if (is_recovery(p->kind)) {
		recovery_take(s, p, ret);
		return;
	}
	struct lock *lock = lock_find(s, p->lkid);

	*ret = (struct session_delivery){ .kind = p->kind };
	list_remove(&p->link);
	if (lock) {
		if (lock->last == p) {
			lock->last = NULL;
		}
		if (p->kind == IPC_EVENT_CAST) {
			cast_take(s, lock, p, ret);
		} else {
			bast_take(lock, p, ret);
		}
	}
	free(p);
}

bool session_take(struct session *s, struct session_delivery *ret)
{
	if (s->lost) {
		if (s->lost_told) {
			return false;
		}
		s->lost_told = true;
		*ret = (struct session_delivery){
			.kind = IPC_EVENT_LOST, .arg = s->lost_arg, .lost = s->lost_fn,
			.error = s->lost_error,
		};
		return true;
	}
	if (list_empty(&s->queue)) {
		return false;
	}
	pending_take(s, list_entry(s->queue.next, struct pending, link), ret);
	return true;
}

bool session_take_cast(struct session *s, uint32_t lkid, struct session_delivery *ret)
{
	if (s->lost || session_lock_pending(s, lkid) == 0) {
		return false;
	}
	list_for_each (pos, &s->queue) {
		struct pending *p = list_entry(pos, struct pending, link);

		if (p->lkid == lkid && p->kind == IPC_EVENT_CAST) {
			pending_take(s, p, ret);
			return true;
		}
	}
	return false;
}

bool session_queue_empty(const struct session *s)
{
	return s->lost ? s->lost_told : list_empty(&s->queue);
}

bool session_deliver(struct session *s, bool *ret_ran)
{
	struct session_delivery d;

	*ret_ran = false;
	if (!session_take(s, &d)) {
		return false;
	}
	s->delivering++;
	if (d.ast) {
		d.ast(d.arg);
	} else if (d.bast) {
		d.bast(d.arg, d.mode);
	} else if (d.lost) {
		d.lost(d.arg, d.error);
	} else if (d.recovery) {
		s->recovering = true;
		d.recovery(d.arg, d.event);
		s->recovering = false;
	}
	s->delivering--;
	*ret_ran = d.ast || d.bast || d.lost || d.recovery;
	return true;
}
