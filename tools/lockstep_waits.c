/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who waits for whom: cycles among the sessions of a lockspace (R-DLK-3..6), found from the edges that
 * the daemon tells. Depth first, from the waiters that were asked about; a session that is met again on
 * the path closes a cycle.
 *
 * The edges are asked for one after the other while the cluster goes on, so a cycle may be made of
 * edges that never existed together. Therefore each is looked at a second time after the last of its
 * edges was found: what is unchanged in both looks existed at the moment between them, together.
 *
 * A lock of another transaction of the same session (xid of libdlm) counts as the session's here.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lockstep.h"

#define QUERIES_MAX 2000
#define DEPTH_MAX 64

struct session_key {
	uint32_t nodeid;
	uint32_t session;
};

struct search {
	struct lockstep_admin *admin;
	const char *space;
	struct waits *waits;
	struct session_key *done;
	size_t done_count;
	struct session_key path[DEPTH_MAX];
	struct wait_step steps[DEPTH_MAX]; /* from path[i] to path[i + 1] */
	size_t depth;
	unsigned int queries;
};

static struct session_key key_of(const struct lockstep_lock_info *lock)
{
	struct session_key key = { lock->nodeid, lock->session };

	return key;
}

static bool key_equal(struct session_key a, struct session_key b)
{
	return a.nodeid == b.nodeid && a.session == b.session;
}

const struct lockstep_lock_info *waits_of_session(const struct waits *w,
						  const struct lockstep_lock_info *lock)
{
	for (size_t i = 0; lock->session != 0 && i < w->locks.count; i++) {
		const struct lockstep_lock_info *other = &w->locks.lock[i];

		if (other->queue != 'G' && key_equal(key_of(other), key_of(lock))) {
			return other;
		}
	}
	return NULL;
}

/* --- the search -------------------------------------------------------------------------- */

struct edges {
	struct lockstep_blocker *edge;
	size_t count;
	size_t capacity;
};

static int edge_add(const struct lockstep_blocker *b, void *arg)
{
	struct edges *e = arg;

	if (e->count == e->capacity) {
		size_t capacity = e->capacity ? e->capacity * 2 : 16;
		void *more = realloc(e->edge, capacity * sizeof(*b));

		if (!more) {
			return -ENOMEM;
		}
		e->edge = more;
		e->capacity = capacity;
	}
	e->edge[e->count++] = *b;
	return 0;
}

static bool is_done(const struct search *s, struct session_key key)
{
	for (size_t i = 0; i < s->done_count; i++) {
		if (key_equal(s->done[i], key)) {
			return true;
		}
	}
	return false;
}

/* The edge in s->steps[s->depth - 1] leads back to path[@from]. */
static void cycle_keep(struct search *s, size_t from)
{
	struct waits *w = s->waits;

	if (w->cycles_count == WAIT_CYCLES_MAX) {
		w->cut = true;
		return;
	}
	struct wait_cycle *c = &w->cycles[w->cycles_count];

	c->count = s->depth - from;
	c->step = calloc(c->count, sizeof(*c->step));
	if (!c->step) {
		w->cut = true;
		return;
	}
	memcpy(c->step, &s->steps[from], c->count * sizeof(*c->step));
	w->cycles_count++;
}

static void session_visit(struct search *s, struct session_key key);

static void edge_follow(struct search *s, const struct lockstep_lock_info *lock,
			const struct lockstep_blocker *b)
{
	struct session_key to = key_of(&b->lock);
	struct wait_step *step = &s->steps[s->depth - 1];

	/* An orphan waits for nobody; who stands behind a request of its own is no deadlock (R-DLK-5). */
	if (to.session == 0 || (b->by_order && key_equal(to, key_of(lock)))) {
		return;
	}
	*step = (struct wait_step){ .waits = *lock, .blocker = *b };
	for (size_t i = 0; i < s->depth; i++) {
		if (key_equal(s->path[i], to)) {
			cycle_keep(s, i);
			return;
		}
	}
	/* Who waits for nothing is the end of a chain. */
	if (waits_of_session(s->waits, &b->lock) && !is_done(s, to)) {
		session_visit(s, to);
	}
}

static void session_visit(struct search *s, struct session_key key)
{
	if (s->depth == DEPTH_MAX) {
		s->waits->cut = true;
		return;
	}
	s->path[s->depth++] = key;
	for (size_t i = 0; i < s->waits->locks.count; i++) {
		const struct lockstep_lock_info *lock = &s->waits->locks.lock[i];
		struct edges edges = { 0 };

		if (lock->queue == 'G' || !key_equal(key_of(lock), key)) {
			continue;
		}
		if (++s->queries > QUERIES_MAX) {
			s->waits->cut = true;
			break;
		}
		/* It may have been granted meanwhile: then it has no edges. */
		(void)lockstep_admin_blockers(s->admin, s->space, lock->nodeid, lock->lkid, edge_add,
					      &edges);
		for (size_t j = 0; j < edges.count; j++) {
			edge_follow(s, lock, &edges.edge[j]);
		}
		free(edges.edge);
	}
	s->depth--;
	/* There is room: only sessions of the two lists are visited, and each once. */
	s->done[s->done_count++] = key;
}

/* --- the second look --------------------------------------------------------------------- */

static bool list_has(const struct lock_list *list, const struct lockstep_lock_info *lock)
{
	for (size_t i = 0; i < list->count; i++) {
		if (lock_same(&list->lock[i], lock)) {
			return true;
		}
	}
	return false;
}

static bool cycle_stands(const struct search *s, const struct wait_cycle *c)
{
	bool stands = true;

	for (size_t i = 0; stands && i < c->count; i++) {
		const struct wait_step *step = &c->step[i];
		struct lock_list now = { 0 };

		stands = lockstep_admin_locks(s->admin, s->space, step->waits.name,
					      step->waits.name_len, lock_list_add, &now) == 0 &&
			 list_has(&now, &step->waits) && list_has(&now, &step->blocker.lock);
		lock_list_done(&now);
	}
	return stands;
}

static bool cycle_has(const struct wait_cycle *c, struct session_key key)
{
	for (size_t i = 0; i < c->count; i++) {
		if (key_equal(key_of(&c->step[i].waits), key)) {
			return true;
		}
	}
	return false;
}

/* Does another cycle consist of some of this one's sessions, or, found earlier, of the same? */
static bool cycle_is_longer(const struct waits *w, size_t index)
{
	for (size_t i = 0; i < w->cycles_count; i++) {
		const struct wait_cycle *c = &w->cycles[i];
		bool within = i != index && (c->count < w->cycles[index].count ||
					     (c->count == w->cycles[index].count && i < index));

		for (size_t j = 0; within && j < c->count; j++) {
			within = cycle_has(&w->cycles[index], key_of(&c->step[j].waits));
		}
		if (within) {
			return true;
		}
	}
	return false;
}

/* Who has only queued up in a circle that exists without him is no news. */
static void cycles_shorten(struct waits *w)
{
	for (size_t i = w->cycles_count; i-- > 0;) {
		if (cycle_is_longer(w, i)) {
			free(w->cycles[i].step);
			memmove(&w->cycles[i], &w->cycles[i + 1],
				(--w->cycles_count - i) * sizeof(w->cycles[i]));
		}
	}
}

static void cycles_verify(struct search *s)
{
	struct waits *w = s->waits;
	size_t kept = 0;

	for (size_t i = 0; i < w->cycles_count; i++) {
		if (cycle_stands(s, &w->cycles[i])) {
			w->cycles[kept++] = w->cycles[i];
		} else {
			free(w->cycles[i].step);
		}
	}
	w->cycles_count = kept;
}

int waits_find(struct lockstep_admin *a, const char *space, const struct lock_list *from,
	       struct waits *ret)
{
	struct search s = { .admin = a, .space = space, .waits = ret };
	int error = lockstep_admin_contended(a, space, lock_list_add, &ret->locks);

	if (error) {
		return error;
	}
	/* Each lock brings at most its own session. */
	s.done = calloc(ret->locks.count + from->count + 1, sizeof(*s.done));
	if (!s.done) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < from->count; i++) {
		const struct lockstep_lock_info *lock = &from->lock[i];

		if (lock->queue != 'G' && !is_done(&s, key_of(lock))) {
			session_visit(&s, key_of(lock));
		}
	}
	cycles_verify(&s);
	cycles_shorten(ret);
	free(s.done);
	return 0;
}

void waits_done(struct waits *w)
{
	for (size_t i = 0; i < w->cycles_count; i++) {
		free(w->cycles[i].step);
	}
	lock_list_done(&w->locks);
	*w = (struct waits){ 0 };
}
