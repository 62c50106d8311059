/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual time: what is to happen, in the order of (time, when it was asked for). Microseconds.
 * Nothing is ever cancelled; a handler that has become moot must notice by itself.
 */
#ifndef LOCKSTEP_TESTS_SIM_TIMELINE_H
#define LOCKSTEP_TESTS_SIM_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void timeline_fn(void *ctx, uint64_t a, uint64_t b);

struct timeline_item;

struct timeline {
	uint64_t now_us;
	uint64_t steps;
	uint64_t serial;
	struct timeline_item *heap;
	size_t count;
	size_t capacity;
};

void timeline_in(struct timeline *t, uint64_t delay_us, timeline_fn *fn, void *ctx, uint64_t a,
		 uint64_t b);
/* Runs the next item. False when nothing is left. */
bool timeline_step(struct timeline *t);
/* Time of the next item, UINT64_MAX when there is none. */
uint64_t timeline_next_us(const struct timeline *t);
void timeline_done(struct timeline *t);

#endif
