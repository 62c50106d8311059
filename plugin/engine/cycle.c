/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answer to "why does this lock not get on": a shortest cycle of the wait-for graph through
 * one waiting lock, lock by lock. Breadth first, and the graph's own list of vertices is the
 * queue: they are numbered as they are found.
 */
#include "config.h"

#include <stdlib.h>

#include "lib/base/assert.h"
#include "plugin/engine/graph.h"

struct edge {
	struct lock *waiter;
	struct lock *blocker;
};

struct cycle {
	struct edge *edges;
	size_t count;
};

/* Vertex 0 is the transaction of the lock that is asked about. Its way out is that lock only. */
struct cycle_search {
	struct graph graph;
	struct lock *lock;
	struct transaction *transaction;
	struct cycle *cycle;
};

/* @blocker is of the first transaction and was reached from @from: the cycle, backwards. */
static void cycle_close(struct cycle_search *s, uint32_t from, struct lock *blocker)
{
	const struct vertex *vertices = s->graph.vertices;
	struct cycle *cycle = s->cycle;
	size_t count = 0;

	/* No way is longer than there are vertices. */
	cycle->edges = malloc((s->graph.vertices_count + 1) * sizeof(struct edge));
	ls_assert(cycle->edges);
	for (uint32_t v = from; v != 0;) {
		struct lock *out = NULL;

		/* Back to the transaction; the vertex right behind it knows with what it waits. */
		while (vertices[v].kind != VERTEX_TRANSACTION) {
			out = vertices[v].via;
			v = vertices[v].parent;
		}
		ls_assert(out);
		cycle->edges[count].waiter = out;
		cycle->edges[count++].blocker = blocker;
		blocker = vertices[v].via;
		v = vertices[v].parent;
	}
	cycle->edges[count].waiter = s->lock;
	cycle->edges[count++].blocker = blocker;
	for (size_t i = 0; i < count / 2; i++) {
		struct edge edge = cycle->edges[i];

		cycle->edges[i] = cycle->edges[count - 1 - i];
		cycle->edges[count - 1 - i] = edge;
	}
	cycle->count = count;
}

/* Everybody that the lock itself waits for. Returns true when that is already a cycle: it waits
 * for a granted mode of its own transaction (R-DLK-5). */
static bool cycle_begin(struct cycle_search *s)
{
	struct graph *g = &s->graph;

	for (enum engine_queue queue = ENGINE_QUEUE_GRANTED; queue <= ENGINE_QUEUE_WAIT; queue++) {
		list_for_each(at, resource_queue(s->lock->resource, queue)) {
			struct lock *other = lock_of_link(at);
			bool conflict = mode_blocks(other->granted, s->lock);

			if (other == s->lock || !lock_is_blocking(other) ||
			    (!conflict && !lock_is_ahead(other, s->lock))) {
				continue;
			}
			struct transaction *t = lock_transaction(g->engine, other);

			if (t == s->transaction && conflict) {
				cycle_close(s, 0, other);
				return true;
			}
			if (t && t->vertex == 0) {
				uint32_t v = graph_transaction(g, t);

				g->vertices[v].via = other;
			}
		}
	}
	return false;
}

static void cycle_find(struct cycle_search *s)
{
	struct graph *g = &s->graph;
	struct lock *via;
	uint32_t to;

	(void)graph_transaction(g, s->transaction);
	if (cycle_begin(s)) {
		return;
	}
	for (uint32_t v = 1; v < g->vertices_count; v++) {
		uint32_t before = g->vertices_count;

		while (graph_next(g, v, &to, &via)) {
			if (to == 0) {
				cycle_close(s, v, via);
				return;
			}
			if (to == before) {
				g->vertices[to].parent = v;
				g->vertices[to].via = via;
				before++;
			}
		}
	}
}

bool engine_deadlock_visit(const struct engine *e, const struct engine_lock_info *of,
			   bool (*visit)(const struct engine_lock_info *waiter,
					 const struct engine_lock_info *blocker, bool by_order,
					 void *arg),
			   void *arg)
{
	struct lock *lock = lock_find(e, of->nodeid, of->incarnation, of->lkid);
	struct cycle cycle = { .count = 0 };

	if (!lock || !lock_is_waiting(lock)) {
		return false;
	}
	struct cycle_search s = {
		.lock = lock, .transaction = lock->wait->transaction, .cycle = &cycle,
	};

	graph_init(&s.graph, e);
	cycle_find(&s);
	graph_done(&s.graph);
	for (size_t i = 0; i < cycle.count; i++) {
		const struct edge *edge = &cycle.edges[i];
		bool by_order = !mode_blocks(edge->blocker->granted, edge->waiter);
		struct engine_lock_info infos[2];

		lock_info_fill(edge->waiter, &infos[0]);
		lock_info_fill(edge->blocker, &infos[1]);
		if (!visit(&infos[0], &infos[1], by_order, arg)) {
			break;
		}
	}
	free(cycle.edges);
	return cycle.count > 0;
}
