/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * leader: of all nodes that run this program one leads, and the others follow it. Shows the
 * synchronous use of liblockstep: wait for the lock, work while it is ours, and stop working the
 * moment it is lost. The leader's name is in the lock value block, so that followers can say whom
 * they follow: they read it while holding the lock in mode NL, which excludes nobody.
 *
 *   leader NAME SECONDS     lead for SECONDS, then let go
 *
 *   cc -o leader leader.c $(pkg-config --cflags --libs liblockstep)
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lockstep/lockstep.h>

static long now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void somebody_waits(void *arg, int mode)
{
	(void)arg;
	(void)printf("somebody waits for the lead (%s)\n", lockstep_mode_name(mode));
}

static int failed(const char *what, int error)
{
	(void)fprintf(stderr, "leader: %s: %s\n", what, lockstep_strerror(error));
	return 1;
}

/* 0 when the time is over, negative the moment the lock may be somebody else's. Real work would be
 * done here in small steps, each of them handing the token to the storage it writes to. */
static int lead(struct lockstep_session *session, long until)
{
	while (now_ms() < until) {
		struct pollfd p = { .fd = lockstep_session_fd(session), .events = POLLIN };

		(void)poll(&p, 1, (int)(until - now_ms()));
		int error = lockstep_dispatch(session);

		if (error < 0) {
			return error;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	char lvb[LOCKSTEP_LVB_MAX] = { 0 };
	struct lockstep_lksb lksb = { .lvb = lvb };
	struct lockstep_session *session;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: leader NAME SECONDS\n");
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	int error = lockstep_open("default", 0, NULL, &session);

	if (error < 0) {
		return failed("open", error);
	}
	/* The null mode is granted at once and brings the value along. */
	error = lockstep_lock_wait(session, LOCKSTEP_LOCK_NL, &lksb, LOCKSTEP_LKF_VALBLK, argv[1],
				   strlen(argv[1]), NULL, somebody_waits, -1);
	if (error == 0 && lvb[0]) {
		(void)printf("the last leader was %.32s\n", lvb);
	}
	if (error == 0) {
		error = lockstep_lock_wait(session, LOCKSTEP_LOCK_EX, &lksb,
					   LOCKSTEP_LKF_CONVERT | LOCKSTEP_LKF_VALBLK, NULL, 0, NULL,
					   somebody_waits, -1);
	}
	if (error == 0) {
		(void)printf("leading with token %" PRIu64 "\n", lksb.token);
		error = lead(session, now_ms() + strtol(argv[2], NULL, 10) * 1000);
	}
	if (error == 0) {
		/* Going down writes the value. */
		memset(lvb, 0, sizeof(lvb));
		(void)gethostname(lvb, 31);
		error = lockstep_lock_wait(session, LOCKSTEP_LOCK_NL, &lksb,
					   LOCKSTEP_LKF_CONVERT | LOCKSTEP_LKF_VALBLK, NULL, 0, NULL,
					   NULL, -1);
	}
	if (error == 0) {
		error = lockstep_unlock_wait(session, lksb.lkid, 0, NULL);
	}
	if (error == 0) {
		(void)printf("done\n");
	}
	lockstep_close(session);
	return error < 0 ? failed("the lead is lost or was never ours", error) : 0;
}
