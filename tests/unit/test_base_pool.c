/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that a pool hands out zeroed, aligned objects that do not overlap, and reuses them.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/pool.h"

#define OBJECTS 1000
#define SIZE 33

static void objects_are_zero_aligned_and_apart(void **state)
{
	static uint8_t *objects[OBJECTS];
	struct pool pool;

	(void)state;
	pool_init(&pool, SIZE, 7);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < OBJECTS; i++) {
			objects[i] = pool_get(&pool);
			assert_int_equal((uintptr_t)objects[i] % _Alignof(uint64_t), 0);
			for (size_t k = 0; k < SIZE; k++) {
				assert_int_equal(objects[i][k], 0);
			}
			memset(objects[i], (int)(i % 251 + 1), SIZE);
		}
		assert_int_equal(pool.used_count, OBJECTS);
		for (size_t i = 0; i < OBJECTS; i++) {
			for (size_t k = 0; k < SIZE; k++) {
				assert_int_equal(objects[i][k], i % 251 + 1);
			}
		}
		for (size_t i = 0; i < OBJECTS; i++) {
			pool_put(&pool, objects[round == 1 ? OBJECTS - 1 - i : i]);
		}
		assert_int_equal(pool.used_count, 0);
	}
	pool_done(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_zero_aligned_and_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
