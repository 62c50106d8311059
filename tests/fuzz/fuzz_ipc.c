/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Foreign bytes into every decoder of the client protocol: the first byte chooses the message, the
 * rest is its body. Whatever is accepted must encode to the same bytes again.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "tests/lib/ipc_roundtrip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = { 0 };

	if (size == 0) {
		return 0;
	}
	if (ipc_roundtrip((enum ipc_shape)(data[0] % SHAPES_COUNT), data + 1, size - 1, &out) == 0) {
		ls_assert(out.size == size - 1);
		ls_assert(size == 1 || memcmp(out.data, data + 1, size - 1) == 0);
	}
	buf_done(&out);
	return 0;
}
