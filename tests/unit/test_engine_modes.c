/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that the tables of modes say what the lock model says, for every pair, against a second
 * statement of each rule: here in words of severity, there as bits.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugin/engine/engine_private.h"

enum { NL, CR, CW, PR, PW, EX };

/* What a holder does, and what it lets others do. */
static bool reads(int mode)
{
	return mode >= CR;
}

static bool writes(int mode)
{
	return mode == CW || mode == PW || mode == EX;
}

static bool lets_read(int mode)
{
	return mode != EX;
}

static bool lets_write(int mode)
{
	return mode <= CW;
}

/* R-MODE-1: two go together when each lets the other do what it does. */
static void compatibility_follows_from_what_modes_do_and_allow(void **state)
{
	(void)state;
	for (int a = NL; a <= EX; a++) {
		for (int b = NL; b <= EX; b++) {
			bool one = (!reads(a) || lets_read(b)) && (!writes(a) || lets_write(b));
			bool two = (!reads(b) || lets_read(a)) && (!writes(b) || lets_write(a));
			assert_int_equal(mode_compatible(a, b), one && two);
			assert_int_equal(mode_compatible(a, b), mode_compatible(b, a));
		}
		assert_true(mode_compatible(a, LOCKSTEP_LOCK_IV));
		assert_true(mode_compatible(LOCKSTEP_LOCK_IV, a));
	}
}

/* R-MODE-3: who steps down fits wherever he was. */
static void a_down_or_same_conversion_cannot_conflict(void **state)
{
	(void)state;
	for (int gr = NL; gr <= EX; gr++) {
		for (int rq = NL; rq <= gr; rq++) {
			if (mode_is_middle(gr, rq)) {
				continue;
			}
			for (int other = NL; other <= EX; other++) {
				assert_true(!mode_compatible(gr, other) ||
					    mode_compatible(rq, other));
			}
		}
	}
}

/* R-MODE-2 */
static void only_pr_and_cw_are_middle(void **state)
{
	(void)state;
	for (int gr = NL; gr <= EX; gr++) {
		for (int rq = NL; rq <= EX; rq++) {
			assert_int_equal(mode_is_middle(gr, rq),
					 (gr == PR && rq == CW) || (gr == CW && rq == PR));
		}
	}
}

static enum lvb_action expected_action(int gr, int rq)
{
	if (gr == PW || gr == EX) {
		/* Who may have written it writes it back, unless he goes on to more. */
		return gr == PW && rq == EX ? LVB_READ : LVB_WRITE;
	}
	/* Who keeps or gains gets it; from NL everything gains, and so does staying there. */
	return rq >= gr ? LVB_READ : LVB_NOTHING;
}

/* R-LVB-1 */
static void lvb_action_for_every_transition(void **state)
{
	(void)state;
	for (int gr = NL; gr <= EX; gr++) {
		for (int rq = NL; rq <= EX; rq++) {
			assert_int_equal(mode_lvb_action(gr, rq), expected_action(gr, rq));
		}
		assert_int_equal(mode_lvb_action(LOCKSTEP_LOCK_IV, gr), LVB_READ);
		assert_int_equal(mode_lvb_action(gr, LOCKSTEP_LOCK_IV),
				 gr >= PW ? LVB_WRITE : LVB_NOTHING);
	}
}

/* R-CONV-9: up, and between PR and CW both ways. */
static void quecvt_is_for_conversions_that_may_have_to_wait(void **state)
{
	(void)state;
	for (int gr = NL; gr <= EX; gr++) {
		for (int rq = NL; rq <= EX; rq++) {
			assert_int_equal(engine_quecvt_legal((int8_t)gr, (uint8_t)rq),
					 rq > gr || (gr == PR && rq == CW));
		}
	}
	assert_false(engine_quecvt_legal(LOCKSTEP_LOCK_IV, EX));
	assert_false(engine_quecvt_legal(NL, 6));
	assert_false(engine_quecvt_legal(6, EX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compatibility_follows_from_what_modes_do_and_allow),
		cmocka_unit_test(a_down_or_same_conversion_cannot_conflict),
		cmocka_unit_test(only_pr_and_cw_are_middle),
		cmocka_unit_test(lvb_action_for_every_transition),
		cmocka_unit_test(quecvt_is_for_conversions_that_may_have_to_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
