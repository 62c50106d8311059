/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that waits for the disk so that the loop does not. It gets ordinary scheduling, no signals
 * and a small stack, since all memory may be locked, whatever the loop's thread has.
 */
#ifndef LOCKSTEP_DAEMON_WORKER_H
#define LOCKSTEP_DAEMON_WORKER_H

#include <pthread.h>

/* 0 or a negative errno. The caller joins it. */
int worker_start(pthread_t *ret, void *(*run)(void *arg), void *arg);

#endif
