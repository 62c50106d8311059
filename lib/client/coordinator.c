/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The recovery coordinator for programs: joins the machine (lib/coordinator) to a session of its own.
 * What each function promises is said in lockstep_coordinator.h.
 *
 * Callbacks of the session only feed the machine; what it wants done is done behind them, in
 * lockstep_coordinator_dispatch(). So the program's callbacks may wait for locks, which those of a
 * recovery must not.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lockstep/lockstep_coordinator.h>
#include <lockstep/lockstep_recovery.h>

#include "lib/base/assert.h"
#include "lib/client/transport.h"
#include "lib/coordinator/coordinator.h"

#define CONTROL_NAME "lockstep.control"
#define MOUNTED_NAME "lockstep.mounted"
#define ITEM_PREFIX "lockstep.item."
#define ITEM_DIGITS 10
#define WINDOW_RETRY_MS 5 /* the daemon takes no requests now */
#define NEVER (-1)

struct held {
	struct lockstep_coordinator *owner;
	enum coordinator_lock lock;
	struct lockstep_lksb lksb;
	bool read; /* the request asked for the value block */
};

enum run_phase {
	RUN_DUE,     /* its lock is to be asked for, at due_ms */
	RUN_LOCKING,
	RUN_GRANTED, /* the program is to be told */
	RUN_RUNNING, /* the program has it */
	RUN_UNLOCK,  /* has ended; its lock is to be given back, at due_ms */
	RUN_UNLOCKING,
	RUN_OVER,    /* its result is to be told */
};

/* One recovery of an item, from the machine's wish to the release of the item's lock. */
struct run {
	struct lockstep_coordinator *owner;
	struct run *next;
	uint32_t item;
	enum run_phase phase;
	enum coordinator_outcome outcome;
	int64_t due_ms;
	bool own; /* its lock is held anyway */
	struct lockstep_lksb lksb;
};

struct lockstep_coordinator {
	struct lockstep_session *session;
	struct coordinator *machine;
	struct lockstep_coordinator_ops ops;
	void *arg;
	char control[LOCKSTEP_NAME_MAX + 1];
	char mounted[LOCKSTEP_NAME_MAX + 1];
	char item_prefix[LOCKSTEP_NAME_MAX + 1 - ITEM_DIGITS];
	uint32_t items;
	struct held locks[COORDINATOR_LOCKS];
	uint8_t *lvb;
	struct run *runs;
	uint8_t *first_done; /* by item, while this is the first member; NULL otherwise */
	int64_t timers[COORDINATOR_TIMERS];
	int64_t retry_ms;
	bool has_action; /* one that could not be sent is done first */
	struct coordinator_action action;
	uint32_t marks;
	bool started, stop_asked, kicked, dispatching, lost;
};

/* --- open and close ---------------------------------------------------------------------- */

static int name_copy(char *to, size_t size, const char *name, const char *fallback)
{
	size_t length = strlen(name ? name : fallback);

	if (length == 0 || length >= size) {
		return -EINVAL;
	}
	memcpy(to, name ? name : fallback, length + 1);
	return 0;
}

static int options_take(struct lockstep_coordinator *c,
			const struct lockstep_coordinator_options *o)
{
	int error = name_copy(c->control, sizeof(c->control), o ? o->control : NULL,
			      CONTROL_NAME);

	if (error == 0) {
		error = name_copy(c->mounted, sizeof(c->mounted), o ? o->mounted : NULL,
				  MOUNTED_NAME);
	}
	if (error == 0) {
		error = name_copy(c->item_prefix, sizeof(c->item_prefix),
				  o ? o->item_prefix : NULL, ITEM_PREFIX);
	}
	c->items = o ? o->items : 0;
	return strcmp(c->control, c->mounted) == 0 ? -EINVAL : error;
}

static int on_prep(void *arg)
{
	struct lockstep_coordinator *c = arg;

	coordinator_prep(c->machine);
	c->kicked = true;
	return LOCKSTEP_PREP_PENDING;
}

static void on_slot(void *arg, const struct lockstep_slot *slot)
{
	struct lockstep_coordinator *c = arg;

	coordinator_slot(c->machine, slot->slot);
	c->kicked = true;
}

static void on_done(void *arg, const struct lockstep_slot *slots, size_t count, uint32_t own_slot,
		    uint32_t generation)
{
	struct lockstep_coordinator *c = arg;
	uint32_t slot_max = 0;

	for (size_t i = 0; i < count; i++) {
		slot_max = slots[i].slot > slot_max ? slots[i].slot : slot_max;
	}
	coordinator_done(c->machine, generation, own_slot, slot_max);
	c->kicked = true;
}

static int machine_make(struct lockstep_coordinator *c,
			const struct lockstep_coordinator_options *options)
{
	int lvb_len = lockstep_lvb_length(c->session);

	if (lvb_len < COORDINATOR_LVB_MIN) {
		return -EINVAL;
	}
	c->machine = coordinator_new((uint16_t)lvb_len, options && options->spectator);
	c->lvb = calloc(1, (size_t)lvb_len);
	if (!c->machine || !c->lvb) {
		return -ENOMEM;
	}
	if (c->items > coordinator_items_max(c->machine)) {
		return -EINVAL;
	}
	c->locks[COORDINATOR_CONTROL].lksb.lvb = c->lvb;
	return 0;
}

int lockstep_coordinator_open(const char *space, unsigned int flags,
			      const struct lockstep_options *open_options,
			      const struct lockstep_coordinator_options *options,
			      const struct lockstep_coordinator_ops *ops, void *arg,
			      struct lockstep_coordinator **ret)
{
	static const struct lockstep_recovery_ops recovery_ops = {
		.version = LOCKSTEP_RECOVERY_OPS_VERSION,
		.prep = on_prep,
		.slot = on_slot,
		.done = on_done,
	};

	if (!ret || !ops || ops->version != LOCKSTEP_COORDINATOR_OPS_VERSION || !ops->recover) {
		return -EINVAL;
	}
	struct lockstep_coordinator *c = calloc(1, sizeof(*c));

	if (!c) {
		return -ENOMEM;
	}
	c->ops = *ops;
	c->arg = arg;
	c->retry_ms = NEVER;
	for (int i = 0; i < COORDINATOR_TIMERS; i++) {
		c->timers[i] = NEVER;
	}
	for (int i = 0; i < COORDINATOR_LOCKS; i++) {
		c->locks[i].owner = c;
		c->locks[i].lock = (enum coordinator_lock)i;
	}
	int error = options_take(c, options);

	if (error == 0) {
		error = lockstep_open(space, flags, open_options, &c->session);
	}
	if (error == 0) {
		error = machine_make(c, options);
	}
	if (error == 0) {
		error = lockstep_recovery_subscribe(c->session, &recovery_ops, c);
	}
	if (error) {
		lockstep_coordinator_close(c);
		return error;
	}
	*ret = c;
	return 0;
}

void lockstep_coordinator_close(struct lockstep_coordinator *c)
{
	if (!c) {
		return;
	}
	ls_assert(!c->dispatching);
	lockstep_close(c->session); /* no completion comes any more */
	while (c->runs) {
		struct run *run = c->runs;

		c->runs = run->next;
		free(run);
	}
	(void)coordinator_free(c->machine);
	free(c->first_done);
	free(c->lvb);
	free(c);
}

struct lockstep_session *lockstep_coordinator_session(struct lockstep_coordinator *c)
{
	return c->session;
}

int lockstep_coordinator_fd(const struct lockstep_coordinator *c)
{
	return lockstep_session_fd(c->session);
}

/* --- the machine's locks ----------------------------------------------------------------- */

static void on_lock(void *arg)
{
	struct held *held = arg;
	struct lockstep_coordinator *c = held->owner;

	coordinator_completed(c->machine, held->lock, held->lksb.status,
			      (held->lksb.flags & LOCKSTEP_SBF_VALNOTVALID) != 0,
			      held->read ? held->lksb.lvb : NULL);
	c->kicked = true;
}

static int item_name(const struct lockstep_coordinator *c, uint32_t item,
		     char name[LOCKSTEP_NAME_MAX + 1])
{
	return snprintf(name, LOCKSTEP_NAME_MAX + 1, "%s%u", c->item_prefix, item);
}

static int lock_send(struct lockstep_coordinator *c, const struct coordinator_action *a)
{
	struct held *held = &c->locks[a->lock];
	char own[LOCKSTEP_NAME_MAX + 1];
	const char *name = c->control;

	if (a->lock == COORDINATOR_MOUNTED) {
		name = c->mounted;
	} else if (a->lock == COORDINATOR_OWN) {
		(void)item_name(c, coordinator_own_item(c->machine), own);
		name = own;
	}
	held->read = a->lock == COORDINATOR_CONTROL && (a->flags & LOCKSTEP_LKF_VALBLK) &&
		     a->mode > LOCKSTEP_LOCK_NL;
	if (a->lock == COORDINATOR_CONTROL) {
		memcpy(c->lvb, coordinator_lvb(c->machine),
		       (size_t)lockstep_lvb_length(c->session));
	}
	return lockstep_lock(c->session, a->mode, &held->lksb, a->flags, name, strlen(name), held,
			     on_lock, NULL);
}

static int unlock_send(struct lockstep_coordinator *c, const struct coordinator_action *a)
{
	struct held *held = &c->locks[a->lock];

	held->read = false;
	return lockstep_unlock(c->session, held->lksb.lkid, 0, &held->lksb);
}

/* --- recoveries -------------------------------------------------------------------------- */

static struct run *run_find(const struct lockstep_coordinator *c, uint32_t item)
{
	for (struct run *run = c->runs; run; run = run->next) {
		if (run->item == item && run->phase == RUN_RUNNING) {
			return run;
		}
	}
	return NULL;
}

static void run_add(struct lockstep_coordinator *c, uint32_t item, int64_t due_ms)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run) {
		/* As if another member were at it. */
		coordinator_result(c->machine, item, COORDINATOR_GAVEUP);
		return;
	}
	run->owner = c;
	run->item = item;
	run->due_ms = due_ms;
	run->own = item == coordinator_own_item(c->machine);
	run->next = c->runs;
	c->runs = run;
}

static bool first_all_done(const struct lockstep_coordinator *c)
{
	for (uint32_t i = 0; i < c->items; i++) {
		if (!c->first_done[i]) {
			return false;
		}
	}
	return true;
}

/* The first member's recoveries concern this file only, the machine just keeps the door closed. */
static void run_ended(struct lockstep_coordinator *c, const struct run *run)
{
	if (!c->first_done) {
		coordinator_result(c->machine, run->item, run->outcome);
	} else if (run->outcome == COORDINATOR_GAVEUP && !c->stop_asked) {
		run_add(c, run->item, transport_now_ms() + COORDINATOR_RETRY_MS);
	} else if (run->outcome == COORDINATOR_SUCCESS && run->item < c->items) {
		c->first_done[run->item] = 1;
		if (first_all_done(c)) {
			(void)coordinator_first_done(c->machine);
		}
	}
	c->kicked = true;
}

static void on_item(void *arg)
{
	struct run *run = arg;

	run->owner->kicked = true;
	if (run->phase == RUN_LOCKING && run->lksb.status == 0) {
		run->phase = RUN_GRANTED;
		return;
	}
	if (run->phase == RUN_LOCKING) {
		run->outcome = COORDINATOR_GAVEUP; /* another member is at it */
	}
	run->phase = RUN_OVER;
}

static bool run_lock(struct lockstep_coordinator *c, struct run *run, int64_t now)
{
	char name[LOCKSTEP_NAME_MAX + 1];
	size_t length = (size_t)item_name(c, run->item, name);

	if (run->own) {
		run->lksb.token = c->locks[COORDINATOR_OWN].lksb.token;
		run->phase = RUN_GRANTED;
		return true;
	}
	if (lockstep_lock(c->session, LOCKSTEP_LOCK_EX, &run->lksb, LOCKSTEP_LKF_NOQUEUE, name,
			  length, run, on_item, NULL)) {
		run->due_ms = now + WINDOW_RETRY_MS;
		return false;
	}
	run->phase = RUN_LOCKING;
	return true;
}

static bool run_unlock(struct lockstep_coordinator *c, struct run *run, int64_t now)
{
	if (run->own) {
		run->phase = RUN_OVER;
		return true;
	}
	if (lockstep_unlock(c->session, run->lksb.lkid, 0, &run->lksb)) {
		run->due_ms = now + WINDOW_RETRY_MS;
		return false;
	}
	run->phase = RUN_UNLOCKING;
	return true;
}

/* One step of a run; false when there is none now. */
static bool run_step(struct lockstep_coordinator *c, struct run *run, int64_t now)
{
	switch (run->phase) {
	case RUN_DUE:
		return now >= run->due_ms && run_lock(c, run, now);
	case RUN_GRANTED:
		run->phase = RUN_RUNNING;
		c->ops.recover(c->arg, run->item, run->lksb.token);
		return true;
	case RUN_UNLOCK:
		return now >= run->due_ms && run_unlock(c, run, now);
	default:
		return false;
	}
}

static bool runs_step(struct lockstep_coordinator *c)
{
	int64_t now = transport_now_ms();
	bool any = false;

	/* A step may add runs, in front. */
	for (struct run *run = c->runs; run; run = run->next) {
		any |= run_step(c, run, now);
	}
	for (struct run **at = &c->runs; *at;) {
		struct run *run = *at;

		if (run->phase != RUN_OVER) {
			at = &run->next;
			continue;
		}
		*at = run->next;
		run_ended(c, run);
		free(run);
		any = true;
		at = &c->runs;
	}
	return any;
}

/* --- actions ----------------------------------------------------------------------------- */

static void first_begin(struct lockstep_coordinator *c)
{
	if (c->items == 0) {
		return;
	}
	c->first_done = calloc(c->items, 1);
	if (!c->first_done) {
		return; /* stays the first for ever: visible, and safe */
	}
	for (uint32_t i = c->items; i > 0; i--) {
		run_add(c, i - 1, 0);
	}
}

static void on_started(struct lockstep_coordinator *c, const struct coordinator_action *a)
{
	if (c->ops.started) {
		c->ops.started(c->arg, a->error, a->first, a->item,
			       a->error ? 0 : c->locks[COORDINATOR_OWN].lksb.token);
	}
	if (a->error == 0 && a->first) {
		first_begin(c);
	}
}

static void on_first_ended(struct lockstep_coordinator *c, int error)
{
	free(c->first_done);
	c->first_done = NULL;
	if (c->ops.first_ended) {
		c->ops.first_ended(c->arg, error);
	}
}

/* 0, or the error of a request that was not sent. */
static int act(struct lockstep_coordinator *c, const struct coordinator_action *a)
{
	switch (a->type) {
	case COORDINATOR_DO_LOCK:
		return lock_send(c, a);
	case COORDINATOR_DO_UNLOCK:
		return unlock_send(c, a);
	case COORDINATOR_DO_TIMER:
		c->timers[a->timer] = transport_now_ms() + a->ms;
		return 0;
	case COORDINATOR_DO_RECOVER:
		run_add(c, a->item, 0);
		return 0;
	case COORDINATOR_DO_BLOCK:
		if (!c->ops.block || c->ops.block(c->arg) != LOCKSTEP_BLOCK_PENDING) {
			coordinator_blocked(c->machine);
		}
		return 0;
	case COORDINATOR_DO_UNBLOCK:
		if (c->ops.unblock) {
			c->ops.unblock(c->arg);
		}
		return 0;
	case COORDINATOR_DO_PREPARED:
		return lockstep_prep_done(c->session) == -ENOTCONN ? -ENOTCONN : 0;
	case COORDINATOR_DO_STARTED:
		on_started(c, a);
		return 0;
	case COORDINATOR_DO_FIRST_ENDED:
		on_first_ended(c, a->error);
		return 0;
	case COORDINATOR_DO_STOPPED:
		if (c->ops.stopped) {
			c->ops.stopped(c->arg);
		}
		return 0;
	case COORDINATOR_DO_NOTE_INVALID:
		c->marks++;
		return 0;
	}
	return 0;
}

static void lose(struct lockstep_coordinator *c)
{
	if (!c->lost) {
		c->lost = true;
		c->has_action = false;
		coordinator_lose(c->machine);
	}
}

static void actions_do(struct lockstep_coordinator *c)
{
	while (c->has_action || coordinator_action_next(c->machine, &c->action)) {
		c->has_action = false;
		int error = act(c, &c->action);

		if (error == -ENOTCONN) {
			lose(c);
		} else if (error) {
			/* The daemon's window is full, or memory: later, and nothing overtakes. */
			c->has_action = true;
			c->retry_ms = transport_now_ms() + WINDOW_RETRY_MS;
			return;
		}
	}
	c->retry_ms = NEVER;
}

static void timers_run(struct lockstep_coordinator *c)
{
	for (int i = 0; i < COORDINATOR_TIMERS; i++) {
		if (c->timers[i] != NEVER && c->timers[i] <= transport_now_ms()) {
			c->timers[i] = NEVER;
			coordinator_timer_expired(c->machine, (enum coordinator_timer)i);
			c->kicked = true;
		}
	}
}

int lockstep_coordinator_dispatch(struct lockstep_coordinator *c)
{
	if (c->dispatching) {
		return -EINVAL;
	}
	c->dispatching = true;
	do {
		c->kicked = false;
		if (!c->lost && lockstep_dispatch(c->session) == -ENOTCONN) {
			lose(c);
		}
		timers_run(c);
		actions_do(c);
		c->kicked |= !c->lost && runs_step(c);
	} while (c->kicked);
	c->dispatching = false;
	return c->lost ? -ENOTCONN : 0;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a == NEVER || (b != NEVER && b < a) ? b : a;
}

int lockstep_coordinator_timeout(const struct lockstep_coordinator *c)
{
	int64_t at = c->retry_ms;

	if (c->kicked) {
		return 0;
	}
	for (int i = 0; i < COORDINATOR_TIMERS; i++) {
		at = sooner(at, c->timers[i]);
	}
	for (const struct run *run = c->runs; run; run = run->next) {
		if (run->phase == RUN_DUE || run->phase == RUN_UNLOCK) {
			at = sooner(at, run->due_ms);
		}
	}
	if (at == NEVER || c->lost) {
		return -1;
	}
	int64_t left = at - transport_now_ms();

	return left > 0 ? (int)left : 0;
}

/* --- calls ------------------------------------------------------------------------------- */

int lockstep_coordinator_start(struct lockstep_coordinator *c)
{
	if (c->lost) {
		return -ENOTCONN;
	}
	if (c->started) {
		return -EALREADY;
	}
	c->started = true;
	c->kicked = true;
	coordinator_start(c->machine);
	return 0;
}

int lockstep_coordinator_first_done(struct lockstep_coordinator *c)
{
	if (c->lost) {
		return -ENOTCONN;
	}
	c->kicked = true;
	return c->items ? -EINVAL : coordinator_first_done(c->machine);
}

int lockstep_coordinator_result(struct lockstep_coordinator *c, uint32_t item, int outcome)
{
	struct run *run = run_find(c, item);

	if (c->lost) {
		return -ENOTCONN;
	}
	if (outcome < LOCKSTEP_RECOVERY_SUCCESS || outcome > LOCKSTEP_RECOVERY_PANIC) {
		return -EINVAL;
	}
	if (!run) {
		return -ENOENT;
	}
	run->outcome = (enum coordinator_outcome)outcome;
	run->phase = RUN_UNLOCK;
	run->due_ms = 0;
	c->kicked = true;
	return 0;
}

int lockstep_coordinator_blocked(struct lockstep_coordinator *c)
{
	if (c->lost) {
		return -ENOTCONN;
	}
	c->kicked = true;
	coordinator_blocked(c->machine);
	return 0;
}

int lockstep_coordinator_stop(struct lockstep_coordinator *c)
{
	c->kicked = true;
	c->stop_asked = true;
	coordinator_stop(c->machine);
	return 0;
}

void lockstep_coordinator_status(const struct lockstep_coordinator *c,
				 struct lockstep_coordinator_status *ret)
{
	*ret = (struct lockstep_coordinator_status){
		.generation = coordinator_generation(c->machine),
		.item = coordinator_own_item(c->machine),
		.items_max = coordinator_items_max(c->machine),
		.marks = c->marks,
		.started = coordinator_is_started(c->machine),
		.first = coordinator_is_first(c->machine),
		.blocked = coordinator_is_blocked(c->machine),
	};
	for (uint32_t i = 0; i < ret->items_max; i++) {
		ret->failed += coordinator_item_failed(c->machine, i) ? 1 : 0;
	}
}
