/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The locks of this node's sessions as their home node sees them, by lkid.
 *
 *   submit LOCK ----> [ in flight ] --apply--> [ in the engine ] --its end--> [ ended ]
 * --> gone REPLY of an adoption ----------------------------^
 *
 * An ended lock stays in the table as long as callbacks of it wait here, so that its
 * number is not given out again before the last of them was delivered (R-LOCK-3). It
 * counts for nothing else.
 */
#include "config.h"

#include <stdlib.h>

#include "lib/base/assert.h"
#include "lib/base/digest.h"
#include "plugin/node/node_private.h"

#define LKID_MAX 0x7fffffffu

static size_t bucket_of(const struct space *s, uint32_t lkid)
{
	return (size_t)base_mix64(lkid) & (s->lock_hash_size - 1);
}

struct local_lock *local_lock_find(const struct space *s, uint32_t lkid)
{
	if (s->lock_hash_size == 0) {
		return NULL;
	}
	struct local_lock *l = s->lock_hash[bucket_of(s, lkid)];

	while (l && l->lkid != lkid) {
		l = l->hash_next;
	}
	return l;
}

struct local_lock *local_lock_of(const struct session *session, uint32_t lkid)
{
	struct local_lock *l = local_lock_find(session->space, lkid);

	return l && l->session == session && !l->ended ? l : NULL;
}

static void hash_grow(struct space *s)
{
	size_t old_size = s->lock_hash_size;
	struct local_lock **old = s->lock_hash;

	s->lock_hash_size = old_size ? old_size * 2 : 64;
	s->lock_hash = calloc(s->lock_hash_size, sizeof(s->lock_hash[0]));
	ls_assert(s->lock_hash);
	for (size_t i = 0; i < old_size; i++) {
		for (struct local_lock *l = old[i], *next; l; l = next) {
			size_t bucket = bucket_of(s, l->lkid);

			next = l->hash_next;
			l->hash_next = s->lock_hash[bucket];
			s->lock_hash[bucket] = l;
		}
	}
	free(old);
}

struct local_lock *local_lock_add(struct session *session, uint32_t lkid)
{
	struct space *s = session->space;
	struct local_lock *l = pool_get(&s->lock_pool);

	ls_assert(!local_lock_find(s, lkid));
	if (s->lock_count >= s->lock_hash_size) {
		hash_grow(s);
	}
	size_t bucket = bucket_of(s, lkid);

	l->lkid = lkid;
	l->session = session;
	l->hash_next = s->lock_hash[bucket];
	s->lock_hash[bucket] = l;
	s->lock_count++;
	list_push_tail(&session->locks, &l->item);
	session->locks_count++;
	return l;
}

static void remove_now(struct space *s, struct local_lock *l)
{
	struct local_lock **at = &s->lock_hash[bucket_of(s, l->lkid)];

	while (*at != l) {
		at = &(*at)->hash_next;
	}
	*at = l->hash_next;
	s->lock_count--;
	pool_put(&s->lock_pool, l);
}

void local_lock_end(struct local_lock *l)
{
	struct session *session = l->session;

	ls_assert(!l->ended);
	wait_end(l);
	session->in_flight -= l->awaited ? 1 : 0;
	list_remove(&l->item);
	session->locks_count--;
	l->ended = true;
	if (l->callbacks == 0) {
		remove_now(session->space, l);
	}
}

void local_lock_callback_gone(struct local_lock *l)
{
	ls_assert(l->callbacks > 0);
	l->callbacks--;
	if (l->ended && l->callbacks == 0) {
		remove_now(l->session->space, l);
	}
}

/* R-LOCK-2, R-LOCK-3: round and round, so that a number rests for 2^31 allocations. */
uint32_t local_lock_id_next(struct space *s)
{
	struct engine_lock_info info;

	do {
		s->lkid_last = s->lkid_last >= LKID_MAX ? 1 : s->lkid_last + 1;
	} while (local_lock_find(s, s->lkid_last) ||
		 engine_lock_find(s->engine, s->node->config.nodeid, s->incarnation,
				  s->lkid_last, &info));
	return s->lkid_last;
}
