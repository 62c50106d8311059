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

const struct story_entry stories_merge[] = {
	{ "minority-merges", story_minority_merges, { .hosts = 3, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ "frozen-wakes", story_frozen_wakes, { .hosts = 3, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ "merge-before-view-point", story_merge_before_view_point, { .hosts = 4, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ .name = NULL },
};
