/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients that subscribe to recovery callbacks, early, late and not for ever, that acknowledge prep at
 * once, later, or never; and what must hold of what they are told (recovery.md sections 2 and 3):
 *
 *   each session   prep, slots by nodeid, done, and nothing else (R-CB-1, R-CB-2); each failure once, no
 *                  leaver (R-CB-4); done after the grants of the recovery (R-CB-5); slots as R-SLOT-1 and
 *                  R-SLOT-2 say, from one done to the next; generation + 1 (R-GEN-1)
 *   each node      says prepared when all of its sessions have acknowledged, not before (R-CB-10)
 *   all            a recovery point only when all members have said so (R-CB-3); one recovery, one list of
 *                  slots and one generation, on whichever node (R-MEM-5, R-STAB-2); no generation twice
 *
 * Draws from a source of its own, so that runs without subscribers are as they would be without this.
 */
#ifndef LOCKSTEP_TESTS_SIM_RECOVERY_H
#define LOCKSTEP_TESTS_SIM_RECOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin/node/node.h"
#include "tests/sim/cpgmodel.h"
#include "tests/sim/prng.h"

struct client;
struct request;
struct simnode;
struct world;

struct recovery_slot {
	uint32_t nodeid;
	uint32_t slot;
};

struct recovery_slots {
	struct recovery_slot items[SIM_HOSTS_MAX];
	size_t count;
};

/* The subscription of a client; of its connection @conn only. */
struct recovery_client {
	node_conn conn;       /* 0: none */
	uint32_t number;      /* 0: not subscribed, or the answer is still to come */
	bool expect_prep;     /* first of all, since there was a recovery when it subscribed */
	bool first;           /* nothing was told yet */
	bool prepped;         /* since the last done */
	uint32_t owed;        /* number of a prep that has arrived and is not acknowledged; 0 none */
	bool node_ended;      /* its node has ended the session */
	bool node_told;       /* its node has told prep since the last done it told */
	uint32_t node_owed;   /* number of a prep that its node has told and that is not acknowledged */
	struct recovery_slots reported; /* since prep */
	struct recovery_slots members;  /* of the last done */
	uint32_t generation;  /* of it; 0: there was none */
	uint64_t done_seq;
	uint64_t unkillable_us; /* how long SIGKILL takes */
};

/* A recovery point that was told to somebody. */
struct recovery_point {
	uint32_t lineage;
	uint64_t seq;
	uint32_t generation;
	unsigned int host; /* the first that told it */
	struct recovery_slots slots;
};

/* Where generations may begin again, a lockspace is formed, or goes on from an older state: the ones of one
 * lineage grow. All members of a view are of the same one. */
struct recovery_view {
	uint64_t view;
	uint32_t lineage;
};

enum { RECOVERY_VIEWS = 8, RECOVERY_LEFT = 16 };

/* A lockspace as one node has it. */
struct recovery_host {
	uint64_t views[RECOVERY_VIEWS]; /* for which it said prepared, the last ones */
	size_t views_count;
	uint32_t lineage;               /* 0: not known */
	uint32_t generation;            /* of the last recovery point */
	uint64_t members[SIM_HOSTS_MAX + 1]; /* incarnations of its members, by nodeid */
	uint32_t left;                  /* those of them that left in an orderly way since then */
	struct {
		uint64_t seq;           /* of a recovery point, or of its forming */
		uint64_t view;
		uint32_t left;          /* and before it */
	} points[RECOVERY_LEFT];
	size_t points_count;
};

struct recovery {
	struct prng prng;
	struct recovery_point *points[2]; /* by lineage, seq */
	size_t points_count[2];
	size_t points_size[2];
	struct recovery_view *views[2];
	size_t views_count[2];
	size_t views_size[2];
	uint32_t lineages;
	struct recovery_host hosts[SIM_HOSTS_MAX][2];
	size_t counters[4]; /* where they are in the node's list; SIZE_MAX not known yet */
	uint64_t seen[SIM_HOSTS_MAX][4];
};

void recovery_init(struct world *w);

/* --- clients ------------------------------------------------------------------------------- */

/* Its session is usable. */
void recovery_client_ready(struct client *c);
/* A recovery callback arrives, or a grant of what had token @before (0: nothing). */
void recovery_client_told(struct client *c, const struct node_action *act);
void recovery_client_granted(struct client *c, const struct node_action *act, uint64_t before);
/* How long it lives on after SIGKILL, beyond what is usual. */
uint64_t recovery_client_lives_us(const struct client *c);

/* --- nodes --------------------------------------------------------------------------------- */

void recovery_node_started(struct world *w, unsigned int host);
/* It has no state of that lockspace any more: what it joins next may be formed anew. */
void recovery_node_stateless(struct world *w, unsigned int host, unsigned int space);
void recovery_request(struct simnode *s, const struct request *r);
/* The node tells PREP, SLOT, DONE or LOST. */
void recovery_node_tells(struct simnode *s, const struct node_action *act);
/* The node multicasts. */
void recovery_node_sends(struct simnode *s, const char *group, const void *data, size_t size);
/* The node has handled one event. */
void recovery_node_stepped(struct world *w, unsigned int host);

#endif
