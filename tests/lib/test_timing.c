/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timing statistics of locks: the estimators by their vector, whom a sample belongs to, and the calls through
 * a real lockstepd that stands alone (timing.sh). Nothing here says how long anything may take.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <lockstep/lockstep_timing.h>

#include "lib/client/timing.h"

/* R-STAT-1, R-STAT-6: shifts round toward minus infinity, the first sample is nothing special. */
static void estimator_gives_the_vector(void **state)
{
	static const int64_t vector[][3] = { { 800, 100, 200 }, { 1600, 287, 525 }, { 800, 351, 522 } };
	int64_t mean = 0, variance = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		timing_sample(&mean, &variance, vector[i][0]);
		assert_int_equal(mean, vector[i][1]);
		assert_int_equal(variance, vector[i][2]);
	}
	mean = 0;
	variance = 0;
	timing_sample(&mean, &variance, -1);
	assert_int_equal(mean, -1);
}

/* R-STAT-3 */
static void kinds_of_requests(void **state)
{
	(void)state;
	assert_true(timing_waits(-1, LOCKSTEP_LOCK_EX, 0));
	assert_true(timing_waits(LOCKSTEP_LOCK_PR, LOCKSTEP_LOCK_EX, 0));
	assert_true(timing_waits(LOCKSTEP_LOCK_PW, LOCKSTEP_LOCK_CR, 0));
	assert_false(timing_waits(LOCKSTEP_LOCK_EX, LOCKSTEP_LOCK_PR, 0));
	assert_false(timing_waits(-1, LOCKSTEP_LOCK_NL, 0));
	assert_false(timing_waits(-1, LOCKSTEP_LOCK_EX, LOCKSTEP_LKF_NOQUEUE));
	assert_false(timing_waits(-1, LOCKSTEP_LOCK_EX,
				  LOCKSTEP_LKF_NOQUEUE | LOCKSTEP_LKF_NOQUEUEBAST));
}

/* R-STAT-2, R-STAT-4 */
static void samples_go_to_the_lock_and_its_class(void **state)
{
	struct timing_page page = { .classes_count = 0 };
	struct timing *t = timing_new(&page);
	struct lockstep_timing timing;

	(void)state;
	timing_lock_add(t, 1, "job/1", 5);
	timing_lock_add(t, 257, "job/2", 5); /* the same bucket of the table */
	timing_lock_add(t, 3, "plain", 5);
	timing_submitted(t, 1, true, 1000);
	assert_true(timing_lock_get(t, 1, &timing));
	assert_int_equal(timing.qcount, 1);
	assert_int_equal(timing.sirt, 0); /* the first one only sets the stamp */
	timing_completed(t, 1, 1000 + 8000);
	timing_submitted(t, 1, false, 1000 + 16000);
	timing_completed(t, 1, 1000 + 16000 + 1600);
	timing_completed(t, 1, 99999); /* nobody waits for it */
	timing_submitted(t, 257, true, 500);
	assert_true(timing_lock_get(t, 1, &timing));
	assert_int_equal(timing.srttb, 1000);
	assert_int_equal(timing.srtt, 200);
	assert_int_equal(timing.sirt, 2000);
	assert_int_equal(timing.dcount, 2);
	assert_int_equal(timing.qcount, 0);
	assert_int_equal(page.classes_count, 2);
	assert_string_equal(page.classes[0].name, "job");
	assert_string_equal(page.classes[1].name, "");
	assert_int_equal(page.classes[0].timing.dcount, 3);
	assert_int_equal(page.classes[0].timing.qcount, 1);
	assert_int_equal(page.classes[0].timing.srttb, 1000);
	assert_int_equal(page.classes[0].histogram[4], 1); /* 8 us: below 16 */
	assert_int_equal(page.classes[0].histogram[1], 1); /* 1.6 us: below 2 */
	timing_lock_remove(t, 257);
	assert_int_equal(page.classes[0].timing.qcount, 0);
	assert_false(timing_lock_get(t, 257, &timing));
	for (uint32_t i = 0; i < 100; i++) {
		char name[16];

		timing_lock_add(t, 1000 + i, name, (size_t)snprintf(name, sizeof(name), "c%u/x", i));
	}
	assert_int_equal(page.classes_count, LOCKSTEP_TIMING_CLASSES);
	assert_null(timing_free(t));
}

static int on_class(uint32_t pid, const char *comm, const char *space,
		    const struct lockstep_timing_class *c, void *arg)
{
	(void)comm;
	if (pid == (uint32_t)getpid() && strcmp(space, "default") == 0 && strcmp(c->name, "a") == 0) {
		*(uint64_t *)arg = c->timing.dcount;
		return 7;
	}
	return 0;
}

static void calls_count_what_is_done(void **state)
{
	struct lockstep_lksb lksb = { .lkid = 0 }, before = { .lkid = 0 };
	struct lockstep_timing timing;
	struct lockstep_timing_class c;
	struct lockstep_session *s;
	uint64_t seen = 0;

	(void)state;
	assert_int_equal(lockstep_timing_enable(NULL), -ENOTCONN);
	assert_int_equal(lockstep_open("default", 0, NULL, &s), 0);
	assert_int_equal(lockstep_timing_class(s, 0, &c), -ENOENT);
	assert_int_equal(lockstep_lock_wait(s, LOCKSTEP_LOCK_NL, &before, 0, "b", 1, NULL, NULL, -1), 0);
	assert_int_equal(lockstep_timing_enable(s), 0);
	assert_int_equal(lockstep_timing_enable(s), -EALREADY);
	assert_int_equal(lockstep_timing_lock(s, before.lkid, &timing), -ENOENT);
	assert_int_equal(lockstep_unlock_wait(s, before.lkid, 0, &before), 0);
	/* New: may wait. Down from EX: at once. A cancel is none. */
	assert_int_equal(lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, 0, "a/1", 3, NULL, NULL, -1), 0);
	assert_int_equal(lockstep_lock_wait(s, LOCKSTEP_LOCK_PR, &lksb, LOCKSTEP_LKF_CONVERT, NULL, 0,
					    NULL, NULL, -1), 0);
	assert_int_equal(lockstep_unlock_wait(s, lksb.lkid, LOCKSTEP_LKF_CANCEL, &lksb), 0);
	assert_int_equal(lockstep_timing_lock(s, lksb.lkid, &timing), 0);
	assert_int_equal(timing.dcount, 2);
	assert_int_equal(timing.qcount, 0);
	assert_true(timing.srtt > 0 && timing.srttb > 0 && timing.sirt > 0);
	assert_int_equal(lockstep_unlock_wait(s, lksb.lkid, 0, &lksb), 0);
	assert_int_equal(lockstep_timing_lock(s, lksb.lkid, &timing), -ENOENT);
	assert_int_equal(lockstep_timing_class(s, 0, &c), 0);
	assert_string_equal(c.name, "a");
	assert_int_equal(c.timing.dcount, 3);
	assert_int_equal(lockstep_timing_class(s, 1, &c), -ENOENT);
	assert_int_equal(lockstep_timing_read(on_class, &seen), 7);
	assert_int_equal(seen, 3);
	lockstep_close(s);
	assert_int_equal(lockstep_timing_read(on_class, &seen), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(estimator_gives_the_vector),
		cmocka_unit_test(kinds_of_requests),
		cmocka_unit_test(samples_go_to_the_lock_and_its_class),
		cmocka_unit_test(calls_count_what_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
