/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See ipc_gate.h. libqb lets anybody connect and then waits for his first message as long as he likes, with a
 * descriptor for each. All its descriptors go through our poll handlers, so they are known here: of those that
 * are in the middle of the handshake the oldest is shut when there are too many, which libqb takes for a
 * client that has gone.
 *
 * libqb gives its callbacks no argument of ours, hence the one variable at file scope.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <grp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "plugin/daemon/daemon.h"
#include "plugin/daemon/ipc_access.h"
#include "plugin/daemon/ipc_gate.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"

#define STRANGERS_MAX 128 /* connections in the middle of libqb's handshake */
/* Kept for what the daemon itself opens: Corosync, files, /proc, pipes to image writers. */
#define DESCRIPTORS_RESERVED 96

static struct {
	struct daemon *daemon;
	bool listening; /* what is added now is a listener */
	/* The descriptor libqb has last added, and for whom. */
	void *added_data;
	int added_fd;
	/* Oldest first. */
	int strangers[STRANGERS_MAX];
	size_t strangers_count;
} ipc_global = { .added_fd = -1 };

/* --- who --------------------------------------------------------------------------------- */

bool ipc_privileged(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

int ipc_accept_check(struct daemon *d, qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	struct group *group;

	if (ipc_gate_descriptors_short()) {
		qb_log(LOG_WARNING, "refused a connection of uid %u: few descriptors are left (see LIMITS in lockstepd(8))", uid);
		return -EUSERS;
	}
	if (ipc_privileged(uid)) {
		return 0;
	}
	if (c && d->settings->socket_only) {
		qb_log(LOG_NOTICE, "refused a connection of uid %u: users other than root come in through the socket file (socket_only)", uid);
		return -EACCES;
	}
	/* May ask the name service, so only those who have to be looked up that way wait for it. */
	group = d->settings->ipc_group ? getgrnam(d->settings->ipc_group) : NULL;
	if (!(group && access_user_in_group(uid, gid, group->gr_gid)) && !access_any(d->access, uid, gid)) {
		qb_log(LOG_NOTICE, "refused a connection of uid %u: not root, not in the group that may connect (ipc_group), and no rule allows it anything (access_file)", uid);
		return -EACCES;
	}
	if (c && group && geteuid() != 0) {
		/* We cannot give the shared memory to that user, but to the group. */
		qb_ipcs_connection_auth_set(c, geteuid(), group->gr_gid, 0660);
	}
	return 0;
}

int ipc_permission(const struct daemon *d, uid_t uid, gid_t gid, const char *space, unsigned int operation,
		   int otherwise)
{
	if (ipc_privileged(uid)) {
		return 0;
	}
	switch (access_check(d->access, uid, gid, space, operation)) {
	case ACCESS_ALLOWED:
		return 0;
	case ACCESS_DENIED:
		qb_log(LOG_NOTICE, "uid %u: refused by a rule of %s, lockspace \"%s\"", uid, d->settings->access_file, space ? space : "*");
		return EACCES;
	case ACCESS_NO_RULE:
		break;
	}
	return otherwise;
}

void ipc_access_reload(struct daemon *d)
{
	struct access_rules *rules;
	char *errors = NULL;

	if (!d->settings->access_file) {
		return;
	}
	if (access_load(d->settings->access_file, &rules, &errors) != 0) {
		qb_log(LOG_ERR, "the access rules stay as they were: %s", errors);
		g_free(errors);
		return;
	}
	access_free(d->access);
	d->access = rules;
	qb_log(LOG_NOTICE, "read the access rules of %s", d->settings->access_file);
}

/* --- how many ---------------------------------------------------------------------------- */

bool ipc_gate_descriptors_short(void)
{
	/* The lowest free number is the next one to be given out. */
	int fd = fcntl(ipc_global.daemon->kick_fd, F_DUPFD_CLOEXEC, 0);
	struct rlimit limit;

	if (fd < 0) {
		return true;
	}
	(void)close(fd);
	return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	       (rlim_t)fd + DESCRIPTORS_RESERVED >= limit.rlim_cur;
}

void ipc_gate_descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void stranger_remove(int fd)
{
	int *all = ipc_global.strangers;

	for (size_t i = 0; i < ipc_global.strangers_count; i++) {
		if (all[i] == fd) {
			ipc_global.strangers_count--;
			memmove(all + i, all + i + 1, (ipc_global.strangers_count - i) * sizeof(all[0]));
			return;
		}
	}
}

static void stranger_add(int fd)
{
	/* Not closed: libqb does that when it sees the end, and says so in poll_del(). */
	if (ipc_global.strangers_count == STRANGERS_MAX ||
	    (ipc_global.strangers_count > 0 && ipc_gate_descriptors_short())) {
		int oldest = ipc_global.strangers[0];

		stranger_remove(oldest);
		(void)shutdown(oldest, SHUT_RDWR);
	}
	ipc_global.strangers[ipc_global.strangers_count++] = fd;
}

/* --- libqb's poll handlers --------------------------------------------------------------- */

static int32_t poll_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	ipc_global.added_data = data;
	ipc_global.added_fd = fd;
	if (!ipc_global.listening) {
		stranger_remove(fd);
		stranger_add(fd);
	}
	return qb_loop_poll_add(ipc_global.daemon->loop, p, fd, events, data, fn);
}

static int32_t poll_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(ipc_global.daemon->loop, p, fd, events, data, fn);
}

static int32_t poll_del(int32_t fd)
{
	stranger_remove(fd);
	return qb_loop_poll_del(ipc_global.daemon->loop, fd);
}

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(ipc_global.daemon->loop, p, data, fn);
}

int ipc_gate_run(struct daemon *d, qb_ipcs_service_t *service)
{
	struct qb_ipcs_poll_handlers handlers = {
		.job_add = job_add,
		.dispatch_add = poll_add,
		.dispatch_mod = poll_mod,
		.dispatch_del = poll_del,
	};
	int rc;

	ipc_global.daemon = d;
	qb_ipcs_poll_handlers_set(service, &handlers);
	ipc_global.listening = true;
	rc = qb_ipcs_run(service);
	ipc_global.listening = false;
	return rc;
}

int ipc_gate_passed(qb_ipcs_connection_t *c)
{
	if (ipc_global.added_data != c) {
		return -1;
	}
	stranger_remove(ipc_global.added_fd);
	return ipc_global.added_fd;
}
