/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The estimators of lockstep_timing.h and who they belong to (R-STAT-1 to R-STAT-4). Pure: time comes with
 * the calls. The classes live where the caller says, so that they may be in shared memory.
 */
#ifndef LOCKSTEP_CLIENT_TIMING_H
#define LOCKSTEP_CLIENT_TIMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lockstep/lockstep_timing.h>

struct timing;

#define TIMING_MAGIC 0x32474e494d495451u
#define TIMING_VERSION 1

/* What is in the file. A reader of another version passes it over. */
struct timing_page {
	uint64_t magic;
	uint32_t version;
	uint32_t pid;
	char comm[LOCKSTEP_COMM_MAX + 1];
	char space[LOCKSTEP_SPACE_MAX + 1];
	uint32_t classes_count;
	struct lockstep_timing_class classes[LOCKSTEP_TIMING_CLASSES];
};

/* R-STAT-1 */
void timing_sample(int64_t *mean, int64_t *variance, int64_t sample);

/* @page is the caller's and must outlive it. */
struct timing *timing_new(struct timing_page *page);
struct timing *timing_free(struct timing *t); /* NULL is fine; returns NULL */

/* A lock is asked for: its first op. */
void timing_lock_add(struct timing *t, uint32_t lkid, const void *name, size_t name_len);
void timing_lock_remove(struct timing *t, uint32_t lkid);
/* An op on it was accepted that was submitted at @now_ns. @waits: it is one of those that may (R-STAT-3). */
void timing_submitted(struct timing *t, uint32_t lkid, bool waits, int64_t now_ns);
void timing_completed(struct timing *t, uint32_t lkid, int64_t now_ns);
/* R-STAT-3 */
bool timing_waits(int granted, int mode, uint32_t flags);

bool timing_lock_get(const struct timing *t, uint32_t lkid, struct lockstep_timing *ret);

#endif
