/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/pool.h"

#if defined(__SANITIZE_ADDRESS__)
#define POOL_IS_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_IS_MALLOC 1
#endif
#endif
#ifndef POOL_IS_MALLOC
#define POOL_IS_MALLOC 0
#endif

struct pool_slab {
	struct pool_slab *next;
	alignas(uint64_t) unsigned char objects[];
};

/* What a free object's first bytes are. */
struct pool_hole {
	struct pool_hole *next;
};

void pool_init(struct pool *p, size_t object_size, size_t objects_per_slab)
{
	size_t align = alignof(uint64_t);

	ls_assert(object_size > 0);
	ls_assert(objects_per_slab > 0);
	memset(p, 0, sizeof(*p));
	p->object_size = (object_size + align - 1) / align * align;
	p->objects_per_slab = objects_per_slab;
}

void pool_done(struct pool *p)
{
	ls_assert(p->used_count == 0);
	while (p->slabs) {
		struct pool_slab *slab = p->slabs;

		p->slabs = slab->next;
		free(slab);
	}
	p->free_first = NULL;
}

static void pool_grow(struct pool *p)
{
	struct pool_slab *slab = malloc(sizeof(*slab) + p->object_size * p->objects_per_slab);

	ls_assert(slab);
	slab->next = p->slabs;
	p->slabs = slab;
	/* From the last to the first, so that objects are handed out in address order. */
	for (size_t i = p->objects_per_slab; i > 0; i--) {
		void *at = slab->objects + (i - 1) * p->object_size;
		struct pool_hole *hole = at;

		hole->next = p->free_first;
		p->free_first = hole;
	}
}

void *pool_get(struct pool *p)
{
	p->used_count++;
	if (POOL_IS_MALLOC) {
		void *object = calloc(1, p->object_size);

		ls_assert(object);
		return object;
	}
	if (!p->free_first) {
		pool_grow(p);
	}
	struct pool_hole *hole = p->free_first;

	p->free_first = hole->next;
	memset(hole, 0, p->object_size);
	return hole;
}

void pool_put(struct pool *p, void *object)
{
	ls_assert(object);
	ls_assert(p->used_count > 0);
	p->used_count--;
	if (POOL_IS_MALLOC) {
		free(object);
		return;
	}
	struct pool_hole *hole = object;

	hole->next = p->free_first;
	p->free_first = hole;
}
