/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one hash of the project: 64 bit XXH3, for digests of replicated records and for the
 * buckets of our hash tables. The value of given bytes and seed is fixed for ever by its
 * specification, so replicas of different builds agree. Not a cryptographic hash.
 */
#ifndef LOCKSTEP_BASE_DIGEST_H
#define LOCKSTEP_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

uint64_t base_digest64(const void *data, size_t size, uint64_t seed);

/* Spreads the bits of @value over the whole result; a bijection. For keys that are numbers. */
static inline uint64_t base_mix64(uint64_t value)
{
	value = (value ^ (value >> 32)) * 0xd6e8feb86659fd93u;
	value = (value ^ (value >> 32)) * 0xd6e8feb86659fd93u;
	return value ^ (value >> 32);
}

#endif
