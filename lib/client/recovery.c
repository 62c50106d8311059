/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recovery callbacks of a session: events become calls of the program's routines, and prep is
 * acknowledged to the daemon when its routine has returned or lockstep_prep_done() was called. What each
 * function promises is said in lockstep_recovery.h.
 *
 *   idle --PREP--> in prep --returned DONE, or prep_done()--> idle
 *                     |
 *                     `--returned PENDING--> pending --prep_done()--> idle
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include <lockstep/lockstep_recovery.h>

#include "lib/base/buf.h"
#include "lib/client/private.h"
#include "lib/client/session.h"
#include "lib/client/transport.h"
#include "lib/ipc/ipc.h"

#define ANSWER_TIMEOUT_MS 30000
#define RETRY_MS 5

struct recovery {
	struct lockstep_session *session;
	bool subscribed;
	struct lockstep_recovery_ops ops;
	void *arg;
	bool owing; /* a prep was told and is not acknowledged */
	uint32_t prep;
};

/* One request about the subscription: 0, its negative error, or -ENOTCONN, and then the session is lost. */
static int recovery_call(struct lockstep_session *ls, enum ipc_recovery_op op, uint32_t prep,
			 uint32_t *ret_value)
{
	int64_t deadline = transport_deadline(ANSWER_TIMEOUT_MS);
	struct ipc_recovery request = { .op = (uint8_t)op, .prep = prep };
	struct ipc_result result;
	const uint8_t *body;
	struct buf out = { 0 };
	size_t size;
	int error;

	do {
		struct transport *t = client_transport(ls);

		request.tag = transport_tag(t);
		buf_clear(&out);
		ipc_recovery_encode(&request, &out);
		error = transport_call(t, IPC_MSG_RECOVERY, request.tag, &out, deadline, &body, &size);
	} while (error == -EAGAIN && transport_pause(deadline, RETRY_MS));
	buf_done(&out);
	if (error == 0) {
		error = ipc_result_decode(body, size, &result);
	}
	if (error || result.error == ENOTCONN) {
		/* Nobody knows whether it was heard. */
		session_lose(client_session(ls), ENOTCONN);
		return -ENOTCONN;
	}
	*ret_value = result.value;
	return -(int)result.error;
}

static bool usable(const struct lockstep_session *s)
{
	return s && !session_is_lost(client_session(s));
}

/* --- callbacks --------------------------------------------------------------------------- */

static void acknowledge(struct recovery *r)
{
	uint32_t value;

	r->owing = false;
	(void)recovery_call(r->session, IPC_RECOVERY_PREP_DONE, r->prep, &value);
}

static void prep_run(struct recovery *r, uint32_t number)
{
	r->owing = true;
	r->prep = number;
	int result = r->ops.prep ? r->ops.prep(r->arg) : LOCKSTEP_PREP_DONE;

	/* It may have acknowledged by itself, have unsubscribed, or have met the end of the session. */
	if (result != LOCKSTEP_PREP_PENDING && r->owing && usable(r->session)) {
		acknowledge(r);
	}
}

static void slot_run(const struct recovery *r, const struct ipc_event *event)
{
	const struct lockstep_slot slot = { .nodeid = event->lkid, .slot = event->value };

	if (r->ops.slot) {
		r->ops.slot(r->arg, &slot);
	}
}

static void done_run(const struct recovery *r, const struct ipc_event *event)
{
	struct lockstep_slot slots[LOCKSTEP_NODES_MAX];
	size_t count;

	if (ipc_slots_decode(event->lvb, event->lvb_len, slots, &count)) {
		session_lose(client_session(r->session), EBADMSG);
	} else if (r->ops.done) {
		r->ops.done(r->arg, slots, count, event->lkid, event->value);
	}
}

static void event_run(void *arg, const struct ipc_event *event)
{
	struct recovery *r = arg;

	switch (event->kind) {
	case IPC_EVENT_PREP:
		prep_run(r, event->value);
		break;
	case IPC_EVENT_SLOT:
		slot_run(r, event);
		break;
	default:
		done_run(r, event);
		break;
	}
}

/* --- calls ------------------------------------------------------------------------------- */

int lockstep_recovery_subscribe(struct lockstep_session *s, const struct lockstep_recovery_ops *ops,
				void *arg)
{
	uint32_t number = 0;

	if (!usable(s)) {
		return -ENOTCONN;
	}
	if (!ops || ops->version != LOCKSTEP_RECOVERY_OPS_VERSION) {
		return -EINVAL;
	}
	struct recovery **at = client_recovery(s);

	if (*at && (*at)->subscribed) {
		return -EALREADY;
	}
	if (!*at) {
		*at = calloc(1, sizeof(**at));
	}
	struct recovery *r = *at;

	if (!r) {
		return -ENOMEM;
	}
	int error = recovery_call(s, IPC_RECOVERY_SUBSCRIBE, 0, &number);

	if (error) {
		return error;
	}
	r->session = s;
	r->subscribed = true;
	r->ops = *ops;
	r->arg = arg;
	r->owing = false;
	session_recovery_set(client_session(s), number, event_run, r);
	return 0;
}

int lockstep_recovery_unsubscribe(struct lockstep_session *s)
{
	uint32_t value;

	if (!usable(s)) {
		return -ENOTCONN;
	}
	struct recovery *r = *client_recovery(s);

	if (!r || !r->subscribed) {
		return -ENOENT;
	}
	r->subscribed = false;
	r->owing = false;
	session_recovery_set(client_session(s), 0, NULL, NULL);
	return recovery_call(s, IPC_RECOVERY_UNSUBSCRIBE, 0, &value);
}

int lockstep_prep_done(struct lockstep_session *s)
{
	uint32_t value;

	if (!usable(s)) {
		return -ENOTCONN;
	}
	struct recovery *r = *client_recovery(s);

	if (!r || !r->owing) {
		return -EINVAL;
	}
	r->owing = false;
	return recovery_call(s, IPC_RECOVERY_PREP_DONE, r->prep, &value);
}

int lockstep_recovery_open(const char *space, unsigned int flags,
			   const struct lockstep_options *options,
			   const struct lockstep_recovery_ops *ops, void *arg, int *ret_error,
			   struct lockstep_session **ret)
{
	struct lockstep_session *s;

	if (ops && ops->version != LOCKSTEP_RECOVERY_OPS_VERSION) {
		return -EINVAL;
	}
	int error = ret ? lockstep_open(space, flags, options, &s) : -EINVAL;

	if (error) {
		return error;
	}
	error = ops ? lockstep_recovery_subscribe(s, ops, arg) : 0;
	if (error && !(error == -EOPNOTSUPP && ret_error)) {
		lockstep_close(s);
		return error;
	}
	if (ret_error) {
		*ret_error = error;
	}
	*ret = s;
	return 0;
}
