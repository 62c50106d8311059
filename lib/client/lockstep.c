/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The session half of liblockstep: joins the table of locks (session.c) and the connection
 * (transport.c). What each function promises is said in lockstep.h.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <lockstep/lockstep.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/client/private.h"
#include "lib/client/session.h"
#include "lib/client/transport.h"
#include "lib/ipc/ipc.h"

/* A daemon that does not answer for so long is as good as gone. It answers before anything is
 * ordered, so this has nothing to do with how long a lock is waited for. */
#define SUBMIT_TIMEOUT_MS 30000
#define CANCEL_RETRY_MS 10

struct lockstep_session {
	struct transport *transport;
	struct session *session;
	struct buf out;
};

int options_timeout_ms(const struct lockstep_options *options)
{
	return options && options->timeout_ms ? options->timeout_ms : OPEN_TIMEOUT_MS;
}

bool space_name_valid(const char *space)
{
	size_t length = space ? strnlen(space, LOCKSTEP_SPACE_MAX + 1) : 0;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)space[i];

		if (c < 0x20 || c == 0x7f || c == '/') {
			return false;
		}
	}
	return length >= 1 && length <= LOCKSTEP_SPACE_MAX;
}

/* --- open and close ---------------------------------------------------------------------- */

static int open_request(struct lockstep_session *ls, const char *space, unsigned int flags,
			const struct lockstep_options *options, uint8_t personality,
			int64_t deadline, uint16_t *ret_lvb_len)
{
	struct ipc_open open = {
		.tag = transport_tag(ls->transport), .flags = flags, .personality = personality,
	};
	struct ipc_result result;
	const uint8_t *body;
	size_t size;

	if (options) {
		open.lvb_len = options->lvb_len;
		open.mode = options->mode;
	}
	memcpy(open.space, space, strlen(space));
	(void)prctl(PR_GET_NAME, open.comm); /* at most 16 bytes with its NUL */
	buf_clear(&ls->out);
	ipc_open_encode(&open, &ls->out);
	int error = transport_call(ls->transport, IPC_MSG_OPEN, open.tag, &ls->out, deadline,
				   &body, &size);

	if (error == 0) {
		error = ipc_result_decode(body, size, &result);
	}
	if (error) {
		return error == -ENOTCONN ? -EUNATCH : error;
	}
	if (result.error) {
		return -(int)result.error;
	}
	*ret_lvb_len = (uint16_t)result.value;
	return 0;
}

/* Waits for READY, which may have been sent before the result. */
static int open_wait_ready(struct lockstep_session *ls, int64_t deadline, uint16_t lvb_len)
{
	for (;;) {
		struct ipc_event event;
		const uint8_t *body;
		size_t size;
		int error = transport_event(ls->transport, &body, &size);

		if (error == -EAGAIN) {
			error = transport_wait(ls->transport, deadline);
			if (error && error != -EINTR) {
				return error == -ENOTCONN ? -EUNATCH : error;
			}
			continue;
		}
		if (error == 0) {
			error = ipc_event_decode(body, size, &event);
		}
		if (error) {
			return error == -ENOTCONN ? -EUNATCH : error;
		}
		if (event.kind == IPC_EVENT_LOST) {
			return event.status > 0 ? -event.status : -ENOTCONN;
		}
		if (event.kind != IPC_EVENT_READY) {
			continue;
		}
		if (event.status > 0) {
			return -event.status;
		}
		if (event.value > 0) {
			lvb_len = (uint16_t)event.value;
		}
		if (lvb_len == 0 || lvb_len > LOCKSTEP_LVB_MAX) {
			return -EBADMSG;
		}
		session_ready(ls->session, lvb_len);
		return 0;
	}
}

int client_open(const char *space, unsigned int flags, const struct lockstep_options *options,
		uint8_t personality, struct lockstep_session **ret)
{
	int64_t deadline = transport_deadline(options_timeout_ms(options));
	uint16_t lvb_len = 0;

	if (!ret || !space_name_valid(space) || (flags & ~LOCKSTEP_OPEN_CREATE) != 0 ||
	    (options && (options->lvb_len > LOCKSTEP_LVB_MAX || options->lvb_len % 8 != 0))) {
		return -EINVAL;
	}
	struct lockstep_session *ls = calloc(1, sizeof(*ls));

	if (!ls) {
		return -ENOMEM;
	}
	int error = -ENOMEM;

	ls->session = session_new();
	if (ls->session) {
		error = transport_open(options ? options->ipc_name : NULL, "", deadline,
				       &ls->transport);
	}
	if (error == 0) {
		error = open_request(ls, space, flags, options, personality, deadline, &lvb_len);
	}
	if (error == 0) {
		error = open_wait_ready(ls, deadline, lvb_len);
	}
	if (error) {
		lockstep_close(ls);
		return error;
	}
	*ret = ls;
	return 0;
}

int lockstep_open(const char *space, unsigned int flags, const struct lockstep_options *options,
		  struct lockstep_session **ret)
{
	return client_open(space, flags, options, 0, ret);
}

void lockstep_close(struct lockstep_session *s)
{
	if (!s) {
		return;
	}
	/* The routine that is running would return into freed memory. */
	ls_assert(!s->session || !session_delivering(s->session));
	(void)transport_free(s->transport);
	(void)session_free(s->session);
	buf_done(&s->out);
	free(s);
}

int lockstep_session_fd(const struct lockstep_session *s)
{
	return transport_fd(s->transport);
}

int lockstep_lost_set(struct lockstep_session *s, void *arg, lockstep_lost_fn lost)
{
	session_lost_set(s->session, arg, lost);
	return 0;
}

int lockstep_lvb_length(const struct lockstep_session *s)
{
	return session_lvb_len(s->session);
}

struct session *client_session(const struct lockstep_session *s)
{
	return s->session;
}

/* --- events ------------------------------------------------------------------------------ */

void client_events_take(struct lockstep_session *ls)
{
	if (session_is_lost(ls->session)) {
		return;
	}
	if (transport_wait(ls->transport, 0) == -ENOTCONN) {
		session_lose(ls->session, ENOTCONN);
		return;
	}
	while (!session_is_lost(ls->session)) {
		struct ipc_event event;
		const uint8_t *body;
		size_t size;
		int error = transport_event(ls->transport, &body, &size);

		if (error == -EAGAIN) {
			return;
		}
		if (error == 0) {
			error = ipc_event_decode(body, size, &event);
		}
		if (error) {
			session_lose(ls->session, -error);
			return;
		}
		session_event(ls->session, &event);
	}
}

static int dispatch(struct lockstep_session *ls)
{
	int count = 0;
	bool ran;

	client_events_take(ls);
	while (session_deliver(ls->session, &ran)) {
		count += ran ? 1 : 0;
	}
	return session_is_lost(ls->session) ? -ENOTCONN : count;
}

int lockstep_dispatch(struct lockstep_session *s)
{
	if (session_delivering(s->session)) {
		return -EINVAL;
	}
	return dispatch(s);
}

/* --- calls ------------------------------------------------------------------------------- */

int client_submit(struct lockstep_session *ls, struct ipc_submit *submit,
		  struct ipc_result *ret_result, bool *ret_fatal)
{
	/* Adoption of an orphan is decided in the cluster's order (R-ORPH-3): its answer takes as
	 * long as that takes. */
	bool adopts = submit->op == IPC_OP_LOCK &&
		      (submit->flags & (LOCKSTEP_LKF_ORPHAN | LOCKSTEP_LKF_CONVERT)) ==
			      LOCKSTEP_LKF_ORPHAN;
	int64_t deadline = transport_deadline(adopts ? -1 : SUBMIT_TIMEOUT_MS);
	struct ipc_result result;
	const uint8_t *body;
	size_t size;

	*ret_fatal = false;
	submit->tag = transport_tag(ls->transport);
	buf_clear(&ls->out);
	ipc_submit_encode(submit, &ls->out);
	int error = transport_call(ls->transport, IPC_MSG_SUBMIT, submit->tag, &ls->out, deadline,
				   &body, &size);

	if (error == -EAGAIN) {
		return error;
	}
	if (error == 0) {
		error = ipc_result_decode(body, size, &result);
	}
	if (error || result.error == ENOTCONN) {
		*ret_fatal = true;
		return -ENOTCONN;
	}
	if (result.error) {
		return -(int)result.error;
	}
	*ret_result = result;
	return 0;
}

static int lock_call(struct lockstep_session *ls, const struct session_request *request)
{
	struct ipc_submit submit;
	struct ipc_result result;
	struct lock *lock;
	bool fatal;
	int error = session_lock_prepare(ls->session, request, &submit, &lock);

	if (error) {
		return error;
	}
	error = client_submit(ls, &submit, &result, &fatal);
	if (error == 0 && !(request->flags & LOCKSTEP_LKF_CONVERT) && result.lkid == 0) {
		error = -ENOTCONN; /* 0 never names a lock (R-LOCK-2): not our protocol */
		fatal = true;
	}
	if (error) {
		session_lock_abort(ls->session, lock);
		if (fatal) {
			session_lose(ls->session, ENOTCONN);
		}
		return error;
	}
	session_lock_commit(ls->session, lock, request, &result);
	return 0;
}

int lockstep_lock(struct lockstep_session *s, int mode, struct lockstep_lksb *lksb, uint32_t flags,
		  const void *name, size_t name_len, void *arg, lockstep_ast_fn ast,
		  lockstep_bast_fn bast)
{
	struct session_request request = {
		.mode = mode, .lksb = lksb, .flags = flags, .name = name, .name_len = name_len,
		.arg = arg, .ast = ast, .bast = bast,
	};

	return ast ? lock_call(s, &request) : -EINVAL;
}

static int unlock_call(struct lockstep_session *ls, uint32_t lkid, uint32_t flags,
		       struct lockstep_lksb *lksb, bool *ret_completes)
{
	struct ipc_submit submit;
	struct ipc_result result;
	bool fatal;
	int error = session_unlock_prepare(ls->session, lkid, flags, lksb, &submit);

	if (error) {
		return error;
	}
	error = client_submit(ls, &submit, &result, &fatal);
	if (error) {
		if (fatal) {
			session_lose(ls->session, ENOTCONN);
		}
		return error;
	}
	session_unlock_commit(ls->session, lkid, lksb, &result);
	*ret_completes = result.completes;
	return 0;
}

int lockstep_unlock(struct lockstep_session *s, uint32_t lkid, uint32_t flags,
		    struct lockstep_lksb *lksb)
{
	bool completes;

	return unlock_call(s, lkid, flags, lksb, &completes);
}

/* --- waiting ----------------------------------------------------------------------------- */

/* Runs the session until @wait is done. At @deadline the request is cancelled, and then its outcome
 * is waited for: only the cluster knows whether the grant was faster. */
static int wait_done(struct lockstep_session *ls, uint32_t lkid, struct session_wait *wait,
		     int64_t deadline, bool *ret_cancelled)
{
	*ret_cancelled = false;
	for (;;) {
		(void)dispatch(ls);
		if (wait->done) {
			return wait->status;
		}
		if (transport_wait(ls->transport, deadline) != -ETIMEDOUT) {
			continue;
		}
		bool completes;
		int error = unlock_call(ls, lkid, LOCKSTEP_LKF_CANCEL, NULL, &completes);

		if (error == -EAGAIN) {
			deadline = transport_deadline(CANCEL_RETRY_MS);
			continue;
		}
		/* Another cancel or an unlock under way, or a completion that is here already:
		 * in all cases one is coming. */
		*ret_cancelled = true;
		deadline = -1;
	}
}

int lockstep_lock_wait(struct lockstep_session *s, int mode, struct lockstep_lksb *lksb,
		       uint32_t flags, const void *name, size_t name_len, void *arg,
		       lockstep_bast_fn bast, int timeout_ms)
{
	struct session_request request = {
		.mode = mode, .lksb = lksb, .flags = flags, .name = name, .name_len = name_len,
		.arg = arg, .bast = bast,
	};
	struct session_wait wait = { .done = false };
	int64_t deadline = transport_deadline(timeout_ms);
	bool cancelled;

	if (session_delivering(s->session)) {
		return -EINVAL;
	}
	int error = lock_call(s, &request);

	if (error || lksb->status == 0) {
		return error; /* 0: an adopted orphan is granted as it comes */
	}
	session_wait_add(s->session, lksb->lkid, &wait);
	switch (wait_done(s, lksb->lkid, &wait, deadline, &cancelled)) {
	case 0:
		return 0;
	case EAGAIN:
		return -EAGAIN;
	case EDEADLK:
		return -EDEADLK;
	case ETIMEDOUT:
		return -ETIMEDOUT;
	case LOCKSTEP_ECANCEL:
		return cancelled ? -ETIMEDOUT : -ECANCELED;
	case LOCKSTEP_EUNLOCK:
		return -ECANCELED;
	default:
		return -ENOTCONN;
	}
}

int lockstep_unlock_wait(struct lockstep_session *s, uint32_t lkid, uint32_t flags,
			 struct lockstep_lksb *lksb)
{
	struct session_wait wait = {
		.until_unlocked = (flags & LOCKSTEP_LKF_CANCEL) == 0,
	};
	bool completes, cancelled;

	if (session_delivering(s->session)) {
		return -EINVAL;
	}
	int error = unlock_call(s, lkid, flags, lksb, &completes);

	if (error || !completes) {
		return error;
	}
	session_wait_add(s->session, lkid, &wait);
	return wait_done(s, lkid, &wait, -1, &cancelled) == ENOTCONN ? -ENOTCONN : 0;
}
