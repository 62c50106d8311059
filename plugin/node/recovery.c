/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recovery callbacks of the sessions here (recovery.md section 3): what the view machine's two points
 * mean to whoever has subscribed, and the acknowledgement of prep that the recovery point waits for.
 *
 *                     view point                          recovery point
 *   RUNNING  STOPPED      |          RECOVERING                 |         RUNNING
 *                        prep ---> session ---> acknowledged   slot*, grants, done
 *                                               by all here:    (told when stable)
 *                                               prepared
 *
 * A callback is queued among the others of its session, so their order is kept whatever they wait for. All
 * in here is local but for what it is told by view.c: slots and generation are part of the replicated
 * view, subscriptions are not.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/text.h"
#include "plugin/node/node_private.h"

static bool is_recovery(enum callback_kind kind)
{
	return kind == CALLBACK_PREP || kind == CALLBACK_SLOT || kind == CALLBACK_DONE;
}

/* Was this node ever RUNNING in the lockspace? A joiner's first recovery is none that it was in (R-CB-2). */
static bool has_run(const struct space *s)
{
	const struct member *self = view_self(s);

	return self && self->slot != 0;
}

/* --- what is told ------------------------------------------------------------------------ */

static void prep_add(struct session *session)
{
	struct callback *c = session_callback_add(session, CALLBACK_PREP, 0);

	c->status = (int32_t)++session->prep_number;
	session->prepped = true;
	session->preps_owed++;
	session->space->preps_owed++;
}

static void slot_add(struct session *session, const struct lost *l, uint64_t seq)
{
	struct callback *c = session_callback_add(session, CALLBACK_SLOT, 0);

	c->needs_stable = !node_mutated(session->space->node, NODE_MUTATE_CB_UNSTABLE);
	c->seq = seq;
	c->lkid = l->nodeid;
	c->status = (int32_t)l->slot;
}

/* As of the last recovery point. */
static void done_add(struct session *session)
{
	const struct space *s = session->space;
	struct callback *c = session_callback_add(session, CALLBACK_DONE, s->done_slots.size);

	c->needs_stable = !node_mutated(s->node, NODE_MUTATE_CB_UNSTABLE);
	c->seq = s->done_seq;
	c->token = s->done_seq;
	c->lkid = s->done_own;
	c->status = (int32_t)s->done_generation;
	memcpy(c->lvb, s->done_slots.data, s->done_slots.size);
	session->prepped = false;
}

void recovery_view_point(struct space *s)
{
	if (!has_run(s) && !node_mutated(s->node, NODE_MUTATE_CB_PREP_JOINER)) {
		return;
	}
	list_for_each(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);

		if (session->subscribed &&
		    (!session->prepped || node_mutated(s->node, NODE_MUTATE_CB_PREP_AGAIN))) {
			prep_add(session);
		}
	}
}

void recovery_slots(struct space *s, uint64_t seq)
{
	if (!has_run(s)) {
		return;
	}
	list_for_each(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);

		if (!session->subscribed) {
			continue;
		}
		list_for_each(lost_item, &s->lost_members) {
			const struct lost *l = list_entry(lost_item, struct lost, item);

			/* Whoever failed before its own first recovery never had one. */
			if (l->slot != 0) {
				slot_add(session, l, seq);
			}
		}
	}
}

void recovery_note(struct space *s, uint64_t seq)
{
	const struct member *self = view_self(s);

	buf_clear(&s->done_slots);
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->carrier) {
			buf_put_u32(&s->done_slots, m->nodeid);
			buf_put_u32(&s->done_slots, m->slot);
		}
	}
	s->done_own = self ? self->slot : 0;
	s->done_generation = node_mutated(s->node, NODE_MUTATE_CB_GENERATION) ? s->done_generation + 1 :
										 s->generation;
	s->done_seq = seq;
	/* Everybody waits for everybody's word that he has got here (R-STAB-2). */
	s->confirm_wanted = seq;
	s->awaited_seq = seq;
	s->awaited_seq_other = seq;
	s->awaited_owner = 0;
}

void recovery_done(struct space *s)
{
	list_for_each(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);

		if (session->subscribed) {
			done_add(session);
		}
	}
}

static void callback_act(struct session *session, const struct callback *c,
			 enum node_action_type type)
{
	struct node_action act = {
		.type = type,
		.conn = session->conn,
		.group = session->subscription,
		.lkid = c->lkid,
		.value = (uint32_t)c->status,
		.token = c->token,
		.data = c->lvb_len > 0 ? c->lvb : NULL,
		.size = c->lvb_len,
	};

	node_act(session->space->node, &act);
}

void recovery_callback_emit(struct session *session, const struct callback *c)
{
	struct node *n = session->space->node;

	switch (c->kind) {
	case CALLBACK_PREP:
		session->prep_told = (uint32_t)c->status;
		session->prep_waited_ms = 0;
		n->counters[COUNTER_PREPS]++;
		callback_act(session, c, NODE_ACTION_PREP);
		break;
	case CALLBACK_SLOT:
		n->counters[COUNTER_SLOTS]++;
		callback_act(session, c, NODE_ACTION_SLOT);
		break;
	default:
		n->counters[COUNTER_DONES]++;
		callback_act(session, c, NODE_ACTION_DONE);
		break;
	}
}

/* Who has subscribed late is not waited for by the others: what follows prep waits here. */
bool recovery_callback_waits(const struct session *session, const struct callback *c)
{
	return session->prep_told != 0 && is_recovery(c->kind) &&
	       !node_mutated(session->space->node, NODE_MUTATE_CB_NO_BARRIER | NODE_MUTATE_CB_PREP_AGAIN);
}

/* --- prep is acknowledged (R-CB-10) ------------------------------------------------------- */

bool recovery_acknowledged(const struct space *s)
{
	return s->preps_owed == 0 || node_mutated(s->node, NODE_MUTATE_CB_NO_BARRIER);
}

void recovery_session_gone(struct session *session)
{
	ls_assert(session->space->preps_owed >= session->preps_owed);
	session->space->preps_owed -= session->preps_owed;
	session->preps_owed = 0;
	session->prep_told = 0;
}

void recovery_tick(struct space *s, uint64_t elapsed_ms)
{
	if (s->preps_owed == 0) {
		return;
	}
	list_for_each(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);

		if (session->prep_told != 0) {
			session->prep_waited_ms +=
				elapsed_ms < TICK_COUNTS_MS_MAX ? elapsed_ms : TICK_COUNTS_MS_MAX;
		}
	}
}

/* Nobody may believe in what this node holds longer than the others do, and a process that cannot be
 * killed does: they take this node out as one that failed, and have it fenced. */
static void evict_self(struct space *s, const struct session *session)
{
	struct member *self = view_self(s);

	if (!self || self->evict_sent || s->state == SPACE_STOPPED) {
		return;
	}
	struct wire_body body = { .nodeid = self->nodeid,
				  .incarnation = self->incarnation,
				  .view = s->view };

	node_log(s->node, 2,
		 "lockspace %s: pid %u (%.*s) could not be killed: this node gives up and must be fenced "
		 "(R-CB-10)",
		 s->name, session->pid, LOCKSTEP_COMM_MAX, session->comm);
	self->evict_sent = true;
	stream_send(s, WIRE_EVICT, &body, NULL);
}

static void prep_late(struct session *session)
{
	struct space *s = session->space;
	struct node *n = s->node;

	if (!session->prep_killed) {
		struct node_action kill = { .type = NODE_ACTION_KILL, .conn = session->conn };

		session->prep_killed = true;
		n->counters[COUNTER_PREP_KILLS]++;
		node_log(n, 3,
			 "lockspace %s: session %u (pid %u, %.*s) has not answered its recovery callback for "
			 "%llu s: killing it (R-CB-10)",
			 s->name, session->number, session->pid, LOCKSTEP_COMM_MAX, session->comm,
			 (unsigned long long)session->prep_waited_ms / 1000);
		node_act(n, &kill);
	} else if (session->prep_waited_ms >=
		   (uint64_t)n->config.prep_ack_ms + n->config.prep_kill_ms) {
		evict_self(s, session);
	}
}

void recovery_progress_late(struct space *s)
{
	if (s->preps_owed == 0) {
		return;
	}
	list_for_each(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);

		if (session->prep_told != 0 &&
		    session->prep_waited_ms >= s->node->config.prep_ack_ms &&
		    !node_mutated(s->node, NODE_MUTATE_CB_STUCK_LIVES)) {
			prep_late(session);
		}
	}
}

bool recovery_text(const struct space *s, char *ret, size_t size)
{
	const struct session *longest = NULL;
	size_t count = 0;

	list_for_each(item, &s->sessions) {
		const struct session *session = list_entry(item, struct session, item);

		if (session->preps_owed == 0) {
			continue;
		}
		count++;
		if (!longest || session->prep_waited_ms > longest->prep_waited_ms) {
			longest = session;
		}
	}
	if (!longest) {
		return false;
	}
	uint64_t limit_ms = s->node->config.prep_ack_ms;
	uint64_t left_ms;
	char more[48] = "";
	char next[96];

	if (count > 1) {
		(void)base_format(more, sizeof(more), " and %zu more", count - 1);
	}
	limit_ms += longest->prep_killed ? s->node->config.prep_kill_ms : 0;
	left_ms = longest->prep_waited_ms < limit_ms ? limit_ms - longest->prep_waited_ms : 0;
	(void)base_format(next, sizeof(next),
			  longest->prep_killed ? "it is being killed; if that fails this node gives up in %llu s" :
						 "it is killed in %llu s",
			  (unsigned long long)(left_ms + 999) / 1000);
	(void)base_format(ret, size, "waits for prep of session %u (pid %u, %.*s)%s for %llu s: %s",
			  longest->number, longest->pid, LOCKSTEP_COMM_MAX, longest->comm, more,
			  (unsigned long long)longest->prep_waited_ms / 1000, next);
	return true;
}

/* --- subscriptions ----------------------------------------------------------------------- */

static struct session *session_usable(const struct node *n, node_conn conn)
{
	struct session *session = session_by_conn(n, conn);

	return session && session->space && session->active && !session->holding ? session : NULL;
}

int node_recovery_subscribe(struct node *n, node_conn conn, uint32_t *ret_number)
{
	struct session *session = session_usable(n, conn);

	if (n->config.no_recovery_callbacks) {
		return EOPNOTSUPP; /* R-CB-9 */
	}
	if (!session) {
		return ENOTCONN;
	}
	if (session->subscribed) {
		return EALREADY;
	}
	const struct space *s = session->space;

	session->subscribed = true;
	*ret_number = ++session->subscription;
	if (s->state == SPACE_RUNNING) {
		done_add(session);
	} else if (has_run(s)) {
		prep_add(session); /* R-CB-8 */
	}
	return 0;
}

int node_recovery_unsubscribe(struct node *n, node_conn conn)
{
	struct session *session = session_usable(n, conn);

	if (!session) {
		return ENOTCONN;
	}
	if (!session->subscribed) {
		return ENOENT;
	}
	list_for_each_safe(item, &session->callbacks) {
		struct callback *c = list_entry(item, struct callback, item);

		if (is_recovery(c->kind)) {
			session_callback_free(session, c);
		}
	}
	session->subscribed = false;
	session->prepped = false;
	recovery_session_gone(session);
	return 0;
}

int node_recovery_prep_done(struct node *n, node_conn conn, uint32_t prep)
{
	struct session *session = session_usable(n, conn);

	if (!session) {
		return ENOTCONN;
	}
	if (!session->subscribed || prep == 0 || session->prep_told != prep) {
		return EINVAL;
	}
	ls_assert(session->preps_owed > 0 && session->space->preps_owed > 0);
	session->preps_owed--;
	session->space->preps_owed--;
	session->prep_told = 0;
	return 0;
}
