/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The op decoder: whatever it accepts has exactly these bytes, and an engine can apply it without
 * breaking an invariant. The input is a row of (node, op); node 0xf. is a view op.
 */
#include "config.h"

#include <string.h>

#include "lib/base/buf.h"
#include "plugin/engine/engine.h"
#include "tests/fuzz/fuzz.h"

/* What a decoded op becomes when the node logic has filled it in. Of 16 submitters. */
static void apply(struct engine *e, struct engine_op *op, uint8_t node,
		  struct engine_effects *effects)
{
	op->nodeid = node & 3;
	op->incarnation = node >> 2 & 3;
	engine_effects_clear(effects);
	engine_apply(e, op, effects);
	for (size_t i = 0; i < effects->count; i++) {
		fuzz_expect(effects->items[i].seq == engine_seq(e));
	}
}

static void apply_view(struct engine *e, uint8_t node, struct engine_effects *effects)
{
	struct engine_member_id member = { .nodeid = node & 3, .incarnation = node >> 2 & 3 };
	struct engine_op op;

	memset(&op, 0, sizeof(op));
	op.type = node & 0x10 ? ENGINE_OP_VIEW_POINT : ENGINE_OP_NODES_REMOVE;
	op.members = &member;
	op.members_count = 1;
	apply(e, &op, 0, effects);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engine_config config = { .lvb_len = 8,
					.deadlock_wait_ms = 10000,
					.xid_scope = size & 1 };
	struct engine *e = engine_new(&config);
	struct engine_effects effects = { .items = NULL };
	struct buf again = { .data = NULL };
	struct cursor in = cursor_make(data, size);

	while (cursor_left(&in) > 0) {
		uint8_t node = cursor_get_u8(&in);
		size_t offset = in.offset;
		struct engine_op op;

		if (node >= 0xe0) {
			apply_view(e, node, &effects);
			continue;
		}
		if (engine_op_decode(&in, &op) != 0) {
			break;
		}
		buf_clear(&again);
		engine_op_encode(&op, &again);
		fuzz_expect(again.size == in.offset - offset);
		fuzz_expect(memcmp(again.data, data + offset, again.size) == 0);
		apply(e, &op, node, &effects);
	}
	fuzz_expect(engine_check(e) == NULL);
	buf_done(&again);
	engine_effects_done(&effects);
	(void)engine_free(e);
	return 0;
}
