/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that lives as long as one simulated run: taken in small pieces, zeroed, given back as a
 * whole. Events in the future may therefore point at anything without counting references.
 */
#ifndef LOCKSTEP_TESTS_SIM_ARENA_H
#define LOCKSTEP_TESTS_SIM_ARENA_H

#include <stddef.h>

struct arena_block;

/* All zero is a valid empty one. */
struct arena {
	struct arena_block *blocks;
	size_t used; /* of the first block */
};

void *arena_alloc(struct arena *a, size_t size);
void *arena_copy(struct arena *a, const void *data, size_t size);
void arena_done(struct arena *a);

#endif
