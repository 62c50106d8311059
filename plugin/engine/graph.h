/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wait-for graph of R-DLK-4, never built as such: a walk asks for the next edge of a vertex
 * and gets vertices that did not exist before. Nobody outside plugin/engine includes this.
 *
 * Ten thousand waiters in one queue are fifty million edges by the letter of R-DLK-4. So between
 * the transactions stand vertices that share edges:
 *
 *   HOLDERS(r, m)  the locks of resource r whose granted mode is m
 *   AHEAD(X)       the queued lock X and all that is ahead of it
 *
 *   transaction of L --> HOLDERS(r, m) --> transaction of each of them     type (a)
 *   transaction of L --> AHEAD(lock before L) --> its transaction          type (b)
 *                          `--> AHEAD(lock before that) --> ...
 *
 * Between two different transactions there is a way here exactly when there is one by the rule.
 * Only from a transaction to itself there may be one more (HOLDERS has L itself too), so whoever
 * asks about self edges (R-DLK-5) looks at the locks.
 */
#ifndef LOCKSTEP_ENGINE_GRAPH_H
#define LOCKSTEP_ENGINE_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin/engine/engine_private.h"

enum vertex_kind {
	VERTEX_TRANSACTION,
	VERTEX_HOLDERS,
	VERTEX_AHEAD,
};

struct vertex {
	enum vertex_kind kind;
	union {
		struct transaction *transaction;
		struct resource *resource; /* HOLDERS */
		struct lock *lock;	   /* AHEAD */
	} of;
	/* The next edge to give out. */
	struct list *at;
	uint8_t step;
	uint8_t mode; /* HOLDERS */
	/* For the walk's own use; 0 in a new vertex. */
	uint32_t low;
	uint32_t component;
	uint32_t parent;
	struct lock *via;
};

/* A resource on which something reached waits. */
struct graph_resource {
	struct resource *resource;
	uint32_t holders[MODE_COUNT]; /* number of the vertex and one, or 0 */
};

/* Vertices are numbered in the order in which they were found. */
struct graph {
	const struct engine *engine;
	struct vertex *vertices;
	uint32_t vertices_count;
	uint32_t vertices_capacity;
	struct graph_resource *resources;
	uint32_t resources_count;
	uint32_t resources_capacity;
	uint64_t edges_count; /* given out so far */
};

void graph_init(struct graph *g, const struct engine *e);
/* Takes the numbers off everything that was reached. */
void graph_done(struct graph *g);

uint32_t graph_transaction(struct graph *g, struct transaction *t);

/*
 * Gives the next edge of @from: *ret_to, and *ret_via: out of a transaction the waiting lock that
 * makes the edge, into one the lock that is waited for, else NULL. *ret_to is new when it was
 * vertices_count before. Returns false when there is no further edge.
 */
bool graph_next(struct graph *g, uint32_t from, uint32_t *ret_to, struct lock **ret_via);

/*
 * Finds everything that can be reached from @root, the only vertex so far, and numbers the
 * strongly connected components of two or more transactions from 1 on (vertex.component; 0 for
 * all others). Returns how many there are.
 */
uint32_t graph_components(struct graph *g, uint32_t root);

/* R-DLK-4: does @lock make edges, do edges lead to it; are these two in conflict (type a). */
bool lock_is_waiting(const struct lock *lock);
bool lock_is_blocking(const struct lock *lock);
bool mode_blocks(int granted, const struct lock *waiter);

#endif
