/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "plugin/node/wire.h"
#include "tests/sim/world.h"

enum { COUNT_POINTS, COUNT_FORMED, COUNT_SLOW, COUNT_LEAVES };
enum { OP_SUBSCRIBE, OP_UNSUBSCRIBE, OP_PREP_DONE };

static const char *const counter_names[4] = { "recovery_points", "formed", "view_points_slow", "leaves" };

void recovery_init(struct world *w)
{
	struct recovery *r = &w->recovery;

	memset(r, 0, sizeof(*r));
	prng_seed(&r->prng, w->config.seed ^ UINT64_C(0x4ec07e4));
	for (unsigned int i = 0; i < 4; i++) {
		r->counters[i] = SIZE_MAX;
	}
}

static bool chance(struct world *w, unsigned int per_mille)
{
	return prng_chance(&w->recovery.prng, per_mille);
}

static struct recovery_client *of(struct client *c)
{
	return c->recovery.conn == c->conn && c->conn != 0 ? &c->recovery : NULL;
}

/* --- lists of slots ------------------------------------------------------------------------ */

static const struct recovery_slot *slots_find(const struct recovery_slots *s, uint32_t nodeid)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->items[i].nodeid == nodeid) {
			return &s->items[i];
		}
	}
	return NULL;
}

static bool slots_equal(const struct recovery_slots *a, const struct recovery_slots *b)
{
	for (size_t i = 0; a->count == b->count && i < a->count; i++) {
		if (a->items[i].nodeid != b->items[i].nodeid || a->items[i].slot != b->items[i].slot) {
			return false;
		}
	}
	return a->count == b->count;
}

static bool slots_add(struct recovery_slots *s, uint32_t nodeid, uint32_t slot)
{
	if (nodeid == 0 || slot == 0 || s->count == SIM_HOSTS_MAX ||
	    (s->count > 0 && s->items[s->count - 1].nodeid >= nodeid)) {
		return false;
	}
	s->items[s->count++] = (struct recovery_slot){ nodeid, slot };
	return true;
}

static bool slots_decode(const struct node_action *act, struct recovery_slots *ret)
{
	struct cursor in = cursor_make(act->data, act->size);

	ret->count = 0;
	while (cursor_left(&in) > 0) {
		uint32_t nodeid = cursor_get_u32(&in);

		if (!slots_add(ret, nodeid, cursor_get_u32(&in))) {
			return false;
		}
	}
	return cursor_end(&in) && ret->count > 0;
}

static bool slots_has(const struct recovery_slots *s, uint32_t slot)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->items[i].slot == slot) {
			return true;
		}
	}
	return false;
}

static void slots_text(const struct recovery_slots *s, char *ret, size_t size)
{
	size_t at = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < s->count && at < size; i++) {
		at += (size_t)snprintf(ret + at, size - at, "%s%u:%u", i ? " " : "", s->items[i].nodeid,
				       s->items[i].slot);
	}
}

/* --- what clients do ----------------------------------------------------------------------- */

static void request_post(struct client *c, uint32_t op, uint32_t prep)
{
	client_post(c, &(struct request){ .type = REQUEST_RECOVERY, .conn = c->conn, .client = c,
					  .recovery_op = op, .recovery_prep = prep });
}

static void subscribe_later(void *ctx, uint64_t life, uint64_t conn)
{
	struct client *c = ctx;

	if (!c->alive || c->life != life || c->conn != conn || c->state != CLIENT_READY) {
		return;
	}
	if (c->stopped) {
		timeline_in(&c->w->timeline, 10000, subscribe_later, c, life, conn);
		return;
	}
	request_post(c, OP_SUBSCRIBE, 0);
}

static void subscribe_in(struct client *c, uint64_t us)
{
	timeline_in(&c->w->timeline, us, subscribe_later, c, c->life, c->conn);
}

void recovery_client_ready(struct client *c)
{
	struct world *w = c->w;

	c->recovery = (struct recovery_client){ .conn = c->conn };
	if (chance(w, w->config.subscribe_per_mille)) {
		/* Late ones meet a recovery in any state. */
		subscribe_in(c, chance(w, 500) ? 1 : prng_scale(&w->recovery.prng, 1000, 5000000));
	}
}

static void acknowledge(struct client *c, struct recovery_client *r)
{
	uint32_t prep = r->owed;

	r->owed = 0;
	r->node_owed = 0;
	request_post(c, OP_PREP_DONE, prep);
}

static void acknowledge_later(void *ctx, uint64_t conn, uint64_t prep)
{
	struct client *c = ctx;
	struct recovery_client *r = c->alive && c->conn == conn ? of(c) : NULL;

	if (!r || r->owed != prep || c->state != CLIENT_READY) {
		return;
	}
	if (c->stopped) {
		timeline_in(&c->w->timeline, 10000, acknowledge_later, c, conn, prep);
		return;
	}
	world_mark(c->w, MARK_PREP_PENDING);
	acknowledge(c, r);
}

static void unsubscribe(struct client *c, struct recovery_client *r)
{
	story_tell(c->w, "client %u of node %u: unsubscribes", c->index, c->host + 1);
	world_mark(c->w, MARK_UNSUBSCRIBED);
	*r = (struct recovery_client){ .conn = c->conn };
	request_post(c, OP_UNSUBSCRIBE, 0);
	if (chance(c->w, 700)) {
		subscribe_in(c, prng_scale(&c->w->recovery.prng, 1, 1000000));
	}
}

static void prep_react(struct client *c, struct recovery_client *r)
{
	struct world *w = c->w;
	uint64_t patience_us = w->config.prep_ack_ms * 1000ull;

	if (chance(w, w->config.stuck_per_mille)) {
		/* Forever; and maybe SIGKILL does not reach it for a while. */
		world_mark(w, MARK_PREP_STUCK);
		if (chance(w, 300)) {
			r->unkillable_us = prng_range(&w->recovery.prng, 1, 4000000);
		}
	} else if (chance(w, 400)) {
		/* A few are late. */
		timeline_in(&w->timeline, prng_scale(&w->recovery.prng, 10, patience_us * 11 / 10),
			    acknowledge_later, c, c->conn, r->owed);
	} else if (chance(w, 30)) {
		unsubscribe(c, r);
	} else if (chance(w, 30)) {
		client_kill(c, "in a recovery callback");
	} else {
		acknowledge(c, r);
	}
}

uint64_t recovery_client_lives_us(const struct client *c)
{
	return c->recovery.conn == c->conn ? c->recovery.unkillable_us : 0;
}

/* --- what one session is told -------------------------------------------------------------- */

static void complain(struct client *c, const char *what)
{
	world_fail(c->w, "client %u of node %u, recovery callbacks: %s", c->index, c->host + 1, what);
}

/* Where a node has that recovery point of its own; false: not any more. */
static bool point_find(const struct recovery_host *h, uint64_t seq, size_t *ret_at)
{
	for (size_t i = 0; i < h->points_count && i < RECOVERY_LEFT; i++) {
		size_t at = (h->points_count - 1 - i) % RECOVERY_LEFT;

		if (h->points[at].seq == seq) {
			*ret_at = at;
			return true;
		}
	}
	return false;
}

/* Who had left its node's view in an orderly way before that recovery point; false: not known any more. */
static bool left_before(struct client *c, uint64_t seq, uint32_t *ret_left)
{
	const struct recovery_host *h = &c->w->recovery.hosts[c->host][c->space];
	size_t at;

	if (!point_find(h, seq, &at)) {
		return false;
	}
	*ret_left = h->points[at].left;
	return true;
}

/* From the members of one done to those of the next. */
static void members_check(struct client *c, const struct recovery_client *r,
			  const struct recovery_slots *now, uint32_t left)
{
	struct recovery_slots kept = { .count = 0 };

	for (size_t i = 0; i < r->reported.count; i++) {
		const struct recovery_slot *gone = &r->reported.items[i];
		const struct recovery_slot *was = slots_find(&r->members, gone->nodeid);

		if (!was || was->slot != gone->slot) {
			complain(c, "a slot that was no member's (R-CB-4)");
		} else if (left & 1u << gone->nodeid) {
			complain(c, "a slot of a member that had left in an orderly way (R-CB-4)");
		}
	}
	for (size_t i = 0; i < r->members.count; i++) {
		const struct recovery_slot *was = &r->members.items[i];
		const struct recovery_slot *is = slots_find(now, was->nodeid);

		if (slots_find(&r->reported, was->nodeid) || left & 1u << was->nodeid) {
			continue;
		}
		if (!is) {
			complain(c, "a member is gone without a slot (R-CB-4)");
		} else if (is->slot != was->slot) {
			complain(c, "a member that stayed has another slot (R-SLOT-1)");
		} else {
			(void)slots_add(&kept, is->nodeid, is->slot);
		}
	}
	struct recovery_slots all = kept;

	for (size_t i = 0; i < now->count; i++) {
		uint32_t lowest = 1;

		if (slots_find(&kept, now->items[i].nodeid)) {
			continue;
		}
		while (slots_has(&all, lowest)) {
			lowest++;
		}
		if (now->items[i].slot != lowest) {
			complain(c, "a new member has not got the lowest free slot, by nodeid (R-SLOT-2)");
		}
		all.items[all.count++] = now->items[i];
	}
}

static void prep_told(struct client *c, struct recovery_client *r, const struct node_action *act)
{
	world_mark(c->w, MARK_PREP);
	if (r->prepped) {
		complain(c, "prep twice (R-CB-2)");
	} else if (r->first && !r->expect_prep) {
		complain(c, "prep first, although nothing was going on, or in its node's first recovery (R-CB-2)");
	}
	r->first = false;
	r->prepped = true;
	r->reported.count = 0;
	r->owed = act->value;
	prep_react(c, r);
}

static void slot_told(struct client *c, struct recovery_client *r, const struct node_action *act)
{
	world_mark(c->w, MARK_SLOT);
	if (!r->prepped) {
		complain(c, "slot without prep (R-CB-1)");
	} else if (r->owed != 0) {
		complain(c, "slot before prep was acknowledged (R-CB-3)");
	} else if (!slots_add(&r->reported, act->lkid, act->value)) {
		complain(c, "slots twice, or not in the order of nodeids (R-CB-4)");
	}
}

static void done_told(struct client *c, struct recovery_client *r, const struct node_action *act)
{
	struct recovery_slots now;
	uint32_t left;

	world_mark(c->w, MARK_DONE);
	if (!slots_decode(act, &now)) {
		complain(c, "done with a list of slots that is none");
		return;
	}
	const struct recovery_slot *own = slots_find(&now, c->host + 1);

	if (!own || own->slot != act->lkid) {
		complain(c, "done with another own slot than in its list");
	} else if (r->first ? r->expect_prep : !r->prepped) {
		complain(c, "done without prep (R-CB-1)");
	} else if (r->owed != 0) {
		complain(c, "done before prep was acknowledged (R-CB-3)");
	} else if (act->value == 0 || act->value == UINT32_MAX ||
		   (r->generation != 0 && act->value != r->generation + 1)) {
		complain(c, "a generation that is not the next one (R-GEN-1)");
	} else if (r->generation != 0 && left_before(c, act->token, &left)) {
		members_check(c, r, &now, left);
	}
	r->first = false;
	r->prepped = false;
	r->members = now;
	r->generation = act->value;
	r->done_seq = act->token;
	if (chance(c->w, 50)) {
		unsubscribe(c, r);
	}
}

void recovery_client_told(struct client *c, const struct node_action *act)
{
	struct recovery_client *r = of(c);

	if (!r || act->group != r->number || r->number == 0 || c->state != CLIENT_READY) {
		return; /* of a subscription that has ended */
	}
	if (act->type == NODE_ACTION_PREP) {
		story_tell(c->w, "client %u of node %u: prep %u", c->index, c->host + 1, act->value);
		prep_told(c, r, act);
	} else if (act->type == NODE_ACTION_SLOT) {
		story_tell(c->w, "client %u of node %u: slot %u of node %u", c->index, c->host + 1,
			   act->value, act->lkid);
		slot_told(c, r, act);
	} else {
		story_tell(c->w, "client %u of node %u: done, generation %u, own slot %u, seq %llu", c->index,
			   c->host + 1, act->value, act->lkid, (unsigned long long)act->token);
		done_told(c, r, act);
	}
}

void recovery_client_granted(struct client *c, const struct node_action *act, uint64_t before)
{
	const struct recovery_client *r = of(c);

	/* A conversion may leave the token as it was. */
	if (r && r->done_seq != 0 && act->token == r->done_seq && before != act->token) {
		complain(c, "a grant of the recovery after its done (R-CB-5)");
	}
}

/* --- what all are told --------------------------------------------------------------------- */

static void *grow(struct world *w, void *items, size_t count, size_t *size, size_t item_size)
{
	if (count < *size) {
		return items;
	}
	size_t bigger = *size ? *size * 2 : 64;
	void *copy = arena_alloc(&w->arena, bigger * item_size);

	if (count > 0) {
		memcpy(copy, items, count * item_size);
	}
	*size = bigger;
	return copy;
}

/* 0: nobody of that view has said. */
static uint32_t lineage_of(const struct recovery *r, unsigned int space, uint64_t view)
{
	for (size_t i = r->views_count[space]; i > 0; i--) {
		if (r->views[space][i - 1].view == view) {
			return r->views[space][i - 1].lineage;
		}
	}
	return 0;
}

static void lineage_note(struct world *w, unsigned int space, uint64_t view, uint32_t lineage)
{
	struct recovery *r = &w->recovery;

	if (lineage == 0 || lineage_of(r, space, view) != 0) {
		return;
	}
	r->views[space] = grow(w, r->views[space], r->views_count[space], &r->views_size[space],
			       sizeof(*r->views[space]));
	r->views[space][r->views_count[space]++] = (struct recovery_view){ view, lineage };
}

/* That view is the first of a lineage, on whichever of its members this is seen first. */
static uint32_t lineage_begin(struct world *w, unsigned int space, uint64_t view)
{
	if (lineage_of(&w->recovery, space, view) == 0) {
		lineage_note(w, space, view, ++w->recovery.lineages);
	}
	return lineage_of(&w->recovery, space, view);
}

/* Two recovery points in the order of their seq: generations of a lineage grow. */
static void points_compare(struct world *w, const struct recovery_point *a, const struct recovery_point *b)
{
	if (a->lineage == b->lineage && b->generation <= a->generation) {
		world_fail(w,
			   "node %u told generation %u of a recovery at seq %llu, node %u generation %u of one "
			   "at %llu (R-GEN-1)",
			   a->host + 1, a->generation, (unsigned long long)a->seq, b->host + 1, b->generation,
			   (unsigned long long)b->seq);
	}
}

static bool point_before(const struct recovery_point *a, const struct recovery_point *b)
{
	return a->lineage != b->lineage ? a->lineage < b->lineage : a->seq < b->seq;
}

static void point_note(struct world *w, unsigned int space, const struct recovery_point *p)
{
	struct recovery *r = &w->recovery;
	size_t count = r->points_count[space], at = count;

	r->points[space] = grow(w, r->points[space], count, &r->points_size[space],
				sizeof(*r->points[space]));
	struct recovery_point *points = r->points[space];

	while (at > 0 && !point_before(&points[at - 1], p)) {
		at--;
	}
	if (at < count && !point_before(p, &points[at])) {
		char was[100], is[100];

		if (points[at].generation != p->generation || !slots_equal(&points[at].slots, &p->slots)) {
			slots_text(&points[at].slots, was, sizeof(was));
			slots_text(&p->slots, is, sizeof(is));
			world_fail(w,
				   "of the recovery at seq %llu node %u told generation %u, slots %s, node %u "
				   "generation %u, slots %s (R-MEM-5)",
				   (unsigned long long)p->seq, points[at].host + 1, points[at].generation, was,
				   p->host + 1, p->generation, is);
		}
		return;
	}
	memmove(&points[at + 1], &points[at], (count - at) * sizeof(points[0]));
	points[at] = *p;
	r->points_count[space]++;
	if (at > 0) {
		points_compare(w, &points[at - 1], &points[at]);
	}
	if (at < count) {
		points_compare(w, &points[at], &points[at + 1]);
	}
}

void recovery_node_tells(struct simnode *s, const struct node_action *act)
{
	struct client *c = client_by_conn(s->w, act->conn);
	struct recovery_client *r = c ? of(c) : NULL;

	if (r && act->type == NODE_ACTION_LOST) {
		r->node_ended = true;
	}
	if (!r || act->group != r->number || r->number == 0) {
		return;
	}
	if (act->type == NODE_ACTION_PREP) {
		r->node_told = true;
		r->node_owed = act->value;
	} else if (act->type == NODE_ACTION_DONE) {
		const struct recovery_host *h = &s->w->recovery.hosts[s->host][c->space];
		struct recovery_point p = { .seq = act->token, .generation = act->value, .host = s->host };
		size_t at;

		r->node_told = false;
		if (point_find(h, act->token, &at)) {
			p.lineage = lineage_of(&s->w->recovery, c->space, h->points[at].view);
		}
		if (p.lineage != 0 && slots_decode(act, &p.slots)) {
			point_note(s->w, c->space, &p);
		}
	}
}

/* --- nodes --------------------------------------------------------------------------------- */

void recovery_node_started(struct world *w, unsigned int host)
{
	memset(w->recovery.seen[host], 0, sizeof(w->recovery.seen[host]));
	for (unsigned int space = 0; space < SIM_SPACES_MAX; space++) {
		recovery_node_stateless(w, host, space);
	}
}

void recovery_node_stateless(struct world *w, unsigned int host, unsigned int space)
{
	struct recovery_host *h = &w->recovery.hosts[host][space];

	/* (In which views it has said prepared stays: that may still be on its way.) */
	h->lineage = h->generation = h->left = 0;
	h->points_count = 0;
	memset(h->members, 0, sizeof(h->members));
}

static uint32_t own_slot(const struct simnode *s, unsigned int space)
{
	struct node_member_info members[64];
	size_t count = node_space_members(s->node, sim_space_name(space), members, 64);

	for (size_t i = 0; i < count && i < 64; i++) {
		if (members[i].local && strcmp(members[i].state, "member") == 0) {
			return members[i].slot;
		}
	}
	return 0;
}

static void request_subscribe(struct simnode *s, struct client *c)
{
	struct recovery_client *r = of(c);
	struct node_space_info info;
	uint32_t number = 0;
	int e = node_recovery_subscribe(s->node, c->conn, &number);

	story_tell(s->w, "node %u: client %u subscribes: %d", s->host + 1, c->index, e);
	if (!r || e != 0) {
		if (e != 0 && e != ENOTCONN && e != EALREADY) {
			world_fail(s->w, "client %u: subscribing fails with errno %d", c->index, e);
		}
		return;
	}
	*r = (struct recovery_client){ .conn = c->conn, .number = number, .first = true };
	world_mark(s->w, MARK_SUBSCRIBED);
	if (simnode_space(s, c->space, &info) && strcmp(info.state, "running") != 0 &&
	    own_slot(s, c->space) != 0) {
		r->expect_prep = true; /* R-CB-8 */
		world_mark(s->w, MARK_SUBSCRIBED_LATE);
	}
}

void recovery_request(struct simnode *s, const struct request *q)
{
	struct client *c = q->client;
	int e = 0;

	if (!c->alive || c->conn != q->conn) {
		return;
	}
	switch (q->recovery_op) {
	case OP_SUBSCRIBE:
		request_subscribe(s, c);
		return;
	case OP_UNSUBSCRIBE:
		e = node_recovery_unsubscribe(s->node, q->conn);
		break;
	default:
		e = node_recovery_prep_done(s->node, q->conn, q->recovery_prep);
		break;
	}
	if (e != 0 && e != ENOTCONN) {
		world_fail(s->w, "client %u: recovery request %u fails with errno %d", c->index,
			   q->recovery_op, e);
	}
}

static bool space_of_group(const struct world *w, const char *group, unsigned int *ret_space)
{
	for (unsigned int i = 0; group && i < w->config.spaces; i++) {
		if (strncmp(group, "lockstep:ls:", 12) == 0 && strcmp(group + 12, sim_space_name(i)) == 0) {
			*ret_space = i;
			return true;
		}
	}
	return false;
}

/* R-CB-10: whoever is subscribed has been told, and has acknowledged. */
static void prepared_check(struct simnode *s, unsigned int space)
{
	bool has_run = own_slot(s, space) != 0;

	for (unsigned int i = 0; i < s->w->clients_count; i++) {
		struct client *c = &s->w->clients[i];
		const struct recovery_client *r = c->alive ? of(c) : NULL;

		if (!r || r->number == 0 || r->node_ended || c->host != s->host || c->space != space ||
		    c->state != CLIENT_READY) {
			continue;
		}
		if (r->node_owed != 0 || (has_run && !r->node_told)) {
			world_fail(s->w, "node %u says prepared, client %u has not acknowledged prep (R-CB-10)",
				   s->host + 1, i);
		}
	}
}

void recovery_node_sends(struct simnode *s, const char *group, const void *data, size_t size)
{
	struct cursor in = cursor_make(data, size);
	struct wire_header h;
	struct wire_body b;
	unsigned int space;

	if (!space_of_group(s->w, group, &space) || wire_header_decode(&in, &h) ||
	    h.type != WIRE_PREPARED || wire_body_decode(h.type, &in, &b)) {
		return;
	}
	struct recovery_host *host = &s->w->recovery.hosts[s->host][space];

	host->views[host->views_count++ % RECOVERY_VIEWS] = b.view;
	prepared_check(s, space);
}

static bool said_prepared(const struct recovery_host *h, uint64_t view)
{
	for (size_t i = 0; i < h->views_count && i < RECOVERY_VIEWS; i++) {
		if (h->views[i] == view) {
			return true;
		}
	}
	return false;
}

/* A recovery point of this node, or a forming; and who has a slot now. */
static void point_keep(struct world *w, unsigned int host, unsigned int space,
		       const struct node_space_info *info)
{
	struct recovery_host *h = &w->recovery.hosts[host][space];
	struct node_member_info members[64];
	size_t count = node_space_members(w->nodes[host].node, sim_space_name(space), members, 64);
	size_t at = h->points_count++ % RECOVERY_LEFT;

	h->points[at].seq = info->seq;
	h->points[at].view = info->view;
	h->points[at].left = h->left;
	memset(h->members, 0, sizeof(h->members));
	for (size_t i = 0; i < count && i < 64; i++) {
		if (strcmp(members[i].state, "member") == 0) {
			h->members[members[i].nodeid] = members[i].incarnation;
		}
	}
	h->left = 0;
}

/* R-CB-3 */
static void point_check(struct world *w, unsigned int host, unsigned int space,
			const struct node_space_info *info)
{
	struct recovery_host *h = &w->recovery.hosts[host][space];
	struct node_member_info members[64];
	size_t count = node_space_members(w->nodes[host].node, sim_space_name(space), members, 64);

	if (h->generation == info->generation || strcmp(info->state, "running") != 0 ||
	    !said_prepared(h, info->view)) {
		return; /* the point was another lockspace's, or this is a joiner that catches up */
	}
	h->generation = info->generation;
	for (size_t i = 0; i < count && i < 64; i++) {
		if (strcmp(members[i].state, "member") == 0 &&
		    !said_prepared(&w->recovery.hosts[members[i].nodeid - 1][space], info->view)) {
			world_fail(w, "node %u passes a recovery point, node %u has not said prepared (R-CB-3)",
				   host + 1, members[i].nodeid);
		}
	}
	/* A joiner is of the lineage of the others, some of which have come here before. */
	h->lineage = h->lineage ? h->lineage : lineage_of(&w->recovery, space, info->view);
	lineage_note(w, space, info->view, h->lineage);
	point_keep(w, host, space, info);
}

static void leaves_note(struct world *w, unsigned int host, unsigned int space)
{
	struct node_member_info members[64];
	size_t count = node_space_members(w->nodes[host].node, sim_space_name(space), members, 64);

	for (size_t i = 0; i < count && i < 64; i++) {
		struct recovery_host *h = &w->recovery.hosts[host][space];

		/* (A newcomer that leaves at once may have had a predecessor that failed.) */
		if (strcmp(members[i].state, "leaving") == 0 &&
		    h->members[members[i].nodeid] == members[i].incarnation) {
			h->left |= 1u << members[i].nodeid;
		}
	}
}

static bool counter_moved(struct world *w, unsigned int host, unsigned int which)
{
	struct recovery *r = &w->recovery;
	const struct node *n = w->nodes[host].node;
	uint64_t value;
	const char *name;

	for (size_t i = 0; r->counters[which] == SIZE_MAX && (name = node_counter_at(n, i, &value)); i++) {
		if (strcmp(name, counter_names[which]) == 0) {
			r->counters[which] = i;
		}
	}
	(void)node_counter_at(n, r->counters[which], &value);
	bool moved = value != r->seen[host][which];

	r->seen[host][which] = value;
	return moved;
}

void recovery_node_stepped(struct world *w, unsigned int host)
{
	bool leaves = counter_moved(w, host, COUNT_LEAVES);
	bool formed = counter_moved(w, host, COUNT_FORMED);
	bool slow = counter_moved(w, host, COUNT_SLOW);
	bool point = counter_moved(w, host, COUNT_POINTS);

	for (unsigned int space = 0; (leaves || formed || slow || point) && space < w->config.spaces; space++) {
		struct node_space_info info;

		if (!simnode_space(&w->nodes[host], space, &info) || !info.engine) {
			continue;
		}
		if (leaves) {
			leaves_note(w, host, space);
		}
		/* Of this lockspace, not of the other one: its history has not been noted yet. */
		bool passed = w->checker.logs[host][space].history != info.history;
		bool first = formed && passed && own_slot(&w->nodes[host], space) != 0;

		if ((slow && passed) || first) {
			w->recovery.hosts[host][space].lineage = lineage_begin(w, space, info.view);
		}
		if (first) {
			point_keep(w, host, space, &info);
		}
		if (point) {
			point_check(w, host, space, &info);
		}
	}
}
