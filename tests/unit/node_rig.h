/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A few nodes on a perfect bus, for tests of what clients submit: messages reach everybody at once
 * and in one order, unless they are held back, which keeps the ops of the moment in flight. What
 * the nodes say to clients is written down.
 */
#ifndef LOCKSTEP_TESTS_NODE_RIG_H
#define LOCKSTEP_TESTS_NODE_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "plugin/engine/engine.h"
#include "plugin/node/node.h"

#define RIG_NODES 4
#define RIG_GROUPS 16
#define RIG_EVENTS 256
#define RIG_MESSAGES 256

struct rig_event {
	enum node_action_type type;
	node_conn conn;
	int32_t status;
	uint32_t value;
	uint32_t lkid;
	int8_t mode;
	uint8_t sb_flags;
	uint64_t token;
	char text[256]; /* LOG; SPACE_FAILED: the name; DONE: "nodeid:slot ..." */
};

struct rig_host {
	struct node *node; /* NULL: it is down */
	unsigned int starts;
	char groups[RIG_GROUPS][NODE_GROUP_NAME_MAX + 1]; /* empty: not a member */
	struct rig_event events[RIG_EVENTS];
	size_t count;
	struct buf image; /* state being given to a joiner */
	size_t image_fed;
};

struct rig {
	size_t nodes;
	struct node_config bounds;
	uint64_t ring_seq;
	uint64_t now_ms;
	bool hold;
	struct rig_message *held[RIG_MESSAGES];
	size_t held_count;
	struct rig_message *queued[RIG_MESSAGES]; /* on their way */
	size_t queued_count;
	struct rig_host hosts[RIG_NODES + 1]; /* by nodeid */
};

/* @bounds: the limits of its config; may be NULL. All nodes are up, in no lockspace. */
struct rig *rig_new(size_t nodes, const struct node_config *bounds);
struct rig *rig_free(struct rig *r);
/* Its daemon alone is gone; Corosync lives on. */
void rig_daemon_killed(struct rig *r, uint32_t id);
/* A node dies, and with it what it had multicast and nobody has got; it is up again, in no lockspace. The
 * others are quorate whatever their number. */
void rig_crash(struct rig *r, uint32_t id);
void rig_boot(struct rig *r, uint32_t id);
/* Runs until nobody has anything to do. */
void rig_settle(struct rig *r);
/* While held, what is multicast stays on its way. */
void rig_hold(struct rig *r, bool hold);
/* Messages with ops that are held. Confirms, which may show that one is lost, do not count. */
size_t rig_held_ops(const struct rig *r);
/* Delivers what is held; what that brings about is held again. */
void rig_deliver_held(struct rig *r);
/* Time passes in ticks. */
void rig_pass(struct rig *r, uint64_t ms);
/* Takes the quorum away and gives it back: meanwhile nothing is ordered and no time counts. */
void rig_stop(struct rig *r, bool stopped);

/* Opens a session of @pid on @space, which is created; it must become ready. */
void rig_open(struct rig *r, uint32_t id, node_conn conn, const char *space, uint32_t pid);

struct rig_op {
	enum engine_op_type type;
	int mode;
	uint32_t flags;
	uint32_t lkid;
	const char *name;
	bool lvb; /* a buffer of the default length */
	uint32_t timeout_cs;
	uint64_t xid;
	uint32_t tag;
	uint32_t purge_nodeid;
	uint32_t purge_pid;
};
/* node_submit() and, when not held, rig_settle(). */
int rig_submit(struct rig *r, uint32_t id, node_conn conn, struct rig_op op, uint32_t *ret_lkid,
	       bool *ret_completes);
/* A new lock: its lkid; it must be accepted. */
uint32_t rig_lock(struct rig *r, uint32_t id, node_conn conn, const char *name, int mode,
		  uint32_t flags);

/* The latest event of that type for that session; fails the test when there is none. */
const struct rig_event *rig_last(const struct rig *r, uint32_t id, enum node_action_type type,
				 node_conn conn);
size_t rig_count(const struct rig *r, uint32_t id, enum node_action_type type, node_conn conn);
/* Forgets the events so far. */
void rig_clear(struct rig *r);
struct node_space_info rig_space(const struct rig *r, uint32_t id, const char *space);

#endif
