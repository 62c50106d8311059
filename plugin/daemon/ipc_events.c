/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a session's client is told: callbacks, packed while the node has more of them, and kept in order
 * here while the client does not read; the readiness and the loss of its session; the answers to what it
 * has submitted.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <qb/qbdefs.h>

#include "lib/base/assert.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/ipc_recovery.h"
#include "plugin/daemon/ipc_server.h"
#include "plugin/daemon/ipc_session.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"

#define FLUSH_MS_MAX 50

/* An event message that did not fit into the client's ring. */
struct event {
	struct list link;
	size_t rows;
	size_t size;
	uint8_t data[];
};

static void flush_later(struct session *session);

static bool event_send(struct session *session, void *message, size_t size)
{
	int rc = ipc_link_event(&session->peer_link, message, size);

	if (rc != 0 && rc != -EAGAIN) {
		/* The connection is about to close; we are told. */
		qb_log(LOG_DEBUG, "event for pid %ld: %s", (long)session->peer.pid, strerror(-rc));
	}
	return rc == 0;
}

/* R-CAST-5: what a client does not take counts for its quota. */
static void backlog_tell(const struct session *session)
{
	struct node *node = session->server->daemon->node;

	if (node) {
		node_session_backlog(node, session->conn, session->backlog);
	}
}

void ipc_session_flush(struct session *session)
{
	bool some = !list_empty(&session->events);

	while (ipc_link_up(&session->peer_link) && !list_empty(&session->events)) {
		struct event *e = list_entry(session->events.next, struct event, link);

		if (!event_send(session, e->data, e->size)) {
			flush_later(session);
			break;
		}
		session->flush_ms = IPC_FLUSH_MS_MIN;
		session->backlog -= e->rows;
		session->backlog_bytes -= e->size;
		list_remove(&e->link);
		free(e);
	}
	if (some) {
		backlog_tell(session);
	}
}

void ipc_session_events_free(struct session *session)
{
	list_for_each_safe (pos, &session->events) {
		free(list_entry(pos, struct event, link));
	}
}

static void flush_due(void *arg)
{
	struct session *session = arg;

	session->flush_timer = 0;
	ipc_session_flush(session);
}

static void flush_later(struct session *session)
{
	if (!session->flush_timer) {
		daemon_timer(session->server->daemon, QB_LOOP_MED, session->flush_ms, session,
			     flush_due, &session->flush_timer);
		session->flush_ms = QB_MIN(session->flush_ms * 2, FLUSH_MS_MAX);
	}
}

/* Who reads so little that its backlog would be a danger to the daemon loses its session; since it may believe
 * in its locks, with its processes (R-PROC-7). */
static void overflow(struct session *session)
{
	session->overflowed = true;
	qb_log(LOG_ERR, "%s, pid %ld, uid %u, lockspace \"%s\", has %zu bytes of callbacks waiting and reads none (session_backlog_bytes): its session is lost",
	       session->open.comm, (long)session->peer.pid, session->uid, session->open.space,
	       session->backlog_bytes);
	ipc_session_kill(session);
}

/* Never lost and in order: what does not fit waits here. The bound is the node's quota of undelivered
 * completions at the entrance (R-CAST-5), and one in bytes, which only a client that stands still reaches. */
static void pack_send(struct session *session)
{
	struct event *e;

	list_remove(&session->pack_link);
	if (session->pack_rows == 0) {
		return;
	}
	if (ipc_link_up(&session->peer_link) && (!list_empty(&session->events) ||
			   !event_send(session, session->pack.data, session->pack.size))) {
		e = malloc(sizeof(*e) + session->pack.size);
		ls_assert(e != NULL);
		e->rows = session->pack_rows;
		e->size = session->pack.size;
		memcpy(e->data, session->pack.data, session->pack.size);
		list_push_tail(&session->events, &e->link);
		session->backlog += e->rows;
		session->backlog_bytes += e->size;
		backlog_tell(session);
		flush_later(session);
		if (session->backlog_bytes > session->server->daemon->settings->session_backlog_bytes) {
			overflow(session);
		}
	}
	session->pack_rows = 0;
}

static void event_push(struct session *session, const struct ipc_event *event)
{
	struct buf *pack = &session->pack;

	if (!ipc_link_up(&session->peer_link) || session->overflowed) {
		return;
	}
	if (session->pack_rows == IPC_PACK_MAX ||
	    (session->pack_rows > 0 && pack->size + IPC_EVENT_ROW_MAX > IPC_BODY_MAX)) {
		pack_send(session);
	}
	if (session->pack_rows == 0) {
		buf_clear(pack);
		buf_put_zero(pack, sizeof(struct qb_ipc_response_header));
		ipc_tag_encode(pack, 0);
		list_push_tail(&session->server->packing, &session->pack_link);
	}
	ipc_event_encode(event, pack);
	session->pack_rows++;
}

void ipc_server_flush(struct ipc_server *s)
{
	while (!list_empty(&s->packing)) {
		pack_send(list_entry(s->packing.next, struct session, pack_link));
	}
}

void ipc_session_ready(struct session *session, int32_t status, uint16_t lvb_len)
{
	struct ipc_event event = {
		.kind = IPC_EVENT_READY,
		.status = status,
		.value = lvb_len,
		.mode = LOCKSTEP_LOCK_IV,
	};

	session->open_status = status;
	session->lvb_len = lvb_len;
	session->state = status == 0 ? SESSION_READY : SESSION_CONNECTED;
	event_push(session, &event);
	pack_send(session);
}

void ipc_session_lost(struct session *session, int32_t status)
{
	struct ipc_event event = {
		.kind = IPC_EVENT_LOST,
		.status = status,
		.mode = LOCKSTEP_LOCK_IV,
	};

	session->state = SESSION_LOST;
	session->open_status = status;
	event_push(session, &event);
	pack_send(session);
}

void ipc_session_results(struct session *session, uint32_t tag, const struct ipc_result *results,
			 size_t count)
{
	struct buf *out = &session->server->out;

	if (!ipc_link_up(&session->peer_link)) {
		return;
	}
	buf_clear(out);
	ipc_tag_encode(out, tag);
	for (size_t i = 0; i < count; i++) {
		ipc_result_row_encode(&results[i], out);
	}
	(void)ipc_link_respond(&session->peer_link, IPC_MSG_SUBMIT, out->data, out->size);
}

/* R-ORPH-3: the call has waited for this, and maybe for more of the kind. */
static void adopted(struct session *session, const struct node_action *a)
{
	struct ipc_result *result = session->answer + a->value;

	ls_assert(session->answer_missing > 0 && a->value < session->answer_count);
	result->error = (uint32_t)a->status;
	result->value = 1;
	result->lkid = a->lkid;
	result->token = a->token;
	if (--session->answer_missing == 0) {
		ipc_session_results(session, session->answer_tag, session->answer, session->answer_count);
	}
}

void ipc_server_action(struct ipc_server *s, const struct node_action *a)
{
	struct session *session = ipc_session_find(s, a->conn);
	struct ipc_event event = {
		.kind = a->type == NODE_ACTION_CAST ? IPC_EVENT_CAST : IPC_EVENT_BAST,
		.mode = a->mode,
		.sb_flags = a->sb_flags,
		.lkid = a->lkid,
		.status = a->status,
		.value = a->value,
		.token = a->token,
		.lvb_len = (uint16_t)a->size,
		.lvb = a->data,
	};

	if (!session) {
		return; /* it has gone meanwhile */
	}
	switch (a->type) {
	case NODE_ACTION_READY:
		ipc_session_ready(session, a->status, (uint16_t)a->value);
		break;
	case NODE_ACTION_CAST:
	case NODE_ACTION_BAST:
		event_push(session, &event);
		break;
	case NODE_ACTION_PREP:
	case NODE_ACTION_SLOT:
	case NODE_ACTION_DONE:
		event = ipc_recovery_event(a);
		event_push(session, &event);
		break;
	case NODE_ACTION_LOST:
		ipc_session_lost(session, a->status);
		break;
	case NODE_ACTION_REPLY:
		adopted(session, a);
		break;
	case NODE_ACTION_KILL:
		session->kill_for_node = true;
		ipc_session_kill(session);
		break;
	default:
		break;
	}
}
