/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State as bytes and back (layout in snapshot_format.h), both in pieces: a state of a million locks
 * is written by a process that has nothing else to do, and read by one that has other lockspaces to
 * serve. Reading trusts nothing: what it builds is checked like any state, and bytes that another
 * writer would have written differently are refused, so that the same state has one form only.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"
#include "plugin/engine/snapshot_format.h"

#define WRITE_BYTES 65536 /* handed to the sink at a time, about */

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

struct writer {
	engine_sink *sink;
	void *arg;
	struct buf bytes;
};

static void writer_flush(struct writer *w, size_t least)
{
	if (w->bytes.size > 0 && w->bytes.size >= least) {
		w->sink(w->arg, w->bytes.data, w->bytes.size);
		buf_clear(&w->bytes);
	}
}

static void each_write(const struct engine *e, const struct record *record, void *arg)
{
	struct writer *w = arg;
	size_t before = w->bytes.size;

	record_put(e, record, &w->bytes);
	ls_assert(w->bytes.size - before <= SNAPSHOT_RECORD_MAX);
	writer_flush(w, WRITE_BYTES);
}

void engine_snapshot_write(const struct engine *e, engine_sink *sink, void *arg)
{
	struct writer w = { .sink = sink, .arg = arg };

	record_put_header(e, &w.bytes);
	records_walk(e, each_write, &w);
	writer_flush(&w, 1);
	buf_done(&w.bytes);
}

static void buf_sink(void *arg, const void *data, size_t size)
{
	buf_put_bytes(arg, data, size);
}

void engine_snapshot_encode(const struct engine *e, struct buf *out)
{
	engine_snapshot_write(e, buf_sink, out);
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

/* Records come one by one; each of them leaves the engine in a state that engine_free() takes. */
struct engine_reader {
	struct engine *engine; /* NULL before the header */
	struct counts counts;  /* by the header */
	struct counts seen;
	struct member *member_last;
	struct session *session_last;
	struct resource *resource_last; /* its locks are being read */
	uint8_t queue_last;
	bool failed;
	struct buf rest; /* less than a whole record may be, of what was fed */
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
	store_expect(e, counts->sessions, counts->resources, counts->locks);
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

/* R-Q-1. What is counted about a queue is counted by mode, so this comes before the lock is on one. */
static bool queue_takes(uint8_t queue, int granted, int requested)
{
	bool holds = granted != LOCKSTEP_LOCK_IV;
	bool asks = requested != LOCKSTEP_LOCK_IV;

	switch (queue) {
	case ENGINE_QUEUE_GRANTED:
		return holds && !asks;
	case ENGINE_QUEUE_CONVERT:
		return holds && asks;
	case ENGINE_QUEUE_WAIT:
		return !holds && asks;
	default:
		return false;
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

	fail_unless(in, queue_takes(queue, granted, requested));
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

/* All locks of the last resource are there. */
static bool resource_good(const struct engine_reader *r)
{
	size_t totals[QUEUE_COUNT] = { 0 };

	return !r->resource_last || !check_resource(r->engine, r->resource_last, totals);
}

static bool reader_complete(const struct engine_reader *r)
{
	return r->engine && r->seen.members == r->counts.members &&
	       r->seen.sessions == r->counts.sessions && r->seen.resources == r->counts.resources &&
	       r->seen.locks == r->counts.locks;
}

/* The next record; one more must be due. A failed cursor says that it is none. */
static void read_record(struct engine_reader *r, struct cursor *in)
{
	if (!r->engine) {
		r->engine = get_header(in, &r->counts);
		return;
	}
	struct engine *e = r->engine;

	if (r->seen.members < r->counts.members) {
		get_member(e, in, &r->member_last);
		r->seen.members++;
	} else if (r->seen.sessions < r->counts.sessions) {
		get_session(e, in, &r->session_last);
		r->seen.sessions++;
	} else if (r->resource_last && r->seen.locks < r->counts.locks && lock_follows(in)) {
		const struct lock *lock = get_lock(e, in, r->resource_last);

		fail_unless(in, lock && lock->queue >= r->queue_last);
		r->queue_last = lock ? lock->queue : r->queue_last;
		r->seen.locks++;
	} else {
		fail_unless(in, r->seen.resources < r->counts.resources && resource_good(r));
		get_resource(e, in, &r->resource_last);
		r->queue_last = ENGINE_QUEUE_GRANTED;
		r->seen.resources++;
	}
	records_flush(e);
}

/* What could not be looked at record by record. */
static bool reader_good(const struct engine_reader *r)
{
	return resource_good(r) && r->engine->seq >= r->engine->config.seq_base &&
	       !check_owners_kept(r->engine);
}

struct engine_reader *engine_reader_new(void)
{
	struct engine_reader *r = calloc(1, sizeof(*r));

	ls_assert(r);
	return r;
}

struct engine_reader *engine_reader_free(struct engine_reader *r)
{
	if (r) {
		(void)engine_free(r->engine);
		buf_done(&r->rest);
		free(r);
	}
	return NULL;
}

struct engine *engine_reader_abandon(struct engine_reader *r)
{
	struct engine *e = r ? r->engine : NULL;

	if (r) {
		r->engine = NULL;
		(void)engine_reader_free(r);
	}
	return e;
}

/* Reads records while @left_min bytes are there and one is due. */
static void read_records(struct engine_reader *r, struct cursor *in, size_t left_min)
{
	while (cursor_left(in) >= left_min && !reader_complete(r)) {
		read_record(r, in);
		if (!cursor_ok(in)) {
			r->failed = true;
			return;
		}
	}
}

int engine_reader_feed(struct engine_reader *r, const void *data, size_t size)
{
	if (r->failed) {
		return -EBADMSG;
	}
	buf_put_bytes(&r->rest, data, size);
	struct cursor in = cursor_make(r->rest.data, r->rest.size);

	read_records(r, &in, SNAPSHOT_RECORD_MAX);
	r->failed = r->failed || (reader_complete(r) && !cursor_end(&in)); /* trailing bytes */
	if (r->failed) {
		return -EBADMSG;
	}
	buf_drop(&r->rest, in.offset);
	return 0;
}

int engine_reader_end(struct engine_reader *r, struct engine **ret)
{
	struct cursor in = cursor_make(r->rest.data, r->rest.size);

	if (!r->failed) {
		read_records(r, &in, 1);
	}
	if (r->failed || !cursor_end(&in) || !reader_complete(r) || !reader_good(r)) {
		r->failed = true;
		return -EBADMSG;
	}
	*ret = r->engine;
	r->engine = NULL;
	r->failed = true; /* used up */
	return 0;
}

void engine_reader_progress(const struct engine_reader *r, uint64_t *ret_done, uint64_t *ret_total)
{
	*ret_done = r->seen.members + r->seen.sessions + r->seen.resources + r->seen.locks;
	*ret_total = r->counts.members + r->counts.sessions + r->counts.resources + r->counts.locks;
}

int engine_snapshot_decode(struct cursor *in, struct engine **ret)
{
	struct engine_reader r = { .engine = NULL };

	read_records(&r, in, 1);
	if (!cursor_ok(in) || !reader_complete(&r) || !reader_good(&r)) {
		cursor_fail(in);
		(void)engine_free(r.engine);
		return -EBADMSG;
	}
	*ret = r.engine;
	return 0;
}
