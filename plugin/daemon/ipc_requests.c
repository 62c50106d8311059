/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the client of a session asks for: to open it on a lockspace, operations on locks, its end. All bytes
 * are validated here, whole messages before the first of them is acted on.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "lib/base/assert.h"
#include "lib/base/name.h"
#include "plugin/daemon/clients_file.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/ipc_access.h"
#include "plugin/daemon/ipc_gate.h"
#include "plugin/daemon/ipc_recovery.h"
#include "plugin/daemon/ipc_server.h"
#include "plugin/daemon/ipc_session.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/spaces.h"

/* --- shared with ipc_admin.c -------------------------------------------------------------- */

struct node_attributes ipc_open_attributes(const struct ipc_open *open)
{
	struct node_attributes want = {
		.lvb_len = open->lvb_len,
		.personality = open->personality,
		.deadlock_wait_named = open->deadlock_wait_ms != 0,
		.deadlock_wait_ms =
			open->deadlock_wait_ms > 0 ? (uint32_t)open->deadlock_wait_ms : 0,
		.xid_scope_named = open->xid_scope != 0,
		.xid_scope = open->xid_scope == LOCKSTEP_XID_SCOPE_CLUSTER,
		.flags = open->space_flags,
	};

	return want;
}

int ipc_space_check(const struct daemon *d, const struct ipc_open *open, bool again)
{
	if (!base_name_valid(open->space, LOCKSTEP_SPACE_MAX) || open->lvb_len % 8 != 0) {
		return EINVAL;
	}
	if (open->cluster[0]) {
		if (!d->standalone && !d->cluster_name[0]) {
			return EAGAIN; /* Corosync has not told its name yet */
		}
		if (strcmp(open->cluster, d->cluster_name) != 0) {
			return EBADR; /* R-LS-9 */
		}
	}
	return again && open->space_flags & LOCKSTEP_LSFL_NEWEXCL ? EEXIST : 0;
}

/* --- requests of sessions ----------------------------------------------------------------- */

int ipc_session_node_open(struct session *session)
{
	struct node_open open = {
		.space = session->open.space,
		.create = session->open.flags & LOCKSTEP_OPEN_CREATE,
		.want = ipc_open_attributes(&session->open),
		.pid = (uint32_t)session->peer.pid,
		.uid = session->uid,
		.comm = session->open.comm,
	};
	struct daemon *d = session->server->daemon;
	int rc;

	session->state = SESSION_OPENING;
	rc = node_session_open(d->node, session->conn, &open);
	if (rc != 0) {
		session->state = SESSION_CONNECTED;
	}
	daemon_dirty(d);
	return rc;
}

static bool space_exists(const struct daemon *d, const char *name)
{
	struct node_space_info info;

	return spaces_find(d->spaces, name) ||
	       (d->node && node_space_info_find(d->node, name, &info));
}

/* R-LS-10: may this caller have a session on it, and create it if it is not there? */
static int open_permission(const struct session *session, bool exists)
{
	const struct daemon *d = session->server->daemon;
	const char *space = session->open.space;
	uid_t uid = session->uid;
	gid_t gid = session->gid;
	int rc = exists ? 0 : ipc_permission(d, uid, gid, space, ACCESS_CREATE, EPERM);
	bool may = !exists || spaces_may_open(d->spaces, space, uid, gid);

	return rc != 0 ? rc : ipc_permission(d, uid, gid, space, ACCESS_LOCK, may ? 0 : EACCES);
}

/* 0 or a positive errno, in the order of R-ERR-3. */
static int session_open(struct session *session)
{
	struct daemon *d = session->server->daemon;
	const struct ipc_open *open = &session->open;
	bool create = open->flags & LOCKSTEP_OPEN_CREATE;
	bool exists = space_exists(d, open->space);
	int rc = ipc_space_check(d, open, create && exists);

	if (rc != 0) {
		return rc;
	}
	if (d->stopping > DAEMON_STOP_ASKED) {
		return ESHUTDOWN;
	}
	if (!exists && !create) {
		return ENOENT;
	}
	rc = open_permission(session, exists);
	if (rc != 0) {
		return rc;
	}
	if (!session->bound) {
		/* R-MEM-6: whom a successor could not find must hold no locks. */
		rc = clients_file_add(d->clients, &session->peer, open->comm);
		if (rc != 0) {
			return rc;
		}
		session->bound = true;
	}
	if (!exists) {
		const struct node_attributes want = ipc_open_attributes(open);

		rc = spaces_create(d->spaces, daemon_node(d), open->space, &want, open->mode,
				   session->uid, session->gid);
		daemon_dirty(d);
		if (rc != 0) {
			ipc_session_note_remove(session);
			return rc;
		}
	}
	if (!daemon_node(d)) {
		session->state = SESSION_WAITING;
		return 0;
	}
	return ipc_session_node_open(session);
}

/* A program names itself as it likes, and the log is read on terminals, line by line. */
static void comm_clean(char *comm)
{
	for (; *comm; comm++) {
		unsigned char c = (unsigned char)*comm;

		*comm = c < 0x20 || c >= 0x7f ? '?' : *comm;
	}
}

static void open_process(struct session *session, const void *body, size_t size,
			 struct ipc_result *result)
{
	struct ipc_open open;

	if (ipc_open_decode(body, size, &open) != 0) {
		result->error = EBADMSG;
		return;
	}
	result->tag = open.tag;
	if (session->state == SESSION_LOST) {
		result->error = ENOTCONN;
	} else if (session->state != SESSION_CONNECTED) {
		result->error = EISCONN;
	} else {
		comm_clean(open.comm);
		session->open = open;
		result->error = (uint32_t)session_open(session);
		result->value = session->lvb_len;
	}
}

/* Locks that somebody has left behind change hands: an administrator wants to find who did that. */
static void leftovers_log(const struct session *session, const struct ipc_submit *m)
{
	char name[4 * LOCKSTEP_NAME_MAX + 1], *at = name;

	for (size_t i = 0; i < m->name_len; i++) {
		bool plain = m->name[i] > ' ' && m->name[i] < 0x7f && m->name[i] != '\\' &&
			     m->name[i] != '"';

		at += plain ? sprintf(at, "%c", m->name[i]) : sprintf(at, "\\x%02x", m->name[i]);
	}
	*at = '\0';
	if (m->op == IPC_OP_PURGE) {
		qb_log(LOG_NOTICE, "%s, pid %ld, uid %u, purges what pid %u has left on node %u in lockspace \"%s\"",
		       session->open.comm, (long)session->peer.pid, session->uid, m->pid, m->nodeid,
		       session->open.space);
	} else {
		qb_log(LOG_NOTICE, "%s, pid %ld, uid %u, adopts an orphan of \"%s\" in lockspace \"%s\", if there is one",
		       session->open.comm, (long)session->peer.pid, session->uid, name,
		       session->open.space);
	}
}

static void op_of(const struct ipc_submit *m, struct node_submit *ret)
{
	*ret = (struct node_submit){
		.mode = m->mode,
		.has_bast = m->has_bast,
		.flags = m->flags,
		.lkid = m->lkid,
		.xid = m->xid,
		.timeout_cs = m->timeout_cs,
		.name = m->name,
		.name_len = m->name_len,
		.lvb = m->lvb,
		.lvb_len = m->lvb_len,
		.purge_nodeid = m->nodeid,
		.purge_pid = m->pid,
	};
	switch (m->op) {
	case IPC_OP_UNLOCK:
		ret->type = m->flags & LOCKSTEP_LKF_CANCEL ? ENGINE_OP_CANCEL : ENGINE_OP_UNLOCK;
		break;
	case IPC_OP_DEADLOCK_CANCEL:
		ret->type = ENGINE_OP_DEADLOCK_CANCEL;
		break;
	case IPC_OP_PURGE:
		ret->type = ENGINE_OP_PURGE;
		break;
	default:
		if (m->flags & LOCKSTEP_LKF_CONVERT) {
			ret->type = ENGINE_OP_CONVERT;
		} else {
			ret->type = m->flags & LOCKSTEP_LKF_ORPHAN ? ENGINE_OP_ADOPT :
								     ENGINE_OP_LOCK;
		}
		break;
	}
}

/* One row; true when its result comes later (adopted()). */
static bool submit_one(struct session *session, const struct ipc_submit *m, size_t index,
		       struct ipc_result *ret)
{
	struct node *node = session->server->daemon->node;
	struct node_submit op;
	bool completes = false;

	*ret = (struct ipc_result){ .error = ENOTCONN };
	if (session->state != SESSION_READY || !node) {
		return false;
	}
	op_of(m, &op);
	op.tag = (uint32_t)index;
	bool own = op.type == ENGINE_OP_PURGE &&
		   node_purge_is_own(node, session->conn, op.purge_nodeid, op.purge_pid);

	if (op.type == ENGINE_OP_ADOPT || (op.type == ENGINE_OP_PURGE && !own)) {
		leftovers_log(session, m);
	}
	ret->error = (uint32_t)node_submit(node, session->conn, &op, &ret->lkid, &completes);
	if (ret->error != 0) {
		ret->lkid = 0;
		return false;
	}
	ret->completes = completes && op.type != ENGINE_OP_ADOPT;
	ret->value = own;
	return op.type == ENGINE_OP_ADOPT;
}

/* All rows are read before the first is acted on: a pack with a bad one has done nothing. Returns how
 * many there are, 0 when the message is not one. */
static size_t submits_decode(struct ipc_server *s, struct cursor *in)
{
	size_t count = 0;

	while (!cursor_end(in)) {
		if (count == IPC_PACK_MAX || ipc_submit_decode(in, &s->submits[count]) != 0) {
			return 0;
		}
		count++;
	}
	return count;
}

static void submit_process(struct session *session, const void *body, size_t size)
{
	struct ipc_server *s = session->server;
	struct cursor in = cursor_make(body, size);
	uint32_t tag = 0;
	size_t count = ipc_tag_decode(&in, &tag) == 0 ? submits_decode(s, &in) : 0;
	size_t missing = 0;

	if (count == 0 || session->answer_missing > 0) {
		s->results[0] = (struct ipc_result){ .error = count == 0 ? EBADMSG : EBUSY };
		ipc_session_results(session, tag, s->results, 1);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		missing += submit_one(session, &s->submits[i], i, &s->results[i]) ? 1 : 0;
	}
	daemon_dirty(s->daemon);
	if (missing == 0) {
		ipc_session_results(session, tag, s->results, count);
		return;
	}
	free(session->answer);
	session->answer = calloc(count, sizeof(session->answer[0]));
	ls_assert(session->answer != NULL);
	memcpy(session->answer, s->results, count * sizeof(session->answer[0]));
	session->answer_tag = tag;
	session->answer_count = count;
	session->answer_missing = missing;
}

static void open_status_process(const struct session *session, const void *body, size_t size,
				struct ipc_result *result)
{
	struct ipc_query query;

	if (ipc_query_decode(body, size, &query) != 0) {
		result->error = EBADMSG;
		return;
	}
	result->tag = query.tag;
	result->value = session->lvb_len;
	switch (session->state) {
	case SESSION_CONNECTED:
		result->error = session->open_status ? (uint32_t)session->open_status : ENOTCONN;
		break;
	case SESSION_WAITING:
	case SESSION_OPENING:
		result->error = EINPROGRESS;
		break;
	case SESSION_READY:
		break;
	case SESSION_LOST:
		result->error = ENOTCONN;
		break;
	}
}

/* The client says good-bye: R-PROC-1 now, without looking who has the socket besides (children of a
 * program that forked). The connection is good for nothing any more. */
static void close_process(struct session *session, const void *body, size_t size,
			  struct ipc_result *result)
{
	struct cursor in = cursor_make(body, size);

	if (ipc_tag_decode(&in, &result->tag) != 0 || !cursor_end(&in)) {
		result->error = EBADMSG;
	} else if (session->state != SESSION_READY || session->killing ||
		   session->answer_missing > 0) {
		result->error = ENOTCONN;
	} else {
		ipc_session_unbind(session);
		session->state = SESSION_LOST;
	}
}

void ipc_session_message(struct session *session, int32_t id, const uint8_t *body, size_t size)
{
	struct buf *out = &session->server->out;
	struct ipc_result result = { 0 };
	struct cursor in;

	switch (id) {
	case IPC_MSG_OPEN:
		open_process(session, body, size, &result);
		break;
	case IPC_MSG_SUBMIT:
		submit_process(session, body, size);
		ipc_session_flush(session);
		return;
	case IPC_MSG_OPEN_STATUS:
		open_status_process(session, body, size, &result);
		break;
	case IPC_MSG_CLOSE:
		close_process(session, body, size, &result);
		break;
	case IPC_MSG_RECOVERY:
		ipc_recovery_process(session->server->daemon->node, session->conn, body, size,
				     &result);
		daemon_dirty(session->server->daemon);
		break;
	default:
		in = cursor_make(body, size);
		(void)ipc_tag_decode(&in, &result.tag); /* of a newer client, who waits for it */
		result.error = EOPNOTSUPP;
		break;
	}
	buf_clear(out);
	ipc_result_encode(&result, out);
	(void)ipc_link_respond(&session->peer_link, id, out->data, out->size);
	ipc_session_flush(session);
}
