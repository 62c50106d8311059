/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that the digest is XXH3 as it is specified, for ever: replicas of different builds
 * compare it. The values are those of the reference implementation.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/digest.h"

static void digest_has_the_values_of_the_reference(void **state)
{
	(void)state;
	assert_true(base_digest64("", 0, 0) == 0x2d06800538d394c2);
	assert_true(base_digest64("", 0, 0) != base_digest64("", 0, 1));
	assert_true(base_digest64("a", 1, 0) == 0xe6c632b61e964e1f);
	assert_true(base_digest64("abc", 3, 0) == 0x78af5f94892f3950);
}

static void mixing_loses_nothing(void **state)
{
	(void)state;
	/* Not a proof; it would catch a multiplication by an even number or a wrong shift. */
	for (unsigned int bit = 0; bit < 64; bit++) {
		for (unsigned int other = 0; other < bit; other++) {
			assert_true(base_mix64(UINT64_C(1) << bit) !=
				    base_mix64(UINT64_C(1) << other));
			assert_true((uint32_t)base_mix64(UINT64_C(1) << bit) !=
				    (uint32_t)base_mix64(UINT64_C(1) << other));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_has_the_values_of_the_reference),
		cmocka_unit_test(mixing_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
