/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "tests/sim/arena.h"

enum { BLOCK_SIZE = 1 << 18 };

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(16) unsigned char data[];
};

void *arena_alloc(struct arena *a, size_t size)
{
	size = (size + 15) & ~(size_t)15;
	if (!a->blocks || a->blocks->size - a->used < size) {
		size_t block_size = size > BLOCK_SIZE ? size : BLOCK_SIZE;
		struct arena_block *b = malloc(sizeof(*b) + block_size);

		ls_assert(b);
		b->size = block_size;
		b->next = a->blocks;
		a->blocks = b;
		a->used = 0;
	}
	void *p = a->blocks->data + a->used;

	a->used += size;
	memset(p, 0, size);
	return p;
}

void *arena_copy(struct arena *a, const void *data, size_t size)
{
	void *p = arena_alloc(a, size);

	if (size > 0) {
		memcpy(p, data, size);
	}
	return p;
}

void arena_done(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	a->used = 0;
}
