/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second way in: a listener on a Unix socket file, for programs that do not share the daemon's network
 * namespace and /dev/shm. The same messages as frames (lib/ipc/ipc.h), the same two services behind them.
 *
 * What one connection may take of the daemon's memory is bounded: one frame that is not whole yet, and
 * output of about three. Whoever does not read gets no further requests answered, and events are handed
 * back to the session, which keeps and counts them.
 */
#ifndef LOCKSTEP_DAEMON_IPC_STREAM_H
#define LOCKSTEP_DAEMON_IPC_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct daemon;
struct ipc_stream;
struct ipc_streams;

/* What a service does with its connections. */
struct ipc_stream_ops {
	/* 0 and *ret_owner, or a positive errno: refused, which the program is told. */
	int (*opened)(void *service, struct ipc_stream *t, void **ret_owner);
	void (*message)(void *owner, int32_t id, const uint8_t *body, size_t size);
	/* The stream is freed behind it. */
	void (*closed)(void *owner);
	/* Instead, when the daemon ends. NULL: the service sees to its own. */
	void (*forget)(void *owner);
};

/* Listens on settings->socket; without that *ret is NULL. 0 or a negative errno; -EADDRINUSE: another
 * daemon answers there. */
int ipc_streams_open(struct daemon *d, struct ipc_streams **ret);
/* Closes all connections. */
struct ipc_streams *ipc_streams_free(struct ipc_streams *s);

int ipc_stream_fd(const struct ipc_stream *t);
/* As they were when it connected. */
const struct ucred *ipc_stream_cred(const struct ipc_stream *t);
/* Goes out as the program reads. */
void ipc_stream_respond(struct ipc_stream *t, int32_t id, const void *body, size_t size);
/* 0; -EAGAIN: the program reads too slowly, nothing was taken. */
int ipc_stream_event(struct ipc_stream *t, const void *body, size_t size);

#endif
