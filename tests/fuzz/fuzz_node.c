/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a member of the group may send: a node with a lockspace gets arbitrary messages of a second
 * process, well-formed headers or not, between membership changes and own clients' ops. Whatever
 * comes, the node keeps its invariants and goes on. The input is a row of (verb, size, bytes).
 */
#include "config.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/digest.h"
#include "plugin/node/node.h"
#include "plugin/node/wire.h"
#include "tests/fuzz/fuzz.h"

#define SELF 2u
#define PEER 1u /* lower: it would be the donor and the actor */
#define PEER_INCARNATION 0x770000u

struct rig {
	struct node *node;
	uint32_t space_group;
	uint32_t groups[8];
	size_t groups_count;
	uint64_t number[2];
	bool peer_in;
	uint64_t now_ms;
};

static const struct node_address self = { SELF, 100, NODE_REASON_JOIN };
static const struct node_address peer = { PEER, 200, NODE_REASON_JOIN };

static void drain(struct rig *r)
{
	struct node_action a;

	node_flush(r->node);
	for (int i = 0; i < 200 && node_action_next(r->node, &a); i++) {
		uint8_t bytes[NODE_MESSAGE_MAX];
		struct node_address members[2] = { peer, self };
		uint32_t nodes[2] = { PEER, SELF };
		size_t first = r->peer_in ? 0 : 1;

		switch (a.type) {
		case NODE_ACTION_JOIN:
			if (a.group != NODE_DAEMONS_GROUP) {
				r->space_group = a.group;
			}
			r->number[a.group != NODE_DAEMONS_GROUP] = 0;
			node_confchg(r->node, a.group, members + first, 2 - first, NULL, 0, &self, 1);
			node_totem(r->node, a.group, (struct node_ring){ SELF, 1 }, nodes + first,
				   2 - first);
			break;
		case NODE_ACTION_MCAST:
			memcpy(bytes, a.data, a.size);
			node_message(r->node, a.group, SELF, 100, bytes, a.size);
			break;
		case NODE_ACTION_RESERVE:
			node_reserved(r->node, a.token);
			break;
		case NODE_ACTION_KILL:
			node_session_killed(r->node, a.conn);
			break;
		default:
			break;
		}
		if (i % 8 == 7) {
			node_flush(r->node);
		}
	}
}

static void put_u64(uint8_t *at, uint64_t value)
{
	for (size_t i = 0; i < 8; i++) {
		at[i] = (uint8_t)(value >> (8 * i));
	}
}

/* As view_ring_key() for the one ring of this target. */
static uint64_t ring_key(void)
{
	struct buf out = { .data = NULL };

	buf_put_u32(&out, SELF);
	buf_put_u64(&out, 1);
	uint64_t key = base_digest64(out.data, out.size, 6);

	buf_done(&out);
	return key;
}

/* A message with a header that the node has to look at, and the input as its body. */
static void message(struct rig *r, uint32_t group, const uint8_t *data, size_t size)
{
	struct node_space_info info = { .epoch = 0 };
	struct buf out = { .data = NULL };

	(void)node_space_info_find(r->node, "s", &info);
	if (size == 0) {
		return;
	}
	struct wire_header h = { .type = (enum wire_type)(data[0] & 0x3f),
				 .incarnation = PEER_INCARNATION,
				 .epoch = info.epoch,
				 .number = ++r->number[group != NODE_DAEMONS_GROUP],
				 .confirm = data[0] & 0x40 ? info.seq : 0 };

	wire_header_encode(&h, &out);
	buf_put_bytes(&out, data + 1, size - 1);
	/* What only a real peer knows: the view to agree on, the ring a hello is about, feature levels. */
	if (data[0] & 0x80 && out.size >= WIRE_HEADER_SIZE + 8) {
		if (h.type == WIRE_READY || h.type == WIRE_PREPARED) {
			put_u64(out.data + WIRE_HEADER_SIZE, info.view);
		} else if (h.type == WIRE_HELLO && size > 9) {
			out.data[WIRE_HEADER_SIZE + 4] = FEATURE_LEVEL;
			out.data[WIRE_HEADER_SIZE + 6] = data[1] & WIRE_HELLO_STATE ? FEATURE_LEVEL : 0;
			put_u64(out.data + out.size - 8, ring_key());
		}
	}
	node_message(r->node, group, PEER, 200, out.data, out.size);
	buf_done(&out);
}

static void membership(struct rig *r, bool in, enum node_reason reason)
{
	struct node_address members[2] = { peer, self };
	struct node_address one = peer;
	uint32_t nodes[2] = { PEER, SELF };
	size_t first = in ? 0 : 1;

	if (in == r->peer_in) {
		return;
	}
	r->peer_in = in;
	one.reason = in ? NODE_REASON_JOIN : reason;
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t group = i == 0 ? NODE_DAEMONS_GROUP : r->space_group;

		r->number[i] = 0;
		node_confchg(r->node, group, members + first, 2 - first, &one, in ? 0 : 1, &one,
			     in ? 1 : 0);
		node_totem(r->node, group, (struct node_ring){ SELF, 1 }, nodes + first, 2 - first);
	}
}

static void client(struct rig *r, const uint8_t *data, size_t size)
{
	struct node_submit submit = { .type = ENGINE_OP_LOCK, .name = data, .name_len = size };
	uint32_t lkid = 0;
	bool completes;

	if (size < 2) {
		return;
	}
	submit.type = (enum engine_op_type)(data[0] & 0x0f);
	submit.mode = data[0] >> 4 & 7;
	submit.lkid = data[1];
	for (size_t i = 2; i < size && i < 6; i++) {
		submit.flags |= (uint32_t)data[i] << (8 * (i - 2));
	}
	submit.timeout_cs = data[1];
	submit.xid = data[1] & 3;
	submit.purge_nodeid = data[0] >> 4 & 3;
	submit.purge_pid = data[1] & 0x7f;
	submit.name_len = 1;
	(void)node_submit(r->node, 1, &submit, &lkid, &completes);
}

static void row(struct rig *r, uint8_t verb, const uint8_t *data, size_t size)
{
	switch (verb % 8) {
	case 0:
		node_message(r->node, NODE_DAEMONS_GROUP, PEER, 200, data, size);
		break;
	case 1:
		node_message(r->node, r->space_group, PEER, 200, data, size);
		break;
	case 2:
		message(r, NODE_DAEMONS_GROUP, data, size);
		break;
	case 3:
	case 4:
		message(r, r->space_group, data, size);
		break;
	case 5:
		membership(r, verb & 8, verb & 16 ? NODE_REASON_LEAVE : NODE_REASON_NODEDOWN);
		break;
	case 6:
		client(r, data, size);
		break;
	default:
		r->now_ms += size > 0 ? data[0] * 100u : 0;
		node_tick(r->node, r->now_ms, r->now_ms);
		node_quorum(r->node, (struct node_ring){ SELF, 1 }, !(verb & 8));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t configured[] = { SELF };
	struct node_config config = { .nodeid = SELF,
				      .pid = 100,
				      .incarnation = 0x550000,
				      .on_lost = NODE_ON_LOST_KILL,
				      .configured = configured,
				      .configured_count = 1 };
	const struct node_attributes want = { .lvb_len = 8 };
	struct node_open open = { .space = "s", .comm = "fuzz" };
	struct rig r = { .node = node_new(&config) };
	struct node_space_info info;
	struct cursor in = cursor_make(data, size);

	node_tick(r.node, 1, 1);
	node_quorum(r.node, (struct node_ring){ SELF, 1 }, true);
	fuzz_expect(node_space_create(r.node, "s", &want) == 0);
	node_order_up(r.node);
	for (int i = 0; i < 8; i++) {
		drain(&r);
	}
	fuzz_expect(node_space_info_find(r.node, "s", &info) && info.ready);
	fuzz_expect(node_session_open(r.node, 1, &open) == 0);
	drain(&r);
	while (cursor_left(&in) >= 3) {
		uint8_t verb = cursor_get_u8(&in);
		size_t row_size = cursor_get_u16(&in);

		row_size = row_size < cursor_left(&in) ? row_size : cursor_left(&in);
		row(&r, verb, cursor_get_bytes(&in, row_size), row_size);
		drain(&r);
		drain(&r);
		fuzz_expect(node_check(r.node) == NULL);
	}
	r.node = node_free(r.node);
	return 0;
}
