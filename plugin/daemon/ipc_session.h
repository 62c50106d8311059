/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session as the files of the sessions service see it: ipc_server.c has its connection and its end,
 * ipc_requests.c what the client asks for, ipc_events.c what it is told.
 */
#ifndef LOCKSTEP_DAEMON_IPC_SESSION_H
#define LOCKSTEP_DAEMON_IPC_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/ipc/ipc.h"
#include "plugin/daemon/ipc_link.h"
#include "plugin/daemon/killer.h"
#include "plugin/node/node.h"

struct daemon;

#define IPC_FLUSH_MS_MIN 1 /* the first wait for a client that does not read; the next ones are longer */

enum session_state {
	SESSION_CONNECTED = 0,
	SESSION_WAITING,
	SESSION_OPENING,
	SESSION_READY,
	SESSION_LOST,
};

struct session {
	struct list link; /* in ipc_server.sessions */
	struct ipc_server *server;
	struct ipc_link peer_link; /* down: the connection is closed */
	int fd;                  /* duplicate of the socket */
	node_conn conn;
	enum session_state state;
	int32_t open_status;
	uint16_t lvb_len;
	struct ipc_open open;
	struct killer_target peer;
	bool bound;   /* noted in the clients file */
	bool killing;
	bool kill_for_node; /* the node asked for it */
	uid_t uid;
	gid_t gid;
	/* Events of the moment go out as one message; `pack` holds libqb's header, the tag and rows. */
	struct list pack_link; /* in ipc_server.packing */
	struct buf pack;
	size_t pack_rows;
	struct list events;
	size_t backlog; /* rows in `events` */
	size_t backlog_bytes;
	bool overflowed; /* too many: its processes are being killed, events are thrown away */
	/* The answer of a SUBMIT that waits for an adoption; missing 0: none. */
	struct ipc_result *answer;
	uint32_t answer_tag;
	size_t answer_count;
	size_t answer_missing;
	uint64_t flush_ms;
	qb_loop_timer_handle flush_timer; /* with the link down: of closed_check() */
};

struct ipc_server {
	struct daemon *daemon;
	qb_ipcs_service_t *service;
	struct list sessions;
	size_t count;
	/* conn = serial << 16 | slot: found at once, never reused. */
	struct session **slots;
	size_t slots_count;
	uint64_t serial;
	struct list packing; /* sessions whose pack is not empty */
	struct ipc_submit submits[IPC_PACK_MAX];
	struct ipc_result results[IPC_PACK_MAX];
	/* One message, copied out of the memory we share with the client. */
	uint64_t in[IPC_MESSAGE_MAX / sizeof(uint64_t)];
	struct buf out;
};

/* --- ipc_server.c ------------------------------------------------------------------------- */

/* The session of a connection that still has one, or NULL. */
struct session *ipc_session_find(const struct ipc_server *s, node_conn conn);
/* Its processes get SIGKILL; the node hears of it, and the session ends, when they are gone (R-PROC-7). */
void ipc_session_kill(struct session *session);
/* No successor has to wait for its processes any more. */
void ipc_session_note_remove(struct session *session);
/* That, and nothing of it is left at the node. */
void ipc_session_unbind(struct session *session);

/* --- ipc_requests.c ----------------------------------------------------------------------- */

/* One message, wherever it came from; the bytes are ours. It is answered. */
void ipc_session_message(struct session *session, int32_t id, const uint8_t *body, size_t size);
/* Asks the node for the session that the client has asked for. 0 or a positive errno. */
int ipc_session_node_open(struct session *session);

/* --- ipc_events.c ------------------------------------------------------------------------- */

/* Sends what has waited for the client to read, as far as there is room. */
void ipc_session_flush(struct session *session);
/* Throws it away. */
void ipc_session_events_free(struct session *session);
void ipc_session_ready(struct session *session, int32_t status, uint16_t lvb_len);
void ipc_session_lost(struct session *session, int32_t status);
/* The answer to a SUBMIT. */
void ipc_session_results(struct session *session, uint32_t tag, const struct ipc_result *results,
			 size_t count);
#endif
