/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Something like Pacemaker's fencing, and the helper between it and each daemon. A fencing has four
 * moments: it is asked for, the power goes off, the machine boots again, and it is reported, in this
 * order but with any time between, so that a report may come when the machine has long been back, and has
 * been lost again. Fencings fail, are of machines that were well, are merged, are reported twice or never;
 * there are unfencings, and nodes that say that they have fenced themselves and have not.
 */
#ifndef LOCKSTEP_TESTS_SIM_FENCING_H
#define LOCKSTEP_TESTS_SIM_FENCING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin/node/node.h"
#include "tests/sim/cpgmodel.h"

struct world;

#define FENCINGS_MAX 64   /* the history; older ones are forgotten */
#define FENCE_REQUESTS_MAX 32

struct fencing {
	uint64_t number;      /* 1, 2, ... */
	unsigned int target;
	enum node_fence_action action;
	bool by_itself;
	bool over;
	bool success;
	bool cut;             /* it has switched the machine off */
};

/* The helper of one daemon: what it has heard of, and with which stamp. */
struct fence_ear {
	bool up;
	uint64_t serial;      /* of the node object it talks to */
	uint64_t mark;
	uint64_t mark_set;
	uint64_t stamps[FENCINGS_MAX]; /* by number; 0 not heard of, or before any mark */
	uint64_t known[FENCINGS_MAX];  /* number of the fencing the stamp is of */
	bool told[FENCINGS_MAX];
};

struct fence_request {
	unsigned int host;
	uint64_t serial;
	uint64_t token;
	uint64_t fencing;     /* its number; with fence_manual the host it is for */
};

struct fencer {
	struct fencing history[FENCINGS_MAX]; /* by number modulo */
	uint64_t last;
	struct fence_ear ears[SIM_HOSTS_MAX];
	struct fence_request requests[FENCE_REQUESTS_MAX];
	size_t requests_count;
	uint64_t unwell_us[SIM_HOSTS_MAX]; /* since when that host is; 0 it is well */
};

void fencer_init(struct world *w);
void fencing_node_new(struct world *w, unsigned int host);
void fencing_action(struct world *w, unsigned int host, const struct node_action *act);

#endif
