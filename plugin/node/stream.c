/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ordered stream of a lockspace: what a delivered message may do (R-CPG-11), hold and drop
 * (R-REC-3), apply, confirms and stable effects (R-STAB).
 *
 *   written in          delivered while     what happens
 *   current epoch       running, recovering applied
 *   current epoch       stopped             held, applied at the view point unless its sender is lost
 *   older epoch         any                 dropped by everybody; the sender sends its ops again
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/node/node_private.h"

/* --- sending ---------------------------------------------------------------------------- */

static uint64_t confirm_now(const struct space *s)
{
	const struct member *self = s->engine ? view_self(s) : NULL;

	return self && self->carrier && s->state != SPACE_STOPPED ? engine_seq(s->engine) : 0;
}

void stream_send(struct space *s, enum wire_type type, const struct wire_body *b,
		 struct buf *ops_take)
{
	struct sent *sent = calloc(1, sizeof(*sent));
	struct wire_header header = { .type = type,
				      .incarnation = s->incarnation,
				      .epoch = s->engine ? s->epoch : 0,
				      .number = ++s->number,
				      .confirm = confirm_now(s) };
	struct wire_body none = { 0 };
	struct buf out = { 0 };

	ls_assert(sent);
	wire_header_encode(&header, &out);
	wire_body_encode(type, b ? b : &none, &out);
	ls_assert(out.size <= NODE_MESSAGE_MAX);
	sent->number = header.number;
	sent->epoch = header.epoch;
	sent->type = type;
	if (ops_take) {
		sent->ops = *ops_take;
		memset(ops_take, 0, sizeof(*ops_take));
	}
	list_push_tail(&s->sent, &sent->item);
	s->sent_count++;
	if (header.confirm > s->confirm_sent) {
		s->confirm_sent = header.confirm;
	}
	struct node_action act = { .type = NODE_ACTION_MCAST,
				   .group = s->group,
				   .data = out.data,
				   .size = out.size };

	node_act(s->node, &act);
	buf_done(&out);
}

static void sent_free(struct space *s, struct sent *sent)
{
	list_remove(&sent->item);
	s->sent_count--;
	buf_done(&sent->ops);
	free(sent);
}

void stream_sent_clear(struct space *s)
{
	list_for_each_safe(item, &s->sent) {
		sent_free(s, list_entry(item, struct sent, item));
	}
	s->sent_ops_old = 0;
	s->begin_out = false;
}

void stream_pending_clear(struct list *head)
{
	list_for_each_safe(item, head) {
		list_remove(item);
		free(list_entry(item, struct pending, item));
	}
}

/* The ops of a dropped message go out again, in the old order and ahead of anything new. */
static void resend(struct space *s, const struct buf *ops)
{
	struct cursor in = cursor_make(ops->data, ops->size);

	while (cursor_left(&in) > 0) {
		size_t start = in.offset;
		struct engine_op op;

		ls_assert(engine_op_decode(&in, &op) == 0);
		size_t size = in.offset - start;
		struct pending *p = calloc(1, sizeof(*p) + size);

		ls_assert(p);
		p->session = op.session;
		p->type = op.type;
		p->size = size;
		memcpy(p->bytes, ops->data + start, size);
		list_push_tail(&s->resend, &p->item);
		s->node->counters[COUNTER_RESENT]++;
	}
}

/* An own message came back: what the sender does about it, whatever everybody does. */
static void own_returned(struct space *s, const struct wire_header *h, bool dropped)
{
	if (list_empty(&s->sent)) {
		return;
	}
	struct sent *sent = list_entry(s->sent.next, struct sent, item);

	if (sent->number != h->number) {
		return; /* a gap: the number check deals with it */
	}
	if (sent->type == WIRE_OPS) {
		if (sent->epoch != s->epoch && s->sent_ops_old > 0) {
			s->sent_ops_old--;
		}
		if (dropped) {
			resend(s, &sent->ops);
		}
	} else if (sent->type == WIRE_LEAVE && dropped) {
		s->leave_sent = false;
	} else if (sent->type == WIRE_SYNCED) {
		s->synced_sent = false;
	} else if (sent->type == WIRE_SYNC_BEGIN) {
		s->begin_out = false;
	}
	sent_free(s, sent);
}

void stream_epoch_changed(struct space *s)
{
	s->confirm_sent = 0;
	s->confirm_wanted = 0;
	s->awaited_seq = 0;
	s->awaited_seq_other = 0;
	s->probe_number = 0;
	s->sent_ops_old = 0;
	list_for_each(item, &s->sent) {
		const struct sent *sent = list_entry(item, struct sent, item);

		s->sent_ops_old += sent->type == WIRE_OPS && sent->epoch != s->epoch ? 1 : 0;
	}
}

void stream_unreturned(struct space *s)
{
	uint64_t now = s->node->now_ms;
	uint64_t oldest = list_empty(&s->sent) ? 0 : list_entry(s->sent.next, struct sent, item)->number;

	if (oldest == 0 || oldest != s->unreturned) {
		s->unreturned = oldest;
		s->unreturned_ms = now;
		s->unreturned_probes = 0;
	} else if (now - s->unreturned_ms >=
		   (uint64_t)s->node->config.confirm_timeout_ms / BEHIND_PROBES << s->unreturned_probes) {
		/* Ever more seldom: a ring may take its time. */
		stream_send(s, WIRE_CONFIRM, NULL, NULL);
		s->unreturned_ms = now;
		s->unreturned_probes += s->unreturned_probes < 8 ? 1 : 0;
	}
}

/* --- applying --------------------------------------------------------------------------- */

/* R-DIG-1: right after the op that passes a multiple of digest_interval every replica notes its digest. */
static void digest_point(struct space *s, uint64_t before)
{
	uint64_t seq = engine_seq(s->engine), interval = s->node->config.digest_interval;

	if (s->level >= FEATURE_LEVEL_DIGESTS && seq / interval != before / interval) {
		s->digest_seq = seq;
		s->digest = view_digest(s);
		s->digest_due = true;
	}
}

void stream_apply(struct space *s, struct engine_op *op)
{
	struct node *n = s->node;
	uint64_t before = engine_seq(s->engine);

	engine_effects_clear(&s->effects);
	engine_apply(s->engine, op, &s->effects);
	space_trace_op(s, op);
	digest_point(s, before);
	n->counters[COUNTER_OPS_APPLIED]++;
	if (op->nodeid == n->config.nodeid && op->incarnation == s->incarnation) {
		session_op_applied(s, op);
	}
	for (size_t i = 0; i < s->effects.count; i++) {
		const struct engine_effect *effect = &s->effects.items[i];

		if (effect->needs_stable) {
			if (effect->nodeid != s->awaited_owner) {
				s->awaited_seq_other = s->awaited_seq;
				s->awaited_owner = effect->nodeid;
			}
			s->awaited_seq = effect->seq;
		}
		if (effect->nodeid == n->config.nodeid && effect->incarnation == s->incarnation) {
			session_effect(s, effect);
		} else if (effect->needs_stable && effect->seq > s->confirm_wanted) {
			s->confirm_wanted = effect->seq;
		}
	}
	if (op->nodeid == n->config.nodeid && op->incarnation == s->incarnation) {
		session_op_done(s, op);
	}
}

static void ops_apply(struct space *s, const struct member *m, const uint8_t *bytes, size_t size)
{
	struct cursor in = cursor_make(bytes, size);

	while (cursor_left(&in) > 0) {
		struct engine_op op;

		ls_assert(engine_op_decode(&in, &op) == 0); /* checked on delivery */
		op.nodeid = m->nodeid;
		op.incarnation = m->incarnation;
		stream_apply(s, &op);
	}
}

static bool ops_valid(const uint8_t *bytes, size_t size)
{
	struct cursor in = cursor_make(bytes, size);

	while (cursor_left(&in) > 0) {
		struct engine_op op;

		if (engine_op_decode(&in, &op)) {
			return false;
		}
	}
	return cursor_end(&in);
}

static void leave_apply(struct space *s, struct member *m)
{
	bool self = m == view_self(s);

	view_left_clean(s, m);
	if (self) {
		s->leave_done = true;
	}
}

static void hold(struct space *s, const struct member *m, enum wire_type type,
		 const uint8_t *bytes, size_t size)
{
	struct held *h = calloc(1, sizeof(*h));

	ls_assert(h);
	h->nodeid = m->nodeid;
	h->incarnation = m->incarnation;
	h->type = type;
	h->size = size;
	if (size > 0) {
		h->bytes = malloc(size);
		ls_assert(h->bytes);
		memcpy(h->bytes, bytes, size);
	}
	list_push_tail(&s->held, &h->item);
	s->held_count++;
	s->node->counters[COUNTER_HELD]++;
}

static void held_free(struct space *s, struct held *h)
{
	list_remove(&h->item);
	s->held_count--;
	free(h->bytes);
	free(h);
}

void stream_held_clear(struct space *s)
{
	list_for_each_safe(item, &s->held) {
		held_free(s, list_entry(item, struct held, item));
	}
}

void stream_held_apply(struct space *s)
{
	list_for_each_safe(item, &s->held) {
		struct held *h = list_entry(item, struct held, item);

		struct member *m = view_member_by_id(s, h->nodeid, h->incarnation);

		if (m && m->carrier && !node_mutated(s->node, NODE_MUTATE_HELD_DROP)) {
			s->node->counters[COUNTER_HELD_APPLIED]++;
			if (h->type == WIRE_LEAVE) {
				leave_apply(s, m);
			} else {
				ops_apply(s, m, h->bytes, h->size);
			}
		}
		held_free(s, h);
	}
}

/* --- delivery --------------------------------------------------------------------------- */

/* The same process, after it has started over in this group. */
static bool sender_newer(const struct member *m, const struct wire_header *h)
{
	return (m->incarnation >> 16) == (h->incarnation >> 16) && h->incarnation > m->incarnation;
}

/* Learns or checks who sends. False: not a message of the member that sits there now. */
static bool sender_check(struct member *m, const struct wire_header *h)
{
	if (m->incarnation == h->incarnation) {
		return true;
	}
	if (h->type != WIRE_HELLO) {
		return false;
	}
	if (m->incarnation == 0 || (sender_newer(m, h) && !m->carrier)) {
		m->incarnation = h->incarnation;
		m->number = 0;
		m->hello = false;
		m->sync_sent = false;
		m->sync_again = false;
		return true;
	}
	return false;
}

/* Ops and leave: returns true when the message was dropped. */
static bool deliver_op(struct space *s, struct member *m, const struct wire_header *h,
		       const struct wire_body *b)
{
	bool older = h->epoch != s->epoch && !node_mutated(s->node, NODE_MUTATE_NO_EPOCH);

	if (older || !m->carrier) {
		s->node->counters[COUNTER_DROPPED_EPOCH]++;
		space_trace_message(s, true, m, (uint8_t)h->type, b->bytes_size);
		return true;
	}
	if (h->type == WIRE_OPS && !ops_valid(b->bytes, b->bytes_size)) {
		s->node->counters[COUNTER_BAD_MESSAGES]++;
		return false;
	}
	if (s->state == SPACE_STOPPED && !node_mutated(s->node, NODE_MUTATE_NO_HOLD)) {
		hold(s, m, h->type, b->bytes, b->bytes_size);
		space_trace_message(s, false, m, (uint8_t)h->type, b->bytes_size);
	} else if (h->type == WIRE_LEAVE) {
		leave_apply(s, m);
	} else {
		ops_apply(s, m, b->bytes, b->bytes_size);
	}
	return false;
}

static bool deliver(struct space *s, struct member *m, const struct wire_header *h,
		    const struct wire_body *b)
{
	if (h->type == WIRE_HELLO) {
		view_hello(s, m, b);
		return false;
	}
	if (!s->engine) {
		if (h->type == WIRE_FORM) {
			view_form(s, m, b);
		} else if (h->type == WIRE_SYNC_BEGIN) {
			sync_begin(s, m, h->number, b);
		} else if (h->type == WIRE_SYNC_CHUNK) {
			sync_chunk(s, m, b);
		}
		return false;
	}
	if (m->confirmer && s->state != SPACE_STOPPED &&
	    (h->epoch == s->epoch || node_mutated(s->node, NODE_MUTATE_CONFIRM_ANY)) &&
	    h->confirm > m->confirmed && h->confirm <= engine_seq(s->engine)) {
		m->confirmed = h->confirm;
	}
	switch (h->type) {
	case WIRE_OPS:
	case WIRE_LEAVE:
		return deliver_op(s, m, h, b);
	case WIRE_READY:
		view_ready(s, m, b);
		break;
	case WIRE_PREPARED:
		view_prepared(s, m, b);
		break;
	case WIRE_DIGEST:
		if (h->epoch == s->epoch && s->level >= FEATURE_LEVEL_DIGESTS) {
			view_digest_said(s, m, b);
		}
		break;
	case WIRE_FENCED:
		view_fenced(s, m, b);
		break;
	case WIRE_SYNC_BEGIN:
		if (h->epoch == s->epoch && s->state != SPACE_STOPPED && m->carrier) {
			sync_begin(s, m, h->number, b);
		} else if (m == view_self(s)) {
			sync_begin_dropped(s, b);
		}
		break;
	case WIRE_SYNC_CHUNK:
		sync_chunk(s, m, b);
		break;
	case WIRE_SYNCED:
		if (h->epoch == s->epoch) {
			view_synced(s, m);
		}
		break;
	case WIRE_EVICT:
		if (h->epoch == s->epoch) {
			view_evict(s, m, b);
		}
		break;
	default:
		break;
	}
	return false;
}

void stream_message(struct space *s, uint32_t nodeid, uint32_t pid, const void *data, size_t size)
{
	struct node *n = s->node;
	struct member *m = view_member_find(s, nodeid, pid);
	struct cursor in = cursor_make(data, size);
	struct wire_header h;
	struct wire_body b = { 0 };

	if (s->lost) {
		return;
	}
	if (s->catching_up && !s->replaying) {
		sync_keep_message(s, nodeid, pid, data, size);
		return;
	}
	if (!m) {
		n->counters[COUNTER_UNKNOWN_SENDER]++;
		return;
	}
	if (wire_header_decode(&in, &h) || h.type >= WIRE_ANNOUNCE ||
	    (!(s->replaying && h.type == WIRE_SYNC_CHUNK) && wire_body_decode(h.type, &in, &b))) {
		n->counters[COUNTER_BAD_MESSAGES]++;
		return;
	}
	if (s->keeping) {
		sync_keep_message(s, nodeid, pid, data, size);
	}
	bool own = nodeid == n->config.nodeid && pid == n->config.pid &&
		   (!s->replaying || s->replaying_unseen) && h.incarnation == s->incarnation;

	if (own && !list_empty(&s->sent) && !node_mutated(n, NODE_MUTATE_NO_NUMBERS) &&
	    list_entry(s->sent.next, struct sent, item)->number < h.number) {
		/* Also the first of all, which nobody else can miss. */
		n->counters[COUNTER_NUMBER_GAPS]++;
		space_lose(s, "own messages were lost on the way");
		return;
	}
	if (m->carrier && h.type == WIRE_HELLO && !(b.flags & WIRE_HELLO_STATE) &&
	    sender_newer(m, &h)) {
		m = view_renounced(s, m);
	}
	bool other = !sender_check(m, &h);

	if (other && !node_mutated(n, NODE_MUTATE_NO_INCARNATION)) {
		n->counters[COUNTER_DROPPED_EPOCH]++;
		return;
	}
	if (m->number != 0 && h.number != m->number + 1 && !other &&
	    !node_mutated(n, NODE_MUTATE_NO_NUMBERS)) {
		n->counters[COUNTER_NUMBER_GAPS]++;
		node_log(n, 3, "lockspace %s: messages %llu to %llu of node %u are missing", s->name,
			 (unsigned long long)m->number + 1, (unsigned long long)h.number - 1, nodeid);
		if (s->engine && m->carrier) {
			view_expel(s, m);
			return;
		}
		if (own) {
			space_lose(s, "own messages were lost on the way");
			return;
		}
	}
	m->number = other ? m->number : h.number;
	if (s->replaying && h.type == WIRE_SYNC_CHUNK) {
		return;
	}
	bool dropped = deliver(s, m, &h, &b);

	if (own && !s->lost) {
		own_returned(s, &h, dropped);
	}
}

/* --- stable effects (R-STAB) ------------------------------------------------------------ */

void stream_stable_update(struct space *s)
{
	struct member *self = s->engine ? view_self(s) : NULL;
	uint64_t stable = UINT64_MAX;

	if (!self || !self->carrier) {
		return;
	}
	if (node_mutated(s->node, NODE_MUTATE_NO_STABLE)) {
		s->stable = engine_seq(s->engine);
		return;
	}
	if (s->state == SPACE_STOPPED && !node_mutated(s->node, NODE_MUTATE_STAB_CURRENT)) {
		return; /* a departure must not shrink the confirmers */
	}
	self->confirmed = engine_seq(s->engine);
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->confirmer && m->confirmed < stable) {
			stable = m->confirmed;
		}
	}
	if (stable != UINT64_MAX && stable > s->stable) {
		s->stable = stable;
	}
}

/* What @m owes: ready while stopped, else a confirm of everything somebody else waits for. */
static bool owes(const struct space *s, const struct member *m)
{
	if (s->state == SPACE_STOPPED) {
		return m->carrier && s->ready_sent && !m->ready;
	}
	uint64_t due = m->nodeid == s->awaited_owner ? s->awaited_seq_other : s->awaited_seq;

	return m->confirmer && m->carrier && m->confirmed < due;
}

/* Sends probes while somebody owes; true when one has just come back. */
static bool probe(struct space *s, bool owing)
{
	uint64_t now = s->node->now_ms;
	const struct member *self = view_self(s);

	if (!owing) {
		s->probe_number = 0;
		s->probe_ms = now;
		return false;
	}
	if (s->probe_number != 0) {
		if (self->number < s->probe_number) {
			return false;
		}
		s->probe_number = 0;
		s->probe_ms = now;
		return true;
	}
	if (now - s->probe_ms >= s->node->config.confirm_timeout_ms / BEHIND_PROBES) {
		stream_send(s, WIRE_CONFIRM, NULL, NULL);
		s->probe_number = s->number;
	}
	return false;
}

struct member *stream_behind(struct space *s)
{
	const struct member *self = view_self(s);
	const struct member *lowest = NULL;
	struct member *late = NULL;
	bool owing = false;

	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);

		if (m == self || !owes(s, m)) {
			m->behind_ms = 0;
			m->probes = 0;
			lowest = m->carrier && !lowest ? m : lowest;
			continue;
		}
		owing = true;
		if (m->behind_ms == 0 || m->confirmed != m->behind_seq) {
			m->behind_ms = s->node->now_ms;
			m->behind_seq = m->confirmed;
			m->probes = 0;
		}
	}
	bool returned = probe(s, owing);

	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);

		m->probes += returned && m->behind_ms != 0 ? 1 : 0;
		if (m->probes >= BEHIND_PROBES && !late) {
			late = m;
		}
	}
	return lowest == self ? late : NULL; /* the lowest that answers acts */
}

void stream_release(struct space *s)
{
	/* R-CPG-7: without quorum nobody is told that he has something. */
	bool quorate = s->node->quorate || node_mutated(s->node, NODE_MUTATE_NO_QUORUM);

	list_for_each(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);

		while (!list_empty(&session->callbacks)) {
			struct callback *c =
				list_entry(session->callbacks.next, struct callback, item);

			if (c->needs_stable && (c->seq > s->stable || !quorate)) {
				s->node->counters[COUNTER_STABLE_WAITS]++;
				break;
			}
			if (recovery_callback_waits(session, c)) {
				break;
			}
			session_callback_emit(session, c);
		}
	}
}
