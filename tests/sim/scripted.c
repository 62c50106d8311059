/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exact stories over the simulator: the ones recovery.md is about, one per function, in virtual time.
 * Each runs under several seeds, so that the same story is told at different paces. `--verbose NAME`
 * tells one of them in full.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/engine/engine.h"
#include "tests/sim/world.h"

#define MS 1000u
#define SECOND 1000000u

enum { EX = LOCKSTEP_LOCK_EX, PR = LOCKSTEP_LOCK_PR, NL = LOCKSTEP_LOCK_NL };

static bool arg_verbose;

/* --- words the stories are told in ---------------------------------------------------------- */

static bool healthy(struct world *w)
{
	return checker_healthy(w, NULL, 0);
}

static void expect(struct world *w, bool is, const char *what)
{
	if (!is) {
		world_fail(w, "expected: %s", what);
	}
}

struct cast_of {
	unsigned int hosts;
	enum quorum_rule quorum;
	enum node_on_lost on_lost;
	uint64_t mutations;
	bool busy; /* clients act by themselves */
};

static void begin(struct world *w, uint64_t seed, const struct cast_of *cast, struct counters *counters)
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

/* The @n-th client (0, 1) of a node (1..). */
static struct client *client_of(struct world *w, unsigned int node, unsigned int n)
{
	return &w->clients[n * w->config.cpg.hosts + node - 1];
}

static bool holds(const struct client *c, unsigned int slot, int mode)
{
	return c->slots[slot].state == SLOT_HELD && c->slots[slot].mode == mode;
}

static bool waits(const struct client *c, unsigned int slot)
{
	return c->slots[slot].state == SLOT_QUEUED;
}

static void isolate(void *ctx, uint64_t host, uint64_t b)
{
	struct world *w = ctx;
	unsigned int parts[SIM_HOSTS_MAX] = { 0 };

	(void)b;
	parts[host] = 1;
	story_tell(w, "net: %u is alone", (unsigned int)host + 1);
	cpgmodel_partition(w->cpg, parts);
}

static void rejoin(struct world *w)
{
	unsigned int parts[SIM_HOSTS_MAX] = { 0 };

	story_tell(w, "net: whole again");
	cpgmodel_partition(w->cpg, parts);
}

static const char *state_of(struct world *w, unsigned int node)
{
	struct node_space_info info;

	return simnode_space(&w->nodes[node - 1], 0, &info) ? info.state : "absent";
}

static bool is(struct world *w, unsigned int node, const char *state)
{
	return strcmp(state_of(w, node), state) == 0;
}

/* --- stories -------------------------------------------------------------------------------- */

/*
 * corosync-notes 2.3: node 3 puts its request on the wire, delivers it to itself in a quorate ring of
 * three, and nobody else ever gets it. Its client must not hear "granted".
 */
static bool self_delivery_then_cut(struct world *w, uint64_t seed, struct counters *counters, uint64_t mutations)
{
	struct engine_lock_info lock;
	struct node_member_info members[8];
	struct node_space_info info;
	uint64_t incarnation = 0;

	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_KILL, mutations, false }, counters);
	struct client *a = client_of(w, 3, 0);
	struct client *b = client_of(w, 1, 0);

	expect(w, cpgmodel_on_token(w->cpg, 2, 1, isolate, w, 2, 0), "the cut is armed");
	client_lock(a, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	/* The danger is real: node 3's own replica says that it is granted. */
	size_t n = node_space_members(w->nodes[2].node, "default", members, 8);

	for (size_t i = 0; i < n; i++) {
		incarnation = members[i].local ? members[i].incarnation : incarnation;
	}
	expect(w, simnode_space(&w->nodes[2], 0, &info) && info.engine &&
			  engine_lock_find(info.engine, 3, incarnation, a->slots[0].lkid, &lock) &&
			  lock.granted == EX,
	       "node 3 has delivered its own request");
	expect(w, mutations || waits(a, 0), "the client of node 3 is told nothing");
	world_run(w, SECOND);
	client_lock(b, 0, 0, EX, 0);
	world_run(w, SECOND);
	expect(w, holds(b, 0, EX), "the majority grants the lock to somebody else");
	expect(w, mutations || waits(a, 0), "the client of node 3 is still told nothing");
	rejoin(w);
	expect(w, world_run_until(w, healthy, 5 * SECOND), "node 3 comes back clean, by itself");
	expect(w, a->state == CLIENT_LOST || !a->alive, "its client was told that the session is lost");
	expect(w, holds(b, 0, EX), "the lock is where it was");
	return !w->failed;
}

static bool story_self_delivery(struct world *w, uint64_t seed, struct counters *counters)
{
	return self_delivery_then_cut(w, seed, counters, 0);
}

/* The same with the rule taken out: the story must fail, or it shows nothing. */
static bool story_self_delivery_mutant(struct world *w, uint64_t seed, struct counters *counters)
{
	bool good = self_delivery_then_cut(w, seed, counters, NODE_MUTATE_NO_STABLE);

	if (!good && strstr(w->violation, "two clients hold")) {
		w->failed = false;
		return true;
	}
	world_fail(w, "nobody noticed that grants are told before they are stable");
	return false;
}

/* recovery.md section 0: what the dead node holds waits for fencing, everything else goes on. */
static bool story_holder_crashes(struct world *w, uint64_t seed, struct counters *counters)
{
	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_FENCE, 0, false }, counters);
	struct client *a = client_of(w, 3, 0);
	struct client *b = client_of(w, 1, 0);
	struct client *c = client_of(w, 2, 0);

	client_lock(a, 0, 0, EX, LOCKSTEP_LKF_VALBLK);
	client_lock(a, 1, 1, PR, 0);
	world_run(w, 100 * MS);
	expect(w, holds(a, 0, EX) && holds(a, 1, PR), "node 3 holds r0 and r1");
	client_lock(b, 0, 0, EX, LOCKSTEP_LKF_VALBLK);
	client_lock(c, 3, 0, NL, 0);
	world_run(w, 100 * MS);
	expect(w, waits(b, 0), "node 1 waits for r0");
	admin_crash(w, 2);
	world_run(w, 300 * MS);
	expect(w, is(w, 1, "recovering") && is(w, 2, "recovering"), "the survivors have agreed");
	client_lock(c, 0, 2, EX, 0);
	client_lock(c, 1, 1, PR, 0);
	/* It waits for the client's own lock too, which a search would call a deadlock (R-DLK-5). */
	client_lock(c, 2, 1, EX, LOCKSTEP_LKF_NODLCKWT);
	world_run(w, 20 * MS);
	expect(w, holds(c, 0, EX), "another resource is granted at once");
	expect(w, holds(c, 1, PR), "a mode that the dead node's lock allows is granted at once");
	world_run(w, 20 * SECOND);
	expect(w, waits(b, 0) && waits(c, 2), "what the dead node holds is not granted");
	admin_ack(w, 1, 2);
	world_run(w, 100 * MS);
	expect(w, holds(b, 0, EX), "after the acknowledgement the waiter has it");
	expect(w, is(w, 1, "running") && is(w, 2, "running"), "nobody is lost any more");
	client_unlock(c, 1, 0);
	world_run(w, 100 * MS);
	expect(w, holds(c, 2, EX), "r1 too, when its other holder is gone");
	admin_boot(w, 2);
	expect(w, world_run_until(w, healthy, 5 * SECOND), "node 3 is back");
	checker_locks_known(w);
	return !w->failed;
}

/* R-MEM-4: a leaver is no failure; nothing waits for fencing. */
static bool story_clean_leave(struct world *w, uint64_t seed, struct counters *counters)
{
	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_FENCE, 0, false }, counters);
	struct client *a = client_of(w, 3, 0);
	struct client *b = client_of(w, 1, 0);

	client_lock(a, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	client_lock(b, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	expect(w, holds(a, 0, EX) && waits(b, 0), "node 1 waits for node 3");
	client_close(a);
	client_close(client_of(w, 3, 1));
	world_run(w, 50 * MS);
	simnode_request(&w->nodes[2], &(struct request){ .type = REQUEST_STOP });
	world_run(w, 500 * MS);
	expect(w, !w->nodes[2].running, "the daemon has gone");
	expect(w, holds(b, 0, EX), "the waiter has the lock");
	expect(w, is(w, 1, "running") && is(w, 2, "running"), "nobody is lost");
	admin_daemon_start(w, 2);
	expect(w, world_run_until(w, healthy, 5 * SECOND), "node 3 is back");
	checker_locks_known(w);
	return !w->failed;
}

/* R-CPG-4: a joiner gets a snapshot while the others do not pause. */
static bool story_join_under_load(struct world *w, uint64_t seed, struct counters *counters)
{
	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_KILL, 0, true }, counters);
	for (unsigned int round = 0; round < 4 && !w->failed; round++) {
		admin_crash(w, 2);
		world_run(w, 500 * MS);
		uint64_t grants = w->marks[MARK_GRANT];

		admin_boot(w, 2);
		expect(w, world_run_until(w, healthy, 5 * SECOND), "node 3 is back, without a word");
		world_run(w, 200 * MS);
		expect(w, w->marks[MARK_GRANT] > grants + 20, "the others were granted locks meanwhile");
	}
	w->draining = true;
	world_run(w, 5 * SECOND);
	checker_final(w);
	return !w->failed;
}

/* R-LOST-1 with kill, R-COND-3: a minority that comes back ends its clients first. */
static bool story_minority_merges(struct world *w, uint64_t seed, struct counters *counters)
{
	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_KILL, 0, false }, counters);
	struct client *a = client_of(w, 3, 0);
	struct client *b = client_of(w, 1, 0);

	client_lock(a, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	expect(w, holds(a, 0, EX), "node 3 holds r0");
	isolate(w, 2, 0);
	world_run(w, SECOND);
	expect(w, is(w, 3, "stopped"), "the minority is stopped");
	expect(w, is(w, 1, "recovering"), "the majority is not");
	client_lock(b, 0, 0, EX, 0);
	client_lock(b, 1, 1, EX, 0);
	world_run(w, 5 * SECOND);
	expect(w, waits(b, 0) && holds(b, 1, EX), "only what node 3 holds is not granted");
	expect(w, a->alive && a->slots[0].believed == EX, "the client of node 3 goes on using it");
	rejoin(w);
	expect(w, world_run_until(w, healthy, 5 * SECOND), "all are well again");
	expect(w, !a->alive, "that client is gone");
	world_run(w, 100 * MS);
	expect(w, holds(b, 0, EX), "then the waiter has the lock");
	checker_locks_known(w);
	return !w->failed;
}

/* corosync-notes 2.6: a frozen machine wakes up and never sees quorate=0. */
static bool story_frozen_wakes(struct world *w, uint64_t seed, struct counters *counters)
{
	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_KILL, 0, false }, counters);
	struct client *a = client_of(w, 3, 0);
	struct client *b = client_of(w, 1, 0);

	client_lock(a, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	cpgmodel_freeze(w->cpg, 2, true);
	simnode_pause(&w->nodes[2], true);
	client_lock(b, 0, 0, EX, 0);
	client_lock(b, 1, 1, EX, 0);
	world_run(w, 3 * SECOND);
	expect(w, waits(b, 0) && holds(b, 1, EX), "the others go on, but for r0");
	/* What its client asks for while the daemon is stopped is answered by a node that is outside. */
	client_lock(a, 1, 2, EX, 0);
	cpgmodel_freeze(w->cpg, 2, false);
	simnode_pause(&w->nodes[2], false);
	world_run(w, 30 * MS);
	expect(w, a->slots[1].state != SLOT_HELD, "nothing is granted to the one who woke up");
	expect(w, world_run_until(w, healthy, 5 * SECOND), "all are well again");
	expect(w, !a->alive, "its old client is gone");
	world_run(w, 100 * MS);
	expect(w, holds(b, 0, EX), "then the waiter has the lock");
	return !w->failed;
}

/* Three parts of one: nobody may go on; with the administrator's help all come back. */
static bool story_three_parts(struct world *w, uint64_t seed, struct counters *counters)
{
	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_KILL, 0, false }, counters);
	unsigned int parts[SIM_HOSTS_MAX] = { 0, 1, 2 };
	struct client *a = client_of(w, 1, 0);

	client_lock(a, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	cpgmodel_partition(w->cpg, parts);
	world_run(w, SECOND);
	for (unsigned int node = 1; node <= 3; node++) {
		expect(w, is(w, node, "stopped"), "everybody is stopped");
	}
	w->admin.never = false;
	admin_heal(w);
	expect(w, world_run_until(w, healthy, 60 * SECOND), "all are well again");
	return !w->failed;
}

/* two_node: both halves are quorate; the one with the lower nodeid goes on, the other stops. */
static bool story_two_nodes(struct world *w, uint64_t seed, struct counters *counters)
{
	begin(w, seed, &(struct cast_of){ 2, QUORUM_TWO_NODE, NODE_ON_LOST_KILL, 0, false }, counters);
	struct client *a = client_of(w, 1, 0);
	struct client *b = client_of(w, 2, 0);

	client_lock(b, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	isolate(w, 1, 0);
	world_run(w, SECOND);
	expect(w, is(w, 1, "recovering") && is(w, 2, "stopped"), "node 1 goes on, node 2 does not");
	client_lock(a, 0, 0, EX, 0);
	client_lock(a, 1, 1, EX, 0);
	client_lock(b, 1, 2, EX, 0);
	world_run(w, SECOND);
	expect(w, waits(a, 0) && holds(a, 1, EX), "node 1 grants what node 2 does not hold");
	expect(w, b->slots[1].state != SLOT_HELD, "node 2 grants nothing");
	rejoin(w);
	expect(w, world_run_until(w, healthy, 5 * SECOND), "all are well again");
	world_run(w, 100 * MS);
	expect(w, holds(a, 0, EX), "the waiter has the lock");
	return !w->failed;
}

/* The higher of two nodes, alone: the lower one was switched off and acknowledged. */
static bool story_two_nodes_higher_alone(struct world *w, uint64_t seed, struct counters *counters)
{
	begin(w, seed, &(struct cast_of){ 2, QUORUM_TWO_NODE, NODE_ON_LOST_KILL, 0, false }, counters);
	struct client *b = client_of(w, 2, 0);

	admin_crash(w, 0);
	world_run(w, SECOND);
	client_lock(b, 0, 0, EX, 0);
	world_run(w, SECOND);
	expect(w, is(w, 2, "stopped") && b->slots[0].state != SLOT_HELD, "node 2 waits");
	admin_ack(w, 1, 0);
	world_run(w, SECOND);
	expect(w, is(w, 2, "running") && holds(b, 0, EX), "after the acknowledgement it goes on");
	admin_boot(w, 0);
	expect(w, world_run_until(w, healthy, 5 * SECOND), "node 1 is back");
	expect(w, holds(b, 0, EX), "the lock is where it was");
	checker_locks_known(w);
	return !w->failed;
}

static bool lists_ghost(struct world *w, unsigned int node)
{
	struct node_member_info members[8];
	size_t n = node_space_members(w->nodes[node - 1].node, "default", members, 8);
	bool ghost = false;

	for (size_t i = 0; i < n && i < 8; i++) {
		ghost |= strcmp(members[i].state, "ghost") == 0;
	}
	return ghost;
}

/*
 * corosync-notes 2.8: machine 4 goes off in the middle of a sync, and its process stays listed for ever; but
 * not on node 1, whose corosync is younger. Then the lockspace is formed anew. The ids of views must not
 * depend on it (seed 214318 of the swarm at f453fda: nodes 1 and 3 evicted each other).
 */
static bool story_ghost_on_one_side(struct world *w, uint64_t seed, struct counters *counters)
{
	begin(w, seed, &(struct cast_of){ 4, QUORUM_MAJORITY, NODE_ON_LOST_KILL, 0, false }, counters);
	for (unsigned int i = 0; i < 100 && !lists_ghost(w, 3); i++) {
		admin_crash(w, 3);
		world_run(w, 500 * MS);
		admin_boot(w, 3);
		for (unsigned int k = 0; k < 4000 && !cpgmodel_syncing(w->cpg, 0); k++) {
			world_run(w, MS / 20);
		}
		admin_crash(w, 3);
		world_run(w, 500 * MS);
	}
	expect(w, lists_ghost(w, 3), "machine 4 leaves a ghost");
	admin_crash(w, 0);
	simnode_kill(&w->nodes[1], false);
	simnode_kill(&w->nodes[2], false);
	world_run(w, SECOND);
	admin_boot(w, 0);
	admin_daemon_start(w, 1);
	admin_daemon_start(w, 2);
	world_run(w, 5 * SECOND);
	admin_ack(w, 1, 3);
	world_run(w, SECOND);
	expect(w, lists_ghost(w, 3) && !lists_ghost(w, 1), "node 3 lists the ghost, node 1 does not");
	expect(w, is(w, 1, "running") && is(w, 2, "running") && is(w, 3, "running"), "three nodes run");
	simnode_kill(&w->nodes[1], false);
	world_run(w, 5 * SECOND);
	expect(w, is(w, 1, "recovering") && is(w, 3, "recovering"), "nodes 1 and 3 agree on the next view");
	admin_daemon_start(w, 1);
	world_run(w, 5 * SECOND);
	expect(w, is(w, 1, "running") && is(w, 2, "running") && is(w, 3, "running"),
	       "three nodes run again");
	return !w->failed;
}

static const struct {
	const char *name;
	bool (*run)(struct world *w, uint64_t seed, struct counters *counters);
} stories[] = {
	{ "self-delivery-then-cut", story_self_delivery },
	{ "self-delivery-then-cut-mutant", story_self_delivery_mutant },
	{ "holder-crashes", story_holder_crashes },
	{ "clean-leave", story_clean_leave },
	{ "join-under-load", story_join_under_load },
	{ "minority-merges", story_minority_merges },
	{ "frozen-wakes", story_frozen_wakes },
	{ "three-parts", story_three_parts },
	{ "two-nodes", story_two_nodes },
	{ "two-nodes-higher-alone", story_two_nodes_higher_alone },
	{ "ghost-on-one-side", story_ghost_on_one_side },
};

int main(int argc, char **argv)
{
	const char *only = NULL;
	struct world *w = calloc(1, sizeof(*w));
	unsigned int bad = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--verbose") == 0) {
			arg_verbose = true;
		} else {
			only = argv[i];
		}
	}
	if (!w) {
		return 2;
	}
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		bool good = true;

		if (only && strcmp(only, stories[i].name) != 0) {
			continue;
		}
		for (uint64_t seed = 1; seed <= 20 && good; seed++) {
			struct counters counters = { 0 };

			w->story.on = w->story.print = arg_verbose;
			good = stories[i].run(w, seed, &counters);
			if (!good) {
				(void)printf("%s, seed %llu: at %.3f ms: %s\n", stories[i].name,
					     (unsigned long long)seed, (double)world_now(w) / 1000.0,
					     w->violation);
			}
			world_done(w);
		}
		(void)printf("%s: %s\n", stories[i].name, good ? "ok" : "FAILED");
		bad += good ? 0 : 1;
	}
	free(w);
	return bad > 0 ? 1 : 0;
}
