/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See ipc_server.h. A session outlives its connection by as long as processes have to be
 * killed: our own duplicate of the socket tells whether the other end is really closed everywhere.
 *
 *   connected --OPEN--> waiting (no node yet) --node--> opening --READY--> ready
 *                                                          |                 |
 *                                                          +------LOST------>+--> lost
 *
 * When a connection is closed whose other end is still open (the client broke the protocol), the
 * processes at that end are killed before the node hears of it (R-PROC-7): its locks must not be
 * given to others while somebody may believe to hold them.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include <qb/qbdefs.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/base/name.h"
#include "lib/ipc/ipc.h"
#include "plugin/daemon/clients_file.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/ipc_access.h"
#include "plugin/daemon/ipc_gate.h"
#include "plugin/daemon/ipc_link.h"
#include "plugin/daemon/ipc_recovery.h"
#include "plugin/daemon/ipc_server.h"
#include "plugin/daemon/ipc_stream.h"
#include "plugin/daemon/killer.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"
#include "plugin/daemon/spaces.h"

#define CLIENT_BUFFER_MAX (1 << 20) /* of the size a client may ask libqb for */
#define FLUSH_MS_MIN 1
#define FLUSH_MS_MAX 50
#define CLOSE_GRACE_MS 512 /* the last of the looks at a socket that was shut down; together 1 s */

enum session_state {
	SESSION_CONNECTED = 0,
	SESSION_WAITING,
	SESSION_OPENING,
	SESSION_READY,
	SESSION_LOST,
};

/* An event message that did not fit into the client's ring. */
struct event {
	struct list link;
	size_t rows;
	size_t size;
	uint8_t data[];
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

bool ipc_size_fits(qb_ipcs_connection_t *c, size_t size)
{
	int32_t max = qb_ipcs_connection_get_buffer_size(c);

	return max > 0 && size <= (size_t)max;
}

/* --- sessions ---------------------------------------------------------------------------- */

static struct session *find(const struct ipc_server *s, node_conn conn)
{
	struct session *session = s->slots[conn & 0xffff];

	return session && session->conn == conn ? session : NULL;
}

static void session_free(struct session *session)
{
	struct ipc_server *s = session->server;

	daemon_timer_stop(s->daemon, &session->flush_timer);
	list_for_each_safe (pos, &session->events) {
		free(list_entry(pos, struct event, link));
	}
	list_remove(&session->pack_link);
	buf_done(&session->pack);
	free(session->answer);
	if (session->fd >= 0) {
		close(session->fd);
	}
	list_remove(&session->link);
	s->slots[session->conn & 0xffff] = NULL;
	s->count--;
	free(session);
}

/* A session whose socket is not known has the note of its process, which may have others of that kind. */
static void note_remove(struct session *session)
{
	const struct ipc_server *s = session->server;
	const struct killer_target *t = &session->peer;

	session->bound = false;
	list_for_each (pos, &s->sessions) {
		const struct session *other = list_entry(pos, struct session, link);

		if (t->inode == 0 && other->bound && other->peer.inode == 0 &&
		    other->peer.pid == t->pid && other->peer.start == t->start) {
			return;
		}
	}
	clients_file_remove(s->daemon->clients, t);
}

/* The other end is closed everywhere, or the processes that had it are dead. */
static void session_end(struct session *session)
{
	struct daemon *d = session->server->daemon;

	if (session->bound) {
		note_remove(session);
	}
	if (d->node && session->state != SESSION_CONNECTED && session->state != SESSION_WAITING) {
		node_session_close(d->node, session->conn);
		daemon_dirty(d);
	}
	session_free(session);
	daemon_stop_continue(d);
}

/* Nothing of it is left at the node, and no successor has to wait for its processes. */
static void session_unbind(struct session *session)
{
	struct daemon *d = session->server->daemon;

	if (session->bound) {
		note_remove(session);
	}
	if (d->node) {
		node_session_close(d->node, session->conn);
		daemon_dirty(d);
	}
}

/* libqb shuts the socket down when it closes a connection, so a hang-up alone says nothing about the
 * other end; a closed socket has no inode. */
static bool peer_is_gone(const struct session *session)
{
	struct pollfd p = { .fd = session->fd, .events = POLLRDHUP };
	uint64_t inode;

	if (session->peer.inode != 0) {
		return killer_peer_inode(session->fd, &inode) == 0 && inode == 0;
	}
	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLRDHUP | POLLERR));
}

static void killed(void *arg)
{
	struct session *session = arg;
	struct daemon *d = session->server->daemon;

	session->killing = false;
	if (session->kill_for_node && d->node) {
		node_session_killed(d->node, session->conn);
		daemon_dirty(d);
	}
	session->kill_for_node = false;
	if (!ipc_link_up(&session->peer_link)) {
		session_end(session);
	}
}

static void session_kill(struct session *session)
{
	char name[128];

	if (session->killing) {
		return;
	}
	session->killing = true;
	snprintf(name, sizeof(name), "session of %s, pid %ld, lockspace \"%s\"",
		 session->open.comm, (long)session->peer.pid, session->open.space);
	killer_start(session->server->daemon->killer, &session->peer, true, name, session, killed);
}

/* --- events to a client ------------------------------------------------------------------ */

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

static void events_flush(struct session *session)
{
	bool some = !list_empty(&session->events);

	while (ipc_link_up(&session->peer_link) && !list_empty(&session->events)) {
		struct event *e = list_entry(session->events.next, struct event, link);

		if (!event_send(session, e->data, e->size)) {
			flush_later(session);
			break;
		}
		session->flush_ms = FLUSH_MS_MIN;
		session->backlog -= e->rows;
		session->backlog_bytes -= e->size;
		list_remove(&e->link);
		free(e);
	}
	if (some) {
		backlog_tell(session);
	}
}

static void flush_due(void *arg)
{
	struct session *session = arg;

	session->flush_timer = 0;
	events_flush(session);
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
	session_kill(session);
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

static void ready_push(struct session *session, int32_t status, uint16_t lvb_len)
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

static void lost_push(struct session *session, int32_t status)
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

static void results_send(struct session *session, uint32_t tag, const struct ipc_result *results,
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
		results_send(session, session->answer_tag, session->answer, session->answer_count);
	}
}

void ipc_server_action(struct ipc_server *s, const struct node_action *a)
{
	struct session *session = find(s, a->conn);
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
		ready_push(session, a->status, (uint16_t)a->value);
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
		lost_push(session, a->status);
		break;
	case NODE_ACTION_REPLY:
		adopted(session, a);
		break;
	case NODE_ACTION_KILL:
		session->kill_for_node = true;
		session_kill(session);
		break;
	default:
		break;
	}
}

/* --- requests ---------------------------------------------------------------------------- */

static int node_open_session(struct session *session)
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
			note_remove(session);
			return rc;
		}
	}
	if (!daemon_node(d)) {
		session->state = SESSION_WAITING;
		return 0;
	}
	return node_open_session(session);
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
		results_send(session, tag, s->results, 1);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		missing += submit_one(session, &s->submits[i], i, &s->results[i]) ? 1 : 0;
	}
	daemon_dirty(s->daemon);
	if (missing == 0) {
		results_send(session, tag, s->results, count);
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
		session_unbind(session);
		session->state = SESSION_LOST;
	}
}

/* One message, wherever it came from; the bytes are ours. */
static void session_message(struct session *session, int32_t id, const uint8_t *body, size_t size)
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
		events_flush(session);
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
	events_flush(session);
}

static int32_t message(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct session *session = qb_ipcs_context_get(c);
	struct qb_ipc_request_header header;

	/* @size is what the client wrote in the header, and it can still change the bytes. */
	if (!session || size < sizeof(header) || size > IPC_MESSAGE_MAX || !ipc_size_fits(c, size)) {
		return 0;
	}
	memcpy(session->server->in, data, size);
	memcpy(&header, session->server->in, sizeof(header));
	session_message(session, header.id, (const uint8_t *)session->server->in + sizeof(header),
			size - sizeof(header));
	return 0;
}

/* --- connections ------------------------------------------------------------------------- */

static struct ipc_server *server_of(qb_ipcs_connection_t *c)
{
	return qb_ipcs_connection_service_context_get(c);
}

static int room_check(const struct ipc_server *s, uid_t uid)
{
	if (s->count < s->slots_count) {
		return 0;
	}
	qb_log(LOG_WARNING, "refused a connection of uid %u: there are %zu sessions, the limit (sessions_max)", uid, s->count);
	return -EUSERS;
}

static int32_t connection_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	struct ipc_server *s = server_of(c);
	int rc = room_check(s, uid);

	return rc != 0 ? rc : ipc_accept_check(s->daemon, c, uid, gid);
}

/* For the connection behind @fd, of which we keep a duplicate. 0 or a negative errno. */
static int session_new(struct ipc_server *s, int fd, const struct ucred *cred,
		       const struct ipc_link *peer_link, struct session **ret)
{
	struct session *session = calloc(1, sizeof(*session));
	size_t slot = 0;

	ls_assert(session != NULL);
	while (slot < s->slots_count && s->slots[slot]) {
		slot++;
	}
	session->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (slot == s->slots_count || session->fd < 0) {
		int rc = slot == s->slots_count ? -EUSERS : -errno;

		if (session->fd >= 0) {
			close(session->fd);
		}
		free(session);
		return rc;
	}
	session->server = s;
	session->peer_link = *peer_link;
	session->conn = ++s->serial << 16 | slot;
	session->flush_ms = FLUSH_MS_MIN;
	list_init(&session->events);
	list_init(&session->pack_link);
	session->uid = cred->uid;
	session->gid = cred->gid;
	session->peer.fd = session->fd;
	session->peer.pid = cred->pid;
	session->peer.start = killer_start_time(cred->pid);
	(void)killer_peer_inode(session->fd, &session->peer.inode); /* 0: known by its pid alone */
	s->slots[slot] = session;
	s->count++;
	list_push_tail(&s->sessions, &session->link);
	*ret = session;
	return 0;
}

static void connection_created(qb_ipcs_connection_t *c)
{
	struct ipc_link peer_link = { .qb = c };
	struct session *session;
	struct ucred cred = { 0 };
	socklen_t cred_size = sizeof(cred);
	int fd = ipc_gate_passed(c);

	if (fd < 0 || qb_ipcs_connection_get_buffer_size(c) > CLIENT_BUFFER_MAX) {
		qb_log(LOG_NOTICE, "refused a connection that wants buffers of %d bytes",
		       qb_ipcs_connection_get_buffer_size(c));
		qb_ipcs_disconnect(c);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_size) != 0 ||
	    session_new(server_of(c), fd, &cred, &peer_link, &session) != 0) {
		qb_log(LOG_ERR, "cannot look at a new connection: %s", strerror(errno));
		qb_ipcs_disconnect(c);
		return;
	}
	qb_ipcs_context_set(c, session);
}

/*
 * A client that closes its connection in an orderly way shuts the socket down first, which is what has
 * woken us, and closes it an instant later; on a busy machine that instant is a time slice. Until it
 * is sure that the other end is closed, or broken in the hands of a living process, nothing is
 * released.
 */
static void closed_check(void *arg)
{
	struct session *session = arg;

	session->flush_timer = 0;
	if (session->killing) {
		return; /* killed() ends it */
	}
	if (!session->bound || peer_is_gone(session)) {
		session_end(session);
	} else if (session->flush_ms <= CLOSE_GRACE_MS) {
		daemon_timer(session->server->daemon, QB_LOOP_MED, session->flush_ms, session,
			     closed_check, &session->flush_timer);
		session->flush_ms *= 2;
	} else {
		qb_log(LOG_ERR, "the connection of %s, pid %ld, broke while the process lives",
		       session->open.comm, (long)session->peer.pid);
		session_kill(session);
	}
}

static void session_closed(struct session *session)
{
	session->peer_link = (struct ipc_link){ .qb = NULL };
	daemon_timer_stop(session->server->daemon, &session->flush_timer);
	if (session->killing) {
		return; /* killed() ends it */
	}
	session->flush_ms = FLUSH_MS_MIN;
	closed_check(session);
}

static int32_t connection_closed(qb_ipcs_connection_t *c)
{
	struct session *session = qb_ipcs_context_get(c);

	if (session) {
		qb_ipcs_context_set(c, NULL);
		session_closed(session);
	}
	return 0;
}

static void connection_destroyed(qb_ipcs_connection_t *c)
{
	(void)c;
}

static int stream_opened(void *service, struct ipc_stream *t, void **ret_owner)
{
	struct ipc_server *s = service;
	const struct ucred *cred = ipc_stream_cred(t);
	const struct ipc_link peer_link = { .stream = t };
	struct session *session;
	int rc = room_check(s, cred->uid);

	if (rc == 0) {
		rc = ipc_accept_check(s->daemon, NULL, cred->uid, cred->gid);
	}
	if (rc == 0 && cred->pid == 0) {
		/* R-PROC-7: whom we cannot see we could not end. */
		qb_log(LOG_NOTICE, "refused a connection of uid %u: its process is outside the daemon's pid namespace", cred->uid);
		rc = -EACCES;
	}
	if (rc == 0) {
		rc = session_new(s, ipc_stream_fd(t), cred, &peer_link, &session);
	}
	if (rc == 0) {
		*ret_owner = session;
	}
	return -rc;
}

static void stream_message(void *owner, int32_t id, const uint8_t *body, size_t size)
{
	session_message(owner, id, body, size);
}

static void stream_closed(void *owner)
{
	session_closed(owner);
}

const struct ipc_stream_ops ipc_server_stream_ops = {
	.opened = stream_opened,
	.message = stream_message,
	.closed = stream_closed,
};

int ipc_server_open(struct daemon *d, struct ipc_server **ret)
{
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = connection_accept,
		.connection_created = connection_created,
		.msg_process = message,
		.connection_closed = connection_closed,
		.connection_destroyed = connection_destroyed,
	};
	struct ipc_server *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	if (!s) {
		return -ENOMEM;
	}
	s->daemon = d;
	list_init(&s->sessions);
	list_init(&s->packing);
	s->slots_count = d->settings->sessions_max;
	s->slots = calloc(s->slots_count, sizeof(struct session *));
	s->service = qb_ipcs_create(d->settings->ipc_name, 0, QB_IPC_NATIVE, &handlers);
	if (!s->slots || !s->service) {
		goto out_free;
	}
	qb_ipcs_service_context_set(s->service, s);
	rc = ipc_gate_run(d, s->service);
	if (rc != 0) {
		/* libqb has freed the service. */
		s->service = NULL;
		goto out_free;
	}
	*ret = s;
	return 0;
out_free:
	if (s->service) {
		qb_ipcs_destroy(s->service);
	}
	free(s->slots);
	free(s);
	return rc;
}

struct ipc_server *ipc_server_free(struct ipc_server *s)
{
	if (s) {
		list_for_each_safe (pos, &s->sessions) {
			struct session *session = list_entry(pos, struct session, link);

			if (session->peer_link.qb) {
				qb_ipcs_context_set(session->peer_link.qb, NULL);
			}
			session_free(session);
		}
		qb_ipcs_destroy(s->service);
		buf_done(&s->out);
		free(s->slots);
		free(s);
	}
	return NULL;
}

void ipc_server_node_new(struct ipc_server *s)
{
	list_for_each (pos, &s->sessions) {
		struct session *session = list_entry(pos, struct session, link);

		if (session->state == SESSION_WAITING) {
			int rc = node_open_session(session);

			if (rc != 0) {
				ready_push(session, rc, 0);
			}
		}
	}
}

void ipc_server_node_gone(struct ipc_server *s)
{
	list_for_each (pos, &s->sessions) {
		struct session *session = list_entry(pos, struct session, link);

		if (session->state == SESSION_OPENING || session->state == SESSION_READY) {
			lost_push(session, ENOTCONN);
		}
	}
}

bool ipc_server_closing(const struct ipc_server *s, const char *space)
{
	list_for_each (pos, &s->sessions) {
		const struct session *session = list_entry(pos, struct session, link);

		if (session->bound && strcmp(session->open.space, space) == 0 &&
		    (!ipc_link_up(&session->peer_link) || peer_is_gone(session))) {
			return true;
		}
	}
	return false;
}

size_t ipc_server_bound_count(const struct ipc_server *s)
{
	size_t count = 0;

	list_for_each (pos, &s->sessions) {
		count += list_entry(pos, struct session, link)->bound;
	}
	return count;
}

void ipc_server_users_log(const struct ipc_server *s)
{
	list_for_each (pos, &s->sessions) {
		struct session *session = list_entry(pos, struct session, link);

		if (session->bound) {
			size_t locks = s->daemon->node ? node_session_locks(s->daemon->node, session->conn) : 0;

			qb_log(LOG_ERR, "  session of %s, pid %ld, uid %u, lockspace \"%s\", %zu lock%s",
			       session->open.comm, (long)session->peer.pid, session->uid,
			       session->open.space, locks, locks == 1 ? "" : "s");
		}
	}
}

void ipc_server_stop(struct ipc_server *s)
{
	const struct node *node = s->daemon->node;

	list_for_each (pos, &s->sessions) {
		struct session *session = list_entry(pos, struct session, link);

		if (!session->bound) {
			continue;
		}
		/* An adoption under way may yet turn out to have been a success. */
		if (session->answer_missing > 0 || !node || node_session_holds(node, session->conn)) {
			session_kill(session);
		} else if (!session->killing) {
			session_unbind(session);
			lost_push(session, ENOTCONN);
		}
	}
}
