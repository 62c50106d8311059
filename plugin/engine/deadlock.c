/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deadlock search (section 19): which of the requests that can be reached from a transaction are
 * deadlocked, and which one of them has to end. The outcome depends on the state alone: strongly
 * connected components are what they are in whatever order they are found, and no two waiting
 * locks have the same queueing seq.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/engine/graph.h"

/*
 * R-DLK-7 repeats the search after each victim. Whoever arranges for ten thousand victims must
 * not stop the cluster for minutes, so there is an end to what one op looks at: about a quarter
 * of a second. What is left is found by the next search, one period later, as long as somebody
 * waits. The count of edges is the same on every replica.
 */
#define EDGES_MAX (1u << 24)

/* The transactions of one component seen so far, as far as it matters: is there another one. */
struct seen {
	const struct transaction *first;
	bool more;
};

static void seen_add(struct seen *s, const struct transaction *t)
{
	if (!s->first) {
		s->first = t;
	} else if (s->first != t) {
		s->more = true;
	}
}

static bool seen_other(const struct seen *s, const struct transaction *t)
{
	return s->more || (s->first && s->first != t);
}

/* Of a component or a transaction, while the locks of one resource are gone through. */
struct component {
	uint32_t resource; /* number and one of the resource that the rest is about */
	struct seen holders[MODE_COUNT];
	struct seen ahead;
};

struct own {
	uint32_t resource;
	uint8_t holds[MODE_COUNT]; /* how many locks with that granted mode; 2 is many */
};

struct search {
	struct graph graph;
	struct component *components; /* by vertex.component; 0 is not used */
	struct own *owns;	      /* by vertex */
	uint32_t resource;	      /* number and one of the resource gone through */
	struct lock *victim;
};

static struct component *component_of(struct search *s, const struct transaction *t)
{
	uint32_t number = s->graph.vertices[t->vertex - 1].component;
	struct component *c = &s->components[number];

	if (number == 0) {
		return NULL;
	}
	if (c->resource != s->resource) {
		memset(c, 0, sizeof(*c));
		c->resource = s->resource;
	}
	return c;
}

static struct own *own_of(struct search *s, const struct transaction *t)
{
	struct own *own = &s->owns[t->vertex - 1];

	if (own->resource != s->resource) {
		memset(own, 0, sizeof(*own));
		own->resource = s->resource;
	}
	return own;
}

/* The transaction of @lock when the search reached it. */
static struct transaction *reached(const struct search *s, const struct lock *lock)
{
	struct transaction *t = lock_transaction(s->graph.engine, lock);

	return t && t->vertex != 0 ? t : NULL;
}

static void note_holder(struct search *s, const struct lock *lock)
{
	struct transaction *t = lock_is_blocking(lock) ? reached(s, lock) : NULL;

	if (!t) {
		return;
	}
	struct own *own = own_of(s, t);
	struct component *c = component_of(s, t);

	if (own->holds[lock->granted] < 2) {
		own->holds[lock->granted]++;
	}
	if (c) {
		seen_add(&c->holders[lock->granted], t);
	}
}

static void note_ahead(struct search *s, const struct lock *lock)
{
	struct transaction *t = lock_is_blocking(lock) ? reached(s, lock) : NULL;
	struct component *c = t ? component_of(s, t) : NULL;

	if (c) {
		seen_add(&c->ahead, t);
	}
}

/* R-DLK-5: @own has a lock that is not @lock itself and conflicts with it. */
static bool blocks_itself(const struct own *own, const struct lock *lock)
{
	for (int mode = 0; mode < MODE_COUNT; mode++) {
		bool itself = lock->granted == mode && lock_is_blocking(lock);

		if (own->holds[mode] > (itself ? 1 : 0) && mode_blocks(mode, lock)) {
			return true;
		}
	}
	return false;
}

/* R-DLK-6, for a waiting lock of a transaction that was reached, at its place in the queue. */
static bool is_deadlocked(struct search *s, const struct lock *lock, const struct transaction *t)
{
	const struct component *c = component_of(s, t);

	if (blocks_itself(own_of(s, t), lock)) {
		return true;
	}
	if (!c) {
		return false;
	}
	for (int mode = 0; mode < MODE_COUNT; mode++) {
		if (mode_blocks(mode, lock) && seen_other(&c->holders[mode], t)) {
			return true;
		}
	}
	return !(lock->flags & LOCKSTEP_LKF_NOORDER) && seen_other(&c->ahead, t);
}

/* R-DLK-7 */
static void victim_offer(struct search *s, struct lock *lock)
{
	const struct transaction *t = lock_is_waiting(lock) ? reached(s, lock) : NULL;

	/* R-DLK-1 */
	if (!t || lock->session->personality == ENGINE_PERSONALITY_LIBDLM) {
		return;
	}
	if (s->victim && s->victim->wait->queued_seq < lock->wait->queued_seq) {
		return;
	}
	if (is_deadlocked(s, lock, t)) {
		s->victim = lock;
	}
}

/* One pass over the locks of a resource, in the order in which they are ahead of each other. */
static void resource_look(struct search *s, const struct resource *r)
{
	for (enum engine_queue queue = ENGINE_QUEUE_GRANTED; queue <= ENGINE_QUEUE_CONVERT; queue++) {
		list_for_each(at, resource_queue(r, queue)) {
			note_holder(s, lock_of_link(at));
		}
	}
	for (enum engine_queue queue = ENGINE_QUEUE_CONVERT; queue <= ENGINE_QUEUE_WAIT; queue++) {
		list_for_each(at, resource_queue(r, queue)) {
			victim_offer(s, lock_of_link(at));
			note_ahead(s, lock_of_link(at));
		}
	}
}

/* The victim among what @t reaches, or NULL. Adds to *edges. */
static struct lock *victim_find(const struct engine *e, struct transaction *t, uint64_t *edges)
{
	struct search s = { .victim = NULL };

	graph_init(&s.graph, e);
	uint32_t components = graph_components(&s.graph, graph_transaction(&s.graph, t));

	s.components = calloc(components + 1, sizeof(*s.components));
	s.owns = calloc(s.graph.vertices_count, sizeof(*s.owns));
	ls_assert(s.components);
	ls_assert(s.owns);
	for (uint32_t i = 0; i < s.graph.resources_count; i++) {
		s.resource = i + 1;
		resource_look(&s, s.graph.resources[i].resource);
	}
	*edges += s.graph.edges_count;
	free(s.components);
	free(s.owns);
	graph_done(&s.graph);
	return s.victim;
}

void apply_deadlock_search(struct apply *a)
{
	struct engine *e = a->engine;
	const struct engine_op *op = a->op;
	const struct lock *lock = lock_find(e, op->nodeid, op->incarnation, op->lkid);
	uint64_t edges = 0;

	/* R-DLK-1, R-DLK-2; like a timeout it is void when the queueing it means is over. */
	if (e->config.deadlock_wait_ms == 0 || !lock || !lock_is_waiting(lock) ||
	    lock->wait->queued_seq != op->queued_seq ||
	    lock->session->personality == ENGINE_PERSONALITY_LIBDLM) {
		return;
	}
	e->stats.deadlock_searches++;
	struct session *session = lock->session;
	uint64_t xid = lock->xid;

	while (edges < EDGES_MAX) {
		/* Once its last wait is over a transaction is gone. */
		struct transaction *t = transaction_find(e, session, xid);
		struct lock *victim = t ? victim_find(e, t, &edges) : NULL;

		if (!victim) {
			return;
		}
		e->stats.deadlock_victims++;
		apply_cancel(a, victim, EDEADLK);
	}
}
