/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that the engine does what the test vectors 1..18 of the lock model (section 23) say, one
 * test each, in the language of engine_script.h. Each step also checks the invariants and a
 * second engine restored from a snapshot.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/engine_script.h"
#include "tests/unit/engine_script_fixture.h"

/* 1: R-REQ-3 */
static void noqueue_is_refused_and_tells_the_holder_only_when_asked(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "B lock PR NOQUEUE", "B cast(EAGAIN)");
	step(s, "B lock PR NOQUEUE NOQUEUEBAST", "B cast(EAGAIN), A bast(PR)");
	queues(s, "r", "G[A:EX] C[] W[]");
}

/* 2: R-REQ-2, R-GR-2 (b), R-CAN-1, R-BAST-1 */
static void new_requests_queue_behind_each_other_but_expedite_does_not(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock PR", "B cast(0 PR)");
	step(s, "C lock EX", "A bast(EX), B bast(EX)");
	step(s, "D lock PR", "");
	step(s, "D2 lock NL", "");
	step(s, "D3 lock NL EXPEDITE", "D3 cast(0 NL)");
	queues(s, "r", "G[A:PR B:PR D3:NL] C[] W[C:>EX D:>PR D2:>NL]");
	step(s, "C cancel", "C cast(ECANCEL), D cast(0 PR), D2 cast(0 NL)");
}

/* 3: R-BAST-1, R-CONV-8 */
static void a_holder_is_told_again_only_after_a_grant(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock EX", "A bast(EX)");
	step(s, "B cancel", "B cast(ECANCEL)");
	step(s, "C lock EX", "");
	step(s, "A conv PR", "A cast(0 PR), A bast(EX)");
}

/* 4: R-CDL-2, R-CONV-4 */
static void second_up_conversion_of_two_readers_is_the_deadlock_victim(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock PR", "B cast(0 PR)");
	step(s, "A conv EX", "B bast(EX)");
	step(s, "B conv EX", "B cast(EDEADLK PR)");
	step(s, "B conv NL", "B cast(0 NL), A cast(0 EX)");
}

/* 5: R-CDL-3, R-CONV-5 */
static void convdeadlk_demotes_the_issuer_and_lets_the_first_go(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock PR", "B cast(0 PR)");
	step(s, "A conv EX", "B bast(EX)");
	step(s, "B conv EX CONVDEADLK", "A cast(0 EX), A bast(EX)");
	queues(s, "r", "G[A:EX] C[B:NL>EX] W[]");
	step(s, "A unlock", "A cast(EUNLOCK), B cast(0 EX DEMOTED)");
}

/* 6: R-CDL-4 */
static void nodlckwt_queues_although_it_deadlocks(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock PR", "B cast(0 PR)");
	step(s, "A conv EX", "B bast(EX)");
	step(s, "B conv EX NODLCKWT", "");
	queues(s, "r", "G[] C[A:PR>EX B:PR>EX] W[]");
	step(s, "B cancel", "B cast(ECANCEL PR)");
	queues(s, "r", "G[B:PR] C[A:PR>EX] W[]");
}

/* 7: R-GR-1 lines 4, 5, 7; R-GR-2 (a); R-GR-3 */
static void conversions_overtake_waiters_and_quecvt_only_the_wait_queue(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock NL", "B cast(0 NL)");
	step(s, "B2 lock NL", "B2 cast(0 NL)");
	step(s, "B3 lock NL", "B3 cast(0 NL)");
	step(s, "C lock EX", "A bast(EX)");
	step(s, "B conv PR", "B cast(0 PR), B bast(EX)");
	step(s, "B2 conv PR QUECVT", "B2 cast(0 PR), B2 bast(EX)");
	step(s, "A conv PW", "");
	step(s, "B3 conv CR QUECVT", "");
	queues(s, "r", "G[B:PR B2:PR] C[A:PR>PW B3:NL>CR] W[C:>EX]");
	step(s, "B3 cancel", "B3 cast(ECANCEL NL)");
	step(s, "B3 conv CR", "B3 cast(0 CR), B3 bast(EX)");
}

/* 8: R-REQ-2 (HEADQUE is not granted by itself), R-GR-1 line 9 */
static void headque_waits_for_the_next_settle(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock EX", "A bast(EX)");
	step(s, "C lock PR HEADQUE", "");
	queues(s, "r", "G[A:PR] C[] W[C:>PR B:>EX]");
	step(s, "B cancel", "B cast(ECANCEL), C cast(0 PR)");
}

/* 8, second half: R-GR-1 line 6, R-REQ-1 */
static void noorder_is_granted_past_a_waiter_and_hears_of_him_later(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock EX", "A bast(EX)");
	step(s, "C lock PR NOORDER", "C cast(0 PR)");
	step(s, "A unlock", "A cast(EUNLOCK), C bast(EX)");
}

/* 9: R-BAST-2 (CW and PR) */
static void every_holder_is_told_of_each_higher_mode(void **state)
{
	struct script *s = *state;

	step(s, "A lock CW", "A cast(0 CW)");
	step(s, "B lock CW", "B cast(0 CW)");
	step(s, "C lock PR", "A bast(PR), B bast(PR)");
	step(s, "D lock EX", "A bast(EX), B bast(EX)");
}

/* 10: R-ALT-1, R-ALT-2 */
static void alternate_mode_is_granted_or_the_request_fails(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock CW ALTPR", "B cast(0 PR ALTMODE)");
	step(s, "C lock EX ALTCW NOQUEUE", "C cast(EAGAIN)");
}

/* 11: R-UNL-2, R-CAST-1 */
static void unlock_of_a_waiting_request_is_its_only_completion(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "B lock PR", "A bast(PR)");
	step(s, "B unlock", "B cast(EUNLOCK)");
	step(s, "A unlock", "A cast(EUNLOCK)");
	queues(s, "r", "-");
}

/* 12: R-CAN-3, R-CAN-6 */
static void cancel_of_a_granted_lock_does_nothing(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "A cancel", "");
	step(s, "A cancel", "");
	queues(s, "r", "G[A:EX] C[] W[]");
}

/* 13: R-LVB-2, R-LVB-3 */
static void lvb_is_written_on_the_way_down_and_read_on_the_way_up(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX VALBLK", "A cast(0 EX lvb=zero)");
	lvb_is(s, "r", "-");
	step(s, "A conv NL VALBLK lvb=x", "A cast(0 NL)");
	lvb_is(s, "r", "x");
	step(s, "B lock PR VALBLK", "B cast(0 PR lvb=x)");
	step(s, "A conv EX VALBLK", "B bast(EX)");
	step(s, "B conv NL", "B cast(0 NL), A cast(0 EX lvb=x)");
}

static void resource_with_lvb_x(struct script *s)
{
	step(s, "Z lock EX", "Z cast(0 EX)");
	step(s, "Z conv NL VALBLK lvb=x", "Z cast(0 NL)");
}

/* 14: R-LVB-6, R-LVB-7, R-LVB-8 */
static void lvb_of_a_killed_writer_is_invalid_until_it_is_written_again(void **state)
{
	struct script *s = *state;

	resource_with_lvb_x(s);
	step(s, "B lock NL", "B cast(0 NL)");
	step(s, "C lock NL", "C cast(0 NL)");
	step(s, "A lock EX VALBLK", "A cast(0 EX lvb=x)");
	step(s, "A end", "");
	step(s, "B conv PR VALBLK", "B cast(0 PR VALNOTVALID lvb=x)");
	step(s, "B conv NL", "B cast(0 NL VALNOTVALID)");
	step(s, "C conv PW VALBLK", "C cast(0 PW VALNOTVALID lvb=x)");
	step(s, "C conv NL VALBLK lvb=y", "C cast(0 NL)");
	step(s, "B conv PR VALBLK", "B cast(0 PR lvb=y)");
}

/* 15: R-LVB-8, R-LVB-9, R-REC-12 */
static void lvb_mark_depends_on_valblk_for_a_node_but_not_for_a_session(void **state)
{
	struct script *s = *state;

	resource_with_lvb_x(s);
	step(s, "A on 2", "");
	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "node 2 remove", "");
	lvb_is(s, "r", "x");

	step(s, "B on 2", "");
	step(s, "B lock PR VALBLK", "B cast(0 PR lvb=x)");
	step(s, "B end", "");
	lvb_is(s, "r", "x");

	step(s, "C on 2", "");
	step(s, "C lock EX", "C cast(0 EX)");
	step(s, "C end", "");
	lvb_is(s, "r", "x!");
}

/* 15, second half */
static void lvb_is_invalid_when_a_node_dies_that_used_it(void **state)
{
	struct script *s = *state;

	resource_with_lvb_x(s);
	step(s, "A on 2", "");
	step(s, "A lock PR VALBLK", "A cast(0 PR lvb=x)");
	step(s, "node 2 remove", "");
	lvb_is(s, "r", "x");

	step(s, "B on 2", "");
	step(s, "B lock PW VALBLK", "B cast(0 PW lvb=x)");
	step(s, "node 2 lost", "");
	lvb_is(s, "r", "x");
	step(s, "node 2 remove", "");
	lvb_is(s, "r", "x!");
}

/* 16: R-ORPH-1, R-ORPH-2, R-PROC-4 */
static void orphan_is_adopted_with_its_lkid_and_hears_of_the_waiter(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX PERSISTENT", "A cast(0 EX)");
	uint32_t lkid = script_lkid(s, "A");

	step(s, "A end", "");
	queues(s, "r", "G[a:EX] C[] W[]");
	step(s, "B lock PR", "");
	step(s, "C adopt PR", "C reply(EAGAIN)");
	step(s, "C adopt EX res=other", "C reply(ENOENT)");
	step(s, "C adopt EX", "C reply(0 EX), C bast(PR)");
	assert_int_equal(script_lkid(s, "C"), lkid);
	queues(s, "r", "G[C:EX] C[] W[B:>PR]");
}

/* 17: R-CONV-2 (the last op's PERSISTENT counts) */
static void persistent_does_not_stick(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX PERSISTENT", "A cast(0 EX)");
	step(s, "A conv NL", "A cast(0 NL)");
	step(s, "A end", "");
	queues(s, "r", "-");
}

/* 18: R-CONV-1, R-CONV-9. The home node refuses these; should one come, nothing happens. */
static void conversion_of_a_waiting_lock_is_not_applied(void **state)
{
	struct script *s = *state;

	step(s, "B lock EX", "B cast(0 EX)");
	step(s, "A lock PR", "B bast(PR)");
	step(s, "A conv EX", "");
	step(s, "B conv NL QUECVT", "");
	step(s, "B conv EX QUECVT", "");
	queues(s, "r", "G[B:EX] C[] W[A:>PR]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		script_test(noqueue_is_refused_and_tells_the_holder_only_when_asked),
		script_test(new_requests_queue_behind_each_other_but_expedite_does_not),
		script_test(a_holder_is_told_again_only_after_a_grant),
		script_test(second_up_conversion_of_two_readers_is_the_deadlock_victim),
		script_test(convdeadlk_demotes_the_issuer_and_lets_the_first_go),
		script_test(nodlckwt_queues_although_it_deadlocks),
		script_test(conversions_overtake_waiters_and_quecvt_only_the_wait_queue),
		script_test(headque_waits_for_the_next_settle),
		script_test(noorder_is_granted_past_a_waiter_and_hears_of_him_later),
		script_test(every_holder_is_told_of_each_higher_mode),
		script_test(alternate_mode_is_granted_or_the_request_fails),
		script_test(unlock_of_a_waiting_request_is_its_only_completion),
		script_test(cancel_of_a_granted_lock_does_nothing),
		script_test(lvb_is_written_on_the_way_down_and_read_on_the_way_up),
		script_test(lvb_of_a_killed_writer_is_invalid_until_it_is_written_again),
		script_test(lvb_mark_depends_on_valblk_for_a_node_but_not_for_a_session),
		script_test(lvb_is_invalid_when_a_node_dies_that_used_it),
		script_test(orphan_is_adopted_with_its_lkid_and_hears_of_the_waiter),
		script_test(persistent_does_not_stick),
		script_test(conversion_of_a_waiting_lock_is_not_applied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
