/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trace records: what is written is read back, and what was damaged or cut short is told apart. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "plugin/node/trace.h"

static struct trace_record records[9];
static const struct engine_member_id two[] = { { 1, 0x10001 }, { 7, 0x70002 } };

static void records_make(void)
{
	static const uint8_t bytes[] = "snapshot";

	memset(records, 0, sizeof(records));
	for (size_t i = 0; i < 9; i++) {
		records[i].type = (enum trace_type)(i + 1);
		records[i].seq = 100 + i;
		records[i].time_ms = 5000 + i;
	}
	records[0].nodeid = 3;
	records[0].incarnation = 0x30001;
	records[0].space = (const uint8_t *)"default";
	records[0].space_size = 7;
	records[0].data = bytes;
	records[0].size = sizeof(bytes);
	records[1].nodeid = 2;
	records[1].incarnation = 0x20001;
	records[1].op = (struct engine_op){ .type = ENGINE_OP_LOCK, .session = 1, .request = 2, .lkid = 5,
					    .mode = 5, .name_len = 3, .name = "abc" };
	records[2].op.type = ENGINE_OP_NODES_REMOVE;
	records[2].members = two;
	records[2].members_count = 2;
	records[3].value = 1234;
	records[4].value = 0xfeed;
	records[5].what = TRACE_VIEW_POINT;
	records[5].value = 77;
	records[5].generation = 4;
	records[5].members = two;
	records[5].members_count = 2;
	records[6].nodeid = records[7].nodeid = 1;
	records[6].what = records[7].what = 2;
	records[6].count = records[7].count = 640;
	records[8].data = (const uint8_t *)"enough";
	records[8].size = 6;
}

static void every_record_comes_back(void **state)
{
	struct engine_member_id members[4];
	struct buf out = { 0 }, again = { 0 };
	struct trace_record r;

	(void)state;
	records_make();
	for (size_t i = 0; i < 9; i++) {
		trace_encode(&records[i], &out);
	}
	struct cursor in = cursor_make(out.data, out.size);

	for (size_t i = 0; i < 9; i++) {
		assert_int_equal(trace_decode(&in, members, 4, &r), 0);
		assert_int_equal(r.type, records[i].type);
		assert_int_equal(r.seq, 100 + i);
		assert_int_equal(r.time_ms, 5000 + i);
		trace_encode(&r, &again);
		if (i == 1) {
			assert_int_equal(r.op.nodeid, 2);
			assert_int_equal(r.op.incarnation, 0x20001);
			assert_memory_equal(r.op.name, "abc", 3);
		}
	}
	assert_int_equal(trace_decode(&in, members, 4, &r), -ENODATA);
	assert_int_equal(cursor_left(&in), 0);
	assert_int_equal(again.size, out.size);
	assert_memory_equal(again.data, out.data, out.size);
	buf_done(&out);
	buf_done(&again);
}

/* A cut file is no damaged file: its writer was killed. */
static void every_beginning_of_a_record_is_short(void **state)
{
	struct engine_member_id members[4];
	struct trace_record r;

	(void)state;
	records_make();
	for (size_t i = 0; i < 9; i++) {
		struct buf out = { 0 };

		trace_encode(&records[i], &out);
		for (size_t size = 0; size < out.size; size++) {
			struct cursor in = cursor_make(out.data, size);

			assert_int_equal(trace_decode(&in, members, 4, &r), -ENODATA);
			assert_int_equal(in.offset, 0);
		}
		buf_done(&out);
	}
}

static void every_changed_bit_is_found(void **state)
{
	struct engine_member_id members[4];
	struct trace_record r;

	(void)state;
	records_make();
	for (size_t i = 0; i < 9; i++) {
		struct buf out = { 0 };

		trace_encode(&records[i], &out);
		for (size_t bit = 0; bit < 8 * out.size; bit++) {
			out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			struct cursor in = cursor_make(out.data, out.size);

			/* A size that has become larger looks like a cut file. */
			assert_int_not_equal(trace_decode(&in, members, 4, &r), 0);
			out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		buf_done(&out);
	}
}

static void more_members_than_there_is_room_for_are_refused(void **state)
{
	struct engine_member_id members[1];
	struct buf out = { 0 };
	struct trace_record r;

	(void)state;
	records_make();
	trace_encode(&records[2], &out);
	struct cursor in = cursor_make(out.data, out.size);

	assert_int_equal(trace_decode(&in, members, 1, &r), -EBADMSG);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_comes_back),
		cmocka_unit_test(every_beginning_of_a_record_is_short),
		cmocka_unit_test(every_changed_bit_is_found),
		cmocka_unit_test(more_members_than_there_is_room_for_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
