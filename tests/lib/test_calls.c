/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The calls of liblockstep one by one, through a real lockstepd that stands alone (calls.sh): orphans and
 * purge, transactions and time limits, many requests at once, attributes of lockspaces. What the
 * home node decides in each case is shown in tests/unit/test_node_*.c; here, that it gets through.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <lockstep/lockstep.h>

#define EX LOCKSTEP_LOCK_EX
#define PR LOCKSTEP_LOCK_PR
#define NL LOCKSTEP_LOCK_NL

struct lock {
	struct lockstep_lksb lksb;
	int asts;
	int basts;
	int bast_mode;
};

static struct lockstep_session *open_on(const char *space, unsigned int flags,
					const struct lockstep_options *options)
{
	struct lockstep_session *s = NULL;

	assert_int_equal(lockstep_open(space, flags, options, &s), 0);
	return s;
}

static struct lockstep_session *open_session(void)
{
	return open_on("default", 0, NULL);
}

static void ast(void *arg)
{
	((struct lock *)arg)->asts++;
}

static void bast(void *arg, int mode)
{
	struct lock *l = arg;

	l->basts++;
	l->bast_mode = mode;
}

static void until(struct lockstep_session *s, const int *counter, int value)
{
	while (*counter < value) {
		struct pollfd p = { .fd = lockstep_session_fd(s), .events = POLLIN };

		assert_true(poll(&p, 1, 60000) > 0);
		assert_true(lockstep_dispatch(s) >= 0);
	}
	assert_int_equal(*counter, value);
}

static int lock(struct lockstep_session *s, struct lock *l, const char *name, int mode,
		uint32_t flags)
{
	return lockstep_lock(s, mode, &l->lksb, flags, name, strlen(name), l, ast, bast);
}

static int orphan_visit(const struct lockstep_lock_info *info, void *arg)
{
	(void)arg;
	return info->session == 0;
}

/* A lock that a session of ours has left behind; its number and token. The daemon notices the end of a
 * session when it comes to it. */
static struct lockstep_lksb orphan(const char *name, int mode)
{
	struct lockstep_session *s = open_session();
	struct lockstep_lksb lksb = { 0 };

	assert_int_equal(lockstep_lock_wait(s, mode, &lksb, LOCKSTEP_LKF_PERSISTENT, name,
					    strlen(name), NULL, NULL, -1), 0);
	lockstep_close(s);
	struct lockstep_admin *a = NULL;

	assert_int_equal(lockstep_admin_open(NULL, &a), 0);
	while (lockstep_admin_locks(a, "default", name, strlen(name), orphan_visit, NULL) != 1) {
		(void)poll(NULL, 0, 2);
	}
	lockstep_admin_close(a);
	return lksb;
}

/* R-ORPH-1, R-ORPH-3, R-LOCK-2, R-TOK-1: number and token come back with the call; callbacks are the
 * adopter's; no completion. */
static void an_orphan_is_adopted_by_the_call(void **state)
{
	struct lockstep_lksb left = orphan("orphan", EX);
	struct lockstep_session *s1 = open_session(), *s2 = open_session();
	struct lock l1 = { .asts = 0 }, l2 = { .asts = 0 };

	(void)state;
	assert_int_equal(lock(s1, &l1, "none", EX, LOCKSTEP_LKF_ORPHAN), -ENOENT);
	assert_int_equal(lock(s1, &l1, "orphan", PR, LOCKSTEP_LKF_ORPHAN), -EAGAIN);
	assert_int_equal(l1.lksb.lkid, 0); /* R-SB-1 */
	assert_int_equal(lock(s1, &l1, "orphan", EX, LOCKSTEP_LKF_ORPHAN), 0);
	assert_int_equal(l1.lksb.lkid, left.lkid);
	assert_int_equal(l1.lksb.token, left.token);
	assert_int_equal(l1.lksb.status, 0);
	assert_int_equal(lock(s2, &l2, "orphan", PR, 0), 0);
	until(s1, &l1.basts, 1);
	assert_int_equal(l1.bast_mode, PR);
	assert_int_equal(l1.asts, 0);
	assert_int_equal(lockstep_unlock(s1, l1.lksb.lkid, 0, NULL), 0);
	until(s1, &l1.asts, 1);
	assert_int_equal(l1.lksb.status, LOCKSTEP_EUNLOCK);
	until(s2, &l2.asts, 1);
	lockstep_close(s1);
	lockstep_close(s2);
}

/* D-26: with _wait it returns at once, status 0. */
static void adopting_and_waiting_ends(void **state)
{
	struct lockstep_lksb left = orphan("awaited", PR);
	struct lockstep_session *s = open_session();
	struct lockstep_lksb lksb = { .status = 4711 };

	(void)state;
	assert_int_equal(lockstep_lock_wait(s, PR, &lksb, LOCKSTEP_LKF_ORPHAN, "awaited", 7, NULL,
					    NULL, -1), 0);
	assert_int_equal(lksb.lkid, left.lkid);
	assert_int_equal(lksb.status, 0);
	assert_int_equal(lockstep_unlock_wait(s, lksb.lkid, 0, NULL), 0);
	lockstep_close(s);
}

/* R-PURGE-1, R-PURGE-2: orphans of a process, and of all. */
static void orphans_are_purged(void **state)
{
	struct lockstep_session *s = open_session();
	struct lockstep_lksb lksb = { 0 };
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		(void)orphan("of a child", EX);
		_exit(0);
	}
	(void)orphan("of this process", EX);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(lockstep_purge(s, 4711, 0), -ENOBUFS);
	/* The daemon may not have seen the child's end yet: a lock that is no orphan stays. */
	do {
		assert_int_equal(lockstep_purge(s, 0, (uint32_t)child), 0);
		status = lockstep_lock_wait(s, EX, &lksb, LOCKSTEP_LKF_NOQUEUE, "of a child", 10, NULL,
					    NULL, -1);
	} while (status == -EAGAIN);
	assert_int_equal(status, 0);
	assert_int_equal(lockstep_lock_wait(s, EX, &lksb, LOCKSTEP_LKF_NOQUEUE, "of this process", 15,
					    NULL, NULL, -1), -EAGAIN);
	assert_int_equal(lockstep_purge(s, 1, 0), 0);
	assert_int_equal(lockstep_lock_wait(s, EX, &lksb, LOCKSTEP_LKF_NOQUEUE, "of this process", 15,
					    NULL, NULL, -1), 0);
	lockstep_close(s);
}

/* R-PURGE-1: one's own. */
static void a_session_can_give_up_everything(void **state)
{
	struct lockstep_session *s1 = open_session(), *s2 = open_session();
	struct lock held = { .asts = 0 }, queued = { .asts = 0 }, other = { .asts = 0 };

	(void)state;
	assert_int_equal(lock(s2, &other, "theirs", EX, 0), 0);
	assert_int_equal(lock(s1, &held, "ours", EX, 0), 0);
	assert_int_equal(lock(s1, &queued, "theirs", EX, 0), 0);
	assert_int_equal(lockstep_purge(s1, 0, (uint32_t)getpid()), 0);
	assert_int_equal(lockstep_unlock(s1, held.lksb.lkid, 0, NULL), -ENOENT);
	assert_int_equal(lockstep_lock_wait(s2, EX, &other.lksb, 0, "ours", 4, NULL, NULL, -1), 0);
	assert_int_equal(lockstep_lock_wait(s1, NL, &held.lksb, 0, "x", 1, NULL, NULL, -1), 0);
	assert_int_equal(held.asts + held.basts + queued.asts, 0);
	assert_true(other.asts >= 1);
	lockstep_close(s1);
	lockstep_close(s2);
}

/* R-CAN-8; D-11, R-CAN-7: of a lock that waits for nothing. */
static void a_request_is_taken_back_as_a_deadlock(void **state)
{
	struct lockstep_session *s = open_session();
	struct lock held = { .asts = 0 }, queued = { .asts = 0 };

	(void)state;
	assert_int_equal(lock(s, &held, "dc", EX, 0), 0);
	until(s, &held.asts, 1);
	assert_int_equal(lock(s, &queued, "dc", EX, 0), 0);
	until(s, &held.basts, 1);
	assert_int_equal(lockstep_deadlock_cancel(s, 4711), -ENOENT);
	assert_int_equal(lockstep_deadlock_cancel(s, held.lksb.lkid), 0);
	assert_int_equal(lockstep_deadlock_cancel(s, queued.lksb.lkid), 0);
	until(s, &queued.asts, 1);
	assert_int_equal(queued.lksb.status, EDEADLK);
	assert_int_equal(held.asts, 1);
	held.lksb.status = 4711;
	assert_int_equal(lockstep_unlock_wait(s, held.lksb.lkid, LOCKSTEP_LKF_CANCEL, NULL), 0);
	assert_int_equal(held.lksb.status, 0);
	lockstep_close(s);
}

struct cancelling {
	struct lockstep_session *s;
	struct lockstep_lksb waiting;
	int result;
};

/* Runs while the call below waits. */
static void cancel_the_waiter(void *arg)
{
	struct cancelling *c = arg;

	c->result = lockstep_unlock_wait(c->s, c->waiting.lkid, LOCKSTEP_LKF_CANCEL, NULL);
}

/* R-CAN-7, D-11: two wait for one request, in a call and in a routine inside it, and both end. */
static void a_cancel_ends_both_waits(void **state)
{
	struct lockstep_session *s1 = open_session();
	struct cancelling c = { .s = open_session(), .result = 4711 };
	struct lock held = { .asts = 0 };
	struct lockstep_lksb other = { 0 };

	(void)state;
	assert_int_equal(lock(s1, &held, "both", EX, 0), 0);
	until(s1, &held.asts, 1);
	assert_int_equal(lockstep_lock(c.s, EX, &other, 0, "else", 4, &c, cancel_the_waiter, NULL), 0);
	assert_int_equal(lockstep_lock_wait(c.s, EX, &c.waiting, 0, "both", 4, NULL, NULL, -1),
			 -ECANCELED);
	assert_int_equal(c.result, 0);
	assert_int_equal(c.waiting.status, LOCKSTEP_ECANCEL);
	lockstep_close(s1);
	lockstep_close(c.s);
}

/* R-TMO-1, R-TMO-5 */
static void a_time_limit_is_kept_by_the_lockspace(void **state)
{
	struct lockstep_session *s = open_session();
	struct lock held = { .asts = 0 }, queued = { .asts = 0 };
	struct lockstep_lksb lksb = { 0 };

	(void)state;
	assert_int_equal(lock(s, &held, "timed", EX, 0), 0);
	assert_int_equal(lockstep_lockx(s, EX, &queued.lksb, 0, "timed", 5, &queued, ast, NULL, 0, 1),
			 0);
	assert_int_equal(lockstep_lockx_wait(s, EX, &lksb, LOCKSTEP_LKF_TIMEOUT, "timed", 5, NULL,
					     NULL, 0, 10, -1), -ETIMEDOUT);
	assert_int_equal(lksb.status, ETIMEDOUT);
	assert_int_equal(queued.asts, 0);
	lockstep_close(s);
}

/* R-DLK-1, R-DLK-2, R-DLK-8: two transactions of one session are two, and the attribute of the lockspace
 * says how long to wait. */
static void a_deadlock_of_two_transactions_is_found(void **state)
{
	const struct lockstep_options options = { .deadlock_wait_ms = 200 };
	struct lockstep_session *s = open_on("searched", LOCKSTEP_OPEN_CREATE, &options);
	struct lock l[4] = { { .asts = 0 } };

	(void)state;
	for (int i = 0; i < 4; i++) {
		const char *name = i == 0 || i == 3 ? "a" : "b";

		assert_int_equal(lockstep_lockx(s, EX, &l[i].lksb, 0, name, 1, &l[i], ast, NULL,
						i % 2 == 0 ? 1 : 2, 0), 0);
	}
	until(s, &l[2].asts, 1); /* queued longest */
	assert_int_equal(l[2].lksb.status, EDEADLK);
	assert_int_equal(l[3].asts, 0);
	lockstep_close(s);
}

/* R-CAST-3: the routine stays, the argument changes. */
static void an_unlock_brings_another_argument(void **state)
{
	struct lockstep_session *s = open_session();
	struct lock l = { .asts = 0 }, other = { .asts = 0 };

	(void)state;
	assert_int_equal(lock(s, &l, "arg", EX, 0), 0);
	until(s, &l.asts, 1);
	assert_int_equal(lockstep_unlockx(s, l.lksb.lkid, 0, NULL, &other), 0);
	until(s, &other.asts, 1);
	assert_int_equal(l.asts, 1);
	lockstep_close(s);
}

/* R-CAST-2: every final status there is; R-ERR-1: none of them from the call. */
static void final_statuses_are_those_of_the_dlm(void **state)
{
	struct lockstep_session *s1 = open_session(), *s2 = open_session();
	struct lock held = { .asts = 0 }, l = { .asts = 0 };

	(void)state;
	assert_int_equal(lock(s1, &held, "st", PR, 0), 0);
	until(s1, &held.asts, 1);
	assert_int_equal(held.lksb.status, 0);
	assert_int_equal(lock(s2, &l, "st", EX, LOCKSTEP_LKF_NOQUEUE), 0);
	until(s2, &l.asts, 1);
	assert_int_equal(l.lksb.status, EAGAIN);
	assert_int_equal(lock(s2, &l, "st", PR, 0), 0);
	until(s2, &l.asts, 2);
	assert_int_equal(lock(s1, &held, "", EX, LOCKSTEP_LKF_CONVERT), 0);
	assert_int_equal(lock(s2, &l, "", EX, LOCKSTEP_LKF_CONVERT), 0);
	until(s2, &l.asts, 3);
	assert_int_equal(l.lksb.status, EDEADLK);
	assert_int_equal(lockstep_unlock(s1, held.lksb.lkid, LOCKSTEP_LKF_CANCEL, NULL), 0);
	until(s1, &held.asts, 2);
	assert_int_equal(held.lksb.status, LOCKSTEP_ECANCEL);
	assert_int_equal(held.lksb.status, 0x10001);
	assert_int_equal(lockstep_unlock(s1, held.lksb.lkid, 0, NULL), 0);
	until(s1, &held.asts, 3);
	assert_int_equal(held.lksb.status, LOCKSTEP_EUNLOCK);
	assert_int_equal(held.lksb.status, 0x10002);
	lockstep_close(s1);
	lockstep_close(s2);
}

/* R-ERR-1, D-12: what only the library sees. */
static void a_missing_session_is_not_connected(void **state)
{
	struct lockstep_session *s = open_session();
	struct lockstep_request request = { .mode = EX };
	struct lockstep_lksb lksb = { 0 };

	(void)state;
	assert_int_equal(lockstep_lock(NULL, 9, NULL, 0, "x", 1, NULL, NULL, NULL), -ENOTCONN);
	assert_int_equal(lockstep_lock_wait(NULL, 9, NULL, 0, "x", 1, NULL, NULL, -1), -ENOTCONN);
	assert_int_equal(lockstep_unlock(NULL, 0, 0xffffffff, NULL), -ENOTCONN);
	assert_int_equal(lockstep_unlock_wait(NULL, 0, 0, NULL), -ENOTCONN);
	assert_int_equal(lockstep_deadlock_cancel(NULL, 1), -ENOTCONN);
	assert_int_equal(lockstep_purge(NULL, 0, 0), -ENOTCONN);
	assert_int_equal(lockstep_submit(NULL, &request, 1), -ENOTCONN);
	assert_int_equal(request.result, -ENOTCONN);
	assert_int_equal(lockstep_lock(s, 9, NULL, 0, "x", 1, NULL, ast, NULL), -EINVAL);
	assert_int_equal(lockstep_lock(s, EX, &lksb, 0, "x", 1, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(lockstep_lock(s, 9, &lksb, LOCKSTEP_LKF_CONVERT, NULL, 0, &lksb, ast, NULL),
			 -ENOENT);
	lockstep_close(s);
}

/* --- many at once ------------------------------------------------------------------------ */

#define MANY 3000 /* several packs */

/* Each request has its own result, in whatever pack it went, and its own completion. */
static void many_requests_go_in_few_messages(void **state)
{
	struct lockstep_session *s = open_session();
	struct lockstep_request *requests = test_calloc(MANY, sizeof(*requests));
	struct lock *locks = test_calloc(MANY, sizeof(*locks));
	char (*names)[8] = test_calloc(MANY, sizeof(*names));
	int total = 0;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "m%d", i);
		requests[i] = (struct lockstep_request){
			.mode = i % 10 == 9 ? 7 : EX, .lksb = &locks[i].lksb, .name = names[i],
			.name_len = strlen(names[i]), .arg = &locks[i], .ast = ast, .result = 4711,
		};
	}
	requests[5].ast = NULL; /* refused by the library, the tenths by the node */
	assert_int_equal(lockstep_submit(s, requests, MANY), 0);
	for (int i = 0; i < MANY; i++) {
		bool bad = i % 10 == 9 || i == 5;

		assert_int_equal(requests[i].result, bad ? -EINVAL : 0);
		assert_int_equal(locks[i].lksb.lkid != 0, !bad);
	}
	while (total < MANY - MANY / 10 - 1) {
		struct pollfd p = { .fd = lockstep_session_fd(s), .events = POLLIN };
		int ran;

		assert_true(poll(&p, 1, 60000) > 0);
		ran = lockstep_dispatch(s);
		assert_true(ran >= 0);
		total += ran;
	}
	for (int i = 0; i < MANY; i++) {
		requests[i].unlock = true;
		requests[i].lkid = locks[i].lksb.lkid;
		assert_int_equal(locks[i].asts, requests[i].result == 0);
	}
	assert_int_equal(lockstep_submit(s, requests, MANY), 0);
	assert_int_equal(requests[5].result, -ENOENT);
	assert_int_equal(requests[6].result, 0);
	until(s, &locks[MANY - 2].asts, 2);
	assert_int_equal(locks[0].lksb.status, LOCKSTEP_EUNLOCK);
	lockstep_close(s);
	test_free(names);
	test_free(locks);
	test_free(requests);
}

/* An adoption in between holds up the answer, not the others; order is kept. */
static void a_pack_may_adopt(void **state)
{
	struct lockstep_lksb left = orphan("in a pack", EX);
	struct lockstep_session *s = open_session();
	struct lock l[4] = { { .asts = 0 } };
	struct lockstep_request requests[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		requests[i] = (struct lockstep_request){
			.mode = EX, .lksb = &l[i].lksb, .name = i == 0 ? "before" : "in a pack",
			.name_len = i == 0 ? 6 : 9, .arg = &l[i], .ast = ast, .bast = bast,
			.flags = i == 1 || i == 2 ? LOCKSTEP_LKF_ORPHAN : 0,
		};
	}
	assert_int_equal(lockstep_submit(s, requests, 4), 0);
	assert_int_equal(requests[0].result, 0);
	assert_int_equal(requests[1].result, 0);
	assert_int_equal(requests[2].result, -ENOENT);
	assert_int_equal(requests[3].result, 0);
	assert_int_equal(l[1].lksb.lkid, left.lkid);
	assert_int_equal(l[1].lksb.token, left.token);
	until(s, &l[0].asts, 1);
	until(s, &l[1].basts, 1);
	assert_int_equal(l[1].asts + l[3].asts, 0);
	lockstep_close(s);
}

/* --- lockspaces -------------------------------------------------------------------------- */

static struct lockstep_admin *open_admin(void)
{
	struct lockstep_admin *a = NULL;

	assert_int_equal(lockstep_admin_open(NULL, &a), 0);
	return a;
}

static int create(struct lockstep_admin *a, const char *space, struct lockstep_options options)
{
	return lockstep_admin_space_create_with(a, space, &options);
}

static int open_close(const char *space, unsigned int flags, struct lockstep_options options)
{
	struct lockstep_session *s = NULL;
	int error = lockstep_open(space, flags, &options, &s);

	lockstep_close(s);
	return error;
}

/* R-LS-3, R-LS-8, R-LS-9, R-ERR-3 in its order: EINVAL, EBADR, EEXIST, EPROTO. */
static void a_lockspace_has_the_attributes_of_its_creation(void **state)
{
	struct lockstep_admin *a = open_admin();
	const struct lockstep_options bad_lvb = { .lvb_len = 12, .cluster_name = "other" };
	const struct lockstep_options cluster = { .cluster_name = "other",
						  .space_flags = LOCKSTEP_LSFL_NEWEXCL };
	const struct lockstep_options excl = { .space_flags = LOCKSTEP_LSFL_NEWEXCL, .lvb_len = 8 };
	const struct lockstep_options lvb = { .lvb_len = 8 };
	const struct lockstep_options same = { .lvb_len = 64, .deadlock_wait_ms = -1,
					       .xid_scope = LOCKSTEP_XID_SCOPE_CLUSTER,
					       .cluster_name = "standalone" };

	(void)state;
	assert_int_equal(create(a, "attr", same), 0);
	assert_int_equal(create(a, "attr", same), 0);
	assert_int_equal(create(a, "attr", bad_lvb), -EINVAL);
	assert_int_equal(create(a, "attr", cluster), -EBADR);
	assert_int_equal(create(a, "attr", excl), -EEXIST);
	assert_int_equal(create(a, "attr", lvb), -EPROTO);
	assert_int_equal(create(a, "attr", (struct lockstep_options){ .deadlock_wait_ms = 1 }),
			 -EPROTO);
	assert_int_equal(create(a, "attr", (struct lockstep_options){
						   .xid_scope = LOCKSTEP_XID_SCOPE_NODE }), -EPROTO);
	assert_int_equal(create(a, "attr", (struct lockstep_options){ .xid_scope = 3 }), -EINVAL);
	assert_int_equal(create(a, "attr", (struct lockstep_options){ .space_flags = 0x10 }), -EINVAL);
	assert_int_equal(open_close("attr", LOCKSTEP_OPEN_CREATE, cluster), -EBADR);
	assert_int_equal(open_close("attr", LOCKSTEP_OPEN_CREATE, excl), -EEXIST);
	assert_int_equal(open_close("attr", LOCKSTEP_OPEN_CREATE, lvb), -EPROTO);
	assert_int_equal(open_close("attr", 0, same), 0);
	assert_int_equal(open_close("nowhere", 0, cluster), -EBADR);
	assert_int_equal(open_close("nowhere", 0, excl), -ENOENT);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(lockstep_admin_space_release(a, "attr", 0), 0);
	}
	assert_int_equal(lockstep_admin_space_release(a, "attr", 0), -ENOENT);
	lockstep_admin_close(a);
}

/* R-LS-6: as the library says it; a session that was closed just now is no obstacle. */
static void a_lockspace_in_use_is_not_released(void **state)
{
	struct lockstep_admin *a = open_admin();
	struct lockstep_session *s;
	struct lockstep_lksb lksb = { 0 };

	(void)state;
	for (int i = 0; i < 20; i++) {
		s = open_on("used", LOCKSTEP_OPEN_CREATE, NULL);
		assert_int_equal(lockstep_lock_wait(s, EX, &lksb, 0, "x", 1, NULL, NULL, -1), 0);
		if (i == 0) {
			assert_int_equal(lockstep_admin_space_release(a, "used", 0), -EBUSY);
			assert_int_equal(lockstep_admin_space_release(a, "used", 1), -EBUSY);
		}
		lockstep_close(s);
		assert_int_equal(lockstep_admin_space_release(a, "used", 0), 0);
	}
	s = open_on("used", LOCKSTEP_OPEN_CREATE, NULL);
	assert_int_equal(lockstep_lock_wait(s, EX, &lksb, 0, "x", 1, NULL, NULL, -1), 0);
	assert_int_equal(lockstep_admin_space_release(a, "used", 2), 0);
	assert_int_equal(lockstep_lock_wait(s, EX, &lksb, 0, "x", 1, NULL, NULL, -1), -ENOTCONN);
	lockstep_close(s);
	lockstep_admin_close(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_orphan_is_adopted_by_the_call),
		cmocka_unit_test(adopting_and_waiting_ends),
		cmocka_unit_test(orphans_are_purged),
		cmocka_unit_test(a_session_can_give_up_everything),
		cmocka_unit_test(a_request_is_taken_back_as_a_deadlock),
		cmocka_unit_test(a_cancel_ends_both_waits),
		cmocka_unit_test(a_time_limit_is_kept_by_the_lockspace),
		cmocka_unit_test(a_deadlock_of_two_transactions_is_found),
		cmocka_unit_test(an_unlock_brings_another_argument),
		cmocka_unit_test(final_statuses_are_those_of_the_dlm),
		cmocka_unit_test(a_missing_session_is_not_connected),
		cmocka_unit_test(many_requests_go_in_few_messages),
		cmocka_unit_test(a_pack_may_adopt),
		cmocka_unit_test(a_lockspace_has_the_attributes_of_its_creation),
		cmocka_unit_test(a_lockspace_in_use_is_not_released),
	};

	if (!getenv("DAEMON_PID")) {
		(void)fprintf(stderr, "run tests/lib/calls.sh\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
