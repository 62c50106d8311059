/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See stream.h. Never more is read than the frame that is due: what lies in a buffer of ours would be invisible
 * to whoever polls. An event that is met while an answer is waited for goes to a list, which an eventfd makes
 * visible.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/client/stream.h"
#include "lib/client/transport.h"
#include "lib/ipc/ipc.h"

#define RETRY_MS 10
#define HELLO_TAG 1

/* An event that came while an answer was waited for. */
struct kept {
	struct list link;
	size_t size;
	uint8_t body[];
};

struct stream {
	int fd;
	int poll_fd;  /* epoll: the socket, or something kept */
	int kept_fd;  /* eventfd: something is kept */
	struct list kept;
	struct buf out; /* a request that is being sent */
	size_t in_size; /* of the frame that is being read; the last whole one is still there when it is 0 */
	uint8_t in[IPC_FRAME_MAX];
	uint8_t event[IPC_FRAME_MAX]; /* the one handed out last */
};

/* --- opening ----------------------------------------------------------------------------- */

/* A full backlog is waited for, nobody listening is not. */
static int socket_connect(int fd, const char *path, int64_t deadline)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path)) {
		return -EINVAL;
	}
	memcpy(address.sun_path, path, strlen(path));
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		if (errno == EAGAIN || errno == EINTR) {
			if (!transport_pause(deadline, RETRY_MS)) {
				return -ETIMEDOUT;
			}
			continue;
		}
		return errno == ENOENT || errno == ECONNREFUSED ? -EUNATCH : -errno;
	}
	return 0;
}

/* Whom the path leads to: root, ourselves, or whoever owns the file, which is what its directory's
 * permissions keep from others. Seen from a user namespace all three may be "nobody". */
static int server_check(int fd, const char *path)
{
	struct ucred cred = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(cred);
	struct stat st;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) != 0) {
		return -EACCES;
	}
	if (cred.uid == 0 || cred.uid == geteuid()) {
		return 0;
	}
	return stat(path, &st) == 0 && st.st_uid == cred.uid ? 0 : -EACCES;
}

static int poll_make(struct stream *t)
{
	struct epoll_event event = { .events = EPOLLIN };

	t->kept_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (t->kept_fd < 0 || t->poll_fd < 0 ||
	    epoll_ctl(t->poll_fd, EPOLL_CTL_ADD, t->fd, &event) != 0 ||
	    epoll_ctl(t->poll_fd, EPOLL_CTL_ADD, t->kept_fd, &event) != 0) {
		return -errno;
	}
	return 0;
}

static int hello(struct stream *t, uint8_t service, int64_t deadline)
{
	const struct ipc_hello m = { .tag = HELLO_TAG, .service = service };
	struct ipc_result result;
	struct buf body = { 0 };
	const uint8_t *answer;
	size_t size;

	ipc_hello_encode(&m, &body);
	int error = stream_call(t, IPC_MSG_HELLO, HELLO_TAG, &body, deadline, &answer, &size);

	buf_done(&body);
	if (error == 0) {
		error = ipc_result_decode(answer, size, &result);
	}
	if (error) {
		/* -EAGAIN: it did not even take the few bytes. */
		return error == -ENOTCONN ? -EUNATCH : error == -EAGAIN ? -ETIMEDOUT : error;
	}
	return -(int)result.error;
}

int stream_open(const char *path, uint8_t service, int64_t deadline, struct stream **ret)
{
	struct stream *t = calloc(1, sizeof(*t));
	int error;

	if (!t) {
		return -ENOMEM;
	}
	list_init(&t->kept);
	t->poll_fd = -1;
	t->kept_fd = -1;
	t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	error = t->fd < 0 ? -errno : socket_connect(t->fd, path, deadline);
	if (error == 0) {
		error = server_check(t->fd, path);
	}
	if (error == 0) {
		error = poll_make(t);
	}
	if (error == 0) {
		error = hello(t, service, deadline);
	}
	if (error) {
		(void)stream_free(t);
		return error;
	}
	*ret = t;
	return 0;
}

struct stream *stream_free(struct stream *t)
{
	if (t) {
		list_for_each_safe (pos, &t->kept) {
			free(list_entry(pos, struct kept, link));
		}
		const int fds[] = { t->poll_fd, t->kept_fd, t->fd };

		for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
			if (fds[i] >= 0) {
				(void)close(fds[i]);
			}
		}
		buf_done(&t->out);
		free(t);
	}
	return NULL;
}

int stream_fd(const struct stream *t)
{
	return t->poll_fd;
}

/* --- bytes ------------------------------------------------------------------------------- */

/* Reads up to @size bytes of the frame: 0, -EAGAIN, -ENOTCONN. */
static int fill(struct stream *t, size_t size)
{
	while (t->in_size < size) {
		ssize_t n = recv(t->fd, t->in + t->in_size, size - t->in_size, 0);

		if (n > 0) {
			t->in_size += (size_t)n;
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			return -ENOTCONN;
		} else if (errno == EAGAIN) {
			return -EAGAIN;
		}
	}
	return 0;
}

/* The next frame: 0, -EAGAIN, -ENOTCONN, -EBADMSG. It lies in t->in until the next call. */
static int next(struct stream *t, struct ipc_frame *ret)
{
	struct ipc_frame frame = { .size = IPC_FRAME_HEAD };
	int error = -EAGAIN;

	while (error == -EAGAIN) {
		error = fill(t, frame.size);
		if (error) {
			return error;
		}
		error = ipc_frame_decode(t->in, t->in_size, &frame);
	}
	t->in_size = 0;
	*ret = frame;
	return error;
}

static int keep(struct stream *t, const struct ipc_frame *frame)
{
	struct kept *k = malloc(sizeof(*k) + frame->body_size);

	if (!k) {
		return -ENOMEM;
	}
	k->size = frame->body_size;
	memcpy(k->body, frame->body, frame->body_size);
	list_push_tail(&t->kept, &k->link);
	(void)eventfd_write(t->kept_fd, 1);
	return 0;
}

/* Waits until the socket can do one of @events. */
static int socket_wait(const struct stream *t, short events, int64_t deadline)
{
	struct pollfd p = { .fd = t->fd, .events = events };
	int n;

	do {
		n = poll(&p, 1, transport_remaining_ms(deadline));
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return -errno;
	}
	return n == 0 ? -ETIMEDOUT : 0;
}

/* -EAGAIN: nothing was sent. Once a byte has gone the rest must follow, or the stream is no good. */
static int request_send(struct stream *t, int64_t deadline)
{
	size_t sent = 0;

	while (sent < t->out.size) {
		ssize_t n = send(t->fd, t->out.data + sent, t->out.size - sent, MSG_NOSIGNAL);

		if (n >= 0) {
			sent += (size_t)n;
		} else if (errno == EAGAIN) {
			int error = socket_wait(t, POLLOUT, sent > 0 ? deadline : 0);

			if (error) {
				return sent > 0 ? -ENOTCONN : -EAGAIN;
			}
		} else if (errno != EINTR) {
			return -ENOTCONN;
		}
	}
	return 0;
}

static bool answers(const struct ipc_frame *frame, int32_t id, uint32_t tag)
{
	struct cursor in = cursor_make(frame->body, frame->body_size);

	(void)cursor_get_u32(&in); /* version, checked by the decoder */
	return frame->id == id && cursor_get_u32(&in) == tag && cursor_ok(&in);
}

/* --- calls ------------------------------------------------------------------------------- */

int stream_call(struct stream *t, int32_t id, uint32_t tag, const struct buf *body,
		int64_t deadline, const uint8_t **ret_body, size_t *ret_size)
{
	buf_clear(&t->out);
	ipc_frame_encode(id, body->data, body->size, &t->out);
	int error = request_send(t, deadline);

	while (error == 0) {
		struct ipc_frame frame;

		error = next(t, &frame);
		if (error == -EAGAIN) {
			error = socket_wait(t, POLLIN, deadline);
		} else if (error == 0 && frame.id == IPC_EVENT) {
			error = keep(t, &frame);
		} else if (error == 0 && answers(&frame, id, tag)) {
			*ret_body = frame.body;
			*ret_size = frame.body_size;
			return 0;
		} /* else a late answer to a call that gave up */
	}
	return error;
}

int stream_event(struct stream *t, const uint8_t **ret_body, size_t *ret_size)
{
	struct ipc_frame frame = { .id = 0 };
	eventfd_t count;

	if (!list_empty(&t->kept)) {
		struct kept *k = list_entry(t->kept.next, struct kept, link);

		memcpy(t->event, k->body, k->size);
		*ret_body = t->event;
		*ret_size = k->size;
		list_remove(&k->link);
		free(k);
		if (list_empty(&t->kept)) {
			(void)eventfd_read(t->kept_fd, &count);
		}
		return 0;
	}
	do {
		int error = next(t, &frame);

		if (error) {
			return error;
		}
	} while (frame.id != IPC_EVENT);
	*ret_body = frame.body;
	*ret_size = frame.body_size;
	return 0;
}

int stream_wait(const struct stream *t, int64_t deadline)
{
	struct pollfd p[2] = {
		{ .fd = t->fd, .events = POLLIN | POLLRDHUP },
		{ .fd = t->kept_fd, .events = POLLIN },
	};
	int n = poll(p, 2, transport_remaining_ms(deadline));

	if (n < 0) {
		return -errno;
	}
	if (p[0].revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL)) {
		return -ENOTCONN;
	}
	return n > 0 ? 0 : -ETIMEDOUT;
}
