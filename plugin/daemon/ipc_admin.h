/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The administration service, "<ipc_name>-admin": status, listings and verbs. Its connections hold
 * no locks, and it answers also when locking is stopped.
 */
#ifndef LOCKSTEP_DAEMON_IPC_ADMIN_H
#define LOCKSTEP_DAEMON_IPC_ADMIN_H

struct daemon;
struct engine;
struct engine_lock_info;
struct ipc_admin;
struct ipc_stream_ops;
struct lockstep_lock_info;

/* For connections through the socket file; the service is the ipc_admin. */
extern const struct ipc_stream_ops ipc_admin_stream_ops;

/* A lock as programs are shown it. */
void ipc_lock_row(struct daemon *d, const struct engine *engine, const struct engine_lock_info *info,
		  struct lockstep_lock_info *ret);

/* 0 or a negative errno, as ipc_server_open(). */
int ipc_admin_open(struct daemon *d, struct ipc_admin **ret);
struct ipc_admin *ipc_admin_free(struct ipc_admin *a);

#endif
