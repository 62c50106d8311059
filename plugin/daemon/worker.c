/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See worker.h. */
#include "config.h"

#include <sched.h>
#include <signal.h>

#include "plugin/daemon/worker.h"

#define STACK_BYTES 131072 /* not the usual 8 MiB */

int worker_start(pthread_t *ret, void *(*run)(void *arg), void *arg)
{
	struct sched_param param = { 0 };
	pthread_attr_t attr;
	sigset_t all;
	sigset_t before;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
	pthread_attr_setschedparam(&attr, &param);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(ret, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -rc;
}
