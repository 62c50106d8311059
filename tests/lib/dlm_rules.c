/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of libdlm-abi.md that other tests do not miss when they are broken: each function
 * stands for one or two of them, and was seen to fail without. Made twice as dlm_calls.
 * The daemon lets the group `nogroup` in.
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libdlm.h>

#include "tests/lib/dlm_check.h"

#define SPACE	   "dlm_rules"
#define NOBODY	   65534
#define PATIENCE_S 30

static int casts;
static void *cast_arg;

static void ast(void *arg)
{
	casts++;
	cast_arg = arg;
}

/* Until the operation of @lksb is complete. */
static void finish(dlm_lshandle_t h, const struct dlm_lksb *lksb)
{
	struct pollfd p = { .fd = dlm_ls_get_fd(h), .events = POLLIN };

	while (lksb->sb_status == EINPROG && poll(&p, 1, PATIENCE_S * 1000) == 1 &&
	       dlm_dispatch(p.fd) == 0) {
	}
}

static int lock(dlm_lshandle_t h, uint32_t mode, struct dlm_lksb *lksb, uint32_t flags,
		const char *name, void *arg)
{
	return dlm_ls_lock(h, mode, lksb, flags, name, (unsigned int)strlen(name), 0, ast,
			   arg, NULL, NULL);
}

static int lock_wait(dlm_lshandle_t h, uint32_t mode, struct dlm_lksb *lksb,
		     uint32_t flags, const char *name)
{
	return dlm_ls_lock_wait(h, mode, lksb, flags, name, (unsigned int)strlen(name), 0,
				NULL, NULL, NULL);
}

static int unlock_wait(dlm_lshandle_t h, struct dlm_lksb *lksb)
{
	return dlm_ls_unlock_wait(h, lksb->sb_lkid, 0, lksb);
}

/* --- what a lock call says
 * ---------------------------------------------------------------- */

static int lock_timed(dlm_lshandle_t h, struct dlm_lksb *lksb, uint32_t flags,
		      uint64_t timeout)
{
	return dlm_ls_lockx(h, LKM_EXMODE, lksb, flags, "timed", 5, 0, ast, NULL, NULL,
			    NULL, &timeout);
}

/* R-TMO-5; and a time of more than 32 bits is long. The last one is over later than any
 * of the others could be. */
static void times_are_what_was_said(dlm_lshandle_t h, dlm_lshandle_t other)
{
	struct dlm_lksb held = { 0 }, without = { 0 }, large = { 0 }, brief = { 0 };

	CHECK(lock_wait(other, LKM_EXMODE, &held, 0, "timed") == 0);
	CHECK(lock_timed(h, &without, 0, 1) == 0);
	CHECK(lock_timed(h, &large, LKF_TIMEOUT, (uint64_t)1 << 32) == 0);
	CHECK(lock_timed(h, &brief, LKF_TIMEOUT, 2) == 0);
	finish(h, &brief);
	CHECK(brief.sb_status == ETIMEDOUT);
	CHECK(without.sb_status == EINPROG && large.sb_status == EINPROG);
	CHECK(unlock_wait(other, &held) == 0);
	finish(h, &without);
	CHECK(without.sb_status == 0 && unlock_wait(h, &without) == 0);
	finish(h, &large);
	CHECK(large.sb_status == 0 && unlock_wait(h, &large) == 0);
}

/* R-CAST-4 */
static void the_flags_of_a_completion_are_told(dlm_lshandle_t h, dlm_lshandle_t other)
{
	struct dlm_lksb held = { 0 }, lksb = { 0 };

	CHECK(lock_wait(other, LKM_PRMODE, &held, 0, "alt") == 0);
	CHECK(lock_wait(h, LKM_CWMODE, &lksb, LKF_ALTPR, "alt") == 0);
	CHECK(lksb.sb_status == 0 && lksb.sb_flags == DLM_SBF_ALTMODE);
	CHECK(unlock_wait(h, &lksb) == 0 && unlock_wait(other, &held) == 0);
}

/* Section 3: only an argument that is not NULL replaces the old one. */
static void an_unlock_without_argument_keeps_the_old(dlm_lshandle_t h)
{
	struct dlm_lksb lksb = { 0 };
	int arg;

	CHECK(lock(h, LKM_EXMODE, &lksb, 0, "arg", &arg) == 0);
	finish(h, &lksb);
	cast_arg = NULL;
	CHECK(dlm_ls_unlock(h, lksb.sb_lkid, 0, &lksb, NULL) == 0);
	finish(h, &lksb);
	CHECK(lksb.sb_status == EUNLOCK && cast_arg == &arg);
}

/* R-ABI-22: a synchronous cancel calls no routine in libdlm; what is asked for after it
 * does. */
static void after_a_synchronous_cancel_routines_run_again(dlm_lshandle_t h,
							  dlm_lshandle_t other)
{
	struct dlm_lksb held = { 0 }, lksb = { 0 };

	CHECK(lock_wait(other, LKM_PRMODE, &held, 0, "again") == 0);
	CHECK(lock(h, LKM_NLMODE, &lksb, 0, "again", NULL) == 0);
	finish(h, &lksb);
	CHECK(lock(h, LKM_EXMODE, &lksb, LKF_CONVERT, "again", NULL) == 0);
	(void)dlm_ls_unlock_wait(h, lksb.sb_lkid, LKF_CANCEL, &lksb);
	CHECK(lksb.sb_status == ECANCEL);
	casts = 0;
	CHECK(lock(h, LKM_CRMODE, &lksb, LKF_CONVERT, "again", NULL) == 0);
	finish(h, &lksb);
	CHECK(lksb.sb_status == 0 && casts == 1);
	CHECK(unlock_wait(h, &lksb) == 0 && unlock_wait(other, &held) == 0);
}

/* R-PURGE-1 */
static void what_is_purged_is_forgotten(dlm_lshandle_t other)
{
	dlm_lshandle_t h = dlm_open_lockspace(SPACE);
	struct dlm_lksb lksb = { 0 }, second = { 0 };

	CHECK(lock_wait(h, LKM_EXMODE, &lksb, 0, "purged") == 0);
	CHECK(dlm_ls_purge(h, 0, getpid()) == 0);
	CHECK(REFUSED(dlm_ls_unlock(h, lksb.sb_lkid, 0, &lksb, NULL), ENOENT));
	/* Also what has come and was not told. */
	struct pollfd p = { .fd = dlm_ls_get_fd(h), .events = POLLIN };

	CHECK(lock(h, LKM_EXMODE, &lksb, 0, "untold", NULL) == 0);
	CHECK(poll(&p, 1, PATIENCE_S * 1000) == 1);
	casts = 0;
	CHECK(dlm_ls_purge(h, 0, getpid()) == 0);
	CHECK(dlm_dispatch(p.fd) == 0 && casts == 0);
	CHECK(lock_wait(other, LKM_EXMODE, &second, 0, "purged") == 0 &&
	      second.sb_status == 0);
	CHECK(unlock_wait(other, &second) == 0);
	CHECK(dlm_close_lockspace(h) == 0);
}

/* --- lockspaces
 * --------------------------------------------------------------------------- */

/* R-LS-6: force 2, whoever else has it here, and whatever he holds. */
static void a_forced_release_takes_all_locks_along(void)
{
	dlm_lshandle_t a = dlm_new_lockspace("dlm_rules_2", 0600, 0);
	dlm_lshandle_t b = dlm_open_lockspace("dlm_rules_2");
	struct dlm_lksb lksb = { 0 };

	CHECK(lock_wait(b, LKM_EXMODE, &lksb, 0, "r") == 0);
	CHECK(dlm_release_lockspace("dlm_rules_2", a, 1) == 0);
	errno = 0;
	CHECK(dlm_open_lockspace("dlm_rules_2") == NULL && errno == ENOENT);
	CHECK(REFUSED(dlm_ls_unlock(b, lksb.sb_lkid, 0, &lksb, NULL), ENOTCONN));
	CHECK(dlm_close_lockspace(b) == 0);
}

/* R-LS-8 */
static void value_blocks_have_32_bytes(void)
{
	CHECK(system("\"$top_builddir/lockstep\" lockspace create -l 64 dlm_rules_64") ==
	      0);
	errno = 0;
	CHECK(dlm_open_lockspace("dlm_rules_64") == NULL && errno == EPROTO);
	CHECK(system("\"$top_builddir/lockstep\" lockspace release dlm_rules_64") == 0);
}

/* What another user is told who opens @space: errno, 0 for a handle. */
static int others_open(const char *space)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 ||
		    setuid(NOBODY) != 0) {
			_exit(255);
		}
		_exit(dlm_open_lockspace(space) ? 0 : errno);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* R-LS-10; unknown flags are nothing to a kernel of another version. */
static void a_lockspace_has_the_mode_it_was_given(void)
{
	dlm_lshandle_t open = dlm_new_lockspace("dlm_rules_666", 0666, 0x80000000u);
	dlm_lshandle_t closed = dlm_new_lockspace("dlm_rules_600", 0600, 0);

	CHECK(open != NULL && closed != NULL);
	CHECK(others_open("dlm_rules_666") == 0);
	CHECK(others_open("dlm_rules_600") == EACCES);
	CHECK(dlm_release_lockspace("dlm_rules_666", open, 1) == 0);
	CHECK(dlm_release_lockspace("dlm_rules_600", closed, 1) == 0);
}

/* --- the default lockspace (R-ABI-10)
 * ----------------------------------------------------- */

/* No daemon's configuration names it here, so the first call makes it, for its user; and
 * a child has one of its own (R-ABI-18). */
static void the_default_lockspace_is_the_users_and_the_processs(void)
{
	struct dlm_lksb lksb = { 0 }, childs = { 0 };
	dlm_lshandle_t h;
	int status = -1;

	errno = 0;
	CHECK(dlm_open_lockspace("default") == NULL && errno == ENOENT);
	CHECK(dlm_lock_wait(LKM_EXMODE, &lksb, 0, "d", 1, 0, NULL, NULL, NULL) == 0);
	CHECK(others_open("default") == EACCES);
	pid_t child = fork();

	if (child == 0) {
		_exit(dlm_lock_wait(LKM_EXMODE, &childs, 0, "e", 1, 0, NULL, NULL,
				    NULL) != 0 ||
		      dlm_unlock_wait(childs.sb_lkid, 0, &childs) != 0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	h = dlm_open_lockspace("default");
	CHECK(h != NULL);
#if DLM_THREADS
	CHECK(dlm_pthread_cleanup() == 0); /* ends the session with its lock */
	CHECK(REFUSED(dlm_unlock_wait(lksb.sb_lkid, 0, &lksb), ENOTCONN));
	CHECK(lock_wait(h, LKM_EXMODE, &childs, 0, "d") == 0 && childs.sb_status == 0);
#endif
	CHECK(dlm_close_lockspace(h) == 0);
}

/* --- processes
 * ---------------------------------------------------------------------------- */

/* R-ABI-18: a child dispatches nothing of its parent's. */
static void a_child_has_no_callbacks(dlm_lshandle_t h)
{
	struct pollfd p = { .fd = dlm_ls_get_fd(h), .events = POLLIN };
	struct dlm_lksb lksb = { 0 };
	int status = -1;

	CHECK(lock(h, LKM_EXMODE, &lksb, 0, "child", NULL) == 0);
	CHECK(poll(&p, 1, PATIENCE_S * 1000) == 1);
	pid_t child = fork();

	if (child == 0) {
		_exit(!REFUSED(dlm_dispatch(p.fd), EBADF) || lksb.sb_status != EINPROG);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	finish(h, &lksb);
	CHECK(lksb.sb_status == 0 && unlock_wait(h, &lksb) == 0);
}

/* --- threads
 * ------------------------------------------------------------------------------ */

#if DLM_THREADS
static sem_t inside, go_on;
static int second_casts;

static int wait_for(sem_t *sem)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	while (sem_timedwait(sem, &until) != 0) {
		if (errno != EINTR) {
			return -1;
		}
	}
	return 0;
}

static void staying_ast(void *arg)
{
	(void)arg;
	(void)sem_post(&inside);
	(void)wait_for(&go_on);
}

static void second_ast(void *arg)
{
	(void)arg;
	second_casts++;
}

static void *dispatch_in_thread(void *arg)
{
	return dlm_dispatch(dlm_ls_get_fd(arg)) == 0 ? arg : NULL;
}

/* R-ORD-3: while a routine runs in one thread another one dispatches nothing. */
static void routines_of_a_handle_run_one_at_a_time(dlm_lshandle_t h)
{
	struct pollfd p = { .fd = dlm_ls_get_fd(h), .events = POLLIN };
	struct dlm_lksb first = { 0 }, second = { 0 };
	void *result = NULL;
	pthread_t thread;

	CHECK(dlm_ls_lock(h, LKM_EXMODE, &first, 0, "one", 3, 0, staying_ast, NULL, NULL,
			  NULL) == 0);
	CHECK(poll(&p, 1, PATIENCE_S * 1000) == 1);
	CHECK(pthread_create(&thread, NULL, dispatch_in_thread, h) == 0);
	CHECK(wait_for(&inside) == 0);
	CHECK(dlm_ls_lock(h, LKM_EXMODE, &second, 0, "two", 3, 0, second_ast, NULL, NULL,
			  NULL) == 0);
	CHECK(poll(&p, 1, PATIENCE_S * 1000) == 1);
	CHECK(dlm_dispatch(p.fd) == 0);
	CHECK(second_casts == 0);
	(void)sem_post(&go_on);
	CHECK(pthread_join(thread, &result) == 0 && result == h);
	finish(h, &second);
	CHECK(second_casts == 1);
	CHECK(unlock_wait(h, &first) == 0 && unlock_wait(h, &second) == 0);
}

static dlm_lshandle_t waiter;
static struct dlm_lksb outer, waited, beside;
static int outer_casts, waited_rc = -1;

static void beside_ast(void *arg)
{
	(void)arg;
	(void)sem_post(&inside);
}

/* In the delivery thread: its own lock goes, synchronously, without this routine being
 * called for that; then it waits for another one, which is granted only when the routine
 * of a third has run. */
static void waiting_ast(void *arg)
{
	(void)arg;
	if (outer_casts++ > 0) {
		return;
	}
	(void)unlock_wait(waiter, &outer);
	(void)dlm_ls_lock(waiter, LKM_EXMODE, &beside, 0, "beside", 6, 0, beside_ast,
			  NULL, NULL, NULL);
	waited_rc = lock_wait(waiter, LKM_EXMODE, &waited, 0, "waited");
	(void)sem_post(&go_on);
}

/* R-ABI-15 (c), R-ABI-21, R-ABI-22 */
static void the_delivery_thread_delivers_while_it_waits(dlm_lshandle_t other)
{
	struct dlm_lksb held = { 0 };

	waiter = dlm_open_lockspace(SPACE);
	CHECK(dlm_ls_pthread_init(waiter) == 0);
	CHECK(lock_wait(other, LKM_EXMODE, &held, 0, "waited") == 0);
	CHECK(dlm_ls_lock(waiter, LKM_EXMODE, &outer, 0, "outer", 5, 0, waiting_ast, NULL,
			  NULL, NULL) == 0);
	CHECK(wait_for(&inside) == 0);
	CHECK(unlock_wait(other, &held) == 0);
	CHECK(wait_for(&go_on) == 0);
	CHECK(waited_rc == 0 && waited.sb_status == 0);
	CHECK(outer.sb_status == EUNLOCK && outer_casts == 1);
	CHECK(dlm_close_lockspace(waiter) == 0);
}
#endif

int main(void)
{
	dlm_lshandle_t h, other;

	RUN(the_default_lockspace_is_the_users_and_the_processs());
	h = dlm_new_lockspace(SPACE, 0600, 0);
	other = dlm_open_lockspace(SPACE);
	if (!h || !other) {
		printf("not ok - the lockspace cannot be opened: %s\n", strerror(errno));
		return 1;
	}
	(void)alarm(4 * PATIENCE_S);
	RUN(times_are_what_was_said(h, other));
	RUN(the_flags_of_a_completion_are_told(h, other));
	RUN(an_unlock_without_argument_keeps_the_old(h));
	RUN(after_a_synchronous_cancel_routines_run_again(h, other));
	RUN(what_is_purged_is_forgotten(other));
	RUN(a_forced_release_takes_all_locks_along());
	RUN(value_blocks_have_32_bytes());
	RUN(a_lockspace_has_the_mode_it_was_given());
	RUN(a_child_has_no_callbacks(h));
#if DLM_THREADS
	(void)sem_init(&inside, 0, 0);
	(void)sem_init(&go_on, 0, 0);
	RUN(routines_of_a_handle_run_one_at_a_time(h));
	RUN(the_delivery_thread_delivers_while_it_waits(other));
#endif
	CHECK(dlm_close_lockspace(h) == 0 && dlm_close_lockspace(other) == 0);
	return checks_end();
}
