/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libdlm says to calls about a lock with an operation under way: the rows of R-ERR-1 and R-ERR-2 that a daemon on its own is too
 * fast for. Built and started by t-busy.sh, which stops Corosync between "ready" and "asked", so that whatever is accepted stays under
 * way until it goes on. A line on standard input takes it from one to the next.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <libdlm.h>

#define PATIENCE_MS 60000

static int count, failed;

#define CHECK(condition) check((condition), #condition, __LINE__)
#define REFUSED(call, error) (errno = 0, (call) == -1 && errno == (error))

static void check(int good, const char *what, int line)
{
	count++;
	if (!good) {
		failed++;
		printf("not ok: line %d: %s (errno %d)\n", line, what, errno);
	}
}

static void on_ast(void *arg)
{
	++*(int *)arg;
}

static dlm_lshandle_t h;
static struct dlm_lksb new_lock, convert, unlock, force, idle;
static int new_asts, convert_asts, unlock_asts, force_asts, idle_asts;

static int lock_pr(struct dlm_lksb *lksb, const char *name)
{
	return dlm_ls_lock_wait(h, LKM_PRMODE, lksb, 0, name, (unsigned int)strlen(name), 0, NULL, NULL, NULL);
}

static int convert_to(struct dlm_lksb *lksb, uint32_t mode, int *asts)
{
	return dlm_ls_lock(h, mode, lksb, LKF_CONVERT, NULL, 0, 0, on_ast, asts, NULL, NULL);
}

static void next_step(const char *said)
{
	char line[16];

	printf("%s\n", said);
	(void)fflush(stdout);
	if (!fgets(line, sizeof(line), stdin)) {
		failed++;
	}
}

/* R-ERR-1: CONVERT, an op of the owner on this lock is in flight. R-ERR-2: the rows about what is in flight. */
static void ask(void)
{
	CHECK(dlm_ls_lock(h, LKM_EXMODE, &new_lock, 0, "new", 3, 0, on_ast, &new_asts, NULL, NULL) == 0);
	CHECK(REFUSED(convert_to(&new_lock, LKM_PRMODE, &new_asts), EBUSY));
	CHECK(REFUSED(dlm_ls_unlock(h, new_lock.sb_lkid, 0, &new_lock, &new_asts), EBUSY));
	CHECK(dlm_ls_unlock(h, new_lock.sb_lkid, LKF_CANCEL, &new_lock, &new_asts) == 0);
	CHECK(REFUSED(dlm_ls_unlock(h, new_lock.sb_lkid, LKF_CANCEL, &new_lock, &new_asts), EINVAL));

	CHECK(convert_to(&convert, LKM_EXMODE, &convert_asts) == 0);
	CHECK(REFUSED(convert_to(&convert, LKM_NLMODE, &convert_asts), EBUSY));
	CHECK(REFUSED(dlm_ls_unlock(h, convert.sb_lkid, 0, &convert, &convert_asts), EBUSY));

	CHECK(dlm_ls_unlock(h, unlock.sb_lkid, 0, &unlock, &unlock_asts) == 0);
	CHECK(REFUSED(convert_to(&unlock, LKM_EXMODE, &unlock_asts), EBUSY));
	CHECK(REFUSED(dlm_ls_unlock(h, unlock.sb_lkid, 0, &unlock, &unlock_asts), EBUSY));
	CHECK(REFUSED(dlm_ls_unlock(h, unlock.sb_lkid, LKF_CANCEL, &unlock, &unlock_asts), EINVAL));
	CHECK(REFUSED(dlm_ls_unlock(h, unlock.sb_lkid, LKF_FORCEUNLOCK, &unlock, &unlock_asts), EINVAL));

	CHECK(convert_to(&force, LKM_EXMODE, &force_asts) == 0);
	CHECK(dlm_ls_unlock(h, force.sb_lkid, LKF_FORCEUNLOCK, &force, &force_asts) == 0);
	CHECK(REFUSED(dlm_ls_unlock(h, force.sb_lkid, LKF_FORCEUNLOCK, &force, &force_asts), EINVAL));
	CHECK(REFUSED(dlm_ls_unlock(h, force.sb_lkid, LKF_CANCEL, &force, &force_asts), EINVAL));

	CHECK(dlm_ls_unlock(h, idle.sb_lkid, LKF_CANCEL, &idle, &idle_asts) == 0);
	CHECK(new_asts + convert_asts + unlock_asts + force_asts + idle_asts == 0);
}

int main(void)
{
	h = dlm_create_lockspace("busy", 0600);
	if (!h || lock_pr(&convert, "convert") || lock_pr(&unlock, "unlock") || lock_pr(&force, "force") ||
	    lock_pr(&idle, "idle")) {
		printf("no locks: errno %d\n", errno);
		return 1;
	}
	next_step("ready");
	ask();
	next_step("asked");
	struct pollfd p = { .fd = dlm_ls_get_fd(h), .events = POLLIN };

	/* Locks that were taken with dlm_ls_lock_wait() have no routine to tell of their unlock. */
	while ((!new_asts || !convert_asts || unlock.sb_status != EUNLOCK || force.sb_status != EUNLOCK) &&
	       poll(&p, 1, PATIENCE_MS) == 1) {
		(void)dlm_dispatch(p.fd);
	}
	CHECK(new_lock.sb_status == 0);
	CHECK(convert.sb_status == 0);
	CHECK(unlock.sb_status == EUNLOCK);
	CHECK(force.sb_status == EUNLOCK);
	/* Applied: no longer busy. */
	CHECK(dlm_ls_lock_wait(h, LKM_NLMODE, &convert, LKF_CONVERT, NULL, 0, 0, NULL, NULL, NULL) == 0);
	CHECK(dlm_ls_unlock_wait(h, convert.sb_lkid, 0, &convert) == 0);
	CHECK(idle_asts == 0);
	printf("%d checks, %d failed\n", count, failed);
	return failed ? 1 : 0;
}
