/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <xxhash.h>

#include "lib/base/digest.h"

uint64_t base_digest64(const void *data, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, size, seed);
}
