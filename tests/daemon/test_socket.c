/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that the socket file (socket= in lockstep.conf) is a second way in with the same rules: a program in
 * namespaces of its own locks through it against one outside and dies as R-PROC-1 and R-PROC-7 say; who may
 * not connect, breaks the framing, says nothing or reads nothing harms himself only. What the messages mean is
 * shown by tests/lib/client_socket.sh, which is client.sh over the socket.
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
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/ipc/ipc.h"
#include "tests/daemon/rig.h"

#define STRANGERS 700 /* many more than may stand in the door */
/* Completions: more than socket, stream and the smallest limit take together. */
#define QUEUED 12000
#define PILED 100
#define NOBODY 65534

struct at_socket {
	struct rig rig;
	char path[96];
	struct lockstep_options options; /* through the socket */
};

static void configure(struct at_socket *a, const char *more)
{
	char text[512];

	snprintf(text, sizeof(text), "socket = %s\n%s", a->path, more);
	rig_configure(&a->rig, text);
}

static struct at_socket *at_socket_start(const char *more)
{
	struct at_socket *a = calloc(1, sizeof(*a));

	rig_init(&a->rig, NULL);
	snprintf(a->path, sizeof(a->path), "%s/in/sock", a->rig.dir);
	*strrchr(a->path, '/') = '\0';
	assert_int_equal(mkdir(a->path, 0755), 0);
	assert_int_equal(chmod(a->rig.dir, 0755), 0);
	a->path[strlen(a->path)] = '/';
	a->options = (struct lockstep_options){ .ipc_name = a->path, .timeout_ms = RIG_PATIENCE_MS };
	configure(a, more);
	rig_start(&a->rig);
	assert_true(rig_state_reached(&a->rig, "ok"));
	return a;
}

static int setup(void **state)
{
	*state = at_socket_start("");
	return 0;
}

static int teardown(void **state)
{
	struct at_socket *a = *state;

	rig_done(&a->rig);
	free(a);
	return 0;
}

static int lock_take(struct lockstep_session *s, struct lockstep_lksb *lksb, const char *name,
		     uint32_t flags)
{
	return lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, lksb, flags, name, strlen(name), NULL, NULL,
				  RIG_PATIENCE_MS);
}

/* --- a container ------------------------------------------------------------------------- */

/* Namespaces of its own for everything, an empty /tmp and /dev/shm; of what was there only the folder of the
 * socket is left. */
static int contain(const struct at_socket *a)
{
	char in[96];

	snprintf(in, sizeof(in), "%.*s", (int)(strrchr(a->path, '/') - a->path), a->path);
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWPID) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount(in, "/mnt", NULL, MS_BIND, NULL) != 0 ||
	    mount("none", "/tmp", "tmpfs", 0, NULL) != 0 ||
	    mount("none", "/dev/shm", "tmpfs", 0, NULL) != 0) {
		return -errno;
	}
	return 0;
}

struct inside {
	pid_t pid; /* as seen from here */
	int say; /* a byte: go on */
	int hear; /* a byte: done */
};

/* A program in a container that takes EX on @name, forks an heir when it is told to go on, then dies when it
 * is told again. Its first byte is 0 or the error. */
static void inside_run(const char *name, int say, int hear)
{
	const struct lockstep_options options = { .ipc_name = "/mnt/sock", .timeout_ms = RIG_PATIENCE_MS };
	const struct lockstep_options outside = { .timeout_ms = 100 };
	struct lockstep_session *s, *none;
	struct lockstep_lksb lksb = { .lvb = NULL };
	int error = lockstep_open("default", 0, &options, &s);
	char byte;

	if (error == 0) {
		error = lock_take(s, &lksb, name, 0);
	}
	/* It really is somewhere else: libqb's way leads nowhere. */
	if (error == 0 && lockstep_open("default", 0, &outside, &none) != -EUNATCH) {
		error = -EEXIST;
	}
	byte = (char)-error;
	(void)!write(hear, &byte, 1);
	(void)!read(say, &byte, 1);
	pid_t heir = fork();

	if (heir == 0) {
		(void)close(hear);
		(void)!read(say, &byte, 1); /* never: the end of the pipe, or a signal */
		_exit(0);
	}
	(void)!write(hear, "", 1);
	(void)!read(say, &byte, 1); /* unless it is killed */
	_exit(0);
}

static bool inside_start(const struct at_socket *a, const char *name, struct inside *ret)
{
	int say[2], hear[2];
	pid_t parent;
	char byte = 1;

	assert_int_equal(pipe(say), 0);
	assert_int_equal(pipe(hear), 0);
	parent = fork();
	if (parent == 0) {
		int rc = contain(a);
		/* The first child is process 1 of the namespace, its init; the program is its child, so that it
		 * can leave an heir behind. */
		pid_t init = rc == 0 ? fork() : -1;

		if (rc != 0 || init < 0) {
			byte = 77;
			(void)!write(hear[1], &byte, 1);
			_exit(77);
		}
		(void)close(say[1]);
		(void)close(hear[0]);
		if (init > 0) {
			_exit(0);
		}
		if (fork() == 0) {
			inside_run(name, say[0], hear[1]);
		}
		(void)close(hear[1]);
		while (wait(NULL) > 0) {
		}
		_exit(0);
	}
	(void)close(say[0]);
	(void)close(hear[1]);
	ret->say = say[1];
	ret->hear = hear[0];
	assert_int_equal(read(ret->hear, &byte, 1), 1);
	(void)waitpid(parent, NULL, 0);
	if (byte == 77) {
		return false;
	}
	assert_int_equal(byte, 0);
	return true;
}

static int pid_seen(const struct lockstep_lock_info *info, void *arg)
{
	*(pid_t *)arg = (pid_t)info->pid;
	return 0;
}

static void a_program_in_namespaces_of_its_own_locks_and_dies_as_any_other(void **state)
{
	struct at_socket *a = *state;
	struct lockstep_admin *admin;
	struct inside in;
	pid_t pid = 0;
	char byte;

	if (geteuid() != 0 || !inside_start(a, "contained", &in)) {
		skip();
	}
	/* It excludes a program outside, and is known by the number it has here. */
	assert_false(lock_is_free(&a->rig, "contained"));
	assert_int_equal(lockstep_admin_open(&a->options, &admin), 0);
	assert_int_equal(lockstep_admin_locks(admin, "default", "contained", 9, pid_seen, &pid), 0);
	lockstep_admin_close(admin);
	assert_true(pid > 2);
	/* R-PROC-1: a child that inherited the connection keeps the lock. The daemon sees that although the
	 * socket is in another network namespace. */
	assert_int_equal(write(in.say, "", 1), 1);
	assert_int_equal(read(in.hear, &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(read(in.hear, &byte, 1), 0); /* it is dead */
	assert_false(lock_is_free(&a->rig, "contained"));
	(void)close(in.say); /* the heir ends */
	assert_true(lock_comes(&a->rig, "contained"));
	(void)close(in.hear);
}

static void a_daemon_that_stops_by_force_ends_programs_in_containers_first(void **state)
{
	struct at_socket *a = *state;
	struct inside in;
	char byte;

	if (geteuid() != 0 || !inside_start(a, "contained", &in)) {
		skip();
	}
	assert_int_equal(write(in.say, "", 1), 1);
	assert_int_equal(read(in.hear, &byte, 1), 1);
	rig_signal(&a->rig, SIGQUIT);
	assert_int_equal(rig_wait(&a->rig), 0);
	/* R-PROC-7: both are gone, the heir too, although its end of the pipe is open. */
	assert_int_equal(read(in.hear, &byte, 1), 0);
	(void)close(in.say);
	(void)close(in.hear);
}

/* --- events and answers share one stream --------------------------------------------------- */

static void ast_ignored(void *arg)
{
	(void)arg;
}

static void bast_count(void *arg, int mode)
{
	(void)mode;
	++*(int *)arg;
}

/* An event may be read while an answer is waited for; a program that then only polls must hear of it. */
static void an_event_met_during_a_call_makes_the_descriptor_readable(void **state)
{
	struct at_socket *a = *state;
	struct lockstep_lksb held = { .lvb = NULL }, wanted = { .lvb = NULL }, other = { .lvb = NULL };
	struct lockstep_session *holder, *waiter;
	int basts = 0;

	assert_int_equal(lockstep_open("default", 0, &a->options, &holder), 0);
	assert_int_equal(lockstep_open("default", 0, &a->options, &waiter), 0);
	assert_int_equal(lockstep_lock_wait(holder, LOCKSTEP_LOCK_EX, &held, 0, "h", 1, &basts, bast_count,
					    -1),
			 0);
	assert_int_equal(lockstep_lock(waiter, LOCKSTEP_LOCK_EX, &wanted, 0, "h", 1, NULL, ast_ignored, NULL),
			 0);
	/* The blocking callback is on its way before this call's answer, or it is not: both in turn. */
	assert_int_equal(lockstep_lock(holder, LOCKSTEP_LOCK_NL, &other, 0, "o", 1, NULL,
				       ast_ignored, NULL),
			 0);
	while (basts == 0) {
		struct pollfd p = { .fd = lockstep_session_fd(holder), .events = POLLIN };

		assert_int_equal(poll(&p, 1, RIG_PATIENCE_MS), 1);
		assert_true(lockstep_dispatch(holder) >= 0);
	}
	lockstep_close(holder);
	lockstep_close(waiter);
}

/* --- by hand ------------------------------------------------------------------------------ */

static int raw_connect(const struct at_socket *a)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", a->path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool raw_send(int fd, int32_t id, const struct buf *body)
{
	struct buf frame = { 0 };

	ipc_frame_encode(id, body->data, body->size, &frame);
	bool sent = send(fd, frame.data, frame.size, MSG_NOSIGNAL) == (ssize_t)frame.size;

	buf_done(&frame);
	return sent;
}

/* The next result; -1 when the connection ends. */
static int raw_result_take(int fd, struct ipc_result *ret)
{
	uint8_t data[IPC_FRAME_HEAD + 64];
	struct ipc_frame frame = { .size = IPC_FRAME_HEAD };
	size_t have = 0;

	while (ipc_frame_decode(data, have, &frame) != 0) {
		assert_true(frame.size <= sizeof(data));
		ssize_t n = recv(fd, data + have, frame.size - have, 0);

		if (n <= 0) {
			return -1;
		}
		have += (size_t)n;
	}
	assert_int_equal(ipc_result_decode(frame.body, frame.body_size, ret), 0);
	return 0;
}

/* Its error. */
static int raw_result(int fd)
{
	struct ipc_result result;

	return raw_result_take(fd, &result) == 0 ? (int)result.error : -1;
}

static int raw_hello(int fd)
{
	const struct ipc_hello m = { .tag = 1, .service = IPC_SERVICE_SESSIONS };
	struct buf body = { 0 };

	ipc_hello_encode(&m, &body);
	int error = raw_send(fd, IPC_MSG_HELLO, &body) ? raw_result(fd) : -1;

	buf_done(&body);
	return error;
}

static bool ended(int fd)
{
	uint8_t bytes[512];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
	}
	return n <= 0;
}

static void what_is_no_frame_ends_the_connection_and_nothing_else(void **state)
{
	static const uint32_t sizes[] = { 0, 7, IPC_FRAME_MAX + 1, INT32_MAX, UINT32_MAX };
	struct at_socket *a = *state;
	struct buf bytes = { 0 }, body = { 0 };

	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		int fd = raw_connect(a);

		/* With and without having been let in. */
		assert_true(i % 2 || raw_hello(fd) == 0);
		buf_clear(&bytes);
		buf_put_u32(&bytes, sizes[i / 2]);
		buf_put_u32(&bytes, IPC_MSG_OPEN);
		assert_int_equal(send(fd, bytes.data, bytes.size, MSG_NOSIGNAL), bytes.size);
		assert_true(ended(fd));
		close(fd);
	}
	/* Something else than HELLO first, and a HELLO of an unknown service or length. */
	for (size_t i = 0; i < 3; i++) {
		int fd = raw_connect(a);

		buf_clear(&body);
		ipc_tag_encode(&body, 1);
		buf_put_u32(&body, i == 1 ? 2 : 0);
		buf_put_zero(&body, i == 2);
		assert_true(raw_send(fd, i == 0 ? IPC_MSG_OPEN : IPC_MSG_HELLO, &body));
		assert_int_equal(raw_result(fd), EBADMSG);
		assert_true(ended(fd));
		close(fd);
	}
	buf_done(&bytes);
	buf_done(&body);
	assert_true(rig_alive(&a->rig));
	assert_true(lock_is_free(&a->rig, "x"));
}

/* Frames that come byte by byte are frames; a half one is waited for, and nobody waits with it. */
static void a_frame_may_come_in_pieces(void **state)
{
	struct at_socket *a = *state;
	const struct ipc_hello m = { .tag = 1, .service = IPC_SERVICE_SESSIONS };
	struct buf body = { 0 }, frame = { 0 };
	int fd = raw_connect(a);

	ipc_hello_encode(&m, &body);
	ipc_frame_encode(IPC_MSG_HELLO, body.data, body.size, &frame);
	for (size_t i = 0; i < frame.size; i++) {
		assert_int_equal(send(fd, frame.data + i, 1, MSG_NOSIGNAL), 1);
		if (i % 5 == 0) {
			assert_true(rig_alive(&a->rig)); /* it has its turn in between */
		}
	}
	assert_int_equal(raw_result(fd), 0);
	close(fd);
	buf_done(&body);
	buf_done(&frame);
}

/* Connections that say nothing make room for those that do. */
static void who_stands_in_the_door_keeps_nobody_out(void **state)
{
	struct at_socket *a = *state;
	struct lockstep_session *s;
	struct rlimit limit;
	int fds[STRANGERS];
	size_t count = 0;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	while (count < STRANGERS && (fds[count] = raw_connect(a)) >= 0) {
		count++;
	}
	assert_int_equal(count, STRANGERS);
	assert_int_equal(lockstep_open("default", 0, &a->options, &s), 0);
	lockstep_close(s);
	assert_true(ended(fds[0])); /* the oldest had to go */
	while (count > 0) {
		close(fds[--count]);
	}
}

/* Queues many locks, says so on @out, and reads nothing from then on. */
static int reads_nothing(const struct at_socket *a, int out)
{
	static uint8_t value[LOCKSTEP_LVB_DEFAULT];
	struct ipc_open open = { .tag = 1, .space = "default", .comm = "standstill" };
	const struct ipc_submit m = {
		.op = IPC_OP_LOCK, .mode = LOCKSTEP_LOCK_PR, .flags = LOCKSTEP_LKF_VALBLK,
		.name = "gate", .name_len = 4, .lvb = value, .lvb_len = sizeof(value),
	};
	uint8_t answer[IPC_FRAME_HEAD + 8 + 26];
	struct buf body = { 0 };
	int fd = raw_connect(a);

	if (raw_hello(fd) != 0) {
		return 1;
	}
	ipc_open_encode(&open, &body);
	if (!raw_send(fd, IPC_MSG_OPEN, &body) || raw_result(fd) != 0) {
		return 1;
	}
	/* READY */
	if (recv(fd, answer, IPC_FRAME_HEAD + 8 + 26, MSG_WAITALL) != IPC_FRAME_HEAD + 8 + 26) {
		return 1;
	}
	for (int i = 0; i < QUEUED; i++) {
		buf_clear(&body);
		ipc_tag_encode(&body, 2);
		ipc_submit_encode(&m, &body);
		if (!raw_send(fd, IPC_MSG_SUBMIT, &body) || raw_result(fd) != 0) {
			return 1;
		}
	}
	(void)!write(out, "", 1);
	for (;;) {
		pause();
	}
}

static void who_reads_nothing_loses_his_session_and_nobody_else_anything(void **state)
{
	struct at_socket *a = at_socket_start("session_backlog_bytes = 65536\nsession_events_max = 1000000\n");
	struct lockstep_lksb gate = { .lvb = NULL }, other = { .lvb = NULL };
	struct lockstep_session *s;
	int fds[2];
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(lockstep_open("default", 0, &a->options, &s), 0);
	assert_int_equal(lock_take(s, &gate, "gate", 0), 0);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(fds[0]);
		_exit(reads_nothing(a, fds[1]));
	}
	(void)close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	(void)close(fds[0]);
	/* All of them are granted now. */
	assert_int_equal(lockstep_unlock_wait(s, gate.lkid, 0, NULL), 0);
	assert_true(rig_logged(&a->rig, "its session is lost"));
	assert_true(client_killed(pid)); /* R-PROC-7 */
	assert_true(lock_comes(&a->rig, "gate"));
	/* The other one has lost nothing. */
	assert_int_equal(lock_take(s, &other, "other", 0), 0);
	assert_int_equal(lockstep_dispatch(s), 0);
	assert_true(rig_alive(&a->rig));
	lockstep_close(s);
	rig_done(&a->rig);
	free(a);
}

/* lkids are given out upwards, so they tell in which order requests were taken: who has sent one is not behind all
 * of another client, who has filled his socket. */
static void requests_of_all_sessions_are_taken_in_turn(void **state)
{
	struct at_socket *a = *state;
	struct ipc_open open = { .tag = 1, .space = "default", .comm = "turns" };
	const struct ipc_submit m = {
		.op = IPC_OP_LOCK, .mode = LOCKSTEP_LOCK_PR, .name = "turn", .name_len = 4,
	};
	uint8_t ready[IPC_FRAME_HEAD + 8 + 26];
	struct buf body = { 0 };
	struct ipc_result result = { .lkid = 0 };
	int fds[2], status;

	for (int i = 0; i < 2; i++) {
		fds[i] = raw_connect(a);
		assert_int_equal(raw_hello(fds[i]), 0);
		buf_clear(&body);
		ipc_open_encode(&open, &body);
		assert_true(raw_send(fds[i], IPC_MSG_OPEN, &body));
		assert_int_equal(raw_result(fds[i]), 0);
		assert_int_equal(recv(fds[i], ready, sizeof(ready), MSG_WAITALL), sizeof(ready));
	}
	buf_clear(&body);
	ipc_tag_encode(&body, 2);
	ipc_submit_encode(&m, &body);
	rig_signal(&a->rig, SIGSTOP);
	assert_int_equal(waitpid(a->rig.daemon, &status, WUNTRACED), a->rig.daemon);
	for (int i = 0; i < PILED; i++) {
		assert_true(raw_send(fds[0], IPC_MSG_SUBMIT, &body));
	}
	assert_true(raw_send(fds[1], IPC_MSG_SUBMIT, &body));
	rig_signal(&a->rig, SIGCONT);
	assert_int_equal(raw_result_take(fds[1], &result), 0);
	assert_in_range(result.lkid, 1, PILED / 2);
	close(fds[0]);
	close(fds[1]);
	buf_done(&body);
}

/* --- who ---------------------------------------------------------------------------------- */

/* What opening a session as user @uid of group @gid returns. */
static int open_as_with(const struct lockstep_options *o, uid_t uid, gid_t gid)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct lockstep_session *s;

		if (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0) {
			_exit(255);
		}
		_exit(-lockstep_open("default", 0, o, &s));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_as(const struct at_socket *a, uid_t uid, gid_t gid)
{
	return open_as_with(&a->options, uid, gid);
}

static void the_file_and_ipc_group_decide_who_may_connect(void **state)
{
	struct at_socket *a = *state;
	struct group *group = getgrgid(NOBODY) ? getgrgid(NOBODY) : getgrnam("daemon");
	char more[128];
	struct stat st;

	if (geteuid() != 0 || !group) {
		skip();
	}
	gid_t gid = group->gr_gid;

	assert_int_equal(stat(a->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(open_as(a, NOBODY, gid), EACCES); /* by the file */
	assert_int_equal(open_as(a, 0, 0), 0);
	rig_signal(&a->rig, SIGTERM);
	assert_int_equal(rig_wait(&a->rig), 0);
	assert_int_equal(stat(a->path, &st), -1); /* it tidies up */

	configure(a, "socket_mode = 0666\n");
	rig_start(&a->rig);
	assert_int_equal(open_as(a, NOBODY, gid), EACCES); /* by the daemon, which says so in HELLO's answer */
	assert_true(rig_logged(&a->rig, "refused a connection of uid 65534"));
	rig_signal(&a->rig, SIGTERM);
	assert_int_equal(rig_wait(&a->rig), 0);

	snprintf(more, sizeof(more), "socket_group = %s\nipc_group = %s\n", group->gr_name, group->gr_name);
	configure(a, more);
	rig_start(&a->rig);
	assert_int_equal(stat(a->path, &st), 0);
	assert_int_equal(st.st_gid, gid);
	assert_true(rig_state_reached(&a->rig, "ok"));
	assert_int_equal(open_as(a, NOBODY, gid), 0);
	assert_int_equal(open_as_with(&a->rig.options, NOBODY, gid), 0); /* libqb's way */
	rig_signal(&a->rig, SIGTERM);
	assert_int_equal(rig_wait(&a->rig), 0);

	/* Who is not trusted with the memory that libqb shares has the socket left. */
	strcat(more, "socket_only = yes\n");
	configure(a, more);
	rig_start(&a->rig);
	assert_true(rig_state_reached(&a->rig, "ok"));
	assert_int_equal(open_as(a, NOBODY, gid), 0);
	assert_int_equal(open_as_with(&a->rig.options, NOBODY, gid), EACCES);
	assert_int_equal(open_as_with(&a->rig.options, 0, 0), 0);
}

static void what_lies_where_the_socket_belongs_is_looked_at(void **state)
{
	static const char *const arguments[] = { "--standalone", "--foreground", NULL };
	struct at_socket *a = *state;
	struct rig second;
	char text[4096], more[256];
	FILE *f;

	/* Of a daemon that died: replaced. */
	client_kill(a->rig.daemon);
	a->rig.daemon = 0;
	rig_start(&a->rig);
	assert_true(rig_state_reached(&a->rig, "ok"));
	/* Of a daemon that runs: left alone. */
	rig_init(&second, NULL);
	snprintf(more, sizeof(more), "socket = %s\n", a->path);
	rig_configure(&second, more);
	assert_int_equal(rig_run(&second, text, sizeof(text), arguments), 1);
	assert_non_null(strstr(text, a->path));
	assert_non_null(strstr(text, "in use"));
	assert_true(rig_alive(&a->rig));
	/* Another file: left alone. */
	snprintf(more, sizeof(more), "%s/file", second.dir);
	f = fopen(more, "w");
	fclose(f);
	snprintf(more, sizeof(more), "socket = %s/file\n", second.dir);
	rig_configure(&second, more);
	assert_int_equal(rig_run(&second, text, sizeof(text), arguments), 1);
	snprintf(more, sizeof(more), "%s/file", second.dir);
	assert_int_equal(access(more, F_OK), 0);
	rig_done(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(a_program_in_namespaces_of_its_own_locks_and_dies_as_any_other),
		CASE(a_daemon_that_stops_by_force_ends_programs_in_containers_first),
		CASE(an_event_met_during_a_call_makes_the_descriptor_readable),
		CASE(what_is_no_frame_ends_the_connection_and_nothing_else),
		CASE(a_frame_may_come_in_pieces),
		CASE(who_stands_in_the_door_keeps_nobody_out),
		cmocka_unit_test(who_reads_nothing_loses_his_session_and_nobody_else_anything),
		CASE(requests_of_all_sessions_are_taken_in_turn),
		CASE(the_file_and_ipc_group_decide_who_may_connect),
		CASE(what_lies_where_the_socket_belongs_is_looked_at),
#undef CASE
	};

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
