/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One seed, one run: what kind of cluster, which clients, which faults are all drawn from the seed
 * ("swarm": most runs lack most kinds of faults, so that the rest can go far). First faults, then
 * everything is healed and must get well, then clients give everything back.
 */
#ifndef LOCKSTEP_TESTS_SIM_SWARM_H
#define LOCKSTEP_TESTS_SIM_SWARM_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/cpgmodel.h"

#define SWARM_FAULTS_MAX 512

struct counters;
struct world;

struct swarm_options {
	unsigned int hosts;   /* 0: drawn */
	bool quorum_named;    /* else drawn, as the quorum rule is */
	enum quorum_rule quorum;
	uint64_t mutations;
	uint64_t steps_max;   /* 0: no bound */
	uint32_t faults;      /* bits of enum sim_fault: only these kinds, often; 0: as drawn */
	unsigned int clients; /* per host at most; 0: as drawn */
	bool fencing;         /* always through a fencing device; else as drawn */
	bool unfenced; /* fencing = none */
	bool masked[SWARM_FAULTS_MAX]; /* faults left out, by their number in the run */
};

/* Runs @seed in @w (whose story may be switched on). False on a violation. The caller looks at @w,
 * then calls world_done(). */
bool swarm_run(struct world *w, uint64_t seed, const struct swarm_options *options,
	       struct counters *counters);

#endif
