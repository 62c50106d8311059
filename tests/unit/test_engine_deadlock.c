/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows the deadlock search over several resources (section 19), rule by rule, in the language of
 * engine_script.h, and that the question why a lock waits names the same cycles.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/engine_script.h"
#include "tests/unit/engine_script_fixture.h"

/* A holds a and waits for b, B the other way round. */
static void two_cycle(struct script *s, const char *a_words, const char *b_words)
{
	char command[64];

	step(s, "A lock EX res=a nobast", "A cast(0 EX)");
	step(s, "B lock EX res=b nobast", "B cast(0 EX)");
	(void)snprintf(command, sizeof(command), "A2 lock EX res=b %s", a_words);
	step(s, command, "");
	(void)snprintf(command, sizeof(command), "B2 lock PR res=a %s", b_words);
	step(s, command, "");
}

/* R-DLK-2, R-DLK-4 (a), R-DLK-6, R-DLK-7: whoever asks, the one queued longest ends. */
static void of_two_that_wait_for_each_other_the_one_queued_first_ends(void **state)
{
	struct script *s = *state;

	two_cycle(s, "", "");
	step(s, "B2 search", "A2 cast(EDEADLK)");
	queues(s, "b", "G[B:EX] C[] W[]");
	/* Nothing is left to be found. */
	step(s, "B2 search", "");
	queues(s, "a", "G[A:EX] C[] W[B2:>PR]");
}

/* R-DLK-7, R-CAN-2, R-ORD-4: a conversion keeps its old mode; the victim's completion comes before
 * what its end gives to others. */
static void converting_victim_keeps_its_mode_and_lets_others_pass(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR res=a nobast", "A cast(0 PR)");
	step(s, "B lock CR res=a nobast", "B cast(0 CR)");
	step(s, "B2 lock EX res=b nobast", "B2 cast(0 EX)");
	step(s, "B conv PW", "");
	step(s, "C lock PR res=a", "");
	step(s, "A2 lock EX res=b", "");
	step(s, "A2 search", "B cast(EDEADLK CR), C cast(0 PR)");
	queues(s, "a", "G[A:PR B:CR C:PR] C[] W[]");
	queues(s, "b", "G[B2:EX] C[] W[A2:>EX]");
}

/* R-DLK-4 (b): who is ahead in the queue stands in the way, with whatever it asks for. */
static void waiting_behind_somebody_is_waiting_for_him(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR res=a nobast", "A cast(0 PR)");
	step(s, "B lock EX res=b nobast", "B cast(0 EX)");
	step(s, "C lock EX res=a", "");
	step(s, "B2 lock PR res=a", ""); /* behind C, although compatible with A */
	step(s, "C2 lock EX res=b", ""); /* C waits for B */
	/* The request ahead waits for A, so it is not what has to end. */
	step(s, "B2 search", "B2 cast(EDEADLK)");
	queues(s, "a", "G[A:PR] C[] W[C:>EX]");
}

/* R-DLK-4 (b): a new request waits for what is on C too. */
static void waiting_request_waits_for_those_who_convert(void **state)
{
	struct script *s = *state;

	step(s, "A lock CR res=a nobast", "A cast(0 CR)");
	step(s, "B lock PR res=a nobast", "B cast(0 PR)");
	step(s, "D lock EX res=d nobast", "D cast(0 EX)");
	step(s, "D2 lock NL res=a", "D2 cast(0 NL)");
	step(s, "A conv PW", ""); /* waits for B */
	step(s, "D3 lock CR res=a", ""); /* in conflict with nobody, but behind A */
	step(s, "A2 lock EX res=d", "");
	step(s, "D3 search", "D3 cast(EDEADLK)");
}

/* R-DLK-4 (b) */
static void noorder_request_waits_for_nobody_ahead(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR res=a nobast", "A cast(0 PR)");
	step(s, "B lock EX res=b nobast", "B cast(0 EX)");
	step(s, "C lock EX res=a", "");
	step(s, "B2 lock CW res=a NOORDER", "");
	step(s, "C2 lock EX res=b", "");
	step(s, "B2 search", ""); /* B waits for A, and A for nothing */
	step(s, "C search", "");
}

/* R-DLK-4 (a): modes of queued locks block nobody by themselves, and no lock blocks itself. */
static void conversion_is_not_blocked_by_its_own_granted_mode(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR nobast", "A cast(0 PR)");
	step(s, "B lock PR nobast", "B cast(0 PR)");
	step(s, "A conv EX", "");
	step(s, "A search", "");
	queues(s, "r", "G[B:PR] C[A:PR>EX] W[]");
}

/* R-DLK-5: nobody else can end it. */
static void waiting_for_a_mode_of_its_own_is_a_deadlock(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR nobast", "A cast(0 PR)");
	step(s, "A2 lock EX", "");
	step(s, "A2 search", "A2 cast(EDEADLK)");
	/* Also for a lock that converts. */
	step(s, "A3 lock PR nobast", "A3 cast(0 PR)");
	step(s, "A conv EX", "");
	step(s, "A search", "A cast(EDEADLK PR)");
	/* Its own NODLCKBLK lock it will give up. */
	step(s, "A3 unlock", "A3 cast(EUNLOCK)");
	step(s, "A conv PR NODLCKBLK nobast", "A cast(0 PR)");
	step(s, "A4 lock EX", "");
	step(s, "A4 search", "");
}

/* R-DLK-5 */
static void waiting_behind_a_request_of_its_own_is_none(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX nobast", "A cast(0 EX)");
	step(s, "B lock EX", "");
	step(s, "B2 lock EX", "");
	step(s, "B2 search", "");
	/* Not in a larger component either: B waits for C in truth, and B4 only behind B3. */
	step(s, "C lock EX res=c nobast", "C cast(0 EX)");
	step(s, "D lock EX res=d nobast", "D cast(0 EX)");
	step(s, "B3 lock EX res=d", "");
	step(s, "B4 lock EX res=d NOORDER NODLCKWT", "");
	step(s, "B5 lock EX res=c", "");
	step(s, "C2 lock EX res=r", "");
	step(s, "C2 search", "B5 cast(EDEADLK)");
	queues(s, "d", "G[D:EX] C[] W[B3:>EX B4:>EX]");
	queues(s, "r", "G[A:EX] C[] W[B:>EX B2:>EX C2:>EX]");
}

/* R-DLK-6: only locks that give an edge inside; C waits for the cycle and is none of it, and what
 * A waits for outside of it is left alone, however long it is queued. */
static void only_requests_inside_the_cycle_end(void **state)
{
	struct script *s = *state;

	step(s, "D lock EX res=d nobast", "D cast(0 EX)");
	step(s, "A lock EX res=a nobast", "A cast(0 EX)");
	step(s, "A3 lock EX res=d", ""); /* the oldest */
	step(s, "B lock EX res=b nobast", "B cast(0 EX)");
	step(s, "B2 lock EX res=a", "");
	step(s, "C lock EX res=a", "");
	step(s, "A2 lock EX res=b", "");
	step(s, "C search", "B2 cast(EDEADLK)");
	step(s, "C search", "");
}

/* R-DLK-3: locks of one xid are one transaction, whichever sessions they are of. */
static void xid_joins_locks_of_several_sessions(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX res=a xid=7 nobast", "A cast(0 EX)");
	step(s, "B lock EX res=b nobast", "B cast(0 EX)");
	step(s, "C lock EX res=b xid=7", ""); /* A's transaction waits for B */
	step(s, "B2 lock EX res=a", "");
	step(s, "B2 search", "C cast(EDEADLK)");
}

/* R-DLK-3: and locks of one session with different xids are several. */
static void xid_parts_locks_of_one_session(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX res=a xid=7 nobast", "A cast(0 EX)");
	step(s, "B lock EX res=b nobast", "B cast(0 EX)");
	step(s, "A2 lock EX res=b xid=8", "");
	step(s, "B2 lock EX res=a", "");
	step(s, "B2 search", "");
	step(s, "A2 search", "");
	/* 0 is one of its own, too. */
	step(s, "A3 lock EX res=b", "");
	step(s, "A3 search", "");
}

/* R-DLK-8: the xid is that of the last op that was accepted. */
static void conversion_changes_the_xid(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX res=a xid=7 nobast", "A cast(0 EX)");
	step(s, "B lock EX res=b nobast", "B cast(0 EX)");
	step(s, "A2 lock EX res=b xid=8", "");
	step(s, "B2 lock EX res=a", "");
	step(s, "A conv EX xid=8 nobast", "A cast(0 EX)");
	step(s, "B2 search", "A2 cast(EDEADLK)");
}

static void xid_on_two_nodes(struct script *s, const char *effects)
{
	step(s, "A on 1", "");
	step(s, "C on 2", "");
	step(s, "A lock EX res=a xid=7 nobast", "A cast(0 EX)");
	step(s, "B lock EX res=b nobast", "B cast(0 EX)");
	step(s, "C lock EX res=b xid=7", "");
	step(s, "B2 lock EX res=a", "");
	step(s, "B2 search", effects);
	script_free(s);
}

/* R-DLK-3 */
static void xids_span_nodes_only_with_scope_cluster(void **state)
{
	(void)state;
	xid_on_two_nodes(script_new(), "");
	xid_on_two_nodes(script_new_xid_scope_cluster(), "C cast(EDEADLK)");
}

/* R-DLK-1 */
static void no_search_where_deadlock_wait_is_zero(void **state)
{
	struct script *s = script_new_no_deadlock_wait();

	(void)state;
	two_cycle(s, "", "");
	step(s, "B2 search", "");
	step(s, "A2 search", "");
	script_free(s);
}

/* R-DLK-2: a search whose queueing is over, or that names no waiting lock, is void. */
static void search_is_void_when_its_queueing_is_over(void **state)
{
	struct script *s = *state;

	two_cycle(s, "", "");
	step(s, "A2 search seq=1", "");
	step(s, "A search", "");
	step(s, "A9 search", "");
	queues(s, "b", "G[B:EX] C[] W[A2:>EX]");
}

/* R-DLK-2: what cannot be reached is not looked at. */
static void cycle_that_is_not_reached_stays(void **state)
{
	struct script *s = *state;

	two_cycle(s, "", "");
	step(s, "C lock EX res=c nobast", "C cast(0 EX)");
	step(s, "D lock EX res=c", "");
	step(s, "D search", "");
	/* Once it is, it is resolved, from outside as well. */
	step(s, "D2 lock EX res=a", "");
	step(s, "D search", "A2 cast(EDEADLK)");
}

/* R-DLK-2, R-DLK-4: NODLCKWT is no waiting, neither to be searched for nor as an edge. */
static void nodlckwt_request_starts_no_search_and_is_no_edge(void **state)
{
	struct script *s = *state;

	two_cycle(s, "NODLCKWT", "");
	step(s, "A2 search", "");
	step(s, "B2 search", "");
}

/* R-DLK-4 */
static void nodlckblk_lock_is_no_edge(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX res=a NODLCKBLK nobast", "A cast(0 EX)");
	step(s, "B lock EX res=b nobast", "B cast(0 EX)");
	step(s, "A2 lock EX res=b", "");
	step(s, "B2 lock EX res=a", "");
	step(s, "A2 search", "");
	step(s, "B2 search", "");
	/* Nor is one that is ahead in the queue. */
	step(s, "C lock EX res=c nobast", "C cast(0 EX)");
	step(s, "D lock EX res=d nobast", "D cast(0 EX)");
	step(s, "E lock EX res=c NODLCKBLK", "");
	step(s, "D2 lock EX res=c", "");
	step(s, "E2 lock EX res=d", "");
	step(s, "D2 search", "");
}

/* R-DLK-1: such a lock is an edge and no victim, though it was queued first. */
static void lock_of_a_libdlm_session_is_never_the_victim(void **state)
{
	struct script *s = *state;

	step(s, "A on 1 libdlm", "");
	two_cycle(s, "", "");
	step(s, "A2 search", ""); /* it starts none either */
	step(s, "B2 search", "B2 cast(EDEADLK)");
	queues(s, "b", "G[B:EX] C[] W[A2:>EX]");
}

/* R-DLK-7: nobody may be chosen. */
static void cycle_without_a_victim_stays(void **state)
{
	struct script *s = *state;

	step(s, "A on 1 libdlm", "");
	step(s, "B on 1 libdlm", "");
	two_cycle(s, "", "");
	step(s, "C lock EX res=a", "");
	step(s, "C search", "");
	queues(s, "a", "G[A:EX] C[] W[B2:>PR C:>EX]");
}

/* R-DLK-7: two cycles through A, one op. */
static void victims_are_chosen_until_no_cycle_is_left(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX res=a nobast", "A cast(0 EX)");
	step(s, "B lock EX res=b nobast", "B cast(0 EX)");
	step(s, "C lock EX res=c nobast", "C cast(0 EX)");
	step(s, "C2 lock EX res=a", "");
	step(s, "B2 lock EX res=a", ""); /* behind C2 */
	step(s, "A2 lock EX res=b", "");
	step(s, "A3 lock EX res=c", "");
	step(s, "A3 search", "C2 cast(EDEADLK), B2 cast(EDEADLK)");
	queues(s, "b", "G[B:EX] C[] W[A2:>EX]");
	queues(s, "c", "G[C:EX] C[] W[A3:>EX]");
}

/* R-DLK-7, R-CAN-1, R-ORD-4: a victim's end settles its resource. */
static void who_waited_behind_the_victim_gets_on(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX res=a nobast", "A cast(0 EX)");
	step(s, "C lock PR res=r nobast", "C cast(0 PR)");
	step(s, "A2 lock EX res=r", "");
	step(s, "C2 lock EX res=a", "");
	step(s, "E lock PR res=r nobast", "");
	step(s, "E2 lock EX res=e nobast", "E2 cast(0 EX)");
	step(s, "A3 lock EX res=e", "");
	step(s, "C2 search", "A2 cast(EDEADLK), E cast(0 PR)");
	queues(s, "r", "G[C:PR E:PR] C[] W[]");
}

/* R-REC-4, R-DLK-4: a lost member's locks are in the way, but they wait for nothing. */
static void lost_member_is_in_no_cycle(void **state)
{
	struct script *s = *state;

	step(s, "A on 1", "");
	step(s, "B on 2", "");
	two_cycle(s, "", "");
	step(s, "node 2 lost", "");
	step(s, "A2 search", "");
	queues(s, "b", "G[B:EX] C[] W[A2:>EX]");
}

/* --- why does it wait ---------------------------------------------------------------------- */

struct seen {
	struct script *script;
	char text[128];
};

static bool see(const struct engine_lock_info *waiter, const struct engine_lock_info *blocker,
		bool by_order, void *arg)
{
	struct seen *seen = arg;
	size_t used = strlen(seen->text);

	(void)snprintf(seen->text + used, sizeof(seen->text) - used, "%u %s %u, ", waiter->lkid,
		       by_order ? "behind" : "for", blocker->lkid);
	return true;
}

static void cycle_is(struct script *s, const char *lock, const char *text)
{
	struct seen seen = { .text = "" };
	struct engine_lock_info info;

	assert_true(engine_lock_find(script_engine(s), script_node(s, lock[0]),
				     script_incarnation(), script_lkid(s, lock), &info));
	bool is = engine_deadlock_visit(script_engine(s), &info, see, &seen);

	assert_string_equal(seen.text, text);
	assert_int_equal(is, text[0] != '\0');
	assert_null(engine_check(script_engine(s)));
}

/* R-DLK-6: lkids count from 1 as locks are asked for. */
static void a_waiter_can_be_asked_for_its_cycle(void **state)
{
	struct script *s = *state;

	two_cycle(s, "", "");
	cycle_is(s, "A", "");
	cycle_is(s, "A2", "3 for 2, 4 for 1, ");
	cycle_is(s, "B2", "4 for 1, 3 for 2, ");
	step(s, "C lock EX res=a", ""); /* waits for the cycle, is not in it */
	cycle_is(s, "C", "");
	step(s, "C2 lock EX res=c nobast", "C2 cast(0 EX)");
	step(s, "A3 lock EX res=c", "");
	cycle_is(s, "A3", "7 for 6, 5 for 1, ");
	cycle_is(s, "C", "5 for 1, 7 for 6, ");
}

/* R-DLK-5, R-DLK-6 */
static void cycle_names_order_and_self_deadlock(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR res=a nobast", "A cast(0 PR)");
	step(s, "B lock EX res=b nobast", "B cast(0 EX)");
	step(s, "C lock EX res=a", "");
	step(s, "B2 lock PR res=a", "");
	step(s, "C2 lock EX res=b", "");
	cycle_is(s, "C", "");
	cycle_is(s, "B2", "4 behind 3, 5 for 2, ");
	cycle_is(s, "C2", "5 for 2, 4 behind 3, ");
	step(s, "D lock EX res=d nobast", "D cast(0 EX)");
	step(s, "D2 lock EX res=d", "");
	step(s, "D3 lock EX res=d NOORDER NODLCKWT", "");
	cycle_is(s, "D2", "7 for 6, ");
	cycle_is(s, "D3", "");
}

/* R-DLK-7: also one that no search resolves is named. */
static void cycle_without_a_victim_is_named(void **state)
{
	struct script *s = *state;

	step(s, "A on 1 libdlm", "");
	step(s, "B on 2 libdlm", "");
	two_cycle(s, "", "");
	cycle_is(s, "A2", "3 for 2, 4 for 1, ");
	/* A lock that waits behind one of its own, and the same way once more through others. */
	step(s, "A3 lock EX res=b", "");
	cycle_is(s, "A3", "5 for 2, 4 for 1, ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		script_test(of_two_that_wait_for_each_other_the_one_queued_first_ends),
		script_test(converting_victim_keeps_its_mode_and_lets_others_pass),
		script_test(waiting_behind_somebody_is_waiting_for_him),
		script_test(waiting_request_waits_for_those_who_convert),
		script_test(noorder_request_waits_for_nobody_ahead),
		script_test(conversion_is_not_blocked_by_its_own_granted_mode),
		script_test(waiting_for_a_mode_of_its_own_is_a_deadlock),
		script_test(waiting_behind_a_request_of_its_own_is_none),
		script_test(only_requests_inside_the_cycle_end),
		script_test(xid_joins_locks_of_several_sessions),
		script_test(xid_parts_locks_of_one_session),
		script_test(conversion_changes_the_xid),
		cmocka_unit_test(xids_span_nodes_only_with_scope_cluster),
		cmocka_unit_test(no_search_where_deadlock_wait_is_zero),
		script_test(search_is_void_when_its_queueing_is_over),
		script_test(cycle_that_is_not_reached_stays),
		script_test(nodlckwt_request_starts_no_search_and_is_no_edge),
		script_test(nodlckblk_lock_is_no_edge),
		script_test(lock_of_a_libdlm_session_is_never_the_victim),
		script_test(cycle_without_a_victim_stays),
		script_test(victims_are_chosen_until_no_cycle_is_left),
		script_test(who_waited_behind_the_victim_gets_on),
		script_test(lost_member_is_in_no_cycle),
		script_test(a_waiter_can_be_asked_for_its_cycle),
		script_test(cycle_names_order_and_self_deadlock),
		script_test(cycle_without_a_victim_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
