/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "tests/sim/words.h"

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

void begin(struct world *w, uint64_t seed, const struct cast_of *cast, uint64_t mutations,
	   struct counters *counters)
{
	const struct world_config config = {
		.seed = seed,
		.cpg = {
			.hosts = cast->hosts,
			.quorum = cast->quorum,
			.last_man_us = 300 * MS,
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
		.mutations = mutations,
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
		.fencing = cast->fencing,
		.fence_manual = true,
		.fence_request_delay_ms = cast->fence_request_delay_ms,
		.lost_timeout_ms = cast->lost_timeout_ms,
		.subscribe_per_mille = cast->subscribed ? 1000 : 0,
		.prep_ack_ms = 300,
		.prep_kill_ms = 500,
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

bool mutated(const struct world *w)
{
	return w->config.mutations != 0;
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

size_t members_of(struct world *w, unsigned int node)
{
	struct node_space_info info;

	return simnode_space(&w->nodes[node - 1], 0, &info) ? info.members_count : 0;
}

uint64_t counter_of(struct world *w, unsigned int node, const char *name)
{
	uint64_t value = 0;
	const char *at;

	for (size_t i = 0; (at = node_counter_at(w->nodes[node - 1].node, i, &value)); i++) {
		if (strcmp(at, name) == 0) {
			return value;
		}
	}
	expect(w, false, name);
	return 0;
}

/* --- what happens by itself ------------------------------------------------------------------ */

void slow_now(void *ctx, uint64_t host, uint64_t factor)
{
	struct world *w = ctx;

	story_tell(w, "net: %u gets nothing for a while", (unsigned int)host + 1);
	cpgmodel_slow(w->cpg, (unsigned int)host, (unsigned int)factor);
}

void storm_now(void *ctx, uint64_t host, uint64_t us)
{
	struct world *w = ctx;

	story_tell(w, "net: %u may send nothing for a while", (unsigned int)host + 1);
	cpgmodel_again(w->cpg, (unsigned int)host, us);
}

void crash_now(void *ctx, uint64_t host, uint64_t b)
{
	(void)b;
	admin_crash(ctx, (unsigned int)host);
}

/* --- fencing, by hand ------------------------------------------------------------------------ */

void fence_heard(struct world *w, unsigned int node, const struct node_fence_result *r)
{
	simnode_request(&w->nodes[node - 1],
			&(struct request){ .type = REQUEST_FENCE, .fence = FENCE_RESULT, .result = *r });
}

uint64_t fence_mark(const struct world *w, unsigned int node)
{
	return w->fencer.ears[node - 1].mark;
}

size_t fence_requests(const struct world *w, unsigned int target)
{
	size_t n = 0;

	for (size_t i = 0; i < w->fencer.requests_count; i++) {
		n += target == 0 || w->fencer.requests[i].fencing == target - 1;
	}
	return n;
}

void fence_answer(struct world *w, bool success)
{
	while (w->fencer.requests_count > 0) {
		const struct fence_request *r = &w->fencer.requests[--w->fencer.requests_count];

		simnode_request(&w->nodes[r->host], &(struct request){ .type = REQUEST_FENCE, .fence = FENCE_ANSWER,
								       .token = r->token, .yes = success });
	}
}
