/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * Timing statistics of locks - how long requests take, and how often they are made
 *
 * As gfs2's glock statistics: running means and variances in integer nanoseconds, of each lock and, added
 * up, of each class of locks of the session. A class is what stands before the first '/' of the
 * resource's name, "" for names without; there are LOCKSTEP_TIMING_CLASSES, later ones count as the last.
 *
 * They are a matter of this process and of no replica (R-STAT-5). Off until lockstep_timing_enable(),
 * since each op then costs two readings of the clock. While they are on, the classes are in a file in
 * /dev/shm that `lockstep stats --timing` of the same user, or of root, reads: nobody has to be asked.
 */
#ifndef LOCKSTEP_TIMING_H
#define LOCKSTEP_TIMING_H

#include <lockstep/lockstep.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

#define LOCKSTEP_TIMING_CLASSES 16
#define LOCKSTEP_TIMING_BUCKETS 24
#define LOCKSTEP_TIMING_CLASS_MAX 31

/**
 * struct lockstep_timing - the numbers; times in nanoseconds
 * @srtt:   mean round trip, from the call to the delivery of the completion, of requests that do not wait:
 *          unlock, to NL, NOQUEUE, conversions of a lock held EX
 * @srttvar: its variance (mean deviation), as are the others
 * @srttb:  of those that may wait
 * @sirt:   mean time between two requests on the same lock
 * @dcount: requests made, unlocks included
 * @qcount: requests that have no completion yet
 */
struct lockstep_timing {
	int64_t srtt, srttvar;
	int64_t srttb, srttvarb;
	int64_t sirt, sirtvar;
	uint64_t dcount;
	uint64_t qcount;
};

/**
 * struct lockstep_timing_class - of all locks of a class that the session has, or has had
 * @histogram: round trips of both kinds by their size: bucket i counts those below 2^i microseconds (and
 *             not below 2^(i-1)), the last one all that are longer
 */
struct lockstep_timing_class {
	char name[LOCKSTEP_TIMING_CLASS_MAX + 1];
	struct lockstep_timing timing;
	uint64_t histogram[LOCKSTEP_TIMING_BUCKETS];
};

/** lockstep_timing_enable - from now on, for locks that are asked for from now on. -EALREADY; -ENOMEM. That
 * the file cannot be made is no error. */
int lockstep_timing_enable(struct lockstep_session *s);

/** lockstep_timing_lock - the numbers of one lock. -ENOENT unknown, or older than lockstep_timing_enable(). */
int lockstep_timing_lock(const struct lockstep_session *s, uint32_t lkid, struct lockstep_timing *ret);

/** lockstep_timing_class - the numbers of class @index, 0 and up, in the order in which they came up.
 * -ENOENT there are no more, or timing is off. */
int lockstep_timing_class(const struct lockstep_session *s, unsigned int index,
			  struct lockstep_timing_class *ret);

/**
 * lockstep_timing_read - the classes of all sessions of this node that have timing on and may be read
 * @visit: called for each class; a return other than 0 ends it and is returned
 *
 * Files of processes that are gone are passed over. They were written meanwhile: a mean may be that of a
 * moment before.
 */
int lockstep_timing_read(int (*visit)(uint32_t pid, const char *comm, const char *space,
				      const struct lockstep_timing_class *c, void *arg),
			 void *arg);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
