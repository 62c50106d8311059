/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Collections in an order that depends on content only. Tables and lists have none that would be
 * the same on every replica; what walks all of something sorts it first (R-DET-1).
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"

int name_compare(const void *a, size_t a_len, const void *b, size_t b_len)
{
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

	if (order != 0) {
		return order;
	}
	return a_len < b_len ? -1 : a_len > b_len;
}

void lock_array_add(struct lock_array *array, struct lock *lock)
{
	if (array->count == array->capacity) {
		size_t capacity = array->capacity ? array->capacity * 2 : 64;
		struct lock **items = realloc(array->items, capacity * sizeof(struct lock *));

		ls_assert(items);
		array->items = items;
		array->capacity = capacity;
	}
	array->items[array->count++] = lock;
}

void lock_array_add_session(struct lock_array *array, const struct session *s)
{
	list_for_each(at, &s->locks) {
		lock_array_add(array, list_entry(at, struct lock, session_link));
	}
}

static int compare_created(const void *a, const void *b)
{
	const struct lock *x = *(struct lock *const *)a;
	const struct lock *y = *(struct lock *const *)b;

	if (x->created_seq != y->created_seq) {
		return x->created_seq < y->created_seq ? -1 : 1;
	}
	return x->lkid < y->lkid ? -1 : x->lkid > y->lkid;
}

void lock_array_sort_created(struct lock_array *array)
{
	if (array->count > 1) {
		qsort(array->items, array->count, sizeof(array->items[0]), compare_created);
	}
}

void lock_array_done(struct lock_array *array)
{
	free(array->items);
	memset(array, 0, sizeof(*array));
}

static int compare_resource(const void *a, const void *b)
{
	const struct resource *x = *(struct resource *const *)a;
	const struct resource *y = *(struct resource *const *)b;

	return name_compare(x->name, x->name_len, y->name, y->name_len);
}

void resources_sort(struct resource **items, size_t count)
{
	if (count > 1) {
		qsort(items, count, sizeof(struct resource *), compare_resource);
	}
}

struct resource **resources_sorted(const struct engine *e)
{
	size_t count = 0;

	if (e->resources.count == 0) {
		return NULL;
	}
	struct resource **items = malloc(e->resources.count * sizeof(struct resource *));

	ls_assert(items);
	for (size_t i = 0; i < e->resources.size; i++) {
		for (struct record *at = e->resources.buckets[i]; at; at = at->next) {
			items[count++] = record_entry(at, struct resource);
		}
	}
	ls_assert(count == e->resources.count);
	resources_sort(items, count);
	return items;
}

static bool member_before(const struct member *a, const struct member *b)
{
	if (a->nodeid != b->nodeid) {
		return a->nodeid < b->nodeid;
	}
	return a->incarnation < b->incarnation;
}

bool session_before(const struct session *a, const struct session *b)
{
	if (a->member != b->member) {
		return member_before(a->member, b->member);
	}
	return a->number < b->number;
}

static int compare_member(const void *a, const void *b)
{
	const struct member *x = *(struct member *const *)a;
	const struct member *y = *(struct member *const *)b;

	return member_before(x, y) ? -1 : member_before(y, x);
}

static int compare_session(const void *a, const void *b)
{
	const struct session *x = *(struct session *const *)a;
	const struct session *y = *(struct session *const *)b;

	return session_before(x, y) ? -1 : session_before(y, x);
}

struct owners_sorted owners_sort(const struct engine *e)
{
	struct owners_sorted owners = { .members_count = 0 };

	if (e->sessions.count == 0) {
		return owners;
	}
	/* No more members than sessions. */
	owners.members = malloc(e->sessions.count * sizeof(struct member *));
	owners.sessions = malloc(e->sessions.count * sizeof(struct session *));
	ls_assert(owners.members);
	ls_assert(owners.sessions);
	list_for_each(m_at, &e->members) {
		struct member *m = list_entry(m_at, struct member, link);

		ls_assert(owners.members_count < e->sessions.count);
		owners.members[owners.members_count++] = m;
		list_for_each(s_at, &m->sessions) {
			ls_assert(owners.sessions_count < e->sessions.count);
			owners.sessions[owners.sessions_count++] =
				list_entry(s_at, struct session, member_link);
		}
	}
	qsort(owners.members, owners.members_count, sizeof(struct member *), compare_member);
	qsort(owners.sessions, owners.sessions_count, sizeof(struct session *), compare_session);
	return owners;
}

void owners_sorted_done(struct owners_sorted *owners)
{
	free(owners->members);
	free(owners->sessions);
	memset(owners, 0, sizeof(*owners));
}
