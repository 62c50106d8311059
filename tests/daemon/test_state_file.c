/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The writer of the token reservation when it cannot write: it tries again after a while
 * that does not depend on what time of day it is. A folder in the way plays the broken
 * disk.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "plugin/daemon/daemon.h"
#include "plugin/daemon/settings.h"
#include "plugin/daemon/state_file.h"

static struct settings settings;
static struct daemon owner;
static char dir[] = "/tmp/lockstep-state.XXXXXX";
static uint64_t reserved;
static atomic_int waits;
static struct timespec until;

/* In the place of the node's and the daemon's. */
void node_reserved(struct node *n, uint64_t value)
{
	assert_non_null(n);
	reserved = value;
	qb_loop_stop(owner.loop);
}

void daemon_dirty(struct daemon *d)
{
	(void)d;
}

/* The pause after a failure; it is over at once. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
				  const struct timespec *abstime);

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
				  const struct timespec *abstime)
{
	(void)cond;
	until = *abstime;
	(void)atomic_fetch_add(&waits, 1);
	(void)pthread_mutex_unlock(mutex);
	(void)poll(NULL, 0, 1);
	(void)pthread_mutex_lock(mutex);
	return ETIMEDOUT;
}

static void after_a_failure_it_tries_again_whatever_the_time_of_day(void **state)
{
	struct state_file *f;
	struct timespec now;
	uint64_t stored;
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/reserved.tmp", dir);
	settings.state_dir = dir;
	owner.settings = &settings;
	owner.node = (struct node *)&owner; /* only handed on */
	owner.loop = qb_loop_create();
	assert_int_equal(state_file_open(&owner, &f, &stored), 0);
	assert_int_equal(stored, 0);

	assert_int_equal(mkdir(path, 0700), 0);
	state_file_store(f, 4711);
	while (atomic_load(&waits) == 0) {
		(void)poll(NULL, 0, 1);
	}
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	assert_in_range(until.tv_sec, 1, now.tv_sec + 60);

	assert_int_equal(rmdir(path), 0);
	while (reserved != 4711) {
		qb_loop_run(owner.loop); /* until it is told something */
	}
	f = state_file_free(f);
	qb_loop_destroy(owner.loop);
	(void)snprintf(path, sizeof(path), "%s/reserved", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_a_failure_it_tries_again_whatever_the_time_of_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
