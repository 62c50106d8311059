/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"

void buf_done(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

void buf_clear(struct buf *b)
{
	b->size = 0;
}

void buf_drop(struct buf *b, size_t size)
{
	ls_assert(size <= b->size);
	b->size -= size;
	if (b->size > 0 && size > 0) {
		memmove(b->data, b->data + size, b->size);
	}
}

void buf_grow(struct buf *b, size_t more)
{
	ls_assert(more <= SIZE_MAX / 4 - b->size);
	size_t capacity = b->capacity ? b->capacity : 256;

	while (capacity - b->size < more) {
		capacity *= 2;
	}
	uint8_t *data = realloc(b->data, capacity);

	ls_assert(data);
	b->data = data;
	b->capacity = capacity;
}

void buf_put_bytes(struct buf *b, const void *data, size_t size)
{
	buf_reserve(b, size);
	if (size > 0) {
		memcpy(b->data + b->size, data, size);
		b->size += size;
	}
}

void buf_put_blob16(struct buf *b, const void *data, size_t size)
{
	ls_assert(size <= UINT16_MAX);
	buf_put_u16(b, (uint16_t)size);
	buf_put_bytes(b, data, size);
}

void buf_set_u32(struct buf *b, size_t offset, uint32_t value)
{
	ls_assert(offset + 4 <= b->size);
	for (unsigned int i = 0; i < 4; i++) {
		b->data[offset + i] = (uint8_t)(value >> (8 * i));
	}
}

void buf_put_zero(struct buf *b, size_t n)
{
	buf_reserve(b, n);
	if (n > 0) {
		memset(b->data + b->size, 0, n);
		b->size += n;
	}
}

static const uint8_t *cursor_take(struct cursor *c, size_t size)
{
	if (c->failed || c->size - c->offset < size) {
		c->failed = true;
		return NULL;
	}
	const uint8_t *at = c->data + c->offset;

	c->offset += size;
	return at;
}

uint8_t cursor_get_u8(struct cursor *c)
{
	const uint8_t *at = cursor_take(c, 1);

	return at ? at[0] : 0;
}

uint16_t cursor_get_u16(struct cursor *c)
{
	const uint8_t *at = cursor_take(c, 2);
	uint16_t wire = 0;

	if (at) {
		memcpy(&wire, at, sizeof(wire));
	}
	return le16toh(wire);
}

uint32_t cursor_get_u32(struct cursor *c)
{
	const uint8_t *at = cursor_take(c, 4);
	uint32_t wire = 0;

	if (at) {
		memcpy(&wire, at, sizeof(wire));
	}
	return le32toh(wire);
}

uint64_t cursor_get_u64(struct cursor *c)
{
	const uint8_t *at = cursor_take(c, 8);
	uint64_t wire = 0;

	if (at) {
		memcpy(&wire, at, sizeof(wire));
	}
	return le64toh(wire);
}

const uint8_t *cursor_get_bytes(struct cursor *c, size_t size)
{
	static const uint8_t nothing;

	if (size == 0) {
		return c->failed ? NULL : &nothing;
	}
	return cursor_take(c, size);
}

const uint8_t *cursor_get_blob16(struct cursor *c, size_t size_max, size_t *ret_size)
{
	size_t size = cursor_get_u16(c);

	*ret_size = 0;
	if (size > size_max) {
		c->failed = true;
	}
	const uint8_t *at = cursor_get_bytes(c, size);

	if (at) {
		*ret_size = size;
	}
	return at;
}
