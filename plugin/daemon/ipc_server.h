/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sessions service: one connection, one session (lib/ipc/ipc.h). Bytes of clients come
 * in here and are validated here; what the node says to a session goes out here.
 */
#ifndef LOCKSTEP_DAEMON_IPC_SERVER_H
#define LOCKSTEP_DAEMON_IPC_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <qb/qbipcs.h>

struct daemon;
struct ipc_open;
struct ipc_server;
struct ipc_stream_ops;
struct node_action;
struct node_attributes;

/* 0 or a negative errno; -EADDRINUSE: a daemon with this IPC name runs already. */
int ipc_server_open(struct daemon *d, struct ipc_server **ret);
struct ipc_server *ipc_server_free(struct ipc_server *s);

/* For connections through the socket file; the service is the ipc_server. */
extern const struct ipc_stream_ops ipc_server_stream_ops;

/* READY, CAST, BAST, LOST, KILL, REPLY, PREP, SLOT, DONE. Callbacks are packed: */
void ipc_server_action(struct ipc_server *s, const struct node_action *a);
/* ... and go out when the actions of the moment have been taken. */
void ipc_server_flush(struct ipc_server *s);
/* A node was made: sessions that wait for one are opened. */
void ipc_server_node_new(struct ipc_server *s);
/* The node was freed: whoever was on it is told, if that has not happened. */
void ipc_server_node_gone(struct ipc_server *s);

/* Has a client of that lockspace closed its session and is only not yet heard of? */
bool ipc_server_closing(const struct ipc_server *s, const char *space);
/* Connections that are open, and those of them that are bound to a lockspace. */
size_t ipc_server_bound_count(const struct ipc_server *s);
void ipc_server_users_log(const struct ipc_server *s);
/* The daemon goes. Sessions that hold nothing are lost, the processes of the others get SIGKILL;
 * daemon_stop_continue() as they go. */
void ipc_server_stop(struct ipc_server *s);

/* --- shared with the administration service ---------------------------------------------- */

/* What a caller wants of a lockspace, in the node's words. */
struct node_attributes ipc_open_attributes(const struct ipc_open *open);
/* The first rows of R-ERR-3: EINVAL, EBADR, and EEXIST when it is created @again. 0 or a positive
 * errno. */
int ipc_space_check(const struct daemon *d, const struct ipc_open *open, bool again);
/* May a message have that size? What a client claims beyond its own ring lies in memory of others. */
bool ipc_size_fits(qb_ipcs_connection_t *c, size_t size);
#endif
