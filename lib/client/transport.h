/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection to the daemon, through libqb or through a Unix socket file (stream.h): bytes there and
 * back, deadlines, and noticing at once that the daemon is gone. Knows nothing of locks. The body formats
 * are lib/ipc's.
 */
#ifndef LOCKSTEP_CLIENT_TRANSPORT_H
#define LOCKSTEP_CLIENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct transport;

/* Monotonic milliseconds; a deadline is a value of it, negative for "never". */
int64_t transport_now_ms(void);
int64_t transport_now_ns(void);
int64_t transport_deadline(int timeout_ms);
/* For poll(): milliseconds left, 0 when it is over, -1 for ever. */
int transport_remaining_ms(int64_t deadline);
/* Sleeps before another attempt. False at once when there is no time left. */
bool transport_pause(int64_t deadline, int ms);

/*
 * Connects to enum ipc_service @service of the daemon @name (NULL: $LOCKSTEP_IPC_NAME, then the default); a
 * name that begins with '/' is the path of a socket file. -EUNATCH nobody listens; -EACCES refused, or who
 * answers is neither root nor the caller's own user; -EUSERS it takes no more connections; -ETIMEDOUT;
 * -EINVAL name too long.
 */
int transport_open(const char *name, uint8_t service, int64_t deadline, struct transport **ret);
struct transport *transport_free(struct transport *t);
int transport_fd(const struct transport *t);
/* A new tag for a request. Never 0. */
uint32_t transport_tag(struct transport *t);

/*
 * One request and its response; responses with another tag are thrown away. *ret_body points into
 * the transport until the next call. -EAGAIN the daemon takes no requests now (nothing was sent);
 * -ETIMEDOUT no answer, which may still come; -ENOTCONN; -EBADMSG.
 */
int transport_call(struct transport *t, int32_t id, uint32_t tag, const struct buf *body,
		   int64_t deadline, const uint8_t **ret_body, size_t *ret_size);

/* The next event that is here already: its body, or -EAGAIN, -ENOTCONN, -EBADMSG. */
int transport_event(struct transport *t, const uint8_t **ret_body, size_t *ret_size);

/* Waits until there is something to read: 0; -ETIMEDOUT; -ENOTCONN the daemon has hung up (also
 * when unread bytes are left); -EINTR. */
int transport_wait(const struct transport *t, int64_t deadline);

#endif
