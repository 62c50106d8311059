/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/ipc/ipc.h"
#include "lib/ipc/wire.h"

void wire_prefix_put(struct buf *out, uint32_t tag)
{
	buf_put_u16(out, IPC_VERSION);
	buf_put_u16(out, 0);
	buf_put_u32(out, tag);
}

uint32_t wire_prefix_get(struct cursor *in)
{
	if (cursor_get_u16(in) != IPC_VERSION) {
		cursor_fail(in);
	}
	wire_zero_get(in, 2);
	return cursor_get_u32(in);
}

void wire_text_put(struct buf *out, const char *text, size_t text_size)
{
	size_t length = strnlen(text, text_size);

	ls_assert(length < text_size);
	buf_put_blob16(out, text, length);
}

void wire_text_get(struct cursor *in, char *ret, size_t ret_size)
{
	size_t length;
	const uint8_t *text = cursor_get_blob16(in, ret_size - 1, &length);

	memset(ret, 0, ret_size);
	if (!text) {
		return;
	}
	if (memchr(text, 0, length)) {
		cursor_fail(in);
		return;
	}
	memcpy(ret, text, length);
}

void wire_name_put(struct buf *out, const uint8_t *name, uint8_t name_len)
{
	ls_assert(name_len <= LOCKSTEP_NAME_MAX);
	buf_put_blob16(out, name, name_len);
}

void wire_name_get(struct cursor *in, uint8_t *ret, uint8_t *ret_len)
{
	size_t length;
	const uint8_t *name = cursor_get_blob16(in, LOCKSTEP_NAME_MAX, &length);

	memset(ret, 0, LOCKSTEP_NAME_MAX);
	if (name) {
		memcpy(ret, name, length);
	}
	*ret_len = (uint8_t)length;
}

void wire_bool_put(struct buf *out, bool value)
{
	buf_put_u8(out, value ? 1 : 0);
}

bool wire_bool_get(struct cursor *in)
{
	uint8_t value = cursor_get_u8(in);

	if (value > 1) {
		cursor_fail(in);
	}
	return value == 1;
}

void wire_zero_get(struct cursor *in, size_t size)
{
	const uint8_t *bytes = cursor_get_bytes(in, size);

	for (size_t i = 0; bytes && i < size; i++) {
		if (bytes[i] != 0) {
			cursor_fail(in);
			return;
		}
	}
}
