/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions of this node from opening to their end, and their callbacks: what comes out of the apply
 * of an op waits here in effect order (R-ORD-1, R-ORD-2) until it may be told (R-STAB-2).
 *
 *   open -> [waiting for state] --READY--> [active] --close--> its end op is queued, forgotten here
 *                                             |
 *                                             `--lost--> [holding] --processes gone--> forgotten
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/digest.h"
#include "plugin/node/node_private.h"

/* An adoption on its way: the call waits for its answer (R-ORPH-3). */
struct adoption {
	struct list item; /* session.adoptions, in order of submission */
	uint64_t request;
	uint32_t tag;
	bool purged; /* what it adopts goes with a purge submitted after it */
};

/* --- look-up ---------------------------------------------------------------------------- */

static size_t conn_bucket(const struct node *n, node_conn conn)
{
	return (size_t)base_mix64(conn) & (n->conn_hash_size - 1);
}

struct session *session_by_conn(const struct node *n, node_conn conn)
{
	struct session *session =
		n->conn_hash_size > 0 ? n->conn_hash[conn_bucket(n, conn)] : NULL;

	while (session && session->conn != conn) {
		session = session->conn_next;
	}
	return session;
}

static void conn_hash_grow(struct node *n)
{
	size_t old_size = n->conn_hash_size;
	struct session **old = n->conn_hash;

	n->conn_hash_size = old_size ? old_size * 2 : 64;
	n->conn_hash = calloc(n->conn_hash_size, sizeof(n->conn_hash[0]));
	ls_assert(n->conn_hash);
	for (size_t i = 0; i < old_size; i++) {
		for (struct session *session = old[i], *next; session; session = next) {
			struct session **at = &n->conn_hash[conn_bucket(n, session->conn)];

			next = session->conn_next;
			session->conn_next = *at;
			*at = session;
		}
	}
	free(old);
}

static void conn_add(struct node *n, struct session *session)
{
	if (n->sessions_count >= n->conn_hash_size) {
		conn_hash_grow(n);
	}
	struct session **at = &n->conn_hash[conn_bucket(n, session->conn)];

	session->conn_next = *at;
	*at = session;
	list_push_tail(&n->sessions, &session->node_item);
	n->sessions_count++;
}

static void conn_remove(struct node *n, struct session *session)
{
	struct session **at = &n->conn_hash[conn_bucket(n, session->conn)];

	while (*at != session) {
		at = &(*at)->conn_next;
	}
	*at = session->conn_next;
	list_remove(&session->node_item);
	n->sessions_count--;
}

/* Where the session of that number is, or would be. Numbers are given out upwards, so their low bits
 * are an even spread. */
static struct session **number_slot(struct space *s, uint32_t number)
{
	struct session **at = &s->number_hash[number & (SPACE_SESSION_BUCKETS - 1)];

	while (*at && (*at)->number != number) {
		at = &(*at)->number_next;
	}
	return at;
}

struct session *session_by_number(struct space *s, uint32_t number)
{
	return *number_slot(s, number);
}

/* --- callbacks -------------------------------------------------------------------------- */

void session_callback_free(struct session *session, struct callback *c)
{
	list_remove(&c->item);
	session->callbacks_count--;
	session->casts_count -= c->kind == CALLBACK_CAST ? 1 : 0;
	if (c->lock) {
		local_lock_callback_gone(c->lock);
	}
	free(c);
}

/* Answers to a waiting call stay: the call is owed one. What is not about locks goes with @all. */
static void callbacks_clear(struct session *session, bool all)
{
	list_for_each_safe(item, &session->callbacks) {
		struct callback *c = list_entry(item, struct callback, item);

		if (c->kind == CALLBACK_CAST || c->kind == CALLBACK_BAST || (all && c->kind != CALLBACK_REPLY)) {
			session_callback_free(session, c);
		}
	}
}

static void reply_emit(const struct session *session, uint32_t tag, int status, uint32_t lkid,
		       uint64_t token)
{
	struct node_action act = { .type = NODE_ACTION_REPLY,
				   .conn = session->conn,
				   .status = status,
				   .value = tag,
				   .lkid = lkid,
				   .token = token };

	node_act(session->space->node, &act);
}

void session_callback_emit(struct session *session, struct callback *c)
{
	struct node *n = session->space->node;
	struct node_action act = {
		.type = c->kind == CALLBACK_CAST ? NODE_ACTION_CAST : NODE_ACTION_BAST,
		.conn = session->conn,
		.status = c->status,
		.mode = c->mode,
		.sb_flags = c->sb_flags,
		.token = c->token,
		.lkid = c->lkid,
		.data = c->lvb_len > 0 ? c->lvb : NULL,
		.size = c->lvb_len,
	};

	if (c->kind == CALLBACK_REPLY) {
		reply_emit(session, c->tag, c->status, c->lkid, c->token);
	} else if (c->kind == CALLBACK_CAST || c->kind == CALLBACK_BAST) {
		node_act(n, &act);
		n->counters[c->kind == CALLBACK_CAST ? COUNTER_CASTS : COUNTER_BASTS]++;
	} else {
		recovery_callback_emit(session, c);
	}
	session_callback_free(session, c);
}

struct callback *session_callback_add(struct session *session, enum callback_kind kind, size_t lvb_len)
{
	struct callback *c = malloc(sizeof(*c) + lvb_len);

	ls_assert(c);
	*c = (struct callback){ .kind = kind, .lvb_len = (uint16_t)lvb_len };
	list_push_tail(&session->callbacks, &c->item);
	session->callbacks_count++;
	session->casts_count += kind == CALLBACK_CAST ? 1 : 0;
	return c;
}

static struct callback *callback_add(struct session *session, enum callback_kind kind,
				     const struct engine_effect *effect)
{
	struct callback *c = session_callback_add(session, kind, effect->lvb_len);

	c->needs_stable = effect->needs_stable;
	c->seq = effect->seq;
	c->lkid = effect->lkid;
	c->status = effect->status;
	c->mode = effect->mode;
	c->sb_flags = effect->sb_flags;
	c->token = effect->token;
	if (effect->lvb_len > 0) {
		memcpy(c->lvb, effect->lvb, effect->lvb_len);
	}
	return c;
}

/* --- adoption and purge ----------------------------------------------------------------- */

void session_adoption_add(struct session *session, uint64_t request, uint32_t tag)
{
	struct adoption *a = calloc(1, sizeof(*a));

	ls_assert(a);
	a->request = request;
	a->tag = tag;
	list_push_tail(&session->adoptions, &a->item);
	session->adoptions_count++;
	session->in_flight++;
}

static void adoption_free(struct session *session, struct adoption *a)
{
	list_remove(&a->item);
	session->adoptions_count--;
	session->in_flight--;
	free(a);
}

/* R-ORPH-1: decided; the lock is this session's from here on, and its caller hears of it when that
 * is stable. */
static void adoption_answered(struct session *session, const struct engine_effect *effect)
{
	list_for_each(item, &session->adoptions) {
		struct adoption *a = list_entry(item, struct adoption, item);

		if (a->request != effect->request) {
			continue;
		}
		struct callback *c = callback_add(session, CALLBACK_REPLY, effect);

		c->tag = a->tag;
		if (effect->status == 0 && !a->purged) {
			c->lock = local_lock_add(session, effect->lkid);
			c->lock->callbacks++;
		}
		adoption_free(session, a);
		return;
	}
}

/* Every accepted adoption is answered, whatever becomes of the session. */
static void adoptions_fail(struct session *session)
{
	list_for_each_safe(item, &session->callbacks) {
		struct callback *c = list_entry(item, struct callback, item);

		if (c->kind == CALLBACK_REPLY) {
			reply_emit(session, c->tag, ENOTCONN, 0, 0);
			session_callback_free(session, c);
		}
	}
	list_for_each_safe(item, &session->adoptions) {
		struct adoption *a = list_entry(item, struct adoption, item);

		reply_emit(session, a->tag, ENOTCONN, 0, 0);
		adoption_free(session, a);
	}
}

static void locks_forget(struct session *session)
{
	list_for_each_safe(item, &session->locks) {
		local_lock_end(list_entry(item, struct local_lock, item));
	}
}

/* R-PURGE-1, all locks of the session itself: nothing of them is told any more, from the call on.
 * What the ops still on their way bring about finds no lock here. */
void session_purged(struct session *session)
{
	callbacks_clear(session, false);
	locks_forget(session);
	list_for_each(item, &session->adoptions) {
		list_entry(item, struct adoption, item)->purged = true;
	}
}

/* --- life ------------------------------------------------------------------------------- */

/* Takes the session out of its space: no callbacks, no ops, no locks known here any more. */
void session_detach(struct session *session)
{
	struct space *s = session->space;

	if (!s) {
		return;
	}
	callbacks_clear(session, true);
	recovery_session_gone(session);
	adoptions_fail(session);
	locks_forget(session);
	*number_slot(s, session->number) = session->number_next;
	list_remove(&session->item);
	s->sessions_count--;
	session->space = NULL;
}

void session_free(struct node *n, struct session *session)
{
	session_detach(session);
	conn_remove(n, session);
	free(session);
}

int node_session_open(struct node *n, node_conn conn, const struct node_open *open)
{
	struct space *s = node_space_find(n, open->space);

	if (!node_attributes_valid(&open->want)) {
		return EINVAL;
	}
	if (session_by_conn(n, conn)) {
		return EEXIST;
	}
	if (n->sessions_count >= n->config.sessions_max) {
		n->counters[COUNTER_QUOTA_REFUSALS]++;
		return ENOMEM;
	}
	if (!s && open->create) {
		int error = node_space_create(n, open->space, &open->want);

		if (error) {
			return error;
		}
		s = node_space_find(n, open->space);
	}
	if (!s || (s->leaving && !open->create)) {
		return ENOENT; /* R-LS-4 */
	}
	if (s->leaving) {
		return EAGAIN; /* it can be joined again when it has been left */
	}
	if (s->lost) {
		return ESTALE;
	}
	if (s->engine && !space_attributes_match(s, &open->want)) {
		return EPROTO;
	}
	struct session *session = calloc(1, sizeof(*session));

	ls_assert(session);
	session->conn = conn;
	session->space = s;
	session->number = ++s->session_number;
	session->pid = open->pid;
	session->uid = open->uid;
	session->personality = open->want.personality;
	session->want = open->want;
	memcpy(session->comm, open->comm, strnlen(open->comm, sizeof(session->comm)));
	list_init(&session->callbacks);
	list_init(&session->adoptions);
	list_init(&session->locks);
	list_push_tail(&s->sessions, &session->item);
	*number_slot(s, session->number) = session;
	s->sessions_count++;
	conn_add(n, session);
	return 0;
}

static void ready_emit(struct node *n, const struct session *session, int status, uint16_t lvb_len)
{
	struct node_action act = { .type = NODE_ACTION_READY,
				   .conn = session->conn,
				   .status = status,
				   .value = lvb_len };

	node_act(n, &act);
}

static void session_op(struct session *session, enum engine_op_type type)
{
	struct space *s = session->space;
	struct engine_op op = { .type = type,
				.session = session->number,
				.request = ++session->request,
				.time_ms = s->node->wall_ms,
				.pid = session->pid,
				.uid = session->uid,
				.personality = session->personality };

	memcpy(op.comm, session->comm, sizeof(op.comm));
	outbox_push(s, &op);
	s->ends_in_flight += type == ENGINE_OP_SESSION_END ? 1 : 0;
}

static void activation_refuse(struct session *session, int error)
{
	struct node *n = session->space->node;

	ready_emit(n, session, error, 0);
	session_free(n, session);
}

void session_activate_all(struct space *s)
{
	uint16_t lvb_len = engine_config_get(s->engine)->lvb_len;

	list_for_each_safe(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);

		if (session->active) {
			continue;
		}
		if (!space_attributes_match(s, &session->want)) {
			activation_refuse(session, EPROTO);
			continue;
		}
		session->active = true;
		session_op(session, ENGINE_OP_SESSION_BEGIN);
		ready_emit(s->node, session, 0, lvb_len);
	}
}

void session_refuse_all(struct space *s, int error)
{
	list_for_each_safe(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);

		if (!session->active) {
			activation_refuse(session, error);
		}
	}
}

void node_session_close(struct node *n, node_conn conn)
{
	struct session *session = session_by_conn(n, conn);

	if (!session) {
		return;
	}
	if (session->holding) {
		session->closed = true; /* every descriptor is closed: all its processes are gone */
		session_settled(session);
		return;
	}
	if (session->space && session->active) {
		/* R-PROC-3: what was accepted but not yet sent is dropped. */
		outbox_session_drop(session->space, session->number);
		session_op(session, ENGINE_OP_SESSION_END);
	}
	session_free(n, session);
}

size_t node_session_locks(const struct node *n, node_conn conn)
{
	const struct session *session = session_by_conn(n, conn);

	return session ? session->locks_count : 0;
}

void node_session_backlog(struct node *n, node_conn conn, size_t count)
{
	struct session *session = session_by_conn(n, conn);

	if (session) {
		session->backlog = count;
	}
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

			if ((c->kind != CALLBACK_CAST && c->kind != CALLBACK_REPLY) || c->status != 0 ||
			    c->token > s->view_seq) {
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
		adoptions_fail(session);
		node_act(n, &act);
		if (!reset && session->active) {
			session_op(session, ENGINE_OP_SESSION_END);
		}
		/* One that could not be killed in time is waited for whatever it holds (R-CB-10). */
		if (!reset || (granted == 0 && !session->prep_killed) ||
		    node_mutated(n, NODE_MUTATE_LOST_LIVES)) {
			session_detach(session);
			continue;
		}
		callbacks_clear(session, true);
		recovery_session_gone(session);
		session->holding = true;
		s->holding++;
		if (n->config.on_lost == NODE_ON_LOST_KILL && !session->prep_killed) {
			struct node_action kill = { .type = NODE_ACTION_KILL,
						    .conn = session->conn };

			node_act(n, &kill);
		}
	}
	if (s->holding > 0 && n->config.on_lost == NODE_ON_LOST_REBOOT) {
		struct node_action reboot = { .type = NODE_ACTION_REBOOT };

		node_act(n, &reboot);
	}
}

void session_settled(struct session *session)
{
	struct space *s = session->space;
	struct node *n = s->node;

	ls_assert(session->holding && s->holding > 0);
	session->holding = false;
	s->holding--;
	session_detach(session);
	if (session->closed) {
		session_free(n, session);
	}
}

bool node_session_holds(const struct node *n, node_conn conn)
{
	const struct session *session = session_by_conn(n, conn);
	const struct space *s = session ? session->space : NULL;
	size_t granted = 0;

	if (session && session->holding) {
		return true;
	}
	if (s && s->engine && session->active) {
		(void)engine_session_locks(s->engine, n->config.nodeid, s->incarnation, session->number,
					   &granted);
	}
	return granted > 0;
}

static void stop_tell(struct session *session)
{
	const struct space *s = session->space;

	list_for_each(item, &session->locks) {
		struct local_lock *l = list_entry(item, struct local_lock, item);
		struct engine_lock_info info;

		if (!engine_lock_find(s->engine, s->node->config.nodeid, s->incarnation, l->lkid, &info) ||
		    info.granted <= LOCKSTEP_LOCK_NL || !info.has_bast) {
			continue;
		}
		struct callback *c = session_callback_add(session, CALLBACK_BAST, 0);

		c->lkid = l->lkid;
		c->mode = LOCKSTEP_LOCK_EX;
		c->lock = l;
		l->callbacks++;
	}
}

void node_stop_tell(struct node *n)
{
	list_for_each(item, &n->spaces) {
		struct space *s = list_entry(item, struct space, item);

		if (!s->engine || s->lost) {
			continue;
		}
		list_for_each(session_item, &s->sessions) {
			struct session *session = list_entry(session_item, struct session, item);

			/* Whoever asks us to stop asks again; nothing is piled up for who does not read. */
			if (session->active && !session->holding && session->callbacks_count == 0 &&
			    session->backlog == 0) {
				stop_tell(session);
			}
		}
	}
}

/* --- what comes back -------------------------------------------------------------------- */

void session_op_applied(struct space *s, const struct engine_op *op)
{
	if (op->type == ENGINE_OP_SESSION_END) {
		s->ends_in_flight -= s->ends_in_flight > 0 ? 1 : 0;
		return;
	}
	if (op->type == ENGINE_OP_DEADLOCK_SEARCH) {
		s->search_in_flight = false;
		return;
	}
	struct local_lock *l = local_lock_find(s, op->lkid);

	if (!l || l->ended || l->session->number != op->session) {
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

/* The lock has ended when the engine has it no more and no op of it is on its way. */
static void lock_settle(struct space *s, struct local_lock *l)
{
	struct engine_lock_info info;

	if (!l->request_in_flight && !l->unlock_in_flight && !l->cancel_in_flight &&
	    !engine_lock_find(s->engine, s->node->config.nodeid, s->incarnation, l->lkid, &info)) {
		local_lock_end(l);
	}
}

void session_op_done(struct space *s, const struct engine_op *op)
{
	struct local_lock *l = local_lock_find(s, op->lkid);

	if (!l || l->ended || l->session->number != op->session) {
		return;
	}
	if (l->awaited && (op->type == ENGINE_OP_LOCK || op->type == ENGINE_OP_CONVERT)) {
		wait_begin(l, op);
	}
	lock_settle(s, l);
}

void session_effect(struct space *s, const struct engine_effect *effect)
{
	struct session *session = session_by_number(s, effect->session);

	if (!session) {
		return; /* R-ORD-5 */
	}
	if (effect->type == ENGINE_EFFECT_REPLY) {
		adoption_answered(session, effect);
		return;
	}
	struct local_lock *l = local_lock_find(s, effect->lkid);

	if (!l || l->session != session || l->ended) {
		return; /* R-PURGE-1: purged by its owner */
	}
	bool cast = effect->type == ENGINE_EFFECT_CAST;
	struct callback *c = callback_add(session, cast ? CALLBACK_CAST : CALLBACK_BAST, effect);

	c->lock = l;
	l->callbacks++;
	if (cast) {
		wait_end(l);
		session->in_flight -= l->awaited ? 1 : 0;
		l->awaited = false;
		lock_settle(s, l);
	}
}
