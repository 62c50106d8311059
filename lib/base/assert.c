/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/assert.h"

void base_assert_failed(const char *condition, const char *file, int line, const char *function)
{
	(void)fprintf(stderr, "lockstep: assertion failed: %s (%s:%d, %s)\n", condition, file, line,
		      function);
	abort();
}
