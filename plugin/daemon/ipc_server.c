/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See ipc_server.h. A session outlives its libqb connection by as long as processes have to be
 * killed: our own duplicate of the socket tells whether the other end is really closed everywhere.
 *
 *   connected --OPEN--> waiting (no node yet) --node--> opening --READY--> ready
 *                                                          |                 |
 *                                                          +------LOST------>+--> lost
 *
 * When libqb closes a connection whose other end is still open (the client broke the protocol), the
 * processes at that end are killed before the node hears of it (R-PROC-7): its locks must not be
 * given to others while somebody may believe to hold them.
 *
 * libqb gives its callbacks no argument of ours, hence the one variable at file scope.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
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
#include "lib/ipc/ipc.h"
#include "plugin/daemon/clients_file.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/ipc_server.h"
#include "plugin/daemon/killer.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"
#include "plugin/daemon/spaces.h"

#define CLIENT_BUFFER_MAX (1 << 20) /* of the size a client may ask libqb for */
#define FLUSH_MS_MIN 1
#define FLUSH_MS_MAX 50
#define CLOSE_GRACE_MS 512 /* the last of the looks at a socket that was shut down; together 1 s */
#define SUPPLEMENTARY_MAX 256

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
	qb_ipcs_connection_t *c; /* NULL: libqb has closed it */
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
	/* The answer of a SUBMIT that waits for an adoption; missing 0: none. */
	struct ipc_result *answer;
	uint32_t answer_tag;
	size_t answer_count;
	size_t answer_missing;
	uint64_t flush_ms;
	qb_loop_timer_handle flush_timer; /* with c NULL: of closed_check() */
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

static struct {
	struct daemon *daemon;
	/* The descriptor libqb has last added for a connection. */
	void *added_data;
	int added_fd;
} ipc_global = { .added_fd = -1 };

/* --- shared with ipc_admin.c -------------------------------------------------------------- */

bool ipc_privileged(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* May ask the name service, so only those who have to be looked up that way wait for it. */
static bool user_in_group(uid_t uid, gid_t primary, gid_t group)
{
	gid_t groups[SUPPLEMENTARY_MAX];
	int count = SUPPLEMENTARY_MAX;
	struct passwd *pw = getpwuid(uid);

	if (!pw || getgrouplist(pw->pw_name, primary, groups, &count) < 0) {
		return false;
	}
	for (int i = 0; i < count; i++) {
		if (groups[i] == group) {
			return true;
		}
	}
	return false;
}

int ipc_accept_check(struct daemon *d, qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	struct group *group;

	if (ipc_privileged(uid)) {
		return 0;
	}
	group = d->settings->ipc_group ? getgrnam(d->settings->ipc_group) : NULL;
	if (!group || (group->gr_gid != gid && !user_in_group(uid, gid, group->gr_gid))) {
		qb_log(LOG_NOTICE, "refused a connection of uid %u: not root and not in the group that may connect", uid);
		return -EACCES;
	}
	if (geteuid() != 0) {
		/* We cannot give the shared memory to that user, but to the group. */
		qb_ipcs_connection_auth_set(c, geteuid(), group->gr_gid, 0660);
	}
	return 0;
}

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
	if (!spaces_name_valid(open->space) || open->lvb_len % 8 != 0) {
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

int ipc_response_send(qb_ipcs_connection_t *c, int32_t id, const void *body, size_t size)
{
	struct qb_ipc_response_header header = {
		.id = id,
		.size = (int32_t)(sizeof(header) + size),
	};
	struct iovec iov[2] = {
		{ &header, sizeof(header) },
		{ (void *)(uintptr_t)body, size },
	};
	ssize_t rc = qb_ipcs_response_sendv(c, iov, 2);

	return rc < 0 ? (int)rc : 0;
}

static int32_t poll_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	ipc_global.added_data = data;
	ipc_global.added_fd = fd;
	return qb_loop_poll_add(ipc_global.daemon->loop, p, fd, events, data, fn);
}

static int32_t poll_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(ipc_global.daemon->loop, p, fd, events, data, fn);
}

static int32_t poll_del(int32_t fd)
{
	return qb_loop_poll_del(ipc_global.daemon->loop, fd);
}

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(ipc_global.daemon->loop, p, data, fn);
}

void ipc_poll_handlers_set(struct daemon *d, qb_ipcs_service_t *service)
{
	struct qb_ipcs_poll_handlers handlers = {
		.job_add = job_add,
		.dispatch_add = poll_add,
		.dispatch_mod = poll_mod,
		.dispatch_del = poll_del,
	};

	ipc_global.daemon = d;
	qb_ipcs_poll_handlers_set(service, &handlers);
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

/* The other end is closed everywhere, or the processes that had it are dead. */
static void session_end(struct session *session)
{
	struct daemon *d = session->server->daemon;

	if (session->bound) {
		clients_file_remove(d->clients, &session->peer);
	}
	if (d->node && session->state != SESSION_CONNECTED && session->state != SESSION_WAITING) {
		node_session_close(d->node, session->conn);
		daemon_dirty(d);
	}
	session_free(session);
	daemon_stop_continue(d);
}

/* libqb shuts the socket down when it closes a connection, so a hang-up alone says nothing about the
 * other end; a closed socket has no inode. */
static bool peer_is_gone(const struct session *session)
{
	struct pollfd p = { .fd = session->fd, .events = POLLRDHUP };

	if (session->peer.inode != 0) {
		return killer_peer_inode(session->fd) == 0;
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
	if (!session->c) {
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

static bool event_send(struct session *session, const void *data, size_t size)
{
	ssize_t rc = qb_ipcs_event_send(session->c, data, size);

	if (rc >= 0) {
		return true;
	}
	if (rc != -EAGAIN && rc != -ENOBUFS) {
		/* The connection is about to close; libqb tells us. */
		qb_log(LOG_DEBUG, "event for pid %ld: %s", (long)session->peer.pid,
		       strerror((int)-rc));
	}
	return false;
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

	while (session->c && !list_empty(&session->events)) {
		struct event *e = list_entry(session->events.next, struct event, link);

		if (!event_send(session, e->data, e->size)) {
			flush_later(session);
			break;
		}
		session->flush_ms = FLUSH_MS_MIN;
		session->backlog -= e->rows;
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

/* Never lost and in order: what does not fit waits here. The bound is the node's quota of undelivered
 * completions at the entrance (R-CAST-5). */
static void pack_send(struct session *session)
{
	struct qb_ipc_response_header header = {
		.id = IPC_EVENT,
		.size = (int32_t)session->pack.size,
	};
	struct event *e;

	list_remove(&session->pack_link);
	if (session->pack_rows == 0) {
		return;
	}
	memcpy(session->pack.data, &header, sizeof(header));
	if (session->c && (!list_empty(&session->events) ||
			   !event_send(session, session->pack.data, session->pack.size))) {
		e = malloc(sizeof(*e) + session->pack.size);
		ls_assert(e != NULL);
		e->rows = session->pack_rows;
		e->size = session->pack.size;
		memcpy(e->data, session->pack.data, session->pack.size);
		list_push_tail(&session->events, &e->link);
		session->backlog += e->rows;
		backlog_tell(session);
		flush_later(session);
	}
	session->pack_rows = 0;
}

static void event_push(struct session *session, const struct ipc_event *event)
{
	struct buf *pack = &session->pack;

	if (!session->c) {
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

	if (!session->c) {
		return;
	}
	buf_clear(out);
	ipc_tag_encode(out, tag);
	for (size_t i = 0; i < count; i++) {
		ipc_result_row_encode(&results[i], out);
	}
	(void)ipc_response_send(session->c, IPC_MSG_SUBMIT, out->data, out->size);
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

	if (!exists) {
		return ipc_privileged(session->uid) ? 0 : EPERM;
	}
	if (ipc_privileged(session->uid) ||
	    spaces_may_open(d->spaces, session->open.space, session->uid, session->gid)) {
		return 0;
	}
	return EACCES;
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
	if (!exists) {
		const struct node_attributes want = ipc_open_attributes(open);

		rc = spaces_create(d->spaces, daemon_node(d), open->space, &want, open->mode,
				   session->uid, session->gid);
		daemon_dirty(d);
		if (rc != 0) {
			return rc;
		}
	}
	if (!session->bound) {
		session->bound = true;
		clients_file_add(d->clients, &session->peer, open->comm);
	}
	if (!daemon_node(d)) {
		session->state = SESSION_WAITING;
		return 0;
	}
	return node_open_session(session);
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
	struct daemon *d = session->server->daemon;

	if (ipc_tag_decode(&in, &result->tag) != 0 || !cursor_end(&in)) {
		result->error = EBADMSG;
	} else if (session->state != SESSION_READY || session->killing ||
		   session->answer_missing > 0) {
		result->error = ENOTCONN;
	} else {
		if (session->bound) {
			clients_file_remove(d->clients, &session->peer);
			session->bound = false;
		}
		if (d->node) {
			node_session_close(d->node, session->conn);
			daemon_dirty(d);
		}
		session->state = SESSION_LOST;
	}
}

static int32_t message(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct session *session = qb_ipcs_context_get(c);
	struct qb_ipc_request_header header;
	struct ipc_result result = { 0 };
	const uint8_t *body;
	struct cursor in;
	struct buf *out;
	int32_t id;

	/* @size is what the client wrote in the header, and it can still change the bytes. */
	if (!session || size < sizeof(header) || size > IPC_MESSAGE_MAX || !ipc_size_fits(c, size)) {
		return 0;
	}
	memcpy(session->server->in, data, size);
	memcpy(&header, session->server->in, sizeof(header));
	body = (const uint8_t *)session->server->in + sizeof(header);
	size -= sizeof(header);
	id = header.id;
	switch (id) {
	case IPC_MSG_OPEN:
		open_process(session, body, size, &result);
		break;
	case IPC_MSG_SUBMIT:
		submit_process(session, body, size);
		events_flush(session);
		return 0;
	case IPC_MSG_OPEN_STATUS:
		open_status_process(session, body, size, &result);
		break;
	case IPC_MSG_CLOSE:
		close_process(session, body, size, &result);
		break;
	default:
		in = cursor_make(body, size);
		(void)ipc_tag_decode(&in, &result.tag); /* of a newer client, who waits for it */
		result.error = EOPNOTSUPP;
		break;
	}
	out = &session->server->out;
	buf_clear(out);
	ipc_result_encode(&result, out);
	(void)ipc_response_send(c, id, out->data, out->size);
	events_flush(session);
	return 0;
}

/* --- connections ------------------------------------------------------------------------- */

static struct ipc_server *server_of(qb_ipcs_connection_t *c)
{
	return qb_ipcs_connection_service_context_get(c);
}

static int32_t connection_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	struct ipc_server *s = server_of(c);

	if (s->count >= s->daemon->settings->sessions_max) {
		qb_log(LOG_WARNING, "refused a connection of uid %u: there are %zu sessions, the limit (sessions_max)", uid, s->count);
		return -EUSERS;
	}
	return ipc_accept_check(s->daemon, c, uid, gid);
}

static void connection_created(qb_ipcs_connection_t *c)
{
	struct ipc_server *s = server_of(c);
	struct session *session;
	struct ucred cred = { 0 };
	socklen_t cred_size = sizeof(cred);
	size_t slot = 0;

	if (qb_ipcs_connection_get_buffer_size(c) > CLIENT_BUFFER_MAX ||
	    ipc_global.added_data != c) {
		qb_log(LOG_NOTICE, "refused a connection that wants buffers of %d bytes",
		       qb_ipcs_connection_get_buffer_size(c));
		qb_ipcs_disconnect(c);
		return;
	}
	while (slot < s->slots_count && s->slots[slot]) {
		slot++;
	}
	if (slot == s->slots_count) {
		qb_ipcs_disconnect(c);
		return;
	}
	session = calloc(1, sizeof(*session));
	ls_assert(session != NULL);
	session->server = s;
	session->c = c;
	session->conn = ++s->serial << 16 | slot;
	session->flush_ms = FLUSH_MS_MIN;
	list_init(&session->events);
	list_init(&session->pack_link);
	session->fd = fcntl(ipc_global.added_fd, F_DUPFD_CLOEXEC, 3);
	if (getsockopt(ipc_global.added_fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_size) != 0 ||
	    session->fd < 0) {
		qb_log(LOG_ERR, "cannot look at a new connection: %s", strerror(errno));
		if (session->fd >= 0) {
			close(session->fd);
		}
		free(session);
		qb_ipcs_disconnect(c);
		return;
	}
	session->uid = cred.uid;
	session->gid = cred.gid;
	session->peer.pid = cred.pid;
	session->peer.start = killer_start_time(cred.pid);
	session->peer.inode = killer_peer_inode(session->fd);
	s->slots[slot] = session;
	s->count++;
	list_push_tail(&s->sessions, &session->link);
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

static int32_t connection_closed(qb_ipcs_connection_t *c)
{
	struct session *session = qb_ipcs_context_get(c);

	if (!session) {
		return 0;
	}
	qb_ipcs_context_set(c, NULL);
	session->c = NULL;
	daemon_timer_stop(session->server->daemon, &session->flush_timer);
	if (session->killing) {
		return 0; /* killed() ends it */
	}
	session->flush_ms = FLUSH_MS_MIN;
	closed_check(session);
	return 0;
}

static void connection_destroyed(qb_ipcs_connection_t *c)
{
	(void)c;
}

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
	ipc_poll_handlers_set(d, s->service);
	rc = qb_ipcs_run(s->service);
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

			if (session->c) {
				qb_ipcs_context_set(session->c, NULL);
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
		    (!session->c || peer_is_gone(session))) {
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
			qb_log(LOG_ERR, "  session of %s, pid %ld, uid %u, lockspace \"%s\"",
			       session->open.comm, (long)session->peer.pid, session->uid,
			       session->open.space);
		}
	}
}

void ipc_server_kill_all(struct ipc_server *s)
{
	list_for_each (pos, &s->sessions) {
		struct session *session = list_entry(pos, struct session, link);

		if (session->bound) {
			session_kill(session);
		}
	}
}
