/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sim-scripted: see words.h. `--verbose NAME` tells one story in full. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/words.h"

enum { SEEDS = 20 };

bool healthy(struct world *w)
{
	return checker_healthy(w, NULL, 0);
}

void expect(struct world *w, bool is, const char *what)
{
	if (!is) {
		world_fail(w, "expected: %s", what);
	}
}

void begin(struct world *w, uint64_t seed, const struct cast_of *cast, struct counters *counters)
{
	const struct world_config config = {
		.seed = seed,
		.cpg = {
			.hosts = cast->hosts,
			.quorum = cast->quorum,
			.detect_us_min = 100 * MS,
			.detect_us_max = 200 * MS,
			.merge_us_max = 50 * MS,
			.rotation_us = 200,
			.lag_us_max = 300,
			.sync_us_max = 2 * MS,
			.quorum_us_max = 2 * MS,
			.tail_per_mille = 1000,
			.foreign_drop = true,
			.initial_totem_early_per_mille = 100,
			.ghost_per_mille = 1000,
		},
		.on_lost = cast->on_lost,
		.mutations = cast->mutations,
		.spaces = 1,
		.clients_per_host = 2,
		.resources = 4,
		.manual_clients = !cast->busy,
		.think_us_max = 2 * MS,
		.hold_us_max = 5 * MS,
		.convert_per_mille = 300,
		.lvb_per_mille = 500,
		.react_us_max = 0,
		.turn_us_max = 200,
		.ipc_us_max = 200,
		.chunk_bytes = 100,
		.replay_bytes = 200,
		.digest_interval = 64,
		.old_per_mille = cast->old ? 1000 : 0,
		.image_us_max = 500,
	};

	world_init(w, &config, counters);
	admin_init(w);
	w->admin.never = true;
	expect(w, world_run_until(w, healthy, 10 * SECOND), "the lockspace is formed");
	if (cast->busy) {
		return;
	}
	for (unsigned int i = 0; i < w->clients_count; i++) {
		client_open(&w->clients[i], 0, false);
	}
	world_run(w, 200 * MS);
}

struct client *client_of(struct world *w, unsigned int node, unsigned int n)
{
	return &w->clients[n * w->config.cpg.hosts + node - 1];
}

bool holds(const struct client *c, unsigned int slot, int mode)
{
	return c->slots[slot].state == SLOT_HELD && c->slots[slot].mode == mode;
}

bool waits(const struct client *c, unsigned int slot)
{
	return c->slots[slot].state == SLOT_QUEUED;
}

void isolate(void *ctx, uint64_t host, uint64_t b)
{
	struct world *w = ctx;
	unsigned int parts[SIM_HOSTS_MAX] = { 0 };

	(void)b;
	parts[host] = 1;
	story_tell(w, "net: %u is alone", (unsigned int)host + 1);
	cpgmodel_partition(w->cpg, parts);
}

void rejoin(struct world *w)
{
	unsigned int parts[SIM_HOSTS_MAX] = { 0 };

	story_tell(w, "net: whole again");
	cpgmodel_partition(w->cpg, parts);
}

const char *state_of(struct world *w, unsigned int node)
{
	struct node_space_info info;

	return simnode_space(&w->nodes[node - 1], 0, &info) ? info.state : "absent";
}

bool is(struct world *w, unsigned int node, const char *state)
{
	return strcmp(state_of(w, node), state) == 0;
}

/* --- telling them --------------------------------------------------------------------------- */

static bool seed_tell(struct world *w, const struct story_entry *s, uint64_t seed)
{
	struct counters counters = { 0 };
	bool good = s->run(w, seed, &counters, s->mutation) && !w->failed;

	if (s->mutation != 0) {
		/* An expectation of the story is no violation. */
		good = w->failed && strstr(w->violation, s->violation) != NULL;
		if (w->story.on) {
			(void)printf("%s, seed %llu: %s\n", s->name, (unsigned long long)seed,
				     w->failed ? w->violation : "nothing happens");
		}
	} else if (!good) {
		(void)printf("%s, seed %llu: at %.3f ms: %s\n", s->name, (unsigned long long)seed,
			     (double)world_now(w) / 1000.0, w->violation);
	}
	world_done(w);
	return good;
}

/* With all rules every seed ends well; without one some seed ends with the violation. */
static bool story_entry_tell(struct world *w, const struct story_entry *s, bool verbose)
{
	unsigned int good = 0;
	bool enough;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		w->story.on = w->story.print = verbose;
		good += seed_tell(w, s, seed) ? 1 : 0;
		if (s->mutation == 0 && good < seed) {
			break;
		}
	}
	enough = s->mutation != 0 ? good > 0 : good == SEEDS;
	if (s->mutation != 0) {
		(void)printf("%s: %s: %u of %d seeds end with \"%s\"\n", s->name, enough ? "ok" : "FAILED", good,
			     SEEDS, s->violation);
	} else {
		(void)printf("%s: %s\n", s->name, enough ? "ok" : "FAILED");
	}
	return enough;
}

static unsigned int stories_tell(struct world *w, const struct story_entry *stories, size_t count,
				 const char *only, bool verbose)
{
	unsigned int bad = 0;

	for (size_t i = 0; i < count; i++) {
		if (!only || strcmp(only, stories[i].name) == 0) {
			bad += story_entry_tell(w, &stories[i], verbose) ? 0 : 1;
		}
	}
	return bad;
}

int main(int argc, char **argv)
{
	const char *only = NULL;
	struct world *w = calloc(1, sizeof(*w));
	bool verbose = false;
	unsigned int bad;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--verbose") == 0) {
			verbose = true;
		} else {
			only = argv[i];
		}
	}
	if (!w) {
		return 2;
	}
	bad = stories_tell(w, scripted_stories, scripted_stories_count, only, verbose);
	bad += stories_tell(w, aimed_stories, aimed_stories_count, only, verbose);
	free(w);
	return bad > 0 ? 1 : 0;
}
