/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strongly connected components of what can be reached from one transaction, by Tarjan's
 * algorithm ("Depth-first search and linear graph algorithms", 1972) with the recursion made a
 * list: a queue of waiters is a path as long as the queue.
 */
#include "config.h"

#include <stdlib.h>

#include "lib/base/assert.h"
#include "plugin/engine/graph.h"

struct stack {
	uint32_t *items;
	size_t count;
	size_t capacity;
};

static void push(struct stack *s, uint32_t v)
{
	if (s->count == s->capacity) {
		size_t capacity = s->capacity ? s->capacity * 2 : 64;
		uint32_t *items = realloc(s->items, capacity * sizeof(*items));

		ls_assert(items);
		s->items = items;
		s->capacity = capacity;
	}
	s->items[s->count++] = v;
}

struct walk {
	struct graph *graph;
	struct stack path; /* from the root to the vertex whose edges are looked at */
	struct stack open; /* found, and of no component yet */
	uint32_t components_count;
};

/* Vertices are numbered as they are found, so a number is the depth-first index too. While one is
 * open, .low is the smallest open number known to be reached from it, and .component is OPEN. */
#define OPEN UINT32_MAX

static void vertex_open(struct walk *w, uint32_t v)
{
	w->graph->vertices[v].low = v;
	w->graph->vertices[v].component = OPEN;
	push(&w->path, v);
	push(&w->open, v);
}

/* @v and all that is open above it are a component. Those of one transaction are number 0. */
static void component_close(struct walk *w, uint32_t v)
{
	struct vertex *vertices = w->graph->vertices;
	size_t first = w->open.count;
	size_t transactions = 0;

	do {
		ls_assert(first > 0);
		first--;
		transactions += vertices[w->open.items[first]].kind == VERTEX_TRANSACTION;
	} while (w->open.items[first] != v);
	uint32_t component = transactions > 1 ? ++w->components_count : 0;

	for (size_t i = first; i < w->open.count; i++) {
		vertices[w->open.items[i]].component = component;
	}
	w->open.count = first;
}

static void low_take(struct vertex *v, uint32_t low)
{
	if (low < v->low) {
		v->low = low;
	}
}

static void vertex_leave(struct walk *w, uint32_t v)
{
	struct vertex *vertices = w->graph->vertices;

	w->path.count--;
	if (vertices[v].low == v) {
		component_close(w, v);
	} else {
		/* The root reaches nothing smaller than itself, so somebody is below. */
		ls_assert(w->path.count > 0);
		low_take(&vertices[w->path.items[w->path.count - 1]], vertices[v].low);
	}
}

uint32_t graph_components(struct graph *g, uint32_t root)
{
	struct walk w = { .graph = g };
	struct lock *via;
	uint32_t to;

	ls_assert(root == 0);
	ls_assert(g->vertices_count == 1);
	vertex_open(&w, root);
	while (w.path.count > 0) {
		uint32_t v = w.path.items[w.path.count - 1];
		uint32_t before = g->vertices_count;

		if (!graph_next(g, v, &to, &via)) {
			vertex_leave(&w, v);
		} else if (to == before) {
			vertex_open(&w, to);
		} else if (g->vertices[to].component == OPEN) {
			low_take(&g->vertices[v], to);
		}
	}
	ls_assert(w.open.count == 0);
	free(w.path.items);
	free(w.open.items);
	return w.components_count;
}
