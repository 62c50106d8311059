/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep-replay on traces whose checks are right and whose content is not: an op that was changed shows
 * at the next digest, with its seq; files of two nodes that differ are told apart.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "plugin/engine/engine.h"
#include "plugin/node/trace.h"
#include "tests/unit/engine_flip.h"
#include "tools/lockstep_replay.h"

enum { OPS = 40, MARK_EVERY = 8, SEQ_BASE = 1000 };

struct writer {
	struct engine *engine;
	struct buf out;
};

static void put(struct writer *w, struct trace_record *r)
{
	r->seq = engine_seq(w->engine);
	trace_encode(r, &w->out);
}

static void put_mark(struct writer *w)
{
	struct trace_record r = { .type = TRACE_MARK, .value = engine_digest(w->engine) };

	put(w, &r);
}

static struct engine_op op_make(uint64_t number)
{
	struct engine_op op = { .type = ENGINE_OP_SESSION_BEGIN,
				.nodeid = 1,
				.incarnation = 0x10001,
				.session = 1,
				.request = number,
				.pid = 77 };

	if (number > 1) {
		op.type = ENGINE_OP_LOCK;
		op.pid = 0;
		op.lkid = (uint32_t)number;
		op.mode = LOCKSTEP_LOCK_PR;
		op.name_len = 7;
		memcpy(op.name, "account", 7);
	}
	return op;
}

/*
 * OPS ops with a digest after every MARK_EVERY. Op @changed (none: 0) is written down in another mode than
 * the one that the writer applied, or, with @applied, applied in that mode, too.
 */
static struct buf trace_make(uint64_t changed, bool applied)
{
	struct engine_config config = { .lvb_len = 32, .seq_base = SEQ_BASE };
	struct writer w = { .engine = engine_new(&config) };
	struct engine_effects effects = { .count = 0 };
	struct buf image = { .data = NULL };

	engine_snapshot_encode(w.engine, &image);
	struct trace_record begin = { .type = TRACE_BEGIN,
				      .nodeid = 1,
				      .incarnation = 0x10001,
				      .space = (const uint8_t *)"default",
				      .space_size = 7,
				      .data = image.data,
				      .size = image.size };

	put(&w, &begin);
	put_mark(&w);
	for (uint64_t i = 1; i <= OPS; i++) {
		struct engine_op was = op_make(i);
		struct engine_op told = was;

		if (i == changed) {
			told.mode = LOCKSTEP_LOCK_CR;
		}
		engine_effects_clear(&effects);
		engine_apply(w.engine, applied ? &told : &was, &effects);
		struct trace_record r = { .type = TRACE_OP,
					  .nodeid = told.nodeid,
					  .incarnation = told.incarnation,
					  .op = told };

		put(&w, &r);
		if (i % MARK_EVERY == 0) {
			put_mark(&w);
		}
	}
	buf_done(&image);
	engine_effects_done(&effects);
	(void)engine_free(w.engine);
	return w.out;
}

/* What is printed goes to *ret_text, to be freed. */
static int replay(const char *path, const struct buf *trace, struct replay_marks *marks, char **ret_text)
{
	struct replay_options options = { .json = false };
	FILE *out = stdout;
	size_t size;
	FILE *memory = open_memstream(ret_text, &size);

	assert_non_null(memory);
	stdout = memory;
	int status = replay_file(path, trace->data, trace->size, &options, marks, NULL);

	stdout = out;
	assert_int_equal(fclose(memory), 0);
	return status;
}

static void replay_says(const struct buf *trace, int want_status, const char *want_text)
{
	struct replay_marks marks = { .list = NULL };
	char *text = NULL;

	assert_int_equal(replay("file", trace, &marks, &text), want_status);
	if (!strstr(text, want_text)) {
		fail_msg("not said: %s\n%s", want_text, text);
	}
	free(text);
	replay_marks_done(&marks);
}

static void what_was_applied_is_repeated(void **state)
{
	struct buf trace = trace_make(0, false);

	(void)state;
	replay_says(&trace, 0, "file: 40 ops, 6 digests agree");
	buf_done(&trace);
}

static void an_op_that_was_changed_differs_at_the_next_digest(void **state)
{
	(void)state;
	for (uint64_t changed = 2; changed <= OPS; changed++) {
		uint64_t last = (changed - 1) / MARK_EVERY * MARK_EVERY;
		struct buf trace = trace_make(changed, false);
		char start[64];
		char end[64];

		(void)snprintf(start, sizeof(start), "seq %d: the first difference: the digest is ",
			       SEQ_BASE + (int)last + MARK_EVERY);
		(void)snprintf(end, sizeof(end), "it agreed last at seq %d\n", SEQ_BASE + (int)last);
		replay_says(&trace, 1, start);
		replay_says(&trace, 1, end);
		buf_done(&trace);
	}
}

/* Each is right in itself: only together they tell that the replicas were not equal. */
static void two_nodes_that_applied_different_ops_are_told(void **state)
{
	struct buf one = trace_make(0, false);
	struct buf other = trace_make(20, true);
	struct replay_marks marks = { .list = NULL };
	char *text = NULL;

	(void)state;
	replay_says(&one, 0, "6 digests agree");
	replay_says(&other, 0, "6 digests agree");
	assert_int_equal(replay("one", &one, &marks, &text), 0);
	free(text);
	assert_int_equal(replay("other", &other, &marks, &text), 1);
	assert_non_null(strstr(text, "seq 1024: the digest is not that of one\n"));
	free(text);
	replay_marks_done(&marks);
	buf_done(&one);
	buf_done(&other);
}

/* --- comparing states --- */

static struct engine *state_of(const struct buf *trace)
{
	struct replay_options options = { .json = false };
	struct replay_marks marks = { .list = NULL };
	FILE *out = stdout;
	struct engine *e = NULL;
	char *text = NULL;
	size_t size;
	FILE *memory = open_memstream(&text, &size);

	assert_non_null(memory);
	stdout = memory;
	int status = replay_file("file", trace->data, trace->size, &options, &marks, &e);

	stdout = out;
	assert_int_equal(fclose(memory), 0);
	assert_int_equal(status, 0);
	free(text);
	replay_marks_done(&marks);
	return e;
}

static void comparison_says(const struct engine *a, const struct engine *b, bool same, const char *want)
{
	FILE *out = stdout;
	char *text = NULL;
	size_t size;
	FILE *memory = open_memstream(&text, &size);

	assert_non_null(memory);
	stdout = memory;
	bool equal = replay_compare(a, b);

	stdout = out;
	assert_int_equal(fclose(memory), 0);
	assert_int_equal(equal, same);
	if (!strstr(text, want)) {
		fail_msg("not said: %s\n%s", want, text);
	}
	free(text);
}

static struct engine_op lock_op(uint64_t request, uint8_t mode, const char *name)
{
	struct engine_op op = op_make(request);

	op.mode = mode;
	op.name_len = (uint8_t)strlen(name);
	memcpy(op.name, name, op.name_len);
	return op;
}

static void apply(struct engine *e, const struct engine_op *op)
{
	struct engine_effects effects = { .count = 0 };

	engine_apply(e, op, &effects);
	engine_effects_done(&effects);
}

/* R-DIG-2: the first resource and the first lock that is not the same, whatever it is. */
static void the_first_difference_is_named(void **state)
{
	struct buf one = trace_make(0, false);
	struct buf other = trace_make(20, true);
	struct engine *a = state_of(&one), *b = state_of(&other), *c = state_of(&one), *d = state_of(&one);
	struct engine_op op = lock_op(OPS + 1, LOCKSTEP_LOCK_PR, "a name");

	(void)state;
	comparison_says(a, c, true, "the states are equal");
	comparison_says(a, b, false,
			"first difference: resource \"account\", lock 1:0x00000014: granted mode is 3 in the first and "
			"1 in the second\n");
	apply(c, &op);
	comparison_says(a, c, false, "first difference: resource \"a\\x20name\": it is in the second only\n");
	comparison_says(c, a, false, "resource \"a\\x20name\": it is in the first only\n");
	op = lock_op(OPS + 1, LOCKSTEP_LOCK_PR, "account");
	apply(d, &op);
	comparison_says(a, d, false, "resource \"account\", lock 1:0x00000029: it is in the second only\n");
	comparison_says(d, a, false, "lock 1:0x00000029: it is in the first only\n");
	(void)engine_free(a);
	(void)engine_free(b);
	(void)engine_free(c);
	(void)engine_free(d);
	buf_done(&one);
	buf_done(&other);
}

static void differences_of_value_and_session_are_named(void **state)
{
	struct buf one = trace_make(0, false);
	struct engine *a = state_of(&one), *b = state_of(&one), *c = state_of(&one);
	struct engine_op op = { .type = ENGINE_OP_SESSION_BEGIN, .nodeid = 2, .incarnation = 0x20001,
				.session = 1, .request = 1, .pid = 5 };

	(void)state;
	engine_flip(b);
	comparison_says(a, b, false, "resource \"account\": ");
	apply(c, &op);
	engine_seq_raise(a, engine_seq(c));
	comparison_says(c, a, false, "first difference: ");
	(void)engine_free(a);
	(void)engine_free(b);
	(void)engine_free(c);
	buf_done(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_applied_is_repeated),
		cmocka_unit_test(an_op_that_was_changed_differs_at_the_next_digest),
		cmocka_unit_test(two_nodes_that_applied_different_ops_are_told),
		cmocka_unit_test(the_first_difference_is_named),
		cmocka_unit_test(differences_of_value_and_session_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
