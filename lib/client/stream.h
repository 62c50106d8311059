/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection to the daemon through its Unix socket file: the frames of lib/ipc. Answers and events
 * share one stream, so an event that is met while an answer is waited for is kept, and the descriptor to
 * poll is one that is readable for those, too. Knows nothing of locks.
 */
#ifndef LOCKSTEP_CLIENT_STREAM_H
#define LOCKSTEP_CLIENT_STREAM_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct stream;

/* As transport_open(); -EUSERS the daemon takes no more of us. */
int stream_open(const char *path, uint8_t service, int64_t deadline, struct stream **ret);
struct stream *stream_free(struct stream *t);
int stream_fd(const struct stream *t);
/* As transport_call(), transport_event() and transport_wait(). */
int stream_call(struct stream *t, int32_t id, uint32_t tag, const struct buf *body,
		int64_t deadline, const uint8_t **ret_body, size_t *ret_size);
int stream_event(struct stream *t, const uint8_t **ret_body, size_t *ret_size);
int stream_wait(const struct stream *t, int64_t deadline);

#endif
