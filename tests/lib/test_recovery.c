/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recovery callbacks against a real lockstepd that stands alone: recovery.sh starts it. What comes in
 * which order when members fail is shown by tests/unit/test_node_recovery and tests/sim.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lockstep/lockstep_recovery.h>

static const struct lockstep_recovery_ops ops_none = { .version = LOCKSTEP_RECOVERY_OPS_VERSION };

/* R-CB-9: the session is there all the same, and who wants to know is told. */
static void where_callbacks_are_off_a_session_opens_without_them(void **state)
{
	struct lockstep_session *s = NULL;
	struct lockstep_lksb lksb = { .lvb = NULL };
	int error = 0;

	(void)state;
	assert_int_equal(lockstep_recovery_open("default", 0, NULL, &ops_none, NULL, NULL, &s),
			 -EOPNOTSUPP);
	assert_null(s);
	assert_int_equal(lockstep_recovery_open("default", 0, NULL, &ops_none, NULL, &error, &s), 0);
	assert_int_equal(error, -EOPNOTSUPP);
	assert_int_equal(lockstep_recovery_subscribe(s, &ops_none, NULL), -EOPNOTSUPP);
	assert_int_equal(lockstep_recovery_unsubscribe(s), -ENOENT);
	assert_int_equal(lockstep_prep_done(s), -EINVAL);
	assert_int_equal(lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, 0, "r", 1, NULL, NULL, -1), 0);
	lockstep_close(s);
}

static void bad_arguments_are_refused(void **state)
{
	const struct lockstep_recovery_ops newer = { .version = LOCKSTEP_RECOVERY_OPS_VERSION + 1 };
	struct lockstep_session *s = NULL;
	int error = 1;

	(void)state;
	assert_int_equal(lockstep_recovery_open("default", 0, NULL, &newer, NULL, &error, &s), -EINVAL);
	assert_int_equal(lockstep_recovery_open("default", 0, NULL, &ops_none, NULL, &error, NULL),
			 -EINVAL);
	assert_int_equal(lockstep_recovery_open("nowhere", 0, NULL, &ops_none, NULL, &error, &s),
			 -ENOENT);
	assert_null(s);
	assert_int_equal(error, 1);
	assert_int_equal(lockstep_recovery_open("default", 0, NULL, NULL, NULL, &error, &s), 0);
	assert_int_equal(error, 0);
	assert_int_equal(lockstep_recovery_subscribe(s, NULL, NULL), -EINVAL);
	assert_int_equal(lockstep_recovery_subscribe(s, &newer, NULL), -EINVAL);
	lockstep_close(s);
	assert_int_equal(lockstep_recovery_subscribe(NULL, &ops_none, NULL), -ENOTCONN);
	assert_int_equal(lockstep_recovery_unsubscribe(NULL), -ENOTCONN);
	assert_int_equal(lockstep_prep_done(NULL), -ENOTCONN);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest off[] = {
		cmocka_unit_test(where_callbacks_are_off_a_session_opens_without_them),
		cmocka_unit_test(bad_arguments_are_refused),
	};

	(void)argv;
	if (argc != 2) {
		(void)fprintf(stderr, "run tests/lib/recovery.sh\n");
		return 77;
	}
	return cmocka_run_group_tests(off, NULL, NULL);
}
