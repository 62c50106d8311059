/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Life of a handle, and the reader that all who wait share. See handle.h.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/client/private.h"
#include "lib/client/session.h"
#include "lib/dlm/deliver.h"
#include "lib/dlm/handle.h"
#include "lib/dlm/registry.h"

int dlm_result(int error)
{
	if (error < 0) {
		errno = -error;
		return -1;
	}
	return 0;
}

static void fd_close(int fd)
{
	if (fd >= 0) {
		(void)close(fd);
	}
}

static void handle_free(struct dlm_handle *h)
{
	handle_locks_forget(h);
	lockstep_close(h->ls);
	fd_close(h->poll_fd);
	fd_close(h->ready_fd);
	fd_close(h->wake_fd);
	(void)pthread_cond_destroy(&h->cond);
	(void)pthread_mutex_destroy(&h->mutex);
	free(h);
}

static int descriptors_open(struct dlm_handle *h)
{
	struct epoll_event event = { .events = EPOLLIN };

	h->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (h->ready_fd < 0 || h->wake_fd < 0 || h->poll_fd < 0 ||
	    epoll_ctl(h->poll_fd, EPOLL_CTL_ADD, h->ls_fd, &event) != 0 ||
	    epoll_ctl(h->poll_fd, EPOLL_CTL_ADD, h->ready_fd, &event) != 0) {
		return -errno;
	}
	return 0;
}

struct dlm_handle *handle_open(const char *space)
{
	/* A kernel lockspace has 32 bytes, and opening waits until this node has its state. */
	struct lockstep_options options = { .timeout_ms = -1, .lvb_len = DLM_LVB_LEN };
	struct dlm_handle *h = calloc(1, sizeof(*h));

	if (!h) {
		return NULL;
	}
	h->pid = getpid();
	h->ready_fd = h->wake_fd = h->poll_fd = -1;
	(void)pthread_mutex_init(&h->mutex, NULL);
	(void)pthread_cond_init(&h->cond, NULL);
	list_init(&h->locks);
	int error = client_open(space, 0, &options, PERSONALITY_LIBDLM, &h->ls);

	if (error == 0) {
		memcpy(h->space, space, strlen(space) + 1);
		h->session = client_session(h->ls);
		h->ls_fd = lockstep_session_fd(h->ls);
		error = descriptors_open(h);
	}
	if (error) {
		handle_free(h);
		errno = -error;
		return NULL;
	}
	registry_add(h);
	return h;
}

void handle_put(struct dlm_handle *h)
{
	if (registry_put(h)) {
		handle_free(h);
	}
}

/* In a child: the parent's session must not end because of us, so libqb, which shuts the socket down,
 * is left alone and only our copies of the descriptors go. Memory of the connection stays. */
static void inherited_free(struct dlm_handle *h)
{
	fd_close(h->poll_fd);
	fd_close(h->ready_fd);
	fd_close(h->wake_fd);
	fd_close(h->ls_fd);
	free(h);
}

bool handle_close(void *closed)
{
	struct dlm_handle *h = closed;

	switch (registry_close(closed)) {
	case REGISTRY_UNKNOWN:
		return false;
	case REGISTRY_INHERITED:
		inherited_free(h);
		return true;
	case REGISTRY_CLOSED:
		break;
	}
	(void)pthread_mutex_lock(&h->mutex);
	bool join = h->thread_running && !pthread_equal(h->thread, pthread_self());

	if (h->thread_running && !join) {
		/* A routine closes its own handle; the thread ends when it has returned. */
		(void)pthread_detach(h->thread);
	}
	h->thread_stop = true;
	/* Before anything is lost: the next one who adopts what we leave behind must find it. */
	client_goodbye(h->ls);
	/* Whoever is in a _wait call comes back with ENOTCONN. */
	session_lose(h->session, ENOTCONN);
	handle_notify(h);
	(void)pthread_mutex_unlock(&h->mutex);
	if (join) {
		(void)pthread_join(h->thread, NULL);
	}
	/* The session ends here and not with the last call under way; a call that is in the middle of
	 * a round trip has the mutex and finishes it first. */
	(void)pthread_mutex_lock(&h->mutex);
	client_disconnect(h->ls);
	(void)pthread_mutex_unlock(&h->mutex);
	handle_put(h);
	return true;
}

void handle_locks_forget(struct dlm_handle *h)
{
	list_for_each_safe (pos, &h->locks) {
		list_remove(pos);
		free(list_entry(pos, struct dlm_lock, link));
	}
}

/* --- the reader -------------------------------------------------------------------------- */

static void event_set(int fd)
{
	uint64_t one = 1;
	ssize_t n = write(fd, &one, sizeof(one));

	(void)n; /* full means set */
}

static void event_clear(int fd)
{
	uint64_t value;
	ssize_t n = read(fd, &value, sizeof(value));

	(void)n;
}

void handle_notify(struct dlm_handle *h)
{
	if (h->sleeping > 0) {
		(void)pthread_cond_broadcast(&h->cond);
	}
	if (h->reading) {
		event_set(h->wake_fd);
	}
}

void handle_read(struct dlm_handle *h)
{
	if (h->reading) {
		h->sleeping++;
		(void)pthread_cond_wait(&h->cond, &h->mutex);
		h->sleeping--;
		return;
	}
	struct pollfd fds[2] = {
		{ .fd = h->ls_fd, .events = POLLIN },
		{ .fd = h->wake_fd, .events = POLLIN },
	};

	h->reading = true;
	(void)pthread_mutex_unlock(&h->mutex);
	/* A signal ends it early, which does no harm: everybody looks again (R-ABI-23). */
	(void)poll(fds, 2, -1);
	(void)pthread_mutex_lock(&h->mutex);
	h->reading = false;
	event_clear(h->wake_fd);
	client_events_take(h->ls);
	/* One of the others reads on, and what has come may be theirs. */
	if (h->sleeping > 0) {
		(void)pthread_cond_broadcast(&h->cond);
	}
}

void handle_ready_update(struct dlm_handle *h)
{
	bool ready = !session_queue_empty(h->session);

	if (ready == h->ready_set) {
		return;
	}
	h->ready_set = ready;
	if (ready) {
		event_set(h->ready_fd);
	} else {
		event_clear(h->ready_fd);
	}
}
