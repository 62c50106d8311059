/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where ordered messages come from: Corosync's CPG (order_cpg.c), or this process alone
 * (order_solo.c). Performs the JOIN, LEAVE and MCAST actions of the node and feeds it
 * node_confchg(), node_totem() and node_message().
 */
#ifndef LOCKSTEP_DAEMON_ORDER_H
#define LOCKSTEP_DAEMON_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct daemon;
struct order;

struct order_ops {
	/* None of these blocks for long, calls the node or fails; what cannot be done now is
	 * retried, and a lost Corosync is reported by cluster_lost(). Data is copied. */
	void (*join)(struct order *o, uint32_t group, const char *name);
	void (*leave)(struct order *o, uint32_t group);
	void (*mcast)(struct order *o, uint32_t group, const void *data, size_t size);
	/* Feeds the node what has been queued within this process. False: there was nothing.
	 * NULL where events come from descriptors only. */
	bool (*deliver)(struct order *o);
	/* Every leave is over, so that the process may exit without looking like a failure. */
	bool (*idle)(const struct order *o);
	struct order *(*free)(struct order *o);
};

struct order {
	const struct order_ops *ops;
};

struct order *order_solo_new(struct daemon *d);
struct order *order_cpg_new(struct daemon *d);

#endif
