/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replicated view machine of a lockspace: who carries its state, who may go on, and the two
 * points of a recovery (recovery.md sections 0, 4, 7).
 *
 *                 confchg, expel                      confchg, expel
 *            +------------------------+          +----------------------+
 *            v                        |          v                      |
 *        STOPPED --- view point ---> RECOVERING --- recovery point ---> RUNNING
 *        no grants   ready of all K  grants, lost   prepared of all,    nobody lost
 *                                    locks kept     all lost fenced
 *
 * Everything in here is driven by configuration changes and delivered messages only, so that all
 * members of the continuing set K stay equal. What this node alone sees (quorum, time, what an
 * administrator told it) decides only when it *sends* something; that is in space.c.
 *
 * A difference to R-VIEW-2 as first written: a clean leaver is taken out of the electorate E not by
 * its leave op but by the LEAVE configuration change that follows it. Only that proves that the
 * leaver has delivered its own leave and will never vote again; shrinking E at the op would let two
 * halves of {1,2,5,6} (one that saw the leave of 1, one that did not) both hold their electorate.
 *
 * A process is part of the view from its first hello on, which is an ordered message, and not from the
 * configuration change that lists it: Corosync may list a ghost on one node only (corosync-notes 2.8),
 * and then the ids of the same view would differ. A merge does not stop a lockspace before the others'
 * hello, either; nothing of them is delivered before it, since their incarnation is not known.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/digest.h"
#include "plugin/node/node_private.h"
#include "plugin/node/trace.h"

/* --- membership events ------------------------------------------------------------------ */

/* Every member of K computes the same id from the same stream; two sides of a partition do not, for
 * each lacks a carrier that the other has. */
static uint64_t view_next(uint64_t view, const struct space *s)
{
	struct buf out = { 0 };

	buf_put_u64(&out, view);
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->counted) {
			buf_put_u32(&out, m->nodeid);
			buf_put_u64(&out, m->incarnation);
			buf_put_u8(&out, m->carrier ? 1 : 0);
		}
	}
	uint64_t next = base_digest64(out.data, out.size, 2);

	buf_done(&out);
	return next ? next : 1;
}

/* What was said to be ready is void: the view or the ring is another one. */
static void ready_again(struct space *s)
{
	list_for_each(item, &s->members) {
		list_entry(item, struct member, item)->ready = false;
	}
	s->slow_acked.count = 0;
	s->ready_sent = false;
}

/* R-REC-2: a view change stops the lockspace, whatever it was doing. */
static void view_changed(struct space *s)
{
	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);

		m->prepared = false;
		m->digest_seq = 0;
		m->evict_sent = false;
		m->behind_ms = 0;
		m->probes = 0;
	}
	ready_again(s);
	s->prepared_sent = false;
	s->digest_due = false;
	if (!s->engine) {
		return;
	}
	s->node->counters[COUNTER_VIEWS]++;
	s->view = view_next(s->view, s);
	space_trace_view(s, TRACE_VIEW_CHANGE);
	if (s->state == SPACE_RUNNING) {
		s->waits_since_ms = s->node->now_ms;
	}
	s->state = SPACE_STOPPED;
	s->view_seq = engine_seq(s->engine);
	s->view_digest = view_digest(s);
}

/* R-MEM-4. Its slot goes with it: it is reported, and free, at the recovery point (R-CB-4, R-SLOT-2). */
static void member_lost(struct space *s, struct member *m)
{
	struct lost *l = view_lost_add(s, m->nodeid, m->incarnation);

	l->fenced = m->superseded;
	l->slot = m->slot;
	m->slot = 0;
	s->node->counters[COUNTER_LOST_MEMBERS]++;
}

/* A member goes away: R-VIEW-1, R-MEM-4. */
static void member_departs(struct space *s, struct member *m, bool clean_leave)
{
	if (s->engine && m->left_clean && clean_leave) {
		nodeset_remove(&s->electorate, m->nodeid);
		nodeset_remove(&s->growth, m->nodeid);
		if (m->slot != 0) { /* NODE_MUTATE_CB_SLOT_LEAVER */
			member_lost(s, m);
			view_lost_find(s, m->nodeid, m->incarnation)->fenced = true;
		}
	} else if (s->engine && m->carrier) {
		member_lost(s, m);
	}
	sync_donor_gone(s, m);
	view_member_free(s, m);
}

/* Whoever has just come has not heard what was said before, and claims are about a membership. */
static void hello_again(struct space *s)
{
	s->hello_due = true;
	s->form_sent_key = 0;
	list_for_each(item, &s->members) {
		list_entry(item, struct member, item)->hello = false;
	}
}

void view_confchg(struct space *s, const struct node_address *members, size_t members_count,
		  const struct node_address *left, size_t left_count,
		  const struct node_address *joined, size_t joined_count)
{
	const struct node_config *config = &s->node->config;
	bool changed = false;

	if (s->lost) {
		return;
	}
	if (s->keeping || (s->catching_up && !s->replaying)) {
		sync_keep_confchg(s, members, members_count, left, left_count, joined, joined_count);
	}
	if (s->catching_up && !s->replaying) {
		return;
	}
	for (size_t i = 0; i < left_count; i++) {
		struct member *m = view_member_find(s, left[i].nodeid, left[i].pid);

		if (s->keeping && !node_mutated(s->node, NODE_MUTATE_DONOR_GONE) &&
		    left[i].nodeid == s->donor_nodeid && m &&
		    m->incarnation == s->donor_incarnation) {
			sync_abandon(s);
		}
		if (left[i].nodeid == config->nodeid && left[i].pid == config->pid) {
			continue; /* our own leave, or an old handle's: nothing here any more */
		}
		s->totem_pending |= left[i].reason == NODE_REASON_NODEDOWN;
		if (m) {
			changed |= m->counted;
			member_departs(s, m, left[i].reason == NODE_REASON_LEAVE);
		}
	}
	for (size_t i = 0; i < joined_count; i++) {
		s->totem_pending |= joined[i].reason == NODE_REASON_NODEUP;
		if (joined[i].nodeid == config->nodeid && joined[i].pid == config->pid) {
			s->joined = true;
		}
	}
	if (left_count > 0 && s->joined && !s->engine && !s->keeping) {
		space_identity_new(s);
	}
	hello_again(s);
	for (size_t i = 0; i < members_count && s->members_count < SPACE_MEMBERS_MAX; i++) {
		if (!view_member_find(s, members[i].nodeid, members[i].pid)) {
			(void)view_member_add(s, members[i].nodeid, members[i].pid);
		}
	}
	if (changed) {
		view_changed(s);
	}
}

void view_totem(struct space *s, struct node_ring ring, const uint32_t *nodes, size_t nodes_count)
{
	if (s->lost) {
		return;
	}
	if (s->keeping || (s->catching_up && !s->replaying)) {
		sync_keep_totem(s, ring, nodes, nodes_count);
	}
	if (s->catching_up && !s->replaying) {
		return;
	}
	if (!s->ring_known || ring.nodeid != s->ring.nodeid || ring.seq != s->ring.seq) {
		hello_again(s);
		ready_again(s);
	}
	s->ring = ring;
	s->ring_known = true;
	s->totem_pending = false;
	s->ring_nodes_count = nodes_count < LOCKSTEP_NODES_MAX ? nodes_count : LOCKSTEP_NODES_MAX;
	memcpy(s->ring_nodes, nodes, s->ring_nodes_count * sizeof(nodes[0]));
}

/* Takes a carrier out of K by an ordered event of its own: it counts as departed (R-REC-4). */
void view_expel(struct space *s, struct member *m)
{
	if (m == view_self(s)) {
		space_lose(s, "the others took this replica out: it differed, or did not answer in time");
		return;
	}
	if (m->carrier) {
		member_lost(s, m);
		m->carrier = false;
		m->has_state = true; /* foreign from now on */
		m->expelled = true;
		sync_donor_gone(s, m);
		m->continuing = false;
	}
	view_changed(s);
	s->hello_due = true;
}

/* R-STAB-4: one stuck daemon must not stall all grants for ever. */
void view_evict(struct space *s, const struct member *by, const struct wire_body *b)
{
	if (!s->engine || !by->carrier ||
	    (b->view != s->view && !node_mutated(s->node, NODE_MUTATE_EVICT_ANY))) {
		return; /* of an older view: what it complains about may be what that change was */
	}
	struct member *m = view_member_by_id(s, b->nodeid, b->incarnation);

	if (m && m->carrier) {
		s->node->counters[COUNTER_EVICTIONS]++;
		node_log(s->node, 3,
			 "lockspace %s: node %u was evicted by node %u: its daemon stopped answering; it "
			 "counts as lost",
			 s->name, m->nodeid, by->nodeid);
		view_expel(s, m);
	}
}

/* --- hello: incarnations, foreign members (R-MERGE-3) ----------------------------------- */

/*
 * Which of two lineages that meet is reset (R-MERGE-2)? One that holds its electorate beats one that
 * does not. Otherwise the one that passed more view points is newer, and has the later grants and
 * values. With as many, neither has told its clients anything the other does not know of (both are
 * stopped since their common epoch), and the one with the lowest nodeid stays: all parts decide
 * alike, so three parts that meet do not wait for an administrator.
 *
 * Compared are only claims made in the present ring and delivered since the last change of the
 * membership, the own one included, and of each member the first of these: both sides compare the same
 * two claims, so that one stays.
 */
static bool claim_beats(const struct member *a, const struct member *b)
{
	if (a->continuing != b->continuing) {
		return a->continuing;
	}
	if (a->views != b->views) {
		return a->views > b->views;
	}
	return a->lowest != b->lowest ? a->lowest < b->lowest : a->history > b->history;
}

static void recovery_point_try(struct space *s);

static void foreign_meet(struct space *s, const struct member *m)
{
	/* A joiner speaks for the lineage whose image it has. */
	const struct member *mine = space_serving(s) ? view_self(s) : view_donor(s);

	if (s->lost || m->carrier || m->left_clean || m->expelled || !m->has_state || !m->hello || !mine ||
	    !mine->hello || !claim_beats(m, mine) || node_mutated(s->node, NODE_MUTATE_FOREIGN_STAYS)) {
		return;
	}
	if (!space_serving(s)) {
		s->image_stale = true;
	} else {
		space_lose(s, "outside the quorate lineage: the others went on without this node");
	}
}

/* A carrier that says hello as somebody new and clean does not know of the FORM that counted it: that is a
 * departure, and as good as fencing (R-COND-3). Returns the newcomer. */
struct member *view_renounced(struct space *s, struct member *m)
{
	uint32_t nodeid = m->nodeid, pid = m->pid;

	m->superseded = true;
	member_departs(s, m, false);
	view_changed(s);
	return view_member_add(s, nodeid, pid);
}

/* R-LVL-3. A newcomer hears of the level in use before anybody gives him a state; the members hear what he
 * knows before he is part of the view. */
static void level_hear(struct space *s, const struct member *m, const struct wire_body *b)
{
	if (!s->engine && b->level_used > s->node->config.level_max) {
		s->level_wanted = b->level_used;
	}
	if (view_below_level(s, m) && !m->counted) {
		s->hello_due = true; /* as to anybody new: it may have come without a configuration change */
		s->node->counters[COUNTER_LEVELS_REFUSED]++;
		node_log(s->node, 4,
			 "lockspace %s: node %u may not join: it knows feature level %u, and level %u is in "
			 "use; upgrade its lockstepd",
			 s->name, m->nodeid, m->level, s->level);
	}
}

void view_hello(struct space *s, struct member *m, const struct wire_body *b)
{
	m->has_state = (b->flags & WIRE_HELLO_STATE) != 0;
	m->level = b->level;
	level_hear(s, m, b);
	if (!m->counted && !view_below_level(s, m)) {
		m->counted = true;
		view_changed(s);
		/* Where a ghost of this process is listed its join is no configuration change, but it has
		 * not heard anybody yet. */
		s->hello_due |= m != view_self(s);
	}
	if (!m->hello && b->key == view_ring_key(s)) {
		m->hello = true;
		m->continuing = (b->flags & WIRE_HELLO_CONTINUING) != 0;
		m->views = b->views;
		m->lowest = b->lowest;
		m->history = b->history;
	}
	/* The old process may still be listed: Corosync notices its death when it does. */
	list_for_each(item, &s->members) {
		struct member *old = list_entry(item, struct member, item);

		if (!m->has_state && old->nodeid == m->nodeid && old != m) {
			old->superseded = true;
		}
	}
	if (!s->engine) {
		return;
	}
	if (b->flags & WIRE_HELLO_WANTING) {
		sync_wanted(s, m);
	}
	if (!m->has_state) {
		/* R-COND-3: a clean rejoin is as good as fencing, for older incarnations only. */
		list_for_each(item, &s->lost_members) {
			struct lost *l = list_entry(item, struct lost, item);

			if (l->nodeid == m->nodeid && l->incarnation != m->incarnation &&
			    !l->fenced) {
				l->fenced = true;
				s->node->counters[COUNTER_FENCED_BY_REJOIN]++;
			}
		}
		recovery_point_try(s); /* (as a rule he has changed the view; not when he is refused) */
		return;
	}
	s->node->counters[COUNTER_FOREIGN_SEEN] += !m->carrier && !m->left_clean ? 1 : 0;
	/* The claim that was missing may be theirs or that of this side. */
	list_for_each(item, &s->members) {
		foreign_meet(s, list_entry(item, struct member, item));
	}
}

/* --- ready and the view point (R-REC-4) ------------------------------------------------- */

static bool ready_equal(const struct member *a, const struct member *b)
{
	return a->ready_seq == b->ready_seq && a->ready_digest == b->ready_digest &&
	       a->ready_history == b->ready_history;
}

/* The member that stands for the largest equal part of K; a tie goes to the lowest nodeid. */
static struct member *ready_largest(struct space *s)
{
	struct member *best = NULL;
	size_t best_count = 0;

	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);
		size_t count = 0;

		if (!m->carrier) {
			continue;
		}
		list_for_each(other_item, &s->members) {
			const struct member *other = list_entry(other_item, struct member, item);

			count += other->carrier && ready_equal(m, other) ? 1 : 0;
		}
		if (count > best_count) {
			best = m;
			best_count = count;
		}
	}
	return best;
}

/* All lost members, or those that no view point has marked yet; free() the result. A node that comes
 * and goes while another is waited for is lost many times, so there may be more than members. */
static struct engine_member_id *lost_ids(const struct space *s, bool unmarked, size_t *ret_count)
{
	size_t count = 0;

	list_for_each(item, &s->lost_members) {
		count++;
	}
	struct engine_member_id *ids = calloc(count + 1, sizeof(*ids));

	ls_assert(ids);
	count = 0;
	list_for_each(item, &s->lost_members) {
		const struct lost *l = list_entry(item, struct lost, item);

		if (!unmarked || !l->marked) {
			ids[count].nodeid = l->nodeid;
			ids[count].incarnation = l->incarnation;
			count++;
		}
	}
	*ret_count = count;
	return ids;
}

/* R-DIG-2. True when @other, which is not like @good, was taken out; one at a time, this node first. */
static bool differing_out(struct space *s, struct member *differs, bool ready)
{
	if (!differs) {
		return false;
	}
	s->node->counters[COUNTER_DIGEST_MISMATCH]++;
	node_log(s->node, 2, "lockspace %s: replica of node %u differs (R-DIG-2)", s->name,
		 differs->nodeid);
	space_dump(s, differs, ready);
	view_expel(s, differs);
	return true;
}

static struct member *differing(struct space *s, const struct member *good, bool ready)
{
	struct member *differs = NULL;

	list_for_each(item, &s->members) {
		struct member *other = list_entry(item, struct member, item);
		bool equal = ready ? ready_equal(other, good) : other->digest == good->digest;

		if (other->carrier && !equal) {
			differs = other;
			if (other == view_self(s)) {
				break;
			}
		}
	}
	return differs;
}

static void view_point(struct space *s, uint64_t base)
{
	size_t ids_count;
	struct engine_member_id *ids = lost_ids(s, true, &ids_count);
	struct nodeset k = view_continuing(s);

	list_for_each(item, &s->lost_members) {
		struct lost *l = list_entry(item, struct lost, item);

		if (!l->marked) {
			l->marked = true;
			node_log(s->node, 4,
				 "lockspace %s: node %u is lost; what it holds stays locked until it is "
				 "fenced or has rejoined clean",
				 s->name, l->nodeid);
		}
	}
	uint64_t chain[3] = { s->history, s->view, s->view_digest };
	struct buf out = { 0 };

	for (size_t i = 0; i < 3; i++) {
		buf_put_u64(&out, chain[i]);
	}
	s->history = base_digest64(out.data, out.size, 3);
	buf_done(&out);
	s->electorate = k;
	s->growth.count = 0;
	s->epoch = s->view;
	s->views++;
	s->state = SPACE_RECOVERING;
	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);

		m->confirmer = m->carrier;
		m->confirmed = s->view_seq;
		m->ready = false;
	}
	if (s->stable < s->view_seq) {
		s->stable = s->view_seq; /* R-STAB-3 */
	}
	stream_epoch_changed(s);
	s->node->counters[COUNTER_VIEW_POINTS]++;
	if (base) {
		if (!node_mutated(s->node, NODE_MUTATE_NO_RAISE)) {
			engine_seq_raise(s->engine, base);
			space_trace_raise(s, base);
		}
		if (!node_mutated(s->node, NODE_MUTATE_NO_RENEW | NODE_MUTATE_NO_RAISE)) {
			session_untold_renew(s, engine_seq(s->engine));
		}
		s->node->counters[COUNTER_VIEW_POINTS_SLOW]++;
	}
	space_trace_view(s, TRACE_VIEW_POINT);
	recovery_view_point(s);
	if (node_mutated(s->node, NODE_MUTATE_CB_SLOT_AGAIN)) {
		recovery_slots(s, engine_seq(s->engine) + 1);
	}
	struct engine_op op = { .type = ENGINE_OP_VIEW_POINT,
				.flags = base && !node_mutated(s->node, NODE_MUTATE_NO_LVB_MARK) ?
						 LOCKSTEP_LKF_IVVALBLK : 0,
				.members = ids,
				.members_count = ids_count };

	stream_apply(s, &op);
	if (node_mutated(s->node, NODE_MUTATE_NO_LOST_KEEP)) {
		op.type = ENGINE_OP_NODES_REMOVE;
		stream_apply(s, &op);
	}
	free(ids);
	stream_held_apply(s);
	if (node_mutated(s->node, NODE_MUTATE_STABLE_HELD)) {
		s->stable = engine_seq(s->engine);
	}
	node_log(s->node, 5, "lockspace %s: view point, %zu members, %zu lost, seq %llu", s->name,
		 k.count, ids_count, (unsigned long long)engine_seq(s->engine));
}

void view_ready(struct space *s, struct member *m, const struct wire_body *b)
{
	uint64_t base = 0;
	bool now = b->view == s->view && b->key == view_ring_key(s);

	if (!s->engine || s->state != SPACE_STOPPED || !m->carrier ||
	    (!now && !node_mutated(s->node, NODE_MUTATE_READY_OLD))) {
		return;
	}
	m->ready = true;
	m->ready_seq = b->seq;
	m->ready_digest = b->digest;
	m->ready_history = b->history;
	m->ready_base = b->base;
	list_for_each(item, &s->members) {
		const struct member *other = list_entry(item, struct member, item);

		if (other->carrier && !other->ready) {
			return;
		}
		if (other->carrier && other->ready_base > base) {
			base = other->ready_base;
		}
	}
	const struct member *good = ready_largest(s);

	if (!node_mutated(s->node, NODE_MUTATE_NO_DIGEST) && differing_out(s, differing(s, good, true), true)) {
		return;
	}
	view_point(s, base);
}

/* --- digests between view points (R-DIG-1, R-DIG-2) ------------------------------------- */

/* When all carriers have said what they were at the same point, whoever is not like the most goes. */
void view_digest_said(struct space *s, struct member *m, const struct wire_body *b)
{
	struct member *best = NULL;
	size_t best_count = 0;

	if (!s->engine || s->state == SPACE_STOPPED || !m->carrier || b->seq == 0) {
		return;
	}
	m->digest_seq = b->seq;
	m->digest = b->digest;
	list_for_each(item, &s->members) {
		struct member *one = list_entry(item, struct member, item);
		size_t count = 0;

		if (!one->carrier) {
			continue;
		}
		if (one->digest_seq != b->seq) {
			return;
		}
		list_for_each(other_item, &s->members) {
			const struct member *other = list_entry(other_item, struct member, item);

			count += other->carrier && other->digest == one->digest ? 1 : 0;
		}
		if (count > best_count) {
			best = one;
			best_count = count;
		}
	}
	s->node->counters[COUNTER_DIGESTS]++;
	if (!node_mutated(s->node, NODE_MUTATE_NO_DIGEST)) {
		(void)differing_out(s, differing(s, best, false), false);
	}
}

/* --- recovery point (R-REC-5, R-REC-6) -------------------------------------------------- */

static uint32_t slot_free(const struct space *s)
{
	for (uint32_t slot = 1;; slot++) {
		bool used = false;

		list_for_each(item, &s->members) {
			used |= list_entry(item, struct member, item)->slot == slot;
		}
		if (node_mutated(s->node, NODE_MUTATE_CB_SLOT_KEPT)) {
			list_for_each(item, &s->lost_members) {
				used |= list_entry(item, struct lost, item)->slot == slot;
			}
		}
		if (!used) {
			return slot;
		}
	}
}

/* R-LVL-1: what all carriers know. Each has said hello, so all members agree on it. */
static uint16_t level_common(const struct space *s)
{
	uint16_t lowest = UINT16_MAX, highest = 1;

	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->carrier) {
			lowest = m->level < lowest ? m->level : lowest;
			highest = m->level > highest ? m->level : highest;
		}
	}
	return node_mutated(s->node, NODE_MUTATE_LEVEL_ANY) ? highest : lowest;
}

/* R-LVL-2: nobody who knows less is a member or about to become one, and all see it at the same point. */
static void level_raise(struct space *s)
{
	uint16_t level = level_common(s);

	if (level > s->level) {
		node_log(s->node, 5, "lockspace %s: works at feature level %u from now on", s->name, level);
		s->level = level;
		s->node->counters[COUNTER_LEVELS_RAISED]++;
	}
}

/* R-SLOT-2: new members in ascending order of nodeids. */
static void slots_assign(struct space *s)
{
	struct member *last = NULL;

	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);

		if (m->carrier && m->slot == 0) {
			last = m;
		}
	}
	if (last && node_mutated(s->node, NODE_MUTATE_CB_SLOT_ORDER)) {
		last->slot = slot_free(s);
	}
	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);

		if (m->carrier && m->slot == 0) {
			m->slot = slot_free(s);
		}
	}
}

/* Slots are final and the generation is counted: what the members' clients are told of it comes with the op
 * that removes @ids, before its grants and after them (R-REC-6). */
static void recovered(struct space *s, struct engine_member_id *ids, size_t ids_count)
{
	uint64_t seq = engine_seq(s->engine) + 1;
	bool early = node_mutated(s->node, NODE_MUTATE_CB_DONE_EARLY);
	struct engine_op op = { .type = ENGINE_OP_NODES_REMOVE,
				.members = ids,
				.members_count = ids_count };

	s->state = SPACE_RUNNING;
	recovery_note(s, seq);
	if (early) {
		recovery_done(s);
	}
	stream_apply(s, &op);
	ls_assert(engine_seq(s->engine) == seq);
	if (!early) {
		recovery_done(s);
	}
}

static void recovery_point(struct space *s)
{
	const struct member *self = view_self(s);
	size_t ids_count;

	if (s->generation >= UINT32_MAX - 1) {
		/* R-GEN-3. All come here at the same point, and begin again from 1 when all have gone. */
		space_lose(s, "its generations are used up (R-GEN-3): all nodes must leave it");
		return;
	}
	if (self && s->done_own != 0 && self->slot != s->done_own) {
		space_lose(s, "the others know another slot of this node (R-SLOT-3)");
		return;
	}
	struct engine_member_id *ids = lost_ids(s, false, &ids_count);

	recovery_slots(s, engine_seq(s->engine) + 1);
	if (node_mutated(s->node, NODE_MUTATE_CB_SLOT_KEPT)) {
		slots_assign(s);
	}
	list_for_each_safe(item, &s->lost_members) {
		list_remove(item);
		free(list_entry(item, struct lost, item));
	}
	slots_assign(s);
	for (size_t i = 0; i < s->growth.count; i++) {
		nodeset_add(&s->electorate, s->growth.ids[i]);
	}
	s->growth.count = 0;
	level_raise(s);
	s->generation++;
	s->node->counters[COUNTER_RECOVERY_POINTS]++;
	space_trace_view(s, TRACE_RECOVERY_POINT);
	recovered(s, ids, ids_count);
	free(ids);
	node_log(s->node, 5, "lockspace %s: recovery point, generation %u", s->name, s->generation);
}

static void recovery_point_try(struct space *s)
{
	if (!s->engine || s->state != SPACE_RECOVERING) {
		return;
	}
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (view_awaits(m) && !(m->carrier && m->prepared) &&
		    (m->carrier || !node_mutated(s->node, NODE_MUTATE_NOT_PREPARED))) {
			return;
		}
	}
	list_for_each(item, &s->lost_members) {
		const struct lost *l = list_entry(item, struct lost, item);

		if (!l->fenced && !node_mutated(s->node, NODE_MUTATE_NO_FENCE)) {
			return;
		}
	}
	recovery_point(s);
}

void view_prepared(struct space *s, struct member *m, const struct wire_body *b)
{
	if (!s->engine || s->state != SPACE_RECOVERING || b->view != s->view || !m->carrier) {
		return;
	}
	m->prepared = true;
	recovery_point_try(s);
}

static struct lost *view_lost_any(const struct space *s, uint32_t nodeid)
{
	list_for_each(item, &s->lost_members) {
		struct lost *l = list_entry(item, struct lost, item);

		if (l->nodeid == nodeid) {
			return l;
		}
	}
	return NULL;
}

void view_fenced(struct space *s, struct member *m, const struct wire_body *b)
{
	if (!s->engine || !m->carrier) {
		return;
	}
	struct lost *l = view_lost_find(s, b->nodeid, b->incarnation);

	if (!l && node_mutated(s->node, NODE_MUTATE_FENCE_ANY)) {
		l = view_lost_any(s, b->nodeid);
	}
	if (l && !l->fenced) {
		l->fenced = true;
		s->node->counters[COUNTER_FENCED_BY_ACK]++;
		node_log(s->node, 5, "lockspace %s: node %u is fenced (told by node %u)", s->name,
			 l->nodeid, m->nodeid);
		recovery_point_try(s);
	}
}

void view_synced(struct space *s, struct member *m)
{
	if (!s->engine || s->state == SPACE_STOPPED || m->carrier || m->has_state || m->left_clean ||
	    !m->counted) {
		return; /* (who was not let in has no state to speak of) */
	}
	m->carrier = true;
	m->confirmer = true;
	m->has_state = true;
	m->hello = false; /* what it said was about a clean newcomer */
	m->confirmed = engine_seq(s->engine);
	nodeset_add(node_mutated(s->node, NODE_MUTATE_EARLY_GROWTH) ? &s->electorate : &s->growth, m->nodeid);
	s->node->counters[COUNTER_SYNCED]++;
	if (m == view_self(s)) {
		/* What others confirmed before is not known here and not waited for here. */
		s->awaited_seq = 0;
		s->awaited_seq_other = 0;
		s->synced_wanted = false;
		s->hello_due = true;
		s->node->announce_due = true;
		node_log(s->node, 5, "lockspace %s: joined with the state of the others, seq %llu",
			 s->name, (unsigned long long)engine_seq(s->engine));
	}
}

/* The leave op of a member was applied: it holds nothing and never votes again, but its confirms
 * count until the next view point, and E keeps it until it has really left (head comment). */
void view_left_clean(struct space *s, struct member *m)
{
	struct engine_member_id id = { .nodeid = m->nodeid, .incarnation = m->incarnation };
	struct engine_op op = { .type = ENGINE_OP_NODES_REMOVE,
				.members = &id,
				.members_count = 1 };

	m->carrier = false;
	m->left_clean = true;
	if (node_mutated(s->node, NODE_MUTATE_LEAVE_SHRINKS)) {
		nodeset_remove(&s->electorate, m->nodeid);
	}
	if (!node_mutated(s->node, NODE_MUTATE_CB_SLOT_LEAVER)) {
		m->slot = 0;
	}
	s->node->counters[COUNTER_LEAVES]++;
	stream_apply(s, &op);
}

/* --- forming ---------------------------------------------------------------------------- */

void view_form(struct space *s, struct member *m, const struct wire_body *b)
{
	if (s->engine || s->lost) {
		return;
	}
	if (!view_self(s)) {
		/* Counted in as whom it is no more (space_identity_new): its next hello says so. */
		return;
	}
	if (b->key != view_group_key(s)) {
		/* Others may have heard more hellos, and count this node as a carrier now. */
		if (!s->keeping && m != view_self(s)) {
			space_identity_new(s);
			s->hello_due = true;
		}
		return;
	}
	uint32_t last = 0;

	list_for_each(item, &s->members) {
		const struct member *other = list_entry(item, struct member, item);

		if (other->hello && (other->has_state || other->nodeid == last)) {
			return;
		}
		last = other->hello ? other->nodeid : last;
	}
	struct engine_config config = { .lvb_len = b->lvb_len,
					.deadlock_wait_ms = b->deadlock_wait_ms,
					.xid_scope = b->xid_scope,
					.seq_base = b->base };
	uint64_t creation[4] = { b->key, b->base, m->incarnation, m->nodeid };
	struct buf out = { 0 };

	for (size_t i = 0; i < 4; i++) {
		buf_put_u64(&out, creation[i]);
	}
	if (s->keeping) {
		sync_abandon(s);
	}
	s->engine = engine_new(&config);
	s->view = base_digest64(out.data, out.size, 4);
	s->epoch = s->view;
	s->history = base_digest64(out.data, out.size, 5);
	buf_done(&out);
	s->views = 1;
	s->generation = 1;
	s->electorate.count = 0;
	s->growth.count = 0;
	list_for_each_safe(item, &s->members) {
		struct member *other = list_entry(item, struct member, item);

		if (!other->hello) {
			/* What was heard of it before this membership is not known to all. */
			uint32_t nodeid = other->nodeid, pid = other->pid;

			view_member_free(s, other);
			(void)view_member_add(s, nodeid, pid);
			continue;
		}
		other->superseded = false;
		other->carrier = true;
		other->confirmer = true;
		other->has_state = true;
		other->confirmed = b->base;
		nodeset_add(&s->electorate, other->nodeid);
		other->slot = 0;
		other->slot = slot_free(s);
	}
	s->level = level_common(s);
	s->stable = b->base;
	stream_epoch_changed(s);
	/* The first recovery, with an op of its own: that all know of it must be confirmed, too. */
	recovered(s, NULL, 0);
	s->node->counters[COUNTER_FORMED]++;
	s->node->announce_due = true;
	node_log(s->node, 5, "lockspace %s: formed by node %u with %zu members", s->name, m->nodeid,
		 s->electorate.count);
}
