/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stories of who may go on: quorum, whatever it is made of, is needed and never enough (R-VIEW-2). */
#include "config.h"

#include "tests/sim/words.h"

/* two_node: both halves are quorate; the one with the lower nodeid goes on, the other stops. */
static void story_two_nodes(struct world *w)
{
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
}

/* The higher of two nodes, alone: the lower one was switched off and acknowledged. */
static void story_two_nodes_higher_alone(struct world *w)
{
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
}

/* Three parts of one: nobody may go on; with the administrator's help all come back. */
static void story_three_parts(struct world *w)
{
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
}

const struct story_entry stories_quorum[] = {
	{ "two-nodes", story_two_nodes, { .hosts = 2, .quorum = QUORUM_TWO_NODE, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ "two-nodes-higher-alone", story_two_nodes_higher_alone, { .hosts = 2, .quorum = QUORUM_TWO_NODE, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ "three-parts", story_three_parts, { .hosts = 3, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ .name = NULL },
};
