/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running callbacks: dlm_dispatch(), the delivery thread, and what _wait calls do while they wait. The
 * rules are R-ABI-13 to R-ABI-23 of libdlm-abi.md.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/client/private.h"
#include "lib/client/session.h"
#include "lib/dlm/deliver.h"
#include "lib/dlm/handle.h"
#include "lib/ipc/ipc.h"

/* What is left to do once the mutex is let go. */
struct call {
	dlm_routine routine;
	void *arg;
};

/* The caller's lksb is written immediately before its routine runs (R-CAST-4); a blocking callback does
 * not touch it (R-ABI-16). */
static struct call delivery_apply(const struct session_delivery *d)
{
	struct dlm_lock *lock = d->arg;
	struct call call = { NULL, NULL };

	if (!lock) {
		return call; /* of a lock that is gone, or the news of the loss */
	}
	if (d->kind == IPC_EVENT_BAST) {
		if (d->bast) {
			call = (struct call){ lock->bast, lock->bast_arg };
		}
		return call;
	}
	struct dlm_lksb *lksb = lock->user_lksb;

	if (d->lvb_written && lksb->sb_lvbptr) {
		memcpy(lksb->sb_lvbptr, lock->lvb, DLM_LVB_LEN);
	}
	lksb->sb_flags = (char)lock->lksb.flags;
	lksb->sb_status = lock->lksb.status;
	if (!lock->muted) {
		call = (struct call){ lock->ast, lock->ast_arg };
	}
	if (d->ended) {
		list_remove(&lock->link);
		free(lock);
	}
	return call;
}

/* With the mutex. False: nothing is due. */
static bool deliver_one(struct dlm_handle *h)
{
	struct session_delivery d;

	if (!session_take(h->session, &d)) {
		return false;
	}
	struct call call = delivery_apply(&d);

	if (h->waiters > 0) {
		handle_notify(h); /* it may have been theirs */
	}
	if (!call.routine) {
		return true;
	}
	h->deliverer = pthread_self();
	h->delivering++;
	(void)pthread_mutex_unlock(&h->mutex);
	call.routine(call.arg);
	(void)pthread_mutex_lock(&h->mutex);
	h->delivering--;
	return true;
}

/* One at a time (R-ORD-3); a routine's own calls may deliver further ones. */
static bool may_deliver(const struct dlm_handle *h)
{
	return h->delivering == 0 || pthread_equal(h->deliverer, pthread_self());
}

int handle_dispatch(struct dlm_handle *h)
{
	int error;

	(void)pthread_mutex_lock(&h->mutex);
	client_events_take(h->ls);
	if (may_deliver(h)) {
		while (deliver_one(h)) {
		}
	}
	handle_ready_update(h);
	error = session_is_lost(h->session) ? -ENOTCONN : 0;
	(void)pthread_mutex_unlock(&h->mutex);
	return error;
}

/* libdlm_lt, and libdlm in its delivery thread: everything that comes is delivered meanwhile. */
static void wait_and_deliver(struct dlm_handle *h, const struct session_wait *wait)
{
	while (!wait->done) {
		if (!deliver_one(h)) {
			handle_read(h);
		}
	}
}

#if DLM_THREADS
/* Any other thread: only the completions of this lock are taken, and their routines do not run. */
static void wait_only(struct dlm_handle *h, uint32_t lkid, const struct session_wait *wait)
{
	h->waiters++;
	while (!wait->done) {
		struct session_delivery d;

		if (session_take_cast(h->session, lkid, &d)) {
			(void)delivery_apply(&d);
			if (h->waiters > 1) {
				handle_notify(h);
			}
		} else {
			handle_read(h);
		}
		handle_ready_update(h);
	}
	h->waiters--;
}
#endif

void handle_wait(struct dlm_handle *h, uint32_t lkid, const struct session_wait *wait)
{
#if DLM_THREADS
	if (!h->thread_running || !pthread_equal(h->thread, pthread_self())) {
		wait_only(h, lkid, wait);
		return;
	}
#endif
	(void)lkid;
	wait_and_deliver(h, wait);
	handle_ready_update(h);
}

#if DLM_THREADS
static void *thread_main(void *arg)
{
	struct dlm_handle *h = arg;

	(void)pthread_mutex_lock(&h->mutex);
	while (!h->thread_stop && !session_is_lost(h->session)) {
		/* While a routine runs in dlm_dispatch() that thread goes on with the next one. */
		if (!may_deliver(h) || !deliver_one(h)) {
			handle_read(h);
		}
		handle_ready_update(h);
	}
	(void)pthread_mutex_unlock(&h->mutex);
	handle_put(h);
	return NULL;
}

int handle_thread_start(struct dlm_handle *h)
{
	int error = 0;

	(void)pthread_mutex_lock(&h->mutex);
	if (h->thread_running) {
		error = -EEXIST;
	} else if (!handle_get(h)) { /* the thread's own use of it */
		error = -ENOTCONN;
	} else {
		h->thread_running = true;
		error = -pthread_create(&h->thread, NULL, thread_main, h);
		if (error) {
			h->thread_running = false;
			handle_put(h);
		}
	}
	(void)pthread_mutex_unlock(&h->mutex);
	return error;
}
#endif
