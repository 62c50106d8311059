/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measured times and the lines that report them. Called by the programs of bench/ only. Lines are
 * `figure variant n p50_us p99_us max_us per_s`, separated by tabs, "-" where nothing applies.
 */
#ifndef LOCKSTEP_BENCH_SAMPLES_H
#define LOCKSTEP_BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
	uint64_t *items; /* nanoseconds */
	size_t count;
	size_t capacity;
};

/* The clock of all processes of this machine, in whatever namespaces they are. */
uint64_t now_ns(void);

void samples_add(struct samples *s, uint64_t ns);
void samples_done(struct samples *s);
/* Prints the line. @per_s 0 prints "-". Sorts. Without samples the program ends
 * with a sentence: a figure that is missing is an error. */
void samples_print(struct samples *s, const char *figure, const char *variant, double per_s);
/* A figure that is no time: `value name n median min max -`, in the unit that ends the name. */
void value_print(const char *name, size_t n, double value);

/* Number of an argument, at most @max; exits with a sentence when it is none. */
uint64_t number_argument(const char *text, uint64_t max);

#endif
