/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who comes in, for all services and both transports: who may connect at all, how many may stand in the
 * door, and whether there are descriptors left for another one.
 */
#ifndef LOCKSTEP_DAEMON_IPC_GATE_H
#define LOCKSTEP_DAEMON_IPC_GATE_H

#include <stdbool.h>
#include <sys/types.h>

#include <qb/qbipcs.h>

struct daemon;

/* Who may administrate: root and the daemon's own user. */
bool ipc_privileged(uid_t uid);
/* Who may connect at all: root, the daemon's own user, members of ipc_group, and whom a rule of the
 * access file allows something. @c NULL: over the socket file. 0 or a
 * negative errno. */
int ipc_accept_check(struct daemon *d, qb_ipcs_connection_t *c, uid_t uid, gid_t gid);
/*
 * May a user do @operation (ACCESS_*, ipc_access.h) with @space, NULL for the whole node? @otherwise is what holds when
 * no rule of the access file says anything. 0 or a positive errno.
 */
int ipc_permission(const struct daemon *d, uid_t uid, gid_t gid, const char *space, unsigned int operation,
		   int otherwise);
/* Reads the access file again; when something is wrong with it everything stays as it is, and the log
 * says what. */
void ipc_access_reload(struct daemon *d);
/* Are so few descriptors left that the daemon needs them itself? It then takes no more connections. */
bool ipc_gate_descriptors_short(void);
/* As many descriptors as the system allows. */
void ipc_gate_descriptors_raise(void);

/* Gives @service the loop, and runs it. 0 or a negative errno, and libqb has freed it. */
int ipc_gate_run(struct daemon *d, qb_ipcs_service_t *service);
/* In connection_created(): the descriptor of @c, which has come through the door; -1: not known. */
int ipc_gate_passed(qb_ipcs_connection_t *c);

#endif
