/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State as bytes and back (layout in snapshot_format.h). Reading trusts nothing: what it builds
 * is checked like any state, and bytes that another writer would have written differently are
 * refused, so that the same state has one form only.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"
#include "plugin/engine/snapshot_format.h"

/* --- writing --- */

/* Calls @each for every record in snapshot order. */
static void records_walk(const struct engine *e,
			 void (*each)(const struct engine *e, const struct record *record,
				      void *arg),
			 void *arg)
{
	struct owners_sorted owners = owners_sort(e);
	struct resource **resources = resources_sorted(e);

	for (size_t i = 0; i < owners.members_count; i++) {
		each(e, &owners.members[i]->record, arg);
	}
	for (size_t i = 0; i < owners.sessions_count; i++) {
		each(e, &owners.sessions[i]->record, arg);
	}
	for (size_t i = 0; i < e->resources.count; i++) {
		each(e, &resources[i]->record, arg);
		for (enum engine_queue queue = ENGINE_QUEUE_GRANTED; queue <= ENGINE_QUEUE_WAIT;
		     queue++) {
			list_for_each(at, resource_queue(resources[i], queue)) {
				each(e, &lock_of_link(at)->record, arg);
			}
		}
	}
	owners_sorted_done(&owners);
	free(resources);
}

static void each_encode(const struct engine *e, const struct record *record, void *arg)
{
	record_put(e, record, arg);
}

void engine_snapshot_encode(const struct engine *e, struct buf *out)
{
	record_put_header(e, out);
	records_walk(e, each_encode, out);
}

struct digest_slow {
	uint64_t sum;
	struct buf bytes;
};

static void each_digest(const struct engine *e, const struct record *record, void *arg)
{
	struct digest_slow *slow = arg;

	slow->sum += record_digest(e, record, &slow->bytes);
}

uint64_t engine_digest_slow(const struct engine *e)
{
	struct digest_slow slow = { .sum = 0 };

	slow.sum = header_digest(e, &slow.bytes);
	records_walk(e, each_digest, &slow);
	buf_done(&slow.bytes);
	return slow.sum;
}

/* --- reading --- */

struct counts {
	uint64_t members;
	uint64_t sessions;
	uint64_t resources;
	uint64_t locks;
};

static void fail_unless(struct cursor *in, bool condition)
{
	if (!condition) {
		cursor_fail(in);
	}
}

static struct engine *get_header(struct cursor *in, struct counts *counts)
{
	struct engine_config config;

	memset(&config, 0, sizeof(config));
	fail_unless(in, cursor_get_u8(in) == RECORD_HEADER);
	fail_unless(in, cursor_get_u32(in) == SNAPSHOT_MAGIC);
	fail_unless(in, cursor_get_u16(in) == SNAPSHOT_VERSION);
	config.lvb_len = cursor_get_u16(in);
	config.deadlock_wait_ms = cursor_get_u32(in);
	config.xid_scope = cursor_get_u8(in);
	config.personality = cursor_get_u8(in);
	config.seq_base = cursor_get_u64(in);
	uint64_t seq = cursor_get_u64(in);

	counts->members = cursor_get_u64(in);
	counts->sessions = cursor_get_u64(in);
	counts->resources = cursor_get_u64(in);
	counts->locks = cursor_get_u64(in);
	fail_unless(in, config.lvb_len % 8 == 0);
	fail_unless(in, config.lvb_len >= 8 && config.lvb_len <= LOCKSTEP_LVB_MAX);
	fail_unless(in, config.xid_scope <= 1 && config.personality <= 1);
	fail_unless(in, seq <= INT64_MAX); /* never reached; it must not wrap either */
	if (!cursor_ok(in)) {
		return NULL;
	}
	struct engine *e = engine_new(&config);

	e->seq = seq;
	return e;
}

static void get_member(struct engine *e, struct cursor *in, struct member **last)
{
	fail_unless(in, cursor_get_u8(in) == RECORD_MEMBER);
	uint32_t nodeid = cursor_get_u32(in);
	uint64_t incarnation = cursor_get_u64(in);
	uint8_t bits = cursor_get_u8(in);

	fail_unless(in, (bits & ~MEMBER_LOST) == 0);
	if (*last) {
		fail_unless(in, (*last)->nodeid < nodeid ||
					((*last)->nodeid == nodeid &&
					 (*last)->incarnation < incarnation));
	}
	if (!cursor_ok(in)) {
		return;
	}
	struct member *m = member_new(e, nodeid, incarnation);

	m->lost = bits & MEMBER_LOST;
	*last = m;
}

static void get_session(struct engine *e, struct cursor *in, struct session **last)
{
	fail_unless(in, cursor_get_u8(in) == RECORD_SESSION);
	uint32_t nodeid = cursor_get_u32(in);
	uint64_t incarnation = cursor_get_u64(in);
	uint32_t number = cursor_get_u32(in);
	uint8_t bits = cursor_get_u8(in);
	uint8_t personality = cursor_get_u8(in);
	uint64_t request_last = cursor_get_u64(in);
	uint32_t pid = cursor_get_u32(in);
	uint32_t uid = cursor_get_u32(in);
	const uint8_t *comm = cursor_get_bytes(in, LOCKSTEP_COMM_MAX);
	struct member *m = member_find(e, nodeid, incarnation);

	fail_unless(in, (bits & ~SESSION_ENDED) == 0);
	fail_unless(in, m != NULL);
	if (!cursor_ok(in)) {
		return;
	}
	struct session *s = session_new(e, m, number);

	s->request_last = request_last;
	s->pid = pid;
	s->uid = uid;
	s->personality = personality;
	memcpy(s->comm, comm, sizeof(s->comm));
	for (size_t i = strnlen(s->comm, sizeof(s->comm)); i < sizeof(s->comm); i++) {
		fail_unless(in, s->comm[i] == 0);
	}
	if (bits & SESSION_ENDED) {
		s->ended = true;
		e->sessions_ended_count++;
	}
	fail_unless(in, !*last || session_before(*last, s));
	*last = s;
}

static int get_mode(struct cursor *in)
{
	uint8_t byte = cursor_get_u8(in);

	fail_unless(in, byte < MODE_COUNT || byte == 0xff);
	return byte == 0xff ? LOCKSTEP_LOCK_IV : byte;
}

static void get_lock_wait(struct engine *e, struct cursor *in, struct lock *lock)
{
	lock_wait_begin(e, lock);
	lock->wait->queued_seq = cursor_get_u64(in);
	lock->wait->request = cursor_get_u64(in);
	lock->wait->timeout_cs = cursor_get_u32(in);
	uint8_t has_lvb = cursor_get_u8(in);

	fail_unless(in, has_lvb <= 1);
	if (has_lvb == 1) {
		const uint8_t *lvb = cursor_get_bytes(in, e->config.lvb_len);

		if (lvb) {
			lock->wait->lvb = malloc(e->config.lvb_len);
			ls_assert(lock->wait->lvb);
			memcpy(lock->wait->lvb, lvb, e->config.lvb_len);
		}
	}
}

/* Returns the lock, on its queue, or NULL when the cursor is failed. */
static struct lock *get_lock(struct engine *e, struct cursor *in, struct resource *r)
{
	fail_unless(in, cursor_get_u8(in) == RECORD_LOCK);
	uint32_t nodeid = cursor_get_u32(in);
	uint64_t incarnation = cursor_get_u64(in);
	uint32_t number = cursor_get_u32(in);
	uint32_t lkid = cursor_get_u32(in);
	uint8_t queue = cursor_get_u8(in);
	int granted = get_mode(in);
	int requested = get_mode(in);
	struct session *s = session_find(e, nodeid, incarnation, number);

	fail_unless(in, queue >= ENGINE_QUEUE_GRANTED && queue <= ENGINE_QUEUE_WAIT);
	fail_unless(in, s != NULL);
	fail_unless(in, !lock_find(e, nodeid, incarnation, lkid));
	if (!cursor_ok(in)) {
		return NULL;
	}
	struct lock *lock = lock_new(e, r, s, lkid);

	if (granted != LOCKSTEP_LOCK_IV) {
		lock_granted_set(e, lock, granted);
	}
	lock->requested = (int8_t)requested;
	lock->highbast = cursor_get_u8(in);
	lock->sb_flags = cursor_get_u8(in);
	lock->attr = cursor_get_u8(in);
	lock->flags = cursor_get_u32(in);
	lock->token = cursor_get_u64(in);
	lock->grant_index = cursor_get_u32(in);
	lock->created_seq = cursor_get_u64(in);
	lock->time_ms = cursor_get_u64(in);
	lock->xid = cursor_get_u64(in);
	lock->lvb_seq = cursor_get_u32(in);
	if (queue != ENGINE_QUEUE_GRANTED) {
		get_lock_wait(e, in, lock);
	}
	if (!cursor_ok(in)) {
		return NULL;
	}
	/* The order within the queue is looked at by engine_check(). */
	queue_append(e, lock, (enum engine_queue)queue);
	return lock;
}

/* True when the next byte announces a lock. */
static bool lock_follows(const struct cursor *in)
{
	return cursor_left(in) > 0 && in->data[in->offset] == RECORD_LOCK;
}

static void get_locks(struct engine *e, struct cursor *in, struct resource *r, uint64_t locks_max)
{
	uint8_t queue_last = ENGINE_QUEUE_GRANTED;

	while (e->locks.count < locks_max && lock_follows(in)) {
		const struct lock *lock = get_lock(e, in, r);

		if (!lock) {
			return;
		}
		fail_unless(in, lock->queue >= queue_last);
		queue_last = lock->queue;
	}
}

static void get_resource(struct engine *e, struct cursor *in, struct resource **last)
{
	fail_unless(in, cursor_get_u8(in) == RECORD_RESOURCE);
	uint8_t name_len = cursor_get_u8(in);

	fail_unless(in, name_len <= LOCKSTEP_NAME_MAX);
	const uint8_t *name = cursor_get_bytes(in, name_len);
	uint8_t bits = cursor_get_u8(in);
	uint32_t lvb_seq = cursor_get_u32(in);
	const uint8_t *lvb = NULL;

	fail_unless(in, (bits & ~(RESOURCE_HAS_LVB | RESOURCE_LVB_INVALID)) == 0);
	if (bits & RESOURCE_HAS_LVB) {
		lvb = cursor_get_bytes(in, e->config.lvb_len);
	}
	if (!cursor_ok(in)) {
		return;
	}
	if (*last && name_compare((*last)->name, (*last)->name_len, name, name_len) >= 0) {
		cursor_fail(in);
		return;
	}
	struct resource *r = resource_new(e, name, name_len);

	if (lvb) {
		resource_lvb_set(e, r, lvb);
	}
	r->lvb_seq = lvb_seq;
	r->lvb_invalid = bits & RESOURCE_LVB_INVALID;
	*last = r;
}

static void get_records(struct engine *e, struct cursor *in, const struct counts *counts)
{
	struct member *member_last = NULL;
	struct session *session_last = NULL;
	struct resource *resource_last = NULL;

	for (uint64_t i = 0; i < counts->members && cursor_ok(in); i++) {
		get_member(e, in, &member_last);
	}
	for (uint64_t i = 0; i < counts->sessions && cursor_ok(in); i++) {
		get_session(e, in, &session_last);
	}
	for (uint64_t i = 0; i < counts->resources && cursor_ok(in); i++) {
		get_resource(e, in, &resource_last);
		if (cursor_ok(in)) {
			get_locks(e, in, resource_last, counts->locks);
		}
	}
	fail_unless(in, e->locks.count == counts->locks);
}

int engine_snapshot_decode(struct cursor *in, struct engine **ret)
{
	struct counts counts;
	struct engine *e = get_header(in, &counts);

	if (!e) {
		return -EBADMSG;
	}
	get_records(e, in, &counts);
	records_flush(e);
	if (!cursor_ok(in) || engine_check(e)) {
		cursor_fail(in);
		(void)engine_free(e);
		return -EBADMSG;
	}
	*ret = e;
	return 0;
}
