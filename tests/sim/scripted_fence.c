/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stories of what is waited for, and of what counts as fencing (recovery.md section 5). */
#include "config.h"

#include "tests/sim/words.h"

/* recovery.md section 0: what the dead node holds waits for fencing, everything else goes on. */
static void story_holder_crashes(struct world *w)
{
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
}

/* R-REC-6: every member says that node 4 is fenced, the second one late: of an incarnation that is no more
 * lost, into a stopped lockspace in which the new one is joining. It must not count for a later loss. */
static void story_late_fenced(struct world *w)
{
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
}

/* Node 3 holds r0, and is cut off; node 1 waits for it. */
static void holder_cut_off(struct world *w)
{
	client_lock(client_of(w, 3, 0), 0, 0, EX, 0);
	world_run(w, 50 * MS);
	isolate(w, 2, 0);
	client_lock(client_of(w, 1, 0), 0, 0, EX, 0);
}

/*
 * R-COND-5: what is no fencing of the process that holds the lock, which goes on, cut off: one that failed, one that
 * switched nobody off, one by the node itself, one asked for before the process came. Then the right one, said twice by
 * both others. Of the wrong ones a story tells
 * one, so that each rule is missed where it is taken out.
 */
static void wrong_verdict(struct world *w, const struct node_fence_result *wrong)
{
	struct client *a = client_of(w, 1, 0);
	struct client *c = client_of(w, 3, 0);
	struct node_fence_result r = *wrong;

	holder_cut_off(w);
	world_run(w, SECOND);
	expect(w, is(w, 1, "recovering") && waits(a, 0) && c->slots[0].believed == EX, "node 3 is lost, and holds it");
	r.nodeid = 3;
	r.mark = r.mark == 1 ? 1 : fence_mark(w, 1);
	fence_heard(w, 1, &r);
	r.mark = r.mark == 1 ? 1 : fence_mark(w, 2);
	fence_heard(w, 2, &r);
	world_run(w, 5 * SECOND);
	expect(w, waits(a, 0), "that was no fencing");
	expect(w, counter_of(w, 1, "fenced_by_ack") == 0, "and nobody says so");
	admin_crash(w, 2);
	rejoin(w);
	r = (struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_OFF, .success = true };
	for (unsigned int i = 0; i < 4; i++) {
		r.mark = fence_mark(w, i % 2 + 1);
		fence_heard(w, i % 2 + 1, &r);
		world_run(w, 20 * MS);
	}
	expect(w, holds(a, 0, EX) && is(w, 1, "running"), "one is enough");
	expect(w, counter_of(w, 1, "fenced_by_ack") == 1, "and counts once, however often it is said");
	admin_boot(w, 2);
	expect(w, world_run_until(w, healthy, 10 * SECOND), "all are well again");
	checker_locks_known(w);
}

static void story_fence_failed(struct world *w)
{
	wrong_verdict(w, &(struct node_fence_result){ .action = NODE_FENCE_REBOOT });
}

static void story_fence_on(struct world *w)
{
	wrong_verdict(w, &(struct node_fence_result){ .action = NODE_FENCE_OTHER, .success = true });
}

static void story_fence_itself(struct world *w)
{
	wrong_verdict(w, &(struct node_fence_result){ .action = NODE_FENCE_REBOOT, .success = true, .by_itself = true });
}

/* The first mark was given out before anybody else came. */
static void story_fence_late(struct world *w)
{
	wrong_verdict(w, &(struct node_fence_result){ .action = NODE_FENCE_REBOOT, .success = true, .mark = 1 });
}

/* R-REC-6: a verdict about the last process of node 3 is told again when the next one is lost, alive. */
static void story_fence_of_another(struct world *w)
{
	struct client *a = client_of(w, 1, 0);
	struct client *c = client_of(w, 3, 0);
	struct node_fence_result r = { .nodeid = 3, .action = NODE_FENCE_REBOOT, .success = true };

	admin_crash(w, 2);
	world_run(w, 500 * MS);
	r.mark = fence_mark(w, 1);
	fence_heard(w, 1, &r);
	world_run(w, 100 * MS);
	expect(w, is(w, 1, "running"), "node 3 is fenced");
	admin_boot(w, 2);
	expect(w, world_run_until(w, healthy, 10 * SECOND), "and back");
	client_start(c);
	client_open(c, 0, false);
	world_run(w, 50 * MS);
	client_lock(c, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	expect(w, holds(c, 0, EX), "with a lock");
	client_lock(a, 0, 0, EX, 0);
	isolate(w, 2, 0);
	world_run(w, SECOND);
	fence_heard(w, 1, &r);
	fence_heard(w, 2, &(struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_REBOOT, .success = true, .mark = 1 });
	world_run(w, 5 * SECOND);
	expect(w, waits(a, 0) && c->slots[0].believed == EX, "what was said of its predecessor does not count");
	rejoin(w);
	w->admin.never = false;
	expect(w, world_run_until(w, healthy, 20 * SECOND), "all are well again");
}

/* R-COND-5: a request is answered with success, and nobody has heard of a fencing that counts: it was merged with one
 * that was asked for too early. It is asked for again. */
static void story_fence_merged(struct world *w)
{
	struct client *a = client_of(w, 1, 0);

	holder_cut_off(w);
	for (unsigned int i = 0; i < 100 && fence_requests(w, 3) == 0; i++) {
		world_run(w, 100 * MS);
	}
	expect(w, fence_requests(w, 3) == 1 && fence_requests(w, 0) == 1, "one node asks for the fencing of node 3");
	fence_heard(w, 1, &(struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_REBOOT, .success = true, .mark = 1 });
	fence_answer(w, true);
	for (unsigned int i = 0; i < 200 && fence_requests(w, 3) == 0; i++) {
		world_run(w, 100 * MS);
		expect(w, waits(a, 0), "nothing is known of it");
	}
	expect(w, fence_requests(w, 3) == 1, "it is asked for again");
	admin_crash(w, 2);
	fence_heard(w, 1, &(struct node_fence_result){ .nodeid = 3, .action = NODE_FENCE_REBOOT, .success = true,
						       .mark = fence_mark(w, 1) });
	fence_answer(w, true);
	world_run(w, 200 * MS);
	expect(w, holds(a, 0, EX), "then it counts");
}

static void lock_and_wait(struct world *w)
{
	client_lock(client_of(w, 4, 0), 0, 0, EX, 0);
	client_lock(client_of(w, 5, 0), 0, 1, EX, 0);
	world_run(w, 50 * MS);
	client_lock(client_of(w, 1, 0), 0, 0, EX, 0);
	client_lock(client_of(w, 2, 0), 0, 1, EX, 0);
	world_run(w, 50 * MS);
	expect(w, waits(client_of(w, 1, 0), 0) && waits(client_of(w, 2, 0), 0), "nodes 4 and 5 are waited for");
}

/* Two of five are lost, one after the other: the first is fenced at once, and only what the second holds waits. */
static void story_two_of_five(struct world *w)
{
	struct client *a = client_of(w, 1, 0);
	struct client *b = client_of(w, 2, 0);
	struct client *c = client_of(w, 3, 0);

	lock_and_wait(w);
	admin_crash(w, 3);
	world_run(w, 300 * MS);
	expect(w, is(w, 1, "recovering") && members_of(w, 1) == 4, "node 4 is lost");
	admin_ack(w, 0, 3);
	world_run(w, 50 * MS);
	expect(w, holds(a, 0, EX) && is(w, 1, "running"), "fenced early: its lock is given on");
	admin_crash(w, 4);
	world_run(w, 300 * MS);
	expect(w, is(w, 1, "recovering") && members_of(w, 1) == 3, "node 5 is lost");
	client_unlock(a, 0, 0);
	client_lock(c, 0, 0, EX, 0);
	client_lock(c, 1, 2, EX, 0);
	world_run(w, 50 * MS);
	expect(w, holds(c, 0, EX) && holds(c, 1, EX), "what node 4 held goes from hand to hand meanwhile");
	world_run(w, 30 * SECOND);
	expect(w, waits(b, 0) && is(w, 3, "recovering"), "only what node 5 holds waits, as long as it takes");
	admin_ack(w, 1, 4);
	world_run(w, 50 * MS);
	expect(w, holds(b, 0, EX) && is(w, 1, "running"), "fenced late: its lock is given on");
	expect(w, counter_of(w, 1, "recovery_points") == 2, "two recoveries");
	admin_boot(w, 3);
	admin_boot(w, 4);
	expect(w, world_run_until(w, healthy, 10 * SECOND), "both are back");
	checker_locks_known(w);
}

/* R-REC-6: two of five are lost at once: there is one recovery point, when both are fenced. */
static void story_two_of_five_at_once(struct world *w)
{
	struct client *a = client_of(w, 1, 0);
	struct client *b = client_of(w, 2, 0);
	struct client *c = client_of(w, 3, 0);

	lock_and_wait(w);
	admin_crash(w, 3);
	admin_crash(w, 4);
	world_run(w, 500 * MS);
	expect(w, is(w, 1, "recovering") && members_of(w, 1) == 3, "both are lost, three go on");
	admin_ack(w, 0, 3);
	client_lock(c, 0, 2, EX, 0);
	world_run(w, 30 * SECOND);
	expect(w, holds(c, 0, EX), "what nobody lost held is granted at once");
	expect(w, waits(a, 0) && waits(b, 0), "with one of them fenced both locks wait");
	expect(w, counter_of(w, 1, "fenced_by_ack") == 1, "although it is known of the first");
	admin_ack(w, 2, 4);
	world_run(w, 50 * MS);
	expect(w, holds(a, 0, EX) && holds(b, 0, EX), "with the second both are given on");
	expect(w, counter_of(w, 1, "recovery_points") == 1, "in one recovery");
}

/* R-COND-9: without fencing the lock of a node that is cut off, and lives, goes after lost_timeout and not before. */
static void story_none(struct world *w)
{
	struct client *a = client_of(w, 1, 0);
	struct client *c = client_of(w, 3, 0);

	holder_cut_off(w);
	client_lock(c, 1, 1, EX, 0);
	world_run(w, 1900 * MS);
	expect(w, waits(a, 0) && is(w, 1, "recovering"), "not yet");
	world_run(w, 1500 * MS);
	expect(w, holds(a, 0, EX) && is(w, 1, "running"), "now it is given to somebody else");
	expect(w, mutated(w) || (c->alive && c->slots[0].believed == EX && w->marks[MARK_UNFENCED] == 1),
	       "although its holder goes on");
	expect(w, counter_of(w, 1, "lost_timeouts") + counter_of(w, 2, "lost_timeouts") > 0, "and it is counted");
	world_run(w, 10 * SECOND);
	expect(w, is(w, 3, "stopped") && c->slots[1].state != SLOT_HELD, "node 3 does not go on");
	rejoin(w);
	expect(w, world_run_until(w, healthy, 10 * SECOND), "all are well again");
	expect(w, !c->alive, "its client is gone");
	expect(w, holds(a, 0, EX), "the lock is where it was");
	checker_locks_known(w);
}

/* ... and of two nodes, both quorate, the one without the electorate does not go on, however long it is alone. */
static void story_none_two_nodes(struct world *w)
{
	struct client *a = client_of(w, 1, 0);
	struct client *b = client_of(w, 2, 0);

	client_lock(a, 0, 0, EX, 0);
	world_run(w, 50 * MS);
	isolate(w, 1, 0);
	world_run(w, SECOND);
	client_lock(b, 0, 0, EX, 0);
	client_lock(b, 1, 1, EX, 0);
	world_run(w, 20 * SECOND);
	expect(w, is(w, 1, "running") && w->nodes[1].quorate, "node 1 has given node 2 up");
	expect(w, is(w, 2, "stopped") && waits(b, 0) && b->slots[1].state != SLOT_HELD, "node 2 does not go on");
	rejoin(w);
	expect(w, world_run_until(w, healthy, 10 * SECOND), "all are well again");
	expect(w, holds(a, 0, EX), "the lock is where it was");
}

const struct story_entry stories_fence[] = {
	{ "holder-crashes", story_holder_crashes, { .hosts = 3 }, { { 0 } } },
	{ "late-fenced", story_late_fenced, { .hosts = 4 }, { { 0 } } },
	{ "fence-failed", story_fence_failed, { .hosts = 3, .fencing = NODE_FENCING_PACEMAKER, .fence_request_delay_ms = 3600000 },
	  { { "counts", NODE_FENCE_MUTATE_FAILED, "two clients hold" } } },
	{ "fence-on", story_fence_on, { .hosts = 3, .fencing = NODE_FENCING_PACEMAKER, .fence_request_delay_ms = 3600000 },
	  { { "counts", NODE_FENCE_MUTATE_ACTION, "two clients hold" } } },
	{ "fence-itself", story_fence_itself, { .hosts = 3, .fencing = NODE_FENCING_PACEMAKER, .fence_request_delay_ms = 3600000 },
	  { { "counts", NODE_FENCE_MUTATE_ITSELF, "two clients hold" } } },
	{ "fence-late", story_fence_late, { .hosts = 3, .fencing = NODE_FENCING_PACEMAKER, .fence_request_delay_ms = 3600000 },
	  { { "counts", NODE_FENCE_MUTATE_OLD, "two clients hold" } } },
	{ "fence-of-another", story_fence_of_another, { .hosts = 3, .fencing = NODE_FENCING_PACEMAKER, .fence_request_delay_ms = 3600000 },
	  { { "old", NODE_FENCE_MUTATE_OLD, "two clients hold" }, { "node", NODE_FENCE_MUTATE_NODE, "two clients hold" } } },
	{ "fence-merged", story_fence_merged,
	  { .hosts = 3, .fencing = NODE_FENCING_PACEMAKER, .fence_request_delay_ms = 1000 },
	  { { "answer", NODE_FENCE_MUTATE_ANSWER, "two clients hold" } } },
	{ "two-of-five", story_two_of_five, { .hosts = 5 }, { { 0 } } },
	{ "two-of-five-at-once", story_two_of_five_at_once, { .hosts = 5 }, { { 0 } } },
	{ "none", story_none,
	  { .hosts = 3, .on_lost = NODE_ON_LOST_KILL, .fencing = NODE_FENCING_NONE, .lost_timeout_ms = 2000 },
	  { { "early", NODE_FENCE_MUTATE_TIMEOUT, "gives away what node" } } },
	{ "none-two-nodes", story_none_two_nodes,
	  { .hosts = 2, .quorum = QUORUM_TWO_NODE, .on_lost = NODE_ON_LOST_KILL, .fencing = NODE_FENCING_NONE,
	    .lost_timeout_ms = 2000 },
	  { { "alone", NODE_FENCE_MUTATE_ALONE, "which goes on by itself" } } },
	{ .name = NULL },
};
