/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stories of parts that meet again, each with a state (recovery.md section 6). */
#include "config.h"

#include "tests/sim/words.h"

/* R-LOST-1 with kill, R-COND-3: a minority that comes back ends its clients first. */
static void story_minority_merges(struct world *w)
{
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
}

/* corosync-notes 2.6: a frozen machine wakes up and never sees quorate=0. */
static void story_frozen_wakes(struct world *w)
{
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
}

/* R-MERGE-2: three parts that all carry state and have passed no view point since meet again. */
static void story_merge_before_view_point(struct world *w)
{
	unsigned int parts[SIM_HOSTS_MAX] = { 0, 1, 0, 1 };

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
}

/*
 * R-MERGE-6: of five nodes, in three parts, the fifth goes off and the two halves meet again, each with a state that
 * cannot go on by itself. Nobody is fenced as long as both are there, neither a node of the other half nor the fifth,
 * although both halves would need to know of it. When one half has come back clean the fifth is.
 */
static void story_no_shooting(struct world *w)
{
	unsigned int parts[SIM_HOSTS_MAX] = { 0, 0, 1, 1, 2 };
	struct client *a = client_of(w, 1, 0);

	client_lock(a, 0, 0, EX, 0);
	client_lock(client_of(w, 3, 0), 0, 1, EX, 0);
	client_lock(client_of(w, 4, 0), 0, 2, EX, 0);
	world_run(w, 50 * MS);
	cpgmodel_partition(w->cpg, parts);
	world_run(w, SECOND);
	admin_crash(w, 4);
	world_run(w, SECOND);
	rejoin(w);
	world_run(w, 10 * SECOND);
	expect(w, w->nodes[0].quorate && is(w, 1, "stopped") && is(w, 2, "stopped"), "nodes 1 and 2 are no majority");
	expect(w, is(w, 3, "lost") && is(w, 4, "lost"), "nodes 3 and 4 have given up, and are still there");
	expect(w, fence_requests(w, 0) == 0, "nobody is fenced in an unresolved merge");
	client_kill(client_of(w, 3, 0), "it is asked to go");
	client_kill(client_of(w, 4, 0), "it is asked to go");
	for (unsigned int i = 0; i < 100 && fence_requests(w, 5) == 0; i++) {
		world_run(w, 100 * MS);
	}
	expect(w, fence_requests(w, 5) == 1 && fence_requests(w, 0) == 1, "then one node asks for the fencing of node 5");
	fence_heard(w, 1, &(struct node_fence_result){ .nodeid = 5, .action = NODE_FENCE_OFF, .success = true,
						       .mark = fence_mark(w, 1) });
	fence_answer(w, true);
	world_run(w, SECOND);
	expect(w, is(w, 1, "running") && is(w, 4, "running") && holds(a, 0, EX), "and four go on");
}

const struct story_entry stories_merge[] = {
	{ "minority-merges", story_minority_merges, { .hosts = 3, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ "frozen-wakes", story_frozen_wakes, { .hosts = 3, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ "merge-before-view-point", story_merge_before_view_point, { .hosts = 4, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ "no-shooting", story_no_shooting,
	  { .hosts = 5, .fencing = NODE_FENCING_PACEMAKER, .fence_request_delay_ms = 1000 },
	  { { "merge", NODE_FENCE_MUTATE_MERGE, "expected: nobody is fenced in an unresolved merge" } } },
	{ .name = NULL },
};
