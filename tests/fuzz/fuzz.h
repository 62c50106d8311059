/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One fuzz target per program: something that reads foreign bytes. With --enable-fuzzing it gets
 * libFuzzer's main, otherwise replay_main.c, which runs it on its committed corpus.
 */
#ifndef LOCKSTEP_TESTS_FUZZ_H
#define LOCKSTEP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A finding: says what and aborts, as libFuzzer wants it. */
#define fuzz_expect(condition)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,           \
				      #condition);                                                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
