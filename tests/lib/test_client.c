/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * liblockstep against a real lockstepd that stands alone: client.sh starts it and says in
 * LOCKSTEP_IPC_NAME where and in DAEMON_PID who it is. What needs no daemon is in test_session.c.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <lockstep/lockstep.h>

#define MANY 300 /* several pages of a listing */

struct lock {
	struct lockstep_session *session;
	struct lockstep_lksb lksb;
	struct lockstep_lksb other;
	char lvb[LOCKSTEP_LVB_DEFAULT];
	int asts;
	int basts;
	int bast_mode;
	int nested; /* what a forbidden call inside a routine returned */
};

static struct lockstep_session *open_session(void)
{
	struct lockstep_session *s = NULL;

	assert_int_equal(lockstep_open("default", 0, NULL, &s), 0);
	assert_non_null(s);
	return s;
}

static void ast(void *arg)
{
	((struct lock *)arg)->asts++;
}

static void ignore(void *arg)
{
	(void)arg;
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

static struct lock *locked(struct lockstep_session *s, const char *name, int mode)
{
	struct lock *l = test_calloc(1, sizeof(*l));

	l->session = s;
	l->lksb.lvb = l->lvb;
	assert_int_equal(lockstep_lock(s, mode, &l->lksb, LOCKSTEP_LKF_VALBLK, name, strlen(name), l,
				       ast, bast),
			 0);
	return l;
}

static void opening_can_fail_in_many_ways(void **state)
{
	struct lockstep_options options = { .ipc_name = "nobody-listens-here", .timeout_ms = 5000 };
	struct lockstep_session *s = NULL;
	struct lockstep_admin *a = NULL;
	char name[200];

	(void)state;
	assert_int_equal(lockstep_open("default", 0, &options, &s), -EUNATCH);
	assert_int_equal(lockstep_admin_open(&options, &a), -EUNATCH);
	assert_int_equal(lockstep_open("nowhere", 0, NULL, &s), -ENOENT);
	assert_int_equal(lockstep_open("", 0, NULL, &s), -EINVAL);
	assert_int_equal(lockstep_open("a/b", 0, NULL, &s), -EINVAL);
	assert_int_equal(lockstep_open("a\nb", 0, NULL, &s), -EINVAL);
	assert_int_equal(lockstep_open("default", 0x80, NULL, &s), -EINVAL);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(lockstep_open(name, 0, NULL, &s), -EINVAL);
	options.ipc_name = name;
	assert_int_equal(lockstep_open("default", 0, &options, &s), -EINVAL);
	options = (struct lockstep_options){ .lvb_len = 64 };
	assert_int_equal(lockstep_open("default", 0, &options, &s), -EPROTO);
	options.lvb_len = 7;
	assert_int_equal(lockstep_open("default", 0, &options, &s), -EINVAL);
	assert_null(s);
	assert_null(a);
	lockstep_close(NULL);
	lockstep_admin_close(NULL);
}

static void opening_can_make_a_lockspace(void **state)
{
	const struct lockstep_options options = { .lvb_len = 128 };
	struct lockstep_session *s;

	(void)state;
	assert_int_equal(lockstep_open("made", LOCKSTEP_OPEN_CREATE, &options, &s), 0);
	assert_int_equal(lockstep_lvb_length(s), 128);
	lockstep_close(s);
}

static void a_completion_runs_in_dispatch_only(void **state)
{
	struct lockstep_session *s = open_session();
	struct lock *l = locked(s, "one", LOCKSTEP_LOCK_EX);
	struct pollfd p = { .fd = lockstep_session_fd(s), .events = POLLIN };

	(void)state;
	assert_int_not_equal(l->lksb.lkid, 0);
	assert_int_equal(poll(&p, 1, 60000), 1);
	assert_int_equal(l->asts, 0);
	assert_int_equal(l->lksb.status, LOCKSTEP_EINPROG);
	until(s, &l->asts, 1);
	assert_int_equal(l->lksb.status, 0);
	assert_true(l->lksb.token > 0);
	assert_int_equal(lockstep_dispatch(s), 0);
	assert_int_equal(lockstep_unlock(s, l->lksb.lkid, 0, NULL), 0);
	until(s, &l->asts, 2);
	assert_int_equal(l->lksb.status, LOCKSTEP_EUNLOCK);
	assert_int_equal(lockstep_unlock(s, l->lksb.lkid, 0, NULL), -ENOENT);
	lockstep_close(s);
	test_free(l);
}

static void a_blocked_session_is_told_and_hands_over_its_value(void **state)
{
	struct lockstep_session *s1 = open_session(), *s2 = open_session();
	struct lock *l1 = locked(s1, "two", LOCKSTEP_LOCK_EX);

	(void)state;
	until(s1, &l1->asts, 1);
	struct lock *l2 = locked(s2, "two", LOCKSTEP_LOCK_PR);

	until(s1, &l1->basts, 1);
	assert_int_equal(l1->bast_mode, LOCKSTEP_LOCK_PR);
	assert_int_equal(l1->lksb.status, 0); /* R-BAST-8 */
	(void)strcpy(l1->lvb, "written");
	assert_int_equal(lockstep_lock(s1, LOCKSTEP_LOCK_NL, &l1->lksb,
				       LOCKSTEP_LKF_CONVERT | LOCKSTEP_LKF_VALBLK, NULL, 0, l1, ast,
				       bast),
			 0);
	until(s1, &l1->asts, 2);
	until(s2, &l2->asts, 1);
	assert_string_equal(l2->lvb, "written");
	assert_true(l2->lksb.token > 0);
	lockstep_close(s1);
	lockstep_close(s2);
	test_free(l1);
	test_free(l2);
}

static void refusals_are_what_the_manual_says(void **state)
{
	struct lockstep_session *s1 = open_session(), *s2 = open_session();
	struct lock *l1 = locked(s1, "three", LOCKSTEP_LOCK_EX);
	struct lockstep_lksb lksb = { .lkid = 0 };

	(void)state;
	until(s1, &l1->asts, 1);
	assert_int_equal(lockstep_lock_wait(s2, LOCKSTEP_LOCK_EX, &lksb, LOCKSTEP_LKF_NOQUEUE,
					    "three", 5, NULL, NULL, -1),
			 -EAGAIN);
	assert_int_equal(lksb.status, EAGAIN);
	/* Another session's lock is no lock of ours (R-LOCK-5). */
	assert_int_equal(lockstep_unlock(s2, l1->lksb.lkid, 0, NULL), -ENOENT);
	assert_int_equal(lockstep_lock(s1, 7, &l1->lksb, 0, "x", 1, l1, ast, NULL), -EINVAL);
	assert_int_equal(lockstep_lock(s1, 5, &l1->lksb, 0, "x", 1, l1, NULL, NULL), -EINVAL);
	assert_int_equal(lockstep_lock(s1, 5, &l1->lksb, LOCKSTEP_LKF_CANCEL, "x", 1, l1, ast, NULL),
			 -EINVAL);
	assert_int_equal(lockstep_lock(s1, 5, &lksb, LOCKSTEP_LKF_VALBLK, "x", 1, l1, ast, NULL),
			 -EINVAL);
	lksb.lkid = 0x7fffffff;
	assert_int_equal(lockstep_lock(s1, 5, &lksb, LOCKSTEP_LKF_CONVERT, NULL, 0, l1, ast, NULL),
			 -ENOENT);
	/* A lock that waits takes no conversion. */
	struct lock *l2 = locked(s2, "three", LOCKSTEP_LOCK_EX);
	struct lockstep_lksb copy = l2->lksb;

	assert_int_equal(lockstep_lock(s2, 3, &copy, LOCKSTEP_LKF_CONVERT, NULL, 0, l2, ast, NULL),
			 -EBUSY);
	/* A cancel ends it, one of a granted lock has nothing to do. */
	until(s1, &l1->basts, 1);
	assert_int_equal(lockstep_unlock(s2, l2->lksb.lkid, LOCKSTEP_LKF_CANCEL, NULL), 0);
	until(s2, &l2->asts, 1);
	assert_int_equal(l2->lksb.status, LOCKSTEP_ECANCEL);
	assert_int_equal(lockstep_unlock_wait(s1, l1->lksb.lkid, LOCKSTEP_LKF_CANCEL, NULL), 0);
	assert_int_equal(l1->asts, 1);
	lockstep_close(s1);
	lockstep_close(s2);
	test_free(l1);
	test_free(l2);
}

static int nested_ran;

static void nested_ast(void *arg)
{
	(void)arg;
	nested_ran++;
}

static void waiting_routine(void *arg)
{
	struct lock *l = arg;
	struct lockstep_lksb lksb = { 0 };

	l->asts++;
	assert_int_equal(lockstep_dispatch(l->session), -EINVAL);
	assert_int_equal(lockstep_lock(l->session, LOCKSTEP_LOCK_NL, &l->other, 0, "y", 1, l,
				       nested_ast, NULL),
			 0);
	assert_int_equal(lockstep_lock_wait(l->session, LOCKSTEP_LOCK_EX, &lksb, 0, "x", 1, NULL,
					    NULL, -1),
			 0);
	assert_int_equal(nested_ran, 1);
	assert_int_equal(lockstep_unlock_wait(l->session, lksb.lkid, 0, NULL), 0);
	l->nested = lockstep_lock(l->session, LOCKSTEP_LOCK_NL, &l->lksb, LOCKSTEP_LKF_CONVERT, NULL,
				  0, l, ast, NULL);
}

/* R-ORD-3: a routine may make any lock call; what comes while it waits is delivered inside. */
static void a_routine_can_make_any_lock_call(void **state)
{
	struct lockstep_session *s = open_session();
	struct lock l = { .session = s, .nested = -1 };

	(void)state;
	assert_int_equal(lockstep_lock(s, LOCKSTEP_LOCK_EX, &l.lksb, 0, "four", 4, &l,
				       waiting_routine, NULL),
			 0);
	while (l.asts < 2) {
		struct pollfd p = { .fd = lockstep_session_fd(s), .events = POLLIN };

		assert_true(poll(&p, 1, 60000) > 0);
		assert_true(lockstep_dispatch(s) >= 0);
	}
	assert_int_equal(l.nested, 0);
	assert_int_equal(l.lksb.status, 0);
	lockstep_close(s);
}

static void waiting_ends_with_the_time_or_the_grant(void **state)
{
	struct lockstep_session *s1 = open_session(), *s2 = open_session();
	struct lock *l1 = locked(s1, "five", LOCKSTEP_LOCK_EX);
	struct lockstep_lksb lksb = { 0 };

	(void)state;
	until(s1, &l1->asts, 1);
	assert_int_equal(lockstep_lock_wait(s2, LOCKSTEP_LOCK_EX, &lksb, 0, "five", 4, NULL, NULL,
					    10),
			 -ETIMEDOUT);
	assert_int_equal(lksb.status, LOCKSTEP_ECANCEL);
	/* Nothing of it is left: an unlock leaves the resource free. */
	assert_int_equal(lockstep_unlock_wait(s1, l1->lksb.lkid, 0, NULL), 0);
	assert_int_equal(l1->asts, 2); /* the routine runs also then */
	assert_int_equal(lockstep_lock_wait(s2, LOCKSTEP_LOCK_EX, &lksb, 0, "five", 4, NULL, NULL,
					    -1),
			 0);
	assert_true(lksb.token > 0);
	assert_int_equal(lockstep_lock_wait(s2, LOCKSTEP_LOCK_NL, &lksb, LOCKSTEP_LKF_CONVERT, NULL,
					    0, NULL, NULL, -1),
			 0);
	assert_int_equal(lockstep_unlock_wait(s2, lksb.lkid, 0, &lksb), 0);
	assert_int_equal(lksb.status, LOCKSTEP_EUNLOCK);
	lockstep_close(s1);
	lockstep_close(s2);
	test_free(l1);
}

static void *hand_over(void *arg)
{
	struct lock *l = arg;

	while (l->basts == 0) {
		struct pollfd p = { .fd = lockstep_session_fd(l->session), .events = POLLIN };

		(void)poll(&p, 1, -1);
		(void)lockstep_dispatch(l->session);
	}
	(void)lockstep_unlock_wait(l->session, l->lksb.lkid, 0, NULL);
	return NULL;
}

static void a_waiter_gets_what_another_thread_lets_go(void **state)
{
	struct lockstep_session *s1 = open_session(), *s2 = open_session();
	struct lock *l1 = locked(s1, "six", LOCKSTEP_LOCK_EX);
	struct lockstep_lksb lksb = { 0 };
	pthread_t thread;

	(void)state;
	until(s1, &l1->asts, 1);
	uint64_t token = l1->lksb.token;

	assert_int_equal(pthread_create(&thread, NULL, hand_over, l1), 0);
	assert_int_equal(lockstep_lock_wait(s2, LOCKSTEP_LOCK_EX, &lksb, 0, "six", 3, NULL, NULL,
					    -1),
			 0);
	assert_true(lksb.token > token);
	assert_int_equal(pthread_join(thread, NULL), 0);
	lockstep_close(s1);
	lockstep_close(s2);
	test_free(l1);
}

static void closing_lets_go(void **state)
{
	struct lockstep_session *s1 = open_session(), *s2 = open_session();
	struct lock *l1 = locked(s1, "seven", LOCKSTEP_LOCK_EX);
	struct lockstep_lksb lksb = { 0 };

	(void)state;
	until(s1, &l1->asts, 1);
	lockstep_close(s1);
	assert_int_equal(lockstep_lock_wait(s2, LOCKSTEP_LOCK_EX, &lksb, 0, "seven", 5, NULL, NULL,
					    -1),
			 0);
	lockstep_close(s2);
	test_free(l1);
}

struct seen {
	struct lockstep_admin *admin;
	size_t rows;
	size_t nested;
	char last[LOCKSTEP_NAME_MAX + 1];
	bool ordered;
};

static int row(const struct lockstep_lock_info *info, void *arg)
{
	struct seen *seen = arg;
	char name[LOCKSTEP_NAME_MAX + 1] = { 0 };
	struct lockstep_status status;

	memcpy(name, info->name, info->name_len);
	seen->ordered = seen->ordered && strcmp(seen->last, name) < 0;
	(void)strcpy(seen->last, name);
	/* The connection may be used in the middle of a listing. */
	if (seen->rows++ % 100 == 0 && lockstep_admin_status(seen->admin, &status) == 0) {
		seen->nested++;
	}
	return 0;
}

static int stop_at_ten(const struct lockstep_lock_info *info, void *arg)
{
	(void)info;
	return ++*(int *)arg == 10 ? 42 : 0;
}

static void long_listings_come_in_pages(void **state)
{
	struct lockstep_session *s = open_session();
	struct lock *locks[MANY];
	struct seen seen = { .ordered = true };
	int rows = 0, done = 0;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "many %04d", (i * 7) % MANY);
		locks[i] = locked(s, name, LOCKSTEP_LOCK_PR);
	}
	for (int i = 0; i < MANY; i++) {
		until(s, &locks[i]->asts, 1);
		done += locks[i]->lksb.status == 0;
	}
	assert_int_equal(done, MANY);
	assert_int_equal(lockstep_admin_open(NULL, &seen.admin), 0);
	assert_int_equal(lockstep_admin_locks(seen.admin, "default", NULL, 0, row, &seen), 0);
	assert_int_equal(seen.rows, MANY);
	assert_int_equal(seen.nested, (MANY + 99) / 100);
	assert_true(seen.ordered);
	assert_int_equal(lockstep_admin_locks(seen.admin, "default", NULL, 0, stop_at_ten, &rows), 42);
	assert_int_equal(rows, 10);
	seen.rows = 0;
	assert_int_equal(lockstep_admin_locks(seen.admin, "default", "many 0007", 9, row, &seen), 0);
	assert_int_equal(seen.rows, 1);
	assert_int_equal(lockstep_admin_locks(seen.admin, "nowhere", NULL, 0, row, &seen), -ENOENT);
	lockstep_admin_close(seen.admin);
	lockstep_close(s);
	for (int i = 0; i < MANY; i++) {
		test_free(locks[i]);
	}
}

/* More names than the daemon looks up at a time, with numbers of locks that pages break in the middle. */
#define NAMES 4500
#define LOCKS_OF(i) (1 + (i) % 3)

struct shown {
	char last[LOCKSTEP_NAME_MAX + 1];
	int names;
	int locks; /* of the last name */
	bool right;
	struct lockstep_admin *other;
};

static int locks_of_text(const char *name)
{
	int number = atoi(name + 5);

	return LOCKS_OF(number) + (number == 0 || number == NAMES - 1);
}

static int name_shown(const struct lockstep_lock_info *info, void *arg)
{
	struct shown *shown = arg;
	char name[LOCKSTEP_NAME_MAX + 1] = { 0 };
	int nothing = 0;

	memcpy(name, info->name, info->name_len);
	if (strcmp(shown->last, name) != 0) {
		shown->right = shown->right && strcmp(shown->last, name) < 0 &&
			       (shown->names == 0 || shown->locks == locks_of_text(shown->last));
		(void)strcpy(shown->last, name);
		shown->locks = 0;
		shown->names++;
	}
	shown->locks++;
	/* Another listing of somebody else, now and then, is a listing of its own. */
	if (shown->other && shown->names % 500 == 1 && shown->locks == 1) {
		shown->right = shown->right && lockstep_admin_locks(shown->other, "default", NULL, 0,
								    stop_at_ten, &nothing) == 42;
	}
	return 0;
}

static void a_listing_goes_through_all_names_in_order(void **state)
{
	struct lockstep_session *s = open_session();
	static struct lockstep_request requests[3 * NAMES + 2];
	static struct lockstep_lksb lksbs[3 * NAMES + 2];
	static char names[NAMES][16];
	struct shown shown = { .right = true }, contended = { .right = true };
	size_t count = 0, sent = 0;

	(void)state;
	for (int i = 0; i < NAMES; i++) {
		int number = (i * 7) % NAMES;

		(void)snprintf(names[i], sizeof(names[i]), "name %04d", number);
		for (int j = 0; j < LOCKS_OF(number); j++) {
			requests[count] = (struct lockstep_request){
				.mode = LOCKSTEP_LOCK_PR, .lksb = &lksbs[count], .name = names[i],
				.name_len = strlen(names[i]), .ast = ignore,
			};
			count++;
		}
	}
	/* Somebody waits for the first and for the last one. */
	for (int i = 0; i < 2; i++) {
		requests[count] = requests[0];
		requests[count].name = i ? "name 4499" : "name 0000";
		requests[count].mode = LOCKSTEP_LOCK_EX;
		requests[count].lksb = &lksbs[count];
		count++;
	}
	while (sent < count) {
		size_t n = count - sent < 500 ? count - sent : 500;

		assert_int_equal(lockstep_submit(s, requests + sent, n), 0);
		while (n > 0 && requests[sent].result == 0) {
			sent++;
			n--;
		}
		assert_true(lockstep_dispatch(s) >= 0);
	}
	for (size_t i = 0; i + 2 < count; i++) {
		while (lksbs[i].status == LOCKSTEP_EINPROG) {
			struct pollfd p = { .fd = lockstep_session_fd(s), .events = POLLIN };

			assert_true(poll(&p, 1, 60000) > 0);
			assert_true(lockstep_dispatch(s) >= 0);
		}
	}
	struct lockstep_admin *a;

	assert_int_equal(lockstep_admin_open(NULL, &a), 0);
	assert_int_equal(lockstep_admin_open(NULL, &shown.other), 0);
	assert_int_equal(lockstep_admin_locks(a, "default", NULL, 0, name_shown, &shown), 0);
	assert_true(shown.right);
	assert_int_equal(shown.names, NAMES);
	assert_int_equal(lockstep_admin_contended(a, "default", name_shown, &contended), 0);
	assert_int_equal(contended.names, 2);
	assert_string_equal(contended.last, "name 4499");
	lockstep_admin_close(shown.other);
	lockstep_admin_close(a);
	lockstep_close(s);
}

static int spaces_count(const struct lockstep_space_info *info, void *arg)
{
	(void)info;
	++*(int *)arg;
	return 0;
}

static int members_count(const struct lockstep_member_info *info, void *arg)
{
	*(int *)arg += info->local ? 1 : 100;
	return 0;
}

static int lines_count(const char *line, void *arg)
{
	(void)line;
	++*(int *)arg;
	return 0;
}

static int blockers_count(const struct lockstep_blocker *b, void *arg)
{
	*(int *)arg += b->by_order ? 100 : 1;
	return 0;
}

static void administration_works(void **state)
{
	struct lockstep_session *s = open_session();
	struct lock *l1 = locked(s, "eight", LOCKSTEP_LOCK_EX);
	struct lock *l2 = locked(s, "eight", LOCKSTEP_LOCK_EX);
	struct lockstep_admin *a;
	struct lockstep_status status;
	uint32_t nodeid = 0;
	char number[16];
	int count = 0;

	(void)state;
	until(s, &l1->basts, 1);
	assert_int_equal(lockstep_admin_open(NULL, &a), 0);
	assert_int_equal(lockstep_admin_status(a, &status), 0);
	assert_true(status.standalone);
	assert_string_equal(status.state, "ok");
	assert_string_equal(status.version, lockstep_version());
	(void)snprintf(number, sizeof(number), "%u", status.nodeid);
	assert_int_equal(lockstep_admin_node_id(a, number, &nodeid), 0);
	assert_int_equal(nodeid, status.nodeid);
	assert_int_equal(lockstep_admin_node_id(a, "no-such-node", &nodeid), -ENOENT);
	assert_int_equal(lockstep_admin_fence_ack(a, nodeid), -EBUSY);
	assert_int_equal(lockstep_admin_fence_ack(a, 4711), -ENOENT);
	assert_int_equal(lockstep_admin_blockers(a, "default", nodeid, l2->lksb.lkid, blockers_count,
						 &count),
			 0);
	assert_int_equal(count, 1);
	assert_int_equal(lockstep_admin_space_create(a, "adm", 0, 0), 0);
	count = 0;
	assert_int_equal(lockstep_admin_members(a, "adm", members_count, &count), 0);
	assert_int_equal(count, 1);
	count = 0;
	assert_int_equal(lockstep_admin_spaces(a, spaces_count, &count), 0);
	assert_true(count >= 2);
	assert_int_equal(lockstep_admin_space_release(a, "adm", 0), 0);
	assert_int_equal(lockstep_admin_space_release(a, "never", 0), -ENOENT);
	assert_int_equal(lockstep_admin_space_release(a, "adm", 3), -EINVAL);
	assert_int_equal(lockstep_admin_events(a, lines_count, &count), 0);
	char path[512];

	assert_int_equal(lockstep_admin_configfs(a, path, 4), -ENOBUFS);
	assert_int_equal(lockstep_admin_configfs(a, path, sizeof(path)), 0);
	assert_non_null(strstr(path, "/configfs"));
	lockstep_admin_close(a);
	lockstep_close(s);
	test_free(l1);
	test_free(l2);
}

static void daemon_signal(int number)
{
	assert_int_equal(kill((pid_t)atoi(getenv("DAEMON_PID")), number), 0);
}

/* A daemon that hangs costs the time one is willing to wait, and its late answers are not taken for
 * answers to later questions. */
static void a_hung_daemon_is_given_up_and_its_late_answers_are_dropped(void **state)
{
	const struct lockstep_options options = { .timeout_ms = 100 };
	struct lockstep_session *s = NULL;
	struct lockstep_admin *a, *b = NULL;
	uint32_t nodeid = 0;

	(void)state;
	assert_int_equal(lockstep_admin_open(&options, &a), 0);
	daemon_signal(SIGSTOP);
	assert_int_equal(lockstep_open("default", 0, &options, &s), -ETIMEDOUT);
	assert_int_equal(lockstep_admin_open(&options, &b), -ETIMEDOUT);
	assert_int_equal(lockstep_admin_node_id(a, "no-such-node", &nodeid), -ETIMEDOUT);
	daemon_signal(SIGCONT);
	/* The answer to the question above, ENOENT, is in the pipe first. */
	int error;

	do {
		error = lockstep_admin_node_id(a, "1", &nodeid);
	} while (error == -ETIMEDOUT);
	assert_int_equal(error, 0);
	assert_int_equal(nodeid, 1);
	lockstep_admin_close(a);
}

static void words_have_numbers(void **state)
{
	(void)state;
	for (int mode = LOCKSTEP_LOCK_NL; mode <= LOCKSTEP_LOCK_EX; mode++) {
		assert_int_equal(lockstep_mode_parse(lockstep_mode_name(mode)), mode);
	}
	assert_int_equal(lockstep_mode_parse("ex"), LOCKSTEP_LOCK_EX);
	assert_int_equal(lockstep_mode_parse("--"), -EINVAL);
	assert_int_equal(lockstep_mode_parse(NULL), -EINVAL);
	assert_string_equal(lockstep_mode_name(LOCKSTEP_LOCK_IV), "--");
	assert_string_equal(lockstep_mode_name(6), "??");
	assert_string_equal(lockstep_strerror(-ENOTCONN), lockstep_strerror(ENOTCONN));
	assert_string_not_equal(lockstep_strerror(LOCKSTEP_ECANCEL), lockstep_strerror(1 << 20));
	assert_string_equal(lockstep_strerror(1 << 20), "unknown error");
}

static void lost(void *arg, int error)
{
	assert_int_not_equal(error, 0);
	++*(int *)arg;
}

static void *kill_daemon(void *arg)
{
	(void)arg;
	(void)kill((pid_t)atoi(getenv("DAEMON_PID")), SIGKILL);
	return NULL;
}

/* The last one, for it ends the daemon. */
static void loss_ends_waiting_and_is_told_once(void **state)
{
	struct lockstep_session *s1 = open_session(), *s2 = open_session();
	struct lock *l1 = locked(s1, "nine", LOCKSTEP_LOCK_EX);
	struct lockstep_lksb lksb = { 0 };
	struct lockstep_status status;
	struct lockstep_admin *a;
	pthread_t thread;
	int told = 0;

	(void)state;
	assert_int_equal(lockstep_admin_open(NULL, &a), 0);
	until(s1, &l1->asts, 1);
	assert_int_equal(lockstep_lost_set(s1, &told, lost), 0);
	assert_int_equal(pthread_create(&thread, NULL, kill_daemon, NULL), 0);
	assert_int_equal(lockstep_lock_wait(s2, LOCKSTEP_LOCK_EX, &lksb, 0, "nine", 4, NULL, NULL,
					    -1),
			 -ENOTCONN);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* The daemon's descriptors close one after the other: first there may be the blocking callback. */
	struct pollfd p = { .fd = lockstep_session_fd(s1), .events = POLLIN };
	int result;

	do {
		assert_int_equal(told, 0);
		assert_int_equal(poll(&p, 1, 60000), 1);
		result = lockstep_dispatch(s1);
	} while (result >= 0);
	assert_int_equal(result, -ENOTCONN);
	assert_int_equal(told, 1);
	assert_int_equal(lockstep_dispatch(s1), -ENOTCONN);
	assert_int_equal(told, 1);
	assert_int_equal(lockstep_unlock(s1, l1->lksb.lkid, 0, NULL), -ENOTCONN);
	assert_int_equal(lockstep_lock(s1, 5, &lksb, 0, "x", 1, l1, ast, NULL), -ENOTCONN);
	assert_int_equal(lockstep_lock_wait(s1, 5, &lksb, 0, "x", 1, l1, NULL, -1), -ENOTCONN);
	assert_int_equal(lockstep_unlock_wait(s1, l1->lksb.lkid, 0, NULL), -ENOTCONN);
	assert_int_equal(lockstep_admin_status(a, &status), -ENOTCONN);
	assert_int_equal(l1->asts, 1);
	lockstep_admin_close(a);
	lockstep_close(s1);
	lockstep_close(s2);
	test_free(l1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opening_can_fail_in_many_ways),
		cmocka_unit_test(opening_can_make_a_lockspace),
		cmocka_unit_test(a_completion_runs_in_dispatch_only),
		cmocka_unit_test(a_blocked_session_is_told_and_hands_over_its_value),
		cmocka_unit_test(refusals_are_what_the_manual_says),
		cmocka_unit_test(a_routine_can_make_any_lock_call),
		cmocka_unit_test(waiting_ends_with_the_time_or_the_grant),
		cmocka_unit_test(a_waiter_gets_what_another_thread_lets_go),
		cmocka_unit_test(closing_lets_go),
		cmocka_unit_test(long_listings_come_in_pages),
		cmocka_unit_test(a_listing_goes_through_all_names_in_order),
		cmocka_unit_test(administration_works),
		cmocka_unit_test(a_hung_daemon_is_given_up_and_its_late_answers_are_dropped),
		cmocka_unit_test(words_have_numbers),
		cmocka_unit_test(loss_ends_waiting_and_is_told_once),
	};

	if (!getenv("DAEMON_PID")) {
		(void)fprintf(stderr, "run tests/lib/client.sh\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
