/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The few shapes all IPC messages are made of. Private to lib/ipc: what they look like on the wire
 * is said in ipc.h.
 */
#ifndef LOCKSTEP_IPC_WIRE_H
#define LOCKSTEP_IPC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct cursor;

void wire_prefix_put(struct buf *out, uint32_t tag);
uint32_t wire_prefix_get(struct cursor *in);

/* @text is a NUL terminated string in an array of @text_size bytes. */
void wire_text_put(struct buf *out, const char *text, size_t text_size);
void wire_text_get(struct cursor *in, char *ret, size_t ret_size);
/* A name of at most LOCKSTEP_NAME_MAX bytes; unused bytes of @ret become zero. */
void wire_name_put(struct buf *out, const uint8_t *name, uint8_t name_len);
void wire_name_get(struct cursor *in, uint8_t *ret, uint8_t *ret_len);

void wire_bool_put(struct buf *out, bool value);
bool wire_bool_get(struct cursor *in);
/* Reserved bytes: read, and refused when not zero. */
void wire_zero_get(struct cursor *in, size_t size);

#endif
