/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program with one session for the tests of lockstep(1). It does what its arguments say, one after the
 * other, then lives and dispatches until it is killed:
 *
 *   NAME=MODE    ask for a lock and wait for it; writes "NAME TOKEN"
 *   NAME?MODE    ask for a lock and do not wait; nobody but a human ends this wait (NODLCKWT)
 *   NAME!MODE    as NAME=MODE, PERSISTENT: it becomes an orphan
 *   @FILE        wait until the file exists
 *   quit         end
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lockstep/lockstep.h>

#define LOCKS_MAX 16
#define LOOK_MS 10

static void granted(void *arg)
{
	(void)arg;
}

static int dispatch_until(struct lockstep_session *s, const char *file)
{
	while (!file || access(file, F_OK) != 0) {
		struct pollfd p = { .fd = lockstep_session_fd(s), .events = POLLIN };

		(void)poll(&p, 1, file ? LOOK_MS : -1);
		if (lockstep_dispatch(s) < 0) {
			return -ENOTCONN;
		}
	}
	return 0;
}

static int ask(struct lockstep_session *s, struct lockstep_lksb *lksb, const char *text)
{
	size_t length = strcspn(text, "=?!");
	int mode = text[length] ? lockstep_mode_parse(text + length + 1) : -1;
	uint32_t flags = LOCKSTEP_LKF_VALBLK;

	if (mode < 0) {
		return -EINVAL;
	}
	if (text[length] == '?') {
		return lockstep_lock(s, mode, lksb, flags | LOCKSTEP_LKF_NODLCKWT, text, length,
				     NULL, granted, NULL);
	}
	flags |= text[length] == '!' ? LOCKSTEP_LKF_PERSISTENT : 0;
	int error = lockstep_lock_wait(s, mode, lksb, flags, text, length, NULL, NULL, -1);

	if (error == 0) {
		(void)printf("%.*s %" PRIu64 "\n", (int)length, text, lksb->token);
	}
	return error;
}

int main(int argc, char **argv)
{
	static char lvb[LOCKS_MAX][LOCKSTEP_LVB_MAX];
	static struct lockstep_lksb lksb[LOCKS_MAX];
	struct lockstep_session *s;
	int error = lockstep_open("default", 0, NULL, &s);

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; error == 0 && i < argc && i < LOCKS_MAX; i++) {
		if (strcmp(argv[i], "quit") == 0) {
			lockstep_close(s);
			return 0;
		}
		lksb[i].lvb = lvb[i];
		error = argv[i][0] == '@' ? dispatch_until(s, argv[i] + 1) : ask(s, &lksb[i], argv[i]);
	}
	if (error == 0) {
		error = dispatch_until(s, NULL);
	}
	(void)fprintf(stderr, "holder: %s\n", lockstep_strerror(error));
	return 1;
}
