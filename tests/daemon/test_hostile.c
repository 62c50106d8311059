/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that a hostile or broken program can neither end lockstepd nor keep another one from its locks.
 * Each test is one kind of attack, run by child processes that speak libqb IPC by hand, while a well-behaved
 * client beside them locks and unlocks without a pause. All its calls must succeed; how long they took
 * is reported ("#" lines) and not judged, since machines differ.
 *
 * What is left out is what libqb itself does not stand: whoever writes garbage into the shared ring (not
 * into a message) can end the daemon; see ACCESS in lockstepd(8). The socket file has test_socket.c.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
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
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbipcc.h>

#include "lib/base/buf.h"
#include "lib/ipc/ipc.h"
#include "tests/daemon/rig.h"

#define SAMPLES_MAX 1000000
#define CONNECTIONS 300 /* more than the administration service takes */
#define FLOOD 20000
#define HELD 200
#define LKIDS 300
#define STRANGERS 3000
#define DESCRIPTORS 400 /* for the daemon, and sessions wanted */
#define SHM_SESSIONS 64
#define PILED 100 /* requests; they and their answers fit into the rings */

/* --- the well-behaved client -------------------------------------------------------------- */

struct good {
	pid_t pid;
	int out; /* its figures */
	int stop;
};

struct figures {
	uint64_t count;
	uint32_t median_us;
	uint32_t p99_us;
	uint32_t max_us;
};

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int good_run(const struct rig *r, int out, int stop)
{
	static uint32_t samples[SAMPLES_MAX];
	struct figures f = { .count = 0 };
	struct lockstep_session *s;
	struct pollfd p = { .fd = stop, .events = POLLIN };

	if (lockstep_open("default", 0, &r->options, &s) != 0) {
		return 1;
	}
	(void)!write(out, "", 1);
	do {
		struct lockstep_lksb lksb = { .lvb = NULL };
		uint64_t start = now_us();

		if (lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, 0, "good", 4, NULL, NULL,
				       RIG_PATIENCE_MS) != 0 ||
		    lockstep_unlock_wait(s, lksb.lkid, 0, NULL) != 0) {
			return 1;
		}
		if (f.count < SAMPLES_MAX) {
			samples[f.count++] = (uint32_t)(now_us() - start);
		}
	} while (poll(&p, 1, 0) == 0);
	lockstep_close(s);
	qsort(samples, f.count, sizeof(samples[0]), compare);
	f.median_us = samples[f.count / 2];
	f.p99_us = samples[f.count * 99 / 100];
	f.max_us = samples[f.count - 1];
	return write(out, &f, sizeof(f)) == sizeof(f) ? 0 : 1;
}

static struct good good_start(const struct rig *r)
{
	struct good g;
	int out[2], stop[2];
	char byte;

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(stop), 0);
	g.pid = fork();
	if (g.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(out[0]);
		(void)close(stop[1]);
		_exit(good_run(r, out[1], stop[0]));
	}
	(void)close(out[1]);
	(void)close(stop[0]);
	g.out = out[0];
	g.stop = stop[1];
	assert_int_equal(read(g.out, &byte, 1), 1);
	return g;
}

static void good_stop(struct good *g, const char *beside)
{
	struct figures f;
	int status;

	(void)close(g->stop);
	assert_int_equal(read(g->out, &f, sizeof(f)), sizeof(f));
	assert_int_equal(waitpid(g->pid, &status, 0), g->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	(void)close(g->out);
	printf("# beside %s: %llu times lock and unlock, us median %u p99 %u max %u\n", beside,
	       (unsigned long long)f.count, f.median_us, f.p99_us, f.max_us);
}

/* --- tools of the attackers --------------------------------------------------------------- */

static qb_ipcc_connection_t *raw_connect(const struct rig *r, const char *suffix, size_t size)
{
	char name[96];

	snprintf(name, sizeof(name), "%s%s", r->ipc_name, suffix);
	return qb_ipcc_connect(name, size);
}

/* What libqb does not send because its ring is full is not sent. */
static ssize_t raw_send(qb_ipcc_connection_t *c, int32_t id, const struct buf *body)
{
	static uint64_t message[IPC_MESSAGE_MAX / sizeof(uint64_t)];
	struct qb_ipc_request_header header = {
		.id = id,
		.size = (int32_t)(sizeof(header) + body->size),
	};

	memcpy(message, &header, sizeof(header));
	memcpy((uint8_t *)message + sizeof(header), body->data, body->size);
	return qb_ipcc_send(c, message, (size_t)header.size);
}

static void raw_open(qb_ipcc_connection_t *c)
{
	struct ipc_open open = { .tag = 1, .space = "default", .comm = "hostile" };
	uint64_t answer[IPC_MESSAGE_MAX / sizeof(uint64_t)];
	struct buf body = { 0 };

	ipc_open_encode(&open, &body);
	(void)raw_send(c, IPC_MSG_OPEN, &body);
	(void)qb_ipcc_recv(c, answer, sizeof(answer), RIG_PATIENCE_MS);
	(void)qb_ipcc_event_recv(c, answer, sizeof(answer), RIG_PATIENCE_MS); /* READY */
	buf_done(&body);
}

static ssize_t raw_submit(qb_ipcc_connection_t *c, const struct ipc_submit *m)
{
	struct buf body = { 0 };

	ipc_tag_encode(&body, 2);
	ipc_submit_encode(m, &body);
	ssize_t sent = raw_send(c, IPC_MSG_SUBMIT, &body);

	buf_done(&body);
	return sent;
}

/* The one row that answers; -1: none came. */
static int raw_row(qb_ipcc_connection_t *c, struct ipc_result *ret)
{
	uint64_t answer[IPC_MESSAGE_MAX / sizeof(uint64_t)];
	ssize_t size = qb_ipcc_recv(c, answer, sizeof(answer), RIG_PATIENCE_MS);
	uint32_t tag;

	if (size < (ssize_t)sizeof(struct qb_ipc_response_header)) {
		return -1;
	}
	struct cursor in = cursor_make(
		(const uint8_t *)answer + sizeof(struct qb_ipc_response_header),
		(size_t)size - sizeof(struct qb_ipc_response_header));

	return ipc_tag_decode(&in, &tag) != 0 || ipc_result_row_decode(&in, ret) != 0 ? -1 : 0;
}

/* Its error. */
static int raw_answer(qb_ipcc_connection_t *c)
{
	struct ipc_result result;

	return raw_row(c, &result) == 0 ? (int)result.error : -1;
}

static struct ipc_submit lock_make(int number, uint8_t mode)
{
	struct ipc_submit m = { .op = IPC_OP_LOCK, .mode = mode, .has_bast = true };

	m.name_len = (uint8_t)snprintf((char *)m.name, sizeof(m.name), "held-%d", number);
	return m;
}

/* --- attacks: run in a process of their own, which the daemon may kill --------------------- */

/* A ring as small as libqb makes it, and headers that speak of more than it can hold. */
static int claims_more_than_the_ring(const struct rig *r)
{
	static const int32_t claims[] = { 16, 4096, 16384, 40000, IPC_MESSAGE_MAX, INT32_MAX, -1 };

	for (size_t i = 0; i < 2 * sizeof(claims) / sizeof(claims[0]); i++) {
		qb_ipcc_connection_t *c = raw_connect(r, i % 2 ? IPC_ADMIN_SUFFIX : "", 64);
		struct qb_ipc_request_header m[8];
		uint64_t answer[IPC_MESSAGE_MAX / sizeof(uint64_t)];

		if (!c) {
			return 1;
		}
		memset(m, 0x5a, sizeof(m));
		m[0].id = i % 2 ? IPC_MSG_LOCKS : IPC_MSG_SUBMIT;
		m[0].size = claims[i / 2];
		for (int j = 0; j < 50; j++) {
			(void)qb_ipcc_send(c, m, sizeof(m));
		}
		(void)qb_ipcc_recv(c, answer, sizeof(answer), 20);
		qb_ipcc_disconnect(c);
	}
	return 0;
}

/* What is longer than the ring it came through lies in memory of others: it is not read, hence not answered, and
 * the first answer is that of the message behind it. */
static int longer_than_the_ring_is_not_read(const struct rig *r)
{
	static const int32_t claims[] = { 16384, 40000, IPC_MESSAGE_MAX };

	for (size_t i = 0; i < 2 * sizeof(claims) / sizeof(claims[0]); i++) {
		qb_ipcc_connection_t *c = raw_connect(r, i % 2 ? IPC_ADMIN_SUFFIX : "", 64);
		struct ipc_query query = { .tag = 3 };
		struct qb_ipc_request_header m[8];
		union {
			struct qb_ipc_response_header header;
			uint64_t bytes[IPC_MESSAGE_MAX / sizeof(uint64_t)];
		} answer;
		struct buf body = { 0 };
		int32_t id = i % 2 ? IPC_MSG_STATUS : IPC_MSG_OPEN_STATUS;

		if (!c || qb_ipcc_get_buffer_size(c) >= claims[i / 2]) {
			return 1;
		}
		memset(m, 0x5a, sizeof(m));
		m[0].id = i % 2 ? IPC_MSG_LOCKS : IPC_MSG_SUBMIT;
		m[0].size = claims[i / 2];
		ipc_query_encode(&query, &body);
		if (qb_ipcc_send(c, m, sizeof(m)) < 0 || raw_send(c, id, &body) < 0 ||
		    qb_ipcc_recv(c, &answer, sizeof(answer), RIG_PATIENCE_MS) < 0 || answer.header.id != id) {
			return 1;
		}
		buf_done(&body);
		qb_ipcc_disconnect(c);
	}
	return 0;
}

/* Every prefix of a good message, and each with one byte turned over. */
static int half_messages(const struct rig *r)
{
	struct ipc_submit m = lock_make(0, LOCKSTEP_LOCK_EX);
	qb_ipcc_connection_t *c = raw_connect(r, "", IPC_MESSAGE_MAX);
	struct buf body = { 0 };

	if (!c) {
		return 1;
	}
	raw_open(c);
	ipc_tag_encode(&body, 2);
	ipc_submit_encode(&m, &body);
	for (size_t size = body.size; size-- > 0;) {
		struct buf cut = { .data = body.data, .size = size };

		(void)raw_send(c, IPC_MSG_SUBMIT, &cut);
		if (raw_answer(c) == 0) {
			return 1;
		}
	}
	for (size_t i = 0; i < body.size; i++) {
		body.data[i] ^= 0xff;
		(void)raw_send(c, IPC_MSG_SUBMIT, &body);
		(void)raw_answer(c);
		body.data[i] ^= 0xff;
	}
	buf_done(&body);
	qb_ipcc_disconnect(c);
	return 0;
}

/* Requests as fast as they go, and no answer is ever read. */
static int flood(const struct rig *r)
{
	qb_ipcc_connection_t *c = raw_connect(r, "", IPC_MESSAGE_MAX);

	if (!c) {
		return 1;
	}
	raw_open(c);
	for (int i = 0; i < FLOOD; i++) {
		struct ipc_submit m = lock_make(i, LOCKSTEP_LOCK_EX);

		while (raw_submit(c, &m) == -EAGAIN) {
			if (poll(NULL, 0, 1) < 0) {
				return 1;
			}
		}
	}
	_exit(0); /* without a word */
}

/* Holds locks that others want, and reads no callback. */
static int reads_nothing(const struct rig *r)
{
	qb_ipcc_connection_t *holder = raw_connect(r, "", 64);
	qb_ipcc_connection_t *asker = raw_connect(r, "", 64);

	if (!holder || !asker) {
		return 1;
	}
	raw_open(holder);
	raw_open(asker);
	for (int i = 0; i < HELD; i++) {
		struct ipc_submit m = lock_make(i, LOCKSTEP_LOCK_PR);

		if (raw_submit(holder, &m) < 0 || raw_answer(holder) != 0) {
			return 1;
		}
	}
	for (int i = 0; i < 10 * HELD; i++) {
		struct ipc_submit m = lock_make(i % HELD, i / HELD % 2 ? LOCKSTEP_LOCK_EX : LOCKSTEP_LOCK_CW);

		if (raw_submit(asker, &m) < 0 || raw_answer(asker) < 0) {
			return 1;
		}
	}
	_exit(0);
}

/* Whoever names another session's locks hears that there are none. */
static int foreign_lkids(const struct rig *r)
{
	qb_ipcc_connection_t *c = raw_connect(r, "", IPC_MESSAGE_MAX);

	if (!c) {
		return 1;
	}
	raw_open(c);
	for (uint32_t lkid = 0; lkid < LKIDS; lkid++) {
		const struct ipc_submit ops[] = {
			{ .op = IPC_OP_UNLOCK, .lkid = lkid },
			{ .op = IPC_OP_UNLOCK, .lkid = lkid, .flags = LOCKSTEP_LKF_FORCEUNLOCK },
			{ .op = IPC_OP_UNLOCK, .lkid = lkid, .flags = LOCKSTEP_LKF_CANCEL },
			{ .op = IPC_OP_LOCK, .lkid = lkid, .flags = LOCKSTEP_LKF_CONVERT },
			{ .op = IPC_OP_DEADLOCK_CANCEL, .lkid = lkid },
		};

		for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
			if (raw_submit(c, &ops[i]) < 0 || raw_answer(c) <= 0) {
				return 1;
			}
		}
	}
	qb_ipcc_disconnect(c);
	return 0;
}

/* Ends at every step of a session's life, the socket's own included. */
static int closes_at_every_step(const struct rig *r)
{
	for (int i = 0; i < 200; i++) {
		struct sockaddr_un a = { .sun_family = AF_UNIX };
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		pid_t pid;

		memcpy(a.sun_path + 1, r->ipc_name, strlen(r->ipc_name));
		if (i % 8 < 4) {
			if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
				(void)send(fd, &a, (size_t)(i % 8) * 9, MSG_NOSIGNAL);
			}
			close(fd);
			continue;
		}
		close(fd);
		pid = fork();
		if (pid == 0) {
			struct ipc_submit m = lock_make(i % 3, LOCKSTEP_LOCK_EX);
			qb_ipcc_connection_t *c = raw_connect(r, "", IPC_MESSAGE_MAX);

			if (c && i % 8 > 4) {
				raw_open(c);
			}
			if (c && i % 8 > 5) {
				(void)raw_submit(c, &m);
			}
			if (c && i % 8 > 6) {
				(void)raw_answer(c);
			}
			_exit(c ? 0 : 1);
		}
		int status;

		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status)) {
			return 1;
		}
	}
	return 0;
}

/* More connections than there may be, all at once; the surplus is refused. */
static int many_connections(const struct rig *r)
{
	struct rlimit limit;
	size_t refused = 0;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (int i = 0; i < CONNECTIONS; i++) {
		if (!raw_connect(r, "", 64)) {
			return 1;
		}
		refused += !raw_connect(r, IPC_ADMIN_SUFFIX, 64);
	}
	_exit(refused > 0 ? 0 : 1);
}

/* Thousands that connect and do not say who they are. libqb would wait for each of them. */
static int many_strangers(const struct rig *r)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct rlimit limit;

	memcpy(a.sun_path + 1, r->ipc_name, strlen(r->ipc_name));
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (int i = 0; i < STRANGERS; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
			return 1;
		}
	}
	/* While all of them stand there somebody else comes in. */
	return lock_comes(r, "in spite of them") ? 0 : 1;
}

/* As many sessions as the daemon has descriptors for, and more: the surplus hears why. */
static int more_than_there_are_descriptors(const struct rig *r)
{
	struct rlimit limit;
	size_t refused = 0, opened = 0;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (int i = 0; i < DESCRIPTORS; i++) {
		struct lockstep_session *s;
		int error = lockstep_open("default", 0, &r->options, &s);

		opened += error == 0;
		refused += error == -EUSERS;
		if (error != 0 && error != -EUSERS) {
			fprintf(stderr, "session %d: %s\n", i, lockstep_strerror(error));
			return 1;
		}
	}
	/* It has taken what it could, and kept what it needs. */
	_exit(opened > 50 && refused > 100 ? 0 : 1);
}

/* --- tests -------------------------------------------------------------------------------- */

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

/* Whether the daemon may kill the attacker is its affair. */
static void attack(struct rig *r, const char *name, int (*fn)(const struct rig *r))
{
	struct good good = good_start(r);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(r));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	good_stop(&good, name);
	/* Connections that have just ended may be counted for a moment. */
	assert_true(rig_state_reached(r, "ok"));
	assert_true(rig_alive(r));
	/* What the attacker had is free again, and the doors are open. */
	assert_true(lock_comes(r, "held-0"));
	assert_true(lock_is_free(r, "good"));
}

static void a_header_that_claims_more_than_the_ring_holds(void **state)
{
	attack(*state, "headers that claim too much", claims_more_than_the_ring);
	attack(*state, "messages longer than the ring", longer_than_the_ring_is_not_read);
}

static void half_messages_are_refused(void **state)
{
	attack(*state, "half messages", half_messages);
}

static void a_flood_starves_nobody(void **state)
{
	attack(*state, "a flood", flood);
}

static void who_reads_no_callbacks_harms_nobody_else(void **state)
{
	attack(*state, "one who reads nothing", reads_nothing);
}

static void locks_of_others_cannot_be_touched(void **state)
{
	struct rig *r = *state;
	struct lockstep_lksb lksb = { .lvb = NULL };
	struct lockstep_session *s;

	assert_int_equal(lockstep_open("default", 0, &r->options, &s), 0);
	assert_int_equal(lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, 0, "mine", 4, NULL, NULL, -1),
			 0);
	assert_true(lksb.lkid < LKIDS); /* it will be tried */
	attack(r, "foreign lkids", foreign_lkids);
	assert_false(lock_is_free(r, "mine"));
	assert_int_equal(lockstep_unlock_wait(s, lksb.lkid, 0, NULL), 0);
	lockstep_close(s);
}

static void a_client_may_go_at_any_moment(void **state)
{
	attack(*state, "clients that go at every step", closes_at_every_step);
}

static void too_many_connections_are_refused(void **state)
{
	attack(*state, "many connections", many_connections);
}

static void descriptors_limit(const struct rig *r)
{
	const struct rlimit few = { .rlim_cur = DESCRIPTORS, .rlim_max = DESCRIPTORS };

	assert_int_equal(prlimit(r->daemon, RLIMIT_NOFILE, &few, NULL), 0);
}

static void who_does_not_say_who_he_is_keeps_nobody_out(void **state)
{
	descriptors_limit(*state);
	attack(*state, "connections that say nothing", many_strangers);
}

static void the_surplus_is_refused_when_descriptors_are_short(void **state)
{
	struct rig *r = *state;

	descriptors_limit(r);
	attack(r, "more sessions than descriptors", more_than_there_are_descriptors);
	assert_true(rig_logged(r, "few descriptors are left"));
}

/* lkids are given out upwards, so they tell in which order requests were taken. One client has filled its ring and
 * another has sent one request, both before the daemon looked: the one is not behind all of the others. */
static void requests_of_all_sessions_are_taken_in_turn(void **state)
{
	struct rig *r = *state;
	qb_ipcc_connection_t *many = raw_connect(r, "", IPC_MESSAGE_MAX);
	qb_ipcc_connection_t *one = raw_connect(r, "", IPC_MESSAGE_MAX);
	struct ipc_submit m = lock_make(0, LOCKSTEP_LOCK_PR);
	struct ipc_result result = { .lkid = 0 };
	int status;

	assert_non_null(many);
	assert_non_null(one);
	raw_open(many);
	raw_open(one);
	rig_signal(r, SIGSTOP);
	assert_int_equal(waitpid(r->daemon, &status, WUNTRACED), r->daemon);
	for (int i = 0; i < PILED; i++) {
		assert_true(raw_submit(many, &m) > 0);
	}
	assert_true(raw_submit(one, &m) > 0);
	rig_signal(r, SIGCONT);
	assert_int_equal(raw_row(one, &result), 0);
	assert_in_range(result.lkid, 1, PILED / 2);
	for (int i = 0; i < PILED; i++) {
		assert_int_equal(raw_row(many, &result), 0);
	}
	assert_in_range(result.lkid, PILED, PILED + 1); /* all of them were taken */
	qb_ipcc_disconnect(one);
	qb_ipcc_disconnect(many);
}

/* A /dev/shm with room for few connections: the next ones are refused, the daemon goes on, and who does not need
 * it comes in. */
static void a_full_dev_shm_harms_nobody_who_is_in(void **state)
{
	struct lockstep_session *held[SHM_SESSIONS], *s;
	struct lockstep_options by_socket = { .timeout_ms = RIG_PATIENCE_MS };
	struct lockstep_lksb lksb = { .lvb = NULL };
	char path[96], more[128];
	struct rig r;
	int count = 0, error = 0;
	FILE *f;

	(void)state;
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", "/dev/shm", "tmpfs", 0, "size=4m") != 0) {
		skip();
	}
	rig_init(&r, NULL);
	snprintf(path, sizeof(path), "%s/sock", r.dir);
	by_socket.ipc_name = path;
	snprintf(more, sizeof(more), "socket = %s\nblackbox_bytes = 0\n", path);
	rig_configure(&r, more);
	rig_start(&r);
	assert_true(rig_state_reached(&r, "ok"));
	while (count < SHM_SESSIONS && error == 0) {
		error = lockstep_open("default", 0, &r.options, &held[count]);
		count += error == 0;
	}
	assert_in_range(count, 2, SHM_SESSIONS - 1);
	assert_int_equal(error, -ENOSPC);
	/* Those that are in go on, also with messages that have never been that long. */
	assert_int_equal(lockstep_lock_wait(held[0], LOCKSTEP_LOCK_EX, &lksb, 0, "a", 1, NULL, NULL, -1), 0);
	assert_int_equal(lockstep_unlock_wait(held[0], lksb.lkid, 0, NULL), 0);
	assert_int_equal(lockstep_open("default", 0, &by_socket, &s), 0);
	lockstep_close(s);
	/* One that ends makes room. */
	lockstep_close(held[--count]);
	do {
		error = lockstep_open("default", 0, &r.options, &held[count]);
	} while (error == -ENOSPC);
	assert_int_equal(error, 0);
	while (count >= 0) {
		lockstep_close(held[count--]);
	}
	/* With no room at all a daemon starts nevertheless, and can be reached through the socket. */
	rig_signal(&r, SIGTERM);
	assert_int_equal(rig_wait(&r), 0);
	f = fopen("/dev/shm/fill", "w");
	while (fputs("nothing left here", f) >= 0 && fflush(f) == 0) {
	}
	(void)fclose(f);
	r.options = by_socket;
	rig_configure(&r, more);
	rig_start(&r);
	assert_true(rig_state_reached(&r, "ok"));
	assert_true(lock_comes(&r, "a"));
	rig_done(&r);
	assert_int_equal(umount("/dev/shm"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_header_that_claims_more_than_the_ring_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(half_messages_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_starves_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(who_reads_no_callbacks_harms_nobody_else, setup, teardown),
		cmocka_unit_test_setup_teardown(locks_of_others_cannot_be_touched, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_may_go_at_any_moment, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_connections_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(who_does_not_say_who_he_is_keeps_nobody_out, setup, teardown),
		cmocka_unit_test_setup_teardown(the_surplus_is_refused_when_descriptors_are_short, setup, teardown),
		cmocka_unit_test_setup_teardown(requests_of_all_sessions_are_taken_in_turn, setup, teardown),
		cmocka_unit_test(a_full_dev_shm_harms_nobody_who_is_in),
	};

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
