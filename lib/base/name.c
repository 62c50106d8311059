/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "lib/base/name.h"

/*
 * Bytes of the character at @at, 0 where there is none (RFC 3629, section 4; C0, DEL and
 * C1 are left out, and a NUL ends the text, so nothing is read behind it):
 *
 *   20..7e                   e0      a0..bf 80..bf          f0      90..bf 80..bf 80..bf
 *   c2      a0..bf           e1..ec  80..bf 80..bf          f1..f3  80..bf 80..bf 80..bf
 *   c3..df  80..bf           ed      80..9f 80..bf          f4      80..8f 80..bf 80..bf
 *                            ee..ef  80..bf 80..bf
 */
static size_t character_size(const uint8_t *at)
{
	uint8_t low = at[0] == 0xc2 || at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
	uint8_t high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
	size_t size;

	if (at[0] < 0x80) {
		return at[0] >= 0x20 && at[0] != 0x7f ? 1 : 0;
	}
	if (at[0] < 0xc2 || at[0] > 0xf4 || at[1] < low || at[1] > high) {
		return 0;
	}
	size = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	for (size_t i = 2; i < size; i++) {
		if (at[i] < 0x80 || at[i] > 0xbf) {
			return 0;
		}
	}
	return size;
}

bool base_name_valid(const char *name, size_t size_max)
{
	size_t size = name ? strnlen(name, size_max + 1) : 0;

	if (size == 0 || size > size_max || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0) {
		return false;
	}
	for (size_t i = 0, step; i < size; i += step) {
		step = character_size((const uint8_t *)name + i);
		if (step == 0 || name[i] == '/') {
			return false;
		}
	}
	return true;
}
