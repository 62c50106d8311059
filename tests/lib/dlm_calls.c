/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libdlm.so.3 and libdlm_lt.so.3 as a program sees them, against a lockstepd that stands alone: built once
 * for each (DLM_THREADS 1 and 0). What is in the lksb and in errno, who delivers callbacks when, and that
 * wrong calls, forks, kills and a dead daemon do no harm. Rules: libdlm-abi.md. Run by dlm.sh, which
 * gives it a daemon to use up (DAEMON_PID).
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libdlm.h>

#include "tests/lib/dlm_check.h"

#define SPACE "dlm_calls"

/* R-ABI-6, R-ABI-7 */
_Static_assert(sizeof(struct dlm_lksb) == 24, "lksb");
_Static_assert(offsetof(struct dlm_lksb, sb_status) == 0, "sb_status");
_Static_assert(offsetof(struct dlm_lksb, sb_lkid) == 4, "sb_lkid");
_Static_assert(offsetof(struct dlm_lksb, sb_flags) == 8, "sb_flags");
_Static_assert(offsetof(struct dlm_lksb, sb_lvbptr) == 16, "sb_lvbptr");
_Static_assert(DLM_LVB_LEN == 32 && DLM_LOCKSPACE_LEN == 64 && DLM_RESNAME_MAXLEN == 64, "lengths");
_Static_assert(LKM_NLMODE == 0 && LKM_EXMODE == 5 && LKF_TIMEOUT == 0x40000, "modes, flags");
_Static_assert(ECANCEL == 0x10001 && EUNLOCK == 0x10002 && EINPROG == 0x10003, "statuses");

/* --- callbacks --------------------------------------------------------------------------- */

struct seen {
	int casts;
	int basts;
	void *arg;
	pthread_t thread;
};

static struct seen seen;
#if DLM_THREADS
static dlm_lshandle_t routine_handle;
#endif

static void ast(void *arg)
{
	seen.casts++;
	seen.arg = arg;
	seen.thread = pthread_self();
}

static void bast(void *arg)
{
	(void)arg;
	seen.basts++;
}

static int readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void dispatch_until(dlm_lshandle_t h, const int *counter, int wanted)
{
	struct pollfd p = { .fd = dlm_ls_get_fd(h), .events = POLLIN };

	while (*counter < wanted) {
		(void)poll(&p, 1, -1);
		if (dlm_dispatch(p.fd) != 0) {
			break;
		}
	}
}

static int lock(dlm_lshandle_t h, uint32_t mode, struct dlm_lksb *lksb, uint32_t flags,
		const char *name, void *arg)
{
	return dlm_ls_lock(h, mode, lksb, flags, name, (unsigned int)strlen(name), 0, ast, arg, bast,
			   NULL);
}

static int lock_wait(dlm_lshandle_t h, uint32_t mode, struct dlm_lksb *lksb, uint32_t flags,
		     const char *name)
{
	return dlm_ls_lock_wait(h, mode, lksb, flags, name, (unsigned int)strlen(name), 0, NULL, bast,
				NULL);
}

/* Section 4: -1 and errno in libdlm_lt where libdlm says 0. */
#if DLM_THREADS
#define COMPLETED(call, lksb, status) ((call) == 0 && (lksb).sb_status == (status))
#else
#define COMPLETED(call, lksb, status) \
	(errno = 0, (call) == -1 && errno == (status) && (lksb).sb_status == (status))
#endif

/* --- wrong calls ------------------------------------------------------------------------- */

static void wrong_calls_are_refused(dlm_lshandle_t h)
{
	static char name[65536];
	struct dlm_lksb lksb = { 0 };
	int place;

	memset(name, 'x', sizeof(name));
	CHECK(REFUSED(lock(NULL, LKM_EXMODE, &lksb, 0, "r", NULL), ENOTCONN)); /* D-12 */
	CHECK(REFUSED(lock_wait(NULL, LKM_EXMODE, &lksb, 0, "r"), ENOTCONN));
	CHECK(REFUSED(dlm_ls_unlock(NULL, 1, 0, &lksb, NULL), ENOTCONN));
	CHECK(REFUSED(dlm_ls_unlock_wait(NULL, 1, 0, &lksb), ENOTCONN));
	CHECK(REFUSED(dlm_ls_deadlock_cancel(NULL, 1, 0), ENOTCONN));
	CHECK(REFUSED(dlm_ls_purge(NULL, 0, 0), ENOTCONN));
	CHECK(dlm_ls_get_fd(NULL) == -1);
	CHECK(REFUSED(dlm_release_lockspace(SPACE, NULL, 0), EINVAL));
	CHECK(REFUSED(lock(&place, LKM_EXMODE, &lksb, 0, "r", NULL), ENOTCONN));
	CHECK(REFUSED(lock(h, LKM_EXMODE, NULL, 0, "r", NULL), EINVAL));
	CHECK(REFUSED(lock_wait(h, LKM_EXMODE, NULL, 0, "r"), EINVAL));
	CHECK(REFUSED(dlm_ls_unlock(h, 1, 0, NULL, NULL), EINVAL));
	CHECK(REFUSED(dlm_ls_unlock_wait(h, 0, 0, &lksb), EINVAL));
	CHECK(REFUSED(dlm_ls_unlock(h, 4711, 0, &lksb, NULL), ENOENT));
	CHECK(REFUSED(dlm_ls_deadlock_cancel(h, 4711, 0), ENOENT));
	CHECK(REFUSED(dlm_ls_deadlock_cancel(h, 0, 0), EINVAL));
	CHECK(REFUSED(dlm_ls_lock(h, LKM_EXMODE, &lksb, 0, "r", 1, 0, NULL, NULL, NULL, NULL),
		      EINVAL));
	CHECK(REFUSED(dlm_ls_lock(h, LKM_EXMODE, &lksb, 0, "r", 1, 0, ast, NULL, NULL, &place),
		      ENOSYS)); /* R-ABI-11 */
	CHECK(REFUSED(dlm_ls_lock(h, LKM_EXMODE, &lksb, 0, name, sizeof(name), 0, ast, NULL, NULL,
				  NULL),
		      EINVAL));
	CHECK(REFUSED(dlm_ls_lock(h, LKM_EXMODE, &lksb, 0, NULL, 4, 0, ast, NULL, NULL, NULL),
		      EINVAL));
	CHECK(REFUSED(lock(h, 6, &lksb, 0, "r", NULL), EINVAL));
	CHECK(REFUSED(lock(h, 261, &lksb, 0, "r", NULL), EINVAL)); /* R-ABI-25: not cut to 5 */
	CHECK(REFUSED(lock(h, LKM_EXMODE, &lksb, LKF_VALBLK, "r", NULL), EINVAL)); /* R-ABI-12 */
	CHECK(REFUSED(dlm_ls_lockx(h, LKM_EXMODE, &lksb, LKF_VALBLK, "r", 1, 0, ast, NULL, NULL, NULL,
				   NULL),
		      EINVAL));
	CHECK(REFUSED(lock_wait(h, LKM_EXMODE, &lksb, LKF_VALBLK, "r"), EINVAL));
	CHECK(lksb.sb_lkid == 0); /* R-SB-1 */
	CHECK(REFUSED(lock(h, LKM_NLMODE, &lksb, LKF_CONVERT, "r", NULL), ENOENT));
	CHECK(lock_wait(h, LKM_EXMODE, &lksb, 0, "r") == 0);
	CHECK(REFUSED(dlm_ls_unlock_wait(h, lksb.sb_lkid, LKF_VALBLK, &lksb), EINVAL)); /* D-13 */
	CHECK(dlm_ls_unlock_wait(h, lksb.sb_lkid, 0, &lksb) == 0 && lksb.sb_status == EUNLOCK);
	CHECK(REFUSED(dlm_dispatch(-1), EBADF));
	CHECK(REFUSED(dlm_dispatch(0), EBADF));
}

static void versions_are_as_lvmlockd_wants_them(void)
{
	uint32_t major = 0, minor = 9, patch = 0;

	CHECK(dlm_kernel_version(&major, &minor, &patch) == 0);
	CHECK(major == 6 && minor == 0 && patch == 2);
	dlm_library_version(&major, &minor, &patch);
	CHECK(major == 6 && minor == 0 && patch == 2);
}

static void lockspaces_are_created_opened_and_released(void)
{
	dlm_lshandle_t a, b;

	errno = 0;
	CHECK(dlm_open_lockspace("dlm_calls_2") == NULL && errno == ENOENT);
	errno = 0;
	CHECK(dlm_new_lockspace("a/b", 0600, 0) == NULL && errno == EINVAL); /* D-27 */
	a = dlm_new_lockspace("dlm_calls_2", 0600, DLM_LSFL_NEWEXCL);
	CHECK(a != NULL);
	errno = 0;
	CHECK(dlm_new_lockspace("dlm_calls_2", 0600, DLM_LSFL_NEWEXCL) == NULL && errno == EEXIST);
	b = dlm_create_lockspace("dlm_calls_2", 0600); /* count 2 */
	CHECK(b != NULL && b != a);
	CHECK(dlm_release_lockspace("dlm_calls_2", a, 0) == 0);
	a = dlm_open_lockspace("dlm_calls_2");
	CHECK(a != NULL);
	CHECK(dlm_close_lockspace(a) == 0);
	CHECK(REFUSED(dlm_close_lockspace(a), ENOTCONN));
	CHECK(REFUSED(dlm_release_lockspace("dlm_calls_2", a, 0), EINVAL));
	CHECK(dlm_release_lockspace("dlm_calls_2", b, 0) == 0);
	CHECK(dlm_open_lockspace("dlm_calls_2") == NULL && errno == ENOENT);
}

/* The handle goes in any case; that others hold locks is not told. */
static void release_swallows_ebusy(void)
{
	struct dlm_lksb lksb = { 0 };
	dlm_lshandle_t a = dlm_new_lockspace("dlm_calls_3", 0600, 0);
	dlm_lshandle_t b = dlm_open_lockspace("dlm_calls_3");

	CHECK(lock_wait(b, LKM_EXMODE, &lksb, 0, "r") == 0);
	CHECK(dlm_release_lockspace("dlm_calls_3", a, 0) == 0);
	CHECK(REFUSED(lock(a, LKM_NLMODE, &lksb, 0, "r", NULL), ENOTCONN));
	a = dlm_open_lockspace("dlm_calls_3");
	CHECK(a != NULL);
	CHECK(dlm_close_lockspace(b) == 0);
	CHECK(dlm_release_lockspace("dlm_calls_3", a, 1) == 0);
	CHECK(dlm_open_lockspace("dlm_calls_3") == NULL && errno == ENOENT);
}

/* --- synchronous calls -------------------------------------------------------------------- */

static void synchronous_calls_report_as_their_library_does(dlm_lshandle_t h, dlm_lshandle_t other)
{
	char lvb[DLM_LVB_LEN] = "written";
	struct dlm_lksb lksb = { .sb_lvbptr = lvb }, second = { 0 };

	CHECK(lock_wait(h, LKM_EXMODE, &lksb, LKF_VALBLK, "s") == 0 && lksb.sb_status == 0);
	CHECK(COMPLETED(lock_wait(other, LKM_PRMODE, &second, LKF_NOQUEUE, "s"), second, EAGAIN));
	/* A cancel with nothing to cancel (D-10). */
	CHECK(dlm_ls_unlock_wait(h, lksb.sb_lkid, LKF_CANCEL, &lksb) == 0 && lksb.sb_status == 0);
	memcpy(lvb, "stored", 7);
	CHECK(lock_wait(h, LKM_NLMODE, &lksb, LKF_CONVERT | LKF_VALBLK, "s") == 0);
	memset(lvb, 0, sizeof(lvb));
	CHECK(lock_wait(h, LKM_PRMODE, &lksb, LKF_CONVERT | LKF_VALBLK, "s") == 0);
	CHECK(strcmp(lvb, "stored") == 0);
	CHECK(dlm_ls_unlock_wait(h, lksb.sb_lkid, 0, &lksb) == 0 && lksb.sb_status == EUNLOCK);
	/* A waiting request is cancelled: the lock was asked for asynchronously. */
	CHECK(lock_wait(h, LKM_EXMODE, &lksb, 0, "s") == 0);
	seen = (struct seen){ 0 };
	CHECK(lock(other, LKM_PRMODE, &second, 0, "s", &second) == 0);
	CHECK(second.sb_status == EINPROG && second.sb_lkid != 0); /* R-ABI-14 */
	CHECK(COMPLETED(dlm_ls_unlock_wait(other, second.sb_lkid, LKF_CANCEL, &second), second,
			ECANCEL));
	CHECK(seen.casts == !DLM_THREADS);
	CHECK(dlm_ls_unlock_wait(h, lksb.sb_lkid, 0, &lksb) == 0);
}

static void synchronous_and_asynchronous_calls_mix(dlm_lshandle_t h)
{
	struct dlm_lksb lksb = { 0 };
	int arg;

	/* R-ABI-22 (a) */
	seen = (struct seen){ 0 };
	CHECK(lock(h, LKM_EXMODE, &lksb, 0, "m", &arg) == 0);
	dispatch_until(h, &seen.casts, 1);
	CHECK(lksb.sb_status == 0 && seen.arg == &arg);
	CHECK(dlm_ls_unlock_wait(h, lksb.sb_lkid, 0, &lksb) == 0 && lksb.sb_status == EUNLOCK);
	CHECK(seen.casts == (DLM_THREADS ? 1 : 2));
	CHECK(seen.arg == &arg);
	/* (b) */
	CHECK(lock_wait(h, LKM_EXMODE, &lksb, 0, "m") == 0);
	seen = (struct seen){ 0 };
	CHECK(dlm_ls_unlock(h, lksb.sb_lkid, 0, &lksb, &arg) == 0);
	while (lksb.sb_status == EINPROG) {
		struct pollfd p = { .fd = dlm_ls_get_fd(h), .events = POLLIN };

		(void)poll(&p, 1, -1);
		CHECK(dlm_dispatch(p.fd) == 0);
	}
	CHECK(lksb.sb_status == EUNLOCK && seen.casts == 0);
	/* LKF_WAIT makes a call synchronous. */
	CHECK(lock(h, LKM_EXMODE, &lksb, LKF_WAIT, "m", &arg) == 0 && lksb.sb_status == 0);
	CHECK(dlm_ls_unlock(h, lksb.sb_lkid, LKF_WAIT, &lksb, &arg) == 0 &&
	      lksb.sb_status == EUNLOCK);
	CHECK(seen.casts == 0);
}

/* --- descriptors and dispatch ------------------------------------------------------------- */

static void the_descriptor_tells_of_callbacks_only(dlm_lshandle_t h, dlm_lshandle_t other)
{
	struct dlm_lksb lksb = { 0 }, second = { 0 }, third = { 0 };
	int fd = dlm_ls_get_fd(h), arg, new_arg;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	CHECK(!readable(fd));
	CHECK(dlm_dispatch(fd) == 0); /* nothing is due, and it does not block */
	CHECK(lock_wait(h, LKM_PRMODE, &lksb, 0, "d") == 0);
	CHECK(!readable(fd)); /* R-ABI-13 */
	seen = (struct seen){ 0 };
	CHECK(lock(h, LKM_NLMODE, &second, 0, "e", &arg) == 0);
	CHECK(poll(&p, 1, -1) == 1);
	/* What a _wait call reads for somebody else is put aside, or delivered (libdlm_lt). */
	CHECK(lock_wait(h, LKM_NLMODE, &third, 0, "f") == 0);
	CHECK(seen.casts == !DLM_THREADS && readable(fd) == DLM_THREADS);
	CHECK(dlm_dispatch(fd) == 0);
	CHECK(seen.casts == 1 && second.sb_status == 0 && !readable(fd));
	/* A blocking callback leaves the lksb alone (R-ABI-16). */
	lksb.sb_status = 4711;
	CHECK(lock(other, LKM_EXMODE, &third, 0, "d", &third) == 0);
	dispatch_until(h, &seen.basts, 1);
	CHECK(lksb.sb_status == 4711 && lksb.sb_flags == 0);
	/* The argument can be changed by an unlock, the routine cannot (R-CAST-3). */
	seen = (struct seen){ 0 };
	CHECK(dlm_ls_unlock(h, second.sb_lkid, 0, &second, &new_arg) == 0);
	dispatch_until(h, &seen.casts, 1);
	CHECK(seen.arg == &new_arg && second.sb_status == EUNLOCK);
	CHECK(dlm_ls_unlock_wait(h, lksb.sb_lkid, 0, &lksb) == 0);
	seen = (struct seen){ 0 };
	dispatch_until(other, &seen.casts, 1);
	CHECK(third.sb_status == 0 && seen.arg == &third);
	CHECK(dlm_ls_unlock_wait(other, third.sb_lkid, 0, &third) == 0);
}

/* Nothing is lost on the way when nobody dispatches, and closing ends it all. */
static void a_client_that_never_dispatches_is_no_harm(dlm_lshandle_t h)
{
	static struct dlm_lksb lksbs[500];
	struct dlm_lksb lksb = { 0 };
	dlm_lshandle_t lazy = dlm_open_lockspace(SPACE);
	int accepted = 0;

	for (int i = 0; i < 500; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "lazy%d", i);
		accepted += lock(lazy, LKM_EXMODE, &lksbs[i], 0, name, &lksbs[i]) == 0;
	}
	CHECK(accepted == 500);
	CHECK(dlm_close_lockspace(lazy) == 0);
	CHECK(lock_wait(h, LKM_EXMODE, &lksb, 0, "lazy499") == 0);
	CHECK(dlm_ls_unlock_wait(h, lksb.sb_lkid, 0, &lksb) == 0);
}

/* --- processes ---------------------------------------------------------------------------- */

/* exit(), with all that the libraries may have hung on it. Not under the address sanitizer: the library leaves
 * the parent's session alone in a child, on purpose, and that would count as a leak there. */
static _Noreturn void child_exit(int code)
{
#ifdef __SANITIZE_ADDRESS__
	_exit(code);
#else
	exit(code);
#endif
}

/* R-ABI-18 */
static void a_childs_end_is_not_the_parents(dlm_lshandle_t h, dlm_lshandle_t other)
{
	struct dlm_lksb lksb = { 0 }, second = { 0 };
	int status = 0;

	CHECK(lock_wait(h, LKM_EXMODE, &lksb, 0, "k") == 0);
	pid_t child = fork();

	if (child == 0) {
		int bad = !REFUSED(lock(h, LKM_NLMODE, &second, 0, "x", NULL), ENOTCONN);

		bad |= dlm_close_lockspace(h) != 0;
		child_exit(bad);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(COMPLETED(lock_wait(other, LKM_PRMODE, &second, LKF_NOQUEUE, "k"), second, EAGAIN));
	CHECK(lock_wait(h, LKM_NLMODE, &lksb, LKF_CONVERT, "k") == 0);
	CHECK(dlm_ls_unlock_wait(h, lksb.sb_lkid, 0, &lksb) == 0);
}

/* A child has the socket, too, and lives on: closing ends the session all the same, and says good-bye first, so that
 * the child is no broken client to be killed. */
static void closing_ends_a_session_that_a_child_has_inherited(dlm_lshandle_t h)
{
	struct dlm_lksb lksb = { 0 };
	dlm_lshandle_t brief = dlm_open_lockspace(SPACE);
	int pipes[2], status = -1;
	char byte;

	CHECK(pipe(pipes) == 0);
	CHECK(lock_wait(brief, LKM_EXMODE, &lksb, 0, "i") == 0);
	pid_t child = fork();

	if (child == 0) {
		(void)close(pipes[1]);
		_exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1);
	}
	(void)close(pipes[0]);
	CHECK(dlm_close_lockspace(brief) == 0);
	CHECK(lock_wait(h, LKM_EXMODE, &lksb, 0, "i") == 0 && lksb.sb_status == 0);
	CHECK(dlm_ls_unlock_wait(h, lksb.sb_lkid, 0, &lksb) == 0);
	(void)close(pipes[1]);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void a_client_killed_before_its_completion_leaves_nothing(dlm_lshandle_t h)
{
	struct dlm_lksb lksb = { 0 };
	pid_t child = fork();

	if (child == 0) {
		dlm_lshandle_t mine = dlm_open_lockspace(SPACE);

		(void)lock(mine, LKM_EXMODE, &lksb, 0, "killed", NULL);
		(void)kill(getpid(), SIGKILL);
	}
	CHECK(waitpid(child, NULL, 0) == child);
	CHECK(lock_wait(h, LKM_EXMODE, &lksb, 0, "killed") == 0 && lksb.sb_status == 0);
	CHECK(dlm_ls_unlock_wait(h, lksb.sb_lkid, 0, &lksb) == 0);
}

/* --- threads ------------------------------------------------------------------------------ */

#if DLM_THREADS
static struct dlm_lksb nested;
static int nested_rc = -1;
static sem_t done;

/* R-ORD-3: a routine may make synchronous calls. */
static void nesting_ast(void *arg)
{
	nested_rc = lock_wait(routine_handle, LKM_EXMODE, &nested, 0, "nested");
	ast(arg);
	(void)sem_post(&done);
}

static void *lock_in_thread(void *arg)
{
	struct dlm_lksb *lksb = arg;

	return lock_wait(routine_handle, LKM_EXMODE, lksb, 0, "t") == 0 ? arg : NULL;
}

static void the_delivery_thread_delivers(dlm_lshandle_t other)
{
	struct dlm_lksb lksb = { 0 }, waiting = { 0 };
	dlm_lshandle_t h = dlm_open_lockspace(SPACE);
	pthread_t thread;
	void *result = NULL;

	CHECK(REFUSED(dlm_ls_pthread_init(NULL), ENOTCONN));
	CHECK(dlm_ls_pthread_init(h) == 0);
	CHECK(REFUSED(dlm_ls_pthread_init(h), EEXIST));
	(void)sem_init(&done, 0, 0);
	routine_handle = h;
	seen = (struct seen){ 0 };
	CHECK(dlm_ls_lock(h, LKM_EXMODE, &lksb, 0, "outer", 5, 0, nesting_ast, &lksb, NULL, NULL) ==
	      0);
	while (sem_wait(&done) != 0) {
	}
	CHECK(nested_rc == 0 && nested.sb_status == 0);
	CHECK(!pthread_equal(seen.thread, pthread_self()));
	/* A _wait in another thread, while this one uses the same handle (R-ABI-21); and two calls wait
	 * for one request (D-11). */
	CHECK(lock_wait(other, LKM_EXMODE, &lksb, 0, "t") == 0);
	CHECK(pthread_create(&thread, NULL, lock_in_thread, &waiting) == 0);
	while (__atomic_load_n(&waiting.sb_lkid, __ATOMIC_ACQUIRE) == 0) {
		(void)sched_yield();
	}
	struct dlm_lksb cancelled = { 0 };

	CHECK(dlm_ls_unlock_wait(h, waiting.sb_lkid, LKF_CANCEL, &cancelled) == 0);
	CHECK(pthread_join(thread, &result) == 0 && result == &waiting);
	CHECK(cancelled.sb_status == ECANCEL);
	CHECK(dlm_ls_unlock_wait(other, lksb.sb_lkid, 0, &lksb) == 0);
	CHECK(dlm_close_lockspace(h) == 0);
}

static void the_default_lockspace_opens_on_first_use(void)
{
	struct dlm_lksb lksb = { 0 };
	int id = 0;

	CHECK(REFUSED(dlm_unlock(1, 0, &lksb, NULL), ENOTCONN)); /* R-ABI-10 */
	CHECK(REFUSED(unlock_resource(1), ENOTCONN));
	CHECK(dlm_pthread_cleanup() == 0);
	CHECK(lock_resource("res", LKM_PRMODE, 0, &id) == 0 && id != 0);
	CHECK(REFUSED(lock_resource("res", LKM_PRMODE, 0, NULL), EINVAL));
	CHECK(REFUSED(dlm_pthread_init(), EEXIST));
	int second = 0;

	CHECK(REFUSED(lock_resource("res", LKM_EXMODE, LKF_NOQUEUE, &second), EAGAIN));
	CHECK(lock_resource("res", LKM_EXMODE, LKF_CONVERT, &id) == 0);
	CHECK(unlock_resource(id) == 0);
	CHECK(dlm_get_fd() >= 0);
	CHECK(dlm_lock_wait(LKM_EXMODE, &lksb, 0, "res", 3, 0, NULL, NULL, NULL) == 0);
	CHECK(dlm_unlock_wait(lksb.sb_lkid, 0, &lksb) == 0 && lksb.sb_status == EUNLOCK);
	CHECK(dlm_pthread_cleanup() == 0);
}
#else
static void the_default_lockspace_opens_on_first_use(void)
{
	struct dlm_lksb lksb = { 0 };

	CHECK(REFUSED(dlm_unlock(1, 0, &lksb, NULL), ENOTCONN)); /* R-ABI-10 */
	CHECK(dlm_lock_wait(LKM_EXMODE, &lksb, 0, "res", 3, 0, NULL, NULL, NULL) == 0);
	CHECK(dlm_get_fd() >= 0);
	CHECK(dlm_unlock_wait(lksb.sb_lkid, 0, &lksb) == 0 && lksb.sb_status == EUNLOCK);
}
#endif

/* R-ABI-19 */
static void a_dead_daemon_is_enotconn(dlm_lshandle_t h, dlm_lshandle_t other)
{
	const char *text = getenv("DAEMON_PID");
	struct dlm_lksb lksb = { 0 }, second = { 0 };
	pid_t daemon = text ? atoi(text) : 0;

	if (daemon <= 0) {
		return;
	}
	CHECK(lock_wait(h, LKM_EXMODE, &lksb, 0, "r") == 0);
	pid_t killer = fork();

	if (killer == 0) {
		/* When the request below has been queued it blocks the holder. */
		execlp("sh", "sh", "-c",
		       "until \"$top_builddir/lockstep\" locks -s " SPACE " | grep -q waiting; do :; done;"
		       " kill -KILL $DAEMON_PID", (char *)NULL);
		_exit(127);
	}
	CHECK(REFUSED(lock_wait(other, LKM_EXMODE, &second, 0, "r"), ENOTCONN));
	struct pollfd p = { .fd = dlm_ls_get_fd(h), .events = POLLIN };

	/* Its end reaches one connection after the other. */
	do {
		(void)poll(&p, 1, -1);
		errno = 0;
	} while (dlm_dispatch(p.fd) == 0);
	CHECK(errno == ENOTCONN);
	CHECK(REFUSED(lock(h, LKM_EXMODE, &second, 0, "q", NULL), ENOTCONN));
	CHECK(REFUSED(dlm_ls_unlock(h, lksb.sb_lkid, 0, &lksb, NULL), ENOTCONN));
	CHECK(REFUSED(dlm_ls_unlock_wait(h, lksb.sb_lkid, 0, &lksb), ENOTCONN));
	CHECK(REFUSED(dlm_ls_purge(h, 0, 0), ENOTCONN));
	errno = 0;
	CHECK(dlm_new_lockspace("other", 0600, 0) == NULL && errno == EUNATCH);
	errno = 0;
	CHECK(dlm_open_lockspace("other") == NULL && errno == ENOENT);
	CHECK(dlm_close_lockspace(h) == 0 && dlm_close_lockspace(other) == 0);
	(void)waitpid(killer, NULL, 0);
}

int main(void)
{
	dlm_lshandle_t h = dlm_new_lockspace(SPACE, 0600, 0);
	dlm_lshandle_t other = dlm_open_lockspace(SPACE);

	if (!h || !other) {
		printf("not ok - the lockspace cannot be opened: %s\n", strerror(errno));
		return 1;
	}
	RUN(wrong_calls_are_refused(h));
	RUN(versions_are_as_lvmlockd_wants_them());
	RUN(lockspaces_are_created_opened_and_released());
	RUN(release_swallows_ebusy());
	RUN(synchronous_calls_report_as_their_library_does(h, other));
	RUN(synchronous_and_asynchronous_calls_mix(h));
	RUN(the_descriptor_tells_of_callbacks_only(h, other));
	RUN(a_client_that_never_dispatches_is_no_harm(h));
	RUN(a_childs_end_is_not_the_parents(h, other));
	RUN(closing_ends_a_session_that_a_child_has_inherited(h));
	RUN(a_client_killed_before_its_completion_leaves_nothing(h));
#if DLM_THREADS
	RUN(the_delivery_thread_delivers(other));
#endif
	RUN(the_default_lockspace_opens_on_first_use());
	RUN(a_dead_daemon_is_enotconn(h, other));
	return checks_end();
}
