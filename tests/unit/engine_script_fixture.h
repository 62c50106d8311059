/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fresh script for each cmocka test. Included after cmocka.h.
 */
#ifndef LOCKSTEP_TESTS_ENGINE_SCRIPT_FIXTURE_H
#define LOCKSTEP_TESTS_ENGINE_SCRIPT_FIXTURE_H

#include "tests/unit/engine_script.h"

static int script_setup(void **state)
{
	*state = script_new();
	return 0;
}

static int script_teardown(void **state)
{
	script_free(*state);
	return 0;
}

#define script_test(function)                                                                      \
	cmocka_unit_test_setup_teardown(function, script_setup, script_teardown)

#endif
