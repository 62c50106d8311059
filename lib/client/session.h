/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client knows about its own locks: which lksb and which routines belong to an lkid, what has
 * arrived and is not delivered yet, and whether the session still lives. Pure: messages to send come
 * out as structs, events go in as structs, callbacks run only inside session_deliver(). The
 * transport (transport.c) moves bytes and lockstep.c joins the two.
 *
 *             lock, unlock                        dispatch
 *                  |                                 |
 *   prepare -> [SUBMIT, result] -> commit    event -> queue -> deliver -> routine
 *
 * Since results are awaited and events are read only by dispatch, an event of a request is always
 * looked at after the request was committed, in whatever order the two were sent.
 */
#ifndef LOCKSTEP_CLIENT_SESSION_H
#define LOCKSTEP_CLIENT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lockstep/lockstep.h>

struct ipc_event;
struct ipc_result;
struct ipc_submit;
struct lock;
struct session;
struct timing;

/* Somebody inside a _wait call: on that call's stack, from session_wait_add() to done. */
struct session_wait {
	int32_t status; /* of the completion that ended it; valid when done */
	bool done;
	bool until_unlocked; /* only the end of the lock ends it */
	uint32_t request;    /* set by session_wait_add() */
	struct session_wait *next;
};

/* One callback that is due. What it tells is in the lksb already; at most one routine is not NULL. */
struct session_delivery {
	uint8_t kind; /* IPC_EVENT_CAST, _BAST, _LOST, _PREP, _SLOT, _DONE */
	bool ended;       /* the session has forgotten this lock */
	bool lvb_written;
	int mode;  /* BAST: the blocked mode */
	int error; /* LOST */
	struct lockstep_lksb *lksb;
	void *arg;
	lockstep_ast_fn ast;
	lockstep_bast_fn bast;
	lockstep_lost_fn lost;
	void (*recovery)(void *arg, const struct ipc_event *event);
	const struct ipc_event *event; /* PREP, SLOT, DONE: valid until the next take */
};

struct session *session_new(void);
struct session *session_free(struct session *s); /* NULL is fine; returns NULL */

void session_ready(struct session *s, uint16_t lvb_len);
uint16_t session_lvb_len(const struct session *s);
void session_lost_set(struct session *s, void *arg, lockstep_lost_fn lost);

/*
 * A lock call in two steps around its round trip. prepare checks what only the client can know and
 * fills @ret_submit (whose lvb points into the caller's buffer) or returns a negative errno; *ret_lock
 * then goes to exactly one of commit and abort.
 */
struct session_request {
	int mode;
	struct lockstep_lksb *lksb;
	uint32_t flags;
	const void *name;
	size_t name_len;
	void *arg;
	lockstep_ast_fn ast; /* NULL only for a _wait call */
	lockstep_bast_fn bast;
	bool wait;
	uint64_t xid;
	uint32_t timeout_cs;
};

int session_lock_prepare(struct session *s, const struct session_request *request,
			 struct ipc_submit *ret_submit, struct lock **ret_lock);
void session_lock_commit(struct session *s, struct lock *lock,
			 const struct session_request *request, const struct ipc_result *result);
void session_lock_abort(struct session *s, struct lock *lock);

/* The same for unlock and cancel; no abort is needed. */
int session_unlock_prepare(struct session *s, uint32_t lkid, uint32_t flags,
			   struct lockstep_lksb *lksb, struct ipc_submit *ret_submit);
void session_unlock_commit(struct session *s, uint32_t lkid, struct lockstep_lksb *lksb,
			   const struct ipc_result *result);

/* An unlock was accepted: the callbacks of that lock get @arg from now on (R-CAST-3). */
void session_arg_set(struct session *s, uint32_t lkid, void *arg);
/* A cancel that is waited for had nothing to do: the lksb in use says so (D-10). */
void session_idle_set(struct session *s, uint32_t lkid, struct lockstep_lksb *lksb);
/* The session has purged itself: nothing of its locks is heard of any more (R-PURGE-1). Who waits for
 * one learns EUNLOCK. */
void session_purged(struct session *s);

/* @wait is done when the completion of the lock's latest request is delivered, when the lock ends, and
 * when the session is lost (status ENOTCONN). Several may wait for one lock. A lock that is unknown
 * by now ends the wait at once with status ENOENT. */
void session_wait_add(struct session *s, uint32_t lkid, struct session_wait *wait);
/* Completions of the lock that have arrived and were not delivered. */
uint32_t session_lock_pending(const struct session *s, uint32_t lkid);
/* The argument of the lock's callbacks; NULL also when it is unknown. */
void *session_lock_arg(const struct session *s, uint32_t lkid);

/* Recovery events of subscription @number are queued among the others and go to @fn; NULL: no more, and
 * those in the queue are dropped. */
void session_recovery_set(struct session *s, uint64_t number,
			  void (*fn)(void *arg, const struct ipc_event *event), void *arg);

/* Takes in a CAST, BAST, LOST or recovery event; READY is the opener's business and ignored here. */
void session_event(struct session *s, const struct ipc_event *event);
/* The connection is gone or cannot be trusted any more. Only the first call counts. */
void session_lose(struct session *s, int error);
bool session_is_lost(const struct session *s);

/*
 * Delivers the oldest event; true when there was one, *ret_ran says whether a routine ran. When the
 * session is lost nothing is delivered but, once, the lost callback (R-LOST-1).
 */
bool session_deliver(struct session *s, bool *ret_ran);
/* The same in two steps, for who must not hold a mutex while the routine runs: the caller runs what it
 * was given. session_take_cast() passes over everything but the completions of one lock. */
bool session_take(struct session *s, struct session_delivery *ret);
bool session_take_cast(struct session *s, uint32_t lkid, struct session_delivery *ret);
bool session_queue_empty(const struct session *s);
bool session_delivering(const struct session *s);
/* A recovery callback runs: nothing may be waited for (R-CB-7). */
bool session_recovering(const struct session *s);

/* Statistics (timing.h), from now on; NULL: none. The caller keeps the time of the session. */
void session_timing_set(struct session *s, struct timing *timing);
void session_time_set(struct session *s, int64_t now_ns);
/* An unlock, and no cancel, was accepted. */
void session_unlock_timed(struct session *s, uint32_t lkid);

size_t session_locks_count(const struct session *s);

#endif
