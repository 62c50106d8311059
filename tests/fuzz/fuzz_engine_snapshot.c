/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The snapshot decoder: what it accepts is canonical (writing it gives the same bytes) and a
 * state like any other, with which an engine can go on until nothing is left of it.
 */
#include "config.h"

#include <string.h>

#include "lib/base/buf.h"
#include "plugin/engine/engine.h"
#include "tests/fuzz/fuzz.h"

#define LOCKS_MAX 64

struct found {
	const struct engine *engine;
	struct engine_lock_info locks[LOCKS_MAX];
	size_t count;
};

static bool find_lock(const struct engine_lock_info *info, void *arg)
{
	struct found *found = arg;

	if (found->count < LOCKS_MAX) {
		found->locks[found->count++] = *info;
	}
	return true;
}

static bool find_locks(const struct engine_resource_info *info, void *arg)
{
	struct found *found = arg;

	engine_locks_visit(found->engine, info->name, info->name_len, find_lock, found);
	return found->count < LOCKS_MAX;
}

/* A search for each that waits, as it is on the wire. */
static void search(struct engine *e, const struct found *found, struct engine_effects *effects)
{
	for (size_t i = 0; i < found->count; i++) {
		struct engine_op op;

		memset(&op, 0, sizeof(op));
		op.type = ENGINE_OP_DEADLOCK_SEARCH;
		op.nodeid = found->locks[i].nodeid;
		op.incarnation = found->locks[i].incarnation;
		op.lkid = found->locks[i].lkid;
		op.queued_seq = found->locks[i].queued_seq;
		engine_effects_clear(effects);
		engine_apply(e, &op, effects);
	}
	fuzz_expect(engine_check(e) == NULL);
}

/* Searches, then every second lock is unlocked, then all members are removed. */
static void go_on(struct engine *e)
{
	struct engine_effects effects = { .items = NULL };
	struct found found = { .engine = e };
	struct engine_op op;

	engine_resources_visit(e, find_locks, &found);
	search(e, &found, &effects);
	for (size_t i = 0; i < found.count; i++) {
		struct engine_member_id member = { .nodeid = found.locks[i].nodeid,
						   .incarnation = found.locks[i].incarnation };

		memset(&op, 0, sizeof(op));
		op.nodeid = member.nodeid;
		op.incarnation = member.incarnation;
		op.session = found.locks[i].session;
		op.request = UINT64_MAX;
		op.lkid = found.locks[i].lkid;
		op.type = i % 4 == 3 ? ENGINE_OP_CANCEL : ENGINE_OP_UNLOCK;
		if (i % 2 == 0) {
			op.type = i % 4 == 0 ? ENGINE_OP_VIEW_POINT : ENGINE_OP_NODES_REMOVE;
			op.members = &member;
			op.members_count = 1;
		}
		engine_effects_clear(&effects);
		engine_apply(e, &op, &effects);
		fuzz_expect(engine_check(e) == NULL);
	}
	engine_effects_done(&effects);
}

/* The same bytes in pieces: accepted exactly when they are one snapshot and nothing else. */
static void in_pieces(const uint8_t *data, size_t size, const struct engine *whole)
{
	struct engine_reader *r = engine_reader_new();
	struct engine *e = NULL;
	size_t piece = size % 7 + 1;
	bool good = true;

	for (size_t at = 0; good && at < size; at += piece) {
		good = engine_reader_feed(r, data + at, size - at < piece ? size - at : piece) == 0;
	}
	good = good && engine_reader_end(r, &e) == 0;
	fuzz_expect(good == (whole != NULL));
	if (good) {
		fuzz_expect(engine_digest(e) == engine_digest(whole));
		fuzz_expect(engine_check(e) == NULL);
	}
	(void)engine_free(e);
	(void)engine_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor in = cursor_make(data, size);
	struct buf again = { .data = NULL };
	struct engine *e = NULL;

	if (engine_snapshot_decode(&in, &e) != 0) {
		fuzz_expect(e == NULL);
		fuzz_expect(!cursor_ok(&in));
		in_pieces(data, size, NULL);
		return 0;
	}
	in_pieces(data, size, in.offset == size ? e : NULL);
	fuzz_expect(engine_check(e) == NULL);
	engine_snapshot_encode(e, &again);
	fuzz_expect(again.size == in.offset);
	fuzz_expect(memcmp(again.data, data, again.size) == 0);
	go_on(e);
	buf_done(&again);
	(void)engine_free(e);
	return 0;
}
