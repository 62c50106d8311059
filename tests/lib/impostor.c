/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that the library does not talk to whoever has the daemon's name: a libqb server of another
 * user takes a name, and opening it is refused; the same server of the caller's own user is
 * accepted as far as the connection goes. Needs root to be somebody else.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#include <lockstep/lockstep.h>

#define NOBODY 65534

static qb_loop_t *loop;

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(loop, p, data, fn);
}

static int32_t dispatch_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			    qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(loop, p, fd, events, data, fn);
}

static int32_t dispatch_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			    qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(loop, p, fd, events, data, fn);
}

static int32_t dispatch_del(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

static int32_t accept_all(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	qb_ipcs_connection_auth_set(c, uid, gid, 0666);
	return 0;
}

static int32_t message(qb_ipcs_connection_t *c, void *data, size_t size)
{
	(void)c;
	(void)data;
	(void)size;
	return 0;
}

/* One connection is all there is; an orderly end leaves nothing in /dev/shm. */
static void destroyed(qb_ipcs_connection_t *c)
{
	(void)c;
	qb_loop_stop(loop);
}

/* Serves one connection to @name as user @uid; says on @ready that it listens. */
__attribute__((noreturn)) static void serve(const char *name, uid_t uid, int ready)
{
	struct qb_ipcs_service_handlers handlers = { .connection_accept = accept_all,
						     .connection_destroyed = destroyed,
						     .msg_process = message };
	struct qb_ipcs_poll_handlers poll_handlers = { job_add, dispatch_add, dispatch_mod,
						       dispatch_del };

	(void)alarm(60);
	if (setuid(uid) < 0) {
		_exit(1);
	}
	loop = qb_loop_create();
	qb_ipcs_service_t *service = qb_ipcs_create(name, 0, QB_IPC_NATIVE, &handlers);

	qb_ipcs_poll_handlers_set(service, &poll_handlers);
	if (qb_ipcs_run(service) < 0 || write(ready, "", 1) != 1) {
		_exit(1);
	}
	qb_loop_run(loop);
	qb_ipcs_destroy(service);
	_exit(0);
}

/* What opening the service of such a server returns. */
static int open_served_by(uid_t uid)
{
	char name[64], byte;
	struct lockstep_options options = { .ipc_name = name, .timeout_ms = 5000 };
	struct lockstep_admin *a = NULL;
	char service[80];
	int ready[2];

	(void)snprintf(name, sizeof(name), "impostor-%d-%d", (int)getpid(), (int)uid);
	(void)snprintf(service, sizeof(service), "%s-admin", name);
	if (pipe(ready) < 0) {
		exit(1);
	}
	pid_t server = fork();

	if (server == 0) {
		(void)close(ready[0]);
		serve(service, uid, ready[1]);
	}
	(void)close(ready[1]);
	if (read(ready[0], &byte, 1) != 1) {
		(void)fprintf(stderr, "the server of uid %d does not start\n", (int)uid);
		exit(1);
	}
	(void)close(ready[0]);
	int error = lockstep_admin_open(&options, &a);

	lockstep_admin_close(a);
	(void)waitpid(server, NULL, 0);
	return error;
}

int main(void)
{
	if (geteuid() != 0) {
		(void)printf("skipped: only root can be somebody else\n");
		return 77;
	}
	int mine = open_served_by(0), other = open_served_by(NOBODY);

	(void)printf("a server of my own: %d, of another user: %d\n", mine, other);
	return mine == 0 && other == -EACCES ? 0 : 1;
}
