/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node logic on a perfect bus: every message and membership change reaches all members at
 * once and in one order. Shows the stories of recovery.md step by step, one per test; order and
 * failure in all their variety are the simulator's business.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "plugin/engine/engine.h"
#include "plugin/node/node.h"
#include "plugin/node/trace.h"
#include "tests/unit/engine_flip.h"

#define NODES 3
#define GROUPS 32

/* An action that was taken out of turn (node_urgent). */
struct put_off {
	struct node_action a;
	char name[NODE_GROUP_NAME_MAX + 1];
	uint8_t bytes[2048];
};

/* What the bus remembers of one node. */
struct host {
	struct put_off put_off[64];
	size_t put_off_count;
	/* The state image being given away: 0 none. */
	uint64_t image;
	struct buf image_bytes;
	size_t image_fed;
	size_t image_wanted;
	int refused;           /* SPACE_FAILED: status */
	struct buf dump;
	int dumps;
	int image_error;       /* fork fails that often */
	bool image_stuck;      /* the writer says nothing */
	int images, image_stops;
	struct node *node;
	bool up;
	bool frozen; /* its daemon is stopped: stays a member, does nothing */
	int side; /* partition it is in */
	unsigned int starts;
	struct {
		char name[NODE_GROUP_NAME_MAX + 1];
		bool member;
	} groups[GROUPS];
	/* last callbacks */
	node_conn ready_conn, cast_conn, bast_conn, lost_conn, kill_conn;
	int ready_count, cast_count, bast_count, lost_count, kill_count;
	struct node_action cast;
	uint8_t cast_lvb[LOCKSTEP_LVB_MAX];
	int bast_mode;
};

/* A message the ring has not delivered yet. */
struct delayed {
	uint32_t from;
	size_t size;
	char name[NODE_GROUP_NAME_MAX + 1];
	uint8_t bytes[512];
};

struct bus {
	bool silent;         /* messages wait in `delayed` */
	unsigned int passing; /* that many get through first */
	struct delayed delayed[256];
	size_t delayed_count;
	struct host hosts[NODES + 1];
	uint64_t ring_seq;
	uint64_t mutations;
	bool late; /* drivers do not look at node_urgent(), and another event comes first */
	uint32_t chunk_bytes;
	uint32_t replay_bytes;
	uint64_t kept_bytes_max;
	uint16_t level_max[NODES + 1]; /* 0: all that this program knows */
	uint32_t digest_interval;
};

static const uint32_t everybody[NODES] = { 1, 2, 3 };

static uint32_t pid_of(uint32_t id)
{
	return 1000 + id;
}

static bool is_member(const struct host *h, const char *name, uint32_t *ret_group)
{
	for (uint32_t g = 0; g < GROUPS; g++) {
		if (h->up && h->groups[g].member && strcmp(h->groups[g].name, name) == 0) {
			*ret_group = g;
			return true;
		}
	}
	return false;
}

/* Tells every member on @side of group @name about one change. */
static void confchg(struct bus *b, int side, const char *name, const struct node_address *left,
		    size_t left_count, const struct node_address *joined, size_t joined_count)
{
	struct node_address members[NODES];
	size_t count = 0;
	uint32_t g;

	for (uint32_t id = 1; id <= NODES; id++) {
		if (b->hosts[id].side == side && is_member(&b->hosts[id], name, &g)) {
			members[count].nodeid = id;
			members[count].pid = pid_of(id);
			members[count++].reason = 0;
		}
	}
	for (uint32_t id = 1; id <= NODES; id++) {
		if (b->hosts[id].side == side && is_member(&b->hosts[id], name, &g)) {
			node_confchg(b->hosts[id].node, g, members, count, left, left_count, joined,
				     joined_count);
		}
	}
}

static size_t side_nodes(const struct bus *b, int side, uint32_t *ret)
{
	size_t count = 0;

	for (uint32_t id = 1; id <= NODES; id++) {
		if (b->hosts[id].up && b->hosts[id].side == side) {
			ret[count++] = id;
		}
	}
	return count;
}

static void image_sink(void *arg, const void *data, size_t size)
{
	buf_put_bytes(arg, data, size);
}

static void image_begin(struct host *h, uint64_t image)
{
	h->images++;
	if (h->image_error > 0) {
		h->image_error--;
		node_image_end(h->node, image, EAGAIN);
		return;
	}
	buf_clear(&h->image_bytes);
	h->image = image;
	h->image_fed = 0;
	h->image_wanted = 0;
	if (node_image_write(h->node, image, image_sink, &h->image_bytes) != 0) {
		h->image = 0; /* not wanted any more */
	}
}

/* Feeds what is wanted, as a pipe does: sometimes less at a time. */
static bool image_feed(struct host *h)
{
	size_t left = h->image_bytes.size - h->image_fed;
	size_t size = h->image_wanted < left ? h->image_wanted : left;

	if (h->image == 0 || h->image_wanted == 0 || h->image_stuck) {
		return false;
	}
	if (size > 7) {
		size = size * 2 / 3;
	}
	node_image_bytes(h->node, h->image, h->image_bytes.data + h->image_fed, size);
	h->image_fed += size;
	h->image_wanted -= size;
	if (h->image_fed == h->image_bytes.size) {
		uint64_t image = h->image;

		h->image = 0;
		node_image_end(h->node, image, 0);
	}
	return true;
}

/* The state is copied before anything else happens; other actions wait for their turn. */
static void urgent(struct host *h)
{
	struct node_action a;

	while (node_urgent(h->node)) {
		struct put_off *p = &h->put_off[h->put_off_count];

		assert_true(node_action_next(h->node, &a));
		if (a.type == NODE_ACTION_IMAGE_BEGIN) {
			image_begin(h, a.token);
			continue;
		}
		assert_true(h->put_off_count < 64 && a.size <= sizeof(p->bytes));
		p->a = a;
		snprintf(p->name, sizeof(p->name), "%s", a.name ? a.name : "");
		if (a.size > 0) {
			memcpy(p->bytes, a.data, a.size);
		}
		h->put_off_count++;
	}
}

static void deliver(struct bus *b, uint32_t from, const char *name, const uint8_t *bytes, size_t size)
{
	uint32_t g;

	for (uint32_t to = 1; to <= NODES; to++) {
		if (b->hosts[to].side == b->hosts[from].side && !b->hosts[to].frozen &&
		    is_member(&b->hosts[to], name, &g)) {
			node_message(b->hosts[to].node, g, from, pid_of(from), bytes, size);
			if (b->late && node_urgent(b->hosts[to].node)) {
				node_message(b->hosts[to].node, g, from, pid_of(from), "", 0);
			}
			urgent(&b->hosts[to]);
		}
	}
}

static void deliver_delayed(struct bus *b)
{
	for (size_t i = 0; i < b->delayed_count; i++) {
		const struct delayed *d = &b->delayed[i];

		deliver(b, d->from, d->name, d->bytes, d->size);
	}
	b->delayed_count = 0;
}

static void act(struct bus *b, uint32_t id, const struct node_action *a)
{
	struct host *h = &b->hosts[id];
	struct node_address one = { .nodeid = id, .pid = pid_of(id), .reason = NODE_REASON_JOIN };

	switch (a->type) {
	case NODE_ACTION_JOIN: {
		uint32_t nodes[NODES];
		size_t count = side_nodes(b, h->side, nodes);

		snprintf(h->groups[a->group].name, sizeof(h->groups[a->group].name), "%s", a->name);
		h->groups[a->group].member = true;
		confchg(b, h->side, a->name, NULL, 0, &one, 1);
		node_totem(h->node, a->group, (struct node_ring){ nodes[0], b->ring_seq }, nodes,
			   count);
		break;
	}
	case NODE_ACTION_LEAVE:
		h->groups[a->group].member = false;
		one.reason = NODE_REASON_LEAVE;
		confchg(b, h->side, h->groups[a->group].name, &one, 1, NULL, 0);
		break;
	case NODE_ACTION_MCAST: {
		uint8_t bytes[NODE_MESSAGE_MAX];
		char name[NODE_GROUP_NAME_MAX + 1];

		memcpy(bytes, a->data, a->size);
		snprintf(name, sizeof(name), "%s", h->groups[a->group].name);
		if (b->silent && b->passing > 0) {
			b->passing--;
		} else if (b->silent) {
			struct delayed *d = &b->delayed[b->delayed_count++];

			assert_true(b->delayed_count < 256 && a->size <= sizeof(d->bytes));
			d->from = id;
			d->size = a->size;
			memcpy(d->name, name, sizeof(name));
			memcpy(d->bytes, bytes, a->size);
			break;
		}
		deliver(b, id, name, bytes, a->size);
		break;
	}
	case NODE_ACTION_READY:
		assert_int_equal(a->status, 0);
		h->ready_conn = a->conn;
		h->ready_count++;
		break;
	case NODE_ACTION_CAST:
		h->cast = *a;
		h->cast_conn = a->conn;
		h->cast_count++;
		if (a->size > 0) {
			memcpy(h->cast_lvb, a->data, a->size);
		}
		break;
	case NODE_ACTION_BAST:
		h->bast_conn = a->conn;
		h->bast_mode = a->mode;
		h->bast_count++;
		break;
	case NODE_ACTION_LOST:
		h->lost_conn = a->conn;
		h->lost_count++;
		break;
	case NODE_ACTION_KILL:
		h->kill_conn = a->conn;
		h->kill_count++;
		break;
	case NODE_ACTION_RESERVE:
		node_reserved(h->node, a->token);
		break;
	case NODE_ACTION_REPLY:
	case NODE_ACTION_PREP:
	case NODE_ACTION_SLOT:
	case NODE_ACTION_DONE:
		break;
	case NODE_ACTION_SPACE_FAILED:
		h->refused = a->status;
		break;
	case NODE_ACTION_DUMP:
		buf_clear(&h->dump);
		buf_put_bytes(&h->dump, a->data, a->size);
		h->dumps++;
		break;
	case NODE_ACTION_TRACE:
		break;
	case NODE_ACTION_LOG:
		if (getenv("NODE_LOG")) {
			printf("# %u: %.*s\n", id, (int)a->size, (const char *)a->data);
		}
		break;
	case NODE_ACTION_IMAGE_BEGIN:
		image_begin(h, a->token);
		break;
	case NODE_ACTION_IMAGE_READ:
		h->image_wanted += a->token == h->image ? a->value : 0;
		break;
	case NODE_ACTION_IMAGE_STOP:
		if (a->token == h->image) {
			h->image = 0;
			h->image_stops++;
		}
		break;
	case NODE_ACTION_FENCE_MARK:
	case NODE_ACTION_REBOOT:
	case NODE_ACTION_FENCE:
	case NODE_ACTION_AGAIN:
		break;
	}
}

static bool put_off_act(struct bus *b, uint32_t id)
{
	struct host *h = &b->hosts[id];

	for (size_t i = 0; i < h->put_off_count; i++) {
		struct put_off *p = &h->put_off[i];

		p->a.name = p->name;
		p->a.data = p->bytes;
		act(b, id, &p->a);
	}
	bool any = h->put_off_count > 0;

	h->put_off_count = 0;
	return any;
}

/* Runs until nobody has anything to do. */
static void settle(struct bus *b)
{
	bool busy = true;

	for (int round = 0; busy; round++) {
		assert_true(round < 1000);
		busy = false;
		for (uint32_t id = 1; id <= NODES; id++) {
			struct node_action a;

			if (!b->hosts[id].up || b->hosts[id].frozen) {
				continue;
			}
			busy |= put_off_act(b, id);
			busy |= image_feed(&b->hosts[id]);
			node_flush(b->hosts[id].node);
			while (b->hosts[id].up && node_action_next(b->hosts[id].node, &a)) {
				busy |= a.type != NODE_ACTION_LOG;
				act(b, id, &a);
			}
			assert_null(node_check(b->hosts[id].node));
		}
	}
}

/* A new ring for all nodes of a side: quorum and totem notifications. */
static void ring(struct bus *b, int side)
{
	uint32_t nodes[NODES];
	size_t count = side_nodes(b, side, nodes);

	b->ring_seq += 4;
	for (size_t i = 0; i < count; i++) {
		struct host *h = &b->hosts[nodes[i]];
		struct node_ring r = { nodes[0], b->ring_seq };

		node_quorum(h->node, r, count * 2 > NODES);
		for (uint32_t g = 0; g < GROUPS; g++) {
			if (h->groups[g].member) {
				node_totem(h->node, g, r, nodes, count);
			}
		}
	}
}

static void boot(struct bus *b, uint32_t id)
{
	struct host *h = &b->hosts[id];
	struct node_config config = {
		.nodeid = id,
		.pid = pid_of(id),
		.incarnation = ((uint64_t)id << 40) + ((uint64_t)++h->starts << 16),
		.on_lost = NODE_ON_LOST_KILL,
		.configured = everybody,
		.configured_count = NODES,
		.mutations = b->mutations,
		.chunk_bytes = b->chunk_bytes,
		.chunk_window = 2,
		.replay_bytes = b->replay_bytes,
		.kept_bytes_max = b->kept_bytes_max,
		.level_max = b->level_max[id],
		.digest_interval = b->digest_interval,
	};

	memset(h->groups, 0, sizeof(h->groups));
	h->node = node_new(&config);
	node_tick(h->node, 1, 1);
	h->up = true;
	h->side = 0;
	ring(b, 0);
	assert_int_equal(node_space_create(h->node, "default", 0), 0);
	node_order_up(h->node);
	settle(b);
}

/* Every group on @side sees the nodes in @gone go down together. */
static void nodes_down(struct bus *b, int side, const uint32_t *gone, size_t gone_count,
		       const char *name)
{
	struct node_address left[NODES];

	for (size_t i = 0; i < gone_count; i++) {
		left[i] = (struct node_address){ gone[i], pid_of(gone[i]), NODE_REASON_NODEDOWN };
	}
	confchg(b, side, name, left, gone_count, NULL, 0);
}

static void crash(struct bus *b, uint32_t id)
{
	struct host *h = &b->hosts[id];

	h->up = false;
	h->node = node_free(h->node);
	nodes_down(b, h->side, &id, 1, "lockstep:daemons");
	nodes_down(b, h->side, &id, 1, "lockstep:ls:default");
	ring(b, h->side);
	settle(b);
}

/* Node @id alone on side 1, the others stay on side 0. */
static void cut(struct bus *b, uint32_t id)
{
	static const char *const names[] = { "lockstep:daemons", "lockstep:ls:default" };
	uint32_t others[NODES];
	size_t count = 0;

	b->hosts[id].side = 1;
	for (uint32_t other = 1; other <= NODES; other++) {
		if (other != id && b->hosts[other].up) {
			others[count++] = other;
		}
	}
	for (size_t i = 0; i < 2; i++) {
		nodes_down(b, 0, &id, 1, names[i]);
		nodes_down(b, 1, others, count, names[i]);
	}
	ring(b, 0);
	ring(b, 1);
	settle(b);
}

static void heal(struct bus *b, uint32_t id)
{
	static const char *const names[] = { "lockstep:daemons", "lockstep:ls:default" };
	uint32_t g;

	for (size_t i = 0; i < 2; i++) {
		struct node_address one = { id, pid_of(id), NODE_REASON_NODEUP };
		struct node_address joined[NODES];
		struct node_address members[NODES];
		size_t count = 0;
		size_t members_count = 0;

		for (uint32_t other = 1; other <= NODES; other++) {
			if (!is_member(&b->hosts[other], names[i], &g)) {
				continue;
			}
			members[members_count++] = (struct node_address){ other, pid_of(other), 0 };
			if (other != id) {
				joined[count++] =
					(struct node_address){ other, pid_of(other),
							       NODE_REASON_NODEUP };
			}
		}
		for (uint32_t other = 1; other <= NODES; other++) {
			if (!is_member(&b->hosts[other], names[i], &g)) {
				continue;
			}
			node_confchg(b->hosts[other].node, g, members, members_count, NULL, 0,
				     other == id ? joined : &one, other == id ? count : 1);
		}
	}
	b->hosts[id].side = 0;
	ring(b, 0);
	settle(b);
}

static void open_session(struct bus *b, uint32_t id, node_conn conn)
{
	struct node_open open = { .space = "default", .pid = 77, .uid = 0, .comm = "test" };

	assert_int_equal(node_session_open(b->hosts[id].node, conn, &open), 0);
	settle(b);
}

static int submit(struct bus *b, uint32_t id, node_conn conn, enum engine_op_type type, uint8_t mode,
		  uint32_t flags, const char *name, const uint8_t *lvb, uint32_t *lkid)
{
	struct node_submit s = { .type = type,
				 .mode = mode,
				 .flags = flags,
				 .has_bast = true,
				 .lkid = *lkid,
				 .name = (const uint8_t *)name,
				 .name_len = name ? strlen(name) : 0,
				 .lvb = lvb,
				 .lvb_len = lvb ? LOCKSTEP_LVB_DEFAULT : 0 };
	bool completes;
	int error = node_submit(b->hosts[id].node, conn, &s, lkid, &completes);

	settle(b);
	return error;
}

static struct node_space_info info_of(struct bus *b, uint32_t id)
{
	struct node_space_info info;

	assert_true(node_space_info_find(b->hosts[id].node, "default", &info));
	return info;
}

static void expect_equal(struct bus *b, uint32_t first, uint32_t second)
{
	struct node_space_info x = info_of(b, first);
	struct node_space_info y = info_of(b, second);

	assert_true(x.ready && y.ready);
	assert_int_equal(x.seq, y.seq);
	assert_int_equal(x.digest, y.digest);
	assert_int_equal(x.history, y.history);
}

static int setup(void **state)
{
	struct bus *b = calloc(1, sizeof(*b));

	for (uint32_t id = 1; id <= NODES; id++) {
		boot(b, id);
	}
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bus *b = *state;

	for (uint32_t id = 1; id <= NODES; id++) {
		b->hosts[id].node = node_free(b->hosts[id].node);
		buf_done(&b->hosts[id].image_bytes);
		buf_done(&b->hosts[id].dump);
	}
	free(b);
	return 0;
}

/* R-COND-7: nobody forms a lockspace before every configured node is accounted for. */
static void a_lockspace_is_not_formed_while_a_configured_node_is_unknown(void **state)
{
	struct bus *b = calloc(1, sizeof(*b));

	(void)state;
	boot(b, 1);
	boot(b, 2);
	assert_string_equal(info_of(b, 1).state, "joining");
	assert_non_null(strstr(info_of(b, 1).reason, "node 3"));
	assert_int_equal(node_fence_ack(b->hosts[1].node, 3), 0);
	settle(b);
	assert_string_equal(info_of(b, 1).state, "running");
	expect_equal(b, 1, 2);
	*(struct bus **)state = b;
	(void)teardown(state);
}

static void three_nodes_form_one_lockspace(void **state)
{
	struct bus *b = *state;

	for (uint32_t id = 1; id <= NODES; id++) {
		assert_string_equal(info_of(b, id).state, "running");
		assert_int_equal(info_of(b, id).members_count, 3);
	}
	expect_equal(b, 1, 2);
	expect_equal(b, 1, 3);
}

/* R-GR-1, R-BAST-2, R-LVB-2/3 across nodes; R-TOK-1. */
static void a_lock_goes_from_node_to_node(void **state)
{
	struct bus *b = *state;
	uint8_t lvb[LOCKSTEP_LVB_DEFAULT] = "hello";
	uint32_t first = 0;
	uint32_t second = 0;

	open_session(b, 1, 10);
	open_session(b, 2, 20);
	assert_int_equal(submit(b, 1, 10, ENGINE_OP_LOCK, 5, LOCKSTEP_LKF_VALBLK, "r", lvb, &first),
			 0);
	assert_int_equal(b->hosts[1].cast_count, 1);
	assert_int_equal(b->hosts[1].cast.status, 0);
	uint64_t token = b->hosts[1].cast.token;

	assert_int_equal(submit(b, 2, 20, ENGINE_OP_LOCK, 5, LOCKSTEP_LKF_VALBLK, "r", lvb, &second),
			 0);
	assert_int_equal(b->hosts[2].cast_count, 0);
	assert_int_equal(b->hosts[1].bast_count, 1);
	assert_int_equal(b->hosts[1].bast_mode, 5);
	assert_int_equal(submit(b, 1, 10, ENGINE_OP_UNLOCK, 0, LOCKSTEP_LKF_VALBLK, NULL, lvb, &first),
			 0);
	assert_int_equal(b->hosts[1].cast.status, LOCKSTEP_EUNLOCK);
	assert_int_equal(b->hosts[2].cast_count, 1);
	assert_true(b->hosts[2].cast.token > token);
	assert_memory_equal(b->hosts[2].cast_lvb, "hello", 6);
	expect_equal(b, 1, 3);
}

static void told_are(const struct bus *b, int casts_1, int casts_2, int casts_3, int basts_1)
{
	assert_int_equal(b->hosts[1].cast_count, casts_1);
	assert_int_equal(b->hosts[2].cast_count, casts_2);
	assert_int_equal(b->hosts[3].cast_count, casts_3);
	assert_int_equal(b->hosts[1].bast_count, basts_1);
	assert_int_equal(b->hosts[2].bast_count, 0);
	assert_int_equal(b->hosts[3].bast_count, 0);
}

/* R-DET-3: each of three equal replicas has the effect, the owner's alone makes a callback of it,
 * also where it was another node's op that brought it about. */
static void an_effect_is_delivered_by_the_owners_node_alone(void **state)
{
	struct bus *b = *state;
	uint32_t lkids[4] = { 0 };

	for (uint32_t node = 1; node <= 3; node++) {
		open_session(b, node, 10 * node);
	}
	submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, "r", NULL, &lkids[1]);
	told_are(b, 1, 0, 0, 0);
	submit(b, 2, 20, ENGINE_OP_LOCK, 3, 0, "r", NULL, &lkids[2]);
	told_are(b, 1, 0, 0, 1);
	submit(b, 3, 30, ENGINE_OP_LOCK, 3, LOCKSTEP_LKF_NOQUEUE, "r", NULL, &lkids[3]);
	told_are(b, 1, 0, 1, 1);
	submit(b, 1, 10, ENGINE_OP_UNLOCK, 0, 0, NULL, NULL, &lkids[1]);
	told_are(b, 2, 1, 1, 1);
	expect_equal(b, 1, 3);
}

/* R-REC-4, R-REC-7: the others go on, what the dead node holds waits for its fencing. */
static void a_crashed_holder_keeps_its_lock_until_it_is_acknowledged(void **state)
{
	struct bus *b = *state;
	uint8_t lvb[LOCKSTEP_LVB_DEFAULT] = "old";
	uint32_t first = 0;
	uint32_t second = 0;
	uint32_t other = 0;

	open_session(b, 1, 10);
	open_session(b, 2, 20);
	open_session(b, 3, 30);
	submit(b, 3, 30, ENGINE_OP_LOCK, 0, 0, "r", NULL, &other); /* keeps the resource */
	submit(b, 1, 10, ENGINE_OP_LOCK, 5, LOCKSTEP_LKF_VALBLK, "r", lvb, &first);
	submit(b, 1, 10, ENGINE_OP_CONVERT, 5, LOCKSTEP_LKF_CONVERT | LOCKSTEP_LKF_VALBLK, NULL, lvb,
	       &first);
	submit(b, 2, 20, ENGINE_OP_LOCK, 5, LOCKSTEP_LKF_VALBLK, "r", lvb, &second);
	crash(b, 1);
	assert_string_equal(info_of(b, 2).state, "recovering");
	assert_non_null(strstr(info_of(b, 2).reason, "1 is lost"));
	assert_int_equal(b->hosts[2].cast_count, 0);
	other = 0;
	submit(b, 3, 30, ENGINE_OP_LOCK, 5, 0, "elsewhere", NULL, &other);
	assert_int_equal(b->hosts[3].cast_count, 2);
	assert_int_equal(node_fence_ack(b->hosts[3].node, 2), EBUSY);
	assert_int_equal(node_fence_ack(b->hosts[3].node, 9), ENOENT);
	assert_int_equal(node_fence_ack(b->hosts[3].node, 1), 0);
	settle(b);
	assert_int_equal(b->hosts[2].cast_count, 1);
	assert_int_equal(b->hosts[2].cast.sb_flags, LOCKSTEP_SBF_VALNOTVALID);
	assert_string_equal(info_of(b, 2).state, "running");
	boot(b, 1);
	assert_string_equal(info_of(b, 1).state, "running");
	expect_equal(b, 1, 2);
	expect_equal(b, 1, 3);
}

/* R-COND-3: a clean rejoin counts as fencing. */
static void a_reboot_is_as_good_as_fencing(void **state)
{
	struct bus *b = *state;
	uint32_t first = 0;
	uint32_t second = 0;

	open_session(b, 1, 10);
	open_session(b, 2, 20);
	submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, "r", NULL, &first);
	submit(b, 2, 20, ENGINE_OP_LOCK, 5, 0, "r", NULL, &second);
	crash(b, 1);
	assert_int_equal(b->hosts[2].cast_count, 0);
	boot(b, 1);
	assert_int_equal(b->hosts[2].cast_count, 1);
	assert_string_equal(info_of(b, 3).state, "running");
	expect_equal(b, 1, 3);
}

/* R-MERGE-1, R-LOST-1: the minority is stopped; after the merge it tells, kills and rejoins. */
static void a_cut_off_holder_is_killed_before_its_lock_goes_on(void **state)
{
	struct bus *b = *state;
	uint32_t first = 0;
	uint32_t second = 0;

	open_session(b, 3, 30);
	open_session(b, 1, 10);
	submit(b, 3, 30, ENGINE_OP_LOCK, 5, 0, "r", NULL, &first);
	submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, "r", NULL, &second);
	cut(b, 3);
	assert_string_equal(info_of(b, 3).state, "stopped");
	assert_string_equal(info_of(b, 1).state, "recovering");
	assert_int_equal(b->hosts[3].lost_count, 0);
	heal(b, 3);
	assert_int_equal(b->hosts[3].lost_count, 1);
	assert_int_equal(b->hosts[3].kill_count, 1);
	assert_int_equal(b->hosts[1].cast_count, 0);
	assert_string_equal(info_of(b, 3).state, "lost");
	node_session_killed(b->hosts[3].node, 30);
	settle(b);
	assert_int_equal(b->hosts[1].cast_count, 1);
	assert_string_equal(info_of(b, 3).state, "running");
	expect_equal(b, 1, 3);
	node_session_close(b->hosts[3].node, 30);
}

/* R-MEM-4, R-MEM-7: a clean leave needs no fencing. */
static void a_node_without_locks_leaves_at_once(void **state)
{
	struct bus *b = *state;
	uint32_t lkid = 0;
	char busy[LOCKSTEP_SPACE_MAX + 1];

	open_session(b, 2, 20);
	submit(b, 2, 20, ENGINE_OP_LOCK, 5, 0, "r", NULL, &lkid);
	assert_int_equal(node_stop(b->hosts[2].node, false, busy), EBUSY);
	assert_string_equal(busy, "default");
	assert_int_equal(node_stop(b->hosts[1].node, false, busy), 0);
	settle(b);
	assert_true(node_idle(b->hosts[1].node));
	assert_string_equal(info_of(b, 2).state, "running");
	assert_int_equal(info_of(b, 2).members_count, 2);
	assert_int_equal(info_of(b, 3).lost_count, 0);
	expect_equal(b, 2, 3);
	/* E is {2,3} now: half of it with the lowest nodeid goes on. */
	crash(b, 1);
	assert_string_equal(info_of(b, 2).state, "running");
}

/* R-ERR-1, R-ERR-2. */
static void refusals_at_submission(void **state)
{
	struct bus *b = *state;
	uint32_t lkid = 0;
	uint32_t wrong = 4711;
	uint32_t waiting = 0;

	open_session(b, 1, 10);
	open_session(b, 1, 11);
	submit(b, 1, 10, ENGINE_OP_LOCK, 3, 0, "r", NULL, &lkid);
	assert_int_equal(submit(b, 1, 10, ENGINE_OP_CONVERT, 5, LOCKSTEP_LKF_CONVERT, NULL, NULL,
				&wrong), ENOENT);
	assert_int_equal(submit(b, 1, 11, ENGINE_OP_UNLOCK, 0, 0, NULL, NULL, &lkid), ENOENT);
	submit(b, 1, 11, ENGINE_OP_LOCK, 5, 0, "r", NULL, &waiting);
	assert_int_equal(submit(b, 1, 11, ENGINE_OP_CONVERT, 3, LOCKSTEP_LKF_CONVERT, NULL, NULL,
				&waiting), EBUSY);
	assert_int_equal(submit(b, 1, 10, ENGINE_OP_LOCK, 9, 0, "r", NULL, &wrong), EINVAL);
	assert_int_equal(submit(b, 1, 11, ENGINE_OP_CANCEL, 0, LOCKSTEP_LKF_CANCEL, NULL, NULL,
				&waiting), 0);
	assert_int_equal(b->hosts[1].cast.status, LOCKSTEP_ECANCEL);
	assert_int_equal(submit(b, 1, 11, ENGINE_OP_UNLOCK, 0, 0, NULL, NULL, &waiting), ENOENT);
	assert_int_equal(submit(b, 1, 10, ENGINE_OP_CANCEL, 0, LOCKSTEP_LKF_CANCEL, NULL, NULL,
				&lkid), 0);
}

/* R-PROC-1: what a session held goes when its connection closes. */
static void a_closed_session_gives_its_locks_away(void **state)
{
	struct bus *b = *state;
	uint32_t first = 0;
	uint32_t second = 0;

	open_session(b, 1, 10);
	open_session(b, 2, 20);
	submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, "r", NULL, &first);
	submit(b, 2, 20, ENGINE_OP_LOCK, 5, 0, "r", NULL, &second);
	node_session_close(b->hosts[1].node, 10);
	settle(b);
	assert_int_equal(b->hosts[2].cast_count, 1);
	expect_equal(b, 1, 3);
}

/* R-STAB-4: a daemon that stopped answering is evicted and counts as lost. */
static void a_stuck_daemon_does_not_stall_grants_for_ever(void **state)
{
	struct bus *b = *state;
	uint32_t held = 0;
	uint32_t first = 0;
	uint32_t second = 0;

	open_session(b, 1, 10);
	open_session(b, 3, 30);
	submit(b, 3, 30, ENGINE_OP_LOCK, 5, 0, "its", NULL, &held);
	b->hosts[3].frozen = true;
	submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, "r", NULL, &first);
	submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, "its", NULL, &second);
	assert_int_equal(b->hosts[1].cast_count, 0);
	for (uint64_t now = 1000; now <= 12000; now += 250) {
		if (now <= 5000) {
			assert_int_equal(b->hosts[1].cast_count, 0);
		}
		node_tick(b->hosts[1].node, now, now);
		node_tick(b->hosts[2].node, now, now);
		settle(b);
		if (now == 4000) {
			assert_non_null(strstr(info_of(b, 1).reason, "node 3"));
		}
	}
	assert_int_equal(b->hosts[1].cast_count, 1);
	assert_string_equal(info_of(b, 1).state, "recovering");
	assert_int_equal(b->hosts[1].cast.lkid, first); /* not `second`: 3 may still hold it */
	expect_equal(b, 1, 2);
}

/* A ring that delivers nothing for longer than confirm_timeout_ms (Debian's token takes 8 s) is
 * nobody's fault: no eviction, neither then nor by what was sent meanwhile. */
static void a_silent_ring_evicts_nobody(void **state)
{
	struct bus *b = *state;
	uint32_t lkid = 0;

	open_session(b, 1, 10);
	b->silent = true;
	b->passing = 1; /* the op arrives, the confirms do not */
	submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, "r", NULL, &lkid);
	for (uint64_t now = 1000; now <= 20000; now += 250) {
		for (uint32_t id = 1; id <= NODES; id++) {
			node_tick(b->hosts[id].node, now, now);
		}
		settle(b);
	}
	b->silent = false;
	deliver_delayed(b);
	settle(b);
	assert_int_equal(b->hosts[1].cast_count, 1);
	assert_string_equal(info_of(b, 1).state, "running");
	assert_int_equal(info_of(b, 1).generation, 1); /* no recovery ran */
}

/*
 * R-VIEW-2 with a leaver: node 1's leave op reaches node 2 alone, which is then cut off. Nodes 1 and 3
 * do not know of it and hold {1,2,3}; if the op alone took node 1 out of node 2's electorate, node 2
 * would be half of {2,3} with its lowest member, and both sides would go on. Quorum is forced, as
 * the second side gets it when the first has gone.
 */
static void a_leave_that_only_one_node_saw_gives_no_second_lineage(void **state)
{
	struct bus *b = *state;
	char busy[LOCKSTEP_SPACE_MAX + 1];

	b->silent = true;
	assert_int_equal(node_stop(b->hosts[1].node, false, busy), 0);
	settle(b);
	assert_true(b->delayed_count > 0);
	b->silent = false;
	b->hosts[1].frozen = true;
	b->hosts[3].frozen = true;
	deliver_delayed(b);
	b->hosts[1].frozen = false;
	b->hosts[3].frozen = false;
	b->hosts[2].side = 1;
	nodes_down(b, 1, (const uint32_t[]){ 1, 3 }, 2, "lockstep:daemons");
	nodes_down(b, 1, (const uint32_t[]){ 1, 3 }, 2, "lockstep:ls:default");
	ring(b, 1);
	node_quorum(b->hosts[2].node, (struct node_ring){ 2, b->ring_seq }, true);
	settle(b);
	assert_string_equal(info_of(b, 2).state, "stopped");
	assert_int_equal(info_of(b, 2).members_count, 1);
}

/* --- state transfer (R-CPG-4) --- */

static uint64_t counter_of(struct bus *b, uint32_t id, const char *name)
{
	uint64_t value = 0;
	const char *at;

	for (size_t i = 0; (at = node_counter_at(b->hosts[id].node, i, &value)); i++) {
		if (strcmp(at, name) == 0) {
			return value;
		}
	}
	fail_msg("no counter %s", name);
	return 0;
}

/* Small pieces, so that a few locks are many of them. */
static int setup_small(void **state)
{
	struct bus *b = calloc(1, sizeof(*b));

	b->chunk_bytes = 64;
	b->replay_bytes = 200;
	for (uint32_t id = 1; id <= NODES; id++) {
		boot(b, id);
	}
	*state = b;
	return 0;
}

/* Node 3 is down; node 1 holds some locks. */
static void two_of_three(struct bus *b, uint32_t lkids[8])
{
	crash(b, 3);
	open_session(b, 1, 10);
	for (unsigned int i = 0; i < 8; i++) {
		char name[2] = { (char)('a' + i), 0 };

		lkids[i] = 0;
		assert_int_equal(submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, name, NULL, &lkids[i]), 0);
	}
}

static void state_comes_in_pieces_while_others_go_on(void **state)
{
	struct bus *b = *state;
	uint32_t lkids[8];
	uint32_t more = 0;

	two_of_three(b, lkids);
	int casts = b->hosts[1].cast_count;

	b->hosts[1].image_stuck = true;
	boot(b, 3);
	assert_string_equal(info_of(b, 3).state, "joining");
	assert_non_null(strstr(info_of(b, 3).reason, "from node 1"));
	/* The donor grants and takes back meanwhile; the joiner keeps it all. */
	assert_int_equal(submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, "more", NULL, &more), 0);
	assert_int_equal(submit(b, 1, 10, ENGINE_OP_UNLOCK, 0, 0, NULL, NULL, &lkids[0]), 0);
	assert_int_equal(b->hosts[1].cast_count, casts + 2);
	b->hosts[1].image_stuck = false;
	settle(b);
	assert_string_equal(info_of(b, 3).state, "running");
	assert_true(counter_of(b, 3, "replay_slices") > 1);
	expect_equal(b, 1, 3);
	expect_equal(b, 2, 3);
}

static void a_donor_whose_writer_fails_tries_again(void **state)
{
	struct bus *b = *state;
	uint32_t lkids[8];

	two_of_three(b, lkids);
	b->hosts[1].image_error = 2;
	boot(b, 3);
	assert_int_equal(b->hosts[1].image_error, 1);
	assert_string_equal(info_of(b, 3).state, "joining");
	node_tick(b->hosts[1].node, 3000, 3000);
	settle(b);
	assert_int_equal(b->hosts[1].image_error, 0);
	assert_string_equal(info_of(b, 3).state, "joining");
	node_tick(b->hosts[1].node, 6000, 6000);
	settle(b);
	assert_string_equal(info_of(b, 3).state, "running");
	assert_int_equal(counter_of(b, 1, "images_failed"), 2);
	expect_equal(b, 1, 3);
}

static void a_writer_that_does_nothing_is_replaced(void **state)
{
	struct bus *b = *state;
	uint32_t lkids[8];

	two_of_three(b, lkids);
	b->hosts[1].image_stuck = true;
	boot(b, 3);
	node_tick(b->hosts[1].node, 40000, 40000);
	settle(b);
	assert_int_equal(b->hosts[1].image_stops, 1);
	b->hosts[1].image_stuck = false;
	node_tick(b->hosts[1].node, 50000, 50000);
	settle(b);
	assert_string_equal(info_of(b, 3).state, "running");
	expect_equal(b, 1, 3);
}

/* Whatever went wrong with its donor: a joiner to whom nothing comes says so. */
static void a_joiner_to_whom_nothing_comes_asks_again(void **state)
{
	struct bus *b = *state;
	uint32_t lkids[8];

	two_of_three(b, lkids);
	b->hosts[1].image_stuck = true;
	boot(b, 3);
	int images = b->hosts[1].images;

	node_tick(b->hosts[3].node, 29000, 29000);
	settle(b);
	assert_int_equal(b->hosts[1].image_stops, 0);
	node_tick(b->hosts[3].node, 40000, 40000);
	settle(b);
	assert_int_equal(b->hosts[1].image_stops, 1);
	assert_int_equal(b->hosts[1].images, images + 1);
	b->hosts[1].image_stuck = false;
	settle(b);
	assert_string_equal(info_of(b, 3).state, "running");
	expect_equal(b, 1, 3);
}

/* The next lowest carrier begins again. */
static void the_donor_dies_in_the_middle(void **state)
{
	struct bus *b = *state;
	uint32_t lkids[8];

	two_of_three(b, lkids);
	b->hosts[1].image_stuck = true;
	boot(b, 3);
	int images = b->hosts[2].images;

	crash(b, 1);
	assert_false(info_of(b, 3).ready);
	/* Node 2 is the higher half of {1,2}: it goes on when the other half is surely down. */
	assert_int_equal(node_fence_ack(b->hosts[2].node, 1), 0);
	settle(b);
	assert_int_equal(b->hosts[2].images, images + 1);
	assert_string_equal(info_of(b, 3).state, "running");
	expect_equal(b, 2, 3);
}

static void the_joiner_dies_in_the_middle(void **state)
{
	struct bus *b = *state;
	uint32_t lkids[8];

	two_of_three(b, lkids);
	b->hosts[1].image_stuck = true;
	boot(b, 3);
	crash(b, 3);
	assert_int_equal(b->hosts[1].image_stops, 1);
	assert_string_equal(info_of(b, 1).state, "running"); /* R-COND-2: no fencing for it */
	b->hosts[1].image_stuck = false;
	boot(b, 3);
	assert_string_equal(info_of(b, 3).state, "running");
	expect_equal(b, 1, 3);
}

static void an_image_that_was_changed_on_its_way_is_refused(void **state)
{
	struct bus *b = *state;
	uint32_t lkids[8];

	two_of_three(b, lkids);
	b->hosts[1].image_stuck = true;
	boot(b, 3);
	b->hosts[1].image_bytes.data[0] ^= 1; /* of the digest */
	b->hosts[1].image_stuck = false;
	settle(b);
	assert_int_equal(counter_of(b, 3, "digest_mismatch"), 1);
	/* It came back as somebody new, and got another one. */
	assert_string_equal(info_of(b, 3).state, "running");
	expect_equal(b, 1, 3);
}

static void a_joiner_keeps_no_more_than_it_may(void **state)
{
	struct bus *b = *state;
	uint32_t lkids[8];

	two_of_three(b, lkids);
	b->kept_bytes_max = 20000;
	b->hosts[1].image_stuck = true;
	boot(b, 3);
	for (unsigned int i = 0; i < 50; i++) {
		uint32_t lkid = 0;

		assert_int_equal(submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, "more", NULL, &lkid), 0);
		assert_int_equal(submit(b, 1, 10, ENGINE_OP_UNLOCK, 0, 0, NULL, NULL, &lkid), 0);
	}
	assert_true(counter_of(b, 3, "kept_overflows") > 0);
	assert_string_equal(info_of(b, 3).state, "joining");
	b->hosts[1].image_stuck = false;
	settle(b);
	assert_string_equal(info_of(b, 3).state, "running");
	expect_equal(b, 1, 3);
}

/* The contract of node_urgent(): what is copied too late is not the state of the sync-begin. */
static void a_late_copy_of_the_state_is_void(void **state)
{
	struct bus *b = *state;
	uint32_t lkids[8];

	two_of_three(b, lkids);
	b->late = true;
	boot(b, 3);
	assert_int_equal(counter_of(b, 1, "images_failed"), 1);
	b->late = false;
	node_tick(b->hosts[1].node, 3000, 3000);
	settle(b);
	assert_string_equal(info_of(b, 3).state, "running");
	expect_equal(b, 1, 3);
}

/* --- feature levels (ARCHITECTURE.md, R-LVL) --- */

static int setup_old(void **state)
{
	struct bus *b = calloc(1, sizeof(*b));

	b->digest_interval = 8;
	for (uint32_t id = 1; id <= NODES; id++) {
		b->level_max[id] = 1;
		boot(b, id);
	}
	*state = b;
	return 0;
}

/* More ops than two digest intervals. */
static void lock_and_unlock(struct bus *b, uint32_t id, node_conn conn)
{
	for (unsigned int i = 0; i < 10; i++) {
		uint32_t lkid = 0;

		assert_int_equal(submit(b, id, conn, ENGINE_OP_LOCK, 5, 0, "busy", NULL, &lkid), 0);
		assert_int_equal(submit(b, id, conn, ENGINE_OP_UNLOCK, 0, 0, NULL, NULL, &lkid), 0);
	}
}

static void restart(struct bus *b, uint32_t id, uint16_t level)
{
	crash(b, id);
	b->level_max[id] = level;
	boot(b, id);
}

static void the_level_is_that_of_the_oldest_until_he_is_upgraded(void **state)
{
	struct bus *b = *state;

	open_session(b, 1, 10);
	assert_int_equal(info_of(b, 1).level, 1);
	lock_and_unlock(b, 1, 10);
	restart(b, 3, 2);
	restart(b, 2, 2);
	assert_int_equal(info_of(b, 2).level, 1);
	assert_string_equal(info_of(b, 2).state, "running");
	assert_non_null(strstr(info_of(b, 2).reason, "works at feature level 1, not 2, until lockstepd of node 1"));
	assert_int_equal(info_of(b, 1).reason[0], 0);
	lock_and_unlock(b, 1, 10);
	for (uint32_t id = 1; id <= NODES; id++) {
		assert_int_equal(counter_of(b, id, "digests"), 0);
		assert_int_equal(counter_of(b, id, "bad_messages"), 0);
	}
	restart(b, 1, 2);
	for (uint32_t id = 1; id <= NODES; id++) {
		assert_int_equal(info_of(b, id).level, 2);
		assert_int_equal(info_of(b, id).reason[0], 0);
	}
	expect_equal(b, 1, 3);
	open_session(b, 1, 11);
	lock_and_unlock(b, 1, 11);
	assert_true(counter_of(b, 2, "digests") > 0);
}

/* Everybody could do more, but the recovery that would raise the level is not over. */
static void the_level_is_raised_at_a_recovery_point_only(void **state)
{
	struct bus *b = *state;
	uint32_t lkid = 0;

	restart(b, 2, 2);
	restart(b, 3, 2);
	open_session(b, 1, 10);
	assert_int_equal(submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, "r", NULL, &lkid), 0);
	crash(b, 1);
	assert_string_equal(info_of(b, 2).state, "recovering");
	assert_int_equal(info_of(b, 2).level, 1);
	assert_int_equal(node_fence_ack(b->hosts[2].node, 1), 0);
	settle(b);
	assert_string_equal(info_of(b, 2).state, "running");
	assert_int_equal(info_of(b, 2).level, 2);
	expect_equal(b, 2, 3);
}

static void a_joiner_that_knows_too_little_is_refused_and_stops_nobody(void **state)
{
	struct bus *b = *state;
	struct node_space_info info;
	uint64_t views = 0;

	for (uint32_t id = 1; id <= NODES; id++) {
		restart(b, id, 2);
	}
	assert_int_equal(info_of(b, 1).level, 2);
	crash(b, 3);
	assert_int_equal(node_fence_ack(b->hosts[1].node, 3), 0);
	settle(b);
	assert_string_equal(info_of(b, 1).state, "running");
	views = counter_of(b, 1, "views");
	b->level_max[3] = 1;
	boot(b, 3);
	assert_int_equal(b->hosts[3].refused, EPROTONOSUPPORT);
	assert_false(node_space_info_find(b->hosts[3].node, "default", &info));
	assert_string_equal(info_of(b, 1).state, "running");
	assert_int_equal(counter_of(b, 1, "views"), views);
	assert_int_equal(counter_of(b, 3, "sync_loaded"), 0);
	restart(b, 3, 2);
	assert_string_equal(info_of(b, 3).state, "running");
	expect_equal(b, 1, 3);
}

/* --- replicas that differ (R-DIG-2) --- */

static void flip(struct bus *b, uint32_t id)
{
	engine_flip((struct engine *)(uintptr_t)info_of(b, id).engine);
}

/* A trace by itself, whose end says what each had said. */
static void dump_is(const struct buf *dump, uint32_t nodeid, size_t members, const char *said)
{
	static struct engine_member_id ids[8];
	struct cursor in = cursor_make(dump->data, dump->size);
	struct trace_record begin, mark, view, end;
	struct engine *e = NULL;

	assert_int_equal(trace_decode(&in, ids, 8, &begin), 0);
	assert_int_equal(trace_decode(&in, ids, 8, &mark), 0);
	assert_int_equal(trace_decode(&in, ids, 8, &view), 0);
	assert_int_equal(trace_decode(&in, ids, 8, &end), 0);
	assert_true(cursor_end(&in));
	assert_int_equal(begin.type, TRACE_BEGIN);
	assert_int_equal(begin.nodeid, nodeid);
	assert_int_equal(view.what, TRACE_DIFFERS);
	assert_int_equal(view.members_count, members);
	struct cursor snapshot = cursor_make(begin.data, begin.size);

	assert_int_equal(engine_snapshot_decode(&snapshot, &e), 0);
	assert_int_equal(engine_digest(e), mark.value);
	(void)engine_free(e);
	char *text = strndup((const char *)end.data, end.size);

	assert_non_null(strstr(text, "node 3 is taken out"));
	assert_non_null(strstr(text, said));
	assert_non_null(strstr(text, "electorate: 1 2 3\n"));
	free(text);
}

static void a_replica_that_differs_leaves_a_dump_on_every_member(void **state)
{
	struct bus *b = *state;
	uint32_t lkid = 0;

	for (uint32_t id = 1; id <= NODES; id++) {
		restart(b, id, 2);
	}
	open_session(b, 1, 10);
	assert_int_equal(submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, "a", NULL, &lkid), 0);
	flip(b, 3);
	lock_and_unlock(b, 1, 10);
	for (uint32_t id = 1; id <= NODES; id++) {
		assert_int_equal(b->hosts[id].dumps, 1);
		dump_is(&b->hosts[id].dump, id, 3, "said: node 3 had digest");
	}
	assert_int_equal(counter_of(b, 3, "self_lost"), 1);
	assert_string_equal(info_of(b, 3).state, "running");
	expect_equal(b, 1, 3);
}

static void a_difference_at_a_view_point_is_dumped_too(void **state)
{
	struct bus *b = *state;
	uint32_t lkid = 0;

	open_session(b, 1, 10);
	assert_int_equal(submit(b, 1, 10, ENGINE_OP_LOCK, 5, 0, "a", NULL, &lkid), 0);
	flip(b, 3);
	crash(b, 2);
	for (uint32_t id = 1; id <= NODES; id += 2) {
		assert_int_equal(b->hosts[id].dumps, 1);
		dump_is(&b->hosts[id].dump, id, 2, "said: node 3 was ready at seq");
	}
	assert_int_equal(counter_of(b, 3, "self_lost"), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define SMALL(f) cmocka_unit_test_setup_teardown(f, setup_small, teardown)
#define OLD(f) cmocka_unit_test_setup_teardown(f, setup_old, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lockspace_is_not_formed_while_a_configured_node_is_unknown),
		TEST(three_nodes_form_one_lockspace),
		TEST(a_lock_goes_from_node_to_node),
		TEST(an_effect_is_delivered_by_the_owners_node_alone),
		TEST(a_crashed_holder_keeps_its_lock_until_it_is_acknowledged),
		TEST(a_reboot_is_as_good_as_fencing),
		TEST(a_cut_off_holder_is_killed_before_its_lock_goes_on),
		TEST(a_node_without_locks_leaves_at_once),
		TEST(refusals_at_submission),
		TEST(a_closed_session_gives_its_locks_away),
		TEST(a_stuck_daemon_does_not_stall_grants_for_ever),
		TEST(a_silent_ring_evicts_nobody),
		TEST(a_leave_that_only_one_node_saw_gives_no_second_lineage),
		SMALL(state_comes_in_pieces_while_others_go_on),
		SMALL(a_donor_whose_writer_fails_tries_again),
		SMALL(a_writer_that_does_nothing_is_replaced),
		SMALL(a_joiner_to_whom_nothing_comes_asks_again),
		SMALL(the_donor_dies_in_the_middle),
		SMALL(the_joiner_dies_in_the_middle),
		SMALL(an_image_that_was_changed_on_its_way_is_refused),
		SMALL(a_joiner_keeps_no_more_than_it_may),
		SMALL(a_late_copy_of_the_state_is_void),
		OLD(the_level_is_that_of_the_oldest_until_he_is_upgraded),
		OLD(the_level_is_raised_at_a_recovery_point_only),
		OLD(a_joiner_that_knows_too_little_is_refused_and_stops_nobody),
		OLD(a_replica_that_differs_leaves_a_dump_on_every_member),
		OLD(a_difference_at_a_view_point_is_dumped_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
