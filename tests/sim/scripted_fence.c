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

const struct story_entry stories_fence[] = {
	{ "holder-crashes", story_holder_crashes, { .hosts = 3 }, { { 0 } } },
	{ "late-fenced", story_late_fenced, { .hosts = 4 }, { { 0 } } },
	{ .name = NULL },
};
