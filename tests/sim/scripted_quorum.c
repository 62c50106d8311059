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

static void device(struct world *w, unsigned int first, unsigned int last, bool vote)
{
	for (unsigned int node = first; node <= last; node++) {
		cpgmodel_device(w->cpg, node - 1, vote);
	}
	world_run(w, 20 * MS);
}

static void split(struct world *w)
{
	unsigned int parts[SIM_HOSTS_MAX] = { 0, 0, 1, 1 };

	story_tell(w, "net: 1 and 2, 3 and 4");
	cpgmodel_partition(w->cpg, parts);
	world_run(w, SECOND);
}

/* A quorum device whose word comes late: when four nodes split both halves still count its vote. Then it says the
 * opposite of what the electorate does, and flips. Only one half ever goes on, and tells nothing while it is not
 * quorate (R-CPG-7). */
static void story_device_flips(struct world *w)
{
	struct client *a = client_of(w, 1, 0);
	struct client *b = client_of(w, 2, 0);
	struct client *c = client_of(w, 3, 0);

	device(w, 1, 4, true);
	client_lock(c, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	split(w);
	expect(w, w->nodes[0].quorate && w->nodes[2].quorate, "both halves are quorate");
	expect(w, is(w, 1, "recovering") && (mutated(w) || is(w, 3, "stopped")), "one goes on");
	client_lock(a, 0, 1, EX, 0);
	client_lock(c, 1, 1, EX, 0);
	world_run(w, 100 * MS);
	expect(w, holds(a, 0, EX) && waits(c, 1), "and grants locks");
	device(w, 1, 2, false);
	expect(w, !w->nodes[0].quorate, "the device has given its vote to the others");
	client_lock(b, 0, 2, EX, 0);
	world_run(w, 2 * SECOND);
	expect(w, b->slots[0].state != SLOT_HELD, "now nobody grants anything");
	expect(w, is(w, 3, "stopped"), "nodes 3 and 4 have the vote, and not the electorate");
	for (unsigned int i = 0; i < 5; i++) {
		device(w, 1, 1, true);
		device(w, 1, 1, false);
	}
	device(w, 3, 4, false);
	device(w, 1, 2, true);
	world_run(w, 200 * MS);
	expect(w, holds(b, 0, EX), "the vote is back: what was asked for is granted");
	rejoin(w);
	w->admin.never = false;
	expect(w, world_run_until(w, healthy, 20 * SECOND), "all are well again");
	checker_locks_known(w);
}

/* The same device, whose vote nobody has when they split: its word comes long after the membership. */
static void story_device_late(struct world *w)
{
	struct client *a = client_of(w, 1, 0);
	struct client *c = client_of(w, 3, 0);

	client_lock(c, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	split(w);
	client_lock(a, 0, 1, EX, 0);
	world_run(w, 5 * SECOND);
	expect(w, is(w, 1, "stopped") && is(w, 3, "stopped"), "nobody is quorate");
	expect(w, a->slots[0].state != SLOT_HELD, "nothing is granted");
	device(w, 1, 1, true);
	expect(w, w->nodes[0].quorate && !w->nodes[1].quorate && is(w, 1, "stopped"), "one node of two has heard of it");
	device(w, 2, 2, true);
	world_run(w, 50 * MS);
	expect(w, is(w, 1, "recovering") && holds(a, 0, EX), "with the word of both they go on");
	client_lock(a, 1, 0, EX, 0);
	world_run(w, SECOND);
	expect(w, waits(a, 1), "but for what node 3 holds");
	rejoin(w);
	expect(w, world_run_until(w, healthy, 20 * SECOND), "all are well again");
	world_run(w, 100 * MS);
	expect(w, holds(a, 1, EX), "then that, too");
}

/* last_man_standing: five nodes go one after the other, down to one. */
static void story_last_man(struct world *w)
{
	struct client *a = client_of(w, 1, 0);
	struct client *keeps = client_of(w, 1, 1);

	client_lock(client_of(w, 5, 0), 0, 0, EX, 0);
	world_run(w, SECOND);
	client_lock(a, 0, 0, EX, 0);
	for (unsigned int node = 5; node >= 2; node--) {
		admin_crash(w, node - 1);
		world_run(w, SECOND);
		expect(w, is(w, 1, "recovering") && members_of(w, 1) == node - 1, "the others go on");
		client_lock(keeps, 5 - node, 1 + (node == 3), PR, 0);
		world_run(w, 50 * MS);
		expect(w, holds(keeps, 5 - node, PR) && waits(a, 0), "only what node 5 holds waits");
	}
	for (unsigned int node = 2; node <= 5; node++) {
		expect(w, waits(a, 0), "for all that are lost");
		admin_ack(w, 0, node - 1);
		world_run(w, 50 * MS);
	}
	expect(w, is(w, 1, "running") && holds(a, 0, EX), "when all are fenced node 1 is the cluster");
	for (unsigned int node = 2; node <= 5; node++) {
		admin_boot(w, node - 1);
	}
	expect(w, world_run_until(w, healthy, 10 * SECOND), "they come back to it");
	expect(w, holds(a, 0, EX) && holds(keeps, 0, PR), "the locks are where they were");
	checker_locks_known(w);
}

/* ... but of three two at once are too many: the last one waits until it is known that they carry nothing newer. */
static void story_last_man_too_fast(struct world *w)
{
	struct client *a = client_of(w, 1, 0);

	world_run(w, SECOND);
	admin_crash(w, 1);
	admin_crash(w, 2);
	world_run(w, SECOND);
	client_lock(a, 0, 0, EX, 0);
	world_run(w, 5 * SECOND);
	expect(w, is(w, 1, "stopped") && a->slots[0].state != SLOT_HELD, "one of three is not quorate");
	admin_boot(w, 1);
	world_run(w, 3 * SECOND);
	expect(w, w->nodes[0].quorate && is(w, 1, "stopped"), "two are, but node 3 may have gone on with node 2");
	admin_ack(w, 0, 2);
	world_run(w, 500 * MS);
	expect(w, is(w, 1, "running") && holds(a, 0, EX), "it has not");
}

const struct story_entry stories_quorum[] = {
	{ "two-nodes", story_two_nodes, { .hosts = 2, .quorum = QUORUM_TWO_NODE, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ "two-nodes-higher-alone", story_two_nodes_higher_alone, { .hosts = 2, .quorum = QUORUM_TWO_NODE, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ "three-parts", story_three_parts, { .hosts = 3, .on_lost = NODE_ON_LOST_KILL }, { { 0 } } },
	{ "device-flips", story_device_flips, { .hosts = 4, .quorum = QUORUM_DEVICE, .on_lost = NODE_ON_LOST_KILL },
	  { { "no-electorate", NODE_MUTATE_NO_ELECTORATE, "granted with token" },
	    { "no-quorum", NODE_MUTATE_NO_QUORUM, "tells a grant without quorum" } } },
	{ "device-late", story_device_late, { .hosts = 4, .quorum = QUORUM_DEVICE, .on_lost = NODE_ON_LOST_KILL },
	  { { 0 } } },
	{ "last-man", story_last_man, { .hosts = 5, .quorum = QUORUM_LAST_MAN }, { { 0 } } },
	{ "last-man-too-fast", story_last_man_too_fast, { .hosts = 3, .quorum = QUORUM_LAST_MAN }, { { 0 } } },
	{ .name = NULL },
};
