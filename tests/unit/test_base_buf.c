/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that bytes put into a buf come back through a cursor, little-endian, and that a cursor
 * refuses every short input, remembers it, and never reads past its end.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"

static const uint8_t wire[] = {
	0x01,						/* u8 */
	0x03, 0x02,					/* u16 */
	0x07, 0x06, 0x05, 0x04,				/* u32 */
	0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08, /* u64 */
	0x03, 0x00, 'a',  'b',	'c',			/* blob16 */
	0x00, 0x00, 0x00,				/* zero */
	'd',						/* bytes */
};

static void put_all(struct buf *b)
{
	buf_put_u8(b, 0x01);
	buf_put_u16(b, 0x0203);
	buf_put_u32(b, 0x04050607);
	buf_put_u64(b, 0x08090a0b0c0d0e0f);
	buf_put_blob16(b, "abc", 3);
	buf_put_zero(b, 3);
	buf_put_bytes(b, "d", 1);
}

/* Reads all of it; what a failed cursor returns must be zero. */
static void get_all(struct cursor *c)
{
	uint8_t u8 = cursor_get_u8(c);

	assert_int_equal(u8, cursor_ok(c) ? 0x01 : 0);
	uint16_t u16 = cursor_get_u16(c);

	assert_int_equal(u16, cursor_ok(c) ? 0x0203 : 0);
	uint32_t u32 = cursor_get_u32(c);

	assert_int_equal(u32, cursor_ok(c) ? 0x04050607 : 0);
	uint64_t u64 = cursor_get_u64(c);

	assert_true(u64 == (cursor_ok(c) ? 0x08090a0b0c0d0e0f : 0));
	size_t size = 99;
	const uint8_t *blob = cursor_get_blob16(c, 3, &size);

	assert_int_equal(size, cursor_ok(c) ? 3 : 0);
	assert_int_equal(blob != NULL, cursor_ok(c));
	if (blob) {
		assert_memory_equal(blob, "abc", 3);
	}
	(void)cursor_get_bytes(c, 3);
	(void)cursor_get_bytes(c, 1);
}

static void integers_are_little_endian(void **state)
{
	struct buf b = { .data = NULL };

	(void)state;
	put_all(&b);
	assert_int_equal(b.size, sizeof(wire));
	assert_memory_equal(b.data, wire, sizeof(wire));
	buf_done(&b);
	assert_null(b.data);
}

static void what_was_put_comes_back(void **state)
{
	struct cursor c = cursor_make(wire, sizeof(wire));

	(void)state;
	get_all(&c);
	assert_true(cursor_end(&c));
	assert_int_equal(cursor_left(&c), 0);
}

static void every_short_input_fails_and_stays_failed(void **state)
{
	(void)state;
	for (size_t size = 0; size < sizeof(wire); size++) {
		struct cursor c = cursor_make(wire, size);

		get_all(&c);
		assert_false(cursor_ok(&c));
		assert_false(cursor_end(&c));
		assert_int_equal(cursor_left(&c), 0);
		assert_int_equal(cursor_get_u8(&c), 0);
		assert_null(cursor_get_bytes(&c, 0));
	}
}

static void trailing_bytes_are_seen(void **state)
{
	struct cursor c = cursor_make(wire, sizeof(wire));

	(void)state;
	(void)cursor_get_u32(&c);
	assert_true(cursor_ok(&c));
	assert_false(cursor_end(&c));
	assert_int_equal(cursor_left(&c), sizeof(wire) - 4);
}

static void blob_longer_than_its_maximum_is_refused(void **state)
{
	struct cursor c = cursor_make("\x03\x00" "abc", 5);
	size_t size = 9;

	(void)state;
	assert_null(cursor_get_blob16(&c, 2, &size));
	assert_int_equal(size, 0);
	assert_false(cursor_ok(&c));
}

static void nothing_can_be_read_from_nothing(void **state)
{
	struct cursor c = cursor_make(NULL, 0);

	(void)state;
	assert_non_null(cursor_get_bytes(&c, 0));
	assert_true(cursor_end(&c));
	cursor_fail(&c);
	assert_null(cursor_get_bytes(&c, 0));
}

static void buffer_grows_and_keeps_its_content(void **state)
{
	struct buf b = { .data = NULL };

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		buf_put_u32(&b, i);
	}
	buf_set_u32(&b, 400, 0xffffffff);
	struct cursor c = cursor_make(b.data, b.size);

	for (uint32_t i = 0; i < 10000; i++) {
		assert_int_equal(cursor_get_u32(&c), i == 100 ? 0xffffffff : i);
	}
	assert_true(cursor_end(&c));
	size_t capacity = b.capacity;

	buf_clear(&b);
	assert_int_equal(b.size, 0);
	buf_reserve(&b, capacity);
	assert_int_equal(b.capacity, capacity);
	buf_done(&b);
}

static void what_is_dropped_is_at_the_front(void **state)
{
	struct buf b = { .data = NULL };

	(void)state;
	buf_drop(&b, 0);
	buf_put_bytes(&b, "abcdef", 6);
	buf_drop(&b, 2);
	assert_int_equal(b.size, 4);
	assert_memory_equal(b.data, "cdef", 4);
	buf_drop(&b, 0);
	assert_int_equal(b.size, 4);
	buf_drop(&b, 4);
	assert_int_equal(b.size, 0);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(what_was_put_comes_back),
		cmocka_unit_test(every_short_input_fails_and_stays_failed),
		cmocka_unit_test(trailing_bytes_are_seen),
		cmocka_unit_test(blob_longer_than_its_maximum_is_refused),
		cmocka_unit_test(nothing_can_be_read_from_nothing),
		cmocka_unit_test(buffer_grows_and_keeps_its_content),
		cmocka_unit_test(what_is_dropped_is_at_the_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
