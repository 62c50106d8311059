/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where everything is kept: members, sessions, resources, locks, the tables that find them, and
 * the list of records that this apply changed. It keeps counts and indexes right and decides
 * nothing. Tables are only ever looked up by key; where an order matters the caller
 * collects and sorts, so no bucket order reaches an effect (R-DET-1).
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/digest.h"
#include "plugin/engine/engine_private.h"

#define TABLE_SIZE_MIN 64u
/* 32 MiB, whatever a snapshot says; where memory is dear (a fuzzer's) tables grow as they fill. */
#if defined(__SANITIZE_ADDRESS__)
#define TABLE_SIZE_EXPECTED_MAX TABLE_SIZE_MIN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TABLE_SIZE_EXPECTED_MAX TABLE_SIZE_MIN
#endif
#endif
#ifndef TABLE_SIZE_EXPECTED_MAX
#define TABLE_SIZE_EXPECTED_MAX (1u << 22)
#endif
#define LOCKS_PER_SLAB 256
#define RESOURCES_PER_SLAB 256
#define CROWDS_PER_SLAB 64
#define WAITS_PER_SLAB 64

/* --- tables --- */

static void table_resize(struct record_table *t, size_t size)
{
	struct record **buckets = calloc(size, sizeof(struct record *));

	ls_assert(buckets);
	for (size_t i = 0; i < t->size; i++) {
		struct record *record = t->buckets[i];

		while (record) {
			struct record *next = record->next;
			struct record **bucket = &buckets[record->hash & (size - 1)];

			record->next = *bucket;
			*bucket = record;
			record = next;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->size = size;
}

void table_insert(struct record_table *t, struct record *record, uint32_t hash)
{
	if (t->count >= t->size) {
		table_resize(t, t->size ? t->size * 2 : TABLE_SIZE_MIN);
	}
	struct record **bucket = &t->buckets[hash & (t->size - 1)];

	record->hash = hash;
	record->next = *bucket;
	*bucket = record;
	t->count++;
}

void table_remove(struct record_table *t, struct record *record)
{
	struct record **at = &t->buckets[record->hash & (t->size - 1)];

	while (*at != record) {
		ls_assert(*at);
		at = &(*at)->next;
	}
	*at = record->next;
	record->next = NULL;
	t->count--;
}

struct record *table_first(const struct record_table *t, uint32_t hash)
{
	return t->size ? t->buckets[hash & (t->size - 1)] : NULL;
}

void table_done(struct record_table *t)
{
	free(t->buckets);
	memset(t, 0, sizeof(*t));
}

/* Of a session number or an lkid on that node. */
static uint32_t owned_hash(uint32_t nodeid, uint64_t incarnation, uint32_t number)
{
	return (uint32_t)base_mix64(base_mix64((uint64_t)nodeid << 32 | number) ^ incarnation);
}

/* --- records --- */

static void record_note(struct engine *e, struct record *record)
{
	if (e->dirty_count == e->dirty_capacity) {
		size_t capacity = e->dirty_capacity ? e->dirty_capacity * 2 : 64;
		struct record **dirty = realloc(e->dirty, capacity * sizeof(struct record *));

		ls_assert(dirty);
		e->dirty = dirty;
		e->dirty_capacity = capacity;
	}
	e->dirty[e->dirty_count++] = record;
}

void record_dirty(struct engine *e, struct record *record)
{
	ls_assert(record->state != RECORD_DEAD);
	if (record->state == RECORD_CLEAN) {
		record->state = RECORD_DIRTY;
		record_note(e, record);
	}
}

static void record_dead(struct engine *e, struct record *record)
{
	ls_assert(record->state != RECORD_DEAD);
	if (record->state == RECORD_CLEAN) {
		record_note(e, record);
	}
	record->state = RECORD_DEAD;
}

/* Names of 1 to 8 bytes share a pool, those of 9 to 16, and so on. */
static struct pool *resource_pool(struct engine *e, size_t name_len)
{
	return &e->resource_pools[(name_len + 7) / 8];
}

static void record_free(struct engine *e, struct record *record)
{
	if (record->kind == RECORD_LOCK) {
		pool_put(&e->lock_pool, record_entry(record, struct lock));
	} else if (record->kind == RECORD_RESOURCE) {
		struct resource *r = record_entry(record, struct resource);

		free(r->lvb);
		if (r->crowd) {
			pool_put(&e->crowd_pool, r->crowd);
		}
		pool_put(resource_pool(e, r->name_len), r);
	} else if (record->kind == RECORD_SESSION) {
		free(record_entry(record, struct session));
	} else {
		free(record_entry(record, struct member));
	}
}

void records_watch(const struct engine *e)
{
	struct engine_lock_info info;

	/* What died is freed by the flush, so all of it can still be looked at. */
	for (size_t i = 0; i < e->dirty_count; i++) {
		const struct record *record = e->dirty[i];
		bool dead = record->state == RECORD_DEAD;

		if (record->kind == RECORD_LOCK) {
			lock_info_fill(record_entry(record, const struct lock), &info);
			e->watch_fn(&info, dead, e->watch_arg);
		} else if (record->kind == RECORD_MEMBER && !dead) {
			e->watch_fn(NULL, false, e->watch_arg);
		} else if (record->kind == RECORD_SESSION && !dead) {
			const struct session *s = record_entry(record, const struct session);

			/* Its end makes orphans of what is left. */
			for (struct list *at = s->locks.next; s->ended && at != &s->locks; at = at->next) {
				lock_info_fill(list_entry(at, const struct lock, session_link), &info);
				e->watch_fn(&info, false, e->watch_arg);
			}
		}
	}
}

void records_flush(struct engine *e)
{
	for (size_t i = 0; i < e->dirty_count; i++) {
		struct record *record = e->dirty[i];

		e->digest_sum -= record->digest;
		if (record->state == RECORD_DEAD) {
			record_free(e, record);
			continue;
		}
		record->digest = record_digest(e, record, &e->scratch);
		e->digest_sum += record->digest;
		record->state = RECORD_CLEAN;
	}
	e->dirty_count = 0;
}

/* Frees records until @budget runs out, from the last bucket on; the table is not one any more. An empty
 * bucket counts like a record. */
static size_t table_free_some(struct engine *e, struct record_table *t, size_t budget)
{
	/* With the last record it ends: a table that was made large for what a snapshot announced
	 * (store_expect()) has buckets that were never touched. */
	for (; t->count > 0 && budget > 0; budget--) {
		struct record *record = t->buckets[t->size - 1];

		if (!record) {
			t->size--;
			continue;
		}
		t->buckets[t->size - 1] = record->next;
		t->count--;
		if (record->kind == RECORD_LOCK) {
			lock_wait_end(e, record_entry(record, struct lock));
		}
		record_free(e, record);
	}
	if (t->count == 0) {
		t->size = 0;
		table_done(t);
	}
	return budget;
}

bool store_free_some(struct engine *e, size_t records)
{
	if (e->dirty_count > 0) {
		records_flush(e);
	}
	records = table_free_some(e, &e->locks, records);
	records = table_free_some(e, &e->resources, records);
	(void)table_free_some(e, &e->sessions, records);
	return e->locks.size == 0 && e->resources.size == 0 && e->sessions.size == 0;
}


void store_init(struct engine *e)
{
	list_init(&e->members);
	pool_init(&e->lock_pool, sizeof(struct lock), LOCKS_PER_SLAB);
	pool_init(&e->crowd_pool, sizeof(struct crowd), CROWDS_PER_SLAB);
	for (size_t i = 0; i < RESOURCE_POOLS; i++) {
		pool_init(&e->resource_pools[i], offsetof(struct resource, name) + 8 * i,
			  RESOURCES_PER_SLAB);
	}
	pool_init(&e->wait_pool, sizeof(struct lock_wait), WAITS_PER_SLAB);
	xids_init(e);
}

static void table_expect(struct record_table *t, uint64_t count)
{
	size_t size = TABLE_SIZE_MIN;

	while (size < count && size < TABLE_SIZE_EXPECTED_MAX) {
		size *= 2;
	}
	if (count > 0 && size > t->size) {
		table_resize(t, size);
	}
}

void store_expect(struct engine *e, uint64_t sessions, uint64_t resources, uint64_t locks)
{
	table_expect(&e->sessions, sessions);
	table_expect(&e->resources, resources);
	table_expect(&e->locks, locks);
}

void store_done(struct engine *e)
{
	(void)store_free_some(e, SIZE_MAX);
	xids_done(e);
	list_for_each_safe(at, &e->members) {
		record_free(e, &list_entry(at, struct member, link)->record);
	}
	pool_done(&e->lock_pool);
	pool_done(&e->crowd_pool);
	for (size_t i = 0; i < RESOURCE_POOLS; i++) {
		pool_done(&e->resource_pools[i]);
	}
	pool_done(&e->wait_pool);
	free(e->dirty);
	free(e->touched);
	buf_done(&e->scratch);
}

/* --- members and sessions --- */

struct member *member_find(const struct engine *e, uint32_t nodeid, uint64_t incarnation)
{
	/* At most as many as the lockspace has members, present and lost. */
	list_for_each(at, &e->members) {
		struct member *m = list_entry(at, struct member, link);

		if (m->nodeid == nodeid && m->incarnation == incarnation) {
			return m;
		}
	}
	return NULL;
}

struct member *member_new(struct engine *e, uint32_t nodeid, uint64_t incarnation)
{
	struct member *m = calloc(1, sizeof(*m));

	ls_assert(m);
	m->record.kind = RECORD_MEMBER;
	m->nodeid = nodeid;
	m->incarnation = incarnation;
	list_init(&m->sessions);
	list_init(&m->waits);
	list_push_tail(&e->members, &m->link);
	record_dirty(e, &m->record);
	return m;
}

struct session *session_find(const struct engine *e, uint32_t nodeid, uint64_t incarnation,
			     uint32_t number)
{
	uint32_t hash = owned_hash(nodeid, incarnation, number);

	for (struct record *at = table_first(&e->sessions, hash); at; at = at->next) {
		struct session *s = record_entry(at, struct session);

		if (at->hash == hash && s->number == number && s->member->nodeid == nodeid &&
		    s->member->incarnation == incarnation) {
			return s;
		}
	}
	return NULL;
}

struct session *session_new(struct engine *e, struct member *m, uint32_t number)
{
	struct session *s = calloc(1, sizeof(*s));

	ls_assert(s);
	s->record.kind = RECORD_SESSION;
	s->member = m;
	s->number = number;
	list_init(&s->locks);
	transaction_init(&s->transaction);
	list_push_tail(&m->sessions, &s->member_link);
	table_insert(&e->sessions, &s->record, owned_hash(m->nodeid, m->incarnation, number));
	record_dirty(e, &s->record);
	return s;
}

void session_remove(struct engine *e, struct session *s)
{
	struct member *m = s->member;

	ls_assert(s->locks_count == 0);
	if (s->ended) {
		e->sessions_ended_count--;
	}
	table_remove(&e->sessions, &s->record);
	list_remove(&s->member_link);
	record_dead(e, &s->record);
	if (list_empty(&m->sessions)) {
		list_remove(&m->link);
		record_dead(e, &m->record);
	}
}

/* --- resources --- */

struct resource *resource_find(const struct engine *e, const void *name, size_t name_len)
{
	uint32_t hash = (uint32_t)base_digest64(name, name_len, 0);

	for (struct record *at = table_first(&e->resources, hash); at; at = at->next) {
		struct resource *r = record_entry(at, struct resource);

		if (at->hash == hash && r->name_len == name_len &&
		    memcmp(r->name, name, name_len) == 0) {
			return r;
		}
	}
	return NULL;
}

struct resource *resource_new(struct engine *e, const void *name, size_t name_len)
{
	ls_assert(name_len <= LOCKSTEP_NAME_MAX);
	struct resource *r = pool_get(resource_pool(e, name_len));

	r->record.kind = RECORD_RESOURCE;
	list_init(&r->granted);
	r->name_len = (uint8_t)name_len;
	memcpy(r->name, name, name_len);
	table_insert(&e->resources, &r->record, (uint32_t)resource_name_hash(r));
	record_dirty(e, &r->record);
	return r;
}

uint64_t resource_name_hash(const struct resource *r)
{
	return base_digest64(r->name, r->name_len, 0);
}

void resource_lvb_set(struct engine *e, struct resource *r, const uint8_t *bytes)
{
	if (!r->lvb) {
		r->lvb = malloc(e->config.lvb_len);
		ls_assert(r->lvb);
	}
	memcpy(r->lvb, bytes, e->config.lvb_len);
	record_dirty(e, &r->record);
}

static bool resource_is_empty(const struct resource *r)
{
	return queue_count(r, ENGINE_QUEUE_GRANTED) == 0 &&
	       queue_count(r, ENGINE_QUEUE_CONVERT) == 0 && queue_count(r, ENGINE_QUEUE_WAIT) == 0;
}

/* --- locks --- */

struct lock *lock_find(const struct engine *e, uint32_t nodeid, uint64_t incarnation, uint32_t lkid)
{
	uint32_t hash = owned_hash(nodeid, incarnation, lkid);

	for (struct record *at = table_first(&e->locks, hash); at; at = at->next) {
		struct lock *lock = record_entry(at, struct lock);

		/* In most cases nothing behind the record itself has to be loaded. */
		if (at->hash != hash || lock->lkid != lkid) {
			continue;
		}
		if (lock->session->member->nodeid == nodeid &&
		    lock->session->member->incarnation == incarnation) {
			return lock;
		}
	}
	return NULL;
}

static void lock_attach(struct engine *e, struct lock *lock, struct session *s)
{
	lock->session = s;
	list_push_tail(&s->locks, &lock->session_link);
	s->locks_count++;
	s->granted_count += lock->granted != LOCKSTEP_LOCK_IV;
	if (s->ended) {
		e->orphans_count++;
	}
}

static void lock_detach(struct engine *e, struct lock *lock)
{
	struct session *s = lock->session;

	list_remove(&lock->session_link);
	s->locks_count--;
	s->granted_count -= lock->granted != LOCKSTEP_LOCK_IV;
	if (s->ended) {
		e->orphans_count--;
		if (s->locks_count == 0) {
			session_remove(e, s);
		}
	}
}

struct lock *lock_new(struct engine *e, struct resource *r, struct session *s, uint32_t lkid)
{
	struct lock *lock = pool_get(&e->lock_pool);
	const struct member *m = s->member;

	lock->record.kind = RECORD_LOCK;
	lock->resource = r;
	lock->lkid = lkid;
	lock->granted = LOCKSTEP_LOCK_IV;
	lock->requested = LOCKSTEP_LOCK_IV;
	list_init(&lock->queue_link);
	list_init(&lock->session_link);
	lock_attach(e, lock, s);
	s->member->locks_count++;
	table_insert(&e->locks, &lock->record, owned_hash(m->nodeid, m->incarnation, lkid));
	record_dirty(e, &lock->record);
	return lock;
}

void lock_remove(struct engine *e, struct lock *lock)
{
	struct resource *r = lock->resource;

	if (lock->queue != ENGINE_QUEUE_NONE) {
		queue_remove(e, lock);
	}
	lock_wait_end(e, lock);
	lock->session->member->locks_count--;
	lock_detach(e, lock);
	table_remove(&e->locks, &lock->record);
	record_dead(e, &lock->record);
	if (resource_is_empty(r)) {
		table_remove(&e->resources, &r->record);
		record_dead(e, &r->record);
	}
}

static void table_prefetch(const struct record_table *t, const struct record *record)
{
	__builtin_prefetch(&t->buckets[record->hash & (t->size - 1)]);
}

void lock_prefetch(const struct engine *e, const struct lock *lock)
{
	table_prefetch(&e->locks, &lock->record);
	table_prefetch(&e->resources, &lock->resource->record);
}

void lock_owner_set(struct engine *e, struct lock *lock, struct session *s)
{
	ls_assert(lock->session->member == s->member);
	ls_assert(!s->ended);
	lock_detach(e, lock);
	lock_attach(e, lock, s);
	record_dirty(e, &lock->record);
}

void lock_granted_set(struct engine *e, struct lock *lock, int mode)
{
	ls_assert(mode >= 0);
	ls_assert(mode < MODE_COUNT);
	/* Its place in G would be another one, and W is for those without a mode. */
	ls_assert(lock->queue == ENGINE_QUEUE_NONE || lock->queue == ENGINE_QUEUE_CONVERT);
	if (lock->granted == LOCKSTEP_LOCK_IV) {
		lock->session->granted_count++;
	}
	if (lock->queue == ENGINE_QUEUE_CONVERT) {
		crowd_count(lock->resource->crowd, lock, ENGINE_QUEUE_CONVERT, -1);
		e->held_count[lock->granted]--;
	}
	lock->granted = (int8_t)mode;
	if (lock->queue == ENGINE_QUEUE_CONVERT) {
		crowd_count(lock->resource->crowd, lock, ENGINE_QUEUE_CONVERT, 1);
		e->held_count[mode]++;
	}
	record_dirty(e, &lock->record);
}

void lock_wait_begin(struct engine *e, struct lock *lock)
{
	ls_assert(!lock->wait);
	lock->wait = pool_get(&e->wait_pool);
	lock->wait->lock = lock;
	list_push_tail(&lock->session->member->waits, &lock->wait->member_link);
	transaction_join(e, lock);
}

void lock_wait_end(struct engine *e, struct lock *lock)
{
	if (lock->wait) {
		list_remove(&lock->wait->member_link);
		transaction_leave(e, lock);
		free(lock->wait->lvb);
		pool_put(&e->wait_pool, lock->wait);
		lock->wait = NULL;
	}
}

bool lock_is_orphan(const struct lock *lock)
{
	return lock->session->ended;
}
