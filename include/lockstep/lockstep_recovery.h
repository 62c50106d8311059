/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * Recovery callbacks - a program is told when a member of its lockspace fails
 *
 * Model. Every change of the members of a lockspace (somebody joins, leaves or fails) runs one
 * *recovery*. When a member has failed, the others go on at once, but what it held stays locked until
 * it is surely down. Then, at one point of the cluster's order, its locks go, and each member has a
 * *slot* (1, 2, ...: the lowest numbers nobody else has) and the lockspace a new *generation*. A
 * session that has subscribed is told of it on every member in the same way:
 *
 *   prep                members are changing. Once every subscribed session of every member has
 *                       acknowledged this, and the failed are down, locks of the failed may be
 *                       granted to others
 *   slot(nodeid, slot)  that member failed; once for each, in ascending order of nodeids
 *   done(...)           the locks of the failed are gone; slots and generation are final
 *
 * - Order: prep, slots, done (R-CB-1). A recovery that is overtaken by another change is continued, not
 *   begun anew: one prep, one done (R-CB-2). Members that left in an orderly way give no slot (R-CB-4),
 *   and neither does one that failed before its first recovery was done: it never had a slot.
 * - No slot is told anywhere before prep was acknowledged everywhere (R-CB-3).
 * - Locks that the recovery grants to the session are told before done (R-CB-5). Who may not use one
 *   before done, or before a recovery of its own, must remember prep and wait.
 * - A node's first recovery in a lockspace, the one that takes it in, gives its sessions done only
 *   (R-CB-2). Opening a lockspace does not wait for it (R-CB-6).
 * - slot and done are told when every member knows of them, so nobody acts on a recovery that the
 *   others may never have seen (R-STAB-2).
 * - Generations grow, and may skip (R-GEN-1). They start again at 1 when all members were gone
 *   (R-GEN-2), and are never 0 or 0xFFFFFFFF (R-GEN-3).
 * - A member keeps its slot as long as it stays (R-SLOT-1). A newcomer may get the slot of a member whose
 *   failure the same recovery reports (R-SLOT-2).
 *
 * Semantics are those of struct dlm_lockspace_ops of the Linux DLM, with two differences: prep does not
 * stop locking, and it is acknowledged.
 *
 * **A subscriber must dispatch.** Until it has acknowledged prep, what failed members held stays locked
 * on all nodes. One that has not done so after `prep_ack_ms` (lockstep.conf(5), 30 s) is killed with
 * SIGKILL, together with whoever has inherited its connection (R-CB-10); a node on which that does not
 * work is to be fenced.
 *
 * Callbacks run as all others of the session: inside lockstep_dispatch() and the _wait calls, one at a
 * time, in order with completions and blocking notifications. They may make lock calls, but the _wait
 * calls return -EDEADLK in them: a grant may need this very recovery to finish (R-CB-7). When the session
 * is lost, none follows but its lost callback.
 */
#ifndef LOCKSTEP_RECOVERY_H
#define LOCKSTEP_RECOVERY_H

#include <lockstep/lockstep.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/** struct lockstep_slot - a member and its slot. Who counts from 0 subtracts 1 (R-SLOT-4). */
struct lockstep_slot {
	uint32_t nodeid;
	uint32_t slot; /* 1..LOCKSTEP_NODES_MAX */
};

#define LOCKSTEP_RECOVERY_OPS_VERSION 1

/* What prep returns. */
#define LOCKSTEP_PREP_DONE    0 /* acknowledged */
#define LOCKSTEP_PREP_PENDING 1 /* lockstep_prep_done() will follow */

/**
 * struct lockstep_recovery_ops - the callbacks; each may be NULL
 * @version: LOCKSTEP_RECOVERY_OPS_VERSION; says which members the caller knows (all below: since 1)
 * @prep:    LOCKSTEP_PREP_DONE or, when getting ready takes time, LOCKSTEP_PREP_PENDING. NULL
 *           acknowledges
 * @slot:    @slot is valid during the call
 * @done:    @slots has @count entries in ascending order of nodeids, this node's included, and is
 *           valid during the call. @own_slot is this node's
 *
 * @arg is the one that was subscribed with.
 */
struct lockstep_recovery_ops {
	uint32_t version;
	int (*prep)(void *arg);
	void (*slot)(void *arg, const struct lockstep_slot *slot);
	void (*done)(void *arg, const struct lockstep_slot *slots, size_t count, uint32_t own_slot,
		     uint32_t generation);
};

/**
 * lockstep_recovery_subscribe - tell this session of recoveries
 * @ops: copied
 * @arg: handed to each callback; must live until the subscription ends, as must what @ops points to
 *
 * Any number of sessions may subscribe, each once. The first callback comes with the next dispatch:
 * done, as of the last recovery, when there is none under way; prep, when there is (R-CB-8), and then
 * its slots and done; nothing before done when it is the one that takes in this node. Who subscribes
 * when all others have acknowledged prep already is not waited for by them, but is told slot and done
 * only after its own prep was acknowledged.
 *
 * One round trip to the daemon; no callback runs inside. -EALREADY subscribed already; -EINVAL @ops NULL
 * or of an unknown version; -EOPNOTSUPP the daemon's configuration has recovery callbacks off
 * (recovery_callbacks, R-CB-9); -ENOMEM; -ENOTCONN.
 */
int lockstep_recovery_subscribe(struct lockstep_session *s, const struct lockstep_recovery_ops *ops,
				void *arg);

/**
 * lockstep_recovery_unsubscribe - no more
 *
 * No callback of the subscription runs any more, also what was on its way. A prep that was not
 * acknowledged is. May be called in a callback, also one of its own. -ENOENT not subscribed; -ENOTCONN.
 * lockstep_close() ends a subscription, too.
 */
int lockstep_recovery_unsubscribe(struct lockstep_session *s);

/**
 * lockstep_prep_done - acknowledge the prep that returned LOCKSTEP_PREP_PENDING
 *
 * May also be called inside prep itself; then it does not matter what that returns. One round trip to the
 * daemon. -EINVAL no prep is waiting for it; -ENOTCONN.
 */
int lockstep_prep_done(struct lockstep_session *s);

/**
 * lockstep_recovery_open - open a session that is told of recoveries from its beginning on
 * @space:     as for lockstep_open(), as are @flags, @options and @ret
 * @ops:       as for lockstep_recovery_subscribe(), as is @arg; NULL subscribes to nothing
 * @ret_error: receives 0, or what lockstep_recovery_subscribe() would have returned when the session was
 *             opened without callbacks: -EOPNOTSUPP (R-CB-9). NULL makes that an error of the call
 *
 * As dlm_new_lockspace() with its ops, ops_arg and ops_result. Errors as lockstep_open(), and -EINVAL,
 * -ENOMEM, -ENOTCONN of the subscription; then there is no session.
 */
int lockstep_recovery_open(const char *space, unsigned int flags,
			   const struct lockstep_options *options,
			   const struct lockstep_recovery_ops *ops, void *arg, int *ret_error,
			   struct lockstep_session **ret);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
