/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wrong calls, and what they are told: the rows of the error tables of the lock model (R-ERR-1 to R-ERR-3),
 * by every function that can make the mistake; calls with a closed handle; a quota; both libraries in one
 * process; and a daemon that dies while calls of every kind wait for it (R-ABI-19).
 *
 * Linked with Debian's libdlm, it is run on ours by `lockstep libdlm run` (dlm.sh), which is shown first.
 * Arguments: the pid of a lockstepd to use up, which gives a session at most LOCKS_MAX locks.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libdlm.h>

#include "tests/lib/dlm_check.h"

#define SPACE "dlm_errors"
#define LOCKS_MAX 8
#define NOBODY 65534

static void ast(void *arg)
{
	(void)arg;
}

/* --- whose library this is ---------------------------------------------------------------- */

static void the_library_is_ours(void)
{
	Dl_info info;

	CHECK(dladdr(dlsym(RTLD_DEFAULT, "dlm_ls_lock"), &info) != 0);
	printf("# %s\n", info.dli_fname);
	/* Debian's has no need of libqb, whose functions come with ours. */
	CHECK(dlsym(RTLD_DEFAULT, "qb_ipcc_connect") != NULL);
}

/* --- R-ERR-1 ------------------------------------------------------------------------------ */

struct lock_row {
	const char *what;
	uint32_t mode;
	uint32_t flags;
	unsigned int name_len;
	uint32_t lkid; /* for CONVERT: 0, 1 the one that is held, another one */
	int error;
};

#define HELD 1u
#define EX LKM_EXMODE

/* What is held is a PR lock. */
static const struct lock_row lock_rows[] = {
	{ "no such lock", EX, LKF_CONVERT, 1, 0, ENOENT },
	{ "no such lock, and a bad mode", 6, LKF_CONVERT, 1, 4711, ENOENT },
	{ "a mode above EX", 6, 0, 1, 0, EINVAL },
	{ "a mode of which eight bits are EX (R-ABI-25)", 0x105, 0, 1, 0, EINVAL },
	{ "IV", (uint32_t)-1, 0, 1, 0, EINVAL },
	{ "a conversion to a mode above EX", 6, LKF_CONVERT, 1, HELD, EINVAL },
	{ "a name too long", EX, 0, 65, 0, EINVAL },
	{ "a name of 64 KiB", EX, 0, 65536, 0, EINVAL },
	{ "a name of 4 GiB", EX, 0, UINT32_MAX, 0, EINVAL },
	{ "CANCEL", EX, LKF_CANCEL, 1, 0, EINVAL },
	{ "CANCEL of a conversion", EX, LKF_CONVERT | LKF_CANCEL, 1, HELD, EINVAL },
	{ "QUECVT without CONVERT", EX, LKF_QUECVT, 1, 0, EINVAL },
	{ "CONVDEADLK without CONVERT", EX, LKF_CONVDEADLK, 1, 0, EINVAL },
	{ "CONVDEADLK with NOQUEUE", EX, LKF_CONVERT | LKF_CONVDEADLK | LKF_NOQUEUE, 1, HELD, EINVAL },
	{ "EXPEDITE with CONVERT", 0, LKF_CONVERT | LKF_EXPEDITE, 1, HELD, EINVAL },
	{ "EXPEDITE with QUECVT", 0, LKF_QUECVT | LKF_EXPEDITE, 1, 0, EINVAL },
	{ "EXPEDITE with NOQUEUE", 0, LKF_NOQUEUE | LKF_EXPEDITE, 1, 0, EINVAL },
	{ "EXPEDITE and not NL", LKM_CRMODE, LKF_EXPEDITE, 1, 0, EINVAL },
	{ "VALBLK and no buffer", EX, LKF_VALBLK, 1, 0, EINVAL },
	{ "VALBLK and no buffer, converting", EX, LKF_CONVERT | LKF_VALBLK, 1, HELD, EINVAL },
	{ "QUECVT down", 0, LKF_CONVERT | LKF_QUECVT, 1, HELD, EINVAL },
	{ "QUECVT to the same mode", LKM_PRMODE, LKF_CONVERT | LKF_QUECVT, 1, HELD, EINVAL },
	{ "no orphan", EX, LKF_ORPHAN, 1, 0, ENOENT },
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static void wrong_locks_are_told_the_same_by_every_call(dlm_lshandle_t h)
{
	static char name[65536];
	struct dlm_lksb held = { 0 };

	memset(name, 'e', sizeof(name));
	CHECK(dlm_ls_lock_wait(h, LKM_PRMODE, &held, 0, "held", 4, 0, NULL, NULL, NULL) == 0);
	for (size_t i = 0; i < ROWS(lock_rows); i++) {
		const struct lock_row *r = &lock_rows[i];
		uint32_t lkid = r->lkid == HELD ? held.sb_lkid : r->lkid;
		struct dlm_lksb lksb = { .sb_lkid = lkid, .sb_flags = 77 };
		int before = failed;

		CHECK(REFUSED(dlm_ls_lock(h, r->mode, &lksb, r->flags, name, r->name_len, 0, ast, NULL,
					  NULL, NULL),
			      r->error));
		CHECK(REFUSED(dlm_ls_lockx(h, r->mode, &lksb, r->flags, name, r->name_len, 0, ast, NULL,
					   NULL, NULL, NULL),
			      r->error));
		CHECK(REFUSED(dlm_ls_lock_wait(h, r->mode, &lksb, r->flags, name, r->name_len, 0, NULL,
					       NULL, NULL),
			      r->error));
		CHECK(lksb.sb_lkid == lkid && lksb.sb_flags == 77); /* R-SB-1 */
		if (failed > before) {
			printf("# row: %s\n", r->what);
		}
	}
	/* A conversion's name and its length are not looked at (R-ABI-25). */
	CHECK(dlm_ls_lock_wait(h, LKM_NLMODE, &held, LKF_CONVERT, name, 65536, 0, NULL, NULL, NULL) ==
	      0);
	CHECK(dlm_ls_lock_wait(h, LKM_PRMODE, &held, LKF_CONVERT, NULL, 7, 0, NULL, NULL, NULL) == 0);
	CHECK(dlm_ls_unlock_wait(h, held.sb_lkid, 0, &held) == 0);
}

/* A lock that waits is busy, and there are orphans of other modes. */
static void locks_in_the_wrong_state_are_refused(dlm_lshandle_t h)
{
	struct dlm_lksb held = { 0 }, waits = { 0 }, left = { 0 };
	dlm_lshandle_t brief = dlm_open_lockspace(SPACE);

	CHECK(dlm_ls_lock_wait(h, EX, &held, 0, "busy", 4, 0, NULL, NULL, NULL) == 0);
	CHECK(dlm_ls_lock(h, LKM_PRMODE, &waits, 0, "busy", 4, 0, ast, NULL, NULL, NULL) == 0);
	CHECK(REFUSED(dlm_ls_lock(h, EX, &waits, LKF_CONVERT, NULL, 0, 0, ast, NULL, NULL, NULL),
		      EBUSY));
	CHECK(REFUSED(dlm_ls_lock_wait(h, LKM_NLMODE, &waits, LKF_CONVERT, NULL, 0, 0, NULL, NULL,
				       NULL),
		      EBUSY));
	CHECK(dlm_ls_unlock_wait(h, waits.sb_lkid, 0, &waits) == 0 && waits.sb_status == EUNLOCK);
	CHECK(dlm_ls_unlock_wait(h, held.sb_lkid, 0, &held) == 0);
	/* R-ERR-1: the adoption's two. */
	CHECK(dlm_ls_lock_wait(brief, EX, &left, LKF_PERSISTENT, "left", 4, 0, NULL, NULL, NULL) == 0);
	CHECK(dlm_close_lockspace(brief) == 0);
	CHECK(REFUSED(dlm_ls_unlock_wait(h, left.sb_lkid, 0, &left), ENOENT)); /* R-ERR-2 */
	CHECK(REFUSED(dlm_ls_lockx(h, LKM_PRMODE, &held, LKF_ORPHAN, "left", 4, 0, ast, NULL, NULL, NULL,
				   NULL),
		      EAGAIN));
	CHECK(REFUSED(dlm_ls_lockx(h, EX, &held, LKF_ORPHAN, "lef", 3, 0, ast, NULL, NULL, NULL, NULL),
		      ENOENT));
	CHECK(dlm_ls_lock_wait(h, EX, &held, LKF_ORPHAN, "left", 4, 0, NULL, NULL, NULL) == 0);
	CHECK(held.sb_lkid == left.sb_lkid && held.sb_status == 0); /* D-26 */
	CHECK(dlm_ls_unlock_wait(h, held.sb_lkid, 0, &held) == 0);
}

/* --- R-ERR-2 ------------------------------------------------------------------------------ */

static void wrong_unlocks_are_told_the_same_by_every_call(dlm_lshandle_t h, dlm_lshandle_t other)
{
	const uint32_t good = LKF_CANCEL | LKF_VALBLK | LKF_IVVALBLK | LKF_FORCEUNLOCK;
	struct dlm_lksb held = { 0 }, lksb = { 0 };

	CHECK(dlm_ls_lock_wait(h, EX, &held, 0, "held", 4, 0, NULL, NULL, NULL) == 0);
	/* LKF_WAIT, the highest one, is for the library. */
	for (int bit = 0; bit < 31; bit++) {
		uint32_t flag = (uint32_t)1 << bit;

		if (!(flag & good)) {
			CHECK(REFUSED(dlm_ls_unlock(h, held.sb_lkid, flag, &lksb, NULL), EINVAL));
			CHECK(REFUSED(dlm_ls_unlock_wait(h, held.sb_lkid, flag, &lksb), EINVAL));
		}
	}
	CHECK(REFUSED(dlm_ls_unlock(h, held.sb_lkid, LKF_CANCEL | LKF_FORCEUNLOCK, &lksb, NULL), EINVAL));
	CHECK(REFUSED(dlm_ls_unlock_wait(h, held.sb_lkid, LKF_CANCEL | LKF_FORCEUNLOCK, &lksb), EINVAL));
	CHECK(REFUSED(dlm_ls_unlock(h, held.sb_lkid, LKF_VALBLK, &lksb, NULL), EINVAL)); /* D-13 */
	CHECK(REFUSED(dlm_ls_unlock(h, 0, 0, &lksb, NULL), EINVAL));
	CHECK(REFUSED(dlm_ls_unlock(other, held.sb_lkid, 0, &lksb, NULL), ENOENT)); /* D-2 */
	CHECK(REFUSED(dlm_ls_deadlock_cancel(other, held.sb_lkid, 0), ENOENT));
	CHECK(dlm_ls_unlock(h, held.sb_lkid, LKF_CANCEL, &held, NULL) == 0); /* nothing to cancel */
	CHECK(dlm_ls_unlock(h, held.sb_lkid, LKF_CANCEL, &held, NULL) == 0); /* D-9 */
	CHECK(dlm_ls_deadlock_cancel(h, held.sb_lkid, 0) == 0);
	uint32_t lkid = held.sb_lkid;

	CHECK(dlm_ls_unlock_wait(h, lkid, LKF_FORCEUNLOCK, &held) == 0 && held.sb_status == EUNLOCK);
	CHECK(REFUSED(dlm_ls_unlock(h, lkid, 0, &held, NULL), ENOENT)); /* R-LOCK-6 */
	CHECK(REFUSED(dlm_ls_unlock(h, lkid, LKF_FORCEUNLOCK, &held, NULL), ENOENT));
	CHECK(REFUSED(dlm_ls_unlock(h, lkid, LKF_CANCEL, &held, NULL), ENOENT));
	CHECK(REFUSED(dlm_ls_deadlock_cancel(h, lkid, 0), ENOENT));
}

/* --- R-ERR-3 ------------------------------------------------------------------------------ */

static int new_fails(const char *name, uint32_t flags)
{
	errno = 0;
	return dlm_new_lockspace(name, 0600, flags) ? 0 : errno;
}

static int open_fails(const char *name)
{
	errno = 0;
	return dlm_open_lockspace(name) ? 0 : errno;
}

static void wrong_lockspaces_are_refused(void)
{
	static char name[65537];
	static const char *const names[] = { "", ".", "..", "a/b", "/", "a\nb", "a\177" };

	for (size_t i = 0; i < ROWS(names); i++) {
		CHECK(new_fails(names[i], 0) == EINVAL);
		CHECK(open_fails(names[i]) != 0);
	}
	memset(name, 's', 65);
	CHECK(new_fails(name, 0) == EINVAL);
	memset(name, 's', 65536);
	CHECK(new_fails(name, 0) == EINVAL);
	CHECK(new_fails(NULL, 0) == EINVAL);
	CHECK(open_fails(NULL) == EINVAL);
	CHECK(new_fails(SPACE, DLM_LSFL_NEWEXCL) == EEXIST);
	CHECK(open_fails("dlm_errors_nothing") == ENOENT);
	if (geteuid() != 0) {
		return;
	}
	pid_t child = fork();

	if (child == 0) {
		_exit(setuid(NOBODY) != 0		   ? 1
		      : new_fails("dlm_errors_2", 0) != EPERM ? 2
		      : open_fails(SPACE) != EACCES	   ? 3
							   : 0);
	}
	int status = -1;

	CHECK(waitpid(child, &status, 0) == child && status == 0); /* R-LS-10 */
}

/* --- handles that are no more ------------------------------------------------------------- */

static void a_closed_handle_is_no_handle(void)
{
	dlm_lshandle_t h = dlm_open_lockspace(SPACE);
	struct dlm_lksb lksb = { 0 };
	int fd = dlm_ls_get_fd(h);

	CHECK(h != NULL && fd >= 0);
	CHECK(dlm_close_lockspace(h) == 0);
	CHECK(REFUSED(dlm_ls_lock(h, EX, &lksb, 0, "c", 1, 0, ast, NULL, NULL, NULL), ENOTCONN));
	CHECK(REFUSED(dlm_ls_lockx(h, EX, &lksb, 0, "c", 1, 0, ast, NULL, NULL, NULL, NULL), ENOTCONN));
	CHECK(REFUSED(dlm_ls_lock_wait(h, EX, &lksb, 0, "c", 1, 0, NULL, NULL, NULL), ENOTCONN));
	CHECK(REFUSED(dlm_ls_unlock(h, 1, 0, &lksb, NULL), ENOTCONN));
	CHECK(REFUSED(dlm_ls_unlock_wait(h, 1, 0, &lksb), ENOTCONN));
	CHECK(REFUSED(dlm_ls_deadlock_cancel(h, 1, 0), ENOTCONN));
	CHECK(REFUSED(dlm_ls_purge(h, 0, 0), ENOTCONN));
	CHECK(REFUSED(dlm_dispatch(fd), EBADF));
	CHECK(dlm_ls_get_fd(h) == -1);
	CHECK(REFUSED(dlm_ls_pthread_init(h), ENOTCONN));
	CHECK(dlm_release_lockspace(SPACE, h, 0) == -1);
}

/* --- a quota ------------------------------------------------------------------------------ */

static void a_session_has_no_more_locks_than_it_may(void)
{
	struct dlm_lksb lksbs[LOCKS_MAX] = { 0 }, more = { 0 };
	dlm_lshandle_t h = dlm_open_lockspace(SPACE);
	char name = 'A';

	for (int i = 0; i < LOCKS_MAX; i++, name++) {
		CHECK(dlm_ls_lock_wait(h, LKM_PRMODE, &lksbs[i], 0, &name, 1, 0, NULL, NULL, NULL) == 0);
	}
	CHECK(REFUSED(dlm_ls_lock(h, EX, &more, 0, "Z", 1, 0, ast, NULL, NULL, NULL), ENOMEM));
	CHECK(REFUSED(dlm_ls_lock_wait(h, EX, &more, 0, "Z", 1, 0, NULL, NULL, NULL), ENOMEM));
	/* What it has it may use and give back. */
	CHECK(dlm_ls_lock_wait(h, LKM_NLMODE, &lksbs[0], LKF_CONVERT, NULL, 0, 0, NULL, NULL, NULL) ==
	      0);
	CHECK(dlm_ls_unlock_wait(h, lksbs[0].sb_lkid, 0, &lksbs[0]) == 0);
	CHECK(dlm_ls_lock_wait(h, EX, &more, 0, "Z", 1, 0, NULL, NULL, NULL) == 0);
	CHECK(dlm_close_lockspace(h) == 0);
}

/* --- both libraries ----------------------------------------------------------------------- */

/* R-ABI-4: the other one comes by dlopen, as into ocfs2-tools. */
static void both_libraries_live_in_one_process(dlm_lshandle_t h)
{
	void *lt = dlopen("libdlm_lt.so.3", RTLD_NOW | RTLD_LOCAL);
	struct dlm_lksb mine = { 0 }, theirs = { 0 };

	CHECK(lt != NULL);
	if (!lt) {
		printf("# %s\n", dlerror());
		return;
	}
	dlm_lshandle_t (*open_lt)(const char *) = (dlm_lshandle_t(*)(const char *))(uintptr_t)dlsym(
		lt, "dlm_open_lockspace");
	int (*close_lt)(dlm_lshandle_t) =
		(int (*)(dlm_lshandle_t))(uintptr_t)dlsym(lt, "dlm_close_lockspace");
	__typeof__(&dlm_ls_lock_wait) lock_lt =
		(__typeof__(&dlm_ls_lock_wait))(uintptr_t)dlsym(lt, "dlm_ls_lock_wait");
	__typeof__(&dlm_ls_unlock_wait) unlock_lt =
		(__typeof__(&dlm_ls_unlock_wait))(uintptr_t)dlsym(lt, "dlm_ls_unlock_wait");

	CHECK(dlsym(lt, "dlm_ls_pthread_init") == NULL && lock_lt != dlm_ls_lock_wait);
	dlm_lshandle_t g = open_lt(SPACE);

	CHECK(g != NULL);
	CHECK(lock_lt(g, EX, &theirs, 0, "both", 4, 0, NULL, NULL, NULL) == 0);
	/* Each keeps its own way (section 4), and knows its own handles only. */
	CHECK(dlm_ls_lock_wait(h, EX, &mine, LKF_NOQUEUE, "both", 4, 0, NULL, NULL, NULL) == 0 &&
	      mine.sb_status == EAGAIN);
	CHECK(REFUSED(lock_lt(g, EX, &mine, LKF_NOQUEUE, "both", 4, 0, NULL, NULL, NULL), EAGAIN));
	CHECK(REFUSED(lock_lt(h, EX, &mine, LKF_NOQUEUE, "both", 4, 0, NULL, NULL, NULL), ENOTCONN));
	CHECK(REFUSED(dlm_ls_lock_wait(g, EX, &mine, 0, "both", 4, 0, NULL, NULL, NULL), ENOTCONN));
	CHECK(unlock_lt(g, theirs.sb_lkid, 0, &theirs) == 0 && theirs.sb_status == EUNLOCK);
	CHECK(dlm_ls_lock_wait(h, EX, &mine, 0, "both", 4, 0, NULL, NULL, NULL) == 0 &&
	      mine.sb_status == 0);
	CHECK(close_lt(g) == 0);
	CHECK(dlclose(lt) == 0);
	CHECK(dlm_ls_unlock_wait(h, mine.sb_lkid, 0, &mine) == 0);
}

/* --- a daemon that dies ------------------------------------------------------------------- */

enum kind {
	LOCK, LOCKX_ORPHAN, LOCK_WAIT, CONVERT_WAIT, UNLOCK, UNLOCK_WAIT, CANCEL_WAIT, DEADLOCK_CANCEL,
	PURGE, DISPATCH, OPEN, NEW, RELEASE, KINDS,
};

static int dispatch_until_it_fails(dlm_lshandle_t h)
{
	struct pollfd p = { .fd = dlm_ls_get_fd(h), .events = POLLIN };

	do {
		(void)poll(&p, 1, -1);
	} while (dlm_dispatch(p.fd) == 0);
	return -1;
}

/* True: as it should be. */
static int call(enum kind kind, dlm_lshandle_t h, struct dlm_lksb *held)
{
	struct dlm_lksb lksb = { 0 };

	switch (kind) {
	case LOCK:
		return REFUSED(dlm_ls_lock(h, EX, &lksb, 0, "x", 1, 0, ast, NULL, NULL, NULL), ENOTCONN);
	case LOCKX_ORPHAN:
		return REFUSED(dlm_ls_lockx(h, EX, &lksb, LKF_ORPHAN, "x", 1, 0, ast, NULL, NULL, NULL,
					    NULL),
			       ENOTCONN);
	case LOCK_WAIT:
		return REFUSED(dlm_ls_lock_wait(h, EX, &lksb, 0, "x", 1, 0, NULL, NULL, NULL), ENOTCONN);
	case CONVERT_WAIT:
		return REFUSED(dlm_ls_lock_wait(h, LKM_NLMODE, held, LKF_CONVERT, NULL, 0, 0, NULL, NULL,
						NULL),
			       ENOTCONN);
	case UNLOCK:
		return REFUSED(dlm_ls_unlock(h, held->sb_lkid, 0, held, NULL), ENOTCONN);
	case UNLOCK_WAIT:
		return REFUSED(dlm_ls_unlock_wait(h, held->sb_lkid, 0, held), ENOTCONN);
	case CANCEL_WAIT:
		return REFUSED(dlm_ls_unlock_wait(h, held->sb_lkid, LKF_CANCEL, held), ENOTCONN);
	case DEADLOCK_CANCEL:
		return REFUSED(dlm_ls_deadlock_cancel(h, held->sb_lkid, 0), ENOTCONN);
	case PURGE:
		return REFUSED(dlm_ls_purge(h, 0, 0), ENOTCONN);
	case DISPATCH:
		return REFUSED(dispatch_until_it_fails(h), ENOTCONN);
	case OPEN:
		return open_fails(SPACE) != 0;
	case NEW:
		return new_fails("dlm_errors_3", 0) != 0;
	case RELEASE: /* the handle is gone, whatever comes of it */
		(void)dlm_release_lockspace(SPACE, h, 1);
		return REFUSED(dlm_ls_purge(h, 0, 0), ENOTCONN);
	case KINDS:
		break;
	}
	return 0;
}

/* A process of its own for each: ready, told to go, and its verdict. */
static pid_t caller(enum kind kind, int ready_fd, int go_fd)
{
	pid_t child = fork();

	if (child != 0) {
		return child;
	}
	dlm_lshandle_t h = dlm_open_lockspace(SPACE);
	struct dlm_lksb held = { 0 };
	char name = (char)('a' + (int)kind), byte = 0;
	int good = dlm_ls_lock_wait(h, EX, &held, 0, &name, 1, 0, NULL, NULL, NULL) == 0;

	good = write(ready_fd, &byte, 1) == 1 && good;
	good = read(go_fd, &byte, 1) == 1 && good;
	_exit(good && call(kind, h, &held) ? 0 : 1);
}

static void a_daemon_that_dies_ends_every_call(pid_t daemon)
{
	int ready[2], go[2];
	pid_t children[KINDS];
	char bytes[KINDS] = { 0 };

	CHECK(pipe(ready) == 0 && pipe(go) == 0);
	for (int kind = 0; kind < KINDS; kind++) {
		children[kind] = caller((enum kind)kind, ready[1], go[0]);
	}
	for (int kind = 0; kind < KINDS; kind++) {
		CHECK(read(ready[0], bytes, 1) == 1);
	}
	/* It does not answer any more; they are in their calls, or come to them, when it dies. */
	CHECK(kill(daemon, SIGSTOP) == 0);
	CHECK(write(go[1], bytes, KINDS) == KINDS);
	(void)poll(NULL, 0, 200);
	CHECK(kill(daemon, SIGKILL) == 0);
	for (int kind = 0; kind < KINDS; kind++) {
		int status = -1;

		CHECK(waitpid(children[kind], &status, 0) == children[kind]);
		CHECK(status == 0);
		if (status != 0) {
			printf("# call %d: status %d\n", kind, status);
		}
	}
}

int main(int argc, char **argv)
{
	dlm_lshandle_t h = dlm_new_lockspace(SPACE, 0600, 0);
	dlm_lshandle_t other = dlm_open_lockspace(SPACE);

	if (!h || !other || argc != 2) {
		printf("not ok - the lockspace cannot be opened: %s\n", strerror(errno));
		return 1;
	}
	RUN(the_library_is_ours());
	RUN(wrong_locks_are_told_the_same_by_every_call(h));
	RUN(locks_in_the_wrong_state_are_refused(h));
	RUN(wrong_unlocks_are_told_the_same_by_every_call(h, other));
	RUN(wrong_lockspaces_are_refused());
	RUN(a_closed_handle_is_no_handle());
	RUN(a_session_has_no_more_locks_than_it_may());
	RUN(both_libraries_live_in_one_process(h));
	RUN(a_daemon_that_dies_ends_every_call((pid_t)atoi(argv[1])));
	return checks_end();
}
