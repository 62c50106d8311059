/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that the bytes of an op are canonical: what is encoded comes back, nothing shorter or
 * different is accepted, one form per op; and that argument errors are found as R-ERR-1 and
 * R-ERR-2 list them.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "plugin/engine/engine.h"

static const uint8_t lvb_bytes[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

#define COMMON .session = 0x01020304, .request = 0x1112131415161718
#define ARGS .attr = ENGINE_ATTR_HAS_BAST, .time_ms = 0x2122232425262728, .xid = 0x31

static const struct engine_op ops[] = {
	{ .type = ENGINE_OP_SESSION_BEGIN,
	  COMMON,
	  .pid = 1234,
	  .uid = 1000,
	  .personality = ENGINE_PERSONALITY_LIBDLM,
	  .comm = "lvmlockd" },
	{ .type = ENGINE_OP_SESSION_BEGIN, COMMON, .comm = "sixteen bytes ok" },
	{ .type = ENGINE_OP_SESSION_END, COMMON },
	{ .type = ENGINE_OP_LOCK, COMMON, ARGS, .lkid = 7, .mode = 5, .name_len = 0 },
	{ .type = ENGINE_OP_LOCK,
	  COMMON,
	  ARGS,
	  .lkid = 0x7fffffff,
	  .mode = 3,
	  .name_len = 3,
	  .name = { 'a', 0, 0xff },
	  .flags = LOCKSTEP_LKF_VALBLK | LOCKSTEP_LKF_TIMEOUT,
	  .timeout_cs = 500,
	  .lvb_len = 16,
	  .lvb = lvb_bytes },
	{ .type = ENGINE_OP_CONVERT,
	  COMMON,
	  ARGS,
	  .lkid = 7,
	  .mode = 1,
	  .flags = LOCKSTEP_LKF_VALBLK | LOCKSTEP_LKF_QUECVT | LOCKSTEP_LKF_CONVERT,
	  .lvb_len = 8,
	  .lvb = lvb_bytes },
	{ .type = ENGINE_OP_UNLOCK, COMMON, .lkid = 7 },
	{ .type = ENGINE_OP_UNLOCK,
	  COMMON,
	  .lkid = 7,
	  .flags = LOCKSTEP_LKF_VALBLK | LOCKSTEP_LKF_FORCEUNLOCK,
	  .lvb_len = 8,
	  .lvb = lvb_bytes },
	{ .type = ENGINE_OP_CANCEL, COMMON, .lkid = 7 },
	{ .type = ENGINE_OP_DEADLOCK_CANCEL, COMMON, .lkid = 7 },
	{ .type = ENGINE_OP_ADOPT,
	  COMMON,
	  ARGS,
	  .mode = 5,
	  .flags = LOCKSTEP_LKF_PERSISTENT | LOCKSTEP_LKF_ORPHAN,
	  .name_len = 2,
	  .name = "vg" },
	{ .type = ENGINE_OP_PURGE, COMMON, .purge_nodeid = 2, .purge_pid = 99 },
	{ .type = ENGINE_OP_TIMEOUT, COMMON, .lkid = 7, .queued_seq = 0x4142434445464748 },
	{ .type = ENGINE_OP_DEADLOCK_SEARCH, COMMON, .lkid = 7, .queued_seq = 1 },
};

#define OPS_COUNT (sizeof(ops) / sizeof(ops[0]))

static void assert_op_equal(const struct engine_op *a, const struct engine_op *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->session, b->session);
	assert_true(a->request == b->request);
	assert_int_equal(a->lkid, b->lkid);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->attr, b->attr);
	assert_int_equal(a->flags, b->flags);
	assert_true(a->time_ms == b->time_ms);
	assert_true(a->xid == b->xid);
	assert_int_equal(a->timeout_cs, b->timeout_cs);
	assert_true(a->queued_seq == b->queued_seq);
	assert_int_equal(a->name_len, b->name_len);
	assert_memory_equal(a->name, b->name, sizeof(a->name));
	assert_int_equal(a->lvb_len, b->lvb_len);
	if (a->lvb_len > 0) {
		assert_memory_equal(a->lvb, b->lvb, a->lvb_len);
	}
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->personality, b->personality);
	assert_memory_equal(a->comm, b->comm, sizeof(a->comm));
	assert_int_equal(a->purge_nodeid, b->purge_nodeid);
	assert_int_equal(a->purge_pid, b->purge_pid);
}

static void what_is_encoded_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPS_COUNT; i++) {
		struct buf bytes = { .data = NULL };
		struct engine_op op;

		engine_op_encode(&ops[i], &bytes);
		struct cursor in = cursor_make(bytes.data, bytes.size);

		assert_int_equal(engine_op_decode(&in, &op), 0);
		assert_true(cursor_end(&in));
		assert_op_equal(&op, &ops[i]);
		assert_int_equal(op.nodeid, 0);
		buf_done(&bytes);
	}
}

static void ops_follow_each_other_without_a_gap(void **state)
{
	struct buf bytes = { .data = NULL };
	struct engine_op op;

	(void)state;
	for (size_t i = 0; i < OPS_COUNT; i++) {
		engine_op_encode(&ops[i], &bytes);
	}
	struct cursor in = cursor_make(bytes.data, bytes.size);

	for (size_t i = 0; i < OPS_COUNT; i++) {
		assert_int_equal(engine_op_decode(&in, &op), 0);
		assert_op_equal(&op, &ops[i]);
	}
	assert_true(cursor_end(&in));
	buf_done(&bytes);
}

static void every_shorter_input_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPS_COUNT; i++) {
		struct buf bytes = { .data = NULL };
		struct engine_op op;

		engine_op_encode(&ops[i], &bytes);
		for (size_t size = 0; size < bytes.size; size++) {
			struct cursor in = cursor_make(bytes.data, size);

			memset(&op, 0x5a, sizeof(op));
			assert_int_equal(engine_op_decode(&in, &op), -EBADMSG);
			assert_false(cursor_ok(&in));
			assert_int_equal(op.lkid, 0x5a5a5a5a); /* written only on success */
		}
		buf_done(&bytes);
	}
}

/* Any byte changed: refused, or another op whose bytes are these. */
static void every_changed_byte_is_refused_or_means_something_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPS_COUNT; i++) {
		struct buf bytes = { .data = NULL };
		struct buf again = { .data = NULL };
		struct engine_op op;

		engine_op_encode(&ops[i], &bytes);
		for (size_t k = 0; k < bytes.size * 255; k++) {
			uint8_t *byte = &bytes.data[k / 255];
			uint8_t saved = *byte;

			*byte = (uint8_t)(*byte + 1 + k % 255);
			struct cursor in = cursor_make(bytes.data, bytes.size);

			if (engine_op_decode(&in, &op) == 0) {
				buf_clear(&again);
				engine_op_encode(&op, &again);
				assert_int_equal(again.size, in.offset);
				assert_memory_equal(again.data, bytes.data, again.size);
			}
			*byte = saved;
		}
		buf_done(&bytes);
		buf_done(&again);
	}
}

/* The format is fixed: bytes written by an older version must mean the same for ever. */
static void format_of_a_lock_op(void **state)
{
	static const uint8_t wire[] = {
		3,						/* type */
		0x04, 0x03, 0x02, 0x01,				/* session */
		0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, /* request */
		0xff, 0xff, 0xff, 0x7f,				/* lkid */
		3, 1,						/* mode, attr */
		0x08, 0x00, 0x04, 0x00,				/* flags */
		0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, /* time_ms */
		0x31, 0, 0, 0, 0, 0, 0, 0,			/* xid */
		0xf4, 0x01, 0, 0,				/* timeout */
		3, 'a', 0, 0xff,				/* name */
		16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
	};
	struct buf bytes = { .data = NULL };

	(void)state;
	engine_op_encode(&ops[4], &bytes);
	assert_int_equal(bytes.size, sizeof(wire));
	assert_memory_equal(bytes.data, wire, sizeof(wire));
	buf_done(&bytes);
}

/* Section 11: other bits are ignored on lock and convert; they do not travel. A timeout without
 * TIMEOUT (R-TMO-5) and LVB bytes without VALBLK do not either. */
static void what_means_nothing_is_not_encoded(void **state)
{
	struct engine_op op = { .type = ENGINE_OP_LOCK,
				.lkid = 1,
				.flags = 0x80000000u | LOCKSTEP_LKF_HEADQUE,
				.timeout_cs = 9,
				.lvb_len = 8,
				.lvb = lvb_bytes };
	struct buf bytes = { .data = NULL };
	struct engine_op back;

	(void)state;
	engine_op_encode(&op, &bytes);
	struct cursor in = cursor_make(bytes.data, bytes.size);

	assert_int_equal(engine_op_decode(&in, &back), 0);
	assert_int_equal(back.flags, LOCKSTEP_LKF_HEADQUE);
	assert_int_equal(back.timeout_cs, 0);
	assert_int_equal(back.lvb_len, 0);
	buf_done(&bytes);
}

/* Ops of the view machine are never taken from a message. */
static void view_ops_and_unknown_types_are_refused(void **state)
{
	(void)state;
	for (unsigned int type = 0; type < 256; type++) {
		uint8_t bytes[256] = { (uint8_t)type };
		struct cursor in = cursor_make(bytes, sizeof(bytes));
		struct engine_op op;
		bool known = type >= ENGINE_OP_SESSION_BEGIN && type <= ENGINE_OP_DEADLOCK_SEARCH;

		assert_int_equal(engine_op_decode(&in, &op), known ? 0 : -EBADMSG);
	}
}

static void every_type_has_a_name_of_its_own(void **state)
{
	static const enum engine_op_type more[] = { ENGINE_OP_VIEW_POINT, ENGINE_OP_NODES_REMOVE };
	const char *seen[OPS_COUNT + 2];
	size_t count = 0;

	(void)state;
	for (enum engine_op_type type = ENGINE_OP_SESSION_BEGIN; type <= ENGINE_OP_DEADLOCK_SEARCH;
	     type++) {
		seen[count++] = engine_op_type_name(type);
	}
	seen[count++] = engine_op_type_name(more[0]);
	seen[count++] = engine_op_type_name(more[1]);
	for (size_t i = 0; i < count; i++) {
		assert_string_not_equal(seen[i], "unknown");
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(seen[i], seen[k]);
		}
	}
	assert_string_equal(engine_op_type_name((enum engine_op_type)63), "unknown");
}

/* --- engine_op_check --- */

static const struct engine_config config = { .lvb_len = 16 };

static int check(enum engine_op_type type, uint8_t mode, uint32_t flags, uint16_t lvb_len)
{
	struct engine_op op = { .type = type,
				.lkid = 1,
				.mode = mode,
				.flags = flags,
				.lvb_len = lvb_len,
				.lvb = lvb_len ? lvb_bytes : NULL };

	return engine_op_check(&config, &op);
}

/* R-ERR-1 */
static void argument_errors_of_requests(void **state)
{
	static const struct {
		enum engine_op_type type;
		uint8_t mode;
		uint32_t flags;
		uint16_t lvb_len;
		int error;
	} rows[] = {
		{ ENGINE_OP_LOCK, 0, 0, 0, 0 },
		{ ENGINE_OP_LOCK, 5, 0, 0, 0 },
		{ ENGINE_OP_LOCK, 6, 0, 0, EINVAL },
		{ ENGINE_OP_CONVERT, 255, 0, 0, EINVAL },
		{ ENGINE_OP_LOCK, 0, LOCKSTEP_LKF_CANCEL, 0, EINVAL },
		{ ENGINE_OP_CONVERT, 0, LOCKSTEP_LKF_CANCEL, 0, EINVAL },
		{ ENGINE_OP_LOCK, 3, LOCKSTEP_LKF_QUECVT, 0, EINVAL },
		{ ENGINE_OP_CONVERT, 3, LOCKSTEP_LKF_QUECVT, 0, 0 },
		{ ENGINE_OP_LOCK, 3, LOCKSTEP_LKF_CONVDEADLK, 0, EINVAL },
		{ ENGINE_OP_CONVERT, 3, LOCKSTEP_LKF_CONVDEADLK, 0, 0 },
		{ ENGINE_OP_CONVERT, 3, LOCKSTEP_LKF_CONVDEADLK | LOCKSTEP_LKF_NOQUEUE, 0, EINVAL },
		{ ENGINE_OP_LOCK, 0, LOCKSTEP_LKF_EXPEDITE, 0, 0 },
		{ ENGINE_OP_LOCK, 1, LOCKSTEP_LKF_EXPEDITE, 0, EINVAL },
		{ ENGINE_OP_LOCK, 0, LOCKSTEP_LKF_EXPEDITE | LOCKSTEP_LKF_NOQUEUE, 0, EINVAL },
		{ ENGINE_OP_CONVERT, 0, LOCKSTEP_LKF_EXPEDITE, 0, EINVAL },
		{ ENGINE_OP_LOCK, 3, LOCKSTEP_LKF_VALBLK, 0, EINVAL },
		{ ENGINE_OP_LOCK, 3, LOCKSTEP_LKF_VALBLK, 8, EINVAL },
		{ ENGINE_OP_LOCK, 3, LOCKSTEP_LKF_VALBLK, 16, 0 },
		{ ENGINE_OP_LOCK, 3, LOCKSTEP_LKF_FORCEUNLOCK | LOCKSTEP_LKF_IVVALBLK, 0, 0 },
		{ ENGINE_OP_LOCK, 3, 0x80000000u, 0, 0 },
		{ ENGINE_OP_ADOPT, 6, 0, 0, EINVAL },
		{ ENGINE_OP_ADOPT, 5, LOCKSTEP_LKF_ORPHAN, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(check(rows[i].type, rows[i].mode, rows[i].flags, rows[i].lvb_len),
				 rows[i].error);
	}
	struct engine_op op = { .type = ENGINE_OP_LOCK, .name_len = LOCKSTEP_NAME_MAX };

	assert_int_equal(engine_op_check(&config, &op), 0);
	op.name_len++;
	assert_int_equal(engine_op_check(&config, &op), EINVAL);
}

/* R-ERR-2: each flag alone, and the pairs that matter. */
static void argument_errors_of_unlock_and_cancel(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 32; bit++) {
		uint32_t flag = 1u << bit;
		bool fits_unlock = flag == LOCKSTEP_LKF_VALBLK || flag == LOCKSTEP_LKF_IVVALBLK ||
				   flag == LOCKSTEP_LKF_FORCEUNLOCK;
		bool fits_cancel = flag == LOCKSTEP_LKF_VALBLK || flag == LOCKSTEP_LKF_IVVALBLK ||
				   flag == LOCKSTEP_LKF_CANCEL;

		assert_int_equal(check(ENGINE_OP_UNLOCK, 0, flag, 16), fits_unlock ? 0 : EINVAL);
		/* R-CAN-4: no buffer is needed. */
		assert_int_equal(check(ENGINE_OP_CANCEL, 0, flag, 0), fits_cancel ? 0 : EINVAL);
	}
	assert_int_equal(check(ENGINE_OP_UNLOCK, 0, LOCKSTEP_LKF_VALBLK, 0), EINVAL); /* D-13 */
	assert_int_equal(check(ENGINE_OP_CANCEL, 0,
			       LOCKSTEP_LKF_CANCEL | LOCKSTEP_LKF_FORCEUNLOCK, 0),
			 EINVAL); /* R-CAN-5 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_comes_back),
		cmocka_unit_test(ops_follow_each_other_without_a_gap),
		cmocka_unit_test(every_shorter_input_is_refused),
		cmocka_unit_test(every_changed_byte_is_refused_or_means_something_else),
		cmocka_unit_test(format_of_a_lock_op),
		cmocka_unit_test(what_means_nothing_is_not_encoded),
		cmocka_unit_test(view_ops_and_unknown_types_are_refused),
		cmocka_unit_test(every_type_has_a_name_of_its_own),
		cmocka_unit_test(argument_errors_of_requests),
		cmocka_unit_test(argument_errors_of_unlock_and_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
