/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows rules of requests, conversions, queues, unlock and cancel (sections 5 to 10, 15, 18) that
 * the numbered vectors leave out, in the language of engine_script.h.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/engine_script.h"
#include "tests/unit/engine_script_fixture.h"

static const char *const names[] = { "NL", "CR", "CW", "PR", "PW", "EX" };
/* R-MODE-1 as the table is printed. */
static const char *const together[] = { "yyyyyy", "yyyyy-", "yyy---", "yy-y--", "yy----", "y-----" };

/* R-MODE-1, R-REQ-1, R-REQ-2, for all pairs. */
static void second_request_is_granted_exactly_when_compatible(void **state)
{
	(void)state;
	for (int a = 0; a < 6; a++) {
		for (int b = 0; b < 6; b++) {
			struct script *s = script_new();
			char command[32];
			char effects[64];

			(void)snprintf(command, sizeof(command), "A lock %s nobast", names[a]);
			(void)snprintf(effects, sizeof(effects), "A cast(0 %s)", names[a]);
			step(s, command, effects);
			(void)snprintf(command, sizeof(command), "B lock %s", names[b]);
			(void)snprintf(effects, sizeof(effects), "B cast(0 %s)", names[b]);
			step(s, command, together[a][b] == 'y' ? effects : "");
			script_free(s);
		}
	}
}

/* R-MODE-3, R-GR-1 line 4: a lone holder may go anywhere, past any queue. */
static void every_conversion_of_a_lone_holder_is_granted(void **state)
{
	(void)state;
	for (int a = 0; a < 6; a++) {
		for (int b = 0; b < 6; b++) {
			struct script *s = script_new();
			char command[32];
			char effects[64];

			(void)snprintf(command, sizeof(command), "A lock %s", names[a]);
			(void)snprintf(effects, sizeof(effects), "A cast(0 %s)", names[a]);
			step(s, command, effects);
			(void)snprintf(command, sizeof(command), "A conv %s", names[b]);
			(void)snprintf(effects, sizeof(effects), "A cast(0 %s)", names[b]);
			step(s, command, effects);
			script_free(s);
		}
	}
}

/* R-Q-2, R-GR-6: W is first in, first out, and readers behind each other go together. */
static void waiters_are_granted_in_order(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "B lock PR", "A bast(PR)");
	step(s, "C lock PR", "");
	step(s, "D lock EX", "A bast(EX)");
	step(s, "E lock PR", "");
	step(s, "A unlock", "A cast(EUNLOCK), B cast(0 PR), C cast(0 PR), B bast(EX), C bast(EX)");
	step(s, "B unlock", "B cast(EUNLOCK)");
	step(s, "C unlock", "C cast(EUNLOCK), D cast(0 EX), D bast(PR)");
	step(s, "D unlock", "D cast(EUNLOCK), E cast(0 PR)");
}

/* R-Q-2, lock_order_before(): the last HEADQUE lock is the first of all. */
static void headque_locks_stand_in_reverse_order_before_the_others(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX nobast", "A cast(0 EX)");
	step(s, "B lock EX", "");
	step(s, "C lock EX HEADQUE", "");
	step(s, "D lock EX HEADQUE", "");
	step(s, "E lock EX", "");
	queues(s, "r", "G[A:EX] C[] W[D:>EX C:>EX B:>EX E:>EX]");
}

/* R-Q-3: G is in the order in which the present modes were granted; a same-mode conversion
 * leaves its place and its token (R-GR-5, R-TOK-1), a cancelled one goes back to it (R-CAN-2). */
static void granted_locks_stand_in_order_of_granting(void **state)
{
	struct script *s = *state;
	struct engine_lock_info info;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock PR", "B cast(0 PR)");
	step(s, "C lock NL", "C cast(0 NL)");
	step(s, "A conv PR", "A cast(0 PR)");
	queues(s, "r", "G[A:PR B:PR C:NL] C[] W[]");
	step(s, "C conv CR", "C cast(0 CR)");
	step(s, "A conv CR", "A cast(0 CR)");
	queues(s, "r", "G[B:PR C:CR A:CR] C[] W[]");
	step(s, "C conv EX", "B bast(EX), A bast(EX)");
	queues(s, "r", "G[B:PR A:CR] C[C:CR>EX] W[]");
	step(s, "C cancel", "C cast(ECANCEL CR)");
	queues(s, "r", "G[B:PR C:CR A:CR] C[] W[]");
	assert_true(engine_lock_find(script_engine(s), 1, script_incarnation(), script_lkid(s, "B"),
				     &info));
	uint64_t token = info.token;

	step(s, "B conv PR", "B cast(0 PR)");
	assert_true(script_effects(s)->items[0].token == token);
	step(s, "B conv NL", "B cast(0 NL)");
	assert_true(script_effects(s)->items[0].token == engine_seq(script_engine(s)));
}

/* R-CONV-7 */
static void noqueue_conversion_keeps_the_granted_mode(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock PR", "B cast(0 PR)");
	step(s, "A conv EX NOQUEUE", "A cast(EAGAIN PR)");
	step(s, "A conv EX NOQUEUE NOQUEUEBAST", "A cast(EAGAIN PR), B bast(EX)");
	queues(s, "r", "G[A:PR B:PR] C[] W[]");
}

/* R-BAST-4, R-REQ-3: with NOQUEUEBAST also those who convert are told. */
static void noqueuebast_tells_converters_too(void **state)
{
	struct script *s = *state;

	step(s, "A lock CR", "A cast(0 CR)");
	step(s, "B lock PR", "B cast(0 PR)");
	step(s, "A conv PW", "B bast(PW)");
	step(s, "C lock EX NOQUEUE NOQUEUEBAST", "C cast(EAGAIN), B bast(EX), A bast(EX)");
	step(s, "C lock EX", "");
}

/* R-CDL-1: an earlier conversion that the issuer does not block is no deadlock. */
static void conversion_that_blocks_nobody_on_c_just_queues(void **state)
{
	struct script *s = *state;

	step(s, "A lock CR", "A cast(0 CR)");
	step(s, "B lock PR", "B cast(0 PR)");
	step(s, "C lock NL", "C cast(0 NL)");
	step(s, "A conv PW", "B bast(PW)");
	step(s, "C conv EX", "B bast(EX)");
	queues(s, "r", "G[B:PR] C[A:CR>PW C:NL>EX] W[]");
	step(s, "B unlock", "B cast(EUNLOCK), A cast(0 PW), A bast(EX)");
}

/* R-GR-6 1: a NODLCKWT conversion that is deadlocked hears of it when the resource settles. */
static void deadlocked_nodlckwt_conversion_is_told_itself(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock PR", "B cast(0 PR)");
	step(s, "A conv PW", "B bast(PW)");
	step(s, "B conv EX NODLCKWT", "");
	step(s, "C lock NL", "");
	step(s, "C cancel", "C cast(ECANCEL), B bast(EX)");
	step(s, "C lock NL", "");
	step(s, "C cancel", "C cast(ECANCEL)");
}

/* R-GR-4 2 in a settle: whoever gets into a deadlock while he waits is demoted too. */
static void conversion_is_demoted_in_a_settle(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR nobast", "A cast(0 PR)");
	step(s, "B lock CR nobast", "B cast(0 CR)");
	step(s, "D lock CR nobast", "D cast(0 CR)");
	step(s, "B conv PW CONVDEADLK", "");
	step(s, "D conv EX HEADQUE NODLCKWT", "");
	queues(s, "r", "G[A:PR] C[D:CR>EX B:CR>PW] W[]");
	/* D waits for A and B; B blocks D, who is before it. */
	step(s, "E lock NL", "");
	step(s, "E cancel", "E cast(ECANCEL)");
	queues(s, "r", "G[A:PR] C[D:CR>EX B:NL>PW] W[]");
	step(s, "A unlock", "A cast(EUNLOCK), D cast(0 EX), D bast(PW)");
	step(s, "D unlock", "D cast(EUNLOCK), B cast(0 PW DEMOTED)");
}

/* R-CONV-5: after the demotion nothing stands in the way any more. */
static void demoted_conversion_is_granted_at_once_when_it_can_be(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock NL", "B cast(0 NL)");
	step(s, "B conv CW", "A bast(CW)");
	step(s, "A conv CW QUECVT CONVDEADLK", "B cast(0 CW), A cast(0 CW DEMOTED)");
	queues(s, "r", "G[B:CW A:CW] C[] W[]");
}

/* R-CDL-3: what was demoted stays so when it is cancelled. */
static void cancel_of_a_demoted_conversion_leaves_nl(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock PR", "B cast(0 PR)");
	step(s, "A conv EX", "B bast(EX)");
	step(s, "B conv EX CONVDEADLK", "A cast(0 EX), A bast(EX)");
	step(s, "B cancel", "B cast(ECANCEL NL DEMOTED)");
	queues(s, "r", "G[B:NL A:EX] C[] W[]");
}

/* R-ALT-1: tried again at every settle, one alternate only, and not both. */
static void alternate_is_tried_when_the_resource_settles(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "B lock PR ALTCW", "A bast(PR)");
	step(s, "A conv CW", "A cast(0 CW), B cast(0 CW ALTMODE)");
	step(s, "C lock EX ALTPR ALTCW NOQUEUE", "C cast(EAGAIN)");
	step(s, "C lock PR ALTPR ALTCW NOQUEUE", "C cast(0 CW ALTMODE)");
}

/* R-GR-5, R-Q-4: granted from C in the mode it has, a lock goes back to its place on G. */
static void alternate_equal_to_the_granted_mode_leaves_the_place_in_g(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR nobast", "A cast(0 PR)");
	step(s, "B lock PR nobast", "B cast(0 PR)");
	step(s, "A conv CW NODLCKWT", "");
	step(s, "B conv CW ALTPR NODLCKWT", "");
	queues(s, "r", "G[] C[A:PR>CW B:PR>CW] W[]");
	step(s, "A cancel", "A cast(ECANCEL PR), B cast(0 PR ALTMODE)");
	queues(s, "r", "G[A:PR B:PR] C[] W[]");
}

/* R-UNL-2, R-LVB-1: unlock of a converting lock acts on its granted mode and ends both. */
static void unlock_of_a_converting_lock_is_one_completion(void **state)
{
	struct script *s = *state;

	step(s, "A lock CR", "A cast(0 CR)");
	step(s, "B lock PW", "B cast(0 PW)");
	step(s, "B conv EX", "A bast(EX)");
	step(s, "B unlock VALBLK lvb=x", "B cast(EUNLOCK)");
	lvb_is(s, "r", "x");
}

/* R-UNL-3: behind its own request. */
static void forceunlock_follows_the_grant(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "A unlock FORCEUNLOCK", "A cast(EUNLOCK)");
	queues(s, "r", "-");
}

/* R-CAN-8 */
static void deadlock_cancel_ends_with_edeadlk(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "B lock PR", "A bast(PR)");
	step(s, "B deadlock", "B cast(EDEADLK)");
	step(s, "A deadlock", "");
	step(s, "B deadlock", "");
}

/* R-TMO-1, R-TMO-2, R-TMO-5 */
static void timeout_ends_only_the_queueing_it_names(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock EX TIMEOUT timeout=100", "A bast(EX)");
	step(s, "B timeout seq=1", "");
	step(s, "B timeout", "B cast(ETIMEDOUT)");
	step(s, "B timeout", "");
	step(s, "C lock PR", "C cast(0 PR)");
	step(s, "C conv EX TIMEOUT", "");
	step(s, "C timeout", "C cast(ETIMEDOUT PR)");
	step(s, "C conv EX timeout=5", "");
	step(s, "C timeout", "");
	queues(s, "r", "G[A:PR] C[C:PR>EX] W[]");
}

/* R-LOCK-5, R-LOCK-6: another session's lock and an ended one are not known. */
static void only_the_owner_can_touch_a_lock(void **state)
{
	struct script *s = *state;
	struct engine_op op = { .type = ENGINE_OP_UNLOCK,
				.nodeid = 1,
				.incarnation = script_incarnation(),
				.session = 2,
				.request = 1000 };
	struct engine_effects effects = { .items = NULL };

	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "B lock NL", "B cast(0 NL)");
	op.lkid = script_lkid(s, "A");
	engine_apply(script_engine(s), &op, &effects);
	assert_int_equal(effects.count, 0);
	engine_effects_done(&effects);
	queues(s, "r", "G[A:EX B:NL] C[] W[]");
	step(s, "A unlock", "A cast(EUNLOCK)");
	step(s, "A unlock", "");
}

/* R-CPG-11: a resend of what was applied changes nothing but seq. */
static void an_op_that_comes_twice_is_applied_once(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "A unlock", "A cast(EUNLOCK)");
	step(s, "A again", "");
	step(s, "A lock EX", "A cast(0 EX)");
	uint64_t digest = engine_digest(script_engine(s));
	uint64_t seq = engine_seq(script_engine(s));

	step(s, "A again", "");
	assert_true(engine_seq(script_engine(s)) == seq + 1);
	assert_true(engine_digest(script_engine(s)) != digest);
	queues(s, "r", "G[A:EX] C[] W[]");
}

/* R-STAB-2: which completions wait until the op cannot be lost any more. */
static void completions_that_promise_something_wait_for_stability(void **state)
{
	struct script *s = *state;
	static const struct {
		const char *command;
		const char *effects;
		bool stable;
	} steps[] = {
		{ "A lock EX VALBLK", "A cast(0 EX lvb=zero)", true },
		{ "B lock PR NOQUEUE", "B cast(EAGAIN)", false },
		{ "A conv PW", "A cast(0 PW)", false },
		{ "A conv CR VALBLK lvb=x", "A cast(0 CR)", true },
		{ "A conv NL", "A cast(0 NL)", false },
		{ "A conv CR", "A cast(0 CR)", true },
		{ "A conv CR", "A cast(0 CR)", true },
		{ "A conv EX", "A cast(0 EX)", true },
		{ "A conv PW IVVALBLK", "A cast(0 PW)", true },
		{ "C lock EX nobast", "A bast(EX)", false },
		{ "C cancel", "C cast(ECANCEL)", true },
		{ "C lock EX", "", false },
		{ "C deadlock", "C cast(EDEADLK)", false },
		{ "C lock NL", "C cast(0 NL)", true },
		{ "C unlock VALBLK lvb=y", "C cast(EUNLOCK)", false },
		{ "A unlock VALBLK lvb=y", "A cast(EUNLOCK)", true },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		step(s, steps[i].command, steps[i].effects);
		if (script_effects(s)->count > 0 &&
		    script_effects(s)->items[0].needs_stable != steps[i].stable) {
			fail_msg("%s: needs_stable is wrong", steps[i].command);
		}
		if (script_effects(s)->count > 0) {
			assert_true(script_effects(s)->items[0].seq ==
				    engine_seq(script_engine(s)));
		}
	}
}

/* R-RES-1: length is part of the name, no name is one too. */
static void names_are_bytes_and_length(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX res=a", "A cast(0 EX)");
	step(s, "A2 lock EX res=aa", "A2 cast(0 EX)");
	step(s, "A3 lock EX res=", "A3 cast(0 EX)");
	queues(s, "", "G[A3:EX] C[] W[]");
	queues(s, "a", "G[A:EX] C[] W[]");
	assert_int_equal(engine_totals_get(script_engine(s)).resources, 3);
}

/* R-DLK-4 */
struct seen {
	char text[64];
};

static bool see(const struct engine_lock_info *blocker, bool by_order, void *arg)
{
	struct seen *seen = arg;
	size_t used = strlen(seen->text);

	(void)snprintf(seen->text + used, sizeof(seen->text) - used, "%u%s ", blocker->lkid,
		       by_order ? "o" : "");
	return true;
}

static void blockers_are(struct script *s, const char *lock, const char *text)
{
	struct seen seen = { .text = "" };
	struct engine_lock_info info;

	assert_true(engine_lock_find(script_engine(s), 1, script_incarnation(), script_lkid(s, lock),
				     &info));
	engine_blockers_visit(script_engine(s), &info, see, &seen);
	assert_string_equal(seen.text, text);
}

static void blockers_are_who_conflicts_and_who_is_ahead(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR nobast", "A cast(0 PR)"); /* lkid 1 and so on */
	step(s, "B lock CR nobast", "B cast(0 CR)");
	step(s, "B conv PW", "");
	step(s, "C lock EX", "");
	step(s, "D lock PR", "");
	step(s, "E lock CW NOORDER", "");
	blockers_are(s, "A", "");
	blockers_are(s, "B", "1 ");
	blockers_are(s, "C", "1 2 ");
	blockers_are(s, "D", "2o 3o ");
	blockers_are(s, "E", "1 ");
}

/* R-ALT-3: PR, which it has, would be granted at once. */
static void alternate_is_not_tried_after_deadlock_or_demotion(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock PR", "B cast(0 PR)");
	step(s, "A conv EX", "B bast(EX)");
	step(s, "B conv EX ALTPR", "B cast(EDEADLK PR)");
	step(s, "B conv EX ALTPR CONVDEADLK", "A cast(0 EX), A bast(EX)");
	queues(s, "r", "G[A:EX] C[B:NL>EX] W[]");
}

/* R-BAST-7: what would have been sent is remembered, and a conversion may bring the routine. */
static void lock_without_a_bast_routine_remembers_what_it_was_not_told(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR nobast", "A cast(0 PR)");
	step(s, "D lock PR nobast", "D cast(0 PR)");
	step(s, "B lock EX", "");
	step(s, "A conv EX NOQUEUE", "A cast(EAGAIN PR)"); /* has a routine from here on */
	step(s, "C lock EX", "");
	step(s, "A conv PR", "A cast(0 PR), A bast(EX)");
}

/* R-CDL-5 */
static void convdeadlk_is_for_conversions_that_may_wait(void **state)
{
	struct script *s = *state;
	const struct engine_config *config = engine_config_get(script_engine(s));
	struct engine_op op = { .type = ENGINE_OP_LOCK, .mode = 5,
				.flags = LOCKSTEP_LKF_CONVDEADLK };

	assert_int_equal(engine_op_check(config, &op), EINVAL);
	op.type = ENGINE_OP_CONVERT;
	assert_int_equal(engine_op_check(config, &op), 0);
	op.flags |= LOCKSTEP_LKF_NOQUEUE;
	assert_int_equal(engine_op_check(config, &op), EINVAL);
	/* Nor does it do anything when a broken node has it ordered. */
	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "A conv EX CONVDEADLK NOQUEUE", "");
	step(s, "B lock EX CONVDEADLK", "");
	queues(s, "r", "G[A:PR] C[] W[]");
}

/* R-CONV-3 */
static void granted_conversion_lets_others_pass(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX nobast", "A cast(0 EX)");
	step(s, "B lock PR", "");
	step(s, "C lock CR", "");
	step(s, "A conv PR", "A cast(0 PR), B cast(0 PR), C cast(0 CR)");
}

/* R-CONV-6 */
static void waiting_conversion_tells_g_and_may_stand_first(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock CR", "B cast(0 CR)");
	step(s, "C lock CR", "C cast(0 CR)");
	step(s, "B conv PW", "A bast(PW)");
	/* B's CR on C is in the way too, and is not told. */
	step(s, "C conv EX HEADQUE", "A bast(EX)");
	queues(s, "r", "G[A:PR] C[C:CR>EX B:CR>PW] W[]");
}

/* R-LOCK-7 */
static void locks_of_one_session_conflict_like_those_of_strangers(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "A2 lock EX", "A bast(EX)");
	step(s, "A3 lock PR", "");
	step(s, "A4 lock EX NOQUEUE", "A4 cast(EAGAIN)");
	step(s, "A unlock", "A cast(EUNLOCK), A2 cast(0 EX), A2 bast(PR)");
}

/* R-Q-1: a lock on C protects with the mode it has, one on W with nothing. */
static void converting_lock_still_protects_and_a_waiting_one_does_not(void **state)
{
	struct script *s = *state;

	step(s, "A lock CW nobast", "A cast(0 CW)");
	step(s, "B lock CR nobast", "B cast(0 CR)");
	step(s, "A conv EX nobast", "");
	step(s, "C lock PR NOORDER NOQUEUE", "C cast(EAGAIN)"); /* for A only */
	step(s, "D lock EX", "");
	step(s, "E lock CW NOORDER", "E cast(0 CW)");
	queues(s, "r", "G[B:CR E:CW] C[A:CW>EX] W[D:>EX]");
}

/* R-UNL-1 */
static void unlock_writes_then_lets_others_pass(void **state)
{
	struct script *s = *state;

	step(s, "A lock PW nobast", "A cast(0 PW)");
	step(s, "B lock PR VALBLK", "");
	step(s, "A unlock VALBLK lvb=x", "A cast(EUNLOCK), B cast(0 PR lvb=x)");
	queues(s, "r", "G[B:PR] C[] W[]");
}

/* R-ORD-4 */
static void effects_are_own_completion_grants_of_c_grants_of_w_and_basts(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX nobast", "A cast(0 EX)");
	step(s, "B lock NL", "B cast(0 NL)");
	step(s, "C lock NL", "C cast(0 NL)");
	step(s, "C conv PR", "");
	step(s, "D lock PR", "");
	step(s, "E lock CR", "");
	step(s, "F lock EX", "");
	step(s, "B conv CR QUECVT", "");
	step(s, "A conv NL",
	     "A cast(0 NL), C cast(0 PR), B cast(0 CR), D cast(0 PR), E cast(0 CR), "
	     "C bast(EX), B bast(EX), D bast(EX), E bast(EX)");
}

/* R-GR-6, R-BAST-3: a long queue is settled like a short one, with NOORDER far behind. */
static void noorder_request_behind_those_that_stay_is_granted(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX nobast", "A cast(0 EX)");
	step(s, "B lock EX", "");
	step(s, "C lock PR", "");
	step(s, "D lock CR NOORDER", "");
	step(s, "E lock PW", "");
	step(s, "F lock CR NOORDER", "");
	step(s, "A conv PW",
	     "A cast(0 PW), D cast(0 CR), F cast(0 CR), A bast(EX), D bast(EX), F bast(EX)");
	queues(s, "r", "G[A:PW D:CR F:CR] C[] W[B:>EX C:>PR E:>PW]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(second_request_is_granted_exactly_when_compatible),
		cmocka_unit_test(every_conversion_of_a_lone_holder_is_granted),
		script_test(waiters_are_granted_in_order),
		script_test(headque_locks_stand_in_reverse_order_before_the_others),
		script_test(granted_locks_stand_in_order_of_granting),
		script_test(noqueue_conversion_keeps_the_granted_mode),
		script_test(noqueuebast_tells_converters_too),
		script_test(conversion_that_blocks_nobody_on_c_just_queues),
		script_test(deadlocked_nodlckwt_conversion_is_told_itself),
		script_test(conversion_is_demoted_in_a_settle),
		script_test(demoted_conversion_is_granted_at_once_when_it_can_be),
		script_test(cancel_of_a_demoted_conversion_leaves_nl),
		script_test(alternate_is_tried_when_the_resource_settles),
		script_test(alternate_equal_to_the_granted_mode_leaves_the_place_in_g),
		script_test(unlock_of_a_converting_lock_is_one_completion),
		script_test(forceunlock_follows_the_grant),
		script_test(deadlock_cancel_ends_with_edeadlk),
		script_test(timeout_ends_only_the_queueing_it_names),
		script_test(only_the_owner_can_touch_a_lock),
		script_test(an_op_that_comes_twice_is_applied_once),
		script_test(completions_that_promise_something_wait_for_stability),
		script_test(names_are_bytes_and_length),
		script_test(blockers_are_who_conflicts_and_who_is_ahead),
		script_test(alternate_is_not_tried_after_deadlock_or_demotion),
		script_test(lock_without_a_bast_routine_remembers_what_it_was_not_told),
		script_test(convdeadlk_is_for_conversions_that_may_wait),
		script_test(granted_conversion_lets_others_pass),
		script_test(waiting_conversion_tells_g_and_may_stand_first),
		script_test(locks_of_one_session_conflict_like_those_of_strangers),
		script_test(converting_lock_still_protects_and_a_waiting_one_does_not),
		script_test(unlock_writes_then_lets_others_pass),
		script_test(effects_are_own_completion_grants_of_c_grants_of_w_and_basts),
		script_test(noorder_request_behind_those_that_stay_is_granted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
