/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client may submit now: the errors of lock-model.md section 16, decided from this
 * node's replica and from what it has in flight (R-BUSY-2), before anything is ordered
 * (R-BUSY-3). Each function below checks in the order of its table: the first row that
 * matches is what the caller hears.
 *
 * An op is in flight from submission to its apply here (R-BUSY-1), whatever its
 * completion does.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/node/node_private.h"

static struct engine_op op_of(const struct session *session,
			      const struct node_submit *submit)
{
	const struct space *s = session->space;
	struct engine_op op = { .type = submit->type,
				.nodeid = s->node->config.nodeid,
				.incarnation = s->incarnation,
				.session = session->number,
				.lkid = submit->lkid,
				.mode = submit->mode,
				.attr = submit->has_bast ? ENGINE_ATTR_HAS_BAST : 0,
				.flags = submit->flags,
				.time_ms = s->node->wall_ms,
				.xid = submit->xid,
				.timeout_cs = submit->timeout_cs,
				.lvb = submit->lvb,
				.lvb_len = (uint16_t)submit->lvb_len,
				.purge_nodeid = submit->purge_nodeid,
				.purge_pid = submit->purge_pid };

	return op;
}

static void order(struct session *session, struct engine_op *op)
{
	op->request = ++session->request;
	outbox_push(session->space, op);
}

/* --- R-ERR-1 ---------------------------------------------------------------------------- */

/* The rows from "mode not 0..5" to "VALBLK without a buffer"; all of them say EINVAL. */
static int request_arguments(const struct space *s, const struct node_submit *submit,
			     struct engine_op *op)
{
	const struct engine_config *config = engine_config_get(s->engine);

	if (submit->type != ENGINE_OP_CONVERT) {
		if (submit->name_len > LOCKSTEP_NAME_MAX) {
			return EINVAL;
		}
		op->name_len = (uint8_t)submit->name_len;
		if (submit->name_len > 0) {
			memcpy(op->name, submit->name, submit->name_len);
		}
	}
	if (submit->lvb_len != 0 && submit->lvb_len != config->lvb_len) {
		return EINVAL;
	}
	if (submit->type == ENGINE_OP_ADOPT && submit->flags & LOCKSTEP_LKF_VALBLK &&
	    submit->lvb_len == 0) {
		return EINVAL; /* the engine does not look: an adoption moves no LVB
				  (R-ORPH-1) */
	}
	return engine_op_check(config, op);
}

/* R-CAST-5: how much a session may have under way and undelivered, wherever that is. */
static bool events_quota_reached(const struct session *session)
{
	return session->in_flight + session->casts_count + session->backlog >=
	       session->space->node->config.session_events_max;
}

static int outbox_room(const struct space *s)
{
	return s->outbox_count >= s->node->config.outbox_ops_max ? EAGAIN : 0;
}

/* The last rows: what a request or conversion needs room for. EAGAIN of R-ERR-4 comes
 * after them, since it asks to try the same once more. */
static int request_room(const struct session *session, bool new_lock)
{
	const struct node_config *config = &session->space->node->config;

	if ((new_lock && session->locks_count + session->adoptions_count >=
				 config->session_locks_max) ||
	    events_quota_reached(session)) {
		session->space->node->counters[COUNTER_QUOTA_REFUSALS]++;
		return ENOMEM;
	}
	return outbox_room(session->space);
}

static int submit_lock(struct session *session, const struct node_submit *submit,
		       uint32_t *ret_lkid)
{
	struct engine_op op = op_of(session, submit);
	int error = request_arguments(session->space, submit, &op);

	error = error ? error : request_room(session, true);
	if (error) {
		return error;
	}
	op.lkid = local_lock_id_next(session->space);
	struct local_lock *l = local_lock_add(session, op.lkid);

	l->request_in_flight = true;
	l->awaited = true;
	session->in_flight++;
	order(session, &op);
	*ret_lkid = op.lkid;
	return 0;
}

/* R-ORPH-3: whether there is such an orphan is known at apply only; NODE_ACTION_REPLY
 * tells. */
static int submit_adopt(struct session *session, const struct node_submit *submit)
{
	struct engine_op op = op_of(session, submit);
	int error = request_arguments(session->space, submit, &op);

	error = error ? error : request_room(session, true);
	if (error) {
		return error;
	}
	order(session, &op);
	session_adoption_add(session, op.request, submit->tag);
	return 0;
}

static bool in_flight(const struct local_lock *l)
{
	return l->request_in_flight || l->unlock_in_flight || l->cancel_in_flight;
}

static int submit_convert(struct session *session, const struct node_submit *submit)
{
	struct space *s = session->space;
	struct engine_op op = op_of(session, submit);
	struct local_lock *l = local_lock_of(session, submit->lkid);
	struct engine_lock_info info;

	if (!l) {
		return ENOENT;
	}
	int error = request_arguments(s, submit, &op);

	if (error) {
		return error;
	}
	if (in_flight(l)) {
		return EBUSY;
	}
	if (!engine_lock_find(s->engine, s->node->config.nodeid, s->incarnation, l->lkid,
			      &info)) {
		return ENOENT;
	}
	if (info.queue != ENGINE_QUEUE_GRANTED) {
		return EBUSY;
	}
	if (submit->flags & LOCKSTEP_LKF_QUECVT &&
	    !engine_quecvt_legal(info.granted, submit->mode)) {
		return EINVAL;
	}
	error = request_room(session, false);
	if (error) {
		return error;
	}
	l->request_in_flight = true;
	l->awaited = true;
	session->in_flight++;
	order(session, &op);
	return 0;
}

/* --- R-ERR-2 ---------------------------------------------------------------------------- */

static int unlock_flags(const struct space *s, const struct engine_op *op)
{
	struct engine_op bare = *op;

	/* The buffer is the last row. */
	bare.flags &= ~LOCKSTEP_LKF_VALBLK;
	bare.lvb_len = 0;
	return engine_op_check(engine_config_get(s->engine), &bare);
}

/* The rows about what is in flight already. *ret_nothing: a cancel of a lock on G. */
static int unlock_busy(const struct space *s, const struct engine_op *op,
		       const struct local_lock *l, bool *ret_nothing)
{
	struct engine_lock_info info;

	*ret_nothing = false;
	if (op->type == ENGINE_OP_UNLOCK) {
		if (op->flags & LOCKSTEP_LKF_FORCEUNLOCK) {
			return l->unlock_in_flight ? EINVAL : 0;
		}
		return in_flight(l) ? EBUSY : 0;
	}
	if (l->cancel_in_flight || l->unlock_in_flight) { /* R-CAN-5 */
		return EINVAL;
	}
	*ret_nothing = !l->request_in_flight &&
		       engine_lock_find(s->engine, s->node->config.nodeid, s->incarnation,
					l->lkid, &info) &&
		       info.queue == ENGINE_QUEUE_GRANTED;
	return 0;
}

static int submit_unlock(struct session *session, const struct node_submit *submit,
			 bool *ret_completes)
{
	struct space *s = session->space;
	struct engine_op op = op_of(session, submit);
	struct local_lock *l = local_lock_of(session, submit->lkid);
	bool unlock = submit->type == ENGINE_OP_UNLOCK;
	bool nothing;

	if (!l) {
		return ENOENT; /* an orphan has no session, hence no entry here */
	}
	int error = unlock_flags(s, &op);

	error = error ? error : unlock_busy(s, &op, l, &nothing);
	if (error) {
		return error;
	}
	if (nothing) {
		*ret_completes = false;
		return 0;
	}
	if (unlock && submit->lvb_len != 0 &&
	    submit->lvb_len != engine_config_get(s->engine)->lvb_len) {
		return EINVAL;
	}
	if (unlock && submit->flags & LOCKSTEP_LKF_VALBLK && submit->lvb_len == 0) {
		return EINVAL; /* D-13 */
	}
	if (unlock) {
		l->unlock_in_flight = true;
	} else {
		l->cancel_in_flight = true;
	}
	order(session, &op);
	return 0;
}

/* --- purge ------------------------------------------------------------------------------ */

static bool purge_is_own(const struct session *session, uint32_t nodeid, uint32_t pid)
{
	uint32_t self = session->space->node->config.nodeid;

	return (nodeid == 0 || nodeid == self) && pid != 0 && pid == session->pid;
}

bool node_purge_is_own(const struct node *n, node_conn conn, uint32_t nodeid,
		       uint32_t pid)
{
	const struct session *session = session_by_conn(n, conn);

	return session && session->space && purge_is_own(session, nodeid, pid);
}

static bool node_is_member(const struct space *s, uint32_t nodeid)
{
	list_for_each(item, &s->members) {
		if (list_entry(item, struct member, item)->nodeid == nodeid) {
			return true;
		}
	}
	return false;
}

/* R-PURGE-1 */
static int submit_purge(struct session *session, const struct node_submit *submit)
{
	struct engine_op op = op_of(session, submit);

	if (submit->purge_nodeid != 0 &&
	    !node_is_member(session->space, submit->purge_nodeid)) {
		return ENOBUFS;
	}
	/* No lock or reply bounds how many there are. */
	if (outbox_room(session->space)) {
		return EAGAIN;
	}
	order(session, &op);
	if (purge_is_own(session, submit->purge_nodeid, submit->purge_pid)) {
		session_purged(session);
	}
	return 0;
}

/* ---------------------------------------------------------------------------------------- */

int node_submit(struct node *n, node_conn conn, const struct node_submit *submit,
		uint32_t *ret_lkid, bool *ret_completes)
{
	struct session *session = session_by_conn(n, conn);
	struct space *s = session ? session->space : NULL;

	*ret_completes = true;
	if (!s || s->lost || s->leaving) {
		return ENOTCONN;
	}
	if (!session->active || !space_serving(s)) {
		return EAGAIN;
	}
	switch (submit->type) {
	case ENGINE_OP_LOCK:
		return submit_lock(session, submit, ret_lkid);
	case ENGINE_OP_CONVERT:
		return submit_convert(session, submit);
	case ENGINE_OP_ADOPT:
		return submit_adopt(session, submit);
	case ENGINE_OP_UNLOCK:
	case ENGINE_OP_CANCEL:
	case ENGINE_OP_DEADLOCK_CANCEL:
		return submit_unlock(session, submit, ret_completes);
	case ENGINE_OP_PURGE:
		*ret_completes = false;
		return submit_purge(session, submit);
	default:
		return EOPNOTSUPP;
	}
}
