/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "lib/base/assert.h"
#include "tests/sim/prng.h"

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, unsigned int k)
{
	return (x << k) | (x >> (64 - k));
}

void prng_seed(struct prng *r, uint64_t seed)
{
	for (unsigned int i = 0; i < 4; i++) {
		r->s[i] = splitmix(&seed);
	}
}

uint64_t prng_next(struct prng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/* The bias of the modulo is far below anything a simulation can notice. */
uint64_t prng_below(struct prng *r, uint64_t n)
{
	ls_assert(n > 0);
	return (prng_next(r) >> 11) % n;
}

uint64_t prng_range(struct prng *r, uint64_t lo, uint64_t hi)
{
	ls_assert(lo <= hi);
	return lo + prng_below(r, hi - lo + 1);
}

uint64_t prng_scale(struct prng *r, uint64_t lo, uint64_t hi)
{
	unsigned int octaves = 1;

	while (lo << octaves < hi) {
		octaves++;
	}
	uint64_t from = lo << prng_below(r, octaves);
	uint64_t x = prng_range(r, from, 2 * from);

	return x < hi ? x : hi;
}

bool prng_chance(struct prng *r, unsigned int per_mille)
{
	return prng_below(r, 1000) < per_mille;
}
