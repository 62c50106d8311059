/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Assertions that stay on in release builds: a stopped replica is recoverable,
 * a diverged one is not. One condition each, never a side effect inside, and
 * never on input from a client, the network or a file (that is validated).
 */
#ifndef LOCKSTEP_BASE_ASSERT_H
#define LOCKSTEP_BASE_ASSERT_H

/* Prints the condition and its place to stderr, then aborts. */
__attribute__((noreturn, cold)) void base_assert_failed(const char *condition, const char *file,
							int line, const char *function);

#define ls_assert(cond)                                                                            \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0)) {                                                \
			base_assert_failed(#cond, __FILE__, __LINE__, __func__);                   \
		}                                                                                  \
	} while (0)

#endif
