/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Objects of one size, taken from slabs and kept on a free list: no malloc per object, no
 * overhead per object. Slabs go back to the system with pool_done() only. In a build with the
 * address sanitizer every object is a malloc of its own, so that a use after pool_put() is seen.
 */
#ifndef LOCKSTEP_BASE_POOL_H
#define LOCKSTEP_BASE_POOL_H

#include <stddef.h>

struct pool_slab;

struct pool {
	struct pool_slab *slabs;
	void *free_first;
	size_t object_size;
	size_t objects_per_slab;
	size_t used_count; /* objects handed out */
};

void pool_init(struct pool *p, size_t object_size, size_t objects_per_slab);
/* Frees every slab. All objects must have been put back (asserted). */
void pool_done(struct pool *p);
/* A zeroed object, aligned for pointers and 64-bit numbers. Aborts when there is no memory. */
void *pool_get(struct pool *p);
void pool_put(struct pool *p, void *object);

#endif
