/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes out and bytes in. `struct buf` grows while something is encoded;
 * `struct cursor` reads foreign bytes, knows how many remain and remembers the
 * first error, so that a decoder checks once at its end. Little-endian
 * throughout. No I/O.
 */
#ifndef LOCKSTEP_BASE_BUF_H
#define LOCKSTEP_BASE_BUF_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Growing output. All zero is a valid empty one; buf_done() frees the bytes. */
struct buf {
	uint8_t *data;
	size_t size;     /* bytes written */
	size_t capacity; /* bytes allocated */
};

void buf_done(struct buf *b);
/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *b);
/* Forgets the first @size bytes; what is left moves to the front. */
void buf_drop(struct buf *b, size_t size);
/* Makes room for @more bytes. Aborts when there is no memory (see DESIGN 3.8: a node
 * that cannot go on stops and rejoins, it does not guess). */
static inline void buf_reserve(struct buf *b, size_t more);
/* The slow way of buf_reserve(). */
void buf_grow(struct buf *b, size_t more);

static inline void buf_put_u8(struct buf *b, uint8_t value);
static inline void buf_put_u16(struct buf *b, uint16_t value);
static inline void buf_put_u32(struct buf *b, uint32_t value);
static inline void buf_put_u64(struct buf *b, uint64_t value);
void buf_put_bytes(struct buf *b, const void *data, size_t size);
/* u16 length, then the bytes. @size at most 65535 (asserted). */
void buf_put_blob16(struct buf *b, const void *data, size_t size);
/* Overwrites four bytes written earlier at @offset. */
void buf_set_u32(struct buf *b, size_t offset, uint32_t value);
/* @n zero bytes. */
void buf_put_zero(struct buf *b, size_t n);

/* Input. After the first error every get returns zero and cursor_ok() is false. */
struct cursor {
	const uint8_t *data;
	size_t size;
	size_t offset;
	bool failed;
};

static inline struct cursor cursor_make(const void *data, size_t size)
{
	struct cursor c = { .data = (const uint8_t *)data, .size = size };
	return c;
}

static inline bool cursor_ok(const struct cursor *c)
{
	return !c->failed;
}

/* True when nothing failed and every byte was read: reject trailing bytes with this. */
static inline bool cursor_end(const struct cursor *c)
{
	return !c->failed && c->offset == c->size;
}

static inline size_t cursor_left(const struct cursor *c)
{
	return c->failed ? 0 : c->size - c->offset;
}

static inline void cursor_fail(struct cursor *c)
{
	c->failed = true;
}

uint8_t cursor_get_u8(struct cursor *c);
uint16_t cursor_get_u16(struct cursor *c);
uint32_t cursor_get_u32(struct cursor *c);
uint64_t cursor_get_u64(struct cursor *c);
/* Points into the input; NULL on error (and for size 0 a non-NULL pointer). */
const uint8_t *cursor_get_bytes(struct cursor *c, size_t size);
/* u16 length, at most @size_max, then the bytes. NULL and *ret_size 0 on error. */
const uint8_t *cursor_get_blob16(struct cursor *c, size_t size_max, size_t *ret_size);

static inline void buf_reserve(struct buf *b, size_t more)
{
	if (__builtin_expect(b->capacity - b->size < more, 0)) {
		buf_grow(b, more);
	}
}

static inline void buf_put_u8(struct buf *b, uint8_t value)
{
	buf_reserve(b, 1);
	b->data[b->size++] = value;
}

static inline void buf_put_u16(struct buf *b, uint16_t value)
{
	uint16_t wire = htole16(value);

	buf_reserve(b, sizeof(wire));
	memcpy(b->data + b->size, &wire, sizeof(wire));
	b->size += sizeof(wire);
}

static inline void buf_put_u32(struct buf *b, uint32_t value)
{
	uint32_t wire = htole32(value);

	buf_reserve(b, sizeof(wire));
	memcpy(b->data + b->size, &wire, sizeof(wire));
	b->size += sizeof(wire);
}

static inline void buf_put_u64(struct buf *b, uint64_t value)
{
	uint64_t wire = htole64(value);

	buf_reserve(b, sizeof(wire));
	memcpy(b->data + b->size, &wire, sizeof(wire));
	b->size += sizeof(wire);
}

#endif
