/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decoder of trace files: what it accepts has exactly these bytes; it never reads past the end. */
#include "config.h"

#include <string.h>

#include "lib/base/buf.h"
#include "plugin/node/trace.h"
#include "tests/fuzz/fuzz.h"

enum { MEMBERS_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
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
	return 0;
}
