/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that a snapshot is the state and nothing else: the same state has the same bytes however
 * it came about, a damaged one is refused or is the snapshot of another state, and the digest
 * tells states apart (R-DIG-1). Restoring is also tested by every step of the other tests.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "tests/unit/engine_script.h"
#include "tests/unit/engine_script_fixture.h"

/* Some of everything: members, lost ones, orphans, LVB, queues, a kept LVB. */
static void populate(struct script *s)
{
	step(s, "A on 1 pid=10", "");
	step(s, "X on 2 libdlm", "");
	step(s, "A lock EX VALBLK res=lvb", "A cast(0 EX lvb=zero)");
	step(s, "A conv CR VALBLK lvb=x", "A cast(0 CR)");
	step(s, "X lock PW VALBLK res=lvb", "X cast(0 PW lvb=x)");
	step(s, "X conv EX ALTPR VALBLK lvb=y", "X cast(0 PR ALTMODE)");
	step(s, "B lock PR PERSISTENT res=q", "B cast(0 PR)");
	step(s, "C lock PR res=q", "C cast(0 PR)");
	step(s, "C conv EX NODLCKWT", "B bast(EX)");
	step(s, "D lock PR TIMEOUT timeout=50 xid=9 res=q", "");
	step(s, "E lock CW HEADQUE res=q", "");
	step(s, "B end", "");
	step(s, "node 2 lost", "");
}

static void snapshot(const struct engine *e, struct buf *bytes)
{
	buf_clear(bytes);
	engine_snapshot_encode(e, bytes);
}

/* Tables and lists of the two engines are in different orders; the bytes are not. */
static void bytes_do_not_depend_on_history(void **state)
{
	struct script *s = *state;
	struct script *other = script_new();
	struct buf a = { .data = NULL };
	struct buf b = { .data = NULL };

	step(s, "A on 1", "");
	step(s, "B on 2", "");
	step(s, "C on 1", "");
	step(s, "C end", "");
	step(other, "B on 2", "");
	step(other, "C on 2", "");
	step(other, "C end", "");
	step(other, "A on 1", "");
	step(s, "A lock PR", "A cast(0 PR)");
	step(other, "A lock PR", "A cast(0 PR)");
	snapshot(script_engine(s), &a);
	snapshot(script_engine(other), &b);
	assert_int_equal(a.size, b.size);
	assert_memory_equal(a.data, b.data, a.size);
	script_free(other);
	buf_done(&a);
	buf_done(&b);
}

static void restored_engine_is_the_same(void **state)
{
	struct script *s = *state;
	struct buf a = { .data = NULL };
	struct buf b = { .data = NULL };
	struct engine *restored;

	populate(s);
	snapshot(script_engine(s), &a);
	struct cursor in = cursor_make(a.data, a.size);

	assert_int_equal(engine_snapshot_decode(&in, &restored), 0);
	snapshot(restored, &b);
	assert_int_equal(a.size, b.size);
	assert_memory_equal(a.data, b.data, a.size);
	assert_true(engine_digest(restored) == engine_digest(script_engine(s)));
	assert_true(engine_seq(restored) == engine_seq(script_engine(s)));
	assert_int_equal(engine_config_get(restored)->lvb_len, 8);
	assert_true(engine_config_get(restored)->seq_base == 1000);
	(void)engine_free(restored);
	buf_done(&a);
	buf_done(&b);
}

/* R-TOK-2, R-VIEW-2: seq is raised, never lowered. */
static void seq_is_raised_never_lowered(void **state)
{
	struct engine *e = script_engine(*state);

	assert_true(engine_seq(e) == 1000);
	engine_seq_raise(e, 999);
	assert_true(engine_seq(e) == 1000);
	engine_seq_raise(e, 5000);
	assert_true(engine_seq(e) == 5000);
	assert_null(engine_check(e));
}

static void every_shorter_snapshot_is_refused(void **state)
{
	struct script *s = *state;
	struct buf bytes = { .data = NULL };

	populate(s);
	snapshot(script_engine(s), &bytes);
	for (size_t size = 0; size < bytes.size; size++) {
		struct cursor in = cursor_make(bytes.data, size);
		struct engine *e = NULL;

		assert_int_equal(engine_snapshot_decode(&in, &e), -EBADMSG);
		assert_null(e);
		assert_false(cursor_ok(&in));
	}
	buf_done(&bytes);
}

static void every_changed_byte_is_refused_or_is_another_state(void **state)
{
	static const uint8_t changes[] = { 1, 2, 4, 8, 16, 32, 64, 128, 255 };
	struct script *s = *state;
	struct buf bytes = { .data = NULL };
	struct buf again = { .data = NULL };
	size_t refused = 0;
	size_t accepted = 0;

	populate(s);
	snapshot(script_engine(s), &bytes);
	for (size_t i = 0; i < bytes.size; i++) {
		for (size_t k = 0; k < sizeof(changes); k++) {
			bytes.data[i] ^= changes[k];
			struct cursor in = cursor_make(bytes.data, bytes.size);
			struct engine *e = NULL;

			if (engine_snapshot_decode(&in, &e) != 0) {
				assert_null(e);
				refused++;
			} else {
				accepted++;
				assert_null(engine_check(e));
				assert_true(engine_digest(e) != engine_digest(script_engine(s)));
				snapshot(e, &again);
				assert_int_equal(again.size, in.offset);
				assert_memory_equal(again.data, bytes.data, again.size);
				(void)engine_free(e);
			}
			bytes.data[i] ^= changes[k];
		}
	}
	assert_true(refused > 0);
	assert_true(accepted > 0);
	buf_done(&bytes);
	buf_done(&again);
}

/* A stream may go on behind it. */
static void snapshot_ends_where_it_ends(void **state)
{
	struct script *s = *state;
	struct buf bytes = { .data = NULL };
	struct engine *e;

	populate(s);
	snapshot(script_engine(s), &bytes);
	size_t size = bytes.size;

	buf_put_u32(&bytes, 0xffffffff);
	struct cursor in = cursor_make(bytes.data, bytes.size);

	assert_int_equal(engine_snapshot_decode(&in, &e), 0);
	assert_int_equal(in.offset, size);
	(void)engine_free(e);
	buf_done(&bytes);
}

/* More than one piece has room for. */
static void populate_much(struct script *s)
{
	char line[64];
	char effect[64];

	populate(s);
	for (char session = 'F'; session <= 'W'; session++) {
		for (int i = 1; i <= 9; i++) {
			(void)snprintf(line, sizeof(line), "%c%d lock PR res=much%c%d", session, i,
				       session, i % 5);
			(void)snprintf(effect, sizeof(effect), "%c%d cast(0 PR)", session, i);
			step(s, line, effect);
		}
	}
}

/* @bytes, @piece at a time. NULL: refused. */
static struct engine *read_in_pieces(const struct buf *bytes, size_t piece, size_t *ret_fed)
{
	struct engine_reader *r = engine_reader_new();
	struct engine *e = NULL;
	uint64_t done;
	uint64_t total = 0;
	uint64_t before = 0;
	size_t at = 0;

	while (at < bytes->size) {
		size_t size = bytes->size - at < piece ? bytes->size - at : piece;

		if (engine_reader_feed(r, bytes->data + at, size) != 0) {
			break;
		}
		at += size;
		engine_reader_progress(r, &done, &total);
		assert_true(done >= before && done <= total);
		before = done;
	}
	*ret_fed = at;
	if (at < bytes->size || engine_reader_end(r, &e) != 0) {
		assert_null(e);
		assert_int_equal(engine_reader_feed(r, "", 0), -EBADMSG);
	}
	(void)engine_reader_free(r);
	return e;
}

/* R-CPG-4: the same state whatever the pieces. */
static void pieces_of_any_size_make_the_whole(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 79, 1000, 4096, 1000000 };
	struct script *s = *state;
	struct buf bytes = { .data = NULL };
	struct buf again = { .data = NULL };
	size_t fed;

	populate_much(s);
	snapshot(script_engine(s), &bytes);
	assert_true(bytes.size > 10000);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct engine *e = read_in_pieces(&bytes, pieces[i], &fed);

		assert_non_null(e);
		assert_null(engine_check(e));
		assert_true(engine_digest(e) == engine_digest(script_engine(s)));
		snapshot(e, &again);
		assert_int_equal(again.size, bytes.size);
		assert_memory_equal(again.data, bytes.data, bytes.size);
		(void)engine_free(e);
	}
	buf_done(&bytes);
	buf_done(&again);
}

/* What is wrong is refused where it is met, not when everything has been read. */
static void a_damaged_piece_is_refused_at_once(void **state)
{
	struct script *s = *state;
	struct buf bytes = { .data = NULL };
	size_t fed;

	populate_much(s);
	snapshot(script_engine(s), &bytes);
	/* The last name has a larger one before it now. */
	for (size_t at = bytes.size / 2; at + 4 < bytes.size; at++) {
		if (memcmp(bytes.data + at, "much", 4) == 0) {
			bytes.data[at] = 'z';
			break;
		}
	}
	assert_null(read_in_pieces(&bytes, 100, &fed));
	assert_true(fed < bytes.size * 3 / 4);
	bytes.size -= 1;
	assert_null(read_in_pieces(&bytes, bytes.size, &fed));
	buf_done(&bytes);
}

static void pieces_that_go_on_behind_the_end_are_refused(void **state)
{
	struct script *s = *state;
	struct buf bytes = { .data = NULL };
	size_t fed;

	populate_much(s);
	snapshot(script_engine(s), &bytes);
	bytes.size -= 1;
	assert_null(read_in_pieces(&bytes, 500, &fed));
	assert_int_equal(fed, bytes.size);
	bytes.size += 1;
	buf_put_zero(&bytes, 5000);
	assert_null(read_in_pieces(&bytes, 500, &fed));
	assert_true(fed < bytes.size - 2000);
	buf_done(&bytes);
}

/* A large state goes away bit by bit, whole or half read. */
static void engines_are_freed_bit_by_bit(void **state)
{
	struct script *s = *state;
	struct buf bytes = { .data = NULL };
	struct engine *e;
	struct engine_reader *r = engine_reader_new();
	unsigned int steps = 0;

	populate_much(s);
	snapshot(script_engine(s), &bytes);
	struct cursor in = cursor_make(bytes.data, bytes.size);

	assert_int_equal(engine_snapshot_decode(&in, &e), 0);
	for (; e; steps++) {
		e = engine_free_some(e, 10);
	}
	assert_true(steps > 20);
	assert_int_equal(engine_reader_feed(r, bytes.data, bytes.size / 2), 0);
	for (e = engine_reader_abandon(r); e; steps++) {
		e = engine_free_some(e, 10);
	}
	assert_null(engine_reader_abandon(NULL));
	buf_done(&bytes);
}

/* R-DIG-1: back in an old state (but for seq), the sum of the records is back too. */
static void digest_depends_on_content_only(void **state)
{
	struct script *s = *state;
	struct script *other = script_new();

	step(s, "A lock PR", "A cast(0 PR)");
	step(s, "B on 1", "");
	step(s, "C on 1", "");
	step(other, "A lock PR", "A cast(0 PR)");
	step(other, "C on 1", "");
	step(other, "B on 1", "");
	assert_true(engine_digest(script_engine(s)) == engine_digest(script_engine(other)));
	assert_true(engine_digest(script_engine(s)) == engine_digest_slow(script_engine(other)));
	script_free(other);
}

/* The hash of a lock is bound to its resource: two locks that swap names are another state. */
static void digest_knows_which_lock_is_on_which_resource(void **state)
{
	struct script *s = *state;
	struct script *other = script_new();

	step(s, "A lock PR res=a", "A cast(0 PR)");
	step(s, "B lock PR res=b", "B cast(0 PR)");
	step(other, "A lock PR res=b", "A cast(0 PR)");
	step(other, "B lock PR res=a", "B cast(0 PR)");
	assert_true(engine_digest(script_engine(s)) != engine_digest(script_engine(other)));
	script_free(other);
}

static bool count_names(const struct engine_resource_info *info, void *arg)
{
	struct buf *names = arg;

	buf_put_bytes(names, info->name, info->name_len);
	buf_put_u8(names, ',');
	return names->size < 9;
}

/* Unsigned bytes, a prefix first; and a visitor may stop. */
static void resources_are_visited_in_order_of_name(void **state)
{
	struct script *s = *state;
	struct buf names = { .data = NULL };

	step(s, "A lock NL res=b", "A cast(0 NL)");
	step(s, "A lock NL res=\xff", "A cast(0 NL)");
	step(s, "A lock NL res=ab", "A cast(0 NL)");
	step(s, "A lock NL res=a", "A cast(0 NL)");
	step(s, "A lock NL res=", "A cast(0 NL)");
	step(s, "A lock NL res=\xff\xff", "A cast(0 NL)");
	engine_resources_visit(script_engine(s), count_names, &names);
	assert_int_equal(names.size, 10);
	assert_memory_equal(names.data, ",a,ab,b,\xff,", 10);
	buf_done(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		script_test(bytes_do_not_depend_on_history),
		script_test(restored_engine_is_the_same),
		script_test(seq_is_raised_never_lowered),
		script_test(every_shorter_snapshot_is_refused),
		script_test(every_changed_byte_is_refused_or_is_another_state),
		script_test(snapshot_ends_where_it_ends),
		script_test(pieces_of_any_size_make_the_whole),
		script_test(a_damaged_piece_is_refused_at_once),
		script_test(pieces_that_go_on_behind_the_end_are_refused),
		script_test(engines_are_freed_bit_by_bit),
		script_test(digest_depends_on_content_only),
		script_test(digest_knows_which_lock_is_on_which_resource),
		script_test(resources_are_visited_in_order_of_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
