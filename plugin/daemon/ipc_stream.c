/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See ipc_stream.h. Of each connection a few frames are read when its turn comes, and never more than the
 * frame that is due, so what a program sends ahead waits in the kernel:
 *
 *   accepted --HELLO--> serving --(end, no frame)--> gone
 *       |                                             ^
 *       +--refused, no HELLO, too many of these-------+
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/ipc/ipc.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/ipc_admin.h"
#include "plugin/daemon/ipc_gate.h"
#include "plugin/daemon/ipc_server.h"
#include "plugin/daemon/ipc_stream.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"

#define BACKLOG 128
#define FRAMES_PER_TURN 5 /* as libqb takes of a connection */
#define STRANGERS_MAX 128 /* connections that have not said HELLO; the oldest makes room */
#define OUT_MAX IPC_FRAME_MAX /* with so much unread no more requests and events are taken */

struct ipc_stream {
	struct list link; /* in ipc_streams.strangers or .serving */
	struct ipc_streams *streams;
	int fd;
	struct ucred cred;
	const struct ipc_stream_ops *ops; /* NULL: a stranger */
	void *owner;
	struct buf in;  /* the frame that is being read */
	struct buf out; /* what the kernel does not take yet */
	int32_t events; /* what the loop looks for */
};

struct ipc_streams {
	struct daemon *daemon;
	int fd;
	struct list strangers; /* oldest first */
	struct list serving;
	size_t strangers_count;
};

static void stream_free(struct ipc_stream *t)
{
	struct ipc_streams *s = t->streams;

	(void)qb_loop_poll_del(s->daemon->loop, t->fd);
	if (!t->ops) {
		s->strangers_count--;
	}
	list_remove(&t->link);
	(void)close(t->fd);
	buf_done(&t->in);
	buf_done(&t->out);
	free(t);
}

/* The owner first: it may still look at the socket, through a descriptor of its own. */
static void stream_end(struct ipc_stream *t)
{
	(void)shutdown(t->fd, SHUT_RDWR);
	if (t->owner) {
		t->ops->closed(t->owner);
	}
	stream_free(t);
}

int ipc_stream_fd(const struct ipc_stream *t)
{
	return t->fd;
}

const struct ucred *ipc_stream_cred(const struct ipc_stream *t)
{
	return &t->cred;
}

/* --- output ------------------------------------------------------------------------------ */

static int32_t stream_ready(int32_t fd, int32_t revents, void *arg);

/* Requests are read while there is room for their answers. */
static void interest_set(struct ipc_stream *t)
{
	int32_t events = (t->out.size < OUT_MAX ? POLLIN : 0) | (t->out.size > 0 ? POLLOUT : 0);

	if (events != t->events) {
		t->events = events;
		(void)qb_loop_poll_mod(t->streams->daemon->loop, QB_LOOP_MED, t->fd, events, t,
				       stream_ready);
	}
}

/* Errors show when the socket is read. */
static void flush(struct ipc_stream *t)
{
	size_t sent = 0;

	while (sent < t->out.size) {
		ssize_t n = send(t->fd, t->out.data + sent, t->out.size - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno != EAGAIN) {
			sent = t->out.size;
		}
		if (n < 0) {
			break;
		}
		sent += (size_t)n;
	}
	buf_drop(&t->out, sent);
	interest_set(t);
}

void ipc_stream_respond(struct ipc_stream *t, int32_t id, const void *body, size_t size)
{
	ipc_frame_encode(id, body, size, &t->out);
	flush(t);
}

int ipc_stream_event(struct ipc_stream *t, const void *body, size_t size)
{
	if (t->out.size >= OUT_MAX) {
		return -EAGAIN;
	}
	ipc_frame_encode(IPC_EVENT, body, size, &t->out);
	flush(t);
	return 0;
}

/* --- input ------------------------------------------------------------------------------- */

static void hello(struct ipc_stream *t, const struct ipc_frame *frame)
{
	struct ipc_streams *s = t->streams;
	struct daemon *d = s->daemon;
	struct ipc_hello m = { .tag = 0 };
	struct ipc_result result = { .error = EBADMSG };
	struct buf out = { 0 };

	if (frame->id == IPC_MSG_HELLO &&
	    ipc_hello_decode(frame->body, frame->body_size, &m) == 0) {
		bool admin = m.service == IPC_SERVICE_ADMIN;
		const struct ipc_stream_ops *ops = admin ? &ipc_admin_stream_ops :
							   &ipc_server_stream_ops;

		result.tag = m.tag;
		result.error = (uint32_t)ops->opened(admin ? (void *)d->admin : (void *)d->ipc, t,
						     &t->owner);
		if (result.error == 0) {
			t->ops = ops;
			s->strangers_count--;
			list_remove(&t->link);
			list_push_tail(&s->serving, &t->link);
		}
	}
	ipc_result_encode(&result, &out);
	ipc_stream_respond(t, IPC_MSG_HELLO, out.data, out.size);
	buf_done(&out);
}

/* Reads up to @size bytes of the frame. False: there are not so many. @ret_over: nor will there be. */
static bool fill(struct ipc_stream *t, size_t size, bool *ret_over)
{
	while (t->in.size < size) {
		buf_reserve(&t->in, size - t->in.size);
		ssize_t n = recv(t->fd, t->in.data + t->in.size, size - t->in.size, MSG_DONTWAIT);

		if (n > 0) {
			t->in.size += (size_t)n;
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			*ret_over = true;
			return false;
		} else if (errno == EAGAIN) {
			return false;
		}
	}
	return true;
}

/* One frame. False: none is whole. @ret_over: the connection is of no use any more. */
static bool frame_take(struct ipc_stream *t, bool *ret_over)
{
	struct ipc_frame frame = { .size = IPC_FRAME_HEAD };
	int rc = -EAGAIN;

	while (rc == -EAGAIN) {
		if (!fill(t, frame.size, ret_over)) {
			return false;
		}
		rc = ipc_frame_decode(t->in.data, t->in.size, &frame);
	}
	if (rc != 0) {
		qb_log(LOG_NOTICE, "pid %ld, uid %u sends what is no frame", (long)t->cred.pid, t->cred.uid);
		*ret_over = true;
		return false;
	}
	if (t->ops) {
		t->ops->message(t->owner, frame.id, frame.body, frame.body_size);
	} else {
		hello(t, &frame);
		*ret_over = !t->ops;
	}
	buf_clear(&t->in);
	return true;
}

static int32_t stream_ready(int32_t fd, int32_t revents, void *arg)
{
	struct ipc_stream *t = arg;
	bool over = false;

	(void)fd;
	if (revents & POLLOUT) {
		flush(t);
	}
	for (int i = 0; i < FRAMES_PER_TURN && t->out.size < OUT_MAX && !over; i++) {
		if (!frame_take(t, &over)) {
			break;
		}
	}
	if (over || revents & (POLLHUP | POLLERR)) {
		stream_end(t);
	}
	return 0;
}

/* --- the listener ------------------------------------------------------------------------ */

static int32_t stranger(int32_t listen_fd, int32_t revents, void *arg)
{
	struct ipc_streams *s = arg;
	socklen_t size = sizeof(struct ucred);
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ipc_stream *t;

	(void)revents;
	if (fd < 0) {
		return 0;
	}
	t = calloc(1, sizeof(*t));
	ls_assert(t != NULL);
	t->streams = s;
	t->fd = fd;
	t->events = POLLIN;
	list_init(&t->link);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &t->cred, &size) != 0 ||
	    qb_loop_poll_add(s->daemon->loop, QB_LOOP_MED, fd, POLLIN, t, stream_ready) != 0) {
		(void)close(fd);
		free(t);
		return 0;
	}
	list_push_tail(&s->strangers, &t->link);
	if (++s->strangers_count > STRANGERS_MAX || ipc_gate_descriptors_short()) {
		stream_end(list_entry(s->strangers.next, struct ipc_stream, link));
	}
	return 0;
}

/* A file that a daemon left behind is in the way; one that somebody answers on is not ours to take. */
static int address_free(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;
	int rc = 0;

	if (fd < 0) {
		return -errno;
	}
	if (lstat(address->sun_path, &st) != 0) {
		rc = errno == ENOENT ? 0 : -errno;
	} else if (!S_ISSOCK(st.st_mode)) {
		rc = -EEXIST;
	} else if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		   errno == EAGAIN) {
		rc = -EADDRINUSE;
	} else if (unlink(address->sun_path) != 0) {
		rc = -errno;
	}
	(void)close(fd);
	return rc;
}

/* Nobody else may use it until its owner and mode are right. */
static int address_bind(int fd, const struct sockaddr_un *address, const struct settings *settings)
{
	const struct group *group = NULL;
	mode_t mask = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : -errno;

	umask(mask);
	if (rc != 0) {
		return rc;
	}
	if (settings->socket_group) {
		group = getgrnam(settings->socket_group);
		if (!group) {
			qb_log(LOG_ERR, "socket_group: there is no group \"%s\"", settings->socket_group);
			return -EINVAL;
		}
	}
	if ((group && chown(address->sun_path, (uid_t)-1, group->gr_gid) != 0) ||
	    chmod(address->sun_path, settings->socket_mode) != 0 || listen(fd, BACKLOG) != 0) {
		return -errno;
	}
	return 0;
}

int ipc_streams_open(struct daemon *d, struct ipc_streams **ret)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = d->settings->socket;
	struct ipc_streams *s;
	int rc;

	*ret = NULL;
	if (!path) {
		return 0;
	}
	ls_assert(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	rc = address_free(&address);
	if (rc != 0) {
		return rc;
	}
	s = calloc(1, sizeof(*s));
	ls_assert(s != NULL);
	s->daemon = d;
	list_init(&s->strangers);
	list_init(&s->serving);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = s->fd < 0 ? -errno : address_bind(s->fd, &address, d->settings);
	if (rc == 0) {
		rc = qb_loop_poll_add(d->loop, QB_LOOP_MED, s->fd, POLLIN, s, stranger);
	}
	if (rc != 0) {
		if (s->fd >= 0) {
			(void)close(s->fd);
		}
		free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

struct ipc_streams *ipc_streams_free(struct ipc_streams *s)
{
	if (s) {
		list_for_each_safe (pos, &s->strangers) {
			stream_free(list_entry(pos, struct ipc_stream, link));
		}
		list_for_each_safe (pos, &s->serving) {
			struct ipc_stream *t = list_entry(pos, struct ipc_stream, link);

			if (t->ops->forget) {
				t->ops->forget(t->owner);
			}
			stream_free(t);
		}
		(void)qb_loop_poll_del(s->daemon->loop, s->fd);
		(void)unlink(s->daemon->settings->socket);
		(void)close(s->fd);
		free(s);
	}
	return NULL;
}
