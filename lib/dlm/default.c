/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls without a handle: they work on the lockspace named "default", which the first one that needs
 * it opens, or creates for its own user only (R-ABI-10).
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/dlm/calls.h"
#include "lib/dlm/handle.h"

#define DEFAULT_NAME "default"
#define DEFAULT_MODE 0600

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct dlm_handle *opened;
static pid_t opened_pid; /* a child opens its own */

/* What is open, NULL with ENOTCONN. */
static struct dlm_handle *default_get(void)
{
	(void)pthread_mutex_lock(&mutex);
	struct dlm_handle *h = opened;

	(void)pthread_mutex_unlock(&mutex);
	if (!h) {
		errno = ENOTCONN;
	}
	return h;
}

static struct dlm_handle *default_open(void)
{
	(void)pthread_mutex_lock(&mutex);
	if (opened && opened_pid != getpid()) {
		(void)handle_close(opened);
		opened = NULL;
	}
	if (!opened) {
		opened = space_open(DEFAULT_NAME);
		if (!opened) {
			opened = space_new(DEFAULT_NAME, DEFAULT_MODE, 0);
		}
		opened_pid = getpid();
	}
	struct dlm_handle *h = opened;

	(void)pthread_mutex_unlock(&mutex);
	return h;
}

int dlm_lock(uint32_t mode, struct dlm_lksb *lksb, uint32_t flags, const void *name,
	     unsigned int namelen, uint32_t parent, dlm_routine astaddr, void *astarg,
	     dlm_routine bastaddr, void *range)
{
	const struct lock_request request = {
		.mode = mode, .lksb = lksb, .flags = flags, .name = name, .name_len = namelen,
		.ast = astaddr, .ast_arg = astarg, .bast = bastaddr, .bast_arg = astarg,
		.range = range,
	};
	struct dlm_handle *h = default_open();

	(void)parent;
	return h ? call_lock(h, &request) : -1;
}

static int lock_wait(struct dlm_handle *h, uint32_t mode, struct dlm_lksb *lksb, uint32_t flags,
		     const void *name, unsigned int namelen, void *bastarg, dlm_routine bastaddr,
		     void *range)
{
	const struct lock_request request = {
		.mode = mode, .lksb = lksb, .flags = flags, .name = name, .name_len = namelen,
		.bast = bastaddr, .bast_arg = bastarg, .range = range, .wait = true,
	};

	return h ? call_lock(h, &request) : -1;
}

int dlm_lock_wait(uint32_t mode, struct dlm_lksb *lksb, uint32_t flags, const void *name,
		  unsigned int namelen, uint32_t parent, void *bastarg, dlm_routine bastaddr,
		  void *range)
{
	(void)parent;
	return lock_wait(default_open(), mode, lksb, flags, name, namelen, bastarg, bastaddr,
			 range);
}

static int unlock(uint32_t lkid, uint32_t flags, struct dlm_lksb *lksb, void *astarg, bool wait)
{
	const struct unlock_request request = {
		.lkid = lkid, .flags = flags, .lksb = lksb, .ast_arg = astarg, .wait = wait,
	};
	struct dlm_handle *h = default_get();

	return h ? call_unlock(h, &request) : -1;
}

int dlm_unlock(uint32_t lkid, uint32_t flags, struct dlm_lksb *lksb, void *astarg)
{
	return unlock(lkid, flags, lksb, astarg, false);
}

int dlm_unlock_wait(uint32_t lkid, uint32_t flags, struct dlm_lksb *lksb)
{
	return unlock(lkid, flags, lksb, NULL, true);
}

int dlm_get_fd(void)
{
	struct dlm_handle *h = default_open();

	return h ? h->poll_fd : -1;
}

#if DLM_THREADS
static int thread_start(struct dlm_handle *h)
{
	return h ? dlm_result(handle_thread_start(h)) : -1;
}

int dlm_pthread_init(void)
{
	return thread_start(default_open());
}

int dlm_pthread_cleanup(void)
{
	(void)pthread_mutex_lock(&mutex);
	struct dlm_handle *h = opened;

	opened = NULL;
	(void)pthread_mutex_unlock(&mutex);
	if (h) {
		(void)handle_close(h);
	}
	return 0;
}

/* libdlm keeps the status block of a lock_resource() on its own stack, too: nothing writes to it once
 * the call is over. */
int lock_resource(const char *resource, int mode, int flags, int *lockid)
{
	struct dlm_lksb lksb = { 0 };
	struct dlm_handle *h = default_open();

	if (!h || (thread_start(h) != 0 && errno != EEXIST)) {
		return -1;
	}
	if (!lockid || !resource) {
		errno = EINVAL;
		return -1;
	}
	if ((uint32_t)flags & LKF_CONVERT) {
		lksb.sb_lkid = (uint32_t)*lockid;
	}
	if (lock_wait(h, (uint32_t)mode, &lksb, (uint32_t)flags, resource,
		      (unsigned int)strlen(resource), NULL, NULL, NULL) != 0) {
		return -1;
	}
	*lockid = (int)lksb.sb_lkid;
	if (lksb.sb_status != 0) {
		errno = lksb.sb_status;
		return -1;
	}
	return 0;
}

int unlock_resource(int lockid)
{
	struct dlm_lksb lksb = { 0 };

	if (unlock((uint32_t)lockid, 0, &lksb, NULL, true) != 0) {
		return -1;
	}
	if (lksb.sb_status != EUNLOCK) {
		errno = lksb.sb_status;
		return -1;
	}
	return 0;
}
#endif
