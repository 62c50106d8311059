/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that each outcome of an op is counted once and where it belongs, in the language of
 * engine_script.h.
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

/* R-REQ-1, R-REQ-2, R-REQ-3, R-ALT-2, R-CAN-1 */
static void requests_are_counted_by_their_outcome(void **state)
{
	struct script *s = *state;
	const struct engine_stats *stats = engine_stats_get(script_engine(s));

	step(s, "A lock PR nobast", "A cast(0 PR)");
	step(s, "B lock CW ALTPR", "B cast(0 PR ALTMODE)");
	step(s, "C lock EX NOQUEUE", "C cast(EAGAIN)");
	step(s, "C2 lock EX", "B bast(EX)");
	step(s, "D lock PW TIMEOUT", "");
	step(s, "E lock PR", "");
	step(s, "D timeout", "D cast(ETIMEDOUT)");
	step(s, "C2 cancel", "C2 cast(ECANCEL), E cast(0 PR)");
	step(s, "F lock EX", "E bast(EX)");
	step(s, "F deadlock", "F cast(EDEADLK)");
	assert_int_equal(stats->lock.granted_at_once, 2);
	assert_int_equal(stats->lock.altmode, 1);
	assert_int_equal(stats->lock.eagain, 1);
	assert_int_equal(stats->lock.queued, 4);
	assert_int_equal(stats->lock.granted_later, 1);
	assert_int_equal(stats->lock.etimedout, 1);
	assert_int_equal(stats->lock.ecancel, 1);
	assert_int_equal(stats->lock.edeadlk, 1);
	assert_int_equal(stats->convert.queued, 0);
	assert_int_equal(stats->ops[ENGINE_OP_LOCK], 7);
	assert_int_equal(stats->ops[ENGINE_OP_TIMEOUT], 1);
	assert_int_equal(stats->ops[ENGINE_OP_SESSION_BEGIN], 6);
}

/* R-CONV-3, R-CONV-4, R-CONV-6, R-CONV-7, R-CDL-3 */
static void conversions_are_counted_apart(void **state)
{
	struct script *s = *state;
	const struct engine_stats *stats = engine_stats_get(script_engine(s));

	step(s, "A lock PR nobast", "A cast(0 PR)");
	step(s, "B lock PR nobast", "B cast(0 PR)");
	step(s, "A conv EX NOQUEUE nobast", "A cast(EAGAIN PR)");
	step(s, "A conv EX nobast", "");
	step(s, "B conv EX nobast", "B cast(EDEADLK PR)");
	step(s, "B conv EX CONVDEADLK nobast", "A cast(0 EX)");
	step(s, "A conv NL", "A cast(0 NL), B cast(0 EX DEMOTED)");
	step(s, "A conv PR", "");
	step(s, "A cancel", "A cast(ECANCEL NL)");
	assert_int_equal(stats->convert.granted_at_once, 1);
	assert_int_equal(stats->convert.queued, 3);
	assert_int_equal(stats->convert.granted_later, 2);
	assert_int_equal(stats->convert.eagain, 1);
	assert_int_equal(stats->convert.edeadlk, 1);
	assert_int_equal(stats->convert.ecancel, 1);
	assert_int_equal(stats->convert.demoted, 1);
	assert_int_equal(stats->lock.granted_at_once, 2);
	assert_int_equal(stats->lock.queued, 0);
}

/* R-BAST-1, R-BAST-7: one that was told before is told nothing, and nothing is counted. */
static void basts_are_counted_by_whether_somebody_hears_them(void **state)
{
	struct script *s = *state;
	const struct engine_stats *stats = engine_stats_get(script_engine(s));

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B lock PR nobast", "B cast(0 PR)");
	step(s, "C lock EX", "A bast(EX)");
	step(s, "D lock EX", "");
	assert_int_equal(stats->basts_sent, 1);
	assert_int_equal(stats->basts_unheard, 1);
}

/* R-DLK-1, R-DLK-7 */
static void searches_and_victims_are_counted(void **state)
{
	struct script *s = *state;
	const struct engine_stats *stats = engine_stats_get(script_engine(s));

	step(s, "A lock EX nobast", "A cast(0 EX)");
	step(s, "A2 lock EX", "");
	step(s, "A2 search seq=1", "");
	assert_int_equal(stats->deadlock_searches, 0);
	step(s, "A2 search", "A2 cast(EDEADLK)");
	step(s, "B lock EX", "");
	step(s, "B search", "");
	assert_int_equal(stats->deadlock_searches, 2);
	assert_int_equal(stats->deadlock_victims, 1);
	assert_int_equal(stats->lock.edeadlk, 1);
	assert_int_equal(stats->ops[ENGINE_OP_DEADLOCK_SEARCH], 3);
}

static void expect_modes(struct script *s, const size_t held[6], const size_t wanted[6])
{
	const struct engine_totals totals = engine_totals_get(script_engine(s));

	for (int mode = 0; mode < 6; mode++) {
		assert_int_equal(totals.held[mode], held[mode]);
		assert_int_equal(totals.wanted[mode], wanted[mode]);
	}
}

/* A converting lock holds its old mode and wants the new one; a demotion and an alternate mode count as what they have become. */
static void locks_are_counted_by_mode(void **state)
{
	struct script *s = *state;

	step(s, "A lock PR nobast", "A cast(0 PR)");
	step(s, "B lock PR nobast", "B cast(0 PR)");
	step(s, "A conv EX nobast", "");
	step(s, "C lock CR nobast", "");
	step(s, "D lock EX ALTCW nobast", "");
	expect_modes(s, (const size_t[6]){ 0, 0, 0, 2, 0, 0 }, (const size_t[6]){ 0, 1, 0, 0, 0, 2 });
	step(s, "B conv EX CONVDEADLK nobast", "A cast(0 EX)");
	expect_modes(s, (const size_t[6]){ 1, 0, 0, 0, 0, 1 }, (const size_t[6]){ 0, 1, 0, 0, 0, 2 });
	step(s, "A unlock", "A cast(EUNLOCK), B cast(0 EX DEMOTED)");
	expect_modes(s, (const size_t[6]){ 0, 0, 0, 0, 0, 1 }, (const size_t[6]){ 0, 1, 0, 0, 0, 1 });
	step(s, "B unlock", "B cast(EUNLOCK), C cast(0 CR), D cast(0 CW ALTMODE)");
	expect_modes(s, (const size_t[6]){ 0, 1, 1, 0, 0, 0 }, (const size_t[6]){ 0, 0, 0, 0, 0, 0 });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		script_test(requests_are_counted_by_their_outcome),
		script_test(conversions_are_counted_apart),
		script_test(basts_are_counted_by_whether_somebody_hears_them),
		script_test(searches_and_victims_are_counted),
		script_test(locks_are_counted_by_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
