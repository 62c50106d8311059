/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All open handles of the process: which pointers and descriptors are ours. A program may call with a
 * handle that is closed, and dlm_dispatch() gets a descriptor only, so some place has to know. This
 * table and the default lockspace (default.c) are the library's only global state.
 */
#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "lib/dlm/handle.h"
#include "lib/dlm/registry.h"

#define BUCKETS 64

static struct dlm_handle *buckets[BUCKETS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct dlm_handle **bucket(const void *h)
{
	return &buckets[((uintptr_t)h >> 5) % BUCKETS];
}

static void lock(void)
{
	(void)pthread_mutex_lock(&mutex);
}

static void unlock(void)
{
	(void)pthread_mutex_unlock(&mutex);
}

/* The child of a threaded program may open handles of its own. */
static void fork_prepare(void)
{
	(void)pthread_atfork(lock, unlock, unlock);
}

void registry_add(struct dlm_handle *h)
{
	(void)pthread_once(&once, fork_prepare);
	lock();
	h->next = *bucket(h);
	*bucket(h) = h;
	unlock();
}

static struct dlm_handle **slot(const void *h)
{
	struct dlm_handle **at = bucket(h);

	while (*at && *at != h) {
		at = &(*at)->next;
	}
	return at;
}

struct dlm_handle *handle_get(void *wanted)
{
	lock();
	struct dlm_handle *h = *slot(wanted);

	if (h && (h->closed || h->pid != getpid())) {
		h = NULL;
	}
	if (h) {
		h->users++;
	}
	unlock();
	if (!h) {
		errno = ENOTCONN;
	}
	return h;
}

struct dlm_handle *handle_get_by_fd(int fd)
{
	struct dlm_handle *h = NULL;
	pid_t pid = getpid();

	lock();
	for (size_t i = 0; i < BUCKETS && !h; i++) {
		h = buckets[i];
		while (h && (h->poll_fd != fd || h->closed || h->pid != pid)) {
			h = h->next;
		}
	}
	if (h) {
		h->users++;
	}
	unlock();
	if (!h) {
		errno = EBADF;
	}
	return h;
}

/* Takes it out when nobody uses it any more. */
static bool drop(struct dlm_handle *h)
{
	if (!h->closed || h->users > 0) {
		return false;
	}
	*slot(h) = h->next;
	return true;
}

bool registry_put(struct dlm_handle *h)
{
	lock();
	h->users--;
	bool last = drop(h);

	unlock();
	return last;
}

enum registry_close registry_close(void *wanted)
{
	enum registry_close result = REGISTRY_UNKNOWN;

	lock();
	struct dlm_handle *h = *slot(wanted);

	if (h && h->pid != getpid()) {
		*slot(wanted) = h->next;
		result = REGISTRY_INHERITED;
	} else if (h && !h->closed) {
		h->closed = true;
		h->users++; /* of the closer */
		result = REGISTRY_CLOSED;
	}
	unlock();
	return result;
}
