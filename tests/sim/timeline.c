/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>

#include "lib/base/assert.h"
#include "tests/sim/timeline.h"

struct timeline_item {
	uint64_t at_us;
	uint64_t serial;
	timeline_fn *fn;
	void *ctx;
	uint64_t a;
	uint64_t b;
};

static bool item_before(const struct timeline_item *x, const struct timeline_item *y)
{
	return x->at_us != y->at_us ? x->at_us < y->at_us : x->serial < y->serial;
}

static void sift_up(struct timeline *t, size_t i)
{
	struct timeline_item item = t->heap[i];

	while (i > 0 && item_before(&item, &t->heap[(i - 1) / 2])) {
		t->heap[i] = t->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	t->heap[i] = item;
}

static void sift_down(struct timeline *t, size_t i)
{
	struct timeline_item item = t->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= t->count) {
			break;
		}
		if (child + 1 < t->count && item_before(&t->heap[child + 1], &t->heap[child])) {
			child++;
		}
		if (!item_before(&t->heap[child], &item)) {
			break;
		}
		t->heap[i] = t->heap[child];
		i = child;
	}
	t->heap[i] = item;
}

void timeline_in(struct timeline *t, uint64_t delay_us, timeline_fn *fn, void *ctx, uint64_t a,
		 uint64_t b)
{
	if (t->count == t->capacity) {
		t->capacity = t->capacity ? 2 * t->capacity : 256;
		t->heap = realloc(t->heap, t->capacity * sizeof(*t->heap));
		ls_assert(t->heap);
	}
	t->heap[t->count] = (struct timeline_item){
		.at_us = t->now_us + delay_us,
		.serial = t->serial++,
		.fn = fn,
		.ctx = ctx,
		.a = a,
		.b = b,
	};
	sift_up(t, t->count++);
}

bool timeline_step(struct timeline *t)
{
	if (t->count == 0) {
		return false;
	}
	struct timeline_item item = t->heap[0];

	t->heap[0] = t->heap[--t->count];
	if (t->count > 0) {
		sift_down(t, 0);
	}
	ls_assert(item.at_us >= t->now_us);
	t->now_us = item.at_us;
	t->steps++;
	item.fn(item.ctx, item.a, item.b);
	return true;
}

uint64_t timeline_next_us(const struct timeline *t)
{
	return t->count > 0 ? t->heap[0].at_us : UINT64_MAX;
}

void timeline_done(struct timeline *t)
{
	free(t->heap);
	*t = (struct timeline){ 0 };
}
