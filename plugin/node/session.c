/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions of this node: what a client may submit now (lock-model.md section 16), what of it is in
 * flight, packing ops into messages, and the queue of callbacks per session.
 *
 * An op is in flight from submission to its apply here (R-BUSY-1). The engine does not know a lock
 * before its request is applied, so a `local_lock` stands for it from submission to its end.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/digest.h"
#include "plugin/node/node_private.h"

#define LKID_MAX 0x7fffffffu

/* --- local locks ------------------------------------------------------------------------ */

static size_t lock_bucket(const struct space *s, uint32_t lkid)
{
	return (size_t)base_mix64(lkid) & (s->lock_hash_size - 1);
}

struct local_lock *session_lock_find(const struct space *s, uint32_t lkid)
{
	if (s->lock_hash_size == 0) {
		return NULL;
	}
	struct local_lock *l = s->lock_hash[lock_bucket(s, lkid)];

	while (l && l->lkid != lkid) {
		l = l->hash_next;
	}
	return l;
}

static void lock_hash_grow(struct space *s)
{
	size_t old_size = s->lock_hash_size;
	struct local_lock **old = s->lock_hash;

	s->lock_hash_size = old_size ? old_size * 2 : 64;
	s->lock_hash = calloc(s->lock_hash_size, sizeof(s->lock_hash[0]));
	ls_assert(s->lock_hash);
	for (size_t i = 0; i < old_size; i++) {
		for (struct local_lock *l = old[i], *next; l; l = next) {
			size_t bucket = lock_bucket(s, l->lkid);

			next = l->hash_next;
			l->hash_next = s->lock_hash[bucket];
			s->lock_hash[bucket] = l;
		}
	}
	free(old);
}

static struct local_lock *lock_add(struct space *s, struct session *session, uint32_t lkid)
{
	struct local_lock *l = calloc(1, sizeof(*l));

	ls_assert(l);
	if (s->lock_count >= s->lock_hash_size) {
		lock_hash_grow(s);
	}
	size_t bucket = lock_bucket(s, lkid);

	l->lkid = lkid;
	l->session = session;
	l->hash_next = s->lock_hash[bucket];
	s->lock_hash[bucket] = l;
	s->lock_count++;
	list_push_tail(&session->locks, &l->item);
	session->locks_count++;
	return l;
}

static void lock_remove(struct space *s, struct local_lock *l)
{
	struct local_lock **at = &s->lock_hash[lock_bucket(s, l->lkid)];

	while (*at != l) {
		at = &(*at)->hash_next;
	}
	*at = l->hash_next;
	s->lock_count--;
	l->session->in_flight -= l->awaited ? 1 : 0;
	list_remove(&l->item);
	l->session->locks_count--;
	free(l);
}

/* R-LOCK-2, R-LOCK-3: round and round, so that a number rests for 2^31 allocations. */
static uint32_t lkid_next(struct space *s)
{
	struct engine_lock_info info;

	do {
		s->lkid_last = s->lkid_last >= LKID_MAX ? 1 : s->lkid_last + 1;
	} while (session_lock_find(s, s->lkid_last) ||
		 engine_lock_find(s->engine, s->node->config.nodeid, s->incarnation, s->lkid_last,
				  &info));
	return s->lkid_last;
}

/* --- sessions --------------------------------------------------------------------------- */

struct session *session_by_conn(const struct node *n, node_conn conn)
{
	list_for_each(item, &n->sessions) {
		struct session *session = list_entry(item, struct session, node_item);

		if (session->conn == conn) {
			return session;
		}
	}
	return NULL;
}

struct session *session_by_number(const struct space *s, uint32_t number)
{
	list_for_each(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);

		if (session->number == number) {
			return session;
		}
	}
	return NULL;
}

static void callbacks_clear(struct session *session)
{
	list_for_each_safe(item, &session->callbacks) {
		list_remove(item);
		free(list_entry(item, struct callback, item));
	}
	session->callbacks_count = 0;
}

/* Takes the session out of its space: no callbacks, no ops, no locks known here any more. */
static void session_detach(struct session *session)
{
	struct space *s = session->space;

	callbacks_clear(session);
	if (!s) {
		return;
	}
	list_for_each_safe(item, &session->locks) {
		lock_remove(s, list_entry(item, struct local_lock, item));
	}
	list_remove(&session->item);
	s->sessions_count--;
	session->space = NULL;
}

void session_free(struct session *session)
{
	callbacks_clear(session);
	list_for_each_safe(item, &session->locks) {
		list_remove(item);
		free(list_entry(item, struct local_lock, item));
	}
	list_remove(&session->item);
	list_remove(&session->node_item);
	free(session);
}

int node_session_open(struct node *n, node_conn conn, const struct node_open *open)
{
	struct space *s = node_space_find(n, open->space);

	if (session_by_conn(n, conn)) {
		return EEXIST;
	}
	if (n->sessions_count >= n->config.sessions_max) {
		return ENOMEM;
	}
	if (!s && open->create) {
		int error = node_space_create(n, open->space, open->lvb_len);

		if (error) {
			return error;
		}
		s = node_space_find(n, open->space);
	}
	if (!s || s->leaving) {
		return ENOENT;
	}
	if (s->lost) {
		return ESTALE;
	}
	if (s->engine && open->lvb_len != 0 &&
	    open->lvb_len != engine_config_get(s->engine)->lvb_len) {
		return EPROTO;
	}
	struct session *session = calloc(1, sizeof(*session));

	ls_assert(session);
	session->conn = conn;
	session->space = s;
	session->number = ++s->session_number;
	session->pid = open->pid;
	session->uid = open->uid;
	session->personality = open->personality;
	session->lvb_len_wanted = open->lvb_len;
	memcpy(session->comm, open->comm, strnlen(open->comm, sizeof(session->comm)));
	list_init(&session->callbacks);
	list_init(&session->locks);
	list_push_tail(&s->sessions, &session->item);
	s->sessions_count++;
	list_push_tail(&n->sessions, &session->node_item);
	n->sessions_count++;
	return 0;
}

static void pending_push(struct session *session, const struct engine_op *op)
{
	struct buf out = { 0 };

	engine_op_encode(op, &out);
	struct pending *p = calloc(1, sizeof(*p) + out.size);

	ls_assert(p);
	p->session = session->number;
	p->type = op->type;
	p->size = out.size;
	memcpy(p->bytes, out.data, out.size);
	list_push_tail(&session->space->outbox, &p->item);
	buf_done(&out);
}

static void ready_emit(struct node *n, const struct session *session, int status, uint16_t lvb_len)
{
	struct node_action act = { .type = NODE_ACTION_READY,
				   .conn = session->conn,
				   .status = status,
				   .value = lvb_len };

	node_act(n, &act);
}

void session_activate_all(struct space *s)
{
	uint16_t lvb_len = engine_config_get(s->engine)->lvb_len;

	list_for_each_safe(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);

		if (session->active) {
			continue;
		}
		if (session->lvb_len_wanted != 0 && session->lvb_len_wanted != lvb_len) {
			ready_emit(s->node, session, EPROTO, 0);
			session_detach(session);
			continue;
		}
		struct engine_op op = { .type = ENGINE_OP_SESSION_BEGIN,
					.session = session->number,
					.request = ++session->request,
					.time_ms = s->node->wall_ms,
					.pid = session->pid,
					.uid = session->uid,
					.personality = session->personality };

		memcpy(op.comm, session->comm, sizeof(op.comm));
		session->active = true;
		pending_push(session, &op);
		ready_emit(s->node, session, 0, lvb_len);
	}
}

void node_session_close(struct node *n, node_conn conn)
{
	struct session *session = session_by_conn(n, conn);

	if (!session) {
		return;
	}
	struct space *s = session->space;

	if (session->holding) {
		session->closed = true; /* every descriptor is closed: all its processes are gone */
		session_settled(session);
		return;
	}
	if (s && session->active) {
		/* R-PROC-3: what was accepted but not yet sent is dropped. */
		list_for_each_safe(item, &s->outbox) {
			struct pending *p = list_entry(item, struct pending, item);

			if (p->session == session->number && p->type != ENGINE_OP_SESSION_BEGIN) {
				list_remove(item);
				free(p);
			}
		}
		struct engine_op op = { .type = ENGINE_OP_SESSION_END,
					.session = session->number,
					.request = ++session->request,
					.time_ms = n->wall_ms };

		pending_push(session, &op);
	}
	session_detach(session);
	n->sessions_count--;
	session_free(session);
}

/*
 * The slow way (R-VIEW-2) may be taken from an older state: others may have granted, with larger
 * tokens, what this state gives to a client here that was never told. They are all gone, so the grant
 * is good, but it is newer than theirs.
 */
void session_untold_renew(struct space *s, uint64_t base)
{
	list_for_each(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);

		list_for_each(callback_item, &session->callbacks) {
			struct callback *c = list_entry(callback_item, struct callback, item);

			if (c->kind != CALLBACK_CAST || c->status != 0 || c->token > s->view_seq) {
				continue;
			}
			/* Among themselves they keep their order, just below the new start. */
			c->token = base - (s->view_seq - c->token);
			c->sb_flags |= c->lvb_len > 0 ? LOCKSTEP_SBF_VALNOTVALID : 0;
		}
	}
}

void session_lose_all(struct space *s, bool reset)
{
	struct node *n = s->node;

	list_for_each_safe(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);
		struct node_action act = { .type = NODE_ACTION_LOST,
					   .conn = session->conn,
					   .status = ENOTCONN };
		size_t granted = 0;

		if (s->engine && session->active) {
			(void)engine_session_locks(s->engine, n->config.nodeid, s->incarnation,
						   session->number, &granted);
		}
		node_act(n, &act);
		if (!reset && session->active) {
			struct engine_op op = { .type = ENGINE_OP_SESSION_END,
						.session = session->number,
						.request = ++session->request,
						.time_ms = n->wall_ms };

			pending_push(session, &op);
		}
		if (!reset || granted == 0) {
			session_detach(session);
			continue;
		}
		callbacks_clear(session);
		session->holding = true;
		s->holding++;
		if (n->config.on_lost == NODE_ON_LOST_KILL) {
			struct node_action kill = { .type = NODE_ACTION_KILL,
						    .conn = session->conn };

			node_act(n, &kill);
		}
	}
}

void session_settled(struct session *session)
{
	struct space *s = session->space;

	ls_assert(session->holding && s && s->holding > 0);
	session->holding = false;
	s->holding--;
	session_detach(session);
	if (session->closed) {
		s->node->sessions_count--;
		session_free(session);
	}
}

/* --- submitting ------------------------------------------------------------------------- */

static int submit_lock(struct session *session, struct engine_op *op, struct local_lock **ret_lock)
{
	struct space *s = session->space;

	if (session->locks_count >= s->node->config.session_locks_max) {
		return ENOMEM;
	}
	op->lkid = lkid_next(s);
	*ret_lock = lock_add(s, session, op->lkid);
	(*ret_lock)->request_in_flight = true;
	return 0;
}

static int submit_convert(const struct space *s, const struct node_submit *submit,
			  struct local_lock *l)
{
	struct engine_lock_info info;

	if (l->request_in_flight || l->unlock_in_flight || l->cancel_in_flight) {
		return EBUSY;
	}
	if (!engine_lock_find(s->engine, s->node->config.nodeid, s->incarnation, l->lkid, &info)) {
		return ENOENT;
	}
	if (info.queue != ENGINE_QUEUE_GRANTED) {
		return EBUSY;
	}
	if ((submit->flags & LOCKSTEP_LKF_QUECVT) &&
	    !engine_quecvt_legal(info.granted, submit->mode)) {
		return EINVAL;
	}
	l->request_in_flight = true;
	return 0;
}

/* R-ERR-2. *ret_nothing: accepted, but there is nothing to do and nothing to order. */
static int submit_unlock(const struct space *s, const struct node_submit *submit,
			 struct local_lock *l, bool *ret_nothing)
{
	struct engine_lock_info info;
	bool cancel = submit->type != ENGINE_OP_UNLOCK;
	bool in_flight = l->request_in_flight || l->unlock_in_flight || l->cancel_in_flight;
	bool known = engine_lock_find(s->engine, s->node->config.nodeid, s->incarnation, l->lkid,
				      &info);

	*ret_nothing = false;
	if (!known && !in_flight) {
		return ENOENT;
	}
	if (cancel) {
		if (l->cancel_in_flight || l->unlock_in_flight) {
			return EINVAL;
		}
		if (!in_flight && info.queue == ENGINE_QUEUE_GRANTED) {
			*ret_nothing = true;
			return 0;
		}
		l->cancel_in_flight = true;
		return 0;
	}
	if (submit->flags & LOCKSTEP_LKF_FORCEUNLOCK) {
		if (l->unlock_in_flight) {
			return EINVAL;
		}
	} else if (in_flight) {
		return EBUSY;
	}
	l->unlock_in_flight = true;
	return 0;
}

int node_submit(struct node *n, node_conn conn, const struct node_submit *submit,
		uint32_t *ret_lkid, bool *ret_completes)
{
	struct session *session = session_by_conn(n, conn);
	struct space *s = session ? session->space : NULL;
	struct local_lock *l = NULL;
	bool request = submit->type == ENGINE_OP_LOCK || submit->type == ENGINE_OP_CONVERT;
	bool nothing = false;

	*ret_completes = true;
	if (!s || s->lost || s->leaving) {
		return ENOTCONN;
	}
	if (!session->active || !space_serving(s)) {
		return EAGAIN;
	}
	struct engine_op op = { .type = submit->type,
				.nodeid = n->config.nodeid,
				.incarnation = s->incarnation,
				.session = session->number,
				.lkid = submit->lkid,
				.mode = submit->mode,
				.attr = submit->has_bast ? ENGINE_ATTR_HAS_BAST : 0,
				.flags = submit->flags,
				.time_ms = n->wall_ms,
				.xid = submit->xid,
				.timeout_cs = submit->timeout_cs,
				.lvb = submit->lvb,
				.lvb_len = (uint16_t)submit->lvb_len };

	if (submit->type != ENGINE_OP_LOCK && submit->type != ENGINE_OP_CONVERT &&
	    submit->type != ENGINE_OP_UNLOCK && submit->type != ENGINE_OP_CANCEL &&
	    submit->type != ENGINE_OP_DEADLOCK_CANCEL) {
		return EOPNOTSUPP;
	}
	if (submit->type != ENGINE_OP_LOCK) {
		l = session_lock_find(s, submit->lkid);
		if (!l || l->session != session) {
			return ENOENT;
		}
	}
	if (submit->type == ENGINE_OP_LOCK && submit->name_len > LOCKSTEP_NAME_MAX) {
		return EINVAL;
	}
	if (submit->lvb_len > LOCKSTEP_LVB_MAX) {
		return EINVAL;
	}
	if (submit->type == ENGINE_OP_LOCK) {
		op.name_len = (uint8_t)submit->name_len;
		if (submit->name_len > 0) {
			memcpy(op.name, submit->name, submit->name_len);
		}
	}
	int error = engine_op_check(engine_config_get(s->engine), &op);

	if (!error && request &&
	    session->in_flight + session->callbacks_count >= n->config.session_events_max) {
		error = ENOMEM;
	}
	if (!error) {
		switch (submit->type) {
		case ENGINE_OP_LOCK:
			error = submit_lock(session, &op, &l);
			break;
		case ENGINE_OP_CONVERT:
			error = submit_convert(s, submit, l);
			break;
		default:
			error = submit_unlock(s, submit, l, &nothing);
			break;
		}
	}
	if (error) {
		return error;
	}
	if (nothing) {
		*ret_completes = false;
		return 0;
	}
	if (request) {
		l->awaited = true;
		session->in_flight++;
	}
	op.request = ++session->request;
	*ret_lkid = op.lkid;
	pending_push(session, &op);
	return 0;
}

/* --- sending ---------------------------------------------------------------------------- */

static struct list *pending_head(struct space *s)
{
	return !list_empty(&s->resend) ? &s->resend : &s->outbox;
}

void session_send_ops(struct space *s)
{
	const struct node_config *config = &s->node->config;

	if (s->state == SPACE_STOPPED || s->leave_sent || s->sent_ops_old > 0 ||
	    !space_quorum_ok(s)) {
		return;
	}
	while (!list_empty(pending_head(s))) {
		struct buf ops = { 0 };

		if (s->sent_count >= config->window_messages) {
			s->node->counters[COUNTER_WINDOW_FULL]++;
			return;
		}
		for (;;) {
			struct list *head = pending_head(s);

			if (list_empty(head)) {
				break;
			}
			struct pending *p = list_entry(head->next, struct pending, item);

			if (ops.size > 0 && ops.size + p->size > config->batch_bytes) {
				break;
			}
			buf_put_bytes(&ops, p->bytes, p->size);
			list_remove(&p->item);
			free(p);
			s->node->counters[COUNTER_OPS_SENT]++;
		}
		struct wire_body body = { .bytes = ops.data, .bytes_size = ops.size };

		s->node->counters[COUNTER_BATCHES]++;
		stream_send(s, WIRE_OPS, &body, &ops);
	}
}

/* --- what comes back -------------------------------------------------------------------- */

void session_op_applied(struct space *s, const struct engine_op *op)
{
	struct local_lock *l = session_lock_find(s, op->lkid);

	if (!l || l->session->number != op->session) {
		return;
	}
	switch (op->type) {
	case ENGINE_OP_LOCK:
	case ENGINE_OP_CONVERT:
		l->request_in_flight = false;
		break;
	case ENGINE_OP_UNLOCK:
		l->unlock_in_flight = false;
		break;
	case ENGINE_OP_CANCEL:
	case ENGINE_OP_DEADLOCK_CANCEL:
		l->cancel_in_flight = false;
		break;
	default:
		break;
	}
}

void session_lock_settle(struct space *s, uint32_t lkid)
{
	struct local_lock *l = session_lock_find(s, lkid);
	struct engine_lock_info info;

	if (l && !l->request_in_flight && !l->unlock_in_flight && !l->cancel_in_flight &&
	    !engine_lock_find(s->engine, s->node->config.nodeid, s->incarnation, lkid, &info)) {
		lock_remove(s, l);
	}
}

void session_effect(struct space *s, const struct engine_effect *effect)
{
	struct session *session = session_by_number(s, effect->session);

	if (!session || effect->type == ENGINE_EFFECT_REPLY) {
		return; /* R-ORD-5; replies come with adoption */
	}
	struct callback *c = calloc(1, sizeof(*c) + effect->lvb_len);

	ls_assert(c);
	c->kind = effect->type == ENGINE_EFFECT_CAST ? CALLBACK_CAST : CALLBACK_BAST;
	c->needs_stable = effect->needs_stable;
	c->seq = effect->seq;
	c->lkid = effect->lkid;
	c->status = effect->status;
	c->mode = effect->mode;
	c->sb_flags = effect->sb_flags;
	c->token = effect->token;
	c->lvb_len = effect->lvb_len;
	if (effect->lvb_len > 0) {
		memcpy(c->lvb, effect->lvb, effect->lvb_len);
	}
	list_push_tail(&session->callbacks, &c->item);
	session->callbacks_count++;
	struct local_lock *l = session_lock_find(s, effect->lkid);

	if (c->kind == CALLBACK_CAST && l) {
		session->in_flight -= l->awaited ? 1 : 0;
		l->awaited = false;
		session_lock_settle(s, effect->lkid);
	}
}
