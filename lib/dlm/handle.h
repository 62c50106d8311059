/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One open handle of libdlm: a session of its own with the daemon, and who delivers its callbacks
 * when. Private to lib/dlm; built twice, with DLM_THREADS 1 for libdlm and 0 for libdlm_lt.
 *
 * Everything in a handle is protected by its mutex, which is never held while a routine of the
 * program runs. Three kinds of threads meet here:
 *
 *   deliverers   dlm_dispatch(), the delivery thread, and in libdlm_lt every _wait call: take what is
 *                due in order and run the routines, one at a time
 *   waiters      libdlm's _wait calls in other threads: take only the completions of their own lock
 *                (R-ABI-21)
 *   the reader   of those that have nothing to do, the one that polls the connection; the others sleep
 *                on `cond`. Whoever takes something away that another one may want calls
 *                handle_notify().
 *
 * What a program polls is none of the above: an epoll descriptor, readable when the connection has
 * something to read or when a _wait call has read callbacks and put them aside (R-ABI-13).
 */
#ifndef LOCKSTEP_DLM_HANDLE_H
#define LOCKSTEP_DLM_HANDLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <libdlm.h>
#include <lockstep/lockstep.h>

#include "lib/base/list.h"

#define PERSONALITY_LIBDLM 1 /* enum engine_personality */

struct session;
struct session_wait;

typedef void (*dlm_routine)(void *arg);

/* What libdlm knows of a lock beside the session's own book-keeping, whose callback argument it is. */
struct dlm_lock {
	struct list link;           /* in dlm_handle.locks */
	struct lockstep_lksb lksb;  /* the session's view */
	uint8_t lvb[DLM_LVB_LEN];   /* lksb.lvb */
	struct dlm_lksb *user_lksb; /* of the latest accepted op */
	dlm_routine ast;            /* NULL: a synchronous call has replaced it */
	void *ast_arg;
	dlm_routine bast;
	void *bast_arg;
	bool muted; /* the op under way is libdlm's synchronous unlock: no routine for it (D-24) */
};

struct dlm_handle {
	struct dlm_handle *next; /* in the registry */
	char space[LOCKSTEP_SPACE_MAX + 1];
	pid_t pid;               /* a child after fork has no business here (R-ABI-18) */
	unsigned int users;      /* calls under way; of the registry, not of the mutex */
	bool closed;
	struct lockstep_session *ls;
	struct session *session;
	int ls_fd;
	int ready_fd; /* eventfd: callbacks were put aside */
	int wake_fd;  /* eventfd: ends the reader's poll */
	int poll_fd;  /* what the program polls */
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool reading;
	bool ready_set;
	unsigned int sleeping; /* on cond */
	unsigned int waiters;
	unsigned int delivering; /* nesting depth of the deliverer's routines */
	pthread_t deliverer;
	bool thread_running;
	bool thread_stop;
	pthread_t thread;
	struct list locks;
};

/* Returns a handle or NULL with errno. */
struct dlm_handle *handle_open(const char *space);
/* For one call: NULL with ENOTCONN when @h is no open handle of this process. */
struct dlm_handle *handle_get(void *h);
struct dlm_handle *handle_get_by_fd(int fd);
void handle_put(struct dlm_handle *h);
/* Ends the session and the thread. The memory goes with the last call that is under way. False: @h is
 * no open handle. */
bool handle_close(void *h);

/* Runs what is due; the mutex is not held. 0 or a negative errno. */
int handle_dispatch(struct dlm_handle *h);
/* With the mutex: until @wait is done, in the way the calling thread has to (section 3 and 4). */
void handle_wait(struct dlm_handle *h, uint32_t lkid, const struct session_wait *wait);
/* With the mutex: forgets every lock after the session has. */
void handle_locks_forget(struct dlm_handle *h);
#if DLM_THREADS
int handle_thread_start(struct dlm_handle *h);
#endif

/* -1 with errno for a negative errno, else 0. */
int dlm_result(int error);

#endif
