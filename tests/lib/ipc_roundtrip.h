/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every decoder of lib/ipc under one roof, for the unit test and the fuzz target: decode, and when
 * that is accepted, encode again.
 */
#ifndef LOCKSTEP_TESTS_IPC_ROUNDTRIP_H
#define LOCKSTEP_TESTS_IPC_ROUNDTRIP_H

#include <stddef.h>
#include <stdint.h>

#include <lockstep/lockstep_recovery.h>

#include "lib/base/buf.h"
#include "lib/ipc/ipc.h"

enum ipc_shape {
	SHAPE_OPEN,
	SHAPE_SUBMIT, /* this and the next but one: whole packs */
	SHAPE_RESULT,
	SHAPE_EVENT,
	SHAPE_QUERY,
	SHAPE_PAGE, /* the head alone, without rows behind it */
	SHAPE_STATUS,
	SHAPE_SPACE,
	SHAPE_MEMBER,
	SHAPE_LOCK,
	SHAPE_BLOCKER,
	SHAPE_LINE,
	SHAPE_RESULTS, /* a pack */
	SHAPE_COUNTER,
	SHAPE_RECOVERY,
	SHAPE_SLOTS, /* in an event */
	SHAPE_FRAME,
	SHAPE_HELLO,
	SHAPE_CHANGE, /* a pack */
	SHAPE_METRICS,
	SHAPES_COUNT,
};

/* 0 and the encoding of what was decoded in @out, or the decoder's refusal. */
static inline int ipc_roundtrip(enum ipc_shape shape, const void *data, size_t size, struct buf *out)
{
	struct cursor in = cursor_make(data, size);
	union {
		struct ipc_open open;
		struct ipc_frame frame;
		struct ipc_hello hello;
		struct lockstep_change change;
		struct ipc_submit submit;
		struct ipc_result result;
		struct ipc_event event;
		struct ipc_query query;
		struct ipc_page page;
		struct lockstep_status status;
		struct lockstep_space_info space;
		struct lockstep_member_info member;
		struct lockstep_lock_info lock;
		struct lockstep_blocker blocker;
		struct ipc_recovery recovery;
		struct lockstep_space_metrics metrics;
		struct lockstep_slot slots[LOCKSTEP_NODES_MAX];
		char line[IPC_LINE_MAX + 1];
	} m;
	size_t rows = 0;
	uint32_t tag;
	uint64_t value;
	int error = -1;

/* A tag and rows up to the end, one at least. */
#define PACK(member, name)                                                                         \
	error = ipc_tag_decode(&in, &tag);                                                         \
	if (error == 0) {                                                                          \
		ipc_tag_encode(out, tag);                                                          \
	}                                                                                          \
	while (error == 0 && !cursor_end(&in)) {                                                   \
		error = ipc_##name##_decode(&in, &m.member);                                       \
		if (error == 0) {                                                                  \
			ipc_##name##_encode(&m.member, out);                                       \
			rows++;                                                                    \
		}                                                                                  \
	}                                                                                          \
	return rows > 0 ? error : -1
#define WHOLE(member, name)                                                                        \
	error = ipc_##name##_decode(data, size, &m.member);                                        \
	if (error == 0) {                                                                          \
		ipc_##name##_encode(&m.member, out);                                               \
	}                                                                                          \
	return error
/* A row may have another behind it; here it has not. */
#define ROW(member, name)                                                                          \
	error = ipc_##name##_decode(&in, &m.member);                                               \
	if (error == 0 && !cursor_end(&in)) {                                                      \
		error = -1;                                                                        \
	}                                                                                          \
	if (error == 0) {                                                                          \
		ipc_##name##_encode(&m.member, out);                                               \
	}                                                                                          \
	return error

	switch (shape) {
	case SHAPE_OPEN:
		WHOLE(open, open);
	case SHAPE_SUBMIT:
		PACK(submit, submit);
	case SHAPE_RESULT:
		WHOLE(result, result);
	case SHAPE_EVENT:
		PACK(event, event);
	case SHAPE_RESULTS:
		PACK(result, result_row);
	case SHAPE_QUERY:
		WHOLE(query, query);
	case SHAPE_PAGE:
		error = ipc_page_decode(&in, &m.page);
		if (error == 0 && !cursor_end(&in)) {
			error = -1;
		}
		if (error == 0) {
			ipc_page_end(out, ipc_page_begin(out, m.page.tag, m.page.error),
				     m.page.rows, m.page.next_page);
		}
		return error;
	case SHAPE_STATUS:
		ROW(status, status);
	case SHAPE_SPACE:
		ROW(space, space);
	case SHAPE_MEMBER:
		ROW(member, member);
	case SHAPE_LOCK:
		ROW(lock, lock);
	case SHAPE_BLOCKER:
		ROW(blocker, blocker);
	case SHAPE_LINE:
		error = ipc_line_decode(&in, m.line, sizeof(m.line));
		if (error == 0 && !cursor_end(&in)) {
			error = -1;
		}
		if (error == 0) {
			ipc_line_encode(m.line, out);
		}
		return error;
	case SHAPE_COUNTER:
		error = ipc_counter_decode(&in, m.line, sizeof(m.line), &value);
		if (error == 0 && !cursor_end(&in)) {
			error = -1;
		}
		if (error == 0) {
			ipc_counter_encode(m.line, value, out);
		}
		return error;
	case SHAPE_RECOVERY:
		WHOLE(recovery, recovery);
	case SHAPE_SLOTS:
		error = ipc_slots_decode(data, size, m.slots, &rows);
		if (error == 0) {
			ipc_slots_encode(m.slots, rows, out);
		}
		return error;
	case SHAPE_FRAME:
		error = ipc_frame_decode(data, size, &m.frame);
		if (error == 0 && m.frame.size != size) {
			error = -1;
		}
		if (error == 0) {
			ipc_frame_encode(m.frame.id, m.frame.body, m.frame.body_size, out);
		}
		return error;
	case SHAPE_HELLO:
		WHOLE(hello, hello);
	case SHAPE_CHANGE:
		PACK(change, change);
	case SHAPE_METRICS:
		ROW(metrics, metrics);
	case SHAPES_COUNT:
		break;
	}
#undef WHOLE
#undef ROW
#undef PACK
	return error;
}

#endif
