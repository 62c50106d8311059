/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random lives of a lockspace with coordinators: members join, die at any step and in the middle of being
 * the recoverer, leave, give up; messages take as long as they like. coordinator_rig.c watches that the
 * first one recovers before anybody works (G1), nobody works while the item of a failed member is not
 * recovered (G2), nobody starts early (G3), nothing is listed that has not failed and nothing is recovered
 * that is in use. When the faults end everybody must come to work again (G4, no hang).
 *
 *   LOCKSTEP_SEED=N one run, told in full; LOCKSTEP_SEEDS=N how many
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/agent/coordinator_rig.h"

#define SEEDS 6000
#define NODES 6
#define SETTLE_MS 120000

static struct rig_member *pick(struct rig *rig, bool alive)
{
	struct rig_member *found = NULL;
	uint64_t seen = 0;

	for (size_t i = 0; i < rig->members_count; i++) {
		if (rig->members[i]->alive == alive && rig_draw(rig, 0, seen++) == 0) {
			found = rig->members[i];
		}
	}
	return found;
}

static size_t alive_count(const struct rig *rig)
{
	size_t count = 0;

	for (size_t i = 0; i < rig->members_count; i++) {
		count += rig->members[i]->alive ? 1 : 0;
	}
	return count;
}

static bool is_up(const struct rig *rig, uint32_t nodeid)
{
	for (size_t i = 0; i < rig->members_count; i++) {
		if (rig->members[i]->alive && rig->members[i]->nodeid == nodeid) {
			return true;
		}
	}
	return false;
}

static void join_somebody(struct rig *rig)
{
	uint32_t nodeid = (uint32_t)rig_draw(rig, 1, NODES);

	if (!is_up(rig, nodeid) && rig->members_count < RIG_MEMBERS) {
		(void)rig_join(rig, nodeid, false);
	}
}

/* Somebody who is just doing something that matters: has the door, recovers, starts. */
static struct rig_member *pick_busy(struct rig *rig)
{
	for (size_t i = 0; i < rig->members_count; i++) {
		struct rig_member *m = rig->members[i];

		if (!m->alive) {
			continue;
		}
		if (rig_mode(rig, m, COORDINATOR_CONTROL) == 5 && rig_draw(rig, 0, 1)) {
			return m;
		}
		for (uint32_t k = 0; k < NODES + 2; k++) {
			if (m->item_lkid[k] && rig_draw(rig, 0, 1)) {
				return m;
			}
		}
	}
	return NULL;
}

static void fault(struct rig *rig)
{
	struct rig_member *m = NULL;

	switch (rig_draw(rig, 0, 9)) {
	case 0:
	case 1:
	case 2:
	case 3:
		join_somebody(rig);
		return;
	case 4:
	case 5:
		m = pick(rig, true);
		break;
	case 6:
	case 7:
	case 8:
		m = pick_busy(rig);
		break;
	default:
		m = pick(rig, true);
		if (m && m->use == RIG_STARTED && alive_count(rig) > 1) {
			rig_stop(rig, m);
		}
		return;
	}
	if (m && (alive_count(rig) > 1 || rig_draw(rig, 0, 4) == 0)) {
		rig_kill(rig, m);
	}
}

/* 0 good. Counts what it came by, for the summary. */
static int run(uint64_t seed, bool verbose, unsigned long *deaths, unsigned long *recoveries)
{
	struct rig *rig = rig_new(seed, 32);
	unsigned int faults = (unsigned int)rig_draw(rig, 4, 40);
	static const uint64_t gaps[] = { 60, 900, 3000, 6000 }; /* a start takes about a second */
	uint64_t gap = gaps[rig_draw(rig, 0, 3)];
	int rc = 0;

	rig->verbose = verbose;
	rig->give_up_per_mille = (unsigned int)rig_draw(rig, 0, 400);
	(void)rig_join(rig, 1, false);
	for (unsigned int i = 0; i < faults && !rig->violation[0]; i++) {
		uint64_t until = rig->now + rig_draw(rig, 1, gap);

		while (!rig->violation[0] && rig_step(rig, until)) {
		}
		rig->now = until;
		fault(rig);
	}
	/* A member that stops goes of itself; one is there in any case. */
	if (alive_count(rig) == 0) {
		(void)rig_join(rig, NODES + 1, false);
	}
	bool calm = rig->violation[0] || rig_until(rig, rig_is_calm, NULL, SETTLE_MS);

	if (rig->violation[0] || !calm) {
		(void)printf("seed %llu: %s\n", (unsigned long long)seed,
			     rig->violation[0] ? rig->violation : "somebody never comes to work again");
		rc = 1;
	}
	for (size_t i = 0; i < rig->members_count; i++) {
		*deaths += rig->members[i]->alive || rig->members[i]->stopped_clean ? 0 : 1;
	}
	for (uint32_t i = 0; i < RIG_ITEMS; i++) {
		*recoveries += rig->items[i].recovered;
	}
	rig_free(rig);
	return rc;
}

static void promises_hold_in_random_lives(void **state)
{
	const char *one = getenv("LOCKSTEP_SEED");
	const char *many = getenv("LOCKSTEP_SEEDS");
	uint64_t first = one ? strtoull(one, NULL, 10) : 1;
	uint64_t last = one ? first : many ? strtoull(many, NULL, 10) : SEEDS;
	unsigned long deaths = 0, recoveries = 0;

	(void)state;
	for (uint64_t seed = first; seed <= last; seed++) {
		assert_int_equal(run(seed, one != NULL, &deaths, &recoveries), 0);
	}
	(void)printf("# %llu lives, %lu deaths, %lu recoveries\n",
		     (unsigned long long)(last - first + 1), deaths, recoveries);
	assert_true(one || (deaths > last && recoveries > last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(promises_hold_in_random_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
