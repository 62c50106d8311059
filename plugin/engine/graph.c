/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The edges of the wait-for graph, one at a time. Drawn in graph.h.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/engine/graph.h"

void graph_init(struct graph *g, const struct engine *e)
{
	memset(g, 0, sizeof(*g));
	g->engine = e;
}

void graph_done(struct graph *g)
{
	for (uint32_t i = 0; i < g->vertices_count; i++) {
		const struct vertex *v = &g->vertices[i];

		if (v->kind == VERTEX_TRANSACTION) {
			v->of.transaction->vertex = 0;
		} else if (v->kind == VERTEX_AHEAD) {
			v->of.lock->wait->vertex = 0;
		}
	}
	for (uint32_t i = 0; i < g->resources_count; i++) {
		g->resources[i].resource->crowd->vertex = 0;
	}
	free(g->vertices);
	free(g->resources);
	memset(g, 0, sizeof(*g));
}

bool lock_is_waiting(const struct lock *lock)
{
	return lock->wait && !(lock->flags & LOCKSTEP_LKF_NODLCKWT);
}

bool lock_is_blocking(const struct lock *lock)
{
	return !(lock->flags & LOCKSTEP_LKF_NODLCKBLK);
}

bool mode_blocks(int granted, const struct lock *waiter)
{
	return !mode_compatible(granted, waiter->requested);
}

/* --- vertices --- */

static uint32_t vertex_new(struct graph *g, enum vertex_kind kind)
{
	if (g->vertices_count == g->vertices_capacity) {
		uint32_t capacity = g->vertices_capacity ? g->vertices_capacity * 2 : 64;
		struct vertex *vertices = realloc(g->vertices, capacity * sizeof(*vertices));

		ls_assert(vertices);
		g->vertices = vertices;
		g->vertices_capacity = capacity;
	}
	memset(&g->vertices[g->vertices_count], 0, sizeof(g->vertices[0]));
	g->vertices[g->vertices_count].kind = kind;
	return g->vertices_count++;
}

uint32_t graph_transaction(struct graph *g, struct transaction *t)
{
	if (t->vertex == 0) {
		uint32_t v = vertex_new(g, VERTEX_TRANSACTION);

		g->vertices[v].of.transaction = t;
		g->vertices[v].at = t->waits.next;
		t->vertex = v + 1;
	}
	return t->vertex - 1;
}

static struct graph_resource *graph_resource(struct graph *g, struct resource *r)
{
	if (r->crowd->vertex == 0) {
		if (g->resources_count == g->resources_capacity) {
			uint32_t capacity = g->resources_capacity ? g->resources_capacity * 2 : 16;
			struct graph_resource *resources =
				realloc(g->resources, capacity * sizeof(*resources));

			ls_assert(resources);
			g->resources = resources;
			g->resources_capacity = capacity;
		}
		memset(&g->resources[g->resources_count], 0, sizeof(g->resources[0]));
		g->resources[g->resources_count].resource = r;
		r->crowd->vertex = ++g->resources_count;
	}
	return &g->resources[r->crowd->vertex - 1];
}

static uint32_t vertex_holders(struct graph *g, struct resource *r, unsigned int mode)
{
	struct graph_resource *of = graph_resource(g, r);

	if (of->holders[mode] == 0) {
		uint32_t v = vertex_new(g, VERTEX_HOLDERS);

		g->vertices[v].of.resource = r;
		g->vertices[v].mode = (uint8_t)mode;
		g->vertices[v].step = ENGINE_QUEUE_GRANTED;
		g->vertices[v].at = resource_queue(r, ENGINE_QUEUE_GRANTED)->next;
		of->holders[mode] = v + 1;
	}
	return of->holders[mode] - 1;
}

static uint32_t vertex_ahead(struct graph *g, struct lock *lock)
{
	if (lock->wait->vertex == 0) {
		uint32_t v = vertex_new(g, VERTEX_AHEAD);

		g->vertices[v].of.lock = lock;
		lock->wait->vertex = v + 1;
	}
	return lock->wait->vertex - 1;
}

/* --- edges --- */

/* The step-th possible edge that @lock makes: one per mode, then the queue. */
static bool edge_of_wait(struct graph *g, const struct lock *lock, unsigned int step,
			 uint32_t *ret_to)
{
	struct resource *r = lock->resource;

	if (step < MODE_COUNT) { /* R-DLK-4 (a) */
		uint32_t others = resource_mode_count(r, (int)step) - (lock->granted == (int)step ? 1 : 0);

		if (others == 0 || !mode_blocks((int)step, lock)) {
			return false;
		}
		*ret_to = vertex_holders(g, r, step);
		return true;
	}
	/* R-DLK-4 (b) */
	struct lock *ahead = lock->flags & LOCKSTEP_LKF_NOORDER ? NULL : queue_ahead(lock);

	if (!ahead) {
		return false;
	}
	*ret_to = vertex_ahead(g, ahead);
	return true;
}

static bool next_of_transaction(struct graph *g, struct vertex *v, uint32_t *ret_to,
				struct lock **ret_via)
{
	while (v->at != &v->of.transaction->waits) {
		struct lock *lock = list_entry(v->at, struct lock_wait, transaction_link)->lock;

		if (v->step > MODE_COUNT || !lock_is_waiting(lock)) {
			v->at = v->at->next;
			v->step = 0;
			continue;
		}
		if (v->step == 0) {
			/* So that it is looked at for self edges even when it makes no other. */
			(void)graph_resource(g, lock->resource);
		}
		unsigned int step = v->step++;

		if (edge_of_wait(g, lock, step, ret_to)) { /* @v may have moved */
			*ret_via = lock;
			return true;
		}
	}
	return false;
}

/* The edge to the transaction of a lock that stands in the way. One that does not wait has no
 * edges, so it is left out. */
static bool edge_to_lock(struct graph *g, struct lock *lock, uint32_t *ret_to,
			 struct lock **ret_via)
{
	struct transaction *t =
		lock_is_blocking(lock) ? lock_transaction(g->engine, lock) : NULL;

	if (!t) {
		return false;
	}
	*ret_to = graph_transaction(g, t);
	*ret_via = lock;
	return true;
}

static bool next_of_holders(struct graph *g, struct vertex *v, uint32_t *ret_to,
			    struct lock **ret_via)
{
	struct resource *r = v->of.resource;

	for (;;) {
		if (v->at == resource_queue(r, (enum engine_queue)v->step)) {
			if (v->step == ENGINE_QUEUE_CONVERT) {
				return false;
			}
			v->step = ENGINE_QUEUE_CONVERT;
			v->at = resource_queue(r, ENGINE_QUEUE_CONVERT)->next;
			continue;
		}
		struct lock *lock = lock_of_link(v->at);

		v->at = v->at->next;
		if (lock->granted == v->mode && edge_to_lock(g, lock, ret_to, ret_via)) {
			return true;
		}
	}
}

static bool next_of_ahead(struct graph *g, struct vertex *v, uint32_t *ret_to,
			  struct lock **ret_via)
{
	struct lock *lock = v->of.lock;

	if (v->step == 0) {
		v->step = 1;
		if (edge_to_lock(g, lock, ret_to, ret_via)) {
			return true;
		}
	}
	struct lock *ahead = v->step == 1 ? queue_ahead(lock) : NULL;

	v->step = 2;
	if (!ahead) {
		return false;
	}
	*ret_to = vertex_ahead(g, ahead);
	*ret_via = NULL;
	return true;
}

bool graph_next(struct graph *g, uint32_t from, uint32_t *ret_to, struct lock **ret_via)
{
	struct vertex *v = &g->vertices[from];

	ls_assert(from < g->vertices_count);
	g->edges_count++;
	if (v->kind == VERTEX_TRANSACTION) {
		return next_of_transaction(g, v, ret_to, ret_via);
	}
	if (v->kind == VERTEX_HOLDERS) {
		return next_of_holders(g, v, ret_to, ret_via);
	}
	return next_of_ahead(g, v, ret_to, ret_via);
}
