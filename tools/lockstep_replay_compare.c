/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep-replay --compare: the states at the end of two files side by side, resource by resource and lock
 * by lock, to the first difference. Meant for the dumps of two nodes whose replicas differed (R-DIG-2).
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/engine/engine.h"
#include "tools/lockstep_replay.h"

/* Copied out of one engine, in its own order. */
struct resources {
	struct engine_resource_info *list;
	size_t count, capacity;
};

struct locks {
	struct engine_lock_info *list;
	size_t count, capacity;
};

/* What a field is in the first and in the second. */
struct difference {
	const char *what;
	int64_t first, second;
};

static void *grow(void *list, size_t count, size_t *capacity, size_t size)
{
	if (count == *capacity) {
		*capacity = *capacity ? 2 * *capacity : 64;
		list = realloc(list, *capacity * size);
		if (!list) {
			abort();
		}
	}
	return list;
}

static bool resource_add(const struct engine_resource_info *r, void *arg)
{
	struct resources *to = arg;

	to->list = grow(to->list, to->count, &to->capacity, sizeof(*r));
	to->list[to->count++] = *r;
	return true;
}

static bool lock_add(const struct engine_lock_info *l, void *arg)
{
	struct locks *to = arg;

	to->list = grow(to->list, to->count, &to->capacity, sizeof(*l));
	to->list[to->count++] = *l;
	return true;
}

/* Unsigned bytes, a prefix first. */
static int name_order(const struct engine_resource_info *a, const struct engine_resource_info *b)
{
	size_t n = a->name_len < b->name_len ? a->name_len : b->name_len;
	int c = memcmp(a->name, b->name, n);

	return c != 0 ? c : a->name_len - b->name_len;
}

static void tell_place(const struct engine_resource_info *r, const struct engine_lock_info *l)
{
	(void)fputs("first difference: resource \"", stdout);
	for (size_t i = 0; i < r->name_len; i++) {
		if (r->name[i] > 0x20 && r->name[i] < 0x7f && r->name[i] != '\\' && r->name[i] != '"') {
			(void)putchar(r->name[i]);
		} else {
			(void)printf("\\x%02x", r->name[i]);
		}
	}
	(void)putchar('"');
	if (l) {
		(void)printf(", lock %u:0x%08x", l->nodeid, l->lkid);
	}
	(void)fputs(": ", stdout);
}

static bool field(struct difference *d, const char *what, uint64_t first, uint64_t second)
{
	*d = (struct difference){ what, (int64_t)first, (int64_t)second };
	return first != second;
}

static bool lock_fields_differ(const struct engine_lock_info *a, const struct engine_lock_info *b,
			       struct difference *d)
{
	return field(d, "queue", a->queue, b->queue) ||
	       field(d, "granted mode", (uint64_t)a->granted, (uint64_t)b->granted) ||
	       field(d, "requested mode", (uint64_t)a->requested, (uint64_t)b->requested) ||
	       field(d, "session", a->session, b->session) || field(d, "flags", a->flags, b->flags) ||
	       field(d, "token", a->token, b->token) ||
	       field(d, "seq of queueing", a->queued_seq, b->queued_seq) ||
	       field(d, "time", a->time_ms, b->time_ms) || field(d, "xid", a->xid, b->xid) ||
	       field(d, "pid", a->pid, b->pid) || field(d, "owner lost", a->lost, b->lost);
}

static bool resource_fields_differ(const struct engine_resource_info *a,
				   const struct engine_resource_info *b, struct difference *d)
{
	return field(d, "locks granted", a->granted_count, b->granted_count) ||
	       field(d, "locks converting", a->convert_count, b->convert_count) ||
	       field(d, "locks waiting", a->wait_count, b->wait_count) ||
	       field(d, "having a lock value", a->lvb_exists, b->lvb_exists) ||
	       field(d, "lock value marked invalid", a->lvb_invalid, b->lvb_invalid) ||
	       field(d, "sequence of the lock value", a->lvb_seq, b->lvb_seq) ||
	       field(d, "length of the lock value", a->lvb_len, b->lvb_len);
}

static void tell_fields(const struct difference *d)
{
	(void)printf("%s is %" PRId64 " in the first and %" PRId64 " in the second\n", d->what, d->first,
		     d->second);
}

static bool same_lock(const struct engine_lock_info *a, const struct engine_lock_info *b)
{
	return a->nodeid == b->nodeid && a->incarnation == b->incarnation && a->lkid == b->lkid;
}

static bool has(const struct locks *all, const struct engine_lock_info *l)
{
	for (size_t i = 0; i < all->count; i++) {
		if (same_lock(&all->list[i], l)) {
			return true;
		}
	}
	return false;
}

static bool locks_compare(const struct engine_resource_info *r, const struct locks *a, const struct locks *b)
{
	struct difference d;

	for (size_t i = 0; i < a->count || i < b->count; i++) {
		const struct engine_lock_info *first = i < a->count ? &a->list[i] : NULL;
		const struct engine_lock_info *second = i < b->count ? &b->list[i] : NULL;

		if (first && second && same_lock(first, second)) {
			if (!lock_fields_differ(first, second, &d)) {
				continue;
			}
			tell_place(r, first);
			tell_fields(&d);
		} else if (first && !has(b, first)) {
			tell_place(r, first);
			(void)puts("it is in the first only");
		} else if (second && !has(a, second)) {
			tell_place(r, second);
			(void)puts("it is in the second only");
		} else {
			tell_place(r, first ? first : second);
			(void)puts("its place in the queue");
		}
		return false;
	}
	return true;
}

static bool resource_compare(const struct engine *ea, const struct engine *eb,
			     const struct engine_resource_info *a, const struct engine_resource_info *b)
{
	struct locks la = { 0 }, lb = { 0 };
	struct difference d;
	bool same;

	engine_locks_visit(ea, a->name, a->name_len, lock_add, &la);
	engine_locks_visit(eb, b->name, b->name_len, lock_add, &lb);
	/* A lock says more than a count. */
	same = locks_compare(a, &la, &lb);
	if (same && resource_fields_differ(a, b, &d)) {
		tell_place(a, NULL);
		tell_fields(&d);
		same = false;
	} else if (same && a->lvb_len > 0 && memcmp(a->lvb, b->lvb, a->lvb_len) != 0) {
		tell_place(a, NULL);
		(void)puts("the bytes of the lock value");
		same = false;
	}
	free(la.list);
	free(lb.list);
	return same;
}

static bool resources_compare(const struct engine *ea, const struct engine *eb, const struct resources *a,
			      const struct resources *b)
{
	for (size_t i = 0, j = 0; i < a->count || j < b->count; i++, j++) {
		int order = i == a->count ? 1 : j == b->count ? -1 : name_order(&a->list[i], &b->list[j]);

		if (order != 0) {
			tell_place(order < 0 ? &a->list[i] : &b->list[j], NULL);
			(void)puts(order < 0 ? "it is in the first only" : "it is in the second only");
			return false;
		}
		if (!resource_compare(ea, eb, &a->list[i], &b->list[j])) {
			return false;
		}
	}
	return true;
}

bool replay_compare(const struct engine *a, const struct engine *b)
{
	struct resources ra = { 0 }, rb = { 0 };
	bool same;

	engine_resources_visit(a, resource_add, &ra);
	engine_resources_visit(b, resource_add, &rb);
	same = resources_compare(a, b, &ra, &rb);
	if (same && engine_digest(a) != engine_digest(b)) {
		if (engine_seq(a) != engine_seq(b)) {
			(void)printf("first difference: seq is %" PRIu64 " in the first and %" PRIu64
				     " in the second; resources and locks are equal\n",
				     engine_seq(a), engine_seq(b));
		} else {
			(void)puts("first difference: the sessions; resources and locks are equal");
		}
		same = false;
	} else if (same) {
		(void)puts("the states are equal");
	}
	free(ra.list);
	free(rb.list);
	return same;
}
