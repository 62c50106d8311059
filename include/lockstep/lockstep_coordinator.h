/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * Recovery coordinator - who repairs what a failed member has left behind
 *
 * For an application that runs on many nodes and has one *item* per node that must be repaired when the
 * node fails, before others touch what it protects: a journal, a log, a shard. It is what gfs2 does for
 * its journals, over two ordinary locks ("control" with a bitmap of failed items in its value block, and
 * "mounted"), and works together with others who follow the same protocol.
 *
 * Promises:
 * - The first member recovers every item before anybody uses data (G1).
 * - After a member has failed nobody uses newly granted locks until its item was recovered (G2).
 * - A newcomer does not start before the recoveries up to its own join are finished (G3).
 * - Each failed item is recovered by some member that saw it fail. An item may be recovered more than
 *   once: recovering a clean item must do no harm (G4).
 *
 * A member's item is its slot - 1 (lockstep_recovery.h). It belongs to the *node*: when the program ends and
 * its node lives, no other member is told. The program that comes after it must recover the item of its
 * own (it gets it with started()) before it uses it, and what its predecessor held must stay locked
 * until then, by LOCKSTEP_LKF_PERSISTENT or by whoever else holds it.
 *
 *   open, start ---> started(first) --recover(i)*, result(i)*--> [first_done] --> first_ended, unblock
 *              `---> started(other), unblock
 *
 *   a member fails:  block ... recover(i) --> result(i) ... unblock
 *
 * *Blocked* means: use no lock that was granted after block(); what was granted before stays usable. A
 * member is blocked from its beginning until the first unblock().
 *
 * A coordinator has a session of its own. Its callbacks run only inside lockstep_coordinator_dispatch(),
 * and may make any call but that one and lockstep_coordinator_close().
 *
 * Errors any call can return: -EINVAL; -ENOTCONN the session is lost: close it.
 */
#ifndef LOCKSTEP_COORDINATOR_H
#define LOCKSTEP_COORDINATOR_H

#include <lockstep/lockstep.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

struct lockstep_coordinator;

#define LOCKSTEP_COORDINATOR_OPS_VERSION 1

/* What block returns. */
#define LOCKSTEP_BLOCK_DONE    0
#define LOCKSTEP_BLOCK_PENDING 1 /* lockstep_coordinator_blocked() will follow */

/* How a recovery ended. */
#define LOCKSTEP_RECOVERY_SUCCESS 1 /* recovered, or found clean */
#define LOCKSTEP_RECOVERY_GAVEUP  2 /* to be tried again, in a second */
#define LOCKSTEP_RECOVERY_PANIC   3 /* not to be tried again on this node; others may */

/**
 * struct lockstep_coordinator_ops - the callbacks; each but @recover may be NULL
 * @version: LOCKSTEP_COORDINATOR_OPS_VERSION
 * @started: the answer to lockstep_coordinator_start(). @error 0, or -EINVAL the lockspace is
 *           administratively disabled, -ENOSPC this node's slot has no bit in the value block, -EINTR
 *           stopped, -ENOTCONN. @first: everything is to be recovered. @item is this member's own, and
 *           @token the fencing token of its lock, which is held from now on
 * @block:   LOCKSTEP_BLOCK_DONE or LOCKSTEP_BLOCK_PENDING. Until it is done, locks of failed members stay
 *           locked on all nodes. NULL: done
 * @unblock: everything may be used
 * @recover: recover @item; @token is the fencing token of the item's lock, which is held until
 *           lockstep_coordinator_result(), which must come exactly once, here or later
 * @first_ended: the first recovery is over and others may come; @error 0 or -EINTR, -ENOTCONN
 * @stopped: the answer to lockstep_coordinator_stop()
 */
struct lockstep_coordinator_ops {
	uint32_t version;
	void (*started)(void *arg, int error, bool first, uint32_t item, uint64_t token);
	int (*block)(void *arg);
	void (*unblock)(void *arg);
	void (*recover)(void *arg, uint32_t item, uint64_t token);
	void (*first_ended)(void *arg, int error);
	void (*stopped)(void *arg);
};

/**
 * struct lockstep_coordinator_options - NULL or all zero means the defaults
 * @control:     name of the control lock, NULL "lockstep.control"
 * @mounted:     name of the mounted lock, NULL "lockstep.mounted"
 * @item_prefix: items' locks are named so, with the number behind; NULL "lockstep.item."
 * @items:       how many items there are: the first member is asked to recover each of them, its own
 *               included, and its first recovery ends by itself when all have succeeded. 0: the
 *               application does it and calls lockstep_coordinator_first_done()
 * @spectator:   never recovers an item, and waits for somebody else to be the first
 */
struct lockstep_coordinator_options {
	const char *control;
	const char *mounted;
	const char *item_prefix;
	uint32_t items;
	bool spectator;
};

/** struct lockstep_coordinator_status - how it stands */
struct lockstep_coordinator_status {
	uint32_t generation; /* of the last recovery; 0 before */
	uint32_t item;       /* this member's; valid with generation */
	uint32_t items_max;  /* as many as the value block has bits for */
	uint32_t failed;     /* items that are not recovered yet, as far as this member knows */
	uint32_t marks;      /* times that the control lock's value was marked invalid, because a member
			      * had died holding it; harmless, it is written anew */
	bool started;
	bool first; /* and its recovery is not over */
	bool blocked;
};

/**
 * lockstep_coordinator_open - open a session with a coordinator
 * @space:   as for lockstep_open(), as are @flags and @open_options
 * @options: copied; may be NULL
 * @ops:     copied
 * @arg:     handed to each callback
 *
 * Errors as lockstep_open(), and -EINVAL @ops or @options are no good, or the lockspace's value blocks have
 * fewer than 16 bytes; -EOPNOTSUPP the daemon has recovery callbacks off.
 */
int lockstep_coordinator_open(const char *space, unsigned int flags,
			      const struct lockstep_options *open_options,
			      const struct lockstep_coordinator_options *options,
			      const struct lockstep_coordinator_ops *ops, void *arg,
			      struct lockstep_coordinator **ret);

/** lockstep_coordinator_close - end it with its session and its locks. NULL is fine. No callback runs.
 * Others do not take this for a failure. */
void lockstep_coordinator_close(struct lockstep_coordinator *c);

/** lockstep_coordinator_session - its session, for other locks of the program. It must not be closed, and
 * not be subscribed. */
struct lockstep_session *lockstep_coordinator_session(struct lockstep_coordinator *c);

/** lockstep_coordinator_fd - readable when lockstep_coordinator_dispatch() has something to do */
int lockstep_coordinator_fd(const struct lockstep_coordinator *c);

/** lockstep_coordinator_timeout - milliseconds until lockstep_coordinator_dispatch() has something to do
 * although the descriptor is not readable; -1 for ever */
int lockstep_coordinator_timeout(const struct lockstep_coordinator *c);

/** lockstep_coordinator_dispatch - do what is due, and run callbacks, also those of the session; does not
 * wait. Returns 0, or -ENOTCONN when the session is lost. */
int lockstep_coordinator_dispatch(struct lockstep_coordinator *c);

/* The calls below take effect with the next lockstep_coordinator_dispatch(), which is then due at once. */

/** lockstep_coordinator_start - become a member; started() answers. Once (-EALREADY). */
int lockstep_coordinator_start(struct lockstep_coordinator *c);

/** lockstep_coordinator_first_done - all items are recovered; first_ended() answers. -EINVAL this is not
 * the first member, or it has been said. */
int lockstep_coordinator_first_done(struct lockstep_coordinator *c);

/** lockstep_coordinator_result - the recovery of @item has ended. @outcome LOCKSTEP_RECOVERY_*.
 * -ENOENT nobody asked for it. */
int lockstep_coordinator_result(struct lockstep_coordinator *c, uint32_t item, int outcome);

/** lockstep_coordinator_blocked - the application has stopped, after LOCKSTEP_BLOCK_PENDING. */
int lockstep_coordinator_blocked(struct lockstep_coordinator *c);

/** lockstep_coordinator_stop - take no further part; stopped() answers, then close it. Recoveries under
 * way are the program's to end. Its item must be clean by then: nobody else will look at it. */
int lockstep_coordinator_stop(struct lockstep_coordinator *c);

void lockstep_coordinator_status(const struct lockstep_coordinator *c,
				 struct lockstep_coordinator_status *ret);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
