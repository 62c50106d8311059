/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator's only source of chance: xoshiro256** seeded through splitmix64, so that one
 * 64-bit seed gives the same run on every machine.
 */
#ifndef LOCKSTEP_TESTS_SIM_PRNG_H
#define LOCKSTEP_TESTS_SIM_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
	uint64_t s[4];
};

void prng_seed(struct prng *r, uint64_t seed);
uint64_t prng_next(struct prng *r);
/* 0..n-1; n > 0. */
uint64_t prng_below(struct prng *r, uint64_t n);
/* lo..hi, both included. */
uint64_t prng_range(struct prng *r, uint64_t lo, uint64_t hi);
/* lo..hi, every order of magnitude equally likely. */
uint64_t prng_scale(struct prng *r, uint64_t lo, uint64_t hi);
/* True in @per_mille of 1000 cases. */
bool prng_chance(struct prng *r, unsigned int per_mille);

#endif
