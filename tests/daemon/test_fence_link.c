/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The link to the fencer's helper where no process can be made: it tries for ever, and
 * nothing is used up. fork() and the look for the program are the test's own.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugin/daemon/cluster.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/fence_link.h"
#include "plugin/daemon/settings.h"
#include "plugin/node/fencing.h"

static qb_loop_timer_dispatch_fn due; /* the timer that is set */
static void *due_arg;

pid_t __wrap_fork(void);
int __wrap_access(const char *path, int mode);

pid_t __wrap_fork(void)
{
	errno = EAGAIN;
	return -1;
}

int __wrap_access(const char *path, int mode)
{
	(void)path;
	(void)mode;
	return 0;
}

/* In the place of the daemon's and the node's. */
void daemon_timer(struct daemon *d, enum qb_loop_priority priority, uint64_t ms,
		  void *arg, qb_loop_timer_dispatch_fn fn, qb_loop_timer_handle *ret)
{
	(void)d;
	(void)priority;
	(void)ms;
	assert_null(due);
	due = fn;
	due_arg = arg;
	*ret = 1;
}

void daemon_timer_stop(struct daemon *d, qb_loop_timer_handle *timer)
{
	(void)d;
	*timer = 0;
	due = NULL;
}

void daemon_dirty(struct daemon *d)
{
	(void)d;
}

int cluster_node_id(const struct daemon *d, const char *name, uint32_t *ret_nodeid)
{
	(void)d;
	(void)name;
	(void)ret_nodeid;
	return ENOENT;
}

const char *cluster_node_name(const struct daemon *d, uint32_t nodeid)
{
	(void)d;
	(void)nodeid;
	return "";
}

void node_fence_link(struct node *n, bool up, const char *text)
{
	(void)n;
	(void)up;
	(void)text;
}

void node_fence_answer(struct node *n, uint64_t token, const char *error)
{
	(void)n;
	(void)token;
	(void)error;
}

void node_fence_busy(struct node *n, uint32_t nodeid, bool busy)
{
	(void)n;
	(void)nodeid;
	(void)busy;
}

void node_fence_note(struct node *n, uint32_t nodeid, const char *by, const char *devices)
{
	(void)n;
	(void)nodeid;
	(void)by;
	(void)devices;
}

void node_fence_result(struct node *n, const struct node_fence_result *r)
{
	(void)n;
	(void)r;
}

static int lowest_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void where_no_process_can_be_made_no_descriptor_is_lost(void **state)
{
	static struct settings settings = { .fencing = NODE_FENCING_PACEMAKER };
	static struct daemon owner = { .settings = &settings };
	struct fence_link *l = fence_link_new(&owner);
	int before = lowest_free();

	(void)state;
	assert_non_null(l);
	for (int i = 0; i < 3; i++) {
		qb_loop_timer_dispatch_fn fn = due;

		assert_non_null(fn); /* it tries again */
		due = NULL;
		fn(due_arg);
		assert_int_equal(lowest_free(), before);
	}
	assert_null(fence_link_free(l));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_no_process_can_be_made_no_descriptor_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
