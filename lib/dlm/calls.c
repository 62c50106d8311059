/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lock, convert, unlock, cancel: one round trip to the daemon each, then, for the synchronous forms,
 * the wait. Where the two libraries differ (section 4 of libdlm-abi.md) the function is called
 * sync_*().
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "lib/client/private.h"
#include "lib/client/session.h"
#include "lib/dlm/calls.h"
#include "lib/dlm/deliver.h"
#include "lib/dlm/handle.h"
#include "lib/ipc/ipc.h"

#define RETRY_MS_MIN 1
#define RETRY_MS_MAX 20

/* The session calls these; what runs is decided in deliver.c. */
static void ast_marker(void *arg)
{
	(void)arg;
}

static void bast_marker(void *arg, int mode)
{
	(void)arg;
	(void)mode;
}

/* The daemon pushes back when its window is full or the lockspace stands still. libdlm has no word for
 * that, so the call waits (R-ERR-4); others may use the handle meanwhile. */
static void retry_pause(struct dlm_handle *h, int *pause_ms)
{
	(void)pthread_mutex_unlock(&h->mutex);
	(void)poll(NULL, 0, *pause_ms);
	*pause_ms = *pause_ms * 2 < RETRY_MS_MAX ? *pause_ms * 2 : RETRY_MS_MAX;
	(void)pthread_mutex_lock(&h->mutex);
}

/* --- lock and convert -------------------------------------------------------------------- */

/* Without the flag it is ignored (R-TMO-5). */
static uint32_t timeout_cs(const struct lock_request *r)
{
	if (!(r->flags & LKF_TIMEOUT) || !r->timeout) {
		return 0;
	}
	return *r->timeout < UINT32_MAX ? (uint32_t)*r->timeout : UINT32_MAX;
}

/* With the mutex: one round trip. *ret_lock: what the answer belongs to. */
static int lock_try(struct dlm_handle *h, const struct lock_request *r,
		    struct dlm_lock **ret_lock, struct ipc_result *ret_result)
{
	bool convert = (r->flags & LKF_CONVERT) != 0;
	struct lockstep_lksb lksb = { .lkid = r->lksb->sb_lkid, .lvb = r->lksb->sb_lvbptr };
	struct session_request request = {
		.mode = (int)r->mode, .lksb = &lksb, .flags = r->flags & ~LKF_WAIT,
		.name = r->name, .name_len = r->name_len, .ast = ast_marker,
		.bast = r->bast ? bast_marker : NULL,
		.xid = r->xid ? *r->xid : 0,
		.timeout_cs = timeout_cs(r),
	};
	struct ipc_submit submit;
	struct lock *slot;
	bool fatal;
	int error = session_lock_prepare(h->session, &request, &submit, &slot);

	if (error) {
		return error;
	}
	struct dlm_lock *lock = convert ? session_lock_arg(h->session, lksb.lkid)
					: calloc(1, sizeof(*lock));

	if (!lock) {
		session_lock_abort(h->session, slot);
		return -ENOMEM;
	}
	error = client_submit(h->ls, &submit, ret_result, &fatal);
	if (error == 0 && !convert && ret_result->lkid == 0) {
		error = -ENOTCONN; /* not our protocol */
		fatal = true;
	}
	if (error) {
		session_lock_abort(h->session, slot);
		if (!convert) {
			free(lock);
		}
		if (fatal) {
			session_lose(h->session, ENOTCONN);
		}
		return error;
	}
	request.lksb = &lock->lksb;
	request.arg = lock;
	session_lock_commit(h->session, slot, &request, ret_result);
	if (!convert) {
		lock->lksb.lvb = lock->lvb;
		list_push_tail(&h->locks, &lock->link);
	}
	*ret_lock = lock;
	return 0;
}

static int lock_submit(struct dlm_handle *h, const struct lock_request *r,
		       struct dlm_lock **ret_lock, struct ipc_result *ret_result)
{
	int pause_ms = RETRY_MS_MIN;

	for (;;) {
		ret_result->value = 0;
		int error = lock_try(h, r, ret_lock, ret_result);

		/* There are orphans, but none in that mode: no reason to wait. */
		if (error != -EAGAIN || ret_result->value == 1) {
			return error;
		}
		retry_pause(h, &pause_ms);
	}
}

/* Section 4: what a synchronous call says when it was carried out, whatever came of it. */
static int sync_result(int32_t status)
{
	if (status == ENOTCONN) {
		errno = ENOTCONN;
		return -1;
	}
#if !DLM_THREADS
	if (status != 0 && status != EUNLOCK) {
		errno = status;
		return -1;
	}
#endif
	return 0;
}

static int lock_wait(struct dlm_handle *h, uint32_t lkid)
{
	struct session_wait wait = { .done = false };

	session_wait_add(h->session, lkid, &wait);
	handle_wait(h, lkid, &wait);
	return sync_result(wait.status);
}

int call_lock(void *handle, const struct lock_request *r)
{
	bool wait = r->wait || (r->flags & LKF_WAIT);
	struct ipc_result result = { 0 };
	struct dlm_lock *lock = NULL;

	if (r->range) {
		errno = ENOSYS;
		return -1;
	}
	struct dlm_handle *h = handle_get(handle);

	if (!h) {
		return -1;
	}
	if (!r->lksb || (!wait && !r->ast)) {
		handle_put(h);
		errno = EINVAL;
		return -1;
	}
	(void)pthread_mutex_lock(&h->mutex);
	r->lksb->sb_status = EINPROG; /* as libdlm, also when it is refused (R-SB-1) */
	int rc = dlm_result(lock_submit(h, r, &lock, &result));

	if (rc == 0 && lock) {
		lock->user_lksb = r->lksb;
		lock->ast = wait ? NULL : r->ast;
		lock->ast_arg = r->ast_arg;
		lock->bast = r->bast;
		lock->bast_arg = r->bast_arg;
		lock->muted = false;
		r->lksb->sb_lkid = lock->lksb.lkid;
		r->lksb->sb_flags = 0;
		if (wait && result.completes) {
			rc = lock_wait(h, lock->lksb.lkid);
		} else if (wait) {
			r->lksb->sb_status = 0; /* an orphan adopted (D-26) */
		}
	}
	(void)pthread_mutex_unlock(&h->mutex);
	handle_put(h);
	return rc;
}

/* --- unlock and cancel ------------------------------------------------------------------- */

static int unlock_try(struct dlm_handle *h, const struct unlock_request *r,
		      struct ipc_result *ret_result)
{
	uint32_t flags = r->flags & ~LKF_WAIT;
	struct lockstep_lksb lksb = { .lvb = r->lksb->sb_lvbptr };
	struct ipc_submit submit;
	bool fatal;
	int error = session_unlock_prepare(h->session, r->lkid, flags, &lksb, &submit);

	if (error) {
		return error;
	}
	error = client_submit(h->ls, &submit, ret_result, &fatal);
	if (error && fatal) {
		session_lose(h->session, ENOTCONN);
	}
	return error;
}

static int unlock_submit(struct dlm_handle *h, const struct unlock_request *r,
			 struct ipc_result *ret_result)
{
	int pause_ms = RETRY_MS_MIN;

	for (;;) {
		int error = unlock_try(h, r, ret_result);

		if (error != -EAGAIN) {
			return error;
		}
		retry_pause(h, &pause_ms);
	}
}

static int unlock_wait(struct dlm_handle *h, const struct unlock_request *r)
{
	struct session_wait wait = { .until_unlocked = !(r->flags & LKF_CANCEL) };

	session_wait_add(h->session, r->lkid, &wait);
	handle_wait(h, r->lkid, &wait);
	return sync_result(wait.status);
}

int call_unlock(void *handle, const struct unlock_request *r)
{
	bool wait = r->wait || (r->flags & LKF_WAIT);
	struct dlm_handle *h = handle_get(handle);
	struct ipc_result result;

	if (!h) {
		return -1;
	}
	if (r->lkid == 0 || !r->lksb) {
		handle_put(h);
		errno = EINVAL;
		return -1;
	}
	(void)pthread_mutex_lock(&h->mutex);
	r->lksb->sb_status = EINPROG;
	int rc = dlm_result(unlock_submit(h, r, &result));

	if (rc == 0 && result.completes) {
		struct dlm_lock *lock = session_lock_arg(h->session, r->lkid);

		session_unlock_commit(h->session, r->lkid, &lock->lksb, &result);
		lock->user_lksb = r->lksb;
		if (!wait && r->ast_arg) {
			lock->ast_arg = r->ast_arg;
		}
		lock->muted = wait && DLM_THREADS; /* D-24, R-ABI-22 */
		rc = wait ? unlock_wait(h, r) : 0;
	} else if (rc == 0 && wait) {
		r->lksb->sb_status = 0; /* a cancel that had nothing to do (D-10) */
	}
	(void)pthread_mutex_unlock(&h->mutex);
	handle_put(h);
	return rc;
}

/* --- deadlock cancel and purge ----------------------------------------------------------- */

static int deadlock_try(struct dlm_handle *h, uint32_t lkid)
{
	struct ipc_result result;
	struct ipc_submit submit;
	bool fatal;
	int error = session_unlock_prepare(h->session, lkid, 0, NULL, &submit);

	if (error) {
		return error;
	}
	submit.op = IPC_OP_DEADLOCK_CANCEL;
	error = client_submit(h->ls, &submit, &result, &fatal);
	if (error && fatal) {
		session_lose(h->session, ENOTCONN);
	}
	return error;
}

int call_deadlock_cancel(void *handle, uint32_t lkid)
{
	struct dlm_handle *h = handle_get(handle);
	int pause_ms = RETRY_MS_MIN;
	int error;

	if (!h) {
		return -1;
	}
	(void)pthread_mutex_lock(&h->mutex);
	while ((error = lkid ? deadlock_try(h, lkid) : -EINVAL) == -EAGAIN) {
		retry_pause(h, &pause_ms);
	}
	(void)pthread_mutex_unlock(&h->mutex);
	handle_put(h);
	return dlm_result(error);
}

static int purge_try(struct dlm_handle *h, int nodeid, int pid)
{
	const struct ipc_submit submit = {
		.op = IPC_OP_PURGE, .nodeid = (uint32_t)nodeid, .pid = (uint32_t)pid,
	};
	struct ipc_result result;
	bool fatal;

	if (session_is_lost(h->session)) {
		return -ENOTCONN;
	}
	int error = client_submit(h->ls, &submit, &result, &fatal);

	if (error && fatal) {
		session_lose(h->session, ENOTCONN);
	}
	if (error == 0 && result.value != 0) {
		/* The own locks, without a word (R-PURGE-1). */
		session_purged(h->session);
		handle_locks_forget(h);
		handle_notify(h);
	}
	return error;
}

int call_purge(void *handle, int nodeid, int pid)
{
	struct dlm_handle *h = handle_get(handle);
	int pause_ms = RETRY_MS_MIN;
	int error;

	if (!h) {
		return -1;
	}
	(void)pthread_mutex_lock(&h->mutex);
	while ((error = purge_try(h, nodeid, pid)) == -EAGAIN) {
		retry_pause(h, &pause_ms);
	}
	handle_ready_update(h);
	(void)pthread_mutex_unlock(&h->mutex);
	handle_put(h);
	return dlm_result(error);
}
