/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows what lockstepd promises at its edges, on real processes: standalone daemons with clients that
 * lock, die, fork and misbehave. Each test has a daemon of its own.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbipcc.h>

#include "lib/base/buf.h"
#include "lib/ipc/ipc.h"
#include "tests/daemon/rig.h"

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_init(r, NULL);
	rig_start(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_done(*state);
	free(*state);
	return 0;
}

static void status_names_the_node(void **state)
{
	struct rig *r = *state;
	struct lockstep_admin *admin;
	struct lockstep_status status;
	uint32_t nodeid = 0;

	assert_true(rig_state_reached(r, "ok"));
	assert_int_equal(lockstep_admin_open(&r->options, &admin), 0);
	assert_int_equal(lockstep_admin_status(admin, &status), 0);
	assert_true(status.standalone);
	assert_false(status.corosync);
	assert_true(status.quorate);
	assert_int_equal(status.nodeid, 1);
	assert_string_equal(status.cluster_name, "standalone");
	assert_string_equal(status.version, PACKAGE_VERSION);
	assert_int_equal(lockstep_admin_node_id(admin, "1", &nodeid), 0);
	assert_int_equal(nodeid, 1);
	assert_int_equal(lockstep_admin_node_id(admin, status.node_name, &nodeid), 0);
	assert_int_equal(lockstep_admin_node_id(admin, "no-such-node", &nodeid), -ENOENT);
	lockstep_admin_close(admin);
}

struct found {
	unsigned int rows;
	struct lockstep_lock_info last;
	char name[LOCKSTEP_SPACE_MAX + 1];
};

static int lock_seen(const struct lockstep_lock_info *info, void *arg)
{
	struct found *f = arg;

	f->rows++;
	f->last = *info;
	return 0;
}

static int blocker_seen(const struct lockstep_blocker *b, void *arg)
{
	return lock_seen(&b->lock, arg);
}

static int space_seen(const struct lockstep_space_info *info, void *arg)
{
	struct found *f = arg;

	f->rows++;
	snprintf(f->name, sizeof(f->name), "%s", info->name);
	return 0;
}

static int member_seen(const struct lockstep_member_info *info, void *arg)
{
	struct found *f = arg;

	f->rows++;
	assert_true(info->local);
	assert_string_equal(info->state, "member");
	return 0;
}

static int line_seen(const char *line, void *arg)
{
	struct found *f = arg;

	f->rows += strstr(line, "standalone") != NULL;
	return 0;
}

static void listings_show_holder_waiter_and_blocker(void **state)
{
	struct rig *r = *state;
	struct lockstep_session *s;
	struct lockstep_admin *admin;
	struct lockstep_lksb a = { 0 };
	struct lockstep_lksb b = { 0 };
	struct found f = { 0 };

	assert_int_equal(lockstep_open("default", 0, &r->options, &s), 0);
	assert_int_equal(lockstep_admin_open(&r->options, &admin), 0);
	assert_int_equal(lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &a, 0, "x", 1, NULL, NULL, -1), 0);
	assert_true(a.token > 0);
	/* No completion comes, so no callback runs. */
	assert_int_equal(lockstep_lock(s, LOCKSTEP_LOCK_PR, &b, 0, "x", 1, NULL,
				       (lockstep_ast_fn)(uintptr_t)abort, NULL),
			 0);
	for (int i = 0; i < RIG_PATIENCE_MS && f.rows != 2; i++) {
		memset(&f, 0, sizeof(f));
		assert_int_equal(lockstep_admin_locks(admin, "default", NULL, 0, lock_seen, &f), 0);
		(void)poll(NULL, 0, 1);
	}
	assert_int_equal(f.rows, 2);
	assert_int_equal(f.last.queue, 'W');
	assert_int_equal(f.last.requested, LOCKSTEP_LOCK_PR);
	assert_int_equal(f.last.pid, getpid());
	memset(&f, 0, sizeof(f));
	assert_int_equal(lockstep_admin_blockers(admin, "default", 1, b.lkid, blocker_seen, &f), 0);
	assert_int_equal(f.rows, 1);
	assert_int_equal(f.last.lkid, a.lkid);
	memset(&f, 0, sizeof(f));
	assert_int_equal(lockstep_admin_spaces(admin, space_seen, &f), 0);
	assert_int_equal(f.rows, 1);
	assert_string_equal(f.name, "default");
	memset(&f, 0, sizeof(f));
	assert_int_equal(lockstep_admin_members(admin, "default", member_seen, &f), 0);
	assert_int_equal(f.rows, 1);
	assert_int_equal(lockstep_admin_locks(admin, "nowhere", NULL, 0, lock_seen, &f), -ENOENT);
	memset(&f, 0, sizeof(f));
	assert_int_equal(lockstep_admin_events(admin, line_seen, &f), 0);
	assert_true(f.rows > 0);
	lockstep_admin_close(admin);
	lockstep_close(s);
}

static void nothing(void *arg)
{
	++*(unsigned int *)arg;
}

static void many_locks_are_listed_in_pages(void **state)
{
	enum { COUNT = 1000 };
	struct rig *r = *state;
	struct lockstep_session *s;
	struct lockstep_admin *admin;
	static struct lockstep_lksb lksb[COUNT];
	unsigned int done = 0;
	struct found f = { 0 };
	struct pollfd p;

	assert_int_equal(lockstep_open("default", 0, &r->options, &s), 0);
	p = (struct pollfd){ .fd = lockstep_session_fd(s), .events = POLLIN };
	for (unsigned int i = 0; i < COUNT;) {
		char name[16];
		int rc;

		/* Three locks on each resource, so that pages begin in the middle of one. */
		snprintf(name, sizeof(name), "r%03u", i / 3);
		rc = lockstep_lock(s, LOCKSTEP_LOCK_PR, &lksb[i], 0, name, 4, &done, nothing, NULL);
		if (rc == -EAGAIN) {
			assert_int_equal(poll(&p, 1, RIG_PATIENCE_MS), 1);
			assert_true(lockstep_dispatch(s) >= 0);
			continue;
		}
		assert_int_equal(rc, 0);
		i++;
	}
	while (done < COUNT) {
		assert_int_equal(poll(&p, 1, RIG_PATIENCE_MS), 1);
		assert_true(lockstep_dispatch(s) >= 0);
	}
	assert_int_equal(lockstep_admin_open(&r->options, &admin), 0);
	assert_int_equal(lockstep_admin_locks(admin, "default", NULL, 0, lock_seen, &f), 0);
	assert_int_equal(f.rows, COUNT);
	memset(&f, 0, sizeof(f));
	assert_int_equal(lockstep_admin_locks(admin, "default", "r007", 4, lock_seen, &f), 0);
	assert_int_equal(f.rows, 3);
	lockstep_admin_close(admin);
	lockstep_close(s);
}

static void lockspaces_are_created_and_released(void **state)
{
	struct rig *r = *state;
	struct lockstep_admin *admin;
	struct lockstep_session *s;

	assert_int_equal(lockstep_open("other", 0, &r->options, &s), -ENOENT);
	assert_int_equal(lockstep_admin_open(&r->options, &admin), 0);
	assert_int_equal(lockstep_admin_space_create(admin, "other", 64, 0), 0);
	assert_int_equal(lockstep_open("other", 0, &r->options, &s), 0);
	assert_int_equal(lockstep_lvb_length(s), 64);
	lockstep_close(s);
	assert_int_equal(lockstep_admin_space_release(admin, "other", 2), 0);
	assert_int_equal(lockstep_admin_space_release(admin, "nowhere", 0), -ENOENT);
	assert_int_equal(lockstep_admin_space_create(admin, "..", 0, 0), -EINVAL);
	assert_int_equal(lockstep_admin_space_create(admin, "\xff", 0, 0), -EINVAL); /* R-LS-1 */
	lockstep_admin_close(admin);
}

/* The log is read line by line, on terminals. */
static void what_a_program_calls_itself_stays_in_its_line(void **state)
{
	struct rig *r = *state;
	struct lockstep_session *s;

	assert_int_equal(prctl(PR_SET_NAME, "e\x1b[2J\n\x9bvil"), 0);
	assert_int_equal(lockstep_open("default", 0, &r->options, &s), 0);
	assert_int_equal(lockstep_purge(s, 0, 4711), 0);
	assert_true(rig_logged(r, "e?[2J??vil, pid"));
	lockstep_close(s);
	assert_int_equal(prctl(PR_SET_NAME, "test_daemon"), 0);
}

static void killed_client_frees_its_lock(void **state)
{
	struct rig *r = *state;
	pid_t client = client_start(r, "held", NULL);

	assert_false(lock_is_free(r, "held"));
	client_kill(client);
	assert_true(lock_comes(r, "held"));
}

/* The lock may be in use as long as any process has the connection. */
static void lock_stays_while_an_heir_has_the_connection(void **state)
{
	struct rig *r = *state;
	pid_t heir;
	pid_t client = client_start(r, "held", &heir);

	client_kill(client);
	for (int i = 0; i < 50; i++) {
		assert_false(lock_is_free(r, "held"));
	}
	kill(heir, SIGKILL);
	assert_true(lock_comes(r, "held"));
}

static void stop_is_refused_while_a_session_is_open(void **state)
{
	struct rig *r = *state;
	pid_t client = client_start(r, "held", NULL);
	char who[96];
	int status;

	rig_signal(r, SIGTERM);
	assert_true(rig_logged(r, "not stopping"));
	(void)snprintf(who, sizeof(who), "pid %ld, uid %u, lockspace \"default\", 1 lock", (long)client, geteuid());
	assert_true(rig_logged(r, who));
	assert_true(rig_alive(r));
	assert_false(lock_is_free(r, "held"));
	client_kill(client);
	assert_true(lock_comes(r, "held"));
	rig_signal(r, SIGTERM);
	status = rig_wait(r);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* R-MEM-7: what has no session any more is named, too. */
static void stop_is_refused_while_an_orphan_is_left(void **state)
{
	struct rig *r = *state;
	struct lockstep_lksb lksb = { 0 };
	struct lockstep_session *s;

	assert_int_equal(lockstep_open("default", 0, &r->options, &s), 0);
	assert_int_equal(lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, LOCKSTEP_LKF_PERSISTENT, "left", 4, NULL,
					    NULL, -1),
			 0);
	lockstep_close(s);
	rig_signal(r, SIGTERM);
	assert_true(rig_logged(r, "  1 orphan lock of this node, lockspace \"default\""));
	assert_true(rig_alive(r));
}

static void forced_stop_kills_clients_and_heirs_first(void **state)
{
	struct rig *r = *state;
	pid_t heir;
	pid_t client = client_start(r, "held", &heir);
	int status;

	rig_signal(r, SIGQUIT);
	assert_true(client_killed(client));
	status = rig_wait(r);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(kill(heir, 0) != 0 || rig_logged(r, "killed process"));
}

static void note_mode(void *arg, int mode)
{
	*(int *)arg = mode;
}

static void note_error(void *arg, int error)
{
	*(int *)arg = error;
}

/* Until *@what is not @was any more. */
static void dispatch_while(struct lockstep_session *s, const int *what, int was)
{
	struct pollfd p = { .fd = lockstep_session_fd(s), .events = POLLIN };

	while (*what == was) {
		assert_int_equal(poll(&p, 1, RIG_PATIENCE_MS), 1);
		(void)lockstep_dispatch(s);
	}
}

/* R-MEM-7: it is refused, and who is in the way hears that the lock is wanted: here by nobody else. */
static void stop_that_is_refused_is_told_to_holders(void **state)
{
	struct rig *r = *state;
	struct lockstep_session *s;
	struct lockstep_lksb held = { 0 };
	struct lockstep_lksb null = { 0 };
	int held_mode = -1;
	int null_mode = -1;
	int status;

	assert_int_equal(lockstep_open("default", 0, &r->options, &s), 0);
	assert_int_equal(lockstep_lock_wait(s, LOCKSTEP_LOCK_NL, &null, 0, "x", 1, &null_mode, note_mode, -1), 0);
	assert_int_equal(lockstep_lock_wait(s, LOCKSTEP_LOCK_PR, &held, 0, "x", 1, &held_mode, note_mode, -1), 0);
	rig_signal(r, SIGTERM);
	dispatch_while(s, &held_mode, -1);
	assert_int_equal(held_mode, LOCKSTEP_LOCK_EX);
	assert_int_equal(null_mode, -1);
	assert_true(rig_alive(r));
	lockstep_close(s);
	rig_signal(r, SIGTERM);
	status = rig_wait(r);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Only who may believe in a lock has to die for a stop; this process waits for one, and lives to see the end. */
static void forced_stop_leaves_who_holds_nothing_alive(void **state)
{
	struct rig *r = *state;
	struct lockstep_session *idle;
	struct lockstep_session *waiting;
	struct lockstep_lksb lksb = { 0 };
	pid_t client = client_start(r, "held", NULL);
	int idle_lost = 0;
	int waiting_lost = 0;
	int status;

	assert_int_equal(lockstep_open("default", 0, &r->options, &idle), 0);
	assert_int_equal(lockstep_open("default", 0, &r->options, &waiting), 0);
	assert_int_equal(lockstep_lost_set(idle, &idle_lost, note_error), 0);
	assert_int_equal(lockstep_lost_set(waiting, &waiting_lost, note_error), 0);
	assert_int_equal(lockstep_lock(waiting, LOCKSTEP_LOCK_EX, &lksb, 0, "held", 4, NULL,
				       (lockstep_ast_fn)(uintptr_t)abort, NULL), 0);
	rig_signal(r, SIGQUIT);
	assert_true(client_killed(client));
	dispatch_while(idle, &idle_lost, 0);
	dispatch_while(waiting, &waiting_lost, 0);
	assert_int_equal(idle_lost, ENOTCONN);
	assert_int_equal(waiting_lost, ENOTCONN);
	status = rig_wait(r);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	/* Nobody is left for the next one to wait for. */
	rig_start(r);
	assert_true(rig_state_reached(r, "ok"));
	assert_true(lock_is_free(r, "held"));
	lockstep_close(idle);
	lockstep_close(waiting);
}

/* --- a dead daemon's clients (R-MEM-6) ---------------------------------------------------- */

static void successor_waits_for_clients_of_the_dead(void **state)
{
	struct rig *r = *state;
	pid_t client = client_start(r, "held", NULL);
	struct lockstep_admin *admin;
	struct lockstep_status status;
	char who[96];

	rig_signal(r, SIGKILL);
	rig_wait(r);
	rig_start(r);
	assert_int_equal(lockstep_admin_open(&r->options, &admin), 0);
	assert_int_equal(lockstep_admin_status(admin, &status), 0);
	assert_string_equal(status.state, "waiting");
	assert_non_null(strstr(status.reason, "clients of a daemon that died here still run, for "));
	(void)snprintf(who, sizeof(who), "(pid %ld); nothing is joined before they have ended: end them", (long)client);
	assert_non_null(strstr(status.reason, who));
	lockstep_admin_close(admin);
	client_kill(client);
	assert_true(rig_state_reached(r, "ok"));
	assert_true(lock_comes(r, "held"));
}

static void successor_kills_clients_of_the_dead(void **state)
{
	struct rig *r = *state;
	pid_t client = client_start(r, "held", NULL);

	rig_signal(r, SIGKILL);
	rig_wait(r);
	rig_configure(r, "on_lost = kill\n");
	rig_start(r);
	assert_true(client_killed(client));
	assert_true(rig_state_reached(r, "ok"));
	assert_true(lock_comes(r, "held"));
}

/* --- bad clients ------------------------------------------------------------------------- */

static qb_ipcc_connection_t *raw_connect(const struct rig *r, const char *suffix)
{
	char name[96];
	qb_ipcc_connection_t *c;

	snprintf(name, sizeof(name), "%s%s", r->ipc_name, suffix);
	c = qb_ipcc_connect(name, IPC_MESSAGE_MAX);
	assert_non_null(c);
	return c;
}

struct raw {
	struct qb_ipc_request_header header;
	uint8_t body[4096];
};

/* Every id with every kind of wrong body; @claimed is what the header says, @size what is sent. */
static void garbage_send(const struct rig *r, const char *suffix, int32_t id, int32_t claimed,
			 size_t size, uint8_t fill)
{
	qb_ipcc_connection_t *c = raw_connect(r, suffix);
	struct raw m;
	uint8_t answer[IPC_MESSAGE_MAX];

	memset(&m, fill, sizeof(m));
	m.header.id = id;
	m.header.size = claimed;
	(void)qb_ipcc_send(c, &m, size);
	(void)qb_ipcc_recv(c, answer, sizeof(answer), 20);
	qb_ipcc_disconnect(c);
}

static void garbage_does_not_end_the_daemon(void **state)
{
	static const int32_t ids[] = { 0,  IPC_MSG_OPEN,  IPC_MSG_SUBMIT, IPC_MSG_OPEN_STATUS,
				       16, IPC_MSG_LOCKS, IPC_MSG_SPACE_CREATE, IPC_MSG_RECOVERY,
				       INT32_MAX, INT32_MIN, -1 };
	static const int32_t claims[] = { 0, 16, 24, 100, 4096, 65536, 65537, INT32_MAX, -1 };
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		for (size_t j = 0; j < sizeof(claims) / sizeof(claims[0]); j++) {
			const char *suffix = (i + j) % 2 ? "" : IPC_ADMIN_SUFFIX;

			garbage_send(r, suffix, ids[i], claims[j], 100, (uint8_t)(j * 37));
		}
	}
	assert_true(rig_alive(r));
	assert_true(lock_comes(r, "after"));
}

/* Whoever has no session has no subscription; what cannot be read is not acted on. */
/* One message, which begins with room for its header, and the error of its result. */
static uint32_t raw_call(qb_ipcc_connection_t *c, int32_t id, struct buf *out)
{
	struct qb_ipc_request_header header = { .id = id, .size = (int32_t)out->size };
	struct ipc_result result = { .error = 0 };
	uint8_t answer[IPC_MESSAGE_MAX];

	memcpy(out->data, &header, sizeof(header));
	assert_true(qb_ipcc_send(c, out->data, out->size) > 0);
	ssize_t size = qb_ipcc_recv(c, answer, sizeof(answer), 60000);

	assert_true(size > (ssize_t)sizeof(struct qb_ipc_response_header));
	size -= (ssize_t)sizeof(struct qb_ipc_response_header);
	assert_int_equal(ipc_result_decode(answer + sizeof(struct qb_ipc_response_header), (size_t)size,
					   &result),
			 0);
	buf_done(out);
	return result.error;
}

static void recovery_requests_without_a_session_are_refused(void **state)
{
	struct rig *r = *state;
	qb_ipcc_connection_t *c = raw_connect(r, "");

	for (uint8_t op = 0; op <= IPC_RECOVERY_PREP_DONE + 1; op++) {
		const struct ipc_recovery request = { .tag = 9, .op = op };
		struct buf out = { 0 };
		bool good = op >= IPC_RECOVERY_SUBSCRIBE && op <= IPC_RECOVERY_PREP_DONE;

		buf_put_zero(&out, sizeof(struct qb_ipc_request_header));
		ipc_recovery_encode(&request, &out);
		assert_int_equal(raw_call(c, IPC_MSG_RECOVERY, &out), good ? ENOTCONN : EBADMSG);
	}
	qb_ipcc_disconnect(c);
	assert_true(rig_alive(r));
}

/* R-PROC-1: there is nothing to end, and the connection is as good as before. */
static void a_good_bye_before_the_session_ends_nothing(void **state)
{
	const struct ipc_open open = { .tag = 2, .space = "default", .comm = "early" };
	struct rig *r = *state;
	qb_ipcc_connection_t *c = raw_connect(r, "");
	struct buf out = { 0 };

	buf_put_zero(&out, sizeof(struct qb_ipc_request_header));
	ipc_tag_encode(&out, 1);
	assert_int_equal(raw_call(c, IPC_MSG_CLOSE, &out), ENOTCONN);
	buf_put_zero(&out, sizeof(struct qb_ipc_request_header));
	ipc_open_encode(&open, &out);
	assert_int_equal(raw_call(c, IPC_MSG_OPEN, &out), 0);
	qb_ipcc_disconnect(c);
	assert_true(rig_alive(r));
}

/* Bytes that are not even libqb's, on its own socket. */
static void garbage_handshakes_do_not_end_the_daemon(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < 20; i++) {
		struct sockaddr_un a = { .sun_family = AF_UNIX };
		uint8_t bytes[256];
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		memset(bytes, (int)(i * 13), sizeof(bytes));
		memcpy(a.sun_path + 1, r->ipc_name, strlen(r->ipc_name));
		/* libqb pads the abstract name with zero bytes. */
		assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
		(void)send(fd, bytes, i * 12, MSG_NOSIGNAL);
		close(fd);
	}
	assert_true(rig_alive(r));
}

/* libqb closes the connection of a client that lives on with its lock: R-PROC-7. */
static void client_that_breaks_the_connection_is_killed(void **state)
{
	struct rig *r = *state;
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		qb_ipcc_connection_t *c = raw_connect(r, "");
		struct ipc_open open = { .tag = 1, .space = "default", .comm = "breaker" };
		struct raw m = { .header.id = IPC_MSG_OPEN };
		uint8_t answer[IPC_MESSAGE_MAX];
		struct buf body = { 0 };

		ipc_open_encode(&open, &body);
		memcpy(m.body, body.data, body.size);
		m.header.size = (int32_t)(sizeof(m.header) + body.size);
		if (qb_ipcc_send(c, &m, (size_t)m.header.size) < 0 ||
		    qb_ipcc_recv(c, answer, sizeof(answer), RIG_PATIENCE_MS) < 0) {
			_exit(1);
		}
		(void)!write(fds[1], "", 1);
		m.header.id = QB_IPC_MSG_DISCONNECT;
		m.header.size = sizeof(m.header);
		(void)qb_ipcc_send(c, &m, sizeof(m.header));
		for (;;) {
			pause();
		}
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	assert_true(client_killed(pid));
	assert_true(rig_alive(r));
}

/* A client that does not read keeps the others going, and gets everything later, in order. */
static void slow_client_loses_nothing(void **state)
{
	enum { COUNT = 4000 };
	struct rig *r = *state;
	struct lockstep_session *s;
	struct lockstep_lksb *lksb = calloc(COUNT, sizeof(*lksb));
	unsigned int done = 0;
	unsigned int sent = 0;

	assert_int_equal(lockstep_open("default", 0, &r->options, &s), 0);
	while (sent < COUNT) {
		char name[16];
		int rc;

		snprintf(name, sizeof(name), "s%u", sent);
		rc = lockstep_lock(s, LOCKSTEP_LOCK_EX, &lksb[sent], 0, name, strlen(name), &done,
				   nothing, NULL);
		if (rc == -EAGAIN || rc == -ENOMEM) {
			/* Not by dispatching: the events stay where they are. */
			(void)poll(NULL, 0, 1);
			if (rc == -ENOMEM) {
				break;
			}
			continue;
		}
		assert_int_equal(rc, 0);
		sent++;
	}
	assert_true(lock_comes(r, "others"));
	while (done < sent) {
		struct pollfd p = { .fd = lockstep_session_fd(s), .events = POLLIN };

		assert_int_equal(poll(&p, 1, RIG_PATIENCE_MS), 1);
		assert_true(lockstep_dispatch(s) >= 0);
	}
	for (unsigned int i = 0; i < sent; i++) {
		assert_int_equal(lksb[i].status, 0);
	}
	lockstep_close(s);
	free(lksb);
}

/* --- who may ----------------------------------------------------------------------------- */

/* In a child of another user: bit 0 connected, bit 1 opened default, bit 2 created a lockspace,
 * bit 3 was allowed to acknowledge fencing. */
static int stranger(const struct rig *r, uid_t uid, gid_t gid)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct lockstep_session *s;
		struct lockstep_admin *admin;
		int got = 0;

		if (setgid(gid) != 0 || setuid(uid) != 0) {
			_exit(255);
		}
		if (lockstep_admin_open(&r->options, &admin) == 0) {
			got |= 1;
			got |= lockstep_admin_fence_ack(admin, 1) == -EPERM ? 0 : 8;
		}
		got |= lockstep_open("default", 0, &r->options, &s) == 0 ? 2 : 0;
		got |= lockstep_open("theirs", LOCKSTEP_OPEN_CREATE, &r->options, &s) == 0 ? 4 : 0;
		_exit(got);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void only_root_and_the_group_may_connect(void **state)
{
	struct rig *r = *state;
	struct group *group = getgrnam("nogroup");

	if (geteuid() != 0 || !group) {
		print_message("skipped: needs root and the group nogroup\n");
		skip();
	}
	assert_int_equal(stranger(r, 65534, group->gr_gid), 0);
	rig_signal(r, SIGKILL);
	rig_wait(r);
	rig_configure(r, "ipc_group = nogroup\n");
	rig_start(r);
	assert_int_equal(stranger(r, 65534, group->gr_gid + 1), 0);
	assert_int_equal(stranger(r, 65534, group->gr_gid), 1 | 2);
	assert_int_equal(stranger(r, 0, 0), 1 | 2 | 4 | 8);
}

/* What somebody without privileges is told, in the order of the calls; 0 all as it should be. */
static int unprivileged_check(const struct rig *r)
{
	struct lockstep_options excl = r->options, cluster = r->options;
	struct lockstep_session *s = NULL;
	struct lockstep_admin *a = NULL;

	excl.space_flags = LOCKSTEP_LSFL_NEWEXCL;
	cluster.cluster_name = "another";
	if (lockstep_open("closed", 0, &r->options, &s) != -EACCES) {
		return 1;
	}
	if (lockstep_open("anybodys", 0, &r->options, &s) != 0) {
		return 2;
	}
	if (lockstep_open("new", LOCKSTEP_OPEN_CREATE, &r->options, &s) != -EPERM ||
	    lockstep_open("new", LOCKSTEP_OPEN_CREATE, &excl, &s) != -EPERM) {
		return 3;
	}
	if (lockstep_open("closed", LOCKSTEP_OPEN_CREATE, &excl, &s) != -EEXIST ||
	    lockstep_open("new", LOCKSTEP_OPEN_CREATE, &cluster, &s) != -EBADR) {
		return 4;
	}
	if (lockstep_admin_open(&r->options, &a) != 0) {
		return 5;
	}
	if (lockstep_admin_space_create(a, "closed", 0, 0) != -EPERM ||
	    lockstep_admin_space_create(a, "new", 0, 0) != -EPERM ||
	    lockstep_admin_space_create_with(a, "closed", &excl) != -EEXIST ||
	    lockstep_admin_space_create_with(a, "new", &cluster) != -EBADR ||
	    lockstep_admin_space_create(a, ".", 0, 0) != -EINVAL) {
		return 6;
	}
	return lockstep_admin_space_release(a, "anybodys", 2) == -EPERM ? 0 : 7;
}

/* R-LS-10, R-ERR-3: creating and releasing is for the privileged, opening for whom the mode of the creator
 * lets in; what is wrong with the call itself comes before EPERM. */
static void lockspaces_have_owners_and_modes(void **state)
{
	struct rig *r = *state;
	struct group *group = getgrnam("nogroup");
	struct lockstep_admin *a;
	int status;

	if (geteuid() != 0 || !group) {
		print_message("skipped: needs root and the group nogroup\n");
		skip();
	}
	rig_signal(r, SIGKILL);
	rig_wait(r);
	rig_configure(r, "ipc_group = nogroup\n");
	rig_start(r);
	assert_int_equal(lockstep_admin_open(&r->options, &a), 0);
	assert_int_equal(lockstep_admin_space_create(a, "closed", 0, 0), 0); /* 0660 root:root */
	assert_int_equal(lockstep_admin_space_create(a, "anybodys", 0, 0666), 0);
	lockstep_admin_close(a);
	pid_t pid = fork();

	if (pid == 0) {
		_exit(setgroups(0, NULL) || setgid(group->gr_gid) || setuid(65534) ?
			      100 :
			      unprivileged_check(r));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- starting ---------------------------------------------------------------------------- */

static void second_daemon_is_refused(void **state)
{
	static const char *const arguments[] = { "--standalone", "--foreground", NULL };
	struct rig *r = *state;
	struct rig other;
	char text[4096];

	assert_int_equal(rig_run(r, text, sizeof(text), arguments), 1);
	assert_non_null(strstr(text, "already running"));
	/* Directories of its own, but the same IPC name. */
	rig_init(&other, NULL);
	snprintf(other.ipc_name, sizeof(other.ipc_name), "%s", r->ipc_name);
	assert_int_equal(rig_run(&other, text, sizeof(text), arguments), 1);
	assert_non_null(strstr(text, "already running"));
	rig_done(&other);
	assert_true(rig_alive(r));
}

static void daemonized_parent_returns_when_clients_can_connect(void **state)
{
	static const char *const arguments[] = { "--standalone", NULL };
	struct lockstep_admin *admin;
	struct rig r;
	char text[4096];
	char path[128];
	FILE *f;
	int pid = 0;

	(void)state;
	rig_init(&r, NULL);
	assert_int_equal(rig_run(&r, text, sizeof(text), arguments), 0);
	assert_string_equal(text, "");
	assert_int_equal(lockstep_admin_open(&r.options, &admin), 0);
	lockstep_admin_close(admin);
	snprintf(path, sizeof(path), "%s/run/lockstepd.pid", r.dir);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	assert_int_equal(kill(pid, SIGTERM), 0);
	/* A clean stop takes the pid file along. */
	for (int i = 0; i < RIG_PATIENCE_MS && access(path, F_OK) == 0; i++) {
		(void)poll(NULL, 0, 1);
	}
	assert_int_not_equal(access(path, F_OK), 0);
	rig_done(&r);
}

static void damaged_reservation_is_refused(void **state)
{
	static const char *const arguments[] = { "--standalone", "--foreground", NULL };
	struct rig r;
	char text[4096];
	char path[128];
	FILE *f;

	(void)state;
	rig_init(&r, NULL);
	snprintf(path, sizeof(path), "%s/state", r.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/state/reserved", r.dir);
	f = fopen(path, "w");
	fputs("lockstep reservation 1\n12x\n", f);
	fclose(f);
	assert_int_equal(rig_run(&r, text, sizeof(text), arguments), 1);
	assert_non_null(strstr(text, "damaged"));
	rig_done(&r);
}

/* R-TOK-2: a token of the next life is larger than every one of this life, also after a kill. */
static void tokens_grow_across_restarts(void **state)
{
	struct rig *r = *state;
	uint64_t last = 0;

	for (int life = 0; life < 3; life++) {
		struct lockstep_session *s;
		struct lockstep_lksb lksb = { 0 };

		assert_int_equal(lockstep_open("default", 0, &r->options, &s), 0);
		assert_int_equal(lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, 0, "t", 1, NULL,
						    NULL, -1),
				 0);
		assert_true(lksb.token > last);
		last = lksb.token;
		lockstep_close(s);
		rig_signal(r, SIGKILL);
		rig_wait(r);
		rig_start(r);
		assert_true(rig_state_reached(r, "ok"));
	}
}

int main(void)
{
#define DAEMON_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		DAEMON_TEST(status_names_the_node),
		DAEMON_TEST(listings_show_holder_waiter_and_blocker),
		DAEMON_TEST(many_locks_are_listed_in_pages),
		DAEMON_TEST(lockspaces_are_created_and_released),
		DAEMON_TEST(what_a_program_calls_itself_stays_in_its_line),
		DAEMON_TEST(killed_client_frees_its_lock),
		DAEMON_TEST(lock_stays_while_an_heir_has_the_connection),
		DAEMON_TEST(stop_is_refused_while_a_session_is_open),
		DAEMON_TEST(stop_is_refused_while_an_orphan_is_left),
		DAEMON_TEST(forced_stop_kills_clients_and_heirs_first),
		DAEMON_TEST(stop_that_is_refused_is_told_to_holders),
		DAEMON_TEST(forced_stop_leaves_who_holds_nothing_alive),
		DAEMON_TEST(successor_waits_for_clients_of_the_dead),
		DAEMON_TEST(successor_kills_clients_of_the_dead),
		DAEMON_TEST(garbage_does_not_end_the_daemon),
		DAEMON_TEST(recovery_requests_without_a_session_are_refused),
		DAEMON_TEST(a_good_bye_before_the_session_ends_nothing),
		DAEMON_TEST(garbage_handshakes_do_not_end_the_daemon),
		DAEMON_TEST(client_that_breaks_the_connection_is_killed),
		DAEMON_TEST(slow_client_loses_nothing),
		DAEMON_TEST(only_root_and_the_group_may_connect),
		DAEMON_TEST(lockspaces_have_owners_and_modes),
		DAEMON_TEST(second_daemon_is_refused),
		cmocka_unit_test(daemonized_parent_returns_when_clients_can_connect),
		cmocka_unit_test(damaged_reservation_is_refused),
		DAEMON_TEST(tokens_grow_across_restarts),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
