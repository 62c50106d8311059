/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See node_rig.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugin/node/wire.h"
#include "tests/unit/node_rig.h"

struct rig_message {
	uint32_t from;
	char name[NODE_GROUP_NAME_MAX + 1];
	size_t size;
	uint8_t bytes[];
};

static const uint32_t configured[RIG_NODES] = { 1, 2, 3, 4 };

static struct node_address address_of(uint32_t id, enum node_reason reason)
{
	return (struct node_address){ .nodeid = id, .pid = 1000 + id, .reason = reason };
}

/* RIG_GROUPS: it is no member. */
static uint32_t group_of(const struct rig *r, uint32_t id, const char *name)
{
	if (!r->hosts[id].node) {
		return RIG_GROUPS;
	}
	for (uint32_t g = 0; g < RIG_GROUPS; g++) {
		if (strcmp(r->hosts[id].groups[g], name) == 0) {
			return g;
		}
	}
	return RIG_GROUPS;
}

static struct node_ring ring_of(const struct rig *r)
{
	return (struct node_ring){ 1, r->ring_seq };
}

static void totem(struct rig *r, uint32_t id, uint32_t group)
{
	uint32_t up[RIG_NODES];
	size_t count = 0;

	for (uint32_t other = 1; other <= r->nodes; other++) {
		if (r->hosts[other].node) {
			up[count++] = other;
		}
	}
	node_totem(r->hosts[id].node, group, ring_of(r), up, count);
}

/* One configuration change of a group, to all its members. */
static void confchg(struct rig *r, const char *name, const struct node_address *left,
		    const struct node_address *joined)
{
	struct node_address members[RIG_NODES];
	size_t count = 0;

	for (uint32_t id = 1; id <= r->nodes; id++) {
		if (group_of(r, id, name) < RIG_GROUPS) {
			members[count++] = address_of(id, 0);
		}
	}
	for (uint32_t id = 1; id <= r->nodes; id++) {
		uint32_t group = group_of(r, id, name);

		if (group < RIG_GROUPS) {
			node_confchg(r->hosts[id].node, group, members, count, left, left ? 1 : 0,
				     joined, joined ? 1 : 0);
		}
	}
}

static void deliver(struct rig *r, const struct rig_message *m)
{
	for (uint32_t id = 1; id <= r->nodes; id++) {
		uint32_t group = group_of(r, id, m->name);

		if (group < RIG_GROUPS) {
			node_message(r->hosts[id].node, group, m->from, 1000 + m->from, m->bytes,
				     m->size);
		}
	}
}

static void mcast(struct rig *r, uint32_t id, const struct node_action *a)
{
	struct rig_message *m = malloc(sizeof(*m) + a->size);

	assert_non_null(m);
	m->from = id;
	memcpy(m->name, r->hosts[id].groups[a->group], sizeof(m->name));
	m->size = a->size;
	memcpy(m->bytes, a->data, a->size);
	if (r->hold) {
		assert_true(r->held_count < RIG_MESSAGES);
		r->held[r->held_count++] = m;
		return;
	}
	assert_true(r->queued_count < RIG_MESSAGES);
	r->queued[r->queued_count++] = m;
}

static void image_sink(void *arg, const void *data, size_t size)
{
	buf_put_bytes(arg, data, size);
}

/* The whole image is there at once and goes as fast as it is asked for. */
static void image_act(struct rig_host *h, const struct node_action *a)
{
	if (a->type == NODE_ACTION_IMAGE_BEGIN) {
		buf_clear(&h->image);
		h->image_fed = 0;
		assert_int_equal(node_image_write(h->node, a->token, image_sink, &h->image), 0);
	} else if (a->type == NODE_ACTION_IMAGE_READ) {
		size_t left = h->image.size - h->image_fed;
		size_t size = a->value < left ? a->value : left;
		uint64_t image = a->token;

		node_image_bytes(h->node, image, h->image.data + h->image_fed, size);
		h->image_fed += size;
		if (h->image_fed == h->image.size) {
			node_image_end(h->node, image, 0);
		}
	}
}

static void write_down(struct rig_host *h, const struct node_action *a)
{
	struct rig_event *e = &h->events[h->count];

	assert_true(h->count < RIG_EVENTS);
	h->count++;
	*e = (struct rig_event){ .type = a->type,
				 .conn = a->conn,
				 .status = a->status,
				 .value = a->value,
				 .lkid = a->lkid,
				 .mode = a->mode,
				 .sb_flags = a->sb_flags,
				 .token = a->token };
	if (a->type == NODE_ACTION_LOG) {
		snprintf(e->text, sizeof(e->text), "%.*s", (int)a->size, (const char *)a->data);
	} else if (a->type == NODE_ACTION_DONE) {
		struct cursor in = cursor_make(a->data, a->size);

		while (cursor_left(&in) > 0) {
			size_t used = strlen(e->text);
			uint32_t nodeid = cursor_get_u32(&in);

			snprintf(e->text + used, sizeof(e->text) - used, "%s%u:%u", used ? " " : "", nodeid,
				 cursor_get_u32(&in));
		}
		assert_true(cursor_end(&in));
	} else if (a->name) {
		snprintf(e->text, sizeof(e->text), "%s", a->name);
	}
}

static void act(struct rig *r, uint32_t id, const struct node_action *a)
{
	struct rig_host *h = &r->hosts[id];
	char name[NODE_GROUP_NAME_MAX + 1];
	struct node_address one;

	switch (a->type) {
	case NODE_ACTION_JOIN:
		assert_true(a->group < RIG_GROUPS);
		snprintf(h->groups[a->group], sizeof(h->groups[a->group]), "%s", a->name);
		one = address_of(id, NODE_REASON_JOIN);
		snprintf(name, sizeof(name), "%s", a->name);
		confchg(r, name, NULL, &one);
		totem(r, id, a->group);
		break;
	case NODE_ACTION_LEAVE:
		one = address_of(id, NODE_REASON_LEAVE);
		memcpy(name, h->groups[a->group], sizeof(name));
		h->groups[a->group][0] = '\0';
		confchg(r, name, &one, NULL);
		break;
	case NODE_ACTION_MCAST:
		mcast(r, id, a);
		break;
	case NODE_ACTION_RESERVE:
		node_reserved(h->node, a->token);
		break;
	case NODE_ACTION_IMAGE_BEGIN:
	case NODE_ACTION_IMAGE_READ:
	case NODE_ACTION_IMAGE_STOP:
		image_act(h, a);
		break;
	case NODE_ACTION_AGAIN:
		break;
	default:
		write_down(h, a);
		break;
	}
}

static bool drain(struct rig *r, uint32_t id)
{
	struct node_action a;
	bool busy = false;

	while (node_action_next(r->hosts[id].node, &a)) {
		busy |= a.type != NODE_ACTION_LOG;
		act(r, id, &a);
	}
	return busy;
}

/* In order; a state that is to be copied is copied before the next message changes it. */
static void deliver_queued(struct rig *r)
{
	while (r->queued_count > 0) {
		struct rig_message *m = r->queued[0];

		memmove(&r->queued[0], &r->queued[1], --r->queued_count * sizeof(r->queued[0]));
		deliver(r, m);
		free(m);
		for (uint32_t id = 1; id <= r->nodes; id++) {
			if (r->hosts[id].node && node_urgent(r->hosts[id].node)) {
				(void)drain(r, id);
			}
		}
	}
}

void rig_settle(struct rig *r)
{
	bool busy = true;

	for (int round = 0; busy; round++) {
		assert_true(round < 1000);
		busy = false;
		for (uint32_t id = 1; id <= r->nodes; id++) {
			if (!r->hosts[id].node) {
				continue;
			}
			node_flush(r->hosts[id].node);
			busy |= drain(r, id);
			deliver_queued(r);
			assert_null(node_check(r->hosts[id].node));
		}
	}
}

size_t rig_held_ops(const struct rig *r)
{
	size_t count = 0;

	for (size_t i = 0; i < r->held_count; i++) {
		count += r->held[i]->size > 5 && r->held[i]->bytes[5] == WIRE_OPS ? 1 : 0;
	}
	return count;
}

void rig_deliver_held(struct rig *r)
{
	assert_int_equal(r->queued_count, 0);
	memcpy(r->queued, r->held, r->held_count * sizeof(r->held[0]));
	r->queued_count = r->held_count;
	r->held_count = 0;
	deliver_queued(r);
	rig_settle(r);
}

void rig_hold(struct rig *r, bool hold)
{
	r->hold = hold;
	if (!hold) {
		rig_deliver_held(r);
	}
	rig_settle(r);
}

void rig_pass(struct rig *r, uint64_t ms)
{
	for (uint64_t end = r->now_ms + ms; r->now_ms < end;) {
		r->now_ms += NODE_TICK_MS;
		for (uint32_t id = 1; id <= r->nodes; id++) {
			if (r->hosts[id].node) {
				node_tick(r->hosts[id].node, r->now_ms, 1000000 + r->now_ms);
			}
		}
		rig_settle(r);
	}
}

static void quorum_all(struct rig *r, bool quorate)
{
	for (uint32_t id = 1; id <= r->nodes; id++) {
		if (r->hosts[id].node) {
			node_quorum(r->hosts[id].node, ring_of(r), quorate);
		}
	}
}

void rig_stop(struct rig *r, bool stopped)
{
	quorum_all(r, !stopped);
	rig_settle(r);
}

static void start(struct rig *r, uint32_t id)
{
	struct node_config config = r->bounds;
	struct rig_host *h = &r->hosts[id];

	config.nodeid = id;
	config.pid = 1000 + id;
	config.incarnation = ((uint64_t)id << 40) + ((uint64_t)h->starts++ << 16);
	config.on_lost = NODE_ON_LOST_KILL;
	config.configured = configured;
	config.configured_count = r->nodes;
	memset(h->groups, 0, sizeof(h->groups));
	h->node = node_new(&config);
	node_tick(h->node, r->now_ms, 1000000 + r->now_ms);
}

/* A new ring, once groups have heard who is gone. */
static void ring_new(struct rig *r)
{
	r->ring_seq += 4;
	quorum_all(r, true);
	for (uint32_t id = 1; id <= r->nodes; id++) {
		for (uint32_t g = 0; g < RIG_GROUPS; g++) {
			if (r->hosts[id].node && r->hosts[id].groups[g][0]) {
				totem(r, id, g);
			}
		}
	}
}

void rig_crash(struct rig *r, uint32_t id)
{
	struct rig_host *h = &r->hosts[id];
	struct node_address one = address_of(id, NODE_REASON_NODEDOWN);
	size_t kept = 0;

	for (size_t i = 0; i < r->held_count; i++) {
		if (r->held[i]->from == id) {
			free(r->held[i]);
		} else {
			r->held[kept++] = r->held[i];
		}
	}
	r->held_count = kept;
	h->node = node_free(h->node);
	for (uint32_t g = 0; g < RIG_GROUPS; g++) {
		if (h->groups[g][0]) {
			confchg(r, h->groups[g], &one, NULL);
		}
	}
	ring_new(r);
	rig_settle(r);
}

void rig_daemon_killed(struct rig *r, uint32_t id)
{
	struct rig_host *h = &r->hosts[id];
	struct node_address one = address_of(id, NODE_REASON_PROCDOWN);
	char name[NODE_GROUP_NAME_MAX + 1];

	h->node = node_free(h->node);
	for (uint32_t g = 0; g < RIG_GROUPS; g++) {
		if (h->groups[g][0]) {
			memcpy(name, h->groups[g], sizeof(name));
			h->groups[g][0] = '\0';
			confchg(r, name, &one, NULL);
		}
	}
	rig_settle(r);
}

void rig_boot(struct rig *r, uint32_t id)
{
	start(r, id);
	ring_new(r);
	node_order_up(r->hosts[id].node);
	rig_settle(r);
}

struct rig *rig_new(size_t nodes, const struct node_config *bounds)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_true(nodes <= RIG_NODES);
	r->nodes = nodes;
	r->now_ms = 1000;
	r->ring_seq = 4;
	r->bounds = bounds ? *bounds : (struct node_config){ .nodeid = 0 };
	for (uint32_t id = 1; id <= nodes; id++) {
		start(r, id);
		node_quorum(r->hosts[id].node, ring_of(r), true);
		node_order_up(r->hosts[id].node);
	}
	rig_settle(r);
	return r;
}

struct rig *rig_free(struct rig *r)
{
	for (uint32_t id = 1; id <= r->nodes; id++) {
		r->hosts[id].node = node_free(r->hosts[id].node);
		buf_done(&r->hosts[id].image);
	}
	for (size_t i = 0; i < r->held_count; i++) {
		free(r->held[i]);
	}
	free(r);
	return NULL;
}

void rig_open(struct rig *r, uint32_t id, node_conn conn, const char *space, uint32_t pid)
{
	const struct node_open open = { .space = space, .create = true, .pid = pid, .comm = "test" };

	assert_int_equal(node_session_open(r->hosts[id].node, conn, &open), 0);
	rig_settle(r);
	assert_int_equal(rig_last(r, id, NODE_ACTION_READY, conn)->status, 0);
}

int rig_submit(struct rig *r, uint32_t id, node_conn conn, struct rig_op op, uint32_t *ret_lkid,
	       bool *ret_completes)
{
	static const uint8_t lvb[LOCKSTEP_LVB_DEFAULT] = "value";
	const struct node_submit submit = {
		.type = op.type,
		.mode = (uint8_t)op.mode,
		.has_bast = true,
		.flags = op.flags,
		.lkid = op.lkid,
		.xid = op.xid,
		.timeout_cs = op.timeout_cs,
		.name = (const uint8_t *)op.name,
		.name_len = op.name ? strlen(op.name) : 0,
		.lvb = op.lvb ? lvb : NULL,
		.lvb_len = op.lvb ? sizeof(lvb) : 0,
		.tag = op.tag,
		.purge_nodeid = op.purge_nodeid,
		.purge_pid = op.purge_pid,
	};
	uint32_t lkid = 0;
	bool completes = false;
	int error = node_submit(r->hosts[id].node, conn, &submit, &lkid, &completes);

	if (ret_lkid) {
		*ret_lkid = lkid;
	}
	if (ret_completes) {
		*ret_completes = completes;
	}
	rig_settle(r);
	return error;
}

uint32_t rig_lock(struct rig *r, uint32_t id, node_conn conn, const char *name, int mode,
		  uint32_t flags)
{
	uint32_t lkid;
	struct rig_op op = { .type = ENGINE_OP_LOCK, .mode = mode, .flags = flags, .name = name };

	assert_int_equal(rig_submit(r, id, conn, op, &lkid, NULL), 0);
	return lkid;
}

size_t rig_count(const struct rig *r, uint32_t id, enum node_action_type type, node_conn conn)
{
	const struct rig_host *h = &r->hosts[id];
	size_t count = 0;

	for (size_t i = 0; i < h->count; i++) {
		count += h->events[i].type == type && h->events[i].conn == conn ? 1 : 0;
	}
	return count;
}

const struct rig_event *rig_last(const struct rig *r, uint32_t id, enum node_action_type type,
				 node_conn conn)
{
	const struct rig_host *h = &r->hosts[id];

	for (size_t i = h->count; i > 0; i--) {
		if (h->events[i - 1].type == type && h->events[i - 1].conn == conn) {
			return &h->events[i - 1];
		}
	}
	fail();
	return NULL;
}

void rig_clear(struct rig *r)
{
	for (uint32_t id = 1; id <= r->nodes; id++) {
		r->hosts[id].count = 0;
	}
}

struct node_space_info rig_space(const struct rig *r, uint32_t id, const char *space)
{
	struct node_space_info info;

	assert_true(node_space_info_find(r->hosts[id].node, space, &info));
	return info;
}
