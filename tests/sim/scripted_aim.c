/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories aimed at what is too rare for the swarm: each needs several things to happen in one order. Where a
 * rule is what keeps such a story from ending badly, it is told again without the rule. README.md says
 * which of the protocol's dangers is looked for where.
 */
#include "config.h"

#include <string.h>

#include "plugin/node/wire.h"
#include "tests/sim/words.h"

static void slow_now(void *ctx, uint64_t host, uint64_t factor)
{
	struct world *w = ctx;

	story_tell(w, "net: %u gets nothing for a while", (unsigned int)host + 1);
	cpgmodel_slow(w->cpg, (unsigned int)host, (unsigned int)factor);
}

static void storm_now(void *ctx, uint64_t host, uint64_t us)
{
	struct world *w = ctx;

	story_tell(w, "net: %u may send nothing for a while", (unsigned int)host + 1);
	cpgmodel_again(w->cpg, (unsigned int)host, us);
}

static void crash_now(void *ctx, uint64_t host, uint64_t b)
{
	(void)b;
	admin_crash(ctx, (unsigned int)host);
}

static size_t members_of(struct world *w, unsigned int node)
{
	struct node_space_info info;

	return simnode_space(&w->nodes[node - 1], 0, &info) ? info.members_count : 0;
}

static uint64_t counter_of(struct world *w, unsigned int node, const char *name)
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

/*
 * R-VIEW-2, slow way: node 1 is cut off with a grant that it has told nobody. The others grant the same lock,
 * store a value in it, and are gone for good; node 1 goes on from its older state. Its grant is told now: with
 * a token above theirs, and the value may be old.
 */
static bool story_slow_way(struct world *w, uint64_t seed, struct counters *counters, uint64_t mutations)
{
	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_KILL, mutations, false, false }, counters);
	struct client *a = client_of(w, 1, 0);
	struct client *keeps = client_of(w, 1, 1);
	struct client *b = client_of(w, 2, 0);

	client_lock(keeps, 0, 0, NL, 0);
	client_lock(keeps, 1, 1, NL, 0);
	client_lock(a, 0, 0, EX, LOCKSTEP_LKF_VALBLK);
	world_run(w, 50 * MS);
	client_unlock(a, 0, LOCKSTEP_LKF_VALBLK);
	world_run(w, 50 * MS);
	expect(w, holds(keeps, 0, NL), "the value stays, since somebody has a lock on it");
	expect(w, cpgmodel_on_token(w->cpg, 0, 1, isolate, w, 0, 0), "the cut is armed");
	client_lock(a, 1, 0, EX, LOCKSTEP_LKF_VALBLK);
	world_run(w, SECOND);
	expect(w, waits(a, 1) && is(w, 1, "stopped"), "node 1 is cut off, and its client is told nothing");
	client_lock(b, 0, 0, EX, LOCKSTEP_LKF_VALBLK);
	client_lock(b, 1, 1, EX, LOCKSTEP_LKF_VALBLK);
	world_run(w, 100 * MS);
	expect(w, holds(b, 0, EX) && holds(b, 1, EX), "the majority grants the lock");
	client_unlock(b, 0, LOCKSTEP_LKF_VALBLK);
	client_unlock(b, 1, LOCKSTEP_LKF_VALBLK);
	world_run(w, 100 * MS);
	expect(w, client_done(b), "and stores a value");
	uint64_t token = w->checker.resources[0][0].token_max[EX];

	admin_crash(w, 1);
	admin_crash(w, 2);
	world_run(w, 500 * MS);
	rejoin(w);
	admin_boot(w, 2);
	world_run(w, 2 * SECOND);
	expect(w, is(w, 1, "stopped"), "node 1 does not know what became of node 2");
	admin_ack(w, 0, 1);
	world_run(w, SECOND);
	expect(w, is(w, 1, "running") && is(w, 3, "running"), "then it goes on from what it has");
	expect(w, holds(a, 1, EX), "its client has the lock");
	expect(w, a->slots[1].token > token, "the token is above those of the lineage that is gone");
	client_lock(a, 2, 1, PR, LOCKSTEP_LKF_VALBLK);
	world_run(w, 100 * MS);
	expect(w, holds(a, 2, PR), "another lock is granted, its value marked invalid");
	checker_locks_known(w);
	return !w->failed;
}

/*
 * R-STAB-3: of five nodes one crashes; an op that node 1 wrote before is delivered while all are stopped, and
 * held. Node 1 is cut off at its own ready, the last one: it alone passes the view point and applies what was
 * held. Its client must not hear of it, for the others drop that op.
 */
static bool story_last_ready(struct world *w, uint64_t seed, struct counters *counters, uint64_t mutations)
{
	begin(w, seed, &(struct cast_of){ 5, QUORUM_MAJORITY, NODE_ON_LOST_KILL, mutations, false, false }, counters);
	struct client *a = client_of(w, 1, 0);
	struct client *b = client_of(w, 2, 0);

	storm_now(w, 0, 450 * MS);
	client_lock(a, 0, 0, EX, 0);
	world_run(w, 5 * MS);
	admin_crash(w, 4);
	world_run(w, 400 * MS);
	expect(w, is(w, 1, "stopped") && is(w, 2, "stopped"), "only node 1 is not ready");
	expect(w, cpgmodel_on_token(w->cpg, 0, 0, isolate, w, 0, 0), "the cut is armed");
	world_run(w, SECOND);
	expect(w, is(w, 2, "recovering") && is(w, 3, "recovering"), "the others go on without node 1");
	client_lock(b, 0, 0, EX, 0);
	world_run(w, 200 * MS);
	expect(w, holds(b, 0, EX), "the lock is given to somebody else");
	expect(w, waits(a, 0), "the client of node 1 was told nothing");
	admin_ack(w, 1, 4);
	admin_boot(w, 4);
	rejoin(w);
	expect(w, world_run_until(w, healthy, 10 * SECOND), "all are well again");
	expect(w, holds(b, 0, EX), "the lock is where it was");
	return !w->failed;
}

/*
 * R-REC-5: a joiner (node 3) is synced, which node 1 does not see before it is cut off. Nodes 2 and 3 must not
 * make it count without node 1: later node 2 restarts clean beside node 1, who is then half of the electorate
 * he knows, with its lowest member, while a client of node 3 believes in what it was told.
 */
static bool story_synced_on_one_side(struct world *w, uint64_t seed, struct counters *counters,
				     uint64_t mutations)
{
	unsigned int alone[SIM_HOSTS_MAX] = { 0, 0, 1 };

	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_FENCE, mutations, false, false }, counters);
	struct client *a = client_of(w, 1, 0);
	struct client *c = client_of(w, 3, 0);

	admin_crash(w, 2);
	world_run(w, 500 * MS);
	admin_ack(w, 0, 2);
	world_run(w, 100 * MS);
	expect(w, is(w, 1, "running") && is(w, 2, "running"), "two nodes run");
	/* Node 2 is ready, but its prepared is late. */
	expect(w, cpgmodel_on_token(w->cpg, 1, CPG_TYPE + WIRE_READY, storm_now, w, 1, 40 * MS), "armed");
	admin_boot(w, 2);
	for (unsigned int i = 0; i < 2000 && !is(w, 3, "recovering"); i++) {
		if (cpgmodel_on_token(w->cpg, 2, CPG_TYPE + WIRE_SYNCED, slow_now, w, 0, 4000)) {
			world_run(w, MS / 2);
		}
		world_run(w, MS / 2);
	}
	world_run(w, 5 * MS);
	if (!is(w, 3, "recovering") || members_of(w, 2) != 3 || members_of(w, 1) != 2 ||
	    !cpgmodel_on_token(w->cpg, 1, CPG_TYPE + WIRE_PREPARED, isolate, w, 0, 0)) {
		return !w->failed; /* node 2 was too quick: the occasion does not come with every seed */
	}
	world_run(w, SECOND);
	cpgmodel_slow(w->cpg, 0, 1);
	world_run(w, SECOND);
	expect(w, mutations || (is(w, 2, "stopped") && is(w, 3, "stopped")),
	       "nodes 2 and 3 are no majority of those who count");
	client_open(c, 0, false);
	world_run(w, 100 * MS);
	if (c->state == CLIENT_READY) {
		client_lock(c, 0, 0, EX, 0);
		world_run(w, 100 * MS);
		expect(w, mutations || !holds(c, 0, EX), "a client of node 3 is told nothing");
	}
	story_tell(w, "net: 3 is alone, 1 and 2 are together");
	simnode_kill(&w->nodes[1], false);
	cpgmodel_partition(w->cpg, alone);
	world_run(w, 500 * MS);
	admin_daemon_start(w, 1);
	world_run(w, SECOND);
	client_lock(a, 0, 0, EX, 0);
	world_run(w, SECOND);
	/* Node 1 may go on: nobody else has, nor been told anything since that it does not know. */
	rejoin(w);
	w->admin.never = false;
	expect(w, world_run_until(w, healthy, 60 * SECOND), "all are well again");
	return !w->failed;
}

/*
 * R-VIEW-2, slow way: an acknowledgement proves nothing once the ring has changed. Node 2 is acknowledged; node 3
 * is frozen, with that in its memory. Node 2 comes back and gets the state from node 1, and its client a lock; then
 * it is cut off, and node 1 has lost all state when node 3 wakes up beside it, having seen no loss of quorum.
 */
static bool story_stale_ack(struct world *w, uint64_t seed, struct counters *counters, uint64_t mutations)
{
	unsigned int parts[SIM_HOSTS_MAX] = { 0, 1, 0 };

	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_FENCE, mutations, false, false },
	      counters);
	struct client *b = client_of(w, 2, 0);
	struct client *c = client_of(w, 3, 0);

	admin_crash(w, 1);
	world_run(w, 500 * MS);
	admin_ack(w, 0, 1);
	world_run(w, 100 * MS);
	expect(w, is(w, 1, "running") && is(w, 3, "running"), "nodes 1 and 3 run");
	cpgmodel_freeze(w->cpg, 2, true);
	simnode_pause(&w->nodes[2], true);
	world_run(w, 500 * MS);
	admin_boot(w, 1);
	world_run(w, 3 * SECOND);
	expect(w, is(w, 1, "recovering") && is(w, 2, "recovering"), "nodes 1 and 2 go on, node 3 is lost");
	client_open(b, 0, false);
	world_run(w, 50 * MS);
	client_lock(b, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	expect(w, holds(b, 0, EX), "a client of node 2 has the lock");
	cpgmodel_partition(w->cpg, parts);
	simnode_kill(&w->nodes[0], false);
	world_run(w, 500 * MS);
	admin_daemon_start(w, 0);
	world_run(w, 20 * MS);
	cpgmodel_freeze(w->cpg, 2, false);
	simnode_pause(&w->nodes[2], false);
	world_run(w, 2 * SECOND);
	expect(w, mutations || is(w, 3, "stopped"), "node 3 does not know what became of node 2");
	client_lock(c, 0, 0, EX, 0);
	world_run(w, SECOND);
	expect(w, mutations || !holds(c, 0, EX), "nothing is granted");
	rejoin(w);
	w->admin.never = false;
	expect(w, world_run_until(w, healthy, 60 * SECOND), "all are well again");
	return !w->failed;
}

/* R-MERGE-2: three parts that all carry state and have passed no view point since meet again. */
static bool story_merge_before_view_point(struct world *w, uint64_t seed, struct counters *counters,
					  uint64_t mutations)
{
	unsigned int parts[SIM_HOSTS_MAX] = { 0, 1, 0, 1 };

	begin(w, seed, &(struct cast_of){ 4, QUORUM_MAJORITY, NODE_ON_LOST_KILL, mutations, false, false }, counters);
	struct client *a = client_of(w, 4, 0);
	struct client *b = client_of(w, 1, 0);

	client_lock(a, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	cpgmodel_partition(w->cpg, parts);
	world_run(w, SECOND);
	for (unsigned int node = 1; node <= 4; node++) {
		expect(w, is(w, node, "stopped"), "neither half may go on");
	}
	rejoin(w);
	expect(w, world_run_until(w, healthy, 10 * SECOND), "one half is reset, by itself");
	expect(w, !a->alive || a->state == CLIENT_LOST, "that of node 4: its client is told");
	client_lock(b, 0, 0, EX, 0);
	world_run(w, 100 * MS);
	expect(w, holds(b, 0, EX), "then the lock is free");
	return !w->failed;
}

/* R-COND-7: two daemons have lost all state; the third node, which is cut off, has it, and a client that
 * holds a lock. They form nothing beside it, and go on with its state when it is back. */
static bool story_forming_beside_a_holder(struct world *w, uint64_t seed, struct counters *counters,
					  uint64_t mutations)
{
	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_FENCE, mutations, false, false }, counters);
	struct client *a = client_of(w, 3, 0);

	client_lock(a, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	isolate(w, 2, 0);
	world_run(w, 500 * MS);
	simnode_kill(&w->nodes[0], false);
	simnode_kill(&w->nodes[1], false);
	world_run(w, 500 * MS);
	admin_daemon_start(w, 0);
	admin_daemon_start(w, 1);
	world_run(w, 5 * SECOND);
	expect(w, mutations || (is(w, 1, "joining") && is(w, 2, "joining")), "nodes 1 and 2 form nothing");
	struct client *b = client_of(w, 1, 0);

	/* (Its old process went with the old daemon.) */
	client_start(b);
	client_open(b, 0, false);
	world_run(w, 100 * MS);
	if (b->state == CLIENT_READY) {
		client_lock(b, 0, 0, EX, 0);
		world_run(w, 100 * MS);
	}
	rejoin(w);
	expect(w, world_run_until(w, healthy, 10 * SECOND), "with node 3 they are well again");
	expect(w, a->alive && holds(a, 0, EX), "what its client holds is there");
	checker_locks_known(w);
	return !w->failed;
}

/* R-REC-8: five nodes lose one after the other, the second while the first view is not agreed yet, and no
 * lock that anybody holds; with two left there is no quorum. All come back. */
static bool story_five_shrink(struct world *w, uint64_t seed, struct counters *counters, uint64_t mutations)
{
	begin(w, seed, &(struct cast_of){ 5, QUORUM_MAJORITY, NODE_ON_LOST_FENCE, mutations, false, false }, counters);
	struct client *a = client_of(w, 1, 0);
	struct client *b = client_of(w, 2, 0);
	struct client *e = client_of(w, 5, 0);

	client_lock(e, 0, 0, EX, 0);
	client_lock(a, 1, 1, EX, 0);
	world_run(w, 100 * MS);
	client_lock(a, 0, 0, EX, 0);
	/* Node 4 goes while it says that it is ready for the view without node 5, or just after. */
	expect(w, cpgmodel_on_token(w->cpg, 3, CPG_TYPE + WIRE_READY, crash_now, w, 3, 0), "armed");
	admin_crash(w, 4);
	world_run(w, SECOND);
	admin_crash(w, 3);
	world_run(w, SECOND);
	expect(w, is(w, 1, "recovering") && is(w, 2, "recovering") && is(w, 3, "recovering"), "three go on");
	client_lock(b, 0, 2, EX, 0);
	world_run(w, 100 * MS);
	expect(w, holds(b, 0, EX) && waits(a, 0) && holds(a, 1, EX), "only what node 5 held is kept");
	admin_crash(w, 2);
	world_run(w, SECOND);
	expect(w, is(w, 1, "stopped") && is(w, 2, "stopped"), "two of five do not go on");
	client_lock(b, 1, 3, EX, 0);
	world_run(w, SECOND);
	expect(w, waits(a, 0) && b->slots[1].state != SLOT_HELD, "nothing is granted");
	admin_boot(w, 3);
	admin_boot(w, 2);
	world_run(w, 3 * SECOND);
	expect(w, holds(b, 1, EX) && waits(a, 0), "with four all but node 5's lock");
	admin_boot(w, 4);
	expect(w, world_run_until(w, healthy, 10 * SECOND), "all are back");
	world_run(w, 100 * MS);
	expect(w, holds(a, 0, EX), "node 5 came back clean: its lock is free");
	expect(w, holds(a, 1, EX) && holds(b, 0, EX), "R-REC-11: nobody else's lock has changed");
	checker_locks_known(w);
	return !w->failed;
}

/* R-CPG-4: two joiners at once, under load, twice; the second time with the death of the donor. */
static bool story_two_joiners(struct world *w, uint64_t seed, struct counters *counters, uint64_t mutations)
{
	begin(w, seed, &(struct cast_of){ 5, QUORUM_MAJORITY, NODE_ON_LOST_KILL, mutations, true, false }, counters);
	for (unsigned int round = 0; round < 2 && !w->failed; round++) {
		admin_crash(w, 3);
		admin_crash(w, 4);
		world_run(w, 500 * MS);
		admin_boot(w, 3);
		admin_boot(w, 4);
		if (round == 1) {
			(void)cpgmodel_on_token(w->cpg, 0, CPG_TYPE + WIRE_SYNC_CHUNK, crash_now, w, 0, 0);
			world_run(w, 2 * SECOND);
			expect(w, !admin_host_on(w, 0), "the donor is gone");
			admin_boot(w, 0);
		}
		expect(w, world_run_until(w, healthy, 10 * SECOND), "both are members");
	}
	w->draining = true;
	world_run(w, 5 * SECOND);
	checker_final(w);
	return !w->failed;
}

/* A daemon that sleeps through two ring changes hears of both at once. */
static bool story_paused_across_two_rings(struct world *w, uint64_t seed, struct counters *counters,
					  uint64_t mutations)
{
	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_KILL, mutations, false, false }, counters);
	struct client *a = client_of(w, 3, 0);
	struct client *b = client_of(w, 1, 0);

	client_lock(a, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	simnode_pause(&w->nodes[2], true);
	client_lock(a, 1, 1, EX, 0);
	isolate(w, 2, 0);
	world_run(w, 500 * MS);
	rejoin(w);
	world_run(w, 500 * MS);
	client_lock(b, 0, 0, EX, 0);
	client_lock(b, 1, 1, EX, 0);
	world_run(w, 500 * MS);
	expect(w, waits(b, 0) && holds(b, 1, EX), "node 3 holds one lock and never got the other");
	simnode_pause(&w->nodes[2], false);
	world_run(w, 30 * MS);
	expect(w, a->slots[1].state != SLOT_HELD, "nothing is granted to the one who woke up");
	expect(w, world_run_until(w, healthy, 5 * SECOND), "all are well again");
	expect(w, !a->alive, "its old client is gone");
	world_run(w, 100 * MS);
	expect(w, holds(b, 0, EX), "then the waiter has the lock");
	return !w->failed;
}

/* R-REC-6: every member says that node 4 is fenced, the second one late: of an incarnation that is no more
 * lost, into a stopped lockspace in which the new one is joining. It must not count for a later loss. */
static bool story_late_fenced(struct world *w, uint64_t seed, struct counters *counters, uint64_t mutations)
{
	begin(w, seed, &(struct cast_of){ 4, QUORUM_MAJORITY, NODE_ON_LOST_FENCE, mutations, false, false }, counters);
	struct client *a = client_of(w, 1, 0);
	struct client *d = client_of(w, 4, 0);
	uint64_t fenced;

	client_lock(d, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	client_lock(a, 0, 0, EX, 0);
	admin_crash(w, 3);
	world_run(w, 500 * MS);
	expect(w, is(w, 1, "recovering") && waits(a, 0), "node 4 is lost");
	admin_ack(w, 0, 3);
	world_run(w, 2 * MS);
	/* What node 2 has to say about it comes in any case after the recovery point. */
	storm_now(w, 1, 300 * MS);
	world_run(w, 50 * MS);
	fenced = counter_of(w, 1, "fenced_by_ack");
	expect(w, fenced == 1 && is(w, 1, "running") && holds(a, 0, EX), "one word is enough");
	admin_boot(w, 3);
	expect(w, world_run_until(w, healthy, 10 * SECOND), "node 4 is back");
	client_start(d);
	client_open(d, 0, false);
	world_run(w, 50 * MS);
	client_unlock(a, 0, 0);
	client_lock(d, 0, 0, EX, 0);
	world_run(w, 100 * MS);
	expect(w, holds(d, 0, EX), "and has the lock");
	client_lock(a, 1, 0, EX, 0);
	isolate(w, 3, 0);
	world_run(w, 3 * SECOND);
	expect(w, is(w, 1, "recovering") && waits(a, 1), "what was said of its predecessor does not count");
	expect(w, counter_of(w, 1, "fenced_by_ack") == 1, "nobody has vouched for it");
	return !w->failed;
}

static size_t level_of(struct world *w, unsigned int node)
{
	struct node_space_info info;

	return simnode_space(&w->nodes[node - 1], 0, &info) ? info.level : 0;
}

/* R-LVL-1..3: a cluster of old daemons is upgraded one node at a time under load; then one goes back. */
static bool story_rolling_upgrade(struct world *w, uint64_t seed, struct counters *counters, uint64_t mutations)
{
	begin(w, seed, &(struct cast_of){ 3, QUORUM_MAJORITY, NODE_ON_LOST_KILL, mutations, true, true },
	      counters);
	w->config.old_per_mille = 0;
	for (unsigned int node = 1; node <= 3 && !w->failed; node++) {
		expect(w, level_of(w, 2) == 1 && level_of(w, 3) == 1, "as long as one is old they stay at 1");
		simnode_kill(&w->nodes[node - 1], false);
		world_run(w, 300 * MS);
		admin_daemon_start(w, node - 1);
		expect(w, world_run_until(w, healthy, 10 * SECOND), "the new daemon is a member");
	}
	for (unsigned int node = 1; node <= 3; node++) {
		expect(w, level_of(w, node) == FEATURE_LEVEL, "when all are new they use it");
	}
	simnode_kill(&w->nodes[2], false);
	world_run(w, 300 * MS);
	w->config.old_per_mille = 1000;
	admin_daemon_start(w, 2);
	w->config.old_per_mille = 0;
	world_run(w, 2 * SECOND);
	expect(w, w->nodes[2].refused && level_of(w, 3) == 0, "an old one may not come back");
	expect(w, is(w, 1, "running") && is(w, 2, "running"), "and stops nobody");
	w->draining = true;
	world_run(w, 5 * SECOND);
	return !w->failed;
}

const struct story_entry aimed_stories[] = {
	{ "slow-way", story_slow_way, 0, NULL },
	{ "slow-way-no-renew", story_slow_way, NODE_MUTATE_NO_RENEW, "granted with token" },
	{ "slow-way-no-raise", story_slow_way, NODE_MUTATE_NO_RAISE, "granted with token" },
	{ "slow-way-no-lvb-mark", story_slow_way, NODE_MUTATE_NO_LVB_MARK, "was stored and its writer told so" },
	{ "last-ready", story_last_ready, 0, NULL },
	{ "last-ready-stable-held", story_last_ready, NODE_MUTATE_STABLE_HELD, "granted with token" },
	{ "synced-on-one-side", story_synced_on_one_side, 0, NULL },
	{ "synced-on-one-side-not-prepared", story_synced_on_one_side, NODE_MUTATE_NOT_PREPARED,
	  "granted with token" },
	{ "stale-ack", story_stale_ack, 0, NULL },
	{ "merge-before-view-point", story_merge_before_view_point, 0, NULL },
	{ "forming-beside-a-holder", story_forming_beside_a_holder, 0, NULL },
	{ "forming-beside-a-holder-form-alone", story_forming_beside_a_holder, NODE_MUTATE_FORM_ALONE,
	  "two clients hold" },
	{ "five-shrink", story_five_shrink, 0, NULL },
	{ "two-joiners", story_two_joiners, 0, NULL },
	{ "paused-across-two-rings", story_paused_across_two_rings, 0, NULL },
	{ "late-fenced", story_late_fenced, 0, NULL },
	{ "rolling-upgrade", story_rolling_upgrade, 0, NULL },
};
const size_t aimed_stories_count = sizeof(aimed_stories) / sizeof(aimed_stories[0]);
