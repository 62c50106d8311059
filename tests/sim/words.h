/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words that exact stories over the simulator are told in, and who tells them: each story under several
 * seeds, so that it is told at different paces. The stories are in scripted.c and scripted_aim.c.
 */
#ifndef LOCKSTEP_TESTS_SIM_WORDS_H
#define LOCKSTEP_TESTS_SIM_WORDS_H

#include "plugin/engine/engine.h"
#include "tests/sim/world.h"

#define MS 1000u
#define SECOND 1000000u

enum { EX = LOCKSTEP_LOCK_EX, PR = LOCKSTEP_LOCK_PR, NL = LOCKSTEP_LOCK_NL };

struct cast_of {
	unsigned int hosts;
	enum quorum_rule quorum;
	enum node_on_lost on_lost;
	uint64_t mutations;
	bool busy; /* clients act by themselves */
	bool old;  /* daemons know feature level 1 only */
};

struct story_entry {
	const char *name;
	bool (*run)(struct world *w, uint64_t seed, struct counters *counters, uint64_t mutations);
	/* A rule that is taken out: the story must end with this violation then, or it shows nothing. */
	uint64_t mutation;
	const char *violation;
};

/* All are up, the lockspace is formed, and, unless they are busy, all clients have a session. */
void begin(struct world *w, uint64_t seed, const struct cast_of *cast, struct counters *counters);
void expect(struct world *w, bool is, const char *what);
/* For world_run_until(). */
bool healthy(struct world *w);
/* The @n-th client (0, 1) of a node (1..). */
struct client *client_of(struct world *w, unsigned int node, unsigned int n);
bool holds(const struct client *c, unsigned int slot, int mode);
bool waits(const struct client *c, unsigned int slot);
/* timeline_fn: host @host (0..) is alone, the others are together. */
void isolate(void *ctx, uint64_t host, uint64_t b);
void rejoin(struct world *w);
const char *state_of(struct world *w, unsigned int node);
bool is(struct world *w, unsigned int node, const char *state);

extern const struct story_entry scripted_stories[];
extern const size_t scripted_stories_count;
extern const struct story_entry aimed_stories[];
extern const size_t aimed_stories_count;

#endif
