/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon: one loop that drives one node object (plugin/node/node.h) with events from Corosync
 * and from clients and performs its actions. Single-threaded but for the writer of the
 * reservation file. Every part has a file of its own; this struct holds them together.
 *
 *   cluster.c --- quorum_cs.c, order_cpg.c, cluster_info.c          ipc_server.c, ipc_admin.c (ipc_gate.c, ipc_stream.c)
 *        \                                                              /
 *         +---------- daemon.c: node_*(), pump, actions ---------------+--- killer.c, spaces.c, image.c,
 *                                                                           dlm_tree.c
 *
 * Whoever has fed the node calls daemon_dirty() (the pump runs at the start of the next loop
 * iteration, so that everything the iteration collects goes out in one message) or
 * daemon_pump() where latency counts and a burst has ended.
 */
#ifndef LOCKSTEP_DAEMON_DAEMON_H
#define LOCKSTEP_DAEMON_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <qb/qbloop.h>

#include "plugin/node/node.h"

struct access_rules;
struct clients_file;
struct cluster;
struct dlm_tree;
struct fence_link;
struct images;
struct ipc_admin;
struct ipc_server;
struct ipc_streams;
struct killer;
struct order;
struct settings;
struct spaces;
struct state_file;
struct trace_files;
struct watches;

enum daemon_stopping {
	DAEMON_RUNNING = 0,
	DAEMON_STOP_ASKED,   /* sessions that are just ending get a moment, then it is refused */
	DAEMON_STOP_KILLING, /* forced: clients are being killed, then the node leaves */
	DAEMON_STOP_LEAVING, /* the node leaves its groups */
};

struct daemon {
	/* Owned. Each is NULL before its time. */
	struct settings *settings;
	qb_loop_t *loop;
	struct order *order;
	struct cluster *cluster; /* NULL: standalone */
	struct fence_link *fence; /* NULL: no fencing by Pacemaker */
	struct ipc_server *ipc;
	struct ipc_admin *admin;
	struct watches *watches;
	struct access_rules *access; /* NULL: there are none */
	struct ipc_streams *streams; /* NULL: not wanted */
	struct killer *killer;
	struct images *images;
	struct state_file *state_file;
	struct trace_files *traces; /* NULL: not wanted */
	struct clients_file *clients;
	struct dlm_tree *dlm_tree;
	struct spaces *spaces;
	/* NULL while the daemon waits for Corosync or for the clients of a predecessor. */
	struct node *node;

	bool standalone;
	bool node_down;  /* node_order_down() was called; the node goes when it is idle */
	bool clients_remain; /* R-MEM-6: of a predecessor; nothing is started until they are gone */
	bool rebooted;       /* it was tried */
	enum daemon_stopping stopping;
	bool pumping;
	bool dirty;
	int kick_fd;
	uint64_t started_ms;
	bool daemons_left; /* the last group: everything else has been left */
	uint64_t asked_ms; /* to stop */
	uint64_t leaving_since_ms;
	uint64_t reserved;
	qb_loop_timer_handle tick_timer;
	char cluster_name[LOCKSTEP_NODE_NAME_MAX + 1];
	char node_name[LOCKSTEP_NODE_NAME_MAX + 1];
	uint32_t nodeid; /* 0: not known yet */
};

/* Makes loop, tick and kick. 0 or a negative errno. */
int daemon_init(struct daemon *d);
/* Everything that must be gone before the process ends. */
void daemon_done(struct daemon *d);

/* The order is there: makes the node, joins the wanted lockspaces, opens waiting sessions. */
void daemon_node_start(struct daemon *d, uint32_t nodeid, const uint32_t *configured,
		       size_t configured_count);
/* Corosync is gone (R-MEM-8). */
void daemon_node_lost(struct daemon *d);

/* The node, unless there is none or it has lost its order. */
static inline struct node *daemon_node(const struct daemon *d)
{
	return d->node_down ? NULL : d->node;
}

void daemon_dirty(struct daemon *d);
void daemon_pump(struct daemon *d);

/* R-MEM-7. Refuses (logging who is in the way) or begins to stop; the loop ends when the node has
 * left. Who is in the way is told by blocking notifications (node_stop_tell()). With @force sessions that hold
 * nothing are lost, and the processes of the others are killed first (R-PROC-7). */
void daemon_stop(struct daemon *d, bool force);
/* Called by the killer's users when nothing is left to kill. */
void daemon_stop_continue(struct daemon *d);

uint64_t clock_now_ms(void);  /* monotonic */
uint64_t clock_wall_ms(void); /* since the epoch */

/* qb_loop_timer_add() that cannot fail, in milliseconds. */
void daemon_timer(struct daemon *d, enum qb_loop_priority priority, uint64_t ms, void *arg,
		  qb_loop_timer_dispatch_fn fn, qb_loop_timer_handle *ret);
/* Deletes it if it is running and forgets it. */
void daemon_timer_stop(struct daemon *d, qb_loop_timer_handle *timer);

#endif
