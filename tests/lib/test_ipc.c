/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client protocol's codec: what was encoded comes back as it was; every truncation, a trailing
 * byte and every length over its maximum are refused; whatever a changed byte still lets through is
 * canonical, that is, encodes to the same bytes; and a few layouts are pinned byte by byte, since
 * both ends of a connection need not be of the same build.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/ipc/ipc.h"
#include "tests/lib/ipc_roundtrip.h"

static const uint8_t lvb[LOCKSTEP_LVB_MAX] = { 1, 2, 3, [31] = 32, [1023] = 255 };

static const struct ipc_open sample_open = {
	.tag = 0x01020304, .flags = LOCKSTEP_OPEN_CREATE, .lvb_len = 64, .mode = 0640,
	.personality = 1, .xid_scope = LOCKSTEP_XID_SCOPE_CLUSTER, .deadlock_wait_ms = -1,
	.space_flags = LOCKSTEP_LSFL_TIMEWARN | LOCKSTEP_LSFL_NEWEXCL, .space = "default",
	.comm = "sixteen-byte-com", .cluster = "c",
};
static const struct ipc_submit sample_submit = {
	.op = IPC_OP_LOCK, .mode = LOCKSTEP_LOCK_EX, .has_bast = true,
	.flags = 0xffffffffu, .lkid = 0x7fffffff, .xid = 0x1122334455667788u, .timeout_cs = 99,
	.name_len = 5, .name = { 'a', 0, 0xff, '/', '\n' }, .lvb_len = sizeof(lvb), .lvb = lvb,
};
static const struct ipc_result sample_result = {
	.tag = 0xfffffffe, .error = EBUSY, .lkid = 1, .value = 2, .completes = true,
	.token = UINT64_MAX,
};
static const struct ipc_event sample_event = {
	.kind = IPC_EVENT_CAST, .mode = -1, .sb_flags = 7, .lkid = 3, .status = LOCKSTEP_EUNLOCK,
	.value = 4, .token = 5, .lvb_len = 32, .lvb = lvb,
};
static const struct ipc_query sample_query = {
	.tag = 1, .space = "s", .has_name = true, .name_len = 64, .name = { [63] = 1 },
	.nodeid = 2, .lkid = 3, .flags = 4, .lvb_len = 8, .page = 1ull << 40, .text = "n1",
};
static const struct lockstep_status sample_status = {
	.version = "0.1.0", .cluster_name = "c", .node_name = "n1", .nodeid = 1, .quorate = true,
	.ring_seq = 2, .ring_nodeid = 3, .spaces = 4, .sessions = 5, .uptime_ms = 6,
	.state = "recovering", .reason = "waiting for fencing of node 3",
};
static const struct lockstep_space_info sample_space = {
	.name = "default", .state = "running", .seq = 1, .stable = 2, .digest = 3, .epoch = 4,
	.history = 5, .generation = 6, .lvb_len = 32, .members = 7, .lost_members = 8,
	.resources = 9, .locks = 10, .waiting = 11, .sessions = 12, .local_sessions = 13,
};
static const struct lockstep_member_info sample_member = {
	.nodeid = 1, .name = "n1", .incarnation = 2, .state = "lost", .slot = 3, .local = true,
	.locks = 4,
};
static const struct lockstep_blocker sample_blocker = {
	.lock = { .name_len = 2, .name = "ab", .nodeid = 1, .node_name = "n1", .session = 2,
		  .lkid = 3, .queue = 'C', .granted = LOCKSTEP_LOCK_PR,
		  .requested = LOCKSTEP_LOCK_EX, .token = 4, .time_ms = 5, .pid = 6, .uid = 7,
		  .comm = "backup", .lost = true },
	.by_order = true,
};
static const struct lockstep_space_metrics sample_metrics = {
	.name = "default", .held = { 1, 2, 3, 4, 5, 6 }, .waiting = { 7, 8, 9, 10, 11, 12 }, .orphans = 13,
	.granted_at_once = 14, .granted_later = 15, .queued = 16, .refused_busy = 17, .refused_deadlock = 18,
	.timed_out = 19, .cancelled = 20, .blocking_callbacks = 21, .deadlock_searches = 22,
	.deadlock_victims = 23, .waits = { 24, 25, 26, 27, 28, 29, 30, 31 }, .waits_ms = 32, .lost_nodeid = 33,
	.lost_name = "n3", .lost_ms = 34, .has_oldest = true, .oldest_ms = 35,
	.oldest = { .name_len = 1, .name = "a", .nodeid = 1, .node_name = "n1", .session = 2, .lkid = 3,
		    .queue = 'W', .granted = -1, .requested = LOCKSTEP_LOCK_EX, .comm = "c" },
	.has_blocker = true,
	.blocker = { .lock = { .name_len = 1, .name = "a", .nodeid = 2, .node_name = "n2", .session = 4,
			       .lkid = 5, .queue = 'G', .granted = LOCKSTEP_LOCK_PR, .requested = -1,
			       .token = 6, .comm = "d", .lost = true },
		     .by_order = true },
};
static const struct ipc_recovery sample_recovery = {
	.tag = 6, .op = IPC_RECOVERY_PREP_DONE, .prep = 0x12345678,
};
static const struct lockstep_slot sample_slot = { .nodeid = 258, .slot = 1 };
static const struct lockstep_change sample_change = {
	.kind = LOCKSTEP_CHANGE_GONE, .time_ms = 1, .missed = 2, .state = "running",
	.lock = { .name_len = 1, .name = "a", .node_name = "n1", .queue = 'W', .granted = -1,
		  .requested = LOCKSTEP_LOCK_CW, .comm = "c" },
};
static const struct ipc_hello sample_hello = { .tag = 6, .service = IPC_SERVICE_ADMIN };
static const char sample_line[] = "04:00:00.000 view 7 of default: nodes 1 2";

/* What fixes @shape's sample as bytes. */
static void sample_encode(enum ipc_shape shape, struct buf *out)
{
	switch (shape) {
	case SHAPE_OPEN:
		ipc_open_encode(&sample_open, out);
		break;
	case SHAPE_SUBMIT:
		ipc_tag_encode(out, 7);
		ipc_submit_encode(&sample_submit, out);
		break;
	case SHAPE_RESULT:
		ipc_result_encode(&sample_result, out);
		break;
	case SHAPE_EVENT:
		ipc_tag_encode(out, 0);
		ipc_event_encode(&sample_event, out);
		break;
	case SHAPE_RESULTS:
		ipc_tag_encode(out, 8);
		ipc_result_row_encode(&sample_result, out);
		break;
	case SHAPE_QUERY:
		ipc_query_encode(&sample_query, out);
		break;
	case SHAPE_PAGE:
		ipc_page_end(out, ipc_page_begin(out, 9, ENOENT), IPC_PAGE_ROWS_MAX, UINT64_MAX);
		break;
	case SHAPE_STATUS:
		ipc_status_encode(&sample_status, out);
		break;
	case SHAPE_SPACE:
		ipc_space_encode(&sample_space, out);
		break;
	case SHAPE_MEMBER:
		ipc_member_encode(&sample_member, out);
		break;
	case SHAPE_LOCK:
		ipc_lock_encode(&sample_blocker.lock, out);
		break;
	case SHAPE_BLOCKER:
		ipc_blocker_encode(&sample_blocker, out);
		break;
	case SHAPE_LINE:
		ipc_line_encode(sample_line, out);
		break;
	case SHAPE_COUNTER:
		ipc_counter_encode("views", 1ull << 40, out);
		break;
	case SHAPE_RECOVERY:
		ipc_recovery_encode(&sample_recovery, out);
		break;
	case SHAPE_SLOTS:
		ipc_slots_encode(&sample_slot, 1, out);
		break;
	case SHAPE_FRAME:
		ipc_frame_encode(IPC_MSG_OPEN, "body", 4, out);
		break;
	case SHAPE_HELLO:
		ipc_hello_encode(&sample_hello, out);
		break;
	case SHAPE_CHANGE:
		ipc_tag_encode(out, 0);
		ipc_change_encode(&sample_change, out);
		break;
	case SHAPE_METRICS:
		ipc_metrics_encode(&sample_metrics, out);
		break;
	case SHAPES_COUNT:
		fail();
	}
}

static void encoding_of_a_decoding_is_the_same_bytes(void **state)
{
	(void)state;
	for (enum ipc_shape shape = 0; shape < SHAPES_COUNT; shape++) {
		struct buf bytes = { 0 }, again = { 0 };

		sample_encode(shape, &bytes);
		assert_int_equal(ipc_roundtrip(shape, bytes.data, bytes.size, &again), 0);
		assert_int_equal(again.size, bytes.size);
		assert_memory_equal(again.data, bytes.data, bytes.size);
		buf_done(&bytes);
		buf_done(&again);
	}
}

static void every_truncation_and_a_trailing_byte_are_refused(void **state)
{
	(void)state;
	for (enum ipc_shape shape = 0; shape < SHAPES_COUNT; shape++) {
		struct buf bytes = { 0 }, again = { 0 };

		sample_encode(shape, &bytes);
		for (size_t size = 0; size < bytes.size; size++) {
			/* A copy of exactly that size, so that a sanitizer sees a byte too far. */
			uint8_t *cut = test_malloc(size + 1);

			memcpy(cut + 1, bytes.data, size);
			assert_int_not_equal(ipc_roundtrip(shape, cut + 1, size, &again), 0);
			test_free(cut);
		}
		buf_put_u8(&bytes, 0);
		assert_int_not_equal(ipc_roundtrip(shape, bytes.data, bytes.size, &again), 0);
		buf_done(&bytes);
		buf_done(&again);
	}
}

static void a_changed_byte_is_refused_or_canonical(void **state)
{
	size_t refused[SHAPES_COUNT] = { 0 }, accepted[SHAPES_COUNT] = { 0 };

	(void)state;
	for (enum ipc_shape shape = 0; shape < SHAPES_COUNT; shape++) {
		struct buf bytes = { 0 }, again = { 0 };

		sample_encode(shape, &bytes);
		for (size_t at = 0; at < bytes.size; at++) {
			uint8_t was = bytes.data[at];

			for (unsigned int change = 1; change < 256; change++) {
				bytes.data[at] = (uint8_t)(was ^ change);
				buf_clear(&again);
				if (ipc_roundtrip(shape, bytes.data, bytes.size, &again) != 0) {
					refused[shape]++;
					continue;
				}
				accepted[shape]++;
				assert_int_equal(again.size, bytes.size);
				assert_memory_equal(again.data, bytes.data, bytes.size);
			}
			bytes.data[at] = was;
		}
		buf_done(&bytes);
		buf_done(&again);
		/* Both kinds occur in every message, else this test shows nothing. */
		assert_true(refused[shape] > 0);
		assert_true(accepted[shape] > 0);
	}
}

static void a_decoded_submit_has_what_was_meant(void **state)
{
	struct buf bytes = { 0 };
	struct ipc_submit m;

	(void)state;
	ipc_submit_encode(&sample_submit, &bytes);
	struct cursor in = cursor_make(bytes.data, bytes.size);

	assert_int_equal(ipc_submit_decode(&in, &m), 0);
	assert_true(cursor_end(&in));
	assert_int_equal(m.op, sample_submit.op);
	assert_int_equal(m.mode, sample_submit.mode);
	assert_true(m.has_bast);
	assert_int_equal(m.flags, sample_submit.flags);
	assert_int_equal(m.lkid, sample_submit.lkid);
	assert_int_equal(m.xid, sample_submit.xid);
	assert_int_equal(m.timeout_cs, sample_submit.timeout_cs);
	assert_int_equal(m.name_len, 5);
	assert_memory_equal(m.name, sample_submit.name, LOCKSTEP_NAME_MAX);
	assert_int_equal(m.lvb_len, sizeof(lvb));
	assert_memory_equal(m.lvb, lvb, sizeof(lvb));
	buf_done(&bytes);
}

static void a_purge_has_its_ids_where_others_have_their_lock(void **state)
{
	const struct ipc_submit purge = { .op = IPC_OP_PURGE, .nodeid = 3, .pid = 4711 };
	struct buf bytes = { 0 };
	struct ipc_submit m;

	(void)state;
	ipc_submit_encode(&purge, &bytes);
	struct cursor in = cursor_make(bytes.data, bytes.size);

	assert_int_equal(ipc_submit_decode(&in, &m), 0);
	assert_int_equal(m.nodeid, 3);
	assert_int_equal(m.pid, 4711);
	assert_int_equal(m.lkid, 0);
	assert_int_equal(m.timeout_cs, 0);
	buf_done(&bytes);
}

/* Rows of all sizes follow each other without gaps, and a bad one spoils the pack. */
static void a_pack_has_its_rows_in_order(void **state)
{
	struct buf bytes = { 0 }, again = { 0 };
	struct ipc_event event = sample_event;
	uint32_t tag = 1;

	(void)state;
	ipc_tag_encode(&bytes, 0);
	for (uint32_t i = 0; i < 10; i++) {
		event.lkid = i + 1;
		event.lvb_len = (uint16_t)(i * 8);
		ipc_event_encode(&event, &bytes);
	}
	assert_int_equal(ipc_roundtrip(SHAPE_EVENT, bytes.data, bytes.size, &again), 0);
	assert_int_equal(again.size, bytes.size);
	assert_memory_equal(again.data, bytes.data, bytes.size);
	struct cursor in = cursor_make(bytes.data, bytes.size);

	assert_int_equal(ipc_tag_decode(&in, &tag), 0);
	assert_int_equal(tag, 0);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(ipc_event_decode(&in, &event), 0);
		assert_int_equal(event.lkid, i + 1);
		assert_int_equal(event.lvb_len, i * 8);
	}
	assert_true(cursor_end(&in));
	bytes.data[8 + 26] = 0; /* kind of the second row */
	buf_clear(&again);
	assert_int_not_equal(ipc_roundtrip(SHAPE_EVENT, bytes.data, bytes.size, &again), 0);
	buf_done(&bytes);
	buf_done(&again);
}

/* What the packers of both ends count on. */
static void rows_are_not_longer_than_their_maximum(void **state)
{
	struct ipc_submit submit = sample_submit;
	struct ipc_event event = sample_event;
	struct buf bytes = { 0 };

	(void)state;
	submit.name_len = LOCKSTEP_NAME_MAX;
	ipc_submit_encode(&submit, &bytes);
	assert_int_equal(bytes.size, IPC_SUBMIT_ROW_MAX);
	buf_clear(&bytes);
	event.lvb_len = LOCKSTEP_LVB_MAX;
	ipc_event_encode(&event, &bytes);
	assert_int_equal(bytes.size, IPC_EVENT_ROW_MAX);
	buf_clear(&bytes);
	ipc_tag_encode(&bytes, 1);
	for (int i = 0; i < IPC_PACK_MAX; i++) {
		ipc_result_row_encode(&sample_result, &bytes);
	}
	assert_true(bytes.size <= IPC_BODY_MAX);
	buf_done(&bytes);
}

/* Each field comes back in its own place: the sample has another number in each. */
static void decoded_metrics_are_what_was_meant(void **state)
{
	struct buf bytes = { 0 };
	struct lockstep_space_metrics got, none = { .name = "s" };

	(void)state;
	ipc_metrics_encode(&sample_metrics, &bytes);
	struct cursor in = cursor_make(bytes.data, bytes.size);

	assert_int_equal(ipc_metrics_decode(&in, &got), 0);
	assert_int_equal(got.held[5], 6);
	assert_int_equal(got.waiting[0], 7);
	assert_int_equal(got.granted_at_once, 14);
	assert_int_equal(got.deadlock_victims, 23);
	assert_int_equal(got.waits[7], 31);
	assert_int_equal(got.lost_nodeid, 33);
	assert_string_equal(got.lost_name, "n3");
	assert_int_equal(got.oldest_ms, 35);
	assert_int_equal(got.oldest.lkid, 3);
	assert_string_equal(got.blocker.lock.node_name, "n2");
	assert_true(got.blocker.by_order);
	/* Without the locks that are not there. */
	buf_clear(&bytes);
	ipc_metrics_encode(&none, &bytes);
	in = cursor_make(bytes.data, bytes.size);
	assert_int_equal(ipc_metrics_decode(&in, &got), 0);
	assert_false(got.has_oldest);
	assert_false(got.has_blocker);
	buf_done(&bytes);
}

static void a_decoded_lock_row_has_what_was_meant(void **state)
{
	struct buf bytes = { 0 };
	struct lockstep_blocker row;
	const struct lockstep_lock_info *want = &sample_blocker.lock;

	(void)state;
	ipc_blocker_encode(&sample_blocker, &bytes);
	struct cursor in = cursor_make(bytes.data, bytes.size);

	assert_int_equal(ipc_blocker_decode(&in, &row), 0);
	assert_true(row.by_order);
	assert_int_equal(row.lock.name_len, want->name_len);
	assert_memory_equal(row.lock.name, want->name, LOCKSTEP_NAME_MAX);
	assert_int_equal(row.lock.nodeid, want->nodeid);
	assert_string_equal(row.lock.node_name, want->node_name);
	assert_int_equal(row.lock.session, want->session);
	assert_int_equal(row.lock.lkid, want->lkid);
	assert_int_equal(row.lock.queue, want->queue);
	assert_int_equal(row.lock.granted, want->granted);
	assert_int_equal(row.lock.requested, want->requested);
	assert_int_equal(row.lock.token, want->token);
	assert_int_equal(row.lock.time_ms, want->time_ms);
	assert_int_equal(row.lock.pid, want->pid);
	assert_int_equal(row.lock.uid, want->uid);
	assert_string_equal(row.lock.comm, want->comm);
	assert_true(row.lock.lost);
	assert_false(row.lock.lvb_invalid);
	buf_done(&bytes);
}

static void layout_of_an_event_is_pinned(void **state)
{
	static const uint8_t want[] = {
		1, 0, 0, 0, 0, 0, 0, 0,      /* version, reserved, tag */
		3, 5, 0, 0,                  /* BAST, EX, sb_flags, reserved */
		0x44, 0x33, 0x22, 0x11,      /* lkid */
		0xff, 0xff, 0xff, 0xff,      /* status */
		9, 0, 0, 0,                  /* value */
		1, 0, 0, 0, 0, 0, 0, 0x80,   /* token */
		2, 0, 0xaa, 0xbb,            /* LVB */
	};
	static const uint8_t bytes_lvb[] = { 0xaa, 0xbb };
	const struct ipc_event event = {
		.kind = IPC_EVENT_BAST, .mode = LOCKSTEP_LOCK_EX, .lkid = 0x11223344, .status = -1,
		.value = 9, .token = 0x8000000000000001u, .lvb_len = 2, .lvb = bytes_lvb,
	};
	struct buf bytes = { 0 };

	(void)state;
	ipc_tag_encode(&bytes, 0);
	ipc_event_encode(&event, &bytes);
	assert_int_equal(bytes.size, sizeof(want));
	assert_memory_equal(bytes.data, want, sizeof(want));
	buf_done(&bytes);
}

/* R-CB-1: what done says of the members is complete, in order, and fits whatever their number. */
static void slots_come_in_ascending_order_of_nodeids(void **state)
{
	struct lockstep_slot slots[LOCKSTEP_NODES_MAX], again[LOCKSTEP_NODES_MAX];
	struct ipc_event event = { .kind = IPC_EVENT_DONE };
	struct buf bytes = { 0 }, row = { 0 };
	size_t count;

	(void)state;
	for (uint32_t i = 0; i < LOCKSTEP_NODES_MAX; i++) {
		slots[i] = (struct lockstep_slot){ .nodeid = 10 + i, .slot = LOCKSTEP_NODES_MAX - i };
	}
	ipc_slots_encode(slots, LOCKSTEP_NODES_MAX, &bytes);
	event.lvb = bytes.data;
	event.lvb_len = (uint16_t)bytes.size;
	ipc_event_encode(&event, &row);
	struct cursor in = cursor_make(row.data, row.size);

	assert_int_equal(ipc_event_decode(&in, &event), 0);
	assert_int_equal(ipc_slots_decode(event.lvb, event.lvb_len, again, &count), 0);
	assert_int_equal(count, LOCKSTEP_NODES_MAX);
	assert_memory_equal(again, slots, sizeof(slots));
	bytes.data[IPC_SLOT_SIZE] = 10; /* the second is the first once more */
	assert_int_equal(ipc_slots_decode(bytes.data, bytes.size, again, &count), -EBADMSG);
	bytes.data[IPC_SLOT_SIZE] = 11;
	buf_put_zero(&bytes, IPC_SLOT_SIZE);
	assert_int_equal(ipc_slots_decode(bytes.data, bytes.size, again, &count), -EBADMSG);
	buf_done(&bytes);
	buf_done(&row);
}

/* Only an acknowledgement names a prep. */
static void a_recovery_request_is_what_it_says(void **state)
{
	struct ipc_recovery m = { .tag = 1, .op = IPC_RECOVERY_SUBSCRIBE, .prep = 1 };
	struct buf bytes = { 0 };

	(void)state;
	ipc_recovery_encode(&m, &bytes);
	assert_int_equal(ipc_recovery_decode(bytes.data, bytes.size, &m), -EBADMSG);
	buf_clear(&bytes);
	m = (struct ipc_recovery){ .tag = 1, .op = IPC_RECOVERY_PREP_DONE + 1 };
	ipc_recovery_encode(&m, &bytes);
	assert_int_equal(ipc_recovery_decode(bytes.data, bytes.size, &m), -EBADMSG);
	buf_done(&bytes);
}

static void a_refusal_writes_nothing(void **state)
{
	struct cursor in = cursor_make("nonsense", 8);
	struct ipc_event event;
	struct ipc_event before;

	(void)state;
	memset(&event, 0x5a, sizeof(event));
	before = event;
	assert_int_equal(ipc_event_decode(&in, &event), -EBADMSG);
	assert_memory_equal(&event, &before, sizeof(event));
}

static void lengths_over_the_maximum_are_refused(void **state)
{
	struct buf bytes = { 0 }, again = { 0 };

	(void)state;
	/* A line of one byte more than a decoder takes, all of it there. */
	buf_put_u16(&bytes, IPC_LINE_MAX + 1);
	for (int i = 0; i <= IPC_LINE_MAX; i++) {
		buf_put_u8(&bytes, 'x');
	}
	assert_int_not_equal(ipc_roundtrip(SHAPE_LINE, bytes.data, bytes.size, &again), 0);
	/* The same with the length it may have. */
	bytes.data[0] = IPC_LINE_MAX & 0xff;
	bytes.data[1] = IPC_LINE_MAX >> 8;
	assert_int_equal(ipc_roundtrip(SHAPE_LINE, bytes.data, bytes.size - 1, &again), 0);
	buf_clear(&bytes);
	ipc_page_end(&bytes, ipc_page_begin(&bytes, 1, 0), IPC_PAGE_ROWS_MAX, 0);
	bytes.data[12]++;
	assert_int_not_equal(ipc_roundtrip(SHAPE_PAGE, bytes.data, bytes.size, &again), 0);
	buf_done(&bytes);
	buf_done(&again);
}

static void the_largest_page_fits_into_a_message(void **state)
{
	struct buf bytes = { 0 };
	struct lockstep_space_info row;
	char line[IPC_LINE_MAX + 100];

	(void)state;
	memset(&row, 0, sizeof(row));
	memset(row.name, 'n', sizeof(row.name) - 1);
	memset(row.state, 's', sizeof(row.state) - 1);
	memset(row.reason, 'r', sizeof(row.reason) - 1);
	size_t at = ipc_page_begin(&bytes, 1, 0);

	for (uint32_t i = 0; i < IPC_PAGE_ROWS_MAX; i++) {
		ipc_space_encode(&row, &bytes);
	}
	ipc_page_end(&bytes, at, IPC_PAGE_ROWS_MAX, 1);
	assert_true(bytes.size <= IPC_BODY_MAX);
	buf_clear(&bytes);
	struct lockstep_space_metrics metrics = sample_metrics;
	struct lockstep_lock_info *locks[] = { &metrics.oldest, &metrics.blocker.lock };

	memset(metrics.name, 'n', sizeof(metrics.name) - 1);
	memset(metrics.lost_name, 'l', sizeof(metrics.lost_name) - 1);
	for (size_t i = 0; i < 2; i++) {
		locks[i]->name_len = LOCKSTEP_NAME_MAX;
		memset(locks[i]->node_name, 'n', sizeof(locks[i]->node_name) - 1);
		memset(locks[i]->comm, 'c', sizeof(locks[i]->comm) - 1);
	}
	at = ipc_page_begin(&bytes, 1, 0);
	for (uint32_t i = 0; i < IPC_PAGE_ROWS_MAX; i++) {
		ipc_metrics_encode(&metrics, &bytes);
	}
	ipc_page_end(&bytes, at, IPC_PAGE_ROWS_MAX, 1);
	assert_true(bytes.size <= IPC_BODY_MAX);
	buf_clear(&bytes);
	memset(line, 'l', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	at = ipc_page_begin(&bytes, 1, 0);
	for (uint32_t i = 0; i < IPC_PAGE_ROWS_MAX; i++) {
		ipc_line_encode(line, &bytes);
	}
	ipc_page_end(&bytes, at, IPC_PAGE_ROWS_MAX, 1);
	assert_true(bytes.size <= IPC_BODY_MAX);
	buf_done(&bytes);
}

/* As many bytes as came, never more than are there, and nothing that is too small for its own head. */
static void a_frame_says_how_much_of_it_is_missing(void **state)
{
	const uint32_t wrong[] = { 0, 1, IPC_FRAME_HEAD - 1, IPC_FRAME_MAX + 1, INT32_MAX, UINT32_MAX };
	struct ipc_frame frame = { .size = 0 };
	struct buf bytes = { 0 };

	(void)state;
	ipc_frame_encode(IPC_EVENT, "abc", 3, &bytes);
	assert_int_equal(bytes.size, IPC_FRAME_HEAD + 3);
	for (size_t have = 0; have < bytes.size; have++) {
		assert_int_equal(ipc_frame_decode(bytes.data, have, &frame), -EAGAIN);
		assert_int_equal(frame.size, have < IPC_FRAME_HEAD ? 0 : bytes.size);
	}
	buf_put_zero(&bytes, 5); /* of the next one */
	assert_int_equal(ipc_frame_decode(bytes.data, bytes.size, &frame), 0);
	assert_int_equal(frame.size, IPC_FRAME_HEAD + 3);
	assert_int_equal(frame.id, IPC_EVENT);
	assert_int_equal(frame.body_size, 3);
	assert_memory_equal(frame.body, "abc", 3);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		buf_set_u32(&bytes, 0, wrong[i]);
		assert_int_equal(ipc_frame_decode(bytes.data, bytes.size, &frame), -EBADMSG);
	}
	buf_done(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoding_of_a_decoding_is_the_same_bytes),
		cmocka_unit_test(every_truncation_and_a_trailing_byte_are_refused),
		cmocka_unit_test(a_changed_byte_is_refused_or_canonical),
		cmocka_unit_test(a_decoded_submit_has_what_was_meant),
		cmocka_unit_test(a_purge_has_its_ids_where_others_have_their_lock),
		cmocka_unit_test(a_pack_has_its_rows_in_order),
		cmocka_unit_test(rows_are_not_longer_than_their_maximum),
		cmocka_unit_test(decoded_metrics_are_what_was_meant),
		cmocka_unit_test(a_decoded_lock_row_has_what_was_meant),
		cmocka_unit_test(layout_of_an_event_is_pinned),
		cmocka_unit_test(slots_come_in_ascending_order_of_nodeids),
		cmocka_unit_test(a_recovery_request_is_what_it_says),
		cmocka_unit_test(a_refusal_writes_nothing),
		cmocka_unit_test(lengths_over_the_maximum_are_refused),
		cmocka_unit_test(a_frame_says_how_much_of_it_is_missing),
		cmocka_unit_test(the_largest_page_fits_into_a_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
