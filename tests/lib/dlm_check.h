/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the programs that stand for users of libdlm count and tell what they find. One source file each. */
#ifndef LOCKSTEP_TESTS_LIB_DLM_CHECK_H
#define LOCKSTEP_TESTS_LIB_DLM_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int count, failed;

#define CHECK(condition) check((condition), #condition, __LINE__)

static void check(int good, const char *what, int line)
{
	count++;
	if (!good) {
		failed++;
		printf("not ok - line %d: %s (errno %d, %s)\n", line, what, errno, strerror(errno));
	}
}

/* The exit status. */
static int checks_end(void)
{
	printf("%d checks, %d failed\n", count, failed);
	return failed != 0;
}

/* Says what it is at, in case it never ends. */
#define RUN(call) (printf("# %s\n", #call), (void)fflush(stdout), call)

/* The call failed, and so. */
#define REFUSED(call, error) (errno = 0, (call) == -1 && errno == (error))

#endif
