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

#include "lib/base/assert.h"
#include "lib/base/list.h"
#include "plugin/daemon/clients_file.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/ipc_gate.h"
#include "plugin/daemon/ipc_link.h"
#include "plugin/daemon/ipc_server.h"
#include "plugin/daemon/ipc_session.h"
#include "plugin/daemon/ipc_stream.h"
#include "plugin/daemon/killer.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"

#define CLIENT_BUFFER_MAX (1 << 20) /* of the size a client may ask libqb for */
#define CLOSE_GRACE_MS 512 /* the last of the looks at a socket that was shut down; together 1 s */

bool ipc_size_fits(qb_ipcs_connection_t *c, size_t size)
{
	int32_t max = qb_ipcs_connection_get_buffer_size(c);

	return max > 0 && size <= (size_t)max;
}

/* --- sessions ---------------------------------------------------------------------------- */

struct session *ipc_session_find(const struct ipc_server *s, node_conn conn)
{
	struct session *session = s->slots[conn & 0xffff];

	return session && session->conn == conn ? session : NULL;
}

static void session_free(struct session *session)
{
	struct ipc_server *s = session->server;

	daemon_timer_stop(s->daemon, &session->flush_timer);
	ipc_session_events_free(session);
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

/* Sessions whose sockets are not known share the note of their process. */
static bool note_shared(const struct session *session)
{
	const struct killer_target *t = &session->peer;

	list_for_each (pos, &session->server->sessions) {
		const struct session *other = list_entry(pos, struct session, link);

		if (other->bound && other->peer.inode == 0 && other->peer.pid == t->pid &&
		    other->peer.start == t->start) {
			return true;
		}
	}
	return false;
}

void ipc_session_note_remove(struct session *session)
{
	const struct killer_target *t = &session->peer;

	session->bound = false;
	if (t->inode != 0 || !note_shared(session)) {
		clients_file_remove(session->server->daemon->clients, t);
	}
}

/* The other end is closed everywhere, or the processes that had it are dead. */
static void session_end(struct session *session)
{
	struct daemon *d = session->server->daemon;

	if (session->bound) {
		ipc_session_note_remove(session);
	}
	if (d->node && session->state != SESSION_CONNECTED && session->state != SESSION_WAITING) {
		node_session_close(d->node, session->conn);
		daemon_dirty(d);
	}
	session_free(session);
	daemon_stop_continue(d);
}

/* Nothing of it is left at the node, and no successor has to wait for its processes. */
void ipc_session_unbind(struct session *session)
{
	struct daemon *d = session->server->daemon;

	if (session->bound) {
		ipc_session_note_remove(session);
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

void ipc_session_kill(struct session *session)
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
	ipc_session_message(session, header.id, (const uint8_t *)session->server->in + sizeof(header),
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
	session->flush_ms = IPC_FLUSH_MS_MIN;
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
		ipc_session_kill(session);
	}
}

static void session_closed(struct session *session)
{
	session->peer_link = (struct ipc_link){ .qb = NULL };
	daemon_timer_stop(session->server->daemon, &session->flush_timer);
	if (session->killing) {
		return; /* killed() ends it */
	}
	session->flush_ms = IPC_FLUSH_MS_MIN;
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
	ipc_session_message(owner, id, body, size);
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
			int rc = ipc_session_node_open(session);

			if (rc != 0) {
				ipc_session_ready(session, rc, 0);
			}
		}
	}
}

void ipc_server_node_gone(struct ipc_server *s)
{
	list_for_each (pos, &s->sessions) {
		struct session *session = list_entry(pos, struct session, link);

		if (session->state == SESSION_OPENING || session->state == SESSION_READY) {
			ipc_session_lost(session, ENOTCONN);
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
			ipc_session_kill(session);
		} else if (!session->killing) {
			ipc_session_unbind(session);
			ipc_session_lost(session, ENOTCONN);
		}
	}
}
