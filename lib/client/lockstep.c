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
#include <lockstep/lockstep_timing.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/base/name.h"
#include "lib/client/private.h"
#include "lib/client/session.h"
#include "lib/client/transport.h"
#include "lib/ipc/ipc.h"

/* A daemon that does not answer for so long is as good as gone. It answers before anything is
 * ordered, so this has nothing to do with how long a lock is waited for. */
#define SUBMIT_TIMEOUT_MS 30000
#define CLOSE_TIMEOUT_MS 5000
#define CANCEL_RETRY_MS 10
#define OPEN_RETRY_MS 20
#define SPACE_FLAGS                                                                                \
	(LOCKSTEP_LSFL_NODIR | LOCKSTEP_LSFL_TIMEWARN | LOCKSTEP_LSFL_FS | LOCKSTEP_LSFL_NEWEXCL)

struct lockstep_session {
	struct transport *transport;
	struct session *session;
	struct recovery *recovery;
	struct client_timing *timing;
	char space[LOCKSTEP_SPACE_MAX + 1];
	struct buf out;
	struct pack *pack; /* of lockstep_submit(), from its first call on */
};

int options_timeout_ms(const struct lockstep_options *options)
{
	return options && options->timeout_ms ? options->timeout_ms : OPEN_TIMEOUT_MS;
}

bool options_valid(const struct lockstep_options *o)
{
	return !o || (o->lvb_len <= LOCKSTEP_LVB_MAX && o->lvb_len % 8 == 0 && o->xid_scope >= 0 &&
		      o->xid_scope <= LOCKSTEP_XID_SCOPE_CLUSTER &&
		      (o->space_flags & ~SPACE_FLAGS) == 0 &&
		      (!o->cluster_name ||
		       strnlen(o->cluster_name, LOCKSTEP_NODE_NAME_MAX + 1) <=
			       LOCKSTEP_NODE_NAME_MAX));
}

void options_open(const struct lockstep_options *o, struct ipc_open *open)
{
	if (!o) {
		return;
	}
	open->lvb_len = o->lvb_len;
	open->mode = o->mode;
	open->deadlock_wait_ms = o->deadlock_wait_ms < 0 ? -1 : o->deadlock_wait_ms;
	open->xid_scope = (uint8_t)o->xid_scope;
	open->space_flags = o->space_flags;
	if (o->cluster_name) {
		memcpy(open->cluster, o->cluster_name, strlen(o->cluster_name));
	}
}

/* The session's time, which statistics want; without them nobody asks. */
static void time_set(struct lockstep_session *ls)
{
	if (ls->timing) {
		session_time_set(ls->session, transport_now_ns());
	}
}

static uint32_t pack_begin(struct lockstep_session *ls)
{
	uint32_t tag = transport_tag(ls->transport);

	buf_clear(&ls->out);
	ipc_tag_encode(&ls->out, tag);
	return tag;
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

	options_open(options, &open);
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
		struct cursor in = cursor_make(body, size);
		uint32_t tag;

		if (error == 0) {
			error = ipc_tag_decode(&in, &tag);
		}
		if (error == 0) {
			error = ipc_event_decode(&in, &event);
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

	if (!ret || !base_name_valid(space, LOCKSTEP_SPACE_MAX) || (flags & ~LOCKSTEP_OPEN_CREATE) != 0 ||
	    !options_valid(options)) {
		return -EINVAL;
	}
	struct lockstep_session *ls = calloc(1, sizeof(*ls));

	if (!ls) {
		return -ENOMEM;
	}
	int error = -ENOMEM;

	ls->session = session_new();
	if (ls->session) {
		error = transport_open(options ? options->ipc_name : NULL, IPC_SERVICE_SESSIONS,
				       deadline, &ls->transport);
	}
	if (error == 0) {
		error = open_request(ls, space, flags, options, personality, deadline, &lvb_len);
		/* The lockspace is being left, or Corosync is not there yet to name its cluster. */
		while (error == -EAGAIN && transport_pause(deadline, OPEN_RETRY_MS)) {
			error = open_request(ls, space, flags, options, personality, deadline,
					     &lvb_len);
		}
		error = error == -EAGAIN ? -ETIMEDOUT : error;
	}
	if (error == 0) {
		error = open_wait_ready(ls, deadline, lvb_len);
	}
	if (error) {
		lockstep_close(ls);
		return error;
	}
	memcpy(ls->space, space, strlen(space));
	if (secure_getenv("LOCKSTEP_TIMING")) {
		(void)lockstep_timing_enable(ls);
	}
	*ret = ls;
	return 0;
}

int lockstep_open(const char *space, unsigned int flags, const struct lockstep_options *options,
		  struct lockstep_session **ret)
{
	return client_open(space, flags, options, 0, ret);
}

/*
 * The daemon takes a connection that breaks for the end of a session only when nobody has it open any
 * more, and children of this process may have it. So it is told, and the session's end is on its way
 * when this returns: a release of the lockspace that comes later meets no lock of ours.
 */
void client_goodbye(struct lockstep_session *ls)
{
	const uint8_t *body;
	size_t size;

	if (!ls->transport || !ls->session || session_is_lost(ls->session) ||
	    session_lvb_len(ls->session) == 0) {
		return;
	}
	uint32_t tag = pack_begin(ls);

	(void)transport_call(ls->transport, IPC_MSG_CLOSE, tag, &ls->out,
			     transport_deadline(CLOSE_TIMEOUT_MS), &body, &size);
}

void lockstep_close(struct lockstep_session *s)
{
	if (!s) {
		return;
	}
	/* The routine that is running would return into freed memory. */
	ls_assert(!s->session || !session_delivering(s->session));
	client_goodbye(s);
	(void)transport_free(s->transport);
	(void)session_free(s->session);
	client_timing_done(s);
	buf_done(&s->out);
	free(s->recovery);
	free(s->pack);
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

void client_disconnect(struct lockstep_session *s)
{
	client_goodbye(s);
	session_lose(s->session, ENOTCONN);
	s->transport = transport_free(s->transport);
}

struct client_timing **client_timing(struct lockstep_session *s)
{
	return &s->timing;
}

const char *client_space(const struct lockstep_session *s)
{
	return s->space;
}

struct session *client_session(const struct lockstep_session *s)
{
	return s->session;
}

struct transport *client_transport(const struct lockstep_session *s)
{
	return s->transport;
}

struct recovery **client_recovery(struct lockstep_session *s)
{
	return &s->recovery;
}

/* --- events ------------------------------------------------------------------------------ */

static int events_decode(struct session *session, const uint8_t *body, size_t size)
{
	struct cursor in = cursor_make(body, size);
	uint32_t tag;
	int error = ipc_tag_decode(&in, &tag);

	while (error == 0 && !cursor_end(&in)) {
		struct ipc_event event;

		error = ipc_event_decode(&in, &event);
		if (error == 0) {
			session_event(session, &event);
		}
	}
	return error;
}

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
		const uint8_t *body;
		size_t size;
		int error = transport_event(ls->transport, &body, &size);

		if (error == -EAGAIN) {
			return;
		}
		if (error == 0) {
			error = events_decode(ls->session, body, size);
		}
		if (error) {
			session_lose(ls->session, -error);
			return;
		}
	}
}

static int dispatch(struct lockstep_session *ls)
{
	int count = 0;
	bool ran;

	client_events_take(ls);
	time_set(ls);
	while (session_deliver(ls->session, &ran)) {
		count += ran ? 1 : 0;
		time_set(ls);
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

static bool adopts(const struct ipc_submit *submit)
{
	return submit->op == IPC_OP_LOCK &&
	       (submit->flags & (LOCKSTEP_LKF_ORPHAN | LOCKSTEP_LKF_CONVERT)) ==
		       LOCKSTEP_LKF_ORPHAN;
}

static int results_decode(const uint8_t *body, size_t size, struct ipc_result *results,
			  size_t count)
{
	struct cursor in = cursor_make(body, size);
	uint32_t tag;
	int error = ipc_tag_decode(&in, &tag);

	for (size_t i = 0; error == 0 && i < count; i++) {
		error = ipc_result_row_decode(&in, &results[i]);
	}
	return error == 0 && !cursor_end(&in) ? -EBADMSG : error;
}

/*
 * Sends the @count rows that were encoded since pack_begin() and takes their results. @slow: one of them
 * adopts an orphan, which is decided in the cluster's order (R-ORPH-3), so that the answer takes as
 * long as that takes. -EAGAIN: nothing was sent. -ENOTCONN: nobody knows what was accepted.
 */
static int pack_call(struct lockstep_session *ls, uint32_t tag, bool slow, size_t count,
		     struct ipc_result *results)
{
	int64_t deadline = transport_deadline(slow ? -1 : SUBMIT_TIMEOUT_MS);
	const uint8_t *body;
	size_t size;
	int error = transport_call(ls->transport, IPC_MSG_SUBMIT, tag, &ls->out, deadline, &body,
				   &size);

	if (error == -EAGAIN) {
		return error;
	}
	if (error == 0) {
		error = results_decode(body, size, results, count);
	}
	return error ? -ENOTCONN : 0;
}

int client_submit(struct lockstep_session *ls, const struct ipc_submit *submit,
		  struct ipc_result *ret_result, bool *ret_fatal)
{
	uint32_t tag = pack_begin(ls);
	struct ipc_result result;

	ipc_submit_encode(submit, &ls->out);
	int error = pack_call(ls, tag, adopts(submit), 1, &result);

	*ret_fatal = error == -ENOTCONN || (error == 0 && result.error == ENOTCONN);
	if (error == 0) {
		*ret_result = result;
		error = -(int)result.error;
	}
	return error;
}

/* What is to be done about the result of a lock call: its error. */
static int lock_finish(struct lockstep_session *ls, struct lock *lock,
		       const struct session_request *request, const struct ipc_result *result,
		       bool *ret_fatal)
{
	int error = -(int)result->error;

	if (error == 0 && !(request->flags & LOCKSTEP_LKF_CONVERT) && result->lkid == 0) {
		error = -ENOTCONN; /* 0 never names a lock (R-LOCK-2): not our protocol */
	}
	if (error) {
		*ret_fatal |= error == -ENOTCONN;
		session_lock_abort(ls->session, lock);
		return error;
	}
	session_lock_commit(ls->session, lock, request, result);
	return 0;
}

static int lock_call(struct lockstep_session *ls, const struct session_request *request)
{
	struct ipc_submit submit;
	struct ipc_result result;
	struct lock *lock;
	bool fatal = false;

	if (!ls) {
		return -ENOTCONN;
	}
	int error = session_lock_prepare(ls->session, request, &submit, &lock);

	if (error) {
		return error;
	}
	time_set(ls);
	error = client_submit(ls, &submit, &result, &fatal);
	if (error) {
		session_lock_abort(ls->session, lock);
	} else {
		error = lock_finish(ls, lock, request, &result, &fatal);
	}
	if (fatal) {
		session_lose(ls->session, ENOTCONN);
	}
	return error;
}

int lockstep_lockx(struct lockstep_session *s, int mode, struct lockstep_lksb *lksb, uint32_t flags,
		   const void *name, size_t name_len, void *arg, lockstep_ast_fn ast,
		   lockstep_bast_fn bast, uint64_t xid, uint32_t timeout_cs)
{
	struct session_request request = {
		.mode = mode, .lksb = lksb, .flags = flags, .name = name, .name_len = name_len,
		.arg = arg, .ast = ast, .bast = bast, .xid = xid, .timeout_cs = timeout_cs,
	};

	return lock_call(s, &request);
}

int lockstep_lock(struct lockstep_session *s, int mode, struct lockstep_lksb *lksb, uint32_t flags,
		  const void *name, size_t name_len, void *arg, lockstep_ast_fn ast,
		  lockstep_bast_fn bast)
{
	return lockstep_lockx(s, mode, lksb, flags, name, name_len, arg, ast, bast, 0, 0);
}

/* One message that is not a new lock or a conversion. */
static int message_call(struct lockstep_session *ls, const struct ipc_submit *submit,
			struct ipc_result *ret_result)
{
	bool fatal;
	int error = client_submit(ls, submit, ret_result, &fatal);

	if (error && fatal) {
		session_lose(ls->session, ENOTCONN);
	}
	return error;
}

static void unlock_finish(struct lockstep_session *ls, uint32_t lkid, uint32_t flags,
			  struct lockstep_lksb *lksb, void *arg, const struct ipc_result *result)
{
	session_unlock_commit(ls->session, lkid, lksb, result);
	if ((flags & LOCKSTEP_LKF_CANCEL) == 0) {
		session_unlock_timed(ls->session, lkid);
	}
	if (arg && result->completes) {
		session_arg_set(ls->session, lkid, arg);
	}
}

static int unlock_call(struct lockstep_session *ls, uint32_t lkid, uint32_t flags,
		       struct lockstep_lksb *lksb, void *arg, bool *ret_completes)
{
	struct ipc_submit submit;
	struct ipc_result result;

	if (!ls) {
		return -ENOTCONN;
	}
	int error = session_unlock_prepare(ls->session, lkid, flags, lksb, &submit);

	time_set(ls);
	error = error ? error : message_call(ls, &submit, &result);
	if (error) {
		return error;
	}
	unlock_finish(ls, lkid, flags, lksb, arg, &result);
	*ret_completes = result.completes;
	return 0;
}

int lockstep_unlockx(struct lockstep_session *s, uint32_t lkid, uint32_t flags,
		     struct lockstep_lksb *lksb, void *arg)
{
	bool completes;

	return unlock_call(s, lkid, flags, lksb, arg, &completes);
}

int lockstep_unlock(struct lockstep_session *s, uint32_t lkid, uint32_t flags,
		    struct lockstep_lksb *lksb)
{
	return lockstep_unlockx(s, lkid, flags, lksb, NULL);
}

int lockstep_deadlock_cancel(struct lockstep_session *s, uint32_t lkid)
{
	struct ipc_submit submit;
	struct ipc_result result;

	if (!s) {
		return -ENOTCONN;
	}
	int error = session_unlock_prepare(s->session, lkid, 0, NULL, &submit);

	submit.op = IPC_OP_DEADLOCK_CANCEL;
	error = error ? error : message_call(s, &submit, &result);
	if (error) {
		return error;
	}
	session_unlock_commit(s->session, lkid, NULL, &result);
	return 0;
}

int lockstep_purge(struct lockstep_session *s, uint32_t nodeid, uint32_t pid)
{
	const struct ipc_submit submit = { .op = IPC_OP_PURGE, .nodeid = nodeid, .pid = pid };
	struct ipc_result result;

	if (!s || session_is_lost(s->session)) {
		return -ENOTCONN;
	}
	int error = message_call(s, &submit, &result);

	if (error == 0 && result.value != 0) {
		session_purged(s->session);
	}
	return error;
}

/* --- many calls at once ------------------------------------------------------------------ */

/* One row of the pack under way. */
struct pack_row {
	struct lockstep_request *request;
	struct lock *lock; /* NULL: an unlock */
};

/* The pack is as large as it may get: a message of many rows, their results and room for both. */
struct pack {
	struct pack_row rows[IPC_PACK_MAX];
	struct ipc_result results[IPC_PACK_MAX];
	size_t count;
	bool slow;
};

static struct session_request request_of(const struct lockstep_request *r)
{
	struct session_request request = {
		.mode = r->mode, .lksb = r->lksb, .flags = r->flags, .name = r->name,
		.name_len = r->name_len, .arg = r->arg, .ast = r->ast, .bast = r->bast,
		.xid = r->xid, .timeout_cs = r->timeout_cs,
	};

	return request;
}

/* One more row, or at once the result. */
static void pack_add(struct lockstep_session *ls, struct pack *pack, struct lockstep_request *r)
{
	struct session_request request = request_of(r);
	struct ipc_submit submit;
	struct lock *lock = NULL;

	r->result = r->unlock ? session_unlock_prepare(ls->session, r->lkid, r->flags, r->lksb,
						       &submit)
			      : session_lock_prepare(ls->session, &request, &submit, &lock);
	if (r->result == 0) {
		ipc_submit_encode(&submit, &ls->out);
		pack->slow |= adopts(&submit);
		pack->rows[pack->count++] = (struct pack_row){ .request = r, .lock = lock };
	}
}

static int row_finish(struct lockstep_session *ls, const struct pack_row *row,
		      const struct ipc_result *result, bool *ret_fatal)
{
	struct lockstep_request *r = row->request;
	struct session_request request = request_of(r);

	if (row->lock) {
		return lock_finish(ls, row->lock, &request, result, ret_fatal);
	}
	if (result->error == 0) {
		unlock_finish(ls, r->lkid, r->flags, r->lksb, r->arg, result);
	}
	*ret_fatal |= result->error == ENOTCONN;
	return -(int)result->error;
}

/* Sends the rows and hands out their results. False: the session must be given up. */
static bool pack_finish(struct lockstep_session *ls, struct pack *pack, uint32_t tag)
{
	time_set(ls);
	int error = pack->count > 0 ? pack_call(ls, tag, pack->slow, pack->count, pack->results) : 0;
	bool fatal = error == -ENOTCONN;

	for (size_t i = 0; i < pack->count; i++) {
		struct ipc_result *result = &pack->results[i];

		if (error) {
			*result = (struct ipc_result){ .error = (uint32_t)-error };
		}
		pack->rows[i].request->result = row_finish(ls, &pack->rows[i], result, &fatal);
	}
	pack->count = 0;
	pack->slow = false;
	return !fatal;
}

int lockstep_submit(struct lockstep_session *s, struct lockstep_request *requests, size_t count)
{
	size_t next = 0;
	bool good = s && !session_is_lost(s->session);

	if (good && !s->pack) {
		s->pack = calloc(1, sizeof(*s->pack));
		if (!s->pack) {
			return -ENOMEM;
		}
	}
	while (good && next < count) {
		uint32_t tag = pack_begin(s);

		while (next < count && s->pack->count < IPC_PACK_MAX &&
		       s->out.size + IPC_SUBMIT_ROW_MAX <= IPC_BODY_MAX) {
			pack_add(s, s->pack, &requests[next++]);
		}
		good = pack_finish(s, s->pack, tag);
		if (!good) {
			session_lose(s->session, ENOTCONN);
		}
	}
	for (; next < count; next++) {
		requests[next].result = -ENOTCONN;
	}
	return good ? 0 : -ENOTCONN;
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
		int error = unlock_call(ls, lkid, LOCKSTEP_LKF_CANCEL, NULL, NULL, &completes);

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

int lockstep_lockx_wait(struct lockstep_session *s, int mode, struct lockstep_lksb *lksb,
			uint32_t flags, const void *name, size_t name_len, void *arg,
			lockstep_bast_fn bast, uint64_t xid, uint32_t timeout_cs, int timeout_ms)
{
	struct session_request request = {
		.mode = mode, .lksb = lksb, .flags = flags, .name = name, .name_len = name_len,
		.arg = arg, .bast = bast, .wait = true, .xid = xid, .timeout_cs = timeout_cs,
	};
	struct session_wait wait = { .done = false };
	int64_t deadline = transport_deadline(timeout_ms);
	bool cancelled;

	if (s && session_recovering(s->session)) {
		return -EDEADLK; /* R-CB-7 */
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

int lockstep_lock_wait(struct lockstep_session *s, int mode, struct lockstep_lksb *lksb,
		       uint32_t flags, const void *name, size_t name_len, void *arg,
		       lockstep_bast_fn bast, int timeout_ms)
{
	return lockstep_lockx_wait(s, mode, lksb, flags, name, name_len, arg, bast, 0, 0,
				   timeout_ms);
}

int lockstep_unlock_wait(struct lockstep_session *s, uint32_t lkid, uint32_t flags,
			 struct lockstep_lksb *lksb)
{
	struct session_wait wait = {
		.until_unlocked = (flags & LOCKSTEP_LKF_CANCEL) == 0,
	};
	bool completes, cancelled;

	if (s && session_recovering(s->session)) {
		return -EDEADLK; /* R-CB-7 */
	}
	int error = unlock_call(s, lkid, flags, lksb, NULL, &completes);

	if (error) {
		return error;
	}
	if (!completes) {
		session_idle_set(s->session, lkid, lksb); /* R-CAN-7 */
		return 0;
	}
	session_wait_add(s->session, lkid, &wait);
	return wait_done(s, lkid, &wait, -1, &cancelled) == ENOTCONN ? -ENOTCONN : 0;
}
