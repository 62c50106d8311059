/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep:daemons, the group of all daemons. It carries no locks: each daemon announces what it
 * is (incarnation, token reservation, which lockspaces it carries state of) in every view of the
 * group, and an administrator's word that a node is down passes through it.
 *
 * What it is for: somebody must know who might still carry the state of a lockspace whose last
 * visible member is gone (R-COND-7). The rule here is the conservative one: a configured node is
 * accounted for when its daemon is present and has said in this very view that it carries nothing,
 * or when an administrator acknowledged it and it was not seen since.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/node/node_private.h"

static struct daemon_member *daemon_find(const struct node *n, uint32_t nodeid, uint32_t pid)
{
	list_for_each(item, &n->daemons) {
		struct daemon_member *d = list_entry(item, struct daemon_member, item);

		if (d->nodeid == nodeid && d->pid == pid) {
			return d;
		}
	}
	return NULL;
}

/* As view_ghost(): a process of nobody, or one that a newer process of its node has replaced. */
static bool daemon_ghost(const struct node *n, const struct daemon_member *d)
{
	if (d->superseded && !d->announced) {
		return true;
	}
	if (!n->daemons_ring_known || n->daemons_totem_pending) {
		return false;
	}
	for (size_t i = 0; i < n->daemons_ring_count; i++) {
		if (n->daemons_ring[i] == d->nodeid) {
			return false;
		}
	}
	return true;
}

/* A new ring: whatever was announced before may be about another one. A node that was listed as a
 * ghost comes into the ring without a configuration change, so the ring itself is the occasion. */
void daemons_totem(struct node *n, struct node_ring ring, const uint32_t *nodes, size_t nodes_count)
{
	n->daemons_ring_id = ring;
	list_for_each(item, &n->daemons) {
		struct daemon_member *d = list_entry(item, struct daemon_member, item);

		d->announced = d->announced && !n->daemons_ring_known;
	}
	n->announce_due = true;
	n->daemons_ring_count = nodes_count < LOCKSTEP_NODES_MAX ? nodes_count : LOCKSTEP_NODES_MAX;
	memcpy(n->daemons_ring, nodes, n->daemons_ring_count * sizeof(nodes[0]));
	n->daemons_ring_known = true;
	n->daemons_totem_pending = false;
	fencing_ring_changed(n);
}

static void daemon_free(struct daemon_member *d)
{
	list_remove(&d->item);
	free(d->spaces);
	free(d);
}

static void daemon_add(struct node *n, uint32_t nodeid, uint32_t pid)
{
	struct daemon_member *d = calloc(1, sizeof(*d));

	ls_assert(d);
	d->nodeid = nodeid;
	d->pid = pid;
	list_push_tail(&n->daemons, &d->item);
}

void daemons_clear(struct node *n)
{
	list_for_each_safe(item, &n->daemons) {
		daemon_free(list_entry(item, struct daemon_member, item));
	}
	n->daemons_ring_known = false;
	n->daemons_totem_pending = false;
	n->daemons_number = 0;
	n->reserve_sent = 0;
	n->acked.count = 0;
}

void daemons_send(struct node *n, enum wire_type type, const struct wire_body *body)
{
	struct wire_header header = { .type = type,
				      .incarnation = n->incarnation,
				      .number = ++n->daemons_number };
	struct buf out = { 0 };

	wire_header_encode(&header, &out);
	wire_body_encode(type, body, &out);
	if (type == WIRE_ANNOUNCE) {
		size_t at = out.size;
		uint32_t count = 0;

		buf_put_u32(&out, 0);
		list_for_each(item, &n->spaces) {
			const struct space *s = list_entry(item, struct space, item);

			wire_space_encode(s->name, space_carries(s), &out);
			count++;
		}
		buf_set_u32(&out, at, count);
	}
	struct node_action act = { .type = NODE_ACTION_MCAST,
				   .group = NODE_DAEMONS_GROUP,
				   .data = out.data,
				   .size = out.size };

	node_act(n, &act);
	buf_done(&out);
}

void daemons_confchg(struct node *n, const struct node_address *members, size_t members_count,
		     const struct node_address *left, size_t left_count,
		     const struct node_address *joined, size_t joined_count)
{
	for (size_t i = 0; i < left_count; i++) {
		struct daemon_member *d = daemon_find(n, left[i].nodeid, left[i].pid);

		n->daemons_totem_pending |= left[i].reason == NODE_REASON_NODEDOWN;
		if (d) {
			daemon_free(d);
		}
	}
	for (size_t i = 0; i < members_count; i++) {
		if (!daemon_find(n, members[i].nodeid, members[i].pid)) {
			daemon_add(n, members[i].nodeid, members[i].pid);
		}
	}
	for (size_t i = 0; i < joined_count; i++) {
		nodeset_remove(&n->acked, joined[i].nodeid);
		n->daemons_totem_pending |= joined[i].reason == NODE_REASON_NODEUP;
		if (joined[i].nodeid == n->config.nodeid && joined[i].pid == n->config.pid) {
			n->daemons_joined = true;
		}
	}
	list_for_each(item, &n->daemons) {
		list_entry(item, struct daemon_member, item)->announced = false;
	}
	if (joined_count > 0) {
		n->daemons_change_ms = n->now_ms;
	}
	fencing_view_changed(n);
	if (left_count > 0 && members_count * 2 <= n->configured_count) {
		/* Cut off, or just woken up after having been cut off: see node_quorum(). */
		n->acked.count = 0;
	}
	n->announce_due = true;
}

bool daemons_present(const struct node *n, uint32_t nodeid)
{
	list_for_each(item, &n->daemons) {
		const struct daemon_member *d = list_entry(item, struct daemon_member, item);

		if (d->nodeid == nodeid && !daemon_ghost(n, d)) {
			return true;
		}
	}
	return false;
}

bool daemons_accounted(const struct node *n, const char *space, uint32_t nodeid)
{
	bool announced = false;

	list_for_each(item, &n->daemons) {
		const struct daemon_member *d = list_entry(item, struct daemon_member, item);

		if (d->nodeid != nodeid || daemon_ghost(n, d)) {
			continue;
		}
		if (!d->announced) {
			return false;
		}
		announced = true;
		for (size_t i = 0; i < d->spaces_count; i++) {
			if (d->spaces[i].carries && strcmp(d->spaces[i].name, space) == 0) {
				return false;
			}
		}
	}
	return announced || nodeset_has(&n->acked, nodeid);
}

uint64_t daemons_reserved_max(const struct node *n)
{
	uint64_t max = n->reserved;

	list_for_each(item, &n->daemons) {
		const struct daemon_member *d = list_entry(item, struct daemon_member, item);

		if (d->reserved > max) {
			max = d->reserved;
		}
	}
	return max;
}

bool daemons_reserve(struct node *n, uint64_t value)
{
	bool all = true;

	list_for_each(item, &n->daemons) {
		const struct daemon_member *d = list_entry(item, struct daemon_member, item);

		all &= daemon_ghost(n, d) || (d->announced && d->reserved >= value);
	}
	if (!all && n->reserve_sent < value && n->daemons_joined) {
		struct wire_body body = { .reserved = value };

		n->reserve_sent = value;
		daemons_send(n, WIRE_RESERVE, &body);
	}
	return all && n->daemons_joined;
}

static void reserve_store(struct node *n, uint64_t value)
{
	if (value <= n->reserve_asked) {
		return;
	}
	n->reserve_asked = value;
	struct node_action act = { .type = NODE_ACTION_RESERVE, .token = value };

	node_act(n, &act);
}

void node_reserved(struct node *n, uint64_t reserved)
{
	if (reserved > n->reserved) {
		n->reserved = reserved;
		n->announce_due = true;
	}
}

static void announce_receive(struct node *n, struct daemon_member *d, const struct wire_body *b,
			     uint64_t incarnation, struct cursor *in)
{
	uint32_t count = cursor_get_u32(in);
	struct daemon_space *spaces = NULL;

	if (count > WIRE_SPACES_MAX) {
		cursor_fail(in);
		count = 0;
	}
	if (count > 0) {
		spaces = calloc(count, sizeof(*spaces));
		ls_assert(spaces);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (wire_space_decode(in, spaces[i].name, &spaces[i].carries)) {
			break;
		}
	}
	if (!cursor_end(in)) {
		n->counters[COUNTER_BAD_MESSAGES]++;
		free(spaces);
		return;
	}
	free(d->spaces);
	d->spaces = spaces;
	d->spaces_count = count;
	d->announced = true;
	d->reserved = b->reserved;
	list_for_each(item, &n->daemons) {
		struct daemon_member *old = list_entry(item, struct daemon_member, item);

		old->superseded |= old != d && old->nodeid == d->nodeid;
	}
	/* Where a ghost of this process was listed its coming is no configuration change, but it has not
	 * heard anybody yet. */
	n->announce_due |= d->process != fencing_process(incarnation);
	d->process = fencing_process(incarnation);
	fencing_process_seen(n, d->nodeid, d->process);
	reserve_store(n, b->reserved);
}

uint64_t daemons_process(const struct node *n, uint32_t nodeid)
{
	list_for_each(item, &n->daemons) {
		const struct daemon_member *d = list_entry(item, struct daemon_member, item);

		if (d->nodeid == nodeid && d->announced && !d->superseded && !daemon_ghost(n, d)) {
			return d->process;
		}
	}
	return 0;
}

void daemons_vouched(struct node *n, uint32_t nodeid)
{
	nodeset_add(&n->acked, nodeid);
	list_for_each(item, &n->spaces) {
		struct space *s = list_entry(item, struct space, item);

		if (s->engine && space_quorum_ok(s)) {
			nodeset_add(&s->slow_acked, nodeid);
		}
		list_for_each(lost_item, &s->lost_members) {
			struct lost *l = list_entry(lost_item, struct lost, item);

			l->acked |= l->nodeid == nodeid;
		}
	}
}

static void ack_receive(struct node *n, uint32_t by, uint32_t nodeid)
{
	if (!node_is_configured(n, nodeid)) {
		n->counters[COUNTER_BAD_MESSAGES]++;
		return;
	}
	if (daemons_present(n, nodeid)) {
		node_log(n, 4, "fence-ack of node %u by node %u ignored: that node is back", nodeid,
			 by);
		return;
	}
	node_log(n, 4, "node %u acknowledged as fenced by an administrator on node %u", nodeid, by);
	daemons_vouched(n, nodeid);
}

void daemons_message(struct node *n, uint32_t nodeid, uint32_t pid, const void *data, size_t size)
{
	struct daemon_member *d = daemon_find(n, nodeid, pid);
	struct cursor in = cursor_make(data, size);
	struct wire_header h;
	struct wire_body b;

	if (!d) {
		n->counters[COUNTER_UNKNOWN_SENDER]++;
		return;
	}
	if (wire_header_decode(&in, &h) || h.type < WIRE_ANNOUNCE ||
	    wire_body_decode(h.type, &in, &b)) {
		n->counters[COUNTER_BAD_MESSAGES]++;
		return;
	}
	switch (h.type) {
	case WIRE_ANNOUNCE:
		announce_receive(n, d, &b, h.incarnation, &in);
		break;
	case WIRE_ACK:
		if (b.nodeid > 0) {
			ack_receive(n, nodeid, b.nodeid);
		}
		break;
	case WIRE_RESERVE:
		reserve_store(n, b.reserved);
		break;
	case WIRE_FENCE_WANT:
	case WIRE_FENCE_ASK:
	case WIRE_FENCE_FAILED:
	case WIRE_FENCE_DONE:
		if (b.nodeid > 0) {
			fencing_message(n, nodeid, h.type, &b);
		}
		break;
	default:
		n->counters[COUNTER_BAD_MESSAGES]++;
		break;
	}
}

void daemons_progress(struct node *n)
{
	if (!n->order_up || !n->daemons_joined || !n->announce_due) {
		return;
	}
	struct wire_body body = { .level = n->config.level_max, .reserved = n->reserved };

	n->announce_due = false;
	daemons_send(n, WIRE_ANNOUNCE, &body);
}
