/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words that exact stories over the simulator are told in (words.c). The stories are in scripted*.c, by subject;
 * telling.c tells each under several seeds, so that it is told at different paces.
 */
#ifndef LOCKSTEP_TESTS_SIM_WORDS_H
#define LOCKSTEP_TESTS_SIM_WORDS_H

#include "plugin/engine/engine.h"
#include "tests/sim/world.h"

#define MS 1000u
#define SECOND 1000000u

enum { EX = LOCKSTEP_LOCK_EX, PR = LOCKSTEP_LOCK_PR, NL = LOCKSTEP_LOCK_NL };

/* Who plays, and by which rules; what is not said is 0. */
struct cast_of {
	unsigned int hosts;
	enum quorum_rule quorum;
	enum node_on_lost on_lost;
	bool busy; /* clients act by themselves */
	bool old;  /* daemons know feature level 1 only */
	bool subscribed; /* clients are told of recoveries */
	enum node_fencing fencing; /* PACEMAKER: by the words below */
	uint32_t fence_request_delay_ms;
	uint32_t lost_timeout_ms;
};

/* A rule that is taken out: some seed must end with this violation then, or the story shows nothing. */
struct story_without {
	const char *name;
	uint64_t mutation;
	const char *violation;
};

#define STORY_WITHOUT_MAX 3

struct story_entry {
	const char *name;
	void (*run)(struct world *w);
	struct cast_of cast;
	struct story_without without[STORY_WITHOUT_MAX];
};

/* All are up, the lockspace is formed, and, unless they are busy, all clients have a session. */
void begin(struct world *w, uint64_t seed, const struct cast_of *cast, uint64_t mutations,
	   struct counters *counters);
void expect(struct world *w, bool is, const char *what);
/* A rule was taken out: what it keeps from happening is not expected. */
bool mutated(const struct world *w);
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

size_t members_of(struct world *w, unsigned int node);
uint64_t counter_of(struct world *w, unsigned int node, const char *name);
/* timeline_fn, @host from 0: it gets nothing for a while; its mcasts are refused for so long; its power is cut. */
void slow_now(void *ctx, uint64_t host, uint64_t factor);
void storm_now(void *ctx, uint64_t host, uint64_t us);
void crash_now(void *ctx, uint64_t host, uint64_t b);

/* A fencing has ended, so @node is told; it was asked for after that mark of @node. */
void fence_heard(struct world *w, unsigned int node, const struct node_fence_result *r);
/* The last mark that @node has given out. */
uint64_t fence_mark(const struct world *w, unsigned int node);
/* Requests to fence that node, or any (0), which have no answer yet. */
size_t fence_requests(const struct world *w, unsigned int target);
/* All of them are over. */
void fence_answer(struct world *w, bool success);

/* Each ends with an entry without a name. */
extern const struct story_entry stories[];
extern const struct story_entry stories_join[];
extern const struct story_entry stories_merge[];
extern const struct story_entry stories_quorum[];
extern const struct story_entry stories_fence[];

#endif
