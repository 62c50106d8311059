/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbipcc.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/client/stream.h"
#include "lib/client/transport.h"
#include "lib/ipc/ipc.h"

#define SERVICE_NAME_MAX 100 /* libqb's bound is about that */
/* How long libqb may sleep on its semaphore before we look whether the daemon still lives; by itself
 * it looks every two seconds only (libqb-notes section 4). */
#define RECV_SLICE_MS 50
#define RETRY_MS 10
#define DAEMON_USER "lockstep"

struct transport {
	struct stream *stream; /* not NULL: it is this one, and nothing below but the tag is used */
	qb_ipcc_connection_t *qb;
	int fd;
	uint32_t tag;
	size_t in_size;
	uint8_t *in; /* one whole message; malloc aligns it for libqb's headers */
};

int64_t transport_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t transport_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool transport_pause(int64_t deadline, int ms)
{
	if (deadline >= 0 && transport_now_ms() >= deadline) {
		return false;
	}
	(void)poll(NULL, 0, ms);
	return true;
}

int64_t transport_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : transport_now_ms() + timeout_ms;
}

int transport_remaining_ms(int64_t deadline)
{
	if (deadline < 0) {
		return -1;
	}
	int64_t left = deadline - transport_now_ms();

	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* poll() on one descriptor that a signal does not cut short. */
static int poll_until(int fd, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n;

	do {
		n = poll(&p, 1, transport_remaining_ms(deadline));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

static const char *name_or_default(const char *name)
{
	if (!name || !*name) {
		name = secure_getenv("LOCKSTEP_IPC_NAME");
	}
	return name && *name ? name : IPC_NAME_DEFAULT;
}

static int service_name(const char *name, uint8_t service, char *ret, size_t ret_size)
{
	int length = snprintf(ret, ret_size, "%s%s", name,
			      service == IPC_SERVICE_ADMIN ? IPC_ADMIN_SUFFIX : "");

	return length < 0 || (size_t)length >= ret_size ? -EINVAL : 0;
}

/* The first half: our end of the handshake is sent. A full backlog of a daemon that does not come
 * round to accept() is waited for, nobody listening is not. */
static int connect_start(const char *service, int64_t deadline, qb_ipcc_connection_t **ret_qb,
			 int *ret_fd)
{
	for (;;) {
		qb_ipcc_connection_t *qb = qb_ipcc_connect_async(service, IPC_MESSAGE_MAX, ret_fd);

		if (qb) {
			*ret_qb = qb;
			return 0;
		}
		switch (errno) {
		case EAGAIN:
		case EINTR:
			if (transport_remaining_ms(deadline) == 0) {
				return -ETIMEDOUT;
			}
			(void)poll(NULL, 0, RETRY_MS);
			break;
		case ECONNREFUSED:
		case ENOENT:
		case ENOTCONN:
		case EPIPE:
		case ECONNRESET:
			return -EUNATCH;
		default:
			return errno ? -errno : -EUNATCH;
		}
	}
}

static int connect_finish(qb_ipcc_connection_t *qb, int fd, int64_t deadline)
{
	int error = poll_until(fd, deadline);

	if (error) {
		/* Not set up yet, so libqb does not know that the socket is to be closed. */
		qb_ipcc_disconnect(qb);
		(void)close(fd);
		return error;
	}
	error = qb_ipcc_connect_continue(qb); /* frees on failure */
	if (error == 0) {
		return 0;
	}
	error = error < 0 ? -error : error;
	switch (error) {
	case EACCES:
	case EPERM:
		return -EACCES;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOSPC:
	case EUSERS:
		return -error;
	default:
		/* It hung up in the middle of the handshake. */
		return -EUNATCH;
	}
}

/* The user that an installation makes for the daemon; nobody else can become it. */
static bool is_daemon_user(uid_t uid)
{
	char text[1024];
	struct passwd entry, *found = NULL;

	return getpwnam_r(DAEMON_USER, &entry, text, sizeof(text), &found) == 0 && found &&
	       entry.pw_uid == uid;
}

/* Abstract sockets have no permissions: anybody could have taken the name before the daemon. */
static int server_check(qb_ipcc_connection_t *qb)
{
	pid_t pid;
	uid_t uid = (uid_t)-1;
	gid_t gid;

	if (qb_ipcc_auth_get(qb, &pid, &uid, &gid) < 0) {
		return -EACCES;
	}
	return uid == 0 || uid == geteuid() || is_daemon_user(uid) ? 0 : -EACCES;
}

static int qb_open(struct transport *t, const char *name, uint8_t service, int64_t deadline)
{
	char full_name[SERVICE_NAME_MAX];
	int error = service_name(name, service, full_name, sizeof(full_name));

	if (error == 0) {
		error = connect_start(full_name, deadline, &t->qb, &t->fd);
	}
	if (error) {
		return error;
	}
	error = connect_finish(t->qb, t->fd, deadline);
	if (error) {
		t->qb = NULL;
		return error;
	}
	error = server_check(t->qb);
	if (error) {
		return error;
	}
	(void)qb_ipcc_fd_get(t->qb, &t->fd);
	int32_t size = qb_ipcc_get_buffer_size(t->qb);

	t->in_size = size > IPC_MESSAGE_MAX ? (size_t)size : IPC_MESSAGE_MAX;
	t->in = malloc(t->in_size);
	return t->in ? 0 : -ENOMEM;
}

int transport_open(const char *name, uint8_t service, int64_t deadline, struct transport **ret)
{
	struct transport *t = calloc(1, sizeof(*t));

	if (!t) {
		return -ENOMEM;
	}
	name = name_or_default(name);
	int error = name[0] == '/' ? stream_open(name, service, deadline, &t->stream)
				   : qb_open(t, name, service, deadline);

	if (error) {
		(void)transport_free(t);
		return error;
	}
	*ret = t;
	return 0;
}

struct transport *transport_free(struct transport *t)
{
	if (t) {
		(void)stream_free(t->stream);
		if (t->qb) {
			qb_ipcc_disconnect(t->qb);
		}
		free(t->in);
		free(t);
	}
	return NULL;
}

int transport_fd(const struct transport *t)
{
	return t->stream ? stream_fd(t->stream) : t->fd;
}

uint32_t transport_tag(struct transport *t)
{
	if (++t->tag == 0) {
		t->tag = 1;
	}
	return t->tag;
}

/* What libqb says when the other end is gone has many names. */
static int map_error(ssize_t res)
{
	switch (-res) {
	case EAGAIN:
	case ETIMEDOUT:
	case EINTR:
		return -EAGAIN;
	case EMSGSIZE:
	case ENOMEM:
	case EINVAL:
		return (int)res;
	default:
		return -ENOTCONN;
	}
}

/* The body of the @size bytes in t->in, or -EBADMSG. */
static int body_get(const struct transport *t, ssize_t size, int32_t id, const uint8_t **ret_body,
		    size_t *ret_size)
{
	struct qb_ipc_response_header header;

	if (size < (ssize_t)sizeof(header)) {
		return -EBADMSG;
	}
	memcpy(&header, t->in, sizeof(header));
	if (header.id != id || header.size != size) {
		return -EBADMSG;
	}
	*ret_body = t->in + sizeof(header);
	*ret_size = (size_t)size - sizeof(header);
	return 0;
}

static bool tag_matches(const uint8_t *body, size_t size, uint32_t tag)
{
	struct cursor in = cursor_make(body, size);

	(void)cursor_get_u32(&in); /* version, checked by the decoder */
	return cursor_get_u32(&in) == tag && cursor_ok(&in);
}

static int send_request(struct transport *t, int32_t id, const struct buf *body)
{
	struct qb_ipc_request_header header;
	struct iovec iov[2] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = body->data, .iov_len = body->size },
	};

	ls_assert(body->size <= IPC_BODY_MAX);
	memset(&header, 0, sizeof(header)); /* its padding goes over the wire too */
	header.id = id;
	header.size = (int32_t)(sizeof(header) + body->size);
	ssize_t res = qb_ipcc_sendv(t->qb, iov, 2);

	return res < 0 ? map_error(res) : 0;
}

int transport_call(struct transport *t, int32_t id, uint32_t tag, const struct buf *body,
		   int64_t deadline, const uint8_t **ret_body, size_t *ret_size)
{
	if (t->stream) {
		return stream_call(t->stream, id, tag, body, deadline, ret_body, ret_size);
	}
	int error = send_request(t, id, body);

	if (error) {
		return error;
	}
	for (;;) {
		int slice = transport_remaining_ms(deadline);

		if (slice < 0 || slice > RECV_SLICE_MS) {
			slice = RECV_SLICE_MS;
		}
		ssize_t size = qb_ipcc_recv(t->qb, t->in, t->in_size, slice);

		if (size < 0) {
			error = map_error(size);
			if (error != -EAGAIN) {
				return error;
			}
			if (transport_wait(t, 0) == -ENOTCONN) {
				return -ENOTCONN;
			}
			if (transport_remaining_ms(deadline) == 0) {
				return -ETIMEDOUT;
			}
			continue;
		}
		/* A late answer to a call that gave up has the id of its own request. */
		if (body_get(t, size, id, ret_body, ret_size) == 0 &&
		    tag_matches(*ret_body, *ret_size, tag)) {
			return 0;
		}
	}
}

int transport_event(struct transport *t, const uint8_t **ret_body, size_t *ret_size)
{
	if (t->stream) {
		return stream_event(t->stream, ret_body, ret_size);
	}
	ssize_t size = qb_ipcc_event_recv(t->qb, t->in, t->in_size, 0);

	if (size < 0) {
		return map_error(size);
	}
	return body_get(t, size, IPC_EVENT, ret_body, ret_size);
}

int transport_wait(const struct transport *t, int64_t deadline)
{
	if (t->stream) {
		return stream_wait(t->stream, deadline);
	}
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	int n = poll(&p, 1, transport_remaining_ms(deadline));

	if (n < 0) {
		return -errno;
	}
	if (n == 0) {
		return -ETIMEDOUT;
	}
	return (p.revents & (POLLHUP | POLLERR | POLLNVAL)) ? -ENOTCONN : 0;
}
