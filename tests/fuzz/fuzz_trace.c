/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trace files. What the decoder accepts has exactly these bytes, and it never reads past the end; whatever
 * the file says, lockstep-replay comes to an end of its own.
 *
 * A fuzzer does not guess a check, so each input is also tried with the checks of its records made right.
 */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/digest.h"
#include "plugin/node/trace.h"
#include "tests/fuzz/fuzz.h"
#include "tools/lockstep_replay.h"

enum {
	MEMBERS_MAX = 16,
	COUNTS_OFFSET = 31, /* snapshot_format.h */
};

static void checks_set(uint8_t *data, size_t size)
{
	size_t at = 0;

	while (size - at >= TRACE_HEAD_SIZE) {
		struct cursor in = cursor_make(data + at, size - at);
		struct buf check = { .data = NULL };
		size_t body = cursor_get_u32(&in);

		at += TRACE_HEAD_SIZE;
		if (body > size - at) {
			return;
		}
		buf_put_u32(&check, (uint32_t)base_digest64(data + at, body, TRACE_SEED));
		memcpy(data + at - check.size, check.data, check.size);
		buf_done(&check);
		at += body;
	}
}

static void decode(const uint8_t *data, size_t size)
{
	struct engine_member_id members[MEMBERS_MAX];
	struct cursor in = cursor_make(data, size);
	struct buf again = { .data = NULL };
	struct trace_record r;
	size_t offset = 0;

	while (trace_decode(&in, members, MEMBERS_MAX, &r) == 0) {
		buf_clear(&again);
		trace_encode(&r, &again);
		fuzz_expect(again.size == in.offset - offset);
		fuzz_expect(memcmp(again.data, data + offset, again.size) == 0);
		offset = in.offset;
	}
	buf_done(&again);
}

/* A snapshot that promises more than there are bytes is refused in the end, but large tables are made
 * for it first: fuzz_engine_snapshot has the time for that. */
static bool worth_it(const uint8_t *data, size_t size)
{
	struct engine_member_id members[MEMBERS_MAX];
	struct cursor in = cursor_make(data, size);
	struct trace_record r;

	if (trace_decode(&in, members, MEMBERS_MAX, &r) != 0 || r.type != TRACE_BEGIN) {
		return true;
	}
	struct cursor snapshot = cursor_make(r.data, r.size);

	(void)cursor_get_bytes(&snapshot, COUNTS_OFFSET);
	for (int i = 0; i < 4; i++) {
		if (cursor_get_u64(&snapshot) > r.size) {
			return false;
		}
	}
	return true;
}

/* All that the tool says, to nobody. */
static void replay(const uint8_t *data, size_t size)
{
	static const struct replay_options asked[] = {
		{ .by_name = true, .name_len = 7, .name = "account" },
		{ .by_lock = true, .nodeid = 1, .lkid = 1, .json = true },
	};
	static FILE *nobody;
	FILE *out = stdout;
	FILE *err = stderr;
	struct replay_marks marks = { 0 };

	if (!nobody) {
		nobody = fopen("/dev/null", "we");
		fuzz_expect(nobody);
	}
	stdout = nobody;
	stderr = nobody;
	int status = replay_file("fuzz", data, size, &asked[size % 2], &marks, NULL);

	stdout = out;
	stderr = err;
	fuzz_expect(status == 0 || status == 1 || status == 3);
	replay_marks_done(&marks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *fixed = malloc(size ? size : 1);

	fuzz_expect(fixed);
	memcpy(fixed, data, size);
	decode(data, size);
	checks_set(fixed, size);
	decode(fixed, size);
	if (worth_it(fixed, size)) {
		replay(fixed, size);
	}
	free(fixed);
	return 0;
}
