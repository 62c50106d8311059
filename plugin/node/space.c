/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One lockspace on one node: joining, forming, leaving, being lost, and space_progress(), which
 * looks at the whole state after each burst of events and sends whatever is due now. Everything
 * local (quorum, acknowledgements, reservations) enters the protocol here and only here: it
 * decides when something is sent, never how it is applied (R-CPG-6).
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/text.h"
#include "plugin/node/node_private.h"

struct space *space_new(struct node *n, const char *name, const struct node_attributes *want)
{
	struct space *s = calloc(1, sizeof(*s));
	struct list *at = n->spaces.next;

	ls_assert(s);
	ls_assert(strlen(name) <= LOCKSTEP_SPACE_MAX);
	s->node = n;
	strcpy(s->name, name);
	s->want = *want;
	list_init(&s->members);
	list_init(&s->lost_members);
	list_init(&s->held);
	list_init(&s->sent);
	list_init(&s->resend);
	list_init(&s->outbox);
	list_init(&s->transfers);
	list_init(&s->kept);
	list_init(&s->sessions);
	list_init(&s->timeouts);
	list_init(&s->searches);
	list_init(&s->warnings);
	list_init(&s->waits);
	pool_init(&s->lock_pool, sizeof(struct local_lock), 64);
	wait_pool_init(s);
	while (at != &n->spaces && strcmp(list_entry(at, struct space, item)->name, name) < 0) {
		at = at->next;
	}
	list_insert_before(at, &s->item);
	n->spaces_count++;
	n->announce_due = true;
	return s;
}

/* Forgets everything of this membership; sessions stay. */
void space_state_clear(struct space *s)
{
	space_trace_end(s, "this node has given up the state");
	node_engine_discard(s->node, s->engine);
	s->engine = NULL;
	sync_abandon(s);
	sync_transfers_clear(s);
	stream_held_clear(s);
	stream_sent_clear(s);
	stream_pending_clear(&s->resend);
	outbox_clear(s);
	view_members_clear(s);
	s->state = SPACE_STOPPED;
	s->waits_since_ms = s->node->now_ms;
	s->epoch = 0;
	s->view = 0;
	s->history = 0;
	s->views = 0;
	s->generation = 0;
	s->level = 0;
	s->level_wanted = 0;
	s->electorate.count = 0;
	s->growth.count = 0;
	s->slow_acked.count = 0;
	s->ring_known = false;
	s->totem_pending = false;
	s->stable = 0;
	s->confirm_sent = 0;
	s->confirm_wanted = 0;
	s->number = 0;
	s->joined = false;
	s->hello_due = false;
	s->ready_sent = false;
	s->prepared_sent = false;
	s->digest_due = false;
	s->form_sent_key = 0;
	s->reserve_target = 0;
	buf_clear(&s->done_slots);
	s->done_own = 0;
	s->done_generation = 0;
	s->done_seq = 0;
	s->image_heard_ms = 0;
	s->wanting = false;
	s->synced_wanted = false;
	s->synced_sent = false;
	s->image_stale = false;
	s->leave_sent = false;
	s->leave_done = false;
	s->ends_in_flight = 0;
	s->search_in_flight = false;
	s->node->announce_due = true;
}

bool space_attributes_match(const struct space *s, const struct node_attributes *want)
{
	const struct engine_config *config = engine_config_get(s->engine);

	return (want->lvb_len == 0 || want->lvb_len == config->lvb_len) &&
	       (!want->deadlock_wait_named ||
		want->deadlock_wait_ms == config->deadlock_wait_ms) &&
	       (!want->xid_scope_named || want->xid_scope == config->xid_scope);
}

struct space *space_free(struct space *s)
{
	if (!s) {
		return NULL;
	}
	list_for_each_safe(item, &s->sessions) {
		struct session *session = list_entry(item, struct session, item);

		session->holding = false;
		session_detach(session);
	}
	space_state_clear(s);
	engine_effects_done(&s->effects);
	free(s->lock_hash);
	pool_done(&s->lock_pool);
	pool_done(&s->wait_pool);
	buf_done(&s->encoded);
	buf_done(&s->done_slots);
	list_remove(&s->item);
	s->node->spaces_count--;
	free(s);
	return NULL;
}

void space_join(struct space *s)
{
	struct node *n = s->node;
	char name[NODE_GROUP_NAME_MAX + 1];

	s->group = n->group_next++;
	s->incarnation = n->incarnation_next++;
	(void)base_format(name, sizeof(name), "lockstep:ls:%s", s->name);
	struct node_action act = { .type = NODE_ACTION_JOIN, .group = s->group, .name = name };

	node_act(n, &act);
}

void space_identity_new(struct space *s)
{
	s->incarnation = s->node->incarnation_next++;
	s->number = 0;
	stream_sent_clear(s);
}

void space_leave_now(struct space *s)
{
	struct node *n = s->node;

	if (n->order_up && s->group) {
		struct node_action act = { .type = NODE_ACTION_LEAVE, .group = s->group };

		node_act(n, &act);
	}
	node_log(n, 5, "lockspace %s: left", s->name);
	(void)space_free(s);
	n->announce_due = true;
}

bool space_serving(const struct space *s)
{
	const struct member *self = s->engine && !s->lost ? view_self(s) : NULL;

	return self && self->carrier;
}

bool space_carries(const struct space *s)
{
	const struct member *self = s->engine ? view_self(s) : NULL;

	return s->lost || (self && (self->carrier || self->left_clean));
}

/* Conditions 1 and 2 of recovery.md section 5. */
bool space_quorum_ok(const struct space *s)
{
	const struct node *n = s->node;
	bool ring = n->quorum_known && s->ring_known && ring_equal(n->quorum_ring, s->ring);

	if (s->totem_pending || !s->ring_known) {
		return false;
	}
	return (ring || node_mutated(n, NODE_MUTATE_NO_RINGID)) &&
	       (n->quorate || node_mutated(n, NODE_MUTATE_NO_QUORUM));
}

void space_lose(struct space *s, const char *reason)
{
	struct node *n = s->node;

	if (s->lost) {
		return;
	}
	s->lost = true;
	s->waits_since_ms = n->now_ms;
	(void)base_format(s->lost_reason, sizeof(s->lost_reason), "%s", reason);
	n->counters[COUNTER_SELF_LOST]++;
	node_log(n, 3, "lockspace %s: lost: %s", s->name, reason);
	sync_transfers_clear(s);
	session_lose_all(s, true);
}

/* --- what is due ------------------------------------------------------------------------ */

/* Lost, and nobody who might believe in a lock lives any more: come back as somebody new. */
static void rejoin_clean(struct space *s)
{
	struct node *n = s->node;

	if (s->holding > 0 || !n->order_up) {
		return;
	}
	if (s->leaving || s->create_count == 0) {
		space_leave_now(s);
		return;
	}
	struct node_action act = { .type = NODE_ACTION_LEAVE, .group = s->group };

	node_act(n, &act);
	space_state_clear(s);
	s->lost = false;
	s->lost_reason[0] = 0;
	node_log(n, 5, "lockspace %s: rejoining clean", s->name);
	space_join(s);
}

static void hello_send(struct space *s)
{
	const struct member *lowest = view_donor(s);
	struct wire_body body = { .level = s->node->config.level_max, .key = view_ring_key(s) };

	if (space_carries(s)) {
		body.flags = WIRE_HELLO_STATE;
		body.level_used = s->level;
		body.flags |= view_fast(s) ? WIRE_HELLO_CONTINUING : 0;
		body.history = s->history;
		body.views = s->views;
		body.lowest = lowest ? lowest->nodeid : 0;
	}
	body.flags |= s->wanting && !s->keeping && !s->engine ? WIRE_HELLO_WANTING : 0;
	s->wanting = false;
	s->hello_due = false;
	stream_send(s, WIRE_HELLO, &body, NULL);
}

/* 2^10 tokens for every millisecond since 1970 (below 2^53 for a century, so that a token survives
 * programs that keep numbers in doubles). Two parts of a cluster that have never met (two_node,
 * quorum forced by an administrator) cannot know of each other's reservations; with clocks that are
 * roughly right the later one still starts above the earlier. The clock alone decides nothing: it can
 * only raise what the reservations say. */
static uint64_t reserve_clock(const struct node *n)
{
	return n->wall_ms < 1ull << 43 ? n->wall_ms << 10 : 0;
}

/* Reserves tokens above everything any daemon has heard of. True when s->reserve_base is safe to
 * start from (R-TOK-2). */
static bool reserve(struct space *s)
{
	if (s->reserve_target == 0) {
		uint64_t clock = reserve_clock(s->node);

		s->reserve_base = daemons_reserved_max(s->node);
		s->reserve_base = clock > s->reserve_base ? clock : s->reserve_base;
		s->reserve_target = s->reserve_base + RESERVE_STEP;
	}
	return daemons_reserve(s->node, s->reserve_target);
}

/* What a lockspace gets of which its creator says nothing. */
static void form_attributes(const struct node_attributes *want, struct wire_body *body)
{
	body->lvb_len = want->lvb_len ? want->lvb_len : LOCKSTEP_LVB_DEFAULT;
	body->xid_scope = want->xid_scope_named ? want->xid_scope : 0;
	if (want->deadlock_wait_named) {
		body->deadlock_wait_ms = want->deadlock_wait_ms;
	} else if (want->personality == ENGINE_PERSONALITY_NATIVE) {
		body->deadlock_wait_ms = LOCKSTEP_DEADLOCK_WAIT_DEFAULT; /* R-DLK-1 */
	}
}

/* All members clean, and every configured node accounted for: the lowest forms the lockspace. */
static void form_progress(struct space *s)
{
	const struct node *n = s->node;
	const struct member *lowest = NULL, *last = NULL;

	if (!space_quorum_ok(s) || s->leaving) {
		return;
	}
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (view_ghost(s, m)) {
			continue;
		}
		if (!m->hello || m->has_state || (last && last->nodeid == m->nodeid)) {
			return; /* two processes of one node: the older is about to be gone */
		}
		last = m;
		lowest = lowest ? lowest : m;
	}
	if (!lowest || lowest != view_self(s)) {
		return;
	}
	for (size_t i = 0; i < n->configured_count; i++) {
		if (!daemons_accounted(n, s->name, n->configured[i]) &&
		    !node_mutated(n, NODE_MUTATE_FORM_ALONE)) {
			return;
		}
	}
	uint64_t key = view_group_key(s);

	if (s->form_sent_key == key || !reserve(s)) {
		return;
	}
	struct wire_body body = { .key = key, .base = s->reserve_base };

	if (node_mutated(n, NODE_MUTATE_NO_RESERVE)) {
		body.base = 1;
	}

	form_attributes(&s->want, &body);

	s->form_sent_key = key;
	s->reserve_target = 0;
	stream_send(s, WIRE_FORM, &body, NULL);
}

static void ready_progress(struct space *s)
{
	bool slow;

	if (s->state != SPACE_STOPPED || s->ready_sent || !space_quorum_ok(s) ||
	    !view_electorate_ok(s, &slow) || (slow && !reserve(s))) {
		return;
	}
	struct wire_body body = {
		.view = s->view,
		.seq = s->view_seq,
		.digest = s->view_digest,
		.history = s->history,
		.base = slow ? s->reserve_base : 0,
		.key = view_ring_key(s),
	};

	s->ready_sent = true;
	s->reserve_target = 0;
	stream_send(s, WIRE_READY, &body, NULL);
}

static void recovery_progress(struct space *s)
{
	if (s->state != SPACE_RECOVERING) {
		return;
	}
	if (!s->prepared_sent && recovery_acknowledged(s) &&
	    (view_all_carriers(s) || node_mutated(s->node, NODE_MUTATE_NOT_PREPARED))) {
		struct wire_body body = { .view = s->view };

		s->prepared_sent = true;
		stream_send(s, WIRE_PREPARED, &body, NULL);
	}
	list_for_each(item, &s->lost_members) {
		struct lost *l = list_entry(item, struct lost, item);

		if (!l->fenced && !l->fenced_sent && fencing_settled(s, l)) {
			struct wire_body body = { .nodeid = l->nodeid,
						  .incarnation = l->incarnation,
						  .view = s->view };

			l->fenced_sent = true;
			if (fencing_timed_out(s, l)) {
				s->node->counters[COUNTER_LOST_TIMEOUTS]++;
				node_log(s->node, 2,
					 "lockspace %s: fencing = none: node %u counts as fenced now, "
					 "although nothing is known of it",
					 s->name, l->nodeid);
			}
			stream_send(s, WIRE_FENCED, &body, NULL);
		}
	}
}

static void leave_progress(struct space *s)
{
	if (!s->leaving || s->leave_sent || s->state == SPACE_STOPPED) {
		return;
	}
	/* Ops of sessions that ended just now go first. */
	if (list_empty(&s->outbox) && list_empty(&s->resend) && s->sent_ops_old == 0) {
		s->leave_sent = true;
		stream_send(s, WIRE_LEAVE, NULL, NULL);
	}
}

static void evict_progress(struct space *s)
{
	struct member *late = stream_behind(s);

	if (!late || late->evict_sent || !space_quorum_ok(s)) {
		return;
	}
	struct wire_body body = { .nodeid = late->nodeid,
				  .incarnation = late->incarnation,
				  .view = s->view };

	late->evict_sent = true;
	stream_send(s, WIRE_EVICT, &body, NULL);
}

static void carrier_progress(struct space *s)
{
	ready_progress(s);
	recovery_progress(s);
	recovery_progress_late(s);
	sync_donor_progress(s);
	session_activate_all(s);
	wait_progress(s);
	outbox_send(s);
	leave_progress(s);
	if (s->digest_due && s->level >= FEATURE_LEVEL_DIGESTS && s->state != SPACE_STOPPED) {
		struct wire_body body = { .seq = s->digest_seq, .digest = s->digest };

		s->digest_due = false;
		stream_send(s, WIRE_DIGEST, &body, NULL);
	}
	stream_stable_update(s);
	if (s->state != SPACE_STOPPED && s->confirm_wanted > s->confirm_sent) {
		s->node->counters[COUNTER_CONFIRMS]++;
		stream_send(s, WIRE_CONFIRM, NULL, NULL);
	}
	stream_release(s);
	evict_progress(s);
	if (s->state != SPACE_STOPPED &&
	    engine_seq(s->engine) + RESERVE_STEP / 2 > s->node->reserved) {
		(void)daemons_reserve(s->node, s->node->reserved + RESERVE_STEP);
	}
}

/* As somebody who has just come. */
static void join_again(struct space *s)
{
	struct node_action act = { .type = NODE_ACTION_LEAVE, .group = s->group };

	node_act(s->node, &act);
	s->node->counters[COUNTER_SYNC_ABANDONED]++;
	space_state_clear(s);
	space_join(s);
}

/* Has an image, but is no carrier yet: says so, or starts over when its lineage is gone. */
static void joiner_progress(struct space *s)
{
	if (s->image_stale || !view_donor(s)) {
		join_again(s);
		return;
	}
	if (s->synced_wanted && !s->synced_sent && s->state != SPACE_STOPPED) {
		s->synced_sent = true;
		stream_send(s, WIRE_SYNCED, NULL, NULL);
	}
}

/* This node cannot take part in the lockspace. Its creator is told, and this node leaves; a node that was
 * still joining just goes. */
static void space_refuse(struct space *s, int error)
{
	struct node_action act = { .type = NODE_ACTION_SPACE_FAILED,
				   .name = s->name,
				   .status = error };

	node_act(s->node, &act);
	session_refuse_all(s, error);
	s->create_count = 0;
	s->leaving = true;
	session_lose_all(s, false);
}

void space_progress(struct space *s)
{
	if (s->leaving && !s->node->order_up && s->holding == 0) {
		space_leave_now(s); /* nobody to tell */
		return;
	}
	if (s->lost) {
		rejoin_clean(s);
		return;
	}
	if (!s->node->order_up) {
		return;
	}
	if (s->leaving && (!space_serving(s) || s->state == SPACE_STOPPED || s->leave_done)) {
		/* Without the state, or without a lineage to tell, leaving takes no agreement: the
		 * sessions are gone. The others decide what it was (R-MEM-4). */
		space_leave_now(s);
		return;
	}
	if (sync_kept_too_much(s)) {
		s->node->counters[COUNTER_KEPT_OVERFLOWS]++;
		node_log(s->node, 4,
			 "lockspace %s: more was going on during the transfer of its state than this node "
			 "may keep; starting over",
			 s->name);
		join_again(s);
		return;
	}
	if (!s->joined || (s->catching_up && !sync_catch_up(s))) {
		return;
	}
	/* (The others have heard that it is clean: that is as good as fencing for its predecessor.) */
	if (!s->engine && s->level_wanted != 0 && !s->leaving && view_self(s)) {
		node_log(s->node, 3,
			 "lockspace %s: it works at feature level %u, and this lockstepd knows only level %u: "
			 "upgrade it; leaving",
			 s->name, s->level_wanted, s->node->config.level_max);
		space_refuse(s, EPROTONOSUPPORT);
		space_leave_now(s);
		return;
	}
	if (!s->engine) {
		sync_joiner_progress(s);
	}
	if (s->hello_due && view_ring_key(s)) {
		hello_send(s);
	}
	stream_unreturned(s);
	if (!s->engine) {
		form_progress(s);
		return;
	}
	if (!s->leaving && !space_attributes_match(s, &s->want)) {
		/* R-LS-8 */
		node_log(s->node, 3, "lockspace %s: its attributes are not those asked for here, leaving",
			 s->name);
		space_refuse(s, EPROTO);
	}
	space_trace_progress(s);
	if (space_serving(s)) {
		carrier_progress(s);
	} else {
		joiner_progress(s);
	}
}
