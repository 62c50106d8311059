/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Corosync does to its clients, for N hosts: totem rings, the order of messages in a ring, CPG
 * groups, quorum. It promises exactly what corosync 3.1 promises and breaks, as often as the draw
 * allows, everything it does not:
 *
 *  - one order of messages per ring; every host delivers it at its own pace;
 *  - a sender may deliver its own last messages in a ring whose other hosts never get them
 *    (self-delivery, then cut);
 *  - hosts that move together from ring to ring deliver the same messages in the first;
 *  - what was accepted but not on the ring yet crosses into the next ring;
 *  - a ring change shows the left, then the joined, then processes that are gone, then the totem
 *    callback; a round of it may be aborted: then hosts that move on together have all seen it, or
 *    none of them;
 *  - the verdict about quorum is another stream. It is queued after the callbacks of its ring and
 *    before the first message of that ring.
 *
 * A host here is the machine's corosync. Its clients are handles of (host, pid).
 */
#ifndef LOCKSTEP_TESTS_SIM_CPGMODEL_H
#define LOCKSTEP_TESTS_SIM_CPGMODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin/node/node.h"
#include "tests/sim/timeline.h"

struct world;
struct cpg_handle;

#define SIM_HOSTS_MAX 16
#define CPG_PROCS_MAX 128
#define CPG_NAMES_MAX 16

enum quorum_rule {
	QUORUM_MAJORITY = 0,
	QUORUM_TWO_NODE,    /* both halves of two nodes are quorate */
	QUORUM_TIE_BREAKER, /* an even split: the half with the lowest nodeid */
	/* A quorum device with one vote. It gives it to one part, but its word comes later than the ring, to each
	 * host by itself; until then the host counts the vote or not as before. So two parts may be quorate for a
	 * while, or none, hosts of one ring may disagree, and a verdict may come, go and come back. */
	QUORUM_DEVICE,
	/* last_man_standing with wait_for_all and a tie breaker: who has been quorate for a while expects no more
	 * votes than are there, down to one. */
	QUORUM_LAST_MAN,
	QUORUM_RULES
};

/* Drawn per run; times in microseconds. */
struct cpg_config {
	unsigned int hosts;
	enum quorum_rule quorum;
	uint32_t detect_us_min; /* token + consensus */
	uint32_t detect_us_max;
	uint32_t merge_us_max;
	uint32_t rotation_us;   /* of the token, with something to send */
	uint32_t lag_us_max;    /* from the ring to the host's clients */
	uint32_t sync_us_max;
	uint32_t device_us_max; /* from the ring to the device's word */
	uint32_t last_man_us;   /* last_man_standing_window */
	uint32_t quorum_us_max; /* from the CPG callbacks to the verdict (qdevice) */
	unsigned int tail_per_mille;    /* a breaking ring lets one host deliver own messages */
	bool foreign_drop; /* what nobody of those who move on has delivered is always lost */
	unsigned int again_per_mille;   /* an mcast is refused for a while */
	unsigned int initial_totem_early_per_mille;
	unsigned int ghost_per_mille;   /* a corosync that dies in a sync leaves its processes behind */
	unsigned int zombie_per_mille;  /* a process that died unannounced: PROCDOWN at a ring change */
};

struct cpg_event {
	enum { CPG_CONFCHG = 1, CPG_TOTEM, CPG_MESSAGE } type;
	struct cpg_event *next;
	/* CONFCHG */
	const struct node_address *members, *left, *joined;
	size_t members_count, left_count, joined_count;
	/* TOTEM; MESSAGE: where it was sent, which only the trace may look at */
	struct node_ring ring;
	const uint32_t *nodes;
	size_t nodes_count;
	/* MESSAGE */
	uint32_t nodeid, pid;
	const uint8_t *data;
	size_t size;
	uint32_t life; /* the sender's handle and its count, for the trace */
	uint64_t number;
};

struct cpg_quorum_event {
	struct cpg_quorum_event *next;
	struct node_ring ring;
	bool quorate;
};

struct cpgmodel;

struct cpgmodel *cpgmodel_new(struct world *w, const struct cpg_config *config);

/* --- faults ------------------------------------------------------------------------------ */

void cpgmodel_boot(struct cpgmodel *m, unsigned int host);
/* The machine's corosync is gone; its clients find out by themselves. */
void cpgmodel_kill(struct cpgmodel *m, unsigned int host);
void cpgmodel_freeze(struct cpgmodel *m, unsigned int host, bool frozen);
/* Hosts with equal part numbers (below hosts) hear each other. */
void cpgmodel_partition(struct cpgmodel *m, const unsigned int *parts);
/* The next time @host holds the token and has something to send the ring breaks right then: @host has
 * delivered what it sent, others may or may not get it. @what: 0 anything, 1 more than a bare header,
 * else CPG_TYPE plus a wire type. @then says what happened. One at a time per host; false when one is
 * armed already. */
#define CPG_TYPE 16u
bool cpgmodel_on_token(struct cpgmodel *m, unsigned int host, unsigned int what, timeline_fn *then, void *ctx,
		       uint64_t a, uint64_t b);
void cpgmodel_token_disarm(struct cpgmodel *m);
/* mcasts of @host are refused for that long. */
void cpgmodel_again(struct cpgmodel *m, unsigned int host, uint64_t us);
/* The next message of @host in a lockspace's group is accepted and lost. */
void cpgmodel_swallow(struct cpgmodel *m, unsigned int host);
/* Like the vote of a quorum device that flips without a ring change. */
void cpgmodel_quorum_flip(struct cpgmodel *m, unsigned int host, bool quorate);
/* QUORUM_DEVICE with device_us_max 0: what it says is up to the story. */
void cpgmodel_device(struct cpgmodel *m, unsigned int host, bool vote);
bool cpgmodel_up(const struct cpgmodel *m, unsigned int host);
/* True when the hosts that are up form one ring and its sync is over. */
bool cpgmodel_calm(const struct cpgmodel *m);
bool cpgmodel_syncing(const struct cpgmodel *m, unsigned int host);
/* How slow this host's deliveries are, times the configured lag. */
void cpgmodel_slow(struct cpgmodel *m, unsigned int host, unsigned int factor);

/* --- a process on a host ------------------------------------------------------------------ */

/* NULL means CS_ERR_TRY_AGAIN. */
struct cpg_handle *cpgmodel_join(struct cpgmodel *m, unsigned int host, uint32_t pid,
				 const char *name);
/* False means CS_ERR_TRY_AGAIN. */
bool cpgmodel_mcast(struct cpgmodel *m, struct cpg_handle *h, const void *data, size_t size);
bool cpgmodel_leave(struct cpgmodel *m, struct cpg_handle *h);
/* The process is dead; others hear of it @delay_us later. */
void cpgmodel_process_exit(struct cpgmodel *m, unsigned int host, uint32_t pid, uint64_t delay_us);
/* Next event, or NULL. */
const struct cpg_event *cpgmodel_dispatch(struct cpg_handle *h);
bool cpgmodel_pending(const struct cpg_handle *h);
const struct cpg_quorum_event *cpgmodel_quorum_dispatch(struct cpgmodel *m, unsigned int host);
bool cpgmodel_quorum_pending(const struct cpgmodel *m, unsigned int host);
/* Starts over for a daemon that has just connected: the present verdict is queued. */
void cpgmodel_quorum_track(struct cpgmodel *m, unsigned int host);

#endif
