/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of lockspaces (R-LS-1): what is one, and against a second statement of UTF-8 for
 * every pair of bytes. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/base/name.h"

#define MAX 64

static bool valid(const char *name)
{
	return base_name_valid(name, MAX);
}

static void what_becomes_a_file_and_is_shown_is_a_name(void **state)
{
	char longest[MAX + 2];

	(void)state;
	assert_true(valid("a"));
	assert_true(valid("lvm_vg 0-1.x"));
	assert_true(valid("...") && valid(".a"));
	assert_true(valid("K\xc3\xa4se \xe2\x82\xac \xf0\x9f\x90\xa7"));
	assert_false(valid(NULL));
	assert_false(valid(""));
	assert_false(valid(".") || valid(".."));
	assert_false(valid("a/b"));
	memset(longest, 'x', sizeof(longest));
	longest[MAX + 1] = '\0';
	assert_false(valid(longest));
	longest[MAX] = '\0';
	assert_true(valid(longest));
}

/* A terminal obeys these, also those of eight bits. */
static void control_characters_are_in_no_name(void **state)
{
	char name[8];

	(void)state;
	for (int c = 1; c < 0xa0; c++) {
		if (c >= 0x20 && c < 0x7f) {
			continue;
		}
		(void)snprintf(name, sizeof(name), c < 0x80 ? "a%cb" : "a\xc2%cb", c);
		assert_false(valid(name));
	}
	assert_false(valid("\x9b"
			   "31m"));
}

/* As a decoder sees it: the number that the bits give is the one that needs so many
 * bytes. */
static bool decodes(const uint8_t *at, size_t size)
{
	static const uint32_t least[] = { 0, 0x20, 0xa0, 0x800, 0x10000 };
	static const uint8_t mark[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };
	static const uint8_t mask[] = { 0, 0x80, 0xe0, 0xf0, 0xf8 };
	uint32_t number = at[0] & ~mask[size] & 0xffu;

	if ((at[0] & mask[size]) != mark[size]) {
		return false;
	}
	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80) {
			return false;
		}
		number = number << 6 | (at[i] & 0x3f);
	}
	return number >= least[size] && number <= 0x10ffff && number != 0x7f &&
	       (number < 0xd800 || number > 0xdfff) && number != '/';
}

static bool all_decode(const uint8_t *at, size_t size)
{
	for (size_t step = 1; step <= 4 && step <= size; step++) {
		if (decodes(at, step) &&
		    (step == size || all_decode(at + step, size - step))) {
			return true;
		}
	}
	return false;
}

static void every_begin_of_a_character_is_judged_as_by_decoding_it(void **state)
{
	(void)state;
	for (int first = 1; first < 256; first++) {
		for (int second = 1; second < 256; second++) {
			const uint8_t text[] = { (uint8_t)first, (uint8_t)second, 0x80,
						 0xbf, 0 };

			for (size_t size = 1; size <= 4; size++) {
				uint8_t name[6] = { 'x' };

				memcpy(name + 1, text, size);
				assert_int_equal(valid((const char *)name),
						 all_decode(text, size));
			}
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_becomes_a_file_and_is_shown_is_a_name),
		cmocka_unit_test(control_characters_are_in_no_name),
		cmocka_unit_test(every_begin_of_a_character_is_judged_as_by_decoding_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
