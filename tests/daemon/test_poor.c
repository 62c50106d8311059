/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon that lacks what it needs does not guess: who cannot be noted gets no session,
 * and a process that /proc does not show keeps its lock for as long as it has the
 * connection.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/daemon/rig.h"

static void who_cannot_be_noted_gets_no_session(void **state)
{
	struct lockstep_session *s;
	struct rig r;
	char path[128];

	(void)state;
	rig_init(&r, NULL);
	rig_start(&r);
	(void)snprintf(path, sizeof(path), "%s/run/clients", r.dir);
	/* R-MEM-6: if this daemon dies the next one must find everybody. */
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(lockstep_open("default", 0, &r.options, &s), -EIO);
	assert_true(rig_logged(&r, "it cannot be noted"));
	assert_true(rig_alive(&r));
	rig_done(&r);
}

/* Takes a lock, leaves an heir of the connection and breaks it. That is said through
 * @out; the heir ends when nobody can write to @stay any more. */
static void breaker_run(const struct rig *r, int out, int stay)
{
	char byte;
	struct lockstep_lksb lksb = { .lvb = NULL };
	struct lockstep_session *s;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (lockstep_open("default", 0, &r->options, &s) != 0 ||
	    lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, 0, "held", 4, NULL, NULL,
			       RIG_PATIENCE_MS) != 0) {
		_exit(1);
	}
	if (fork() == 0) {
		_exit((int)read(stay, &byte, 1));
	}
	(void)shutdown(lockstep_session_fd(s), SHUT_RDWR);
	(void)!write(out, "", 1);
	for (;;) {
		(void)pause();
	}
}

/* R-PROC-7. Without the privilege the daemon sees the descriptors of no process that has
 * more than it has itself. */
static void who_is_not_seen_keeps_the_lock(void **state)
{
	struct rig r;
	int fds[2], stay[2];
	pid_t client;
	char byte;

	(void)state;
	/* For what is executed from here on; the clients are not. */
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE) != 0) {
		print_message("not root\n");
		skip();
	}
	rig_init(&r, NULL);
	rig_start(&r);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(stay), 0);
	client = fork();
	if (client == 0) {
		close(stay[1]);
		breaker_run(&r, fds[1], stay[0]);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	close(stay[0]);
	/* The one whose number is known can be ended, ... */
	assert_true(client_killed(client));
	/* ... and its heir cannot. */
	for (int i = 0; i < 50; i++) {
		assert_false(lock_is_free(&r, "held"));
	}
	close(stay[1]);
	assert_true(lock_comes(&r, "held"));
	rig_done(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_cannot_be_noted_gets_no_session),
		cmocka_unit_test(who_is_not_seen_keeps_the_lock), /* last: the privilege
								     does not come back */
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
