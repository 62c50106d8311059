/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exact stories over the simulator, one per function, in virtual time: what clients are told when nodes go. Where a
 * rule is what keeps such a story from ending badly, it is told again without the rule. README.md says which of the
 * protocol's dangers is looked for where.
 */
#include "config.h"

#include <string.h>

#include "plugin/node/wire.h"
#include "tests/sim/words.h"

/*
 * corosync-notes 2.3: node 3 puts its request on the wire, delivers it to itself in a quorate ring of
 * three, and nobody else ever gets it. Its client must not hear "granted".
 */
static void story_self_delivery(struct world *w)
{
	struct engine_lock_info lock;
	struct node_member_info members[8];
	struct node_space_info info;
	uint64_t incarnation = 0;

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
	expect(w, mutated(w) || waits(a, 0), "the client of node 3 is told nothing");
	world_run(w, SECOND);
	client_lock(b, 0, 0, EX, 0);
	world_run(w, SECOND);
	expect(w, holds(b, 0, EX), "the majority grants the lock to somebody else");
	expect(w, mutated(w) || waits(a, 0), "the client of node 3 is still told nothing");
	rejoin(w);
	expect(w, world_run_until(w, healthy, 5 * SECOND), "node 3 comes back clean, by itself");
	expect(w, a->state == CLIENT_LOST || !a->alive, "its client was told that the session is lost");
	expect(w, holds(b, 0, EX), "the lock is where it was");
}

/* R-MEM-4: a leaver is no failure; nothing waits for fencing. */
static void story_clean_leave(struct world *w)
{
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
}

/*
 * R-VIEW-2, slow way: node 1 is cut off with a grant that it has told nobody. The others grant the same lock,
 * store a value in it, and are gone for good; node 1 goes on from its older state. Its grant is told now: with
 * a token above theirs, and the value may be old.
 */
static void story_slow_way(struct world *w)
{
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
}

/*
 * R-STAB-3: of five nodes one crashes; an op that node 1 wrote before is delivered while all are stopped, and
 * held. Node 1 is cut off at its own ready, the last one: it alone passes the view point and applies what was
 * held. Its client must not hear of it, for the others drop that op.
 */
static void story_last_ready(struct world *w)
{
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
}

/*
 * R-VIEW-2, slow way: an acknowledgement proves nothing once the ring has changed. Node 2 is acknowledged; node 3
 * is frozen, with that in its memory. Node 2 comes back and gets the state from node 1, and its client a lock; then
 * it is cut off, and node 1 has lost all state when node 3 wakes up beside it, having seen no loss of quorum.
 */
static void story_stale_ack(struct world *w)
{
	unsigned int parts[SIM_HOSTS_MAX] = { 0, 1, 0 };

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
	expect(w, mutated(w) || is(w, 3, "stopped"), "node 3 does not know what became of node 2");
	client_lock(c, 0, 0, EX, 0);
	world_run(w, SECOND);
	expect(w, mutated(w) || !holds(c, 0, EX), "nothing is granted");
	rejoin(w);
	w->admin.never = false;
	expect(w, world_run_until(w, healthy, 60 * SECOND), "all are well again");
}

/* R-REC-8: five nodes lose one after the other, the second while the first view is not agreed yet, and no
 * lock that anybody holds; with two left there is no quorum. All come back. */
static void story_five_shrink(struct world *w)
{
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
}

/* A daemon that sleeps through two ring changes hears of both at once. */
static void story_paused_across_two_rings(struct world *w)
{
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
}

/*
 * R-STAB-2 for recovery callbacks: node 1 is cut off at its own word that node 5 is fenced, and passes a recovery point
 * alone. Its subscribers must not hear of it: the others have a recovery with that generation, and another seq.
 */
static void story_last_fenced(struct world *w)
{
	world_run(w, 6 * SECOND);
	expect(w, w->marks[MARK_SUBSCRIBED] >= 5, "there are subscribers");
	admin_crash(w, 4);
	world_run(w, 2 * SECOND);
	expect(w, cpgmodel_on_token(w->cpg, 0, CPG_TYPE + WIRE_FENCED, isolate, w, 0, 0), "the cut is armed");
	/* What the others have to say about it comes later. */
	for (unsigned int host = 1; host < 4; host++) {
		storm_now(w, host, 50 * MS);
	}
	admin_ack(w, 0, 4);
	world_run(w, 3 * SECOND);
	rejoin(w);
	admin_boot(w, 4);
	w->admin.never = false;
	expect(w, world_run_until(w, healthy, 20 * SECOND), "all are well again");
	world_run(w, SECOND);
}

/* R-GEN-2: a lockspace that all have left is formed anew, and counts from 1 again; for who comes back to it later, too,
 * whose daemon has been there all the time. */
static void story_formed_anew(struct world *w)
{
	struct node_space_info info;

	world_run(w, 6 * SECOND);
	for (unsigned int round = 0; round < 3; round++) {
		admin_crash(w, 2);
		world_run(w, SECOND);
		admin_ack(w, 0, 2);
		admin_boot(w, 2);
		expect(w, world_run_until(w, healthy, 20 * SECOND), "node 3 is back");
	}
	expect(w, simnode_space(&w->nodes[0], 0, &info) && info.generation >= 4, "generations have grown");
	for (unsigned int i = 0; i < w->clients_count; i++) {
		client_kill(&w->clients[i], "it is not needed any more");
	}
	world_run(w, 100 * MS);
	for (unsigned int host = 0; host < 3; host++) {
		simnode_request(&w->nodes[host], &(struct request){ .type = REQUEST_RELEASE, .space = 0 });
		world_run(w, 500 * MS);
	}
	expect(w, strcmp(state_of(w, 1), "absent") == 0, "all have left");
	for (unsigned int host = 3; host-- > 0;) {
		simnode_request(&w->nodes[host], &(struct request){ .type = REQUEST_CREATE, .space = 0 });
		world_run(w, 500 * MS);
		client_start(client_of(w, host + 1, 0));
		client_open(client_of(w, host + 1, 0), 0, false);
	}
	expect(w, world_run_until(w, healthy, 20 * SECOND), "and come back");
	expect(w, simnode_space(&w->nodes[0], 0, &info) && info.generation <= 3, "to another one");
	world_run(w, 6 * SECOND);
}

const struct story_entry stories[] = {
	{ "self-delivery-then-cut", story_self_delivery, { .hosts = 3, .on_lost = NODE_ON_LOST_KILL },
	  { { "mutant", NODE_MUTATE_NO_STABLE, "two clients hold" } } },
	{ "clean-leave", story_clean_leave, { .hosts = 3 }, { { 0 } } },
	{ "slow-way", story_slow_way, { .hosts = 3, .on_lost = NODE_ON_LOST_KILL },
	  { { "no-renew", NODE_MUTATE_NO_RENEW, "granted with token" },
	    { "no-raise", NODE_MUTATE_NO_RAISE, "granted with token" },
	    { "no-lvb-mark", NODE_MUTATE_NO_LVB_MARK, "was stored and its writer told so" } } },
	{ "last-ready", story_last_ready, { .hosts = 5, .on_lost = NODE_ON_LOST_KILL },
	  { { "stable-held", NODE_MUTATE_STABLE_HELD, "granted with token" } } },
	{ "stale-ack", story_stale_ack, { .hosts = 3 }, { { 0 } } },
	{ "five-shrink", story_five_shrink, { .hosts = 5 }, { { 0 } } },
	{ "paused-across-two-rings", story_paused_across_two_rings, { .hosts = 3, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ "last-fenced", story_last_fenced, { .hosts = 5, .on_lost = NODE_ON_LOST_KILL, .subscribed = true },
	  { { "unstable", NODE_MUTATE_CB_UNSTABLE, "(R-" } } },
	{ "formed-anew", story_formed_anew, { .hosts = 3, .subscribed = true }, { { 0 } } },
	{ .name = NULL },
};
