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

struct seen {
	struct lockstep_session *session;
	char text[256];
	int dones;
	int nested;
	bool unsubscribe; /* in done */
};

static void seen_add(struct seen *seen, const char *word)
{
	size_t used = strlen(seen->text);

	(void)snprintf(seen->text + used, sizeof(seen->text) - used, "%s%s", used ? " " : "", word);
}

static int prep(void *arg)
{
	seen_add(arg, "prep");
	return LOCKSTEP_PREP_DONE;
}

static void slot(void *arg, const struct lockstep_slot *slot)
{
	char word[32];

	(void)snprintf(word, sizeof(word), "slot %u:%u", slot->nodeid, slot->slot);
	seen_add(arg, word);
}

static void done(void *arg, const struct lockstep_slot *slots, size_t count, uint32_t own_slot,
		 uint32_t generation)
{
	struct seen *seen = arg;
	struct lockstep_lksb lksb = { .lvb = NULL };
	char word[64];

	(void)snprintf(word, sizeof(word), "done %u own %u", generation, own_slot);
	seen_add(seen, word);
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(word, sizeof(word), "%u:%u", slots[i].nodeid, slots[i].slot);
		seen_add(seen, word);
	}
	seen->dones++;
	seen->nested = lockstep_lock_wait(seen->session, LOCKSTEP_LOCK_EX, &lksb, 0, "r", 1, NULL, NULL, -1);
	if (seen->unsubscribe) {
		assert_int_equal(lockstep_recovery_unsubscribe(seen->session), 0);
	}
}

static const struct lockstep_recovery_ops ops_all = {
	.version = LOCKSTEP_RECOVERY_OPS_VERSION, .prep = prep, .slot = slot, .done = done,
};

static void until_done(struct seen *seen, int dones)
{
	while (seen->dones < dones) {
		struct pollfd p = { .fd = lockstep_session_fd(seen->session), .events = POLLIN };

		assert_true(poll(&p, 1, 60000) > 0);
		assert_true(lockstep_dispatch(seen->session) >= 0);
	}
	assert_int_equal(seen->dones, dones);
}

/* R-GEN-1, R-SLOT-2: alone it is member 1 of generation 1, and knows it from the first dispatch on. */
static void a_subscriber_is_told_the_slots_of_the_last_recovery(void **state)
{
	struct seen seen = { .nested = 0 };
	int error = 1;

	(void)state;
	assert_int_equal(lockstep_recovery_open("default", 0, NULL, &ops_all, &seen, &error, &seen.session), 0);
	assert_int_equal(error, 0);
	assert_string_equal(seen.text, "");
	until_done(&seen, 1);
	assert_string_equal(seen.text, "done 1 own 1 1:1");
	assert_int_equal(seen.nested, -EDEADLK); /* R-CB-7 */
	assert_int_equal(lockstep_recovery_subscribe(seen.session, &ops_all, &seen), -EALREADY);
	assert_int_equal(lockstep_prep_done(seen.session), -EINVAL);
	lockstep_close(seen.session);
}

static void a_subscription_can_be_ended_inside_its_own_callback(void **state)
{
	struct seen seen = { .unsubscribe = true };

	(void)state;
	assert_int_equal(lockstep_open("default", 0, NULL, &seen.session), 0);
	assert_int_equal(lockstep_recovery_subscribe(seen.session, &ops_all, &seen), 0);
	assert_int_equal(lockstep_recovery_unsubscribe(seen.session), 0); /* what was on its way is dropped */
	assert_int_equal(lockstep_recovery_subscribe(seen.session, &ops_all, &seen), 0);
	until_done(&seen, 1);
	assert_string_equal(seen.text, "done 1 own 1 1:1");
	assert_int_equal(lockstep_recovery_unsubscribe(seen.session), -ENOENT);
	assert_int_equal(lockstep_dispatch(seen.session), 0);
	lockstep_close(seen.session);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest off[] = {
		cmocka_unit_test(where_callbacks_are_off_a_session_opens_without_them),
		cmocka_unit_test(bad_arguments_are_refused),
	};
	const struct CMUnitTest on[] = {
		cmocka_unit_test(bad_arguments_are_refused),
		cmocka_unit_test(a_subscriber_is_told_the_slots_of_the_last_recovery),
		cmocka_unit_test(a_subscription_can_be_ended_inside_its_own_callback),
	};

	if (argc != 2) {
		(void)fprintf(stderr, "run tests/lib/recovery.sh\n");
		return 77;
	}
	return strcmp(argv[1], "off") == 0 ? cmocka_run_group_tests(off, NULL, NULL) :
					     cmocka_run_group_tests(on, NULL, NULL);
}
