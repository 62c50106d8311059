/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * R-VIEW-1 and R-VIEW-2, row by row: who may go on, by the fast way and by the slow one.
 * The simulator needs thousands of seeds to miss a clause of these; here each has a row
 * that is decided by it alone.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/node/node_private.h"

#define SPACE "default"

struct world {
	struct node node;
	struct space space;
	struct member members[8];
	size_t members_count;
	struct daemon_member daemons[8];
	struct daemon_space spaces[8];
	size_t daemons_count;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	ls_assert(w);
	list_init(&w->node.daemons);
	list_init(&w->space.members);
	w->space.node = &w->node;
	(void)strcpy(w->space.name, SPACE);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void nodes(struct nodeset *set, const char *digits)
{
	for (; *digits; digits++) {
		nodeset_add(set, (uint32_t)(*digits - '0'));
	}
}

static struct member *member(struct world *w, uint32_t nodeid, bool carrier)
{
	struct member *m = &w->members[w->members_count++];

	m->nodeid = nodeid;
	m->incarnation = nodeid << 16;
	m->carrier = carrier;
	m->has_state = carrier;
	list_push_tail(&w->space.members, &m->item);
	return m;
}

static void carriers(struct world *w, const char *digits)
{
	for (; *digits; digits++) {
		(void)member(w, (uint32_t)(*digits - '0'), true);
	}
}

static struct daemon_member *daemon_of(struct world *w, uint32_t nodeid)
{
	struct daemon_member *d = &w->daemons[w->daemons_count];

	d->nodeid = nodeid;
	d->announced = true;
	d->spaces = &w->spaces[w->daemons_count++];
	list_push_tail(&w->node.daemons, &d->item);
	return d;
}

static void configured(struct world *w, const char *digits)
{
	for (; *digits; digits++) {
		w->node.configured[w->node.configured_count++] =
			(uint32_t)(*digits - '0');
	}
}

static bool goes_on(const struct world *w, bool slow)
{
	bool was_slow = false;

	return view_electorate_ok(&w->space, &was_slow) && was_slow == slow;
}

static void fast_row(const char *k, const char *e, const char *growth, bool may)
{
	struct world *w;

	(void)setup((void **)&w);
	carriers(w, k);
	nodes(&w->space.electorate, e);
	nodes(&w->space.growth, growth);
	if (view_fast(&w->space) != may) {
		fail_msg("{%s} of {%s} and {%s}", k, e, growth);
	}
	(void)teardown((void **)&w);
}

/* R-VIEW-1 */
static void more_than_half_or_half_with_the_lowest(void **state)
{
	(void)state;
	fast_row("12", "123", "", true);
	fast_row("23", "123", "", true);
	fast_row("1", "123", "", false);
	fast_row("12", "1234", "", true);
	fast_row("34", "1234", "", false);
	fast_row("4", "45", "", true);
	fast_row("5", "45", "", false);
	fast_row("", "1", "", false);
	fast_row("3456", "12", "", false);
}

/* Whoever has come since the last recovery point counts as if he were in, and as if he
 * were not. */
static void both_electorates_must_be_held(void **state)
{
	(void)state;
	fast_row("12", "123", "45", false);
	fast_row("124", "123", "45", true);
	fast_row("145", "123", "45", false);
	fast_row("12", "12", "34", true); /* half of all, with the lowest */
	fast_row("2", "2", "1", false);	  /* the lowest is another one then */
}

static void who_has_left_goes_nowhere(void **state)
{
	struct world *w = *state;

	carriers(w, "1");
	nodes(&w->space.electorate, "1");
	configured(w, "1");
	assert_true(goes_on(w, false));
	w->space.leave_done = true;
	assert_false(goes_on(w, false) || goes_on(w, true));
}

/* R-VIEW-2: 1 goes on without 2 and 3, of whom 3 is acknowledged and 2 is what the test
 * says. */
static struct world *alone(void **state)
{
	struct world *w = *state;

	carriers(w, "1");
	nodes(&w->space.electorate, "123");
	configured(w, "123");
	nodes(&w->space.slow_acked, "3");
	return w;
}

static void of_nobody_outside_may_nothing_be_known(void **state)
{
	struct world *w = alone(state);

	assert_false(goes_on(w, true));
	assert_true(view_electorate_lacks(&w->space, 2));
	assert_false(view_electorate_lacks(&w->space, 3));
	nodes(&w->space.slow_acked, "2");
	assert_true(goes_on(w, true));
}

static void an_acknowledgement_of_another_view_is_none(void **state)
{
	struct world *w = alone(state);

	nodes(&w->node.acked, "23");
	assert_false(goes_on(w, true));
}

static void a_clean_newcomer_carries_nothing(void **state)
{
	struct world *w = alone(state);
	struct member *m = member(w, 2, false);

	assert_true(goes_on(w, true));
	m->has_state = true;
	assert_false(goes_on(w, true));
	m->has_state = false;
	m->incarnation = 0; /* has not said so yet */
	assert_false(goes_on(w, true));
}

/* Of two processes of one node both must be clean. */
static void a_node_is_as_clean_as_its_worst_process(void **state)
{
	struct world *w = alone(state);

	(void)member(w, 2, false);
	member(w, 2, false)->has_state = true;
	assert_false(goes_on(w, true));
}

static void a_daemon_vouches_for_its_node(void **state)
{
	struct world *w = alone(state);
	struct daemon_member *d = daemon_of(w, 2);

	assert_true(goes_on(w, true));
	d->announced = false; /* it has not said anything in this view */
	assert_false(goes_on(w, true));
	d->announced = true;
	d->spaces_count = 1;
	(void)strcpy(d->spaces[0].name, SPACE);
	d->spaces[0].carries = true;
	assert_false(goes_on(w, true));
	(void)strcpy(d->spaces[0].name, "other");
	assert_true(goes_on(w, true));
}

/* What was acknowledged of its predecessors does not speak for a daemon that is there. */
static void a_daemon_that_is_gone_vouches_for_nobody(void **state)
{
	struct world *w = alone(state);
	struct daemon_member *d = daemon_of(w, 2);

	nodes(&w->node.acked, "2");
	d->superseded = true;
	d->announced = false;
	assert_false(goes_on(w, true));
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_than_half_or_half_with_the_lowest),
		cmocka_unit_test(both_electorates_must_be_held),
		ROW(who_has_left_goes_nowhere),
		ROW(of_nobody_outside_may_nothing_be_known),
		ROW(an_acknowledgement_of_another_view_is_none),
		ROW(a_clean_newcomer_carries_nothing),
		ROW(a_node_is_as_clean_as_its_worst_process),
		ROW(a_daemon_vouches_for_its_node),
		ROW(a_daemon_that_is_gone_vouches_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
