/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows sessions, orphans, adoption and purge (section 17), and what the view point and the
 * recovery point do to locks (R-REC-4, R-REC-6).
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/engine_script.h"
#include "tests/unit/engine_script_fixture.h"

/* R-PROC-6 */
static void session_data_is_kept_for_listings(void **state)
{
	struct script *s = *state;
	struct engine_lock_info info;

	assert_false(engine_session_exists(script_engine(s), 2, script_incarnation(), 1));
	step(s, "A on 2 pid=4711", "");
	assert_true(engine_session_exists(script_engine(s), 2, script_incarnation(), 1));
	step(s, "A lock PR", "A cast(0 PR)");
	assert_true(engine_lock_find(script_engine(s), 2, script_incarnation(), 1, &info));
	assert_int_equal(info.pid, 4711);
	assert_string_equal(info.comm, "test");
	assert_int_equal(info.session, 1);
	step(s, "A end", "");
	assert_false(engine_session_exists(script_engine(s), 2, script_incarnation(), 1));
	assert_int_equal(engine_totals_get(script_engine(s)).sessions, 0);
}

/* R-PROC-1: by order of creation, settled once each in the order of the session's first lock. */
static void session_end_settles_each_resource_once_in_order_of_its_locks(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR res=y", "A cast(0 PR)");
	step(s, "A2 lock EX res=x", "A2 cast(0 EX)");
	step(s, "A3 lock PR res=y", "A3 cast(0 PR)");
	step(s, "B lock EX res=x nobast", "A2 bast(EX)");
	step(s, "C lock EX res=y nobast", "A bast(EX), A3 bast(EX)");
	step(s, "D lock PR res=y nobast", "");
	step(s, "A end", "C cast(0 EX), B cast(0 EX)");
	queues(s, "x", "G[B:EX] C[] W[]");
	queues(s, "y", "G[C:EX] C[] W[D:>PR]");
}

/* R-PROC-2: what it held, waited for and converted ends without a word to it. */
static void ended_session_hears_nothing(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX res=x", "A cast(0 EX)");
	step(s, "B lock PR res=y", "B cast(0 PR)");
	step(s, "A2 lock PR res=y PERSISTENT", "A2 cast(0 PR)");
	step(s, "A2 conv EX PERSISTENT", "B bast(EX)");
	step(s, "A3 lock EX res=y", "");
	step(s, "C lock PR res=x", "A bast(PR)");
	step(s, "D lock EX res=y", "");
	step(s, "A end", "C cast(0 PR)");
	queues(s, "y", "G[B:PR a2:PR] C[] W[D:>EX]");
}

/* R-PROC-1, R-PROC-4 */
static void persistent_locks_become_orphans_at_their_granted_mode(void **state)
{
	struct script *s = *state;
	struct engine_lock_info info;

	step(s, "A on 1 pid=55", "");
	step(s, "A lock PR PERSISTENT", "A cast(0 PR)");
	step(s, "B lock PR", "B cast(0 PR)");
	step(s, "A conv EX PERSISTENT", "B bast(EX)");
	step(s, "A2 lock EX PERSISTENT", "");
	step(s, "A3 lock EX PERSISTENT res=other", "A3 cast(0 EX)");
	step(s, "A end", "");
	queues(s, "r", "G[a:PR B:PR] C[] W[]");
	assert_int_equal(engine_totals_get(script_engine(s)).orphans, 2);
	assert_true(engine_lock_find(script_engine(s), 1, script_incarnation(), script_lkid(s, "A"),
				     &info));
	assert_int_equal(info.session, 0);
	assert_int_equal(info.pid, 55);
	/* R-LVB-11 */
	lvb_is(s, "other", "-");
	/* It protects, hears nothing, and cannot be touched. */
	step(s, "C lock PW NOQUEUE NOQUEUEBAST", "C cast(EAGAIN)");
	step(s, "A unlock", "");
	queues(s, "r", "G[a:PR B:PR] C[] W[]");
}

/* R-ORPH-1: oldest first, same node only, exact name. */
static void adoption_takes_the_oldest_orphan_of_its_own_node(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR PERSISTENT", "A cast(0 PR)");
	step(s, "A2 lock PR PERSISTENT", "A2 cast(0 PR)");
	uint32_t first = script_lkid(s, "A");
	uint32_t second = script_lkid(s, "A2");

	/* The younger one was granted its mode earlier: age is what counts. */
	step(s, "A conv NL PERSISTENT", "A cast(0 NL)");
	step(s, "A conv PR PERSISTENT", "A cast(0 PR)");
	step(s, "A end", "");
	step(s, "N on 2", "");
	step(s, "N adopt PR", "N reply(ENOENT)");
	step(s, "B adopt PR", "B reply(0 PR)");
	assert_int_equal(script_lkid(s, "B"), first);
	step(s, "C adopt PR PERSISTENT", "C reply(0 PR)");
	assert_int_equal(script_lkid(s, "C"), second);
	step(s, "C2 adopt PR", "C reply(ENOENT)");
	/* The flags are those of the adoption. */
	step(s, "B end", "");
	step(s, "C end", "");
	queues(s, "r", "G[c:PR] C[] W[]");
}

/* R-ORPH-1, R-TOK-1: adoption tells the token of the grant. */
static void adoption_delivers_the_orphans_token(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX PERSISTENT", "A cast(0 EX)");
	uint64_t token = script_effects(s)->items[0].token;

	step(s, "A end", "");
	step(s, "B adopt EX", "B reply(0 EX)");
	assert_true(script_effects(s)->items[0].token == token);
	assert_true(script_effects(s)->items[0].needs_stable);
	step(s, "B conv NL", "B cast(0 NL)");
	step(s, "C adopt NL", "C reply(ENOENT)");
	assert_false(script_effects(s)->items[0].needs_stable);
}

/* R-ORPH-2, R-BAST-3 */
static void adopter_is_told_of_those_who_would_be_blocked(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR PERSISTENT", "A cast(0 PR)");
	step(s, "A end", "");
	step(s, "D lock CR", "D cast(0 CR)");
	step(s, "B lock CW nobast", "");
	step(s, "C lock PR nobast", "");
	step(s, "E adopt PR", "E reply(0 PR), E bast(CW)");
}

/* R-PURGE-1, R-PURGE-3 */
static void purge_removes_orphans_by_node_and_pid(void **state)
{
	struct script *s = *state;

	step(s, "A on 1 pid=10", "");
	step(s, "B on 1 pid=20", "");
	step(s, "C on 2 pid=10", "");
	step(s, "A lock PR PERSISTENT", "A cast(0 PR)");
	step(s, "B lock PR PERSISTENT", "B cast(0 PR)");
	step(s, "C lock PR PERSISTENT", "C cast(0 PR)");
	step(s, "D lock PR PERSISTENT", "D cast(0 PR)");
	step(s, "A end", "");
	step(s, "B end", "");
	step(s, "C end", "");
	step(s, "D purge 0 10", "");
	queues(s, "r", "G[b:PR c:PR D:PR] C[] W[]");
	step(s, "D purge 1 0", "");
	queues(s, "r", "G[c:PR D:PR] C[] W[]");
	step(s, "D purge 2 11", "");
	step(s, "D purge 3 0", "");
	queues(s, "r", "G[c:PR D:PR] C[] W[]");
	step(s, "E lock EX nobast", "D bast(EX)");
	step(s, "D unlock", "D cast(EUNLOCK)");
	step(s, "E purge 2 10", "E cast(0 EX)");
}

/* R-PURGE-1: the caller's own pid means this session, not the other ones of the process. */
static void purge_of_the_own_pid_empties_this_session_only(void **state)
{
	struct script *s = *state;

	step(s, "A on 1 pid=10", "");
	step(s, "B on 1 pid=10", "");
	step(s, "Z lock NL", "Z cast(0 NL)");
	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "B lock PR nobast", "A bast(PR)");
	step(s, "A2 lock PR", "");
	step(s, "A purge 0 10", "B cast(0 PR)");
	queues(s, "r", "G[Z:NL B:PR] C[] W[]");
	lvb_is(s, "r", "-!");
	/* It stays usable. */
	step(s, "A lock PR", "A cast(0 PR)");
}

/* R-REC-4 (2), (5); R-REC-7 */
static void view_point_stops_the_lost_from_waiting_but_keeps_what_they_hold(void **state)
{
	struct script *s = *state;

	step(s, "A on 1", "");
	step(s, "X on 2", "");
	step(s, "X lock EX res=b", "X cast(0 EX)");
	step(s, "A lock EX res=b", "X bast(EX)");
	step(s, "A2 lock PR res=c", "A2 cast(0 PR)");
	step(s, "X2 lock EX res=c", "A2 bast(EX)");
	step(s, "A3 lock PR res=c nobast", "");
	step(s, "X3 lock CR res=a", "X3 cast(0 CR)");
	step(s, "A4 lock PR res=a", "A4 cast(0 PR)");
	step(s, "X3 conv PW", "A4 bast(PW)");
	step(s, "A5 lock PR res=a", "");
	step(s, "node 2 lost", "A5 cast(0 PR), A3 cast(0 PR)");
	queues(s, "b", "G[X:EX] C[] W[A:>EX]");
	queues(s, "c", "G[A2:PR A3:PR] C[] W[]");
	queues(s, "a", "G[X3:CR A4:PR A5:PR] C[] W[]");
	/* The lost have no say and hear nothing. */
	step(s, "X unlock", "");
	step(s, "A6 lock EX res=a nobast", "A4 bast(EX), A5 bast(EX)");
	step(s, "A4 unlock", "A4 cast(EUNLOCK)");
	step(s, "A5 unlock", "A5 cast(EUNLOCK)");
	queues(s, "a", "G[X3:CR] C[] W[A6:>EX]");
	/* Twice is once. */
	step(s, "node 2 lost", "");
	step(s, "node 2 remove", "A6 cast(0 EX), A cast(0 EX)");
	assert_int_equal(engine_node_locks(script_engine(s), 2, script_incarnation()), 0);
	step(s, "node 2 remove", "");
}

/* R-VIEW-2: who goes on the slow way may have missed the last write of any value. */
static void slow_view_point_marks_every_lvb(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX res=a", "A cast(0 EX)");
	step(s, "A conv NL VALBLK lvb=x", "A cast(0 NL)");
	step(s, "A2 lock EX res=b", "A2 cast(0 EX)");
	step(s, "node 2 lost", "");
	lvb_is(s, "a", "x");
	step(s, "node 2 lost-slow", "");
	lvb_is(s, "a", "x!");
	lvb_is(s, "b", "zero!");
	step(s, "A conv PR VALBLK", "A cast(0 PR VALNOTVALID lvb=x)");
	step(s, "A2 conv PW VALBLK lvb=y", "A2 cast(0 PW)");
	lvb_is(s, "b", "y");
}

/* R-PROC-5: orphans and persistent locks go too, with the marks of R-LVB-9. */
static void removing_a_node_leaves_nothing_of_it(void **state)
{
	struct script *s = *state;

	step(s, "Z lock NL", "Z cast(0 NL)");
	step(s, "A on 2", "");
	step(s, "B on 2", "");
	step(s, "A lock PW PERSISTENT VALBLK", "A cast(0 PW lvb=zero)");
	step(s, "A end", "");
	step(s, "B lock EX PERSISTENT", "");
	step(s, "node 2 remove", "");
	queues(s, "r", "G[Z:NL] C[] W[]");
	lvb_is(s, "r", "-!");
	assert_int_equal(engine_totals_get(script_engine(s)).sessions, 1);
	assert_int_equal(engine_totals_get(script_engine(s)).orphans, 0);
}

/* R-LS-6 counts, and what quotas are measured with */
static void locks_are_counted_by_session_and_node(void **state)
{
	struct script *s = *state;
	struct engine *e = script_engine(s);
	size_t granted;

	step(s, "A lock PR PERSISTENT", "A cast(0 PR)");
	step(s, "A2 lock EX", "A bast(EX)");
	step(s, "B lock NL", "");
	assert_int_equal(engine_session_locks(e, 1, script_incarnation(), 1, &granted), 2);
	assert_int_equal(granted, 1);
	assert_int_equal(engine_node_locks(e, 1, script_incarnation()), 3);
	step(s, "A end", "B cast(0 NL)");
	assert_int_equal(engine_session_locks(e, 1, script_incarnation(), 1, &granted), 0);
	assert_int_equal(granted, 0);
	assert_int_equal(engine_node_locks(e, 1, script_incarnation()), 2);
	struct engine_totals totals = engine_totals_get(e);

	assert_int_equal(totals.locks, 2);
	assert_int_equal(totals.granted, 2);
	assert_int_equal(totals.waiting, 0);
	assert_int_equal(totals.sessions, 1);
	assert_int_equal(totals.orphans, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		script_test(session_data_is_kept_for_listings),
		script_test(session_end_settles_each_resource_once_in_order_of_its_locks),
		script_test(ended_session_hears_nothing),
		script_test(persistent_locks_become_orphans_at_their_granted_mode),
		script_test(adoption_takes_the_oldest_orphan_of_its_own_node),
		script_test(adoption_delivers_the_orphans_token),
		script_test(adopter_is_told_of_those_who_would_be_blocked),
		script_test(purge_removes_orphans_by_node_and_pid),
		script_test(purge_of_the_own_pid_empties_this_session_only),
		script_test(view_point_stops_the_lost_from_waiting_but_keeps_what_they_hold),
		script_test(slow_view_point_marks_every_lvb),
		script_test(removing_a_node_leaves_nothing_of_it),
		script_test(locks_are_counted_by_session_and_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
